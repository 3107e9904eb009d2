// The derivation in five dialects: its numbers are those of now, and its factors light the edges they stand for.

import { make, options, write } from "chainrule/dom";
import { format, offsetOf } from "chainrule/numbers";

const NAMES = { graph: "node by node", chain: "chain", paths: "paths", delta: "errors δ", jacobian: "Jacobians" };

export function derivationPanel(app) {
  const holder = document.getElementById("story"), tabs = document.getElementById("dialects");
  const asked = document.getElementById("asked"), note = document.getElementById("story-note");
  let places = [], elements = [], shownKey = "";

  function build() {
    const stories = app.data.stories ?? [];
    const names = [...new Set(stories.map(([name]) => name))];
    const name = app.data.steps[app.data.leaves[app.asked]]?.name;
    const chosen = names.includes(name) ? name : names[0];
    options(asked, names.map((n) => [n, n]), chosen);
    const told = stories.filter(([of]) => of === chosen);
    const dialect = told.some(([, d]) => d === app.dialect) ? app.dialect : told.some(([, d]) => d === "chain") ? "chain" : told[0]?.[1];
    tabs.replaceChildren(...told.map(([, d]) => make("button", {
      type: "button", "aria-pressed": String(d === dialect), onclick: () => {
        app.dialect = d;
        build();
        app.render();
      },
    }, NAMES[d])));
    asked.parentElement.hidden = !names.length;
    const story = told.find(([, d]) => d === dialect);
    shownKey = "";
    if (!story) {
      holder.replaceChildren(make("p", { class: "quiet" }, app.data.recorded ? "This graph is too large to be told." : "Nothing is told of a result that is no finite number."));
      places = [];
      write(note, "");
      return;
    }
    holder.innerHTML = story[2];
    places = story[3];
    elements = [...holder.querySelectorAll("[data-place]")];
    write(note, story[4] ? (places.length ? "Dotted numbers are those of the start." : "Told with the numbers of the start.") : "");
    for (const element of holder.querySelectorAll("[data-edge], [data-node]")) element.setAttribute("tabindex", "-1");
    elements.forEach((element) => {
      const [key] = places[element.dataset.place];
      if (key[0] === "local") element.dataset.edge = key[1];
      else if (["value", "gradient", "share", "total"].includes(key[0])) element.dataset.node = stepOf(key);
    });
  }

  /** What a place holds now. */
  function number([key, scale]) {
    const [kind, n, ...rest] = key;
    if (kind === "slope") return scale * slope(n, rest[0]);
    if (kind === "nudge") return scale * nudge(n, ...rest);
    const x = app.model.results()[kind][n];
    if (typeof x === "number") return scale * x;
    return scale * x[offsetOf(rest, app.data.steps[stepOf(key)].shape)];
  }

  /** The step that a number belongs to: of a local derivative the one above. */
  function stepOf([kind, n]) {
    if (kind === "local") return app.data.edges[n][0];
    return kind === "share" || kind === "total" ? app.data.passes[0].arrivals[n][1] : n;
  }

  /** How a step moves with one below it: the local derivatives along every way between them. */
  function slope(top, bottom) {
    const local = app.model.results().local, held = new Map([[top, 1]]);
    // The edges of the last step come first, so whatever reaches a step is there before it goes on.
    app.data.edges.forEach(([step, , x], edge) => {
      if (held.has(step)) held.set(x, (held.get(x) ?? 0) + held.get(step) * local[edge]);
    });
    return held.get(bottom) ?? 0;
  }

  function nudge(leaf, h, kind) {
    const before = app.model.result;
    const after = app.model.loss(app.model.withEntry(leaf, 0, app.model.leaves[leaf] + h));
    return [after, after - before, (after - before) / h, after - before - h * app.model.slope(leaf, 0)][kind];
  }

  asked.addEventListener("change", () => {
    app.asked = app.leafNamed(asked.value);
    build();
    app.render();
  });

  return {
    open: build,
    update() {
      const key = app.model.leaves;
      if (shownKey === key) return;
      shownKey = key;
      for (const element of elements) {
        write(element, amongOthers(element, number(places[element.dataset.place])));
      }
    },
  };
}

const ROWS = ["math", "mrow", "mstyle", "mpadded", "mtd"];

/** A number as it stands beside what is printed around it: bracketed where a minus would mislead, with a dot between factors. */
function amongOthers(element, x) {
  const row = ROWS.includes(element.parentElement.localName);
  const before = element.previousElementSibling, after = element.nextElementSibling;
  const base = element.parentElement.localName === "msup" && !before;
  const inside = base || (row && before && !["=", "≈", "("].includes(before.textContent));
  const text = x < 0 && inside ? `(${format(x)})` : format(x);
  const isFactor = (other) => other && (other.localName !== "mo" || other.textContent === "\u2062");
  const bare = after?.localName === "mn" && after.dataset.place === undefined;
  return (row && isFactor(before) ? "·" : "") + text + (row && bare ? "·" : "");
}
