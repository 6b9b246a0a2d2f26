/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PL011 (ARM DDI 0183, chapters 2 and 3). The line has no speed: a character leaves as soon as the console takes it,
 * and the receive timeout (2.8) has passed as soon as no more input is there. As QEMU's, it sends and receives whatever
 * UARTEN and TXE say, and hardware flow control never stops it; RXE is honoured. No DMA, no IrDA. Compiled for speed.
 */
#include <stddef.h>

#include <arm/nospec.h>
#include <arm/spinlock.h>

#include "hyp/console/console.h"
#include "hyp/lib/bits.h"
#include "hyp/vm/machine.h"
#include "hyp/exit/mmio.h"
#include "hyp/load/tree.h"
#include "hyp/vdev/vpl011.h"
#include "hyp/vm/vm.h"
#include "vgic/vgic.h"

#define DR    0x000U
#define RSR   0x004U /* writes: ECR */
#define FR    0x018U
#define ILPR  0x020U
#define IBRD  0x024U
#define FBRD  0x028U
#define LCR_H 0x02cU
#define CR    0x030U
#define IFLS  0x034U
#define IMSC  0x038U
#define RIS   0x03cU
#define MIS   0x040U
#define ICR   0x044U
#define DMACR 0x048U
#define ID    0xfe0U /* PeriphID0-3, PCellID0-3 */

#define DR_BE BIT(10)
#define DR_OE BIT(11)

#define RSR_OE BIT(3)

#define FR_CTS  BIT(0)
#define FR_DSR  BIT(1)
#define FR_DCD  BIT(2)
#define FR_BUSY BIT(3)
#define FR_RXFE BIT(4)
#define FR_TXFF BIT(5)
#define FR_RXFF BIT(6)
#define FR_TXFE BIT(7)
#define FR_RI   BIT(8)

#define LCR_H_BRK BIT(0)
#define LCR_H_FEN BIT(4)

#define CR_LBE   BIT(7)
#define CR_RXE   BIT(9)
#define CR_DTR   BIT(10)
#define CR_RTS   BIT(11)
#define CR_OUT1  BIT(12)
#define CR_OUT2  BIT(13)
#define CR_RESET 0x300U

#define IFLS_RESET 0x12U

#define INT_RI  BIT(0)
#define INT_CTS BIT(1)
#define INT_DCD BIT(2)
#define INT_DSR BIT(3)
#define INT_RX  BIT(4)
#define INT_TX  BIT(5)
#define INT_RT  BIT(6)
#define INT_BE  BIT(9)
#define INT_OE  BIT(10)
#define INT_ALL 0x7ffU

#define FIFO_MAX 16U

struct fifo {
	uint32_t head, count;
	uint16_t entry[FIFO_MAX];
};

struct vpl011 {
	struct device device;
	uint32_t fr; /* made anew by vpl011_settle(), read without the lock */
	struct spinlock lock;
	bool line; /* as the vGIC was last told */
	/* saved, from here on */
	uint32_t rsr, ilpr, ibrd, fbrd, lcr_h, cr, ifls, imsc, ris, dmacr;
	uint32_t modem; /* FR's CTS, DSR, DCD, RI: nothing is connected, so only loopback moves them */
	bool overrun;   /* a character was lost; the next one received says so (2.4.3) */
	struct fifo rx, tx;
};

static struct vpl011 *vpl011_of(struct device *device)
{
	return container_of(device, struct vpl011, device);
}

static void fifo_push(struct fifo *fifo, uint32_t value)
{
	fifo->entry[(fifo->head + fifo->count++) % FIFO_MAX] = (uint16_t)value;
}

/* An empty FIFO gives what was read last. */
static uint32_t fifo_pop(struct fifo *fifo)
{
	if (fifo->count == 0)
		return fifo->entry[(fifo->head - 1U) % FIFO_MAX];
	fifo->count--;
	return fifo->entry[fifo->head++ % FIFO_MAX];
}

/* With the FIFOs off each is a holding register (3.3.7, FEN). */
static uint32_t fifo_depth(const struct vpl011 *u)
{
	return u->lcr_h & LCR_H_FEN ? FIFO_MAX : 1U;
}

/* 3.3.9: 1/8, 1/4, 1/2, 3/4, 7/8 of the FIFO; reserved values as the last. */
static uint32_t fifo_level(uint32_t select)
{
	static const uint8_t levels[] = {2, 4, 8, 12, 14};

	return levels[MIN(select, ARRAY_SIZE(levels) - 1U)];
}

static uint32_t rx_trigger(const struct vpl011 *u)
{
	return u->lcr_h & LCR_H_FEN ? fifo_level(FIELD(u->ifls, 3, 3)) : 1U;
}

static uint32_t tx_trigger(const struct vpl011 *u)
{
	return u->lcr_h & LCR_H_FEN ? fifo_level(FIELD(u->ifls, 0, 3)) : 0;
}

/* A character, with its error bits, from the console or from our own transmitter in loopback (2.4.3). */
static void vpl011_receive(struct vpl011 *u, uint32_t value)
{
	if (u->rx.count >= fifo_depth(u)) {
		u->overrun = true;
		u->rsr |= RSR_OE;
		u->ris |= INT_OE;
		return;
	}
	fifo_push(&u->rx, value | (u->overrun ? DR_OE : 0));
	u->overrun = false;
	if (u->rx.count == rx_trigger(u))
		u->ris |= INT_RX;
	if (value & DR_BE)
		u->ris |= INT_BE;
}

/*
 * After characters came or went (2.8.2, 2.8.4). Reading below the trigger takes the receive interrupt away. Where some
 * are in the FIFO and no other comes within 32 bit periods, the timeout interrupt is raised, at any level: without it a
 * driver that has cleared the receive interrupt above the trigger would hear of nothing any more.
 */
static void rx_update(struct vpl011 *u)
{
	if (u->rx.count < rx_trigger(u))
		u->ris &= ~INT_RX;
	if (u->rx.count == 0)
		u->ris &= ~INT_RT;
	else if (u->lcr_h & LCR_H_FEN)
		u->ris |= INT_RT;
}

/* Fill the receive FIFO from the console. In loopback its input is disconnected and stays there. */
static void rx_pull(struct vpl011 *u)
{
	int c;

	if ((u->cr & (CR_RXE | CR_LBE)) == CR_RXE)
		while (u->rx.count < fifo_depth(u) && (c = console_getc(&u->device.vm->console)) >= 0)
			vpl011_receive(u, (uint32_t)c);
	rx_update(u);
}

/* The oldest character in the FIFO is on the line. */
static void tx_departed(struct vpl011 *u)
{
	uint32_t value = fifo_pop(&u->tx);

	if (u->tx.count <= tx_trigger(u))
		u->ris |= INT_TX;
	if (u->cr & CR_LBE) {
		vpl011_receive(u, value);
		rx_update(u);
	}
}

/*
 * Characters leave, as many as the console takes. The TRM raises the interrupt where the level passes the trigger
 * downwards (2.8.3); here every departure at or below it does, as in QEMU, or a driver that sends a single character
 * and waits would wait for ever.
 */
static void tx_drain(struct vpl011 *u)
{
	uint8_t bytes[FIFO_MAX];
	uint32_t n = 0;

	while (n < u->tx.count) {
		bytes[n] = (uint8_t)u->tx.entry[(u->tx.head + n) % FIFO_MAX];
		n++;
	}
	for (n = console_put(&u->device.vm->console, bytes, n); n > 0; n--)
		tx_departed(u);
}

/* A write to a full FIFO is lost. */
static void tx_write(struct vpl011 *u, uint32_t value)
{
	if (u->tx.count >= fifo_depth(u))
		return;
	fifo_push(&u->tx, value & 0xffU);
	if (u->tx.count > tx_trigger(u))
		u->ris &= ~INT_TX;
	tx_drain(u);
}

/* What is seen from outside follows the state: flags and interrupt line. Ends every change, under the lock. */
static void vpl011_settle(struct vpl011 *u)
{
	uint32_t fr = u->modem;
	bool line = u->ris & u->imsc;

	fr |= u->rx.count == 0 ? FR_RXFE : 0;
	fr |= u->rx.count >= fifo_depth(u) ? FR_RXFF : 0;
	fr |= u->tx.count == 0 ? FR_TXFE : FR_BUSY;
	fr |= u->tx.count >= fifo_depth(u) ? FR_TXFF : 0;
	__atomic_store_n(&u->fr, fr, __ATOMIC_RELAXED);
	if (line != u->line) {
		u->line = line;
		vgic_set_line(u->device.vm, 0, MACHINE_SPI_UART, line);
	}
}

static uint32_t dr_read(struct vpl011 *u)
{
	uint32_t value = fifo_pop(&u->rx);

	u->rsr = (u->rsr & RSR_OE) | FIELD(value, 8, 3);
	rx_pull(u);
	return value;
}

/* Either change of FEN empties both FIFOs, as in QEMU. In loopback a break is received as one (3.3.7). */
static void lcr_h_write(struct vpl011 *u, uint32_t value)
{
	uint32_t changed = u->lcr_h ^ value;

	u->lcr_h = value;
	if (changed & LCR_H_FEN) {
		u->rx.count = u->tx.count = 0;
		rx_update(u);
	}
	if ((changed & value & LCR_H_BRK) && (u->cr & CR_LBE))
		vpl011_receive(u, DR_BE);
	rx_pull(u);
}

/* In loopback the modem outputs drive the inputs (3.3.8, LBE); a change of an input is an interrupt (2.8.1). */
static void cr_write(struct vpl011 *u, uint32_t value)
{
	uint32_t modem = 0, changed;

	if (value & CR_LBE)
		modem = (value & CR_RTS ? FR_CTS : 0) | (value & CR_DTR ? FR_DSR : 0) | (value & CR_OUT1 ? FR_DCD : 0) |
			(value & CR_OUT2 ? FR_RI : 0);
	changed = u->modem ^ modem;
	u->ris |= (changed & FR_CTS ? INT_CTS : 0) | (changed & FR_DSR ? INT_DSR : 0) |
		  (changed & FR_DCD ? INT_DCD : 0) | (changed & FR_RI ? INT_RI : 0);
	u->modem = modem;
	u->cr = value;
	rx_pull(u);
}

/* A lower trigger may have been passed already. */
static void ifls_write(struct vpl011 *u, uint32_t value)
{
	uint32_t old = rx_trigger(u);

	u->ifls = value;
	if (u->rx.count < old && u->rx.count >= rx_trigger(u))
		u->ris |= INT_RX;
	rx_update(u);
}

static uint32_t read_id(uint32_t offset)
{
	static const uint8_t id[8] = {0x11, 0x10, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1};

	return offset >= ID ? id[index_nospec((offset - ID) / 4U, ARRAY_SIZE(id))] : 0;
}

/* `offset` of a word */
static uint32_t vpl011_read_register(struct vpl011 *u, uint32_t offset)
{
	switch (offset) {
	case DR:
		return dr_read(u);
	case RSR:
		return u->rsr;
	case FR:
		return u->fr;
	case ILPR:
		return u->ilpr;
	case IBRD:
		return u->ibrd;
	case FBRD:
		return u->fbrd;
	case LCR_H:
		return u->lcr_h;
	case CR:
		return u->cr;
	case IFLS:
		return u->ifls;
	case IMSC:
		return u->imsc;
	case RIS:
		return u->ris;
	case MIS:
		return u->ris & u->imsc;
	case DMACR:
		return u->dmacr;
	default:
		return read_id(offset);
	}
}

static void vpl011_write_register(struct vpl011 *u, uint32_t offset, uint32_t value)
{
	switch (offset) {
	case DR:
		tx_write(u, value);
		break;
	case RSR:
		u->rsr = 0;
		break;
	case ILPR:
		u->ilpr = value & 0xffU;
		break;
	case IBRD:
		u->ibrd = value & 0xffffU;
		break;
	case FBRD:
		u->fbrd = value & 0x3fU;
		break;
	case LCR_H:
		lcr_h_write(u, value & 0xffU);
		break;
	case CR:
		cr_write(u, value & 0xff87U);
		break;
	case IFLS:
		ifls_write(u, value & 0x3fU);
		break;
	case IMSC:
		u->imsc = value & INT_ALL;
		break;
	case ICR:
		u->ris &= ~value;
		break;
	case DMACR:
		u->dmacr = value & 7U;
		break;
	default: /* read-only, reserved, or not the low byte of a register */
		break;
	}
}

/*
 * Registers are words of 16 bits or less on an APB without byte strobes: an access of any width at a word's address
 * reaches its low bytes, and a narrow write clears the bytes that it does not bring. Elsewhere in a word a read gets
 * those bytes; a write has nothing to say.
 */
static __attribute__((noinline)) uint32_t read_locked(struct vpl011 *u, uint32_t offset)
{
	uint32_t value;

	spin_lock(&u->lock);
	value = vpl011_read_register(u, offset & ~3U) >> 8U * (offset & 3U);
	vpl011_settle(u);
	spin_unlock(&u->lock);
	return value;
}

/* Drivers poll FR: no lock, no search, no frame. */
static uint64_t vpl011_read(struct vcpu *vcpu, void *device, uint32_t offset, uint32_t size)
{
	struct vpl011 *u = device;
	uint32_t value;

	value = likely(offset == FR) ? __atomic_load_n(&u->fr, __ATOMIC_RELAXED) : read_locked(u, offset);
	return size == 1U ? value & 0xffU : value;
}

static bool vpl011_write(struct vcpu *vcpu, void *device, uint32_t offset, uint32_t value, uint32_t size)
{
	struct vpl011 *u = device;

	spin_lock(&u->lock);
	vpl011_write_register(u, offset, value);
	vpl011_settle(u);
	spin_unlock(&u->lock);
	return true;
}

/* The console has input for this VM: take what the receive FIFO holds. No lock of the console is held. */
static void vpl011_input_ready(struct console_stream *stream)
{
	struct vpl011 *u = vpl011_of(device_find(stream->vm, &vpl011_class));

	spin_lock(&u->lock);
	rx_pull(u);
	vpl011_settle(u);
	spin_unlock(&u->lock);
}

/* console_put() has room again: send what waits in the transmit FIFO. No lock of the console is held. */
static void vpl011_tx_room(struct console_stream *stream)
{
	struct vpl011 *u = vpl011_of(device_find(stream->vm, &vpl011_class));

	spin_lock(&u->lock);
	tx_drain(u);
	vpl011_settle(u);
	spin_unlock(&u->lock);
}

/* What was typed meanwhile has waited in the console: a guest that only polls gets it without another key. */
static void vpl011_reset(struct device *device)
{
	struct vpl011 *u = vpl011_of(device);

	spin_lock(&u->lock);
	u->rsr = u->ilpr = u->ibrd = u->fbrd = u->lcr_h = 0;
	u->imsc = u->ris = u->dmacr = u->modem = 0;
	u->cr = CR_RESET;
	u->ifls = IFLS_RESET;
	u->overrun = false;
	u->rx = u->tx = (struct fifo){0};
	rx_pull(u);
	vpl011_settle(u);
	spin_unlock(&u->lock);
}

/* What the console could not take then it may take now. */
static void vpl011_restore(struct device *device)
{
	struct vpl011 *u = vpl011_of(device);

	spin_lock(&u->lock);
	tx_drain(u);
	vpl011_settle(u);
	spin_unlock(&u->lock);
}

static int vpl011_create(struct device *device)
{
	static const struct mmio_ops ops = {vpl011_read, vpl011_write, MMIO_ANY};
	struct vm *vm = device->vm;
	int err = mmio_add(&vm->bus, MACHINE_UART_BASE, MACHINE_UART_SIZE, &ops, vpl011_of(device));

	if (err)
		return err;
	vm->console.input_ready = vpl011_input_ready;
	vm->console.room = vpl011_tx_room;
	return 0;
}

static void vpl011_describe(const struct device *device, struct tree *t)
{
	tree_begin_numbered(t, "pl011@", MACHINE_UART_BASE);
	tree_strings(t, "compatible", "arm,pl011\0arm,primecell");
	tree_reg_spi(t, MACHINE_UART_BASE, MACHINE_UART_SIZE, MACHINE_SPI_UART, TREE_GIC_LEVEL_HI);
	tree_list(t, "clocks", TREE_PHANDLE_CLOCK(t), TREE_PHANDLE_CLOCK(t));
	tree_strings(t, "clock-names", "uartclk\0apb_pclk");
	tree_end(t);
}

const struct device_class vpl011_class = {
	.name = "pl011",
	.size = sizeof(struct vpl011),
	.saved = offsetof(struct vpl011, rsr),
	.create = vpl011_create,
	.reset = vpl011_reset,
	.describe = vpl011_describe,
	.restore = vpl011_restore,
};
