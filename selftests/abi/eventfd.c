// SPDX-License-Identifier: GPL-2.0-only
/*
 * eventfd.c - interrupts from eventfds (irqfds) and writes that go to
 * them (ioeventfds). Plain guests.
 */
#include "irq.h"

#define PORT		0x5e8		/* not the tests' own, and no device's */

/*
 * irqfds
 */

static void irqfds_that_are_wrong(void)
{
	int a = new_eventfd(0), b = new_eventfd(0);
	struct vm *vm = vm_create(taker, &split);

	ASSERT_ERRNO(irqfd(vm, a, 5, 4, 0), EINVAL);
	ASSERT_ERRNO(irqfd(vm, -1, 5, 0, 0), EBADF);
	ASSERT_ERRNO(irqfd(vm, 0, 5, 0, 0), EINVAL);
	ASSERT_ERRNO(irqfd(vm, -1, 5, KVM_IRQFD_FLAG_DEASSIGN, 0), EBADF);
	ASSERT_ERRNO(irqfd(vm, a, 5, KVM_IRQFD_FLAG_RESAMPLE, b), EINVAL);
	ASSERT_OK(irqfd(vm, a, 5, KVM_IRQFD_FLAG_DEASSIGN, 0));
	ASSERT_OK(irqfd(vm, a, 5, 0, 0));
	ASSERT_ERRNO(irqfd(vm, a, 5, 0, 0), EBUSY);
	ASSERT_ERRNO(irqfd(vm, a, 6, 0, 0), EBUSY);
	ASSERT_OK(irqfd(vm, a, 6, KVM_IRQFD_FLAG_DEASSIGN, 0));
	ASSERT_ERRNO(irqfd(vm, a, 5, 0, 0), EBUSY);
	ASSERT_OK(irqfd(vm, b, 5, 0, 0));
	ASSERT_OK(irqfd(vm, a, 5, KVM_IRQFD_FLAG_DEASSIGN, 0));
	ASSERT_OK(irqfd(vm, a, 6, 0, 0));
	vm_free(vm);

	vm = vm_create(taker, &kernel);
	ASSERT_ERRNO(irqfd(vm, a, 5, KVM_IRQFD_FLAG_RESAMPLE, -1), EBADF);
	ASSERT_OK(irqfd(vm, a, 5, KVM_IRQFD_FLAG_RESAMPLE, b));
	ASSERT_ERRNO(irqfd(vm, a, 5, KVM_IRQFD_FLAG_RESAMPLE, b), EBUSY);
	vm_free(vm);

	vm = vm_create(taker, &none);
	ASSERT_ERRNO(irqfd(vm, a, 5, 0, 0), EINVAL);
	vm_free(vm);
	close(a);
	close(b);
}

static void irqfds_raise_interrupts(void)
{
	struct vm *vm = start_taker(&split);
	int fd = new_eventfd(0), early = new_eventfd(3);
	unsigned int i;

	ASSERT_OK(ROUTES(vm, msi_route(40, MSI_ADDRESS, VECTOR),
			 msi_route(41, MSI_ADDRESS, OTHER_VECTOR)));
	ASSERT_OK(irqfd(vm, fd, 40, 0, 0));
	for (i = 1; i <= 1000; i++) {
		raise_eventfd(fd);
		wait_for(&HOST(vm)->count, i);
	}
	/* What was counted was consumed. */
	ASSERT_EQ(drain(fd), 0);

	/* The route is looked up when it is used. */
	ASSERT_OK(ROUTES(vm, msi_route(40, MSI_ADDRESS, OTHER_VECTOR)));
	raise_eventfd(fd);
	wait_for(&HOST(vm)->other, 1);
	ASSERT_OK(ROUTES(vm, msi_route(41, MSI_ADDRESS, OTHER_VECTOR)));
	raise_eventfd(fd);
	ASSERT_EQ(drain(fd), 0);

	/* One that is raised already interrupts at once. */
	ASSERT_OK(irqfd(vm, early, 41, 0, 0));
	wait_for(&HOST(vm)->other, 2);
	ASSERT_OK(irqfd(vm, early, 41, KVM_IRQFD_FLAG_DEASSIGN, 0));
	raise_eventfd(early);
	ASSERT(drain(early) != 0);
	ASSERT_EQ(HOST(vm)->other, 2);
	ASSERT_EQ(HOST(vm)->count, 1000);
	close(fd);
	close(early);
	stop_taker(vm);
}

static volatile bool storm;

static void *raiser(void *fd)
{
	while (storm)
		raise_eventfd((int)(long)fd);
	return NULL;
}

/* Interrupts, routes and irqfds change at the same time; eventfds are closed meanwhile. */
static void irqfds_come_and_go(void)
{
	struct vm *vm = start_taker(&split);
	pthread_t thread;
	unsigned int i, k;

	for (i = 0; i < 30; i++) {
		int fd = new_eventfd(0);

		storm = true;
		ASSERT_OK(irqfd(vm, fd, 40, 0, 0));
		ASSERT_EQ(pthread_create(&thread, NULL, raiser, (void *)(long)fd), 0);
		for (k = 0; k < 20; k++)
			ASSERT_OK(ROUTES(vm, msi_route(40, MSI_ADDRESS, VECTOR + k % 2 * 16)));
		if (i % 3 == 0)
			ASSERT_OK(irqfd(vm, fd, 40, KVM_IRQFD_FLAG_DEASSIGN, 0));
		storm = false;
		pthread_join(thread, NULL);
		/* Not deassigned: closing it is enough. */
		if (i % 3 < 2)
			close(fd);
	}
	ASSERT(HOST(vm)->count);
	stop_taker(vm);
}

/*
 * ioeventfds
 */

static int ioeventfd(struct vm *vm, int fd, u64 addr, u32 len, u32 flags, u64 match)
{
	struct kvm_ioeventfd args = {
		.fd = fd, .addr = addr, .len = len, .flags = flags, .datamatch = match,
	};

	return ioctl(vm->fd, KVM_IOEVENTFD, &args);
}

#define PIO	KVM_IOEVENTFD_FLAG_PIO
#define MATCH	KVM_IOEVENTFD_FLAG_DATAMATCH
#define GONE	KVM_IOEVENTFD_FLAG_DEASSIGN

static void ioeventfds_that_are_wrong(void)
{
	struct vm *vm = vm_create(taker, &split);
	int a = new_eventfd(0), b = new_eventfd(0);

	ASSERT_ERRNO(ioeventfd(vm, a, PORT, 3, PIO, 0), EINVAL);
	ASSERT_ERRNO(ioeventfd(vm, a, PORT, 16, PIO, 0), EINVAL);
	ASSERT_ERRNO(ioeventfd(vm, a, ~0ULL, 2, 0, 0), EINVAL);
	ASSERT_ERRNO(ioeventfd(vm, a, PORT, 2, 1 << 5, 0), EINVAL);
	ASSERT_ERRNO(ioeventfd(vm, a, PORT, 0, PIO | MATCH, 0), EINVAL);
	ASSERT_ERRNO(ioeventfd(vm, -1, PORT, 2, PIO, 0), EBADF);
	ASSERT_ERRNO(ioeventfd(vm, 0, PORT, 2, PIO, 0), EINVAL);
	ASSERT_ERRNO(ioeventfd(vm, a, PORT, 2, PIO | GONE, 0), ENOENT);

	ASSERT_OK(ioeventfd(vm, a, PORT, 2, PIO | MATCH, 1));
	ASSERT_ERRNO(ioeventfd(vm, b, PORT, 2, PIO | MATCH, 1), EEXIST);
	ASSERT_ERRNO(ioeventfd(vm, b, PORT, 2, PIO, 0), EEXIST);
	ASSERT_ERRNO(ioeventfd(vm, b, PORT, 0, PIO, 0), EEXIST);
	ASSERT_OK(ioeventfd(vm, b, PORT, 2, PIO | MATCH, 2));
	ASSERT_OK(ioeventfd(vm, b, PORT, 4, PIO | MATCH, 1));
	ASSERT_OK(ioeventfd(vm, b, PORT, 2, 0, 0));
	ASSERT_OK(ioeventfd(vm, b, PORT + 2, 0, PIO, 0));

	ASSERT_ERRNO(ioeventfd(vm, b, PORT, 2, PIO | MATCH | GONE, 1), ENOENT);
	ASSERT_ERRNO(ioeventfd(vm, a, PORT, 2, PIO | GONE, 1), ENOENT);
	ASSERT_OK(ioeventfd(vm, a, PORT, 2, PIO | MATCH | GONE, 1));
	ASSERT_ERRNO(ioeventfd(vm, a, PORT, 2, PIO | MATCH | GONE, 1), ENOENT);
	vm_free(vm);
	close(a);
	close(b);
}

/* Writes in the order of exits that the host expects where no eventfd takes them. */
static void writer(unsigned long cpu)
{
	u64 i;

	for (i = 0; i < 100; i++)
		outw(PORT, i);
	guest_sync(1);
	outw(PORT, 7);		/* matched */
	outw(PORT, 8);		/* exits */
	outb(PORT, 7);		/* another length: exits */
	outl(PORT, 0x10007);	/* likewise */
	guest_sync(2);
	outb(PORT + 8, 1);	/* any length */
	outw(PORT + 8, 2);
	outl(PORT + 8, 3);
	(void)inw(PORT + 8);	/* a read: exits */
	guest_sync(3);
	outw(PORT, 7);		/* gone: exits */
	guest_done();
}

static unsigned int exits;

static void count_exit(struct vcpu *vcpu)
{
	ASSERT_EQ(vcpu->run->exit_reason, KVM_EXIT_IO);
	exits++;
}

static void ioeventfds_take_writes(void)
{
	struct vm *vm = vm_create(writer, &split);
	struct vcpu *vcpu = &vm->vcpu[0];
	int fd = new_eventfd(0), any = new_eventfd(0);

	vcpu->on_exit = count_exit;
	ASSERT_OK(ioeventfd(vm, fd, PORT, 2, PIO, 0));
	ASSERT_EQ(vcpu_run(vcpu), UCALL_SYNC);
	ASSERT_EQ(drain(fd), 100);
	ASSERT_EQ(exits, 0);

	ASSERT_OK(ioeventfd(vm, fd, PORT, 2, PIO | GONE, 0));
	ASSERT_OK(ioeventfd(vm, fd, PORT, 2, PIO | MATCH, 7));
	ASSERT_EQ(vcpu_run(vcpu), UCALL_SYNC);
	ASSERT_EQ(drain(fd), 1);
	ASSERT_EQ(exits, 3);

	ASSERT_OK(ioeventfd(vm, any, PORT + 8, 0, PIO, 0));
	ASSERT_EQ(vcpu_run(vcpu), UCALL_SYNC);
	ASSERT_EQ(drain(any), 3);
	ASSERT_EQ(exits, 4);

	ASSERT_OK(ioeventfd(vm, fd, PORT, 2, PIO | MATCH | GONE, 7));
	ASSERT_EQ(vcpu_run(vcpu), UCALL_DONE);
	ASSERT_EQ(drain(fd), 0);
	ASSERT_EQ(exits, 5);
	vm_free(vm);
	close(fd);
	close(any);
}

static void echo(unsigned long cpu)
{
	guest_set_handler(VECTOR, on_vector);
	x2apic_enable();
	while (GUEST->count < 500) {
		u64 seen = GUEST->count;

		outb(PORT, 1);
		while (GUEST->count == seen)
			sti_hlt_cli();
	}
	guest_done();
}

/* An ioeventfd that is an irqfd: the guest interrupts itself, and nobody leaves the kernel. */
static void one_eventfd_for_both(void)
{
	struct vm *vm = vm_create(echo, &split);
	int fd = new_eventfd(0);

	ASSERT_OK(ROUTES(vm, msi_route(40, MSI_ADDRESS, VECTOR)));
	ASSERT_OK(irqfd(vm, fd, 40, 0, 0));
	ASSERT_OK(ioeventfd(vm, fd, PORT, 1, PIO, 0));
	ASSERT_EQ(vcpu_run(&vm->vcpu[0]), UCALL_DONE);
	ASSERT_EQ(HOST(vm)->count, 500);
	close(fd);
	vm_free(vm);
}

TESTS = {
	CASE(irqfds_that_are_wrong),
	CASE(irqfds_raise_interrupts),
	CASE(irqfds_come_and_go),
	CASE(ioeventfds_that_are_wrong),
	CASE(ioeventfds_take_writes),
	CASE(one_eventfd_for_both),
	TESTS_END
};
