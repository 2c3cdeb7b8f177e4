/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * npt.h - nested page tables and MMIO markers.
 */
#ifndef SEVM_SVM_NPT_H
#define SEVM_SVM_NPT_H

#include "sevm.h"

/* Once, at load: the reserved bits. -EOPNOTSUPP: there are none (markers off). */
int sevm_npt_setup(void);
bool sevm_npt_can_mark(void);

int sevm_npt_init(struct sevm_vm *vm);
void sevm_npt_destroy(struct sevm_vm *vm);

/* A #NPF; vcpu->exit has info1 (error code) and info2 (GPA). */
enum sevm_result sevm_npt_fault(struct sevm_vcpu *vcpu);

/*
 * Answer every later touch of the hole around gpa with #VC: the largest
 * naturally aligned 4 KiB, 2 MiB or 1 GiB that has no slot. 0, -ENOMEM, or
 * -EAGAIN: a slot has come meanwhile, let the guest try again.
 */
int sevm_npt_mark(struct sevm_vm *vm, sevm_gpa gpa);

/* Forget [gfn, gfn + n), markers that overlap it included, and flush. Sleeps. */
void sevm_npt_zap(struct sevm_vm *vm, sevm_gfn gfn, u64 n);

#endif /* SEVM_SVM_NPT_H */
