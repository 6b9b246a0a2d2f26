/*
 * A QEMU TCG plugin that counts the instructions which the emulated CPUs execute and writes the total to the file named by
 * its argument `out=FILE` when QEMU exits. Idle time costs nothing; an instruction that faults counts again when it is
 * restarted. Use it with -icount, which makes timer interrupts, and so the total, repeatable (tools/icount).
 *
 * Debian packages no qemu-plugin.h, so the part of the API used here is declared by hand: version 1, that of QEMU 6 to 8.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum qemu_plugin_op { QEMU_PLUGIN_INLINE_ADD_U64 };

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, void (*cb)(qemu_plugin_id_t, struct qemu_plugin_tb *));
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t id, void (*cb)(qemu_plugin_id_t, void *), void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
void qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_plugin_insn *insn, enum qemu_plugin_op op, void *counter,
						uint64_t addend);

__attribute__((visibility("default"))) int qemu_plugin_version = 1;

static uint64_t executed; /* not atomic: under -icount one emulated CPU runs at a time */
static char path[4096];

/* Per instruction, not per block: a block can be left in the middle, by an exception or by -icount. */
static void block_translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	(void)id;
	for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++)
		qemu_plugin_register_vcpu_insn_exec_inline(qemu_plugin_tb_get_insn(tb, i), QEMU_PLUGIN_INLINE_ADD_U64,
							   &executed, 1);
}

static void qemu_exits(qemu_plugin_id_t id, void *data)
{
	(void)id;
	(void)data;
	FILE *out = fopen(path, "w");
	if (!out) {
		perror(path);
		return;
	}
	fprintf(out, "%llu\n", (unsigned long long)executed);
	fclose(out);
}

__attribute__((visibility("default"))) int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc,
							       char **argv);
int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv)
{
	(void)info;
	if (argc != 1 || strncmp(argv[0], "out=", 4) != 0) {
		fprintf(stderr, "insncount: needs out=FILE\n");
		return -1;
	}
	snprintf(path, sizeof(path), "%s", argv[0] + 4);
	qemu_plugin_register_vcpu_tb_trans_cb(id, block_translated);
	qemu_plugin_register_atexit_cb(id, qemu_exits, NULL);
	return 0;
}
