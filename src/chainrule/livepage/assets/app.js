// The page as a whole: which subject it shows, where it stands in time, and who is told when something moves.

import { exact, finite, nested, offsetOf, parse, shown, sizeOf } from "chainrule/numbers";
import { History } from "chainrule/history";
import { Model } from "chainrule/model";

async function unzipped(text) {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}

/** What was printed for a subject: a module of its own, from the source that came with its numbers. */
async function functionsOf(source) {
  const module = await import(`data:text/javascript;charset=utf-8,${encodeURIComponent(`export default ${source};`)}`);
  return module.default;
}

/** What was given, in words. */
function told(x) {
  return typeof x === "object" && x ? JSON.stringify(x) : String(x);
}

/** A number, or what is typed as one; anything else is refused. */
function asNumber(x, name) {
  const found = typeof x === "number" ? { ok: true, value: x } : typeof x === "string" ? parse(x) : { ok: false };
  if (!found.ok) throw new Error(`${name} takes a number, and got ${told(x)}`);
  return found.value;
}

const RESTING = 180;

export class App {
  constructor(subjects) {
    this.subjects = subjects;
    this.history = new History(this);
    this.panels = [];
    this.frames = [];
    this.kind = "SGD";
    this.selected = 0;
    this.lit = [];
    this.away = new Set();
    this.watcher = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) this.away[isIntersecting ? "delete" : "add"](target);
      if (this.data && entries.some(({ isIntersecting }) => isIntersecting)) this.render();
    });
  }

  /** Take panels in; those that say which section they fill are drawn while that is seen. */
  hold(panels) {
    this.panels = panels;
    for (const { section } of panels) if (section) this.watcher.observe(section);
  }

  /** Show a subject from its start. */
  async open(n) {
    await this.load(n);
    this.show();
  }

  async load(n) {
    this.number = n;
    const subject = this.subjects[n];
    subject.data ??= await unzipped(subject.zipped);
    subject.functions ??= await functionsOf(subject.data.source);
    this.data = subject.data;
    this.model = new Model(this.data, subject.functions);
    this.history.clear();
    this.k = this.model.last;
    this.rate = this.data.rate;
    this.size = this.seed = 0;
    this.asked = this.data.asked;
    this.selected = this.data.look;
    this.trying = false;
  }

  show() {
    for (const panel of this.panels) panel.open?.();
    this.renderNow();
  }

  get output() {
    return this.data.steps[this.data.output];
  }

  /** The leaf and the entry that a name means: w1, W[0, 1], or a whole array W. */
  placeOf(name) {
    const parts = /^(.*?)(?:\[([\d,\s]+)\])?$/s.exec(name);
    const whole = this.leafNamed(name);
    const leaf = whole >= 0 ? whole : this.leafNamed(parts[1]);
    if (leaf < 0) throw new Error(`there is no leaf named ${name}: there are ${this.data.leaves.map((p) => this.data.steps[p].name).join(", ")}`);
    const { shape } = this.data.steps[this.data.leaves[leaf]], size = sizeOf(shape);
    if (whole >= 0) return { leaf, at: shape.length ? null : 0, size };
    const place = parts[2].split(",").map(Number);
    if (place.length !== shape.length || place.some((i, axis) => i >= shape[axis])) {
      throw new Error(`${parts[1]} has shape ${shape.join("×") || "of one number"}, and no entry [${parts[2]}]`);
    }
    return { leaf, at: offsetOf(place, shape), size };
  }

  leafNamed(name) {
    return this.data.leaves.findIndex((place) => this.data.steps[place].name === name);
  }

  // What scripts may ask and do.

  values() {
    return this.named(this.model.at(this.k).value);
  }

  gradients() {
    return this.named(this.model.at(this.k).gradient);
  }

  /** That the result is no finite number, and where that begins; nothing of one that is. */
  get saidOfOdd() {
    const { value } = this.model.results(), { steps, edges, output } = this.data;
    if (finite(value[output])) return "";
    const is = (at) => (steps[at].shape.length ? "has " : "is ") + this.shown(value[at], at);
    const place = this.model.origin, { shown: name, formula, op } = steps[place];
    const given = edges.flatMap(([step, , x]) => (step === place && typeof value[x] === "number" ? [`${steps[x].shown} = ${this.shown(value[x], x)}`] : []));
    const begins = op ? `${name} = ${formula} ${is(place)}${given.length ? ` at ${[...new Set(given)].join(", ")}` : ""}` : `${name} ${is(place)} as it was given`;
    return place === output ? `${begins}.` : `${steps[output].shown} ${is(output)}. It begins where ${begins}.`;
  }

  /** The numbers of a step in few words. */
  shown(x, place, digits) {
    return shown(this.model.entriesOf(x, place), this.model.shapeOf(place), digits);
  }

  named(list) {
    const found = {};
    this.data.steps.forEach((step, place) => {
      const x = list[place];
      if (x !== undefined) found[step.name] = nested(this.model.entriesOf(x, place), this.model.shapeOf(place));
    });
    return found;
  }

  set(name, value) {
    this.refuseStill();
    const { at, size } = this.placeOf(name);
    const numbers = (Array.isArray(value) ? value.flat(Infinity) : ArrayBuffer.isView(value) ? [...value] : [value]).map((x) => asNumber(x, name));
    if (numbers.length !== (at === null ? size : 1)) throw new Error(`${name} takes ${at === null ? size : 1} numbers, and got ${numbers.length}`);
    this.history.do({ type: "set", name, value: at === null ? Float64Array.from(numbers) : numbers[0] });
    this.render();
  }

  refuseStill() {
    if (!this.data.live) throw new Error("this graph is too large to be moved: it shows what was recorded");
  }

  step(k) {
    if (k !== undefined) {
      this.k = Math.min(Math.max(0, Math.round(asNumber(k, "a position"))), this.model.last);
      this.render();
    }
    return { k: this.k, last: this.model.last };
  }

  train(n = 1) {
    this.refuseStill();
    const steps = asNumber(n, "training");
    if (!Number.isInteger(steps) || steps < 0) throw new Error(`training has a whole number of steps, and not ${told(n)}`);
    this.history.do(this.training(steps));
    this.render();
    return [...this.model.losses];
  }

  /** So many steps as training is set now. */
  training(n) {
    const { kind, rate, size, seed } = this;
    return { type: "train", n, kind, rate, size, seed };
  }

  /** How many rows a step takes, 0 for all, and the seed of their order; numbers set them. */
  batch(size, seed) {
    if (size !== undefined) this.size = this.asSize(asNumber(size, "a batch"));
    if (seed !== undefined) this.seed = this.asSeed(asNumber(seed, "the seed"));
    if (size !== undefined || seed !== undefined) this.render();
    return { size: this.size, seed: this.seed, rows: this.model.turn?.taken ?? [] };
  }

  asSize(x) {
    if (!Number.isInteger(x) || x < 0) throw new Error(`a batch has a whole number of rows, or 0 for all, and not ${told(x)}`);
    if (x && !this.data.batch) throw new Error("this page has no batches: its cost joins no rows, or none that stand alone");
    return x;
  }

  asSeed(x) {
    if (!Number.isInteger(x) || x < 0 || x >= 2 ** 32) throw new Error(`the seed is a whole number from 0, and not ${told(x)}`);
    return x;
  }

  undo() {
    const done = this.history.undo();
    this.render();
    return done;
  }

  rewind() {
    const done = this.history.rewind();
    this.render();
    return done;
  }

  /** The rate of training; a number above 0 sets it. */
  rateOf(x) {
    if (x !== undefined && !(asNumber(x, "the rate") > 0 && Number.isFinite(Number(x)))) throw new Error(`the rate is a number above 0, and not ${told(x)}`);
    if (x !== undefined) this.rate = Number(x);
    this.render();
    return this.rate;
  }

  /** What training goes by; the name of an optimizer chooses it. */
  optimizer(kind) {
    this.refuseStill();
    if (kind !== undefined && !(kind in this.data.optimizers)) throw new Error(`there is no optimizer ${told(kind)}: there are ${Object.keys(this.data.optimizers).join(", ")}`);
    this.kind = kind ?? this.kind;
    this.render();
    return this.kind;
  }

  /** Switch a mistake on: the kind of a pass or its number, 0 for the right one; `edge` is what is forgotten. */
  mistake(which, edge) {
    this.refuseStill();
    const { passes } = this.data, atEnd = this.k === this.model.last;
    const n = typeof which === "number" ? which : passes.findIndex((pass) => pass.kind === which);
    if (!passes[n]) throw new Error(`there is no mistake ${told(which)}: there are ${[...new Set(passes.map((pass) => pass.kind))].join(", ")}, and numbers from 0 to ${passes.length - 1}`);
    const forgotten = edge === undefined ? this.model.forgotten : this.edgeNamed(edge), { forgets } = passes[n];
    if (forgets.length && !forgets.includes(forgotten)) {
      const [step, , x] = this.data.edges[forgotten].map((place) => this.data.steps[place]?.name);
      throw new Error(`from ${step} to ${x} there is no factor that could be left out: gradients pass there as they are`);
    }
    this.model.passKind = n;
    this.model.forgotten = forgotten;
    this.model.changed();
    this.k = atEnd ? this.model.last : Math.min(this.k, this.model.last);
    this.render();
  }

  /** The edge that a number means, or a pair of names as `chainrule.edges()` has them. */
  edgeNamed(edge) {
    const { edges, steps } = this.data;
    if (Number.isInteger(edge) && edges[edge]) return edge;
    const names = edges.map(([step, , x]) => [steps[step].name, steps[x].name]);
    const found = Array.isArray(edge) ? names.findIndex(([above, below]) => above === edge[0] && below === edge[1]) : -1;
    if (found >= 0) return found;
    throw new Error(`there is no edge ${told(edge)}: say its number, from 0 to ${edges.length - 1}, or a pair of names such as ${JSON.stringify(names[0])}; chainrule.edges() has all`);
  }

  // Who is told.

  select(place) {
    this.selected = place;
    this.render();
  }

  /** Light whatever belongs to a node or an edge, in every panel. */
  light(what) {
    for (const element of this.lit) element.classList.remove("lit");
    this.lit = [];
    if (!what) return;
    const query = what.edge !== undefined ? `[data-edge="${what.edge}"]` : `[data-node="${what.node}"]`;
    this.lit = [...document.querySelectorAll(query)];
    for (const element of this.lit) element.classList.add("lit");
  }

  /** Draw what is seen again in the next frame, and the rest when nothing moves any more. */
  render() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.renderNow(true);
    });
  }

  /** Draw every panel, or those alone that are `seen`. */
  renderNow(seen = false) {
    const began = performance.now();
    this.now = this.model.at(this.k);
    document.body.classList.toggle("trying", this.trying);
    clearTimeout(this.resting);
    const unseen = seen ? this.panels.filter(({ section }) => section && this.away.has(section)) : [];
    for (const panel of this.panels) if (!unseen.includes(panel)) panel.update?.();
    if (unseen.length) this.resting = setTimeout(() => unseen.forEach((panel) => panel.update?.()), RESTING);
    this.frames.push(performance.now() - began);
    if (this.frames.length > 400) this.frames.shift();
    this.address();
  }

  /** The state in the address, without a step back in the browser for every move. */
  address() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      try {
        history.replaceState(null, "", `#${this.state()}`);
      } catch { /* inside a frame without an address of its own */ }
    }, 200);
  }

  state() {
    const parts = new URLSearchParams();
    if (this.number) parts.set("n", this.number);
    const done = this.history.written();
    if (done) parts.set("do", done);
    if (this.k !== this.model.last) parts.set("k", this.k);
    if (this.model.passKind) parts.set("m", this.model.passKind);
    if (this.model.pass?.forgets.length) parts.set("f", this.model.forgotten);
    if (this.dialect) parts.set("d", this.dialect);
    if (this.asked !== this.data.asked) parts.set("w", this.asked);
    if (this.rate !== this.data.rate) parts.set("r", this.rate);
    if (this.kind !== "SGD") parts.set("o", this.kind);
    if (this.size) parts.set("b", `${this.size}!${this.seed}`);
    return parts.toString();
  }

  /** Go to the state that an address tells. */
  async goTo(text) {
    const parts = new URLSearchParams(text);
    const whole = (name) => Math.trunc(Number(parts.get(name) ?? 0)) || 0;
    this.kind = "SGD";
    this.dialect = parts.get("d") ?? "";
    await this.load(this.subjects[whole("n")] ? whole("n") : 0);
    if (this.data.live) this.resume(parts, whole);
    this.show();
  }

  /** What was done, switched on and chosen, as an address tells it. */
  resume(parts, whole) {
    if (parts.get("o") in this.data.optimizers) this.kind = parts.get("o");
    if (Number(parts.get("r")) > 0) this.rate = Number(parts.get("r"));
    try {
      this.batch(...(parts.get("b")?.split("!") ?? []));
    } catch { /* an address from another page */ }
    this.history.read(parts.get("do") ?? "");
    if (this.data.passes[whole("m")]) this.model.passKind = whole("m");
    if (this.model.pass.forgets.includes(whole("f"))) this.model.forgotten = whole("f");
    if (this.data.leaves[whole("w")] !== undefined && parts.has("w")) this.asked = whole("w");
    this.model.changed();
    this.k = parts.has("k") ? Math.min(Math.max(0, whole("k")), this.model.last) : this.model.last;
  }

  say(text) {
    const said = document.getElementById("said");
    said.textContent = text;
    clearTimeout(this.saying);
    this.saying = setTimeout(() => (said.textContent = ""), 6000);
  }

  /** The text of an export with the numbers of now. */
  exported(kind) {
    const right = this.model.results(), { steps, leaves } = this.data;
    const listed = (x) => (Array.isArray(x) ? `[${x.map(listed).join(", ")}]` : number(x));
    const written = (x, shape) => (kind === "LaTeX" && shape.length ? matrixOf(nested(x, shape)) : listed(nested(x, shape)));
    const number = (x) => (kind === "LaTeX" ? inLatex(exact(x)) : pythonic(x));
    const pythonic = (x) => (Number.isFinite(x) ? (Number.isInteger(x) && Math.abs(x) < 1e15 ? x.toFixed(1) : String(x)) : `float("${exact(x)}")`);
    if (kind === "JSON") {
      const named = { problem: this.data.text, values: this.named(right.value), gradients: this.named(right.gradient) };
      return JSON.stringify(named, (_, x) => (typeof x === "number" && !Number.isFinite(x) ? exact(x) : x), 2);
    }
    this.refuseStill();
    if (!(kind in this.data.exports)) throw new Error(`nothing is written as ${told(kind)}: there are ${Object.keys(this.data.exports).join(", ")}, JSON and SVG`);
    return this.data.exports[kind].map((part) => {
      if (typeof part === "string") return part;
      const [of, n] = part;
      if (of === "leaf") return written(this.model.leaves[n], steps[leaves[n]].shape);
      return written((of === "value" ? right.value : right.gradient)[n], steps[n].shape);
    }).join("");
  }
}

/** A number in LaTeX. */
function inLatex(text) {
  return text.replace("inf", "\\infty").replace("nan", "\\mathrm{nan}").replace(/e[+]?(-?\d+)/, " \\cdot 10^{$1}");
}

/** A small array in LaTeX, a vector as a column. */
function matrixOf(rows) {
  const entry = (x) => inLatex(exact(Number.isFinite(x) ? Number(x.toPrecision(6)) : x));
  return `\\begin{pmatrix} ${rows.map((row) => [row].flat().map(entry).join(" & ")).join(" \\\\ ")} \\end{pmatrix}`;
}
