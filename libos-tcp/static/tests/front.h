/* SPDX-License-Identifier: BSD-2-Clause */
/* The handler in front of a stack, as the kernel would run it. */
#ifndef TEST_FRONT_H
#define TEST_FRONT_H

#include <stdbool.h>
#include <stdint.h>

#include <static/front.h>

struct front;

typedef void front_send_fn(const uint8_t *frame, uint32_t size);

/* Loads $FRONT, to be interpreted or compiled, and gives it the stack's rules. */
struct front *front_open(struct static_stack *stack, bool compiled);
void front_close(struct front *front);
/* What the environment does after each round: hands over what is new at `now` (ns). */
void front_run(struct front *front, struct static_stack *stack, uint64_t now);
/* A frame arrives: what the handler passes goes to the stack, what it sends to `send`. */
void front_input(struct front *front, struct static_stack *stack, const uint8_t *frame,
                 uint32_t size, front_send_fn *send);
struct front_counts front_counts(struct front *front);

#endif
