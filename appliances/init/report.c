/* SPDX-License-Identifier: BSD-2-Clause */
/* See report.h. RFC 768, 791, 919 (broadcast), 5424 and 5426 (syslog). */
#include <exo/siphash.h>
#include <libexo/call.h>
#include <libexo/channel.h>
#include <libexo/lib.h>
#include <libexo/net.h>
#include <libexo/packet.h>
#include <libexo/printf.h>
#include <libexo/start.h>
#include <libexo/time.h>

#include "init.h"
#include "report.h"

enum {
	RING_SIZE = 16,
	BURST = 8,
	PRIORITY = INT32_MAX,
	AT_SOURCE_MAC = 6,
	IP_AT = 14,
	UDP_AT = IP_AT + 20,
	TEXT_AT = UDP_AT + 8,
	TEXT_MOST = 1400,
	QUICK = 3,       /* reports sent a second apart, before the slow ones */
	LINE_MOST = 512, /* of the console in a syslog message */
	LINES_AT_ONCE = 8,
	SYSLOG_USER_INFO = 14, /* facility 1, severity 6 */
	COMMAND_BYTES = 7 + 16 + 1 + 16,
};
#define SECOND 1000000000ull
#define SLOWLY (10 * SECOND)
#define LOOK   (SECOND / 2) /* for new lines of the console */

static struct {
	bool open, up;
	struct exo_rx rx;
	struct exo_tx tx;
	const struct exo_port_info *port;
	uint32_t running, sent;
	uint64_t next_at, up_at; /* nanoseconds since boot */
	char nonce[17];
	uint64_t console_from;
	char line[LINE_MOST];
	uint32_t line_bytes;
} report;

/* ---- Opening ---- */

static void to_report_port(struct flt_conjunction *flow)
{
	exo_flow_any(flow);
	exo_flow_ipv4(flow);
	exo_flow_ipv4_protocol(flow, 17);
	exo_flow_ipv4_first(flow);
	exo_flow_ipv4_destination_port(flow, REPORT_PORT);
}

static int make_space(struct exo_cap *space)
{
	static struct flt_conjunction receive, transmit;
	const struct exo_cap *root = exo_start_cap(EXO_USE_FLOW);
	struct exo_flow_grant block = {
	        .to = exo_start_page()->env,
	        .rights = EXO_RIGHT_BIND | EXO_RIGHT_SEND | EXO_RIGHT_SHARE,
	        .priority_max = PRIORITY,
	        .n_receive = 1,
	        .n_transmit = 1,
	        .ports = 1,
	        .receive = (uintptr_t)&receive,
	        .transmit = (uintptr_t)&transmit,
	};
	int result;

	if (root == NULL)
		return -EXO_EPERM;
	block.space = *root;
	to_report_port(&receive);
	exo_flow_any(&transmit);
	exo_flow_mac(&transmit, AT_SOURCE_MAC, report.port->mac);
	exo_flow_ipv4(&transmit);
	exo_flow_ipv4_protocol(&transmit, 17);
	exo_flow_ipv4_first(&transmit);
	exo_flow_ipv4_source_port(&transmit, REPORT_PORT);
	result = exo_flow_grant(&block);
	*space = block.out;
	return result;
}

static int bind(const struct exo_cap *space, char *error)
{
	static struct flt_conjunction flow;
	struct exo_start_bind what = {.name = "report",
	                              .priority = PRIORITY,
	                              .conjunctions = (uintptr_t)&flow,
	                              .n_conjunctions = 1};
	struct exo_cap binding;

	to_report_port(&flow);
	return exo_net_bind(&what, space, &report.rx.ring.cap, 1, 0, &binding, error);
}

static int open_rings(char *error)
{
	uint32_t core = exo_start_page()->core;
	struct exo_cap space;
	int result = make_space(&space);

	if (result >= 0)
		result = exo_tx_open(&report.tx, RING_SIZE, EXO_BUFFER_BYTES, core, &space);
	if (result >= 0 && init.options.report.has_key)
		result = exo_rx_open(&report.rx, RING_SIZE, EXO_BUFFER_BYTES, core);
	if (result >= 0 && init.options.report.has_key)
		result = bind(&space, error);
	return result;
}

static void hex(char *to, uint64_t value)
{
	for (int i = 15; i >= 0; i--, value >>= 4)
		to[i] = "0123456789abcdef"[value & 15];
}

/* Unlike any other start's: the clocks of this moment under the key. */
static void draw_nonce(void)
{
	struct {
		uint64_t boot, wall, now;
		uint8_t mac[8];
	} seed = {exo_info()->tsc_boot, exo_info()->wall_boot_ns, __builtin_ia32_rdtsc(), {0}};

	memcpy(seed.mac, report.port->mac, 6);
	hex(report.nonce, exo_siphash(init.options.report.key, &seed, sizeof(seed)));
}

void report_open(void)
{
	const struct report_options *options = &init.options.report;
	char error[EXO_NET_ERROR_MAX] = "";
	int result;

	if (options->report == 0 && options->syslog == 0 && !options->has_key)
		return;
	report.port = exo_port_info(0);
	if (report.port == NULL) {
		exo_printf("nothing is reported: there is no NIC that can be driven; boot the "
		           "appliance `probe` to see why\n");
		return;
	}
	result = open_rings(error);
	if (result < 0) {
		exo_printf("nothing is reported: %s%s%s\n", exo_error_text(result),
		           error[0] == '\0' ? "" : ": ", error);
		return;
	}
	draw_nonce();
	report.open = true;
}

/* ---- Sending ---- */

static void put16(uint8_t *at, unsigned value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static unsigned ip_sum(const uint8_t *header)
{
	uint32_t sum = 0;

	for (unsigned i = 0; i < 20; i += 2)
		sum += (uint32_t)header[i] << 8 | header[i + 1];
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum & 0xffff;
}

/* The machine's first IPv4 address on this port, or 0.0.0.0. */
static const struct exo_start_address *own_address(void)
{
	static const struct exo_start_address none;

	for (unsigned i = 0; i < init.options.n_addresses; i++) {
		const struct exo_start_address *address = &init.options.addresses[i];

		if (address->family == 4 && address->port == 0)
			return address;
	}
	return &none;
}

static void fill_headers(uint8_t *frame, uint16_t to, unsigned size)
{
	static const uint8_t ip[20] = {0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 17};

	memset(frame, 0xff, 6);
	memcpy(frame + AT_SOURCE_MAC, report.port->mac, 6);
	put16(frame + 12, 0x0800);
	memcpy(frame + IP_AT, ip, sizeof(ip));
	put16(frame + IP_AT + 2, 28 + size);
	memcpy(frame + IP_AT + 12, own_address()->address, 4);
	memset(frame + IP_AT + 16, 0xff, 4);
	put16(frame + IP_AT + 10, ip_sum(frame + IP_AT));
	put16(frame + UDP_AT, REPORT_PORT);
	put16(frame + UDP_AT + 2, to);
	put16(frame + UDP_AT + 4, 8 + size);
	put16(frame + UDP_AT + 6, 0); /* no checksum: RFC 768 */
}

/* false: no room now. */
static bool send(uint16_t to, const char *text, unsigned size)
{
	struct exo_tx_buffer buffer;

	if (exo_tx_take(&report.tx, &buffer) < 0)
		return false;
	fill_headers(buffer.data, to, size);
	memcpy(buffer.data + TEXT_AT, text, size);
	if (exo_tx_send(&report.tx, &buffer, TEXT_AT + size, 0, 0) < 0) {
		exo_tx_drop(&report.tx, &buffer);
		return false;
	}
	exo_tx_flush(&report.tx);
	return true;
}

/* ---- "I am up" ---- */

static int add_nics(char *text, int n)
{
	for (uint32_t i = 0; i < exo_info()->n_ports && n < TEXT_MOST - 200; i++) {
		const struct exo_port_info *p = exo_port_info(i);

		n += exo_snprintf(text + n, (size_t)(TEXT_MOST - n),
		                  "%s{\"driver\":\"%.31s\",\"bus\":\"%.31s\",\"mac\":"
		                  "\"%02x:%02x:%02x:%02x:%02x:%02x\",\"mbps\":%u}",
		                  i == 0 ? "" : ",", p->driver, p->bus, p->mac[0], p->mac[1],
		                  p->mac[2], p->mac[3], p->mac[4], p->mac[5], p->link_mbps);
	}
	return n;
}

static void send_report(uint64_t now)
{
	const struct exo_manifest *m = init.payload.manifest;
	const struct exo_start_address *own = own_address();
	static char text[TEXT_MOST];
	int n = exo_snprintf(
	        text, sizeof(text),
	        "{\"sluice\":\"%s\",\"name\":\"%.63s\",\"address\":\"%u.%u.%u.%u/%u\","
	        "\"up_us\":%lu,\"now_us\":%lu,\"cores\":%u,\"memory_mib\":%lu,"
	        "\"environments\":\"%u/%u\",\"damaged\":%s,\"nonce\":\"%s\",\"nics\":[",
	        SLUICE_VERSION, exo_manifest_string(m, m->name), own->address[0], own->address[1],
	        own->address[2], own->address[3], own->prefix, (unsigned long)(report.up_at / 1000),
	        (unsigned long)(now / 1000), exo_info()->n_cores,
	        (unsigned long)(exo_info()->frames_total / 256), report.running, init.n_services,
	        init.damaged ? "true" : "false", report.nonce);

	n = add_nics(text, n);
	n += exo_snprintf(text + n, sizeof(text) - (size_t)n, "]}\n");
	if (!send(init.options.report.report, text, (unsigned)n))
		return;
	report.sent++;
}

/* ---- The console's lines ---- */

static bool send_line(void)
{
	static char text[LINE_MOST + 128];
	const struct exo_manifest *m = init.payload.manifest;
	int n = exo_snprintf(text, sizeof(text), "<%d>1 - %.63s sluice - - - %.*s",
	                     SYSLOG_USER_INFO, exo_manifest_string(m, m->name),
	                     (int)report.line_bytes, report.line);

	if (report.line_bytes > 0 && !send(init.options.report.syslog, text, (unsigned)n))
		return false;
	report.line_bytes = 0;
	return true;
}

/* Reads on and sends whole lines; what does not fit now comes the next time. */
static void send_lines(void)
{
	const struct exo_cap *machine = exo_start_cap(EXO_USE_MACHINE);
	static struct exo_fact fact;
	unsigned lines = 0;

	if (machine == NULL ||
	    exo_fact(machine, EXO_FACT_CONSOLE, report.console_from, &fact) < 0 || fact.size == 0)
		return;
	report.console_from = fact.base;
	for (uint64_t i = 0; i < fact.size && lines < LINES_AT_ONCE; i++) {
		char c = fact.text[i];

		if (c == '\n' || report.line_bytes == LINE_MOST) {
			if (!send_line())
				return;
			lines++;
		}
		if (c != '\n')
			report.line[report.line_bytes++] = c;
		report.console_from++;
	}
}

/* ---- Commands ---- */

static bool is_reboot(const char *text, unsigned size)
{
	char wanted[COMMAND_BYTES + 1] = "reboot ";
	unsigned different = 0;

	if (size < COMMAND_BYTES)
		return false;
	memcpy(wanted + 7, report.nonce, 16);
	hex(wanted + 24, exo_siphash(init.options.report.key, wanted, 23));
	wanted[23] = ' ';
	for (unsigned i = 0; i < COMMAND_BYTES; i++) /* no time tells how much of it was right */
		different |= (unsigned)(unsigned char)(wanted[i] ^ text[i]);
	return different == 0;
}

static void take_command(const struct exo_rx_frame *frame)
{
	char text[COMMAND_BYTES];
	unsigned header;

	if (frame->length < IP_AT + 20)
		return;
	header = (frame->data[IP_AT] & 15) * 4u; /* the binding has seen an IPv4 header */
	if (header < 20 || frame->length < IP_AT + header + 8 + COMMAND_BYTES)
		return;
	memcpy(text, frame->data + IP_AT + header + 8, sizeof(text));
	if (!is_reboot(text, sizeof(text))) {
		exo_printf("a command with a wrong key, or heard before, was refused\n");
		return;
	}
	exo_printf("rebooting: asked for by who has the key\n");
	init_power(EXO_POWER_RESET, 0);
}

static void take_commands(void)
{
	struct exo_rx_frame frames[BURST];
	uint32_t n;

	while ((n = exo_rx_burst(&report.rx, frames, BURST)) > 0) {
		for (uint32_t i = 0; i < n; i++)
			take_command(&frames[i]);
		exo_rx_release(&report.rx, frames, n);
	}
}

/* ---- Running ---- */

void report_up(uint32_t running)
{
	report.running = running;
	report.up = report.open;
	report.up_at = report.next_at = exo_time_now_ns();
}

void report_run(uint64_t now)
{
	if (!report.open)
		return;
	if (init.options.report.has_key)
		take_commands();
	if (report.up && init.options.report.report != 0 && now >= report.next_at) {
		send_report(now);
		report.next_at = now + (report.sent <= QUICK ? SECOND : SLOWLY);
	}
	if (init.options.report.syslog != 0)
		send_lines();
}

uint64_t report_due(uint64_t now)
{
	uint64_t due = UINT64_MAX;

	if (report.open && report.up && init.options.report.report != 0)
		due = report.next_at;
	if (report.open && init.options.report.syslog != 0 && now + LOOK < due)
		due = now + LOOK;
	return due;
}
