/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frames that arrived, as a pcapng file (draft-ietf-opsawg-pcapng): one section, one interface,
 * nanoseconds. Of ports that are no DPDK devices too, so not by librte_pcapng, which wants mbufs.
 */
#ifndef REPLAY_TOOL_CAPTURE_H
#define REPLAY_TOOL_CAPTURE_H

#include <stdint.h>
#include <stdio.h>

struct capture {
	FILE *file;
	uint64_t frames;
	int64_t to_unix_ns; /* added to the port's clock */
};

/* 0 or -errno. */
int capture_open(struct capture *capture, const char *path, const char *interface);
void capture_frame(struct capture *capture, uint64_t time_ns, const uint8_t *data, uint32_t length,
                   const char *comment);
/* 0, or -EIO where not all could be written. */
int capture_close(struct capture *capture);

#endif
