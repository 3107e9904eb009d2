/* All kernels and the interpreter of one instruction set, which the file that includes this has named. */

#include <math.h>
#include <stddef.h>
#include <string.h>
#include "plan.h"
#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#define INLINE static inline __attribute__((always_inline))

/* Before a loop over the sums of a tile: they stay in registers, where GCC writes them to memory at each masked load. */
#define UNROLLED _Pragma("GCC unroll 16")

#define ENTRY double
#define WHOLE int64_t
#define ENTRY_IS_DOUBLE 1
#include "typed.h"
#define ENTRY float
#define WHOLE int32_t
#define ENTRY_IS_DOUBLE 0
#include "typed.h"
#include "places.h"
#include "tapes.h"

#define BY_TYPE(kernel) (word[2] == SINGLE ? kernel##_float(word, memory) : kernel##_double(word, memory))

const int64_t *EXECUTE(const int64_t *word, const int64_t *end, char *const *memory, Fault *fault) {
    for (; word < end; word += word[1])
        switch (word[0]) {
        case CALL:
        case PARTS:
        case TURNS: return word;
        case CHAIN: BY_TYPE(chain); break;
        case PRODUCT: BY_TYPE(product); break;
        case REDUCE: BY_TYPE(reduce); break;
        case ROWS: BY_TYPE(rows); break;
        case TAKE:
            if (!take(word, memory, fault))
                return NULL;
            break;
        case PUT:
            if (!put(word, memory, fault))
                return NULL;
            break;
        case COPY: copy(word, memory); break;
        case CONVOLVE: BY_TYPE(convolve); break;
        case POOL: BY_TYPE(pool); break;
        case PAIRS: BY_TYPE(pairs); break;
        case ADD_ROW: BY_TYPE(add_row); break;
        case ADAM: BY_TYPE(adam); break;
        case TAPE: tape(word, memory); break;
        case SWEEP: sweep(word, memory); break;
        }
    return end;
}
