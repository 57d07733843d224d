/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Capabilities in the kernel: sealing and checking keys. What a key is: exo/cap.h.
 *
 * Two sorts of key differ by EXO_RIGHT_ALLOC. With it a key is an *authority* over names, whoever
 * owns the units: it holds as long as the kind's authority epoch lasts, and never maps or uses a
 * unit. Without it a key stands for units that exist, and each of them must still be in the epoch
 * that the key names. Holders' ids are never reused, so a dead holder's keys can't be presented.
 */
#ifndef CORE_CAP_H
#define CORE_CAP_H

#include <exo/call.h>

struct env;
struct call;

/* Draws the boot secret. Once, before anything is sealed. */
void cap_init(void);

/* Computes the authenticator over the other fields, which the caller has filled in. Any core. */
void cap_seal(struct exo_cap *cap);

/* Makes a key to units that the ledger keeps: fills in the whole of `cap`, with the units' present
 * epoch. 0, or -EXO_ENOENT where a unit does not exist, -EXO_ESTALE where the units' epochs differ.
 * The packet path's kinds (flow, binding, ring) have epochs of their own: cap_seal. */
int cap_make(struct exo_cap *cap, enum exo_kind kind, unsigned rights, uint32_t holder,
             uint64_t first, uint32_t count);

/*
 * Checks a copy of a key that `env` presents: authenticator (-EXO_EKEY), holder (-EXO_EPERM), kind
 * and every right of `rights` (-EXO_EPERM), epoch of all its units (-EXO_ESTALE). For flow, binding
 * and ring the packet path compares the epoch itself. Without the core lock the answer may be out
 * of date as soon as it is there.
 */
int cap_check(const struct exo_cap *cap, const struct env *env, enum exo_kind kind,
              unsigned rights);

/* Likewise, where units [first, first + count) are used, which must lie inside its range
 * (-EXO_EPERM): those alone must be in its epoch. */
int cap_check_part(const struct exo_cap *cap, const struct env *env, enum exo_kind kind,
                   unsigned rights, uint64_t first, uint32_t count);

/* Whether units [first, first + count) lie inside the key's range. 0 or -EXO_EPERM. */
int cap_covers(const struct exo_cap *cap, uint64_t first, uint64_t count);

/* Copies a key in from the running environment's memory and checks it. -EXO_EFAULT, or as
 * cap_check. */
int cap_fetch(struct exo_cap *cap, uint64_t address, const struct env *env, enum exo_kind kind,
              unsigned rights);

/* EXO_CALL_GRANT and EXO_CALL_REVOKE. */
int64_t cap_call_grant(struct call *call);
int64_t cap_call_revoke(struct call *call);

#endif
