/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kernel's services for extensions, as exo/service.h tells of them: names that an extension
 * imports, and that are linked when it is resolved against a core domain (EXO_EXT_CORE).
 */
#ifndef SERVICE_H
#define SERVICE_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

extern __s64 exo_phys_allocate(__u64 count, __u64 align);
extern __s64 exo_phys_deallocate(__u64 first, __u64 count);
extern __s64 exo_phys_nominate(__u64 frame);

extern __s64 exo_virt_allocate(__u64 context, __u64 pages, __u64 wanted);
extern __s64 exo_virt_deallocate(__u64 context, __u64 address);

extern __s64 exo_context_create(__u64 frames_max);
extern __s64 exo_context_destroy(__u64 context);
extern __s64 exo_mapping_add(__u64 context, __u64 address, __u64 frame, __u64 count, __u64 rights);
extern __s64 exo_mapping_remove(__u64 context, __u64 address, __u64 count);
extern __s64 exo_mapping_examine(__u64 context, __u64 address);

extern __s64 exo_strand_block(__u64 env, __u64 core);
extern __s64 exo_strand_unblock(__u64 env, __u64 core);
extern __s64 exo_strand_checkpoint(__u64 env, __u64 core);
extern __s64 exo_strand_resume(__u64 env);

/* Results of handlers, beside 0 (exo/ext.h). */
enum { RESULT_WAKE = 0x100, RESULT_STOP = 0x200, RESULT_DONE = 0x400 };
/* Rights of a mapping (exo/cap.h). */
enum { RIGHT_READ = 1, RIGHT_WRITE = 2, RIGHT_EXEC = 4 };

#endif
