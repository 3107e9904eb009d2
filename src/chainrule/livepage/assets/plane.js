// The plane of two features: the points, what the net says everywhere between them, and room for more.

import { channels, colour, options, sharp } from "chainrule/dom";
import { format } from "chainrule/numbers";

const SIGNS = ["●", "▲", "■", "◆", "▼", "★"];
/** The corners of each sign but the circle, so that no colour is needed to tell them apart. */
const CORNERS = [
  null, [[0, -4.6], [4.4, 3.4], [-4.4, 3.4]], [[-3.5, -3.5], [3.5, -3.5], [3.5, 3.5], [-3.5, 3.5]], [[0, -4.9], [4.2, 0], [0, 4.9], [-4.2, 0]],
  [[0, 4.6], [4.4, -3.4], [-4.4, -3.4]], Array.from({ length: 10 }, (_, n) => [Math.sin((n * Math.PI) / 5), -Math.cos((n * Math.PI) / 5)].map((v) => v * (n % 2 ? 2.2 : 5.2))),
];

export function planePanel(app) {
  const plane = document.getElementById("plane"), side = document.getElementById("plane-side"), label = document.getElementById("label");
  let pointer = null, grid = null;

  /** The places at which the net is asked. */
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

  /** Which class the net takes a place for, and how sure it is, from none at all, 0, to 1. */
  function verdict(out, i, points) {
    const { columns } = points;
    if (columns > 1) {
      const row = out.subarray(i * columns, (i + 1) * columns), most = Math.max(...row);
      const share = 1 / row.reduce((sum, score) => sum + Math.exp(score - most), 0);
      return [row.indexOf(most), (share - 1 / columns) / (1 - 1 / columns)];
    }
    const p = points.logits ? 1 / (1 + Math.exp(-out[i])) : part(out[i], points);
    return [Number(p >= 0.5), Math.abs(2 * p - 1)];
  }

  /** Where a number lies between the lowest target and the highest, from 0 to 1. */
  function part(x, { classes }) {
    return Math.min(Math.max((x - classes[0]) / (classes.at(-1) - classes[0] || 1), 0), 1);
  }

  function paint() {
    const points = app.data.live && app.data.points;
    side.hidden = !points;
    if (!points) return;
    const { context, width, height } = sharp(plane);
    const { says } = app.model.functions, places = gridOf(points), n = points.grid;
    const out = says.run(...points.takes.map((leaf) => (leaf === points.x ? places : app.model.leaves[leaf])))[says.results[0]];
    const image = new ImageData(n, n), inks = SIGNS.map((_, of) => channels(`class-${of}`));
    for (let i = 0; i < n * n; i++) {
      const [of, sure] = verdict(out, i, points);
      image.data.set([...inks[of], Math.round(40 + 95 * sure)], 4 * i);
    }
    const small = new OffscreenCanvas(n, n);
    small.getContext("2d").putImageData(image, 0, 0);
    context.imageSmoothingEnabled = true;
    context.drawImage(small, 0, 0, width, height);
    const x = app.model.leaves[points.x];
    for (let i = 0; i < app.model.points; i++) {
      const px = ((x[2 * i] - points.low[0]) / (points.high[0] - points.low[0])) * width;
      const py = ((points.high[1] - x[2 * i + 1]) / (points.high[1] - points.low[1])) * height;
      mark(context, px, py, ...lookOf(app.model.targetOf(i), points, inks));
    }
    if (pointer) {
      context.strokeStyle = colour("ink");
      context.strokeRect(pointer[0] - 5, pointer[1] - 5, 10, 10);
    }
    const what = points.amounts ? "what the net gives between them" : "where the net draws its line";
    plane.setAttribute("aria-label", `${app.model.points} points and ${what}; arrow keys move a mark, Enter puts a point there`);
  }

  /** The sign of a target and its colour; an amount is the fuller the nearer it is to an end. */
  function lookOf(target, points, inks) {
    if (!points.amounts) {
      const of = Math.max(points.classes.indexOf(target), 0);
      return [of, inks[of]];
    }
    const p = part(target, points), paper = channels("paper"), sure = Math.abs(2 * p - 1);
    return [0, inks[Number(p >= 0.5)].map((c, k) => Math.round(sure * c + (1 - sure) * paper[k])), inks[Number(p >= 0.5)]];
  }

  function mark(context, x, y, sign, ink, rim = channels("paper")) {
    context.beginPath();
    if (CORNERS[sign]) CORNERS[sign].forEach(([u, v], n) => context[n ? "lineTo" : "moveTo"](x + u, y + v));
    else context.arc(x, y, 3.7, 0, 7);
    context.closePath();
    context.fillStyle = `rgb(${ink.join(",")})`;
    context.strokeStyle = `rgb(${rim.join(",")})`;
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
    paint();
  });
  plane.addEventListener("blur", () => {
    pointer = null;
    if (app.data) paint();
  });
  new ResizeObserver(() => app.data && paint()).observe(plane);

  return {
    draw: paint,
    open() {
      const { points } = app.data;
      if (!points) return;
      const told = (c, n) => (points.amounts ? `● ${format(c, 3)}` : `${SIGNS[n]} class ${format(c, 3)}`);
      options(label, points.classes.map((c, n) => [n, told(c, n)]), 0);
    },
  };
}
