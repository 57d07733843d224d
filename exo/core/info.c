/* SPDX-License-Identifier: BSD-2-Clause */
/* The information pages. */
#include "core.h"

#include <stdio.h>

#include <exo/info.h>
#include <exo/layout.h>

#include "boot_info.h"
#include "ledger.h"
#include "log.h"
#include "net.h"
#include "slots.h"

enum {
	AREA_PAGES = (EXO_ACCOUNT_ADDR - EXO_INFO_ADDR) / EXO_PAGE_SIZE,
};

struct exo_info *core_info;

static struct {
	uint64_t head, head_pages; /* struct exo_info, ports, slots */
	uint64_t map, map_pages;   /* the free map, as far as it is shown */
} area;

struct exo_slot_info *core_info_slots(void)
{
	return (struct exo_slot_info *)((char *)core_info + core_info->slots_offset);
}

static uint32_t slots_end(uint32_t n_ports, uint32_t *slots_offset)
{
	*slots_offset = (uint32_t)(EXO_PAGE_SIZE + n_ports * sizeof(struct exo_port_info));
	return *slots_offset +
	       machine_cores() * EXO_SLOTS_PER_CORE * (uint32_t)sizeof(struct exo_slot_info);
}

static void show_map(uint64_t first, uint64_t end)
{
	uint64_t room = (AREA_PAGES - area.head_pages) << EXO_PAGE_SHIFT;

	core_info->frame_first = first;
	core_info->frame_end = end;
	if ((end - first + 7) / 8 > room) {
		core_info->frame_end = first + room * 8;
		area.map_pages = AREA_PAGES - area.head_pages;
		log_line("core", "the free map shows %lu of %lu frames", (unsigned long)room * 8,
		         (unsigned long)(end - first));
	}
	core_info->free_map_offset = (uint32_t)(area.head_pages << EXO_PAGE_SHIFT);
	core_info->size = (uint32_t)((area.head_pages + area.map_pages) << EXO_PAGE_SHIFT);
}

void info_init(void)
{
	const struct machine_info *machine = machine_info();
	const struct boot_framebuffer *screen = machine_screen(NULL);
	uint64_t sectors = machine_disk_sectors();
	uint32_t n_ports = machine->n_ports < EXO_PORTS_MAX ? machine->n_ports : EXO_PORTS_MAX;
	uint32_t slots, end = slots_end(n_ports, &slots);
	uint64_t first, last;

	area.head_pages = (end + EXO_PAGE_SIZE - 1) >> EXO_PAGE_SHIFT;
	if (ledger_kernel_frames((uint32_t)area.head_pages, &area.head) != 0)
		machine_panic("no memory for the information pages");
	core_info = machine_frame(area.head);
	*core_info = (struct exo_info){
	        .abi_version = EXO_ABI_VERSION,
	        .tsc_hz = machine->tsc_hz,
	        .tsc_boot = machine->tsc_boot,
	        .wall_boot_ns = machine->wall_boot_ns,
	        .slot_ticks = machine->tsc_hz / SLOTS_PER_SECOND,
	        .save_ticks = machine->tsc_hz / SLOTS_PER_SECOND / SLOTS_SAVE_PART,
	        .n_cores = machine_cores(),
	        .n_ports = n_ports,
	        .ports_offset = EXO_PAGE_SIZE,
	        .slots_offset = slots,
	        .vector_bytes = machine->vector_bytes,
	        .features = machine->features,
	        .disk_sectors = sectors < UINT32_MAX ? sectors : UINT32_MAX, /* a key's range */
	        .screen_width = (uint16_t)screen->width,
	        .screen_height = (uint16_t)screen->height,
	};
	snprintf(core_info->version, sizeof(core_info->version), "%s", SLUICE_VERSION);
	ledger_free_map(&area.map, &area.map_pages, &first, &last);
	show_map(first, last);
	core_info->frames_total = ledger_total(&core_info->frames_free);
}

static int map_pages(struct machine_space *space, uint64_t address, uint64_t frame, uint64_t pages)
{
	int error = 0;

	for (uint64_t i = 0; i < pages && !error; i++)
		error = machine_space_map(space, address + i * EXO_PAGE_SIZE, frame + i,
		                          EXO_RIGHT_READ, NULL);
	return error;
}

int info_map(struct machine_space *space)
{
	int error = map_pages(space, EXO_INFO_ADDR, area.head, area.head_pages);

	if (error)
		return error;
	return map_pages(space, EXO_INFO_ADDR + core_info->free_map_offset, area.map,
	                 area.map_pages);
}

void info_update(void)
{
	net_info_update(core_info,
	                (struct exo_port_info *)((char *)core_info + core_info->ports_offset));
}
