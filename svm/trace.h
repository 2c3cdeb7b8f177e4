/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * trace.h - tracepoints: few, where the layers meet. trace.c instantiates them.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM sevm

#if !defined(SEVM_SVM_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define SEVM_SVM_TRACE_H

#include <linux/tracepoint.h>

#include "sevm.h"
#include "svm/irq/apic_regs.h"

TRACE_EVENT(sevm_entry,
	TP_PROTO(struct sevm_vcpu *vcpu),
	TP_ARGS(vcpu),
	TP_STRUCT__entry(
		__field(u32, id)
		__field(u32, asid)
		__field(u32, event)
	),
	TP_fast_assign(
		__entry->id = vcpu->id;
		__entry->asid = vcpu->vmcb->control.asid;
		__entry->event = vcpu->vmcb->control.event_inj;
	),
	TP_printk("vcpu %u asid %u event %08x", __entry->id, __entry->asid,
		  __entry->event)
);

TRACE_EVENT(sevm_exit,
	TP_PROTO(struct sevm_vcpu *vcpu),
	TP_ARGS(vcpu),
	TP_STRUCT__entry(
		__field(u32, id)
		__field(u64, code)
		__field(u64, info1)
		__field(u64, info2)
		__field(u64, intr_info)
	),
	TP_fast_assign(
		__entry->id = vcpu->id;
		__entry->code = vcpu->exit.code;
		__entry->info1 = vcpu->exit.info1;
		__entry->info2 = vcpu->exit.info2;
		__entry->intr_info = vcpu->exit.intr_info;
	),
	TP_printk("vcpu %u %s (%llx) info %llx %llx int %llx", __entry->id,
		  __print_symbolic(__entry->code, SVM_EXIT_REASONS),
		  __entry->code, __entry->info1, __entry->info2,
		  __entry->intr_info)
);

/* A NAE event, or a request through the GHCB MSR (then code is the MSR). */
TRACE_EVENT(sevm_vmgexit,
	TP_PROTO(struct sevm_vcpu *vcpu, u64 code, u64 info1, u64 info2),
	TP_ARGS(vcpu, code, info1, info2),
	TP_STRUCT__entry(
		__field(u32, id)
		__field(u64, code)
		__field(u64, info1)
		__field(u64, info2)
	),
	TP_fast_assign(
		__entry->id = vcpu->id;
		__entry->code = code;
		__entry->info1 = info1;
		__entry->info2 = info2;
	),
	TP_printk("vcpu %u %llx info %llx %llx", __entry->id, __entry->code,
		  __entry->info1, __entry->info2)
);

/* An interrupt message. */
TRACE_EVENT(sevm_apic_deliver,
	TP_PROTO(u32 dest, bool logical, u8 delivery, u8 vector),
	TP_ARGS(dest, logical, delivery, vector),
	TP_STRUCT__entry(
		__field(u32, dest)
		__field(bool, logical)
		__field(u8, delivery)
		__field(u8, vector)
	),
	TP_fast_assign(
		__entry->dest = dest;
		__entry->logical = logical;
		__entry->delivery = delivery;
		__entry->vector = vector;
	),
	TP_printk("%s %x delivery %u vector %02x",
		  __entry->logical ? "logical" : "physical", __entry->dest,
		  __entry->delivery, __entry->vector)
);

TRACE_DEFINE_ENUM(SEVM_DELIVER_NMI);
TRACE_DEFINE_ENUM(SEVM_DELIVER_INIT);
TRACE_DEFINE_ENUM(SEVM_DELIVER_STARTUP);

/* An INIT, SIPI or NMI message reaches a vCPU (not KVM_NMI); from -1: no vCPU sent it. */
TRACE_EVENT(sevm_apic_signal,
	TP_PROTO(struct sevm_vcpu *vcpu, struct sevm_vcpu *src, u8 delivery, u8 vector),
	TP_ARGS(vcpu, src, delivery, vector),
	TP_STRUCT__entry(
		__field(u32, id)
		__field(int, from)
		__field(u8, delivery)
		__field(u8, vector)
	),
	TP_fast_assign(
		__entry->id = vcpu->id;
		__entry->from = src ? (int)src->id : -1;
		__entry->delivery = delivery;
		__entry->vector = vector;
	),
	TP_printk("vcpu %u from %d %s vector %02x", __entry->id, __entry->from,
		  __print_symbolic(__entry->delivery, { SEVM_DELIVER_NMI, "NMI" },
				   { SEVM_DELIVER_INIT, "INIT" },
				   { SEVM_DELIVER_STARTUP, "SIPI" }),
		  __entry->vector)
);

/* The guest sets the AP jump table, or asks for it. */
TRACE_EVENT(sevm_ap_table,
	TP_PROTO(struct sevm_vcpu *vcpu, bool set, u64 gpa, bool ok),
	TP_ARGS(vcpu, set, gpa, ok),
	TP_STRUCT__entry(
		__field(u32, id)
		__field(u64, gpa)
		__field(bool, set)
		__field(bool, ok)
	),
	TP_fast_assign(
		__entry->id = vcpu->id;
		__entry->gpa = gpa;
		__entry->set = set;
		__entry->ok = ok;
	),
	TP_printk("vcpu %u %s %llx %s", __entry->id, __entry->set ? "set" : "get",
		  __entry->gpa, __entry->ok ? "ok" : "refused")
);

/* vcpu_op, before anything is done about it: Xen's numbers (sev/ap_page.c). */
TRACE_EVENT(sevm_ap_op,
	TP_PROTO(struct sevm_vcpu *vcpu, u32 op, u32 target),
	TP_ARGS(vcpu, op, target),
	TP_STRUCT__entry(
		__field(u32, id)
		__field(u32, op)
		__field(u32, target)
	),
	TP_fast_assign(
		__entry->id = vcpu->id;
		__entry->op = op;
		__entry->target = target;
	),
	TP_printk("vcpu %u %s vcpu %u", __entry->id,
		  __print_symbolic(__entry->op, { 1, "up" }, { 2, "down" }, { 3, "is_up" }),
		  __entry->target)
);

#define SEVM_AP_TRACE_ENUM(name, text)	TRACE_DEFINE_ENUM(SEVM_AP_##name);
#define SEVM_AP_TRACE_LAST(name, text)	{ SEVM_AP_##name, text }
#define SEVM_AP_TRACE_TEXT(name, text)	SEVM_AP_TRACE_LAST(name, text),
SEVM_AP_CHANGES(SEVM_AP_TRACE_ENUM, SEVM_AP_TRACE_ENUM)

/* A vCPU is started, stopped or held, or takes an INIT or SIPI. */
TRACE_EVENT(sevm_ap,
	TP_PROTO(struct sevm_vcpu *vcpu, enum sevm_ap_change change),
	TP_ARGS(vcpu, change),
	TP_STRUCT__entry(
		__field(u32, id)
		__field(u8, change)
	),
	TP_fast_assign(
		__entry->id = vcpu->id;
		__entry->change = change;
	),
	TP_printk("vcpu %u %s", __entry->id,
		  __print_symbolic(__entry->change,
				   SEVM_AP_CHANGES(SEVM_AP_TRACE_TEXT, SEVM_AP_TRACE_LAST)))
);

#endif /* SEVM_SVM_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
