/* SPDX-License-Identifier: BSD-2-Clause */
/* What tests of the bundle's reader share: a bundle of one image and one VM. */
#ifndef BUNDLE_RIG_H
#define BUNDLE_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fake/fake_log.h"
#include "fit.h"
#include "hyp/load/bundle.h"

static const uint8_t payload[] = "The quick brown fox jumps over the lazy dog";

static const struct fit_image good = {.name = "linux",
				      .data = payload,
				      .size = sizeof(payload),
				      .arch = "arm",
				      .compression = "none",
				      .hash = "sha256"};

/* A bundle of `image` and one VM. */
static inline struct fit make(const struct fit_image *image)
{
	struct fit f;

	fit_begin(&f);
	fit_image(&f, image);
	fit_vms(&f);
	fit_vm(&f, "a");
	fit_vm_end(&f);
	fit_end(&f);
	fake_log_reset();
	return f;
}

static inline int find(const struct fit *f, const char *name, struct bundle_image *image)
{
	struct bundle b;

	assert_int_equal(bundle_open(&b, f->blob, f->size), 0);
	assert_ptr_equal(b.fdt, f->blob);
	assert_int_equal(b.size, f->size);
	return bundle_find_image(&b, "a", "kernel", name, image);
}

#endif
