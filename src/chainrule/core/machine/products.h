/* Matrix products: a tile of the result is added up in registers, rows of the right factor several lanes at a time.

   PRODUCT, words, type, rows, columns, inner, left (memory, bytes, down, across), right (the same), result (memory,
   bytes, down), what is added (memory or −1, bytes, down), what the product is multiplied by first (memory or −1, bytes),
   what else (1 a relu at the end, 2 the product is taken away), batches and for each factor and the result its stride,
   the same again for batches of batches, room for a panel (memory, bytes), where the result is let through: where this
   is above 0 (memory or −1, bytes, down). */

#if defined(OF_AVX512)
#define MOST_ROWS 14
#define WIDE 4 /* vectors of columns that fewer rows meet, for which less is loaded */
#else
#define MOST_ROWS 6
#define WIDE 2
#endif
#define MOST_WIDE_ROWS 6
#define PANEL (2 * LANES)
#define FEW_ROWS 16
#define LONG_BESIDE 10 /* of so many entries a row, for each of the rows, turning columns would take longer */
#define FEW_ROWS_AT_ONCE 5
#if defined(OF_AVX512)
#define ALONG 4 /* columns that meet few rows at once */
#else
#define ALONG 2
#endif

typedef struct {
    ptrdiff_t rows, columns, inner;
    const ENTRY *left, *right;
    ptrdiff_t left_down, left_across, right_down, right_across;
    ENTRY *out;
    ptrdiff_t out_down;
    const ENTRY *start;
    ptrdiff_t start_down;
    ENTRY scale;
    const ENTRY *mask;
    ptrdiff_t mask_down;
    int relu;
    ENTRY *panel;
} OF_TYPE(Product);

/* Says nothing and does nothing: how a number came about is forgotten, so that it is not computed again from others; and a
   vector is there before anything is loaded for the next, instead of going through memory. */
#define FORGET(x) __asm__("" : "+r"(x))
#if defined(__x86_64__)
#define FINISH(x) __asm__ volatile("" : "+v"(x))
#else
#define FINISH(x)
#endif

/* m rows and `vectors` vectors of columns; of the last vector only `last` lanes are there, and `seen` in the right factor. */
INLINE void OF_TYPE(tile)(const int m, const int vectors, const OF_TYPE(Product) *p, const ENTRY *left,
                          const ENTRY *right, ptrdiff_t right_down, ptrdiff_t seen, ENTRY *out, const ENTRY *start,
                          const ENTRY *mask, ptrdiff_t last) {
#define EACH_SUM UNROLLED for (int i = 0; i < m; i++) for (int v = 0; v < vectors; v++)
#define AT(rows, down) OF_TYPE(load_lanes)((rows) + i * (down) + v * LANES, v == vectors - 1 ? last : LANES)
    V sum[MOST_ROWS][WIDE];
    const ptrdiff_t inner = p->inner, down = p->left_down, across = p->left_across, start_down = p->start_down;
    const ENTRY *fourth[(MOST_ROWS + 3) / 4]; /* every fourth row, from which addresses reach three more */
    ptrdiff_t third = 3 * down;
    FORGET(third);
    for (int i = 0; i < (m + 3) / 4; i++) {
        fourth[i] = left + 4 * i * down;
        FORGET(fourth[i]);
    }
    const int from_start = start && !start_down && p->scale == 1;
    if (from_start)
        EACH_SUM sum[i][v] = AT(start, 0);
    else
        EACH_SUM sum[i][v] = (V){0};
    for (ptrdiff_t k = inner; k; k--, right += right_down) {
        FORGET(k);
        V row[WIDE];
        for (int v = 0; v < vectors; v++)
            row[v] = OF_TYPE(load_lanes)(right + v * LANES, v == vectors - 1 ? seen : LANES);
        EACH_SUM sum[i][v] += ALL(fourth[i / 4][i % 4 == 3 ? third : i % 4 * down]) * row[v];
        UNROLLED for (int i = 0; i < (m + 3) / 4; i++) {
            fourth[i] += across;
            FORGET(fourth[i]);
        }
    }
    if (start && !from_start)
        EACH_SUM {
            sum[i][v] = sum[i][v] * p->scale + AT(start, start_down);
            FINISH(sum[i][v]);
        }
    else if (p->scale != 1)
        EACH_SUM sum[i][v] *= p->scale;
    if (p->relu)
        EACH_SUM sum[i][v] = OF_TYPE(at_least)(0, sum[i][v]);
    if (mask)
        EACH_SUM sum[i][v] = SELECT(AT(mask, p->mask_down) > (V){0}, sum[i][v], (V){0});
    EACH_SUM OF_TYPE(store_lanes)(out + i * p->out_down + v * LANES, sum[i][v], v == vectors - 1 ? last : LANES);
#undef AT
#undef EACH_SUM
}

/* All rows against one panel of columns, in tiles of about as many rows each. */
INLINE void OF_TYPE(strip)(const int vectors, const OF_TYPE(Product) *p, const ENTRY *right, ptrdiff_t right_down,
                           ptrdiff_t seen, ptrdiff_t j, ptrdiff_t last) {
    const ptrdiff_t most = vectors > 2 ? MOST_WIDE_ROWS : MOST_ROWS;
    ptrdiff_t tiles = (p->rows + most - 1) / most;
    for (ptrdiff_t i = 0, m; tiles; i += m, tiles--) {
        const ENTRY *left = p->left + i * p->left_down, *start = p->start ? p->start + j + i * p->start_down : 0;
        const ENTRY *mask = p->mask ? p->mask + j + i * p->mask_down : 0;
        ENTRY *out = p->out + j + i * p->out_down;
        m = (p->rows - i + tiles - 1) / tiles;
        switch (m) {
#define TILE(m)                                                                                                        \
    case m:                                                                                                            \
        OF_TYPE(tile)(m, vectors, p, left, right, right_down, seen, out, start, mask, last);                           \
        break;
            TILE(1) TILE(2) TILE(3) TILE(4) TILE(5) TILE(6)
#undef TILE
#if defined(OF_AVX512)
#define TILE(m)                                                                                                        \
    case m:                                                                                                            \
        if (vectors <= 2)                                                                                              \
            OF_TYPE(tile)(m, vectors, p, left, right, right_down, seen, out, start, mask, last);                       \
        break;
            TILE(7) TILE(8) TILE(9) TILE(10) TILE(11) TILE(12) TILE(13) TILE(14)
#undef TILE
#endif
        }
    }
}

/* Columns j to j + n of the right factor, one vector after the other, zeros after the last: square by square in vectors
   where the entries of a column follow each other. */
static void OF_TYPE(pack)(const OF_TYPE(Product) *p, ptrdiff_t j, ptrdiff_t n, ptrdiff_t width) {
    const ptrdiff_t down = p->right_down, across = p->right_across;
    const ENTRY *from = p->right + j * across;
    ENTRY *to = p->panel;
    ptrdiff_t k = 0;
    for (; down == 1 && 4 * (p->inner - k) >= LANES; k += LANES) {
        const ptrdiff_t rest = p->inner - k < LANES ? p->inner - k : LANES;
        for (ptrdiff_t i = 0; i < width; i += LANES) {
            V x[VECTOR_BYTES / sizeof(ENTRY)];
            UNROLLED for (ptrdiff_t r = 0; r < LANES; r++)
                x[r] = i + r < n ? OF_TYPE(load_lanes)(from + (i + r) * across + k, rest) : (V){0};
            OF_TYPE(turn_square)(x);
            UNROLLED for (ptrdiff_t r = 0; r < LANES; r++)
                if (r < rest)
                    OF_TYPE(store)(to + (k + r) * width + i, x[r]);
        }
    }
    for (; k < p->inner; k++) {
        for (ptrdiff_t i = 0; i < n; i++)
            to[k * width + i] = from[k * down + i * across];
        for (ptrdiff_t i = n; i < width; i++)
            to[k * width + i] = 0;
    }
}

/* The same where the entries of a row follow each other. */
static void OF_TYPE(pack_rows)(const OF_TYPE(Product) *p, ptrdiff_t j, ptrdiff_t n, ptrdiff_t width) {
    const ENTRY *from = p->right + j;
    ENTRY *to = p->panel;
    for (ptrdiff_t k = 0; k < p->inner; k++, from += p->right_down, to += width)
        for (ptrdiff_t i = 0; i < n; i += LANES)
            OF_TYPE(store)(to + i, OF_TYPE(load_lanes)(from + i, n - i < LANES ? n - i : LANES));
}

/* n entries so far apart; and put so. */
INLINE V OF_TYPE(column)(const ENTRY *from, ptrdiff_t down, int n) {
    V x = {0};
    if (down == 1)
        return OF_TYPE(load_part)(from, n);
    for (int i = 0; i < n; i++)
        x[i] = from[i * down];
    return x;
}
INLINE void OF_TYPE(put_column)(ENTRY *out, ptrdiff_t down, V x, int n) {
    if (down == 1)
        OF_TYPE(store_part)(out, x, n);
    else
        for (int i = 0; i < n; i++)
            out[i * down] = x[i];
}

/* The products of n rows with one column whose entries, like the rows', follow each other. */
INLINE void OF_TYPE(dots_of)(const int n, const OF_TYPE(Product) *p, ptrdiff_t i) {
    V sum[ALONG], other[ALONG];
    const ENTRY *row = p->left + i * p->left_down;
    ptrdiff_t k = 0;
    for (int j = 0; j < n; j++)
        sum[j] = other[j] = (V){0};
    for (; k + 2 * LANES <= p->inner; k += 2 * LANES)
        for (int j = 0; j < n; j++) {
            sum[j] += OF_TYPE(load)(row + j * p->left_down + k) * OF_TYPE(load)(p->right + k);
            other[j] += OF_TYPE(load)(row + j * p->left_down + k + LANES) * OF_TYPE(load)(p->right + k + LANES);
        }
    for (; k + LANES <= p->inner; k += LANES)
        for (int j = 0; j < n; j++)
            sum[j] += OF_TYPE(load)(row + j * p->left_down + k) * OF_TYPE(load)(p->right + k);
    if (k < p->inner)
        for (int j = 0; j < n; j++)
            other[j] += OF_TYPE(load_part)(row + j * p->left_down + k, p->inner - k) *
                        OF_TYPE(load_part)(p->right + k, p->inner - k);
    for (int j = 0; j < n; j++)
        sum[j] += other[j];
    V x = OF_TYPE(sums_of)(sum, n) * p->scale;
    if (p->start)
        x += OF_TYPE(column)(p->start + i * p->start_down, p->start_down, n);
    if (p->relu)
        x = OF_TYPE(positive)(x);
    if (p->mask)
        x = SELECT(OF_TYPE(column)(p->mask + i * p->mask_down, p->mask_down, n) > (V){0}, x, (V){0});
    OF_TYPE(put_column)(p->out + i * p->out_down, p->out_down, x, n);
}

static void OF_TYPE(dots)(const OF_TYPE(Product) *p) {
    ptrdiff_t i = 0;
    for (; i + ALONG <= p->rows; i += ALONG)
        OF_TYPE(dots_of)(ALONG, p, i);
    for (; i < p->rows; i++)
        OF_TYPE(dots_of)(1, p, i);
}

/* m rows of the left factor against n columns of the right one, the entries of both following each other. */
INLINE void OF_TYPE(along_tile)(const int m, const int n, const OF_TYPE(Product) *p, const ENTRY *left,
                                const ENTRY *right, ENTRY *out, const ENTRY *start) {
    V sum[FEW_ROWS_AT_ONCE][ALONG];
    ptrdiff_t k = 0;
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++)
            sum[i][j] = (V){0};
    for (; k + LANES <= p->inner; k += LANES)
        for (int j = 0; j < n; j++) {
            V column = OF_TYPE(load)(right + j * p->right_across + k);
            for (int i = 0; i < m; i++)
                sum[i][j] += OF_TYPE(load)(left + i * p->left_down + k) * column;
        }
    if (k < p->inner)
        for (int j = 0; j < n; j++) {
            V column = OF_TYPE(load_part)(right + j * p->right_across + k, p->inner - k);
            for (int i = 0; i < m; i++)
                sum[i][j] += OF_TYPE(load_part)(left + i * p->left_down + k, p->inner - k) * column;
        }
    for (int i = 0; i < m; i++) {
        V x = OF_TYPE(sums_of)(sum[i], n) * p->scale;
        if (start)
            x += OF_TYPE(load_part)(start + i * p->start_down, n);
        if (p->relu)
            x = OF_TYPE(positive)(x);
        OF_TYPE(store_part)(out + i * p->out_down, x, n);
    }
}

INLINE void OF_TYPE(along_strip)(const int n, const OF_TYPE(Product) *p, ptrdiff_t j) {
    for (ptrdiff_t i = 0, m; i < p->rows; i += m) {
        const ENTRY *left = p->left + i * p->left_down, *right = p->right + j * p->right_across;
        const ENTRY *start = p->start ? p->start + j + i * p->start_down : 0;
        ENTRY *out = p->out + j + i * p->out_down;
        m = p->rows - i < FEW_ROWS_AT_ONCE ? p->rows - i : FEW_ROWS_AT_ONCE;
        switch (m) {
        case 5: OF_TYPE(along_tile)(5, n, p, left, right, out, start); break;
        case 4: OF_TYPE(along_tile)(4, n, p, left, right, out, start); break;
        case 3: OF_TYPE(along_tile)(3, n, p, left, right, out, start); break;
        case 2: OF_TYPE(along_tile)(2, n, p, left, right, out, start); break;
        default: OF_TYPE(along_tile)(1, n, p, left, right, out, start);
        }
    }
}

/* Few long rows against columns that would have to be turned first, which takes as long as the product. */
static void OF_TYPE(product_along)(const OF_TYPE(Product) *p) {
    ptrdiff_t j = 0;
    for (; j + ALONG <= p->columns; j += ALONG)
        OF_TYPE(along_strip)(ALONG, p, j);
    for (; j < p->columns; j++)
        OF_TYPE(along_strip)(1, p, j);
}

static void OF_TYPE(product_of)(const OF_TYPE(Product) *p) {
    if (p->columns == 1 && p->left_across == 1 && (p->right_down == 1 || p->inner == 1)) {
        OF_TYPE(dots)(p);
        return;
    }
    if (p->rows <= FEW_ROWS && p->inner >= LONG_BESIDE * p->rows && !p->mask && p->left_across == 1 && p->right_down == 1 && p->right_across != 1) {
        OF_TYPE(product_along)(p);
        return;
    }
    ptrdiff_t j = 0;
    if (WIDE > 2 && p->right_across == 1 && p->rows <= 4 * MOST_ROWS)
        for (; j + WIDE * LANES <= p->columns; j += WIDE * LANES)
            OF_TYPE(strip)(WIDE, p, p->right + j, p->right_down, LANES, j, LANES);
    for (; j < p->columns; j += PANEL) {
        ptrdiff_t n = p->columns - j < PANEL ? p->columns - j : PANEL;
        int vectors = n > LANES ? 2 : 1;
        ptrdiff_t last = n - (vectors - 1) * LANES, down = p->right_down;
        const ENTRY *right = p->right + j;
        ptrdiff_t seen = last;
        if (p->right_across != 1 || p->rows > 4 * MOST_ROWS || (seen < LANES && p->rows > 2 * MOST_ROWS)) {
            down = vectors * LANES;
            if (p->right_across == 1)
                OF_TYPE(pack_rows)(p, j, n, down);
            else
                OF_TYPE(pack)(p, j, n, down);
            right = p->panel;
            seen = LANES;
        }
        if (vectors == 2)
            OF_TYPE(strip)(2, p, right, down, seen, j, last);
        else
            OF_TYPE(strip)(1, p, right, down, seen, j, last);
    }
}

static void OF_TYPE(product)(const int64_t *w, char *const *memory) {
    const int64_t *many = w + 23;
    for (int64_t a = 0; a < many[4]; a++)
        for (int64_t b = 0; b < many[0]; b++) {
            OF_TYPE(Product) p = {
                .rows = w[3], .columns = w[4], .inner = w[5],
                .left = (const ENTRY *)(memory[w[6]] + w[7]) + b * many[1] + a * many[5],
                .left_down = w[8], .left_across = w[9],
                .right = (const ENTRY *)(memory[w[10]] + w[11]) + b * many[2] + a * many[6],
                .right_down = w[12], .right_across = w[13],
                .out = (ENTRY *)(memory[w[14]] + w[15]) + b * many[3] + a * many[7],
                .out_down = w[16],
                .start = w[17] < 0 ? 0 : (const ENTRY *)(memory[w[17]] + w[18]),
                .start_down = w[19],
                .scale = (w[22] & 2 ? -1 : 1) * (w[20] < 0 ? 1 : *(const ENTRY *)(memory[w[20]] + w[21])),
                .mask = w[33] < 0 ? 0 : (const ENTRY *)(memory[w[33]] + w[34]),
                .mask_down = w[35],
                .relu = w[22] & 1,
                .panel = (ENTRY *)(memory[w[31]] + w[32]),
            };
            OF_TYPE(product_of)(&p);
        }
}
