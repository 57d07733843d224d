/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host channel and what passes through it. init reads no body but its own messages': START and
 * STOP go from the host to every environment's mailbox, results, files and log lines from the
 * mailboxes to the host. HELLO and DONE are gathered: the host hears one of each, when all
 * environments have said so or can't any more.
 *
 * The channel is an ordinary binding: a flow space of init's own, EtherType 0x88B5 on the control
 * port.
 */
#include <libexo/call.h>
#include <libexo/channel.h>
#include <libexo/lib.h>
#include <libexo/net.h>
#include <libexo/printf.h>
#include <libexo/start.h>
#include <libexo/time.h>

#include "init.h"

enum {
	RING_SIZE = 64,
	BURST = 16,
	AT_SOURCE_MAC = 6,
	FILE_LOOK_NS = 1000000,
};
#define FILE_PATIENCE_NS 5000000000ull /* of the host, for one piece of a file */

static struct exo_channel channel;
static struct exo_rx rx;
static struct exo_tx tx;
static uint16_t port;
static bool open, counting, done_sent;
static struct exo_channel_progress told;
static uint64_t told_at;

/* ---- Opening ---- */

static int make_space(const struct exo_port_info *info, struct exo_cap *space)
{
	static struct flt_conjunction receive, transmit;
	const struct exo_cap *root = exo_start_cap(EXO_USE_FLOW);
	struct exo_flow_grant block = {
	        .to = exo_start_page()->env,
	        .rights = EXO_RIGHT_BIND | EXO_RIGHT_SEND,
	        .n_receive = 1,
	        .n_transmit = 1,
	        .ports = 1ull << port,
	        .receive = (uintptr_t)&receive,
	        .transmit = (uintptr_t)&transmit,
	};
	int result;

	if (root == NULL)
		return -EXO_EPERM;
	block.space = *root;
	exo_flow_any(&receive);
	exo_flow_ethertype(&receive, EXO_CHANNEL_ETHERTYPE);
	exo_flow_any(&transmit);
	exo_flow_ethertype(&transmit, EXO_CHANNEL_ETHERTYPE);
	exo_flow_mac(&transmit, AT_SOURCE_MAC, info->mac);
	result = exo_flow_grant(&block);
	*space = block.out;
	return result;
}

static int bind(const struct exo_cap *space, char *error)
{
	static struct flt_conjunction flow;
	struct exo_start_bind what = {
	        .name = "control", .conjunctions = (uintptr_t)&flow, .n_conjunctions = 1};
	struct exo_cap binding;

	exo_flow_any(&flow);
	exo_flow_ethertype(&flow, EXO_CHANNEL_ETHERTYPE);
	return exo_net_bind(&what, space, &rx.ring.cap, 1, 0, &binding, error);
}

static int open_on(const struct exo_port_info *info, char *error)
{
	uint32_t core = exo_start_page()->core;
	struct exo_cap space;
	int result = make_space(info, &space);

	if (result >= 0)
		result = exo_rx_open(&rx, RING_SIZE, EXO_BUFFER_BYTES, core);
	if (result >= 0)
		result = exo_tx_open(&tx, RING_SIZE, EXO_BUFFER_BYTES, core, &space);
	if (result >= 0)
		result = bind(&space, error);
	return result;
}

bool control_serves(void)
{
	return open && init.payload.manifest->control_port != ~0u;
}

void control_open(void)
{
	uint32_t number = init.payload.manifest->control_port;
	const struct exo_port_info *info;
	char error[EXO_NET_ERROR_MAX] = "";
	int result;

	if (number == ~0u && init.options.cores)
		number = init.options.cores_port;
	if (number == ~0u)
		return;
	info = exo_port_info(number);
	if (info == NULL) {
		exo_printf("no host channel: there is no port %u\n", number);
		return;
	}
	if (!init.options.has_key) {
		exo_printf("no host channel: pass channel=KEY (32 hexadecimal digits)\n");
		return;
	}
	port = (uint16_t)number;
	result = open_on(info, error);
	if (result < 0) {
		exo_printf("no host channel: %s%s%s\n", exo_error_text(result),
		           error[0] == '\0' ? "" : ": ", error);
		return;
	}
	exo_channel_open(&channel, init.options.key, info->mac);
	open = true;
	exo_printf("host channel on port %u\n", number);
}

void control_hello(void)
{
	char text[EXO_NAME_MAX + 64];
	int n;

	if (!open)
		return;
	n = exo_snprintf(text, sizeof(text), "%.40s %s",
	                 exo_manifest_string(init.payload.manifest, init.payload.manifest->name),
	                 SLUICE_VERSION);
	exo_channel_send(&channel, EXO_CHANNEL_HELLO, text, (uint32_t)n);
}

/* ---- From the host ---- */

static void to_services(const struct exo_channel_message *message)
{
	for (uint32_t i = 0; i < init.n_services; i++) {
		struct service *service = &init.services[i];
		int result;

		if (service->state != SERVICE_RUNNING || service->mailbox_pages.count == 0)
			continue;
		result = exo_mailbox_send(&service->mailbox, message->type, message->body,
		                          message->size);
		if (result < 0)
			exo_printf("%s: message %u of the host is lost: %s\n", service->name,
			           message->type, exo_error_text(result));
	}
}

static void power(const struct exo_channel_message *message)
{
	uint32_t words[2];

	if (message->size != sizeof(words))
		return;
	memcpy(words, message->body, sizeof(words));
	if (init.options.ledger)
		listing_print();
	init_power((enum exo_power)words[0], words[1]);
}

static void from_host(const struct exo_channel_message *message)
{
	switch (message->type) {
	case EXO_CHANNEL_START:
		counting = true;
		to_services(message);
		break;
	case EXO_CHANNEL_STOP:
		to_services(message);
		break;
	case EXO_CHANNEL_POWER:
		power(message);
		break;
	case EXO_CHANNEL_LEDGER:
		listing_print();
		break;
	default:
		exo_printf("host channel: unknown message type %u\n", message->type);
	}
}

static void take_frames(void)
{
	struct exo_rx_frame frames[BURST];
	uint32_t n;

	do {
		n = exo_rx_burst(&rx, frames, BURST);
		for (uint32_t i = 0; i < n; i++) {
			struct exo_channel_message message;

			if (exo_channel_input(&channel, frames[i].data, frames[i].length, &message))
				from_host(&message);
		}
		exo_rx_release(&rx, frames, n);
	} while (n == BURST);
}

/* ---- From the environments ---- */

static void from_service(struct service *service, uint32_t type, const uint8_t *body, uint32_t size)
{
	switch (type) {
	case EXO_CHANNEL_HELLO:
		service->hello = true;
		break;
	case EXO_CHANNEL_DONE:
		service->done = true;
		if (size >= sizeof(service->result))
			memcpy(&service->result, body, sizeof(service->result));
		break;
	case EXO_CHANNEL_RESULT:
	case EXO_CHANNEL_FILE:
	case EXO_CHANNEL_LOG:
		exo_channel_send(&channel, type, body, size);
		break;
	default:
		exo_printf("%s: unknown message type %u in its mailbox\n", service->name, type);
	}
}

/* Takes messages for as long as the channel has room for one more. */
static void take_messages(struct service *service)
{
	static uint8_t body[EXO_MAILBOX_BODY_MAX];
	uint32_t type;

	while (exo_channel_room(&channel)) {
		int size = exo_mailbox_receive(&service->mailbox, &type, body);

		if (size == -EXO_EINVAL) {
			exo_printf("%s: its mailbox is damaged: ending it\n", service->name);
			exo_env_end(&service->child.cap);
			service->mailbox_pages.count = 0;
		}
		if (size < 0)
			return;
		from_service(service, type, body, (uint32_t)size);
	}
}

/* All are done, or can't say so any more: the first status that is not 0. */
static void gather_done(void)
{
	int32_t status = 0;
	bool any = false;

	for (uint32_t i = 0; i < init.n_services; i++) {
		const struct service *service = &init.services[i];

		if (!service->done && service->state != SERVICE_OFF)
			return;
		any |= service->done;
		if (status == 0)
			status = service->result;
	}
	if ((any || counting) &&
	    exo_channel_send(&channel, EXO_CHANNEL_DONE, &status, sizeof(status)) == 0)
		done_sent = true;
}

static struct exo_channel_progress measure(void)
{
	struct exo_channel_progress now = {0};

	for (uint32_t i = 0; i < init.n_services; i++)
		if (init.services[i].mailbox_pages.count != 0)
			now.settled += exo_mailbox_progress(&init.services[i].mailbox);
	for (unsigned i = 0; i < exo_info()->n_ports; i++) {
		const struct exo_port_info *info = exo_port_info(i);

		if (i == port)
			continue;
		now.received += info->rx_packets;
		now.settled += info->drops.unmatched + info->drops.malformed + info->drops.nic +
		               info->drops.pool + info->drops.nic_errors +
		               info->drops.fragments_expired + info->drops.fragments_crowded;
	}
	return now;
}

static void tell_progress(uint64_t now_ns)
{
	struct exo_channel_progress now;

	if (!counting || done_sent || now_ns - told_at < EXO_MAILBOX_LOOK_NS)
		return;
	now = measure();
	if (memcmp(&now, &told, sizeof(now)) == 0 ||
	    exo_channel_send(&channel, EXO_CHANNEL_PROGRESS, &now, sizeof(now)) < 0)
		return;
	told = now;
	told_at = now_ns;
}

/* ---- Out ---- */

static void send_pending(uint64_t now_ns)
{
	struct exo_tx_buffer buffer;
	uint32_t length;

	while (exo_tx_take(&tx, &buffer) == 0) {
		length = exo_channel_output(&channel, now_ns, buffer.data);
		if (length == 0 || exo_tx_send(&tx, &buffer, length, port, 0) < 0) {
			exo_tx_drop(&tx, &buffer);
			break;
		}
	}
	exo_tx_flush(&tx);
}

void control_run(uint64_t now_ns)
{
	if (!open)
		return;
	take_frames();
	for (uint32_t i = 0; i < init.n_services; i++)
		if (init.services[i].mailbox_pages.count != 0)
			take_messages(&init.services[i]);
	tell_progress(now_ns);
	if (!done_sent)
		gather_done();
	send_pending(now_ns);
}

uint64_t control_due(uint64_t now_ns)
{
	uint64_t due;

	if (!open)
		return UINT64_MAX;
	due = exo_channel_due(&channel);
	for (uint32_t i = 0; i < init.n_services; i++)
		if (init.services[i].state == SERVICE_RUNNING && now_ns + EXO_MAILBOX_LOOK_NS < due)
			due = now_ns + EXO_MAILBOX_LOOK_NS;
	return due;
}

int control_file(const char *name, uint64_t offset, const void *data, uint64_t size)
{
	static uint8_t body[EXO_CHANNEL_BODY_MAX];
	uint32_t head = (uint32_t)(sizeof(offset) + strlen(name) + 1);
	uint64_t until = exo_time_now_ns() + FILE_PATIENCE_NS;

	memcpy(body + sizeof(offset), name, head - sizeof(offset));
	while (open && size > 0) {
		uint32_t n = sizeof(body) - head;

		n = size < n ? (uint32_t)size : n;
		memcpy(body, &offset, sizeof(offset));
		memcpy(body + head, data, n);
		if (exo_channel_send(&channel, EXO_CHANNEL_FILE, body, head + n) == 0) {
			offset += n;
			data = (const uint8_t *)data + n;
			size -= n;
			until = exo_time_now_ns() + FILE_PATIENCE_NS;
		} else if (exo_time_now_ns() > until) {
			return -EXO_EIO;
		} else {
			exo_time_sleep_ns(FILE_LOOK_NS);
		}
		take_frames();
		send_pending(exo_time_now_ns());
	}
	return open ? 0 : -EXO_ENOENT;
}

/* What was accepted is sent, as far as the host acknowledges it in time. */
void init_power(enum exo_power what, uint32_t code)
{
	const struct exo_cap *machine = exo_start_cap(EXO_USE_MACHINE);
	uint64_t until = exo_time_now_ns() + 2ull * EXO_CHANNEL_REPEAT_NS;

	while (open && exo_time_now_ns() < until) {
		take_frames();
		send_pending(exo_time_now_ns());
		if (exo_channel_idle(&channel))
			break;
		exo_time_sleep_ns(EXO_MAILBOX_LOOK_NS);
	}
	if (machine != NULL)
		exo_power(machine, what, code);
	exo_printf("the machine can't be powered off from here\n");
	for (;;)
		exo_wait(0);
}
