/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SEVM_UNIT_LINUX_BITOPS_H
#define SEVM_UNIT_LINUX_BITOPS_H

/* Words of any type may be behind the pointer. */
typedef unsigned long __attribute__((__may_alias__)) any_word;

#define set_bit(n, p)	((void)__atomic_fetch_or((any_word *)(p), 1UL << (n), __ATOMIC_SEQ_CST))
#define clear_bit(n, p)	((void)__atomic_fetch_and((any_word *)(p), ~(1UL << (n)), __ATOMIC_SEQ_CST))
#define fls(x)		((x) ? 32 - __builtin_clz(x) : 0)

#endif /* SEVM_UNIT_LINUX_BITOPS_H */
