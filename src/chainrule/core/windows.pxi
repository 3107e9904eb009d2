# The loops of image_kernels.py, part of loops.pyx: convolutions of windows.h, where those are quicker than a product of
# matrices.

from libc.math cimport isfinite
from libc.stdlib cimport calloc, free


cdef extern from *:
    """
    #define ENTRY float
    #include "windows.h"
    #undef ENTRY
    #define ENTRY double
    #include "windows.h"
    #undef ENTRY
    """
    bint HAS_WINDOWS
    ctypedef struct slide:
        Py_ssize_t images, groups, channels, results
        Py_ssize_t length[2]
        Py_ssize_t size[2]
        Py_ssize_t steps[2]
        Py_ssize_t around[2]
        Py_ssize_t spread[2]
        Py_ssize_t fits[2]
    Py_ssize_t stretch(slide *s) noexcept
    Py_ssize_t stretch_back(slide *s) noexcept
    Py_ssize_t room_for_images(slide *s) noexcept
    Py_ssize_t room_for_results(slide *s) noexcept
    void convolve_float(slide *s, float *x, float *w, float *out, float *laid, float *sums, Py_ssize_t *at) noexcept
    void convolve_double(slide *s, double *x, double *w, double *out, double *laid, double *sums, Py_ssize_t *at) noexcept
    void convolve_weights_float(
        slide *s, float *g, float *x, float *out, float *laid, float *came, Py_ssize_t *at
    ) noexcept
    void convolve_weights_double(
        slide *s, double *g, double *x, double *out, double *laid, double *came, Py_ssize_t *at
    ) noexcept
    void convolve_back_float(
        slide *s, float *g, float *w, float *out, float *came, float *sums, Py_ssize_t *at, float *turned
    ) noexcept
    void convolve_back_double(
        slide *s, double *g, double *w, double *out, double *came, double *sums, Py_ssize_t *at, double *turned
    ) noexcept


cdef Py_ssize_t LONGEST = 1 << 16
"""Of every length and setting: products of five of them stay in the range of C's integers."""


cdef Py_ssize_t MOST_PAIRS = 32 * 32
"""Of a channel and a result in one group; more are quicker as products of matrices."""


cdef read_settings(slide *s, groups, size, steps, around, spread, fits):
    """The settings of a convolution, which are numbers that the kernels have looked at."""
    s.groups = groups
    for axis in range(2):
        s.size[axis], s.steps[axis], s.around[axis] = size[axis], steps[axis], around[axis]
        s.spread[axis], s.fits[axis] = spread[axis], fits[axis]


cdef bint goes_together(slide *s, object images, object weights, object results) noexcept:
    """Whether three arrays are those of a convolution with these settings; their lengths are entered then."""
    cdef int axis, of = kind(images)
    if not of or kind(weights) != of or kind(results) != of or not 1 <= s.groups <= length(weights, 0):
        return False
    s.images, s.channels, s.results = length(images, 0), length(weights, 1), length(weights, 0) // s.groups
    if length(results, 0) != s.images or length(results, 1) != length(weights, 0):
        return False
    if length(images, 1) != s.groups * s.channels or length(weights, 0) != s.groups * s.results:
        return False
    if not 1 <= s.channels <= LONGEST or not 1 <= s.results <= LONGEST:
        return False
    for axis in range(2):
        s.length[axis] = length(images, axis + 2)
        if not 0 <= s.around[axis] <= LONGEST or not 1 <= s.length[axis] <= LONGEST:
            return False
        if not 1 <= s.size[axis] <= LONGEST or not 1 <= s.steps[axis] <= LONGEST or not 1 <= s.spread[axis] <= LONGEST:
            return False
        if length(weights, axis + 2) != s.size[axis] or length(results, axis + 2) != s.fits[axis] or s.fits[axis] < 1:
            return False
        reach = s.spread[axis] * (s.size[axis] - 1) + 1
        if (s.fits[axis] - 1) * s.steps[axis] + reach > s.length[axis] + 2 * s.around[axis]:
            return False
    return True


cdef bint have_four_axes(x, y) noexcept:
    return HAS_WINDOWS and kind(x) and kind(y) == kind(x) and axes(x) == 4 and axes(y) == 4


cdef bint quicker_here(slide *s) noexcept:
    """Whether there is too little to multiply for it to pay that the windows are written out as a matrix first."""
    return s.channels * s.results <= MOST_PAIRS and (s.size[0] * s.size[1] > 1 or s.channels * s.results == 1)


cdef bint finite_loop(Py_ssize_t n, const floating *x) noexcept:
    cdef Py_ssize_t i
    cdef bint finite = True
    for i in range(n):
        finite &= isfinite(x[i])
    return finite


cdef object if_finite(object out):
    """A result; what is infinite or nan may come from zeros that stand between rows, and is left to NumPy."""
    cdef bint finite
    if kind(out) == NPY_FLOAT:
        finite = finite_loop[float](size(out), <float *> at(out))
    else:
        finite = finite_loop[double](size(out), <double *> at(out))
    return out if finite else NotImplemented


def convolved(x, w, groups, size_, steps, around, spread, fits):
    cdef slide s
    cdef npy_intp shape[4]
    cdef Py_ssize_t width, count
    read_settings(&s, groups, size_, steps, around, spread, fits)
    if not have_four_axes(x, w):
        return NotImplemented
    shape[:] = [length(x, 0), length(w, 0), s.fits[0], s.fits[1]]
    out = PyArray_EMPTY(4, shape, kind(x), 0)
    if not goes_together(&s, x, w, out) or not quicker_here(&s):
        return NotImplemented
    width, count = 4 if kind(x) == NPY_FLOAT else 8, s.channels * s.size[0] * s.size[1]
    laid, sums = calloc(room_for_images(&s), width), calloc(s.results * stretch(&s), width)
    places = <Py_ssize_t *> calloc(count, sizeof(Py_ssize_t))
    if laid and sums and places:
        if kind(x) == NPY_FLOAT:
            convolve_float(
                &s, <float *> at(x), <float *> at(w), <float *> at(out), <float *> laid, <float *> sums, places
            )
        else:
            convolve_double(
                &s, <double *> at(x), <double *> at(w), <double *> at(out), <double *> laid, <double *> sums, places
            )
    else:
        out = NotImplemented
    free(laid)
    free(sums)
    free(places)
    return out


def convolved_weights(g, x, shape_, groups, size_, steps, around, spread, fits):
    cdef slide s
    cdef npy_intp shape[4]
    cdef Py_ssize_t width, count
    read_settings(&s, groups, size_, steps, around, spread, fits)
    if not have_four_axes(g, x):
        return NotImplemented
    shape[:] = [shape_[0], shape_[1], shape_[2], shape_[3]]
    out = PyArray_ZEROS(4, shape, kind(x), 0)
    if not goes_together(&s, x, out, g) or not quicker_here(&s):
        return NotImplemented
    width, count = 4 if kind(x) == NPY_FLOAT else 8, s.channels * s.size[0] * s.size[1]
    laid, came = calloc(room_for_images(&s), width), calloc(s.results * stretch(&s), width)
    places = <Py_ssize_t *> calloc(count, sizeof(Py_ssize_t))
    if laid and came and places:
        if kind(x) == NPY_FLOAT:
            convolve_weights_float(
                &s, <float *> at(g), <float *> at(x), <float *> at(out), <float *> laid, <float *> came, places
            )
        else:
            convolve_weights_double(
                &s, <double *> at(g), <double *> at(x), <double *> at(out), <double *> laid, <double *> came, places
            )
        out = if_finite(out)
    else:
        out = NotImplemented
    free(laid)
    free(came)
    free(places)
    return out


def convolved_back(g, w, shape_, groups, size_, steps, around, spread, fits):
    cdef slide s
    cdef npy_intp shape[4]
    cdef Py_ssize_t width, count
    read_settings(&s, groups, size_, steps, around, spread, fits)
    if not have_four_axes(g, w):
        return NotImplemented
    shape[:] = [shape_[0], shape_[1], shape_[2], shape_[3]]
    out = PyArray_EMPTY(4, shape, kind(g), 0)
    if not goes_together(&s, out, w, g) or not quicker_here(&s):
        return NotImplemented
    width, count = 4 if kind(g) == NPY_FLOAT else 8, s.results * s.size[0] * s.size[1]
    came = calloc(room_for_results(&s), width)
    sums = calloc(s.channels * stretch_back(&s), width)
    turned, places = calloc(size(w), width), <Py_ssize_t *> calloc(count, sizeof(Py_ssize_t))
    if came and sums and turned and places:
        if kind(g) == NPY_FLOAT:
            convolve_back_float(
                &s, <float *> at(g), <float *> at(w), <float *> at(out), <float *> came, <float *> sums, places,
                <float *> turned,
            )
        else:
            convolve_back_double(
                &s, <double *> at(g), <double *> at(w), <double *> at(out), <double *> came, <double *> sums, places,
                <double *> turned,
            )
        out = if_finite(out)
    else:
        out = NotImplemented
    free(came)
    free(sums)
    free(turned)
    free(places)
    return out
