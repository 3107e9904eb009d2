# cython: language_level=3, cdivision=True
"""Loops over arrays, for kernels that would take NumPy many passes: each is the twin of a kernel of the same name.

The kernel written with NumPy says what is computed, and is what runs where this file was not compiled; the tests hold
the two together. A loop takes contiguous arrays of one type, float32 or float64, and answers `NotImplemented` to
anything else, which then goes to the kernel. Exponentials are left to NumPy, whose are several times faster than C's.
"""

from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cython cimport floating
from libc.math cimport erfc as c_erfc
from libc.math cimport erfcf, log, sqrt

import numpy as np

cdef object ndarray = np.ndarray, DOUBLE = np.dtype(np.float64), SINGLE = np.dtype(np.float32), PLACES = np.dtype(np.intp)
cdef object empty_like = np.empty_like, zeros = np.zeros, exp = np.exp


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
    """
    unsigned int tiny_is_zero()
    # Running means of gradients that have stopped fade to numbers like 1e-40, each of which takes some processors a
    # hundred times longer than a usual one: an epoch of MNIST got 15 % slower when they appeared, in its third epoch.
    void tiny_as_before(unsigned int before)


cdef Py_ssize_t opened(tuple arrays, int written, Py_buffer *views) except -2:
    """The count of entries, with a view of each array (the first few writable); -1 where they do not suit."""
    cdef Py_ssize_t i, held = 0
    kind = getattr(arrays[0], "dtype", None)
    if kind is not SINGLE and kind is not DOUBLE:
        return -1
    for x in arrays:
        if type(x) is not ndarray or x.dtype is not kind:
            break
        try:
            PyObject_GetBuffer(x, &views[held], PyBUF_WRITABLE if held < written else PyBUF_SIMPLE)
        except ValueError:  # it is not contiguous, or not to be written to
            break
        held += 1
        if views[held - 1].len != views[0].len:
            break
    else:
        return views[0].len // views[0].itemsize
    for i in range(held):
        PyBuffer_Release(&views[i])
    return -1


cdef void closed(int count, Py_buffer *views) noexcept:
    cdef int i
    for i in range(count):
        PyBuffer_Release(&views[i])


cdef void adam_loop(
    Py_ssize_t n, floating *data, const floating *gradient, floating *mean, floating *square,
    floating first, floating second, floating eps, floating rate,
) noexcept:
    cdef Py_ssize_t i
    cdef floating new_first = 1 - first, new_second = 1 - second
    for i in range(n):
        mean[i] = first * mean[i] + new_first * gradient[i]
        square[i] = second * square[i] + new_second * gradient[i] * gradient[i]
        data[i] -= rate * mean[i] / (<floating> sqrt(square[i]) + eps)


def adam_step(data, gradient, mean, square, double first, double second, double eps, double rate, work):
    cdef Py_buffer views[4]
    cdef Py_ssize_t n = opened((data, mean, square, gradient), 3, views)
    if n < 0:
        return NotImplemented
    cdef unsigned int before = tiny_is_zero()
    if views[0].itemsize == 4:
        adam_loop[float](
            n, <float *> views[0].buf, <float *> views[3].buf, <float *> views[1].buf, <float *> views[2].buf,
            first, second, eps, rate,
        )
    else:
        adam_loop[double](
            n, <double *> views[0].buf, <double *> views[3].buf, <double *> views[1].buf, <double *> views[2].buf,
            first, second, eps, rate,
        )
    tiny_as_before(before)
    closed(4, views)


cdef void descent_loop(Py_ssize_t n, floating *data, const floating *gradient, floating rate) noexcept:
    cdef Py_ssize_t i
    for i in range(n):
        data[i] -= rate * gradient[i]


def descent_step(data, gradient, double rate, work):
    cdef Py_buffer views[2]
    cdef Py_ssize_t n = opened((data, gradient), 1, views)
    if n < 0:
        return NotImplemented
    if views[0].itemsize == 4:
        descent_loop[float](n, <float *> views[0].buf, <float *> views[1].buf, rate)
    else:
        descent_loop[double](n, <double *> views[0].buf, <double *> views[1].buf, rate)
    closed(2, views)


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


cdef void less_one_loop(Py_ssize_t rows, Py_ssize_t columns, floating *x, const Py_ssize_t *target) noexcept:
    cdef Py_ssize_t i
    for i in range(rows):
        x[i * columns + target[i]] -= 1


cdef object shifted_rows(object x):
    """Each row of a matrix less its largest entry, or None where the matrix does not suit."""
    cdef Py_buffer views[2]
    cdef Py_ssize_t rows, columns
    if type(x) is not ndarray or x.ndim != 2 or not x.size:
        return None
    out = empty_like(x)
    if opened((out, x), 1, views) < 0:
        return None
    rows, columns = x.shape
    if views[0].itemsize == 4:
        shift_loop[float](rows, columns, <float *> views[1].buf, <float *> views[0].buf)
    else:
        shift_loop[double](rows, columns, <double *> views[1].buf, <double *> views[0].buf)
    closed(2, views)
    return out


cdef bint fits(object target, object x, Py_buffer *places) except -1:
    """Open the places, one for each row of x, where all of them are columns of x."""
    cdef Py_ssize_t i, rows, columns
    if type(target) is not ndarray or target.dtype is not PLACES or target.ndim != 1:
        return False
    try:
        PyObject_GetBuffer(target, places, PyBUF_SIMPLE)
    except ValueError:
        return False
    rows, columns = x.shape
    if places.len == rows * places.itemsize:
        for i in range(rows):
            if not 0 <= (<Py_ssize_t *> places.buf)[i] < columns:
                break
        else:
            return True
    PyBuffer_Release(places)
    return False


def negative_log_likelihood(x, target):
    cdef Py_buffer views[2]
    cdef Py_buffer places
    cdef Py_ssize_t rows, columns
    cdef double surprise
    shifted = shifted_rows(x)
    if shifted is None or not fits(target, x, &places):
        return NotImplemented
    grown = exp(shifted)
    opened((shifted, grown), 0, views)
    rows, columns = x.shape
    if views[0].itemsize == 4:
        surprise = surprise_loop[float](
            rows, columns, <float *> views[0].buf, <float *> views[1].buf, <Py_ssize_t *> places.buf
        )
    else:
        surprise = surprise_loop[double](
            rows, columns, <double *> views[0].buf, <double *> views[1].buf, <Py_ssize_t *> places.buf
        )
    closed(2, views)
    PyBuffer_Release(&places)
    return x.dtype.type(surprise / rows)


def softmax_minus_one_hot(x, target):
    cdef Py_buffer view
    cdef Py_buffer places
    cdef Py_ssize_t rows, columns
    if type(x) is not ndarray or x.ndim != 2 or not fits(target, x, &places):
        return NotImplemented
    shares = soften(x.copy("K"))
    if shares is not NotImplemented:
        opened((shares,), 1, &view)
        rows, columns = x.shape
        if view.itemsize == 4:
            less_one_loop[float](rows, columns, <float *> view.buf, <Py_ssize_t *> places.buf)
        else:
            less_one_loop[double](rows, columns, <double *> view.buf, <Py_ssize_t *> places.buf)
        PyBuffer_Release(&view)
    PyBuffer_Release(&places)
    return shares


cdef void add_row_loop(Py_ssize_t rows, Py_ssize_t columns, const floating *x, floating *total) noexcept:
    cdef Py_ssize_t i, j
    for i in range(rows):
        for j in range(columns):
            total[j] += x[j]
        x += columns


def column_sums(g):
    cdef Py_buffer views[2]
    cdef Py_ssize_t rows, columns
    if type(g) is not ndarray or g.ndim < 2 or not g.size or opened((g,), 0, views) < 0:
        return NotImplemented
    columns = g.shape[-1]
    rows = g.size // columns
    out = zeros(columns, g.dtype)
    opened((out,), 1, &views[1])
    if views[0].itemsize == 4:
        add_row_loop[float](rows, columns, <float *> views[0].buf, <float *> views[1].buf)
    else:
        add_row_loop[double](rows, columns, <double *> views[0].buf, <double *> views[1].buf)
    closed(2, views)
    return out


cdef Py_ssize_t columns_of(object x) except -1:
    """The length of an array's rows; 0 where it has none."""
    return x.shape[-1] if type(x) is ndarray and x.ndim and x.size else 0


def soften(x):
    cdef Py_buffer view
    cdef Py_ssize_t columns = columns_of(x)
    cdef Py_ssize_t n = opened((x,), 1, &view) if columns else -1
    if n < 0:
        return NotImplemented
    if view.itemsize == 4:
        shift_loop[float](n // columns, columns, <float *> view.buf, <float *> view.buf)
        exp(x, x)
        share_loop[float](n // columns, columns, <float *> view.buf)
    else:
        shift_loop[double](n // columns, columns, <double *> view.buf, <double *> view.buf)
        exp(x, x)
        share_loop[double](n // columns, columns, <double *> view.buf)
    PyBuffer_Release(&view)
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
    cdef Py_buffer views[2]
    cdef Py_ssize_t columns = columns_of(g)
    cdef Py_ssize_t n = opened((g, shares), 1, views) if columns else -1
    if n < 0:
        return NotImplemented
    if views[0].itemsize == 4:
        soften_back_loop[float](n // columns, columns, <float *> views[0].buf, <float *> views[1].buf)
    else:
        soften_back_loop[double](n // columns, columns, <double *> views[0].buf, <double *> views[1].buf)
    closed(2, views)
    return g


cdef void normalize_loop(
    Py_ssize_t rows, Py_ssize_t columns, const floating *x, const floating *g, floating *out, floating eps
) noexcept:
    """Each row less its mean over its spread; with a gradient g, what of it goes through that."""
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
        else:
            whole = along = 0
            for j in range(columns):
                whole += g[j]
                along += g[j] * (x[j] - middle)
            whole /= columns
            along *= scale * scale / columns
            for j in range(columns):
                out[j] = (g[j] - whole - (x[j] - middle) * along) * scale
            g += columns
        x += columns
        out += columns


def normalized(x, double eps):
    cdef Py_buffer views[2]
    cdef Py_ssize_t columns = columns_of(x)
    cdef Py_ssize_t n = -1
    if columns:
        out = empty_like(x)
        n = opened((out, x), 1, views)
    if n < 0:
        return NotImplemented
    if views[0].itemsize == 4:
        normalize_loop[float](n // columns, columns, <float *> views[1].buf, NULL, <float *> views[0].buf, eps)
    else:
        normalize_loop[double](n // columns, columns, <double *> views[1].buf, NULL, <double *> views[0].buf, eps)
    closed(2, views)
    return out


def normalized_back(g, x, double eps):
    cdef Py_buffer views[3]
    cdef Py_ssize_t columns = columns_of(x)
    cdef Py_ssize_t n = -1
    if columns:
        out = empty_like(x)
        n = opened((out, x, g), 1, views)
    if n < 0:
        return NotImplemented
    if views[0].itemsize == 4:
        normalize_loop[float](
            n // columns, columns, <float *> views[1].buf, <float *> views[2].buf, <float *> views[0].buf, eps
        )
    else:
        normalize_loop[double](
            n // columns, columns, <double *> views[1].buf, <double *> views[2].buf, <double *> views[0].buf, eps
        )
    closed(3, views)
    return out


cdef void logistic_loop(Py_ssize_t n, floating *x, bint grown) noexcept:
    """First the sign turned, then from the exponential of that the share."""
    cdef Py_ssize_t i
    if grown:
        for i in range(n):
            x[i] = 1 / (1 + x[i])
    else:
        for i in range(n):
            x[i] = -x[i]


def logistic(x):
    cdef Py_buffer view
    cdef Py_ssize_t n = -1
    cdef bint step
    if type(x) is ndarray and x.ndim:
        out = x.copy("K")
        n = opened((out,), 1, &view)
    if n < 0:
        return NotImplemented
    for step in range(2):
        if view.itemsize == 4:
            logistic_loop[float](n, <float *> view.buf, step)
        else:
            logistic_loop[double](n, <double *> view.buf, step)
        if not step:
            exp(out, out)
    PyBuffer_Release(&view)
    return out


def erfc(x):
    cdef Py_buffer views[2]
    cdef Py_ssize_t i, n = -1
    if type(x) is ndarray:
        out = empty_like(x)
        n = opened((out, x), 1, views)
    if n < 0:
        return NotImplemented
    if views[0].itemsize == 4:
        for i in range(n):
            (<float *> views[0].buf)[i] = erfcf((<float *> views[1].buf)[i])
    else:
        for i in range(n):
            (<double *> views[0].buf)[i] = c_erfc((<double *> views[1].buf)[i])
    closed(2, views)
    return out[()]


cdef void add_to_rows_loop(Py_ssize_t rows, Py_ssize_t columns, floating *x, const floating *b) noexcept:
    cdef Py_ssize_t i, j
    for i in range(rows):
        for j in range(columns):
            x[j] += b[j]
        x += columns


def plus(x, b):
    cdef Py_buffer views[2]
    cdef Py_ssize_t columns
    if type(b) is not ndarray or b.ndim != 1 or b.dtype is not getattr(x, "dtype", None):
        return NotImplemented
    columns = b.shape[0]
    if columns_of(x) != columns or opened((x,), 1, views) < 0:
        return NotImplemented
    if opened((b,), 0, &views[1]) < 0:
        PyBuffer_Release(views)
        return NotImplemented
    if views[0].itemsize == 4:
        add_to_rows_loop[float](x.size // columns, columns, <float *> views[0].buf, <float *> views[1].buf)
    else:
        add_to_rows_loop[double](x.size // columns, columns, <double *> views[0].buf, <double *> views[1].buf)
    closed(2, views)
    return x


cdef floating distance_loop(Py_ssize_t n, const floating *x, const floating *y) noexcept:
    cdef Py_ssize_t i
    cdef floating total = 0
    for i in range(n):
        total += (x[i] - y[i]) * (x[i] - y[i])
    return total


def squared_distance(x, y):
    cdef Py_buffer views[2]
    cdef double total
    cdef Py_ssize_t n = opened((x, y), 0, views) if getattr(x, "shape", None) == getattr(y, "shape", ()) else -1
    if n < 0:
        return NotImplemented
    if views[0].itemsize == 4:
        total = distance_loop[float](n, <float *> views[0].buf, <float *> views[1].buf)
    else:
        total = distance_loop[double](n, <double *> views[0].buf, <double *> views[1].buf)
    closed(2, views)
    return x.dtype.type(total)
