/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PCI devices, from bus 0 down through numbered bridges (PCI 3.0, chapter 6), and ACPI's tables.
 * Classes: PCI SIG, "PCI Code and ID Assignment".
 */
#include <exo/nic.h>
#include <libexo/call.h>
#include <libexo/lib.h>
#include <libexo/net.h>
#include <libexo/printf.h>
#include <libexo/start.h>

#include "probe.h"

enum {
	REG_ID = 0x00,
	REG_CLASS = 0x08,
	REG_HEADER = 0x0c, /* its third byte */
	REG_BAR0 = 0x10,
	REG_BUSES = 0x18,
	CLASS_NETWORK = 0x02,
	CLASS_BRIDGE = 0x0604,
	NOTHING = 0xffff,
};

static const struct exo_cap *machine;
static uint8_t buses[256]; /* still to be looked at */
static unsigned n_buses;
static bool seen[256];
static unsigned undriven;

static uint32_t read(unsigned bus, unsigned device, unsigned function, unsigned reg)
{
	return (uint32_t)exo_fact(machine, EXO_FACT_PCI,
	                          bus << 20 | device << 15 | function << 12 | reg, NULL);
}

static const char *class_name(unsigned class)
{
	static const struct {
		unsigned class;
		const char *name;
	} names[] = {
	        {0x0100, "SCSI"},        {0x0101, "IDE"},          {0x0104, "RAID"},
	        {0x0106, "SATA"},        {0x0107, "SAS"},          {0x0108, "NVMe"},
	        {0x0200, "Ethernet"},    {0x0280, "network"},      {0x0300, "VGA display"},
	        {0x0302, "3D display"},  {0x0380, "display"},      {0x0403, "audio"},
	        {0x0600, "host bridge"}, {0x0601, "ISA bridge"},   {0x0604, "PCI bridge"},
	        {0x0880, "system"},      {0x0806, "IOMMU"},        {0x0c03, "USB"},
	        {0x0c05, "SMBus"},       {0x0b40, "co-processor"}, {0x1000, "crypto"},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].class == class)
			return names[i].name;
	return class >> 8 == 0x01 ? "storage" : class >> 8 == 0x02 ? "network" : "device";
}

static void say_nic(const char *place, unsigned vendor, unsigned device)
{
	const struct exo_nic_family *family = exo_nic_find((uint16_t)vendor, (uint16_t)device);

	for (uint32_t i = 0; i < exo_info()->n_ports; i++) {
		const struct exo_port_info *port = exo_port_info(i);

		if (strcmp(port->bus, place) == 0) {
			exo_printf("pci: %s: port %u by %s\n", place, i, port->driver);
			return;
		}
	}
	undriven++;
	exo_printf("pci: %s: NO DRIVER: %s: %s\n", place,
	           family != NULL ? family->name : "unknown vendor",
	           family != NULL ? family->advice : "use a NIC of boot/README.md's table");
}

/* Where a controller's memory is: an address of 0 was never given. */
static void say_bars(const char *place, unsigned bus, unsigned device, unsigned function)
{
	for (unsigned i = 0; i < 6; i++) {
		uint64_t base = read(bus, device, function, REG_BAR0 + 4 * i);
		bool wide = (base & 7) == 4;

		if ((base & 1) != 0 || base == 0)
			continue;
		if (wide && i < 5)
			base |= (uint64_t)read(bus, device, function, REG_BAR0 + 4 * (i + 1)) << 32;
		exo_printf("pci: %s: memory at %lx\n", place, (unsigned long)(base & ~15ul));
		i += wide;
	}
}

static void look_at(unsigned bus, unsigned device, unsigned function)
{
	uint32_t id = read(bus, device, function, REG_ID);
	uint32_t class = read(bus, device, function, REG_CLASS) >> 16;
	unsigned behind;
	char place[16];

	exo_snprintf(place, sizeof(place), "0000:%02x:%02x.%x", bus, device, function);
	exo_printf("pci: %s [%04x:%04x] %s (class %04x)\n", place, id & 0xffff, id >> 16,
	           class_name(class), class);
	if (class >> 8 == CLASS_NETWORK) {
		say_bars(place, bus, device, function);
		say_nic(place, id & 0xffff, id >> 16);
	}
	if (class != CLASS_BRIDGE)
		return;
	behind = read(bus, device, function, REG_BUSES) >> 8 & 255;
	if (behind != 0 && !seen[behind]) {
		seen[behind] = true;
		buses[n_buses++] = (uint8_t)behind;
	}
}

static void look_at_bus(unsigned bus)
{
	for (unsigned device = 0; device < 32; device++) {
		bool many;

		if ((read(bus, device, 0, REG_ID) & NOTHING) == NOTHING)
			continue;
		many = (read(bus, device, 0, REG_HEADER) >> 23 & 1) != 0;
		for (unsigned function = 0; function < (many ? 8 : 1); function++)
			if ((read(bus, device, function, REG_ID) & NOTHING) != NOTHING)
				look_at(bus, device, function);
	}
}

unsigned probe_devices(const struct exo_cap *key)
{
	machine = key;
	seen[0] = true;
	n_buses = 1;
	for (unsigned i = 0; i < n_buses; i++)
		look_at_bus(buses[i]);
	return undriven;
}

void probe_tables(const struct exo_cap *key)
{
	static struct exo_fact fact;
	char list[256] = "";
	const char *iommu = "none named by ACPI";
	bool hpet = false;
	int n = 0;

	for (uint64_t i = 0; exo_fact(key, EXO_FACT_TABLE, i, &fact) == 0; i++) {
		if (n < (int)sizeof(list) - 6)
			n += exo_snprintf(list + n, sizeof(list) - (size_t)n, " %s", fact.text);
		hpet = hpet || strcmp(fact.text, "HPET") == 0;
		if (strcmp(fact.text, "DMAR") == 0)
			iommu = "Intel VT-d (the kernel says above whether it is used)";
		if (strcmp(fact.text, "IVRS") == 0)
			iommu = "AMD-Vi (not used: devices see physical addresses)";
	}
	exo_printf("acpi:%s\n", n == 0 ? " no tables" : list);
	exo_printf("iommu: %s\n", iommu);
	exo_printf("timers: local APIC, %s\n", hpet ? "HPET" : "no HPET");
}

void probe_links(void)
{
	for (uint32_t i = 0; i < exo_info()->n_ports; i++) {
		const struct exo_port_info *p = exo_port_info(i);
		char speed[64] = "link is DOWN: see to its cable and switch port";

		if (p->link_mbps == 1) /* a virtual one, without a speed */
			exo_snprintf(speed, sizeof(speed), "link is up");
		else if (p->link_mbps != 0)
			exo_snprintf(speed, sizeof(speed), "link is up, %u Mbit/s", p->link_mbps);
		exo_printf("port %u: %s at %s, %02x:%02x:%02x:%02x:%02x:%02x, %s\n", i, p->driver,
		           p->bus, p->mac[0], p->mac[1], p->mac[2], p->mac[3], p->mac[4], p->mac[5],
		           speed);
	}
	if (exo_info()->n_ports == 0)
		exo_printf("no port: no network controller could be driven\n");
}
