/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * host.h - who owns SVM on this machine's CPUs.
 *
 * SVM is on while at least one VM exists, on every online CPU.
 */
#ifndef SEVM_SVM_HOST_H
#define SEVM_SVM_HOST_H

#include <linux/types.h>

struct sev_es_save_area;

int sevm_host_setup(void);		/* load: what the CPU offers; refusals */
void sevm_host_teardown(void);

int sevm_host_get(void);		/* a VM appears: EFER.SVME on; -EBUSY: not ours */
void sevm_host_put(void);

/* This CPU's host state as #VMEXIT of a SEV-ES guest restores it. */
struct sev_es_save_area *sevm_host_save_image(int cpu);
u64 sevm_host_save_pa(int cpu);
u64 sevm_host_tsc_aux(int cpu);

/* Interrupts off: is SVM on here? Else wait for it, interrupts on: 0 or -EINTR. */
bool sevm_host_cpu_on(void);
int sevm_host_wait(void);

/* What the CPU offers */
struct sevm_host_caps {
	bool nrips;
	bool decode_assists;
	bool flush_by_asid;
	bool lbrv;
	bool v_spec_ctrl;
	bool tsc_scale;
	bool vmcb_clean;
	bool vgif;
	u32 max_asid;
	u64 xcr0;		/* the host's own */
	u64 xss;
	u64 efer;
};

extern struct sevm_host_caps sevm_host_caps;

#endif /* SEVM_SVM_HOST_H */
