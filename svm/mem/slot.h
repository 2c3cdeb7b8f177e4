/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * slot.h - between slot.c and mem.c.
 */
#ifndef SEVM_SVM_SLOT_H
#define SEVM_SVM_SLOT_H

#include "pin.h"
#include "svm/sevm.h"

struct sevm_slot {
	u32 id;
	u32 flags;
	sevm_gfn gfn;
	u64 npages;
	struct sevm_pins pins;
};

int sevm_slots_init(struct sevm_vm *vm);
void sevm_slots_destroy(struct sevm_vm *vm);	/* unpins all; of a VM nobody knows */

/* In an srcu section, or under mem.lock. */
struct sevm_slot *sevm_slot_find(struct sevm_vm *vm, sevm_gfn gfn);

#endif /* SEVM_SVM_SLOT_H */
