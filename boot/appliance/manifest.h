/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writing the payload: the binary manifest (exo/manifest.h) and the archive around it.
 */
#ifndef BOOT_MANIFEST_H
#define BOOT_MANIFEST_H

#include "buffer.h"
#include "model.h"

/* Compiles what the model says; the payload's bytes go into an empty buffer. Adds the programs that
 * came out to the model's files. */
void payload_build(struct model *model, struct buffer *archive);

#endif
