# cython: language_level=3, cdivision=True
"""Loops over arrays, where NumPy would take many passes: each is the twin of a kernel or a rule of the same name.

What is written with NumPy there says what is computed, and is what runs where this file was not compiled; the tests hold
the two together. The twin of a pointwise rule's local derivative is named after the rule, as ``sigmoid_back``: it
multiplies a gradient by it, in place.

A loop takes contiguous arrays of one type, float32 or float64, and answers `NotImplemented` to anything else, which is
then left to NumPy.

Another thread may do with the arrays what it likes. It can write numbers into them at any time, since NumPy works
without Python's lock; so whatever is read by is a copy of what the caller gave, checked after it was made. It can change
their sizes only while Python lets it, which is wherever Python code is called and nowhere in a loop; so sizes are read
after the last such call.

The loops are one unit, since all of them share the few C functions that check an array and make another; what is plain
C stands in files of its own beside it.
"""

from cython cimport floating
from libc.math cimport log, log1p, sqrt
from numpy cimport (
    NPY_CORDER,
    NPY_DOUBLE,
    NPY_FLOAT,
    NPY_INTP,
    PyArray_DATA,
    PyArray_DIM,
    PyArray_DIMS,
    PyArray_EMPTY,
    PyArray_ISCARRAY,
    PyArray_ISCARRAY_RO,
    PyArray_NDIM,
    PyArray_NewCopy,
    PyArray_SAMESHAPE,
    PyArray_SIZE,
    PyArray_TYPE,
    PyArray_ZEROS,
    import_array,
    ndarray,
    npy_intp,
)

import numpy as np

import_array()

cdef object exp = np.exp
cdef object float32 = np.float32
cdef object float64 = np.float64


cdef extern from *:
    """
    #if defined(__SSE__) || defined(_M_X64)
    #include <xmmintrin.h>
    static unsigned int tiny_is_zero(void) {
        unsigned int before = _mm_getcsr();
        _mm_setcsr(before | 0x8040);
        return before;
    }
    static void tiny_as_before(unsigned int before) { _mm_setcsr(before); }
    #else
    static unsigned int tiny_is_zero(void) { return 0; }
    static void tiny_as_before(unsigned int before) { (void) before; }
    #endif

    #define ENTRY float
    #include "loops.h"
    #include "smooth.h"
    #undef ENTRY
    #define ENTRY double
    #include "loops.h"
    #include "smooth.h"
    #undef ENTRY
    """
    unsigned int tiny_is_zero()
    # Running means of gradients that have stopped fade to numbers like 1e-40, each of which takes some processors a
    # hundred times longer than a usual one: an epoch of MNIST got 15 % slower when they appeared, in its third epoch.
    void tiny_as_before(unsigned int before)

    void descend_float(Py_ssize_t n, float *data, float *gradient, float rate) noexcept
    void descend_double(Py_ssize_t n, double *data, double *gradient, double rate) noexcept
    void adam_float(
        Py_ssize_t n, float *data, float *gradient, float *mean, float *square,
        float first, float second, float eps, float rate,
    ) noexcept
    void adam_double(
        Py_ssize_t n, double *data, double *gradient, double *mean, double *square,
        double first, double second, double eps, double rate,
    ) noexcept
    Py_ssize_t MOST_ROWS
    void weighted_float(
        Py_ssize_t rows, Py_ssize_t columns, Py_ssize_t inner, float *x, float *w, float *b, float *out
    ) noexcept
    void weighted_double(
        Py_ssize_t rows, Py_ssize_t columns, Py_ssize_t inner, double *x, double *w, double *b, double *out
    ) noexcept
    void outer_sum_float(
        Py_ssize_t rows, Py_ssize_t height, Py_ssize_t columns, float *g, float *x, float *out
    ) noexcept
    void outer_sum_double(
        Py_ssize_t rows, Py_ssize_t height, Py_ssize_t columns, double *g, double *x, double *out
    ) noexcept

    void erf_float(Py_ssize_t n, float *out, const float *x) noexcept
    void erf_double(Py_ssize_t n, double *out, const double *x) noexcept
    void erfc_float(Py_ssize_t n, float *out, const float *x) noexcept
    void erfc_double(Py_ssize_t n, double *out, const double *x) noexcept
    void gelu_float(Py_ssize_t n, float *out, const float *x) noexcept
    void gelu_double(Py_ssize_t n, double *out, const double *x) noexcept
    void logistic_float(Py_ssize_t n, float *out, const float *x) noexcept
    void logistic_double(Py_ssize_t n, double *out, const double *x) noexcept
    void silu_float(Py_ssize_t n, float *out, const float *x) noexcept
    void silu_double(Py_ssize_t n, double *out, const double *x) noexcept
    void erf_back_float(Py_ssize_t n, float *g, const float *x) noexcept
    void erf_back_double(Py_ssize_t n, double *g, const double *x) noexcept
    void erfc_back_float(Py_ssize_t n, float *g, const float *x) noexcept
    void erfc_back_double(Py_ssize_t n, double *g, const double *x) noexcept
    void gelu_back_float(Py_ssize_t n, float *g, const float *x) noexcept
    void gelu_back_double(Py_ssize_t n, double *g, const double *x) noexcept
    void silu_back_float(Py_ssize_t n, float *g, const float *x) noexcept
    void silu_back_double(Py_ssize_t n, double *g, const double *x) noexcept


cdef Py_ssize_t MOST_WEIGHTS = 1 << 16
"""Larger matrices gain from several cores, which the loops here do not use."""


cdef int kind(object x) noexcept:
    """The number of NumPy's for the type of an array of float32 or float64 in one piece; 0 for anything else."""
    if type(x) is not ndarray or not PyArray_ISCARRAY_RO(<ndarray> x):
        return 0
    cdef int number = PyArray_TYPE(<ndarray> x)
    return number if number == NPY_FLOAT or number == NPY_DOUBLE else 0


cdef bint changeable(object x) noexcept:
    return PyArray_ISCARRAY(<ndarray> x)


cdef Py_ssize_t size(object x) noexcept:
    return PyArray_SIZE(<ndarray> x)


cdef int axes(object x) noexcept:
    return PyArray_NDIM(<ndarray> x)


cdef Py_ssize_t length(object x, int axis) noexcept:
    return PyArray_DIM(<ndarray> x, axis)


cdef Py_ssize_t columns_of(object x) noexcept:
    """The length of an array's rows; 0 where it has none."""
    return length(x, axes(x) - 1) if axes(x) and size(x) else 0


cdef void *at(object x) noexcept:
    return PyArray_DATA(<ndarray> x)


cdef object room_like(object x):
    """An array of the same shape and type, with anything in it."""
    return PyArray_EMPTY(axes(x), PyArray_DIMS(<ndarray> x), PyArray_TYPE(<ndarray> x), 0)


cdef double only(object x) noexcept:
    """The entry of an array that has one."""
    return (<float *> at(x))[0] if kind(x) == NPY_FLOAT else (<double *> at(x))[0]


cdef object number(double x, int of):
    """A number as NumPy gives one, of a type by its number."""
    return float32(x) if of == NPY_FLOAT else float64(x)


def adam_step(data, gradient, mean, square, double first, double second, double eps, double rate, work):
    cdef int of = kind(data)
    cdef Py_ssize_t n
    if not of or kind(gradient) != of or kind(mean) != of or kind(square) != of:
        return NotImplemented
    n = size(data)
    if size(gradient) != n or size(mean) != n or size(square) != n:
        return NotImplemented
    if not (changeable(data) and changeable(mean) and changeable(square)):
        return NotImplemented
    cdef unsigned int before = tiny_is_zero()
    if of == NPY_FLOAT:
        adam_float(
            n, <float *> at(data), <float *> at(gradient), <float *> at(mean), <float *> at(square),
            first, second, eps, rate,
        )
    else:
        adam_double(
            n, <double *> at(data), <double *> at(gradient), <double *> at(mean), <double *> at(square),
            first, second, eps, rate,
        )
    tiny_as_before(before)


def descent_step(data, gradient, double rate, work):
    cdef int of = kind(data)
    if not of or kind(gradient) != of or size(gradient) != size(data) or not changeable(data):
        return NotImplemented
    if of == NPY_FLOAT:
        descend_float(size(data), <float *> at(data), <float *> at(gradient), rate)
    else:
        descend_double(size(data), <double *> at(data), <double *> at(gradient), rate)


cdef void shift_loop(Py_ssize_t rows, Py_ssize_t columns, const floating *x, floating *out) noexcept:
    """Each row less its largest entry."""
    cdef Py_ssize_t i, j
    cdef floating largest
    for i in range(rows):
        largest = x[0]
        for j in range(1, columns):
            largest = x[j] if x[j] > largest else largest
        for j in range(columns):
            out[j] = x[j] - largest
        x += columns
        out += columns


cdef void share_loop(Py_ssize_t rows, Py_ssize_t columns, floating *x) noexcept:
    """Each row divided by its sum."""
    cdef Py_ssize_t i, j
    cdef floating total
    for i in range(rows):
        total = 0
        for j in range(columns):
            total += x[j]
        for j in range(columns):
            x[j] /= total
        x += columns


cdef double surprise_loop(
    Py_ssize_t rows, Py_ssize_t columns, const floating *x, const floating *grown, const Py_ssize_t *target
) noexcept:
    """The sum over rows of ln(sum of `grown`, the exponentials of x) less x at the target."""
    cdef Py_ssize_t i, j
    cdef floating total
    cdef double surprise = 0
    for i in range(rows):
        total = 0
        for j in range(columns):
            total += grown[j]
        surprise += log(total) - x[target[i]]
        x += columns
        grown += columns
    return surprise


cdef void less_one_loop(
    Py_ssize_t rows, Py_ssize_t columns, floating *x, const Py_ssize_t *target, floating factor
) noexcept:
    cdef Py_ssize_t i
    for i in range(rows):
        x[i * columns + target[i]] -= 1
    for i in range(rows * columns):
        x[i] *= factor


cdef object own_places(object places):
    """A copy of an array of places; None if it is none."""
    if type(places) is not ndarray or PyArray_TYPE(<ndarray> places) != NPY_INTP:
        return None
    places = PyArray_NewCopy(<ndarray> places, NPY_CORDER)
    return places if PyArray_ISCARRAY(<ndarray> places) else None


cdef bint fits(object places, object x) noexcept:
    """Whether there is one place for each row of x, all of them columns of x."""
    cdef Py_ssize_t i
    if places is None or axes(places) != 1 or axes(x) != 2 or size(places) != length(x, 0):
        return False
    for i in range(size(places)):
        if not 0 <= (<Py_ssize_t *> at(places))[i] < length(x, 1):
            return False
    return True


def negative_log_likelihood(x, target):
    cdef int of
    cdef Py_ssize_t rows, columns
    cdef double surprise
    places = own_places(target)
    of = kind(x)
    if not of or not size(x) or not fits(places, x):
        return NotImplemented
    rows, columns = length(x, 0), length(x, 1)
    shifted = room_like(x)
    if of == NPY_FLOAT:
        shift_loop[float](rows, columns, <float *> at(x), <float *> at(shifted))
    else:
        shift_loop[double](rows, columns, <double *> at(x), <double *> at(shifted))
    grown = exp(shifted)
    if of == NPY_FLOAT:
        surprise = surprise_loop[float](
            rows, columns, <float *> at(shifted), <float *> at(grown), <Py_ssize_t *> at(places)
        )
    else:
        surprise = surprise_loop[double](
            rows, columns, <double *> at(shifted), <double *> at(grown), <Py_ssize_t *> at(places)
        )
    return number(surprise / rows, of)


def cross_entropy_x(g, x, target):
    if not kind(x) or not size(x) or kind(g) != kind(x) or size(g) != 1:
        return NotImplemented
    cdef double factor = only(g) / length(x, 0)
    places, shares = own_places(target), PyArray_NewCopy(<ndarray> x, NPY_CORDER)
    if not fits(places, shares):
        return NotImplemented
    soften(shares)
    if kind(shares) == NPY_FLOAT:
        less_one_loop[float](
            length(shares, 0), length(shares, 1), <float *> at(shares), <Py_ssize_t *> at(places), factor
        )
    else:
        less_one_loop[double](
            length(shares, 0), length(shares, 1), <double *> at(shares), <Py_ssize_t *> at(places), factor
        )
    return shares


cdef void add_row_loop(Py_ssize_t rows, Py_ssize_t columns, const floating *x, floating *total) noexcept:
    cdef Py_ssize_t i, j
    for i in range(rows):
        for j in range(columns):
            total[j] += x[j]
        x += columns


def column_sums(g):
    cdef int of = kind(g)
    cdef npy_intp columns
    if not of or axes(g) < 2 or not size(g):
        return NotImplemented
    columns = columns_of(g)
    out = PyArray_ZEROS(1, &columns, of, 0)
    if kind(g) != of or columns_of(g) != columns:  # NumPy lets other threads run while it clears memory
        return NotImplemented
    if of == NPY_FLOAT:
        add_row_loop[float](size(g) // columns, columns, <float *> at(g), <float *> at(out))
    else:
        add_row_loop[double](size(g) // columns, columns, <double *> at(g), <double *> at(out))
    return out


def soften(x):
    cdef int of = kind(x)
    cdef Py_ssize_t columns
    if not of or not columns_of(x) or not changeable(x):
        return NotImplemented
    columns = columns_of(x)
    if of == NPY_FLOAT:
        shift_loop[float](size(x) // columns, columns, <float *> at(x), <float *> at(x))
    else:
        shift_loop[double](size(x) // columns, columns, <double *> at(x), <double *> at(x))
    exp(x, x)
    if kind(x) != of or not columns_of(x) or not changeable(x):
        return NotImplemented
    columns = columns_of(x)
    if of == NPY_FLOAT:
        share_loop[float](size(x) // columns, columns, <float *> at(x))
    else:
        share_loop[double](size(x) // columns, columns, <double *> at(x))
    return x


cdef void soften_back_loop(Py_ssize_t rows, Py_ssize_t columns, floating *g, const floating *shares) noexcept:
    cdef Py_ssize_t i, j
    cdef floating along
    for i in range(rows):
        along = 0
        for j in range(columns):
            along += g[j] * shares[j]
        for j in range(columns):
            g[j] = (g[j] - along) * shares[j]
        g += columns
        shares += columns


def soften_back(g, shares):
    cdef int of = kind(g)
    cdef Py_ssize_t columns
    if not of or kind(shares) != of or size(shares) != size(g) or not columns_of(g) or not changeable(g):
        return NotImplemented
    columns = columns_of(g)
    if of == NPY_FLOAT:
        soften_back_loop[float](size(g) // columns, columns, <float *> at(g), <float *> at(shares))
    else:
        soften_back_loop[double](size(g) // columns, columns, <double *> at(g), <double *> at(shares))
    return g


cdef void normalize_loop(
    Py_ssize_t rows, Py_ssize_t columns, const floating *x, const floating *g, const floating *w, floating *out,
    floating eps,
) noexcept:
    """Each row less its mean over its spread; with a gradient g, what of it goes through w times that.

    With a gradient and no w, what of it w gets, into a single row.
    """
    cdef Py_ssize_t i, j
    cdef floating middle, spread, scale, whole, along
    for i in range(rows):
        middle = 0
        for j in range(columns):
            middle += x[j]
        middle /= columns
        spread = 0
        for j in range(columns):
            spread += (x[j] - middle) * (x[j] - middle)
        scale = 1 / <floating> sqrt(spread / columns + eps)
        if g is NULL:
            for j in range(columns):
                out[j] = (x[j] - middle) * scale
            out += columns
        elif w is NULL:
            for j in range(columns):
                out[j] += g[j] * (x[j] - middle) * scale
            g += columns
        else:
            whole = along = 0
            for j in range(columns):
                whole += g[j] * w[j]
                along += g[j] * w[j] * (x[j] - middle)
            whole /= columns
            along *= scale * scale / columns
            for j in range(columns):
                out[j] = (g[j] * w[j] - whole - (x[j] - middle) * along) * scale
            g += columns
            out += columns
        x += columns


def normalized(x, double eps):
    cdef int of = kind(x)
    cdef Py_ssize_t columns
    if not of or not columns_of(x):
        return NotImplemented
    columns = columns_of(x)
    out = room_like(x)
    if of == NPY_FLOAT:
        normalize_loop[float](size(x) // columns, columns, <float *> at(x), NULL, NULL, <float *> at(out), eps)
    else:
        normalize_loop[double](size(x) // columns, columns, <double *> at(x), NULL, NULL, <double *> at(out), eps)
    return out


cdef bint one_row(object g, object x, object w):
    """Whether g has the size and type of x, and w those of one of its rows."""
    return kind(g) == kind(x) == kind(w) and size(g) == size(x) and columns_of(x) and size(w) == columns_of(x)


def layer_norm_x(g, x, w, b, double eps):
    cdef Py_ssize_t columns
    if not kind(x) or not one_row(g, x, w):
        return NotImplemented
    out = room_like(x)
    columns = columns_of(x)
    if kind(x) == NPY_FLOAT:
        normalize_loop[float](
            size(x) // columns, columns, <float *> at(x), <float *> at(g), <float *> at(w), <float *> at(out), eps
        )
    else:
        normalize_loop[double](
            size(x) // columns, columns, <double *> at(x), <double *> at(g), <double *> at(w), <double *> at(out), eps
        )
    return out


def layer_norm_w(g, x, w, b, double eps):
    cdef npy_intp columns
    if not kind(x) or not one_row(g, x, w):
        return NotImplemented
    columns = columns_of(x)
    out = PyArray_ZEROS(1, &columns, kind(x), 0)
    if not kind(x) or not one_row(g, x, w) or columns_of(x) != columns:  # other threads ran while memory was cleared
        return NotImplemented
    if kind(x) == NPY_FLOAT:
        normalize_loop[float](
            size(x) // columns, columns, <float *> at(x), <float *> at(g), NULL, <float *> at(out), eps
        )
    else:
        normalize_loop[double](
            size(x) // columns, columns, <double *> at(x), <double *> at(g), NULL, <double *> at(out), eps
        )
    return out


ctypedef void (*single_loop)(Py_ssize_t, float *, const float *) noexcept
ctypedef void (*double_loop)(Py_ssize_t, double *, const double *) noexcept


cdef object changed(object out, object by, single_loop single, double_loop doubled):
    """An array after a loop that writes to it and reads another of its size."""
    cdef int of = kind(out)
    if not of or kind(by) != of or size(out) != size(by) or not changeable(out):
        return NotImplemented
    if of == NPY_FLOAT:
        single(size(out), <float *> at(out), <float *> at(by))
    else:
        doubled(size(out), <double *> at(out), <double *> at(by))
    return out


cdef object mapped(object x, single_loop single, double_loop doubled):
    """What a loop makes of each entry of an array."""
    if not kind(x):
        return NotImplemented
    out = changed(room_like(x), x, single, doubled)
    return out if axes(x) else out[()]


def erf(x):
    return mapped(x, erf_float, erf_double)


def erf_back(g, out, x):
    return changed(g, x, erf_back_float, erf_back_double)


def erfc(x):
    return mapped(x, erfc_float, erfc_double)


def erfc_back(g, out, x):
    return changed(g, x, erfc_back_float, erfc_back_double)


def gelu(x):
    return mapped(x, gelu_float, gelu_double)


def gelu_back(g, out, x):
    return changed(g, x, gelu_back_float, gelu_back_double)


def silu(x):
    return mapped(x, silu_float, silu_double)


def silu_back(g, out, x):
    return changed(g, x, silu_back_float, silu_back_double)


def logistic(x):
    return mapped(x, logistic_float, logistic_double)


cdef void sigmoid_back_loop(Py_ssize_t n, floating *g, const floating *out) noexcept:
    cdef Py_ssize_t i
    for i in range(n):
        g[i] *= out[i] * (1 - out[i])


def sigmoid_back(g, out, x):
    return changed(g, out, sigmoid_back_loop[float], sigmoid_back_loop[double])


cdef void tanh_back_loop(Py_ssize_t n, floating *g, const floating *out) noexcept:
    cdef Py_ssize_t i
    for i in range(n):
        g[i] *= 1 - out[i] * out[i]


def tanh_back(g, out, x):
    return changed(g, out, tanh_back_loop[float], tanh_back_loop[double])


cdef void relu_loop(Py_ssize_t n, floating *out, const floating *x) noexcept:
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = 0 if x[i] <= 0 else x[i]  # nan stays, and a negative 0 does not


def relu(x):
    return mapped(x, relu_loop[float], relu_loop[double])


cdef void relu_back_loop(Py_ssize_t n, floating *g, const floating *x) noexcept:
    cdef Py_ssize_t i
    cdef floating passing
    for i in range(n):
        passing = g[i]
        g[i] = passing if x[i] > 0 else 0  # chosen and not multiplied: inf · 0 is nan


def relu_back(g, out, x):
    return changed(g, x, relu_back_loop[float], relu_back_loop[double])


cdef void add_to_rows_loop(Py_ssize_t rows, Py_ssize_t columns, floating *x, const floating *b) noexcept:
    cdef Py_ssize_t i, j
    for i in range(rows):
        for j in range(columns):
            x[j] += b[j]
        x += columns


def plus(x, b):
    cdef int of = kind(x)
    cdef Py_ssize_t columns
    if not of or kind(b) != of or axes(b) != 1 or not size(x) or columns_of(x) != size(b) or not changeable(x):
        return NotImplemented
    columns = size(b)
    if of == NPY_FLOAT:
        add_to_rows_loop[float](size(x) // columns, columns, <float *> at(x), <float *> at(b))
    else:
        add_to_rows_loop[double](size(x) // columns, columns, <double *> at(x), <double *> at(b))
    return x


cdef bint few(Py_ssize_t rows, Py_ssize_t weights) noexcept:
    """Whether so many rows and a matrix of so many weights have a product that is quicker here."""
    return 0 < rows and MOST_ROWS and weights <= MOST_WEIGHTS and (rows <= MOST_ROWS or rows * weights <= MOST_WEIGHTS)


def weighted(x, w, b):
    cdef int of = kind(x)
    cdef npy_intp shape[2]
    if not of or kind(w) != of or kind(b) != of or axes(x) != 2 or axes(w) != 2 or axes(b) != 1:
        return NotImplemented
    if length(w, 1) != length(x, 1) or length(w, 0) != size(b) or not few(length(x, 0), size(w)):
        return NotImplemented
    shape[:] = [length(x, 0), size(b)]
    out = PyArray_EMPTY(2, shape, of, 0)
    if of == NPY_FLOAT:
        weighted_float(
            shape[0], shape[1], length(x, 1), <float *> at(x), <float *> at(w), <float *> at(b), <float *> at(out)
        )
    else:
        weighted_double(
            shape[0], shape[1], length(x, 1), <double *> at(x), <double *> at(w), <double *> at(b), <double *> at(out)
        )
    return out


def outer_sum(g, x):
    cdef int of = kind(g)
    cdef npy_intp shape[2]
    if not of or kind(x) != of or axes(g) != 2 or axes(x) != 2 or length(g, 0) != length(x, 0):
        return NotImplemented
    shape[:] = [length(g, 1), length(x, 1)]
    if not few(length(g, 0), shape[0] * shape[1]):
        return NotImplemented
    out = PyArray_EMPTY(2, shape, of, 0)
    if of == NPY_FLOAT:
        outer_sum_float(length(g, 0), shape[0], shape[1], <float *> at(g), <float *> at(x), <float *> at(out))
    else:
        outer_sum_double(length(g, 0), shape[0], shape[1], <double *> at(g), <double *> at(x), <double *> at(out))
    return out


cdef void add_to_rows_at_loop(
    Py_ssize_t count, Py_ssize_t columns, floating *out, const Py_ssize_t *places, const floating *g
) noexcept:
    cdef Py_ssize_t i, j
    cdef floating *row
    for i in range(count):
        row = out + places[i] * columns
        for j in range(columns):
            row[j] += g[j]
        g += columns


cdef bint are_rows(object places, object x) noexcept:
    """Whether all places are rows of x, those counted from the end made to count from the start."""
    cdef Py_ssize_t i, rows
    cdef Py_ssize_t *place
    if places is None or not axes(x):
        return False
    place, rows = <Py_ssize_t *> at(places), length(x, 0)
    for i in range(size(places)):
        place[i] += rows if place[i] < 0 else 0
        if not 0 <= place[i] < rows:
            return False
    return True


cdef bint fill(object places, object out, object g) noexcept:
    """Whether g has a row like those of `out` for each place."""
    cdef int i, lead = axes(places)
    if axes(g) != lead + axes(out) - 1:
        return False
    for i in range(axes(g)):
        if length(g, i) != (length(places, i) if i < lead else length(out, i - lead + 1)):
            return False
    return True


def add_to_rows(out, places, g):
    cdef int of
    cdef Py_ssize_t columns
    places = own_places(places)
    of = kind(out)
    if not of or kind(g) != of or not changeable(out) or not size(out):
        return NotImplemented
    if not are_rows(places, out) or not fill(places, out, g):
        return NotImplemented
    columns = size(out) // length(out, 0)
    if of == NPY_FLOAT:
        add_to_rows_at_loop[float](
            size(places), columns, <float *> at(out), <Py_ssize_t *> at(places), <float *> at(g)
        )
    else:
        add_to_rows_at_loop[double](
            size(places), columns, <double *> at(out), <Py_ssize_t *> at(places), <double *> at(g)
        )
    return out


cdef floating distance_loop(Py_ssize_t n, const floating *x, const floating *y) noexcept:
    cdef Py_ssize_t i
    cdef floating total = 0
    for i in range(n):
        total += (x[i] - y[i]) * (x[i] - y[i])
    return total


def squared_distance(x, y):
    cdef int of = kind(x)
    if not of or kind(y) != of or not PyArray_SAMESHAPE(<ndarray> x, <ndarray> y):
        return NotImplemented
    if of == NPY_FLOAT:
        return number(distance_loop[float](size(x), <float *> at(x), <float *> at(y)), of)
    return number(distance_loop[double](size(x), <double *> at(x), <double *> at(y)), of)


cdef void apart_loop(Py_ssize_t n, const floating *x, const floating *y, floating factor, floating *out) noexcept:
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = factor * (x[i] - y[i])


def squared_error_x(g, x, y, double scale):
    cdef int of = kind(x)
    if not of or kind(y) != of or not PyArray_SAMESHAPE(<ndarray> x, <ndarray> y) or kind(g) != of or size(g) != 1:
        return NotImplemented
    cdef double factor = 2 * only(g) * scale
    out = room_like(x)
    if of == NPY_FLOAT:
        apart_loop[float](size(x), <float *> at(x), <float *> at(y), factor, <float *> at(out))
    else:
        apart_loop[double](size(x), <double *> at(x), <double *> at(y), factor, <double *> at(out))
    return out


def squared_error_y(g, x, y, double scale):
    return squared_error_x(g, y, x, scale)


cdef void below_zero_loop(Py_ssize_t n, const floating *x, floating *out) noexcept:
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = x[i] if x[i] < 0 else -x[i]


cdef floating answers_loop(
    Py_ssize_t n, const floating *x, const floating *y, const floating *grown, floating at_one, floating at_zero
) noexcept:
    cdef Py_ssize_t i
    cdef floating rest, total = 0
    for i in range(n):
        rest = <floating> log1p(grown[i])
        # The larger of the two is added where NumPy's maximum has it: a nan stays one.
        total += at_one * y[i] * (rest + (0 if x[i] > 0 else -x[i]))
        total += at_zero * (1 - y[i]) * (rest + (0 if x[i] < 0 else x[i]))
    return total


cdef void missed_loop(
    Py_ssize_t n, floating g, const floating *x, const floating *y, const floating *grown, floating at_one,
    floating at_zero, floating *out,
) noexcept:
    cdef Py_ssize_t i
    cdef floating larger, smaller
    for i in range(n):
        larger = 1 / (1 + grown[i])
        smaller = grown[i] * larger
        if x[i] >= 0:
            out[i] = g * (at_zero * (1 - y[i]) * larger - at_one * y[i] * smaller)
        else:
            out[i] = g * (at_zero * (1 - y[i]) * smaller - at_one * y[i] * larger)


cdef object grown_below_zero(object x, object y, object at_one, object at_zero):
    """e to the power of minus the size of x; None where the loops below do not serve."""
    cdef int of = kind(x)
    if not of or kind(y) != of or not PyArray_SAMESHAPE(<ndarray> x, <ndarray> y) or not size(x):
        return None
    if type(at_one) is not float or type(at_zero) is not float:
        return None
    low = room_like(x)
    if of == NPY_FLOAT:
        below_zero_loop[float](size(x), <float *> at(x), <float *> at(low))
    else:
        below_zero_loop[double](size(x), <double *> at(x), <double *> at(low))
    return exp(low, low)


def surprise_at_answers(x, y, at_one, at_zero):
    cdef int of = kind(x)
    grown = grown_below_zero(x, y, at_one, at_zero)
    if grown is None:
        return NotImplemented
    if of == NPY_FLOAT:
        return number(
            answers_loop[float](size(x), <float *> at(x), <float *> at(y), <float *> at(grown), at_one, at_zero), of
        )
    return number(
        answers_loop[double](size(x), <double *> at(x), <double *> at(y), <double *> at(grown), at_one, at_zero), of
    )


def binary_cross_entropy_x(g, x, y, at_one, at_zero):
    cdef int of = kind(x)
    if not of or kind(g) != of or size(g) != 1:
        return NotImplemented
    cdef double factor = only(g)
    grown = grown_below_zero(x, y, at_one, at_zero)
    if grown is None:
        return NotImplemented
    if of == NPY_FLOAT:
        missed_loop[float](
            size(x), factor, <float *> at(x), <float *> at(y), <float *> at(grown), at_one, at_zero, <float *> at(grown)
        )
    else:
        missed_loop[double](
            size(x), factor, <double *> at(x), <double *> at(y), <double *> at(grown), at_one, at_zero,
            <double *> at(grown),
        )
    return grown

