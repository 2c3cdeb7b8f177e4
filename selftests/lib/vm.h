/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vm.h - a VM for a test: made, launched and run through KVM's ABI.
 *
 * Every call that must succeed fails the test where it doesn't.
 */
#ifndef SELFTESTS_VM_H
#define SELFTESTS_VM_H

#include <pthread.h>
#include <sys/ioctl.h>

#include "kvm_compat.h"
#include "layout.h"
#include "test.h"

struct vcpu {
	struct vm *vm;
	int fd;
	unsigned int index;
	struct kvm_run *run;
	struct ucall *ucall;
	pthread_t thread;
	bool started, stop;
	void (*on_exit)(struct vcpu *vcpu);	/* vcpu_thread(): exits that are no ucall */
};

struct vm {
	int dev, fd, sev_fd;
	bool protected, init2;
	u32 policy;
	unsigned int ghcb_version;	/* the highest that the host offers */
	unsigned int vcpus;
	struct vcpu vcpu[GUEST_MAX_VCPUS];
	u8 *memory;			/* slot 0 */
	unsigned int slots;
	u8 measurement[48];
};

enum vm_irqchip { IRQCHIP_KERNEL, IRQCHIP_SPLIT, IRQCHIP_NONE };

struct vm_options {
	unsigned int vcpus;		/* 0: 1 */
	bool plain;			/* no protection */
	enum vm_irqchip irqchip;
	u32 policy;			/* 0: ES, no debug: 5 */
	unsigned int ghcb_version;	/* INIT2: 0 for the host's highest */
	bool legacy;			/* KVM_SEV_ES_INIT also where INIT2 is there */
	bool no_launch;			/* stop before LAUNCH_START */
	void (*prepare)(struct vm *vm);	/* after the slots, before the first vCPU */
	bool aps_as_created;		/* vCPUs but the first keep their registers */
};

/* The parts, for tests of the order; vm_create() is all of them. */
int device_open(void);
int sev_open(void);			/* /dev/sev; skips the test where there is none */
bool device_is_sevm(void);
bool device_has_es(int dev);		/* can make SEV-ES guests at all */
bool device_has_init2(int dev);
int sev_op(struct vm *vm, u32 id, void *data, u32 *fw_error);	/* -1 and errno, or 0 */

/* A VM whose vCPUs will run fn; not yet launched if options say so. */
struct vm *vm_create(void (*fn)(unsigned long cpu), const struct vm_options *options);
void vm_launch(struct vm *vm);		/* LAUNCH_START ... FINISH */
void vm_free(struct vm *vm);

void vm_add_slot(struct vm *vm, u64 gpa, u64 size, void *memory, u32 flags);
void vm_delete_slot(struct vm *vm, unsigned int slot);
void *vm_memory(u64 size);		/* fresh, zeroed, page aligned */
static inline void *vm_shared(struct vm *vm, u64 gpa) { return vm->memory + gpa; }

/* KVM_RUN once: 0, or -1 with errno. */
int vcpu_run_once(struct vcpu *vcpu);
/*
 * Run until the guest speaks, printing what it prints; fails the test on
 * UCALL_FAIL or an exit that is no ucall. Returns UCALL_DONE or UCALL_SYNC.
 */
unsigned int vcpu_run(struct vcpu *vcpu);
/* Run until an exit that is no ucall (or, failing the test, DONE): its reason. */
u32 vcpu_run_to_exit(struct vcpu *vcpu);
/* vcpu_run() to DONE in a thread of its own. UCALL_SYNC goes on at once. */
void vcpu_start(struct vcpu *vcpu);
void vcpu_join(struct vcpu *vcpu);
/* Make a started vCPU leave KVM_RUN and its thread end, wherever it is. */
void vcpu_stop(struct vcpu *vcpu);
/* All in threads until the first has finished; then the others are stopped. */
void vm_run(struct vm *vm);
/* The whole life of a VM whose vCPU 0 says when the test is done. */
void run_guest(void (*fn)(unsigned long cpu), const struct vm_options *options);

u32 vcpu_mp_state(struct vcpu *vcpu);
void vcpu_set_mp_state(struct vcpu *vcpu, u32 state);
u64 vm_stat(struct vm *vm, const char *name);
u64 vcpu_stat(struct vcpu *vcpu, const char *name);

#endif /* SELFTESTS_VM_H */
