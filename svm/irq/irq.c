// SPDX-License-Identifier: GPL-2.0-only
/*
 * irq.c - GSI routes and messages from outside the guest.
 *
 * A GSI leads to an IOAPIC pin or is an MSI. The table is built whole, checked
 * whole and replaced whole; whoever delivers reads it under vm->irq.srcu, in
 * any context, and never waits. Routes to a PIC are taken, since clients set
 * them, and lead nowhere: there is no PIC.
 */
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/srcu.h>
#include <linux/uaccess.h>

#include "apic.h"
#include "ioapic.h"
#include "irq.h"

#define PIC_PINS	8

struct sevm_route {
	u32 gsi;
	enum sevm_route_kind {
		ROUTE_NOWHERE,		/* a PIC pin */
		ROUTE_IOAPIC,
		ROUTE_MSI,
	} kind;
	u32 chip;			/* KVM_IRQCHIP_*: not for MSIs */
	u32 pin;
	u64 address;
	u32 data;
};

/* Sorted by GSI: those of gsi are route[first[gsi]] .. route[first[gsi + 1] - 1]. */
struct sevm_routes {
	u32 gsis;
	s32 gsi_of_pin[SEVM_IOAPIC_PINS];	/* -1: none */
	u16 *first;				/* gsis + 1 of them */
	struct sevm_route route[];
};

/*
 * Building a table
 */

static bool msi_valid(struct sevm_vm *vm, u32 address_hi)
{
	return !(vm->x2apic_flags & KVM_X2APIC_API_USE_32BIT_IDS && address_hi & 0xff);
}

static int convert_irqchip(struct sevm_vm *vm, const struct kvm_irq_routing_irqchip *from,
			   struct sevm_route *to)
{
	if (vm->irqchip == SEVM_IRQCHIP_SPLIT)
		return -EINVAL;

	to->chip = from->irqchip;
	to->pin = from->pin;
	switch (from->irqchip) {
	case KVM_IRQCHIP_PIC_MASTER:
	case KVM_IRQCHIP_PIC_SLAVE:
		to->kind = ROUTE_NOWHERE;
		return from->pin < PIC_PINS ? 0 : -EINVAL;
	case KVM_IRQCHIP_IOAPIC:
		to->kind = ROUTE_IOAPIC;
		return from->pin < SEVM_IOAPIC_PINS ? 0 : -EINVAL;
	}
	return -EINVAL;
}

static int convert(struct sevm_vm *vm, const struct kvm_irq_routing_entry *from,
		   struct sevm_route *to)
{
	to->gsi = from->gsi;
	switch (from->type) {
	case KVM_IRQ_ROUTING_IRQCHIP:
		if (from->flags)
			return -EINVAL;
		return convert_irqchip(vm, &from->u.irqchip, to);
	case KVM_IRQ_ROUTING_MSI:
		/* The device ID is there, but x86 has no use for it. */
		if (from->flags & ~KVM_MSI_VALID_DEVID || !msi_valid(vm, from->u.msi.address_hi))
			return -EINVAL;
		to->kind = ROUTE_MSI;
		to->address = (u64)from->u.msi.address_hi << 32 | from->u.msi.address_lo;
		to->data = from->u.msi.data;
		return 0;
	}
	return -EINVAL;
}

/* A GSI is one MSI, or one pin of each of several chips. */
static bool compatible(const struct sevm_route *a, const struct sevm_route *b)
{
	return a->kind != ROUTE_MSI && b->kind != ROUTE_MSI && a->chip != b->chip;
}

static int check_conflicts(const struct sevm_routes *routes)
{
	u32 gsi, i, j;

	for (gsi = 0; gsi < routes->gsis; gsi++) {
		/* More chips than KVM_NR_IRQCHIPS there are not: stop early. */
		if (routes->first[gsi + 1] - routes->first[gsi] > KVM_NR_IRQCHIPS)
			return -EINVAL;
		for (i = routes->first[gsi]; i < routes->first[gsi + 1]; i++) {
			for (j = i + 1; j < routes->first[gsi + 1]; j++) {
				if (!compatible(&routes->route[i], &routes->route[j]))
					return -EINVAL;
			}
		}
	}
	return 0;
}

/* Converts, sorts by counting, and checks. */
static struct sevm_routes *build(struct sevm_vm *vm, const struct kvm_irq_routing_entry *entries,
				 u32 n)
{
	struct sevm_routes *routes;
	u32 gsis = 0, i;
	size_t size;
	int ret;

	for (i = 0; i < n; i++) {
		if (entries[i].gsi >= SEVM_MAX_GSI)
			return ERR_PTR(-EINVAL);
		gsis = max(gsis, entries[i].gsi + 1);
	}

	/* Both bounded by SEVM_MAX_GSI: no overflow. */
	size = struct_size(routes, route, n);
	routes = kvzalloc(size + (gsis + 1) * sizeof(u16), GFP_KERNEL_ACCOUNT);
	if (!routes)
		return ERR_PTR(-ENOMEM);
	routes->gsis = gsis;
	routes->first = (void *)routes + size;
	for (i = 0; i < SEVM_IOAPIC_PINS; i++)
		routes->gsi_of_pin[i] = -1;

	/* first[gsi] ends up where gsi starts, after it was where it ends. */
	for (i = 0; i < n; i++)
		routes->first[entries[i].gsi]++;
	for (i = 1; i <= gsis; i++)
		routes->first[i] += routes->first[i - 1];
	for (i = n; i-- > 0;) {
		struct sevm_route *route = &routes->route[--routes->first[entries[i].gsi]];

		ret = convert(vm, &entries[i], route);
		if (ret)
			goto err_free;
	}
	ret = check_conflicts(routes);
	if (ret)
		goto err_free;

	for (i = 0; i < n; i++) {
		if (routes->route[i].kind == ROUTE_IOAPIC)
			routes->gsi_of_pin[routes->route[i].pin] = routes->route[i].gsi;
	}
	return routes;

err_free:
	kvfree(routes);
	return ERR_PTR(ret);
}

static int replace_routes(struct sevm_vm *vm, const struct kvm_irq_routing_entry *entries, u32 n)
{
	struct sevm_routes *routes, *old;

	mutex_lock(&vm->irq.lock);
	routes = build(vm, entries, n);
	if (IS_ERR(routes)) {
		mutex_unlock(&vm->irq.lock);
		return PTR_ERR(routes);
	}
	old = rcu_replace_pointer(vm->irq.routes, routes, lockdep_is_held(&vm->irq.lock));
	mutex_unlock(&vm->irq.lock);

	/* Expedited: QEMU sets the table hundreds of times while it starts. */
	if (old) {
		synchronize_srcu_expedited(&vm->irq.srcu);
		kvfree(old);
	}
	return 0;
}

int sevm_irq_set_routing(struct sevm_vm *vm, struct kvm_irq_routing __user *arg)
{
	struct kvm_irq_routing_entry *entries = NULL;
	struct kvm_irq_routing routing;
	int ret;

	if (copy_from_user(&routing, arg, sizeof(routing)))
		return -EFAULT;
	if (vm->irqchip == SEVM_IRQCHIP_NONE || routing.nr > SEVM_MAX_GSI || routing.flags)
		return -EINVAL;
	if (routing.nr) {
		entries = vmemdup_user(arg->entries, array_size(routing.nr, sizeof(*entries)));
		if (IS_ERR(entries))
			return PTR_ERR(entries);
	}
	ret = replace_routes(vm, entries, routing.nr);
	kvfree(entries);
	return ret;
}

/* GSI n is pin n of the IOAPIC; the first 16 are the PIC's too, as on a PC. */
int sevm_irq_set_default_routing(struct sevm_vm *vm)
{
	struct kvm_irq_routing_entry *entries;
	u32 gsi, n = 0;
	int ret;

	entries = kcalloc(SEVM_IOAPIC_PINS + 2 * PIC_PINS, sizeof(*entries), GFP_KERNEL);
	if (!entries)
		return -ENOMEM;
	for (gsi = 0; gsi < SEVM_IOAPIC_PINS; gsi++) {
		entries[n].gsi = gsi;
		entries[n].type = KVM_IRQ_ROUTING_IRQCHIP;
		entries[n].u.irqchip.irqchip = KVM_IRQCHIP_IOAPIC;
		entries[n++].u.irqchip.pin = gsi;
		if (gsi >= 2 * PIC_PINS)
			continue;
		entries[n].gsi = gsi;
		entries[n].type = KVM_IRQ_ROUTING_IRQCHIP;
		entries[n].u.irqchip.irqchip = gsi < PIC_PINS ? KVM_IRQCHIP_PIC_MASTER :
							       KVM_IRQCHIP_PIC_SLAVE;
		entries[n++].u.irqchip.pin = gsi % PIC_PINS;
	}
	ret = replace_routes(vm, entries, n);
	kfree(entries);
	return ret;
}

/*
 * Delivering
 */

static int follow(struct sevm_vm *vm, const struct sevm_route *route, u32 source, bool level)
{
	switch (route->kind) {
	case ROUTE_IOAPIC:
		return sevm_ioapic_set_line(vm, route->pin, source, level);
	case ROUTE_MSI:
		return level ? sevm_apic_deliver_msi(vm, route->address, route->data) : -1;
	case ROUTE_NOWHERE:
		break;
	}
	return -1;
}

int sevm_irq_set_gsi(struct sevm_vm *vm, u32 gsi, u32 source, bool level)
{
	const struct sevm_routes *routes;
	int idx, ret = -1;
	u32 i;

	idx = srcu_read_lock(&vm->irq.srcu);
	routes = srcu_dereference(vm->irq.routes, &vm->irq.srcu);
	if (routes && gsi < routes->gsis) {
		for (i = routes->first[gsi]; i < routes->first[gsi + 1]; i++) {
			int r = follow(vm, &routes->route[i], source, level);

			if (r >= 0)
				ret = r + max(ret, 0);
		}
	}
	srcu_read_unlock(&vm->irq.srcu, idx);
	return ret;
}

int sevm_irq_line(struct sevm_vm *vm, u32 gsi, bool level, int *status)
{
	if (vm->irqchip == SEVM_IRQCHIP_NONE)
		return -ENXIO;
	*status = sevm_irq_set_gsi(vm, gsi, SEVM_IOAPIC_SOURCE_USER, level);
	return 0;
}

int sevm_irq_signal_msi(struct sevm_vm *vm, const struct kvm_msi *msi)
{
	if (vm->irqchip == SEVM_IRQCHIP_NONE || msi->flags || !msi_valid(vm, msi->address_hi))
		return -EINVAL;
	return sevm_apic_deliver_msi(vm, (u64)msi->address_hi << 32 | msi->address_lo, msi->data);
}

void sevm_irq_ack_pin(struct sevm_vm *vm, u32 pin)
{
	const struct sevm_routes *routes;
	int idx, gsi = -1;

	idx = srcu_read_lock(&vm->irq.srcu);
	routes = srcu_dereference(vm->irq.routes, &vm->irq.srcu);
	if (routes && pin < SEVM_IOAPIC_PINS)
		gsi = routes->gsi_of_pin[pin];
	if (gsi >= 0)
		sevm_irqfd_resample(vm, gsi);
	srcu_read_unlock(&vm->irq.srcu, idx);
}

/*
 * Userspace's IOAPIC has its pins in the first GSIs, as MSIs. One of them with
 * this vector and level-triggered waits for the EOI. Only the vCPU that had
 * the vector in service asks, so the destination need not be compared: it may
 * have been changed since.
 */
bool sevm_irq_eoi_to_user(struct sevm_vcpu *vcpu, u8 vector)
{
	struct sevm_vm *vm = vcpu->vm;
	const struct sevm_routes *routes;
	struct sevm_irq_msg msg;
	bool found = false;
	u32 i, end;
	int idx;

	idx = srcu_read_lock(&vm->irq.srcu);
	routes = srcu_dereference(vm->irq.routes, &vm->irq.srcu);
	if (routes) {
		end = routes->first[min(routes->gsis, vm->irq.reserved_pins)];
		for (i = 0; i < end && !found; i++) {
			if (routes->route[i].kind != ROUTE_MSI)
				continue;
			sevm_apic_decode_msi(routes->route[i].address, routes->route[i].data,
					     false, &msg);
			found = msg.level && msg.vector == vector;
		}
	}
	srcu_read_unlock(&vm->irq.srcu, idx);
	return found;
}

/*
 * Creation and end
 */

int sevm_irq_init(struct sevm_vm *vm)
{
	int ret;

	mutex_init(&vm->irq.lock);
	sevm_eventfd_init(vm);
	ret = init_srcu_struct(&vm->irq.srcu);
	if (ret)
		return ret;
	RCU_INIT_POINTER(vm->irq.routes, NULL);
	return 0;
}

void sevm_irq_destroy(struct sevm_vm *vm)
{
	sevm_eventfd_destroy(vm);
	/* No vCPU runs, no eventfd is left: nobody reads the table any more. */
	kvfree(rcu_dereference_protected(vm->irq.routes, true));
	RCU_INIT_POINTER(vm->irq.routes, NULL);
	cleanup_srcu_struct(&vm->irq.srcu);
}
