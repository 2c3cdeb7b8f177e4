// SPDX-License-Identifier: GPL-2.0-only
/*
 * assist.c - MMIO of a plain guest on sevm, which has no instruction emulator.
 *
 * sevm hands out the instruction and the address (include/uapi/linux/sevm.h).
 * What a kernel's readl() and writel() are made of is done here: the MOVs
 * between memory and a register or an immediate, in 64-bit mode.
 */
#include <string.h>
#include <sys/ioctl.h>

#include "sevm-run.h"

struct access {
	bool write;
	bool sign_extend;
	uint8_t size;			/* of the access */
	uint8_t target;			/* bytes of the register that change */
	uint8_t reg;
	bool high_byte;			/* AH, CH, DH, BH */
	bool has_immediate;
	uint64_t immediate;
	uint8_t length;			/* of the instruction */
};

struct bytes {
	const uint8_t *at;
	size_t left, used;
};

static uint8_t next(struct bytes *b)
{
	if (b->used >= b->left) {
		b->used++;		/* too short: seen at the end */
		return 0;
	}
	return b->at[b->used++];
}

/* Skip what addresses the memory: the hardware has already said where. */
static void skip_address(struct bytes *b, uint8_t modrm)
{
	uint8_t mod = modrm >> 6, rm = modrm & 7, base = rm;

	if (rm == 4)
		base = next(b) & 7;	/* SIB */
	if (mod == 1)
		b->used += 1;
	else if (mod == 2 || (mod == 0 && base == 5))
		b->used += 4;
}

static bool decode(struct access *a, const uint8_t *insn, size_t size)
{
	struct bytes b = { .at = insn, .left = size };
	uint8_t rex = 0, op, modrm, word;
	bool wide = true;		/* 16 bits if there is a 0x66 */
	size_t i;

	memset(a, 0, sizeof(*a));
	for (op = next(&b);; op = next(&b)) {
		if (op == 0x66)
			wide = false;
		else if (op != 0x67 && op != 0x2e && op != 0x36 && op != 0x3e &&
			 op != 0x26 && op != 0x64 && op != 0x65)
			break;
	}
	if ((op & 0xf0) == 0x40) {
		rex = op;
		op = next(&b);
	}
	word = rex & 8 ? 8 : wide ? 4 : 2;
	a->target = word;

	switch (op) {
	case 0x88:			/* MOV r/m8, r8 */
	case 0xc6:			/* MOV r/m8, imm8 */
		a->write = true;
		a->size = 1;
		break;
	case 0x89:			/* MOV r/m, r */
	case 0xc7:			/* MOV r/m, imm */
		a->write = true;
		a->size = word;
		break;
	case 0x8a:			/* MOV r8, r/m8 */
		a->size = 1;
		a->target = 1;
		break;
	case 0x8b:			/* MOV r, r/m */
		a->size = word;
		break;
	case 0x0f:
		op = next(&b);
		if ((op & 0xf6) != 0xb6)	/* MOVZX, MOVSX r, r/m8 or r/m16 */
			return false;
		a->size = op & 1 ? 2 : 1;
		a->sign_extend = op & 8;
		op = 0x8b;
		break;
	default:
		return false;
	}

	modrm = next(&b);
	if (modrm >> 6 == 3)
		return false;
	a->reg = (modrm >> 3 & 7) | (rex & 4 ? 8 : 0);
	skip_address(&b, modrm);
	if (op == 0xc6 || op == 0xc7) {
		if (modrm & 0x38)
			return false;
		a->has_immediate = true;
		for (i = 0; i < (a->size < 4 ? a->size : 4); i++)
			a->immediate |= (uint64_t)next(&b) << (8 * i);
		if (a->size == 8)
			a->immediate = (int32_t)a->immediate;
	} else if ((op == 0x88 || op == 0x8a) && !rex && a->reg >= 4) {
		a->reg -= 4;
		a->high_byte = true;
	}
	a->length = b.used;
	return b.used <= b.left;
}

static __u64 *reg_of(struct kvm_regs *r, unsigned int number)
{
	__u64 *const reg[16] = {
		&r->rax, &r->rcx, &r->rdx, &r->rbx, &r->rsp, &r->rbp, &r->rsi, &r->rdi,
		&r->r8, &r->r9, &r->r10, &r->r11, &r->r12, &r->r13, &r->r14, &r->r15,
	};

	return reg[number];
}

static void load(struct kvm_regs *regs, const struct access *a, uint64_t value)
{
	__u64 *reg = reg_of(regs, a->reg);
	uint64_t mask;

	if (a->sign_extend)
		value = a->size == 1 ? (uint64_t)(int8_t)value : (uint64_t)(int16_t)value;
	if (a->target == 4) {		/* clears the upper half */
		*reg = (uint32_t)value;
		return;
	}
	mask = a->target == 8 ? ~0ULL : (1ULL << (8 * a->target)) - 1;
	if (a->high_byte)
		*reg = (*reg & ~0xff00ULL) | (value & 0xff) << 8;
	else
		*reg = (*reg & ~mask) | (value & mask);
}

/* True: done, run on. */
bool assist(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	uint64_t gpa = run->internal.data[3], value = 0;
	struct kvm_sregs sregs;
	struct kvm_regs regs;
	struct access a;

	/* KVM means something else by data[3]; what it cannot emulate, we cannot. */
	if (!vcpu->vm->sevm || run->internal.suberror != KVM_INTERNAL_ERROR_EMULATION ||
	    run->internal.ndata < 5 ||
	    !(run->emulation_failure.flags &
	      KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES) ||
	    run->emulation_failure.insn_size > sizeof(run->emulation_failure.insn_bytes))
		return false;
	if (ioctl(vcpu->fd, KVM_GET_REGS, &regs) || ioctl(vcpu->fd, KVM_GET_SREGS, &sregs) ||
	    !sregs.cs.l)
		return false;
	if (!decode(&a, run->emulation_failure.insn_bytes, run->emulation_failure.insn_size))
		return false;

	if (a.write) {
		value = a.has_immediate ? a.immediate : *reg_of(&regs, a.reg);
		if (a.high_byte)
			value >>= 8;
	}
	vcpu->mmio_exits++;
	mmio_access(vcpu->vm, a.write, gpa, a.size, &value);
	if (!a.write)
		load(&regs, &a, value);
	regs.rip += a.length;
	return !ioctl(vcpu->fd, KVM_SET_REGS, &regs);
}
