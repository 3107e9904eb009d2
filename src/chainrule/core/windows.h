/* Convolutions, computed where the images lie: included once for each type of ENTRY, after loops.h.

   A plane is laid out with its padding in one piece, so that a step of the window is a step in memory. For steps longer
   than 1 it is laid out in phases: entry u of an axis goes to place u / step of phase u % step. Then each entry of the
   window reads all it ever meets as one long stretch at an offset of its own, and a convolution is a sum of such
   stretches, each times a weight; what the stretches hold between the rows of the result is computed and dropped. */

#if defined(__GNUC__)

#ifndef WINDOWS
#define WINDOWS
#define HAS_WINDOWS 1
#define AHEAD 96 /* how far a block of lanes may read past the last entry, and is allowed to */
typedef struct {
    ptrdiff_t images, groups, channels, results; /* the last two of one group */
    ptrdiff_t length[2], size[2], steps[2], around[2], spread[2], fits[2];
} slide;

/* The places of a phase along an axis, and by how many of them the window's last entry is away from its first. */
static ptrdiff_t places(const slide *s, int axis) {
    return (s->length[axis] + 2 * s->around[axis] + s->steps[axis] - 1) / s->steps[axis];
}
static ptrdiff_t reach(const slide *s, int axis) {
    return (s->size[axis] - 1) * s->spread[axis] / s->steps[axis];
}
static ptrdiff_t up_to_block(ptrdiff_t n) {
    return (n + 23) / 24 * 24;
}

/* How many entries the scratch memory of each of the three has to have. */
static ptrdiff_t stretch(const slide *s) {
    return up_to_block((s->fits[0] - 1) * places(s, 1) + s->fits[1]);
}
static ptrdiff_t room_for_images(const slide *s) {
    return s->channels * s->steps[0] * s->steps[1] * places(s, 0) * places(s, 1) + AHEAD;
}
static ptrdiff_t room_for_results(const slide *s) {
    return s->results * (places(s, 0) + reach(s, 0)) * (places(s, 1) + reach(s, 1)) + places(s, 1) + AHEAD;
}
static ptrdiff_t stretch_back(const slide *s) {
    return up_to_block(places(s, 0) * (places(s, 1) + reach(s, 1)));
}
#endif

#define LANES OF_TYPE(lanes)
#define WIDTH ((ptrdiff_t)(sizeof(LANES) / sizeof(ENTRY)))

/* A tile of `add_stretches`: m sums of n lanes each. */
TILE OF_TYPE(stretch_tile)(const int m, const int n, ptrdiff_t count, const ENTRY *x, const ptrdiff_t *at,
                           const ENTRY *w, ENTRY *sums, ptrdiff_t apart) {
    LANES tile[4][3];
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++)
            tile[i][j] = (LANES){0};
    for (ptrdiff_t q = 0; q < count; q++)
        for (int j = 0; j < n; j++) {
            const LANES seen = *(const LANES *)(x + at[q] + j * WIDTH);
            for (int i = 0; i < m; i++)
                tile[i][j] += w[i * count + q] * seen;
        }
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++)
            *(LANES *)(sums + i * apart + j * WIDTH) = tile[i][j];
}

/* sums[r][k] = the sum over q of w[r][q] x[k + at[q]], for k below `length`, a multiple of 24. */
FOR_WIDE_PROCESSORS_TOO
static void OF_TYPE(add_stretches)(ptrdiff_t results, ptrdiff_t count, ptrdiff_t length, const ENTRY *x,
                                   const ptrdiff_t *at, const ENTRY *w, ENTRY *sums) {
    for (ptrdiff_t k = 0; k < length; k += 3 * WIDTH) {
        ptrdiff_t r = 0;
        for (; r + 4 <= results; r += 4)
            OF_TYPE(stretch_tile)(4, 3, count, x + k, at, w + r * count, sums + r * length + k, length);
        for (; r < results; r++)
            OF_TYPE(stretch_tile)(1, 3, count, x + k, at, w + r * count, sums + r * length + k, length);
    }
}

TILE OF_TYPE(meeting_tile)(const int m, const int n, ptrdiff_t count, ptrdiff_t length, const ENTRY *g,
                           const ENTRY *x, const ptrdiff_t *at, ENTRY *sums) {
    LANES tile[3][3];
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++)
            tile[i][j] = (LANES){0};
    for (ptrdiff_t k = 0; k < length; k += WIDTH)
        for (int j = 0; j < n; j++) {
            const LANES seen = *(const LANES *)(x + at[j] + k);
            for (int i = 0; i < m; i++)
                tile[i][j] += *(const LANES *)(g + i * length + k) * seen;
        }
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++)
            for (int lane = 0; lane < WIDTH; lane++)
                sums[i * count + j] += tile[i][j][lane];
}

TILE OF_TYPE(meeting_strip)(const int m, ptrdiff_t count, ptrdiff_t length, const ENTRY *g, const ENTRY *x,
                            const ptrdiff_t *at, ENTRY *sums) {
    ptrdiff_t q = 0;
    for (; q + 3 <= count; q += 3)
        OF_TYPE(meeting_tile)(m, 3, count, length, g, x, at + q, sums + q);
    for (; q < count; q++)
        OF_TYPE(meeting_tile)(m, 1, count, length, g, x, at + q, sums + q);
}

/* Adds to sums[r][q] the sum over k of g[r][k] x[k + at[q]]. */
FOR_WIDE_PROCESSORS_TOO
static void OF_TYPE(add_meetings)(ptrdiff_t results, ptrdiff_t count, ptrdiff_t length, const ENTRY *g, const ENTRY *x,
                                  const ptrdiff_t *at, ENTRY *sums) {
    ptrdiff_t r = 0;
    for (; r + 3 <= results; r += 3)
        OF_TYPE(meeting_strip)(3, count, length, g + r * length, x, at, sums + r * count);
    for (; r < results; r++)
        OF_TYPE(meeting_strip)(1, count, length, g + r * length, x, at, sums + r * count);
}

/* Lays out the planes of an image in phases, whose rows are then `pitch` apart. */
static void OF_TYPE(lay)(const slide *s, const ENTRY *planes, ENTRY *laid) {
    const ptrdiff_t step = s->steps[1], wide = s->length[1], pitch = places(s, 1), phase = places(s, 0) * pitch;
    for (ptrdiff_t c = 0; c < s->channels; c++)
        for (ptrdiff_t h = 0; h < s->length[0]; h++, planes += wide) {
            const ptrdiff_t down = h + s->around[0];
            const ptrdiff_t first = (c * s->steps[0] + down % s->steps[0]) * step * phase + down / s->steps[0] * pitch;
            if (step == 1)
                memcpy(laid + first + s->around[1], planes, wide * sizeof(ENTRY));
            else
                for (ptrdiff_t b = 0; b < step; b++) {
                    const ptrdiff_t left = (b + step - s->around[1] % step) % step;
                    ENTRY *to = laid + first + b * phase + (left + s->around[1]) / step;
                    for (ptrdiff_t j = left; j < wide; j += step)
                        *to++ = planes[j];
                }
        }
}

/* Where each entry of the window, of each channel, has its stretch in what `lay` made. */
static void OF_TYPE(find_stretches)(const slide *s, ptrdiff_t *at) {
    const ptrdiff_t high = places(s, 0), wide = places(s, 1);
    for (ptrdiff_t c = 0; c < s->channels; c++)
        for (ptrdiff_t i = 0; i < s->size[0]; i++)
            for (ptrdiff_t j = 0; j < s->size[1]; j++) {
                const ptrdiff_t down = i * s->spread[0], right = j * s->spread[1];
                const ptrdiff_t phase = down % s->steps[0] * s->steps[1] + right % s->steps[1];
                *at++ = ((c * s->steps[0] * s->steps[1] + phase) * high + down / s->steps[0]) * wide + right / s->steps[1];
            }
}

/* out = the convolution of x with w. Scratch memory: `laid` of room_for_images zeros, `sums` of results * stretch, and
   `at` of as many as a result has weights. */
static void OF_TYPE(convolve)(const slide *s, const ENTRY *x, const ENTRY *w, ENTRY *out, ENTRY *laid, ENTRY *sums,
                              ptrdiff_t *at) {
    const ptrdiff_t count = s->channels * s->size[0] * s->size[1], pitch = places(s, 1);
    const ptrdiff_t image = s->channels * s->length[0] * s->length[1], long_ = stretch(s);
    OF_TYPE(find_stretches)(s, at);
    for (ptrdiff_t n = 0; n < s->images * s->groups; n++) {
        OF_TYPE(lay)(s, x + n * image, laid);
        OF_TYPE(add_stretches)(s->results, count, long_, laid, at, w + n % s->groups * s->results * count, sums);
        for (ptrdiff_t r = 0; r < s->results; r++)
            for (ptrdiff_t i = 0; i < s->fits[0]; i++, out += s->fits[1])
                memcpy(out, sums + r * long_ + i * pitch, s->fits[1] * sizeof(ENTRY));
    }
}

/* out, of zeros, += the sums over all windows of what came of them times what they saw. Scratch memory: `laid` as above,
   `came` of results * stretch zeros, `at`. */
static void OF_TYPE(convolve_weights)(const slide *s, const ENTRY *g, const ENTRY *x, ENTRY *out, ENTRY *laid, ENTRY *came,
                                      ptrdiff_t *at) {
    const ptrdiff_t count = s->channels * s->size[0] * s->size[1], pitch = places(s, 1);
    const ptrdiff_t image = s->channels * s->length[0] * s->length[1], long_ = stretch(s);
    OF_TYPE(find_stretches)(s, at);
    for (ptrdiff_t n = 0; n < s->images * s->groups; n++) {
        OF_TYPE(lay)(s, x + n * image, laid);
        for (ptrdiff_t r = 0; r < s->results; r++)
            for (ptrdiff_t i = 0; i < s->fits[0]; i++, g += s->fits[1])
                memcpy(came + r * long_ + i * pitch, g, s->fits[1] * sizeof(ENTRY));
        OF_TYPE(add_meetings)(s->results, count, long_, came, laid, at, out + n % s->groups * s->results * count);
    }
}

/* Where the results of a group meet the entries of one phase, with their weights in that order, for all groups in turn;
   how many they are. */
static ptrdiff_t OF_TYPE(turn)(const slide *s, ptrdiff_t phase, const ENTRY *w, ptrdiff_t *at, ENTRY *turned) {
    const ptrdiff_t pitch = places(s, 1) + reach(s, 1), plane = (places(s, 0) + reach(s, 0)) * pitch;
    const ptrdiff_t window = s->size[0] * s->size[1];
    ptrdiff_t count = 0;
    for (ptrdiff_t q = 0; q < window; q++) {
        const ptrdiff_t down = q / s->size[1] * s->spread[0], right = q % s->size[1] * s->spread[1];
        if (down % s->steps[0] * s->steps[1] + right % s->steps[1] != phase)
            continue;
        for (ptrdiff_t r = 0; r < s->results; r++)
            at[count++] = r * plane + (reach(s, 0) - down / s->steps[0]) * pitch + reach(s, 1) - right / s->steps[1];
    }
    for (ptrdiff_t c = 0; c < s->groups * s->channels; c++) {
        const ENTRY *from = w + (c / s->channels * s->results * s->channels + c % s->channels) * window;
        for (ptrdiff_t q = 0; q < window; q++) {
            const ptrdiff_t down = q / s->size[1] * s->spread[0], right = q % s->size[1] * s->spread[1];
            if (down % s->steps[0] * s->steps[1] + right % s->steps[1] != phase)
                continue;
            for (ptrdiff_t r = 0; r < s->results; r++)
                *turned++ = from[r * s->channels * window + q];
        }
    }
    return count;
}

/* out = what each entry of the images got back. The entries of one phase meet the same entries of the window, so each
   phase is a convolution by itself, of g with an edge as wide as the window reaches. Scratch memory: `came` of
   room_for_results zeros, `sums` of channels * stretch_back, `at` of results * the window's size, and `turned` of as
   many as there are weights. */
static void OF_TYPE(convolve_back)(const slide *s, const ENTRY *g, const ENTRY *w, ENTRY *out, ENTRY *came, ENTRY *sums,
                                   ptrdiff_t *at, ENTRY *turned) {
    const ptrdiff_t down = reach(s, 0), right = reach(s, 1), pitch = places(s, 1) + right, long_ = stretch_back(s);
    const ptrdiff_t plane = (places(s, 0) + down) * pitch, high = s->length[0], wide = s->length[1];
    for (ptrdiff_t phase = 0; phase < s->steps[0] * s->steps[1]; phase++) {
        const ptrdiff_t count = OF_TYPE(turn)(s, phase, w, at, turned);
        const ptrdiff_t lower = (phase / s->steps[1] + s->steps[0] - s->around[0] % s->steps[0]) % s->steps[0];
        const ptrdiff_t left = (phase % s->steps[1] + s->steps[1] - s->around[1] % s->steps[1]) % s->steps[1];
        const ENTRY *given = g;
        for (ptrdiff_t n = 0; n < s->images * s->groups; n++) {
            for (ptrdiff_t r = 0; r < s->results; r++)
                for (ptrdiff_t i = 0; i < s->fits[0]; i++, given += s->fits[1])
                    memcpy(came + r * plane + (i + down) * pitch + right, given, s->fits[1] * sizeof(ENTRY));
            OF_TYPE(add_stretches)(s->channels, count, long_, came, at,
                                   turned + n % s->groups * s->channels * count, sums);
            for (ptrdiff_t c = 0; c < s->channels; c++)
                for (ptrdiff_t h = lower; h < high; h += s->steps[0]) {
                    const ENTRY *from = sums + c * long_ + (h + s->around[0]) / s->steps[0] * pitch;
                    ENTRY *row = out + ((n * s->channels + c) * high + h) * wide;
                    from += (left + s->around[1]) / s->steps[1];
                    for (ptrdiff_t j = left; j < wide; j += s->steps[1])
                        row[j] = *from++;
                }
        }
    }
}

#undef LANES
#undef WIDTH

#elif !defined(HAS_WINDOWS) /* a compiler without vectors: all is left to NumPy */
#define HAS_WINDOWS 0
#endif
