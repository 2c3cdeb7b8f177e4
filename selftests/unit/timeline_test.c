// SPDX-License-Identifier: GPL-2.0-only
/*
 * timeline_test.c - sevm-run --timeline: the trace's lines, the text made of
 * them, and that the picture is one whatever the lines say.
 */
#include <stdlib.h>

#include "tap.h"
#include "../../tools/sevm-run/trace.c"
#include "../../tools/sevm-run/timeline.c"
#include "../../tools/sevm-run/timeline_svg.c"

void die(int status, const char *fmt, ...)
{
	(void)fmt;
	exit(100 + status);
}

void note(const char *fmt, ...)
{
	(void)fmt;
}

static struct timeline t;

static void fresh(unsigned int cpus)
{
	free(t.event);
	t = (struct timeline){
		.cpus = cpus, .start = 1000000, .end = 500000,
		.title = "a <guest> & more", .reason = "the end",
	};
}

/* As from the trace file. False: it is not an event's line. */
static bool feed(const char *text)
{
	char copy[LINE_MAX_SIZE];
	struct trace_line line;

	snprintf(copy, sizeof(copy), "%s", text);
	if (!split(copy, &line))
		return false;
	take(&t, &line);
	return true;
}

static char *shown(void (*show)(const struct timeline *, FILE *))
{
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	show(&t, out);
	fclose(out);
	return text;
}

static void test_text(void)
{
	static const char want[] =
		"timeline of a <guest> & more, 2 vCPUs; milliseconds since they were let run\n"
		"       0.007  vCPU 0              AP jump table: set to 0x9f000\n"
		"       1.000  vCPU 0 -> vCPU 1    INIT\n"
		"       1.001  vCPU 1              INIT: waits for SIPI\n"
		"      10.000  vCPU 0 -> vCPU 1    SIPI, vector 9f\n"
		"      10.100  vCPU 1              starts by SIPI\n"
		"      20.000  vCPU 1              held by NAE\n"
		"     100.000  -> vCPU 1           SIPI, vector 00\n"
		"     100.500  vCPU 1              goes on by SIPI\n"
		"     500.000  the end: the end\n"
		"  vCPU 0: not started by anyone; at the end: runs\n"
		"  vCPU 1: started by vCPU 0 at 10.100; held 1 time, 80.500 in all; "
		"at the end: runs\n";
	char *text;

	fresh(2);
	add(&t, 0, EVENT_STATE, 0)->state = LANE_RUNS;
	t.count = 0;			/* the first vCPU's start has no line */
	feed(" vcpu0-1 [0] . 1.000007: sevm_ap_table: vcpu 0 set 9f000 ok\n");
	feed(" vcpu0-1 [0] . 1.001000: sevm_apic_signal: vcpu 1 from 0 INIT vector 00\n");
	feed(" vcpu1-1 [0] . 1.001001: sevm_ap: vcpu 1 INIT: waits for SIPI\n");
	feed(" vcpu0-1 [0] . 1.010000: sevm_apic_signal: vcpu 1 from 0 SIPI vector 9f\n");
	feed(" vcpu1-1 [0] . 1.010100: sevm_ap: vcpu 1 starts by SIPI\n");
	feed(" vcpu1-1 [0] . 1.020000: sevm_ap: vcpu 1 held by NAE\n");
	feed(" a b: c d-101 [1] . 1.100000: sevm_apic_signal: vcpu 1 from -1 SIPI vector 00\n");
	feed(" vcpu1-1 [0] . 1.100500: sevm_ap: vcpu 1 goes on by SIPI\n");
	text = shown(print_text);
	tap_eq(t.unknown, 0, "every line is understood");
	/* vCPU 0's lane has no event here. */
	tap_ok(!strncmp(text, want, strstr(want, "  vCPU 0: ") - want), "the events as text");
	tap_ok(strstr(text, strstr(want, "  vCPU 1: started")), "a vCPU's life in a line");
	if (tap_failed)
		fputs(text, stderr);
	free(text);
}

static void test_page(void)
{
	char *text;

	fresh(2);
	t.page = true;
	tap_eq(timeline_first_state(&t), LANE_STOPPED, "with the bring-up page they begin stopped");
	feed(" vcpu0-1 [0] . 1.001000: sevm_ap_op: vcpu 0 up vcpu 1\n");
	feed(" vcpu0-1 [0] . 1.001500: sevm_ap: vcpu 1 started\n");
	feed(" vcpu1-1 [0] . 1.002000: sevm_ap_op: vcpu 1 down vcpu 1\n");
	feed(" vcpu1-1 [0] . 1.002500: sevm_ap: vcpu 1 stopped\n");
	text = shown(print_text);
	tap_ok(strstr(text, "1.000  vCPU 0 -> vCPU 1    VCPUOP_up\n") &&
	       strstr(text, "  vCPU 1: started by vCPU 0 at 1.500; at the end: stopped\n"),
	       "vcpu_op as text");
	free(text);
}

/* What no sevm says, or an older or newer one. */
static void test_lines(void)
{
	static const char *const none[] = {
		"", "\n", "# tracer: nop\n", "sevm_ap: vcpu 1 x", ": sevm_ap", " : sevm_ap: vcpu 1",
		" 99999999999999999999.000000: sevm_ap: vcpu 1 starts by SIPI",
		" x: sevm_ap: vcpu 0",
	};
	static const char *const unknown[] = {
		"sevm_ap: ", "sevm_ap: vcpu", "sevm_ap: vcpu 2 starts by SIPI",
		"sevm_ap: vcpu 4294967295 starts by SIPI", "sevm_ap: cpu 1 x", "sevm_new: vcpu 1 x",
		"sevm_apic_signal: vcpu 1 from 2 INIT vector 00",
		"sevm_apic_signal: vcpu 1 from -2 INIT vector 00",
		"sevm_apic_signal: vcpu 2 from 0 INIT vector 00",
		"sevm_apic_signal: vcpu 1 from 0 NMI vector 00",
		"sevm_ap_table: vcpu 2 set 0 ok", "sevm_ap_table: vcpu 0 set",
		"sevm_ap_op: vcpu 0 up vcpu 2", "sevm_ap_op: vcpu 0 is_up vcpu 1",
		"sevm_ap_op: vcpu 2 up vcpu 1",
	};
	char text[LINE_MAX_SIZE];
	size_t i;

	fresh(2);
	for (i = 0; i < ARRAY_SIZE(none); i++)
		tap_ok(!feed(none[i]), "no event: line %zu", i);
	for (i = 0; i < ARRAY_SIZE(unknown); i++) {
		snprintf(text, sizeof(text), " vcpu0-1 [0] . 1.000001: %s", unknown[i]);
		feed(text);
		tap_ok(t.unknown == i + 1 && !t.count, "not understood, and counted: %s",
		       unknown[i]);
	}
	feed(" vcpu0-1 [0] . 1.1: sevm_ap: vcpu 1 dances, and with many more words than fit in it");
	tap_ok(t.count == 1 && t.event[0].state == LANE_SAME &&
	       !strncmp(t.event[0].text, "dances", 6),
	       "a newer sevm's words are shown and change no state");
}

static bool is_picture(const char *svg)
{
	const char *at;
	size_t open = 0, close = 0;

	for (at = svg; *at; at++) {
		close += (*at == '<' && at[1] == '/') || (*at == '/' && at[1] == '>');
		open += *at == '<' && at[1] != '/';
	}
	return !strncmp(svg, "<svg ", 5) && strlen(svg) > 8 &&
	       !strcmp(svg + strlen(svg) - 7, "</svg>\n") && open == close &&
	       !strstr(svg, "nan") && !strstr(svg, "inf") && !strstr(svg, "<guest>");
}

static int greatest_x(const char *svg)
{
	int x, max = 0;

	for (; *svg; svg++) {
		if (svg[0] != ' ' || svg[1] != 'x' || svg[2] != '=')
			continue;
		for (svg += 4, x = 0; *svg >= '0' && *svg <= '9'; svg++)
			x = 10 * x + *svg - '0';
		max = x > max ? x : max;
	}
	return max;
}

static void check_picture(const char *what)
{
	char *svg = shown(timeline_svg);

	tap_ok(is_picture(svg) && greatest_x(svg) > LEFT && greatest_x(svg) <= WIDTH,
	       "a picture of %s (%zu bytes)", what, strlen(svg));
	free(svg);
}

static void test_picture(void)
{
	unsigned int i;
	char *svg;

	fresh(1);
	check_picture("nothing");
	t.end = 0;
	check_picture("nothing, in no time");
	fresh(MAX_CPUS);
	t.lost = 7;
	check_picture("many vCPUs, with events lost");
	fresh(2);
	add(&t, t.start + 7 * t.end, EVENT_STATE, 1)->state = LANE_RUNS;
	check_picture("an event after the end");

	/* Each thing that there is, over and over: in the end no more than pixels. */
	fresh(8);
	t.end = 100ULL * 1000 * 1000;
	for (i = 0; i < MAX_EVENTS + 10; i++) {
		struct event *e = add(&t, t.start + i * 1000ULL, i % EVENT_KINDS, i % 8);

		if (!e)
			continue;
		if (e->kind == EVENT_STATE)
			e->state = LANE_STOPPED + i / 8 % (LANE_STATES - LANE_STOPPED);
		if (e->kind >= EVENT_INIT)
			e->peer = (i + i / 8) % 8;
		if (i % 1000 == 3)
			e->cpu = e->kind >= EVENT_INIT ? -1 : e->cpu;
	}
	tap_eq(t.skipped, 10, "more events than are kept are counted");
	check_picture("many events");
	svg = shown(timeline_svg);
	tap_ok(strlen(svg) < 8 * 1024 * 1024, "and its size has a bound");
	free(svg);

	/* One INIT and one SIPI: an arrow each, on lanes that end where they should. */
	fresh(2);
	feed(" vcpu0-1 [0] . 1.100000: sevm_apic_signal: vcpu 1 from 0 INIT vector 00\n");
	feed(" vcpu0-1 [0] . 1.200000: sevm_apic_signal: vcpu 1 from 0 SIPI vector 9f\n");
	feed(" vcpu1-1 [0] . 1.201000: sevm_ap: vcpu 1 starts by SIPI\n");
	svg = shown(timeline_svg);
	tap_ok(strstr(svg, "<title>100.000 ms: vCPU 0 to vCPU 1: INIT</title>") &&
	       strstr(svg, "<title>200.000 ms: vCPU 0 to vCPU 1: SIPI, vector 9f</title>") &&
	       strstr(svg, "<title>vCPU 1 not started, 0.000 to 201.000 ms</title>") &&
	       strstr(svg, "<title>vCPU 1 runs, 201.000 to 500.000 ms</title>"),
	       "arrows and lanes have their times");
	free(svg);
}

int main(void)
{
	test_text();
	test_page();
	test_lines();
	test_picture();
	free(t.event);
	return tap_done();
}
