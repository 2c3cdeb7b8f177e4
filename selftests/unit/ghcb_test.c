// SPDX-License-Identifier: GPL-2.0-only
/*
 * ghcb_test.c - sev/ghcb_proto.c: the page's layout, the valid bits, the scratch
 * window, the MSR protocol.
 */
#include <linux/kernel.h>
#include <linux/string.h>
#include <stdlib.h>

#include "tap.h"
#include "../../sev/ghcb_proto.h"

static u8 *page;

static void put(u32 offset, u64 value)
{
	memcpy(page + offset, &value, sizeof(value));
}

static u64 get(u32 offset)
{
	u64 value;

	memcpy(&value, page + offset, sizeof(value));
	return value;
}

static void mark(u32 offset)
{
	page[0x3f0 + offset / 8 / 8] |= 1 << offset / 8 % 8;
}

static bool marked(u32 offset)
{
	return page[0x3f0 + offset / 8 / 8] >> offset / 8 % 8 & 1;
}

static void clear(void)
{
	memset(page, 0, SEVM_GHCB_SIZE);
}

/* Offset and bit as the protocol's tables have them. */
static const struct {
	enum sevm_ghcb_field field;
	u32 offset, bit;
	const char *name;
} table[] = {
	{ SEVM_GHCB_CPL, 0x0cb, 25, "CPL" },
	{ SEVM_GHCB_XSS, 0x140, 40, "XSS" },
	{ SEVM_GHCB_RAX, 0x1f8, 63, "RAX" },
	{ SEVM_GHCB_RCX, 0x308, 97, "RCX" },
	{ SEVM_GHCB_RDX, 0x310, 98, "RDX" },
	{ SEVM_GHCB_RBX, 0x318, 99, "RBX" },
	{ SEVM_GHCB_RSI, 0x330, 102, "RSI" },
	{ SEVM_GHCB_RDI, 0x338, 103, "RDI" },
	{ SEVM_GHCB_EXITCODE, 0x390, 114, "SW_EXITCODE" },
	{ SEVM_GHCB_EXITINFO1, 0x398, 115, "SW_EXITINFO1" },
	{ SEVM_GHCB_EXITINFO2, 0x3a0, 116, "SW_EXITINFO2" },
	{ SEVM_GHCB_SCRATCH, 0x3a8, 117, "SW_SCRATCH" },
	{ SEVM_GHCB_XCR0, 0x3e8, 125, "XCR0" },
};

static void test_layout(void)
{
	unsigned int i;

	tap_eq(ARRAY_SIZE(table), SEVM_GHCB_FIELDS, "the table has all fields");
	for (i = 0; i < ARRAY_SIZE(table); i++) {
		tap_eq(sevm_ghcb_offset(table[i].field), table[i].offset,
		       "%s is where the protocol has it", table[i].name);
		tap_eq(table[i].offset / 8, table[i].bit, "%s: its valid bit",
		       table[i].name);
	}
}

static void test_decode(void)
{
	struct sevm_ghcb_request req;
	unsigned int i;

	/* Everything filled, nothing valid: nothing is seen. */
	clear();
	memset(page, 0x5a, 0x3f0);
	sevm_ghcb_decode(page, &req);
	tap_eq(req.valid, 0, "no valid bit, no field");
	for (i = 0; i < SEVM_GHCB_FIELDS; i++)
		if (req.value[i])
			break;
	tap_eq(i, SEVM_GHCB_FIELDS, "an invalid field reads 0");

	/* One field at a time. */
	for (i = 0; i < ARRAY_SIZE(table); i++) {
		u64 want = 0x1122334455667788 + i;

		clear();
		put(table[i].offset, want);
		mark(table[i].offset);
		if (table[i].field == SEVM_GHCB_CPL)
			want &= 0xff;
		sevm_ghcb_decode(page, &req);
		tap_ok(req.valid == 1u << table[i].field &&
		       req.value[table[i].field] == want,
		       "%s alone is valid and read", table[i].name);
	}

	clear();
	page[0xffc] = 7;
	sevm_ghcb_decode(page, &req);
	tap_eq(req.usage, 7, "the usage is read");

	memset(page, 0xff, SEVM_GHCB_SIZE);
	sevm_ghcb_decode(page, &req);
	tap_eq(req.valid, (1u << SEVM_GHCB_FIELDS) - 1, "all ones: all valid");
	tap_eq(req.value[SEVM_GHCB_CPL], 0xff, "CPL is one byte");
}

static void test_encode(void)
{
	struct sevm_ghcb_reply reply = { };
	unsigned int i, others = 0;

	memset(page, 0xff, SEVM_GHCB_SIZE);
	reply.value[SEVM_GHCB_RAX] = 0x1234;
	reply.value[SEVM_GHCB_EXITINFO2] = 0x5678;
	reply.value[SEVM_GHCB_RBX] = 0x9999;
	reply.set = SEVM_GHCB_BIT(RAX) | SEVM_GHCB_BIT(EXITINFO2);
	sevm_ghcb_encode(page, &reply);

	tap_eq(get(0x1f8), 0x1234, "RAX is written");
	tap_eq(get(0x3a0), 0x5678, "SW_EXITINFO2 is written");
	tap_eq(get(0x318), ~0ull, "a field that is not set is left alone");
	tap_ok(marked(0x1f8) && marked(0x3a0), "what was written is valid");
	for (i = 0; i < 16; i++)
		others += __builtin_popcount(page[0x3f0 + i]);
	tap_eq(others, 2, "and nothing else is");
	tap_eq(page[0x400], 0xff, "nothing behind the bitmap is touched");

	memset(page, 0xee, SEVM_GHCB_SIZE);
	reply.value[SEVM_GHCB_CPL] = 3;
	reply.set = SEVM_GHCB_BIT(CPL);
	sevm_ghcb_encode(page, &reply);
	tap_ok(page[0xcb] == 3 && page[0xca] == 0xee && page[0xcc] == 0xee,
	       "CPL is written as one byte");
}

#define GHCB	0x5000ull

static void scratch(unsigned int version, u64 gpa, u64 len,
		    enum sevm_ghcb_where want, u32 want_offset, const char *what)
{
	u32 offset = ~0u;
	enum sevm_ghcb_where where;

	where = sevm_ghcb_scratch_at(version, GHCB, gpa, len, &offset);
	tap_ok(where == want && (where != SEVM_GHCB_INSIDE || offset == want_offset),
	       "scratch, version %u: %s", version, what);
}

static void test_scratch(void)
{
	unsigned int v;

	for (v = 1; v <= 2; v++) {
		enum sevm_ghcb_where outside = v == 1 ? SEVM_GHCB_OUTSIDE :
							SEVM_GHCB_NOWHERE;

		scratch(v, GHCB + 0x800, 8, SEVM_GHCB_INSIDE, 0x800, "the buffer's start");
		scratch(v, GHCB + 0x800, 2032, SEVM_GHCB_INSIDE, 0x800, "all of the buffer");
		scratch(v, GHCB + 0x800, 2033, SEVM_GHCB_NOWHERE, 0, "a byte too much");
		scratch(v, GHCB + 0xfef, 1, SEVM_GHCB_INSIDE, 0xfef, "its last byte");
		scratch(v, GHCB + 0xff0, 1, SEVM_GHCB_NOWHERE, 0, "the byte behind it");
		scratch(v, GHCB + 0x7ff, 2, SEVM_GHCB_NOWHERE, 0, "the byte before it");
		scratch(v, GHCB, 8, SEVM_GHCB_NOWHERE, 0, "the page's start");
		scratch(v, GHCB + 0xfff, 2, SEVM_GHCB_NOWHERE, 0, "out of the page");
		scratch(v, 0, 8, SEVM_GHCB_NOWHERE, 0, "address 0");
		scratch(v, ~0ull, 8, SEVM_GHCB_NOWHERE, 0, "wraps around");
		scratch(v, GHCB + 0x800, ~0ull, SEVM_GHCB_NOWHERE, 0, "length wraps around");
		scratch(v, GHCB + 0x1000, 8, outside, 0, "the next page");
		scratch(v, GHCB - 1, 1, outside, 0, "the byte before the page");
		scratch(v, 0x100000, 0x10000, outside, 0, "64 KiB elsewhere");
		scratch(v, 0x100000, 0x10001, SEVM_GHCB_NOWHERE, 0, "more than that");
	}
}

static void test_ioio(void)
{
	static const struct {
		u64 info1;
		bool ok;
		u8 size;
		bool in, string;
	} cases[] = {
		{ 0x03f80010, true, 1, false, false },
		{ 0x03f80021, true, 2, true, false },
		{ 0x03f80041, true, 4, true, false },
		{ 0x03f8004d, true, 4, true, true },
		{ 0x03f80015, true, 1, true, true },
		{ 0x03f80000, true, 0, false, false },
		{ 0x03f80030, false, 3, false, false },
		{ 0x03f80060, false, 6, false, false },
		{ 0x03f80070, false, 7, false, false },
		{ 0xffffffff03f80091, true, 1, true, false },
	};
	struct sevm_ghcb_ioio io;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		bool ok = sevm_ghcb_ioio(cases[i].info1, &io);

		tap_ok(ok == cases[i].ok && io.size == cases[i].size &&
		       io.in == cases[i].in && io.string == cases[i].string &&
		       io.port == 0x3f8, "IOIO %#llx", cases[i].info1);
	}
}

static void test_msr(void)
{
	tap_eq(sevm_ghcb_msr_info(2, 51), 0x0002000133000001, "SEV info");
	tap_eq(sevm_ghcb_msr_info(1, 47), 0x000100012f000001, "SEV info, version 1");
	tap_eq(sevm_ghcb_msr_cpuid_leaf(0x8000001f40000004), 0x8000001f, "CPUID's leaf");
	tap_eq(sevm_ghcb_msr_cpuid_reg(0x8000001f40000004), 1, "CPUID's register");
	tap_eq(sevm_ghcb_msr_cpuid(0x8000001fc0000004, 0xdeadbeef),
	       0xdeadbeefc0000005, "CPUID's answer echoes the register");
	tap_eq(sevm_ghcb_msr_hold(false), 0x007, "hold: not by SIPI");
	tap_eq(sevm_ghcb_msr_hold(true), 0x1007, "hold: by SIPI");
	tap_eq(sevm_ghcb_msr_features(0), 0x081, "no features");
	tap_eq(sevm_ghcb_msr_features(3), 0x3081, "features");
	/* Set 1, code 0x23: INFO1 has the set in 3:0 and the code in 11:4. */
	tap_eq(sevm_ghcb_msr_terminate(0x231), 0x00231100, "a reason, reworded");
	tap_eq(sevm_ghcb_msr_terminate(0), 0x100, "reason 0");
	tap_eq(sevm_ghcb_msr_terminate(~0ull), 0x00fff100, "bits that mean nothing stay out");
	tap_eq(sevm_ghcb_event(13), 0x8000030d, "#GP");
	tap_eq(sevm_ghcb_event(6), 0x80000306, "#UD");
}

/* Whatever is in the page: no crash, and what comes out is what was put in. */
static void test_random(void)
{
	struct sevm_ghcb_request req;
	unsigned int round, i;
	bool ok = true;

	srand(1);
	for (round = 0; round < 2000 && ok; round++) {
		struct sevm_ghcb_reply reply = { };
		struct sevm_ghcb_ioio io;
		u32 offset = 0x800;

		for (i = 0; i < SEVM_GHCB_SIZE; i++)
			page[i] = rand();
		sevm_ghcb_decode(page, &req);
		sevm_ghcb_ioio(req.value[SEVM_GHCB_EXITINFO1], &io);
		if (sevm_ghcb_scratch_at(1 + round % 2, GHCB,
					 GHCB + rand() % 0x1100, rand() % 3000,
					 &offset) == SEVM_GHCB_INSIDE)
			ok = ok && offset >= 0x800 && offset < 0xff0;

		memcpy(reply.value, req.value, sizeof(reply.value));
		reply.set = req.valid;
		sevm_ghcb_encode(page, &reply);
		sevm_ghcb_decode(page, &req);
		ok = ok && req.valid == reply.set &&
		     !memcmp(req.value, reply.value, sizeof(req.value));
	}
	tap_ok(ok, "2000 random pages: encode and decode agree");
}

int main(void)
{
	/* Its own allocation, so that a sanitizer sees every byte beyond. */
	page = aligned_alloc(SEVM_GHCB_SIZE, SEVM_GHCB_SIZE);
	if (!page)
		return 1;
	test_layout();
	test_decode();
	test_encode();
	test_scratch();
	test_ioio();
	test_msr();
	test_random();
	free(page);
	return tap_done();
}
