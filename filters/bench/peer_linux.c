/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Linux's machine code as a peer: programs run as traffic classifiers, by BPF_PROG_TEST_RUN, which
 * takes the time itself, in whole nanoseconds. Stands alone since linux/bpf.h and libpcap's headers
 * name the same structure.
 */
#include <linux/bpf.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench.h"

int linux_load(const void *insns, uint32_t n)
{
	union bpf_attr attr;
	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_SCHED_CLS;
	attr.insns = (uintptr_t)insns;
	attr.insn_cnt = n;
	attr.license = (uintptr_t) "BSD";
	return (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
}

double linux_run(int program, const struct flt_frame *frame, uint32_t *accepted)
{
	union bpf_attr attr;
	memset(&attr, 0, sizeof(attr));
	attr.test.prog_fd = (uint32_t)program;
	attr.test.data_in = (uintptr_t)frame->data;
	attr.test.data_size_in = frame->len;
	attr.test.repeat = 20000;
	if (program < 0 || syscall(SYS_bpf, BPF_PROG_TEST_RUN, &attr, sizeof(attr)))
		return -1;
	*accepted = attr.test.retval;
	return attr.test.duration;
}
