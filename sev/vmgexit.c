// SPDX-License-Identifier: GPL-2.0-only
/*
 * vmgexit.c - the non-automatic exits: what a guest asks for through the GHCB.
 *
 * One table: a row says which fields must be valid and who answers. Handlers
 * see the private snapshot only, and may come back from user space long after
 * it was taken. Whatever is wrong with a request is told to the guest, if it has a
 * GHCB; that may be its user space: VMGEXIT is not privileged.
 */
#include <linux/kvm_para.h>
#include <linux/nospec.h>
#include <asm/trapnr.h>

#include <linux/sevm.h>

#include "sev.h"
#include "svm/trace.h"
#include "svm/cpu/clock.h"
#include "svm/cpu/cpuid.h"
#include "svm/irq/event.h"
#include "svm/run/io.h"
#include "svm/run/msr.h"

static const struct sevm_ghcb_request *request(struct sevm_vcpu *vcpu)
{
	return &sevm_es_vcpu(vcpu)->request;
}

#define GET(vcpu, field)	(request(vcpu)->value[SEVM_GHCB_##field])
#define SET(vcpu, field, v)	sevm_ghcb_reply_set(vcpu, SEVM_GHCB_##field, v)

static enum sevm_result refuse(struct sevm_vcpu *vcpu, u32 reason)
{
	sevm_ghcb_reply_error(vcpu, reason);
	return SEVM_RESUME;
}

static enum sevm_result handle_nothing(struct sevm_vcpu *vcpu)
{
	return SEVM_RESUME;
}

/* ---- Registers and counters ---- */

static enum sevm_result handle_dr7_read(struct sevm_vcpu *vcpu)
{
	SET(vcpu, RAX, sevm_es_vcpu(vcpu)->dr7);
	return SEVM_RESUME;
}

/* Kept for the guest, but without DebugSwap it arms nothing. */
static enum sevm_result handle_dr7_write(struct sevm_vcpu *vcpu)
{
	sevm_es_vcpu(vcpu)->dr7 = GET(vcpu, RAX);
	return SEVM_RESUME;
}

static enum sevm_result handle_rdtsc(struct sevm_vcpu *vcpu)
{
	u64 tsc = sevm_clock_tsc(vcpu);

	SET(vcpu, RAX, (u32)tsc);
	SET(vcpu, RDX, tsc >> 32);
	return SEVM_RESUME;
}

static enum sevm_result handle_rdtscp(struct sevm_vcpu *vcpu)
{
	SET(vcpu, RCX, (u32)vcpu->tsc_aux);
	return handle_rdtsc(vcpu);
}

/* There is no PMU. */
static enum sevm_result handle_rdpmc(struct sevm_vcpu *vcpu)
{
	sevm_ghcb_reply_fault(vcpu, X86_TRAP_GP);
	return SEVM_RESUME;
}

static enum sevm_result handle_cpuid(struct sevm_vcpu *vcpu)
{
	struct sevm_es_vcpu *es = sevm_es_vcpu(vcpu);
	u32 regs[4] = { GET(vcpu, RAX), 0, GET(vcpu, RCX) };

	sevm_cpuid_query(vcpu, es->xcr0, es->xss, regs);
	SET(vcpu, RAX, regs[0]);
	SET(vcpu, RBX, regs[1]);
	SET(vcpu, RCX, regs[2]);
	SET(vcpu, RDX, regs[3]);
	return SEVM_RESUME;
}

static enum sevm_result msr_read_done(struct sevm_vcpu *vcpu, bool fault, u64 data)
{
	if (fault) {
		sevm_ghcb_reply_fault(vcpu, X86_TRAP_GP);
	} else {
		SET(vcpu, RAX, (u32)data);
		SET(vcpu, RDX, data >> 32);
	}
	return SEVM_RESUME;
}

static enum sevm_result msr_write_done(struct sevm_vcpu *vcpu, bool fault, u64 data)
{
	if (fault)
		sevm_ghcb_reply_fault(vcpu, X86_TRAP_GP);
	return SEVM_RESUME;
}

static enum sevm_result handle_msr(struct sevm_vcpu *vcpu)
{
	u32 index = GET(vcpu, RCX);
	u64 data;

	if (!GET(vcpu, EXITINFO1))
		return sevm_msr_guest_read(vcpu, index, msr_read_done);

	data = (u32)GET(vcpu, RAX) | GET(vcpu, RDX) << 32;
	return sevm_msr_guest_write(vcpu, index, data, msr_write_done);
}

static enum sevm_result handle_vmmcall(struct sevm_vcpu *vcpu)
{
	u64 result;

	if (GET(vcpu, CPL))
		result = -KVM_EPERM;
	else if (sevm_ap_page_owns(vcpu->vm, GET(vcpu, RAX)))
		return sevm_ap_page_call(vcpu, GET(vcpu, RDI), GET(vcpu, RSI));
	else if (GET(vcpu, RAX) == KVM_HC_VAPIC_POLL_IRQ)
		result = 0;
	else
		result = -KVM_ENOSYS;
	SET(vcpu, RAX, result);
	return SEVM_RESUME;
}

/* ---- Ports and MMIO ---- */

static enum sevm_result ioio_in_done(struct sevm_vcpu *vcpu)
{
	struct sevm_es_vcpu *es = sevm_es_vcpu(vcpu);
	u64 rax = GET(vcpu, RAX);	/* 0 when it was not valid */
	struct sevm_ghcb_ioio io;
	u32 value = 0;

	sevm_ghcb_ioio(GET(vcpu, EXITINFO1), &io);
	memcpy(&value, es->scratch.buffer, io.size);

	/* As the instruction: 32 bits clear the upper half, less leave the rest. */
	if (io.size < 4)
		value |= (u32)rax & ~0u << io.size * 8;
	if (io.size < 4)
		rax &= ~(u64)U32_MAX;
	else
		rax = 0;
	SET(vcpu, RAX, rax | value);
	return SEVM_RESUME;
}

static enum sevm_result string_io(struct sevm_vcpu *vcpu,
				  const struct sevm_ghcb_ioio *io)
{
	u64 count = GET(vcpu, EXITINFO2);
	u32 reason;

	if (!count)
		return SEVM_RESUME;
	/* More than any scratch area holds: so the product cannot overflow. */
	if (count > SEVM_GHCB_SCRATCH_MAX)
		return refuse(vcpu, SEVM_GHCB_ERR_SCRATCH);
	reason = sevm_ghcb_scratch_open(vcpu, count * io->size);
	if (reason)
		return refuse(vcpu, reason);
	if (io->in)
		sevm_ghcb_scratch_write_back(vcpu);
	return sevm_io_port(vcpu, io->port, io->size, count, !io->in,
			    sevm_es_vcpu(vcpu)->scratch.data, NULL);
}

static enum sevm_result handle_ioio(struct sevm_vcpu *vcpu)
{
	u8 *data = sevm_es_vcpu(vcpu)->scratch.buffer;
	struct sevm_ghcb_ioio io;
	u32 rax = GET(vcpu, RAX);

	if (!sevm_ghcb_ioio(GET(vcpu, EXITINFO1), &io))
		return refuse(vcpu, SEVM_GHCB_ERR_INPUT);
	if (!io.size)
		return SEVM_RESUME;
	if (io.string)
		return string_io(vcpu, &io);

	memset(data, 0, sizeof(rax));
	if (!io.in)
		memcpy(data, &rax, sizeof(rax));
	return sevm_io_port(vcpu, io.port, io.size, 1, !io.in, data,
			    io.in ? ioio_in_done : NULL);
}

static u32 ioio_needs(struct sevm_vcpu *vcpu)
{
	u64 info1 = GET(vcpu, EXITINFO1);
	struct sevm_ghcb_ioio io;

	sevm_ghcb_ioio(info1, &io);
	if (io.string)
		return SEVM_GHCB_BIT(SCRATCH);
	return io.in ? 0 : SEVM_GHCB_BIT(RAX);
}

static enum sevm_result handle_mmio(struct sevm_vcpu *vcpu, bool write)
{
	u64 gpa = GET(vcpu, EXITINFO1), len = GET(vcpu, EXITINFO2);
	u32 reason;

	if (!len)
		return SEVM_RESUME;
	if ((sevm_es_vm(vcpu->vm)->ghcb_max >= 2 && len > 8) || gpa + len < gpa)
		return refuse(vcpu, SEVM_GHCB_ERR_INPUT);
	reason = sevm_ghcb_scratch_open(vcpu, len);
	if (reason)
		return refuse(vcpu, reason);
	if (!write)
		sevm_ghcb_scratch_write_back(vcpu);
	return sevm_io_mmio(vcpu, gpa, len, write,
			    sevm_es_vcpu(vcpu)->scratch.data, NULL);
}

static enum sevm_result handle_mmio_read(struct sevm_vcpu *vcpu)
{
	return handle_mmio(vcpu, false);
}

static enum sevm_result handle_mmio_write(struct sevm_vcpu *vcpu)
{
	return handle_mmio(vcpu, true);
}

/* ---- What exists for SEV-ES only ---- */

static enum sevm_result handle_nmi_complete(struct sevm_vcpu *vcpu)
{
	sevm_event_nmi_complete(vcpu);
	return SEVM_RESUME;
}

static enum sevm_result handle_reset_hold(struct sevm_vcpu *vcpu)
{
	return sevm_ap_enter_hold(vcpu, SEVM_AP_HOLD_NAE);
}

static enum sevm_result handle_jump_table(struct sevm_vcpu *vcpu)
{
	u64 gpa = GET(vcpu, EXITINFO2);
	bool ok;

	switch (GET(vcpu, EXITINFO1)) {
	case SVM_VMGEXIT_SET_AP_JUMP_TABLE:
		ok = sevm_ap_table_set(vcpu->vm, gpa);
		trace_sevm_ap_table(vcpu, true, gpa, ok);
		return ok ? SEVM_RESUME : refuse(vcpu, SEVM_GHCB_ERR_INPUT);
	case SVM_VMGEXIT_GET_AP_JUMP_TABLE:
		gpa = sevm_ap_table_get(vcpu->vm);
		trace_sevm_ap_table(vcpu, false, gpa, true);
		SET(vcpu, EXITINFO2, gpa);
		return SEVM_RESUME;
	default:
		return refuse(vcpu, SEVM_GHCB_ERR_INPUT);
	}
}

/* KVM reports the GHCB's address here and loses the reason. */
static enum sevm_result handle_terminate(struct sevm_vcpu *vcpu)
{
	return sevm_ghcb_msr_end(vcpu, sevm_ghcb_msr_terminate(GET(vcpu, EXITINFO1)));
}

/*
 * The guest met a #VC that it has no answer to and gave up. There is nothing to
 * tell it; as in KVM, KVM_RUN fails and the VMM decides. It may run it again,
 * and the guest may do it again: the log hears of the first time.
 */
static enum sevm_result handle_unsupported(struct sevm_vcpu *vcpu)
{
	struct sevm_es_vcpu *es = sevm_es_vcpu(vcpu);

	if (!es->logged_unsupported)
		vcpu_notice(vcpu, "the guest cannot handle #VC %#llx (%#llx)\n",
			    GET(vcpu, EXITINFO1), GET(vcpu, EXITINFO2));
	es->logged_unsupported = true;
	vcpu->run_errno = -EINVAL;
	return SEVM_TO_USER;
}

/* ---- The table ---- */

static u32 cpuid_needs(struct sevm_vcpu *vcpu)
{
	return (u32)GET(vcpu, RAX) == 0xd ? SEVM_GHCB_BIT(XCR0) : 0;
}

static u32 msr_needs(struct sevm_vcpu *vcpu)
{
	return GET(vcpu, EXITINFO1) ? SEVM_GHCB_BIT(RAX) | SEVM_GHCB_BIT(RDX) : 0;
}

static u32 vmmcall_needs(struct sevm_vcpu *vcpu)
{
	return sevm_ap_page_owns(vcpu->vm, GET(vcpu, RAX)) ?
	       SEVM_GHCB_BIT(RDI) | SEVM_GHCB_BIT(RSI) : 0;
}

#define RAX	SEVM_GHCB_BIT(RAX)
#define RCX	SEVM_GHCB_BIT(RCX)
#define RDX	SEVM_GHCB_BIT(RDX)
#define CPL	SEVM_GHCB_BIT(CPL)
#define SCRATCH	SEVM_GHCB_BIT(SCRATCH)
#define ALWAYS	(SEVM_GHCB_BIT(EXITCODE) | SEVM_GHCB_BIT(EXITINFO1) |	\
		 SEVM_GHCB_BIT(EXITINFO2))

static const struct event {
	u32 code;
	u32 required;			/* besides ALWAYS */
	u32 (*needs)(struct sevm_vcpu *vcpu);	/* ... and depending on the request */
	enum sevm_result (*handle)(struct sevm_vcpu *vcpu);
	enum sevm_vcpu_stat stat;
} events[] = {
/* NAE events that are exit codes are below 0x100; of the protocol's own, five bits tell. */
#define ROW(code) ((code) < 0x80000000 ? (code) : 0x100 + ((code) & 0x1f))
#define EVENT(name, required, needs, handle, stat) \
	[ROW(SVM_##name)] = { SVM_##name, required, needs, handle, SEVM_STAT_##stat }
	EVENT(EXIT_READ_DR7, 0, NULL, handle_dr7_read, vmgexit_other),
	EVENT(EXIT_WRITE_DR7, RAX, NULL, handle_dr7_write, vmgexit_other),
	EVENT(EXIT_RDTSC, 0, NULL, handle_rdtsc, vmgexit_tsc),
	EVENT(EXIT_RDPMC, RCX, NULL, handle_rdpmc, vmgexit_other),
	EVENT(EXIT_CPUID, RAX | RCX, cpuid_needs, handle_cpuid, vmgexit_cpuid),
	EVENT(EXIT_INVD, 0, NULL, handle_nothing, vmgexit_wbinvd),
	EVENT(EXIT_IOIO, 0, ioio_needs, handle_ioio, vmgexit_ioio),
	EVENT(EXIT_MSR, RCX, msr_needs, handle_msr, vmgexit_msr),
	EVENT(EXIT_VMMCALL, RAX | CPL, vmmcall_needs, handle_vmmcall, vmgexit_vmmcall),
	EVENT(EXIT_RDTSCP, 0, NULL, handle_rdtscp, vmgexit_tsc),
	EVENT(EXIT_WBINVD, 0, NULL, handle_nothing, vmgexit_wbinvd),
	EVENT(EXIT_MONITOR, RAX | RCX | RDX, NULL, handle_nothing, vmgexit_monitor),
	EVENT(EXIT_MWAIT, RAX | RCX, NULL, handle_nothing, vmgexit_monitor),
	EVENT(VMGEXIT_MMIO_READ, SCRATCH, NULL, handle_mmio_read, vmgexit_mmio_read),
	EVENT(VMGEXIT_MMIO_WRITE, SCRATCH, NULL, handle_mmio_write, vmgexit_mmio_write),
	EVENT(VMGEXIT_NMI_COMPLETE, 0, NULL, handle_nmi_complete, vmgexit_nmi_complete),
	EVENT(VMGEXIT_AP_HLT_LOOP, 0, NULL, handle_reset_hold, vmgexit_ap_reset_hold),
	EVENT(VMGEXIT_AP_JUMP_TABLE, 0, NULL, handle_jump_table, vmgexit_ap_jump_table),
	/* No bit of the features is ours: the 0 of the default reply. */
	EVENT(VMGEXIT_HV_FEATURES, 0, NULL, handle_nothing, vmgexit_other),
	EVENT(VMGEXIT_TERM_REQUEST, 0, NULL, handle_terminate, vmgexit_other),
	EVENT(VMGEXIT_UNSUPPORTED_EVENT, 0, NULL, handle_unsupported, vmgexit_other),
#undef EVENT
};

static const struct event *find_event(u64 code)
{
	u64 row = ROW(code);

	if (row >= ARRAY_SIZE(events))
		return NULL;
	row = array_index_nospec(row, ARRAY_SIZE(events));
	return events[row].handle && events[row].code == code ? &events[row] : NULL;
}

/* 0, or why the guest is refused. In KVM's order. */
static u32 validate(struct sevm_vcpu *vcpu, const struct event **event)
{
	const struct sevm_ghcb_request *req = request(vcpu);
	u32 required = ALWAYS;

	if (req->usage)
		return SEVM_GHCB_ERR_USAGE;
	if (required & ~req->valid)
		return SEVM_GHCB_ERR_MISSING;

	*event = find_event(GET(vcpu, EXITCODE));
	if (!*event)
		return SEVM_GHCB_ERR_EVENT;
	required = (*event)->required;
	if ((*event)->needs)
		required |= (*event)->needs(vcpu);
	return required & ~req->valid ? SEVM_GHCB_ERR_MISSING : 0;
}

enum sevm_result sevm_vmgexit_handle(struct sevm_vcpu *vcpu, u64 gpa)
{
	const struct event *event;
	u32 reason;

	/* No page, no answer: the guest goes on and finds its request untouched. */
	if (!sevm_ghcb_snapshot(vcpu, gpa)) {
		sevm_count(vcpu, vmgexit_errors);
		return SEVM_RESUME;
	}

	trace_sevm_vmgexit(vcpu, GET(vcpu, EXITCODE), GET(vcpu, EXITINFO1),
			   GET(vcpu, EXITINFO2));
	reason = validate(vcpu, &event);
	if (reason)
		return refuse(vcpu, reason);

	WRITE_ONCE(vcpu->stat[event->stat], vcpu->stat[event->stat] + 1);
	return event->handle(vcpu);
}
