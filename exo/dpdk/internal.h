/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of exo/dpdk share. */
#ifndef DPDK_INTERNAL_H
#define DPDK_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- Alarms (alarm.c) ---- */

/* Runs what is due. The earliest TSC at which something will be. */
void dpdk_alarms_run(void);
uint64_t dpdk_alarms_due(void);

/* ---- Interrupts (interrupt.c) ---- */

/* Calls the callbacks of devices whose turn it is; of all, where somebody waits for one of them. */
void dpdk_interrupts_run(bool all);
uint64_t dpdk_interrupts_due(void);

/* ---- PCI (pci_find.c, pci_bus.c) ---- */

enum { PCI_FUNCTIONS_MAX = 64 };

/* A network controller's place on the bus. */
struct pci_function {
	uint8_t bus, device, function;
};

/* Finds the network controllers and switches their bus mastering off. Needs no memory. Once. */
void dpdk_pci_find(const char *command_line);
/* Says which network controllers are not driven, and that there is none at all. */
void dpdk_say_unclaimed(unsigned n_ports);
unsigned dpdk_pci_count(void);
const struct pci_function *dpdk_pci_function(unsigned i);

/* Configuration space; `size` is 1, 2 or 4, `offset` a multiple of it. */
uint32_t dpdk_pci_read(const struct pci_function *f, unsigned offset, unsigned size);
void dpdk_pci_write(const struct pci_function *f, unsigned offset, unsigned size, uint32_t value);

/* Reads BAR `i` of those that begin at register `first` into *resource; ports and empty ones leave
 * it zero. The device must not decode addresses meanwhile. → how many registers the BAR takes. */
struct rte_mem_resource;
int dpdk_pci_read_bar(const struct pci_function *f, unsigned first, int i,
                      struct rte_mem_resource *resource);

/* ---- Virtual functions (functions.c) ---- */

/* What the command line asks for. */
void dpdk_functions_ask(const char *command_line);
/* How many functions this NIC is going to have; before its driver is started. */
uint16_t dpdk_functions_plan(const struct pci_function *f);
/* Whether a NIC has functions, and therefore one pair of queues for itself. */
struct rte_device;
bool dpdk_functions_share(const struct rte_device *device);

/* `spare=` on the command line; a NIC's domain, before its driver runs; the pool of its spare
 * queue, or NULL. */
void dpdk_spare_ask(const char *command_line);
void dpdk_spare_plan(const struct pci_function *f);
struct rte_mempool *dpdk_spare_pool(uint16_t id, const struct rte_device *device);
/* Switches them on and starts their ports, behind the NICs'. */
void dpdk_functions_start(void);

/* ---- Usual frames of net_virtio (virtio.c) ---- */

/* Lets a started port receive and send them in fewer instructions, where it is net_virtio's. */
void dpdk_virtio_quicken(uint16_t id);

/* ---- Memory (memory.c) ---- */

/* n page frames in one piece, not cleared, for as long as the machine runs; NULL: there are none.
 */
void *dpdk_frames(size_t n);

/* ---- Command line ---- */

/* The value of the first `name=value` (words apart by spaces) at or after *rest, copied to `to`;
 * *rest moves behind it. false: there is none, or it does not fit. */
bool dpdk_option(const char **rest, const char *name, char *to, size_t size);

#endif
