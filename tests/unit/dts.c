/* SPDX-License-Identifier: BSD-2-Clause */
/* See dts.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dts.h"

uint8_t dts_tree[DTS_TREE_MAX] __attribute__((aligned(8)));

void dts_compile(const char *text)
{
	char command[] = "dtc -q -I dts -O dtb -o /tmp/virt7-XXXXXX.dtb";
	char *path = strstr(command, "/tmp");
	FILE *pipe;
	int fd = mkstemps(path, 4);

	assert_true(fd >= 0);
	pipe = popen(command, "w");
	assert_non_null(pipe);
	assert_true(fputs(text, pipe) >= 0);
	assert_int_equal(pclose(pipe), 0);
	pipe = fdopen(fd, "r");
	assert_true(fread(dts_tree, 1, sizeof(dts_tree), pipe) > 0);
	fclose(pipe);
	remove(path);
}
