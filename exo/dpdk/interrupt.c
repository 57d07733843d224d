/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rte_intr_*: what drivers ask of interrupts. Callbacks are kept per handle and called by the
 * control thread, after the device has signalled by vector 0 of its MSI-X. A device without MSI-X
 * has its callbacks called every POLL_US. All are called at once where somebody waits for their
 * effect; drivers read the cause from their device and do nothing where there is none.
 *
 * The vectors of receive queues only wake a core (sleep.c), so no event descriptors stand behind
 * the numbers that rte_intr_efd_enable hands out.
 */
#include <errno.h>
#include <stdlib.h>

#include <rte_cycles.h>
#include <rte_interrupts.h>

#include "eal_interrupts.h"
#include "internal.h"
#include "msix.h"
#include "thread.h"

enum { POLL_US = 250000 };

struct callback {
	struct callback *next;
	struct rte_intr_handle *handle;
	rte_intr_callback_fn call;
	void *argument;
	bool enabled;
	bool polled;    /* the device can't signal */
	bool signalled; /* by the device, and not called since */
	bool dead;      /* unregistered while callbacks were running */
};

static struct callback *callbacks;
static unsigned n_polled; /* enabled and polled */
static volatile bool any_signalled;
static bool running;
static uint64_t next_poll;

int rte_intr_callback_register(const struct rte_intr_handle *handle, rte_intr_callback_fn call,
                               void *argument)
{
	struct callback *new;

	if (handle == NULL || call == NULL)
		return -EINVAL;
	new = malloc(sizeof(*new));
	if (new == NULL)
		return -ENOMEM;
	*new = (struct callback){.next = callbacks,
	                         .handle = (struct rte_intr_handle *)handle,
	                         .call = call,
	                         .argument = argument};
	callbacks = new;
	return 0;
}

static void sweep(void)
{
	for (struct callback **link = &callbacks, *c; (c = *link) != NULL;) {
		if (!c->dead) {
			link = &c->next;
			continue;
		}
		*link = c->next;
		free(c);
	}
}

static void set_enabled(struct callback *c, bool enabled, bool polled)
{
	n_polled -= c->enabled && c->polled;
	c->enabled = enabled;
	c->polled = polled;
	n_polled += c->enabled && c->polled;
}

int rte_intr_callback_unregister(const struct rte_intr_handle *handle, rte_intr_callback_fn call,
                                 void *argument)
{
	int n = 0;

	if (handle == NULL || call == NULL)
		return -EINVAL;
	for (struct callback *c = callbacks; c != NULL; c = c->next)
		if (!c->dead && c->handle == handle && c->call == call &&
		    (argument == (void *)-1 || c->argument == argument)) {
			set_enabled(c, false, false);
			c->dead = true;
			n++;
		}
	if (!running)
		sweep();
	return n > 0 ? n : -ENOENT;
}

int rte_intr_callback_unregister_sync(const struct rte_intr_handle *handle,
                                      rte_intr_callback_fn call, void *argument)
{
	return rte_intr_callback_unregister(handle, call, argument);
}

static void signalled(void *handle)
{
	for (struct callback *c = callbacks; c != NULL; c = c->next)
		if (c->handle == handle)
			c->signalled = true;
	any_signalled = true;
	dpdk_threads_kick();
}

static void set_handle_enabled(const struct rte_intr_handle *handle, bool enabled, bool polled)
{
	for (struct callback *c = callbacks; c != NULL; c = c->next)
		if (!c->dead && c->handle == handle)
			set_enabled(c, enabled, polled);
	next_poll = dpdk_after_us(POLL_US);
	dpdk_threads_kick();
}

int rte_intr_enable(const struct rte_intr_handle *handle)
{
	struct msix *msix;
	int error = 0;

	if (handle == NULL)
		return -EINVAL;
	msix = dpdk_msix_of(handle);
	if (msix != NULL)
		error = dpdk_msix_enable(msix, handle->nb_efd, signalled, (void *)handle);
	set_handle_enabled(handle, true, msix == NULL);
	return error;
}

int rte_intr_disable(const struct rte_intr_handle *handle)
{
	struct msix *msix;

	if (handle == NULL)
		return -EINVAL;
	msix = dpdk_msix_of(handle);
	if (msix != NULL)
		dpdk_msix_disable(msix);
	set_handle_enabled(handle, false, false);
	return 0;
}

int rte_intr_ack(const struct rte_intr_handle *handle)
{
	return 0;
}

void dpdk_interrupts_run(bool all)
{
	bool poll = all || (n_polled > 0 && rte_rdtsc() >= next_poll);

	if (running || (!poll && !any_signalled))
		return;
	running = true;
	any_signalled = false;
	for (struct callback *c = callbacks; c != NULL; c = c->next) {
		if (!c->enabled || c->dead || !(all || c->signalled || (poll && c->polled)))
			continue;
		c->signalled = false;
		c->call(c->argument);
	}
	running = false;
	sweep();
	if (poll)
		next_poll = dpdk_after_us(POLL_US);
}

uint64_t dpdk_interrupts_due(void)
{
	if (running)
		return UINT64_MAX;
	return any_signalled ? 0 : n_polled > 0 ? next_poll : UINT64_MAX;
}

/* ---- Vectors of receive queues: one each beside the one for everything else ---- */

int rte_intr_cap_multiple(struct rte_intr_handle *handle)
{
	return dpdk_msix_of(handle) != NULL;
}

int rte_intr_efd_enable(struct rte_intr_handle *handle, uint32_t n)
{
	n = RTE_MIN(n, (uint32_t)RTE_MAX_RXTX_INTR_VEC_ID);
	handle->nb_efd = n;
	handle->max_intr = n + 1;
	return 0;
}

void rte_intr_efd_disable(struct rte_intr_handle *handle)
{
	handle->nb_efd = 0;
	handle->max_intr = 0;
}

int rte_intr_dp_is_en(struct rte_intr_handle *handle)
{
	return handle->nb_efd != 0;
}

int rte_intr_allow_others(struct rte_intr_handle *handle)
{
	return handle->nb_efd == 0 || handle->max_intr > handle->nb_efd;
}

int rte_intr_rx_ctl(struct rte_intr_handle *handle, int fd, int operation, unsigned vector,
                    void *data)
{
	return 0;
}
