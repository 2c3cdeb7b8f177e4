/* SPDX-License-Identifier: GPL-2.0-only */
/* The headers of include/linux, for product files that name this one. */
#include <linux/bitops.h>
#include <linux/bits.h>
#include <linux/compiler.h>
#include <linux/kernel.h>
#include <linux/string.h>
#include <linux/types.h>
