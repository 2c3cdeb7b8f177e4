/*
 * vepyc: what the processor keeps for itself, and the layout of the VMCB.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef I386_TCG_VEPYC_CPU_H
#define I386_TCG_VEPYC_CPU_H

#include "cpu.h"
#include "hw/i386/vepyc.h"
#include "tcg/vepyc.h"

QEMU_BUILD_BUG_MSG(HOST_BIG_ENDIAN, "the VMCB is used as it lies in memory");

#define VEPYC_NR_ASIDS          32768   /* 8000_000A EBX */

#define MSR_AMD64_SYSCFG_MEME   (1ULL << 23)

#define VMEXIT_INVALID          (~0ULL)
#define VMEXIT_EFER_TRAP        0x8f
#define VMEXIT_CR_TRAP          0x90
#define VMEXIT_BUSLOCK          0xa5
#define VMEXIT_IDLE_HLT         0xa6
#define VMEXIT_VMGEXIT          0x403

#define NESTED_NP               (1 << 0)
#define NESTED_SEV              (1 << 1)
#define NESTED_SEV_ES           (1 << 2)
#define VIRT_EXT_LBR            (1 << 0)

#define TLB_FLUSH_ALL           1
#define TLB_FLUSH_ASID          3
#define TLB_FLUSH_ASID_LOCAL    7

/* SVM_EVTINJ_VALID is an int, and negative */
#define EVENT_VALID             (1ULL << 31)

#define INT_STATE_SHADOW        (1 << 0)
#define INT_STATE_IF            (1 << 1)

/* VMCB, 0 to 0x3ff */
typedef struct QEMU_PACKED VepycControl {
    uint16_t cr_read, cr_write, dr_read, dr_write;      /* 0x00 */
    uint32_t exceptions;
    uint64_t intercepts;                                /* 0x0c, words 3, 4 */
    uint32_t intercepts5;
    uint8_t reserved_18[0x3c - 0x18];
    uint16_t pause_threshold, pause_count;
    uint64_t iopm, msrpm, tsc_offset;                   /* 0x40 */
    uint32_t asid;                                      /* 0x58 */
    uint8_t tlb_ctl;
    uint8_t reserved_5d[3];
    uint32_t int_ctl, int_vector;                       /* 0x60 */
    uint64_t int_state;
    uint64_t exit_code, exit_info_1, exit_info_2;       /* 0x70 */
    uint64_t exit_int_info;
    uint64_t nested_ctl;                                /* 0x90 */
    uint64_t avic_bar, ghcb;
    uint64_t event_inj;                                 /* 0xa8 */
    uint64_t ncr3, virt_ext;
    uint64_t clean;                                     /* 0xc0 */
    uint64_t next_rip;
    uint8_t insn_len, insn[15];
    uint8_t reserved_e0[0x108 - 0xe0];
    uint64_t vmsa;                                      /* 0x108 */
    uint8_t reserved_110[0x400 - 0x110];
} VepycControl;
QEMU_BUILD_BUG_ON(sizeof(VepycControl) != 0x400);
QEMU_BUILD_BUG_ON(offsetof(VepycControl, iopm) != 0x40);
QEMU_BUILD_BUG_ON(offsetof(VepycControl, exit_code) != 0x70);
QEMU_BUILD_BUG_ON(offsetof(VepycControl, ncr3) != 0xb0);

/*
 * The state save area: at 0x400 in a VMCB (as far as LBRs), at 0x400 in the
 * host save area, at 0 in a VMSA.
 */
typedef struct QEMU_PACKED VepycSave {
    struct vmcb_seg es, cs, ss, ds, fs, gs, gdtr, ldtr, idtr, tr;
    uint8_t reserved_a0[0xca - 0xa0];
    uint8_t vmpl, cpl;
    uint32_t reserved_cc;
    uint64_t efer;                                      /* 0xd0 */
    uint8_t reserved_d8[0x140 - 0xd8];
    uint64_t xss;                                       /* 0x140 */
    uint64_t cr4, cr3, cr0, dr7, dr6, rflags, rip;
    uint64_t dr[4], dr_mask[4];                         /* 0x180 */
    uint8_t reserved_1c0[0x1d8 - 0x1c0];
    uint64_t rsp;
    uint64_t s_cet, ssp, isst;
    uint64_t rax;                                       /* 0x1f8 */
    uint64_t star, lstar, cstar, sfmask, kernel_gs_base;
    uint64_t sysenter_cs, sysenter_esp, sysenter_eip;
    uint64_t cr2;                                       /* 0x240 */
    uint8_t reserved_248[0x268 - 0x248];
    uint64_t g_pat;
    uint64_t dbgctl, br_from, br_to, excp_from, excp_to;
    uint8_t reserved_298[0x2e8 - 0x298];
    /* not in a VMCB from here on */
    uint32_t pkru, tsc_aux;                             /* 0x2e8 */
    uint8_t reserved_2f0[0x308 - 0x2f0];
    uint64_t rcx, rdx, rbx;
    uint64_t reserved_320;
    uint64_t rbp, rsi, rdi, r8_15[8];
    uint8_t reserved_380[0x3b0 - 0x380];
    uint64_t sev_features;                              /* 0x3b0 */
    uint8_t reserved_3b8[0x3e8 - 0x3b8];
    uint64_t xcr0;                                      /* 0x3e8 */
    uint8_t reserved_3f0[0x400 - 0x3f0];
    uint64_t x87_dp;                                    /* 0x400 */
    uint32_t mxcsr;
    uint16_t x87_ftw, x87_fsw, x87_fcw, x87_fop, x87_ds, x87_cs;
    uint64_t x87_rip;
    uint64_t x87_mant[8];                               /* 0x420 */
    uint16_t x87_exp[8];
    uint64_t xmm[16][2];                                /* 0x470 */
    uint64_t ymm[16][2];                                /* the upper halves */
} VepycSave;
QEMU_BUILD_BUG_ON(sizeof(VepycSave) != 0x670);
QEMU_BUILD_BUG_ON(offsetof(VepycSave, cpl) != 0xcb);
QEMU_BUILD_BUG_ON(offsetof(VepycSave, rsp) != 0x1d8);
QEMU_BUILD_BUG_ON(offsetof(VepycSave, g_pat) != 0x268);
QEMU_BUILD_BUG_ON(offsetof(VepycSave, rcx) != 0x308);
QEMU_BUILD_BUG_ON(offsetof(VepycSave, xcr0) != 0x3e8);
QEMU_BUILD_BUG_ON(offsetof(VepycSave, xmm) != 0x470);

#define VEPYC_SAVE_OFFSET       0x400   /* of the save area in its page */
#define VEPYC_VMCB_SAVE_SIZE    0x298   /* of a VMCB's */

typedef struct VepycTlb VepycTlb;

/* What QEMU's TLB entries have been made with */
typedef struct VepycPaging {
    uint64_t cr0, cr3, cr4, efer;
    uint32_t pkru;
    bool nested;
} VepycPaging;

/* The VMCB that this CPU ran last, as it left it */
typedef struct VepycCache {
    bool valid;
    hwaddr vmcb;
    VepycControl ctl;
    VepycSave save;
} VepycCache;

struct VepycCPU {
    /* The processor, guest or no guest */
    uint64_t syscfg, hwcr;
    VepycTlb *tlb;
    VepycCache *cache;
    int soft_len;               /* of the last INT n, INT3 or INTO */
    uint32_t insn_info;         /* see VEPYC_INSN_*: of the last unwinding */

    /* Whose entries the guest modes of QEMU's TLB hold */
    uint32_t tlb_asid;
    hwaddr tlb_vmcb;
    VepycPaging tlb_paging;
    bool switching;             /* between the worlds: no flush by itself */

    /* The guest that runs; host's when none does */
    bool sev, es;
    uint32_t asid;
    VepycControl ctl;           /* as VMRUN read it */
    uint64_t ghcb;

    /* What #VMEXIT will report */
    bool entered;               /* else VMRUN refused: nothing to save */
    uint64_t exit_code, exit_info_1, exit_info_2;
    uint64_t next_rip;
    uint8_t insn_len, insn[15];
    uint64_t event;             /* being delivered, as in EXITINTINFO */
    bool event_injected;        /* by EVENTINJ: it says its own type */

    /* Of the host, hidden while a guest runs */
    uint64_t host_pat;
    VepycPaging host_paging;
    bool host_nmi_blocked;
};

static inline VepycKey *vepyc_key(CPUX86State *env)
{
    /* Looked up anew each time: a hypervisor may unbind it at any moment. */
    return vepyc_key_of_asid(env->vepyc->asid);
}

/* vepyc_state.c: between the registers and a save area */
void vepyc_state_load(CPUX86State *env, const VepycSave *s);
void vepyc_state_store(CPUX86State *env, VepycSave *s);
void vepyc_state_load_rest(CPUX86State *env, const VepycSave *s);
void vepyc_state_store_rest(CPUX86State *env, VepycSave *s);
void vepyc_state_load_host(CPUX86State *env, const VepycSave *s);
void vepyc_state_load_host_rest(CPUX86State *env, const VepycSave *s);

/* vepyc_tlb.c */
VepycTlb *vepyc_tlb_new(void);
void vepyc_tlb_flush_all(CPUX86State *env);
void vepyc_tlb_forget_guest(CPUX86State *env);
void vepyc_tlb_forget_host(CPUX86State *env);

#endif
