/* Tapes: graphs of single numbers in which nothing repeats, over one row of numbers in which each entry is computed from
   earlier ones.

   TAPE, words, first entry, entries, runs, then the places of the row, of the runs, of the operands and of room for three
   blocks. A run has an operation, how many operands that has, and how many entries; and above the number of operands two bits for
   each say whether these lie in a row, are one for all, or are the first operand again. The operands of entry k are the places at k, at k + entries and
   at k + 2 entries. An entry of a run IN_ORDER is a product and what is added to it, and
   may read those before it in its run. Operations on vectors work on whole ones: what they write behind their run is
   computed later, and read later.

   SWEEP, words, edges, shares, seed, then the places of the row, of the shares, of the edges, and of a byte for each edge
   (memory -1 for none). Each edge gives a share, times an entry of the row, to another share; it has the places of all
   three, as the operands above. Where the byte is set and the entry is 0, nothing that is no number passes. */

#define TOGETHER 256
#define A_FEW 8 /* entries of a run; in a longer one operands may lie in a row or be one for all */

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
    _Pragma("GCC unroll 4") for (ptrdiff_t i = 0; i < n; i++)
        out[i] = row[a[i]] * row[b[i]] + row[c[i]];
}

/* A vector is put together in registers: one that is loaded from where numbers were just stored one by one must wait. */
#define PICK(k) from[place[k]]
#if VECTOR_BYTES == 64
#define PICKED {PICK(0), PICK(1), PICK(2), PICK(3), PICK(4), PICK(5), PICK(6), PICK(7)}
#elif VECTOR_BYTES == 32
#define PICKED {PICK(0), PICK(1), PICK(2), PICK(3)}
#else
#define PICKED {PICK(0), PICK(1)}
#endif

INLINE void gathered(double *out, const double *from, const int32_t *place, ptrdiff_t n) {
    const ptrdiff_t lanes = VECTOR_BYTES / sizeof(double);
    for (; n >= lanes; n -= lanes, out += lanes, place += lanes)
        store_double(out, (vector_double)PICKED);
    for (ptrdiff_t i = 0; i < n; i++)
        out[i] = PICK(i);
}

enum { PICKED_ONE_BY_ONE, IN_A_ROW, ONE_FOR_ALL, THE_FIRST };

/* The results of a vector's entries of a short run, whose operands are picked or the first again: what it waits for and what
   waits for it goes through no memory between. */
INLINE vector_double of_few(const int32_t *run, const double *from, const int32_t *place, int64_t entries) {
    vector_double x[] = {PICKED, {0}, {0}};
    for (int i = 1; i < (run[1] & 3); i++) {
        place += entries;
        x[i] = (run[1] >> (2 * i + 2) & 3) == THE_FIRST ? x[0] : (vector_double)PICKED;
    }
    return operated_double(run[0], x[0], x[1], x[2]);
}

static void tape(const int64_t *w, char *const *memory) {
    const int64_t entries = w[3], runs = w[4];
    double *row = (double *)(memory[w[5]] + w[6]), *out = row + w[2], *block = (double *)(memory[w[11]] + w[12]);
    const int32_t *run = (const int32_t *)(memory[w[7]] + w[8]), *place = (const int32_t *)(memory[w[9]] + w[10]);
    const ptrdiff_t lanes = VECTOR_BYTES / sizeof(double);
    for (int64_t k = 0; k < runs; k++, run += 3) {
        ptrdiff_t left = run[2], n = left;
        if (run[0] == IN_ORDER) {
            in_order(row, out, place, place + entries, place + 2 * entries, n);
            out += n, place += n;
            continue;
        }
        if (n <= A_FEW && run[0] < FIRST_OF_LIBRARY) {
            for (ptrdiff_t i = 0; i < n; i += lanes)
                store_double(out + i, of_few(run, row, place + i, entries));
            out += n, place += n;
            continue;
        }
        for (; left; left -= n, out += n, place += n) {
            const double *x[] = {block, block, block};
            ptrdiff_t step[] = {1, 1, 1}, whole;
            n = left < TOGETHER ? left : TOGETHER;
            whole = run[0] < FIRST_OF_LIBRARY ? (n + lanes - 1) / lanes * lanes : n;
            for (int i = 0; i < (run[1] & 3); i++) {
                const int32_t *from = place + i * entries;
                const int how = run[1] >> (2 * i + 2) & 3;
                x[i] = how == THE_FIRST ? x[0] : how == IN_A_ROW ? row + from[0] : block + i * TOGETHER;
                if (how == PICKED_ONE_BY_ONE)
                    gathered(block + i * TOGETHER, row, from, whole);
                else if (how == ONE_FOR_ALL) {
                    store_double(block + i * TOGETHER, all_double(row[from[0]]));
                    step[i] = 0;
                }
            }
            operate_double(run[0], out, x[0], step[0], x[1], step[1], x[2], step[2], x[2], step[2], whole);
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
        _Pragma("GCC unroll 4") for (int64_t k = 0; k < edges; k++)
            share[into[k]] += share[from[k]] * row[slope[k]];
        return;
    }
    const uint8_t *selects = (const uint8_t *)(memory[w[11]] + w[12]);
    for (int64_t k = 0; k < edges; k++) {
        double local = row[slope[k]], part = share[from[k]] * local;
        share[into[k]] += selects[k] & (local == 0) & (part != part) ? 0 : part;
    }
}
