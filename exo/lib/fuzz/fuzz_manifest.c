/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzzes the manifest's checker: what it accepts, the accessors may walk.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <libexo/manifest.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk(const struct exo_manifest *m)
{
	volatile size_t sum = 0;

	for (uint32_t i = 0; i < m->envs.n; i++) {
		const struct exo_manifest_env *env = &exo_manifest_envs(m)[i];

		sum += strlen(exo_manifest_string(m, env->name));
		sum += exo_manifest_files(m)[env->image].digest;
		for (uint32_t k = 0; k < env->n_flows; k++)
			sum += exo_manifest_flows(m)[env->first_flow + k].n_receive;
	}
	for (uint32_t i = 0; i < m->flows.n; i++) {
		const struct exo_manifest_flow *flow = &exo_manifest_flows(m)[i];

		for (uint32_t k = 0; k < flow->n_receive; k++)
			sum += exo_manifest_conjunctions(m)[flow->first_receive + k].n_terms;
		sum += strlen(exo_manifest_string(m, flow->text));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char error[EXO_MANIFEST_ERROR_MAX];
	void *copy = aligned_alloc(8, (size + 8) / 8 * 8);

	if (copy == NULL)
		return 0;
	memcpy(copy, data, size);
	if (exo_manifest_check(copy, size, error) == 0)
		walk(copy);
	free(copy);
	return 0;
}
