/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * state.h - the state ioctls of a vCPU.
 */
#ifndef SEVM_SVM_STATE_H
#define SEVM_SVM_STATE_H

#include "sevm.h"

/* A state ioctl of a vCPU: state.c's table. -EINVAL also: none of these. */
long sevm_state_ioctl(struct sevm_vcpu *vcpu, unsigned int cmd, void __user *arg);

long sevm_state_get_xsave2(struct sevm_vcpu *vcpu, void __user *arg);

#endif /* SEVM_SVM_STATE_H */
