/* Whether an array is so large that it shows in the time where its results lie. */

#define NPY_NO_DEPRECATED_API NPY_2_0_API_VERSION
#include <numpy/ndarraytypes.h>

static inline int has_many(PyObject *array) {
    const npy_intp *extent = PyArray_DIMS((PyArrayObject *)array);
    npy_intp entries = 1;
    for (int i = 0; i < PyArray_NDIM((PyArrayObject *)array); i++)
        entries *= extent[i];
    return entries >= 1 << 14;
}
