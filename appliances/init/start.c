/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From an entry of the manifest to a running environment, with exactly what the entry grants.
 */
#include <libexo/call.h>
#include <libexo/lib.h>
#include <libexo/printf.h>
#include <libexo/start.h>
#include <libexo/time.h>

#include "init.h"

static uint32_t mailbox_page_count(void)
{
	return exo_pages_for(sizeof(struct exo_mailbox));
}

static int give_arguments(struct exo_child *child, const struct exo_manifest_env *entry)
{
	const char *text = exo_manifest_string(init.payload.manifest, entry->args);

	for (uint32_t i = 0; i < entry->argc; i++) {
		int result = exo_child_argument(child, text);

		if (result < 0)
			return result;
		text += strlen(text) + 1;
	}
	return 0;
}

/* A member of the payload, which lies on pages of its own in the payload's frames. */
static int give_member(struct exo_child *child, uint32_t i)
{
	struct payload *payload = &init.payload;
	const struct member *member = &payload->members[i];
	const char *name = exo_manifest_string(payload->manifest,
	                                       exo_manifest_files(payload->manifest)[i].name);
	uint64_t offset = (uint64_t)((const char *)member->data - payload->base);

	if (offset % EXO_PAGE_SIZE != 0) {
		exo_snprintf(child->error, sizeof(child->error),
		             "content %s does not lie on a page of its own", name);
		return -EXO_EINVAL;
	}
	return exo_child_file(child, name, payload->cap.first + (offset >> EXO_PAGE_SHIFT),
	                      member->size, &payload->cap);
}

static int give_content(struct exo_child *child, const struct exo_manifest_env *entry)
{
	int result = 0;

	for (uint32_t i = 0; result == 0 && i < entry->n_files; i++)
		result = give_member(child, entry->first_file + i);
	if (result == 0 && entry->program != ~0u) {
		result = give_member(child, entry->program);
		child->start->program = child->start->n_files;
	}
	return result;
}

/* One capability of init's, all of it, with fewer rights. */
static int give_all_of(struct exo_child *child, enum exo_start_use use, const char *name,
                       unsigned rights)
{
	const struct exo_cap *own = exo_start_cap(use);

	if (own == NULL) {
		exo_snprintf(child->error, sizeof(child->error), "init has no capability for %s",
		             name);
		return -EXO_EPERM;
	}
	return exo_child_grant(child, use, name, own, rights, own->first, own->count);
}

/* Who may create environments may pass on what these need: frames, the console, slots of its core.
 */
static int give_capabilities(struct exo_child *child, const struct exo_manifest_env *entry)
{
	uint32_t flags = entry->flags;
	unsigned pass = flags & EXO_MANIFEST_ENVS ? EXO_RIGHT_GRANT : 0;
	unsigned machine = (flags & EXO_MANIFEST_POWER ? EXO_RIGHT_CONTROL : 0) |
	                   (flags & EXO_MANIFEST_LEDGER ? EXO_RIGHT_READ : 0);
	unsigned console = (flags & EXO_MANIFEST_CONSOLE ? EXO_RIGHT_WRITE : 0) |
	                   (flags & EXO_MANIFEST_INPUT ? EXO_RIGHT_READ : 0);
	bool control = (flags & EXO_MANIFEST_CONTROL) != 0;
	/* To end or to revoke, one derives a key to the unit from these. */
	unsigned envs =
	        (flags & EXO_MANIFEST_ENVS ? EXO_RIGHT_ALLOC | pass : 0) |
	        (control ? EXO_RIGHT_ALLOC | EXO_RIGHT_GRANT | EXO_RIGHT_CONTROL | EXO_RIGHT_CALL
	                 : 0);
	int result = give_all_of(child, EXO_USE_FRAMES, "frames",
	                         EXO_RIGHT_ALLOC | pass |
	                                 (control ? EXO_RIGHT_GRANT | EXO_RIGHT_FREE : 0));

	if (result >= 0 && console != 0)
		result = give_all_of(child, EXO_USE_CONSOLE, "console", console | pass);
	if (result >= 0 && machine != 0)
		result = give_all_of(child, EXO_USE_MACHINE, "machine", machine);
	if (result >= 0 && control)
		result = give_all_of(child, EXO_USE_SLOTS, "slots",
		                     EXO_RIGHT_ALLOC | EXO_RIGHT_GRANT | EXO_RIGHT_FREE);
	if (result >= 0 && envs != 0)
		result = give_all_of(child, EXO_USE_ENVS, "environments", envs);
	if (result >= 0 && pass != 0 && entry->core < exo_info()->n_cores)
		result = exo_child_grant(child, EXO_USE_SLOTS, "slots",
		                         exo_start_cap(EXO_USE_SLOTS), EXO_RIGHT_ALLOC | pass,
		                         (uint64_t)entry->core * EXO_SLOTS_PER_CORE,
		                         EXO_SLOTS_PER_CORE);
	return result < 0 ? result : 0;
}

/* Its extent and its part of the screen. */
static int give_devices(struct exo_child *child, const struct exo_manifest_env *entry)
{
	int result = 0;

	if (entry->disk_sectors != 0)
		result = exo_child_extent(child, entry->disk_first, entry->disk_sectors);
	if (result == 0 && entry->screen.width != 0)
		result = exo_child_screen(child, &entry->screen);
	return result;
}

/* A box of frames that init keeps over restarts; zeroed anew each time. */
static int give_mailbox(struct service *service, struct exo_child *child)
{
	int result;

	if (!control_serves())
		return 0;
	if (service->mailbox_pages.count == 0) {
		result = exo_pages_alloc(&service->mailbox_pages, mailbox_page_count());
		if (result < 0) {
			exo_snprintf(child->error, sizeof(child->error), "mailbox: %s",
			             exo_error_text(result));
			return result;
		}
	}
	memset(service->mailbox_pages.address, 0, sizeof(struct exo_mailbox));
	exo_mailbox_create(&service->mailbox, service->mailbox_pages.address);
	return exo_child_share(child, &service->mailbox_pages, &child->start->mailbox);
}

/* Gives free slots of its core's vector. */
static int give_slots(struct exo_child *child, const struct exo_manifest_env *entry)
{
	const struct exo_info *info = exo_info();
	const struct exo_slot_info *slots =
	        (const struct exo_slot_info *)((const char *)info + info->slots_offset);
	uint32_t first = entry->core * EXO_SLOTS_PER_CORE, given = 0;
	const struct exo_cap *authority = exo_start_cap(EXO_USE_SLOTS);

	if (entry->core >= info->n_cores || entry->sender > info->n_cores) {
		exo_snprintf(child->error, sizeof(child->error), "core %u: this machine has %u",
		             entry->core >= info->n_cores ? entry->core : entry->sender - 1,
		             info->n_cores);
		return -EXO_ENOENT;
	}
	for (uint32_t i = 0; i < EXO_SLOTS_PER_CORE && given < entry->slots; i++)
		if (slots[first + i].owner == 0 &&
		    exo_slot_take(authority, child->id, first + i, 1) >= 0)
			given++;
	if (given == entry->slots)
		return 0;
	exo_snprintf(child->error, sizeof(child->error), "%u of %u slots on core %u", given,
	             entry->slots, entry->core);
	return -EXO_EBUSY;
}

/* Everything of the payload that the environment gets or binds is what the manifest says. */
static int verify_file(struct exo_child *child, uint32_t file)
{
	const struct exo_manifest *m = init.payload.manifest;
	const char *wrong = payload_verify(&init.payload, file);

	if (wrong == NULL)
		return 0;
	init.damaged = true;
	exo_snprintf(child->error, sizeof(child->error), "payload: %s: %s",
	             exo_manifest_string(m, exo_manifest_files(m)[file].name), wrong);
	return -EXO_EINVAL;
}

static int verify(struct exo_child *child, const struct exo_manifest_env *entry)
{
	const struct exo_manifest_flow *flows =
	        exo_manifest_flows(init.payload.manifest) + entry->first_flow;
	int result = verify_file(child, entry->image);

	if (result == 0 && entry->program != ~0u)
		result = verify_file(child, entry->program);
	for (uint32_t i = 0; result == 0 && i < entry->n_files; i++)
		result = verify_file(child, entry->first_file + i);
	for (uint32_t i = 0; result == 0 && i < entry->n_flows; i++)
		if (flows[i].program != ~0u)
			result = verify_file(child, flows[i].program);
	return result;
}

static int build(struct service *service, struct exo_child *child)
{
	const struct exo_manifest_env *entry = service->entry;
	const struct member *image = &init.payload.members[entry->image];
	int result;

	memset(child, 0, sizeof(*child));
	result = verify(child, entry);
	if (result == 0)
		result = exo_child_create_flags(child, service->name, entry->frames,
		                                init.options.cores ? EXO_ENV_HOLD : 0);
	if (result == 0)
		result = exo_child_image(child, image->data, image->size);
	if (result == 0)
		result = give_arguments(child, entry);
	if (result == 0)
		result = give_content(child, entry);
	if (result == 0)
		result = give_capabilities(child, entry);
	if (result == 0)
		result = give_devices(child, entry);
	if (result == 0)
		result = flows_give(child, entry);
	if (result == 0)
		result = give_mailbox(service, child);
	if (result == 0)
		result = give_slots(child, entry);
	if (result < 0)
		return result;
	child->start->sender = entry->sender;
	return exo_child_start(child, entry->core);
}

static void say_not_started(const struct service *service, int result)
{
	exo_printf("%s: not started: %s\n", service->name, service->child.error);
	if (result == -EXO_ENOMEM)
		exo_printf("%s: not started: %llu KiB are free, and it wants up to %llu KiB: give "
		           "the machine more memory\n",
		           service->name, (unsigned long long)exo_info()->frames_free * 4,
		           (unsigned long long)service->entry->frames * 4);
}

bool service_start(struct service *service)
{
	int result;

	service->hello = service->done = false;
	service->result = -EXO_ENOENT;
	service->started_at = exo_time_now_ns();
	result = build(service, &service->child);
	if (result < 0) {
		say_not_started(service, result);
		exo_child_abandon(&service->child);
		service->state = SERVICE_OFF;
		init.failed = true;
		return false;
	}
	service->state = SERVICE_RUNNING;
	return true;
}

uint32_t service_lacks(const struct service *service)
{
	uint32_t there = 0;

	for (unsigned i = 0; i < init.options.n_addresses; i++)
		if (init.options.addresses[i].family != 0)
			there |= 1u << i;
	return service->needs & ~there;
}

void service_readdress(uint32_t addresses)
{
	for (uint32_t i = 0; i < init.n_services; i++) {
		struct service *service = &init.services[i];

		if ((service->needs & addresses) == 0)
			continue;
		if (service->state == SERVICE_UNADDRESSED && service_lacks(service) == 0) {
			service->state = SERVICE_WAITING;
			service->restart_at = 0;
		} else if (service->state == SERVICE_RUNNING && !service->moving) {
			service->moving = true;
			exo_env_end(&service->child.cap);
		}
	}
}
