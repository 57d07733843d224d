/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The frame is copied with its tags as they shall be, then patched field by field; each patch is
 * made known to the checksums that cover it.
 */
#include <string.h>

#include "checksum.h"
#include "layers.h"
#include "port.h"
#include "rewrite.h"

enum {
	MAC_SIZE = 6,
	ADDRESSES = 2 * MAC_SIZE, /* of the Ethernet header */
	TAG_SIZE = 4,
	VLAN_ID = 0x0fff,

	IPV4_SOURCE = 12,
	IPV6_SOURCE = 8,
	ARP_SIZE = 28, /* RFC 826 with Ethernet and IPv4 */
	ARP_SENDER = 8,
	ARP_ENTRY = 10, /* a hardware and a protocol address */
};

static rewrite_address load(const uint8_t *bytes, unsigned size)
{
	rewrite_address value = 0;

	for (unsigned i = 0; i < size; i++)
		value = value << 8 | bytes[i];
	return value;
}

static void store(uint8_t *bytes, unsigned size, rewrite_address value)
{
	for (unsigned i = size; i-- > 0; value >>= 8)
		bytes[i] = (uint8_t)value;
}

static rewrite_address replace(const struct rewrite_rule *rule, uint64_t pass, rewrite_address old)
{
	if (rule->prefix)
		return rule->first + (old & rule->kept);
	return rule->first + (uint64_t)((old + pass) % rule->count);
}

/* Which checksums cover a patched field. */
enum cover { COVER_NOTHING, COVER_ADDRESSES, COVER_PORTS };

static void patch(const struct rewrite_rule *rule, uint64_t pass, uint8_t *field, unsigned size,
                  const struct checksums *sums, enum cover cover)
{
	uint8_t old[16];

	if (!rule->on)
		return;
	memcpy(old, field, size);
	store(field, size, replace(rule, pass, load(old, size)));
	if (cover == COVER_ADDRESSES)
		checksum_network(sums, old, field, size);
	if (cover == COVER_PORTS || (cover == COVER_ADDRESSES && sums->pseudo))
		checksum_transport(sums, old, field, size);
}

static void patch_plain(const struct rewrite_rule *rule, uint64_t pass, uint8_t *field,
                        unsigned size)
{
	patch(rule, pass, field, size, NULL, COVER_NOTHING);
}

static void patch_ip(const struct rewrite *rewrite, uint64_t pass, uint8_t *frame,
                     const struct layers *layers)
{
	bool six = layers->ethertype == ETHERTYPE_IPV6;
	const struct rewrite_rule *rules = six ? rewrite->ipv6 : rewrite->ipv4;
	uint8_t *addresses = frame + layers->network + (six ? IPV6_SOURCE : IPV4_SOURCE);
	unsigned size = six ? 16 : 4;
	struct checksums sums = checksums_find(frame, layers);
	bool ports = layers->protocol == PROTOCOL_TCP || layers->protocol == PROTOCOL_UDP;

	for (unsigned side = 0; side < 2; side++)
		patch(&rules[side], pass, addresses + (size_t)side * size, size, &sums,
		      COVER_ADDRESSES);
	if (!ports || !layers->transport || layers->end - layers->transport < 4)
		return;
	for (unsigned side = 0; side < 2; side++)
		patch(&rewrite->port[side], pass, frame + layers->transport + (size_t)side * 2, 2,
		      &sums, COVER_PORTS);
}

static void patch_arp(const struct rewrite *rewrite, uint64_t pass, uint8_t *frame,
                      const struct layers *layers)
{
	static const uint8_t kind[6] = {0, 1, 8, 0, 6, 4};
	uint8_t *packet = frame + layers->network;

	if (layers->end - layers->network < ARP_SIZE || memcmp(packet, kind, sizeof(kind)) != 0)
		return;
	for (size_t side = 0; side < 2; side++) {
		uint8_t *entry = packet + ARP_SENDER + side * ARP_ENTRY;
		/* A request does not know its target: zeros stay. */
		if (load(entry, MAC_SIZE) != 0)
			patch_plain(&rewrite->mac[side], pass, entry, MAC_SIZE);
		patch_plain(&rewrite->ipv4[side], pass, entry + MAC_SIZE, 4);
	}
}

static uint32_t tags_size(const struct layers *layers)
{
	return (uint32_t)layers->tags * TAG_SIZE;
}

/* Bytes of tags that the frame shall have. */
static uint32_t wanted_tags(const struct rewrite *rewrite, const struct layers *layers)
{
	if (rewrite->strip_tags)
		return 0;
	if (rewrite->vlan.on && layers->tags == 0)
		return TAG_SIZE;
	return tags_size(layers);
}

uint32_t rewrite_size(const struct rewrite *rewrite, const uint8_t *frame, uint32_t length)
{
	struct layers layers;

	if (!rewrite->any)
		return length;
	layers_find(&layers, frame, length);
	return length - tags_size(&layers) + wanted_tags(rewrite, &layers);
}

static void put_vlan(const struct rewrite *rewrite, uint64_t pass, uint8_t *tag, bool fresh)
{
	if (fresh) {
		layers_put16(tag, ETHERTYPE_VLAN);
		layers_put16(tag + 2, 0);
	}
	uint16_t control = layers_be16(tag + 2);
	uint16_t id = (uint16_t)replace(&rewrite->vlan, pass, control & VLAN_ID);
	layers_put16(tag + 2, (uint16_t)((control & ~VLAN_ID) | id));
}

/* Copies with the tags as they shall be; the length of the copy. */
static uint32_t copy_tagged(const struct rewrite *rewrite, uint64_t pass, uint8_t *out,
                            const uint8_t *frame, uint32_t length)
{
	struct layers layers;
	layers_find(&layers, frame, length);
	uint32_t had = tags_size(&layers), want = wanted_tags(rewrite, &layers);

	memcpy(out, frame, ADDRESSES);
	memcpy(out + ADDRESSES, frame + ADDRESSES, had < want ? had : want);
	memcpy(out + ADDRESSES + want, frame + ADDRESSES + had, length - ADDRESSES - had);
	if (rewrite->vlan.on && want)
		put_vlan(rewrite, pass, out + ADDRESSES, had == 0);
	return length - had + want;
}

void rewrite_apply(const struct rewrite *rewrite, uint64_t pass, uint8_t *out, const uint8_t *frame,
                   uint32_t length)
{
	struct layers layers;

	if (!rewrite->any) {
		memcpy(out, frame, length);
		return;
	}
	length = copy_tagged(rewrite, pass, out, frame, length);
	layers_find(&layers, out, length);
	patch_plain(&rewrite->mac[REWRITE_DESTINATION], pass, out, MAC_SIZE);
	patch_plain(&rewrite->mac[REWRITE_SOURCE], pass, out + MAC_SIZE, MAC_SIZE);
	if (layers.ip)
		patch_ip(rewrite, pass, out, &layers);
	else if (layers.ethertype == ETHERTYPE_ARP)
		patch_arp(rewrite, pass, out, &layers);
}
