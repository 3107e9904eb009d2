/* Entries at places that are data, put there, and copied in another order.

   TAKE and PUT, words, type, bytes of a run, runs, indices, from (memory, bytes), into (memory, bytes), entries to clear,
   and for each index (memory, bytes, type, step, extent of its axis, bytes of its stride, its axis). An index below 0
   counts from the end; one outside its axis is a fault, found before anything is read or written there.
   COPY, words, bytes of an entry, axes, from (memory, bytes), into (memory, bytes), the extents, the strides in bytes. */

typedef struct {
    const char *at;
    int64_t type, step, extent, stride, axis;
} Index;

INLINE Index index_in(const int64_t *w, char *const *memory) {
    return (Index){memory[w[0]] + w[1], w[2], w[3], w[4], w[5], w[6]};
}

/* How many bytes into its array run i lies by one index; below 0 with a fault. */
INLINE int64_t bytes_along(const Index *index, int64_t i, Fault *fault) {
    // Read once, for another thread may write there: what was looked at is what is used.
    int64_t x = index->type == LONG ? ((const volatile int64_t *)index->at)[i * index->step]
                                    : ((const volatile int32_t *)index->at)[i * index->step];
    int64_t inside = x < 0 ? x + index->extent : x;
    if (inside < 0 || inside >= index->extent) {
        *fault = (Fault){x, index->axis, index->extent};
        return -1;
    }
    return inside * index->stride;
}

INLINE int place_of(const int64_t *index, int64_t indices, int64_t i, char *const *memory, int64_t *place,
                    Fault *fault) {
    *place = 0;
    for (int64_t k = 0; k < indices; k++, index += 7) {
        const Index one = index_in(index, memory);
        int64_t found = bytes_along(&one, i, fault);
        if (found < 0)
            return 0;
        *place += found;
    }
    return 1;
}

/* A run of so many bytes; of few that are not known here, by two vectors that meet or share some. */
INLINE void copy_run(char *out, const char *from, const size_t bytes) {
    if (bytes < 32 || bytes > 64) {
        memcpy(out, from, bytes);
        return;
    }
    char first[32], last[32];
    memcpy(first, from, 32);
    memcpy(last, from + bytes - 32, 32);
    memcpy(out, first, 32);
    memcpy(out + bytes - 32, last, 32);
}

/* Runs of so many bytes; for sizes that are known here there is a loop of its own, and so for one index and two. */
INLINE int take_runs(const size_t run, const int64_t indices, const int64_t *w, char *const *memory, Fault *fault) {
    const char *from = memory[w[6]] + w[7];
    char *out = memory[w[8]] + w[9];
    const int64_t runs = w[4];
    const Index first = index_in(w + 11, memory), second = indices == 2 ? index_in(w + 18, memory) : first;
    for (int64_t i = 0; i < runs; i++, out += run) {
        int64_t place, more = 0;
        if (indices > 2) {
            if (!place_of(w + 11, indices, i, memory, &place, fault))
                return 0;
        } else if ((place = bytes_along(&first, i, fault)) < 0 ||
                   (indices == 2 && (more = bytes_along(&second, i, fault)) < 0))
            return 0;
        copy_run(out, from + place + more, run);
    }
    return 1;
}

static int take(const int64_t *w, char *const *memory, Fault *fault) {
    const size_t run = (size_t)w[3];
    if (w[5] == 1)
        switch (run) {
        case 4: return take_runs(4, 1, w, memory, fault);
        case 8: return take_runs(8, 1, w, memory, fault);
        case 16: return take_runs(16, 1, w, memory, fault);
        default: return take_runs(run, 1, w, memory, fault);
        }
    if (w[5] == 2)
        switch (run) {
        case 4: return take_runs(4, 2, w, memory, fault);
        case 8: return take_runs(8, 2, w, memory, fault);
        }
    return take_runs(run, w[5], w, memory, fault);
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
