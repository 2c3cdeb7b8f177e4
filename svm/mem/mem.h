/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * mem.h - slots, pins, and the accessors of guest memory.
 *
 * GPAs here never carry the C-bit: callers strip it.
 * Reading or writing by them sees the shared view: of a page that
 * the guest holds private it reads ciphertext.
 */
#ifndef SEVM_SVM_MEM_H
#define SEVM_SVM_MEM_H

#include "svm/sevm.h"

int sevm_mem_init(struct sevm_vm *vm);
void sevm_mem_destroy(struct sevm_vm *vm);	/* unpins everything */

#define SEVM_MAX_SLOTS	32764		/* KVM_CAP_NR_MEMSLOTS: as KVM_USER_MEM_SLOTS */

/*
 * An srcu section: a slot looked up in it stays until it ends. Who maps memory
 * or marks a hole for the guest looks up and maps inside one section. It nests.
 */
int sevm_mem_read_lock(struct sevm_vm *vm) __acquires(&vm->mem.srcu);
void sevm_mem_read_unlock(struct sevm_vm *vm, int idx) __releases(&vm->mem.srcu);

/* KVM_SET_USER_MEMORY_REGION(2); the plain form comes with the tail zeroed. */
int sevm_mem_set_region(struct sevm_vm *vm,
			const struct kvm_userspace_memory_region2 *region);
/*
 * KVM_GET_DIRTY_LOG: every page that is pinned for writing. -ENOENT: no such slot,
 * or without KVM_MEM_LOG_DIRTY_PAGES.
 */
int sevm_mem_get_dirty_log(struct sevm_vm *vm, const struct kvm_dirty_log *log);
/* KVM_MEMORY_ENCRYPT_(UN)REG_REGION. -ENOTTY: the VM is not encrypted. */
int sevm_mem_reg_region(struct sevm_vm *vm, const struct kvm_enc_region *region);
int sevm_mem_unreg_region(struct sevm_vm *vm, const struct kvm_enc_region *region);

/* 0, or -EFAULT: some byte cannot be reached; those before it are done. Sleeps. */
int sevm_mem_read(struct sevm_vm *vm, sevm_gpa gpa, void *buf, size_t len);
int sevm_mem_write(struct sevm_vm *vm, sevm_gpa gpa, const void *buf, size_t len);

/*
 * One page of guest memory, mapped, and with a reference until unmapped, whatever
 * becomes of its slot meanwhile. gpa: page aligned, in a writable slot.
 */
struct sevm_map {
	struct page *page;
	void *va;
	sevm_gpa gpa;
};

int sevm_mem_map(struct sevm_vm *vm, sevm_gpa gpa, struct sevm_map *map);
void sevm_mem_unmap(struct sevm_map *map);	/* of an unmapped map: nothing */

/* Is [gpa, gpa + len) inside one slot (writable: inside a writable one)? */
bool sevm_mem_contains(struct sevm_vm *vm, sevm_gpa gpa, u64 len, bool writable);
/* The largest range around gpa that is in no slot; false: gpa is in one. */
bool sevm_mem_hole(struct sevm_vm *vm, sevm_gpa gpa, u64 *start, u64 *end);

/*
 * The page behind gfn, pinned by its slot, for npt.c. *level: 1 (4 KiB), 2
 * (2 MiB) or 3 (1 GiB): the largest mapping that the slot's alignment, the
 * backing and its pins allow. -ENOENT: no slot. -EROFS: write to a read-only
 * slot. -EFAULT: the VMM has no memory there.
 */
int sevm_mem_pfn(struct sevm_vm *vm, sevm_gfn gfn, bool write, u64 *pfn,
		 int *level, bool *writable);

/* Pin, as long as their slots live, the guest's pages that are at uaddr. 0 or -errno */
int sevm_mem_pin_slots(struct sevm_vm *vm, u64 uaddr, u64 len);

/*
 * User memory pinned for a firmware command (launch). pages[0..*n) cover
 * [uaddr, uaddr + len); -errno as pin_user_pages. Accounted to nobody: short.
 */
struct page **sevm_mem_pin_user(u64 uaddr, u64 len, bool write, unsigned long *n);
void sevm_mem_unpin_user(struct page **pages, unsigned long n, bool dirty);

#endif /* SEVM_SVM_MEM_H */
