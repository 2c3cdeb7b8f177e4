/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * exit.h - what to do about a #VMEXIT.
 */
#ifndef SEVM_SVM_EXIT_H
#define SEVM_SVM_EXIT_H

#include "sevm.h"

/* Interrupts on, vcpu->exit is filled. */
enum sevm_result sevm_exit_handle(struct sevm_vcpu *vcpu);
void sevm_exit_irqoff(struct sevm_vcpu *vcpu);
const char *sevm_exit_name(u64 code);

/* HLT by any kind of guest: sleep, or KVM_EXIT_HLT without a local APIC. */
enum sevm_result sevm_exit_halt(struct sevm_vcpu *vcpu);

/* #GP(0) and #UD into a plain guest, then on. */
enum sevm_result sevm_exit_gp(struct sevm_vcpu *vcpu);
enum sevm_result sevm_exit_ud(struct sevm_vcpu *vcpu);

/* exit_string.c: INS and OUTS of a plain guest */
enum sevm_result sevm_exit_string_io(struct sevm_vcpu *vcpu);

#endif /* SEVM_SVM_EXIT_H */
