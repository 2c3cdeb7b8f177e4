// SPDX-License-Identifier: GPL-2.0-only
/*
 * apic_regs.c - the register page of a local APIC.
 *
 * Which bits a register keeps, priorities, destinations, and how messages are
 * encoded. No timer, no other vCPU, no lock: what a write sets off is returned
 * to the caller as an effect. Pure; the unit test compiles it.
 *
 * Invariant: a guest's write changes no reserved bit, but those of the xAPIC's ICR.
 */
#include <linux/bitops.h>
#include <linux/bits.h>
#include <linux/kernel.h>
#include <linux/string.h>

#include "apic_regs.h"

#define XAPIC_BROADCAST		0xffU
#define X2APIC_BROADCAST	0xffffffffU

#define DFR_FLAT		0xffffffffU
#define DFR_CLUSTER		0x0fffffffU

#define ICR_BUSY		0x1000U
/* Reserved in the x2APIC ICR; bit 12 too, which is cleared instead. */
#define X2APIC_ICR_RESERVED	(GENMASK_ULL(31, 20) | GENMASK_ULL(17, 16) | BIT_ULL(13))

#define LVT_COMMON		(SEVM_APIC_LVT_MASKED | ICR_BUSY | 0xff)
#define LVT_DELIVERY		0x700U
#define LVT_PIN			(LVT_COMMON | LVT_DELIVERY | (7U << 13))

static const struct {
	u32 offset;
	u32 mask;		/* bits that can be written */
} lvts[SEVM_APIC_LVTS] = {
	{ SEVM_APIC_LVTT, LVT_COMMON },		/* and the timer modes on offer */
	{ SEVM_APIC_LVTTHMR, LVT_COMMON | LVT_DELIVERY },
	{ SEVM_APIC_LVTPC, LVT_COMMON | LVT_DELIVERY },
	{ SEVM_APIC_LVT0, LVT_PIN },
	{ SEVM_APIC_LVT1, LVT_PIN },
	{ SEVM_APIC_LVTERR, LVT_COMMON },
};

/* Each 256-bit register is eight words, 16 bytes apart. */
static u32 bank_word(u32 bank, u8 vector)
{
	return (bank + (vector / 32) * 0x10) / sizeof(u32);
}

bool sevm_apic_vector_test(const struct sevm_apic_regs *regs, u32 bank, u8 vector)
{
	return READ_ONCE(regs->reg[bank_word(bank, vector)]) & (1U << (vector % 32));
}

/* A word is followed by twelve unused bytes, so a long fits there. */
void sevm_apic_vector_set(struct sevm_apic_regs *regs, u32 bank, u8 vector)
{
	set_bit(vector % 32, (unsigned long *)&regs->reg[bank_word(bank, vector)]);
}

void sevm_apic_vector_clear(struct sevm_apic_regs *regs, u32 bank, u8 vector)
{
	clear_bit(vector % 32, (unsigned long *)&regs->reg[bank_word(bank, vector)]);
}

int sevm_apic_vector_highest(const struct sevm_apic_regs *regs, u32 bank)
{
	const u32 *words = &regs->reg[bank / sizeof(u32)];
	int vector;

	/* Three instructions a word instead of five: for every interrupt, several times. */
#pragma GCC unroll 8
	for (vector = 224; vector >= 0; vector -= 32) {
		u32 word = READ_ONCE(words[vector / 8]);

		if (word)
			return vector + fls(word) - 1;
	}
	return -1;
}

u8 sevm_apic_regs_ppr(struct sevm_apic_regs *regs)
{
	u8 tpr = sevm_apic_reg(regs, SEVM_APIC_TPR);
	int isr = sevm_apic_vector_highest(regs, SEVM_APIC_ISR);
	u8 service = isr < 0 ? 0 : isr & 0xf0;
	u8 ppr = (tpr & 0xf0) >= service ? tpr : service;

	sevm_apic_reg_set(regs, SEVM_APIC_PPR, ppr);
	return ppr;
}

bool sevm_apic_regs_allow(struct sevm_apic_regs *regs, u8 vector)
{
	return (vector & 0xf0) > sevm_apic_regs_ppr(regs);
}

void sevm_apic_regs_accept(struct sevm_apic_regs *regs, u8 vector)
{
	sevm_apic_vector_clear(regs, SEVM_APIC_IRR, vector);
	sevm_apic_vector_set(regs, SEVM_APIC_ISR, vector);
	sevm_apic_regs_ppr(regs);
}

int sevm_apic_regs_end(struct sevm_apic_regs *regs)
{
	int vector = sevm_apic_vector_highest(regs, SEVM_APIC_ISR);

	if (vector >= 0) {
		sevm_apic_vector_clear(regs, SEVM_APIC_ISR, vector);
		sevm_apic_regs_ppr(regs);
	}
	return vector;
}

/* Cluster (id / 16) in the high half, one bit of sixteen in the low half. */
u32 sevm_apic_x2apic_ldr(u32 id)
{
	return ((id >> 4) << 16) | (1U << (id & 0xf));
}

void sevm_apic_regs_set_mode(struct sevm_apic_regs *regs, enum sevm_apic_mode mode, u32 id)
{
	if (mode == SEVM_APIC_X2APIC) {
		sevm_apic_reg_set(regs, SEVM_APIC_ID, id);
		sevm_apic_reg_set(regs, SEVM_APIC_LDR, sevm_apic_x2apic_ldr(id));
	} else if (mode == SEVM_APIC_XAPIC) {
		sevm_apic_reg_set(regs, SEVM_APIC_ID, id << 24);
	}
}

void sevm_apic_regs_reset(struct sevm_apic_regs *regs, enum sevm_apic_mode mode,
			  u32 id, bool init, bool extint)
{
	u32 old_id = sevm_apic_reg(regs, SEVM_APIC_ID);
	u32 old_ldr = sevm_apic_reg(regs, SEVM_APIC_LDR);
	unsigned int i;

	/* Word by word: others may look at the page meanwhile. */
	for (i = 0; i < ARRAY_SIZE(regs->reg); i++)
		WRITE_ONCE(regs->reg[i], 0);

	sevm_apic_reg_set(regs, SEVM_APIC_ID, init ? old_id : id << 24);
	if (mode == SEVM_APIC_X2APIC)
		sevm_apic_reg_set(regs, SEVM_APIC_LDR, old_ldr);
	sevm_apic_reg_set(regs, SEVM_APIC_DFR, DFR_FLAT);
	sevm_apic_reg_set(regs, SEVM_APIC_SVR, 0xff);
	for (i = 0; i < ARRAY_SIZE(lvts); i++)
		sevm_apic_reg_set(regs, lvts[i].offset, SEVM_APIC_LVT_MASKED);
	if (extint)
		sevm_apic_reg_set(regs, SEVM_APIC_LVT0, SEVM_DELIVER_EXTINT << 8);
}

bool sevm_apic_readable(u32 offset, bool x2apic)
{
	switch (offset) {
	case SEVM_APIC_ID:
	case SEVM_APIC_LVR:
	case SEVM_APIC_TPR:
	case SEVM_APIC_PPR:
	case SEVM_APIC_LDR:
	case SEVM_APIC_SVR:
	case SEVM_APIC_ISR ... SEVM_APIC_ESR:
	case SEVM_APIC_ICR:
	case SEVM_APIC_LVTT ... SEVM_APIC_TMCCT:
	case SEVM_APIC_TDCR:
		return !(offset & 0xf);
	case SEVM_APIC_ARBPRI:
	case SEVM_APIC_DFR:
	case SEVM_APIC_ICR2:
		return !x2apic;
	}
	return false;
}

static u32 timer_modes(const struct sevm_apic_config *config)
{
	return config->tsc_deadline ? SEVM_APIC_TIMER_MODE : SEVM_APIC_TIMER_PERIODIC;
}

static enum sevm_apic_effect write_lvt(struct sevm_apic_regs *regs,
				       const struct sevm_apic_config *config,
				       u32 offset, u32 value)
{
	u32 mask = lvts[(offset - SEVM_APIC_LVTT) / 0x10].mask;

	if (offset == SEVM_APIC_LVTT)
		mask |= timer_modes(config);
	if (!(sevm_apic_reg(regs, SEVM_APIC_SVR) & SEVM_APIC_SVR_ENABLED))
		value |= SEVM_APIC_LVT_MASKED;
	sevm_apic_reg_set(regs, offset, value & mask);
	return offset == SEVM_APIC_LVTT ? SEVM_APIC_TIMER_LVT : SEVM_APIC_NOTHING;
}

static enum sevm_apic_effect write_svr(struct sevm_apic_regs *regs,
				       const struct sevm_apic_config *config, u32 value)
{
	u32 mask = 0x3ff;
	unsigned int i;

	if (config->directed_eoi)
		mask |= SEVM_APIC_SVR_DIRECTED;
	sevm_apic_reg_set(regs, SEVM_APIC_SVR, value & mask);
	if (value & SEVM_APIC_SVR_ENABLED)
		return SEVM_APIC_NOTHING;
	for (i = 0; i < ARRAY_SIZE(lvts); i++)
		sevm_apic_reg_set(regs, lvts[i].offset,
				  sevm_apic_reg(regs, lvts[i].offset) | SEVM_APIC_LVT_MASKED);
	return SEVM_APIC_TIMER_LVT;
}

enum sevm_apic_effect sevm_apic_regs_write(struct sevm_apic_regs *regs,
					   const struct sevm_apic_config *config,
					   u32 offset, u32 value)
{
	switch (offset) {
	case SEVM_APIC_ID:
		if (config->x2apic)
			return SEVM_APIC_FAULT;
		sevm_apic_reg_set(regs, offset, value & 0xff000000);
		return SEVM_APIC_NOTHING;
	case SEVM_APIC_TPR:
		sevm_apic_reg_set(regs, offset, value & 0xff);
		return SEVM_APIC_PRIORITY;
	case SEVM_APIC_EOI:
		return SEVM_APIC_END;
	case SEVM_APIC_LDR:
		if (config->x2apic)
			return SEVM_APIC_FAULT;
		sevm_apic_reg_set(regs, offset, value & 0xff000000);
		return SEVM_APIC_NOTHING;
	case SEVM_APIC_DFR:
		if (config->x2apic)
			return SEVM_APIC_FAULT;
		sevm_apic_reg_set(regs, offset, value | 0x0fffffff);
		return SEVM_APIC_NOTHING;
	case SEVM_APIC_SVR:
		return write_svr(regs, config, value);
	case SEVM_APIC_ESR:
		/* No error is ever recorded, as in KVM: nothing to latch. */
		return config->x2apic && value ? SEVM_APIC_FAULT : SEVM_APIC_NOTHING;
	case SEVM_APIC_ICR:
		sevm_apic_reg_set(regs, offset, value & ~ICR_BUSY);
		return SEVM_APIC_SEND;
	case SEVM_APIC_ICR2:
		if (config->x2apic)
			return SEVM_APIC_FAULT;
		sevm_apic_reg_set(regs, offset, value & 0xff000000);
		return SEVM_APIC_NOTHING;
	case SEVM_APIC_LVTT:
	case SEVM_APIC_LVTTHMR:
	case SEVM_APIC_LVTPC:
	case SEVM_APIC_LVT0:
	case SEVM_APIC_LVT1:
	case SEVM_APIC_LVTERR:
		return write_lvt(regs, config, offset, value);
	case SEVM_APIC_TMICT:
		if ((sevm_apic_reg(regs, SEVM_APIC_LVTT) & timer_modes(config)) ==
		    SEVM_APIC_TIMER_DEADLINE)
			return SEVM_APIC_NOTHING;
		sevm_apic_reg_set(regs, offset, value);
		return SEVM_APIC_TIMER_COUNT;
	case SEVM_APIC_TDCR:
		sevm_apic_reg_set(regs, offset, value & 0xb);
		return SEVM_APIC_TIMER_DIVIDE;
	case SEVM_APIC_SELF_IPI:
		if (!config->x2apic || value & ~0xffU)
			return SEVM_APIC_FAULT;
		return SEVM_APIC_SEND_SELF;
	}
	return SEVM_APIC_FAULT;
}

enum sevm_apic_effect sevm_apic_regs_write_icr(struct sevm_apic_regs *regs, u64 value)
{
	if (value & X2APIC_ICR_RESERVED)
		return SEVM_APIC_FAULT;
	sevm_apic_reg_set(regs, SEVM_APIC_ICR, (u32)value & ~ICR_BUSY);
	sevm_apic_reg_set(regs, SEVM_APIC_ICR2, value >> 32);
	return SEVM_APIC_SEND;
}

/* Bits 3, 1 and 0 count from 2 up to 128, and then wrap to 1. */
u32 sevm_apic_regs_divide(const struct sevm_apic_regs *regs)
{
	u32 tdcr = sevm_apic_reg(regs, SEVM_APIC_TDCR);

	return 1U << ((((tdcr & 3) | ((tdcr & 8) >> 1)) + 1) & 7);
}

bool sevm_apic_base_allowed(u64 old, u64 new, u64 reserved, bool host)
{
	enum sevm_apic_mode from = sevm_apic_base_mode(old);
	enum sevm_apic_mode to = sevm_apic_base_mode(new);

	if (new & reserved || to == SEVM_APIC_INVALID)
		return false;
	if (host)
		return true;
	if (from == SEVM_APIC_X2APIC && to == SEVM_APIC_XAPIC)
		return false;
	return !(from == SEVM_APIC_DISABLED && to == SEVM_APIC_X2APIC);
}

static bool matches_logical(u32 ldr, u32 dfr, u32 dest)
{
	u32 id = ldr >> 24;

	switch (dfr) {
	case DFR_FLAT:
		return id & dest;
	case DFR_CLUSTER:
		return id >> 4 == dest >> 4 && id & dest & 0xf;
	}
	return false;
}

bool sevm_apic_matches(const struct sevm_apic_regs *regs, enum sevm_apic_mode mode,
		       u32 id, u32 dest, bool logical)
{
	bool x2apic = mode == SEVM_APIC_X2APIC;
	u32 ldr;

	if (dest == (x2apic ? X2APIC_BROADCAST : XAPIC_BROADCAST))
		return true;
	if (!logical) {
		/* An xAPIC cannot name the vCPUs above 255; the bus can. */
		if (x2apic || dest > 0xff)
			return dest == id;
		return dest == sevm_apic_reg(regs, SEVM_APIC_ID) >> 24;
	}
	ldr = sevm_apic_reg(regs, SEVM_APIC_LDR);
	if (x2apic)
		return ldr >> 16 == dest >> 16 && ldr & dest & 0xffff;
	return matches_logical(ldr, sevm_apic_reg(regs, SEVM_APIC_DFR), dest);
}

void sevm_apic_decode_icr(u32 low, u32 high, bool x2apic, struct sevm_irq_msg *msg)
{
	*msg = (struct sevm_irq_msg) {
		.dest = x2apic ? high : high >> 24,
		.logical = low & (1U << 11),
		.shorthand = (low >> 18) & 3,
		.delivery = (low >> 8) & 7,
		.vector = low & 0xff,
		.level = low & (1U << 15),
		.assert = low & (1U << 14),
	};
}

void sevm_apic_decode_msi(u64 address, u32 data, bool wide, struct sevm_irq_msg *msg)
{
	*msg = (struct sevm_irq_msg) {
		.dest = (address >> 12) & 0xff,
		.logical = address & (1U << 2),
		.shorthand = SEVM_TO_DEST,
		.delivery = (data >> 8) & 7,
		.vector = data & 0xff,
		.level = data & (1U << 15),
		.assert = true,
		.lowest_hint = address & (1U << 3),
	};
	if (wide)
		msg->dest |= (u32)(address >> 32) & 0xffffff00;
}
