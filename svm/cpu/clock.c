// SPDX-License-Identifier: GPL-2.0-only
/*
 * clock.c - the guest's time: kvm-clock and the time stamp counter.
 *
 * kvm-clock is the host's TSC, scaled: one pair (TSC, nanoseconds) per VM, taken
 * when the VM appears or userspace sets the clock, and the same, but for the TSC
 * offset, in every vCPU's page. So the vCPUs agree to the nanosecond and nothing is ever
 * adjusted. Where the host calls its TSC unstable, each update takes a new
 * pair, and the guest is not told that the clock is stable.
 *
 * The guest's TSC is the host's plus an offset; there is no scaling.
 */
#include <linux/kvm_para.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/timekeeping.h>
#include <asm/pvclock.h>
#include <asm/tsc.h>

#include "clock.h"
#include "svm/kick.h"
#include "svm/mem/mem.h"

#define CLOCK_ENABLE	BIT_ULL(0)
#define TOLERANCE_PPM	250U

static bool is_stable(void)
{
	return !check_tsc_unstable() && (boot_cpu_has(X86_FEATURE_CONSTANT_TSC) ||
					 boot_cpu_has(X86_FEATURE_TSC_RELIABLE));
}

/* ns = ((cycles << shift) * mul) >> 32, the form of the guest's page. */
static void cycles_to_ns(u32 khz, u32 *mul, s8 *shift)
{
	u64 hz = khz * 1000ULL, ns = NSEC_PER_SEC;

	*shift = 0;
	while (ns >= hz) {
		hz <<= 1;
		(*shift)++;
	}
	while (ns * 2 < hz) {
		ns <<= 1;
		(*shift)--;
	}
	*mul = mul_u64_u64_div_u64(ns, 1ULL << 32, hz);
}

/* Under clock->lock. */
static void take_pair(struct sevm_clock *clock)
{
	unsigned long flags;

	local_irq_save(flags);
	clock->ns = ktime_get_raw_ns() + clock->offset;
	clock->host_tsc = rdtsc();
	local_irq_restore(flags);
}

/* Under clock->lock: the guest's clock, when the host's TSC was *tsc. */
static u64 now(struct sevm_clock *clock, u64 *tsc)
{
	u32 mul;
	s8 shift;

	if (!is_stable())
		take_pair(clock);
	cycles_to_ns(tsc_khz, &mul, &shift);
	*tsc = rdtsc_ordered();
	return clock->ns + pvclock_scale_delta(*tsc - clock->host_tsc, mul, shift);
}

void sevm_clock_init(struct sevm_vm *vm)
{
	struct sevm_clock *clock = &vm->clock;

	spin_lock_init(&clock->lock);
	clock->offset = -(s64)ktime_get_raw_ns();
	take_pair(clock);
	vm->default_tsc_khz = tsc_khz;
}

int sevm_clock_get(struct sevm_vm *vm, struct kvm_clock_data *data)
{
	unsigned long flags;

	*data = (struct kvm_clock_data){};
	spin_lock(&vm->clock.lock);
	local_irq_save(flags);
	data->clock = now(&vm->clock, &data->host_tsc);
	data->realtime = ktime_get_real_ns();
	local_irq_restore(flags);
	spin_unlock(&vm->clock.lock);

	data->flags = KVM_CLOCK_REALTIME | KVM_CLOCK_HOST_TSC;
	if (is_stable())
		data->flags |= KVM_CLOCK_TSC_STABLE;
	return 0;
}

int sevm_clock_set(struct sevm_vm *vm, const struct kvm_clock_data *data)
{
	struct sevm_clock *clock = &vm->clock;
	u64 ns = data->clock, real;
	struct sevm_vcpu *vcpu;
	unsigned long i;

	if (data->flags & ~(KVM_CLOCK_TSC_STABLE | KVM_CLOCK_REALTIME | KVM_CLOCK_HOST_TSC))
		return -EINVAL;

	spin_lock(&clock->lock);
	real = ktime_get_real_ns();
	/* Time that passed since the VMM asked; never back. */
	if (data->flags & KVM_CLOCK_REALTIME && real > data->realtime)
		ns += real - data->realtime;
	clock->offset = ns - ktime_get_raw_ns();
	take_pair(clock);
	spin_unlock(&clock->lock);

	sevm_for_each_vcpu(i, vcpu, vm)
		sevm_vcpu_request(vcpu, SEVM_REQ_CLOCK);
	return 0;
}

/* The pages that the guest reads */

static void write_wall_clock(struct sevm_vcpu *vcpu, sevm_gpa gpa)
{
	struct sevm_vm *vm = vcpu->vm;
	struct pvclock_wall_clock wall;
	struct timespec64 epoch;
	u64 host_tsc, ns;
	u32 version;

	if (!gpa || sevm_mem_read(vm, gpa, &version, sizeof(version)))
		return;

	spin_lock(&vm->clock.lock);
	ns = ktime_get_real_ns() - now(&vm->clock, &host_tsc);
	spin_unlock(&vm->clock.lock);
	epoch = ns_to_timespec64(ns);

	/* Odd while it changes; what was there first may be anything. */
	version |= 1;
	wall = (struct pvclock_wall_clock){
		.version = version, .sec = epoch.tv_sec, .nsec = epoch.tv_nsec,
	};
	if (sevm_mem_write(vm, gpa, &version, sizeof(version)))
		return;
	smp_wmb();	/* the guest reads the version, the time, the version */
	if (sevm_mem_write(vm, gpa, &wall, sizeof(wall)))
		return;
	smp_wmb();	/* as above */
	version++;
	sevm_mem_write(vm, gpa, &version, sizeof(version));
}

void sevm_clock_update(struct sevm_vcpu *vcpu)
{
	struct sevm_clock *clock = &vcpu->vm->clock;
	struct pvclock_vcpu_time_info *page, info = {};
	sevm_gpa gpa = vcpu->clock_msr & ~CLOCK_ENABLE;
	struct sevm_map map;

	if (!(vcpu->clock_msr & CLOCK_ENABLE))
		return;
	/* Not across pages: no guest does that, and it would not be mapped as one. */
	if (offset_in_page(gpa) > PAGE_SIZE - sizeof(info) ||
	    sevm_mem_map(vcpu->vm, gpa & PAGE_MASK, &map))
		return;

	cycles_to_ns(tsc_khz, &info.tsc_to_system_mul, &info.tsc_shift);
	spin_lock(&clock->lock);
	if (is_stable())
		info.flags = PVCLOCK_TSC_STABLE_BIT;
	else
		take_pair(clock);
	info.tsc_timestamp = clock->host_tsc + vcpu->tsc_offset;
	info.system_time = clock->ns;
	spin_unlock(&clock->lock);

	/* Odd while it changes. The count is ours: nothing is read from the guest. */
	vcpu->clock_version = (vcpu->clock_version + 1) | 1;
	page = map.va + offset_in_page(gpa);
	WRITE_ONCE(page->version, vcpu->clock_version);
	smp_wmb();	/* the guest reads the version, the rest, the version */
	WRITE_ONCE(page->tsc_timestamp, info.tsc_timestamp);
	WRITE_ONCE(page->system_time, info.system_time);
	WRITE_ONCE(page->tsc_to_system_mul, info.tsc_to_system_mul);
	WRITE_ONCE(page->tsc_shift, info.tsc_shift);
	WRITE_ONCE(page->flags, info.flags);
	smp_wmb();	/* as above */
	WRITE_ONCE(page->version, ++vcpu->clock_version);
	sevm_mem_unmap(&map);
}

int sevm_clock_msr_set(struct sevm_vcpu *vcpu, u32 index, u64 data)
{
	switch (index) {
	case MSR_KVM_SYSTEM_TIME:
	case MSR_KVM_SYSTEM_TIME_NEW:
		vcpu->clock_msr = data;
		sevm_vcpu_request(vcpu, SEVM_REQ_CLOCK);
		return 0;
	case MSR_KVM_WALL_CLOCK:
	case MSR_KVM_WALL_CLOCK_NEW:
		vcpu->wall_clock_msr = data;
		write_wall_clock(vcpu, data);
		return 0;
	}
	return -EINVAL;
}

/* The time stamp counter */

u64 sevm_clock_tsc(struct sevm_vcpu *vcpu)
{
	return rdtsc_ordered() + READ_ONCE(vcpu->tsc_offset);
}

static void set_offset(struct sevm_vcpu *vcpu, u64 offset)
{
	WRITE_ONCE(vcpu->tsc_offset, offset);
	if (vcpu->clock_msr & CLOCK_ENABLE)
		sevm_vcpu_request(vcpu, SEVM_REQ_CLOCK);
}

/*
 * Userspace sets the TSCs of its vCPUs one after the other and means them to be
 * equal: a value within a second of what the last one has become by now is that
 * one. So is 0, which a new vCPU gets.
 */
static bool continues(struct sevm_clock *clock, struct sevm_vcpu *vcpu, u64 tsc, u64 ns)
{
	u64 hz = vcpu->tsc_khz * 1000ULL, expected;

	if (clock->tsc_khz != vcpu->tsc_khz)
		return false;
	if (!tsc)
		return true;
	if (!clock->tsc_user)
		return false;
	expected = clock->tsc_write +
		   mul_u64_u64_div_u64(ns - clock->tsc_write_ns, vcpu->tsc_khz, 1000000);
	return tsc < expected + hz && tsc + hz > expected;
}

void sevm_clock_set_tsc(struct sevm_vcpu *vcpu, u64 tsc, bool host)
{
	struct sevm_clock *clock = &vcpu->vm->clock;
	u64 offset, ns;

	if (!vcpu->tsc_khz)
		vcpu->tsc_khz = vcpu->vm->default_tsc_khz;
	if (!host) {
		set_offset(vcpu, tsc - rdtsc_ordered());
		return;
	}

	spin_lock(&clock->lock);
	ns = ktime_get_raw_ns();
	if (continues(clock, vcpu, tsc, ns)) {
		offset = clock->tsc_offset;
	} else {
		offset = tsc - rdtsc_ordered();
		clock->tsc_offset = offset;
	}
	clock->tsc_write = tsc;
	clock->tsc_write_ns = ns;
	clock->tsc_khz = vcpu->tsc_khz;
	if (tsc)
		clock->tsc_user = true;
	spin_unlock(&clock->lock);
	set_offset(vcpu, offset);
}

void sevm_clock_adjust_tsc(struct sevm_vcpu *vcpu, s64 delta)
{
	set_offset(vcpu, vcpu->tsc_offset + delta);
}

static bool khz_is_valid(u32 khz)
{
	u64 slack = div_u64((u64)tsc_khz * TOLERANCE_PPM, 1000000);

	return !khz || (khz >= tsc_khz - slack && khz <= tsc_khz + slack);
}

int sevm_clock_set_tsc_khz(struct sevm_vcpu *vcpu, u32 khz)
{
	if (!khz_is_valid(khz))
		return -EINVAL;
	vcpu->tsc_khz = khz ?: tsc_khz;
	return 0;
}
