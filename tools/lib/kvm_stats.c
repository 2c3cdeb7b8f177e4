// SPDX-License-Identifier: GPL-2.0-only
/*
 * kvm_stats.c - the format of KVM's binary statistics: a header, descriptors
 * with names, and values, all in one file that describes itself.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kvm_compat.h"
#include "kvm_stats.h"

/* Far above what any kernel has; a file that claims more is not one of these. */
#define MAX_DESC	4096
#define MAX_NAME	256

static struct kvm_stat *find(struct kvm_stats *stats, const char *name)
{
	struct kvm_stat *grown;
	size_t i;

	for (i = 0; i < stats->count; i++)
		if (!strcmp(stats->stat[i].name, name))
			return &stats->stat[i];
	grown = realloc(stats->stat, (stats->count + 1) * sizeof(*grown));
	if (!grown)
		return NULL;
	stats->stat = grown;
	grown += stats->count;
	memset(grown, 0, sizeof(*grown));
	grown->name = strdup(name);
	if (!grown->name)
		return NULL;
	stats->count++;
	return grown;
}

static bool add_one(struct kvm_stats *stats, int fd, const struct kvm_stats_header *header,
		    const struct kvm_stats_desc *desc)
{
	uint32_t type = desc->flags & KVM_STATS_TYPE_MASK;
	struct kvm_stat *stat;
	uint64_t value;

	if (desc->size != 1 ||
	    (type != KVM_STATS_TYPE_CUMULATIVE && type != KVM_STATS_TYPE_INSTANT))
		return true;
	if (pread(fd, &value, sizeof(value), (off_t)header->data_offset + desc->offset) !=
	    sizeof(value))
		return false;
	stat = find(stats, desc->name);
	if (!stat)
		return false;
	stat->value += value;
	stat->instant = type == KVM_STATS_TYPE_INSTANT;
	return true;
}

bool kvm_stats_add(struct kvm_stats *stats, int fd)
{
	struct kvm_stats_header header;
	struct kvm_stats_desc *desc;
	bool ok = true;
	size_t size;
	uint32_t i;

	if (pread(fd, &header, sizeof(header), 0) != sizeof(header) ||
	    header.num_desc > MAX_DESC || !header.name_size || header.name_size > MAX_NAME)
		return false;
	size = sizeof(*desc) + header.name_size;
	desc = malloc(size);
	if (!desc)
		return false;
	for (i = 0; ok && i < header.num_desc; i++) {
		ok = pread(fd, desc, size, (off_t)header.desc_offset + i * size) ==
		     (ssize_t)size;
		desc->name[header.name_size - 1] = '\0';
		ok = ok && add_one(stats, fd, &header, desc);
	}
	free(desc);
	return ok;
}

void kvm_stats_free(struct kvm_stats *stats)
{
	while (stats->count)
		free(stats->stat[--stats->count].name);
	free(stats->stat);
	stats->stat = NULL;
}
