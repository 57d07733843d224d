/* SPDX-License-Identifier: BSD-2-Clause */
/* Clocks; see time.h. CPUID leaves 15h and 16h: SDM vol. 2A; 40000010h: a hypervisor's timing leaf
 * (VMware's proposal, also QEMU's); ACPI timer: ACPI 6.4, 4.8.3.3; 8254: Intel's data sheet. */
#include "start.h"

#include "apic.h"
#include "run.h"
#include "space.h"

enum {
	PM_HZ = 3579545,
	PIT_HZ = 1193182,
	MEASURE_SHARE = 2000, /* measure for a … th of a second */
	APIC_DIVIDE = 16,
	GATE_PORT = 0x61,
	PIT_CHANNEL2 = 0x42,
	PIT_MODE = 0x43,
	TRIES = 100000000, /* of a clock that stands still */
	SAMPLE_TRIES = 8,
};

static uint64_t tsc_hz;
static uint64_t apic_hz; /* count-down timer, after its divider; 0: TSC-deadline is used */

uint64_t x86_tsc_hz(void)
{
	return tsc_hz;
}

static void ask_cpuid(void)
{
	struct cpu_id id;

	if (cpu_features.max_leaf >= 0x15) {
		id = cpu_id(0x15, 0);
		if (id.eax != 0 && id.ebx != 0 && id.ecx != 0)
			tsc_hz = (uint64_t)id.ecx * id.ebx / id.eax;
		if (id.ecx != 0)
			apic_hz = id.ecx / APIC_DIVIDE;
	}
	if (tsc_hz == 0 && cpu_has(EXO_FEATURE_HYPERVISOR) &&
	    cpu_id(0x40000000, 0).eax >= 0x40000010) {
		id = cpu_id(0x40000010, 0);
		tsc_hz = (uint64_t)id.eax * 1000;
		apic_hz = (uint64_t)id.ebx * 1000 / APIC_DIVIDE;
	}
	if (tsc_hz == 0 && cpu_features.max_leaf >= 0x16 && cpu_features.intel)
		tsc_hz = (uint64_t)(cpu_id(0x16, 0).eax & 0xffff) * 1000000;
}

/* ---- Measuring against a clock of known frequency, over a share of a second ---- */

struct clock {
	uint16_t pm_port; /* 0: the 8254's channel 2 */
	uint32_t hz, mask;
};

struct sample {
	uint64_t tsc;
	uint32_t clock, apic;
};

static void start_pit(void)
{
	x86_out8(GATE_PORT, (uint8_t)((x86_in8(GATE_PORT) & ~2) | 1));
	x86_out8(PIT_MODE, 0xb0); /* channel 2, both bytes, counts down once and on */
	x86_out8(PIT_CHANNEL2, 0xff);
	x86_out8(PIT_CHANNEL2, 0xff);
}

/* What the clock shows, counting up. */
static uint32_t read_counter(const struct clock *clock)
{
	uint32_t low;

	if (clock->pm_port != 0)
		return x86_in32(clock->pm_port);
	x86_out8(PIT_MODE, 0x80); /* latch */
	low = x86_in8(PIT_CHANNEL2);
	return ~(low | (uint32_t)x86_in8(PIT_CHANNEL2) << 8);
}

/* All three at one moment. A hypervisor may take the CPU away in between, or firmware: of several
 * tries the shortest counts. */
static struct sample sample_all(const struct clock *clock)
{
	struct sample best = {0};
	uint64_t shortest = UINT64_MAX;

	for (unsigned i = 0; i < SAMPLE_TRIES; i++) {
		uint64_t before = x86_tsc(), took;
		uint32_t counter = read_counter(clock), apic = apic_timer_elapsed();

		took = x86_tsc() - before;
		if (took < shortest) {
			shortest = took;
			best = (struct sample){before, counter, apic};
		}
	}
	return best;
}

static void measure(const struct clock *clock)
{
	struct sample start, end;
	uint32_t ticks = 0;

	apic_timer_measure();
	start = sample_all(clock);
	for (uint32_t i = 0; i < TRIES && ticks < clock->hz / MEASURE_SHARE; i++)
		ticks = (read_counter(clock) - start.clock) & clock->mask;
	end = sample_all(clock);
	ticks = (end.clock - start.clock) & clock->mask;
	apic_timer_count(0);
	if (ticks < clock->hz / MEASURE_SHARE)
		machine_panic("no clock to measure the TSC by");
	if (tsc_hz == 0)
		tsc_hz = (end.tsc - start.tsc) * clock->hz / ticks;
	apic_hz = (uint64_t)(end.apic - start.apic) * clock->hz / ticks;
}

static void choose_and_measure(uint16_t pm_timer)
{
	struct clock pm = {pm_timer, PM_HZ, 0xffffff}, pit = {0, PIT_HZ, 0xffff};

	if (pm_timer == 0)
		start_pit();
	measure(pm_timer != 0 ? &pm : &pit);
}

void time_init(uint16_t pm_timer)
{
	ask_cpuid();
	if (tsc_hz == 0 || (apic_hz == 0 && !cpu_has(EXO_FEATURE_TSC_DEADLINE)))
		choose_and_measure(pm_timer);
	if (cpu_has(EXO_FEATURE_TSC_DEADLINE))
		apic_hz = 0;
	x86_print("time: TSC %lu kHz, timer by %s\n", tsc_hz / 1000,
	          apic_hz == 0 ? "TSC deadline" : "local APIC");
}

void x86_delay_us(uint64_t microseconds)
{
	uint64_t start = x86_tsc(), ticks = microseconds * (tsc_hz / 1000) / 1000;

	while (x86_tsc() - start < ticks) {
		space_serve_flush();
		cpu_pause();
	}
}

/* Ticks of the count-down timer until `deadline`: 1 at least, what fits at most (the interrupt then
 * comes early, which is allowed). */
static uint32_t count_until(uint64_t deadline)
{
	int64_t left = (int64_t)(deadline - x86_tsc());
	uint64_t second = tsc_hz, ticks;

	if (left <= 0)
		return 1;
	if ((uint64_t)left > second)
		left = (int64_t)second;
	ticks = (uint64_t)left * apic_hz / second + 1;
	return ticks > UINT32_MAX ? UINT32_MAX : (uint32_t)ticks;
}

void machine_timer(uint64_t deadline)
{
	struct cpu *cpu = cpu_this();

	if (deadline == cpu->timer_deadline)
		return;
	/* One that passed meanwhile would interrupt who runs next, in vain. */
	if (x86_tsc() >= cpu->timer_deadline)
		x86_take_timer();
	cpu->timer_deadline = deadline;
	if (apic_hz == 0)
		apic_timer_deadline(deadline == UINT64_MAX ? 0 : deadline);
	else
		apic_timer_count(deadline == UINT64_MAX ? 0 : count_until(deadline));
}

/* ---- The date: MC146818 real-time clock ---- */

static uint8_t read_clock(uint8_t reg)
{
	x86_out8(0x70, reg);
	return x86_in8(0x71);
}

static unsigned decode(uint8_t value, bool binary)
{
	return binary ? value : (unsigned)(value >> 4) * 10 + (value & 15);
}

/* Days from 1970-01-01 to a day of the proleptic Gregorian calendar, years counted from March. */
static uint64_t days_since_1970(unsigned year, unsigned month, unsigned day)
{
	uint64_t y = month <= 2 ? year - 1 : year;
	uint64_t m = month <= 2 ? month + 9 : month - 3;

	return y * 365 + y / 4 - y / 100 + y / 400 + (m * 306 + 5) / 10 + day - 1 - 719468;
}

uint64_t time_wall(void)
{
	uint8_t mode = read_clock(11);
	bool binary = (mode & 4) != 0;
	unsigned tries = 10000;
	uint8_t raw[6];
	static const uint8_t regs[6] = {0, 2, 4, 7, 8, 9};
	uint64_t days, seconds;
	unsigned hour;

	while ((read_clock(10) & 0x80) != 0 && --tries > 0)
		cpu_pause();
	for (unsigned i = 0; i < 6; i++)
		raw[i] = read_clock(regs[i]);
	if (tries == 0 || raw[4] == 0xff)
		return 0;
	hour = decode(raw[2] & 0x7f, binary);
	if ((mode & 2) == 0)
		hour = hour % 12 + ((raw[2] & 0x80) != 0 ? 12 : 0);
	days = days_since_1970(2000 + decode(raw[5], binary), decode(raw[4], binary),
	                       decode(raw[3], binary));
	seconds =
	        (days * 24 + hour) * 3600 + decode(raw[1], binary) * 60ull + decode(raw[0], binary);
	return seconds * 1000000000;
}
