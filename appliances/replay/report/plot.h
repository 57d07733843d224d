/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Plots as SVG inside a page: axes with round ticks, linear or logarithmic, lines and bars.
 *
 *   plot_begin → plot_line, plot_bars in any number → plot_end
 */
#ifndef REPLAY_REPORT_PLOT_H
#define REPLAY_REPORT_PLOT_H

#include <stdbool.h>
#include <stdio.h>

/* How a value reads on an axis. */
typedef const char *plot_label(char *buffer, size_t size, double value);

struct plot_axis {
	const char *title;
	double low, high; /* of the data; plot_begin widens them to round values */
	bool logarithmic; /* low is above zero */
	plot_label *label;
};

struct plot {
	FILE *out;
	const char *title;
	struct plot_axis x, y;
};

struct plot_point {
	double x, y;
};

void plot_begin(struct plot *plot);
/* css: the class of the stroke ("a", "b", "c"). Points outside of the axes are clamped. */
void plot_line(struct plot *plot, const struct plot_point *points, size_t n, const char *css,
               const char *name);
/* Bars from the x axis; each ends where the next one begins, the last at `end`. */
void plot_bars(struct plot *plot, const struct plot_point *points, size_t n, double end,
               const char *css);
void plot_end(struct plot *plot);

#endif
