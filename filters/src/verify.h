/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The verifier: proves that a program can't fault, hang or leak, whatever the packet.
 *
 * It walks every path of the program with abstract values: per register a type, and for numbers
 * (and the variable part of pointers) a range. Where paths meet, a state that an earlier one
 * contains is not walked again. Loops are walked round by round, so a program is accepted only if
 * they end; the number of walked instructions is bounded (FLT_VERIFIER_STEPS_MAX), and with it the
 * time. The walk also finds what the dearest path costs (helper.h says what helpers count for): a
 * path that ends in a state met before costs what it has cost plus the dearest way on from there.
 *
 *   verify.c         the walk
 *   verify_state.c   copying, comparing and remembering states
 *   verify_live.c    which registers may be read where
 *   verify_back.c    which values and stack bytes decided something, found by walking back
 *   verify_memory.c  loads and stores
 *   verify_alu.c     arithmetic, on numbers and on pointers
 *   verify_branch.c  conditional jumps
 *   verify_call.c    helpers and local functions
 */
#ifndef FLT_VERIFY_H
#define FLT_VERIFY_H

#include "check.h"
#include "helper.h"
#include "jit.h"
#include "map_internal.h"
#include "program_internal.h"
#include "range.h"

enum {
	FLT_STACK_SLOTS = FLT_STACK_BYTES / 8,
	FLT_PACKET_OFFSET_MAX = 0xffff, /* of pointers into the packet */
	FLT_POINTER_OFFSET_MAX = 1 << 29,
	FLT_VERIFIER_MEMORY_MAX = 24 << 20, /* bytes: states and steps */
	FLT_VERIFIER_EFFORT_MAX = 1 << 25,  /* slots compared, lines copied, steps walked back */
	FLT_RAW_LENGTH_ID = 1,              /* the identity of a raw program's second argument */
};

enum flt_vtype {
	FLT_V_NONE, /* not initialised */
	FLT_V_NUMBER,
	FLT_V_CONTEXT,
	FLT_V_STACK,
	FLT_V_PACKET,
	FLT_V_PACKET_META, /* metadata: what lies before the packet, which is its end */
	FLT_V_PACKET_END,
	FLT_V_MAP,
	FLT_V_VALUE,         /* a map's value */
	FLT_V_VALUE_OR_NULL, /* not yet compared with 0 */
	FLT_V_RAW,           /* a raw program's memory */
	FLT_V_MEMORY,        /* memory of `length` bytes that a caller gave */
};

/* A register's content. */
struct flt_vreg {
	uint8_t type;    /* enum flt_vtype */
	uint8_t frame;   /* STACK: whose; MEMORY: 1: may only be read */
	uint16_t length; /* PACKET: bytes proven to exist behind its variable part; MEMORY: all */
	uint32_t id;     /* equal ids: equal variable parts (numbers: equal values); 0: none */
	int32_t offset;  /* pointers: the fixed part */
	uint8_t beyond;  /* PACKET: known to be at the end (FLT_AT_END) or past it */
	uint16_t sure;   /* PACKET: as length, but whatever the processor may have guessed */
	struct flt_map *map;    /* MAP, VALUE, VALUE_OR_NULL */
	struct flt_range range; /* numbers; pointers: the variable part */
};

enum {
	FLT_AT_END = 1,
	FLT_PAST_END = 2,
};

enum flt_vbyte {
	FLT_B_NONE, /* never written */
	FLT_B_MISC,
	FLT_B_ZERO,
	FLT_B_SPILL, /* part of a spilled register */
};

/* A saved number of 4 bytes fills the lower half, anything else that is saved all 8. */
struct flt_vslot {
	uint8_t bytes[8]; /* enum flt_vbyte, lowest address first */
	struct flt_vreg spill;
};

/* Half slots of a frame: bit i of [0] is the lower half of slot i, of [1] the upper. */
struct flt_halves {
	uint64_t of[2];
};

/* A function that is active. Slot i holds the bytes from R10 - 8 * (i + 1). */
struct flt_vframe {
	struct flt_vreg regs[FLT_REGS];
	uint32_t return_to;
	uint32_t n_slots; /* slots above are NONE */
	struct flt_vslot slots[FLT_STACK_SLOTS];
};

struct flt_vstate {
	uint32_t pc;
	uint32_t depth;      /* index of the running function's frame */
	uint32_t trace_at;   /* waiting states: how many steps led here */
	uint32_t cost;       /* of the path from the program's start to here */
	uint64_t raw_length; /* proven lower bound of a raw program's length */
	/* What was overwritten since the last remembered state. */
	struct flt_halves written[FLT_CALL_DEPTH_MAX];
	struct flt_explored *parent;
	struct flt_vframe *frames[FLT_CALL_DEPTH_MAX];
};

/* What of a frame decided something on the paths from a state. The rest may be anything. */
struct flt_matters {
	struct flt_halves read; /* stack that is read before it is overwritten */
	uint64_t slots;         /* saved numbers whose value decided */
	uint16_t regs;          /* numbers whose value decided */
};

/* A state that was walked from. */
struct flt_explored {
	struct flt_explored *next;   /* at the same instruction */
	struct flt_explored *parent; /* the one before it on its path */
	struct flt_explored *next_free;
	uint32_t branches; /* paths from here that have not ended yet */
	uint32_t longest;  /* cost of the dearest path from here that has ended */
	struct flt_matters matters[FLT_CALL_DEPTH_MAX];
	struct flt_vstate state; /* written: between its parent and it; trace_at: its own */
};

/* One step of the current path. */
struct flt_step {
	uint32_t pc;
	uint8_t depth;
	uint8_t frame, slot; /* the slot that a load or a store touched */
	uint8_t flags;
};

enum {
	FLT_STEP_SLOT = 1 << 0,  /* frame and slot say which */
	FLT_STEP_LINKS = 1 << 1, /* a comparison of two numbers, of which there may be copies */
};

struct flt_pending {
	struct flt_pending *next;
	struct flt_vstate state;
};

struct flt_verifier {
	struct flt_insn *insns; /* rewritten in place: context loads, maps' addresses */
	uint32_t n_insns;
	enum flt_kind kind;
	bool may_write;
	struct flt_map *const *maps; /* of the object; n_maps of them */
	uint32_t n_maps;
	const struct flt_signature *signature; /* of kind call */
	struct flt_program *const *imports;    /* n_imports of them */
	uint32_t n_imports;
	struct flt_shape_of_program shape;
	struct flt_error *error;

	struct flt_note *notes;
	uint8_t *access; /* per instruction: what kind of memory it touched, see verify_memory.c */
	uint16_t *live;  /* per instruction: registers read later */
	uint32_t *stack; /* per function, at its first instruction: bytes of stack it uses */

	struct flt_step *trace; /* the current path, from the program's start */
	uint32_t n_trace, trace_room;

	struct flt_explored **explored; /* per instruction, the most useful first */
	struct flt_pending *pending;
	struct flt_explored *garbage; /* forgotten while paths from them were open */
	size_t memory, memory_max;
	uint32_t steps;
	uint32_t sweep_at;
	uint32_t effort; /* of comparing states and of walking back: bounds the time */
	uint32_t steps_since_explored;
	uint32_t next_id;
	uint32_t cost; /* of the dearest path that has ended */
	bool path_ended;
	int code; /* the first refusal */

	struct flt_vstate now;
};

/* What comes in and out. */
struct flt_verify_input {
	struct flt_insn *insns;
	uint32_t n_insns;
	enum flt_kind kind;
	bool may_write;
	struct flt_map *const *maps;
	uint32_t n_maps;
	uint32_t budget;                       /* what the dearest path may cost; 0: anything */
	uint64_t raw_length;                   /* of a raw program's memory, at least */
	const struct flt_signature *signature; /* of kind call */
	struct flt_program *const *imports;
	uint32_t n_imports;
};

/* What is known of a verified program. */
struct flt_verified {
	struct flt_note *notes; /* n_insns, for the JIT; allocated */
	uint32_t steps;         /* instructions walked, also of a refused one */
	uint32_t cost;          /* of the dearest path */
};

/* Verifies and rewrites the instructions; *verified is filled in on success. */
int flt_verify(const struct flt_verify_input *input, struct flt_verified *verified,
               struct flt_error *error);

/* --- between the files --- */

/* Refuses the program at the current instruction; returns the code. */
int flt_vrefuse(struct flt_verifier *v, const char *format, ...)
        __attribute__((format(printf, 2, 3)));

static inline struct flt_vframe *flt_vframe_now(struct flt_verifier *v)
{
	return v->now.frames[v->now.depth];
}

static inline struct flt_vreg *flt_vreg_now(struct flt_verifier *v, uint32_t r)
{
	return &flt_vframe_now(v)->regs[r];
}

/* What the current instruction's step is known by. */
static inline struct flt_step *flt_vstep_now(struct flt_verifier *v)
{
	return &v->trace[v->n_trace - 1];
}

static inline bool flt_vtype_in_packet(uint32_t type)
{
	return type == FLT_V_PACKET || type == FLT_V_PACKET_META || type == FLT_V_PACKET_END;
}

static inline bool flt_vtype_is_pointer(uint32_t type)
{
	return type > FLT_V_NUMBER;
}

const char *flt_vtype_name(uint32_t type);
void flt_vreg_set_number(struct flt_vreg *reg, struct flt_range range);
/* The register may be read: 0, or a refusal. */
int flt_vread(struct flt_verifier *v, uint32_t r);

int flt_vlive_compute(struct flt_verifier *v);

/* verify_state.c */
void flt_vstate_free(struct flt_verifier *v, struct flt_vstate *state);
/* Memory that counts; remembered states go for it. NULL: there is none. */
void *flt_valloc(struct flt_verifier *v, size_t size);
void flt_vfree(struct flt_verifier *v, void *memory, size_t size);
int flt_vpush(struct flt_verifier *v, uint32_t pc, struct flt_vstate **pushed);
void flt_vunpush(struct flt_verifier *v); /* takes the last one back */
bool flt_vpop(struct flt_verifier *v);
/* At a place where paths meet: ends the path if an earlier state contains this one, else remembers.
 */
int flt_vmeet(struct flt_verifier *v);
void flt_vend_path(struct flt_verifier *v);
/* Something on the path counts for more than an instruction. */
void flt_vcharge(struct flt_verifier *v, uint64_t cost);
void flt_vforget_all(struct flt_verifier *v);

/* verify_back.c */
int flt_vtrace(struct flt_verifier *v);
/* The number in a register (or a saved one) decides something in the current instruction. */
void flt_vdecides(struct flt_verifier *v, uint32_t r);
void flt_vdecides_slot(struct flt_verifier *v, uint32_t frame, uint32_t slot);
/* Stack is read, or overwritten. */
void flt_vstack_read(struct flt_verifier *v, uint32_t frame, struct flt_halves what);
void flt_vstack_written(struct flt_verifier *v, uint32_t frame, struct flt_halves what);
/* The current path ends at a state that contains it: what matters there matters here. */
void flt_vinherit(struct flt_verifier *v, const struct flt_explored *from);

/* verify_memory.c */
int flt_vload(struct flt_verifier *v, const struct flt_insn *insn);
/* Turns a verified load of xdp_md into one of struct flt_xdp_buff. */
void flt_context_rewrite(struct flt_insn *insn);
int flt_vstore(struct flt_verifier *v, const struct flt_insn *insn);
/* The number in the 4 bytes of stack behind a register, where it is known. */
bool flt_vstack_constant(struct flt_verifier *v, uint32_t r, uint32_t *value);
/* Memory behind a register that a helper reads or fills. */
int flt_vmemory_arg(struct flt_verifier *v, uint32_t r, uint32_t size, bool write);

int flt_valu(struct flt_verifier *v, const struct flt_insn *insn);
int flt_vjump(struct flt_verifier *v, const struct flt_insn *insn);
int flt_vcall(struct flt_verifier *v, const struct flt_insn *insn);
/* After the walk: functions that are active at once share one function's stack, as in Linux. */
int flt_vstack_depth(struct flt_verifier *v);
int flt_vexit(struct flt_verifier *v);

#endif
