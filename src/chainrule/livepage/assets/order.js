// In which order an epoch takes its rows: as cr.training.fit does, numpy.random.default_rng([seed, epoch]).permutation.
// The seed is spread by O'Neill's seed_seq_fe, and the numbers come from her PCG64 (2014).

const ALL = (1n << 128n) - 1n, HALF = (1n << 64n) - 1n;
const TIMES = 0x2360ed051fc65da44385df649fccf645n;
const folded = (x) => (x ^ (x >>> 16)) >>> 0;

/** A hash of 32 bits after another, whose constant changes with each. */
function hashing(constant, times) {
  return (x) => {
    const mixed = x ^ constant;
    constant = Math.imul(constant, times);
    return folded(Math.imul(mixed, constant));
  };
}

/** Four numbers of 64 bits that a list of small ones is spread over. */
function spread(words) {
  const hash = hashing(0x43b0d7e5, 0x931e8875), pool = [0, 1, 2, 3].map((i) => hash(words[i] ?? 0));
  for (const from of pool.keys()) {
    for (const to of pool.keys()) {
      if (from !== to) pool[to] = folded(Math.imul(0xca01f9dd, pool[to]) - Math.imul(0x4973f715, hash(pool[from])));
    }
  }
  const out = hashing(0x8b51f9dd, 0x58f38ded), parts = Array.from({ length: 8 }, (_, i) => BigInt(out(pool[i % 4])));
  return [0, 2, 4, 6].map((i) => parts[i] | (parts[i + 1] << 32n));
}

/** Whole numbers from 0 to a limit, one after another. */
function drawing(words) {
  const [a, b, c, d] = spread(words), step = (((c << 64n) | d) << 1n) | 1n;
  let state = 0n, kept = null;
  const move = () => (state = (state * TIMES + step) & ALL);
  move();
  state += (a << 64n) | b;
  move();

  /** 32 bits: the lower half of a draw, and then its upper half. */
  function bits() {
    if (kept !== null) {
      const upper = kept;
      kept = null;
      return upper;
    }
    move();
    const x = (state >> 64n) ^ (state & HALF), turn = state >> 122n;
    const turned = ((x >> turn) | (x << (64n - turn))) & HALF;
    kept = Number(turned >> 32n);
    return Number(turned & 0xffffffffn);
  }

  return (limit) => {
    const unused = Math.clz32(limit);
    let x = limit + 1;
    while (x > limit) x = (bits() << unused) >>> unused;
    return x;
  };
}

/** The rows of an epoch in their order. */
export function orderOf(seed, epoch, rows) {
  const order = Array.from({ length: rows }, (_, i) => i), drawn = drawing([seed, epoch]);
  for (let i = rows - 1; i > 0; i--) {
    const j = drawn(i);
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}
