/* SPDX-License-Identifier: BSD-2-Clause */
/* What a driver does with a packet: hold it, sum it, copy it, cut it. */
#include "internal.h"

void tcp_chunk_hold(struct tcp_chunk *chunk)
{
	if (chunk != NULL)
		chunk->references++;
}

void tcp_chunk_release(struct tcp_chunk *chunk)
{
	if (chunk == NULL || --chunk->references > 0)
		return;
	if (chunk->flags & CHUNK_BLOCK)
		pool_put(&chunk->stack->block_pool, chunk->context);
	else if (chunk->release != NULL)
		chunk->release(chunk->context, chunk->data, chunk->size);
	pool_put(&chunk->stack->chunk_pool, chunk);
}

uint16_t tcp_content_sum(const void *data, uint32_t size)
{
	return (uint16_t)~udp_sum_finish(udp_sum_add(0, data, size));
}

/* What is summed up to `at`, a place within the piece. */
static inline uint16_t sum_to(const struct tcp_piece *piece, const uint8_t *at)
{
	const uint8_t *data = piece->content->data;

	return udp_sums_to(piece->content->sums, data, (uint32_t)(at - data));
}

static uint16_t content_sum(const struct tcp_piece *piece)
{
	uint32_t from = (uint32_t)(piece->data - (const uint8_t *)piece->content->data);

	return udp_sums_between(sum_to(piece, piece->data),
	                        sum_to(piece, piece->data + piece->size), from);
}

/* A piece, at `data` now, that begins at an odd offset has its bytes in the other half of each
 * word: its sum is folded and turned round (RFC 1071, 2(B)). */
static uint64_t add_piece(uint64_t sum, const struct tcp_piece *piece, const uint8_t *data,
                          bool odd)
{
	uint16_t own;

	if (!odd && !piece->summed && piece->content == NULL)
		return udp_sum_add(sum, data, piece->size);
	own = piece->summed            ? piece->sum
	      : piece->content != NULL ? content_sum(piece)
	                               : tcp_content_sum(data, piece->size);
	return sum + (odd ? __builtin_bswap16(own) : own);
}

uint16_t tcp_packet_sum(const struct tcp_packet *packet)
{
	uint64_t sum = udp_sum_pseudo(0, packet->src, packet->dst, PROTOCOL_TCP,
	                              packet->header_size + packet->size);
	bool odd = false;

	sum = udp_sum_add(sum, packet->header, packet->header_size);
	for (unsigned i = 0; i < packet->n_pieces; i++) {
		sum = add_piece(sum, &packet->pieces[i], packet->pieces[i].data, odd);
		odd ^= packet->pieces[i].size & 1;
	}
	return udp_sum_finish(sum);
}

/* Copies a header, a multiple of four bytes, and adds it up on the way, with the carries (RFC 1071,
 * 2(C)). The result leaves room for more. */
static inline uint64_t copy_header(uint8_t *to, const uint8_t *from, uint32_t size, uint64_t sum)
{
	uint64_t word;
	uint32_t half;

#pragma GCC unroll 4
	for (; size >= 8; size -= 8, to += 8, from += 8) {
		memcpy(&word, from, sizeof word);
		memcpy(to, &word, sizeof word);
		sum += word;
		sum += sum < word;
	}
	sum = (sum & 0xffffffff) + (sum >> 32);
	if (size == 0)
		return sum;
	memcpy(&half, from, sizeof half);
	memcpy(to, &half, sizeof half);
	return sum + half;
}

void tcp_packet_copy(const struct tcp_packet *packet, uint8_t *to)
{
	uint8_t *at = to + packet->header_size;
	uint64_t sum = udp_sum_pseudo(0, packet->src, packet->dst, PROTOCOL_TCP,
	                              packet->header_size + packet->size);
	bool odd = false;
	uint16_t check;

	sum = copy_header(to, packet->header, packet->header_size, sum);
	if (packet->n_pieces == 1 && packet->pieces->summed) { /* the usual answer */
		memcpy(at, packet->pieces->data, packet->pieces->size);
		check = udp_sum_finish(sum + packet->pieces->sum);
		memcpy(to + H_CHECKSUM, &check, sizeof check);
		return;
	}
	for (unsigned i = 0; i < packet->n_pieces; i++) {
		const struct tcp_piece *piece = &packet->pieces[i];

		memcpy(at, piece->data, piece->size);
		sum = add_piece(sum, piece, at, odd); /* the copy is in the cache now */
		at += piece->size;
		odd ^= piece->size & 1;
	}
	check = udp_sum_finish(sum);
	memcpy(to + H_CHECKSUM, &check, sizeof check);
}

/* The pieces of [from, from + size). */
static uint8_t cut_pieces(const struct tcp_packet *packet, uint32_t from, uint32_t size,
                          struct tcp_piece *pieces)
{
	uint8_t n = 0;

	for (unsigned i = 0; i < packet->n_pieces && size > 0; i++) {
		struct tcp_piece piece = packet->pieces[i];

		if (from >= piece.size) {
			from -= piece.size;
			continue;
		}
		piece.summed = piece.summed && from == 0 && piece.size <= size;
		piece.data += from;
		piece.size = min_u32(piece.size - from, size);
		from = 0;
		size -= piece.size;
		pieces[n++] = piece;
	}
	return n;
}

bool tcp_packet_cut(const struct tcp_packet *packet, uint32_t i, struct tcp_packet *segment,
                    uint8_t *header, struct tcp_piece *pieces)
{
	uint32_t each = packet->segment_size != 0 ? packet->segment_size : packet->size;
	uint32_t from = i * each;

	if (i > 0 && (each == 0 || from >= packet->size))
		return false;
	*segment = *packet;
	segment->size = min_u32(each, packet->size - from);
	segment->segment_size = 0;
	segment->header = header;
	segment->pieces = pieces;
	segment->n_pieces = cut_pieces(packet, from, segment->size, pieces);
	memcpy(header, packet->header, packet->header_size);
	wire_put32(header + H_SEQ, wire_get32(header + H_SEQ) + from);
	if (from + segment->size < packet->size)
		header[H_FLAGS] &= (uint8_t) ~(F_FIN | F_PSH);
	if (i > 0)
		header[H_FLAGS] &= (uint8_t)~F_CWR;
	return true;
}

/* Sums of segments, as they run on over pieces. */
struct adder {
	uint16_t *sums;
	uint32_t n, each; /* complete ones; bytes of each */
	uint32_t left;    /* of the one that is begun */
	uint64_t sum;     /* of what it has */
};

static void finish(struct adder *adder)
{
	adder->sums[adder->n++] = (uint16_t)~udp_sum_finish(adder->sum);
	adder->left = adder->each;
	adder->sum = 0;
}

/* `own`: as at an even place. */
static void add_part(struct adder *adder, uint16_t own, uint32_t size)
{
	bool odd = (adder->each - adder->left) & 1;

	adder->sum += odd ? __builtin_bswap16(own) : own;
	adder->left -= size;
	if (adder->left == 0)
		finish(adder);
}

/* What of a piece of content lies between two places. */
static void add_content(struct adder *adder, const struct tcp_piece *piece, const uint8_t *at,
                        const uint8_t *end)
{
	const uint8_t *data = piece->content->data;
	uint16_t before;

	if (at == end)
		return;
	before = sum_to(piece, at);
	while (at < end) {
		uint32_t here = min_u32(adder->left, (uint32_t)(end - at));
		uint16_t upto = sum_to(piece, at + here);
		uint16_t own = udp_sums_between(before, upto, (uint32_t)(at - data));

		if (here == adder->each)
			adder->sums[adder->n++] = own; /* a whole segment: the usual */
		else
			add_part(adder, own, here);
		before = upto;
		at += here;
	}
}

/* n whole segments from `at` on: their sums are known from the last time, or kept for the next. */
static const uint8_t *add_kept(struct adder *adder, const struct tcp_piece *piece,
                               const uint8_t *at, uint32_t n)
{
	const uint32_t each = adder->each, from = (uint32_t)(at - (uint8_t *)piece->content->data);
	const uint32_t index = from / each;
	struct tcp_cuts *cuts = piece->content->cuts;
	const uint8_t *end = at + (size_t)n * each;
	uint32_t known;

	if (index >= cuts->max || n > cuts->max - index)
		return at;
	if (cuts->each != each || cuts->first != from % each || index < cuts->from ||
	    index > cuts->to) {
		cuts->each = each;
		cuts->first = from % each;
		cuts->from = cuts->to = index;
	}
	known = min_u32(cuts->to - index, n);
	memcpy(adder->sums + adder->n, cuts->sums + index, known * sizeof *cuts->sums);
	adder->n += known;
	if (known == n)
		return end;
	add_content(adder, piece, at + (size_t)known * each, end);
	n -= known;
	memcpy(cuts->sums + cuts->to, adder->sums + adder->n - n, n * sizeof *cuts->sums);
	cuts->to += n;
	return end;
}

static void add_known(struct adder *adder, const struct tcp_piece *piece)
{
	const uint8_t *at = piece->data, *end = at + piece->size;
	uint32_t begun = adder->left % adder->each, n;

	begun = min_u32(begun, piece->size);
	n = (piece->size - begun) / adder->each;
	if (piece->content->cuts != NULL && n > 0) {
		add_content(adder, piece, at, at + begun);
		at = add_kept(adder, piece, at + begun, n);
	}
	add_content(adder, piece, at, end);
}

static void add_other(struct adder *adder, const struct tcp_piece *piece)
{
	uint32_t from = 0;

	if (piece->summed && piece->size <= adder->left) {
		add_part(adder, piece->sum, piece->size);
		return;
	}
	while (from < piece->size) {
		uint32_t here = min_u32(adder->left, piece->size - from);

		add_part(adder, tcp_content_sum(piece->data + from, here), here);
		from += here;
	}
}

uint32_t tcp_packet_sums(const struct tcp_packet *packet, uint16_t *sums, uint32_t max)
{
	uint32_t each = packet->segment_size, unknown = 0;
	struct adder adder = {.sums = sums, .each = each, .left = each};

	if (each == 0 || packet->size > max * each)
		return 0;
	for (unsigned i = 0; i < packet->n_pieces; i++)
		if (packet->pieces[i].content == NULL)
			unknown += packet->pieces[i].size;
	if (unknown > packet->size / 8)
		return 0;
	for (unsigned i = 0; i < packet->n_pieces; i++)
		if (packet->pieces[i].content != NULL)
			add_known(&adder, &packet->pieces[i]);
		else
			add_other(&adder, &packet->pieces[i]);
	if (adder.left != each)
		finish(&adder);
	return adder.n;
}
