/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The stack's settings by the names that Linux gives them (net.ipv4.tcp_…), since packet scripts
 * begin with them.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

/* Reads one number, decimal or hexadecimal, and what follows it. false: there is none. */
static bool number_of(const char **text, long *number)
{
	char *end;

	errno = 0;
	*number = strtol(*text, &end, 0);
	if (end == *text || errno != 0 || (*end != 0 && *end != ' ' && *end != '\t'))
		return false;
	*text = end;
	return true;
}

static bool set_flag(bool *flag, const char *text)
{
	long number;

	if (!number_of(&text, &number))
		return false;
	*flag = number != 0;
	return true;
}

static bool set_byte(uint8_t *byte, const char *text, long most)
{
	long number;

	if (!number_of(&text, &number) || number < 0 || number > most)
		return false;
	*byte = (uint8_t)number;
	return true;
}

/* Least, default, most: the least means nothing here. */
static bool set_memory(uint32_t *usual, uint32_t *most, const char *text)
{
	long numbers[3];

	for (unsigned i = 0; i < 3; i++)
		if (!number_of(&text, &numbers[i]) || numbers[i] < 0 || numbers[i] > INT32_MAX)
			return false;
	*usual = (uint32_t)numbers[1];
	*most = (uint32_t)(numbers[2] > numbers[1] ? numbers[2] : numbers[1]);
	return true;
}

static bool set_key(uint8_t key[16], const char *text)
{
	unsigned words[4];

	if (sscanf(text, "%8x-%8x-%8x-%8x", &words[0], &words[1], &words[2], &words[3]) != 4)
		return false;
	for (unsigned i = 0; i < 16; i++)
		key[i] = (uint8_t)(words[i / 4] >> 8 * (i % 4));
	return true;
}

static bool set_seconds(uint32_t *ms, const char *text)
{
	long number;

	if (!number_of(&text, &number) || number < 1 || number > 1000000)
		return false;
	*ms = (uint32_t)number * 1000;
	return true;
}

static bool set_fast_open(struct tcp_config *config, const char *text)
{
	long number;

	if (!number_of(&text, &number) || number < 0)
		return false;
	config->fast_open = (uint16_t)number;
	return true;
}

enum setting {
	CHALLENGES,
	CONGESTION,
	ECN,
	FASTOPEN,
	FASTOPEN_KEY,
	FIN_TIMEOUT,
	MTU_PROBING,
	ORPHANS,
	RETRIES,
	RMEM,
	SACK,
	IDLE,
	SYN,
	SYNACK,
	COOKIES,
	TIMESTAMPS,
	SCALING,
	WMEM,
};

static const struct name {
	const char *name;
	enum setting setting;
} names[] = {
        {"challenge_ack_limit", CHALLENGES},
        {"congestion_control", CONGESTION},
        {"ecn", ECN},
        {"fastopen", FASTOPEN},
        {"fastopen_key", FASTOPEN_KEY},
        {"fin_timeout", FIN_TIMEOUT},
        {"mtu_probing", MTU_PROBING},
        {"orphan_retries", ORPHANS},
        {"retries2", RETRIES},
        {"rmem", RMEM},
        {"sack", SACK},
        {"slow_start_after_idle", IDLE},
        {"syn_retries", SYN},
        {"synack_retries", SYNACK},
        {"syncookies", COOKIES},
        {"timestamps", TIMESTAMPS},
        {"window_scaling", SCALING},
        {"wmem", WMEM},
};

static bool set(struct tcp_config *config, enum setting setting, const char *value)
{
	long number;

	switch (setting) {
	case CHALLENGES:
		if (!number_of(&value, &number) || number < 0)
			return false;
		config->challenge_rate = number < INT32_MAX ? (uint32_t)number : INT32_MAX;
		return true;
	case CONGESTION:
		return net_congestion(value, &config->congestion);
	case ECN:
		return set_byte(&config->ecn, value, TCP_ECN_PASSIVE);
	case FASTOPEN:
		return set_fast_open(config, value);
	case FASTOPEN_KEY:
		return set_key(config->fast_key, value);
	case FIN_TIMEOUT:
		return set_seconds(&config->fin_wait_ms, value);
	case MTU_PROBING:
		return set_flag(&config->black_holes, value);
	case ORPHANS: /* Linux: 0 means 8 */
		if (!set_byte(&config->orphan_retries, value, 255))
			return false;
		config->orphan_retries = config->orphan_retries ? config->orphan_retries : 8;
		return true;
	case RETRIES:
		return set_byte(&config->retries, value, 255);
	case RMEM:
		return set_memory(&config->receive_buffer, &config->receive_buffer_max, value);
	case SACK:
		return set_flag(&config->sack, value);
	case IDLE:
		return set_flag(&config->slow_start_after_idle, value);
	case SYN:
		return set_byte(&config->syn_retries, value, 127);
	case SYNACK:
		return set_byte(&config->synack_retries, value, 255);
	case COOKIES:
		return set_byte(&config->cookies, value, TCP_COOKIES_ALWAYS);
	case TIMESTAMPS:
		return set_flag(&config->timestamps, value);
	case SCALING:
		return set_flag(&config->window_scaling, value);
	case WMEM:
		return set_memory(&config->send_buffer, &config->send_buffer_max, value);
	}
	return false;
}

/* The part of a name that tells: behind net.ipv4.tcp_, or a path that ends likewise. */
static const char *core_of(const char *name)
{
	const char *at = strrchr(name, '/');

	at = at ? at + 1 : name;
	if (!strncmp(at, "net.ipv4.", 9))
		at += 9;
	return strncmp(at, "tcp_", 4) ? NULL : at + 4;
}

int sluice_net_sysctl(struct sluice_net *net, const char *name, const char *value)
{
	const char *core = name ? core_of(name) : NULL;
	int error = ENOENT;

	if (!value)
		return net_fail(EINVAL);
	net_enter(net);
	for (unsigned i = 0; core && i < sizeof(names) / sizeof(names[0]); i++) {
		struct tcp_config config = *tcp_stack_config(net->stack);
		if (strcmp(core, names[i].name) != 0)
			continue;
		error = set(&config, names[i].setting, value) &&
		                        tcp_stack_configure(net->stack, &config) == 0
		                ? 0
		                : EINVAL;
	}
	net_leave(net);
	return error ? net_fail(error) : 0;
}
