/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hybrid's EFI part: runs as a UEFI application (or by Linux's EFI handover), asks the firmware
 * for everything that the kernel will want to know, ends boot services and starts the kernel.
 *
 * The payload comes, by the first that has it, from: boot_params (handover); the LoadFile2 protocol
 * on Linux's initrd media path (QEMU, U-Boot); the file that `initrd=` names on the volume that the
 * image came from (iPXE, GRUB's chainloader, shells); NAME.cpio beside NAME.efi, or sluice.cpio. On
 * such a volume sluice.args has the command line where nobody else gave one.
 *
 * Linked at 0 without relocations and without variables: everything is on the stack, except what is
 * written straight into the kernel's boot_info.
 */
#include <stddef.h>

#include "../boot.h"
#include "../efi.h"

enum {
	PAGE = 4096,
	PATH_MOST = 256,
	MAP_SPARE = 16, /* entries that allocations of our own may add */
	PARAMS_PAYLOAD = 0x218,
	PARAMS_PAYLOAD_SIZE = 0x21c,
	PARAMS_PAYLOAD_HIGH = 0x0c0,
	PARAMS_PAYLOAD_SIZE_HIGH = 0x0c4,
	PARAMS_COMMAND_LINE = 0x228,
	READ_MOST = 1 << 20, /* firmware exists that cannot read more at a time */
};
#define FOUR_GIB (1ull << 32)

struct loaded_image { /* 9.1 */
	uint32_t revision;
	void *parent;
	struct efi_system_table *system;
	void *device;
	uint8_t *path; /* device path of the file */
	void *reserved;
	uint32_t options_size;
	efi_char *options;
	uint64_t base, size;
};

struct file { /* 13.5 */
	uint64_t revision;
	efi_status(EFI_CALL *open)(struct file *, struct file **opened, const efi_char *name,
	                           uint64_t mode, uint64_t attributes);
	efi_status(EFI_CALL *close)(struct file *);
	efi_unused delete;
	efi_status(EFI_CALL *read)(struct file *, uint64_t *size, void *buffer);
	efi_unused write, get_position, set_position;
	efi_status(EFI_CALL *get_info)(struct file *, const struct efi_guid *type, uint64_t *size,
	                               void *buffer);
};

struct file_system { /* 13.4 */
	uint64_t revision;
	efi_status(EFI_CALL *open_volume)(struct file_system *, struct file **root);
};

struct load_file { /* 13.2 */
	efi_status(EFI_CALL *load)(struct load_file *, void *path, uint8_t boot_policy,
	                           uint64_t *size, void *buffer);
};

struct mode_info { /* 12.9 */
	uint32_t version, width, height, format, red, green, blue, reserved, pixels_per_line;
};

struct graphics_mode {
	uint32_t n, current;
	const struct mode_info *info;
	uint64_t info_size, base, size;
};

struct graphics {
	efi_unused query, set, blt;
	const struct graphics_mode *mode;
};

struct starter {
	void *handle;
	struct efi_system_table *system;
	struct efi_boot_services *services;
	struct loaded_image *image;
	struct boot_info *boot;
};

/* hybrid.ld and mkhybrid give these as addresses in an image linked at 0. Hidden: reached relative
 * to the code, not through a table that somebody would have to relocate. */
#pragma GCC visibility push(hidden)
extern char image_start[], image_kernel[], image_memory_bytes[], kernel_boot_info[],
        kernel_memory[];
extern void leave_long_mode(uint64_t image, uint64_t argument, uint32_t kind)
        __attribute__((noreturn));

efi_status efi_start(void *handle, struct efi_system_table *system, const uint8_t *params,
                     char *image);
#pragma GCC visibility pop

/* A number that the linker wrote as an address: the compiler would take it relative to us. */
#define LINKED(symbol)                                                                             \
	({                                                                                         \
		uint32_t value_;                                                                   \
		__asm__("movl $" #symbol ", %0" : "=r"(value_));                                   \
		(uint64_t) value_;                                                                 \
	})

/* ---- Small things ---- */

void *memset(void *to, int value, size_t size);
void *memcpy(void *to, const void *from, size_t size);

void *memset(void *to, int value, size_t size)
{
	void *at = to;

	__asm__ volatile("rep stosb" : "+D"(at), "+c"(size) : "a"(value) : "memory");
	return to;
}

void *memcpy(void *to, const void *from, size_t size)
{
	void *at = to;

	__asm__ volatile("rep movsb" : "+D"(at), "+S"(from), "+c"(size) : : "memory");
	return to;
}

static void say(struct starter *s, const char *text)
{
	efi_char line[128];
	unsigned n = 0;

	for (; *text != '\0' && n < 125; text++) {
		if (*text == '\n')
			line[n++] = '\r';
		line[n++] = (efi_char)(unsigned char)*text;
	}
	line[n] = 0;
	if (s->system->output != NULL)
		s->system->output->output(s->system->output, line);
}

static void say_path(struct starter *s, const char *before, const efi_char *path,
                     const char *behind)
{
	say(s, before);
	if (s->system->output != NULL)
		s->system->output->output(s->system->output, path);
	say(s, behind);
}

static uint64_t pages_of(uint64_t size)
{
	return size / PAGE + (size % PAGE != 0);
}

static void *protocol(struct starter *s, void *handle, const struct efi_guid *guid)
{
	void *interface = NULL;

	if (handle == NULL || s->services->handle_protocol(handle, guid, &interface) != 0)
		return NULL;
	return interface;
}

static uint64_t get64(const uint8_t *params, unsigned low, unsigned high)
{
	uint32_t a, b;

	memcpy(&a, params + low, 4);
	memcpy(&b, params + high, 4);
	return a | (uint64_t)b << 32;
}

/* ---- The command line ---- */

static char narrow(efi_char c)
{
	if (c == '/')
		return '\\';
	return (char)(c < 128 ? c : '?');
}

/* The last component of the image's path ("sluice.efi"); empty: unknown. Device path nodes: type,
 * subtype, 16-bit length; type 4 subtype 4 is a file's path (10.3.5.4), type 0x7f the end. */
static void image_name(const uint8_t *node, char *name)
{
	unsigned n = 0;

	name[0] = '\0';
	while (node != NULL && (node[0] & 0x7f) != 0x7f) {
		unsigned length = node[2] | (unsigned)node[3] << 8;

		if (length < 4)
			return;
		for (unsigned i = 4; node[0] == 4 && node[1] == 4 && i + 1 < length; i += 2) {
			char c = narrow((efi_char)(node[i] | node[i + 1] << 8));

			if (c == '\\')
				n = 0;
			else if (c != '\0' && n < PATH_MOST - 1)
				name[n++] = c;
			name[n] = '\0';
		}
		node += length;
	}
}

static unsigned word_length(const char *text)
{
	unsigned n = 0;

	while (text[n] != '\0' && text[n] != ' ')
		n++;
	return n;
}

static int ends_with(const char *text, unsigned length, const char *end)
{
	unsigned n = word_length(end);

	for (unsigned i = 0; i < n; i++) {
		if (n > length || (text[length - n + i] | 0x20) != (end[i] | 0x20))
			return 0;
	}
	return n > 0;
}

/* iPXE and shells put the image's name before the words that are meant for it. */
static unsigned skip_name(const char *text, const char *name)
{
	unsigned n = word_length(text);

	if (!ends_with(text, n, name) && !ends_with(text, n, ".efi") &&
	    !ends_with(text, n, "sluice"))
		return 0;
	for (unsigned i = 0; i < n; i++) {
		if (text[i] == '=')
			return 0;
	}
	return text[n] == ' ' ? n + 1 : n;
}

static void take_options(struct starter *s)
{
	char *line = s->boot->command_line, name[PATH_MOST];
	uint32_t n = 0, from;

	for (uint32_t i = 0; i < s->image->options_size / 2 && s->image->options[i] != 0; i++) {
		efi_char c = s->image->options[i];

		if (n == BOOT_COMMAND_LINE_MAX - 1) {
			s->boot->command_line_cut = 1;
			break;
		}
		line[n++] = (char)(c < 128 ? c : '?');
	}
	line[n] = '\0';
	image_name(s->image->path, name);
	from = skip_name(line, name);
	for (uint32_t i = 0; from != 0 && i <= n - from; i++)
		line[i] = line[from + i];
}

static void take_params_line(struct starter *s, const uint8_t *params)
{
	const char *text = (const char *)get64(params, PARAMS_COMMAND_LINE, 0x0c8);
	uint32_t n = 0;

	while (text != NULL && n < BOOT_COMMAND_LINE_MAX - 1 && text[n] != '\0') {
		s->boot->command_line[n] = text[n];
		n++;
	}
	s->boot->command_line[n] = '\0';
	s->boot->command_line_cut = text != NULL && text[n] != '\0';
}

/* ---- The payload ---- */

static void *allocate(struct starter *s, uint64_t size)
{
	uint64_t at = 0;

	if (s->services->allocate_pages(EFI_ALLOCATE_ANY, EFI_LOADER_DATA, pages_of(size), &at) !=
	    0) {
		say(s, "sluice: the payload is larger than this machine's free memory\n");
		return NULL;
	}
	return (void *)at;
}

static int keep_payload(struct starter *s, const void *at, uint64_t size)
{
	s->boot->payload = (uint64_t)at;
	s->boot->payload_size = size;
	return 1;
}

static int load_by_media(struct starter *s)
{
	static const struct efi_guid guid = {
	        0x4006c0c1, 0xfcb3, 0x403e, {0x99, 0x6d, 0x4a, 0x6c, 0x87, 0x24, 0xe0, 0x6d}};
	/* Linux's initrd media (vendor media path, 10.3.5.3), then the end. */
	static const uint8_t media[] __attribute__((aligned(8))) = {
	        4,    3,    20,   0,    0x27, 0xe4, 0x68, 0x55, 0xfc, 0x68, 0x3d, 0x4f,
	        0xac, 0x74, 0xca, 0x55, 0x52, 0x31, 0xcc, 0x68, 0x7f, 0xff, 4,    0};
	void *path = (void *)media, *handle = NULL, *buffer;
	struct load_file *file;
	uint64_t size = 0;

	if (s->services->locate_device_path(&guid, &path, &handle) != 0)
		return 0;
	file = protocol(s, handle, &guid);
	if (file == NULL || file->load(file, path, 0, &size, NULL) != EFI_BUFFER_TOO_SMALL)
		return 0;
	buffer = allocate(s, size);
	if (buffer == NULL)
		return 0;
	if (file->load(file, path, 0, &size, buffer) == 0)
		return keep_payload(s, buffer, size);
	say(s, "sluice: the firmware cannot load the payload\n");
	return 0;
}

static uint64_t file_size(struct file *file)
{
	static const struct efi_guid guid = {
	        0x09576e92, 0x6d3f, 0x11d2, {0x8e, 0x39, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b}};
	uint64_t info[(80 + 2 * PATH_MOST) / 8], size = sizeof(info);

	return file->get_info(file, &guid, &size, info) == 0 ? info[1] : 0;
}

static int read_all(struct file *file, char *to, uint64_t size)
{
	while (size > 0) {
		uint64_t n = size < READ_MOST ? size : READ_MOST;

		if (file->read(file, &n, to) != 0 || n == 0)
			return 0;
		to += n;
		size -= n;
	}
	return 1;
}

/* A volume's own command line, where the firmware gave none: one line of text. */
static void read_options(struct starter *s, struct file *root)
{
	char *line = s->boot->command_line;
	uint64_t size = BOOT_COMMAND_LINE_MAX - 1, n = 0;
	struct file *file;

	if (root->open(root, &file, u"\\sluice.args", EFI_FILE_READ, 0) != 0)
		return;
	if (file->read(file, &size, line) != 0 || size >= BOOT_COMMAND_LINE_MAX)
		size = 0;
	file->close(file);
	while (n < size && (unsigned char)line[n] >= ' ')
		n++;
	line[n] = '\0';
}

static int load_file(struct starter *s, struct file *root, const efi_char *path)
{
	struct file *file;
	uint64_t size;
	void *buffer;
	int done = 0;

	if (root->open(root, &file, path, EFI_FILE_READ, 0) != 0)
		return 0;
	size = file_size(file);
	buffer = size == 0 ? NULL : allocate(s, size);
	if (buffer != NULL)
		done = read_all(file, buffer, size);
	file->close(file);
	if (!done) {
		say_path(s, "sluice: cannot read ", path, "\n");
		return 0;
	}
	return keep_payload(s, buffer, size);
}

static void widen(efi_char *to, const char *from, unsigned n)
{
	unsigned i;

	for (i = 0; i < n && i < PATH_MOST - 1; i++)
		to[i] = (efi_char)(unsigned char)(from[i] == '/' ? '\\' : from[i]);
	to[i] = 0;
}

/* The value of initrd= in the command line; its length, 0: none. */
static unsigned find_initrd(const char *line, const char **value)
{
	static const char key[] = "initrd=";
	unsigned n;

	for (; *line != '\0'; line += n + (line[n] == ' ')) {
		unsigned i = 0;

		n = word_length(line);
		while (i < sizeof(key) - 1 && line[i] == key[i])
			i++;
		*value = line + i;
		if (i == sizeof(key) - 1)
			return n - i;
	}
	return 0;
}

static int load_beside(struct starter *s, struct file *root)
{
	char name[PATH_MOST];
	efi_char path[PATH_MOST + 8];
	unsigned n = 0;

	image_name(s->image->path, name);
	n = word_length(name);
	if (ends_with(name, n, ".efi"))
		n -= 4;
	if (n > 0 && n < PATH_MOST - 8) {
		memcpy(name + n, ".cpio", 6);
		widen(path, name, n + 5);
		if (load_file(s, root, path))
			return 1;
	}
	widen(path, "sluice.cpio", 11);
	return load_file(s, root, path);
}

static int load_by_file(struct starter *s)
{
	static const struct efi_guid guid = {
	        0x964e5b22, 0x6459, 0x11d2, {0x8e, 0x39, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b}};
	struct file_system *volume = protocol(s, s->image->device, &guid);
	const char *value;
	efi_char path[PATH_MOST];
	struct file *root;
	unsigned n;

	if (volume == NULL || volume->open_volume(volume, &root) != 0)
		return 0;
	if (s->boot->command_line[0] == '\0')
		read_options(s, root);
	n = find_initrd(s->boot->command_line, &value);
	if (n == 0)
		return load_beside(s, root);
	widen(path, value, n);
	if (load_file(s, root, path))
		return 1;
	say_path(s, "sluice: initrd=", path, " is not on the volume that sluice came from\n");
	return 0;
}

static void take_payload(struct starter *s, const uint8_t *params)
{
	if (params != NULL && get64(params, PARAMS_PAYLOAD_SIZE, PARAMS_PAYLOAD_SIZE_HIGH) != 0) {
		keep_payload(s, (void *)get64(params, PARAMS_PAYLOAD, PARAMS_PAYLOAD_HIGH),
		             get64(params, PARAMS_PAYLOAD_SIZE, PARAMS_PAYLOAD_SIZE_HIGH));
		return;
	}
	if (!load_by_media(s))
		load_by_file(s);
}

/* ---- What else the kernel wants to know ---- */

static void take_framebuffer(struct starter *s)
{
	static const struct efi_guid guid = {
	        0x9042a9de, 0x23dc, 0x4a38, {0x96, 0xfb, 0x7a, 0xde, 0xd0, 0x80, 0x51, 0x6a}};
	struct boot_framebuffer *frame = &s->boot->framebuffer;
	void *found = NULL;
	const struct mode_info *info;
	struct graphics *graphics;

	if (s->services->locate_protocol(&guid, NULL, &found) != 0)
		return;
	graphics = found;
	info = graphics->mode->info;
	if (info->format > 1 || graphics->mode->base == 0) /* only 8 bits each, red or blue first */
		return;
	frame->base = graphics->mode->base;
	frame->width = info->width;
	frame->height = info->height;
	frame->pitch = info->pixels_per_line * 4;
	frame->bits_per_pixel = 32;
	frame->red_shift = info->format == 0 ? 0 : 16;
	frame->green_shift = 8;
	frame->blue_shift = info->format == 0 ? 16 : 0;
}

static void take_tables(struct starter *s)
{
	static const struct efi_guid new = EFI_ACPI_20, old = EFI_ACPI_10;

	for (uint64_t i = 0; i < s->system->n_configurations; i++) {
		const struct efi_configuration *entry = &s->system->configurations[i];

		if (efi_guid_is(&entry->guid, &new) ||
		    (s->boot->rsdp == 0 && efi_guid_is(&entry->guid, &old)))
			s->boot->rsdp = entry->table;
	}
	s->boot->efi_system_table = (uint64_t)s->system;
}

static void take_secure_boot(struct starter *s)
{
	static const struct efi_guid guid = {
	        0x8be4df61, 0x93ca, 0x11d2, {0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c}};
	uint8_t value = 0;
	uint64_t size = sizeof(value);

	if (s->system->runtime->get_variable(u"SecureBoot", &guid, NULL, &size, &value) == 0)
		s->boot->secure_boot = value;
}

/* ---- Leaving ---- */

static void add_range(struct boot_info *boot, const struct efi_memory *entry)
{
	uint32_t type = efi_range_type(entry->type), n = boot->n_ranges;
	struct boot_range *last = &boot->ranges[n == 0 ? 0 : n - 1];

	if (n > 0 && last->type == type && last->base + last->size == entry->physical)
		last->size += entry->pages * PAGE;
	else if (n < BOOT_RANGES_MAX)
		boot->ranges[boot->n_ranges++] = (struct boot_range){
		        .base = entry->physical, .size = entry->pages * PAGE, .type = type};
}

/* The map must be the last thing asked for: any allocation behind it makes its key stale. */
static efi_status end_services(struct starter *s)
{
	uint64_t room = 0, size = 0, key = 0, step = 0;
	uint32_t version;
	void *map = NULL;
	efi_status status;

	s->services->get_memory_map(&room, NULL, &key, &step, &version);
	if (step < sizeof(struct efi_memory))
		return EFI_LOAD_ERROR;
	room += MAP_SPARE * step;
	status = s->services->allocate_pool(EFI_LOADER_DATA, room, &map);
	if (status != 0)
		return status;
	for (unsigned i = 0; i < 4; i++) {
		size = room;
		status = s->services->get_memory_map(&size, map, &key, &step, &version);
		if (status != 0)
			return status;
		status = s->services->exit_boot_services(s->handle, key);
		if (status == 0)
			break;
	}
	for (uint64_t at = 0; status == 0 && size - at >= step; at += step)
		add_range(s->boot, (struct efi_memory *)((char *)map + at));
	return status;
}

/* The kernel is entered in 32-bit mode: an image that the firmware put too high is copied down. */
static char *move_down(struct starter *s, char *image)
{
	uint64_t size = LINKED(image_memory_bytes), low = FOUR_GIB - 1;

	if ((uint64_t)image < FOUR_GIB && size < FOUR_GIB - (uint64_t)image)
		return image;
	if (s->services->allocate_pages(EFI_ALLOCATE_MAX, EFI_LOADER_CODE, pages_of(size), &low) !=
	    0) {
		say(s, "sluice: no room for the kernel below 4 GiB\n");
		return NULL;
	}
	memcpy((void *)low, image, size);
	return (char *)low;
}

efi_status efi_start(void *handle, struct efi_system_table *system, const uint8_t *params,
                     char *image)
{
	static const struct efi_guid guid = {
	        0x5b1b31a1, 0x9562, 0x11d2, {0x8e, 0x3f, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b}};
	struct starter starter = {handle, system, system->boot, NULL, NULL}, *s = &starter;
	void (*leave)(uint64_t, uint64_t, uint32_t) __attribute__((noreturn));
	efi_status status;

	image = move_down(s, image);
	s->image = protocol(s, handle, &guid);
	if (image == NULL || s->image == NULL)
		return EFI_LOAD_ERROR;
	s->boot = (struct boot_info *)(image + LINKED(image_kernel) + LINKED(kernel_boot_info));
	memset(s->boot, 0, sizeof(*s->boot));
	s->services->set_watchdog(0, 0, 0, NULL);
	if (params != NULL)
		take_params_line(s, params);
	else
		take_options(s);
	take_payload(s, params);
	take_framebuffer(s);
	take_tables(s);
	take_secure_boot(s);
	status = end_services(s);
	if (status != 0) {
		say(s, "sluice: the firmware does not let go of the machine\n");
		return status;
	}
	leave = (void *)(image + ((char *)leave_long_mode - image_start));
	leave((uint64_t)image, 0, BOOT_EFI);
}
