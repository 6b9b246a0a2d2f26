/*
 * The distributor's registers (IHI 0048B 4.3), one row each: where it is, which widths it takes, what a read and a
 * write do. As a GICv2 without the Security Extensions: two interrupt groups that software may use, as on QEMU's virt.
 */
#include "hyp/dev/gic.h"
#include "vgic/vgic.h"

#define WORD 4U
#define BYTE 1U

struct row {
	uint32_t (*read)(struct vcpu *vcpu, uint32_t offset, uint32_t size);
	void (*write)(struct vcpu *vcpu, uint32_t offset, uint32_t size, uint32_t value);
	uint8_t widths; /* WORD, or WORD | BYTE */
	bool unlocked;  /* touches nothing that vgic.lock guards */
};

/* Offset 0x000: CTLR, TYPER, IIDR. 32 * (ITLinesNumber + 1) interrupts; as many CPUs as the VM has. */
static uint32_t id_read(struct vcpu *vcpu, uint32_t offset, uint32_t size)
{
	(void)size;
	switch (offset) {
	case 0x0:
		return vcpu->vm->vgic.enabled;
	case 0x4:
		return (VGIC_IRQS / 32U - 1U) | (vcpu->vm->vcpu_count - 1U) << 5;
	case 0x8:
		return 0x0200143bU; /* product 2, ARM: as a GIC-400's */
	default:
		return 0;
	}
}

static void ctlr_write(struct vcpu *vcpu, uint32_t offset, uint32_t size, uint32_t value)
{
	struct vm *vm = vcpu->vm;

	(void)size;
	if (offset != 0)
		return;
	spin_lock(&vm->vgic.lock);
	if (vm->vgic.enabled != (value & 3U)) {
		vm->vgic.enabled = value & 3U;
		vgic_update_all(vm);
	}
	spin_unlock(&vm->vgic.lock);
}

static uint32_t raz(struct vcpu *vcpu, uint32_t offset, uint32_t size)
{
	(void)vcpu, (void)offset, (void)size;
	return 0;
}

static void wi(struct vcpu *vcpu, uint32_t offset, uint32_t size, uint32_t value)
{
	(void)vcpu, (void)offset, (void)size, (void)value;
}

/* One bit an interrupt: collect, or apply to the bits that are set. */
#define READ_BITS(name, expression)                                             \
	static uint32_t name(struct vcpu *vcpu, uint32_t offset, uint32_t size) \
	{                                                                       \
		uint32_t value = 0, first = offset * 8U;                        \
                                                                                \
		(void)size;                                                     \
		for (uint32_t i = 0; i < 32 && first + i < VGIC_IRQS; i++) {    \
			uint32_t id = first + i;                                \
			const struct vgic_irq *irq = vgic_irq(vcpu, id);        \
                                                                                \
			(void)irq;                                              \
			value |= (uint32_t)((expression) ? 1U : 0U) << i;       \
		}                                                               \
		return value;                                                   \
	}

READ_BITS(enable_read, irq->enabled)
READ_BITS(group_read, irq->group1)
READ_BITS(pending_read, vgic_read_pending(vcpu, id))
READ_BITS(active_read, irq->active || (vgic_lr_state(vcpu, irq) & GICH_LR_ACTIVE))

/* Call `apply` for each interrupt whose bit is written as 1. */
static void for_written(struct vcpu *vcpu, uint32_t offset, uint32_t value, void (*apply)(struct vcpu *, uint32_t))
{
	uint32_t first = offset * 8U;

	if (first < VGIC_IRQS)
		for (; value; value &= value - 1U)
			apply(vcpu, first + lowest_bit(value));
}

static void set_enable(struct vcpu *vcpu, uint32_t id)
{
	vgic_irq(vcpu, id)->enabled = true;
	vgic_update(vcpu, id);
}

static void clear_enable(struct vcpu *vcpu, uint32_t id)
{
	vgic_irq(vcpu, id)->enabled = id < 16; /* SGIs cannot be disabled here */
	vgic_update(vcpu, id);
}

/* SGIs are set pending through SPENDSGIR only: their ISPENDR and ICPENDR bits are read-only. */
static void set_pending(struct vcpu *vcpu, uint32_t id)
{
	if (id < 16)
		return;
	vgic_irq(vcpu, id)->latch = true;
	vgic_update(vcpu, id);
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
	static void name(struct vcpu *vcpu, uint32_t offset, uint32_t size, uint32_t value) \
	{                                                                                   \
		(void)size;                                                                 \
		for_written(vcpu, offset, value, apply);                                    \
	}

WRITE_BITS(isenabler_write, set_enable)
WRITE_BITS(icenabler_write, clear_enable)
WRITE_BITS(ispendr_write, set_pending)
WRITE_BITS(icpendr_write, clear_pending)
WRITE_BITS(isactiver_write, set_active)
WRITE_BITS(icactiver_write, clear_active)

/* Both values of the bit count: not just the ones. */
static void igroupr_write(struct vcpu *vcpu, uint32_t offset, uint32_t size, uint32_t value)
{
	uint32_t first = offset * 8U;

	(void)size;
	for (uint32_t i = 0; i < 32 && first + i < VGIC_IRQS; i++)
		if (vgic_irq(vcpu, first + i)->group1 != (value >> i & 1U)) {
			vgic_irq(vcpu, first + i)->group1 = value >> i & 1U;
			vgic_update(vcpu, first + i);
		}
}

/* One byte an interrupt. */
static uint32_t priority_read(struct vcpu *vcpu, uint32_t offset, uint32_t size)
{
	uint32_t value = 0;

	for (uint32_t i = 0; i < size && offset + i < VGIC_IRQS; i++)
		value |= (uint32_t)vgic_irq(vcpu, offset + i)->priority << (8U * i);
	return value;
}

static void priority_write(struct vcpu *vcpu, uint32_t offset, uint32_t size, uint32_t value)
{
	for (uint32_t i = 0; i < size && offset + i < VGIC_IRQS; i++, value >>= 8)
		if (vgic_irq(vcpu, offset + i)->priority != (value & 0xf8U)) {
			vgic_irq(vcpu, offset + i)->priority = value & 0xf8U; /* what a list register holds */
			vgic_update(vcpu, offset + i);
		}
}

/* Private interrupts: the reader's own mask, on a uniprocessor 0 (RAZ/WI); SPIs: existing CPUs only. */
static uint32_t target_read(struct vcpu *vcpu, uint32_t offset, uint32_t size)
{
	uint32_t value = 0;

	if (vcpu->vm->vcpu_count == 1)
		return 0;
	for (uint32_t i = 0; i < size && offset + i < VGIC_IRQS; i++) {
		uint32_t id = offset + i;
		uint32_t mask = id < VGIC_PRIVATE ? BIT(vcpu->index) : vgic_irq(vcpu, id)->targets;

		value |= mask << (8U * i);
	}
	return value;
}

static void target_write(struct vcpu *vcpu, uint32_t offset, uint32_t size, uint32_t value)
{
	uint32_t existing = BIT(vcpu->vm->vcpu_count) - 1U;

	if (vcpu->vm->vcpu_count == 1)
		return;
	for (uint32_t i = 0; i < size && offset + i < VGIC_IRQS; i++, value >>= 8)
		if (offset + i >= VGIC_PRIVATE) {
			vgic_irq(vcpu, offset + i)->targets = (uint8_t)(value & existing);
			vgic_update(vcpu, offset + i);
		}
}

/* Two bits an interrupt, the upper one: edge. SGIs are edge and PPIs level, both fixed. */
static uint32_t config_read(struct vcpu *vcpu, uint32_t offset, uint32_t size)
{
	uint32_t value = 0, first = offset * 4U;

	(void)size;
	for (uint32_t i = 0; i < 16 && first + i < VGIC_IRQS; i++)
		value |= vgic_irq(vcpu, first + i)->edge ? 2U << (2U * i) : 0;
	return value;
}

static void config_write(struct vcpu *vcpu, uint32_t offset, uint32_t size, uint32_t value)
{
	uint32_t first = offset * 4U;

	(void)size;
	for (uint32_t i = 0; i < 16 && first + i < VGIC_IRQS; i++)
		if (first + i >= VGIC_PRIVATE) {
			vgic_irq(vcpu, first + i)->edge = value >> (2U * i) & 2U;
			vgic_update(vcpu, first + i);
		}
}

/* 0xf00 SGIR, 0xf10 CPENDSGIR, 0xf20 SPENDSGIR, 0xfd0 ... ID registers. */
static uint32_t high_read(struct vcpu *vcpu, uint32_t offset, uint32_t size)
{
	static const uint8_t id[] = {0x04, 0, 0, 0, 0x90, 0xb4, 0x2b, 0x00, 0x0d, 0xf0, 0x05, 0xb1}; /* from 0xfd0 */
	uint32_t value = 0;

	if (offset >= 0x10 && offset < 0x30)
		for (uint32_t i = 0; i < size; i++)
			value |= vgic_sgi_sources(vcpu, (offset + i) & 15U) << (8U * i);
	else if (offset >= 0xd0)
		return offset % 4U ? 0 : id[(offset - 0xd0) / 4U];
	return value;
}

static void sgi_write(struct vcpu *vcpu, uint32_t value)
{
	uint32_t targets = FIELD(value, 16, 8);

	switch (FIELD(value, 24, 2)) {
	case 1: /* all but self */
		targets = ~BIT(vcpu->index);
		break;
	case 2:
		targets = BIT(vcpu->index);
		break;
	case 3: /* reserved */
		return;
	default:
		break;
	}
	vgic_send_sgi(vcpu, targets, value & 15U);
}

static void high_write(struct vcpu *vcpu, uint32_t offset, uint32_t size, uint32_t value)
{
	if (offset == 0 && size == WORD) {
		sgi_write(vcpu, value);
		return;
	}
	if (offset < 0x10 || offset >= 0x30)
		return;
	spin_lock(&vcpu->vm->vgic.lock);
	for (uint32_t i = 0; i < size; i++, value >>= 8) {
		uint32_t id = (offset + i) & 15U;
		struct vgic_irq *irq = &vcpu->vgic.irq[id];

		if (offset < 0x20)
			vgic_clear_sources(vcpu, id, value & 0xffU);
		else
			irq->sources |= (uint8_t)(value & (BIT(vcpu->vm->vcpu_count) - 1U));
		vgic_update(vcpu, id);
	}
	spin_unlock(&vcpu->vm->vgic.lock);
}

static const struct row rows[] = {
	{raz, wi, WORD, true}, /* reserved */
	{id_read, ctlr_write, WORD, true},
	{group_read, igroupr_write, WORD, false},
	{enable_read, isenabler_write, WORD, false},
	{enable_read, icenabler_write, WORD, false},
	{pending_read, ispendr_write, WORD, false},
	{pending_read, icpendr_write, WORD, false},
	{active_read, isactiver_write, WORD, false},
	{active_read, icactiver_write, WORD, false},
	{priority_read, priority_write, WORD | BYTE, false},
	{target_read, target_write, WORD | BYTE, false},
	{config_read, config_write, WORD, false},
	{high_read, high_write, WORD | BYTE, true},
};

/* Which row serves each 128-byte piece of the distributor, and where that row's registers begin. */
static const struct {
	uint8_t row, first;
} map[32] = {
	[0x000 >> 7] = {1, 0x000 >> 7},
	[0x080 >> 7] = {2, 0x080 >> 7},
	[0x100 >> 7] = {3, 0x100 >> 7},
	[0x180 >> 7] = {4, 0x180 >> 7},
	[0x200 >> 7] = {5, 0x200 >> 7},
	[0x280 >> 7] = {6, 0x280 >> 7},
	[0x300 >> 7] = {7, 0x300 >> 7},
	[0x380 >> 7] = {8, 0x380 >> 7},
	[0x400 >> 7 ... 0x780 >> 7] = {9, 0x400 >> 7},
	[0x800 >> 7 ... 0xb80 >> 7] = {10, 0x800 >> 7},
	[0xc00 >> 7 ... 0xc80 >> 7] = {11, 0xc00 >> 7},
	[0xf00 >> 7 ... 0xf80 >> 7] = {12, 0xf00 >> 7},
};

enum mmio_result vgic_dist_access(struct vcpu *vcpu, void *device, struct mmio_access *access)
{
	uint32_t piece = access->offset >> 7, offset = access->offset - ((uint32_t)map[piece].first << 7);
	const struct row *row = &rows[map[piece].row];

	(void)device;
	if (!(row->widths & access->size))
		return MMIO_UNHANDLED;
	if (!row->unlocked)
		spin_lock(&vcpu->vm->vgic.lock);
	if (access->write)
		row->write(vcpu, offset, access->size, access->value);
	else
		access->value = row->read(vcpu, offset, access->size);
	if (!row->unlocked)
		spin_unlock(&vcpu->vm->vgic.lock);
	return MMIO_DONE;
}
