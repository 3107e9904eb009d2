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

/* Entries that can be computed now, the one first from which the way to the end is longest. */
typedef struct {
    int64_t *entry;
    npy_intp count;
} Ready;

static int goes_first(const int64_t *far, int64_t x, int64_t y) { return far[x] != far[y] ? far[x] > far[y] : x < y; }

static void put_ready(Ready *r, const int64_t *far, int64_t x) {
    npy_intp at = r->count++;
    for (; at && goes_first(far, x, r->entry[(at - 1) / 2]); at = (at - 1) / 2)
        r->entry[at] = r->entry[(at - 1) / 2];
    r->entry[at] = x;
}

static int64_t take_ready(Ready *r, const int64_t *far) {
    const int64_t first = r->entry[0], last = r->entry[--r->count];
    npy_intp at = 0;
    for (npy_intp child; (child = 2 * at + 1) < r->count; at = child) {
        child += child + 1 < r->count && goes_first(far, r->entry[child + 1], r->entry[child]);
        if (!goes_first(far, r->entry[child], last))
            break;
        r->entry[at] = r->entry[child];
    }
    r->entry[at] = last;
    return first;
}

/* For how long a processor waits for the result of an entry; the vector that entries fill, and from how many on all of
   them go together. */
enum { WAIT_IN_ORDER = 12, WAIT_FOR_VECTOR = 100, A_VECTOR = 8, MANY_READY = 4 * A_VECTOR, OPERATIONS = IN_ORDER + 1 };

typedef struct {
    Entries e;
    Ready ready[OPERATIONS];
    int64_t *far, *first, *reader, *order, *run; /* what reads entry k stands from the place first[k] on; runs are pairs */
    int32_t *missing;                            /* for how many operands an entry still waits */
    npy_intp made, runs, waiting;
} Schedule;

static int is_made(const Schedule *s, int64_t k) { return k >= 0 && s->e.mark[k] >= 0; }

static void make_ready(Schedule *s, int64_t k) {
    put_ready(s->ready + s->e.mark[k], s->far, k);
    s->waiting += s->e.mark[k] != IN_ORDER;
}

static void let_readers_go(Schedule *s, int64_t k) {
    for (int64_t i = s->first[k]; i < s->first[k + 1]; i++)
        if (!--s->missing[s->reader[i]])
            make_ready(s, s->reader[i]);
}

static void end_run(Schedule *s, int64_t operation, npy_intp length) {
    s->run[2 * s->runs] = operation;
    s->run[2 * s->runs++ + 1] = length;
}

/* How many entries there are of each operation and what each reads; 0 with an error. */
static int count_schedule(Schedule *s) {
    int64_t operand[3];
    for (npy_intp k = 0; k < s->e.count; k++) {
        if (!read_entry(&s->e, k, operand))
            return 0;
        if (s->e.mark[k] >= OPERATIONS) {
            PyErr_Format(PyExc_ValueError, "entry %zd has no operation of a tape", (Py_ssize_t)k);
            return 0;
        }
        if (!is_made(s, k))
            continue;
        s->ready[s->e.mark[k]].count++;
        s->made++;
        for (int i = 0; i < 3; i++)
            if (is_made(s, operand[i]))
                s->missing[k]++, s->first[operand[i] + 1]++;
    }
    for (npy_intp k = 0; k < s->e.count; k++)
        s->first[k + 1] += s->first[k];
    return 1;
}

/* Who reads whom, how far the end is, and room for what is ready; the most vectors that wait for one another. */
static int64_t read_schedule(Schedule *s, int64_t *room, int64_t *next) {
    int64_t operand[3], deepest = 0;
    for (npy_intp i = 0; i < OPERATIONS; i++) {
        s->ready[i].entry = room;
        room += s->ready[i].count;
    }
    memcpy(next, s->first, (size_t)s->e.count * sizeof *next);
    for (npy_intp k = s->e.count; k--;)
        if (is_made(s, k)) {
            s->far[k] += s->e.mark[k] == IN_ORDER ? WAIT_IN_ORDER : WAIT_FOR_VECTOR;
            (void)read_entry(&s->e, k, operand);
            for (int i = 0; i < 3; i++)
                if (is_made(s, operand[i])) {
                    int64_t *far = s->far + operand[i];
                    *far = s->far[k] > *far ? s->far[k] : *far;
                    s->reader[next[operand[i]]++] = k;
                }
        }
    memset(next, 0, (size_t)s->e.count * sizeof *next);
    for (npy_intp k = 0; k < s->e.count; k++)
        if (is_made(s, k)) {
            next[k] += s->e.mark[k] != IN_ORDER;
            deepest = next[k] > deepest ? next[k] : deepest;
            for (int64_t i = s->first[k]; i < s->first[k + 1]; i++)
                if (next[s->reader[i]] < next[k])
                    next[s->reader[i]] = next[k];
        }
    return deepest;
}

/* The operation of which an entry is the most urgent. */
static int64_t most_urgent(const Schedule *s) {
    int64_t found = -1;
    for (int64_t i = 0; i < IN_ORDER; i++)
        if (s->ready[i].count && (found < 0 || goes_first(s->far, s->ready[i].entry[0], s->ready[found].entry[0])))
            found = i;
    return found;
}

/* The runs. Between two of vectors stand equally many entries in order, as far as there are some: a processor that
   foresees where each run ends goes on with the next while it waits for the vectors of the last. */
static void write_schedule(Schedule *s, npy_intp total, npy_intp between) {
    Ready *plain = s->ready + IN_ORDER;
    while (s->made < total) {
        npy_intp length = 0;
        for (; plain->count && (length < between || !s->waiting); length++) {
            const int64_t k = s->order[s->made++] = take_ready(plain, s->far);
            let_readers_go(s, k);
        }
        if (length)
            end_run(s, IN_ORDER, length);
        if (!s->waiting)
            continue;
        const int64_t operation = most_urgent(s);
        Ready *ready = s->ready + operation;
        length = ready->count < A_VECTOR ? ready->count : A_VECTOR;
        if (ready->count >= MANY_READY)
            length = ready->count / A_VECTOR * A_VECTOR;
        s->waiting -= length;
        for (npy_intp i = 0; i < length; i++)
            s->order[s->made + i] = take_ready(ready, s->far);
        for (npy_intp i = 0; i < length; i++)
            let_readers_go(s, s->order[s->made++]);
        end_run(s, operation, length);
    }
}

static PyObject *copied_longs(const int64_t *from, npy_intp rows, npy_intp columns) {
    npy_intp extents[] = {rows, columns};
    PyObject *out = PyArray_SimpleNew(columns == 1 ? 1 : 2, extents, NPY_INT64);
    if (out)
        memcpy(PyArray_DATA((PyArrayObject *)out), from, (size_t)(rows * columns) * sizeof *from);
    return out;
}

/* In which order a tape's entries are computed, and the runs that they make: an operation and a length each. A mark is the
   operation of an entry, IN_ORDER for one that may stand in a run with what it reads, and below 0 for one that is there. */
static PyObject *scheduled(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count) {
    PyObject *out = NULL, *parts[2] = {NULL, NULL};
    int64_t *room = NULL;
    Schedule *s = calloc(1, sizeof *s);
    if (!s)
        return PyErr_NoMemory();
    if (!read_entries(&s->e, args, count))
        goto end;
    const size_t n = (size_t)s->e.count;
    /* far, first, order, next: n each and one; readers: 3 n; runs: 2 n; ready: n; missing: n halves */
    room = calloc(11 * n + 4, sizeof *room);
    if (!room) {
        PyErr_NoMemory();
        goto end;
    }
    s->far = room;
    s->first = s->far + n;
    s->order = s->first + n + 1;
    s->reader = s->order + n;
    s->run = s->reader + 3 * n;
    s->missing = (int32_t *)(s->run + 2 * n);
    if (!count_schedule(s))
        goto end;
    const npy_intp total = s->made;
    int64_t vectors = 0;
    for (int i = 0; i < IN_ORDER; i++)
        vectors += (s->ready[i].count + A_VECTOR - 1) / A_VECTOR;
    const npy_intp plain = s->ready[IN_ORDER].count;
    int64_t *ready = s->run + 2 * n + (n + 1) / 2, deepest = read_schedule(s, ready, ready + n);
    vectors = deepest > vectors ? deepest : vectors;
    for (int i = 0; i < OPERATIONS; i++)
        s->ready[i].count = 0;
    s->made = 0;
    for (npy_intp k = 0; k < s->e.count; k++)
        if (is_made(s, k) && !s->missing[k])
            make_ready(s, k);
    write_schedule(s, total, vectors ? (plain / vectors / 4 + 1) * 4 : total);
    parts[0] = copied_longs(s->order, total, 1);
    parts[1] = copied_longs(s->run, s->runs, 2);
    if (parts[0] && parts[1])
        out = PyTuple_Pack(2, parts[0], parts[1]);
end:
    Py_XDECREF(parts[0]);
    Py_XDECREF(parts[1]);
    drop_entries(&s->e);
    free(room);
    free(s);
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
