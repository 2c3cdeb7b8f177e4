/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * msr_map.h - the MSR permission maps: which MSRs a guest reaches without an exit.
 */
#ifndef SEVM_SVM_MSR_MAP_H
#define SEVM_SVM_MSR_MAP_H

#include <linux/types.h>

int sevm_msr_map_setup(void);
void sevm_msr_map_teardown(void);

/* Physical addresses, without the host's encryption bit */
u64 sevm_msr_map_plain(void);
u64 sevm_msr_map_protected(void);

/* Does a protected guest reach it without us, so that we do not know it? */
bool sevm_msr_map_is_passthrough(u32 index);
/* The MSRs that some kind of guest may reach without an exit, in turn; 0: no more. */
u32 sevm_msr_map_passthrough(unsigned int i);

#endif /* SEVM_SVM_MSR_MAP_H */
