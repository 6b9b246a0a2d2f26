/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Images of the bundle as they are used for as long as virt7 runs: what the bundle holds compressed is unpacked once,
 * into the host's RAM, mapped behind the bundle, and shared by all who ask for it. On the boot CPU only.
 */
#ifndef HYP_LOAD_UNPACK_H
#define HYP_LOAD_UNPACK_H

#include "hyp/load/bundle.h"

/*
 * Make `image` a plain one. 0; -Exxx after one logged line about what `vm` wants with it. May take long, and lets
 * others have the CPU meanwhile.
 */
int unpack_image(const struct bundle *b, const char *vm, struct bundle_image *image);

#endif
