/* SPDX-License-Identifier: BSD-2-Clause */
/* Sums of all files, so that no byte of them is read for a checksum when it is sent. */
#ifndef WEB_SUMS_H
#define WEB_SUMS_H

/* Makes them, once content_open has found the files. 0 or a negative enum exo_error. */
int sums_open(void);

#endif
