// SPDX-License-Identifier: GPL-2.0-only
/*
 * apic.c - the local APIC: creation, and how the guest and userspace reach it.
 *
 * What a register does to itself is in apic_regs.c, the timer in apic_timer.c,
 * messages between vCPUs in ipi.c. Everything here runs in the vCPU's own
 * thread or with vcpu->mutex held; only IRR and TMR bits arrive from elsewhere, by
 * atomic operations (see apic_internal.h).
 *
 * Invariants: vcpu->apic_base holds a valid mode, with or without an APIC; the
 * VMCB's V_TPR is the high half of TPR, but for what a plain guest wrote to CR8
 * since it was entered.
 */
#include <linux/bitops.h>
#include <linux/gfp.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <asm/msr-index.h>

#include "apic.h"
#include "apic_internal.h"
#include "ioapic.h"
#include "svm/cpu/cpuid.h"
#include "svm/cpu/vmcb.h"

#define X2APIC_MSR_FIRST	0x800
#define X2APIC_MSR_LAST		0x8ff

/* Bits 7:0 and 9 of IA32_APIC_BASE */
#define BASE_ALWAYS_RESERVED	0x2ffULL

int sevm_apic_create(struct sevm_vcpu *vcpu)
{
	struct sevm_apic *apic;

	BUILD_BUG_ON(sizeof(struct sevm_apic_regs) != sizeof(struct kvm_lapic_state));

	if (vcpu->vm->irqchip == SEVM_IRQCHIP_NONE)
		return 0;

	apic = kzalloc(sizeof(*apic), GFP_KERNEL_ACCOUNT);
	if (!apic)
		return -ENOMEM;
	apic->regs = kzalloc(sizeof(*apic->regs), GFP_KERNEL_ACCOUNT);
	if (!apic->regs) {
		kfree(apic);
		return -ENOMEM;
	}
	apic->vcpu = vcpu;
	sevm_apic_timer_init(apic);
	vcpu->apic = apic;
	return 0;
}

void sevm_apic_free(struct sevm_vcpu *vcpu)
{
	struct sevm_apic *apic = vcpu->apic;

	if (!apic)
		return;
	sevm_apic_timer_stop(apic);
	vcpu->apic = NULL;
	kfree(apic->regs);
	kfree(apic);
}

/* CR8 is the task priority's high half; the CPU has it as V_TPR. */
static void put_tpr(struct sevm_apic *apic)
{
	sevm_vmcb_set_cr8(apic->vcpu, sevm_apic_get_cr8(apic->vcpu));
}

void sevm_apic_reset(struct sevm_vcpu *vcpu, bool init)
{
	struct sevm_apic *apic = vcpu->apic;
	bool bsp = sevm_vcpu_is_bsp(vcpu);

	if (!init)
		WRITE_ONCE(vcpu->apic_base, SEVM_APIC_DEFAULT_BASE | SEVM_APIC_BASE_ENABLED |
			   (bsp ? SEVM_APIC_BASE_BSP : 0));
	if (!apic)
		return;

	sevm_apic_timer_stop(apic);
	/* Firmware without a PIC driver expects the PIC behind the BSP's LINT0. */
	sevm_apic_regs_reset(apic->regs, sevm_apic_mode(vcpu), vcpu->id, init, bsp);
	put_tpr(apic);
	sevm_apic_timer_lvt_changed(apic);
	sevm_apic_timer_divide_changed(apic);
}

/*
 * Registers
 */

/* CPUID is searched only for the registers that depend on it: EOIs are many. */
static void get_config(struct sevm_vcpu *vcpu, u32 offset, struct sevm_apic_config *config)
{
	memset(config, 0, sizeof(*config));
	config->x2apic = sevm_apic_mode(vcpu) == SEVM_APIC_X2APIC;
	switch (offset) {
	case SEVM_APIC_LVR:
	case SEVM_APIC_SVR:
		/* Our IOAPIC has no EOI register, so it needs the broadcasts. */
		config->directed_eoi = vcpu->vm->irqchip == SEVM_IRQCHIP_SPLIT &&
				       sevm_cpuid_has(vcpu, X86_FEATURE_X2APIC);
		break;
	case SEVM_APIC_LVTT:
	case SEVM_APIC_TMICT:
		config->tsc_deadline = sevm_cpuid_has(vcpu, X86_FEATURE_TSC_DEADLINE_TIMER);
		break;
	}
}

static u32 version(const struct sevm_apic_config *config)
{
	return SEVM_APIC_VERSION | (SEVM_APIC_LVTS - 1) << 16 |
	       (config->directed_eoi ? SEVM_APIC_LVR_DIRECTED : 0);
}

static u32 read_reg(struct sevm_apic *apic, u32 offset)
{
	struct sevm_apic_config config;

	switch (offset) {
	case SEVM_APIC_LVR:
		get_config(apic->vcpu, offset, &config);
		return version(&config);
	case SEVM_APIC_PPR:
		return sevm_apic_regs_ppr(apic->regs);
	case SEVM_APIC_TMCCT:
		return sevm_apic_timer_current(apic);
	}
	return sevm_apic_reg(apic->regs, offset);
}

static void end_of_interrupt(struct sevm_apic *apic)
{
	struct sevm_vcpu *vcpu = apic->vcpu;
	int vector = sevm_apic_regs_end(apic->regs);

	sevm_count(vcpu, eois);
	if (vector >= 0)
		sevm_ioapic_eoi(vcpu, vector,
				sevm_apic_vector_test(apic->regs, SEVM_APIC_TMR, vector));
}

static void send(struct sevm_apic *apic)
{
	struct sevm_vcpu *vcpu = apic->vcpu;
	struct sevm_irq_msg msg;

	sevm_apic_decode_icr(sevm_apic_reg(apic->regs, SEVM_APIC_ICR),
			     sevm_apic_reg(apic->regs, SEVM_APIC_ICR2),
			     sevm_apic_mode(vcpu) == SEVM_APIC_X2APIC, &msg);
	sevm_apic_deliver(vcpu->vm, vcpu, &msg);
}

static void send_self(struct sevm_apic *apic, u8 vector)
{
	struct sevm_irq_msg msg = {
		.shorthand = SEVM_TO_SELF,
		.delivery = SEVM_DELIVER_FIXED,
		.vector = vector,
	};

	sevm_apic_deliver(apic->vcpu->vm, apic->vcpu, &msg);
}

static int act(struct sevm_apic *apic, enum sevm_apic_effect effect, u32 value)
{
	switch (effect) {
	case SEVM_APIC_FAULT:
		return -EINVAL;
	case SEVM_APIC_NOTHING:
		break;
	case SEVM_APIC_PRIORITY:
		/* Each entry of the guest looks again what may be delivered. */
		put_tpr(apic);
		break;
	case SEVM_APIC_END:
		end_of_interrupt(apic);
		break;
	case SEVM_APIC_SEND:
		send(apic);
		break;
	case SEVM_APIC_SEND_SELF:
		send_self(apic, value);
		break;
	case SEVM_APIC_TIMER_LVT:
		sevm_apic_timer_lvt_changed(apic);
		break;
	case SEVM_APIC_TIMER_COUNT:
		sevm_apic_timer_count_changed(apic);
		break;
	case SEVM_APIC_TIMER_DIVIDE:
		sevm_apic_timer_divide_changed(apic);
		break;
	}
	return 0;
}

static int write_reg(struct sevm_apic *apic, u32 offset, u32 value)
{
	struct sevm_apic_config config;

	get_config(apic->vcpu, offset, &config);
	return act(apic, sevm_apic_regs_write(apic->regs, &config, offset, value), value);
}

/*
 * MSRs
 */

static int set_base(struct sevm_vcpu *vcpu, u64 data, bool host)
{
	enum sevm_apic_mode old_mode = sevm_apic_mode(vcpu);
	enum sevm_apic_mode mode = sevm_apic_base_mode(data);
	u64 reserved = BASE_ALWAYS_RESERVED;
	u64 old = vcpu->apic_base;

	if (vcpu->phys_bits && vcpu->phys_bits < 64)
		reserved |= ~0ULL << vcpu->phys_bits;
	if (!sevm_cpuid_has(vcpu, X86_FEATURE_X2APIC))
		reserved |= SEVM_APIC_BASE_X2APIC;
	if (!sevm_apic_base_allowed(old, data, reserved, host))
		return -EINVAL;

	WRITE_ONCE(vcpu->apic_base, data);
	if (vcpu->apic && mode != old_mode)
		sevm_apic_regs_set_mode(vcpu->apic->regs, mode, vcpu->id);
	return 0;
}

static bool x2apic_offset(struct sevm_vcpu *vcpu, u32 msr, u32 *offset)
{
	*offset = (msr - X2APIC_MSR_FIRST) << 4;
	return vcpu->apic && sevm_apic_mode(vcpu) == SEVM_APIC_X2APIC;
}

int sevm_apic_msr_get(struct sevm_vcpu *vcpu, u32 msr, u64 *data, bool host)
{
	u32 offset;

	switch (msr) {
	case MSR_IA32_APICBASE:
		*data = vcpu->apic_base;
		return 0;
	case MSR_IA32_TSC_DEADLINE:
		*data = vcpu->apic ? sevm_apic_timer_get_deadline(vcpu->apic) : 0;
		return 0;
	case X2APIC_MSR_FIRST ... X2APIC_MSR_LAST:
		break;
	default:
		return -EINVAL;
	}

	if (!x2apic_offset(vcpu, msr, &offset) || !sevm_apic_readable(offset, true))
		return -EINVAL;
	*data = read_reg(vcpu->apic, offset);
	if (offset == SEVM_APIC_ICR)
		*data |= (u64)read_reg(vcpu->apic, SEVM_APIC_ICR2) << 32;
	return 0;
}

int sevm_apic_msr_set(struct sevm_vcpu *vcpu, u32 msr, u64 data, bool host)
{
	u32 offset;

	switch (msr) {
	case MSR_IA32_APICBASE:
		return set_base(vcpu, data, host);
	case MSR_IA32_TSC_DEADLINE:
		if (vcpu->apic)
			sevm_apic_timer_set_deadline(vcpu->apic, data);
		return 0;
	case X2APIC_MSR_FIRST ... X2APIC_MSR_LAST:
		break;
	default:
		return -EINVAL;
	}

	if (!x2apic_offset(vcpu, msr, &offset))
		return -EINVAL;
	if (offset == SEVM_APIC_ICR)
		return act(vcpu->apic, sevm_apic_regs_write_icr(vcpu->apic->regs, data), 0);
	if (data >> 32)
		return -EINVAL;
	return write_reg(vcpu->apic, offset, data);
}

/*
 * The page, in xAPIC mode
 */

bool sevm_apic_owns(struct sevm_vcpu *vcpu, sevm_gpa gpa)
{
	return vcpu->apic && sevm_apic_mode(vcpu) == SEVM_APIC_XAPIC &&
	       (gpa & PAGE_MASK) == (vcpu->apic_base & PAGE_MASK);
}

/* Registers are 4 bytes wide and 16 apart; reads may take a part of one. */
void sevm_apic_mmio_read(struct sevm_vcpu *vcpu, u32 offset, u32 len, void *data)
{
	u32 part = offset & 0xf;
	u32 value;

	memset(data, 0, len);
	if (part + len > sizeof(value) || !sevm_apic_readable(offset & ~0xfU, false))
		return;
	value = read_reg(vcpu->apic, offset & ~0xfU);
	memcpy(data, (u8 *)&value + part, len);
}

void sevm_apic_mmio_write(struct sevm_vcpu *vcpu, u32 offset, u32 len, const void *data)
{
	u32 value;

	if (len != sizeof(value) || offset & 0xf)
		return;
	memcpy(&value, data, sizeof(value));
	/* A write to what is no register is lost, as on the hardware. */
	write_reg(vcpu->apic, offset, value);
}

/*
 * Priorities
 */

u8 sevm_apic_get_cr8(struct sevm_vcpu *vcpu)
{
	if (!vcpu->apic)
		return vcpu->cr8;
	return sevm_apic_reg(vcpu->apic->regs, SEVM_APIC_TPR) >> 4;
}

void sevm_apic_set_cr8(struct sevm_vcpu *vcpu, u8 cr8)
{
	cr8 &= 0xf;
	if (!vcpu->apic) {
		vcpu->cr8 = cr8;
		return;
	}
	/* Keep TPR's low half if CR8 is the same. */
	if (sevm_apic_get_cr8(vcpu) != cr8)
		sevm_apic_reg_set(vcpu->apic->regs, SEVM_APIC_TPR, cr8 << 4);
	put_tpr(vcpu->apic);
}

/* Also the condition of a wait. With apic_waiting false one look is enough. */
int sevm_apic_waiting(struct sevm_vcpu *vcpu)
{
	struct sevm_apic *apic = vcpu->apic;
	int vector;

	if (!apic || sevm_apic_mode(vcpu) == SEVM_APIC_DISABLED || !READ_ONCE(vcpu->apic_waiting))
		return -1;
	vector = sevm_apic_vector_highest(apic->regs, SEVM_APIC_IRR);
	if (vector >= 0)
		return vector;
	/* A bit that is set from here on is followed by another true. */
	smp_store_mb(vcpu->apic_waiting, false);
	vector = sevm_apic_vector_highest(apic->regs, SEVM_APIC_IRR);
	if (vector >= 0)
		WRITE_ONCE(vcpu->apic_waiting, true);
	return vector;
}

bool sevm_apic_allows_slow(struct sevm_vcpu *vcpu, u8 vector)
{
	return sevm_apic_regs_allow(vcpu->apic->regs, vector);
}

void sevm_apic_accept(struct sevm_vcpu *vcpu, u8 vector)
{
	sevm_apic_regs_accept(vcpu->apic->regs, vector);
}

bool sevm_apic_accepts_extint(struct sevm_vcpu *vcpu)
{
	u32 lvt;

	/* Without an APIC, or with a disabled one, INTR is wired to the CPU. */
	if (!vcpu->apic || sevm_apic_mode(vcpu) == SEVM_APIC_DISABLED)
		return true;
	lvt = sevm_apic_reg(vcpu->apic->regs, SEVM_APIC_LVT0);
	return !(lvt & SEVM_APIC_LVT_MASKED) && ((lvt >> 8) & 7) == SEVM_DELIVER_EXTINT;
}

/*
 * State for userspace. In x2APIC mode the ID register is as KVM shows it: the
 * low 8 bits on top, or all 32 where KVM_CAP_X2APIC_API asked for them.
 */

static int fix_x2apic_state(struct sevm_vcpu *vcpu, struct sevm_apic_regs *regs, bool set)
{
	u32 id = vcpu->id;

	if (sevm_apic_mode(vcpu) != SEVM_APIC_X2APIC)
		return 0;
	if (vcpu->vm->x2apic_flags & KVM_X2APIC_API_USE_32BIT_IDS) {
		if (sevm_apic_reg(regs, SEVM_APIC_ID) != id)
			return -EINVAL;
	} else {
		/* The ID cannot be set; what userspace believes is ignored. */
		sevm_apic_reg_set(regs, SEVM_APIC_ID, set ? id : id << 24);
	}
	if (set)
		sevm_apic_reg_set(regs, SEVM_APIC_LDR, sevm_apic_x2apic_ldr(id));
	return 0;
}

int sevm_apic_get_state(struct sevm_vcpu *vcpu, struct kvm_lapic_state *state)
{
	struct sevm_apic_regs *regs = (struct sevm_apic_regs *)state;

	if (!vcpu->apic)
		return -EINVAL;
	memcpy(state, vcpu->apic->regs, sizeof(*state));
	sevm_apic_reg_set(regs, SEVM_APIC_LVR, read_reg(vcpu->apic, SEVM_APIC_LVR));
	sevm_apic_reg_set(regs, SEVM_APIC_TMCCT, sevm_apic_timer_current(vcpu->apic));
	return fix_x2apic_state(vcpu, regs, false);
}

int sevm_apic_set_state(struct sevm_vcpu *vcpu, const struct kvm_lapic_state *state)
{
	struct sevm_apic *apic = vcpu->apic;
	struct sevm_apic_regs *regs;
	u64 deadline;
	int ret;

	if (!apic)
		return -EINVAL;
	regs = kmemdup(state, sizeof(*state), GFP_KERNEL);
	if (!regs)
		return -ENOMEM;
	ret = fix_x2apic_state(vcpu, regs, true);
	if (!ret) {
		/* An MSR, so not among the registers: it goes on if the mode stays. */
		deadline = sevm_apic_timer_get_deadline(apic);
		sevm_apic_timer_stop(apic);
		memcpy(apic->regs, regs, sizeof(*state));
		WRITE_ONCE(vcpu->apic_waiting, true);
		put_tpr(apic);
		sevm_apic_timer_restore(apic);
		if (deadline)
			sevm_apic_timer_set_deadline(apic, deadline);
	}
	kfree(regs);
	return ret;
}

void sevm_apic_restart_timer(struct sevm_vcpu *vcpu)
{
	u64 deadline;

	if (!vcpu->apic)
		return;
	deadline = sevm_apic_timer_get_deadline(vcpu->apic);
	if (deadline)
		sevm_apic_timer_set_deadline(vcpu->apic, deadline);
}
