/* SPDX-License-Identifier: BSD-2-Clause */
/* The drivers of the host's devices (hyp/host/driver.h): every compatible string that virt7 knows of them. */
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

/* Of a family of UARTs only the least specific string is needed: real nodes end their lists with it. */
static const struct host_driver drivers[] = {
	{"arm,cortex-a15-gic", gic_probe, NULL, false},
	{"arm,cortex-a7-gic", gic_probe, NULL, false},
	{"arm,gic-400", gic_probe, NULL, false},
	/* Without virtualization, or not a GICv2. */
	{"arm,gic-v3", other_gic_probe, NULL, false},
	{"arm,cortex-a9-gic", other_gic_probe, NULL, false},
	{"arm,cortex-a5-gic", other_gic_probe, NULL, false},
	{"arm,pl390", other_gic_probe, NULL, false},
	{"qcom,msm-qgic2", other_gic_probe, NULL, false},
	{"brcm,bcm2836-l1-intc", other_gic_probe, NULL, false},
	{"allwinner,sun4i-a10-ic", other_gic_probe, NULL, false},
	{"ti,am33xx-intc", other_gic_probe, NULL, false},
	{"ti,omap3-intc", other_gic_probe, NULL, false},
	{"arm,armv7-timer", timer_probe, NULL, true}, /* i.MX6UL's is disabled; whether it counts is seen on the CPU */
	{"arm,armv8-timer", timer_probe, NULL, true},
	{"arm,psci-1.0", psci_probe, NULL, false},
	{"arm,psci-0.2", psci_probe, NULL, false},
	{"arm,psci", psci_first_probe, NULL, false},
	{"arm,vexpress-sysreg", sysreg_probe, NULL, false},

	{"arm,pl031", rtc_probe, &rtc_pl031, false},
	{"allwinner,sun7i-a20-rtc", rtc_probe, &rtc_sun4i, false},
	{"allwinner,sun6i-a31-rtc", rtc_probe, &rtc_sun6i, false},
	{"allwinner,sun8i-a23-rtc", rtc_probe, &rtc_sun6i, false},
	{"allwinner,sun8i-h3-rtc", rtc_probe, &rtc_sun6i, false},
	{"allwinner,sun8i-r40-rtc", rtc_probe, &rtc_sun6i, false},
	{"allwinner,sun8i-v3-rtc", rtc_probe, &rtc_sun6i, false},
	{"fsl,sec-v4.0-mon", rtc_probe, &rtc_snvs, false},

	{"fsl,imx21-wdt", hostdog_probe, &hostdog_imx, false},
	{"allwinner,sun4i-a10-wdt", hostdog_probe, &hostdog_sun4i, false},
	{"allwinner,sun6i-a31-wdt", hostdog_probe, &hostdog_sun6i, false},
	{"snps,dw-wdt", hostdog_probe, &hostdog_dw, false},
	{"arm,sp805", hostdog_probe, &hostdog_sp805, false},
	{"aspeed,ast2600-wdt", hostdog_probe, &hostdog_aspeed, false},

	{"st,stm32-rng", trng_probe, &trng_stm32, false},
	{"mediatek,mt7623-rng", trng_probe, &trng_mediatek, false},
	{"timeriomem_rng", trng_probe, &trng_register, false},
	{"virtio,mmio", virtio_probe, NULL, false},

	{"calxeda,hb-ddr-ctrl", ecc_probe, &ecc_highbank, false},
	{"calxeda,ecx-2000-ddr-ctrl", ecc_probe, &ecc_midway, false},
	{"calxeda,hb-sregs-l2-ecc", ecc_probe, &ecc_sregs, false},

	{"arm,pl011", uart_probe, &uart_pl011, false},
	{"snps,dw-apb-uart", uart_probe, &uart_8250, false},
	{"ns16550a", uart_probe, &uart_8250, false},
	{"ns16550", uart_probe, &uart_8250, false},
	{"nvidia,tegra20-uart", uart_probe, &uart_8250_words, false},
	{"mediatek,mt6577-uart", uart_probe, &uart_8250_words, false},
	{"ti,omap4-uart", uart_probe, &uart_8250_words, false},
	{"ti,dra742-uart", uart_probe, &uart_8250_words, false},
	{"fsl,imx6q-uart", uart_probe, &uart_imx, false},
	{"fsl,imx21-uart", uart_probe, &uart_imx, false},
	{"st,stm32h7-uart", uart_probe, &uart_stm32, false},
	{"amlogic,meson-uart", uart_probe, &uart_meson, false},
	{"amlogic,meson6-uart", uart_probe, &uart_meson, false},
	{"amlogic,meson8-uart", uart_probe, &uart_meson, false},
	{"amlogic,meson8b-uart", uart_probe, &uart_meson, false},

	{"syscon-poweroff", power_off_probe, &power_by_syscon, false},
	{"syscon-reboot", power_reset_probe, &power_by_syscon, false},
	{"gpio-poweroff", power_off_probe, &power_by_gpio, false},
	{"gpio-restart", power_reset_probe, &power_by_gpio, false},
	{"arm,vexpress-shutdown", power_off_probe, &power_by_vexpress, false},
	{"arm,vexpress-reboot", power_reset_probe, &power_by_vexpress, false},
};

const struct host_driver *host_driver(const char *compatible)
{
	for (size_t i = 0; i < ARRAY_SIZE(drivers); i++)
		if (strcmp(compatible, drivers[i].compatible) == 0)
			return &drivers[i];
	return NULL;
}
