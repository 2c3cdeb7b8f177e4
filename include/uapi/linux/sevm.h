/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * /dev/sevm: what it adds to KVM's ABI.
 *
 * A VMM opens /dev/sevm and speaks the ioctls of <linux/kvm.h> to it. docs/abi.md
 * lists the subset. This header holds the few numbers that KVM lacks. Each ioctl
 * is found with KVM_CHECK_EXTENSION on a capability of its own, so that a VMM
 * can ask any KVM-like device for it: KVM answers 0.
 */
#ifndef _UAPI_LINUX_SEVM_H
#define _UAPI_LINUX_SEVM_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define SEVM_IO			0xBD

/* Capabilities: a range that KVM, which counts from 0, will not reach. */
#define SEVM_CAP_AP_JUMP_TABLE	0x5e560001
#define SEVM_CAP_AP_HOLD	0x5e560002
#define SEVM_CAP_AP_PAGE	0x5e560003

/**
 * SEVM_GET_AP_JUMP_TABLE - read the AP jump table's address (VM ioctl)
 *
 * The GPA that the guest, or SEVM_SET_AP_JUMP_TABLE, set last; 0: none, or it is
 * in no writable memory slot now.
 *
 * Errors: -ENOTTY: not a SEV-ES VM. -EFAULT: bad pointer.
 */
#define SEVM_GET_AP_JUMP_TABLE	_IOR(SEVM_IO, 0x00, __u64)

/**
 * SEVM_SET_AP_JUMP_TABLE - set the AP jump table's address (VM ioctl)
 *
 * For a VM that continues another one: what GET answered there. 0 forgets it.
 *
 * Errors: -ENOTTY: not a SEV-ES VM. -EFAULT: bad pointer. -EINVAL: not page
 * aligned, or not in a writable memory slot.
 */
#define SEVM_SET_AP_JUMP_TABLE	_IOW(SEVM_IO, 0x01, __u64)

#define SEVM_AP_HOLD_NONE	0	/* not held */
#define SEVM_AP_HOLD_NAE	1	/* by the NAE event 0x80000004 */
#define SEVM_AP_HOLD_MSR	2	/* by the GHCB MSR request 0x006 */

/**
 * struct sevm_ap_hold - how a vCPU is held: in mp_state AP_RESET_HOLD, or while STOPPED
 * @kind: SEVM_AP_HOLD_*
 * @flags: must be 0
 */
struct sevm_ap_hold {
	__u32 kind;
	__u32 flags;
};

/**
 * SEVM_GET_AP_HOLD, SEVM_SET_AP_HOLD - the form of the reset hold (vCPU ioctls)
 *
 * A hold is completed in the form it was asked. SET belongs after
 * KVM_SET_MP_STATE to KVM_MP_STATE_AP_RESET_HOLD on a fresh vCPU; or to
 * KVM_MP_STATE_STOPPED, which is then held as well (SEVM_CAP_AP_PAGE).
 *
 * Errors: -ENOTTY: not a SEV-ES vCPU. -EFAULT: bad pointer. -EINVAL (SET):
 * unknown kind, or flags not 0.
 */
#define SEVM_GET_AP_HOLD	_IOR(SEVM_IO, 0x02, struct sevm_ap_hold)
#define SEVM_SET_AP_HOLD	_IOW(SEVM_IO, 0x03, struct sevm_ap_hold)

/*
 * SEVM_CAP_AP_PAGE - the alternative AP bring-up page (docs/ap-bringup.md)
 *
 * KVM_CHECK_EXTENSION: the highest protocol version, 0: none. It is off until
 * the VMM turns it on with KVM_ENABLE_CAP on the VM, before the first vCPU:
 * args[0] is the page's GPA, args[1] the protocol version, args[2] and args[3]
 * are 0. From then on
 *	- a vCPU that is not the boot CPU is created stopped
 *	  (KVM_MP_STATE_STOPPED), in the direct boot state at the page's entry;
 *	- KVM_MP_STATE_STOPPED can be set;
 *	- the guest has the hypercall vcpu_op: up, down, is_up.
 *
 * Errors of KVM_ENABLE_CAP: -EINVAL: not a SEV-ES VM (also: not yet), the page
 * is not page aligned or not below 4 GiB, or args[2] or args[3] is not 0.
 * -EOPNOTSUPP: unknown version. -EEXIST: it is on already. -EBUSY: there are
 * vCPUs. -EFAULT: the page is in no writable memory slot at this moment.
 */

/* Protocol versions that SEVM_CAP_AP_PAGE knows: 1 ... */
#define SEVM_AP_PAGE_VERSION	1

/* Offset of the APs' first instruction in the page */
#define SEVM_AP_PAGE_ENTRY	0x200

/*
 * KVM_EXIT_INTERNAL_ERROR, kvm_run.internal.suberror: the VM is over. data[]
 * holds the reason as text, padded with NULs. Every later KVM_RUN, on any vCPU
 * of the VM, returns -EIO.
 */
#define SEVM_INTERNAL_ERROR_KILLED	0x5e560001

/*
 * MMIO by a plain guest: there is no instruction emulator. KVM_RUN exits with
 * KVM_EXIT_INTERNAL_ERROR and kvm_run.emulation_failure filled as KVM does:
 * suberror KVM_INTERNAL_ERROR_EMULATION, ndata 5, flags with
 * KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES, insn_size, insn_bytes.
 * What comes after the instruction is ours: kvm_run.internal.data[3] is the
 * GPA, data[4] the error code of the nested page fault (bit 1: a write). The VMM
 * does what the instruction says, moves RIP, and calls KVM_RUN again.
 */

#endif /* _UAPI_LINUX_SEVM_H */
