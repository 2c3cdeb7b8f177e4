// SPDX-License-Identifier: GPL-2.0-only
/*
 * mmio_fault-emulate.c - what an instruction does to memory that is a device.
 *
 * Decodes as far as the memory operand, by the table below. The CPU itself does
 * the rest: the instruction runs again, with its operand in a buffer. What goes
 * from the device to the buffer and back is the caller's (struct mmio_memory).
 * A SEV-ES guest's #VC handler uses it, and so does a VMM that was asked for
 * assistance by a plain guest.
 *
 * Not known: segment overrides that mean something (FS, GS), vector and x87
 * instructions, PUSH, POP and jumps through memory. Nothing is done halfway: a
 * write that would be refused is found out before anything is read.
 */
#include <string.h>

#include "guest.h"
#include "mmio_fault.h"

#define REX_W		8
#define REX_R		4
#define REX_X		2
#define REX_B		1
#define RFLAGS_ZF	0x40
#define ANY		-1	/* ModRM.reg is a register */
#define EACH		-2	/* ModRM.reg is part of the opcode, and all are the same to us */

enum { READ = 1, WRITE = 2, MODIFY = READ | WRITE };
enum form { MODRM, BIT_STRING, ABSOLUTE, STRING };
/* STRING: */
enum { FROM_SI = 4, TWO_ENDS = 8 };
enum size { BYTE = 1, WORD = 2, DWORD = 4, QWORD = 8, OPERAND = 0 };
enum immediate { NONE, IMM8, IMM };

struct row {
	u16 mask, opcode;		/* 0x0f..: two bytes */
	int reg;			/* of ModRM, as part of the opcode; or: */
	u8 access, size, immediate, form;
};

static const struct row rows[] = {
	{ 0xffff, 0x38, ANY, READ, BYTE, NONE, MODRM },		/* cmp %r8, m */
	{ 0xffff, 0x39, ANY, READ, OPERAND, NONE, MODRM },
	{ 0xffc7, 0x00, ANY, MODIFY, BYTE, NONE, MODRM },	/* add, or, adc, ... %r, m */
	{ 0xffc7, 0x01, ANY, MODIFY, OPERAND, NONE, MODRM },
	{ 0xffc7, 0x02, ANY, READ, BYTE, NONE, MODRM },		/* add, or, adc, ... m, %r */
	{ 0xffc7, 0x03, ANY, READ, OPERAND, NONE, MODRM },
	{ 0xffff, 0x63, ANY, READ, DWORD, NONE, MODRM },	/* movslq */
	{ 0xffff, 0x69, ANY, READ, OPERAND, IMM, MODRM },	/* imul $, m, %r */
	{ 0xffff, 0x6b, ANY, READ, OPERAND, IMM8, MODRM },
	{ 0xffff, 0x80, 7, READ, BYTE, IMM8, MODRM },		/* cmp $, m */
	{ 0xffff, 0x81, 7, READ, OPERAND, IMM, MODRM },
	{ 0xffff, 0x83, 7, READ, OPERAND, IMM8, MODRM },
	{ 0xffff, 0x80, EACH, MODIFY, BYTE, IMM8, MODRM },	/* add, or, adc, ... $, m */
	{ 0xffff, 0x81, EACH, MODIFY, OPERAND, IMM, MODRM },
	{ 0xffff, 0x83, EACH, MODIFY, OPERAND, IMM8, MODRM },
	{ 0xffff, 0x84, ANY, READ, BYTE, NONE, MODRM },		/* test */
	{ 0xffff, 0x85, ANY, READ, OPERAND, NONE, MODRM },
	{ 0xffff, 0x86, ANY, MODIFY, BYTE, NONE, MODRM },	/* xchg */
	{ 0xffff, 0x87, ANY, MODIFY, OPERAND, NONE, MODRM },
	{ 0xffff, 0x88, ANY, WRITE, BYTE, NONE, MODRM },	/* mov */
	{ 0xffff, 0x89, ANY, WRITE, OPERAND, NONE, MODRM },
	{ 0xffff, 0x8a, ANY, READ, BYTE, NONE, MODRM },
	{ 0xffff, 0x8b, ANY, READ, OPERAND, NONE, MODRM },
	{ 0xffff, 0xa0, ANY, READ, BYTE, NONE, ABSOLUTE },	/* movabs */
	{ 0xffff, 0xa1, ANY, READ, OPERAND, NONE, ABSOLUTE },
	{ 0xffff, 0xa2, ANY, WRITE, BYTE, NONE, ABSOLUTE },
	{ 0xffff, 0xa3, ANY, WRITE, OPERAND, NONE, ABSOLUTE },
	{ 0xffff, 0xa4, ANY, FROM_SI | WRITE, BYTE, NONE, STRING },	/* movs */
	{ 0xffff, 0xa5, ANY, FROM_SI | WRITE, OPERAND, NONE, STRING },
	{ 0xffff, 0xa6, ANY, FROM_SI | READ | TWO_ENDS, BYTE, NONE, STRING },	/* cmps */
	{ 0xffff, 0xa7, ANY, FROM_SI | READ | TWO_ENDS, OPERAND, NONE, STRING },
	{ 0xffff, 0xaa, ANY, WRITE, BYTE, NONE, STRING },	/* stos */
	{ 0xffff, 0xab, ANY, WRITE, OPERAND, NONE, STRING },
	{ 0xffff, 0xac, ANY, FROM_SI, BYTE, NONE, STRING },	/* lods */
	{ 0xffff, 0xad, ANY, FROM_SI, OPERAND, NONE, STRING },
	{ 0xffff, 0xae, ANY, READ | TWO_ENDS, BYTE, NONE, STRING },	/* scas */
	{ 0xffff, 0xaf, ANY, READ | TWO_ENDS, OPERAND, NONE, STRING },
	{ 0xffff, 0xc0, EACH, MODIFY, BYTE, IMM8, MODRM },	/* shifts and rotates */
	{ 0xffff, 0xc1, EACH, MODIFY, OPERAND, IMM8, MODRM },
	{ 0xfffd, 0xd0, EACH, MODIFY, BYTE, NONE, MODRM },
	{ 0xfffd, 0xd1, EACH, MODIFY, OPERAND, NONE, MODRM },
	{ 0xffff, 0xc6, 0, WRITE, BYTE, IMM8, MODRM },		/* mov $, m */
	{ 0xffff, 0xc7, 0, WRITE, OPERAND, IMM, MODRM },
	{ 0xffff, 0xf6, 0, READ, BYTE, IMM8, MODRM },		/* test $, m */
	{ 0xffff, 0xf7, 0, READ, OPERAND, IMM, MODRM },
	{ 0xffff, 0xf6, 2, MODIFY, BYTE, NONE, MODRM },		/* not, neg */
	{ 0xffff, 0xf6, 3, MODIFY, BYTE, NONE, MODRM },
	{ 0xffff, 0xf7, 2, MODIFY, OPERAND, NONE, MODRM },
	{ 0xffff, 0xf7, 3, MODIFY, OPERAND, NONE, MODRM },
	{ 0xffff, 0xfe, 0, MODIFY, BYTE, NONE, MODRM },		/* inc, dec */
	{ 0xffff, 0xfe, 1, MODIFY, BYTE, NONE, MODRM },
	{ 0xffff, 0xff, 0, MODIFY, OPERAND, NONE, MODRM },
	{ 0xffff, 0xff, 1, MODIFY, OPERAND, NONE, MODRM },
	{ 0xfff0, 0x0f40, ANY, READ, OPERAND, NONE, MODRM },	/* cmov: reads in any case */
	{ 0xfff0, 0x0f90, ANY, WRITE, BYTE, NONE, MODRM },	/* set */
	{ 0xffff, 0x0fa3, ANY, READ, OPERAND, NONE, BIT_STRING },	/* bt, bts, btr, btc */
	{ 0xffff, 0x0fab, ANY, MODIFY, OPERAND, NONE, BIT_STRING },
	{ 0xffff, 0x0fb3, ANY, MODIFY, OPERAND, NONE, BIT_STRING },
	{ 0xffff, 0x0fbb, ANY, MODIFY, OPERAND, NONE, BIT_STRING },
	{ 0xffff, 0x0fba, 4, READ, OPERAND, IMM8, MODRM },
	{ 0xffff, 0x0fba, 5, MODIFY, OPERAND, IMM8, MODRM },
	{ 0xffff, 0x0fba, 6, MODIFY, OPERAND, IMM8, MODRM },
	{ 0xffff, 0x0fba, 7, MODIFY, OPERAND, IMM8, MODRM },
	{ 0xffff, 0x0faf, ANY, READ, OPERAND, NONE, MODRM },	/* imul m, %r */
	{ 0xffff, 0x0fb0, ANY, MODIFY, BYTE, NONE, MODRM },	/* cmpxchg: writes in any case */
	{ 0xffff, 0x0fb1, ANY, MODIFY, OPERAND, NONE, MODRM },
	{ 0xffff, 0x0fb6, ANY, READ, BYTE, NONE, MODRM },	/* movzx, movsx */
	{ 0xffff, 0x0fb7, ANY, READ, WORD, NONE, MODRM },
	{ 0xffff, 0x0fbe, ANY, READ, BYTE, NONE, MODRM },
	{ 0xffff, 0x0fbf, ANY, READ, WORD, NONE, MODRM },
	{ 0xffff, 0x0fc0, ANY, MODIFY, BYTE, NONE, MODRM },	/* xadd */
	{ 0xffff, 0x0fc1, ANY, MODIFY, OPERAND, NONE, MODRM },
	{ 0xffff, 0x0fc3, ANY, WRITE, OPERAND, NONE, MODRM },	/* movnti */
	{ 0xffff, 0x0fc7, 1, MODIFY, QWORD, NONE, MODRM },	/* cmpxchg8b */
};

struct insn {
	u8 bytes[15];
	unsigned int available, at;
	bool short_of;			/* more was asked for than is available */
	bool opsize16, address32, rep, repne, segment;
	u8 rex, modrm;
	u16 opcode;
	unsigned int size;
	const struct row *row;
};

static u64 *reg(struct guest_regs *r, unsigned int n)
{
	u64 *regs[16] = {
		&r->rax, &r->rcx, &r->rdx, &r->rbx, &r->rsp, &r->rbp, &r->rsi, &r->rdi,
		&r->r8, &r->r9, &r->r10, &r->r11, &r->r12, &r->r13, &r->r14, &r->r15,
	};

	return regs[n];
}

static u64 take(struct insn *i, unsigned int n)
{
	u64 v = 0;

	if (i->at + n > i->available) {
		i->short_of = true;
		return 0;
	}
	memcpy(&v, i->bytes + i->at, n);
	i->at += n;
	return v;
}

static void prefixes(struct insn *i)
{
	for (;; i->at++) {
		switch (i->at < i->available ? i->bytes[i->at] : 0) {
		case 0x66:
			i->opsize16 = true;
			continue;
		case 0x67:
			i->address32 = true;
			continue;
		case 0xf2:
			i->repne = true;
			continue;
		case 0xf3:
			i->rep = true;
			continue;
		case 0x64:
		case 0x65:
			i->segment = true;
			continue;
		case 0xf0:	/* a lock has no meaning on the way to a device */
		case 0x26:
		case 0x2e:
		case 0x36:
		case 0x3e:
			continue;
		}
		break;
	}
	if (i->at < i->available && (i->bytes[i->at] & 0xf0) == 0x40)
		i->rex = i->bytes[i->at++];
}

static const struct row *find(const struct insn *i)
{
	const struct row *row;

	for (row = rows; row < rows + sizeof(rows) / sizeof(rows[0]); row++)
		if ((i->opcode & row->mask) == row->opcode &&
		    (row->reg < 0 || row->reg == (i->modrm >> 3 & 7)))
			return row;
	return NULL;
}

static bool has_modrm(u16 opcode)
{
	return !(opcode >= 0xa0 && opcode <= 0xaf);
}

static unsigned int immediate_size(const struct insn *i)
{
	static const u8 fixed[] = { [NONE] = 0, [IMM8] = 1 };

	if (i->row->immediate == IMM)
		return i->opsize16 && !(i->rex & REX_W) ? 2 : 4;
	return fixed[i->row->immediate];
}

/* The operand's address, without the bit offset of a BIT_STRING. */
static u64 address(struct insn *i, struct guest_regs *r)
{
	u8 mod = i->modrm >> 6, rm = i->modrm & 7;
	u64 ea = 0;

	if (rm == 4) {
		u8 sib = take(i, 1);
		u8 base = sib & 7, index = (sib >> 3 & 7) | (i->rex & REX_X) << 2;

		if (index != 4)
			ea = *reg(r, index) << (sib >> 6);
		if (base == 5 && !mod)
			ea += (long)(int)take(i, 4);
		else
			ea += *reg(r, base | (i->rex & REX_B) << 3);
	} else if (rm == 5 && !mod) {
		ea = (long)(int)take(i, 4);
		ea += r->rip + i->at + immediate_size(i);
	} else {
		ea = *reg(r, rm | (i->rex & REX_B) << 3);
	}
	if (mod == 1)
		ea += (long)(signed char)take(i, 1);
	else if (mod == 2)
		ea += (long)(int)take(i, 4);
	return i->address32 ? (u32)ea : ea;
}

/* How far from its address a bit string's operand is. */
static long bit_distance(const struct insn *i, long bit)
{
	if (i->size == 2)
		return ((long)(short)bit >> 4) * 2;
	if (i->size == 4)
		return ((long)(int)bit >> 5) * 4;
	return (bit >> 6) * 8;
}

static u8 *put(u8 *p, const void *from, unsigned int n)
{
	memcpy(p, from, n);
	return p + n;
}

/* The same instruction, its memory operand at (%rdi) or (%rsi) instead. */
static void build(const struct insn *i, u8 *stub, u8 modrm, const void *tail, unsigned int n)
{
	u8 code[MMIO_STUB_SIZE], *p = code;

	if (i->opsize16)
		*p++ = 0x66;
	if (i->rex)
		*p++ = i->rex & ~(REX_X | REX_B);
	if (i->opcode >> 8)
		*p++ = 0x0f;
	*p++ = i->opcode;
	if (has_modrm(i->opcode))
		*p++ = modrm;
	p = put(p, tail, n);
	*p++ = 0xc3;
	/* Code that stays as it is stays translated. */
	if (memcmp(stub, code, p - code))
		memcpy(stub, code, p - code);
}

static enum mmio_outcome run_modrm(struct insn *i, struct guest_regs *r,
				   const struct mmio_memory *memory, u8 *stub)
{
	unsigned int n = (i->modrm >> 3 & 7) | (i->rex & REX_R) << 1;
	unsigned int base = n == 7 ? 6 : 7, length;
	u8 *immediate, access = i->row->access;
	struct guest_regs copy;
	u64 ea = address(i, r), data = 0;
	long distance = 0;

	immediate = i->bytes + i->at;
	take(i, immediate_size(i));
	length = i->at;
	if (i->short_of)
		return MMIO_NO_FETCH;
	/* No memory operand, or RSP, which is ours while the stub runs. AH is welcome. */
	if (i->modrm >> 6 == 3 ||
	    (n == 4 && i->row->reg == ANY && (i->size > 1 || i->rex || i->opcode >> 8)))
		return MMIO_UNKNOWN;
	if (i->row->form == BIT_STRING) {
		distance = bit_distance(i, *reg(r, n));
		ea += distance;
	}

	if ((access & READ && !memory->check(r, ea, i->size, false)) ||
	    (access & WRITE && !memory->check(r, ea, i->size, true)))
		return MMIO_REFUSED;
	if (access & READ && !memory->access(r, ea, &data, i->size, false))
		return MMIO_REFUSED;
	copy = *r;
	*reg(&copy, base) = (u64)&data - distance;
	build(i, stub, (i->modrm & 0x38) | base, immediate, immediate_size(i));
	mmio_run(&copy, stub);
	*reg(&copy, base) = *reg(r, base);
	if (access & WRITE && !memory->access(r, ea, &data, i->size, true))
		return MMIO_REFUSED;
	*r = copy;
	r->rip += length;
	return MMIO_DONE;
}

static enum mmio_outcome run_absolute(struct insn *i, struct guest_regs *r,
				      const struct mmio_memory *memory, u8 *stub)
{
	u64 ea = take(i, 8), data = 0, buffer = (u64)&data;
	bool write = i->row->access & WRITE;

	if (i->short_of)
		return MMIO_NO_FETCH;
	if (i->address32)
		return MMIO_UNKNOWN;
	if (!memory->check(r, ea, i->size, write))
		return MMIO_REFUSED;
	if (!write && !memory->access(r, ea, &data, i->size, false))
		return MMIO_REFUSED;
	build(i, stub, 0, &buffer, sizeof(buffer));
	mmio_run(r, stub);
	if (write && !memory->access(r, ea, &data, i->size, true))
		return MMIO_REFUSED;
	r->rip += i->at;
	return MMIO_DONE;
}

/* One element. The next one faults again if it has to, as on the CPU. */
static enum mmio_outcome run_string(struct insn *i, struct guest_regs *r,
				    const struct mmio_memory *memory, u8 *stub)
{
	bool repeats = i->rep || i->repne, again;
	u64 si = 0, di = 0;
	u8 access = i->row->access;
	struct guest_regs copy;

	if (i->address32)
		return MMIO_UNKNOWN;
	if (repeats && !r->rcx) {
		r->rip += i->at;
		return MMIO_DONE;
	}
	if (access & (READ | WRITE) && !memory->check(r, r->rdi, i->size, access & WRITE))
		return MMIO_REFUSED;
	if (access & FROM_SI && (!memory->check(r, r->rsi, i->size, false) ||
				 !memory->access(r, r->rsi, &si, i->size, false)))
		return MMIO_REFUSED;
	if (access & READ && !memory->access(r, r->rdi, &di, i->size, false))
		return MMIO_REFUSED;
	copy = *r;
	copy.rsi = (u64)&si;
	copy.rdi = (u64)&di;
	build(i, stub, 0, NULL, 0);
	mmio_run(&copy, stub);
	if (access & WRITE && !memory->access(r, r->rdi, &di, i->size, true))
		return MMIO_REFUSED;
	copy.rsi += r->rsi - (u64)&si;
	copy.rdi += r->rdi - (u64)&di;
	*r = copy;

	again = repeats && --r->rcx;
	if (access & TWO_ENDS && !(r->rflags & RFLAGS_ZF) != i->repne)
		again = false;
	if (!again)
		r->rip += i->at;
	return MMIO_DONE;
}

enum mmio_outcome mmio_emulate(struct guest_regs *r, const struct mmio_memory *memory, u8 *stub)
{
	struct insn i = { 0 };

	i.available = memory->fetch(r, i.bytes, sizeof(i.bytes));
	prefixes(&i);
	i.opcode = take(&i, 1);
	if (i.opcode == 0x0f)
		i.opcode = 0xf00 | take(&i, 1);
	if (has_modrm(i.opcode))
		i.modrm = take(&i, 1);
	if (i.short_of)
		return MMIO_NO_FETCH;
	i.row = find(&i);
	if (!i.row || i.segment)
		return MMIO_UNKNOWN;
	i.size = i.row->size ?: i.rex & REX_W ? 8 : i.opsize16 ? 2 : 4;
	/* CMPXCHG16B */
	if (i.row->size == QWORD && i.rex & REX_W)
		return MMIO_UNKNOWN;

	switch (i.row->form) {
	case ABSOLUTE:
		return run_absolute(&i, r, memory, stub);
	case STRING:
		return run_string(&i, r, memory, stub);
	default:
		return run_modrm(&i, r, memory, stub);
	}
}
