/* Whether what stands around a program is what it was: asked at each call, so that it must cost next to nothing.

   Watch(places, missing): a place is (owner, key, was). What stands there now is a dict's entry, or `missing`; what a cell
   holds; an attribute of another owner; or, where the key is None, what the owner gives when it is called. Called, it says
   whether all of that is the very thing it was, and whether dicts have no entry yet by any name of a tuple that is a key.
   An entry that went, or an owner that refuses, is another. */

typedef struct {
    PyObject_HEAD
    vectorcallfunc call;
    PyObject *places, *missing; /* the places are a tuple of tuples */
} Watch;

/* 1 where a dict has an entry by none of the names, 0 where it has one; -1 with an error. */
static int has_none(PyObject *dict, PyObject *names) {
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(names); i++) {
        int has = PyDict_Contains(dict, PyTuple_GET_ITEM(names, i));
        if (has)
            return has < 0 ? -1 : 0;
    }
    return 1;
}

/* 1 where a place has what it had, 0 where not; -1 with an error. */
static int has_what_it_had(const Watch *self, PyObject *place) {
    PyObject *owner = PyTuple_GET_ITEM(place, 0), *key = PyTuple_GET_ITEM(place, 1), *was = PyTuple_GET_ITEM(place, 2);
    PyObject *now;
    if (PyDict_CheckExact(owner)) {
        if (PyTuple_CheckExact(key))
            return has_none(owner, key);
        now = PyDict_GetItemWithError(owner, key);
        if (!now && PyErr_Occurred())
            return -1;
        return (now ? now : self->missing) == was;
    }
    if (PyCell_Check(owner))
        return PyCell_GET(owner) == was;
    now = key == Py_None ? PyObject_CallNoArgs(owner) : PyObject_GetAttr(owner, key);
    if (!now) {
        if (!PyErr_ExceptionMatches(PyExc_AttributeError) && !PyErr_ExceptionMatches(PyExc_ValueError) &&
            !PyErr_ExceptionMatches(PyExc_RuntimeError))
            return -1;
        PyErr_Clear();
        return 0;
    }
    int same = now == was;
    Py_DECREF(now);
    return same;
}

static PyObject *watch_call(PyObject *me, PyObject *const *Py_UNUSED(args), size_t flags, PyObject *names) {
    Watch *self = (Watch *)me;
    if (PyVectorcall_NARGS(flags) || (names && PyTuple_GET_SIZE(names)))
        return PyErr_Format(PyExc_TypeError, "a watch takes no arguments");
    int same = 1;
    for (Py_ssize_t i = 0; same == 1 && i < PyTuple_GET_SIZE(self->places); i++)
        same = has_what_it_had(self, PyTuple_GET_ITEM(self->places, i));
    return same < 0 ? NULL : PyBool_FromLong(same);
}

static PyObject *watch_new(PyTypeObject *type, PyObject *args, PyObject *names) {
    PyObject *places, *missing;
    if (names && PyDict_GET_SIZE(names))
        return PyErr_Format(PyExc_TypeError, "a watch's parts have no names");
    if (!PyArg_ParseTuple(args, "O!O", &PyTuple_Type, &places, &missing))
        return NULL;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(places); i++) {
        PyObject *place = PyTuple_GET_ITEM(places, i);
        if (!PyTuple_CheckExact(place) || PyTuple_GET_SIZE(place) != 3)
            return PyErr_Format(PyExc_TypeError, "a place is (owner, key, was)");
    }
    Watch *self = (Watch *)type->tp_alloc(type, 0);
    if (self) {
        self->call = watch_call;
        self->places = Py_NewRef(places);
        self->missing = Py_NewRef(missing);
    }
    return (PyObject *)self;
}

static int watch_traverse(PyObject *me, visitproc visit, void *arg) {
    Watch *self = (Watch *)me;
    Py_VISIT(self->places);
    Py_VISIT(self->missing);
    return 0;
}

/* The missing one stays: a call may still come, and finds no places. */
static int watch_clear(PyObject *me) {
    Watch *self = (Watch *)me;
    PyObject *none = PyTuple_New(0);
    if (!none)
        PyErr_Clear();
    else
        Py_SETREF(self->places, none);
    return 0;
}

static void watch_dealloc(PyObject *me) {
    Watch *self = (Watch *)me;
    PyObject_GC_UnTrack(me);
    Py_XDECREF(self->places);
    Py_XDECREF(self->missing);
    Py_TYPE(me)->tp_free(me);
}

static PyTypeObject watch_type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "chainrule.core._machine.Watch",
    .tp_doc = "Watch(places, missing): says, called, whether every place has the very thing that it had.",
    .tp_basicsize = sizeof(Watch),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL,
    .tp_new = watch_new,
    .tp_dealloc = watch_dealloc,
    .tp_traverse = watch_traverse,
    .tp_clear = watch_clear,
    .tp_vectorcall_offset = offsetof(Watch, call),
    .tp_call = PyVectorcall_Call,
};
