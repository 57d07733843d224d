/* SPDX-License-Identifier: BSD-2-Clause */
/* What the monitor does to others. */
#include <libexo/call.h>
#include <libexo/handover.h>
#include <libexo/lib.h>
#include <libexo/printf.h>
#include <libexo/start.h>
#include <libexo/time.h>

#include "monitor.h"

int derive_key(uint32_t use, uint64_t first, uint32_t count, unsigned rights, struct exo_cap *out)
{
	const struct exo_cap *authority = exo_start_cap(use);
	struct exo_grant grant = {
	        .to = exo_account()->env,
	        .rights = (uint16_t)rights,
	        .first = first,
	        .count = count,
	};
	int result = -EXO_EPERM;

	if (authority != NULL) {
		grant.cap = *authority;
		result = exo_grant(&grant);
	}
	*out = grant.out;
	return result;
}

static void say_refused(const char *what, int result)
{
	exo_printf("%s: %s%s\n", what, exo_error_text(result),
	           result == -EXO_EPERM ? " (the manifest's may = [ \"control\" ] gives it)" : "");
}

void act_kill(char *const *words)
{
	uint32_t id = words[1] != NULL ? find_env(words[1]) : 0;
	struct exo_cap key;
	int result;

	if (words[1] == NULL)
		exo_printf("kill whom? kill ENVIRONMENT, by id or name; 'envs' lists them\n");
	if (id == 0)
		return;
	if (id == 1 && (words[2] == NULL || strcmp(words[2], "really") != 0)) {
		exo_printf("that is init: the machine would go off; 'kill %s really' does it\n",
		           words[1]);
		return;
	}
	result = derive_key(EXO_USE_ENVS, id, 1, EXO_RIGHT_CONTROL, &key);
	if (result == 0)
		result = exo_env_end(&key);
	if (result < 0)
		say_refused("kill", result);
	else
		exo_printf("environment %u was ended\n", id);
}

/* revoke FIRST COUNT: every key to these frames dies, and what others mapped with them is gone. */
void act_revoke(char *const *words)
{
	uint64_t first, count;
	struct exo_cap key;
	int result;

	if (words[1] == NULL || words[2] == NULL) {
		exo_printf("revoke what? revoke FIRST COUNT: keys to frames FIRST …; "
		           "'frames ENVIRONMENT' lists them\n");
		return;
	}
	if (!parse_number(words[1], &first) || !parse_number(words[2], &count))
		return;
	if (count == 0 || count > UINT32_MAX) {
		exo_printf("revoke: 1 frame at least, 4294967295 at most\n");
		return;
	}
	result = derive_key(EXO_USE_FRAMES, first, (uint32_t)count, EXO_RIGHT_FREE, &key);
	if (result == 0)
		result = exo_revoke(&key);
	if (result < 0)
		say_refused("revoke", result);
	else
		exo_printf("keys to frames %llu to %llu are dead\n", (unsigned long long)first,
		           (unsigned long long)(first + count - 1));
}

/* take COUNT ENVIRONMENT: asks it for that many frames of its choice; after a second the kernel
 * takes what it kept. */
void act_take(char *const *words)
{
	const struct exo_cap *frames = exo_start_cap(EXO_USE_FRAMES);
	struct exo_repossess block = {
	        .kind = EXO_KIND_FRAME,
	        .first = EXO_UNITS_ANY,
	        .deadline = exo_tsc() + exo_info()->tsc_hz,
	};
	int result;

	if (words[1] == NULL || words[2] == NULL) {
		exo_printf("take what? take COUNT ENVIRONMENT: so many frames of it\n");
		return;
	}
	if (!parse_number(words[1], &block.count))
		return;
	block.env = find_env(words[2]);
	if (block.env == 0)
		return;
	if (frames != NULL)
		block.authority = *frames;
	result = exo_repossess(&block);
	if (result < 0)
		say_refused("take", result);
	else
		exo_printf("environment %u has a second to give %llu frames back\n", block.env,
		           (unsigned long long)block.count);
}

/* ---- replace ---- */

#define PATIENCE_NS 3000000000ull
#define LOOK_NS     10000000ull

static int order(uint32_t env, enum exo_handover_order what, uint64_t port)
{
	struct exo_cap key;
	int result = derive_key(EXO_USE_ENVS, env, 1, EXO_RIGHT_CALL, &key);

	if (result == 0)
		result = exo_gate(&key, 0);
	if (result < 0)
		return result;
	result = (int)exo_send(0, what, port, 0, 0);
	(void)exo_gate(NULL, 0);
	return result;
}

static void say_no_order(const char *who, int result)
{
	if (result == -EXO_EAGAIN)
		exo_printf("replace: %s takes no orders\n", who);
	else
		say_refused("replace", result);
}

/* Whether it binds what it stands by for: nobody else in it knows, so the ledger is asked. */
static bool takes_over(uint32_t env, uint64_t port, const char *name)
{
	uint32_t before = count_bindings(env);
	uint64_t until = exo_time_now_ns() + PATIENCE_NS;
	int result = order(env, EXO_HANDOVER_TAKE, port);

	if (result < 0) {
		say_no_order(name, result);
		return false;
	}
	while (count_bindings(env) <= before) {
		if (exo_time_now_ns() > until) {
			exo_printf("replace: %s has no such flow to stand by for (standby = true "
			           "in the manifest); nothing was changed\n",
			           name);
			return false;
		}
		exo_time_sleep_ns(LOOK_NS);
	}
	return true;
}

/* replace OLD NEW [PORT]: NEW binds the flows behind OLD, who then lets go of them, but for its
 * connections (libexo/handover.h). */
void act_replace(char *const *words)
{
	uint32_t from, to;
	uint64_t port = 0;
	int result;

	if (words[1] == NULL || words[2] == NULL) {
		exo_printf("replace whom? replace OLD NEW [PORT]: listening flows of OLD, or those "
		           "of PORT, go to NEW\n");
		return;
	}
	if (words[3] != NULL && !parse_number(words[3], &port))
		return;
	from = find_env(words[1]);
	to = from == 0 ? 0 : find_env(words[2]);
	if (to == 0 || from == to || !takes_over(to, port, words[2]))
		return;
	result = order(from, EXO_HANDOVER_GIVE, port);
	if (result < 0)
		say_no_order(words[1], result);
	else
		exo_printf("%s gets what is new; %s keeps its connections until they end\n",
		           words[2], words[1]);
}
