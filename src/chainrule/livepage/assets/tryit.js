// Try it: say what the next gradient is before it is shown.

import { make, write } from "chainrule/dom";
import { entryName, format, parse, pick, sizeOf } from "chainrule/numbers";

const MOST = 24, ENOUGH = 6;

/** The digits of a typed number that count. */
const significant = (typed) => typed.toLowerCase().split("e")[0].replace(/\D/g, "").replace(/^0+/, "").length;

export function tryPanel(app) {
  const question = document.getElementById("question"), answer = document.getElementById("answer");
  const said = document.getElementById("judged"), begin = document.getElementById("begin"), form = document.getElementById("try-form");
  let order = [], n = 0, tries = 0;

  /** The nodes in the order in which their gradients are complete, of an array the entry with the largest; so many at most. */
  function asked() {
    const { passes, asking } = app.data, lastAt = new Map();
    passes[0].arrivals.forEach(([, to], i) => lastAt.set(to, i));
    const found = [...lastAt].filter(([place]) => asking.includes(place)).sort(([, i], [, j]) => i - j);
    return found.slice(0, MOST).map(([place]) => ({ place, at: largest(place) }));
  }

  function largest(place) {
    const g = app.model.results().gradient[place];
    if (typeof g === "number" || g === undefined) return 0;
    return g.reduce((best, x, i) => (Math.abs(x) > Math.abs(g[best]) ? i : best), 0);
  }

  const nameOf = ({ place, at }) => entryName(app.data.steps[place].shown, at, app.data.steps[place].shape);
  const rightOf = ({ place, at }) => pick(app.model.results().gradient[place] ?? 0, at);

  function start() {
    if (!Number.isFinite(app.model.result)) {
      write(question, `${app.output.shown} is ${format(app.model.result)}, so nothing here is a derivative: move a number first.`);
      return;
    }
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

  /** Whether a typed number is one of `many` that it may be by chance: the more there are, the more digits have to agree. */
  const near = (x, y, many = 1) => Object.is(x, y) || Math.abs(x - y) <= Math.min(1e-4, 1e-3 / many) * Math.max(Math.abs(y), 1e-9) || Math.abs(x - y) <= 5e-7 / many;

  /** The mistake of the catalogue that gives a number, as its name, what was done, and how to mend it. */
  function known({ place, at }, x) {
    const { run, results } = app.model.functions.hints, out = run(...app.model.leaves), size = sizeOf(app.data.steps[place].shape);
    const found = app.data.hints.find(([of], i) => {
      if (of !== place) return false;
      const gives = out[results[i]], many = (gives.length ?? 1) / size;
      // Where the examples were not summed over, any of them may have been taken.
      return many > 1 ? Array.from({ length: many }, (_, n) => gives[n * size + at]).some((y) => near(x, y, many)) : near(x, pick(gives, at));
    });
    return found?.slice(1);
  }

  /** Two mistakes at once, one of the catalogue beside a sign, a 2 or an average: only of a number with digits enough to tell them. */
  function both({ place, at }, x, typed) {
    const { hints, usual, steps } = app.data, { run, results } = app.model.functions.hints;
    if (significant(typed) < ENOUGH) return undefined;
    const out = run(...app.model.leaves), size = sizeOf(steps[place].shape), many = hints.length * usual.length;
    for (const [times, ...constant] of usual) {
      const found = hints.find(([of], i) => of === place && (out[results[i]].length ?? 1) === size && near(x, times * pick(out[results[i]], at), many));
      if (found) return [`${found[1]} and ${constant[0]}`, `${found[2]}, and ${constant[1]}`, `${found[3]}; ${constant[2]}`];
    }
    return undefined;
  }

  /** What is told of an array by its other entries, and by single examples. */
  function astray({ place, at }, x) {
    const { slips, steps, leaves, trained } = app.data, { shape } = steps[place], { model } = app;
    const right = model.results().gradient[place], is = (name) => [name, ...slips[name]];
    if (!shape.length || right === undefined) return undefined;
    if (shape.length === 2) {
      const [i, j] = [Math.floor(at / shape[1]), at % shape[1]];
      if (i < shape[1] && j < shape[0] && i !== j && near(x, right[j * shape[1] + i])) return is("transposed");
    }
    const which = trained.indexOf(leaves.indexOf(place)), { batch } = model.functions;
    for (let row = 0; batch && which >= 0 && row < model.rows; row++) {
      const alone = pick(model.gradientsAt([row])[which], at);
      if (near(x, alone, model.rows) || near(x, alone / model.rows, model.rows)) return is("batch-sum-missing");
    }
    return right.some((y) => near(x, y, right.length)) ? is("other-parameter") : undefined;
  }

  /** What a wrong number tells: how to go on, and at the next try what was done. */
  function hint(asked, x, typed) {
    const off = app.data.usual.find(([times]) => near(x, times * rightOf(asked)))?.slice(1);
    const { hints } = app.model.functions;
    // What is off by the number of rows has an average too few or too many, though the loss of each row alone gives it too.
    const average = off?.[0] === "wrong-average" ? off : undefined;
    const found = average ?? (hints && known(asked, x)) ?? off ?? astray(asked, x) ?? (hints && both(asked, x, typed));
    if (found) return { name: found[0], text: tries > 1 ? `${found[1]}: ${found[2]}` : found[2] };
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
    const { name, text } = hint(order[n], found.value, answer.value);
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
