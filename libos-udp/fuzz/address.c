/* SPDX-License-Identifier: BSD-2-Clause */
/* Fuzzes addresses as text: what is read can be written, and reads back the same. */
#include <stdlib.h>

#include <udp/address.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), out[UDP_IP_TEXT_MAX];
	struct udp_ip ip, again;

	if (text == NULL)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	if (udp_ip_parse(text, &ip) &&
	    (!udp_ip_parse(udp_ip_format(&ip, out), &again) || !udp_ip_equal(&ip, &again)))
		__builtin_trap();
	free(text);
	return 0;
}
