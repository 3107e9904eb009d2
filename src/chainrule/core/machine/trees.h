/* Nested lists, tuples and dicts as a flat list of leaves, and back: core/tree.py for a structure that is known.

   A structure is "*" for a leaf, None, or (kind, keys or None, parts). */

static int is_leaf(PyObject *structure) { return PyUnicode_Check(structure); }

/* Put the leaves of a tree into `leaves`, `at` the next place; 0 where it has another structure. */
static int leaves_of(PyObject *structure, PyObject *tree, PyObject **leaves, Py_ssize_t *at, Py_ssize_t most) {
    if (is_leaf(structure)) {
        if (*at == most)
            return 0;
        leaves[(*at)++] = tree;
        return 1;
    }
    if (structure == Py_None || tree == Py_None)
        return structure == tree;
    PyObject *keys = PyTuple_GET_ITEM(structure, 1), *parts = PyTuple_GET_ITEM(structure, 2);
    Py_ssize_t count = PyTuple_GET_SIZE(parts);
    if ((PyObject *)Py_TYPE(tree) != PyTuple_GET_ITEM(structure, 0))
        return 0;
    if (PyDict_Check(tree)) {
        Py_ssize_t i = 0, position = 0;
        PyObject *key, *value;
        if (PyDict_GET_SIZE(tree) != count)
            return 0;
        while (PyDict_Next(tree, &position, &key, &value)) {
            PyObject *wanted = PyTuple_GET_ITEM(keys, i);
            if (key != wanted && !(PyUnicode_CheckExact(key) && PyUnicode_CheckExact(wanted) &&
                                   !PyUnicode_Compare(key, wanted)))
                return 0;
            if (!leaves_of(PyTuple_GET_ITEM(parts, i++), value, leaves, at, most))
                return 0;
        }
        return 1;
    }
    if (!PyList_CheckExact(tree) && !PyTuple_Check(tree))
        return 0;
    if (PySequence_Fast_GET_SIZE(tree) != count)
        return 0;
    for (Py_ssize_t i = 0; i < count; i++)
        if (!leaves_of(PyTuple_GET_ITEM(parts, i), PySequence_Fast_GET_ITEM(tree, i), leaves, at, most))
            return 0;
    return 1;
}

/* A structure filled with leaves; a new reference. */
static PyObject *filled(PyObject *structure, PyObject *leaves, Py_ssize_t *at) {
    if (is_leaf(structure))
        return Py_NewRef(PyTuple_GET_ITEM(leaves, (*at)++));
    if (structure == Py_None)
        return Py_NewRef(Py_None);
    PyObject *kind = PyTuple_GET_ITEM(structure, 0), *keys = PyTuple_GET_ITEM(structure, 1);
    PyObject *parts = PyTuple_GET_ITEM(structure, 2);
    Py_ssize_t count = PyTuple_GET_SIZE(parts);
    PyObject *built = keys != Py_None                    ? PyObject_CallNoArgs(kind)
                      : kind == (PyObject *)&PyList_Type ? PyList_New(count)
                                                         : PyTuple_New(count);
    for (Py_ssize_t i = 0; built && i < count; i++) {
        PyObject *part = filled(PyTuple_GET_ITEM(parts, i), leaves, at);
        if (!part)
            Py_CLEAR(built);
        else if (PyDict_Check(built)) {
            if (PyObject_SetItem(built, PyTuple_GET_ITEM(keys, i), part))
                Py_CLEAR(built);
            Py_DECREF(part);
        } else if (PyList_Check(built))
            PyList_SET_ITEM(built, i, part);
        else
            PyTuple_SET_ITEM(built, i, part);
    }
    if (built && PyTuple_Check(built) && kind != (PyObject *)&PyTuple_Type) {
        int named = PyObject_HasAttrString(kind, "_fields");
        PyObject *whole = named ? PyObject_CallObject(kind, built) : PyObject_CallOneArg(kind, built);
        Py_SETREF(built, whole);
    }
    return built;
}
