/* SPDX-License-Identifier: BSD-2-Clause */
/* Configuration space of PCI: the registers that finding and mapping a device needs (PCI 3.0,
 * chapter 6). */
#ifndef DPDK_PCI_H
#define DPDK_PCI_H

enum pci_register {
	PCI_VENDOR = 0x00,  /* 16 bits */
	PCI_DEVICE = 0x02,  /* 16 */
	PCI_COMMAND = 0x04, /* 16 */
	PCI_CLASS = 0x08,   /* 32: class, subclass, interface, revision */
	PCI_HEADER_TYPE = 0x0e,
	PCI_BAR0 = 0x10, /* six of 32 bits */
	PCI_SECONDARY_BUS = 0x19,
	PCI_SUBSYSTEM_VENDOR = 0x2c, /* 16 */
	PCI_SUBSYSTEM = 0x2e,        /* 16 */
	PCI_CONFIG_SIZE = 0x100,     /* what ports reach */
};

enum {
	PCI_VENDOR_NONE = 0xffff,
	PCI_CLASS_NETWORK = 0x02,
	PCI_CLASS_BRIDGE = 0x0604, /* with subclass: PCI to PCI */
	PCI_HEADER_TYPE_MASK = 0x7f,
	PCI_HEADER_DEVICE = 0,
	PCI_HEADER_BRIDGE = 1,
	PCI_HEADER_MULTI = 0x80,
	PCI_COMMAND_IO = 1,
	PCI_COMMAND_MEMORY = 2,
	PCI_COMMAND_MASTER = 4,
	PCI_COMMAND_NO_INTX = 0x400,
	PCI_BAR_IO = 1,
	PCI_BAR_TYPE = 6,
	PCI_BAR_64BIT = 4,
};

#endif
