/* The kernels for one type of entries. */

#include "vectors.h"
#include "elementary.h"
#include "chains.h"
#include "products.h"
#include "rows.h"

#undef PASTED
#undef NAMED
#undef OF_TYPE
#undef V
#undef I
#undef LANES
#undef ALL
#undef SELECT
#undef SHIFT
#undef ROUNDER
#undef LN2_HIGH
#undef LN2_LOW
#undef TOP
#undef BOTTOM
#undef BIAS
#undef ROOT_HALF
#undef SMALLEST_NORMAL
#undef UP
#undef BLOCK
#undef EACH
#undef TRUTH_OF
#undef MOST_ROWS
#undef PANEL
#undef LONG_SUM
#undef ENTRY
#undef WHOLE
#undef ENTRY_IS_DOUBLE
