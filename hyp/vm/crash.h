/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Crashes: what is known of one and said of it, in one line, and when the VM may start again. The first restart is at
 * once, the next ones wait for 1, 2, 4 ... seconds, a minute at most, and after restart-limit of them in a row the VM
 * stays as it is. A VM that has run for a minute begins anew.
 */
#ifndef HYP_VM_CRASH_H
#define HYP_VM_CRASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vcpu;
struct vm;

#define CRASH_TEXT_MAX 208U

/*
 * The VM crashes for this reason; `vcpu` is to blame, or no vCPU (NULL). What is known of a crash that is still being
 * served stays. Holder of vm->lock.
 */
void crash_begin(struct vm *vm, const struct vcpu *vcpu, const char *why);

/* crash_begin(), for `to`, a device of the host's, still has some of the VM's RAM (hyp/vm/lent.h). */
void crash_begin_lent(struct vm *vm, const char *to);

/* A vCPU has come to the checkpoint, still in the hardware: if it is to blame, it notes its registers. Under vm->lock.
 */
void crash_note(struct vcpu *vcpu);

/* The VM has crashed, all of its vCPUs are at the checkpoint: it stays so. One line says it. */
void crash_end(struct vm *vm);

/*
 * A VM that is to be restarted has crashed; called on the thread of the vCPU that will restart it. True: it waits for
 * `seconds`, which the line says. False: there have been enough restarts, and this was said.
 */
bool crash_may_restart(struct vm *vm, uint32_t *seconds);

/* Sleep for so long, or until another request has come. */
void crash_hold_back(struct vm *vm, uint32_t seconds);

/* The VM starts, or starts again, whatever has ended it: before vm->started_at is set. */
void crash_begin_anew(struct vm *vm);

/* An operator has started the VM: what was is forgotten. */
void crash_forget(struct vm *vm);

/* For people, into `text`: why and after how long it crashed last, and what follows. False: it has not. */
bool crash_describe(const struct vm *vm, char text[CRASH_TEXT_MAX]);

/*
 * The guest does nothing any more but take aborts at `pc`: tell what such an image may be, once from one start by an
 * operator to the next. The vCPU is the current one.
 */
void crash_hint_aborts(struct vcpu *vcpu, uint32_t pc);

#endif
