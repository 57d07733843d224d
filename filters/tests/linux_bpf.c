/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Linux's own verifier. See linux_bpf.h.
 */
#include "linux_bpf.h"

#include <linux/bpf.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { BPF_CAPABILITY = 39, PERFMON_CAPABILITY = 38 };

static int call_bpf(int command, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, command, attr, sizeof(*attr));
}

bool linux_bpf_works(void)
{
	static const struct flt_insn insns[] = {{.code = 0xb7}, {.code = 0x95}};
	int fd = linux_bpf_load(insns, 2, NULL, 0);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

bool linux_bpf_drop_trust(void)
{
	struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct data[2];
	if (syscall(SYS_capget, &header, data))
		return false;
	data[CAP_SYS_ADMIN / 32].effective &= ~(1u << CAP_SYS_ADMIN % 32);
	data[PERFMON_CAPABILITY / 32].effective &= ~(1u << PERFMON_CAPABILITY % 32);
	return !syscall(SYS_capset, &header, data);
}

int linux_bpf_map(const struct flt_map_spec *spec)
{
	union bpf_attr attr;
	memset(&attr, 0, sizeof(attr));
	attr.map_type = spec->type;
	attr.key_size = spec->key_size;
	attr.value_size = spec->value_size;
	attr.max_entries = spec->max_entries;
	attr.map_flags = spec->flags;
	return call_bpf(BPF_MAP_CREATE, &attr);
}

/* The last line that says something, without the statistics behind it. */
static void keep_last_words(char *log)
{
	char *end = log + strlen(log), *words = log;
	while (end > log) {
		while (end > log && end[-1] == '\n')
			*--end = '\0';
		for (words = end; words > log && words[-1] != '\n';)
			words--;
		if (strncmp(words, "processed ", 10) != 0 &&
		    strncmp(words, "verification time", 17) != 0 &&
		    strncmp(words, "stack depth", 11) != 0)
			break;
		*words = '\0';
		end = words;
	}
	memmove(log, words, strlen(words) + 1);
}

int linux_bpf_load(const struct flt_insn *insns, uint32_t n, char *log, size_t size)
{
	static char buffer[1 << 20];
	union bpf_attr attr;
	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_XDP;
	attr.insns = (uint64_t)(uintptr_t)insns;
	attr.insn_cnt = n;
	attr.license = (uint64_t)(uintptr_t) "Dual BSD/GPL";
	int fd = call_bpf(BPF_PROG_LOAD, &attr);
	if (fd >= 0 || !log)
		return fd;
	attr.log_level = 1;
	attr.log_size = sizeof(buffer);
	attr.log_buf = (uint64_t)(uintptr_t)buffer;
	buffer[0] = '\0';
	fd = call_bpf(BPF_PROG_LOAD, &attr);
	keep_last_words(buffer);
	strncpy(log, buffer, size - 1);
	log[size - 1] = '\0';
	return fd;
}
