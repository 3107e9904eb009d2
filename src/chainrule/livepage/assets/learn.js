// Learning: train, pause, rewind; the loss, the errors of each layer, and where the net draws its line.

import { draw, make, options, pathOf, write } from "chainrule/dom";
import { extent, format, rootMeanSquare, sizeOf } from "chainrule/numbers";
import { planePanel } from "chainrule/plane";

export function learnPanel(app) {
  const rate = document.getElementById("rate"), kind = document.getElementById("optimizer");
  const curve = document.getElementById("curve"), bars = document.getElementById("layers"), told = document.getElementById("learn-told");
  const run = document.getElementById("run"), size = document.getElementById("batch"), seed = document.getElementById("seed");
  const plane = planePanel(app);
  let running = null;

  document.getElementById("train-one").addEventListener("click", () => app.train(1));
  document.getElementById("rewind").addEventListener("click", () => {
    stop();
    if (!app.rewind()) app.say("nothing was trained yet");
  });
  run.addEventListener("click", () => (running ? stop() : start()));
  rate.addEventListener("change", () => {
    const x = Number(rate.value);
    if (x > 0) app.rate = x;
    rate.value = app.rate;
    app.render();
  });
  kind.addEventListener("change", () => {
    app.kind = kind.value;
    app.render();
  });
  size.addEventListener("change", () => app.batch(Number(size.value)));
  seed.addEventListener("change", () => {
    try {
      app.batch(undefined, seed.value);
    } catch (error) {
      app.say(error.message);
    }
    seed.value = app.seed;
  });

  function start() {
    run.textContent = "Pause";
    const tick = () => {
      const began = performance.now();
      let n = 0;
      do {
        app.history.do(app.training(1));
        n++;
      } while (performance.now() - began < 8 && n < 8);
      app.render();
      if (!Number.isFinite(app.model.result)) {
        stop();
        app.say(`the loss is ${format(app.model.result)}: the rate is too high; undo, or rewind`);
      } else running = requestAnimationFrame(tick);
    };
    running = requestAnimationFrame(tick);
  }

  function stop() {
    cancelAnimationFrame(running);
    running = null;
    run.textContent = "Train";
  }

  function lossCurve() {
    const losses = app.model.losses, { low, high, odd } = extent([...losses]), [w, h] = [320, 110], left = 58;
    const isLine = losses.length - odd >= 2;
    curve.toggleAttribute("hidden", !isLine);
    if (!isLine) return;
    const logs = low > 0 && high / low > 50;
    const put = (x) => (logs ? Math.log(x) : x), [from, to] = [put(low), put(high)];
    const points = losses.map((x, n) => [left + ((w - left - 8) * n) / (losses.length - 1), 8 + (h - 26) * (1 - (put(x) - from) / (to - from || 1))]);
    curve.replaceChildren(
      draw("path", { d: pathOf(points), class: "line" }),
      draw("text", { x: left - 6, y: 14, "text-anchor": "end" }, format(high, 3)),
      draw("text", { x: left - 6, y: h - 16, "text-anchor": "end" }, format(low, 3)),
      draw("text", { x: w - 8, y: h - 4, "text-anchor": "end" }, `${losses.length - 1} steps${logs ? ", loss on a log scale" : ""}`),
    );
    curve.setAttribute("aria-label", `The loss went from ${format(losses[0])} to ${format(losses.at(-1))} in ${losses.length - 1} steps`);
  }

  /** What a step takes, and how far through the rows the last one came. */
  function rowsTold() {
    const { rows, turn } = app.model, few = app.size && app.size < rows;
    if (rows < 2) return "";
    const takes = few ? `${app.size} of ${rows} rows, in an order that is new in every epoch` : `all ${rows} rows at once`;
    return `; each step takes ${takes}${few && turn ? `; epoch ${turn.epoch}, ${turn.done} of ${turn.rows} rows taken` : ""}`;
  }

  /** How many rows a step may take. */
  function sizes() {
    const { rows } = app.model, found = [...new Set([1, 2, 4, 8, 16, 32, 64, 128, 256, app.size])].filter((n) => n > 0 && n < rows);
    options(size, [[0, `all ${rows}`], ...found.sort((a, b) => a - b).map((n) => [n, n])], app.size < rows ? app.size : 0);
    size.closest("label").hidden = !app.data.batch || rows < 2;
    seed.closest("label").hidden = size.closest("label").hidden || !Number(size.value);
    seed.value = app.seed;
  }

  /** The size of the errors δ of each layer, and how many of its units are dead. */
  function errors() {
    const { gradient, value } = app.model.results(), { steps } = app.data;
    const found = app.data.layers.map(({ name, steps: inside, relu }) => {
      const all = inside.flatMap((place) => {
        const g = app.model.entriesOf(gradient[place], place);
        return typeof g === "number" ? [g] : Array.from(g ?? []);
      });
      const dead = relu?.length ? deadUnits(app.model.entriesOf(value[relu[0]], relu[0]), steps[relu[0]].shape) : null;
      return { name, size: rootMeanSquare(all), dead };
    });
    const most = Math.max(...found.map(({ size }) => size).filter(Number.isFinite), 1e-300);
    bars.replaceChildren(...found.map(({ name, size, dead }) => make("li", {},
      make("span", { class: "name" }, name),
      make("span", { class: "bar", style: `--part:${Number.isFinite(size) ? size / most : 0}` }),
      make("span", { class: "number" }, format(size, 3) + (dead === null ? "" : `, ${dead[0]} of ${dead[1]} dead`)))));
    bars.closest("div:has(h3)").hidden = !found.length;
  }

  /** A unit has the last axis of its own, or of images a channel, the third from the end. */
  function deadUnits(out, shape) {
    const axis = shape.length > 2 ? shape.length - 3 : shape.length - 1, units = shape[axis], inner = sizeOf(shape.slice(axis + 1));
    const alive = new Set();
    out.forEach((x, i) => x > 0 && alive.add(Math.floor(i / inner) % units));
    return [units - alive.size, units];
  }

  return {
    section: curve.closest("section"),
    open() {
      stop();
      curve.closest("section").hidden = !app.data.live || !app.data.trained.length;
      if (!app.data.live) return;
      options(kind, Object.keys(app.data.optimizers).map((name) => [name, name]), app.kind);
      plane.open();
    },
    update() {
      if (!app.data.live) return;
      rate.value = app.rate;
      kind.value = app.kind;
      sizes();
      lossCurve();
      errors();
      plane.draw();
      write(told, `${app.output.shown} = ${format(app.model.result)}${app.model.losses.length > 1 ? `, after ${app.model.losses.length - 1} steps` : ""}${rowsTold()}`);
    },
  };
}
