/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * When data left and came (SO_TIMESTAMPING, SO_TIMESTAMPNS, SO_TIMESTAMP; Linux's
 * Documentation/networking/timestamping.rst), for streams. Of each send that is to be told of, the
 * last byte counts: when it was scheduled and sent, which is one here, and when it was
 * acknowledged. The error queue tells, without the data. What is known lies in a block that is
 * taken with the first such send.
 *
 * Whoever moves the clock calls socks_clock after each thing that happened: what was not told by
 * then happened now.
 */
#include <time.h>

#include <linux/errqueue.h>
#include <linux/net_tstamp.h>
#include <netinet/in.h>
#include <sys/time.h>

#include "internal.h"

enum { SENDS = 32, NEWS = 64, SECOND = 1000000000 };

/* Of Linux later than the headers: keys count from what was written, not from what was
 * acknowledged; and the flags that there are. */
enum { OPT_ID_TCP = 1 << 16, FLAGS = (1 << 18) - 1 };

/* A send that is under way: by a byte of the stream. */
struct sent {
	uint32_t end; /* behind its last byte, as sock->queued counts */
	uint16_t flags;
	bool left;
};

struct news {
	uint64_t ns;
	uint32_t key;
	uint8_t type; /* SCM_TSTAMP_… */
};

struct sock_stamps {
	uint32_t first, n, news_first, news_n;
	struct sent sends[SENDS];
	struct news news[NEWS];
};

_Static_assert(sizeof(struct sock_stamps) <= BLOCK_ROOM, "fits a block");

/* A block's bytes follow words. */
static struct sock_stamps *stamps_of(struct sock_block *block)
{
	return (struct sock_stamps *)(void *)block->bytes;
}

bool stamps_may(const struct sock *sock, uint32_t flags)
{
	return ((sock->stamp_flags | flags) & SOF_TIMESTAMPING_TX_RECORD_MASK) != 0;
}

static void tell(struct sock *sock, uint8_t type, uint32_t end)
{
	struct sock_stamps *stamps = stamps_of(sock->stamps);
	bool keyed = sock->stamp_flags & SOF_TIMESTAMPING_OPT_ID;

	if (stamps->news_n == NEWS)
		return;
	stamps->news[(stamps->news_first + stamps->news_n++) % NEWS] =
	        (struct news){sock->set->now, keyed ? end - 1 - sock->stamp_base : 0, type};
	sock_news(sock);
}

static void look_at(struct sock *sock)
{
	struct sock_stamps *stamps = stamps_of(sock->stamps);
	bool gone = sock->conn == NULL || sock->ended;
	uint32_t left = gone ? sock->queued : sock->queued - tcp_unsent(sock->conn);
	uint32_t acked = gone ? sock->queued : sock->queued - tcp_unacknowledged(sock->conn);

	for (uint32_t i = 0; i < stamps->n; i++) {
		struct sent *sent = &stamps->sends[(stamps->first + i) % SENDS];

		if (sent->left || (int32_t)(left - sent->end) < 0)
			continue;
		sent->left = true;
		if (sent->flags & SOF_TIMESTAMPING_TX_SCHED)
			tell(sock, SCM_TSTAMP_SCHED, sent->end);
		if (sent->flags & SOF_TIMESTAMPING_TX_SOFTWARE)
			tell(sock, SCM_TSTAMP_SND, sent->end);
	}
	while (stamps->n > 0 && (int32_t)(acked - stamps->sends[stamps->first].end) >= 0) {
		const struct sent *sent = &stamps->sends[stamps->first];

		if (!gone && (sent->flags & SOF_TIMESTAMPING_TX_ACK))
			tell(sock, SCM_TSTAMP_ACK, sent->end);
		stamps->first = (stamps->first + 1) % SENDS;
		stamps->n--;
	}
}

void stamps_sent(struct sock *sock, uint32_t flags, bool again)
{
	struct sock_stamps *stamps;

	flags = (flags | sock->stamp_flags) & SOF_TIMESTAMPING_TX_RECORD_MASK;
	if (sock->stamps == NULL) {
		sock->stamps = queue_block(sock->set);
		if (sock->stamps == NULL)
			return;
		memset(stamps_of(sock->stamps), 0, sizeof(*stamps));
		sock->set->stamped++;
	}
	stamps = stamps_of(sock->stamps);
	if (again && stamps->n > 0) {
		stamps->sends[(stamps->first + stamps->n - 1) % SENDS].end = sock->queued;
		stamps->sends[(stamps->first + stamps->n - 1) % SENDS].left = false;
	} else if (stamps->n < SENDS) {
		stamps->sends[(stamps->first + stamps->n++) % SENDS] =
		        (struct sent){sock->queued, (uint16_t)flags, false};
	}
}

void stamps_drop(struct sock *sock)
{
	if (sock->stamps == NULL)
		return;
	queue_block_drop(sock->set, sock->stamps);
	sock->stamps = NULL;
	sock->set->stamped--;
}

bool stamps_wait(const struct sock *sock)
{
	return sock->stamps != NULL && stamps_of(sock->stamps)->news_n > 0;
}

void socks_clock(struct socks *set, uint64_t now)
{
	uint32_t left = set->stamped;

	set->now = now;
	for (uint32_t i = 0; left > 0 && i < set->n; i++) {
		if (set->all[i].kind == SOCK_KIND_FREE || set->all[i].stamps == NULL)
			continue;
		left--;
		look_at(&set->all[i]);
	}
}

/* ---- Told beside what is received ---- */

static struct timespec timespec_of(uint64_t ns)
{
	return (struct timespec){.tv_sec = (time_t)(ns / SECOND), .tv_nsec = (long)(ns % SECOND)};
}

size_t stamps_put(struct sock *sock, void *control, size_t room, size_t used, bool *cut)
{
	enum { SOFTWARE = SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE };
	struct scm_timestamping all = {.ts = {timespec_of(sock->arrived_ns)}};
	struct timeval micro = {.tv_sec = all.ts[0].tv_sec, .tv_usec = all.ts[0].tv_nsec / 1000};

	if (sock->arrived_ns == 0)
		return used;
	if (sock->stamp_kind == SO_TIMESTAMPNS)
		used = control_add(control, room, used, SOL_SOCKET, SO_TIMESTAMPNS, &all.ts[0],
		                   sizeof(all.ts[0]), cut);
	else if (sock->stamp_kind == SO_TIMESTAMP)
		used = control_add(control, room, used, SOL_SOCKET, SO_TIMESTAMP, &micro,
		                   sizeof(micro), cut);
	if ((sock->stamp_flags & SOFTWARE) == SOFTWARE)
		used = control_add(control, room, used, SOL_SOCKET, SO_TIMESTAMPING, &all,
		                   sizeof(all), cut);
	return used;
}

/* ---- The error queue ---- */

int stamps_errors(struct sock *sock, void *control, size_t room, size_t *used, bool *cut)
{
	struct sock_stamps *stamps = stamps_of(sock->stamps);
	const struct news *news = &stamps->news[stamps->news_first];
	struct scm_timestamping all = {.ts = {timespec_of(news->ns)}};
	struct sock_extended_err error = {.ee_errno = ENOMSG,
	                                  .ee_origin = SO_EE_ORIGIN_TIMESTAMPING,
	                                  .ee_info = news->type,
	                                  .ee_data = news->key};

	stamps->news_first = (stamps->news_first + 1) % NEWS;
	stamps->news_n--;
	*used = 0;
	if (sock->stamp_flags & SOF_TIMESTAMPING_SOFTWARE)
		*used = control_add(control, room, 0, SOL_SOCKET, SO_TIMESTAMPING, &all,
		                    sizeof(all), cut);
	*used = control_add_error(sock, control, room, *used, &error, cut);
	return sock->stamp_flags & SOF_TIMESTAMPING_OPT_TSONLY ? 0 : MSG_TRUNC;
}

/* ---- Options ---- */

int stamps_set(struct sock *sock, uint32_t flags)
{
	bool keyed = flags & SOF_TIMESTAMPING_OPT_ID;
	bool was = sock->stamp_flags & SOF_TIMESTAMPING_OPT_ID;

	if (flags & ~(uint32_t)FLAGS ||
	    ((flags & SOF_TIMESTAMPING_OPT_STATS) && !(flags & SOF_TIMESTAMPING_OPT_TSONLY)))
		return EINVAL;
	if (keyed && !was && sock->kind == SOCK_KIND_STREAM) {
		if (sock->conn == NULL || sock->ended)
			return EINVAL;
		sock->stamp_base = sock->queued;
		if (!(flags & OPT_ID_TCP))
			sock->stamp_base -= tcp_unacknowledged(sock->conn);
	}
	sock->stamp_flags = flags;
	sock->set->timed = true;
	return 0;
}
