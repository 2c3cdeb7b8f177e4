// SPDX-License-Identifier: GPL-2.0-only
/*
 * msr_map.c - the MSR permission maps: which MSRs a guest reaches without an exit.
 *
 * Two maps, one for plain and one for protected guests, shared by all guests of the
 * kind. Two bits an MSR, set: intercept.
 * Invariant: what is not in the table below exits.
 */
#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/nospec.h>
#include <linux/string.h>
#include <asm/cpufeature.h>
#include <asm/msr-index.h>

#include "msr_map.h"

#define MAP_ORDER	1

static const struct {
	u32 index;
	bool plain;
	unsigned int feature;	/* only on a host with it; 0: on any */
} passthrough[] = {
	{ MSR_STAR, true }, { MSR_LSTAR, true }, { MSR_CSTAR, true },
	{ MSR_SYSCALL_MASK, true }, { MSR_FS_BASE, true }, { MSR_GS_BASE, true },
	{ MSR_KERNEL_GS_BASE, true }, { MSR_IA32_SYSENTER_CS, true },
	{ MSR_IA32_SYSENTER_ESP, true }, { MSR_IA32_SYSENTER_EIP, true },
	/* In the VMSA, where we can neither read nor write them (GHCB: in the VMCB): */
	{ MSR_EFER }, { MSR_IA32_CR_PAT }, { MSR_AMD64_SEV_ES_GHCB },
	{ MSR_IA32_XSS, false, X86_FEATURE_XSAVES },
	{ MSR_TSC_AUX, false, X86_FEATURE_V_TSC_AUX },
	{ MSR_IA32_SPEC_CTRL, false, X86_FEATURE_V_SPEC_CTRL },
	{ MSR_IA32_DEBUGCTLMSR },
	{ MSR_IA32_LASTBRANCHFROMIP }, { MSR_IA32_LASTBRANCHTOIP },
	{ MSR_IA32_LASTINTFROMIP }, { MSR_IA32_LASTINTTOIP },
};

static u8 *map_plain, *map_protected;

static bool is_here(unsigned int feature)
{
	return !feature || boot_cpu_has(feature);
}

/* The byte of a map with an MSR's two bits; NULL: an MSR that no map knows. */
static u8 *bits_of(u8 *map, u32 index)
{
	static const u32 bases[] = { 0, 0xc0000000, 0xc0010000 };
	unsigned int i;

#pragma GCC unroll 3
	for (i = 0; i < ARRAY_SIZE(bases); i++) {
		u32 n = index - bases[i];

		if (n < 0x2000)
			return &map[i * 0x800 + array_index_nospec(n, 0x2000) / 4];
	}
	return NULL;
}

/* For each access that exits: one look into the map, not a search. */
bool sevm_msr_map_is_passthrough(u32 index)
{
	const u8 *bits = bits_of(map_protected, index);

	return bits && !(*bits & 3 << index % 4 * 2);
}

u32 sevm_msr_map_passthrough(unsigned int i)
{
	return i < ARRAY_SIZE(passthrough) ? passthrough[i].index : 0;
}

static void pass(u8 *map, u32 index)
{
	u8 *bits = bits_of(map, index);

	if (bits)
		*bits &= ~(3 << index % 4 * 2);
}

static u8 *new_map(bool protected)
{
	u8 *map = (u8 *)__get_free_pages(GFP_KERNEL, MAP_ORDER);
	unsigned int i;

	if (!map)
		return NULL;
	memset(map, 0xff, PAGE_SIZE << MAP_ORDER);
	for (i = 0; i < ARRAY_SIZE(passthrough); i++) {
		if ((protected || passthrough[i].plain) && is_here(passthrough[i].feature))
			pass(map, passthrough[i].index);
	}
	return map;
}

int __init sevm_msr_map_setup(void)
{
	map_plain = new_map(false);
	map_protected = new_map(true);
	if (map_plain && map_protected)
		return 0;
	sevm_msr_map_teardown();
	return -ENOMEM;
}

void sevm_msr_map_teardown(void)
{
	free_pages((unsigned long)map_plain, MAP_ORDER);
	free_pages((unsigned long)map_protected, MAP_ORDER);
	map_plain = NULL;
	map_protected = NULL;
}

u64 sevm_msr_map_plain(void)
{
	return __pa(map_plain);
}

u64 sevm_msr_map_protected(void)
{
	return __pa(map_protected);
}
