/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a sender makes of a bad path, in real time:
 *
 *     sender 10.0.0.1 ── relay: LOSS of all packets, DELAY each way ── 10.0.1.2 Linux's receiver
 *
 * stacks-loss linux|sluice SECONDS cubic|bbr: the sender is Linux's TCP in a network namespace
 * behind a TUN device, or libos-tcp in this process; the receiver is Linux's behind another. The
 * relay is the same for both, and a seed decides what it loses. FLOWS connections send at once,
 * since one alone is as lucky as its losses. Prints the bytes a second that the receiver's
 * applications got. Needs root.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <tcp/conn.h>
#include <udp/checksum.h>
#include <udp/wire.h>

#include "workload.h"

#define DELAY_NS  25000000ull /* each way */
#define SECOND_NS 1000000000ull

enum {
	FLOWS = 32,
	LOSS_OF = 100, /* one of so many packets is lost */
	QUEUE = 1 << 16,
	PORT = 9,
	WARM_SECONDS = 2, /* until all are beyond slow start: not counted */
};

struct packet {
	uint64_t due;
	uint32_t size;
	uint8_t bytes[PACKET_MAX];
};

/* One direction of the relay: what is on its way arrives in order. */
struct way {
	struct packet *packets; /* [QUEUE] */
	uint32_t first, n;
};

static struct way there, back;
static int tun[2] = {-1, -1};
static int sockets[FLOWS], receivers[FLOWS];
static struct tcp_stack *stack; /* NULL: Linux sends */
static uint64_t now, received, lost, seed = 1;
static char data[PIECE_BYTES];
static const char *congestion;

static uint64_t clock_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * SECOND_NS + (uint64_t)time.tv_nsec;
}

static uint64_t draw(void)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return seed >> 33;
}

/* ---- The relay ---- */

/* Where the next packet of this direction goes; NULL: it is lost. */
static struct packet *slot(struct way *way)
{
	struct packet *packet = &way->packets[(way->first + way->n) % QUEUE];

	if (draw() % LOSS_OF == 0 || way->n == QUEUE) {
		lost++;
		return NULL;
	}
	way->n++;
	packet->due = now + DELAY_NS;
	return packet;
}

static void take_from(int fd, struct way *way)
{
	uint8_t bytes[PACKET_MAX];
	ssize_t size;

	while ((size = read(fd, bytes, sizeof bytes)) > 0) {
		struct packet *packet = bytes[0] >> 4 == 4 ? slot(way) : NULL;

		if (packet == NULL)
			continue;
		packet->size = (uint32_t)size;
		memcpy(packet->bytes, bytes, packet->size);
	}
}

static struct packet *next_due(struct way *way)
{
	struct packet *packet = &way->packets[way->first % QUEUE];

	if (way->n == 0 || packet->due > now)
		return NULL;
	way->first++;
	way->n--;
	return packet;
}

/* ---- libos-tcp as the sender ---- */

static struct udp_ip address(uint8_t third, uint8_t fourth)
{
	return (struct udp_ip){.family = 4, .bytes = {10, 0, third, fourth}};
}

static void op_output(void *context, const struct tcp_packet *packet)
{
	struct packet *to = slot(&there);
	uint8_t *at;
	uint16_t sum;

	if (to == NULL)
		return;
	at = to->bytes;
	to->size = IP4_SIZE + packet->header_size + packet->size;
	memset(at, 0, IP4_SIZE);
	at[IP4_VERSION_IHL] = 0x45;
	at[IP4_TOS] = packet->tos;
	wire_put16(at + IP4_LENGTH, (uint16_t)to->size);
	wire_put16(at + IP4_FRAGMENT, IP4_DF);
	at[IP4_TTL] = packet->ttl;
	at[IP4_PROTOCOL] = PROTOCOL_TCP;
	memcpy(at + IP4_SRC, packet->src->bytes, 4);
	memcpy(at + IP4_DST, packet->dst->bytes, 4);
	sum = udp_sum_finish(udp_sum_add(0, at, IP4_SIZE));
	memcpy(at + IP4_CHECKSUM, &sum, sizeof sum);
	tcp_packet_copy(packet, at + IP4_SIZE);
}

static void op_release(void *context, void *buffer)
{
}

static uint64_t op_random(void *context)
{
	return draw() << 32 ^ draw();
}

static uint32_t op_path(void *context, const struct udp_ip *remote, struct udp_ip *local)
{
	*local = address(0, 1);
	return PACKET_MAX;
}

/* Acknowledgements carry nothing that is kept: the bytes stay the relay's. */
static void give_to_stack(struct packet *packet)
{
	uint32_t header = (packet->bytes[IP4_VERSION_IHL] & 15) * 4u;
	struct tcp_arrival arrival = {.src = address(1, 2),
	                              .dst = address(0, 1),
	                              .segment = packet->bytes + header,
	                              .size = packet->size - header,
	                              .tos = packet->bytes[IP4_TOS],
	                              .ttl = 64,
	                              .buffer = packet};

	if (packet->size > header)
		(void)tcp_stack_input(stack, &arrival);
}

static void on_event(struct tcp_conn *conn, unsigned events)
{
	while (tcp_send_space(conn) > 0)
		if (tcp_send(conn, data, sizeof data, NULL, NULL, 0) != 0)
			break;
}

static void open_stack(void)
{
	static const struct tcp_ops ops = {op_output, op_release, op_random, op_path, NULL};
	struct udp_endpoint remote = {.ip = address(1, 2), .port = PORT};
	struct tcp_config config = tcp_config_default();
	bool bbr = strcmp(congestion, "bbr") == 0;
	size_t size = tcp_stack_bytes(&config);

	config.congestion = bbr ? TCP_CONGESTION_BBR : TCP_CONGESTION_CUBIC;
	stack = tcp_stack_create(aligned_alloc(64, (size + 63) & ~(size_t)63), size, &config, &ops,
	                         NULL, now);
	workload_check(stack != NULL, "stack");
	for (unsigned i = 0; i < FLOWS; i++) {
		struct tcp_conn *conn;

		workload_check(tcp_connect(stack, NULL, &remote, NULL, on_event, NULL, &conn) == 0,
		               "connect");
	}
}

/* ---- Linux ---- */

static void run(const char *command)
{
	workload_check(system(command) == 0, command);
}

/* A namespace of its own for the caller, with a TUN device in it. */
static int open_space(const char *setup)
{
	struct ifreq request = {.ifr_name = "relay", .ifr_flags = IFF_TUN | IFF_NO_PI};
	int fd;

	workload_check(unshare(CLONE_NEWNET) == 0, "unshare: root is needed");
	fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	workload_check(fd >= 0 && ioctl(fd, TUNSETIFF, &request) == 0, "/dev/net/tun");
	run("ip link set lo up && ip link set relay mtu 1500 txqueuelen 10000 up");
	run(setup);
	return fd;
}

static int open_socket(void)
{
	return socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

static int listen_there(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(PORT)};
	int fd = open_socket();

	workload_check(bind(fd, (struct sockaddr *)&at, sizeof at) == 0 && listen(fd, FLOWS) == 0,
	               "listen");
	return fd;
}

static void open_sockets(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(PORT)};

	at.sin_addr.s_addr = htonl(0x0a000102);
	for (unsigned i = 0; i < FLOWS; i++) {
		sockets[i] = open_socket();
		workload_check(setsockopt(sockets[i], IPPROTO_TCP, TCP_CONGESTION, congestion,
		                          (socklen_t)strlen(congestion)) == 0,
		               congestion);
		(void)connect(sockets[i], (struct sockaddr *)&at, sizeof at);
	}
}

static void feed_sockets(void)
{
	for (unsigned i = 0; i < FLOWS; i++)
		while (send(sockets[i], data, sizeof data, MSG_NOSIGNAL) > 0)
			;
}

static void receive(int listener)
{
	static unsigned n;
	ssize_t size;
	int fd;

	while (n < FLOWS && (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0)
		receivers[n++] = fd;
	for (unsigned i = 0; i < n; i++)
		while ((size = recv(receivers[i], data, sizeof data, 0)) > 0)
			received += (uint64_t)size;
}

/* ---- All ---- */

static void turn(int listener)
{
	struct packet *packet;

	now = clock_ns();
	if (stack != NULL)
		tcp_stack_clock(stack, now);
	take_from(tun[1], &back);
	if (stack == NULL) {
		feed_sockets();
		take_from(tun[0], &there);
	}
	while ((packet = next_due(&there)) != NULL)
		(void)!write(tun[1], packet->bytes, packet->size);
	while ((packet = next_due(&back)) != NULL) {
		if (stack != NULL)
			give_to_stack(packet);
		else
			(void)!write(tun[0], packet->bytes, packet->size);
	}
	if (stack != NULL)
		(void)tcp_stack_run(stack);
	receive(listener);
}

static void wait_a_little(void)
{
	struct pollfd fds[2] = {{tun[1], POLLIN, 0}, {tun[0], POLLIN, 0}};

	(void)poll(fds, stack == NULL ? 2 : 1, 1);
}

int main(int argc, char **argv)
{
	uint64_t start, end, before = 0;
	int listener;

	workload_check(argc == 4, "stacks-loss linux|sluice SECONDS cubic|bbr");
	congestion = argv[3];
	there.packets = calloc(QUEUE, sizeof *there.packets);
	back.packets = calloc(QUEUE, sizeof *back.packets);
	tun[1] = open_space(
	        "ip addr add 10.0.1.2/24 dev relay && ip route add 10.0.0.0/24 dev relay");
	listener = listen_there();
	start = now = clock_ns();
	end = start + (WARM_SECONDS + strtoull(argv[2], NULL, 10)) * SECOND_NS;
	if (strcmp(argv[1], "linux") == 0) {
		tun[0] = open_space("ip addr add 10.0.0.1/24 dev relay && "
		                    "ip route add 10.0.1.0/24 dev relay");
		open_sockets();
	} else {
		open_stack();
	}
	while (now < end) {
		turn(listener);
		if (before == 0 && now >= start + WARM_SECONDS * SECOND_NS)
			before = received;
		wait_a_little();
	}
	printf("goodput %.0f\n", (double)(received - before) / strtod(argv[2], NULL));
	(void)fprintf(stderr, "%llu packets lost\n", (unsigned long long)lost);
	return 0;
}
