/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * exit.h - what to do about a #VMEXIT.
 */
#ifndef SEVM_SVM_EXIT_H
#define SEVM_SVM_EXIT_H

#include <asm/svm.h>
#include <asm/trapnr.h>

#include "svm/sevm.h"

/* Interrupts on, vcpu->exit is filled. */
enum sevm_result sevm_exit_handle_slow(struct sevm_vcpu *vcpu);
static inline enum sevm_result sevm_exit_handle(struct sevm_vcpu *vcpu)
{
	/* What a protected guest exits for most. */
	if (vcpu->exit.code == SVM_EXIT_VMGEXIT)
		return vcpu->vm->protect->handle_exit(vcpu);
	return sevm_exit_handle_slow(vcpu);
}

/* VMRUN refused to enter. -1: invalid, -2: the VMSA is busy, ...; some say it in 32 bits. */
static inline bool sevm_exit_is_refusal(u64 code)
{
	return code & ~(u64)S32_MAX;
}

void sevm_exit_machine_check(void);
/* Right after the world switch: what cannot wait until interrupts are on. */
static inline void sevm_exit_irqoff(struct sevm_vcpu *vcpu)
{
	if (unlikely(vcpu->exit.code == SVM_EXIT_EXCP_BASE + X86_TRAP_MC))
		sevm_exit_machine_check();
}

/* exit_string.c: INS and OUTS of a plain guest */
enum sevm_result sevm_exit_string_io(struct sevm_vcpu *vcpu);

#endif /* SEVM_SVM_EXIT_H */
