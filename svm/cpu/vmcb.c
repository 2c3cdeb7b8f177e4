// SPDX-License-Identifier: GPL-2.0-only
/*
 * vmcb.c - the only writer of the VMCB, beside svm/run/vmcb_state.c.
 *
 * Holds the intercepts of plain and SEV-ES guests, the registers that live in
 * the save area, and what goes in before VMRUN and comes out after it. The
 * state ioctls' view of the save area is in vmcb_state.c.
 *
 * Invariant: whoever writes a field clears the clean bit that covers it; all
 * of them are clear when the vCPU comes to another CPU.
 */

#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <asm/debugreg.h>
#include <asm/processor-flags.h>

#include "host.h"
#include "msr_map.h"
#include "vmcb.h"

/* The IOPM: 8 KiB, and a page for accesses that reach past 0xffff. All ones. */
#define IOPM_ORDER	2
static struct page *iopm;

static void intercept(struct vmcb_control_area *c, unsigned int bit)
{
	c->intercepts[bit / 32] |= 1U << (bit % 32);
}

static void unintercept(struct vmcb_control_area *c, unsigned int bit)
{
	c->intercepts[bit / 32] &= ~(1U << (bit % 32));
}

/*
 * What both kinds of guest exit for. #DB and #AC: a guest can make the CPU
 * deliver one for ever without ever reaching an instruction boundary.
 */
static const u16 common_intercepts[] = {
	INTERCEPT_EXCEPTION_OFFSET + 1,		/* #DB */
	INTERCEPT_EXCEPTION_OFFSET + 17,	/* #AC */
	INTERCEPT_EXCEPTION_OFFSET + 18,	/* #MC */
	INTERCEPT_INTR, INTERCEPT_NMI, INTERCEPT_SMI, INTERCEPT_INIT,
	INTERCEPT_RDPMC, INTERCEPT_CPUID, INTERCEPT_RSM, INTERCEPT_INVD,
	INTERCEPT_HLT, INTERCEPT_INVLPGA, INTERCEPT_IOIO_PROT,
	INTERCEPT_MSR_PROT, INTERCEPT_TASK_SWITCH, INTERCEPT_SHUTDOWN,
	INTERCEPT_VMRUN, INTERCEPT_VMMCALL, INTERCEPT_VMLOAD,
	INTERCEPT_VMSAVE, INTERCEPT_STGI, INTERCEPT_CLGI, INTERCEPT_SKINIT,
	INTERCEPT_WBINVD, INTERCEPT_MONITOR, INTERCEPT_MWAIT,
	INTERCEPT_RDPRU,
};

static const u16 plain_intercepts[] = {
	INTERCEPT_XSETBV,
};

/*
 * #VC must not be intercepted, nor what its handler needs: IRET. Non-automatic
 * exits become #VC in the guest.
 */
static const u16 es_intercepts[] = {
	INTERCEPT_DR7_READ, INTERCEPT_DR7_WRITE,
	TRAP_EFER_WRITE, TRAP_CR0_WRITE, TRAP_CR4_WRITE, TRAP_CR8_WRITE,
};

int sevm_vmcb_setup(void)
{
	iopm = alloc_pages(GFP_KERNEL, IOPM_ORDER);
	if (!iopm)
		return -ENOMEM;
	memset(page_address(iopm), 0xff, PAGE_SIZE << IOPM_ORDER);
	return 0;
}

void sevm_vmcb_teardown(void)
{
	__free_pages(iopm, IOPM_ORDER);
}

int sevm_vmcb_alloc(struct sevm_vcpu *vcpu)
{
	struct page *page = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);

	if (!page)
		return -ENOMEM;
	vcpu->vmcb = page_address(page);
	vcpu->vmcb_pa = __sme_set(page_to_phys(page));
	vcpu->cpu = -1;
	return 0;
}

void sevm_vmcb_free(struct sevm_vcpu *vcpu)
{
	free_page((unsigned long)vcpu->vmcb);
	vcpu->vmcb = NULL;
}

static void init_control(struct sevm_vcpu *vcpu)
{
	struct vmcb_control_area *c = &vcpu->vmcb->control;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(common_intercepts); i++)
		intercept(c, common_intercepts[i]);

	c->iopm_base_pa = __sme_set(page_to_phys(iopm));
	c->nested_ctl = SVM_NESTED_CTL_NP_ENABLE;
	c->nested_cr3 = vcpu->vm->npt.root_pa;
	c->int_ctl = V_INTR_MASKING_MASK;
	c->tsc_offset = vcpu->tsc_offset;
}

static void reset_segment(struct vmcb_seg *seg, u16 attrib)
{
	seg->selector = 0;
	seg->base = 0;
	seg->limit = 0xffff;
	seg->attrib = attrib;
}

static void reset_save(struct sevm_vcpu *vcpu)
{
	struct vmcb_save_area *s = &vcpu->vmcb->save;

	reset_segment(&s->es, 0x93);
	reset_segment(&s->ss, 0x93);
	reset_segment(&s->ds, 0x93);
	reset_segment(&s->fs, 0x93);
	reset_segment(&s->gs, 0x93);
	reset_segment(&s->cs, 0x9a);
	s->cs.selector = 0xf000;
	s->cs.base = 0xffff0000;
	reset_segment(&s->gdtr, 0);
	reset_segment(&s->idtr, 0);
	reset_segment(&s->ldtr, 0x82);
	reset_segment(&s->tr, 0x83);

	s->cpl = 0;
	s->efer = EFER_SVME;
	s->cr0 = X86_CR0_ET;
	s->cr3 = 0;
	s->cr4 = 0;
	s->cr2 = 0;
	s->dr6 = DR6_RESERVED;
	s->dr7 = 0x400;
	s->rflags = X86_EFLAGS_FIXED;
	s->rip = 0xfff0;
	s->rsp = 0;
	s->rax = 0;
	s->g_pat = vcpu->pat;
}

/*
 * INIT keeps what the architecture says it keeps: of the save area the MSRs that
 * reset_save() leaves alone (syscall, SYSENTER, debug); and of a protected guest
 * its VMSA and GHCB. CR0 after RESET has CD and NW set; a guest under nested paging
 * runs without them, because with them it would run uncached. They are shown to
 * userspace until the guest writes CR0.
 */
void sevm_vmcb_reset(struct sevm_vcpu *vcpu, bool init)
{
	struct vmcb *vmcb = vcpu->vmcb;
	u64 ghcb = vmcb->control.ghcb_gpa;
	u64 vmsa = vmcb->control.vmsa_pa;
	unsigned int i;

	memset(&vmcb->control, 0, sizeof(vmcb->control));
	if (init) {
		vmcb->control.ghcb_gpa = ghcb;
		vmcb->control.vmsa_pa = vmsa;
	} else {
		memset(&vmcb->save, 0, sizeof(vmcb->save));
	}

	init_control(vcpu);
	vmcb->control.msrpm_base_pa = __sme_set(sevm_msr_map_plain());
	for (i = 0; i < ARRAY_SIZE(plain_intercepts); i++)
		intercept(&vmcb->control, plain_intercepts[i]);
	sevm_vmcb_set_dr_intercept(vcpu, true);
	/* A protected guest's registers are in its VMSA. */
	if (!sevm_vmcb_has_vmsa(vcpu))
		reset_save(vcpu);
	memset(vcpu->regs, 0, sizeof(vcpu->regs));
	vcpu->asid = 0;
	vcpu->asid_generation = 0;
	vcpu->cr0 = X86_CR0_ET;
	vcpu->cr0_hidden = init ? vcpu->cr0_hidden : X86_CR0_CD | X86_CR0_NW;
	vcpu->cr4 = 0;
	vcpu->cr8 = 0;
	vcpu->efer = 0;
}

void sevm_vmcb_init_es(struct sevm_vcpu *vcpu)
{
	struct vmcb_control_area *c = &vcpu->vmcb->control;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(plain_intercepts); i++)
		unintercept(c, plain_intercepts[i]);
	c->intercepts[INTERCEPT_DR] = 0;
	for (i = 0; i < ARRAY_SIZE(es_intercepts); i++)
		intercept(c, es_intercepts[i]);

	c->nested_ctl |= SVM_NESTED_CTL_SEV_ENABLE | SVM_NESTED_CTL_SEV_ES_ENABLE;
	c->virt_ext |= LBR_CTL_ENABLE_MASK;
	c->msrpm_base_pa = __sme_set(sevm_msr_map_protected());
	c->clean = 0;
}

void sevm_vmcb_protect(struct sevm_vcpu *vcpu, u64 vmsa_pa)
{
	vcpu->vmcb->control.vmsa_pa = vmsa_pa;
	/* KVM_SET_VCPU_EVENTS may have asked for it. */
	sevm_vmcb_set_iret_intercept(vcpu, false);
	vcpu->vmcb->control.clean = 0;
}

void sevm_vmcb_set_interrupt_shadow(struct sevm_vcpu *vcpu, bool on)
{
	u32 *state = &vcpu->vmcb->control.int_state;

	if (on)
		*state |= SVM_INTERRUPT_SHADOW_MASK;
	else
		*state &= ~SVM_INTERRUPT_SHADOW_MASK;
}

void sevm_vmcb_inject(struct sevm_vcpu *vcpu, u32 event, u32 error_code)
{
	vcpu->vmcb->control.event_inj = event;
	vcpu->vmcb->control.event_inj_err = error_code;
}

/*
 * A virtual interrupt that is never delivered: VINTR is intercepted, so the
 * guest exits at the first instruction that could take an interrupt of this
 * priority. Priority -1: of any, whatever CR8 says.
 */
void sevm_vmcb_set_window(struct sevm_vcpu *vcpu, bool open, int priority)
{
	struct vmcb_control_area *c = &vcpu->vmcb->control;
	bool was_open = sevm_vmcb_window_open(vcpu);

	if (!open && !was_open)
		return;
	c->int_ctl &= ~V_IRQ_INJECTION_BITS_MASK;
	if (open) {
		c->int_ctl |= V_IRQ_MASK;
		if (priority < 0)
			c->int_ctl |= V_IGN_TPR_MASK | V_INTR_PRIO_MASK;
		else
			c->int_ctl |= priority << V_INTR_PRIO_SHIFT;
		intercept(c, INTERCEPT_VINTR);
	} else {
		unintercept(c, INTERCEPT_VINTR);
	}
	c->clean &= ~VMCB_CLEAN_INTR;
	if (was_open != open)
		c->clean &= ~VMCB_CLEAN_INTERCEPTS;
}

void sevm_vmcb_set_iret_intercept(struct sevm_vcpu *vcpu, bool on)
{
	struct vmcb_control_area *c = &vcpu->vmcb->control;

	if (on)
		intercept(c, INTERCEPT_IRET);
	else
		unintercept(c, INTERCEPT_IRET);
	c->clean &= ~VMCB_CLEAN_INTERCEPTS;
}

void sevm_vmcb_set_dr_intercept(struct sevm_vcpu *vcpu, bool on)
{
	vcpu->vmcb->control.intercepts[INTERCEPT_DR] = on ? 0x00ff00ff : 0;
	vcpu->vmcb->control.clean &= ~VMCB_CLEAN_INTERCEPTS;
}

void sevm_vmcb_set_cr8(struct sevm_vcpu *vcpu, u8 cr8)
{
	struct vmcb_control_area *c = &vcpu->vmcb->control;

	c->int_ctl = (c->int_ctl & ~V_TPR_MASK) | (cr8 & V_TPR_MASK);
	c->clean &= ~VMCB_CLEAN_INTR;
	vcpu->cr8 = cr8 & V_TPR_MASK;
}

void sevm_vmcb_enter(struct sevm_vcpu *vcpu, int cpu)
{
	struct vmcb *vmcb = vcpu->vmcb;
	struct vmcb_control_area *c = &vmcb->control;

	if (vcpu->cpu != cpu)
		c->clean = 0;
	if (c->tsc_offset != vcpu->tsc_offset) {
		c->tsc_offset = vcpu->tsc_offset;
		c->clean &= ~VMCB_CLEAN_INTERCEPTS;
	}
	if (vmcb->save.g_pat != vcpu->pat) {
		vmcb->save.g_pat = vcpu->pat;
		c->clean &= ~VMCB_CLEAN_NP;
	}
	if (sevm_host_caps.v_spec_ctrl)
		vmcb->save.spec_ctrl = vcpu->spec_ctrl;
}

void sevm_vmcb_forget_cached(struct sevm_vcpu *vcpu)
{
	vcpu->vmcb->control.clean = 0;
}

void sevm_vmcb_leave(struct sevm_vcpu *vcpu)
{
	struct vmcb *vmcb = vcpu->vmcb;
	struct vmcb_control_area *c = &vmcb->control;
	struct sevm_exit *exit = &vcpu->exit;

	exit->code = sevm_vmcb_exit_code(c);
	exit->info1 = c->exit_info_1;
	exit->info2 = c->exit_info_2;
	exit->intr_info = (u64)c->exit_int_info_err << 32 | c->exit_int_info;

	c->tlb_ctl = TLB_CONTROL_DO_NOTHING;
	c->event_inj = 0;
	c->clean = sevm_host_caps.vmcb_clean ? VMCB_CLEAN_ALL : 0;

	if (sevm_vmcb_has_vmsa(vcpu))
		return;

	exit->next_rip = c->next_rip;
	exit->insn_len = min_t(u8, c->insn_len & 0xf, sizeof(exit->insn_bytes));
	memcpy(exit->insn_bytes, c->insn_bytes, sizeof(exit->insn_bytes));

	/* What a plain guest may have changed without an exit. */
	if (vcpu->cr0 != vmcb->save.cr0)
		vcpu->cr0_hidden = 0;
	vcpu->cr0 = vmcb->save.cr0;
	vcpu->cr4 = vmcb->save.cr4;
	vcpu->efer = vmcb->save.efer & ~EFER_SVME;
}

void sevm_vmcb_set_real_cs(struct sevm_vcpu *vcpu, u16 selector)
{
	vcpu->vmcb->save.cs.selector = selector;
	vcpu->vmcb->save.cs.base = (u32)selector << 4;
	vcpu->vmcb->control.clean &= ~VMCB_CLEAN_SEG;
}

void sevm_vmcb_set_cr2(struct sevm_vcpu *vcpu, u64 cr2)
{
	vcpu->vmcb->save.cr2 = cr2;
	vcpu->vmcb->control.clean &= ~VMCB_CLEAN_CR2;
}

void sevm_vmcb_get_dr67(struct sevm_vcpu *vcpu, u64 *dr6, u64 *dr7)
{
	*dr6 = vcpu->vmcb->save.dr6;
	*dr7 = vcpu->vmcb->save.dr7;
}

void sevm_vmcb_set_dr67(struct sevm_vcpu *vcpu, u64 dr6, u64 dr7)
{
	vcpu->vmcb->save.dr6 = dr6;
	vcpu->vmcb->save.dr7 = dr7;
	vcpu->vmcb->control.clean &= ~VMCB_CLEAN_DR;
}

void sevm_vmcb_dump(struct sevm_vcpu *vcpu)
{
	const struct vmcb_control_area *c = &vcpu->vmcb->control;
	const struct vmcb_save_area *s = &vcpu->vmcb->save;

	pr_err("vcpu %u: exit %016llx info %016llx %016llx int %016llx\n",
	       vcpu->id, vcpu->exit.code, vcpu->exit.info1, vcpu->exit.info2,
	       vcpu->exit.intr_info);
	pr_err("  intercepts %08x %08x %08x %08x %08x %08x\n",
	       c->intercepts[0], c->intercepts[1], c->intercepts[2],
	       c->intercepts[3], c->intercepts[4], c->intercepts[5]);
	pr_err("  asid %u tlb %u int_ctl %08x int_state %08x np %llx ncr3 %llx virt_ext %llx clean %x\n",
	       c->asid, c->tlb_ctl, c->int_ctl, c->int_state, c->nested_ctl,
	       c->nested_cr3, c->virt_ext, c->clean);
	pr_err("  event_inj %08x err %08x iopm %llx msrpm %llx vmsa %llx ghcb %llx\n",
	       c->event_inj, c->event_inj_err, c->iopm_base_pa,
	       c->msrpm_base_pa, c->vmsa_pa, c->ghcb_gpa);
	if (sevm_vmcb_has_vmsa(vcpu))
		return;
	pr_err("  cr0 %llx cr3 %llx cr4 %llx efer %llx rip %llx rflags %llx cpl %u dr6 %llx dr7 %llx\n",
	       s->cr0, s->cr3, s->cr4, s->efer, s->rip, s->rflags, s->cpl,
	       s->dr6, s->dr7);
	pr_err("  cs %04x %04x %08x %llx ss %04x %04x tr %04x %04x\n",
	       s->cs.selector, s->cs.attrib, s->cs.limit, s->cs.base,
	       s->ss.selector, s->ss.attrib, s->tr.selector, s->tr.attrib);
}
