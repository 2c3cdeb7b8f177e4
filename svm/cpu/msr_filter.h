/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * msr_filter.h - MSR accesses that the VMM keeps from the guest.
 */
#ifndef SEVM_SVM_MSR_FILTER_H
#define SEVM_SVM_MSR_FILTER_H

#include "svm/sevm.h"

/* KVM_X86_SET_MSR_FILTER; vm->lock held. */
int sevm_msr_filter_set(struct sevm_vm *vm, const struct kvm_msr_filter __user *arg);
void sevm_msr_filter_free(struct sevm_vm *vm);
bool sevm_msr_filter_allows(struct sevm_vm *vm, u32 index, bool write);

#endif /* SEVM_SVM_MSR_FILTER_H */
