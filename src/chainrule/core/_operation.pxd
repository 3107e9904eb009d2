# The C types of operation.py, for the compiled rule book.
cdef class Operation:
    cdef dict __dict__
    cdef object __weakref__
    cdef public object function, name, inputs, defaults, flat, composition
    cdef public bint broadcasts, needs_settings, variadic
    cpdef object fitting(self, object ready, object inputs, object settings)
    cpdef object complete(self, object settings)
    cpdef object pull(self, Py_ssize_t i, object g, object out, object inputs, object settings)

cdef class Pointwise(Operation):
    cdef public object partials
    cpdef object partial(self, Py_ssize_t i, object out, object inputs, object settings)

cdef class Linear(Operation):
    cdef public object adjoint
    cdef public bint jointly

cdef class Fused(Linear):
    pass

cpdef object times(object g, object partial)
cpdef bint is_node(object x)
