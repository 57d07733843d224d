/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Command-line words. Addresses are read as RFC 4291, section 2.2, and dotted decimals write them.
 */
#include "options.h"

#include <exo/error.h>
#include <exo/flow.h>
#include <libexo/channel.h>
#include <libexo/lib.h>
#include <libexo/printf.h>

/* Decimal number up to `max`. → digits read, 0: none, or too large. */
static unsigned number(const char *text, unsigned max, unsigned *value)
{
	unsigned n = 0;

	*value = 0;
	while (text[n] >= '0' && text[n] <= '9') {
		*value = *value * 10 + (unsigned)(text[n++] - '0');
		if (*value > max)
			return 0;
	}
	return n;
}

static unsigned ipv4(const char *text, uint8_t address[4])
{
	unsigned at = 0;

	for (int i = 0; i < 4; i++) {
		unsigned value, n;

		if (i > 0 && text[at++] != '.')
			return 0;
		n = number(text + at, 255, &value);
		if (n == 0)
			return 0;
		address[i] = (uint8_t)value;
		at += n;
	}
	return at;
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
	                              : -1;
}

/* One to four hexadecimal digits. → digits read. */
static unsigned group(const char *text, unsigned *value)
{
	unsigned n = 0;

	*value = 0;
	while (n < 4 && hex_digit(text[n]) >= 0)
		*value = *value << 4 | (unsigned)hex_digit(text[n++]);
	return n;
}

static unsigned ipv6(const char *text, uint8_t address[16])
{
	uint8_t head[16] = {0};
	unsigned at = 0, n = 0, gap = 16; /* bytes written; where "::" stood */

	if (text[0] == ':' && text[1] != ':')
		return 0;
	while (n < 16) {
		unsigned value, digits;

		if (text[at] == ':' && text[at + 1] == ':') {
			if (gap != 16)
				return 0;
			gap = n;
			at += 2;
		} else if (n > 0 && n != gap) {
			if (text[at] != ':')
				break;
			at++;
		}
		digits = group(text + at, &value);
		if (digits == 0 && gap == n)
			break;
		if (digits == 0)
			return 0;
		at += digits;
		head[n++] = (uint8_t)(value >> 8);
		head[n++] = (uint8_t)value;
	}
	if (gap == 16 ? n != 16 : n > 14)
		return 0;
	memset(address, 0, 16);
	if (gap == 16)
		gap = n;
	memcpy(address, head, gap);
	memcpy(address + 16 - (n - gap), head + gap, n - gap);
	return at;
}

unsigned options_address(const char *text, uint8_t *family, uint8_t address[16])
{
	unsigned n;

	memset(address, 0, 16);
	n = ipv4(text, address);
	if (n > 0 && text[n] != ':') {
		*family = 4;
		return n;
	}
	*family = 6;
	return ipv6(text, address);
}

enum { VLAN_MAX = 4094 }; /* IEEE 802.1Q, 9.6: 0 and 4095 are none */

/* [@PORT[.VLAN]], and nothing behind it. NULL or what is wrong. */
static const char *take_port(struct exo_start_address *to, const char *text)
{
	unsigned n, value;

	if (*text == '@') {
		n = number(++text, EXO_PORTS_MAX - 1, &value);
		if (n == 0)
			return "its port is not a number from 0 to 15";
		to->port = (uint16_t)value;
		text += n;
		if (*text == '.') {
			n = number(++text, VLAN_MAX, &value);
			if (n == 0 || value == 0)
				return "its VLAN is not a number from 1 to 4094";
			to->vlan = (uint16_t)value;
			text += n;
		}
	}
	return *text == '\0' ? NULL : "something follows what should be its end";
}

/* ADDR/LEN[,GATEWAY][@PORT]. NULL or what is wrong. */
static const char *take_address(struct exo_start_address *to, const char *text)
{
	unsigned n, value;
	uint8_t family;

	n = options_address(text, &to->family, to->address);
	if (n == 0)
		return "its address is neither IPv4 nor IPv6";
	text += n;
	if (*text++ != '/')
		return "the address wants a length: ADDR/LEN";
	n = number(text, to->family == 4 ? 32 : 128, &value);
	if (n == 0)
		return "its length is not one of the address's";
	to->prefix = (uint8_t)value;
	text += n;
	if (*text == ',') {
		n = options_address(++text, &family, to->gateway);
		if (n == 0 || family != to->family)
			return "its gateway is not an address of the same family";
		text += n;
	}
	return take_port(to, text);
}

static const char not_tagged[] = "an address of a VLAN has to be given: nobody is asked there";

/* What follows ip=. */
static const char *take_ip(struct options *options, const char *text)
{
	unsigned i = options->n_addresses;
	struct exo_start_address *to = &options->addresses[i];
	const char *wrong;

	memset(to, 0, sizeof(*to));
	if (strncmp(text, "auto", 4) == 0) {
		options->formed |= 1u << i;
		wrong = take_port(to, text + 4);
		return wrong == NULL && to->vlan != 0 ? not_tagged : wrong;
	}
	if (strncmp(text, "dhcp", 4) != 0)
		return take_address(to, text);
	wrong = text[4] == ',' ? take_address(to, text + 5) : take_port(to, text + 4);
	if (wrong == NULL && to->vlan != 0)
		wrong = not_tagged;
	if (wrong == NULL && to->family == 6)
		wrong = "DHCP gives IPv4 addresses: its fall-back must be one";
	if (wrong == NULL)
		options->by_dhcp |= 1u << i;
	return wrong;
}

static int refuse(char error[OPTIONS_ERROR_MAX], const char *word, const char *why, int result)
{
	exo_snprintf(error, OPTIONS_ERROR_MAX, "%.80s: %s", word, why);
	return result;
}

/* WORD=PORT, of seven characters with the sign. */
static int take_udp_port(uint16_t *to, const char *word, char error[OPTIONS_ERROR_MAX])
{
	unsigned value, n = number(word + 7, 65535, &value);

	if (n == 0 || value == 0 || word[7 + n] != '\0')
		return refuse(error, word, "a UDP port is expected", -EXO_EINVAL);
	*to = (uint16_t)value;
	return 0;
}

/* What follows dns=. */
static int take_server(struct options *options, const char *word, char error[OPTIONS_ERROR_MAX])
{
	struct exo_start_server *to = &options->servers[options->n_servers];
	unsigned n;

	if (options->n_servers == EXO_START_SERVERS_MAX)
		return refuse(error, word, "too many name servers", -EXO_E2BIG);
	n = options_address(word + 4, &to->family, to->address);
	if (n == 0 || word[4 + n] != '\0')
		return refuse(error, word, "an address is expected", -EXO_EINVAL);
	options->n_servers++;
	return 0;
}

int options_take(struct options *options, const char *word, char error[OPTIONS_ERROR_MAX])
{
	const char *wrong;

	if (strcmp(word, "ledger") == 0) {
		options->ledger = true;
	} else if (strncmp(word, "cores=", 6) == 0) {
		if (word[6] < '0' || word[6] > '9' || word[7] != '\0')
			return refuse(error, word, "one digit is expected", -EXO_EINVAL);
		options->cores = true;
		options->cores_port = (uint32_t)(word[6] - '0');
	} else if (strncmp(word, "channel=", 8) == 0) {
		if (exo_channel_key(options->key, word + 8) < 0)
			return refuse(error, "channel", "the key wants 32 hexadecimal digits",
			              -EXO_EINVAL);
		options->has_key = true;
	} else if (strncmp(word, "reboot=", 7) == 0) {
		if (exo_channel_key(options->report.key, word + 7) < 0)
			return refuse(error, "reboot", "the key wants 32 hexadecimal digits",
			              -EXO_EINVAL);
		options->report.has_key = true;
	} else if (strncmp(word, "retry=", 6) == 0) {
		if (number(word + 6, 3600, &options->retry) == 0)
			return refuse(error, word, "seconds are expected, at most 3600",
			              -EXO_EINVAL);
	} else if (strncmp(word, "report=", 7) == 0) {
		return take_udp_port(&options->report.report, word, error);
	} else if (strncmp(word, "syslog=", 7) == 0) {
		return take_udp_port(&options->report.syslog, word, error);
	} else if (strncmp(word, "stable=", 7) == 0) {
		if (exo_channel_key(options->stable, word + 7) < 0)
			return refuse(error, "stable", "the key wants 32 hexadecimal digits",
			              -EXO_EINVAL);
	} else if (strncmp(word, "dns=", 4) == 0) {
		return take_server(options, word, error);
	} else if (strncmp(word, "ip=", 3) == 0) {
		if (options->n_addresses == EXO_START_ADDRESSES_MAX)
			return refuse(error, word, "too many addresses", -EXO_E2BIG);
		wrong = take_ip(options, word + 3);
		if (wrong != NULL) {
			options->formed &= ~(1u << options->n_addresses);
			return refuse(error, word, wrong, -EXO_EINVAL);
		}
		options->n_addresses++;
	}
	return 0;
}
