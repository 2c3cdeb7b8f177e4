/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * run.h - KVM_RUN, and reset.
 */
#ifndef SEVM_SVM_RUN_H
#define SEVM_SVM_RUN_H

#include "svm/sevm.h"

int sevm_vcpu_run(struct sevm_vcpu *vcpu);	/* KVM_RUN; vcpu->mutex held */
/* reset.c: power-on (init false) or INIT (init true). vcpu->mutex held. */
void sevm_vcpu_reset(struct sevm_vcpu *vcpu, bool init);
/* It is going away: no CPU shall remember it as the one that ran last. */
void sevm_vcpu_clear_last(struct sevm_vcpu *vcpu);

#endif /* SEVM_SVM_RUN_H */
