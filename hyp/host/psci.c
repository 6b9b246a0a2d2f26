/* SPDX-License-Identifier: BSD-2-Clause */
/* PSCI towards the firmware (DEN 0022, DEN 0028). */
#include <errno.h>

#include <arm/psr.h>
#include <arm/smc.h>
#include <arm/sysreg.h>

#include "hyp/host/psci.h"
#include "psci/smccc.h"

static const struct host *machine;

void psci_host_init(const struct host *host)
{
	machine = host;
}

int psci_host_cpu_on(uint32_t mpidr, uint32_t entry, uint32_t context)
{
	if (!machine || !machine->psci_cpu_on)
		return -ENOSYS;
	return smc_call(machine->psci_cpu_on, mpidr, entry, context) == PSCI_SUCCESS ? 0 : -EIO;
}

void psci_host_cpu_off(void)
{
	if (machine && machine->psci_cpu_off)
		smc_call(machine->psci_cpu_off, PSCI_POWER_DOWN, 0, 0); /* the argument is PSCI 0.1's */
}

void psci_host_system_off(void)
{
	if (machine && machine->psci_system_off)
		smc_call(machine->psci_system_off, 0, 0, 0);
	if (machine && machine->psci_hvc && (read_cpsr() & PSR_MODE_MASK) != PSR_MODE_HYP)
		hvc_call(PSCI_SYSTEM_OFF);
}

void psci_host_system_reset(void)
{
	if (machine && machine->psci_system_reset)
		smc_call(machine->psci_system_reset, 0, 0, 0);
}
