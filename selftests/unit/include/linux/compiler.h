/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SEVM_UNIT_LINUX_COMPILER_H
#define SEVM_UNIT_LINUX_COMPILER_H

#undef __aligned
#define __aligned(n)		__attribute__((__aligned__(n)))
#define READ_ONCE(x)		__atomic_load_n(&(x), __ATOMIC_RELAXED)
#define WRITE_ONCE(x, v)	__atomic_store_n(&(x), v, __ATOMIC_RELAXED)

#endif /* SEVM_UNIT_LINUX_COMPILER_H */
