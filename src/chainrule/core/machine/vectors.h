/* Vectors of ENTRY and what each instruction set has of its own: parts of a vector, square roots. */

#define PASTED(name, type) name##_##type
#define NAMED(name, type) PASTED(name, type)
#define OF_TYPE(name) NAMED(name, ENTRY)
#define V OF_TYPE(vector)
#define I OF_TYPE(whole)
#define LANES ((ptrdiff_t)(VECTOR_BYTES / sizeof(ENTRY)))

typedef ENTRY V __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(ENTRY)), may_alias));
typedef WHOLE I __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(ENTRY)), may_alias));

INLINE V OF_TYPE(load)(const ENTRY *p) { return *(const V *)p; }
INLINE void OF_TYPE(store)(ENTRY *p, V x) { *(V *)p = x; }
INLINE V OF_TYPE(all)(ENTRY x) { return x - (V){0}; }
INLINE V OF_TYPE(select)(I mask, V x, V y) { return (V)((mask & (I)x) | (~mask & (I)y)); }

#define ALL OF_TYPE(all)
#define SELECT OF_TYPE(select)

#if defined(OF_AVX512)
INLINE V OF_TYPE(load_part)(const ENTRY *p, ptrdiff_t n) {
    return sizeof(ENTRY) == 4 ? (V)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p)
                              : (V)_mm512_maskz_loadu_pd((__mmask8)((1u << n) - 1), p);
}
INLINE void OF_TYPE(store_part)(ENTRY *p, V x, ptrdiff_t n) {
    if (sizeof(ENTRY) == 4)
        _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)x);
    else
        _mm512_mask_storeu_pd(p, (__mmask8)((1u << n) - 1), (__m512d)x);
}
/* Half a vector at a time: processors divide, and take roots, of as many entries in less time so. */
INLINE V OF_TYPE(halves)(__m256 low, __m256 high) {
    return (V)_mm512_insertf32x8(_mm512_castps256_ps512(low), high, 1);
}
INLINE V OF_TYPE(root)(V x) {
    __m256 low = _mm512_castps512_ps256((__m512)x), high = _mm512_extractf32x8_ps((__m512)x, 1);
    if (sizeof(ENTRY) == 4)
        return OF_TYPE(halves)(_mm256_sqrt_ps(low), _mm256_sqrt_ps(high));
    return OF_TYPE(halves)((__m256)_mm256_sqrt_pd((__m256d)low), (__m256)_mm256_sqrt_pd((__m256d)high));
}
INLINE V OF_TYPE(quotient)(V x, V y) {
    if (sizeof(ENTRY) == 8)
        return x / y;
    return OF_TYPE(halves)(
        _mm256_div_ps(_mm512_castps512_ps256((__m512)x), _mm512_castps512_ps256((__m512)y)),
        _mm256_div_ps(_mm512_extractf32x8_ps((__m512)x, 1), _mm512_extractf32x8_ps((__m512)y, 1)));
}
#elif defined(OF_AVX2)
static const WHOLE OF_TYPE(window)[2 * VECTOR_BYTES / sizeof(ENTRY)] = {[0 ... VECTOR_BYTES / sizeof(ENTRY) - 1] = -1};
INLINE __m256i OF_TYPE(first)(ptrdiff_t n) {
    return _mm256_loadu_si256((const __m256i *)(OF_TYPE(window) + LANES - n));
}
INLINE V OF_TYPE(load_part)(const ENTRY *p, ptrdiff_t n) {
    return sizeof(ENTRY) == 4 ? (V)_mm256_maskload_ps((const float *)p, OF_TYPE(first)(n))
                              : (V)_mm256_maskload_pd((const double *)p, OF_TYPE(first)(n));
}
INLINE void OF_TYPE(store_part)(ENTRY *p, V x, ptrdiff_t n) {
    if (sizeof(ENTRY) == 4)
        _mm256_maskstore_ps((float *)p, OF_TYPE(first)(n), (__m256)x);
    else
        _mm256_maskstore_pd((double *)p, OF_TYPE(first)(n), (__m256d)x);
}
INLINE V OF_TYPE(root)(V x) {
    return sizeof(ENTRY) == 4 ? (V)_mm256_sqrt_ps((__m256)x) : (V)_mm256_sqrt_pd((__m256d)x);
}
#else
INLINE V OF_TYPE(load_part)(const ENTRY *p, ptrdiff_t n) {
    V x = {0};
    for (ptrdiff_t i = 0; i < n; i++)
        x[i] = p[i];
    return x;
}
INLINE void OF_TYPE(store_part)(ENTRY *p, V x, ptrdiff_t n) {
    for (ptrdiff_t i = 0; i < n; i++)
        p[i] = x[i];
}
INLINE V OF_TYPE(root)(V x) {
    for (ptrdiff_t i = 0; i < LANES; i++)
        x[i] = sizeof(ENTRY) == 4 ? __builtin_sqrtf((float)x[i]) : __builtin_sqrt(x[i]);
    return x;
}
#endif

#if !defined(OF_AVX512)
INLINE V OF_TYPE(quotient)(V x, V y) { return x / y; }
#endif

INLINE I OF_TYPE(places)(void) {
    I x;
    for (ptrdiff_t i = 0; i < LANES; i++)
        x[i] = (WHOLE)i;
    return x;
}

/* x y + z, of which the product is not rounded, where processors have that. */
#if defined(OF_AVX512)
INLINE V OF_TYPE(fused)(V x, V y, V z) {
    return sizeof(ENTRY) == 4 ? (V)_mm512_fmadd_ps((__m512)x, (__m512)y, (__m512)z)
                              : (V)_mm512_fmadd_pd((__m512d)x, (__m512d)y, (__m512d)z);
}
#elif defined(OF_AVX2)
INLINE V OF_TYPE(fused)(V x, V y, V z) {
    return sizeof(ENTRY) == 4 ? (V)_mm256_fmadd_ps((__m256)x, (__m256)y, (__m256)z)
                              : (V)_mm256_fmadd_pd((__m256d)x, (__m256d)y, (__m256d)z);
}
#elif defined(__aarch64__)
INLINE V OF_TYPE(fused)(V x, V y, V z) {
    return sizeof(ENTRY) == 4 ? (V)vfmaq_f32((float32x4_t)z, (float32x4_t)x, (float32x4_t)y)
                              : (V)vfmaq_f64((float64x2_t)z, (float64x2_t)x, (float64x2_t)y);
}
#else
INLINE V OF_TYPE(fused)(V x, V y, V z) { return x * y + z; }
#endif

/* n of LANES entries; where masks cost something, all of them are read and written without. */
#if defined(OF_AVX512)
#define HAS_ALL(n) 0
#else
#define HAS_ALL(n) ((n) == LANES)
#endif
INLINE V OF_TYPE(load_lanes)(const ENTRY *p, ptrdiff_t n) {
    return HAS_ALL(n) ? OF_TYPE(load)(p) : OF_TYPE(load_part)(p, n);
}
INLINE void OF_TYPE(store_lanes)(ENTRY *p, V x, ptrdiff_t n) {
    if (HAS_ALL(n))
        OF_TYPE(store)(p, x);
    else
        OF_TYPE(store_part)(p, x, n);
}
#undef HAS_ALL

/* x, or a bound where it is beyond that; nan stays. Processors return the second operand where one is nan. */
#if defined(__x86_64__)
#if defined(OF_AVX512)
#define BOUND(which, a, b)                                                                                             \
    sizeof(ENTRY) == 4 ? (V)_mm512_##which##_ps((__m512)(a), (__m512)(b)) : (V)_mm512_##which##_pd((__m512d)(a), (__m512d)(b))
#elif defined(OF_AVX2)
#define BOUND(which, a, b)                                                                                             \
    sizeof(ENTRY) == 4 ? (V)_mm256_##which##_ps((__m256)(a), (__m256)(b)) : (V)_mm256_##which##_pd((__m256d)(a), (__m256d)(b))
#else
#define BOUND(which, a, b)                                                                                             \
    sizeof(ENTRY) == 4 ? (V)_mm_##which##_ps((__m128)(a), (__m128)(b)) : (V)_mm_##which##_pd((__m128d)(a), (__m128d)(b))
#endif
INLINE V OF_TYPE(at_most)(ENTRY most, V x) { return BOUND(min, ALL(most), x); }
INLINE V OF_TYPE(at_least)(ENTRY least, V x) { return BOUND(max, ALL(least), x); }
INLINE V OF_TYPE(larger_number)(V x, V y) { return BOUND(max, x, y); }
#undef BOUND
#else
INLINE V OF_TYPE(at_most)(ENTRY most, V x) { return SELECT(x > most, ALL(most), x); }
INLINE V OF_TYPE(at_least)(ENTRY least, V x) { return SELECT(x < least, ALL(least), x); }
INLINE V OF_TYPE(larger_number)(V x, V y) { return SELECT(x > y, x, y); }
#endif

/* The size of x; a number of that size and the sign of y. */
INLINE V OF_TYPE(size_of)(V x) { return (V)((I)x & ~(I)ALL(-(ENTRY)0.0)); }
INLINE V OF_TYPE(signed_as)(V size, V y) { return (V)((I)size | ((I)y & (I)ALL(-(ENTRY)0.0))); }

/* x / y within a unit in the last place, for y far from both ends of the range: where dividing takes longest, by one over
   y to 14 bits and one step of Newton's. */
INLINE V OF_TYPE(ratio)(V x, V y) {
#if defined(OF_AVX512)
    if (sizeof(ENTRY) == 4) {
        V over = (V)_mm512_rcp14_ps((__m512)y), found = x * over;
        return found + over * (x - found * y);
    }
#endif
    return x / y;
}

/* The larger, the smaller; nan where one is nan, y where both are 0: of -0 and 0 the second, as NumPy gives. */
INLINE V OF_TYPE(larger)(V x, V y) { return SELECT((x > y) | (x != x), x, y); }
INLINE V OF_TYPE(smaller)(V x, V y) { return SELECT((x < y) | (x != x), x, y); }

/* x where it is above 0, else 0; nan stays. */
INLINE V OF_TYPE(positive)(V x) { return SELECT(x <= (V){0}, (V){0}, x); }

/* Lanes of two vectors, which count on from the first to the second. */
INLINE V OF_TYPE(picked)(V x, V y, I from) {
#if defined(__clang__)
    V found;
    for (ptrdiff_t i = 0; i < LANES; i++)
        found[i] = from[i] < LANES ? x[from[i]] : y[from[i] - LANES];
    return found;
#else
    return __builtin_shuffle(x, y, from);
#endif
}

/* Lanes exchanged with those that far away, so that after log₂ LANES steps all lanes hold the same. */
INLINE V OF_TYPE(exchanged)(V x, WHOLE apart) {
#if defined(__clang__)
    V turned;
    for (ptrdiff_t i = 0; i < LANES; i++)
        turned[i] = x[i ^ apart];
    return turned;
#else
    return __builtin_shuffle(x, OF_TYPE(places)() ^ apart);
#endif
}

INLINE ENTRY OF_TYPE(sum_of)(V x) {
    for (WHOLE apart = (WHOLE)LANES / 2; apart; apart /= 2)
        x += OF_TYPE(exchanged)(x, apart);
    return x[0];
}
INLINE ENTRY OF_TYPE(largest_of)(V x) {
    for (WHOLE apart = (WHOLE)LANES / 2; apart; apart /= 2)
        x = OF_TYPE(larger)(x, OF_TYPE(exchanged)(x, apart));
    return x[0];
}
INLINE ENTRY OF_TYPE(smallest_of)(V x) {
    for (WHOLE apart = (WHOLE)LANES / 2; apart; apart /= 2)
        x = OF_TYPE(smaller)(x, OF_TYPE(exchanged)(x, apart));
    return x[0];
}

/* Of two vectors the lanes in the first half of every stretch of twice `apart`, side by side; and those in the second. */
INLINE V OF_TYPE(firsts)(V x, V y, WHOLE apart) {
    I place = OF_TYPE(places)(), of_second = (place & apart) != 0;
    return OF_TYPE(picked)(x, y, place + (of_second & (WHOLE)(LANES - apart)));
}
INLINE V OF_TYPE(seconds)(V x, V y, WHOLE apart) {
    I place = OF_TYPE(places)(), of_second = (place & apart) != 0;
    return OF_TYPE(picked)(x, y, place + (of_second & (WHOLE)LANES) + (~of_second & apart));
}

/* Half as many lanes of each of two vectors: what lies that far apart is added up. */
INLINE V OF_TYPE(halved)(V x, V y, WHOLE apart) {
    return OF_TYPE(firsts)(x, y, apart) + OF_TYPE(seconds)(x, y, apart);
}

/* As many vectors as they have lanes, rows become columns. */
INLINE void OF_TYPE(turn_square)(V *x) {
    UNROLLED for (WHOLE apart = (WHOLE)LANES / 2; apart; apart /= 2)
        UNROLLED for (WHOLE i = 0; i < (WHOLE)LANES; i++)
            if (!(i & apart)) {
                V first = OF_TYPE(firsts)(x[i], x[i + apart], apart);
                x[i + apart] = OF_TYPE(seconds)(x[i], x[i + apart], apart);
                x[i] = first;
            }
}

/* The sums of one, two or four vectors in the first lanes, each added up in the order of sum_of. */
INLINE V OF_TYPE(sums_of)(const V *x, const int n) {
    const WHOLE half = (WHOLE)LANES / 2;
    V sum = n == 1 ? x[0]
          : n == 2 ? OF_TYPE(halved)(x[0], x[1], half)
                   : OF_TYPE(halved)(OF_TYPE(halved)(x[0], x[2], half), OF_TYPE(halved)(x[1], x[3], half), half / 2);
    for (WHOLE apart = half / n; apart; apart /= 2)
        sum += OF_TYPE(exchanged)(sum, apart);
    return n == 1 ? sum : OF_TYPE(picked)(sum, sum, OF_TYPE(places)() * (WHOLE)(LANES / n) & (WHOLE)(LANES - 1));
}
