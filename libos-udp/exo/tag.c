/* SPDX-License-Identifier: BSD-2-Clause */
/* Tags of VLANs (IEEE 802.1Q): an interface of a VLAN has its frames tagged, and the stack sees
 * none.
 */
#include "driver.h"

enum {
	ADDRESSES = 12,     /* bytes before the tag */
	TAG = 4,            /* IEEE 802.1Q, 9.6: 0x8100, priority, VLAN */
	TAG_TYPE = 0x81,    /* first byte */
	VLAN_HIGH = 0x0f00, /* of the identifier */
};

bool driver_tag(const struct udp_exo *driver, struct udp_buffer *buffer)
{
	uint16_t vlan = driver->vlans[buffer->interface];

	if (vlan == 0)
		return true;
	if (buffer->head < TAG)
		return false;
	buffer->data -= TAG;
	buffer->head -= TAG;
	buffer->size += TAG;
	memmove(buffer->data, buffer->data + TAG, ADDRESSES);
	buffer->data[ADDRESSES] = TAG_TYPE;
	buffer->data[ADDRESSES + 1] = 0;
	buffer->data[ADDRESSES + 2] = (uint8_t)(vlan >> 8);
	buffer->data[ADDRESSES + 3] = (uint8_t)vlan;
	return true;
}

uint16_t driver_untag(struct udp_buffer *buffer)
{
	const uint8_t *at = buffer->data + ADDRESSES;
	uint16_t vlan;

	if (buffer->size < ADDRESSES + TAG || at[0] != TAG_TYPE || at[1] != 0)
		return 0;
	vlan = (uint16_t)((at[2] << 8 & VLAN_HIGH) | at[3]);
	memmove(buffer->data + TAG, buffer->data, ADDRESSES);
	buffer->data += TAG;
	buffer->head += TAG;
	buffer->size -= TAG;
	return vlan;
}
