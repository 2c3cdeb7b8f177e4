// SPDX-License-Identifier: GPL-2.0-only
/*
 * host.c - what this host offers of SEV-ES, and its caches.
 *
 * Read once at load, with one line in the log that says why there can be no
 * SEV-ES guest where that is so.
 */
#include <asm/cacheflush.h>
#include <asm/cpufeature.h>
#include <asm/msr.h>
#include <asm/processor.h>
#include <asm/smp.h>

#include <linux/sevm.h>

#include "sev.h"
#include "svm/mem/npt.h"
#include "svm/cpu/host.h"

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

	/* Plain guests use no ASID of SEV, whether we use SEV or not. */
	sevm_es_caps.cbit = ebx & 0x3f;
	sevm_host_caps.max_sev_asid = ecx;

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
	r = sevm_keyslot_setup(sevm_es_caps.max_es_asid);
	if (r) {
		sevm_psp_teardown();
		return r;
	}

	sevm_host_caps.sev_es = true;
	pr_info("SEV-ES guests: ASIDs 1 to %u, C-bit %u\n",
		sevm_es_caps.max_es_asid, sevm_es_caps.cbit);
	return 0;
}

void sevm_es_teardown(void)
{
	if (!sevm_host_caps.sev_es)
		return;
	sevm_host_caps.sev_es = false;
	sevm_keyslot_teardown();
	sevm_psp_teardown();
}

int sevm_es_check_extension(long ext)
{
	switch (ext) {
	case KVM_CAP_VM_TYPES:
		return BIT(KVM_X86_DEFAULT_VM) |
		       (sevm_host_caps.sev_es ? BIT(KVM_X86_SEV_ES_VM) : 0);
	case SEVM_CAP_AP_JUMP_TABLE:
	case SEVM_CAP_AP_HOLD:
		return sevm_host_caps.sev_es;
	case SEVM_CAP_AP_PAGE:
		return sevm_host_caps.sev_es ? SEVM_AP_PAGE_VERSION : 0;
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
