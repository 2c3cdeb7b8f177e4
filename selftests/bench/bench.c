// SPDX-License-Identifier: GPL-2.0-only
/*
 * bench.c - what a guest's requests cost, in ticks of its TSC.
 *
 *	bench [--device PATH] [MEASURE...]
 *
 * Prints `# bench NAME VALUE` for each measure: of ticks the median of many tries, the
 * ticks of the measuring itself taken off; before it, how many tries gave just that, and
 * what the others gave. Under `vepyc run --icount` the TSC counts instructions, of guest
 * and host, and the figures repeat to the last digit. Nothing here asserts a time.
 *
 * A measure takes a request that is filled already: what it counts is the way
 * from VMGEXIT to the guest's next instruction, not the guest's #VC handler.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guest.h"
#include "vm.h"

#define TRIES		255
#define WARM_UP		16

struct shared {
	volatile u64 ticks[TRIES];
	volatile u64 ping, pong, stamp, stop;
};

#define SHARED		((struct shared *)GUEST_SHARED_DATA)
#define VECTOR		0x55
#define PORT		0x3f0

static const u64 window = 1UL << 30;

/* RDTSC, once before and once after: what stands between them is timed. */
#define TIMED(n, statement) do {					\
	u64 begin = rdtsc();						\
	statement;							\
	u64 end = rdtsc();						\
	if ((long)(n) >= 0)						\
		SHARED->ticks[n] = end - begin;				\
} while (0)

#define FOR_EACH_TRY(n) for (long n = -WARM_UP; n < TRIES; n++)

static void nothing(unsigned long cpu)
{
	FOR_EACH_TRY(n)
		TIMED(n, asm volatile("" ::: "memory"));
}

/* --- requests without a way to userspace ------------------------------- */

static void jump_table_get_guest(unsigned long cpu)
{
	union ghcb_page *g = guest_ghcb();

	ghcb_register();
	FOR_EACH_TRY(n) {
		ghcb_begin(g, 0x80000005, 1, 0);
		TIMED(n, vmgexit());
		GUEST_ASSERT_EQ(g->q[GHCB_INFO1], 0);
	}
}

static void msr_cpuid_guest(unsigned long cpu)
{
	FOR_EACH_TRY(n) {
		wrmsr(GHCB_MSR, 0x004);
		TIMED(n, vmgexit());
		GUEST_ASSERT_EQ(rdmsr(GHCB_MSR) & 0xfff, 0x005);
	}
}

static void nae_cpuid_guest(unsigned long cpu)
{
	union ghcb_page *g = guest_ghcb();

	ghcb_register();
	FOR_EACH_TRY(n) {
		ghcb_begin(g, 0x72, 0, 0);
		ghcb_set(g, GHCB_RAX, 0);
		ghcb_set(g, GHCB_RCX, 0);
		TIMED(n, vmgexit());
		GUEST_ASSERT(ghcb_valid(g, GHCB_RBX));
	}
}

static void msr_write(long n, u32 index, u64 value)
{
	union ghcb_page *g = guest_ghcb();

	ghcb_begin(g, 0x7c, 1, 0);
	ghcb_set(g, GHCB_RCX, index);
	ghcb_set(g, GHCB_RAX, (u32)value);
	ghcb_set(g, GHCB_RDX, value >> 32);
	TIMED(n, vmgexit());
	GUEST_ASSERT_EQ(g->q[GHCB_INFO1], 0);
}

static volatile u64 interrupts;

static bool count(struct guest_regs *regs)
{
	interrupts++;
	return true;
}

static void eoi_guest(unsigned long cpu)
{
	x2apic_enable();
	guest_set_handler(VECTOR, count);
	FOR_EACH_TRY(n) {
		u64 before = interrupts;

		x2apic_write(APIC_SELF_IPI, VECTOR);
		sti();
		while (interrupts == before)
			cpu_relax();
		cli();
		msr_write(n, 0x80b, 0);
	}
}

/* From the request to the end of the handler, EOI and all that it takes. */
static bool count_and_eoi(struct guest_regs *regs)
{
	interrupts++;
	x2apic_write(APIC_EOI, 0);
	return true;
}

static void self_ipi_guest(unsigned long cpu)
{
	x2apic_enable();
	guest_set_handler(VECTOR, count_and_eoi);
	FOR_EACH_TRY(n) {
		u64 before = interrupts;

		sti();
		TIMED(n, {
			x2apic_write(APIC_SELF_IPI, VECTOR);
			while (interrupts == before)
				cpu_relax();
		});
		cli();
	}
}

/* --- to userspace and back ---------------------------------------------- */

static void port_out_guest(unsigned long cpu)
{
	union ghcb_page *g = guest_ghcb();

	ghcb_register();
	FOR_EACH_TRY(n) {
		ghcb_begin(g, 0x7b, PORT << 16 | 0x40 | 0x200, 0);
		ghcb_set(g, GHCB_RAX, n);
		TIMED(n, vmgexit());
		GUEST_ASSERT_EQ(g->q[GHCB_INFO1], 0);
	}
}

static void port_in_guest(unsigned long cpu)
{
	union ghcb_page *g = guest_ghcb();

	ghcb_register();
	FOR_EACH_TRY(n) {
		ghcb_begin(g, 0x7b, PORT << 16 | 0x40 | 0x200 | 1, 0);
		ghcb_set(g, GHCB_RAX, 0);
		TIMED(n, vmgexit());
		GUEST_ASSERT_EQ(g->q[GHCB_INFO1], 0);
	}
}

static void mmio(u64 event)
{
	union ghcb_page *g = guest_ghcb();

	ghcb_register();
	FOR_EACH_TRY(n) {
		ghcb_begin(g, event, GUEST_MMIO, 8);
		ghcb_set(g, GHCB_SCRATCH, (u64)g + GHCB_BUFFER);
		TIMED(n, vmgexit());
		GUEST_ASSERT_EQ(g->q[GHCB_INFO1], 0);
	}
}

static void mmio_read_guest(unsigned long cpu)
{
	mmio(0x80000001);
}

static void mmio_write_guest(unsigned long cpu)
{
	mmio(0x80000002);
}

/* --- several vCPUs ------------------------------------------------------- */

/* One halts, the other wakes it by an interrupt and halts; and back. */
static void ping_pong_guest(unsigned long cpu)
{
	u64 seen = 0;

	x2apic_enable();
	guest_set_handler(VECTOR, count_and_eoi);
	if (cpu) {
		while (!SHARED->stop) {
			SHARED->ping = 1;
			while (interrupts == seen)
				sti_hlt_cli();
			seen = interrupts;
			x2apic_icr(0, VECTOR);
		}
		return;
	}
	guest_wake_ap(1);
	while (!SHARED->ping)
		cpu_relax();
	FOR_EACH_TRY(n) {
		TIMED(n, {
			x2apic_icr(1, VECTOR);
			while (interrupts == seen)
				sti_hlt_cli();
			seen = interrupts;
		});
	}
}

/* From the write of SIPI to the held AP's first instruction. */
static void sipi_to_held_guest(unsigned long cpu)
{
	if (cpu) {
		for (;;) {
			SHARED->ping++;
			guest_hold_nae();
			SHARED->stamp = rdtsc();
		}
	}
	x2apic_enable();
	guest_wake_ap(1);
	while (!SHARED->ping)
		cpu_relax();
	FOR_EACH_TRY(n) {
		u64 begin, round = SHARED->ping;

		guest_sync(0);		/* the host gives it time to be held */
		SHARED->stamp = 0;
		x2apic_icr(1, ICR_INIT | ICR_LEVEL_ASSERT);
		begin = rdtsc();
		x2apic_icr(1, ICR_STARTUP | 1);
		while (!SHARED->stamp)
			cpu_relax();
		if (n >= 0)
			SHARED->ticks[n] = SHARED->stamp - begin;
		while (SHARED->ping == round)
			cpu_relax();
	}
}

/* --- first touches ------------------------------------------------------- */

static void touch(long n, u64 address)
{
	TIMED(n, (void)*(volatile u64 *)address);
}

/* Each page of a slot of its own, which the host has never mapped. */
static void first_ram_guest(unsigned long cpu)
{
	FOR_EACH_TRY(n)
		touch(n, GUEST_MMIO + (n + WARM_UP) * 4096);
}

/* In holes between slots: each touch is the first of its hole. */
#define HOLE(n)		(GUEST_MMIO + ((n) + WARM_UP) * 0x4000UL)

static void first_mmio_guest(unsigned long cpu)
{
	FOR_EACH_TRY(n) {
		u64 later;

		touch(n, HOLE(n));
		later = rdtsc();
		(void)*(volatile u64 *)HOLE(n);
		later = rdtsc() - later;
		/* Less the #VC and the event that every touch has. */
		if (n >= 0)
			SHARED->ticks[n] -= later;
	}
}

static void read_window_guest(unsigned long cpu)
{
	for (u64 at = 0; at < window; at += 4096)
		(void)*(volatile u64 *)(GUEST_MMIO + at);
}

/* --- the host ------------------------------------------------------------ */

static int compare(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

static u64 median(struct vm *vm)
{
	struct shared *shared = vm_shared(vm, GUEST_SHARED_DATA);
	unsigned int equal = 0;
	u64 ticks[TRIES], median;

	for (unsigned int i = 0; i < TRIES; i++)
		ticks[i] = shared->ticks[i];
	qsort(ticks, TRIES, sizeof(ticks[0]), compare);
	median = ticks[TRIES / 2];
	for (unsigned int i = 0; i < TRIES; i++)
		equal += ticks[i] == median;
	test_note("%u of %u tries took %llu ticks, the others %llu to %llu", equal, TRIES,
		  (unsigned long long)median, (unsigned long long)ticks[0],
		  (unsigned long long)ticks[TRIES - 1]);
	return median;
}

/* Ports and MMIO read as they are: nothing to do. */
static void go_on(struct vcpu *vcpu)
{
	if (vcpu->run->exit_reason != KVM_EXIT_IO && vcpu->run->exit_reason != KVM_EXIT_MMIO)
		FAIL("exit reason %u", vcpu->run->exit_reason);
}

static void run_all(struct vm *vm)
{
	unsigned int i;

	for (i = 0; i < vm->vcpus; i++)
		vm->vcpu[i].on_exit = go_on;
	vm_run(vm);
}

static u64 timed(void (*fn)(unsigned long), unsigned int vcpus)
{
	struct vm *vm = vm_create(fn, &(struct vm_options){ .vcpus = vcpus });
	u64 value;

	run_all(vm);
	value = median(vm);
	vm_free(vm);
	return value;
}

static u64 run_one(void (*guest)(unsigned long))
{
	return timed(guest, 1) - timed(nothing, 1);
}

/*
 * On the one CPU, a thread that is woken may push aside the one that woke it, which then
 * has not halted yet when the answer comes. Whether it does depends on how long each has
 * run so far. Round robin: it waits until the other one halts.
 */
static u64 run_two(void (*guest)(unsigned long))
{
	struct sched_param low = { .sched_priority = 1 }, none = { };
	u64 value;

	ASSERT_OK(sched_setscheduler(0, SCHED_RR, &low));
	value = timed(guest, 2);
	ASSERT_OK(sched_setscheduler(0, SCHED_OTHER, &none));
	return value - timed(nothing, 1);
}

static u64 run_held(void (*guest)(unsigned long))
{
	struct vm *vm = vm_create(guest, &(struct vm_options){ .vcpus = 2 });
	u64 value;

	vcpu_start(&vm->vcpu[1]);
	while (vcpu_run(&vm->vcpu[0]) == UCALL_SYNC)
		usleep(20000);
	vcpu_stop(&vm->vcpu[1]);
	value = median(vm);
	vm_free(vm);
	return value - timed(nothing, 1);
}

static u64 run_ram(void (*guest)(unsigned long))
{
	struct vm *vm = vm_create(guest, NULL);
	u64 size = (TRIES + WARM_UP) * 4096, value;
	void *memory = vm_memory(size);

	madvise(memory, size, MADV_NOHUGEPAGE);
	memset(memory, 1, size);
	vm_add_slot(vm, GUEST_MMIO, size, memory, 0);
	run_all(vm);
	value = median(vm);
	vm_free(vm);
	munmap(memory, size);
	return value - timed(nothing, 1);
}

static u64 run_holes(void (*guest)(unsigned long))
{
	struct vm *vm = vm_create(guest, NULL);
	void *memory = vm_memory(4096);
	u64 value;

	for (long n = -WARM_UP; n < TRIES; n++)
		vm_add_slot(vm, HOLE(n) + 0x2000, 4096, memory, 0);
	run_all(vm);
	value = median(vm);
	vm_free(vm);
	munmap(memory, 4096);
	return value;
}

static u64 run_window(void (*guest)(unsigned long))
{
	struct vm *vm = vm_create(guest, NULL);
	const char *stat = device_is_sevm() ? "npf_exits" : "pf_taken";
	u64 before = vcpu_stat(&vm->vcpu[0], stat), value;

	run_all(vm);
	value = vcpu_stat(&vm->vcpu[0], stat) - before;
	vm_free(vm);
	return value;
}

/*
 * What the host could give out, in pages: free ones, those that wait in its CPUs' lists,
 * and page tables of processes (our own mappings; nested ones are counted elsewhere).
 */
static u64 free_pages(void)
{
	FILE *file = fopen("/proc/zoneinfo", "r");
	u64 value, sum = 0, zones = 0, lists = 0;
	char line[256];

	ASSERT(file);
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, " nr_free_pages %lu", &value) == 1)
			zones++;
		else if (sscanf(line, " count: %lu", &value) == 1)
			lists++;
		else if (sscanf(line, " nr_page_table_pages %lu", &value) != 1)
			continue;
		sum += value;
	}
	fclose(file);
	ASSERT(zones && lists);
	return sum;
}

/* What was freed a moment ago has come back, from RCU and from workqueues. */
static u64 settled(void)
{
	FILE *file = fopen("/proc/sys/vm/compact_memory", "w");

	usleep(200000);
	/* It empties the batches in which pages wait to be put on a list, or off it. */
	ASSERT(file);
	fputs("1", file);
	fclose(file);
	return free_pages();
}

#define VMS 32

/* Bytes of the host that a VM takes besides the guest's memory, before its launch. */
static u64 bytes_of(unsigned int vcpus)
{
	struct vm_options options = { .vcpus = vcpus, .no_launch = true };
	struct vm *vm[VMS];
	u64 before, after;

	/* The first takes what is shared by all. */
	vm_free(vm_create(nothing, &options));
	before = settled();
	for (unsigned int i = 0; i < VMS; i++) {
		vm[i] = vm_create(nothing, &options);
		madvise(vm[i]->memory, GUEST_MEMORY, MADV_DONTNEED);
	}
	after = settled();
	for (unsigned int i = 0; i < VMS; i++)
		vm_free(vm[i]);
	return (before - after) * 4096 / VMS;
}

static u64 vcpu_bytes(void (*guest)(unsigned long))
{
	return (bytes_of(5) - bytes_of(1)) / 4;
}

static u64 vm_bytes(void (*guest)(unsigned long))
{
	return bytes_of(1) - vcpu_bytes(NULL);
}

/* A system call that does nothing: no way to userspace and back is shorter. */
static u64 run_ioctl(void (*guest)(unsigned long))
{
	u64 ticks[2][TRIES], begin;
	int fd = open("/dev/null", O_RDWR);

	ASSERT_OK(fd);
	FOR_EACH_TRY(n) {
		unsigned int i = n < 0 ? 0 : n;

		begin = rdtsc();
		asm volatile("" ::: "memory");
		ticks[0][i] = rdtsc() - begin;
		begin = rdtsc();
		ASSERT_ERRNO(ioctl(fd, 0), ENOTTY);
		ticks[1][i] = rdtsc() - begin;
	}
	close(fd);
	qsort(ticks[0], TRIES, sizeof(u64), compare);
	qsort(ticks[1], TRIES, sizeof(u64), compare);
	return ticks[1][TRIES / 2] - ticks[0][TRIES / 2];
}

#define MEASURE(name, guest, runner)					\
static void name(void)							\
{									\
	test_note("bench %s %llu", #name, (unsigned long long)runner(guest)); \
}

MEASURE(vmgexit_jump_table, jump_table_get_guest, run_one)
MEASURE(vmgexit_msr_cpuid, msr_cpuid_guest, run_one)
MEASURE(vmgexit_cpuid, nae_cpuid_guest, run_one)
MEASURE(vmgexit_eoi, eoi_guest, run_one)
MEASURE(port_out, port_out_guest, run_one)
MEASURE(port_in, port_in_guest, run_one)
MEASURE(mmio_read, mmio_read_guest, run_one)
MEASURE(mmio_write, mmio_write_guest, run_one)
MEASURE(self_ipi, self_ipi_guest, run_one)
MEASURE(ipi_ping_pong, ping_pong_guest, run_two)
MEASURE(sipi_to_held_ap, sipi_to_held_guest, run_held)
MEASURE(first_touch_of_ram, first_ram_guest, run_ram)
MEASURE(first_touch_of_mmio, first_mmio_guest, run_holes)
MEASURE(npf_of_1g_window, read_window_guest, run_window)
MEASURE(bytes_per_vm, NULL, vm_bytes)
MEASURE(bytes_per_vcpu, NULL, vcpu_bytes)
MEASURE(null_ioctl, NULL, run_ioctl)

TESTS = {
	CASE(vmgexit_jump_table),
	CASE(vmgexit_msr_cpuid),
	CASE(vmgexit_cpuid),
	CASE(vmgexit_eoi),
	CASE(port_out),
	CASE(port_in),
	CASE(mmio_read),
	CASE(mmio_write),
	CASE(self_ipi),
	CASE(ipi_ping_pong),
	CASE(sipi_to_held_ap),
	CASE(first_touch_of_ram),
	CASE(first_touch_of_mmio),
	SLOW_CASE(npf_of_1g_window, 3600),
	CASE(bytes_per_vm),
	CASE(bytes_per_vcpu),
	CASE(null_ioctl),		/* of the host, for the floor */
	TESTS_END
};
