// SPDX-License-Identifier: GPL-2.0-only
/*
 * exit_string.c - INS and OUTS of a plain guest, with and without REP.
 *
 * Each exit does as many elements as fit into the vCPU's buffer and lie in
 * one page (one, if DF is set); then either RIP moves on, or the
 * instruction runs again with what is left in rCX, as after an interrupt.
 */
#include <linux/mm.h>
#include <asm/processor-flags.h>
#include <asm/trapnr.h>

#include "exit.h"
#include "io.h"
#include "svm/cpu/host.h"
#include "svm/cpu/vmcb.h"
#include "svm/cpu/walk.h"
#include "svm/irq/event.h"

#define IOIO_IN		BIT(0)
#define IOIO_REP	BIT(3)
#define IOIO_ADDR_16	BIT(7)
#define IOIO_ADDR_32	BIT(8)
#define IOIO_SEGMENT(x)	(((x) >> 10) & 7)

#define SEG_ES	0
#define SEG_DS	3

static u64 address_mask(u64 info)
{
	if (info & IOIO_ADDR_16)
		return 0xffff;
	return info & IOIO_ADDR_32 ? 0xffffffff : ~0ULL;
}

/* A register as an address of this size writes it. */
static void set_reg(struct sevm_vcpu *vcpu, enum sevm_reg reg, u64 value, u64 mask)
{
	/* 16 bits leave the rest alone, 32 clear it. */
	if (mask == 0xffff)
		vcpu->regs[reg] = (vcpu->regs[reg] & ~mask) | (value & mask);
	else
		vcpu->regs[reg] = value & mask;
}

/* OUTS may name another segment; without decode assists, look at its prefixes. */
static unsigned int source_segment(struct sevm_vcpu *vcpu)
{
	static const struct { u8 prefix, segment; } overrides[] = {
		{ 0x26, 0 }, { 0x2e, 1 }, { 0x36, 2 }, { 0x3e, 3 },
		{ 0x64, 4 }, { 0x65, 5 },
	};
	unsigned int n, i, j, segment = SEG_DS;
	u8 bytes[15];

	if (sevm_host_caps.decode_assists)
		return IOIO_SEGMENT(vcpu->exit.info1);

	n = sevm_walk_fetch(vcpu, bytes, sizeof(bytes));
	for (i = 0; i < n && (bytes[i] & 0xfe) != 0x6e; i++)
		for (j = 0; j < ARRAY_SIZE(overrides); j++)
			if (bytes[i] == overrides[j].prefix)
				segment = overrides[j].segment;
	return segment;
}

static u64 segment_base(struct sevm_vcpu *vcpu, unsigned int segment)
{
	const struct vmcb_save_area *s = sevm_vmcb_save(vcpu);
	const struct vmcb_seg *segments = &s->es;	/* ES CS SS DS FS GS */

	if (segment > 5 || (sevm_vmcb_in_64bit_mode(vcpu) && segment < 4))
		return 0;
	return segments[segment].base;
}

static u64 linear_address(struct sevm_vcpu *vcpu, bool in)
{
	u64 mask = address_mask(vcpu->exit.info1);
	u64 linear;

	linear = vcpu->regs[in ? SEVM_RDI : SEVM_RSI] & mask;
	linear += segment_base(vcpu, in ? SEG_ES : source_segment(vcpu));
	if (!sevm_vmcb_in_64bit_mode(vcpu))
		linear = (u32)linear;
	return linear;
}

/* The guest's tables refused, or lead to something that is not memory. */
static enum sevm_result memory_fault(struct sevm_vcpu *vcpu, int error,
				     const struct sevm_walk_fault *fault)
{
	u8 insn[15];

	if (error == -EFAULT) {
		sevm_event_queue_exception(vcpu, X86_TRAP_PF, true, fault->error_code);
		vcpu->exception.has_payload = true;
		vcpu->exception.payload = fault->address;
		return SEVM_RESUME;
	}
	return sevm_io_emulation_failure(vcpu, 0, insn, sevm_walk_fetch(vcpu, insn, sizeof(insn)));
}

/* count elements are done: move the registers, and RIP after the last one. */
static enum sevm_result advance(struct sevm_vcpu *vcpu, u32 count, u8 size, bool in)
{
	u64 info = vcpu->exit.info1;
	u64 mask = address_mask(info);
	enum sevm_reg reg = in ? SEVM_RDI : SEVM_RSI;
	u64 step = (u64)count * size;
	u64 left = 0;

	if (sevm_vmcb_get_rflags(vcpu) & X86_EFLAGS_DF)
		step = -step;
	set_reg(vcpu, reg, vcpu->regs[reg] + step, mask);
	if (info & IOIO_REP) {
		left = (vcpu->regs[SEVM_RCX] - count) & mask;
		set_reg(vcpu, SEVM_RCX, left, mask);
	}
	if (!left)
		sevm_vmcb_set_rip(vcpu, vcpu->exit.info2);
	sevm_vmcb_clear_interrupt_shadow(vcpu);
	return SEVM_RESUME;
}

static enum sevm_result string_in_done(struct sevm_vcpu *vcpu)
{
	u8 size = vcpu->io.size;
	u32 count = (vcpu->io.data - vcpu->io_buf) / size;
	struct sevm_walk_fault fault;
	int r;

	r = sevm_walk_write(vcpu, linear_address(vcpu, true), vcpu->io_buf,
			    count * size, &fault);
	if (r)
		return memory_fault(vcpu, r, &fault);
	return advance(vcpu, count, size, true);
}

static enum sevm_result out_done(struct sevm_vcpu *vcpu)
{
	u8 size = vcpu->io.size;

	return advance(vcpu, (vcpu->io.data - vcpu->io_buf) / size, size, false);
}

enum sevm_result sevm_exit_string_io(struct sevm_vcpu *vcpu)
{
	u64 info = vcpu->exit.info1;
	u8 size = (info & SVM_IOIO_SIZE_MASK) >> SVM_IOIO_SIZE_SHIFT;
	bool in = info & IOIO_IN;
	u64 linear = linear_address(vcpu, in);
	struct sevm_walk_fault fault;
	u64 count = 1;
	sevm_gpa gpa;
	int r;

	if (info & IOIO_REP)
		count = vcpu->regs[SEVM_RCX] & address_mask(info);
	if (!count)
		return advance(vcpu, 0, size, in);

	/* Backwards, or across a page: one element at a time. */
	if (sevm_vmcb_get_rflags(vcpu) & X86_EFLAGS_DF)
		count = 1;
	count = min3(count, (u64)sizeof(vcpu->io_buf) / size,
		     max_t(u64, 1, (PAGE_SIZE - offset_in_page(linear)) / size));

	if (in) {
		/* A device must not be read for a place that cannot be written. */
		r = sevm_walk(vcpu, linear, true, false, &gpa, &fault);
		if (r)
			return memory_fault(vcpu, r, &fault);
		return sevm_io_port(vcpu, info >> 16, size, count, false,
				    vcpu->io_buf, string_in_done);
	}
	r = sevm_walk_read(vcpu, linear, vcpu->io_buf, count * size, false, &fault);
	if (r)
		return memory_fault(vcpu, r, &fault);
	return sevm_io_port(vcpu, info >> 16, size, count, true, vcpu->io_buf, out_done);
}
