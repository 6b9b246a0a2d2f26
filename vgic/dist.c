/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The distributor's registers (IHI 0048B 4.3), one row each: where it is, which widths it takes, what a read and a
 * write do. As a GICv2 without the Security Extensions: two interrupt groups that software may use, as on QEMU's virt.
 * Compiled for speed.
 */
#include <stddef.h>

#include <arm/nospec.h>

#include "hyp/vm/machine.h"
#include "vgic/internal.h"

/* A piece of the distributor, a region of its own on the bus. The last two are called by locked_read() and _write(). */
struct row {
	uint32_t offset, size;
	struct mmio_ops ops;
	uint32_t (*read)(struct vcpu *vcpu, uint32_t offset, uint32_t size);
	void (*write)(struct vcpu *vcpu, uint32_t offset, uint32_t value, uint32_t size);
	uint32_t collect; /* COLLECT_*: see vgic_collect() */
};

#define COLLECT_READ  BIT(0)
#define COLLECT_WRITE BIT(1)

/* Offset 0x000: CTLR, TYPER, IIDR. 32 * (ITLinesNumber + 1) interrupts; as many CPUs as the VM has. */
static uint64_t id_read(struct vcpu *vcpu, void *row, uint32_t offset, uint32_t size)
{
	switch (offset) {
	case GICD_CTLR:
		return vcpu->vm->vgic.forwarded;
	case GICD_TYPER:
		return (VGIC_IRQS / 32U - 1U) | (vcpu->vm->vcpu_count - 1U) << 5;
	case GICD_IIDR:
		return 0x0200143bU; /* product 2, ARM: as a GIC-400's */
	default:
		return 0;
	}
}

static bool ctlr_write(struct vcpu *vcpu, void *row, uint32_t offset, uint32_t value, uint32_t size)
{
	struct vm *vm = vcpu->vm;

	if (offset != 0)
		return true;
	spin_lock(&vm->vgic.lock);
	if (vm->vgic.forwarded != (value & 3U)) {
		vm->vgic.forwarded = value & 3U;
		vgic_update_all(vm);
	}
	vgic_unlock(vm);
	return true;
}

static uint64_t dist_raz(struct vcpu *vcpu, void *row, uint32_t offset, uint32_t size)
{
	return 0;
}

static bool dist_wi(struct vcpu *vcpu, void *row, uint32_t offset, uint32_t value, uint32_t size)
{
	return true;
}

/* One bit an interrupt: what `is_set` says of those that are not idle. */
static uint32_t read_bits(struct vcpu *vcpu, uint32_t offset, bool (*is_set)(struct vcpu *, uint32_t))
{
	uint32_t value = 0, first = offset * 8U, *busy;

	if (first >= VGIC_IRQS)
		return 0;
	first = index_nospec(first, VGIC_IRQS);
	busy = vgic_busy(vcpu, first / 32);
	for (uint32_t bits = *busy; bits; bits &= bits - 1U) {
		uint32_t bit = lowest_bit(bits), id = first + bit;

		if (vgic_is_idle(vgic_irq(vcpu, id)))
			*busy &= ~BIT(bit);
		else if (is_set(vcpu, id))
			value |= BIT(bit);
	}
	return value;
}

static uint32_t pending_read(struct vcpu *vcpu, uint32_t offset, uint32_t size)
{
	return read_bits(vcpu, offset, vgic_read_pending);
}

static uint32_t active_read(struct vcpu *vcpu, uint32_t offset, uint32_t size)
{
	return read_bits(vcpu, offset, vgic_read_active);
}

/* Call `apply` for each interrupt whose bit is written as 1. */
static void for_written(struct vcpu *vcpu, uint32_t offset, uint32_t value, void (*apply)(struct vcpu *, uint32_t))
{
	uint32_t first = offset * 8U;

	if (first >= VGIC_IRQS)
		return;
	first = index_nospec(first, VGIC_IRQS);
	for (; value; value &= value - 1U)
		apply(vcpu, first + lowest_bit(value));
}

static uint64_t enable_read(struct vcpu *vcpu, void *row, uint32_t offset, uint32_t size)
{
	return offset < sizeof(vcpu->vm->vgic.enabled) ? *vgic_enabled(vcpu, index_nospec(offset / 4U, VGIC_WORDS)) : 0;
}

/* What a change of an interrupt's enable bit calls: a constant, so that there is a copy of its caller for each. */
typedef void (*update_fn)(struct vcpu *vcpu, uint32_t id);

/* Most of a driver's writes change nothing: then there is nothing to do, and no lock to take. */
static inline __attribute__((always_inline)) bool set_enabled(struct vcpu *vcpu, uint32_t offset, uint32_t value,
							      update_fn update)
{
	uint32_t *word;

	if (offset >= sizeof(vcpu->vm->vgic.enabled))
		return true;
	word = vgic_enabled(vcpu, index_nospec(offset / 4U, VGIC_WORDS));
	if (!(value & ~*word))
		return true;
	spin_lock(&vcpu->vm->vgic.lock);
	value &= ~*word;
	*word |= value;
	for_written(vcpu, offset, value, update);
	vgic_unlock(vcpu->vm);
	return true;
}

static inline __attribute__((always_inline)) bool clear_enabled(struct vcpu *vcpu, uint32_t offset, uint32_t value,
								update_fn update)
{
	uint32_t *word;

	if (offset >= sizeof(vcpu->vm->vgic.enabled))
		return true;
	word = vgic_enabled(vcpu, index_nospec(offset / 4U, VGIC_WORDS));
	if (offset == 0)
		value &= ~0xffffU; /* SGIs cannot be disabled here */
	if (!(value & *word))
		return true;
	spin_lock(&vcpu->vm->vgic.lock);
	value &= *word;
	*word &= ~value;
	for_written(vcpu, offset, value, update);
	vgic_unlock(vcpu->vm);
	return true;
}

#define WRITE_ENABLED(name, change, update)                                                            \
	static bool name(struct vcpu *vcpu, void *row, uint32_t offset, uint32_t value, uint32_t size) \
	{                                                                                              \
		(void)row, (void)size;                                                                 \
		return change(vcpu, offset, value, update);                                            \
	}

WRITE_ENABLED(isenabler_write, set_enabled, vgic_update_forward)
WRITE_ENABLED(icenabler_write, clear_enabled, vgic_update_forward)
WRITE_ENABLED(twin_isenabler_write, set_enabled, vgic_twin_update_forward)
WRITE_ENABLED(twin_icenabler_write, clear_enabled, vgic_twin_update_forward)

/* Other vCPUs have these interrupts and may be about to take them: one that is pending there must not become so twice.
 */
static void __attribute__((noinline)) set_pending_elsewhere(struct vcpu *vcpu, uint32_t first, uint32_t mask)
{
	uint32_t held = vgic_collect(vcpu, first, mask, true);

	for (; mask; mask &= mask - 1U)
		vgic_set_pending(vcpu, first + lowest_bit(mask));
	vgic_release(vcpu, first, held);
}

/* SGIs are set pending through SPENDSGIR only: their ISPENDR and ICPENDR bits are read-only. */
static bool ispendr_write(struct vcpu *vcpu, void *row, uint32_t offset, uint32_t value, uint32_t size)
{
	uint32_t first = offset * 8U, elsewhere = 0;

	if (first >= VGIC_IRQS)
		return true;
	first = index_nospec(first, VGIC_IRQS);
	if (first == 0)
		value &= ~0xffffU;
	spin_lock(&vcpu->vm->vgic.lock);
	for (; value; value &= value - 1U) {
		uint32_t bit = lowest_bit(value);
		const struct vgic_irq *irq = vgic_irq(vcpu, first + bit);

		if ((irq->lr != VGIC_NO_LR || irq->acked) && irq->owner != vcpu->index)
			elsewhere |= BIT(bit);
		else
			vgic_set_pending(vcpu, first + bit);
	}
	if (unlikely(elsewhere))
		set_pending_elsewhere(vcpu, first, elsewhere);
	vgic_unlock(vcpu->vm);
	return true;
}

static void clear_pending(struct vcpu *vcpu, uint32_t id)
{
	if (id >= 16)
		vgic_clear_pending(vcpu, id);
}

static void set_active(struct vcpu *vcpu, uint32_t id)
{
	vgic_set_active(vcpu, id, true);
}

static void clear_active(struct vcpu *vcpu, uint32_t id)
{
	vgic_set_active(vcpu, id, false);
}

#define WRITE_BITS(name, apply)                                                             \
	static void name(struct vcpu *vcpu, uint32_t offset, uint32_t value, uint32_t size) \
	{                                                                                   \
		for_written(vcpu, offset, value, apply);                                    \
	}

WRITE_BITS(icpendr_write, clear_pending)
WRITE_BITS(isactiver_write, set_active)
WRITE_BITS(icactiver_write, clear_active)

static uint64_t group_read(struct vcpu *vcpu, void *row, uint32_t offset, uint32_t size)
{
	return offset < VGIC_WORDS * 4U ? *vgic_group1(vcpu, index_nospec(offset / 4U, VGIC_WORDS)) : 0;
}

/* Both values of the bit count: not just the ones. Most writes change nothing. */
static bool igroupr_write(struct vcpu *vcpu, void *row, uint32_t offset, uint32_t value, uint32_t size)
{
	uint32_t *word, changed, first;

	if (offset >= VGIC_WORDS * 4U)
		return true;
	word = vgic_group1(vcpu, index_nospec(offset / 4U, VGIC_WORDS));
	if (value == *word)
		return true;
	spin_lock(&vcpu->vm->vgic.lock);
	first = index_nospec(offset * 8U, VGIC_IRQS);
	for (changed = value ^ *word; changed; changed &= changed - 1U) {
		uint32_t bit = lowest_bit(changed);

		vgic_irq(vcpu, first + bit)->group1 = value >> bit & 1U;
		vgic_set_rank(vgic_irq(vcpu, first + bit));
		vgic_update(vcpu, first + bit);
	}
	*word = value;
	vgic_unlock(vcpu->vm);
	return true;
}

/* One byte an interrupt. */
static uint32_t priority_read(struct vcpu *vcpu, uint32_t offset, uint32_t size)
{
	uint32_t value = 0;

	for (uint32_t i = 0; i < size && offset + i < VGIC_IRQS; i++)
		value |= (uint32_t)vgic_irq(vcpu, index_nospec(offset + i, VGIC_IRQS))->priority << (8U * i);
	return value;
}

static void priority_write(struct vcpu *vcpu, uint32_t offset, uint32_t value, uint32_t size)
{
	for (uint32_t i = 0; i < size && offset + i < VGIC_IRQS; i++, value >>= 8) {
		uint32_t id = index_nospec(offset + i, VGIC_IRQS);
		struct vgic_irq *irq = vgic_irq(vcpu, id);

		if (irq->priority != (value & 0xf8U)) {
			irq->priority = value & 0xf8U; /* what a list register holds */
			vgic_set_rank(irq);
			vgic_update(vcpu, id);
		}
	}
}

/* Private interrupts: the reader's own mask; SPIs: existing CPUs only. */
static uint32_t target_read(struct vcpu *vcpu, uint32_t offset, uint32_t size)
{
	uint32_t value = 0;

	for (uint32_t i = 0; i < size && offset + i < VGIC_IRQS; i++) {
		uint32_t id = index_nospec(offset + i, VGIC_IRQS);
		uint32_t mask = id < VGIC_PRIVATE ? BIT(vcpu->index) : vgic_irq(vcpu, id)->targets;

		value |= mask << (8U * i);
	}
	return value;
}

static void set_targets(struct vcpu *vcpu, uint32_t id, uint32_t targets)
{
	struct vgic *vgic = &vcpu->vm->vgic;
	struct vgic_irq *irq = vgic_irq(vcpu, id);

	vgic->shared -= vgic_has_several_targets(irq);
	vgic->several[id / 32] &= ~BIT(id % 32);
	irq->targets = (uint8_t)targets;
	if (vgic_has_several_targets(irq)) {
		vgic->shared++;
		vgic->several[id / 32] |= BIT(id % 32);
		if (irq->queued || irq->lr != VGIC_NO_LR)
			vgic_shares(vcpu->vm->vcpu[irq->owner], irq); /* it waits there already */
	}
	if (unlikely(irq->twin))
		vgic_twin_aim(irq);
	vgic_update(vcpu, id);
}

static void target_write(struct vcpu *vcpu, uint32_t offset, uint32_t value, uint32_t size)
{
	uint32_t existing = BIT(vcpu->vm->vcpu_count) - 1U;

	for (uint32_t i = 0; i < size && offset + i < VGIC_IRQS; i++, value >>= 8)
		if (offset + i >= VGIC_PRIVATE)
			set_targets(vcpu, index_nospec(offset + i, VGIC_IRQS), value & existing);
}

/* Two bits an interrupt, the upper one: edge. SGIs are edge and PPIs level, both fixed. */
#define CONFIG_EDGES   0xaaaaaaaaU
#define CONFIG_PRIVATE (VGIC_PRIVATE / 4U) /* bytes of the fixed ones */

static uint64_t config_read(struct vcpu *vcpu, void *row, uint32_t offset, uint32_t size)
{
	const struct vgic *vgic = &vcpu->vm->vgic;

	return offset < sizeof(vgic->edge) ? vgic->edge[index_nospec(offset / 4U, ARRAY_SIZE(vgic->edge))] : 0;
}

/* Apart, and called last, so that a write of the same value saves no registers. */
static bool __attribute__((noinline)) change_config(struct vcpu *vcpu, uint32_t offset, uint32_t value)
{
	struct vgic *vgic = &vcpu->vm->vgic;
	uint32_t *word = &vgic->edge[index_nospec(offset / 4U, ARRAY_SIZE(vgic->edge))], changed;
	uint32_t first = index_nospec(offset * 4U, VGIC_IRQS);

	spin_lock(&vgic->lock);
	for (changed = value ^ *word; changed; changed &= changed - 1U) {
		uint32_t bit = lowest_bit(changed), id = first + bit / 2U;

		vgic_irq(vcpu, id)->edge = value >> bit & 1U;
		dmb_ish(); /* before a look at the line: vgic_set_line() does the reverse */
		if (unlikely(vgic_irq(vcpu, id)->twin))
			vgic_twin_configure(vgic_irq(vcpu, id));
		vgic_update(vcpu, id);
	}
	*word = value;
	vgic_unlock(vcpu->vm);
	return true;
}

static bool config_write(struct vcpu *vcpu, void *row, uint32_t offset, uint32_t value, uint32_t size)
{
	const struct vgic *vgic = &vcpu->vm->vgic;

	value &= CONFIG_EDGES;
	if (offset >= sizeof(vgic->edge) || offset < CONFIG_PRIVATE ||
	    vgic->edge[index_nospec(offset / 4U, ARRAY_SIZE(vgic->edge))] == value)
		return true;
	return change_config(vcpu, offset, value);
}

/* Offsets from SGIR. */
#define CPENDSGIR     (GICD_CPENDSGIR - GICD_SGIR)
#define SPENDSGIR     (GICD_SPENDSGIR - GICD_SGIR)
#define SPENDSGIR_END (SPENDSGIR + 16U)
#define ID_REGISTERS  (GICD_PIDR4 - GICD_SGIR)

/* SGIR, CPENDSGIR, SPENDSGIR, identification registers. */
static uint64_t high_read(struct vcpu *vcpu, void *row, uint32_t offset, uint32_t size)
{
	static const uint8_t id[] = {0x04, 0, 0, 0, 0x90, 0xb4, 0x2b, 0x00, 0x0d, 0xf0, 0x05, 0xb1}; /* from PIDR4 */
	uint32_t value = 0;

	if (offset >= CPENDSGIR && offset < SPENDSGIR_END)
		for (uint32_t i = 0; i < size; i++)
			value |= vgic_read_sources(vcpu, (offset + i) & 15U) << (8U * i);
	else if (offset >= ID_REGISTERS)
		return offset % 4U ? 0 : id[index_nospec((offset - ID_REGISTERS) / 4U, ARRAY_SIZE(id))];
	return value;
}

/* By bytes nothing. */
static bool sgir_write(struct vcpu *vcpu, uint32_t value, uint32_t size)
{
	uint32_t targets = FIELD(value, 16, 8);

	if (size != MMIO_WORD)
		return true;
	switch (FIELD(value, 24, 2)) {
	case 1: /* all but self */
		targets = ~BIT(vcpu->index);
		break;
	case 2:
		targets = BIT(vcpu->index);
		break;
	case 3: /* reserved */
		return true;
	default:
		break;
	}
	vgic_send_sgi(vcpu, targets, value & 15U);
	return true;
}

/* A second SGI of the same source and an earlier one that still waits are one: sources are bits. */
static void sources_write(struct vcpu *vcpu, uint32_t offset, uint32_t value)
{
	uint32_t id = offset & 15U;

	if (offset < SPENDSGIR) {
		vgic_clear_sources(vcpu, id, value);
	} else {
		vcpu->vgic.irq[id].sources |= (uint8_t)(value & (BIT(vcpu->vm->vcpu_count) - 1U));
		vgic_update(vcpu, id);
	}
}

static bool high_write(struct vcpu *vcpu, void *row, uint32_t offset, uint32_t value, uint32_t size)
{
	if (offset == 0)
		return sgir_write(vcpu, value, size);
	if (offset < CPENDSGIR || offset >= SPENDSGIR_END)
		return true;
	spin_lock(&vcpu->vm->vgic.lock);
	vgic_open_mail(vcpu);
	for (uint32_t i = 0; i < size; i++, value >>= 8)
		sources_write(vcpu, offset + i, value & 0xffU);
	vgic_unlock(vcpu->vm);
	return true;
}

static uint64_t locked_read(struct vcpu *vcpu, void *device, uint32_t offset, uint32_t size)
{
	const struct row *row = device;
	uint32_t value;

	spin_lock(&vcpu->vm->vgic.lock);
	if (row->collect & COLLECT_READ && offset * 8U < VGIC_IRQS)
		vgic_collect(vcpu, index_nospec(offset * 8U, VGIC_IRQS), ~0U, false);
	value = row->read(vcpu, offset, size);
	vgic_unlock(vcpu->vm);
	return value;
}

static bool locked_write(struct vcpu *vcpu, void *device, uint32_t offset, uint32_t value, uint32_t size)
{
	const struct row *row = device;
	uint32_t held = 0;

	spin_lock(&vcpu->vm->vgic.lock);
	if (row->collect & COLLECT_WRITE && offset * 8U < VGIC_IRQS)
		held = vgic_collect(vcpu, index_nospec(offset * 8U, VGIC_IRQS), value, true);
	row->write(vcpu, offset, value, size);
	vgic_release(vcpu, offset * 8U, held);
	vgic_unlock(vcpu->vm);
	return true;
}

#define LOCKED(widths)                             \
	{                                          \
		locked_read, locked_write, widths, \
	}
#define COLLECT (COLLECT_READ | COLLECT_WRITE)

/* offset, size, {the bus reads, writes, widths}, under the lock reads, writes, what is collected before */
static const struct row rows[] = {
	{GICD_CTLR, 0x080, {id_read, ctlr_write, MMIO_WORD}, NULL, NULL, 0},
	{GICD_IGROUPR, 0x080, {group_read, igroupr_write, MMIO_WORD}, NULL, NULL, 0},
	{GICD_ISENABLER, 0x080, {enable_read, isenabler_write, MMIO_WORD}, NULL, NULL, 0},
	{GICD_ICENABLER, 0x080, {enable_read, icenabler_write, MMIO_WORD}, NULL, NULL, 0},
	{GICD_ISPENDR, 0x080, {locked_read, ispendr_write, MMIO_WORD}, pending_read, NULL, COLLECT_READ},
	{GICD_ICPENDR, 0x080, LOCKED(MMIO_WORD), pending_read, icpendr_write, COLLECT},
	{GICD_ISACTIVER, 0x080, LOCKED(MMIO_WORD), active_read, isactiver_write, COLLECT},
	{GICD_ICACTIVER, 0x080, LOCKED(MMIO_WORD), active_read, icactiver_write, COLLECT},
	{GICD_IPRIORITYR, 0x400, LOCKED(MMIO_WORD | MMIO_BYTE), priority_read, priority_write, 0},
	{GICD_ITARGETSR, 0x400, LOCKED(MMIO_WORD | MMIO_BYTE), target_read, target_write, 0},
	{GICD_ICFGR, 0x100, {config_read, config_write, MMIO_WORD}, NULL, NULL, 0},
	{GICD_ICFGR + 0x100, 0x200, {dist_raz, dist_wi, MMIO_WORD}, NULL, NULL, 0}, /* reserved */
	{GICD_SGIR, 0x100, {high_read, high_write, MMIO_WORD | MMIO_BYTE}, NULL, NULL, 0},
};

/*
 * The second page of the CPU interface. DIR (4.4.15) deactivates with EOImode 1; with 0 it is UNPREDICTABLE, here
 * nothing. An SPI may have been taken by another vCPU. The rest of the page is RAZ/WI.
 */
static bool dir_write(struct vcpu *vcpu, void *device, uint32_t offset, uint32_t value, uint32_t size)
{
	uint32_t id = value & 0x3ffU, held;

	if (offset != 0 || id >= VGIC_IRQS || !(io_read32(gic_gich + GICH_VMCR) & GICH_VMCR_EOIMODE))
		return true;
	id = index_nospec(id, VGIC_IRQS);
	spin_lock(&vcpu->vm->vgic.lock);
	held = vgic_collect(vcpu, id & ~31U, BIT(id % 32), true);
	vgic_set_active(vcpu, id, false);
	vgic_release(vcpu, id & ~31U, held);
	vgic_unlock(vcpu->vm);
	return true;
}

static const struct mmio_ops dir_ops = {dist_raz, dir_write, MMIO_WORD};

/* Only VMs that have one pay for it. */
void vgic_dist_have_twins(struct vm *vm)
{
	static const struct mmio_ops set = {enable_read, twin_isenabler_write, MMIO_WORD};
	static const struct mmio_ops clear = {enable_read, twin_icenabler_write, MMIO_WORD};

	mmio_replace(&vm->bus, MACHINE_GICD_BASE + GICD_ISENABLER, &set);
	mmio_replace(&vm->bus, MACHINE_GICD_BASE + GICD_ICENABLER, &clear);
}

int vgic_dist_create(struct vm *vm)
{
	for (uint32_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *row = &rows[i];
		int ret = mmio_add(&vm->bus, MACHINE_GICD_BASE + row->offset, row->size, &row->ops, (void *)row);

		if (ret)
			return ret;
	}
	return mmio_add(&vm->bus, MACHINE_GICC_BASE + PAGE_SIZE, PAGE_SIZE, &dir_ops, NULL);
}
