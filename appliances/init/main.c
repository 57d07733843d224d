/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * init's order: command line, payload, host channel, addresses, environments one after another,
 * then the loop. With a host channel the next environment starts only when the one before has said
 * HELLO (or has ended, or kept silent for a second): what they bind is then as old as their place
 * in the manifest says.
 */
#include <libexo/call.h>
#include <libexo/lib.h>
#include <libexo/printf.h>
#include <libexo/start.h>
#include <libexo/time.h>

#include "init.h"
#include "lease.h"
#include "report.h"
#include "uplink.h"

#define HELLO_PATIENCE_NS 1000000000ull
/* How long init yields to an environment that was just started, at most. */
#define SETTLE_NS 100000000ull

struct init init;

/* Sleeps until an event or `due_ns`. */
static void sleep_until(uint64_t due_ns)
{
	uint64_t deadline = 0;

	if (due_ns != UINT64_MAX)
		deadline = exo_info()->tsc_boot + exo_time_ticks(due_ns) + 1;
	exo_wait(deadline);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Where the payload comes by network another try may bring it whole: after a pause, in which the
 * machine reports what happened, and which differs from machine to machine. */
static void retry(void)
{
	uint64_t until, spread = __builtin_ia32_rdtsc() % (1 + init.options.retry / 2);

	if (init.options.retry == 0)
		return;
	exo_printf("the machine starts again in %lu s to load its payload once more\n",
	           (unsigned long)(init.options.retry + spread));
	until = exo_time_now_ns() + (init.options.retry + spread) * 1000000000ull;
	for (uint64_t now; (now = exo_time_now_ns()) < until;) {
		report_run(now);
		sleep_until(earlier(until, report_due(now)));
	}
	init_power(EXO_POWER_RESET, 0);
}

void init_give_up(const char *format, ...)
{
	char text[256];
	va_list args;

	va_start(args, format);
	exo_vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	exo_printf("%s\n", text);
	exo_printf("nothing was started\n");
	retry();
	init_power(EXO_POWER_EXIT, 2);
}

static void read_options(void)
{
	char error[OPTIONS_ERROR_MAX];
	const char *word;

	for (unsigned i = 1; (word = exo_start_arg(i)) != NULL; i++)
		if (options_take(&init.options, word, error) < 0)
			exo_printf("command line: %s\n", error);
	for (unsigned i = 0; i < init.options.n_addresses; i++)
		if (!flows_complete_address(&init.options.addresses[i]))
			exo_printf("ip= number %u: there is no port %u\n", i,
			           init.options.addresses[i].port);
}

/* Nobody gave addresses: those that the manifest counts on are asked for. */
static void want_addresses(uint32_t wanted, uint32_t six)
{
	if (init.options.n_addresses > 0 || wanted == 0)
		return;
	init.options.n_addresses = 32 - (unsigned)__builtin_clz(wanted);
	init.options.by_dhcp = wanted & ~six;
	init.options.formed = six;
}

/* The manifest counts on addresses, of which some may neither be given nor asked for: says which,
 * and what to pass. */
static void check_addresses(void)
{
	const struct exo_manifest *m = init.payload.manifest;
	uint32_t six, wanted = flows_addresses(exo_manifest_flows(m), m->flows.n, &six);

	want_addresses(wanted, six);
	init.asked = init.options.by_dhcp | init.options.formed;
	for (unsigned i = 0; i < EXO_START_ADDRESSES_MAX; i++) {
		bool there = i < init.options.n_addresses &&
		             ((init.asked >> i & 1) != 0 || init.options.addresses[i].family != 0);

		if ((wanted >> i & 1) == 0 || there)
			continue;
		exo_printf("%s wants address %u: pass ip=ADDR/LEN[,GATEWAY][@PORT] on the command "
		           "line%s\n",
		           exo_manifest_string(m, m->name), i, i == 0 ? "" : " once more");
		return;
	}
}

/* Before anybody has a ring: these ports start anew. */
static void merge_ports(void)
{
	const struct exo_cap *machine = exo_start_cap(EXO_USE_MACHINE);

	for (unsigned port = 0; port < EXO_PORTS_MAX; port++) {
		int result;

		if ((init.payload.manifest->merges >> port & 1) == 0)
			continue;
		result = machine == NULL ? -EXO_EPERM : exo_port_merge(machine, port);
		if (result < 0)
			exo_printf("lro: port %u can't merge segments of TCP: %s\n", port,
			           exo_error_text(result));
		else
			exo_printf("port %u may merge segments of TCP\n", port);
	}
}

static void make_services(void)
{
	const struct exo_manifest *m = init.payload.manifest;
	struct exo_pages pages;
	uint32_t six;

	if (exo_pages_alloc(&pages, exo_pages_for((m->envs.n + 1) * sizeof(struct service))) < 0)
		init_give_up("no memory for %u environments", m->envs.n);
	init.services = pages.address;
	init.n_services = m->envs.n;
	for (uint32_t i = 0; i < m->envs.n; i++) {
		init.services[i].entry = &exo_manifest_envs(m)[i];
		init.services[i].name = exo_manifest_string(m, init.services[i].entry->name);
		init.services[i].needs =
		        flows_addresses(exo_manifest_flows(m) + init.services[i].entry->first_flow,
		                        init.services[i].entry->n_flows, &six);
	}
}

/* Whether somebody can start before there is any address: then nobody is waited for, and the others
 * start when theirs comes. */
static bool need_no_address(void)
{
	for (uint32_t i = 0; i < init.n_services; i++)
		if (init.services[i].needs == 0)
			return true;
	return false;
}

static void await_hello(const struct service *service)
{
	uint64_t until = exo_time_now_ns() + HELLO_PATIENCE_NS, now;

	while (service->state == SERVICE_RUNNING && !service->hello) {
		now = exo_time_now_ns();
		if (now >= until) {
			exo_printf("%s: no HELLO from it within a second\n", service->name);
			return;
		}
		control_run(now);
		watch_children();
		sleep_until(earlier(until, control_due(now)));
	}
}

/* Gives its time to an environment that was just started until that one sleeps: it answers before
 * the next one's image is even verified. On another core it runs anyway, and yielding to it fails.
 */
static void let_settle(const struct service *service)
{
	uint64_t until = exo_time_now_ns() + SETTLE_NS;

	while (exo_time_now_ns() < until && exo_yield(service->child.id) == 0)
		;
}

static void start_all(void)
{
	uint32_t running = 0;

	for (uint32_t i = 0; i < init.n_services; i++) {
		if (service_lacks(&init.services[i]) & init.asked) {
			init.services[i].state = SERVICE_UNADDRESSED;
			continue;
		}
		if (!service_start(&init.services[i]))
			continue;
		running++;
		let_settle(&init.services[i]);
		if (control_serves())
			await_hello(&init.services[i]);
	}
	exo_printf("%s: %u of %u environments started\n",
	           exo_manifest_string(init.payload.manifest, init.payload.manifest->name), running,
	           init.n_services);
	report_up(running);
	if (init.damaged)
		retry();
}

int exo_main(void)
{
	read_options();
	payload_open(&init.payload);
	merge_ports();
	check_addresses();
	lease_open();
	make_services();
	control_open();
	report_open();
	if (!need_no_address())
		lease_await();
	init.frames_before = exo_info()->frames_free;
	start_all();
	control_hello();
	if (init.options.ledger)
		listing_print();
	for (;;) {
		uint64_t now = exo_time_now_ns();

		lease_run();
		report_run(now);
		watch_children();
		watch_restarts(now);
		control_run(now);
		watch_end();
		sleep_until(earlier(earlier(watch_due(), uplink_due()),
		                    earlier(control_due(now), report_due(now))));
	}
}
