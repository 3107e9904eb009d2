// Try it: say what the next gradient is before it is shown.

import { make, write } from "chainrule/dom";
import { entryName, format, parse, pick } from "chainrule/numbers";

const MOST = 24;

export function tryPanel(app) {
  const question = document.getElementById("question"), answer = document.getElementById("answer");
  const said = document.getElementById("judged"), begin = document.getElementById("begin"), form = document.getElementById("try-form");
  let order = [], n = 0, tries = 0;

  /** The nodes in the order in which their gradients are complete, of an array the entry with the largest; so many at most. */
  function asked() {
    const { passes, steps } = app.data, lastAt = new Map();
    passes[0].arrivals.forEach(([, to], i) => lastAt.set(to, i));
    const found = [...lastAt].sort(([, i], [, j]) => i - j).map(([place]) => ({ place, at: largest(place) }));
    const single = found.every(({ place }) => !steps[place].shape.length);
    // Of nets the weights, and the sums of layers.
    const telling = found.filter(({ place }) => !steps[place].op || app.data.layers.some((layer) => layer.steps.includes(place)));
    return single || telling.length < 2 ? found.slice(0, MOST) : telling.slice(0, MOST);
  }

  function largest(place) {
    const g = app.model.results().gradient[place];
    if (typeof g === "number" || g === undefined) return 0;
    return g.reduce((best, x, i) => (Math.abs(x) > Math.abs(g[best]) ? i : best), 0);
  }

  const nameOf = ({ place, at }) => entryName(app.data.steps[place].shown, at, app.data.steps[place].shape);
  const rightOf = ({ place, at }) => pick(app.model.results().gradient[place] ?? 0, at);

  function start() {
    app.mistake(0);
    order = asked();
    n = 0;
    app.trying = true;
    ask();
  }

  function ask() {
    tries = 0;
    const { steps, passes } = app.data;
    form.hidden = n >= order.length;
    begin.textContent = "Start again";
    if (n >= order.length) {
      app.trying = false;
      app.step(app.model.last);
      write(question, "That was the last: every gradient is found.");
      return;
    }
    const { place } = order[n];
    const before = passes[0].arrivals.findIndex(([, to]) => to === place);
    app.step(app.model.forwardSteps.length + before);
    app.select(place);
    const uses = passes[0].arrivals.filter(([, to]) => to === place).length;
    write(question, `What is ∂${app.output.shown}/∂${nameOf(order[n])}${uses > 1 ? `, with what all ${uses} of its uses hand back` : ""}?`);
    answer.value = "";
    answer.setAttribute("aria-label", question.textContent);
    answer.focus({ preventScroll: true });
  }

  const near = (x, y) => Object.is(x, y) || Math.abs(x - y) <= 1e-4 * Math.max(Math.abs(y), 1e-9) || Math.abs(x - y) <= 5e-7;

  /** What the catalogue says of a wrong number: how to go on, and at the next try what was done. */
  function hint({ place, at }, x) {
    const hints = app.data.hints ?? [], printed = app.model.functions.hints;
    if (printed) {
      const out = printed.run(...app.model.leaves);
      const found = hints.findIndex(([of], i) => of === place && near(x, pick(out[printed.results[i]], at)));
      if (found >= 0) {
        const [, name, says, fix] = hints[found];
        return { name, text: tries > 1 ? `${says}: ${fix}` : fix };
      }
    }
    const off = (app.data.usual ?? []).find(([times]) => near(x, times * rightOf({ place, at })));
    if (off) return { name: off[1], text: tries > 1 ? `${off[2]}: ${off[3]}` : off[3] };
    return { name: "", text: tries > 1 ? "multiply what arrives by the local derivative on each arrow, and add the arrows up" : "not yet: look at the arrows that leave this node" };
  }

  function judge() {
    const found = parse(answer.value);
    if (!found.ok) {
      write(said, "type a number, as −0.25");
      return null;
    }
    const right = rightOf(order[n]);
    if (near(found.value, right)) {
      write(said, `right: ${format(right)}`);
      said.className = "right";
      n++;
      ask();
      return { right: true };
    }
    tries++;
    const { name, text } = hint(order[n], found.value);
    said.className = "wrong";
    said.replaceChildren(make("strong", {}, name ? `${name}: ` : ""), text);
    return { right: false, name, text };
  }

  begin.addEventListener("click", () => {
    said.replaceChildren();
    start();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    judge();
  });
  document.getElementById("show").addEventListener("click", () => {
    const right = rightOf(order[n]);
    write(said, `it is ${format(right)}`);
    said.className = "";
    n++;
    ask();
  });

  return {
    open() {
      order = [];
      n = 0;
      form.hidden = true;
      said.replaceChildren();
      begin.textContent = "Start";
      const possible = app.data.live && asked().length;
      begin.closest("section").hidden = !possible;
      write(question, "Each gradient is asked before it is shown, from the result down.");
    },
    start,
    judge,
    type: (x) => (answer.value = String(x)),
  };
}
