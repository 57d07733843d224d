/* SPDX-License-Identifier: BSD-2-Clause */
/* A machine without a network: the packet path's interface (net.h) where there are no ports. */
#include "../core.h"
#include "../net.h"

#include <host/host.h>

#include "net_none.h"

#include <string.h>

enum {
	POLL_TICKS = 10000,
};

struct net_none net_none;

int net_start(void)
{
	memset(&net_none, 0, sizeof(net_none));
	return 0;
}

int net_flow_root(uint32_t holder, struct exo_cap *out)
{
	memset(out, 0, sizeof(*out));
	return 0;
}

int64_t net_call_flow_grant(struct env *caller, struct exo_flow_grant *grant)
{
	return -EXO_ENOENT;
}

int64_t net_call_bind(struct env *caller, struct exo_bind *arg)
{
	return -EXO_ENOENT;
}

int64_t net_call_unbind(struct env *caller, const struct exo_cap *cap)
{
	return -EXO_ENOENT;
}

int64_t net_call_ring_create(struct env *caller, struct exo_ring_create *arg)
{
	return -EXO_ENOENT;
}

int64_t net_call_ring_destroy(struct env *caller, const struct exo_cap *cap)
{
	return -EXO_ENOENT;
}

int64_t net_call_ring_outdo(struct env *caller, const struct exo_ring_outdo *arg)
{
	return -EXO_ENOENT;
}

int64_t net_call_send(struct env *caller, uint64_t id, unsigned core)
{
	if (id == 0 || id != net_none.bell)
		return -EXO_ENOENT;
	net_none.sends++;
	return 0;
}

int64_t net_call_port_merge(uint64_t port)
{
	return -EXO_ENOENT;
}

int net_revoke(const struct exo_cap *cap)
{
	return -EXO_ESTALE;
}

void net_frame_leaves(uint64_t frame)
{
}

void net_env_end(struct env *env)
{
	net_none.ends++;
	if (net_none.on_end)
		net_none.on_end(env);
}

bool net_watch(unsigned core, bool on)
{
	return false;
}

uint64_t net_deadline(unsigned core, uint64_t now)
{
	return UINT64_MAX;
}

unsigned net_poll(unsigned core, unsigned budget)
{
	net_none.polls++;
	host_time_add(POLL_TICKS);
	return net_none.on_poll ? net_none.on_poll(core) : 0;
}

void net_quiesce(void)
{
	net_none.quiesces++;
}

void net_info_update(struct exo_info *info, struct exo_port_info *ports)
{
	info->polls = net_none.polls;
}

bool net_list(uint32_t kind, uint64_t *cursor, struct exo_ledger_entry *entry)
{
	return false;
}
