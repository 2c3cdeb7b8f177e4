// SPDX-License-Identifier: GPL-2.0-only
/*
 * marker_test.c - svm/mem/marker.c: the reserved bits of each kind of machine, and
 * the size of a marker in each kind of hole.
 */
#include <linux/bits.h>
#include <linux/kernel.h>

#include "tap.h"
#include "../../svm/mem/marker.h"

static const struct {
	const char *what;
	unsigned int raw, cbit, reduction;
	bool encrypting;
	u64 mask;
} masks[] = {
	{ "Genoa: the C-bit on top, six bits gone", 52, 51, 6, true, 0x000fc00000000000 },
	{ "Naples: 48 bits, C-bit 47, five gone", 48, 47, 5, true, 0x000ff80000000000 },
	{ "vepyc: 48 bits, C-bit 51, five gone", 48, 51, 5, true, 0x000ff80000000000 },
	{ "the C-bit is the first reserved bit", 48, 47, 1, true, 0x000f000000000000 },
	{ "the C-bit is the first, in the middle", 48, 43, 5, true, 0x000ff00000000000 },
	{ "the C-bit is the first and the last: nothing left", 52, 51, 1, true, 0 },
	{ "52 bits, two gone, C-bit above the first", 52, 51, 2, true, 0x000c000000000000 },
	{ "52 bits, none gone", 52, 51, 0, true, 0 },
	{ "no reduction, C-bit at the first", 48, 48, 0, true, 0x000e000000000000 },
	{ "encryption off: the raw width counts", 48, 47, 5, false, 0x000f000000000000 },
	{ "encryption off, C-bit where the first would be", 48, 48, 0, false, 0x000f000000000000 },
	{ "encryption off, 52 bits", 52, 51, 6, false, 0 },
	{ "no leaf 8000001F: all zero", 40, 0, 0, false, 0x000fff0000000000 },
	{ "51 bits: exactly one", 51, 47, 0, false, 0x0008000000000000 },
	{ "nonsense: more gone than there are", 48, 47, 63, true, 0 },
	{ "nonsense: nothing left to address a page", 48, 47, 40, true, 0 },
	{ "nonsense: wider than an entry", 64, 51, 5, false, 0 },
};

#define K4	0x1000ULL
#define M2	0x200000ULL
#define G1	0x40000000ULL

static const struct {
	const char *what;
	u64 gpa, start, end;
	int level;
} levels[] = {
	{ "one page", 0xfec00000, 0xfec00000, 0xfec01000, 1 },
	{ "2 MiB but for a page at the end", M2, M2, 2 * M2 - K4, 1 },
	{ "2 MiB but for a page at the start", M2 + K4, M2 + K4, 2 * M2, 1 },
	{ "exactly 2 MiB", M2 + 0x1234, M2, 2 * M2, 2 },
	{ "2 MiB of bytes, not aligned", M2 + K4, M2 + K4, 2 * M2 + K4, 1 },
	{ "1 GiB less a page below", G1 + K4, G1 + K4, 2 * G1, 1 },
	{ "1 GiB less a page below, elsewhere", G1 + M2, G1 + K4, 2 * G1, 2 },
	{ "exactly 1 GiB", G1 + 5 * M2 + 7, G1, 2 * G1, 3 },
	{ "the PCI hole under 4 GiB", 0xfee00000, 3 * G1, 4 * G1, 3 },
	{ "above RAM that ends at 3.5 GiB", 0xfee00000, 0xe0000000, 4 * G1, 2 },
	{ "a hole without an end", 1ULL << 46, 4 * G1, 1ULL << 52, 3 },
	{ "the hole's end is 2^64 - 1", ~0ULL - 5, 0, ~0ULL, 1 },
	{ "the last byte but the end is not aligned", ~0ULL - M2, 0, ~0ULL, 2 },
	{ "everything", 0, 0, 1ULL << 52, 3 },
	{ "the first 640 KiB", 0x9f000, 0, 0xa0000, 1 },
	{ "an empty hole", 0, 0, 0, 1 },
};

/* Whatever the numbers: a run of bits up to 51, or none; never the usable ones. */
static bool masks_are_sane(void)
{
	unsigned int raw, cbit, red;

	for (raw = 0; raw < 256; raw++) {
		for (cbit = 0; cbit < 64; cbit++) {
			for (red = 0; red < 64; red++) {
				u64 mask = sevm_marker_mask(raw, cbit, red, true);

				if (!mask)
					continue;
				if (!(mask & BIT_ULL(51)))
					return false;
				if (mask & ~GENMASK_ULL(51, 12))
					return false;
				if (((mask >> (raw - red)) << (raw - red)) != mask)
					return false;
				/* Contiguous: adding the lowest bit carries out at 52. */
				if (mask + (mask & -mask) != BIT_ULL(52))
					return false;
				if ((mask & -mask) == BIT_ULL(cbit))
					return false;
			}
		}
	}
	return true;
}

/* The page chosen holds gpa, lies in the hole, and the next size would not. */
static bool levels_are_largest(void)
{
	u64 seed = 88172645463325252ULL;
	int i;

	for (i = 0; i < 200000; i++) {
		u64 v[3], size, base;
		int k, level;

		for (k = 0; k < 3; k++) {
			seed ^= seed << 13;
			seed ^= seed >> 7;
			seed ^= seed << 17;
			v[k] = (seed & 0xffffff000ULL) & ~((k && (seed >> 60) > 7) ? M2 - 1 : 0);
		}
		if (v[1] > v[2]) {
			u64 t = v[1];

			v[1] = v[2];
			v[2] = t;
		}
		if (v[0] < v[1] || v[0] >= v[2])
			continue;
		level = sevm_marker_level(v[0], v[1], v[2]);
		if (level < 1 || level > 3)
			return false;
		size = 1ULL << (12 + 9 * (level - 1));
		base = ALIGN_DOWN(v[0], size);
		if (base < v[1] || base + size > v[2])
			return false;
		if (level == 3)
			continue;
		size <<= 9;
		base = ALIGN_DOWN(v[0], size);
		if (base >= v[1] && base + size <= v[2])
			return false;
	}
	return true;
}

int main(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(masks); i++)
		tap_eq(sevm_marker_mask(masks[i].raw, masks[i].cbit, masks[i].reduction,
					masks[i].encrypting),
		       masks[i].mask, "mask: %s", masks[i].what);
	tap_ok(masks_are_sane(), "mask: every width, C-bit and reduction");

	for (i = 0; i < ARRAY_SIZE(levels); i++)
		tap_eq(sevm_marker_level(levels[i].gpa, levels[i].start, levels[i].end),
		       levels[i].level, "level: %s", levels[i].what);
	tap_ok(levels_are_largest(), "level: random holes");

	return tap_done();
}
