/* SPDX-License-Identifier: BSD-2-Clause */
/* What people are told about NICs that nobody drives (exo/nic.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <exo/nic.h>

static void are(uint16_t vendor, uint16_t device, const char *name)
{
	const struct exo_nic_family *family = exo_nic_find(vendor, device);

	assert_non_null(family);
	if (strstr(family->name, name) == NULL)
		fail_msg("%04x:%04x is %s, not %s", vendor, device, family->name, name);
	assert_true(family->advice[0] != '\0');
}

/* Families whose ids lie among those of another. */
static void families_inside_others(void **state)
{
	static const uint16_t bnx2x[] = {0x163d, 0x164e, 0x1650, 0x1662, 0x166f, 0x168a,
	                                 0x168e, 0x16a1, 0x16a5, 0x16a9, 0x16ab, 0x16af};
	static const uint16_t others[] = {0x1600, 0x163c, 0x164d, 0x1651, 0x1657,
	                                  0x168f, 0x16a6, 0x16b0, 0x16f3};

	(void)state;
	for (size_t i = 0; i < sizeof(bnx2x) / sizeof(bnx2x[0]); i++)
		are(0x14e4, bnx2x[i], "bnx2x");
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		are(0x14e4, others[i], "tg3");
	are(0x14e4, 0x4320, "wireless");
	are(0x15b3, 0x1007, "ConnectX-3");
	are(0x15b3, 0x1013, "NVIDIA ConnectX");
	are(0x8086, 0x1000, "PRO/1000");
	are(0x8086, 0x1229, "PRO/100");
	are(0x8086, 0x2723, "Intel");
}

/* A vendor that has a family is never told of as unknown. */
static void vendors_have_a_last_resort(void **state)
{
	(void)state;
	are(0x14e4, 0x0001, "Broadcom");
	are(0x8086, 0xffff, "Intel");
	assert_null(exo_nic_find(0x1234, 0x1111));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(families_inside_others),
	        cmocka_unit_test(vendors_have_a_last_resort),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
