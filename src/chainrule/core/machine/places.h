/* Entries at places that are data, put there, and copied in another order.

   TAKE and PUT, words, type, bytes of a run, runs, indices, from (memory, bytes), into (memory, bytes), entries to clear,
   and for each index (memory, bytes, type, step, extent of its axis, bytes of its stride, its axis). An index below 0
   counts from the end; one outside its axis is a fault, found before anything is read or written there.
   COPY, words, bytes of an entry, axes, from (memory, bytes), into (memory, bytes), the extents, the strides in bytes. */

INLINE int place_of(const int64_t *index, int64_t indices, int64_t i, char *const *memory, int64_t *place,
                    Fault *fault) {
    int64_t found = 0;
    for (int64_t k = 0; k < indices; k++, index += 7) {
        const char *at = memory[index[0]] + index[1];
        // Read once, for another thread may write there: what was looked at is what is used.
        int64_t x = index[2] == LONG ? ((const volatile int64_t *)at)[i * index[3]]
                                     : ((const volatile int32_t *)at)[i * index[3]];
        int64_t inside = x < 0 ? x + index[4] : x;
        if (inside < 0 || inside >= index[4]) {
            *fault = (Fault){x, index[6], index[4]};
            return 0;
        }
        found += inside * index[5];
    }
    *place = found;
    return 1;
}

/* Runs of so many bytes; for every size that is known here there is a loop of its own, and so for one index. */
INLINE int take_runs(const size_t run, const int64_t indices, const int64_t *w, char *const *memory, Fault *fault) {
    const char *from = memory[w[6]] + w[7];
    char *out = memory[w[8]] + w[9];
    for (int64_t i = 0; i < w[4]; i++, out += run) {
        int64_t place;
        if (!place_of(w + 11, indices, i, memory, &place, fault))
            return 0;
        memcpy(out, from + place, run);
    }
    return 1;
}

static int take(const int64_t *w, char *const *memory, Fault *fault) {
    if (w[5] == 1)
        switch (w[3]) {
        case 4: return take_runs(4, 1, w, memory, fault);
        case 8: return take_runs(8, 1, w, memory, fault);
        case 16: return take_runs(16, 1, w, memory, fault);
        }
    return take_runs((size_t)w[3], w[5], w, memory, fault);
}

static int put(const int64_t *w, char *const *memory, Fault *fault) {
    const char *from = memory[w[6]] + w[7];
    char *out = memory[w[8]] + w[9];
    size_t run = (size_t)w[3], size = w[2] == SINGLE ? 4 : 8;
    memset(out, 0, (size_t)w[10] * size);
    for (int64_t i = 0; i < w[4]; i++, from += run) {
        int64_t place;
        if (!place_of(w + 11, w[5], i, memory, &place, fault))
            return 0;
        if (run == 8 && size == 8)
            *(double *)(out + place) += *(const double *)from;
        else if (run == 4)
            *(float *)(out + place) += *(const float *)from;
        else if (w[2] == SINGLE)
            add_run_float((float *)(out + place), (const float *)from, (ptrdiff_t)(run / size));
        else
            add_run_double((double *)(out + place), (const double *)from, (ptrdiff_t)(run / size));
    }
    return 1;
}

/* The last two axes are gone through in squares, so that a transpose reads and writes whole lines of the cache. */
#define COPY_SQUARE(TYPE)                                                                                              \
    for (int64_t i = 0; i < down; i += 16)                                                                             \
        for (int64_t j = 0; j < across; j += 16)                                                                       \
            for (int64_t r = i; r < down && r < i + 16; r++)                                                           \
                for (int64_t c = j; c < across && c < j + 16; c++)                                                     \
                    ((TYPE *)out)[r * across + c] = *(const TYPE *)(from + r * stride[0] + c * stride[1]);

static void copy_plane(const char *from, char *out, int64_t bytes, const int64_t *extent, const int64_t *stride) {
    int64_t down = extent[0], across = extent[1];
    if (stride[1] == bytes)
        for (int64_t r = 0; r < down; r++)
            memcpy(out + r * across * bytes, from + r * stride[0], (size_t)(across * bytes));
    else if (bytes == 4) {
        COPY_SQUARE(uint32_t)
    } else if (bytes == 8) {
        COPY_SQUARE(uint64_t)
    } else if (bytes == 2) {
        COPY_SQUARE(uint16_t)
    } else if (bytes == 1) {
        COPY_SQUARE(uint8_t)
    } else {
        for (int64_t r = 0; r < down; r++)
            for (int64_t c = 0; c < across; c++)
                memcpy(out + (r * across + c) * bytes, from + r * stride[0] + c * stride[1], (size_t)bytes);
    }
}

static void copy(const int64_t *w, char *const *memory) {
    int64_t bytes = w[2], axes = w[3], at[MOST_AXES] = {0}, planes = 1;
    const int64_t *extent = w + 8, *stride = extent + axes;
    const char *from = memory[w[4]] + w[5];
    char *out = memory[w[6]] + w[7];
    for (int64_t axis = 0; axis < axes - 2; axis++)
        planes *= extent[axis];
    for (int64_t plane = 0; plane < planes; plane++) {
        copy_plane(from, out, bytes, extent + axes - 2, stride + axes - 2);
        out += extent[axes - 2] * extent[axes - 1] * bytes;
        for (int64_t axis = axes - 3; axis >= 0; axis--) {
            from += stride[axis];
            if (++at[axis] < extent[axis])
                break;
            from -= at[axis] * stride[axis];
            at[axis] = 0;
        }
    }
}
