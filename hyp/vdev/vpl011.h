/*
 * The guest's PL011 UART (ARM DDI 0183, revision r1p1 by its ID: FIFOs of 16) between MMIO and the console multiplexer.
 * Its lock is taken before those of the vGIC and of the console.
 */
#ifndef HYP_VDEV_VPL011_H
#define HYP_VDEV_VPL011_H

struct vm;

/* Put the UART on the VM's bus and take the console's input; reset. 0, -ENOMEM, or as mmio_add(). */
int vpl011_create(struct vm *vm);

/* As after power-on: FIFOs empty, interrupt line low. No vCPU of the VM runs. */
void vpl011_reset(struct vm *vm);

/* The console has input for this VM: take what the receive FIFO holds. Any CPU; no lock of the console is held. */
void vpl011_input_ready(struct vm *vm);

/* console_putc() has room again: send what waits in the transmit FIFO. Any CPU; no lock of the console is held. */
void vpl011_tx_room(struct vm *vm);

#endif
