/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * marker.h - the arithmetic of MMIO markers: pure, built for userspace too.
 */
#ifndef SEVM_SVM_MARKER_H
#define SEVM_SVM_MARKER_H

#include <linux/types.h>

/*
 * The reserved physical-address bits of a nested entry: those from
 * raw_bits - reduction up to 51. raw_bits: CPUID 8000_0008 EAX[7:0]. cbit,
 * reduction: 8000_001F EBX. encrypting: SYSCFG's memory encryption bit; without
 * it nothing is reduced. A C-bit that is the first of them is not reserved.
 * 0: no bit is reserved.
 */
u64 sevm_marker_mask(unsigned int raw_bits, unsigned int cbit,
		     unsigned int reduction, bool encrypting);

/*
 * The level (1: 4 KiB, 2: 2 MiB, 3: 1 GiB) of the largest naturally aligned
 * page around gpa inside [start, end).
 */
int sevm_marker_level(u64 gpa, u64 start, u64 end);

#endif /* SEVM_SVM_MARKER_H */
