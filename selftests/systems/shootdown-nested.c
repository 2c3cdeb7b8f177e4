// SPDX-License-Identifier: GPL-2.0-only
/*
 * shootdown-nested.c - IPIs and NMIs that come while their target is in its #VC
 * handler, in a fast IPI, in user mode or in the kernel.
 *
 * CPU 0 directs. CPU 1 raises #VC in the kernel all the time, CPU 2 in user mode;
 * what they are answered must be right whatever came in between.
 */
#include "shootdown.h"

#define SPOT_ROUNDS	10
#define MODE_ROUNDS	30
#define RANDOM_ROUNDS	400

#define KERNEL		1	/* CPU numbers */
#define USER		2
#define OTHER		3

static volatile u64 stop;

static void kernel_victim(void)
{
	u64 n = 0;

	sti();
	while (!stop) {
		u64 masked = 1 << 16 | (0x10 + n++ % 0xe0);

		wrmsr(MSR_X2APIC_LVTT, masked);
		GUEST_ASSERT_EQ(rdmsr(MSR_X2APIC_LVTT), masked);
		cpu_relax();
	}
	cli();
}

/* The director comes back at once, the others when it has stopped them. */
static void victims(u64 cpu, void (*user)(void *))
{
	start(cpu);
	barrier(0, CPUS);
	if (cpu == KERNEL)
		kernel_victim();
	else if (cpu == USER)
		run_user(cpu, user);
	else if (cpu == OTHER)
		while (!stop)
			sti_hlt_cli();
	else
		while (!users[USER].loops)
			cpu_relax();
}

static bool on_done(struct guest_regs *r)
{
	x2apic_write(APIC_EOI, 0);
	return true;
}

static void end(u64 cpu)
{
	u64 i;

	if (!cpu) {
		guest_set_handler(VECTOR_WAKE, on_done);
		stop = 1;
		users[USER].stop = 1;
		x2apic_icr(OTHER, VECTOR_WAKE);
	}
	barrier(1, CPUS);
	if (!cpu) {
		check_fault();
		for (i = 0; i < CPUS; i++) {
			GUEST_ASSERT_EQ(seen[i].wrong_gs, 0);
			GUEST_ASSERT_EQ(seen[i].vc_depth, 0);
			GUEST_ASSERT_EQ(seen[i].nmi_depth, 0);
		}
	}
	finish(cpu);
}

static void wait_plain(u64 cpu, u64 n)
{
	while (seen[cpu].plain < n) {
		cpu_relax();
		check_fault();
	}
	GUEST_ASSERT_EQ(seen[cpu].plain, n);
}

/* Counted, and through: the next one would not nest in it. */
static void wait_nmis(u64 cpu, u64 n)
{
	while (seen[cpu].nmis < n || seen[cpu].nmi_depth) {
		cpu_relax();
		check_fault();
	}
	GUEST_ASSERT_EQ(seen[cpu].nmis, n);
}

/*
 * Long enough for what must not come to come: the CPU has gone on, parked or not.
 * One that halts does not; it would have been woken by then.
 */
static void linger(u64 cpu)
{
	u64 before = knobs[cpu].spins + seen[cpu].vcs + users[cpu].loops;
	bool runs = cpu != OTHER || (knobs[cpu].parked && !knobs[cpu].done);
	unsigned int i;

	for (i = 0; i < 20; i++)
		(void)x2apic_read(APIC_ID);
	while (runs && knobs[cpu].spins + seen[cpu].vcs + users[cpu].loops < before + 200)
		cpu_relax();
}

/* --- the places ----------------------------------------------------------------- */

static const struct spot {
	u64 place, what;
	bool window;		/* interrupts on there */
	bool ipi;		/* in the IPI's own handling: one must come first */
	bool nests;		/* a (further) IPI comes in there */
} spots[] = {
	/* As the original: interrupts are off throughout. */
	{ .place = PLACE_VC_ENTRY },
	{ .place = PLACE_VC_FILLED },
	{ .place = PLACE_VC_ANSWERED },
	/* With interrupts on, and the GHCB saved by who comes in. */
	{ .place = PLACE_VC_ENTRY, .window = true, .nests = true },
	{ .place = PLACE_VC_FILLED, .window = true, .nests = true },
	{ .place = PLACE_VC_ANSWERED, .window = true, .nests = true },
	/* #VC of the EOI: until the host has it, the next IPI waits anyhow. */
	{ PLACE_VC_ENTRY, MSR_X2APIC_EOI, .ipi = true },
	{ PLACE_VC_FILLED, MSR_X2APIC_EOI, .ipi = true },
	{ PLACE_VC_FILLED, MSR_X2APIC_EOI, .ipi = true, .window = true },
	{ PLACE_VC_ANSWERED, MSR_X2APIC_EOI, .ipi = true },
	{ PLACE_VC_ANSWERED, MSR_X2APIC_EOI, .ipi = true, .window = true, .nests = true },
	/* The fast IPI itself, on the GS of what it interrupted. */
	{ PLACE_IPI_ENTRY, 0, .ipi = true },
	{ PLACE_IPI_ACKED, 0, .ipi = true },
};

#define SPOTS	(sizeof(spots) / sizeof(spots[0]))

static bool in_fast_ipi(const struct spot *s)
{
	return s->place == PLACE_IPI_ENTRY || s->place == PLACE_IPI_ACKED;
}

/* Stop the CPU there. */
static void go_to(u64 cpu, const struct spot *s)
{
	u64 what = s->what;

	if (!what && !in_fast_ipi(s))
		what = cpu == USER ? WHAT_CPUID : MSR_X2APIC_LVTT;
	arm(cpu, s->place, what, ACT_WAIT, s->window);
	if (s->ipi)
		x2apic_icr(cpu, VECTOR_PLAIN);
	wait_parked(cpu);
}

static void send_ipi(u64 cpu, const struct spot *s)
{
	u64 before = seen[cpu].plain;

	go_to(cpu, s);
	GUEST_ASSERT_EQ(seen[cpu].plain, before);
	x2apic_icr(cpu, VECTOR_PLAIN);
	if (s->nests) {
		wait_plain(cpu, before + 1);
		GUEST_ASSERT_EQ(seen[cpu].plain_depth, 1);
	} else {
		linger(cpu);
		GUEST_ASSERT_EQ(seen[cpu].plain, before);
	}
	release(cpu);
	wait_plain(cpu, before + 1 + s->ipi);
	if (!s->nests)
		GUEST_ASSERT_EQ(seen[cpu].plain_depth, 0);
}

void guest_ipis_in_vc(unsigned long cpu)
{
	unsigned int i, round;

	victims(cpu, user_cpuid_loop);
	for (i = 0; !cpu && i < SPOTS; i++) {
		for (round = 0; round < SPOT_ROUNDS; round++) {
			send_ipi(KERNEL, &spots[i]);
			send_ipi(USER, &spots[i]);
		}
	}
	if (!cpu) {
		GUEST_ASSERT_EQ(seen[KERNEL].vc_depth_max, 2);
		GUEST_ASSERT_EQ(seen[USER].vc_depth_max, 2);
		GUEST_ASSERT(seen[USER].plain_in_user);
		GUEST_ASSERT_EQ(seen[KERNEL].plain_in_user, 0);
	}
	end(cpu);
}

static void send_nmi(u64 cpu, const struct spot *s)
{
	u64 nmis = seen[cpu].nmis, in_user = seen[cpu].nmis_in_user;
	u64 user_gs = seen[cpu].nmis_under_user_gs, plain = seen[cpu].plain;

	go_to(cpu, s);
	x2apic_icr(cpu, ICR_NMI);
	/* It comes in there, whatever the interrupt flag says. */
	wait_nmis(cpu, nmis + 1);
	GUEST_ASSERT(!knobs[cpu].done);
	GUEST_ASSERT_EQ(seen[cpu].nmis_in_user, in_user);
	GUEST_ASSERT_EQ(seen[cpu].nmis_under_user_gs,
			user_gs + (cpu == USER && in_fast_ipi(s)));
	/* NMI complete has opened the window again: so does the next. */
	x2apic_icr(cpu, ICR_NMI);
	wait_nmis(cpu, nmis + 2);
	release(cpu);
	wait_plain(cpu, plain + s->ipi);
	GUEST_ASSERT_EQ(seen[cpu].nmis, nmis + 2);
}

void guest_nmis_in_vc(unsigned long cpu)
{
	unsigned int i, round;

	victims(cpu, user_cpuid_loop);
	for (i = 0; !cpu && i < SPOTS; i++) {
		for (round = 0; round < SPOT_ROUNDS; round++) {
			send_nmi(KERNEL, &spots[i]);
			send_nmi(USER, &spots[i]);
		}
	}
	if (!cpu) {
		linger(KERNEL);
		linger(USER);
		GUEST_ASSERT_EQ(seen[KERNEL].nmis, 2 * SPOTS * SPOT_ROUNDS);
		GUEST_ASSERT_EQ(seen[USER].nmis, 2 * SPOTS * SPOT_ROUNDS);
		/* The NMI handler's own #VC, on top of one or of an EOI's */
		GUEST_ASSERT_EQ(seen[KERNEL].vc_depth_max, 2);
	}
	end(cpu);
}

/* --- to itself -------------------------------------------------------------------- */

static void self(u64 place, u64 action, bool window)
{
	u64 plain = seen[0].plain, nmis = seen[0].nmis, value = 1 << 16 | 0x77;

	sti();
	arm(0, place, MSR_X2APIC_LVTT, action, window);
	wrmsr(MSR_X2APIC_LVTT, value);
	if (action == ACT_SELF_NMI) {
		wait_nmis(0, nmis + 1);
	} else {
		wait_plain(0, plain + 1);
		GUEST_ASSERT_EQ(seen[0].plain_depth, window);
	}
	GUEST_ASSERT_EQ(rdmsr(MSR_X2APIC_LVTT), value);
	wrmsr(MSR_X2APIC_LVTT, 1 << 16);
	/* The read's answer is the one at stake. */
	arm(0, place, MSR_X2APIC_LVTT, action, window);
	GUEST_ASSERT_EQ(rdmsr(MSR_X2APIC_LVTT), 1 << 16);
	if (action == ACT_SELF_NMI)
		wait_nmis(0, nmis + 2);
	else
		wait_plain(0, plain + 2);
	cli();
	GUEST_ASSERT_EQ(seen[0].vc_depth, 0);
}

void guest_self_ipis_in_vc(unsigned long cpu)
{
	unsigned int round;
	u64 place;

	start(cpu);
	finish(cpu);
	for (round = 0; round < SPOT_ROUNDS; round++) {
		for (place = PLACE_VC_ENTRY; place <= PLACE_VC_ANSWERED; place++) {
			self(place, ACT_SELF_IPI, false);
			self(place, ACT_SELF_IPI, true);
			self(place, ACT_SELF_NMI, false);
		}
	}
	GUEST_ASSERT_EQ(seen[0].plain, 3 * 2 * 2 * SPOT_ROUNDS);
	GUEST_ASSERT_EQ(seen[0].nmis, 3 * 2 * SPOT_ROUNDS);
	GUEST_ASSERT_EQ(seen[0].wrong_gs, 0);
}

/* --- NMIs ------------------------------------------------------------------------- */

void guest_nmis_in_every_mode(unsigned long cpu)
{
	u64 i, to;

	victims(cpu, user_loop);
	for (to = KERNEL; !cpu && to <= OTHER; to++) {
		for (i = 1; i <= MODE_ROUNDS; i++) {
			x2apic_icr(to, ICR_NMI);
			wait_nmis(to, i);
			/* Else the next may find it on its way back from this one. */
			linger(to);
		}
	}
	if (!cpu) {
		for (to = KERNEL; to <= OTHER; to++)
			GUEST_ASSERT_EQ(seen[to].nmis, MODE_ROUNDS);
		GUEST_ASSERT_EQ(seen[KERNEL].nmis_in_user, 0);
		GUEST_ASSERT_EQ(seen[USER].nmis_in_user, MODE_ROUNDS);
		GUEST_ASSERT_EQ(seen[OTHER].nmis_in_user, 0);
	}
	end(cpu);
}

/*
 * While one NMI is being handled no other comes in, and of all that are sent one
 * is kept, until NMI complete is said.
 */
void guest_nmi_waits_for_nmi_complete(unsigned long cpu)
{
	u64 i, to, n = 0;

	victims(cpu, user_cpuid_loop);
	for (i = 0; !cpu && i < MODE_ROUNDS; i++) {
		for (to = KERNEL; to <= OTHER; to++) {
			arm(to, PLACE_NMI, 0, ACT_WAIT, false);
			x2apic_icr(to, ICR_NMI);
			wait_parked(to);
			x2apic_icr(to, ICR_NMI);
			x2apic_icr(to, ICR_NMI);
			linger(to);
			GUEST_ASSERT_EQ(seen[to].nmis, n);
			GUEST_ASSERT_EQ(seen[to].nmi_depth, 1);
			release(to);
			wait_nmis(to, n + 2);
			linger(to);
			GUEST_ASSERT_EQ(seen[to].nmis, n + 2);
		}
		n += 2;
	}
	end(cpu);
}

/* --- all of it --------------------------------------------------------------------- */

void guest_ipis_and_nmis_at_random(unsigned long cpu)
{
	u64 i, to;

	start(cpu);
	barrier(0, CPUS);
	for (i = 1; i <= RANDOM_ROUNDS && (!cpu || cpu == OTHER); i++) {
		for (to = KERNEL; to <= USER; to++) {
			if (cpu)
				x2apic_icr(to, ICR_NMI);
			else
				x2apic_icr(to, VECTOR_PLAIN);
		}
		for (to = KERNEL; to <= USER; to++) {
			if (cpu)
				wait_nmis(to, i);
			else
				wait_plain(to, i);
		}
	}
	if (cpu == KERNEL)
		kernel_victim();
	else if (cpu == USER)
		run_user(cpu, user_cpuid_loop);
	else
		barrier(2, 2);
	if (!cpu) {
		for (to = KERNEL; to <= USER; to++) {
			linger(to);
			GUEST_ASSERT_EQ(seen[to].plain, RANDOM_ROUNDS);
			GUEST_ASSERT_EQ(seen[to].nmis, RANDOM_ROUNDS);
		}
		GUEST_ASSERT(seen[USER].nmis_in_user);
		GUEST_ASSERT(seen[USER].plain_in_user);
	}
	end(cpu);
}

/*
 * The first that touches a stack is the delivery of an IPI, a #VC or an NMI: the host
 * has no page there yet, and gets an exit in the middle of it.
 */
static void on_untouched_stack(u64 cpu, u64 round)
{
	static volatile u64 ready, over;
	u64 top = UNTOUCHED + round * 0x2000 + 0x1000;
	unsigned int kind = round % 3;
	u64 plain = seen[USER].plain, nmis = seen[USER].nmis;

	if (cpu == USER) {
		machine_set_stacks(cpu, kind == 2 ? 0 : top, kind == 2 ? top : 0);
		users[cpu].stop = 0;
		users[cpu].loops = 0;
		ready = round + 1;
		run_user(cpu, kind == 1 ? user_cpuid_loop : user_loop);
		machine_set_stacks(cpu, 0, 0);
		over = round + 1;
		return;
	}
	/* A second loop is begun only when the first CPUID has been answered. */
	while (ready <= round || users[USER].loops < 2)
		cpu_relax();
	if (kind == 0) {
		x2apic_icr(USER, VECTOR_PLAIN);
		wait_plain(USER, plain + 1);
	} else if (kind == 2) {
		x2apic_icr(USER, ICR_NMI);
		wait_nmis(USER, nmis + 1);
		GUEST_ASSERT_EQ(seen[USER].nmis_in_user, seen[USER].nmis);
	}
	users[USER].stop = 1;
	while (over <= round)
		cpu_relax();
	GUEST_ASSERT_EQ(seen[USER].plain, plain + (kind == 0));
	GUEST_ASSERT_EQ(seen[USER].nmis, nmis + (kind == 2));
	GUEST_ASSERT_EQ(seen[USER].plain_in_user, seen[USER].plain);
}

void guest_untouched_stacks(unsigned long cpu)
{
	u64 i;

	start(cpu);
	for (i = 0; i < UNTOUCHED_ROUNDS && (!cpu || cpu == USER); i++)
		on_untouched_stack(cpu, i);
	end(cpu);
}

/* #VC on a user's GS: each time that user mode is interrupted, and only then. */
static void meet_wrong_gs(u64 cpu, u64 vector)
{
	u64 i, to;

	tolerate_wrong_gs = 1;
	victims(cpu, user_loop);
	for (i = 1; !cpu && i <= MODE_ROUNDS; i++) {
		for (to = KERNEL; to <= USER; to++) {
			x2apic_icr(to, vector);
			wait_plain(to, i);
		}
	}
	if (!cpu) {
		GUEST_ASSERT_EQ(seen[KERNEL].wrong_gs, 0);
		GUEST_ASSERT_EQ(seen[USER].wrong_gs, MODE_ROUNDS);
		seen[USER].wrong_gs = 0;
	}
	end(cpu);
}

/* The mistake that the original's change is about: the EOI as it was. */
void guest_eoi_without_swapgs(unsigned long cpu)
{
	fast_eoi = x2apic_eoi;
	meet_wrong_gs(cpu, VECTOR_PLAIN);
}

/* And one that it leaves: with the right EOI, WBINVD meets the same. */
void guest_wbinvd_without_swapgs(unsigned long cpu)
{
	meet_wrong_gs(cpu, VECTOR_WBINVD);
}
