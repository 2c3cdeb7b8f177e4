// SPDX-License-Identifier: GPL-2.0-only
/*
 * reset.c - the state of a vCPU after power-on and after INIT.
 *
 * Each file resets what it owns; here are their order, and RDX. At creation, at an
 * INIT (mp_state.c) and after a shutdown.
 */
#include "msr.h"
#include "run.h"
#include "svm/cpu/cpuid.h"
#include "svm/cpu/debug.h"
#include "svm/cpu/fpu.h"
#include "svm/cpu/vmcb.h"
#include "svm/irq/apic.h"
#include "svm/irq/event.h"

void sevm_vcpu_reset(struct sevm_vcpu *vcpu, bool init)
{
	const struct kvm_cpuid_entry2 *leaf;

	sevm_apic_reset(vcpu, init);
	sevm_event_reset(vcpu);
	sevm_debug_reset(vcpu);
	sevm_msr_reset(vcpu, init);
	sevm_vmcb_reset(vcpu, init);
	sevm_fpu_reset(vcpu, init);
	if (!sevm_vmcb_has_vmsa(vcpu)) {
		/* Family, model and stepping are in EDX after RESET and INIT. */
		leaf = sevm_cpuid_find(vcpu, 1, 0);
		vcpu->regs[SEVM_RDX] = leaf ? leaf->eax : 0x600;
	}
	vcpu->vm->protect->vcpu_reset(vcpu, init);
}
