/* SPDX-License-Identifier: BSD-2-Clause */
/* Tells a person about network controllers that are there and not driven, and what to do. */
#include <string.h>

#include <exo/nic.h>
#include <rte_bus_pci.h>
#include <rte_pci.h>

#include "../x86_64/x86.h"
#include "bus_pci_driver.h"
#include "bus_pci_private.h"
#include "internal.h"

static bool is_known(const struct rte_pci_device *device)
{
	const struct rte_pci_driver *driver;

	FOREACH_DRIVER_ON_PCIBUS(driver)
	{
		if (rte_pci_match(driver, device) == 1)
			return true;
	}
	return false;
}

static void say_unclaimed(const struct rte_pci_device *device)
{
	const struct exo_nic_family *family =
	        exo_nic_find(device->id.vendor_id, device->id.device_id);

	if (is_known(device)) {
		x86_print("net: %s [%04x:%04x]: a driver knows it, but did not start: the lines "
		          "above "
		          "say why\n",
		          device->name, device->id.vendor_id, device->id.device_id);
		return;
	}
	x86_print("net: %s [%04x:%04x] %s: no driver: %s\n", device->name, device->id.vendor_id,
	          device->id.device_id, family == NULL ? "of an unknown vendor" : family->name,
	          family == NULL ? "use a NIC of boot/README.md's table" : family->advice);
}

void dpdk_say_unclaimed(unsigned n_ports)
{
	const struct rte_pci_device *device;
	unsigned found = 0;

	FOREACH_DEVICE_ON_PCIBUS(device)
	{
		found++;
		if (device->driver == NULL)
			say_unclaimed(device);
		else if (strcmp(device->driver->driver.name, "net_ice") == 0)
			x86_print("net: %s: no DDP package is in this image: the NIC runs in safe "
			          "mode, with one queue and without hardware steering\n",
			          device->name);
	}
	if (n_ports == 0)
		x86_print("net: no NIC to use: %s\n",
		          found == 0
		                  ? "none was found on any PCI bus; see that one is plugged in and "
		                    "not switched off in the firmware's set-up, or try pci.scan=all"
		                  : "add one of boot/README.md's table");
}
