/* SPDX-License-Identifier: BSD-2-Clause */
/* The drivers of the host's devices (hyp/host/driver.h): every compatible string of a device that virt7 knows. */
#include <string.h>

#include "hyp/host/driver.h"
#include "hyp/host/ecc.h"
#include "hyp/host/hostdog.h"
#include "hyp/host/nodes.h"
#include "hyp/host/power_regs.h"
#include "hyp/host/rtc.h"
#include "hyp/host/trng.h"
#include "hyp/host/uart/uart.h"
#include "hyp/lib/bits.h"

#define ALSO_DISABLED HOST_ALSO_DISABLED
#define NO_MASTER     HOST_NO_MASTER
#define OWN           HOST_OWN
#define OF_CPU        HOST_OF_CPU

#define CORESIGHT "arm,coresight-" /* so begins what a CPU is traced and stopped by */

static const struct host_quiet reset_status = {0x070, 0, 0, 0xff},           /* virtio 1.2, 4.2.2.1: Status */
	reset_ahci = {0x004, ~0U, 1, 1},                                     /* AHCI 1.3.1, 3.1.2: GHC.HR */
	reset_xgmac = {0xf00, ~0U, 1, 1}, reset_dwmac = {0x1000, ~0U, 1, 1}, /* DMA bus mode, software reset */
	reset_emac = {0x004, ~0U, 1, 1},                                     /* basic control 1, soft reset */
	reset_sunxi_mmc = {0x000, ~0U, 7, 7},                                /* GCTRL: soft, FIFO and DMA reset */
	reset_usdhc = {0x02c, ~0U, BIT(24), BIT(24)},                        /* SYS_CTRL: RSTA */
	reset_fec = {0x024, ~0U, 1, 1};                                      /* ECR: RESET */

/*
 * In strcmp()'s order, by which they are found. Of a family of UARTs only the least specific string is needed: real
 * nodes end their lists with it. The GICs of other_gic_probe() are without virtualization, or not a GICv2.
 */
static const struct host_driver drivers[] = {
	{"allwinner,sun4i-a10-ic", other_gic_probe, NULL, 0, NULL},
	{"allwinner,sun4i-a10-wdt", hostdog_probe, &hostdog_sun4i, 0, NULL},
	{"allwinner,sun6i-a31-i2c", NULL, NULL, NO_MASTER, NULL},
	{"allwinner,sun6i-a31-rtc", rtc_probe, &rtc_sun6i, NO_MASTER, NULL},
	{"allwinner,sun6i-a31-wdt", hostdog_probe, &hostdog_sun6i, NO_MASTER, NULL},
	{"allwinner,sun7i-a20-mmc", NULL, NULL, 0, &reset_sunxi_mmc},
	{"allwinner,sun7i-a20-rtc", rtc_probe, &rtc_sun4i, 0, NULL},
	{"allwinner,sun8i-a23-rtc", rtc_probe, &rtc_sun6i, 0, NULL},
	{"allwinner,sun8i-h3-emac", NULL, NULL, 0, &reset_emac},
	{"allwinner,sun8i-h3-rtc", rtc_probe, &rtc_sun6i, 0, NULL},
	{"allwinner,sun8i-r40-rtc", rtc_probe, &rtc_sun6i, 0, NULL},
	{"allwinner,sun8i-v3-rtc", rtc_probe, &rtc_sun6i, 0, NULL},
	{"amlogic,meson-uart", uart_probe, &uart_meson, 0, NULL},
	{"amlogic,meson6-uart", uart_probe, &uart_meson, 0, NULL},
	{"amlogic,meson8-uart", uart_probe, &uart_meson, 0, NULL},
	{"amlogic,meson8b-uart", uart_probe, &uart_meson, 0, NULL},
	{"arm,armv7-timer", timer_probe, NULL, ALSO_DISABLED | OWN,
	 NULL}, /* i.MX6UL's is disabled; whether it counts is seen on the CPU */
	{"arm,armv7-timer-mem", NULL, NULL, OWN, NULL},
	{"arm,armv8-timer", timer_probe, NULL, ALSO_DISABLED | OWN, NULL},
	{"arm,cortex-a12-pmu", NULL, NULL, OF_CPU, NULL},
	{"arm,cortex-a15-gic", gic_probe, NULL, 0, NULL},
	{"arm,cortex-a15-pmu", NULL, NULL, OF_CPU, NULL},
	{"arm,cortex-a17-pmu", NULL, NULL, OF_CPU, NULL},
	{"arm,cortex-a5-gic", other_gic_probe, NULL, 0, NULL},
	{"arm,cortex-a7-gic", gic_probe, NULL, 0, NULL},
	{"arm,cortex-a7-pmu", NULL, NULL, OF_CPU, NULL},
	{"arm,cortex-a9-gic", other_gic_probe, NULL, 0, NULL},
	{"arm,cortex-a9-pmu", NULL, NULL, OF_CPU, NULL},
	{"arm,gic-400", gic_probe, NULL, 0, NULL},
	{"arm,gic-v3", other_gic_probe, NULL, 0, NULL},
	{"arm,pl011", uart_probe, &uart_pl011, NO_MASTER, NULL},
	{"arm,pl022", NULL, NULL, NO_MASTER, NULL},
	{"arm,pl031", rtc_probe, &rtc_pl031, NO_MASTER, NULL},
	{"arm,pl041", NULL, NULL, NO_MASTER, NULL},
	{"arm,pl050", NULL, NULL, NO_MASTER, NULL},
	{"arm,pl061", NULL, NULL, NO_MASTER, NULL},
	{"arm,pl180", NULL, NULL, NO_MASTER, NULL},
	{"arm,pl181", NULL, NULL, NO_MASTER, NULL}, /* not arm,pl18x: that may be STM32's, which has DMA of its own */
	{"arm,pl390", other_gic_probe, NULL, 0, NULL},
	{"arm,psci", psci_first_probe, NULL, OWN, NULL},
	{"arm,psci-0.2", psci_probe, NULL, OWN, NULL},
	{"arm,psci-1.0", psci_probe, NULL, OWN, NULL},
	{"arm,sp804", NULL, NULL, NO_MASTER, NULL},
	{"arm,sp805", hostdog_probe, &hostdog_sp805, NO_MASTER, NULL},
	{"arm,versatile-i2c", NULL, NULL, NO_MASTER, NULL},
	{"arm,vexpress-reboot", power_reset_probe, &power_by_vexpress, 0, NULL},
	{"arm,vexpress-shutdown", power_off_probe, &power_by_vexpress, 0, NULL},
	{"arm,vexpress-sysreg", sysreg_probe, NULL, 0, NULL},
	{"aspeed,ast2600-wdt", hostdog_probe, &hostdog_aspeed, 0, NULL},
	{"brcm,bcm2836-l1-intc", other_gic_probe, NULL, 0, NULL},
	{"calxeda,ecx-2000-ddr-ctrl", ecc_probe, &ecc_midway, 0, NULL},
	{"calxeda,hb-ahci", NULL, NULL, 0, &reset_ahci},
	{"calxeda,hb-ddr-ctrl", ecc_probe, &ecc_highbank, 0, NULL},
	{"calxeda,hb-sregs-l2-ecc", ecc_probe, &ecc_sregs, 0, NULL},
	{"calxeda,hb-xgmac", NULL, NULL, 0, &reset_xgmac},
	{"fsl,imx21-i2c", NULL, NULL, NO_MASTER, NULL},
	{"fsl,imx21-uart", uart_probe, &uart_imx, NO_MASTER, NULL},
	{"fsl,imx21-wdt", hostdog_probe, &hostdog_imx, NO_MASTER, NULL},
	{"fsl,imx35-gpio", NULL, NULL, NO_MASTER, NULL},
	{"fsl,imx6q-fec", NULL, NULL, 0, &reset_fec},
	{"fsl,imx6q-uart", uart_probe, &uart_imx, NO_MASTER, NULL},
	{"fsl,imx6sl-usdhc", NULL, NULL, 0, &reset_usdhc},
	{"fsl,imx6sx-fec", NULL, NULL, 0, &reset_fec},
	{"fsl,imx6ul-usdhc", NULL, NULL, 0, &reset_usdhc},
	{"fsl,imx7d-fec", NULL, NULL, 0, &reset_fec},
	{"fsl,imx7d-usdhc", NULL, NULL, 0, &reset_usdhc},
	{"fsl,sec-v4.0-mon", rtc_probe, &rtc_snvs, 0, NULL},
	{"generic-ahci", NULL, NULL, 0, &reset_ahci},
	{"gpio-poweroff", power_off_probe, &power_by_gpio, 0, NULL},
	{"gpio-restart", power_reset_probe, &power_by_gpio, 0, NULL},
	{"mediatek,mt6577-uart", uart_probe, &uart_8250_words, 0, NULL},
	{"mediatek,mt7623-rng", trng_probe, &trng_mediatek, 0, NULL},
	{"ns16550", uart_probe, &uart_8250, NO_MASTER, NULL},
	{"ns16550a", uart_probe, &uart_8250, NO_MASTER, NULL},
	{"nvidia,tegra20-uart", uart_probe, &uart_8250_words, 0, NULL},
	{"qcom,msm-qgic2", other_gic_probe, NULL, 0, NULL},
	{"smsc,lan9115", NULL, NULL, NO_MASTER, NULL},
	{"smsc,lan9118", NULL, NULL, NO_MASTER, NULL},
	{"smsc,lan9220", NULL, NULL, NO_MASTER, NULL},
	{"smsc,lan9221", NULL, NULL, NO_MASTER, NULL},
	{"snps,dw-apb-gpio", NULL, NULL, NO_MASTER, NULL},
	{"snps,dw-apb-uart", uart_probe, &uart_8250, NO_MASTER, NULL},
	{"snps,dw-wdt", hostdog_probe, &hostdog_dw, NO_MASTER, NULL},
	{"snps,dwmac", NULL, NULL, 0, &reset_dwmac},
	{"st,stm32-rng", trng_probe, &trng_stm32, NO_MASTER, NULL},
	{"st,stm32h7-uart", uart_probe, &uart_stm32, NO_MASTER, NULL},
	{"syscon-poweroff", power_off_probe, &power_by_syscon, 0, NULL},
	{"syscon-reboot", power_reset_probe, &power_by_syscon, 0, NULL},
	{"ti,am33xx-intc", other_gic_probe, NULL, 0, NULL},
	{"ti,dra742-uart", uart_probe, &uart_8250_words, 0, NULL},
	{"ti,omap3-intc", other_gic_probe, NULL, 0, NULL},
	{"ti,omap4-uart", uart_probe, &uart_8250_words, 0, NULL},
	{"timeriomem_rng", trng_probe, &trng_register, 0, NULL},
	{"virtio,mmio", virtio_probe, NULL, 0, &reset_status},
};

const struct host_driver *host_driver(const char *compatible)
{
	size_t low = 0, high = ARRAY_SIZE(drivers);

	while (low < high) {
		size_t middle = (low + high) / 2;
		int order = strcmp(compatible, drivers[middle].compatible);

		if (order == 0)
			return &drivers[middle];
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

uint32_t host_kind(const struct dt_node *node)
{
	const char *text = node->prop[DT_COMPATIBLE].data, *end = text + node->prop[DT_COMPATIBLE].length;
	uint32_t kind = 0;

	for (; text && text < end && memchr(text, 0, (size_t)(end - text)); text += strlen(text) + 1) {
		const struct host_driver *driver = host_driver(text);

		kind |= driver ? driver->kind : 0;
		if (strncmp(text, CORESIGHT, sizeof(CORESIGHT) - 1) == 0)
			kind |= HOST_OF_CPU;
	}
	return kind;
}
