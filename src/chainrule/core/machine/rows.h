/* Reductions of one axis in the middle of three, and what is done with every row of a matrix.

   REDUCE, words, type, what, before, along, after, from (memory, bytes), into (memory, bytes), what to divide by.
   ROWS, words, type, what, rows, columns, from (memory, bytes), into (memory, bytes). */

#define LONG_SUM 8192

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
    for (; i < n; i++)
        best = OF_TYPE(joined)(what, best, ALL(x[i]));
    return what == LARGEST ? OF_TYPE(largest_of)(best) : OF_TYPE(smallest_of)(best);
}

/* Columns added up, or their extremes: four rows at a time, so that sums do not wait for each other. */
INLINE V OF_TYPE(reduce_down)(int64_t what, const ENTRY *x, ptrdiff_t along, ptrdiff_t after, ptrdiff_t part) {
#define ROW(i) (part == LANES ? OF_TYPE(load)(x + (i) * after) : OF_TYPE(load_part)(x + (i) * after, part))
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
    ptrdiff_t before = w[4], along = w[5], after = w[6];
    const ENTRY *x = (const ENTRY *)(memory[w[7]] + w[8]);
    ENTRY *out = (ENTRY *)(memory[w[9]] + w[10]);
    ENTRY by = (ENTRY)number_in(w[11]);
    for (ptrdiff_t i = 0; i < before; i++, x += along * after, out += after)
        if (after == 1)
            *out = OF_TYPE(reduce_run)(what, x, along) / by;
        else
            for (ptrdiff_t j = 0; j < after; j += LANES) {
                ptrdiff_t part = after - j < LANES ? after - j : LANES;
                V found = part == LANES ? OF_TYPE(reduce_down)(what, x + j, along, after, LANES)
                                        : OF_TYPE(reduce_down)(what, x + j, along, after, part);
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

static void OF_TYPE(rows)(const int64_t *w, char *const *memory) {
    const int64_t what = w[3];
    const ptrdiff_t n = w[5];
    const ENTRY *x = (const ENTRY *)(memory[w[6]] + w[7]);
    ENTRY *out = (ENTRY *)(memory[w[8]] + w[9]);
    for (int64_t i = 0; i < w[4]; i++, x += n, out += what == LOG_SUM_EXP ? 1 : n) {
        ENTRY largest = OF_TYPE(reduce_run)(LARGEST, x, n);
        if (what == LOG_SUM_EXP && largest - largest != 0)
            largest = 0;
        ENTRY sum = OF_TYPE(powers_of_row)(x, what == SOFTMAX ? out : 0, largest, n);
        ENTRY log_of_sum = what == SOFTMAX ? 0 : OF_TYPE(log)(ALL(sum))[0];
        if (what == LOG_SUM_EXP) {
            *out = log_of_sum + largest;
            continue;
        }
        ptrdiff_t j = 0;
        for (; j + LANES <= n; j += LANES)
            OF_TYPE(store)(out + j, what == SOFTMAX ? OF_TYPE(load)(out + j) / sum
                                                    : (OF_TYPE(load)(x + j) - largest) - log_of_sum);
        if (j < n)
            OF_TYPE(store_part)(out + j, what == SOFTMAX ? OF_TYPE(load_part)(out + j, n - j) / sum
                                                         : (OF_TYPE(load_part)(x + j, n - j) - largest) - log_of_sum,
                                n - j);
    }
}

/* PUT, as TAKE (places.h) with the type in front and the number of entries of the result behind: entries are added. */
INLINE void OF_TYPE(add_run)(ENTRY *out, const ENTRY *x, ptrdiff_t n) {
    for (ptrdiff_t i = 0; i < n; i++)
        out[i] += x[i];
}
