// SPDX-License-Identifier: GPL-2.0-only
/*
 * plain.c - guests without protection: real, protected and long mode, ports,
 * CPUID, MSRs, halting, registers by ioctl. They run on any SVM.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "guest.h"
#include "vm.h"

/* --- small machines without the test guest's runtime ------------------------ */

struct tiny {
	int dev, vm, vcpu;
	struct kvm_run *run;
	u8 *memory;
	struct kvm_sregs sregs;
};

static struct tiny tiny(const void *code, size_t size, bool irqchip)
{
	struct tiny t = { .dev = device_open(), .memory = vm_memory(0x10000) };
	struct kvm_userspace_memory_region region = {
		.memory_size = 0x10000, .userspace_addr = (u64)t.memory,
	};
	struct kvm_regs regs = { .rip = 0x1000, .rflags = 2, .rsp = 0x8000 };

	memcpy(t.memory + 0x1000, code, size);
	ASSERT_OK(t.vm = ioctl(t.dev, KVM_CREATE_VM, 0L));
	ASSERT_OK(ioctl(t.vm, KVM_SET_TSS_ADDR, 0xfffbd000));
	if (irqchip)
		ASSERT_OK(ioctl(t.vm, KVM_CREATE_IRQCHIP, 0));
	ASSERT_OK(ioctl(t.vm, KVM_SET_USER_MEMORY_REGION, &region));
	ASSERT_OK(t.vcpu = ioctl(t.vm, KVM_CREATE_VCPU, 0L));
	t.run = mmap(NULL, ioctl(t.dev, KVM_GET_VCPU_MMAP_SIZE, 0), PROT_READ | PROT_WRITE,
		     MAP_SHARED, t.vcpu, 0);
	ASSERT(t.run != MAP_FAILED);
	ASSERT_OK(ioctl(t.vcpu, KVM_GET_SREGS, &t.sregs));
	t.sregs.cs.base = 0;
	t.sregs.cs.selector = 0;
	ASSERT_OK(ioctl(t.vcpu, KVM_SET_SREGS, &t.sregs));
	ASSERT_OK(ioctl(t.vcpu, KVM_SET_REGS, &regs));
	return t;
}

static void expect_out(struct tiny *t, u16 port, u8 size, u32 value)
{
	u32 got = 0;

	ASSERT_OK(ioctl(t->vcpu, KVM_RUN, 0));
	ASSERT_EQ(t->run->exit_reason, KVM_EXIT_IO);
	ASSERT_EQ(t->run->io.direction, KVM_EXIT_IO_OUT);
	ASSERT_EQ(t->run->io.port, port);
	ASSERT_EQ(t->run->io.size, size);
	ASSERT_EQ(t->run->io.count, 1);
	memcpy(&got, (u8 *)t->run + t->run->io.data_offset, size);
	ASSERT_EQ(got, value);
}

static void real_mode(void)
{
	static const u8 code[] = {
		0xb0, 0x42,			/* mov $0x42, %al */
		0xe6, 0x10,			/* out %al, $0x10 */
		0xba, 0xf8, 0x03,		/* mov $0x3f8, %dx */
		0xec,				/* in (%dx), %al */
		0x00, 0xd8,			/* add %bl, %al */
		0xe7, 0x11,			/* out %ax, $0x11 */
		0xf4,				/* hlt */
	};
	struct tiny t = tiny(code, sizeof(code), false);
	struct kvm_regs regs;

	expect_out(&t, 0x10, 1, 0x42);
	ASSERT_OK(ioctl(t.vcpu, KVM_RUN, 0));
	ASSERT_EQ(t.run->exit_reason, KVM_EXIT_IO);
	ASSERT_EQ(t.run->io.direction, KVM_EXIT_IO_IN);
	ASSERT_EQ(t.run->io.port, 0x3f8);
	*((u8 *)t.run + t.run->io.data_offset) = 0x33;
	expect_out(&t, 0x11, 2, 0x33);
	ASSERT_OK(ioctl(t.vcpu, KVM_RUN, 0));
	ASSERT_EQ(t.run->exit_reason, KVM_EXIT_HLT);
	ASSERT_OK(ioctl(t.vcpu, KVM_GET_REGS, &regs));
	ASSERT_EQ(regs.rip, 0x1000 + sizeof(code));
	ASSERT_EQ(regs.rdx, 0x3f8);
}

static void protected_mode(void)
{
	static const u8 code[] = {
		0xb8, 0x78, 0x56, 0x34, 0x12,	/* mov $0x12345678, %eax */
		0xba, 0x10, 0x00, 0x00, 0x00,	/* mov $0x10, %edx */
		0xef,				/* out %eax, (%dx) */
		0xf4,
	};
	struct tiny t = tiny(code, sizeof(code), false);
	struct kvm_segment flat = {
		.limit = 0xffffffff, .selector = 8, .type = 11, .present = 1, .db = 1,
		.s = 1, .g = 1,
	};

	t.sregs.cs = flat;
	flat.type = 3;
	flat.selector = 16;
	t.sregs.ds = t.sregs.es = t.sregs.ss = flat;
	t.sregs.cr0 |= 1;
	ASSERT_OK(ioctl(t.vcpu, KVM_SET_SREGS, &t.sregs));
	expect_out(&t, 0x10, 4, 0x12345678);
	ASSERT_OK(ioctl(t.vcpu, KVM_RUN, 0));
	ASSERT_EQ(t.run->exit_reason, KVM_EXIT_HLT);
}

static void registers_round_trip(void)
{
	static const u8 code[] = { 0xf4 };
	struct tiny t = tiny(code, sizeof(code), false);
	struct kvm_regs in = {
		.rax = 1, .rbx = 2, .rcx = 3, .rdx = 4, .rsi = 5, .rdi = 6, .rsp = 7,
		.rbp = 8, .r8 = 9, .r9 = 10, .r10 = 11, .r11 = 12, .r12 = 13, .r13 = 14,
		.r14 = 15, .r15 = 16, .rip = 0x1000, .rflags = 2,
	}, out;
	struct kvm_sregs sregs;

	ASSERT_OK(ioctl(t.vcpu, KVM_SET_REGS, &in));
	ASSERT_OK(ioctl(t.vcpu, KVM_RUN, 0));
	ASSERT_EQ(t.run->exit_reason, KVM_EXIT_HLT);
	ASSERT_OK(ioctl(t.vcpu, KVM_GET_REGS, &out));
	in.rip = 0x1001;
	ASSERT_EQ(memcmp(&in, &out, sizeof(in)), 0);
	ASSERT_OK(ioctl(t.vcpu, KVM_GET_SREGS, &sregs));
	ASSERT_EQ(memcmp(&sregs.cs, &t.sregs.cs, sizeof(sregs.cs) - 8), 0);
	/* Long mode without paging, or PAE: no. */
	sregs.efer = 0x500;
	ASSERT_ERRNO(ioctl(t.vcpu, KVM_SET_SREGS, &sregs), EINVAL);
}

static void triple_fault_is_shutdown(void)
{
	static const u8 code[] = { 0x0f, 0x0b };	/* ud2, with no IDT to speak of */
	struct tiny t = tiny(code, sizeof(code), false);

	t.sregs.idt.limit = 0;
	ASSERT_OK(ioctl(t.vcpu, KVM_SET_SREGS, &t.sregs));
	ASSERT_OK(ioctl(t.vcpu, KVM_RUN, 0));
	ASSERT_EQ(t.run->exit_reason, KVM_EXIT_SHUTDOWN);
}

static void immediate_exit(void)
{
	static const u8 code[] = { 0xeb, 0xfe };	/* jmp . */
	struct tiny t = tiny(code, sizeof(code), false);

	t.run->immediate_exit = 1;
	ASSERT_ERRNO(ioctl(t.vcpu, KVM_RUN, 0), EINTR);
}

/* Without an in-kernel APIC the VMM injects by KVM_INTERRUPT. */
static void interrupt_by_ioctl(void)
{
	static const u8 code[] = {
		0xfb,				/* sti */
		0x90,				/* nop */
		0xeb, 0xfe,			/* jmp . */
	};
	static const u8 handler[] = { 0xb0, 0x77, 0xe6, 0x20, 0xcf };	/* out; iret */
	struct tiny t = tiny(code, sizeof(code), false);
	struct kvm_interrupt irq = { .irq = 0x30 };

	memcpy(t.memory + 0x2000, handler, sizeof(handler));
	memcpy(t.memory + 0x30 * 4, &(u16[2]){ 0x2000, 0 }, 4);
	t.run->request_interrupt_window = 1;
	ASSERT_OK(ioctl(t.vcpu, KVM_RUN, 0));
	ASSERT_EQ(t.run->exit_reason, KVM_EXIT_IRQ_WINDOW_OPEN);
	ASSERT_EQ(t.run->ready_for_interrupt_injection, 1);
	t.run->request_interrupt_window = 0;
	ASSERT_OK(ioctl(t.vcpu, KVM_INTERRUPT, &irq));
	expect_out(&t, 0x20, 1, 0x77);
}

/* --- with the runtime, unprotected -------------------------------------------- */

static const struct vm_options plain = { .plain = true };

static void speak(unsigned long cpu)
{
	u32 r[4];

	GUEST_ASSERT_EQ(guest_es, 0);
	cpuid(0, 0, r);
	GUEST_ASSERT_EQ(r[1], 0x68747541);
	cpuid(0x40000000, 0, r);
	GUEST_ASSERT_EQ(r[1], 0x4b4d564b);	/* "KVMK" */
	GUEST_ASSERT_EQ(rdmsr(0x1b) & 0x100, 0x100);
	GUEST_ASSERT_EQ(guest_try(rdmsr(0x12345678)), 13);
	GUEST_ASSERT_EQ(guest_cpu()->vc_count, 0);
	guest_sync(42);
}

static void long_mode(void)
{
	struct vm *vm = vm_create(speak, &plain);

	ASSERT_EQ(vcpu_run(&vm->vcpu[0]), UCALL_SYNC);
	ASSERT_EQ(vm->vcpu[0].ucall->args[0], 42);
	ASSERT_EQ(vcpu_run(&vm->vcpu[0]), UCALL_DONE);
	vm_free(vm);
}

static volatile u64 *const count = (u64 *)GUEST_SHARED_DATA;

static bool on_vector(struct guest_regs *regs)
{
	count[guest_cpu()->index]++;
	x2apic_write(APIC_EOI, 0);
	return true;
}

static void self_ipi(unsigned long cpu)
{
	u64 i;

	guest_set_handler(0x51, on_vector);
	x2apic_enable();
	for (i = 1; i <= 100; i++) {
		x2apic_write(APIC_SELF_IPI, 0x51);
		while (count[0] < i)
			sti_hlt_cli();
	}
	GUEST_ASSERT_EQ(count[0], 100);
	x2apic_write(APIC_LVTT, 2 << 17 | 0x51);
	wrmsr(0x6e0, rdtsc() + 100000);
	while (count[0] < 101)
		sti_hlt_cli();
}

static void own_interrupts_and_timer(void)
{
	run_guest(self_ipi, &plain);
}

/*
 * There is no instruction emulator: MMIO of a plain guest ends in userspace
 * with the address and the bytes. KVM emulates it.
 */
static void touch(unsigned long cpu)
{
	*(volatile u32 *)(GUEST_MMIO + 0x1230) = 0x55;
}

static void mmio_is_an_assist(void)
{
	struct vm *vm = vm_create(touch, &plain);
	struct kvm_run *run = vm->vcpu[0].run;

	ASSERT_EQ(vcpu_run_to_exit(&vm->vcpu[0]), KVM_EXIT_INTERNAL_ERROR);
	ASSERT_EQ(run->internal.suberror, KVM_INTERNAL_ERROR_EMULATION);
	vm_free(vm);
}

TESTS = {
	CASE(real_mode),
	CASE(protected_mode),
	CASE(registers_round_trip),
	CASE(triple_fault_is_shutdown),
	CASE(immediate_exit),
	CASE(interrupt_by_ioctl),
	CASE(long_mode),
	CASE(own_interrupts_and_timer),
	CASE(mmio_is_an_assist),
	TESTS_END
};
