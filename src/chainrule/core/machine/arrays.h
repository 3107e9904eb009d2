/* Kernels called with arrays, as the eager engine does: these are checked, and then an instruction is run on them.

   A kernel answers NotImplemented to arrays that it does not take, which are left to NumPy. Another thread may do with
   the arrays what it likes: write numbers into them at any time, since NumPy works without Python's lock, so places are
   read once and checked as they were read; change their sizes only while Python lets it, which is wherever an array is
   made and nowhere in a kernel, so sizes are read after that. */

#define MOST_ARGUMENTS 16

/* What an argument of a chain is: entries, as many as all others have; the same, written in place; one number. What is
   not read may be anything. */
enum { UNREAD, ENTRIES, CHANGED, NUMBER };

/* What a chain gives, if it is no argument: an array like the first, a number, nothing. */
enum { GIVES_FRESH = -1, GIVES_TOTAL = -2, GIVES_NOTHING = -3 };

/* The pieces of memory of a chain: numbers, then arguments, then the result. */
enum { NUMBERS, FIRST_ARGUMENT };

typedef struct {
    PyObject_HEAD
    vectorcallfunc call;
    PyObject *record;
    int64_t *words;
    Py_ssize_t count;
    int arguments, role[MOST_ARGUMENTS];
    int shape; /* the argument whose entries are counted */
    int gives;
    int constants; /* the first of the numbers; the arguments' follow */
    double numbers[MOST_SLOTS];
} Chain;

/* NumPy's number for float32 and float64, of an array that is in one piece; 0 for anything else. */
static int floats(PyObject *x) {
    if (!PyArray_CheckExact(x) || !PyArray_ISCARRAY_RO((PyArrayObject *)x))
        return 0;
    int type = PyArray_TYPE((PyArrayObject *)x);
    return type == NPY_FLOAT || type == NPY_DOUBLE ? type : 0;
}

static int may_change(PyObject *x) { return PyArray_ISCARRAY((PyArrayObject *)x); }
static npy_intp entries_in(PyObject *x) { return PyArray_SIZE((PyArrayObject *)x); }
static int axes_of(PyObject *x) { return PyArray_NDIM((PyArrayObject *)x); }
static npy_intp length_of(PyObject *x, int axis) { return PyArray_DIM((PyArrayObject *)x, axis); }
static char *entries_of(PyObject *x) { return PyArray_BYTES((PyArrayObject *)x); }

static PyObject *new_array(int axes, npy_intp *extent, int type) {
    npy_intp bytes = type == NPY_FLOAT ? 4 : 8;
    for (int i = 0; i < axes; i++)
        bytes *= extent[i];
    return (size_t)bytes >= LARGE ? large_array(axes, extent, type) : PyArray_SimpleNew(axes, extent, type);
}

/* Whether memory that is written is, of all else, the same as another array's or apart from it. */
static int goes_with(PyObject *changed, PyObject *other) {
    const char *a = entries_of(changed), *b = entries_of(other);
    npy_intp n = PyArray_NBYTES((PyArrayObject *)changed), m = PyArray_NBYTES((PyArrayObject *)other);
    return (a == b && n == m) || a + n <= b || b + m <= a;
}

/* One number of a type, or of Python's, which takes on any. */
static int number_of(PyObject *x, int type, double *number) {
    if (PyFloat_CheckExact(x)) {
        *number = PyFloat_AS_DOUBLE(x);
        return 1;
    }
    if (PyArray_CheckExact(x)) {
        if (floats(x) != type || axes_of(x))
            return 0;
        *number = type == NPY_FLOAT ? *(float *)entries_of(x) : *(double *)entries_of(x);
        return 1;
    }
    if (type == NPY_FLOAT ? !PyArray_IsScalar(x, Float) : !PyArray_IsScalar(x, Double))
        return 0;
    *number = type == NPY_FLOAT ? PyArrayScalar_VAL(x, Float) : PyArrayScalar_VAL(x, Double);
    return 1;
}

/* Whether the arguments go together; where they lie is entered then. */
static int chain_takes(Chain *self, PyObject *const *args, int type, char **memory) {
    for (int i = 0; i < self->arguments; i++) {
        memory[FIRST_ARGUMENT + i] = NULL;
        if (self->role[i] == NUMBER && !number_of(args[i], type, self->numbers + self->constants + i))
            return 0;
        if (self->role[i] != ENTRIES && self->role[i] != CHANGED)
            continue;
        if (floats(args[i]) != type || !PyArray_SAMESHAPE((PyArrayObject *)args[i], (PyArrayObject *)args[self->shape]))
            return 0;
        memory[FIRST_ARGUMENT + i] = entries_of(args[i]);
    }
    for (int i = 0; i < self->arguments; i++) {
        if (self->role[i] != CHANGED)
            continue;
        if (!may_change(args[i]))
            return 0;
        for (int k = 0; k < self->arguments; k++)
            if (k != i && memory[FIRST_ARGUMENT + k] && !goes_with(args[i], args[k]))
                return 0;
    }
    return 1;
}

static PyObject *number_array(const void *at, int type) {
    PyArray_Descr *descr = PyArray_DescrFromType(type);
    PyObject *number = PyArray_Scalar((void *)at, descr, NULL);
    Py_DECREF(descr);
    return number;
}

static int define_chain(Chain *self);

static PyObject *chain_call(PyObject *me, PyObject *const *args, size_t flags, PyObject *names) {
    Chain *self = (Chain *)me;
    char *memory[FIRST_ARGUMENT + MOST_ARGUMENTS + 1];
    PyObject *out = NULL;
    union {
        float single;
        double whole;
    } total = {0};
    if (!self->words && !define_chain(self))
        return NULL;
    if (PyVectorcall_NARGS(flags) != self->arguments || (names && PyTuple_GET_SIZE(names)))
        Py_RETURN_NOTIMPLEMENTED;
    PyObject *shape = args[self->shape];
    int type = floats(shape);
    if (type && self->gives == GIVES_FRESH &&
        !(out = new_array(axes_of(shape), PyArray_DIMS((PyArrayObject *)shape), type)))
        return NULL;
    // Nothing below calls Python until the kernel has run.
    if (!type || floats(shape) != type || !chain_takes(self, args, type, memory) ||
        (out && !PyArray_SAMESHAPE((PyArrayObject *)out, (PyArrayObject *)shape))) {
        Py_XDECREF(out);
        Py_RETURN_NOTIMPLEMENTED;
    }
    memory[NUMBERS] = (char *)self->numbers;
    memory[FIRST_ARGUMENT + self->arguments] = out ? entries_of(out) : (char *)&total;
    self->words[2] = type == NPY_FLOAT ? SINGLE : DOUBLE; // Python's lock is held until they have been run
    self->words[3] = self->words[7] = entries_in(shape);
    Fault fault;
    execute(self->words, self->words + self->count, memory, &fault);
    if (self->gives == GIVES_FRESH)
        return PyArray_Return((PyArrayObject *)out);
    if (self->gives >= 0)
        return Py_NewRef(args[self->gives]);
    if (self->gives == GIVES_NOTHING)
        Py_RETURN_NONE;
    return number_array(&total, type);
}

/* What the recorder says of the chain: words for the instruction, constants, roles, and what it gives. */
static int define_chain(Chain *self) {
    Py_buffer words, constants;
    PyObject *roles, *told = PyObject_CallNoArgs(self->record);
    int done = 0;
    if (!told)
        return 0;
    if (!PyArg_ParseTuple(told, "y*y*O!i", &words, &constants, &PyTuple_Type, &roles, &self->gives)) {
        Py_DECREF(told);
        return 0;
    }
    self->arguments = (int)PyTuple_GET_SIZE(roles);
    self->constants = (int)(constants.len / 8);
    if (self->arguments > MOST_ARGUMENTS || self->constants + self->arguments > MOST_SLOTS)
        PyErr_SetString(PyExc_ValueError, "a chain of so many arguments");
    else if (!(self->words = malloc((size_t)words.len)))
        PyErr_NoMemory();
    else {
        for (int i = 0; i < self->arguments; i++)
            self->role[i] = (int)PyLong_AsLong(PyTuple_GET_ITEM(roles, i));
        while (self->shape < self->arguments - 1 && self->role[self->shape] != ENTRIES && self->role[self->shape] != CHANGED)
            self->shape++;
        memcpy(self->words, words.buf, (size_t)words.len);
        memcpy(self->numbers, constants.buf, (size_t)constants.len);
        self->count = words.len / 8;
        done = !PyErr_Occurred();
    }
    PyBuffer_Release(&words);
    PyBuffer_Release(&constants);
    Py_DECREF(told);
    return done;
}

static PyObject *chain_new(PyTypeObject *type, PyObject *args, PyObject *names) {
    PyObject *record;
    if ((names && PyDict_GET_SIZE(names)) || !PyArg_ParseTuple(args, "O", &record))
        return PyErr_Occurred() ? NULL : PyErr_Format(PyExc_TypeError, "a chain's parts have no names");
    Chain *self = (Chain *)type->tp_alloc(type, 0);
    if (self) {
        self->call = chain_call;
        self->record = Py_NewRef(record);
    }
    return (PyObject *)self;
}

static int chain_traverse(PyObject *me, visitproc visit, void *arg) {
    Py_VISIT(((Chain *)me)->record);
    return 0;
}

static int chain_clear(PyObject *me) {
    Py_CLEAR(((Chain *)me)->record);
    return 0;
}

static void chain_dealloc(PyObject *me) {
    PyObject_GC_UnTrack(me);
    free(((Chain *)me)->words);
    chain_clear(me);
    Py_TYPE(me)->tp_free(me);
}

static PyTypeObject chain_type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "chainrule.core._machine.Chain",
    .tp_doc = "Chain(record): elementwise operations on arrays, as `record` tells at the first call.",
    .tp_basicsize = sizeof(Chain),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL,
    .tp_new = chain_new,
    .tp_dealloc = chain_dealloc,
    .tp_traverse = chain_traverse,
    .tp_clear = chain_clear,
    .tp_vectorcall_offset = offsetof(Chain, call),
    .tp_call = PyVectorcall_Call,
};

/* Larger matrices gain from several cores, which kernels do not use; and more rows from a routine that copies blocks, but
   where they meet so few weights that these stay in the first cache; other threads of Python's wait a millisecond at most. */
#define MOST_WEIGHTS ((npy_intp)1 << 16)
#define MOST_NEAR ((npy_intp)1 << 12)
#define MOST_BESIDE_THEM ((npy_intp)1 << 14)
#define MOST_FEW 16

static int few(npy_intp rows, npy_intp weights) {
    return rows > 0 && weights <= MOST_WEIGHTS && (rows <= MOST_FEW || rows * weights <= MOST_WEIGHTS);
}

/* An instruction on arrays of one type: the first words are filled in. */
static int run_words(int64_t *word, Py_ssize_t count, char **memory) {
    Fault fault = {0};
    word[1] = count;
    if (execute(word, word + count, memory, &fault))
        return 1;
    raise_fault(&fault);
    return 0;
}

/* rows × inner times inner × columns, each factor with its strides; a row is added where there is one. */
static int multiply(int type, npy_intp rows, npy_intp columns, npy_intp inner, const npy_intp *down, const npy_intp *across,
                    char *left, char *right, char *added, char *out) {
    char *panel = malloc((size_t)inner * PANEL_BYTES + 64), *memory[] = {left, right, out, added, panel};
    int64_t w[] = {PRODUCT, 0, type == NPY_FLOAT ? SINGLE : DOUBLE, rows, columns, inner, 0, 0, down[0], across[0],
                   1, 0, down[1], across[1], 2, 0, columns, added ? 3 : -1, 0, 0, -1, 0, 0,
                   1, 0, 0, 0, 1, 0, 0, 0, 4, 0, -1, 0, 0};
    int done = panel && run_words(w, sizeof w / sizeof w[0], memory);
    free(panel);
    return done;
}

static int near(npy_intp rows, npy_intp weights) { return rows > 0 && weights <= MOST_NEAR && rows <= MOST_BESIDE_THEM; }

static PyObject *weighted(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count) {
    if (count != 3)
        Py_RETURN_NOTIMPLEMENTED;
    PyObject *x = args[0], *w = args[1], *b = args[2];
    int type = floats(x);
    if (!type || floats(w) != type || floats(b) != type || axes_of(x) != 2 || axes_of(w) != 2 || axes_of(b) != 1)
        Py_RETURN_NOTIMPLEMENTED;
    npy_intp shape[] = {length_of(x, 0), entries_in(b)}, inner = length_of(x, 1);
    if (length_of(w, 1) != inner || length_of(w, 0) != shape[1] ||
        !(few(shape[0], entries_in(w)) || near(shape[0], entries_in(w))))
        Py_RETURN_NOTIMPLEMENTED;
    PyObject *out = new_array(2, shape, type);
    if (!out)
        return NULL;
    npy_intp down[] = {inner, 1}, across[] = {1, inner};
    if (floats(x) == type && floats(w) == type && floats(b) == type && entries_in(x) == shape[0] * inner &&
        entries_in(w) == shape[1] * inner && entries_in(b) == shape[1] &&
        multiply(type, shape[0], shape[1], inner, down, across, entries_of(x), entries_of(w), entries_of(b),
                 entries_of(out)))
        return out;
    Py_DECREF(out);
    Py_RETURN_NOTIMPLEMENTED;
}

static PyObject *outer_sum(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count) {
    if (count != 2)
        Py_RETURN_NOTIMPLEMENTED;
    PyObject *g = args[0], *x = args[1];
    int type = floats(g);
    if (!type || floats(x) != type || axes_of(g) != 2 || axes_of(x) != 2 || length_of(g, 0) != length_of(x, 0))
        Py_RETURN_NOTIMPLEMENTED;
    npy_intp shape[] = {length_of(g, 1), length_of(x, 1)}, rows = length_of(g, 0);
    if (!few(rows, shape[0] * shape[1]))
        Py_RETURN_NOTIMPLEMENTED;
    PyObject *out = new_array(2, shape, type);
    if (!out)
        return NULL;
    npy_intp down[] = {1, shape[1]}, across[] = {shape[0], 1};
    if (floats(g) == type && floats(x) == type && entries_in(g) == rows * shape[0] && entries_in(x) == rows * shape[1] &&
        multiply(type, shape[0], shape[1], rows, down, across, entries_of(g), entries_of(x), NULL, entries_of(out)))
        return out;
    Py_DECREF(out);
    Py_RETURN_NOTIMPLEMENTED;
}

static PyObject *column_sums(PyObject *Py_UNUSED(module), PyObject *g) {
    int type = floats(g), axes = type ? axes_of(g) : 0;
    if (axes < 2 || !entries_in(g))
        Py_RETURN_NOTIMPLEMENTED;
    npy_intp columns = length_of(g, axes - 1);
    PyObject *out = new_array(1, &columns, type);
    if (!out)
        return NULL;
    if (floats(g) == type && axes_of(g) == axes && length_of(g, axes - 1) == columns && entries_in(g)) {
        char *memory[] = {entries_of(g), entries_of(out)};
        double one = 1;
        int64_t w[] = {REDUCE, 0, type == NPY_FLOAT ? SINGLE : DOUBLE, SUM_OF, 1, entries_in(g) / columns, columns, 0, 0,
                       1, 0, 0, columns};
        memcpy(w + 11, &one, sizeof one);
        run_words(w, sizeof w / sizeof w[0], memory);
        return out;
    }
    Py_DECREF(out);
    Py_RETURN_NOTIMPLEMENTED;
}

/* Whether g has a row like those of `out` for each place. */
static int are_rows(PyObject *out, PyObject *places, PyObject *g) {
    int lead = axes_of(places);
    if (!axes_of(out) || axes_of(g) != lead + axes_of(out) - 1)
        return 0;
    for (int i = 0; i < axes_of(g); i++)
        if (length_of(g, i) != (i < lead ? length_of(places, i) : length_of(out, i - lead + 1)))
            return 0;
    return 1;
}

static PyObject *add_to_rows(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count) {
    if (count != 3)
        Py_RETURN_NOTIMPLEMENTED;
    PyObject *out = args[0], *places = args[1], *g = args[2];
    int type = floats(out);
    if (!type || floats(g) != type || !may_change(out) || !PyArray_CheckExact(places) ||
        PyArray_TYPE((PyArrayObject *)places) != NPY_INT64 || !PyArray_ISCARRAY_RO((PyArrayObject *)places) ||
        !entries_in(out) || !are_rows(out, places, g) || !goes_with(out, g) || !goes_with(out, places))
        Py_RETURN_NOTIMPLEMENTED;
    npy_intp rows = length_of(out, 0), run = PyArray_NBYTES((PyArrayObject *)out) / rows;
    char *memory[] = {entries_of(g), entries_of(out), entries_of(places)};
    int64_t w[] = {PUT, 0, type == NPY_FLOAT ? SINGLE : DOUBLE, run, entries_in(places), 1, 0, 0, 1, 0, 0,
                   2, 0, LONG, 1, rows, run, 0};
    return run_words(w, sizeof w / sizeof w[0], memory) ? Py_NewRef(out) : NULL;
}

/* The length of rows in an array of floats with entries; 0 for anything else. */
static npy_intp row_of(PyObject *x) {
    return floats(x) && axes_of(x) && entries_in(x) ? length_of(x, axes_of(x) - 1) : 0;
}

static int64_t word_of(double x) {
    int64_t word;
    memcpy(&word, &x, sizeof word);
    return word;
}

static int64_t type_word(PyObject *x) { return floats(x) == NPY_FLOAT ? SINGLE : DOUBLE; }

static void run_rows(int what, PyObject *x, char *out) {
    npy_intp columns = row_of(x);
    char *memory[] = {entries_of(x), out};
    int64_t w[] = {ROWS, 0, type_word(x), what, entries_in(x) / columns, columns, 0, 0, 1, 0};
    run_words(w, sizeof w / sizeof w[0], memory);
}

static PyObject *softmax_rows(PyObject *Py_UNUSED(module), PyObject *x) {
    if (!row_of(x) || !may_change(x))
        Py_RETURN_NOTIMPLEMENTED;
    run_rows(SOFTMAX, x, entries_of(x));
    return Py_NewRef(x);
}

static void run_pairs(int what, PyObject *x, PyObject *g, PyObject *by, PyObject *out, double small) {
    npy_intp columns = row_of(x);
    char *memory[] = {entries_of(x), entries_of(g), entries_of(by), entries_of(out)};
    int64_t w[] = {PAIRS, 0, type_word(x), what, entries_in(x) / columns, columns, 0, 0, 1, 0, 2, 0, 3, 0,
                   word_of(small)};
    run_words(w, sizeof w / sizeof w[0], memory);
}

static int are_alike(PyObject *x, PyObject *y) {
    return row_of(x) && floats(x) == floats(y) && PyArray_SAMESHAPE((PyArrayObject *)x, (PyArrayObject *)y);
}

static PyObject *softmax_rows_backward(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count) {
    if (count != 2 || !are_alike(args[0], args[1]) || !may_change(args[0]) || !goes_with(args[0], args[1]))
        Py_RETURN_NOTIMPLEMENTED;
    run_pairs(SHARED_OUT, args[1], args[0], args[1], args[0], 0);
    return Py_NewRef(args[0]);
}

/* Whether g is as x is, and w as a row of that. */
static int are_with_row(PyObject *x, PyObject *g, PyObject *w) {
    return are_alike(x, g) && floats(w) == floats(x) && axes_of(w) == 1 && length_of(w, 0) == row_of(x);
}

static PyObject *like(PyObject *x) { return new_array(axes_of(x), PyArray_DIMS((PyArrayObject *)x), floats(x)); }

static PyObject *normalized(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count) {
    double small;
    if (count != 2 || !row_of(args[0]) || !number_of(args[1], floats(args[0]), &small))
        Py_RETURN_NOTIMPLEMENTED;
    PyObject *x = args[0], *out = like(x);
    if (!out)
        return NULL;
    if (are_alike(x, out)) {
        run_pairs(NORMAL, x, x, x, out, small);
        return out;
    }
    Py_DECREF(out);
    Py_RETURN_NOTIMPLEMENTED;
}

/* Arguments as of the adjoints of layer_norm: g, x, w, b, eps. */
static PyObject *layer_norm_x(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count) {
    double small;
    PyObject *g = args[0], *x = args[1], *w = args[2];
    if (count != 5 || !row_of(x) || !are_with_row(x, g, w) || !number_of(args[4], floats(x), &small))
        Py_RETURN_NOTIMPLEMENTED;
    PyObject *out = like(x);
    if (!out)
        return NULL;
    if (are_with_row(x, g, w) && are_alike(x, out)) {
        run_pairs(NORMAL_SHARED_OUT, x, g, w, out, small);
        return out;
    }
    Py_DECREF(out);
    Py_RETURN_NOTIMPLEMENTED;
}

static PyObject *layer_norm_w(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count) {
    double small;
    PyObject *g = args[0], *x = args[1];
    if (count != 5 || !row_of(x) || !are_with_row(x, g, args[2]) || !number_of(args[4], floats(x), &small))
        Py_RETURN_NOTIMPLEMENTED;
    npy_intp columns = row_of(x);
    PyObject *out = new_array(1, &columns, floats(x)), *work = out ? like(x) : NULL;
    if (!work) {
        Py_XDECREF(out);
        return NULL;
    }
    if (!are_alike(x, g) || !are_alike(x, work) || row_of(x) != columns) {
        Py_DECREF(work);
        Py_DECREF(out);
        Py_RETURN_NOTIMPLEMENTED;
    }
    run_pairs(NORMAL, x, x, x, work, small);
    char *memory[] = {entries_of(work), entries_of(g), entries_of(out)};
    const int64_t type = type_word(x), n = entries_in(x);
    int64_t times[] = {CHAIN, 0, type, n, 1, 2, 1, n, STREAM, 0, 0, type, 1, STREAM, 1, 0, type, 1,
                       MUL, REGISTERS, REGISTERS, REGISTERS + 1, REGISTERS, REGISTERS};
    int64_t sum[] = {REDUCE, 0, type, SUM_OF, 1, n / columns, columns, 0, 0, 2, 0, word_of(1), columns};
    run_words(times, sizeof times / sizeof times[0], memory);
    run_words(sum, sizeof sum / sizeof sum[0], memory);
    Py_DECREF(work);
    return out;
}

static PyObject *plus(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count) {
    if (count != 2 || !row_of(args[0]) || floats(args[1]) != floats(args[0]) || axes_of(args[1]) != 1 ||
        length_of(args[1], 0) != row_of(args[0]) || !may_change(args[0]) || !goes_with(args[0], args[1]))
        Py_RETURN_NOTIMPLEMENTED;
    npy_intp columns = row_of(args[0]);
    char *memory[] = {entries_of(args[1]), entries_of(args[0])};
    int64_t w[] = {ADD_ROW, 0, type_word(args[0]), entries_in(args[0]) / columns, columns, 0, 0, 1, 0};
    run_words(w, sizeof w / sizeof w[0], memory);
    return Py_NewRef(args[0]);
}

/* A column for each row, in memory that nobody else has; NULL if one is outside, or no place. */
static npy_intp *places_of(PyObject *x, npy_intp rows, npy_intp columns) {
    if (!PyArray_CheckExact(x) || PyArray_TYPE((PyArrayObject *)x) != NPY_INTP ||
        !PyArray_ISBEHAVED_RO((PyArrayObject *)x) || axes_of(x) != 1 || length_of(x, 0) != rows)
        return NULL;
    const char *from = entries_of(x);
    const npy_intp step = PyArray_STRIDE((PyArrayObject *)x, 0);
    npy_intp *own = malloc((size_t)rows * sizeof *own);
    for (npy_intp i = 0; own && i < rows; i++) {
        own[i] = *(const volatile npy_intp *)(from + i * step);
        if (own[i] < 0 || own[i] >= columns) {
            free(own);
            return NULL;
        }
    }
    return own;
}

/* A softmax of rows, or its logarithm, in a fresh array, and a column for each row; NULL where there is none. */
static PyObject *shares_and_places(int what, PyObject *const *args, Py_ssize_t count, npy_intp **places) {
    PyObject *x = args[0];
    if (count != 2 || !row_of(x) || axes_of(x) != 2)
        Py_RETURN_NOTIMPLEMENTED;
    PyObject *out = new_array(2, PyArray_DIMS((PyArrayObject *)x), floats(x));
    if (!out)
        return NULL;
    if (!are_alike(x, out) || !(*places = places_of(args[1], length_of(x, 0), length_of(x, 1)))) {
        Py_DECREF(out);
        Py_RETURN_NOTIMPLEMENTED;
    }
    run_rows(what, x, entries_of(out));
    return out;
}

static PyObject *negative_log_likelihood(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count) {
    npy_intp *places = NULL;
    PyObject *logs = shares_and_places(LOG_SOFTMAX, args, count, &places);
    if (!places)
        return logs;
    const int type = floats(logs);
    const npy_intp rows = length_of(logs, 0), columns = length_of(logs, 1);
    double sum = 0;
    for (npy_intp i = 0; i < rows; i++)
        sum -= type == NPY_FLOAT ? ((float *)entries_of(logs))[i * columns + places[i]]
                                 : ((double *)entries_of(logs))[i * columns + places[i]];
    free(places);
    Py_DECREF(logs);
    const double mean = sum / (double)rows;
    const float single = (float)mean;
    return number_array(type == NPY_FLOAT ? (const void *)&single : &mean, type);
}

/* Arguments as of the adjoint of cross_entropy: g, x, target. */
static PyObject *cross_entropy_x(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count) {
    npy_intp *places = NULL;
    double factor;
    if (count != 3 || !floats(args[1]) || !number_of(args[0], floats(args[1]), &factor))
        Py_RETURN_NOTIMPLEMENTED;
    PyObject *shares = shares_and_places(SOFTMAX, args + 1, count - 1, &places);
    if (!places)
        return shares;
    const npy_intp rows = length_of(shares, 0), columns = length_of(shares, 1);
    factor /= (double)rows;
    if (floats(shares) == NPY_FLOAT) {
        float *at = (float *)entries_of(shares), by = (float)factor;
        for (npy_intp i = 0; i < rows; i++)
            at[i * columns + places[i]] -= 1;
        for (npy_intp i = 0; i < rows * columns; i++)
            at[i] *= by;
    } else {
        double *at = (double *)entries_of(shares);
        for (npy_intp i = 0; i < rows; i++)
            at[i * columns + places[i]] -= 1;
        for (npy_intp i = 0; i < rows * columns; i++)
            at[i] *= factor;
    }
    free(places);
    return shares;
}

/* Arguments as optim/adam.py has them: data, gradient, mean, square, four numbers, and room that is not needed. */
static PyObject *adam_step(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count) {
    double number[4];
    int type = count == 9 ? floats(args[0]) : 0;
    if (!type)
        Py_RETURN_NOTIMPLEMENTED;
    for (int i = 0; i < 4; i++) {
        int fits = floats(args[i]) == type && PyArray_SAMESHAPE((PyArrayObject *)args[i], (PyArrayObject *)args[0]);
        if (!fits || !number_of(args[4 + i], type, number + i) || (i != 1 && !may_change(args[i])))
            Py_RETURN_NOTIMPLEMENTED;
        for (int k = 0; k < i; k++)
            if (args[k] == args[i] || !goes_with(args[i], args[k]))
                Py_RETURN_NOTIMPLEMENTED;
    }
    char *memory[] = {entries_of(args[0]), entries_of(args[1]), entries_of(args[2]), entries_of(args[3])};
    int64_t w[] = {ADAM, 0, type_word(args[0]), entries_in(args[0]), 0, 0, 1, 0, 2, 0, 3, 0,
                   word_of(number[0]), word_of(number[1]), word_of(number[2]), word_of(number[3])};
    // Means of gradients that have stopped fade away to numbers that take some processors a hundred times longer.
    unsigned int before = drop_tiny(1);
    run_words(w, sizeof w / sizeof w[0], memory);
    set_rounding(before);
    Py_RETURN_NONE;
}

/* A call of the first argument with all others, for what it makes of large arrays: their memory begins with a line of the
   cache and has been used before. Where malloc puts them, which is beside a line in three of four cases, the same
   arithmetic takes up to twice as long. */
static PyObject *in_own_memory(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count, PyObject *names) {
    if (!count)
        return PyErr_Format(PyExc_TypeError, "a function comes first");
    PyObject *before = PyDataMem_SetHandler(own_handler), *kind, *error, *trace;
    if (!before)
        return NULL;
    PyObject *out = PyObject_Vectorcall(args[0], args + 1, (size_t)(count - 1), names);
    PyErr_Fetch(&kind, &error, &trace);
    PyObject *own = PyDataMem_SetHandler(before);
    PyErr_Restore(kind, error, trace);
    Py_DECREF(before);
    Py_XDECREF(own);
    return out;
}

#define MANY(name) {#name, (PyCFunction)(void (*)(void))name, METH_FASTCALL, "The kernel of that name."}
#define SINGLE_ONE(name) {#name, name, METH_O, "The kernel of that name."}
