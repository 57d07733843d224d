/* SPDX-License-Identifier: BSD-2-Clause */
/* What lwIP asks of an operating system: time, randomness, a place to complain. */
#include <libexo/call.h>
#include <libexo/printf.h>
#include <libexo/start.h>
#include <libexo/time.h>

#include <lwip/init.h>
#include <lwip/sys.h>

u32_t sys_now(void)
{
	return (u32_t)(exo_time_now_ns() / 1000000);
}

/* splitmix64 (Steele, Lea and Flood, 2014) from the start page's seed: lwIP draws only identifiers
 * and ports from it. */
uint32_t lwip_exo_random(void)
{
	static uint64_t state;
	uint64_t z;

	if (state == 0)
		state = exo_start_page()->seed[0] ^ exo_start_page()->seed[1];
	z = state += 0x9e3779b97f4a7c15ull;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return (uint32_t)(z >> 32);
}

void lwip_exo_diagnose(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	exo_vprintf(format, args);
	va_end(args);
}

_Noreturn void lwip_exo_fail(const char *what, const char *file, int line)
{
	exo_printf("lwIP: %s (%s:%d)\n", what, file, line);
	exo_exit(1);
}
