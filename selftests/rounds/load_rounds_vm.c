// SPDX-License-Identifier: GPL-2.0-only
/*
 * load_rounds_vm.c - a VM with 4 running vCPUs, for load_rounds to kill.
 */
#include <unistd.h>

#include "guest.h"
#include "vm.h"

static void spin(unsigned long cpu)
{
	for (;;)
		(void)inb(0x5e1);
}

static void ignore(struct vcpu *vcpu)
{
}

static void runs_until_killed(void)
{
	for (;;) {
		struct vm *vm = vm_create(spin, &(struct vm_options){ .vcpus = 4 });
		unsigned int i;

		for (i = 0; i < 4; i++) {
			vm->vcpu[i].on_exit = ignore;
			vcpu_set_mp_state(&vm->vcpu[i], KVM_MP_STATE_RUNNABLE);
			vcpu_start(&vm->vcpu[i]);
		}
		usleep(200000);
		vm_free(vm);
	}
}

TESTS = {
	SLOW_CASE(runs_until_killed, 600),
	TESTS_END
};
