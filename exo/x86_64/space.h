/* SPDX-License-Identifier: BSD-2-Clause */
/* Address spaces' inside, for the rest of x86_64. */
#ifndef X86_SPACE_H
#define X86_SPACE_H

/* Serves the TLB requests of other cores to this one, if there are any. Called wherever a core
 * waits. */
void space_serve_flush(void);

#endif
