/* Memory for large results: what an array that is gone has left is used again for the next of the same size.

   A system hands out large blocks as pages that are mapped when first touched, and takes them back at once: for a step
   of training that gives back all its parameters that is as long as a third of the arithmetic. NumPy asks an array's own
   allocator (NEP 49), so arrays can outlive this module's calls, and go wherever arrays go. Called with the lock held. */

#define LARGE ((size_t)1 << 16)
#define MOST_KEPT 64
#define MOST_BYTES_KEPT ((size_t)1 << 27)

static struct {
    void *at;
    size_t bytes;
} kept[MOST_KEPT];
static int kept_blocks;
static size_t kept_bytes;

/* Memory that begins with a line of the cache. */
static void *room(size_t bytes) {
    void *at = NULL;
    return posix_memalign(&at, 64, bytes ? bytes : 64) ? NULL : at;
}

static void let_go(int place) {
    kept_bytes -= kept[place].bytes;
    kept_blocks--;
    memmove(kept + place, kept + place + 1, sizeof kept[0] * (size_t)(kept_blocks - place));
}

static void *take_block(void *Py_UNUSED(context), size_t bytes) {
    for (int i = kept_blocks - 1; i >= 0; i--)
        if (kept[i].bytes == bytes) {
            void *at = kept[i].at;
            let_go(i);
            return at;
        }
    return room(bytes);
}

static void *take_cleared_block(void *context, size_t count, size_t size) {
    void *at = count && size > SIZE_MAX / count ? NULL : take_block(context, count * size);
    return at ? memset(at, 0, count * size) : NULL;
}

static void *resize_block(void *Py_UNUSED(context), void *at, size_t bytes) { return realloc(at, bytes ? bytes : 64); }

static void give_block(void *Py_UNUSED(context), void *at, size_t bytes) {
    if (!at || bytes < LARGE || bytes > MOST_BYTES_KEPT / 2) {
        free(at);
        return;
    }
    while (kept_blocks == MOST_KEPT || kept_bytes + bytes > MOST_BYTES_KEPT) {
        free(kept[0].at);
        let_go(0);
    }
    kept[kept_blocks].at = at;
    kept[kept_blocks++].bytes = bytes;
    kept_bytes += bytes;
}

static PyDataMem_Handler allocator = {
    "chainrule results", 1, {NULL, take_block, take_cleared_block, resize_block, give_block}};
static PyObject *own_handler;

/* An array without numbers yet, whose memory may have been another's. */
static PyObject *large_array(int axes, npy_intp *extent, int type) {
    PyObject *before = PyDataMem_SetHandler(own_handler);
    if (!before)
        return NULL;
    PyObject *array = PyArray_SimpleNew(axes, extent, type);
    PyObject *own = PyDataMem_SetHandler(before);
    Py_DECREF(before);
    Py_XDECREF(own);
    return array;
}
