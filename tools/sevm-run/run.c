// SPDX-License-Identifier: GPL-2.0-only
/*
 * run.c - the vCPU threads: KVM_RUN, what it returned, and the end.
 *
 * The first vm_end() decides how the VM ends; later ones are consequences. A
 * thread in KVM_RUN is made to come out by immediate_exit and a signal: the
 * one for the race before the ioctl, the other for the time in it.
 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>
#include <linux/sevm.h>

#include "../firmware/firmware.h"
#include "sevm-run.h"

#define KICK	SIGUSR1

static const char *const exit_names[] = {
	[KVM_EXIT_UNKNOWN] = "UNKNOWN",
	[KVM_EXIT_EXCEPTION] = "EXCEPTION",
	[KVM_EXIT_IO] = "IO",
	[KVM_EXIT_HYPERCALL] = "HYPERCALL",
	[KVM_EXIT_DEBUG] = "DEBUG",
	[KVM_EXIT_HLT] = "HLT",
	[KVM_EXIT_MMIO] = "MMIO",
	[KVM_EXIT_IRQ_WINDOW_OPEN] = "IRQ_WINDOW_OPEN",
	[KVM_EXIT_SHUTDOWN] = "SHUTDOWN",
	[KVM_EXIT_FAIL_ENTRY] = "FAIL_ENTRY",
	[KVM_EXIT_INTR] = "INTR",
	[KVM_EXIT_SET_TPR] = "SET_TPR",
	[KVM_EXIT_INTERNAL_ERROR] = "INTERNAL_ERROR",
	[KVM_EXIT_SYSTEM_EVENT] = "SYSTEM_EVENT",
	[KVM_EXIT_IOAPIC_EOI] = "IOAPIC_EOI",
	[KVM_EXIT_AP_RESET_HOLD] = "AP_RESET_HOLD",
	[KVM_EXIT_MEMORY_FAULT] = "MEMORY_FAULT",
};

static const char *exit_name(uint32_t reason)
{
	const char *name = NULL;

	if (reason < ARRAY_SIZE(exit_names))
		name = exit_names[reason];
	return name ? name : "unknown to sevm-run";
}

void vm_end(struct vm *vm, int status, const char *fmt, ...)
{
	uint64_t one = 1;
	va_list args;

	pthread_mutex_lock(&vm->end_lock);
	if (!vm->ending) {
		va_start(args, fmt);
		vsnprintf(vm->reason, sizeof(vm->reason), fmt, args);
		va_end(args);
		vm->status = status;
		__atomic_store_n(&vm->ending, true, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&vm->end_lock);
	if (write(vm->stop_fd, &one, sizeof(one)) < 0)
		return;			/* full: it is readable, which is the point */
}

/* The GHCB MSR value of a termination request, or a page's address. */
static void end_terminated(struct vm *vm, uint64_t value)
{
	static const char *const standard[] = {
		"general", "GHCB protocol version", "SEV-SNP features not supported",
	};
	static const char *const firmware[] = {
		[FW_TERM_PROTOCOL] = "AP-park firmware: no GHCB protocol version in common",
		[FW_TERM_JUMP_TABLE] = "AP-park firmware: the AP jump table was refused",
		[FW_TERM_AP_PAGE] = "AP-park firmware: an AP did not come up by the bring-up page",
	};
	unsigned int set = value >> 12 & 0xf, code = value >> 16 & 0xff;
	const char *text = "";

	if ((value & 0xfff) != GHCB_MSR_TERM_REQ) {
		vm_end(vm, EXIT_TERMINATED,
		       "the guest terminated itself; this hypervisor lost the reason (0x%llx)",
		       (unsigned long long)value);
		return;
	}
	if (set == 0 && code < ARRAY_SIZE(standard))
		text = standard[code];
	if (set == 1)
		text = "Linux's or OVMF's own codes";
	if (set == FW_TERM_SET && code < ARRAY_SIZE(firmware) &&
	    firmware[code])
		text = firmware[code];
	vm_end(vm, EXIT_TERMINATED,
	       "the guest terminated itself: reason set 0x%x, code 0x%x%s%s%s",
	       set, code, *text ? " (" : "", text, *text ? ")" : "");
}

static void system_event(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	switch (run->system_event.type) {
	case KVM_SYSTEM_EVENT_SHUTDOWN:
		vm_end(vcpu->vm, EXIT_OFF, "the guest powered off");
		break;
	case KVM_SYSTEM_EVENT_RESET:
		vm_end(vcpu->vm, EXIT_RESET, "the guest asked for a reset");
		break;
	case KVM_SYSTEM_EVENT_CRASH:
		vm_end(vcpu->vm, EXIT_RESET, "the guest reported a crash");
		break;
	case KVM_SYSTEM_EVENT_SEV_TERM:
		end_terminated(vcpu->vm, run->system_event.ndata ?
			       run->system_event.data[0] : 0);
		break;
	default:
		vm_end(vcpu->vm, EXIT_HOST, "vCPU %u: system event %u", vcpu->id,
		       run->system_event.type);
	}
}

static void internal_error(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	char data[128] = "";
	size_t length = 0;
	uint32_t i;

	if (run->internal.suberror == SEVM_INTERNAL_ERROR_KILLED) {
		vm_end(vcpu->vm, EXIT_HOST, "vCPU %u: sevm ended the VM: %.*s", vcpu->id,
		       (int)sizeof(run->internal.data), (const char *)run->internal.data);
		return;
	}
	if (assist(vcpu))
		return;
	for (i = 0; i < run->internal.ndata && i < 5; i++)
		length += snprintf(data + length, sizeof(data) - length, " 0x%llx",
				   (unsigned long long)run->internal.data[i]);
	vm_end(vcpu->vm, EXIT_HOST, "vCPU %u: internal error %u of the hypervisor%s%s%s",
	       vcpu->id, run->internal.suberror,
	       run->internal.suberror == KVM_INTERNAL_ERROR_EMULATION ?
	       ": an instruction that it does not emulate" : "",
	       *data ? ", data" : "", data);
}

/* One exit to userspace. */
static void handle(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	struct vm *vm = vcpu->vm;

	vcpu->last_exit = run->exit_reason;
	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		vcpu->port_exits++;
		port_access(vm, run->io.direction == KVM_EXIT_IO_OUT, run->io.port,
			    run->io.size, run->io.count,
			    (uint8_t *)run + run->io.data_offset);
		break;
	case KVM_EXIT_MMIO:
		vcpu->mmio_exits++;
		mmio_access(vm, run->mmio.is_write, run->mmio.phys_addr,
			    run->mmio.len, run->mmio.data);
		break;
	case KVM_EXIT_INTR:
	case KVM_EXIT_HLT:
	case KVM_EXIT_IOAPIC_EOI:
	case KVM_EXIT_IRQ_WINDOW_OPEN:
	case KVM_EXIT_SET_TPR:
		break;
	case KVM_EXIT_SHUTDOWN:
		vm_end(vm, EXIT_RESET, "vCPU %u: triple fault", vcpu->id);
		break;
	case KVM_EXIT_SYSTEM_EVENT:
		system_event(vcpu);
		break;
	case KVM_EXIT_FAIL_ENTRY:
		vm_end(vm, EXIT_HOST,
		       "vCPU %u: the hardware refused to enter the guest (reason 0x%llx, CPU %u)",
		       vcpu->id,
		       (unsigned long long)run->fail_entry.hardware_entry_failure_reason,
		       run->fail_entry.cpu);
		break;
	case KVM_EXIT_INTERNAL_ERROR:
		internal_error(vcpu);
		break;
	default:
		vm_end(vm, EXIT_HOST, "vCPU %u: exit %u (%s)", vcpu->id,
		       run->exit_reason, exit_name(run->exit_reason));
	}
}

static void *vcpu_thread(void *arg)
{
	struct vcpu *vcpu = arg;
	struct vm *vm = vcpu->vm;
	sigset_t set;
	char name[16];

	sigemptyset(&set);
	sigaddset(&set, KICK);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	snprintf(name, sizeof(name), "vcpu%u", vcpu->id);
	pthread_setname_np(pthread_self(), name);

	while (!__atomic_load_n(&vm->ending, __ATOMIC_ACQUIRE)) {
		if (!ioctl(vcpu->fd, KVM_RUN, 0)) {
			vcpu->runs++;
			handle(vcpu);
			continue;
		}
		/* EAGAIN: the vCPU waited for INIT-SIPI, and got it */
		if (errno == EINTR || errno == EAGAIN)
			continue;
		/* A refused entry comes with both, an exit reason and an errno. */
		if (vcpu->run->exit_reason == KVM_EXIT_FAIL_ENTRY)
			handle(vcpu);
		vm_end(vm, EXIT_HOST, "vCPU %u: KVM_RUN: %s", vcpu->id, strerror(errno));
	}
	return NULL;
}

static void kicked(int signal)
{
	(void)signal;			/* only there to interrupt KVM_RUN */
}

void run_start(struct vm *vm)
{
	struct sigaction action = { .sa_handler = kicked };
	unsigned int i;

	sigaction(KICK, &action, NULL);
	for (i = 0; i < vm->opt->cpus; i++) {
		struct vcpu *vcpu = &vm->vcpus[i];
		int error = pthread_create(&vcpu->thread, NULL, vcpu_thread, vcpu);

		if (error) {
			vm_end(vm, EXIT_HOST, "a thread for vCPU %u: %s", i, strerror(error));
			return;
		}
		vcpu->started = true;
	}
}

/* Join all threads, kicking each until it came out of KVM_RUN. */
void run_stop(struct vm *vm)
{
	struct timespec until;
	unsigned int i, tries;

	for (i = 0; i < vm->opt->cpus; i++)
		__atomic_store_n(&vm->vcpus[i].run->immediate_exit, 1, __ATOMIC_RELEASE);
	for (i = 0; i < vm->opt->cpus; i++) {
		struct vcpu *vcpu = &vm->vcpus[i];

		if (!vcpu->started)
			continue;
		for (tries = 0; tries < 100; tries++) {
			pthread_kill(vcpu->thread, KICK);
			clock_gettime(CLOCK_REALTIME, &until);
			until.tv_nsec += 100000000;
			if (until.tv_nsec >= 1000000000) {
				until.tv_nsec -= 1000000000;
				until.tv_sec++;
			}
			if (!pthread_timedjoin_np(vcpu->thread, NULL, &until))
				break;
		}
		if (tries == 100) {
			/* A thread stuck in the kernel: the process's end is all that is left. */
			note("vCPU %u does not come out of KVM_RUN", i);
			console_restore();
			_exit(EXIT_HOST);
		}
		vcpu->started = false;
	}
}

/* After a timeout: where the vCPUs are. */
void run_where(struct vm *vm)
{
	struct kvm_mp_state mp;
	struct kvm_regs regs;
	char state[32], rip[64];
	unsigned int i;

	for (i = 0; i < vm->opt->cpus; i++) {
		struct vcpu *vcpu = &vm->vcpus[i];

		strcpy(state, "unknown");
		rip[0] = '\0';
		if (!ioctl(vcpu->fd, KVM_GET_MP_STATE, &mp))
			snprintf(state, sizeof(state), "%u", mp.mp_state);
		if (!vm->opt->protected && !ioctl(vcpu->fd, KVM_GET_REGS, &regs))
			snprintf(rip, sizeof(rip), ", RIP 0x%llx RSP 0x%llx", regs.rip, regs.rsp);
		note("vCPU %u: mp_state %s, %llu exits to userspace, the last was %s%s",
		     i, state, (unsigned long long)vcpu->runs,
		     vcpu->runs ? exit_name(vcpu->last_exit) : "none", rip);
	}
}
