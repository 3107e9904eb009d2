/* Tapes: graphs of single numbers in which nothing repeats, over one row of numbers in which each entry is computed from
   earlier ones.

   TAPE, words, first entry, entries, runs, then the places of the row, of the runs, of the operands and of room for three
   blocks. A run has an operation, how many operands that has, and how many entries. The operands of entry k are the
   places at k, at k + entries and at k + 2 entries. An entry of a run IN_ORDER is a product and what is added to it, and
   may read those before it in its run. Operations on vectors work on whole ones: what they write behind their run is
   computed later, and read later.

   SWEEP, words, edges, shares, seed, then the places of the row, of the shares, of the edges, and of a byte for each edge
   (memory -1 for none). Each edge gives a share, times an entry of the row, to another share; it has the places of all
   three, as the operands above. Where the byte is set and the entry is 0, nothing that is no number passes. */

#define TOGETHER 256

/* Products are rounded before they are added to, as the scalar engine does it: what cancels out there cancels out here. */
#if defined(__clang__)
#define ROUNDED
#define PRODUCTS_ROUNDED _Pragma("clang fp contract(off)")
#else
#define ROUNDED __attribute__((optimize("fp-contract=off")))
#define PRODUCTS_ROUNDED
#endif

/* Entries of a run IN_ORDER. */
ROUNDED static void in_order(const double *row, double *out, const int32_t *a, const int32_t *b, const int32_t *c,
                             ptrdiff_t n) {
    PRODUCTS_ROUNDED
    for (ptrdiff_t i = 0; i < n; i++)
        out[i] = row[a[i]] * row[b[i]] + row[c[i]];
}

INLINE void gathered(double *restrict out, const double *from, const int32_t *restrict place, ptrdiff_t n) {
    for (ptrdiff_t i = 0; i < n; i++)
        out[i] = from[place[i]];
}

static void tape(const int64_t *w, char *const *memory) {
    const int64_t entries = w[3], runs = w[4];
    double *row = (double *)(memory[w[5]] + w[6]), *out = row + w[2], *x = (double *)(memory[w[11]] + w[12]);
    const int32_t *run = (const int32_t *)(memory[w[7]] + w[8]), *a = (const int32_t *)(memory[w[9]] + w[10]);
    const int32_t *b = a + entries, *c = b + entries;
    double *y = x + TOGETHER, *z = y + TOGETHER;
    const ptrdiff_t lanes = VECTOR_BYTES / sizeof(double);
    for (int64_t k = 0; k < runs; k++, run += 3) {
        ptrdiff_t left = run[2];
        if (run[0] == IN_ORDER) {
            in_order(row, out, a, b, c, left);
            out += left, a += left, b += left, c += left;
            continue;
        }
        while (left) {
            ptrdiff_t n = left < TOGETHER ? left : TOGETHER;
            ptrdiff_t whole = run[0] < FIRST_OF_LIBRARY ? (n + lanes - 1) / lanes * lanes : n;
            gathered(x, row, a, whole);
            if (run[1] > 1)
                gathered(y, row, b, whole);
            if (run[1] > 2)
                gathered(z, row, c, whole);
            operate_double(run[0], out, x, 1, y, 1, z, 1, whole);
            left -= n;
            out += n, a += n, b += n, c += n;
        }
    }
}

ROUNDED static void sweep(const int64_t *w, char *const *memory) {
    PRODUCTS_ROUNDED
    const int64_t edges = w[2];
    const double *row = (const double *)(memory[w[5]] + w[6]);
    double *share = (double *)(memory[w[7]] + w[8]);
    const int32_t *into = (const int32_t *)(memory[w[9]] + w[10]), *from = into + edges, *slope = from + edges;
    memset(share, 0, (size_t)w[3] * sizeof *share);
    share[w[4]] = 1;
    if (w[11] < 0) {
        for (int64_t k = 0; k < edges; k++)
            share[into[k]] += share[from[k]] * row[slope[k]];
        return;
    }
    const uint8_t *selects = (const uint8_t *)(memory[w[11]] + w[12]);
    for (int64_t k = 0; k < edges; k++) {
        double local = row[slope[k]], part = share[from[k]] * local;
        share[into[k]] += selects[k] & (local == 0) & (part != part) ? 0 : part;
    }
}
