/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * irq.h - a plain guest that takes interrupts, and the ways to send it one:
 * MSIs, GSI routes, lines and irqfds.
 */
#ifndef SELFTESTS_ABI_IRQ_H
#define SELFTESTS_ABI_IRQ_H

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "guest.h"
#include "vm.h"

#define VECTOR		0x51
#define OTHER_VECTOR	0x61
#define MSI_ADDRESS	0xfee00000	/* physical, to vCPU 0 */

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
 * The guest: takes interrupts in HLT until the host sets stop.
 */

static inline bool on_vector(struct guest_regs *regs)
{
	GUEST->count++;
	GUEST->cpu[guest_cpu()->index]++;
	x2apic_write(APIC_EOI, 0);
	GUEST->eois++;
	return true;
}

static inline bool on_other(struct guest_regs *regs)
{
	GUEST->other++;
	x2apic_write(APIC_EOI, 0);
	return true;
}

static inline void taker(unsigned long cpu)
{
	guest_set_handler(VECTOR, on_vector);
	guest_set_handler(OTHER_VECTOR, on_other);
	x2apic_enable();
	__atomic_fetch_add(&GUEST->up, 1, __ATOMIC_SEQ_CST);
	while (!GUEST->stop)
		sti_hlt_cli();
	guest_done();
}

static inline struct vm *start_taker(const struct vm_options *options)
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

static inline void wait_for(volatile u64 *count, u64 want)
{
	while (*count < want)
		usleep(50);
	ASSERT_EQ(*count, want);
}

static inline int signal_msi(struct vm *vm, u64 address, u32 data)
{
	struct kvm_msi msi = {
		.address_lo = address, .address_hi = address >> 32, .data = data,
	};

	return ioctl(vm->fd, KVM_SIGNAL_MSI, &msi);
}

static inline void stop_taker(struct vm *vm)
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
 * GSI routes and lines
 */

static inline struct kvm_irq_routing_entry msi_route(u32 gsi, u64 address, u32 data)
{
	return (struct kvm_irq_routing_entry) {
		.gsi = gsi, .type = KVM_IRQ_ROUTING_MSI,
		.u.msi = { .address_lo = address, .address_hi = address >> 32, .data = data },
	};
}

static inline int set_routes(struct vm *vm, unsigned int n,
			     const struct kvm_irq_routing_entry *entries)
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

static inline int set_line(struct vm *vm, u32 gsi, u32 level)
{
	struct kvm_irq_level line = { .irq = gsi, .level = level };

	ASSERT_OK(ioctl(vm->fd, KVM_IRQ_LINE_STATUS, &line));
	return line.status;
}

/*
 * Eventfds
 */

static inline int new_eventfd(unsigned int count)
{
	int fd = eventfd(count, EFD_NONBLOCK | EFD_CLOEXEC);

	ASSERT(fd >= 0);
	return fd;
}

static inline void raise_eventfd(int fd)
{
	u64 one = 1;

	ASSERT_EQ(write(fd, &one, sizeof(one)), sizeof(one));
}

/* What it has counted since the last time; 0 is never in an eventfd. */
static inline u64 drain(int fd)
{
	u64 count;

	return read(fd, &count, sizeof(count)) == sizeof(count) ? count : 0;
}

static inline int irqfd(struct vm *vm, int fd, u32 gsi, u32 flags, int resamplefd)
{
	struct kvm_irqfd args = {
		.fd = fd, .gsi = gsi, .flags = flags, .resamplefd = resamplefd,
	};

	return ioctl(vm->fd, KVM_IRQFD, &args);
}

#endif
