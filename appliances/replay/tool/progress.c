/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The progress line.
 */
#include <stdio.h>
#include <unistd.h>

#include "progress.h"
#include "../report/quantity.h"

enum { EVERY_NS = 200000000, BAR = 24 };

void progress_begin(struct progress *progress, bool quiet, uint64_t expected)
{
	*progress = (struct progress){.on = !quiet && isatty(STDERR_FILENO), .expected = expected};
}

/* From 0 to 1; below 0: not known. */
static double share_done(const struct progress *progress, const struct sender *sender,
                         uint64_t now_ns)
{
	uint64_t duration = sender->options.duration_ns;

	if (duration && sender->tally->begin_ns)
		return (double)(now_ns - sender->tally->begin_ns) / (double)duration;
	if (progress->expected)
		return (double)sender->tally->sent / (double)progress->expected;
	return -1;
}

static void put_bar(double share)
{
	int full = share > 1 ? BAR : (int)(share * BAR);

	fputc('[', stderr);
	for (int i = 0; i < BAR; i++)
		fputc(i < full ? '#' : '.', stderr);
	fprintf(stderr, "] %3.0f %%  ", share > 1 ? 100 : share * 100);
}

static void put_left(const struct progress *progress, double share, uint64_t now_ns)
{
	char text[48];

	if (share > 0 && share < 1)
		fprintf(stderr, "  %s left",
		        quantity_show_time(text, sizeof(text),
		                           (double)(now_ns - progress->begin_ns) * (1 - share) /
		                                   share));
}

void progress_show(struct progress *progress, const struct sender *sender, uint64_t now_ns)
{
	const struct sender_tally *tally = sender->tally;
	char rate[48];

	if (!progress->on || now_ns - progress->shown_ns < EVERY_NS)
		return;
	if (!progress->begin_ns)
		progress->begin_ns = now_ns;
	double share = share_done(progress, sender, now_ns);
	double span = (double)(now_ns - progress->shown_ns) / 1e9;
	double pps = progress->shown_ns ? (double)(tally->sent - progress->sent_then) / span : 0;
	fputc('\r', stderr);
	if (share >= 0)
		put_bar(share);
	fprintf(stderr, "%llu frames  %s  lost %llu", (unsigned long long)tally->sent,
	        quantity_show(rate, sizeof(rate), pps, "pps"), (unsigned long long)tally->lost);
	put_left(progress, share, now_ns);
	fputs("\033[K", stderr);
	progress->shown_ns = now_ns;
	progress->sent_then = tally->sent;
}

void progress_end(const struct progress *progress)
{
	if (progress->on && progress->shown_ns)
		fputs("\r\033[K", stderr);
}
