// The check: difference quotients against h, beside the derivative.

import { draw, make, options, pathOf, write } from "chainrule/dom";
import { format, ten } from "chainrule/numbers";

const MOST_LISTED = 100;
const EXPONENTS = Array.from({ length: 14 }, (_, n) => -(n + 1));

export function checkPanel(app) {
  const which = document.getElementById("checked"), body = document.getElementById("quotients");
  const plot = document.getElementById("errors"), told = document.getElementById("check-told");
  let entries = [], n = 0, seen = null;

  /** The two quotients for a step h, and how far each is from the derivative. */
  function quotient({ leaf, at }, h, here, slope) {
    const { model } = app, x = model.entry(leaf, at);
    const [above, below] = [x + h, x - h].map((v) => model.loss(model.withEntry(leaf, at, v)));
    const forward = (above - here) / h, central = (above - below) / (2 * h);
    return { h, forward, central, errors: [Math.abs(forward - slope), Math.abs(central - slope)] };
  }

  which.addEventListener("change", () => {
    n = Number(which.value);
    seen = null;
    app.render();
  });

  function show() {
    const entry = entries[n], here = app.model.loss(), slope = app.model.slope(entry.leaf, entry.at);
    const found = EXPONENTS.map((e) => quotient(entry, 10 ** e, here, slope));
    write(told, saidOf(here, slope, entry, found.find(({ h }) => h < 1e-6)));
    body.replaceChildren(...found.filter((_, i) => i % 2 === 0).map((q) => make("tr", {},
      make("td", {}, ten(Math.round(Math.log10(q.h)))),
      make("td", { class: "number" }, format(q.forward, 5)),
      make("td", { class: "number" }, format(q.central, 5)))));
    const [w, h] = [300, 150], top = 2, bottom = -14;
    const put = (q, which_) => [44 + ((w - 54) * (EXPONENTS.length + Math.log10(q.h))) / (EXPONENTS.length - 1),
      10 + ((h - 34) * (top - Math.min(Math.max(Math.log10(q.errors[which_] === 0 ? 1e-16 : q.errors[which_]), bottom), top))) / (top - bottom)];
    plot.replaceChildren(
      ...[0, -4, -8, -12].map((e) => {
        const y = 10 + ((h - 34) * (top - e)) / (top - bottom);
        return draw("g", {}, draw("line", { x1: 44, x2: w - 8, y1: y, y2: y, class: "rule" }), draw("text", { x: 40, y: y + 4, "text-anchor": "end" }, ten(e)));
      }),
      draw("path", { d: pathOf(found.map((q) => put(q, 0))), class: "line dashed" }),
      draw("path", { d: pathOf(found.map((q) => put(q, 1))), class: "line" }),
      draw("text", { x: 44, y: h - 6 }, `h = ${ten(-14)}`),
      draw("text", { x: w - 8, y: h - 6, "text-anchor": "end" }, "h = 0.1"),
    );
  }

  /** The derivative; on a kink the slopes before and behind differ, and what is taken for it is a convention. */
  function saidOf(here, slope, { leaf }, { forward, central }) {
    if (!Number.isFinite(here)) return `there is no derivative: ${app.output.shown} is ${format(here)}`;
    const behind = 2 * central - forward, isBent = Math.abs(forward - behind) > 1e-3 * Math.max(1, Math.abs(forward), Math.abs(behind));
    if (isBent && app.model.passesKink(leaf)) return `there is no derivative on a kink: ${format(slope, 10)} is taken by convention`;
    return `the derivative is ${format(slope, 10)}`;
  }

  return {
    section: body.closest("section"),
    open() {
      clearTimeout(this.timer);
      which.closest("section").hidden = !app.data.live || !app.data.trained.length;
      entries = app.model.trainedEntries(MOST_LISTED);
      const [best] = app.data.telling;
      n = Math.max(0, entries.findIndex(({ leaf, at }) => leaf === best?.[0] && at === best?.[1]));
      seen = null;
      options(which, entries.map(({ shown }, i) => [i, shown]), n);
    },
    update() {
      if (!app.data.live || !entries.length || seen === app.model.leaves) return;
      seen = app.model.leaves;
      // A large net is asked when nothing is being moved.
      clearTimeout(this.timer);
      if (app.data.scalar) show();
      else this.timer = setTimeout(show, 150);
    },
  };
}
