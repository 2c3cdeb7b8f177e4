/*
 * vepyc: registers to and from a save area (of a VMCB, a VMSA or the host).
 *
 * Knows which registers live where, not when they move: that is
 * vepyc_switch.c. "The rest" is what only SEV-ES moves: everything that VMLOAD
 * and VMSAVE move otherwise, the general registers and the vector state.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "cpu.h"
#include "exec/cputlb.h"
#include "tcg/helper-tcg.h"
#include "vepyc_cpu.h"

static void store_seg(struct vmcb_seg *d, const SegmentCache *s)
{
    d->selector = s->selector;
    d->attrib = ((s->flags >> 8) & 0xff) | ((s->flags >> 12) & 0x0f00);
    d->limit = s->limit;
    d->base = s->base;
}

static uint32_t seg_flags(const struct vmcb_seg *s)
{
    return ((s->attrib & 0xff) << 8) | ((s->attrib & 0x0f00) << 12);
}

/* VMRUN and VMLOAD sign-extend what they load, whatever the mode. */
static target_ulong canonical(CPUX86State *env, uint64_t addr)
{
    int shift = 64 - cpu_x86_virtual_addr_width(env);

    return (int64_t)(addr << shift) >> shift;
}

static void load_seg(CPUX86State *env, X86Seg reg, const struct vmcb_seg *s)
{
    cpu_x86_load_seg_cache(env, reg, s->selector, canonical(env, s->base),
                           s->limit, seg_flags(s));
}

static void load_table(CPUX86State *env, SegmentCache *d,
                       const struct vmcb_seg *s)
{
    d->selector = s->selector;
    d->base = canonical(env, s->base);
    d->limit = s->limit;
    d->flags = seg_flags(s);
}

/* What host and guest have in common, in the order that hflags ask for. */
static void load_common(CPUX86State *env, const VepycSave *s,
                        uint32_t eflags)
{
    cpu_x86_update_cr0(env, s->cr0);
    cpu_x86_update_cr4(env, s->cr4);
    cpu_x86_update_cr3(env, s->cr3);
    cpu_load_efer(env, s->efer);
    env->eflags = 0;
    cpu_load_eflags(env, eflags,
                    ~(CC_O | CC_S | CC_Z | CC_A | CC_P | CC_C | DF_MASK));
    load_seg(env, R_ES, &s->es);
    load_seg(env, R_CS, &s->cs);
    load_seg(env, R_SS, &s->ss);
    load_seg(env, R_DS, &s->ds);
    load_table(env, &env->gdt, &s->gdtr);
    load_table(env, &env->idt, &s->idtr);
    env->eip = s->rip;
    env->regs[R_ESP] = s->rsp;
    env->regs[R_EAX] = s->rax;
    env->dr[6] = s->dr6;
}

void vepyc_state_load(CPUX86State *env, const VepycSave *s)
{
    int cpl = s->cpl & 3;

    load_common(env, s, s->rflags);
    cpu_x86_update_dr7(env, s->dr7);
    env->cr[2] = s->cr2;
    if (!(s->cr0 & CR0_PE_MASK)) {
        cpl = 0;
    } else if (s->rflags & VM_MASK) {
        cpl = 3;
    }
    env->hflags = (env->hflags & ~HF_CPL_MASK) | cpl;
    cpu_sync_bndcs_hflags(env);
    if (env->vepyc->ctl.nested_ctl & NESTED_NP) {
        env->pat = s->g_pat;
    }
}

void vepyc_state_store(CPUX86State *env, VepycSave *s)
{
    store_seg(&s->es, &env->segs[R_ES]);
    store_seg(&s->cs, &env->segs[R_CS]);
    store_seg(&s->ss, &env->segs[R_SS]);
    store_seg(&s->ds, &env->segs[R_DS]);
    s->gdtr.base = env->gdt.base;
    s->gdtr.limit = env->gdt.limit;
    s->idtr.base = env->idt.base;
    s->idtr.limit = env->idt.limit;
    s->cpl = env->hflags & HF_CPL_MASK;
    s->efer = env->efer;
    s->cr4 = env->cr[4];
    s->cr3 = env->cr[3];
    s->cr2 = env->cr[2];
    s->cr0 = env->cr[0];
    s->dr7 = env->dr[7];
    s->dr6 = env->dr[6];
    s->rflags = cpu_compute_eflags(env);
    s->rip = env->eip;
    s->rsp = env->regs[R_ESP];
    s->rax = env->regs[R_EAX];
    if (env->vepyc->entered && (env->vepyc->ctl.nested_ctl & NESTED_NP)) {
        s->g_pat = env->pat;
    }
}

void vepyc_state_load_host(CPUX86State *env, const VepycSave *s)
{
    VepycSave host = *s;

    host.cr0 |= CR0_PE_MASK;
    load_common(env, &host, host.rflags & ~(RF_MASK | VM_MASK));
    /* No breakpoint of the host is armed after a #VMEXIT. */
    cpu_x86_update_dr7(env, host.dr7 & ~0xff);
}

static uint64_t xcr0_supported(CPUX86State *env)
{
    return ((uint64_t)env->features[FEAT_XSAVE_XCR0_HI] << 32) |
           env->features[FEAT_XSAVE_XCR0_LO];
}

/* Swap type B: what VMLOAD loads, the general registers, XSAVE's masks. */
static void load_type_b(CPUX86State *env, const VepycSave *s)
{
    int i;

    load_seg(env, R_FS, &s->fs);
    load_seg(env, R_GS, &s->gs);
    load_table(env, &env->tr, &s->tr);
    load_table(env, &env->ldt, &s->ldtr);
    env->kernelgsbase = canonical(env, s->kernel_gs_base);
    env->star = s->star;
    env->lstar = s->lstar;
    env->cstar = s->cstar;
    env->fmask = s->sfmask;
    env->sysenter_cs = s->sysenter_cs;
    env->sysenter_esp = s->sysenter_esp;
    env->sysenter_eip = s->sysenter_eip;

    env->regs[R_ECX] = s->rcx;
    env->regs[R_EDX] = s->rdx;
    env->regs[R_EBX] = s->rbx;
    env->regs[R_EBP] = s->rbp;
    env->regs[R_ESI] = s->rsi;
    env->regs[R_EDI] = s->rdi;
    for (i = 0; i < 8; i++) {
        env->regs[8 + i] = s->r8_15[i];
    }

    env->xcr0 = s->xcr0 & xcr0_supported(env);
    env->xss = s->xss;
    env->pkru = s->pkru;
    cpu_sync_avx_hflag(env);
    cpu_sync_bndcs_hflags(env);
}

static void load_fpu(CPUX86State *env, const VepycSave *s)
{
    int i;

    cpu_set_fpuc(env, s->x87_fcw);
    env->fpstt = (s->x87_fsw >> 11) & 7;
    env->fpus = s->x87_fsw & ~0x3800;
    env->fpop = s->x87_fop;
    env->fpip = s->x87_rip;
    env->fpdp = s->x87_dp;
    env->fpcs = s->x87_cs;
    env->fpds = s->x87_ds;
    for (i = 0; i < 8; i++) {
        floatx80 *st = &env->fpregs[(env->fpstt + i) & 7].d;

        env->fptags[i] = !((s->x87_ftw >> i) & 1);
        st->low = s->x87_mant[i];
        st->high = s->x87_exp[i];
    }
    cpu_set_mxcsr(env, s->mxcsr & 0xffff);
    for (i = 0; i < 16; i++) {
        memset(&env->xmm_regs[i], 0, sizeof(env->xmm_regs[i]));
        env->xmm_regs[i].ZMM_Q(0) = s->xmm[i][0];
        env->xmm_regs[i].ZMM_Q(1) = s->xmm[i][1];
        env->xmm_regs[i].ZMM_Q(2) = s->ymm[i][0];
        env->xmm_regs[i].ZMM_Q(3) = s->ymm[i][1];
    }
}

void vepyc_state_load_rest(CPUX86State *env, const VepycSave *s)
{
    load_type_b(env, s);
    load_fpu(env, s);
}

void vepyc_state_load_host_rest(CPUX86State *env, const VepycSave *s)
{
    static const VepycSave reset = { .x87_fcw = 0x37f, .mxcsr = 0x1f80 };

    load_type_b(env, s);
    /* Swap type C: the host gets these in their reset state. */
    load_fpu(env, &reset);
    env->cr[2] = 0;
}

void vepyc_state_store_rest(CPUX86State *env, VepycSave *s)
{
    int i;

    store_seg(&s->fs, &env->segs[R_FS]);
    store_seg(&s->gs, &env->segs[R_GS]);
    store_seg(&s->tr, &env->tr);
    store_seg(&s->ldtr, &env->ldt);
    s->kernel_gs_base = env->kernelgsbase;
    s->star = env->star;
    s->lstar = env->lstar;
    s->cstar = env->cstar;
    s->sfmask = env->fmask;
    s->sysenter_cs = env->sysenter_cs;
    s->sysenter_esp = env->sysenter_esp;
    s->sysenter_eip = env->sysenter_eip;

    s->rcx = env->regs[R_ECX];
    s->rdx = env->regs[R_EDX];
    s->rbx = env->regs[R_EBX];
    s->rbp = env->regs[R_EBP];
    s->rsi = env->regs[R_ESI];
    s->rdi = env->regs[R_EDI];
    for (i = 0; i < 8; i++) {
        s->r8_15[i] = env->regs[8 + i];
    }

    s->xcr0 = env->xcr0;
    s->xss = env->xss;
    s->pkru = env->pkru;

    s->x87_fcw = env->fpuc;
    s->x87_fsw = (env->fpus & ~0x3800) | (env->fpstt & 7) << 11;
    s->x87_fop = env->fpop;
    s->x87_rip = env->fpip;
    s->x87_dp = env->fpdp;
    s->x87_cs = env->fpcs;
    s->x87_ds = env->fpds;
    s->x87_ftw = 0;
    for (i = 0; i < 8; i++) {
        const floatx80 *st = &env->fpregs[(env->fpstt + i) & 7].d;

        s->x87_ftw |= !env->fptags[i] << i;
        s->x87_mant[i] = st->low;
        s->x87_exp[i] = st->high;
    }
    update_mxcsr_from_sse_status(env);
    s->mxcsr = env->mxcsr;
    for (i = 0; i < 16; i++) {
        s->xmm[i][0] = env->xmm_regs[i].ZMM_Q(0);
        s->xmm[i][1] = env->xmm_regs[i].ZMM_Q(1);
        s->ymm[i][0] = env->xmm_regs[i].ZMM_Q(2);
        s->ymm[i][1] = env->xmm_regs[i].ZMM_Q(3);
    }
}
