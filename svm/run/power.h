/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * power.h - vCPUs that the guest stops and starts.
 */
#ifndef SEVM_SVM_POWER_H
#define SEVM_SVM_POWER_H

#include <linux/bitops.h>

#include "svm/sevm.h"

/* Any thread. Up: it runs, or halts; neither stopped, nor held or waiting for SIPI. */
static inline bool sevm_power_stopped(struct sevm_vcpu *vcpu)
{
	return test_bit(SEVM_POWER_STOPPED, &vcpu->power);
}

bool sevm_power_is_up(struct sevm_vcpu *vcpu);
/*
 * Any thread that may sleep. When it returns true, the vCPU executes no more
 * instructions, unless it is the caller's, which has to leave first. False, and
 * nothing done: no other vCPU is up, so that nobody could start it again.
 */
bool sevm_power_stop(struct sevm_vcpu *vcpu);
/* Also ends a reset hold. False, and nothing done: it is up. */
bool sevm_power_start(struct sevm_vcpu *vcpu);

/* The vCPU's own thread, or with vcpu->mutex held */
void sevm_power_take_start(struct sevm_vcpu *vcpu);
static inline void sevm_power_accept(struct sevm_vcpu *vcpu)
{
	if (unlikely(test_bit(SEVM_POWER_WAKE, &vcpu->power)))
		sevm_power_take_start(vcpu);
}

void sevm_power_set(struct sevm_vcpu *vcpu, bool stopped);

#endif /* SEVM_SVM_POWER_H */
