/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A QEMU TCG plugin that counts the instructions which the emulated CPUs execute and writes the total to the file named
 * by its argument `out=FILE` when QEMU exits. Idle time costs nothing; an instruction that faults counts again when it
 * is restarted. Use it with -icount, which makes timer interrupts, and so the total, repeatable (tools/icount).
 *
 * With `marks=FILE` it also writes a line "N count barriers gich" each time an A32 `dbg #N` instruction is reached, at
 * once: a hint that nothing else uses, with which the bench guest (tests/bench/bench.c) marks the pieces to be
 * measured. The last two are of code at `hyp=ADDRESS` (hexadecimal) and above: barriers (DMB, DSB, ISB) executed, and
 * accesses to the GIC's virtual interface control (GICH). Both cost a real CPU far more than an instruction; without
 * `hyp` they are 0. With `only-hyp=1` instructions are counted of that code alone.
 *
 * Each `entry=ADDRESS` (hexadecimal, up to four) adds a line to the file: how often the instruction there was reached.
 * Given virt7's vectors, it counts exits.
 *
 * Debian packages no qemu-plugin.h, so the part of the API used here is declared by hand: version 1, that of QEMU 6
 * to 8.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum qemu_plugin_op { QEMU_PLUGIN_INLINE_ADD_U64 };
enum qemu_plugin_cb_flags { QEMU_PLUGIN_CB_NO_REGS };
enum qemu_plugin_mem_rw { QEMU_PLUGIN_MEM_R = 1, QEMU_PLUGIN_MEM_W, QEMU_PLUGIN_MEM_RW };
typedef uint32_t qemu_plugin_meminfo_t;
struct qemu_plugin_hwaddr;
typedef void (*qemu_plugin_mem_cb)(unsigned int cpu, qemu_plugin_meminfo_t info, uint64_t vaddr, void *data);

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, void (*cb)(qemu_plugin_id_t, struct qemu_plugin_tb *));
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t id, void (*cb)(qemu_plugin_id_t, void *), void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
void qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_plugin_insn *insn, enum qemu_plugin_op op, void *counter,
						uint64_t addend);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn, void (*cb)(unsigned int cpu, void *data),
					    enum qemu_plugin_cb_flags flags, void *data);
void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *insn, qemu_plugin_mem_cb cb,
				      enum qemu_plugin_cb_flags flags, enum qemu_plugin_mem_rw rw, void *data);
struct qemu_plugin_hwaddr *qemu_plugin_get_hwaddr(qemu_plugin_meminfo_t info, uint64_t vaddr);
const char *qemu_plugin_hwaddr_device_name(const struct qemu_plugin_hwaddr *address);

__attribute__((visibility("default"))) int qemu_plugin_version = 1;

#define DBG_HINT UINT32_C(0xe320f0f0) /* dbg #0, DDI 0406C A8.8.42 */

/* DSB, DMB and ISB differ in bits 7 to 4, their options in bits 3 to 0 (A8.8.43, A8.8.44, A8.8.53). */
#define BARRIER_A32 UINT32_C(0xf57ff000)
#define BARRIER_T32 UINT32_C(0x8f00f3bf) /* as two halfwords in memory */
#define GICH_NAME   "gic_viface"         /* QEMU's name of the memory region */

#define ENTRIES_MAX 4U

static struct {
	uint64_t address, count;
} entries[ENTRIES_MAX];
static size_t entry_count;

static uint64_t executed, barriers, gich; /* not atomic: under -icount one emulated CPU runs at a time */
static uint64_t hyp = UINT64_MAX;
static bool only_hyp;
static char path[4096];
static FILE *marks;

static void mark_reached(unsigned int cpu, void *data)
{
	(void)cpu;
	fprintf(marks, "%u %llu %llu %llu\n", (unsigned int)(uintptr_t)data, (unsigned long long)executed,
		(unsigned long long)barriers, (unsigned long long)gich);
	fflush(marks);
}

static void look_for_mark(struct qemu_plugin_insn *insn)
{
	uint32_t code;

	if (qemu_plugin_insn_size(insn) != sizeof(code))
		return;
	memcpy(&code, qemu_plugin_insn_data(insn), sizeof(code));
	if ((code & ~UINT32_C(15)) == DBG_HINT)
		qemu_plugin_register_vcpu_insn_exec_cb(insn, mark_reached, QEMU_PLUGIN_CB_NO_REGS,
						       (void *)(uintptr_t)(code & 15U));
}

static void look_for_entry(struct qemu_plugin_insn *insn)
{
	for (size_t i = 0; i < entry_count; i++)
		if (qemu_plugin_insn_vaddr(insn) == entries[i].address)
			qemu_plugin_register_vcpu_insn_exec_inline(insn, QEMU_PLUGIN_INLINE_ADD_U64, &entries[i].count,
								   1);
}

static void memory_accessed(unsigned int cpu, qemu_plugin_meminfo_t info, uint64_t vaddr, void *data)
{
	const struct qemu_plugin_hwaddr *address = qemu_plugin_get_hwaddr(info, vaddr);

	(void)cpu, (void)data;
	if (address && strcmp(qemu_plugin_hwaddr_device_name(address), GICH_NAME) == 0)
		gich++;
}

static bool is_barrier(const struct qemu_plugin_insn *insn)
{
	uint32_t code, kind;

	if (qemu_plugin_insn_size(insn) != sizeof(code))
		return false;
	memcpy(&code, qemu_plugin_insn_data(insn), sizeof(code));
	if ((code & ~UINT32_C(0xff)) == BARRIER_A32)
		kind = code >> 4 & 15U;
	else if ((code & ~UINT32_C(0x00ff0000)) == BARRIER_T32)
		kind = code >> 20 & 15U;
	else
		return false;
	return kind >= 4 && kind <= 6;
}

static void look_for_cost(struct qemu_plugin_insn *insn)
{
	if (qemu_plugin_insn_vaddr(insn) < hyp)
		return;
	if (is_barrier(insn))
		qemu_plugin_register_vcpu_insn_exec_inline(insn, QEMU_PLUGIN_INLINE_ADD_U64, &barriers, 1);
	qemu_plugin_register_vcpu_mem_cb(insn, memory_accessed, QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_MEM_RW, NULL);
}

/* Per instruction, not per block: a block can be left in the middle, by an exception or by -icount. */
static void block_translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	(void)id;
	for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);

		if (marks)
			look_for_mark(insn);
		look_for_entry(insn);
		look_for_cost(insn);
		if (!only_hyp || qemu_plugin_insn_vaddr(insn) >= hyp)
			qemu_plugin_register_vcpu_insn_exec_inline(insn, QEMU_PLUGIN_INLINE_ADD_U64, &executed, 1);
	}
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
	for (size_t i = 0; i < entry_count; i++)
		fprintf(out, "%llu\n", (unsigned long long)entries[i].count);
	fclose(out);
}

__attribute__((visibility("default"))) int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc,
							       char **argv);
int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv)
{
	(void)info;
	for (int i = 0; i < argc; i++) {
		if (strncmp(argv[i], "out=", 4) == 0)
			snprintf(path, sizeof(path), "%s", argv[i] + 4);
		else if (strncmp(argv[i], "marks=", 6) == 0)
			marks = fopen(argv[i] + 6, "w");
		else if (strncmp(argv[i], "hyp=", 4) == 0)
			hyp = strtoull(argv[i] + 4, NULL, 16);
		else if (strcmp(argv[i], "only-hyp=1") == 0)
			only_hyp = true;
		else if (strncmp(argv[i], "entry=", 6) == 0 && entry_count < ENTRIES_MAX)
			entries[entry_count++].address = strtoull(argv[i] + 6, NULL, 16);
	}
	if (!path[0]) {
		fprintf(stderr, "insncount: needs out=FILE\n");
		return -1;
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, block_translated);
	qemu_plugin_register_atexit_cb(id, qemu_exits, NULL);
	return 0;
}
