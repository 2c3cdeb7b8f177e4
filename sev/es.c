// SPDX-License-Identifier: GPL-2.0-only
/*
 * es.c - the SEV-ES backend: the table that svm/ calls, and the host state
 * around the world switch.
 *
 * Launch, GHCB and APs are in their own files; this one ties them to
 * include/protect.h. Invariant: where sevm_host_caps.sev_es is false, no VM
 * ever gets this table.
 */
#include <linux/mm.h>
#include <linux/slab.h>
#include <asm/msr.h>
#include <asm/processor.h>
#include <asm/smp.h>
#include <asm/pkru.h>

#include <linux/sevm.h>

#include "sev.h"
#include "svm/kick.h"
#include "svm/mem/npt.h"
#include "svm/cpu/host.h"
#include "svm/cpu/vmcb.h"
#include "svm/irq/apic.h"

#define DR7_RESET	0x400

/* ---- Creation and end ---- */

static int vm_init(struct sevm_vm *vm)
{
	return sevm_launch_init(vm);
}

static void vm_destroy(struct sevm_vm *vm)
{
	sevm_launch_destroy(vm);
}

static int vcpu_init(struct sevm_vcpu *vcpu)
{
	struct sevm_es_vcpu *es;

	es = kvzalloc(sizeof(*es), GFP_KERNEL_ACCOUNT);
	if (!es)
		return -ENOMEM;

	es->vmsa = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!es->vmsa) {
		kvfree(es);
		return -ENOMEM;
	}
	vcpu->protect_data = es;
	return 0;
}

static void vcpu_free(struct sevm_vcpu *vcpu)
{
	struct sevm_es_vcpu *es = sevm_es_vcpu(vcpu);

	if (!es)
		return;
	vcpu->protect_data = NULL;

	sevm_ghcb_release(es);
	if (es->protected)
		sevm_es_flush_encrypted(es->vmsa, vcpu->vm->asid);
	free_page((unsigned long)es->vmsa);
	kvfree(es);
}

/*
 * INIT must not touch a protected vCPU: its registers are out of reach, and the
 * GHCB MSR belongs to the guest. So all that an INIT does here is to put the
 * control area, which svm/ has just reset, back to what a SEV-ES guest needs.
 */
static void vcpu_reset(struct sevm_vcpu *vcpu, bool init)
{
	struct sevm_es_vcpu *es = sevm_es_vcpu(vcpu);
	struct sevm_es_vm *vm = sevm_es_vm(vcpu->vm);

	if (!es->protected) {
		es->xcr0 = XFEATURE_MASK_FP;
		es->dr7 = DR7_RESET;
	}

	sevm_vmcb_init_es(vcpu);
	if (es->protected) {
		sevm_vmcb_protect(vcpu, __pa(es->vmsa));
		vcpu->cr0 = es->cr0;
		vcpu->cr4 = es->cr4;
		vcpu->efer = es->efer;
	}
	if (!init) {
		sevm_vmcb_set_ghcb(vcpu, sevm_ghcb_msr_info(vm->ghcb_max,
							    sevm_es_caps.cbit));
		sevm_ap_page_reset(vcpu);
	}
}

/*
 * What the VMM, or the kernel when it zeroed them, left in caches must not be
 * written back over what the guest writes under its own tag.
 */
static void memory_acquire(struct sevm_vm *vm, struct page **pages, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		sevm_es_flush_range(page_address(pages[i]), PAGE_SIZE);
}

/*
 * Lines that carry the guest's tag must not be written back into pages that
 * have a new owner. CLFLUSH would not find them.
 */
static void memory_release(struct sevm_vm *vm)
{
	struct sevm_es_vm *es = sevm_es_vm(vm);

	if (es && READ_ONCE(es->handle))
		wbinvd_on_all_cpus();
}

/* ---- Running ---- */

static int pre_run(struct sevm_vcpu *vcpu)
{
	/*
	 * KVM lets the hardware refuse a VMSA that is not encrypted yet; there is
	 * no reason to ask it.
	 */
	if (!sevm_es_vm(vcpu->vm)->ready || !sevm_es_vcpu(vcpu)->protected)
		return -EINVAL;
	return 0;
}

static enum sevm_result prepare_entry(struct sevm_vcpu *vcpu)
{
	struct sevm_es_vcpu *es = sevm_es_vcpu(vcpu);

	if (es->reply_staged)
		sevm_ghcb_reply_write(vcpu);
	return SEVM_RESUME;
}

/*
 * #VMEXIT of a SEV-ES guest loads host state that VMRUN does not save: it
 * comes from offset 0x400 of the host save area. Segments, FS and GS base and
 * the syscall MSRs by VMSAVE, each time, because user space or a context switch
 * may have changed them; XCR0, XSS and PKRU by hand. RSP, RAX and the
 * rest of VMRUN's own list are saved by VMRUN; svm/cpu/entry.S keeps the other
 * general registers on its stack; TSC_AUX never changes, and svm/cpu/host.c has
 * stored it.
 *
 * x87, SSE and AVX come back in reset state: svm/run/run.c has claimed the FPU for
 * the kernel, which saved what the VMM has in there. So there is nothing to undo
 * after the exit: without DebugSwap, the guest's DR0-3 are svm/cpu/debug.c's to replace.
 */
static void enter(struct sevm_vcpu *vcpu, int cpu)
{
	struct sev_es_save_area *image = this_cpu_read(sevm_host_cpu.image);

	asm volatile("vmsave %%rax" : : "a" (this_cpu_read(sevm_host_cpu.save_pa)) : "memory");
	image->xcr0 = sevm_host_caps.xcr0;
	image->xss = sevm_host_caps.xss;
	image->pkru = read_pkru();
}

/*
 * The write traps come after the fact: the guest has the new value already.
 * We only keep track, for CPUID and for the priorities of the APIC.
 */
static enum sevm_result handle_exit(struct sevm_vcpu *vcpu)
{
	struct sevm_es_vcpu *es = sevm_es_vcpu(vcpu);
	u64 value = vcpu->exit.info1;

	if (likely(vcpu->exit.code == SVM_EXIT_VMGEXIT)) {
		value = sevm_vmcb_get_ghcb(vcpu);
		sevm_count(vcpu, vmgexit);
		if (value & SEVM_GHCB_MSR_CODE)
			return sevm_ghcb_msr_handle(vcpu, value);
		return sevm_vmgexit_handle(vcpu, value);
	}

	switch (vcpu->exit.code) {
	case SVM_EXIT_EFER_WRITE_TRAP:
		es->efer = value & ~EFER_SVME;
		vcpu->efer = es->efer;
		return SEVM_RESUME;
	case SVM_EXIT_CR0_WRITE_TRAP:
		es->cr0 = value;
		vcpu->cr0 = value;
		return SEVM_RESUME;
	case SVM_EXIT_CR4_WRITE_TRAP:
		es->cr4 = value;
		vcpu->cr4 = value;
		return SEVM_RESUME;
	case SVM_EXIT_CR8_WRITE_TRAP:
		sevm_apic_set_cr8(vcpu, value & 0xf);
		return SEVM_RESUME;
	default:
		return sevm_vm_kill(vcpu->vm, "an exit that no SEV-ES guest makes");
	}
}

/*
 * The first touch of a hole; later ones raise #VC and never come here. A write
 * to read-only memory comes here too, and each time: it could be done only by
 * emulating the instruction. So the VMM learns of it.
 */
static enum sevm_result mmio_fault(struct sevm_vcpu *vcpu, u64 gpa, bool read_only)
{
	int r = read_only ? -EFAULT : sevm_npt_mark(vcpu->vm, gpa);

	switch (r) {
	case 0:
	case -EAGAIN:
		return SEVM_RESUME;
	case -EINVAL:
		return sevm_vm_kill(vcpu->vm, "a guest address beyond the nested page tables");
	default:
		vcpu->run_errno = r;
		return SEVM_TO_USER;
	}
}

/* ---- State ---- */

static enum sevm_access state_access(struct sevm_vcpu *vcpu)
{
	if (!sevm_es_vcpu(vcpu)->protected)
		return SEVM_ACCESS_OPEN;
	return sevm_es_vm(vcpu->vm)->legacy ? SEVM_ACCESS_IGNORED :
					      SEVM_ACCESS_REFUSED;
}

static bool interrupts_enabled(struct sevm_vcpu *vcpu)
{
	return sevm_vmcb_es_interrupt_flag(vcpu);
}

/* Nothing is to do: the VMSA is as it was measured. */
static void start_ap(struct sevm_vcpu *vcpu, u8 vector)
{
}

/* Which page the guest talks through is no secret, and worth a look. */
static bool msr_get(struct sevm_vcpu *vcpu, u32 index, u64 *data)
{
	if (index != MSR_AMD64_SEV_ES_GHCB)
		return false;
	*data = sevm_vmcb_get_ghcb(vcpu);
	return true;
}

const struct sevm_protect_ops sevm_es_ops = {
	.name			= "sev-es",
	.vm_init		= vm_init,
	.enable_ap_page		= sevm_ap_page_enable,
	.vm_destroy		= vm_destroy,
	.vcpu_init		= vcpu_init,
	.vcpu_free		= vcpu_free,
	.vcpu_reset		= vcpu_reset,
	.memory_acquire		= memory_acquire,
	.memory_release		= memory_release,
	.pre_run		= pre_run,
	.prepare_entry		= prepare_entry,
	.enter			= enter,
	.handle_exit		= handle_exit,
	.mmio_fault		= mmio_fault,
	.state_access		= state_access,
	.interrupts_enabled	= interrupts_enabled,
	.reset_hold		= true,
	.start_ap		= start_ap,
	.complete_hold		= sevm_ap_complete_hold,
	.msr_get		= msr_get,
	.vm_ioctl		= sevm_ap_ioctl,
};
