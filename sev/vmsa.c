// SPDX-License-Identifier: GPL-2.0-only
/*
 * vmsa.c - the VMSA, from the vCPU's state at launch.
 *
 * What is written here is measured: the owner of the guest computes the same
 * bytes, and knows them as KVM writes them. Nothing may depend on the host but
 * what KVM lets depend on it (CR4.MCE).
 */
#include <linux/string.h>
#include <asm/fpu/types.h>
#include <asm/tlbflush.h>

#include "sev.h"
#include "svm/cpu/fpu.h"
#include "svm/cpu/vmcb.h"

#define DR7_RESET	0x400

/*
 * x87 registers: first the eight mantissas, then the eight exponents. An XSAVE
 * image has them in slots of 16 bytes.
 */
static void fill_x87(u8 *vmsa, const u32 *st_space)
{
	const u8 *st = (const u8 *)st_space;
	int i;

	for (i = 0; i < 8; i++) {
		memcpy(vmsa + i * 8, st + i * 16, 8);
		memcpy(vmsa + 64 + i * 2, st + i * 16 + 8, 2);
	}
}

static void fill_fpu(struct sev_es_save_area *vmsa, const struct xregs_state *image)
{
	const struct fxregs_state *fx = &image->i387;

	vmsa->x87_dp = fx->rdp;
	vmsa->x87_rip = fx->rip;
	vmsa->x87_ftw = fx->twd;
	vmsa->x87_fsw = fx->swd;
	vmsa->x87_fcw = fx->cwd;
	vmsa->x87_fop = fx->fop;
	vmsa->mxcsr = fx->mxcsr;
	fill_x87(vmsa->fpreg_x87, fx->st_space);
	memcpy(vmsa->fpreg_xmm, fx->xmm_space, sizeof(vmsa->fpreg_xmm));

	/* First of the extended components, so at its place in either format. */
	if (image->header.xfeatures & XFEATURE_MASK_YMM)
		memcpy(vmsa->fpreg_ymm, image->extended_state_area,
		       sizeof(vmsa->fpreg_ymm));
}

int sevm_vmsa_fill(struct sevm_vcpu *vcpu)
{
	const struct vmcb_save_area *save = sevm_vmcb_save(vcpu);
	struct sevm_es_vm *vm = sevm_es_vm(vcpu->vm);
	struct sev_es_save_area *vmsa = sevm_es_vcpu(vcpu)->vmsa;
	const void *image = sevm_fpu_image(vcpu);

	/* Armed breakpoints would leak their existence and stop nobody. */
	if (save->dr7 & ~(u64)DR7_RESET)
		return -EINVAL;

	memset(vmsa, 0, PAGE_SIZE);
	memcpy(vmsa, save, sizeof(*save));

	/* What KVM has in the VMCB whatever the VMM says: no caching disabled, MCE on. */
	vmsa->efer |= EFER_SVME;
	vmsa->cr0 &= ~(u64)(X86_CR0_CD | X86_CR0_NW);
	vmsa->cr4 |= __read_cr4() & X86_CR4_MCE;
	/* Reaches the VMCB at an entry only. */
	vmsa->g_pat = vcpu->pat;

	vmsa->rcx = vcpu->regs[SEVM_RCX];
	vmsa->rdx = vcpu->regs[SEVM_RDX];
	vmsa->rbx = vcpu->regs[SEVM_RBX];
	vmsa->rbp = vcpu->regs[SEVM_RBP];
	vmsa->rsi = vcpu->regs[SEVM_RSI];
	vmsa->rdi = vcpu->regs[SEVM_RDI];
	vmsa->r8 = vcpu->regs[SEVM_R8];
	vmsa->r9 = vcpu->regs[SEVM_R9];
	vmsa->r10 = vcpu->regs[SEVM_R10];
	vmsa->r11 = vcpu->regs[SEVM_R11];
	vmsa->r12 = vcpu->regs[SEVM_R12];
	vmsa->r13 = vcpu->regs[SEVM_R13];
	vmsa->r14 = vcpu->regs[SEVM_R14];
	vmsa->r15 = vcpu->regs[SEVM_R15];

	vmsa->xcr0 = vcpu->xcr0;
	vmsa->xss = vcpu->xss;
	vmsa->pkru = sevm_fpu_pkru(vcpu);
	vmsa->sev_features = vm->vmsa_features;

	/* KVM_SEV_ES_INIT leaves them zero, so that old measurements stay true. */
	if (!vm->legacy && image)
		fill_fpu(vmsa, image);
	return 0;
}
