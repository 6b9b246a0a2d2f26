/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A QEMU TCG plugin that finds the longest stretches for which HYP keeps interrupts masked: instructions from where a
 * CPU enters virt7's image from outside, or has looked for an interrupt, to where it leaves, looks again, or waits.
 *
 *   out=FILE      the result: a line "N ADDRESS COUNT [ADDRESS COUNT]..." for each of the longest, with the blocks of
 *                 code that it ran most of, and how many of its instructions those are
 *   hyp=FROM-TO   virt7's image, hexadecimal
 *   look=ADDRESS  where a function begins that looks for an interrupt; up to eight of them. Without any: for how long
 *                 virt7 keeps a CPU from its guest
 *   cpu=N         this CPU only
 *   from=ADDRESS  nothing that a CPU does counts before it has been there: the boot, for which no guest waits
 *
 * A CPU that waits for a lock (WFE, YIELD) is not counted meanwhile: who has the lock is. tools/stretch names the
 * functions. Blocks are counted as they are entered: one that an exception leaves in the middle counts whole. Debian
 * packages no qemu-plugin.h: what is used of the API's version 1 is declared by hand.
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
enum qemu_plugin_cb_flags { QEMU_PLUGIN_CB_NO_REGS };

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, void (*cb)(qemu_plugin_id_t, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb, void (*cb)(unsigned int cpu, void *data),
					  enum qemu_plugin_cb_flags flags, void *data);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t id, void (*cb)(qemu_plugin_id_t, void *), void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);

__attribute__((visibility("default"))) int qemu_plugin_version = 1;

#define CPUS  8U
#define LOOKS 8U
#define KEPT  64U
#define TOP   8U
/* Hints: NOP, YIELD, WFE, WFI, by number; A32 and T16. */
#define YIELD 1U
#define WFE   2U
#define WFI   3U

/* A block of virt7's code. QEMU may translate it again: they are never freed, and few. */
struct block {
	uint64_t address;
	uint32_t insns;
	bool looks, waits, spins, starts;
	uint64_t ran[CPUS], in[CPUS]; /* instructions of the CPU's stretch number `in` */
};

struct stretch {
	uint64_t insns, address[TOP], share[TOP];
};

static struct cpu {
	bool started;
	uint64_t insns, number;
	struct block *seen[4096]; /* blocks of this stretch */
	size_t count;
	const struct block *spun; /* the last one in which it waited, */
	uint64_t insns_spun;      /* what was counted then, */
	struct block *last;       /* and the last that was */
} cpus[CPUS];

static struct stretch kept[KEPT];
static uint64_t hyp_from, hyp_to, looks[LOOKS], start;
static size_t look_count;
static unsigned int only = CPUS;
static char path[4096];

static struct stretch describe(const struct cpu *c, unsigned int id)
{
	struct stretch s = {.insns = c->insns};

	for (size_t i = 0; i < c->count; i++) {
		const struct block *b = c->seen[i];
		size_t at = TOP;

		while (at > 0 && b->ran[id] > s.share[at - 1U])
			at--;
		for (size_t j = TOP - 1U; j > at && at < TOP; j--) {
			s.share[j] = s.share[j - 1U];
			s.address[j] = s.address[j - 1U];
		}
		if (at < TOP) {
			s.share[at] = b->ran[id];
			s.address[at] = b->address;
		}
	}
	return s;
}

/* One of each place: what ran most in it tells them apart. */
static void keep(const struct stretch *s)
{
	struct stretch *least = &kept[0];

	for (size_t i = 0; i < KEPT; i++) {
		if (kept[i].insns && kept[i].address[0] == s->address[0]) {
			if (s->insns > kept[i].insns)
				kept[i] = *s;
			return;
		}
		if (kept[i].insns < least->insns)
			least = &kept[i];
	}
	if (s->insns > least->insns)
		*least = *s;
}

static void end_stretch(unsigned int id)
{
	struct cpu *c = &cpus[id];

	if (c->insns > 1000U && c->started) {
		struct stretch s = describe(c, id);

		keep(&s);
	}
	c->insns = 0;
	c->count = 0;
	c->number++;
	c->spun = NULL;
	c->last = NULL;
}

static bool is_counted(unsigned int id)
{
	return id < CPUS && (only == CPUS || id == only);
}

static void guest_runs(unsigned int id, void *data)
{
	(void)data;
	if (is_counted(id) && cpus[id].insns)
		end_stretch(id);
}

/* The look at a lock may be a block of its own, between two of those that wait: it is a part of the wait. */
static void cpu_waits(struct cpu *c, unsigned int id, const struct block *b)
{
	if (c->spun == b && c->last && c->insns - c->insns_spun == c->last->insns) {
		c->insns -= c->last->insns;
		c->last->ran[id] -= c->last->insns;
	}
	c->spun = b;
	c->insns_spun = c->insns;
}

static void hyp_runs(unsigned int id, void *data)
{
	struct block *b = data;
	struct cpu *c = &cpus[id % CPUS];

	if (!is_counted(id))
		return;
	if (b->spins) {
		cpu_waits(c, id, b);
		return;
	}
	c->started |= b->starts;
	if (b->looks)
		end_stretch(id);
	if (b->in[id] != c->number + 1U) {
		b->in[id] = c->number + 1U;
		b->ran[id] = 0;
		if (c->count < sizeof(c->seen) / sizeof(c->seen[0]))
			c->seen[c->count++] = b;
	}
	b->ran[id] += b->insns;
	c->insns += b->insns;
	c->last = b;
	if (b->waits)
		end_stretch(id);
}

/* 0: it is none. */
static uint32_t hint_of(const struct qemu_plugin_insn *insn)
{
	uint32_t code = 0;
	size_t size = qemu_plugin_insn_size(insn);

	if (size > sizeof(code))
		return 0;
	memcpy(&code, qemu_plugin_insn_data(insn), size);
	if (size == 2U)
		return (code & 0xff0fU) == 0xbf00U ? code >> 4 & 0xfU : 0;
	return (code & 0xfffffff0U) == 0xe320f000U ? code & 0xfU : 0;
}

static void block_translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	uint64_t at = qemu_plugin_tb_vaddr(tb);
	size_t n = qemu_plugin_tb_n_insns(tb);
	struct block *b;

	(void)id;
	if (at < hyp_from || at >= hyp_to) {
		qemu_plugin_register_vcpu_tb_exec_cb(tb, guest_runs, QEMU_PLUGIN_CB_NO_REGS, NULL);
		return;
	}
	b = calloc(1, sizeof(*b));
	if (!b)
		abort();
	b->address = at;
	b->insns = (uint32_t)n;
	b->starts = at == start;
	for (size_t i = 0; i < look_count; i++)
		b->looks |= at == looks[i];
	for (size_t i = 0; i < n; i++) {
		uint32_t hint = hint_of(qemu_plugin_tb_get_insn(tb, i));

		b->waits |= hint == WFI;
		b->spins |= hint == WFE || hint == YIELD;
	}
	qemu_plugin_register_vcpu_tb_exec_cb(tb, hyp_runs, QEMU_PLUGIN_CB_NO_REGS, b);
}

static void qemu_exits(qemu_plugin_id_t id, void *data)
{
	FILE *out = fopen(path, "w");

	(void)id, (void)data;
	if (!out) {
		perror(path);
		return;
	}
	for (size_t i = 0; i < KEPT; i++) {
		if (!kept[i].insns)
			continue;
		fprintf(out, "%llu", (unsigned long long)kept[i].insns);
		for (size_t j = 0; j < TOP && kept[i].share[j]; j++)
			fprintf(out, " %llx %llu", (unsigned long long)kept[i].address[j],
				(unsigned long long)kept[i].share[j]);
		fprintf(out, "\n");
	}
	fclose(out);
}

__attribute__((visibility("default"))) int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc,
							       char **argv);
int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv)
{
	(void)info;
	for (int i = 0; i < argc; i++) {
		char *end;

		if (strncmp(argv[i], "out=", 4) == 0) {
			snprintf(path, sizeof(path), "%s", argv[i] + 4);
		} else if (strncmp(argv[i], "hyp=", 4) == 0) {
			hyp_from = strtoull(argv[i] + 4, &end, 16);
			hyp_to = *end == '-' ? strtoull(end + 1, NULL, 16) : 0;
		} else if (strncmp(argv[i], "look=", 5) == 0 && look_count < LOOKS) {
			looks[look_count++] = strtoull(argv[i] + 5, NULL, 16);
		} else if (strncmp(argv[i], "cpu=", 4) == 0) {
			only = (unsigned int)strtoul(argv[i] + 4, NULL, 10);
		} else if (strncmp(argv[i], "from=", 5) == 0) {
			start = strtoull(argv[i] + 5, NULL, 16);
		}
	}
	if (!path[0] || hyp_from >= hyp_to) {
		fprintf(stderr, "stretch: needs out=FILE and hyp=FROM-TO\n");
		return -1;
	}
	for (size_t i = 0; i < CPUS; i++)
		cpus[i].started = start == 0;
	qemu_plugin_register_vcpu_tb_trans_cb(id, block_translated);
	qemu_plugin_register_atexit_cb(id, qemu_exits, NULL);
	return 0;
}
