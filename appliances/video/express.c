/* SPDX-License-Identifier: BSD-2-Clause */
/* The short way of RTP packets to the NIC; see express.h. */
#include "express.h"

#include <libexo/call.h>
#include <libexo/lib.h>
#include <libexo/start.h>
#include <libexo/time.h>
#include <udp/checksum.h>
#include <udp/wire.h>

enum {
	FRAME_HEADER = ETH_SIZE + IP4_SIZE + UDP_SIZE,
	HEADER_BYTES = 64, /* of frame header, RTP header and prefix */
	VALID_NS = 1000000000,
	RTP_HEADER = 12,
	TTL = 64,
};

/* What a leg keeps. */
struct kept {
	uint64_t until;   /* in nanoseconds; 0: nothing is kept */
	uint16_t ip_sum;  /* of the IPv4 header but length and identification */
	uint16_t udp_sum; /* of pseudo header and UDP header but lengths */
	uint16_t port;    /* NIC port */
	uint8_t frame[FRAME_HEADER];
};

_Static_assert(sizeof(struct kept) <= sizeof(((struct video_leg *)0)->header), "it fits a leg");
_Static_assert(FRAME_HEADER + RTP_HEADER + MEDIA_PREFIX_MAX <= HEADER_BYTES, "headers fit");

int express_open(struct express *express, struct udp_exo *driver, struct video *video,
                 uint32_t descriptors)
{
	int result = exo_ring_open(&express->ring, EXO_RING_TRANSMIT, EXO_RING_COPY, descriptors,
	                           exo_sender_core(), &driver->flow->cap);

	if (result == 0)
		result = exo_pages_alloc(&express->headers,
		                         exo_pages_for((uint64_t)descriptors * HEADER_BYTES));
	express->driver = driver;
	express->video = video;
	express->quiet = true;
	return result;
}

static void release(struct express_content *content)
{
	while (content->n_chunks > 0)
		(void)exo_pages_free(&content->chunks[--content->n_chunks]);
	content->base = NULL;
}

/* One more chunk, behind the others. */
static bool add_chunk(struct express_content *content, uint32_t frames)
{
	struct exo_pages *chunk = &content->chunks[content->n_chunks];
	const uint8_t *end =
	        content->base + (uint64_t)content->n_chunks * EXPRESS_CHUNK_FRAMES * EXO_PAGE_SIZE;

	if (content->n_chunks == EXPRESS_CHUNKS_MAX || exo_pages_alloc(chunk, frames) != 0)
		return false;
	content->n_chunks++;
	if (content->base == NULL)
		content->base = chunk->address;
	else if (end != chunk->address)
		return false;
	return true;
}

const void *express_adopt(struct express *express, uint32_t title, const void *bytes, uint64_t size)
{
	struct express_content *content = &express->content[title];
	uint32_t frames = exo_pages_for(size);

	if (title >= VIDEO_TITLES_MAX)
		return bytes;
	while (frames > 0) {
		uint32_t n = frames < EXPRESS_CHUNK_FRAMES ? frames : EXPRESS_CHUNK_FRAMES;

		if (!add_chunk(content, n)) {
			release(content);
			return bytes;
		}
		frames -= n;
	}
	memcpy(content->base, bytes, size);
	return content->base;
}

/* The physical address of content; 0: it is not, or not in one piece, in frames of ours. */
static uint64_t physical(const struct express *express, uint8_t title, const uint8_t *bytes,
                         uint32_t size)
{
	const struct express_content *content = &express->content[title];
	uint64_t offset = (uint64_t)(bytes - content->base);
	uint64_t chunk = offset / ((uint64_t)EXPRESS_CHUNK_FRAMES * EXO_PAGE_SIZE);
	uint64_t within = offset % ((uint64_t)EXPRESS_CHUNK_FRAMES * EXO_PAGE_SIZE);

	if (chunk >= content->n_chunks ||
	    within + size > (uint64_t)content->chunks[chunk].count * EXO_PAGE_SIZE)
		return 0;
	return (content->chunks[chunk].frame << EXO_PAGE_SHIFT) + within;
}

static uint16_t folded(uint64_t sum)
{
	return (uint16_t)~udp_sum_finish(sum);
}

/* Headers whose lengths, identification and checksums are 0. */
static void make_headers(struct kept *kept, const struct udp_frame_way *way,
                         const struct udp_endpoint *to, uint16_t from_port)
{
	uint8_t *ip = kept->frame + ETH_SIZE, *udp = ip + IP4_SIZE;

	memset(kept->frame, 0, sizeof kept->frame);
	memcpy(kept->frame + ETH_DST, way->to, UDP_MAC_BYTES);
	memcpy(kept->frame + ETH_SRC, way->from, UDP_MAC_BYTES);
	wire_put16(kept->frame + ETH_TYPE, ETHERTYPE_IP4);
	ip[IP4_VERSION_IHL] = 0x45;
	ip[IP4_TTL] = TTL;
	ip[IP4_PROTOCOL] = PROTOCOL_UDP;
	memcpy(ip + IP4_SRC, way->src.bytes, 4);
	memcpy(ip + IP4_DST, to->ip.bytes, 4);
	wire_put16(udp + UDP_SRC_PORT, from_port);
	wire_put16(udp + UDP_DST_PORT, to->port);
	kept->ip_sum = folded(udp_sum_add(0, ip, IP4_SIZE));
	kept->udp_sum = folded(
	        udp_sum_add(udp_sum_pseudo(0, &way->src, &to->ip, PROTOCOL_UDP, 0), udp, UDP_SIZE));
}

/* By the socket, and what is learned by it is kept. */
static bool send_and_learn(struct express *express, struct video *video,
                           const struct video_viewer *viewer, struct video_leg *leg,
                           const uint8_t *head, uint32_t head_size, const uint8_t *content,
                           const struct media_packet *packet)
{
	struct kept *kept = (struct kept *)leg->header;
	struct udp_endpoint to = {.ip = viewer->peer, .port = leg->rtp_port};
	bool sent = video_send_copy(video, viewer, leg, head, head_size, content, packet->size);
	struct udp_frame_way way;

	video->count.rtp_by_socket++;
	kept->until = 0;
	if (sent && to.ip.family == 4 && udp_frame_way(video->udp, &to.ip, &way)) {
		make_headers(kept, &way, &to, video->rtp.local.port);
		kept->port = express->driver->ports[way.interface];
		kept->until = video->now + VALID_NS;
	}
	return sent;
}

static uint16_t big(uint32_t value)
{
	return __builtin_bswap16((uint16_t)value);
}

static uint64_t words(const uint8_t *at, uint32_t n)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t word;

		memcpy(&word, at + 4 * (size_t)i, sizeof word);
		sum += word;
	}
	return sum;
}

/* A one's complement sum of 32-bit words, to 16 bits, complemented. */
static uint16_t fold(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void put_headers(uint8_t *to, const struct kept *kept, const uint8_t *head,
                        const struct media_packet *packet, uint16_t id)
{
	uint32_t data = RTP_HEADER + packet->prefix_size + packet->size;
	uint16_t ip_length = big(IP4_SIZE + UDP_SIZE + data), udp_length = big(UDP_SIZE + data);
	uint16_t ip_sum = fold((uint64_t)kept->ip_sum + ip_length + id), udp_sum;
	uint8_t *ip = to + ETH_SIZE, *udp = ip + IP4_SIZE;

	/* The length stands in the pseudo header and in the header. */
	udp_sum =
	        fold(kept->udp_sum + 2ull * udp_length + words(head, RTP_HEADER / 4) + packet->sum);
	__builtin_memcpy(to, kept->frame, FRAME_HEADER);
	__builtin_memcpy(ip + IP4_LENGTH, &ip_length, 2);
	__builtin_memcpy(ip + IP4_ID, &id, 2);
	__builtin_memcpy(ip + IP4_CHECKSUM, &ip_sum, 2);
	__builtin_memcpy(udp + UDP_LENGTH, &udp_length, 2);
	udp_sum = udp_sum == 0 ? 0xffff : udp_sum; /* RFC 768: 0 means none */
	__builtin_memcpy(udp + UDP_CHECKSUM, &udp_sum, 2);
	__builtin_memcpy(udp + UDP_SIZE, head, RTP_HEADER);
	__builtin_memcpy(udp + UDP_SIZE + RTP_HEADER, packet->prefix, MEDIA_PREFIX_MAX);
}

/* The next descriptor, cleared by never having been anything else than what is written here. */
static struct exo_desc *descriptor(struct express *express)
{
	return &express->ring.request->desc[express->head++ & (express->ring.size - 1)];
}

static void put_frame(struct express *express, const struct kept *kept, uint32_t head_size,
                      uint64_t content, uint32_t size)
{
	uint32_t slot = express->head & (express->ring.size - 1);
	struct exo_desc *first = descriptor(express), *second = descriptor(express);

	first->address = exo_pages_physical(&express->headers, express->headers.address) +
	                 (uint64_t)slot * HEADER_BYTES;
	first->length = FRAME_HEADER + head_size;
	first->flags = EXO_DESC_MORE | EXO_DESC_REPORT;
	first->port = kept->port;
	second->address = content;
	second->length = size;
	second->flags = 0;
	express->quiet = false;
}

static bool has_room(struct express *express)
{
	/* What is not published yet counts as used. */
	return exo_ring_room(&express->ring) - (express->head - express->ring.request_head) >= 2;
}

bool express_send(void *context, struct video *video, const struct video_viewer *viewer,
                  struct video_leg *leg, const uint8_t *head, uint32_t head_size,
                  const uint8_t *content, const struct media_packet *packet)
{
	struct express *express = context;
	struct kept *kept = (struct kept *)leg->header;
	uint32_t slot = express->head & (express->ring.size - 1);
	uint64_t where = physical(express, viewer->title, content, packet->size);

	if (video->now >= kept->until || where == 0 || packet->size == 0)
		return send_and_learn(express, video, viewer, leg, head, head_size, content,
		                      packet);
	if (!has_room(express))
		return false;
	put_headers((uint8_t *)express->headers.address + (size_t)slot * HEADER_BYTES, kept, head,
	            packet, leg->sequence);
	put_frame(express, kept, head_size, where, packet->size);
	return true;
}

/* What came back: only what went wrong matters. */
static void reap(struct express *express)
{
	struct exo_ring *ring = &express->ring;
	uint32_t head = __atomic_load_n(&ring->response->head, __ATOMIC_ACQUIRE);

	if (head - ring->response_tail > ring->size)
		return;
	for (; ring->response_tail != head; ring->response_tail++)
		express->video->count.rtp_refused +=
		        ring->response->desc[ring->response_tail & (ring->size - 1)].status != 0;
	__atomic_store_n(&ring->response->tail, head, __ATOMIC_RELEASE);
}

void express_flush(void *context)
{
	struct express *express = context;

	reap(express);
	if (express->quiet)
		return;
	express->quiet = true;
	express->ring.request_head = express->head;
	/* Release: the descriptors are in memory before the head that covers them. */
	__atomic_store_n(&express->ring.request->head, express->head, __ATOMIC_RELEASE);
	(void)exo_ring_doorbell(&express->ring);
}
