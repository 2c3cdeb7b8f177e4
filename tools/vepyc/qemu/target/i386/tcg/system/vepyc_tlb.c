/*
 * vepyc: the C-bit, private and shared mappings, and a TLB tagged by ASID.
 *
 * A guest physical address that the translator hands to the nested walk
 * (MMU_NESTED_IDX) carries the C-bit if the access is private, so that both
 * views of a page can be in QEMU's TLB side by side.
 *
 * The guest's share of QEMU's TLB (MMU_GUEST_IDX and up) outlives a world
 * switch, for one ASID: the last that ran. Behind it is a second TLB, of
 * nested translations only, tagged by ASID; VMRUN's TLB_CONTROL and INVLPGA
 * empty it, and nothing that the guest does: it knows guest physical pages
 * only, and no guest instruction names those. Faults are not cached. So a
 * flush that the hypervisor forgot shows, as on silicon.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "cpu.h"
#include "exec/cputlb.h"
#include "trace.h"
#include "vepyc_cpu.h"

#define TLB_ENTRIES     (1 << 14)       /* reaches 64 MiB */

#define HOST_MODES      (0x3f)
#define GUEST_MODES     (0x3f << MMU_GUEST_IDX)

typedef struct TlbEntry {
    uint64_t gfn;
    uint64_t pa;
    uint64_t epoch;
    uint32_t asid;
    int prot;
} TlbEntry;

struct VepycTlb {
    TlbEntry entry[TLB_ENTRIES];
    /* An entry is older than the last flush that concerns it, or valid. */
    uint64_t epoch, all;
    uint64_t of_asid[VEPYC_NR_ASIDS];
};

VepycTlb *vepyc_tlb_new(void)
{
    VepycTlb *t = g_new0(VepycTlb, 1);

    t->all = t->epoch = 1;
    return t;
}

/* Every translation, of every ASID and the host */
void vepyc_tlb_flush_all(CPUX86State *env)
{
    VepycTlb *t = env->vepyc->tlb;

    if (t) {
        t->all = ++t->epoch;
    }
    env->vepyc->tlb_asid = 0;
    tlb_flush(env_cpu(env));
}

/* QEMU's entries of whichever guest they are of */
void vepyc_tlb_forget_guest(CPUX86State *env)
{
    tlb_flush_by_mmuidx(env_cpu(env), GUEST_MODES | 1 << MMU_NESTED_IDX);
}

void vepyc_tlb_forget_host(CPUX86State *env)
{
    tlb_flush_by_mmuidx(env_cpu(env), HOST_MODES);
}

/* A control register changed: the world that we are in starts anew. */
void vepyc_tlb_flush_world(CPUX86State *env)
{
    if (env->vepyc->switching) {
        return;     /* vepyc_switch.c knows better */
    }
    tlb_flush_by_mmuidx(env_cpu(env), env->hflags & HF_GUEST_MASK
                                      ? GUEST_MODES : HOST_MODES);
}

void vepyc_tlb_flush_page(CPUX86State *env, target_ulong addr)
{
    tlb_flush_page_by_mmuidx(env_cpu(env), addr, env->hflags & HF_GUEST_MASK
                                                 ? GUEST_MODES : HOST_MODES);
}

void vepyc_tlb_flush_asid(CPUX86State *env, uint32_t asid)
{
    VepycTlb *t = env->vepyc->tlb;

    if (t && asid < VEPYC_NR_ASIDS) {
        t->of_asid[asid] = ++t->epoch;
    }
    if (asid == env->vepyc->tlb_asid) {
        vepyc_tlb_forget_guest(env);
    }
}

static TlbEntry *tlb_slot(VepycTlb *t, uint32_t asid, uint64_t gfn)
{
    return &t->entry[(gfn ^ (gfn >> 14) ^ (asid * 0x9e5)) % TLB_ENTRIES];
}

bool vepyc_tlb_lookup(CPUX86State *env, hwaddr gpa, MMUAccessType access,
                      hwaddr *pa, int *prot)
{
    VepycTlb *t = env->vepyc->tlb;
    uint32_t asid = env->vepyc->asid;
    uint64_t gfn = (gpa & ~VEPYC_CBIT) >> TARGET_PAGE_BITS;
    TlbEntry *e;

    if (!t) {
        return false;
    }
    e = tlb_slot(t, asid, gfn);
    if (e->gfn != gfn || e->asid != asid || e->epoch < t->all ||
        e->epoch < t->of_asid[asid]) {
        return false;
    }
    /* Too few permissions: the walk decides, it may grant more by now. */
    if (!(e->prot & (1 << access))) {
        return false;
    }
    *pa = e->pa | (gpa & ~TARGET_PAGE_MASK);
    *prot = e->prot;
    return true;
}

void vepyc_tlb_insert(CPUX86State *env, hwaddr gpa, hwaddr pa, int prot)
{
    VepycTlb *t = env->vepyc->tlb;
    uint64_t gfn = (gpa & ~VEPYC_CBIT) >> TARGET_PAGE_BITS;

    if (t) {
        *tlb_slot(t, env->vepyc->asid, gfn) = (TlbEntry) {
            .gfn = gfn,
            .pa = pa & TARGET_PAGE_MASK,
            .epoch = t->epoch,
            .asid = env->vepyc->asid,
            .prot = prot,
        };
    }
}

static bool mem_encrypt(CPUX86State *env)
{
    return env->vepyc->syscfg & MSR_AMD64_SYSCFG_MEME;
}

/*
 * The address of a page table. A SEV guest's tables are private whatever the
 * C-bit above them says. The host's, nested ones included, may carry a C-bit
 * that means SME; that one key is not emulated: nothing could see it.
 */
hwaddr vepyc_walk_addr(CPUX86State *env, hwaddr addr, bool nested)
{
    if (nested) {
        return env->vepyc->sev ? addr | VEPYC_CBIT : addr;
    }
    return mem_encrypt(env) ? addr & ~VEPYC_CBIT : addr;
}

/*
 * The host's physical addresses lose bits to the key, the C-bit not among
 * them; a guest's do not, they are never put on a bus.
 */
uint64_t vepyc_rsvd_mask(CPUX86State *env, uint64_t mask, bool nested)
{
    if (nested) {
        return env->vepyc->sev ? mask & ~VEPYC_CBIT : mask;
    }
    if (mem_encrypt(env)) {
        int bits = env_archcpu(env)->phys_bits;

        mask |= MAKE_64BIT_MASK(bits - VEPYC_PHYS_RED, VEPYC_PHYS_RED);
        mask &= ~VEPYC_CBIT;
    }
    return mask;
}

/* Bits above the physical address width that CR3 may have. */
target_ulong vepyc_cr3_ok(CPUX86State *env)
{
    bool guest = env->hflags & HF_GUEST_MASK;

    return (guest ? env->vepyc->sev : mem_encrypt(env)) ? VEPYC_CBIT : 0;
}

/*
 * The address that a walk ended at, as the access goes on with it: the C-bit
 * chooses for data in long mode and PAE paging; instruction fetches, and
 * everything in the modes that have no place for a C-bit, are private.
 */
hwaddr vepyc_leaf_addr(CPUX86State *env, hwaddr addr, bool nested,
                       int pg_mode, MMUAccessType access, int *prot)
{
    if (!nested) {
        return mem_encrypt(env) ? addr & ~VEPYC_CBIT : addr;
    }
    if (!env->vepyc->sev || (addr & VEPYC_CBIT)) {
        return addr;
    }
    if (!(pg_mode & PG_MODE_PG) || !(pg_mode & PG_MODE_PAE)) {
        return addr | VEPYC_CBIT;
    }
    /* One QEMU TLB entry cannot serve both: it is for one of them. */
    if (access == MMU_INST_FETCH) {
        *prot &= PAGE_EXEC;
        return addr | VEPYC_CBIT;
    }
    *prot &= ~PAGE_EXEC;
    return addr;
}

/* The guest physical address in what vepyc_leaf_addr() returned. */
hwaddr vepyc_gpa(CPUX86State *env, hwaddr addr)
{
    return env->vepyc->sev ? addr & ~VEPYC_CBIT : addr;
}

/*
 * The last thing before an entry goes to QEMU's TLB: settle in which view the
 * access sees the page, whose owner may have to change for it.
 */
hwaddr vepyc_map(CPUX86State *env, vaddr addr, int mmu_idx, hwaddr pa)
{
    CPUState *cs = env_cpu(env);
    bool nested = env->hflags2 & HF2_NPT_MASK;

    if (mmu_idx == MMU_NESTED_IDX) {
        bool private = env->vepyc->sev && (addr & VEPYC_CBIT);

        return vepyc_mem_map(cs, pa, private ? vepyc_key(env) : NULL);
    }
    if (nested && mmu_idx != MMU_PHYS_IDX) {
        return pa;      /* the nested entry, just above, has settled it */
    }
    return vepyc_mem_map(cs, pa, NULL);
}
