// How numbers are written, read and compared.

const RAISED = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };

/** A power of ten. */
export const ten = (power) => (power ? `10${[...String(power)].map((sign) => RAISED[sign]).join("")}` : "1");

/** A number with so many significant digits, as the rest of the project writes it; far from 1 with a power of ten. */
export function format(x, digits = 6, far = (power) => `·${ten(power)}`) {
  if (x === undefined || x === null) return "–";
  if (Number.isNaN(x)) return "nan";
  if (!Number.isFinite(x)) return x > 0 ? "∞" : "−∞";
  if (x === 0) return "0";
  const size = Math.abs(x), scientific = size.toExponential(digits - 1);
  let text;
  if (Number(scientific.split("e")[1]) < -5 || size >= 1e7) text = scientific;
  else if (size >= 10 ** digits) text = String(Math.round(size));
  else text = size.toPrecision(digits);
  const [front, power] = text.split("e");
  const short = front.includes(".") ? front.replace(/\.?0+$/, "") : front;
  return (x < 0 ? "−" : "") + short + (power ? far(Number(power)) : "");
}

/** The same as a person types it. */
export const typed = (x) => format(x, 6, (power) => `e${String(power).replace("-", "−")}`);

/** All digits of a number, as programs read it. */
export function exact(x) {
  return Number.isFinite(x) ? String(x) : Number.isNaN(x) ? "nan" : x > 0 ? "inf" : "-inf";
}

/** What a person typed as a number; NaN where it is none. */
export function parse(text) {
  const lowered = Object.fromEntries(Object.entries(RAISED).map(([sign, raised]) => [raised, sign]));
  const power = (_, raised) => `e${[...raised].map((sign) => lowered[sign]).join("")}`;
  const plain = text.trim().replace(/·10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)/, power).replace(/[\u2212\u2013]/g, "-").replace(",", ".").toLowerCase();
  const words = { nan: NaN, inf: Infinity, "∞": Infinity, "-inf": -Infinity, "-∞": -Infinity };
  if (plain in words) return { ok: true, value: words[plain] };
  const value = plain === "" ? NaN : Number(plain);
  return { ok: plain !== "" && !Number.isNaN(value), value };
}

const extents = new WeakMap();

/** The lowest and highest entry, how many are no finite numbers, and what those are; arrays are never written into, so once for each. */
export function extent(array) {
  if (!extents.has(array)) extents.set(array, extentOf(array));
  return extents.get(array);
}

function extentOf(array) {
  let low = Infinity, high = -Infinity, odd = 0, what = "";
  for (const x of array) {
    if (!Number.isFinite(x)) what = odd++ && what !== format(x) ? "not finite" : format(x);
    else {
      if (x < low) low = x;
      if (x > high) high = x;
    }
  }
  return { low, high, odd, what };
}

/** The size that numbers have on average, which squares of very small or large ones would not tell. */
export function rootMeanSquare(numbers) {
  const most = numbers.reduce((found, x) => Math.max(found, Math.abs(x)), 0);
  if (!most || !Number.isFinite(most)) return most;
  return most * Math.sqrt(numbers.reduce((sum, x) => sum + (x / most) ** 2, 0) / numbers.length);
}

/** Two numbers with as many digits as tell them apart. */
export function apart(low, high, digits) {
  for (let n = digits; n < 15; n++) {
    const found = [format(low, n), format(high, n)];
    if (found[0] !== found[1]) return found;
  }
  return [format(low, digits), format(high, digits)];
}

/** A number, or the shape and range of an array, in few signs. */
export function shown(x, shape, digits = 4) {
  if (x === undefined || x === null) return "–";
  if (typeof x === "number") return format(x, digits);
  const { low, high, odd, what } = extent(x);
  if (odd) return `${odd} of ${x.length} ${what}`;
  if (low > high) return "no entries";
  return low === high ? `all ${format(low, 3)}` : `${format(low, 3)} … ${format(high, 3)}`;
}

/** A number so many marks further on its dial; they lie a tenth of one in its leading digit apart, or a tenth of that. */
export function turned(x, marks, fine = false) {
  const step = 10 ** (Math.floor(Math.log10(Math.max(Math.abs(x), 0.1))) - 1) * (fine ? 0.1 : 1);
  return Number((Math.round((x + marks * step) / step) * step).toPrecision(12));
}

/** How many entries a shape has. */
export function sizeOf(shape) {
  return shape.reduce((a, b) => a * b, 1);
}

/** Where an entry stands among all, row after row. */
export function offsetOf(place, shape) {
  return place.reduce((sum, i, axis) => sum * shape[axis] + i, 0);
}

/** An entry of an array; a number is its own. */
export function pick(x, at) {
  return typeof x === "number" ? x : x[at];
}

/** Whether a number, or every entry, is finite; of what is not known yet nothing is said against it. */
export function finite(x) {
  return x === undefined || (typeof x === "number" ? Number.isFinite(x) : !extent(x).odd);
}

/** Whether two gradients are told apart by more than rounding. */
export function differs(a, b) {
  if (b === undefined) return false;
  if (typeof a === "number") return Math.abs(a - b) > 1e-12 + 1e-9 * Math.abs(b);
  return a.some((x, i) => Math.abs(x - b[i]) > 1e-12 + 1e-9 * Math.abs(b[i]));
}

/** Nested lists of the entries of an array. */
export function nested(x, shape) {
  if (typeof x === "number") return x;
  if (shape.length <= 1) return Array.from(x);
  const rest = shape.slice(1), size = sizeOf(rest);
  return Array.from({ length: shape[0] }, (_, i) => nested(x.subarray(i * size, (i + 1) * size), rest));
}

/** The name of an entry: W[0, 1]. */
export function entryName(name, at, shape) {
  if (!shape.length) return name;
  const place = [];
  for (let k = shape.length - 1, rest = at; k >= 0; k--) {
    place.unshift(rest % shape[k]);
    rest = Math.floor(rest / shape[k]);
  }
  return `${name}[${place.join(", ")}]`;
}
