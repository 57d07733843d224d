/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The driver on exo rings, with the test as the kernel: it takes fill descriptors, delivers frames
 * in them, takes what is sent and completes it, rightly and wrongly.
 */
#ifndef TEST_DRIVER_WORLD_H
#define TEST_DRIVER_WORLD_H

#include "check.h"

#include <exo/layout.h>
#include <udp/exo.h>
#include <udp/transport.h>

#include "../exo/driver.h"

enum { SIZE = 8, FRAME_BASE = 0x100000 };

extern struct udp_exo driver;
extern uint64_t asked_at; /* when the last question arrived */

/* Once: times are reckoned from the information page. */
int map_info(void **state);
int setup(void **state);
int teardown(void **state);
/* The kernel takes one request; answers one. */
struct exo_desc take(struct exo_queue *queue);
void respond(struct exo_queue *queue, const struct exo_desc *desc);
uint8_t *memory_at(const struct exo_desc *desc);
/* A frame arrives in the next buffer. */
struct exo_desc deliver(const uint8_t *frame, uint32_t size);
/* A frame that is answered. → its length. */
uint32_t question(uint8_t *frame);
/* The two announcements of the address go out first. */
void skip_announcement(void);

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

#endif
