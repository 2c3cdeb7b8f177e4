// SPDX-License-Identifier: GPL-2.0-only
/*
 * eventfd.c - irqfds: an eventfd that raises a GSI; ioeventfds: a guest write
 * that raises an eventfd.
 *
 * vm->irq.lock guards both lists' writers; readers walk them under
 * vm->irq.srcu. An irqfd delivers from the eventfd's wake-up itself, in any
 * context, since delivery never sleeps.
 *
 * Invariant: an irqfd in the list is in its eventfd's wait queue, and one
 * that was taken out of both, and waited for, is touched by nobody. A closed
 * eventfd only marks its irqfd dead; vm->irq.reap takes it out.
 */
#include <linux/eventfd.h>
#include <linux/file.h>
#include <linux/poll.h>
#include <linux/rculist.h>
#include <linux/slab.h>
#include <linux/srcu.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "ioapic.h"
#include "irq.h"

/*
 * irqfds
 */

struct irqfd {
	struct list_head link;
	struct sevm_vm *vm;
	struct eventfd_ctx *eventfd;
	struct eventfd_ctx *resamplefd;	/* NULL: an edge each time */
	u32 gsi;
	bool dead;
	wait_queue_entry_t wait;
	poll_table poll;
};

static void inject_irqfd(struct irqfd *irqfd)
{
	struct sevm_vm *vm = irqfd->vm;

	if (irqfd->resamplefd) {
		sevm_irq_set_gsi(vm, irqfd->gsi, SEVM_IOAPIC_SOURCE_RESAMPLE, true);
		return;
	}
	sevm_irq_set_gsi(vm, irqfd->gsi, SEVM_IOAPIC_SOURCE_USER, true);
	sevm_irq_set_gsi(vm, irqfd->gsi, SEVM_IOAPIC_SOURCE_USER, false);
}

/* The eventfd's wait queue is locked and interrupts are off. */
static int wakeup(wait_queue_entry_t *wait, unsigned int mode, int sync, void *key)
{
	struct irqfd *irqfd = container_of(wait, struct irqfd, wait);
	__poll_t flags = key_to_poll(key);
	u64 count;
	int ret = 0;

	if (flags & EPOLLIN) {
		/* Taken here: no reader of the eventfd sees it. */
		eventfd_ctx_do_read(irqfd->eventfd, &count);
		inject_irqfd(irqfd);
		ret = 1;
	}
	if (flags & EPOLLHUP) {
		WRITE_ONCE(irqfd->dead, true);
		schedule_work(&irqfd->vm->irq.reap);
	}
	return ret;
}

static void enqueue(struct file *file, wait_queue_head_t *head, poll_table *poll)
{
	struct irqfd *irqfd = container_of(poll, struct irqfd, poll);

	/* First in the queue, so that the count is gone before others look. */
	add_wait_queue_priority(head, &irqfd->wait);
}

static bool has_resampler(struct sevm_vm *vm, u32 gsi)
{
	struct irqfd *irqfd;

	list_for_each_entry(irqfd, &vm->irq.irqfds, link) {
		if (irqfd->resamplefd && irqfd->gsi == gsi)
			return true;
	}
	return false;
}

/* Out of the list and the wait queue, so that only the walkers of the list may still see it. */
static void unhook(struct irqfd *irqfd)
{
	struct sevm_vm *vm = irqfd->vm;
	u64 count;

	lockdep_assert_held(&vm->irq.lock);
	eventfd_ctx_remove_wait_queue(irqfd->eventfd, &irqfd->wait, &count);
	list_del_rcu(&irqfd->link);
	if (!irqfd->resamplefd)
		return;
	WRITE_ONCE(vm->irq.resamplers, vm->irq.resamplers - 1);
	if (!has_resampler(vm, irqfd->gsi))
		sevm_irq_set_gsi(vm, irqfd->gsi, SEVM_IOAPIC_SOURCE_RESAMPLE, false);
}

static void put(struct irqfd *irqfd)
{
	if (irqfd->resamplefd)
		eventfd_ctx_put(irqfd->resamplefd);
	eventfd_ctx_put(irqfd->eventfd);
	kfree(irqfd);
}

/* Removes those that match: of one eventfd and GSI, the dead ones, or all. */
static void remove_irqfds(struct sevm_vm *vm, bool (*match)(struct irqfd *irqfd,
							    const struct eventfd_ctx *eventfd,
							    u32 gsi),
			  const struct eventfd_ctx *eventfd, u32 gsi)
{
	struct irqfd *irqfd, *next;
	LIST_HEAD(gone);

	mutex_lock(&vm->irq.lock);
	/*
	 * Unhooked ones keep their forward pointer until the walkers of the
	 * list are through, so they are collected by the wait entry's list.
	 */
	list_for_each_entry_safe(irqfd, next, &vm->irq.irqfds, link) {
		if (!match(irqfd, eventfd, gsi))
			continue;
		unhook(irqfd);
		list_add(&irqfd->wait.entry, &gone);
	}
	if (!list_empty(&gone))
		synchronize_srcu(&vm->irq.srcu);
	mutex_unlock(&vm->irq.lock);

	list_for_each_entry_safe(irqfd, next, &gone, wait.entry)
		put(irqfd);
}

static bool match_deassign(struct irqfd *irqfd, const struct eventfd_ctx *eventfd, u32 gsi)
{
	return irqfd->eventfd == eventfd && irqfd->gsi == gsi;
}

static bool match_dead(struct irqfd *irqfd, const struct eventfd_ctx *eventfd, u32 gsi)
{
	return READ_ONCE(irqfd->dead);
}

static bool match_all(struct irqfd *irqfd, const struct eventfd_ctx *eventfd, u32 gsi)
{
	return true;
}

static void reap(struct work_struct *work)
{
	struct sevm_vm *vm = container_of(work, struct sevm_vm, irq.reap);

	remove_irqfds(vm, match_dead, NULL, 0);
}

static int deassign_irqfd(struct sevm_vm *vm, const struct kvm_irqfd *args)
{
	struct eventfd_ctx *eventfd = eventfd_ctx_fdget(args->fd);

	if (IS_ERR(eventfd))
		return PTR_ERR(eventfd);
	/* Nothing to remove is no error, as in KVM. */
	remove_irqfds(vm, match_deassign, eventfd, args->gsi);
	eventfd_ctx_put(eventfd);
	return 0;
}

static int assign_irqfd(struct sevm_vm *vm, const struct kvm_irqfd *args)
{
	struct irqfd *irqfd, *other;
	struct file *file;
	int ret;

	irqfd = kzalloc(sizeof(*irqfd), GFP_KERNEL_ACCOUNT);
	if (!irqfd)
		return -ENOMEM;
	irqfd->vm = vm;
	irqfd->gsi = args->gsi;
	init_waitqueue_func_entry(&irqfd->wait, wakeup);
	init_poll_funcptr(&irqfd->poll, enqueue);

	file = fget(args->fd);
	if (!file) {
		ret = -EBADF;
		goto err_free;
	}
	irqfd->eventfd = eventfd_ctx_fileget(file);
	if (IS_ERR(irqfd->eventfd)) {
		ret = PTR_ERR(irqfd->eventfd);
		goto err_file;
	}
	if (args->flags & KVM_IRQFD_FLAG_RESAMPLE) {
		irqfd->resamplefd = eventfd_ctx_fdget(args->resamplefd);
		if (IS_ERR(irqfd->resamplefd)) {
			ret = PTR_ERR(irqfd->resamplefd);
			goto err_eventfd;
		}
	}

	mutex_lock(&vm->irq.lock);
	list_for_each_entry(other, &vm->irq.irqfds, link) {
		if (other->eventfd == irqfd->eventfd) {
			ret = -EBUSY;
			goto err_unlock;
		}
	}
	list_add_tail_rcu(&irqfd->link, &vm->irq.irqfds);
	if (irqfd->resamplefd)
		WRITE_ONCE(vm->irq.resamplers, vm->irq.resamplers + 1);
	/* The file is ours until the entry hangs there: no hang-up before. */
	if (vfs_poll(file, &irqfd->poll) & EPOLLIN)
		inject_irqfd(irqfd);
	mutex_unlock(&vm->irq.lock);
	fput(file);
	return 0;

err_unlock:
	mutex_unlock(&vm->irq.lock);
	if (irqfd->resamplefd)
		eventfd_ctx_put(irqfd->resamplefd);
err_eventfd:
	eventfd_ctx_put(irqfd->eventfd);
err_file:
	fput(file);
err_free:
	kfree(irqfd);
	return ret;
}

int sevm_irqfd(struct sevm_vm *vm, const struct kvm_irqfd *args)
{
	bool resample = args->flags & KVM_IRQFD_FLAG_RESAMPLE;

	if (args->flags & ~(KVM_IRQFD_FLAG_DEASSIGN | KVM_IRQFD_FLAG_RESAMPLE))
		return -EINVAL;
	if (args->flags & KVM_IRQFD_FLAG_DEASSIGN)
		return deassign_irqfd(vm, args);
	/* Only an IOAPIC of ours sees the EOI that a resampler waits for. */
	if (vm->irqchip == SEVM_IRQCHIP_NONE || (resample && vm->irqchip != SEVM_IRQCHIP_KERNEL))
		return -EINVAL;
	return assign_irqfd(vm, args);
}

void sevm_irqfd_resample(struct sevm_vm *vm, u32 gsi)
{
	struct irqfd *irqfd;
	bool lowered = false;
	int idx;

	if (!READ_ONCE(vm->irq.resamplers))
		return;

	idx = srcu_read_lock(&vm->irq.srcu);
	list_for_each_entry_srcu(irqfd, &vm->irq.irqfds, link,
				 srcu_read_lock_held(&vm->irq.srcu)) {
		if (!irqfd->resamplefd || irqfd->gsi != gsi)
			continue;
		/* All of them share one source: down first, then each may raise it. */
		if (!lowered)
			sevm_irq_set_gsi(vm, gsi, SEVM_IOAPIC_SOURCE_RESAMPLE, false);
		lowered = true;
		eventfd_signal(irqfd->resamplefd);
	}
	srcu_read_unlock(&vm->irq.srcu, idx);
}

/*
 * ioeventfds
 */

/* All are looked at for each write that none takes. KVM ends at some 170,000, by ENOMEM. */
#define MAX_IOEVENTFDS	65536

enum bus {
	BUS_MMIO,
	BUS_PORT,
	BUS_CCW,		/* another architecture's; KVM takes it here too */
};

struct ioeventfd {
	struct list_head link;
	enum bus bus;
	struct eventfd_ctx *eventfd;
	u64 addr;
	u32 len;		/* 0: a write of any length */
	bool any;		/* of any value */
	u64 value;
};

static enum bus bus_of(u32 flags)
{
	if (flags & KVM_IOEVENTFD_FLAG_PIO)
		return BUS_PORT;
	return flags & KVM_IOEVENTFD_FLAG_VIRTIO_CCW_NOTIFY ? BUS_CCW : BUS_MMIO;
}

static bool collide(const struct ioeventfd *a, const struct ioeventfd *b)
{
	if (a->bus != b->bus || a->addr != b->addr)
		return false;
	if (!a->len || !b->len)
		return true;
	return a->len == b->len && (a->any || b->any || a->value == b->value);
}

static int check_ioeventfd(const struct kvm_ioeventfd *args)
{
	switch (args->len) {
	case 0:
	case 1:
	case 2:
	case 4:
	case 8:
		break;
	default:
		return -EINVAL;
	}
	if (args->addr + args->len < args->addr)
		return -EINVAL;
	if (args->flags & ~KVM_IOEVENTFD_VALID_FLAG_MASK)
		return -EINVAL;
	if (!args->len && args->flags & KVM_IOEVENTFD_FLAG_DATAMATCH)
		return -EINVAL;
	return 0;
}

static int assign_ioeventfd(struct sevm_vm *vm, const struct kvm_ioeventfd *args)
{
	struct ioeventfd *p, *other;
	unsigned int n = 0;
	int ret;

	ret = check_ioeventfd(args);
	if (ret)
		return ret;
	p = kzalloc(sizeof(*p), GFP_KERNEL_ACCOUNT);
	if (!p)
		return -ENOMEM;
	p->bus = bus_of(args->flags);
	p->addr = args->addr;
	p->len = args->len;
	p->any = !(args->flags & KVM_IOEVENTFD_FLAG_DATAMATCH);
	if (!p->any)
		p->value = args->datamatch;
	p->eventfd = eventfd_ctx_fdget(args->fd);
	if (IS_ERR(p->eventfd)) {
		ret = PTR_ERR(p->eventfd);
		goto err_free;
	}

	mutex_lock(&vm->irq.lock);
	list_for_each_entry(other, &vm->irq.ioeventfds, link) {
		if (collide(p, other)) {
			ret = -EEXIST;
			goto err_unlock;
		}
		n++;
	}
	if (n >= MAX_IOEVENTFDS) {
		ret = -ENOSPC;
		goto err_unlock;
	}
	list_add_tail_rcu(&p->link, &vm->irq.ioeventfds);
	mutex_unlock(&vm->irq.lock);
	return 0;

err_unlock:
	mutex_unlock(&vm->irq.lock);
	eventfd_ctx_put(p->eventfd);
err_free:
	kfree(p);
	return ret;
}

static struct ioeventfd *find_assigned(struct sevm_vm *vm, const struct kvm_ioeventfd *args,
				       const struct eventfd_ctx *eventfd)
{
	bool any = !(args->flags & KVM_IOEVENTFD_FLAG_DATAMATCH);
	struct ioeventfd *p;

	list_for_each_entry(p, &vm->irq.ioeventfds, link) {
		if (p->bus == bus_of(args->flags) && p->eventfd == eventfd &&
		    p->addr == args->addr && p->len == args->len && p->any == any &&
		    (any || p->value == args->datamatch))
			return p;
	}
	return NULL;
}

static int deassign_ioeventfd(struct sevm_vm *vm, const struct kvm_ioeventfd *args)
{
	struct eventfd_ctx *eventfd = eventfd_ctx_fdget(args->fd);
	struct ioeventfd *p;

	if (IS_ERR(eventfd))
		return PTR_ERR(eventfd);

	mutex_lock(&vm->irq.lock);
	p = find_assigned(vm, args, eventfd);
	if (p)
		list_del_rcu(&p->link);
	mutex_unlock(&vm->irq.lock);
	eventfd_ctx_put(eventfd);
	if (!p)
		return -ENOENT;

	synchronize_srcu(&vm->irq.srcu);
	eventfd_ctx_put(p->eventfd);
	kfree(p);
	return 0;
}

int sevm_ioeventfd(struct sevm_vm *vm, const struct kvm_ioeventfd *args)
{
	if (args->flags & KVM_IOEVENTFD_FLAG_DEASSIGN)
		return deassign_ioeventfd(vm, args);
	return assign_ioeventfd(vm, args);
}

bool sevm_ioeventfd_write(struct sevm_vm *vm, bool port, u64 addr, u32 len, const void *data)
{
	enum bus bus = port ? BUS_PORT : BUS_MMIO;
	struct ioeventfd *p;
	bool found = false;
	u64 value = 0;
	int idx;

	if (list_empty(&vm->irq.ioeventfds))
		return false;
	if (len <= sizeof(value))
		memcpy(&value, data, len);

	idx = srcu_read_lock(&vm->irq.srcu);
	list_for_each_entry_srcu(p, &vm->irq.ioeventfds, link,
				 srcu_read_lock_held(&vm->irq.srcu)) {
		if (p->bus != bus || p->addr != addr)
			continue;
		if (p->len && (p->len != len || !(p->any || p->value == value)))
			continue;
		eventfd_signal(p->eventfd);
		found = true;
		break;
	}
	srcu_read_unlock(&vm->irq.srcu, idx);
	return found;
}

/*
 * Creation and end
 */

void sevm_eventfd_init(struct sevm_vm *vm)
{
	INIT_LIST_HEAD(&vm->irq.irqfds);
	INIT_LIST_HEAD(&vm->irq.ioeventfds);
	INIT_WORK(&vm->irq.reap, reap);
	vm->irq.resamplers = 0;
}

void sevm_eventfd_destroy(struct sevm_vm *vm)
{
	struct ioeventfd *p, *next;

	remove_irqfds(vm, match_all, NULL, 0);
	/* No irqfd is left to schedule it. */
	cancel_work_sync(&vm->irq.reap);

	/* Nobody writes from a guest any more, and the VM has no ioctls. */
	list_for_each_entry_safe(p, next, &vm->irq.ioeventfds, link) {
		list_del(&p->link);
		eventfd_ctx_put(p->eventfd);
		kfree(p);
	}
}
