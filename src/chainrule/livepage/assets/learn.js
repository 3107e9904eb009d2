// Learning: train, pause, rewind; the loss, the errors of each layer, and where the net draws its line.

import { channels, colour, draw, make, options, pathOf, sharp, write } from "chainrule/dom";
import { extent, format } from "chainrule/numbers";

export function learnPanel(app) {
  const rate = document.getElementById("rate"), kind = document.getElementById("optimizer");
  const curve = document.getElementById("curve"), bars = document.getElementById("layers"), told = document.getElementById("learn-told");
  const plane = document.getElementById("plane"), side = document.getElementById("plane-side"), label = document.getElementById("label");
  const run = document.getElementById("run"), size = document.getElementById("batch"), seed = document.getElementById("seed");
  let running = null, pointer = null, grid = null;

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
      let sum = 0, count = 0;
      for (const place of inside) {
        const g = app.model.entriesOf(gradient[place], place);
        for (const x of typeof g === "number" ? [g] : g ?? []) {
          sum += x * x;
          count++;
        }
      }
      const dead = relu?.length ? deadUnits(app.model.entriesOf(value[relu[0]], relu[0]), steps[relu[0]].shape) : null;
      return { name, size: Math.sqrt(sum / Math.max(count, 1)), dead };
    });
    const most = Math.max(...found.map(({ size }) => size).filter(Number.isFinite), 1e-300);
    bars.replaceChildren(...found.map(({ name, size, dead }) => make("li", {},
      make("span", { class: "name" }, name),
      make("span", { class: "bar", style: `--part:${Number.isFinite(size) ? size / most : 0}` }),
      make("span", { class: "number" }, format(size, 3) + (dead === null ? "" : `, ${dead[0]} of ${dead[1]} dead`)))));
    bars.closest("div:has(h3)").hidden = !found.length;
  }

  function deadUnits(out, shape) {
    const units = shape.at(-1);
    let dead = 0;
    for (let j = 0; j < units; j++) {
      let alive = false;
      for (let i = j; i < out.length && !alive; i += units) alive = out[i] > 0;
      dead += Number(!alive);
    }
    return [dead, units];
  }

  // The plane.

  function gridOf(points) {
    if (grid?.points === points) return grid.at;
    const n = points.grid, at = new Float64Array(2 * n * n);
    for (let j = 0; j < n; j++) {
      for (let i = 0; i < n; i++) {
        at[2 * (j * n + i)] = points.low[0] + ((i + 0.5) / n) * (points.high[0] - points.low[0]);
        at[2 * (j * n + i) + 1] = points.high[1] - ((j + 0.5) / n) * (points.high[1] - points.low[1]);
      }
    }
    grid = { points, at };
    return at;
  }

  /** How sure the net is of the second class, from 0 to 1. */
  function share(score, points) {
    if (points.logits) return 1 / (1 + Math.exp(-score));
    const [zero, one] = points.classes;
    return Math.min(Math.max((score - zero) / (one - zero || 1), 0), 1);
  }

  function drawPlane() {
    const points = app.data.live && app.data.points;
    side.hidden = !points;
    if (!points) return;
    const { context, width, height } = sharp(plane);
    const { says } = app.model.functions, places = gridOf(points), n = points.grid;
    const out = says.run(...points.takes.map((leaf) => (leaf === points.x ? places : app.model.leaves[leaf])))[says.results[0]];
    const image = new ImageData(n, n), [low, high] = [channels("class-0"), channels("class-1")];
    for (let i = 0; i < n * n; i++) {
      const p = share(out[i], points), ink = p < 0.5 ? low : high;
      image.data.set([...ink, Math.round(40 + 190 * Math.abs(p - 0.5))], 4 * i);
    }
    const small = new OffscreenCanvas(n, n);
    small.getContext("2d").putImageData(image, 0, 0);
    context.imageSmoothingEnabled = true;
    context.drawImage(small, 0, 0, width, height);
    const x = app.model.leaves[points.x], y = app.model.leaves[points.y];
    for (let i = 0; i < app.model.points; i++) {
      const second = y[i] === points.classes[1];
      const px = ((x[2 * i] - points.low[0]) / (points.high[0] - points.low[0])) * width;
      const py = ((points.high[1] - x[2 * i + 1]) / (points.high[1] - points.low[1])) * height;
      mark(context, px, py, second, colour(second ? "class-1" : "class-0"));
    }
    if (pointer) {
      context.strokeStyle = colour("ink");
      context.strokeRect(pointer[0] - 5, pointer[1] - 5, 10, 10);
    }
    plane.setAttribute("aria-label", `${app.model.points} points and where the net draws its line; arrow keys move a mark, Enter puts a point there`);
  }

  /** Circles and triangles, so that no colour is needed to tell them apart. */
  function mark(context, x, y, second, ink) {
    context.beginPath();
    if (second) {
      context.moveTo(x, y - 4.6);
      context.lineTo(x + 4.4, y + 3.4);
      context.lineTo(x - 4.4, y + 3.4);
      context.closePath();
    } else context.arc(x, y, 3.7, 0, 7);
    context.fillStyle = ink;
    context.strokeStyle = colour("paper");
    context.lineWidth = 1.2;
    context.fill();
    context.stroke();
  }

  function add(px, py) {
    const points = app.data.points, { width, height } = plane.getBoundingClientRect();
    const x = points.low[0] + (px / width) * (points.high[0] - points.low[0]);
    const y = points.high[1] - (py / height) * (points.high[1] - points.low[1]);
    const two = (v) => Number(v.toFixed(4));
    const done = app.history.do({ type: "point", x: two(x), y: two(y), label: points.classes[Number(label.value)] });
    app.say(done ? `a point at ${two(x)}, ${two(y)}` : `there is room for ${points.room} points, and no more`);
    app.render();
  }

  plane.addEventListener("click", (event) => add(event.offsetX, event.offsetY));
  plane.addEventListener("keydown", (event) => {
    const { width, height } = plane.getBoundingClientRect();
    pointer ??= [width / 2, height / 2];
    const by = { ArrowLeft: [-8, 0], ArrowRight: [8, 0], ArrowUp: [0, -8], ArrowDown: [0, 8] }[event.key];
    if (by) pointer = [Math.min(Math.max(pointer[0] + by[0], 0), width), Math.min(Math.max(pointer[1] + by[1], 0), height)];
    else if (event.key === "Enter") add(...pointer);
    else return;
    event.preventDefault();
    event.stopPropagation();
    drawPlane();
  });
  plane.addEventListener("blur", () => {
    pointer = null;
    if (app.data) drawPlane();
  });
  new ResizeObserver(() => app.data && drawPlane()).observe(plane);

  return {
    section: curve.closest("section"),
    open() {
      stop();
      curve.closest("section").hidden = !app.data.live || !app.data.trained.length;
      if (!app.data.live) return;
      options(kind, Object.keys(app.data.optimizers).map((name) => [name, name]), app.kind);
      if (app.data.points) options(label, app.data.points.classes.map((c, n) => [n, `${n ? "▲" : "●"} class ${c}`]), 0);
    },
    update() {
      if (!app.data.live) return;
      rate.value = app.rate;
      kind.value = app.kind;
      sizes();
      lossCurve();
      errors();
      drawPlane();
      write(told, `${app.output.shown} = ${format(app.model.result)}${app.model.losses.length > 1 ? `, after ${app.model.losses.length - 1} steps` : ""}${rowsTold()}`);
    },
  };
}
