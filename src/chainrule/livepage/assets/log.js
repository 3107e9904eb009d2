// The log of accumulations, and the switches that make a backward pass go wrong.

import { choices, make, options, write } from "chainrule/dom";
import { nothing } from "chainrule/model";
import { differs, finite, format } from "chainrule/numbers";

const TITLES = { right: "Right", overwrite: "Overwrite", order: "Wrong order", zero_grad: "No zeroing", forgotten: "Forgotten factor" };
const MOST_ROWS = 160;

export function logPanel(app) {
  const kinds = document.getElementById("mistakes"), which = document.getElementById("which");
  const edge = document.getElementById("forgotten"), body = document.getElementById("log");
  const code = document.getElementById("code"), verdict = document.getElementById("verdict");
  let rows = [], built = "";

  function switches() {
    const passes = app.data.passes ?? [];
    const own = app.model.pass?.kind;
    choices(kinds, [...new Set(passes.map((pass) => pass.kind))].map((kind) => [kind, TITLES[kind]]), own, (kind) => app.mistake(kind));
    const same = passes.flatMap((pass, n) => (pass.kind === own ? [[n, pass.says]] : []));
    which.hidden = same.length < 2;
    options(which, same, app.model.passKind);
    const { steps, edges } = app.data, forgets = app.model.pass?.forgets ?? [];
    edge.hidden = !forgets.length;
    options(edge, forgets.map((n) => [n, `∂${steps[edges[n][0]].shown}/∂${steps[edges[n][2]].shown}`]), app.model.forgotten);
    code.textContent = app.model.pass?.code.join("\n") ?? "";
  }

  function build() {
    const { steps } = app.data, arrivals = app.model.arrivals;
    rows = arrivals.slice(0, MOST_ROWS).map(([from, to], i) => {
      const cells = [make("td", {}, String(i + 1)), make("td", {}, ...breakable(steps[from].shown)), make("td", {}, ...breakable(steps[to].shown)), make("td", { class: "number" }), make("td", { class: "number grad" })];
      const row = make("tr", { "data-edge": app.model.edgeOf(i), "data-node": to, tabindex: "0" }, ...cells);
      row.addEventListener("click", () => app.step(app.model.forwardSteps.length + i + 1));
      row.addEventListener("keydown", (event) => {
        if (event.key === "Enter") app.step(app.model.forwardSteps.length + i + 1);
      });
      return { row, share: cells[3], total: cells[4], to, edge: app.model.edgeOf(i) };
    });
    const more = arrivals.length - rows.length;
    body.replaceChildren(...rows.map(({ row }) => row), ...(more > 0 ? [make("tr", {}, make("td", { colspan: "5" }, `and ${more} more`))] : []));
  }

  which.addEventListener("change", () => app.mistake(Number(which.value)));
  edge.addEventListener("change", () => app.mistake("forgotten", Number(edge.value)));

  /** The gradient that each share was made from: what had arrived at its source by then. */
  function arrived(back) {
    const held = new Map([[app.data.output, 1]]);
    return app.model.arrivals.map(([from, to], i) => {
      const found = held.get(from);
      if (to !== app.data.output) held.set(to, back.total[i]);
      return found;
    });
  }

  /** Where gradients stop being finite: the first share that is not, of a gradient that is. */
  function origin(back) {
    const { steps } = app.data, incoming = arrived(back);
    const first = app.model.arrivals.findIndex((_, i) => finite(incoming[i]) && !finite(back.share[i]));
    if (app.saidOfOdd) return `${app.saidOfOdd} So nothing here is a derivative.`;
    if (first < 0) return "";
    const [from, to] = app.model.arrivals[first];
    return `Gradients stop being finite at share ${first + 1}: ${steps[from].shown} hands ${app.shown(back.share[first], to, 4)} to ${steps[to].shown}.`;
  }

  function judge() {
    const { steps, leaves } = app.data, back = app.model.backward(), right = app.model.results();
    const odd = origin(back);
    if (app.model.passKind === 0) return odd || "Every gradient is right.";
    if (odd) return odd;
    const wrong = leaves.filter((place) => steps[place].moves && differs(back.gradient[place] ?? nothing(steps[place].shape), right.gradient[place]));
    if (!wrong.length) return "With these numbers every gradient comes out right all the same.";
    return wrong.slice(0, 4).map((place) => {
      const found = back.gradient[place] ?? nothing(steps[place].shape);
      return `${steps[place].shown}: ${app.shown(found, place)}, right is ${app.shown(right.gradient[place], place)}`;
    }).join(" · ");
  }

  return {
    section: body.closest("section"),
    open: () => (built = ""),
    update() {
      const key = `${app.number} ${app.model.passKind}`;
      if (built !== key) {
        built = key;
        switches();
        build();
      }
      edge.value = String(app.model.forgotten);
      const back = app.model.backward(), count = app.k - app.model.forwardSteps.length, slopes = app.model.results().local;
      const incoming = arrived(back);
      rows.forEach(({ row, share, total, to, edge: n }, i) => {
        const known = i < count;
        const slope = app.model.forgets(n) ? 1 : slopes[n];
        write(share, known ? product(slope, incoming[i], back.share[i]) + whole(app.shown(back.share[i], to, 5)) : "");
        write(total, known ? whole(app.shown(back.total[i], to, 5)) : "");
        row.classList.toggle("now", i === count - 1 && app.k !== app.model.last);
        row.classList.toggle("unknown", !known);
        row.classList.toggle("origin", known && finite(incoming[i]) && !finite(back.share[i]));
      });
      write(verdict, app.data.recorded || app.k < app.model.last ? "" : judge());
      verdict.classList.toggle("wrong", app.model.passKind !== 0);
    },
  };
}

/** A text that stays in one line. */
const whole = (text) => text.replaceAll(" ", "\u00a0");

/** A name that may go on in the next line after a dot. */
function breakable(name) {
  return name.split(/(?<=\.)/).flatMap((part, i) => (i ? [make("wbr"), part] : [part]));
}

/** A share as its local derivative times the gradient that arrived, where that is what it comes to. */
function product(slope, incoming, share) {
  if (typeof share !== "number" || typeof slope !== "number" || typeof incoming !== "number" || slope === 1) return "";
  const found = slope * incoming, same = Object.is(found, share) || Math.abs(found - share) <= 1e-12 * Math.abs(share);
  return same ? `${whole(`${format(slope, 4)} · ${wrapped(incoming)}`)} =\u00a0` : "";
}

function wrapped(x) {
  const text = format(x, 4);
  return x < 0 ? `(${text})` : text;
}
