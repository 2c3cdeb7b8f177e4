/*
 * vepyc: an emulated SEV-ES machine.
 *
 * The interfaces of the three parts: the CPU (target/i386/tcg/system/vepyc_*),
 * the memory (hw/i386/vepyc-mem.c) and the secure processor
 * (hw/i386/vepyc-psp*.c).
 *
 * A physical page of RAM is owned by at most one key. A page without an owner
 * holds the bytes stored in it. The plaintext of a page with an owner is in the
 * private backing, mapped at the physical address with VEPYC_PRIVATE set. An
 * access with another key, or with none, changes the owner first: the page is
 * enciphered (or the stored bytes deciphered) as a whole, and its translations
 * are flushed from all TLBs. Only one CPU runs at a time (thread=single), so a
 * change of the owner cannot lose a store.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_I386_VEPYC_H
#define HW_I386_VEPYC_H

#include "exec/hwaddr.h"
#include "hw/core/cpu.h"

#define VEPYC_CBIT_POS   51
#define VEPYC_CBIT       (1ULL << VEPYC_CBIT_POS)
#define VEPYC_PHYS_RED   5            /* bits 43..47 are lost to the key */
#define VEPYC_PRIVATE    VEPYC_CBIT   /* where the private backing is mapped */
#define VEPYC_MAX_ASID   509          /* 8000_001F ECX */
#define VEPYC_MIN_SEV_ASID 100        /* 8000_001F EDX: below are SEV-ES only */

typedef struct VepycKey VepycKey;

/* --- memory: vepyc-mem.c ------------------------------------------------ */

/* Done by the secure processor's realize; refuses multi-threaded TCG. */
void vepyc_mem_init(Object *owner, Error **errp);

VepycKey *vepyc_key_new(void);              /* a random key, owns no page */
/* Give every page of the key back (as ciphertext), forget the key. */
void vepyc_key_free(VepycKey *key);
/* Encipher every page that the key owns, keep the key (DEACTIVATE). */
void vepyc_key_evict(VepycKey *key);

/*
 * The address to map for an access to pa: pa itself if key is NULL or pa is
 * not RAM, else pa | VEPYC_PRIVATE. On return key owns the page.
 * cs: the CPU that asks (NULL: none); its TLB may have been flushed.
 */
hwaddr vepyc_mem_map(CPUState *cs, hwaddr pa, VepycKey *key);

/* Read and write physical memory through a view (key NULL: as stored). */
void vepyc_mem_read(hwaddr pa, void *buf, size_t len, VepycKey *key);
void vepyc_mem_write(hwaddr pa, const void *buf, size_t len, VepycKey *key);
bool vepyc_mem_is_ram(hwaddr pa, size_t len);

/* The key that ACTIVATE bound to the ASID, or NULL. */
VepycKey *vepyc_key_of_asid(uint32_t asid);
void vepyc_key_bind(uint32_t asid, VepycKey *key);   /* key NULL: unbind */

/* --- secure processor: vepyc-psp.c -------------------------------------- */

/* A core executed WBINVD (or WBNOINVD): counted per core for DF_FLUSH. */
void vepyc_psp_wbinvd(CPUState *cs);
/*
 * LAUNCH_UPDATE_VMSA measured the 4 KiB at pa; the CPU keeps an integrity
 * record of a VMSA page (made at UPDATE_VMSA and at each #VMEXIT) and VMRUN
 * fails with VMEXIT_INVALID when the page was changed from outside since.
 */
void vepyc_vmsa_seal(hwaddr pa, VepycKey *key);      /* vepyc-mem.c */
bool vepyc_vmsa_check(hwaddr pa, VepycKey *key);     /* vepyc-mem.c */

#endif
