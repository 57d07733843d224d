/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Numbers as people write them: 10k, 1.5M, 200us, 2s, 0.1%, 10kpps, 1Gbit/s.
 */
#ifndef REPLAY_REPORT_QUANTITY_H
#define REPLAY_REPORT_QUANTITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../engine/schedule.h"

/* A time with its unit (ns, us, ms, s, min, h); plain numbers are seconds. */
bool quantity_time(const char *text, uint64_t *ns);
/* A count, with k, M or G (thousands). */
bool quantity_count(const char *text, uint64_t *count);
/* A size in bytes, with K, M or G (times 1,024). */
bool quantity_size(const char *text, uint64_t *bytes);
/* `original`, `2x`, `10kpps`, `1Gbit/s`, `top`: a kind of schedule and its rate. */
bool quantity_rate(const char *text, struct schedule *schedule);

/* For people, in a static buffer of the caller's: "1.23 us", "12.3 k", "9.87 Gbit/s". */
const char *quantity_show_time(char *buffer, size_t size, double ns);
const char *quantity_show(char *buffer, size_t size, double value, const char *unit);

#endif
