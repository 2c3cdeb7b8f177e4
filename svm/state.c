// SPDX-License-Identifier: GPL-2.0-only
/*
 * state.c - the state ioctls of a vCPU.
 *
 * One function per ioctl, each called with vcpu->mutex held. The table says
 * which of them show registers: those ask the backend first, which may refuse
 * or have them do nothing once the guest's state is protected.
 */
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "state.h"
#include "svm/cpu/debug.h"
#include "svm/cpu/fpu.h"
#include "svm/cpu/walk.h"
#include "svm/irq/apic.h"
#include "svm/irq/event.h"
#include "svm/run/mp_state.h"
#include "svm/run/vmcb_state.h"

/* Those that are one call: with nothing to say, and with an errno */
#define GIVES(name, call)							\
static long name(struct sevm_vcpu *vcpu, void *data)				\
{										\
	call(vcpu, data);							\
	return 0;								\
}

#define MAY_FAIL(name, call)							\
static long name(struct sevm_vcpu *vcpu, void *data)				\
{										\
	return call(vcpu, data);						\
}

GIVES(get_regs, sevm_vmcb_get_regs)
GIVES(get_sregs, sevm_vmcb_get_sregs)
GIVES(get_fpu, sevm_fpu_get)
GIVES(set_fpu, sevm_fpu_set)
GIVES(get_debugregs, sevm_debug_get)
GIVES(get_events, sevm_event_get)
MAY_FAIL(set_sregs, sevm_vmcb_set_sregs)
MAY_FAIL(set_debugregs, sevm_debug_set)
MAY_FAIL(set_events, sevm_event_set)
MAY_FAIL(get_lapic, sevm_apic_get_state)
MAY_FAIL(set_lapic, sevm_apic_set_state)

static long set_regs(struct sevm_vcpu *vcpu, void *data)
{
	sevm_vmcb_set_regs(vcpu, data);
	/* What was on its way belongs to the old registers. */
	vcpu->exception.pending = false;
	return 0;
}

/* The two forms share everything up to the interrupt bitmap. */
static_assert(offsetof(struct kvm_sregs, interrupt_bitmap) ==
	      offsetof(struct kvm_sregs2, flags));

static long get_sregs2(struct sevm_vcpu *vcpu, void *data)
{
	struct kvm_sregs sregs;

	sevm_vmcb_get_sregs(vcpu, &sregs);
	memcpy(data, &sregs, offsetof(struct kvm_sregs2, flags));
	/* The hardware reads PDPTRs from memory, with CR3: none to show. */
	return 0;
}

static long set_sregs2(struct sevm_vcpu *vcpu, void *data)
{
	const struct kvm_sregs2 *sregs2 = data;
	struct kvm_sregs sregs = {};

	if (sregs2->flags & ~KVM_SREGS2_FLAGS_PDPTRS_VALID)
		return -EINVAL;
	memcpy(&sregs, sregs2, offsetof(struct kvm_sregs2, flags));
	return sevm_vmcb_set_sregs(vcpu, &sregs);
}

static long get_xsave(struct sevm_vcpu *vcpu, void *data)
{
	sevm_fpu_get_xsave(vcpu, data, sizeof(struct kvm_xsave));
	return 0;
}

static long set_xsave(struct sevm_vcpu *vcpu, void *data)
{
	return sevm_fpu_set_xsave(vcpu, data, sizeof(struct kvm_xsave));
}

static long get_xcrs(struct sevm_vcpu *vcpu, void *data)
{
	struct kvm_xcrs *xcrs = data;

	xcrs->nr_xcrs = 1;
	xcrs->xcrs[0].xcr = 0;
	xcrs->xcrs[0].value = vcpu->xcr0;
	return 0;
}

static long set_xcrs(struct sevm_vcpu *vcpu, void *data)
{
	const struct kvm_xcrs *xcrs = data;
	unsigned int i;

	if (xcrs->nr_xcrs > KVM_MAX_XCRS || xcrs->flags)
		return -EINVAL;
	for (i = 0; i < xcrs->nr_xcrs; i++)
		if (xcrs->xcrs[i].xcr == 0)
			return sevm_fpu_set_xcr0(vcpu, xcrs->xcrs[i].value);
	return 0;
}

static long translate(struct sevm_vcpu *vcpu, void *data)
{
	struct kvm_translation *tr = data;
	sevm_gpa gpa;
	u64 linear = tr->linear_address;

	memset(tr, 0, sizeof(*tr));
	tr->linear_address = linear;
	tr->valid = !sevm_walk_peek(vcpu, linear, &gpa);
	tr->physical_address = tr->valid ? gpa : ~0ULL;
	tr->writeable = 1;
	return 0;
}

static long get_mp_state(struct sevm_vcpu *vcpu, void *data)
{
	struct kvm_mp_state *mp = data;

	mp->mp_state = sevm_mp_state_get(vcpu);
	return 0;
}

static long set_mp_state(struct sevm_vcpu *vcpu, void *data)
{
	const struct kvm_mp_state *mp = data;

	return sevm_mp_state_set(vcpu, mp->mp_state);
}

static long user_interrupt(struct sevm_vcpu *vcpu, void *data)
{
	const struct kvm_interrupt *irq = data;

	return sevm_event_user_interrupt(vcpu, irq->irq);
}

#define REGISTERS	true
#define ROW(cmd, func, regs)	{ cmd, func, regs }

static const struct state_row {
	unsigned int cmd;
	long (*handler)(struct sevm_vcpu *vcpu, void *data);
	bool registers;		/* hidden once the guest is protected */
} rows[] = {
	ROW(KVM_GET_REGS, get_regs, REGISTERS),
	ROW(KVM_SET_REGS, set_regs, REGISTERS),
	ROW(KVM_GET_SREGS, get_sregs, REGISTERS),
	ROW(KVM_SET_SREGS, set_sregs, REGISTERS),
	ROW(KVM_GET_SREGS2, get_sregs2, REGISTERS),
	ROW(KVM_SET_SREGS2, set_sregs2, REGISTERS),
	ROW(KVM_GET_FPU, get_fpu, REGISTERS),
	ROW(KVM_SET_FPU, set_fpu, REGISTERS),
	ROW(KVM_GET_XSAVE, get_xsave, REGISTERS),
	ROW(KVM_SET_XSAVE, set_xsave, REGISTERS),
	ROW(KVM_GET_XCRS, get_xcrs, REGISTERS),
	ROW(KVM_SET_XCRS, set_xcrs, REGISTERS),
	ROW(KVM_GET_DEBUGREGS, get_debugregs, REGISTERS),
	ROW(KVM_SET_DEBUGREGS, set_debugregs, REGISTERS),
	ROW(KVM_TRANSLATE, translate, REGISTERS),
	ROW(KVM_GET_VCPU_EVENTS, get_events, false),
	ROW(KVM_SET_VCPU_EVENTS, set_events, false),
	ROW(KVM_GET_MP_STATE, get_mp_state, false),
	ROW(KVM_SET_MP_STATE, set_mp_state, false),
	ROW(KVM_GET_LAPIC, get_lapic, false),
	ROW(KVM_SET_LAPIC, set_lapic, false),
	ROW(KVM_INTERRUPT, user_interrupt, false),
};

/* 0: go on; 1: the ioctl answers 0 and does nothing; or -errno. */
static int access(struct sevm_vcpu *vcpu, const struct state_row *row)
{
	if (!row->registers)
		return 0;
	switch (vcpu->vm->protect->state_access(vcpu)) {
	case SEVM_ACCESS_OPEN:
		return 0;
	case SEVM_ACCESS_IGNORED:
		return row->cmd == KVM_TRANSLATE ? -EINVAL : 1;
	case SEVM_ACCESS_REFUSED:
		break;
	}
	return -EINVAL;
}

long sevm_state_ioctl(struct sevm_vcpu *vcpu, unsigned int cmd, void __user *arg)
{
	const struct state_row *row;
	bool in = _IOC_DIR(cmd) & _IOC_WRITE;
	bool out = _IOC_DIR(cmd) & _IOC_READ;
	void *data;
	long r;

	for (row = rows; row < rows + ARRAY_SIZE(rows); row++)
		if (row->cmd == cmd)
			break;
	if (row == rows + ARRAY_SIZE(rows))
		return -EINVAL;		/* KVM's answer to an unknown vCPU ioctl */

	data = kzalloc(_IOC_SIZE(cmd), GFP_KERNEL_ACCOUNT);
	if (!data)
		return -ENOMEM;
	r = -EFAULT;
	if (in && copy_from_user(data, arg, _IOC_SIZE(cmd)))
		goto out;

	r = access(vcpu, row);
	if (!r)
		r = row->handler(vcpu, data);
	else if (r == 1)
		r = 0;
	if (!r && out && copy_to_user(arg, data, _IOC_SIZE(cmd)))
		r = -EFAULT;
out:
	kfree(data);
	return r;
}

/* KVM_GET_XSAVE2: as many bytes as KVM_CAP_XSAVE2 says. */
long sevm_state_get_xsave2(struct sevm_vcpu *vcpu, void __user *arg)
{
	u32 size = sevm_fpu_size();
	void *data;
	long r = 0;

	switch (vcpu->vm->protect->state_access(vcpu)) {
	case SEVM_ACCESS_REFUSED:
		return -EINVAL;
	case SEVM_ACCESS_IGNORED:
	case SEVM_ACCESS_OPEN:
		break;
	}
	data = kzalloc(size, GFP_KERNEL_ACCOUNT);
	if (!data)
		return -ENOMEM;
	if (vcpu->vm->protect->state_access(vcpu) == SEVM_ACCESS_OPEN)
		sevm_fpu_get_xsave(vcpu, data, size);
	if (copy_to_user(arg, data, size))
		r = -EFAULT;
	kfree(data);
	return r;
}
