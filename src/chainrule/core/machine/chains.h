/* Chains of elementwise operations, block after block, so that what one leaves for the next stays in the first cache.

   CHAIN, words, type, entries, axes, slots, operations, then the extents, for each slot (what, memory, bytes, type and
   as many strides as axes), and for each operation (which, into, from, from, from, from). Operands below REGISTERS are
   registers, the others slots. An operation ONCE is on numbers, and its register is no other's. */

#if ENTRY_IS_DOUBLE
static double (*const ONE_BY_ONE[])(double) = {sin, cos, tan, sinh, cosh, asin, acos, atan, asinh, acosh, atanh, exp2,
                                               log2, log10, cbrt, floor, ceil, trunc, rint};
static double (*const TWO_BY_TWO[])(double, double) = {pow, atan2, hypot, fmod};

INLINE double number_in(int64_t word) {
    double x;
    memcpy(&x, &word, sizeof x);
    return x;
}
#endif

#define FAR_BYTES (1 << 20) /* streams that are longer together come from far away: they are fetched ahead */
#define FEW_STREAMS 4 /* of more of them whole blocks would not stay in the first cache, beside what is computed on the way */
#define BLOCK ((ptrdiff_t)(BLOCK_BYTES / sizeof(ENTRY)))

/* A run of entries of any type, some way apart, as entries of a register. */
static void OF_TYPE(load_run)(ENTRY *restrict out, const char *from, int64_t type, ptrdiff_t stride, ptrdiff_t n) {
#define RUN(TYPE)                                                                                                      \
    {                                                                                                                  \
        const TYPE *x = (const TYPE *)from;                                                                            \
        if (stride == 1)                                                                                               \
            for (ptrdiff_t i = 0; i < n; i++)                                                                          \
                out[i] = (ENTRY)x[i];                                                                                  \
        else if (!stride)                                                                                              \
            for (ptrdiff_t i = 0; i < n; i++)                                                                          \
                out[i] = (ENTRY)x[0];                                                                                  \
        else                                                                                                           \
            for (ptrdiff_t i = 0; i < n; i++)                                                                          \
                out[i] = (ENTRY)x[i * stride];                                                                         \
        return;                                                                                                        \
    }
    switch (type) {
    case SINGLE: RUN(float)
    case DOUBLE: RUN(double)
    case TRUTH: RUN(uint8_t)
    case LONG: RUN(int64_t)
    default: RUN(int32_t)
    }
#undef RUN
}

/* Entries p to p + n of a strided slot, in the order of the chain. */
static void OF_TYPE(load_block)(ENTRY *out, const char *from, int64_t type, const int64_t *stride, const int64_t *extent,
                                int axes, ptrdiff_t p, ptrdiff_t n) {
    static const ptrdiff_t bytes[] = {4, 8, 1, 8, 4};
    ptrdiff_t at[MOST_AXES], size = bytes[type];
    for (int axis = axes - 1; axis >= 0; axis--) {
        at[axis] = p % extent[axis];
        p /= extent[axis];
        from += at[axis] * stride[axis] * size;
    }
    int last = axes - 1;
    while (n) {
        ptrdiff_t run = extent[last] - at[last] < n ? extent[last] - at[last] : n;
        OF_TYPE(load_run)(out, from, type, stride[last], run);
        out += run;
        n -= run;
        from -= at[last] * stride[last] * size;
        at[last] = 0;
        for (int axis = last - 1; axis >= 0; axis--) {
            from += stride[axis] * size;
            if (++at[axis] < extent[axis])
                break;
            from -= at[axis] * stride[axis] * size;
            at[axis] = 0;
        }
    }
}

/* One operation on n entries; the step of an operand is 0 where it is one entry for all. */
#define EACH(value)                                                                                                    \
    {                                                                                                                  \
        ptrdiff_t i = 0;                                                                                               \
        _Pragma("GCC unroll 2") for (; i + LANES <= n; i += LANES) {                                                   \
            V x = OF_TYPE(load)(a + i * a_step), y = OF_TYPE(load)(b + i * b_step), z = OF_TYPE(load)(c + i * c_step); \
            V w = OF_TYPE(load)(d + i * d_step);                                                                       \
            (void)x, (void)y, (void)z, (void)w;                                                                        \
            OF_TYPE(store)(out + i, value);                                                                            \
        }                                                                                                              \
        if (i < n) {                                                                                                   \
            ptrdiff_t rest = n - i;                                                                                    \
            V x = a_step ? OF_TYPE(load_part)(a + i, rest) : OF_TYPE(load)(a);                                         \
            V y = b_step ? OF_TYPE(load_part)(b + i, rest) : OF_TYPE(load)(b);                                         \
            V z = c_step ? OF_TYPE(load_part)(c + i, rest) : OF_TYPE(load)(c);                                         \
            V w = d_step ? OF_TYPE(load_part)(d + i, rest) : OF_TYPE(load)(d);                                         \
            (void)x, (void)y, (void)z, (void)w;                                                                        \
            OF_TYPE(store_part)(out + i, value, rest);                                                                 \
        }                                                                                                              \
        return;                                                                                                        \
    }
#define TRUTH_OF(mask) ((V)((I)(mask) & (I)ALL(1)))

/* Whether a quotient by one over its divisor can be put right to the last bit. */
#if defined(OF_AVX512) || defined(OF_AVX2)
#define CORRECTS 1
#else
#define CORRECTS !ENTRY_IS_DOUBLE
#endif

/* One over a divisor of all entries, where that loses nothing to the ends of the range: one division then stands for
   many. 0 where each entry is divided. */
INLINE ENTRY OF_TYPE(one_over)(const ENTRY *x, ptrdiff_t step) {
    ENTRY size = *x < 0 ? -*x : *x;
    return CORRECTS && !step && size > (ENTRY)1e-30 && size < (ENTRY)1e30 ? 1 / *x : 0;
}

/* x / y by one over y; in double precision with what is left of x, which is exact where a product is not rounded before it
   is taken away, so that the last bit is the quotient's. Nothing is left of 0, and nothing of use of infinity. */
INLINE V OF_TYPE(divided)(V x, V y, ENTRY over) {
    V found = x * over;
    if (!ENTRY_IS_DOUBLE)
        return found;
    V left = OF_TYPE(fused)(-found, y, x), size = OF_TYPE(size_of)(left);
    return SELECT((size > (V){0}) & (size < (ENTRY)__builtin_inf()), found + left * over, found);
}

/* The operations on up to three vectors but for division: EACH says what is done with them. */
#define EACH_OPERATION                                                                                                 \
    case MOVE: EACH(x)                                                                                                 \
    case ADD: EACH(x + y)                                                                                              \
    case SUB: EACH(x - y)                                                                                              \
    case MUL: EACH(x * y)                                                                                              \
    case MAXIMUM: EACH(OF_TYPE(larger)(x, y))                                                                          \
    case MINIMUM: EACH(OF_TYPE(smaller)(x, y))                                                                         \
    case NEG: EACH(-x)                                                                                                 \
    case ABS: EACH(OF_TYPE(size_of)(x))                                                                                \
    case SQRT: EACH(OF_TYPE(root)(x))                                                                                  \
    case EXP: EACH(OF_TYPE(exp)(x))                                                                                    \
    case EXPM1: EACH(OF_TYPE(expm1)(x))                                                                                \
    case LOG: EACH(OF_TYPE(log)(x))                                                                                    \
    case LOG1P: EACH(OF_TYPE(log1p)(x))                                                                                \
    case TANH: EACH(OF_TYPE(tanh)(x))                                                                                  \
    case SIGMOID: EACH(OF_TYPE(sigmoid)(x))                                                                            \
    case RELU: EACH(OF_TYPE(positive)(x))                                                                              \
    case CHOSEN: EACH(SELECT(y == 0, (V){0}, x * y))                                                                   \
    case WHERE: EACH(SELECT(x == 0, z, y))                                                                             \
    case GREATER: EACH(TRUTH_OF(x > y))                                                                                \
    case GREATER_EQUAL: EACH(TRUTH_OF(x >= y))                                                                         \
    case LESS: EACH(TRUTH_OF(x < y))                                                                                   \
    case LESS_EQUAL: EACH(TRUTH_OF(x <= y))                                                                            \
    case EQUAL: EACH(TRUTH_OF(x == y))                                                                                 \
    case NOT_EQUAL: EACH(TRUTH_OF(x != y))                                                                             \
    case AND: EACH(TRUTH_OF((x != 0) & (y != 0)))                                                                      \
    case OR: EACH(TRUTH_OF((x != 0) | (y != 0)))                                                                       \
    case NOT: EACH(TRUTH_OF(x == 0))                                                                                   \
    case XOR: EACH(TRUTH_OF((x != 0) ^ (y != 0)))                                                                      \
    case SIGN: EACH(SELECT(x != x, x, TRUTH_OF(x > 0) - TRUTH_OF(x < 0)))                                              \
    case SQUARE: EACH(x * x)                                                                                           \
    case RECIPROCAL: EACH(OF_TYPE(quotient)(ALL(1), x))                                                                \
    case LOGADDEXP: EACH(OF_TYPE(logaddexp)(x, y))                                                                     \
    case ISNAN: EACH(TRUTH_OF(x != x))                                                                                 \
    case ISINF: EACH(TRUTH_OF((x == (ENTRY)__builtin_inf()) | (x == -(ENTRY)__builtin_inf())))                         \
    case ISFINITE: EACH(TRUTH_OF(x - x == 0))                                                                          \
    case ERF: EACH(OF_TYPE(erf)(x))                                                                                    \
    case ERFC: EACH(OF_TYPE(erfc)(x))                                                                                  \
    case MUL_ADD: EACH(x * y + z)                                                                                      \
    case MUL_SUB: EACH(x * y - z)                                                                                      \
    case SUB_MUL: EACH(z - x * y)                                                                                      \
    case MUL_MUL: EACH(x * y * z)                                                                                      \
    case DIFF_MUL: EACH((x - y) * z)                                                                                   \
    case GATE: EACH(SELECT(y > 0, x, (V){0}))                                                                          \
    case BELL: EACH(OF_TYPE(bell)(x, 1))                                                                               \
    case SIGMOID_MUL: EACH(OF_TYPE(sigmoid)(x) * y)                                                                    \
    case SHARE_MUL: EACH(OF_TYPE(normal_cdf)(x, 0) * y)                                                                \
    case SHARE_BELL_MUL: EACH(OF_TYPE(normal_cdf)(x, 1) * y)                                                           \
    case SQRT_ADD: EACH(OF_TYPE(root)(x) + y)

static void OF_TYPE(operate)(int64_t operation, ENTRY *out, const ENTRY *a, ptrdiff_t a_step, const ENTRY *b,
                             ptrdiff_t b_step, const ENTRY *c, ptrdiff_t c_step, const ENTRY *d, ptrdiff_t d_step,
                             ptrdiff_t n) {
    switch (operation) {
    case DIV: {
        const ENTRY over = OF_TYPE(one_over)(b, b_step);
        if (over)
            EACH(OF_TYPE(divided)(x, y, over))
        EACH(OF_TYPE(quotient)(x, y))
    }
    case SUB_DIV_MUL: {
        const ENTRY over = OF_TYPE(one_over)(b, b_step);
        if (over)
            EACH(w - OF_TYPE(divided)(x, y, over) * z)
        EACH(w - OF_TYPE(quotient)(x, y) * z)
    }
    case MUL_ADD_MUL: EACH(x * y + z * w)
        EACH_OPERATION
    default:
        if (operation < FIRST_OF_TWO)
            for (ptrdiff_t i = 0; i < n; i++)
                out[i] = (ENTRY)ONE_BY_ONE[operation - FIRST_OF_LIBRARY](a[i * a_step]);
        else
            for (ptrdiff_t i = 0; i < n; i++)
                out[i] = (ENTRY)TWO_BY_TWO[operation - FIRST_OF_TWO](a[i * a_step], b[i * b_step]);
    }
}

#if ENTRY_IS_DOUBLE
/* One operation on one vector, for those before FIRST_OF_LIBRARY. */
#undef EACH
#define EACH(value) return value;
static V OF_TYPE(operated)(int64_t operation, V x, V y, V z) {
    switch (operation) {
        EACH_OPERATION
    case DIV: EACH(OF_TYPE(quotient)(x, y))
    }
    return x;
}
#endif

/* The sum of n entries. */
static ENTRY OF_TYPE(total)(const ENTRY *x, ptrdiff_t n) {
    V sum = {0}, other = {0};
    ptrdiff_t i = 0;
    for (; i + 2 * LANES <= n; i += 2 * LANES) {
        sum += OF_TYPE(load)(x + i);
        other += OF_TYPE(load)(x + i + LANES);
    }
    for (; i + LANES <= n; i += LANES)
        sum += OF_TYPE(load)(x + i);
    if (i < n)
        other += OF_TYPE(load_part)(x + i, n - i);
    return OF_TYPE(sum_of)(sum + other);
}

/* Entries of the first block, so that what is written in further ones begins with a line of the cache. Totals add up the
   same blocks wherever these lie, so that they are the same to the last bit. */
static ptrdiff_t OF_TYPE(first_block)(ptrdiff_t block, const int64_t *slot, int words, const int64_t *operation,
                                      int operations, char *const *memory) {
    for (int k = 0; k < operations; k++)
        if (operation[k * OPERATION_WORDS] == TOTAL)
            return block;
    for (; operations; operations--, operation += OPERATION_WORDS) {
        const int64_t *s = slot + (operation[1] - REGISTERS) * words;
        if (operation[1] < REGISTERS || s[0] != STREAM)
            continue;
        ptrdiff_t past = (ptrdiff_t)((uintptr_t)(memory[s[1]] + s[2]) % VECTOR_BYTES / sizeof(ENTRY));
        return past ? block - past : block;
    }
    return block;
}

/* Part k of so many of the lines that streams go through in their next block, on the way into the near caches. */
static void OF_TYPE(fetch_ahead)(ptrdiff_t block, ENTRY *const *stream, int streams, int k, int parts) {
    const ptrdiff_t lines = block * (ptrdiff_t)sizeof(ENTRY) / LINE;
    for (int i = 0; i < streams; i++)
        for (ptrdiff_t line = lines * k / parts; line < lines * (k + 1) / parts; line++)
            __builtin_prefetch((const char *)((uintptr_t)stream[i] + (uintptr_t)(lines + line) * LINE), 0, 2);
}

/* What an optimizer does with two running means, a and b, of a gradient, g, and of its square, in one pass: a processor
   divides, and takes roots, while it does the rest for other entries. 0 where the five operations are others than
   a = g p + a' q, x = g g r, b = b' s + x, y = root(b) + e, c = c' - a / y v, of arrays and numbers p, q, r, s, e and v. */
static int OF_TYPE(moments)(const int64_t *u, ENTRY *const *at, const ptrdiff_t *step, ptrdiff_t entries) {
    const int64_t *a = u, *x = a + OPERATION_WORDS, *b = x + OPERATION_WORDS, *y = b + OPERATION_WORDS,
                  *c = y + OPERATION_WORDS;
    if (a[0] != MUL_ADD_MUL || x[0] != MUL_MUL || b[0] != MUL_ADD || y[0] != SQRT_ADD || c[0] != SUB_DIV_MUL)
        return 0;
    const int64_t apart = (x[2] ^ a[2]) | (x[3] ^ a[2]) | (b[4] ^ x[1]) | (y[2] ^ b[1]) | (c[2] ^ a[1]) | (c[3] ^ y[1]);
    const int64_t numbers[] = {a[3], a[5], x[4], b[3], y[3], c[4]}, arrays[] = {a[2], a[4], b[2], c[5]};
    if (apart || x[1] >= REGISTERS || y[1] >= REGISTERS || a[1] < REGISTERS || b[1] < REGISTERS || c[1] < REGISTERS ||
        b[2] == a[1] || c[5] == a[1] || c[5] == b[1]) /* what was written in this chain is not what was there before */
        return 0;
    V number[6];
    for (int k = 0; k < 6; k++) {
        if (step[numbers[k]])
            return 0;
        number[k] = ALL(*at[numbers[k]]);
    }
    for (int k = 0; k < 4; k++)
        if (!step[arrays[k]])
            return 0;
    const ENTRY *g = at[a[2]], *old_a = at[a[4]], *old_b = at[b[2]], *old_c = at[c[5]];
    ENTRY *new_a = at[a[1]], *new_b = at[b[1]], *new_c = at[c[1]];
    for (ptrdiff_t i = 0; i < entries; i += LANES) {
        const ptrdiff_t n = entries - i < LANES ? entries - i : LANES;
        const V given = OF_TYPE(load_lanes)(g + i, n), from = OF_TYPE(load_lanes)(old_c + i, n);
        const V mean = given * number[0] + OF_TYPE(load_lanes)(old_a + i, n) * number[1];
        const V square = OF_TYPE(load_lanes)(old_b + i, n) * number[3] + given * given * number[2];
        const V by = OF_TYPE(root)(square) + number[4];
        OF_TYPE(store_lanes)(new_a + i, mean, n);
        OF_TYPE(store_lanes)(new_b + i, square, n);
        OF_TYPE(store_lanes)(new_c + i, from - OF_TYPE(quotient)(mean, by) * number[5], n);
    }
    return 1;
}

static void OF_TYPE(chain)(const int64_t *w, char *const *memory) {
    ptrdiff_t entries = w[3];
    int axes = (int)w[4], slots = (int)w[5], operations = (int)w[6], words = 4 + axes;
    const int64_t *extent = w + 7, *slot = extent + axes, *first = slot + slots * words;
    ENTRY registers[REGISTERS * BLOCK] __attribute__((aligned(64)));
    ENTRY alone[MOST_SLOTS][VECTOR_BYTES / sizeof(ENTRY)] __attribute__((aligned(64)));
    double totals[MOST_SLOTS];
    ENTRY *at[REGISTERS + MOST_SLOTS];
    ptrdiff_t step[REGISTERS + MOST_SLOTS];
    int streams = 0;
    for (int i = 0; i < slots; i++)
        streams += slot[i * words] == STREAM;
    const ptrdiff_t block = streams > FEW_STREAMS ? BLOCK / 2 : BLOCK;
    for (int i = 0; i < REGISTERS; i++) {
        at[i] = registers + i * block;
        step[i] = 1;
    }
    for (int i = 0; i < slots; i++) {
        const int64_t *s = slot + i * words;
        char *place = memory[s[1]] + s[2];
        totals[i] = 0;
        step[REGISTERS + i] = s[0] != ONE;
        at[REGISTERS + i] = (ENTRY *)place;
        if (s[0] == ONE) {
            ENTRY entry;
            OF_TYPE(load_run)(&entry, place, s[3], 0, 1);
            OF_TYPE(store)(alone[i], ALL(entry));
            at[REGISTERS + i] = alone[i];
        }
    }
#define OPERATE(which, count)                                                                                          \
    OF_TYPE(operate)(which, at[u[1]], at[u[2]], step[u[2]], at[u[3]], step[u[3]], at[u[4]], step[u[4]], at[u[5]],      \
                     step[u[5]], count)
    const int64_t *u = first;
    for (int k = 0; k < operations; k++, u += OPERATION_WORDS)
        if (u[0] & ONCE) {
            OPERATE(u[0] & ~ONCE, LANES);
            step[u[1]] = 0;
        }
    const int far = (size_t)entries * (size_t)streams * sizeof(ENTRY) > FAR_BYTES;
    if (operations == 5 && !far && OF_TYPE(moments)(first, at, step, entries))
        return;
    ptrdiff_t n = OF_TYPE(first_block)(block, slot, words, first, operations, memory);
    for (ptrdiff_t p = 0; p < entries; p += n, n = block) {
        ENTRY *stream[MOST_SLOTS];
        n = entries - p < n ? entries - p : n;
        u = first;
        streams = 0;
        for (int i = 0; far && i < slots; i++)
            if (slot[i * words] == STREAM)
                stream[streams++] = at[REGISTERS + i];
        for (int k = 0; k < operations; k++, u += OPERATION_WORDS) {
            if (far)
                OF_TYPE(fetch_ahead)(block, stream, streams, k, operations);
            if (u[0] < LOAD) {
                OPERATE(u[0], n);
                continue;
            }
            if (u[0] & ONCE)
                continue;
            const int64_t *s = slot + (u[u[0] == LOAD ? 2 : 1] - REGISTERS) * words;
            if (u[0] == LOAD)
                OF_TYPE(load_block)(at[u[1]], memory[s[1]] + s[2], s[3], s + 4, extent, axes, p, n);
            else if (u[0] == STORE_TRUTH) {
                uint8_t *out = (uint8_t *)memory[s[1]] + s[2] + p;
                for (ptrdiff_t i = 0; i < n; i++)
                    out[i] = at[u[2]][i * step[u[2]]] != 0;
            } else
                totals[u[1] - REGISTERS] += step[u[2]] ? OF_TYPE(total)(at[u[2]], n) : (double)*at[u[2]] * (double)n;
        }
        for (int i = 0; i < slots; i++)
            if (slot[i * words] == STREAM)
                at[REGISTERS + i] += n;
    }
#undef OPERATE
    u = first;
    for (int k = 0; k < operations; k++, u += OPERATION_WORDS)
        if (u[0] == TOTAL) {
            const int64_t *s = slot + (u[1] - REGISTERS) * words;
            *(ENTRY *)(memory[s[1]] + s[2]) = (ENTRY)(totals[u[1] - REGISTERS] / number_in(u[3]));
        }
}
