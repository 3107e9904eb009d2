// The loss over two weights as a surface that can be turned, with the path of training and a race of optimizers.

import { colour, make, options, sharp, write } from "chainrule/dom";
import { format, pick } from "chainrule/numbers";

const SIDE = 27, RACE = 60, MOST_LISTED = 120;
const RAMP = [[38, 50, 110], [31, 104, 142], [47, 150, 130], [140, 190, 90], [245, 222, 80]];
const DASHES = { SGD: [], momentum: [7, 3], RMSprop: [2, 3], Adam: [9, 3, 2, 3], Adagrad: [4, 2] };
const INKS = { SGD: "#e66a1f", momentum: "#c51b7d", RMSprop: "#7b5cd6", Adam: "#0a7abf", Adagrad: "#6b6b6b" };

export function surfacePanel(app) {
  const canvas = document.getElementById("surface"), legend = document.getElementById("racers");
  const first = document.getElementById("weight-a"), second = document.getElementById("weight-b");
  const told = document.getElementById("surface-told"), zoom = document.getElementById("zoom");
  let entries = [], a = 0, b = 1, turn = -0.6, tilt = 0.95, heights = null, key = null, work = null, wait = null, painted = 0, races = {}, radius = 1, centre = [0, 0];

  /** The two weights that tell most are chosen first. */
  function choose() {
    const best = app.data.telling.map(([leaf, spot]) => entries.findIndex((e) => e.leaf === leaf && e.at === spot));
    [a, b] = [Math.max(best[0] ?? 0, 0), Math.max(best[1] ?? 0, 0)];
    if (a > b) [a, b] = [b, a];
    const list = entries.map(({ name }, n) => [n, name]);
    options(first, list, a);
    options(second, list, b);
    races = {};
    settle();
  }

  /** Put the middle where the numbers are now. */
  function settle() {
    if (!entries.length) return;
    centre = [entries[a], entries[b]].map(({ leaf, at }) => app.model.entry(leaf, at));
    const size = Math.max(...centre.map(Math.abs), 0.5);
    radius = Number(zoom.value) * size;
    key = null;
  }

  /** The leaves with other numbers in the two weights. */
  function withTwo(x, y) {
    const moved = app.model.withEntry(entries[a].leaf, entries[a].at, x);
    return a === b ? moved : app.model.withEntry(entries[b].leaf, entries[b].at, y, moved);
  }

  const isOne = (leaf, at) => [entries[a], entries[b]].some((e) => e.leaf === leaf && e.at === at);

  /** Whether leaves are the same but for the two weights: then the surface is. */
  function sameBut(before, now) {
    return now.every((x, leaf) => {
      if (Object.is(x, before[leaf])) return true;
      if (typeof x === "number") return isOne(leaf, 0);
      return (leaf === entries[a].leaf || leaf === entries[b].leaf) && x.every((v, i) => Object.is(v, before[leaf][i]) || isOne(leaf, i));
    });
  }

  /** Heights over the square, a few in every frame, so that nothing waits for them. */
  function compute() {
    cancelAnimationFrame(work);
    const next = new Float64Array(SIDE * SIDE);
    let n = 0;
    const some = () => {
      const until = performance.now() + 6;
      while (n < next.length && performance.now() < until) {
        next[n] = app.model.loss(withTwo(place(n % SIDE, 0), place(Math.floor(n / SIDE), 1)));
        n++;
      }
      if (n < next.length) work = requestAnimationFrame(some);
      else {
        heights = next;
        paint();
      }
    };
    work = requestAnimationFrame(some);
  }

  const unit = (i) => (2 * i) / (SIDE - 1) - 1;
  const place = (i, axis) => centre[axis] + radius * unit(i);

  /** A point of the space of the picture: x and y from −1 to 1, z from 0 to 1. */
  function projector(width, height) {
    const scale = Math.min(width * 0.43, height * 0.56), [c, s] = [Math.cos(turn), Math.sin(turn)];
    const [up, flat] = [Math.sin(tilt), Math.cos(tilt)];
    return (x, y, z) => {
      const [u, v] = [c * x - s * y, s * x + c * y];
      return [width / 2 + scale * u, height * 0.58 - scale * (v * flat * 0.9 + (z - 0.3) * up * 0.95), v];
    };
  }

  function scaleOf() {
    const sorted = Array.from(heights).filter(Number.isFinite).sort((x, y) => x - y);
    if (!sorted.length) return { low: 0, high: 1 };
    const low = sorted[0], high = sorted[Math.floor(sorted.length * 0.92)];
    return { low, high: high > low ? high : low + 1 };
  }

  function paint() {
    painted = performance.now();
    const { context, width, height } = sharp(canvas);
    if (!heights || !entries.length) return;
    const project = projector(width, height), { low, high } = scaleOf();
    const z = (value) => (Number.isFinite(value) ? Math.min(Math.max((value - low) / (high - low), 0), 1.12) : NaN);
    const quads = [];
    for (let j = 0; j + 1 < SIDE; j++) {
      for (let i = 0; i + 1 < SIDE; i++) {
        const corners = [[i, j], [i + 1, j], [i + 1, j + 1], [i, j + 1]];
        const hs = corners.map(([p, q]) => z(heights[q * SIDE + p]));
        if (hs.some((h) => Number.isNaN(h))) continue;
        const points = corners.map(([p, q], n) => project(unit(p), unit(q), hs[n]));
        quads.push({ points, depth: points.reduce((d, p) => d + p[2], 0), mean: (hs[0] + hs[1] + hs[2] + hs[3]) / 4 });
      }
    }
    quads.sort((p, q) => q.depth - p.depth);
    context.lineWidth = 0.6;
    for (const { points, mean } of quads) {
      context.beginPath();
      points.forEach(([x, y], n) => (n ? context.lineTo(x, y) : context.moveTo(x, y)));
      context.closePath();
      context.fillStyle = ramp(mean);
      context.strokeStyle = "rgba(255,255,255,0.18)";
      context.fill();
      context.stroke();
    }
    axes(context, project, width, height);
    const line = (points, ink, dash, wide) => {
      context.beginPath();
      context.setLineDash(dash);
      context.strokeStyle = ink;
      context.lineWidth = wide;
      let pen = false;
      for (const [x, y, value] of points) {
        const [u, v] = [(x - centre[0]) / radius, (y - centre[1]) / radius], h = z(value);
        if (Math.abs(u) > 1.02 || Math.abs(v) > 1.02 || Number.isNaN(h)) {
          pen = false;
          continue;
        }
        const [px, py] = project(u, v, h + 0.01);
        if (pen) context.lineTo(px, py);
        else context.moveTo(px, py);
        pen = true;
      }
      context.stroke();
      context.setLineDash([]);
    };
    for (const [kind, path] of Object.entries(races)) line(path, INKS[kind], DASHES[kind], 2.2);
    line(trail(), colour("trail"), [], 2.6);
    dot(context, project, z);
  }

  /** The path of training, seen over the two weights. */
  function trail() {
    return app.model.trail.map((leaves, n) => {
      const value = ({ leaf, at }) => pick(leaves[leaf], at);
      return [value(entries[a]), value(entries[b]), app.model.losses.at(n - app.model.trail.length)];
    });
  }

  function dot(context, project, z) {
    const [x, y] = [entries[a], entries[b]].map(({ leaf, at }) => app.model.entry(leaf, at));
    const [u, v] = [(x - centre[0]) / radius, (y - centre[1]) / radius];
    const value = app.model.result;
    write(told, `${entries[a].name} = ${format(x)}, ${entries[b].name} = ${format(y)}, ${app.output.shown} = ${format(value)}`);
    if (Math.abs(u) > 1.02 || Math.abs(v) > 1.02 || Number.isNaN(z(value))) return;
    const [px, py] = project(u, v, z(value) + 0.015);
    context.beginPath();
    context.arc(px, py, 5.5, 0, 7);
    context.fillStyle = colour("trail");
    context.fill();
    context.lineWidth = 2;
    context.strokeStyle = colour("paper");
    context.stroke();
  }

  function axes(context, project, width, height) {
    context.fillStyle = colour("muted");
    context.font = "12px system-ui, sans-serif";
    context.textAlign = "center";
    const words = [[entries[a].name, [0, -1.16, 0]], [entries[b].name, [1.16, 0, 0]]];
    for (const [text, spot] of words) {
      const [x, y] = project(...spot);
      context.fillText(text.length > 22 ? `${text.slice(0, 21)}…` : text, Math.min(Math.max(x, 40), width - 40), Math.min(y, height - 6));
    }
  }

  /** Several optimizers from where the two weights are now; all others stay. */
  function race() {
    const two = [entries[a], entries[b]];
    races = {};
    for (const kind of Object.keys(app.data.optimizers)) {
      let pair = Float64Array.from(two, ({ leaf, at }) => app.model.entry(leaf, at)), held = null;
      const path = [];
      for (let n = 0; n <= RACE; n++) {
        const found = app.model.run(0, withTwo(...pair));
        path.push([...pair, found.value[app.data.output]]);
        const slopes = Float64Array.from(two, ({ leaf, at }) => app.model.slope(leaf, at, found));
        [pair, held] = app.model.descended(kind, "pair", pair, slopes, app.rate, held);
      }
      races[kind] = path;
    }
    legend.replaceChildren(...Object.entries(races).map(([kind, path]) => make("li", { style: `--ink:${INKS[kind]}` }, `${kind} ${format(path.at(-1)[2], 4)}`)));
    paint();
    return races;
  }

  document.getElementById("race").addEventListener("click", race);
  for (const select of [first, second]) {
    select.addEventListener("change", () => {
      [a, b] = [Number(first.value), Number(second.value)];
      races = {};
      legend.replaceChildren();
      settle();
      app.render();
    });
  }
  zoom.addEventListener("input", () => {
    settle();
    app.render();
  });
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    let [x, y] = [event.clientX, event.clientY];
    const move = (now) => {
      turn += (now.clientX - x) * 0.01;
      tilt = Math.min(Math.max(tilt + (now.clientY - y) * 0.006, 0.15), 1.45);
      [x, y] = [now.clientX, now.clientY];
      paint();
    };
    canvas.addEventListener("pointermove", move);
    canvas.addEventListener("pointerup", () => canvas.removeEventListener("pointermove", move), { once: true });
  });
  canvas.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: [-0.1, 0], ArrowRight: [0.1, 0], ArrowUp: [0, 0.06], ArrowDown: [0, -0.06] }[event.key];
    if (!by) return;
    event.preventDefault();
    event.stopPropagation();
    turn += by[0];
    tilt = Math.min(Math.max(tilt + by[1], 0.15), 1.45);
    paint();
  });
  new ResizeObserver(() => app.model && paint()).observe(canvas);

  function ramp(t) {
    const spot = Math.min(Math.max(t, 0), 0.999) * (RAMP.length - 1), n = Math.floor(spot), part = spot - n;
    return `rgb(${RAMP[n].map((c, i) => Math.round(c + part * (RAMP[n + 1][i] - c))).join(",")})`;
  }

  return {
    open() {
      cancelAnimationFrame(work);
      clearTimeout(wait);
      write(told, "");
      legend.replaceChildren();
      heights = null;
      key = null;
      canvas.closest("section").hidden = !app.data.live || !app.data.trained.length;
      entries = app.data.live ? app.model.trainedEntries(MOST_LISTED) : [];
      choose();
    },
    update() {
      if (!app.data.live || !entries.length) return;
      if (key && sameBut(key, app.model.leaves)) return paint();
      // While other numbers move, the surface follows when they rest, and the path a few times a second.
      key = app.model.leaves;
      clearTimeout(wait);
      wait = setTimeout(compute, heights ? 120 : 0);
      if (performance.now() - painted > 200) paint();
    },
    race,
  };
}
