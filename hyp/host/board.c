/* SPDX-License-Identifier: BSD-2-Clause */
/* The boards that virt7 knows by name (hyp/host/board.h). docs/porting.md explains how to add one. */
#include <libfdt.h>
#include <stddef.h>

#include "hyp/host/board.h"
#include "hyp/host/cpustart.h"
#include "hyp/host/quirk.h"
#include "hyp/lib/log.h"

static const char counter[] = "the system counter is started",
		  uart_irq[] = "the UART's interrupt is known by its address";

const struct host_board host_boards[] = {
	{"allwinner,sun6i-a31", cpustart_a31, NULL, NULL}, /* an enable-method; so are the next one and AST2600's */
	{"allwinner,sun8i-a23", cpustart_a23, NULL, NULL},
	{"allwinner,sun7i-a20", cpustart_a20, NULL, NULL},
	{"allwinner,sun8i-h3", cpustart_a31, NULL, NULL},
	{"arm,vexpress", cpustart_vexpress, NULL, NULL},
	{"aspeed,ast2600-smp", cpustart_ast2600, NULL, NULL},
	{"samsung,exynos5250", cpustart_exynos5250, counter, quirk_exynos_counter},
	{"samsung,exynos5420", cpustart_exynos5420, counter, quirk_exynos_counter},
	{"st,stm32mp151", NULL, uart_irq, quirk_stm32_uart},
	{"st,stm32mp153", NULL, uart_irq, quirk_stm32_uart},
	{"st,stm32mp157", NULL, uart_irq, quirk_stm32_uart},
	{NULL, NULL, NULL, NULL},
};

void board_apply_quirks(struct host *host)
{
	for (const struct host_board *board = host_boards; board->name; board++)
		if (board->apply && !fdt_node_check_compatible(host->fdt, 0, board->name)) {
			log_info("host: %s: %s", board->name, board->quirk);
			board->apply(host);
		}
}
