/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * launch.h - the SEV-ES launch of a test's VM, for vm.c and the launch tests.
 */
#ifndef SELFTESTS_LAUNCH_H
#define SELFTESTS_LAUNCH_H

#include "vm.h"

u64 launch_cbit(void);
void launch_init(struct vm *vm, unsigned int ghcb_version);
/* These bytes of slot 0 belong to the measured launch. */
void launch_add(struct vm *vm, u64 gpa, u64 size);

/* The steps of vm_launch(), each failing the test where the host refuses. */
void launch_start(struct vm *vm);
void launch_update_data(struct vm *vm);
void launch_update_vmsa(struct vm *vm);
void launch_measure(struct vm *vm);
void launch_finish(struct vm *vm);

#endif /* SELFTESTS_LAUNCH_H */
