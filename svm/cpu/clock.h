/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * clock.h - kvm-clock, and the time stamp counter.
 */
#ifndef SEVM_SVM_CLOCK_H
#define SEVM_SVM_CLOCK_H

#include "svm/sevm.h"

void sevm_clock_init(struct sevm_vm *vm);
int sevm_clock_get(struct sevm_vm *vm, struct kvm_clock_data *data);	/* KVM_GET_CLOCK */
int sevm_clock_set(struct sevm_vm *vm, const struct kvm_clock_data *data);
/* MSR_KVM_SYSTEM_TIME(_NEW) and MSR_KVM_WALL_CLOCK(_NEW); 0 or -EINVAL */
int sevm_clock_msr_set(struct sevm_vcpu *vcpu, u32 index, u64 data);
/* SEVM_REQ_CLOCK: rewrite the vCPU's page. Sleeps. */
void sevm_clock_update(struct sevm_vcpu *vcpu);
/* KVM_SET_TSC_KHZ: 0 or -EINVAL (a TSC that would need scaling we lack). 0: the host's. */
int sevm_clock_set_tsc_khz(struct sevm_vcpu *vcpu, u32 khz);
/*
 * Guest time stamp counter now (any context); and a write to it. host: by an
 * ioctl, with KVM's rule that makes the TSCs of several vCPUs equal. Who writes
 * restarts the deadline timer afterwards: sevm_apic_restart_timer().
 */
void sevm_clock_adjust_tsc(struct sevm_vcpu *vcpu, s64 delta);
u64 sevm_clock_tsc(struct sevm_vcpu *vcpu);
void sevm_clock_set_tsc(struct sevm_vcpu *vcpu, u64 tsc, bool host);

#endif /* SEVM_SVM_CLOCK_H */
