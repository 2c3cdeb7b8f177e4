// SPDX-License-Identifier: GPL-2.0-only
/*
 * hostile.c - a second vCPU flips fields of the first one's GHCB while the host
 * looks at it. Whatever comes back, the VM and the host live on.
 */
#include <errno.h>

#include "guest.h"
#include "vm.h"

#define ROUNDS	3000

struct shared {
	volatile u64 up, stop;
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
		0x8000fffd, GUEST_GHCB(0), GUEST_GHCB(0) + GUEST_SHARED - GUEST_SHARED + 0x800,
		GUEST_GHCB(0) + 0xff0, GUEST_PRIVATE_DATA, GUEST_MMIO, 1ULL << 51,
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
	union ghcb_page *g = (union ghcb_page *)GUEST_GHCB(0);

	SHARED->up = 1;
	while (!SHARED->stop) {
		u64 r = random_u64();

		if (r & 3)
			g->q[fields[(r >> 4) % 6]] = nasty();
		else if (r & 4)
			g->bitmap[(r >> 4) & 15] ^= 1 << (r >> 8 & 7);
		else
			g->usage = r & 8 ? 0 : r;
	}
	for (;;)
		guest_hold_nae();
}

static void flipped_guest(unsigned long cpu)
{
	static const u64 codes[] = {
		0x72, 0x7c, 0x7b, 0x81, 0x8a, 0x89, 0x80000001, 0x80000002, 0x80000005,
		0x80000003, 0x8000fffd, 0x37,
	};
	union ghcb_page *g = guest_ghcb();
	unsigned int i, f;

	if (cpu)
		flip();
	x2apic_enable();
	guest_wake_ap(1);
	while (!SHARED->up)
		cpu_relax();
	for (i = 0; i < ROUNDS; i++) {
		ghcb_begin(g, codes[random_u64() % 12], nasty(), nasty());
		for (f = 0; f < 16; f++)
			g->bitmap[f] = random_u64() & 1 ? 0xff : random_u64();
		ghcb_set(g, GHCB_SCRATCH, random_u64() & 1 ? (u64)g + GHCB_BUFFER : nasty());
		g->q[GHCB_RAX] = nasty();
		g->q[GHCB_RCX] = nasty();
		/* Neither a hold nor an end of the VM, as far as it is up to us. */
		vmgexit();
	}
	SHARED->stop = 1;
	for (i = 0; i < 1000; i++)
		cpu_relax();
	/* The host is in its senses still. */
	while (ghcb_call(0x89, 0, 0))
		cpu_relax();
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


static void fields_flip_during_vmgexit(void)
{
	struct vm *vm = vm_create(flipped_guest, &(struct vm_options){ .vcpus = 2 });
	struct vcpu *bsp = &vm->vcpu[0];
	unsigned int exits = 0;
	bool done = false;

	vcpu_start(&vm->vcpu[1]);
	while (!done) {
		if (vcpu_run_once(bsp)) {
			ASSERT(errno == EINTR || errno == EAGAIN || errno == EINVAL ||
			       errno == EFAULT);
			if (++exits > 10 * ROUNDS)
				FAIL("KVM_RUN fails without end");
			continue;
		}
		if (bsp->run->exit_reason == KVM_EXIT_IO &&
		    bsp->run->io.port == GUEST_UCALL_PORT && bsp->run->io.size == 4 &&
		    bsp->run->io.count == 1 && bsp->ucall->cmd == UCALL_DONE) {
			done = true;
		} else if (bsp->ucall->cmd == UCALL_FAIL) {
			FAIL("%.500s", bsp->ucall->msg);
		} else {
			tolerate(bsp);
		}
	}
	vcpu_stop(&vm->vcpu[1]);
	vm_free(vm);
}

TESTS = {
	SLOW_CASE(fields_flip_during_vmgexit, 200),
	TESTS_END
};
