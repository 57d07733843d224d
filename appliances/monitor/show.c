/* SPDX-License-Identifier: BSD-2-Clause */
/* What the monitor shows. */
#include <libexo/call.h>
#include <libexo/lib.h>
#include <libexo/printf.h>
#include <libexo/start.h>
#include <libexo/time.h>

#include "monitor.h"

enum {
	ROOM = 16, /* entries asked for at a time */
	OWNERS_MAX = 128,
};

static const char *const states[] = {"new", "running", "exited", "faulted", "killed"};

/* ---- Walking the ledger ---- */

struct walk {
	struct exo_listing listing;
	struct exo_ledger_entry entries[ROOM];
	uint32_t next;
	bool started;
};

/* The next entry of a kind, or NULL; says why where the ledger can't be read. */
static const struct exo_ledger_entry *next(struct walk *walk, uint32_t kind)
{
	const struct exo_cap *machine = exo_start_cap(EXO_USE_MACHINE);
	int result = -EXO_EPERM;

	if (walk->started && walk->next < walk->listing.n)
		return &walk->entries[walk->next++];
	if (walk->started && walk->listing.cursor == 0)
		return NULL;
	walk->listing.kind = kind;
	walk->listing.room = ROOM;
	walk->listing.entries = (uintptr_t)walk->entries;
	walk->started = true;
	walk->next = 0;
	if (machine != NULL) {
		walk->listing.machine = *machine;
		result = exo_ledger(&walk->listing);
	}
	if (result < 0) {
		exo_printf("the ledger can't be read: %s (the manifest's may = [ \"ledger\" ] "
		           "allows it)\n",
		           exo_error_text(result));
		walk->listing.n = 0;
		walk->listing.cursor = 0;
		return NULL;
	}
	return walk->next < walk->listing.n ? &walk->entries[walk->next++] : NULL;
}

const char *name_of(uint32_t id, char name[EXO_NAME_MAX])
{
	struct walk walk = {.started = false};
	const struct exo_ledger_entry *entry;

	exo_text_copy(name, EXO_NAME_MAX, id == 0 ? "-" : "?");
	while (id != 0 && (entry = next(&walk, EXO_KIND_ENV)) != NULL)
		if (entry->first == id)
			exo_text_copy(name, EXO_NAME_MAX, entry->note);
	return name;
}

bool parse_number(const char *word, uint64_t *number)
{
	unsigned i = 0;

	*number = 0;
	for (; word[i] >= '0' && word[i] <= '9' && i < 18; i++)
		*number = *number * 10 + (uint64_t)(word[i] - '0');
	if (i > 0 && word[i] == 0)
		return true;
	exo_printf("'%s' is no number\n", word);
	return false;
}

uint32_t find_env(const char *word)
{
	struct walk walk = {.started = false};
	const struct exo_ledger_entry *entry;
	uint32_t found = 0;
	char id[16];

	while ((entry = next(&walk, EXO_KIND_ENV)) != NULL) {
		exo_snprintf(id, sizeof(id), "%llu", (unsigned long long)entry->first);
		/* Of several with one name the one that lives, and the youngest of those. */
		if (strcmp(id, word) == 0)
			return (uint32_t)entry->first;
		if (strcmp(entry->note, word) == 0 && entry->rights <= EXO_ENV_RUNNING)
			found = (uint32_t)entry->first;
	}
	if (found == 0)
		exo_printf("no environment '%s' lives; 'envs' lists them\n", word);
	return found;
}

uint32_t count_bindings(uint32_t env)
{
	struct walk walk = {.started = false};
	const struct exo_ledger_entry *entry;
	uint32_t n = 0;

	while ((entry = next(&walk, EXO_KIND_BINDING)) != NULL)
		n += entry->owner == env;
	return n;
}

/* ---- Environments ---- */

static void show_account(const struct exo_ledger_entry *entry)
{
	struct exo_env_status status = {.state = 0};
	const struct exo_account *a = &status.account;

	if (derive_key(EXO_USE_ENVS, entry->first, 1, EXO_RIGHT_CONTROL, &status.env) < 0 ||
	    exo_env_status(&status) < 0) {
		exo_printf("%5llu %-16s %-8s parent %u, %llu frames\n",
		           (unsigned long long)entry->first, entry->note,
		           entry->rights < 5 ? states[entry->rights] : "?", entry->owner,
		           (unsigned long long)entry->uses);
		return;
	}
	exo_printf("%5llu %-16s %-8s %6u %6llu %6llu %5llu %9llu %8llu %8llu %7llu\n",
	           (unsigned long long)entry->first, entry->note,
	           status.state < 5 ? states[status.state] : "?", entry->owner,
	           (unsigned long long)a->frames, (unsigned long long)a->frames_max,
	           (unsigned long long)a->slots,
	           (unsigned long long)(exo_time_ns(a->ticks_used) / 1000),
	           (unsigned long long)a->calls, (unsigned long long)a->upcalls,
	           (unsigned long long)a->faults);
}

void show_envs(char *const *words)
{
	struct walk walk = {.started = false};
	const struct exo_ledger_entry *entry;

	exo_printf("   id name             state    parent frames     of slots        us    calls  "
	           "upcalls  faults\n");
	while ((entry = next(&walk, EXO_KIND_ENV)) != NULL)
		show_account(entry);
}

/* ---- Frames ---- */

static void show_runs(uint32_t id)
{
	struct walk walk = {.started = false};
	const struct exo_ledger_entry *entry;

	while ((entry = next(&walk, EXO_KIND_FRAME)) != NULL)
		if (entry->owner == id)
			exo_printf("frames %llu to %llu: %s, %llu mappings and pins\n",
			           (unsigned long long)entry->first,
			           (unsigned long long)(entry->first + entry->count - 1),
			           entry->note, (unsigned long long)entry->uses);
}

static struct total {
	uint32_t owner;
	char note[12];
	uint64_t frames;
} totals[OWNERS_MAX];

static unsigned add_total(unsigned n, const struct exo_ledger_entry *entry)
{
	unsigned i = 0;

	while (i < n && (totals[i].owner != entry->owner ||
	                 strncmp(totals[i].note, entry->note, sizeof(totals[i].note) - 1) != 0))
		i++;
	if (i == OWNERS_MAX)
		return n;
	if (i == n) {
		totals[i] = (struct total){.owner = entry->owner};
		exo_text_copy(totals[i].note, sizeof(totals[i].note), entry->note);
		n++;
	}
	totals[i].frames += entry->count;
	return n;
}

void show_frames(char *const *words)
{
	struct walk walk = {.started = false};
	const struct exo_ledger_entry *entry;
	char name[EXO_NAME_MAX];
	unsigned n = 0;

	if (words[1] != NULL) {
		uint32_t id = find_env(words[1]);

		if (id != 0)
			show_runs(id);
		return;
	}
	while ((entry = next(&walk, EXO_KIND_FRAME)) != NULL)
		n = add_total(n, entry);
	for (unsigned i = 0; i < n; i++)
		exo_printf("%8llu frames %-8s %s\n", (unsigned long long)totals[i].frames,
		           totals[i].note, name_of(totals[i].owner, name));
	exo_printf("%8llu of %llu are free\n", (unsigned long long)exo_info()->frames_free,
	           (unsigned long long)exo_info()->frames_total);
}

/* ---- Everything that is a list ---- */

static void show_kind(uint32_t kind, const char *what)
{
	struct walk walk = {.started = false};
	const struct exo_ledger_entry *entry;
	char name[EXO_NAME_MAX];
	unsigned n = 0;

	for (; (entry = next(&walk, kind)) != NULL; n++)
		exo_printf("%s %llu: %s%s%s, %llu uses\n", what, (unsigned long long)entry->first,
		           name_of(entry->owner, name), entry->note[0] ? ", " : "", entry->note,
		           (unsigned long long)entry->uses);
	if (n == 0)
		exo_printf("there are none\n");
}

void show_slots(char *const *words)
{
	struct walk walk = {.started = false};
	const struct exo_ledger_entry *entry;
	char name[EXO_NAME_MAX];

	while ((entry = next(&walk, EXO_KIND_SLOT)) != NULL) {
		uint64_t first = entry->first % EXO_SLOTS_PER_CORE;

		exo_printf("core %llu, slots %2llu to %2llu: %s\n",
		           (unsigned long long)(entry->first / EXO_SLOTS_PER_CORE),
		           (unsigned long long)first,
		           (unsigned long long)(first + entry->count - 1),
		           entry->owner ? name_of(entry->owner, name) : "free");
	}
}

void show_flows(char *const *words)
{
	show_kind(EXO_KIND_FLOW, "flow space");
}

void show_bindings(char *const *words)
{
	show_kind(EXO_KIND_BINDING, "binding");
}

void show_rings(char *const *words)
{
	show_kind(EXO_KIND_RING, "ring");
}

void show_screen(char *const *words)
{
	exo_printf("the screen has %ux%u pixels\n", exo_info()->screen_width,
	           exo_info()->screen_height);
	show_kind(EXO_KIND_SCREEN, "rectangle");
}

void show_disks(char *const *words)
{
	struct walk walk = {.started = false};
	const struct exo_ledger_entry *entry;
	char name[EXO_NAME_MAX];

	exo_printf("the disks have %llu sectors\n", (unsigned long long)exo_info()->disk_sectors);
	while ((entry = next(&walk, EXO_KIND_EXTENT)) != NULL)
		exo_printf("sectors %llu to %llu: %s, %llu requests under way\n",
		           (unsigned long long)entry->first,
		           (unsigned long long)(entry->first + entry->count - 1),
		           name_of(entry->owner, name), (unsigned long long)entry->uses);
}

/* ---- Information pages ---- */

void show_ports(char *const *words)
{
	const struct exo_info *info = exo_info();
	const struct exo_port_info *ports =
	        (const struct exo_port_info *)((const char *)info + info->ports_offset);

	for (uint32_t i = 0; i < info->n_ports; i++) {
		const struct exo_port_info *p = &ports[i];

		exo_printf("port %u: %s at %s, %02x:%02x:%02x:%02x:%02x:%02x, mtu %u, ", i,
		           p->driver, p->bus, p->mac[0], p->mac[1], p->mac[2], p->mac[3], p->mac[4],
		           p->mac[5], p->mtu);
		if (p->link_mbps == 0)
			exo_printf("link down\n");
		else
			exo_printf("%u Mbit/s\n", p->link_mbps);
		exo_printf("        received %llu (%llu bytes), sent %llu (%llu bytes); lost: "
		           "%llu no buffer, %llu damaged, %llu nobody's, %llu malformed\n",
		           (unsigned long long)p->rx_packets, (unsigned long long)p->rx_bytes,
		           (unsigned long long)p->tx_packets, (unsigned long long)p->tx_bytes,
		           (unsigned long long)p->drops.nic,
		           (unsigned long long)p->drops.nic_errors,
		           (unsigned long long)p->drops.unmatched,
		           (unsigned long long)p->drops.malformed);
		if (p->rx_queues > 1)
			exo_printf("        %u receive queues, %llu by the busiest\n", p->rx_queues,
			           (unsigned long long)p->rx_busiest);
	}
	if (info->n_ports == 0)
		exo_printf("there are none\n");
}

static void show_lost(const struct exo_ledger_entry *entry)
{
	struct exo_env_status status = {.state = 0};
	const struct exo_account *a = &status.account;

	if (derive_key(EXO_USE_ENVS, entry->first, 1, EXO_RIGHT_CONTROL, &status.env) < 0 ||
	    exo_env_status(&status) < 0)
		return;
	exo_printf("%5llu %-16s %9llu %9llu %9llu %9llu %9llu %9llu\n",
	           (unsigned long long)entry->first, entry->note,
	           (unsigned long long)a->rx_no_buffer, (unsigned long long)a->rx_ring_full,
	           (unsigned long long)a->tx_refused, (unsigned long long)a->bad_descriptors,
	           (unsigned long long)a->tx_waited, (unsigned long long)a->completions_lost);
}

/* In the order in which a packet meets the stages: the ports' before anybody is known to be
 * concerned, then each environment's own. */
void show_drops(char *const *words)
{
	struct walk walk = {.started = false};
	const struct exo_ledger_entry *entry;

	exo_printf(
	        " port       nic      pool   damaged malformed  nobody's      taps  fragments\n");
	for (uint32_t i = 0; i < exo_info()->n_ports; i++) {
		const struct exo_drops *d = &exo_port_info(i)->drops;
		unsigned long long fragments = d->fragments_expired + d->fragments_crowded;

		exo_printf("%5u %9llu %9llu %9llu %9llu %9llu %9llu  %9llu\n", i,
		           (unsigned long long)d->nic, (unsigned long long)d->pool,
		           (unsigned long long)d->nic_errors, (unsigned long long)d->malformed,
		           (unsigned long long)d->unmatched, (unsigned long long)d->tap_lost,
		           fragments);
	}
	exo_printf("   id name             no buffer ring full   refused bad descr.    waited  "
	           "reports\n");
	while ((entry = next(&walk, EXO_KIND_ENV)) != NULL)
		show_lost(entry);
}

void show_machine(char *const *words)
{
	const struct exo_info *info = exo_info();

	exo_printf("Sluice %s, up %llu s; %u cores, TSC %llu kHz, slots of %llu us\n",
	           info->version, (unsigned long long)(exo_time_now_ns() / 1000000000),
	           info->n_cores, (unsigned long long)(info->tsc_hz / 1000),
	           (unsigned long long)(exo_time_ns(info->slot_ticks) / 1000));
	exo_printf("%llu of %llu frames free; %llu polls of the network, %llu of them empty\n",
	           (unsigned long long)info->frames_free, (unsigned long long)info->frames_total,
	           (unsigned long long)info->polls, (unsigned long long)info->polls_empty);
}
