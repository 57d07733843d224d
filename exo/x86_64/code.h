/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory for compiled code; machine_code_alloc, _seal and _free are its front. */
#ifndef X86_CODE_H
#define X86_CODE_H

#include "cpu.h"

/* Maps the window, writable. */
void code_init(void);
/* Whether a fault on executing `address` was only an old translation of this core: the page is
 * executable now. */
bool code_is_stale(uint64_t address);

#endif
