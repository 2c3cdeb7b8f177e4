// SPDX-License-Identifier: GPL-2.0-only
/*
 * apic_timer.c - the local APIC's timer, on an hrtimer.
 *
 * One-shot and periodic counts run at 1 GHz before the divider; the deadline
 * is in ticks of the guest's TSC. The callback runs in a hard interrupt and
 * sets the IRR bit itself: a vCPU that sleeps is woken, one in the guest is
 * kicked, one that userspace keeps out of KVM_RUN finds it later.
 *
 * Invariant: everything but the callback runs in the vCPU's thread, which cancels
 * the hrtimer before it writes struct sevm_apic_timer. LVTT, the mode and the
 * guest's TSC are read by the callback as they are.
 */
#include <linux/hrtimer.h>
#include <linux/kernel.h>
#include <linux/math64.h>

#include "apic.h"
#include "apic_internal.h"
#include "svm/cpu/clock.h"
#include "svm/cpu/cpuid.h"

/* hrtimers are not throttled: a lower limit, as KVM's min_timer_period_us. */
#define MIN_PERIOD_NS	(200 * NSEC_PER_USEC)
/* A deadline further away is looked at again then; its product would overflow. */
#define MAX_WAIT_MS	(600 * 1000ULL)

static void fire(struct sevm_apic *apic)
{
	u32 lvt = sevm_apic_reg(apic->regs, SEVM_APIC_LVTT);
	struct sevm_irq_msg msg = {
		.delivery = SEVM_DELIVER_FIXED,
		.vector = lvt & 0xff,
		.assert = true,
	};

	if (!(lvt & SEVM_APIC_LVT_MASKED) && sevm_apic_mode(apic->vcpu) != SEVM_APIC_DISABLED)
		sevm_ipi_accept(apic->vcpu, NULL, &msg);
}

/* How long until the guest's TSC reaches the deadline; 0: it has. */
static u64 deadline_ns(struct sevm_apic *apic, u64 deadline)
{
	u32 khz = apic->vcpu->tsc_khz;
	u64 now = sevm_clock_tsc(apic->vcpu);
	u64 ms;

	if (deadline <= now || !khz)
		return 0;
	ms = div_u64(deadline - now, khz);
	if (ms >= MAX_WAIT_MS)
		return MAX_WAIT_MS * NSEC_PER_MSEC;
	/* Rounded up: not early, or the guest would see time run backwards. */
	return div_u64((deadline - now) * NSEC_PER_MSEC + khz - 1, khz);
}

static enum hrtimer_restart expired(struct hrtimer *hrtimer)
{
	struct sevm_apic *apic = container_of(hrtimer, struct sevm_apic, timer.hrtimer);
	struct sevm_apic_timer *timer = &apic->timer;

	if (timer->mode == SEVM_APIC_TIMER_DEADLINE) {
		/* Two clocks: the host's may run a little ahead of the TSC. */
		u64 ns = deadline_ns(apic, timer->deadline);

		if (ns) {
			hrtimer_set_expires(hrtimer, ktime_add_ns(ktime_get(), ns));
			return HRTIMER_RESTART;
		}
		WRITE_ONCE(timer->deadline, 0);
		fire(apic);
		return HRTIMER_NORESTART;
	}

	fire(apic);
	if (timer->mode != SEVM_APIC_TIMER_PERIODIC)
		return HRTIMER_NORESTART;
	/* Ticks that were missed are lost: no burst to catch up. */
	hrtimer_forward_now(hrtimer, ns_to_ktime(timer->period));
	WRITE_ONCE(timer->target, hrtimer_get_expires(hrtimer));
	return HRTIMER_RESTART;
}

void sevm_apic_timer_init(struct sevm_apic *apic)
{
	hrtimer_setup(&apic->timer.hrtimer, expired, CLOCK_MONOTONIC, HRTIMER_MODE_ABS_HARD);
	apic->timer.divide = 2;
}

void sevm_apic_timer_stop(struct sevm_apic *apic)
{
	hrtimer_cancel(&apic->timer.hrtimer);
	apic->timer.period = 0;
	apic->timer.deadline = 0;
}

static u64 count_ns(struct sevm_apic *apic, u32 count)
{
	return (u64)count * apic->timer.divide;
}

static void limit_period(struct sevm_apic_timer *timer)
{
	if (timer->mode == SEVM_APIC_TIMER_PERIODIC && timer->period &&
	    timer->period < MIN_PERIOD_NS)
		timer->period = MIN_PERIOD_NS;
}

/* Count down from left to zero, and then from the initial count if periodic. */
static void start_count(struct sevm_apic *apic, u64 left)
{
	struct sevm_apic_timer *timer = &apic->timer;

	limit_period(timer);
	WRITE_ONCE(timer->target, ktime_add_ns(ktime_get(), left));
	hrtimer_start(&timer->hrtimer, timer->target, HRTIMER_MODE_ABS_HARD);
}

void sevm_apic_timer_count_changed(struct sevm_apic *apic)
{
	struct sevm_apic_timer *timer = &apic->timer;

	hrtimer_cancel(&timer->hrtimer);
	timer->period = count_ns(apic, sevm_apic_reg(apic->regs, SEVM_APIC_TMICT));
	limit_period(timer);
	if (timer->period)
		start_count(apic, timer->period);
}

static u32 wanted_mode(struct sevm_apic *apic)
{
	u32 mask = sevm_cpuid_has(apic->vcpu, X86_FEATURE_TSC_DEADLINE_TIMER) ?
		   SEVM_APIC_TIMER_MODE : SEVM_APIC_TIMER_PERIODIC;

	return sevm_apic_reg(apic->regs, SEVM_APIC_LVTT) & mask;
}

void sevm_apic_timer_lvt_changed(struct sevm_apic *apic)
{
	struct sevm_apic_timer *timer = &apic->timer;
	u32 mode = wanted_mode(apic);
	bool running;

	if (timer->mode == mode)
		return;

	running = hrtimer_cancel(&timer->hrtimer);
	if (timer->mode == SEVM_APIC_TIMER_DEADLINE || mode == SEVM_APIC_TIMER_DEADLINE) {
		/* Counting in other units from now on: what was set is void. */
		sevm_apic_reg_set(apic->regs, SEVM_APIC_TMICT, 0);
		timer->period = 0;
		timer->deadline = 0;
		running = false;
	}
	timer->mode = mode;
	limit_period(timer);
	if (running)
		hrtimer_start(&timer->hrtimer, timer->target, HRTIMER_MODE_ABS_HARD);
}

void sevm_apic_timer_divide_changed(struct sevm_apic *apic)
{
	struct sevm_apic_timer *timer = &apic->timer;
	u32 old = timer->divide, new = sevm_apic_regs_divide(apic->regs);
	bool running;
	s64 left;

	if (old == new)
		return;
	running = hrtimer_cancel(&timer->hrtimer);
	timer->divide = new;
	if (!timer->period)
		return;
	timer->period = count_ns(apic, sevm_apic_reg(apic->regs, SEVM_APIC_TMICT));
	if (!running)
		return;
	/* The count stays what it is, only the ticks change their length. */
	left = ktime_to_ns(ktime_sub(timer->target, ktime_get()));
	start_count(apic, left > 0 ? div_u64(left, old) * new : 0);
}

u32 sevm_apic_timer_current(struct sevm_apic *apic)
{
	struct sevm_apic_timer *timer = &apic->timer;
	s64 left;

	if (timer->mode == SEVM_APIC_TIMER_DEADLINE || !timer->period)
		return 0;
	left = ktime_to_ns(ktime_sub(READ_ONCE(timer->target), ktime_get()));
	if (left <= 0)
		return 0;
	return div_u64(min_t(u64, left, timer->period), timer->divide);
}

u64 sevm_apic_timer_get_deadline(struct sevm_apic *apic)
{
	return READ_ONCE(apic->timer.deadline);
}

void sevm_apic_timer_set_deadline(struct sevm_apic *apic, u64 deadline)
{
	struct sevm_apic_timer *timer = &apic->timer;
	u64 ns;

	if (timer->mode != SEVM_APIC_TIMER_DEADLINE ||
	    sevm_apic_mode(apic->vcpu) == SEVM_APIC_DISABLED)
		return;

	hrtimer_cancel(&timer->hrtimer);
	timer->deadline = deadline;
	if (!deadline)
		return;
	ns = deadline_ns(apic, deadline);
	if (ns) {
		hrtimer_start(&timer->hrtimer, ktime_add_ns(ktime_get(), ns),
			      HRTIMER_MODE_ABS_HARD);
	} else {
		timer->deadline = 0;
		fire(apic);
	}
}

void sevm_apic_timer_restore(struct sevm_apic *apic)
{
	struct sevm_apic_timer *timer = &apic->timer;
	u64 left;

	timer->mode = wanted_mode(apic);
	timer->divide = sevm_apic_regs_divide(apic->regs);
	if (timer->mode == SEVM_APIC_TIMER_DEADLINE)
		return;		/* userspace sets the MSR */
	timer->period = count_ns(apic, sevm_apic_reg(apic->regs, SEVM_APIC_TMICT));
	limit_period(timer);
	if (!timer->period)
		return;
	left = count_ns(apic, sevm_apic_reg(apic->regs, SEVM_APIC_TMCCT));
	if (!left || left > timer->period)
		left = timer->period;
	start_count(apic, left);
}
