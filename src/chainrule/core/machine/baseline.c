/* Vectors of 16 bytes, which every processor has: SSE2, NEON. */
#define VECTOR_BYTES 16
#define EXECUTE execute_baseline
#include "kernels.h"
