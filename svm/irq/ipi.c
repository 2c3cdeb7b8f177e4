// SPDX-License-Identifier: GPL-2.0-only
/*
 * ipi.c - interrupt messages and the vCPUs they reach.
 *
 * Runs in any context, hard interrupts included: timers and irqfds deliver
 * from there. So it takes no lock; it reads the targets' APICs as they are,
 * sets bits atomically, and only then makes the target look.
 */
#include <linux/bitops.h>
#include <linux/nospec.h>
#include <linux/xarray.h>

#include "apic.h"
#include "apic_internal.h"
#include "svm/kick.h"
#include "svm/trace.h"

static void notify(struct sevm_vcpu *vcpu, struct sevm_vcpu *src)
{
	/* The sender is outside its guest, and looks before it enters again. */
	if (vcpu != src)
		sevm_vcpu_request(vcpu, SEVM_REQ_EVENT);
}

static int accept_vector(struct sevm_vcpu *vcpu, struct sevm_vcpu *src,
			 const struct sevm_irq_msg *msg)
{
	struct sevm_apic_regs *regs = vcpu->apic->regs;

	/* A level de-assertion changes nothing here, as in KVM. */
	if (msg->level && !msg->assert)
		return 0;
	if (!(sevm_apic_reg(regs, SEVM_APIC_SVR) & SEVM_APIC_SVR_ENABLED))
		return 0;

	if (sevm_apic_vector_test(regs, SEVM_APIC_TMR, msg->vector) != msg->level) {
		if (msg->level)
			sevm_apic_vector_set(regs, SEVM_APIC_TMR, msg->vector);
		else
			sevm_apic_vector_clear(regs, SEVM_APIC_TMR, msg->vector);
	}
	/* In this order: the bit is atomic and so a barrier, see sevm_apic_waiting(). */
	sevm_apic_vector_set(regs, SEVM_APIC_IRR, msg->vector);
	WRITE_ONCE(vcpu->apic_waiting, true);
	notify(vcpu, src);
	return 1;
}

int sevm_ipi_accept(struct sevm_vcpu *vcpu, struct sevm_vcpu *src,
		    const struct sevm_irq_msg *msg)
{
	switch (msg->delivery) {
	case SEVM_DELIVER_FIXED:
	case SEVM_DELIVER_LOWEST:
		return accept_vector(vcpu, src, msg);
	case SEVM_DELIVER_NMI:
		trace_sevm_apic_signal(vcpu, src, msg->delivery, 0);
		sevm_vcpu_queue_nmi(vcpu);
		return 1;
	case SEVM_DELIVER_INIT:
		/* Nor does an INIT level de-assert. */
		if (msg->level && !msg->assert)
			return 0;
		trace_sevm_apic_signal(vcpu, src, msg->delivery, 0);
		if (sevm_vcpu_is_stopped(vcpu))
			return 1;
		sevm_vcpu_post_init(vcpu);
		notify(vcpu, src);
		return 1;
	case SEVM_DELIVER_STARTUP:
		trace_sevm_apic_signal(vcpu, src, msg->delivery, msg->vector);
		if (sevm_vcpu_is_stopped(vcpu)) {
			trace_sevm_ap(vcpu, SEVM_AP_DROPPED);
			return 1;
		}
		sevm_vcpu_post_sipi(vcpu, msg->vector);
		notify(vcpu, src);
		return 1;
	}
	/* SMI: no SMM. ExtINT: no PIC answers. */
	return 0;
}

static bool present(struct sevm_vcpu *vcpu)
{
	return vcpu->apic && sevm_apic_mode(vcpu) != SEVM_APIC_DISABLED;
}

static bool matches(struct sevm_vcpu *vcpu, struct sevm_vcpu *src,
		    const struct sevm_irq_msg *msg)
{
	enum sevm_apic_mode mode = sevm_apic_mode(vcpu);
	u32 dest = msg->dest;

	if (!present(vcpu))
		return false;

	switch (msg->shorthand) {
	case SEVM_TO_SELF:
		return vcpu == src;
	case SEVM_TO_ALL:
		return true;
	case SEVM_TO_OTHERS:
		return vcpu != src;
	}

	/*
	 * A device knows 8 bits of destination: its broadcast reaches x2APICs
	 * too, unless userspace has said that 0xff is an ID to it.
	 */
	if (!src && dest == 0xff && mode == SEVM_APIC_X2APIC &&
	    !(vcpu->vm->x2apic_flags & KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK))
		dest = 0xffffffff;
	return sevm_apic_matches(vcpu->apic->regs, mode, vcpu->id, dest, msg->logical);
}

static bool software_enabled(struct sevm_vcpu *vcpu)
{
	return sevm_apic_reg(vcpu->apic->regs, SEVM_APIC_SVR) & SEVM_APIC_SVR_ENABLED;
}

/*
 * One of the enabled targets; which one follows from the vector, so that an
 * interrupt stays where its data is in the cache.
 */
static int deliver_lowest(struct sevm_vm *vm, struct sevm_vcpu *src,
			  const struct sevm_irq_msg *msg)
{
	struct sevm_vcpu *vcpu, *target = NULL;
	unsigned int candidates = 0, skip;
	unsigned long i;

	sevm_for_each_vcpu(i, vcpu, vm) {
		if (matches(vcpu, src, msg) && software_enabled(vcpu))
			candidates++;
	}
	if (!candidates)
		return 0;

	skip = msg->vector % candidates;
	sevm_for_each_vcpu(i, vcpu, vm) {
		if (!matches(vcpu, src, msg) || !software_enabled(vcpu))
			continue;
		/* Should the set shrink meanwhile, the last one seen will do. */
		target = vcpu;
		if (!skip--)
			break;
	}
	return target ? sevm_ipi_accept(target, src, msg) : 0;
}

/* The usual case, without a walk: vCPU n has APIC ID n. */
static struct sevm_vcpu *guess_target(struct sevm_vm *vm, struct sevm_vcpu *src,
				      const struct sevm_irq_msg *msg, u32 online)
{
	struct sevm_vcpu *vcpu;

	if (msg->shorthand == SEVM_TO_SELF)
		return src && present(src) ? src : NULL;
	if (msg->shorthand != SEVM_TO_DEST || msg->logical || msg->dest >= online ||
	    msg->dest == 0xff)
		return NULL;
	vcpu = xa_load(&vm->vcpus, array_index_nospec(msg->dest, online));
	return vcpu && vcpu->id == msg->dest && matches(vcpu, src, msg) ? vcpu : NULL;
}

int sevm_apic_deliver(struct sevm_vm *vm, struct sevm_vcpu *src,
		      const struct sevm_irq_msg *msg)
{
	u32 online = atomic_read(&vm->online_vcpus);
	bool lowest = msg->delivery == SEVM_DELIVER_LOWEST || msg->lowest_hint;
	struct sevm_vcpu *vcpu;
	unsigned long i;
	int ret = 0;

	trace_sevm_apic_deliver(msg->dest, msg->logical, msg->delivery, msg->vector);
	if (src)
		sevm_count(src, ipis_sent);
	if (!online)
		return 0;

	vcpu = guess_target(vm, src, msg, online);
	if (vcpu)
		return sevm_ipi_accept(vcpu, src, msg);

	/* Broadcast to the one with the lowest priority has no meaning: to all. */
	if (lowest && !(msg->shorthand == SEVM_TO_DEST && !msg->logical && msg->dest == 0xff))
		return deliver_lowest(vm, src, msg);

	sevm_for_each_vcpu(i, vcpu, vm) {
		if (matches(vcpu, src, msg))
			ret += sevm_ipi_accept(vcpu, src, msg);
	}
	return ret;
}

int sevm_apic_deliver_msi(struct sevm_vm *vm, u64 address, u32 data)
{
	struct sevm_irq_msg msg;

	sevm_apic_decode_msi(address, data,
			     vm->x2apic_flags & KVM_X2APIC_API_USE_32BIT_IDS, &msg);
	return sevm_apic_deliver(vm, NULL, &msg);
}
