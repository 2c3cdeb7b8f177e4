// SPDX-License-Identifier: GPL-2.0-only
/*
 * vc.c - the test guest's #VC handler: decodes what raised it, asks through
 * the GHCB, puts the answer back.
 *
 * It answers what a test guest uses. An instruction it doesn't know, or an
 * error from the host, is left to guest_trap(), which fails the test or ends
 * its guest_try().
 */
#include <string.h>

#include "guest.h"

#define fallthrough __attribute__((fallthrough))

struct insn {
	const u8 *p;		/* after the prefixes */
	u8 length;		/* filled by whoever decodes on */
	u8 prefixes;
	bool opsize16, rep, rexw;
	u8 rex;
};

static struct insn decode(const u8 *rip)
{
	struct insn i = { .p = rip };

	for (;; i.p++) {
		if (*i.p == 0x66)
			i.opsize16 = true;
		else if (*i.p == 0xf2 || *i.p == 0xf3)
			i.rep = true;
		else
			break;
	}
	if ((*i.p & 0xf0) == 0x40) {
		i.rex = *i.p++;
		i.rexw = i.rex & 8;
	}
	i.prefixes = i.p - rip;
	return i;
}

static u64 *reg(struct guest_regs *r, unsigned int n)
{
	u64 *regs[16] = {
		&r->rax, &r->rcx, &r->rdx, &r->rbx, &r->rsp, &r->rbp,
		&r->rsi, &r->rdi, &r->r8, &r->r9, &r->r10, &r->r11,
		&r->r12, &r->r13, &r->r14, &r->r15,
	};

	return regs[n & 15];
}

/* The exception that the host asked to raise becomes this one. */
static bool exit_and_check(union ghcb_page *g, struct guest_regs *r)
{
	vmgexit();
	if (!(u32)g->q[GHCB_INFO1])
		return true;
	if ((u32)g->q[GHCB_INFO1] == 1 && ghcb_valid(g, GHCB_INFO2)) {
		r->vector = g->q[GHCB_INFO2] & 0xff;
		r->error = g->q[GHCB_INFO2] >> 32;
	}
	return false;
}

static bool vc_cpuid(union ghcb_page *g, struct guest_regs *r)
{
	ghcb_set(g, GHCB_RAX, (u32)r->rax);
	ghcb_set(g, GHCB_RCX, (u32)r->rcx);
	ghcb_set(g, GHCB_XCR0, 1);
	if ((u32)r->rax == 0xd) {
		u32 lo, hi;
		u64 cr4;

		asm volatile("mov %%cr4, %0" : "=r"(cr4));
		if (cr4 & 1 << 18) {
			asm volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
			ghcb_set(g, GHCB_XCR0, (u64)hi << 32 | lo);
		}
	}
	if (!exit_and_check(g, r))
		return false;
	if (!ghcb_valid(g, GHCB_RAX) || !ghcb_valid(g, GHCB_RBX) ||
	    !ghcb_valid(g, GHCB_RCX) || !ghcb_valid(g, GHCB_RDX))
		return false;
	r->rax = (u32)g->q[GHCB_RAX];
	r->rbx = (u32)g->q[GHCB_RBX];
	r->rcx = (u32)g->q[GHCB_RCX];
	r->rdx = (u32)g->q[GHCB_RDX];
	r->rip += 2;
	return true;
}

static bool vc_msr(union ghcb_page *g, struct guest_regs *r)
{
	bool write = ((const u8 *)r->rip)[1] == 0x30;

	g->q[GHCB_INFO1] = write;
	ghcb_set(g, GHCB_RCX, (u32)r->rcx);
	if (write) {
		ghcb_set(g, GHCB_RAX, (u32)r->rax);
		ghcb_set(g, GHCB_RDX, (u32)r->rdx);
	}
	if (!exit_and_check(g, r))
		return false;
	if (!write) {
		if (!ghcb_valid(g, GHCB_RAX) || !ghcb_valid(g, GHCB_RDX))
			return false;
		r->rax = (u32)g->q[GHCB_RAX];
		r->rdx = (u32)g->q[GHCB_RDX];
	}
	r->rip += 2;
	return true;
}

/* A string of count elements through the shared buffer, in pieces. */
static bool vc_string(union ghcb_page *g, struct guest_regs *r, struct insn *i,
		      u64 info, unsigned int size, bool in)
{
	u64 count = i->rep ? r->rcx : 1;
	long step = r->rflags & 0x400 ? -(long)size : (long)size;

	while (count) {
		u64 n = count < GHCB_BUFFER_SIZE / size ? count : GHCB_BUFFER_SIZE / size, k;
		unsigned int b;

		ghcb_begin(g, 0x7b, info, n);
		ghcb_set(g, GHCB_SCRATCH, (u64)g + GHCB_BUFFER);
		for (k = 0; !in && k < n; k++, r->rsi += step)
			for (b = 0; b < size; b++)
				g->buffer[k * size + b] = ((u8 *)r->rsi)[b];
		if (!exit_and_check(g, r))
			return false;
		for (k = 0; in && k < n; k++, r->rdi += step)
			for (b = 0; b < size; b++)
				((u8 *)r->rdi)[b] = g->buffer[k * size + b];
		count -= n;
		if (i->rep)
			r->rcx -= n;
	}
	return true;
}

static bool vc_ioio(union ghcb_page *g, struct guest_regs *r)
{
	struct insn i = decode((const u8 *)r->rip);
	u8 op = *i.p;
	bool wide = op & 1, in, string = false;
	unsigned int size = wide ? (i.opsize16 ? 2 : 4) : 1;
	u16 port = r->rdx;
	u64 info, mask = size == 4 ? 0xffffffff : (1ULL << size * 8) - 1;

	i.length = i.prefixes + 1;
	switch (op) {
	case 0xe4: case 0xe5: case 0xe6: case 0xe7:
		in = op < 0xe6;
		port = i.p[1];
		i.length++;
		break;
	case 0xec: case 0xed: case 0xee: case 0xef:
		in = op < 0xee;
		break;
	case 0x6c: case 0x6d: case 0x6e: case 0x6f:
		in = op < 0x6e;
		string = true;
		break;
	default:
		return false;
	}
	info = (u64)port << 16 | in | string << 2 | i.rep << 3 | size << 4 | 1 << 9;
	if (string) {
		if (!vc_string(g, r, &i, info, size, in))
			return false;
	} else {
		ghcb_begin(g, 0x7b, info, 0);
		ghcb_set(g, GHCB_RAX, in ? 0 : r->rax & mask);
		if (!exit_and_check(g, r))
			return false;
		if (in) {
			if (!ghcb_valid(g, GHCB_RAX))
				return false;
			if (size == 4)
				r->rax = (u32)g->q[GHCB_RAX];
			else
				r->rax = (r->rax & ~mask) | (g->q[GHCB_RAX] & mask);
		}
	}
	r->rip += i.length;
	return true;
}

static bool vc_tsc(union ghcb_page *g, struct guest_regs *r, bool p)
{
	if (!exit_and_check(g, r))
		return false;
	r->rax = (u32)g->q[GHCB_RAX];
	r->rdx = (u32)g->q[GHCB_RDX];
	if (p)
		r->rcx = (u32)g->q[GHCB_RCX];
	r->rip += p ? 3 : 2;
	return true;
}

static bool vc_vmmcall(union ghcb_page *g, struct guest_regs *r)
{
	ghcb_set(g, GHCB_RAX, r->rax);
	ghcb_set(g, GHCB_CPL, (r->cs & 3) << 24);	/* the byte at 0xCB */
	ghcb_set(g, GHCB_RBX, r->rbx);
	ghcb_set(g, GHCB_RCX, r->rcx);
	ghcb_set(g, GHCB_RDX, r->rdx);
	ghcb_set(g, GHCB_RSI, r->rsi);
	ghcb_set(g, GHCB_RDI, r->rdi);
	if (!exit_and_check(g, r) || !ghcb_valid(g, GHCB_RAX))
		return false;
	r->rax = g->q[GHCB_RAX];
	r->rip += 3;
	return true;
}

/* Effective address of the ModRM operand at p; *length: of ModRM, SIB, displacement. */
static u64 address(struct guest_regs *r, struct insn *i, const u8 *p, int *length,
		   u64 next_rip_base, int immediate)
{
	u8 modrm = *p, mod = modrm >> 6, rm = modrm & 7;
	int n = 1;
	u64 ea = 0;

	if (rm == 5 && !mod) {		/* RIP-relative */
		*length = n + 4;
		return next_rip_base + *length + immediate + *(const int *)(p + n);
	}
	if (rm == 4) {
		u8 sib = p[n++];
		u8 base = sib & 7, index = (sib >> 3 & 7) | (i->rex & 2) << 2;

		if (base != 5 || mod)
			ea = *reg(r, base | (i->rex & 1) << 3);
		else
			mod = 4;	/* disp32, no base */
		if (index != 4)
			ea += *reg(r, index) << (sib >> 6);
	} else {
		ea = *reg(r, rm | (i->rex & 1) << 3);
	}
	if (mod == 1) {
		ea += (long)*(const signed char *)(p + n++);
	} else if (mod == 2 || mod == 4) {
		ea += (long)*(const int *)(p + n);
		n += 4;
	}
	*length = n;
	return ea;
}

static bool mmio(union ghcb_page *g, struct guest_regs *r, u64 gpa, void *data,
		 unsigned int size, bool write)
{
	volatile u8 *p = data;
	unsigned int k;

	ghcb_begin(g, write ? 0x80000002 : 0x80000001, gpa, size);
	ghcb_set(g, GHCB_SCRATCH, (u64)g + GHCB_BUFFER);
	for (k = 0; write && k < size; k++)
		g->buffer[k] = p[k];
	if (!exit_and_check(g, r))
		return false;
	for (k = 0; !write && k < size; k++)
		p[k] = g->buffer[k];
	return true;
}

/* MOV to and from memory, with an immediate, zero- and sign-extending. */
static bool vc_mmio(union ghcb_page *g, struct guest_regs *r)
{
	struct insn i = decode((const u8 *)r->rip);
	const u8 *op = i.p;
	bool two = *op == 0x0f, write = false, imm = false, sign = false, extend = false;
	unsigned int size = i.opsize16 ? 2 : i.rexw ? 8 : 4;
	int length, skip = two ? 2 : 1, immediate = 0;
	u64 ea, value = 0, *dst;

	/* MOV of RAX and an absolute address has no ModRM. */
	if ((*op & 0xfc) == 0xa0) {
		if (!(*op & 1))
			size = 1;
		write = *op & 2;
		value = r->rax;
		if (!mmio(g, r, *(const u64 *)(op + 1), &value, size, write))
			return false;
		if (!write && size >= 4)
			r->rax = value;
		else if (!write)
			r->rax = (r->rax & ~((1ULL << size * 8) - 1)) | value;
		r->rip = (u64)op + 9;
		return true;
	}
	switch (two ? 0xf00 | op[1] : *op) {
	case 0x88:
		size = 1;
		fallthrough;
	case 0x89:
		write = true;
		break;
	case 0x8a:
		size = 1;
		break;
	case 0x8b:
		break;
	case 0xc6:
		size = 1;
		immediate = 1;
		write = true;
		imm = true;
		break;
	case 0xc7:
		immediate = size == 2 ? 2 : 4;
		write = true;
		imm = true;
		break;
	case 0xfb6:
	case 0xfbe:
		size = 1;
		extend = true;
		sign = op[1] == 0xbe;
		break;
	case 0xfb7:
	case 0xfbf:
		size = 2;
		extend = true;
		sign = op[1] == 0xbf;
		break;
	default:
		return false;
	}
	if (op[skip] >> 6 == 3)
		return false;
	ea = address(r, &i, op + skip, &length, (u64)(op + skip), immediate);
	dst = reg(r, (op[skip] >> 3 & 7) | (i.rex & 4) << 1);
	if (write) {
		if (!imm)
			value = *dst;
		else if (immediate == 1)
			value = op[skip + length];
		else if (immediate == 2)
			value = *(const u16 *)(op + skip + length);
		else
			value = (long)*(const int *)(op + skip + length);
	}
	/* AH, CH, DH, BH without REX: not used by test guests */
	if (!mmio(g, r, ea, &value, size, write))
		return false;
	if (!write) {
		if (sign)
			value = size == 1 ? (u64)(long)(signed char)value : (u64)(long)(short)value;
		if (size >= 4 || extend)
			*dst = i.rexw ? value : (u32)value;
		else
			*dst = (*dst & ~((1ULL << size * 8) - 1)) |
			       (value & ((1ULL << size * 8) - 1));
	}
	r->rip = (u64)op + skip + length + immediate;
	return true;
}

static bool vc_dr7(union ghcb_page *g, struct guest_regs *r)
{
	const u8 *p = (const u8 *)r->rip;
	u8 rex = 0;

	if ((*p & 0xf0) == 0x40)
		rex = *p++;
	if (p[1] == 0x23) {
		g->q[GHCB_INFO1] = 0;
		ghcb_set(g, GHCB_RAX, *reg(r, (p[2] & 7) | (rex & 1) << 3));
		if (!exit_and_check(g, r))
			return false;
	} else {
		*reg(r, (p[2] & 7) | (rex & 1) << 3) = 0x400;
	}
	r->rip = (u64)p + 3;
	return true;
}

static bool answer(union ghcb_page *g, struct guest_regs *r)
{
	ghcb_begin(g, r->error, 0, 0);
	switch (r->error) {
	case 0x27:
	case 0x37:
		return vc_dr7(g, r);
	case 0x6e:
		return vc_tsc(g, r, false);
	case 0x87:
		return vc_tsc(g, r, true);
	case 0x72:
		return vc_cpuid(g, r);
	case 0x7b:
		return vc_ioio(g, r);
	case 0x7c:
		return vc_msr(g, r);
	case 0x81:
		return vc_vmmcall(g, r);
	case 0x76:
	case 0x89:
		if (!exit_and_check(g, r))
			return false;
		r->rip += 2;
		return true;
	case 0x8a:
	case 0x8b:
		ghcb_set(g, GHCB_RAX, r->rax);
		ghcb_set(g, GHCB_RCX, r->rcx);
		if (r->error == 0x8a)
			ghcb_set(g, GHCB_RDX, r->rdx);
		if (!exit_and_check(g, r))
			return false;
		r->rip += 3;
		return true;
	case 0x400:
		return vc_mmio(g, r);
	default:
		return false;
	}
}

bool guest_vc(struct guest_regs *regs)
{
	static union ghcb_page backup[GUEST_MAX_VCPUS];
	struct guest_cpu *cpu = guest_cpu();
	bool nested = cpu->ghcb_busy, handled;
	union ghcb_page *g;
	u64 vector = regs->vector;

	cpu->vc_count++;
	cpu->last_vc = regs->error;
	ghcb_register();
	g = guest_ghcb();
	/* An NMI may come while the page is in use. */
	if (nested)
		memcpy(&backup[cpu->index], (void *)g, sizeof(*g));
	cpu->ghcb_busy = true;
	handled = answer(g, regs);
	if (nested)
		memcpy((void *)g, &backup[cpu->index], sizeof(*g));
	cpu->ghcb_busy = nested;
	return handled && regs->vector == vector;
}
