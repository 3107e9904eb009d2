/* The kernel machine for Python: a Program is a plan with its constants, called with arrays and giving fresh ones. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#define NPY_NO_DEPRECATED_API NPY_2_0_API_VERSION
#include <numpy/arrayobject.h>
#include <numpy/arrayscalars.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif
#include "plan.h"
#include "results.h"
#include "trees.h"

#define MOST_SPARE 8
#define WORKSPACE 0
#define CONSTANTS 1
#define FIRST_INPUT 2
#define WORTH_LETTING_GO 50000.0
#define WORK_BETWEEN_SIGNALS 100000000.0

static Executor *execute;
static const char *in_use;

static const char *best_kernels(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512bw"))
        return "avx512";
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return "avx2";
#endif
    return "baseline";
}

/* The names of the kernels that this processor can run, the fastest first. */
static const char *known_kernels(void) {
    const char *best = best_kernels();
    return !strcmp(best, "avx512") ? "avx512, avx2, baseline" : !strcmp(best, "avx2") ? "avx2, baseline" : "baseline";
}

/* Take the kernels of that name; 0 where this processor cannot run them. */
static int take_kernels(const char *name) {
    const char *best = best_kernels();
    if (!strcmp(name, "baseline")) {
        execute = execute_baseline;
        in_use = "baseline";
        return 1;
    }
#if defined(__x86_64__)
    if (!strcmp(name, "avx2") && strcmp(best, "baseline")) {
        execute = execute_avx2;
        in_use = "avx2";
        return 1;
    }
    if (!strcmp(name, "avx512") && !strcmp(best, "avx512")) {
        execute = execute_avx512;
        in_use = "avx512";
        return 1;
    }
#endif
    (void)best;
    return 0;
}

/* How this thread rounds, and what it does with numbers too small for a full fraction. */
static unsigned int rounding_now(void) {
#if defined(__x86_64__)
    return _mm_getcsr();
#else
    return 0;
#endif
}
static void set_rounding(unsigned int rounding) {
#if defined(__x86_64__)
    _mm_setcsr(rounding);
#else
    (void)rounding;
#endif
}

/* Such small numbers count as 0 while single precision is computed: they cost a hundredfold. What was set before. */
static unsigned int drop_tiny(int single) {
    unsigned int before = rounding_now();
    if (single)
        set_rounding(before | 0x8040);
    return before;
}

#include "threads.h"

/* What an array is made for. */
typedef struct {
    int type, axes;
    npy_intp extent[NPY_MAXDIMS];
    npy_intp bytes;
} Kind;

typedef struct {
    PyObject_HEAD
    vectorcallfunc call;
    int64_t *words;
    const int64_t *end;
    char *constants;
    size_t workspace;
    Py_ssize_t inputs, outputs;
    Kind *kinds;
    PyObject *calls;
    PyObject *given, *gives;
    int single, shares;
    double work;
    void *spare[MOST_SPARE];
    int spares;
} Program;

static void *take_workspace(Program *self) {
    if (self->shares)
        return take_block(NULL, self->workspace);
    return self->spares ? self->spare[--self->spares] : room(self->workspace);
}

/* The pieces of memory that are the program's own, of which the workspace is to be given back; 0 with an error. */
static int own_memory(Program *self, char **memory) {
    memory[CONSTANTS] = self->constants;
    if (!(memory[WORKSPACE] = take_workspace(self)))
        PyErr_NoMemory();
    return memory[WORKSPACE] != NULL;
}

static void give_back(Program *self, void *workspace) {
    if (!workspace)
        return;
    if (self->shares)
        give_block(NULL, workspace, self->workspace);
    else if (self->spares < MOST_SPARE)
        self->spare[self->spares++] = workspace;
    else
        free(workspace);
}

static int kind_from(PyObject *pair, Kind *kind) {
    PyObject *shape;
    if (!PyArg_ParseTuple(pair, "iO!", &kind->type, &PyTuple_Type, &shape))
        return 0;
    kind->axes = (int)PyTuple_GET_SIZE(shape);
    if (kind->axes > NPY_MAXDIMS) {
        PyErr_SetString(PyExc_ValueError, "an array with that many axes");
        return 0;
    }
    PyArray_Descr *type = PyArray_DescrFromType(kind->type);
    if (!type)
        return 0;
    kind->bytes = PyDataType_ELSIZE(type);
    Py_DECREF(type);
    for (int i = 0; i < kind->axes; i++) {
        kind->extent[i] = PyLong_AsSsize_t(PyTuple_GET_ITEM(shape, i));
        kind->bytes *= kind->extent[i];
    }
    return !PyErr_Occurred();
}

/* Whether the axes of an array behind the first `more` are as planned. NumPy has no extents for an array without axes. */
static int same_extents(PyArrayObject *array, int more, const Kind *kind) {
    for (int i = 0; i < kind->axes; i++)
        if (PyArray_DIM(array, more + i) != kind->extent[i])
            return 0;
    return 1;
}

/* An argument as an array of its kind, with an axis of such an extent in front where that is at least 0; a new reference. */
static PyArrayObject *taken(PyObject *x, const Kind *kind, Py_ssize_t place, npy_intp before) {
    PyArrayObject *array;
    int more = before >= 0;
    if (PyArray_Check(x) && PyArray_TYPE((PyArrayObject *)x) == kind->type && PyArray_ISCARRAY_RO((PyArrayObject *)x))
        array = (PyArrayObject *)Py_NewRef(x);
    else
        array = (PyArrayObject *)PyArray_FromAny(x, PyArray_DescrFromType(kind->type), 0, 0,
                                                 NPY_ARRAY_CARRAY_RO | NPY_ARRAY_NOTSWAPPED, NULL);
    if (!array)
        return NULL;
    if (PyArray_NDIM(array) == kind->axes + more && (!more || PyArray_DIM(array, 0) == before) &&
        same_extents(array, more, kind))
        return array;
    PyErr_Format(PyExc_ValueError, "argument %zd has another shape than the program was made for", place);
    Py_DECREF(array);
    return NULL;
}

/* A new array of a kind, with so many axes in front. */
static PyArrayObject *fresh(const Kind *kind, int more, const npy_intp *before) {
    npy_intp extent[NPY_MAXDIMS + 2];
    size_t bytes = (size_t)kind->bytes;
    for (int i = 0; i < more; i++)
        bytes *= (size_t)(extent[i] = before[i]);
    memcpy(extent + more, kind->extent, sizeof(npy_intp) * (size_t)kind->axes);
    if (bytes >= LARGE)
        return (PyArrayObject *)large_array(kind->axes + more, extent, kind->type);
    return (PyArrayObject *)PyArray_SimpleNew(kind->axes + more, extent, kind->type);
}

/* CALL, words, which, arrays, into (memory, bytes), type, axes, extents, and for each array (memory, bytes, type, axes,
   extents, strides in bytes): a line that NumPy computes. */
static int call_numpy(Program *self, const int64_t *w, char **memory) {
    PyObject *arguments[w[3] + 1];
    int64_t given = 0;
    const int64_t *a = w + 8 + w[7];
    PyObject *result = NULL;
    for (; given < w[3]; given++, a += 4 + 2 * a[3]) {
        npy_intp extent[MOST_AXES], stride[MOST_AXES];
        for (int i = 0; i < a[3]; i++) {
            extent[i] = a[4 + i];
            stride[i] = a[4 + a[3] + i];
        }
        PyArrayObject *view = (PyArrayObject *)PyArray_NewFromDescr(
            &PyArray_Type, PyArray_DescrFromType((int)a[2]), (int)a[3], extent, stride, memory[a[0]] + a[1], 0, NULL);
        if (!view)
            goto done;
        arguments[given] = PyArray_Return(view);
    }
    result = PyObject_Vectorcall(PyTuple_GET_ITEM(self->calls, w[2]), arguments, (size_t)given, NULL);
    if (result) {
        PyArrayObject *array = (PyArrayObject *)PyArray_FromAny(
            result, PyArray_DescrFromType((int)w[6]), 0, 0,
            NPY_ARRAY_CARRAY_RO | NPY_ARRAY_FORCECAST | NPY_ARRAY_NOTSWAPPED, NULL);
        Py_CLEAR(result);
        if (array) {
            npy_intp entries = 1;
            for (int i = 0; i < w[7]; i++)
                entries *= w[8 + i];
            if (PyArray_SIZE(array) == entries) {
                memcpy(memory[w[4]] + w[5], PyArray_DATA(array), (size_t)PyArray_NBYTES(array));
                result = Py_NewRef(Py_None);
            } else
                PyErr_SetString(PyExc_RuntimeError, "a line of NumPy gave another shape than was planned");
            Py_DECREF(array);
        }
    }
done:
    while (given)
        Py_DECREF(arguments[--given]);
    Py_XDECREF(result);
    return result != NULL;
}

static int take_turns(Program *self, const int64_t *w, char **memory, Fault *fault);

/* Instructions once. With the lock held, or without it where no line needs NumPy. */
static int run_words_of(Program *self, const int64_t *word, const int64_t *end, char **memory, Fault *fault) {
    while ((word = execute(word, end, memory, fault)) && word < end) {
        if (word[0] == PARTS)
            share_out(execute, word, memory);
        else if (!(word[0] == TURNS ? take_turns(self, word, memory, fault) : call_numpy(self, word, memory)))
            return 0;
        word += word[1];
    }
    return word != NULL;
}

/* TURNS, words, how many, pieces of memory, pieces that move on, for each of these (the piece in which it lies, bytes, by
   how many it moves on from one turn to the next), instructions, which are run once each turn. */
static int take_turns(Program *self, const int64_t *w, char **memory, Fault *fault) {
    const int64_t pieces = w[3], moving = w[4], *piece = w + 5;
    char *own[pieces + moving];
    memcpy(own, memory, (size_t)pieces * sizeof *own);
    for (int64_t i = 0; i < w[2]; i++) {
        for (int64_t k = 0; k < moving; k++)
            own[pieces + k] = memory[piece[3 * k]] + piece[3 * k + 1] + i * piece[3 * k + 2];
        if (!run_words_of(self, piece + 3 * moving, w + w[1], own, fault))
            return 0;
    }
    return 1;
}

/* The whole plan once. */
static int run_plan(Program *self, char **memory, Fault *fault) {
    return run_words_of(self, self->words, self->end, memory, fault);
}

static void raise_fault(const Fault *fault) {
    if (!PyErr_Occurred())
        PyErr_Format(PyExc_IndexError, "index %lld is out of bounds for axis %lld with size %lld",
                     (long long)fault->index, (long long)fault->axis, (long long)fault->size);
}

/* The program on arrays of which each is what it should be, or can be made so. */
static PyObject *run_program(Program *self, PyObject *const *args) {
    Py_ssize_t i, made = 0, held = 0;
    PyArrayObject *arrays[self->inputs + 1];
    char *memory[FIRST_INPUT + self->inputs + self->outputs];
    PyObject *out = PyTuple_New(self->outputs);
    int done = 0;
    if (!own_memory(self, memory) || !out)
        goto end;
    for (; held < self->inputs; held++) {
        if (!(arrays[held] = taken(args[held], self->kinds + held, held, -1)))
            goto end;
        memory[FIRST_INPUT + held] = PyArray_DATA(arrays[held]);
    }
    for (; made < self->outputs; made++) {
        PyArrayObject *array = fresh(self->kinds + self->inputs + made, 0, NULL);
        if (!array)
            goto end;
        PyTuple_SET_ITEM(out, made, (PyObject *)array);
        memory[FIRST_INPUT + self->inputs + made] = PyArray_DATA(array);
    }
    Fault fault = {0};
    unsigned int before = drop_tiny(self->single);
    if (self->work > WORTH_LETTING_GO && !PyTuple_GET_SIZE(self->calls)) {
        Py_BEGIN_ALLOW_THREADS
        done = run_plan(self, memory, &fault);
        Py_END_ALLOW_THREADS
    } else
        done = run_plan(self, memory, &fault);
    set_rounding(before);
    if (!done)
        raise_fault(&fault);
    for (i = 0; done && i < self->outputs; i++)
        if (!self->kinds[self->inputs + i].axes)
            PyTuple_SET_ITEM(out, i, PyArray_Return((PyArrayObject *)PyTuple_GET_ITEM(out, i)));
end:
    give_back(self, memory[WORKSPACE]);
    while (held)
        Py_DECREF(arrays[--held]);
    if (!done)
        Py_CLEAR(out);
    return out;
}

static PyObject *program_call(PyObject *me, PyObject *const *args, size_t flags, PyObject *names) {
    Program *self = (Program *)me;
    Py_ssize_t count = PyVectorcall_NARGS(flags);
    if (count != self->inputs || (names && PyTuple_GET_SIZE(names)))
        return PyErr_Format(PyExc_TypeError, "the program takes %zd arrays, and got %zd", self->inputs, count);
    return run_program(self, args);
}

PyDoc_STRVAR(shape_doc, "shape(given, gives): the structures of arguments, a tuple, and of the result, for attempt.");

static PyObject *program_shape(PyObject *me, PyObject *args) {
    Program *self = (Program *)me;
    PyObject *given, *gives;
    if (!PyArg_ParseTuple(args, "OO", &given, &gives))
        return NULL;
    Py_XSETREF(self->given, Py_NewRef(given));
    Py_XSETREF(self->gives, Py_NewRef(gives));
    Py_RETURN_NONE;
}

PyDoc_STRVAR(attempt_doc, "attempt(arguments): what the function gives for these, in their structure; NotImplemented "
                          "where one is no array of just the kind planned for.");

static PyObject *program_attempt(PyObject *me, PyObject *arguments) {
    Program *self = (Program *)me;
    PyObject *leaf[self->inputs + 1];
    Py_ssize_t count = 0;
    if (!self->given || !leaves_of(self->given, arguments, leaf, &count, self->inputs) || count != self->inputs)
        Py_RETURN_NOTIMPLEMENTED;
    for (Py_ssize_t i = 0; i < count; i++) {
        const Kind *kind = self->kinds + i;
        PyArrayObject *x = (PyArrayObject *)leaf[i];
        if (!kind->axes && PyArray_CheckScalar(leaf[i]) && !PyArray_Check(leaf[i])) {
            PyArray_Descr *type = PyArray_DescrFromScalar(leaf[i]);
            int same = type && type->type_num == kind->type;
            Py_XDECREF(type);
            if (same)
                continue;
            Py_RETURN_NOTIMPLEMENTED;
        }
        if (!PyArray_CheckExact(leaf[i]) || PyArray_TYPE(x) != kind->type || PyArray_NDIM(x) != kind->axes ||
            !PyArray_ISNOTSWAPPED(x) || !same_extents(x, 0, kind))
            Py_RETURN_NOTIMPLEMENTED;
    }
    PyObject *results = run_program(self, leaf);
    if (!results)
        return NULL;
    Py_ssize_t at = 0;
    PyObject *out = filled(self->gives, results, &at);
    Py_DECREF(results);
    return out;
}

/* Memory of a scan: what each input reads in the first step and in later ones, and by how much it moves on. */
typedef struct {
    Program *program;
    Py_ssize_t steps;
    const Py_ssize_t *role;
    char **array, **even, **odd;
    const char *stays; /* results that lie in one place through all steps */
    char **memory;
} Scan;

enum { STAYS = -1, ADVANCES = -2 };

static void aim(const Scan *s, Py_ssize_t step) {
    Program *self = s->program;
    char **out = s->memory + FIRST_INPUT + self->inputs;
    for (Py_ssize_t k = 0; k < self->outputs; k++)
        if (s->odd[k] || s->stays[k])
            out[k] = s->odd[k] && step & 1 ? s->odd[k] : s->even[k];
        else
            out[k] = s->even[k] + step * self->kinds[self->inputs + k].bytes;
    for (Py_ssize_t i = 0; i < self->inputs; i++) {
        Py_ssize_t role = s->role[i];
        char *at = s->array[i];
        if (role == ADVANCES)
            at += step * self->kinds[i].bytes;
        else if (role >= 0 && step && s->odd[role])
            at = step & 1 ? s->even[role] : s->odd[role];
        s->memory[FIRST_INPUT + i] = at;
    }
}

static int run_scan(const Scan *s) {
    Program *self = s->program;
    int alone = !PyTuple_GET_SIZE(self->calls);
    Py_ssize_t patience = self->work > 0 ? (Py_ssize_t)(WORK_BETWEEN_SIGNALS / self->work) + 1 : 1;
    Fault fault = {0};
    int done = 1;
    for (Py_ssize_t step = 0; done && step < s->steps;) {
        Py_ssize_t until = step + patience < s->steps ? step + patience : s->steps;
        PyThreadState *state = alone ? PyEval_SaveThread() : NULL;
        unsigned int before = drop_tiny(self->single);
        for (; done && step < until; step++) {
            aim(s, step);
            done = run_plan(self, s->memory, &fault);
        }
        set_rounding(before);
        if (state)
            PyEval_RestoreThread(state);
        if (done && PyErr_CheckSignals())
            return 0;
    }
    if (!done)
        raise_fault(&fault);
    return done;
}

PyDoc_STRVAR(scan_doc, "scan(steps, roles, arrays, stacked=-1, in_place=0): the program so many times, as a tuple of results.\n\n"
                       "A role is the place of the result that an input becomes, -1 for one that stays, -2 for one of "
                       "which every step has its own along a first axis. Results that are no input's are stacked; of "
                       "those from the place `stacked` on only the last step's are kept. With `in_place` inputs that "
                       "become results are written over, which the plan must allow, and given back.");

static PyObject *program_scan(PyObject *me, PyObject *args) {
    Program *self = (Program *)me;
    Py_ssize_t steps, held = 0, k, stacked = -1;
    int in_place = 0;
    PyObject *roles, *given, *out = NULL;
    if (!PyArg_ParseTuple(args, "nO!O!|np", &steps, &PyTuple_Type, &roles, &PyTuple_Type, &given, &stacked,
                          &in_place))
        return NULL;
    if (steps < 1 || PyTuple_GET_SIZE(roles) != self->inputs || PyTuple_GET_SIZE(given) != self->inputs)
        return PyErr_Format(PyExc_ValueError, "a scan takes at least one step, and an array and a role for each input");
    Py_ssize_t role[self->inputs + 1];
    PyArrayObject *array[self->inputs + 1], *even[self->outputs + 1], *odd[self->outputs + 1];
    char *memory[FIRST_INPUT + self->inputs + self->outputs];
    char *from[self->inputs + 1], *in_even[self->outputs + 1], *in_odd[self->outputs + 1];
    char carried[self->outputs + 1], stays[self->outputs + 1];
    memset(carried, 0, sizeof carried);
    memset(stays, 0, sizeof stays);
    memset(even, 0, sizeof even);
    memset(odd, 0, sizeof odd);
    int done = 0;
    if (!own_memory(self, memory))
        goto end;
    for (; held < self->inputs; held++) {
        role[held] = PyLong_AsSsize_t(PyTuple_GET_ITEM(roles, held));
        Py_ssize_t r = role[held];
        const Kind *kind = self->kinds + held, *other = self->kinds + self->inputs + r;
        if (r >= self->outputs || r < ADVANCES ||
            (r >= 0 && (kind->type != other->type || kind->bytes != other->bytes))) {
            PyErr_SetString(PyExc_ValueError, "an input cannot become a result of another kind");
            goto end;
        }
        if (r >= 0)
            carried[r] = 1;
        if (!(array[held] = taken(PyTuple_GET_ITEM(given, held), kind, held, r == ADVANCES ? steps : -1)))
            goto end;
        if (in_place && r >= 0) {
            if ((PyObject *)array[held] != PyTuple_GET_ITEM(given, held) || !PyArray_ISWRITEABLE(array[held]) || even[r]) {
                PyErr_Format(PyExc_ValueError, "argument %zd cannot be written in place", held);
                Py_DECREF(array[held]);
                goto end;
            }
            even[r] = (PyArrayObject *)Py_NewRef((PyObject *)array[held]);
            stays[r] = 1;
        }
        from[held] = PyArray_BYTES(array[held]);
    }
    for (k = 0; k < self->outputs; k++) {
        const Kind *kind = self->kinds + self->inputs + k;
        if (!even[k]) {
            stays[k] = stacked >= 0 && k >= stacked;
            if (!(even[k] = fresh(kind, !(carried[k] || stays[k]), &steps)) || (carried[k] && !(odd[k] = fresh(kind, 0, NULL))))
                goto end;
        }
        in_even[k] = PyArray_BYTES(even[k]);
        in_odd[k] = odd[k] ? PyArray_BYTES(odd[k]) : NULL;
    }
    Scan s = {self, steps, role, from, in_even, in_odd, stays, memory};
    if (!run_scan(&s) || !(out = PyTuple_New(self->outputs)))
        goto end;
    done = 1;
    for (k = 0; k < self->outputs; k++) {
        PyArrayObject **last = odd[k] && !(steps & 1) ? odd + k : even + k;
        PyTuple_SET_ITEM(out, k, PyArray_Return(*last));
        *last = NULL;
    }
end:
    give_back(self, memory[WORKSPACE]);
    while (held)
        Py_DECREF(array[--held]);
    for (k = 0; k < self->outputs; k++) {
        Py_XDECREF(even[k]);
        Py_XDECREF(odd[k]);
    }
    return done ? out : NULL;
}

PyDoc_STRVAR(scan_lanes_doc, "scan_lanes(steps, roles, lanes, shared, stacked): a scan in place for each of several lanes.\n\n"
                             "A lane is a tuple of the first inputs, and `shared` has the others, which are the same for "
                             "all; roles are those of `scan`, and a lane has all inputs that become results. Gives for "
                             "these results None, those from the place `stacked` on as the last step of all left them, and "
                             "the others along two axes, of lanes and of steps.");

static PyObject *program_scan_lanes(PyObject *me, PyObject *args) {
    Program *self = (Program *)me;
    Py_ssize_t steps, held = 0, shared_held, k, stacked;
    PyObject *roles, *lanes, *shared, *out = NULL;
    if (!PyArg_ParseTuple(args, "nO!O!O!n", &steps, &PyTuple_Type, &roles, &PyTuple_Type, &lanes, &PyTuple_Type, &shared,
                          &stacked))
        return NULL;
    const Py_ssize_t own = self->inputs - PyTuple_GET_SIZE(shared), count = PyTuple_GET_SIZE(lanes);
    if (steps < 1 || PyTuple_GET_SIZE(roles) != self->inputs || own < 0)
        return PyErr_Format(PyExc_ValueError, "a scan takes at least one step, and an array and a role for each input");
    Py_ssize_t role[self->inputs + 1];
    PyArrayObject *array[self->inputs + 1];
    char *memory[FIRST_INPUT + self->inputs + self->outputs];
    char *from[self->inputs + 1], *at[self->outputs + 1], *odd[self->outputs + 1];
    char stays[self->outputs + 1];
    const npy_intp before[2] = {count, steps};
    memset(stays, 0, sizeof stays);
    memset(odd, 0, sizeof odd);
    shared_held = own;
    int done = 0;
    if (!own_memory(self, memory))
        goto end;
    for (k = 0; k < self->inputs; k++) {
        const Py_ssize_t r = role[k] = PyLong_AsSsize_t(PyTuple_GET_ITEM(roles, k));
        const Kind *kind = self->kinds + k, *other = self->kinds + self->inputs + r;
        if (r >= self->outputs || r < ADVANCES ||
            (r >= 0 && (k >= own || stays[r] || kind->type != other->type || kind->bytes != other->bytes))) {
            PyErr_SetString(PyExc_ValueError, "an input of a lane becomes a result of its kind, which no other one becomes");
            goto end;
        }
        if (r >= 0)
            stays[r] = 1;
    }
    for (; shared_held < self->inputs; shared_held++) {
        if (!(array[shared_held] = taken(PyTuple_GET_ITEM(shared, shared_held - own), self->kinds + shared_held, shared_held,
                                         role[shared_held] == ADVANCES ? steps : -1)))
            goto end;
        from[shared_held] = PyArray_BYTES(array[shared_held]);
    }
    if (!(out = PyTuple_New(self->outputs)))
        goto end;
    for (k = 0; k < self->outputs; k++) {
        const int is_lanes = stays[k];
        stays[k] = is_lanes || k >= stacked;
        PyObject *result = is_lanes ? Py_NewRef(Py_None) : (PyObject *)fresh(self->kinds + self->inputs + k, stays[k] ? 0 : 2, before);
        if (!result)
            goto end;
        PyTuple_SET_ITEM(out, k, result);
        at[k] = is_lanes ? NULL : PyArray_BYTES((PyArrayObject *)result);
    }
    Scan s = {self, steps, role, from, at, odd, stays, memory};
    for (Py_ssize_t lane = 0; lane < count; lane++) {
        PyObject *given = PyTuple_GET_ITEM(lanes, lane);
        if (!PyTuple_Check(given) || PyTuple_GET_SIZE(given) != own) {
            PyErr_Format(PyExc_ValueError, "a lane is a tuple of %zd arrays", own);
            goto end;
        }
        for (; held < own; held++) {
            PyObject *x = PyTuple_GET_ITEM(given, held);
            if (!(array[held] = taken(x, self->kinds + held, held, role[held] == ADVANCES ? steps : -1)))
                goto end;
            from[held] = PyArray_BYTES(array[held]);
            if (role[held] < 0)
                continue;
            at[role[held]] = from[held];
            if ((PyObject *)array[held] != x || !PyArray_ISWRITEABLE(array[held])) {
                PyErr_Format(PyExc_ValueError, "argument %zd cannot be written in place", held++);
                goto end;
            }
        }
        if (!run_scan(&s))
            goto end;
        while (held)
            Py_DECREF(array[--held]);
        for (k = 0; k < self->outputs; k++)
            if (!stays[k])
                at[k] += steps * self->kinds[self->inputs + k].bytes;
    }
    done = 1;
end:
    give_back(self, memory[WORKSPACE]);
    while (held)
        Py_DECREF(array[--held]);
    while (shared_held > own)
        Py_DECREF(array[--shared_held]);
    if (!done)
        Py_CLEAR(out);
    return out;
}

static PyObject *program_new(PyTypeObject *type, PyObject *args, PyObject *names) {
    Py_buffer words, constants;
    Py_ssize_t workspace;
    PyObject *inputs, *outputs, *calls;
    int single, shares = 0;
    double work;
    if (names && PyDict_GET_SIZE(names))
        return PyErr_Format(PyExc_TypeError, "a program's parts have no names");
    if (!PyArg_ParseTuple(args, "y*y*nO!O!O!pd|p", &words, &constants, &workspace, &PyTuple_Type, &inputs, &PyTuple_Type,
                          &outputs, &PyTuple_Type, &calls, &single, &work, &shares))
        return NULL;
    Program *self = (Program *)type->tp_alloc(type, 0);
    if (!self)
        goto end;
    self->call = program_call;
    self->inputs = PyTuple_GET_SIZE(inputs);
    self->outputs = PyTuple_GET_SIZE(outputs);
    self->workspace = (size_t)workspace;
    self->calls = Py_NewRef(calls);
    self->single = single;
    self->shares = shares;
    self->work = work;
    self->words = malloc((size_t)words.len + 8);
    self->constants = room((size_t)constants.len);
    self->kinds = PyMem_Calloc((size_t)(self->inputs + self->outputs + 1), sizeof(Kind));
    if (!self->words || !self->constants || !self->kinds) {
        PyErr_NoMemory();
        Py_CLEAR(self);
        goto end;
    }
    memcpy(self->words, words.buf, (size_t)words.len);
    memcpy(self->constants, constants.buf, (size_t)constants.len);
    self->end = self->words + words.len / 8;
    for (Py_ssize_t i = 0; i < self->inputs + self->outputs; i++) {
        PyObject *pair = i < self->inputs ? PyTuple_GET_ITEM(inputs, i) : PyTuple_GET_ITEM(outputs, i - self->inputs);
        if (!kind_from(pair, self->kinds + i)) {
            Py_CLEAR(self);
            goto end;
        }
    }
end:
    PyBuffer_Release(&words);
    PyBuffer_Release(&constants);
    return (PyObject *)self;
}

static int program_traverse(PyObject *me, visitproc visit, void *arg) {
    Program *self = (Program *)me;
    Py_VISIT(self->calls);
    Py_VISIT(self->given);
    Py_VISIT(self->gives);
    return 0;
}

static int program_clear(PyObject *me) {
    Program *self = (Program *)me;
    Py_CLEAR(self->calls);
    Py_CLEAR(self->given);
    Py_CLEAR(self->gives);
    return 0;
}

static void program_dealloc(PyObject *me) {
    Program *self = (Program *)me;
    PyObject_GC_UnTrack(me);
    while (self->spares)
        free(self->spare[--self->spares]);
    free(self->words);
    free(self->constants);
    PyMem_Free(self->kinds);
    program_clear(me);
    Py_TYPE(me)->tp_free(me);
}

static PyMethodDef program_methods[] = {
    {"attempt", program_attempt, METH_O, attempt_doc},
    {"shape", program_shape, METH_VARARGS, shape_doc},
    {"scan", program_scan, METH_VARARGS, scan_doc},
    {"scan_lanes", program_scan_lanes, METH_VARARGS, scan_lanes_doc},
    {NULL},
};

static PyTypeObject program_type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "chainrule.core._machine.Program",
    .tp_doc = "Program(words, constants, workspace, inputs, outputs, calls, single, work, shares=False): a plan that can be "
              "called. Where it shares, others may work in the memory of its workspace after a call.",
    .tp_basicsize = sizeof(Program),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL,
    .tp_new = program_new,
    .tp_dealloc = program_dealloc,
    .tp_traverse = program_traverse,
    .tp_clear = program_clear,
    .tp_vectorcall_offset = offsetof(Program, call),
    .tp_call = PyVectorcall_Call,
    .tp_methods = program_methods,
};

#include "arrays.h"
#include "watch.h"
#include "order.h"

static PyObject *kernels(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(none)) {
    return PyUnicode_FromString(in_use);
}

static PyObject *use_kernels(PyObject *Py_UNUSED(module), PyObject *name) {
    const char *text = PyUnicode_AsUTF8(name);
    if (!text)
        return NULL;
    if (!take_kernels(text))
        return PyErr_Format(PyExc_ValueError, "this processor does not run kernels called %s: it runs %s", text,
                            known_kernels());
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"in_own_memory", (PyCFunction)(void (*)(void))in_own_memory, METH_FASTCALL | METH_KEYWORDS,
     "Call a function with arguments, of which arrays are large."},
    {"kernels", kernels, METH_NOARGS, "The instruction set in use: avx512, avx2 or baseline."},
    {"use_kernels", use_kernels, METH_O, "Use the kernels of an instruction set from now on."},
    MANY(weighted), MANY(outer_sum), MANY(add_to_rows), MANY(softmax_rows_backward), MANY(normalized), MANY(layer_norm_x),
    MANY(plus), MANY(negative_log_likelihood), MANY(cross_entropy_x), MANY(layer_norm_w), MANY(adam_step),
    SINGLE_ONE(column_sums), SINGLE_ONE(softmax_rows),
    {"scheduled", (PyCFunction)(void (*)(void))scheduled, METH_FASTCALL, "The order of a tape's entries, and its runs."},
    {"kinds", (PyCFunction)(void (*)(void))kinds, METH_FASTCALL, "For each entry of a tape what it has in common with those that are alike."},
    {NULL},
};

static int prepare(PyObject *module) {
    const char *wish = getenv("CHAINRULE_KERNELS");
    if (!wish || !*wish || !take_kernels(wish)) {
        take_kernels(best_kernels());
        if (wish && *wish &&
            PyErr_WarnFormat(PyExc_RuntimeWarning, 1, "CHAINRULE_KERNELS=%s: this processor runs %s, and takes the first",
                             wish, known_kernels()) < 0)
            return -1;
    }
    own_handler = PyCapsule_New(&allocator, "mem_handler", NULL);
    if (!own_handler || PyArray_ImportNumPyAPI() < 0 || PyType_Ready(&program_type) < 0 ||
        PyType_Ready(&chain_type) < 0 || PyModule_AddObjectRef(module, "Chain", (PyObject *)&chain_type) < 0 ||
        PyType_Ready(&watch_type) < 0 || PyModule_AddObjectRef(module, "Watch", (PyObject *)&watch_type) < 0)
        return -1;
    return PyModule_AddObjectRef(module, "Program", (PyObject *)&program_type);
}

static PyModuleDef_Slot slots[] = {{Py_mod_exec, prepare}, {0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_machine",
    .m_doc = "Plans of kernels that were compiled when the package was built.",
    .m_methods = functions,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit__machine(void) { return PyModuleDef_Init(&definition); }
