/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How environments end. Each end is a line on the console: name, how, and the account at the end.
 * What the manifest wants restarted is started again, at once the first time and then after a pause
 * that doubles, up to a limit; an environment that ran for longer than that limit starts anew with
 * its pauses.
 */
#include <libexo/call.h>
#include <libexo/lib.h>
#include <libexo/printf.h>
#include <libexo/start.h>
#include <libexo/time.h>

#include "init.h"

#define RESTART_PAUSE_NS 100000000ull
/* How long frames that a device still uses may take to come back. */
#define DRAIN_LIMIT_NS   2000000000ull
#define RESTART_LIMIT_NS 10000000000ull

/* Exceptions by vector (Intel SDM vol. 3A, table 6-1). */
static const char *vector_name(int32_t vector)
{
	static const char *const names[] = {
	        [0] = "divide error", [1] = "debug exception",      [3] = "breakpoint",
	        [4] = "overflow",     [5] = "bound range exceeded", [6] = "invalid opcode",
	        [7] = "no FPU",       [10] = "invalid TSS",         [11] = "segment not present",
	        [12] = "stack fault", [13] = "general protection",  [14] = "page fault",
	        [16] = "FPU error",   [17] = "alignment check",     [19] = "SIMD error",
	};

	if (vector < 0 || vector >= (int32_t)(sizeof(names) / sizeof(names[0])) ||
	    names[vector] == NULL)
		return "exception";
	return names[vector];
}

void watch_describe(const struct exo_env_status *status, char *text, size_t size)
{
	switch (status->state) {
	case EXO_ENV_EXITED:
		exo_snprintf(text, size, "exit, status %d", status->status);
		break;
	case EXO_ENV_FAULTED:
		if (status->status == 14)
			exo_snprintf(text, size, "page fault at %#llx, ip %#llx",
			             (unsigned long long)status->address,
			             (unsigned long long)status->ip);
		else
			exo_snprintf(text, size, "%s (vector %d), ip %#llx",
			             vector_name(status->status), status->status,
			             (unsigned long long)status->ip);
		break;
	case EXO_ENV_KILLED:
		exo_snprintf(text, size, "ended by force, status %d", status->status);
		break;
	default:
		exo_snprintf(text, size, "state %u", status->state);
	}
}

static void report(const struct service *service, const struct exo_env_status *status)
{
	const struct exo_account *a = &status->account;
	char how[96];

	watch_describe(status, how, sizeof(how));
	exo_printf("%s (environment %u): %s; %llu frames, %llu us, %llu calls, %llu upcalls, %llu "
	           "faults, received %llu, sent %llu, refused %llu\n",
	           service->name, service->child.id, how, (unsigned long long)a->frames,
	           (unsigned long long)(exo_time_ns(a->ticks_used) / 1000),
	           (unsigned long long)a->calls, (unsigned long long)a->upcalls,
	           (unsigned long long)a->faults, (unsigned long long)a->rx_packets,
	           (unsigned long long)a->tx_packets, (unsigned long long)a->tx_refused);
}

static void plan_restart(struct service *service, uint64_t now_ns)
{
	uint64_t pause = 0;

	if (now_ns - service->started_at > RESTART_LIMIT_NS)
		service->restarts = 0;
	if (service->restarts > 0)
		pause = service->restarts > 7 ? RESTART_LIMIT_NS
		                              : RESTART_PAUSE_NS << (service->restarts - 1);
	service->restarts++;
	service->restart_at = now_ns + pause;
	service->state = SERVICE_WAITING;
	exo_printf("%s: starting again in %llu ms\n", service->name,
	           (unsigned long long)(pause / 1000000));
}

/* Ended by us, because its address changed: starts again when there is one. */
static void moved(struct service *service)
{
	service->moving = false;
	service->state = service_lacks(service) != 0 ? SERVICE_UNADDRESSED : SERVICE_WAITING;
	service->restart_at = 0;
}

static void ended(struct service *service, const struct exo_env_status *status)
{
	report(service, status);
	if (status->state == EXO_ENV_FAULTED)
		backtrace_print(service);
	if (init.options.cores && status->state == EXO_ENV_FAULTED) {
		core_send(service);
		exo_env_end(&service->child.cap);
	}
	if (service->moving) {
		moved(service);
		return;
	}
	service->state = SERVICE_OFF;
	if (status->state == EXO_ENV_EXITED && status->status == 0)
		return;
	init.failed = true;
	if ((service->entry->flags & EXO_MANIFEST_RESTART) != 0 && status->state != EXO_ENV_EXITED)
		plan_restart(service, exo_time_now_ns());
}

void watch_children(void)
{
	for (uint32_t i = 0; i < init.n_services; i++) {
		struct service *service = &init.services[i];
		struct exo_env_status status = {.env = service->child.cap};
		int result;

		if (service->state != SERVICE_RUNNING)
			continue;
		result = exo_env_status(&status);
		if (result < 0) {
			exo_printf("%s: its status is unknown: %s\n", service->name,
			           exo_error_text(result));
			service->state = SERVICE_OFF;
			init.failed = true;
		} else if (status.state > EXO_ENV_RUNNING) {
			ended(service, &status);
		}
	}
}

void watch_restarts(uint64_t now_ns)
{
	for (uint32_t i = 0; i < init.n_services; i++) {
		struct service *service = &init.services[i];

		if (service->state != SERVICE_WAITING || service->restart_at > now_ns)
			continue;
		/* An address may have gone while it waited. */
		if (service_lacks(service) & init.asked)
			service->state = SERVICE_UNADDRESSED;
		else
			service_start(service);
	}
}

uint64_t watch_due(void)
{
	uint64_t due = UINT64_MAX;

	for (uint32_t i = 0; i < init.n_services; i++)
		if (init.services[i].state == SERVICE_WAITING && init.services[i].restart_at < due)
			due = init.services[i].restart_at;
	return due;
}

static void await_drain(void)
{
	uint64_t limit = exo_time_now_ns() + DRAIN_LIMIT_NS;

	while (exo_info()->frames_free < init.frames_before && exo_time_now_ns() < limit)
		exo_wait(exo_info()->tsc_boot + exo_time_ticks(exo_time_now_ns() + 1000000));
}

void watch_end(void)
{
	if ((init.payload.manifest->flags & EXO_MANIFEST_POWER_OFF) == 0)
		return;
	for (uint32_t i = 0; i < init.n_services; i++)
		if (init.services[i].state != SERVICE_OFF)
			return;
	if (init.options.ledger)
		listing_print();
	for (uint32_t i = 0; i < init.n_services; i++)
		exo_pages_free(&init.services[i].mailbox_pages);
	flows_end();
	await_drain();
	exo_printf("every environment has ended; %llu frames are free, %llu were before\n",
	           (unsigned long long)exo_info()->frames_free,
	           (unsigned long long)init.frames_before);
	init_power(EXO_POWER_EXIT, init.failed ? 1 : 0);
}
