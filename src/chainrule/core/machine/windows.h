/* Windows that slide over images: convolutions and their two adjoints, and the largest entry of every window.

   CONVOLVE, words, type, what it gives (RESULTS, IMAGES or WEIGHTS), then a Slide, then images, weights and results
   (memory, bytes each), room for planes, sums, turned weights and places (memory, and bytes for each of the four), and
   what is added to the results, a number for each of their planes (memory or −1, bytes).
   POOL, words, type, what (PICK or PUT), planes, lengths, size, steps, around, spread, fits (two words each), from
   (memory, bytes), where the largest are looked for (the same), into (the same), room for four rows (the same) of so many
   columns.

   A plane is laid out with its padding in one piece, so that a step of the window is a step in memory. For steps longer
   than 1 it is laid out in phases: entry u of an axis goes to place u / step of phase u % step. Then each entry of the
   window reads all it ever meets as one long stretch at an offset of its own, and a convolution is a sum of such
   stretches, each times a weight; what the stretches hold between the rows of the result is computed and dropped. */

#if ENTRY_IS_DOUBLE
/* As Plan.convolve writes it: along both axes, `places` has the places of a phase, `reach` how many of them the window's
   last entry is away from its first; `stretch` and `back` are the entries of a laid-out plane of results and of images,
   in whole vectors; `together` is how many images the weights meet at a time. */
typedef struct {
    int64_t images, groups, channels, results; /* the last two of one group */
    int64_t planes; /* of results in an image */
    int64_t length[2], size[2], steps[2], around[2], spread[2], fits[2], places[2], reach[2];
    int64_t stretch, back, together;
} Slide;
#define SLIDE_WORDS ((ptrdiff_t)(sizeof(Slide) / sizeof(int64_t)))

/* The entries of an image's planes, laid out; and how far a vector may read past them. */
static ptrdiff_t laid_out(const Slide *s) {
    return s->channels * s->steps[0] * s->steps[1] * s->places[0] * s->places[1];
}
static ptrdiff_t weights_of(const Slide *s) { return s->channels * s->size[0] * s->size[1]; }

/* Which phase entry q of the window meets; how many places down and to the right of that phase's first. */
static ptrdiff_t phase_of(const Slide *s, ptrdiff_t q, ptrdiff_t *down, ptrdiff_t *right) {
    ptrdiff_t i = q / s->size[1] * s->spread[0], j = q % s->size[1] * s->spread[1];
    *down = i / s->steps[0];
    *right = j / s->steps[1];
    return i % s->steps[0] * s->steps[1] + j % s->steps[1];
}

/* Where each entry of the window, of each channel, has its stretch in planes that are laid out. */
static void find_stretches(const Slide *s, int64_t *at) {
    ptrdiff_t down, right;
    for (ptrdiff_t c = 0; c < s->channels; c++)
        for (ptrdiff_t q = 0; q < s->size[0] * s->size[1]; q++) {
            ptrdiff_t phase = c * s->steps[0] * s->steps[1] + phase_of(s, q, &down, &right);
            *at++ = (phase * s->places[0] + down) * s->places[1] + right;
        }
}
#endif

#if defined(OF_AVX512)
#define MOST_RESULTS 8
#define MOST_MEETING 4
#else
#define MOST_RESULTS 4
#define MOST_MEETING 3
#endif
#define ALONE_TOGETHER 6 /* vectors of one result, whose sums would wait for each other otherwise */
#define ALONE_MEETING 9

/* m sums of `vectors` vectors each. */
INLINE void OF_TYPE(stretch_tile)(const int m, const int vectors, ptrdiff_t count, const ENTRY *x, const int64_t *at,
                                  const ENTRY *w, ENTRY *sums, ptrdiff_t apart) {
    V sum[MOST_RESULTS][ALONE_TOGETHER];
    for (int i = 0; i < m; i++)
        for (int v = 0; v < vectors; v++)
            sum[i][v] = (V){0};
    for (ptrdiff_t q = 0; q < count; q++) {
        V seen[ALONE_TOGETHER];
        for (int v = 0; v < vectors; v++)
            seen[v] = OF_TYPE(load)(x + at[q] + v * LANES);
        for (int i = 0; i < m; i++) {
            V weight = ALL(w[i * count + q]);
            for (int v = 0; v < vectors; v++)
                sum[i][v] += weight * seen[v];
        }
    }
    for (int i = 0; i < m; i++)
        for (int v = 0; v < vectors; v++)
            OF_TYPE(store)(sums + i * apart + v * LANES, sum[i][v]);
}

INLINE void OF_TYPE(stretch_strip)(const int vectors, ptrdiff_t results, ptrdiff_t count, const ENTRY *x,
                                   const int64_t *at, const ENTRY *w, ENTRY *sums, ptrdiff_t apart) {
    ptrdiff_t tiles = (results + MOST_RESULTS - 1) / MOST_RESULTS;
    for (ptrdiff_t r = 0, m; tiles; r += m, tiles--) {
        m = (results - r + tiles - 1) / tiles;
        switch (m) {
#define TILE(m)                                                                                                        \
    case m:                                                                                                            \
        OF_TYPE(stretch_tile)(m, vectors, count, x, at, w + r * count, sums + r * apart, apart);                       \
        break;
            TILE(1) TILE(2) TILE(3) TILE(4)
#if defined(OF_AVX512)
            TILE(5) TILE(6) TILE(7) TILE(8)
#endif
#undef TILE
        }
    }
}

/* sums[r][k] = the sum over q of w[r][q] x[k + at[q]], for k below `length`, which is in whole vectors. */
static void OF_TYPE(add_stretches)(ptrdiff_t results, ptrdiff_t count, ptrdiff_t length, const ENTRY *x,
                                   const int64_t *at, const ENTRY *w, ENTRY *sums) {
    ptrdiff_t k = 0;
    for (; results == 1 && k + ALONE_TOGETHER * LANES <= length; k += ALONE_TOGETHER * LANES)
        OF_TYPE(stretch_tile)(1, ALONE_TOGETHER, count, x + k, at, w, sums + k, length);
    for (; k + 3 * LANES <= length; k += 3 * LANES)
        OF_TYPE(stretch_strip)(3, results, count, x + k, at, w, sums + k, length);
    if (k + 2 * LANES <= length) {
        OF_TYPE(stretch_strip)(2, results, count, x + k, at, w, sums + k, length);
        k += 2 * LANES;
    }
    if (k < length)
        OF_TYPE(stretch_strip)(1, results, count, x + k, at, w, sums + k, length);
}

/* Adds to sums[i][j] the sum over images and k of g[i][k] x[k + at[j]]: m results, n entries of the window. */
INLINE void OF_TYPE(meeting_tile)(const int m, const int n, const Slide *s, ptrdiff_t images, const ENTRY *g,
                                  const ENTRY *x, const int64_t *at, ENTRY *sums, ptrdiff_t count) {
    V sum[MOST_MEETING][ALONE_MEETING];
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++)
            sum[i][j] = (V){0};
    for (ptrdiff_t b = 0; b < images; b++, g += s->results * s->stretch, x += laid_out(s))
        for (ptrdiff_t k = 0; k < s->stretch; k += LANES) {
            V came[MOST_MEETING];
            for (int i = 0; i < m; i++)
                came[i] = OF_TYPE(load)(g + i * s->stretch + k);
            for (int j = 0; j < n; j++) {
                V seen = OF_TYPE(load)(x + at[j] + k);
                for (int i = 0; i < m; i++)
                    sum[i][j] += came[i] * seen;
            }
        }
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++)
            sums[i * count + j] += OF_TYPE(sum_of)(sum[i][j]);
}

INLINE void OF_TYPE(meeting_strip)(const int m, const Slide *s, ptrdiff_t images, const ENTRY *g, const ENTRY *x,
                                   const int64_t *at, ENTRY *sums) {
    ptrdiff_t count = weights_of(s), q = 0;
    for (; m == 1 && q + ALONE_MEETING <= count; q += ALONE_MEETING)
        OF_TYPE(meeting_tile)(1, ALONE_MEETING, s, images, g, x, at + q, sums + q, count);
    for (; q + MOST_MEETING <= count; q += MOST_MEETING)
        OF_TYPE(meeting_tile)(m, MOST_MEETING, s, images, g, x, at + q, sums + q, count);
    for (; q < count; q++)
        OF_TYPE(meeting_tile)(m, 1, s, images, g, x, at + q, sums + q, count);
}

static void OF_TYPE(add_meetings)(const Slide *s, ptrdiff_t images, const ENTRY *g, const ENTRY *x, const int64_t *at,
                                  ENTRY *sums) {
    ptrdiff_t r = 0;
    for (; r + MOST_MEETING <= s->results; r += MOST_MEETING)
        OF_TYPE(meeting_strip)(MOST_MEETING, s, images, g + r * s->stretch, x, at, sums + r * weights_of(s));
    for (; r < s->results; r++)
        OF_TYPE(meeting_strip)(1, s, images, g + r * s->stretch, x, at, sums + r * weights_of(s));
}

/* A row is short: a call of memcpy takes longer than the copy. */
INLINE void OF_TYPE(copy_row)(ENTRY *to, const ENTRY *from, ptrdiff_t n) {
    for (; n >= LANES; n -= LANES, to += LANES, from += LANES)
        OF_TYPE(store)(to, OF_TYPE(load)(from));
    if (n)
        OF_TYPE(store_part)(to, OF_TYPE(load_part)(from, n), n);
}
INLINE void OF_TYPE(copy_row_plus)(ENTRY *to, const ENTRY *from, ptrdiff_t n, V plus) {
    for (; n >= LANES; n -= LANES, to += LANES, from += LANES)
        OF_TYPE(store)(to, OF_TYPE(load)(from) + plus);
    if (n)
        OF_TYPE(store_part)(to, OF_TYPE(load_part)(from, n) + plus, n);
}

/* Every second of the lanes of two vectors. */
INLINE V OF_TYPE(every_second)(V x, V y) { return OF_TYPE(picked)(x, y, 2 * OF_TYPE(places)()); }

/* Entries `step` apart, from x on. */
INLINE V OF_TYPE(load_apart)(const ENTRY *x, ptrdiff_t step) {
    V found;
    if (step == 1)
        return OF_TYPE(load)(x);
    if (step == 2)
        return OF_TYPE(every_second)(OF_TYPE(load)(x), OF_TYPE(load)(x + LANES));
    for (ptrdiff_t i = 0; i < LANES; i++)
        found[i] = x[i * step];
    return found;
}

/* Of a row of n every second entry. */
INLINE void OF_TYPE(copy_every_second)(ENTRY *to, const ENTRY *from, ptrdiff_t n) {
    for (; n >= 2 * LANES; n -= 2 * LANES, to += LANES, from += 2 * LANES)
        OF_TYPE(store)(to, OF_TYPE(load_apart)(from, 2));
    if (n > 0) {
        V x = n < LANES ? OF_TYPE(load_part)(from, n) : OF_TYPE(load)(from);
        V y = n > LANES ? OF_TYPE(load_part)(from + LANES, n - LANES) : (V){0};
        OF_TYPE(store_part)(to, OF_TYPE(every_second)(x, y), (n + 1) / 2);
    }
}

/* The planes of an image in phases; the edges of `laid` are 0 and stay so. */
static void OF_TYPE(lay)(const Slide *s, const ENTRY *planes, ENTRY *laid) {
    const ptrdiff_t step = s->steps[1], wide = s->length[1], phase = s->places[0] * s->places[1];
    for (ptrdiff_t c = 0; c < s->channels; c++)
        for (ptrdiff_t h = 0; h < s->length[0]; h++, planes += wide) {
            ptrdiff_t down = h + s->around[0];
            ENTRY *row = laid + (c * s->steps[0] + down % s->steps[0]) * step * phase + down / s->steps[0] * s->places[1];
            if (step == 1)
                OF_TYPE(copy_row)(row + s->around[1], planes, wide);
            else
                for (ptrdiff_t b = 0; b < step; b++) {
                    ptrdiff_t j = (b + step - s->around[1] % step) % step;
                    ENTRY *to = row + b * phase + (j + s->around[1]) / step;
                    if (step == 2)
                        OF_TYPE(copy_every_second)(to, planes + j, wide - j);
                    else
                        for (; j < wide; j += step)
                            *to++ = planes[j];
                }
        }
}

/* Rows of results, `pitch` apart in planes that are `plane` apart. */
static const ENTRY *OF_TYPE(lay_results)(const Slide *s, const ENTRY *from, ENTRY *to, ptrdiff_t plane, ptrdiff_t pitch) {
    for (ptrdiff_t r = 0; r < s->results; r++)
        for (ptrdiff_t i = 0; i < s->fits[0]; i++, from += s->fits[1])
            OF_TYPE(copy_row)(to + r * plane + i * pitch, from, s->fits[1]);
    return from;
}

static void OF_TYPE(convolve_results)(const Slide *s, const ENTRY *x, const ENTRY *w, const ENTRY *added, ENTRY *out,
                                      ENTRY *laid, ENTRY *sums, int64_t *at) {
    const ptrdiff_t count = weights_of(s), image = s->channels * s->length[0] * s->length[1];
    memset(laid, 0, (size_t)laid_out(s) * sizeof(ENTRY));
    find_stretches(s, at);
    for (ptrdiff_t n = 0; n < s->images * s->groups; n++) {
        OF_TYPE(lay)(s, x + n * image, laid);
        OF_TYPE(add_stretches)(s->results, count, s->stretch, laid, at, w + n % s->groups * s->results * count, sums);
        for (ptrdiff_t r = 0; r < s->results; r++) {
            const V plus = ALL(added ? added[n % s->groups * s->results + r] : 0);
            for (ptrdiff_t i = 0; i < s->fits[0]; i++, out += s->fits[1])
                OF_TYPE(copy_row_plus)(out, sums + r * s->stretch + i * s->places[1], s->fits[1], plus);
        }
    }
}

static void OF_TYPE(convolve_weights)(const Slide *s, const ENTRY *x, ENTRY *out, const ENTRY *g, ENTRY *laid,
                                      ENTRY *came, int64_t *at) {
    const ptrdiff_t count = s->results * weights_of(s), image = s->channels * s->length[0] * s->length[1];
    const ptrdiff_t plane = s->fits[0] * s->fits[1];
    // A vector reads past the last plane, where a zero of `came` would meet what somebody left there: 0·nan is nan.
    memset(laid, 0, (size_t)(laid_out(s) * s->together) * sizeof(ENTRY) + LINE);
    memset(came, 0, (size_t)(s->results * s->stretch * s->together) * sizeof(ENTRY));
    memset(out, 0, (size_t)(count * s->groups) * sizeof(ENTRY));
    find_stretches(s, at);
    for (ptrdiff_t group = 0; group < s->groups; group++)
        for (ptrdiff_t n = 0; n < s->images; n += s->together) {
            ptrdiff_t some = s->images - n < s->together ? s->images - n : s->together;
            for (ptrdiff_t b = 0; b < some; b++) {
                const ENTRY *from = g + ((n + b) * s->planes + group * s->results) * plane;
                OF_TYPE(lay)(s, x + ((n + b) * s->groups + group) * image, laid + b * laid_out(s));
                OF_TYPE(lay_results)(s, from, came + b * s->results * s->stretch, s->stretch, s->places[1]);
            }
            OF_TYPE(add_meetings)(s, some, came, laid, at, out + group * count);
        }
}

/* Where the results of a group meet the entries of one phase, with their weights in that order, for all groups in turn;
   how many they are. */
static ptrdiff_t OF_TYPE(turn)(const Slide *s, ptrdiff_t phase, const ENTRY *w, int64_t *at, ENTRY *turned) {
    const ptrdiff_t pitch = s->places[1] + s->reach[1], plane = (s->places[0] + s->reach[0]) * pitch;
    const ptrdiff_t window = s->size[0] * s->size[1];
    ptrdiff_t count = 0, down, right;
    for (ptrdiff_t q = 0; q < window; q++)
        if (phase_of(s, q, &down, &right) == phase)
            for (ptrdiff_t r = 0; r < s->results; r++)
                at[count++] = r * plane + (s->reach[0] - down) * pitch + s->reach[1] - right;
    for (ptrdiff_t c = 0; c < s->groups * s->channels; c++) {
        const ENTRY *from = w + (c / s->channels * s->results * s->channels + c % s->channels) * window;
        for (ptrdiff_t q = 0; q < window; q++)
            if (phase_of(s, q, &down, &right) == phase)
                for (ptrdiff_t r = 0; r < s->results; r++)
                    *turned++ = from[r * s->channels * window + q];
    }
    return count;
}

/* The entries of one phase meet the same entries of the window, so each phase is a convolution by itself, of results
   with an edge as wide as the window reaches. */
static void OF_TYPE(convolve_images)(const Slide *s, ENTRY *out, const ENTRY *w, const ENTRY *g, ENTRY *came, ENTRY *sums,
                                     ENTRY *turned, int64_t *at) {
    const ptrdiff_t pitch = s->places[1] + s->reach[1], plane = (s->places[0] + s->reach[0]) * pitch;
    memset(came, 0, (size_t)(s->results * plane) * sizeof(ENTRY));
    for (ptrdiff_t phase = 0; phase < s->steps[0] * s->steps[1]; phase++) {
        const ptrdiff_t count = OF_TYPE(turn)(s, phase, w, at, turned);
        const ptrdiff_t top = (phase / s->steps[1] + s->steps[0] - s->around[0] % s->steps[0]) % s->steps[0];
        const ptrdiff_t left = (phase % s->steps[1] + s->steps[1] - s->around[1] % s->steps[1]) % s->steps[1];
        const ENTRY *given = g;
        for (ptrdiff_t n = 0; n < s->images * s->groups; n++) {
            given = OF_TYPE(lay_results)(s, given, came + s->reach[0] * pitch + s->reach[1], plane, pitch);
            OF_TYPE(add_stretches)(s->channels, count, s->back, came, at, turned + n % s->groups * s->channels * count,
                                   sums);
            for (ptrdiff_t c = 0; c < s->channels; c++)
                for (ptrdiff_t h = top; h < s->length[0]; h += s->steps[0]) {
                    const ENTRY *from = sums + c * s->back + (h + s->around[0]) / s->steps[0] * pitch;
                    ENTRY *row = out + ((n * s->channels + c) * s->length[0] + h) * s->length[1];
                    from += (left + s->around[1]) / s->steps[1];
                    for (ptrdiff_t j = left; j < s->length[1]; j += s->steps[1])
                        row[j] = *from++;
                }
        }
    }
}

/* Both adjoints, meeting after meeting: no zero of an edge meets what is infinite here. */
static void OF_TYPE(convolve_plainly)(int64_t what, const Slide *s, ENTRY *x, ENTRY *w, const ENTRY *g) {
    const ptrdiff_t count = weights_of(s), window = s->size[0] * s->size[1], plane = s->length[0] * s->length[1];
    const ptrdiff_t beside = (s->planes - s->groups * s->results) * s->fits[0] * s->fits[1];
    if (what == IMAGES)
        memset(x, 0, (size_t)(s->images * s->groups * s->channels * plane) * sizeof(ENTRY));
    else
        memset(w, 0, (size_t)(s->groups * s->results * count) * sizeof(ENTRY));
    for (ptrdiff_t n = 0; n < s->images; n++, g += beside)
        for (ptrdiff_t r = 0; r < s->groups * s->results; r++)
            for (ptrdiff_t p = 0; p < s->fits[0] * s->fits[1]; p++, g++)
                for (ptrdiff_t q = 0; q < count; q++) {
                    ptrdiff_t channel = (n * s->groups + r / s->results) * s->channels + q / window;
                    ptrdiff_t i = p / s->fits[1] * s->steps[0] + q % window / s->size[1] * s->spread[0] - s->around[0];
                    ptrdiff_t j = p % s->fits[1] * s->steps[1] + q % s->size[1] * s->spread[1] - s->around[1];
                    int inside = i >= 0 && j >= 0 && i < s->length[0] && j < s->length[1];
                    ENTRY *seen = inside ? x + channel * plane + i * s->length[1] + j : 0;
                    if (what == WEIGHTS)
                        w[r * count + q] += *g * (seen ? *seen : 0);
                    else if (seen)
                        *seen += *g * w[r * count + q];
                }
}

static int OF_TYPE(all_finite)(const ENTRY *x, ptrdiff_t n) {
    V found = {0};
    ptrdiff_t i = 0;
    for (; i + LANES <= n; i += LANES)
        found += 0 * OF_TYPE(load)(x + i);
    if (i < n)
        found += 0 * OF_TYPE(load_part)(x + i, n - i);
    return OF_TYPE(sum_of)(found) == 0;
}

static void OF_TYPE(convolve)(const int64_t *word, char *const *memory) {
    const Slide *s = (const Slide *)(word + 4);
    const int64_t *w = word + 4 + SLIDE_WORDS;
    ENTRY *images = (ENTRY *)(memory[w[0]] + w[1]), *weights = (ENTRY *)(memory[w[2]] + w[3]);
    ENTRY *results = (ENTRY *)(memory[w[4]] + w[5]);
    char *room = memory[w[6]];
    ENTRY *planes = (ENTRY *)(room + w[7]), *sums = (ENTRY *)(room + w[8]), *turned = (ENTRY *)(room + w[9]);
    int64_t *at = (int64_t *)(room + w[10]);
    const ENTRY *added = w[11] < 0 ? 0 : (const ENTRY *)(memory[w[11]] + w[12]);
    ptrdiff_t count = s->groups * s->channels * s->images * s->length[0] * s->length[1];
    switch (word[3]) {
    case RESULTS: OF_TYPE(convolve_results)(s, images, weights, added, results, planes, sums, at); break;
    case IMAGES:
        OF_TYPE(convolve_images)(s, images, weights, results, planes, sums, turned, at);
        if (!OF_TYPE(all_finite)(images, count))
            OF_TYPE(convolve_plainly)(IMAGES, s, images, weights, results);
        break;
    case WEIGHTS:
        OF_TYPE(convolve_weights)(s, images, weights, results, planes, sums, at);
        if (!OF_TYPE(all_finite)(weights, s->groups * s->results * weights_of(s)))
            OF_TYPE(convolve_plainly)(WEIGHTS, s, images, weights, results);
        break;
    }
}

INLINE I OF_TYPE(load_places)(const WHOLE *p) { return *(const I *)p; }
INLINE void OF_TYPE(store_places)(WHOLE *p, I x) { *(I *)p = x; }

/* The largest of every column that a row of windows sees, and where in its plane it lies; −1 where nothing is seen, and
   behind the last. Of equals the first is taken, and nan is more than all. */
static void OF_TYPE(look_down)(const int64_t *w, const ENTRY *plane, ptrdiff_t i, ENTRY *best, WHOLE *from) {
    const ptrdiff_t high = w[5], wide = w[6], first = i * w[9] - w[11];
    for (ptrdiff_t j = 0; j < wide; j += LANES) {
        const ptrdiff_t part = wide - j < LANES ? wide - j : LANES;
        V most = {0};
        I place = ~(I){0};
        for (ptrdiff_t a = 0, h = first; a < w[7]; a++, h += w[13]) {
            if (h < 0 || h >= high)
                continue;
            const ENTRY *row = plane + h * wide + j;
            V x = part == LANES ? OF_TYPE(load)(row) : OF_TYPE(load_part)(row, part);
            I more = (place < 0) | (x > most) | ((x != x) & (most == most));
            most = SELECT(more, x, most);
            place = (more & (OF_TYPE(places)() + (WHOLE)(h * wide + j))) | (~more & place);
        }
        OF_TYPE(store)(best + j, most);
        OF_TYPE(store_places)(from + j, place | (OF_TYPE(places)() >= (WHOLE)part));
    }
}

/* Of every window in a row its largest entry, and where in its plane it lies; −1 where a window sees none. */
INLINE void OF_TYPE(look_across)(const ptrdiff_t step, const int64_t *w, const ENTRY *best, const WHOLE *from,
                                 ENTRY *largest, WHOLE *at) {
    for (ptrdiff_t j = 0; j < w[16]; j += LANES) {
        V most = {0};
        I place = ~(I){0};
        for (ptrdiff_t b = 0, c = j * step; b < w[8]; b++, c += w[14]) {
            V x = OF_TYPE(load_apart)(best + c, step);
            I here = (I)OF_TYPE(load_apart)((const ENTRY *)from + c, step), earlier = here < place;
            I more = (x > most) | ((x == most) & earlier) | ((x != x) & ((most == most) | earlier));
            more = (here >= 0) & ((place < 0) | more);
            most = SELECT(more, x, most);
            place = (more & here) | (~more & place);
        }
        OF_TYPE(store)(largest + j, most);
        OF_TYPE(store_places)(at + j, place);
    }
}

static void OF_TYPE(pool)(const int64_t *w, char *const *memory) {
    const ptrdiff_t plane = w[5] * w[6], down = w[15], across = w[16], columns = w[25];
    const ENTRY *given = (const ENTRY *)(memory[w[17]] + w[18]), *x = (const ENTRY *)(memory[w[19]] + w[20]);
    ENTRY *out = (ENTRY *)(memory[w[21]] + w[22]), *best = (ENTRY *)(memory[w[23]] + w[24]);
    ENTRY *largest = best + columns;
    WHOLE *from = (WHOLE *)(largest + columns), *at = from + columns;
    const int same = given == x;
    memset(best, 0, (size_t)columns * sizeof(ENTRY));
    memset(from, -1, (size_t)columns * sizeof(WHOLE));
    if (w[3] == PUT_LARGEST)
        memset(out, 0, (size_t)(w[4] * plane) * sizeof(ENTRY));
    for (ptrdiff_t c = 0; c < w[4]; c++, x += plane)
        for (ptrdiff_t i = 0; i < down; i++) {
            OF_TYPE(look_down)(w, x, i, best + w[12], from + w[12]);
            switch (w[10]) {
            case 1: OF_TYPE(look_across)(1, w, best, from, largest, at); break;
            case 2: OF_TYPE(look_across)(2, w, best, from, largest, at); break;
            default: OF_TYPE(look_across)(w[10], w, best, from, largest, at);
            }
            ptrdiff_t row = (c * down + i) * across;
            if (w[3] == PUT_LARGEST) {
                for (ptrdiff_t j = 0; j < across; j++)
                    if (at[j] >= 0)
                        out[c * plane + at[j]] += given[row + j];
            } else if (same)
                OF_TYPE(copy_row)(out + row, largest, across);
            else
                for (ptrdiff_t j = 0; j < across; j++)
                    out[row + j] = at[j] < 0 ? 0 : given[c * plane + at[j]];
        }
}
