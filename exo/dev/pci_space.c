/* SPDX-License-Identifier: BSD-2-Clause */
/* PCI configuration space, by mechanism 1 (PCI Local Bus 3.0, 3.2.2.3.2), and through memory where
 * that does not reach: registers from 256 on, and machines without the ports (PCI Express 5.0,
 * 7.2.2). Memory is mapped a bus at a time, when it is first asked for. */
#include "start.h"

#include "../x86_64/cpu.h"
#include "acpi.h"

enum {
	PORT_ADDRESS = 0xcf8,
	PORT_DATA = 0xcfc,
	REG_COMMAND = 0x04,
	REG_CLASS = 0x0a,
	REG_HEADER = 0x0e,
	REG_SECONDARY = 0x19,
	COMMAND_BUS_MASTER = 1 << 2,
	CLASS_STORAGE = 0x01, /* high bytes of the class */
	CLASS_NETWORK = 0x02,
	CLASS_BRIDGE = 0x0604,
	CLASS_USB = 0x0c03,
	DEPTH_MOST = 8,
};

static struct machine_lock lock; /* address and data belong together */

static bool has_ports;
static uint8_t *mapped[256]; /* a bus's MiB each */

/* The register's alias; NULL: it can't be reached through memory. */
static volatile void *alias(unsigned bus, unsigned device, unsigned function, unsigned offset)
{
	bus &= 255;
	if (acpi_ecam() == 0 || offset > 4095)
		return NULL;
	if (mapped[bus] == NULL)
		mapped[bus] = x86_device_map(acpi_ecam() + ((uint64_t)bus << 20), 1 << 20);
	if (mapped[bus] == NULL)
		return NULL;
	return mapped[bus] + ((device & 31) << 15 | (function & 7) << 12 | offset);
}

static uint32_t read_memory(const volatile void *at, unsigned size)
{
	if (at == NULL)
		return UINT32_MAX >> (32 - 8 * size);
	if (size == 1)
		return *(const volatile uint8_t *)at;
	return size == 2 ? *(const volatile uint16_t *)at : *(const volatile uint32_t *)at;
}

static void write_memory(volatile void *at, unsigned size, uint32_t value)
{
	if (at == NULL)
		return;
	if (size == 1)
		*(volatile uint8_t *)at = (uint8_t)value;
	else if (size == 2)
		*(volatile uint16_t *)at = (uint16_t)value;
	else
		*(volatile uint32_t *)at = value;
}

static void select(unsigned bus, unsigned device, unsigned function, unsigned offset)
{
	x86_out32(PORT_ADDRESS, 1u << 31 | (bus & 255) << 16 | (device & 31) << 11 |
	                                (function & 7) << 8 | (offset & 0xfc));
}

uint32_t x86_pci_read(unsigned bus, unsigned device, unsigned function, unsigned offset,
                      unsigned size)
{
	uint16_t port = (uint16_t)(PORT_DATA + (offset & 3));
	uint32_t value;

	if (offset > 255 || !has_ports)
		return read_memory(alias(bus, device, function, offset), size);
	machine_lock(&lock);
	select(bus, device, function, offset);
	if (size == 1)
		value = x86_in8(port);
	else if (size == 2)
		value = x86_in16(port);
	else
		value = x86_in32(PORT_DATA);
	machine_unlock(&lock);
	return value;
}

void x86_pci_write(unsigned bus, unsigned device, unsigned function, unsigned offset, unsigned size,
                   uint32_t value)
{
	uint16_t port = (uint16_t)(PORT_DATA + (offset & 3));

	if (offset > 255 || !has_ports) {
		write_memory(alias(bus, device, function, offset), size, value);
		return;
	}
	machine_lock(&lock);
	select(bus, device, function, offset);
	if (size == 1)
		x86_out8(port, (uint8_t)value);
	else if (size == 2)
		x86_out16(port, (uint16_t)value);
	else
		x86_out32(PORT_DATA, value);
	machine_unlock(&lock);
}

static void walk_bus(unsigned bus, unsigned depth, x86_pci_visit *visit);

static void walk_function(unsigned bus, unsigned device, unsigned function, unsigned depth,
                          x86_pci_visit *visit)
{
	unsigned behind = x86_pci_read(bus, device, function, REG_SECONDARY, 1);

	visit(bus, device, function);
	if (x86_pci_read(bus, device, function, REG_CLASS, 2) == CLASS_BRIDGE && behind > bus &&
	    depth < DEPTH_MOST)
		walk_bus(behind, depth + 1, visit);
}

static void walk_bus(unsigned bus, unsigned depth, x86_pci_visit *visit)
{
	for (unsigned device = 0; device < 32; device++) {
		if (x86_pci_read(bus, device, 0, 0, 2) == 0xffff)
			continue;
		walk_function(bus, device, 0, depth, visit);
		if ((x86_pci_read(bus, device, 0, REG_HEADER, 1) & 0x80) == 0)
			continue;
		for (unsigned function = 1; function < 8; function++) {
			if (x86_pci_read(bus, device, function, 0, 2) != 0xffff)
				walk_function(bus, device, function, depth, visit);
		}
	}
}

void x86_pci_walk(x86_pci_visit *visit)
{
	walk_bus(0, 0, visit);
}

static void quiesce(unsigned bus, unsigned device, unsigned function)
{
	uint32_t class = x86_pci_read(bus, device, function, REG_CLASS, 2);
	uint32_t command = x86_pci_read(bus, device, function, REG_COMMAND, 2);

	if (class >> 8 != CLASS_NETWORK && class >> 8 != CLASS_STORAGE && class != CLASS_USB)
		return;
	if ((command & COMMAND_BUS_MASTER) != 0)
		x86_pci_write(bus, device, function, REG_COMMAND, 2,
		              command & ~(uint32_t)COMMAND_BUS_MASTER);
}

void pci_init(void)
{
	x86_out32(PORT_ADDRESS, 1u << 31);
	has_ports = x86_in32(PORT_ADDRESS) == 1u << 31 || acpi_ecam() == 0;
	x86_pci_walk(quiesce);
}
