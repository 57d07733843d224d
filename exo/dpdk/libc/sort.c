/* SPDX-License-Identifier: BSD-2-Clause */
/* qsort and bsearch: heapsort, so that no input makes it slow and no stack is needed. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

struct array {
	unsigned char *base;
	size_t size; /* of an element, in bytes */
	__compar_fn_t compare;
};

static void swap(const struct array *a, size_t i, size_t j)
{
	unsigned char *x = a->base + i * a->size, *y = a->base + j * a->size;

	for (size_t n = a->size; n > 0; n--, x++, y++) {
		unsigned char t = *x;

		*x = *y;
		*y = t;
	}
}

static bool less(const struct array *a, size_t i, size_t j)
{
	return a->compare(a->base + i * a->size, a->base + j * a->size) < 0;
}

/* Lets element `i` sink to its place in the heap of the first `n`. */
static void sink(const struct array *a, size_t i, size_t n)
{
	for (size_t child; (child = 2 * i + 1) < n; i = child) {
		if (child + 1 < n && less(a, child, child + 1))
			child++;
		if (!less(a, i, child))
			return;
		swap(a, i, child);
	}
}

static bool is_sorted(const struct array *a, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if (less(a, i, i - 1))
			return false;
	return true;
}

void qsort(void *base, size_t n, size_t size, __compar_fn_t compare)
{
	struct array a = {base, size, compare};

	/* DPDK sorts long arrays of equal numbers at start. */
	if (n < 2 || is_sorted(&a, n))
		return;
	for (size_t i = n / 2; i-- > 0;)
		sink(&a, i, n);
	while (--n > 0) {
		swap(&a, 0, n);
		sink(&a, 0, n);
	}
}

void *bsearch(const void *key, const void *base, size_t n, size_t size, __compar_fn_t compare)
{
	const unsigned char *first = base;

	while (n > 0) {
		const unsigned char *middle = first + n / 2 * size;
		int order = compare(key, middle);

		if (order == 0)
			return (void *)middle;
		if (order > 0) {
			first = middle + size;
			n -= n / 2 + 1;
		} else {
			n /= 2;
		}
	}
	return NULL;
}
