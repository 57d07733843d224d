/* SPDX-License-Identifier: BSD-2-Clause */
#include "world.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <rte_eal.h>
#include <rte_bus_vdev.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_mempool.h>

#include "../cap.h"
#include "../core.h"
#include "../hooks.h"
#include "../frame_table.h"
#include "../ledger.h"
#include "../log.h"

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);            \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

/* ---- The machine ---- */

static struct machine_info info = {.tsc_hz = 1000000000, .n_ports = WORLD_PORTS};

const struct machine_info *machine_info(void)
{
	return &info;
}

static long allocations;

long world_allocations(void)
{
	return __atomic_load_n(&allocations, __ATOMIC_RELAXED);
}

void *machine_alloc(size_t size)
{
	void *memory = NULL;

	if (posix_memalign(&memory, 64, size ? size : 1))
		return NULL;
	__atomic_fetch_add(&allocations, 1, __ATOMIC_RELAXED);
	memset(memory, 0, size);
	return memory;
}

void machine_free(void *memory)
{
	if (memory)
		__atomic_fetch_sub(&allocations, 1, __ATOMIC_RELAXED);
	free(memory);
}

size_t machine_memory_left(void)
{
	return SIZE_MAX;
}

void *machine_code_alloc(size_t size)
{
	void *code = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return code == MAP_FAILED ? NULL : code;
}

int machine_code_seal(void *code, size_t size)
{
	return mprotect(code, size, PROT_READ | PROT_EXEC);
}

void machine_code_free(void *code, size_t size)
{
	munmap(code, size);
}

static __thread unsigned this_core;

void world_core_set(unsigned core)
{
	this_core = core;
}

unsigned world_cores = WORLD_CORES;

unsigned machine_cores(void)
{
	return world_cores;
}

unsigned machine_core(void)
{
	return this_core;
}

static uint64_t ticks;

void world_pass(uint64_t seconds)
{
	__atomic_add_fetch(&ticks, seconds * info.tsc_hz, __ATOMIC_RELAXED);
}

uint64_t machine_tsc(void)
{
	return __atomic_add_fetch(&ticks, 1, __ATOMIC_RELAXED);
}

void machine_random(void *to, size_t size)
{
	for (size_t i = 0; i < size; i++)
		((uint8_t *)to)[i] = (uint8_t)rand();
}

void machine_vector_begin(void)
{
}

void machine_lock_wait(struct machine_lock *lock, uint32_t ticket)
{
	while (__atomic_load_n(&lock->owner, __ATOMIC_ACQUIRE) != ticket)
		sched_yield();
}

void (*world_pause)(void);

void machine_pause(void)
{
	if (world_pause)
		world_pause();
	sched_yield();
}

void machine_panic(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	abort();
}

/* ---- Frames ---- */

static uint8_t *memory;
static struct frame frames[WORLD_FRAMES] = {[0 ... WORLD_FRAMES - 1] = {.state = FRAME_OWNED}};
static uint32_t pins[WORLD_FRAMES];

struct frame_table frame_table = {.frames = frames, .first = WORLD_FRAME_FIRST, .n = WORLD_FRAMES};

void *machine_frame(uint64_t frame)
{
	CHECK(frame - WORLD_FRAME_FIRST < WORLD_FRAMES);
	return memory + (frame - WORLD_FRAME_FIRST) * 4096;
}

void *world_memory(uint64_t physical)
{
	return (uint8_t *)machine_frame(physical / 4096) + physical % 4096;
}

uint32_t world_frame_owner(uint64_t frame)
{
	uint64_t i = frame - WORLD_FRAME_FIRST;

	return i < WORLD_FRAMES ? __atomic_load_n(&frames[i].owner, __ATOMIC_ACQUIRE) : 0;
}

bool ledger_frame_owned(uint32_t env, uint64_t frame)
{
	return env != 0 && world_frame_owner(frame) == env;
}

int ledger_frame_pin(uint32_t env, uint64_t frame)
{
	if (!ledger_frame_owned(env, frame))
		return -EXO_EPERM;
	__atomic_fetch_add(&pins[frame - WORLD_FRAME_FIRST], 1, __ATOMIC_SEQ_CST);
	return 0;
}

void ledger_frame_unpin(uint64_t frame)
{
	CHECK(frame - WORLD_FRAME_FIRST < WORLD_FRAMES && pins[frame - WORLD_FRAME_FIRST] > 0);
	__atomic_fetch_sub(&pins[frame - WORLD_FRAME_FIRST], 1, __ATOMIC_SEQ_CST);
}

int ledger_frames_pin(uint32_t env, uint64_t first, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++) {
		if (ledger_frame_pin(env, first + i)) {
			ledger_frames_unpin(first, i);
			return -EXO_EPERM;
		}
	}
	return 0;
}

void ledger_frames_unpin(uint64_t first, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++)
		ledger_frame_unpin(first + i);
}

/* As the ledger does it, but for address spaces: there are none here. */
bool ledger_frames_swap(struct env *env, const struct frame_swap *swaps, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		uint64_t out = swaps[i].out - WORLD_FRAME_FIRST;

		CHECK(world_frame_owner(swaps[i].in) == WORLD_KERNEL);
		for (unsigned k = 0; k < i; k++)
			if (swaps[k].out == swaps[i].out)
				return false;
		if (world_frame_owner(swaps[i].out) != env->id || pins[out])
			return false;
	}
	for (unsigned i = 0; i < n; i++) {
		frames[swaps[i].out - WORLD_FRAME_FIRST].owner = WORLD_KERNEL;
		frames[swaps[i].in - WORLD_FRAME_FIRST].owner = env->id;
	}
	return true;
}

uint64_t world_frames(uint32_t owner, uint32_t count, uint8_t poison)
{
	for (uint32_t first = 0, run = 0; first + run < WORLD_FRAMES;) {
		if (frames[first + run].owner) {
			first += run + 1;
			run = 0;
		} else if (++run == count) {
			memset(memory + (size_t)first * 4096, poison, (size_t)count * 4096);
			for (uint32_t i = 0; i < count; i++)
				__atomic_store_n(&frames[first + i].owner, owner, __ATOMIC_RELEASE);
			return WORLD_FRAME_FIRST + first;
		}
	}
	CHECK(!"frames are left");
	return 0;
}

bool world_frame_drop(uint64_t frame)
{
	uint64_t i = frame - WORLD_FRAME_FIRST;

	CHECK(i < WORLD_FRAMES);
	if (pins[i] == 0)
		__atomic_store_n(&frames[i].owner, 0, __ATOMIC_RELEASE);
	return frames[i].owner == 0;
}

void world_frames_free(uint32_t owner)
{
	for (unsigned i = 0; i < WORLD_FRAMES; i++) {
		if (frames[i].owner != owner)
			continue;
		CHECK(pins[i] == 0);
		frames[i].owner = 0;
	}
}

unsigned world_pins(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < WORLD_FRAMES; i++)
		n += pins[i];
	return n;
}

/* ---- Environments, keys, console ---- */

const struct core_hooks *core_hooks;
uint32_t world_events[WORLD_ENVS];
unsigned world_lines, world_kernel_lines, world_polls_asked;
char world_line[512];
static struct env envs[WORLD_ENVS];
static struct exo_account accounts[WORLD_ENVS];

struct env *world_env(uint32_t id)
{
	CHECK(id > 0 && id < WORLD_ENVS);
	if (envs[id].id == id)
		return &envs[id];
	envs[id].id = id;
	envs[id].account = &accounts[id];
	accounts[id].frames_max = WORLD_FRAMES;
	snprintf(envs[id].name, sizeof(envs[id].name), "env%u", id);
	return &envs[id];
}

void world_env_reset(uint32_t id)
{
	memset(&accounts[id], 0, sizeof(accounts[id]));
	accounts[id].frames_max = WORLD_FRAMES;
	world_events[id] = 0;
}

struct env *env_find_live(uint32_t id)
{
	return id > 0 && id < WORLD_ENVS ? world_env(id) : NULL;
}

void env_post(struct env *env, uint32_t core, uint32_t events)
{
	__atomic_fetch_or(&world_events[env->id], events, __ATOMIC_RELAXED);
}

void core_lock(void)
{
}

void core_unlock(void)
{
}

void core_look_soon(unsigned core)
{
	world_polls_asked++;
}

int call_copy_in(void *to, uint64_t from, size_t size)
{
	if (from < 4096)
		return size ? -EXO_EFAULT : 0;
	memcpy(to, (const void *)(uintptr_t)from, size);
	return 0;
}

int call_copy_out(uint64_t to, const void *from, size_t size)
{
	if (to < 4096)
		return -EXO_EFAULT;
	memcpy((void *)(uintptr_t)to, from, size);
	return 0;
}

static uint64_t sum(const struct exo_cap *cap)
{
	const uint8_t *bytes = (const uint8_t *)cap;
	uint64_t hash = 14695981039346656037u; /* FNV-1a: these keys need no secret */

	for (size_t i = 0; i < offsetof(struct exo_cap, mac); i++)
		hash = (hash ^ bytes[i]) * 1099511628211u;
	return hash;
}

void cap_seal(struct exo_cap *cap)
{
	cap->mac = sum(cap);
}

int cap_check(const struct exo_cap *cap, const struct env *env, enum exo_kind kind, unsigned rights)
{
	if (cap->mac != sum(cap))
		return -EXO_EKEY;
	if (cap->holder != env->id || cap->kind != kind || (rights & ~cap->rights))
		return -EXO_EPERM;
	return 0;
}

int cap_fetch(struct exo_cap *cap, uint64_t address, const struct env *env, enum exo_kind kind,
              unsigned rights)
{
	return call_copy_in(cap, address, sizeof(*cap)) ? -EXO_EFAULT
	                                                : cap_check(cap, env, kind, rights);
}

void log_env(const struct env *env, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(world_line, sizeof(world_line), format, arguments);
	va_end(arguments);
	world_lines++;
}

void log_line(const char *name, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	world_kernel_lines++;
}

/* ---- Ports ---- */

enum { PORT_ROOM = 1024 }; /* frames that a port's ring takes */

static struct rte_mempool *arriving, *framed;
static struct rte_ring *inward[WORLD_PORTS], *outward[WORLD_PORTS], *spare;

static void start_port(unsigned port)
{
	/* The second one takes long frames, and frames in several segments. */
	struct rte_eth_conf conf = {
	        .rxmode.mtu = port ? 9000 : 1500,
	        .txmode.offloads = port ? RTE_ETH_TX_OFFLOAD_MULTI_SEGS : 0,
	};
	struct rte_ring *queues[2];
	uint16_t n = 1;
	char name[32];
	int id;

	snprintf(name, sizeof(name), "in%u", port);
	inward[port] = rte_ring_create(name, PORT_ROOM, 0, RING_F_EXACT_SZ);
	snprintf(name, sizeof(name), "out%u", port);
	outward[port] = rte_ring_create(name, PORT_ROOM, 0, RING_F_EXACT_SZ);
	queues[0] = inward[port];
	snprintf(name, sizeof(name), "port%u", port);
	if (world_spare && port == WORLD_PORTS - 1) {
		spare = rte_ring_create("spare", PORT_ROOM, 0, RING_F_EXACT_SZ);
		queues[n++] = spare;
	}
	id = rte_eth_from_rings(name, queues, n, &outward[port], 1, 0);
	CHECK(id == (int)port);
	CHECK(rte_eth_dev_configure((uint16_t)id, n, 1, &conf) == 0);
	for (uint16_t queue = 0; queue < n; queue++)
		CHECK(rte_eth_rx_queue_setup((uint16_t)id, queue, 128, 0, NULL, arriving) == 0);
	CHECK(rte_eth_tx_queue_setup((uint16_t)id, 0, 128, 0, NULL) == 0);
	CHECK(rte_eth_dev_start((uint16_t)id) == 0);
}

/* As exo/dpdk/ports.c makes them. */
static void point_to_frame(struct rte_mempool *pool, void *argument, void *object, unsigned i)
{
	struct rte_mbuf *mbuf = object;
	uint64_t frame = *(uint64_t *)argument + i;

	mbuf->buf_addr = machine_frame(frame);
	mbuf->buf_iova = frame * 4096;
}

static void make_framed(void)
{
	struct rte_pktmbuf_pool_private about = {.mbuf_data_room_size = 4096};
	uint64_t frames;

	framed = rte_mempool_create_empty("framed", 63, sizeof(struct rte_mbuf), 0, sizeof(about),
	                                  0, 0);
	CHECK(framed);
	rte_pktmbuf_pool_init(framed, &about);
	CHECK(rte_mempool_populate_default(framed) == 63);
	frames = world_frames(WORLD_KERNEL, 63, 0x5a);
	rte_mempool_obj_iter(framed, rte_pktmbuf_init, NULL);
	rte_mempool_obj_iter(framed, point_to_frame, &frames);
}

void world_start_eal(void)
{
	static char *arguments[] = {"world",
	                            "--no-huge",
	                            "-m",
	                            "96",
	                            "--no-pci",
	                            "--no-shconf",
	                            "--no-telemetry",
	                            "--log-level=critical",
	                            "-l",
	                            "0",
	                            NULL};

	if (getenv("ONE_CORE"))
		world_cores = 1;
	CHECK(rte_eal_init(sizeof(arguments) / sizeof(arguments[0]) - 1, arguments) >= 0);
	arriving = rte_pktmbuf_pool_create("arriving", 4095, 64, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
	CHECK(arriving);
	memory = mmap(NULL, (size_t)WORLD_FRAMES * 4096, PROT_READ | PROT_WRITE,
	              MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	frame_table.aliases = memory;
	CHECK(memory != MAP_FAILED);
	make_framed();
}

static void start_ports(void)
{
	world_start_eal();
	for (unsigned port = 0; port < WORLD_PORTS; port++)
		start_port(port);
}

void world_start_net(unsigned n_ports)
{
	info.n_ports = n_ports;
	CHECK(net_start() == 0);
}

void world_start(void)
{
	start_ports();
	if (world_slots)
		world_make_slots();
	world_start_net(WORLD_PORTS);
}

void world_start_capture(const char *path)
{
	struct rte_eth_conf conf = {.rxmode.mtu = 1500};
	char arguments[256];

	start_ports();
	snprintf(arguments, sizeof(arguments), "rx_pcap=%s,infinite_rx=1", path);
	CHECK(rte_vdev_init("net_pcap0", arguments) == 0);
	CHECK(rte_eth_dev_configure(WORLD_PORTS, 1, 1, &conf) == 0);
	CHECK(rte_eth_rx_queue_setup(WORLD_PORTS, 0, 128, 0, NULL, arriving) == 0);
	CHECK(rte_eth_tx_queue_setup(WORLD_PORTS, 0, 128, 0, NULL) == 0);
	CHECK(rte_eth_dev_start(WORLD_PORTS) == 0);
	world_start_net(WORLD_PORTS + 1);
}

static void arrive(struct rte_mempool *pool, unsigned port, const void *bytes, uint32_t length,
                   uint32_t segment)
{
	struct rte_mbuf *head = NULL;
	const uint8_t *from = bytes;

	do {
		struct rte_mbuf *mbuf = rte_pktmbuf_alloc(pool);
		uint32_t part = segment && segment < length ? segment : length;

		CHECK(mbuf && rte_pktmbuf_tailroom(mbuf) >= part);
		memcpy(rte_pktmbuf_append(mbuf, (uint16_t)part), from, part);
		from += part;
		length -= part;
		if (head)
			CHECK(rte_pktmbuf_chain(head, mbuf) == 0);
		else
			head = mbuf;
	} while (length > 0);
	CHECK(rte_ring_enqueue(inward[port], head) == 0);
}

void world_arrive(unsigned port, const void *bytes, uint32_t length, uint32_t segment)
{
	arrive(arriving, port, bytes, length, segment);
}

void world_arrive_framed(unsigned port, const void *bytes, uint32_t length, uint32_t segment)
{
	arrive(framed, port, bytes, length, segment);
}

unsigned world_offer(unsigned port, struct rte_mbuf **mbufs, unsigned n)
{
	return rte_ring_enqueue_burst(inward[port], (void **)mbufs, n, NULL);
}

unsigned world_offer_dma(unsigned port, struct rte_mbuf **mbufs, unsigned n)
{
	return rte_ring_enqueue_burst(spare ? spare : inward[port], (void **)mbufs, n, NULL);
}

unsigned world_waiting(unsigned port)
{
	return rte_ring_count(outward[port]);
}

uint32_t world_sent(unsigned port, void *bytes, uint32_t size)
{
	void *object;
	struct rte_mbuf *mbuf;
	uint32_t length;
	const void *data;

	do {
		if (rte_ring_dequeue(outward[port], &object))
			return 0;
	} while (!object);
	mbuf = object;
	length = mbuf->pkt_len;
	CHECK(length <= size);
	data = rte_pktmbuf_read(mbuf, 0, length, bytes);
	if (data != bytes)
		memcpy(bytes, data, length);
	rte_pktmbuf_free(mbuf);
	return length;
}

void world_port_room(unsigned port, unsigned frames)
{
	void *object;

	while (rte_ring_dequeue(outward[port], &object) == 0)
		if (object)
			rte_pktmbuf_free(object);
	while (rte_ring_free_count(outward[port]) > frames)
		CHECK(rte_ring_enqueue(outward[port], NULL) == 0);
}

static void add_in_use(struct rte_mempool *pool, void *argument)
{
	*(unsigned *)argument += rte_mempool_in_use_count(pool);
}

unsigned world_mbufs(void)
{
	unsigned n = 0;

	rte_mempool_walk(add_in_use, &n);
	return n;
}

/* ---- Calls ---- */

static int make_ring(uint32_t env, struct exo_ring_create arg, const struct exo_cap *space,
                     struct world_ring *ring)
{
	const uint32_t size = arg.size;
	uint32_t frames = (uint32_t)((exo_ring_bytes(size) + 4095) / 4096);
	int64_t error;

	memset(ring, 0, sizeof(*ring));
	arg.first_frame = world_frames(env, frames, 0xee);
	if (space)
		arg.space = *space;
	error = net_call_ring_create(world_env(env), &arg);
	if (error)
		return (int)error;
	ring->cap = arg.out;
	ring->first_frame = arg.first_frame;
	ring->size = size;
	ring->request = machine_frame(arg.first_frame);
	ring->response = (void *)((uint8_t *)ring->request + exo_queue_bytes(size));
	ring->counters = (void *)((uint8_t *)ring->request + 2 * exo_queue_bytes(size));
	return 0;
}

int world_ring(uint32_t env, enum exo_ring_kind kind, uint32_t size, const struct exo_cap *space,
               struct world_ring *ring)
{
	return make_ring(env, (struct exo_ring_create){.kind = kind, .size = size}, space, ring);
}

int world_exchange_ring(uint32_t env, uint32_t size, uint32_t least, struct world_ring *ring)
{
	return make_ring(env,
	                 (struct exo_ring_create){.kind = EXO_RING_RECEIVE,
	                                          .mode = EXO_RING_EXCHANGE,
	                                          .size = size,
	                                          .exchange_least = least},
	                 NULL, ring);
}

void world_put(struct world_ring *ring, struct exo_desc desc)
{
	ring->request->desc[ring->head++ & (ring->size - 1)] = desc;
	__atomic_store_n(&ring->request->head, ring->head, __ATOMIC_RELEASE);
}

bool world_get(struct world_ring *ring, struct exo_desc *desc)
{
	if (__atomic_load_n(&ring->response->head, __ATOMIC_ACQUIRE) == ring->tail)
		return false;
	*desc = ring->response->desc[ring->tail++ & (ring->size - 1)];
	__atomic_store_n(&ring->response->tail, ring->tail, __ATOMIC_RELEASE);
	return true;
}

void world_fill(uint32_t env, struct world_ring *ring, unsigned n, uint32_t length, uint8_t poison)
{
	uint64_t first = world_frames(env, n, poison);

	for (unsigned i = 0; i < n; i++)
		world_put(ring, (struct exo_desc){.address = (first + i) * 4096,
		                                  .length = length,
		                                  .cookie = i});
}

void world_poll(void)
{
	while (net_poll(0, 64) > 0)
		;
}
