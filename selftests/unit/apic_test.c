// SPDX-License-Identifier: GPL-2.0-only
/*
 * apic_test.c - svm/irq/apic_regs.c: what registers keep, priorities, who is
 * addressed, and how messages are encoded.
 */
#include <linux/kernel.h>
#include <linux/string.h>

#include "tap.h"
#include "../../svm/irq/apic_regs.h"

#define MASKED	SEVM_APIC_LVT_MASKED

static struct sevm_apic_regs regs;

static const struct sevm_apic_config xapic = { .tsc_deadline = true };
static const struct sevm_apic_config x2apic = { .x2apic = true, .tsc_deadline = true };
static const struct sevm_apic_config old_x2apic = { .x2apic = true };
static const struct sevm_apic_config directed = { .directed_eoi = true };

/* The vector that goes in next, or -1. */
static int pending(struct sevm_apic_regs *regs)
{
	int vector = sevm_apic_vector_highest(regs, SEVM_APIC_IRR);

	return vector >= 0 && sevm_apic_regs_allow(regs, vector) ? vector : -1;
}

static void fresh(enum sevm_apic_mode mode, u32 id)
{
	memset(&regs, 0xff, sizeof(regs));
	sevm_apic_regs_reset(&regs, SEVM_APIC_XAPIC, id, false, false);
	if (mode == SEVM_APIC_X2APIC)
		sevm_apic_regs_set_mode(&regs, mode, id);
	sevm_apic_reg_set(&regs, SEVM_APIC_SVR, 0x1ff);
}

/* One write: what it sets off and what is read afterwards. */
static const struct {
	const char *what;
	const struct sevm_apic_config *config;
	u32 offset, value;
	enum sevm_apic_effect effect;
	u32 kept;
} writes[] = {
	{ "xAPIC ID keeps its top byte", &xapic, SEVM_APIC_ID, 0x12345678, SEVM_APIC_NOTHING,
	  0x12000000 },
	{ "x2APIC ID is read-only", &x2apic, SEVM_APIC_ID, 1, SEVM_APIC_FAULT, 3 },
	{ "version is read-only", &xapic, SEVM_APIC_LVR, 1, SEVM_APIC_FAULT, 0 },
	{ "TPR keeps 8 bits", &x2apic, SEVM_APIC_TPR, 0xabc, SEVM_APIC_PRIORITY, 0xbc },
	{ "arbitration priority is read-only", &xapic, SEVM_APIC_ARBPRI, 1, SEVM_APIC_FAULT, 0 },
	{ "PPR is read-only", &xapic, SEVM_APIC_PPR, 1, SEVM_APIC_FAULT, 0 },
	{ "EOI", &x2apic, SEVM_APIC_EOI, 0, SEVM_APIC_END, 0 },
	{ "xAPIC LDR", &xapic, SEVM_APIC_LDR, 0xffffffff, SEVM_APIC_NOTHING, 0xff000000 },
	{ "x2APIC LDR is read-only", &x2apic, SEVM_APIC_LDR, 0, SEVM_APIC_FAULT, 8 },
	{ "xAPIC DFR: flat", &xapic, SEVM_APIC_DFR, 0xf0000000, SEVM_APIC_NOTHING, 0xffffffff },
	{ "xAPIC DFR: cluster", &xapic, SEVM_APIC_DFR, 0, SEVM_APIC_NOTHING, 0x0fffffff },
	{ "x2APIC has no DFR", &x2apic, SEVM_APIC_DFR, 0, SEVM_APIC_FAULT, 0xffffffff },
	{ "SVR without directed EOI", &xapic, SEVM_APIC_SVR, 0xffffffff, SEVM_APIC_NOTHING, 0x3ff },
	{ "SVR, directed EOI", &directed, SEVM_APIC_SVR, 0xffffffff, SEVM_APIC_NOTHING, 0x13ff },
	{ "SVR off", &xapic, SEVM_APIC_SVR, 0xff, SEVM_APIC_TIMER_LVT, 0xff },
	{ "ISR is read-only", &xapic, SEVM_APIC_ISR, 1, SEVM_APIC_FAULT, 0 },
	{ "TMR is read-only", &x2apic, SEVM_APIC_TMR + 0x70, 1, SEVM_APIC_FAULT, 0 },
	{ "IRR is read-only", &x2apic, SEVM_APIC_IRR + 0x10, 1, SEVM_APIC_FAULT, 0 },
	{ "ESR takes any write in xAPIC mode", &xapic, SEVM_APIC_ESR, 0xff, SEVM_APIC_NOTHING, 0 },
	{ "ESR takes zero in x2APIC mode", &x2apic, SEVM_APIC_ESR, 0, SEVM_APIC_NOTHING, 0 },
	{ "ESR takes nothing else", &x2apic, SEVM_APIC_ESR, 1, SEVM_APIC_FAULT, 0 },
	{ "CMCI's LVT is absent", &x2apic, 0x2f0, 0, SEVM_APIC_FAULT, 0 },
	{ "ICR: busy never reads back", &xapic, SEVM_APIC_ICR, 0xfffff, SEVM_APIC_SEND, 0xfefff },
	{ "ICR's high half in xAPIC mode", &xapic, SEVM_APIC_ICR2, 0x12345678, SEVM_APIC_NOTHING,
	  0x12000000 },
	{ "ICR's high half is no x2APIC register", &x2apic, SEVM_APIC_ICR2, 1, SEVM_APIC_FAULT, 0 },
	{ "LVTT, all modes", &x2apic, SEVM_APIC_LVTT, 0xffffffff, SEVM_APIC_TIMER_LVT, 0x710ff },
	{ "LVTT without TSC deadline", &old_x2apic, SEVM_APIC_LVTT, 0xffffffff,
	  SEVM_APIC_TIMER_LVT, 0x310ff },
	{ "LVT thermal", &xapic, SEVM_APIC_LVTTHMR, 0xffffffff, SEVM_APIC_NOTHING, 0x117ff },
	{ "LVT performance", &xapic, SEVM_APIC_LVTPC, 0xffffffff, SEVM_APIC_NOTHING, 0x117ff },
	{ "LVT 0", &xapic, SEVM_APIC_LVT0, 0xffffffff, SEVM_APIC_NOTHING, 0x1f7ff },
	{ "LVT 1", &xapic, SEVM_APIC_LVT1, 0xffffffff, SEVM_APIC_NOTHING, 0x1f7ff },
	{ "LVT error", &xapic, SEVM_APIC_LVTERR, 0xffffffff, SEVM_APIC_NOTHING, 0x110ff },
	{ "initial count", &xapic, SEVM_APIC_TMICT, 0xffffffff, SEVM_APIC_TIMER_COUNT, 0xffffffff },
	{ "current count is read-only", &xapic, SEVM_APIC_TMCCT, 1, SEVM_APIC_FAULT, 0 },
	{ "divider", &xapic, SEVM_APIC_TDCR, 0xffffffff, SEVM_APIC_TIMER_DIVIDE, 0xb },
	{ "self IPI", &x2apic, SEVM_APIC_SELF_IPI, 0x41, SEVM_APIC_SEND_SELF, 0 },
	{ "self IPI with a reserved bit", &x2apic, SEVM_APIC_SELF_IPI, 0x141, SEVM_APIC_FAULT, 0 },
	{ "no self IPI in xAPIC mode", &xapic, SEVM_APIC_SELF_IPI, 0x41, SEVM_APIC_FAULT, 0 },
	{ "between registers", &xapic, SEVM_APIC_TPR + 4, 1, SEVM_APIC_FAULT, 0 },
	{ "before the first", &xapic, 0, 1, SEVM_APIC_FAULT, 0 },
	{ "far behind the last", &xapic, 0xff0, 1, SEVM_APIC_FAULT, ~0U },
};

static void test_writes(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(writes); i++) {
		fresh(writes[i].config->x2apic ? SEVM_APIC_X2APIC : SEVM_APIC_XAPIC, 3);
		tap_eq(sevm_apic_regs_write(&regs, writes[i].config, writes[i].offset,
					    writes[i].value),
		       writes[i].effect, "write: %s: effect", writes[i].what);
		if (writes[i].offset < SEVM_APIC_REGS_SIZE)
			tap_eq(sevm_apic_reg(&regs, writes[i].offset), writes[i].kept,
			       "write: %s: value", writes[i].what);
	}

	fresh(SEVM_APIC_XAPIC, 0);
	sevm_apic_regs_write(&regs, &xapic, SEVM_APIC_LVT1, 0x400);
	sevm_apic_regs_write(&regs, &xapic, SEVM_APIC_LVTT, 0x20041);
	sevm_apic_regs_write(&regs, &xapic, SEVM_APIC_SVR, 0xff);
	tap_eq(sevm_apic_reg(&regs, SEVM_APIC_LVT1), 0x400 | MASKED, "APIC off masks LVT 1");
	tap_eq(sevm_apic_reg(&regs, SEVM_APIC_LVTT), 0x20041 | MASKED, "APIC off masks the timer");
	sevm_apic_regs_write(&regs, &xapic, SEVM_APIC_LVT1, 0x400);
	tap_eq(sevm_apic_reg(&regs, SEVM_APIC_LVT1), 0x400 | MASKED, "and it stays masked");

	fresh(SEVM_APIC_XAPIC, 0);
	sevm_apic_regs_write(&regs, &xapic, SEVM_APIC_LVTT, SEVM_APIC_TIMER_DEADLINE);
	tap_eq(sevm_apic_regs_write(&regs, &xapic, SEVM_APIC_TMICT, 5), SEVM_APIC_NOTHING,
	       "no initial count in deadline mode");
	tap_eq(sevm_apic_reg(&regs, SEVM_APIC_TMICT), 0, "nor is it kept");
}

static void test_icr(void)
{
	static const u64 reserved[] = {
		1ULL << 13, 1ULL << 16, 1ULL << 17, 1ULL << 20, 1ULL << 31,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(reserved); i++)
		tap_eq(sevm_apic_regs_write_icr(&regs, reserved[i]), SEVM_APIC_FAULT,
		       "x2APIC ICR: reserved bits %llx", reserved[i]);
	fresh(SEVM_APIC_X2APIC, 0);
	tap_eq(sevm_apic_regs_write_icr(&regs, 0xdeadbeef000cdfffULL), SEVM_APIC_SEND,
	       "x2APIC ICR: all bits that may be");
	tap_eq(sevm_apic_reg(&regs, SEVM_APIC_ICR), 0xccfff, "x2APIC ICR: not busy");
	tap_eq(sevm_apic_reg(&regs, SEVM_APIC_ICR2), 0xdeadbeef, "x2APIC ICR: high half");
}

static void test_readable(void)
{
	static const u32 both[] = {
		SEVM_APIC_ID, SEVM_APIC_LVR, SEVM_APIC_TPR, SEVM_APIC_PPR, SEVM_APIC_LDR,
		SEVM_APIC_SVR, SEVM_APIC_ISR, SEVM_APIC_ISR + 0x70, SEVM_APIC_TMR,
		SEVM_APIC_TMR + 0x70, SEVM_APIC_IRR, SEVM_APIC_IRR + 0x70, SEVM_APIC_ESR,
		SEVM_APIC_ICR, SEVM_APIC_LVTT, SEVM_APIC_LVTTHMR, SEVM_APIC_LVTPC, SEVM_APIC_LVT0,
		SEVM_APIC_LVT1, SEVM_APIC_LVTERR, SEVM_APIC_TMICT, SEVM_APIC_TMCCT, SEVM_APIC_TDCR,
	};
	static const u32 xapic_only[] = { SEVM_APIC_ARBPRI, SEVM_APIC_DFR, SEVM_APIC_ICR2 };
	unsigned int expected[2] = {}, seen[2] = {};
	u32 offset;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(both); i++) {
		expected[0] += sevm_apic_readable(both[i], false);
		expected[1] += sevm_apic_readable(both[i], true);
	}
	tap_eq(expected[0], ARRAY_SIZE(both), "read: registers of both modes in xAPIC mode");
	tap_eq(expected[1], ARRAY_SIZE(both), "read: registers of both modes in x2APIC mode");
	for (i = 0; i < ARRAY_SIZE(xapic_only); i++)
		tap_ok(sevm_apic_readable(xapic_only[i], false) &&
		       !sevm_apic_readable(xapic_only[i], true),
		       "read: %03x in xAPIC mode only", xapic_only[i]);

	/* Three times 8 words, and what else is above, and nothing else. */
	for (offset = 0; offset < 0x1000; offset++) {
		seen[0] += sevm_apic_readable(offset, false);
		seen[1] += sevm_apic_readable(offset, true);
	}
	tap_eq(seen[1], 24 + ARRAY_SIZE(both) - 6, "read: nothing else in x2APIC mode");
	tap_eq(seen[0], seen[1] + ARRAY_SIZE(xapic_only), "read: nothing else in xAPIC mode");
}

static void test_priorities(void)
{
	int vector;

	fresh(SEVM_APIC_XAPIC, 0);
	tap_eq(pending(&regs), (u64)-1, "nothing is pending");
	tap_eq(sevm_apic_regs_end(&regs), (u64)-1, "nothing is in service");

	for (vector = 0; vector < 256; vector++) {
		sevm_apic_vector_set(&regs, SEVM_APIC_IRR, vector);
		if (sevm_apic_vector_highest(&regs, SEVM_APIC_IRR) != vector ||
		    !sevm_apic_vector_test(&regs, SEVM_APIC_IRR, vector))
			break;
	}
	tap_eq(vector, 256, "each vector becomes the highest");
	for (vector = 255; vector >= 0; vector--) {
		if (sevm_apic_vector_highest(&regs, SEVM_APIC_IRR) != vector)
			break;
		sevm_apic_vector_clear(&regs, SEVM_APIC_IRR, vector);
	}
	tap_eq(vector, (u64)-1, "and goes again");

	fresh(SEVM_APIC_XAPIC, 0);
	sevm_apic_vector_set(&regs, SEVM_APIC_IRR, 0x0f);
	tap_eq(pending(&regs), (u64)-1, "vector 15 never gets through");
	sevm_apic_vector_set(&regs, SEVM_APIC_IRR, 0x10);
	tap_eq(pending(&regs), 0x10, "vector 16 does");

	fresh(SEVM_APIC_XAPIC, 0);
	sevm_apic_reg_set(&regs, SEVM_APIC_TPR, 0x35);
	tap_eq(sevm_apic_regs_ppr(&regs), 0x35, "PPR is TPR when nothing is in service");
	sevm_apic_vector_set(&regs, SEVM_APIC_IRR, 0x3f);
	tap_eq(pending(&regs), (u64)-1, "the task's own class is held back");
	sevm_apic_vector_set(&regs, SEVM_APIC_IRR, 0x40);
	tap_eq(pending(&regs), 0x40, "the next class is not");
	sevm_apic_regs_accept(&regs, 0x40);
	tap_ok(!sevm_apic_vector_test(&regs, SEVM_APIC_IRR, 0x40) &&
	       sevm_apic_vector_test(&regs, SEVM_APIC_ISR, 0x40), "accepted: IRR to ISR");
	tap_eq(sevm_apic_reg(&regs, SEVM_APIC_PPR), 0x40, "PPR follows the service");
	sevm_apic_vector_set(&regs, SEVM_APIC_IRR, 0x4f);
	tap_eq(pending(&regs), (u64)-1, "the same class does not nest");
	sevm_apic_vector_set(&regs, SEVM_APIC_IRR, 0x51);
	tap_eq(pending(&regs), 0x51, "a higher class nests");
	sevm_apic_regs_accept(&regs, 0x51);
	sevm_apic_reg_set(&regs, SEVM_APIC_TPR, 0x5a);
	tap_eq(sevm_apic_regs_ppr(&regs), 0x5a, "same class: PPR is all of TPR");
	sevm_apic_reg_set(&regs, SEVM_APIC_TPR, 0);
	tap_eq(sevm_apic_regs_end(&regs), 0x51, "EOI ends the highest");
	tap_eq(pending(&regs), (u64)-1, "the lower one is still in service");
	tap_eq(sevm_apic_regs_end(&regs), 0x40, "then the lower one");
	tap_eq(pending(&regs), 0x4f, "and what waited is next");
}

static void test_reset(void)
{
	fresh(SEVM_APIC_XAPIC, 5);
	tap_eq(sevm_apic_reg(&regs, SEVM_APIC_ID), 5U << 24, "reset: xAPIC ID");
	sevm_apic_regs_write(&regs, &xapic, SEVM_APIC_ID, 9U << 24);
	sevm_apic_reg_set(&regs, SEVM_APIC_LDR, 1U << 24);
	sevm_apic_vector_set(&regs, SEVM_APIC_IRR, 0x99);
	sevm_apic_regs_reset(&regs, SEVM_APIC_XAPIC, 5, true, true);
	tap_eq(sevm_apic_reg(&regs, SEVM_APIC_ID), 9U << 24, "INIT: the ID stays");
	tap_eq(sevm_apic_reg(&regs, SEVM_APIC_LDR), 0, "INIT: xAPIC LDR is cleared");
	tap_eq(sevm_apic_reg(&regs, SEVM_APIC_SVR), 0xff, "INIT: software-disabled");
	tap_eq(sevm_apic_reg(&regs, SEVM_APIC_DFR), ~0U, "INIT: flat");
	tap_eq(sevm_apic_reg(&regs, SEVM_APIC_LVT0), 0x700, "INIT: LINT0 is ExtINT on the BSP");
	tap_eq(sevm_apic_reg(&regs, SEVM_APIC_LVTT), MASKED, "INIT: timer masked");
	tap_eq(sevm_apic_vector_highest(&regs, SEVM_APIC_IRR), (u64)-1, "INIT: nothing pending");

	fresh(SEVM_APIC_X2APIC, 0x123);
	tap_eq(sevm_apic_reg(&regs, SEVM_APIC_ID), 0x123, "x2APIC: all of the ID");
	tap_eq(sevm_apic_reg(&regs, SEVM_APIC_LDR), 0x120008, "x2APIC: LDR follows from the ID");
	sevm_apic_regs_reset(&regs, SEVM_APIC_X2APIC, 0x123, true, false);
	tap_eq(sevm_apic_reg(&regs, SEVM_APIC_ID), 0x123, "INIT: the x2APIC ID stays");
	tap_eq(sevm_apic_reg(&regs, SEVM_APIC_LDR), 0x120008, "INIT: and its LDR");
	tap_eq(sevm_apic_reg(&regs, SEVM_APIC_LVT0), MASKED, "INIT: LINT0 is masked on an AP");
}

static void test_divider(void)
{
	static const u8 tdcr[] = { 0, 1, 2, 3, 8, 9, 0xa, 0xb };
	static const u8 divide[] = { 2, 4, 8, 16, 32, 64, 128, 1 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(tdcr); i++) {
		sevm_apic_reg_set(&regs, SEVM_APIC_TDCR, tdcr[i]);
		tap_eq(sevm_apic_regs_divide(&regs), divide[i], "divider %x", tdcr[i]);
	}
}

#define EN	SEVM_APIC_BASE_ENABLED
#define X2	SEVM_APIC_BASE_X2APIC
#define BASE	SEVM_APIC_DEFAULT_BASE

static const struct {
	const char *what;
	u64 old, new, reserved;
	bool guest, host;
} bases[] = {
	{ "xAPIC to x2APIC", BASE | EN, BASE | EN | X2, 0x2ff, true, true },
	{ "xAPIC off", BASE | EN, BASE, 0x2ff, true, true },
	{ "x2APIC off", BASE | EN | X2, BASE, 0x2ff, true, true },
	{ "off to xAPIC", BASE, BASE | EN, 0x2ff, true, true },
	{ "off to x2APIC", BASE, BASE | EN | X2, 0x2ff, false, true },
	{ "x2APIC to xAPIC", BASE | EN | X2, BASE | EN, 0x2ff, false, true },
	{ "x2APIC without enable", BASE | EN, BASE | X2, 0x2ff, false, false },
	{ "no change", BASE | EN | X2, BASE | EN | X2, 0x2ff, true, true },
	{ "the BSP bit is the guest's to write", BASE | EN, BASE | EN | 0x100, 0x2ff, true, true },
	{ "another base", BASE | EN, 0x12345000 | EN, 0x2ff, true, true },
	{ "bit 9", BASE | EN, BASE | EN | 0x200, 0x2ff, false, false },
	{ "bit 0", BASE | EN, BASE | EN | 1, 0x2ff, false, false },
	{ "above address width", BASE | EN, 1ULL << 40 | EN, 0x2ff | ~0ULL << 40, false, false },
	{ "x2APIC that CPUID does not have", BASE | EN, BASE | EN | X2, 0x2ff | X2, false, false },
};

static void test_base(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bases); i++) {
		tap_eq(sevm_apic_base_allowed(bases[i].old, bases[i].new, bases[i].reserved, false),
		       bases[i].guest, "APIC base, guest: %s", bases[i].what);
		tap_eq(sevm_apic_base_allowed(bases[i].old, bases[i].new, bases[i].reserved, true),
		       bases[i].host, "APIC base, host: %s", bases[i].what);
	}
}

#define FLAT	0xffffffff
#define CLUSTER	0x0fffffff

static const struct {
	const char *what;
	enum sevm_apic_mode mode;
	u32 id, ldr, dfr;	/* ldr, dfr: xAPIC only */
	u32 dest;
	bool logical, match;
} dests[] = {
	{ "xAPIC physical", SEVM_APIC_XAPIC, 5, 0, FLAT, 5, false, true },
	{ "xAPIC physical, another", SEVM_APIC_XAPIC, 5, 0, FLAT, 6, false, false },
	{ "xAPIC physical broadcast", SEVM_APIC_XAPIC, 5, 0, FLAT, 0xff, false, true },
	{ "xAPIC knows no wide broadcast", SEVM_APIC_XAPIC, 5, 0, FLAT, ~0U, false, false },
	{ "vCPU 300, xAPIC, by its real ID", SEVM_APIC_XAPIC, 300, 0, FLAT, 300, false, true },
	{ "vCPU 300, xAPIC, by its low byte", SEVM_APIC_XAPIC, 300, 0, FLAT, 44, false, true },
	{ "xAPIC logical broadcast", SEVM_APIC_XAPIC, 5, 0, FLAT, 0xff, true, true },
	{ "flat, its bit", SEVM_APIC_XAPIC, 5, 0x04, FLAT, 0x06, true, true },
	{ "flat, other bits", SEVM_APIC_XAPIC, 5, 0x04, FLAT, 0xfb, true, false },
	{ "flat, no logical ID", SEVM_APIC_XAPIC, 5, 0, FLAT, 0x7f, true, false },
	{ "cluster, its bit", SEVM_APIC_XAPIC, 5, 0x34, CLUSTER, 0x36, true, true },
	{ "cluster, another cluster", SEVM_APIC_XAPIC, 5, 0x34, CLUSTER, 0x44, true, false },
	{ "cluster, another bit", SEVM_APIC_XAPIC, 5, 0x34, CLUSTER, 0x38, true, false },
	{ "cluster, broadcast", SEVM_APIC_XAPIC, 5, 0x34, CLUSTER, 0xff, true, true },
	{ "neither flat nor cluster", SEVM_APIC_XAPIC, 5, 0x34, 0x5fffffff, 0x34, true, false },
	{ "x2APIC physical", SEVM_APIC_X2APIC, 300, 0, 0, 300, false, true },
	{ "x2APIC physical, another", SEVM_APIC_X2APIC, 300, 0, 0, 44, false, false },
	{ "x2APIC 255 is an ID", SEVM_APIC_X2APIC, 255, 0, 0, 255, false, true },
	{ "x2APIC 0xff is no broadcast", SEVM_APIC_X2APIC, 1, 0, 0, 255, false, false },
	{ "x2APIC physical broadcast", SEVM_APIC_X2APIC, 300, 0, 0, ~0U, false, true },
	{ "x2APIC logical broadcast", SEVM_APIC_X2APIC, 300, 0, 0, ~0U, true, true },
	{ "x2APIC logical, its bit", SEVM_APIC_X2APIC, 0x23, 0, 0, 0x0002000f, true, true },
	{ "x2APIC logical, another bit", SEVM_APIC_X2APIC, 0x23, 0, 0, 0x0002fff7, true, false },
	{ "x2APIC logical, other cluster", SEVM_APIC_X2APIC, 0x23, 0, 0, 0x0003ffff, true, false },
	{ "x2APIC logical, cluster 0", SEVM_APIC_X2APIC, 2, 0, 0, 0x0006, true, true },
};

static void test_dests(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(dests); i++) {
		fresh(dests[i].mode, dests[i].id);
		if (dests[i].mode == SEVM_APIC_XAPIC) {
			sevm_apic_reg_set(&regs, SEVM_APIC_LDR, dests[i].ldr << 24);
			sevm_apic_reg_set(&regs, SEVM_APIC_DFR, dests[i].dfr);
		}
		tap_eq(sevm_apic_matches(&regs, dests[i].mode, dests[i].id, dests[i].dest,
					 dests[i].logical),
		       dests[i].match, "destination: %s", dests[i].what);
	}
}

static bool same(const struct sevm_irq_msg *a, const struct sevm_irq_msg *b)
{
	return a->dest == b->dest && a->logical == b->logical && a->shorthand == b->shorthand &&
	       a->delivery == b->delivery && a->vector == b->vector && a->level == b->level &&
	       a->assert == b->assert && a->lowest_hint == b->lowest_hint;
}

static void test_messages(void)
{
	static const struct {
		const char *what;
		u32 low, high;
		bool x2apic;
		struct sevm_irq_msg msg;
	} icrs[] = {
		{ "fixed", 0x00004041, 0x05000000, false,
		  { .dest = 5, .vector = 0x41, .assert = true } },
		{ "fixed, x2APIC", 0x00000041, 0x05000000, true,
		  { .dest = 0x05000000, .vector = 0x41 } },
		{ "lowest priority, logical", 0x00004941, 0x03000000, false,
		  { .dest = 3, .logical = true, .delivery = SEVM_DELIVER_LOWEST, .vector = 0x41,
		    .assert = true } },
		{ "NMI to the others", 0x000c4400, 0, false,
		  { .shorthand = SEVM_TO_OTHERS, .delivery = SEVM_DELIVER_NMI, .assert = true } },
		{ "INIT", 0x0000c500, 2, true,
		  { .dest = 2, .delivery = SEVM_DELIVER_INIT, .level = true, .assert = true } },
		{ "INIT de-assert to all", 0x00088500, 0, true,
		  { .shorthand = SEVM_TO_ALL, .delivery = SEVM_DELIVER_INIT, .level = true } },
		{ "startup", 0x0000469a, 2, true,
		  { .dest = 2, .delivery = SEVM_DELIVER_STARTUP, .vector = 0x9a, .assert = true } },
		{ "self", 0x00044030, 0, true,
		  { .shorthand = SEVM_TO_SELF, .vector = 0x30, .assert = true } },
	};
	static const struct {
		const char *what;
		u64 address;
		u32 data;
		bool wide;
		struct sevm_irq_msg msg;
	} msis[] = {
		{ "edge", 0xfee05000, 0x41, false, { .dest = 5, .vector = 0x41, .assert = true } },
		{ "level", 0xfee05000, 0xc041, false,
		  { .dest = 5, .vector = 0x41, .level = true, .assert = true } },
		{ "level bit, line bit clear: still asserted", 0xfee05000, 0x8041, false,
		  { .dest = 5, .vector = 0x41, .level = true, .assert = true } },
		{ "logical with hint, lowest priority", 0xfee0300c, 0x0141, false,
		  { .dest = 3, .logical = true, .delivery = SEVM_DELIVER_LOWEST, .vector = 0x41,
		    .assert = true, .lowest_hint = true } },
		{ "NMI", 0xfee00000, 0x0400, false,
		  { .delivery = SEVM_DELIVER_NMI, .assert = true } },
		{ "32-bit destination", 0x00000100fee2c000ULL, 0x41, true,
		  { .dest = 0x12c, .vector = 0x41, .assert = true } },
		{ "which is not asked for", 0x00000100fee2c000ULL, 0x41, false,
		  { .dest = 0x2c, .vector = 0x41, .assert = true } },
		{ "the lowest address byte is not part of it", 0x000001fffee2c000ULL, 0x41, true,
		  { .dest = 0x12c, .vector = 0x41, .assert = true } },
	};
	struct sevm_irq_msg msg;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(icrs); i++) {
		sevm_apic_decode_icr(icrs[i].low, icrs[i].high, icrs[i].x2apic, &msg);
		tap_ok(same(&msg, &icrs[i].msg), "ICR: %s", icrs[i].what);
	}
	for (i = 0; i < ARRAY_SIZE(msis); i++) {
		sevm_apic_decode_msi(msis[i].address, msis[i].data, msis[i].wide, &msg);
		tap_ok(same(&msg, &msis[i].msg), "MSI: %s", msis[i].what);
	}
}

/* Whatever is written wherever: reserved bits stay zero, priorities hold. */
static bool invariants_hold(void)
{
	u64 seed = 1;
	int n;

	fresh(SEVM_APIC_XAPIC, 0);
	for (n = 0; n < 1000000; n++) {
		int vector;

		seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
		switch (seed >> 61) {
		case 0:
			sevm_apic_vector_set(&regs, SEVM_APIC_IRR, seed >> 40);
			break;
		case 1:
			vector = pending(&regs);
			if (vector < 0)
				break;
			if ((u32)vector >> 4 <= sevm_apic_reg(&regs, SEVM_APIC_PPR) >> 4)
				return false;
			sevm_apic_regs_accept(&regs, vector);
			break;
		case 2:
			vector = sevm_apic_vector_highest(&regs, SEVM_APIC_ISR);
			if (sevm_apic_regs_end(&regs) != vector)
				return false;
			break;
		default:
			sevm_apic_regs_write(&regs, seed & 1 ? &xapic : &x2apic,
					     (seed >> 50) & 0xff0, seed >> 8);
		}
		if (sevm_apic_reg(&regs, SEVM_APIC_LVTT) & ~0x710ffU ||
		    sevm_apic_reg(&regs, SEVM_APIC_SVR) & ~0x3ffU ||
		    sevm_apic_reg(&regs, SEVM_APIC_ICR) & (1U << 12) ||
		    sevm_apic_reg(&regs, SEVM_APIC_TPR) & ~0xffU ||
		    sevm_apic_reg(&regs, SEVM_APIC_ESR))
			return false;
	}
	return true;
}

int main(void)
{
	test_writes();
	test_icr();
	test_readable();
	test_priorities();
	test_reset();
	test_divider();
	test_base();
	test_dests();
	test_messages();
	tap_ok(invariants_hold(), "a million random accesses");
	return tap_done();
}
