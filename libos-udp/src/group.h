/* SPDX-License-Identifier: BSD-2-Clause */
/* What is kept of multicast memberships, and how group.c and group_message.c divide the work. */
#ifndef UDP_GROUP_H
#define UDP_GROUP_H

#include <udp/multicast.h>

struct group {
	struct udp_ip ip; /* family 0: vacant */
	uint8_t mode;     /* enum udp_group_mode; INCLUDE of nothing: being left */
	uint8_t n_sources;
	struct udp_ip sources[UDP_GROUP_SOURCES_MAX];
	uint8_t changes;     /* reports of the last change still to be sent */
	bool reporter;       /* ours was the last report that older queriers heard */
	uint64_t change_due; /* of the next of them */
	uint64_t answer_due; /* a querier asked; UINT64_MAX: nobody did */
};

/* Of one family. */
struct querier {
	uint64_t answer_due;         /* he asked for everything */
	uint64_t v1_until, v2_until; /* he, or another one, speaks no more than that (MLD: v1) */
	uint8_t robustness;
};

struct groups {
	struct group group[UDP_GROUPS_MAX];
	struct querier igmp, mld;
};

/* What a query asks for. */
struct query {
	unsigned version;       /* of its protocol: IGMP 1 … 3, MLD 1 … 2 */
	struct udp_ip group;    /* family 0: all */
	uint64_t delay;         /* answers within, nanoseconds */
	uint8_t robustness;     /* 0: not said */
	uint64_t interval;      /* between queries; 0: not said */
	const uint8_t *sources; /* of the group, asked for in particular */
	unsigned n_sources;
};

enum group_record {
	RECORD_IS_INCLUDE = 1,
	RECORD_IS_EXCLUDE = 2,
	RECORD_TO_INCLUDE = 3,
	RECORD_TO_EXCLUDE = 4,
};

#endif
