/* What the eager engine alone asks for, where a chain of the same operations takes up to twice as long: each reads its
   arrays once.

   PAIRS, words, type, what, rows, columns, x (memory, bytes), g and w (the same), into (the same), a small number (a
   double).
   SHARED_OUT: (g − Σ g x) x, a weight's share of what all give up. NORMAL: x less its mean, over the root of its variance
   and the number. NORMAL_SHARED_OUT: what of g w stands upright on that and on all ones, over the root.
   ADD_ROW, words, type, rows, columns, what is added (memory, bytes), to what (the same).
   ADAM, words, type, entries, data, gradient, mean, square (memory, bytes each), four numbers (doubles): the shares kept of
   both means, eps, and the rate. */

#define FOR_ROW(body)                                                                                                  \
    for (ptrdiff_t j = 0; j < n; j += LANES) {                                                                         \
        const ptrdiff_t part = n - j < LANES ? n - j : LANES;                                                          \
        if (part == LANES) {                                                                                           \
            const int whole = 1;                                                                                       \
            body                                                                                                       \
        } else {                                                                                                       \
            const int whole = 0;                                                                                       \
            body                                                                                                       \
        }                                                                                                              \
    }
#define READ(p) OF_TYPE(read)((p) + j, part, whole)
#define THERE(value) OF_TYPE(there)(value, part, whole)
#define WRITE(p, value) OF_TYPE(write)((p) + j, value, part, whole);

INLINE V OF_TYPE(read)(const ENTRY *p, ptrdiff_t part, const int whole) {
    if (whole)
        return OF_TYPE(load)(p);
    return OF_TYPE(load_part)(p, part);
}
INLINE V OF_TYPE(there)(V x, ptrdiff_t part, const int whole) {
    if (whole)
        return x;
    return SELECT(OF_TYPE(places)() < (WHOLE)part, x, (V){0});
}
INLINE void OF_TYPE(write)(ENTRY *p, V x, ptrdiff_t part, const int whole) {
    if (whole)
        OF_TYPE(store)(p, x);
    else
        OF_TYPE(store_part)(p, x, part);
}

/* A product as it was rounded: where it is taken from itself nothing is left of it. */
INLINE V OF_TYPE(rounded)(V x) {
#if defined(__x86_64__)
    __asm__("" : "+x"(x));
#endif
    return x;
}

INLINE void OF_TYPE(share_out)(const ENTRY *x, const ENTRY *g, ENTRY *out, ptrdiff_t n) {
    if (n < SHORT_ROW) {
        ENTRY all = 0;
        for (ptrdiff_t j = 0; j < n; j++)
            all += g[j] * x[j];
        for (ptrdiff_t j = 0; j < n; j++)
            out[j] = (g[j] - all) * x[j];
        return;
    }
    V sum = {0};
    FOR_ROW(sum += READ(x) * READ(g);)
    const ENTRY along = OF_TYPE(sum_of)(sum);
    FOR_ROW(WRITE(out, (READ(g) - along) * READ(x)))
}

INLINE void OF_TYPE(make_normal)(const ENTRY *x, const ENTRY *g, const ENTRY *w, ENTRY *out, ptrdiff_t n,
                                 ENTRY small) {
    V sum = {0}, squares = {0}, whole_of_g = {0}, along = {0};
    FOR_ROW(sum += READ(x);)
    const ENTRY middle = OF_TYPE(sum_of)(sum) / (ENTRY)n;
    FOR_ROW(V away = THERE(READ(x) - middle); squares += away * away;)
    const ENTRY spread = OF_TYPE(sum_of)(squares) / (ENTRY)n + small;
    const ENTRY scale = 1 / (sizeof(ENTRY) == 4 ? __builtin_sqrtf((float)spread) : (ENTRY)__builtin_sqrt(spread));
    if (!g) {
        FOR_ROW(WRITE(out, (READ(x) - middle) * scale))
        return;
    }
    FOR_ROW(V up = OF_TYPE(rounded)(READ(g) * READ(w)); whole_of_g += up; along += up * THERE(READ(x) - middle);)
    const ENTRY all = OF_TYPE(sum_of)(whole_of_g) / (ENTRY)n;
    const ENTRY slope = OF_TYPE(sum_of)(along) * scale * scale / (ENTRY)n;
    FOR_ROW(WRITE(out, (OF_TYPE(rounded)(READ(g) * READ(w)) - all - (READ(x) - middle) * slope) * scale))
}

static void OF_TYPE(pairs)(const int64_t *w, char *const *memory) {
    const ptrdiff_t n = w[5];
    const ENTRY *x = (const ENTRY *)(memory[w[6]] + w[7]), *g = (const ENTRY *)(memory[w[8]] + w[9]);
    const ENTRY *by = (const ENTRY *)(memory[w[10]] + w[11]);
    ENTRY *out = (ENTRY *)(memory[w[12]] + w[13]);
    const ENTRY small = (ENTRY)number_in(w[14]);
    for (int64_t i = 0; i < w[4]; i++, x += n, g += n, out += n)
        switch (w[3]) {
        case SHARED_OUT: OF_TYPE(share_out)(x, g, out, n); break;
        case NORMAL: OF_TYPE(make_normal)(x, NULL, NULL, out, n, small); break;
        default: OF_TYPE(make_normal)(x, g, by, out, n, small);
        }
}

static void OF_TYPE(add_row)(const int64_t *w, char *const *memory) {
    const ptrdiff_t n = w[4];
    const ENTRY *row = (const ENTRY *)(memory[w[5]] + w[6]);
    ENTRY *out = (ENTRY *)(memory[w[7]] + w[8]);
    for (int64_t i = 0; i < w[3]; i++, out += n)
        if (n < SHORT_ROW)
            for (ptrdiff_t j = 0; j < n; j++)
                out[j] += row[j];
        else
            FOR_ROW(WRITE(out, READ(out) + READ(row)))
}

static void OF_TYPE(adam)(const int64_t *w, char *const *memory) {
    const ptrdiff_t n = w[3];
    ENTRY *data = (ENTRY *)(memory[w[4]] + w[5]), *mean = (ENTRY *)(memory[w[8]] + w[9]);
    const ENTRY *gradient = (const ENTRY *)(memory[w[6]] + w[7]);
    ENTRY *square = (ENTRY *)(memory[w[10]] + w[11]);
    const ENTRY first = (ENTRY)number_in(w[12]), second = (ENTRY)number_in(w[13]);
    const ENTRY eps = (ENTRY)number_in(w[14]), rate = (ENTRY)number_in(w[15]), fresh = 1 - first, newer = 1 - second;
    FOR_ROW(V g = READ(gradient); V m = first * READ(mean) + fresh * g; V s = second * READ(square) + newer * g * g;
            V moved = READ(data) - OF_TYPE(quotient)(rate * m, OF_TYPE(root)(s) + eps); WRITE(mean, m) WRITE(square, s)
            WRITE(data, moved))
}

#undef FOR_ROW
#undef READ
#undef THERE
#undef WRITE
