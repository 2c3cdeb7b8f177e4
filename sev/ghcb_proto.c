// SPDX-License-Identifier: GPL-2.0-only
/*
 * ghcb_proto.c - the GHCB protocol as arithmetic.
 *
 * The only code that knows where a field is in the page. Its input is memory
 * that the guest may change at any moment, so each byte is read once, into a
 * private copy. No kernel services: selftests/unit and the fuzzers build it too.
 */
#include "ghcb_proto.h"

#ifdef __KERNEL__
#include <linux/compiler.h>
#include <linux/string.h>
#endif

#define VALID_BITMAP	0x3f0
#define USAGE		0xffc

/* Each field's offset. Its bit in the valid bitmap is the offset / 8. */
#define FIELDS(X)			\
	X(XSS, 0x140)			\
	X(RAX, 0x1f8)			\
	X(RCX, 0x308)			\
	X(RDX, 0x310)			\
	X(RBX, 0x318)			\
	X(RSI, 0x330)			\
	X(RDI, 0x338)			\
	X(EXITCODE, 0x390)		\
	X(EXITINFO1, 0x398)		\
	X(EXITINFO2, 0x3a0)		\
	X(SCRATCH, 0x3a8)		\
	X(XCR0, 0x3e8)
#define CPL_OFFSET	0x0cb		/* one byte */

#define WORD(offset)	((offset) / 8 / 64)
#define MASK(offset)	(1ull << ((offset) / 8 % 64))

u32 sevm_ghcb_offset(enum sevm_ghcb_field field)
{
#define OFFSET(name, offset)	[SEVM_GHCB_##name] = (offset),
	static const u16 offsets[SEVM_GHCB_FIELDS] = {
		FIELDS(OFFSET)
		OFFSET(CPL, CPL_OFFSET)
	};
#undef OFFSET

	return offsets[field];
}

/* Unrolled, here and below: this is half of what a request costs. */
void sevm_ghcb_decode(const void *page, struct sevm_ghcb_request *request)
{
	const u8 *bytes = page;
	u64 bitmap[2];
	u32 valid = 0;

	bitmap[0] = READ_ONCE(*(const u64 *)(bytes + VALID_BITMAP));
	bitmap[1] = READ_ONCE(*(const u64 *)(bytes + VALID_BITMAP + 8));
	request->usage = READ_ONCE(*(const u32 *)(bytes + USAGE));

#define TAKE(name, offset, type) do {					\
	u64 value = 0;							\
									\
	if (bitmap[WORD(offset)] & MASK(offset)) {			\
		value = READ_ONCE(*(const type *)(bytes + (offset)));	\
		valid |= SEVM_GHCB_BIT(name);				\
	}								\
	request->value[SEVM_GHCB_##name] = value;			\
} while (0);
#define TAKE_QUAD(name, offset)	TAKE(name, offset, u64)
	FIELDS(TAKE_QUAD)
	TAKE(CPL, CPL_OFFSET, u8)
#undef TAKE_QUAD
#undef TAKE
	request->valid = valid;
}

void sevm_ghcb_encode(void *page, const struct sevm_ghcb_reply *reply)
{
	u8 *bytes = page;
	u64 bitmap[2] = { };
	u32 set = reply->set;

#define PUT(name, offset, type)						\
	if (set & SEVM_GHCB_BIT(name)) {				\
		WRITE_ONCE(*(type *)(bytes + (offset)),			\
			   (type)reply->value[SEVM_GHCB_##name]);	\
		bitmap[WORD(offset)] |= MASK(offset);			\
	}
#define PUT_QUAD(name, offset)	PUT(name, offset, u64)
	FIELDS(PUT_QUAD)
	PUT(CPL, CPL_OFFSET, u8)
#undef PUT_QUAD
#undef PUT

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
