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
	IP = ETH_SIZE,
	UDP = IP + IP4_SIZE,
	RTP = UDP + UDP_SIZE,
	RTP_HEADER = 12,
	PREFIX = RTP + RTP_HEADER,
	HEADER_BYTES = 64, /* of all headers and the prefix */
	KEPT_WORDS = 7,    /* of eight bytes: all but the prefix */
	VALID_NS = 1000000000,
	TTL = 64,
};

/* What a leg keeps: headers in which what differs from packet to packet is 0. */
struct kept {
	uint64_t until;   /* in nanoseconds; 0: nothing is kept */
	uint16_t ip_sum;  /* of the IPv4 header */
	uint16_t udp_sum; /* of pseudo header, UDP's and RTP's */
	uint16_t port;    /* NIC port */
	uint64_t headers[KEPT_WORDS];
};

_Static_assert(sizeof(struct kept) <= sizeof(((struct video_leg *)0)->header), "it fits a leg");
_Static_assert(PREFIX <= 8 * KEPT_WORDS, "headers are kept whole");
_Static_assert(PREFIX + MEDIA_PREFIX_MAX <= HEADER_BYTES, "headers fit");

/* All that packets never change in their descriptors. */
static void prepare(struct express *express)
{
	for (uint32_t i = 0; i < express->ring.size; i += 2) {
		struct exo_desc *desc = exo_ring_slot(&express->ring, i);

		desc->address = exo_pages_physical(&express->headers, express->headers.address) +
		                (uint64_t)(i / 2) * HEADER_BYTES;
		desc->flags = EXO_DESC_MORE;
	}
}

int express_open(struct express *express, struct udp_exo *driver, struct video *video,
                 uint32_t descriptors)
{
	int result = exo_ring_open(&express->ring, EXO_RING_TRANSMIT, EXO_RING_COPY, descriptors,
	                           exo_sender_core(), &driver->flow->cap);

	if (result == 0)
		result = exo_pages_alloc(&express->headers,
		                         exo_pages_for((uint64_t)descriptors / 2 * HEADER_BYTES));
	if (result == 0)
		prepare(express);
	express->driver = driver;
	express->video = video;
	return result;
}

void express_release(struct express *express, uint32_t title)
{
	struct express_content *content = &express->content[title];

	while (content->n_chunks > 0)
		(void)exo_pages_free(&content->chunks[--content->n_chunks]);
	content->base = NULL;
	content->linear = 0;
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

/* The physical address of the first byte where all chunks lie one behind the other; else 0. */
static uint64_t linear(const struct express_content *content)
{
	for (uint32_t i = 1; i < content->n_chunks; i++)
		if (content->chunks[i].frame !=
		    content->chunks[i - 1].frame + content->chunks[i - 1].count)
			return 0;
	return content->n_chunks > 0 ? content->chunks[0].frame << EXO_PAGE_SHIFT : 0;
}

void *express_reserve(struct express *express, uint32_t title, uint64_t size)
{
	struct express_content *content = &express->content[title];
	uint32_t frames = exo_pages_for(size);

	if (title >= VIDEO_TITLES_MAX)
		return NULL;
	while (frames > 0) {
		uint32_t n = frames < EXPRESS_CHUNK_FRAMES ? frames : EXPRESS_CHUNK_FRAMES;

		if (!add_chunk(content, n)) {
			express_release(express, title);
			return NULL;
		}
		frames -= n;
	}
	content->linear = linear(content);
	return content->base;
}

const void *express_adopt(struct express *express, uint32_t title, const void *bytes, uint64_t size)
{
	void *base = express_reserve(express, title, size);

	return base != NULL ? memcpy(base, bytes, size) : bytes;
}

/* The physical address of a packet's content; 0: it is not, or not in one piece, in frames of
 * ours. */
static uint64_t physical(const struct express_content *content, const struct media_packet *packet)
{
	const uint64_t chunk_bytes = (uint64_t)EXPRESS_CHUNK_FRAMES * EXO_PAGE_SIZE;
	uint64_t chunk = packet->offset / chunk_bytes, within = packet->offset % chunk_bytes;

	if (chunk >= content->n_chunks ||
	    within + packet->size > (uint64_t)content->chunks[chunk].count * EXO_PAGE_SIZE)
		return 0;
	return (content->chunks[chunk].frame << EXO_PAGE_SHIFT) + within;
}

static uint16_t folded(uint64_t sum)
{
	return (uint16_t)~udp_sum_finish(sum);
}

static void make_headers(struct kept *kept, const struct udp_frame_way *way,
                         const struct udp_endpoint *to, uint16_t from_port, uint8_t ttl,
                         const uint8_t *rtp)
{
	uint8_t *at = (uint8_t *)kept->headers;

	memset(at, 0, sizeof kept->headers);
	memcpy(at + ETH_DST, way->to, UDP_MAC_BYTES);
	memcpy(at + ETH_SRC, way->from, UDP_MAC_BYTES);
	wire_put16(at + ETH_TYPE, ETHERTYPE_IP4);
	at[IP + IP4_VERSION_IHL] = 0x45;
	at[IP + IP4_TTL] = ttl;
	at[IP + IP4_PROTOCOL] = PROTOCOL_UDP;
	memcpy(at + IP + IP4_SRC, way->src.bytes, 4);
	memcpy(at + IP + IP4_DST, to->ip.bytes, 4);
	wire_put16(at + UDP + UDP_SRC_PORT, from_port);
	wire_put16(at + UDP + UDP_DST_PORT, to->port);
	at[RTP] = rtp[0];
	at[RTP + 1] = rtp[1] & 0x7f; /* without the marker */
	memcpy(at + RTP + 8, rtp + 8, 4);
	kept->ip_sum = folded(udp_sum_add(0, at + IP, IP4_SIZE));
	kept->udp_sum = folded(udp_sum_add(udp_sum_pseudo(0, &way->src, &to->ip, PROTOCOL_UDP, 0),
	                                   at + UDP, UDP_SIZE + RTP_HEADER));
}

bool express_send(void *context, struct video *video, const struct video_viewer *viewer,
                  struct video_leg *leg, const uint8_t *head, uint32_t head_size,
                  const uint8_t *content, const struct media_packet *packet)
{
	struct express *express = context;
	struct kept *kept = (struct kept *)leg->header;
	struct udp_endpoint to = {.ip = viewer->peer, .port = leg->rtp_port};
	const struct udp_socket *socket = &video->rtp;
	bool sent = video_send_copy(video, viewer, leg, head, head_size, content, packet->size);
	struct udp_frame_way way;

	video->count.rtp_by_socket++;
	kept->until = 0;
	if (sent && to.ip.family == 4 && udp_frame_way(video->udp, &to.ip, &way)) {
		make_headers(kept, &way, &to, socket->local.port,
		             socket->ttl != 0 ? socket->ttl : TTL, head);
		kept->port = express->driver->ports[way.interface];
		kept->until = video->now + VALID_NS;
	}
	return sent;
}

static uint16_t big(uint32_t value)
{
	return __builtin_bswap16((uint16_t)value);
}

/* The kept headers with what is this packet's, in words: see enum above for what lies where. Fields
 * that are 0 in what is kept are put in by OR. → the packet's bytes behind UDP's header. */
static uint32_t put_headers(uint64_t *restrict to, const struct kept *restrict kept,
                            const struct video_leg *restrict leg,
                            const struct media_packet *restrict packet)
{
	uint32_t data = RTP_HEADER + packet->prefix_size + packet->size;
	uint64_t ip_length = big(IP4_SIZE + UDP_SIZE + data), udp_length = big(UDP_SIZE + data);
	uint64_t sequence = big(leg->sequence), sum;
	uint64_t time = __builtin_bswap32(leg->timestamp + packet->timestamp);
	uint64_t marker = packet->flags & MEDIA_MARKER ? 0x8000 : 0; /* of RTP's second byte */

	to[0] = kept->headers[0];
	to[1] = kept->headers[1];
	to[2] = kept->headers[2] | ip_length | sequence << 16; /* the latter: the identification */
	to[3] = kept->headers[3] | udp_sum_finish(kept->ip_sum + ip_length + sequence);
	to[4] = kept->headers[4] | udp_length << 48;
	/* The length stands in the pseudo header and in the header. */
	sum = udp_sum_finish(kept->udp_sum + 2 * udp_length + marker + sequence + packet->sum +
	                     time);
	sum = sum != 0 ? sum : 0xffff; /* RFC 768: 0 means none */
	to[5] = kept->headers[5] | sum | marker << 16 | sequence << 32 | time << 48;
	to[6] = kept->headers[6] | time >> 16;
	if (packet->prefix_size > 0)
		__builtin_memcpy((uint8_t *)to + PREFIX, packet->prefix, MEDIA_PREFIX_MAX);
	return data;
}

/* → the packet's bytes behind UDP's header. */
static uint32_t put_packet(struct express *restrict express, uint32_t place,
                           struct video_leg *restrict leg,
                           const struct media_packet *restrict packet, uint64_t where)
{
	const struct kept *kept = (const struct kept *)leg->header;
	struct exo_desc *restrict pair =
	        &express->ring.request->desc[place & (express->ring.size - 1)];
	uint8_t *headers = express->headers.address;
	uint32_t data = put_headers(
	        (uint64_t *)(void *)(headers +
	                             (size_t)(place & (express->ring.size - 1)) / 2 * HEADER_BYTES),
	        kept, leg, packet);

	pair[0].length = PREFIX + packet->prefix_size;
	pair[0].port = kept->port;
	pair[1].address = where;
	pair[1].length = packet->size;
	leg->sequence++;
	leg->packets++;
	leg->octets += data - RTP_HEADER;
	return data;
}

uint32_t express_burst(void *context, struct video *video, struct video_viewer *viewer,
                       const struct media_packet *packets, uint32_t n)
{
	struct express *express = context;
	const struct express_content *content = &express->content[viewer->title];
	uint32_t place = express->ring.request_head + express->queued, sent = 0, i;
	uint32_t room = (exo_ring_room(&express->ring) - express->queued) / 2;
	uint64_t bytes = 0, now = video->now;

	for (i = 0; i < n; i++) {
		const struct media_packet *packet = &packets[i];
		struct video_leg *leg = &viewer->legs[packet->track];
		uint64_t where = content->linear != 0 ? content->linear + packet->offset
		                                      : physical(content, packet);

		if (leg->kind != VIDEO_LEG_UDP)
			continue;
		if (now >= ((const struct kept *)leg->header)->until || where == 0 ||
		    packet->size == 0)
			break;
		if (sent == room) {
			video->count.rtp_unsent++;
			leg->sequence++;
			continue;
		}
		bytes += put_packet(express, place, leg, packet, where);
		place += 2;
		sent++;
	}
	express->queued += 2 * sent;
	video->count.rtp_packets += sent;
	video->count.rtp_bytes += bytes;
	return i;
}

/* What came back is what went wrong. */
static void reap(struct express *express)
{
	uint32_t n = exo_ring_there(&express->ring);

	if (n == 0)
		return;
	for (uint32_t i = 0; i < n; i++)
		express->video->count.rtp_refused +=
		        exo_ring_response(&express->ring, i)->status != 0;
	exo_ring_taken(&express->ring, n);
}

void express_flush(void *context)
{
	struct express *express = context;

	reap(express);
	if (express->queued == 0)
		return;
	exo_ring_publish(&express->ring, express->queued);
	express->queued = 0;
	(void)exo_ring_doorbell(&express->ring);
}
