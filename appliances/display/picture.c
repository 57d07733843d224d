/* SPDX-License-Identifier: BSD-2-Clause */
/* Pixel groups become pixels; see picture.h. */
#include "picture.h"

#include <string.h>

/* What luma, Cr for red, Cb and Cr for green, and Cb for blue count, in 256ths, of samples that
 * use 16 … 235 and 16 … 240 (ITU-R BT.601-5 and BT.709-2). */
enum { LUMA, RED, GREEN_CB, GREEN_CR, BLUE, MATRIX };

static const int bt601[MATRIX] = {298, 409, -100, -208, 516};
static const int bt709[MATRIX] = {298, 459, -55, -136, 541};

static uint32_t clamp(int value)
{
	return value < 0 ? 0 : value > 255 ? 255 : (uint32_t)value;
}

static uint32_t rgb(uint32_t red, uint32_t green, uint32_t blue)
{
	return red << 16 | green << 8 | blue;
}

/* `y`, `cb` and `cr` are samples of eight bits. */
static uint32_t pixel(const int *matrix, int y, int cb, int cr)
{
	int luma = matrix[LUMA] * (y - 16) + 128;

	cb -= 128;
	cr -= 128;
	return rgb(clamp((luma + matrix[RED] * cr) >> 8),
	           clamp((luma + matrix[GREEN_CB] * cb + matrix[GREEN_CR] * cr) >> 8),
	           clamp((luma + matrix[BLUE] * cb) >> 8));
}

/* Cb Y0 Cr Y1 */
static void convert_422(const uint8_t *group, const int *matrix, uint32_t *pixels, uint32_t *below)
{
	(void)below;
	pixels[0] = pixel(matrix, group[1], group[0], group[2]);
	pixels[1] = pixel(matrix, group[3], group[0], group[2]);
}

/* The same with ten bits each, of which the highest eight are shown. */
static void convert_422_10(const uint8_t *group, const int *matrix, uint32_t *pixels,
                           uint32_t *below)
{
	int cb = group[0], cr = (group[2] << 4 | group[3] >> 4) & 255;

	(void)below;
	pixels[0] = pixel(matrix, (group[1] << 2 | group[2] >> 6) & 255, cb, cr);
	pixels[1] = pixel(matrix, (group[3] << 6 | group[4] >> 2) & 255, cb, cr);
}

/* Y00 Y01 Y10 Y11 Cb Cr */
static void convert_420(const uint8_t *group, const int *matrix, uint32_t *pixels, uint32_t *below)
{
	for (unsigned i = 0; i < 2; i++) {
		pixels[i] = pixel(matrix, group[i], group[4], group[5]);
		below[i] = pixel(matrix, group[2 + i], group[4], group[5]);
	}
}

static void convert_rgb(const uint8_t *group, const int *matrix, uint32_t *pixels, uint32_t *below)
{
	(void)matrix;
	(void)below;
	pixels[0] = rgb(group[0], group[1], group[2]);
}

static void convert_bgr(const uint8_t *group, const int *matrix, uint32_t *pixels, uint32_t *below)
{
	(void)matrix;
	(void)below;
	pixels[0] = rgb(group[2], group[1], group[0]);
}

static const struct picture_sampling samplings[] = {
        {"YCbCr-4:2:2", 8, 4, 2, 1, convert_422}, {"YCbCr-4:2:2", 10, 5, 2, 1, convert_422_10},
        {"YCbCr-4:2:0", 8, 6, 2, 2, convert_420}, {"RGB", 8, 3, 1, 1, convert_rgb},
        {"BGR", 8, 3, 1, 1, convert_bgr},
};

const struct picture_sampling *picture_sampling(const char *name, unsigned depth)
{
	for (size_t i = 0; i < sizeof samplings / sizeof samplings[0]; i++)
		if (strcmp(samplings[i].name, name) == 0 && samplings[i].depth == depth)
			return &samplings[i];
	return NULL;
}

const int *picture_matrix(const char *colorimetry)
{
	if (strcmp(colorimetry, "BT601-5") == 0)
		return bt601;
	return strcmp(colorimetry, "BT709-2") == 0 ? bt709 : NULL;
}

bool picture_fits(const struct picture_sampling *sampling, uint32_t width, uint32_t height)
{
	return width > 0 && height > 0 && width <= PICTURE_WIDTH_MAX &&
	       height <= PICTURE_HEIGHT_MAX && width % sampling->width == 0 &&
	       height % sampling->height == 0;
}

static bool lies_within(const struct picture *picture, const struct raw_piece *piece)
{
	const struct picture_sampling *sampling = picture->sampling;

	return piece->size % sampling->bytes == 0 && piece->line < picture->height &&
	       piece->line % sampling->height == 0 && piece->pixel < picture->width &&
	       piece->pixel % sampling->width == 0 &&
	       piece->size / sampling->bytes <= (picture->width - piece->pixel) / sampling->width;
}

bool picture_put(struct picture *picture, const struct raw_piece *piece)
{
	const struct picture_sampling *sampling = picture->sampling;
	uint32_t below = sampling->height > 1 ? picture->width : 0;
	uint32_t *at;

	if (!lies_within(picture, piece))
		return false;
	at = picture->pixels + (size_t)piece->line * picture->width + piece->pixel;
	for (uint32_t i = 0; i < piece->size; i += sampling->bytes, at += sampling->width)
		sampling->convert(piece->data + i, picture->matrix, at, at + below);
	return true;
}
