/* The longest loops of loops.pyx, in C for what Cython cannot say: included once for each type of ENTRY.

   On Linux each is compiled for newer x86 processors too, and the right one is taken when it is loaded. */

#ifndef OF_TYPE
#include <math.h>
#include <stddef.h>
#define PASTED(name, type) name##_##type
#define NAMED(name, type) PASTED(name, type)
#define OF_TYPE(name) NAMED(name, ENTRY)

#if defined(__x86_64__) && defined(__GLIBC__) && !defined(__clang__) && __GNUC__ >= 12
#define FOR_EVERY_PROCESSOR __attribute__((target_clones("arch=x86-64-v3", "default")))
#define FOR_WIDE_PROCESSORS_TOO __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define FOR_EVERY_PROCESSOR
#define FOR_WIDE_PROCESSORS_TOO
#endif
#endif

FOR_EVERY_PROCESSOR
static void OF_TYPE(descend)(ptrdiff_t n, ENTRY *data, const ENTRY *gradient, ENTRY rate) {
    for (ptrdiff_t i = 0; i < n; i++)
        data[i] -= rate * gradient[i];
}

FOR_EVERY_PROCESSOR
static void OF_TYPE(adam)(ptrdiff_t n, ENTRY *data, const ENTRY *gradient, ENTRY *mean, ENTRY *square, ENTRY first,
                          ENTRY second, ENTRY eps, ENTRY rate) {
    const ENTRY new_first = 1 - first, new_second = 1 - second;
    for (ptrdiff_t i = 0; i < n; i++) {
        mean[i] = first * mean[i] + new_first * gradient[i];
        square[i] = second * square[i] + new_second * gradient[i] * gradient[i];
        data[i] -= rate * mean[i] / ((ENTRY)sqrt(square[i]) + eps);
    }
}

/* Products of small matrices, and of matrices of which one has few rows, as a small batch has.

   A general routine first copies the matrices into blocks, which for ten rows takes as long as the product itself. Here
   a tile of the result is added up in registers, straight from the rows, several entries of a row at a time. */

#if defined(__GNUC__)
#ifndef MOST_ROWS
#define MOST_ROWS 16
#define TILE static inline __attribute__((always_inline)) void
#endif

#define LANES OF_TYPE(lanes)
#define WIDTH ((ptrdiff_t)(sizeof(LANES) / sizeof(ENTRY)))
typedef ENTRY LANES __attribute__((vector_size(32), aligned(sizeof(ENTRY)), may_alias));

/* A tile of `weighted`: m rows of x against n rows of w. */
TILE OF_TYPE(weighted_tile)(const int m, const int n, ptrdiff_t inner, ptrdiff_t columns, const ENTRY *x,
                            const ENTRY *w, const ENTRY *b, ENTRY *out) {
    LANES sums[5][2];
    ENTRY rest[5][2];
    ptrdiff_t k = 0;
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++) {
            sums[i][j] = (LANES){0};
            rest[i][j] = b[j];
        }
    for (; k + WIDTH <= inner; k += WIDTH)
        for (int i = 0; i < m; i++)
            for (int j = 0; j < n; j++)
                sums[i][j] += *(const LANES *)(x + i * inner + k) * *(const LANES *)(w + j * inner + k);
    for (; k < inner; k++)
        for (int i = 0; i < m; i++)
            for (int j = 0; j < n; j++)
                rest[i][j] += x[i * inner + k] * w[j * inner + k];
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++) {
            for (int lane = 0; lane < WIDTH; lane++)
                rest[i][j] += sums[i][j][lane];
            out[i * columns + j] = rest[i][j];
        }
}

TILE OF_TYPE(weighted_strip)(const int n, ptrdiff_t rows, ptrdiff_t inner, ptrdiff_t columns, const ENTRY *x,
                             const ENTRY *w, const ENTRY *b, ENTRY *out) {
    ptrdiff_t i = 0;
    for (; i + 5 <= rows; i += 5)
        OF_TYPE(weighted_tile)(5, n, inner, columns, x + i * inner, w, b, out + i * columns);
    for (; i + 2 <= rows; i += 2)
        OF_TYPE(weighted_tile)(2, n, inner, columns, x + i * inner, w, b, out + i * columns);
    for (; i < rows; i++)
        OF_TYPE(weighted_tile)(1, n, inner, columns, x + i * inner, w, b, out + i * columns);
}

/* out = x wT + b, where x has `rows` rows and w has `columns`, all of length `inner`. */
FOR_EVERY_PROCESSOR
static void OF_TYPE(weighted)(ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t inner, const ENTRY *x, const ENTRY *w,
                              const ENTRY *b, ENTRY *out) {
    ptrdiff_t j = 0;
    for (; j + 2 <= columns; j += 2)
        OF_TYPE(weighted_strip)(2, rows, inner, columns, x, w + j * inner, b + j, out + j);
    for (; j < columns; j++)
        OF_TYPE(weighted_strip)(1, rows, inner, columns, x, w + j * inner, b + j, out + j);
}

/* A tile of `outer_sum`: m rows of it, and n times as many columns as there are lanes. */
TILE OF_TYPE(outer_sum_tile)(const int m, const int n, ptrdiff_t rows, ptrdiff_t height, ptrdiff_t columns,
                          const ENTRY *g, const ENTRY *x, ENTRY *out) {
    LANES sums[3][3];
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++)
            sums[i][j] = (LANES){0};
    for (ptrdiff_t k = 0; k < rows; k++)
        for (int i = 0; i < m; i++)
            for (int j = 0; j < n; j++)
                sums[i][j] += g[k * height + i] * *(const LANES *)(x + k * columns + j * WIDTH);
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++)
            *(LANES *)(out + i * columns + j * WIDTH) = sums[i][j];
}

TILE OF_TYPE(outer_sum_strip)(const int m, ptrdiff_t rows, ptrdiff_t height, ptrdiff_t columns, const ENTRY *g,
                           const ENTRY *x, ENTRY *out) {
    ptrdiff_t j = 0;
    for (; j + 3 * WIDTH <= columns; j += 3 * WIDTH)
        OF_TYPE(outer_sum_tile)(m, 3, rows, height, columns, g, x + j, out + j);
    for (; j + WIDTH <= columns; j += WIDTH)
        OF_TYPE(outer_sum_tile)(m, 1, rows, height, columns, g, x + j, out + j);
    for (; j < columns; j++)
        for (int i = 0; i < m; i++) {
            ENTRY sum = 0;
            for (ptrdiff_t k = 0; k < rows; k++)
                sum += g[k * height + i] * x[k * columns + j];
            out[i * columns + j] = sum;
        }
}

/* out = gT x, where g has `rows` rows of length `height`, and x as many of length `columns`. */
FOR_EVERY_PROCESSOR
static void OF_TYPE(outer_sum)(ptrdiff_t rows, ptrdiff_t height, ptrdiff_t columns, const ENTRY *g, const ENTRY *x,
                            ENTRY *out) {
    ptrdiff_t i = 0;
    for (; i + 3 <= height; i += 3)
        OF_TYPE(outer_sum_strip)(3, rows, height, columns, g + i, x, out + i * columns);
    for (; i < height; i++)
        OF_TYPE(outer_sum_strip)(1, rows, height, columns, g + i, x, out + i * columns);
}

#undef LANES
#undef WIDTH

#elif !defined(MOST_ROWS) /* a compiler without vectors: all is left to the general routine */
#define MOST_ROWS 0
#define weighted_float(...)
#define weighted_double(...)
#define outer_sum_float(...)
#define outer_sum_double(...)
#endif
