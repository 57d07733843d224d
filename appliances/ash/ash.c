/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An environment whose packets the kernel answers by itself. Its flow `host` is libos-udp's, which
 * does what handlers leave to it; of every other flow the name is that of a handler, NAME.o in the
 * payload. What a handler passes comes into the same ring, and so to libos-udp.
 */
#include <libexo/ext.h>
#include <libexo/lib.h>
#include <libexo/mailbox.h>
#include <libexo/net.h>
#include <libexo/printf.h>
#include <libexo/start.h>
#include <udp/exo.h>

#include "ash.h"

/* Those that stretch a frame must be reckoned to clear the longest one. */
enum { BUDGET = 16384 };

static struct udp_exo driver;

static int failed(const char *flow, const char *what, int result, const char *why)
{
	exo_printf("%s: %s: %s%s%s\n", flow, what, exo_error_text(result), why[0] ? ": " : "", why);
	return result;
}

static int attach(const struct exo_start_bind *bind)
{
	const struct exo_cap *space = &exo_start_page()->caps[bind->space].cap;
	char name[sizeof(bind->name) + 3], error[EXO_NET_ERROR_MAX] = "";
	struct exo_ext ext;
	struct exo_cap binding;
	uint64_t id;
	int result = exo_net_bind(bind, space, &driver.rx.cap, 1, 0, &binding, error);

	if (result < 0)
		return failed(bind->name, "binding", result, error);
	exo_snprintf(name, sizeof(name), "%s.o", bind->name);
	result = exo_ext_open(&ext, name, ash_arena_frames(bind->name));
	if (result < 0)
		return failed(bind->name, "extension", result, ext.error);
	result = ash_prepare(bind->name, &ext);
	if (result < 0)
		return failed(bind->name, "its maps", result, "");
	result = exo_ext_handle(&ext, bind->name, &binding, space, BUDGET, &id);
	return result < 0 ? failed(bind->name, "handler", result, ext.error) : 0;
}

static void say_ready(unsigned n)
{
	struct exo_mailbox_end end;

	exo_printf("ready: %u handlers in the kernel\n", n);
	if (exo_mailbox_open(&end) == 0)
		exo_mailbox_send(&end, EXO_CHANNEL_HELLO, NULL, 0);
}

int exo_main(void)
{
	struct udp_exo_options options = udp_exo_options_default();
	unsigned n, handlers = 0;
	const struct exo_start_bind *binds = exo_start_binds(&n);
	int result;

	options.flow = "host";
	result = udp_exo_open(&driver, &options);
	if (result < 0) {
		exo_printf("%s\n", driver.error);
		return 1;
	}
	for (unsigned i = 0; i < n; i++) {
		if (strcmp(binds[i].name, "host") == 0)
			continue;
		if (attach(&binds[i]) < 0)
			return 1;
		handlers++;
	}
	say_ready(handlers);
	udp_exo_serve(&driver);
}
