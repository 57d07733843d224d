/* SPDX-License-Identifier: BSD-2-Clause */
/* The application's side of sending: a queue of references to its bytes. */
#include "internal.h"

enum {
	BURST_MAX = 65000,
	SPACE_FACTOR = 2, /* congestion windows that the send buffer grows to */
	BUFFER_SEGMENTS = 4,
	BUFFER_OVERHEAD = 640, /* what Linux counts for each of its buffers, beside the data */
};

static struct tcp_chunk *chunk_append(struct tcp_conn *conn, const void *data, uint32_t size)
{
	struct tcp_chunk *chunk = pool_get(&conn->stack->chunk_pool);

	if (chunk == NULL)
		return NULL;
	*chunk = (struct tcp_chunk){.data = data,
	                            .seq = conn->snd_end,
	                            .size = size,
	                            .references = 1,
	                            .stack = conn->stack};
	if (conn->chunks_last != NULL)
		conn->chunks_last->next = chunk;
	else
		conn->chunks = chunk;
	conn->chunks_last = chunk;
	if (conn->chunk_next == NULL)
		conn->chunk_next = chunk;
	conn->snd_end += size;
	return chunk;
}

void starve(struct tcp_conn *conn)
{
	struct tcp_stack *stack = conn->stack;

	if (conn->starved)
		return;
	conn->starved = 1;
	conn->starved_next = NULL;
	if (stack->starved_last != NULL)
		stack->starved_last->starved_next = conn;
	else
		stack->starved = conn;
	stack->starved_last = conn;
}

void starve_forget(struct tcp_conn *conn)
{
	struct tcp_stack *stack = conn->stack;
	struct tcp_conn *at = stack->starved, *prev = NULL;

	if (!conn->starved)
		return;
	conn->starved = 0;
	for (; at != conn; at = at->starved_next)
		prev = at;
	if (prev != NULL)
		prev->starved_next = conn->starved_next;
	else
		stack->starved = conn->starved_next;
	if (stack->starved_last == conn)
		stack->starved_last = prev;
}

void starve_feed(struct tcp_stack *stack)
{
	uint32_t n = stack->chunk_pool.max - stack->chunk_pool.used;

	if (stack->feeding)
		return;
	stack->feeding = true;
	/* Blocks come back with their chunks; whoever finds too little waits again. */
	for (; n > 0 && stack->starved != NULL && stack->chunk_pool.free != NULL; n--) {
		struct tcp_conn *conn = stack->starved;

		starve_forget(conn);
		conn->events |= TCP_EVENT_WRITABLE;
		conn_kick(conn);
	}
	stack->feeding = false;
}

static int check_sendable(const struct tcp_conn *conn)
{
	if (conn->state == TCP_STATE_CLOSED || conn->fin_queued)
		return -TCP_EPIPE;
	return 0;
}

/* What every way of sending begins with. Only who models the path asks what limited its samples. */
static inline void begin_queueing(struct tcp_conn *conn)
{
	if (unlikely(conn->options.congestion == TCP_CONGESTION_BBR))
		rate_check_limited(conn);
}

/* What every way of sending ends with. */
static void queued(struct tcp_conn *conn, unsigned flags)
{
	struct tcp_chunk *last = conn->chunks_last;

	conn->options.release = false;
	if (last != NULL && !(flags & TCP_SEND_MORE))
		last->flags |= CHUNK_PUSH;
	else if (last != NULL)
		last->flags &= ~(uint32_t)CHUNK_PUSH; /* it has grown */
	if (last != NULL && (flags & TCP_SEND_RECORD)) {
		last->flags |= CHUNK_RECORD;
		last->room = 0;
	}
	if (flags & TCP_SEND_URGENT) {
		conn->urgent_out = 1;
		conn->urgent_out_seq = conn->snd_end;
	}
	conn->sent_told = 0;
	if (conn->snd_end != conn->snd_una)
		busy_begin(conn, BUSY_SENDING);
	if (flags & TCP_SEND_END) {
		(void)tcp_shutdown(conn);
		return;
	}
	conn_kick(conn);
}

/* `flags`: enum chunk_flags. */
static struct tcp_chunk *reference(struct tcp_conn *conn, const void *data, uint32_t size,
                                   uint32_t flags, int *result)
{
	struct tcp_chunk *chunk;

	*result = check_sendable(conn);
	/* Sequence numbers in use must not come near half of their space. */
	if (*result == 0 &&
	    (size == 0 || size > 1u << 30 || conn->snd_end - conn->snd_una > 1u << 30))
		*result = -TCP_EINVAL;
	if (*result != 0)
		return NULL;
	begin_queueing(conn);
	chunk = chunk_append(conn, data, size);
	if (chunk != NULL) {
		chunk->flags = flags;
		return chunk;
	}
	starve(conn);
	*result = -TCP_ENOBUFS;
	return NULL;
}

int tcp_send(struct tcp_conn *conn, const void *data, uint32_t size, tcp_release_fn *release,
             void *context, unsigned flags)
{
	int result;
	struct tcp_chunk *chunk =
	        reference(conn, data, size, release == NULL ? CHUNK_STATIC : 0, &result);

	if (chunk == NULL)
		return result;
	chunk->release = release;
	chunk->context = context;
	queued(conn, flags);
	return 0;
}

int tcp_send_summed(struct tcp_conn *conn, const void *data, uint32_t size, uint16_t sum,
                    tcp_release_fn *release, void *context, unsigned flags)
{
	uint32_t kind = CHUNK_SUMMED | (release == NULL ? CHUNK_STATIC : 0);
	int result;
	struct tcp_chunk *chunk = reference(conn, data, size, kind, &result);

	if (chunk == NULL)
		return result;
	chunk->release = release;
	chunk->context = context;
	chunk->sum = sum;
	queued(conn, flags);
	return 0;
}

int tcp_send_content(struct tcp_conn *conn, const struct tcp_content *content, uint32_t from,
                     uint32_t size, unsigned flags)
{
	struct tcp_chunk *chunk;
	int result = -TCP_EINVAL;

	if (from > content->size || size > content->size - from)
		return result;
	chunk = reference(conn, (const uint8_t *)content->data + from, size, CHUNK_STATIC, &result);
	if (chunk == NULL)
		return result;
	chunk->content = content;
	queued(conn, flags);
	return 0;
}

static struct tcp_chunk *block_append(struct tcp_conn *conn)
{
	void *block = pool_get(&conn->stack->block_pool);
	struct tcp_chunk *chunk;

	if (block == NULL)
		return NULL;
	chunk = chunk_append(conn, block, 0);
	if (chunk == NULL) {
		pool_put(&conn->stack->block_pool, block);
		return NULL;
	}
	chunk->flags = CHUNK_BLOCK;
	chunk->context = block;
	chunk->room = conn->stack->config.block_bytes;
	return chunk;
}

/* Copies as much as the last block, or a new one, takes. */
static uint32_t copy_some(struct tcp_conn *conn, const uint8_t *data, uint32_t size)
{
	struct tcp_chunk *chunk = conn->chunks_last;
	uint32_t n;

	if (chunk == NULL || !(chunk->flags & CHUNK_BLOCK) || chunk->room == 0)
		chunk = block_append(conn);
	if (chunk == NULL)
		return 0;
	n = min_u32(size, chunk->room);
	memcpy((uint8_t *)chunk->context + (conn->stack->config.block_bytes - chunk->room), data,
	       n);
	chunk->size += n;
	chunk->room -= n;
	conn->snd_end += n;
	if (conn->chunk_next == NULL)
		conn->chunk_next = chunk;
	return n;
}

static uint32_t buffer_size(const struct tcp_conn *conn)
{
	const struct tcp_config *config = &conn->stack->config;
	uint32_t wanted;

	if (conn->options.send_buffer != 0)
		return conn->options.send_buffer;
	wanted = min_u32(conn->cwnd, config->send_buffer_max) * conn->mss;
	return min_u32(max_u32(wanted * SPACE_FACTOR, config->send_buffer),
	               config->send_buffer_max);
}

/* What Linux would put into one buffer: whole segments, of half the peer's window at most. */
static uint32_t burst_size(const struct tcp_conn *conn)
{
	uint32_t window = conn->snd_max_wnd, mss = output_limit(conn);
	uint32_t half = window > MSS_DEFAULT ? window / 2 : window != 0 ? window : BURST_MAX;

	return max_u32(min_u32(half, BURST_MAX) / mss, 1) * mss;
}

/* Room in the buffer that was begun, which is filled however much waits (TCP_NOTSENT_LOWAT). */
static uint32_t burst_room(const struct tcp_conn *conn)
{
	uint32_t size = burst_size(conn), begun = unsent(conn) % size;

	return begun != 0 ? size - begun : 0;
}

/* What so many bytes count, as Linux does, which cuts what it sends into buffers of some segments.
 */
static __attribute__((noinline)) uint32_t count_buffers(const struct tcp_conn *conn, uint32_t used)
{
	uint32_t left = unsent(conn), burst = burst_size(conn);
	uint32_t each = min_u32(burst, BUFFER_SEGMENTS * output_limit(conn));

	return used + BUFFER_OVERHEAD * ((left + burst - 1) / burst +
	                                 (used - min_u32(used, left) + each - 1) / each);
}

/* What counts against the send buffer. Few applications give its size. */
static uint32_t buffer_used(const struct tcp_conn *conn)
{
	uint32_t used = conn->snd_end - conn->snd_una;

	return likely(conn->options.send_buffer == 0) ? used : count_buffers(conn, used);
}

static uint32_t space(const struct tcp_conn *conn)
{
	uint32_t used = buffer_used(conn), size = buffer_size(conn);

	if (conn->options.not_sent_low != 0 && unsent(conn) >= conn->options.not_sent_low)
		return 0;
	return used < size ? size - used : 0;
}

uint32_t tcp_send_space(struct tcp_conn *conn)
{
	uint32_t n;

	if (check_sendable(conn) != 0)
		return 0;
	n = space(conn);
	if (n == 0)
		conn->want_space = 1;
	return n;
}

bool tcp_send_ready(struct tcp_conn *conn)
{
	uint32_t low = conn->options.not_sent_low;

	/* Half of what may wait unsent must be free likewise: no waking for each segment. */
	if (check_sendable(conn) != 0 || (3 * (uint64_t)space(conn) >= buffer_size(conn) &&
	                                  (low == 0 || 2 * (uint64_t)unsent(conn) < low)))
		return true;
	conn->want_space = 1;
	return false;
}

/* How much may be copied before something must be sent. */
static uint32_t next_room(const struct tcp_conn *conn)
{
	uint32_t begun = burst_room(conn), used = buffer_used(conn);
	uint32_t left = buffer_size(conn) > used ? buffer_size(conn) - used : 0;
	uint32_t next = begun != 0 ? begun : space(conn) != 0 ? burst_size(conn) : 0;

	if (conn->options.send_buffer != 0) /* what was begun is filled; so is the last one */
		return next;
	return conn->options.not_sent_low == 0 ? left : min_u32(left, next);
}

static uint32_t copy_all(struct tcp_conn *conn, const uint8_t *data, uint32_t size)
{
	uint32_t done = 0, n;

	while (done < size && (n = copy_some(conn, data + done, size - done)) > 0)
		done += n;
	if (done < size)
		starve(conn);
	return done;
}

int64_t tcp_send_copy(struct tcp_conn *conn, const void *data, uint32_t size, unsigned flags)
{
	unsigned last = TCP_SEND_END | TCP_SEND_RECORD, more = (flags & ~last) | TCP_SEND_MORE;
	int result = check_sendable(conn);
	uint32_t done = 0, n;

	if (result != 0)
		return result;
	begin_queueing(conn);
	n = copy_all(conn, data, min_u32(size, next_room(conn)));
	while ((done += n) < size && n > 0 &&
	       (conn->options.not_sent_low != 0 || conn->options.send_buffer != 0)) {
		queued(conn, more);
		if (check_sendable(conn) != 0)
			return done;
		n = copy_all(conn, (const uint8_t *)data + done,
		             min_u32(size - done, next_room(conn)));
	}
	if (done < size) {
		conn->want_space = 1;
		flags &= ~last;
	}
	if (done > 0 || (flags & TCP_SEND_END))
		queued(conn, flags);
	return done;
}

uint32_t tcp_unacknowledged(const struct tcp_conn *conn)
{
	return conn->snd_end - conn->snd_una + (uint32_t)(conn->fin_acked ? 1 : 0);
}

uint32_t tcp_unsent(const struct tcp_conn *conn)
{
	return unsent(conn);
}

/* The chunk that `seq` lies in. Most often the one where new data begins, or the first. */
static struct tcp_chunk *find(struct tcp_conn *conn, uint32_t seq)
{
	struct tcp_chunk *chunk = conn->chunk_next;

	if (chunk == NULL || seq_lt(seq, chunk->seq))
		chunk = conn->chunks;
	while (chunk != NULL && seq - chunk->seq >= chunk->size)
		chunk = chunk->next;
	return chunk;
}

uint32_t chunks_gather(struct tcp_conn *conn, uint32_t seq, uint32_t size, struct tcp_piece *pieces,
                       uint8_t *n)
{
	struct tcp_chunk *chunk = find(conn, seq);
	uint32_t left = size;

	if (seq == conn->snd_nxt && chunk != NULL)
		conn->chunk_next = chunk;
	for (*n = 0; left > 0 && chunk != NULL && *n < TCP_PIECES_MAX; chunk = chunk->next) {
		uint32_t from = seq - chunk->seq;
		uint32_t some = min_u32(chunk->size - from, left);

		if (some == 0)
			continue;
		pieces[(*n)++] = (struct tcp_piece){
		        .data = chunk->data + from,
		        .size = some,
		        .sum = chunk->sum,
		        .summed = chunk->flags & CHUNK_SUMMED && some == chunk->size,
		        .content = chunk->content,
		        .chunk = chunk->flags & CHUNK_STATIC ? NULL : chunk};
		seq += some;
		left -= some;
	}
	return size - left;
}

uint32_t chunks_bound(struct tcp_conn *conn, uint32_t seq, uint32_t size)
{
	struct tcp_chunk *chunk = find(conn, seq);
	uint32_t covered = 0;

	for (unsigned i = 0; chunk != NULL && i < TCP_PIECES_MAX && covered < size; i++) {
		covered = chunk->seq + chunk->size - seq;
		chunk = chunk->flags & CHUNK_RECORD ? NULL : chunk->next;
	}
	return min_u32(covered, size);
}

bool chunks_held_back(const struct tcp_conn *conn)
{
	/* "More follows" holds until the peer says anything but more of its data; a cork holds on.
	 */
	if (conn->options.release)
		return false;
	return conn->options.cork || (!conn->answering && conn->chunks_last != NULL &&
	                              !(conn->chunks_last->flags & CHUNK_PUSH));
}

bool chunks_pushed(struct tcp_conn *conn, uint32_t end)
{
	struct tcp_chunk *chunk;

	if (end == conn->snd_end)
		return conn->chunks_last == NULL || (conn->chunks_last->flags & CHUNK_PUSH) ||
		       conn->fin_queued;
	chunk = find(conn, end - 1);
	return chunk != NULL && (chunk->flags & CHUNK_PUSH) && chunk->seq + chunk->size == end;
}

/* Takes the first chunk off the queue. */
static void chunk_drop(struct tcp_conn *conn)
{
	struct tcp_chunk *chunk = conn->chunks;

	conn->chunks = chunk->next;
	if (conn->chunks == NULL)
		conn->chunks_last = NULL;
	if (conn->chunk_next == chunk)
		conn->chunk_next = chunk->next;
	tcp_chunk_release(chunk);
}

void chunks_acked(struct tcp_conn *conn)
{
	while (conn->chunks != NULL &&
	       seq_le(conn->chunks->seq + conn->chunks->size, conn->snd_una))
		chunk_drop(conn);
	if (conn->want_space && 3 * (uint64_t)space(conn) >= buffer_size(conn)) {
		conn->want_space = 0;
		busy_end(conn, BUSY_BUFFER);
		conn->events |= TCP_EVENT_WRITABLE;
	}
	if (seq_le(conn->snd_end, conn->snd_una) && !conn->sent_told) {
		conn->sent_told = 1;
		conn->events |= TCP_EVENT_SENT;
	}
}

void chunks_drop_all(struct tcp_conn *conn)
{
	while (conn->chunks != NULL)
		chunk_drop(conn);
}
