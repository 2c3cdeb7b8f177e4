/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vmcb_internal.h - clean bits, for vmcb.c and vmcb_state.c only.
 */
#ifndef SEVM_SVM_VMCB_INTERNAL_H
#define SEVM_SVM_VMCB_INTERNAL_H

#define VMCB_CLEAN_INTERCEPTS	BIT(0)	/* and TSC offset, pause filter */
#define VMCB_CLEAN_PERM_MAP	BIT(1)
#define VMCB_CLEAN_ASID		BIT(2)
#define VMCB_CLEAN_INTR		BIT(3)
#define VMCB_CLEAN_NP		BIT(4)	/* nested CR3, G_PAT */
#define VMCB_CLEAN_CR		BIT(5)	/* CR0, CR3, CR4, EFER */
#define VMCB_CLEAN_DR		BIT(6)
#define VMCB_CLEAN_DT		BIT(7)
#define VMCB_CLEAN_SEG		BIT(8)	/* and CPL */
#define VMCB_CLEAN_CR2		BIT(9)
#define VMCB_CLEAN_LBR		BIT(10)
#define VMCB_CLEAN_ALL		0x7ffU

#endif /* SEVM_SVM_VMCB_INTERNAL_H */
