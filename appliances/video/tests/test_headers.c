/* SPDX-License-Identifier: BSD-2-Clause */
/* Transport and Range: a line per case. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../server/headers.h"

static struct text of(const char *text)
{
	return (struct text){text, strlen(text)};
}

static void transports(void **state)
{
	static const struct {
		const char *text;
		bool good;
		struct transport is;
	} cases[] = {
	        {"RTP/AVP;unicast;client_port=5000-5001",
	         true,
	         {.rtp_port = 5000, .rtcp_port = 5001}},
	        {"RTP/AVP/UDP;unicast;client_port=5000",
	         true,
	         {.rtp_port = 5000, .rtcp_port = 5001}},
	        {"rtp/avp;client_port=65535;unicast",
	         true,
	         {.rtp_port = 65535, .rtcp_port = 65535}},
	        {"RTP/AVP/TCP;unicast;interleaved=2-3",
	         true,
	         {.tcp = true, .has_channels = true, .rtp_channel = 2, .rtcp_channel = 3}},
	        {"RTP/AVP/TCP", true, {.tcp = true}},
	        {"RTP/AVP;multicast", true, {.multicast = true}},
	        {"RTP/AVP", true, {.multicast = true}},
	        {"RTP/SAVP;unicast;client_port=1-2, RTP/AVP/TCP;interleaved=0-1",
	         true,
	         {.tcp = true, .has_channels = true, .rtp_channel = 0, .rtcp_channel = 1}},
	        {"RTP/AVP;unicast;client_port=7-8;mode=\"PLAY\"",
	         true,
	         {.rtp_port = 7, .rtcp_port = 8}},
	        {"RTP/AVP;unicast;client_port=7-8;mode=RECORD", false, {.tcp = false}},
	        {"RTP/AVP;unicast", false, {.tcp = false}},
	        {"RTP/AVP;unicast;client_port=0-1", false, {.tcp = false}},
	        {"RTP/AVP;unicast;client_port=65536-1", false, {.tcp = false}},
	        {"RTP/AVP/TCP;interleaved=256-257", false, {.tcp = false}},
	        {"RTP/AVP/TCP;interleaved=1-1", false, {.tcp = false}},
	        {"", false, {.tcp = false}},
	        {";;;", false, {.tcp = false}},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct transport t;

		assert_int_equal(transport_parse(of(cases[i].text), &t), cases[i].good);
		if (!cases[i].good)
			continue;
		assert_int_equal(t.tcp, cases[i].is.tcp);
		assert_int_equal(t.multicast, cases[i].is.multicast);
		assert_int_equal(t.rtp_port, cases[i].is.rtp_port);
		assert_int_equal(t.rtcp_port, cases[i].is.rtcp_port);
		assert_int_equal(t.has_channels, cases[i].is.has_channels);
		assert_int_equal(t.rtp_channel, cases[i].is.rtp_channel);
		assert_int_equal(t.rtcp_channel, cases[i].is.rtcp_channel);
	}
}

static void play_times(void **state)
{
	static const struct {
		const char *text;
		bool good, has_from, has_to;
		uint32_t from, to;
	} cases[] = {
	        {"npt=0-", true, true, false, 0, 0},
	        {"npt=0.000-", true, true, false, 0, 0},
	        {"npt=7.5-12.25", true, true, true, 7500, 12250},
	        {"npt=1:02:03.4-", true, true, false, 3723400, 0},
	        {"npt=now-", true, false, false, 0, 0},
	        {"npt=-5", true, false, true, 0, 5000},
	        {"npt=0.0009999-", true, true, false, 0, 0},
	        {"npt=1-;time=19970123T143720Z", true, true, false, 1000, 0},
	        {"npt=", false, false, false, 0, 0},
	        {"npt=5-5", false, false, false, 0, 0},
	        {"npt=5-4", false, false, false, 0, 0},
	        {"npt=1:2-", false, false, false, 0, 0},
	        {"npt=1:60:00-", false, false, false, 0, 0},
	        {"npt=x-", false, false, false, 0, 0},
	        {"npt=1.x-", false, false, false, 0, 0},
	        {"npt=99999999999-", false, false, false, 0, 0},
	        {"smpte=0-", false, false, false, 0, 0},
	        {"clock=19961108T142300Z-", false, false, false, 0, 0},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct npt_range range;

		assert_int_equal(npt_parse(of(cases[i].text), &range), cases[i].good);
		if (!cases[i].good)
			continue;
		assert_int_equal(range.has_from, cases[i].has_from);
		assert_int_equal(range.has_to, cases[i].has_to);
		if (range.has_from)
			assert_int_equal(range.from_ms, cases[i].from);
		if (range.has_to)
			assert_int_equal(range.to_ms, cases[i].to);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(transports),
	        cmocka_unit_test(play_times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
