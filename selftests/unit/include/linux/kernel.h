/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SEVM_UNIT_LINUX_KERNEL_H
#define SEVM_UNIT_LINUX_KERNEL_H

#define ARRAY_SIZE(a)		(sizeof(a) / sizeof((a)[0]))
#define ALIGN_DOWN(x, a)	((x) & ~((__typeof__(x))(a) - 1))

#endif /* SEVM_UNIT_LINUX_KERNEL_H */
