/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * fpu.h - x87, SSE and AVX registers of a plain guest.
 *
 * A SEV-ES guest that was launched has none of this: its registers are in the
 * VMSA. vcpu->fpu is NULL for it once it is protected (sevm_fpu_free()).
 */
#ifndef SEVM_SVM_FPU_H
#define SEVM_SVM_FPU_H

#include <asm/fpu/types.h>

#include "svm/sevm.h"

/* What a guest may have in XCR0, if the host has it: AMD has no more. */
#define SEVM_GUEST_XCR0	(XFEATURE_MASK_FPSSE | XFEATURE_MASK_YMM |	\
			 XFEATURE_MASK_AVX512 | XFEATURE_MASK_PKRU)

int sevm_fpu_setup(void);
u32 sevm_fpu_size(void);		/* KVM_CAP_XSAVE2 */
u64 sevm_fpu_features(void);		/* ... of it on this host */

int sevm_fpu_alloc(struct sevm_vcpu *vcpu);
void sevm_fpu_free(struct sevm_vcpu *vcpu);
void sevm_fpu_reset(struct sevm_vcpu *vcpu, bool init);

/* Between kernel_fpu_begin() and kernel_fpu_end(), interrupts off. */
void sevm_fpu_enter(struct sevm_vcpu *vcpu);
void sevm_fpu_leave(struct sevm_vcpu *vcpu);

/* XSETBV by the guest, KVM_SET_XCRS by the VMM: 0 or -EINVAL */
int sevm_fpu_set_xcr0(struct sevm_vcpu *vcpu, u64 xcr0);

void sevm_fpu_get(struct sevm_vcpu *vcpu, struct kvm_fpu *fpu);
void sevm_fpu_set(struct sevm_vcpu *vcpu, const struct kvm_fpu *fpu);
/* size bytes of an XSAVE image in standard format */
void sevm_fpu_get_xsave(struct sevm_vcpu *vcpu, void *image, u32 size);
int sevm_fpu_set_xsave(struct sevm_vcpu *vcpu, const void *image, u32 size);
/* The image itself, for the VMSA at launch; NULL: there is none. */
const void *sevm_fpu_image(struct sevm_vcpu *vcpu);
u32 sevm_fpu_pkru(struct sevm_vcpu *vcpu);	/* of that image */

#endif /* SEVM_SVM_FPU_H */
