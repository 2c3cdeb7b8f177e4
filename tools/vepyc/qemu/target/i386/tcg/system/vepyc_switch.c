/*
 * vepyc: VMRUN and #VMEXIT.
 *
 * VMRUN reads the whole VMCB, and for SEV-ES the VMSA, before it changes
 * anything; a guest that may not run leaves no trace in its save area. What
 * ends a guest's run is in vepyc_exit.c, where registers lie in vepyc_state.c.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/main-loop.h"
#include "cpu.h"
#include "exec/address-spaces.h"
#include "exec/cputlb.h"
#include "tcg/helper-tcg.h"
#include "trace.h"
#include "vepyc_cpu.h"

/* Physical memory as the hypervisor sees it; page by page is enough here. */
static void phys_read(CPUX86State *env, hwaddr pa, void *buf, size_t len)
{
    CPUState *cs = env_cpu(env);
    MemTxAttrs attrs = cpu_get_mem_attrs(env);

    address_space_read(cpu_addressspace(cs, attrs),
                       vepyc_mem_map(cs, pa, NULL), attrs, buf, len);
}

static void phys_write(CPUX86State *env, hwaddr pa, const void *buf,
                       size_t len)
{
    CPUState *cs = env_cpu(env);
    MemTxAttrs attrs = cpu_get_mem_attrs(env);

    address_space_write(cpu_addressspace(cs, attrs),
                        vepyc_mem_map(cs, pa, NULL), attrs, buf, len);
}

#define CONTROL_WRITE(env, from, to) \
    phys_write(env, (env)->vm_vmcb + offsetof(VepycControl, from), \
               &(env)->vepyc->ctl.from, \
               offsetof(VepycControl, to) - offsetof(VepycControl, from))

/* --- is this guest fit to run? NULL, or the first reason why not -------- */

static const char *check_event(const VepycControl *c, bool es)
{
    uint64_t e = c->event_inj;
    int vector = e & SVM_EVTINJ_VEC_MASK;

    if (!(e & EVENT_VALID)) {
        return NULL;
    }
    switch (e & SVM_EVTINJ_TYPE_MASK) {
    case SVM_EVTINJ_TYPE_INTR:
    case SVM_EVTINJ_TYPE_NMI:
        return NULL;
    case SVM_EVTINJ_TYPE_EXEPT:
        if (vector == EXCP02_NMI || vector > 31) {
            return "EVENTINJ: not an exception";
        }
        if (es && (vector == EXCP03_INT3 || vector == EXCP04_INTO)) {
            return "EVENTINJ: #BP or #OF into a SEV-ES guest";
        }
        return NULL;
    case SVM_EVTINJ_TYPE_SOFT:
        return es ? "EVENTINJ: software interrupt into a SEV-ES guest" : NULL;
    default:
        return "EVENTINJ: reserved type";
    }
}

static const char *check_control(CPUX86State *env, const VepycControl *c)
{
    X86CPU *cpu = env_archcpu(env);
    bool sev = c->nested_ctl & NESTED_SEV;
    bool es = sev && (c->nested_ctl & NESTED_SEV_ES);
    uint64_t limit = 1ULL << cpu->phys_bits;

    if (!(c->intercepts & (1ULL << (SVM_EXIT_VMRUN - SVM_EXIT_INTR)))) {
        return "VMRUN is not intercepted";
    }
    if (c->asid == 0 || c->asid >= VEPYC_NR_ASIDS) {
        return "ASID out of range";
    }
    if ((c->msrpm & ~0xfffULL) >= limit - SVM_MSRPM_SIZE) {
        return "MSR bitmap beyond physical memory";
    }
    if ((c->iopm & ~0xfffULL) >= limit - SVM_IOPM_SIZE) {
        return "I/O bitmap beyond physical memory";
    }
    if ((c->nested_ctl & NESTED_SEV_ES) && !sev) {
        return "SEV-ES without SEV";
    }
    if (sev) {
        if (!(c->nested_ctl & NESTED_NP)) {
            return "SEV without nested paging";
        }
        if (c->asid > VEPYC_MAX_ASID) {
            return "ASID cannot have a key";
        }
        if (!es && c->asid < VEPYC_MIN_SEV_ASID) {
            return "ASID is for SEV-ES only";
        }
        if (!vepyc_key_of_asid(c->asid)) {
            return "ASID has no key";
        }
    }
    if (es) {
        if (!(c->virt_ext & VIRT_EXT_LBR)) {
            return "SEV-ES without LBR virtualization";
        }
        if ((c->vmsa & 0xfff) ||
            c->vmsa >= 1ULL << (cpu->phys_bits - VEPYC_PHYS_RED) ||
            !vepyc_mem_is_ram(c->vmsa, 4096)) {
            return "bad VMSA address";
        }
    }
    return check_event(c, es);
}

static const char *check_state(CPUX86State *env, const VepycSave *s)
{
    uint64_t phys = env_archcpu(env)->phys_bits;
    uint64_t cr3_ok = env->vepyc->sev ? VEPYC_CBIT : 0;
    bool lma = (s->efer & MSR_EFER_LME) && (s->cr0 & CR0_PG_MASK);

    if (!(s->efer & MSR_EFER_SVME)) {
        return "EFER.SVME is clear";
    }
    if (s->efer & MSR_EFER_RESERVED) {
        return "reserved bits in EFER";
    }
    if (s->cr0 & SVM_CR0_RESERVED_MASK) {
        return "reserved bits in CR0";
    }
    if ((s->cr0 & CR0_NW_MASK) && !(s->cr0 & CR0_CD_MASK)) {
        return "CR0.NW without CD";
    }
    if ((s->efer & MSR_EFER_LMA) &&
        (s->cr3 & (~0ULL << phys) & ~cr3_ok)) {
        return "reserved bits in CR3";
    }
    if (s->cr4 & cr4_reserved_bits(env)) {
        return "reserved bits in CR4";
    }
    if ((s->dr6 | s->dr7) >> 32) {
        return "reserved bits in DR6 or DR7";
    }
    if (lma && !(s->cr4 & CR4_PAE_MASK)) {
        return "long mode without PAE";
    }
    if (lma && !(s->cr0 & CR0_PE_MASK)) {
        return "long mode without PE";
    }
    /* attrib: L is bit 9, D is bit 10 */
    if (lma && (s->cs.attrib & 0x600) == 0x600) {
        return "CS.L and CS.D";
    }
    return NULL;
}

static const char *check_vmsa(const VepycSave *s)
{
    if (s->sev_features) {
        return "VMSA asks for a feature that is not there";
    }
    if (!(s->xcr0 & XSTATE_FP_MASK)) {
        return "XCR0.FP is clear";
    }
    return NULL;
}

/* --- VMCB clean bits ---------------------------------------------------- */

/*
 * What a clean bit says has not changed since this CPU ran this VMCB comes
 * from what the CPU remembers. It need not: but a hypervisor that changed the
 * VMCB and left the bit set sees that the change had no effect.
 */
enum {
    CLEAN_INTERCEPTS, CLEAN_BITMAPS, CLEAN_ASID, CLEAN_INTR, CLEAN_NESTED,
    CLEAN_CR, CLEAN_DR, CLEAN_TABLES, CLEAN_SEGS, CLEAN_CR2,
};

static bool is_clean(CPUX86State *env, int group)
{
    VepycCPU *v = env->vepyc;

    return v->cache && v->cache->valid && v->cache->vmcb == env->vm_vmcb &&
           (v->ctl.clean >> group) & 1;
}

static void recall_control(CPUX86State *env)
{
    VepycControl *c = &env->vepyc->ctl;
    const VepycControl *old = env->vepyc->cache ? &env->vepyc->cache->ctl
                                                : NULL;

    if (is_clean(env, CLEAN_INTERCEPTS)) {
        memcpy(c, old, offsetof(VepycControl, iopm));
        c->tsc_offset = old->tsc_offset;
    }
    if (is_clean(env, CLEAN_BITMAPS)) {
        c->iopm = old->iopm;
        c->msrpm = old->msrpm;
    }
    if (is_clean(env, CLEAN_ASID)) {
        c->asid = old->asid;
    }
    if (is_clean(env, CLEAN_INTR)) {
        c->int_ctl = old->int_ctl;
        c->int_vector = old->int_vector;
    }
    if (is_clean(env, CLEAN_NESTED)) {
        c->ncr3 = old->ncr3;
    }
}

/* Not for SEV-ES, whose state is loaded whole. */
static void recall_state(CPUX86State *env, VepycSave *s)
{
    const VepycSave *old = env->vepyc->cache ? &env->vepyc->cache->save : NULL;

    if (is_clean(env, CLEAN_NESTED)) {
        s->g_pat = old->g_pat;
    }
    if (is_clean(env, CLEAN_CR)) {
        s->cr0 = old->cr0;
        s->cr3 = old->cr3;
        s->cr4 = old->cr4;
        s->efer = old->efer;
    }
    if (is_clean(env, CLEAN_DR)) {
        s->dr6 = old->dr6;
        s->dr7 = old->dr7;
    }
    if (is_clean(env, CLEAN_TABLES)) {
        s->gdtr = old->gdtr;
        s->idtr = old->idtr;
    }
    if (is_clean(env, CLEAN_SEGS)) {
        s->es = old->es;
        s->cs = old->cs;
        s->ss = old->ss;
        s->ds = old->ds;
        s->cpl = old->cpl;
    }
    if (is_clean(env, CLEAN_CR2)) {
        s->cr2 = old->cr2;
    }
}

static void remember(CPUX86State *env, bool ran)
{
    VepycCPU *v = env->vepyc;

    if (v->cache) {
        v->cache->valid = ran;
        v->cache->vmcb = env->vm_vmcb;
        v->cache->ctl = v->ctl;
    }
}

/* --- VMRUN -------------------------------------------------------------- */

static VepycPaging paging_of(CPUX86State *env)
{
    return (VepycPaging) {
        .cr0 = env->cr[0] & (CR0_PG_MASK | CR0_WP_MASK | CR0_PE_MASK),
        .cr3 = env->cr[3],
        .cr4 = env->cr[4],
        .efer = env->efer & (MSR_EFER_LMA | MSR_EFER_NXE),
        .pkru = env->pkru,
        .nested = env->hflags2 & HF2_NPT_MASK,
    };
}

/* Swap type A: saved by VMRUN. The rest of the page is the hypervisor's. */
static void save_host(CPUX86State *env, target_ulong next_rip)
{
    hwaddr pa = env->vm_hsave + VEPYC_SAVE_OFFSET;
    VepycSave s;

    phys_read(env, pa, &s, VEPYC_VMCB_SAVE_SIZE);
    vepyc_state_store(env, &s);
    s.rip = next_rip;
    phys_write(env, pa, &s, VEPYC_VMCB_SAVE_SIZE);

    env->vepyc->host_pat = env->pat;
    env->vepyc->host_paging = paging_of(env);
    env->vepyc->host_nmi_blocked = env->hflags2 & HF2_NMI_MASK;
}

static void tlb_control(CPUX86State *env, const VepycControl *c)
{
    switch (c->tlb_ctl) {
    case TLB_FLUSH_ALL:
        vepyc_tlb_flush_all(env);
        break;
    case TLB_FLUSH_ASID:
    case TLB_FLUSH_ASID_LOCAL:
        vepyc_tlb_flush_asid(env, c->asid);
        break;
    }
}

/* The same, but for CR3: entries know no CR3, only an ASID. */
static bool paging_fits(const VepycPaging *a, const VepycPaging *b)
{
    return a->cr0 == b->cr0 && a->cr4 == b->cr4 && a->efer == b->efer &&
           a->pkru == b->pkru && a->nested == b->nested;
}

/*
 * May the guest find QEMU's TLB as it was left? One VMCB with another CR3 may
 * not, the processor is free to look at that; another VMCB of the same ASID
 * may, or rather must: it is the hypervisor that has to flush in between.
 */
static void tlb_enter(CPUX86State *env, const VepycControl *c)
{
    VepycCPU *v = env->vepyc;
    VepycPaging now = paging_of(env);

    if (!v->tlb || v->tlb_asid != c->asid ||
        !paging_fits(&now, &v->tlb_paging) ||
        (v->tlb_vmcb == env->vm_vmcb && now.cr3 != v->tlb_paging.cr3)) {
        vepyc_tlb_forget_guest(env);
    }
    v->tlb_asid = c->asid;
    v->tlb_vmcb = env->vm_vmcb;
}

static void load_control(CPUX86State *env, const VepycControl *c)
{
    CPUState *cs = env_cpu(env);

    env->intercept_cr_read = c->cr_read;
    env->intercept_cr_write = c->cr_write;
    env->intercept_dr_read = c->dr_read;
    env->intercept_dr_write = c->dr_write;
    env->intercept_exceptions = c->exceptions;
    env->intercept = c->intercepts;
    env->tsc_offset = c->tsc_offset;
    env->vepyc->ghcb = c->ghcb;

    env->nested_pg_mode = 0;
    if (c->nested_ctl & NESTED_NP) {
        env->nested_cr3 = c->ncr3;
        env->nested_pg_mode = get_pg_mode(env) & PG_MODE_SVM_MASK;
        env->hflags2 |= HF2_NPT_MASK;
    }

    env->int_ctl = c->int_ctl;
    env->hflags2 &= ~(HF2_HIF_MASK | HF2_VINTR_MASK);
    if (c->int_ctl & V_INTR_MASKING_MASK) {
        env->hflags2 |= HF2_VINTR_MASK;
        if (env->eflags & IF_MASK) {
            env->hflags2 |= HF2_HIF_MASK;
        }
    }
    env->hflags2 |= HF2_GIF_MASK;
    if (!(c->int_ctl & V_GIF_ENABLED_MASK) || (c->int_ctl & V_GIF_MASK) ||
        !(env->features[FEAT_SVM] & CPUID_SVM_VGIF)) {
        env->hflags2 |= HF2_VGIF_MASK;
    }
    if (ctl_has_irq(env)) {
        bql_lock();
        cs->interrupt_request |= CPU_INTERRUPT_VIRQ;
        bql_unlock();
    }

    env->hflags &= ~HF_INHIBIT_IRQ_MASK;
    if (c->int_state & INT_STATE_SHADOW) {
        env->hflags |= HF_INHIBIT_IRQ_MASK;
    }
    env->hflags |= HF_GUEST_MASK;
}

static bool is_contributory(int vector)
{
    return vector == EXCP00_DIVZ || (vector >= EXCP0A_TSS &&
           vector <= EXCP0D_GPF) || vector == EXCP1D_VC;
}

static void inject(CPUX86State *env, const VepycControl *c)
{
    CPUState *cs = env_cpu(env);
    uint64_t e = c->event_inj;
    int vector = e & SVM_EVTINJ_VEC_MASK;

    if (!(e & EVENT_VALID)) {
        return;
    }
    env->vepyc->event = e;
    env->vepyc->event_injected = true;
    switch (e & SVM_EVTINJ_TYPE_MASK) {
    case SVM_EVTINJ_TYPE_INTR:
        do_interrupt_x86_hardirq(env, vector, 1);
        return;
    case SVM_EVTINJ_TYPE_NMI:
        env->hflags2 |= HF2_NMI_MASK;
        do_interrupt_x86_hardirq(env, EXCP02_NMI, 1);
        return;
    case SVM_EVTINJ_TYPE_EXEPT:
        /* INT3 and INTO push what comes behind them. */
        env->exception_is_int =
            vector == EXCP03_INT3 || vector == EXCP04_INTO ? EXCP_INT3_INTO
                                                           : 0;
        if (is_contributory(vector) || vector == EXCP0E_PAGE ||
            vector == EXCP08_DBLE) {
            env->old_exception = vector;
        }
        break;
    case SVM_EVTINJ_TYPE_SOFT:
        env->exception_is_int = EXCP_INT;
        break;
    }
    cs->exception_index = vector;
    env->error_code = e >> 32;
    env->exception_next_eip = c->next_rip;
    cpu_loop_exit(cs);
}

void vepyc_vmrun(CPUX86State *env, hwaddr vmcb, target_ulong next_rip)
{
    VepycCPU *v = env->vepyc;
    VepycControl *c = &v->ctl;
    VepycSave guest;
    const char *why;

    env->vm_vmcb = vmcb;
    env->old_exception = -1;
    phys_read(env, vmcb, c, sizeof(*c));
    recall_control(env);

    v->entered = false;
    v->sev = c->nested_ctl & NESTED_SEV;
    v->es = v->sev && (c->nested_ctl & NESTED_SEV_ES);
    v->asid = c->asid;
    v->exit_info_1 = v->exit_info_2 = 0;
    v->next_rip = 0;
    v->insn_len = 0;
    v->event = 0;
    v->event_injected = false;
    memset(v->insn, 0, sizeof(v->insn));

    save_host(env, next_rip);

    why = check_control(env, c);
    if (!why && v->es && !vepyc_vmsa_check(c->vmsa, vepyc_key(env))) {
        why = "the VMSA was changed from outside";
    }
    if (!why) {
        if (v->es) {
            vepyc_mem_read(c->vmsa, &guest, sizeof(guest), vepyc_key(env));
            why = check_vmsa(&guest);
        } else {
            phys_read(env, vmcb + VEPYC_SAVE_OFFSET, &guest,
                      VEPYC_VMCB_SAVE_SIZE);
            recall_state(env, &guest);
        }
    }
    if (!why) {
        why = check_state(env, &guest);
    }
    if (why) {
        trace_vepyc_invalid(env_cpu(env)->cpu_index, vmcb, c->asid, why);
        v->exit_code = VMEXIT_INVALID;
        bql_lock();
        vepyc_leave(env);
        bql_unlock();
        return;
    }

    v->entered = true;
    trace_vepyc_vmrun(env_cpu(env)->cpu_index, vmcb, c->asid,
                      v->es ? "SEV-ES" : v->sev ? "SEV" : "plain",
                      guest.rip, c->event_inj, c->tlb_ctl);
    tlb_control(env, c);
    v->switching = true;
    load_control(env, c);
    vepyc_state_load(env, &guest);
    if (v->es) {
        vepyc_state_load_rest(env, &guest);
    }
    v->switching = false;
    tlb_enter(env, c);
    inject(env, c);
}

/* --- #VMEXIT ------------------------------------------------------------ */

static void save_guest(CPUX86State *env)
{
    VepycCPU *v = env->vepyc;
    VepycSave s;

    if (v->es) {
        VepycKey *key = vepyc_key(env);

        if (!key) {
            return;     /* unbound under a running guest: it is lost */
        }
        vepyc_mem_read(v->ctl.vmsa, &s, sizeof(s), key);
        vepyc_state_store(env, &s);
        vepyc_state_store_rest(env, &s);
        vepyc_mem_write(v->ctl.vmsa, &s, sizeof(s), key);
        vepyc_vmsa_seal(v->ctl.vmsa, key);
    } else {
        hwaddr pa = env->vm_vmcb + VEPYC_SAVE_OFFSET;

        phys_read(env, pa, &s, VEPYC_VMCB_SAVE_SIZE);
        vepyc_state_store(env, &s);
        phys_write(env, pa, &s, VEPYC_VMCB_SAVE_SIZE);
        if (v->cache) {
            v->cache->save = s;
        }
    }
}

static void save_control(CPUX86State *env)
{
    VepycCPU *v = env->vepyc;
    VepycControl *c = &v->ctl;

    if (v->entered) {
        c->int_ctl = env->int_ctl;
        c->int_state &= ~(uint64_t)(INT_STATE_SHADOW | INT_STATE_IF);
        if (env->hflags & HF_INHIBIT_IRQ_MASK) {
            c->int_state |= INT_STATE_SHADOW;
        }
        if (env->eflags & IF_MASK) {
            c->int_state |= INT_STATE_IF;
        }
        CONTROL_WRITE(env, int_ctl, int_vector);
        CONTROL_WRITE(env, int_state, exit_code);
        if (v->es) {
            c->ghcb = v->ghcb;
            CONTROL_WRITE(env, ghcb, event_inj);
        }
    }
    c->exit_code = v->exit_code;
    c->exit_info_1 = v->exit_info_1;
    c->exit_info_2 = v->exit_info_2;
    c->exit_int_info = v->event;
    CONTROL_WRITE(env, exit_code, nested_ctl);
    c->event_inj = 0;
    CONTROL_WRITE(env, event_inj, ncr3);
    c->next_rip = v->next_rip;
    c->insn_len = v->insn_len;
    memcpy(c->insn, v->insn, sizeof(c->insn));
    CONTROL_WRITE(env, next_rip, reserved_e0);
}

static void load_host(CPUX86State *env)
{
    VepycCPU *v = env->vepyc;
    CPUState *cs = env_cpu(env);
    bool es = v->es;
    VepycPaging now;
    VepycSave s;

    if (v->entered) {
        v->tlb_paging = paging_of(env);
    }
    v->switching = true;
    env->hflags &= ~(HF_GUEST_MASK | HF_INHIBIT_IRQ_MASK);
    env->hflags2 &= ~(HF2_HIF_MASK | HF2_VINTR_MASK | HF2_NPT_MASK |
                      HF2_GIF_MASK | HF2_VGIF_MASK | HF2_NMI_MASK);
    if (v->host_nmi_blocked) {
        env->hflags2 |= HF2_NMI_MASK;
    }
    env->intercept = 0;
    env->intercept_exceptions = 0;
    cs->interrupt_request &= ~CPU_INTERRUPT_VIRQ;
    env->int_ctl = 0;
    env->tsc_offset = 0;
    env->pat = v->host_pat;

    v->sev = v->es = v->entered = false;
    v->event = 0;

    phys_read(env, env->vm_hsave + VEPYC_SAVE_OFFSET, &s, sizeof(s));
    vepyc_state_load_host(env, &s);
    if (es) {
        vepyc_state_load_host_rest(env, &s);
    }
    v->switching = false;

    now = paging_of(env);
    if (!paging_fits(&now, &v->host_paging) ||
        now.cr3 != v->host_paging.cr3) {
        vepyc_tlb_forget_host(env);
    }
}

/* Called with the big lock held, like all that x86_cpu_do_interrupt() does. */
void vepyc_leave(CPUX86State *env)
{
    VepycCPU *v = env->vepyc;

    trace_vepyc_vmexit(env_cpu(env)->cpu_index, v->exit_code, v->exit_info_1,
                       v->exit_info_2, v->event, env->eip);
    if (v->entered) {
        save_guest(env);
    }
    save_control(env);
    remember(env, v->entered);
    load_host(env);

    /* FIXME: the host state is not checked for consistency. */
    if (env->eflags & TF_MASK) {
        env->dr[6] |= DR6_BS;
        do_interrupt_all(env_archcpu(env), EXCP01_DB, 0, 0, env->eip, 0);
    }
}
