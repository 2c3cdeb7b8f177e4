// SPDX-License-Identifier: GPL-2.0-only
/*
 * main.c - table of contents: what is set up at load, in order, and taken down
 * at unload, in reverse.
 */
#include <linux/module.h>

#include "protect.h"
#include "dev.h"
#include "svm/mem/npt.h"
#include "svm/cpu/cpuid.h"
#include "svm/cpu/fpu.h"
#include "svm/cpu/host.h"
#include "svm/cpu/msr_map.h"
#include "svm/cpu/tlb.h"
#include "svm/cpu/vmcb.h"

static int __init sevm_init(void)
{
	int r;

	r = sevm_host_setup();
	if (r)
		return r;
	r = sevm_fpu_setup();
	if (r)
		goto err_host;
	r = sevm_vmcb_setup();
	if (r)
		goto err_host;
	r = sevm_msr_map_setup();
	if (r)
		goto err_vmcb;
	sevm_cpuid_setup();
	r = sevm_npt_setup();
	if (r && r != -EOPNOTSUPP)	/* no markers: plain guests need none */
		goto err_msr;
	r = sevm_es_setup();
	if (r)
		goto err_msr;
	r = sevm_tlb_setup();
	if (r)
		goto err_es;
	/* Last: from here on there may be VMs. */
	r = sevm_dev_register();
	if (r)
		goto err_tlb;
	return 0;

err_tlb:
	sevm_tlb_teardown();
err_es:
	sevm_es_teardown();
err_msr:
	sevm_msr_map_teardown();
err_vmcb:
	sevm_vmcb_teardown();
err_host:
	sevm_host_teardown();
	return r;
}

static void __exit sevm_exit(void)
{
	sevm_dev_unregister();
	sevm_tlb_teardown();
	sevm_es_teardown();
	sevm_msr_map_teardown();
	sevm_vmcb_teardown();
	sevm_host_teardown();
}

module_init(sevm_init);
module_exit(sevm_exit);

MODULE_DESCRIPTION("Host side of AMD SEV-ES guests, with KVM's ABI");
MODULE_LICENSE("GPL");
