/* Exponentials, logarithms and the error function of vectors over the whole range: within two units in the last place,
   tanh and the sigmoid within two and a half, erf within four and its complement within eight.

   The reductions and the coefficients of the logarithm are those of FDLIBM (Sun Microsystems, 1993). Sums must stay in
   the order in which they are written: these files are compiled without permission to rearrange them. */

#include "error_function.h"

#if ENTRY_IS_DOUBLE
#define SHIFT 52
#define ROUNDER 6755399441055744.0
#define LN2_HIGH 6.93147180369123816490e-01
#define LN2_LOW 1.90821492927058770002e-10
#define TOP 710.0
#define BOTTOM (-746.0)
#define BIAS 1023
#define ROOT_HALF 0x3fe6a09e667f3bcdLL
#define SMALLEST_NORMAL 2.2250738585072014e-308
#define UP 54
#define FAR_OUT 28.0
#define UPPER_HALF (~(WHOLE)0x7ffffff)
#else
#define SHIFT 23
#define ROUNDER 12582912.0f
#define LN2_HIGH 0.693359375f
#define LN2_LOW -2.12194440e-4f
#define TOP 89.0f
#define BOTTOM (-104.0f)
#define BIAS 127
#define ROOT_HALF 0x3f3504f3
#define SMALLEST_NORMAL 1.17549435e-38f
#define UP 25
#define FAR_OUT 10.5f
#define UPPER_HALF (~(WHOLE)0xfff)
#endif

INLINE V OF_TYPE(power_of_two)(I k) { return (V)((k + BIAS) << SHIFT); }

/* x times 2 to the power of k, from numbers without a full fraction to infinity. */
INLINE V OF_TYPE(scaled)(V x, I k) {
#if defined(OF_AVX512)
    return sizeof(ENTRY) == 4 ? (V)_mm512_scalef_ps((__m512)x, _mm512_cvtepi32_ps((__m512i)k))
                              : (V)_mm512_scalef_pd((__m512d)x, _mm512_cvtepi64_pd((__m512i)k));
#else
    I half = k >> 1;
    return x * OF_TYPE(power_of_two)(half) * OF_TYPE(power_of_two)(k - half);
#endif
}

/* k and r with so many x = k ln 2 + r, r as small as can be. */
INLINE I OF_TYPE(halvings)(V x, const ENTRY many, V *r) {
    V shifted = x * (many * (ENTRY)1.44269504088896340736) + ROUNDER;
    V k = shifted - ROUNDER;
    *r = (many * x - k * (ENTRY)LN2_HIGH) - k * (ENTRY)LN2_LOW;
    return (I)shifted - (I)ALL(ROUNDER);
}

/* (eʳ − 1 − r) / r² for r within ln 2 / 2 of 0, interpolated at Chebyshev's points in 60 digits: within 2e-17 of eʳ in double
   precision and 1e-8 in single. */
INLINE V OF_TYPE(rest_of_power)(V r) {
#if ENTRY_IS_DOUBLE
    static const double over[] = {2.51003758422237e-08,  2.7620075892548164e-07, 2.7557268480289716e-06,
                                  2.480152132234228e-05, 0.00019841269863040559, 0.0013888888917196736,
                                  0.008333333333330065,  0.041666666666624164,   0.16666666666666669, 0.5};
    // Neighbours first: one after the other, each would wait for the one before.
    V square = r * r, fourth = square * square;
    return (((over[0] * r + over[1]) * fourth + ((over[2] * r + over[3]) * square + (over[4] * r + over[5]))) * fourth) +
           ((over[6] * r + over[7]) * square + (over[8] * r + over[9]));
#else
    static const float over[] = {0.0013926176f, 0.008363173f, 0.041666556f, 0.16666578f, 0.5f};
    V sum = ALL(over[0]);
    for (int i = 1; i < 5; i++)
        sum = sum * r + over[i];
    return sum;
#endif
}

/* e to the power of x and a small rest. */
INLINE V OF_TYPE(exp_of_sum)(V x, V rest) {
    // Far below, as behind a mask, all is 0: to compute that by numbers without a full fraction costs a hundredfold.
    I gone = x < BOTTOM;
    V r;
    I k = OF_TYPE(halvings)(OF_TYPE(at_most)(TOP, SELECT(gone, (V){0}, x)), 1, &r);
    r += rest;
    return SELECT(gone, (V){0}, OF_TYPE(scaled)(1 + (r + r * r * OF_TYPE(rest_of_power)(r)), k));
}

INLINE V OF_TYPE(exp)(V x) { return OF_TYPE(exp_of_sum)(x, (V){0}); }

/* e to the power of so many x, less 1, for exponents from −44 to 44, beyond which every digit is that of −1, or of the power. */
INLINE V OF_TYPE(expm1_inside)(V x, const ENTRY many) {
    V r;
    I k = OF_TYPE(halvings)(x, many, &r);
    V two = OF_TYPE(power_of_two)(k);
    return two * (r + r * r * OF_TYPE(rest_of_power)(r)) + (two - 1);
}

INLINE V OF_TYPE(expm1)(V x) {
    V near = OF_TYPE(expm1_inside)(OF_TYPE(at_least)(-44, OF_TYPE(at_most)(44, x)), 1);
    return SELECT(x > 44, OF_TYPE(exp)(x), SELECT(x == 0, x, near));
}

INLINE V OF_TYPE(tanh)(V x) {
    V size = OF_TYPE(size_of)(x), grown = OF_TYPE(expm1_inside)(size, 2), found = OF_TYPE(ratio)(grown, grown + 2);
    return OF_TYPE(signed_as)(SELECT(size > 22, ALL(1), found), x);
}

INLINE V OF_TYPE(sigmoid)(V x) {
    V shrunk = OF_TYPE(exp)(-OF_TYPE(size_of)(x));
    return OF_TYPE(ratio)(SELECT(x > 0, ALL(1), shrunk), 1 + shrunk);
}

INLINE V OF_TYPE(log)(V x) {
    I tiny = (I)(x < SMALLEST_NORMAL);
    V scaled = SELECT(tiny, x * (ENTRY)((int64_t)1 << UP), x);
    // Without its sign, for a number below 0 has no logarithm whatever comes out here, and whole numbers must not run over.
    I bits = (I)scaled & ~(I)ALL(-(ENTRY)0.0), exponent = (bits - (WHOLE)ROOT_HALF) >> SHIFT;
    V f = (V)(bits - (exponent << SHIFT)) - 1;
    exponent -= tiny & UP;
    V k = (V)((I)ALL(ROUNDER) + exponent) - ROUNDER, s = f / (2 + f), z = s * s, half = (ENTRY)0.5 * f * f;
#if ENTRY_IS_DOUBLE
    static const double over[] = {1.479819860511658591e-01, 1.531383769920937332e-01, 1.818357216161805012e-01,
                                  2.222219843214978396e-01, 2.857142874366239149e-01, 3.999999999940941908e-01,
                                  6.666666666666735130e-01};
    enum { TERMS = 7 };
    const double high = LN2_HIGH, low = LN2_LOW;
#else
    static const float over[] = {0.24279078841f, 0.28498786688f, 0.40000972152f, 0.66666662693f};
    enum { TERMS = 4 };
    const float high = 6.9313812256e-01f, low = 9.0580006145e-06f;
#endif
    V sum = ALL(over[0]);
    for (int i = 1; i < TERMS; i++)
        sum = sum * z + over[i];
    V found = k * high - ((half - (s * (half + sum * z) + k * low)) - f);
    found = SELECT(x < 0, ALL((ENTRY)__builtin_nan("")), SELECT(x == 0, ALL(-(ENTRY)__builtin_inf()), found));
    return SELECT((x == (ENTRY)__builtin_inf()) | (x != x), x, found);
}

INLINE V OF_TYPE(log1p)(V x) {
    V u = 1 + x, lost = SELECT(x < 1, x - (u - 1), 1 - (u - x));
    V found = OF_TYPE(log)(u) + lost / u;
    I as_log = (I)(u == (ENTRY)__builtin_inf()) | (I)(u <= 0);
    return SELECT(x == 0, x, SELECT(as_log, OF_TYPE(log)(u), found));
}

INLINE V OF_TYPE(logaddexp)(V x, V y) {
    V top = OF_TYPE(larger)(x, y), apart = x - y, below = SELECT(apart > 0, -apart, apart);
    V found = top + OF_TYPE(log1p)(OF_TYPE(exp)(below));
    return SELECT(x == y, x + (ENTRY)0.693147180559945309417, found);
}

INLINE V OF_TYPE(series)(const ENTRY *coefficients, const int count, V x) {
    V sum = ALL(coefficients[count - 1]);
    for (int i = count - 2; i >= 0; i--)
        sum = sum * x + coefficients[i];
    return sum;
}
#define SERIES(coefficients, x)                                                                                        \
    OF_TYPE(series)(OF_TYPE(coefficients), (int)(sizeof OF_TYPE(coefficients) / sizeof(ENTRY)), x)

/* e to the power of −share z² for z from 0 on. The last digits of z² count where it is large: the upper half of z has an
   exact square. */
INLINE V OF_TYPE(bell_of)(V z, ENTRY share) {
    V upper = (V)((I)z & UPPER_HALF);
    return OF_TYPE(exp_of_sum)(-share * (upper * upper), share * ((upper - z) * (upper + z)));
}
INLINE V OF_TYPE(bell)(V x, ENTRY share) { return OF_TYPE(bell_of)(OF_TYPE(at_most)(FAR_OUT, OF_TYPE(size_of)(x)), share); }
INLINE V OF_TYPE(over_bell)(V z) { return OF_TYPE(ratio)(SERIES(above, z), SERIES(below, z)); }

/* erfc of z from 0 on. */
INLINE V OF_TYPE(erfc_above)(V z) {
    V inside = OF_TYPE(at_most)(FAR_OUT, z);
    return OF_TYPE(bell_of)(inside, 1) * OF_TYPE(over_bell)(inside);
}

/* The share of the normal distribution below x, and with `dense` x times its density besides. */
INLINE V OF_TYPE(normal_cdf)(V x, const int dense) {
    V z = OF_TYPE(at_most)((ENTRY)1.41 * FAR_OUT, OF_TYPE(size_of)(x)), bell = OF_TYPE(bell_of)(z, (ENTRY)0.5);
    V tail = (ENTRY)0.5 * bell * OF_TYPE(over_bell)(z * (ENTRY)0.70710678118654752), share = SELECT(x < 0, tail, 1 - tail);
    if (dense)
        share += x * ((ENTRY)0.3989422804014327 * bell);
    return share;
}

INLINE V OF_TYPE(erf)(V x) {
    V z = OF_TYPE(size_of)(x), far = 1 - OF_TYPE(erfc_above)(z), near = z * SERIES(near, z * z);
    return OF_TYPE(signed_as)(SELECT(z < (ENTRY)0.5, near, far), x);
}

INLINE V OF_TYPE(erfc)(V x) {
    V tail = OF_TYPE(erfc_above)(OF_TYPE(size_of)(x));
    return SELECT(x < 0, 2 - tail, tail);
}
