/* The order in which a tape's entries can be computed, and how much of it repeats.

   An entry is known by its place among all, and stands behind the three that it reads; below 0 stands for a number of the
   tape's own. An operand that is not before its entry is refused. */

typedef struct {
    npy_intp count;
    PyArrayObject *held[4];
    const int64_t *operand[3], *mark; /* what is known of each entry beside its operands */
} Entries;

static void drop_entries(Entries *e) {
    for (int i = 0; i < 4; i++)
        Py_CLEAR(e->held[i]);
}

/* The arguments: three operands and a mark for each entry; 0 with an error. */
static int read_entries(Entries *e, PyObject *const *args, Py_ssize_t count) {
    memset(e, 0, sizeof *e);
    if (count != 4) {
        PyErr_SetString(PyExc_TypeError, "three operands and a mark for each entry");
        return 0;
    }
    for (int i = 0; i < 4; i++) {
        e->held[i] = (PyArrayObject *)PyArray_FromAny(args[i], PyArray_DescrFromType(NPY_INT64), 1, 1,
                                                      NPY_ARRAY_CARRAY_RO | NPY_ARRAY_NOTSWAPPED, NULL);
        if (e->held[i] && PyArray_DIM(e->held[i], 0) != PyArray_DIM(e->held[0], 0))
            PyErr_SetString(PyExc_ValueError, "operands and marks of another number than entries");
        if (PyErr_Occurred()) {
            drop_entries(e);
            return 0;
        }
        *(i < 3 ? e->operand + i : &e->mark) = PyArray_DATA(e->held[i]);
    }
    e->count = PyArray_DIM(e->held[0], 0);
    return 1;
}

/* What an entry reads; 0 with an error where that does not stand before it. */
static int read_entry(const Entries *e, npy_intp k, int64_t *operand) {
    int before = 1;
    for (int i = 0; i < 3; i++)
        before &= (operand[i] = e->operand[i][k]) < k;
    if (!before)
        PyErr_Format(PyExc_IndexError, "entry %zd reads one that is not before it", (Py_ssize_t)k);
    return before;
}

/* For each entry how many runs of vectors must be over before it, and the longest way to it; a mark of 1 says that it is
   computed by such a run. */
static PyObject *stages(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count) {
    Entries e;
    if (!read_entries(&e, args, count))
        return NULL;
    PyObject *out = NULL, *arrays[] = {PyArray_SimpleNew(1, &e.count, NPY_INT64), PyArray_SimpleNew(1, &e.count, NPY_INT64)};
    if (arrays[0] && arrays[1]) {
        int64_t *stage = PyArray_DATA((PyArrayObject *)arrays[0]), *depth = PyArray_DATA((PyArrayObject *)arrays[1]);
        npy_intp k = 0;
        for (int64_t operand[3]; k < e.count && read_entry(&e, k, operand); k++) {
            stage[k] = depth[k] = 0;
            for (int i = 0; i < 3; i++)
                if (operand[i] >= 0) {
                    int64_t after = stage[operand[i]] + (e.mark[operand[i]] == 1), far = depth[operand[i]] + 1;
                    stage[k] = after > stage[k] ? after : stage[k];
                    depth[k] = far > depth[k] ? far : depth[k];
                }
        }
        if (k == e.count)
            out = PyTuple_Pack(2, arrays[0], arrays[1]);
    }
    Py_XDECREF(arrays[0]);
    Py_XDECREF(arrays[1]);
    drop_entries(&e);
    return out;
}

static uint64_t mixed(uint64_t x) {
    x = (x ^ x >> 32) * 0xd6e8feb86659fd93u;
    x = (x ^ x >> 32) * 0xd6e8feb86659fd93u;
    return x ^ x >> 32;
}

/* A list of kinds as one number, and the power by which one that is joined to its left is multiplied. */
typedef struct {
    uint64_t sum, power;
} List;

static const uint64_t BASE = 0x9e3779b97f4a7c15u;

static List joined(List a, List b) { return (List){a.sum * b.power + b.sum, a.power * b.power}; }

/* What led to an entry, how often it is read, and the products and terms that are added up in a sum. */
typedef struct {
    uint64_t kind;
    int64_t uses;
    List products, terms;
} Known;

enum { IS_ADD = 1, IS_MUL };

/* A sum with one more term, which may be a product or a sum itself that nobody else reads. */
static void add_term(Known *sum, const Known *term, int64_t mark, int64_t *found) {
    int inside = term && term->uses == 1 && (mark == IS_ADD || mark == IS_MUL);
    if (inside)
        *found = 0;
    if (inside && mark == IS_ADD) {
        sum->products = joined(sum->products, term->products);
        sum->terms = joined(sum->terms, term->terms);
    } else {
        List *list = inside ? &sum->products : &sum->terms;
        *list = joined(*list, (List){term ? term->kind : BASE, BASE});
    }
}

/* For each entry a number that it shares with all to which the same operations led, sums being taken as a whole, and 0 for
   what is inside a sum. A mark is an operation; IS_ADD and IS_MUL are known. */
static PyObject *kinds(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count) {
    Entries e;
    int64_t operand[3];
    npy_intp k = 0;
    if (!read_entries(&e, args, count))
        return NULL;
    PyObject *out = PyArray_SimpleNew(1, &e.count, NPY_INT64);
    Known *known = calloc((size_t)e.count + 1, sizeof *known);
    if (!out || !known) {
        if (!PyErr_Occurred())
            PyErr_NoMemory();
        goto end;
    }
    int64_t *found = PyArray_DATA((PyArrayObject *)out);
    for (; k < e.count && read_entry(&e, k, operand); k++)
        for (int i = 0; i < 3; i++)
            if (operand[i] >= 0)
                known[operand[i]].uses++;
    if (k < e.count)
        goto end;
    for (k = 0; k < e.count; k++) {
        Known *x = known + k;
        (void)read_entry(&e, k, operand);
        x->kind = mixed((uint64_t)e.mark[k]);
        x->products = x->terms = (List){0, 1};
        for (int i = 0; i < 3; i++) {
            const Known *from = operand[i] < 0 ? NULL : known + operand[i];
            x->kind = mixed(x->kind * BASE + (from ? from->kind : BASE));
            if (e.mark[k] == IS_ADD && i < 2)
                add_term(x, from, from ? e.mark[operand[i]] : 0, from ? found + operand[i] : NULL);
        }
        if (e.mark[k] == IS_ADD)
            x->kind = mixed(mixed(x->products.sum ^ x->products.power) + mixed(x->terms.sum ^ x->terms.power) * BASE);
        found[k] = (int64_t)(x->kind ? x->kind : 1);
    }
end:
    if (k < e.count)
        Py_CLEAR(out);
    free(known);
    drop_entries(&e);
    return out;
}
