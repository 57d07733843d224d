/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the CPU has: Intel SDM vol. 2A, CPUID; vol. 3A, 2.5 (control registers) and 13 (XSAVE).
 * Everything but NX and SSE2 has a fallback. The cores are taken to be alike.
 */
#include "cpu.h"
#include "kernel.h"

enum {
	CR0_MP = 1 << 1,
	CR0_EM = 1 << 2,
	CR0_TS = 1 << 3,
	CR0_NE = 1 << 5,
	CR0_WP = 1 << 16,
	CR0_AM = 1 << 18,

	CR4_PAE = 1 << 5,
	CR4_MCE = 1 << 6,
	CR4_PGE = 1 << 7,
	CR4_OSFXSR = 1 << 9,
	CR4_OSXMMEXCPT = 1 << 10,
	CR4_OSXSAVE = 1 << 18,

	EFER_SCE = 1 << 0,
	EFER_LME = 1 << 8,
	EFER_NXE = 1 << 11,

	XCR0_X87_SSE_AVX = 0x07,
	XCR0_AVX512 = 0xe0,

	FXSAVE_BYTES = 512,
};

/* One entry of entry.h's `patch`. */
struct patch {
	uint64_t address;
	uint8_t feature, blank_if_present;
	uint16_t reserved;
	uint32_t length;
};
extern const struct patch kernel_patches[], kernel_patches_end[];

struct cpu_features cpu_features;

extern const char x86_syscall[];

static bool bit(uint32_t word, unsigned n)
{
	return (word >> n & 1) != 0;
}

enum register_of { EBX, ECX };

/* Where CPUID says so, and the bit of CR4 that switches it on (0: none). */
static const struct feature {
	enum exo_features feature;
	uint8_t leaf, in, bit, cr4;
	const char *name;
} features[] = {
        {EXO_FEATURE_SMEP, 7, EBX, 7, 20, "SMEP"},
        {EXO_FEATURE_SMAP, 7, EBX, 20, 21, "SMAP"},
        {EXO_FEATURE_UMIP, 7, ECX, 2, 11, "UMIP"},
        {EXO_FEATURE_FSGSBASE, 7, EBX, 0, 16, "FSGSBASE"},
        {EXO_FEATURE_PCID, 1, ECX, 17, 17, "PCID"},
        {EXO_FEATURE_X2APIC, 1, ECX, 21, 0, "x2APIC"},
        {EXO_FEATURE_RDRAND, 1, ECX, 30, 0, "RDRAND"},
        {EXO_FEATURE_TSC_DEADLINE, 1, ECX, 24, 0, "TSC-deadline"},
        {EXO_FEATURE_HYPERVISOR, 1, ECX, 31, 0, NULL},
};
enum { FEATURES = sizeof(features) / sizeof(features[0]) };

static void read_leaf(unsigned leaf, const struct cpu_id *id)
{
	for (unsigned i = 0; i < FEATURES; i++) {
		const struct feature *f = &features[i];

		if (f->leaf == leaf && bit(f->in == EBX ? id->ebx : id->ecx, f->bit))
			cpu_features.exo |= f->feature;
	}
}

static void read_leaf1(void)
{
	struct cpu_id id = cpu_id(1, 0);

	read_leaf(1, &id);
	cpu_features.xsave = bit(id.ecx, 26);
	cpu_features.pge = bit(id.edx, 13);
}

static void read_leaf7(void)
{
	struct cpu_id id = cpu_id(7, 0);

	read_leaf(7, &id);
	cpu_features.rdseed = bit(id.ebx, 18);
	if (bit(id.edx, 29) && (cpu_read_msr(MSR_ARCH_CAPABILITIES) & 1) != 0)
		cpu_features.meltdown = false; /* RDCL_NO */
}

static void read_vendor(void)
{
	struct cpu_id id = cpu_id(0, 0);

	cpu_features.max_leaf = id.eax;
	cpu_features.intel = id.ebx == 0x756e6547; /* "Genu" */
	cpu_features.meltdown = cpu_features.intel;
}

static void read_vector_state(void)
{
	uint64_t supported;

	cpu_features.vector_bytes = FXSAVE_BYTES;
	if (!cpu_features.xsave)
		return;
	supported = cpu_id(0xd, 0).eax;
	cpu_features.xcr0 = supported & XCR0_X87_SSE_AVX;
	if ((supported & XCR0_AVX512) == XCR0_AVX512)
		cpu_features.xcr0 |= XCR0_AVX512;
	cpu_features.xsaveopt = bit(cpu_id(0xd, 1).eax, 0);
}

static void blank(uint8_t *at, uint32_t length)
{
	static const uint8_t nops[] = {0x0f, 0x1f, 0x44, 0x00, 0x00}; /* of five bytes */

	if (length == sizeof(nops)) {
		for (uint32_t i = 0; i < length; i++)
			at[i] = nops[i];
		return;
	}
	for (uint32_t i = 0; i < length; i++)
		at[i] = 0x90;
}

static void apply_patches(void)
{
	for (const struct patch *patch = kernel_patches; patch < kernel_patches_end; patch++) {
		const bool has[] = {
		        [PATCH_SMAP] = cpu_has(EXO_FEATURE_SMAP),
		        [PATCH_FSGSBASE] = cpu_has(EXO_FEATURE_FSGSBASE),
		        [PATCH_PLAIN] = cpu_features.xsaveopt && !cpu_has(EXO_FEATURE_PCID),
		};
		bool present = has[patch->feature];

		if (present == (patch->blank_if_present != 0))
			blank((uint8_t *)patch->address, patch->length);
	}
}

void features_init(void)
{
	read_vendor();
	if (cpu_id(0x80000000, 0).eax < 0x80000001 || !bit(cpu_id(0x80000001, 0).edx, 20))
		machine_panic("this CPU cannot keep data from being executed (no NX)");
	read_leaf1();
	if (cpu_features.max_leaf >= 7)
		read_leaf7();
	read_vector_state();
	apply_patches();
}

static uint64_t wanted_cr4(void)
{
	uint64_t cr4 = CR4_PAE | CR4_MCE | CR4_OSFXSR | CR4_OSXMMEXCPT;

	cr4 |= cpu_features.pge ? CR4_PGE : 0;
	cr4 |= cpu_features.xsave ? CR4_OSXSAVE : 0;
	for (unsigned i = 0; i < FEATURES; i++)
		if (features[i].cr4 && cpu_has(features[i].feature))
			cr4 |= 1ull << features[i].cr4;
	return cr4;
}

void features_enable(void)
{
	uint64_t cr0 = cpu_read_cr0() & ~(uint64_t)(CR0_EM | CR0_TS);

	cpu_write_msr(MSR_EFER, EFER_SCE | EFER_LME | EFER_NXE);
	cpu_write_cr0(cr0 | CR0_MP | CR0_NE | CR0_WP | CR0_AM);
	cpu_write_cr4(wanted_cr4());
	if (cpu_features.xsave) {
		__asm__ volatile("xsetbv"
		                 :
		                 : "c"(0), "a"((uint32_t)cpu_features.xcr0),
		                   "d"((uint32_t)(cpu_features.xcr0 >> 32)));
		cpu_features.vector_bytes = cpu_id(0xd, 0).ebx;
	}
	cpu_write_msr(MSR_STAR, (uint64_t)(SELECTOR_KERNEL_DATA | 3) << 48 |
	                                (uint64_t)SELECTOR_KERNEL_CODE << 32);
	cpu_write_msr(MSR_LSTAR, (uint64_t)x86_syscall);
	cpu_write_msr(MSR_FMASK, FLAGS_SYSCALL);
}

void features_print(void)
{
	x86_print("cpu:");
	for (unsigned i = 0; i < FEATURES && features[i].name != NULL; i++)
		x86_print(" %s%s", cpu_has(features[i].feature) ? "" : "no-", features[i].name);
	x86_print(" vector-state=%u\n", cpu_features.vector_bytes);
	if (cpu_features.meltdown)
		x86_print("cpu: NOT PROTECTED: this Intel CPU does not say RDCL_NO; environments "
		          "may read kernel memory by Meltdown\n");
	if (!cpu_has(EXO_FEATURE_SMEP) || !cpu_has(EXO_FEATURE_SMAP))
		x86_print("cpu: NOT PROTECTED: without SMEP and SMAP a kernel bug may run or read "
		          "environments' memory unnoticed\n");
}
