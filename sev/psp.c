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

#include "sev.h"

#define CCP_FUNCTIONS(X)						\
	X(sev_platform_init)						\
	X(sev_platform_status)						\
	X(sev_issue_cmd_external_user)					\
	X(sev_guest_activate)						\
	X(sev_guest_deactivate)						\
	X(sev_guest_decommission)					\
	X(sev_guest_df_flush)

#define CCP_MEMBER(name)	typeof(&name) name;

static struct {
	CCP_FUNCTIONS(CCP_MEMBER)
} ccp;

static void put_symbols(void)
{
#define CCP_PUT(name)							\
	do {								\
		if (ccp.name)						\
			symbol_put(name);				\
		ccp.name = NULL;					\
	} while (0);
	CCP_FUNCTIONS(CCP_PUT)
}

static bool get_symbols(void)
{
	bool all = true;

	/* The module may have to be loaded first; its name is older than its alias. */
	ccp.sev_platform_init = symbol_get(sev_platform_init);
	if (!ccp.sev_platform_init)
		request_module("ccp");
	else
		symbol_put(sev_platform_init);

#define CCP_GET(name)							\
	do {								\
		ccp.name = symbol_get(name);				\
		all = all && ccp.name;					\
	} while (0);
	CCP_FUNCTIONS(CCP_GET)

	if (!all)
		put_symbols();
	return all;
}

int sevm_psp_setup(void)
{
	struct sev_user_data_status status = { };
	int r, error = 0;

	if (!get_symbols()) {
		pr_info("no SEV-ES guests: the ccp driver is not there (modprobe ccp)\n");
		return -ENODEV;
	}

	r = ccp.sev_platform_status(&status, &error);
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
	return sevm_compat_platform_init(ccp.sev_platform_init, error);
}

int sevm_psp_command(struct file *psp, unsigned int id, void *data, int *error)
{
	/* -EBADF: a file, but not /dev/sev */
	return ccp.sev_issue_cmd_external_user(psp, id, data, error);
}

int sevm_psp_df_flush(int *error)
{
	return ccp.sev_guest_df_flush(error);
}

int sevm_psp_activate(u32 handle, u32 asid, int *error)
{
	struct sev_data_activate data = { .handle = handle, .asid = asid };
	int r = ccp.sev_guest_activate(&data, error);

	/*
	 * Another hypervisor had the ASID before us and left it dirty: its bitmap
	 * and ours do not know of each other, but the firmware does.
	 */
	if (r && (*error == SEV_RET_WBINVD_REQUIRED ||
		  *error == SEV_RET_DFFLUSH_REQUIRED) &&
	    !sevm_es_asid_flush(error))
		r = ccp.sev_guest_activate(&data, error);
	return r;
}

void sevm_psp_decommission(u32 handle, bool active)
{
	struct sev_data_deactivate deactivate = { .handle = handle };
	struct sev_data_decommission decommission = { .handle = handle };
	int r, error = 0;

	if (active) {
		sevm_es_asid_deactivate_begin();
		r = ccp.sev_guest_deactivate(&deactivate, &error);
		sevm_es_asid_deactivate_end();
		WARN_ONCE(r, "sevm: DEACTIVATE failed: %d, firmware error %#x\n",
			  r, error);
	}

	error = 0;
	r = ccp.sev_guest_decommission(&decommission, &error);
	WARN_ONCE(r, "sevm: DECOMMISSION failed: %d, firmware error %#x\n", r, error);
}
