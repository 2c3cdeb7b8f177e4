/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * protect.h - the interface between svm/ and sev/.
 *
 * svm/ is a machine on AMD-V; it knows no cryptography and interprets no GHCB.
 * sev/ is what protection means. svm/ calls it through this table; only its top
 * (main.c, cap.c, vm.c) calls what stands below the table. A plain guest has a
 * backend too: svm/run/plain.c.
 *
 * Every operation is present in every backend: a NULL is a bug.
 */
#ifndef SEVM_PROTECT_H
#define SEVM_PROTECT_H

#include <linux/types.h>

struct sevm_vm;
struct sevm_vcpu;
struct page;

/**
 * enum sevm_result - what became of an exit
 * @SEVM_RESUME: handled; enter the guest again
 * @SEVM_TO_USER: leave KVM_RUN, with vcpu->run_errno, or with 0 and kvm_run filled
 * @SEVM_KILL: the VM is over; vm->kill_reason says why (sevm_vm_kill() made it)
 */
enum sevm_result {
	SEVM_RESUME,
	SEVM_TO_USER,
	SEVM_KILL,
};

/**
 * enum sevm_access - who may see a vCPU's registers through the state ioctls
 * @SEVM_ACCESS_OPEN: they are in the VMCB and in vcpu->regs
 * @SEVM_ACCESS_IGNORED: protected, the ioctl answers 0 and does nothing (KVM_SEV_ES_INIT)
 * @SEVM_ACCESS_REFUSED: protected, the ioctl answers -EINVAL (KVM_SEV_INIT2)
 */
enum sevm_access {
	SEVM_ACCESS_OPEN,
	SEVM_ACCESS_IGNORED,
	SEVM_ACCESS_REFUSED,
};

/**
 * struct sevm_protect_ops - one kind of guest
 *
 * Creation and end. Process context; @vcpu_init and @enable_ap_page under vm->lock.
 *
 * @name: "plain", "sev-es"
 * @vm_init: the VM was created, no vCPU exists. 0 or -errno.
 * @enable_ap_page: KVM_ENABLE_CAP of SEVM_CAP_AP_PAGE, vm->lock held: @args as
 *	userspace gave them. Sets vm->aps_start_stopped. 0 or -errno.
 * @vm_destroy: the last vCPU is gone, guest memory is still pinned: give back
 *	the firmware handle and the ASID. Must cope with a half-made VM.
 * @vcpu_init: the vCPU was created; its reset follows. 0 or -errno.
 * @vcpu_free: undo @vcpu_init; nobody runs the vCPU or looks at it.
 * @vcpu_reset: put what the backend keeps back to power-on (@init false) or
 *	INIT state (@init true). vcpu->mutex held.
 * @memory_acquire: pages were just pinned as guest memory: push out what caches
 *	hold of them from before. Process context.
 * @memory_release: pages of guest memory are about to be unpinned: flush what
 *	they hold in caches under the guest's key. Process context, may sleep.
 *
 * Running. All in the vCPU's own thread, vcpu->mutex held.
 *
 * @pre_run: may the vCPU run at all? 0 or the errno of KVM_RUN.
 * @prepare_entry: last step with interrupts on; may sleep and touch guest
 *	memory: writes the staged reply. SEVM_RESUME to go on.
 * @enter: interrupts off, just before the world switch: host save area.
 * @handle_exit: an exit that svm/run/exit.c marks as the backend's (VMGEXIT, EFER
 *	and CR write traps), or that a protected guest does not make. vcpu->exit
 *	describes it.
 * @mmio_fault: the guest touched @gpa, which is in no slot, or (@read_only) wrote
 *	to one that is read-only.
 *
 * State.
 *
 * @state_access: may the state ioctls see the registers? vcpu->mutex held.
 * @interrupts_enabled: RFLAGS.IF, as far as the hardware shows it.
 * @reset_hold: do such guests ask for AP reset hold?
 * @start_ap: a vCPU that can be made to start (over) got the SIPI that it waited for,
 *	or "up" by the bring-up page: make it start at what @vector means to this kind
 *	of guest. Called by svm/run/mp_state.c, as is the next.
 * @complete_hold: answer the request to be held, of kind SEVM_AP_HOLD_*: by SIPI.
 * @msr_get: read an MSR only the backend knows; false: unknown.
 *
 * ioctls.
 *
 * @vm_ioctl: a VM ioctl of include/uapi/linux/sevm.h; -ENOTTY if not ours.
 */
struct sevm_protect_ops {
	const char *name;

	int (*vm_init)(struct sevm_vm *vm);
	int (*enable_ap_page)(struct sevm_vm *vm, const u64 *args);
	void (*vm_destroy)(struct sevm_vm *vm);
	int (*vcpu_init)(struct sevm_vcpu *vcpu);
	void (*vcpu_free)(struct sevm_vcpu *vcpu);
	void (*vcpu_reset)(struct sevm_vcpu *vcpu, bool init);
	void (*memory_acquire)(struct sevm_vm *vm, struct page **pages, unsigned int n);
	void (*memory_release)(struct sevm_vm *vm);

	int (*pre_run)(struct sevm_vcpu *vcpu);
	enum sevm_result (*prepare_entry)(struct sevm_vcpu *vcpu);
	void (*enter)(struct sevm_vcpu *vcpu, int cpu);
	enum sevm_result (*handle_exit)(struct sevm_vcpu *vcpu);
	enum sevm_result (*mmio_fault)(struct sevm_vcpu *vcpu, u64 gpa,
				       bool read_only);

	enum sevm_access (*state_access)(struct sevm_vcpu *vcpu);
	bool (*interrupts_enabled)(struct sevm_vcpu *vcpu);
	bool reset_hold;
	void (*start_ap)(struct sevm_vcpu *vcpu, u8 vector);
	void (*complete_hold)(struct sevm_vcpu *vcpu, u32 kind);
	bool (*msr_get)(struct sevm_vcpu *vcpu, u32 index, u64 *data);

	long (*vm_ioctl)(struct sevm_vm *vm, unsigned int cmd, unsigned long arg);
};

/* The null backend (svm/run/plain.c) and the SEV-ES backend (sev/es.c). */
extern const struct sevm_protect_ops sevm_plain_ops;
extern const struct sevm_protect_ops sevm_es_ops;

/*
 * sev/host.c, for svm/main.c and svm/cap.c. sevm_es_setup() returns 0 also where
 * the host has no SEV-ES: plain guests remain, and sevm_host_caps.sev_es tells.
 */
int sevm_es_setup(void);
void sevm_es_teardown(void);
/* A capability of KVM_CHECK_EXTENSION that only protection knows; -1: not ours. */
int sevm_es_check_extension(long ext);

/*
 * KVM_MEMORY_ENCRYPT_OP on a VM of any kind, vm->lock held by nobody: on a plain one
 * KVM_SEV_ES_INIT turns it into a SEV-ES one. sev/launch.c, for svm/vm.c.
 */
long sevm_launch_enc_op(struct sevm_vm *vm, void __user *arg);

#endif /* SEVM_PROTECT_H */
