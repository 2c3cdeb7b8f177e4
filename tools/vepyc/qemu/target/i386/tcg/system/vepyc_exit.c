/*
 * vepyc: what ends a guest's run, and what becomes a #VC instead.
 *
 * A SEV-ES guest shows its hypervisor automatic exits only; any other
 * intercept is an exception of the guest's own, which decides what to tell.
 * Which instructions are intercepted, the VMCB says for every guest alike.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "cpu.h"
#include "exec/cpu_ldst.h"
#include "exec/exec-all.h"
#include "hw/i386/apic.h"
#include "tcg/helper-tcg.h"
#include "trace.h"
#include "vepyc_cpu.h"

#define EXIT_INFO_CR_VALID      (1ULL << 63)

bool vepyc_sev_guest(CPUX86State *env)
{
    return env->vepyc && env->vepyc->sev;
}

bool vepyc_es_guest(CPUX86State *env)
{
    return env->vepyc && env->vepyc->es;
}

/* The table of automatic exits (APM, "SEV-ES": types of exits) */
static bool is_automatic(uint64_t code, uint64_t info1)
{
    switch (code) {
    case SVM_EXIT_EXCP_BASE + EXCP12_MCHK:
    case SVM_EXIT_INTR ... SVM_EXIT_VINTR:
    case SVM_EXIT_PAUSE:
    case SVM_EXIT_HLT:
    case SVM_EXIT_SHUTDOWN:
    case VMEXIT_EFER_TRAP:
    case VMEXIT_CR_TRAP ... VMEXIT_CR_TRAP + 15:
    case VMEXIT_BUSLOCK:
    case VMEXIT_IDLE_HLT:
    case VMEXIT_VMGEXIT:
        return true;
    case SVM_EXIT_NPF:
        return !(info1 & PG_ERROR_RSVD_MASK);
    default:
        return (int64_t)code < 0;
    }
}

/* The exits that leave the instruction behind them. */
static bool advances_rip(uint64_t code, bool es)
{
    switch (code) {
    case VMEXIT_EFER_TRAP:
    case VMEXIT_CR_TRAP ... VMEXIT_CR_TRAP + 15:
    case VMEXIT_VMGEXIT:
        return true;
    case SVM_EXIT_PAUSE:
    case SVM_EXIT_HLT:
        return es;
    default:
        return false;
    }
}

static bool is_instruction_intercept(uint64_t code)
{
    switch (code) {
    case SVM_EXIT_EXCP_BASE + EXCP03_INT3:
    case SVM_EXIT_EXCP_BASE + EXCP04_INTO:
    case SVM_EXIT_READ_CR0 ... SVM_EXIT_WRITE_DR0 + 15:
    case SVM_EXIT_CR0_SEL_WRITE ... SVM_EXIT_MSR:
    case SVM_EXIT_VMRUN ... SVM_EXIT_XSETBV + 1:
        return true;
    default:
        return false;
    }
}

static target_ulong next_rip(CPUX86State *env, int len)
{
    target_ulong rip = env->eip + len;

    return env->hflags & HF_CS64_MASK ? rip : (uint32_t)rip;
}

/* Decode assists of the MOVs to and from control and debug registers */
static uint64_t mov_info(uint64_t code, int gpr, uint64_t info1)
{
    if (gpr < 0) {
        return info1;
    }
    switch (code) {
    case SVM_EXIT_READ_CR0 ... SVM_EXIT_WRITE_CR0 + 15:
    case SVM_EXIT_CR0_SEL_WRITE:
        return EXIT_INFO_CR_VALID | gpr;
    case SVM_EXIT_READ_DR0 ... SVM_EXIT_WRITE_DR0 + 15:
        return gpr;
    default:
        return info1;
    }
}

/*
 * The bytes at CS:RIP, as many as can be had without a fault. Not after a
 * fault of the fetch itself, and never of a SEV-ES guest.
 */
static void fetch_insn(CPUX86State *env, VepycCPU *v)
{
    int mmu_idx = cpu_mmu_index(env_cpu(env), true);
    target_ulong rip = env->eip + env->segs[R_CS].base;
    int i;

    for (i = 0; i < sizeof(v->insn); i++) {
        target_ulong addr = rip + i;
        void *host;

        if (!(env->hflags & HF_CS64_MASK)) {
            addr = (uint32_t)addr;
        }
        if (probe_access_flags(env, addr, 0, MMU_INST_FETCH, mmu_idx, true,
                               &host, 0) & (TLB_INVALID_MASK | TLB_MMIO)) {
            break;
        }
        v->insn[i] = ldub_p(host);
    }
    v->insn_len = i;
}

void vepyc_set_insn_info(CPUX86State *env, uint32_t info)
{
    env->vepyc->insn_info = info;
}

/* INT n, INT3 and INTO have no need to unwind: they say their length. */
void vepyc_soft_int(CPUX86State *env, int len)
{
    env->vepyc->soft_len = len;
}

/* insn: the state was just unwound to an instruction in the middle of it. */
void vepyc_intercept(CPUX86State *env, uint64_t code, uint64_t info1,
                     bool insn)
{
    CPUState *cs = env_cpu(env);
    VepycCPU *v = env->vepyc;
    int len = insn ? v->insn_info & VEPYC_INSN_LEN : 0;
    int gpr = insn ? VEPYC_INSN_GPR_OF(v->insn_info) : -1;

    if (!insn && (code == SVM_EXIT_SWINT ||
                  code == SVM_EXIT_EXCP_BASE + EXCP03_INT3 ||
                  code == SVM_EXIT_EXCP_BASE + EXCP04_INTO)) {
        len = v->soft_len;
    }
    if (v->es && !is_automatic(code, info1)) {
        trace_vepyc_vc(cs->cpu_index, code, env->eip,
                       env->hflags & HF_CPL_MASK);
        raise_exception_err(env, EXCP1D_VC, code);
    }

    v->exit_code = code;
    v->exit_info_1 = mov_info(code, gpr, info1);
    if (code != SVM_EXIT_NPF && code != SVM_EXIT_EXCP_BASE + EXCP0E_PAGE &&
        code != SVM_EXIT_IOIO) {
        v->exit_info_2 = 0;
    }
    v->next_rip = 0;
    v->insn_len = 0;
    memset(v->insn, 0, sizeof(v->insn));
    if (advances_rip(code, v->es)) {
        env->eip = next_rip(env, len);
        env->hflags &= ~HF_INHIBIT_IRQ_MASK;
        env->eflags &= ~RF_MASK;
    } else if (!v->es) {
        if (len && is_instruction_intercept(code)) {
            v->next_rip = next_rip(env, len);
        } else if ((code == SVM_EXIT_NPF ||
                    code == SVM_EXIT_EXCP_BASE + EXCP0E_PAGE) &&
                   !(info1 & PG_ERROR_I_D_MASK)) {
            fetch_insn(env, v);
        }
    }

    cs->exception_index = EXCP_VMEXIT;
    env->old_exception = -1;
    cpu_loop_exit(cs);
}

bool vepyc_has_intercept(CPUX86State *env, uint32_t type, bool has)
{
    if (env->vepyc->es) {
        switch (type) {
        case SVM_EXIT_SMI:
            return true;
        case SVM_EXIT_EXCP_BASE + EXCP1D_VC:
            return false;       /* or nothing could ever be delivered */
        }
    }
    return has;
}

void vepyc_set_exit_info_2(CPUX86State *env, uint64_t val)
{
    env->vepyc->exit_info_2 = env->vepyc->sev ? val & ~VEPYC_CBIT : val;
}

/* --- traps: after the write took effect --------------------------------- */

static void trap(CPUX86State *env, uint32_t code, uint64_t val, uintptr_t ra)
{
    if ((env->hflags & HF_GUEST_MASK) && cpu_svm_has_intercept(env, code)) {
        cpu_vmexit(env, code, val, ra);
    }
}

void vepyc_trap_cr_write(CPUX86State *env, int reg, uintptr_t ra)
{
    uint64_t val;

    if (!(env->hflags & HF_GUEST_MASK)) {
        return;
    }
    if (reg != 8) {
        val = env->cr[reg];
    } else if (env->hflags2 & HF2_VINTR_MASK) {
        val = env->int_ctl & V_TPR_MASK;
    } else {
        val = cpu_get_apic_tpr(env_archcpu(env)->apic_state);
    }
    trap(env, VMEXIT_CR_TRAP + reg, val, ra);
}

void vepyc_trap_efer_write(CPUX86State *env, uintptr_t ra)
{
    trap(env, VMEXIT_EFER_TRAP, env->efer, ra);
}

void vepyc_vmgexit(CPUX86State *env, uintptr_t ra)
{
    cpu_vmexit(env, VMEXIT_VMGEXIT, 0, ra);
}

/* --- EXITINTINFO: which event was on its way ---------------------------- */

bool vepyc_event_begin(CPUX86State *env, int intno, int is_int,
                       int error_code, int is_hw, int rm)
{
    VepycCPU *v = env->vepyc;

    if (!v) {
        return false;
    }
    if (v->event_injected) {
        v->event_injected = false;
        return true;
    }
    if (is_int && v->es) {
        /*
         * The hypervisor could not inject it again: VMRUN would refuse. RIP
         * is still at the INT n, INT3 or INTO, which will just be repeated.
         */
        v->event = 0;
        return true;
    }
    v->event = intno | EVENT_VALID;
    if (is_int == EXCP_INT) {
        v->event |= SVM_EXITINTINFO_TYPE_SOFT;
    } else if (!is_hw) {
        v->event |= SVM_EXITINTINFO_TYPE_EXEPT;
        if (!rm && exception_has_error_code(intno)) {
            v->event |= SVM_EXITINTINFO_VALID_ERR;
            v->event |= (uint64_t)(uint32_t)error_code << 32;
        }
    } else {
        v->event |= intno == EXCP02_NMI ? SVM_EXITINTINFO_TYPE_NMI
                                        : SVM_EXITINTINFO_TYPE_INTR;
    }
    return true;
}

void vepyc_event_end(CPUX86State *env)
{
    env->vepyc->event = 0;
}

void vepyc_wbinvd(CPUX86State *env)
{
    vepyc_psp_wbinvd(env_cpu(env));
}
