/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * walk.h - guest-virtual memory of a plain guest.
 */
#ifndef SEVM_SVM_WALK_H
#define SEVM_SVM_WALK_H

#include "svm/sevm.h"

/* Why a walk failed, as the guest's #PF would say it. */
struct sevm_walk_fault {
	u64 address;
	u32 error_code;
};

/*
 * The GPA behind a linear address: 0, or -EFAULT with *fault filled. With
 * write, a missing write permission is a fault and the dirty bit is set.
 */
int sevm_walk(struct sevm_vcpu *vcpu, u64 linear, bool write, bool fetch,
	      sevm_gpa *gpa, struct sevm_walk_fault *fault);
/* Also -ENXIO: the tables lead to a GPA that is no memory. */
int sevm_walk_read(struct sevm_vcpu *vcpu, u64 linear, void *buf, size_t len,
		   bool fetch, struct sevm_walk_fault *fault);
int sevm_walk_write(struct sevm_vcpu *vcpu, u64 linear, const void *buf,
		    size_t len, struct sevm_walk_fault *fault);
/* For KVM_TRANSLATE: does not touch accessed and dirty bits. */
int sevm_walk_peek(struct sevm_vcpu *vcpu, u64 linear, sevm_gpa *gpa);

/* The bytes at CS:RIP, as many of size as are there. */
unsigned int sevm_walk_fetch(struct sevm_vcpu *vcpu, u8 *bytes, unsigned int size);

/*
 * Length of the instruction at CS:RIP that exited, whose opcode, without
 * prefixes, has opcode_len bytes: for hardware without next-RIP saving.
 */
unsigned int sevm_walk_insn_len(struct sevm_vcpu *vcpu, unsigned int opcode_len);

#endif /* SEVM_SVM_WALK_H */
