// SPDX-License-Identifier: GPL-2.0-only
/*
 * ghcb.c - what holds for every event: which inputs must be valid, which events
 * there are, what comes back, and where the page is. What an event does is in
 * nae.c and its neighbours.
 */
#include <errno.h>

#include "guest.h"
#include "request.h"
#include "vm.h"

/* The events there are, with all that they need, and what they need. */
static const struct event {
	u64 code, info1;
	int needs[4];		/* until 0 */
	bool quiet;		/* can be asked by anyone at any time, with every host */
} events[] = {
	{ 0x27, 0, { }, true },
	{ 0x37, 0, { GHCB_RAX }, true },
	{ 0x6e, 0, { }, false },
	{ 0x6f, 0, { GHCB_RCX }, false },
	{ 0x72, 0, { GHCB_RAX, GHCB_RCX }, true },
	{ 0x76, 0, { }, true },
	{ 0x7b, 0x5ed << 16 | 1, { }, true },				/* IN of no bytes */
	{ 0x7b, 0x5ed << 16, { GHCB_RAX }, true },			/* OUT */
	{ 0x7b, 0x5ed << 16 | 0x10 | 4, { GHCB_SCRATCH }, true },	/* OUTS, no element */
	{ 0x7b, 0x5ed << 16 | 0x10 | 5, { GHCB_SCRATCH }, true },	/* INS */
	{ 0x7c, 0, { GHCB_RCX }, true },
	{ 0x7c, 1, { GHCB_RCX, GHCB_RAX, GHCB_RDX }, true },
	{ 0x81, 0, { GHCB_RAX, GHCB_CPL }, true },
	{ 0x87, 0, { }, false },
	{ 0x89, 0, { }, true },
	{ 0x8a, 0, { GHCB_RAX, GHCB_RCX, GHCB_RDX }, true },
	{ 0x8b, 0, { GHCB_RAX, GHCB_RCX }, true },
	{ 0x80000001, GUEST_MMIO, { GHCB_SCRATCH }, true },		/* of no bytes */
	{ 0x80000002, GUEST_MMIO, { GHCB_SCRATCH }, true },
	{ 0x80000003, 0, { }, true },
	{ 0x80000004, 0, { }, false },
	{ 0x80000005, 1, { }, true },
	{ 0x8000fffd, 0, { }, false },
	{ 0x8000fffe, 0, { }, false },
	{ 0x8000ffff, 0, { }, false },
};

#define EVENTS (sizeof(events) / sizeof(events[0]))

static bool is_event(u64 code)
{
	unsigned int i;

	for (i = 0; i < EVENTS; i++)
		if (events[i].code == code)
			return true;
	return false;
}

/* Ask for an event with what it needs, without the field that is left out. */
static void ask(const struct event *event, int without)
{
	union ghcb_page *g = begin(event->code, event->info1, 0);
	unsigned int i;

	for (i = 0; i < 4 && event->needs[i]; i++)
		ghcb_set(g, event->needs[i], event->needs[i] == GHCB_RCX ? 0x200 : 0);
	if (event->needs[0] == GHCB_SCRATCH)
		ghcb_set(g, GHCB_SCRATCH, (u64)g + GHCB_BUFFER);
	if (without)
		g->bitmap[without / 8] &= ~(1 << without % 8);
	vmgexit();
}

static void required_guest(unsigned long cpu)
{
	unsigned int i, k;

	for (i = 0; i < EVENTS; i++) {
		for (k = GHCB_EXITCODE; k <= GHCB_INFO2; k++) {
			ask(&events[i], k);
			refused(ERR_MISSING);
		}
		for (k = 0; k < 4 && events[i].needs[k]; k++) {
			ask(&events[i], events[i].needs[k]);
			refused(ERR_MISSING);
		}
	}
}

static void every_required_input_is_required(void)
{
	run_guest(required_guest, NULL);
}

/* ... and no other is; the answer has its two fields, and no request left. */
static void sufficient_guest(unsigned long cpu)
{
	union ghcb_page *g = guest_ghcb();
	unsigned int i;

	for (i = 0; i < EVENTS; i++) {
		if (!events[i].quiet)
			continue;
		ask(&events[i], 0);
		GUEST_ASSERT_EQ((u32)g->q[GHCB_INFO1], 0);
		GUEST_ASSERT(ghcb_valid(g, GHCB_INFO1));
		GUEST_ASSERT(ghcb_valid(g, GHCB_INFO2));
		GUEST_ASSERT(!ghcb_valid(g, GHCB_EXITCODE));
		GUEST_ASSERT(!ghcb_valid(g, GHCB_SCRATCH));
		GUEST_ASSERT(!ghcb_valid(g, GHCB_CPL));
	}
}

static void required_inputs_suffice(void)
{
	run_guest(sufficient_guest, NULL);
}

/* Every exit code that the hardware may use, and the software's own. */
static void unknown_guest(unsigned long cpu)
{
	static const u64 codes[] = {
		0x8000ffff0000, 0x100000072, 0x8000000080000005, 0x8000fffc, 0x80010000, ~0ULL,
	};
	u64 code;
	unsigned int i;

	for (code = 0; code < 0x500; code++) {
		if (is_event(code))
			continue;
		begin(code, 0, 0);
		vmgexit();
		refused(ERR_EVENT);
	}
	for (code = 0x80000000; code < 0x80000010; code++) {
		if (is_event(code))
			continue;
		begin(code, 0, 0);
		vmgexit();
		refused(ERR_EVENT);
	}
	for (i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		begin(codes[i], 0, 0);
		vmgexit();
		refused(ERR_EVENT);
	}
}

static void unknown_events_are_refused(void)
{
	run_guest(unknown_guest, NULL);
}

static void refuse_all(u64 code, u64 end)
{
	for (; code < end; code++) {
		union ghcb_page *g = begin(code, 0, 0x1000);

		ghcb_set(g, GHCB_RAX, 0);
		ghcb_set(g, GHCB_RBX, 0);
		ghcb_set(g, GHCB_SCRATCH, (u64)g + GHCB_BUFFER);
		vmgexit();
		refused(ERR_EVENT);
	}
}

/* Page state change, guest request, extended guest request, AP creation */
static void snp_guest(unsigned long cpu)
{
	refuse_all(0x80000010, 0x80000014);
}

static void snp_events_are_refused(void)
{
	run_guest(snp_guest, NULL);
}

/* #HV, APIC IDs, VMPLs, Secure AVIC, and those that are not given out yet */
static void later_guest(unsigned long cpu)
{
	refuse_all(0x80000014, 0x80000040);
}

static void later_events_are_refused(void)
{
	run_guest(later_guest, NULL);
}

/* What the event doesn't ask for may be there, and in the reserved bytes anything. */
static void extra_guest(unsigned long cpu)
{
	union ghcb_page *g = begin(0x89, 0, 0);
	unsigned int i;

	for (i = 0; i < sizeof(g->reserved); i++)
		g->reserved[i] = 0xff;
	ghcb_set(g, GHCB_XCR0, 1);
	for (i = 0; i < sizeof(g->bitmap); i++)
		g->bitmap[i] = 0xff;
	vmgexit();
	GUEST_ASSERT_EQ((u32)g->q[GHCB_INFO1], 0);
}

static void what_is_not_asked_for_is_ignored(void)
{
	run_guest(extra_guest, NULL);
}

/* RAX to RDX come back as they came, or not at all: nobody else's data. */
static void echo_guest(unsigned long cpu)
{
	static const int fields[] = { GHCB_RAX, GHCB_RBX, GHCB_RCX, GHCB_RDX };
	union ghcb_page *g;
	unsigned int i, k;
	u32 r[4];

	for (i = 0; i < 4; i++) {
		cpuid(1, 0, r);		/* leaves other values there */
		g = begin(0x89, 0, 0);
		ghcb_set(g, fields[i], 0x1122334455667788);
		vmgexit();
		for (k = 0; k < 4; k++)
			GUEST_ASSERT_EQ(ghcb_valid(g, fields[k]), k == i);
		GUEST_ASSERT_EQ(g->q[fields[i]], 0x1122334455667788);
	}
}

static void registers_come_back_if_they_came(void)
{
	run_guest(echo_guest, NULL);
}

/* No registration (SEV-SNP's): each VMGEXIT says where the page is. */
static void moving_guest(unsigned long cpu)
{
	union ghcb_page *g, *other = (union ghcb_page *)GUEST_SHARED_DATA;

	g = begin(0x8000ffff, 0, 0);		/* would end KVM_RUN */
	ghcb_begin(other, 0x89, 0, 0x55);
	wrmsr(GHCB_MSR, (u64)other);
	vmgexit();
	GUEST_ASSERT_EQ((u32)other->q[GHCB_INFO1], 0);
	GUEST_ASSERT_EQ(other->q[GHCB_INFO2], 0);
	GUEST_ASSERT(!ghcb_valid(other, GHCB_EXITCODE));
	GUEST_ASSERT(ghcb_valid(g, GHCB_EXITCODE));
	wrmsr(GHCB_MSR, (u64)g);
	GUEST_ASSERT_EQ(ghcb_call(0x89, 0, 0), 0);
}

static void the_page_may_be_another_each_time(void)
{
	run_guest(moving_guest, NULL);
}

TESTS = {
	CASE(every_required_input_is_required),
	CASE(required_inputs_suffice),
	CASE(unknown_events_are_refused),
	CASE(snp_events_are_refused),
	CASE(later_events_are_refused),
	CASE(what_is_not_asked_for_is_ignored),
	CASE(registers_come_back_if_they_came),
	CASE(the_page_may_be_another_each_time),
	TESTS_END
};
