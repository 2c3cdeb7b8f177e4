// SPDX-License-Identifier: GPL-2.0-only
/*
 * ghcb_proto.c - the GHCB protocol as arithmetic.
 *
 * Where each field is in the page (ghcb.c compares it with struct ghcb). Its input
 * is memory that the guest may change at any moment, so each byte is read once,
 * into a private copy. No kernel services: selftests/unit builds it too.
 */
#include <linux/compiler.h>
#include <linux/string.h>

#include "ghcb_proto.h"

#define VALID_BITMAP	0x3f0
#define USAGE		0xffc

static const u16 offsets[SEVM_GHCB_FIELDS] = {
	[SEVM_GHCB_CPL]		= 0x0cb,	/* one byte */
	[SEVM_GHCB_XSS]		= 0x140,
	[SEVM_GHCB_RAX]		= 0x1f8,
	[SEVM_GHCB_RCX]		= 0x308,
	[SEVM_GHCB_RDX]		= 0x310,
	[SEVM_GHCB_RBX]		= 0x318,
	[SEVM_GHCB_RSI]		= 0x330,
	[SEVM_GHCB_RDI]		= 0x338,
	[SEVM_GHCB_EXITCODE]	= 0x390,
	[SEVM_GHCB_EXITINFO1]	= 0x398,
	[SEVM_GHCB_EXITINFO2]	= 0x3a0,
	[SEVM_GHCB_SCRATCH]	= 0x3a8,
	[SEVM_GHCB_XCR0]	= 0x3e8,
};

u32 sevm_ghcb_offset(enum sevm_ghcb_field field)
{
	return offsets[field];
}

static bool is_valid(const u64 *bitmap, unsigned int field)
{
	unsigned int bit = offsets[field] / 8;

	return bitmap[bit / 64] >> (bit % 64) & 1;
}

void sevm_ghcb_decode(const void *page, struct sevm_ghcb_request *request)
{
	const u8 *bytes = page;
	u64 bitmap[2];
	unsigned int i;

	bitmap[0] = READ_ONCE(*(const u64 *)(bytes + VALID_BITMAP));
	bitmap[1] = READ_ONCE(*(const u64 *)(bytes + VALID_BITMAP + 8));

	memset(request, 0, sizeof(*request));
	request->usage = READ_ONCE(*(const u32 *)(bytes + USAGE));

	/* A few instructions for each field instead of twenty: it is for every request. */
#pragma GCC unroll 16
	for (i = 0; i < SEVM_GHCB_FIELDS; i++) {
		if (!is_valid(bitmap, i))
			continue;
		request->valid |= 1u << i;
		if (i == SEVM_GHCB_CPL)
			request->value[i] = READ_ONCE(bytes[offsets[i]]);
		else
			request->value[i] = READ_ONCE(*(const u64 *)(bytes + offsets[i]));
	}
}

void sevm_ghcb_encode(void *page, const struct sevm_ghcb_reply *reply)
{
	u8 *bytes = page;
	u64 bitmap[2] = { };
	unsigned int i;

#pragma GCC unroll 16
	for (i = 0; i < SEVM_GHCB_FIELDS; i++) {
		unsigned int bit = offsets[i] / 8;

		if (!(reply->set & (1u << i)))
			continue;
		bitmap[bit / 64] |= 1ull << (bit % 64);
		if (i == SEVM_GHCB_CPL)
			WRITE_ONCE(bytes[offsets[i]], (u8)reply->value[i]);
		else
			WRITE_ONCE(*(u64 *)(bytes + offsets[i]), reply->value[i]);
	}

	WRITE_ONCE(*(u64 *)(bytes + VALID_BITMAP), bitmap[0]);
	WRITE_ONCE(*(u64 *)(bytes + VALID_BITMAP + 8), bitmap[1]);
}

enum sevm_ghcb_where sevm_ghcb_scratch_at(unsigned int version, u64 ghcb,
					  u64 gpa, u64 len, u32 *offset)
{
	u64 end = gpa + len;

	if (!gpa || end < gpa)
		return SEVM_GHCB_NOWHERE;

	if (gpa - ghcb < SEVM_GHCB_SIZE) {
		if (gpa < ghcb + SEVM_GHCB_BUFFER ||
		    end > ghcb + SEVM_GHCB_BUFFER_END)
			return SEVM_GHCB_NOWHERE;
		*offset = gpa - ghcb;
		return SEVM_GHCB_INSIDE;
	}

	if (version >= 2 || len > SEVM_GHCB_SCRATCH_MAX)
		return SEVM_GHCB_NOWHERE;
	return SEVM_GHCB_OUTSIDE;
}

bool sevm_ghcb_ioio(u64 info1, struct sevm_ghcb_ioio *io)
{
	unsigned int size = (info1 >> 4) & 7;

	io->in = info1 & 1;
	io->string = info1 >> 2 & 1;
	io->size = size;
	io->port = info1 >> 16;
	return size == 0 || size == 1 || size == 2 || size == 4;
}
