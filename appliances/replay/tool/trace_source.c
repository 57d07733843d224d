/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * In memory a pass is an array of records. Streamed, a thread fills blocks in turn, and the sender
 * follows right behind it: a pipe that brings little is not held back until a block is full.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "trace_source.h"

enum {
	BLOCK_SIZE = 4 << 20,
	BLOCKS = 16, /* read ahead of what is sent */
	READER_REST_US = 200,
};

/* A frame in memory: this, then its bytes, then padding to eight. */
struct record {
	uint64_t number, time_ns;
	uint32_t length, step; /* bytes to the next one; 0: the pass is over, or the file broken */
};

struct block {
	uint8_t *bytes;
	_Atomic size_t used; /* the sender reads so far, while the reader goes on */
};

struct trace_store {
	struct block *blocks; /* all of them in memory, or BLOCKS in turn */
	size_t blocks_n;
	bool streamed;

	/* The sender's place. */
	size_t block, at;

	/* Streamed only. */
	pthread_t reader;
	bool reading;
	char *path;
	struct trace *first; /* open already, for the first pass */
	struct trace_limits limits;
	struct trace_account *account;   /* the reader's until the first pass is over */
	uint64_t filled;                 /* blocks, the reader's */
	_Atomic uint64_t begun, emptied; /* blocks that the sender may look into; that it left */
	_Atomic uint64_t passes;         /* that the sender asked for */
	_Atomic bool stop, failed;       /* failed: a further pass can't be read */
};

static void note(struct trace_odd *odd, const struct trace_frame *frame)
{
	if (odd->n < TRACE_SOURCE_NUMBERS)
		odd->numbers[odd->n] = frame->number;
	odd->n++;
}

/* Counts a record; whether it can be sent. */
static bool account_for(struct trace_account *account, const struct trace_frame *frame)
{
	account->records++;
	if (frame->fate != TRACE_SENDABLE) {
		note(&account->left_out[frame->fate], frame);
		return false;
	}
	if (account->frames++ == 0)
		account->first_ns = frame->time_ns;
	if (frame->time_ns < account->last_ns)
		note(&account->disordered, frame);
	else
		account->last_ns = frame->time_ns;
	if (frame->snapped)
		note(&account->snapped, frame);
	if (frame->length > account->longest)
		account->longest = frame->length;
	account->bytes += frame->length;
	account->padded += frame->padded;
	return true;
}

static size_t step_of(uint32_t length)
{
	return (sizeof(struct record) + length + 7) & ~(size_t)7;
}

/* Room in a block for one more frame and the end's mark. */
static bool fits(const struct block *block, uint32_t length)
{
	return BLOCK_SIZE - block->used >= step_of(length) + sizeof(struct record);
}

static void put_frame(struct block *block, const struct trace_frame *frame)
{
	struct record record = {.number = frame->number,
	                        .time_ns = frame->time_ns,
	                        .length = frame->length,
	                        .step = (uint32_t)step_of(frame->length)};

	size_t used = block->used;
	memcpy(block->bytes + used, &record, sizeof(record));
	memcpy(block->bytes + used + sizeof(record), frame->data, frame->length);
	atomic_store_explicit(&block->used, used + record.step, memory_order_release);
}

static void put_mark(struct block *block, bool pass_over)
{
	struct record record = {.number = pass_over};

	size_t used = block->used;
	memcpy(block->bytes + used, &record, sizeof(record));
	atomic_store_explicit(&block->used, used + sizeof(record), memory_order_release);
}

static int open_block(struct block *block)
{
	block->bytes = malloc(BLOCK_SIZE);
	block->used = 0;
	return block->bytes ? 0 : -ENOMEM;
}

/* One more block in memory. */
static struct block *add_block(struct trace_store *store)
{
	struct block *blocks =
	        realloc(store->blocks, (store->blocks_n + 1) * sizeof(*store->blocks));

	if (!blocks)
		return NULL;
	store->blocks = blocks;
	if (open_block(&blocks[store->blocks_n]))
		return NULL;
	return &blocks[store->blocks_n++];
}

static int load_frame(struct trace_store *store, const struct trace_frame *frame)
{
	struct block *block = &store->blocks[store->blocks_n - 1];

	if (!fits(block, frame->length)) {
		put_mark(block, false);
		block = add_block(store);
		if (!block)
			return -ENOMEM;
	}
	put_frame(block, frame);
	return 0;
}

/* Reads the whole trace. 0 or -1 and a reason. */
static int load(struct trace_store *store, struct trace_account *account, struct trace *trace,
                char *error)
{
	struct trace_frame frame;
	int got;

	if (!add_block(store))
		goto no_memory;
	while ((got = trace_next(trace, &frame, account->damage)) > 0)
		if (account_for(account, &frame) && load_frame(store, &frame))
			goto no_memory;
	account->damaged = got < 0;
	put_mark(&store->blocks[store->blocks_n - 1], true);
	if (account->frames)
		return 0;
	snprintf(error, TRACE_REASON_MAX, "%s",
	         account->damaged ? account->damage : "it holds no frame that can be sent");
	return -1;
no_memory:
	snprintf(error, TRACE_REASON_MAX, "there is not enough memory to hold it; try --preload 0");
	return -1;
}

/* Waits until block `index` may be filled; false where the reader shall end. */
static bool wait_for_room(struct trace_store *store, uint64_t index)
{
	while (!atomic_load(&store->stop)) {
		if (index - atomic_load_explicit(&store->emptied, memory_order_acquire) < BLOCKS)
			return true;
		usleep(READER_REST_US);
	}
	return false;
}

static struct block *begin_block(struct trace_store *store)
{
	struct block *block = &store->blocks[store->filled % BLOCKS];

	block->used = 0;
	atomic_store_explicit(&store->begun, store->filled + 1, memory_order_release);
	return block;
}

/* The block is full: the next one to fill, or NULL where the reader shall end. */
static struct block *next_block(struct trace_store *store)
{
	return wait_for_room(store, ++store->filled) ? begin_block(store) : NULL;
}

/* One pass over the file; false where the reader shall end. */
static bool read_pass(struct trace_store *store, struct trace *trace, bool first)
{
	struct block *block = &store->blocks[store->filled % BLOCKS];
	struct trace_account ignored = {0}, *account = first ? store->account : &ignored;
	struct trace_frame frame;
	int got;

	while ((got = trace_next(trace, &frame, account->damage)) > 0) {
		if (!account_for(account, &frame))
			continue;
		if (!fits(block, frame.length)) {
			put_mark(block, false);
			block = next_block(store);
			if (!block)
				return false;
		}
		put_frame(block, &frame);
	}
	if (atomic_load(&store->stop))
		return false; /* an interrupted reading is no damage */
	account->damaged = got < 0;
	put_mark(block, true);
	return next_block(store) != NULL;
}

static struct trace *open_again(const struct trace_store *store)
{
	char error[TRACE_REASON_MAX];
	FILE *file = strcmp(store->path, "-") ? fopen(store->path, "rbe") : NULL;

	return file ? trace_open(file, store->limits, error) : NULL;
}

static void *reader(void *context)
{
	struct trace_store *store = context;

	for (uint64_t pass = 0; !atomic_load(&store->stop);) {
		if (atomic_load(&store->passes) <= pass) {
			usleep(READER_REST_US);
			continue;
		}
		struct trace *trace = pass ? open_again(store) : store->first;
		bool go_on = trace && read_pass(store, trace, pass == 0);
		atomic_store(&store->failed, !trace);
		trace_close(trace);
		if (!go_on)
			break;
		pass++;
	}
	return NULL;
}

static void do_nothing(int number)
{
}

static int begin_streaming(struct trace_store *store, const char *path, struct trace *trace)
{
	const struct sigaction interrupt = {.sa_handler = do_nothing};

	(void)sigaction(SIGUSR1, &interrupt, NULL);
	store->first = trace;
	store->path = strdup(path);
	store->blocks = calloc(BLOCKS, sizeof(*store->blocks));
	if (!store->path || !store->blocks)
		return -ENOMEM;
	for (store->blocks_n = 0; store->blocks_n < BLOCKS; store->blocks_n++)
		if (open_block(&store->blocks[store->blocks_n]))
			return -ENOMEM;
	atomic_store(&store->passes, 1);
	(void)begin_block(store);
	store->reading = !pthread_create(&store->reader, NULL, reader, store);
	return store->reading ? 0 : -EAGAIN;
}

/* The block at the sender's place is used up. */
static void leave_block(struct trace_store *store)
{
	store->block++;
	store->at = 0;
	if (store->streamed)
		atomic_fetch_add_explicit(&store->emptied, 1, memory_order_release);
}

static const struct block *current_block(struct trace_store *store)
{
	if (!store->streamed)
		return &store->blocks[store->block];
	if (atomic_load_explicit(&store->begun, memory_order_acquire) == store->block)
		return NULL;
	const struct block *block = &store->blocks[store->block % BLOCKS];
	return atomic_load_explicit(&block->used, memory_order_acquire) > store->at ? block : NULL;
}

static enum source_state next(struct source *source, struct source_frame *frame)
{
	struct trace_store *store = ((struct trace_source *)source)->store;
	const struct block *block;
	struct record record;

	for (;;) {
		block = current_block(store);
		if (!block && atomic_load(&store->failed)) {
			source->reason = "the trace can't be read again";
			return SOURCE_BROKEN;
		}
		if (!block)
			return SOURCE_STARVED;
		memcpy(&record, block->bytes + store->at, sizeof(record));
		if (record.step)
			break;
		if (record.number) /* the mark stays until the pass begins again */
			return SOURCE_END;
		leave_block(store);
	}
	const uint8_t *bytes = block->bytes + store->at + sizeof(record);
	*frame = (struct source_frame){.number = record.number,
	                               .time_ns = record.time_ns,
	                               .data = bytes,
	                               .length = record.length};
	store->at += record.step;
	return SOURCE_FRAME;
}

static void rewind_trace(struct source *source)
{
	struct trace_store *store = ((struct trace_source *)source)->store;

	if (store->streamed) {
		leave_block(store);
		atomic_fetch_add(&store->passes, 1);
		return;
	}
	store->block = 0;
	store->at = 0;
}

/* coreutils' sha256sum reads the file that stands at its standard input. */
static _Noreturn void become_sha256sum(const char *path, int to)
{
	if (freopen(path, "rb", stdin) && dup2(to, STDOUT_FILENO) >= 0)
		execlp("sha256sum", "sha256sum", (char *)NULL);
	_exit(1);
}

static void digest_of(const char *path, char *digest)
{
	char line[TRACE_SOURCE_DIGEST + 8] = "";
	int ends[2];

	digest[0] = 0;
	if (pipe2(ends, O_CLOEXEC))
		return;
	pid_t child = fork();
	if (child == 0)
		become_sha256sum(path, ends[1]);
	close(ends[1]);
	if (read(ends[0], line, TRACE_SOURCE_DIGEST - 1) == TRACE_SOURCE_DIGEST - 1)
		memcpy(digest, line, TRACE_SOURCE_DIGEST);
	close(ends[0]);
	if (child > 0)
		(void)waitpid(child, NULL, 0);
}

static struct trace *open_trace(const char *path, struct trace_limits limits, uint64_t *size,
                                char *error)
{
	struct stat status;
	FILE *file = strcmp(path, "-") ? fopen(path, "rbe") : stdin;

	if (!file) {
		snprintf(error, TRACE_REASON_MAX, "%s", strerror(errno));
		return NULL;
	}
	*size = !fstat(fileno(file), &status) && S_ISREG(status.st_mode) ? (uint64_t)status.st_size
	                                                                 : UINT64_MAX;
	return trace_open(file, limits, error);
}

/* Takes over the open trace. */
static int fill(struct trace_source *own, const char *path, struct trace *trace, char *error)
{
	struct trace_store *store = own->store;
	int status = -1;

	if (store->streamed) {
		if (!begin_streaming(store, path, trace))
			return 0;
		snprintf(error, TRACE_REASON_MAX, "its reader does not begin");
	} else {
		digest_of(path, own->account.digest);
		status = load(store, &own->account, trace, error);
	}
	trace_close(trace);
	return status;
}

struct trace_source *trace_source_open(const char *path, uint32_t longest, uint64_t preload,
                                       char *error)
{
	struct trace_limits limits = {.longest = longest};
	uint64_t size;
	struct trace *trace = open_trace(path, limits, &size, error);

	if (!trace)
		return NULL;
	struct trace_source *own = calloc(1, sizeof(*own));
	struct trace_store *store = calloc(1, sizeof(*store));
	if (!own || !store)
		abort();
	own->source = (struct source){.next = next, .rewind = rewind_trace};
	own->store = store;
	own->account.streamed = store->streamed = size > preload;
	store->limits = limits;
	store->account = &own->account;
	snprintf(own->account.note, sizeof(own->account.note), "%s", trace_note(trace));
	snprintf(own->account.name, sizeof(own->account.name), "%s", path);
	if (!fill(own, path, trace, error))
		return own;
	trace_source_close(own);
	return NULL;
}

/* A reader may wait for a pipe that brings nothing: a signal ends its reading. One that comes just
 * before it begins is lost, so there are more. */
void trace_source_stop(struct trace_source *own)
{
	struct trace_store *store = own->store;

	atomic_store(&store->stop, true);
	while (store->reading && pthread_tryjoin_np(store->reader, NULL) == EBUSY) {
		(void)pthread_kill(store->reader, SIGUSR1);
		(void)usleep(READER_REST_US);
	}
	store->reading = false;
}

void trace_source_close(struct trace_source *own)
{
	struct trace_store *store = own->store;

	trace_source_stop(own);
	for (size_t i = 0; i < store->blocks_n; i++)
		free(store->blocks[i].bytes);
	free(store->blocks);
	free(store->path);
	free(store);
	free(own);
}
