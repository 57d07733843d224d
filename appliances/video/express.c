/* SPDX-License-Identifier: BSD-2-Clause */
/* The short way of RTP packets to the NIC; see express.h. */
#include "express.h"

#include <libexo/call.h>
#include <libexo/lib.h>
#include <libexo/start.h>
#include <libexo/time.h>
#include <udp/checksum.h>
#include <udp/wire.h>

#define VALID_NS 4000000000ull

enum {
	IP = ETH_SIZE,
	UDP = IP + IP4_SIZE,
	RTP = UDP + UDP_SIZE,
	RTP_HEADER = 12,
	PREFIX = RTP + RTP_HEADER,
	HEADER_BYTES = 64, /* of all headers and the prefix */
	KEPT_WORDS = 7,    /* of eight bytes: all but the prefix */
	TTL = 64,
	WHOLE = IP4_SIZE + UDP_SIZE + RTP_HEADER + MEDIA_PAYLOAD_MAX, /* IPv4's longest packet */
};

/* What a leg keeps: headers of a packet of `size` bytes, whole but for what differs between packets
 * of that size, which is 0: UDP's checksum, RTP's marker, sequence number and time. */
struct kept {
	uint64_t until; /* in nanoseconds; 0: nothing is kept */
	uint64_t headers[KEPT_WORDS];
	uint32_t sum;  /* of pseudo header, UDP's and RTP's; not folded */
	uint16_t size; /* of prefix and content */
	uint16_t port; /* NIC port */
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
	express->place = express->end = express->ring.request_head;
	return result;
}

void express_release(struct express *express, uint32_t title)
{
	struct express_content *content = &express->content[title];

	while (content->n_chunks > 0)
		(void)exo_pages_free(&content->chunks[--content->n_chunks]);
	content->base = NULL;
	content->linear = 0;
	express->window.bytes = 0;
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
	express->window.bytes = 0;
	return content->base;
}

const void *express_adopt(struct express *express, uint32_t title, const void *bytes, uint64_t size)
{
	void *base = express_reserve(express, title, size);

	return base != NULL ? memcpy(base, bytes, size) : bytes;
}

/* Looks where a packet's content lies. false: not in frames of ours, or not in one piece. */
static __attribute__((noinline)) bool find_window(struct express *express, uint8_t title,
                                                  const struct media_packet *packet)
{
	const struct express_content *content = &express->content[title];
	const uint64_t chunk_bytes = (uint64_t)EXPRESS_CHUNK_FRAMES * EXO_PAGE_SIZE;
	uint64_t chunk = content->linear != 0 ? 0 : packet->offset / chunk_bytes;
	struct express_window *window = &express->window;
	uint32_t last = content->linear != 0 ? content->n_chunks - 1 : (uint32_t)chunk;

	window->bytes = 0;
	if (chunk >= content->n_chunks || packet->size == 0)
		return false;
	express->title = title;
	window->from = chunk * chunk_bytes;
	window->bytes = (last - chunk) * chunk_bytes +
	                (uint64_t)content->chunks[last].count * EXO_PAGE_SIZE;
	window->physical = content->chunks[chunk].frame << EXO_PAGE_SHIFT;
	return packet->offset - window->from + packet->size <= window->bytes;
}

static inline struct kept *kept_of(struct video_leg *leg)
{
	return (struct kept *)leg->header;
}

static uint16_t big(uint32_t value)
{
	return __builtin_bswap16((uint16_t)value);
}

static uint16_t folded(uint64_t sum)
{
	return (uint16_t)~udp_sum_finish(sum);
}

/* Puts the lengths of a packet of `size` bytes of prefix and content into the words where they lie
 * (see enum above), and into the sums. */
static void resize(struct kept *kept, uint32_t size)
{
	const uint64_t low = UINT16_MAX;
	uint32_t udp = UDP_SIZE + RTP_HEADER + size;
	uint64_t ip_length = big(IP4_SIZE + udp), udp_length = big(udp);
	uint64_t *at = kept->headers;

	/* The length stands in the pseudo header and in the header. */
	kept->sum = folded(kept->sum + 2 * (udp_length + (uint16_t) ~(at[4] >> 48)));
	at[2] = (at[2] & ~low) | ip_length;
	at[3] &= ~low;
	at[3] |= udp_sum_finish(udp_sum_add(0, (uint8_t *)at + IP, IP4_SIZE));
	at[4] = (at[4] & ~(low << 48)) | udp_length << 48;
	kept->size = (uint16_t)size;
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
	wire_put16(at + IP + IP4_FRAGMENT, IP4_DF);
	at[IP + IP4_TTL] = ttl;
	at[IP + IP4_PROTOCOL] = PROTOCOL_UDP;
	memcpy(at + IP + IP4_SRC, way->src.bytes, 4);
	memcpy(at + IP + IP4_DST, to->ip.bytes, 4);
	wire_put16(at + UDP + UDP_SRC_PORT, from_port);
	wire_put16(at + UDP + UDP_DST_PORT, to->port);
	at[RTP] = rtp[0];
	at[RTP + 1] = rtp[1] & 0x7f; /* without the marker */
	memcpy(at + RTP + 8, rtp + 8, 4);
	kept->sum = folded(udp_sum_add(udp_sum_pseudo(0, &way->src, &to->ip, PROTOCOL_UDP, 0),
	                               at + UDP, UDP_SIZE + RTP_HEADER));
	resize(kept, 0);
}

/* Whether there is a short way now: the neighbour is known, and the path takes whole packets. Those
 * say that they must not be cut (so they need no identification, RFC 6864): where a router says
 * that it would have to, the stack learns it, and cuts them itself. */
static bool find_way(const struct video *video, const struct udp_ip *to, struct udp_frame_way *way)
{
	return to->family == 4 && udp_frame_way(video->udp, to, way) &&
	       udp_path_mtu(video->udp, &way->src, to) >= WHOLE;
}

bool express_send(void *context, struct video *video, const struct video_viewer *viewer,
                  struct video_leg *leg, const uint8_t *head, uint32_t head_size,
                  const uint8_t *content, const struct media_packet *packet)
{
	struct express *express = context;
	struct kept *kept = kept_of(leg);
	struct udp_endpoint to = {.ip = viewer->peer, .port = leg->rtp_port};
	const struct udp_socket *socket = &video->rtp;
	bool sent = video_send_copy(video, viewer, leg, head, head_size, content, packet->size);
	struct udp_frame_way way;

	video->count.rtp_by_socket++;
	kept->until = 0;
	if (sent && find_way(video, &to.ip, &way)) {
		make_headers(kept, &way, &to, socket->local.port,
		             socket->ttl != 0 ? socket->ttl : TTL, head);
		kept->port = express->driver->ports[way.interface];
		kept->until = video->now + VALID_NS;
	}
	return sent;
}

/* The kept headers with what is this packet's, in words. `plain`: it has neither marker nor
 * prefix. */
static inline __attribute__((always_inline)) void put_headers(
        uint64_t *restrict to, const struct kept *restrict kept,
        const struct media_packet *restrict packet, uint32_t sequence, uint32_t time, bool plain)
{
	uint32_t marker = !plain && packet->flags & MEDIA_MARKER ? 0x8000 : 0; /* second byte */
	uint32_t sum = kept->sum + packet->sum + sequence + marker;

	sum += time;
	sum += sum < time; /* the carry */
	sum += sum << 16 | sum >> 16;
	sum = (uint16_t) ~(sum >> 16);
	sum = sum != 0 ? sum : 0xffff; /* RFC 768: 0 means none */
	to[0] = kept->headers[0];
	to[1] = kept->headers[1];
	to[2] = kept->headers[2];
	to[3] = kept->headers[3];
	to[4] = kept->headers[4];
	to[5] = kept->headers[5] | (sum | marker << 16) | (uint64_t)sequence << 32 |
	        (uint64_t)time << 48;
	to[6] = kept->headers[6] | time >> 16;
	if (!plain)
		__builtin_memcpy((uint8_t *)to + PREFIX, packet->prefix, MEDIA_PREFIX_MAX);
}

/* Whether a packet has neither marker nor prefix. */
static inline bool is_plain(const struct media_packet *packet)
{
	uint32_t form;

	memcpy(&form, &packet->track, sizeof form);
	return (form & (0xff << 16 | MEDIA_MARKER << 8)) == 0;
}

_Static_assert(offsetof(struct media_packet, flags) == offsetof(struct media_packet, track) + 1 &&
                       offsetof(struct media_packet, prefix_size) ==
                               offsetof(struct media_packet, track) + 2,
               "a word has all");

/* Headers and descriptors at the ring's place. */
static inline __attribute__((always_inline)) void put_packet(
        struct express *restrict express, struct video_leg *restrict leg,
        const struct media_packet *restrict packet, uint64_t where)
{
	struct kept *kept = kept_of(leg);
	uint32_t at = express->place & (express->ring.size - 1);
	uint32_t size = packet->size + (uint32_t)packet->prefix_size;
	uint32_t time = __builtin_bswap32(leg->timestamp + packet->timestamp);
	uint32_t sequence = big(leg->sequence++);
	struct exo_desc *restrict desc = &express->ring.request->desc[at];
	uint8_t *to = (uint8_t *)express->headers.address + (size_t)at / 2 * HEADER_BYTES;

	desc[1].address = where;
	desc[1].length = packet->size;
	desc[0].length = PREFIX + packet->prefix_size;
	desc[0].port = kept->port;
	if (size != kept->size)
		resize(kept, size);
	if (is_plain(packet))
		put_headers((uint64_t *)(void *)to, kept, packet, sequence, time, true);
	else
		put_headers((uint64_t *)(void *)to, kept, packet, sequence, time, false);
	leg->packets++;
	leg->octets += size;
	express->bytes += RTP_HEADER + size;
	express->place += 2;
}

/* Whether the ring has taken enough by now for one more. */
static __attribute__((noinline)) bool find_room(struct express *express)
{
	uint32_t room =
	        exo_ring_room(&express->ring) - (express->place - express->ring.request_head);

	express->end = express->place + (room & ~1u);
	return room >= 2;
}

void express_burst(void *context, struct video *video, struct video_viewer *viewer, uint32_t due_ms)
{
	struct express *express = context;
	const struct media_packet *packet = &viewer->packets[viewer->next];
	const struct media_packet *end = &viewer->packets[viewer->end];
	uint32_t before = express->place;

	if (viewer->title != express->title)
		express->window.bytes = 0;
	for (; packet < end && packet->due_ms <= due_ms; packet++) {
		struct video_leg *leg = &viewer->legs[packet->track];
		uint64_t offset = packet->offset - express->window.from;

		if (video->now >= kept_of(leg)->until) {
			if (leg->kind == VIDEO_LEG_UDP)
				break;
			continue;
		}
		/* Outside what is known, or empty. */
		if (offset >= express->window.bytes ||
		    express->window.bytes - offset <= (uint64_t)packet->size - 1) {
			if (!find_window(express, viewer->title, packet))
				break;
			offset = packet->offset - express->window.from;
		}
		/* Where there is no room, the viewer finds out by the number that is missing. */
		if (express->place == express->end && !find_room(express)) {
			video->count.rtp_unsent++;
			leg->sequence++;
			continue;
		}
		put_packet(express, leg, packet, express->window.physical + offset);
	}
	viewer->next = (uint32_t)(packet - viewer->packets);
	before = (express->place - before) / 2;
	video->count.rtp_packets += before;
	video->title_packets[viewer->title] += before;
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
	if (express->place == express->ring.request_head)
		return;
	exo_ring_publish(&express->ring, express->place - express->ring.request_head);
	express->video->count.rtp_bytes += express->bytes;
	express->bytes = 0;
	(void)exo_ring_doorbell(&express->ring);
}
