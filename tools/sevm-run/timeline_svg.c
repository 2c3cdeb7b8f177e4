// SPDX-License-Identifier: GPL-2.0-only
/*
 * timeline_svg.c - the timeline as a picture: a lane for each vCPU, an arrow for
 * each INIT, SIPI and vcpu_op.
 *
 * Time goes to the right, in scale, but long times in which nothing happens are
 * cut out. What would fall on the same pixels is drawn once and counted, coarser
 * where there is much, so the size of the file has a bound. Plain SVG 1.1: no
 * script, no style sheet, no font.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "sevm-run.h"
#include "timeline.h"

#define WIDTH		1200
#define LEFT		84		/* the lanes' names */
#define RIGHT		36
#define TOP_MARGIN	74		/* title, legend, what was cut out */
#define PLOT		(WIDTH - LEFT - RIGHT)
#define MAX_CUTS	8
#define CUT_WIDTH	40
#define CUT_PAD		16		/* on both sides of a cut */
#define MANY		2000		/* events: from here on it is coarser */
#define TICK_ROOM	58		/* for a number below the axis */

static const struct {
	const char *colour;
	double height;			/* of the lane */
} state_look[LANE_STATES] = {
	[LANE_UNKNOWN] = { "#ffffff", 0.3 },
	[LANE_IDLE] = { "#d9d9d9", 0.12 },
	[LANE_STOPPED] = { "#b5bcc4", 0.2 },
	[LANE_RUNS] = { "#8fd19e", 0.5 },
	[LANE_WAITS] = { "#ffe27a", 0.5 },
	[LANE_HELD_NAE] = { "#f2a65a", 0.5 },
	[LANE_HELD_MSR] = { "#c79fd9", 0.5 },
};

static const struct {
	const char *name;
	const char *colour;
	const char *dash;
	double shift;			/* so that an INIT shows beside its SIPI */
} arrow_look[EVENT_KINDS] = {
	[EVENT_INIT] = { "INIT", "#c0392b", "4 2", -1.5 },
	[EVENT_SIPI] = { "SIPI", "#1f5fa8", "none", 1.5 },
	[EVENT_UP] = { "VCPUOP_up", "#1b7f4d", "none", 0 },
	[EVENT_DOWN] = { "VCPUOP_down", "#7d3c98", "4 2", 0 },
};

/* A stretch of time in scale, and the cut behind it. */
struct stretch {
	uint64_t from, to;
	double x;
};

struct picture {
	const struct timeline *t;
	FILE *out;
	struct stretch stretch[MAX_CUTS + 1];
	unsigned int stretches;
	double scale;			/* pixels for a microsecond */
	double lane;			/* height */
	int *column;			/* of each event */
};

static uint64_t time_of(const struct timeline *t, size_t i)
{
	return i < t->count && t->event[i].us < t->end ? t->event[i].us : t->end;
}

/*
 * Cut the longest gaps between events, as long as the longest is more than an
 * eighth of what is left.
 */
static void make_axis(struct picture *p)
{
	const struct timeline *t = p->t;
	uint64_t left = t->end, gap, best;
	size_t cut[MAX_CUTS], at, i;
	unsigned int cuts = 0, c, k;
	double x = LEFT;

	while (cuts < MAX_CUTS) {
		best = 0;
		at = 0;
		for (i = 0; i < t->count; i++) {
			gap = time_of(t, i + 1) - time_of(t, i);
			for (c = 0; c < cuts && cut[c] != i; c++)
				;
			if (c == cuts && gap > best) {
				best = gap;
				at = i;
			}
		}
		if (best <= left / 8)
			break;
		/* In order. */
		for (k = cuts++; k && cut[k - 1] > at; k--)
			cut[k] = cut[k - 1];
		cut[k] = at;
		left -= best;
	}

	p->scale = (PLOT - cuts * (CUT_WIDTH + 2 * CUT_PAD)) / (double)(left ? left : 1);
	p->stretches = cuts + 1;
	for (c = 0; c <= cuts; c++) {
		struct stretch *s = &p->stretch[c];

		s->from = c ? time_of(t, cut[c - 1] + 1) : 0;
		s->to = c < cuts ? time_of(t, cut[c]) : t->end;
		s->x = x;
		x += (s->to - s->from) * p->scale + 2 * CUT_PAD + CUT_WIDTH;
	}
}

static double end_of(const struct picture *p, unsigned int stretch)
{
	const struct stretch *s = &p->stretch[stretch];

	return s->x + (s->to - s->from) * p->scale;
}

static double x_of(const struct picture *p, uint64_t us)
{
	unsigned int i;

	for (i = 0; i + 1 < p->stretches && us >= p->stretch[i + 1].from; i++)
		;
	if (us > p->stretch[i].to)
		us = p->stretch[i].to;
	return p->stretch[i].x + (us - p->stretch[i].from) * p->scale;
}

static double y_of(const struct picture *p, int cpu)
{
	return TOP_MARGIN + (cpu + 0.5) * p->lane;
}

/* The guest's name and its end come from outside. */
static void put_text(const struct picture *p, const char *text)
{
	for (; *text; text++) {
		if (*text == '<' || *text == '>' || *text == '&')
			fprintf(p->out, "&#%d;", *text);
		else
			fputc(*text < ' ' || *text > '~' ? '?' : *text, p->out);
	}
}

/* ---- Lanes ---- */

static void bar(const struct picture *p, int cpu, enum lane_state state, uint64_t from,
		uint64_t to)
{
	double x = x_of(p, from), width = x_of(p, to) - x;
	double height = p->lane * state_look[state].height;

	fprintf(p->out, "<rect x='%.1f' y='%.1f' width='%.1f' height='%.1f' fill='%s'>", x,
		y_of(p, cpu) - height / 2, width < 1 ? 1 : width, height,
		state_look[state].colour);
	fprintf(p->out, "<title>vCPU %d %s, " MS " to " MS " ms</title></rect>\n", cpu,
		lane_state_names[state], MS_ARGS(from), MS_ARGS(to));
}

/* Of states on the same pixel only the last is drawn, so the picture is small. */
static void lane(const struct picture *p, int cpu)
{
	const struct timeline *t = p->t;
	enum lane_state state = timeline_first_state(t);
	uint64_t since = 0;
	size_t i;

	fprintf(p->out, "<text x='%d' y='%.1f' text-anchor='end'>vCPU %d</text>\n",
		LEFT - 10, y_of(p, cpu) + 4, cpu);
	for (i = 0; i < t->count; i++) {
		const struct event *e = &t->event[i];

		if (e->kind != EVENT_STATE || e->cpu != cpu || e->state == LANE_SAME ||
		    e->state == state)
			continue;
		if ((int)x_of(p, since) != (int)x_of(p, e->us))
			bar(p, cpu, state, since, e->us);
		state = e->state;
		since = e->us;
	}
	bar(p, cpu, state, since, t->end);
}

/* ---- Arrows and marks ---- */

static bool same(const struct event *a, const struct event *b)
{
	return a->kind == b->kind && a->cpu == b->cpu && a->peer == b->peer;
}

/* How many are there? 0: drawn already. The list is in order: only neighbours matter. */
static size_t count_here(const struct picture *p, size_t i)
{
	const struct event *e = p->t->event;
	size_t n, count = 1;

	for (n = i; n-- && p->column[n] == p->column[i];)
		if (same(&e[n], &e[i]))
			return 0;
	for (n = i + 1; n < p->t->count && p->column[n] == p->column[i]; n++)
		count += same(&e[n], &e[i]);
	return count;
}

static void title(const struct picture *p, const struct event *e, size_t count)
{
	fprintf(p->out, "<title>" MS " ms: ", MS_ARGS(e->us));
	if (e->peer >= 0 && e->cpu >= 0)
		fprintf(p->out, "vCPU %d to vCPU %d: ", e->cpu, e->peer);
	else
		fprintf(p->out, "vCPU %d: ", e->peer >= 0 ? e->peer : e->cpu);
	put_text(p, e->text);
	if (count > 1)
		fprintf(p->out, " (%zu times)", count);
	fputs("</title>", p->out);
}

/* From the sender's bar to the edge of the target's; from above it for no vCPU. */
static void arrow(const struct picture *p, const struct event *e, size_t count)
{
	double x = x_of(p, e->us) + arrow_look[e->kind].shift;
	double edge = p->lane * 0.25, head = p->lane < 24 ? 3 : 5;
	double y1 = e->cpu < 0 ? y_of(p, e->peer) - p->lane / 2 : y_of(p, e->cpu);
	double y2 = y_of(p, e->peer) + (y1 < y_of(p, e->peer) ? -edge : edge);
	double back = y1 < y2 ? -head : head;
	const char *colour = arrow_look[e->kind].colour;

	fputs("<g>", p->out);
	title(p, e, count);
	fprintf(p->out,
		"<path d='M%.1f %.1fV%.1f' stroke='%s' stroke-dasharray='%s' fill='none'/>",
		x, y1, y2 + back, colour, arrow_look[e->kind].dash);
	fprintf(p->out, "<path d='M%.1f %.1fl%.1f %.1fh%.1fz' fill='%s'/>", x, y2,
		-head * 0.7, back, head * 1.4, colour);
	fprintf(p->out, "<circle cx='%.1f' cy='%.1f' r='2' fill='%s'/>", x, y1, colour);
	if (count > 1)
		fprintf(p->out, "<text x='%.1f' y='%.1f' font-size='9' fill='%s'>%zu</text>",
			x + 3, y2 + 2 * back, colour, count);
	fputs("</g>\n", p->out);
}

static void diamond(const struct picture *p, double x, double y)
{
	fprintf(p->out, "<path d='M%.1f %.1fl4 5l-4 5l-4 -5z' fill='#333333'/>", x, y - 5);
}

static void signals(const struct picture *p)
{
	const struct timeline *t = p->t;
	size_t i, count;

	for (i = 0; i < t->count; i++) {
		const struct event *e = &t->event[i];

		if (e->kind == EVENT_STATE)
			continue;
		count = count_here(p, i);
		if (!count)
			continue;
		if (e->kind != EVENT_MARK) {
			arrow(p, e, count);
			continue;
		}
		fputs("<g>", p->out);
		title(p, e, count);
		diamond(p, x_of(p, e->us), y_of(p, e->cpu));
		fputs("</g>\n", p->out);
	}
}

/* ---- Axis and legend ---- */

static void duration(const struct picture *p, uint64_t us)
{
	if (us >= 1000000)
		fprintf(p->out, "%.1f s", us / 1e6);
	else if (us >= 10000)
		fprintf(p->out, "%" PRIu64 " ms", us / 1000);
	else
		fprintf(p->out, "%.1f ms", us / 1e3);
}

/* Over the lanes: here is time that nothing happened in. */
static void cut(const struct picture *p, unsigned int i, double bottom)
{
	double x = end_of(p, i) + CUT_PAD, y;

	fprintf(p->out, "<rect x='%.1f' y='%d' width='%d' height='%.1f' fill='#ffffff'/>\n",
		x, TOP_MARGIN, CUT_WIDTH, bottom - TOP_MARGIN + 8);
	for (y = x; y < x + CUT_WIDTH + 1; y += CUT_WIDTH)
		fprintf(p->out, "<path d='M%.1f %dV%.1f' stroke='#bbb' stroke-dasharray='2 3'/>\n",
			y, TOP_MARGIN, bottom + 4);
	fputs("<g text-anchor='middle' font-size='10' fill='#777777'>", p->out);
	fprintf(p->out, "<text x='%.1f' y='%d'>", x + CUT_WIDTH / 2.0, TOP_MARGIN - 6);
	duration(p, p->stretch[i + 1].from - p->stretch[i].to);
	fputs("</text></g>\n", p->out);
}

/* 1, 2 or 5 times a power of 10 microseconds, so that the numbers have room. */
static uint64_t tick_step(const struct picture *p)
{
	static const unsigned int digit[] = { 1, 2, 5 };
	uint64_t power;
	size_t i;

	for (power = 1; power < 1000000000000000ULL; power *= 10)
		for (i = 0; i < ARRAY_SIZE(digit); i++)
			if (digit[i] * power * p->scale >= TICK_ROOM)
				return digit[i] * power;
	return power;
}

static void tick(const struct picture *p, uint64_t us, double bottom, uint64_t step)
{
	int digits = step % 1000 == 0 ? 0 : step % 100 == 0 ? 1 : step % 10 == 0 ? 2 : 3;
	double x = x_of(p, us);

	fprintf(p->out, "<path d='M%.1f %.1fv5' stroke='#333333'/>", x, bottom);
	fprintf(p->out, "<text x='%.1f' y='%.1f' text-anchor='middle' font-size='11'>%.*f</text>\n",
		x, bottom + 18, digits, us / 1000.0);
}

static void axis(const struct picture *p, double bottom)
{
	uint64_t step = tick_step(p), us;
	unsigned int i;

	for (i = 0; i < p->stretches; i++) {
		const struct stretch *s = &p->stretch[i];
		uint64_t first = (s->from + step - 1) / step * step;
		double left = i ? s->x - CUT_PAD : s->x;
		double right = end_of(p, i) + (i + 1 < p->stretches ? CUT_PAD : 0);

		fprintf(p->out, "<path d='M%.1f %.1fH%.1f' stroke='#333333'/>\n", left, bottom,
			right);
		/* A stretch that is too short for a round number has its own. */
		if (first > s->to)
			tick(p, s->from, bottom, 100);
		for (us = first; us <= s->to; us += step)
			tick(p, us, bottom, step);
		if (i + 1 < p->stretches)
			cut(p, i, bottom);
	}
	fprintf(p->out, "<text x='%d' y='%.1f' text-anchor='end' font-size='11'>ms</text>\n",
		LEFT - 24, bottom + 18);
}

/* What is there, and no more. The result is where the next one goes. */
static double key(const struct picture *p, double x, const char *name)
{
	fprintf(p->out, "<text x='%.1f' y='46' font-size='11'>", x + 26);
	put_text(p, name);
	fputs("</text>\n", p->out);
	return x + 26 + 6.2 * strlen(name) + 18;
}

static void legend(const struct picture *p)
{
	bool state[LANE_STATES] = { false };
	bool kind[EVENT_KINDS] = { false };
	double x = LEFT;
	size_t i;

	state[timeline_first_state(p->t)] = true;
	for (i = 0; i < p->t->count; i++) {
		const struct event *e = &p->t->event[i];

		if (e->state != LANE_SAME)
			state[e->state] = true;
		kind[e->kind] = true;
	}
	for (i = 0; i < LANE_STATES; i++) {
		double height = 24 * state_look[i].height;

		if (!state[i])
			continue;
		fprintf(p->out, "<rect x='%.1f' y='%.1f' width='20' height='%.1f' fill='%s'/>\n",
			x, 42 - height / 2, height, state_look[i].colour);
		x = key(p, x, lane_state_names[i]);
	}
	for (i = EVENT_INIT; i < EVENT_KINDS; i++) {
		if (!kind[i])
			continue;
		fprintf(p->out, "<path d='M%.1f 42h15' stroke='%s' stroke-dasharray='%s'/>", x,
			arrow_look[i].colour, arrow_look[i].dash);
		fprintf(p->out, "<path d='M%.1f 42l-6 -4v8z' fill='%s'/>\n", x + 20,
			arrow_look[i].colour);
		x = key(p, x, arrow_look[i].name);
	}
	if (kind[EVENT_MARK]) {
		diamond(p, x + 14, 42);
		key(p, x, "AP jump table");
	}
}

static void columns(struct picture *p)
{
	const struct timeline *t = p->t;
	int width = t->count < MANY ? 1 : 12;
	size_t i;

	p->column = calloc(t->count + 1, sizeof(*p->column));
	if (!p->column)
		die(EXIT_HOST, "no memory for the timeline");
	for (i = 0; i < t->count; i++)
		p->column[i] = (int)x_of(p, t->event[i].us) / width;
}

void timeline_svg(const struct timeline *t, FILE *out)
{
	struct picture p = {
		.t = t, .out = out,
		.lane = t->cpus <= 16 ? 44 : t->cpus <= 32 ? 28 : 18,
	};
	double bottom = TOP_MARGIN + t->cpus * p.lane + 4;
	unsigned int i;

	make_axis(&p);
	columns(&p);
	fprintf(out, "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 %d %.0f'", WIDTH,
		bottom + 30);
	fprintf(out, " width='%d' height='%.0f' font-family='sans-serif' font-size='12'>\n", WIDTH,
		bottom + 30);
	fputs("<rect width='100%' height='100%' fill='#ffffff'/>\n", out);
	fprintf(out, "<text x='%d' y='22' font-size='14' font-weight='bold'>", LEFT);
	put_text(&p, t->title);
	fprintf(out, ", %u vCPU%s", t->cpus, t->cpus == 1 ? "" : "s");
	fprintf(out, "</text><text x='%d' y='22' text-anchor='end' font-size='11' fill='#555'>",
		WIDTH - RIGHT);
	fprintf(out, "the end, at " MS " ms: ", MS_ARGS(t->end));
	put_text(&p, t->reason);
	if (t->lost)
		fprintf(out, " (the %" PRIu64 " oldest events are lost)", t->lost);
	fputs("</text>\n", out);
	legend(&p);
	for (i = 0; i < t->cpus; i++)
		lane(&p, i);
	signals(&p);
	axis(&p, bottom);
	fputs("</svg>\n", out);
	free(p.column);
}
