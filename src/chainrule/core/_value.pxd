# The C types of value.py, for the compiled scalar engine.
from libc.math cimport exp as c_exp
from libc.math cimport log as c_log
from libc.math cimport pow as c_pow
from libc.math cimport tanh as c_tanh
from libc.stdlib cimport free, malloc, realloc

from cpython.ref cimport Py_INCREF, PyObject

cdef extern from "slabs.h":
    void keep_in_slabs(object kind)

ctypedef PyObject *Held
ctypedef Held *pHeld

cdef int LEAF, ONE, TWO, VALUE_NUMBER, NUMBER_VALUE, MANY, FOREIGN
cdef int NAMELESS, ADD, SUB, MUL, DIV, POW, NEG, RELU, TANH, EXP, LOG, SIGMOID, IDENTITY, CONSTANT, FLAT
cdef int attention

cdef class Extras:
    cdef tuple inputs
    cdef object operation
    cdef double *partials
    cdef object settings
    cdef str label
    cdef bint late
    cdef bint selects

cdef class Pile:
    cdef Py_ssize_t count
    cdef Py_ssize_t room
    cdef pHeld nodes
    cdef inline int put(self, Value node) except -1
    cdef inline Held take(self) noexcept
    cdef int grow(self) except -1

cdef class Value:
    # What slabs.h frees stands first. The inputs are bare pointers, each counted by hand: the walks need not count.
    cdef Held first
    cdef Held second
    cdef Extras extras
    cdef public double data
    cdef public double grad
    cdef double d_first
    cdef double d_second
    cdef int waiting
    cdef short layout
    cdef short code

cdef Held counted(Value x) noexcept
cdef Value plus(Value x, Value y)
cdef Value times(Value x, Value y)
cdef Value make(int code, int layout, Value first, Value second, double data, double d_first, double d_second)
cdef Value constant(double data, str label)
cdef Value make_many(Extras extras, double data)
cdef walk(Value output, double gradient)
cdef inline double passed(Value node, double slope, double g) noexcept
cdef bint selects(Value node) noexcept
cdef int meet_inputs(Value node, Pile pile) except -1
cdef int meet(Value x, Pile pile) except -1
cdef int give_inputs(Value node, Pile pile, bint watched) except -1
cdef int give(Value x, double share, Pile pile) except -1
cdef int give_many(Value node, Pile pile) except -1
cdef int give_late(Value node, Pile pile) except -1
cpdef object read_graph(Value output)
cdef bint put_unread(Value node, list stack) except -1
cdef put_if_unread(Value x, list stack)
cdef object place_or_number(object x)
cdef double *allocate(Py_ssize_t count)
cdef double divide(double x, double y) noexcept
cdef double ieee_exp(double x) noexcept
cdef double ieee_log(double x) noexcept
cdef double ieee_tanh(double x) noexcept
cdef double power(double x, double y) noexcept
cdef double number(object x) except? -1.0
cdef double real(object x) except? -1.0
cpdef Value add_all(object terms)
cpdef Value dot_all(object xs, object ys)
cpdef object weighted_sum(object start, list weights, list inputs)
