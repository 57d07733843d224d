/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memberships and their timers (RFC 3376, 5; RFC 3810, 6), the same for both families.
 *
 * Every change is reported as a filter-mode change record with the whole new list of sources, also
 * where only the list changed: a router's rules for these records (RFC 3376, 6.4.2) lead it to the
 * same state, and a report that is lost needs no memory of what it said.
 */
#include "internal.h"

#define UNSOLICITED_V3 NS_PER_S        /* RFC 3376, 8.11 */
#define UNSOLICITED_V2 (10 * NS_PER_S) /* RFC 2236, 8.10 */
#define QUERY_INTERVAL (125 * NS_PER_S)
#define QUERY_RESPONSE (10 * NS_PER_S)
enum { ROBUSTNESS = 2 };

static struct querier *querier_of(struct interface *interface, uint8_t family)
{
	return family == 6 ? &interface->groups.mld : &interface->groups.igmp;
}

void group_init(struct interface *interface)
{
	for (unsigned i = 0; i < UDP_GROUPS_MAX; i++)
		interface->groups.group[i].answer_due = UINT64_MAX;
	interface->groups.igmp = interface->groups.mld =
	        (struct querier){.answer_due = UINT64_MAX, .robustness = ROBUSTNESS};
}

unsigned group_version(struct interface *interface, uint8_t family, uint64_t now)
{
	const struct querier *querier = querier_of(interface, family);

	if (now < querier->v1_until)
		return 1;
	if (family == 6)
		return 2;
	return now < querier->v2_until ? 2 : 3;
}

static bool is_newest(struct interface *interface, uint8_t family, uint64_t now)
{
	return group_version(interface, family, now) == (family == 6 ? 2 : 3);
}

static struct group *find(struct interface *interface, const struct udp_ip *ip)
{
	for (unsigned i = 0; i < UDP_GROUPS_MAX; i++)
		if (udp_ip_equal(&interface->groups.group[i].ip, ip))
			return &interface->groups.group[i];
	return NULL;
}

static bool is_left(const struct group *group)
{
	return group->mode == UDP_GROUP_INCLUDE && group->n_sources == 0;
}

bool group_has(const struct group *group, const struct udp_ip *source)
{
	for (unsigned i = 0; i < group->n_sources; i++)
		if (udp_ip_equal(&group->sources[i], source))
			return true;
	return false;
}

bool group_hears(struct interface *interface, const struct udp_ip *ip, const struct udp_ip *source)
{
	const struct group *group = find(interface, ip);

	return group != NULL && group_has(group, source) == (group->mode == UDP_GROUP_INCLUDE);
}

/* ---- Changes ---- */

/* All hosts' and all nodes' groups, and those that do not leave the host, are in no report. */
static bool is_reported(const struct udp_ip *group)
{
	if (!udp_ip_is_multicast(group) || (group->family != 4 && group->family != 6))
		return false;
	if (group->family == 4)
		return udp_ip4_value(group) != ALL_HOSTS;
	return (group->bytes[1] & 15) > 1 &&
	       !(group->bytes[1] == 2 && group->bytes[15] == 1 && group->bytes[13] == 0 &&
	         group->bytes[14] == 0 && group->bytes[12] == 0 && group->bytes[11] == 0);
}

static bool arguments_good(const struct udp_stack *stack, unsigned interface,
                           const struct udp_ip *group, const struct udp_ip *sources, unsigned n)
{
	if (interface >= stack->n_interfaces || !is_reported(group) || n > UDP_GROUP_SOURCES_MAX)
		return false;
	for (unsigned i = 0; i < n; i++)
		if (sources[i].family != group->family || !udp_ip_is_source(&sources[i]))
			return false;
	return true;
}

static uint64_t within(struct udp_stack *stack, uint64_t delay)
{
	return stack_now(stack) + stack->ops.random(stack->context) % (delay + 1);
}

static void report_change(struct udp_stack *stack, unsigned index, struct group *group)
{
	struct interface *interface = &stack->interfaces[index];

	group->changes = querier_of(interface, group->ip.family)->robustness;
	group->change_due = stack_now(stack);
	stack_stir(stack);
	group->answer_due = UINT64_MAX; /* the report says it all */
}

int udp_group_listen(struct udp_stack *stack, unsigned index, const struct udp_ip *ip,
                     enum udp_group_mode mode, const struct udp_ip *sources, unsigned n)
{
	struct interface *interface;
	struct group *group;

	if (!arguments_good(stack, index, ip, sources, n) || mode > UDP_GROUP_EXCLUDE)
		return -UDP_EINVAL;
	interface = &stack->interfaces[index];
	group = find(interface, ip);
	if (group == NULL && mode == UDP_GROUP_INCLUDE && n == 0)
		return 0;
	if (group == NULL)
		group = find(interface, &(struct udp_ip){.family = 0});
	if (group == NULL)
		return -UDP_ENOSPC;
	group->ip = *ip;
	group->mode = (uint8_t)mode;
	group->n_sources = (uint8_t)n;
	for (unsigned i = 0; i < n; i++)
		group->sources[i] = sources[i];
	report_change(stack, index, group);
	return 0;
}

int udp_group_join(struct udp_stack *stack, unsigned interface, const struct udp_ip *group)
{
	return udp_group_listen(stack, interface, group, UDP_GROUP_EXCLUDE, NULL, 0);
}

int udp_group_leave(struct udp_stack *stack, unsigned interface, const struct udp_ip *group)
{
	return udp_group_listen(stack, interface, group, UDP_GROUP_INCLUDE, NULL, 0);
}

/* ---- Queries ---- */

/* An older querier, which asks for all groups, is believed until he has missed a few of his queries
 * (RFC 3376, 7.2.1 and 8.12). */
static void note_version(struct querier *querier, const struct query *query, uint8_t family,
                         uint64_t now)
{
	uint64_t until = now + ROBUSTNESS * QUERY_INTERVAL + QUERY_RESPONSE;

	if (query->version == 1)
		querier->v1_until = until;
	else if (query->version == 2 && family == 4)
		querier->v2_until = until;
	if (query->robustness != 0)
		querier->robustness = query->robustness;
}

/* Whether a query for these sources concerns what we hear of the group. */
static bool concerns(const struct group *group, const struct query *query)
{
	size_t size = group->ip.family == 6 ? 16 : 4;

	if (is_left(group))
		return false;
	if (query->n_sources == 0)
		return true;
	for (unsigned i = 0; i < query->n_sources; i++) {
		struct udp_ip source = {.family = group->ip.family};

		memcpy(source.bytes, query->sources + i * size, size);
		if (group_has(group, &source) == (group->mode == UDP_GROUP_INCLUDE))
			return true;
	}
	return false;
}

/* He asks for all groups: queriers of today get their answers in one go, older ones each at a time
 * of its own (RFC 2236, 3), so that hosts can leave out what another one has said. */
static void general_query(struct udp_stack *stack, struct interface *interface, uint8_t family,
                          const struct query *query)
{
	struct querier *querier = querier_of(interface, family);
	uint64_t now = stack_now(stack);

	note_version(querier, query, family, now);
	if (is_newest(interface, family, now)) {
		querier->answer_due = earlier(querier->answer_due, within(stack, query->delay));
		return;
	}
	for (unsigned i = 0; i < UDP_GROUPS_MAX; i++) {
		struct group *group = &interface->groups.group[i];

		if (group->ip.family == family && !is_left(group))
			group->answer_due = earlier(group->answer_due, within(stack, query->delay));
	}
}

void group_query(struct udp_stack *stack, unsigned index, uint8_t family, const struct query *query)
{
	struct interface *interface = &stack->interfaces[index];
	struct querier *querier = querier_of(interface, family);
	uint64_t due = within(stack, query->delay);
	struct group *group;

	if (query->group.family == 0) {
		general_query(stack, interface, family, query);
		return;
	}
	group = find(interface, &query->group);
	if (group != NULL && concerns(group, query) && querier->answer_due > due)
		group->answer_due = earlier(group->answer_due, due);
}

void group_heard_report(struct udp_stack *stack, unsigned index, const struct udp_ip *ip)
{
	struct interface *interface = &stack->interfaces[index];
	struct group *group = find(interface, ip);

	if (group == NULL || is_newest(interface, ip->family, stack_now(stack)))
		return;
	group->answer_due = UINT64_MAX;
	group->reporter = false;
}

/* ---- Time ---- */

static void send_change(struct udp_stack *stack, unsigned index, struct group *group, uint64_t now)
{
	unsigned version = group_version(&stack->interfaces[index], group->ip.family, now);
	bool newest = is_newest(&stack->interfaces[index], group->ip.family, now);

	group->changes--;
	group->change_due = within(stack, newest ? UNSOLICITED_V3 : UNSOLICITED_V2);
	if (newest) {
		group_send_record(stack, index, group,
		                  group->mode == UDP_GROUP_INCLUDE ? RECORD_TO_INCLUDE
		                                                   : RECORD_TO_EXCLUDE);
	} else if (!is_left(group)) {
		group->reporter = true;
		group_send_old(stack, index, group, version, false);
	} else {
		if (group->reporter)
			group_send_old(stack, index, group, version, true);
		group->changes = 0;
	}
	if (group->changes == 0 && is_left(group))
		*group = (struct group){.answer_due = UINT64_MAX};
}

static void send_answer(struct udp_stack *stack, unsigned index, struct group *group, uint64_t now)
{
	unsigned version = group_version(&stack->interfaces[index], group->ip.family, now);

	group->answer_due = UINT64_MAX;
	if (is_newest(&stack->interfaces[index], group->ip.family, now)) {
		group_send_record(stack, index, group,
		                  group->mode == UDP_GROUP_INCLUDE ? RECORD_IS_INCLUDE
		                                                   : RECORD_IS_EXCLUDE);
	} else {
		group->reporter = true;
		group_send_old(stack, index, group, version, false);
	}
}

/* A general query is answered for each group. */
static void spread_answer(struct udp_stack *stack, unsigned index, uint8_t family, uint64_t now)
{
	struct interface *interface = &stack->interfaces[index];

	querier_of(interface, family)->answer_due = UINT64_MAX;
	for (unsigned i = 0; i < UDP_GROUPS_MAX; i++) {
		struct group *group = &interface->groups.group[i];

		if (group->ip.family == family && !is_left(group))
			group->answer_due = now;
	}
}

static void run_interface(struct udp_stack *stack, unsigned index, uint64_t now)
{
	struct groups *groups = &stack->interfaces[index].groups;

	if (now >= groups->igmp.answer_due)
		spread_answer(stack, index, 4, now);
	if (now >= groups->mld.answer_due)
		spread_answer(stack, index, 6, now);
	for (unsigned i = 0; i < UDP_GROUPS_MAX; i++) {
		struct group *group = &groups->group[i];

		if (group->changes > 0 && now >= group->change_due)
			send_change(stack, index, group, now);
		if (now >= group->answer_due)
			send_answer(stack, index, group, now);
	}
}

void group_run(struct udp_stack *stack, uint64_t now)
{
	for (uint32_t i = 0; i < stack->n_interfaces; i++)
		run_interface(stack, i, now);
}

uint64_t group_deadline(const struct udp_stack *stack)
{
	uint64_t deadline = UINT64_MAX;

	for (uint32_t i = 0; i < stack->n_interfaces; i++) {
		const struct groups *groups = &stack->interfaces[i].groups;

		deadline = earlier(deadline, groups->igmp.answer_due);
		deadline = earlier(deadline, groups->mld.answer_due);
		for (unsigned k = 0; k < UDP_GROUPS_MAX; k++) {
			const struct group *group = &groups->group[k];

			deadline = earlier(deadline, group->answer_due);
			if (group->changes > 0)
				deadline = earlier(deadline, group->change_due);
		}
	}
	return deadline;
}
