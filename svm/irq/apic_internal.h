/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * apic_internal.h - the local APIC, for apic.c, apic_timer.c and ipi.c only.
 *
 * No lock: the vCPU's own thread (vcpu->mutex held) writes everything here,
 * but for IRR and TMR, of which any context sets bits by atomic operations,
 * and the timer's state, which belongs to the callback while it runs:
 * hrtimer_cancel() before touching it.
 */
#ifndef SEVM_SVM_APIC_INTERNAL_H
#define SEVM_SVM_APIC_INTERNAL_H

#include <linux/hrtimer.h>

#include "apic.h"
#include "apic_regs.h"

struct sevm_apic_timer {
	struct hrtimer hrtimer;
	u32 mode;		/* SEVM_APIC_TIMER_* as last armed for */
	u32 divide;
	u64 period;		/* ns; 0: not counting */
	ktime_t target;		/* when the count reaches zero */
	u64 deadline;		/* guest TSC; 0: none */
};

struct sevm_apic {
	struct sevm_vcpu *vcpu;
	struct sevm_apic_regs *regs;
	struct sevm_apic_timer timer;
};

static inline enum sevm_apic_mode sevm_apic_mode(const struct sevm_vcpu *vcpu)
{
	return sevm_apic_base_mode(READ_ONCE(vcpu->apic_base));
}

/* ipi.c: one message has reached this vCPU. 1: taken, 0: not. Any context. */
int sevm_ipi_accept(struct sevm_vcpu *vcpu, struct sevm_vcpu *src,
		    const struct sevm_irq_msg *msg);

/* apic_timer.c: the vCPU's thread, unless it says otherwise */
void sevm_apic_timer_init(struct sevm_apic *apic);
void sevm_apic_timer_stop(struct sevm_apic *apic);
void sevm_apic_timer_lvt_changed(struct sevm_apic *apic);
void sevm_apic_timer_count_changed(struct sevm_apic *apic);
void sevm_apic_timer_divide_changed(struct sevm_apic *apic);
u32 sevm_apic_timer_current(struct sevm_apic *apic);
void sevm_apic_timer_set_deadline(struct sevm_apic *apic, u64 deadline);
u64 sevm_apic_timer_get_deadline(struct sevm_apic *apic);
/* The registers were restored: count on from TMCCT. */
void sevm_apic_timer_restore(struct sevm_apic *apic);

#endif /* SEVM_SVM_APIC_INTERNAL_H */
