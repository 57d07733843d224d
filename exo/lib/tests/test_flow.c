/* SPDX-License-Identifier: BSD-2-Clause */
/* The builders of flows (libexo/net.h), asked about frames. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <flt/flowset.h>
#include <libexo/net.h>

enum {
	ARP_SENDER = 28,
	ARP_TARGET = 38,
	FRAME = 64,
};

static const uint8_t here[4] = {10, 1, 2, 3}, there[4] = {192, 0, 2, 7};
static const uint8_t ports_of_both[4] = {1000 >> 8, 1000 & 0xff, 2000 >> 8, 2000 & 0xff};
static const uint8_t ethernet_ip[14] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x08, 0x00};
static const uint8_t ethernet_arp[14] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2,
                                         0,    0,    0,    0,    2,    0x08, 0x06};

/* UDP from `here` port 1000 to `there` port 2000, behind `options` bytes of IPv4 options. */
static void make_udp(uint8_t frame[FRAME], unsigned options)
{
	uint8_t *ports = frame + 34 + options;

	memset(frame, 0, FRAME);
	memcpy(frame, ethernet_ip, sizeof(ethernet_ip));
	frame[14] = (uint8_t)(0x45 + options / 4);
	frame[23] = 17;
	memcpy(frame + 26, here, 4);
	memcpy(frame + 30, there, 4);
	memcpy(ports, ports_of_both, sizeof(ports_of_both));
}

static bool has(const struct flt_conjunction *c, const uint8_t frame[FRAME])
{
	const struct flt_frame f = {.data = frame, .len = FRAME, .wire_len = FRAME};

	assert_int_equal(flt_conjunction_validate(c, NULL), FLT_OK);
	return flt_conjunction_match(c, &f);
}

/* A byte of the frame is another: it belongs to the flow no more. */
static void minds(const struct flt_conjunction *c, uint8_t frame[FRAME], unsigned at)
{
	assert_true(has(c, frame));
	frame[at] ^= 1;
	assert_false(has(c, frame));
	frame[at] ^= 1;
}

static void conversations(void **state)
{
	struct flt_conjunction to, from;
	uint8_t frame[FRAME];

	(void)state;
	exo_flow_ipv4_to(&to, 17, there, 2000);
	exo_flow_ipv4_from(&from, 17, here, 1000);
	for (unsigned options = 0; options <= 8; options += 4) {
		make_udp(frame, options);
		for (unsigned i = 0; i < 2; i++) {
			const struct flt_conjunction *c = i == 0 ? &to : &from;

			minds(c, frame, 13); /* type */
			minds(c, frame, 23); /* protocol */
			minds(c, frame, 21); /* offset of a fragment */
		}
		minds(&to, frame, 33);
		minds(&to, frame, 37 + options);
		minds(&from, frame, 29);
		minds(&from, frame, 35 + options);
		frame[20] = 0x20; /* the first fragment of several */
		assert_true(has(&to, frame) && has(&from, frame));
	}
}

static void prefixes(void **state)
{
	struct flt_conjunction c;
	uint8_t frame[FRAME];

	(void)state;
	make_udp(frame, 0);
	for (unsigned prefix = 0; prefix <= 32; prefix++) {
		exo_flow_any(&c);
		exo_flow_ipv4(&c);
		exo_flow_ipv4_source(&c, here, prefix);
		exo_flow_ipv4_destination(&c, there, prefix);
		for (unsigned bit = 0; bit < 32; bit++) {
			frame[30 + bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
			assert_int_equal(has(&c, frame), bit >= prefix);
			frame[30 + bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
		}
	}
}

static void arp(void **state)
{
	struct flt_conjunction c;
	uint8_t frame[FRAME] = {0};

	(void)state;
	memcpy(frame, ethernet_arp, sizeof(ethernet_arp));
	memcpy(frame + ARP_SENDER, here, 4);
	memcpy(frame + ARP_TARGET, there, 4);
	exo_flow_any(&c);
	exo_flow_ethertype(&c, 0x0806);
	exo_flow_mac(&c, 6, frame + 6);
	exo_flow_arp_sender(&c, here);
	exo_flow_arp_target(&c, there);
	for (unsigned at = 6; at < 14; at++)
		minds(&c, frame, at);
	for (unsigned i = 0; i < 4; i++) {
		minds(&c, frame, ARP_SENDER + i);
		minds(&c, frame, ARP_TARGET + i);
	}
}

/* One term too many makes it false for good, and says so. */
static void no_room(void **state)
{
	struct flt_conjunction c;

	(void)state;
	exo_flow_any(&c);
	for (unsigned i = 0; i < FLT_CONJUNCTION_TERMS_MAX; i++)
		exo_flow_term(&c, (uint16_t)i, 1, 0xff, 0);
	assert_false(exo_flow_full(&c));
	assert_int_equal(flt_conjunction_validate(&c, NULL), FLT_OK);
	exo_flow_ipv4_source_port(&c, 80);
	assert_true(exo_flow_full(&c));
	exo_flow_term(&c, 0, 1, 0xff, 0);
	assert_true(exo_flow_full(&c));
	assert_int_not_equal(flt_conjunction_validate(&c, NULL), FLT_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(conversations),
	        cmocka_unit_test(prefixes),
	        cmocka_unit_test(arp),
	        cmocka_unit_test(no_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
