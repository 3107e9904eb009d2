# The C types of operation.py, for the compiled rule book.

cdef extern from "large.h":
    bint has_many(object array)

cdef object ndarray, TRUTH

cdef class Operation:
    cdef dict __dict__
    cdef object __weakref__
    cdef public object function, quick, name, inputs, defaults, flat, composition
    cdef public dict _reads
    cdef public bint broadcasts, late, needs_settings, selects, variadic
    cpdef object fitting(self, object ready, object inputs, object settings)
    cpdef object complete(self, object settings)
    cpdef tuple reads(self, Py_ssize_t i, Py_ssize_t count)
    cpdef tuple named_in(self, Py_ssize_t i, object derivative)
    cpdef object pull(self, Py_ssize_t i, object g, object out, object inputs, object settings)

cdef class Pointwise(Operation):
    cdef public object back, partials
    cpdef object partial(self, Py_ssize_t i, object out, object inputs, object settings)
    cpdef object stated(self, Py_ssize_t i, object out, object inputs, object settings)
    cpdef object passed(self, object g, object slope)
    cpdef object pull_in_place(self, Py_ssize_t i, object g, object out, object inputs, object settings)

cdef class Linear(Operation):
    cdef public object adjoint
    cdef public bint jointly

cdef class Fused(Linear):
    cdef public tuple backs

cpdef object times(object g, object partial)
cpdef bint is_mask(object x)
cpdef object chosen(object g, object partial)
cpdef object stopped(object share, object partial)
cpdef bint is_node(object x)
cpdef bint is_large(object x)
