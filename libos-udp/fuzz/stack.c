/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzzes the whole stack: the input is a script of frames, times and calls. Bytes that would hardly
 * get past a checksum are given the right one, so that what lies behind is reached too.
 */
#include <udp/autoconf.h>
#include <udp/multicast.h>

#include "../tests/bench.h"

struct script {
	const uint8_t *at;
	size_t left;
};

static uint8_t take8(struct script *script)
{
	if (script->left == 0)
		return 0;
	script->left--;
	return *script->at++;
}

static uint16_t take16(struct script *script)
{
	uint16_t high = take8(script);

	return (uint16_t)(high << 8 | take8(script));
}

static uint32_t take_bytes(struct script *script, uint8_t *to, uint32_t max)
{
	uint32_t n = take16(script) % (max + 1);

	if (n > script->left)
		n = (uint32_t)script->left;
	if (n > 0)
		memcpy(to, script->at, n);
	script->at += n;
	script->left -= n;
	return n;
}

static struct udp_buffer *kept[4];
volatile uint8_t touched; /* every byte handed out is read */

static void receive(struct udp_socket *socket, struct udp_datagram *datagram)
{
	uint8_t what = datagram->size > 0 ? datagram->data[0] : 0;

	for (uint32_t i = 0; i < datagram->size; i++)
		touched ^= datagram->data[i];
	if (what % 4 == 0) {
		udp_socket_reply(socket, datagram, datagram->size);
	} else if (what % 4 == 1 && kept[what / 4 % 4] == NULL) {
		kept[what / 4 % 4] = udp_datagram_keep(datagram);
	} else if (what % 4 == 2) {
		udp_socket_reply(socket, datagram, what);
	}
}

static void fail(struct udp_socket *socket, enum udp_failure failure,
                 const struct udp_endpoint *remote, uint32_t value)
{
}

static void input_raw(struct bench *bench, struct script *script)
{
	uint8_t frame[2048];
	uint32_t size = take_bytes(script, frame, sizeof frame);

	bench_input_flags(bench, frame, size, take8(script) % 8);
}

static uint32_t what_group(uint8_t dice)
{
	return dice % 2 != 0 ? 0xe0000001 : 0xef000000u + dice % 4;
}

static void input_ip(struct bench *bench, struct script *script, bool transport)
{
	uint8_t frame[4096], payload[2048], options[40], packet[2100];
	struct bench_ip ip = {.src = 0x0a000002, .dst = 0x0a000001};
	uint32_t size;

	ip.src += take8(script) % 4;
	ip.protocol = take8(script);
	ip.id = take8(script) % 4;
	if (take8(script) % 2 != 0)
		ip.fragment = take16(script);
	ip.options = options;
	ip.options_size = take_bytes(script, options, sizeof options) & ~3u;
	size = take_bytes(script, payload, sizeof payload);
	if (!transport && ip.protocol % 8 == 7 && size >= 8) { /* IGMP, summed up */
		uint16_t check;

		ip.protocol = PROTOCOL_IGMP;
		payload[0] = 0x10 + payload[0] % 8;
		memset(payload + 2, 0, 2);
		check = udp_sum_finish(udp_sum_add(0, payload, size));
		memcpy(payload + 2, &check, 2);
		ip.dst = what_group(payload[1]);
	}
	if (!transport) {
		bench_input(bench, frame, bench_ip4(frame, &ip, payload, size));
		return;
	}
	if (ip.protocol % 2 != 0) {
		ip.protocol = PROTOCOL_UDP;
		size = bench_udp(packet, &ip, take16(script), 7, payload, size);
	} else {
		ip.protocol = PROTOCOL_ICMP;
		size = bench_echo(packet, 1, 2, payload, size);
		packet[ICMP_TYPE] = take8(script) % 20;
		packet[ICMP_CODE] = take8(script) % 5;
		memset(packet + ICMP_CHECKSUM, 0, 2);
		uint16_t sum = udp_sum_finish(udp_sum_add(0, packet, size));
		memcpy(packet + ICMP_CHECKSUM, &sum, sizeof sum);
	}
	bench_input(bench, frame, bench_ip4(frame, &ip, packet, size));
}

/* IPv6: any chain of headers, with the right checksum where the last is ICMPv6 or UDP at once. */
static void input_ip6(struct bench *bench, struct script *script)
{
	static const uint8_t nexts[] = {0, 17, 43, 44, 58, 58, 59, 60};
	uint8_t frame[2200], payload[2048], packet[2100];
	struct bench_ip6 ip = {.src = {.family = 6, .bytes = {0xfd, 0x51, [15] = 2}},
	                       .dst = {.family = 6, .bytes = {0xfd, 0x51, [15] = 1}}};
	uint8_t what = take8(script);
	uint32_t size;

	ip.next = nexts[what % 8];
	ip.hops = what & 8 ? 255 : 64;
	ip.src.bytes[15] += what >> 4 & 1;
	if (what & 32)
		memcpy(ip.dst.bytes, "\xff\2\0\0\0\0\0\0\0\0\0\1\xff\0\0\1", 16);
	if (what & 64)
		memset(ip.src.bytes, 0, 16);
	size = take_bytes(script, payload, sizeof payload);
	if (ip.next == PROTOCOL_ICMP6 && size >= 4) {
		payload[ICMP_TYPE] = what & 128 ? 133 + payload[ICMP_TYPE] % 5 : payload[ICMP_TYPE];
		if (what & 128 && payload[ICMP_TYPE] == ICMP6_REDIRECT) { /* MLD instead */
			payload[ICMP_TYPE] = (uint8_t)(ICMP6_MLD_QUERY + payload[ICMP_CODE] % 3);
			ip.hops = 1;
			memcpy(ip.dst.bytes, "\xff\2\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16);
		}
		if (ip.hops == 1 || payload[ICMP_TYPE] == ICMP6_ROUTER_ADVERT) {
			ip.src.bytes[0] = 0xfe;
			ip.src.bytes[1] = 0x80;
		}
		bench_icmp6_sum(payload, size, &ip);
	}
	if (ip.next == PROTOCOL_UDP) {
		size = bench_udp_between(packet, &ip.src, &ip.dst, 9, 7, payload, size);
		bench_input(bench, frame, bench_ip6(frame, &ip, packet, size));
		return;
	}
	bench_input(bench, frame, bench_ip6(frame, &ip, payload, size));
}

static void input_arp(struct bench *bench, struct script *script)
{
	uint8_t frame[64], mac[UDP_MAC_BYTES] = {2, 0, 0, 0, 0, take8(script)};

	bench_arp(frame, take8(script) % 4, mac, 0x0a000000u + take8(script), bench_mac,
	          0x0a000000u + take8(script) % 4);
	bench_input(bench, frame, 42);
}

static void send(struct udp_socket *socket, struct script *script)
{
	static const uint8_t data[70000];
	struct udp_endpoint to = {udp_ip4(0x0a000000u + take8(script)), take16(script)};

	udp_socket_send_copy(socket, data, take16(script) + (uint32_t)take8(script), &to);
}

static void give_back(struct bench *bench, unsigned i)
{
	if (kept[i] != NULL)
		udp_buffer_release(bench->stack, kept[i]);
	kept[i] = NULL;
}

/* One of a few groups, in any mode, from a few sources. */
static void listen(struct bench *bench, struct script *script)
{
	struct udp_ip sources[UDP_GROUP_SOURCES_MAX + 1], group = udp_ip4(0xef000000u);
	unsigned n = take8(script) % (UDP_GROUP_SOURCES_MAX + 2);

	group.bytes[3] = take8(script) % 20;
	for (unsigned i = 0; i < n; i++)
		sources[i] = udp_ip4(0x0a000000u + take8(script));
	if (take8(script) % 4 == 0) {
		group = (struct udp_ip){.family = 6, .bytes = {0xff, 5, [15] = group.bytes[3]}};
		n = 0;
	}
	(void)udp_group_listen(bench->stack, 0, &group, (enum udp_group_mode)(take8(script) % 2),
	                       sources, n);
}

static void act(struct bench *bench, struct udp_socket *socket, struct script *script)
{
	switch (take8(script) % 11) {
	case 0:
		input_raw(bench, script);
		break;
	case 1:
		input_ip(bench, script, false);
		break;
	case 2:
	case 3:
		input_ip(bench, script, true);
		break;
	case 4:
		input_arp(bench, script);
		break;
	case 5:
		bench_pass(bench, take16(script) * 1000000ull);
		break;
	case 6:
		send(socket, script);
		break;
	case 8:
		listen(bench, script);
		break;
	case 7:
		give_back(bench, take8(script) % 4);
		break;
	default:
		input_ip6(bench, script);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct script script = {data, size};
	struct udp_config config = udp_config_default();
	struct udp_ip six = {.family = 6, .bytes = {0xfd, 0x51, [15] = 1}};
	struct udp_socket socket = {.receive = receive, .failure = fail, .local.port = 7};
	struct bench bench;

	config.roles = take8(&script) % 16;
	config.neighbours = 8;
	config.reassemblies = 2;
	bench_open(&bench, &config);
	if (udp_address_add(bench.stack, 0, &six, 64) != 0 ||
	    udp_socket_open(bench.stack, &socket) != 0)
		__builtin_trap();
	if (config.roles & UDP_ROLE_RESOLVE)
		(void)udp_autoconf_start(bench.stack, 0, (const uint64_t[]){1, 2});
	while (script.left > 0) {
		act(&bench, &socket, &script);
		bench_empty_tray(&bench);
	}
	for (unsigned i = 0; i < 4; i++)
		give_back(&bench, i);
	bench_close(&bench);
	return 0;
}
