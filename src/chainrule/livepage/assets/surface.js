// The loss over two weights as a surface that can be turned, with the path of training and a race of optimizers.

import { colour, make, options, pathOf, sharp, write } from "chainrule/dom";
import { apart, extent, format, pick } from "chainrule/numbers";

const CORNERS = [[-1, -1], [1, -1], [1, 1], [-1, 1]];
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
    const list = entries.map(({ shown }, n) => [n, shown]);
    options(first, list, a);
    options(second, list, b);
    races = {};
    settle();
  }

  /** Put the middle where the numbers are now. */
  function settle() {
    if (!entries.length) return;
    centre = [entries[a], entries[b]].map(({ leaf, at }) => app.model.entry(leaf, at));
    radius = Number(zoom.value) * sizeHere();
    key = null;
  }

  const sizeHere = () => Math.max(...centre.map(Math.abs), 0.5);

  /** Widen the square, as far as it goes, so that the paths of a race are seen. */
  function widen() {
    settle();
    const far = Object.values(races).flat().map(([x, y]) => Math.max(Math.abs(x - centre[0]), Math.abs(y - centre[1])) / sizeHere());
    const most = Math.max(...far.filter((x) => x <= Number(zoom.max)), 0) * 1.1;
    if (most > Number(zoom.value)) zoom.value = String(Math.min(most + Number(zoom.step), Number(zoom.max)));
    settle();
    app.render();
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
      const count = isCurve() ? SIDE : next.length;
      while (n < count && performance.now() < until) {
        next[n] = app.model.loss(withTwo(place(n % SIDE, 0), place(Math.floor(n / SIDE), 1)));
        n++;
      }
      if (n < count) work = requestAnimationFrame(some);
      else {
        heights = next;
        paint();
      }
    };
    work = requestAnimationFrame(some);
  }

  const unit = (i) => (2 * i) / (SIDE - 1) - 1;
  const place = (i, axis) => centre[axis] + radius * unit(i);

  /** A point of the space of the picture, x and y from −1 to 1, z from 0 to 1, on a canvas that all of it fits into. */
  function projector(width, height, z) {
    const [c, s] = [Math.cos(turn), Math.sin(turn)], [up, flat] = [Math.sin(tilt), Math.cos(tilt)];
    const seen = (x, y, h) => [c * x - s * y, -((s * x + c * y) * flat * 0.9 + h * up * 0.95), s * x + c * y];
    const { x, y } = near(), spots = [seen(0, 1.24 * y, 0), seen(1.24 * x, 0, 0), ...CORNERS.map((corner) => seen(...corner, 0)), seen(...post(), 1)];
    for (let n = 0; n < heights.length; n++) {
      const h = z(heights[n]);
      if (!Number.isNaN(h)) spots.push(seen(unit(n % SIDE), unit(Math.floor(n / SIDE)), h));
    }
    const [across, down] = [0, 1].map((axis) => extent(spots.map((spot) => spot[axis])));
    const scale = Math.min((width - 130) / (across.high - across.low), (height - 44) / (down.high - down.low));
    const [left, above] = [(width + 20 - scale * (across.high + across.low)) / 2, (height - 20 - scale * (down.high + down.low)) / 2];
    return (x, y, h) => {
      const [u, v, depth] = seen(x, y, h);
      return [left + scale * u, above + scale * v, depth];
    };
  }

  /** The two edges of the ground that are nearest: the numbers across and along that they have. */
  const near = () => ({ x: Math.sin(turn) > 0 ? -1 : 1, y: Math.cos(turn) > 0 ? -1 : 1 });

  /** The corner of the ground that stands leftmost, where the heights are told. */
  const post = () => CORNERS.reduce((best, corner) => (leftness(corner) < leftness(best) ? corner : best));
  const leftness = ([x, y]) => Math.cos(turn) * x - Math.sin(turn) * y;

  /** Heights from 0 to 1: where most lie near the ground, by their root, so that nothing is cut off. */
  function scaleOf() {
    const sorted = Array.from(heights).filter(Number.isFinite).sort((x, y) => x - y);
    if (!sorted.length) return { z: () => NaN, rooted: false, low: NaN, high: NaN };
    const low = sorted[0], range = sorted.at(-1) - low || 1, rooted = (sorted[sorted.length >> 1] - low) / range < 0.14;
    const z = (value) => {
      const part = Math.min(Math.max((value - low) / range, 0), 1.15);
      return Number.isFinite(value) ? (rooted ? Math.sqrt(part) : part) : NaN;
    };
    return { z, rooted, low, high: low + range };
  }

  const isCurve = () => entries.length < 2 || a === b;

  /** The loss over one number alone: a curve, the path on it, and its tangent where the number is. */
  function paintCurve(context, width, height) {
    const points = Array.from(heights.subarray(0, SIDE), (value, i) => [place(i, 0), value]), { low, high } = extent(points.map(([, value]) => value));
    if (low > high) return void write(told, "no finite loss lies around this number");
    const [from, to] = low === high ? [low - 1, high + 1] : [low, high], ends = low === high ? ["", format(low, 3)] : apart(low, high, 3);
    const left = 64, across = (x) => left + ((width - left - 16) * ((x - centre[0]) / radius + 1)) / 2;
    const up = (value) => height - 40 - ((height - 64) * (value - from)) / (to - from);
    const line = (list, ink, wide, dash = []) => {
      context.beginPath();
      context.setLineDash(dash);
      context.strokeStyle = ink;
      context.lineWidth = wide;
      context.stroke(new Path2D(pathOf(list.map(([x, value]) => [across(x), up(value)]))));
      context.setLineDash([]);
    };
    context.save();
    context.beginPath();
    context.rect(left, 12, width - left - 16, height - 48);
    context.clip();
    line(points, colour("factor"), 2.4);
    for (const [kind, path] of Object.entries(races)) line(path.map(([x, , value]) => [x, value]), INKS[kind], 2, DASHES[kind]);
    line(trail().map(([x, , value]) => [x, value]), colour("trail"), 2.6);
    const { leaf, at } = entries[a], x = app.model.entry(leaf, at), value = app.model.result, slope = app.model.slope(leaf, at);
    line([[x - radius, value - slope * radius], [x + radius, value + slope * radius]], colour("grad"), 1.4, [5, 4]);
    spot(context, across(x), up(value));
    context.restore();
    context.fillStyle = colour("muted");
    context.font = "12px system-ui, sans-serif";
    context.textAlign = "right";
    context.fillText(ends[1], left - 8, low === high ? up(low) + 4 : 20);
    context.fillText(ends[0], left - 8, height - 40);
    context.textAlign = "center";
    context.fillText(`${entries[a].shown}, from ${format(place(0, 0), 3)} to ${format(place(SIDE - 1, 0), 3)}`, left + (width - left) / 2, height - 12);
    write(told, `${entries[a].shown} = ${format(x)}, ${app.output.shown} = ${format(value)}, slope ${format(slope)}`);
  }

  function paint() {
    painted = performance.now();
    const { context, width, height } = sharp(canvas);
    if (!heights || !entries.length) return;
    if (isCurve()) return paintCurve(context, width, height);
    const { z, rooted, low, high } = scaleOf(), project = projector(width, height, z);
    ground(context, project);
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
    axes(context, project, width, height, low, high);
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
    dot(context, project, z, rooted);
  }

  /** The path of training over the two numbers; where others moved too, on the surface, which is of their state of now. */
  function trail() {
    const alone = entries.length < 3, { trail: path, losses } = app.model;
    return path.map((leaves, n) => {
      const [x, y] = [entries[a], entries[b]].map(({ leaf, at }) => pick(leaves[leaf], at));
      return [x, y, alone || isCurve() ? losses.at(n - path.length) : heightAt(x, y)];
    });
  }

  /** The height of the surface between its corners; none beside it. */
  function heightAt(x, y) {
    const spot = [x, y].map((v, axis) => (((v - centre[axis]) / radius + 1) * (SIDE - 1)) / 2);
    const [i, j] = spot.map((v) => Math.min(Math.max(Math.floor(v), 0), SIDE - 2)), [u, v] = [spot[0] - i, spot[1] - j];
    if (u < -0.1 || u > 1.1 || v < -0.1 || v > 1.1) return NaN;
    const h = (p, q) => heights[q * SIDE + p];
    return (1 - v) * ((1 - u) * h(i, j) + u * h(i + 1, j)) + v * ((1 - u) * h(i, j + 1) + u * h(i + 1, j + 1));
  }

  function spot(context, x, y) {
    context.beginPath();
    context.arc(x, y, 5.5, 0, 7);
    context.fillStyle = colour("trail");
    context.fill();
    context.lineWidth = 2;
    context.strokeStyle = colour("paper");
    context.stroke();
  }

  function dot(context, project, z, rooted) {
    const [x, y] = [entries[a], entries[b]].map(({ leaf, at }) => app.model.entry(leaf, at));
    const [u, v] = [(x - centre[0]) / radius, (y - centre[1]) / radius];
    const value = app.model.result;
    write(told, `${entries[a].shown} = ${format(x)}, ${entries[b].shown} = ${format(y)}, ${app.output.shown} = ${format(value)}${rooted ? "; heights by their root" : ""}`);
    if (Math.abs(u) > 1.02 || Math.abs(v) > 1.02 || Number.isNaN(z(value))) return;
    spot(context, ...project(u, v, z(value) + 0.015));
  }

  /** The ground below the surface, and a post of its heights. */
  function ground(context, project) {
    context.strokeStyle = colour("line");
    context.lineWidth = 1;
    context.beginPath();
    CORNERS.forEach(([x, y], n) => context[n ? "lineTo" : "moveTo"](...project(x, y, 0)));
    context.closePath();
    context.moveTo(...project(...post(), 0));
    context.lineTo(...project(...post(), 1));
    context.stroke();
  }

  /** Names and ends of the three axes, at the edges that are nearest. */
  function axes(context, project, width, height, low, high) {
    context.fillStyle = colour("muted");
    context.font = "12px system-ui, sans-serif";
    const { x, y } = near(), ends = (axis) => [0, SIDE - 1].map((i) => format(place(i, axis), 2));
    const [across, along] = [ends(0), ends(1)];
    // Where a name has no room, its choice above the surface has it.
    const named = (n, word) => (context.measureText(entries[n].shown).width < 0.24 * width ? entries[n].shown : word);
    const words = [
      [named(a, "across"), [0, 1.24 * y, 0]], [across[0], [-0.86, 1.09 * y, 0]], [across[1], [0.86, 1.09 * y, 0]],
      [named(b, "along"), [1.24 * x, 0, 0]], [along[0], [1.09 * x, -0.86, 0]], [along[1], [1.09 * x, 0.86, 0]],
    ].map(([text, spot]) => [text, project(...spot), "center"]);
    const [bottom, top] = [0, 1].map((h) => project(...post(), h));
    const [least, most] = apart(low, high, 3);
    words.push([least, [bottom[0] - 6, bottom[1] - 6], "right"], [most, [top[0] - 6, top[1]], "right"]);
    context.strokeStyle = colour("paper");
    context.lineWidth = 4;
    const widthOf = (text) => context.measureText(text).width;
    // Where two words would meet, as at a corner of a small picture, they make room for each other.
    words.forEach(([text, spot], n) => {
      for (const [other, there] of words.slice(0, n)) {
        const between = spot[0] - there[0], overlap = (widthOf(text) + widthOf(other)) / 2 + 6 - Math.abs(between);
        if (overlap <= 0 || Math.abs(spot[1] - there[1]) > 12) continue;
        spot[0] += (Math.sign(between) * overlap) / 2;
        there[0] -= (Math.sign(between) * overlap) / 2;
      }
    });
    for (const [text, [px, py], align] of words) {
      const room = widthOf(text) / (align === "center" ? 2 : 1) + 2;
      const where = [Math.min(Math.max(px, room), align === "center" ? width - room : width), Math.min(py + 8, height - 6)];
      context.textAlign = align;
      context.strokeText(text, ...where);
      context.fillText(text, ...where);
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
    legend.replaceChildren(...Object.entries(races).map(([kind, path]) => make("li", { style: `--line:${lineOf(kind)}` }, `${kind} ${format(path.at(-1)[2], 4)}`)));
    widen();
    return races;
  }

  /** The line of an optimizer beside its name, with the dashes of its path. */
  function lineOf(kind) {
    let end = 0;
    const parts = (DASHES[kind].length ? DASHES[kind] : [9]).map((long, n) => `${n % 2 ? "#0000" : INKS[kind]} ${end}px ${(end += long)}px`);
    return `repeating-linear-gradient(90deg, ${parts.join(", ")})`;
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
    section: canvas.closest("section"),
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
      canvas.setAttribute("aria-label", isCurve() ? "The loss over one number as a curve" : "The loss as a surface: drag or use the arrow keys to turn it");
      second.closest("label").hidden = entries.length < 2;
      write(document.getElementById("surface-title"), isCurve() ? "The loss over one number" : "The loss over two numbers");
    },
    update() {
      if (!app.data.live || !entries.length) return;
      if (key && sameBut(key, app.model.leaves)) return paint();
      // While other numbers move, the surface follows when they rest, and the path a few times a second.
      key = app.model.leaves;
      cancelAnimationFrame(work);
      clearTimeout(wait);
      if (!heights) write(told, "working out the surface …");
      wait = setTimeout(compute, heights ? 120 : 0);
      if (performance.now() - painted > 200) paint();
    },
    race,
  };
}
