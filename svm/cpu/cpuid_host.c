// SPDX-License-Identifier: GPL-2.0-only
/*
 * cpuid_host.c - what this host can offer a guest.
 *
 * What its CPU has, cut down by what its kernel has enabled and by the tables
 * here: KVM_GET_SUPPORTED_CPUID. What a guest then sees is cpuid.c.
 */
#include <linux/kvm_para.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <asm/cpufeature.h>
#include <asm/fpu/types.h>
#include <asm/fpu/xstate.h>

#include "cpuid.h"
#include "cpuid_internal.h"
#include "fpu.h"
#include "host.h"
#include "svm/mem/npt.h"

#define PSFD			BIT(28)	/* of 8000_0008 EBX; 6.1 has no name for it */

#define SHARED_1_EDX	(F(FPU) | F(VME) | F(DE) | F(PSE) | F(TSC) | F(MSR) |	\
			 F(PAE) | F(MCE) | F(CX8) | F(APIC) | F(MTRR) |		\
			 F(PGE) | F(MCA) | F(CMOV) | F(PAT) | F(PSE36) |	\
			 F(MMX) | F(FXSR))

/*
 * A word of feature bits: those a guest may have if the host's CPU and kernel
 * do, and those it has anyway because they are ours. Not in the table, not for
 * a guest.
 */
static const struct {
	u32 leaf;
	u32 index;
	enum sevm_cpuid_reg reg;
	u32 word;	/* of x86_capability */
	u32 allowed;
	u32 forced;
} features[] = {
	{ 1, 0, EDX, CPUID_1_EDX,
	  SHARED_1_EDX | F(SEP) | F(CLFLUSH) | F(XMM) | F(XMM2) },
	{ 1, 0, ECX, CPUID_1_ECX,
	  F(XMM3) | F(PCLMULQDQ) | F(SSSE3) | F(FMA) | F(CX16) | F(XMM4_1) |
	  F(XMM4_2) | F(MOVBE) | F(POPCNT) | F(AES) | F(XSAVE) | F(AVX) |
	  F(F16C) | F(RDRAND),
	  F(X2APIC) | F(HYPERVISOR) },
	{ 7, 0, EBX, CPUID_7_0_EBX,
	  F(FSGSBASE) | F(BMI1) | F(AVX2) | F(SMEP) | F(BMI2) | F(ERMS) |
	  F(INVPCID) | F(AVX512F) | F(AVX512DQ) | F(RDSEED) | F(ADX) |
	  F(SMAP) | F(AVX512IFMA) | F(CLFLUSHOPT) | F(CLWB) | F(AVX512CD) |
	  F(SHA_NI) | F(AVX512BW) | F(AVX512VL),
	  F(TSC_ADJUST) },
	{ 7, 0, ECX, CPUID_7_ECX,
	  F(AVX512VBMI) | F(UMIP) | F(AVX512_VBMI2) | F(GFNI) | F(VAES) |
	  F(VPCLMULQDQ) | F(AVX512_VNNI) | F(AVX512_BITALG) |
	  F(AVX512_VPOPCNTDQ) | F(LA57) | F(PKU) | F(RDPID) | F(MOVDIRI) |
	  F(MOVDIR64B) },
	{ 7, 0, EDX, CPUID_7_EDX, F(FSRM) },
	{ 7, 1, EAX, CPUID_7_1_EAX, F(AVX_VNNI) | F(AVX512_BF16) },
	{ 0xd, 1, EAX, CPUID_D_1_EAX,
	  F(XSAVEOPT) | F(XSAVEC) | F(XGETBV1) | F(XSAVES) },
	{ 0x80000001, 0, EDX, CPUID_8000_0001_EDX,
	  SHARED_1_EDX | F(SYSCALL) | F(NX) | F(MMXEXT) | F(FXSR_OPT) |
	  F(GBPAGES) | F(RDTSCP) | F(LM) | F(3DNOWEXT) | F(3DNOW) },
	{ 0x80000001, 0, ECX, CPUID_8000_0001_ECX,
	  F(LAHF_LM) | F(CMP_LEGACY) | F(CR8_LEGACY) | F(ABM) | F(SSE4A) |
	  F(MISALIGNSSE) | F(3DNOWPREFETCH) | F(OSVW) | F(XOP) | F(FMA4) |
	  F(TBM) | F(TOPOEXT) },
	{ 0x80000008, 0, EBX, CPUID_8000_0008_EBX,
	  F(CLZERO) | F(XSAVEERPTR) | F(WBNOINVD) | F(AMD_IBPB) |
	  F(AMD_IBRS) | F(AMD_STIBP) | F(AMD_STIBP_ALWAYS_ON) |
	  F(AMD_SSBD) | F(AMD_SSB_NO) | PSFD | F(BTC_NO) },
	{ 0x8000001f, 0, EAX, CPUID_8000_001F_EAX,
	  F(SEV) | F(SEV_ES) | F(SME_COHERENT) },
};

/* The bits above as this host has them. */
static u32 caps[ARRAY_SIZE(features)] __ro_after_init;

/* Leaf 0xD: what XSAVE keeps, by component. */
static struct {
	u32 size, offset, align;
} components[XFEATURE_MAX] __ro_after_init;

static u64 guest_xcr0 __ro_after_init;

u32 *sevm_cpuid_reg(struct kvm_cpuid_entry2 *entry, enum sevm_cpuid_reg reg)
{
	u32 *const regs[] = { &entry->eax, &entry->ebx, &entry->ecx, &entry->edx };

	return regs[reg];
}

bool sevm_cpuid_where(unsigned int x86_feature, u32 *leaf, u32 *index,
		      enum sevm_cpuid_reg *reg)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(features); i++) {
		if (features[i].word != x86_feature / 32)
			continue;
		*leaf = features[i].leaf;
		*index = features[i].index;
		*reg = features[i].reg;
		return true;
	}
	return false;
}

static bool has_index(u32 leaf)
{
	switch (leaf) {
	case 4: case 7: case 0xb: case 0xd: case 0xf: case 0x10: case 0x12:
	case 0x14: case 0x17: case 0x18: case 0x1d: case 0x1e: case 0x1f:
	case 0x24: case 0x8000001d:
		return true;
	}
	return false;
}

u32 sevm_cpuid_xstate_size(u64 xfeatures, bool compact)
{
	u32 size = FXSAVE_SIZE + XSAVE_HDR_SIZE;
	unsigned int i;

	for (i = 2; i < ARRAY_SIZE(components); i++) {
		u32 offset = components[i].offset;

		if (!(xfeatures & BIT_ULL(i)))
			continue;
		if (compact)
			offset = components[i].align ? ALIGN(size, 64) : size;
		size = max(size, offset + components[i].size);
	}
	return size;
}

struct list {
	struct kvm_cpuid_entry2 *entries;
	u32 n, max;
};

static struct kvm_cpuid_entry2 *add(struct list *list, u32 leaf, u32 index)
{
	struct kvm_cpuid_entry2 *entry;

	if (list->n >= list->max)
		return NULL;
	entry = &list->entries[list->n++];
	*entry = (struct kvm_cpuid_entry2){
		.function = leaf, .index = index,
		.flags = has_index(leaf) ? SIGNIFICANT : 0,
	};
	return entry;
}

static void read_host(struct kvm_cpuid_entry2 *entry)
{
	cpuid_count(entry->function, entry->index, &entry->eax, &entry->ebx,
		    &entry->ecx, &entry->edx);
}

static struct kvm_cpuid_entry2 *add_host(struct list *list, u32 leaf, u32 index)
{
	struct kvm_cpuid_entry2 *entry = add(list, leaf, index);

	if (entry)
		read_host(entry);
	return entry;
}

static void override(struct kvm_cpuid_entry2 *entry)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(features); i++) {
		if (features[i].leaf == entry->function && features[i].index == entry->index)
			*sevm_cpuid_reg(entry, features[i].reg) = caps[i];
	}
}

static int add_leaf_7(struct list *list)
{
	struct kvm_cpuid_entry2 *entry = add_host(list, 7, 0);

	if (!entry)
		return -E2BIG;
	entry->eax = min(entry->eax, 1U);
	override(entry);
	if (!entry->eax)
		return 0;

	entry = add(list, 7, 1);
	if (!entry)
		return -E2BIG;
	override(entry);
	return 0;
}

static int add_leaf_d(struct list *list)
{
	struct kvm_cpuid_entry2 *entry = add(list, 0xd, 0);
	unsigned int i;

	if (!entry)
		return -E2BIG;
	if (!guest_xcr0)
		return 0;
	entry->eax = lower_32_bits(guest_xcr0);
	entry->ebx = sevm_cpuid_xstate_size(guest_xcr0, false);
	entry->ecx = entry->ebx;
	entry->edx = upper_32_bits(guest_xcr0);

	entry = add(list, 0xd, 1);
	if (!entry)
		return -E2BIG;
	override(entry);
	if (entry->eax & (F(XSAVES) | F(XSAVEC)))
		entry->ebx = sevm_cpuid_xstate_size(guest_xcr0, true);

	for (i = 2; i < ARRAY_SIZE(components); i++) {
		if (!(guest_xcr0 & BIT_ULL(i)))
			continue;
		entry = add_host(list, 0xd, i);
		if (!entry)
			return -E2BIG;
		entry->ecx &= 2;	/* alignment; no supervisor state, no XFD */
		entry->edx = 0;
	}
	return 0;
}

/* The caches, down to the one that is not there. Who shares them: the VMM's. */
static int add_leaf_8000_001d(struct list *list)
{
	struct kvm_cpuid_entry2 *entry;
	u32 i = 0;

	do {
		entry = add_host(list, 0x8000001d, i++);
		if (!entry)
			return -E2BIG;
	} while (entry->eax & 0x1f);
	return 0;
}

static u32 highest_extended(u32 host)
{
	/* LFENCE_RDTSC and NULL_SEL_CLR_BASE are in leaf 8000_0021. */
	return host < 0x80000021 && !boot_cpu_has(X86_FEATURE_LFENCE_RDTSC) &&
	       boot_cpu_has_bug(X86_BUG_NULL_SEG) ? host : 0x80000021;
}

static void fill_8000_0008(struct kvm_cpuid_entry2 *entry)
{
	u32 phys = entry->eax & 0xff, virt = max(entry->eax >> 8 & 0xff, 48U);

	/*
	 * The raw width: what memory encryption takes from host addresses it
	 * does not take from guest addresses. Bits 23:16: what nested tables reach.
	 */
	entry->eax = phys | virt << 8 |
		     (u32)(fls64(sevm_npt_max_gfn()) + PAGE_SHIFT) << 16;
	entry->ecx &= ~(GENMASK(31, 16) | GENMASK(11, 8));
	entry->edx = 0;
}

static void fill_8000_001f(struct kvm_cpuid_entry2 *entry)
{
	if (!sevm_host_caps.sev_es) {
		entry->eax = 0;
		entry->ebx = 0;
		entry->ecx = 0;
		entry->edx = 0;
		return;
	}
	/* The position of the C-bit. The guest's MAXPHYADDR is not reduced. */
	entry->ebx &= 0x3f;
}

static void fill_8000_0021(struct kvm_cpuid_entry2 *entry, bool host_has)
{
	u32 eax = host_has ? entry->eax : 0;

	/* NO_NESTED_DATA_BP, LFENCE_RDTSC, NULL_SEL_CLR_BASE, AUTOIBRS */
	eax &= BIT(0) | BIT(2) | BIT(6) | BIT(8);
	if (boot_cpu_has(X86_FEATURE_LFENCE_RDTSC))
		eax |= BIT(2);
	if (!boot_cpu_has_bug(X86_BUG_NULL_SEG))
		eax |= BIT(6);
	if (!(sevm_host_caps.efer & BIT(21)))
		eax &= ~BIT(8);
	eax |= BIT(9);		/* NO_SMM_CTL_MSR: there is no SMM */
	entry->eax = eax;
	entry->ebx = 0;
	entry->ecx = 0;
	entry->edx = 0;
}

static void clear(struct kvm_cpuid_entry2 *entry)
{
	entry->eax = 0;
	entry->ebx = 0;
	entry->ecx = 0;
	entry->edx = 0;
}

static int add_leaf(struct list *list, u32 leaf)
{
	struct kvm_cpuid_entry2 *entry;

	if (leaf == 7)
		return add_leaf_7(list);
	if (leaf == 0xd)
		return add_leaf_d(list);
	if (leaf == 0x8000001d)
		return add_leaf_8000_001d(list);

	entry = add_host(list, leaf, 0);
	if (!entry)
		return -E2BIG;

	switch (leaf) {
	case 0:
		entry->eax = min(entry->eax, 0x10U);
		break;
	case 1:
		override(entry);
		break;
	case 6:
		clear(entry);
		entry->eax = BIT(2);	/* ARAT: the APIC timer never stops */
		break;
	case KVM_CPUID_SIGNATURE:
		clear(entry);
		entry->eax = KVM_CPUID_FEATURES;
		memcpy(&entry->ebx, "KVMK", 4);
		memcpy(&entry->ecx, "VMKV", 4);
		memcpy(&entry->edx, "M\0\0\0", 4);
		break;
	case KVM_CPUID_FEATURES:
		clear(entry);
		entry->eax = BIT(KVM_FEATURE_CLOCKSOURCE) | BIT(KVM_FEATURE_NOP_IO_DELAY) |
			     BIT(KVM_FEATURE_CLOCKSOURCE2) |
			     BIT(KVM_FEATURE_CLOCKSOURCE_STABLE_BIT);
		break;
	case 0x80000000:
		entry->eax = highest_extended(entry->eax);
		break;
	case 0x80000001:
		entry->ebx &= ~GENMASK(27, 16);
		override(entry);
		break;
	case 0x80000002 ... 0x80000005:	/* the CPU's name; first-level caches */
	case 0x80000019:		/* TLBs of 1 GiB pages */
		break;
	case 0x80000006:
		entry->edx &= ~GENMASK(17, 16);
		break;
	case 0x80000007:
		entry->eax = 0;
		entry->ebx = 0;
		entry->ecx = 0;
		entry->edx &= boot_cpu_has(X86_FEATURE_CONSTANT_TSC) ? BIT(8) : 0;
		break;
	case 0x80000008:
		fill_8000_0008(entry);
		override(entry);
		break;
	case 0x8000001a:
		entry->eax &= GENMASK(2, 0);
		entry->ebx = 0;
		entry->ecx = 0;
		entry->edx = 0;
		break;
	case 0x8000001f:
		override(entry);
		fill_8000_001f(entry);
		break;
	case 0x80000021:
		fill_8000_0021(entry, cpuid_eax(0x80000000) >= 0x80000021);
		break;
	default:
		/* Topology is the VMM's; the rest we do not offer. */
		clear(entry);
		break;
	}
	return 0;
}

static int add_leaves(struct list *list, u32 base)
{
	u32 leaf, limit;
	int ret;

	ret = add_leaf(list, base);
	if (ret)
		return ret;
	limit = list->entries[list->n - 1].eax;
	for (leaf = base + 1; leaf <= limit; leaf++) {
		ret = add_leaf(list, leaf);
		if (ret)
			return ret;
	}
	return 0;
}

int sevm_cpuid_get_supported(struct kvm_cpuid2 __user *arg, bool emulated)
{
	static const u32 bases[] = { 0, 0x80000000, KVM_CPUID_SIGNATURE };
	struct kvm_cpuid2 cpuid;
	struct list list = {};
	unsigned int i;
	int ret = 0;

	if (copy_from_user(&cpuid, arg, sizeof(cpuid)))
		return -EFAULT;
	if (!cpuid.nent)
		return -E2BIG;
	list.max = min_t(u32, cpuid.nent, SEVM_MAX_CPUID);
	list.entries = kvcalloc(list.max, sizeof(*list.entries), GFP_KERNEL_ACCOUNT);
	if (!list.entries)
		return -ENOMEM;

	/* There is no instruction emulator that could add a feature. */
	for (i = 0; !emulated && i < ARRAY_SIZE(bases) && !ret; i++)
		ret = add_leaves(&list, bases[i]);

	cpuid.nent = list.n;
	if (!ret && (copy_to_user(arg->entries, list.entries, list.n * sizeof(*list.entries)) ||
		     copy_to_user(arg, &cpuid, sizeof(cpuid))))
		ret = -EFAULT;
	kvfree(list.entries);
	return ret;
}

void __init sevm_cpuid_setup(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(features); i++) {
		struct kvm_cpuid_entry2 raw = {
			.function = features[i].leaf, .index = features[i].index,
		};

		read_host(&raw);
		caps[i] = (*sevm_cpuid_reg(&raw, features[i].reg) & features[i].allowed &
			   boot_cpu_data.x86_capability[features[i].word]) |
			  features[i].forced;
		/* The CPU's PKU is no use where the kernel has left CR4.PKE off. */
		if (features[i].word == CPUID_7_ECX && !boot_cpu_has(X86_FEATURE_OSPKE))
			caps[i] &= ~F(PKU);
	}

	guest_xcr0 = sevm_host_caps.xcr0 & SEVM_GUEST_XCR0;
	for (i = 2; i < ARRAY_SIZE(components); i++) {
		u32 eax, ebx, ecx, edx;

		if (!(guest_xcr0 & BIT_ULL(i)))
			continue;
		cpuid_count(0xd, i, &eax, &ebx, &ecx, &edx);
		components[i].size = eax;
		components[i].offset = ebx;
		components[i].align = ecx & 2;
	}
}
