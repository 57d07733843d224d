/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Starting init: the one environment that the kernel makes by itself, out of the payload's member
 * "init".
 */
#ifndef CORE_INIT_H
#define CORE_INIT_H

/*
 * Creates init with all of memory as its limit, maps its image and its start page (exo/start.h),
 * gives it keys to everything and the first slot of core 0, and starts it there. Its PE has no
 * entries yet and no stack: its first instructions bring their own. NULL, or what is wrong. No
 * other core runs yet, so no lock is taken.
 */
const char *init_start(const char *command_line);

#endif
