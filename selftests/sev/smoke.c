// SPDX-License-Identifier: GPL-2.0-only
/*
 * smoke.c - a SEV-ES guest lives: it ends by the MSR protocol, speaks by ports,
 * computes with its own registers.
 */
#include <errno.h>

#include "guest.h"
#include "vm.h"

static void terminate(unsigned long cpu)
{
	guest_terminate(5, 0x42);
}

static void terminates_by_msr_protocol(void)
{
	struct vm *vm = vm_create(terminate, NULL);
	struct kvm_run *run = vm->vcpu[0].run;

	ASSERT_EQ(vcpu_run_to_exit(&vm->vcpu[0]), KVM_EXIT_SYSTEM_EVENT);
	ASSERT_EQ(run->system_event.type, KVM_SYSTEM_EVENT_SEV_TERM);
	ASSERT_EQ(run->system_event.ndata, 1);
	ASSERT_EQ(run->system_event.data[0], 0x100 | 5 << 12 | 0x42 << 16);
	vm_free(vm);
}

static void speak(unsigned long cpu)
{
	GUEST_ASSERT_EQ(cpu, 0);
	GUEST_ASSERT(rdmsr(SEV_STATUS_MSR) & 2);
	guest_sync(guest_arg(0) + 1);
	guest_sync(guest_arg(0) + 2);
}

static void speaks_by_ports(void)
{
	struct vm *vm = vm_create(speak, NULL);
	struct vcpu *vcpu = &vm->vcpu[0];

	vcpu->ucall->in[0] = 100;
	ASSERT_EQ(vcpu_run(vcpu), UCALL_SYNC);
	ASSERT_EQ(vcpu->ucall->args[0], 101);
	vcpu->ucall->in[0] = 200;
	ASSERT_EQ(vcpu_run(vcpu), UCALL_SYNC);
	ASSERT_EQ(vcpu->ucall->args[0], 202);
	ASSERT_EQ(vcpu_run(vcpu), UCALL_DONE);
	vm_free(vm);
}

/* Every register survives exits, whatever the host does with its own meanwhile. */
static void registers(unsigned long cpu)
{
	u64 xmm_in[2] = { 0x0123456789abcdef, 0xfedcba9876543210 }, xmm_out[2];
	u64 bad;
	int i;

	for (i = 0; i < 200; i++) {
		asm volatile("movdqu (%1), %%xmm7\n"
			     "mov $0x1111, %%r8; mov $0x2222, %%r9; mov $0x3333, %%r10\n"
			     "mov $0x4444, %%r11; mov $0x5555, %%r12; mov $0x6666, %%r13\n"
			     "mov $0x7777, %%r14; mov $0x8888, %%r15; mov $0x9999, %%rbx\n"
			     "xor %0, %0\n"
			     "mov $0x5e1, %%edx; mov $0xaa, %%eax; out %%eax, %%dx\n"
			     "sub $0x1111, %%r8; or %%r8, %0; sub $0x2222, %%r9; or %%r9, %0\n"
			     "sub $0x3333, %%r10; or %%r10, %0; sub $0x4444, %%r11; or %%r11, %0\n"
			     "sub $0x5555, %%r12; or %%r12, %0; sub $0x6666, %%r13; or %%r13, %0\n"
			     "sub $0x7777, %%r14; or %%r14, %0; sub $0x8888, %%r15; or %%r15, %0\n"
			     "sub $0x9999, %%rbx; or %%rbx, %0\n"
			     "movdqu %%xmm7, (%2)\n"
			     : "=&S"(bad) : "D"(xmm_in), "c"(xmm_out)
			     : "rax", "rbx", "rdx", "r8", "r9", "r10", "r11", "r12",
			       "r13", "r14", "r15", "memory");
		GUEST_ASSERT_EQ(bad, 0);
		GUEST_ASSERT_EQ(xmm_out[0], xmm_in[0]);
		GUEST_ASSERT_EQ(xmm_out[1], xmm_in[1]);
	}
}

static void ignore_exit(struct vcpu *vcpu)
{
	ASSERT_EQ(vcpu->run->exit_reason, KVM_EXIT_IO);
}

static void registers_survive_exits(void)
{
	struct vm *vm = vm_create(registers, NULL);

	vm->vcpu[0].on_exit = ignore_exit;
	ASSERT_EQ(vcpu_run(&vm->vcpu[0]), UCALL_DONE);
	vm_free(vm);
}

static u32 read_pkru(void)
{
	u32 pkru, rdx;

	asm volatile("rdpkru" : "=a"(pkru), "=d"(rdx) : "c"(0));
	return pkru;
}

static void write_pkru(u32 pkru)
{
	asm volatile("wrpkru" :: "a"(pkru), "c"(0), "d"(0) : "memory");
}

/* Does the kernel let its user space have it? CPUID 7: ECX OSPKE */
static bool have_pkru(void)
{
	u32 r[4];

	cpuid(7, 0, r);
	return r[2] & 1 << 4;
}

/*
 * #VMEXIT of a SEV-ES guest loads the host's extended state from an image that
 * the hypervisor must have filled: here with what this thread has now.
 */
static void the_vmms_own_registers_survive(void)
{
	static const u32 pkru[] = { 0x55555554, 0x55555550, 0, 0xfffffffc };
	struct vm *vm = vm_create(registers, NULL);
	u32 r[4], xcr0, xcr0_now, rdx, i;

	cpuid(1, 0, r);
	if (!(r[2] & 1 << 27))
		test_skip("no XSAVE in this machine");
	asm volatile("xgetbv" : "=a"(xcr0), "=d"(rdx) : "c"(0));

	for (i = 0; i < 4; i++) {
		u64 in[4] = { i, ~0ULL, 0x0123456789abcdef, i + 1 }, out[4] = { 0 };
		bool ymm = xcr0 & 4;

		if (have_pkru())
			write_pkru(pkru[i]);
		/* Nothing here is compiled to vector code. */
		if (ymm)
			asm volatile("vmovdqu %0, %%ymm15" :: "m"(in));
		ASSERT_OK(vcpu_run_once(&vm->vcpu[0]));
		if (ymm)
			asm volatile("vmovdqu %%ymm15, %0" : "=m"(out));
		asm volatile("xgetbv" : "=a"(xcr0_now), "=d"(rdx) : "c"(0));
		ASSERT_EQ(xcr0_now, xcr0);
		if (have_pkru())
			ASSERT_EQ(read_pkru(), pkru[i]);
		if (ymm)
			ASSERT(!__builtin_memcmp(in, out, sizeof(in)));
	}
	vm_free(vm);
}

TESTS = {
	CASE(terminates_by_msr_protocol),
	CASE(speaks_by_ports),
	CASE(registers_survive_exits),
	CASE(the_vmms_own_registers_survive),
	TESTS_END
};
