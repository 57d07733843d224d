/* SPDX-License-Identifier: BSD-2-Clause */
/* cmocka wants these in this order. */
#ifndef CHECK_H
#define CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bench.h"

#define US   0x0a000001u /* 10.0.0.1, the stack under test */
#define PEER 0x0a000002u
#define FAR  0x08080808u

/* One counter of the bench's stack. */
#define COUNT(bench, name) (udp_stack_counters((bench)->stack)->name)

#endif
