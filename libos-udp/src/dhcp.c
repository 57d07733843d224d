/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The DHCP client's states (RFC 2131, figure 5), without INIT-REBOOT: nothing is remembered over a
 * boot.
 *
 *     INIT → SELECTING → REQUESTING → PROBING → IN_USE → RENEWING → REBINDING
 *       ↑                    │            │                  │           │
 *       └──── NAK, silence ──┴─ conflict ─┴───── NAK ────────┴─── end ───┘
 *
 * Questions are broadcast from 0.0.0.0 until there is an address; a renewal goes straight to the
 * link address that brought the lease (the server's, or its relay's, which passes it on), so that
 * a client that shares its address with others need not resolve. One socket on port 68 serves all
 * clients of a stack; the transaction number says whose answer it is.
 */
#include "dhcp_message.h"
#include "internal.h"

#define FIRST_WAIT     (4 * NS_PER_S) /* RFC 2131, 4.1 */
#define SPREAD         (2 * NS_PER_S) /* ± 1 s */
#define RENEW_WAIT_MIN (60 * NS_PER_S)
#define DECLINE_WAIT   (10 * NS_PER_S) /* RFC 2131, 3.1, 5 */
#define TWICE_WAIT     (64 * NS_PER_S) /* after an address that we have already */
#define REFUSED_AGAIN  (60 * NS_PER_S) /* refused twice within: wait before asking again */
enum { WAIT_DOUBLINGS = 4, REQUESTS_MAX = 4 };

static void tell(struct udp_dhcp *client, enum udp_dhcp_event event)
{
	if (client->changed != NULL)
		client->changed(client, event);
}

static void enter(struct udp_dhcp *client, enum udp_dhcp_state state, uint64_t due)
{
	client->state = state;
	client->tries = 0;
	client->due = due;
	stack_stir(client->stack);
}

static uint64_t lease_time(const struct udp_dhcp *client, uint32_t seconds)
{
	return seconds == UDP_DHCP_FOR_EVER ? UINT64_MAX : client->granted + seconds * NS_PER_S;
}

static uint64_t back_off(struct udp_dhcp *client)
{
	uint32_t doublings =
	        client->tries - 1 < WAIT_DOUBLINGS ? client->tries - 1 : WAIT_DOUBLINGS;
	uint64_t random = client->stack->ops.random(client->stack->context) % SPREAD;

	return (FIRST_WAIT << doublings) - SPREAD / 2 + random;
}

/* ---- Sending ---- */

/* `direct`: to the lease's server alone, by the link address that the lease came from. */
static void ask(struct udp_dhcp *client, const struct dhcp_question *question, bool direct)
{
	struct udp_stack *stack = client->stack;
	const struct interface *interface = &stack->interfaces[client->interface];
	struct send send = {.src = {.family = 4},
	                    .dst = direct ? client->lease.server : udp_ip4(0xffffffff),
	                    .direct = true,
	                    .interface = client->interface,
	                    .protocol = PROTOCOL_UDP,
	                    .ttl = 64};
	struct udp_buffer *buffer = stack_allocate(stack, DHCP_SIZE_MAX);

	if (buffer == NULL) {
		stack->count.drop_no_buffer++;
		return;
	}
	memcpy(send.mac, direct ? client->mac : ethernet_broadcast, UDP_MAC_BYTES);
	if (question->own != NULL)
		send.src = *question->own;
	(void)udp_buffer_resize(buffer, dhcp_build(buffer->data, client, interface->mac, question));
	stack->count.dhcp_out++;
	(void)udp_send_raw(stack, &send, UDP_DHCP_CLIENT_PORT, UDP_DHCP_SERVER_PORT, buffer);
}

static struct dhcp_question question_of(const struct udp_dhcp *client, enum udp_dhcp_type type)
{
	uint64_t seconds = (stack_now(client->stack) - client->began) / NS_PER_S;
	uint32_t mtu = client->stack->interfaces[client->interface].mtu;

	return (struct dhcp_question){.type = type,
	                              .seconds = seconds > 0xffff ? 0xffff : (uint16_t)seconds,
	                              .mtu = mtu > 1500 ? 1500 : (uint16_t)mtu};
}

static void discover(struct udp_dhcp *client)
{
	struct dhcp_question question = question_of(client, UDP_DHCP_DISCOVER);

	client->tries++;
	ask(client, &question, false);
}

/* RFC 2131, table 4: what a REQUEST names depends on the state. */
static void request(struct udp_dhcp *client)
{
	struct dhcp_question question = question_of(client, UDP_DHCP_REQUEST);

	if (client->tries++ == 0)
		client->asked = stack_now(client->stack);
	if (client->state == UDP_DHCP_REQUESTING) {
		question.requested = &client->lease.ip;
		question.server = &client->lease.server;
	} else {
		question.own = &client->lease.ip;
	}
	ask(client, &question, client->state == UDP_DHCP_RENEWING);
}

static void decline(struct udp_dhcp *client)
{
	struct dhcp_question question = question_of(client, UDP_DHCP_DECLINE);

	question.requested = &client->lease.ip;
	question.server = &client->lease.server;
	ask(client, &question, false);
}

/* ---- The address ---- */

static struct interface *interface_of(const struct udp_dhcp *client)
{
	return &client->stack->interfaces[client->interface];
}

static struct address *address_of(const struct udp_dhcp *client)
{
	struct address *address = own_address_find(interface_of(client), &client->lease.ip);

	return address != NULL && address->lease == client ? address : NULL;
}

/* What another client has brought to the interface; family 0: nothing. */
static struct udp_ip other_gateway(const struct udp_dhcp *client)
{
	const struct udp_dhcp *at = client->stack->dhcp;

	for (; at != NULL; at = at->next)
		if (at != client && at->bound && at->interface == client->interface &&
		    at->lease.gateway.family != 0)
			return at->lease.gateway;
	return udp_ip_none();
}

/* Only who is bound has set one. */
static void drop_gateway(const struct udp_dhcp *client)
{
	struct interface *interface = interface_of(client);

	if (client->bound && client->lease.gateway.family != 0 &&
	    udp_ip_equal(&interface->gateway4, &client->lease.gateway))
		interface->gateway4 = other_gateway(client);
}

static void drop_address(struct udp_dhcp *client)
{
	struct address *address = address_of(client);

	if (address != NULL)
		own_address_drop(client->stack, interface_of(client), address);
	drop_gateway(client);
	if (!client->bound)
		return;
	client->bound = false;
	tell(client, UDP_DHCP_LOST);
}

static void begin_anew(struct udp_dhcp *client, uint64_t wait)
{
	drop_address(client);
	enter(client, UDP_DHCP_INIT, stack_now(client->stack) + wait);
}

static void set_gateway(const struct udp_dhcp *client)
{
	if (client->lease.gateway.family != 0)
		interface_of(client)->gateway4 = client->lease.gateway;
}

/* The server goes by MAC addresses alone, and has given what another client of this interface, or
 * the application, has already. To decline it would take it from them. */
static void leave_to_other(struct udp_dhcp *client)
{
	enter(client, UDP_DHCP_INIT, stack_now(client->stack) + TWICE_WAIT);
	tell(client, UDP_DHCP_TWICE);
}

/* The lease is ours, if nobody has its address. */
static void take_address(struct udp_dhcp *client)
{
	struct address *address;

	if (udp_address_add_how(client->stack, client->interface, &client->lease.ip,
	                        client->lease.prefix, UDP_ADDRESS_PROBE) != 0) {
		if (own_address_find(interface_of(client), &client->lease.ip) != NULL)
			leave_to_other(client);
		else
			dhcp_address_taken(client, interface_of(client)->mac);
		return;
	}
	address = own_address_find(interface_of(client), &client->lease.ip);
	address->lease = client;
	enter(client, UDP_DHCP_PROBING, UINT64_MAX);
	if (address->state == ADDRESS_USABLE)
		dhcp_address_ready(client); /* a stack that does not resolve asks nobody */
}

void dhcp_address_ready(struct udp_dhcp *client)
{
	enter(client, UDP_DHCP_IN_USE, lease_time(client, client->lease.t1));
	set_gateway(client);
	client->bound = true;
	tell(client, UDP_DHCP_BOUND);
}

void dhcp_address_taken(struct udp_dhcp *client, const uint8_t *mac)
{
	decline(client);
	begin_anew(client, DECLINE_WAIT);
	tell(client, UDP_DHCP_CONFLICT);
}

/* ---- Answers ---- */

static void take_offer(struct udp_dhcp *client, const struct udp_dhcp_reply *reply)
{
	client->lease = reply->lease;
	if (own_address_find(interface_of(client), &client->lease.ip) != NULL) {
		leave_to_other(client);
		return;
	}
	enter(client, UDP_DHCP_REQUESTING, 0);
	request(client);
	client->due = stack_now(client->stack) + back_off(client);
}

/* The address that we use goes on, with new times. */
static void go_on(struct udp_dhcp *client, const struct udp_dhcp_reply *reply)
{
	struct address *address = address_of(client);

	drop_gateway(client);
	client->lease = reply->lease;
	if (address != NULL)
		address->prefix = reply->lease.prefix;
	set_gateway(client);
	enter(client, UDP_DHCP_IN_USE, lease_time(client, client->lease.t1));
	tell(client, UDP_DHCP_RENEWED);
}

static void take_ack(struct udp_dhcp *client, struct udp_dhcp_reply *reply, const uint8_t *mac)
{
	bool same = udp_ip_equal(&reply->lease.ip, &client->lease.ip);

	/* Some servers leave themselves out of an acknowledgement. */
	if (!reply->has_server)
		reply->lease.server = client->lease.server;
	client->granted = client->asked; /* RFC 2131, 4.4.1 */
	memcpy(client->mac, mac, UDP_MAC_BYTES);
	if (client->state != UDP_DHCP_REQUESTING && same) {
		go_on(client, reply);
		return;
	}
	drop_address(client);
	client->lease = reply->lease;
	take_address(client);
}

/* A server that refuses at once whatever it has offered must not make us ask without pause. */
static void take_nak(struct udp_dhcp *client)
{
	uint64_t now = stack_now(client->stack);
	bool again = client->refused != 0 && now - client->refused < REFUSED_AGAIN;

	client->refused = now;
	begin_anew(client, again ? DECLINE_WAIT : 0);
	tell(client, UDP_DHCP_REFUSED);
}

/* Whether the state waits for such an answer, from that server. */
static bool expects(const struct udp_dhcp *client, const struct udp_dhcp_reply *reply)
{
	bool asked_one = client->state == UDP_DHCP_REQUESTING || client->state == UDP_DHCP_RENEWING;

	if (client->state == UDP_DHCP_SELECTING)
		return reply->type == UDP_DHCP_OFFER;
	if (client->state != UDP_DHCP_REBINDING && !asked_one)
		return false;
	return reply->type != UDP_DHCP_OFFER &&
	       (!asked_one || !reply->has_server ||
	        udp_ip_equal(&reply->lease.server, &client->lease.server));
}

static struct udp_dhcp *find_client(struct udp_stack *stack, uint8_t interface,
                                    const struct udp_dhcp_reply *reply)
{
	for (struct udp_dhcp *client = stack->dhcp; client != NULL; client = client->next)
		if (client->interface == interface && client->xid == reply->xid &&
		    expects(client, reply) &&
		    memcmp(reply->mac, interface_of(client)->mac, UDP_MAC_BYTES) == 0)
			return client;
	return NULL;
}

static void input(struct udp_socket *socket, struct udp_datagram *datagram)
{
	struct udp_stack *stack = socket->stack;
	struct udp_dhcp_reply reply;
	struct udp_dhcp *client;

	if (datagram->from.port != UDP_DHCP_SERVER_PORT ||
	    !udp_dhcp_parse(datagram->data, datagram->size, &reply)) {
		stack->count.dhcp_bad++;
		return;
	}
	client = find_client(stack, datagram->buffer->interface, &reply);
	if (client == NULL) {
		stack->count.dhcp_strange++;
		return;
	}
	stack->count.dhcp_in++;
	if (reply.type == UDP_DHCP_OFFER)
		take_offer(client, &reply);
	else if (reply.type == UDP_DHCP_ACK)
		take_ack(client, &reply, datagram->mac);
	else
		take_nak(client);
}

bool dhcp_expects(const struct udp_stack *stack, unsigned interface)
{
	for (const struct udp_dhcp *client = stack->dhcp; client != NULL; client = client->next)
		if (client->interface == interface &&
		    (client->state == UDP_DHCP_SELECTING || client->state == UDP_DHCP_REQUESTING))
			return true;
	return false;
}

/* ---- Time ---- */

static void begin(struct udp_dhcp *client, uint64_t now)
{
	client->xid = (uint32_t)client->stack->ops.random(client->stack->context);
	client->began = now;
	enter(client, UDP_DHCP_SELECTING, 0);
	discover(client);
	client->due = now + back_off(client);
}

static void ask_again(struct udp_dhcp *client, uint64_t now)
{
	if (client->state == UDP_DHCP_SELECTING) {
		discover(client);
		tell(client, UDP_DHCP_SILENT);
	} else if (client->tries < REQUESTS_MAX) {
		request(client);
	} else {
		enter(client, UDP_DHCP_INIT, now);
		return;
	}
	client->due = now + back_off(client);
}

/* RFC 2131, 4.4.5: half of the time that is left, but not more often than once a minute. */
static uint64_t renew_again(uint64_t now, uint64_t until)
{
	uint64_t wait = (until - now) / 2;

	if (wait < RENEW_WAIT_MIN)
		wait = RENEW_WAIT_MIN;
	return earlier(until, now + wait);
}

static void renew(struct udp_dhcp *client, enum udp_dhcp_state state, uint64_t now)
{
	uint64_t until = lease_time(client, state == UDP_DHCP_RENEWING ? client->lease.t2
	                                                               : client->lease.seconds);

	if (client->state != state) {
		client->xid = (uint32_t)client->stack->ops.random(client->stack->context);
		client->began = now;
		enter(client, state, 0);
	}
	request(client);
	client->due = renew_again(now, until);
}

static void due(struct udp_dhcp *client, uint64_t now)
{
	switch (client->state) {
	case UDP_DHCP_INIT:
		begin(client, now);
		break;
	case UDP_DHCP_SELECTING:
	case UDP_DHCP_REQUESTING:
		ask_again(client, now);
		break;
	default:
		/* A machine that slept may have missed a state: the lease's age decides. */
		if (now >= lease_time(client, client->lease.seconds))
			begin_anew(client, 0);
		else if (now >= lease_time(client, client->lease.t2))
			renew(client, UDP_DHCP_REBINDING, now);
		else
			renew(client, UDP_DHCP_RENEWING, now);
	}
}

void dhcp_run(struct udp_stack *stack, uint64_t now)
{
	for (struct udp_dhcp *client = stack->dhcp; client != NULL; client = client->next)
		while (now >= client->due)
			due(client, now);
}

uint64_t dhcp_deadline(const struct udp_stack *stack)
{
	uint64_t deadline = UINT64_MAX;

	for (const struct udp_dhcp *client = stack->dhcp; client != NULL; client = client->next)
		deadline = earlier(deadline, client->due);
	return deadline;
}

/* ---- Life ---- */

static bool name_good(const char *name)
{
	for (unsigned i = 0; i <= UDP_DHCP_NAME_MAX; i++)
		if (name[i] == '\0')
			return true;
	return false;
}

int udp_dhcp_start(struct udp_stack *stack, struct udp_dhcp *client)
{
	struct udp_socket *socket = &stack->dhcp_socket;
	int result;

	if (client->interface >= stack->n_interfaces || client->id_size > UDP_DHCP_ID_MAX ||
	    !name_good(client->host))
		return -UDP_EINVAL;
	if (stack->dhcp == NULL) {
		*socket = (struct udp_socket){.receive = input, .local.port = UDP_DHCP_CLIENT_PORT};
		result = udp_socket_open(stack, socket);
		if (result != 0)
			return result;
	}
	client->stack = stack;
	client->bound = false;
	client->refused = 0;
	client->next = stack->dhcp;
	stack->dhcp = client;
	enter(client, UDP_DHCP_INIT, stack_now(stack));
	return 0;
}

static void release(struct udp_dhcp *client)
{
	struct dhcp_question question = question_of(client, UDP_DHCP_RELEASE);

	question.own = &client->lease.ip;
	question.server = &client->lease.server;
	client->xid = (uint32_t)client->stack->ops.random(client->stack->context);
	ask(client, &question, true);
}

void udp_dhcp_stop(struct udp_dhcp *client)
{
	struct udp_stack *stack = client->stack;
	struct udp_dhcp **at;

	if (stack == NULL)
		return;
	if (client->bound)
		release(client);
	client->changed = NULL;
	drop_address(client);
	for (at = &stack->dhcp; *at != client;)
		at = &(*at)->next;
	*at = client->next;
	if (stack->dhcp == NULL)
		udp_socket_close(&stack->dhcp_socket);
	client->stack = NULL;
	client->state = UDP_DHCP_IDLE;
}
