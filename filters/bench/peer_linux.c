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

enum { INSNS_MAX = 256 };

/* DPDK clears registers by themselves, which Linux takes for a use of what was never set. */
static void clear_plainly(struct bpf_insn *insn)
{
	if (insn->code == (BPF_ALU64 | BPF_XOR | BPF_X) && insn->dst_reg == insn->src_reg)
		*insn = (struct bpf_insn){.code = BPF_ALU64 | BPF_MOV | BPF_K,
		                          .dst_reg = insn->dst_reg};
}

int linux_load(const void *insns, uint32_t n)
{
	struct bpf_insn copy[INSNS_MAX];
	union bpf_attr attr;
	if (n > INSNS_MAX)
		return -1;
	memcpy(copy, insns, n * sizeof(*copy));
	for (uint32_t i = 0; i < n; i++)
		clear_plainly(&copy[i]);
	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_SCHED_CLS;
	attr.insns = (uintptr_t)copy;
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
