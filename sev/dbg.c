// SPDX-License-Identifier: GPL-2.0-only
/*
 * dbg.c - KVM_SEV_DBG_DECRYPT and DBG_ENCRYPT: a look into a guest whose policy
 * allows it, which the firmware checks.
 *
 * The firmware works in units of 16 bytes on physical memory; everything goes
 * through one bounce page of ours, at the same offset, so that no alignment is a
 * special case. vm->lock held.
 */
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/psp-sev.h>
#include <linux/sched/signal.h>
#include <linux/sched.h>
#include <linux/uaccess.h>

#include "sev.h"

struct dbg {
	u64 user;		/* plain text, the VMM's */
	u64 guest;		/* memory of the guest, as the VMM maps it */
	void *bounce;		/* one page */
};

/* [offset, offset + len) of the page, in units of 16 bytes, into the bounce page. */
static int decrypt_page(struct sevm_es_vm *es, struct kvm_sev_cmd *cmd,
			struct dbg *dbg, struct page *page, u32 offset, u32 len)
{
	u32 start = ALIGN_DOWN(offset, 16);
	struct sev_data_dbg data = {
		.handle = es->handle,
		.src_addr = __sme_set(page_to_phys(page)) + start,
		.dst_addr = __sme_pa(dbg->bounce) + start,
		.len = ALIGN(offset + len, 16) - start,
	};

	sevm_es_flush_range(page_address(page), PAGE_SIZE);
	sevm_es_flush_range(dbg->bounce, PAGE_SIZE);
	return sevm_psp_command(es->psp, SEV_CMD_DBG_DECRYPT, &data, (int *)&cmd->error);
}

/* Plain text into the bounce page, amid what the guest has around it. */
static int encrypt_page(struct sevm_es_vm *es, struct kvm_sev_cmd *cmd,
			struct dbg *dbg, struct page *page, u32 offset, u32 len)
{
	u32 start = ALIGN_DOWN(offset, 16), end = ALIGN(offset + len, 16);
	struct sev_data_dbg data = {
		.handle = es->handle,
		.src_addr = __sme_pa(dbg->bounce) + start,
		.dst_addr = __sme_set(page_to_phys(page)) + start,
		.len = end - start,
	};
	int r;

	if (start != offset || end != offset + len) {
		r = decrypt_page(es, cmd, dbg, page, offset, len);
		if (r)
			return r;
	}
	if (copy_from_user(dbg->bounce + offset, u64_to_user_ptr(dbg->user), len))
		return -ENOMEM;		/* KVM: a page that cannot be pinned */
	sevm_es_flush_range(page_address(page), PAGE_SIZE);
	sevm_es_flush_range(dbg->bounce, PAGE_SIZE);
	return sevm_psp_command(es->psp, SEV_CMD_DBG_ENCRYPT, &data, (int *)&cmd->error);
}

static int one_page(struct sevm_es_vm *es, struct kvm_sev_cmd *cmd,
		    struct dbg *dbg, u32 len, bool decrypt)
{
	struct page **pages;
	unsigned long n;
	u32 offset = offset_in_page(dbg->guest);
	int r;

	pages = sevm_psp_pin(dbg->guest, len, !decrypt, &n);
	if (IS_ERR(pages))
		return PTR_ERR(pages);
	if (!decrypt) {
		r = encrypt_page(es, cmd, dbg, pages[0], offset, len);
	} else {
		r = decrypt_page(es, cmd, dbg, pages[0], offset, len);
		if (!r && copy_to_user(u64_to_user_ptr(dbg->user),
				       dbg->bounce + offset, len))
			r = -ENOMEM;
	}
	sevm_mem_unpin_user(pages, n, !decrypt);
	return r;
}

static int crypt(struct sevm_vm *vm, struct kvm_sev_cmd *cmd, bool decrypt)
{
	struct sevm_es_vm *es = sevm_es_vm(vm);
	struct kvm_sev_dbg params;
	struct dbg dbg;
	u32 len;
	int r = 0;

	if (copy_from_user(&params, u64_to_user_ptr(cmd->data), sizeof(params)))
		return -EFAULT;
	if (!params.len || params.src_uaddr + params.len < params.src_uaddr ||
	    !params.dst_uaddr)
		return -EINVAL;

	dbg.user = decrypt ? params.dst_uaddr : params.src_uaddr;
	dbg.guest = decrypt ? params.src_uaddr : params.dst_uaddr;
	dbg.bounce = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!dbg.bounce)
		return -ENOMEM;

	for (; params.len && !r; params.len -= len) {
		if (fatal_signal_pending(current)) {
			r = -EINTR;
			break;
		}
		len = min_t(u64, params.len, PAGE_SIZE - offset_in_page(dbg.guest));
		r = one_page(es, cmd, &dbg, len, decrypt);
		dbg.guest += len;
		dbg.user += len;
		cond_resched();
	}

	memzero_explicit(dbg.bounce, PAGE_SIZE);	/* the guest's, in clear */
	free_page((unsigned long)dbg.bounce);
	return r;
}

int sevm_dbg_decrypt(struct sevm_vm *vm, struct kvm_sev_cmd *cmd)
{
	return crypt(vm, cmd, true);
}

int sevm_dbg_encrypt(struct sevm_vm *vm, struct kvm_sev_cmd *cmd)
{
	return crypt(vm, cmd, false);
}
