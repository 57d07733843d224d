/* SPDX-License-Identifier: BSD-2-Clause */
/* MSI-X of a device (PCI 3.0, 6.8.2): vector 0 for whatever is not a receive queue, vector 1 + q
 * for receive queue q, on core q. */
#ifndef DPDK_MSIX_H
#define DPDK_MSIX_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_interrupts.h>

struct msix;

/* The MSI-X table of the device that `handle` belongs to, found when it is first asked for. NULL:
 * the device has none, or it is not mapped. */
struct msix *dpdk_msix_of(const struct rte_intr_handle *handle);

/*
 * Switches the device to MSI-X with vector 0 and one for each of `queues` receive queues; at once
 * the first time, then as often as asked. `other` is called with `handle` on the first core soon
 * after vector 0 has signalled. 0, or -ENOSPC where the table or the core is out of vectors.
 */
int dpdk_msix_enable(struct msix *msix, unsigned queues, void (*other)(void *), void *handle);
/* Stops all signals; the device stays in MSI-X mode, which drivers take to be for good. */
void dpdk_msix_disable(struct msix *msix);

/* What every receive queue's vector calls on its core, if not NULL. */
extern void (*dpdk_msix_received)(unsigned core);

#endif
