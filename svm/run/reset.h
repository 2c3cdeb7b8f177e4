/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * reset.h - the state of a vCPU after power-on and after INIT.
 */
#ifndef SEVM_SVM_RESET_H
#define SEVM_SVM_RESET_H

#include "svm/sevm.h"

/* Power-on (init false) or INIT (init true). vcpu->mutex held. */
void sevm_vcpu_reset(struct sevm_vcpu *vcpu, bool init);

#endif /* SEVM_SVM_RESET_H */
