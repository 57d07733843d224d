/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two stacks on a virtual wire under virtual time: loss, reordering, duplication and corruption,
 * all drawn from a seed. One sends datagrams of every size, the other answers them in place.
 *
 * What must hold for every seed: an answer carries exactly what was asked; on a wire without faults
 * each question has exactly one answer; no buffer is lost; whatever happens ends.
 *
 *     sim [FIRST [COUNT]]     seeds FIRST … FIRST + COUNT - 1; a failure names its seed
 */
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"

enum {
	WIRE_MAX = 512, /* frames under way */
	QUESTIONS = 60, /* of one run */
	SIZE_MAX_ASKED = 6000,
	STEPS_MAX = 200000,
};

#define MS 1000000ull

struct flight {
	uint64_t arrives;
	struct bench *to;
	struct bench_frame frame;
};

struct world {
	struct bench a, b;
	struct udp_socket client, server;
	uint64_t seed, now, next_question;
	unsigned loss, duplicate, corrupt; /* of 1,000 frames */
	uint64_t jitter;
	struct flight wire[WIRE_MAX];
	unsigned n_wire;
	unsigned asked, answers[QUESTIONS];
	bool wrong;
};

static uint8_t pattern(unsigned question, unsigned i)
{
	return (uint8_t)(question * 31 + i * 7 + i / 256);
}

/* Sizes around the limits of one frame are the interesting ones. */
static uint32_t size_of(unsigned question)
{
	static const uint32_t edges[] = {4, 5, 17, 1471, 1472, 1473, 2952, 2953, SIZE_MAX_ASKED};
	uint64_t seed = question + 1;

	if (question % 3 == 0)
		return edges[question / 3 % (sizeof edges / sizeof edges[0])];
	return 4 + (uint32_t)(bench_random(&seed) % (SIZE_MAX_ASKED - 4));
}

static void answer(struct udp_socket *socket, struct udp_datagram *datagram)
{
	udp_socket_reply(socket, datagram, datagram->size);
}

static void check(struct udp_socket *socket, struct udp_datagram *datagram)
{
	struct world *world = socket->context;
	uint32_t question;

	if (datagram->size < 4) {
		world->wrong = true;
		return;
	}
	question = wire_get32(datagram->data);
	if (question >= world->asked || datagram->size != size_of(question)) {
		world->wrong = true;
		return;
	}
	for (uint32_t i = 4; i < datagram->size; i++)
		if (datagram->data[i] != pattern(question, i))
			world->wrong = true;
	world->answers[question]++;
}

static void ask(struct world *world)
{
	static uint8_t data[SIZE_MAX_ASKED];
	uint32_t size = size_of(world->asked);

	wire_put32(data, world->asked);
	for (uint32_t i = 4; i < size; i++)
		data[i] = pattern(world->asked, i);
	udp_socket_send_copy(&world->client, data, size, NULL);
	world->asked++;
	world->next_question = world->asked < QUESTIONS ? world->now + 20 * MS : UINT64_MAX;
}

static bool chance(struct world *world, unsigned of_1000)
{
	return bench_random(&world->seed) % 1000 < of_1000;
}

/* Sets one bit that was clear. Checksums always notice that, even in several fragments of one
 * datagram, where a set and a cleared bit could cancel out: nothing wrong may be delivered. */
static void corrupt(struct world *world, struct bench_frame *frame)
{
	uint64_t bits = frame->size * 8ull, bit = bench_random(&world->seed) % bits;

	while (frame->data[bit / 8] >> bit % 8 & 1)
		bit = (bit + 1) % bits;
	frame->data[bit / 8] |= (uint8_t)(1 << bit % 8);
}

static void launch(struct world *world, struct bench *to, const struct bench_frame *frame)
{
	struct flight *flight = &world->wire[world->n_wire];
	uint64_t delay = 1 * MS;

	if (world->n_wire == WIRE_MAX)
		return;
	if (world->jitter > 0)
		delay += bench_random(&world->seed) % world->jitter;
	flight->arrives = world->now + delay;
	flight->to = to;
	flight->frame.size = frame->size;
	flight->frame.data = malloc(frame->size);
	if (flight->frame.data == NULL)
		abort();
	memcpy(flight->frame.data, frame->data, frame->size);
	if (chance(world, world->corrupt))
		corrupt(world, &flight->frame);
	world->n_wire++;
}

static void collect(struct world *world, struct bench *from, struct bench *to)
{
	for (unsigned i = 0; i < from->n_tray; i++) {
		if (!chance(world, world->loss))
			launch(world, to, &from->tray[i]);
		if (chance(world, world->duplicate))
			launch(world, to, &from->tray[i]);
	}
	bench_empty_tray(from);
}

/* Frames sent at the same moment arrive in the order in which they were sent. */
static struct flight *earliest(struct world *world)
{
	struct flight *best = NULL;

	for (unsigned i = 0; i < world->n_wire; i++)
		if (best == NULL || world->wire[i].arrives < best->arrives)
			best = &world->wire[i];
	return best;
}

static void land(struct world *world, struct flight *flight)
{
	struct flight copy = *flight;

	world->n_wire--;
	memmove(flight, flight + 1,
	        (size_t)(world->wire + world->n_wire - flight) * sizeof *flight);
	bench_input(copy.to, copy.frame.data, copy.frame.size);
	free(copy.frame.data);
}

/* Time goes on to the next thing that happens. false: nothing will. */
static bool step(struct world *world)
{
	uint64_t deadline_a = udp_stack_run(world->a.stack);
	uint64_t deadline_b = udp_stack_run(world->b.stack);
	struct flight *flight;
	uint64_t next;

	collect(world, &world->a, &world->b);
	collect(world, &world->b, &world->a);
	flight = earliest(world);
	next = deadline_a < deadline_b ? deadline_a : deadline_b;
	if (world->next_question < next)
		next = world->next_question;
	if (flight != NULL && flight->arrives < next)
		next = flight->arrives;
	if (next == UINT64_MAX)
		return false;
	if (next > world->now)
		world->now = next;
	world->a.now = world->b.now = world->now;
	if (flight != NULL && flight->arrives <= world->now)
		land(world, flight);
	if (world->next_question <= world->now)
		ask(world);
	return true;
}

/* Every other seed speaks IPv6. */
static struct udp_ip address_of(uint64_t seed, uint8_t host)
{
	struct udp_ip six = {.family = 6, .bytes = {0xfd, 0x51, [15] = host}};

	return seed / 4 % 2 != 0 ? six : udp_ip4(0x0a000000u + host);
}

static void open_end(struct world *world, struct bench *bench, const uint8_t *mac,
                     struct udp_ip address)
{
	struct udp_config config = udp_config_default();

	config.reassemblies = 16;
	bench_open_bare(bench, &config, mac, bench_random(&world->seed));
	if (udp_address_add(bench->stack, 0, &address, 24) != 0)
		abort();
}

static void open_world(struct world *world, uint64_t seed)
{
	*world = (struct world){.seed = seed, .now = 1000 * MS};
	/* One seed in four has a perfect wire. */
	if (seed % 4 != 0) {
		world->loss = (unsigned)(bench_random(&world->seed) % 200);
		world->duplicate = (unsigned)(bench_random(&world->seed) % 200);
		world->corrupt = (unsigned)(bench_random(&world->seed) % 100);
		world->jitter = bench_random(&world->seed) % (30 * MS);
	}
	open_end(world, &world->a, bench_mac, address_of(seed, 1));
	open_end(world, &world->b, bench_peer, address_of(seed, 2));
	world->client = (struct udp_socket){
	        .receive = check, .context = world, .remote = {address_of(seed, 2), 7}};
	world->server = (struct udp_socket){.receive = answer, .local.port = 7};
	if (udp_socket_open(world->a.stack, &world->client) != 0 ||
	    udp_socket_open(world->b.stack, &world->server) != 0)
		abort();
	world->next_question = world->now;
}

static const char *judge(const struct world *world, uint64_t seed)
{
	if (world->wrong)
		return "an answer differs from its question";
	for (unsigned i = 0; i < QUESTIONS && seed % 4 == 0; i++)
		if (world->answers[i] != 1)
			return "a perfect wire lost or doubled an answer";
	if (world->a.buffers != 0 || world->b.buffers != 0)
		return "buffers were lost";
	if (world->a.lost + world->b.lost > 0)
		return "more frames at once than a tray holds";
	return NULL;
}

static unsigned run(uint64_t seed)
{
	static struct world world;
	const char *fault = NULL;
	unsigned steps = 0, answered = 0;

	open_world(&world, seed);
	while (step(&world))
		if (++steps == STEPS_MAX) {
			fault = "does not end";
			break;
		}
	if (fault == NULL)
		fault = judge(&world, seed);
	if (fault != NULL) {
		printf("sim: seed %llu: %s\n", (unsigned long long)seed, fault);
		exit(1);
	}
	for (unsigned i = 0; i < QUESTIONS; i++)
		answered += world.answers[i] > 0;
	bench_close(&world.a);
	bench_close(&world.b);
	return answered;
}

int main(int argc, char **argv)
{
	uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 0) : 0;
	uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 0) : 1000;
	unsigned long answered = 0;

	for (uint64_t seed = first; seed < first + count; seed++)
		answered += run(seed);
	printf("sim: %llu seeds, %lu of %llu questions answered\n", (unsigned long long)count,
	       answered, (unsigned long long)count * QUESTIONS);
	/* Were nothing ever answered, the checks above would have seen nothing. */
	return answered > count * QUESTIONS / 4 ? 0 : 1;
}
