/* SPDX-License-Identifier: BSD-2-Clause */
/* A stack's life: configuration, memory, clock; and what runs through it: timers. */
#include "internal.h"

enum {
	ALIGNMENT = 64,
	POOL_MAX = 1 << 24,
	CONNECTIONS_MAX = 1 << 22,
	BLOCK_MIN = 64,
	BLOCK_MAX = 65536,
};

static const char *const counter_names[] = {
#define TCP_COUNTER_NAME(name) #name,
        TCP_COUNTERS(TCP_COUNTER_NAME)
#undef TCP_COUNTER_NAME
};

_Static_assert(sizeof counter_names / sizeof counter_names[0] == TCP_COUNTERS_N,
               "one name for each counter");

const char *tcp_counter_name(unsigned i)
{
	return i < TCP_COUNTERS_N ? counter_names[i] : NULL;
}

struct tcp_config tcp_config_default(void)
{
	return (struct tcp_config){
	        .connections = 4096,
	        .requests = 1024,
	        .time_waits = 4096,
	        .listeners = 16,
	        .chunks = 8192,
	        .records = 16384,
	        .actives = 4096,
	        .arrivals = 8192,
	        .blocks = 1024,
	        .block_bytes = TCP_BLOCK_BYTES,
	        .port_first = 32768,
	        .port_last = 60999,
	        .receive_buffer = 131072,
	        .receive_buffer_max = 6291456,
	        .send_buffer = 87040,
	        .send_buffer_max = 4194304,
	        .congestion = TCP_CONGESTION_CUBIC,
	        .ecn = TCP_ECN_PASSIVE,
	        .cookies = TCP_COOKIES_NEEDED,
	        .fast_open = TCP_FAST_CLIENT | TCP_FAST_SERVER,
	        .timestamps = true,
	        .window_scaling = true,
	        .sack = true,
	        .slow_start_after_idle = true,
	        .black_holes = true,
	        .syn_retries = 6,
	        .synack_retries = 5,
	        .retries = 15,
	        .orphan_retries = 8,
	        .initial_window = 10,
	        .rto_min_ms = 200,
	        .rto_initial_ms = 1000,
	        .rto_max_ms = 120000,
	        .time_wait_ms = 60000,
	        .fin_wait_ms = 60000,
	        .keepalive_idle = 7200,
	        .keepalive_interval = 75,
	        .keepalive_count = 9,
	        .challenge_rate = 1000,
	        .reset_rate = 1000,
	};
}

static bool pool_size_valid(uint32_t n)
{
	return n >= 1 && n <= POOL_MAX;
}

static bool config_valid(const struct tcp_config *config)
{
	return pool_size_valid(config->connections) && config->connections <= CONNECTIONS_MAX &&
	       pool_size_valid(config->requests) && pool_size_valid(config->time_waits) &&
	       pool_size_valid(config->listeners) && pool_size_valid(config->chunks) &&
	       pool_size_valid(config->records) && pool_size_valid(config->arrivals) &&
	       pool_size_valid(config->actives) && config->blocks <= POOL_MAX &&
	       config->block_bytes >= BLOCK_MIN && config->block_bytes <= BLOCK_MAX &&
	       config->block_bytes % 8 == 0 && config->port_first >= 1 &&
	       config->port_first <= config->port_last && config->segment_max <= 65495 &&
	       config->congestion < TCP_CONGESTIONS && config->ecn <= TCP_ECN_PASSIVE &&
	       config->cookies <= TCP_COOKIES_ALWAYS && config->receive_buffer >= 2048 &&
	       config->receive_buffer <= config->receive_buffer_max &&
	       config->receive_buffer_max <= 1u << 30 && config->send_buffer >= 1 &&
	       config->send_buffer <= config->send_buffer_max &&
	       config->send_buffer_max <= 1u << 30 && config->initial_window >= 1 &&
	       config->initial_window <= 1000 && config->rto_min_ms >= 1 &&
	       config->rto_min_ms <= config->rto_initial_ms &&
	       config->rto_initial_ms <= config->rto_max_ms && config->rto_max_ms <= 1000000 &&
	       config->time_wait_ms >= 1 && config->fin_wait_ms >= 1;
}

static size_t aligned(size_t size)
{
	return (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
}

static uint32_t buckets(uint32_t entries)
{
	uint32_t n = 16;

	while (n < entries)
		n *= 2;
	return n;
}

/* The memory is laid out by one function: with `base` 0 it only counts. */
struct layout {
	uint8_t *base;
	size_t at;
};

static void *take(struct layout *layout, size_t size)
{
	size_t at = layout->at;

	layout->at += aligned(size);
	return layout->base != NULL ? layout->base + at : NULL;
}

static void *take_pool(struct layout *layout, struct pool *pool, uint32_t n, size_t size)
{
	uint8_t *memory = take(layout, (size_t)n * size);

	if (memory == NULL)
		return NULL;
	*pool = (struct pool){.max = n};
	for (uint32_t i = n; i-- > 0;) {
		void **element = (void **)(void *)(memory + (size_t)i * size);

		*element = pool->free;
		pool->free = element;
	}
	return memory;
}

static void *take_table(struct layout *layout, uint32_t entries, uint32_t *mask)
{
	uint32_t n = buckets(entries);
	void *table = take(layout, n * sizeof(void *));

	if (table != NULL) {
		memset(table, 0, n * sizeof(void *));
		*mask = n - 1;
	}
	return table;
}

static void lay_out(struct layout *layout, struct tcp_stack *s, const struct tcp_config *config)
{
	(void)take(layout, sizeof *s);
	s->conns = take_table(layout, config->connections, &s->conn_mask);
	s->requests = take_table(layout, config->requests, &s->request_mask);
	s->timewaits = take_table(layout, config->time_waits, &s->timewait_mask);
	s->conn_memory =
	        take_pool(layout, &s->conn_pool, config->connections, sizeof(struct tcp_conn));
	s->busies =
	        config->busy_times ? take(layout, config->connections * sizeof(struct busy)) : NULL;
	(void)take_pool(layout, &s->request_pool, config->requests, sizeof(struct request));
	(void)take_pool(layout, &s->timewait_pool, config->time_waits, sizeof(struct timewait));
	(void)take_pool(layout, &s->listener_pool, config->listeners, sizeof(struct tcp_listener));
	(void)take_pool(layout, &s->chunk_pool, config->chunks, sizeof(struct tcp_chunk));
	(void)take_pool(layout, &s->record_pool, config->records, sizeof(struct record));
	(void)take_pool(layout, &s->arrival_pool, config->arrivals, sizeof(struct arrival));
	(void)take_pool(layout, &s->active_pool, config->actives, sizeof(struct active));
	(void)take_pool(layout, &s->block_pool, config->blocks, config->block_bytes);
}

size_t tcp_stack_bytes(const struct tcp_config *config)
{
	struct layout layout = {.base = NULL};
	struct tcp_stack none;

	if (!config_valid(config))
		return 0;
	lay_out(&layout, &none, config);
	return layout.at;
}

static void draw(struct tcp_stack *stack, uint64_t *words, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		words[i] = stack->ops.random(stack->context);
}

struct tcp_stack *tcp_stack_create(void *memory, size_t size, const struct tcp_config *config,
                                   const struct tcp_ops *ops, void *context, uint64_t now)
{
	struct layout layout = {.base = memory};
	struct tcp_stack *stack = memory;
	size_t bytes = tcp_stack_bytes(config);

	if (bytes == 0 || size < bytes || (uintptr_t)memory % ALIGNMENT != 0)
		return NULL;
	memset(stack, 0, sizeof *stack);
	lay_out(&layout, stack, config);
	stack->config = *config;
	stack->ops = *ops;
	stack->context = context;
	draw(stack, stack->lookup_secret, 3);
	draw(stack, stack->isn_secret, 2);
	draw(stack, stack->ts_secret, 2);
	draw(stack, stack->cookie_secret, 2);
	draw(stack, stack->port_secret, 2);
	fastopen_set_key(stack);
	wheel_init(&stack->wheel, now);
	tcp_stack_clock(stack, now);
	return stack;
}

/* Connections that live are those whose state or owner says so; a free one has neither. */
void tcp_stack_destroy(struct tcp_stack *stack)
{
	for (uint32_t i = 0; i < stack->conn_pool.max; i++) {
		struct tcp_conn *conn = &stack->conn_memory[i];

		if (conn->stack != stack)
			continue;
		receive_drop_all(conn);
		record_drop_all(conn);
		chunks_drop_all(conn);
		conn->stack = NULL;
	}
}

void tcp_stack_clock(struct tcp_stack *stack, uint64_t now)
{
	if (now <= stack->now && stack->now != 0)
		return;
	stack->now = now;
	stack->us = (uint32_t)(now / NS_PER_US);
	stack->ms = (uint32_t)(now / NS_PER_MS);
}

uint64_t tcp_stack_run(struct tcp_stack *stack)
{
	struct timer *timer;

	input_late(stack);
	conn_scatter(stack);
	while ((timer = wheel_due(&stack->wheel, stack->now)) != NULL) {
		uint8_t *at = (uint8_t *)timer;

		if (timer->kind == TIMER_CONN)
			timer_fire(
			        (struct tcp_conn *)(void *)(at - offsetof(struct tcp_conn, timer)));
		else
			listen_timer(
			        (struct request *)(void *)(at - offsetof(struct request, timer)));
	}
	edge_run(stack);
	listen_run(stack);
	(void)timewait_run(stack);
	return tcp_stack_deadline(stack);
}

bool tcp_stack_rests(const struct tcp_stack *stack, uint64_t told)
{
	return stack->n_gathered == 0 && stack->late_conn == NULL && stack->wheel.next >= told &&
	       (stack->request_oldest == NULL || stack->request_oldest->expires >= told) &&
	       (stack->edge.look_at == 0 || stack->edge.look_at >= told) &&
	       (stack->timewait_oldest == NULL || stack->timewait_oldest->expires >= told);
}

const uint32_t *tcp_stack_awaits(const struct tcp_stack *stack)
{
	return &stack->awaits;
}

uint64_t tcp_stack_deadline(const struct tcp_stack *stack)
{
	uint64_t deadline = stack->late_conn != NULL ? stack->now : wheel_deadline(&stack->wheel);

	if (stack->n_gathered > 0)
		deadline = min_u64(deadline, stack->gather_until);
	if (stack->timewait_oldest != NULL)
		deadline = min_u64(deadline, stack->timewait_oldest->expires);
	if (stack->request_oldest != NULL)
		deadline = min_u64(deadline, stack->request_oldest->expires);
	if (stack->edge.look_at != 0)
		deadline = min_u64(deadline, stack->edge.look_at);
	return deadline;
}

const struct tcp_config *tcp_stack_config(const struct tcp_stack *stack)
{
	return &stack->config;
}

int tcp_stack_configure(struct tcp_stack *stack, const struct tcp_config *config)
{
	if (!config_valid(config) || tcp_stack_bytes(config) != tcp_stack_bytes(&stack->config) ||
	    config->block_bytes != stack->config.block_bytes)
		return -TCP_EINVAL;
	stack->config = *config;
	fastopen_set_key(stack);
	doors_changed(stack);
	return 0;
}

const struct tcp_counters *tcp_stack_counters(const struct tcp_stack *stack)
{
	return &stack->count;
}

struct tcp_usage tcp_stack_usage(const struct tcp_stack *stack)
{
	return (struct tcp_usage){.connections = stack->conn_pool.used,
	                          .requests = stack->request_pool.used,
	                          .time_waits = stack->timewait_pool.used,
	                          .chunks = stack->chunk_pool.used,
	                          .records = stack->record_pool.used,
	                          .arrivals = stack->arrival_pool.used,
	                          .blocks = stack->block_pool.used,
	                          .actives = stack->active_pool.used};
}

void *pool_get(struct pool *pool)
{
	void **element = pool->free;

	if (unlikely(element == NULL))
		return NULL;
	pool->free = *element;
	pool->used++;
	return element;
}

void pool_put(struct pool *pool, void *element)
{
	*(void **)element = pool->free;
	pool->free = element;
	pool->used--;
}

bool limiter_allows(struct tcp_stack *stack, struct limiter *limiter, uint32_t rate)
{
	if (stack->ms - limiter->second_ms >= 1000) {
		limiter->second_ms = stack->ms;
		limiter->count = 0;
	}
	return limiter->count++ < rate;
}
