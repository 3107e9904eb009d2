/* Memory for the nodes of the scalar engine, handed out in the order of its addresses.

   A graph is walked along the order in which it was made, so nodes that were made one after the other should lie one
   after the other: then the processor has the next one at hand before it is asked for. A list of freed nodes, each to be
   taken again as it was freed, shuffles them a little more with every training step, until nearly every look at an input
   waits for memory: the moons demo took twice as long after a hundred steps as in its first ones. So each slab keeps a
   bit for every place in it that is free, and the lowest is taken. */

#include <stdint.h>
#include <stdlib.h>

#if defined(__GNUC__) && !defined(_WIN32)
#define SLAB ((size_t)1 << 18)
#define GRAIN 16 /* bytes for each bit; a node takes several, of which the first one's bit counts */
#define NODE 80  /* bytes of a node, known here so that they are cleared without a call */
#define WORDS (SLAB / GRAIN / 64)
#define MOST_KEPT 64 /* how many slabs without a node are kept for the next graph */

typedef struct slab {
    struct slab *before, *after; /* among those with room, if it is one */
    size_t word;                 /* below it no place is looked for until the slab is taken again */
    size_t free, all;
    int listed;
    uint64_t room[WORDS];
} slab;

static slab *slab_now, *slabs_with_room;
static size_t slabs_kept;

static slab *new_slab(void) {
    void *memory;
    if (posix_memalign(&memory, SLAB, SLAB))
        return NULL;
    slab *s = memory;
    memset(s, 0, sizeof *s);
    for (size_t at = (sizeof *s + GRAIN - 1) / GRAIN * GRAIN; at + NODE <= SLAB; at += NODE, s->all++)
        s->room[at / GRAIN / 64] |= (uint64_t)1 << at / GRAIN % 64;
    s->free = s->all;
    return s;
}

static void list_slab(slab *s) {
    s->before = NULL;
    s->after = slabs_with_room;
    if (s->after)
        s->after->before = s;
    slabs_with_room = s;
    s->listed = 1;
    slabs_kept += s->free == s->all;
}

static void unlist_slab(slab *s) {
    if (s->before)
        s->before->after = s->after;
    else
        slabs_with_room = s->after;
    if (s->after)
        s->after->before = s->before;
    s->listed = 0;
    slabs_kept -= s->free == s->all;
}

/* The slab that places are taken from next: one with a quarter of it free, or a new one. */
static slab *change_slab(void) {
    slab *full = slab_now, *next = slabs_with_room;
    if (next)
        unlist_slab(next);
    else if (!(next = new_slab()))
        return NULL;
    next->word = 0;
    slab_now = next;
    if (full && full->free * 4 >= full->all)
        list_slab(full);
    return next;
}

static PyObject *make_in_slab(PyTypeObject *type, Py_ssize_t Py_UNUSED(items)) {
    for (slab *s = slab_now ? slab_now : change_slab(); s; s = change_slab())
        for (; s->word < WORDS; s->word++) {
            const uint64_t room = s->room[s->word];
            if (room) {
                void *place = (char *)s + (s->word * 64 + (size_t)__builtin_ctzll(room)) * GRAIN;
                s->room[s->word] = room & (room - 1);
                s->free--;
                memset(place, 0, NODE);
                return PyObject_Init(place, type);
            }
        }
    return PyErr_NoMemory();
}

static void free_in_slab(void *node) {
    slab *s = (slab *)((uintptr_t)node & ~(uintptr_t)(SLAB - 1));
    const size_t at = ((uintptr_t)node - (uintptr_t)s) / GRAIN;
    s->room[at / 64] |= (uint64_t)1 << at % 64;
    s->free++;
    if (s == slab_now)
        return;
    if (!s->listed) {
        if (s->free * 4 >= s->all)
            list_slab(s);
    } else if (s->free == s->all && ++slabs_kept > MOST_KEPT) {
        unlist_slab(s);
        free(s);
    }
}

#endif

/* What a node begins with, as _value.pxd has it. A node that waits to be freed has the next one where its number was. */
typedef struct node {
    PyObject_HEAD
    struct node *first, *second;
    PyObject *extras;
    struct node *next;
} node;

static node *dying;
static int burying;

/* One reference less to an input of a dead node; with the last one it dies too. */
static inline void let_go(node *input) {
    if (!input)
        return;
    if (Py_REFCNT(input) > 1) {
        Py_DECREF(input);
        return;
    }
    input->next = dying;
    dying = input;
}

/* Free a node, and what lived by it alone, without recursion. Along a sum the sum so far goes first. */
static void bury(PyObject *object) {
    node *dead = (node *)object;
    dead->next = dying;
    dying = dead;
    if (burying)
        return;
    burying = 1;
    while ((dead = dying)) {
        dying = dead->next;
        node *first = dead->first, *second = dead->second;
        PyObject *extras = dead->extras;
        Py_TYPE(dead)->tp_free(dead);
        let_go(second);
        let_go(first);
        Py_DECREF(extras); /* which may run what a user wrote, and bury more */
    }
    burying = 0;
}

/* From now on a type's objects lie in slabs; before there is any of them, and for one type only. */
static void keep_in_slabs(PyObject *type) {
    PyTypeObject *kind = (PyTypeObject *)type;
    kind->tp_dealloc = bury;
#ifdef SLAB
    if (kind->tp_basicsize > NODE)
        return;
    kind->tp_alloc = make_in_slab;
    kind->tp_free = free_in_slab;
#endif
}
