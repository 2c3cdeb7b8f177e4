/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sevm.h - the two objects, a VM and a vCPU, and who may touch what.
 *
 * Each file's functions are in its own header; this one holds only the
 * structures that several files share.
 *
 * Locks, outermost first:
 *	vm->lock		VM ioctls that change the VM: vCPU creation,
 *				launch, irqchip, capabilities
 *	vcpu->mutex		vCPU ioctls, KVM_RUN included: all of the vCPU that
 *				is not said to be others', the local APIC and
 *				vcpu->mp among it
 *	vm->mem.lock		slots and regions: their writers; readers of slots
 *				use vm->mem.srcu
 *	vm->irq.lock		routing, irqfds, ioeventfds: the same
 * Spinlocks, none of which is taken inside another one: vm->npt.lock,
 * vm->mem.charge_lock, vm->clock.lock, vm->stop_lock, the IOAPIC's. What others
 * than its thread change of a vCPU is atomic (mode, requests, mp.events, IRR and
 * TMR, nmi_queued), or written before such a bit or after it (sipi_vector,
 * apic_waiting).
 */
#ifndef SEVM_SVM_SEVM_H
#define SEVM_SVM_SEVM_H

#include <linux/atomic.h>
#include <linux/kvm.h>
#include <linux/mm_types.h>
#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/signal_types.h>
#include <linux/spinlock.h>
#include <linux/srcu.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>
#include <asm/svm.h>

#include "protect.h"
#include "stat.h"

#define SEVM_MAX_VCPUS		512	/* also the largest vcpu_id + 1 */
#define SEVM_MAX_CPUID		256	/* entries, as KVM_MAX_CPUID_ENTRIES */

typedef u64 sevm_gpa;
typedef u64 sevm_gfn;

struct sevm_apic;
struct sevm_ioapic;
struct sevm_slot;
struct sevm_msr_filter;

/* Guest memory: svm/mem/mem.c */
struct sevm_mem {
	struct mutex lock;		/* slots' and regions' writers */
	struct srcu_struct srcu;
	struct sevm_slots __rcu *slots;	/* sorted; replaced whole on change */
	u64 generation;			/* +1 after a change of slots, before old pages go */
	struct list_head regions;	/* KVM_MEMORY_ENCRYPT_REG_REGION */
	spinlock_t charge_lock;		/* the three counts below: svm/mem/pin.c */
	u64 slot_pins;
	u64 region_pins;
	u64 charged;			/* pages of these in mm->pinned_vm */
};

/* Nested page tables: svm/mem/npt.c */
struct sevm_npt {
	spinlock_t lock;		/* every entry below root */
	u64 *root;
	u64 root_pa;
};

/* GSI routing and eventfds: svm/irq/irq.c, svm/irq/eventfd.c */
struct sevm_irq {
	struct mutex lock;		/* the writers of what follows, but reserved_pins */
	struct srcu_struct srcu;
	struct sevm_routes __rcu *routes;
	u32 reserved_pins;		/* KVM_CAP_SPLIT_IRQCHIP: pins of userspace's IOAPIC */
	u32 resamplers;			/* irqfds with RESAMPLE */
	struct list_head irqfds;
	struct list_head ioeventfds;
	struct work_struct reap;	/* irqfds whose eventfd was closed */
};

/* kvm-clock, and the TSC that the vCPUs agree on: svm/cpu/clock.c */
struct sevm_clock {
	spinlock_t lock;		/* all below */
	u64 host_tsc;			/* when the host's TSC was this, */
	u64 ns;				/* the guest's clock was this */
	s64 offset;			/* of it to the host's raw monotonic clock */
	u64 tsc_write;			/* last value set; 0: by a new vCPU */
	u64 tsc_write_ns;		/* when */
	u64 tsc_offset;			/* what came of it */
	u32 tsc_khz;			/* 0: nobody has set a TSC yet */
	bool tsc_user;			/* userspace set one */
};

enum sevm_irqchip {
	SEVM_IRQCHIP_NONE,	/* KVM_INTERRUPT; no local APIC */
	SEVM_IRQCHIP_SPLIT,	/* local APICs here, the rest in userspace */
	SEVM_IRQCHIP_KERNEL,	/* and a 24-pin IOAPIC */
};

struct sevm_vm {
	refcount_t users;		/* the VM fd, each vCPU fd, stats fds */
	struct mm_struct *mm;		/* ioctls from another mm get -EIO */
	struct mutex lock;		/* outermost: see the head */
	unsigned long type;		/* argument of KVM_CREATE_VM */

	const struct sevm_protect_ops *protect;
	void *protect_data;		/* the backend's own */
	u64 cbit_mask;			/* the C-bit: a bit of CR3 that is no address */
	u32 asid;			/* its key's; 0: each CPU hands out its own */

	struct sevm_mem mem;
	struct sevm_npt npt;
	struct sevm_irq irq;
	enum sevm_irqchip irqchip;
	struct sevm_ioapic *ioapic;	/* SEVM_IRQCHIP_KERNEL only */

	struct xarray vcpus;		/* index -> struct sevm_vcpu, in creation order */
	unsigned int created_vcpus;	/* under vm->lock; may be ahead of the next */
	atomic_t online_vcpus;		/* vCPUs 0..n-1 of the array are complete */
	u32 bsp_vcpu_id;		/* KVM_SET_BOOT_CPU_ID */
	u32 max_vcpu_id;		/* KVM_CAP_MAX_VCPU_ID */

	/* KVM_ENABLE_CAP */
	u64 x2apic_flags;		/* KVM_CAP_X2APIC_API */
	u32 user_msr_mask;		/* KVM_CAP_X86_USER_SPACE_MSR */
	struct sevm_msr_filter __rcu *msr_filter;	/* writers: vm->lock */
	bool exception_payload;
	bool emulation_logged;
	bool triple_fault_event;
	bool aps_start_stopped;		/* SEVM_CAP_AP_PAGE: all but the boot CPU begin so */

	spinlock_t stop_lock;		/* who is the last to stop: svm/run/mp_state.c */

	u32 default_tsc_khz;
	struct sevm_clock clock;

	bool dead;			/* KILL: KVM_RUNs in progress end, later ioctls are -EIO */
	const char *kill_reason;	/* static string, set once */

	u64 stat[SEVM_VM_STATS];
	char stats_id[KVM_STATS_NAME_SIZE_SEVM];
};

/* Requests to a vCPU, served at the top of the run loop (TLB_FLUSH: at the entry) */
enum sevm_request {
	SEVM_REQ_EVENT,			/* look at interrupts again */
	SEVM_REQ_TLB_FLUSH,		/* flush this guest's ASID on the next entry */
	SEVM_REQ_CLOCK,			/* rewrite the kvm-clock page */
	SEVM_REQ_KILL,			/* vm->dead was set */
	SEVM_REQ_IOAPIC_EOI,		/* exit with KVM_EXIT_IOAPIC_EOI: vcpu->ioapic_eoi */
};

/* What the hardware said at the last #VMEXIT, copied out of the VMCB. */
struct sevm_exit {
	u64 code;
	u64 info1;
	u64 info2;
	u64 intr_info;			/* EXITINTINFO: the event whose delivery it interrupted */
	/* Of a plain guest; a protected one keeps them to itself: */
	u64 next_rip;
	u8 insn_len;
	u8 insn_bytes[15];
};

/* General registers of a plain guest. RAX, RSP, RIP and RFLAGS are in the VMCB. */
enum sevm_reg {
	SEVM_RCX, SEVM_RDX, SEVM_RBX, SEVM_RBP, SEVM_RSI, SEVM_RDI,
	SEVM_R8, SEVM_R9, SEVM_R10, SEVM_R11, SEVM_R12, SEVM_R13, SEVM_R14,
	SEVM_R15,
	SEVM_REGS,
};

/* An event on its way into the guest. */
struct sevm_event {
	bool pending;			/* wants to be injected */
	bool injected;			/* is in EVENTINJ, or came back in EXITINTINFO */
	bool has_error;
	bool has_payload;
	u8 vector;
	u32 error_code;
	u64 payload;			/* CR2 of a page fault, DR6 of #DB */
};

/* One access waiting for userspace: svm/run/io.c is the only writer. */
struct sevm_io {
	enum sevm_io_kind {
		SEVM_IO_NONE,
		SEVM_IO_PORT,
		SEVM_IO_MMIO,
		SEVM_IO_OTHER,		/* only a completion to run */
	} kind;
	bool write;
	u8 size;			/* of one element, or of the MMIO access */
	u16 port;
	u32 count;			/* elements still to do */
	u32 chunk;			/* elements in this exit */
	sevm_gpa gpa;
	u8 *data;			/* kernel memory owned by whoever asked */
	u32 len;			/* bytes of the MMIO access still to do */
	enum sevm_result (*done)(struct sevm_vcpu *vcpu);
};

/* When it does not run: svm/run/mp_state.[ch] write it, but for SEVM_MP_INIT and _SIPI. */
struct sevm_mp {
	u32 state;			/* KVM_MP_STATE_*, but STOPPED and SIPI_RECEIVED */
	u32 hold;			/* SEVM_AP_HOLD_*: not answered yet */
	bool early_sipi;		/* its INIT and SIPI came before the hold */
	bool was_halted;		/* when the INIT came, with paging on */
	atomic_t events;
#define SEVM_MP_INIT	BIT(0)		/* have arrived: svm/kick.h */
#define SEVM_MP_SIPI	BIT(1)
#define SEVM_MP_START	BIT(2)		/* "up" by the bring-up page, while it waited */
#define SEVM_MP_STOPPED	BIT(3)		/* "down": until the next "up" */
};

/* What becomes of a vCPU, for the tracepoint sevm_ap; sevm-run --timeline knows the texts. */
#define SEVM_AP_CHANGES(X, LAST)					\
	X(STARTS, "starts by SIPI")					\
	X(HELD_NAE, "held by NAE")					\
	X(HELD_MSR, "held by MSR")					\
	X(GOES_ON, "goes on by SIPI")					\
	X(GOES_ON_EARLY, "goes on by an early SIPI")			\
	X(EARLY, "early SIPI")						\
	X(INIT_WAITS, "INIT: waits for SIPI")				\
	X(INIT_HELD, "INIT: stays held")				\
	X(INIT_RUNS, "INIT: runs on")					\
	X(DROPPED, "drops a SIPI")					\
	X(STARTED, "started")						\
	LAST(STOPPED, "stopped")

enum sevm_ap_change {
	SEVM_AP_SILENT,			/* no trace */
#define SEVM_AP_ENUM(name, text)	SEVM_AP_##name,
	SEVM_AP_CHANGES(SEVM_AP_ENUM, SEVM_AP_ENUM)
};

struct sevm_vcpu {
	struct sevm_vm *vm;
	struct mutex mutex;		/* its ioctls, KVM_RUN among them */
	u32 id;				/* vcpu_id: the APIC ID */
	u32 index;			/* in vm->vcpus */
	struct kvm_run *run;		/* shared with userspace: hostile */
	struct page *run_pages[2];	/* kvm_run, PIO data */

	/* World switch: svm/run/run.c, svm/cpu/vmcb.c, svm/cpu/tlb.c */
	struct vmcb *vmcb;
	u64 vmcb_pa;
	u64 regs[SEVM_REGS];
	struct sevm_exit exit;
	int cpu;			/* last ran here; -1: has never run */
	int kick_cpu;			/* valid while mode is not OUTSIDE */
	u32 asid;			/* in the VMCB */
	u64 asid_generation;		/* plain guests: svm/cpu/tlb.c */
	struct sevm_fpu *fpu;		/* plain guests: svm/cpu/fpu.c */
	u64 xcr0;
	u64 xss;
	u64 spec_ctrl;
	u64 tsc_aux;
	u64 tsc_offset;
	u32 tsc_khz;
	u64 pat;

	/*
	 * Control registers as last seen: from SET_SREGS, a CR or EFER write
	 * trap, or the VMCB of a plain guest. For CPUID, MSR checks and INIT; CR8:
	 * its value where there is no APIC.
	 */
	u64 cr0, cr4, cr8, efer;
	u64 cr0_hidden;			/* CD and NW, which the hardware is not given */

	/* Waiting and waking */
	wait_queue_head_t wait;
	enum sevm_vcpu_mode {
		SEVM_OUTSIDE,
		SEVM_IN_GUEST,
		SEVM_EXITING,
	} mode;
	unsigned long requests;		/* bits: enum sevm_request */
	struct sevm_mp mp;
	bool sigset_active;		/* KVM_SET_SIGNAL_MASK */
	sigset_t sigset;

	/* Debug registers of a plain guest: svm/cpu/debug.c. DR6, DR7: in the VMCB */
	u64 dr[4];
	bool dr_live;			/* DR accesses do not exit, dr[] is loaded */
	unsigned long host_dr[4];	/* in a run, where the host has breakpoints */

	/* Events */
	u64 apic_base;			/* IA32_APIC_BASE, also without an APIC: apic.c */
	u8 ioapic_eoi;			/* vector for SEVM_REQ_IOAPIC_EOI */
	bool apic_waiting;		/* a bit of IRR may be set; false: none is */
	u8 sipi_vector;			/* before SEVM_MP_SIPI is set */
	atomic_t nmi_queued;		/* from other threads */
	u8 nmi_pending;			/* 0..2, this thread's */
	bool nmi_injected;
	bool nmi_masked;		/* between injection and IRET / NMI complete */
	u64 nmi_iret_rip;		/* plain: the IRET that will unmask; 0: none */
	bool triple_fault;		/* KVM_EXIT_SHUTDOWN, not the next entry */
	struct sevm_event exception;
	struct sevm_event interrupt;	/* injected: vector in EVENTINJ; pending: KVM_INTERRUPT */
	u8 extint;			/* the vector of that pending one */

	struct sevm_io io;
	u8 io_buf[256];			/* io.data of a plain guest's ports: exit.c */
	int run_errno;			/* with SEVM_TO_USER: KVM_RUN returns it, once */
	void *protect_data;		/* the backend's own */
	struct sevm_apic *apic;		/* NULL with SEVM_IRQCHIP_NONE */

	/* CPUID: svm/cpu/cpuid.c */
	struct kvm_cpuid_entry2 *cpuid;
	u32 cpuid_nent;
	u8 phys_bits;			/* the guest's MAXPHYADDR */

	/* MSRs kept for the guest: svm/run/msr.c */
	struct sevm_msrs *msrs;

	/* kvm-clock: svm/cpu/clock.c */
	u64 clock_msr;
	u64 wall_clock_msr;
	u32 clock_version;

	u64 stat[SEVM_VCPU_STATS];
};

/* A log line that a guest may cause: which vCPU, and not without limit. */
#define vcpu_notice(vcpu, fmt, ...) \
	pr_notice_ratelimited("vcpu %u: " fmt, (vcpu)->id, ##__VA_ARGS__)

/* Its memory is under a key of its own: from KVM_SEV_ES_INIT or KVM_SEV_INIT2 on. */
static inline bool sevm_vm_is_encrypted(const struct sevm_vm *vm)
{
	return vm->asid;
}

static inline bool sevm_vcpu_is_bsp(struct sevm_vcpu *vcpu)
{
	return vcpu->id == vcpu->vm->bsp_vcpu_id;
}

#define sevm_for_each_vcpu(index, vcpu, vm)				\
	xa_for_each_range(&(vm)->vcpus, index, vcpu, 0,			\
			  (unsigned long)atomic_read(&(vm)->online_vcpus) - 1UL)

#endif /* SEVM_SVM_SEVM_H */
