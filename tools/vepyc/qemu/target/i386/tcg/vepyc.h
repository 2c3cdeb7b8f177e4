/*
 * vepyc: the processor of an emulated SEV-ES machine.
 *
 * What the rest of target/i386 calls. A caller looks first whether the CPU has
 * the property vepyc=on (cpu->vepyc; after realize, env->vepyc is not NULL);
 * vepyc_event_begin(), vepyc_sev_guest() and vepyc_es_guest() look themselves.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef I386_TCG_VEPYC_H
#define I386_TCG_VEPYC_H

#include "cpu.h"
#include "exec/cpu-common.h"
#include "exec/page-protection.h"

/*
 * What a translated instruction says about itself (the third word of its
 * insn_start): its length, and for a MOV to or from a control or debug
 * register which general register is the other side.
 */
#define VEPYC_INSN_LEN      0x1f
#define VEPYC_INSN_GPR(n)   (((n) + 1) << 8)
#define VEPYC_INSN_GPR_OF(info) ((((info) >> 8) & 0x1f) - 1)    /* or -1 */

#ifndef CONFIG_USER_ONLY

/* cpu.c: the property vepyc=on */
void vepyc_cpu_expand(X86CPU *cpu);             /* features that it implies */
void vepyc_cpu_realize(X86CPU *cpu);
void vepyc_cpu_reset(X86CPU *cpu);
uint64_t vepyc_svm_features(void);              /* beyond TCG's own */
void vepyc_cpuid(X86CPU *cpu, uint32_t leaf, uint32_t *eax, uint32_t *ebx,
                 uint32_t *ecx, uint32_t *edx);

/* svm_helper.c: VMRUN and #VMEXIT (vepyc_switch.c) */
void vepyc_vmrun(CPUX86State *env, hwaddr vmcb, target_ulong next_rip);
void vepyc_leave(CPUX86State *env);             /* the end of a #VMEXIT */

/* svm_helper.c, excp_helper.c: intercepts (vepyc_exit.c) */
void vepyc_set_insn_info(CPUX86State *env, uint32_t info);
G_NORETURN void vepyc_intercept(CPUX86State *env, uint64_t code,
                                uint64_t info1, bool insn);
bool vepyc_has_intercept(CPUX86State *env, uint32_t type, bool has);
bool vepyc_msr_is_guests(CPUX86State *env, uint32_t msr);
void vepyc_set_exit_info_2(CPUX86State *env, uint64_t val);
/* Returns only if a trap intercept does not take it from here. */
void vepyc_trap_cr_write(CPUX86State *env, int reg, uintptr_t ra);
void vepyc_trap_efer_write(CPUX86State *env, uintptr_t ra);
G_NORETURN void vepyc_vmgexit(CPUX86State *env, uintptr_t ra);
bool vepyc_event_begin(CPUX86State *env, int intno, int is_int,
                       int error_code, int is_hw, int rm);
void vepyc_soft_int(CPUX86State *env, int len);
void vepyc_event_end(CPUX86State *env);
void vepyc_wbinvd(CPUX86State *env);

/* misc_helper.c: MSRs (vepyc_msr.c); true if the MSR is one of ours */
bool vepyc_rdmsr(CPUX86State *env, uint32_t msr, uint64_t *val, uintptr_t ra);
bool vepyc_wrmsr(CPUX86State *env, uint32_t msr, uint64_t val, uintptr_t ra);

/* excp_helper.c: translation (vepyc_tlb.c) */
hwaddr vepyc_walk_addr(CPUX86State *env, hwaddr addr, bool nested);
uint64_t vepyc_rsvd_mask(CPUX86State *env, uint64_t mask, bool nested);
hwaddr vepyc_leaf_addr(CPUX86State *env, hwaddr addr, bool nested,
                       int pg_mode, MMUAccessType access, int *prot);
hwaddr vepyc_map(CPUX86State *env, vaddr addr, int mmu_idx, hwaddr pa);
hwaddr vepyc_gpa(CPUX86State *env, hwaddr addr);
bool vepyc_tlb_lookup(CPUX86State *env, hwaddr gpa, MMUAccessType access,
                      hwaddr *pa, int *prot);
void vepyc_tlb_insert(CPUX86State *env, hwaddr gpa, hwaddr pa, int prot);
void vepyc_tlb_flush_world(CPUX86State *env);
void vepyc_tlb_flush_page(CPUX86State *env, target_ulong addr);
void vepyc_tlb_flush_asid(CPUX86State *env, uint32_t asid);
target_ulong vepyc_cr3_ok(CPUX86State *env);    /* bits that CR3 may have */

bool vepyc_sev_guest(CPUX86State *env);         /* SEV, SEV-ES included */
bool vepyc_es_guest(CPUX86State *env);

#else /* user emulation: what files call that it has too */

static inline void vepyc_cpu_expand(X86CPU *cpu) {}
static inline void vepyc_cpu_realize(X86CPU *cpu) {}
static inline void vepyc_cpu_reset(X86CPU *cpu) {}
static inline uint64_t vepyc_svm_features(void) { return 0; }
static inline void vepyc_cpuid(X86CPU *cpu, uint32_t leaf, uint32_t *eax,
                               uint32_t *ebx, uint32_t *ecx, uint32_t *edx) {}
static inline void vepyc_set_insn_info(CPUX86State *env, uint32_t info) {}
static inline void vepyc_trap_cr_write(CPUX86State *env, int reg,
                                       uintptr_t ra) {}
static inline void vepyc_soft_int(CPUX86State *env, int len) {}
static inline void vepyc_tlb_flush_world(CPUX86State *env) {}

#endif /* CONFIG_USER_ONLY */
#endif
