// SPDX-License-Identifier: GPL-2.0-only
/*
 * marker.c - the arithmetic of MMIO markers.
 *
 * Which physical-address bits a nested page table entry must not have set, and
 * how large an entry fits into a hole. Pure: no state, no hardware; the unit
 * test compiles this file on the build machine.
 */
#include <linux/bits.h>

#include "marker.h"

#define ADDRESS_BITS	52	/* what a page table entry has room for */

u64 sevm_marker_mask(unsigned int raw_bits, unsigned int cbit,
		     unsigned int reduction, bool encrypting)
{
	unsigned int first = raw_bits;

	if (encrypting) {
		if (reduction > raw_bits)
			return 0;
		first -= reduction;
		/* The C-bit selects a key: the CPU does not fault on it. */
		if (first == cbit)
			first++;
	}

	if (first < 12 || first >= ADDRESS_BITS)
		return 0;
	return GENMASK_ULL(ADDRESS_BITS - 1, first);
}

int sevm_marker_level(u64 gpa, u64 start, u64 end)
{
	int level;

	for (level = 3; level > 1; level--) {
		u64 size = 1ULL << (12 + 9 * (level - 1));
		u64 base = gpa & ~(size - 1);

		/* base + size may be 2^64: compare last bytes. */
		if (base >= start && end && base + (size - 1) <= end - 1)
			break;
	}
	return level;
}
