/* Vectors of 16 bytes, which every processor has: SSE2, NEON. Only what is written as one is a fused product: a compiler
   for ARM would fuse some products of an expression, and others where it stands in another loop. */
#if defined(__clang__)
#pragma clang fp contract(off)
#else
#pragma GCC optimize("fp-contract=off")
#endif
#define VECTOR_BYTES 16
#define EXECUTE execute_baseline
#include "kernels.h"
