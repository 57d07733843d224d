/* SPDX-License-Identifier: BSD-2-Clause */
/* The CPU: Intel SDM vol. 2A, CPUID; AMD APM vol. 3, appendix E. */
#include <cpuid.h>
#include <exo/info.h>
#include <libexo/lib.h>
#include <libexo/printf.h>
#include <libexo/start.h>

#include "probe.h"

static void brand(char text[49])
{
	unsigned *words = (unsigned *)(void *)text;

	memset(text, 0, 49);
	if (__get_cpuid_max(0x80000000, NULL) < 0x80000004)
		return;
	for (size_t i = 0; i < 3; i++)
		__get_cpuid(0x80000002 + (unsigned)i, &words[4 * i], &words[4 * i + 1],
		            &words[4 * i + 2], &words[4 * i + 3]);
}

static void say_name(void)
{
	static char text[52] __attribute__((aligned(4)));
	unsigned a = 0, b = 0, c = 0, d = 0;

	brand(text);
	__get_cpuid(1, &a, &b, &c, &d);
	exo_printf("cpu: %s (family %u, model %u, stepping %u), %u cores\n",
	           text[0] != '\0' ? text : "unnamed", (a >> 8 & 15) + (a >> 20 & 255),
	           (a >> 4 & 15) | (a >> 12 & 0xf0), a & 15, exo_info()->n_cores);
}

static void say_features(void)
{
	static const struct {
		unsigned leaf, reg, bit; /* reg: 1 ebx, 2 ecx, 3 edx */
		const char *name;
	} bits[] = {
	        {1, 2, 20, "SSE4.2"},       {1, 2, 25, "AES"},     {1, 2, 28, "AVX"},
	        {7, 1, 5, "AVX2"},          {7, 1, 16, "AVX512F"}, {1, 2, 1, "PCLMULQDQ"},
	        {1, 2, 5, "VMX"},           {1, 2, 17, "PCID"},    {1, 2, 21, "x2APIC"},
	        {1, 2, 24, "TSC-deadline"}, {1, 2, 26, "XSAVE"},   {1, 2, 30, "RDRAND"},
	        {7, 1, 18, "RDSEED"},       {7, 1, 0, "FSGSBASE"}, {7, 1, 7, "SMEP"},
	        {7, 1, 20, "SMAP"},         {7, 2, 2, "UMIP"},     {1, 2, 31, "hypervisor"},
	};
	char has[256] = "", lacks[256] = "";
	int n = 0, m = 0;

	for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
		unsigned regs[4] = {0};

		if (!__get_cpuid_count(bits[i].leaf, 0, &regs[0], &regs[1], &regs[2], &regs[3]))
			regs[bits[i].reg] = 0;
		if ((regs[bits[i].reg] >> bits[i].bit & 1) != 0)
			n += exo_snprintf(has + n, sizeof(has) - (size_t)n, " %s", bits[i].name);
		else
			m += exo_snprintf(lacks + m, sizeof(lacks) - (size_t)m, " %s",
			                  bits[i].name);
	}
	exo_printf("cpu: has%s\n", has);
	exo_printf("cpu: lacks%s\n", lacks[0] != '\0' ? lacks : " nothing of note");
}

void probe_cpu(void)
{
	const struct exo_info *info = exo_info();
	uint64_t seconds = info->wall_boot_ns / 1000000000;

	say_name();
	say_features();
	exo_printf("time: TSC %lu kHz, timer by %s, clock at start: %lu s after 1970%s\n",
	           (unsigned long)(info->tsc_hz / 1000),
	           (info->features & EXO_FEATURE_TSC_DEADLINE) != 0 ? "TSC deadline" : "local APIC",
	           (unsigned long)seconds, seconds == 0 ? " (no real-time clock)" : "");
}
