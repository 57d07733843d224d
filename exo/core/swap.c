/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frames that change hands inside a poll: one of an environment's for one of the kernel's that a
 * packet lies in. The environment sees the new one where it saw the old one; every core has
 * forgotten the old one before this returns, so that it may receive anybody's packets at once.
 *
 * A poller waits for no lock that a call holds while it waits for pollers (net_quiesce): where the
 * core's or the space's is taken, nothing happens, and the packet is copied.
 */
#include "ledger.h"

#include "core.h"
#include "env.h"
#include "frame_table.h"
#include "space.h"

/* Epochs that a frame must have left: it is retired at the end of them, which a swap can't do. */
enum { EPOCHS_SPARE = 16 };

static void set_state(struct frame *frame, enum frame_state state)
{
	__atomic_store_n(&frame->state, (uint8_t)state, __ATOMIC_SEQ_CST);
}

static bool has_epochs(const struct frame *frame)
{
	return frame->epoch < UINT32_MAX - EPOCHS_SPARE;
}

/* Whether a frame of the kernel's can be anybody's. */
static bool may_go(const struct frame *frame)
{
	return frame && frame->state == FRAME_KERNEL && has_epochs(frame);
}

/* Whether a frame of the environment's can be taken in: nothing is done to it but that the
 * environment maps it, once at most. It is LEAVING then: nobody maps or pins it any more. */
static bool leave(struct env *env, struct frame *frame)
{
	if (!frame || frame->state != FRAME_OWNED || frame->owner != env->id ||
	    ledger_frame_fixed(frame) || !has_epochs(frame))
		return false;
	set_state(frame, FRAME_LEAVING);
	if (__atomic_load_n(&frame->pins, __ATOMIC_SEQ_CST) == 0 && space_may_move(env, frame))
		return true;
	set_state(frame, FRAME_OWNED);
	return false;
}

static void change_hands(struct env *env, struct frame *out, struct frame *in)
{
	frame_list_remove(&env->frames, out);
	frame_write(&in->owner, env->id);
	frame_write(&in->epoch, in->epoch + 1);
	frame_list_add(&env->frames, in);
	set_state(in, FRAME_OWNED);
	space_move(env, out, in);
	frame_write(&out->owner, 0);
	frame_write(&out->epoch, out->epoch + 1);
	set_state(out, FRAME_KERNEL);
}

static bool swap_all(struct env *env, const struct frame_swap *swaps, unsigned n)
{
	unsigned i = 0;

	while (i < n && may_go(ledger_frame(swaps[i].in)) && leave(env, ledger_frame(swaps[i].out)))
		i++;
	if (i == n) {
		for (i = 0; i < n; i++)
			change_hands(env, ledger_frame(swaps[i].out), ledger_frame(swaps[i].in));
		return true;
	}
	while (i-- > 0)
		set_state(ledger_frame(swaps[i].out), FRAME_OWNED);
	return false;
}

bool ledger_frames_swap(struct env *env, const struct frame_swap *swaps, unsigned n)
{
	bool done = false;

	if (!core_trylock())
		return false;
	if (machine_trylock(&env->space_lock)) {
		/* What is being taken back is not to slip away. */
		done = env->account->repossession.by == 0 && swap_all(env, swaps, n);
		machine_unlock(&env->space_lock);
	}
	core_unlock();
	return done;
}
