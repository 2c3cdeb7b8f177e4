// SPDX-License-Identifier: GPL-2.0-only
/*
 * launch.c - KVM_MEMORY_ENCRYPT_OP: from an empty VM to a measured guest.
 *
 * The order of the launch commands is the firmware's to enforce, as in KVM:
 * what reaches it too early or too late is -EIO with its code in cmd.error. What
 * is checked here is what the firmware cannot know. All of it runs under
 * vm->lock. Invariant: while es->handle is not 0, the firmware has a context for
 * us and its key is bound to vm->asid.
 *
 * The two debugging commands are in dbg.c.
 *
 * Absent, and answered like an unknown command (-EINVAL): SEND_*, RECEIVE_*,
 * certificates, SNP. KVM_SEV_INIT is what it would be in a
 * KVM whose BIOS gave all ASIDs to SEV-ES: -ENOTTY.
 */
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/psp-sev.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <asm/smp.h>

#include "sev.h"
#include "svm/cpu/fpu.h"
#include "svm/cpu/host.h"
#include "svm/cpu/vmcb.h"

/* ---- The VM ---- */

/* A typed VM starts here and waits for KVM_SEV_INIT2. */
int sevm_launch_init(struct sevm_vm *vm)
{
	struct sevm_es_vm *es;

	es = kzalloc(sizeof(*es), GFP_KERNEL_ACCOUNT);
	if (!es)
		return -ENOMEM;
	vm->protect_data = es;
	return 0;
}

void sevm_launch_destroy(struct sevm_vm *vm)
{
	struct sevm_es_vm *es = sevm_es_vm(vm);

	if (!es)
		return;

	if (es->handle) {
		/*
		 * While the key is still bound: lines that are written back after
		 * DEACTIVATE would land in pages that have a new owner by then.
		 */
		wbinvd_on_all_cpus();
		if (sevm_psp_decommission(es->handle, true))
			es->asid_bound = true;
	}
	sevm_keyslot_put(vm);
	if (es->psp)
		fput(es->psp);

	vm->protect_data = NULL;
	kfree(es);
}

static int init_es(struct sevm_vm *vm, struct kvm_sev_cmd *cmd,
		   const struct kvm_sev_init *init, bool legacy)
{
	struct sevm_es_vm *es = sevm_es_vm(vm);
	int r;

	/* No VMSA feature is offered: DebugSwap needs what 6.1 does not export. */
	if (vm->created_vcpus || init->flags || init->vmsa_features ||
	    init->ghcb_version > SEVM_GHCB_MAX || es->ready)
		return -EINVAL;

	r = sevm_keyslot_get(vm);
	if (r)
		return r;
	r = sevm_psp_init((int *)&cmd->error);
	if (r) {
		sevm_keyslot_put(vm);
		return r;
	}

	es->legacy = legacy;
	es->vmsa_features = init->vmsa_features;
	es->ghcb_max = init->ghcb_version ? : SEVM_GHCB_MAX;
	vm->cbit_mask = BIT_ULL(sevm_es_caps.cbit);
	es->ready = true;
	return 0;
}

/* A default VM becomes a SEV-ES one, or stays what it was. */
static int es_init(struct sevm_vm *vm, struct kvm_sev_cmd *cmd)
{
	static const struct kvm_sev_init version_1 = { .ghcb_version = 1 };
	int r;

	if (vm->type != KVM_X86_DEFAULT_VM || vm->protect == &sevm_es_ops ||
	    vm->created_vcpus)
		return -EINVAL;

	r = sevm_launch_init(vm);
	if (r)
		return r;
	r = init_es(vm, cmd, &version_1, true);
	if (r) {
		sevm_launch_destroy(vm);
		return r;
	}

	/* protect_data first: others look at the table without vm->lock. */
	smp_wmb();
	WRITE_ONCE(vm->protect, &sevm_es_ops);
	return 0;
}

static int init2(struct sevm_vm *vm, struct kvm_sev_cmd *cmd)
{
	struct kvm_sev_init init;

	if (vm->type != KVM_X86_SEV_ES_VM || sevm_es_vm(vm)->ready)
		return -EINVAL;
	if (copy_from_user(&init, u64_to_user_ptr(cmd->data), sizeof(init)))
		return -EFAULT;
	return init_es(vm, cmd, &init, false);
}

/* Plain SEV: the checks of a KVM that could, then the lack of an ASID. */
static int plain_init(struct sevm_vm *vm, struct kvm_sev_cmd *cmd)
{
	if (vm->type != KVM_X86_DEFAULT_VM || vm->protect == &sevm_es_ops ||
	    vm->created_vcpus)
		return -EINVAL;
	return -ENOTTY;
}

/* ---- Commands ---- */

static int command(struct sevm_es_vm *es, unsigned int id, void *data, struct kvm_sev_cmd *cmd)
{
	return sevm_psp_command(es->psp, id, data, (int *)&cmd->error);
}

/*
 * Memory that the firmware encrypts. What is encrypted is bound to where it is:
 * the guest's pages must not move from now on, even if the VMM has not
 * registered them. So first the FOLL_LONGTERM pins of the slots, which may migrate
 * a page; they last.
 */
static struct page **pin_guest(struct sevm_vm *vm, u64 uaddr, u64 len,
			       unsigned long *n)
{
	if (!len || uaddr + len < uaddr)
		return ERR_PTR(-EINVAL);
	if (sevm_mem_pin_slots(vm, uaddr, len))
		return ERR_PTR(-ENOMEM);
	return sevm_psp_pin(uaddr, len, true, n);
}

static void flush_pages(struct page **pages, unsigned long n)
{
	unsigned long i;

	for (i = 0; i < n; i++) {
		sevm_es_flush_range(page_address(pages[i]), PAGE_SIZE);
		cond_resched();
	}
}

/* How many of the pages from the first on are physically one run? */
static unsigned long run_of(struct page **pages, unsigned long n)
{
	unsigned long i;

	for (i = 1; i < n; i++)
		if (page_to_pfn(pages[i]) != page_to_pfn(pages[0]) + i)
			break;
	return i;
}

/* A blob for the firmware, copied in, its address in *pa; none is -EINVAL. */
static void *get_blob(u64 uaddr, u32 len, u64 *pa)
{
	void *blob;

	if (!uaddr || !len || len > SEV_FW_BLOB_MAX_SIZE)
		return ERR_PTR(-EINVAL);
	blob = memdup_user(u64_to_user_ptr(uaddr), len);
	if (!IS_ERR(blob))
		*pa = __sme_pa(blob);
	return blob;
}

static int launch_start(struct sevm_vm *vm, struct kvm_sev_cmd *cmd)
{
	struct sevm_es_vm *es = sevm_es_vm(vm);
	struct sev_data_launch_start start = { };
	struct kvm_sev_launch_start params;
	void *dh = NULL, *session = NULL;
	struct file *psp;
	u64 pa;
	int r;

	if (copy_from_user(&params, u64_to_user_ptr(cmd->data), sizeof(params)))
		return -EFAULT;

	if (params.dh_uaddr) {
		dh = get_blob(params.dh_uaddr, params.dh_len, &pa);
		if (IS_ERR(dh))
			return PTR_ERR(dh);
		start.dh_cert_address = pa;
		start.dh_cert_len = params.dh_len;
	}
	if (params.session_uaddr) {
		session = get_blob(params.session_uaddr, params.session_len, &pa);
		if (IS_ERR(session)) {
			r = PTR_ERR(session);
			session = NULL;
			goto out_free;
		}
		start.session_address = pa;
		start.session_len = params.session_len;
	}

	psp = fget(cmd->sev_fd);
	if (!psp) {
		r = -EBADF;
		goto out_free;
	}

	start.handle = params.handle;
	start.policy = params.policy;
	r = sevm_psp_command(psp, SEV_CMD_LAUNCH_START, &start, (int *)&cmd->error);
	if (r)
		goto out_fput;

	/*
	 * A second LAUNCH_START finds the ASID in use and ends here; the first
	 * one's context stays as it is.
	 */
	r = sevm_psp_activate(start.handle, vm->asid, (int *)&cmd->error);
	if (r) {
		sevm_psp_decommission(start.handle, false);
		goto out_fput;
	}
	es->asid_keyed = true;

	params.handle = start.handle;
	if (copy_to_user(u64_to_user_ptr(cmd->data), &params, sizeof(params))) {
		/* If it fails, no other LAUNCH_START of this VM succeeds. */
		if (sevm_psp_decommission(start.handle, true))
			es->asid_bound = true;
		r = -EFAULT;
		goto out_fput;
	}
	WRITE_ONCE(es->handle, start.handle);
	swap(es->psp, psp);

out_fput:
	if (psp)
		fput(psp);
out_free:
	kfree(session);
	kfree(dh);
	return r;
}

static int launch_update_data(struct sevm_vm *vm, struct kvm_sev_cmd *cmd)
{
	struct sevm_es_vm *es = sevm_es_vm(vm);
	struct sev_data_launch_update_data data = { .handle = es->handle };
	struct kvm_sev_launch_update_data params;
	unsigned long n, i, run;
	struct page **pages;
	u64 left, offset;
	int r = 0;

	if (copy_from_user(&params, u64_to_user_ptr(cmd->data), sizeof(params)))
		return -EFAULT;
	pages = pin_guest(vm, params.uaddr, params.len, &n);
	if (IS_ERR(pages))
		return PTR_ERR(pages);
	/* The firmware encrypts in place. */
	flush_pages(pages, n);

	offset = offset_in_page(params.uaddr);
	left = params.len;
	for (i = 0; left; i += run) {
		/* Each command may take its time, and there may be one per page. */
		if (fatal_signal_pending(current)) {
			r = -EINTR;
			break;
		}
		run = run_of(pages + i, n - i);
		data.address = __sme_set(page_to_phys(pages[i])) + offset;
		data.len = min_t(u64, left, run * PAGE_SIZE - offset);
		r = command(es, SEV_CMD_LAUNCH_UPDATE_DATA, &data, cmd);
		if (r)
			break;
		left -= data.len;
		offset = 0;
	}

	sevm_mem_unpin_user(pages, n, true);
	return r;
}

static int update_vmsa(struct sevm_vcpu *vcpu, struct kvm_sev_cmd *cmd)
{
	struct sevm_es_vm *vm = sevm_es_vm(vcpu->vm);
	struct sevm_es_vcpu *es = sevm_es_vcpu(vcpu);
	struct sev_data_launch_update_vmsa data = { .handle = vm->handle };
	int r;

	if (es->protected)
		return -EINVAL;
	r = sevm_vmsa_fill(vcpu);
	if (r)
		return r;

	sevm_es_flush_range(es->vmsa, PAGE_SIZE);
	data.address = __sme_pa(es->vmsa);
	data.len = PAGE_SIZE;
	r = command(vm, SEV_CMD_LAUNCH_UPDATE_VMSA, &data, cmd);
	if (r)
		return r;

	/* From here on the registers are the guest's own. */
	es->protected = true;
	es->xcr0 = vcpu->xcr0;
	es->xss = vcpu->xss;
	es->cr0 = vcpu->cr0;
	es->cr4 = vcpu->cr4;
	es->efer = vcpu->efer;
	sevm_vmcb_protect(vcpu, __pa(es->vmsa));
	sevm_fpu_free(vcpu);
	return 0;
}

/*
 * In order, which the measurement depends on. One lock at a time is enough: who
 * changes a vCPU before its turn could have done so earlier.
 */
static int launch_update_vmsa(struct sevm_vm *vm, struct kvm_sev_cmd *cmd)
{
	struct sevm_vcpu *vcpu;
	unsigned long i;
	int r = 0;

	if (vm->created_vcpus != atomic_read(&vm->online_vcpus))
		return -EBUSY;

	sevm_for_each_vcpu(i, vcpu, vm) {
		if (mutex_lock_killable(&vcpu->mutex))
			return -EINTR;
		r = update_vmsa(vcpu, cmd);
		mutex_unlock(&vcpu->mutex);
		if (r)
			break;
	}
	return r;
}

/*
 * A buffer for what the firmware writes. Without room for it in userspace there
 * is none, and the command is a question for the length.
 */
static void *out_blob(u64 uaddr, u32 len)
{
	void *blob;

	if (!uaddr || !len)
		return NULL;
	if (len > SEV_FW_BLOB_MAX_SIZE)
		return ERR_PTR(-EINVAL);
	blob = kzalloc(len, GFP_KERNEL_ACCOUNT);
	return blob ?: ERR_PTR(-ENOMEM);
}

/* The rest of such a command, which ended with r: its blob, and how long that is (told). */
static int copy_out_blob(int r, void *blob, u64 uaddr, u32 room, u32 told, u32 __user *len)
{
	/* A query of the length, with no room, fails with the length filled in. */
	if (!r || !room) {
		if (blob && copy_to_user(u64_to_user_ptr(uaddr), blob, room))
			r = -EFAULT;
		if (put_user(told, len))
			r = -EFAULT;
	}
	kfree(blob);
	return r;
}

static int launch_measure(struct sevm_vm *vm, struct kvm_sev_cmd *cmd)
{
	struct kvm_sev_launch_measure __user *arg = u64_to_user_ptr(cmd->data);
	struct sevm_es_vm *es = sevm_es_vm(vm);
	struct sev_data_launch_measure data = { .handle = es->handle };
	struct kvm_sev_launch_measure params;
	void *blob;
	int r;

	if (copy_from_user(&params, arg, sizeof(params)))
		return -EFAULT;
	blob = out_blob(params.uaddr, params.len);
	if (IS_ERR(blob))
		return PTR_ERR(blob);
	if (blob) {
		data.address = __sme_pa(blob);
		data.len = params.len;
	}

	r = command(es, SEV_CMD_LAUNCH_MEASURE, &data, cmd);
	return copy_out_blob(r, blob, params.uaddr, params.len, data.len, &arg->len);
}

/* The measured digest again, signed by the platform; at any time after LAUNCH_MEASURE. */
static int attestation_report(struct sevm_vm *vm, struct kvm_sev_cmd *cmd)
{
	struct kvm_sev_attestation_report __user *arg = u64_to_user_ptr(cmd->data);
	struct sevm_es_vm *es = sevm_es_vm(vm);
	struct sev_data_attestation_report data = { .handle = es->handle };
	struct kvm_sev_attestation_report params;
	void *blob;
	int r;

	if (copy_from_user(&params, arg, sizeof(params)))
		return -EFAULT;
	blob = out_blob(params.uaddr, params.len);
	if (IS_ERR(blob))
		return PTR_ERR(blob);
	if (blob) {
		data.address = __sme_pa(blob);
		data.len = params.len;
		memcpy(data.mnonce, params.mnonce, sizeof(data.mnonce));
	}

	r = command(es, SEV_CMD_ATTESTATION_REPORT, &data, cmd);
	return copy_out_blob(r, blob, params.uaddr, params.len, data.len, &arg->len);
}

static int launch_secret(struct sevm_vm *vm, struct kvm_sev_cmd *cmd)
{
	struct sevm_es_vm *es = sevm_es_vm(vm);
	struct sev_data_launch_secret data = { .handle = es->handle };
	struct kvm_sev_launch_secret params;
	struct page **pages;
	void *trans, *hdr;
	unsigned long n;
	u64 pa;
	int r;

	if (copy_from_user(&params, u64_to_user_ptr(cmd->data), sizeof(params)))
		return -EFAULT;
	pages = pin_guest(vm, params.guest_uaddr, params.guest_len, &n);
	if (IS_ERR(pages))
		return PTR_ERR(pages);
	flush_pages(pages, n);

	/* One command, one run of physical memory. */
	r = -EINVAL;
	if (run_of(pages, n) != n)
		goto out_unpin;
	data.guest_address = __sme_set(page_to_phys(pages[0])) +
			     offset_in_page(params.guest_uaddr);
	data.guest_len = params.guest_len;

	trans = get_blob(params.trans_uaddr, params.trans_len, &pa);
	if (IS_ERR(trans)) {
		r = PTR_ERR(trans);
		goto out_unpin;
	}
	data.trans_address = pa;
	data.trans_len = params.trans_len;

	hdr = get_blob(params.hdr_uaddr, params.hdr_len, &pa);
	if (IS_ERR(hdr)) {
		r = PTR_ERR(hdr);
		goto out_free;
	}
	data.hdr_address = pa;
	data.hdr_len = params.hdr_len;

	r = command(es, SEV_CMD_LAUNCH_UPDATE_SECRET, &data, cmd);
	kfree(hdr);
out_free:
	kfree(trans);
out_unpin:
	sevm_mem_unpin_user(pages, n, true);
	return r;
}

static int launch_finish(struct sevm_vm *vm, struct kvm_sev_cmd *cmd)
{
	struct sevm_es_vm *es = sevm_es_vm(vm);
	struct sev_data_launch_finish data = { .handle = es->handle };

	return command(es, SEV_CMD_LAUNCH_FINISH, &data, cmd);
}

static int guest_status(struct sevm_vm *vm, struct kvm_sev_cmd *cmd)
{
	struct sevm_es_vm *es = sevm_es_vm(vm);
	struct sev_data_guest_status data = { .handle = es->handle };
	struct kvm_sev_guest_status params = { };
	int r;

	r = command(es, SEV_CMD_GUEST_STATUS, &data, cmd);
	if (r)
		return r;

	params.handle = data.handle;
	params.policy = data.policy;
	params.state = data.state;
	if (copy_to_user(u64_to_user_ptr(cmd->data), &params, sizeof(params)))
		return -EFAULT;
	return 0;
}

/* ---- The table ---- */

static const struct {
	u32 id;
	bool init;			/* makes a SEV-ES VM; the others need one */
	int (*run)(struct sevm_vm *vm, struct kvm_sev_cmd *cmd);
} commands[] = {
	{ KVM_SEV_INIT,			true,	plain_init },
	{ KVM_SEV_ES_INIT,		true,	es_init },
	{ KVM_SEV_INIT2,		true,	init2 },
	{ KVM_SEV_LAUNCH_START,		false,	launch_start },
	{ KVM_SEV_LAUNCH_UPDATE_DATA,	false,	launch_update_data },
	{ KVM_SEV_LAUNCH_UPDATE_VMSA,	false,	launch_update_vmsa },
	{ KVM_SEV_LAUNCH_SECRET,	false,	launch_secret },
	{ KVM_SEV_LAUNCH_MEASURE,	false,	launch_measure },
	{ KVM_SEV_LAUNCH_FINISH,	false,	launch_finish },
	{ KVM_SEV_GUEST_STATUS,		false,	guest_status },
	{ KVM_SEV_GET_ATTESTATION_REPORT, false, attestation_report },
	{ KVM_SEV_DBG_DECRYPT,		false,	sevm_dbg_decrypt },
	{ KVM_SEV_DBG_ENCRYPT,		false,	sevm_dbg_encrypt },
};

static bool is_ready(struct sevm_vm *vm)
{
	return vm->protect == &sevm_es_ops && sevm_es_vm(vm)->ready;
}

static int dispatch(struct sevm_vm *vm, struct kvm_sev_cmd *cmd)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		if (commands[i].id != cmd->id)
			continue;
		if (!commands[i].init && !is_ready(vm))
			return -ENOTTY;
		return commands[i].run(vm, cmd);
	}
	return -EINVAL;
}

/* Of any VM: KVM_SEV_ES_INIT comes to one that is plain yet. */
long sevm_launch_enc_op(struct sevm_vm *vm, void __user *arg)
{
	struct kvm_sev_cmd cmd;
	int r;

	if (!sevm_host_caps.sev_es)
		return -ENOTTY;
	/* "Is there SEV here?" */
	if (!arg)
		return 0;
	if (copy_from_user(&cmd, arg, sizeof(cmd)))
		return -EFAULT;

	/* LAUNCH_UPDATE_VMSA holds it while it waits for a vCPU to leave KVM_RUN. */
	if (mutex_lock_killable(&vm->lock))
		return -EINTR;
	r = dispatch(vm, &cmd);
	mutex_unlock(&vm->lock);

	if (copy_to_user(arg, &cmd, sizeof(cmd)))
		return -EFAULT;
	return r;
}
