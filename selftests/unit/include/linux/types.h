/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * linux/types.h - for the unit tests: the kernel's short names of types.
 *
 * The headers in this folder stand for those of the kernel that the pure files
 * of the module include, so that these compile for userspace as they are.
 */
#ifndef SEVM_UNIT_LINUX_TYPES_H
#define SEVM_UNIT_LINUX_TYPES_H

#include_next <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;

#endif /* SEVM_UNIT_LINUX_TYPES_H */
