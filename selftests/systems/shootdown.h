/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * shootdown.h - what the parts of the shootdown guest share.
 */
#ifndef SELFTESTS_SHOOTDOWN_H
#define SELFTESTS_SHOOTDOWN_H

/* One priority class, as the original has them. */
#define VECTOR_INVLTLB		0xf0
#define VECTOR_INVLPG		0xf1
#define VECTOR_INVLRANGE	0xf2
#define VECTOR_PLAIN		0xf3	/* acknowledges, and may be parked */
#define VECTOR_WBINVD		0xf4
#define VECTOR_WAKE		0x40	/* through the slow entry */

/* A segment whose limit is the CPU's number: known whatever GS is. */
#define CPU_SELECTOR		0x38

#define MSR_GS_BASE		0xc0000101
#define MSR_KERNEL_GS_BASE	0xc0000102
#define MSR_X2APIC_EOI		0x80b
#define MSR_X2APIC_LVTT		0x832

/* Where a CPU can be made to stop, or to do something to itself. */
#define PLACE_VC_ENTRY		1	/* in #VC, the GHCB not yet touched */
#define PLACE_VC_FILLED		2	/* the GHCB written, VMGEXIT not yet done */
#define PLACE_VC_ANSWERED	3	/* after VMGEXIT, the answer not yet read */
#define PLACE_IPI_ENTRY		4	/* fast IPI: GS still as it was interrupted */
#define PLACE_IPI_ACKED		5	/* the same, after EOI */
#define PLACE_NMI		6	/* NMI handler, before NMI complete */

#define WHAT_CPUID		1	/* a #VC's cause, beside MSR numbers */

#define CPUS			4

/* Memory that is mapped nowhere yet: two pages for each round. */
#define UNTOUCHED		GUEST_MEMORY
#define UNTOUCHED_ROUNDS	96

#ifndef __ASSEMBLER__
#include "guest.h"

static inline u64 this_cpu(void)
{
	u32 n;

	asm volatile("lsl %1, %0" : "=r"(n) : "r"(CPU_SELECTOR));
	return n;
}

/* --- shootdown.S ---------------------------------------------------------- */

extern char ipi_invltlb[], ipi_invlpg[], ipi_invlrange[], ipi_plain[], ipi_wbinvd[];
extern char nmi_entry[], x2apic_eoi_sev_es[], x2apic_eoi[];
extern void *volatile fast_eoi;		/* one of the two */
extern volatile u64 tlb_shoot_wait, tlb_shoot_addr1, tlb_shoot_addr2;
void enter_user(void (*fn)(void *), void *arg, u64 stack);

struct frame {				/* what the CPU pushes */
	u64 rip, cs, rflags, rsp, ss;
};

/* It calls these; those with a frame on the GS of what was interrupted. */
void on_shootdown(struct frame *frame, u64 vector);
void park_ipi(struct frame *frame, u64 place);
void on_plain(struct frame *frame);
u64 nmi_leave_stack(struct guest_regs *r);
void on_nmi(struct guest_regs *r, u64 gs);

/* --- shootdown-vc.c: #VC, NMI, and stopping in the middle of them ---------- */

enum action { ACT_WAIT, ACT_SELF_IPI, ACT_SELF_NMI };

struct knob {
	volatile u64 place, what;	/* armed while place is set; once */
	volatile u64 action;
	volatile u64 window;		/* with interrupts on */
	volatile u64 parked, go, spins;
	volatile u64 done;
};

/* What a CPU met; the others look at it. */
struct witness {
	volatile u64 vc_depth, vc_depth_max;
	volatile u64 vcs;
	volatile u64 wrong_gs;		/* #VC under a GS that is not the kernel's */
	volatile u64 nmis, nmi_depth, nmi_depth_max;
	volatile u64 nmis_in_user, nmis_under_user_gs;
	volatile u64 plain, plain_in_user, plain_depth;
};

extern struct knob knobs[CPUS];
extern struct witness seen[CPUS];
extern volatile u64 tolerate_wrong_gs;

void machine_setup_cpu(u64 cpu);	/* first of all, on each CPU */
void machine_setup_gates(void);		/* once, when all CPUs are up */
/* For what interrupts user mode, and for NMIs; 0: back to the usual one. */
void machine_set_stacks(u64 cpu, u64 rsp0, u64 nmi);
void arm(u64 cpu, u64 place, u64 what, u64 action, bool window);
void wait_parked(u64 cpu);
void release(u64 cpu);

/* --- shootdown.c ------------------------------------------------------------ */

struct user {				/* GS base in user mode */
	struct user *self;
	volatile u64 stop, loops, bad, value;
	u64 kernel_resume[8];
};

extern struct user users[CPUS];

void start(u64 cpu);			/* all four come back from it */
void barrier(unsigned int n, unsigned int cpus);	/* each n once */
void finish(u64 cpu);			/* does not come back but on CPU 0 */
void check_fault(void);
/* On this CPU, with interrupts on, until users[cpu].stop; back with them off. */
void run_user(u64 cpu, void (*fn)(void *));
void user_loop(void *arg);
void user_cpuid_loop(void *arg);

/* --- shootdown-nested.c ------------------------------------------------------ */

void guest_ipis_in_vc(unsigned long cpu);
void guest_self_ipis_in_vc(unsigned long cpu);
void guest_nmis_in_vc(unsigned long cpu);
void guest_nmis_in_every_mode(unsigned long cpu);
void guest_nmi_waits_for_nmi_complete(unsigned long cpu);
void guest_ipis_and_nmis_at_random(unsigned long cpu);
void guest_eoi_without_swapgs(unsigned long cpu);
void guest_wbinvd_without_swapgs(unsigned long cpu);
void guest_untouched_stacks(unsigned long cpu);
#endif /* __ASSEMBLER__ */

#endif /* SELFTESTS_SHOOTDOWN_H */
