// SPDX-License-Identifier: GPL-2.0-only
/*
 * psp.c - commands to the secure processor, through the kernel's ccp driver.
 *
 * The driver's functions are looked up when sevm is loaded, not linked: where
 * there is no ccp, plain guests still run. The commands of a launch go through
 * the VMM's own /dev/sev, as in KVM, so that whoever may not open that device
 * cannot launch either. Invariant: each handle that the firmware gave is
 * decommissioned once.
 */
#include <linux/kmod.h>
#include <linux/module.h>
#include <linux/psp-sev.h>
#include <linux/rwsem.h>
#include <linux/string.h>
#include <asm/smp.h>

#include "sev.h"

#define FOR_EACH_SYMBOL(X)				\
	X(platform_init, sev_platform_init);		\
	X(platform_status, sev_platform_status);	\
	X(issue_cmd, sev_issue_cmd_external_user);	\
	X(activate, sev_guest_activate);		\
	X(deactivate, sev_guest_deactivate);		\
	X(decommission, sev_guest_decommission);	\
	X(df_flush, sev_guest_df_flush)

static struct {
#define DECLARE(field, symbol)	typeof(symbol) *field
	FOR_EACH_SYMBOL(DECLARE);
} ccp;

static void put_symbols(void)
{
#define PUT(field, symbol)	do { if (ccp.field) symbol_put(symbol); } while (0)
	FOR_EACH_SYMBOL(PUT);
	memset(&ccp, 0, sizeof(ccp));
}

static bool get_symbols(void)
{
	bool all = true;

#define GET(field, symbol)	all &= !!(ccp.field = symbol_get(symbol))
	FOR_EACH_SYMBOL(GET);
	if (!all)
		put_symbols();
	return all;
}

int sevm_psp_setup(void)
{
	struct sev_user_data_status status = { };
	int r, error = 0;

	if (!get_symbols() && (request_module("ccp") || !get_symbols())) {
		pr_info("no SEV-ES guests: the ccp driver is not there (modprobe ccp)\n");
		return -ENODEV;
	}

	/* VMMs ask /dev/sev for SEV-ES before their first guest, and it knows once initialised. */
	r = sevm_compat_platform_init(ccp.platform_init, true, &error);
	if (r)
		pr_warn("the SEV firmware is not initialised (%d, firmware error %#x): the first guest will try again\n",
			r, error);

	r = ccp.platform_status(&status, &error);
	if (r) {
		pr_info("no SEV-ES guests: the secure processor does not answer (%d, firmware error %#x)\n",
			r, error);
		goto err_put;
	}
	/* SEV without ES is decided when the platform is initialised. */
	if (status.state != SEV_STATE_UNINIT &&
	    !(status.flags & SEV_STATUS_FLAGS_CONFIG_ES)) {
		pr_info("no SEV-ES guests: the SEV firmware was initialised without SEV-ES\n");
		r = -EOPNOTSUPP;
		goto err_put;
	}
	return 0;

err_put:
	put_symbols();
	return r;
}

void sevm_psp_teardown(void)
{
	put_symbols();
}

int sevm_psp_init(int *error)
{
	return sevm_compat_platform_init(ccp.platform_init, false, error);
}

int sevm_psp_command(struct file *psp, unsigned int id, void *data, int *error)
{
	/* No file: before LAUNCH_START. Or one that is not /dev/sev: ccp says so. */
	return psp ? ccp.issue_cmd(psp, id, data, error) : -EBADF;
}

struct page **sevm_psp_pin(u64 uaddr, u64 len, bool write, unsigned long *n)
{
	struct page **pages;

	if (!len || uaddr + len < uaddr)
		return ERR_PTR(-EINVAL);
	pages = sevm_mem_pin_user(uaddr, len, write, n);
	/* Whatever the reason, KVM has one word for it. */
	return IS_ERR(pages) ? ERR_PTR(-ENOMEM) : pages;
}

/*
 * After a DEACTIVATE the firmware wants WBINVD and DF_FLUSH again: none may come between
 * the two. Read: DEACTIVATE; write: the flush.
 */
static DECLARE_RWSEM(flush_lock);

int sevm_psp_flush(int *error)
{
	int r;

	down_write(&flush_lock);
	wbinvd_on_all_cpus();
	r = ccp.df_flush(error);
	up_write(&flush_lock);
	return r;
}

int sevm_psp_activate(u32 handle, u32 asid, int *error)
{
	struct sev_data_activate data = { .handle = handle, .asid = asid };
	int r = ccp.activate(&data, error);

	/*
	 * Another hypervisor had the ASID before us and left it dirty: its bitmap
	 * and ours do not know of each other, but the firmware does.
	 */
	if (r && (*error == SEV_RET_WBINVD_REQUIRED ||
		  *error == SEV_RET_DFFLUSH_REQUIRED) &&
	    !sevm_psp_flush(error))
		r = ccp.activate(&data, error);
	return r;
}

int sevm_psp_decommission(u32 handle, bool active)
{
	struct sev_data_deactivate deactivate = { .handle = handle };
	struct sev_data_decommission decommission = { .handle = handle };
	int ret = 0, r, error = 0;

	if (active) {
		down_read(&flush_lock);
		ret = ccp.deactivate(&deactivate, &error);
		up_read(&flush_lock);
		if (ret)
			pr_err_ratelimited("DEACTIVATE failed: %d, firmware error %#x\n",
					   ret, error);
	}

	error = 0;
	r = ccp.decommission(&decommission, &error);
	if (r)
		pr_err_ratelimited("DECOMMISSION failed: %d, firmware error %#x\n",
				   r, error);
	return ret;
}
