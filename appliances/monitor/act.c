/* SPDX-License-Identifier: BSD-2-Clause */
/* What the monitor does to others. */
#include <libexo/call.h>
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
