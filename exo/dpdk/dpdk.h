/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * DPDK on the bare machine, as the rest of the kernel sees it. Everything here must run with the
 * thread pointer and vector registers given to DPDK (machine_vector_begin), dpdk_sleep and
 * dpdk_wake excepted.
 *
 * Control work (alarms, interrupts, what drivers do in threads of their own) runs on the first core
 * only, inside dpdk_poll. A driver that delays or waits there yields to the caller of dpdk_poll, so
 * that packets flow on meanwhile; a control operation goes on at a later dpdk_poll.
 *
 * Command line:
 *
 *     dpdk.log=debug      level of all of DPDK's log types (emergency … debug, or 1 … 8); error if
 *                         not given. A type alone: dpdk.log=pmd.net.ice*:debug
 *     dpdk.dev=ADDRESS,…  devargs of one device, as after DPDK's -a; repeatable. Others stay
 *     functions=N         switch on N virtual functions of each NIC that has some
 *     spare=1             keep a receive queue of each NIC free for an environment, where there is
 *                         an IOMMU and the driver takes rules (steer.h)
 *     lro=PORT,…          ports that may merge segments of a TCP stream (LRO), where NIC and
 *                         driver can; rings then need buffers for frames of up to 64 KiB
 *     pci.scan=all        look at all 256 buses, not only at those below bus 0's bridges
 */
#ifndef DPDK_DPDK_H
#define DPDK_DPDK_H

#include <stdint.h>

struct boot_info;

/*
 * Brings up EAL on this core, finds and probes NICs, and starts their ports (ports.h). Once, on the
 * first core, after constructors have run. *n_ports: one more than the highest id of a port that
 * works. 0, or a negative EXO_ code where DPDK itself can't run; a NIC that fails is named on the
 * console and left out.
 */
int dpdk_init(const struct boot_info *boot, unsigned *n_ports);

/* Makes this core lcore `core`. On each core but the first, before any other use of DPDK there. */
void dpdk_thread_init(unsigned core);

/* Control work that is due; cheap where there is none. On the first core, often. */
void dpdk_poll(void);

/*
 * For a core that polled in vain and wants to halt, or to run something else for long: arms its
 * receive queues to interrupt it once. Returns the TSC by which it must poll again all the same: 0
 * where it was not armed before, because a frame may have slipped in (poll until a poll is in vain,
 * and ask again); otherwise at most `deadline`, earlier for a NIC that can't interrupt and for
 * control work on the first core. An interrupt disarms.
 *
 * "In vain" is a poll of every queue that brought nothing. A burst shorter than asked for does not
 * say that the queue is empty (net_virtio rounds a burst down to whole cache lines of descriptors),
 * and what stays behind has signalled nothing: it would wait for the next frame's interrupt.
 */
uint64_t dpdk_sleep(unsigned core, uint64_t deadline);

#endif
