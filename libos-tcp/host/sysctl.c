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
	DSACK,
	ECN,
	FASTOPEN,
	FASTOPEN_KEY,
	FIN_TIMEOUT,
	FRTO,
	IDLE,
	KEEP_COUNT,
	KEEP_INTERVAL,
	KEEP_TIME,
	MTU_PROBING,
	NOT_SENT,
	ORPHANS,
	REORDERING,
	RETRIES,
	RMEM,
	RTO_MAX,
	RTO_MIN,
	SACK,
	SYN,
	SYNACK,
	SYN_LINEAR,
	COOKIES,
	TAIL_PROBES,
	TIMESTAMPS,
	SCALING,
	WMEM,
	AS_IT_IS, /* there is no choice here: what we do can be said, nothing else */
	NO_MATTER /* of devices, queues and memory that there are not here */
};

static const struct name {
	const char *name;
	enum setting setting;
	long as_it_is;
} names[] = {
        {"abort_on_overflow", AS_IT_IS, 0},
        {"adv_win_scale", NO_MATTER, 0},
        {"app_win", NO_MATTER, 0},
        {"autocorking", NO_MATTER, 0},
        {"backlog_ack_defer", NO_MATTER, 0},
        {"base_mss", AS_IT_IS, 1024},
        {"challenge_ack_limit", CHALLENGES, 0},
        {"comp_sack_delay_ns", NO_MATTER, 0},
        {"comp_sack_nr", NO_MATTER, 0},
        {"comp_sack_slack_ns", NO_MATTER, 0},
        {"congestion_control", CONGESTION, 0},
        {"dsack", DSACK, 0},
        {"early_demux", NO_MATTER, 0},
        {"early_retrans", TAIL_PROBES, 0},
        {"ecn", ECN, 0},
        {"ecn_fallback", AS_IT_IS, 1},
        {"ecn_option", NO_MATTER, 0},
        {"ecn_option_beacon", NO_MATTER, 0},
        {"fack", NO_MATTER, 0},
        {"fastopen", FASTOPEN, 0},
        {"fastopen_blackhole_timeout_sec", AS_IT_IS, 0},
        {"fastopen_key", FASTOPEN_KEY, 0},
        {"fin_timeout", FIN_TIMEOUT, 0},
        {"frto", FRTO, 0},
        {"fwmark_accept", NO_MATTER, 0},
        {"invalid_ratelimit", AS_IT_IS, 500},
        {"keepalive_intvl", KEEP_INTERVAL, 0},
        {"keepalive_probes", KEEP_COUNT, 0},
        {"keepalive_time", KEEP_TIME, 0},
        {"l3mdev_accept", NO_MATTER, 0},
        {"limit_output_bytes", NO_MATTER, 0},
        {"low_latency", NO_MATTER, 0},
        {"max_orphans", NO_MATTER, 0},
        {"max_reordering", AS_IT_IS, 300},
        {"max_syn_backlog", NO_MATTER, 0},
        {"max_tw_buckets", NO_MATTER, 0},
        {"mem", NO_MATTER, 0},
        {"migrate_req", AS_IT_IS, 0},
        {"min_rtt_wlen", AS_IT_IS, 300},
        {"min_snd_mss", AS_IT_IS, 48},
        {"min_tso_segs", NO_MATTER, 0},
        {"moderate_rcvbuf", AS_IT_IS, 1},
        {"mtu_probe_floor", AS_IT_IS, 48},
        {"mtu_probing", MTU_PROBING, 0},
        {"no_metrics_save", NO_MATTER, 0},
        {"no_ssthresh_metrics_save", NO_MATTER, 0},
        {"notsent_lowat", NOT_SENT, 0},
        {"orphan_retries", ORPHANS, 0},
        {"pacing_ca_ratio", AS_IT_IS, 120},
        {"pacing_ss_ratio", AS_IT_IS, 200},
        {"pingpong_thresh", AS_IT_IS, 1},
        {"plb_enabled", AS_IT_IS, 0},
        {"probe_interval", AS_IT_IS, 600},
        {"probe_threshold", AS_IT_IS, 8},
        {"recovery", AS_IT_IS, 1},
        {"reflect_tos", AS_IT_IS, 0},
        {"reordering", REORDERING, 0},
        {"retrans_collapse", NO_MATTER, 0},
        {"retries1", NO_MATTER, 0},
        {"retries2", RETRIES, 0},
        {"rfc1337", AS_IT_IS, 0},
        {"rmem", RMEM, 0},
        {"rto_max_ms", RTO_MAX, 0},
        {"rto_min_us", RTO_MIN, 0},
        {"sack", SACK, 0},
        {"shrink_window", AS_IT_IS, 0},
        {"slow_start_after_idle", IDLE, 0},
        {"stdurg", AS_IT_IS, 0},
        {"syn_linear_timeouts", SYN_LINEAR, 0},
        {"syn_retries", SYN, 0},
        {"synack_retries", SYNACK, 0},
        {"syncookies", COOKIES, 0},
        {"thin_dupack", NO_MATTER, 0},
        {"thin_linear_timeouts", AS_IT_IS, 0},
        {"timestamps", TIMESTAMPS, 0},
        {"tso_rtt_log", NO_MATTER, 0},
        {"tso_win_divisor", NO_MATTER, 0},
        {"tw_reuse", AS_IT_IS, 1},
        {"tw_reuse_delay", AS_IT_IS, 1000},
        {"window_scaling", SCALING, 0},
        {"wmem", WMEM, 0},
        {"workaround_signed_windows", AS_IT_IS, 0},
};

static bool set_number(long *to, const char *text, long least, long most)
{
	return number_of(&text, to) && *to >= least && *to <= most;
}

static bool clear_flag(bool *flag, const char *text)
{
	bool on = set_flag(flag, text);

	*flag = !*flag;
	return on;
}

static bool set_keep(struct tcp_config *config, enum setting setting, const char *value)
{
	long number;

	if (!set_number(&number, value, 1, setting == KEEP_COUNT ? 127 : 32767))
		return false;
	if (setting == KEEP_TIME)
		config->keepalive_idle = (uint16_t)number;
	else if (setting == KEEP_INTERVAL)
		config->keepalive_interval = (uint16_t)number;
	else
		config->keepalive_count = (uint8_t)number;
	return true;
}

static bool set_timer(struct tcp_config *config, enum setting setting, const char *value)
{
	long number;

	switch (setting) {
	case FIN_TIMEOUT:
		return set_seconds(&config->fin_wait_ms, value);
	case RTO_MAX:
		if (!set_number(&number, value, 1000, 120000))
			return false;
		config->rto_max_ms = (uint32_t)number;
		return true;
	case RTO_MIN:
		if (!set_number(&number, value, 1000, 200000))
			return false;
		config->rto_min_ms = (uint32_t)number / 1000;
		return true;
	default:
		return set_keep(config, setting, value);
	}
}

static bool set_retries(struct tcp_config *config, enum setting setting, const char *value)
{
	switch (setting) {
	case ORPHANS: /* Linux: 0 means 8 */
		if (!set_byte(&config->orphan_retries, value, 255))
			return false;
		config->orphan_retries = config->orphan_retries ? config->orphan_retries : 8;
		return true;
	case RETRIES:
		return set_byte(&config->retries, value, 255);
	case SYN:
		return set_byte(&config->syn_retries, value, 127);
	case SYN_LINEAR:
		return set_byte(&config->syn_linear, value, 127);
	default:
		return set_byte(&config->synack_retries, value, 255);
	}
}

static bool set_switch(struct tcp_config *config, enum setting setting, const char *value)
{
	switch (setting) {
	case DSACK:
		return clear_flag(&config->no_dsack, value);
	case FRTO:
		return clear_flag(&config->no_frto, value);
	case IDLE:
		return set_flag(&config->slow_start_after_idle, value);
	case MTU_PROBING:
		return set_flag(&config->black_holes, value);
	case SACK:
		return set_flag(&config->sack, value);
	case SCALING:
		return set_flag(&config->window_scaling, value);
	case TAIL_PROBES:
		return clear_flag(&config->no_tail_probes, value);
	default:
		return set_flag(&config->timestamps, value);
	}
}

static bool set(struct tcp_config *config, const struct name *name, const char *value)
{
	long number;

	switch (name->setting) {
	case CHALLENGES:
		if (!set_number(&number, value, 0, INT32_MAX))
			return false;
		config->challenge_rate = (uint32_t)number;
		return true;
	case CONGESTION:
		return net_congestion(value, &config->congestion);
	case COOKIES:
		return set_byte(&config->cookies, value, TCP_COOKIES_ALWAYS);
	case ECN:
		return set_byte(&config->ecn, value, TCP_ECN_PASSIVE);
	case FASTOPEN:
		return set_fast_open(config, value);
	case FASTOPEN_KEY:
		return set_key(config->fast_key, value);
	case NOT_SENT: /* Linux: 2^32 - 1 means no bound */
		if (!set_number(&number, value, 0, UINT32_MAX))
			return false;
		config->not_sent_low = number == UINT32_MAX ? 0 : (uint32_t)number;
		return true;
	case REORDERING:
		return set_byte(&config->reordering, value, 255) && config->reordering > 0;
	case RMEM:
		return set_memory(&config->receive_buffer, &config->receive_buffer_max, value);
	case WMEM:
		return set_memory(&config->send_buffer, &config->send_buffer_max, value);
	case ORPHANS:
	case RETRIES:
	case SYN:
	case SYNACK:
	case SYN_LINEAR:
		return set_retries(config, name->setting, value);
	case FIN_TIMEOUT:
	case KEEP_COUNT:
	case KEEP_INTERVAL:
	case KEEP_TIME:
	case RTO_MAX:
	case RTO_MIN:
		return set_timer(config, name->setting, value);
	case AS_IT_IS:
		return number_of(&value, &number) && number == name->as_it_is;
	case NO_MATTER:
		return number_of(&value, &number);
	default:
		return set_switch(config, name->setting, value);
	}
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
		error = set(&config, &names[i], value) &&
		                        tcp_stack_configure(net->stack, &config) == 0
		                ? 0
		                : EINVAL;
	}
	net_leave(net);
	return error ? net_fail(error) : 0;
}
