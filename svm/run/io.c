// SPDX-License-Identifier: GPL-2.0-only
/*
 * io.c - exits to userspace, and the port, MMIO or MSR access that waits for an answer.
 *
 * The only writer of the exits in kvm_run. kvm_run and its data page are
 * mapped by userspace, which may change them at any time: sizes, counts and
 * offsets come from vcpu->io, never from there; data is copied once.
 *
 * Invariant: vcpu->io.kind is not SEVM_IO_NONE exactly while userspace owes an
 * answer; the next KVM_RUN takes it, or its next piece.
 */
#include <linux/mm.h>
#include <linux/string.h>

#include "io.h"
#include "svm/kick.h"
#include "svm/irq/apic.h"
#include "svm/irq/ioapic.h"
#include "svm/irq/irq.h"

#include <uapi/linux/sevm.h>

static enum sevm_result done(struct sevm_vcpu *vcpu)
{
	enum sevm_result (*func)(struct sevm_vcpu *vcpu) = vcpu->io.done;

	vcpu->io.kind = SEVM_IO_NONE;
	vcpu->io.done = NULL;
	return func ? func(vcpu) : SEVM_RESUME;
}

static void *port_page(struct sevm_vcpu *vcpu)
{
	return page_address(vcpu->run_pages[KVM_PIO_PAGE_OFFSET]);
}

/* The next chunk of the port access into kvm_run. */
static enum sevm_result port_exit(struct sevm_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	struct sevm_io *io = &vcpu->io;

	io->chunk = min_t(u32, io->count, PAGE_SIZE / io->size);
	if (io->write)
		memcpy(port_page(vcpu), io->data, io->chunk * io->size);

	run->exit_reason = KVM_EXIT_IO;
	run->io.direction = io->write ? KVM_EXIT_IO_OUT : KVM_EXIT_IO_IN;
	run->io.size = io->size;
	run->io.port = io->port;
	run->io.count = io->chunk;
	run->io.data_offset = KVM_PIO_PAGE_OFFSET * PAGE_SIZE;
	return SEVM_TO_USER;
}

static enum sevm_result port_complete(struct sevm_vcpu *vcpu)
{
	struct sevm_io *io = &vcpu->io;
	u32 bytes = io->chunk * io->size;

	if (!io->write)
		memcpy(io->data, port_page(vcpu), bytes);
	io->data += bytes;
	io->count -= io->chunk;
	return io->count ? port_exit(vcpu) : done(vcpu);
}

enum sevm_result sevm_io_port(struct sevm_vcpu *vcpu, u16 port, u8 size,
			      u32 count, bool write, u8 *data,
			      enum sevm_result (*done_func)(struct sevm_vcpu *vcpu))
{
	struct sevm_io *io = &vcpu->io;

	if (WARN_ON_ONCE(io->kind != SEVM_IO_NONE ||
			 (size != 1 && size != 2 && size != 4)))
		return sevm_vm_kill(vcpu->vm, "a port access inside another one");

	sevm_count(vcpu, io_exits);
	io->kind = SEVM_IO_PORT;
	io->write = write;
	io->size = size;
	io->port = port;
	io->count = count;
	io->data = data;
	io->done = done_func;

	while (write && io->count &&
	       sevm_ioeventfd_write(vcpu->vm, true, port, size, io->data)) {
		io->data += size;
		io->count--;
	}
	return io->count ? port_exit(vcpu) : done(vcpu);
}

/* At most 8 bytes, and inside one page. */
static u32 mmio_piece(const struct sevm_io *io)
{
	u32 left = PAGE_SIZE - offset_in_page(io->gpa);

	return min3(io->len, 8U, left);
}

static void mmio_advance(struct sevm_io *io)
{
	io->gpa += io->size;
	io->data += io->size;
	io->len -= io->size;
}

/* By the module itself? */
static bool mmio_here(struct sevm_vcpu *vcpu)
{
	struct sevm_io *io = &vcpu->io;
	u32 offset = offset_in_page(io->gpa);

	if (sevm_apic_owns(vcpu, io->gpa)) {
		if (io->write)
			sevm_apic_mmio_write(vcpu, offset, io->size, io->data);
		else
			sevm_apic_mmio_read(vcpu, offset, io->size, io->data);
		return true;
	}
	if (sevm_ioapic_owns(vcpu->vm, io->gpa)) {
		offset = io->gpa - SEVM_IOAPIC_BASE;
		if (io->write)
			sevm_ioapic_write(vcpu->vm, offset, io->size, io->data);
		else
			sevm_ioapic_read(vcpu->vm, offset, io->size, io->data);
		return true;
	}
	return io->write && sevm_ioeventfd_write(vcpu->vm, false, io->gpa,
						 io->size, io->data);
}

static enum sevm_result mmio_next(struct sevm_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	struct sevm_io *io = &vcpu->io;

	while (io->len) {
		io->size = mmio_piece(io);
		if (!mmio_here(vcpu)) {
			run->exit_reason = KVM_EXIT_MMIO;
			run->mmio.phys_addr = io->gpa;
			run->mmio.len = io->size;
			run->mmio.is_write = io->write;
			if (io->write)
				memcpy(run->mmio.data, io->data, io->size);
			return SEVM_TO_USER;
		}
		mmio_advance(io);
	}
	return done(vcpu);
}

static enum sevm_result mmio_complete(struct sevm_vcpu *vcpu)
{
	struct sevm_io *io = &vcpu->io;

	if (!io->write)
		memcpy(io->data, vcpu->run->mmio.data, io->size);
	mmio_advance(io);
	return mmio_next(vcpu);
}

enum sevm_result sevm_io_mmio(struct sevm_vcpu *vcpu, sevm_gpa gpa, u32 len,
			      bool write, u8 *data,
			      enum sevm_result (*done_func)(struct sevm_vcpu *vcpu))
{
	struct sevm_io *io = &vcpu->io;

	if (WARN_ON_ONCE(io->kind != SEVM_IO_NONE))
		return sevm_vm_kill(vcpu->vm, "an MMIO access inside another one");

	sevm_count(vcpu, mmio_exits);
	io->kind = SEVM_IO_MMIO;
	io->write = write;
	io->gpa = gpa;
	io->len = len;
	io->data = data;
	io->done = done_func;
	return mmio_next(vcpu);
}

enum sevm_result sevm_io_msr(struct sevm_vcpu *vcpu, bool write, u32 reason, u32 index, u64 data,
			     enum sevm_result (*done_func)(struct sevm_vcpu *vcpu))
{
	struct kvm_run *run = vcpu->run;

	run->exit_reason = write ? KVM_EXIT_X86_WRMSR : KVM_EXIT_X86_RDMSR;
	run->msr.error = 0;
	memset(run->msr.pad, 0, sizeof(run->msr.pad));
	run->msr.reason = reason;
	run->msr.index = index;
	run->msr.data = data;
	vcpu->io.kind = SEVM_IO_OTHER;
	vcpu->io.done = done_func;
	return SEVM_TO_USER;
}

enum sevm_result sevm_io_ioapic_eoi(struct sevm_vcpu *vcpu, u8 vector)
{
	vcpu->run->eoi.vector = vector;
	return sevm_io_exit(vcpu, KVM_EXIT_IOAPIC_EOI);
}

enum sevm_result sevm_io_complete(struct sevm_vcpu *vcpu)
{
	switch (vcpu->io.kind) {
	case SEVM_IO_PORT:
		return port_complete(vcpu);
	case SEVM_IO_MMIO:
		return mmio_complete(vcpu);
	case SEVM_IO_OTHER:
		return done(vcpu);
	case SEVM_IO_NONE:
		break;
	}
	return SEVM_RESUME;
}

enum sevm_result sevm_io_system_event(struct sevm_vcpu *vcpu, u32 type, u64 data0)
{
	struct kvm_run *run = vcpu->run;

	run->exit_reason = KVM_EXIT_SYSTEM_EVENT;
	run->system_event.type = type;
	run->system_event.ndata = 1;
	run->system_event.data[0] = data0;
	return SEVM_TO_USER;
}

int sevm_io_killed(struct sevm_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	const char *reason = READ_ONCE(vcpu->vm->kill_reason);
	char text[sizeof(run->internal.data)];

	run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
	run->internal.suberror = SEVM_INTERNAL_ERROR_KILLED;
	run->internal.ndata = ARRAY_SIZE(run->internal.data);
	strscpy_pad(text, reason ?: "unknown", sizeof(text));
	memcpy(run->internal.data, text, sizeof(text));
	return 0;
}

enum sevm_result sevm_io_emulation_failure(struct sevm_vcpu *vcpu, sevm_gpa gpa,
					   const u8 *insn, u8 insn_len)
{
	struct kvm_run *run = vcpu->run;

	run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
	run->emulation_failure.suberror = KVM_INTERNAL_ERROR_EMULATION;
	run->emulation_failure.ndata = 5;
	run->emulation_failure.flags = KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES;
	memset(run->emulation_failure.insn_bytes, 0x90,
	       sizeof(run->emulation_failure.insn_bytes));
	run->emulation_failure.insn_size = insn_len;
	memcpy(run->emulation_failure.insn_bytes, insn, insn_len);
	run->internal.data[3] = gpa;
	run->internal.data[4] = vcpu->exit.info1;
	/* Once: a VMM that emulates instructions itself comes here for each of them. */
	if (!xchg(&vcpu->vm->emulation_logged, true))
		vcpu_notice(vcpu, "the guest of pid %d needs an instruction emulator (guest-physical address %#llx), and there is none\n",
			    task_tgid_nr(current), gpa);
	return SEVM_TO_USER;
}

enum sevm_result sevm_io_unexpected(struct sevm_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
	run->internal.suberror = KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON;
	run->internal.ndata = 2;
	run->internal.data[0] = vcpu->exit.code;
	run->internal.data[1] = vcpu->cpu;
	return SEVM_TO_USER;
}

enum sevm_result sevm_io_fail_entry(struct sevm_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	run->exit_reason = KVM_EXIT_FAIL_ENTRY;
	/* KVM shows the lower half of the exit code. */
	run->fail_entry.hardware_entry_failure_reason = (u32)vcpu->exit.code;
	run->fail_entry.cpu = vcpu->cpu;
	return SEVM_TO_USER;
}
