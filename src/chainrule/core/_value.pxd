# The C types of value.py, for the compiled scalar engine.
from libc.math cimport exp as c_exp
from libc.math cimport log as c_log
from libc.math cimport pow as c_pow
from libc.math cimport tanh as c_tanh
from libc.stdlib cimport free, malloc

cdef extern from "Python.h":
    ctypedef struct PyObject
    Py_ssize_t Py_REFCNT(PyObject *)

cdef extern from "slabs.h":
    void lay_in_slabs(object kind)

cdef int LEAF, ONE, TWO, VALUE_NUMBER, NUMBER_VALUE, MANY, FOREIGN
cdef int NAMELESS, ADD, SUB, MUL, DIV, POW, NEG, RELU, TANH, EXP, LOG, SIGMOID, IDENTITY, CONSTANT, FLAT
cdef int attention
cdef list graveyard
cdef bint burying

cdef class Extras:
    cdef tuple inputs
    cdef object operation
    cdef double *partials
    cdef object settings
    cdef str label
    cdef bint late
    cdef bint selects

cdef class Value:
    cdef public double data
    cdef public double grad
    cdef Value first
    cdef Value second
    cdef double d_first
    cdef double d_second
    cdef Extras extras
    cdef int waiting
    cdef short layout
    cdef short code

cdef inline bint owns_inputs(Value node) noexcept:
    """Whether an input would be freed together with this node. Casts, because an object argument is one more reference."""
    return (Py_REFCNT(<PyObject *>node.first) == 1 + (node.first is node.second)
            or Py_REFCNT(<PyObject *>node.second) == 1 or Py_REFCNT(<PyObject *>node.extras) == 1)

cdef inline bint first_frees_more(Value node) noexcept:
    """Whether the first input would be freed together with this node, and an input of its own with it."""
    return Py_REFCNT(<PyObject *>node.first) == 1 and owns_inputs(node.first)

cdef inline bint second_frees_more(Value node) noexcept:
    return Py_REFCNT(<PyObject *>node.second) == 1 and owns_inputs(node.second)

cdef Value plus(Value x, Value y)
cdef Value times(Value x, Value y)
cdef Value make(int code, int layout, Value first, Value second, double data, double d_first, double d_second)
cdef Value constant(double data, str label)
cdef Value make_many(Extras extras, double data)
cdef walk(Value output, double gradient)
cdef inline double passed(Value node, double slope, double g) noexcept
cdef bint selects(Value node) noexcept
cdef void meet(Value x, list stack) noexcept
cdef void give(Value x, double share, list stack) noexcept
cdef void give_many(Value node, list stack) noexcept
cdef give_late(Value node, list stack)
cpdef object read_graph(Value output)
cdef bint put_unread(Value node, list stack) except -1
cdef put_if_unread(Value x, list stack)
cdef object place_or_number(object x)
cdef void bury(Value node) noexcept
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
