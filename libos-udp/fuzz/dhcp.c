/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzzes the DHCP client: the input is read as a server's message by itself, then as a row of
 * answers to a client, each given the transaction number and addresses that make it heard.
 */
#include "../src/dhcp_message.h"
#include "../tests/bench.h"

#include <udp/dhcp.h>

static void answer(struct bench *bench, const struct udp_dhcp *client, const uint8_t *data,
                   uint32_t size)
{
	struct bench_ip ip = {.src = 0x0a0000fe, .dst = 0xffffffff, .protocol = PROTOCOL_UDP};
	uint8_t message[DHCP_OPTIONS + 512] = {0}, packet[1024], frame[1200];

	if (size > 512)
		size = 512;
	/* What the options begin with also stands in the fields, as far as nothing fixes them. */
	memcpy(message, data, size < DHCP_COOKIE ? size : DHCP_COOKIE);
	message[DHCP_OP] = DHCP_OP_REPLY;
	message[DHCP_HTYPE] = 1;
	message[DHCP_HLEN] = UDP_MAC_BYTES;
	wire_put32(message + DHCP_XID, client->xid);
	memcpy(message + DHCP_CHADDR, bench_mac, UDP_MAC_BYTES);
	wire_put32(message + DHCP_COOKIE, DHCP_MAGIC);
	memcpy(message + DHCP_OPTIONS, data, size);
	size = bench_udp(packet, &ip, 67, 68, message, DHCP_OPTIONS + size);
	size = bench_ip4(frame, &ip, packet, size);
	memset(frame, 0xff, UDP_MAC_BYTES);
	bench_input(bench, frame, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct udp_config config = udp_config_default();
	struct udp_dhcp client = {.host = "fuzz"};
	struct udp_dhcp_reply reply;
	struct bench bench;

	(void)udp_dhcp_parse(data, (uint32_t)size, &reply);
	bench_open_bare(&bench, &config, bench_mac, 3);
	if (udp_dhcp_start(bench.stack, &client) != 0)
		__builtin_trap();
	while (size >= 3) {
		uint32_t n = data[0] | (data[1] & 1u) << 8;

		bench_pass(&bench, (uint64_t)(data[1] >> 1) * 500000000ull);
		if (n > size - 2)
			n = (uint32_t)size - 2;
		answer(&bench, &client, data + 2, n);
		data += 2 + n;
		size -= 2 + n;
		bench_empty_tray(&bench);
	}
	udp_dhcp_stop(&client);
	bench_close(&bench);
	return 0;
}
