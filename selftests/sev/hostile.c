// SPDX-License-Identifier: GPL-2.0-only
/*
 * hostile.c - one vCPU flips fields of another one's GHCB while the host looks
 * at it. Whatever comes back, the VM and the host live on. And the page changes
 * while the VMM has the request: the host keeps to what it was.
 */
#include <errno.h>
#include <string.h>

#include "guest.h"
#include "vm.h"

#define ROUNDS	3000
#define VICTIM	1	/* vCPU 0 flips */

struct shared {
	volatile u64 round, done;
};

#define SHARED	((struct shared *)GUEST_SHARED_DATA)

static u64 seed = 0x5e5e5e5e12345678;

static u64 random_u64(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

/* Interesting values more often than noise */
static u64 nasty(void)
{
	static const u64 values[] = {
		0, 1, 2, 8, 0x7fffffff, 0x80000000, 0xffffffff, ~0ULL,
		0x80000001, 0x80000002, 0x80000004, 0x80000005, 0x7b, 0x72, 0x7c, 0x81,
		0x8000fffd, GUEST_GHCB(VICTIM), GUEST_GHCB(VICTIM) + GHCB_BUFFER,
		GUEST_GHCB(VICTIM) + 0xff0, GUEST_PRIVATE_DATA, GUEST_MMIO, 1ULL << 51,
		0x05e00010 | 1 << 2, 0x5e8 << 16 | 0x4c, 0x5e8 << 16 | 0x4d,
	};
	u64 r = random_u64();

	return r & 1 ? values[(r >> 8) % (sizeof(values) / sizeof(values[0]))] : random_u64();
}

static void flip(void)
{
	static const int fields[] = {
		GHCB_EXITCODE, GHCB_INFO1, GHCB_INFO2, GHCB_SCRATCH, GHCB_RAX, GHCB_RCX,
	};
	union ghcb_page *g = (union ghcb_page *)GUEST_GHCB(VICTIM);
	u64 seen = 0, since = 0;

	x2apic_enable();
	guest_wake_ap(VICTIM);
	while (!SHARED->done) {
		u64 r = random_u64();

		if (r & 3)
			g->q[fields[(r >> 4) % 6]] = nasty();
		else if (r & 4)
			g->bitmap[(r >> 4) & 15] ^= 1 << (r >> 8 & 7);
		else
			g->usage = r & 8 ? 0 : r;
		/* It may have asked, unknowingly, to be held: wake it. */
		if (SHARED->round != seen) {
			seen = SHARED->round;
			since = 0;
		} else if (++since == 100000) {
			since = 0;
			guest_wake_ap(VICTIM);
		}
	}
}

static void flipped_guest(unsigned long cpu)
{
	static const u64 codes[] = {
		0x72, 0x7c, 0x7b, 0x81, 0x8a, 0x89, 0x80000001, 0x80000002, 0x80000005,
		0x80000003, 0x8000fffd, 0x37,
	};
	union ghcb_page *g = guest_ghcb();
	unsigned int i, f;

	if (cpu != VICTIM) {
		flip();
		return;
	}
	ghcb_register();
	for (i = 0; i < ROUNDS; i++) {
		SHARED->round++;
		ghcb_begin(g, codes[random_u64() % 12], nasty(), nasty());
		for (f = 0; f < 16; f++)
			g->bitmap[f] = random_u64() & 1 ? 0xff : random_u64();
		ghcb_set(g, GHCB_SCRATCH, random_u64() & 1 ? (u64)g + GHCB_BUFFER : nasty());
		g->q[GHCB_RAX] = nasty();
		g->q[GHCB_RCX] = nasty();
		vmgexit();
	}
	SHARED->done = 1;
	for (i = 0; i < 1000; i++)
		cpu_relax();
	/* The host is in its senses still. */
	while (ghcb_call(0x89, 0, 0))
		SHARED->round++;
}

/* The exits that a random request may rightly make. */
static void tolerate(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	switch (run->exit_reason) {
	case KVM_EXIT_IO:
	case KVM_EXIT_MMIO:
	case KVM_EXIT_X86_RDMSR:
	case KVM_EXIT_X86_WRMSR:
		return;
	case KVM_EXIT_SYSTEM_EVENT:
		/* It asked to terminate; a VMM may let it go on. */
		ASSERT_EQ(run->system_event.type, KVM_SYSTEM_EVENT_SEV_TERM);
		return;
	default:
		FAIL("exit reason %u", run->exit_reason);
	}
}

static void *run_victim(void *arg)
{
	struct vcpu *victim = arg;
	unsigned int errors = 0;

	for (;;) {
		if (vcpu_run_once(victim)) {
			ASSERT(errno == EINTR || errno == EAGAIN || errno == EINVAL ||
			       errno == EFAULT);
			if (++errors > 10 * ROUNDS)
				FAIL("KVM_RUN fails without end");
			continue;
		}
		if (victim->ucall->cmd == UCALL_FAIL)
			FAIL("%.500s", victim->ucall->msg);
		if (victim->ucall->cmd == UCALL_DONE)
			return NULL;
		tolerate(victim);
	}
}

static void fields_flip_during_vmgexit(void)
{
	struct vm *vm = vm_create(flipped_guest, &(struct vm_options){ .vcpus = 2 });
	pthread_t thread;

	ASSERT_EQ(pthread_create(&thread, NULL, run_victim, &vm->vcpu[VICTIM]), 0);
	ASSERT_EQ(vcpu_run(&vm->vcpu[0]), UCALL_DONE);
	ASSERT_EQ(pthread_join(thread, NULL), 0);
	vm_free(vm);
}

#define PORT	0x5e8

static union ghcb_page *begin(u64 code, u64 info1, u64 info2)
{
	ghcb_register();
	ghcb_begin(guest_ghcb(), code, info1, info2);
	return guest_ghcb();
}

/*
 * IN of a byte, INS of four, an MMIO read of four; see spoil(). SW_EXITINFO1 is
 * spoiled, too, where the host wrote it before it exited, as KVM does.
 */
static void spoiled_guest(unsigned long cpu)
{
	union ghcb_page *g;
	unsigned int i;

	g = begin(0x7b, PORT << 16 | 1 << 4 | 1, 0);
	ghcb_set(g, GHCB_RAX, 0x1122334455667788);
	vmgexit();
	GUEST_ASSERT(ghcb_valid(g, GHCB_RAX));
	GUEST_ASSERT_EQ(g->q[GHCB_RAX], 0x11223344556677a0);
	for (i = 0; i < 2; i++) {
		if (i)
			g = begin(0x80000001, GUEST_MMIO, 4);
		else
			g = begin(0x7b, PORT << 16 | 1 << 4 | 1 << 2 | 1, 4);
		ghcb_set(g, GHCB_SCRATCH, (u64)g + GHCB_BUFFER + 8);
		*(volatile u32 *)GUEST_SHARED_DATA = 0;
		g->usage = 0;
		vmgexit();
		GUEST_ASSERT_EQ(*(volatile u32 *)&g->buffer[8], 0xa3a2a1a0);
		GUEST_ASSERT_EQ(*(volatile u32 *)&g->buffer[12], 0);
		GUEST_ASSERT_EQ(*(volatile u32 *)GUEST_SHARED_DATA, 0);
	}
}

/* As another vCPU would: all that the request says is something else now. */
static void spoil(struct vcpu *vcpu)
{
	union ghcb_page *g = vm_shared(vcpu->vm, GUEST_GHCB(0));
	struct kvm_run *run = vcpu->run;
	static const u8 answer[4] = { 0xa0, 0xa1, 0xa2, 0xa3 };

	ghcb_set(g, GHCB_EXITCODE, 0x8000fffe);
	ghcb_set(g, GHCB_INFO1, 0x5e0 << 16 | 1 << 6);
	ghcb_set(g, GHCB_INFO2, 8);
	ghcb_set(g, GHCB_SCRATCH, GUEST_SHARED_DATA);
	ghcb_set(g, GHCB_RAX, 0xeeeeeeeeeeeeeeee);
	g->usage = 5;
	if (run->exit_reason == KVM_EXIT_IO) {
		ASSERT_EQ(run->io.port, PORT);
		ASSERT_EQ(run->io.size, 1);
		ASSERT_EQ(run->io.direction, KVM_EXIT_IO_IN);
		ASSERT(run->io.count == 1 || run->io.count == 4);
		memcpy((u8 *)run + run->io.data_offset, answer, run->io.count);
	} else {
		ASSERT_EQ(run->exit_reason, KVM_EXIT_MMIO);
		ASSERT_EQ(run->mmio.len, 4);
		memcpy(run->mmio.data, answer, 4);
	}
}

static void request_is_copied_once(void)
{
	struct vm *vm = vm_create(spoiled_guest, NULL);

	vm->vcpu[0].on_exit = spoil;
	ASSERT_EQ(vcpu_run(&vm->vcpu[0]), UCALL_DONE);
	vm_free(vm);
}

/* OUTS of more than one exit carries, from memory that changes after the first. */
static void scratch_guest(unsigned long cpu)
{
	union ghcb_page *g = begin(0x7b, PORT << 16 | 1 << 4 | 1 << 2, 0x4000);
	u64 i;

	for (i = 0; i < 0x4000; i++)
		((volatile u8 *)GUEST_SHARED_DATA)[i] = i * 5;
	ghcb_set(g, GHCB_SCRATCH, GUEST_SHARED_DATA);
	vmgexit();
	GUEST_ASSERT_EQ((u32)g->q[GHCB_INFO1], 0);
}

static size_t carried;

static void overwrite(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	u8 *data = (u8 *)run + run->io.data_offset;
	u32 i;

	ASSERT_EQ(run->exit_reason, KVM_EXIT_IO);
	ASSERT_EQ(run->io.size, 1);
	ASSERT(run->io.count && carried + run->io.count <= 0x4000);
	for (i = 0; i < run->io.count; i++)
		ASSERT_EQ(data[i], (u8)(carried++ * 5));
	memset(vm_shared(vcpu->vm, GUEST_SHARED_DATA), 0xee, 0x4000);
}

static void scratch_is_copied_once(void)
{
	struct vm *vm = vm_create(scratch_guest, &(struct vm_options){ .legacy = true });

	vm->vcpu[0].on_exit = overwrite;
	ASSERT_EQ(vcpu_run(&vm->vcpu[0]), UCALL_DONE);
	ASSERT_EQ(carried, 0x4000);
	vm_free(vm);
}

TESTS = {
	CASE(request_is_copied_once),
	CASE(scratch_is_copied_once),
	SLOW_CASE(fields_flip_during_vmgexit, 200),
	TESTS_END
};
