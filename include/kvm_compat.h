/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kvm_compat.h - KVM's ABI where the installed headers are older than it.
 *
 * For the module, the tools and the selftests. Instead of <linux/kvm.h>.
 */
#ifndef SEVM_KVM_COMPAT_H
#define SEVM_KVM_COMPAT_H

#include <linux/ioctl.h>
#include <linux/kvm.h>

#ifndef KVM_CAP_USER_MEMORY2
#define KVM_CAP_USER_MEMORY2		231

struct kvm_userspace_memory_region2 {
	__u32 slot;
	__u32 flags;
	__u64 guest_phys_addr;
	__u64 memory_size;
	__u64 userspace_addr;
	__u64 guest_memfd_offset;
	__u32 guest_memfd;
	__u32 pad1;
	__u64 pad2[14];
};

#define KVM_SET_USER_MEMORY_REGION2 \
	_IOW(KVMIO, 0x49, struct kvm_userspace_memory_region2)
#endif

#ifndef KVM_CAP_VM_TYPES
#define KVM_CAP_VM_TYPES		235
#endif

#ifndef KVM_EXIT_MEMORY_FAULT
#define KVM_EXIT_MEMORY_FAULT		39
#endif

#ifndef KVM_X86_DEFAULT_VM
#define KVM_X86_DEFAULT_VM		0
#endif

/* KVM_SEV_INIT2 is an enumerator: it came together with this macro. */
#ifndef KVM_X86_SEV_VM
#define KVM_X86_SEV_VM			2
#define KVM_X86_SEV_ES_VM		3

#define KVM_SEV_INIT2			22

struct kvm_sev_init {
	__u64 vmsa_features;
	__u32 flags;
	__u16 ghcb_version;
	__u16 pad1;
	__u32 pad2[8];
};

/* Device attributes of the x86 system: which VMSA features INIT2 takes. */
#define KVM_X86_GRP_SEV			1
#define KVM_X86_SEV_VMSA_FEATURES	0
#endif

#endif /* SEVM_KVM_COMPAT_H */
