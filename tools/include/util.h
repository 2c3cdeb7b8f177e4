/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * util.h - the few of the kernel's macros that the tools use.
 */
#ifndef SEVM_TOOLS_UTIL_H
#define SEVM_TOOLS_UTIL_H

#include <assert.h>

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define BIT(n)		(1U << (n))
#define BIT_ULL(n)	(1ULL << (n))

#ifndef __packed
#define __packed	__attribute__((packed))
#endif
#ifndef __noreturn
#define __noreturn	__attribute__((noreturn))
#endif
#ifndef __printf
#define __printf(f, a)	__attribute__((format(printf, f, a)))
#endif

#endif /* SEVM_TOOLS_UTIL_H */
