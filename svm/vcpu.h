/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vcpu.h - creation and end of a VM and a vCPU.
 */
#ifndef SEVM_SVM_VCPU_H
#define SEVM_SVM_VCPU_H

#include "sevm.h"

/* vm.c */
int sevm_vm_create(unsigned long type);		/* the new fd, or -errno */
void sevm_vm_get(struct sevm_vm *vm);
void sevm_vm_put(struct sevm_vm *vm);

/* vcpu.c */
int sevm_vcpu_create(struct sevm_vm *vm, u32 id);	/* the new fd; vm->lock held */
void sevm_vcpu_free(struct sevm_vcpu *vcpu);

#endif /* SEVM_SVM_VCPU_H */
