// SPDX-License-Identifier: GPL-2.0-only
/*
 * vmsa.c - what a vCPU's VMSA must look like, from the state that the VMM set.
 *
 * The hypervisor makes the VMSA and the firmware measures it, so who checks the
 * measurement must know what hypervisors fill in by themselves: EFER.SVME,
 * the fixed bits of DR6, DR7 and RFLAGS, PAT, XCR0, and struct vmsa_habits.
 */
#include <string.h>

#include "sevm-run.h"

#define VMSA_ES		0x000
#define VMSA_CS		0x010
#define VMSA_SS		0x020
#define VMSA_DS		0x030
#define VMSA_FS		0x040
#define VMSA_GS		0x050
#define VMSA_GDTR	0x060
#define VMSA_LDTR	0x070
#define VMSA_IDTR	0x080
#define VMSA_TR		0x090
#define VMSA_CPL	0x0cb
#define VMSA_EFER	0x0d0
#define VMSA_CR4	0x148
#define VMSA_CR3	0x150
#define VMSA_CR0	0x158
#define VMSA_DR7	0x160
#define VMSA_DR6	0x168
#define VMSA_RFLAGS	0x170
#define VMSA_RIP	0x178
#define VMSA_RSP	0x1d8
#define VMSA_RAX	0x1f8
#define VMSA_CR2	0x240
#define VMSA_PAT	0x268
#define VMSA_RCX	0x308
#define VMSA_RDX	0x310
#define VMSA_RBX	0x318
#define VMSA_RBP	0x328
#define VMSA_RSI	0x330
#define VMSA_RDI	0x338
#define VMSA_R8		0x340
#define VMSA_XCR0	0x3e8
#define VMSA_MXCSR	0x408
#define VMSA_FCW	0x410

#define EFER_SVME	BIT_ULL(12)
#define CR4_MCE		BIT_ULL(6)
#define CR0_CD_NW	(3ULL << 29)

static void put(uint8_t *at, uint64_t value, size_t size)
{
	memcpy(at, &value, size);		/* this is x86: little-endian */
}

static void segment(uint8_t *at, const struct kvm_segment *s)
{
	put(at, s->selector, 2);
	put(at + 2, s->type | s->s << 4 | s->dpl << 5 |
	    (s->present && !s->unusable) << 7 | s->avl << 8 | s->l << 9 |
	    s->db << 10 | s->g << 11, 2);
	put(at + 4, s->limit, 4);
	put(at + 8, s->base, 8);
}

static void table(uint8_t *at, const struct kvm_dtable *t)
{
	put(at + 4, t->limit, 4);
	put(at + 8, t->base, 8);
}

void vmsa_build(uint8_t *page, const struct vcpu *vcpu, const struct vmsa_habits *habits)
{
	const struct kvm_sregs *s = &vcpu->sregs;
	const struct kvm_regs *r = &vcpu->regs;
	const __u64 high[8] = { r->r8, r->r9, r->r10, r->r11, r->r12, r->r13, r->r14, r->r15 };

	memset(page, 0, PAGE_SIZE);
	segment(page + VMSA_ES, &s->es);
	segment(page + VMSA_CS, &s->cs);
	segment(page + VMSA_SS, &s->ss);
	segment(page + VMSA_DS, &s->ds);
	segment(page + VMSA_FS, &s->fs);
	segment(page + VMSA_GS, &s->gs);
	segment(page + VMSA_LDTR, &s->ldt);
	segment(page + VMSA_TR, &s->tr);
	table(page + VMSA_GDTR, &s->gdt);
	table(page + VMSA_IDTR, &s->idt);

	put(page + VMSA_CPL, s->ss.dpl, 1);
	put(page + VMSA_EFER, s->efer | EFER_SVME, 8);
	put(page + VMSA_CR0, s->cr0 & ~CR0_CD_NW, 8);
	put(page + VMSA_CR3, s->cr3, 8);
	put(page + VMSA_CR4, s->cr4 | (habits->machine_checks ? CR4_MCE : 0), 8);
	put(page + VMSA_DR6, 0xffff0ff0, 8);
	put(page + VMSA_DR7, 0x400, 8);
	put(page + VMSA_RFLAGS, r->rflags | 2, 8);
	put(page + VMSA_PAT, 0x0007040600070406, 8);
	put(page + VMSA_XCR0, 1, 8);

	put(page + VMSA_RIP, r->rip, 8);
	put(page + VMSA_RSP, r->rsp, 8);
	put(page + VMSA_RAX, r->rax, 8);
	put(page + VMSA_RCX, r->rcx, 8);
	put(page + VMSA_RDX, r->rdx, 8);
	put(page + VMSA_RBX, r->rbx, 8);
	put(page + VMSA_RBP, r->rbp, 8);
	put(page + VMSA_RSI, r->rsi, 8);
	put(page + VMSA_RDI, r->rdi, 8);
	memcpy(page + VMSA_R8, high, sizeof(high));

	if (habits->fpu) {
		put(page + VMSA_MXCSR, 0x1f80, 4);
		put(page + VMSA_FCW, 0x37f, 2);
	}
}
