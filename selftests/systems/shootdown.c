// SPDX-License-Identifier: GPL-2.0-only
/*
 * shootdown.c - OpenBSD's fast IPIs under a #VC handler: TLB shootdowns between four
 * vCPUs in x2APIC mode, in user and in kernel mode, and what comes in while a CPU
 * is in its #VC handler.
 *
 * The entries are in shootdown.S, the #VC and NMI handlers in shootdown-vc.c.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "shootdown.h"
#include "vm.h"

#define PAIR_IPIS	10000
#define ALL_ROUNDS	100	/* of each CPU, all at once */

/* --- what is shot down ------------------------------------------------------- */

#define VA		0x1800000UL	/* 2 MiB of 4 KiB pages in place of one of 2 MiB */
#define PT		((volatile u64 *)GUEST_PRIVATE_DATA)
#define FRAME(page, n)	(GUEST_PRIVATE_DATA + 0x1000UL * (1 + 2 * (page) + (n)))
#define PAGES		8

/* Each kind has its pages. */
static const struct kind {
	u8 vector, first, count;
} kinds[] = {
	{ VECTOR_INVLPG, 0, 1 },
	{ VECTOR_INVLRANGE, 1, 4 },
	{ VECTOR_INVLTLB, 5, 3 },
};

#define KINDS	(sizeof(kinds) / sizeof(kinds[0]))

struct user users[CPUS];
static volatile u64 user_stacks[CPUS][512] __attribute__((aligned(16)));

static struct {
	volatile u64 sender, vector, version, round;
	volatile u64 acked[KINDS];	/* the newest version that all must see */
	u64 frame[PAGES];		/* 0 or 1: the one mapped */
	u64 rounds[CPUS];
} shot;

static struct {
	volatile u64 taken, in_user, last;
} pairs[CPUS][CPUS];			/* [sender][target] */

/* The first thing that went wrong where nobody could say so. */
static struct {
	volatile u64 lock, valid;
	const char *volatile what;
	volatile u64 a, b;
} fault;

static volatile u64 up, gates_ready, barrier_in[16], phase_done;

static void set_fault(const char *what, u64 a, u64 b)
{
	if (__sync_lock_test_and_set(&fault.lock, 1))
		return;
	fault.what = what;
	fault.a = a;
	fault.b = b;
	fault.valid = 1;
}

void check_fault(void)
{
	if (fault.valid)
		guest_fail(__FILE__, __LINE__, fault.what, fault.a, fault.b);
}

static u64 page_value(unsigned int page)
{
	return *(volatile u64 *)(VA + page * 0x1000UL);
}

/* In the fast handler, after the invalidation, on the GS of what it interrupted. */
void on_shootdown(struct frame *frame, u64 vector)
{
	u64 cpu = this_cpu(), sender = shot.sender, round = shot.round, gs, i;
	bool user = frame->cs & 3;
	const struct kind *k;

	asm volatile("mov %%gs:0, %0" : "=r"(gs));
	if (gs != (user ? (u64)&users[cpu] : (u64)&guest_cpus[cpu]))
		set_fault("GS after EOI: CPU, GS", cpu, gs);
	if (shot.vector != vector)
		set_fault("IPI of another kind: sent, taken", shot.vector, vector);
	if (pairs[sender][cpu].last + 1 != round)
		set_fault("IPI out of turn: last, this", pairs[sender][cpu].last, round);
	pairs[sender][cpu].last = round;
	pairs[sender][cpu].taken++;
	pairs[sender][cpu].in_user += user;
	for (k = kinds; k->vector != vector; k++)
		;
	for (i = k->first; i < k->first + k->count; i++)
		if (page_value(i) != shot.version)
			set_fault("old page after its shootdown: sees, due",
				  page_value(i), shot.version);
}

/* tlb_shoot_wait is the lock: the last target to answer gives it back. */
static void shoot(u64 me, unsigned int kind)
{
	const struct kind *k = &kinds[kind];
	u64 i, version;

	while (!__sync_bool_compare_and_swap(&tlb_shoot_wait, 0, CPUS - 1))
		while (tlb_shoot_wait)
			cpu_relax();
	version = shot.version + 1;
	for (i = k->first; i < k->first + k->count; i++) {
		u64 frame = FRAME(i, shot.frame[i] ^= 1);

		*(volatile u64 *)frame = version;
		PT[i] = frame | 7 | guest_cbit;
	}
	shot.sender = me;
	shot.round = ++shot.rounds[me];
	shot.vector = k->vector;
	shot.version = version;
	tlb_shoot_addr1 = VA + k->first * 0x1000UL;
	tlb_shoot_addr2 = tlb_shoot_addr1 + k->count * 0x1000UL;
	for (i = 0; i < CPUS; i++)
		if (i != me)
			x2apic_icr(i, k->vector);
	for (i = k->first; i < k->first + k->count; i++)
		asm volatile("invlpg (%0)" :: "r"(VA + i * 0x1000) : "memory");
	/* Another one's may have begun by then: only that ours is over counts. */
	while (tlb_shoot_wait && shot.version == version) {
		cpu_relax();
		check_fault();
	}
	check_fault();
	if (shot.acked[kind] < version)
		shot.acked[kind] = version;
}

/* --- user mode ---------------------------------------------------------------- */

static u64 cpuid_max;

/* Registers must survive what comes in. */
static bool registers_survive(void)
{
	u64 bad;

	asm volatile("mov $0x1111, %%rax; mov $0x2222, %%rcx; mov $0x3333, %%rdx\n\t"
		     "mov $0x4444, %%rsi; mov $0x5555, %%rdi; mov $0x6666, %%r8\n\t"
		     "mov $0x7777, %%r9; mov $0x8888, %%r10; mov $0x9999, %%r11\n\t"
		     "mov $0xaaaa, %%r12; mov $100, %%r13; stc\n\t"
		     "1: dec %%r13; jnz 1b; jnc 2f\n\t"
		     "cmp $0x1111, %%rax; jne 2f; cmp $0x2222, %%rcx; jne 2f\n\t"
		     "cmp $0x3333, %%rdx; jne 2f; cmp $0x4444, %%rsi; jne 2f\n\t"
		     "cmp $0x5555, %%rdi; jne 2f; cmp $0x6666, %%r8; jne 2f\n\t"
		     "cmp $0x7777, %%r9; jne 2f; cmp $0x8888, %%r10; jne 2f\n\t"
		     "cmp $0x9999, %%r11; jne 2f; cmp $0xaaaa, %%r12; jne 2f\n\t"
		     "xor %k0, %k0; jmp 3f\n\t"
		     "2: mov $1, %k0\n\t"
		     "3:"
		     : "=b"(bad)
		     :: "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11",
			"r12", "r13", "cc", "memory");
	return !bad;
}

/* Runs until stop is set; loops are counted, the first mistake is kept. */
static void user_step(struct user *u)
{
	static const u8 pages[KINDS] = { 0, 3, 6 };
	unsigned int k;
	u64 gs;

	asm volatile("mov %%gs:0, %0" : "=r"(gs));
	if (gs != (u64)u)
		set_fault("GS in user mode: is, due", gs, (u64)u);
	if (!registers_survive())
		set_fault("registers in user mode", 0, 0);
	for (k = 0; k < KINDS; k++) {
		u64 least = shot.acked[k], value = page_value(pages[k]);

		if (value < least)
			set_fault("old page in user mode: sees, due", value, least);
	}
	u->loops++;
}

static void __attribute__((noreturn)) leave_user(void)
{
	asm volatile("int3");
	__builtin_unreachable();
}

void user_loop(void *arg)
{
	struct user *u = arg;

	while (!u->stop) {
		user_step(u);
		cpu_relax();
	}
	leave_user();
}

/* CPUID is the #VC that user mode may raise. */
void user_cpuid_loop(void *arg)
{
	struct user *u = arg;
	u32 r[4];

	while (!u->stop) {
		user_step(u);
		cpuid(0, 0, r);
		if (r[0] != cpuid_max)
			set_fault("CPUID in user mode: is, due", r[0], cpuid_max);
		cpu_relax();
	}
	leave_user();
}

/* Until something came in, or for a while. */
static void user_once(void *arg)
{
	u64 cpu = (struct user *)arg - users, from, before = 0, now, i = 0;

	for (from = 0; from < CPUS; from++)
		before += pairs[from][cpu].in_user;
	do {
		user_step(arg);
		cpu_relax();
		for (now = 0, from = 0; from < CPUS; from++)
			now += pairs[from][cpu].in_user;
	} while (now == before && i++ < 5000);
	leave_user();
}

static bool on_breakpoint(struct guest_regs *r)
{
	GUEST_ASSERT_EQ(r->cs, GUEST_USER_CS);
	GUEST_ASSERT_EQ(rdmsr(MSR_KERNEL_GS_BASE), (u64)&users[guest_cpu()->index]);
	__builtin_longjmp((void *)users[guest_cpu()->index].kernel_resume, 1);
}

void run_user(u64 cpu, void (*fn)(void *))
{
	struct user *u = &users[cpu];

	u->self = u;
	wrmsr(MSR_KERNEL_GS_BASE, (u64)u);
	if (!__builtin_setjmp((void *)u->kernel_resume))
		enter_user(fn, u, (u64)&user_stacks[cpu][511]);
	check_fault();
}

/* --- four CPUs ----------------------------------------------------------------- */

static bool on_wake(struct guest_regs *r)
{
	x2apic_write(APIC_EOI, 0);
	return true;
}

static void setup_pages(void)
{
	unsigned int i;

	memset((void *)PT, 0, 0x1000);
	for (i = 0; i < PAGES; i++) {
		*(volatile u64 *)FRAME(i, 0) = 0;
		PT[i] = FRAME(i, 0) | 7 | guest_cbit;
	}
	((volatile u64 *)GUEST_PD)[VA >> 21] = (u64)PT | 7 | guest_cbit;
	asm volatile("mov %%cr3, %%rax; mov %%rax, %%cr3" ::: "rax", "memory");
}

/* All four come back from it, with interrupts off. */
void start(u64 cpu)
{
	u32 r[4];
	u64 i;

	machine_setup_cpu(cpu);
	if (cpu) {
		__sync_fetch_and_add(&up, 1);
		while (!gates_ready)
			cpu_relax();
		return;
	}
	cpuid(0, 0, r);
	cpuid_max = r[0];
	guest_set_handler(3, on_breakpoint);
	guest_set_handler(VECTOR_WAKE, on_wake);
	setup_pages();
	for (i = 1; i < CPUS; i++) {
		guest_wake_ap(i);
		while (up < i)
			cpu_relax();
	}
	machine_setup_gates();
	gates_ready = 1;
}

void barrier(unsigned int n, unsigned int cpus)
{
	__sync_fetch_and_add(&barrier_in[n], 1);
	while (barrier_in[n] < cpus)
		cpu_relax();
}

static void check_pairs(u64 ipis)
{
	u64 from, to, in_user = 0;

	check_fault();
	GUEST_ASSERT_EQ(tlb_shoot_wait, 0);
	for (from = 0; from < CPUS; from++) {
		for (to = 0; to < CPUS; to++) {
			GUEST_ASSERT_EQ(pairs[from][to].taken, from == to ? 0 : ipis);
			in_user += pairs[from][to].in_user;
		}
		GUEST_ASSERT_EQ(seen[from].wrong_gs, 0);
		GUEST_ASSERT_EQ(seen[from].vc_depth, 0);
	}
	guest_print("IPIs: %x, of them in user mode: %x", 12 * ipis, in_user);
}

void finish(u64 cpu)
{
	if (!cpu)
		return;
	for (;;)
		guest_hold_nae();
}

static u64 sender_of(u64 phase)
{
	return phase / 3;
}

static u64 user_of(u64 phase)
{
	return (sender_of(phase) + 1 + phase % 3) % CPUS;
}

static u64 rounds_of(u64 phase)
{
	return PAIR_IPIS / 3 + !(phase % 3);
}

/*
 * One sends to the three others: one of them is in user mode, two wait in the
 * kernel, halted. Each CPU sends to each other as often.
 */
static void pairs_guest(unsigned long cpu)
{
	u64 phase, i;

	start(cpu);
	for (phase = 0; phase < 12; phase++) {
		u64 sender = sender_of(phase), user = user_of(phase);

		if (cpu == user) {
			users[cpu].stop = 0;
			users[cpu].loops = 0;
		}
		barrier(phase, CPUS);
		if (cpu == user) {
			run_user(cpu, user_loop);
			sti();
			while (phase_done <= phase)
				cpu_relax();
			cli();
		} else if (cpu != sender) {
			while (phase_done <= phase)
				sti_hlt_cli();
		} else {
			/* It must be there before the first. */
			while (!users[user].loops)
				cpu_relax();
			for (i = 0; i < rounds_of(phase); i++)
				shoot(cpu, i % KINDS);
			users[user].stop = 1;
			phase_done = phase + 1;
			x2apic_icr(0, ICR_OTHERS | VECTOR_WAKE);
		}
	}
	barrier(12, CPUS);
	if (!cpu) {
		check_pairs(PAIR_IPIS);
		for (phase = 0; phase < 12; phase++)
			GUEST_ASSERT_EQ(pairs[sender_of(phase)][user_of(phase)].in_user,
					rounds_of(phase));
	}
	finish(cpu);
}

static void ten_thousand_ipis_per_pair(void)
{
	run_guest(pairs_guest, &(struct vm_options){ .vcpus = CPUS });
}

/* All send, now from the kernel, now back from user mode, and wait for each other. */
static void all_guest(unsigned long cpu)
{
	u64 i;

	start(cpu);
	barrier(0, CPUS);
	for (i = 0; i < ALL_ROUNDS; i++) {
		if ((i + cpu) % 3)
			run_user(cpu, user_once);
		sti();
		shoot(cpu, (i + cpu) % KINDS);
		cli();
	}
	sti();
	barrier(1, CPUS);
	cli();
	if (!cpu)
		check_pairs(ALL_ROUNDS);
	finish(cpu);
}

static void all_shoot_at_once(void)
{
	run_guest(all_guest, &(struct vm_options){ .vcpus = CPUS });
}

#define GUEST_CASE(name)						\
static void name(void)							\
{									\
	run_guest(guest_##name, &(struct vm_options){ .vcpus = CPUS });	\
}

GUEST_CASE(ipis_in_vc)
GUEST_CASE(self_ipis_in_vc)
GUEST_CASE(nmis_in_vc)
GUEST_CASE(nmis_in_every_mode)
GUEST_CASE(nmi_waits_for_nmi_complete)
GUEST_CASE(ipis_and_nmis_at_random)
GUEST_CASE(eoi_without_swapgs)
GUEST_CASE(wbinvd_without_swapgs)

static void deliveries_onto_untouched_stacks(void)
{
	struct vm *vm = vm_create(guest_untouched_stacks, &(struct vm_options){ .vcpus = CPUS });
	u64 size = UNTOUCHED_ROUNDS * 0x2000;
	void *memory = vm_memory(size);

	ASSERT_OK(madvise(memory, size, MADV_NOHUGEPAGE));
	vm_add_slot(vm, UNTOUCHED, size, memory, 0);
	vm_run(vm);
	/* It was as untouched as said; an NMI stack is two pages. */
	if (device_is_sevm())
		ASSERT(vcpu_stat(&vm->vcpu[2], "npf_exits") >= UNTOUCHED_ROUNDS * 4 / 3);
	vm_free(vm);
}

TESTS = {
	SLOW_CASE(ten_thousand_ipis_per_pair, 300),
	SLOW_CASE(all_shoot_at_once, 120),
	CASE(ipis_in_vc),
	CASE(self_ipis_in_vc),
	CASE(nmis_in_vc),
	CASE(nmis_in_every_mode),
	CASE(nmi_waits_for_nmi_complete),
	SLOW_CASE(ipis_and_nmis_at_random, 120),
	CASE(deliveries_onto_untouched_stacks),
	CASE(eoi_without_swapgs),
	CASE(wbinvd_without_swapgs),
	TESTS_END
};
