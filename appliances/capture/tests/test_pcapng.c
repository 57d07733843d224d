/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Blocks of pcapng, read back: by libpcap (nanoseconds, lengths, bytes), and field by field where
 * libpcap does not tell (options, statistics).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <pcap/pcap.h>

#include "pcapng.h"

static uint8_t file[8192];
static uint32_t used;

static uint32_t add(uint32_t size)
{
	uint32_t at = used;

	assert_true(size > 0 && size % 4 == 0);
	used += size;
	return at;
}

static const uint8_t mac[6] = {2, 0, 0, 0, 0, 9};
static const struct pcapng_interface two = {.name = "port0/web",
                                            .description = "Sluice, port 0",
                                            .comment = "binding web",
                                            .filter = "tcp port 80",
                                            .hardware = "net_virtio",
                                            .mac = mac,
                                            .bits_per_second = 10000000000,
                                            .snap = 2048};

static uint32_t add_packet(uint32_t captured, uint32_t length, uint64_t ns, uint64_t missed)
{
	static const uint8_t data[64] = {1, 2, 3, 4, 5};
	struct pcapng_packet packet = {.captured = captured,
	                               .length = length,
	                               .time_ns = ns,
	                               .data = data,
	                               .missed = missed,
	                               .direction = PCAPNG_IN};

	return add(pcapng_packet(file + used, sizeof(file) - used, &packet));
}

static void begin(void)
{
	used = 0;
	add(pcapng_section(file, sizeof(file), "x86-64", "Sluice 1", "capture 1", NULL));
	add(pcapng_interface(file + used, sizeof(file) - used, &two));
}

static pcap_t *reopen(FILE **stream)
{
	char error[PCAP_ERRBUF_SIZE];
	pcap_t *pcap;

	*stream = fmemopen(file, used, "rb");
	assert_non_null(*stream);
	pcap = pcap_fopen_offline_with_tstamp_precision(*stream, PCAP_TSTAMP_PRECISION_NANO, error);
	assert_non_null(pcap);
	return pcap;
}

static void expect(pcap_t *pcap, uint32_t captured, uint32_t length, uint64_t ns)
{
	struct pcap_pkthdr *header;
	const u_char *data;

	assert_int_equal(pcap_next_ex(pcap, &header, &data), 1);
	assert_int_equal(header->caplen, captured);
	assert_int_equal(header->len, length);
	assert_int_equal(header->ts.tv_sec, ns / 1000000000);
	assert_int_equal(header->ts.tv_usec, ns % 1000000000);
	if (captured > 2)
		assert_memory_equal(data, "\1\2\3", 3);
}

/* libpcap reads them all, whatever length is padded, with blocks that it skips in between. */
static void reads_back(void **state)
{
	const struct pcapng_statistics statistics = {.time_ns = 5};
	const uint64_t at = 1700000000123456789;
	struct pcap_pkthdr *header;
	const u_char *data;
	FILE *stream;
	pcap_t *pcap;

	(void)state;
	begin();
	for (uint32_t size = 0; size < 9; size++)
		add_packet(size, 1500, at + size, size % 3);
	add(pcapng_statistics(file + used, sizeof(file) - used, &statistics));
	add_packet(60, 60, at + 100, 0);
	pcap = reopen(&stream);
	assert_int_equal(pcap_datalink(pcap), DLT_EN10MB);
	assert_int_equal(pcap_snapshot(pcap), 2048);
	for (uint32_t size = 0; size < 9; size++)
		expect(pcap, size, 1500, at + size);
	expect(pcap, 60, 60, at + 100);
	assert_int_equal(pcap_next_ex(pcap, &header, &data), PCAP_ERROR_BREAK);
	pcap_close(pcap);
}

/* The value of an option behind `fixed` bytes of a block's body; NULL: it is not there. */
static const uint8_t *option(uint32_t at, uint32_t fixed, uint16_t code, uint16_t *size)
{
	uint32_t length, here = at + 8 + fixed;
	uint16_t head[2];

	memcpy(&length, file + at + 4, sizeof(length));
	while (here + 4 <= at + length - 4) {
		memcpy(head, file + here, sizeof(head));
		if (head[0] == 0)
			return NULL;
		if (head[0] == code) {
			*size = head[1];
			return file + here + 4;
		}
		here += 4 + ((head[1] + 3u) & ~3u);
	}
	return NULL;
}

static void expect_text(uint32_t at, uint32_t fixed, uint16_t code, const char *text)
{
	uint16_t size = 0;
	const uint8_t *value = option(at, fixed, code, &size);

	assert_non_null(value);
	assert_int_equal(size, strlen(text));
	assert_memory_equal(value, text, size);
}

static void expect_count(uint32_t at, uint32_t fixed, uint16_t code, uint64_t count)
{
	uint16_t size = 0;
	const uint8_t *value = option(at, fixed, code, &size);

	assert_non_null(value);
	assert_int_equal(size, sizeof(count));
	assert_memory_equal(value, &count, sizeof(count));
}

static void names_the_binding(void **state)
{
	uint32_t interface, packet;
	uint16_t size = 0;

	(void)state;
	begin();
	interface = add(pcapng_interface(file + used, sizeof(file) - used, &two));
	expect_text(interface, 8, 1, "binding web");
	expect_text(interface, 8, 2, "port0/web");
	expect_text(interface, 8, 15, "net_virtio");
	expect_count(interface, 8, 8, 10000000000);
	assert_memory_equal(option(interface, 8, 6, &size), mac, 6);
	assert_int_equal(*option(interface, 8, 9, &size), 9);
	assert_memory_equal(option(interface, 8, 11, &size), "\0tcp port 80", 12);
	assert_int_equal(size, 12);
	packet = add_packet(7, 7, 1, 41);
	expect_count(packet, 20 + 8, 4, 41);
	assert_null(option(packet, 20 + 8, 1, &size));
}

static void tells_drops(void **state)
{
	const struct pcapng_statistics statistics = {.time_ns = 0x123456789,
	                                             .received = 10,
	                                             .dropped_below = 1,
	                                             .dropped_here = 3,
	                                             .delivered = 7};
	uint32_t at;

	(void)state;
	begin();
	at = add(pcapng_statistics(file + used, sizeof(file) - used, &statistics));
	assert_memory_equal(file + at + 12, "\1\0\0\0\x89\x67\x45\x23", 8);
	expect_count(at, 12, 5, 1);
	expect_count(at, 12, 6, 10);
	expect_count(at, 12, 7, 3);
	expect_count(at, 12, 8, 7);
}

/* A block fits or is not there; texts that are too long are cut. */
static void keeps_to_its_room(void **state)
{
	static char text[2 * PCAPNG_TEXT_MAX];
	const struct pcapng_interface longest = {.name = text, .comment = text, .filter = text};
	struct pcapng_packet packet = {.captured = UINT32_MAX - 2, .data = text};
	uint8_t guarded[2048];
	uint32_t whole, size;

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	whole = pcapng_interface(guarded, sizeof(guarded), &longest);
	assert_in_range(whole, 3 * PCAPNG_TEXT_MAX, 3 * PCAPNG_TEXT_MAX + 64);
	for (size = 0; size < whole; size++) {
		memset(guarded, 0xee, sizeof(guarded));
		assert_int_equal(pcapng_interface(guarded, size, &longest), 0);
		assert_int_equal(guarded[size], 0xee);
	}
	assert_int_equal(pcapng_interface(guarded, whole, &longest), whole);
	assert_int_equal(pcapng_packet(guarded, sizeof(guarded), &packet), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(reads_back),
	        cmocka_unit_test(names_the_binding),
	        cmocka_unit_test(tells_drops),
	        cmocka_unit_test(keeps_to_its_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
