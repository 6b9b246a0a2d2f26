/* Compiler builtins only: the target's own. */
#include "hyp/arm/include/arm/atomic.h"
