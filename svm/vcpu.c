// SPDX-License-Identifier: GPL-2.0-only
/*
 * vcpu.c - a vCPU: its creation and end, its file, its ioctls.
 *
 * A vCPU belongs to its VM and is freed with it, never before: its file holds a
 * reference to the VM and not to the vCPU. What its ioctls do to registers is
 * in state.c, KVM_RUN in run.c.
 *
 * vcpu->mutex serialises all ioctls of the vCPU, a whole KVM_RUN included, but for
 * KVM_GET_STATS_FD.
 */
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "kick.h"
#include "state.h"
#include "vcpu.h"
#include "svm/cpu/clock.h"
#include "svm/cpu/cpuid.h"
#include "svm/cpu/fpu.h"
#include "svm/cpu/tlb.h"
#include "svm/cpu/vmcb.h"
#include "svm/irq/apic.h"
#include "svm/run/mp_state.h"
#include "svm/run/msr.h"
#include "svm/run/run.h"

#include <uapi/linux/sevm.h>

/* ---- The file ---- */

static vm_fault_t fault(struct vm_fault *vmf)
{
	struct sevm_vcpu *vcpu = vmf->vma->vm_file->private_data;

	if (vmf->pgoff >= ARRAY_SIZE(vcpu->run_pages))
		return VM_FAULT_SIGBUS;
	vmf->page = vcpu->run_pages[vmf->pgoff];
	get_page(vmf->page);
	return 0;
}

static const struct vm_operations_struct vm_ops = {
	.fault = fault,
};

static int file_mmap(struct file *file, struct vm_area_struct *vma)
{
	vma->vm_ops = &vm_ops;
	return 0;
}

static int vcpu_release(struct inode *inode, struct file *file)
{
	struct sevm_vcpu *vcpu = file->private_data;

	sevm_vm_put(vcpu->vm);
	return 0;
}

static long set_signal_mask(struct sevm_vcpu *vcpu, void __user *arg)
{
	struct kvm_signal_mask __user *user = arg;
	struct kvm_signal_mask mask;
	sigset_t set;

	if (!arg) {
		vcpu->sigset_active = false;
		return 0;
	}
	if (copy_from_user(&mask, user, sizeof(mask)))
		return -EFAULT;
	if (mask.len != sizeof(set))
		return -EINVAL;
	if (copy_from_user(&set, user->sigset, sizeof(set)))
		return -EFAULT;
	sigdelsetmask(&set, sigmask(SIGKILL) | sigmask(SIGSTOP));
	vcpu->sigset = set;
	vcpu->sigset_active = true;
	return 0;
}

static long get_hold(struct sevm_vcpu *vcpu, void __user *arg)
{
	struct sevm_ap_hold hold = { .kind = vcpu->mp.hold };

	if (!vcpu->vm->protect->reset_hold)
		return -ENOTTY;
	return copy_to_user(arg, &hold, sizeof(hold)) ? -EFAULT : 0;
}

static long set_hold(struct sevm_vcpu *vcpu, void __user *arg)
{
	struct sevm_ap_hold hold;

	if (copy_from_user(&hold, arg, sizeof(hold)))
		return -EFAULT;
	if (hold.flags)
		return -EINVAL;
	return vcpu->vm->protect->reset_hold ? sevm_mp_state_set_hold(vcpu, hold.kind) : -ENOTTY;
}

static long setup_mce(struct sevm_vcpu *vcpu, void __user *arg)
{
	u64 cap;

	if (copy_from_user(&cap, arg, sizeof(cap)))
		return -EFAULT;
	return sevm_msr_setup_mce(vcpu, cap);
}

static long tpr_access(void __user *arg)
{
	struct kvm_tpr_access_ctl ctl;

	/* Nothing is ever reported: turning it off is what we do anyway. */
	if (copy_from_user(&ctl, arg, sizeof(ctl)))
		return -EFAULT;
	if (ctl.flags || ctl.enabled)
		return -EINVAL;
	return 0;
}

static long set_vapic(void __user *arg)
{
	struct kvm_vapic_addr va;

	/* No TPR access is ever patched, so there is no page to share: QEMU says 0 and insists. */
	if (copy_from_user(&va, arg, sizeof(va)))
		return -EFAULT;
	return va.vapic_addr ? -EINVAL : 0;
}

/* Those that are not the state ioctls'. vcpu->mutex held. */
static long vcpu_locked_ioctl(struct sevm_vcpu *vcpu, unsigned int cmd, unsigned long arg)
{
	void __user *argp = (void __user *)arg;

	switch (cmd) {
	case KVM_RUN:
		return arg ? -EINVAL : sevm_vcpu_run(vcpu);
	case KVM_SET_SIGNAL_MASK:
		return set_signal_mask(vcpu, argp);
	case KVM_NMI:
		sevm_vcpu_queue_nmi(vcpu);
		return 0;
	case KVM_SET_CPUID:
		return sevm_cpuid_set_v1(vcpu, argp);
	case KVM_SET_CPUID2:
		return sevm_cpuid_set(vcpu, argp);
	case KVM_GET_CPUID2:
		return sevm_cpuid_get(vcpu, argp);
	case KVM_GET_MSRS:
		return sevm_msr_ioctl_get(vcpu, argp);
	case KVM_SET_MSRS:
		return sevm_msr_ioctl_set(vcpu, argp);
	case KVM_GET_XSAVE2:
		return sevm_state_get_xsave2(vcpu, argp);
	case KVM_GET_TSC_KHZ:
		return vcpu->tsc_khz;
	case KVM_SET_TSC_KHZ:
		return sevm_clock_set_tsc_khz(vcpu, arg);
	case KVM_X86_SETUP_MCE:
		return setup_mce(vcpu, argp);
	case KVM_TPR_ACCESS_REPORTING:
		return tpr_access(argp);
	case KVM_SET_VAPIC_ADDR:
		return set_vapic(argp);
	case KVM_KVMCLOCK_CTRL:
		return -EINVAL;		/* as KVM where the guest has no use for it */
	case KVM_ENABLE_CAP:
		return -EINVAL;		/* no capability is a vCPU's */
	case SEVM_GET_AP_HOLD:
		return get_hold(vcpu, argp);
	case SEVM_SET_AP_HOLD:
		return set_hold(vcpu, argp);
	default:
		return sevm_state_ioctl(vcpu, cmd, argp);
	}
}

static long vcpu_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct sevm_vcpu *vcpu = file->private_data;
	struct sevm_vm *vm = vcpu->vm;
	long r;

	if (vm->mm != current->mm || READ_ONCE(vm->dead))
		return -EIO;
	if (_IOC_TYPE(cmd) != KVMIO && _IOC_TYPE(cmd) != SEVM_IO)
		return -EINVAL;

	/* Reads counters alone, and must not wait for KVM_RUN. */
	if (cmd == KVM_GET_STATS_FD)
		return sevm_stat_vcpu_fd(vcpu);

	if (mutex_lock_killable(&vcpu->mutex))
		return -EINTR;
	r = vcpu_locked_ioctl(vcpu, cmd, arg);
	mutex_unlock(&vcpu->mutex);
	return r;
}

static const struct file_operations vcpu_fops = {
	.owner = THIS_MODULE,
	.release = vcpu_release,
	.unlocked_ioctl = vcpu_ioctl,
	.mmap = file_mmap,
	.llseek = noop_llseek,
};

/* ---- Creation and end ---- */

static void free_run_pages(struct sevm_vcpu *vcpu)
{
	unsigned int i;

	/* Userspace may still have them mapped: its references keep them. */
	for (i = 0; i < ARRAY_SIZE(vcpu->run_pages); i++)
		if (vcpu->run_pages[i])
			put_page(vcpu->run_pages[i]);
}

static int alloc_run_pages(struct sevm_vcpu *vcpu)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(vcpu->run_pages); i++) {
		vcpu->run_pages[i] = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
		if (!vcpu->run_pages[i]) {
			free_run_pages(vcpu);
			return -ENOMEM;
		}
	}
	vcpu->run = page_address(vcpu->run_pages[0]);
	return 0;
}

/* All but what makes it visible. */
static struct sevm_vcpu *alloc_vcpu(struct sevm_vm *vm, u32 id)
{
	struct sevm_vcpu *vcpu = kzalloc(sizeof(*vcpu), GFP_KERNEL_ACCOUNT);
	int r = -ENOMEM;

	if (!vcpu)
		return ERR_PTR(-ENOMEM);
	vcpu->vm = vm;
	vcpu->id = id;
	vcpu->index = vm->created_vcpus;
	vcpu->phys_bits = 36;
	vcpu->tsc_khz = vm->default_tsc_khz;
	vcpu->xcr0 = 1;
	mutex_init(&vcpu->mutex);
	init_waitqueue_head(&vcpu->wait);

	r = alloc_run_pages(vcpu);
	if (r)
		goto err_free;
	r = sevm_vmcb_alloc(vcpu);
	if (r)
		goto err_free_run;
	r = sevm_fpu_alloc(vcpu);
	if (r)
		goto err_free_vmcb;
	r = sevm_msr_init(vcpu);
	if (r)
		goto err_free_fpu;
	r = sevm_apic_create(vcpu);
	if (r)
		goto err_free_msrs;
	r = vm->protect->vcpu_init(vcpu);
	if (r)
		goto err_free_apic;

	mutex_lock(&vcpu->mutex);
	sevm_vcpu_reset(vcpu, false);
	sevm_clock_set_tsc(vcpu, 0, true);
	mutex_unlock(&vcpu->mutex);
	sevm_mp_state_create(vcpu);
	return vcpu;

err_free_apic:
	sevm_apic_free(vcpu);
err_free_msrs:
	sevm_msr_free(vcpu);
err_free_fpu:
	sevm_fpu_free(vcpu);
err_free_vmcb:
	sevm_vmcb_free(vcpu);
err_free_run:
	free_run_pages(vcpu);
err_free:
	kfree(vcpu);
	return ERR_PTR(r);
}

/*
 * No file and no thread has it any more; a CPU may remember its
 * address as the last one it ran, to compare, so that goes before the memory.
 */
void sevm_vcpu_free(struct sevm_vcpu *vcpu)
{
	sevm_tlb_invalidate_vcpu(vcpu);
	sevm_vcpu_clear_last(vcpu);
	vcpu->vm->protect->vcpu_free(vcpu);
	sevm_apic_free(vcpu);
	sevm_cpuid_free(vcpu);
	sevm_msr_free(vcpu);
	sevm_fpu_free(vcpu);
	sevm_vmcb_free(vcpu);
	free_run_pages(vcpu);
	kfree(vcpu);
}

int sevm_vcpu_create(struct sevm_vm *vm, u32 id)
{
	struct sevm_vcpu *vcpu;
	struct file *file;
	char name[24];
	int fd, r;

	if (id >= (vm->max_vcpu_id ?: SEVM_MAX_VCPUS))
		return -EINVAL;
	if (vm->created_vcpus >= SEVM_MAX_VCPUS)
		return -EINVAL;
	if (sevm_vm_vcpu_by_id(vm, id))
		return -EEXIST;

	vcpu = alloc_vcpu(vm, id);
	if (IS_ERR(vcpu))
		return PTR_ERR(vcpu);

	/* Once there is a file, nothing may fail: its release needs the vCPU. */
	r = xa_reserve(&vm->vcpus, vcpu->index, GFP_KERNEL_ACCOUNT);
	if (r)
		goto err_free_vcpu;
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0) {
		r = fd;
		goto err_release;
	}
	snprintf(name, sizeof(name), "sevm-vcpu:%u", id);
	file = anon_inode_getfile(name, &vcpu_fops, vcpu, O_RDWR);
	if (IS_ERR(file)) {
		r = PTR_ERR(file);
		goto err_put_fd;
	}
	sevm_vm_get(vm);
	xa_store(&vm->vcpus, vcpu->index, vcpu, GFP_KERNEL_ACCOUNT);

	vm->created_vcpus++;
	/* Whoever sees the new count sees a whole vCPU. */
	smp_wmb();
	atomic_inc(&vm->online_vcpus);
	fd_install(fd, file);
	return fd;

err_put_fd:
	put_unused_fd(fd);
err_release:
	xa_release(&vm->vcpus, vcpu->index);
err_free_vcpu:
	sevm_vcpu_free(vcpu);
	return r;
}
