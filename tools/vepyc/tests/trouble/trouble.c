// SPDX-License-Identifier: GPL-2.0-only
/* A module that gets the kernel into the trouble it is asked for. */

#include <linux/bug.h>
#include <linux/irqflags.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/string.h>

static char *what = "none";
module_param(what, charp, 0);

static DEFINE_MUTEX(one);
static DEFINE_MUTEX(other);
static DEFINE_SPINLOCK(spin);
static int eight = 8;
static int array[8];
static void *volatile pointer;

/* What only a debug kernel notices. */
static void be_wrong(void)
{
	if (!strcmp(what, "use-after-free")) {
		pointer = kmalloc(64, GFP_KERNEL);
		kfree(pointer);
		*(volatile char *)pointer = 1;
	}
	if (!strcmp(what, "out-of-bounds"))
		WRITE_ONCE(array[READ_ONCE(eight)], 1);
	if (!strcmp(what, "shift"))
		WRITE_ONCE(array[0], 1 << (READ_ONCE(eight) * 4));
	if (!strcmp(what, "inversion")) {
		mutex_lock(&one);
		mutex_lock(&other);
		mutex_unlock(&other);
		mutex_unlock(&one);
		mutex_lock(&other);
		mutex_lock(&one);
		mutex_unlock(&one);
		mutex_unlock(&other);
	}
	if (!strcmp(what, "sleep")) {
		spin_lock(&spin);
		mutex_lock(&one);
		mutex_unlock(&one);
		spin_unlock(&spin);
	}
	if (!strcmp(what, "leak")) {
		pointer = kmalloc(64, GFP_KERNEL);
		pointer = NULL;
	}
}

static int __init trouble_init(void)
{
	if (!strcmp(what, "warn"))
		WARN_ON(1);
	if (!strcmp(what, "oops"))
		*(volatile int *)8 = 1;
	if (!strcmp(what, "reset")) {
		static const struct { u16 limit; u64 base; } __packed none = { 0, 0 };

		local_irq_disable();
		asm volatile("lidt %0; int3" : : "m"(none));
	}
	if (!strcmp(what, "hang")) {
		local_irq_disable();
		for (;;)
			cpu_relax();
	}
	be_wrong();
	return strcmp(what, "other") ? 0 : -EINVAL;
}

static void __exit trouble_exit(void)
{
}

module_init(trouble_init);
module_exit(trouble_exit);
MODULE_DESCRIPTION("Trouble on request, for the tests of vepyc");
MODULE_LICENSE("GPL");
