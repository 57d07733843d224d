/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Programs: bytecode that is loaded, verified, translated and run.
 *
 * Use: load (one of the flt_program_load_* functions; a program that comes back is verified and
 * safe to run on any frame), run as often as wanted and on as many cores as wanted, free once no
 * core runs it any more. Loading is the only place where bytecode is judged; bytecode is hostile.
 *
 * Four contexts:
 *   classic  classic BPF as libpcap compiles it. Result: the number of bytes wanted, 0 = no match.
 *   xdp      eBPF whose r1 points to Linux's struct xdp_md. Result: XDP_PASS (2), XDP_TX (3) and
 *            XDP_REDIRECT (4) accept, XDP_ABORTED (0), XDP_DROP (1) and any other value decline.
 *   raw      eBPF with r1 = memory, r2 = its length; for tests and conformance suites.
 *   call     eBPF that is called with the arguments of its signature, by other programs or by
 *            flt_program_call.
 *
 * Loading needs a few hundred KiB of platform memory while it lasts, and at most some 40 MiB for
 * programs made to need it. It is bounded in time, too: FLT_VERIFIER_STEPS_MAX abstract
 * instructions at most, and a bound on what is compared and copied meanwhile; the worst programs
 * known take a third of a second. Functions that are active at once have 512 bytes of stack
 * together, eight of them at most, as in Linux. A running program needs at most 8 KiB of native
 * stack. Running never allocates, blocks or fails.
 */
#ifndef FLT_PROGRAM_H
#define FLT_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "signature.h"

enum {
	FLT_PROGRAM_INSNS_MAX = 65536,    /* eBPF instructions of one program */
	FLT_CLASSIC_INSNS_MAX = 4096,     /* classic instructions, as Linux and BSD have it */
	FLT_VERIFIER_STEPS_MAX = 1000000, /* instructions that the verifier walks, over all paths */
	FLT_IMPORTS_MAX = 64,             /* functions of other programs that one calls */
	FLT_LINK_DEPTH_MAX = 3,           /* programs that call each other, one inside another */
	FLT_PROGRAM_NAME_MAX = 32,        /* with its NUL; longer names are cut */
};

/* One classic BPF instruction; same layout as libpcap's struct bpf_insn. */
struct flt_classic_insn {
	uint16_t code;
	uint8_t jt;
	uint8_t jf;
	uint32_t k;
};

/* One eBPF instruction as RFC 9669 encodes it, little-endian. */
struct flt_insn {
	uint8_t code;
	uint8_t regs; /* destination in the low, source in the high four bits */
	int16_t offset;
	int32_t imm;
};

_Static_assert(sizeof(struct flt_classic_insn) == 8, "libpcap's layout");
_Static_assert(sizeof(struct flt_insn) == 8, "RFC 9669's layout");

/* A frame to be judged. The bytes are only read. */
struct flt_frame {
	const uint8_t *data; /* the Ethernet header's first byte */
	uint32_t len;        /* contiguous bytes at data (captured); at most wire_len */
	uint32_t wire_len;   /* the frame's length on the wire */
	uint32_t port;       /* the receiving port: classic ifindex, xdp_md ingress_ifindex */
	uint32_t queue;      /* xdp_md rx_queue_index */
	uint64_t tsc;        /* arrival; not looked at by the engine */
};

enum flt_kind {
	FLT_KIND_CLASSIC,
	FLT_KIND_XDP,
	FLT_KIND_RAW,
	FLT_KIND_CALL,
};

/* Flags of loading. */
enum {
	/* The program may write to the packet and move its ends (handlers). Without it such a
	 * program is refused: filters judge, they do not change. */
	FLT_LOAD_WRITES = 1u << 0,
	/* Never JIT this one. */
	FLT_LOAD_INTERPRET = 1u << 1,
};

struct flt_program;
struct flt_object;
struct flt_map;

/*
 * Verifies n classic instructions (untrusted, copied) and makes a program of them. The name is for
 * error messages (copied, may be NULL). On success *program is the caller's, to be freed by
 * flt_program_free(); on failure it is NULL.
 */
int flt_program_load_classic(const struct flt_classic_insn *insns, uint32_t n, const char *name,
                             uint32_t flags, struct flt_program **program, struct flt_error *error);

/* The same for bare eBPF instructions: no maps, kind FLT_KIND_XDP or FLT_KIND_RAW. */
int flt_program_load_ebpf(const struct flt_insn *insns, uint32_t n, enum flt_kind kind,
                          const char *name, uint32_t flags, struct flt_program **program,
                          struct flt_error *error);

/*
 * Opens an ELF object (untrusted; nothing of bytes is kept) from `clang -target bpf`: creates its
 * maps and applies its relocations. The object holds its maps; programs loaded from it hold the
 * object, so it may be closed before they are freed.
 */
int flt_object_open(const void *bytes, size_t size, struct flt_object **object,
                    struct flt_error *error);
void flt_object_close(struct flt_object *object);

/* The name of the i-th program of the object, and its section; NULL beyond the last. */
const char *flt_object_program_name(const struct flt_object *object, uint32_t i);
const char *flt_object_program_section(const struct flt_object *object, uint32_t i);

/* The map of that name, or NULL; the i-th map, or NULL beyond the last. They live as long as the
 * object and the programs loaded from it. */
struct flt_map *flt_object_map(const struct flt_object *object, const char *name);
struct flt_map *flt_object_map_at(const struct flt_object *object, uint32_t i);

/* Loads the program of that name; name NULL: the object's only program (FLT_E_NOT_FOUND where it
 * has several). Kind: FLT_KIND_RAW for section "raw…", FLT_KIND_CALL for "call…", FLT_KIND_XDP
 * otherwise. */
int flt_program_load_object(struct flt_object *object, const char *name, uint32_t flags,
                            struct flt_program **program, struct flt_error *error);

/* What a handler is loaded under. */
struct flt_load {
	uint32_t flags;  /* FLT_LOAD_* */
	uint32_t budget; /* the most that its dearest path may cost (flt_program_cost); 0: anything
	                  */
	uint64_t raw_length; /* raw programs: bytes of memory that are always there */
	/*
	 * What stands for a function that the object calls and does not define: a loaded program of
	 * kind call whose signature is the one that the caller was compiled with, or NULL (refused,
	 * *error may say why). It is called directly from then on, and must outlive the caller.
	 * NULL: no such calls.
	 */
	struct flt_program *(*import)(void *arg, const char *name, struct flt_error *error);
	void *import_arg;
};

/* The i-th function that a program of the object calls and the object does not define; NULL beyond
 * the last. */
const char *flt_object_import_name(const struct flt_object *object, uint32_t i);
/* How the object's programs call it. */
int flt_object_import_signature(const struct flt_object *object, const char *name,
                                struct flt_signature *signature, struct flt_error *error);

/* The type of a function that the object defines. */
int flt_object_signature(const struct flt_object *object, const char *function,
                         struct flt_signature *signature, struct flt_error *error);

/* flt_program_load_object under `load`. FLT_E_REFUSED where the cost exceeds the budget. */
int flt_program_load(struct flt_object *object, const char *name, const struct flt_load *load,
                     struct flt_program **program, struct flt_error *error);

/* flt_object_open, flt_program_load_object and flt_object_close in one. */
int flt_program_load_elf(const void *bytes, size_t size, const char *name, uint32_t flags,
                         struct flt_program **program, struct flt_error *error);

/*
 * A service: a function of the host's own that programs import like one of another program. It gets
 * the arguments of its signature and, behind them, the context that it was made with; what it
 * returns is a number. It runs wherever programs run, and must hold what they are held to: it may
 * cost `cost` at most. Name and signature are copied. Native callers come by a jump of two moves.
 */
struct flt_service {
	const char *name;
	int64_t (*call)(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5,
	                void *context);
	uint32_t cost;
	struct flt_signature signature; /* numbers only, as flt_signature_numbers makes it, or an
	                                   object's */
};

/* Makes a program of kind call of it. 0 or FLT_E_NO_MEMORY. */
int flt_program_service(const struct flt_service *service, void *context,
                        struct flt_program **program);

/* Frees the program at once: the caller knows that no core runs it (or goes through retire). NULL
 * is allowed. */
void flt_program_free(struct flt_program *program);

/*
 * Runs a program on a frame that it can only read. Result: the number of bytes wanted, 0 where it
 * declines. For xdp programs accept is UINT32_MAX; one that was loaded with FLT_LOAD_WRITES
 * declines (run it by flt_program_run_xdp). raw programs: r1 = data, r2 = len, result is r0's low
 * half.
 */
uint32_t flt_program_run(const struct flt_program *program, const struct flt_frame *frame);

/* The same by the interpreter, whether there is native code or not: the reference. */
uint32_t flt_program_interpret(const struct flt_program *program, const struct flt_frame *frame);

/* XDP's result codes, Linux's numbers. */
enum flt_xdp_action {
	FLT_XDP_ABORTED = 0,
	FLT_XDP_DROP = 1,
	FLT_XDP_PASS = 2,
	FLT_XDP_TX = 3,
	FLT_XDP_REDIRECT = 4,
};

/*
 * A frame that a handler may change. hard_start … hard_end is the buffer that the caller owns, in
 * which the frame lies from data to data_end; xdp_adjust_head and _tail move these two inside it.
 * There is no metadata area: data_meta is data. Everything between hard_start and hard_end may be
 * overwritten.
 */
struct flt_xdp_buff {
	uint8_t *data;
	uint8_t *data_end;
	uint8_t *hard_start;
	uint8_t *hard_end;
	uint32_t ingress_ifindex;
	uint32_t rx_queue_index;
	uint32_t egress_ifindex;
	uint32_t redirect_ifindex; /* out: what redirect() was called with */
	uint64_t redirect_flags;   /* out */
	uint8_t *fresh; /* bytes of the buffer below are somebody else's: zeroed where data moves
	                   there, and this with it; NULL: they are the program's to see */
};

/* Runs an xdp program on such a buffer and returns its result code as it is (enum flt_xdp_action,
 * or any other number). Programs of other kinds: FLT_XDP_ABORTED. */
uint32_t flt_program_run_xdp(const struct flt_program *program, struct flt_xdp_buff *buff);
/* The same in two steps, for who knows that it is an xdp program: its machine code
 * (flt_program_code) is called like this; */
typedef uint64_t flt_xdp_code(const struct flt_xdp_buff *buff);
/* and behind a call that returned FLT_XDP_REDIRECT, on the same core: fills in where to. */
void flt_program_redirected(struct flt_xdp_buff *buff);

/* Runs a raw program: r1 = memory, r2 = length; returns r0. Other kinds: 0. */
uint64_t flt_program_run_raw(const struct flt_program *program, void *memory, uint64_t length);

/* Calls a program of kind call whose arguments are all numbers; others, and other kinds: 0. */
uint64_t flt_program_call(const struct flt_program *program, const uint64_t arguments[]);
/* The same without looking: of kind call, and it takes numbers only. */
uint64_t flt_program_call_plain(const struct flt_program *program, uint64_t a, uint64_t b,
                                uint64_t c, uint64_t d, uint64_t e);
bool flt_program_takes_numbers(const struct flt_program *program);
/* What it takes; of kind call only. */
const struct flt_signature *flt_program_signature(const struct flt_program *program);

/* What there is to know about a loaded program. */
const char *flt_program_name(const struct flt_program *program);
enum flt_kind flt_program_kind(const struct flt_program *program);
bool flt_program_is_native(const struct flt_program *program);
/* The internal form (eBPF, after translation), the machine code (NULL: none), and for classic
 * programs the instructions as they came; *n and *size say how much. Valid until the program is
 * freed. */
const struct flt_insn *flt_program_insns(const struct flt_program *program, uint32_t *n);
const void *flt_program_code(const struct flt_program *program, size_t *size);
const struct flt_classic_insn *flt_program_classic(const struct flt_program *program, uint32_t *n);
/* Whether it calls anything: helpers, services, other programs. */
bool flt_program_calls(const struct flt_program *program);
/* What the dearest path through the program costs, as the verifier proved: an instruction counts 1,
 * a helper what it is listed with (its own instructions, and one more for 8 bytes that it moves).
 * A look-up in a hash map counts as in a map without chosen collisions (platform.hash_seed). */
uint32_t flt_program_cost(const struct flt_program *program);
/* Abstract instructions that verification walked, and bytes of platform memory the program holds.
 */
uint32_t flt_program_verifier_steps(const struct flt_program *program);
size_t flt_program_memory(const struct flt_program *program);

#endif
