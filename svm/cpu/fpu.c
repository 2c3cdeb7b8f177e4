// SPDX-License-Identifier: GPL-2.0-only
/*
 * fpu.c - x87, SSE and AVX registers of a plain guest.
 *
 * Each entry loads them from an XSAVE image in standard format and each exit
 * stores them back, inside kernel_fpu_begin() and kernel_fpu_end(), which have
 * saved the task's. Standard format, because that is what the state ioctls
 * speak: they copy the image. PKRU is in it; the host's is put back after each
 * exit. Supervisor states are not offered to guests.
 *
 * After launch, a protected guest's registers never come here: the hardware keeps them.
 */
#include <linux/slab.h>
#include <asm/cpufeature.h>
#include <asm/fpu/api.h>
#include <asm/fpu/types.h>
#include <asm/fpu/xcr.h>
#include <asm/fpu/xstate.h>
#include <asm/msr.h>
#include <asm/pkru.h>
#include <asm/special_insns.h>

#include "cpuid.h"
#include "fpu.h"
#include "host.h"

struct sevm_fpu {
	u32 host_pkru;
	struct xregs_state image __aligned(64);		/* of image_size bytes */
};

static u32 image_size;		/* for SEVM_GUEST_XCR0 of this host */
static u64 image_features;
static u32 mxcsr_mask;

int sevm_fpu_setup(void)
{
	u32 eax, ebx, ecx, edx;
	unsigned int i;

	image_features = sevm_host_caps.xcr0 & SEVM_GUEST_XCR0;
	image_size = FXSAVE_SIZE + XSAVE_HDR_SIZE;
	for (i = 2; i < 63; i++) {
		if (!(image_features & BIT_ULL(i)))
			continue;
		cpuid_count(0xd, i, &eax, &ebx, &ecx, &edx);
		image_size = max(image_size, eax + ebx);
	}

	/* 0 in an FXSAVE image means the original mask, without DAZ. */
	mxcsr_mask = 0xffbf;
	kernel_fpu_begin();
	{
		static struct fxregs_state fx __aligned(16);

		asm volatile("fxsave64 %0" : "=m" (fx));
		if (fx.mxcsr_mask)
			mxcsr_mask = fx.mxcsr_mask;
	}
	kernel_fpu_end();
	return 0;
}

u32 sevm_fpu_size(void)
{
	return max_t(u32, image_size, sizeof(struct kvm_xsave));
}

int sevm_fpu_alloc(struct sevm_vcpu *vcpu)
{
	size_t size = offsetof(struct sevm_fpu, image) +
		      max_t(size_t, image_size, sizeof(struct xregs_state));

	/* kmalloc() aligns powers of two to themselves. */
	vcpu->fpu = kzalloc(roundup_pow_of_two(size), GFP_KERNEL_ACCOUNT);
	return vcpu->fpu ? 0 : -ENOMEM;
}

void sevm_fpu_free(struct sevm_vcpu *vcpu)
{
	kfree_sensitive(vcpu->fpu);
	vcpu->fpu = NULL;
}

static void initial_image(struct xregs_state *image)
{
	memset(image, 0, image_size);
	image->i387.cwd = 0x37f;	/* as KVM has it, not the 0x40 of RESET */
	image->i387.mxcsr = MXCSR_DEFAULT;
}

/* INIT leaves the registers alone, and XCR0. */
void sevm_fpu_reset(struct sevm_vcpu *vcpu, bool init)
{
	if (init || !vcpu->fpu)
		return;
	initial_image(&vcpu->fpu->image);
	vcpu->xcr0 = XFEATURE_MASK_FP;
	vcpu->xss = 0;
}

static void load_image(const struct xregs_state *image, u64 features)
{
	asm volatile("xrstor64 %0" : : "m" (*image), "a" ((u32)features),
		     "d" ((u32)(features >> 32)) : "memory");
}

static void save_image(struct xregs_state *image, u64 features)
{
	asm volatile("xsave64 %0" : "+m" (*image) : "a" ((u32)features),
		     "d" ((u32)(features >> 32)) : "memory");
}

void sevm_fpu_enter(struct sevm_vcpu *vcpu)
{
	if (image_features & XFEATURE_MASK_PKRU)
		vcpu->fpu->host_pkru = rdpkru();
	load_image(&vcpu->fpu->image, image_features);
	if (vcpu->xcr0 != sevm_host_caps.xcr0)
		xsetbv(XCR_XFEATURE_ENABLED_MASK, vcpu->xcr0);
	if (vcpu->xss != sevm_host_caps.xss)
		wrmsrl(MSR_IA32_XSS, vcpu->xss);
}

void sevm_fpu_leave(struct sevm_vcpu *vcpu)
{
	if (vcpu->xcr0 != sevm_host_caps.xcr0)
		xsetbv(XCR_XFEATURE_ENABLED_MASK, sevm_host_caps.xcr0);
	if (vcpu->xss != sevm_host_caps.xss)
		wrmsrl(MSR_IA32_XSS, sevm_host_caps.xss);
	save_image(&vcpu->fpu->image, image_features);
	if (image_features & XFEATURE_MASK_PKRU)
		wrpkru(vcpu->fpu->host_pkru);
}

int sevm_fpu_set_xcr0(struct sevm_vcpu *vcpu, u64 xcr0)
{
	const struct kvm_cpuid_entry2 *leaf = sevm_cpuid_find(vcpu, 0xd, 0);
	u64 offered = leaf ? leaf->eax | (u64)leaf->edx << 32 : 0;

	if (!(xcr0 & XFEATURE_MASK_FP))
		return -EINVAL;
	if ((xcr0 & XFEATURE_MASK_YMM) && !(xcr0 & XFEATURE_MASK_SSE))
		return -EINVAL;
	if (xcr0 & XFEATURE_MASK_AVX512) {
		if (!(xcr0 & XFEATURE_MASK_YMM))
			return -EINVAL;
		if ((xcr0 & XFEATURE_MASK_AVX512) != XFEATURE_MASK_AVX512)
			return -EINVAL;
	}
	/* FP is always there; the rest is what userspace offered in leaf 0xd. */
	if (xcr0 & ~((offered & image_features) | XFEATURE_MASK_FP))
		return -EINVAL;
	vcpu->xcr0 = xcr0;
	return 0;
}

void sevm_fpu_get(struct sevm_vcpu *vcpu, struct kvm_fpu *fpu)
{
	const struct fxregs_state *fx = &vcpu->fpu->image.i387;

	memset(fpu, 0, sizeof(*fpu));
	memcpy(fpu->fpr, fx->st_space, sizeof(fpu->fpr));
	fpu->fcw = fx->cwd;
	fpu->fsw = fx->swd;
	fpu->ftwx = fx->twd;
	fpu->last_opcode = fx->fop;
	fpu->last_ip = fx->rip;
	fpu->last_dp = fx->rdp;
	memcpy(fpu->xmm, fx->xmm_space, sizeof(fx->xmm_space));
	fpu->mxcsr = fx->mxcsr;
}

void sevm_fpu_set(struct sevm_vcpu *vcpu, const struct kvm_fpu *fpu)
{
	struct xregs_state *image = &vcpu->fpu->image;
	struct fxregs_state *fx = &image->i387;

	memcpy(fx->st_space, fpu->fpr, sizeof(fpu->fpr));
	fx->cwd = fpu->fcw;
	fx->swd = fpu->fsw;
	fx->twd = fpu->ftwx;
	fx->fop = fpu->last_opcode;
	fx->rip = fpu->last_ip;
	fx->rdp = fpu->last_dp;
	memcpy(fx->xmm_space, fpu->xmm, sizeof(fx->xmm_space));
	/* Not MXCSR: KVM_SET_FPU leaves it alone in KVM, whose KVM_GET_FPU says 0. */
	image->header.xfeatures |= XFEATURE_MASK_FPSSE;
}

void sevm_fpu_get_xsave(struct sevm_vcpu *vcpu, void *out, u32 size)
{
	struct xregs_state *image = &vcpu->fpu->image;

	memset(out, 0, size);
	memcpy(out, image, min(size, image_size));
}

/* From the third on: where it is depends on the processor. */
static void copy_component(void *image, const void *in, u32 size, unsigned int number)
{
	u32 length, offset, ecx, edx;

	cpuid_count(0xd, number, &length, &offset, &ecx, &edx);
	if (offset < size && length <= size - offset)
		memcpy(image + offset, in + offset, length);
}

/*
 * The image goes to XRSTOR, which faults on reserved bits: they are rejected
 * here, once; what else writes it writes none. What the header leaves out
 * is in its initial state, whatever its bytes are: QEMU's are zero for an AP
 * that was never reset, and a launch measures the image as it is.
 */
int sevm_fpu_set_xsave(struct sevm_vcpu *vcpu, const void *in, u32 size)
{
	const struct xregs_state *new = in;
	struct xregs_state *image = &vcpu->fpu->image;
	unsigned long features;
	unsigned int i;

	if (size < FXSAVE_SIZE + XSAVE_HDR_SIZE)
		return -EINVAL;
	features = new->header.xfeatures;
	if (features & ~image_features)
		return -EINVAL;
	if (new->header.xcomp_bv)
		return -EINVAL;
	for (i = 0; i < ARRAY_SIZE(new->header.reserved); i++)
		if (new->header.reserved[i])
			return -EINVAL;
	/* XRSTOR reads MXCSR even where the header says SSE is in its initial state. */
	if ((features & (XFEATURE_MASK_SSE | XFEATURE_MASK_YMM)) &&
	    (new->i387.mxcsr & ~mxcsr_mask))
		return -EINVAL;

	initial_image(image);
	image->header.xfeatures = features;
	if (features & XFEATURE_MASK_FP) {
		memcpy(&image->i387, &new->i387, offsetof(struct fxregs_state, mxcsr));
		memcpy(image->i387.st_space, new->i387.st_space, sizeof(new->i387.st_space));
	}
	if (features & (XFEATURE_MASK_SSE | XFEATURE_MASK_YMM))
		image->i387.mxcsr = new->i387.mxcsr;
	if (features & XFEATURE_MASK_SSE)
		memcpy(image->i387.xmm_space, new->i387.xmm_space, sizeof(new->i387.xmm_space));
	features &= ~(u64)XFEATURE_MASK_FPSSE;
	for_each_set_bit(i, &features, BITS_PER_LONG)
		copy_component(image, in, min(size, image_size), i);
	return 0;
}

const void *sevm_fpu_image(struct sevm_vcpu *vcpu)
{
	return vcpu->fpu ? &vcpu->fpu->image : NULL;
}

u32 sevm_fpu_pkru(struct sevm_vcpu *vcpu)
{
	const struct xregs_state *image = sevm_fpu_image(vcpu);
	u32 length, offset, ecx, edx;

	if (!image || !(image->header.xfeatures & XFEATURE_MASK_PKRU))
		return 0;
	cpuid_count(0xd, XFEATURE_PKRU, &length, &offset, &ecx, &edx);
	return *(const u32 *)((const void *)image + offset);
}

u64 sevm_fpu_features(void)
{
	return image_features;
}
