/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * compat.h - the only place that knows kernel versions. Force-included.
 *
 * The sources are written for the newest kernel they support; this makes the
 * older ones look like it.
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
/* 7.2 lends SVM to the modules of KVM alone: x86_virt_get_ref() is exported to them by name. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 0, 0)
#error "sevm is not ported to Linux 7 yet: use 6.1 to 6.12"
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

/* 6.9: the argument of the ccp driver's sev_platform_init() became a struct. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 9, 0)
#define sevm_compat_platform_init(fn, err)	(fn)(err)
#else
#define sevm_compat_platform_init(fn, err) ({			\
	struct sev_platform_init_args __args = { };		\
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
 * SVM: so do we.
 */
#include <asm/reboot.h>
static inline void sevm_emergency_register(cpu_emergency_virt_cb *callback)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 6, 0)
	cpu_emergency_register_virt_callback(callback);
#endif
}

static inline void sevm_emergency_unregister(cpu_emergency_virt_cb *callback)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 6, 0)
	cpu_emergency_unregister_virt_callback(callback);
#endif
}

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

#endif /* __ASSEMBLY__ */
#endif /* SEVM_COMPAT_H */
