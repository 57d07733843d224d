/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Helpers: the functions that programs may call by number, with Linux's numbers and results
 * (negative error numbers of Linux). What they get was checked by the verifier; sizes of the packet
 * are checked here, because they are known only now.
 */
#include "helper.h"

#include "map_internal.h"
#include "program_internal.h"

/* Linux's error numbers that helpers return. */
enum {
	HELP_ENOENT = -2,
	HELP_E2BIG = -7,
	HELP_EAGAIN = -11,
	HELP_EFAULT = -14,
	HELP_EEXIST = -17,
	HELP_EINVAL = -22,
};

enum {
	ETHERNET_HEADER = 14, /* what must be left of a packet */
	TRACE_MAX = 128,
	TRACE_LONG_MAX = 2, /* %lld */
};

static struct flt_redirect redirects[FLT_CPUS_MAX];

const struct flt_redirect *flt_helper_redirect(void)
{
	return &redirects[flt_platform.cpu()];
}

static uint64_t result(int value)
{
	return (uint64_t)(int64_t)value;
}

static void *pointer(uint64_t value)
{
	return (void *)(uintptr_t)value;
}

/* --- maps --- */

static uint64_t map_result(int code)
{
	switch (code) {
	case 0:
		return 0;
	case FLT_E_NOT_FOUND:
		return result(HELP_ENOENT);
	case FLT_E_EXISTS:
		return result(HELP_EEXIST);
	case FLT_E_LIMIT:
		return result(HELP_E2BIG);
	default:
		return result(HELP_EINVAL);
	}
}

static uint64_t help_map_lookup(uint64_t map, uint64_t key, uint64_t r3, uint64_t r4, uint64_t r5)
{
	return (uint64_t)(uintptr_t)flt_map_lookup(pointer(map), pointer(key));
}

static uint64_t help_map_update(uint64_t map, uint64_t key, uint64_t value, uint64_t flags,
                                uint64_t r5)
{
	return map_result(flt_map_update(pointer(map), pointer(key), pointer(value), flags));
}

static uint64_t help_map_delete(uint64_t map, uint64_t key, uint64_t r3, uint64_t r4, uint64_t r5)
{
	return map_result(flt_map_delete(pointer(map), pointer(key)));
}

static uint64_t help_ringbuf_output(uint64_t map, uint64_t data, uint64_t size, uint64_t flags,
                                    uint64_t r5)
{
	return flt_map_ringbuf_write(pointer(map), pointer(data), size) ? result(HELP_EAGAIN) : 0;
}

/* --- the machine --- */

static uint64_t help_clock(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5)
{
	return flt_platform.clock_ns();
}

static uint64_t help_prandom(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5)
{
	return flt_platform.prandom();
}

static uint64_t help_cpu(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5)
{
	return flt_platform.cpu();
}

/* One conversion of trace_printk: %d %i %u %x, with l and ll, and %%; *format stands behind the
 * percent sign. False: unknown. */
static bool trace_number(struct flt_text *text, const char **format, const char *end,
                         uint64_t value)
{
	const char *f = *format;
	while (f < end && f - *format < TRACE_LONG_MAX && *f == 'l')
		f++;
	bool is_long = f > *format;
	if (f == end)
		return false;
	*format = f + 1;
	switch (*f) {
	case 'd':
	case 'i':
		flt_text_put(text, "%ld", is_long ? (long)value : (long)(int32_t)value);
		return true;
	case 'u':
		flt_text_put(text, "%lu", is_long ? (unsigned long)value : (uint32_t)value);
		return true;
	case 'x':
	case 'p':
		flt_text_put(text, "%lx", is_long ? (unsigned long)value : (uint32_t)value);
		return true;
	default:
		return false;
	}
}

static uint64_t help_trace_printk(uint64_t format, uint64_t size, uint64_t a, uint64_t b,
                                  uint64_t c)
{
	char line[TRACE_MAX] = "";
	struct flt_text text = {line, sizeof(line), 0};
	const uint64_t values[] = {a, b, c};
	const char *f = pointer(format), *end = f + size;
	uint32_t used = 0;
	/* The format may be long; what does not fit into a line is not looked at. */
	while (f < end && *f && text.len < sizeof(line)) {
		if (*f != '%') {
			flt_text_put(&text, "%c", *f++);
			continue;
		}
		f++;
		if (f < end && *f == '%')
			flt_text_put(&text, "%c", *f++);
		else if (used == FLT_ARRAY_SIZE(values) ||
		         !trace_number(&text, &f, end, values[used++]))
			return result(HELP_EINVAL);
	}
	size_t length = text.len < sizeof(line) ? text.len : sizeof(line) - 1;
	if (flt_platform.trace)
		flt_platform.trace(line, length);
	return length;
}

/* --- the packet --- */

static uint64_t help_adjust_head(uint64_t context, uint64_t delta, uint64_t r3, uint64_t r4,
                                 uint64_t r5)
{
	struct flt_xdp_buff *buff = pointer(context);
	int64_t by = (int32_t)delta;
	int64_t headroom = buff->data - buff->hard_start, length = buff->data_end - buff->data;
	if (by < -headroom || by > length - ETHERNET_HEADER)
		return result(HELP_EINVAL);
	buff->data += by;
	if (buff->fresh && buff->data < buff->fresh) {
		memset(buff->data, 0, (size_t)(buff->fresh - buff->data));
		buff->fresh = buff->data;
	}
	return 0;
}

static uint64_t help_adjust_tail(uint64_t context, uint64_t delta, uint64_t r3, uint64_t r4,
                                 uint64_t r5)
{
	struct flt_xdp_buff *buff = pointer(context);
	int64_t by = (int32_t)delta;
	int64_t room = buff->hard_end - buff->data_end, length = buff->data_end - buff->data;
	if (by > room || by < ETHERNET_HEADER - length)
		return result(HELP_EINVAL);
	if (by > 0) /* what was there before is nobody's business */
		memset(buff->data_end, 0, (size_t)by);
	buff->data_end += by;
	return 0;
}

static bool inside_packet(const struct flt_xdp_buff *buff, uint64_t offset, uint64_t size)
{
	uint64_t length = (uint64_t)(buff->data_end - buff->data);
	return size <= length && offset <= length - size;
}

static uint64_t help_load_bytes(uint64_t context, uint64_t offset, uint64_t to, uint64_t size,
                                uint64_t r5)
{
	const struct flt_xdp_buff *buff = pointer(context);
	offset = (uint32_t)offset;
	if (!inside_packet(buff, offset, size)) {
		memset(pointer(to), 0, size);
		return result(HELP_EINVAL);
	}
	memmove(pointer(to), buff->data + offset, size); /* it may be the packet itself */
	return 0;
}

static uint64_t help_store_bytes(uint64_t context, uint64_t offset, uint64_t from, uint64_t size,
                                 uint64_t r5)
{
	struct flt_xdp_buff *buff = pointer(context);
	offset = (uint32_t)offset;
	if (!inside_packet(buff, offset, size))
		return result(HELP_EINVAL);
	memmove(buff->data + offset, pointer(from), size);
	return 0;
}

static uint64_t add_words(const uint8_t *p, uint64_t size, bool complement)
{
	uint64_t sum = 0;
	for (uint64_t i = 0; i + 4 <= size; i += 4) {
		uint32_t word;
		memcpy(&word, p + i, 4);
		sum += complement ? ~word : word;
	}
	return sum;
}

/* The 32-bit one's complement sum of to, less that of from, plus the seed (RFC 1624). */
static uint64_t help_csum_diff(uint64_t from, uint64_t from_size, uint64_t to, uint64_t to_size,
                               uint64_t seed)
{
	if (from_size % 4 || to_size % 4 || from_size > FLT_STACK_BYTES ||
	    to_size > FLT_STACK_BYTES)
		return result(HELP_EINVAL);
	uint64_t sum = (uint32_t)seed;
	sum += add_words(pointer(from), from_size, true);
	sum += add_words(pointer(to), to_size, false);
	while (sum >> 32)
		sum = (uint32_t)sum + (sum >> 32);
	return sum;
}

static uint64_t help_redirect(uint64_t ifindex, uint64_t flags, uint64_t r3, uint64_t r4,
                              uint64_t r5)
{
	redirects[flt_platform.cpu()] = (struct flt_redirect){(uint32_t)ifindex, flags};
	return flags ? FLT_XDP_ABORTED : FLT_XDP_REDIRECT;
}

/* --- the table --- */

#define TYPE(type) (1ull << (type))
#define KEYED_MAPS                                                                                 \
	(TYPE(FLT_MAP_HASH) | TYPE(FLT_MAP_ARRAY) | TYPE(FLT_MAP_PERCPU_HASH) |                    \
	 TYPE(FLT_MAP_PERCPU_ARRAY) | TYPE(FLT_MAP_LRU_HASH) | TYPE(FLT_MAP_LPM_TRIE))

/* clang-format off */
static const struct flt_helper helpers[] = {
        {1, "map_lookup_elem", help_map_lookup, {FLT_ARG_MAP, FLT_ARG_KEY},
         FLT_RESULT_VALUE_OR_NULL, 0, KEYED_MAPS, 80, 0},
        {2, "map_update_elem", help_map_update,
         {FLT_ARG_MAP, FLT_ARG_KEY, FLT_ARG_VALUE, FLT_ARG_ANY},
         FLT_RESULT_NUMBER, FLT_HELPER_CHANGES_MAP, KEYED_MAPS, 200, 0},
        {3, "map_delete_elem", help_map_delete, {FLT_ARG_MAP, FLT_ARG_KEY},
         FLT_RESULT_NUMBER, FLT_HELPER_CHANGES_MAP, KEYED_MAPS, 150, 0},
        {5, "ktime_get_ns", help_clock, {0}, FLT_RESULT_NUMBER, 0, 0, 40, 0},
        {6, "trace_printk", help_trace_printk, {FLT_ARG_MEMORY, FLT_ARG_SIZE},
         FLT_RESULT_NUMBER, FLT_HELPER_VARIADIC, 0, 20000, 0},
        {7, "get_prandom_u32", help_prandom, {0}, FLT_RESULT_NUMBER, 0, 0, 60, 0},
        {8, "get_smp_processor_id", help_cpu, {0}, FLT_RESULT_NUMBER, 0, 0, 10, 0},
        {23, "redirect", help_redirect, {FLT_ARG_ANY, FLT_ARG_ANY},
         FLT_RESULT_NUMBER, FLT_HELPER_XDP, 0, 20, 0},
        {28, "csum_diff", help_csum_diff,
         {FLT_ARG_MEMORY_OR_0, FLT_ARG_SIZE_OR_0, FLT_ARG_MEMORY_OR_0, FLT_ARG_SIZE_OR_0,
          FLT_ARG_ANY},
         FLT_RESULT_NUMBER, 0, 0, 2000, 0},
        {44, "xdp_adjust_head", help_adjust_head, {FLT_ARG_CONTEXT, FLT_ARG_ANY},
         FLT_RESULT_NUMBER, FLT_HELPER_XDP | FLT_HELPER_WRITES | FLT_HELPER_MOVES, 0, 80, 0},
        {65, "xdp_adjust_tail", help_adjust_tail, {FLT_ARG_CONTEXT, FLT_ARG_ANY},
         FLT_RESULT_NUMBER, FLT_HELPER_XDP | FLT_HELPER_WRITES | FLT_HELPER_MOVES, 0, 20, 2},
        {130, "ringbuf_output", help_ringbuf_output,
         {FLT_ARG_MAP, FLT_ARG_MEMORY, FLT_ARG_SIZE_OR_0, FLT_ARG_ANY},
         FLT_RESULT_NUMBER, 0, TYPE(FLT_MAP_RINGBUF), 100, 3},
        {189, "xdp_load_bytes", help_load_bytes,
         {FLT_ARG_CONTEXT, FLT_ARG_ANY, FLT_ARG_WRITABLE, FLT_ARG_SIZE},
         FLT_RESULT_NUMBER, FLT_HELPER_XDP, 0, 30, 4},
        {190, "xdp_store_bytes", help_store_bytes,
         {FLT_ARG_CONTEXT, FLT_ARG_ANY, FLT_ARG_MEMORY, FLT_ARG_SIZE},
         FLT_RESULT_NUMBER, FLT_HELPER_XDP | FLT_HELPER_WRITES, 0, 30, 4},
        {FLT_HELP_ARENA_WRITE, "arena_write", flt_help_arena_write,
         {FLT_ARG_MAP, FLT_ARG_ANY, FLT_ARG_MEMORY, FLT_ARG_SIZE},
         FLT_RESULT_NUMBER, FLT_HELPER_CHANGES_MAP, TYPE(FLT_MAP_ARENA), 40, 4},
        {FLT_HELP_ARENA_READ, "arena_read", flt_help_arena_read,
         {FLT_ARG_MAP, FLT_ARG_ANY, FLT_ARG_WRITABLE, FLT_ARG_SIZE},
         FLT_RESULT_NUMBER, 0, TYPE(FLT_MAP_ARENA), 40, 4},
        {FLT_HELP_ARENA_STORE, "arena_store", flt_help_arena_store,
         {FLT_ARG_MAP, FLT_ARG_ANY, FLT_ARG_CONTEXT, FLT_ARG_ANY, FLT_ARG_ANY},
         FLT_RESULT_NUMBER, FLT_HELPER_XDP | FLT_HELPER_CHANGES_MAP, TYPE(FLT_MAP_ARENA), 60, 5},
        {FLT_HELP_ARENA_LOAD, "arena_load", flt_help_arena_load,
         {FLT_ARG_MAP, FLT_ARG_ANY, FLT_ARG_CONTEXT, FLT_ARG_ANY, FLT_ARG_ANY},
         FLT_RESULT_NUMBER, FLT_HELPER_XDP | FLT_HELPER_WRITES, TYPE(FLT_MAP_ARENA), 60, 5},
        {FLT_HELP_ARENA_TAIL, "arena_tail", flt_help_arena_tail,
         {FLT_ARG_MAP, FLT_ARG_ANY, FLT_ARG_CONTEXT, FLT_ARG_ANY, FLT_ARG_ANY},
         FLT_RESULT_NUMBER, FLT_HELPER_XDP | FLT_HELPER_WRITES | FLT_HELPER_MOVES,
         TYPE(FLT_MAP_ARENA), 60, 5},
        {FLT_HELP_SUM, "sum", flt_help_sum, {FLT_ARG_CONTEXT, FLT_ARG_ANY, FLT_ARG_ANY},
         FLT_RESULT_NUMBER, FLT_HELPER_XDP, 0, 40, 3},
        {FLT_HELP_SWAP, "swap", flt_help_swap,
         {FLT_ARG_CONTEXT, FLT_ARG_ANY, FLT_ARG_ANY, FLT_ARG_ANY},
         FLT_RESULT_NUMBER, FLT_HELPER_XDP | FLT_HELPER_WRITES, 0, 60, 0},
};
/* clang-format on */

const struct flt_helper *flt_helper_find(uint32_t number)
{
	for (size_t i = 0; i < FLT_ARRAY_SIZE(helpers); i++)
		if (helpers[i].number == number)
			return &helpers[i];
	return NULL;
}

const struct flt_helper *flt_helper_at(uint32_t i)
{
	return i < FLT_ARRAY_SIZE(helpers) ? &helpers[i] : NULL;
}

bool flt_helper_is_plain(const struct flt_helper *helper)
{
	for (int i = 0; i < 5; i++)
		if (helper->args[i] != FLT_ARG_NONE && helper->args[i] != FLT_ARG_ANY)
			return false;
	return helper->result == FLT_RESULT_NUMBER && !(helper->flags & FLT_HELPER_XDP);
}
