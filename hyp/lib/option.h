/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virt7's own boot options: the words NAME=VALUE in `bootargs` of the host's /chosen (QEMU: -append, U-Boot: the
 * variable bootargs). For experiments and tests; none is needed on any board. docs/boot.md lists them.
 */
#ifndef HYP_LIB_OPTION_H
#define HYP_LIB_OPTION_H

#include <stddef.h>
#include <stdint.h>

/* What a CPU says it is. */
enum option_fake { OPTION_FAKE_NONE, OPTION_FAKE_A7, OPTION_FAKE_A15, OPTION_FAKE_UNKNOWN };

/* Written by option_parse() before any other CPU or part of virt7 runs, constant from then on. */
struct options {
	uint32_t cpu_fake;       /* 4 bits for each CPU: enum option_fake */
	uint32_t cpu_cycle;      /* how often each secondary CPU switches itself off before it stays */
	uint32_t trap_c7;        /* 1: HSTR.T7 on all CPUs */
	uint32_t hstr;           /* 0: HSTR stays 0 on an emulator (coproc/model.h) */
	uint32_t errata;         /* mask of enum option_erratum: to be worked around whatever the CPUs' revision */
	uint32_t harden;         /* OPTION_HARDEN_...: when the branch predictor is emptied; 0: between VMs */
	uint32_t log_setway;     /* 1: a line for each change of the set/way state */
	uint32_t fair_locks;     /* 1: on an emulator too (arm/spinlock.h) */
	uint32_t stage2_page;    /* OPTION_PAGE_...: how RAM is mapped in stage 2; 0: as the board wants it */
	uint32_t timer_offset;   /* OPTION_OFFSET_...: when a VM's time is not the host's; 0: as the board wants it */
	uint32_t zero_idle;      /* 0: CPUs with nothing to do do not zero free RAM */
	uint32_t trace;          /* 1: on from the first VM's start */
	uint32_t console_escape; /* character that opens the shell, 0: none */
	uint32_t console_log;    /* KiB of log for each VM, a power of two */
	uint32_t list_registers; /* use at most this many list registers; 0: all there are */
	uint32_t quiet;          /* 1: of boot's lines only warnings and errors are shown */
	uint32_t on_error;       /* OPTION_ERROR_...: what happens where virt7 cannot go on */
};

enum option_erratum { ERRATUM_766422, ERRATUM_773022, ERRATUM_798181, ERRATUM_COUNT };

extern const uint32_t option_erratum[ERRATUM_COUNT]; /* their numbers */

/* FORCE: at each exit also where it is not needed, or does not help. */
enum { OPTION_HARDEN_SWITCH, OPTION_HARDEN_EXIT, OPTION_HARDEN_FORCE };

enum { OPTION_PAGE_4K = 1, OPTION_PAGE_2M };
enum { OPTION_OFFSET_NEVER = 1, OPTION_OFFSET_PAUSED, OPTION_OFFSET_ALWAYS };

enum { OPTION_ERROR_HALT, OPTION_ERROR_POWEROFF };

extern struct options options;

/*
 * One option: `parse` gets the text behind the equals sign (`length` characters, no terminator) and the row's
 * destination; 0, or -EINVAL and nothing written.
 */
struct option_row {
	const char *name;
	int (*parse)(const char *text, size_t length, uint32_t *value);
	uint32_t *value;
	const char *expects; /* completes "NAME: expects ..." */
};

/*
 * Read `bootargs`. Each word that is wrong is said in one line and has no effect; words that no row names are left
 * alone, since a board's bootargs often still hold Linux's, but for what is one slip from an option.
 */
void option_parse(const char *bootargs);

#endif
