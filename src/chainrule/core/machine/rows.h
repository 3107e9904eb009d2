/* Reductions of one axis in the middle of three, and what is done with every row of a matrix.

   REDUCE, words, type, what, before, along, after, from (memory, bytes), into (memory, bytes), what to divide by, how far
   apart the entries of the middle axis lie.
   ROWS, words, type, what, rows, columns, from (memory, bytes), into (memory, bytes). */

#define LONG_SUM 8192
/* In shorter rows a part of a vector would be read before the part that was written beside it has arrived. */
#define SHORT_ROW (2 * LANES)

#define MOST_SIDE_BY_SIDE 12 /* columns of short rows whose logarithms are wanted */

INLINE V OF_TYPE(joined)(int64_t what, V x, V y) {
    if (what == SUM_OF)
        return x + y;
    return what == LARGEST ? OF_TYPE(larger)(x, y) : OF_TYPE(smaller)(x, y);
}

INLINE ENTRY OF_TYPE(reduce_run)(int64_t what, const ENTRY *x, ptrdiff_t n) {
    if (what == SUM_OF) {
        if (n <= LONG_SUM)
            return OF_TYPE(total)(x, n);
        double sum = 0;
        for (ptrdiff_t i = 0; i < n; i += LONG_SUM)
            sum += OF_TYPE(total)(x + i, n - i < LONG_SUM ? n - i : LONG_SUM);
        return (ENTRY)sum;
    }
    V best = ALL(x[0]);
    ptrdiff_t i = 0;
    for (; i + LANES <= n; i += LANES)
        best = OF_TYPE(joined)(what, best, OF_TYPE(load)(x + i));
    if (i < n) {
        I there = OF_TYPE(places)() < (WHOLE)(n - i);
        best = OF_TYPE(joined)(what, best, SELECT(there, OF_TYPE(load_part)(x + i, n - i), best));
    }
    return what == LARGEST ? OF_TYPE(largest_of)(best) : OF_TYPE(smallest_of)(best);
}

/* Columns added up, or their extremes: four rows at a time, so that sums do not wait for each other. */
INLINE V OF_TYPE(reduce_down)(int64_t what, const ENTRY *x, ptrdiff_t along, ptrdiff_t down, ptrdiff_t part) {
#define ROW(i) (part == LANES ? OF_TYPE(load)(x + (i) * down) : OF_TYPE(load_part)(x + (i) * down, part))
    V one = ROW(0);
    ptrdiff_t i = 1;
    if (along >= 8) {
        V two = ROW(1), three = ROW(2), four = ROW(3);
        for (i = 4; i + 4 <= along; i += 4) {
            one = OF_TYPE(joined)(what, one, ROW(i));
            two = OF_TYPE(joined)(what, two, ROW(i + 1));
            three = OF_TYPE(joined)(what, three, ROW(i + 2));
            four = OF_TYPE(joined)(what, four, ROW(i + 3));
        }
        one = OF_TYPE(joined)(what, OF_TYPE(joined)(what, one, two), OF_TYPE(joined)(what, three, four));
    }
    for (; i < along; i++)
        one = OF_TYPE(joined)(what, one, ROW(i));
    return one;
#undef ROW
}

INLINE void OF_TYPE(reduce_as)(const int64_t what, const int64_t *w, char *const *memory) {
    ptrdiff_t before = w[4], along = w[5], after = w[6], down = w[12];
    const ENTRY *x = (const ENTRY *)(memory[w[7]] + w[8]);
    ENTRY *out = (ENTRY *)(memory[w[9]] + w[10]);
    ENTRY by = (ENTRY)number_in(w[11]);
    for (ptrdiff_t i = 0; i < before; i++, x += along * down, out += after)
        if (down == 1)
            *out = OF_TYPE(reduce_run)(what, x, along) / by;
        else
            for (ptrdiff_t j = 0; j < after; j += LANES) {
                ptrdiff_t part = after - j < LANES ? after - j : LANES;
                V found = part == LANES ? OF_TYPE(reduce_down)(what, x + j, along, down, LANES)
                                        : OF_TYPE(reduce_down)(what, x + j, along, down, part);
                if (part == LANES)
                    OF_TYPE(store)(out + j, found / by);
                else
                    OF_TYPE(store_part)(out + j, found / by, part);
            }
}

static void OF_TYPE(reduce)(const int64_t *w, char *const *memory) {
    if (w[3] == SUM_OF)
        OF_TYPE(reduce_as)(SUM_OF, w, memory);
    else if (w[3] == LARGEST)
        OF_TYPE(reduce_as)(LARGEST, w, memory);
    else
        OF_TYPE(reduce_as)(SMALLEST, w, memory);
}

/* Powers of e of a row below its largest entry: written to `out` where there is one, and added up. */
INLINE ENTRY OF_TYPE(powers_of_row)(const ENTRY *x, ENTRY *out, ENTRY largest, ptrdiff_t n) {
    V sum = {0};
    ptrdiff_t j = 0;
    for (; j + LANES <= n; j += LANES) {
        V power = OF_TYPE(exp)(OF_TYPE(load)(x + j) - largest);
        sum += power;
        if (out)
            OF_TYPE(store)(out + j, power);
    }
    if (j < n) {
        V power = OF_TYPE(exp)(OF_TYPE(load_part)(x + j, n - j) - largest);
        power = SELECT(OF_TYPE(places)() < (WHOLE)(n - j), power, (V){0});
        sum += power;
        if (out)
            OF_TYPE(store_part)(out + j, power, n - j);
    }
    return OF_TYPE(sum_of)(sum);
}

/* What is written for one row, once its largest entry and its sum of powers, or the logarithm of that, are known. */
INLINE void OF_TYPE(finish_row)(int64_t what, const ENTRY *x, ENTRY *out, ENTRY largest, ENTRY sum, ptrdiff_t n) {
    if (what == LOG_SUM_EXP) {
        *out = sum + largest;
        return;
    }
    ptrdiff_t j = 0;
    for (; j + LANES <= n; j += LANES)
        OF_TYPE(store)(out + j, what == SOFTMAX ? OF_TYPE(load)(out + j) / sum
                                                : (OF_TYPE(load)(x + j) - largest) - sum);
    if (j < n) {
        V found = what == SOFTMAX ? OF_TYPE(load_part)(out + j, n - j) / sum
                                  : (OF_TYPE(load_part)(x + j, n - j) - largest) - sum;
        OF_TYPE(store_part)(out + j, found, n - j);
    }
}

/* Whether as many rows as a vector has lanes are turned sooner as vectors than entry by entry. */
#define FILLS_A_SQUARE(n) (2 * (n) > LANES && (n) <= LANES)

/* Short rows side by side, a lane for each: column j of `some` rows of n, and such columns as rows again. */
INLINE void OF_TYPE(columns_of)(const ENTRY *x, ptrdiff_t some, ptrdiff_t n, ENTRY (*column)[VECTOR_BYTES / sizeof(ENTRY)]) {
    if (n == 2 && some == LANES) {
        const V low = OF_TYPE(load)(x), high = OF_TYPE(load)(x + LANES);
        const I even = 2 * OF_TYPE(places)();
        OF_TYPE(store)(column[0], OF_TYPE(picked)(low, high, even));
        OF_TYPE(store)(column[1], OF_TYPE(picked)(low, high, even + 1));
        return;
    }
    if (FILLS_A_SQUARE(n)) {
        V row[VECTOR_BYTES / sizeof(ENTRY)];
        UNROLLED for (ptrdiff_t k = 0; k < LANES; k++)
            row[k] = k < some ? OF_TYPE(load_lanes)(x + k * n, n) : (V){0};
        OF_TYPE(turn_square)(row);
        UNROLLED for (ptrdiff_t j = 0; j < LANES; j++)
            OF_TYPE(store)(column[j], row[j]);
        return;
    }
    for (ptrdiff_t k = 0; k < some; k++)
        for (ptrdiff_t j = 0; j < n; j++)
            column[j][k] = x[k * n + j];
}
INLINE void OF_TYPE(rows_of)(ENTRY *out, ptrdiff_t some, ptrdiff_t n, ENTRY (*column)[VECTOR_BYTES / sizeof(ENTRY)]) {
    if (n == 2 && some == LANES) {
        const V left = OF_TYPE(load)(column[0]), right = OF_TYPE(load)(column[1]);
        const I pairs = OF_TYPE(places)() / 2 + (OF_TYPE(places)() & 1) * (WHOLE)LANES;
        OF_TYPE(store)(out, OF_TYPE(picked)(left, right, pairs));
        OF_TYPE(store)(out + LANES, OF_TYPE(picked)(left, right, pairs + (WHOLE)LANES / 2));
        return;
    }
    if (FILLS_A_SQUARE(n)) {
        V row[VECTOR_BYTES / sizeof(ENTRY)];
        UNROLLED for (ptrdiff_t j = 0; j < LANES; j++)
            row[j] = OF_TYPE(load)(column[j]);
        OF_TYPE(turn_square)(row);
        UNROLLED for (ptrdiff_t k = 0; k < LANES; k++)
            if (k < some)
                OF_TYPE(store_lanes)(out + k * n, row[k], n);
        return;
    }
    for (ptrdiff_t k = 0; k < some; k++)
        for (ptrdiff_t j = 0; j < n; j++)
            out[k * n + j] = column[j][k];
}

static void OF_TYPE(short_rows)(int64_t what, const ENTRY *x, ENTRY *out, int64_t rows, ptrdiff_t n) {
    ENTRY column[SHORT_ROW][VECTOR_BYTES / sizeof(ENTRY)] __attribute__((aligned(64)));
    for (ptrdiff_t j = 0; j < n || j < LANES; j++)
        OF_TYPE(store)(column[j], ALL(0));
    for (ptrdiff_t some; rows > 0; rows -= some, x += some * n, out += what == LOG_SUM_EXP ? some : some * n) {
        some = rows < LANES ? (ptrdiff_t)rows : LANES;
        OF_TYPE(columns_of)(x, some, n, column);
        V largest = OF_TYPE(load)(column[0]), sum = {0};
        for (ptrdiff_t j = 1; j < n; j++)
            largest = OF_TYPE(larger_number)(largest, OF_TYPE(load)(column[j]));
        if (what == LOG_SUM_EXP)
            largest = SELECT(largest - largest == 0, largest, (V){0});
        for (ptrdiff_t j = 0; j < n; j++) {
            V found = OF_TYPE(load)(column[j]) - largest;
            const V power = OF_TYPE(exp)(found);
            sum += power;
            if (what == SOFTMAX)
                found = power;
            OF_TYPE(store)(column[j], found);
        }
        V whole = sum;
        if (what != SOFTMAX)
            whole = OF_TYPE(log)(sum);
        if (what == LOG_SUM_EXP) {
            OF_TYPE(store_lanes)(out, whole + largest, some);
            continue;
        }
        for (ptrdiff_t j = 0; j < n; j++) {
            V found = OF_TYPE(load)(column[j]) - whole;
            if (what == SOFTMAX)
                found = OF_TYPE(quotient)(OF_TYPE(load)(column[j]), whole);
            OF_TYPE(store)(column[j], found);
        }
        OF_TYPE(rows_of)(out, some, n, column);
    }
}

/* As many rows at a time as there are lanes: the logarithms of their sums are one vector. */
INLINE void OF_TYPE(rows_as)(const int64_t what, const int64_t *w, char *const *memory) {
    const ptrdiff_t n = w[5], step = what == LOG_SUM_EXP ? 1 : n;
    const ENTRY *x = (const ENTRY *)(memory[w[6]] + w[7]);
    ENTRY *out = (ENTRY *)(memory[w[8]] + w[9]);
    ENTRY largest[VECTOR_BYTES / sizeof(ENTRY)], sum[VECTOR_BYTES / sizeof(ENTRY)];
    for (int64_t i = 0; i < w[4]; i += LANES) {
        int64_t rows = w[4] - i < LANES ? w[4] - i : LANES;
        OF_TYPE(store)(sum, ALL(1));
        for (int64_t k = 0; k < rows; k++) {
            largest[k] = OF_TYPE(reduce_run)(LARGEST, x + k * n, n);
            if (what == LOG_SUM_EXP && largest[k] - largest[k] != 0)
                largest[k] = 0;
            sum[k] = OF_TYPE(powers_of_row)(x + k * n, what == SOFTMAX ? out + k * n : 0, largest[k], n);
        }
        if (what != SOFTMAX)
            OF_TYPE(store)(sum, OF_TYPE(log)(OF_TYPE(load)(sum)));
        for (int64_t k = 0; k < rows; k++)
            OF_TYPE(finish_row)(what, x + k * n, out + k * step, largest[k], sum[k], n);
        x += rows * n;
        out += rows * step;
    }
}

static void OF_TYPE(rows)(const int64_t *w, char *const *memory) {
    if (w[5] < SHORT_ROW && (w[3] == SOFTMAX || w[5] <= MOST_SIDE_BY_SIDE))
        OF_TYPE(short_rows)(w[3], (const ENTRY *)(memory[w[6]] + w[7]), (ENTRY *)(memory[w[8]] + w[9]), w[4], w[5]);
    else if (w[3] == SOFTMAX)
        OF_TYPE(rows_as)(SOFTMAX, w, memory);
    else if (w[3] == LOG_SOFTMAX)
        OF_TYPE(rows_as)(LOG_SOFTMAX, w, memory);
    else
        OF_TYPE(rows_as)(LOG_SUM_EXP, w, memory);
}

/* PUT, as TAKE (places.h) with the type in front and the number of entries of the result behind: entries are added. */
INLINE void OF_TYPE(add_run)(ENTRY *out, const ENTRY *x, ptrdiff_t n) {
    for (ptrdiff_t i = 0; i < n; i++)
        out[i] += x[i];
}
