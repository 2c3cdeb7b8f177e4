// SPDX-License-Identifier: GPL-2.0-only
/*
 * plain.c - the null protection backend.
 *
 * A guest whose registers and memory are open. Most operations do nothing;
 * what svm/ asks of every guest is answered from the VMCB.
 */
#include <asm/processor-flags.h>

#include "protect.h"
#include "io.h"
#include "svm/cpu/host.h"
#include "svm/cpu/tlb.h"
#include "svm/cpu/vmcb.h"
#include "svm/cpu/walk.h"

static int vm_init(struct sevm_vm *vm)
{
	return 0;
}

static int enable_ap_page(struct sevm_vm *vm, const u64 *args)
{
	return -EINVAL;
}

static void vm_nothing(struct sevm_vm *vm)
{
}

static void memory_acquire(struct sevm_vm *vm, struct page **pages, unsigned int n)
{
}

static int vcpu_init(struct sevm_vcpu *vcpu)
{
	return 0;
}

static void vcpu_nothing(struct sevm_vcpu *vcpu)
{
}

static void vcpu_reset(struct sevm_vcpu *vcpu, bool init)
{
}

static int pre_run(struct sevm_vcpu *vcpu)
{
	/* SEV may own every ASID of the CPU. */
	return sevm_tlb_has_plain_asids() ? 0 : -EBUSY;
}

static enum sevm_result prepare_entry(struct sevm_vcpu *vcpu)
{
	return SEVM_RESUME;
}

static void enter(struct sevm_vcpu *vcpu, int cpu)
{
}

static enum sevm_result handle_exit(struct sevm_vcpu *vcpu)
{
	return sevm_io_unexpected(vcpu);
}

/* There is no emulator: userspace gets the instruction and does it. */
static enum sevm_result mmio_fault(struct sevm_vcpu *vcpu, u64 gpa, bool read_only)
{
	u8 insn[15];
	u8 len;

	sevm_count(vcpu, mmio_exits);
	if (sevm_host_caps.decode_assists && vcpu->exit.insn_len)
		return sevm_io_emulation_failure(vcpu, gpa, vcpu->exit.insn_bytes,
						 vcpu->exit.insn_len);
	len = sevm_walk_fetch(vcpu, insn, sizeof(insn));
	return sevm_io_emulation_failure(vcpu, gpa, insn, len);
}

static enum sevm_access state_access(struct sevm_vcpu *vcpu)
{
	return SEVM_ACCESS_OPEN;
}

static bool interrupts_enabled(struct sevm_vcpu *vcpu)
{
	return sevm_vmcb_get_rflags(vcpu) & X86_EFLAGS_IF;
}

/* Real mode at vector * 4 KiB. */
static void start_ap(struct sevm_vcpu *vcpu, u8 vector)
{
	sevm_vmcb_set_real_cs(vcpu, vector << 8);
	sevm_vmcb_set_rip(vcpu, 0);
}

static void complete_hold(struct sevm_vcpu *vcpu, u32 kind)
{
}

static bool msr_get(struct sevm_vcpu *vcpu, u32 index, u64 *data)
{
	return false;
}

static long vm_ioctl(struct sevm_vm *vm, unsigned int cmd, unsigned long arg)
{
	return -ENOTTY;
}

const struct sevm_protect_ops sevm_plain_ops = {
	.name = "plain",
	.vm_init = vm_init,
	.enable_ap_page = enable_ap_page,
	.vm_destroy = vm_nothing,
	.vcpu_init = vcpu_init,
	.vcpu_free = vcpu_nothing,
	.vcpu_reset = vcpu_reset,
	.memory_acquire = memory_acquire,
	.memory_release = vm_nothing,
	.pre_run = pre_run,
	.prepare_entry = prepare_entry,
	.enter = enter,
	.handle_exit = handle_exit,
	.mmio_fault = mmio_fault,
	.state_access = state_access,
	.interrupts_enabled = interrupts_enabled,
	.start_ap = start_ap,
	.complete_hold = complete_hold,
	.msr_get = msr_get,
	.vm_ioctl = vm_ioctl,
};
