/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * apic_regs.h - the register page of a local APIC: pure, built for userspace too.
 */
#ifndef SEVM_SVM_APIC_REGS_H
#define SEVM_SVM_APIC_REGS_H

#include <linux/bits.h>
#include <linux/compiler.h>
#include <linux/types.h>

/* Offsets in the xAPIC page; MSR 0x800 + offset / 16 in x2APIC mode. */
#define SEVM_APIC_ID		0x020
#define SEVM_APIC_LVR		0x030
#define SEVM_APIC_TPR		0x080
#define SEVM_APIC_ARBPRI	0x090
#define SEVM_APIC_PPR		0x0a0
#define SEVM_APIC_EOI		0x0b0
#define SEVM_APIC_LDR		0x0d0
#define SEVM_APIC_DFR		0x0e0
#define SEVM_APIC_SVR		0x0f0
#define SEVM_APIC_ISR		0x100
#define SEVM_APIC_TMR		0x180
#define SEVM_APIC_IRR		0x200
#define SEVM_APIC_ESR		0x280
#define SEVM_APIC_ICR		0x300
#define SEVM_APIC_ICR2		0x310
#define SEVM_APIC_LVTT		0x320
#define SEVM_APIC_LVTTHMR	0x330
#define SEVM_APIC_LVTPC		0x340
#define SEVM_APIC_LVT0		0x350
#define SEVM_APIC_LVT1		0x360
#define SEVM_APIC_LVTERR	0x370
#define SEVM_APIC_TMICT		0x380
#define SEVM_APIC_TMCCT		0x390
#define SEVM_APIC_TDCR		0x3e0
#define SEVM_APIC_SELF_IPI	0x3f0
#define SEVM_APIC_REGS_SIZE	0x400

#define SEVM_APIC_VERSION	0x14
#define SEVM_APIC_LVTS		6
#define SEVM_APIC_LVR_DIRECTED	0x1000000U

#define SEVM_APIC_SVR_ENABLED	0x100U
#define SEVM_APIC_SVR_DIRECTED	0x1000U
#define SEVM_APIC_LVT_MASKED	0x10000U

/* LVTT's mode, bits 18:17 */
#define SEVM_APIC_TIMER_MODE	(3U << 17)
#define SEVM_APIC_TIMER_ONESHOT	(0U << 17)
#define SEVM_APIC_TIMER_PERIODIC 0x20000U
#define SEVM_APIC_TIMER_DEADLINE (2U << 17)

#define SEVM_APIC_BASE_BSP	BIT_ULL(8)
#define SEVM_APIC_BASE_X2APIC	BIT_ULL(10)
#define SEVM_APIC_BASE_ENABLED	BIT_ULL(11)
#define SEVM_APIC_DEFAULT_BASE	0xfee00000ULL

enum sevm_delivery {
	SEVM_DELIVER_FIXED,
	SEVM_DELIVER_LOWEST,
	SEVM_DELIVER_SMI,
	SEVM_DELIVER_RESERVED,
	SEVM_DELIVER_NMI,
	SEVM_DELIVER_INIT,
	SEVM_DELIVER_STARTUP,
	SEVM_DELIVER_EXTINT,
};

enum sevm_shorthand {
	SEVM_TO_DEST,
	SEVM_TO_SELF,
	SEVM_TO_ALL,
	SEVM_TO_OTHERS,
};

/* One interrupt message: from an ICR, an MSI, the IOAPIC. */
struct sevm_irq_msg {
	u32 dest;
	bool logical;
	u8 shorthand;		/* enum sevm_shorthand */
	u8 delivery;		/* enum sevm_delivery */
	u8 vector;
	bool level;		/* trigger mode */
	bool assert;
	bool lowest_hint;	/* MSI redirection hint */
};

/*
 * Anyone may set an IRR or TMR bit at any time, by atomic bit operations. The vCPU's
 * own thread writes all others; reset and KVM_SET_LAPIC overwrite all.
 */
struct sevm_apic_regs {
	u32 reg[SEVM_APIC_REGS_SIZE / sizeof(u32)];
} __aligned(16);

enum sevm_apic_mode {
	SEVM_APIC_DISABLED,
	SEVM_APIC_XAPIC,
	SEVM_APIC_X2APIC,
	SEVM_APIC_INVALID,
};

/* What a register access depends on besides the registers. */
struct sevm_apic_config {
	bool x2apic;
	bool tsc_deadline;	/* CPUID offers the timer mode */
	bool directed_eoi;	/* the version register does */
};

/* What is left to do after a register was written. */
enum sevm_apic_effect {
	SEVM_APIC_NOTHING,
	SEVM_APIC_FAULT,	/* no such register here, or a reserved bit */
	SEVM_APIC_PRIORITY,	/* TPR: something may be deliverable now */
	SEVM_APIC_END,		/* EOI */
	SEVM_APIC_SEND,		/* the ICR's low half */
	SEVM_APIC_SEND_SELF,	/* the self-IPI register: value is the vector */
	SEVM_APIC_TIMER_LVT,	/* LVTT may have changed */
	SEVM_APIC_TIMER_COUNT,	/* TMICT was written: start over */
	SEVM_APIC_TIMER_DIVIDE,	/* TDCR was written */
};

static inline u32 sevm_apic_reg(const struct sevm_apic_regs *regs, u32 offset)
{
	return READ_ONCE(regs->reg[offset / sizeof(u32)]);
}

static inline void sevm_apic_reg_set(struct sevm_apic_regs *regs, u32 offset, u32 value)
{
	WRITE_ONCE(regs->reg[offset / sizeof(u32)], value);
}

/* The 256-bit registers: bank is SEVM_APIC_ISR, _TMR or _IRR. */
bool sevm_apic_vector_test(const struct sevm_apic_regs *regs, u32 bank, u8 vector);
void sevm_apic_vector_set(struct sevm_apic_regs *regs, u32 bank, u8 vector);
void sevm_apic_vector_clear(struct sevm_apic_regs *regs, u32 bank, u8 vector);
int sevm_apic_vector_highest(const struct sevm_apic_regs *regs, u32 bank);	/* or -1 */

/* Recomputes and stores the processor priority. */
u8 sevm_apic_regs_ppr(struct sevm_apic_regs *regs);
/* Is this vector's class above the processor priority? */
bool sevm_apic_regs_allow(struct sevm_apic_regs *regs, u8 vector);
void sevm_apic_regs_accept(struct sevm_apic_regs *regs, u8 vector);
/* Ends the highest interrupt in service: its vector, or -1. */
int sevm_apic_regs_end(struct sevm_apic_regs *regs);

/*
 * Registers as after power-on or INIT, for an APIC in mode. The ID is written
 * at power-on only (init false). extint: LINT0 passes ExtINT from the start.
 */
void sevm_apic_regs_reset(struct sevm_apic_regs *regs, enum sevm_apic_mode mode,
			  u32 id, bool init, bool extint);
u32 sevm_apic_x2apic_ldr(u32 id);
/* The mode changed to mode: ID and, in x2APIC mode, LDR follow. */
void sevm_apic_regs_set_mode(struct sevm_apic_regs *regs, enum sevm_apic_mode mode, u32 id);

bool sevm_apic_readable(u32 offset, bool x2apic);
enum sevm_apic_effect sevm_apic_regs_write(struct sevm_apic_regs *regs,
					   const struct sevm_apic_config *config,
					   u32 offset, u32 value);
/* The x2APIC ICR, all 64 bits of it */
enum sevm_apic_effect sevm_apic_regs_write_icr(struct sevm_apic_regs *regs, u64 value);

u32 sevm_apic_regs_divide(const struct sevm_apic_regs *regs);

static inline enum sevm_apic_mode sevm_apic_base_mode(u64 base)
{
	if (base & SEVM_APIC_BASE_ENABLED)
		return base & SEVM_APIC_BASE_X2APIC ? SEVM_APIC_X2APIC : SEVM_APIC_XAPIC;
	return base & SEVM_APIC_BASE_X2APIC ? SEVM_APIC_INVALID : SEVM_APIC_DISABLED;
}

/*
 * May IA32_APIC_BASE go from old to new? reserved: bits that must be zero.
 * host: userspace may make any transition between valid modes.
 */
bool sevm_apic_base_allowed(u64 old, u64 new, u64 reserved, bool host);

/* Does dest (no shorthand) mean an APIC in this mode, of the vCPU id? */
bool sevm_apic_matches(const struct sevm_apic_regs *regs, enum sevm_apic_mode mode,
		       u32 id, u32 dest, bool logical);
void sevm_apic_decode_icr(u32 low, u32 high, bool x2apic, struct sevm_irq_msg *msg);
/* wide: destination bits 31:8 come from address bits 63:40 */
void sevm_apic_decode_msi(u64 address, u32 data, bool wide, struct sevm_irq_msg *msg);

#endif /* SEVM_SVM_APIC_REGS_H */
