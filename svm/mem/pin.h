/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pin.h - a set of pinned user pages: what a slot or a registered region holds.
 */
#ifndef SEVM_SVM_PIN_H
#define SEVM_SVM_PIN_H

#include "svm/sevm.h"

struct sevm_pins {
	struct sevm_vm *vm;
	struct xarray chunks;	/* see pin.c */
	u64 uaddr;		/* page aligned */
	u64 npages;
	u32 head_pages;		/* pages of the first chunk that lie before uaddr */
	bool write;		/* the guest may write */
	bool region;		/* charged as a region, not as a slot */
};

struct sevm_pin {
	struct page *page;
	bool large;		/* all of its chunk is contiguous and aligned */
	bool writable;
};

void sevm_pins_init(struct sevm_pins *pins, struct sevm_vm *vm, u64 uaddr,
		    u64 npages, u32 head_pages, bool write, bool region);
/* The page at index, pinned now if it was not. 0 or -errno. Sleeps. */
int sevm_pins_get(struct sevm_pins *pins, u64 index, bool write,
		  struct sevm_pin *pin);
/* All of them; on error what was pinned stays for sevm_pins_release(). */
int sevm_pins_fill(struct sevm_pins *pins);
bool sevm_pins_empty(struct sevm_pins *pins);
/* Is the page at index pinned for writing? Then the guest may have written it. */
bool sevm_pins_dirty(struct sevm_pins *pins, u64 index);
/* Unpins all. Nobody uses the set any more. Sleeps. */
void sevm_pins_release(struct sevm_pins *pins);

#endif /* SEVM_SVM_PIN_H */
