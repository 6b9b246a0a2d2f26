/* Constants only: the target's own. */
#include "hyp/arm/include/arm/hypregs.h"
