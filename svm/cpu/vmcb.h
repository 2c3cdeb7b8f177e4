/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vmcb.h - the only writer of the VMCB, beside svm/run/vmcb_state.c.
 */
#ifndef SEVM_SVM_VMCB_H
#define SEVM_SVM_VMCB_H

#include <asm/svm.h>

#include "svm/sevm.h"

/* Clean bits: the CPU may take from its cache what the bit covers. */
#define VMCB_CLEAN_INTERCEPTS	BIT(0)	/* and TSC offset, pause filter */
#define VMCB_CLEAN_PERM_MAP	BIT(1)
#define VMCB_CLEAN_ASID		BIT(2)
#define VMCB_CLEAN_INTR		BIT(3)
#define VMCB_CLEAN_NP		BIT(4)	/* nested CR3, G_PAT */
#define VMCB_CLEAN_CR		BIT(5)	/* CR0, CR3, CR4, EFER */
#define VMCB_CLEAN_DR		BIT(6)
#define VMCB_CLEAN_DT		BIT(7)
#define VMCB_CLEAN_SEG		BIT(8)	/* and CPL */
#define VMCB_CLEAN_CR2		BIT(9)
#define VMCB_CLEAN_LBR		BIT(10)
#define VMCB_CLEAN_ALL		0x7ffU

int sevm_vmcb_setup(void);	/* once: the I/O permission map, all ones */
void sevm_vmcb_teardown(void);

int sevm_vmcb_alloc(struct sevm_vcpu *vcpu);
void sevm_vmcb_free(struct sevm_vcpu *vcpu);

/*
 * Control area as after power-on, with the intercepts of a plain guest. Save area too,
 * but for some MSRs after an INIT; with a VMSA it is not used and left alone.
 */
void sevm_vmcb_reset(struct sevm_vcpu *vcpu, bool init);

/*
 * The control area of a SEV-ES guest: NP, SEV, SEV-ES and LBR bits, its
 * intercepts and traps, its MSR map. Again after each sevm_vmcb_reset().
 * The VMSA's address comes with sevm_vmcb_protect().
 */
void sevm_vmcb_init_es(struct sevm_vcpu *vcpu);
void sevm_vmcb_protect(struct sevm_vcpu *vcpu, u64 vmsa_pa);

static inline bool sevm_vmcb_has_vmsa(struct sevm_vcpu *vcpu)	/* was it protected? */
{
	return vcpu->vmcb->control.vmsa_pa;
}

/* The save area: a plain guest's, or what the VMM set, for the VMSA at launch. */
static inline const struct vmcb_save_area *sevm_vmcb_save(struct sevm_vcpu *vcpu)
{
	return &vcpu->vmcb->save;
}

/* The GHCB MSR */
static inline u64 sevm_vmcb_get_ghcb(struct sevm_vcpu *vcpu)
{
	return vcpu->vmcb->control.ghcb_gpa;
}

static inline void sevm_vmcb_set_ghcb(struct sevm_vcpu *vcpu, u64 value)
{
	vcpu->vmcb->control.ghcb_gpa = value;
}

/* RFLAGS.IF of a SEV-ES guest, and the interrupt shadow of any. */
static inline bool sevm_vmcb_es_interrupt_flag(struct sevm_vcpu *vcpu)
{
	return vcpu->vmcb->control.int_state & SVM_GUEST_INTERRUPT_MASK;
}

static inline bool sevm_vmcb_interrupt_shadow(struct sevm_vcpu *vcpu)
{
	return vcpu->vmcb->control.int_state & SVM_INTERRUPT_SHADOW_MASK;
}

/* Of a plain guest: long mode, and not its compatibility mode */
static inline bool sevm_vmcb_in_64bit_mode(struct sevm_vcpu *vcpu)
{
	const struct vmcb_save_area *s = &vcpu->vmcb->save;

	return (s->efer & EFER_LMA) && (s->cs.attrib & SVM_SELECTOR_L_MASK);
}

/* Registers of a plain guest, or before launch */
static inline u64 sevm_vmcb_get_rip(struct sevm_vcpu *vcpu)
{
	return vcpu->vmcb->save.rip;
}

static inline void sevm_vmcb_set_rip(struct sevm_vcpu *vcpu, u64 rip)
{
	vcpu->vmcb->save.rip = rip;
}

static inline u64 sevm_vmcb_get_rflags(struct sevm_vcpu *vcpu)
{
	return vcpu->vmcb->save.rflags;
}

static inline u8 sevm_vmcb_get_cpl(struct sevm_vcpu *vcpu)
{
	return vcpu->vmcb->save.cpl;
}

static inline u64 sevm_vmcb_get_rax(struct sevm_vcpu *vcpu)
{
	return vcpu->vmcb->save.rax;
}

static inline void sevm_vmcb_set_rax(struct sevm_vcpu *vcpu, u64 value)
{
	vcpu->vmcb->save.rax = value;
}

/* The vCPU's own thread, interrupts off: what other files keep goes in. */
void sevm_vmcb_enter(struct sevm_vcpu *vcpu, int cpu);
/* And back out, just after the world switch: vcpu->exit. */
void sevm_vmcb_leave(struct sevm_vcpu *vcpu);
/* Clear all clean bits. */
void sevm_vmcb_forget_cached(struct sevm_vcpu *vcpu);

/* For tlb.c */
static inline void sevm_vmcb_set_asid(struct sevm_vcpu *vcpu, u32 asid, u8 tlb_control)
{
	struct vmcb_control_area *c = &vcpu->vmcb->control;

	if (c->asid != asid) {
		c->asid = asid;
		c->clean &= ~VMCB_CLEAN_ASID;
	}
	c->tlb_ctl = tlb_control;
}

/* For event.c: EVENTINJ, and the window in which an interrupt could go in. */
void sevm_vmcb_inject(struct sevm_vcpu *vcpu, u32 event, u32 error_code);
void sevm_vmcb_set_window(struct sevm_vcpu *vcpu, bool open, int priority);
static inline bool sevm_vmcb_window_open(struct sevm_vcpu *vcpu)
{
	return vcpu->vmcb->control.int_ctl & V_IRQ_MASK;
}

void sevm_vmcb_set_iret_intercept(struct sevm_vcpu *vcpu, bool on);
void sevm_vmcb_set_interrupt_shadow(struct sevm_vcpu *vcpu, bool on);
static inline void sevm_vmcb_clear_interrupt_shadow(struct sevm_vcpu *vcpu)
{
	sevm_vmcb_set_interrupt_shadow(vcpu, false);
}

void sevm_vmcb_set_real_cs(struct sevm_vcpu *vcpu, u16 selector);
void sevm_vmcb_set_cr2(struct sevm_vcpu *vcpu, u64 cr2);
static inline u8 sevm_vmcb_get_cr8(struct sevm_vcpu *vcpu)
{
	return vcpu->vmcb->control.int_ctl & V_TPR_MASK;
}

void sevm_vmcb_set_cr8(struct sevm_vcpu *vcpu, u8 cr8);

/* For debug.c */
void sevm_vmcb_set_dr_intercept(struct sevm_vcpu *vcpu, bool on);
void sevm_vmcb_get_dr67(struct sevm_vcpu *vcpu, u64 *dr6, u64 *dr7);
void sevm_vmcb_set_dr67(struct sevm_vcpu *vcpu, u64 dr6, u64 dr7);

/* Everything the hardware was given, to the log: after VMEXIT_INVALID. */
void sevm_vmcb_dump(struct sevm_vcpu *vcpu);

#endif /* SEVM_SVM_VMCB_H */
