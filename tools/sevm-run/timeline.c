// SPDX-License-Identifier: GPL-2.0-only
/*
 * timeline.c - --timeline: who started whom and when.
 *
 * From what trace.c reads it makes a list of events in the order of time, and
 * shows it as text; timeline_svg.c makes a picture of it. What the hypervisor's
 * words mean for a vCPU's state stands here and nowhere else.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sevm-run.h"
#include "timeline.h"

#define MAX_EVENTS	100000
#define NOBODY		-2		/* -1 is a sender that is no vCPU */

static struct timeline timeline;
static FILE *text_file, *svg_file;

const char *const lane_state_names[LANE_STATES] = {
	[LANE_UNKNOWN] = "unknown",
	[LANE_IDLE] = "not started",
	[LANE_STOPPED] = "stopped",
	[LANE_RUNS] = "runs",
	[LANE_WAITS] = "waits for SIPI",
	[LANE_HELD_NAE] = "held by NAE",
	[LANE_HELD_MSR] = "held by MSR",
};

/* sevm_ap's words (svm/trace.h). */
static const struct {
	const char *what;
	enum lane_state state;
} states[] = {
	{ "starts by SIPI", LANE_RUNS },
	{ "held by NAE", LANE_HELD_NAE },
	{ "held by MSR", LANE_HELD_MSR },
	{ "goes on by SIPI", LANE_RUNS },
	{ "goes on by an early SIPI", LANE_RUNS },
	{ "early SIPI", LANE_RUNS },
	{ "INIT: waits for SIPI", LANE_WAITS },
	{ "INIT: stays held", LANE_SAME },
	{ "INIT: runs on", LANE_SAME },
	{ "drops a SIPI", LANE_SAME },
	{ "started", LANE_RUNS },
	{ "stopped", LANE_STOPPED },
};

static struct event *add(struct timeline *t, uint64_t us, enum event_kind kind, unsigned int cpu)
{
	struct event *e;

	if (cpu >= t->cpus) {
		t->unknown++;
		return NULL;
	}
	if (t->count == MAX_EVENTS) {
		t->skipped++;
		return NULL;
	}
	if (t->count == t->room) {
		t->room = t->room ? 2 * t->room : 256;
		t->event = realloc(t->event, t->room * sizeof(*t->event));
		if (!t->event)
			die(EXIT_HOST, "no memory for the timeline");
	}
	e = &t->event[t->count++];
	*e = (struct event){
		.us = us > t->start ? us - t->start : 0,
		.kind = kind, .cpu = cpu, .peer = -1, .state = LANE_SAME,
	};
	return e;
}

static void take_ap(struct timeline *t, const struct trace_line *line)
{
	struct event *e;
	unsigned int id;
	int at = 0;
	size_t i;

	if (sscanf(line->text, "vcpu %u %n", &id, &at) != 1 || !at) {
		t->unknown++;
		return;
	}
	e = add(t, line->us, EVENT_STATE, id);
	if (!e)
		return;
	/* Words of a newer sevm are shown, and change no state. */
	snprintf(e->text, sizeof(e->text), "%s", line->text + at);
	for (i = 0; i < ARRAY_SIZE(states); i++)
		if (!strcmp(e->text, states[i].what))
			e->state = states[i].state;
}

static void take_signal(struct timeline *t, const struct trace_line *line)
{
	unsigned int id, vector;
	struct event *e;
	char name[8];
	int from;

	if (sscanf(line->text, "vcpu %u from %d %7s vector %x", &id, &from, name, &vector) != 4 ||
	    id >= t->cpus || from < -1 || from >= (int)t->cpus ||
	    (strcmp(name, "INIT") && strcmp(name, "SIPI"))) {
		t->unknown++;
		return;
	}
	e = add(t, line->us, *name == 'I' ? EVENT_INIT : EVENT_SIPI, id);
	if (!e)
		return;
	e->cpu = from;
	e->peer = id;
	if (e->kind == EVENT_SIPI)
		snprintf(e->text, sizeof(e->text), "SIPI, vector %02x", vector);
	else
		strcpy(e->text, "INIT");
}

static void take_op(struct timeline *t, const struct trace_line *line)
{
	unsigned int id, target;
	struct event *e;
	char name[8];

	if (sscanf(line->text, "vcpu %u %7s vcpu %u", &id, name, &target) != 3 ||
	    target >= t->cpus || (strcmp(name, "up") && strcmp(name, "down"))) {
		t->unknown++;
		return;
	}
	e = add(t, line->us, *name == 'u' ? EVENT_UP : EVENT_DOWN, id);
	if (!e)
		return;
	e->peer = target;
	snprintf(e->text, sizeof(e->text), "VCPUOP_%s", name);
}

static void take_table(struct timeline *t, const struct trace_line *line)
{
	unsigned long long gpa;
	char verb[4], answer[8];
	struct event *e;
	unsigned int id;

	if (sscanf(line->text, "vcpu %u %3s %llx %7s", &id, verb, &gpa, answer) != 4) {
		t->unknown++;
		return;
	}
	e = add(t, line->us, EVENT_MARK, id);
	if (!e)
		return;
	if (!strcmp(verb, "get"))
		snprintf(e->text, sizeof(e->text), "AP jump table: get, 0x%llx", gpa);
	else
		snprintf(e->text, sizeof(e->text), "AP jump table: set to 0x%llx%s", gpa,
			 strcmp(answer, "ok") ? ", refused" : "");
}

static const struct {
	const char *event;
	void (*take)(struct timeline *t, const struct trace_line *line);
} takers[] = {
	{ "sevm_ap", take_ap },
	{ "sevm_ap_op", take_op },
	{ "sevm_ap_table", take_table },
	{ "sevm_apic_signal", take_signal },
};

static void take(void *arg, const struct trace_line *line)
{
	struct timeline *t = arg;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(takers); i++)
		if (!strcmp(line->event, takers[i].event)) {
			takers[i].take(t, line);
			return;
		}
	t->unknown++;
}

/* ---- The text ---- */

static void print_event(const struct event *e, FILE *out)
{
	char who[32];

	if (e->kind < EVENT_INIT)
		snprintf(who, sizeof(who), "vCPU %d", e->cpu);
	else if (e->cpu < 0)
		snprintf(who, sizeof(who), "-> vCPU %d", e->peer);
	else
		snprintf(who, sizeof(who), "vCPU %d -> vCPU %d", e->cpu, e->peer);
	fprintf(out, "%8" PRIu64 ".%03" PRIu64 "  %-18s  %s\n", MS_ARGS(e->us), who, e->text);
}

static void print_start(enum lane_state state, int starter, uint64_t us, FILE *out)
{
	if (starter == NOBODY && (state == LANE_IDLE || state == LANE_STOPPED))
		fputs("never started", out);
	else if (starter == NOBODY)
		fputs("not started by anyone", out);
	else if (starter < 0)
		fputs("started from outside", out);
	else
		fprintf(out, "started by vCPU %d", starter);
	if (starter != NOBODY)
		fprintf(out, " at " MS, MS_ARGS(us));
}

/* One vCPU's life in a line. */
static void print_lane(const struct timeline *t, int cpu, FILE *out)
{
	uint64_t since = 0, started = 0, held = 0, holds = 0;
	enum lane_state state = timeline_first_state(t);
	int sender = NOBODY, starter = NOBODY;
	size_t i;

	for (i = 0; i < t->count; i++) {
		const struct event *e = &t->event[i];

		if (e->kind >= EVENT_INIT && e->peer == cpu)
			sender = e->cpu;
		if (e->kind != EVENT_STATE || e->cpu != cpu || e->state == LANE_SAME)
			continue;
		if (lane_held(state))
			held += e->us - since;
		if (lane_held(e->state))
			holds++;
		if (starter == NOBODY && e->state == LANE_RUNS) {
			starter = sender;
			started = e->us;
		}
		state = e->state;
		since = e->us;
	}
	if (lane_held(state))
		held += t->end - since;

	fprintf(out, "  vCPU %d: ", cpu);
	print_start(state, starter, started, out);
	if (holds)
		fprintf(out, "; held %" PRIu64 " time%s, " MS " in all", holds,
			holds == 1 ? "" : "s", MS_ARGS(held));
	fprintf(out, "; at the end: %s\n", lane_state_names[state]);
}

static void print_text(const struct timeline *t, FILE *out)
{
	unsigned int i;
	size_t n;

	fprintf(out, "timeline of %s, %u vCPU%s; milliseconds since they were let run\n",
		t->title, t->cpus, t->cpus == 1 ? "" : "s");
	if (t->lost)
		fprintf(out, "    (the %" PRIu64 " oldest events are lost)\n", t->lost);
	for (n = 0; n < t->count; n++)
		print_event(&t->event[n], out);
	if (t->skipped)
		fprintf(out, "    (%" PRIu64 " more are not shown)\n", t->skipped);
	fprintf(out, "%8" PRIu64 ".%03" PRIu64 "  the end: %s\n", t->end / 1000, t->end % 1000,
		t->reason);
	for (i = 0; i < t->cpus; i++)
		print_lane(t, i, out);
}

/* ---- The VM's life ---- */

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000ULL + t.tv_nsec / 1000;
}

/* NULL: on stderr. A name decides between text and picture. */
void timeline_option(const char *name)
{
	size_t length = name ? strlen(name) : 0;
	bool svg = length > 4 && !strcmp(name + length - 4, ".svg");
	FILE **file = svg ? &svg_file : &text_file;

	if (*file)
		die(EXIT_USAGE, "--timeline: one text and one picture");
	*file = !name ? stderr : !strcmp(name, "-") ? stdout : fopen(name, "we");
	if (!*file)
		die(EXIT_USAGE, "--timeline: %s: %s", name, strerror(errno));
}

void timeline_open(struct vm *vm)
{
	if (!text_file && !svg_file)
		return;
	if (!vm->sevm)
		die(EXIT_HOST, "--timeline needs sevm: %s has not its tracepoints",
		    vm->opt->device);
	trace_open();
}

/* The vCPUs run from now on. */
void timeline_start(struct vm *vm)
{
	timeline.cpus = vm->opt->cpus;
	timeline.page = vm->opt->ap_page;
	timeline.start = now_us();
	if (text_file || svg_file)
		strcpy(add(&timeline, timeline.start, EVENT_STATE, 0)->text, "starts");
	if (timeline.count)
		timeline.event[0].state = LANE_RUNS;
}

static void finish(FILE *file)
{
	if (ferror(file) || (file != stderr && file != stdout ? fclose(file) : fflush(file)))
		note("--timeline: writing failed: %s", strerror(errno));
}

/* They do no more. */
void timeline_stop(struct vm *vm)
{
	if (!text_file && !svg_file)
		return;
	timeline.end = now_us() - timeline.start;
	timeline.lost = trace_read(take, &timeline);
	timeline.title = vm->opt->kernel ? vm->opt->kernel : vm->opt->payload;
	if (strrchr(timeline.title, '/'))
		timeline.title = strrchr(timeline.title, '/') + 1;
	timeline.reason = vm->reason;
}

void timeline_print(void)
{
	if (timeline.unknown)
		note("--timeline: %" PRIu64 " events are not shown: sevm-run and the module differ",
		     timeline.unknown);
	if (text_file) {
		print_text(&timeline, text_file);
		finish(text_file);
	}
	if (svg_file) {
		timeline_svg(&timeline, svg_file);
		finish(svg_file);
	}
}
