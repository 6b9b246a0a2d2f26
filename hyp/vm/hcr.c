/* SPDX-License-Identifier: BSD-2-Clause */
/* See hcr.h. Compiled for speed. */
#include <stddef.h>

#include <arm/hypregs.h>
#include <arm/sysreg.h>

#include "hyp/arm/checked.h"
#include "hyp/host/merrsr.h"
#include "hyp/lib/log.h"
#include "hyp/vm/hcr.h"
#include "hyp/vm/vcpu.h"

void hcr_update_wait_traps(const struct percpu *cpu, struct vcpu *vcpu)
{
	uint32_t hcr = vcpu_wait_traps(vcpu->hcr, cpu, vcpu);

	if (vcpu->hcr == hcr)
		return;
	vcpu->hcr = hcr;
	write_hcr(hcr & (read_hcr() | ~HCR_VA)); /* it may have taken the abort */
}

void hcr_set_wait_traps(struct thread *running)
{
	struct percpu *cpu = this_cpu();

	if (cpu->loaded == vcpu_of(running))
		hcr_update_wait_traps(cpu, cpu->loaded);
}

struct thread *hcr_take_abort(struct percpu *cpu)
{
	static struct log_budget budget;

	if (!abort_window())
		return NULL;
	merrsr_say();
	if (cpu->loaded)
		vcpu_pend_abort(cpu->loaded);
	else if (log_ratelimit(&budget))
		log_err("host: CPU %u had an asynchronous abort that is no guest's: memory or a device has failed",
			(unsigned)cpu->head.id);
	return cpu->loaded ? &cpu->loaded->thread : NULL;
}
