// SPDX-License-Identifier: GPL-2.0-only
/*
 * es.c - the SEV-ES backend: the table that svm/ calls, what the host offers,
 * and the host state around the world switch.
 *
 * Launch, GHCB and APs are in their own files; this one ties them to
 * include/protect.h. Invariant: where sevm_es_caps.available is false, no VM
 * ever gets this table.
 */
#include <linux/slab.h>
#include <asm/cacheflush.h>
#include <asm/cpufeature.h>
#include <asm/msr.h>
#include <asm/processor.h>
#include <asm/smp.h>
#include <asm/pkru.h>

#include <linux/sevm.h>

#include "sev.h"
#include "svm/kick.h"
#include "svm/mem/npt.h"
#include "svm/cpu/host.h"
#include "svm/cpu/tlb.h"
#include "svm/cpu/vmcb.h"
#include "svm/irq/apic.h"

#define DR7_RESET	0x400

struct sevm_es_caps sevm_es_caps;

/* ---- What the host offers ---- */

#define CPUID_SEV	BIT(1)		/* 8000_001F EAX */
#define CPUID_SEV_ES	BIT(3)

/* NULL, or why there can be no SEV-ES guest here: one line for the log. */
static const char *refusal(void)
{
	u32 eax, ebx, ecx, edx;
	u64 syscfg = 0;

	if (boot_cpu_data.x86_vendor != X86_VENDOR_AMD ||
	    cpuid_eax(0x80000000) < 0x8000001f)
		return "the CPU has none";
	cpuid(0x8000001f, &eax, &ebx, &ecx, &edx);
	if (!(eax & CPUID_SEV) || !(eax & CPUID_SEV_ES))
		return "the CPU has none";

	/* Plain guests keep out of the range of SEV, whether we use it or not. */
	sevm_es_caps.cbit = ebx & 0x3f;
	sevm_es_caps.max_asid = ecx;

	rdmsrl_safe(MSR_AMD64_SYSCFG, &syscfg);
	if (!(syscfg & MSR_AMD64_SYSCFG_MEM_ENCRYPT))
		return "memory encryption is off (firmware setup: SMEE)";
	if (!boot_cpu_has(X86_FEATURE_SEV_ES))
		return "the kernel has it disabled (firmware setup, or mem_encrypt options)";
	if (syscfg & MSR_AMD64_SYSCFG_SNP_EN)
		return "the host is initialised for SEV-SNP (boot with sev=nosnp)";
	if (edx <= 1 || !ecx)
		return "the firmware setup leaves no ASID for it (SEV-ES ASID limit)";
	sevm_es_caps.max_es_asid = min(edx - 1, ecx);

	if (!sevm_host_caps.flush_by_asid || !sevm_host_caps.decode_assists)
		return "the CPU lacks FlushByAsid or DecodeAssists";
	if (!sevm_host_caps.lbrv)
		return "the CPU lacks LBR virtualization";
	if (!sevm_npt_can_mark())
		return "MAXPHYADDR leaves no reserved bit to mark MMIO with";
	return NULL;
}

int sevm_es_setup(void)
{
	const char *why = refusal();
	int r;

	if (why) {
		pr_info("no SEV-ES guests: %s\n", why);
		return 0;
	}
	if (sevm_psp_setup())		/* has said why */
		return 0;
	r = sevm_es_asid_setup();
	if (r) {
		sevm_psp_teardown();
		return r;
	}

	sevm_es_caps.available = true;
	pr_info("SEV-ES guests: ASIDs 1 to %u, C-bit %u\n",
		sevm_es_caps.max_es_asid, sevm_es_caps.cbit);
	return 0;
}

void sevm_es_teardown(void)
{
	if (!sevm_es_caps.available)
		return;
	sevm_es_caps.available = false;
	sevm_es_asid_teardown();
	sevm_psp_teardown();
}

bool sevm_es_available(void)
{
	return sevm_es_caps.available;
}

u32 sevm_es_max_asid(void)
{
	return sevm_es_caps.max_asid;
}

int sevm_es_check_extension(long ext)
{
	switch (ext) {
	case KVM_CAP_VM_TYPES:
		return BIT(KVM_X86_DEFAULT_VM) |
		       (sevm_es_available() ? BIT(KVM_X86_SEV_ES_VM) : 0);
	case SEVM_CAP_AP_JUMP_TABLE:
	case SEVM_CAP_AP_HOLD:
		return sevm_es_available();
	case SEVM_CAP_AP_PAGE:
		return sevm_es_available() ? SEVM_AP_PAGE_VERSION : 0;
	default:
		return -1;
	}
}

/* ---- Caches ---- */

/*
 * Before the firmware reads or writes memory: it goes past the caches, and
 * where the CPU does not keep views with and without the C-bit coherent, dirty
 * lines of ours would be lost or would overwrite its work.
 */
void sevm_es_flush_range(void *va, size_t len)
{
	if (!boot_cpu_has(X86_FEATURE_SME_COHERENT))
		clflush_cache_range(va, len);
}

/*
 * One page that the guest's key has written. CLFLUSH through our mapping
 * reaches lines of our own tag only, unless the CPU is coherent across tags.
 */
void sevm_es_flush_encrypted(void *va, u32 asid)
{
	if (boot_cpu_has(X86_FEATURE_SME_COHERENT)) {
		clflush_cache_range(va, PAGE_SIZE);
		return;
	}
	if (boot_cpu_has(X86_FEATURE_VM_PAGE_FLUSH) &&
	    !wrmsrl_safe(MSR_AMD64_VM_PAGE_FLUSH, (unsigned long)va | asid))
		return;
	wbinvd_on_all_cpus();
}

/* ---- Life ---- */

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

	sevm_ghcb_drop(es);
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
 * comes from the image behind the host save area. Segments, FS and GS base and
 * the syscall MSRs by VMSAVE, each time, because user space or a context switch
 * may have changed them; the extended-state registers by hand. RSP, RAX and the
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
		vcpu->cr8 = value & 0xf;
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
	.enc_op			= sevm_launch_enc_op,
	.vm_ioctl		= sevm_ap_ioctl,
};
