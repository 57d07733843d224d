/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What to tell a person about a network controller that no driver here takes, by PCI vendor and
 * device: used by the kernel at start and by whoever diagnoses a machine. Vendors: the PCI SIG's
 * list; devices: DPDK's drivers.
 */
#ifndef EXO_NIC_H
#define EXO_NIC_H

#include <stddef.h>
#include <stdint.h>

struct exo_nic_family {
	uint16_t vendor, first, last; /* device ids */
	const char *name, *advice;
};

/* NULL: no such vendor is known. The first family that holds a device has it. */
static inline const struct exo_nic_family *exo_nic_find(uint16_t vendor, uint16_t device)
{
	static const char bnx2x[] = "Broadcom NetXtreme II 10G (bnx2x)";
	static const char firmware[] =
	        "it needs firmware that is not in this image; use another NIC";
	static const struct exo_nic_family families[] = {
	        {0x15b3, 0x1000, 0x1012, "NVIDIA ConnectX-3 or older",
	         "its driver needs Linux's InfiniBand core; use another NIC"},
	        {0x15b3, 0x0000, 0xffff, "NVIDIA ConnectX",
	         "its driver needs Linux's InfiniBand core; use another NIC"},
	        {0x14e4, 0x163d, 0x163f, bnx2x, firmware},
	        {0x14e4, 0x164e, 0x1650, bnx2x, firmware},
	        {0x14e4, 0x1662, 0x1663, bnx2x, firmware},
	        {0x14e4, 0x166f, 0x166f, bnx2x, firmware},
	        {0x14e4, 0x168a, 0x168a, bnx2x, firmware},
	        {0x14e4, 0x168d, 0x168e, bnx2x, firmware},
	        {0x14e4, 0x16a1, 0x16a2, bnx2x, firmware},
	        {0x14e4, 0x16a4, 0x16a5, bnx2x, firmware},
	        {0x14e4, 0x16a9, 0x16a9, bnx2x, firmware},
	        {0x14e4, 0x16ab, 0x16ab, bnx2x, firmware},
	        {0x14e4, 0x16ad, 0x16af, bnx2x, firmware},
	        {0x14e4, 0x1600, 0x16ff, "Broadcom NetXtreme (tg3, bnx2)",
	         "DPDK has no driver for it; NetXtreme-C and -E work (bnxt)"},
	        {0x14e4, 0x4300, 0x44ff, "Broadcom wireless", "there is no wireless driver"},
	        {0x14e4, 0x0000, 0xffff, "Broadcom", "no driver here lists it; use another NIC"},
	        {0x10ec, 0x0000, 0xffff, "Realtek",
	         "DPDK has no driver for it; add a cheap Intel NIC (e1000e, igb, igc)"},
	        {0x1d6a, 0x0000, 0xffff, "Aquantia", "its driver is not linked; use another NIC"},
	        {0x1924, 0x0000, 0xffff, "Solarflare", "its driver is not linked; use another NIC"},
	        {0x1425, 0x0000, 0xffff, "Chelsio", "its driver is not linked; use another NIC"},
	        {0x1077, 0x0000, 0xffff, "QLogic", "its driver is not linked; use another NIC"},
	        {0x10df, 0x0000, 0xffff, "Emulex", "DPDK has no driver for it; use another NIC"},
	        {0x19a2, 0x0000, 0xffff, "Emulex", "DPDK has no driver for it; use another NIC"},
	        {0x1137, 0x0000, 0xffff, "Cisco VIC", "its driver is not linked; use another NIC"},
	        {0x1022, 0x1458, 0x1459, "AMD XGBE", "its driver is not linked; use another NIC"},
	        {0x1022, 0x2000, 0x2001, "AMD PCnet",
	         "DPDK has no driver for it; in VMware choose vmxnet3, in QEMU virtio"},
	        {0x10de, 0x0000, 0xffff, "NVIDIA nForce", "DPDK has no driver for it"},
	        {0x11ab, 0x0000, 0xffff, "Marvell Yukon", "DPDK has no driver for it"},
	        {0x1969, 0x0000, 0xffff, "Atheros", "DPDK has no driver for it"},
	        {0x168c, 0x0000, 0xffff, "Atheros wireless", "there is no wireless driver"},
	        {0x1414, 0x0000, 0xffff, "Microsoft MANA", "its driver is not linked"},
	        {0x19ee, 0x0000, 0xffff, "Netronome", "its driver is not linked; use another NIC"},
	        {0x177d, 0x0000, 0xffff, "Cavium", "its driver is not linked; use another NIC"},
	        {0x8086, 0x1000, 0x107f, "Intel PRO/1000, an early or uncommon one",
	         "the e1000 driver does not list it; use another NIC"},
	        {0x8086, 0x1229, 0x1229, "Intel PRO/100", "DPDK has no driver for it"},
	        {0x8086, 0x0000, 0xffff, "Intel",
	         "no driver here lists it: it may be wireless, or newer than DPDK 22.11"},
	        {0x1af4, 0x0000, 0xffff, "virtio of another kind",
	         "only virtio-net over PCI is driven"},
	};

	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
		const struct exo_nic_family *family = &families[i];

		if (family->vendor == vendor && device >= family->first && device <= family->last)
			return family;
	}
	return NULL;
}

#endif
