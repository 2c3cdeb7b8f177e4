// SPDX-License-Identifier: GPL-2.0-only
/*
 * kick.c - how others reach a vCPU, and end a VM.
 *
 * Whoever changes something that a vCPU must see does so first and then kicks.
 * The vCPU says IN_GUEST first and then looks (svm/run/run.c). With a full
 * barrier on both sides one of them sees the other: either the vCPU does not
 * enter, or the kick's IPI ends the guest at once.
 *
 * Every layer may call this; it calls none of them.
 */
#include <linux/nospec.h>
#include <linux/sched/signal.h>
#include <linux/smp.h>

#include "kick.h"

/* Out of the guest or out of its sleep, if it is in either. */
static void kick(struct sevm_vcpu *vcpu)
{
	int cpu;

	wake_up(&vcpu->wait);

	/* Whatever the caller changed, before the mode is read. */
	smp_mb();
	if (READ_ONCE(vcpu->mode) != SEVM_IN_GUEST)
		return;
	cpu = get_cpu();
	if (cmpxchg(&vcpu->mode, SEVM_IN_GUEST, SEVM_EXITING) == SEVM_IN_GUEST &&
	    READ_ONCE(vcpu->kick_cpu) != cpu)
		sevm_send_kick(READ_ONCE(vcpu->kick_cpu));
	put_cpu();
}

void sevm_vcpu_request(struct sevm_vcpu *vcpu, enum sevm_request request)
{
	set_bit(request, &vcpu->requests);
	kick(vcpu);
}

void sevm_vcpu_queue_nmi(struct sevm_vcpu *vcpu)
{
	atomic_inc(&vcpu->nmi_queued);
	sevm_vcpu_request(vcpu, SEVM_REQ_EVENT);
}

static void acknowledge(void *unused)
{
}

/* An IPI that is waited for is taken outside the guest. */
void sevm_vcpu_wait_outside(struct sevm_vcpu *vcpu)
{
	/* What was changed before the mode: the vCPU does it the other way round. */
	smp_mb();
	if (READ_ONCE(vcpu->mode) != SEVM_OUTSIDE)
		smp_call_function_single(READ_ONCE(vcpu->kick_cpu), acknowledge, NULL, 1);
}

/* Every vCPU enters next with a flush, and those inside have left when this returns. */
void sevm_vm_flush_tlbs(struct sevm_vm *vm)
{
	struct sevm_vcpu *vcpu;
	unsigned long i;

	sevm_for_each_vcpu(i, vcpu, vm)
		set_bit(SEVM_REQ_TLB_FLUSH, &vcpu->requests);
	sevm_for_each_vcpu(i, vcpu, vm)
		sevm_vcpu_wait_outside(vcpu);
}

enum sevm_result sevm_vm_kill(struct sevm_vm *vm, const char *reason)
{
	struct sevm_vcpu *vcpu;
	unsigned long i;

	/* The first reason stays, and only it is logged. */
	if (!cmpxchg(&vm->kill_reason, NULL, reason))
		pr_notice_ratelimited("VM of pid %d ends: %s\n",
				      task_tgid_nr(current), reason);
	/* The reason before the verdict. */
	smp_store_release(&vm->dead, true);
	sevm_for_each_vcpu(i, vcpu, vm)
		sevm_vcpu_request(vcpu, SEVM_REQ_KILL);
	return SEVM_KILL;
}

struct sevm_vcpu *sevm_vm_vcpu_by_id(struct sevm_vm *vm, u32 id)
{
	struct sevm_vcpu *vcpu;
	u32 online = atomic_read(&vm->online_vcpus);
	unsigned long i;

	/* Most VMMs create them in order. The guest may be who names it: vcpu_op. */
	vcpu = id < online ? xa_load(&vm->vcpus, array_index_nospec(id, online)) : NULL;
	if (vcpu && vcpu->id == id)
		return vcpu;
	sevm_for_each_vcpu(i, vcpu, vm)
		if (vcpu->id == id)
			return vcpu;
	return NULL;
}
