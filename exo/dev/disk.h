/* SPDX-License-Identifier: BSD-2-Clause */
/* Disks: virtio block devices behind machine.h's machine_disk_ functions. */
#ifndef DEV_DISK_H
#define DEV_DISK_H

/* Finds the disks and says on the console what there is. Before any machine_disk_ function. */
void dev_disk_init(void);

#endif
