/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Socket calls in any order and with hostile arguments. The input is a program: calls on a net of
 * the shared library whose packets come back to it, as they left or damaged, and on a set of local
 * sockets. Nothing waits. In the end every right that was sent has been received or dropped, and
 * every block is free.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <sluice/tcp_host.h>
#include <sockets/sock.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FDS = 24, LOCALS = 8, BLOCKS = 24, ROOM = 4096, LONG = 70000, PACKET = 2048, STEPS = 400 };

static struct program {
	const uint8_t *at;
	size_t left;
} program;

static uint32_t take(unsigned bytes)
{
	uint32_t value = 0;

	for (; bytes > 0 && program.left > 0; bytes--, program.left--)
		value = value << 8 | *program.at++;
	return value;
}

static struct sluice_net *net;
static struct socks set;
static int64_t rights; /* on their way */
static uint8_t packet[PACKET];
static size_t packet_size;

/* Bytes that are really there, so that the sanitizer sees what reads or writes beyond. */
static void *memory(size_t size)
{
	void *made = malloc(size > 0 ? size : 1);

	for (size_t i = 0; i < size; i++)
		((uint8_t *)made)[i] = (uint8_t)(i < 64 ? take(1) : i);
	return made;
}

/* ---- The net ---- */

static int any_fd(void)
{
	return (int)(take(1) % FDS) + 2;
}

static socklen_t address(struct sockaddr_storage *at)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
	uint32_t how = take(1);
	uint16_t port = htons((uint16_t)(7000 + (how & 3)));

	memset(at, 0, sizeof(*at));
	in.sin_port = in6.sin6_port = port;
	if (how & 4)
		in.sin_addr.s_addr = htonl(how & 8 ? 0xc0000201 : take(4));
	if (how & 4)
		in6.sin6_addr.s6_addr[how & 15] = (uint8_t)take(1);
	if (how & 16)
		memcpy(at, &in6, sizeof(in6));
	else
		memcpy(at, &in, sizeof(in));
	if (how & 32)
		((uint8_t *)at)[take(1) % sizeof(in6)] ^= (uint8_t)take(1);
	return how & 64 ? take(1) % (sizeof(*at) + 1) : how & 16 ? sizeof(in6) : sizeof(in);
}

static void open_one(void)
{
	static const int domains[] = {AF_INET, AF_INET6, AF_INET, AF_UNIX};
	static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_STREAM, SOCK_RAW};
	uint32_t how = take(1);

	(void)sluice_socket(net, domains[how & 3], types[how >> 2 & 3] | SOCK_NONBLOCK,
	                    how & 128 ? (int)take(1) : 0);
}

static void name_one(unsigned what)
{
	struct sockaddr_storage at;
	socklen_t size = address(&at);
	int fd = any_fd();

	if (what == 0)
		(void)sluice_bind(net, fd, (void *)&at, size);
	else if (what == 1)
		(void)sluice_connect(net, fd, (void *)&at, size);
	else if (what == 2)
		(void)sluice_getsockname(net, fd, (void *)&at, &size);
	else if (what == 3)
		(void)sluice_getpeername(net, fd, (void *)&at, &size);
	else
		(void)sluice_fcntl(net, sluice_accept(net, fd, (void *)&at, &size), F_SETFL,
		                   O_NONBLOCK);
}

/* A control buffer of control messages, or of anything. */
static uint8_t *control(size_t *size)
{
	static const int kinds[][2] = {{IPPROTO_IP, IP_PKTINFO},
	                               {IPPROTO_IPV6, IPV6_PKTINFO},
	                               {SOL_SOCKET, SCM_RIGHTS},
	                               {IPPROTO_IP, IP_TTL}};
	uint8_t *bytes;
	size_t at = 0;

	*size = take(1) % 128;
	bytes = memory(*size);
	while (take(1) & 1 && *size - at >= sizeof(struct cmsghdr)) {
		uint32_t kind = take(1) & 3;
		struct cmsghdr header = {.cmsg_len = sizeof(header) + take(1) % 40,
		                         .cmsg_level = kinds[kind][0],
		                         .cmsg_type = kinds[kind][1]};

		memcpy(bytes + at, &header, sizeof(header));
		at += (header.cmsg_len + 7) & ~(size_t)7;
		if (at > *size)
			break;
	}
	return bytes;
}

static void move(bool send)
{
	struct sockaddr_storage at;
	struct iovec pieces[3];
	struct msghdr message = {.msg_iov = pieces, .msg_iovlen = take(1) % 4};
	size_t control_size = 0;
	uint8_t *beside = control(&control_size);
	int fd = any_fd();
	uint32_t flags = take(2), odd;

	for (unsigned i = 0; i < 3; i++) {
		pieces[i].iov_len = i == 0 && (flags & 1u << 11) ? LONG : take(2) % ROOM;
		pieces[i].iov_base = memory(pieces[i].iov_len);
	}
	if (flags & 1u << 15) {
		message.msg_namelen = address(&at);
		message.msg_name = &at;
	}
	message.msg_control = flags & 1u << 14 ? beside : NULL;
	message.msg_controllen = flags & 1u << 14 ? control_size : 0;
	odd = (flags & 1u << 13 ? send ? MSG_FASTOPEN : MSG_ERRQUEUE : 0) |
	      (flags & 1u << 12 ? MSG_ZEROCOPY : 0);
	flags &= MSG_OOB | MSG_PEEK | MSG_TRUNC | MSG_WAITALL | MSG_MORE | MSG_EOR;
	flags |= odd;
	if (send)
		(void)sluice_sendmsg(net, fd, &message, (int)flags | MSG_NOSIGNAL);
	else
		(void)sluice_recvmsg(net, fd, &message, (int)flags | MSG_DONTWAIT);
	for (unsigned i = 0; i < 3; i++)
		free(pieces[i].iov_base);
	free(beside);
}

static void option(bool set_it)
{
	static const int levels[] = {SOL_SOCKET, IPPROTO_TCP, IPPROTO_IP, IPPROTO_IPV6};
	uint32_t how = take(1);
	int level = how & 128 ? (int)take(2) : levels[how & 3], name = (int)take(1) % 80;
	socklen_t size = how & 64 ? take(1) : 4;
	void *value = memory(size);

	if (set_it)
		(void)sluice_setsockopt(net, any_fd(), level, name, value, size);
	else
		(void)sluice_getsockopt(net, any_fd(), level, name, value, &size);
	free(value);
}

static void watch(void)
{
	struct epoll_event event = {.events = take(4), .data.u32 = take(1)}, got[4];
	struct pollfd fds[3];
	uint32_t how = take(1);

	if (how & 1)
		(void)sluice_epoll_create(net);
	(void)sluice_epoll_ctl(net, any_fd(), (int)(how >> 1 & 3), any_fd(), &event);
	(void)sluice_epoll_wait(net, any_fd(), got, 4, 0);
	for (unsigned i = 0; i < 3; i++)
		fds[i] = (struct pollfd){.fd = any_fd(), .events = (short)take(2)};
	(void)sluice_poll(net, fds, 3, 0);
}

static uint32_t sum(const uint8_t *at, size_t size, uint32_t start)
{
	for (size_t i = 0; i < size; i++)
		start += i & 1 ? at[i] : (uint32_t)at[i] << 8;
	return start;
}

static void put_sum(uint8_t *at, uint32_t value)
{
	while (value >> 16)
		value = (value & 0xffff) + (value >> 16);
	at[0] = (uint8_t)(~value >> 8);
	at[1] = (uint8_t)~value;
}

/* Changes a few bytes of an IPv4 packet, and makes its sums right again. */
static void damage(void)
{
	uint32_t transport = packet_size - 20;
	uint8_t *at = packet + 20;
	unsigned where = packet[9] == IPPROTO_TCP ? 16 : packet[9] == IPPROTO_UDP ? 6 : 2;

	for (uint32_t n = take(1) % 4; n > 0; n--)
		packet[20 + take(2) % transport] = (uint8_t)take(1);
	if (transport < where + 2)
		return;
	packet[10] = packet[11] = at[where] = at[where + 1] = 0;
	put_sum(packet + 10, sum(packet, 20, 0));
	put_sum(at + where,
	        sum(at, transport, where == 2 ? 0 : sum(packet + 12, 8, packet[9] + transport)));
}

/* What has left comes back: every address is the net's. */
static void carry(uint32_t how)
{
	for (unsigned n = how & 15; n > 0; n--) {
		packet_size = sluice_net_output(net, packet, sizeof(packet), NULL);
		if (packet_size > 0 && packet_size <= sizeof(packet) && !(how & 16))
			(void)sluice_net_input(net, packet, packet_size);
	}
	if (how & 32 && packet_size > 20 && packet_size <= sizeof(packet) && packet[0] == 0x45) {
		damage();
		(void)sluice_net_input(net, packet, packet_size);
	}
	sluice_net_advance(net,
	                   sluice_net_now(net) + (uint64_t)take(2) * (how & 64 ? 10000000 : 1000));
}

/* ---- Local sockets ---- */

static void drop(uint16_t file)
{
	rights -= file;
}

static struct sock *any_local(void)
{
	return socks_at(&set, take(1) % LOCALS);
}

static struct sock_name any_name(void)
{
	uint32_t how = take(1);
	struct sock_name name = {.size = how & 8 ? 0 : (uint8_t)(2 + (how & 3)), .bytes = "\0abc"};

	if (how & 16)
		name.key = 1 + (how & 3);
	return name;
}

static void move_local(bool send)
{
	struct sock_name name = any_name();
	struct iovec piece = {.iov_len = take(2) % ROOM};
	struct sock_rights going = {.n = take(1) % 4, .files = {1, 2, 3}};
	struct sock_data data = {.pieces = &piece, .n = 1};
	struct sock_origin origin;
	struct sock *sock = any_local();
	uint32_t how = take(1);

	if (sock == NULL)
		return;
	piece.iov_base = memory(piece.iov_len);
	data.name = how & 1 ? &name : NULL;
	if (!send)
		going.n = 0;
	data.rights = how & 2 ? &going : NULL;
	if (send) {
		int64_t all = going.n * (going.n + 1) / 2;

		rights += data.rights != NULL ? all : 0;
		(void)sock_send(sock, &data, 0, NULL, 0);
		rights -= data.rights != NULL && going.n > 0 ? all : 0;
	} else if (sock_receive(sock, &data, how & 4 ? MSG_PEEK : 0, &origin) >= 0) {
		for (uint32_t i = 0; i < going.n; i++)
			rights -= going.files[i];
	}
	free(piece.iov_base);
}

static void local(unsigned what)
{
	static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET, 9};
	struct sock *sock = any_local(), *made[2];
	struct sock_name name = any_name();
	int type = types[take(1) & 3];

	if (what == 0)
		(void)sock_open_local(&set, type, made);
	else if (what == 1)
		(void)sock_pair(&set, type, made);
	else if (sock == NULL)
		return;
	else if (what == 2)
		(void)sock_bind_local(sock, &name);
	else if (what == 3)
		(void)sock_connect_local(sock, &name);
	else if (what == 4)
		(void)sock_listen(sock, (int)take(1) - 2);
	else if (what == 5)
		(void)sock_accept(sock, made);
	else if (what == 6)
		(void)sock_shutdown(sock, (int)take(1) % 4);
	else if (what == 7)
		sock_close(sock);
	else
		(void)sock_poll(sock);
}

/* Sockets in queues of listeners are the set's: they end with those. */
static void end_local(void *area)
{
	for (unsigned round = 0; round < 2; round++)
		for (uint32_t i = 0; i < LOCALS; i++) {
			struct sock *sock = socks_at(&set, i);

			if (sock != NULL && (round == 1 || sock->listening))
				sock_close(sock);
		}
	if (rights != 0 || set.blocks_free != BLOCKS)
		__builtin_trap();
	free(area);
}

/* ---- All ---- */

static void step(void)
{
	uint32_t what = take(1) % 32;

	if (what < 2)
		open_one();
	else if (what < 7)
		name_one(what - 2);
	else if (what == 7)
		(void)sluice_listen(net, any_fd(), (int)take(1) - 2);
	else if (what < 10)
		move(true);
	else if (what < 12)
		move(false);
	else if (what < 14)
		option(what == 12);
	else if (what == 14)
		(void)sluice_shutdown(net, any_fd(), (int)take(1) % 4);
	else if (what == 15)
		(void)sluice_close(net, any_fd());
	else if (what == 16)
		(void)sluice_ioctl(net, any_fd(), take(1) & 1 ? FIONREAD : take(2), &(int){1});
	else if (what == 17)
		watch();
	else if (what < 21)
		carry(take(1));
	else if (what < 23)
		move_local(what == 21);
	else
		local(what - 23);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sluice_net_options options = sluice_net_options_default();
	void *area = aligned_alloc(16, (socks_bytes(LOCALS, BLOCKS) + 15) & ~(size_t)15);

	program = (struct program){data, size};
	memset(area, 0, socks_bytes(LOCALS, BLOCKS));
	socks_init(&set, area, LOCALS, BLOCKS);
	set.drop_right = drop;
	rights = 0;
	packet_size = 0;
	options.connections = 16;
	options.ecn = (int)take(1) % 3;
	net = sluice_net_open(&options);
	if (net == NULL || area == NULL)
		abort();
	for (unsigned i = 0; i < STEPS && program.left > 0; i++)
		step();
	sluice_net_close(net);
	end_local(area);
	return 0;
}
