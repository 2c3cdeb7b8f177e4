// SPDX-License-Identifier: GPL-2.0-only
/*
 * plain.c - guests without protection: real, protected and long mode, ports,
 * CPUID, MSRs, halting, registers by ioctl. They run on any SVM.
 */
#include <errno.h>
#include <linux/hw_breakpoint.h>
#include <linux/perf_event.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest.h"
#include "vm.h"

/* --- small machines without the test guest's runtime ------------------------ */

struct tiny {
	int dev, vm, vcpu;
	struct kvm_run *run;
	u8 *memory;
	struct kvm_sregs sregs;
};

static struct tiny tiny(const void *code, size_t size, enum vm_irqchip irqchip)
{
	struct tiny t = { .dev = device_open(), .memory = vm_memory(0x10000) };
	struct kvm_userspace_memory_region region = {
		.memory_size = 0x10000, .userspace_addr = (u64)t.memory,
	};
	struct kvm_enable_cap split = { .cap = KVM_CAP_SPLIT_IRQCHIP, .args = { 24 } };
	struct kvm_regs regs = { .rip = 0x1000, .rflags = 2, .rsp = 0x8000 };

	memcpy(t.memory + 0x1000, code, size);
	ASSERT_OK(t.vm = ioctl(t.dev, KVM_CREATE_VM, 0L));
	ASSERT_OK(ioctl(t.vm, KVM_SET_TSS_ADDR, 0xfffbd000));
	if (irqchip == IRQCHIP_KERNEL)
		ASSERT_OK(ioctl(t.vm, KVM_CREATE_IRQCHIP, 0));
	else if (irqchip == IRQCHIP_SPLIT)
		ASSERT_OK(ioctl(t.vm, KVM_ENABLE_CAP, &split));
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
	struct tiny t = tiny(code, sizeof(code), IRQCHIP_NONE);
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
	struct tiny t = tiny(code, sizeof(code), IRQCHIP_NONE);
	struct kvm_segment flat = {
		.limit = 0xffffffff, .selector = 8, .type = 11, .present = 1, .db = 1,
		.s = 1, .g = 1,
	};

	t.sregs.cs = flat;
	flat.type = 3;
	flat.selector = 16;
	t.sregs.ds = flat;
	t.sregs.es = flat;
	t.sregs.ss = flat;
	t.sregs.cr0 |= 1;
	ASSERT_OK(ioctl(t.vcpu, KVM_SET_SREGS, &t.sregs));
	expect_out(&t, 0x10, 4, 0x12345678);
	ASSERT_OK(ioctl(t.vcpu, KVM_RUN, 0));
	ASSERT_EQ(t.run->exit_reason, KVM_EXIT_HLT);
}

static void registers_round_trip(void)
{
	static const u8 code[] = { 0xf4 };
	struct tiny t = tiny(code, sizeof(code), IRQCHIP_NONE);
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

static volatile u64 watched;

/* The world switch loses the VMM's watchpoint, in every run, unless it is put back. */
static void the_vmms_breakpoints_survive(void)
{
	static const u8 code[] = {
		0xb0, 0x42,				/* mov $0x42, %al */
		0xe6, 0x10,				/* out %al, $0x10 */
		0x66, 0xb8, 0x34, 0x12, 0, 0,		/* mov $0x1234, %eax */
		0x0f, 0x23, 0xc0,			/* mov %eax, %dr0 */
		0x0f, 0x23, 0xc8,			/* mov %eax, %dr1 */
		0x0f, 0x23, 0xd0,			/* mov %eax, %dr2 */
		0x0f, 0x23, 0xd8,			/* mov %eax, %dr3 */
		0xeb, 0xe8,				/* jmp to the start */
	};
	struct tiny t = tiny(code, sizeof(code), IRQCHIP_NONE);
	struct perf_event_attr attr = {
		.type = PERF_TYPE_BREAKPOINT, .size = sizeof(attr), .exclude_kernel = 1,
		.bp_type = HW_BREAKPOINT_W, .bp_addr = (u64)&watched, .bp_len = sizeof(watched),
	};
	u64 count;
	int event;

	ASSERT_OK(event = syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0UL));
	for (u64 round = 1; round <= 32; round++) {
		expect_out(&t, 0x10, 1, 0x42);
		watched = round;
		ASSERT_EQ(read(event, &count, sizeof(count)), sizeof(count));
		ASSERT_EQ(count, round);
	}
	close(event);
}

/* What an XSAVE image's header leaves out is in its initial state, whatever its bytes are. */
static void xsave_without_a_component(void)
{
	struct tiny t = tiny("\xf4", 1, IRQCHIP_NONE);
	struct kvm_xsave xsave;
	struct kvm_fpu fpu;

	memset(&xsave, 0, sizeof(xsave));
	memset(xsave.region + 40, 0x55, 16);		/* XMM0 */
	xsave.region[6] = 0x1f80;			/* MXCSR */
	xsave.region[128] = 1 << 1;			/* SSE alone */
	ASSERT_OK(ioctl(t.vcpu, KVM_SET_XSAVE, &xsave));
	ASSERT_OK(ioctl(t.vcpu, KVM_GET_FPU, &fpu));
	ASSERT_EQ(fpu.fcw, 0x37f);
	ASSERT_EQ(fpu.xmm[0][0], 0x55);

	/* QEMU's for an AP. */
	memset(&xsave, 0, sizeof(xsave));
	ASSERT_OK(ioctl(t.vcpu, KVM_SET_XSAVE, &xsave));
	memset(&xsave, 0xaa, sizeof(xsave));
	ASSERT_OK(ioctl(t.vcpu, KVM_GET_XSAVE, &xsave));
	ASSERT_EQ(xsave.region[0], 0x37f);		/* FCW, FSW */
	ASSERT_EQ(xsave.region[6], 0x1f80);
	ASSERT_EQ(xsave.region[40], 0);
	ASSERT_EQ(xsave.region[128] & 3, 0);
	ASSERT_OK(ioctl(t.vcpu, KVM_GET_FPU, &fpu));
	ASSERT_EQ(fpu.fcw, 0x37f);
}

static void triple_fault_is_shutdown(void)
{
	static const u8 code[] = { 0x0f, 0x0b };	/* ud2, with no IDT to speak of */
	struct tiny t = tiny(code, sizeof(code), IRQCHIP_NONE);

	t.sregs.idt.limit = 0;
	ASSERT_OK(ioctl(t.vcpu, KVM_SET_SREGS, &t.sregs));
	ASSERT_OK(ioctl(t.vcpu, KVM_RUN, 0));
	ASSERT_EQ(t.run->exit_reason, KVM_EXIT_SHUTDOWN);
}

static void immediate_exit(void)
{
	static const u8 code[] = { 0xeb, 0xfe };	/* jmp . */
	struct tiny t = tiny(code, sizeof(code), IRQCHIP_NONE);

	t.run->immediate_exit = 1;
	ASSERT_ERRNO(ioctl(t.vcpu, KVM_RUN, 0), EINTR);
}

/* Where userspace is the PIC it injects by KVM_INTERRUPT. */
static void interrupt_from(enum vm_irqchip irqchip)
{
	static const u8 code[] = {
		0xfb,				/* sti */
		0x90,				/* nop */
		0xeb, 0xfe,			/* jmp . */
	};
	static const u8 handler[] = { 0xb0, 0x77, 0xe6, 0x20, 0xcf };	/* out; iret */
	struct tiny t = tiny(code, sizeof(code), irqchip);
	struct kvm_interrupt irq = { .irq = 0x30 };

	memcpy(t.memory + 0x2000, handler, sizeof(handler));
	memcpy(t.memory + 0x30 * 4, (u16 [2]) { 0x2000, 0 }, 4);
	t.run->request_interrupt_window = 1;
	ASSERT_OK(ioctl(t.vcpu, KVM_RUN, 0));
	ASSERT_EQ(t.run->exit_reason, KVM_EXIT_IRQ_WINDOW_OPEN);
	ASSERT_EQ(t.run->ready_for_interrupt_injection, 1);
	t.run->request_interrupt_window = 0;
	ASSERT_OK(ioctl(t.vcpu, KVM_INTERRUPT, &irq));
	if (irqchip == IRQCHIP_SPLIT)
		ASSERT_ERRNO(ioctl(t.vcpu, KVM_INTERRUPT, &irq), EEXIST);
	expect_out(&t, 0x20, 1, 0x77);
}

static void interrupt_by_ioctl(void)
{
	interrupt_from(IRQCHIP_NONE);
}

static void interrupt_beside_an_apic(void)
{
	interrupt_from(IRQCHIP_SPLIT);
}

static void mask_lint0(struct tiny *t, bool masked)
{
	struct kvm_lapic_state apic;

	ASSERT_OK(ioctl(t->vcpu, KVM_GET_LAPIC, &apic));
	*(u32 *)&apic.regs[0x350] = 0x700 | masked << 16;
	ASSERT_OK(ioctl(t->vcpu, KVM_SET_LAPIC, &apic));
}

/* The PIC's vector waits for LINT0; a kernel's irqchip has its own PIC. */
static void interrupt_through_lint0(void)
{
	static const u8 code[] = {
		0xfb,				/* sti */
		0x90, 0x90,			/* nop */
		0xe6, 0x30,			/* out %al, $0x30 */
		0xeb, 0xfe,			/* jmp . */
	};
	static const u8 handler[] = { 0xb0, 0x77, 0xe6, 0x20, 0xcf };	/* out; iret */
	struct tiny t = tiny(code, sizeof(code), IRQCHIP_SPLIT);
	struct kvm_interrupt irq = { .irq = 0x31 };

	memcpy(t.memory + 0x2000, handler, sizeof(handler));
	memcpy(t.memory + 0x31 * 4, (u16 [2]) { 0x2000, 0 }, 4);
	mask_lint0(&t, true);
	ASSERT_OK(ioctl(t.vcpu, KVM_INTERRUPT, &irq));
	expect_out(&t, 0x30, 1, 0);
	ASSERT_EQ(t.run->ready_for_interrupt_injection, 0);
	mask_lint0(&t, false);
	expect_out(&t, 0x20, 1, 0x77);

	t = tiny(code, sizeof(code), IRQCHIP_KERNEL);
	ASSERT_ERRNO(ioctl(t.vcpu, KVM_INTERRUPT, &irq), ENXIO);
}

/* A mask that the VMM restores ends with the guest's IRET. */
static void nmi_mask_ends_with_iret(void)
{
	static const u8 code[] = {
		0xe6, 0x30,			/* out %al, $0x30 */
		0x9c, 0x0e,			/* pushf; push %cs */
		0x68, 0x08, 0x10,		/* push $1f */
		0xcf,				/* iret */
		0xeb, 0xfe,			/* 1: jmp . */
	};
	static const u8 handler[] = { 0xb0, 0x55, 0xe6, 0x20, 0xcf };	/* out; iret */
	struct tiny t = tiny(code, sizeof(code), IRQCHIP_NONE);
	struct kvm_vcpu_events events;

	memcpy(t.memory + 0x2000, handler, sizeof(handler));
	memcpy(t.memory + 2 * 4, (u16 [2]) { 0x2000, 0 }, 4);
	ASSERT_OK(ioctl(t.vcpu, KVM_GET_VCPU_EVENTS, &events));
	events.nmi.masked = 1;
	ASSERT_OK(ioctl(t.vcpu, KVM_SET_VCPU_EVENTS, &events));
	ASSERT_OK(ioctl(t.vcpu, KVM_NMI, 0));
	expect_out(&t, 0x30, 1, 0);
	expect_out(&t, 0x20, 1, 0x55);
}

/* INIT to the BSP: it starts again at its reset vector. */
static void init_restarts_the_bsp(void)
{
	static const u8 code[] = { 0xeb, 0xfe };	/* jmp . */
	static const u8 reset[] = { 0xb0, 0x21, 0xe6, 0x12, 0xf4 };	/* out; hlt */
	struct tiny t = tiny(code, sizeof(code), IRQCHIP_KERNEL);
	u8 *top = vm_memory(0x10000);
	struct kvm_userspace_memory_region region = {
		.slot = 1, .guest_phys_addr = 0xffff0000, .memory_size = 0x10000,
		.userspace_addr = (u64)top,
	};
	struct kvm_msi init = { .address_lo = 0xfee00000, .data = 0x500 };
	struct kvm_mp_state state;

	memcpy(top + 0xfff0, reset, sizeof(reset));
	ASSERT_OK(ioctl(t.vm, KVM_SET_USER_MEMORY_REGION, &region));
	/* KVM's map of APIC IDs is made when one of the APICs is touched. */
	mask_lint0(&t, false);
	ASSERT_EQ(ioctl(t.vm, KVM_SIGNAL_MSI, &init), 1);
	ASSERT_OK(ioctl(t.vcpu, KVM_GET_MP_STATE, &state));
	ASSERT_EQ(state.mp_state, KVM_MP_STATE_RUNNABLE);
	expect_out(&t, 0x12, 1, 0x21);
}

static void on_signal(int signal)
{
}

static void *send_signal(void *thread)
{
	usleep(300000);
	pthread_kill(*(pthread_t *)thread, SIGUSR1);
	return NULL;
}

/* What does not start an AP does not end its wait either: KVM_RUN would spin. */
static void an_ap_waits_in_peace(void)
{
	static const u8 code[] = { 0xf4 };
	struct tiny t = tiny(code, sizeof(code), IRQCHIP_KERNEL);
	struct sigaction action = { .sa_handler = on_signal };
	pthread_t self = pthread_self(), sender;
	struct kvm_clock_data data = { .clock = 1 };
	int ap;

	ASSERT_OK(ap = ioctl(t.vm, KVM_CREATE_VCPU, 1L));
	ASSERT_OK(ioctl(t.vm, KVM_SET_CLOCK, &data));
	sigaction(SIGUSR1, &action, NULL);
	pthread_create(&sender, NULL, send_signal, &self);
	ASSERT_ERRNO(ioctl(ap, KVM_RUN, 0), EINTR);
	pthread_join(sender, NULL);
}

static void *compete(void *memory)
{
	volatile u8 *flag = (u8 *)memory + 0x3000;
	unsigned int i;

	for (i = 0; i < 100 && !*flag; i++) {
		u64 n = 3000000;

		while (n--)
			asm volatile("");
		usleep(1000);
	}
	*flag = 1;
	return NULL;
}

/* Whatever the host does meanwhile, preemption and its own work: no -EINTR without a signal. */
static void no_eintr_without_a_signal(void)
{
	static const u8 code[] = {
		0xa0, 0x00, 0x30,		/* 1: mov 0x3000, %al */
		0x84, 0xc0,			/* test %al, %al */
		0x74, 0xf9,			/* jz 1b */
		0xe6, 0x30,			/* out %al, $0x30 */
	};
	struct tiny t = tiny(code, sizeof(code), IRQCHIP_KERNEL);
	pthread_t rival[3];
	unsigned int i;

	for (i = 0; i < 3; i++)
		pthread_create(&rival[i], NULL, compete, t.memory);
	expect_out(&t, 0x30, 1, 1);
	for (i = 0; i < 3; i++)
		pthread_join(rival[i], NULL);
}

/*
 * A thread with rseq that was switched out, as under a tracer at each system call,
 * has something to do on its way to userspace. KVM_RUN must not end for that: each
 * exit of the guest would end it, and be traced.
 */
static void many_cpuids(void)
{
	static const u8 code[] = {
		0xbe, 0xe8, 0x03,		/* mov $1000, %si */
		0x31, 0xc0,			/* 1: xor %ax, %ax */
		0x0f, 0xa2,			/* cpuid */
		0x4e,				/* dec %si */
		0x75, 0xf9,			/* jnz 1b */
		0xb0, 0x42,			/* mov $0x42, %al */
		0xe6, 0x10,			/* out %al, $0x10 */
	};
	struct tiny t = tiny(code, sizeof(code), IRQCHIP_NONE);

	expect_out(&t, 0x10, 1, 0x42);
}

static void a_traced_vmm_gets_on(void)
{
	struct __ptrace_syscall_info call;
	unsigned int runs = 0;
	pid_t child;
	int status;

	if (!__rseq_size)
		test_skip("this C library has no rseq");
	child = fork();
	ASSERT_OK(child);
	if (!child) {
		ASSERT_OK(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
		raise(SIGSTOP);
		many_cpuids();
		_exit(0);
	}
	ASSERT_EQ(waitpid(child, &status, 0), child);
	ASSERT_OK(ptrace(PTRACE_SETOPTIONS, child, NULL,
			 PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL));
	for (;;) {
		ASSERT_OK(ptrace(PTRACE_SYSCALL, child, NULL, NULL));
		ASSERT_EQ(waitpid(child, &status, 0), child);
		if (!WIFSTOPPED(status))
			break;
		ASSERT_EQ(WSTOPSIG(status), SIGTRAP | 0x80);
		ASSERT(ptrace(PTRACE_GET_SYSCALL_INFO, child, sizeof(call), &call) > 0);
		runs += call.op == PTRACE_SYSCALL_INFO_ENTRY && call.entry.nr == SYS_ioctl &&
			call.entry.args[1] == KVM_RUN;
	}
	ASSERT_EQ(status, 0);
	ASSERT(runs);
	/* A few for what cannot wait: the scheduler's work. */
	if (runs > 100)
		FAIL("KVM_RUN was entered %u times for 1000 CPUID and one port", runs);
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

/* A boot CPU that no vCPU can be would leave all of them waiting for SIPI. */
static void boot_cpu_is_one_there_can_be(void)
{
	struct kvm_enable_cap most = { .cap = KVM_CAP_MAX_VCPU_ID, .args = { 4 } };
	int device = device_open(), fd = ioctl(device, KVM_CREATE_VM, 0);

	ASSERT_ERRNO(ioctl(fd, KVM_SET_BOOT_CPU_ID, 1UL << 32), EINVAL);
	ASSERT_ERRNO(ioctl(fd, KVM_SET_BOOT_CPU_ID, 100000), EINVAL);
	ASSERT_OK(ioctl(fd, KVM_SET_BOOT_CPU_ID, 5));
	ASSERT_ERRNO(ioctl(fd, KVM_ENABLE_CAP, &most), EINVAL);
	ASSERT_OK(ioctl(fd, KVM_SET_BOOT_CPU_ID, 3));
	ASSERT_OK(ioctl(fd, KVM_ENABLE_CAP, &most));
	ASSERT_ERRNO(ioctl(fd, KVM_SET_BOOT_CPU_ID, 5), EINVAL);
	close(fd);
	close(device);
}

TESTS = {
	CASE(real_mode),
	CASE(protected_mode),
	CASE(registers_round_trip),
	CASE(the_vmms_breakpoints_survive),
	CASE(xsave_without_a_component),
	CASE(triple_fault_is_shutdown),
	CASE(immediate_exit),
	CASE(interrupt_by_ioctl),
	CASE(interrupt_beside_an_apic),
	CASE(interrupt_through_lint0),
	CASE(nmi_mask_ends_with_iret),
	CASE(init_restarts_the_bsp),
	CASE(an_ap_waits_in_peace),
	CASE(no_eintr_without_a_signal),
	CASE(a_traced_vmm_gets_on),
	CASE(long_mode),
	CASE(own_interrupts_and_timer),
	CASE(mmio_is_an_assist),
	CASE(boot_cpu_is_one_there_can_be),
	TESTS_END
};
