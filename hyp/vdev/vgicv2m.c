/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * GICv2m: a page through which a device raises SPIs by a store (Arm Server Base System Architecture, DEN 0029, appendix
 * "GICv2m"; QEMU, hw/intc/arm_gicv2m.c). No device of virt7's has message interrupts and the guest's tree has no node
 * of it, but QEMU's board has one with a GICv2, and a guest that brings that board's own tree drives it.
 */
#include <assert.h>
#include <stddef.h>

#include <arm/nospec.h>
#include <arm/spinlock.h>

#include "hyp/exit/mmio.h"
#include "hyp/lib/bits.h"
#include "hyp/vdev/device.h"
#include "hyp/vm/machine.h"
#include "hyp/vm/vm.h"
#include "vgic/vgic.h"

extern const struct device_class vgicv2m_class;

#define MSI_TYPER     0x008U
#define MSI_SETSPI_NS 0x040U /* an interrupt ID in its lower half */
#define MSI_IIDR      0xfccU

#define TYPER 0x00500040U /* 64 SPIs from ID 80 on */
#define IIDR  0x05100000U /* as on QEMU's board: product 0x51, no implementer */

static_assert(TYPER == (MACHINE_SPI_MSI << 16 | MACHINE_SPI_MSI_COUNT), "hyp/vm/machine.h");

struct vgicv2m {
	struct device device;
	struct spinlock lock; /* one store at a time is a pulse */
};

static uint64_t vgicv2m_read(struct vcpu *vcpu, void *device, uint32_t offset, uint32_t size)
{
	uint32_t value = offset == MSI_TYPER ? TYPER : offset == MSI_IIDR ? IIDR : 0;

	return size == sizeof(value) ? value : 0; /* half words are for MSI_SETSPI_NS */
}

static bool vgicv2m_write(struct vcpu *vcpu, void *device, uint32_t offset, uint32_t value, uint32_t size)
{
	struct vgicv2m *frame = device;
	uint32_t n = (value & 0x3ffU) - MACHINE_SPI_MSI;

	if (offset != MSI_SETSPI_NS || n >= MACHINE_SPI_MSI_COUNT)
		return true;
	spin_lock(&frame->lock);
	vgic_pulse(vcpu->vm, 0, MACHINE_SPI_MSI + index_nospec(n, MACHINE_SPI_MSI_COUNT));
	spin_unlock(&frame->lock);
	return true;
}

static int vgicv2m_create(struct device *device)
{
	static const struct mmio_ops ops = {vgicv2m_read, vgicv2m_write, MMIO_HALF | MMIO_WORD};

	return mmio_add(&device->vm->bus, MACHINE_MSI_BASE, MACHINE_MSI_SIZE, &ops,
			container_of(device, struct vgicv2m, device));
}

const struct device_class vgicv2m_class = {
	.name = "gicv2m",
	.size = sizeof(struct vgicv2m),
	.saved = sizeof(struct vgicv2m),
	.create = vgicv2m_create,
};
