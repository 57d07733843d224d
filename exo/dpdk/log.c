/* SPDX-License-Identifier: BSD-2-Clause */
/* DPDK's log goes to stderr, which is the console; here is only how much of it. */
#include "log.h"

#include <stdlib.h>
#include <string.h>

#include <rte_log.h>

#include "../x86_64/x86.h"
#include "eal_log.h"
#include "internal.h"

static const char *const names[] = {
        [RTE_LOG_EMERG] = "emergency", [RTE_LOG_ALERT] = "alert",     [RTE_LOG_CRIT] = "critical",
        [RTE_LOG_ERR] = "error",       [RTE_LOG_WARNING] = "warning", [RTE_LOG_NOTICE] = "notice",
        [RTE_LOG_INFO] = "info",       [RTE_LOG_DEBUG] = "debug",
};

/* 0: no such level. */
static uint32_t level_of(const char *text)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (end != text && *end == '\0')
		return n >= 1 && n <= RTE_LOG_DEBUG ? (uint32_t)n : 0;
	for (uint32_t i = 1; i < RTE_DIM(names); i++)
		if (strcmp(text, names[i]) == 0)
			return i;
	return 0;
}

static void set(char *value)
{
	char *colon = strchr(value, ':');
	const char *pattern = "*";
	uint32_t level;

	if (colon != NULL) {
		*colon = '\0';
		pattern = value;
		value = colon + 1;
	}
	level = level_of(value);
	if (level == 0) {
		x86_print("dpdk: no such level in dpdk.log: %s\n", value);
		return;
	}
	rte_log_set_global_level(RTE_LOG_DEBUG);
	rte_log_set_level_pattern(pattern, level);
	/* Types that libraries register later take what is saved. */
	eal_log_save_pattern(pattern, level);
}

void dpdk_log_init(const char *command_line)
{
	char value[128];

	rte_log_set_global_level(RTE_LOG_ERR);
	while (dpdk_option(&command_line, "dpdk.log", value, sizeof(value)))
		set(value);
}
