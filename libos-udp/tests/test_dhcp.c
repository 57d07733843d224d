/* SPDX-License-Identifier: BSD-2-Clause */
/* The DHCP client: a server by hand on the other side of the wire, and one that a seed drives. */
#include "check.h"

#include <stdlib.h>

#include <udp/transport.h>

#include "../src/dhcp_message.h"

#define S  1000000000ull
#define MS 1000000ull

enum { SERVER = 0x0a0000fe, OFFERED = 0x0a000064 };

static struct bench bench;
static struct udp_dhcp client;
static unsigned events[8];
static enum udp_dhcp_event last;
static bool usable;

static void changed(struct udp_dhcp *of, enum udp_dhcp_event event)
{
	events[event]++;
	last = event;
	if (event == UDP_DHCP_BOUND) {
		assert_false(usable);
		usable = true;
	}
	if (event == UDP_DHCP_LOST) {
		assert_true(usable);
		usable = false;
	}
}

static int setup(void **state)
{
	struct udp_config config = udp_config_default();

	memset(events, 0, sizeof events);
	usable = false;
	bench_open_bare(&bench, &config, bench_mac, 7);
	client = (struct udp_dhcp){.changed = changed, .host = "box"};
	assert_int_equal(udp_dhcp_start(bench.stack, &client), 0);
	return 0;
}

static int teardown(void **state)
{
	udp_dhcp_stop(&client);
	bench_close(&bench);
	return 0;
}

/* ---- The client's messages ---- */

static const uint8_t *message_of(const struct bench_frame *frame)
{
	const uint8_t *ip = frame->data + ETH_SIZE;

	if (wire_get16(frame->data + ETH_TYPE) != ETHERTYPE_IP4 ||
	    ip[IP4_PROTOCOL] != PROTOCOL_UDP ||
	    wire_get16(ip + IP4_SIZE + UDP_DST_PORT) != UDP_DHCP_SERVER_PORT)
		return NULL;
	return ip + IP4_SIZE + UDP_SIZE;
}

static const uint8_t *option_of(const uint8_t *message, uint8_t code)
{
	const uint8_t *at = message + DHCP_OPTIONS;

	while (*at != OPTION_END && *at != code)
		at += 2 + at[1];
	return *at == code ? at + 1 : NULL; /* at its length */
}

static uint8_t type_of(const uint8_t *message)
{
	return option_of(message, OPTION_TYPE)[1];
}

/* The last DHCP message on the tray; NULL: none. */
static const uint8_t *sent(void)
{
	const uint8_t *message = NULL;

	for (unsigned i = 0; i < bench.n_tray; i++)
		if (message_of(&bench.tray[i]) != NULL)
			message = message_of(&bench.tray[i]);
	return message;
}

static unsigned sent_of(uint8_t type)
{
	unsigned n = 0;

	for (unsigned i = 0; i < bench.n_tray; i++) {
		const uint8_t *message = message_of(&bench.tray[i]);

		n += message != NULL && type_of(message) == type;
	}
	return n;
}

/* ---- The server's ---- */

struct answer {
	uint8_t bytes[600];
	uint32_t size;
};

static void add(struct answer *answer, uint8_t code, const void *value, uint8_t size)
{
	answer->bytes[answer->size++] = code;
	answer->bytes[answer->size++] = size;
	memcpy(answer->bytes + answer->size, value, size);
	answer->size += size;
}

static void add32(struct answer *answer, uint8_t code, uint32_t value)
{
	uint8_t bytes[4];

	wire_put32(bytes, value);
	add(answer, code, bytes, 4);
}

static void begin(struct answer *answer, uint8_t type, uint32_t ip)
{
	uint8_t *at = answer->bytes;

	memset(answer, 0, sizeof *answer);
	at[DHCP_OP] = DHCP_OP_REPLY;
	at[DHCP_HTYPE] = 1;
	at[DHCP_HLEN] = 6;
	wire_put32(at + DHCP_XID, client.xid);
	wire_put32(at + DHCP_YIADDR, ip);
	memcpy(at + DHCP_CHADDR, bench_mac, 6);
	wire_put32(at + DHCP_COOKIE, DHCP_MAGIC);
	answer->size = DHCP_OPTIONS;
	add(answer, OPTION_TYPE, &type, 1);
}

static void lease(struct answer *answer, uint8_t type, uint32_t ip, uint32_t seconds)
{
	begin(answer, type, ip);
	add32(answer, OPTION_SERVER, SERVER);
	add32(answer, OPTION_LEASE, seconds);
	add32(answer, OPTION_MASK, 0xffffff00);
	add32(answer, OPTION_ROUTER, SERVER);
	add32(answer, OPTION_DNS, SERVER);
	add(answer, OPTION_DOMAIN, "lab.example", 11);
}

static void deliver(struct answer *answer, uint32_t to)
{
	struct bench_ip ip = {.src = SERVER, .dst = to, .protocol = PROTOCOL_UDP};
	uint8_t packet[700], frame[800];
	uint32_t size;

	answer->bytes[answer->size++] = OPTION_END;
	size = bench_udp(packet, &ip, 67, 68, answer->bytes, answer->size);
	size = bench_ip4(frame, &ip, packet, size);
	if (to == 0xffffffff)
		memset(frame, 0xff, 6);
	bench_input(&bench, frame, size);
}

static void run(void)
{
	udp_stack_run(bench.stack);
}

static void offer(uint32_t ip, uint32_t seconds)
{
	struct answer answer;

	lease(&answer, UDP_DHCP_OFFER, ip, seconds);
	deliver(&answer, 0xffffffff);
}

/* To another client of the same interface. */
static void offer_to(const struct udp_dhcp *other, uint32_t ip)
{
	struct answer answer;

	lease(&answer, UDP_DHCP_OFFER, ip, 3600);
	wire_put32(answer.bytes + DHCP_XID, other->xid);
	deliver(&answer, 0xffffffff);
}

static void acknowledge(uint32_t ip, uint32_t seconds, uint32_t to)
{
	struct answer answer;

	lease(&answer, UDP_DHCP_ACK, ip, seconds);
	deliver(&answer, to);
}

static void get_lease(uint32_t seconds)
{
	run();
	offer(OFFERED, seconds);
	acknowledge(OFFERED, seconds, 0xffffffff);
	bench_pass(&bench, 1 * S);
	assert_int_equal(client.state, UDP_DHCP_IN_USE);
}

/* ---- Tests ---- */

static void discover_says_who_asks(void **state)
{
	const uint8_t *message, *frame;

	run();
	message = sent();
	assert_non_null(message);
	frame = bench.tray[bench.n_tray - 1].data;
	assert_memory_equal(frame, "\xff\xff\xff\xff\xff\xff", 6);
	assert_int_equal(wire_get32(frame + ETH_SIZE + IP4_SRC), 0);
	assert_int_equal(wire_get32(frame + ETH_SIZE + IP4_DST), 0xffffffff);
	assert_int_equal(type_of(message), UDP_DHCP_DISCOVER);
	assert_int_equal(wire_get16(message + DHCP_FLAGS), DHCP_FLAG_BROADCAST);
	assert_memory_equal(message + DHCP_CHADDR, bench_mac, 6);
	assert_memory_equal(option_of(message, OPTION_CLIENT), "\x07\x01\x02\0\0\0\0\x01", 8);
	assert_memory_equal(option_of(message, OPTION_HOST),
	                    "\x03"
	                    "box",
	                    4);
	assert_null(option_of(message, OPTION_SERVER));
}

static void lease_is_taken_probed_and_used(void **state)
{
	const struct udp_ip ip = udp_ip4(OFFERED), gateway = udp_ip4(SERVER);
	const uint8_t *message;

	run();
	offer(OFFERED, 3600);
	message = sent();
	assert_int_equal(type_of(message), UDP_DHCP_REQUEST);
	assert_int_equal(wire_get32(option_of(message, OPTION_ADDRESS) + 1), OFFERED);
	assert_int_equal(wire_get32(option_of(message, OPTION_SERVER) + 1), SERVER);
	assert_int_equal(wire_get32(message + DHCP_CIADDR), 0);
	acknowledge(OFFERED, 3600, 0xffffffff);
	assert_int_equal(client.state, UDP_DHCP_PROBING);
	assert_false(usable);
	bench_empty_tray(&bench);
	run();
	assert_int_equal(bench.n_tray, 1);
	assert_int_equal(wire_get32(bench.tray[0].data + ETH_SIZE + ARP_SPA), 0);
	assert_int_equal(wire_get32(bench.tray[0].data + ETH_SIZE + ARP_TPA), OFFERED);
	bench_pass(&bench, 1 * S);
	assert_true(usable);
	assert_true(udp_ip_equal(&client.lease.ip, &ip));
	assert_true(udp_ip_equal(&client.lease.gateway, &gateway));
	assert_true(udp_ip_equal(&client.lease.dns[0], &gateway));
	assert_int_equal(client.lease.prefix, 24);
	assert_string_equal(client.lease.domain, "lab.example");
	bench_pass(&bench, 20 * S);
	assert_int_equal(COUNT(&bench, address_probes), 3);
}

static void answers_to_the_offered_address_are_heard(void **state)
{
	struct answer answer;

	run();
	lease(&answer, UDP_DHCP_OFFER, OFFERED, 3600);
	deliver(&answer, OFFERED);
	assert_int_equal(client.state, UDP_DHCP_REQUESTING);
}

static void silence_is_asked_into_ever_more_slowly(void **state)
{
	bench_pass(&bench, 3 * S - 1);
	assert_int_equal(sent_of(UDP_DHCP_DISCOVER), 1);
	bench_pass(&bench, 2 * S + 2);
	assert_int_equal(sent_of(UDP_DHCP_DISCOVER), 2);
	assert_int_equal(events[UDP_DHCP_SILENT], 1);
	bench_pass(&bench, 115 * S);
	assert_int_equal(sent_of(UDP_DHCP_DISCOVER), 5); /* at 0, 4, 12, 28, 60 ± 4 */
	bench_pass(&bench, 640 * S);
	assert_in_range(sent_of(UDP_DHCP_DISCOVER), 14, 16);
}

static void unanswered_request_begins_anew(void **state)
{
	run();
	offer(OFFERED, 3600);
	bench_pass(&bench, 65 * S);
	assert_int_equal(sent_of(UDP_DHCP_REQUEST), 4);
	assert_in_range(sent_of(UDP_DHCP_DISCOVER), 2, 3);
}

static void conflict_is_declined(void **state)
{
	uint8_t frame[64];
	const uint8_t *message;

	run();
	offer(OFFERED, 3600);
	acknowledge(OFFERED, 3600, 0xffffffff);
	run();
	bench_arp(frame, ARP_REPLY, bench_peer, OFFERED, bench_mac, 0);
	bench_input(&bench, frame, ETH_SIZE + ARP_SIZE);
	message = sent();
	assert_int_equal(type_of(message), UDP_DHCP_DECLINE);
	assert_int_equal(wire_get32(option_of(message, OPTION_ADDRESS) + 1), OFFERED);
	assert_int_equal(wire_get32(option_of(message, OPTION_SERVER) + 1), SERVER);
	assert_int_equal(events[UDP_DHCP_CONFLICT], 1);
	assert_int_equal(events[UDP_DHCP_BOUND], 0);
	bench_empty_tray(&bench);
	bench_pass(&bench, 9 * S);
	assert_int_equal(bench.n_tray, 0);
	bench_pass(&bench, 2 * S);
	assert_int_equal(type_of(sent()), UDP_DHCP_DISCOVER);
}

/* A server that goes by MAC addresses alone gives a second client what the first one has: the
 * second neither asks for it nor declines it, and asks again later. */
static void what_we_have_is_not_taken_twice(void **state)
{
	struct udp_dhcp second;

	get_lease(3600);
	second = (struct udp_dhcp){.changed = changed, .id_size = 3, .id = "\xff\1\2"};
	assert_int_equal(udp_dhcp_start(bench.stack, &second), 0);
	run();
	bench_empty_tray(&bench);
	offer_to(&second, OFFERED);
	assert_int_equal(events[UDP_DHCP_TWICE], 1);
	assert_int_equal(second.state, UDP_DHCP_INIT);
	assert_null(sent());
	assert_true(usable);
	bench_pass(&bench, 63 * S);
	assert_int_equal(sent_of(UDP_DHCP_DISCOVER), 0);
	bench_pass(&bench, 2 * S);
	assert_int_equal(sent_of(UDP_DHCP_DISCOVER), 1);
	offer_to(&second, OFFERED + 1);
	assert_int_equal(second.state, UDP_DHCP_REQUESTING);
	udp_dhcp_stop(&second);
	assert_true(client.bound);
}

static bool has_gateway(void)
{
	struct udp_ip far = udp_ip4(FAR);

	return udp_path_mtu(bench.stack, NULL, &far) != 0;
}

/* Clients of one interface have most often the same gateway: it stays as long as one has it. */
static void gateway_stays_with_who_has_it(void **state)
{
	struct udp_dhcp second = {.id_size = 3, .id = "\xff\1\2"};
	struct answer answer;

	get_lease(3600);
	for (unsigned ends = 0; ends < 2; ends++) {
		assert_int_equal(udp_dhcp_start(bench.stack, &second), 0);
		run();
		offer_to(&second, OFFERED + 1);
		if (ends == 0)
			udp_dhcp_stop(&second); /* before it has one */
		assert_true(has_gateway());
	}
	lease(&answer, UDP_DHCP_ACK, OFFERED + 1, 3600);
	wire_put32(answer.bytes + DHCP_XID, second.xid);
	deliver(&answer, 0xffffffff);
	bench_pass(&bench, 1 * S);
	udp_dhcp_stop(&client);
	assert_true(second.bound && has_gateway());
	udp_dhcp_stop(&second);
	assert_false(has_gateway());
}

static void late_conflict_takes_it_away(void **state)
{
	uint8_t frame[64];

	get_lease(3600);
	bench_arp(frame, ARP_REQUEST, bench_peer, OFFERED, bench_mac, OFFERED);
	bench_input(&bench, frame, ETH_SIZE + ARP_SIZE);
	assert_false(usable);
	assert_int_equal(last, UDP_DHCP_CONFLICT);
	/* Once certain, it is defended instead. */
	bench_pass(&bench, 11 * S);
	offer(OFFERED + 1, 3600);
	acknowledge(OFFERED + 1, 3600, 0xffffffff);
	bench_pass(&bench, 30 * S);
	bench_arp(frame, ARP_REQUEST, bench_peer, OFFERED + 1, bench_mac, OFFERED + 1);
	bench_input(&bench, frame, ETH_SIZE + ARP_SIZE);
	assert_true(usable);
}

static void renewal_goes_to_the_server_alone(void **state)
{
	const uint8_t *message, *frame;

	get_lease(1000);
	bench_pass(&bench, 490 * S);
	bench_empty_tray(&bench);
	bench_pass(&bench, 10 * S);
	assert_int_equal(client.state, UDP_DHCP_RENEWING);
	message = sent();
	frame = bench.tray[bench.n_tray - 1].data;
	assert_int_equal(type_of(message), UDP_DHCP_REQUEST);
	assert_memory_equal(frame, bench_peer, 6);
	assert_int_equal(wire_get32(frame + ETH_SIZE + IP4_DST), SERVER);
	assert_int_equal(wire_get32(message + DHCP_CIADDR), OFFERED);
	assert_null(option_of(message, OPTION_ADDRESS));
	assert_null(option_of(message, OPTION_SERVER));
	acknowledge(OFFERED, 1000, OFFERED);
	assert_int_equal(last, UDP_DHCP_RENEWED);
	assert_int_equal(client.state, UDP_DHCP_IN_USE);
	bench_pass(&bench, 498 * S);
	assert_int_equal(client.state, UDP_DHCP_IN_USE);
}

static void unanswered_renewal_rebinds_and_ends(void **state)
{
	const uint8_t *frame;

	get_lease(1000);
	bench_pass(&bench, 870 * S);
	bench_empty_tray(&bench);
	assert_int_equal(client.state, UDP_DHCP_RENEWING);
	bench_pass(&bench, 10 * S);
	assert_int_equal(client.state, UDP_DHCP_REBINDING);
	frame = bench.tray[bench.n_tray - 1].data;
	assert_int_equal(wire_get32(frame + ETH_SIZE + IP4_DST), 0xffffffff);
	assert_int_equal(wire_get32(frame + ETH_SIZE + IP4_SRC), OFFERED);
	assert_true(usable);
	bench_pass(&bench, 120 * S);
	assert_false(usable);
	assert_int_equal(client.state, UDP_DHCP_SELECTING);
}

static void another_server_may_rebind(void **state)
{
	struct answer answer;

	get_lease(1000);
	bench_pass(&bench, 880 * S);
	lease(&answer, UDP_DHCP_ACK, OFFERED, 2000);
	wire_put32(answer.bytes + DHCP_OPTIONS + 5, SERVER - 1);
	deliver(&answer, 0xffffffff);
	assert_int_equal(last, UDP_DHCP_RENEWED);
	assert_int_equal(udp_ip4_value(&client.lease.server), SERVER - 1);
}

static void changed_address_is_lost_then_bound(void **state)
{
	get_lease(1000);
	bench_pass(&bench, 500 * S);
	acknowledge(OFFERED + 1, 1000, OFFERED);
	assert_int_equal(events[UDP_DHCP_LOST], 1);
	bench_pass(&bench, 1 * S);
	assert_int_equal(events[UDP_DHCP_BOUND], 2);
	assert_int_equal(udp_ip4_value(&client.lease.ip), OFFERED + 1);
}

static void refuse(void)
{
	struct answer answer;

	begin(&answer, UDP_DHCP_NAK, 0);
	add32(&answer, OPTION_SERVER, SERVER);
	deliver(&answer, 0xffffffff);
}

static void refusal_begins_anew_but_not_in_a_circle(void **state)
{
	get_lease(1000);
	bench_pass(&bench, 500 * S);
	bench_empty_tray(&bench);
	refuse();
	assert_false(usable);
	run();
	assert_int_equal(sent_of(UDP_DHCP_DISCOVER), 1);
	offer(OFFERED, 1000);
	refuse();
	bench_pass(&bench, 9 * S);
	assert_int_equal(sent_of(UDP_DHCP_DISCOVER), 1);
	bench_pass(&bench, 2 * S);
	assert_int_equal(sent_of(UDP_DHCP_DISCOVER), 2);
}

static void strangers_are_not_heard(void **state)
{
	struct answer answer;

	run();
	lease(&answer, UDP_DHCP_OFFER, OFFERED, 3600);
	wire_put32(answer.bytes + DHCP_XID, client.xid + 1);
	deliver(&answer, 0xffffffff);
	lease(&answer, UDP_DHCP_OFFER, OFFERED, 3600);
	answer.bytes[DHCP_CHADDR + 5]++;
	deliver(&answer, 0xffffffff);
	acknowledge(OFFERED, 3600, 0xffffffff); /* nobody asked for it */
	refuse();
	assert_int_equal(client.state, UDP_DHCP_SELECTING);
	assert_int_equal(COUNT(&bench, dhcp_strange), 4);
	offer(OFFERED, 3600);
	lease(&answer, UDP_DHCP_ACK, OFFERED, 3600);
	wire_put32(answer.bytes + DHCP_OPTIONS + 5, SERVER - 1); /* another server's */
	deliver(&answer, 0xffffffff);
	assert_int_equal(client.state, UDP_DHCP_REQUESTING);
}

static void release_gives_it_back(void **state)
{
	get_lease(1000);
	bench_empty_tray(&bench);
	udp_dhcp_stop(&client);
	assert_int_equal(type_of(sent()), UDP_DHCP_RELEASE);
	assert_int_equal(wire_get32(sent() + DHCP_CIADDR), OFFERED);
	assert_int_equal(events[UDP_DHCP_LOST], 0);
}

/* ---- Reading ---- */

static bool parse(const struct answer *answer, struct udp_dhcp_reply *reply)
{
	/* Of its exact size, so that the sanitizer sees a byte too many. */
	uint8_t *copy = malloc(answer->size);
	bool good;

	memcpy(copy, answer->bytes, answer->size);
	good = udp_dhcp_parse(copy, answer->size, reply);
	free(copy);
	return good;
}

static void wrong_replies_are_refused(void **state)
{
	static const struct {
		uint32_t at;
		uint8_t value;
	} wrong[] = {
	        {DHCP_OP, 1},          {DHCP_HTYPE, 6},        {DHCP_HLEN, 8},
	        {DHCP_COOKIE, 0},      {DHCP_YIADDR, 224},     {DHCP_YIADDR, 127},
	        {DHCP_OPTIONS + 1, 2}, {DHCP_OPTIONS, 99},     {DHCP_OPTIONS + 2, 9},
	        {DHCP_OPTIONS + 4, 3}, {DHCP_OPTIONS + 9, 98},
	};
	struct udp_dhcp_reply reply;
	struct answer answer;

	lease(&answer, UDP_DHCP_OFFER, OFFERED, 3600);
	assert_true(parse(&answer, &reply));
	for (unsigned i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		lease(&answer, UDP_DHCP_OFFER, OFFERED, 3600);
		answer.bytes[wrong[i].at] = wrong[i].value;
		assert_false(parse(&answer, &reply));
	}
	lease(&answer, UDP_DHCP_OFFER, OFFERED, 9); /* too short a time */
	assert_false(parse(&answer, &reply));
	lease(&answer, UDP_DHCP_OFFER, 0x0a0000ff, 3600); /* a broadcast address */
	assert_false(parse(&answer, &reply));
	lease(&answer, UDP_DHCP_OFFER, OFFERED, 3600);
	for (answer.size = 0; answer.size < DHCP_OPTIONS + 11; answer.size++)
		assert_false(parse(&answer, &reply));
}

static void options_lie_in_three_places_and_in_parts(void **state)
{
	struct udp_dhcp_reply reply;
	struct answer answer;
	uint8_t *file, *sname;

	begin(&answer, UDP_DHCP_ACK, OFFERED);
	add(&answer, OPTION_OVERLOAD, "\x03", 1);
	add(&answer, OPTION_DOMAIN, "lab.", 4);
	file = answer.bytes + DHCP_FILE;
	memcpy(file, (const uint8_t[]){0x33, 4, 0, 0, 0xe, 0x10, 0xf, 3}, 8);
	memcpy(file + 8, (const uint8_t[]){'e', 'x', 'a', 0xff}, 4);
	sname = answer.bytes + DHCP_SNAME;
	memcpy(sname, (const uint8_t[]){0xf, 4, 'm', 'p', 'l', 'e', 1, 4, 0xff, 0xff, 0, 0, 0xff},
	       13);
	assert_true(parse(&answer, &reply));
	assert_int_equal(reply.lease.seconds, 3600);
	assert_int_equal(reply.lease.prefix, 16);
	assert_string_equal(reply.lease.domain, "lab.example");
	assert_false(reply.has_server);
	sname[1] = 63; /* reaches out of its field */
	assert_false(parse(&answer, &reply));
	answer.bytes[DHCP_OPTIONS + 5] = 1; /* sname is no place of options then */
	assert_true(parse(&answer, &reply));
	assert_string_equal(reply.lease.domain, "lab.exa");
}

static void nonsense_among_the_options_does_no_harm(void **state)
{
	struct udp_dhcp_reply reply;
	struct answer answer;

	lease(&answer, UDP_DHCP_ACK, OFFERED, 3600);
	wire_put32(answer.bytes + DHCP_OPTIONS + 17, 0xff00ff00); /* a mask with a hole */
	add32(&answer, OPTION_T1, 3000);
	add32(&answer, OPTION_T2, 2000);
	add(&answer, OPTION_MTU, "\0\x20", 2);
	assert_true(parse(&answer, &reply));
	assert_int_equal(reply.lease.prefix, 8); /* by its class */
	assert_int_equal(reply.lease.t1, 1800);
	assert_int_equal(reply.lease.t2, 3150);
	assert_int_equal(reply.lease.mtu, 0);
	begin(&answer, UDP_DHCP_ACK, OFFERED);
	add32(&answer, OPTION_LEASE, 3600);
	add32(&answer, OPTION_MASK, 0xffffff00);
	add32(&answer, OPTION_ROUTER, 0x0b000001); /* on no network of ours */
	add(&answer, OPTION_DOMAIN, "\033[2J", 4); /* not for a console */
	assert_true(parse(&answer, &reply));
	assert_int_equal(reply.lease.gateway.family, 0);
	assert_string_equal(reply.lease.domain, "");
}

/* ---- A server that a seed drives ---- */

/* Answers what lies on the tray, or does not; may refuse, may move the client to another address,
 * may answer twice. Whatever it does: BOUND and LOST alternate (changed asserts it), an address is
 * not used beyond its lease, and a server that behaves again is believed again. */
static void act(uint64_t *seed, uint32_t *address, unsigned trouble)
{
	const uint8_t *message = sent();
	uint64_t dice = bench_random(seed);
	uint8_t type = message == NULL ? 0 : type_of(message);
	uint32_t own = message == NULL ? 0 : wire_get32(message + DHCP_CIADDR);

	bench_empty_tray(&bench);
	if (dice % 100 < trouble)
		return;
	if (dice / 100 % 100 < trouble / 4)
		*address = OFFERED + (uint32_t)(dice >> 40) % 8;
	if (type == UDP_DHCP_DISCOVER)
		offer(*address, 20 + (uint32_t)(dice >> 32) % 500);
	if (type != UDP_DHCP_REQUEST)
		return;
	if (dice / 10000 % 100 < trouble / 3)
		refuse();
	else
		acknowledge(*address, 20 + (uint32_t)(dice >> 32) % 500,
		            own != 0 ? own : 0xffffffff);
}

static void seeds(void **state)
{
	for (uint64_t seed = 1; seed <= 300; seed++) {
		uint64_t random = seed;
		uint32_t address = OFFERED;

		teardown(NULL);
		setup(NULL);
		for (unsigned i = 0; i < 400; i++) {
			bench_pass(&bench, bench_random(&random) % (20 * S));
			if (usable)
				assert_true(bench.now <
				            client.granted + client.lease.seconds * S + 1);
			act(&random, &address, i < 300 ? 40 : 0);
		}
		for (unsigned i = 0; i < 100 && !usable; i++) {
			bench_pass(&bench, 1 * S);
			act(&random, &address, 0);
		}
		assert_true(usable);
		assert_int_equal(udp_ip4_value(&client.lease.ip), address);
	}
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        T(discover_says_who_asks),
	        T(lease_is_taken_probed_and_used),
	        T(answers_to_the_offered_address_are_heard),
	        T(silence_is_asked_into_ever_more_slowly),
	        T(unanswered_request_begins_anew),
	        T(conflict_is_declined),
	        T(what_we_have_is_not_taken_twice),
	        T(gateway_stays_with_who_has_it),
	        T(late_conflict_takes_it_away),
	        T(renewal_goes_to_the_server_alone),
	        T(unanswered_renewal_rebinds_and_ends),
	        T(another_server_may_rebind),
	        T(changed_address_is_lost_then_bound),
	        T(refusal_begins_anew_but_not_in_a_circle),
	        T(strangers_are_not_heard),
	        T(release_gives_it_back),
	        T(wrong_replies_are_refused),
	        T(options_lie_in_three_places_and_in_parts),
	        T(nonsense_among_the_options_does_no_harm),
	        T(seeds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
