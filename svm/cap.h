/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * cap.h - the capabilities.
 */
#ifndef SEVM_SVM_CAP_H
#define SEVM_SVM_CAP_H

#include <linux/kvm.h>

/* What KVM_ENABLE_CAP may turn on */
#define SEVM_X2APIC_API_FLAGS	(KVM_X2APIC_API_USE_32BIT_IDS | \
				 KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK)
#define SEVM_USER_MSR_MASK	(KVM_MSR_EXIT_REASON_INVAL | \
				 KVM_MSR_EXIT_REASON_UNKNOWN | \
				 KVM_MSR_EXIT_REASON_FILTER)

/* KVM_CHECK_EXTENSION, on the device and on a VM */
long sevm_cap_check(unsigned long ext);

#endif /* SEVM_SVM_CAP_H */
