/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * compat.h - the only place that knows kernel versions. Force-included.
 *
 * The sources are written for 6.13; this makes the others look like it. No
 * symbol is used that the kernel exports to KVM's modules alone.
 */
#ifndef SEVM_COMPAT_H
#define SEVM_COMPAT_H

#ifndef __ASSEMBLY__
/* Here, because what is included below has a default for it. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/version.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 1, 0)
#error "sevm needs Linux 6.1 or newer"
#endif
/* Debian ships no headers of 7.0 and 7.1: neither was built or run. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 0, 0) && LINUX_VERSION_CODE < KERNEL_VERSION(7, 2, 0)
#error "sevm is not ported to Linux 7.0 and 7.1: use 6.1 to 6.12, or 7.2 or newer"
#endif

#include "kvm_compat.h"

/* 6.8: eventfd_signal() lost its count, which was always 1. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 8, 0)
#include <linux/eventfd.h>
#define eventfd_signal(ctx)	((void)eventfd_signal(ctx, 1))
#endif

/* 6.13: a timer's callback is given when it is set up. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 13, 0)
#include <linux/hrtimer.h>
static inline void hrtimer_setup(struct hrtimer *timer,
				 enum hrtimer_restart (*function)(struct hrtimer *),
				 clockid_t clock_id, enum hrtimer_mode mode)
{
	hrtimer_init(timer, clock_id, mode);
	timer->function = function;
}
#endif

/*
 * A long-term pin of a private mapping for reading only. Before 6.2 such a pin
 * does not break COW, and a later write by the VMM would leave the guest with
 * the old page: ask for the copy at once.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)
#define SEVM_FOLL_READ	(FOLL_LONGTERM | FOLL_WRITE | FOLL_FORCE)
#else
#define SEVM_FOLL_READ	FOLL_LONGTERM
#endif

/*
 * 6.9: the argument of the ccp driver's sev_platform_init() became a struct. On a probe,
 * ccp's psp_init_on_probe=0 is heeded; before, ccp itself initialises the platform or not.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 9, 0)
#define sevm_compat_platform_init(fn, on_probe, err)	((on_probe) ? 0 : (fn)(err))
#else
#define sevm_compat_platform_init(fn, on_probe, err) ({		\
	struct sev_platform_init_args __args = { .probe = (on_probe) }; \
	int __ret = (fn)(&__args);				\
								\
	*(err) = __args.error;					\
	__ret;							\
})
#endif

/* Does the kernel expect MSR_ZEN4_BP_CFG's BP_SPEC_REDUCE while SVM is on? 6.1 does not know it. */
#include <asm/cpufeature.h>
static inline bool sevm_host_srso_reduce(void)
{
#ifdef X86_FEATURE_SRSO_BP_SPEC_REDUCE
	return cpu_feature_enabled(X86_FEATURE_SRSO_BP_SPEC_REDUCE);
#else
	return false;
#endif
}

#include <asm/msr-index.h>
#ifndef MSR_ZEN4_BP_CFG_BP_SPEC_REDUCE_BIT
#define MSR_ZEN4_BP_CFG_BP_SPEC_REDUCE_BIT	4
#endif
#ifndef MSR_AMD64_SYSCFG_SNP_EN
#define MSR_AMD64_SYSCFG_SNP_EN	BIT_ULL(24)
#endif

/*
 * An IPI that makes a CPU leave guest mode and does nothing else. The kernel's
 * smp_send_reschedule() traces through a symbol that 6.1 lacks.
 */
#include <asm/smp.h>
static inline void sevm_send_kick(int cpu)
{
	(smp_ops.smp_send_reschedule)(cpu);	/* not the macro */
}

/*
 * Who turns SVM off in a crash. Before 6.6 the kernel does it by itself on
 * every AMD CPU. Later there is one callback, and KVM claims it while it has
 * SVM: so do we. 7.2 lends SVM, and the callback, to KVM's modules alone, but
 * turns it off by itself again wherever it finds EFER.SVME set.
 */
#include <asm/reboot.h>
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 6, 0) && LINUX_VERSION_CODE < KERNEL_VERSION(7, 2, 0)
#define sevm_emergency_register(callback)	cpu_emergency_register_virt_callback(callback)
#define sevm_emergency_unregister(callback)	cpu_emergency_unregister_virt_callback(callback)
#else
#define sevm_emergency_register(callback)	((void)(callback))
#define sevm_emergency_unregister(callback)	((void)(callback))
#endif

/* 6.11: the kernel reads this byte of kvm_run under a name that warns. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 11, 0)
#define immediate_exit__unsafe	immediate_exit
#endif

/* Running a guest is a quiescent state for RCU. 6.2: no CPU number. */
#include <linux/rcupdate.h>
static inline void sevm_rcu_note_guest(void)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)
	rcu_virt_note_context_switch(smp_processor_id());
#else
	rcu_virt_note_context_switch();
#endif
}

#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 2, 0)
/* 64-bit MSRs end in q, CPUID has a directory, and fields of the VMCB the APM's newer names. */
#include <asm/cpuid/api.h>
#include <asm/msr.h>
#define rdmsrl(msr, val)	rdmsrq(msr, val)
#define rdmsrl_safe(msr, val)	rdmsrq_safe(msr, val)
#define wrmsrl(msr, val)	wrmsrq(msr, val)
#define wrmsrl_safe(msr, val)	wrmsrq_safe(msr, val)

#include <asm/svm.h>
#define nested_ctl			misc_ctl
#define virt_ext			misc_ctl2
#define SVM_NESTED_CTL_NP_ENABLE	SVM_MISC_ENABLE_NP
#define SVM_NESTED_CTL_SEV_ENABLE	SVM_MISC_ENABLE_SEV
#define SVM_NESTED_CTL_SEV_ES_ENABLE	SVM_MISC_ENABLE_SEV_ES
#define LBR_CTL_ENABLE_MASK		SVM_MISC2_ENABLE_V_LBR
#define sevm_vmcb_exit_code(c)		((c)->exit_code)

/* What is exported to KVM's modules alone is done here, and in SEVM_COMPAT_CODE below. */
#include <asm/nospec-branch.h>

void sevm_write_ibpb(void);

static inline void sevm_ibpb(void)
{
	asm volatile(ALTERNATIVE("", "call sevm_write_ibpb", X86_FEATURE_IBPB)
		     : ASM_CALL_CONSTRAINT : : "rax", "rcx", "rdx", "memory");
}

#define indirect_branch_prediction_barrier()	sevm_ibpb()
#else
#include <asm/cpuid.h>
#define sevm_vmcb_exit_code(c)		((u64)(c)->exit_code_hi << 32 | (c)->exit_code)
#endif

#else /* __ASSEMBLY__ */
#include <linux/version.h>
#include <asm/alternative.h>
#include <asm/cpufeatures.h>
#include <asm/nospec-branch.h>

/* 6.7: return untraining after #VMEXIT got a macro of its own. */
#ifndef UNTRAIN_RET_VM
.macro UNTRAIN_RET_VM
	UNTRAIN_RET
	ALTERNATIVE "", "call entry_ibpb", X86_FEATURE_IBPB_ON_VMEXIT
.endm
#endif

/*
 * 7.2: what the kernel's macros call or read here is exported to KVM's modules
 * alone. The same by code of our own: a full IBPB, and a selector for VERW.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 2, 0)
#include <linux/linkage.h>
#include <asm/msr-index.h>
#include <asm/segment.h>

#undef UNTRAIN_RET_VM
.macro UNTRAIN_RET_VM
	VALIDATE_UNRET_END
	CALL_UNTRAIN_RET
	ALTERNATIVE "", "call sevm_write_ibpb", X86_FEATURE_IBPB_ON_VMEXIT
.endm

#undef VM_CLEAR_CPU_BUFFERS
#define VM_CLEAR_CPU_BUFFERS \
	ALTERNATIVE "", __stringify(verw sevm_verw_sel(%rip)), X86_FEATURE_CLEAR_CPU_BUF_VM

.macro SEVM_COMPAT_CODE
	.pushsection .rodata, "a"
	.align 2
SYM_DATA_LOCAL(sevm_verw_sel, .word __KERNEL_DS)
	.popsection

/* Clobbers RAX, RCX, RDX. */
SYM_FUNC_START(sevm_write_ibpb)
	mov	$MSR_IA32_PRED_CMD, %ecx
	mov	$PRED_CMD_IBPB, %eax
	xor	%edx, %edx
	wrmsr
	FILL_RETURN_BUFFER %rax, RSB_CLEAR_LOOPS, X86_BUG_IBPB_NO_RET
	RET
SYM_FUNC_END(sevm_write_ibpb)
.endm
#else
.macro SEVM_COMPAT_CODE
.endm
#endif

#endif /* __ASSEMBLY__ */
#endif /* SEVM_COMPAT_H */
