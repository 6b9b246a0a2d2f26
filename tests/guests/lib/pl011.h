/* SPDX-License-Identifier: BSD-2-Clause */
/* PL011 UART registers (ARM DDI 0183G, table 3-1). */
#ifndef GUEST_PL011_H
#define GUEST_PL011_H

#include "hyp/vm/machine.h"

#define UARTDR    (MACHINE_UART_BASE + 0x000U)
#define UARTRSR   (MACHINE_UART_BASE + 0x004U)
#define UARTFR    (MACHINE_UART_BASE + 0x018U)
#define UARTILPR  (MACHINE_UART_BASE + 0x020U)
#define UARTIBRD  (MACHINE_UART_BASE + 0x024U)
#define UARTFBRD  (MACHINE_UART_BASE + 0x028U)
#define UARTLCR_H (MACHINE_UART_BASE + 0x02cU)
#define UARTCR    (MACHINE_UART_BASE + 0x030U)
#define UARTIFLS  (MACHINE_UART_BASE + 0x034U)
#define UARTIMSC  (MACHINE_UART_BASE + 0x038U)
#define UARTRIS   (MACHINE_UART_BASE + 0x03cU)
#define UARTMIS   (MACHINE_UART_BASE + 0x040U)
#define UARTICR   (MACHINE_UART_BASE + 0x044U)
#define UARTDMACR (MACHINE_UART_BASE + 0x048U)
#define UARTID    (MACHINE_UART_BASE + 0xfe0U) /* PeriphID0-3, PCellID0-3 */

#define FR_BUSY 0x08U
#define FR_RXFE 0x10U
#define FR_TXFF 0x20U
#define FR_RXFF 0x40U
#define FR_TXFE 0x80U

#define LCR_H_FEN   0x10U
#define LCR_H_WLEN8 0x60U

#define CR_UARTEN 0x001U
#define CR_LBE    0x080U
#define CR_TXE    0x100U
#define CR_RXE    0x200U

#define INT_RX  0x010U
#define INT_TX  0x020U
#define INT_RT  0x040U
#define INT_ALL 0x7ffU

#endif
