// The derivation in five dialects: its numbers are those of now, and its factors light the edges they stand for.

import { choices, make, options, write } from "chainrule/dom";
import { format, offsetOf, pick, sizeOf } from "chainrule/numbers";

const NAMES = { graph: "node by node", chain: "chain", paths: "paths", delta: "errors δ", jacobian: "Jacobians" };

/** What a number is made of that is none of the program: the contribution of a path is a product. */
const ARITHMETIC = { add: (x, y) => x + y, sub: (x, y) => x - y, mul: (x, y) => x * y, div: (x, y) => x / y, neg: (x) => -x, square: (x) => x * x, reciprocal: (x) => 1 / x, exp: Math.exp, log: Math.log, sqrt: Math.sqrt, tanh: Math.tanh };

/** What is said of all entries of an array together. */
const OF_ARRAYS = { least: (x) => x.reduce((a, b) => Math.min(a, b)), most: (x) => x.reduce((a, b) => Math.max(a, b)), length: (x) => Math.hypot(...x) };

export function derivationPanel(app) {
  const holder = document.getElementById("story"), tabs = document.getElementById("dialects");
  const asked = document.getElementById("asked"), note = document.getElementById("story-note");
  let tellings = [], shown = null, elements = [], seen = null, moves = new Map();

  /** The story that is chosen, and what else there is to choose. */
  function build() {
    const stories = app.data.stories ?? [];
    const names = [...new Set(stories.map(([name]) => name))];
    const name = app.data.steps[app.data.leaves[app.asked]]?.name;
    const chosen = names.includes(name) ? name : names[0];
    options(asked, names.map((n) => [n, app.data.steps.find((step) => step.name === n)?.shown ?? n]), chosen);
    const told = stories.filter(([of]) => of === chosen);
    const dialect = told.some(([, d]) => d === app.dialect) ? app.dialect : told.some(([, d]) => d === "chain") ? "chain" : told[0]?.[1];
    choices(tabs, told.map(([, d]) => [d, NAMES[d]]), dialect, (d) => {
      app.dialect = d;
      build();
      app.render();
    });
    asked.parentElement.hidden = !names.length;
    tellings = told.find(([, d]) => d === dialect)?.[2] ?? [];
    shown = seen = null;
    if (tellings.length) return;
    holder.replaceChildren(make("p", { class: "quiet" }, whyNothing()));
    write(note, "");
  }

  function whyNothing() {
    return app.data.live && app.saidOfOdd ? `Nothing is told: at the start the result is no finite number. ${app.saidOfOdd}` : "This graph is too large to be told.";
  }

  /** Put a telling in the panel. */
  function show(telling) {
    shown = telling;
    holder.innerHTML = telling[1].map((n) => app.data.pieces[n]).join("");
    elements = [...holder.querySelectorAll("[data-place], [data-words]")];
    for (const element of holder.querySelectorAll("[data-edge], [data-node]")) element.setAttribute("tabindex", "-1");
    reach();
    for (const [n, element] of elements.entries()) {
      const [key] = telling[2][n];
      if (element.dataset.words !== undefined) continue;
      if (key[0] === "local") element.dataset.edge = key[1];
      else if (["value", "gradient", "share", "total"].includes(key[0])) element.dataset.node = stepOf(key);
    }
  }

  /** What is wider than the panel is scrolled by itself, with the keyboard too. */
  function reach() {
    for (const wide of holder.querySelectorAll(".table, .equation, p, li")) {
      const isWide = wide.scrollWidth > wide.clientWidth;
      for (const [name, value] of [["tabindex", "0"], ["role", "region"], ["aria-label", "Wider than the panel"]]) {
        if (isWide) wide.setAttribute(name, value);
        else wide.removeAttribute(name);
      }
    }
  }
  new ResizeObserver(reach).observe(holder);

  /** Fill the story in: with the numbers of now where it holds for them, or else with those of the start, if it began finite. */
  function fill() {
    const { model } = app, moved = model.leaves.some((x, n) => x !== model.start[n]), isFinite = Number.isFinite(model.result);
    const code = model.branch(), telling = tellings.find(([branch]) => (branch === null ? !moved : isFinite && new RegExp(`^${branch}$`).test(code)));
    const startsFinite = Number.isFinite(model.resultsOfStart().value[app.data.output]), chosen = telling ?? (startsFinite ? tellings[0] : null);
    if (chosen === null) {
      holder.replaceChildren(make("p", { class: "quiet" }, isFinite ? "Of what holds here nothing is told: the page began elsewhere, on another side of a kink or of a slope that is 0." : `${app.saidOfOdd} Nothing is told of what is no finite number; it is once the result is one.`));
      holder.classList.remove("past");
      shown = null;
      return write(note, "");
    }
    if (shown !== chosen) show(chosen);
    const [branch, , places, still] = shown, isLive = Boolean(telling) && places.length > 0;
    const at = isLive ? { leaves: model.leaves, results: model.results() } : { leaves: model.start, results: model.resultsOfStart() };
    moves = new Map();
    elements.forEach((element, n) => {
      const [key, scale] = places[n], x = number([key, element.dataset.words === undefined ? scale : 1], at);
      write(element, element.dataset.words === undefined ? amongOthers(element, x) : scale[x > 0 ? 2 : x < 0 ? 0 : 1]);
    });
    holder.classList.toggle("past", moved && !isLive);
    const isCrossed = !telling && tellings.every(([of]) => of !== null);
    write(note, saidOf(moved, isLive, still, isCrossed));
  }

  function saidOf(moved, isLive, still, isCrossed) {
    // On one side of the kinks alone is told what has no pattern for another.
    const oneSided = tellings.length === 1 && tellings[0][2].length > 0 && app.data.watched.some(([, sharp]) => sharp) && !/\[/.test(tellings[0][0] ?? "");
    const past = moved && !isLive;
    return [
      isLive ? (moved ? "The numbers are those of now; words and the order of rows are not worked out again." : "") : `Told with the numbers of the start${moved ? ", which have moved" : ""}.`,
      past ? app.saidOfOdd || `${isCrossed ? "A kink was crossed, or a slope became 0 or ceased to be" : "Here numbers do not follow"}: what is told does not hold for those of now.` : "",
      isLive && still ? "Dotted numbers are those of the start." : "",
      oneSided && !past ? "It is told for this side of the kinks alone." : "",
    ].filter(Boolean).join(" ");
  }

  /** What a place holds at some leaves. */
  function number([key, scale], at) {
    const [kind, n, ...rest] = key;
    if (kind === "number") return n;
    if (kind in ARITHMETIC) return scale * ARITHMETIC[kind](...n.map((part) => number(part, at)));
    if (kind in OF_ARRAYS) return scale * OF_ARRAYS[kind](app.model.entriesOf(at.results[n][rest[0]], rest[0]));
    if (kind === "slope") return scale * slope(n, rest[0], at);
    if (kind === "nudge") return scale * nudge(n, ...rest, at);
    if (kind === "moved") return scale * moved(n, ...rest.slice(0, 3), rest.slice(3), at);
    const x = kind === "row" ? app.model.jacobian(n, at) : at.results[kind][n];
    if (typeof x === "number") return scale * x;
    return scale * x[offsetOf(rest, shapeOf(key))];
  }

  /** The extents of what holds a number. */
  function shapeOf([kind, n]) {
    const { steps, edges } = app.data;
    if (kind === "row") return [edges[n][0], edges[n][2]].map((place) => sizeOf(steps[place].shape));
    // The softmax inside a cross-entropy has the shape of what that takes in.
    return steps[kind === "softmax" ? edges.find(([step]) => step === n)[2] : stepOf([kind, n])].shape;
  }

  /** The step that a number belongs to: of a local derivative the one above. */
  function stepOf([kind, n]) {
    if (kind === "local") return app.data.edges[n][0];
    return kind === "share" || kind === "total" ? app.data.passes[0].arrivals[n][1] : n;
  }

  /** How a step moves with one below it: the local derivatives along every way between them. */
  function slope(top, bottom, at) {
    const { local } = at.results, held = new Map([[top, 1]]);
    // The edges of the last step come first, so whatever reaches a step is there before it goes on.
    app.data.edges.forEach(([step, , x], edge) => {
      if (held.has(step)) held.set(x, (held.get(x) ?? 0) + held.get(step) * local[edge]);
    });
    return held.get(bottom) ?? 0;
  }

  /** The leaves with a small step of an entry, and how long that is once it was added. */
  function nudged(leaf, h, entry, leaves) {
    const before = pick(leaves[leaf], entry), after = before + h;
    return [app.model.withEntry(leaf, entry, after, leaves), after - before];
  }

  function nudge(leaf, h, kind, entry, { leaves, results }) {
    const [there, length] = nudged(leaf, h, entry, leaves), after = app.model.loss(there), change = after - results.value[app.data.output];
    return [after, change, change / length, change - length * app.model.slope(leaf, entry, results), length][kind];
  }

  /** How far an entry of a step moves then. */
  function moved(leaf, h, entry, place, at, { leaves, results }) {
    const key = `${leaf} ${h} ${entry}`, offset = offsetOf(at, app.data.steps[place].shape);
    if (!moves.has(key)) moves.set(key, app.model.run(0, nudged(leaf, h, entry, leaves)[0]).value);
    return pick(moves.get(key)[place], offset) - pick(results.value[place], offset);
  }

  asked.addEventListener("change", () => {
    app.asked = app.leafNamed(asked.value);
    build();
    app.render();
  });

  return {
    section: holder.closest("section"),
    open: build,
    update() {
      if (!tellings.length || seen === app.model.leaves) return;
      seen = app.model.leaves;
      fill();
    },
  };
}

const ROWS = ["math", "mrow", "mstyle", "mpadded", "mtd"];

/** A number as it stands beside what is printed around it: bracketed where a minus would mislead, with a dot between factors. */
function amongOthers(element, x) {
  const row = ROWS.includes(element.parentElement.localName);
  const before = element.previousElementSibling, after = element.nextElementSibling;
  const base = element.parentElement.localName === "msup" && !before;
  // The first factor of a product stands behind what stands before that.
  let first = element;
  while (!first.previousElementSibling && first.parentElement.localName === "mrow") first = first.parentElement;
  const sign = first.previousElementSibling;
  const inside = base || (row && sign && !["=", "≈", "("].includes(sign.textContent));
  const text = x < 0 && inside ? `(${format(x)})` : format(x);
  const isFactor = (other) => other && (other.localName !== "mo" || other.textContent === "\u2062");
  const bare = after?.localName === "mn" && after.dataset.place === undefined;
  return (row && isFactor(before) ? "·" : "") + text + (row && bare ? "·" : "");
}
