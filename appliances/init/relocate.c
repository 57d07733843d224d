/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Relocations. A symbol is a string of bytes in network order, and for $net a second one, its mask;
 * a relocation takes `width` of them, from `byte` on, as one number.
 */
#include "relocate.h"

#include <stdbool.h>

#include <libexo/lib.h>
#include <libexo/manifest.h>

/* A classic BPF instruction; its layout is the BPF's (McCanne and Jacobson, 1993). */
struct instruction {
	uint16_t code;
	uint8_t jt, jf;
	uint32_t k;
};

struct bytes {
	uint8_t value[16], mask[16];
};

static void network_of(const struct exo_start_address *address, struct bytes *bytes)
{
	for (unsigned i = 0; i < 16; i++) {
		unsigned bits = address->prefix > 8 * i ? address->prefix - 8 * i : 0;

		bytes->mask[i] = bits >= 8 ? 0xff : (uint8_t)(0xff00 >> bits);
		bytes->value[i] = address->address[i] & bytes->mask[i];
	}
}

static const struct exo_manifest_relocation *first_of(const struct exo_manifest *manifest,
                                                      const struct exo_manifest_flow *flow)
{
	return exo_manifest_relocations(manifest) + flow->first_relocation;
}

/* A flow speaks of an IPv6 address where it uses more of one than IPv4's have. */
uint8_t relocate_family(const struct exo_manifest *manifest, const struct exo_manifest_flow *flow)
{
	const struct exo_manifest_relocation *r = first_of(manifest, flow);
	uint8_t family = 0;

	for (uint32_t i = 0; i < flow->n_relocations; i++) {
		if (r[i].symbol == EXO_SYMBOL_MAC)
			continue;
		if (r[i].byte + r[i].width > 4)
			return 6;
		family = 4;
	}
	return family;
}

static const char *symbol_bytes(const struct exo_manifest_relocation *r, uint8_t family,
                                const struct symbols *symbols, struct bytes *bytes)
{
	/* RFC 4291, 2.7.1: the last three bytes are the address's. */
	static const uint8_t group[13] = {0xff, 2, [11] = 1, 0xff};
	const struct exo_start_address *address = symbols->address;

	memset(bytes->mask, 0xff, sizeof(bytes->mask));
	if (r->symbol == EXO_SYMBOL_MAC) {
		if (symbols->mac == NULL)
			return "its NIC port does not exist";
		memcpy(bytes->value, symbols->mac, 6);
		return NULL;
	}
	if (address == NULL)
		return "its address was not given";
	if (address->family != family)
		return family == 6 ? "it needs an IPv6 address" : "it needs an IPv4 address";
	if (r->symbol == EXO_SYMBOL_NET)
		network_of(address, bytes);
	else
		memcpy(bytes->value, address->address, sizeof(bytes->value));
	if (r->symbol == EXO_SYMBOL_GROUP)
		memcpy(bytes->value, group, sizeof(group));
	return NULL;
}

static uint32_t number_at(const uint8_t *bytes, unsigned width)
{
	uint32_t value = 0;

	for (unsigned i = 0; i < width; i++)
		value = value << 8 | bytes[i];
	return value;
}

const char *relocate_conjunctions(const struct exo_manifest *manifest,
                                  const struct exo_manifest_flow *flow,
                                  enum exo_manifest_place place, const struct symbols *symbols,
                                  struct flt_conjunction *conjunctions)
{
	const struct exo_manifest_relocation *r = first_of(manifest, flow);
	uint8_t family = relocate_family(manifest, flow);

	for (uint32_t i = 0; i < flow->n_relocations; i++, r++) {
		struct flt_term *term;
		struct bytes bytes;
		const char *wrong;

		if (r->place != place)
			continue;
		wrong = symbol_bytes(r, family, symbols, &bytes);
		if (wrong != NULL)
			return wrong;
		term = &conjunctions[r->index].terms[r->term];
		if (r->symbol == EXO_SYMBOL_NET)
			term->mask = number_at(bytes.mask + r->byte, r->width);
		term->value = number_at(bytes.value + r->byte, r->width) & term->mask;
	}
	return NULL;
}

const char *relocate_program(const struct exo_manifest *manifest,
                             const struct exo_manifest_flow *flow, const struct symbols *symbols,
                             void *program)
{
	const struct exo_manifest_relocation *r = first_of(manifest, flow);
	struct instruction *instructions = program;
	uint8_t family = relocate_family(manifest, flow);

	for (uint32_t i = 0; i < flow->n_relocations; i++, r++) {
		struct bytes bytes;
		const char *wrong;

		if (r->place != EXO_PLACE_PROGRAM)
			continue;
		wrong = symbol_bytes(r, family, symbols, &bytes);
		if (wrong != NULL)
			return wrong;
		instructions[r->index].k =
		        number_at((r->mask ? bytes.mask : bytes.value) + r->byte, r->width);
	}
	return NULL;
}
