/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtio block devices (Virtual I/O Device 1.2: 2.7 split queues, 4.1 PCI, 5.2 block), the modern
 * interface only. One queue; a request is a chain of three descriptors (header, data, status) that
 * belong to its slot for good, so that submitting writes one address and one length.
 *
 * The write cache is not negotiated: a write that is done is on the medium (5.2.6.2). What the
 * device writes is not believed: a used entry that names no request under way, or an index that
 * jumps, ends the disk: it is reset, which stops its DMA, and all its requests fail.
 */
#include "disk.h"

#include <string.h>

#include "../core/machine.h"
#include "../x86_64/x86.h"
#include "pci.h"

enum {
	VENDOR = 0x1af4,
	DEVICE_MODERN = 0x1042, /* 0x1040 + type 2 */
	DEVICE_TRANSITIONAL = 0x1001,
	DISKS_MAX = 4,
	SLOTS = 32, /* requests of a disk at a time */
	DESCRIPTORS = 3 * SLOTS,
	QUEUE_SIZE = 128, /* a power of two that holds the descriptors */
	RESET_TRIES = 1000,

	CAP_TYPE = 3, /* struct virtio_pci_cap */
	CAP_BAR = 4,
	CAP_OFFSET = 8,
	CAP_LENGTH = 12,
	CAP_MULTIPLIER = 16,
	TYPE_COMMON = 1,
	TYPE_NOTIFY = 2,
	TYPE_DEVICE = 4,

	STATUS_ACKNOWLEDGE = 1,
	STATUS_DRIVER = 2,
	STATUS_DRIVER_OK = 4,
	STATUS_FEATURES_OK = 8,
	STATUS_NEEDS_RESET = 64,
	FEATURE_READ_ONLY = 1 << 5,
	FEATURE_VERSION_1 = 1 << 0, /* in the second word */
	NO_VECTOR = 0xffff,

	DESC_NEXT = 1,
	DESC_WRITE = 2, /* by the device */
	REQUEST_IN = 0,
	REQUEST_OUT = 1,
	STATUS_UNTOLD = 0xff,
};

/* struct virtio_pci_common_cfg, 4.1.4.3. */
struct common {
	uint32_t device_feature_select, device_feature, driver_feature_select, driver_feature;
	uint16_t config_vector, n_queues;
	uint8_t status, generation;
	uint16_t queue_select, queue_size, queue_vector, queue_enable, queue_notify_offset;
	uint64_t queue_descriptors, queue_driver, queue_device;
} __attribute__((packed));

struct descriptor {
	uint64_t address;
	uint32_t length;
	uint16_t flags, next;
};

/* What lies in memory for the device, one page and a bit. */
struct queue {
	struct descriptor descriptors[QUEUE_SIZE];
	struct {
		uint16_t flags, index, ring[QUEUE_SIZE], event;
	} available;
	struct {
		uint16_t flags;
		volatile uint16_t index;
		struct {
			volatile uint32_t id, length;
		} ring[QUEUE_SIZE];
		uint16_t event;
	} used __attribute__((aligned(4)));
	struct {
		uint32_t type, reserved;
		uint64_t sector;
	} headers[SLOTS] __attribute__((aligned(16)));
	volatile uint8_t status[SLOTS];
};

static struct disk {
	struct dev_pci place;
	volatile struct common *common;
	volatile uint16_t *notify;
	struct queue *queue;
	uint64_t first, sectors; /* in the numbering of all disks */
	bool read_only, broken;
	uint16_t used;       /* entries of the used ring that were taken */
	uint32_t busy;       /* slots under way */
	uint32_t ids[SLOTS]; /* the core's names of them */
} disks[DISKS_MAX];
static unsigned n_disks;
static uint64_t n_sectors;

/* ---- Requests ---- */

uint64_t machine_disk_sectors(void)
{
	return n_sectors;
}

static struct disk *disk_of(uint64_t sector)
{
	for (unsigned i = 0; i < n_disks; i++) {
		if (sector >= disks[i].first && sector - disks[i].first < disks[i].sectors)
			return &disks[i];
	}
	return NULL;
}

static void publish(struct disk *d, unsigned slot)
{
	struct queue *q = d->queue;

	q->available.ring[q->available.index % QUEUE_SIZE] = (uint16_t)(slot * 3);
	/* The device sees the index only behind what it stands for. */
	__atomic_store_n(&q->available.index, (uint16_t)(q->available.index + 1), __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	*d->notify = 0;
}

int machine_disk_start(uint32_t id, bool write, uint64_t sector, uint64_t frame, uint32_t count)
{
	struct disk *d = disk_of(sector);
	unsigned slot;

	if (d == NULL || d->sectors - (sector - d->first) < count)
		return -EXO_EINVAL;
	if (d->broken)
		return -EXO_EIO;
	if (write && d->read_only)
		return -EXO_EPERM;
	if (d->busy == UINT32_MAX)
		return -EXO_EAGAIN;
	slot = (unsigned)__builtin_ctz(~d->busy);
	d->busy |= 1u << slot;
	d->ids[slot] = id;
	d->queue->headers[slot].type = write ? REQUEST_OUT : REQUEST_IN;
	d->queue->headers[slot].sector = sector - d->first;
	d->queue->status[slot] = STATUS_UNTOLD;
	d->queue->descriptors[slot * 3 + 1] =
	        (struct descriptor){.address = frame << 12,
	                            .length = count * 512,
	                            .flags = DESC_NEXT | (write ? 0 : DESC_WRITE),
	                            .next = (uint16_t)(slot * 3 + 2)};
	publish(d, slot);
	return 0;
}

/* Stops the device for good: after a reset it uses no memory (2.1.2). One that does not even
 * reset loses its bus mastership. */
static void give_up(struct disk *d, const char *why)
{
	x86_print("disk %u: %s; it is not used any more\n", (unsigned)(d - disks), why);
	d->broken = true;
	d->common->status = 0;
	for (int i = 0; i < RESET_TRIES && d->common->status != 0; i++)
		x86_delay_us(1);
	dev_pci_write(&d->place, 4, 2, 0);
}

static bool take_used(struct disk *d, uint32_t *id, int *result)
{
	struct queue *q = d->queue;
	uint16_t ready = (uint16_t)(__atomic_load_n(&q->used.index, __ATOMIC_ACQUIRE) - d->used);
	uint32_t head;

	if (ready == 0)
		return false;
	head = q->used.ring[d->used % QUEUE_SIZE].id;
	if (ready > SLOTS || head % 3 != 0 || head / 3 >= SLOTS || !(d->busy >> head / 3 & 1)) {
		give_up(d, "its answers make no sense");
		return false;
	}
	d->used++;
	d->busy &= ~(1u << head / 3);
	*id = d->ids[head / 3];
	*result = q->status[head / 3] == 0 ? 0 : -EXO_EIO;
	return true;
}

static bool take_failed(struct disk *d, uint32_t *id, int *result)
{
	unsigned slot;

	if (!d->broken || d->busy == 0)
		return false;
	slot = (unsigned)__builtin_ctz(d->busy);
	d->busy &= d->busy - 1;
	*id = d->ids[slot];
	*result = -EXO_EIO;
	return true;
}

bool machine_disk_done(uint32_t *id, int *result)
{
	for (unsigned i = 0; i < n_disks; i++) {
		struct disk *d = &disks[i];

		if (!d->broken && d->busy != 0 && take_used(d, id, result))
			return true;
		if (take_failed(d, id, result))
			return true;
	}
	return false;
}

/* The interrupt itself is what is wanted: it ends a halt or a slot, and then the core polls. */
static void woken(void *unused)
{
}

/* ---- Finding and starting ---- */

/* Maps the structure of one type. *capability: where it is described. */
static volatile void *map_structure(const struct dev_pci *f, unsigned type, uint32_t least,
                                    unsigned *capability)
{
	unsigned at = 0;

	while ((at = dev_pci_capability(f, DEV_PCI_CAPABILITY_VENDOR, at)) != 0) {
		uint32_t offset = dev_pci_read(f, at + CAP_OFFSET, 4);
		uint32_t length = dev_pci_read(f, at + CAP_LENGTH, 4);
		uint64_t size, bar;

		if (dev_pci_read(f, at + CAP_TYPE, 1) != type)
			continue;
		bar = dev_pci_bar(f, dev_pci_read(f, at + CAP_BAR, 1), &size);
		if (bar == 0 || length < least || offset > size || size - offset < length)
			return NULL;
		*capability = at;
		return x86_device_map(bar + offset, length);
	}
	return NULL;
}

static uint32_t features(volatile struct common *c, uint32_t word)
{
	c->device_feature_select = word;
	return c->device_feature;
}

static void accept_features(volatile struct common *c, uint32_t word, uint32_t bits)
{
	c->driver_feature_select = word;
	c->driver_feature = bits;
}

/* 3.1.1, steps 1 to 6. NULL, or what is wrong. */
static const char *negotiate(struct disk *d)
{
	volatile struct common *c = d->common;

	c->status = 0;
	for (int i = 0; i < RESET_TRIES && c->status != 0; i++)
		x86_delay_us(1);
	if (c->status != 0)
		return "it does not reset";
	c->status = STATUS_ACKNOWLEDGE;
	c->status = STATUS_ACKNOWLEDGE | STATUS_DRIVER;
	if ((features(c, 1) & FEATURE_VERSION_1) == 0)
		return "it speaks the legacy interface only";
	d->read_only = (features(c, 0) & FEATURE_READ_ONLY) != 0;
	accept_features(c, 0, d->read_only ? FEATURE_READ_ONLY : 0);
	accept_features(c, 1, FEATURE_VERSION_1);
	c->status = STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK;
	return (c->status & STATUS_FEATURES_OK) != 0 ? NULL : "it refuses our features";
}

static void fill_queue(struct queue *q)
{
	memset(q, 0, sizeof(*q));
	for (unsigned i = 0; i < SLOTS; i++) {
		struct descriptor *chain = q->descriptors + (size_t)i * 3;

		chain[0] = (struct descriptor){x86_physical(&q->headers[i]), sizeof(q->headers[i]),
		                               DESC_NEXT, (uint16_t)(i * 3 + 1)};
		chain[2] = (struct descriptor){x86_physical((const void *)&q->status[i]), 1,
		                               DESC_WRITE, 0};
	}
}

static const char *start_queue(struct disk *d, uint8_t *notify, uint32_t multiplier, uint32_t room)
{
	volatile struct common *c = d->common;
	uint64_t offset;

	c->config_vector = NO_VECTOR;
	c->queue_select = 0;
	offset = (uint64_t)c->queue_notify_offset * multiplier;
	if (c->queue_size < QUEUE_SIZE)
		return "its queue is too short";
	if (room < 2 || offset > room - 2)
		return "its doorbell lies nowhere";
	d->queue = x86_alloc_raw(sizeof(*d->queue), 4096);
	if (d->queue == NULL)
		return "there is no memory for its queue";
	fill_queue(d->queue);
	d->notify = (volatile uint16_t *)(notify + offset);
	c->queue_size = QUEUE_SIZE;
	c->queue_vector = dev_pci_msix(&d->place, woken, NULL) == 0 ? 0 : NO_VECTOR;
	c->queue_descriptors = x86_physical(d->queue->descriptors);
	c->queue_driver = x86_physical(&d->queue->available);
	c->queue_device = x86_physical(&d->queue->used);
	c->queue_enable = 1;
	c->status |= STATUS_DRIVER_OK;
	return (c->status & STATUS_NEEDS_RESET) != 0 ? "it can't be started" : NULL;
}

static const char *start(struct disk *d)
{
	unsigned at;
	volatile uint64_t *capacity = map_structure(&d->place, TYPE_DEVICE, 8, &at);
	volatile void *notify = map_structure(&d->place, TYPE_NOTIFY, 2, &at);
	uint32_t multiplier = notify != NULL ? dev_pci_read(&d->place, at + CAP_MULTIPLIER, 4) : 0;
	uint32_t room = notify != NULL ? dev_pci_read(&d->place, at + CAP_LENGTH, 4) : 0;
	const char *wrong;

	d->common = map_structure(&d->place, TYPE_COMMON, sizeof(struct common), &at);
	if (d->common == NULL || capacity == NULL || notify == NULL)
		return "it lacks the modern interface";
	dev_pci_enable(&d->place);
	wrong = negotiate(d);
	if (wrong == NULL)
		wrong = start_queue(d, (uint8_t *)notify, multiplier, room);
	if (wrong != NULL)
		return wrong;
	d->sectors = *capacity;
	return d->sectors == 0 || d->sectors > UINT64_MAX >> 16 ? "its capacity makes no sense"
	                                                        : NULL;
}

static void look_at(unsigned bus, unsigned device, unsigned function)
{
	uint32_t id = x86_pci_read(bus, device, function, 0, 4);
	struct disk *d = &disks[n_disks];
	const char *wrong;

	if ((id & 0xffff) != VENDOR ||
	    (id >> 16 != DEVICE_MODERN && id >> 16 != DEVICE_TRANSITIONAL))
		return;
	if (n_disks == DISKS_MAX) {
		x86_print("disk: more than %d; %x:%x.%x is left out\n", DISKS_MAX, bus, device,
		          function);
		return;
	}
	*d = (struct disk){
	        .place = {(uint8_t)bus, (uint8_t)device, (uint8_t)function},
	        .first = n_sectors,
	};
	wrong = start(d);
	if (wrong != NULL) {
		x86_print("disk at %x:%x.%x: %s\n", bus, device, function, wrong);
		dev_pci_write(&d->place, 4, 2, 0);
		return;
	}
	n_sectors += d->sectors;
	x86_print("disk %u: sectors %lu to %lu%s\n", n_disks++, d->first, d->first + d->sectors - 1,
	          d->read_only ? ", read-only" : "");
}

void dev_disk_init(void)
{
	x86_pci_walk(look_at);
}
