// SPDX-License-Identifier: GPL-2.0-only
/*
 * vm.c - a VM: its creation and end, its file, its ioctls.
 *
 * Counted by vm->users: the VM's file, each vCPU's file and each statistics
 * file hold one. vm_locked_ioctl() runs under vm->lock; the other ioctls have
 * locks of their own, or need none.
 *
 * Teardown (destroy()) runs when the last file is gone. So no ioctl runs, no
 * vCPU is in KVM_RUN, and no new reference can appear. Its order:
 *
 *	irqfds and ioeventfds: from here on nobody sends interrupts from outside
 *	each vCPU, with its APIC's timer, which reaches no other vCPU
 *	the IOAPIC, which only vCPUs and GSI routes could reach
 *	the backend's VM: the firmware forgets the key while the memory is
 *		still pinned, so that nobody else's data is under it
 *	nested page tables, then the pins of what they mapped
 *	SVM itself, if this was the last VM
 */
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <asm/tsc.h>

#include "cap.h"
#include "vcpu.h"
#include "svm/mem/mem.h"
#include "svm/mem/npt.h"
#include "svm/cpu/clock.h"
#include "svm/cpu/host.h"
#include "svm/cpu/msr_filter.h"
#include "svm/irq/ioapic.h"
#include "svm/irq/irq.h"

#include <uapi/linux/sevm.h>

static void destroy(struct sevm_vm *vm)
{
	struct sevm_vcpu *vcpu;
	unsigned long i;

	sevm_irq_destroy(vm);
	xa_for_each(&vm->vcpus, i, vcpu)
		sevm_vcpu_free(vcpu);
	xa_destroy(&vm->vcpus);
	if (vm->ioapic)
		sevm_ioapic_free(vm);
	vm->protect->vm_destroy(vm);
	sevm_npt_destroy(vm);
	sevm_mem_destroy(vm);
	sevm_msr_filter_free(vm);
	sevm_host_put();
	mmdrop(vm->mm);
	kfree(vm);
}

void sevm_vm_get(struct sevm_vm *vm)
{
	refcount_inc(&vm->users);
}

void sevm_vm_put(struct sevm_vm *vm)
{
	if (refcount_dec_and_test(&vm->users))
		destroy(vm);
}

/* ---- ioctls ---- */

static long create_irqchip(struct sevm_vm *vm)
{
	int r;

	if (vm->irqchip != SEVM_IRQCHIP_NONE)
		return -EEXIST;
	if (vm->created_vcpus)
		return -EINVAL;
	r = sevm_ioapic_create(vm);
	if (r)
		return r;
	r = sevm_irq_set_default_routing(vm);
	if (r) {
		sevm_ioapic_free(vm);
		return r;
	}
	/* Last: until then, no ioctl drives a line or sets a route. */
	smp_store_release(&vm->irqchip, SEVM_IRQCHIP_KERNEL);
	return 0;
}

static long enable_split_irqchip(struct sevm_vm *vm, u64 pins)
{
	if (pins > SEVM_MAX_GSI)
		return -EINVAL;
	if (vm->irqchip != SEVM_IRQCHIP_NONE || vm->created_vcpus)
		return -EEXIST;
	vm->irq.reserved_pins = pins;
	WRITE_ONCE(vm->irqchip, SEVM_IRQCHIP_SPLIT);
	return 0;
}

static long enable_cap(struct sevm_vm *vm, void __user *arg)
{
	struct kvm_enable_cap cap;

	if (copy_from_user(&cap, arg, sizeof(cap)))
		return -EFAULT;
	if (cap.flags)
		return -EINVAL;

	switch (cap.cap) {
	case KVM_CAP_SPLIT_IRQCHIP:
		return enable_split_irqchip(vm, cap.args[0]);
	case KVM_CAP_X2APIC_API:
		if (cap.args[0] & ~SEVM_X2APIC_API_FLAGS)
			return -EINVAL;
		vm->x2apic_flags |= cap.args[0];
		return 0;
	case KVM_CAP_X86_USER_SPACE_MSR:
		if (cap.args[0] & ~SEVM_USER_MSR_MASK)
			return -EINVAL;
		vm->user_msr_mask = cap.args[0];
		return 0;
	case KVM_CAP_EXCEPTION_PAYLOAD:
		vm->exception_payload = cap.args[0];
		return 0;
	case KVM_CAP_X86_TRIPLE_FAULT_EVENT:
		vm->triple_fault_event = cap.args[0];
		return 0;
	case KVM_CAP_MAX_VCPU_ID:
		if (cap.args[0] > SEVM_MAX_VCPUS)
			return -EINVAL;
		if (vm->max_vcpu_id && vm->max_vcpu_id != cap.args[0])
			return -EINVAL;
		if (vm->bsp_vcpu_id > cap.args[0])
			return -EINVAL;
		vm->max_vcpu_id = cap.args[0];
		return 0;
	case SEVM_CAP_AP_PAGE:
		return vm->protect->enable_ap_page(vm, cap.args);
	default:
		return -EINVAL;
	}
}

static long set_boot_cpu(struct sevm_vm *vm, unsigned long id)
{
	if (vm->created_vcpus)
		return -EBUSY;
	if (id > (vm->max_vcpu_id ?: SEVM_MAX_VCPUS))
		return -EINVAL;
	vm->bsp_vcpu_id = id;
	return 0;
}

static long set_user_region(struct sevm_vm *vm, void __user *arg, size_t size)
{
	struct kvm_userspace_memory_region2 region = {};

	if (copy_from_user(&region, arg, size))
		return -EFAULT;
	return sevm_mem_set_region(vm, &region);
}

static long set_identity_map(struct sevm_vm *vm, void __user *arg)
{
	u64 addr;

	/* For Intel's real mode; here there is nothing to place. */
	if (vm->created_vcpus)
		return -EINVAL;
	return copy_from_user(&addr, arg, sizeof(addr)) ? -EFAULT : 0;
}

static long set_tsc_khz(struct sevm_vm *vm, u32 khz)
{
	if (!khz)
		khz = tsc_khz;
	if (khz != tsc_khz)
		return -EINVAL;		/* KVM_CAP_VM_TSC_CONTROL is not offered */
	vm->default_tsc_khz = khz;
	return 0;
}

static long irqchip_state(struct sevm_vm *vm, void __user *arg, bool set)
{
	struct kvm_irqchip *chip = memdup_user(arg, sizeof(*chip));
	long r;

	if (IS_ERR(chip))
		return PTR_ERR(chip);
	if (vm->irqchip != SEVM_IRQCHIP_KERNEL)
		r = -ENXIO;
	else if (chip->chip_id != KVM_IRQCHIP_IOAPIC)
		r = -EINVAL;
	else if (set)
		r = sevm_ioapic_set_state(vm, &chip->chip.ioapic);
	else
		r = sevm_ioapic_get_state(vm, &chip->chip.ioapic);
	if (!r && !set && copy_to_user(arg, chip, sizeof(*chip)))
		r = -EFAULT;
	kfree(chip);
	return r;
}

/* An argument, copied in, and one call */
#define TAKES(name, type, call)							\
static long name(struct sevm_vm *vm, void __user *user)				\
{										\
	type arg;								\
										\
	return copy_from_user(&arg, user, sizeof(arg)) ? -EFAULT : call(vm, &arg);	\
}

TAKES(signal_msi, struct kvm_msi, sevm_irq_signal_msi)
TAKES(irqfd, struct kvm_irqfd, sevm_irqfd)
TAKES(ioeventfd, struct kvm_ioeventfd, sevm_ioeventfd)
TAKES(set_clock, struct kvm_clock_data, sevm_clock_set)
TAKES(get_dirty_log, struct kvm_dirty_log, sevm_mem_get_dirty_log)

static long irq_line(struct sevm_vm *vm, void __user *arg, bool status)
{
	struct kvm_irq_level level;
	int r;

	if (copy_from_user(&level, arg, sizeof(level)))
		return -EFAULT;
	if (vm->irqchip == SEVM_IRQCHIP_NONE)
		return -ENXIO;
	r = sevm_irq_line(vm, level.irq, level.level, &level.status);
	if (!r && status && copy_to_user(arg, &level, sizeof(level)))
		r = -EFAULT;
	return r;
}

static long get_clock(struct sevm_vm *vm, void __user *arg)
{
	struct kvm_clock_data data = {};
	int r = sevm_clock_get(vm, &data);

	if (!r && copy_to_user(arg, &data, sizeof(data)))
		r = -EFAULT;
	return r;
}

static long enc_region(struct sevm_vm *vm, void __user *arg, bool add)
{
	struct kvm_enc_region region;

	if (copy_from_user(&region, arg, sizeof(region)))
		return -EFAULT;
	return add ? sevm_mem_reg_region(vm, &region) : sevm_mem_unreg_region(vm, &region);
}

/* The VM changes: vm->lock held. */
static long vm_locked_ioctl(struct sevm_vm *vm, unsigned int cmd, unsigned long arg)
{
	void __user *argp = (void __user *)arg;

	switch (cmd) {
	case KVM_CREATE_VCPU:
		return arg > U32_MAX ? -EINVAL : sevm_vcpu_create(vm, arg);
	case KVM_CREATE_IRQCHIP:
		return create_irqchip(vm);
	case KVM_ENABLE_CAP:
		return enable_cap(vm, argp);
	case KVM_MEMORY_ENCRYPT_REG_REGION:
	case KVM_MEMORY_ENCRYPT_UNREG_REGION:
		return enc_region(vm, argp, cmd == KVM_MEMORY_ENCRYPT_REG_REGION);
	case KVM_SET_BOOT_CPU_ID:
		return set_boot_cpu(vm, arg);
	case KVM_SET_IDENTITY_MAP_ADDR:
		return set_identity_map(vm, argp);
	case KVM_SET_TSC_KHZ:
		return set_tsc_khz(vm, arg);
	case KVM_X86_SET_MSR_FILTER:
		return sevm_msr_filter_set(vm, argp);
	case KVM_GET_IRQCHIP:
	case KVM_SET_IRQCHIP:
		return irqchip_state(vm, argp, cmd == KVM_SET_IRQCHIP);
	default:
		return -ENOTTY;
	}
}

static long vm_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct sevm_vm *vm = file->private_data;
	void __user *argp = (void __user *)arg;
	long r;

	if (vm->mm != current->mm || READ_ONCE(vm->dead))
		return -EIO;

	/* These have locks of their own, or need none. */
	switch (cmd) {
	case KVM_CHECK_EXTENSION:
		return sevm_cap_check(arg);
	case KVM_SET_USER_MEMORY_REGION:
		return set_user_region(vm, argp, sizeof(struct kvm_userspace_memory_region));
	case KVM_SET_USER_MEMORY_REGION2:
		return set_user_region(vm, argp, sizeof(struct kvm_userspace_memory_region2));
	case KVM_GET_DIRTY_LOG:
		return get_dirty_log(vm, argp);
	case KVM_SET_TSS_ADDR:
		/* For Intel's real mode, as above. */
		return arg > (unsigned int)(-3 * PAGE_SIZE) ? -EINVAL : 0;
	case KVM_SET_GSI_ROUTING:
		return sevm_irq_set_routing(vm, argp);
	case KVM_IRQ_LINE:
	case KVM_IRQ_LINE_STATUS:
		return irq_line(vm, argp, cmd == KVM_IRQ_LINE_STATUS);
	case KVM_SIGNAL_MSI:
		return signal_msi(vm, argp);
	case KVM_IRQFD:
		return irqfd(vm, argp);
	case KVM_IOEVENTFD:
		return ioeventfd(vm, argp);
	case KVM_GET_CLOCK:
		return get_clock(vm, argp);
	case KVM_SET_CLOCK:
		return set_clock(vm, argp);
	case KVM_GET_TSC_KHZ:
		return vm->default_tsc_khz;
	case KVM_GET_STATS_FD:
		return sevm_stat_vm_fd(vm);
	case KVM_MEMORY_ENCRYPT_OP:
		return sevm_launch_enc_op(vm, argp);
	}
	if (_IOC_TYPE(cmd) == SEVM_IO)
		return vm->protect->vm_ioctl(vm, cmd, arg);

	/* Whoever has it may wait for a vCPU to leave KVM_RUN (sev/launch.c). */
	if (mutex_lock_killable(&vm->lock))
		return -EINTR;
	r = vm_locked_ioctl(vm, cmd, arg);
	mutex_unlock(&vm->lock);
	return r;
}

static int vm_release(struct inode *inode, struct file *file)
{
	sevm_vm_put(file->private_data);
	return 0;
}

static const struct file_operations vm_fops = {
	.owner = THIS_MODULE,
	.release = vm_release,
	.unlocked_ioctl = vm_ioctl,
	.llseek = noop_llseek,
};

static const struct sevm_protect_ops *backend_of(unsigned long type)
{
	switch (type) {
	case KVM_X86_DEFAULT_VM:
		return &sevm_plain_ops;
	case KVM_X86_SEV_ES_VM:
		return sevm_host_caps.sev_es ? &sevm_es_ops : NULL;
	default:
		return NULL;
	}
}

static struct sevm_vm *alloc_vm(unsigned long type)
{
	const struct sevm_protect_ops *protect = backend_of(type);
	struct sevm_vm *vm;
	int r;

	if (!protect)
		return ERR_PTR(-EINVAL);
	vm = kzalloc(sizeof(*vm), GFP_KERNEL_ACCOUNT);
	if (!vm)
		return ERR_PTR(-ENOMEM);

	refcount_set(&vm->users, 1);
	mutex_init(&vm->lock);
	spin_lock_init(&vm->stop_lock);
	xa_init(&vm->vcpus);
	vm->type = type;
	vm->protect = protect;
	vm->default_tsc_khz = tsc_khz;
	vm->mm = current->mm;
	mmgrab(vm->mm);
	snprintf(vm->stats_id, sizeof(vm->stats_id), "sevm-%d",
		 task_pid_nr(current));

	r = sevm_host_get();
	if (r)
		goto err_free;
	r = sevm_mem_init(vm);
	if (r)
		goto err_put_host;
	r = sevm_npt_init(vm);
	if (r)
		goto err_destroy_mem;
	r = sevm_irq_init(vm);
	if (r)
		goto err_destroy_npt;
	sevm_clock_init(vm);
	r = protect->vm_init(vm);
	if (r)
		goto err_destroy_irq;
	return vm;

err_destroy_irq:
	sevm_irq_destroy(vm);
err_destroy_npt:
	sevm_npt_destroy(vm);
err_destroy_mem:
	sevm_mem_destroy(vm);
err_put_host:
	sevm_host_put();
err_free:
	mmdrop(vm->mm);
	kfree(vm);
	return ERR_PTR(r);
}

int sevm_vm_create(unsigned long type)
{
	struct sevm_vm *vm = alloc_vm(type);
	int fd;

	if (IS_ERR(vm))
		return PTR_ERR(vm);
	fd = anon_inode_getfd("sevm-vm", &vm_fops, vm, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		sevm_vm_put(vm);
	return fd;
}
