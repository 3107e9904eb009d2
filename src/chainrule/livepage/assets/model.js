// A subject with its numbers: the printed functions run on the leaves, forward and backward, and train them.

import { entryName, finite, pick, sizeOf } from "chainrule/numbers";
import { orderOf } from "chainrule/order";

/** A leaf as it was packed: a number, or an array of doubles. */
function unpacked(x) {
  if (x && typeof x === "object" && "base64" in x) {
    const bytes = Uint8Array.from(atob(x.base64), (c) => c.charCodeAt(0));
    return new Float64Array(bytes.buffer);
  }
  return Array.isArray(x) ? Float64Array.from(x.flat(Infinity), Number) : Number(x);
}

/** Zeros in a shape: what no share reaches. */
export function nothing(shape) {
  return shape.length ? new Float64Array(sizeOf(shape)) : 0;
}

const known = new WeakMap();

/** Where an array has zeros; of one that was looked at before that is known. */
function zeros(array) {
  if (!known.has(array)) known.set(array, Array.from(array.keys()).filter((i) => array[i] === 0).join(","));
  return known.get(array);
}

export class Model {
  constructor(data, functions) {
    this.data = data;
    this.functions = functions;
    this.start = data.start.map(unpacked);
    this.passKind = 0;
    this.forgotten = data.passes?.at(-1)?.forgets[0] ?? 0;
    this.forwardSteps = data.steps.flatMap((step, place) => (step.op ? [place] : []));
    this.edgesBetween = new Map();
    data.edges.forEach(([from, , to], n) => {
      const key = `${from} ${to}`;
      this.edgesBetween.set(key, [...(this.edgesBetween.get(key) ?? []), n]);
    });
    this.reset();
  }

  /** Everything as it was at the start. */
  reset() {
    this.leaves = [...this.start];
    this.losses = [];
    this.trail = [];
    this.memory = null;
    this.turn = null;
    this.points = this.data.points?.count ?? 0;
    this.changed();
  }

  changed() {
    this.right = null;
    this.found = null;
  }

  /** What a moment of the page is: arrays are never written into, so they may be kept as they are. */
  snapshot() {
    const { leaves, losses, trail, memory, turn, points } = this;
    return { leaves: [...leaves], losses: [...losses], trail: [...trail], memory, turn, points };
  }

  restore(moment) {
    Object.assign(this, moment, { leaves: [...moment.leaves], losses: [...moment.losses], trail: [...moment.trail] });
    this.changed();
  }

  get pass() {
    return this.data.passes?.[this.passKind];
  }

  /** Whether the pass that is switched on leaves the factor of an edge out. */
  forgets(edge) {
    return edge === this.forgotten && Boolean(this.pass?.forgets.includes(edge));
  }

  /** The results of a pass by what they are: value, local, softmax, gradient, share, total. */
  run(n, leaves = this.leaves) {
    const { keys, forgets } = this.data.passes[n];
    const { run, results } = this.functions.passes[n];
    const switches = forgets.length ? [Float64Array.from(forgets, (edge) => Number(edge === this.forgotten))] : [];
    const all = run(...leaves, ...switches);
    const found = { value: [], local: [], softmax: [], gradient: [], share: [], total: [] };
    keys.forEach(([kind, place], i) => {
      const x = all[results[i]];
      found[kind][place] = typeof x === "boolean" ? Number(x) : x;
    });
    return found;
  }

  /** Values and right gradients; of a page that only shows, what was recorded. */
  results() {
    if (!this.right) {
      if (this.data.recorded) {
        const { values, gradients } = this.data.recorded;
        this.right = {
          value: values.map(unpacked), gradient: gradients.map((g) => (g === null ? undefined : unpacked(g))),
          local: [], softmax: [], share: [], total: [],
        };
      } else this.right = this.run(0);
    }
    return this.right;
  }

  /** Values and gradients of the start. */
  resultsOfStart() {
    return (this.first ??= this.run(0, this.start));
  }

  /** On which side of every kink the numbers are, as `code_of` writes it for a story. */
  branch() {
    const { value, local } = this.results(), { edges, watched } = this.data;
    const digits = this.leaves.map((x) => (typeof x === "number" ? "" : `${zeros(x)};`));
    for (const [n, sharp] of watched) {
      const [step, , x] = edges[n], given = value[x], out = value[step], slope = local[n];
      const count = typeof out === "number" ? 1 : out.length, alike = typeof given === "number" ? count === 1 : given.length === count;
      for (let i = 0; i < count; i++) {
        const here = slope?.length > 1 ? slope[i] : pick(slope, 0);
        let code = Number(here === 0);
        if (sharp) code += 2 * Number(here === 1) + 4 * Number(here < 0) + 8 * Number(alike && pick(given, i) === pick(out, i));
        digits.push(code.toString(16).toUpperCase());
      }
    }
    return digits.join("");
  }

  /** Whether a step has a row for each point, and so for points that are not there yet, too. */
  isByRow(place) {
    return Boolean(this.data.points?.steps.includes(place));
  }

  /** The extents of a step, with as many rows as there are points. */
  shapeOf(place) {
    const { shape } = this.data.steps[place];
    return this.isByRow(place) ? [this.points, ...shape.slice(1)] : shape;
  }

  /** The numbers of a step without the rows of points that are not there. */
  entriesOf(x, place) {
    return this.isByRow(place) && x?.length ? x.slice(0, sizeOf(this.shapeOf(place))) : x;
  }

  /** The same of what belongs to an edge and has the extents of one of its ends. */
  entriesAlong(x, edge) {
    const [step, , from] = this.data.edges[edge];
    const place = [step, from].find((end) => this.isByRow(end) && x?.length === sizeOf(this.data.steps[end].shape));
    return place === undefined ? x : this.entriesOf(x, place);
  }

  /** The steps that stand on a kink now, with how many of their entries do. */
  kinks() {
    if (this.data.recorded) return [];
    const { value } = this.results();
    return this.data.kinks.flatMap(([place, below, at, other]) => {
      const x = this.entriesOf(value[below], below), given = typeof x === "number" ? [x] : x;
      const apart = other < 0 ? null : value[other];
      let count = 0;
      given.forEach((v, i) => (count += Number(apart === null ? at.includes(v) : v === pick(apart, apart.length === 1 ? 0 : i))));
      return count ? [{ place, below, count }] : [];
    });
  }

  /** Whether a leaf leads to a step that stands on a kink now. */
  passesKink(leaf) {
    const sharp = this.kinks().map(({ place }) => place), reached = new Set([this.data.leaves[leaf]]);
    // The edges of the last step come first.
    for (const [step, , x] of this.data.edges.toReversed()) if (reached.has(x)) reached.add(step);
    return sharp.some((place) => reached.has(place));
  }

  /** What the program comes to. */
  get result() {
    return this.results().value[this.data.output];
  }

  /** The step at which what the result comes to, which is no finite number, begins: what goes in still is finite. */
  get origin() {
    const { value } = this.results(), { edges, output } = this.data;
    let place = output;
    for (let below = output; below !== undefined; ) {
      place = below;
      below = edges.find(([step, , x]) => step === place && !finite(value[x]))?.[2];
    }
    return place;
  }

  /** The gradients and arrivals of the pass that is switched on. */
  backward() {
    if (!this.found) this.found = this.passKind === 0 ? this.results() : this.run(this.passKind);
    return this.found;
  }

  get arrivals() {
    return this.data.recorded ? [] : this.pass.arrivals;
  }

  /** The last position: every step of the forward, then every arrival of the backward. */
  get last() {
    return this.forwardSteps.length + this.arrivals.length;
  }

  /** What is known at a position: values, gradients as far as they have come, and what happens there. */
  at(k) {
    const right = this.results(), back = this.backward(), { steps, output } = this.data;
    if (this.data.recorded) return { value: right.value, gradient: back.gradient, now: null };
    const forward = Math.min(k, this.forwardSteps.length);
    const done = new Set(this.forwardSteps.slice(0, forward));
    const value = right.value.map((x, place) => (!steps[place].op || done.has(place) ? x : undefined));
    const gradient = [];
    let now = forward ? { node: this.forwardSteps[forward - 1] } : null;
    if (forward === this.forwardSteps.length) {
      gradient[output] = 1;
      const count = k - forward;
      for (let i = 0; i < count; i++) gradient[this.arrivals[i][1]] = back.total[i];
      if (count) {
        const [from, to] = this.arrivals[count - 1];
        now = { node: to, from, edge: this.edgeOf(count - 1), arrival: count - 1 };
      }
      if (k >= this.last) now = null;
      // At the end stand the gradients that the pass leaves, those that nothing reached among them.
      if (k >= this.last) steps.forEach((step, place) => (gradient[place] = step.moves ? back.gradient[place] ?? nothing(step.shape) : undefined));
    }
    return { value, gradient, now };
  }

  /** The edge along which an arrival came; of several between the same two, in their order. */
  edgeOf(arrival) {
    const [from, to] = this.arrivals[arrival], edges = this.edgesBetween.get(`${from} ${to}`) ?? [];
    if (edges.length < 2) return edges[0];
    let before = 0;
    for (let i = 0; i < arrival; i++) before += Number(this.arrivals[i][0] === from && this.arrivals[i][1] === to);
    return edges[before % edges.length];
  }

  /** The Jacobian of an edge, row after row: what it hands back of each entry alone, worked out when it is asked for. */
  jacobian(edge, { leaves, results }) {
    const { run, results: [name] } = this.functions.rows[edge], size = sizeOf(this.data.steps[this.data.edges[edge][0]].shape);
    const row = (at) => [...run(...leaves, Float64Array.from({ length: size }, (_, i) => Number(i === at)))[name]];
    results.jacobians ??= {};
    return (results.jacobians[edge] ??= Float64Array.from(Array.from({ length: size }, (_, at) => row(at)).flat()));
  }

  loss(leaves = this.leaves) {
    const { run, results } = this.functions.loss;
    return run(...leaves)[results[0]];
  }

  /** The leaves with one entry changed. */
  withEntry(leaf, at, x, leaves = this.leaves) {
    const changed = [...leaves];
    if (typeof leaves[leaf] === "number") changed[leaf] = x;
    else {
      changed[leaf] = Float64Array.from(leaves[leaf]);
      changed[leaf][at] = x;
    }
    return changed;
  }

  entry(leaf, at) {
    return pick(this.leaves[leaf], at);
  }

  /** The gradient in an entry of a leaf, right whatever is switched on. */
  slope(leaf, at, found = this.results()) {
    const g = found.gradient[this.data.leaves[leaf]];
    return g === undefined ? 0 : pick(g, at);
  }

  /** What training moves, entry by entry: of a large array the first ones, and those that tell most. */
  trainedEntries(most) {
    const { trained, leaves, steps, telling } = this.data;
    return trained.flatMap((leaf) => {
      const { name, shown, shape } = steps[leaves[leaf]];
      const kept = (at) => at < most || telling.some(([l, i]) => l === leaf && i === at);
      return Array.from({ length: sizeOf(shape) }, (_, at) => at).filter(kept).map((at) => ({ leaf, at, name: entryName(name, at, shape), shown: entryName(shown, at, shape) }));
    });
  }

  set(leaf, at, x) {
    this.leaves = this.withEntry(leaf, at, x);
    this.memory = null;
    this.changed();
  }

  setWhole(leaf, x) {
    this.leaves = this.leaves.map((old, n) => (n === leaf ? x : old));
    this.memory = null;
    this.changed();
  }

  /** One step of an optimizer on numbers: where they go, and what it keeps of it; `held` is what it kept, if anything. */
  descended(kind, which, numbers, gradient, rate, held) {
    const { kept, share } = this.data.optimizers[kind], { run, results } = this.functions[kind][which];
    const before = held ?? kept.map((name) => (name === "steps" ? 0 : new Float64Array(numbers.length)));
    const out = run(numbers, gradient, rate * share, ...before);
    const [moved, ...after] = results.map((name) => out[name]);
    return [moved, after];
  }

  /** How many rows of data there are, with those that were added. */
  get rows() {
    return this.data.points ? this.points : this.data.rows;
  }

  /** The next few rows of an epoch; where its rows were all taken, or are others now, a new one begins. */
  nextRows(size, seed) {
    const { rows } = this, before = this.turn;
    const goesOn = before && before.size === size && before.seed === seed && before.rows === rows && before.done < rows;
    const epoch = goesOn ? before.epoch : before?.seed === seed ? before.epoch + 1 : 1;
    const order = goesOn ? before.order : orderOf(seed, epoch, rows), from = goesOn ? before.done : 0;
    const taken = order.slice(from, from + size);
    this.turn = { size, seed, rows, epoch, order, taken, done: from + taken.length };
    return taken;
  }

  /** The gradients of what is trained: of all rows, or of the next few. */
  gradientsOf(size, seed) {
    const { trained, leaves } = this.data;
    if (!size || size >= this.rows) {
      const found = this.results();
      return trained.map((n) => found.gradient[leaves[n]]);
    }
    return this.gradientsAt(this.nextRows(size, seed));
  }

  /** The gradients of what is trained, of some rows. */
  gradientsAt(rows) {
    const { run, results } = this.functions.batch, counted = new Float64Array(this.data.batch);
    for (const row of rows) counted[row] = 1;
    const out = run(...this.leaves, counted);
    return results.map((name) => out[name]);
  }

  /** One step of an optimizer on everything that is trained, with the gradient of all rows or of `size` of them. */
  trainStep(kind, rate, size = 0, seed = 0) {
    const { trained, leaves: places } = this.data;
    const flat = (list) => Float64Array.from(trained.flatMap((n, i) => {
      const x = list[i], count = sizeOf(this.data.steps[places[n]].shape);
      return x === undefined ? new Array(count).fill(0) : typeof x === "number" ? new Array(count).fill(x) : Array.from(x);
    }));
    if (!this.trail.length) this.remember();
    const data = flat(trained.map((n) => this.leaves[n])), gradient = flat(this.gradientsOf(size, seed));
    const [moved, held] = this.descended(kind, "all", data, gradient, rate, this.memory?.kind === kind ? this.memory.held : null);
    this.memory = { kind, held };
    let place = 0;
    const leaves = [...this.leaves];
    for (const n of trained) {
      if (typeof leaves[n] === "number") leaves[n] = moved[place++];
      else leaves[n] = Float64Array.from(moved.subarray(place, (place += leaves[n].length)));
    }
    this.leaves = leaves;
    this.changed();
    this.remember();
  }

  /** Keep the loss and the weights of a step of training. */
  remember() {
    this.losses.push(this.result);
    this.trail.push(this.leaves);
    if (this.trail.length > 4000) this.trail.shift();
  }

  /** What the point of a row is: its target, or the class whose column has the 1. */
  targetOf(n) {
    const { y, columns, classes } = this.data.points, row = this.leaves[y].subarray(n * columns, (n + 1) * columns);
    return columns > 1 ? classes[row.indexOf(Math.max(...row))] : row[0];
  }

  /** A point more on the plane; false where there is no room. */
  addPoint(x, y, label) {
    const points = this.data.points;
    if (!points || this.points >= points.room || (points.columns > 1 && !points.classes.includes(label))) return false;
    const n = this.points;
    this.leaves = this.withEntry(points.x, 2 * n, x);
    this.leaves = this.withEntry(points.x, 2 * n + 1, y);
    const { columns, classes } = points;
    this.leaves = columns > 1 ? this.withEntry(points.y, n * columns + classes.indexOf(label), 1) : this.withEntry(points.y, n, label);
    const shares = new Float64Array(points.room).fill(1 / (n + 1), 0, n + 1);
    this.leaves = this.leaves.map((old, leaf) => (leaf === points.share ? shares : old));
    this.points = n + 1;
    this.memory = null;
    this.changed();
    return true;
  }
}
