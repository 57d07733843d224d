/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Virtual addresses: SPIN's VirtAddr. A range is a name that keeps extensions and library OS of a
 * space out of each other's way, and tells a bad address from one that is not present. Ranges have
 * a lock of last rank of their own: faults look at them.
 */
#include <exo/layout.h>

#include "../core/space.h"
#include "service.h"

struct range {
	struct range *next;
	uint32_t env;
	uint64_t address, pages;
	const struct ext_domain *user;
};

static struct range *ranges;
static struct machine_lock ranges_lock;

static uint64_t end_of(const struct range *range)
{
	return range->address + range->pages * EXO_PAGE_SIZE;
}

/* A range of the environment that meets [address, end), or NULL. Lock. */
static const struct range *meets(uint32_t env, uint64_t address, uint64_t end)
{
	const struct range *range = ranges;

	while (range && (range->env != env || range->address >= end || end_of(range) <= address))
		range = range->next;
	return range;
}

static uint32_t count(uint32_t env)
{
	uint32_t n = 0;

	for (const struct range *range = ranges; range; range = range->next)
		n += range->env == env;
	return n;
}

/* The first place behind other ranges; 0: none. Lock. */
static uint64_t find_place(uint32_t env, uint64_t bytes)
{
	uint64_t address = EXO_SERVICE_VIRT_FIRST;
	const struct range *other;

	while (EXO_SERVICE_VIRT_END - address >= bytes) {
		other = meets(env, address, address + bytes);
		if (!other)
			return address;
		address = end_of(other);
		if (address >= EXO_SERVICE_VIRT_END)
			break;
	}
	return 0;
}

/* Lock. */
static int64_t enter(struct range *range)
{
	uint64_t bytes = range->pages * EXO_PAGE_SIZE;

	if (count(range->env) >= EXO_SERVICE_RANGES_MAX)
		return -EXO_E2BIG;
	if (!range->address)
		range->address = find_place(range->env, bytes);
	else if (meets(range->env, range->address, range->address + bytes))
		return -EXO_EBUSY;
	if (!range->address)
		return -EXO_ENOMEM;
	range->next = ranges;
	ranges = range;
	return (int64_t)range->address;
}

/* The id of the context that is meant; 0: no such. */
static uint32_t context_id(const struct ext_user *user, uint64_t context)
{
	const struct env *env;
	uint32_t id;

	core_lock();
	env = ext_service_env(user, context);
	id = env ? env->id : 0;
	core_unlock();
	return id;
}

int64_t ext_virt_allocate(uint64_t context, uint64_t pages, uint64_t wanted, uint64_t d, uint64_t e,
                          void *arg)
{
	struct ext_user *user = arg;
	struct range *range;
	uint32_t env;
	int64_t result;

	if (!ext_services_are_open())
		return -EXO_EAGAIN;
	if (pages == 0 || pages > EXO_SERVICE_RANGE_PAGES_MAX ||
	    (wanted && !space_usable(wanted, pages)))
		return -EXO_EINVAL;
	env = context_id(user, context);
	if (!env)
		return -EXO_ENOENT;
	range = machine_alloc(sizeof(*range));
	if (!range)
		return -EXO_ENOMEM;
	*range = (struct range){NULL, env, wanted, pages, user->user};
	machine_lock(&ranges_lock);
	result = enter(range);
	machine_unlock(&ranges_lock);
	if (result < 0)
		machine_free(range);
	return result;
}

/* Takes out the ranges of an environment, of an extension, and at an address, as far as they are
 * given (0, NULL: any). → whether there were any. */
static bool remove_ranges(uint32_t env, const struct ext_domain *user, uint64_t address)
{
	struct range **link = &ranges, *out = NULL, *range;
	bool any;

	machine_lock(&ranges_lock);
	while ((range = *link)) {
		if ((env && range->env != env) || (user && range->user != user) ||
		    (address && range->address != address)) {
			link = &range->next;
			continue;
		}
		*link = range->next;
		range->next = out;
		out = range;
	}
	machine_unlock(&ranges_lock);
	any = out;
	while ((range = out)) {
		out = range->next;
		machine_free(range);
	}
	return any;
}

int64_t ext_virt_deallocate(uint64_t context, uint64_t address, uint64_t c, uint64_t d, uint64_t e,
                            void *arg)
{
	const struct ext_user *user = arg;
	uint32_t env;

	if (!ext_services_are_open())
		return -EXO_EAGAIN;
	env = context_id(user, context);
	return env && address && remove_ranges(env, user->user, address) ? 0 : -EXO_ENOENT;
}

bool ext_virtual_lacks(uint32_t env, uint64_t address)
{
	bool lacks;

	machine_lock(&ranges_lock);
	lacks = count(env) && (address == UINT64_MAX || !meets(env, address, address + 1));
	machine_unlock(&ranges_lock);
	return lacks;
}

void ext_virtual_env_end(uint32_t env)
{
	(void)remove_ranges(env, NULL, 0);
}

void ext_virtual_end(const struct ext_domain *domain)
{
	(void)remove_ranges(0, domain, 0);
}
