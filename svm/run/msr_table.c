// SPDX-License-Identifier: GPL-2.0-only
/*
 * msr_table.c - what each MSR means.
 *
 * Each MSR that a guest or its VMM may read or write is in a row; what is in no
 * row only the backend may know. The values are in struct sevm_msrs, in struct
 * sevm_vcpu, in the VMCB (vmcb_state.c), with the APIC or with the clock; who asks,
 * and what becomes of an error, is msr.c.
 *
 * Invariant: what the guest writes is checked as the CPU would, but for STAR,
 * SYSCALL_MASK and SYSENTER_CS.
 */
#include <linux/kvm_para.h>
#include <linux/nospec.h>
#include <asm/cpufeature.h>
#include <asm/mce.h>
#include <asm/msr.h>
#include <asm/nospec-branch.h>

#include "msr_internal.h"
#include "vmcb_state.h"
#include "svm/cpu/clock.h"
#include "svm/cpu/cpuid.h"
#include "svm/cpu/host.h"
#include "svm/irq/apic.h"

#define DE_CFG_LFENCE		BIT_ULL(1)
#define HWCR_IGNORED		(BIT_ULL(3) | BIT_ULL(6) | BIT_ULL(8))
#define HWCR_STATUS_WRITE	BIT_ULL(18)	/* McStatusWrEn */
#define HWCR_TSC_FREQ		BIT_ULL(24)
#define MTRR_TYPES		0x73		/* UC WC WT WP WB */
#define PAT_TYPES		0xf3		/* and UC- */
#define MTRR_CAP		(BIT(10) | BIT(8) | SEVM_MTRR_VARIABLE)

struct row {
	u32 first, last;
	int (*get)(struct sevm_vcpu *vcpu, const struct row *row, u32 index,
		   u64 *data, bool host);
	int (*set)(struct sevm_vcpu *vcpu, const struct row *row, u32 index,
		   u64 data, bool host);
	u64 value;	/* of a constant */
	u16 offset;	/* of a stored one, in struct sevm_msrs */
};

#define GET(name)	static int get_##name(struct sevm_vcpu *vcpu,	\
	const struct row *row, u32 index, u64 *data, bool host)
#define SET(name)	static int set_##name(struct sevm_vcpu *vcpu,	\
	const struct row *row, u32 index, u64 data, bool host)

/* Constants, and values that are only stored */

GET(constant)
{
	*data = row->value;
	return 0;
}

SET(constant)
{
	return data == row->value ? 0 : -EINVAL;
}

SET(ignored)
{
	return 0;
}

static u64 *stored(struct sevm_vcpu *vcpu, const struct row *row, u32 index)
{
	u32 i = array_index_nospec(index - row->first, row->last - row->first + 1);

	return (u64 *)((void *)vcpu->msrs + row->offset) + i;
}

GET(stored)
{
	*data = *stored(vcpu, row, index);
	return 0;
}

SET(stored)
{
	*stored(vcpu, row, index) = data;
	return 0;
}

/* Only userspace sets it; a guest's write is ignored. */
SET(stored_by_host)
{
	if (host)
		*stored(vcpu, row, index) = data;
	return 0;
}

GET(vmcb)
{
	return sevm_vmcb_get_msr(vcpu, index, data) ? 0 : -ENOENT;
}

static int write_vmcb(struct sevm_vcpu *vcpu, u32 index, u64 data)
{
	return sevm_vmcb_set_msr(vcpu, index, data) ? 0 : -ENOENT;
}

SET(vmcb)
{
	return write_vmcb(vcpu, index, data);
}

/* The CPU faults on these if they are not canonical; VMLOAD would not. */
SET(vmcb_address)
{
	unsigned int bits = vcpu->cr4 & X86_CR4_LA57 ? 57 : 48;

	if (sign_extend64(data, bits - 1) != (s64)data) {
		/* Userspace may set CR4 later. */
		if (!host || sign_extend64(data, 56) != (s64)data)
			return -EINVAL;
	}
	return write_vmcb(vcpu, index, data);
}

/* Modes and memory types */

SET(efer)
{
	u64 valid = EFER_SCE | EFER_LME | EFER_LMA | EFER_NX |
		    (sevm_host_caps.efer & EFER_AUTOIBRS);

	if (boot_cpu_has(X86_FEATURE_FXSR_OPT))
		valid |= EFER_FFXSR;
	if (data & ~valid)
		return -EINVAL;
	if (!host) {
		if (data & EFER_NX && !sevm_cpuid_has(vcpu, X86_FEATURE_NX))
			return -EINVAL;
		if (data & EFER_FFXSR && !sevm_cpuid_has(vcpu, X86_FEATURE_FXSR_OPT))
			return -EINVAL;
		if (data & (EFER_LME | EFER_LMA) && !sevm_cpuid_has(vcpu, X86_FEATURE_LM))
			return -EINVAL;
		if (vcpu->cr0 & X86_CR0_PG && (data ^ vcpu->efer) & EFER_LME)
			return -EINVAL;
	}
	/* LMA is the CPU's. */
	return write_vmcb(vcpu, index, (data & ~EFER_LMA) | (vcpu->efer & EFER_LMA));
}

static bool are_types(u64 data, u8 types)
{
	unsigned int i;

	for (i = 0; i < 64; i += 8) {
		u8 type = data >> i;

		if (type > 7 || !(types & BIT(type)))
			return false;
	}
	return true;
}

SET(pat)
{
	if (!are_types(data, PAT_TYPES))
		return -EINVAL;
	vcpu->pat = data;
	return write_vmcb(vcpu, index, data);
}

SET(mtrr_fixed)
{
	if (!are_types(data, MTRR_TYPES))
		return -EINVAL;
	*stored(vcpu, row, index) = data;
	return 0;
}

SET(mtrr_type)
{
	if (data & ~0xcffULL || !are_types(data & 0xff, MTRR_TYPES))
		return -EINVAL;
	*stored(vcpu, row, index) = data;
	return 0;
}

SET(mtrr_variable)
{
	u64 reserved = vcpu->phys_bits < 64 ? ~0ULL << vcpu->phys_bits : 0;

	reserved |= index & 1 ? 0x7ff : 0xf00;
	if (data & reserved)
		return -EINVAL;
	if (!(index & 1) && !are_types(data & 0xff, MTRR_TYPES))
		return -EINVAL;
	*stored(vcpu, row, index) = data;
	return 0;
}

/* Supervisor states: none is kept for a plain guest, so none may be chosen. */
GET(xss)
{
	if (!host && !sevm_cpuid_has(vcpu, X86_FEATURE_XSAVES))
		return -EINVAL;
	*data = vcpu->xss;
	return 0;
}

SET(xss)
{
	if (data || (!host && !sevm_cpuid_has(vcpu, X86_FEATURE_XSAVES)))
		return -EINVAL;
	vcpu->xss = data;
	return 0;
}

SET(debugctl)
{
	if (data & ~(DEBUGCTLMSR_LBR | DEBUGCTLMSR_BTF))
		return -EINVAL;
	return write_vmcb(vcpu, index, data);
}

/* Time */

GET(tsc)
{
	*data = sevm_clock_tsc(vcpu);
	return 0;
}

SET(tsc)
{
	u64 old = vcpu->tsc_offset;

	sevm_clock_set_tsc(vcpu, data, host);
	sevm_apic_restart_timer(vcpu);
	if (!host)
		vcpu->msrs->tsc_adjust += vcpu->tsc_offset - old;
	return 0;
}

SET(tsc_adjust)
{
	if (!host) {
		sevm_clock_adjust_tsc(vcpu, data - vcpu->msrs->tsc_adjust);
		sevm_apic_restart_timer(vcpu);
	}
	vcpu->msrs->tsc_adjust = data;
	return 0;
}

GET(tsc_aux)
{
	if (!host && !sevm_cpuid_has(vcpu, X86_FEATURE_RDTSCP) &&
	    !sevm_cpuid_has(vcpu, X86_FEATURE_RDPID))
		return -EINVAL;
	*data = vcpu->tsc_aux;
	return 0;
}

SET(tsc_aux)
{
	if (!boot_cpu_has(X86_FEATURE_RDTSCP) ||
	    (!host && !sevm_cpuid_has(vcpu, X86_FEATURE_RDTSCP) &&
	     !sevm_cpuid_has(vcpu, X86_FEATURE_RDPID)))
		return -EINVAL;
	/* As on AMD: the upper half is dropped, not refused. */
	vcpu->tsc_aux = (u32)data;
	return 0;
}

GET(clock)
{
	*data = vcpu->clock_msr;
	return 0;
}

GET(wall_clock)
{
	*data = vcpu->wall_clock_msr;
	return 0;
}

SET(clock)
{
	return sevm_clock_msr_set(vcpu, index, data);
}

/* The local APIC */

GET(apic)
{
	return sevm_apic_msr_get(vcpu, index, data, host);
}

SET(apic)
{
	return sevm_apic_msr_set(vcpu, index, data, host);
}

/* Speculation */

static bool has_spec_ctrl(struct sevm_vcpu *vcpu)
{
	return sevm_cpuid_has(vcpu, X86_FEATURE_AMD_IBRS) ||
	       sevm_cpuid_has(vcpu, X86_FEATURE_AMD_STIBP) ||
	       sevm_cpuid_has(vcpu, X86_FEATURE_AMD_SSBD);
}

GET(spec_ctrl)
{
	if (!host && !has_spec_ctrl(vcpu))
		return -EINVAL;
	*data = vcpu->spec_ctrl;
	return 0;
}

SET(spec_ctrl)
{
	u64 valid = 0;

	if (!host && !has_spec_ctrl(vcpu))
		return -EINVAL;
	/* What this CPU takes: run.c will write it. */
	if (boot_cpu_has(X86_FEATURE_AMD_IBRS) || boot_cpu_has(X86_FEATURE_IBRS))
		valid |= SPEC_CTRL_IBRS;
	if (boot_cpu_has(X86_FEATURE_AMD_STIBP) || boot_cpu_has(X86_FEATURE_STIBP))
		valid |= SPEC_CTRL_STIBP;
	if (boot_cpu_has(X86_FEATURE_AMD_SSBD))
		valid |= SPEC_CTRL_SSBD;
	if (cpuid_ebx(0x80000008) & BIT(28))
		valid |= BIT_ULL(7);		/* PSFD */
	if (data & ~valid)
		return -EINVAL;
	vcpu->spec_ctrl = data;
	return 0;
}

SET(pred_cmd)
{
	if (!host && !sevm_cpuid_has(vcpu, X86_FEATURE_AMD_IBPB))
		return -EINVAL;
	if (data & ~PRED_CMD_IBPB || (data && !boot_cpu_has(X86_FEATURE_IBPB)))
		return -EINVAL;
	if (data)
		wrmsrl(MSR_IA32_PRED_CMD, PRED_CMD_IBPB);
	return 0;
}

GET(arch_capabilities)
{
	if (!host)
		return -EINVAL;
	*data = vcpu->msrs->arch_capabilities;
	return 0;
}

SET(arch_capabilities)
{
	if (!host || data)
		return -EINVAL;
	return 0;
}

SET(de_cfg)
{
	u64 supported = 0;

	sevm_msr_feature(index, &supported);
	if (data & ~supported)
		return -EINVAL;
	vcpu->msrs->de_cfg = data;
	return 0;
}

SET(hwcr)
{
	data &= ~HWCR_IGNORED;
	if (data & ~(HWCR_STATUS_WRITE | HWCR_TSC_FREQ))
		return -EINVAL;
	vcpu->msrs->hwcr = data;
	return 0;
}

GET(osvw)
{
	if (!host && !sevm_cpuid_has(vcpu, X86_FEATURE_OSVW))
		return -EINVAL;
	return get_stored(vcpu, row, index, data, host);
}

SET(osvw)
{
	if (!host)
		return -EINVAL;
	return set_stored(vcpu, row, index, data, host);
}

/* Machine checks: registers that a guest may program; none is ever raised. */

SET(mcg_ctl)
{
	if (!(vcpu->msrs->mcg_cap & MCG_CTL_P) && (data || !host))
		return -EINVAL;
	if (data && ~data)
		return -EINVAL;
	vcpu->msrs->mcg_ctl = data;
	return 0;
}

static bool is_bank(struct sevm_vcpu *vcpu, u32 index)
{
	return (index - MSR_IA32_MC0_CTL) / 4 < (vcpu->msrs->mcg_cap & 0xff);
}

GET(mce)
{
	if (!is_bank(vcpu, index))
		return -EINVAL;
	return get_stored(vcpu, row, index, data, host);
}

SET(mce)
{
	if (!is_bank(vcpu, index))
		return -EINVAL;
	/*
	 * CTL is all ones or nothing; Linux clears bit 10 of bank 4 on some CPUs.
	 * STATUS can be cleared, and more only with leave of HWCR.
	 */
	if (index % 4 == 0 && data && ~(data | BIT_ULL(10) | 1))
		return -EINVAL;
	if (index % 4 == 1 && !host && data && !(vcpu->msrs->hwcr & HWCR_STATUS_WRITE))
		return -EINVAL;
	return set_stored(vcpu, row, index, data, host);
}

#define ONE(index)		.first = (index), .last = (index)
#define RANGE(from, to)		.first = (from), .last = (to)
#define CONSTANT(v)		.get = get_constant, .set = set_constant, .value = (v)
#define ZERO_IGNORED		.get = get_constant, .set = set_ignored
#define ZERO_READ_ONLY		.get = get_constant
#define STORED(field)		.get = get_stored, .offset = offsetof(struct sevm_msrs, field)
#define VMCB			.get = get_vmcb, .set = set_vmcb

/* Sorted. No set: writing is refused. */
static const struct row rows[] = {
	{ ONE(MSR_IA32_TSC), .get = get_tsc, .set = set_tsc },
	{ ONE(MSR_KVM_WALL_CLOCK), .get = get_wall_clock, .set = set_clock },
	{ ONE(MSR_KVM_SYSTEM_TIME), .get = get_clock, .set = set_clock },
	{ ONE(MSR_IA32_PLATFORM_ID), ZERO_READ_ONLY },
	{ ONE(MSR_IA32_APICBASE), .get = get_apic, .set = set_apic },
	{ ONE(MSR_IA32_EBL_CR_POWERON), ZERO_READ_ONLY },
	{ ONE(MSR_EBC_FREQUENCY_ID), CONSTANT(1 << 24) },
	{ ONE(MSR_SMI_COUNT), CONSTANT(0) },
	{ ONE(MSR_IA32_TSC_ADJUST), STORED(tsc_adjust), .set = set_tsc_adjust },
	{ ONE(MSR_IA32_SPEC_CTRL), .get = get_spec_ctrl, .set = set_spec_ctrl },
	{ ONE(MSR_IA32_PRED_CMD), .set = set_pred_cmd },
	{ ONE(MSR_IA32_UCODE_WRITE), .set = set_ignored },
	{ ONE(MSR_IA32_UCODE_REV), STORED(ucode_rev), .set = set_stored_by_host },
	{ RANGE(MSR_P6_PERFCTR0, MSR_P6_PERFCTR1), ZERO_IGNORED },
	{ ONE(MSR_FSB_FREQ), CONSTANT(3) },
	{ ONE(MSR_PLATFORM_INFO), CONSTANT(0) },
	{ ONE(MTRR_INDEX_CAP), .get = get_constant, .value = MTRR_CAP },
	{ ONE(MSR_IA32_ARCH_CAPABILITIES), .get = get_arch_capabilities,
	  .set = set_arch_capabilities },
	{ ONE(MSR_IA32_BBL_CR_CTL3), CONSTANT(0xbe702111) },
	{ ONE(MSR_MISC_FEATURES_ENABLES), CONSTANT(0) },
	{ ONE(MSR_IA32_SYSENTER_CS), VMCB },
	{ RANGE(MSR_IA32_SYSENTER_ESP, MSR_IA32_SYSENTER_EIP), .get = get_vmcb,
	  .set = set_vmcb_address },
	{ ONE(MSR_IA32_MCG_CAP), STORED(mcg_cap) },
	{ ONE(MSR_IA32_MCG_STATUS), STORED(mcg_status), .set = set_stored },
	{ ONE(MSR_IA32_MCG_CTL), STORED(mcg_ctl), .set = set_mcg_ctl },
	{ RANGE(MSR_P6_EVNTSEL0, MSR_P6_EVNTSEL1), ZERO_IGNORED },
	{ ONE(MSR_IA32_PERF_STATUS), .get = get_constant, .value = 1000 | 4ULL << 40 },
	{ ONE(MSR_IA32_PERF_CTL), ZERO_IGNORED },
	{ ONE(MSR_IA32_MISC_ENABLE), STORED(misc_enable), .set = set_stored },
	{ ONE(MSR_IA32_DEBUGCTLMSR), .get = get_vmcb, .set = set_debugctl },
	{ RANGE(MSR_IA32_LASTBRANCHFROMIP, MSR_IA32_LASTINTTOIP), .get = get_vmcb },
	{ RANGE(MTRR_INDEX_VARIABLE(0), MTRR_INDEX_VARIABLE(2 * SEVM_MTRR_VARIABLE - 1)),
	  STORED(mtrr_variable), .set = set_mtrr_variable },
	{ ONE(MTRR_INDEX_64K), STORED(mtrr_fixed[0]), .set = set_mtrr_fixed },
	{ RANGE(MTRR_INDEX_16K(0), MTRR_INDEX_16K(1)), STORED(mtrr_fixed[1]),
	  .set = set_mtrr_fixed },
	{ RANGE(MTRR_INDEX_4K(0), MTRR_INDEX_4K(7)), STORED(mtrr_fixed[3]),
	  .set = set_mtrr_fixed },
	{ ONE(MSR_IA32_CR_PAT), .get = get_vmcb, .set = set_pat },
	{ ONE(MTRR_INDEX_TYPE), STORED(mtrr_type), .set = set_mtrr_type },
	{ RANGE(MSR_IA32_MC0_CTL, MSR_IA32_MC0_CTL + 4 * SEVM_MCE_BANKS - 1), .get = get_mce,
	  .set = set_mce, .offset = offsetof(struct sevm_msrs, mce) },
	{ ONE(MSR_RAPL_POWER_UNIT), ZERO_READ_ONLY },
	{ ONE(MSR_PKG_ENERGY_STATUS), ZERO_READ_ONLY },
	{ ONE(MSR_DRAM_ENERGY_STATUS), ZERO_READ_ONLY },
	{ ONE(MSR_PP0_ENERGY_STATUS), ZERO_READ_ONLY },
	{ ONE(MSR_PP1_ENERGY_STATUS), ZERO_READ_ONLY },
	{ ONE(MSR_IA32_TSC_DEADLINE), .get = get_apic, .set = set_apic },
	{ RANGE(0x800, 0x8ff), .get = get_apic, .set = set_apic },
	{ ONE(MSR_IA32_XSS), .get = get_xss, .set = set_xss },
	{ ONE(MSR_KVM_WALL_CLOCK_NEW), .get = get_wall_clock, .set = set_clock },
	{ ONE(MSR_KVM_SYSTEM_TIME_NEW), .get = get_clock, .set = set_clock },
	{ ONE(MSR_EFER), .get = get_vmcb, .set = set_efer },
	{ ONE(MSR_STAR), VMCB },
	{ RANGE(MSR_LSTAR, MSR_CSTAR), .get = get_vmcb, .set = set_vmcb_address },
	{ ONE(MSR_SYSCALL_MASK), VMCB },
	{ RANGE(MSR_FS_BASE, MSR_KERNEL_GS_BASE), .get = get_vmcb, .set = set_vmcb_address },
	{ ONE(MSR_TSC_AUX), .get = get_tsc_aux, .set = set_tsc_aux },
	{ RANGE(MSR_K7_EVNTSEL0, MSR_K7_PERFCTR3), ZERO_IGNORED },
	{ ONE(MSR_AMD64_SYSCFG), ZERO_READ_ONLY },
	{ ONE(MSR_K7_HWCR), STORED(hwcr), .set = set_hwcr },
	{ ONE(MSR_K7_CLK_CTL), CONSTANT(0x20000000) },
	{ ONE(MSR_AMD64_NB_CFG), ZERO_IGNORED },
	{ ONE(MSR_AMD64_PATCH_LOADER), .set = set_ignored },
	{ ONE(MSR_K8_INT_PENDING_MSG), ZERO_READ_ONLY },
	{ ONE(MSR_FAM10H_MMIO_CONF_BASE), CONSTANT(0) },
	{ RANGE(MSR_K8_TSEG_ADDR, MSR_K8_TSEG_MASK), ZERO_READ_ONLY },
	{ ONE(MSR_VM_CR), CONSTANT(0) },
	{ ONE(MSR_VM_HSAVE_PA), ZERO_IGNORED },
	{ ONE(MSR_AMD64_OSVW_ID_LENGTH), .get = get_osvw, .set = set_osvw,
	  .offset = offsetof(struct sevm_msrs, osvw_length) },
	{ ONE(MSR_AMD64_OSVW_STATUS), .get = get_osvw, .set = set_osvw,
	  .offset = offsetof(struct sevm_msrs, osvw_status) },
	{ RANGE(MSR_AMD64_DC_CFG, MSR_AMD64_TW_CFG), ZERO_IGNORED },
	{ ONE(MSR_AMD64_DE_CFG), STORED(de_cfg), .set = set_de_cfg },
	{ ONE(MSR_AMD64_BU_CFG2), ZERO_IGNORED },
	{ ONE(MSR_F15H_EX_CFG), ZERO_IGNORED },
};

static const struct row *find_row(u32 index)
{
	unsigned int lo = 0, hi = ARRAY_SIZE(rows);

	while (lo < hi) {
		unsigned int mid = (lo + hi) / 2;

		if (index < rows[mid].first)
			hi = mid;
		else if (index > rows[mid].last)
			lo = mid + 1;
		else
			return &rows[mid];
	}
	return NULL;
}

int sevm_msr_table_get(struct sevm_vcpu *vcpu, u32 index, u64 *data, bool host)
{
	const struct row *row = find_row(index);

	if (!row)
		return -ENOENT;
	return row->get ? row->get(vcpu, row, index, data, host) : -EINVAL;
}

int sevm_msr_table_set(struct sevm_vcpu *vcpu, u32 index, u64 data, bool host)
{
	const struct row *row = find_row(index);

	if (!row)
		return -ENOENT;
	return row->set ? row->set(vcpu, row, index, data, host) : -EINVAL;
}

int sevm_msr_feature(u32 index, u64 *data)
{
	switch (index) {
	case MSR_AMD64_DE_CFG:
		*data = boot_cpu_has(X86_FEATURE_LFENCE_RDTSC) ? DE_CFG_LFENCE : 0;
		return 0;
	case MSR_IA32_UCODE_REV:
		/* As KVM: a microcode driver finds nothing to do. */
		*data = 0x01000065;
		return 0;
	}
	return -ENOENT;
}
