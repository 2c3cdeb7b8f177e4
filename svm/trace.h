/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * trace.h - tracepoints: few, at the doors. svm/run.c instantiates them.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM sevm

#if !defined(SEVM_SVM_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define SEVM_SVM_TRACE_H

#include <linux/tracepoint.h>

#include "sevm.h"

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

/* An AP is held, or goes on: what is a string literal. */
TRACE_EVENT(sevm_ap,
	TP_PROTO(struct sevm_vcpu *vcpu, const char *what),
	TP_ARGS(vcpu, what),
	TP_STRUCT__entry(
		__field(u32, id)
		__field(const char *, what)
	),
	TP_fast_assign(
		__entry->id = vcpu->id;
		__entry->what = what;
	),
	TP_printk("vcpu %u %s", __entry->id, __entry->what)
);

#endif /* SEVM_SVM_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
