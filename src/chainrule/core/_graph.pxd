# The C types of graph.py, for the compiled graph.

from chainrule.core._operation cimport Operation, Pointwise, is_large

cdef extern from "keyed.h":
    void make_keyed(object kind)

cdef long long attention, now, latest_change
cdef object DOUBLE, SINGLE, NUMPY_NUMBERS, ndarray, tensor, new
cdef object NO_SETTINGS

cdef class Node:
    cdef public object _data
    cdef public object _grad
    cdef public object arrays
    cdef public object edges
    cdef public object gone
    cdef public object hooks
    cdef public object inputs
    cdef public object _label
    cdef public object line
    cdef public object op
    cdef public object origin
    cdef public object settings
    cdef public object view_of
    cdef public bint _keep_grad
    cdef public bint requires_grad
    cdef public long long born
    cdef public long long changed
    cdef object __weakref__

cpdef set_up(Node node, object array)
cpdef from_array(object array)
cpdef record(object operation, object inputs, object settings)
cdef bint can_differ(object data) except -1
cpdef record_result(object operation, object inputs, object arrays, object settings, object data, object edges)
cdef shares_memory(object inputs, object data)
cdef changed_since(object x, long long born)
cdef stale(Node node, object edges)
cpdef bint is_flat(Operation rule, object edges) except -1
cdef leave_nothing(Node node)
cdef refuse_if_stale(Node node, object edges)
cdef fitted(Node node, object share)
cpdef edges_of(object node)
cpdef list backward_order(object outputs)
cdef leave(Node node, object g, bint fresh)
cdef settled(Node node, object g, set own)
cdef asked(Node node, object g)
cpdef list passed_on(Node node, object edges, object g, bint spare)
cdef list shares(object node, object edges, object g, bint record, bint spare)
