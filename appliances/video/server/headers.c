/* SPDX-License-Identifier: BSD-2-Clause */
/* Transport, Range; see headers.h. */
#include "headers.h"

#include <string.h>

/* "a-b" or "a". */
static bool parse_pair(struct text text, uint64_t max, uint64_t *first, uint64_t *second)
{
	struct text low = text_cut(&text, '-');

	if (!text_number(low, max, first))
		return false;
	*second = *first < max ? *first + 1 : *first;
	return text.size == 0 || text_number(text, max, second);
}

static bool take_parameter(struct text word, struct transport *transport)
{
	struct text value;
	uint64_t first, second;

	if (text_is(word, "unicast")) {
		transport->multicast = false;
	} else if (text_is(word, "multicast")) {
		transport->multicast = true;
	} else if (text_begins(word, "client_port=", &value)) {
		if (!parse_pair(value, UINT16_MAX, &first, &second) || first == 0)
			return false;
		transport->rtp_port = (uint16_t)first;
		transport->rtcp_port = (uint16_t)second;
	} else if (text_begins(word, "interleaved=", &value)) {
		if (!parse_pair(value, UINT8_MAX, &first, &second) || first == second)
			return false;
		transport->has_channels = true;
		transport->rtp_channel = (uint8_t)first;
		transport->rtcp_channel = (uint8_t)second;
	} else if (text_begins(word, "mode=", &value)) {
		return text_is(value, "PLAY") || text_is(value, "\"PLAY\"");
	}
	return true;
}

static bool parse_offer(struct text offer, struct transport *transport)
{
	struct text profile = text_trim(text_cut(&offer, ';'));

	/* RFC 2326: multicast is the default, but what names a port or a channel means unicast. */
	*transport = (struct transport){.multicast = true};
	if (text_is(profile, "RTP/AVP/TCP"))
		transport->tcp = true;
	else if (!text_is(profile, "RTP/AVP") && !text_is(profile, "RTP/AVP/UDP"))
		return false;
	while (offer.size > 0)
		if (!take_parameter(text_trim(text_cut(&offer, ';')), transport))
			return false;
	if (transport->tcp)
		transport->multicast = false;
	return transport->tcp || transport->multicast || transport->rtp_port != 0;
}

bool transport_parse(struct text header, struct transport *transport)
{
	while (header.size > 0)
		if (parse_offer(text_cut(&header, ','), transport))
			return true;
	return false;
}

/* "12", "12.5", "1:02:03.25": milliseconds. */
static bool parse_time(struct text text, uint32_t *ms)
{
	struct text whole = text_cut(&text, '.'), parts[3];
	uint64_t seconds = 0, value, fraction = 0;
	int n = 0;

	do {
		parts[n++] = text_cut(&whole, ':');
	} while (whole.size > 0 && n < 3);
	if (whole.size > 0 || n == 2)
		return false;
	for (int i = 0; i < n; i++) {
		if (!text_number(parts[i], n == 1 ? 2000000 : i == 0 ? 500 : 59, &value))
			return false;
		seconds = seconds * 60 + value;
	}
	for (uint32_t i = 0, unit = 100; i < text.size; i++, unit /= 10) {
		if (text.at[i] < '0' || text.at[i] > '9')
			return false;
		fraction += (uint64_t)(text.at[i] - '0') * unit;
	}
	*ms = (uint32_t)(seconds * 1000 + fraction);
	return true;
}

bool npt_parse(struct text header, struct npt_range *range)
{
	struct text rest, from;
	struct text first = text_trim(text_cut(&header, ';')); /* behind it: "time=", not kept */

	*range = (struct npt_range){.has_from = false};
	if (!text_begins(first, "npt=", &rest))
		return false;
	if (rest.size == 0)
		return false;
	from = text_trim(text_cut(&rest, '-'));
	rest = text_trim(rest);
	range->has_from = from.size > 0 && !text_is(from, "now");
	range->has_to = rest.size > 0;
	if (range->has_from && !parse_time(from, &range->from_ms))
		return false;
	if (range->has_to && !parse_time(rest, &range->to_ms))
		return false;
	return !range->has_from || !range->has_to || range->from_ms < range->to_ms;
}
