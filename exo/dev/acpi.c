/* SPDX-License-Identifier: BSD-2-Clause */
/* ACPI 6.4, chapter 5.2. Tables are the firmware's, hence trusted, but lengths are bounded, since
 * firmware has bugs. Fields are read at their offsets. */
#include "acpi.h"

#include <string.h>

#include "../x86_64/memory.h"
#include "../x86_64/start.h"
#include "power.h"
#include "serial.h"

enum {
	HEADER = 36, /* bytes of every table's head */
	TABLE_MOST = 1 << 20,
	TABLES_MOST = 64, /* remembered for people */

	RSDP_REVISION = 15,
	RSDP_RSDT = 16,
	RSDP_XSDT = 24,

	FADT_DSDT = 40,
	FADT_PM1A_CONTROL = 64,
	FADT_PM1B_CONTROL = 68,
	FADT_PM_TIMER = 76,
	FADT_FLAGS = 112,
	FADT_RESET = 116, /* generic address: space, width, offset, access, address */
	FADT_RESET_VALUE = 128,
	FADT_X_DSDT = 140,
	FADT_SLEEP_CONTROL = 244,
	FLAG_RESET = 1 << 10,
	SPACE_MEMORY = 0,
	SPACE_IO = 1,

	NAME_S5 = 0x5f35535f,    /* "_S5_" */
	S5_BYTES = 11,           /* of the definition, up to the second value */
	NAME_CBA = 0x4142435f,   /* "_CBA" */
	MEMORY_SPACE = 0x001787, /* tag 0x87, length 23, type memory */

	MADT_ENTRIES = 44,
	MADT_LAPIC = 0,
	MADT_X2APIC = 9,
	LAPIC_USABLE = 3, /* enabled, or can be */

	SPCR_BASE = 40, /* generic address */

	MCFG_ENTRY = 44,
	MCFG_ENTRY_BYTES = 16,
};

static uint16_t pm_timer;
static uint64_t tables[TABLES_MOST];
static unsigned n_tables;
static uint64_t ecam;
static uint64_t window_base, window_size; /* of PCI: see x86_pci_window */

/* Built in, so that it is one instruction in a kernel whose memcpy is a call. */
static uint32_t read32(const uint8_t *at)
{
	uint32_t value;

	__builtin_memcpy(&value, at, sizeof(value));
	return value;
}

static uint64_t read64(const uint8_t *at)
{
	uint64_t value;

	__builtin_memcpy(&value, at, sizeof(value));
	return value;
}

/* The kernel's alias of firmware memory. */
static const uint8_t *at_physical(uint64_t physical, uint64_t size)
{
	return memory_is_direct(physical, size) ? x86_direct(physical)
	                                        : x86_device_map(physical, size);
}

/* A whole table, or NULL. */
static const uint8_t *map_table(uint64_t physical)
{
	const uint8_t *head = physical == 0 ? NULL : at_physical(physical, HEADER);
	uint32_t length = head == NULL ? 0 : read32(head + 4);

	if (length < HEADER || length > TABLE_MOST)
		return NULL;
	return at_physical(physical, length);
}

static bool is_rsdp(const uint8_t *at)
{
	uint8_t sum = 0;

	if (memcmp(at, "RSD PTR ", 8) != 0)
		return false;
	for (unsigned i = 0; i < 20; i++)
		sum = (uint8_t)(sum + at[i]);
	return sum == 0;
}

static const uint8_t *search_rsdp(void)
{
	for (uint64_t at = 0xe0000; at < 0x100000; at += 16) {
		if (is_rsdp(x86_direct(at)))
			return x86_direct(at);
	}
	return NULL;
}

static void read_madt(const uint8_t *madt)
{
	uint32_t length = read32(madt + 4);

	for (uint32_t at = MADT_ENTRIES; length - at >= 2 && at < length; at += madt[at + 1]) {
		const uint8_t *entry = madt + at;

		if (entry[1] < 2 || entry[1] > length - at)
			return;
		if (entry[0] == MADT_LAPIC && entry[1] >= 8 &&
		    (read32(entry + 4) & LAPIC_USABLE) == 1)
			smp_add(entry[3]);
		if (entry[0] == MADT_X2APIC && entry[1] >= 16 &&
		    (read32(entry + 8) & LAPIC_USABLE) == 1)
			smp_add(read32(entry + 4));
	}
}

/* An AML integer constant (ACPI 6.4, 20.2.3) of one byte; *at moves behind it. */
static uint8_t aml_byte(const uint8_t **at)
{
	uint8_t op = *(*at)++;

	return op == 0x0a ? *(*at)++ : op; /* BytePrefix; else ZeroOp, OneOp */
}

/* \_S5 is a package of integers behind its name: NameOp "_S5_" PackageOp length count value value.
 */
static void take_s5(const uint8_t *name, struct dev_power *power)
{
	const uint8_t *at = name + 7; /* name, op, package length, count */

	if (name[4] != 0x12 || name[5] >= 0x40)
		return;
	power->sleep_a = aml_byte(&at) & 7;
	power->sleep_b = aml_byte(&at) & 7;
}

/* What the firmware's program says, found by its bytes; an AML interpreter would be a hundred times
 * this. Besides _S5 a host bridge that firmware left to us (QEMU's microvm): _CBA returns where
 * configuration space is (MethodOp … "_CBA" flags ReturnOp DWordPrefix); memory for BARs is a DWord
 * address space descriptor (ACPI 6.4, 6.4.3.5.2: tag, length 23, type memory) of _CRS. */
static void read_dsdt(const uint8_t *dsdt, struct dev_power *power)
{
	uint32_t length = read32(dsdt + 4);

	for (uint32_t i = HEADER; i < length; i++) {
		const uint8_t *at = dsdt + i;

		switch (length - i >= 4 ? read32(at) : 0) {
		case NAME_S5:
			if (length - i >= S5_BYTES)
				take_s5(at, power);
			break;
		case NAME_CBA:
			if (length - i >= 11 && ecam == 0 && at[5] == 0xa4 && at[6] == 0x0c)
				ecam = read32(at + 7);
			break;
		case MEMORY_SPACE:
			if (length - i < 26 || read32(at + 22) <= window_size)
				break;
			window_base = read32(at + 10);
			window_size = read32(at + 22);
			break;
		default:
			break;
		}
	}
}

/* A generic address structure (ACPI 6.4, 5.2.3.2) of a register in memory or in I/O space. */
static struct dev_register read_register(const uint8_t *at)
{
	uint64_t address = read64(at + 4);

	if (at[0] == SPACE_MEMORY && address != 0) {
		address = (uint64_t)x86_device_map(address, 1);
		return (struct dev_register){address, address != 0};
	}
	return (struct dev_register){at[0] == SPACE_IO ? address : 0, false};
}

static void read_fadt(const uint8_t *fadt)
{
	uint32_t length = read32(fadt + 4);
	struct dev_power power = {0};
	const uint8_t *dsdt;

	if (length < FADT_FLAGS + 4)
		return;
	pm_timer = (uint16_t)read32(fadt + FADT_PM_TIMER);
	power.pm1a = (uint16_t)read32(fadt + FADT_PM1A_CONTROL);
	power.pm1b = (uint16_t)read32(fadt + FADT_PM1B_CONTROL);
	if (length > FADT_RESET_VALUE && (read32(fadt + FADT_FLAGS) & FLAG_RESET) != 0) {
		power.reset = read_register(fadt + FADT_RESET);
		power.reset_value = fadt[FADT_RESET_VALUE];
	}
	if (length >= FADT_SLEEP_CONTROL + 12)
		power.sleep = read_register(fadt + FADT_SLEEP_CONTROL);
	dsdt = map_table(length >= FADT_X_DSDT + 8 && read64(fadt + FADT_X_DSDT) != 0
	                         ? read64(fadt + FADT_X_DSDT)
	                         : read32(fadt + FADT_DSDT));
	if (dsdt != NULL)
		read_dsdt(dsdt, &power);
	dev_power_set(&power);
}

/* PCI Firmware 3.3, 4.1.2: base, segment, first and last bus. Only segment 0 from bus 0 is used. */
static void read_mcfg(const uint8_t *mcfg)
{
	uint32_t length = read32(mcfg + 4);

	for (uint32_t at = MCFG_ENTRY; at < length && length - at >= MCFG_ENTRY_BYTES;
	     at += MCFG_ENTRY_BYTES) {
		if ((read32(mcfg + at + 8) & 0xffffff) == 0)
			ecam = read64(mcfg + at);
	}
}

/* Serial Port Console Redirection: the port where the firmware's own console is, on many servers a
 * UART of the management controller. */
static void read_spcr(const uint8_t *spcr)
{
	if (read32(spcr + 4) >= SPCR_BASE + 12 && spcr[SPCR_BASE] == SPACE_IO)
		(void)dev_serial_use((uint16_t)read32(spcr + SPCR_BASE + 4));
}

static void read_table(uint64_t physical)
{
	const uint8_t *table = map_table(physical);

	if (table == NULL)
		return;
	if (n_tables < TABLES_MOST)
		tables[n_tables++] = physical;
	if (memcmp(table, "APIC", 4) == 0)
		read_madt(table);
	else if (memcmp(table, "FACP", 4) == 0)
		read_fadt(table);
	else if (memcmp(table, "MCFG", 4) == 0)
		read_mcfg(table);
	else if (memcmp(table, "SPCR", 4) == 0)
		read_spcr(table);
}

static void read_root(const uint8_t *root, unsigned entry_bytes)
{
	uint32_t length = read32(root + 4);

	for (uint32_t at = HEADER; length - at >= entry_bytes && at < length; at += entry_bytes)
		read_table(entry_bytes == 8 ? read64(root + at) : read32(root + at));
}

void acpi_init(uint64_t rsdp)
{
	const uint8_t *pointer = rsdp != 0 ? at_physical(rsdp, HEADER) : search_rsdp();
	const uint8_t *root;

	if (pointer == NULL || !is_rsdp(pointer)) {
		x86_print("acpi: no tables: one core, no power-off\n");
		return;
	}
	root = pointer[RSDP_REVISION] >= 2 ? map_table(read64(pointer + RSDP_XSDT)) : NULL;
	if (root != NULL) {
		read_root(root, 8);
		return;
	}
	root = map_table(read32(pointer + RSDP_RSDT));
	if (root != NULL)
		read_root(root, 4);
}

const uint8_t *acpi_find(const char *name)
{
	for (unsigned i = 0; i < n_tables; i++) {
		const uint8_t *table = map_table(tables[i]);

		if (table != NULL && memcmp(table, name, 4) == 0)
			return table;
	}
	return NULL;
}

uint16_t acpi_pm_timer(void)
{
	return pm_timer;
}

uint64_t acpi_table(unsigned i, char name[5], uint64_t *size)
{
	const uint8_t *table = i < n_tables ? map_table(tables[i]) : NULL;

	if (table == NULL)
		return 0;
	memcpy(name, table, 4);
	*size = read32(table + 4);
	return tables[i];
}

uint64_t acpi_ecam(void)
{
	return ecam;
}

uint64_t x86_pci_window(uint64_t *size)
{
	*size = window_size;
	return window_base;
}
