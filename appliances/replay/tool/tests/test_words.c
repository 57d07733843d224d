/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Numbers with units, command lines, and requirements.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../../report/quantity.h"
#include "../../report/sender_words.h"
#include "../require.h"
#include "../results.h"

static void test_times(void **state)
{
	uint64_t ns;

	assert_true(quantity_time("50us", &ns) && ns == 50000);
	assert_true(quantity_time("1.5ms", &ns) && ns == 1500000);
	assert_true(quantity_time("2", &ns) && ns == 2000000000);
	assert_true(quantity_time("10 s", &ns) && ns == 10000000000);
	assert_true(quantity_time("2min", &ns) && ns == 120000000000);
	assert_false(quantity_time("", &ns));
	assert_false(quantity_time("-1s", &ns));
	assert_false(quantity_time("5 parsecs", &ns));
	assert_false(quantity_time("nan", &ns));
	assert_false(quantity_time("1e400", &ns));
}

static void test_rates(void **state)
{
	struct schedule schedule = {0};

	assert_true(quantity_rate("10kpps", &schedule));
	assert_int_equal(schedule.kind, SCHEDULE_PACKETS);
	assert_int_equal(schedule.rate, 10000000);
	assert_true(quantity_rate("0.5pps", &schedule) && schedule.rate == 500);
	assert_true(quantity_rate("2.5Gbit/s", &schedule));
	assert_int_equal(schedule.kind, SCHEDULE_BITS);
	assert_int_equal(schedule.rate, 2500000000);
	assert_true(quantity_rate("0.5x", &schedule));
	assert_int_equal(schedule.kind, SCHEDULE_ORIGINAL);
	assert_int_equal(schedule.speed, 500);
	assert_true(quantity_rate("top", &schedule) && schedule.kind == SCHEDULE_TOP);
	assert_false(quantity_rate("0pps", &schedule));
	assert_false(quantity_rate("10", &schedule));
	assert_false(quantity_rate("fast", &schedule));
}

static const char *take_odd(void *to, const char *text)
{
	*(unsigned *)to += 1;
	return strlen(text) & 1 ? NULL : "is even";
}

/* What the words of a line come to; "" where they are taken. */
static const char *take_line(const char *line, struct sender_options *options)
{
	static const char *const choices[] = {"red", "green", NULL};
	static char error[WORDS_REASON_MAX], copy[200], *argv[20];
	struct word sender[SENDER_WORDS];
	static bool flag, quiet;
	static unsigned calls, choice;
	static double share;
	const struct word own[] = {
	        WORD_BY("odd", &calls, take_odd),    WORD("f", WORD_FLAG, &flag),
	        WORD("q", WORD_FLAG, &quiet),        WORD("share", WORD_SHARE, &share),
	        WORD_OF("colour", &choice, choices), WORDS_END};
	const struct word *const tables[] = {own, sender};
	int argc = 1;

	snprintf(copy, sizeof(copy), "%s", line);
	argv[0] = "program";
	for (char *at = strtok(copy, " "); at; at = strtok(NULL, " "))
		argv[argc++] = at;
	*options = sender_usual_options();
	sender_words(options, sender);
	error[0] = 0;
	flag = quiet = false;
	int plain = words_take(argc, argv, tables, 2, error);
	if (plain < 0)
		return error;
	snprintf(error, sizeof(error), "%d%s%s%s%s %u %g", plain, plain ? " " : "",
	         plain ? argv[plain] : "", flag ? " f" : "", quiet ? " q" : "", choice, share);
	return error;
}

static void test_lines(void **state)
{
	struct sender_options options;

	assert_string_equal(take_line("a --rate 10kpps b -fq --sign -- --c", &options),
	                    "3 --c f q 0 0");
	assert_int_equal(options.schedule.kind, SCHEDULE_PACKETS);
	assert_true(options.sign && options.listen);
	assert_string_equal(
	        take_line("--no-return --burst=7 - --colour green --share 25%", &options),
	        "1 - 1 0.25");
	assert_false(options.listen);
	assert_int_equal(options.schedule.burst, 7);
	assert_string_equal(take_line("--odd abc --timeout 2ms --window 26", &options), "0 1 0.25");
	assert_int_equal(options.timeout_ns, 2000000);
	assert_string_equal(take_line("--odd ab", &options), "--odd 'ab' is even");
	static const char *const bad[] = {
	        "--none",      "-x",         "-fx",         "--rate",   "--rate=fast",
	        "--burst 0",   "--window 3", "--window 27", "--sign=1", "--colour re",
	        "--share 100", "--share -1", "--f",         "--=",      "--rewrite src-ip=x"};
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(take_line(bad[i], &options)[0], '-');
}

static cJSON *document(double p99, double returned, double loss)
{
	cJSON *document = cJSON_CreateObject(), *summary, *figure;
	const struct {
		const char *name;
		double value;
	} figures[] = {{"p99", p99}, {"returned", returned}, {"loss", loss}, {"late_p99", 9}};

	summary = cJSON_AddObjectToObject(document, "summary");
	for (unsigned i = 0; i < 4; i++) {
		figure = cJSON_AddObjectToObject(summary, figures[i].name);
		(void)cJSON_AddNumberToObject(figure, "median", figures[i].value);
	}
	return document;
}

static bool judge(const char *text, double p99, double returned, double loss)
{
	struct requirement requirement;
	cJSON *made = document(p99, returned, loss);
	const char *wrong = require_parse(&requirement, text);

	if (wrong)
		fail_msg("%s %s", text, wrong);
	bool held = require_judge(made, &requirement, 1);
	cJSON_Delete(made);
	return held;
}

static void test_requirements(void **state)
{
	assert_true(judge("p99<50us", 49999, 10, 0));
	assert_false(judge("p99<50us", 50000, 10, 0));
	assert_true(judge("p99<=50us", 50000, 10, 0));
	assert_true(judge("loss=0", 1, 10, 0));
	assert_false(judge("loss=0", 1, 10, 0.001));
	assert_true(judge("loss<0.2%", 1, 10, 0.001));
	assert_false(judge("p99<50us", 0, 0, 1)); /* nothing returned */
	assert_true(judge("late_p99<1us", 0, 0, 1));
	assert_true(judge("returned>=1k", 0, 1000, 1));
	assert_false(judge("pps>1", 0, 1000, 1)); /* not measured */
}

static void test_wrong_requirements(void **state)
{
	static const char *const wrong[] = {
	        "",       "p99",     "p99<",     "<5",      "p99<5 apples",
	        "p98<1s", "loss=>0", "loss==0x", "p99<>1s", "loss=-1"};
	struct requirement requirement;

	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		if (!require_parse(&requirement, wrong[i]))
			fail_msg("'%s' was taken", wrong[i]);
}

static void test_hgrm(void **state)
{
	static struct histogram histogram;
	char text[4096] = "";
	FILE *out = fmemopen(text, sizeof(text), "w");

	for (uint64_t i = 1; i <= 10; i++)
		histogram_add(&histogram, i * 1000);
	results_hgrm(out, &histogram);
	assert_int_equal(fclose(out), 0);
	assert_non_null(strstr(text, "Value     Percentile TotalCount 1/(1-Percentile)"));
	assert_non_null(strstr(text, "10.000 1.000000000000         10\n"));
	assert_non_null(strstr(text, "#[Mean    =        5.500"));
	assert_non_null(strstr(text, "Total count    =           10]"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_times),
	        cmocka_unit_test(test_rates),
	        cmocka_unit_test(test_lines),
	        cmocka_unit_test(test_requirements),
	        cmocka_unit_test(test_wrong_requirements),
	        cmocka_unit_test(test_hgrm),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
