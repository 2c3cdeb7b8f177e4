/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kvm_stats.h - read KVM's binary statistics (KVM_GET_STATS_FD).
 */
#ifndef SEVM_TOOLS_KVM_STATS_H
#define SEVM_TOOLS_KVM_STATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kvm_stat {
	char *name;
	uint64_t value;
	bool instant;			/* a level, not a count */
};

struct kvm_stats {
	struct kvm_stat *stat;		/* in the order of their first appearance */
	size_t count;
};

/*
 * Add what a statistics file says now; values of the same name are summed.
 * Histograms are left out. False: not such a file.
 */
bool kvm_stats_add(struct kvm_stats *stats, int fd);
void kvm_stats_free(struct kvm_stats *stats);

#endif /* SEVM_TOOLS_KVM_STATS_H */
