// SPDX-License-Identifier: GPL-2.0-only
/*
 * locore-vc.c - the 64-bit guest's full #VC handler, with nothing of the test
 * library's (guest/vc.c) but the layout of the page.
 *
 * A row for each #VC code says who decodes the instruction; decoding fills a
 * struct request; one place writes it to the GHCB, asks, and checks the answer.
 * RIP and registers change only when all went well. An event that user mode
 * must not cause is refused before anybody is asked. An answer that is none
 * ends the guest.
 */
#include "guest.h"
#include "locore.h"

#define IOIO_IN		(1 << 0)
#define IOIO_STRING	(1 << 2)
#define IOIO_REP	(1 << 3)
#define IOIO_SIZE_SHIFT	4
#define IOIO_A32	(1 << 8)
#define IOIO_A64	(1 << 9)
#define IOIO_SEG_SHIFT	10

#define RFLAGS_DF	(1 << 10)
#define CR4_OSXSAVE	(1 << 18)
#define FS_BASE_MSR	0xc0000100
#define GS_BASE_MSR	0xc0000101

/* The registers that travel, as bits: from the guest, and back to it. */
enum { RAX = 1, RBX = 2, RCX = 4, RDX = 8, XCR0 = 16, SCRATCH = 32, CPL = 64 };

struct request {
	u64 info1, info2;
	u32 give, take;
	bool wide;			/* give all 64 bits */
	u64 xcr0;
};

uint64_t locore_vcs, locore_last_vc;
bool locore_omit_xcr0, locore_omit_rax;	/* mistakes, to see them refused */

static union ghcb_page *const ghcb = (union ghcb_page *)LOCORE_GHCB;

static const struct {
	u32 bit;
	int field;
	size_t reg;
} travellers[] = {
	{ RAX, GHCB_RAX, offsetof(struct locore_frame, rax) },
	{ RBX, GHCB_RBX, offsetof(struct locore_frame, rbx) },
	{ RCX, GHCB_RCX, offsetof(struct locore_frame, rcx) },
	{ RDX, GHCB_RDX, offsetof(struct locore_frame, rdx) },
};

#define TRAVELLERS	(sizeof(travellers) / sizeof(travellers[0]))

static u64 *register_of(struct locore_frame *f, unsigned int i)
{
	return (u64 *)((char *)f + travellers[i].reg);
}

static void __attribute__((noreturn)) give_up(void)
{
	locore_terminate(TERMINATION(SET_GENERAL, GENERAL_REQUEST));
}

static void __attribute__((noreturn)) unexpected(struct locore_frame *f)
{
	locore_terminate(TERMINATION(SET_VC, f->error & 0xff));
}

/* Ask the host; the answer is in the page. VC_RAISE, with a vector, if it says so. */
static enum locore_verdict ask(struct locore_frame *f, const struct request *r, u64 *vector)
{
	u64 event;
	unsigned int i;

	for (i = 0; i < sizeof(ghcb->bitmap); i++)
		ghcb->bitmap[i] = 0;
	ghcb->version = locore_sev_info >> 48 > 2 ? 2 : locore_sev_info >> 48;
	ghcb->usage = 0;
	ghcb_set(ghcb, GHCB_EXITCODE, f->error);
	ghcb_set(ghcb, GHCB_INFO1, r->info1);
	ghcb_set(ghcb, GHCB_INFO2, r->info2);
	for (i = 0; i < TRAVELLERS; i++)
		if (r->give & travellers[i].bit)
			ghcb_set(ghcb, travellers[i].field,
				 r->wide ? *register_of(f, i) : (u32)*register_of(f, i));
	if (r->give & XCR0)
		ghcb_set(ghcb, GHCB_XCR0, r->xcr0);
	if (r->give & SCRATCH)
		ghcb_set(ghcb, GHCB_SCRATCH, LOCORE_GHCB + GHCB_BUFFER);
	if (r->give & CPL)
		ghcb_set(ghcb, GHCB_CPL, (f->cs & 3) << 24);	/* the byte at 0xCB */

	/* Each time: a request by the MSR protocol may have come in between. */
	wrmsr(GHCB_MSR, LOCORE_GHCB);
	vmgexit();

	if (!ghcb_valid(ghcb, GHCB_INFO1) || !ghcb_valid(ghcb, GHCB_INFO2))
		give_up();
	switch ((u32)ghcb->q[GHCB_INFO1]) {
	case 0:
		break;
	case 1:
		/* A valid exception, and one of the two that a host may ask for. */
		event = ghcb->q[GHCB_INFO2];
		*vector = event & 0xff;
		if ((event & 0x80000700) != 0x80000300 || (*vector != 6 && *vector != 13))
			give_up();
		return VC_RAISE;
	default:
		give_up();
	}
	for (i = 0; i < TRAVELLERS; i++)
		if (r->take & travellers[i].bit && !ghcb_valid(ghcb, travellers[i].field))
			give_up();
	return VC_DONE;
}

/* An event without more to it than registers of 32 bits. */
static enum locore_verdict ask_plain(struct locore_frame *f, const struct request *r,
				     unsigned int length, u64 *vector)
{
	enum locore_verdict verdict = ask(f, r, vector);
	unsigned int i;

	if (verdict != VC_DONE)
		return verdict;
	for (i = 0; i < TRAVELLERS; i++)
		if (r->take & travellers[i].bit)
			*register_of(f, i) = (u32)ghcb->q[travellers[i].field];
	f->rip += length;
	return VC_DONE;
}

static u64 current_xcr0(void)
{
	u32 lo, hi;
	u64 cr4;

	asm volatile("mov %%cr4, %0" : "=r"(cr4));
	if (!(cr4 & CR4_OSXSAVE))
		return 1;
	asm volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	return (u64)hi << 32 | lo;
}

static enum locore_verdict vc_cpuid(struct locore_frame *f, u64 *vector)
{
	struct request r = { .give = RAX | RCX, .take = RAX | RBX | RCX | RDX };

	/* What the host cannot know any more, and leaf 0xD depends on. */
	if ((u32)f->rax == 0xd && !locore_omit_xcr0) {
		r.give |= XCR0;
		r.xcr0 = current_xcr0();
	}
	return ask_plain(f, &r, 2, vector);
}

static enum locore_verdict vc_msr(struct locore_frame *f, u64 *vector)
{
	const u8 *p = (const u8 *)f->rip;
	struct request r = { .give = RCX, .take = RAX | RDX };

	if (p[0] != 0x0f || (p[1] != 0x30 && p[1] != 0x32))
		unexpected(f);
	if (p[1] == 0x30) {
		r.info1 = 1;
		r.give = (locore_omit_rax ? 0 : RAX) | RCX | RDX;
		r.take = 0;
	}
	return ask_plain(f, &r, 2, vector);
}

static enum locore_verdict vc_vmmcall(struct locore_frame *f, u64 *vector)
{
	static const struct request r = {
		.give = RAX | RBX | RCX | RDX | CPL, .take = RAX, .wide = true,
	};
	enum locore_verdict verdict = ask(f, &r, vector);

	if (verdict == VC_DONE) {
		f->rax = ghcb->q[GHCB_RAX];	/* all 64 bits */
		f->rip += 3;
	}
	return verdict;
}

/* ---- Ports ---- */

struct ioio {
	u8 size, address_size, length;
	bool in, string, rep;
	u8 segment;			/* as in a VMCB: 0 ES, 3 DS */
	u64 segment_base;
	u16 port;
};

/* Prefixes, opcode, and what either says. False: no IN or OUT that we know. */
static bool decode_ioio(struct locore_frame *f, struct ioio *io)
{
	const u8 *rip = (const u8 *)f->rip, *p = rip;
	bool word = false, more = true;
	u8 op;

	*io = (struct ioio){ .address_size = 8, .segment = 3, .port = f->rdx };
	while (more) {
		switch (*p) {
		case 0x66:
			word = true;
			break;
		case 0x67:
			io->address_size = 4;
			break;
		case 0xf3:
			io->rep = true;
			break;
		case 0x26: case 0x2e: case 0x36: case 0x3e:
			break;			/* no base in 64-bit mode */
		case 0x64:
			io->segment = 4;
			io->segment_base = rdmsr(FS_BASE_MSR);
			break;
		case 0x65:
			io->segment = 5;
			io->segment_base = rdmsr(GS_BASE_MSR);
			break;
		default:
			more = false;
			continue;
		}
		p++;
	}
	/* REX: no register to extend, and no I/O has 64 bits. */
	if ((*p & 0xf0) == 0x40)
		p++;
	op = *p++;
	io->size = !(op & 1) ? 1 : word ? 2 : 4;
	switch (op & 0xfe) {
	case 0xe4:
	case 0xe6:
		io->port = *p++;
		io->in = !(op & 2);
		break;
	case 0xec:
	case 0xee:
		io->in = !(op & 2);
		break;
	case 0x6c:
	case 0x6e:
		io->string = true;
		io->in = !(op & 2);
		break;
	default:
		return false;
	}
	io->length = p - rip;
	return true;
}

static u64 ioio_info1(const struct ioio *io)
{
	u64 info = (u64)io->port << 16 | (u64)io->size << IOIO_SIZE_SHIFT;

	info |= io->address_size == 4 ? IOIO_A32 : IOIO_A64;
	if (io->in)
		info |= IOIO_IN;
	if (io->string) {
		info |= IOIO_STRING | (u64)(io->in ? 0 : io->segment) << IOIO_SEG_SHIFT;
		if (io->rep)
			info |= IOIO_REP;
	}
	return info;
}

static u64 low(u64 value, unsigned int bytes)
{
	return bytes == 8 ? value : value & ((1ULL << bytes * 8) - 1);
}

static enum locore_verdict port_io(struct locore_frame *f, struct ioio *io, u64 *vector)
{
	struct request r = { .info1 = ioio_info1(io) };
	u64 rax = f->rax;
	enum locore_verdict verdict;

	if (io->in)
		r.take = RAX;
	else
		r.give = RAX;
	/* No more than what the instruction says leaves the guest. */
	f->rax = low(rax, io->size);
	verdict = ask(f, &r, vector);
	f->rax = rax;
	if (verdict != VC_DONE)
		return verdict;
	if (io->in && io->size == 4)
		f->rax = (u32)ghcb->q[GHCB_RAX];
	else if (io->in)
		f->rax = rax - low(rax, io->size) + low(ghcb->q[GHCB_RAX], io->size);
	f->rip += io->length;
	return VC_DONE;
}

/* In pieces of what the shared buffer holds; registers are right after each. */
static enum locore_verdict string_io(struct locore_frame *f, struct ioio *io, u64 *vector)
{
	u64 left = io->rep ? low(f->rcx, io->address_size) : 1;
	long step = f->rflags & RFLAGS_DF ? -(long)io->size : (long)io->size;
	u64 *index = io->in ? &f->rdi : &f->rsi;
	u64 at = low(*index, io->address_size);
	u64 base = io->in ? 0 : io->segment_base;

	while (left) {
		u64 most = GHCB_BUFFER_SIZE / io->size, n = left < most ? left : most, i, b;
		struct request r = {
			.info1 = ioio_info1(io), .info2 = n, .give = SCRATCH,
		};
		enum locore_verdict verdict;

		for (i = 0; !io->in && i < n * io->size; i++)
			ghcb->buffer[i] = *(u8 *)(base + at + (long)(i / io->size) * step +
						  i % io->size);
		verdict = ask(f, &r, vector);
		if (verdict != VC_DONE)
			return verdict;
		for (i = 0; io->in && i < n; i++)
			for (b = 0; b < io->size; b++)
				*(u8 *)(at + (long)i * step + b) = ghcb->buffer[i * io->size + b];
		at = low(at + (long)n * step, io->address_size);
		*index = at;
		left -= n;
		if (io->rep)
			f->rcx = left;
	}
	f->rip += io->length;
	return VC_DONE;
}

static enum locore_verdict vc_ioio(struct locore_frame *f, u64 *vector)
{
	struct ioio io;

	if (!decode_ioio(f, &io))
		unexpected(f);
	return io.string ? string_io(f, &io, vector) : port_io(f, &io, vector);
}

/* ---- The table ---- */

static const struct {
	u64 code;
	bool user;			/* may user mode cause it? */
	enum locore_verdict (*handle)(struct locore_frame *f, u64 *vector);
} events[] = {
	{ 0x72, true, vc_cpuid },
	{ 0x7b, false, vc_ioio },
	{ 0x7c, false, vc_msr },
	{ 0x81, true, vc_vmmcall },	/* with its CPL: the host decides */
};

enum locore_verdict locore_vc(struct locore_frame *frame, uint64_t *vector)
{
	unsigned int i;

	locore_vcs++;
	locore_last_vc = frame->error;
	for (i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
		if (events[i].code != frame->error)
			continue;
		if (frame->cs & 3 && !events[i].user)
			return VC_REFUSED;
		return events[i].handle(frame, vector);
	}
	unexpected(frame);
}
