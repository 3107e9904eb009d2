/* What a plan is made of: a flat array of 64-bit words, instruction after instruction.

   An instruction begins with its operation and the number of its words. A place in memory is two words: which piece of
   memory (the workspace, the constants, an input, an output), and how many bytes into it. Extents are in entries, strides
   in entries unless they say bytes. core/instructions.py writes plans, and says the same in Python. */

#ifndef CHAINRULE_PLAN_H
#define CHAINRULE_PLAN_H
#include <stdint.h>

enum { CALL, CHAIN, PRODUCT, REDUCE, ROWS, TAKE, PUT, COPY, CONVOLVE, POOL, PAIRS, ADD_ROW, ADAM, TAPE, SWEEP, PARTS, TURNS };

/* The types of entries. */
enum { SINGLE, DOUBLE, TRUTH, LONG, INT };

/* What a reduction does with the entries, and what is done with a row. */
enum { SUM_OF, LARGEST, SMALLEST };
enum { SOFTMAX, LOG_SOFTMAX, LOG_SUM_EXP };

/* What is done with a row and another of its length, and what with a row alone. */
enum { SHARED_OUT, NORMAL, NORMAL_SHARED_OUT };

/* What a convolution gives, and what is done where a window has its largest entry. */
enum { RESULTS, IMAGES, WEIGHTS };
enum { PICK_LARGEST, PUT_LARGEST };

/* What stands in a chain's slot: contiguous entries, one entry for all, entries that are loaded by their strides, or the
   place of a result of another kind. */
enum { STREAM, ONE, STRIDED, RESULT };

/* The operations in a chain: on vectors, one call of the C library an entry, and the rest; what is added to those that are
   done once, on numbers; and what a tape does entry by entry. */
enum {
    MOVE, ADD, SUB, MUL, DIV, MAXIMUM, MINIMUM, NEG, ABS, SQRT, EXP, EXPM1, LOG, LOG1P, TANH, SIGMOID, RELU, CHOSEN,
    WHERE, GREATER, GREATER_EQUAL, LESS, LESS_EQUAL, EQUAL, NOT_EQUAL, AND, OR, NOT, XOR, SIGN, SQUARE, RECIPROCAL,
    LOGADDEXP, ISNAN, ISINF, ISFINITE, ERF, ERFC, MUL_ADD, MUL_SUB, SUB_MUL,
    MUL_MUL, DIFF_MUL, GATE, BELL, SIGMOID_MUL, SHARE_MUL, SHARE_BELL_MUL, SQRT_ADD, SUB_DIV_MUL, MUL_ADD_MUL,
    FIRST_OF_LIBRARY,
    SIN = FIRST_OF_LIBRARY, COS, TAN, SINH, COSH, ASIN, ACOS, ATAN, ASINH, ACOSH, ATANH, EXP2, LOG2, LOG10, CBRT,
    FLOOR, CEIL, TRUNC, RINT,
    FIRST_OF_TWO,
    POW = FIRST_OF_TWO, ATAN2, HYPOT, FMOD,
    LOAD, STORE_TRUTH, TOTAL,
    ONCE = 0x100,
    IN_ORDER = 0x200
};

#define OPERATION_WORDS 6
#define REGISTERS 16
#define MOST_SLOTS 64
#define MOST_AXES 64
#define LINE 64 /* bytes of the lines of the cache, to which a plane of results is rounded up */
#define BLOCK_BYTES 4096
#define PANEL_BYTES 128 /* of a right factor, for each entry of the inner axis */

/* What went wrong: an index outside its axis. */
typedef struct {
    int64_t index, axis, size;
} Fault;

/* Runs instructions up to the next CALL, PARTS or TURNS, which it gives back; the end of the plan where there is none.
   NULL: a fault. */
typedef const int64_t *Executor(const int64_t *word, const int64_t *end, char *const *memory, Fault *fault);

Executor execute_baseline, execute_avx2, execute_avx512;
#endif
