/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * host.h - who owns SVM on this machine's CPUs.
 *
 * SVM is on while at least one VM exists, on every online CPU.
 */
#ifndef SEVM_SVM_HOST_H
#define SEVM_SVM_HOST_H

#include <linux/types.h>

#include <linux/percpu.h>

struct sev_es_save_area;

int sevm_host_setup(void);		/* load: what the CPU offers; refusals */
void sevm_host_teardown(void);

int sevm_host_get(void);		/* a VM appears; -EBUSY: not ours, suspend, reboot */
void sevm_host_put(void);

/* Written by host.c only. */
struct sevm_host_cpu {
	u64 save_pa;			/* the host save area */
	struct sev_es_save_area *image;	/* in it: what #VMEXIT of a SEV-ES guest restores */
	u64 tsc_aux;			/* the host's */
	u64 epoch;			/* +1 when SVM is turned on: older TLB entries are void */
	bool on;			/* SVM is */
};

DECLARE_PER_CPU(struct sevm_host_cpu, sevm_host_cpu);

/* SVM was off: wait for the end of a suspend, interrupts on. 0: look again; or -EINTR. */
int sevm_host_wait(void);

/* What the CPU offers; written at load, by host.c, and by sev/host.c what it says of SEV */
struct sevm_host_caps {
	bool nrips;
	bool decode_assists;
	bool flush_by_asid;
	bool lbrv;
	bool v_spec_ctrl;
	bool tsc_scale;
	bool vmcb_clean;
	u32 max_asid;
	u64 xcr0;		/* the host's own */
	u64 xss;
	u64 efer;
	u32 max_sev_asid;	/* 1 to this are SEV's, whether we have such guests or not */
	bool sev_es;		/* SEV-ES guests can be launched */
};

extern struct sevm_host_caps sevm_host_caps;

#endif /* SEVM_SVM_HOST_H */
