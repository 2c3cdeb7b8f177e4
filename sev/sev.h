/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sev.h - what a SEV-ES VM and vCPU are beyond svm/'s, for the files of sev/.
 *
 * A VM is a SEV-ES one when vm->protect is &sevm_es_ops; then vm->protect_data
 * is a struct sevm_es_vm, and protect_data of each vCPU a struct sevm_es_vcpu.
 */
#ifndef SEVM_SEV_SEV_H
#define SEVM_SEV_SEV_H

#include <linux/file.h>

#include "ghcb_proto.h"
#include "svm/sevm.h"
#include "svm/mem/mem.h"

struct misc_cg;
struct sev_es_save_area;

struct sevm_es_vm {
	/* From KVM_SEV_(ES_)INIT(2) on; under vm->lock until the first vCPU */
	bool ready;
	bool legacy;			/* KVM_SEV_ES_INIT */
	u8 ghcb_max;			/* protocol version */
	u64 vmsa_features;
	bool asid_keyed;		/* LAUNCH_START bound a key to vm->asid */
	bool asid_bound;		/* and could not be unbound */
	struct misc_cg *cg;		/* charged with the ASID */

	/* From LAUNCH_START on; under vm->lock */
	u32 handle;			/* the firmware's; 0: none */
	struct file *psp;		/* the VMM's /dev/sev */

	u64 jump_table;			/* READ_ONCE, WRITE_ONCE; sev/ap.c */

	/* Before the first vCPU; sev/ap_page.c */
	bool ap_page_on;
	u64 ap_page;			/* where it is */
};

struct sevm_es_vcpu {
	struct sev_es_save_area *vmsa;	/* a page; ciphertext once protected */
	bool protected;

	/* What the guest sent by VMGEXIT last, for CPUID and for DR7 */
	u64 xcr0;
	u64 xss;
	u64 dr7;
	/* ... and by its write traps, for vcpu->cr0 and so on to survive INIT */
	u64 cr0, cr4, efer;

	/* The GHCB: sev/ghcb.c is the only writer */
	struct sevm_map ghcb;
	u64 ghcb_generation;		/* of the slots when it was mapped */
	struct sevm_ghcb_request request;
	struct sevm_ghcb_reply reply;
	bool reply_staged;
	bool logged_unsupported;	/* once; sev/vmgexit.c */
	bool logged_termination;	/* once; sev/ghcb_msr.c */

	/* The scratch area of this request: a private copy */
	struct {
		u64 gpa;
		u32 offset;		/* in the GHCB page */
		u32 len;
		bool outside;
		bool write_back;
		u8 *data;		/* buffer, or (outside) an allocation */
		u8 buffer[SEVM_GHCB_BUFFER_SIZE];
	} scratch;
};

static inline struct sevm_es_vm *sevm_es_vm(struct sevm_vm *vm)
{
	return vm->protect_data;
}

static inline struct sevm_es_vcpu *sevm_es_vcpu(struct sevm_vcpu *vcpu)
{
	return vcpu->protect_data;
}

/* host.c: what CPUID 8000_001F says, read once at load */
struct sevm_es_caps {
	u8 cbit;
	u32 max_es_asid;		/* SEV-ES: 1 .. this */
};

extern struct sevm_es_caps sevm_es_caps;

/* host.c: pages that a command of the firmware reads or writes behind the caches */
void sevm_es_flush_range(void *va, size_t len);
/* ... and one of the host's own that holds ciphertext, before it is freed */
void sevm_es_flush_encrypted(void *va, u32 asid);

/* keyslot.c */
int sevm_keyslot_setup(u32 max);		/* ASIDs: 1 .. max */
void sevm_keyslot_teardown(void);
int sevm_keyslot_get(struct sevm_vm *vm);	/* sets vm->asid: 0, -EBUSY */
void sevm_keyslot_put(struct sevm_vm *vm);

/* psp.c */
int sevm_psp_setup(void);			/* 0, or an errno; says why */
void sevm_psp_teardown(void);
int sevm_psp_init(int *error);			/* the platform, if it is not yet */
/* Through the VMM's /dev/sev, @psp; -EBADF: NULL, or another file. 0 or KVM's errno */
int sevm_psp_command(struct file *psp, unsigned int id, void *data, int *error);
/* The VMM's pages around [uaddr, uaddr + len), for a command: -EINVAL or -ENOMEM, as KVM. */
struct page **sevm_psp_pin(u64 uaddr, u64 len, bool write, unsigned long *n);
/* WBINVD everywhere and DF_FLUSH; 0 or -errno, *error as the firmware's */
int sevm_psp_flush(int *error);
/* ACTIVATE: bind the guest's key to its ASID. 0 or -errno */
int sevm_psp_activate(u32 handle, u32 asid, int *error);
/*
 * DEACTIVATE (@active), and DECOMMISSION whatever happened. Not 0: the key is still
 * bound, and its ASID must not be used again.
 */
int sevm_psp_decommission(u32 handle, bool active);

/* launch.c */
int sevm_launch_init(struct sevm_vm *vm);	/* a typed VM: no INIT2 yet */
void sevm_launch_destroy(struct sevm_vm *vm);

/* dbg.c */
int sevm_dbg_decrypt(struct sevm_vm *vm, struct kvm_sev_cmd *cmd);
int sevm_dbg_encrypt(struct sevm_vm *vm, struct kvm_sev_cmd *cmd);

/* vmsa.c */
int sevm_vmsa_fill(struct sevm_vcpu *vcpu);	/* 0 or -EINVAL */

/* ghcb.c */
void sevm_ghcb_reply_write(struct sevm_vcpu *vcpu);	/* the staged one */
bool sevm_ghcb_snapshot(struct sevm_vcpu *vcpu, u64 gpa);		/* false: no page at gpa */
void sevm_ghcb_release(struct sevm_es_vcpu *es);			/* unmap, free */
void sevm_ghcb_reply_set(struct sevm_vcpu *vcpu, enum sevm_ghcb_field field,
			 u64 value);
void sevm_ghcb_reply_error(struct sevm_vcpu *vcpu, u32 reason);
void sevm_ghcb_reply_fault(struct sevm_vcpu *vcpu, u8 vector);
/* The scratch area, copied in; 0 or SEVM_GHCB_ERR_* */
u32 sevm_ghcb_scratch_open(struct sevm_vcpu *vcpu, u64 len);
void sevm_ghcb_scratch_write_back(struct sevm_vcpu *vcpu);

/* ghcb_msr.c, vmgexit.c */
enum sevm_result sevm_ghcb_msr_handle(struct sevm_vcpu *vcpu, u64 msr);
/* The guest wants to end, by the MSR or by the page; @msr has the reason. */
enum sevm_result sevm_ghcb_msr_end(struct sevm_vcpu *vcpu, u64 msr);
enum sevm_result sevm_vmgexit_handle(struct sevm_vcpu *vcpu, u64 gpa);

/* ap.c */
enum sevm_result sevm_ap_enter_hold(struct sevm_vcpu *vcpu, u32 kind);
void sevm_ap_complete_hold(struct sevm_vcpu *vcpu, u32 kind);
bool sevm_ap_table_set(struct sevm_vm *vm, u64 gpa);
u64 sevm_ap_table_get(struct sevm_vm *vm);
long sevm_ap_ioctl(struct sevm_vm *vm, unsigned int cmd, unsigned long arg);

/* ap_page.c */
int sevm_ap_page_enable(struct sevm_vm *vm, const u64 *args);
void sevm_ap_page_reset(struct sevm_vcpu *vcpu);	/* registers at creation */
bool sevm_ap_page_owns(struct sevm_vm *vm, u64 hypercall);
enum sevm_result sevm_ap_page_call(struct sevm_vcpu *vcpu, u32 op, u32 id);

#endif /* SEVM_SEV_SEV_H */
