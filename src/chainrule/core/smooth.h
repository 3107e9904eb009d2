/* Smooth functions of single numbers and products with their slopes, over arrays: included once for each type of ENTRY.

   All is arithmetic without a branch, so that the compiler computes several entries at a time. Two pieces carry it: e^-s,
   within 1e-17, relative, in double precision and within 1e-8 in single, and erfc(z) e^(z^2) of error_function.h. It comes
   after loops.h. */

#ifndef SMOOTH
#define SMOOTH
#include <stdint.h>
#include <string.h>
#include "error_function.h"
#define ALWAYS static inline __attribute__((always_inline))
#define ROOT_HALF 0.70710678118654752
#define TWO_BY_ROOT_PI 1.1283791670955126
#define BELL_AT_0 0.3989422804014327 /* of the normal distribution: 1 / sqrt(2 pi) */

/* How a type of number is laid out, and how far out the bell curve e^(-z^2) is 0 in it. ROUNDER is so large that adding
   it rounds to a whole number n, and leaves the bits of 2^(n + LIFT) at the right end, to be moved into the exponent:
   LIFT keeps those of numbers below the smallest usual one apart from zero, until DROP takes it off. */
#define BITS_float int32_t
#define U_BITS_float uint32_t
#define MANTISSA_float 23
#define UPPER_HALF_float (~(int32_t)0xfff)
#define ROUNDER_float (0x1.8p23f + 127 + 64)
#define DROP_float 0x1p-64f
#define LN2_float 0.693145751953125f
#define LN2_REST_float 1.42860682031e-6f
#define FAR_float 10.5f

#define BITS_double int64_t
#define U_BITS_double uint64_t
#define MANTISSA_double 52
#define UPPER_HALF_double (~(int64_t)0x7ffffff)
#define ROUNDER_double (0x1.8p52 + 1023 + 128)
#define DROP_double 0x1p-128
#define LN2_double 0.69314718036912381649
#define LN2_REST_double 1.9082149292705878161e-10
#define FAR_double 28.0

/* e^r for r within ln(2) / 2 of 0 */
static const float exponential_float[] = {1.0f,         1.00000004f,   0.500000005f, 0.166664154f,
                                          0.0416663528f, 0.00837513477f, 0.00139411189f};
static const double exponential_double[] = {1.0,
                                            1.0,
                                            0.50000000000000184,
                                            0.16666666666666681,
                                            0.041666666666487953,
                                            0.0083333333333195896,
                                            0.0013888888952352863,
                                            0.00019841269890076403,
                                            2.4801485441561313e-5,
                                            2.7557240887229869e-6,
                                            2.7632654722527792e-7,
                                            2.511004920481866e-8};

#define SERIES(coefficients, x) \
    OF_TYPE(series)(OF_TYPE(coefficients), (int)(sizeof OF_TYPE(coefficients) / sizeof(ENTRY)), x)
#endif

/* What is added up here is meant in the order that it is written in. */
#if defined(__clang__)
#pragma clang fp reassociate(off)
#elif defined(__GNUC__)
#pragma GCC push_options
#pragma GCC optimize("no-associative-math")
#endif

ALWAYS ENTRY OF_TYPE(series)(const ENTRY *coefficients, const int count, ENTRY x) {
    ENTRY sum = coefficients[count - 1];
    for (int i = count - 2; i >= 0; i--)
        sum = sum * x + coefficients[i];
    return sum;
}

ALWAYS ENTRY OF_TYPE(at_most)(ENTRY most, ENTRY x) {
    return x > most ? most : x; /* nan stays */
}

/* e^-(s + rest), for s from 0 to FAR^2 and a small rest */
ALWAYS ENTRY OF_TYPE(fading)(ENTRY s, ENTRY rest) {
    const ENTRY shifted = s * (ENTRY)-1.4426950408889634 + OF_TYPE(ROUNDER), n = shifted - OF_TYPE(ROUNDER);
    const ENTRY r = (-s - n * OF_TYPE(LN2)) - (n * OF_TYPE(LN2_REST) + rest);
    OF_TYPE(BITS) bits;
    ENTRY power;
    memcpy(&bits, &shifted, sizeof bits);
    bits = (OF_TYPE(BITS))((OF_TYPE(U_BITS))bits << OF_TYPE(MANTISSA));
    memcpy(&power, &bits, sizeof bits);
    return SERIES(exponential, r) * power * OF_TYPE(DROP);
}

/* e^(-share z^2), where the square's last digits count for large z: the upper half of z has an exact square. */
ALWAYS ENTRY OF_TYPE(bell)(ENTRY z, ENTRY share) {
    OF_TYPE(BITS) bits;
    ENTRY upper;
    memcpy(&bits, &z, sizeof bits);
    bits &= OF_TYPE(UPPER_HALF);
    memcpy(&upper, &bits, sizeof bits);
    return OF_TYPE(fading)(share * (upper * upper), share * ((z - upper) * (z + upper)));
}

ALWAYS ENTRY OF_TYPE(over_bell)(ENTRY z) {
    return SERIES(above, z) / SERIES(below, z);
}

ALWAYS ENTRY OF_TYPE(erfc_at)(ENTRY x) {
    const ENTRY z = OF_TYPE(at_most)(OF_TYPE(FAR), (ENTRY)fabs(x)), tail = OF_TYPE(bell)(z, 1) * OF_TYPE(over_bell)(z);
    return x < 0 ? 2 - tail : tail;
}

ALWAYS ENTRY OF_TYPE(erf_at)(ENTRY x) {
    const ENTRY z = OF_TYPE(at_most)(OF_TYPE(FAR), (ENTRY)fabs(x)), tail = OF_TYPE(bell)(z, 1) * OF_TYPE(over_bell)(z);
    const ENTRY near = x * SERIES(near, z * z), far = x < 0 ? tail - 1 : 1 - tail;
    return z < (ENTRY)0.5 ? near : far;
}

ALWAYS ENTRY OF_TYPE(erf_slope)(ENTRY x) {
    return (ENTRY)TWO_BY_ROOT_PI * OF_TYPE(bell)(OF_TYPE(at_most)(OF_TYPE(FAR), (ENTRY)fabs(x)), 1);
}

ALWAYS ENTRY OF_TYPE(erfc_slope)(ENTRY x) {
    return -OF_TYPE(erf_slope)(x);
}

/* The share of the normal distribution below x, and with `dense` its bell curve times x besides. */
ALWAYS ENTRY OF_TYPE(share_below)(ENTRY x, const int dense) {
    const ENTRY z = OF_TYPE(at_most)((ENTRY)1.41 * OF_TYPE(FAR), (ENTRY)fabs(x)), bell = OF_TYPE(bell)(z, (ENTRY)0.5);
    const ENTRY tail = (ENTRY)0.5 * bell * OF_TYPE(over_bell)(z * (ENTRY)ROOT_HALF);
    return (x < 0 ? tail : 1 - tail) + (dense ? x * ((ENTRY)BELL_AT_0 * bell) : 0);
}

ALWAYS ENTRY OF_TYPE(gelu_at)(ENTRY x) {
    return x * OF_TYPE(share_below)(x, 0);
}

ALWAYS ENTRY OF_TYPE(gelu_slope)(ENTRY x) {
    return OF_TYPE(share_below)(x, 1);
}

/* The sigmoid of x where `side` is x, and 1 less it where that is -x; e^-|x| neither overflows nor cancels. */
ALWAYS ENTRY OF_TYPE(sigmoid_of)(ENTRY x, ENTRY side) {
    const ENTRY grown = OF_TYPE(fading)(OF_TYPE(at_most)(OF_TYPE(FAR) * OF_TYPE(FAR), (ENTRY)fabs(x)), 0);
    return (side < 0 ? grown : 1) / (1 + grown);
}

ALWAYS ENTRY OF_TYPE(logistic_at)(ENTRY x) {
    return OF_TYPE(sigmoid_of)(x, x);
}

ALWAYS ENTRY OF_TYPE(silu_at)(ENTRY x) {
    return x * OF_TYPE(sigmoid_of)(x, x);
}

ALWAYS ENTRY OF_TYPE(silu_slope)(ENTRY x) {
    return OF_TYPE(sigmoid_of)(x, x) * (1 + x * OF_TYPE(sigmoid_of)(x, -x));
}

#define EACH(name, becomes) \
    FOR_WIDE_PROCESSORS_TOO \
    static void OF_TYPE(name)(ptrdiff_t n, ENTRY *out, const ENTRY *x) { \
        for (ptrdiff_t i = 0; i < n; i++) \
            becomes; \
    }
EACH(erf, out[i] = OF_TYPE(erf_at)(x[i]))
EACH(erfc, out[i] = OF_TYPE(erfc_at)(x[i]))
EACH(gelu, out[i] = OF_TYPE(gelu_at)(x[i]))
EACH(logistic, out[i] = OF_TYPE(logistic_at)(x[i]))
EACH(silu, out[i] = OF_TYPE(silu_at)(x[i]))
EACH(erf_back, out[i] *= OF_TYPE(erf_slope)(x[i]))
EACH(erfc_back, out[i] *= OF_TYPE(erfc_slope)(x[i]))
EACH(gelu_back, out[i] *= OF_TYPE(gelu_slope)(x[i]))
EACH(silu_back, out[i] *= OF_TYPE(silu_slope)(x[i]))
#undef EACH

#if defined(__clang__)
#pragma clang fp reassociate(on)
#elif defined(__GNUC__)
#pragma GCC pop_options
#endif
