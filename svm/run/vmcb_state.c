// SPDX-License-Identifier: GPL-2.0-only
/*
 * vmcb_state.c - the registers of a plain guest as the state ioctls see them.
 *
 * Translates between struct kvm_regs, kvm_sregs, the MSRs of the save area, and
 * the VMCB, and judges what a VMM may set. It runs with vcpu->mutex held and
 * never while the VMCB is in use; every set makes the whole VMCB dirty.
 */

#include <asm/msr-index.h>
#include <asm/processor-flags.h>

#include "vmcb_state.h"
#include "svm/kick.h"
#include "svm/cpu/cpuid.h"
#include "svm/cpu/host.h"
#include "svm/cpu/vmcb.h"
#include "svm/irq/apic.h"

/* Attributes of a segment, as in bits 8-15 and 20-23 of a descriptor's upper half. */
#define SEG_TYPE	0x00f
#define SEG_S		BIT(4)
#define SEG_DPL_SHIFT	5
#define SEG_P		BIT(7)
#define SEG_AVL		BIT(8)
#define SEG_L		BIT(9)
#define SEG_DB		BIT(10)
#define SEG_G		BIT(11)

#define CR0_WRITABLE	(X86_CR0_PE | X86_CR0_MP | X86_CR0_EM | X86_CR0_TS | \
			 X86_CR0_ET | X86_CR0_NE | X86_CR0_WP | X86_CR0_AM | \
			 X86_CR0_NW | X86_CR0_CD | X86_CR0_PG)

void sevm_vmcb_get_regs(struct sevm_vcpu *vcpu, struct kvm_regs *regs)
{
	const struct vmcb_save_area *s = &vcpu->vmcb->save;

	regs->rax = s->rax;
	regs->rbx = vcpu->regs[SEVM_RBX];
	regs->rcx = vcpu->regs[SEVM_RCX];
	regs->rdx = vcpu->regs[SEVM_RDX];
	regs->rsi = vcpu->regs[SEVM_RSI];
	regs->rdi = vcpu->regs[SEVM_RDI];
	regs->rsp = s->rsp;
	regs->rbp = vcpu->regs[SEVM_RBP];
	regs->r8 = vcpu->regs[SEVM_R8];
	regs->r9 = vcpu->regs[SEVM_R9];
	regs->r10 = vcpu->regs[SEVM_R10];
	regs->r11 = vcpu->regs[SEVM_R11];
	regs->r12 = vcpu->regs[SEVM_R12];
	regs->r13 = vcpu->regs[SEVM_R13];
	regs->r14 = vcpu->regs[SEVM_R14];
	regs->r15 = vcpu->regs[SEVM_R15];
	regs->rip = s->rip;
	regs->rflags = s->rflags;
}

void sevm_vmcb_set_regs(struct sevm_vcpu *vcpu, const struct kvm_regs *regs)
{
	struct vmcb_save_area *s = &vcpu->vmcb->save;

	s->rax = regs->rax;
	vcpu->regs[SEVM_RBX] = regs->rbx;
	vcpu->regs[SEVM_RCX] = regs->rcx;
	vcpu->regs[SEVM_RDX] = regs->rdx;
	vcpu->regs[SEVM_RSI] = regs->rsi;
	vcpu->regs[SEVM_RDI] = regs->rdi;
	s->rsp = regs->rsp;
	vcpu->regs[SEVM_RBP] = regs->rbp;
	vcpu->regs[SEVM_R8] = regs->r8;
	vcpu->regs[SEVM_R9] = regs->r9;
	vcpu->regs[SEVM_R10] = regs->r10;
	vcpu->regs[SEVM_R11] = regs->r11;
	vcpu->regs[SEVM_R12] = regs->r12;
	vcpu->regs[SEVM_R13] = regs->r13;
	vcpu->regs[SEVM_R14] = regs->r14;
	vcpu->regs[SEVM_R15] = regs->r15;
	s->rip = regs->rip;
	s->rflags = regs->rflags | X86_EFLAGS_FIXED;
	vcpu->vmcb->control.clean = 0;
}

static void get_segment(const struct vmcb_seg *seg, struct kvm_segment *out)
{
	memset(out, 0, sizeof(*out));
	out->base = seg->base;
	out->limit = seg->limit;
	out->selector = seg->selector;
	out->type = seg->attrib & SEG_TYPE;
	out->s = !!(seg->attrib & SEG_S);
	out->dpl = (seg->attrib >> SEG_DPL_SHIFT) & 3;
	out->present = !!(seg->attrib & SEG_P);
	out->avl = !!(seg->attrib & SEG_AVL);
	out->l = !!(seg->attrib & SEG_L);
	out->db = !!(seg->attrib & SEG_DB);
	/* Only the limit decides: real hardware may store G wrongly. */
	out->g = seg->limit > 0xfffff;
	out->unusable = !out->present;
}

static void set_segment(struct vmcb_seg *seg, const struct kvm_segment *in)
{
	seg->base = in->base;
	seg->limit = in->limit;
	seg->selector = in->selector;
	seg->attrib = in->type & SEG_TYPE;
	seg->attrib |= in->s ? SEG_S : 0;
	seg->attrib |= (in->dpl & 3) << SEG_DPL_SHIFT;
	seg->attrib |= in->present && !in->unusable ? SEG_P : 0;
	seg->attrib |= in->avl ? SEG_AVL : 0;
	seg->attrib |= in->l ? SEG_L : 0;
	seg->attrib |= in->db ? SEG_DB : 0;
	seg->attrib |= in->g ? SEG_G : 0;
}

/* A loaded data segment was accessed; the hardware may not have said so. */
static void get_data_segment(const struct vmcb_seg *seg, struct kvm_segment *out)
{
	get_segment(seg, out);
	if (!out->unusable)
		out->type |= 1;
}

void sevm_vmcb_get_sregs(struct sevm_vcpu *vcpu, struct kvm_sregs *sregs)
{
	const struct vmcb_save_area *s = &vcpu->vmcb->save;

	memset(sregs, 0, sizeof(*sregs));
	get_segment(&s->cs, &sregs->cs);
	get_data_segment(&s->ds, &sregs->ds);
	get_data_segment(&s->es, &sregs->es);
	get_data_segment(&s->fs, &sregs->fs);
	get_data_segment(&s->gs, &sregs->gs);
	get_data_segment(&s->ss, &sregs->ss);
	if (sregs->ss.unusable)
		sregs->ss.db = 0;
	sregs->ss.dpl = s->cpl;
	get_segment(&s->tr, &sregs->tr);
	sregs->tr.type |= 2;		/* busy */
	get_segment(&s->ldtr, &sregs->ldt);

	sregs->gdt.base = s->gdtr.base;
	sregs->gdt.limit = s->gdtr.limit;
	sregs->idt.base = s->idtr.base;
	sregs->idt.limit = s->idtr.limit;

	sregs->cr0 = s->cr0 | vcpu->cr0_hidden;
	sregs->cr2 = s->cr2;
	sregs->cr3 = s->cr3;
	sregs->cr4 = s->cr4;
	sregs->cr8 = vcpu->apic ? sevm_apic_get_cr8(vcpu) : vcpu->cr8;
	sregs->efer = s->efer & ~EFER_SVME;
	sregs->apic_base = vcpu->apic_base;
	if (vcpu->interrupt.injected)
		__set_bit(vcpu->interrupt.vector,
			  (unsigned long *)sregs->interrupt_bitmap);
}

static const struct {
	u64 bit;
	unsigned int feature;
} cr4_features[] = {
	{ X86_CR4_UMIP, X86_FEATURE_UMIP },
	{ X86_CR4_LA57, X86_FEATURE_LA57 },
	{ X86_CR4_FSGSBASE, X86_FEATURE_FSGSBASE },
	{ X86_CR4_PCIDE, X86_FEATURE_PCID },
	{ X86_CR4_OSXSAVE, X86_FEATURE_XSAVE },
	{ X86_CR4_SMEP, X86_FEATURE_SMEP },
	{ X86_CR4_SMAP, X86_FEATURE_SMAP },
	{ X86_CR4_PKE, X86_FEATURE_PKU },
};

static bool cr4_valid(struct sevm_vcpu *vcpu, u64 cr4)
{
	u64 allowed = X86_CR4_VME | X86_CR4_PVI | X86_CR4_TSD | X86_CR4_DE |
		      X86_CR4_PSE | X86_CR4_PAE | X86_CR4_MCE | X86_CR4_PGE |
		      X86_CR4_PCE | X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT;
	unsigned int i;

	/* Before KVM_SET_CPUID2: whatever the host has. */
	for (i = 0; i < ARRAY_SIZE(cr4_features); i++)
		if (vcpu->cpuid ? sevm_cpuid_has(vcpu, cr4_features[i].feature) :
				  boot_cpu_has(cr4_features[i].feature))
			allowed |= cr4_features[i].bit;
	return !(cr4 & ~allowed);
}

static bool sregs_valid(struct sevm_vcpu *vcpu, const struct kvm_sregs *sregs)
{
	u64 cr0 = sregs->cr0;

	if ((cr0 & ~(u64)0xffffffff) ||
	    ((cr0 & X86_CR0_NW) && !(cr0 & X86_CR0_CD)) ||
	    ((cr0 & X86_CR0_PG) && !(cr0 & X86_CR0_PE)))
		return false;

	if ((sregs->efer & EFER_LME) && (cr0 & X86_CR0_PG)) {
		if (!(sregs->cr4 & X86_CR4_PAE) || !(sregs->efer & EFER_LMA))
			return false;
		if (vcpu->phys_bits < 64 &&
		    (sregs->cr3 & ~vcpu->vm->cbit_mask) >> vcpu->phys_bits)
			return false;
	} else if ((sregs->efer & EFER_LMA) || sregs->cs.l) {
		return false;
	}
	return cr4_valid(vcpu, sregs->cr4);
}

int sevm_vmcb_set_sregs(struct sevm_vcpu *vcpu, const struct kvm_sregs *sregs)
{
	struct vmcb *vmcb = vcpu->vmcb;
	struct vmcb_save_area *s = &vmcb->save;
	struct kvm_segment ss;
	int vector, ret;

	if (!sregs_valid(vcpu, sregs))
		return -EINVAL;
	if (sregs->efer & ~(EFER_SCE | EFER_LME | EFER_LMA | EFER_NX |
			    EFER_FFXSR | EFER_LMSLE |
			    (sevm_host_caps.efer & EFER_AUTOIBRS)))
		return -EINVAL;
	ret = sevm_apic_msr_set(vcpu, MSR_IA32_APICBASE, sregs->apic_base, true);
	if (ret)
		return -EINVAL;

	set_segment(&s->cs, &sregs->cs);
	set_segment(&s->ds, &sregs->ds);
	set_segment(&s->es, &sregs->es);
	set_segment(&s->fs, &sregs->fs);
	set_segment(&s->gs, &sregs->gs);
	ss = sregs->ss;
	set_segment(&s->ss, &ss);
	s->cpl = ss.dpl & 3;
	set_segment(&s->tr, &sregs->tr);
	set_segment(&s->ldtr, &sregs->ldt);

	s->gdtr.base = sregs->gdt.base;
	s->gdtr.limit = sregs->gdt.limit;
	s->idtr.base = sregs->idt.base;
	s->idtr.limit = sregs->idt.limit;

	s->cr2 = sregs->cr2;
	s->cr3 = sregs->cr3;
	vcpu->cr0_hidden = sregs->cr0 & (X86_CR0_CD | X86_CR0_NW);
	s->cr0 = (sregs->cr0 & CR0_WRITABLE & ~vcpu->cr0_hidden) | X86_CR0_ET;
	s->cr4 = sregs->cr4;
	s->efer = sregs->efer | EFER_SVME;
	vcpu->cr0 = s->cr0;
	vcpu->cr4 = s->cr4;
	vcpu->efer = sregs->efer;

	sevm_vmcb_set_cr8(vcpu, sregs->cr8 & 0xf);
	sevm_apic_set_cr8(vcpu, sregs->cr8);
	vmcb->control.clean = 0;

	vector = find_first_bit((const unsigned long *)sregs->interrupt_bitmap, 256);
	if (vector < 256) {
		vcpu->interrupt.injected = true;
		vcpu->interrupt.vector = vector;
	}

	/* What the VMM changed may be cached under the old CR3. */
	sevm_vcpu_flush_tlb(vcpu);
	return 0;
}

static u64 *msr_field(struct vmcb_save_area *s, u32 index)
{
	switch (index) {
	case MSR_STAR:
		return &s->star;
	case MSR_LSTAR:
		return &s->lstar;
	case MSR_CSTAR:
		return &s->cstar;
	case MSR_SYSCALL_MASK:
		return &s->sfmask;
	case MSR_KERNEL_GS_BASE:
		return &s->kernel_gs_base;
	case MSR_FS_BASE:
		return &s->fs.base;
	case MSR_GS_BASE:
		return &s->gs.base;
	case MSR_IA32_SYSENTER_CS:
		return &s->sysenter_cs;
	case MSR_IA32_SYSENTER_ESP:
		return &s->sysenter_esp;
	case MSR_IA32_SYSENTER_EIP:
		return &s->sysenter_eip;
	case MSR_IA32_DEBUGCTLMSR:
		return &s->dbgctl;
	case MSR_IA32_LASTBRANCHFROMIP:
		return &s->br_from;
	case MSR_IA32_LASTBRANCHTOIP:
		return &s->br_to;
	case MSR_IA32_LASTINTFROMIP:
		return &s->last_excp_from;
	case MSR_IA32_LASTINTTOIP:
		return &s->last_excp_to;
	default:
		return NULL;
	}
}

bool sevm_vmcb_get_msr(struct sevm_vcpu *vcpu, u32 index, u64 *data)
{
	u64 *field = msr_field(&vcpu->vmcb->save, index);

	if (field)
		*data = *field;
	else if (index == MSR_EFER)
		*data = vcpu->efer;
	else if (index == MSR_IA32_CR_PAT)
		*data = vcpu->pat;
	else
		return false;
	return true;
}

bool sevm_vmcb_set_msr(struct sevm_vcpu *vcpu, u32 index, u64 data)
{
	u64 *field = msr_field(&vcpu->vmcb->save, index);

	if (field) {
		*field = data;
	} else if (index == MSR_EFER) {
		vcpu->efer = data & ~EFER_SVME;
		vcpu->vmcb->save.efer = data | EFER_SVME;
	} else if (index == MSR_IA32_CR_PAT) {
		vcpu->pat = data;
	} else {
		return false;
	}
	vcpu->vmcb->control.clean = 0;
	return true;
}
