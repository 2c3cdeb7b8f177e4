/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * npt.h - nested page tables and MMIO markers.
 */
#ifndef SEVM_SVM_NPT_H
#define SEVM_SVM_NPT_H

#include "svm/sevm.h"

/* Once, at load: the reserved bits. -EOPNOTSUPP: there are none (markers off). */
int sevm_npt_setup(void);
bool sevm_npt_can_mark(void);
sevm_gfn sevm_npt_max_gfn(void);	/* the highest that nested tables reach */

int sevm_npt_init(struct sevm_vm *vm);
void sevm_npt_destroy(struct sevm_vm *vm);

/* vm->npt.root_pa is ready for nCR3: the host's encryption bit is in it. */

/*
 * A #NPF; vcpu->exit has info1 (error code) and info2 (GPA). protect->mmio_fault()
 * gets what has no slot, writes to read-only slots, and GPAs beyond the tables.
 * Memory that the VMM does not have: SEVM_TO_USER with vcpu->run_errno.
 */
enum sevm_result sevm_npt_fault(struct sevm_vcpu *vcpu);

/*
 * Answer every later touch of the hole around gpa with #VC: the largest
 * naturally aligned 4 KiB, 2 MiB or 1 GiB that has no slot. 0, -ENOMEM, -EINVAL:
 * beyond what the tables reach, or no bit is reserved; or -EAGAIN: there is a
 * slot now, or a page of an old one still: let the guest try again.
 * Sleeps.
 */
int sevm_npt_mark(struct sevm_vm *vm, sevm_gpa gpa);

/*
 * Forget [gfn, gfn + n), markers that overlap it included, and flush. Under
 * mem.lock: of two at once, one might return before the other has flushed. Sleeps.
 */
void sevm_npt_zap(struct sevm_vm *vm, sevm_gfn gfn, u64 n);

#endif /* SEVM_SVM_NPT_H */
