/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * timeline.h - who started whom and when: the events of timeline.c, for those
 * who show them.
 */
#ifndef SEVM_RUN_TIMELINE_H
#define SEVM_RUN_TIMELINE_H

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* trace.c */
struct trace_line {
	uint64_t us;			/* CLOCK_MONOTONIC */
	const char *event;
	const char *text;
};

void trace_open(void);
uint64_t trace_read(void (*take)(void *arg, const struct trace_line *line), void *arg);

/* Microseconds as milliseconds, in a format and as its arguments. */
#define MS		"%" PRIu64 ".%03" PRIu64
#define MS_ARGS(us)	(us) / 1000, (us) % 1000

/* What a vCPU does. */
enum lane_state {
	LANE_UNKNOWN,			/* the events that say it are lost */
	LANE_IDLE,			/* not started yet */
	LANE_STOPPED,			/* by the hypercall vcpu_op, or not started by it yet */
	LANE_RUNS,			/* may run; that it is in HLT is not told */
	LANE_WAITS,			/* took an INIT, waits for SIPI */
	LANE_HELD_NAE,
	LANE_HELD_MSR,
	LANE_STATES,
	LANE_SAME = LANE_STATES,	/* this event changes nothing */
};

enum event_kind {
	EVENT_STATE,			/* of `cpu` */
	EVENT_MARK,			/* `cpu` did something for all */
	EVENT_INIT,			/* the rest: from `cpu`, -1: no vCPU, to `peer` */
	EVENT_SIPI,
	EVENT_UP,			/* vcpu_op */
	EVENT_DOWN,
	EVENT_KINDS,
};

struct event {
	uint64_t us;			/* since the vCPUs were started */
	enum event_kind kind;
	int cpu;
	int peer;
	enum lane_state state;
	char text[56];
};

struct timeline {
	unsigned int cpus;
	bool page;			/* --ap-bringup page */
	struct event *event;		/* in the order of time */
	size_t count, room;
	uint64_t start, end;		/* us */
	uint64_t lost;			/* events: the oldest */
	uint64_t skipped;		/* the latest, had there been more than are kept */
	uint64_t unknown;		/* lines that said nothing to us */
	const char *title;
	const char *reason;		/* of the end */
};

extern const char *const lane_state_names[LANE_STATES];

static inline enum lane_state timeline_first_state(const struct timeline *t)
{
	return t->lost ? LANE_UNKNOWN : t->page ? LANE_STOPPED : LANE_IDLE;
}

static inline bool lane_held(enum lane_state state)
{
	return state == LANE_HELD_NAE || state == LANE_HELD_MSR;
}

/* timeline_svg.c */
void timeline_svg(const struct timeline *t, FILE *out);

#endif /* SEVM_RUN_TIMELINE_H */
