/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Flow spaces: each of the manifest's flows becomes a flow-space object of the child's own, derived
 * from init's, and, if it receives, an entry among what the child is to bind. Its tables (binds,
 * conjunctions, programs) lie behind one another in one block of the child's read-only memory.
 */
#include <libexo/call.h>
#include <libexo/lib.h>
#include <libexo/memory.h>
#include <libexo/printf.h>
#include <libexo/start.h>

#include "init.h"
#include "lease.h"

enum { ETHERNET_MTU = 1500 };

/* The block being written, and where the child sees it. */
struct block {
	char *view;
	uint64_t address, used, size;
};

static struct flt_conjunction receive_set[FLT_FLOW_CONJUNCTIONS_MAX];
static struct flt_conjunction transmit_set[FLT_FLOW_CONJUNCTIONS_MAX];

static uint64_t round8(uint64_t size)
{
	return (size + 7) & ~7ull;
}

/* Room in the block, and the child's address of it. Its size was summed up before. */
static void *take(struct block *block, uint64_t size, uint64_t *address)
{
	void *at = block->view + block->used;

	*address = block->address + block->used;
	block->used += round8(size);
	return at;
}

static const struct exo_start_address *address_of(const struct exo_manifest_flow *flow)
{
	return flow->address < init.options.n_addresses ? &init.options.addresses[flow->address]
	                                                : NULL;
}

static uint64_t ports_of(const struct exo_manifest_flow *flow)
{
	const struct exo_start_address *address = address_of(flow);

	if (flow->ports != 0)
		return flow->ports;
	return 1ull << (address != NULL ? address->port : 0);
}

static struct symbols symbols_of(const struct exo_manifest_flow *flow)
{
	unsigned port = (unsigned)__builtin_ctzll(ports_of(flow));
	const struct exo_port_info *info = exo_port_info(port);

	const struct exo_start_address *address = address_of(flow);

	return (struct symbols){.address = address != NULL && address->family != 0 ? address : NULL,
	                        .mac = info == NULL ? NULL : info->mac};
}

static int failed(struct exo_child *child, const struct exo_manifest_flow *flow, int result,
                  const char *why)
{
	exo_snprintf(child->error, sizeof(child->error), "flow %s: %s",
	             exo_manifest_string(init.payload.manifest, flow->name), why);
	return result;
}

/* The flow's sets in receive_set and transmit_set, addresses filled in. NULL, or what is missing.
 */
static const char *fill_sets(const struct exo_manifest_flow *flow, const struct symbols *symbols)
{
	const struct exo_manifest *m = init.payload.manifest;
	const struct flt_conjunction *all = exo_manifest_conjunctions(m);
	const char *wrong;

	memcpy(receive_set, all + flow->first_receive, flow->n_receive * sizeof(*all));
	memcpy(transmit_set, all + flow->first_transmit, flow->n_transmit * sizeof(*all));
	wrong = relocate_conjunctions(m, flow, EXO_PLACE_RECEIVE, symbols, receive_set);
	if (wrong == NULL)
		wrong = relocate_conjunctions(m, flow, EXO_PLACE_TRANSMIT, symbols, transmit_set);
	return wrong;
}

static unsigned rights_of(const struct exo_manifest_flow *flow)
{
	return (flow->n_receive > 0 ? EXO_RIGHT_BIND : 0) |
	       (flow->n_transmit > 0 ? EXO_RIGHT_SEND : 0) | flow->flags >> 16;
}

/* A NIC function can be given where an IOMMU keeps its DMA to its environment's frames, or where
 * the manifest says that it need not. NULL, or why it can't. */
static const char *check_function(const struct exo_child *child,
                                  const struct exo_manifest_flow *flow)
{
	uint64_t ports = ports_of(flow);
	unsigned port = (unsigned)__builtin_ctzll(ports);
	const struct exo_port_info *info = exo_port_info(port);

	if ((flow->flags & EXO_START_FUNCTION) == 0)
		return NULL;
	if (ports != 1ull << port || info == NULL || (info->flags & EXO_PORT_FUNCTION) == 0)
		return "its port is no virtual function (functions=N on the command line makes "
		       "some)";
	if (info->slots != 0)
		return NULL;
	if ((flow->flags & EXO_MANIFEST_UNPROTECTED) == 0)
		return "no IOMMU keeps the function from anybody's memory; 'unprotected = true' "
		       "gives it all the same";
	exo_printf("flow %s: port %u is a function that is unprotected: no IOMMU keeps it from "
	           "anybody's memory\n",
	           exo_manifest_string(init.payload.manifest, flow->name), port);
	return NULL;
}

/* → index of the new capability on the start page, or error. */
static int grant_space(struct exo_child *child, const struct exo_manifest_flow *flow)
{
	const struct exo_cap *root = exo_start_cap(EXO_USE_FLOW);
	struct exo_flow_grant block = {
	        .to = child->id,
	        .rights = (uint16_t)rights_of(flow),
	        .priority_max = flow->priority,
	        .n_receive = flow->n_receive,
	        .n_transmit = flow->n_transmit,
	        .ports = ports_of(flow),
	        .receive = (uintptr_t)receive_set,
	        .transmit = (uintptr_t)transmit_set,
	};
	int result;

	if (root == NULL)
		return failed(child, flow, -EXO_EPERM, "init has no flow space");
	block.space = *root;
	result = exo_flow_grant(&block);
	if (result < 0)
		return failed(child, flow, result, exo_error_text(result));
	return exo_child_give(child, EXO_USE_FLOW,
	                      exo_manifest_string(init.payload.manifest, flow->name), &block.out);
}

/* Copies the flow's program into the block, addresses filled in. NULL, or what is missing. */
static const char *copy_program(struct block *block, const struct exo_manifest_flow *flow,
                                const struct symbols *symbols, struct exo_start_bind *bind)
{
	const struct member *file;
	void *program;

	bind->program_kind = flow->program_kind;
	if (flow->program_kind == EXO_PROGRAM_NONE)
		return NULL;
	file = &init.payload.members[flow->program];
	program = take(block, file->size, &bind->program);
	memcpy(program, file->data, file->size);
	bind->program_size = (uint32_t)file->size;
	if (flow->program_kind != EXO_PROGRAM_CBPF)
		return NULL;
	return relocate_program(init.payload.manifest, flow, symbols, program);
}

static int add_bind(struct exo_child *child, struct block *block,
                    const struct exo_manifest_flow *flow, const struct symbols *symbols, int space,
                    struct exo_start_bind *bind)
{
	const struct exo_manifest *m = init.payload.manifest;
	size_t size = flow->n_receive * sizeof(struct flt_conjunction);
	const char *wrong;

	exo_text_copy(bind->name, sizeof(bind->name), exo_manifest_string(m, flow->name));
	exo_text_copy(bind->text, sizeof(bind->text), exo_manifest_string(m, flow->text));
	bind->flags = flow->flags & 0xffff & (uint32_t)~EXO_MANIFEST_UNPROTECTED;
	bind->port = (uint32_t)__builtin_ctzll(ports_of(flow));
	bind->priority = flow->priority;
	bind->space = (uint32_t)space;
	bind->n_conjunctions = flow->n_receive;
	memcpy(take(block, size, &bind->conjunctions), receive_set, size);
	wrong = copy_program(block, flow, symbols, bind);
	return wrong == NULL ? 0 : failed(child, flow, -EXO_EINVAL, wrong);
}

/* Bytes of tables for all flows, and how many of these receive. */
static uint64_t sum_up(const struct exo_manifest_flow *flows, uint32_t n, uint32_t *n_binds)
{
	uint64_t size = 0;

	*n_binds = 0;
	for (uint32_t i = 0; i < n; i++) {
		if (flows[i].n_receive == 0)
			continue;
		++*n_binds;
		size += sizeof(struct exo_start_bind) +
		        flows[i].n_receive * sizeof(struct flt_conjunction);
		if (flows[i].program_kind != EXO_PROGRAM_NONE)
			size += round8(init.payload.members[flows[i].program].size);
	}
	return size;
}

static int give_each(struct exo_child *child, const struct exo_manifest_flow *flows, uint32_t n,
                     struct block *block, struct exo_start_bind *bind)
{
	for (uint32_t i = 0; i < n; i++) {
		struct symbols symbols = symbols_of(&flows[i]);
		const char *wrong = check_function(child, &flows[i]);
		int result;

		if (wrong == NULL)
			wrong = fill_sets(&flows[i], &symbols);
		if (wrong != NULL)
			return failed(child, &flows[i], -EXO_EINVAL, wrong);
		result = grant_space(child, &flows[i]);
		if (result >= 0 && flows[i].n_receive > 0)
			result = add_bind(child, block, &flows[i], &symbols, result, bind++);
		if (result < 0)
			return result;
	}
	return 0;
}

static void give_addresses(struct exo_child *child, const struct exo_manifest_env *entry)
{
	struct exo_start *start = child->start;

	/* Places are kept: address i of the manifest is address i of the start page. */
	for (unsigned i = 0; i < init.options.n_addresses; i++) {
		if ((entry->addresses >> i & 1) == 0)
			continue;
		start->addresses[i] = init.options.addresses[i];
		start->n_addresses = i + 1;
	}
	if (start->n_addresses > 0)
		lease_servers(start);
}

/* The neighbour tables of addresses that several share: init's frames, for they outlive each of the
 * environments. */
static struct exo_pages tables[EXO_START_ADDRESSES_MAX];

/* Whoever hosts the address writes its table, anew; who shares it may look. */
static int give_table(struct exo_child *child, const struct exo_manifest_flow *flow)
{
	bool hosts = (flow->flags & EXO_BIND_HOST) != 0;
	bool shares = (flow->flags >> 16 & EXO_RIGHT_SHARE) != 0;
	struct exo_start_address *address;
	struct exo_pages *table;
	int result = 0;

	if ((!hosts && !shares) || flow->address >= child->start->n_addresses)
		return 0;
	address = &child->start->addresses[flow->address];
	table = &tables[flow->address];
	if (address->neighbours != 0)
		return 0;
	if (table->address == NULL)
		result = exo_pages_alloc(table, 1);
	if (result < 0)
		return result;
	if (hosts)
		memset(table->address, 0, EXO_PAGE_SIZE);
	address->publishes = hosts;
	return hosts ? exo_child_share(child, table, &address->neighbours)
	             : exo_child_show(child, table, &address->neighbours);
}

static int give_tables(struct exo_child *child, const struct exo_manifest_env *entry)
{
	const struct exo_manifest_flow *flows =
	        exo_manifest_flows(init.payload.manifest) + entry->first_flow;
	int result = 0;

	for (uint32_t i = 0; result == 0 && i < entry->n_flows; i++)
		result = give_table(child, &flows[i]);
	return result;
}

void flows_end(void)
{
	for (unsigned i = 0; i < EXO_START_ADDRESSES_MAX; i++)
		if (tables[i].address != NULL)
			exo_pages_free(&tables[i]);
}

bool flows_complete_address(struct exo_start_address *address)
{
	const struct exo_port_info *port = exo_port_info(address->port);
	uint16_t mtu;

	if (port == NULL)
		return false;
	memcpy(address->mac, port->mac, sizeof(port->mac));
	/* A port may take longer frames than the stations on its wire do. */
	mtu = port->mtu < ETHERNET_MTU ? port->mtu : ETHERNET_MTU;
	if (address->mtu == 0 || address->mtu > mtu)
		address->mtu = mtu;
	return true;
}

uint32_t flows_addresses(const struct exo_manifest_flow *flows, uint32_t n, uint32_t *six)
{
	uint32_t addresses = 0;

	*six = 0;
	for (uint32_t i = 0; i < n; i++) {
		uint8_t family = relocate_family(init.payload.manifest, &flows[i]);

		if (family == 0)
			continue;
		addresses |= 1u << flows[i].address;
		if (family == 6)
			*six |= 1u << flows[i].address;
	}
	return addresses;
}

int flows_give(struct exo_child *child, const struct exo_manifest_env *entry)
{
	const struct exo_manifest_flow *flows =
	        exo_manifest_flows(init.payload.manifest) + entry->first_flow;
	struct block block = {0};
	uint32_t n_binds;
	void *view;
	int result;

	give_addresses(child, entry);
	result = give_tables(child, entry);
	if (result < 0)
		return result;
	block.size = sum_up(flows, entry->n_flows, &n_binds);
	result = exo_child_table(child, block.size, &block.address, &view);
	if (result < 0)
		return result;
	block.view = view;
	child->start->n_binds = n_binds;
	child->start->binds = block.address;
	block.used = round8(n_binds * sizeof(struct exo_start_bind));
	result = give_each(child, flows, entry->n_flows, &block, view);
	if (view != NULL)
		exo_child_unview(view, exo_pages_for(block.size));
	return result;
}
