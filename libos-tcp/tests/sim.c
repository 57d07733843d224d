/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The simulation: many runs on the virtual wire, each with parameters that follow from its seed.
 *
 *     sim [FIRST [COUNT]]     default: 1 400
 *     sim -v SEED             one seed, with its parameters and counters
 *
 * With $EDGE, the handler in front of the listening end, interpreted or compiled.
 *
 * A seed that fails is printed and replays by itself.
 */
#include <stdio.h>
#include <stdlib.h>

#include "wire.h"

static uint32_t draw(uint64_t *seed, uint32_t n)
{
	return (uint32_t)(wire_random(seed) % n);
}

static void draw_impairments(struct wire_params *params, uint64_t *seed)
{
	params->delay_ns = 100000ull << draw(seed, 11);
	if (draw(seed, 2))
		params->jitter_ns = params->delay_ns / (1 + draw(seed, 8));
	if (draw(seed, 2))
		params->loss = draw(seed, 800);
	if (draw(seed, 3) == 0)
		params->burst_loss = draw(seed, 100);
	if (draw(seed, 3) == 0)
		params->duplicate = draw(seed, 500);
	if (draw(seed, 3) == 0)
		params->corrupt = draw(seed, 300);
	if (draw(seed, 2)) {
		params->rate = 20000ull << draw(seed, 10);
		params->queue = 5 + draw(seed, 200);
		if (draw(seed, 2))
			params->mark_at = 3 + draw(seed, 20);
	}
	if (draw(seed, 4) == 0)
		params->hostile = draw(seed, 2000);
}

static void draw_config(struct tcp_config *config, uint64_t *seed)
{
	config->timestamps = draw(seed, 4) != 0;
	config->sack = draw(seed, 4) != 0;
	config->window_scaling = draw(seed, 4) != 0;
	config->congestion = (uint8_t)draw(seed, TCP_CONGESTIONS);
	config->ecn = (uint8_t)draw(seed, 3);
	config->cookies = (uint8_t)draw(seed, 3);
	config->segment_max = draw(seed, 3) == 0 ? 16384 : 0;
	config->gather = draw(seed, 2) == 0;
	if (draw(seed, 3) == 0)
		config->receive_buffer = 4096u << draw(seed, 6);
	if (draw(seed, 8) == 0)
		config->receive_buffer_max = config->receive_buffer;
	if (draw(seed, 8) == 0)
		config->records = 8 + draw(seed, 32);
	if (draw(seed, 8) == 0)
		config->arrivals = 16 + draw(seed, 64);
	if (draw(seed, 8) == 0)
		config->chunks = 4 + draw(seed, 16);
}

static struct wire_params params_of(uint64_t number)
{
	struct wire_params params = wire_params_default();
	uint64_t seed = number * 0x9e3779b97f4a7c15ull;

	params.seed = number;
	params.connections = draw(&seed, 4) == 0 ? 1 + draw(&seed, 20) : 1;
	for (unsigned end = 0; end < WIRE_ENDS; end++) {
		params.bytes[end] = draw(&seed, 4) == 0 ? draw(&seed, 100)
		                                        : draw(&seed, 300000 / params.connections);
		draw_config(&params.config[end], &seed);
	}
	draw_impairments(&params, &seed);
	/* What a cookie promised is forgotten after two minutes: no fair game on a bad line. */
	if (params.loss > 100 || params.burst_loss > 0 || params.rate != 0)
		for (unsigned end = 0; end < WIRE_ENDS; end++)
			params.config[end].cookies = TCP_COOKIES_NEEDED;
	params.write_max = draw(&seed, 2) ? 1 + draw(&seed, 20000) : 0;
	params.read_max = draw(&seed, 2) ? 1 + draw(&seed, 20000) : 0;
	params.stall = draw(&seed, 4) == 0 ? draw(&seed, 10) : 0;
	params.copy = draw(&seed, 2);
	params.family = draw(&seed, 2) ? 6 : 4;
	params.time_max = 100ull * 3600 * 1000000000;
	params.peer_first = number % 4 >= 2;
	params.front = number % 2 ? WIRE_COMPILED : WIRE_INTERPRETED;
	/* The first SYN of a second is the stack's. */
	if (getenv("EDGE") != NULL)
		params.connections += 4;
	params.late_end = getenv("EDGE") != NULL && number % 8 >= 4;
	return params;
}

static void print_params(const struct wire_params *p)
{
	printf("connections %u bytes %u %u delay %.1f ms jitter %.1f ms rate %llu queue %u mark "
	       "%u\n"
	       "loss %u burst %u duplicate %u corrupt %u hostile %u stall %u write %u read %u copy "
	       "%d family %u\n",
	       p->connections, p->bytes[0], p->bytes[1], (double)p->delay_ns / 1e6,
	       (double)p->jitter_ns / 1e6, (unsigned long long)p->rate, p->queue, p->mark_at,
	       p->loss, p->burst_loss, p->duplicate, p->corrupt, p->hostile, p->stall, p->write_max,
	       p->read_max, p->copy, p->family);
	for (unsigned end = 0; end < WIRE_ENDS; end++) {
		const struct tcp_config *c = &p->config[end];

		printf("end %u: ts %d sack %d ws %d cc %u ecn %u cookies %u tso %u rcv %u..%u "
		       "records %u arrivals %u chunks %u\n",
		       end, c->timestamps, c->sack, c->window_scaling, c->congestion, c->ecn,
		       c->cookies, c->segment_max, c->receive_buffer, c->receive_buffer_max,
		       c->records, c->arrivals, c->chunks);
	}
}

static int verbose(uint64_t number)
{
	struct wire_params params = params_of(number);
	struct wire_result result;

	print_params(&params);
	result = wire_run(&params);
	printf("%s after %.3f s, %llu packets, %llu lost\n",
	       result.failure != NULL ? result.failure : "all went well", (double)result.ns / 1e9,
	       (unsigned long long)result.packets, (unsigned long long)result.lost);
	printf("in front: %llu asked, %llu heard, %llu ended, %llu passed\n",
	       (unsigned long long)result.edge.asked, (unsigned long long)result.edge.heard,
	       (unsigned long long)result.edge.ended, (unsigned long long)result.edge.passed);
	for (unsigned i = 0; i < TCP_COUNTERS_N; i++) {
		uint64_t a = ((const uint64_t *)&result.counters[0])[i];
		uint64_t b = ((const uint64_t *)&result.counters[1])[i];

		if (a != 0 || b != 0)
			printf("  %-22s %10llu %10llu\n", tcp_counter_name(i),
			       (unsigned long long)a, (unsigned long long)b);
	}
	return result.failure != NULL;
}

int main(int argc, char **argv)
{
	uint64_t first = 1, count = 400, failures = 0;
	struct edge_counts all = {0};

	if (argc == 3 && strcmp(argv[1], "-v") == 0)
		return verbose(strtoull(argv[2], NULL, 0));
	if (argc > 1)
		first = strtoull(argv[1], NULL, 0);
	if (argc > 2)
		count = strtoull(argv[2], NULL, 0);
	for (uint64_t seed = first; seed < first + count; seed++) {
		struct wire_params params = params_of(seed);
		struct wire_result result = wire_run(&params);

		all.asked += result.edge.asked;
		all.heard += result.edge.heard;
		all.ended += result.edge.ended;
		if (result.failure == NULL)
			continue;
		printf("seed %llu: %s (replay: sim -v %llu)\n", (unsigned long long)seed,
		       result.failure, (unsigned long long)seed);
		if (++failures == 10)
			break;
	}
	printf("%llu seeds, %llu failed; in front: %llu asked, %llu heard, %llu ended\n",
	       (unsigned long long)count, (unsigned long long)failures,
	       (unsigned long long)all.asked, (unsigned long long)all.heard,
	       (unsigned long long)all.ended);
	return failures != 0 || (getenv("EDGE") != NULL && count > 10 && all.asked < count);
}
