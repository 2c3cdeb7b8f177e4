// SPDX-License-Identifier: GPL-2.0-only
/*
 * run.c - KVM_RUN.
 *
 * The loop: finish what userspace was asked; then, until something needs
 * userspace: stop for a signal, serve requests, take INIT and SIPI or sleep
 * (mp_state.c), enter the guest, handle its exit.
 *
 * Invariant: the vCPU says IN_GUEST before it looks for the last time whether
 * there is a reason not to enter (svm/kick.c says why).
 */

#include <linux/kvm_types.h>
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>
#include <linux/smp.h>
#include <linux/task_work.h>
#include <linux/vtime.h>
#include <asm/fpu/api.h>
#include <asm/nospec-branch.h>

#include "exit.h"
#include "io.h"
#include "mp_state.h"
#include "run.h"
#include "svm/kick.h"
#include "svm/trace.h"
#include "svm/cpu/clock.h"
#include "svm/cpu/debug.h"
#include "svm/cpu/entry.h"
#include "svm/cpu/fpu.h"
#include "svm/cpu/host.h"
#include "svm/cpu/tlb.h"
#include "svm/cpu/vmcb.h"
#include "svm/irq/apic.h"
#include "svm/irq/event.h"

/* Whose branch predictions this CPU holds; compared, never followed. */
static DEFINE_PER_CPU(const struct sevm_vcpu *, last_vcpu);

static bool take_request(struct sevm_vcpu *vcpu, enum sevm_request request)
{
	if (!test_bit(request, &vcpu->requests))
		return false;
	clear_bit(request, &vcpu->requests);
	/* What was changed before the request, after its bit. */
	smp_mb__after_atomic();
	return true;
}

/* signal_pending(), in one look */
static bool has_signal(void)
{
	return read_thread_flags() & (_TIF_SIGPENDING | _TIF_NOTIFY_SIGNAL);
}

/*
 * Task work: of the scheduler every 100 ms (6.12), of a machine check before the
 * guest may touch that page again. It has to be done before the next entry; KVM calls
 * xfer_to_guest_mode_handle_work() for that, which newer kernels export to KVM's modules
 * alone. Here KVM_RUN returns to userspace, where the kernel does it, and is
 * restarted by -ERESTARTNOHAND: the VMM sees -EINTR only if a signal's handler runs.
 *
 * TIF_NOTIFY_RESUME alone is not enough: each switch of a thread with rseq sets it,
 * and rseq can wait. Under strace that is each KVM_RUN.
 */
static bool task_work_is_pending(void)
{
	return test_thread_flag(TIF_NOTIFY_RESUME) && task_work_pending(current);
}

static noinline int exit_to_user_pending_slow(void)
{
	if (has_signal())
		return -EINTR;
	return task_work_is_pending() ? -ERESTARTNOHAND : 0;
}

/* 0, or what KVM_RUN ends with. In one look: it is asked twice in each round. */
static inline int exit_to_user_pending(void)
{
	if (likely(!(read_thread_flags() &
		     (_TIF_SIGPENDING | _TIF_NOTIFY_SIGNAL | _TIF_NOTIFY_RESUME))))
		return 0;
	return exit_to_user_pending_slow();
}

static enum sevm_result serve_requests(struct sevm_vcpu *vcpu)
{
	if (take_request(vcpu, SEVM_REQ_KILL) || READ_ONCE(vcpu->vm->dead))
		return SEVM_KILL;
	take_request(vcpu, SEVM_REQ_EVENT);
	if (take_request(vcpu, SEVM_REQ_CLOCK))
		sevm_clock_update(vcpu);
	if (take_request(vcpu, SEVM_REQ_IOAPIC_EOI))
		return sevm_io_ioapic_eoi(vcpu, vcpu->ioapic_eoi);
	return SEVM_RESUME;
}

/* Interrupts off, IN_GUEST: is there a reason not to enter after all? */
static bool must_not_enter(struct sevm_vcpu *vcpu)
{
	return sevm_vcpu_has_requests(vcpu) || READ_ONCE(vcpu->mode) != SEVM_IN_GUEST ||
	       need_resched() || exit_to_user_pending();
}

/*
 * Branch predictions of one guest must not steer another: a barrier when
 * another vCPU's guest ran last here, unless every exit has one already.
 */
static void switch_predictions(struct sevm_vcpu *vcpu)
{
	if (__this_cpu_read(last_vcpu) == vcpu)
		return;
	__this_cpu_write(last_vcpu, vcpu);
	if (!boot_cpu_has(X86_FEATURE_IBPB_ON_VMEXIT))
		indirect_branch_prediction_barrier();
}

void sevm_vcpu_clear_last(struct sevm_vcpu *vcpu)
{
	int cpu;

	for_each_possible_cpu(cpu)
		cmpxchg(&per_cpu(last_vcpu, cpu), vcpu, NULL);
}

static void fill_entry_args(struct sevm_vcpu *vcpu, struct sevm_entry_args *args)
{
	args->vmcb_pa = vcpu->vmcb_pa;
	args->host_pa = this_cpu_read(sevm_host_cpu.save_pa);
	args->regs = vcpu->regs;
	args->guest_spec_ctrl = 0;
	args->host_spec_ctrl = 0;
	if (boot_cpu_has(X86_FEATURE_MSR_SPEC_CTRL) && !sevm_host_caps.v_spec_ctrl) {
		args->guest_spec_ctrl = vcpu->spec_ctrl;
		args->host_spec_ctrl = this_cpu_read(x86_spec_ctrl_current);
	}
}

/* A plain guest writes CR8 without an exit. */
static void take_cr8(struct sevm_vcpu *vcpu)
{
	u8 cr8 = sevm_vmcb_get_cr8(vcpu);

	if (cr8 != vcpu->cr8)
		sevm_apic_set_cr8(vcpu, cr8);
}

/* Interrupts off, from the last look to the copy of the exit. */
static void switch_worlds(struct sevm_vcpu *vcpu, int cpu)
{
	const struct sevm_protect_ops *protect = vcpu->vm->protect;
	u64 host_aux = this_cpu_read(sevm_host_cpu.tsc_aux);
	bool swap_aux = boot_cpu_has(X86_FEATURE_RDTSCP) && vcpu->tsc_aux != host_aux;
	struct sevm_entry_args args;

	sevm_event_enter(vcpu);
	sevm_tlb_prepare(vcpu, cpu);
	sevm_vmcb_enter(vcpu, cpu);
	vcpu->cpu = cpu;
	switch_predictions(vcpu);
	fill_entry_args(vcpu, &args);
	trace_sevm_entry(vcpu);

	vtime_account_guest_enter();
	/* Guest mode is an RCU quiescent state: noted in the entry after each INTR exit. */
	if (vcpu->exit.code == SVM_EXIT_INTR)
		sevm_rcu_note_guest();
	if (swap_aux)
		wrmsrl(MSR_TSC_AUX, vcpu->tsc_aux);
	sevm_debug_enter(vcpu);
	sevm_mp_state_enter(vcpu);
	protect->enter(vcpu, cpu);

	if (sevm_vmcb_has_vmsa(vcpu)) {
		sevm_enter_es(&args);
	} else {
		sevm_fpu_enter(vcpu);
		sevm_enter_plain(&args);
		sevm_fpu_leave(vcpu);
	}

	sevm_debug_leave(vcpu);
	if (swap_aux)
		wrmsrl(MSR_TSC_AUX, host_aux);
	if (cpu_feature_enabled(X86_FEATURE_IBPB_EXIT_TO_USER))
		this_cpu_write(x86_ibpb_exit_to_user, true);

	sevm_vmcb_leave(vcpu);
	if (!sevm_vmcb_has_vmsa(vcpu))
		take_cr8(vcpu);
	sevm_event_leave(vcpu);
	sevm_exit_irqoff(vcpu);
	/*
	 * VMRUN obeys TLB_CONTROL after it has found nothing wrong. Refused, it has
	 * flushed nothing, and the next entry here has to, whoever's it is.
	 */
	if (unlikely(sevm_exit_is_refusal(vcpu->exit.code)))
		sevm_tlb_invalidate_cpu(cpu);
}

static enum sevm_result enter_guest(struct sevm_vcpu *vcpu)
{
	enum sevm_result result = vcpu->vm->protect->prepare_entry(vcpu);
	bool on;
	int cpu;

	if (result != SEVM_RESUME)
		return result;

	/* Saves the task's registers; no preemption until the end. */
	kernel_fpu_begin();
	local_irq_disable();
	cpu = smp_processor_id();
	WRITE_ONCE(vcpu->kick_cpu, cpu);
	/* IN_GUEST first, then look: svm/kick.c. */
	smp_store_mb(vcpu->mode, SEVM_IN_GUEST);

	on = this_cpu_read(sevm_host_cpu.on);
	if (must_not_enter(vcpu) || !on) {
		WRITE_ONCE(vcpu->mode, SEVM_OUTSIDE);
		local_irq_enable();
		kernel_fpu_end();
		if (!on && sevm_host_wait() && !has_signal())
			return sevm_vm_kill(vcpu->vm, "SVM was turned off on this host");
		return SEVM_RESUME;
	}

	switch_worlds(vcpu, cpu);
	/* Who sees OUTSIDE sees all that the guest did. */
	smp_store_release(&vcpu->mode, SEVM_OUTSIDE);

	/*
	 * The interrupt that ended the guest is taken here, and its time accounted to
	 * the guest. STI opens the window after the next instruction only.
	 */
	local_irq_enable();
	sevm_count(vcpu, exits);
	local_irq_disable();
	vtime_account_guest_exit();
	local_irq_enable();
	kernel_fpu_end();

	trace_sevm_exit(vcpu);
	return sevm_exit_handle(vcpu);
}

/*
 * Until userspace is needed. SEVM_TO_USER with *err 0: vcpu->run_errno or kvm_run says
 * why; else *err is what KVM_RUN returns.
 */
static enum sevm_result loop(struct sevm_vcpu *vcpu, int *err)
{
	enum sevm_result result;
	int r;

	for (;;) {
		r = exit_to_user_pending();
		if (r) {
			if (r == -EINTR)
				sevm_count(vcpu, signal_exits);
			*err = r;
			return sevm_io_exit(vcpu, KVM_EXIT_INTR);
		}

		if (sevm_vcpu_has_requests(vcpu) || READ_ONCE(vcpu->vm->dead)) {
			result = serve_requests(vcpu);
			if (result != SEVM_RESUME)
				return result;
		}
		if (vcpu->triple_fault) {
			vcpu->triple_fault = false;
			return sevm_io_exit(vcpu, KVM_EXIT_SHUTDOWN);
		}

		if (!sevm_mp_state_runs(vcpu) && sevm_mp_state_settle(vcpu))
			continue;

		result = enter_guest(vcpu);
		if (result != SEVM_RESUME)
			return result;

		if (sevm_event_user_window(vcpu))
			return sevm_io_exit(vcpu, KVM_EXIT_IRQ_WINDOW_OPEN);
		cond_resched();
	}
}

/*
 * A vCPU that has never been started. KVM_RUN waits for an INIT, takes it, and a SIPI
 * with it if there is one, and returns -EAGAIN: userspace calls again, and may look at
 * mp_state before.
 */
static int wait_for_init(struct sevm_vcpu *vcpu)
{
	if (READ_ONCE(vcpu->run->immediate_exit__unsafe))
		return -EINTR;
	/* Other requests can wait: they do not start it. */
	sevm_mp_state_wait_for_init(vcpu);
	if (READ_ONCE(vcpu->vm->dead))
		return sevm_io_killed(vcpu);
	if (!has_signal())
		return -EAGAIN;
	sevm_io_exit(vcpu, KVM_EXIT_INTR);
	sevm_count(vcpu, signal_exits);
	return -EINTR;
}

static int run(struct sevm_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	enum sevm_result result;
	int err = 0;

	run->flags = 0;
	if (vcpu->mp.state == KVM_MP_STATE_UNINITIALIZED)
		return wait_for_init(vcpu);

	/* KVM_CAP_SYNC_REGS is not offered. */
	if (READ_ONCE(run->kvm_valid_regs) || READ_ONCE(run->kvm_dirty_regs))
		return -EINVAL;
	if (!vcpu->apic) {
		u64 cr8 = READ_ONCE(run->cr8);

		if (cr8 & ~0xfULL)
			return -EINVAL;
		sevm_vmcb_set_cr8(vcpu, cr8);
	}

	result = sevm_io_complete(vcpu);
	if (result == SEVM_RESUME && READ_ONCE(run->immediate_exit__unsafe))
		return -EINTR;
	if (result == SEVM_RESUME) {
		err = vcpu->vm->protect->pre_run(vcpu);
		if (err)
			return err;
		sevm_io_exit(vcpu, KVM_EXIT_UNKNOWN);
		result = loop(vcpu, &err);
	}
	sevm_count(vcpu, user_exits);
	if (result == SEVM_KILL)
		return sevm_io_killed(vcpu);
	if (!err)
		swap(vcpu->run_errno, err);
	return err;
}

/* What kvm_run shows of the vCPU after every KVM_RUN. */
static void show_state(struct sevm_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	run->if_flag = vcpu->vm->protect->interrupts_enabled(vcpu);
	run->cr8 = vcpu->apic ? sevm_apic_get_cr8(vcpu) : vcpu->cr8;
	run->apic_base = vcpu->apic_base;
	run->ready_for_interrupt_injection = sevm_event_user_ready(vcpu);
}

static void mask_signals(struct sevm_vcpu *vcpu)
{
	/* real_blocked keeps the task's own mask until unmask_signals(). */
	if (vcpu->sigset_active)
		sigprocmask(SIG_SETMASK, &vcpu->sigset, &current->real_blocked);
}

static void unmask_signals(struct sevm_vcpu *vcpu)
{
	if (!vcpu->sigset_active)
		return;
	sigprocmask(SIG_SETMASK, &current->real_blocked, NULL);
	sigemptyset(&current->real_blocked);
}

int sevm_vcpu_run(struct sevm_vcpu *vcpu)
{
	int ret;

	mask_signals(vcpu);
	ret = run(vcpu);
	sevm_debug_reintercept(vcpu);
	show_state(vcpu);
	unmask_signals(vcpu);
	/* Userspace must not see it: that takes the path of signals. */
	if (ret == -ERESTARTNOHAND)
		set_thread_flag(TIF_NOTIFY_SIGNAL);
	return ret;
}
