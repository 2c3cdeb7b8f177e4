/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * stat.h - the counters' names, once. svm/stat.c serves them by
 * KVM_GET_STATS_FD.
 */
#ifndef SEVM_SVM_STAT_H
#define SEVM_SVM_STAT_H

#define KVM_STATS_NAME_SIZE_SEVM 48	/* our names fit; the ABI carries the size */

/* X(name): counted by whoever owns the vCPU's thread, or vm-wide under a lock */
#define SEVM_VCPU_STAT_LIST(X)						\
	X(exits) X(irq_exits) X(halt_exits) X(npf_exits) X(io_exits)	\
	X(mmio_exits) X(msr_exits) X(cpuid_exits) X(user_exits)		\
	X(signal_exits)	X(irq_injected) X(nmi_injected) X(tlb_flushes)	\
	X(vmgexit) X(vmgexit_msr_protocol) X(vmgexit_errors)		\
	X(vmgexit_cpuid) X(vmgexit_ioio) X(vmgexit_msr)			\
	X(vmgexit_vmmcall) X(vmgexit_tsc) X(vmgexit_wbinvd)		\
	X(vmgexit_monitor) X(vmgexit_mmio_read) X(vmgexit_mmio_write)	\
	X(vmgexit_nmi_complete) X(vmgexit_ap_reset_hold)		\
	X(vmgexit_ap_jump_table) X(vmgexit_other)			\
	X(ap_holds) X(ap_wakes) X(sipis) X(ipis_sent) X(eois)

#define SEVM_VM_STAT_LIST(X)						\
	X(mmio_markers) X(mmio_markers_zapped) X(pages_4k) X(pages_2m)	\
	X(pages_1g) X(pages_pinned)

#define SEVM_STAT_ENUM(name)	SEVM_STAT_##name,
#define SEVM_VM_STAT_ENUM(name)	SEVM_VM_STAT_##name,

enum sevm_vcpu_stat {
	SEVM_VCPU_STAT_LIST(SEVM_STAT_ENUM)
	SEVM_VCPU_STATS,
};

enum sevm_vm_stat {
	SEVM_VM_STAT_LIST(SEVM_VM_STAT_ENUM)
	SEVM_VM_STATS,
};

/* Each counter has one writer at a time; readers may see it a little late. */
#define sevm_count(vcpu, name)						\
	WRITE_ONCE((vcpu)->stat[SEVM_STAT_##name],			\
		   (vcpu)->stat[SEVM_STAT_##name] + 1)

struct sevm_vm;
struct sevm_vcpu;

int sevm_stat_vm_fd(struct sevm_vm *vm);
int sevm_stat_vcpu_fd(struct sevm_vcpu *vcpu);

#endif /* SEVM_SVM_STAT_H */
