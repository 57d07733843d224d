/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What of UEFI (specification 2.10) the entry paths use: the hybrid's EFI part calls it, the kernel
 * reads the tables that it leaves behind. Members that nobody uses are only there for their size.
 */
#ifndef BOOT_EFI_H
#define BOOT_EFI_H

#include <stdint.h>

#define EFI_CALL __attribute__((ms_abi))

typedef uint64_t efi_status;
typedef uint16_t efi_char;
typedef uint64_t efi_unused; /* a function that is not called */

enum {
	EFI_ALLOCATE_ANY = 0,
	EFI_ALLOCATE_MAX = 1,
	EFI_LOADER_CODE = 1,
	EFI_LOADER_DATA = 2,
	EFI_FILE_READ = 1,
};
#define EFI_ERROR            (1ull << 63)
#define EFI_LOAD_ERROR       (EFI_ERROR | 1)
#define EFI_BUFFER_TOO_SMALL (EFI_ERROR | 5)

struct efi_guid {
	uint32_t a;
	uint16_t b, c;
	uint8_t d[8];
};

/* 7.2.3: memory types, numbered as in efi_memory_type. */
struct efi_memory {
	uint32_t type, reserved;
	uint64_t physical, virtual, pages, attributes;
};

struct efi_header { /* of every table: 4.2 */
	uint64_t signature;
	uint32_t revision, size, crc, reserved;
};

struct efi_configuration {
	struct efi_guid guid;
	uint64_t table;
};

struct efi_text_output { /* 12.4 */
	efi_unused reset;
	efi_status(EFI_CALL *output)(struct efi_text_output *, const efi_char *);
};

struct efi_boot_services { /* 4.4 */
	struct efi_header header;
	efi_unused raise_tpl, restore_tpl;
	efi_status(EFI_CALL *allocate_pages)(uint32_t how, uint32_t type, uint64_t pages,
	                                     uint64_t *physical);
	efi_status(EFI_CALL *free_pages)(uint64_t physical, uint64_t pages);
	efi_status(EFI_CALL *get_memory_map)(uint64_t *size, void *map, uint64_t *key,
	                                     uint64_t *entry, uint32_t *version);
	efi_status(EFI_CALL *allocate_pool)(uint32_t type, uint64_t size, void **buffer);
	efi_status(EFI_CALL *free_pool)(void *buffer);
	efi_unused events[6], install, reinstall, uninstall;
	efi_status(EFI_CALL *handle_protocol)(void *handle, const struct efi_guid *protocol,
	                                      void **interface);
	efi_unused reserved, register_notify, locate_handle;
	efi_status(EFI_CALL *locate_device_path)(const struct efi_guid *protocol, void **path,
	                                         void **handle);
	efi_unused install_configuration, load_image, start_image, exit, unload_image;
	efi_status(EFI_CALL *exit_boot_services)(void *image, uint64_t key);
	efi_unused get_next_monotonic_count, stall;
	efi_status(EFI_CALL *set_watchdog)(uint64_t seconds, uint64_t code, uint64_t size,
	                                   const efi_char *data);
	efi_unused connect, disconnect, open, close, open_information, protocols, locate_handles;
	efi_status(EFI_CALL *locate_protocol)(const struct efi_guid *protocol, void *registration,
	                                      void **interface);
};

struct efi_runtime_services { /* 4.5 */
	struct efi_header header;
	efi_unused time[4], set_virtual_map, convert_pointer;
	efi_status(EFI_CALL *get_variable)(const efi_char *name, const struct efi_guid *vendor,
	                                   uint32_t *attributes, uint64_t *size, void *data);
};

struct efi_system_table { /* 4.3 */
	struct efi_header header;
	uint64_t vendor;
	uint32_t vendor_revision, reserved;
	uint64_t input_handle, input, output_handle;
	struct efi_text_output *output;
	uint64_t error_handle, error;
	struct efi_runtime_services *runtime;
	struct efi_boot_services *boot;
	uint64_t n_configurations;
	struct efi_configuration *configurations;
};

#define EFI_SYSTEM_SIGNATURE 0x5453595320494249ull /* "IBI SYST" */

/* Root pointers of ACPI in the configuration table: 2.0 and later, and 1.0. */
#define EFI_ACPI_20                                                                                \
	{                                                                                          \
		0x8868e871, 0xe4f1, 0x11d3,                                                        \
		{                                                                                  \
			0xbc, 0x22, 0x00, 0x80, 0xc7, 0x3c, 0x88, 0x81                             \
		}                                                                                  \
	}
#define EFI_ACPI_10                                                                                \
	{                                                                                          \
		0xeb9d2d30, 0x2d88, 0x11d3,                                                        \
		{                                                                                  \
			0x9a, 0x16, 0x00, 0x90, 0x27, 0x3f, 0xc1, 0x4d                             \
		}                                                                                  \
	}

static inline int efi_guid_is(const struct efi_guid *a, const struct efi_guid *b)
{
	const uint64_t *x = (const uint64_t *)(const void *)a,
	               *y = (const uint64_t *)(const void *)b;

	return x[0] == y[0] && x[1] == y[1];
}

/* The enum boot_range_type of an EFI memory type: what firmware no longer needs after
 * ExitBootServices is RAM. */
static inline uint32_t efi_range_type(uint32_t type)
{
	if ((type >= 1 && type <= 4) || type == 7) /* loader, boot services, conventional */
		return 1;
	if (type == 9) /* ACPI reclaim */
		return 3;
	if (type == 10) /* ACPI NVS */
		return 4;
	return type == 8 ? 5 : 2; /* unusable; everything else is the firmware's */
}

#endif
