/* SPDX-License-Identifier: BSD-2-Clause */
/* Runs a fuzz target on files, without libFuzzer: any compiler will do, such as one that counts lines. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define INPUT_MAX 65536U

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *name)
{
	static uint8_t data[INPUT_MAX];
	FILE *file = fopen(name, "rb");
	size_t size;

	if (!file) {
		perror(name);
		return 1;
	}
	size = fread(data, 1, sizeof(data), file);
	fclose(file);
	return LLVMFuzzerTestOneInput(data, size);
}

int main(int argc, char **argv)
{
	int ret = LLVMFuzzerInitialize(&argc, &argv);

	for (int i = 1; ret == 0 && i < argc; i++)
		ret = replay_file(argv[i]);
	return ret;
}
