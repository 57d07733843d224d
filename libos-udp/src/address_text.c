/* SPDX-License-Identifier: BSD-2-Clause */
/* Addresses as text, both ways. */
#include <udp/address.h>

static char *put_number(char *at, unsigned value, unsigned base)
{
	char digits[10];
	int n = 0;

	do {
		digits[n++] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value > 0);
	while (n > 0)
		*at++ = digits[--n];
	return at;
}

static unsigned group(const struct udp_ip *ip, size_t i)
{
	return (unsigned)ip->bytes[2 * i] << 8 | ip->bytes[2 * i + 1];
}

/* The longest run of at least two zero groups, the first among equals (RFC 5952, 4.2). */
static size_t longest_zeros(const struct udp_ip *ip, size_t *length)
{
	size_t best = 8;

	*length = 1;
	for (size_t i = 0; i < 8; i++) {
		size_t n = 0;

		while (i + n < 8 && group(ip, i + n) == 0)
			n++;
		if (n > *length) {
			best = i;
			*length = n;
		}
	}
	return best;
}

static char *format6(const struct udp_ip *ip, char *at)
{
	size_t length;
	size_t zeros = longest_zeros(ip, &length);

	for (size_t i = 0; i < 8; i++) {
		if (i == zeros) {
			*at++ = ':';
			i += length - 1;
			if (i == 7)
				*at++ = ':';
			continue;
		}
		if (i > 0)
			*at++ = ':';
		at = put_number(at, group(ip, i), 16);
	}
	return at;
}

char *udp_ip_format(const struct udp_ip *ip, char *text)
{
	char *at = text;

	if (ip->family == 6) {
		at = format6(ip, at);
	} else {
		for (unsigned i = 0; i < 4; i++) {
			if (i > 0)
				*at++ = '.';
			at = put_number(at, ip->bytes[i], 10);
		}
	}
	*at = '\0';
	return text;
}

static bool parse4(const char **text, uint8_t *bytes)
{
	const char *at = *text;

	for (unsigned i = 0; i < 4; i++) {
		unsigned value = 0, digits = 0;

		if (i > 0 && *at++ != '.')
			return false;
		for (; *at >= '0' && *at <= '9' && digits < 3; at++, digits++)
			value = value * 10 + (unsigned)(*at - '0');
		if (digits == 0 || value > 255)
			return false;
		bytes[i] = (uint8_t)value;
	}
	*text = at;
	return true;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool parse_group(const char **text, uint8_t *bytes)
{
	const char *at = *text;
	unsigned value = 0, digits = 0;

	for (; hex_digit(*at) >= 0 && digits < 4; at++, digits++)
		value = value * 16 + (unsigned)hex_digit(*at);
	bytes[0] = (uint8_t)(value >> 8);
	bytes[1] = (uint8_t)value;
	*text = at;
	return digits > 0;
}

/* Where what follows has a dot before any colon, it is the IPv4 tail. */
static bool is_tail4(const char *at)
{
	while (hex_digit(*at) >= 0)
		at++;
	return *at == '.';
}

static bool parse6(const char *at, uint8_t *bytes)
{
	uint8_t groups[18]; /* one pair of spare room for a last IPv4 tail */
	size_t n = 0, gap = 9;

	if (at[0] == ':' && at[1] == ':') {
		gap = 0;
		at += 2;
	}
	while (*at != '\0' && n < 8) {
		if (is_tail4(at) && n <= 6) {
			if (!parse4(&at, groups + 2 * n))
				return false;
			n += 2;
			break;
		}
		if (!parse_group(&at, groups + 2 * n))
			return false;
		n++;
		if (at[0] == ':' && at[1] == ':' && gap == 9) {
			gap = n;
			at += 2;
		} else if (at[0] == ':' && at[1] != '\0' && n < 8) {
			at++;
		} else {
			break;
		}
	}
	if (*at != '\0' || (gap == 9 ? n != 8 : n > 7))
		return false;
	if (gap == 9)
		gap = n;
	memset(bytes, 0, 16);
	memcpy(bytes, groups, 2 * gap);
	memcpy(bytes + 16 - 2 * (n - gap), groups + 2 * gap, 2 * (n - gap));
	return true;
}

bool udp_ip_parse(const char *text, struct udp_ip *ip)
{
	struct udp_ip result = {.family = 4};
	const char *at = text;

	if (!parse4(&at, result.bytes) || *at != '\0') {
		result = (struct udp_ip){.family = 6};
		if (!parse6(text, result.bytes))
			return false;
	}
	*ip = result;
	return true;
}
