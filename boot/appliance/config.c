/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading the text manifest (libconfig) into the model. boot/MANIFEST.md is the grammar.
 */
#include <libconfig.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>

#include <exo/flow.h>
#include <exo/manifest.h>

#include "buffer.h"
#include "model.h"

enum { SLOTS_MAX = 1024, FRAMES_MAX = 1 << 24, ADDRESSES_MAX = 8 };

static struct place place_of(const config_setting_t *setting)
{
	const char *file = config_setting_source_file(setting);
	return (struct place){.file = file ? file : "manifest",
	                      .line = config_setting_source_line(setting)};
}

/* A name that is not in the list (of NULL-terminated names) is a mistake, not an extension. */
static void check_names(const config_setting_t *group, const char *const *known)
{
	for (int i = 0; i < config_setting_length(group); i++) {
		const config_setting_t *member = config_setting_get_elem(group, (unsigned)i);
		const char *name = config_setting_name(member);
		size_t k = 0;
		while (known[k] && strcmp(known[k], name) != 0)
			k++;
		if (!known[k])
			refuse(place_of(member), "there is no setting '%s' here", name);
	}
}

static const char *text_of(const config_setting_t *setting)
{
	if (config_setting_type(setting) != CONFIG_TYPE_STRING)
		refuse(place_of(setting), "a text in quotes is expected");
	return must_copy(config_setting_get_string(setting));
}

/* The text, or NULL where there is none. */
static const char *get_text(const config_setting_t *group, const char *name)
{
	const config_setting_t *member = config_setting_get_member(group, name);
	return member ? text_of(member) : NULL;
}

static long long number_of(const config_setting_t *setting, long long low, long long high)
{
	int type = config_setting_type(setting);
	if (type != CONFIG_TYPE_INT && type != CONFIG_TYPE_INT64)
		refuse(place_of(setting), "a whole number is expected");
	long long value = config_setting_get_int64(setting);
	if (type == CONFIG_TYPE_INT)
		value = config_setting_get_int(setting);
	if (value < low || value > high)
		refuse(place_of(setting), "%lld is not between %lld and %lld", value, low, high);
	return value;
}

static long long get_number(const config_setting_t *group, const char *name, long long low,
                            long long high, long long otherwise)
{
	const config_setting_t *member = config_setting_get_member(group, name);
	return member ? number_of(member, low, high) : otherwise;
}

static bool get_bool(const config_setting_t *group, const char *name)
{
	const config_setting_t *member = config_setting_get_member(group, name);
	if (!member)
		return false;
	if (config_setting_type(member) != CONFIG_TYPE_BOOL)
		refuse(place_of(member), "true or false is expected");
	return config_setting_get_bool(member);
}

/* An array or list; NULL where there is none. */
static const config_setting_t *get_list(const config_setting_t *group, const char *name)
{
	const config_setting_t *member = config_setting_get_member(group, name);
	if (member && !config_setting_is_array(member) && !config_setting_is_list(member))
		refuse(place_of(member), "a list is expected");
	return member;
}

/* A list of numbers below limit, as a bit set. */
static uint32_t get_set(const config_setting_t *group, const char *name, int limit)
{
	const config_setting_t *list = get_list(group, name);
	uint32_t set = 0;
	for (int i = 0; list && i < config_setting_length(list); i++)
		set |= 1u << number_of(config_setting_get_elem(list, (unsigned)i), 0, limit - 1);
	return set;
}

static const char *get_name(const config_setting_t *group, size_t longest)
{
	const char *name = get_text(group, "name");
	if (!name)
		refuse(place_of(group), "it has no name");
	if (!name[0] || strlen(name) > longest)
		refuse(place_of(group), "'%s': a name has 1 to %zu characters here", name, longest);
	return name;
}

/* The last part of a path, as a new text. */
static const char *last_part(const char *path)
{
	char *copy = must_copy(path);
	return basename(copy);
}

static int add_named(struct model *model, const config_setting_t *setting)
{
	const char *path = text_of(setting);
	return model_add_file(model, place_of(setting), last_part(path), path);
}

static void read_flow(struct model *model, const config_setting_t *group, struct model_flow *flow)
{
	static const char *const known[] = {
	        "name",     "receive",  "transmit",    "address", "family", "ports",
	        "priority", "program",  "host",        "tap",     "count",  "share",
	        "standby",  "function", "unprotected", "sent",    NULL};
	if (!config_setting_is_group(group))
		refuse(place_of(group), "a flow is a group in braces");
	check_names(group, known);
	const config_setting_t *receive = config_setting_get_member(group, "receive");
	const config_setting_t *transmit = config_setting_get_member(group, "transmit");
	const config_setting_t *program = config_setting_get_member(group, "program");
	if (!receive && !transmit)
		refuse(place_of(group), "the flow neither receives nor transmits");
	if (program && !receive)
		refuse(place_of(program), "a program narrows what is received, and there is none");
	*flow = (struct model_flow){
	        .place = place_of(group),
	        .name = get_name(group, MODEL_FLOW_NAME_MAX),
	        .receive = receive ? text_of(receive) : NULL,
	        .transmit = transmit ? text_of(transmit) : NULL,
	        .receive_place = place_of(receive ? receive : group),
	        .transmit_place = place_of(transmit ? transmit : group),
	        .host = get_bool(group, "host"),
	        .tap = get_bool(group, "tap"),
	        .sent = get_bool(group, "sent"),
	        .count = get_bool(group, "count"),
	        .share = get_bool(group, "share"),
	        .standby = get_bool(group, "standby"),
	        .function = get_bool(group, "function"),
	        .unprotected = get_bool(group, "unprotected"),
	        .priority = (int32_t)get_number(group, "priority", INT32_MIN, INT32_MAX, 0),
	        .address = (uint32_t)get_number(group, "address", 0, ADDRESSES_MAX - 1, 0),
	        .family = (int)get_number(group, "family", 4, 6, 4),
	        .ports = get_set(group, "ports", EXO_PORTS_MAX),
	        .program = program ? add_named(model, program) : MODEL_NONE,
	};
	if (flow->family == 5)
		refuse(flow->place, "the family is 4 or 6");
	if (flow->count && !flow->tap)
		refuse(flow->place, "only a tap can be there just to count");
	if (flow->sent && !flow->tap)
		refuse(flow->place, "only a tap can hear what is sent");
	if (flow->host && flow->tap)
		refuse(flow->place, "a flow is the host's or a tap, not both");
	if (flow->function &&
	    (!receive || flow->receive[0] || program || flow->host || flow->tap || flow->standby))
		refuse(flow->place,
		       "a function's flow receives \"\", which is all that comes to it");
	if (flow->unprotected && !flow->function)
		refuse(flow->place, "only a function can be unprotected");
}

static void read_flows(struct model *model, const config_setting_t *group, struct model_env *env)
{
	const config_setting_t *list = get_list(group, "flows");
	env->n_flows = list ? (size_t)config_setting_length(list) : 0;
	env->flows = must_alloc(env->n_flows * sizeof(*env->flows));
	for (size_t i = 0; i < env->n_flows; i++)
		read_flow(model, config_setting_get_elem(list, (unsigned)i), &env->flows[i]);
}

static int read_content_file(struct model *model, const config_setting_t *setting)
{
	static const char *const known[] = {"name", "file", "prepare", NULL};
	if (!config_setting_is_group(setting))
		return add_named(model, setting);
	check_names(setting, known);
	const char *path = get_text(setting, "file"), *program = get_text(setting, "prepare");
	if (!path)
		refuse(place_of(setting), "it names no file");
	if (program)
		return model_prepare_file(model, place_of(setting),
		                          get_name(setting, MODEL_FILE_NAME_MAX), path, program);
	return model_add_file(model, place_of(setting), get_name(setting, MODEL_FILE_NAME_MAX),
	                      path);
}

static void read_content(struct model *model, const config_setting_t *group, struct model_env *env)
{
	const config_setting_t *list = get_list(group, "content");
	env->n_content = list ? (size_t)config_setting_length(list) : 0;
	env->content = must_alloc(env->n_content * sizeof(*env->content));
	for (size_t i = 0; i < env->n_content; i++)
		env->content[i] =
		        read_content_file(model, config_setting_get_elem(list, (unsigned)i));
}

/* Program name and arguments, one after another. */
static void read_arguments(const config_setting_t *group, const char *image, struct model_env *env)
{
	struct buffer args = {0};
	const char *name = last_part(image);
	buffer_append(&args, name, strlen(name) + 1);
	const config_setting_t *list = get_list(group, "arguments");
	env->argc = 1;
	for (int i = 0; list && i < config_setting_length(list); i++, env->argc++) {
		const char *text = text_of(config_setting_get_elem(list, (unsigned)i));
		buffer_append(&args, text, strlen(text) + 1);
	}
	if (args.size > MODEL_ARGS_MAX)
		refuse(place_of(list ? list : group), "the arguments are longer than %d bytes",
		       MODEL_ARGS_MAX);
	env->args = (char *)args.data;
	env->args_size = args.size;
}

static uint32_t read_privileges(const config_setting_t *group)
{
	static const struct {
		const char *name;
		uint32_t flag;
	} privileges[] = {
	        {"console", EXO_MANIFEST_CONSOLE},   {"power", EXO_MANIFEST_POWER},
	        {"environments", EXO_MANIFEST_ENVS}, {"ledger", EXO_MANIFEST_LEDGER},
	        {"input", EXO_MANIFEST_INPUT},       {"control", EXO_MANIFEST_CONTROL},
	};
	const size_t n = sizeof(privileges) / sizeof(privileges[0]);
	const config_setting_t *list = get_list(group, "may");
	uint32_t flags = get_bool(group, "restart") ? EXO_MANIFEST_RESTART : 0;
	for (int i = 0; list && i < config_setting_length(list); i++) {
		const config_setting_t *member = config_setting_get_elem(list, (unsigned)i);
		const char *name = text_of(member);
		size_t k = 0;
		while (k < n && strcmp(privileges[k].name, name) != 0)
			k++;
		if (k == n)
			refuse(place_of(member),
			       "'%s' is none of console, power, environments, ledger, input, "
			       "control",
			       name);
		flags |= privileges[k].flag;
	}
	return flags;
}

static void read_disk(const config_setting_t *group, struct model_env *env)
{
	static const char *const known[] = {"first", "sectors", NULL};
	const config_setting_t *disk = config_setting_get_member(group, "disk");
	if (!disk)
		return;
	if (!config_setting_is_group(disk))
		refuse(place_of(disk), "an extent is a group in braces");
	check_names(disk, known);
	env->disk_first = (uint64_t)get_number(disk, "first", 0, UINT32_MAX, 0);
	env->disk_sectors = (uint32_t)get_number(disk, "sectors", 1, UINT32_MAX, 0);
	if (!env->disk_sectors)
		refuse(place_of(disk), "the extent says not how many sectors it has");
}

static void read_screen(const config_setting_t *group, struct model_env *env)
{
	static const char *const names[] = {"x", "y", "width", "height", NULL};
	const config_setting_t *screen = config_setting_get_member(group, "screen");
	if (!screen)
		return;
	if (!config_setting_is_group(screen))
		refuse(place_of(screen), "a part of the screen is a group in braces");
	check_names(screen, names);
	for (int i = 0; i < 4; i++)
		env->screen[i] =
		        (uint16_t)get_number(screen, names[i], i < 2 ? 0 : 1, UINT16_MAX, 0);
	if (!env->screen[2] || !env->screen[3])
		refuse(place_of(screen), "the part of the screen lacks width or height");
}

static void check_unique(const struct model *model, const struct model_env *env)
{
	for (const struct model_env *other = model->envs; other < env; other++)
		if (!strcmp(other->name, env->name))
			refuse(env->place, "there are two environments named '%s'", env->name);
}

static void read_env(struct model *model, const config_setting_t *group, struct model_env *env)
{
	static const char *const known[] = {"name",   "image",   "program", "arguments",
	                                    "frames", "slots",   "core",    "addresses",
	                                    "may",    "restart", "content", "flows",
	                                    "disk",   "screen",  "sender",  NULL};
	if (!config_setting_is_group(group))
		refuse(place_of(group), "an environment is a group in braces");
	check_names(group, known);
	env->place = place_of(group);
	env->name = get_name(group, MODEL_ENV_NAME_MAX);
	check_unique(model, env);
	const config_setting_t *image = config_setting_get_member(group, "image");
	const config_setting_t *program = config_setting_get_member(group, "program");
	if (!image)
		refuse(env->place, "environment '%s' has no image", env->name);
	env->image = add_named(model, image);
	env->program = program ? add_named(model, program) : MODEL_NONE;
	env->flags = read_privileges(group);
	env->frames = (uint32_t)get_number(group, "frames", 1, FRAMES_MAX, 0);
	if (!env->frames)
		refuse(env->place, "environment '%s' says not how many frames it may own",
		       env->name);
	env->slots = (uint32_t)get_number(group, "slots", 1, SLOTS_MAX, 1);
	env->core = (uint32_t)get_number(group, "core", 0, EXO_CORES_MAX - 1, 0);
	if (config_setting_get_member(group, "sender"))
		env->sender = 1 + (uint32_t)get_number(group, "sender", 0, EXO_CORES_MAX - 1, 0);
	read_arguments(group, config_setting_get_string(program ? program : image), env);
	read_content(model, group, env);
	read_flows(model, group, env);
	read_disk(group, env);
	read_screen(group, env);
	env->addresses = get_set(group, "addresses", ADDRESSES_MAX);
	if (!config_setting_get_member(group, "addresses"))
		for (size_t i = 0; i < env->n_flows; i++)
			env->addresses |= 1u << env->flows[i].address;
}

/* Puts the environments of one file behind those that are there; their array is made. */
static void read_envs(struct model *model, const config_setting_t *root)
{
	const config_setting_t *list = get_list(root, "environments");
	int n = list ? config_setting_length(list) : 0;
	if (!n)
		refuse(place_of(list ? list : root), "the manifest has no environments");
	for (int i = 0; i < n; i++) {
		const config_setting_t *group = config_setting_get_elem(list, (unsigned)i);
		if (model->n_envs == EXO_MANIFEST_ENVS_MAX)
			refuse(place_of(group), "there are more than %d environments",
			       EXO_MANIFEST_ENVS_MAX);
		read_env(model, group, &model->envs[model->n_envs]);
		model->n_envs++;
	}
}

/* The configuration stays: places in the model point to its file names. */
static const config_setting_t *read_file(config_t *config, const char *path)
{
	static const char *const known[] = {
	        "name", "init", "control_port", "power_off", "environments", "lro", NULL};
	config_init(config);
	char *copy = must_copy(path);
	config_set_include_dir(config, dirname(copy));
	if (config_read_file(config, path) != CONFIG_TRUE) {
		const char *file = config_error_file(config);
		refuse((struct place){.file = file ? file : path,
		                      .line = (unsigned)config_error_line(config)},
		       "%s", config_error_text(config));
	}
	free(copy);
	check_names(config_root_setting(config), known);
	return config_root_setting(config);
}

void model_read(struct model *model, const char *path, const char *with)
{
	static config_t config, more;
	const config_setting_t *root = read_file(&config, path);
	const config_setting_t *first = with ? read_file(&more, with) : NULL;
	struct place place = {.file = path};
	model->name = get_text(root, "name");
	if (!model->name || !model->name[0])
		refuse(place, "the appliance has no name");
	model->power_off = get_bool(root, "power_off");
	model->control_port =
	        (uint32_t)get_number(root, "control_port", 0, EXO_PORTS_MAX - 1, UINT32_MAX);
	model->merges = get_set(root, "lro", EXO_PORTS_MAX);
	const config_setting_t *init = config_setting_get_member(root, "init");
	model->init = model_add_file(model, init ? place_of(init) : place, "init",
	                             init ? text_of(init) : "init");
	model->envs = must_alloc(EXO_MANIFEST_ENVS_MAX * sizeof(*model->envs));
	if (first) {
		model->control_port = (uint32_t)get_number(first, "control_port", 0,
		                                           EXO_PORTS_MAX - 1, model->control_port);
		model->merges |= get_set(first, "lro", EXO_PORTS_MAX);
		read_envs(model, first);
	}
	read_envs(model, root);
}
