/* What is indexed with [] and is no sequence to C, as a dict is none.

   Where an array's entry is assigned, NumPy asks for a float, and lays "setting an array element with a sequence" over
   whatever error says why there is none, if what it was given looks like a sequence. The error that names the way out
   should be the one that is seen. */

static void make_keyed(PyObject *kind) {
    ((PyTypeObject *)kind)->tp_as_sequence->sq_item = NULL;
    PyType_Modified((PyTypeObject *)kind);
}
