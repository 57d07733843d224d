/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the bare machine offers to the parts that know they run on it: boot/ (which calls x86_main),
 * dev/ and dpdk/. The core uses core/machine.h only.
 *
 * Virtual layout of the upper half (no page is ever writable and executable):
 *
 *     ffff_8880_0000_0000   direct map of RAM: writable, never executable; without the kernel's
 *                           image and the code window, which have one alias only
 *     ffff_c000_0000_0000   device memory, uncached
 *     ffff_e000_0000_0000   kernel stacks, each between two unmapped pages
 *     ffff_ffff_8020_0000   the kernel's image
 *     ffff_ffff_a000_0000   compiled code (machine_code_alloc)
 */
#ifndef X86_X86_H
#define X86_X86_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct boot_info;

#define X86_DIRECT_BASE 0xffff888000000000ull
#define X86_DEVICE_BASE 0xffffc00000000000ull
#define X86_STACK_BASE  0xffffe00000000000ull
#define X86_CODE_BASE   0xffffffffa0000000ull

enum {
	X86_CORES_MAX = 64,
};

/* Where the image lies: boot/entry.S writes it. */
extern uint64_t x86_image_physical;

/* Where every entry path ends: brings the machine up and calls core_main. `tsc` is that of kernel
 * entry. */
void x86_main(const struct boot_info *boot, uint64_t tsc) __attribute__((noreturn));

/* ---- Memory ---- */

/* The kernel's alias of physical RAM. */
static inline void *x86_direct(uint64_t physical)
{
	return (void *)(X86_DIRECT_BASE + physical);
}

/* Physical address behind any mapped kernel address (direct map, image, stacks, device memory);
 * UINT64_MAX: not mapped. Constant time inside the direct map, else a walk. */
uint64_t x86_physical(const void *address);

/* Maps `size` bytes of device memory at `physical`, uncached, for good. The same range gives the
 * same alias again. NULL: the window is full. `physical` need not be page-aligned. */
void *x86_device_map(uint64_t physical, uint64_t size);

struct x86_region {
	uint64_t physical, size; /* bytes, both multiples of 2 MiB */
};

/* Contiguous RAM set aside for DPDK's heap: about a sixth of the machine, 16 MiB at least, 256 MiB
 * at most. Reachable through the direct map; not cleared. */
struct x86_region x86_dma_region(void);

/* Like machine_alloc, without clearing; and what a block can hold (at least what was asked for), so
 * that realloc can be built. Any core; works before constructors run. */
void *x86_alloc_raw(size_t size, size_t align);
size_t x86_alloc_size(const void *memory);

/* ---- Ports, time ---- */

static inline uint8_t x86_in8(uint16_t port)
{
	uint8_t value;

	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static inline uint16_t x86_in16(uint16_t port)
{
	uint16_t value;

	__asm__ volatile("inw %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static inline uint32_t x86_in32(uint16_t port)
{
	uint32_t value;

	__asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static inline void x86_out8(uint16_t port, uint8_t value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline void x86_out16(uint16_t port, uint16_t value)
{
	__asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port));
}

static inline void x86_out32(uint16_t port, uint32_t value)
{
	__asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint64_t x86_tsc(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

/* TSC ticks of a second; valid from dpdk_init on. */
uint64_t x86_tsc_hz(void);
/* Waits with interrupts as they are; serves other cores' TLB requests meanwhile. */
void x86_delay_us(uint64_t microseconds);

/* ---- PCI configuration space of each function: 256 bytes, 4,096 where ACPI names its place in
 * memory. `size` is 1, 2 or 4, `offset` a multiple of it. What does not exist reads as all ones.
 * ---- */

uint32_t x86_pci_read(unsigned bus, unsigned device, unsigned function, unsigned offset,
                      unsigned size);
void x86_pci_write(unsigned bus, unsigned device, unsigned function, unsigned offset, unsigned size,
                   uint32_t value);

/* The largest memory window below 4 GiB in which firmware lets BARs lie; *size 0: it names none. */
uint64_t x86_pci_window(uint64_t *size);

/* Calls `visit` for each function on bus 0 and on the buses that bridges lead to. */
typedef void x86_pci_visit(unsigned bus, unsigned device, unsigned function);
void x86_pci_walk(x86_pci_visit *visit);

/* ---- What devices reach by themselves, where there is an IOMMU (dev/vtd.c); without one, all of
 * it ---- */

/* The function reaches all memory: a driver of the kernel's directs it. Nothing happens where it
 * has a domain. */
void x86_dma_trust(unsigned bus, unsigned device, unsigned function);

/* The function reaches what is entered here, and nothing else. NULL: there is no IOMMU, no memory,
 * or the function is trusted already. */
struct x86_domain;
struct x86_domain *x86_domain_make(unsigned bus, unsigned device, unsigned function);
/* Likewise one that reaches all memory below `end` by its own addresses besides. */
struct x86_domain *x86_domain_all(unsigned bus, unsigned device, unsigned function, uint64_t end);
enum x86_domain_rights { X86_DOMAIN_READ = 1, X86_DOMAIN_WRITE = 2 };
/* Page `at`, as the function names it, leads to the one at `physical`; with no rights nowhere.
 * false: no memory. What was there before counts until x86_domain_flush has returned. Any core. */
bool x86_domain_map(struct x86_domain *domain, uint64_t at, uint64_t physical, unsigned rights);
void x86_domain_flush(const struct x86_domain *domain);
/* From here on addresses are no memory's: room for pages that move. */
uint64_t x86_domain_window(void);

/* ---- Threads and interrupts ---- */

struct x86_msi {
	uint64_t address;
	uint32_t data;
};

/* A vector of its own on `core` for a device that signals by MSI or MSI-X; *msi is what to write
 * into the device. `handler` runs on that core, in the kernel, outside interrupt context, soon
 * after the interrupt; it must be short. Returns the vector, or -EXO_ENOMEM. */
int x86_interrupt_alloc(unsigned core, void (*handler)(void *), void *argument,
                        struct x86_msi *msi);

/* ---- Console ---- */

/* printf to the console, at most 511 bytes. Any context. */
void x86_print(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
