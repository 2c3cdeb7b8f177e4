// SPDX-License-Identifier: GPL-2.0-only
/*
 * host.c - who owns SVM on this machine's CPUs.
 *
 * SVM is on, on every online CPU, while at least one VM exists: EFER.SVME and
 * the host save area are set when the first VM appears and given back with the
 * last. CPUs that come and go, suspend, reboot and crash are handled here. It
 * knows nothing of VMs but their number.
 *
 * Invariant: sevm_host_cpu.on is true on a CPU if and only if sevm set EFER.SVME
 * there; it changes on that CPU, with interrupts off.
 */

#include <linux/cc_platform.h>
#include <linux/cpu.h>
#include <linux/cpuhotplug.h>
#include <linux/io.h>
#include <linux/percpu.h>
#include <linux/reboot.h>
#include <linux/sched/signal.h>
#include <linux/suspend.h>
#include <linux/topology.h>
#include <asm/cpufeature.h>
#include <asm/fpu/xcr.h>
#include <asm/msr.h>
#include <asm/reboot.h>
#include <asm/svm.h>

#include "host.h"

#define CPUID_SVM		0x8000000a
#define SVM_FEATURE_CLEAN	BIT(5)
#define VM_CR_SVMDIS		BIT(4)
#define SAVE_IMAGE		0x400	/* in the host save area */
#define SAVE_TSC_AUX		0x2ec	/* in a VMSA; 6.1's struct lacks it */

DEFINE_PER_CPU(struct sevm_host_cpu, sevm_host_cpu);

/*
 * Outermost: cpus_read_lock(). Callbacks of CPU hotplug hold it for writing
 * and read these without host_lock.
 */
static DEFINE_MUTEX(host_lock);
static unsigned int host_users;
static bool host_suspended;
static bool host_rebooting;
static DECLARE_WAIT_QUEUE_HEAD(host_wait);
static enum cpuhp_state host_hotplug;

struct sevm_host_caps sevm_host_caps;

/* What we need from the CPU: one test, one printed reason each. */
static int check_cpu(void)
{
	u64 vm_cr;

	if (boot_cpu_data.x86_vendor != X86_VENDOR_AMD &&
	    boot_cpu_data.x86_vendor != X86_VENDOR_HYGON) {
		pr_err("this CPU is not made by AMD: it has no SVM\n");
		return -EOPNOTSUPP;
	}
	if (cc_platform_has(CC_ATTR_GUEST_MEM_ENCRYPT)) {
		pr_err("this is an encrypted guest: SVM cannot be used here\n");
		return -EOPNOTSUPP;
	}
	if (boot_cpu_data.extended_cpuid_level < CPUID_SVM ||
	    !(cpuid_ecx(0x80000001) & BIT(2))) {
		pr_err("this CPU has no SVM\n");
		return -EOPNOTSUPP;
	}
	if (!rdmsrl_safe(MSR_VM_CR, &vm_cr) && (vm_cr & VM_CR_SVMDIS)) {
		pr_err("SVM is disabled by the BIOS (VM_CR.SVMDIS): enable it there\n");
		return -EOPNOTSUPP;
	}
	if (!boot_cpu_has(X86_FEATURE_NPT)) {
		pr_err("this CPU has no nested paging (NPT)\n");
		return -EOPNOTSUPP;
	}
	if (!boot_cpu_has(X86_FEATURE_XSAVE)) {
		pr_err("XSAVE is missing or was disabled\n");
		return -EOPNOTSUPP;
	}
	return 0;
}

static void read_caps(void)
{
	struct sevm_host_caps *caps = &sevm_host_caps;
	u32 eax, ebx, ecx, edx;

	cpuid(CPUID_SVM, &eax, &ebx, &ecx, &edx);
	caps->nrips = boot_cpu_has(X86_FEATURE_NRIPS);
	caps->decode_assists = boot_cpu_has(X86_FEATURE_DECODEASSISTS);
	caps->flush_by_asid = boot_cpu_has(X86_FEATURE_FLUSHBYASID);
	caps->lbrv = boot_cpu_has(X86_FEATURE_LBRV);
	caps->v_spec_ctrl = boot_cpu_has(X86_FEATURE_V_SPEC_CTRL);
	caps->tsc_scale = boot_cpu_has(X86_FEATURE_TSCRATEMSR);
	caps->vmcb_clean = edx & SVM_FEATURE_CLEAN;
	caps->max_asid = ebx ? ebx - 1 : 0;
	caps->xcr0 = xgetbv(XCR_XFEATURE_ENABLED_MASK);
	caps->xss = 0;
	if (boot_cpu_has(X86_FEATURE_XSAVES))
		rdmsrl_safe(MSR_IA32_XSS, &caps->xss);
	rdmsrl(MSR_EFER, caps->efer);
	caps->efer &= ~EFER_SVME;
}

/*
 * Where the kernel mitigates SRSO so (Zen 5), it leaves this bit to whoever has
 * SVM on: the CPU speculates less in the host while guests may train it.
 */
static void srso_reduce(bool on)
{
	u64 cfg;

	if (!sevm_host_srso_reduce())
		return;
	rdmsrl(MSR_ZEN4_BP_CFG, cfg);
	if (on)
		cfg |= BIT_ULL(MSR_ZEN4_BP_CFG_BP_SPEC_REDUCE_BIT);
	else
		cfg &= ~BIT_ULL(MSR_ZEN4_BP_CFG_BP_SPEC_REDUCE_BIT);
	wrmsrl(MSR_ZEN4_BP_CFG, cfg);
}

/* On the CPU itself, interrupts off: 0, or -EBUSY. */
static int enable(void)
{
	struct sevm_host_cpu *hc = this_cpu_ptr(&sevm_host_cpu);
	u64 efer;

	if (hc->on)
		return 0;

	rdmsrl(MSR_EFER, efer);
	if (efer & EFER_SVME)
		return -EBUSY;

	wrmsrl(MSR_EFER, efer | EFER_SVME);
	srso_reduce(true);
	wrmsrl(MSR_VM_HSAVE_PA, hc->save_pa);
	if (sevm_host_caps.tsc_scale)
		wrmsr(MSR_AMD64_TSC_RATIO, lower_32_bits(SVM_TSC_RATIO_DEFAULT),
		      upper_32_bits(SVM_TSC_RATIO_DEFAULT));
	if (boot_cpu_has(X86_FEATURE_RDTSCP))
		rdmsrl(MSR_TSC_AUX, hc->tsc_aux);
	/* Where the CPU virtualizes TSC_AUX, #VMEXIT restores it from here. */
	*(u32 *)((void *)hc->image + SAVE_TSC_AUX) = hc->tsc_aux;

	hc->epoch++;
	hc->on = true;
	return 0;
}

static void disable(void)
{
	struct sevm_host_cpu *hc = this_cpu_ptr(&sevm_host_cpu);
	u64 efer;

	if (!hc->on)
		return;
	hc->on = false;
	wrmsrl(MSR_VM_HSAVE_PA, 0);
	rdmsrl(MSR_EFER, efer);
	if (efer & EFER_SVME) {
		/* With GIF 0 a CPU without SVM would hear no INIT and no NMI. */
		asm volatile("stgi");
		wrmsrl(MSR_EFER, efer & ~EFER_SVME);
	}
	srso_reduce(false);
}

static void enable_ipi(void *failed)
{
	if (enable())
		atomic_inc(failed);
}

static void disable_ipi(void *unused)
{
	disable();
}

static void in_use_ipi(void *busy)
{
	u64 efer;

	rdmsrl(MSR_EFER, efer);
	if ((efer & EFER_SVME) && !this_cpu_read(sevm_host_cpu.on))
		atomic_inc(busy);
}

/* A crash: this CPU stops for good, perhaps inside an NMI, or in the world switch. */
static void emergency(void)
{
	disable();
}

static void disable_all(void)
{
	on_each_cpu(disable_ipi, NULL, 1);
	sevm_emergency_unregister(emergency);
}

/*
 * cpus_read_lock() held. A crash must find the callback from the first CPU on;
 * but the kernel has room for one and warns about a second: look first.
 */
static int enable_all(void)
{
	atomic_t failed = ATOMIC_INIT(0);

	on_each_cpu(in_use_ipi, &failed, 1);
	if (!atomic_read(&failed)) {
		sevm_emergency_register(emergency);
		on_each_cpu(enable_ipi, &failed, 1);
		if (!atomic_read(&failed))
			return 0;
		disable_all();
	}
	pr_notice_ratelimited("SVM is in use by another hypervisor (kvm_amd has a VM open, or was loaded with kvm.enable_virt_at_load=1?)\n");
	return -EBUSY;
}

int sevm_host_get(void)
{
	int ret = 0;

	cpus_read_lock();
	mutex_lock(&host_lock);
	if (host_suspended || host_rebooting)
		ret = -EBUSY;
	else if (!host_users)
		ret = enable_all();
	if (!ret)
		host_users++;
	mutex_unlock(&host_lock);
	cpus_read_unlock();
	return ret;
}

void sevm_host_put(void)
{
	cpus_read_lock();
	mutex_lock(&host_lock);
	if (!WARN_ON_ONCE(!host_users) && !--host_users && !host_suspended)
		disable_all();
	mutex_unlock(&host_lock);
	cpus_read_unlock();
}

/*
 * SVM was off when a vCPU wanted to enter. Suspend: sleep until it is over.
 * A CPU on its way out: the scheduler moves us. Reboot: nothing will come.
 */
int sevm_host_wait(void)
{
	if (READ_ONCE(host_rebooting))
		return -EINTR;
	if (wait_event_interruptible(host_wait, !READ_ONCE(host_suspended) ||
				     READ_ONCE(host_rebooting)))
		return -EINTR;
	schedule();
	return 0;
}

static int online(unsigned int cpu)
{
	unsigned long flags;
	int ret = 0;

	if (!READ_ONCE(host_users) || READ_ONCE(host_suspended))
		return 0;
	local_irq_save(flags);
	/* A reboot that is not seen here sends its IPI after this. */
	if (!READ_ONCE(host_rebooting))
		ret = enable();
	local_irq_restore(flags);
	if (ret)
		pr_err("CPU %u: SVM is already on there, and not by us\n", cpu);
	return ret;
}

static int offline(unsigned int cpu)
{
	unsigned long flags;

	local_irq_save(flags);
	disable();
	local_irq_restore(flags);
	return 0;
}

static void suspend(bool on)
{
	cpus_read_lock();
	mutex_lock(&host_lock);
	if (on && !host_suspended) {
		WRITE_ONCE(host_suspended, true);
		if (host_users)
			disable_all();
	} else if (!on && host_suspended && !host_rebooting) {
		/* Somebody else's SVM now: our VMs wait for ever, and say why. */
		if (!host_users || !enable_all())
			WRITE_ONCE(host_suspended, false);
	}
	mutex_unlock(&host_lock);
	cpus_read_unlock();
	wake_up_all(&host_wait);
}

static int pm_event(struct notifier_block *nb, unsigned long event, void *data)
{
	switch (event) {
	case PM_SUSPEND_PREPARE:
	case PM_HIBERNATION_PREPARE:
	case PM_RESTORE_PREPARE:
		suspend(true);
		break;
	case PM_POST_SUSPEND:
	case PM_POST_HIBERNATION:
	case PM_POST_RESTORE:
		suspend(false);
		break;
	}
	return NOTIFY_DONE;
}

static struct notifier_block pm_notifier = {
	.notifier_call = pm_event,
};

/* Some firmware hangs on a reset with SVM on; a kexec'ed kernel wants it off. */
static int reboot_event(struct notifier_block *nb, unsigned long event, void *data)
{
	WRITE_ONCE(host_rebooting, true);
	on_each_cpu(disable_ipi, NULL, 1);
	wake_up_all(&host_wait);
	return NOTIFY_DONE;
}

static struct notifier_block reboot_notifier = {
	.notifier_call = reboot_event,
};

static void free_pages_all(void)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		struct sevm_host_cpu *hc = per_cpu_ptr(&sevm_host_cpu, cpu);

		if (hc->image)
			free_page((unsigned long)hc->image & PAGE_MASK);
		hc->image = NULL;
	}
}

int sevm_host_setup(void)
{
	int cpu, ret;

	ret = check_cpu();
	if (ret)
		return ret;
	read_caps();

	for_each_possible_cpu(cpu) {
		struct page *page = alloc_pages_node(cpu_to_node(cpu),
						     GFP_KERNEL | __GFP_ZERO, 0);

		if (!page) {
			ret = -ENOMEM;
			goto err_free_pages;
		}
		per_cpu(sevm_host_cpu, cpu).save_pa = __sme_set(page_to_phys(page));
		per_cpu(sevm_host_cpu, cpu).image = page_address(page) + SAVE_IMAGE;
	}

	ret = cpuhp_setup_state(CPUHP_AP_ONLINE_DYN, "x86/sevm:online",
				online, offline);
	if (ret < 0)
		goto err_free_pages;
	host_hotplug = ret;

	ret = register_pm_notifier(&pm_notifier);
	if (ret)
		goto err_remove_hotplug;
	ret = register_reboot_notifier(&reboot_notifier);
	if (ret)
		goto err_unregister_pm;
	return 0;

err_unregister_pm:
	unregister_pm_notifier(&pm_notifier);
err_remove_hotplug:
	cpuhp_remove_state(host_hotplug);
err_free_pages:
	free_pages_all();
	return ret;
}

void sevm_host_teardown(void)
{
	unregister_reboot_notifier(&reboot_notifier);
	unregister_pm_notifier(&pm_notifier);
	cpuhp_remove_state(host_hotplug);
	free_pages_all();
}
