/* SPDX-License-Identifier: BSD-2-Clause */
/* The bench: see bench.h. */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>

const uint8_t bench_mac[UDP_MAC_BYTES] = {0x02, 0, 0, 0, 0, 1};
const uint8_t bench_peer[UDP_MAC_BYTES] = {0x02, 0, 0, 0, 0, 2};

uint64_t bench_random(uint64_t *seed)
{
	uint64_t z = *seed += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

static struct udp_buffer *make(struct bench *bench, uint32_t size)
{
	struct udp_buffer *buffer;

	if (bench->buffers >= bench->buffers_max)
		return NULL;
	buffer = malloc(sizeof *buffer + UDP_HEADROOM + size);
	if (buffer == NULL)
		abort();
	bench->buffers++;
	*buffer = (struct udp_buffer){
	        .data = (uint8_t *)(buffer + 1) + UDP_HEADROOM, .size = size, .head = UDP_HEADROOM};
	return buffer;
}

static struct udp_buffer *op_allocate(void *context, uint32_t size)
{
	return size > 2048 ? NULL : make(context, size);
}

static void op_release(void *context, struct udp_buffer *buffer)
{
	struct bench *bench = context;

	bench->buffers--;
	free(buffer);
}

static void op_output(void *context, struct udp_buffer *buffer)
{
	struct bench *bench = context;
	struct bench_frame *frame = &bench->tray[bench->n_tray];

	if (bench->n_tray == BENCH_TRAY_MAX) {
		bench->lost++;
	} else {
		frame->size = buffer->size;
		frame->data = malloc(buffer->size);
		if (frame->data == NULL)
			abort();
		memcpy(frame->data, buffer->data, buffer->size);
		bench->n_tray++;
	}
	op_release(bench, buffer);
}

static uint64_t op_now(void *context)
{
	return ((struct bench *)context)->now;
}

static uint64_t op_random(void *context)
{
	return bench_random(&((struct bench *)context)->seed);
}

static void op_notice(void *context, enum udp_notice notice, const struct udp_ip *ip,
                      const uint8_t *mac)
{
	((struct bench *)context)->notices++;
}

void bench_open_bare(struct bench *bench, const struct udp_config *config, const uint8_t *mac,
                     uint64_t seed)
{
	static const struct udp_ops ops = {.allocate = op_allocate,
	                                   .release = op_release,
	                                   .output = op_output,
	                                   .now = op_now,
	                                   .random = op_random,
	                                   .notice = op_notice};
	size_t size = udp_stack_bytes(config);

	*bench = (struct bench){.now = 1000000000, .seed = seed, .buffers_max = 4096};
	memcpy(bench->mac, mac, UDP_MAC_BYTES);
	bench->memory = aligned_alloc(16, (size + 15) & ~(size_t)15);
	bench->stack = udp_stack_create(bench->memory, size, config, &ops, bench);
	if (bench->stack == NULL || udp_interface_add(bench->stack, mac, 1500) != 0)
		abort();
}

void bench_open(struct bench *bench, const struct udp_config *config)
{
	struct udp_ip ip = udp_ip4(0x0a000001), gateway = udp_ip4(0x0a0000fe);

	bench_open_bare(bench, config, bench_mac, 42);
	if (udp_address_add(bench->stack, 0, &ip, 24) != 0 ||
	    udp_gateway_set(bench->stack, 0, &gateway) != 0)
		abort();
	bench_pass(bench, 10000000000ull);
	bench_empty_tray(bench);
}

void bench_close(struct bench *bench)
{
	udp_stack_destroy(bench->stack);
	bench_empty_tray(bench);
	if (bench->buffers != 0) {
		fprintf(stderr, "bench: %ld buffers were lost\n", bench->buffers);
		abort();
	}
	free(bench->memory);
}

void bench_input_flags(struct bench *bench, const void *frame, uint32_t size, uint16_t flags)
{
	struct udp_buffer *buffer = make(bench, size);

	if (buffer == NULL)
		return;
	memcpy(buffer->data, frame, size);
	buffer->flags = flags;
	buffer->interface = bench->interface;
	buffer->time = bench->now;
	udp_stack_input(bench->stack, buffer);
}

void bench_input(struct bench *bench, const void *frame, uint32_t size)
{
	bench_input_flags(bench, frame, size, 0);
}

void bench_empty_tray(struct bench *bench)
{
	for (unsigned i = 0; i < bench->n_tray; i++)
		free(bench->tray[i].data);
	bench->n_tray = 0;
}

void bench_pass(struct bench *bench, uint64_t ns)
{
	uint64_t end = bench->now + ns;
	uint64_t deadline = udp_stack_run(bench->stack);

	while (deadline <= end) {
		if (deadline > bench->now)
			bench->now = deadline;
		deadline = udp_stack_run(bench->stack);
		if (deadline <= bench->now)
			abort(); /* what was due was done: nothing can be due again at once */
	}
	bench->now = end;
}

uint32_t bench_ethernet(uint8_t *frame, const uint8_t *dst, const uint8_t *src, uint16_t type)
{
	memcpy(frame + ETH_DST, dst, UDP_MAC_BYTES);
	memcpy(frame + ETH_SRC, src, UDP_MAC_BYTES);
	wire_put16(frame + ETH_TYPE, type);
	return ETH_SIZE;
}

uint32_t bench_arp(uint8_t *frame, uint16_t op, const uint8_t *sha, uint32_t spa,
                   const uint8_t *tha, uint32_t tpa)
{
	static const uint8_t all[UDP_MAC_BYTES] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	static const uint8_t fixed[] = {0, 1, 8, 0, 6, 4};
	uint8_t *at = frame + bench_ethernet(frame, op == ARP_REQUEST ? all : bench_mac, sha,
	                                     ETHERTYPE_ARP);

	memcpy(at, fixed, sizeof fixed);
	wire_put16(at + ARP_OP, op);
	memcpy(at + ARP_SHA, sha, UDP_MAC_BYTES);
	wire_put32(at + ARP_SPA, spa);
	memcpy(at + ARP_THA, tha, UDP_MAC_BYTES);
	wire_put32(at + ARP_TPA, tpa);
	return ETH_SIZE + ARP_SIZE;
}

void bench_ip4_sum(uint8_t *frame)
{
	uint8_t *at = frame + ETH_SIZE;
	uint16_t sum;

	wire_put16(at + IP4_CHECKSUM, 0);
	sum = udp_sum_finish(udp_sum_add(0, at, (size_t)(at[0] & 15) * 4));
	memcpy(at + IP4_CHECKSUM, &sum, sizeof sum);
}

uint32_t bench_ip4(uint8_t *frame, const struct bench_ip *ip, const void *payload, uint32_t size)
{
	uint8_t *at = frame + bench_ethernet(frame, bench_mac, bench_peer, ETHERTYPE_IP4);
	uint32_t header = IP4_SIZE + ip->options_size;

	at[IP4_VERSION_IHL] = (uint8_t)(0x40 | header / 4);
	at[IP4_TOS] = 0;
	wire_put16(at + IP4_LENGTH, (uint16_t)(header + size));
	wire_put16(at + IP4_ID, ip->id);
	wire_put16(at + IP4_FRAGMENT, ip->fragment);
	at[IP4_TTL] = ip->ttl != 0 ? ip->ttl : 64;
	at[IP4_PROTOCOL] = ip->protocol;
	wire_put32(at + IP4_SRC, ip->src);
	wire_put32(at + IP4_DST, ip->dst);
	if (ip->options_size > 0)
		memcpy(at + IP4_SIZE, ip->options, ip->options_size);
	bench_ip4_sum(frame);
	if (size > 0)
		memcpy(at + header, payload, size);
	return ETH_SIZE + header + size;
}

uint32_t bench_udp_between(uint8_t *packet, const struct udp_ip *from, const struct udp_ip *to,
                           uint16_t src, uint16_t dst, const void *data, uint32_t size)
{
	uint64_t sum = udp_sum_pseudo(0, from, to, PROTOCOL_UDP, size + UDP_SIZE);
	uint16_t check;

	wire_put16(packet + UDP_SRC_PORT, src);
	wire_put16(packet + UDP_DST_PORT, dst);
	wire_put16(packet + UDP_LENGTH, (uint16_t)(size + UDP_SIZE));
	wire_put16(packet + UDP_CHECKSUM, 0);
	if (size > 0)
		memcpy(packet + UDP_SIZE, data, size);
	check = udp_sum_finish(udp_sum_add(sum, packet, size + UDP_SIZE));
	if (check == 0)
		check = 0xffff;
	memcpy(packet + UDP_CHECKSUM, &check, sizeof check);
	return size + UDP_SIZE;
}

uint32_t bench_udp(uint8_t *packet, const struct bench_ip *ip, uint16_t src, uint16_t dst,
                   const void *data, uint32_t size)
{
	struct udp_ip from = udp_ip4(ip->src), to = udp_ip4(ip->dst);

	return bench_udp_between(packet, &from, &to, src, dst, data, size);
}

uint32_t bench_ip6(uint8_t *frame, const struct bench_ip6 *ip, const void *payload, uint32_t size)
{
	uint8_t *at = frame + bench_ethernet(frame, bench_mac, bench_peer, ETHERTYPE_IP6);

	if (ip->dst.bytes[0] == 0xff) {
		frame[0] = frame[1] = 0x33;
		memcpy(frame + 2, ip->dst.bytes + 12, 4);
	}
	wire_put32(at + IP6_VERSION, 6u << 28);
	wire_put16(at + IP6_LENGTH, (uint16_t)size);
	at[IP6_NEXT] = ip->next;
	at[IP6_HOPS] = ip->hops != 0 ? ip->hops : 64;
	memcpy(at + IP6_SRC, ip->src.bytes, 16);
	memcpy(at + IP6_DST, ip->dst.bytes, 16);
	if (size > 0)
		memcpy(at + IP6_SIZE, payload, size);
	return ETH_SIZE + IP6_SIZE + size;
}

void bench_icmp6_sum(uint8_t *message, uint32_t size, const struct bench_ip6 *ip)
{
	uint64_t sum = udp_sum_pseudo(0, &ip->src, &ip->dst, PROTOCOL_ICMP6, size);
	uint16_t check;

	wire_put16(message + ICMP_CHECKSUM, 0);
	check = udp_sum_finish(udp_sum_add(sum, message, size));
	memcpy(message + ICMP_CHECKSUM, &check, sizeof check);
}

uint32_t bench_echo(uint8_t *packet, uint16_t id, uint16_t sequence, const void *data,
                    uint32_t size)
{
	uint16_t sum;

	packet[ICMP_TYPE] = ICMP_ECHO;
	packet[ICMP_CODE] = 0;
	wire_put16(packet + ICMP_CHECKSUM, 0);
	wire_put16(packet + ICMP_REST, id);
	wire_put16(packet + ICMP_REST + 2, sequence);
	if (size > 0)
		memcpy(packet + ICMP_SIZE, data, size);
	sum = udp_sum_finish(udp_sum_add(0, packet, size + ICMP_SIZE));
	memcpy(packet + ICMP_CHECKSUM, &sum, sizeof sum);
	return size + ICMP_SIZE;
}

uint32_t bench_too_big(uint8_t *frame, uint32_t us, uint16_t port, uint32_t to, uint16_t length,
                       uint16_t mtu)
{
	uint8_t message[ICMP_SIZE + IP4_SIZE + UDP_SIZE] = {ICMP_UNREACHABLE, ICMP_CODE_TOO_BIG};
	struct bench_ip ip = {.src = 0x08080808, .dst = us, .protocol = PROTOCOL_ICMP};
	uint8_t *quote = message + ICMP_SIZE;
	uint16_t sum;

	wire_put16(message + ICMP_REST + 2, mtu);
	quote[0] = 0x45;
	wire_put16(quote + IP4_LENGTH, length);
	quote[IP4_PROTOCOL] = PROTOCOL_UDP;
	wire_put32(quote + IP4_SRC, us);
	wire_put32(quote + IP4_DST, to);
	wire_put16(quote + IP4_SIZE + UDP_SRC_PORT, port);
	wire_put16(quote + IP4_SIZE + UDP_DST_PORT, 9);
	sum = udp_sum_finish(udp_sum_add(0, message, sizeof message));
	memcpy(message + ICMP_CHECKSUM, &sum, sizeof sum);
	return bench_ip4(frame, &ip, message, sizeof message);
}
