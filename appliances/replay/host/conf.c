/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writing the manifest of a replay.
 */
#include "conf.h"

enum { DATA_PORT = 0, CONTROL_PORT = 1 };

/* A text in libconfig's quotes. */
static void put_quoted(FILE *out, const char *text)
{
	fputc('"', out);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', out);
		if ((unsigned char)*text < 0x20)
			fprintf(out, "\\x%02x", (unsigned char)*text);
		else
			fputc(*text, out);
	}
	fputc('"', out);
}

static void put_flow(FILE *out, const struct binding *binding, const char *flags)
{
	fprintf(out, "      { name = \"%s\"; ports = [ %d ]; share = true; %s\n        receive = ",
	        binding->name, DATA_PORT, flags);
	put_quoted(out, binding->text);
	fputs("; }", out);
}

static void put_environment(FILE *out, const struct binding *binding,
                            const struct conf_options *options, uint32_t core)
{
	fprintf(out,
	        "  { name = \"%s\"; image = \"sink\"; frames = %u; core = %u;\n"
	        "    addresses = [ ]; may = [ \"console\" ];\n    arguments = [ \"port=%d\"",
	        binding->name, options->frames, core, DATA_PORT);
	if (options->longest > CONF_SMALL_BUFFER)
		fprintf(out, ", \"frame=%u\"", options->longest);
	fputs(" ];\n    flows = (\n", out);
	put_flow(out, binding, "");
	fputs(",\n", out);
	put_flow(out, binding, "tap = true; count = true;");
	fputs(" ); }", out);
}

void conf_write(FILE *out, const struct bindings *bindings, const struct conf_options *options)
{
	fprintf(out, "name = \"replay\";\ncontrol_port = %d;\nenvironments = (\n", CONTROL_PORT);
	for (size_t i = 0; i < bindings->n; i++) {
		put_environment(out, &bindings->all[i], options, (uint32_t)i % options->cores);
		fputs(i + 1 < bindings->n ? ",\n" : "\n", out);
	}
	fputs(");\n", out);
}
