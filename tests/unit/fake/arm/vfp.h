/* Declarations only: the target's own. */
#include "hyp/arm/include/arm/vfp.h"
