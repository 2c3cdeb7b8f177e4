/*
 * vepyc: CPUID, the model-specific registers, and the life of a CPU.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "cpu.h"
#include "tcg/helper-tcg.h"
#include "vepyc_cpu.h"

#define MSR_AMD64_SYSCFG        0xc0010010
#define MSR_K7_HWCR             0xc0010015
#define HWCR_SMMLOCK            (1ULL << 0)
#define MSR_VM_PAGE_FLUSH       0xc001011e
#define MSR_SEV_ES_GHCB         0xc0010130
#define MSR_SEV_STATUS          0xc0010131

uint64_t vepyc_svm_features(void)
{
    return CPUID_SVM_NPT | CPUID_SVM_LBRV | CPUID_SVM_NRIPSAVE |
           CPUID_SVM_VMCBCLEAN | CPUID_SVM_FLUSHASID |
           CPUID_SVM_DECODEASSIST | CPUID_SVM_SVME_ADDR_CHK;
}

void vepyc_cpu_expand(X86CPU *cpu)
{
    CPUX86State *env = &cpu->env;

    env->features[FEAT_8000_0001_ECX] |= CPUID_EXT3_SVM;
    env->features[FEAT_SVM] |= vepyc_svm_features();
    if (!cpu->phys_bits) {
        cpu->phys_bits = 48;
    }
}

void vepyc_cpu_realize(X86CPU *cpu)
{
    VepycCPU *v = g_new0(VepycCPU, 1);

    if (cpu->vepyc_strict_tlb) {
        v->tlb = vepyc_tlb_new();
    }
    if (cpu->vepyc_strict_clean) {
        v->cache = g_new0(VepycCache, 1);
    }
    cpu->env.vepyc = v;
    /* As firmware leaves them: memory encryption on, SMM locked. */
    v->syscfg = MSR_AMD64_SYSCFG_MEME;
    v->hwcr = HWCR_SMMLOCK;
}

/* RESET and INIT: no guest runs any more. */
void vepyc_cpu_reset(X86CPU *cpu)
{
    VepycCPU *v = cpu->env.vepyc;

    v->sev = v->es = v->entered = false;
    v->event = 0;
    if (v->cache) {
        v->cache->valid = false;
    }
    vepyc_tlb_flush_all(&cpu->env);
}

void vepyc_cpuid(X86CPU *cpu, uint32_t leaf, uint32_t *eax, uint32_t *ebx,
                 uint32_t *ecx, uint32_t *edx)
{
    switch (leaf) {
    case 0x8000000a:
        *ebx = VEPYC_NR_ASIDS;
        break;
    case 0x8000001f:
        /* SME, SEV, the VM_PAGE_FLUSH MSR, SEV-ES; coherent caches */
        *eax = 0xf | (cpu->vepyc_coherent ? 1 << 10 : 0);
        *ebx = VEPYC_CBIT_POS | VEPYC_PHYS_RED << 6;
        *ecx = VEPYC_MAX_ASID;
        *edx = VEPYC_MIN_SEV_ASID;
        break;
    }
}

bool vepyc_rdmsr(CPUX86State *env, uint32_t msr, uint64_t *val, uintptr_t ra)
{
    VepycCPU *v = env->vepyc;

    switch (msr) {
    case MSR_AMD64_SYSCFG:
        *val = v->syscfg;
        return true;
    case MSR_K7_HWCR:
        *val = v->hwcr;
        return true;
    case MSR_SEV_STATUS:
        *val = v->sev | v->es << 1;
        return true;
    case MSR_SEV_ES_GHCB:
        if (!v->es) {
            raise_exception_err_ra(env, EXCP0D_GPF, 0, ra);
        }
        *val = v->ghcb;
        return true;
    case MSR_VM_PAGE_FLUSH:     /* write only */
        raise_exception_err_ra(env, EXCP0D_GPF, 0, ra);
    }
    return false;
}

bool vepyc_wrmsr(CPUX86State *env, uint32_t msr, uint64_t val, uintptr_t ra)
{
    VepycCPU *v = env->vepyc;

    switch (msr) {
    case MSR_AMD64_SYSCFG:
        v->syscfg = val | MSR_AMD64_SYSCFG_MEME;        /* until reset */
        return true;
    case MSR_K7_HWCR:
        v->hwcr = val | HWCR_SMMLOCK;
        return true;
    case MSR_SEV_STATUS:
        raise_exception_err_ra(env, EXCP0D_GPF, 0, ra);
    case MSR_SEV_ES_GHCB:
        if (!v->es) {
            raise_exception_err_ra(env, EXCP0D_GPF, 0, ra);
        }
        v->ghcb = val;
        return true;
    case MSR_VM_PAGE_FLUSH:
        /* Nothing to do: a page has no copies that could disagree. */
        if (!(val & 0xfff) || (val & 0xfff) > VEPYC_MAX_ASID) {
            raise_exception_err_ra(env, EXCP0D_GPF, 0, ra);
        }
        return true;
    }
    return false;
}

/* The guest's own registers, whatever the hypervisor's bitmap says. */
bool vepyc_msr_is_guests(CPUX86State *env, uint32_t msr)
{
    return (env->vepyc->es && msr == MSR_SEV_ES_GHCB) ||
           (env->vepyc->sev && msr == MSR_SEV_STATUS);
}
