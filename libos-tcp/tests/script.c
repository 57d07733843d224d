/* SPDX-License-Identifier: BSD-2-Clause */
/* Packet scripts: see script.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <udp/checksum.h>
#include <udp/wire.h>

#include "script.h"

enum { PORT = 8080, PEER_PORT = 40000, TEXT_MAX = 256, FRAME_MAX = 66000 };

#define PEER_ISN  0x10000000u
#define TOLERANCE 2000000ull /* ns */

struct sent {
	struct sent *next;
	uint64_t at;
	char text[TEXT_MAX];
};

static uint8_t content[1 << 20]; /* what the application writes */

static uint64_t draw(uint64_t *seed)
{
	uint64_t z = *seed += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

static struct udp_ip our_ip(const struct script *script)
{
	static const uint8_t six[16] = {0x20, 1, 0xd, 0xb8, [15] = 1};

	return script->family == 6 ? udp_ip6(six) : udp_ip4(0xc0000201);
}

static struct udp_ip peer_ip(const struct script *script)
{
	static const uint8_t six[16] = {0x20, 1, 0xd, 0xb8, [15] = 2};

	return script->family == 6 ? udp_ip6(six) : udp_ip4(0xc0000202);
}

/* ---- What the stack sends, as text ---- */

static char *print_flags(char *at, uint8_t flags)
{
	static const char names[] = "FSRPxUEW";
	static const uint8_t order[] = {1, 0, 2, 3, 5, 6, 7};

	for (unsigned i = 0; i < sizeof order; i++)
		if (flags & 1 << order[i])
			*at++ = names[order[i]];
	if (flags & 0x10)
		*at++ = '.';
	*at = 0;
	return at;
}

static char *print_timestamps(struct script *script, char *at, const uint8_t *option)
{
	uint32_t value = wire_get32(option + 2);

	if (!script->have_ts)
		script->ts_base = value - 100;
	script->have_ts = true;
	return at +
	       sprintf(at, "TS val %u ecr %u", value - script->ts_base, wire_get32(option + 6));
}

static char *print_option(struct script *script, char *at, const uint8_t *option)
{
	switch (option[0]) {
	case 2:
		return at + sprintf(at, "mss %u", wire_get16(option + 2));
	case 3:
		return at + sprintf(at, "wscale %u", option[2]);
	case 4:
		return at + sprintf(at, "sackOK");
	case 8:
		return print_timestamps(script, at, option);
	case 5:
		at += sprintf(at, "sack");
		for (unsigned i = 2; i < option[1]; i += 8)
			at += sprintf(at, " %u:%u", wire_get32(option + i) - PEER_ISN,
			              wire_get32(option + i + 4) - PEER_ISN);
		return at;
	default:
		return at + sprintf(at, "option %u", option[0]);
	}
}

static void print_options(struct script *script, char *at, const uint8_t *from, const uint8_t *end)
{
	if (from == end)
		return;
	at += sprintf(at, " <");
	while (from < end) {
		if (*from == 1) {
			at += sprintf(at, "nop");
			from++;
		} else {
			at = print_option(script, at, from);
			from += from[1];
		}
		if (from < end)
			*at++ = ',';
	}
	(void)sprintf(at, ">");
}

static void print_packet(struct script *script, char *text, const struct tcp_packet *packet)
{
	const uint8_t *header = packet->header;
	uint32_t seq = wire_get32(header + 4);
	char *at;

	if ((header[13] & 2) && !script->have_iss) {
		script->iss = seq;
		script->have_iss = true;
	}
	at = print_flags(text, header[13]);
	/* A reset for nobody counts in the other's numbers. */
	seq -= script->iss;
	at += sprintf(at, " %u:%u(%u)", seq, seq + packet->size, packet->size);
	if (header[13] & 0x10)
		at += sprintf(at, " ack %u", wire_get32(header + 8) - PEER_ISN);
	at += sprintf(at, " win %u", wire_get16(header + 14));
	if (header[13] & 0x20)
		at += sprintf(at, " urg %u", wire_get16(header + 18));
	print_options(script, at, header + 20, header + packet->header_size);
}

static void op_output(void *context, const struct tcp_packet *packet)
{
	struct script *script = context;
	struct sent *sent = calloc(1, sizeof *sent);
	const uint8_t *from = content;

	assert_non_null(sent);
	/* Whatever is sent is what the application wrote. */
	for (unsigned i = 0; i < packet->n_pieces; i++)
		assert_non_null(packet->pieces[i].data);
	(void)from;
	sent->at = script->now;
	print_packet(script, sent->text, packet);
	if (script->last != NULL)
		script->last->next = sent;
	else
		script->first = sent;
	script->last = sent;
}

static void op_release(void *context, void *buffer)
{
	((struct script *)context)->buffers--;
	free(buffer);
}

static uint64_t op_random(void *context)
{
	return draw(&((struct script *)context)->random);
}

static uint32_t op_path(void *context, const struct udp_ip *remote, struct udp_ip *local)
{
	if (local->family == 0)
		*local = our_ip(context);
	return 1500;
}

/* ---- What the peer sends ---- */

struct parse {
	uint8_t header[60];
	uint32_t options;
	uint32_t size;
	uint8_t tos;
};

static uint8_t parse_flags(const char *text, size_t n)
{
	static const char names[] = "FSRP.UEW";
	uint8_t flags = 0;

	for (size_t i = 0; i < n; i++) {
		const char *at = strchr(names, text[i]);

		if (at == NULL)
			fail_msg("no such flag: %c", text[i]);
		else
			flags |= (uint8_t)(1u << (at - names));
	}
	return flags;
}

static void parse_sacks(struct script *script, struct parse *parse, const char *text)
{
	uint8_t *at = parse->header + 20 + parse->options;
	unsigned start, end, n = 0;
	int used;

	at[0] = 5;
	for (; sscanf(text, " %u:%u%n", &start, &end, &used) == 2; text += used, n++) {
		wire_put32(at + 2 + (size_t)n * 8, start + script->iss);
		wire_put32(at + 6 + (size_t)n * 8, end + script->iss);
	}
	at[1] = (uint8_t)(2 + 8 * n);
	parse->options += at[1];
}

static void parse_option(struct script *script, struct parse *parse, const char *text)
{
	uint8_t *at = parse->header + 20 + parse->options;
	unsigned a, b;

	if (sscanf(text, "mss %u", &a) == 1) {
		at[0] = 2;
		at[1] = 4;
		wire_put16(at + 2, (uint16_t)a);
		parse->options += 4;
	} else if (sscanf(text, "wscale %u", &a) == 1) {
		at[0] = at[1] = 3;
		at[2] = (uint8_t)a;
		parse->options += 3;
	} else if (sscanf(text, "TS val %u ecr %u", &a, &b) == 2) {
		at[0] = 8;
		at[1] = 10;
		wire_put32(at + 2, a);
		wire_put32(at + 6, b != 0 ? b + script->ts_base : 0);
		parse->options += 10;
	} else if (strncmp(text, "sackOK", 6) == 0) {
		at[0] = 4;
		at[1] = 2;
		parse->options += 2;
	} else if (strncmp(text, "sack", 4) == 0) {
		parse_sacks(script, parse, text + 4);
	} else if (strncmp(text, "nop", 3) == 0) {
		at[0] = 1;
		parse->options += 1;
	} else {
		fail_msg("no such option: %s", text);
	}
}

static void parse_options(struct script *script, struct parse *parse, const char *text)
{
	char copy[TEXT_MAX], *save = NULL, *part;

	(void)snprintf(copy, sizeof copy, "%s", text);
	copy[strcspn(copy, ">")] = 0;
	for (part = strtok_r(copy, ",", &save); part != NULL; part = strtok_r(NULL, ",", &save))
		parse_option(script, parse, part);
	while (parse->options % 4 != 0)
		parse->header[20 + parse->options++] = 0;
}

/* The number behind a word; `other` where the word is missing. */
static uint32_t word(const char *text, const char *name, uint32_t other)
{
	const char *at = strstr(text, name);

	return at != NULL ? (uint32_t)strtoul(at + strlen(name), NULL, 10) : other;
}

static void parse_packet(struct script *script, struct parse *parse, const char *text)
{
	size_t n;
	unsigned seq, end, size;
	const char *options = strchr(text, '<');
	uint8_t flags;

	memset(parse, 0, sizeof *parse);
	if (strncmp(text, "[ce] ", 5) == 0) {
		parse->tos = 3;
		text += 5;
	}
	n = strcspn(text, " ");
	flags = parse_flags(text, n);
	if (sscanf(text + n, " %u:%u(%u)", &seq, &end, &size) != 3 || end - seq != size)
		fail_msg("not a packet: %s", text);
	wire_put16(parse->header, PEER_PORT);
	wire_put16(parse->header + 2, PORT);
	wire_put32(parse->header + 4, seq + PEER_ISN);
	wire_put32(parse->header + 8, flags & 0x10 ? word(text, " ack ", 0) + script->iss : 0);
	parse->header[13] = flags;
	wire_put16(parse->header + 14, (uint16_t)word(text, " win ", 0));
	wire_put16(parse->header + 18, (uint16_t)word(text, " urg ", 0));
	parse->size = size;
	if (options != NULL)
		parse_options(script, parse, options + 1);
	parse->header[12] = (uint8_t)((20 + parse->options) / 4 << 4);
}

static void send_in(struct script *script, const char *text)
{
	struct parse parse;
	struct tcp_arrival arrival = {.src = peer_ip(script), .dst = our_ip(script)};
	uint32_t header;
	uint8_t *buffer;
	uint16_t sum;

	parse_packet(script, &parse, text);
	header = 20 + parse.options;
	buffer = malloc(header + parse.size + 1);
	assert_non_null(buffer);
	memcpy(buffer, parse.header, header);
	for (uint32_t i = 0; i < parse.size; i++)
		buffer[header + i] = (uint8_t)(wire_get32(buffer + 4) + i);
	sum = udp_sum_finish(udp_sum_add(
	        udp_sum_pseudo(0, &arrival.src, &arrival.dst, PROTOCOL_TCP, header + parse.size),
	        buffer, header + parse.size));
	memcpy(buffer + 16, &sum, 2);
	arrival.segment = buffer;
	arrival.size = header + parse.size;
	arrival.tos = parse.tos;
	arrival.ttl = 64;
	arrival.buffer = buffer;
	script->buffers++;
	if (!tcp_stack_input(script->stack, &arrival))
		op_release(script, buffer);
}

/* ---- What must have been sent ---- */

static bool matches(const char *expected, const char *text)
{
	char copy[TEXT_MAX];
	const char *win;

	(void)snprintf(copy, sizeof copy, "%s", text);
	if (strchr(expected, '<') == NULL)
		copy[strcspn(copy, "<")] = 0;
	if (strstr(expected, " win ") == NULL) {
		char *at = strstr(copy, " win ");

		if (at != NULL) {
			win = at + 5 + strspn(at + 5, "0123456789");
			memmove(at, win, strlen(win) + 1);
		}
	}
	while (*copy != 0 && copy[strlen(copy) - 1] == ' ')
		copy[strlen(copy) - 1] = 0;
	return strcmp(copy, expected) == 0;
}

static void run_until(struct script *script, uint64_t end, bool wanted)
{
	uint64_t due;

	tcp_stack_clock(script->stack, script->now);
	if (!wanted && end <= script->now)
		return; /* a burst: nothing is run between its segments */
	while (!(wanted && script->first != NULL) && (due = tcp_stack_run(script->stack)) <= end) {
		if (due > script->now)
			script->now = due;
		tcp_stack_clock(script->stack, script->now);
	}
	if (!(wanted && script->first != NULL) && script->now < end)
		script->now = end;
	tcp_stack_clock(script->stack, script->now);
}

static void expect(struct script *script, const char *expected)
{
	struct sent *sent;

	run_until(script, script->nominal + TOLERANCE, true);
	sent = script->first;
	if (sent == NULL) {
		fail_msg("%s: nothing was sent", script->line);
		return;
	}
	if (!matches(expected, sent->text))
		fail_msg("%s\n   sent: %s", script->line, sent->text);
	if (sent->at + TOLERANCE < script->nominal)
		fail_msg("%s: sent %.6f s too early", script->line,
		         (double)(script->nominal - sent->at) / 1e9);
	script->first = sent->next;
	if (script->first == NULL)
		script->last = NULL;
	free(sent);
}

/* ---- What the application does ---- */

static const char *const states[] = {"CLOSED",     "SYN_SENT",   "SYN_RECEIVED", "ESTABLISHED",
                                     "FIN_WAIT_1", "FIN_WAIT_2", "CLOSE_WAIT",   "CLOSING",
                                     "LAST_ACK",   "TIME_WAIT"};
static const char *const causes[] = {"NONE",    "FINISHED",    "RESET",  "REFUSED",
                                     "TIMEOUT", "UNREACHABLE", "ABORTED"};

static void on_event(struct tcp_conn *conn, unsigned events)
{
	((struct script *)tcp_conn_context(conn))->events |= events;
}

static void do_connect(struct script *script)
{
	struct udp_endpoint local = {.port = PORT};
	struct udp_endpoint remote = {.ip = peer_ip(script), .port = PEER_PORT};

	tcp_listener_close(script->listener);
	script->listener = NULL;
	assert_int_equal(tcp_connect(script->stack, &local, &remote, &script->options, on_event,
	                             script, &script->conn),
	                 0);
}

static void expect_name(struct script *script, const char *name, const char *actual)
{
	if (strcmp(name, actual) != 0)
		fail_msg("%s: it is %s", script->line, actual);
}

static void expect_number(struct script *script, uint32_t wanted, uint32_t actual)
{
	if (wanted != actual)
		fail_msg("%s: it is %u", script->line, actual);
}

static void change(struct script *script, const char *verb, uint32_t a, uint32_t b, uint32_t c)
{
	struct tcp_options options;

	tcp_conn_get_options(script->conn, &options);
	if (strcmp(verb, "nodelay") == 0)
		options.no_delay = true;
	else if (strcmp(verb, "cork") == 0)
		options.cork = true;
	else if (strcmp(verb, "uncork") == 0)
		options.cork = false;
	else if (strcmp(verb, "timeout") == 0)
		options.user_timeout_ms = a;
	else {
		options.keepalive = true;
		options.keepalive_idle = (uint16_t)a;
		options.keepalive_interval = (uint16_t)b;
		options.keepalive_count = (uint8_t)c;
	}
	assert_int_equal(tcp_conn_set_options(script->conn, &options), 0);
}

static void icmp(struct script *script, const char *kind, uint32_t mtu, uint32_t seq)
{
	struct udp_ip local = our_ip(script), remote = peer_ip(script);
	uint8_t quote[8];

	wire_put16(quote, PORT);
	wire_put16(quote + 2, PEER_PORT);
	wire_put32(quote + 4, script->iss + seq);
	tcp_stack_error(script->stack, &local, &remote, quote, sizeof quote,
	                strcmp(kind, "toobig") == 0    ? TCP_FAILURE_TOO_BIG
	                : strcmp(kind, "refused") == 0 ? TCP_FAILURE_REFUSED
	                                               : TCP_FAILURE_UNREACHABLE,
	                mtu);
}

static bool do_stream(struct script *script, const char *verb, uint32_t n)
{
	struct tcp_conn *conn = script->conn;
	static uint8_t sink[1 << 20];

	if (strcmp(verb, "write") == 0)
		assert_int_equal(tcp_send(conn, content, n, NULL, NULL, 0), 0);
	else if (strcmp(verb, "more") == 0)
		assert_int_equal(tcp_send(conn, content, n, NULL, NULL, TCP_SEND_MORE), 0);
	else if (strcmp(verb, "urgent") == 0)
		assert_int_equal(tcp_send(conn, content, n, NULL, NULL, TCP_SEND_URGENT), 0);
	else if (strcmp(verb, "copy") == 0)
		assert_int_equal(tcp_send_copy(conn, content, n, 0), n);
	else if (strcmp(verb, "read") == 0)
		assert_int_equal(tcp_read(conn, sink, n), n);
	else if (strcmp(verb, "peek") == 0)
		expect_number(script, n, tcp_unread(conn));
	else
		return false;
	return true;
}

static bool do_life(struct script *script, const char *verb)
{
	if (strcmp(verb, "accept") == 0) {
		script->conn = tcp_accept(script->listener, on_event, script);
		if (script->conn == NULL)
			fail_msg("%s: there is none", script->line);
	} else if (strcmp(verb, "connect") == 0) {
		do_connect(script);
	} else if (strcmp(verb, "unlisten") == 0) {
		tcp_listener_close(script->listener);
		script->listener = NULL;
	} else if (strcmp(verb, "shutdown") == 0) {
		(void)tcp_shutdown(script->conn);
	} else if (strcmp(verb, "close") == 0) {
		tcp_close(script->conn);
		script->conn = NULL;
	} else if (strcmp(verb, "abort") == 0) {
		tcp_abort(script->conn);
		script->conn = NULL;
	} else if (strcmp(verb, "end") == 0) {
		if (!tcp_at_end(script->conn))
			fail_msg("%s: not yet", script->line);
	} else if (strcmp(verb, "nothing") == 0) {
		if (script->first != NULL)
			fail_msg("%s: there is %s", script->line, script->first->text);
	} else {
		return false;
	}
	return true;
}

static void act(struct script *script, const char *text)
{
	char verb[32] = "", name[32] = "";
	uint32_t a = 0, b = 0, c = 0;
	struct tcp_conn_info info;

	(void)sscanf(text, "%31s %31s %u %u", verb, name, &b, &c);
	a = (uint32_t)strtoul(name, NULL, 10);
	if (do_life(script, verb) || do_stream(script, verb, a))
		return;
	if (strcmp(verb, "icmp") == 0) {
		icmp(script, name, b, c);
		return;
	}
	if (strcmp(verb, "state") == 0) {
		expect_name(script, name, states[tcp_conn_state(script->conn)]);
	} else if (strcmp(verb, "cause") == 0) {
		expect_name(script, name, causes[tcp_conn_cause(script->conn)]);
	} else if (strcmp(verb, "cwnd") == 0) {
		tcp_conn_info(script->conn, &info);
		expect_number(script, a, info.cwnd);
	} else {
		change(script, verb, a, b, c);
	}
}

/* ---- The run ---- */

static void run_line(struct script *script, const char *line)
{
	double seconds;
	int used = 0;
	const char *text;

	script->line = line;
	if (sscanf(line, "+%lf %n", &seconds, &used) != 1)
		fail_msg("no time: %s", line);
	text = line + used;
	script->nominal += (uint64_t)(seconds * 1e9 + 0.5);
	if (text[0] == '>') {
		expect(script, text + 2);
		return;
	}
	run_until(script, script->nominal, false);
	if (text[0] == '<')
		send_in(script, text + 2);
	else
		act(script, text);
}

void script_begin(struct script *script)
{
	*script = (struct script){.now = 1000000000,
	                          .nominal = 1000000000,
	                          .random = 7,
	                          .family = 4,
	                          .config = tcp_config_default()};
	script->config.ecn = TCP_ECN_PASSIVE;
	script->options = (struct tcp_options){.congestion = TCP_CONGESTION_CUBIC,
	                                       .keepalive_idle = 7200,
	                                       .keepalive_interval = 75,
	                                       .keepalive_count = 9};
}

void script_open(struct script *script)
{
	static const struct tcp_ops ops = {op_output, op_release, op_random, op_path, NULL};
	struct udp_endpoint local = {.port = PORT};
	size_t size = tcp_stack_bytes(&script->config);

	script->memory = aligned_alloc(64, size);
	script->stack =
	        tcp_stack_create(script->memory, size, &script->config, &ops, script, script->now);
	assert_non_null(script->stack);
	for (uint32_t i = 0; i < sizeof content; i++)
		content[i] = (uint8_t)i;
	assert_int_equal(tcp_listen(script->stack, &local, 8, &script->options, NULL, script,
	                            &script->listener),
	                 0);
}

void script_run(struct script *script, const char *const *lines)
{
	for (; *lines != NULL; lines++)
		run_line(script, *lines);
	if (script->first != NULL)
		fail_msg("at the end there is one more: %s", script->first->text);
}

void script_close(struct script *script)
{
	tcp_stack_destroy(script->stack);
	while (script->first != NULL) {
		struct sent *sent = script->first;

		script->first = sent->next;
		free(sent);
	}
	free(script->memory);
	assert_int_equal(script->buffers, 0);
}
