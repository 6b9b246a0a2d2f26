# SPDX-License-Identifier: BSD-2-Clause
"""The UARTs that virt7 drives (hyp/host/drivers.c), as tools/mkflash and tools/image-header need them."""

# Offsets of the data and the status register, mask, its value when there is room.
UARTS = {"arm,pl011": (0, 0x18, 0x20, 0), "fsl,imx6q-uart": (0x40, 0xb4, 0x10, 0), "fsl,imx21-uart": (0x40, 0xb4, 0x10, 0),
         "st,stm32h7-uart": (0x28, 0x1c, 0x80, 0x80)}
UARTS |= dict.fromkeys(("amlogic,meson-uart", "amlogic,meson6-uart", "amlogic,meson8-uart", "amlogic,meson8b-uart"),
                       (0, 0xc, 1 << 21, 0))
# The 8250 family: reg-shift and bytes a register where the tree does not say.
UARTS_8250 = {"snps,dw-apb-uart": (0, 1), "ns16550a": (0, 1), "ns16550": (0, 1), "nvidia,tegra20-uart": (2, 4),
              "mediatek,mt6577-uart": (2, 4), "ti,omap4-uart": (2, 4), "ti,dra742-uart": (2, 4)}
