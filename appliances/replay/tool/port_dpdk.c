/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * DPDK's devices as ports: one queue each way, run to completion on one core. Frames that the
 * device did not take stay in order and are offered again.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_errno.h>
#include <rte_version.h>

#include "device_stamp.h"
#include "driver_turns.h"
#include "port_internal.h"
#include "punctual.h"
#include "xdp_sender.h"

enum {
	DESCRIPTORS = 1024,
	BUFFERS = 4095,
	BUFFERS_MIN = 511,
	BUFFER_BYTES = 64 << 20, /* of all of them */
	WORDS = 16,
	WORD_MAX = 256,
	BLOCK = 1 << 16, /* of af_packet's rings */
	SLOT_MIN = 2048,
	SLOT_HEADER = 128, /* more than it has */
	SLOTS = 4096,
	SLOTS_MIN = 512,
	LINK_WAIT_MS = 10000,
	LINGER_MS = 300,
	TURN_MS = 20,      /* between two turns of a driver's own thread, while there is a link */
	UNLINKED_US = 200, /* between two looks for a link */
	START_TRIES = 20,
	START_MS = 50,       /* between two of them */
	RECONNECT_MS = 500,  /* between two looks for a memif server */
	HANDSHAKE_MS = 5000, /* for one that was found; it may not know yet that its last client has
	                        gone */
	STUCK_NS = 1000000000, /* without a frame taken, before the link is looked at */
};

struct dpdk_port {
	struct ports_port base; /* first */
	uint16_t id;
	const char *interface; /* NULL: none of the kernel's */
	const char *path;      /* of the socket through which memory is shared; NULL: a device */
	bool memif, serves, linked; /* memif's: linked: at the last look */
	uint64_t again;             /* when to look for a server once more, in ticks */
	uint16_t stale_n;    /* taken for a peer that has gone: dropped, and not told as sent yet */
	uint64_t refused_ns; /* since when no frame was taken; 0: it takes them */
	struct rte_mempool *pool;
	struct rte_mbuf *taken[PORT_BURST], *given[PORT_BURST];
	uint16_t taken_n, given_n;
	struct device_stamp stamp;
	struct xdp_sender *quick; /* frames leave by it instead; NULL: by the device */
	uint64_t dropped;         /* sent, and known to have gone nowhere */
};

static bool begun, left_open;
static char devices[PORTS_MAX][WORD_MAX]; /* their words, in the order of the names */
static const char *served[PORTS_MAX];     /* memif sockets that we made */

static uint8_t *take(struct port *port, uint32_t length)
{
	struct dpdk_port *own = (struct dpdk_port *)port;

	if (own->taken_n == PORT_BURST)
		return NULL;
	struct rte_mbuf *buffer = rte_pktmbuf_alloc(own->pool);
	if (!buffer)
		return NULL;
	own->taken[own->taken_n++] = buffer;
	return (uint8_t *)rte_pktmbuf_append(buffer, (uint16_t)length);
}

/* Keeps in mind since when nothing was taken. */
static unsigned account_sent(struct dpdk_port *own, unsigned sent, bool accepts)
{
	own->base.statistics.sent += sent;
	if (accepts)
		own->refused_ns = 0;
	else if (!own->refused_ns)
		own->refused_ns = port_clock_ns();
	return sent;
}

static bool device_link(const struct dpdk_port *own)
{
	struct rte_eth_link link = {0};

	return !rte_eth_link_get_nowait(own->id, &link) && link.link_status;
}

/* Another peer shall not get what was meant for the last one. */
static void note_link(struct dpdk_port *own, bool linked)
{
	if (linked && !own->linked && own->taken_n) {
		rte_pktmbuf_free_bulk(own->taken, own->taken_n);
		own->dropped += own->taken_n;
		own->stale_n += own->taken_n;
		own->taken_n = 0;
	}
	if (!linked && own->linked)
		own->again = 0;
	own->linked = linked;
}

/* memif's client tries once, when it is started. The driver's thread stands. */
static void connect_again(struct dpdk_port *own)
{
	uint64_t now = rte_rdtsc();

	if (own->serves || now < own->again)
		return;
	(void)rte_eth_dev_stop(own->id);
	bool reached = !rte_eth_dev_start(own->id);
	own->again = now + rte_get_tsc_hz() / 1000 * (reached ? HANDSHAKE_MS : RECONNECT_MS);
}

/* Whether the device's queues may be used now: memif's only while its thread stands. */
static bool usable(struct dpdk_port *own)
{
	static uint64_t next_turn; /* of the one thread that all of them have */

	if (!own->memif)
		return true;
	uint64_t now = rte_rdtsc();
	bool linked = device_link(own);
	if (!linked)
		(void)usleep(UNLINKED_US);
	if (now >= next_turn || !linked) {
		driver_turns_stop();
		driver_turns_pass();
		linked = device_link(own);
		if (!linked)
			connect_again(own);
		next_turn = now + rte_get_tsc_hz() / 1000 * TURN_MS;
	}
	note_link(own, linked);
	return linked;
}

static unsigned send_taken(struct port *port)
{
	struct dpdk_port *own = (struct dpdk_port *)port;
	uint16_t sent = usable(own) ? rte_eth_tx_burst(own->id, 0, own->taken, own->taken_n) : 0;

	own->taken_n -= sent;
	for (uint16_t i = 0; sent && i < own->taken_n; i++)
		own->taken[i] = own->taken[i + sent];
	bool accepts = sent || !own->taken_n;
	sent += own->stale_n;
	own->stale_n = 0;
	return account_sent(own, sent, accepts);
}

static uint8_t *take_quick(struct port *port, uint32_t length)
{
	return xdp_sender_take(((struct dpdk_port *)port)->quick, length);
}

static unsigned send_quick(struct port *port)
{
	struct dpdk_port *own = (struct dpdk_port *)port;
	bool accepts;
	unsigned sent = xdp_sender_send(own->quick, &own->dropped, &accepts);

	return account_sent(own, sent, accepts);
}

static const char *broken(struct port *port)
{
	struct dpdk_port *own = (struct dpdk_port *)port;

	if (!own->refused_ns || port_clock_ns() - own->refused_ns < STUCK_NS ||
	    own->base.link_up(&own->base))
		return NULL;
	return "its link has gone, and it takes no more frames";
}

static unsigned receive(struct port *port, struct port_arrival *arrivals)
{
	struct dpdk_port *own = (struct dpdk_port *)port;
	unsigned n = 0;

	if (own->given_n)
		rte_pktmbuf_free_bulk(own->given, own->given_n);
	own->given_n = usable(own) ? rte_eth_rx_burst(own->id, 0, own->given, PORT_BURST) : 0;
	if (!own->given_n)
		return 0;
	uint64_t now_ns = port_clock_ns();
	bool stamped = own->stamp.on;
	if (stamped)
		device_stamp_refresh(&own->stamp, now_ns);
	for (uint16_t i = 0; i < own->given_n; i++) {
		struct rte_mbuf *buffer = own->given[i];
		uint64_t time_ns =
		        stamped ? device_stamp_time(&own->stamp, buffer, now_ns) : now_ns;
		if (buffer->nb_segs > 1 && rte_pktmbuf_linearize(buffer)) {
			own->base.statistics.too_long++;
			continue;
		}
		arrivals[n++] = (struct port_arrival){.data = rte_pktmbuf_mtod(buffer, uint8_t *),
		                                      .length = buffer->pkt_len,
		                                      .time_ns = time_ns};
	}
	own->base.statistics.received += own->given_n;
	return n;
}

static uint64_t now(struct port *port)
{
	return port_clock_ns();
}

static void doze(struct port *port, uint64_t until_ns)
{
	punctual_rest(port_clock_ns(), until_ns);
}

static const char *after(const char *name, const char *prefix)
{
	size_t length = strlen(prefix);

	return strncmp(name, prefix, length) ? NULL : name + length;
}

/* The network interface of a port of that name; NULL: another kind of port. */
static const char *interface_of(const char *name)
{
	const char *rest = after(name, "af_xdp:");

	return rest ? rest : strchr(name, ':') ? NULL : name;
}

/* The kernel's word: for its interfaces DPDK says yes whatever is plugged in. */
static bool has_carrier(const char *interface)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/class/net/%s/carrier", interface);
	FILE *file = fopen(path, "re");
	bool carrier = file && fgetc(file) == '1'; /* can't be read where it is down */
	if (file)
		(void)fclose(file);
	return carrier;
}

static bool link_up(struct ports_port *port)
{
	const struct dpdk_port *own = (struct dpdk_port *)port;

	return (!own->interface || has_carrier(own->interface)) && device_link(own);
}

static void refresh(struct ports_port *port)
{
	const struct dpdk_port *own = (struct dpdk_port *)port;
	struct rte_eth_stats stats;

	if (rte_eth_stats_get(own->id, &stats))
		return;
	port->statistics.receive_missed = stats.imissed + stats.rx_nombuf;
	port->statistics.receive_errors = stats.ierrors;
	port->statistics.send_errors = stats.oerrors + own->dropped;
}

/* memif's interrupt thread may be about to learn that the other end has gone, and then touches what
 * closing frees (22.11): its device ends with the process. */
static void leave_memif(struct dpdk_port *own)
{
	driver_turns_end();
	left_open = true;
	for (unsigned i = 0; i < PORTS_MAX; i++)
		if (served[i] && !strcmp(served[i], own->path))
			(void)unlink(own->path);
	free(own);
}

static void close_port(struct ports_port *port)
{
	struct dpdk_port *own = (struct dpdk_port *)port;

	/* Frames lie in shared memory until the other end has taken them. */
	if (own->path && own->base.statistics.sent)
		rte_delay_ms(LINGER_MS);
	if (own->memif) {
		leave_memif(own);
		return;
	}
	xdp_sender_close(own->quick);
	rte_pktmbuf_free_bulk(own->taken, own->taken_n);
	rte_pktmbuf_free_bulk(own->given, own->given_n);
	(void)rte_eth_dev_stop(own->id);
	(void)rte_eth_dev_close(own->id);
	rte_mempool_free(own->pool);
	free(own);
}

/* The path of a socket through which two processes share memory; NULL: another port. */
static const char *shared_path(const char *name)
{
	static const char *const prefixes[] = {"memif:", "vhost:", "virtio:"};
	const char *rest = NULL;

	for (unsigned i = 0; !rest && i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
		rest = after(name, prefixes[i]);
	return rest;
}

/* A socket that a process left behind which has ended is in the way of all who come. It is called
 * in a kind that no live one of its sort takes, so that nobody else notices. */
static void remove_stale(const char *path, int kind)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int probe = strlen(path) < sizeof(address.sun_path)
	                    ? socket(AF_UNIX, kind | SOCK_CLOEXEC, 0)
	                    : -1;

	if (probe < 0)
		return;
	memcpy(address.sun_path, path, strlen(path));
	if (connect(probe, (struct sockaddr *)&address, sizeof(address)) && errno == ECONNREFUSED)
		(void)unlink(path);
	(void)close(probe);
}

/* memif: who finds no socket serves one. The device gets that number. */
static void memif_words(char *word, unsigned i, unsigned number, const char *path)
{
	remove_stale(path, SOCK_STREAM);
	bool serves = access(path, F_OK) != 0;
	served[i] = serves ? path : NULL;
	snprintf(word, WORD_MAX, "--vdev=net_memif%u,socket=%s,socket-abstract=no,role=%s,rsize=11",
	         number, path, serves ? "server" : "client");
}

static void vhost_words(char *word, unsigned i, const char *path)
{
	remove_stale(path, SOCK_SEQPACKET);
	snprintf(word, WORD_MAX, "--vdev=net_vhost%u,iface=%s", i, path);
}

/* af_packet's slots hold a frame and its header each; a power of two, several a block. */
static uint32_t slot_of(uint32_t longest)
{
	uint32_t slot = SLOT_MIN;

	while (slot < longest + SLOT_HEADER && slot < BLOCK / 2)
		slot *= 2;
	return slot;
}

/*
 * Both rings have as many slots: who listens needs many, since what finds none is lost while we are
 * not running; who only sends needs few, which stay in the processor's caches.
 */
static void af_packet_words(char *word, unsigned i, const char *interface,
                            const struct ports_options *options)
{
	uint32_t slot = slot_of(options->longest);
	uint32_t slots = (options->deaf ? SLOTS_MIN : SLOTS) / (slot / SLOT_MIN);

	snprintf(word, WORD_MAX,
	         "--vdev=net_af_packet%u,iface=%s,qdisc_bypass=1,blocksz=%d,framesz=%u,framecnt=%u",
	         i, interface, BLOCK, slot, slots < SLOTS_MIN ? SLOTS_MIN : slots);
}

/* The word by which DPDK makes the device; false for a NIC, which it finds by itself. */
static void device_word(char *word, unsigned i, const char *name,
                        const struct ports_options *options)
{
	const char *rest;

	if ((rest = after(name, "pci:")))
		snprintf(word, WORD_MAX, "--allow=%s", rest);
	else if ((rest = after(name, "af_xdp:")))
		snprintf(word, WORD_MAX, "--vdev=net_af_xdp%u,iface=%s", i, rest);
	else if ((rest = after(name, "tap:")))
		snprintf(word, WORD_MAX, "--vdev=net_tap%u,iface=%s", i, rest);
	else if ((rest = after(name, "memif:")))
		memif_words(word, i, i, rest);
	else if ((rest = after(name, "vhost:")))
		vhost_words(word, i, rest);
	else if ((rest = after(name, "virtio:")))
		snprintf(word, WORD_MAX, "--vdev=net_virtio_user%u,path=%s,queue_size=1024", i,
		         rest);
	else if ((rest = after(name, "vdev:")))
		snprintf(word, WORD_MAX, "--vdev=%s", rest);
	else
		af_packet_words(word, i, name, options);
}

static bool any_pci(const char *const *names, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (after(names[i], "pci:"))
			return true;
	return false;
}

/* Interfaces that are not there are worth a clear word: DPDK's own names none. */
static bool interface_there(const char *name, char *error)
{
	const char *interface = interface_of(name);
	char path[128];

	if (!interface)
		return true;
	snprintf(path, sizeof(path), "/sys/class/net/%s", interface);
	if (!access(path, F_OK))
		return true;
	snprintf(error, PORTS_REASON_MAX, "%s: there is no such network interface", name);
	return false;
}

/* DPDK binds the thread that begins it to the first core: several replays of one computer would
 * take turns on it. The system chooses again, as whoever started us allows. */
static int begin_dpdk(int words_n, char **words)
{
	cpu_set_t cores;
	bool known = sched_getaffinity(0, sizeof(cores), &cores) == 0;
	int status = rte_eal_init(words_n, words);

	if (known)
		(void)sched_setaffinity(0, sizeof(cores), &cores);
	return status;
}

int port_dpdk_begin(const char *const *names, unsigned n, const struct ports_options *options,
                    char *error)
{
	char *words[WORDS] = {"sluice-replay", "--no-telemetry", "--no-shconf"};
	int words_n = 3;

	for (unsigned i = 0; i < n; i++)
		if (!interface_there(names[i], error))
			return -1;
	if (!any_pci(names, n)) {
		words[words_n++] = "--no-pci";
		words[words_n++] = "--no-huge";
		words[words_n++] = "-m";
		words[words_n++] = "256";
	} else {
		words[words_n++] = "--in-memory";
	}
	if (!options->verbose)
		words[words_n++] = "--log-level=*:3";
	for (unsigned i = 0; i < n; i++) {
		device_word(devices[i], i, names[i], options);
		words[words_n++] = devices[i];
	}
	if (begin_dpdk(words_n, words) < 0) {
		snprintf(error, PORTS_REASON_MAX, "DPDK does not begin: %s%s",
		         rte_strerror(rte_errno),
		         geteuid() ? " (interfaces and NICs need root)" : "");
		return -1;
	}
	begun = true;
	(void)signal(SIGPIPE, SIG_IGN); /* virtio-user's peer may have gone */
	return 0;
}

void port_dpdk_end(void)
{
	if (begun && !left_open)
		(void)rte_eal_cleanup();
	begun = false;
}

/* A virtual device's name and arguments, as its word has them. */
static void split_word(const char *word, char *name, const char **arguments)
{
	const char *begin = word + strlen("--vdev=");
	size_t length = strcspn(begin, ",");

	snprintf(name, WORD_MAX, "%.*s", (int)length, begin);
	*arguments = begin[length] ? begin + length + 1 : "";
}

/* DPDK begins without a virtual device that it could not make, and says nothing: it is asked once
 * more. Who came second to a memif socket that both were going to serve finds it now; the first
 * device's name is not given back (22.11). */
static int find_device(unsigned i, const char *name, uint16_t *id)
{
	const char *address = after(name, "pci:"), *arguments;
	char device[WORD_MAX];
	int status;

	if (address)
		return rte_eth_dev_get_port_by_name(address, id);
	split_word(devices[i], device, &arguments);
	status = rte_eth_dev_get_port_by_name(device, id);
	if (status && after(name, "memif:")) {
		memif_words(devices[i], i, i + PORTS_MAX, after(name, "memif:"));
		split_word(devices[i], device, &arguments);
	}
	if (status && !(status = rte_eal_hotplug_add("vdev", device, arguments)))
		status = rte_eth_dev_get_port_by_name(device, id);
	return status;
}

/* A memif socket may be there before it is listened at. */
static int start(const struct dpdk_port *own)
{
	int status = rte_eth_dev_start(own->id);

	for (int i = 0; status && own->memif && i < START_TRIES; i++) {
		rte_delay_ms(START_MS);
		status = rte_eth_dev_start(own->id);
	}
	return status;
}

static int configure(struct dpdk_port *own, const struct ports_options *options)
{
	struct rte_eth_conf conf = {0};
	struct rte_eth_dev_info info;
	uint16_t receive_n = DESCRIPTORS, send_n = DESCRIPTORS;
	int status = rte_eth_dev_info_get(own->id, &info);

	if (status)
		return status;
	bool stamps = (info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_TIMESTAMP) &&
	              device_stamp_prepare(&own->stamp, own->id);
	if (stamps)
		conf.rxmode.offloads |= RTE_ETH_RX_OFFLOAD_TIMESTAMP;
	if (options->longest > 1518 && info.max_mtu >= options->longest)
		(void)rte_eth_dev_set_mtu(own->id, (uint16_t)(options->longest - PORT_ETHERNET));
	if ((status = rte_eth_dev_configure(own->id, 1, 1, &conf)) ||
	    (status = rte_eth_dev_adjust_nb_rx_tx_desc(own->id, &receive_n, &send_n)) ||
	    (status = rte_eth_rx_queue_setup(own->id, 0, receive_n, SOCKET_ID_ANY, NULL,
	                                     own->pool)) ||
	    (status = rte_eth_tx_queue_setup(own->id, 0, send_n, SOCKET_ID_ANY, NULL)) ||
	    (status = start(own)))
		return status;
	(void)rte_eth_promiscuous_enable(own->id);
	if (stamps)
		device_stamp_begin(&own->stamp);
	own->base.stamps = own->stamp.on ? "the NIC's clock" : NULL;
	snprintf(own->base.driver, sizeof(own->base.driver), "%s (%s)", info.driver_name,
	         rte_version());
	own->base.port.longest = options->longest;
	return 0;
}

static void wait_for_link(struct dpdk_port *own)
{
	for (int i = 0; i < LINK_WAIT_MS / 10 && !link_up(&own->base); i++) {
		rte_delay_ms(10);
		(void)usable(own);
	}
}

/* Frames leave an interface of the kernel's by the quicker way where there is one. */
static void choose_sender(struct dpdk_port *own, const char *name)
{
	struct ports_port *base = &own->base;

	own->quick = strchr(name, ':') ? NULL : xdp_sender_open(name, base->port.longest);
	if (!own->quick)
		return;
	base->port.take = take_quick;
	base->port.send = send_quick;
	size_t length = strlen(base->driver);
	snprintf(base->driver + length, sizeof(base->driver) - length, ", sending by AF_XDP");
}

/* Large frames get fewer buffers. af_packet wants a slot to fit into one. */
static struct rte_mempool *make_pool(unsigned i, uint32_t longest)
{
	uint32_t room = RTE_PKTMBUF_HEADROOM + RTE_MAX(longest, slot_of(longest));
	uint32_t n = RTE_MIN(BUFFER_BYTES / room, (uint32_t)BUFFERS);
	char name[32];

	snprintf(name, sizeof(name), "buffers%u", i);
	return rte_pktmbuf_pool_create(name, RTE_MAX(n, (uint32_t)BUFFERS_MIN), 128, 0,
	                               (uint16_t)room, SOCKET_ID_ANY);
}

struct ports_port *port_dpdk_open(unsigned i, const char *name, const struct ports_options *options,
                                  char *error)
{
	struct dpdk_port *own = calloc(1, sizeof(*own));
	int status;

	if (!own)
		abort();
	own->base = (struct ports_port){.port = {.take = take,
	                                         .send = send_taken,
	                                         .receive = receive,
	                                         .now = now,
	                                         .doze = doze,
	                                         .broken = broken},
	                                .link_up = link_up,
	                                .refresh = refresh,
	                                .close = close_port};
	own->interface = interface_of(name);
	own->path = shared_path(name);
	own->memif = after(name, "memif:") != NULL;
	own->pool = make_pool(i, options->longest);
	status = !own->pool ? -rte_errno : find_device(i, name, &own->id);
	own->serves = own->memif && served[i];
	own->again = rte_rdtsc() + rte_get_tsc_hz() / 1000 * HANDSHAKE_MS;
	if (!status && own->memif)
		status = driver_turns_begin();
	if (!status)
		status = configure(own, options);
	if (status) {
		snprintf(error, PORTS_REASON_MAX, "%s: %s", name, rte_strerror(-status));
		rte_mempool_free(own->pool);
		free(own);
		return NULL;
	}
	if (options->wait_for_peer)
		wait_for_link(own);
	own->linked = device_link(own);
	choose_sender(own, name);
	return &own->base;
}
