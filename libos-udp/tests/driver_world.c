/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>
#include <sys/mman.h>

#include "driver_world.h"

#include <exo/error.h>
#include <exo/info.h>
#include <exo/layout.h>
#include <libexo/printf.h>

struct udp_exo driver;
static struct udp_socket echo_socket;

int exo_printf(const char *format, ...)
{
	return 0;
}

uint64_t asked_at;

static void echo(struct udp_socket *socket, struct udp_datagram *datagram)
{
	asked_at = udp_socket_when(socket, datagram);
	udp_socket_reply(socket, datagram, datagram->size);
}

static void *zeroed(size_t size)
{
	void *memory = aligned_alloc(64, (size + 63) & ~(size_t)63);

	assert_non_null(memory);
	memset(memory, 0, size);
	return memory;
}

int map_info(void **state)
{
	struct exo_info *info = mmap((void *)EXO_INFO_ADDR, 4096, PROT_READ | PROT_WRITE,
	                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	if (info != (void *)EXO_INFO_ADDR)
		return -1;
	info->tsc_hz = 1000000000;
	return 0;
}

int setup(void **state)
{
	struct udp_config config = udp_config_default();
	struct udp_ip ip = udp_ip4(US);
	size_t bytes = udp_stack_bytes(&config);

	driver = (struct udp_exo){
	        .n_buffers = 2 * SIZE, .shift = 11, .ports = {3}, .n_interfaces = 1};
	exo_ring_layout(&driver.rx, zeroed(exo_ring_bytes(SIZE)), SIZE);
	exo_ring_layout(&driver.tx, zeroed(exo_ring_bytes(SIZE)), SIZE);
	driver.frames.address = zeroed((size_t)driver.n_buffers * UDP_EXO_BUFFER_BYTES);
	driver.frames.frame = FRAME_BASE >> EXO_PAGE_SHIFT;
	driver.buffers = zeroed(driver.n_buffers * sizeof *driver.buffers);
	driver.free = zeroed(driver.n_buffers * sizeof *driver.free);
	for (uint32_t i = 0; i < driver.n_buffers; i++)
		driver.free[driver.n_free++] = i;
	driver.stack = udp_stack_create(zeroed(bytes), bytes, &config, &driver_ops, &driver);
	assert_non_null(driver.stack);
	assert_int_equal(udp_interface_add(driver.stack, bench_mac, 1500), 0);
	assert_int_equal(udp_address_add(driver.stack, 0, &ip, 24), 0);
	echo_socket = (struct udp_socket){.receive = echo, .local.port = 7};
	assert_int_equal(udp_socket_open(driver.stack, &echo_socket), 0);
	driver_fill(&driver);
	return 0;
}

int teardown(void **state)
{
	free(driver.rx.request);
	free(driver.tx.request);
	free(driver.frames.address);
	free(driver.buffers);
	free(driver.free);
	free(driver.stack);
	return 0;
}

struct exo_desc take(struct exo_queue *queue)
{
	assert_true(queue->head != queue->tail);
	return queue->desc[queue->tail++ & (SIZE - 1)];
}

void respond(struct exo_queue *queue, const struct exo_desc *desc)
{
	queue->desc[queue->head & (SIZE - 1)] = *desc;
	queue->head++;
}

uint8_t *memory_at(const struct exo_desc *desc)
{
	assert_in_range(desc->address, FRAME_BASE,
	                FRAME_BASE + (size_t)driver.n_buffers * UDP_EXO_BUFFER_BYTES -
	                        desc->length);
	return (uint8_t *)driver.frames.address + (desc->address - FRAME_BASE);
}

struct exo_desc deliver(const uint8_t *frame, uint32_t size)
{
	struct exo_desc desc = take(driver.rx.request);

	assert_true(desc.length >= size);
	memcpy(memory_at(&desc), frame, size);
	desc.length = size;
	desc.port = 3;
	respond(driver.rx.response, &desc);
	return desc;
}

uint32_t question(uint8_t *frame)
{
	struct bench_ip ip = {.src = PEER, .dst = US, .protocol = PROTOCOL_UDP};
	uint8_t packet[100];

	return bench_ip4(frame, &ip, packet, bench_udp(packet, &ip, 1000, 7, "hello", 5));
}

void skip_announcement(void)
{
	struct exo_desc desc;

	udp_exo_poll(&driver);
	desc = take(driver.tx.request);
	assert_int_equal(desc.length, ETH_SIZE + ARP_SIZE);
	assert_int_equal(desc.port, 3);
	respond(driver.tx.response, &desc);
	udp_exo_poll(&driver);
}
