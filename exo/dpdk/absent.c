/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Parts of EAL that the bare machine has not, because there is one kernel and no processes, no
 * VFIO, no telemetry socket and no trace files. Each function refuses in the way that its callers
 * take for "not available".
 */
#include <errno.h>

#include <rte_debug.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_telemetry.h>
#include <rte_trace_point.h>
#include <rte_vect.h>
#include <rte_version.h>
#include <rte_vfio.h>

#include "eal_private.h"
#include "eal_trace.h"
#include "malloc_mp.h"

/* ---- Other processes ---- */

struct eal_dev_mp_req;
int eal_dev_hotplug_request_to_primary(struct eal_dev_mp_req *request);
int eal_dev_hotplug_request_to_secondary(struct eal_dev_mp_req *request);

int eal_dev_hotplug_request_to_primary(struct eal_dev_mp_req *request)
{
	return -ENOTSUP;
}

int eal_dev_hotplug_request_to_secondary(struct eal_dev_mp_req *request)
{
	return 0; /* all none of them have done it */
}

int register_mp_requests(void)
{
	return 0;
}

void unregister_mp_requests(void)
{
}

int request_to_primary(struct malloc_mp_req *request)
{
	return -1;
}

int request_sync(void)
{
	return 0;
}

int rte_mp_action_register(const char *name, rte_mp_t action)
{
	rte_errno = ENOTSUP;
	return -1;
}

int rte_mp_request_sync(struct rte_mp_msg *request, struct rte_mp_reply *reply,
                        const struct timespec *deadline)
{
	rte_errno = ENOTSUP;
	return -1;
}

int rte_mp_reply(struct rte_mp_msg *message, const char *peer)
{
	rte_errno = ENOTSUP;
	return -1;
}

bool rte_mp_disable(void)
{
	return true;
}

/* ---- VFIO ---- */

int rte_vfio_container_dma_map(int container, uint64_t address, uint64_t iova, uint64_t size)
{
	rte_errno = ENOTSUP;
	return -1;
}

int rte_vfio_container_dma_unmap(int container, uint64_t address, uint64_t iova, uint64_t size)
{
	rte_errno = ENOTSUP;
	return -1;
}

/* ---- Files ---- */

int eal_file_open(const char *path, int flags)
{
	rte_errno = ENOENT;
	return -1;
}

int eal_file_lock(int fd, enum eal_flock_op operation, enum eal_flock_mode mode)
{
	rte_errno = EBADF;
	return -1;
}

int eal_file_truncate(int fd, ssize_t size)
{
	rte_errno = EBADF;
	return -1;
}

/* ---- Tracing ---- */

RTE_DEFINE_PER_LCORE(volatile int, trace_point_sz);
RTE_DEFINE_PER_LCORE(void *, trace_mem);

void __rte_trace_mem_per_thread_alloc(void)
{
}

void trace_mem_per_thread_free(void)
{
}

void __rte_trace_point_emit_field(size_t size, const char *field, const char *type)
{
}

int __rte_trace_point_register(rte_trace_point_t *trace, const char *name, void (*emit)(void))
{
	return -ENOTSUP;
}

/* ---- Telemetry ---- */

int rte_telemetry_register_cmd(const char *command, telemetry_cb function, const char *help)
{
	return -ENOTSUP;
}

int rte_tel_data_start_array(struct rte_tel_data *data, enum rte_tel_value_type type)
{
	return -ENOTSUP;
}

int rte_tel_data_start_dict(struct rte_tel_data *data)
{
	return -ENOTSUP;
}

int rte_tel_data_string(struct rte_tel_data *data, const char *value)
{
	return -ENOTSUP;
}

int rte_tel_data_add_array_string(struct rte_tel_data *data, const char *value)
{
	return -ENOTSUP;
}

int rte_tel_data_add_array_int(struct rte_tel_data *data, int value)
{
	return -ENOTSUP;
}

int rte_tel_data_add_array_u64(struct rte_tel_data *data, uint64_t value)
{
	return -ENOTSUP;
}

int rte_tel_data_add_dict_string(struct rte_tel_data *data, const char *name, const char *value)
{
	return -ENOTSUP;
}

int rte_tel_data_add_dict_int(struct rte_tel_data *data, const char *name, int value)
{
	return -ENOTSUP;
}

int rte_tel_data_add_dict_u64(struct rte_tel_data *data, const char *name, uint64_t value)
{
	return -ENOTSUP;
}

int rte_tel_data_add_dict_container(struct rte_tel_data *data, const char *name,
                                    struct rte_tel_data *value, int keep)
{
	return -ENOTSUP;
}

struct rte_tel_data *rte_tel_data_alloc(void)
{
	return NULL;
}

void rte_tel_data_free(struct rte_tel_data *data)
{
}

/* ---- The rest ---- */

void rte_dump_stack(void)
{
	/* Printed by rte_panic, just before it ends in abort; the kernel's panic prints one. */
}

int rte_eal_cleanup(void)
{
	return 0;
}

int rte_eal_iopl_init(void)
{
	return 0; /* ring 0 may use ports */
}

int rte_firmware_read(const char *name, void **buffer, size_t *size)
{
	return -1;
}

const char *rte_version(void)
{
	return "DPDK " RTE_STR(RTE_VER_YEAR) "." RTE_STR(RTE_VER_MONTH) "." RTE_STR(RTE_VER_MINOR);
}

uint16_t rte_vect_get_max_simd_bitwidth(void)
{
	return RTE_VECT_SIMD_128; /* what QEMU's TCG has, and what the core saves */
}
