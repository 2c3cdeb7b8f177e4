// SPDX-License-Identifier: GPL-2.0-only
/*
 * irq.c - interrupts from outside the guest: MSIs, GSI routes, irqfds,
 * ioeventfds, the IOAPIC and its EOIs, the state of the local APIC. Plain
 * guests: nothing here depends on protection.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "guest.h"
#include "vm.h"

#define VECTOR		0x51
#define OTHER_VECTOR	0x61
#define PORT		0x5e8		/* not the tests' own, and no device's */
#define MSI_ADDRESS	0xfee00000	/* physical, to vCPU 0 */
#define MSI_LEVEL	0xc000

struct shared {
	volatile u64 count;		/* interrupts taken */
	volatile u64 eois;		/* and ended */
	volatile u64 up;
	volatile u64 other;		/* of OTHER_VECTOR */
	volatile u64 stop;
	volatile u64 cpu[8];		/* taken by each vCPU */
};

#define GUEST		((struct shared *)GUEST_SHARED_DATA)
#define HOST(vm)	((struct shared *)vm_shared(vm, GUEST_SHARED_DATA))

static const struct vm_options kernel = { .plain = true, .irqchip = IRQCHIP_KERNEL };
static const struct vm_options split = { .plain = true, .irqchip = IRQCHIP_SPLIT };
static const struct vm_options split2 = { .plain = true, .irqchip = IRQCHIP_SPLIT, .vcpus = 2 };
static const struct vm_options none = { .plain = true, .irqchip = IRQCHIP_NONE };

/*
 * The guest: takes interrupts in HLT until told to stop.
 */

static bool on_vector(struct guest_regs *regs)
{
	GUEST->count++;
	GUEST->cpu[guest_cpu()->index]++;
	x2apic_write(APIC_EOI, 0);
	GUEST->eois++;
	return true;
}

static bool on_other(struct guest_regs *regs)
{
	GUEST->other++;
	x2apic_write(APIC_EOI, 0);
	return true;
}

static void taker(unsigned long cpu)
{
	guest_set_handler(VECTOR, on_vector);
	guest_set_handler(OTHER_VECTOR, on_other);
	x2apic_enable();
	__atomic_fetch_add(&GUEST->up, 1, __ATOMIC_SEQ_CST);
	while (!GUEST->stop)
		sti_hlt_cli();
	guest_done();
}

static struct vm *start_taker(const struct vm_options *options)
{
	struct vm *vm = vm_create(taker, options);
	unsigned int i;

	for (i = 1; i < vm->vcpus; i++)
		vcpu_set_mp_state(&vm->vcpu[i], KVM_MP_STATE_RUNNABLE);
	for (i = 0; i < vm->vcpus; i++)
		vcpu_start(&vm->vcpu[i]);
	while (HOST(vm)->up < vm->vcpus)
		usleep(100);
	return vm;
}

static void wait_for(volatile u64 *count, u64 want)
{
	while (*count < want)
		usleep(50);
	ASSERT_EQ(*count, want);
}

static int signal_msi(struct vm *vm, u64 address, u32 data)
{
	struct kvm_msi msi = {
		.address_lo = address, .address_hi = address >> 32, .data = data,
	};

	return ioctl(vm->fd, KVM_SIGNAL_MSI, &msi);
}

static void stop_taker(struct vm *vm)
{
	unsigned int i;

	HOST(vm)->stop = 1;
	for (i = 0; i < vm->vcpus; i++)
		signal_msi(vm, MSI_ADDRESS | i << 12, OTHER_VECTOR);
	for (i = 0; i < vm->vcpus; i++)
		vcpu_join(&vm->vcpu[i]);
	vm_free(vm);
}

/*
 * GSI routes
 */

static struct kvm_irq_routing_entry msi_route(u32 gsi, u64 address, u32 data)
{
	return (struct kvm_irq_routing_entry) {
		.gsi = gsi, .type = KVM_IRQ_ROUTING_MSI,
		.u.msi = { .address_lo = address, .address_hi = address >> 32, .data = data },
	};
}

static struct kvm_irq_routing_entry pin_route(u32 gsi, u32 chip, u32 pin)
{
	return (struct kvm_irq_routing_entry) {
		.gsi = gsi, .type = KVM_IRQ_ROUTING_IRQCHIP,
		.u.irqchip = { .irqchip = chip, .pin = pin },
	};
}

static int set_routes(struct vm *vm, unsigned int n, const struct kvm_irq_routing_entry *entries)
{
	struct kvm_irq_routing *routing = calloc(1, sizeof(*routing) + n * sizeof(*entries));
	int ret, saved;

	routing->nr = n;
	memcpy(routing->entries, entries, n * sizeof(*entries));
	ret = ioctl(vm->fd, KVM_SET_GSI_ROUTING, routing);
	saved = errno;
	free(routing);
	errno = saved;
	return ret;
}

#define ROUTES(vm, ...) ({						\
	struct kvm_irq_routing_entry r_[] = { __VA_ARGS__ };		\
	set_routes(vm, sizeof(r_) / sizeof(r_[0]), r_); })

static void routes_that_are_wrong(void)
{
	struct vm *vm = vm_create(taker, &kernel);
	struct kvm_irq_routing head = { .nr = 4097 };
	struct kvm_irq_routing_entry bad = msi_route(30, MSI_ADDRESS, VECTOR);

	ASSERT_ERRNO(ioctl(vm->fd, KVM_SET_GSI_ROUTING, &head), EINVAL);
	head.nr = 0;
	head.flags = 1;
	ASSERT_ERRNO(ioctl(vm->fd, KVM_SET_GSI_ROUTING, &head), EINVAL);
	ASSERT_ERRNO(ioctl(vm->fd, KVM_SET_GSI_ROUTING, NULL), EFAULT);
	head.flags = 0;
	ASSERT_OK(ioctl(vm->fd, KVM_SET_GSI_ROUTING, &head));

	bad.flags = 2;
	ASSERT_ERRNO(ROUTES(vm, bad), EINVAL);
	bad.flags = KVM_MSI_VALID_DEVID;
	ASSERT_OK(ROUTES(vm, bad));
	bad.flags = 0;
	bad.type = 77;
	ASSERT_ERRNO(ROUTES(vm, bad), EINVAL);
	bad = pin_route(4, 2, 4);
	bad.flags = KVM_MSI_VALID_DEVID;
	ASSERT_ERRNO(ROUTES(vm, bad), EINVAL);

	ASSERT_ERRNO(ROUTES(vm, msi_route(4096, MSI_ADDRESS, VECTOR)), EINVAL);
	ASSERT_OK(ROUTES(vm, msi_route(4095, MSI_ADDRESS, VECTOR)));

	ASSERT_OK(ROUTES(vm, pin_route(0, 0, 7), pin_route(1, 1, 7), pin_route(2, 2, 23)));
	ASSERT_ERRNO(ROUTES(vm, pin_route(0, 0, 8)), EINVAL);
	ASSERT_ERRNO(ROUTES(vm, pin_route(0, 1, 8)), EINVAL);
	ASSERT_ERRNO(ROUTES(vm, pin_route(0, 2, 24)), EINVAL);
	ASSERT_ERRNO(ROUTES(vm, pin_route(0, 3, 0)), EINVAL);

	/* One GSI: one pin of each chip, or one MSI. */
	ASSERT_OK(ROUTES(vm, pin_route(5, 0, 5), msi_route(6, MSI_ADDRESS, VECTOR),
			 pin_route(5, 2, 5)));
	ASSERT_ERRNO(ROUTES(vm, pin_route(5, 2, 5), pin_route(5, 2, 6)), EINVAL);
	ASSERT_ERRNO(ROUTES(vm, pin_route(5, 2, 5), msi_route(5, MSI_ADDRESS, VECTOR)), EINVAL);
	ASSERT_ERRNO(ROUTES(vm, msi_route(5, MSI_ADDRESS, VECTOR), pin_route(5, 2, 5)), EINVAL);
	ASSERT_ERRNO(ROUTES(vm, msi_route(5, MSI_ADDRESS, VECTOR),
			    msi_route(5, MSI_ADDRESS, VECTOR)), EINVAL);
	vm_free(vm);

	vm = vm_create(taker, &split);
	ASSERT_ERRNO(ROUTES(vm, pin_route(5, 2, 5)), EINVAL);
	ASSERT_OK(ROUTES(vm, msi_route(5, MSI_ADDRESS, VECTOR)));
	vm_free(vm);

	vm = vm_create(taker, &none);
	ASSERT_ERRNO(ROUTES(vm, msi_route(5, MSI_ADDRESS, VECTOR)), EINVAL);
	vm_free(vm);
}

static void most_routes(void)
{
	struct kvm_irq_routing_entry *entries = calloc(4096, sizeof(*entries));
	struct vm *vm = start_taker(&split);
	struct kvm_irq_level line;
	unsigned int i;

	/* In no order: each GSI finds its own. */
	for (i = 0; i < 4096; i++)
		entries[i] = msi_route(i * 1031 % 4096, MSI_ADDRESS,
				       i * 1031 % 4096 % 2 ? VECTOR : OTHER_VECTOR);
	ASSERT_OK(set_routes(vm, 4096, entries));
	for (i = 0; i < 100; i++) {
		line.irq = 4095 - i;
		line.level = 1;
		ASSERT_OK(ioctl(vm->fd, KVM_IRQ_LINE, &line));
		wait_for(&HOST(vm)->count, i / 2 + 1);
		wait_for(&HOST(vm)->other, (i + 1) / 2);
	}
	free(entries);
	stop_taker(vm);
}

/*
 * MSIs
 */

static void msis(void)
{
	struct vm *vm = vm_create(taker, &split2);
	struct kvm_msi flags = { .address_lo = MSI_ADDRESS, .data = VECTOR, .flags = 1 << 4 };
	unsigned int i;

	ASSERT_ERRNO(ioctl(vm->fd, KVM_SIGNAL_MSI, &flags), EINVAL);
	/* The guest has not enabled its APIC: blocked. */
	ASSERT_EQ(signal_msi(vm, MSI_ADDRESS, VECTOR), 0);
	/* Nobody there */
	ASSERT_EQ(signal_msi(vm, MSI_ADDRESS | 9 << 12, VECTOR), 0);
	vm_free(vm);

	vm = start_taker(&split2);
	for (i = 1; i <= 500; i++) {
		ASSERT_EQ(signal_msi(vm, MSI_ADDRESS | (i & 1) << 12, VECTOR), 1);
		wait_for(&HOST(vm)->count, i);
	}
	ASSERT_EQ(HOST(vm)->cpu[0], 250);
	ASSERT_EQ(HOST(vm)->cpu[1], 250);
	/* Broadcast, and logical: x2APIC cluster 0, both of it */
	ASSERT_EQ(signal_msi(vm, MSI_ADDRESS | 0xff << 12, VECTOR), 2);
	wait_for(&HOST(vm)->cpu[0], 251);
	wait_for(&HOST(vm)->cpu[1], 251);
	ASSERT_EQ(signal_msi(vm, MSI_ADDRESS | 3 << 12 | 4, VECTOR), 2);
	wait_for(&HOST(vm)->cpu[0], 252);
	wait_for(&HOST(vm)->cpu[1], 252);
	/* Lowest priority: one of the two */
	ASSERT_EQ(signal_msi(vm, MSI_ADDRESS | 3 << 12 | 0xc, VECTOR | 0x100), 1);
	while (HOST(vm)->cpu[0] + HOST(vm)->cpu[1] < 505)
		usleep(50);
	stop_taker(vm);

	vm = vm_create(taker, &none);
	ASSERT_ERRNO(signal_msi(vm, MSI_ADDRESS, VECTOR), EINVAL);
	vm_free(vm);
}

/* IDs above 255 are of use only with KVM_CAP_X2APIC_API. */
static void wide_msis(void)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_X2APIC_API, .args = { 3 } };
	struct kvm_lapic_state lapic;
	struct vm *vm = vm_create(taker, &split);

	cap.args[0] = 4;
	ASSERT_ERRNO(ioctl(vm->fd, KVM_ENABLE_CAP, &cap), EINVAL);
	cap.args[0] = 3;
	ASSERT_OK(ioctl(vm->fd, KVM_ENABLE_CAP, &cap));
	ASSERT_ERRNO(signal_msi(vm, 1ULL << 32 | MSI_ADDRESS, VECTOR), EINVAL);
	ASSERT_EQ(signal_msi(vm, 1ULL << 40 | MSI_ADDRESS, VECTOR), 0);
	ASSERT_ERRNO(ROUTES(vm, msi_route(5, 1ULL << 32 | MSI_ADDRESS, VECTOR)), EINVAL);
	ASSERT_OK(ROUTES(vm, msi_route(5, 1ULL << 40 | MSI_ADDRESS, VECTOR)));
	vcpu_start(&vm->vcpu[0]);
	while (!HOST(vm)->up)
		usleep(100);
	/* The broadcast quirk is off: 0xff is an ID. */
	ASSERT_EQ(signal_msi(vm, MSI_ADDRESS | 0xff << 12, VECTOR), 0);
	ASSERT_EQ(signal_msi(vm, 0xffffff00ULL << 32 | MSI_ADDRESS | 0xff << 12, VECTOR), 1);
	wait_for(&HOST(vm)->count, 1);
	HOST(vm)->stop = 1;
	ASSERT_EQ(signal_msi(vm, MSI_ADDRESS, OTHER_VECTOR), 1);
	vcpu_join(&vm->vcpu[0]);

	/* And the state of the APIC has all 32 bits, which must be right. */
	ASSERT_OK(ioctl(vm->vcpu[0].fd, KVM_GET_LAPIC, &lapic));
	ASSERT_OK(ioctl(vm->vcpu[0].fd, KVM_SET_LAPIC, &lapic));
	lapic.regs[APIC_ID] = 1;
	ASSERT_ERRNO(ioctl(vm->vcpu[0].fd, KVM_SET_LAPIC, &lapic), EINVAL);
	vm_free(vm);
}

/*
 * irqfds
 */

static int new_eventfd(unsigned int count)
{
	int fd = eventfd(count, EFD_NONBLOCK | EFD_CLOEXEC);

	ASSERT(fd >= 0);
	return fd;
}

static void raise_eventfd(int fd)
{
	u64 one = 1;

	ASSERT_EQ(write(fd, &one, sizeof(one)), sizeof(one));
}

/* What it has counted since the last time; 0 is never in an eventfd. */
static u64 drain(int fd)
{
	u64 count;

	return read(fd, &count, sizeof(count)) == sizeof(count) ? count : 0;
}

static int irqfd(struct vm *vm, int fd, u32 gsi, u32 flags, int resamplefd)
{
	struct kvm_irqfd args = {
		.fd = fd, .gsi = gsi, .flags = flags, .resamplefd = resamplefd,
	};

	return ioctl(vm->fd, KVM_IRQFD, &args);
}

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

/*
 * The IOAPIC
 */

#define PIN_LEVEL	(1ULL << 15)
#define PIN_REMOTE_IRR	(1ULL << 14)
#define PIN_MASKED	(1ULL << 16)

static void get_ioapic(struct vm *vm, struct kvm_irqchip *chip)
{
	memset(chip, 0, sizeof(*chip));
	chip->chip_id = KVM_IRQCHIP_IOAPIC;
	ASSERT_OK(ioctl(vm->fd, KVM_GET_IRQCHIP, chip));
}

static void set_pin(struct vm *vm, unsigned int pin, u64 entry)
{
	struct kvm_irqchip chip;

	get_ioapic(vm, &chip);
	chip.chip.ioapic.redirtbl[pin].bits = entry;
	ASSERT_OK(ioctl(vm->fd, KVM_SET_IRQCHIP, &chip));
}

static u64 get_pin(struct vm *vm, unsigned int pin)
{
	struct kvm_irqchip chip;

	get_ioapic(vm, &chip);
	return chip.chip.ioapic.redirtbl[pin].bits;
}

static int set_line(struct vm *vm, u32 gsi, u32 level)
{
	struct kvm_irq_level line = { .irq = gsi, .level = level };

	ASSERT_OK(ioctl(vm->fd, KVM_IRQ_LINE_STATUS, &line));
	return line.status;
}

static void ioapic_state(void)
{
	struct vm *vm = vm_create(taker, &kernel);
	struct kvm_irqchip chip;
	unsigned int i;

	get_ioapic(vm, &chip);
	ASSERT_EQ(chip.chip.ioapic.base_address, 0xfec00000);
	ASSERT_EQ(chip.chip.ioapic.id, 0);
	ASSERT_EQ(chip.chip.ioapic.irr, 0);
	for (i = 0; i < 24; i++)
		ASSERT_EQ(chip.chip.ioapic.redirtbl[i].bits, PIN_MASKED);
	chip.chip_id = 3;
	ASSERT_ERRNO(ioctl(vm->fd, KVM_GET_IRQCHIP, &chip), EINVAL);
	ASSERT_ERRNO(ioctl(vm->fd, KVM_SET_IRQCHIP, &chip), EINVAL);

	/* Not one of the first 16: there KVM answers for its PIC. */
	ASSERT_EQ(set_line(vm, 20, 1), -1);
	get_ioapic(vm, &chip);
	ASSERT_EQ(chip.chip.ioapic.irr, 1 << 20);
	vm_free(vm);

	vm = vm_create(taker, &split);
	chip.chip_id = KVM_IRQCHIP_IOAPIC;
	ASSERT_ERRNO(ioctl(vm->fd, KVM_GET_IRQCHIP, &chip), ENXIO);
	vm_free(vm);
}

static void ioapic_edges(void)
{
	struct vm *vm = start_taker(&kernel);
	unsigned int i;

	set_pin(vm, 20, VECTOR);
	for (i = 1; i <= 100; i++) {
		ASSERT_EQ(set_line(vm, 20, 1), 1);
		wait_for(&HOST(vm)->count, i);
		/* Up already: no edge. */
		ASSERT_EQ(set_line(vm, 20, 1), 0);
		ASSERT_EQ(set_line(vm, 20, 0), 1);
	}
	ASSERT_EQ(HOST(vm)->count, 100);
	/* An edge that went out is not in the state. */
	set_line(vm, 20, 1);
	wait_for(&HOST(vm)->count, 101);
	set_pin(vm, 20, VECTOR);
	ASSERT_EQ(HOST(vm)->count, 101);
	set_pin(vm, 20, PIN_MASKED | VECTOR);
	set_line(vm, 20, 0);
	ASSERT_EQ(set_line(vm, 20, 1), -1);
	ASSERT_EQ(set_line(vm, 999, 1), -1);
	stop_taker(vm);
}

/* As long as the line is up, each EOI brings the next one. */
static void ioapic_levels(void)
{
	struct vm *vm = start_taker(&kernel);
	u64 n;

	set_pin(vm, 21, PIN_LEVEL | VECTOR);
	ASSERT_EQ(set_line(vm, 21, 1), 1);
	while (HOST(vm)->count < 50)
		usleep(50);
	set_line(vm, 21, 0);
	/* At most the one under way is still to come. */
	while (get_pin(vm, 21) & PIN_REMOTE_IRR)
		usleep(50);
	n = HOST(vm)->count;
	usleep(20000);
	ASSERT(HOST(vm)->count <= n + 1);
	n = HOST(vm)->count;
	ASSERT_EQ(set_line(vm, 21, 1), 1);
	while (HOST(vm)->count < n + 10)
		usleep(50);
	set_line(vm, 21, 0);
	stop_taker(vm);
}

static void wait_eventfd(int fd, u64 want)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };
	u64 seen = 0;

	while (seen < want) {
		ASSERT_EQ(poll(&pollfd, 1, 10000), 1);
		seen += drain(fd);
	}
	ASSERT_EQ(seen, want);
}

/* An irqfd's level: the EOI lowers it and tells its owner. */
static void resample(void)
{
	struct vm *vm = start_taker(&kernel);
	int fd = new_eventfd(0), told = new_eventfd(0);
	int fd2 = new_eventfd(0), told2 = new_eventfd(0);
	unsigned int i;

	set_pin(vm, 22, PIN_LEVEL | VECTOR);
	ASSERT_OK(irqfd(vm, fd, 22, KVM_IRQFD_FLAG_RESAMPLE, told));
	for (i = 1; i <= 200; i++) {
		raise_eventfd(fd);
		wait_eventfd(told, 1);
		wait_for(&HOST(vm)->count, i);
	}
	/* Two that share the line are both told. */
	ASSERT_OK(irqfd(vm, fd2, 22, KVM_IRQFD_FLAG_RESAMPLE, told2));
	raise_eventfd(fd2);
	wait_eventfd(told, 1);
	wait_eventfd(told2, 1);
	ASSERT_OK(irqfd(vm, fd, 22, KVM_IRQFD_FLAG_DEASSIGN, 0));
	ASSERT_OK(irqfd(vm, fd2, 22, KVM_IRQFD_FLAG_DEASSIGN, 0));
	wait_for(&HOST(vm)->count, 201);
	ASSERT(!(get_pin(vm, 22) & PIN_REMOTE_IRR));
	stop_taker(vm);
}

/* A split irqchip: the EOI of a level-triggered vector of a reserved pin goes to userspace. */
static void level_guest(unsigned long cpu)
{
	guest_set_handler(VECTOR, on_vector);
	guest_set_handler(OTHER_VECTOR, on_vector);
	x2apic_enable();
	guest_sync(1);
	while (GUEST->eois < 3)
		sti_hlt_cli();
	guest_done();
}

static void eois_go_to_userspace(void)
{
	struct vm *vm = vm_create(level_guest, &split);
	struct vcpu *vcpu = &vm->vcpu[0];

	ASSERT_OK(ROUTES(vm, msi_route(4, MSI_ADDRESS, MSI_LEVEL | VECTOR),
			 msi_route(5, MSI_ADDRESS, OTHER_VECTOR),
			 msi_route(24, MSI_ADDRESS, MSI_LEVEL | OTHER_VECTOR)));
	ASSERT_EQ(vcpu_run(vcpu), UCALL_SYNC);
	set_line(vm, 5, 1);		/* an edge: nobody asks */
	set_line(vm, 4, 1);
	ASSERT_EQ(vcpu_run_to_exit(vcpu), KVM_EXIT_IOAPIC_EOI);
	ASSERT_EQ(vcpu->run->eoi.vector, VECTOR);
	set_line(vm, 24, 1);		/* beyond the reserved pins: nobody asks */
	ASSERT_EQ(vcpu_run(vcpu), UCALL_DONE);
	ASSERT_EQ(HOST(vm)->count, 3);
	vm_free(vm);
}

/*
 * The local APIC, from inside and outside
 */

static void apic_rules_guest(unsigned long cpu)
{
	static const u32 faults_read[] = {
		0x801, 0x80b, 0x80e, 0x809, 0x82f, 0x831, 0x83f, 0x840, 0x8ff
	};
	static const u32 faults_write[] = {
		0x802, 0x803, 0x80a, 0x80d, 0x80e, 0x810, 0x831, 0x839, 0x8ff
	};
	unsigned int i;

	/* Not yet x2APIC: its MSRs are not there. */
	GUEST_ASSERT_EQ(guest_try((void)rdmsr(0x802)), 13);
	GUEST_ASSERT_EQ(rdmsr(0x1b), 0xfee00900);
	GUEST_ASSERT_EQ(guest_try(wrmsr(0x1b, 0xfee00500)), 13);	/* x2APIC, not enabled */
	GUEST_ASSERT_EQ(guest_try(wrmsr(0x1b, 0xfee00b00)), 13);	/* bit 9 */
	wrmsr(0x1b, 0xfee00d00);
	GUEST_ASSERT_EQ(guest_try(wrmsr(0x1b, 0xfee00900)), 13);	/* back to xAPIC */
	GUEST_ASSERT_EQ(rdmsr(0x802), cpu);
	GUEST_ASSERT_EQ(rdmsr(0x803) & 0xff00ff, 0x50014);
	GUEST_ASSERT_EQ(rdmsr(0x80d), 1);
	for (i = 0; i < sizeof(faults_read) / 4; i++)
		GUEST_ASSERT_EQ(guest_try((void)rdmsr(faults_read[i])), 13);
	for (i = 0; i < sizeof(faults_write) / 4; i++)
		GUEST_ASSERT_EQ(guest_try(wrmsr(faults_write[i], 0)), 13);
	GUEST_ASSERT_EQ(guest_try(wrmsr(0x828, 1)), 13);	/* ESR: zero only */
	wrmsr(0x828, 0);
	GUEST_ASSERT_EQ(guest_try(wrmsr(0x80f, 1ULL << 32 | 0x1ff)), 13);
	GUEST_ASSERT_EQ(guest_try(wrmsr(0x83f, 0x100)), 13);
	GUEST_ASSERT_EQ(guest_try(wrmsr(0x830, 1 << 17)), 13);
	wrmsr(0x80f, 0x1ff);
	GUEST_ASSERT_EQ(rdmsr(0x80f), 0x1ff);
	wrmsr(0x808, 0x30);
	GUEST_ASSERT_EQ(rdmsr(0x808), 0x30);
	GUEST_ASSERT_EQ(rdmsr(0x80a), 0x30);
	wrmsr(0x808, 0);
	/* Off, and on again by way of xAPIC only. */
	wrmsr(0x1b, 0xfee00100);
	GUEST_ASSERT_EQ(guest_try(wrmsr(0x1b, 0xfee00d00)), 13);
	wrmsr(0x1b, 0xfee00900);
	wrmsr(0x1b, 0xfee00d00);
	GUEST_ASSERT_EQ(rdmsr(0x802), cpu);
	guest_done();
}

static void apic_rules(void)
{
	run_guest(apic_rules_guest, &split);
}

static void self_guest(unsigned long cpu)
{
	u64 n, start;

	guest_set_handler(VECTOR, on_vector);
	x2apic_enable();
	for (n = 1; n <= 200; n++) {
		if (n & 1)
			x2apic_write(APIC_SELF_IPI, VECTOR);
		else
			x2apic_icr(0, ICR_SELF | VECTOR);
		while (GUEST->count < n)
			sti_hlt_cli();
	}
	x2apic_write(APIC_LVTT, 2 << 17 | VECTOR);
	for (; n <= 210; n++) {
		start = rdtsc();
		wrmsr(0x6e0, start + 200000);
		while (GUEST->count < n)
			sti_hlt_cli();
		GUEST_ASSERT(rdtsc() >= start + 200000);
		GUEST_ASSERT_EQ(rdmsr(0x6e0), 0);
	}
	/* In the past: at once. So far ahead that nothing may overflow: not at all. */
	wrmsr(0x6e0, 1);
	while (GUEST->count < n)
		sti_hlt_cli();
	wrmsr(0x6e0, ~0ULL);
	GUEST_ASSERT_EQ(rdmsr(0x6e0), ~0ULL);
	/* Another mode takes the deadline back. */
	x2apic_write(APIC_LVTT, VECTOR);
	GUEST_ASSERT_EQ(rdmsr(0x6e0), 0);
	x2apic_write(APIC_TDCR, 0xb);
	x2apic_write(APIC_TMICT, 100000000);
	GUEST_ASSERT(x2apic_read(0x390) <= 100000000);
	GUEST_ASSERT(x2apic_read(0x390) > 0);
	x2apic_write(APIC_TMICT, 0);
	GUEST_ASSERT_EQ(x2apic_read(0x390), 0);
	x2apic_write(APIC_LVTT, 1 << 17 | VECTOR);
	x2apic_write(APIC_TMICT, 300000);
	for (n++; GUEST->count < n + 5;)
		sti_hlt_cli();
	x2apic_write(APIC_TMICT, 0);
	guest_done();
}

static void self_ipis_and_timers(void)
{
	run_guest(self_guest, &split);
}

static void pong_guest(unsigned long cpu)
{
	u64 i;

	guest_set_handler(VECTOR, on_vector);
	x2apic_enable();
	__atomic_fetch_add(&GUEST->up, 1, __ATOMIC_SEQ_CST);
	while (GUEST->up < 2)
		cpu_relax();
	for (i = 1; i <= 1000; i++) {
		if (!cpu)
			x2apic_icr(1, VECTOR);
		while (GUEST->cpu[cpu] < i)
			sti_hlt_cli();
		if (cpu)
			x2apic_icr(0, VECTOR);
	}
	if (!cpu)
		guest_done();
	for (;;)
		sti_hlt_cli();
}

/* Both sleep in HLT: each wake-up that is lost ends the test here. */
static void ping_pong(void)
{
	struct vm *vm = vm_create(pong_guest, &split2);

	vcpu_set_mp_state(&vm->vcpu[1], KVM_MP_STATE_RUNNABLE);
	vm_run(vm);
	vm_free(vm);
}

static void lapic_state(void)
{
	struct vm *vm = start_taker(&split);
	struct vcpu *vcpu = &vm->vcpu[0];
	struct kvm_lapic_state lapic, again;

	HOST(vm)->stop = 1;
	signal_msi(vm, MSI_ADDRESS, OTHER_VECTOR);
	vcpu_join(vcpu);
	ASSERT_OK(ioctl(vcpu->fd, KVM_GET_LAPIC, &lapic));
	ASSERT_EQ(*(u32 *)&lapic.regs[APIC_SVR] & 0x100, 0x100);
	ASSERT_EQ(*(u32 *)&lapic.regs[APIC_ID], 0);
	ASSERT_EQ(*(u32 *)&lapic.regs[0xd0], 1);
	*(u32 *)&lapic.regs[0x200 + 0x20] = 1 << (VECTOR - 64);
	ASSERT_OK(ioctl(vcpu->fd, KVM_SET_LAPIC, &lapic));
	ASSERT_OK(ioctl(vcpu->fd, KVM_GET_LAPIC, &again));
	ASSERT(!memcmp(&lapic, &again, sizeof(lapic)));
	vm_free(vm);

	vm = vm_create(taker, &none);
	ASSERT_ERRNO(ioctl(vm->vcpu[0].fd, KVM_GET_LAPIC, &lapic), EINVAL);
	ASSERT_ERRNO(ioctl(vm->vcpu[0].fd, KVM_SET_LAPIC, &lapic), EINVAL);
	vm_free(vm);
}

TESTS = {
	CASE(routes_that_are_wrong),
	CASE(most_routes),
	CASE(msis),
	CASE(wide_msis),
	CASE(irqfds_that_are_wrong),
	CASE(irqfds_raise_interrupts),
	CASE(irqfds_come_and_go),
	CASE(ioeventfds_that_are_wrong),
	CASE(ioeventfds_take_writes),
	CASE(one_eventfd_for_both),
	CASE(ioapic_state),
	CASE(ioapic_edges),
	CASE(ioapic_levels),
	CASE(resample),
	CASE(eois_go_to_userspace),
	CASE(apic_rules),
	CASE(self_ipis_and_timers),
	CASE(ping_pong),
	CASE(lapic_state),
	TESTS_END
};
