/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ghcb_proto.h - the GHCB protocol as arithmetic: the page's layout, the MSR
 * protocol, the words in SW_EXITINFO1 and 2.
 *
 * Pure, built for userspace too. Nothing here knows a vCPU.
 */
#ifndef SEVM_SEV_GHCB_PROTO_H
#define SEVM_SEV_GHCB_PROTO_H

#include <linux/bits.h>
#include <linux/types.h>

#define SEVM_GHCB_MIN		1	/* protocol versions we speak */
#define SEVM_GHCB_MAX		2

/* The page */
#define SEVM_GHCB_SIZE		0x1000u
#define SEVM_GHCB_BUFFER	0x800u	/* the shared buffer ... */
#define SEVM_GHCB_BUFFER_END	0xff0u	/* ... and its end */
#define SEVM_GHCB_BUFFER_SIZE	(SEVM_GHCB_BUFFER_END - SEVM_GHCB_BUFFER)

/* Scratch outside the GHCB, which version 1 allows: as much as KVM takes. */
#define SEVM_GHCB_SCRATCH_MAX	0x10000u

/* The fields that have a valid bit and that a host reads or writes. */
enum sevm_ghcb_field {
	SEVM_GHCB_CPL,
	SEVM_GHCB_XSS,
	SEVM_GHCB_RAX,
	SEVM_GHCB_RCX,
	SEVM_GHCB_RDX,
	SEVM_GHCB_RBX,
	SEVM_GHCB_RSI,
	SEVM_GHCB_RDI,
	SEVM_GHCB_EXITCODE,
	SEVM_GHCB_EXITINFO1,
	SEVM_GHCB_EXITINFO2,
	SEVM_GHCB_SCRATCH,
	SEVM_GHCB_XCR0,
	SEVM_GHCB_FIELDS,
};

#define SEVM_GHCB_BIT(field)	(1u << SEVM_GHCB_##field)

/* Where a field is in the page; its bit in the valid bitmap is this / 8. */
u32 sevm_ghcb_offset(enum sevm_ghcb_field field);

/* A private copy, each field read once. A field whose bit is clear reads 0. */
struct sevm_ghcb_request {
	u64 value[SEVM_GHCB_FIELDS];
	u32 valid;			/* SEVM_GHCB_BIT()s */
	u32 usage;
};

/* What goes back: the fields in @set, each with its valid bit. */
struct sevm_ghcb_reply {
	u64 value[SEVM_GHCB_FIELDS];
	u32 set;
};

/* One pass over hostile memory: everything that is ever looked at. */
void sevm_ghcb_decode(const void *page, struct sevm_ghcb_request *request);
/* Fields first, then the bitmap, which then says exactly reply->set. */
void sevm_ghcb_encode(void *page, const struct sevm_ghcb_reply *reply);

/* SW_EXITINFO1 of a reply, low half */
#define SEVM_GHCB_OK		0
#define SEVM_GHCB_EVENT		1	/* INFO2: an event to raise */
#define SEVM_GHCB_MALFORMED	2	/* INFO2: SEVM_GHCB_ERR_* */

#define SEVM_GHCB_ERR_UNREGISTERED	1
#define SEVM_GHCB_ERR_USAGE		2
#define SEVM_GHCB_ERR_SCRATCH		3
#define SEVM_GHCB_ERR_MISSING		4
#define SEVM_GHCB_ERR_INPUT		5
#define SEVM_GHCB_ERR_EVENT		6

/* An exception without error code, as INFO2 carries it. Guests take 6 and 13. */
static inline u64 sevm_ghcb_event(u8 vector)
{
	return (1ull << 31) | (3ull << 8) | vector;
}

/*
 * Where the @len bytes at @gpa are, which the guest names as its scratch area:
 * inside the shared buffer of the GHCB at @ghcb (*offset: from the page's
 * start), elsewhere in guest memory (version 1 only), or nowhere that counts.
 */
enum sevm_ghcb_where {
	SEVM_GHCB_INSIDE,
	SEVM_GHCB_OUTSIDE,
	SEVM_GHCB_NOWHERE,
};

enum sevm_ghcb_where sevm_ghcb_scratch_at(unsigned int version, u64 ghcb,
					  u64 gpa, u64 len, u32 *offset);

/* SW_EXITINFO1 of an IOIO event */
struct sevm_ghcb_ioio {
	u16 port;
	u8 size;			/* of one element; 0: nothing to do */
	bool in;
	bool string;
};

/* False: a size other than 0, 1, 2, 4. */
bool sevm_ghcb_ioio(u64 info1, struct sevm_ghcb_ioio *io);

/* The MSR protocol: bits 11:0 say what the rest is */
#define SEVM_GHCB_MSR_CODE		0xfffull
#define SEVM_GHCB_MSR_INFO_RESP		0x001
#define SEVM_GHCB_MSR_INFO_REQ		0x002
#define SEVM_GHCB_MSR_CPUID_REQ		0x004
#define SEVM_GHCB_MSR_CPUID_RESP	0x005
#define SEVM_GHCB_MSR_HOLD_REQ		0x006
#define SEVM_GHCB_MSR_HOLD_RESP		0x007
#define SEVM_GHCB_MSR_FEATURES_REQ	0x080
#define SEVM_GHCB_MSR_FEATURES_RESP	0x081
#define SEVM_GHCB_MSR_TERMINATE		0x100

static inline u64 sevm_ghcb_msr_info(unsigned int max, unsigned int cbit)
{
	return ((u64)max << 48) | ((u64)SEVM_GHCB_MIN << 32) |
	       ((u64)(cbit & 0xff) << 24) | SEVM_GHCB_MSR_INFO_RESP;
}

static inline u32 sevm_ghcb_msr_cpuid_leaf(u64 msr)
{
	return msr >> 32;
}

/* 0 EAX, 1 EBX, 2 ECX, 3 EDX */
static inline unsigned int sevm_ghcb_msr_cpuid_reg(u64 msr)
{
	return msr >> 30 & 3;
}

static inline u64 sevm_ghcb_msr_cpuid(u64 request, u32 value)
{
	return ((u64)value << 32) | (request & (3ull << 30)) |
	       SEVM_GHCB_MSR_CPUID_RESP;
}

/* Woken by SIPI: any data but 0. */
static inline u64 sevm_ghcb_msr_hold(bool sipi)
{
	return ((u64)sipi << 12) | SEVM_GHCB_MSR_HOLD_RESP;
}

static inline u64 sevm_ghcb_msr_features(u64 features)
{
	return (features << 12) | SEVM_GHCB_MSR_FEATURES_RESP;
}

/* The reason of a termination event (INFO1) as the MSR protocol words it. */
static inline u64 sevm_ghcb_msr_terminate(u64 info1)
{
	return ((info1 & 0xff0) << 12) | ((info1 & 0xf) << 12) |
	       SEVM_GHCB_MSR_TERMINATE;
}

#endif /* SEVM_SEV_GHCB_PROTO_H */
