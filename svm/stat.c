// SPDX-License-Identifier: GPL-2.0-only
/*
 * stat.c - counters, served by KVM_GET_STATS_FD.
 *
 * The file is KVM's self-describing format: a header, an identity string,
 * descriptors, then the numbers. Header and descriptors are the same for every
 * VM, and for every vCPU. The counters themselves are in the objects.
 */
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/minmax.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "sevm.h"
#include "vcpu.h"

#define NAME_SIZE	KVM_STATS_NAME_SIZE_SEVM

/*
 * struct kvm_stats_desc with room for its name. Userspace sees a flexible array
 * there; kernels since 6.12 see KVM's own 48 characters, older ones none.
 */
struct desc {
	u32 flags;
	s16 exponent;
	u16 size;
	u32 offset;
	u32 bucket_size;
	char name[NAME_SIZE];
};

static_assert(offsetof(struct desc, name) == offsetof(struct kvm_stats_desc, name));

#define COUNTER(n) {							\
	.flags = KVM_STATS_TYPE_CUMULATIVE | KVM_STATS_UNIT_NONE |	\
		 KVM_STATS_BASE_POW10,					\
	.size = 1,							\
	.name = #n,							\
},

static struct desc vcpu_descs[] = { SEVM_VCPU_STAT_LIST(COUNTER) };
static struct desc vm_descs[] = { SEVM_VM_STAT_LIST(COUNTER) };

struct stat_file {
	struct sevm_vm *vm;
	const u64 *numbers;
	const struct desc *descs;
	u32 count;
	char id[NAME_SIZE + 16];	/* served up to NAME_SIZE */
};

/* One piece of the file, at an offset of its own. */
static int copy_piece(char __user **to, size_t *left, loff_t *pos, const void *from,
		      size_t start, size_t size)
{
	size_t skip, n;

	if (!*left || *pos >= start + size || *pos < start)
		return 0;
	skip = *pos - start;
	n = min(*left, size - skip);
	if (copy_to_user(*to, from + skip, n))
		return -EFAULT;
	*to += n;
	*left -= n;
	*pos += n;
	return 0;
}

static ssize_t stat_read(struct file *file, char __user *to, size_t size, loff_t *pos)
{
	struct stat_file *sf = file->private_data;
	struct kvm_stats_header header = {
		.name_size = NAME_SIZE,
		.num_desc = sf->count,
		.id_offset = sizeof(header),
		.desc_offset = sizeof(header) + NAME_SIZE,
		.data_offset = sizeof(header) + NAME_SIZE + sf->count * sizeof(struct desc),
	};
	size_t left = size;

	if (copy_piece(&to, &left, pos, &header, 0, sizeof(header)) ||
	    copy_piece(&to, &left, pos, sf->id, header.id_offset, NAME_SIZE) ||
	    copy_piece(&to, &left, pos, sf->descs, header.desc_offset,
		       sf->count * sizeof(struct desc)) ||
	    copy_piece(&to, &left, pos, sf->numbers, header.data_offset,
		       sf->count * sizeof(u64)))
		return -EFAULT;
	return size - left;
}

static int stat_release(struct inode *inode, struct file *file)
{
	struct stat_file *sf = file->private_data;

	sevm_vm_put(sf->vm);
	kfree(sf);
	return 0;
}

static const struct file_operations stat_fops = {
	.owner = THIS_MODULE,
	.read = stat_read,
	.release = stat_release,
	.llseek = noop_llseek,
};

static int open_stats(struct stat_file *sf)
{
	struct file *file;
	int fd = get_unused_fd_flags(O_CLOEXEC);

	if (fd < 0)
		goto err_free;
	sevm_vm_get(sf->vm);
	file = anon_inode_getfile("sevm-stats", &stat_fops, sf, O_RDONLY);
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		sevm_vm_put(sf->vm);
		fd = PTR_ERR(file);
		goto err_free;
	}
	file->f_mode |= FMODE_PREAD;
	fd_install(fd, file);
	return fd;

err_free:
	kfree(sf);
	return fd;
}

static void number_descs(struct desc *descs, u32 count)
{
	u32 i;

	/* Whoever comes first; the same values every time. */
	for (i = 0; i < count; i++)
		WRITE_ONCE(descs[i].offset, i * sizeof(u64));
}

int sevm_stat_vm_fd(struct sevm_vm *vm)
{
	struct stat_file *sf = kzalloc(sizeof(*sf), GFP_KERNEL_ACCOUNT);

	if (!sf)
		return -ENOMEM;
	number_descs(vm_descs, ARRAY_SIZE(vm_descs));
	sf->vm = vm;
	sf->numbers = vm->stat;
	sf->descs = vm_descs;
	sf->count = ARRAY_SIZE(vm_descs);
	strscpy(sf->id, vm->stats_id, sizeof(sf->id));
	return open_stats(sf);
}

int sevm_stat_vcpu_fd(struct sevm_vcpu *vcpu)
{
	struct stat_file *sf = kzalloc(sizeof(*sf), GFP_KERNEL_ACCOUNT);

	if (!sf)
		return -ENOMEM;
	number_descs(vcpu_descs, ARRAY_SIZE(vcpu_descs));
	sf->vm = vcpu->vm;
	sf->numbers = vcpu->stat;
	sf->descs = vcpu_descs;
	sf->count = ARRAY_SIZE(vcpu_descs);
	snprintf(sf->id, sizeof(sf->id), "%s/vcpu-%u", vcpu->vm->stats_id, vcpu->id);
	return open_stats(sf);
}
