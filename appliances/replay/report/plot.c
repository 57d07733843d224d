/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Plots.
 */
#include <math.h>

#include "plot.h"

enum {
	WIDTH = 720,
	HEIGHT = 300,
	LEFT = 84,
	RIGHT = 40,
	TOP = 34,
	BOTTOM = 48,
	TICKS = 6, /* about as many on a linear axis */
};

/* 1, 2 or 5 times a power of ten, at least as large. */
static double round_step(double step)
{
	double power = pow(10, floor(log10(step))), part = step / power;

	return power * (part <= 1 ? 1 : part <= 2 ? 2 : part <= 5 ? 5 : 10);
}

static void widen(struct plot_axis *axis)
{
	if (axis->logarithmic) {
		if (axis->low <= 0)
			axis->low = 1;
		if (axis->high < axis->low)
			axis->high = axis->low;
		axis->low = pow(10, floor(log10(axis->low)));
		axis->high = pow(10, ceil(log10(axis->high * 1.0001)));
		return;
	}
	if (axis->high <= axis->low)
		axis->high = axis->low + 1;
	double step = round_step((axis->high - axis->low) / TICKS);
	axis->low = floor(axis->low / step) * step;
	axis->high = ceil(axis->high / step) * step;
}

static double part(const struct plot_axis *axis, double value)
{
	double share = axis->logarithmic ? log(fmax(value, axis->low) / axis->low) /
	                                           log(axis->high / axis->low)
	                                 : (value - axis->low) / (axis->high - axis->low);

	return fmin(fmax(share, 0), 1);
}

static double at_x(const struct plot *plot, double value)
{
	return LEFT + part(&plot->x, value) * (WIDTH - LEFT - RIGHT);
}

static double at_y(const struct plot *plot, double value)
{
	return HEIGHT - BOTTOM - part(&plot->y, value) * (HEIGHT - TOP - BOTTOM);
}

static void tick(const struct plot *plot, const struct plot_axis *axis, double value)
{
	char text[48];
	const char *label = axis->label(text, sizeof(text), value);

	if (axis == &plot->x)
		fprintf(plot->out,
		        "<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\"/>"
		        "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>\n",
		        at_x(plot, value), at_x(plot, value), TOP, HEIGHT - BOTTOM,
		        at_x(plot, value), HEIGHT - BOTTOM + 16, label);
	else
		fprintf(plot->out,
		        "<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>"
		        "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n",
		        LEFT, WIDTH - RIGHT, at_y(plot, value), at_y(plot, value), LEFT - 6,
		        at_y(plot, value) + 4, label);
}

static void ticks(const struct plot *plot, const struct plot_axis *axis)
{
	if (axis->logarithmic) {
		double decades = log10(axis->high / axis->low);
		double factor = decades > 9 ? 100 : 10;
		for (double value = axis->low; value <= axis->high * 1.001; value *= factor)
			tick(plot, axis, value);
		return;
	}
	double step = round_step((axis->high - axis->low) / TICKS);
	int n = (int)lround((axis->high - axis->low) / step);
	for (int i = 0; i <= n; i++)
		tick(plot, axis, axis->low + i * step);
}

void plot_begin(struct plot *plot)
{
	widen(&plot->x);
	widen(&plot->y);
	fprintf(plot->out,
	        "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%s\">\n"
	        "<text class=\"title\" x=\"%d\" y=\"18\">%s</text>\n",
	        WIDTH, HEIGHT, plot->title, LEFT, plot->title);
	ticks(plot, &plot->x);
	ticks(plot, &plot->y);
	fprintf(plot->out,
	        "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">%s</text>\n"
	        "<text transform=\"translate(14 %d) rotate(-90)\" "
	        "text-anchor=\"middle\">%s</text>\n",
	        (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, plot->x.title, (TOP + HEIGHT - BOTTOM) / 2,
	        plot->y.title);
}

void plot_line(struct plot *plot, const struct plot_point *points, size_t n, const char *css,
               const char *name)
{
	fprintf(plot->out, "<polyline class=\"%s\" points=\"", css);
	for (size_t i = 0; i < n; i++)
		fprintf(plot->out, "%.1f,%.1f ", at_x(plot, points[i].x), at_y(plot, points[i].y));
	fprintf(plot->out, "\"><title>%s</title></polyline>\n", name);
}

void plot_bars(struct plot *plot, const struct plot_point *points, size_t n, double end,
               const char *css)
{
	for (size_t i = 0; i < n; i++) {
		double left = at_x(plot, points[i].x);
		double right = at_x(plot, i + 1 < n ? points[i + 1].x : end);
		double top = at_y(plot, points[i].y);
		fprintf(plot->out,
		        "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>",
		        css, left, top, fmax(right - left, 0.8), HEIGHT - BOTTOM - top);
	}
	fputc('\n', plot->out);
}

void plot_end(struct plot *plot)
{
	fputs("</svg>\n", plot->out);
}
