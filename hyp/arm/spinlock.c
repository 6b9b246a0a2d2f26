#include <arm/spinlock.h>

bool spinlock_unfair;
