/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzzes the ELF loader: any bytes give programs or a reason.
 */
#include <stdint.h>
#include <stdlib.h>

#include <flt/host.h>
#include <flt/map.h>
#include <flt/program.h>

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	flt_host_init(true);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct flt_object *object;
	struct flt_error error;
	uint8_t packet[64] = {0};
	struct flt_frame frame = {.data = packet, .len = 64, .wire_len = 64};
	if (flt_object_open(data, size, &object, &error))
		return 0;
	flt_host_arenas(object);
	for (uint32_t i = 0; i < 8; i++) {
		struct flt_program *program;
		const char *name = flt_object_program_name(object, i);
		if (!name)
			break;
		if (flt_program_load_object(object, name, 0, &program, &error))
			continue;
		if (flt_program_run(program, &frame) != flt_program_interpret(program, &frame) &&
		    !flt_object_map_at(object, 0))
			abort();
		flt_program_free(program);
	}
	flt_object_close(object);
	return 0;
}
