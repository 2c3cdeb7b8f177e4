/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * dev.h - /dev/sevm.
 */
#ifndef SEVM_SVM_DEV_H
#define SEVM_SVM_DEV_H

#include <linux/kvm.h>

#define SEVM_X2APIC_API_FLAGS	(KVM_X2APIC_API_USE_32BIT_IDS | \
				 KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK)
#define SEVM_USER_MSR_MASK	(KVM_MSR_EXIT_REASON_INVAL | \
				 KVM_MSR_EXIT_REASON_UNKNOWN | \
				 KVM_MSR_EXIT_REASON_FILTER)

int sevm_dev_register(void);
void sevm_dev_unregister(void);

/* KVM_CHECK_EXTENSION, on the device and on a VM */
long sevm_dev_check_extension(unsigned long ext);

#endif /* SEVM_SVM_DEV_H */
