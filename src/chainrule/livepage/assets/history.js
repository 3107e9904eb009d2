// What was done to the numbers, so that it can be undone, told in an address, and done again.

const MOST = 200;
const CLOSELY = 700;
const LONG_AGO = -Infinity;

export class History {
  constructor(app) {
    this.app = app;
    this.ops = [];
    this.moments = [];
    this.stamp = LONG_AGO;
  }

  clear() {
    this.ops = [];
    this.moments = [];
  }

  /** Do something and remember it; what follows closely on the same number is one. */
  do(op) {
    const now = performance.now(), closely = now - this.stamp < CLOSELY, before = this.ops.at(-1);
    const same = closely && before && before.type === op.type && op.type === "set" && before.name === op.name;
    const goesOn = before && op.type === "train" && before.type === "train" && ["kind", "rate", "size", "seed"].every((of) => before[of] === op[of]);
    if (!same && !(goesOn && closely)) this.keep();
    if (same) before.value = op.value;
    else if (goesOn) before.n += op.n;
    else this.ops.push({ ...op });
    this.stamp = now;
    return this.apply(op);
  }

  /** Keep this moment, so that it can be come back to. */
  keep() {
    this.moments.push({ moment: this.app.model.snapshot(), ops: this.ops.map((x) => ({ ...x })) });
    if (this.moments.length > MOST) this.moments.shift();
  }

  apply(op) {
    const { model } = this.app;
    if (op.type === "set") {
      const { leaf, at } = this.app.placeOf(op.name);
      if (at === null) model.setWhole(leaf, op.value);
      else model.set(leaf, at, op.value);
    } else if (op.type === "train") {
      for (let i = 0; i < op.n; i++) model.trainStep(op.kind, op.rate, op.size, op.seed);
    } else if (op.type === "point") return model.addPoint(op.x, op.y, op.label);
    return true;
  }

  undo() {
    const last = this.moments.pop();
    if (!last) return false;
    this.app.model.restore(last.moment);
    this.ops = last.ops;
    this.stamp = LONG_AGO;
    return true;
  }

  /** Back to where training began. */
  rewind() {
    const first = this.ops.findIndex((op) => op.type === "train");
    if (first < 0) return false;
    this.keep();
    const kept = this.ops.slice(0, first);
    this.app.model.reset();
    this.ops = [];
    for (const op of kept) {
      this.ops.push(op);
      this.apply(op);
    }
    this.stamp = LONG_AGO;
    return true;
  }

  /** As part of an address. */
  written() {
    return this.ops.map((op) => {
      if (op.type === "train") return `t!${op.n}!${op.kind}!${op.rate}${op.size ? `!${op.size}!${op.seed}` : ""}`;
      if (op.type === "point") return `p!${op.x}!${op.y}!${op.label}`;
      const value = typeof op.value === "number" ? op.value : op.value.join(",");
      return `s!${encodeURIComponent(op.name)}!${value}`;
    }).join("~");
  }

  /** What an address says, done again; what cannot be read is left out. */
  read(text) {
    for (const part of text.split("~").filter(Boolean)) {
      const [type, ...rest] = part.split("!");
      try {
        if (type === "t") {
          const n = Math.min(Math.max(0, Math.trunc(Number(rest[0]))), 20000), rate = Number(rest[2]);
          const size = this.app.asSize(Number(rest[3] ?? 0)), seed = this.app.asSeed(Number(rest[4] ?? 0));
          if (n > 0 && rest[1] in this.app.data.optimizers && Number.isFinite(rate)) this.do({ type: "train", n, kind: rest[1], rate, size, seed });
        } else if (type === "p") {
          const [x, y, label] = rest.map(Number);
          if ([x, y, label].every(Number.isFinite)) this.do({ type: "point", x, y, label });
        } else if (type === "s") {
          const name = decodeURIComponent(rest[0]), { at, size } = this.app.placeOf(name);
          const numbers = rest[1].split(",").map(Number);
          if (at !== null && numbers.length === 1) this.do({ type: "set", name, value: numbers[0] });
          else if (numbers.length === size) this.do({ type: "set", name, value: Float64Array.from(numbers) });
        }
        this.stamp = LONG_AGO;
      } catch { /* an address from another page */ }
    }
  }
}
