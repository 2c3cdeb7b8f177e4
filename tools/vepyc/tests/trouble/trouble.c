// SPDX-License-Identifier: GPL-2.0-only
/* A module that gets the kernel into the trouble it is asked for. */

#include <linux/bug.h>
#include <linux/irqflags.h>
#include <linux/module.h>
#include <linux/string.h>

static char *what = "none";
module_param(what, charp, 0);

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
	return strcmp(what, "none") ? -EINVAL : 0;
}

static void __exit trouble_exit(void)
{
}

module_init(trouble_init);
module_exit(trouble_exit);
MODULE_DESCRIPTION("Trouble on request, for the tests of vepyc");
MODULE_LICENSE("GPL");
