/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * entry.h - the world switch.
 */
#ifndef SEVM_SVM_ENTRY_H
#define SEVM_SVM_ENTRY_H

/* struct sevm_entry_args, for entry.S */
#define SEVM_ENTRY_VMCB		0x00
#define SEVM_ENTRY_HOST		0x08
#define SEVM_ENTRY_REGS		0x10
#define SEVM_ENTRY_GUEST_SPEC	0x18
#define SEVM_ENTRY_HOST_SPEC	0x1c

#ifndef __ASSEMBLY__
#include <linux/linkage.h>
#include <linux/types.h>

struct sevm_entry_args {
	u64 vmcb_pa;
	u64 host_pa;		/* plain: where VMSAVE puts the host's state */
	u64 *regs;		/* plain: vcpu->regs */
	u32 guest_spec_ctrl;
	u32 host_spec_ctrl;
};

/* Interrupts off. Both come back with interrupts off and GIF set. */
asmlinkage void sevm_enter_plain(const struct sevm_entry_args *args);
asmlinkage void sevm_enter_es(const struct sevm_entry_args *args);
#endif

#endif /* SEVM_SVM_ENTRY_H */
