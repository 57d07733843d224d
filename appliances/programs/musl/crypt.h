/* SPDX-License-Identifier: BSD-2-Clause */
/* <crypt.h>, which Debian's musl leaves to a library of its own. */
#ifndef PROGRAMS_CRYPT_H
#define PROGRAMS_CRYPT_H

/* Refuses every password: files with passwords are not served. */
char *crypt(const char *key, const char *setting);

#endif
