// SPDX-License-Identifier: GPL-2.0-only
/*
 * mp_state.c - what a vCPU does when it does not run: it was never started,
 * halts, is held, or waits for SIPI.
 *
 * The table below is the whole machine, but for what userspace sets and what comes to
 * a stopped vCPU (ipi.c drops it). The code does what it says: an event
 * finds its first row whose states and conditions hold. docs/ap.md has it as a
 * picture, made from these lines by tools/ap-states. Beside it a vCPU may be
 * stopped by the guest (the AP bring-up page): as in Xen that is no state but a
 * bit, because others stop and start a vCPU at any moment, and what it was doing
 * (running, halted, held) goes on where it was.
 *
 * vcpu->mp is written here and in mp_state.h alone, but for the bits of INIT and SIPI, which kick.h
 * sets in mp.events. The state belongs to the vCPU's own thread, or to whoever
 * holds vcpu->mutex; what others ask for is a bit of mp.events until that thread
 * takes it.
 *
 * Invariants: a vCPU whose state is not RUNNABLE, or that is stopped, executes no
 * instruction. A reset hold is ended by the pair of INIT and SIPI, by the bring-up
 * page or by the VMM, never by an interrupt: firmware jumps through the AP jump table
 * after one VMGEXIT and does not look at the result.
 */
#include <asm/processor-flags.h>

#include <linux/sevm.h>

#include "mp_state.h"
#include "run.h"
#include "svm/kick.h"
#include "svm/trace.h"
#include "svm/cpu/vmcb.h"
#include "svm/irq/event.h"

enum mp_event {
	EVENT_HALT,		/* HLT */
	EVENT_WAKE,		/* an interrupt or NMI that may be delivered */
	EVENT_HOLD,		/* AP reset hold, by the GHCB page or by its MSR */
	EVENT_INIT,
	EVENT_SIPI,
	EVENT_START,		/* the bring-up page's "up", to a vCPU that waits */
};

/* Conditions */
#define IS_BSP		BIT(0)
#define IS_HELD		BIT(1)	/* a reset hold is not answered yet: mp.hold */
#define NO_WAIT		BIT(2)	/* no local APIC and no page: only userspace could end a hold */
#define EARLY_SIPI	BIT(3)	/* its INIT and SIPI came before the hold: mp.early_sipi */
#define HAS_RUN		BIT(4)	/* and is protected: it cannot be made to start over */
#define WAS_HALTED	BIT(5)	/* when the INIT came, with paging on */

#define STATE(name)	BIT(KVM_MP_STATE_##name)
#define ANY		(~0U)
#define WAITING		(STATE(AP_RESET_HOLD) | STATE(INIT_RECEIVED))
#define SAME		0xff
#define ROWS		5	/* of an event, at most */

static void init(struct sevm_vcpu *vcpu);
static void start(struct sevm_vcpu *vcpu);
static void end_hold(struct sevm_vcpu *vcpu);
static void note_early_sipi(struct sevm_vcpu *vcpu);

struct transition {
	u32 from;		/* states, as bits */
	u32 when;		/* conditions that must all hold */
	u8 to;			/* KVM_MP_STATE_* */
	u8 trace;		/* enum sevm_ap_change */
	void (*act)(struct sevm_vcpu *vcpu);	/* before the state changes */
};

#define ROW(from, when, to, act, trace)	{ from, when, to, SEVM_AP_##trace, act }
#define TO(name)	KVM_MP_STATE_##name

/* state | condition | new state | what is done | trace; and below it what the guest sees */
static const struct transition table[][ROWS] = {
	[EVENT_HALT] = {
		ROW(STATE(RUNNABLE), 0, TO(HALTED), NULL, SILENT),
		/* it sleeps; without a local APIC here: KVM_EXIT_HLT, and it runs on */
	},
	[EVENT_WAKE] = {
		ROW(STATE(HALTED), 0, TO(RUNNABLE), NULL, SILENT),
		/* HLT ends, and the interrupt is delivered */
	},
	[EVENT_HOLD] = {
		ROW(STATE(RUNNABLE), EARLY_SIPI, TO(RUNNABLE), end_hold, GOES_ON_EARLY),
		/* the request is answered at once: by SIPI */
		ROW(STATE(RUNNABLE), NO_WAIT, TO(RUNNABLE), NULL, SILENT),
		/* KVM_EXIT_AP_RESET_HOLD; the next KVM_RUN answers: not by SIPI */
		ROW(STATE(RUNNABLE), 0, TO(AP_RESET_HOLD), NULL, SILENT),
		/* the request is not answered yet; interrupts and NMIs stay pending */
	},
	[EVENT_INIT] = {
		ROW(ANY, IS_HELD, TO(INIT_RECEIVED), init, INIT_HELD),
		/* nothing: the hold stays; so it is for the boot CPU, too */
		ROW(ANY, IS_BSP, TO(RUNNABLE), init, INIT_RUNS),
		/* plain: it starts at the reset vector; protected: it runs on */
		ROW(ANY, 0, TO(INIT_RECEIVED), init, INIT_WAITS),
		/* it stands still */
	},
	[EVENT_SIPI] = {
		ROW(STATE(INIT_RECEIVED), IS_HELD, TO(RUNNABLE), end_hold, GOES_ON),
		/* the hold ends in the form it was asked for: by SIPI */
		ROW(STATE(INIT_RECEIVED), HAS_RUN | WAS_HALTED, TO(HALTED), note_early_sipi, EARLY),
		/* it goes on halting; its next hold ends as it begins */
		ROW(STATE(INIT_RECEIVED), HAS_RUN, TO(RUNNABLE), note_early_sipi, EARLY),
		/* it runs on where it was; its next hold ends as it begins */
		ROW(STATE(INIT_RECEIVED), 0, TO(RUNNABLE), start, STARTS),
		/* plain: real mode at the vector; protected: the VMSA as it was measured */
		ROW(ANY, 0, SAME, NULL, DROPPED),
		/* nothing: only the pair with an INIT counts */
	},
	[EVENT_START] = {
		ROW(WAITING, IS_HELD, TO(RUNNABLE), end_hold, GOES_ON),
		/* the hold ends as by SIPI */
		ROW(WAITING, HAS_RUN | WAS_HALTED, TO(HALTED), note_early_sipi, EARLY),
		/* as by SIPI */
		ROW(WAITING, HAS_RUN, TO(RUNNABLE), note_early_sipi, EARLY),
		/* as by SIPI */
		ROW(WAITING, 0, TO(RUNNABLE), start, STARTS),
		/* as by SIPI */
		ROW(ANY, 0, SAME, NULL, SILENT),
		/* nothing: it has been ended meanwhile */
	},
};

static __always_inline bool holds(struct sevm_vcpu *vcpu, u32 when)
{
	const struct sevm_mp *mp = &vcpu->mp;

	if ((when & IS_HELD && !mp->hold) ||
	    (when & IS_BSP && !sevm_vcpu_is_bsp(vcpu)) ||
	    (when & NO_WAIT && (vcpu->apic || vcpu->vm->aps_start_stopped)) ||
	    (when & EARLY_SIPI && !mp->early_sipi) ||
	    (when & HAS_RUN && (vcpu->cpu < 0 || !sevm_vmcb_has_vmsa(vcpu))) ||
	    (when & WAS_HALTED && !mp->was_halted))
		return false;
	return true;
}

static void set_state(struct sevm_vcpu *vcpu, u32 state)
{
	/* Others look whether it waits: sevm_mp_state_is_up(). */
	WRITE_ONCE(vcpu->mp.state, state);
}

static __always_inline bool fits(struct sevm_vcpu *vcpu, const struct transition *t)
{
	return t->from & BIT(vcpu->mp.state) && holds(vcpu, t->when);
}

/* False: the state is what it was. */
static __always_inline bool take(struct sevm_vcpu *vcpu, const struct transition *t)
{
	u32 old = vcpu->mp.state;

	if (t->act)
		t->act(vcpu);
	if (t->to != SAME)
		set_state(vcpu, t->to);
	if (t->trace)
		trace_sevm_ap(vcpu, t->trace);
	return t->to != SAME && t->to != old;
}

/*
 * An event takes its first row that fits. No loop, so that the compiler leaves of each
 * row only the tests and the direct call that it asks for.
 */
static __always_inline bool step(struct sevm_vcpu *vcpu, const enum mp_event event)
{
	const struct transition *t = table[event];

	BUILD_BUG_ON(ARRAY_SIZE(table[0]) != 5);
	return fits(vcpu, t) ? take(vcpu, t) :
	       fits(vcpu, t + 1) ? take(vcpu, t + 1) :
	       fits(vcpu, t + 2) ? take(vcpu, t + 2) :
	       fits(vcpu, t + 3) ? take(vcpu, t + 3) :
	       fits(vcpu, t + 4) && take(vcpu, t + 4);
}

/* ---- What is done ---- */

/*
 * A second INIT takes back the early SIPI of the first, and does not hide that the
 * vCPU was halted before that.
 *
 * One that halts with paging on goes on halting: after a kexec the APs halt in the
 * memory of a kernel that is no more, and the next instruction there would be the
 * guest's last. Without paging it is firmware that waits for this very SIPI.
 */
static void init(struct sevm_vcpu *vcpu)
{
	struct sevm_mp *mp = &vcpu->mp;

	mp->early_sipi = false;
	if (mp->state != KVM_MP_STATE_INIT_RECEIVED)
		mp->was_halted = mp->state == KVM_MP_STATE_HALTED && vcpu->cr0 & X86_CR0_PG;
	sevm_vcpu_reset(vcpu, true);
}

static void start(struct sevm_vcpu *vcpu)
{
	vcpu->mp.was_halted = false;
	/* The vector was written before the bit of the SIPI. */
	vcpu->vm->protect->start_ap(vcpu, READ_ONCE(vcpu->sipi_vector));
}

/*
 * Linux reports its AP dead before the AP asks to be held, and may bring it up again
 * at once. Such a vCPU cannot be made to start over, but its next hold is what the
 * guest meant. One pair of INIT and SIPI ends one hold, and only the pair does: of
 * INIT-SIPI-SIPI, as Linux and OVMF send it, the second SIPI is dropped. Were it
 * remembered instead, the AP that OVMF parks for good at ExitBootServices would jump
 * through a table that is still empty.
 */
static void note_early_sipi(struct sevm_vcpu *vcpu)
{
	vcpu->mp.early_sipi = true;
	vcpu->mp.was_halted = false;
}

static void end_hold(struct sevm_vcpu *vcpu)
{
	vcpu->vm->protect->complete_hold(vcpu, vcpu->mp.hold);
	vcpu->mp.hold = SEVM_AP_HOLD_NONE;
	vcpu->mp.early_sipi = false;
	sevm_count(vcpu, ap_wakes);
}

/* ---- The guest's own requests ---- */

void sevm_mp_state_halt(struct sevm_vcpu *vcpu)
{
	step(vcpu, EVENT_HALT);
}

bool sevm_mp_state_hold(struct sevm_vcpu *vcpu, u32 kind)
{
	vcpu->mp.hold = kind;
	sevm_count(vcpu, ap_holds);
	trace_sevm_ap(vcpu, kind == SEVM_AP_HOLD_MSR ? SEVM_AP_HELD_MSR : SEVM_AP_HELD_NAE);
	step(vcpu, EVENT_HOLD);
	return vcpu->mp.hold;
}

/* ---- What others asked for ---- */

/* Would an INIT or SIPI that has arrived change anything? */
static bool has_init_sipi(struct sevm_vcpu *vcpu)
{
	int events = atomic_read(&vcpu->mp.events);

	return events & SEVM_MP_INIT ||
	       (events & SEVM_MP_SIPI && vcpu->mp.state == KVM_MP_STATE_INIT_RECEIVED);
}

/*
 * Both are taken at once: a SIPI that follows its INIT closely is in the same word,
 * or stays for the next round.
 */
static __always_inline bool take_init_sipi(struct sevm_vcpu *vcpu)
{
	int events = atomic_fetch_andnot(SEVM_MP_INIT | SEVM_MP_SIPI, &vcpu->mp.events);
	bool changed = false;

	if (events & SEVM_MP_INIT) {
		step(vcpu, EVENT_INIT);
		changed = true;
	}
	if (events & SEVM_MP_SIPI && step(vcpu, EVENT_SIPI)) {
		sevm_count(vcpu, sipis);
		changed = true;
	}
	return changed;
}

static bool waits(struct sevm_vcpu *vcpu)
{
	return BIT(READ_ONCE(vcpu->mp.state)) & WAITING;
}

static bool take_start(struct sevm_vcpu *vcpu)
{
	bool changed = step(vcpu, EVENT_START);

	/* The state before the bit: sevm_mp_state_is_up() reads them the other way round. */
	smp_mb__before_atomic();
	atomic_andnot(SEVM_MP_START, &vcpu->mp.events);
	return changed;
}

static noinline bool take_events(struct sevm_vcpu *vcpu)
{
	int events = atomic_read(&vcpu->mp.events);
	bool changed = false;

	if (events & (SEVM_MP_INIT | SEVM_MP_SIPI))
		changed = take_init_sipi(vcpu);
	if (events & SEVM_MP_START)
		changed |= take_start(vcpu);
	return changed;
}

/* ---- KVM_RUN ---- */

/* A held vCPU has but INIT, SIPI and "up"; those come with a request. */
static bool wakes(struct sevm_vcpu *vcpu)
{
	if (sevm_vcpu_has_requests(vcpu) || has_init_sipi(vcpu))
		return true;
	return vcpu->mp.state == KVM_MP_STATE_HALTED && sevm_event_wakes(vcpu);
}

static noinline void sleep(struct sevm_vcpu *vcpu)
{
	/* A signal is seen at the top of KVM_RUN's loop. */
	wait_event_interruptible(vcpu->wait, wakes(vcpu));
	if (vcpu->mp.state == KVM_MP_STATE_HALTED && sevm_event_wakes(vcpu))
		step(vcpu, EVENT_WAKE);
}

bool sevm_mp_state_settle(struct sevm_vcpu *vcpu)
{
	if (atomic_read(&vcpu->mp.events) && take_events(vcpu))
		return true;
	if (vcpu->mp.state == KVM_MP_STATE_RUNNABLE && !sevm_vcpu_is_stopped(vcpu))
		return false;
	sleep(vcpu);
	return true;
}

void sevm_mp_state_wait_for_init(struct sevm_vcpu *vcpu)
{
	wait_event_interruptible(vcpu->wait, has_init_sipi(vcpu) || READ_ONCE(vcpu->vm->dead));
	take_events(vcpu);
}

/* ---- Stopped and started by the bring-up page ---- */

/* A start that the vCPU has not seen yet counts: up from then on, until it waits again. */
bool sevm_mp_state_is_up(struct sevm_vcpu *vcpu)
{
	bool starts = atomic_read(&vcpu->mp.events) & SEVM_MP_START;

	/* The bit before the state: see take_start(). */
	smp_rmb();
	return !sevm_vcpu_is_stopped(vcpu) && (starts || !waits(vcpu));
}

bool sevm_mp_state_stop(struct sevm_vcpu *vcpu)
{
	struct sevm_vm *vm = vcpu->vm;
	struct sevm_vcpu *other;
	bool others = false;
	unsigned long i;

	/* Two that stop themselves at once must not both find the other up. */
	spin_lock(&vm->stop_lock);
	sevm_for_each_vcpu(i, other, vm)
		others |= other != vcpu && sevm_mp_state_is_up(other);
	if (others) {
		/* Before somebody can start it again. */
		trace_sevm_ap(vcpu, SEVM_AP_STOPPED);
		atomic_or(SEVM_MP_STOPPED, &vcpu->mp.events);
	}
	spin_unlock(&vm->stop_lock);
	if (!others)
		return false;

	sevm_vcpu_request(vcpu, SEVM_REQ_EVENT);
	sevm_vcpu_wait_outside(vcpu);
	return true;
}

bool sevm_mp_state_start(struct sevm_vcpu *vcpu)
{
	bool stopped = atomic_fetch_andnot(SEVM_MP_STOPPED, &vcpu->mp.events) & SEVM_MP_STOPPED;
	bool started = waits(vcpu) &&
		       !(atomic_fetch_or(SEVM_MP_START, &vcpu->mp.events) & SEVM_MP_START);

	if (!stopped && !started)
		return false;
	trace_sevm_ap(vcpu, SEVM_AP_STARTED);
	sevm_vcpu_request(vcpu, SEVM_REQ_EVENT);
	return true;
}

/* ---- Userspace ---- */

/* What the VMM says replaces all that came before. */
static void set_stopped(struct sevm_vcpu *vcpu, bool stopped)
{
	int old = atomic_read(&vcpu->mp.events), new;

	/* In one step: a start by another vCPU comes before it or after it. */
	do {
		new = (old & ~(SEVM_MP_START | SEVM_MP_STOPPED)) | (stopped ? SEVM_MP_STOPPED : 0);
	} while (!atomic_try_cmpxchg(&vcpu->mp.events, &old, new));
}

void sevm_mp_state_create(struct sevm_vcpu *vcpu)
{
	bool is_ap = !sevm_vcpu_is_bsp(vcpu), stopped = vcpu->vm->aps_start_stopped;

	set_state(vcpu, vcpu->apic && is_ap && !stopped ? KVM_MP_STATE_UNINITIALIZED :
							  KVM_MP_STATE_RUNNABLE);
	set_stopped(vcpu, is_ap && stopped);
}

u32 sevm_mp_state_get(struct sevm_vcpu *vcpu)
{
	/* What has arrived counts, even if the vCPU has not run since. */
	take_events(vcpu);
	return sevm_vcpu_is_stopped(vcpu) ? KVM_MP_STATE_STOPPED : vcpu->mp.state;
}

static bool may_be_set(struct sevm_vcpu *vcpu, u32 state)
{
	u32 legal = STATE(RUNNABLE);

	if (vcpu->apic)
		legal |= STATE(HALTED) | STATE(INIT_RECEIVED) | STATE(SIPI_RECEIVED) |
			 STATE(AP_RESET_HOLD);
	/* With the page, stopped is what a vCPU is that has not been started. */
	if (vcpu->vm->aps_start_stopped)
		legal |= STATE(STOPPED) | STATE(AP_RESET_HOLD);
	else if (vcpu->apic)
		legal |= STATE(UNINITIALIZED);
	return state < BITS_PER_TYPE(legal) && legal & BIT(state);
}

int sevm_mp_state_set(struct sevm_vcpu *vcpu, u32 state)
{
	if (!may_be_set(vcpu, state))
		return -EINVAL;

	if (state == KVM_MP_STATE_SIPI_RECEIVED) {
		set_state(vcpu, KVM_MP_STATE_INIT_RECEIVED);
		atomic_or(SEVM_MP_SIPI, &vcpu->mp.events);
	} else if (state == KVM_MP_STATE_STOPPED) {
		/* It does not say what was stopped; the kind of a hold does. */
		set_state(vcpu, vcpu->mp.hold ? KVM_MP_STATE_AP_RESET_HOLD :
						KVM_MP_STATE_RUNNABLE);
	} else {
		set_state(vcpu, state);
	}
	/* The state first: who starts a stopped vCPU has to see that it is held. */
	set_stopped(vcpu, state == KVM_MP_STATE_STOPPED);
	sevm_vcpu_request(vcpu, SEVM_REQ_EVENT);
	return 0;
}

int sevm_mp_state_set_hold(struct sevm_vcpu *vcpu, u32 kind)
{
	if (kind > SEVM_AP_HOLD_MSR)
		return -EINVAL;
	vcpu->mp.hold = kind;
	/* That it is stopped is all that the VMM could set. */
	if (kind && sevm_vcpu_is_stopped(vcpu))
		set_state(vcpu, KVM_MP_STATE_AP_RESET_HOLD);
	return 0;
}
