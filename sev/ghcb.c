// SPDX-License-Identifier: GPL-2.0-only
/*
 * ghcb.c - the GHCB page: snapshot in, scratch area in and out, reply out.
 *
 * The page and what the guest points to as its scratch area are shared with
 * the guest's other vCPUs, which may write while we look. So all that a request
 * says is copied once, by sevm_ghcb_snapshot() and sevm_ghcb_scratch_open(), and
 * handlers see the copies only. A reply is collected in private memory and
 * written in one place, sevm_ghcb_reply_write(), just before the guest runs again.
 */
#include <linux/mm.h>
#include <linux/slab.h>
#include <asm/svm.h>

#include "sev.h"
#include "svm/cpu/vmcb.h"

static void check_layout(void)
{
#define CHECK(field, member)						\
	BUILD_BUG_ON(offsetof(struct ghcb, save.member) != (field))
	CHECK(0x0cb, cpl);
	CHECK(0x140, xss);
	CHECK(0x1f8, rax);
	CHECK(0x308, rcx);
	CHECK(0x310, rdx);
	CHECK(0x318, rbx);
	CHECK(0x330, rsi);
	CHECK(0x338, rdi);
	CHECK(0x390, sw_exit_code);
	CHECK(0x398, sw_exit_info_1);
	CHECK(0x3a0, sw_exit_info_2);
	CHECK(0x3a8, sw_scratch);
	CHECK(0x3e8, xcr0);
	CHECK(0x3f0, valid_bitmap);
	BUILD_BUG_ON(offsetof(struct ghcb, shared_buffer) != SEVM_GHCB_BUFFER);
	BUILD_BUG_ON(GHCB_SHARED_BUF_SIZE != SEVM_GHCB_BUFFER_SIZE);
#undef CHECK
}

/*
 * The page at gpa, mapped. It stays so between VMGEXITs; a change of the slots
 * may have put other memory there. A page that has left its slot is still
 * referenced by the mapping, so a late write to it harms nobody.
 */
static bool map_page(struct sevm_vcpu *vcpu, u64 gpa)
{
	struct sevm_es_vcpu *es = sevm_es_vcpu(vcpu);
	/* Before the slots are looked at: after a change meanwhile it is old. */
	u64 generation = smp_load_acquire(&vcpu->vm->mem.generation);

	if (es->ghcb.page && es->ghcb.gpa == gpa &&
	    es->ghcb_generation == generation)
		return true;

	sevm_mem_unmap(&es->ghcb);
	es->ghcb_generation = generation;
	return gpa && !sevm_mem_map(vcpu->vm, gpa, &es->ghcb);
}

static void scratch_close(struct sevm_es_vcpu *es)
{
	if (es->scratch.outside)
		kvfree(es->scratch.data);
	es->scratch.outside = false;
	es->scratch.write_back = false;
	es->scratch.data = NULL;
	es->scratch.len = 0;
}

void sevm_ghcb_release(struct sevm_es_vcpu *es)
{
	scratch_close(es);
	sevm_mem_unmap(&es->ghcb);
	es->reply_staged = false;
}

/* A reply without a request: to a hold that the VMM restored. */
static void stage(struct sevm_es_vcpu *es)
{
	es->reply.value[SEVM_GHCB_EXITINFO1] = SEVM_GHCB_OK;
	es->reply.set = SEVM_GHCB_BIT(EXITINFO1);
	es->reply_staged = true;
}

void sevm_ghcb_reply_set(struct sevm_vcpu *vcpu, enum sevm_ghcb_field field,
			 u64 value)
{
	struct sevm_es_vcpu *es = sevm_es_vcpu(vcpu);

	if (!es->reply_staged)
		stage(es);
	es->reply.value[field] = value;
	es->reply.set |= 1u << field;
}

static void reply_status(struct sevm_vcpu *vcpu, u64 info1, u64 info2)
{
	sevm_ghcb_reply_set(vcpu, SEVM_GHCB_EXITINFO1, info1);
	sevm_ghcb_reply_set(vcpu, SEVM_GHCB_EXITINFO2, info2);
}

void sevm_ghcb_reply_error(struct sevm_vcpu *vcpu, u32 reason)
{
	sevm_count(vcpu, vmgexit_errors);
	reply_status(vcpu, SEVM_GHCB_MALFORMED, reason);
}

void sevm_ghcb_reply_fault(struct sevm_vcpu *vcpu, u8 vector)
{
	reply_status(vcpu, SEVM_GHCB_EVENT, sevm_ghcb_event(vector));
}

/*
 * A new request: snapshot it, and stage the reply that it gets when nothing
 * else is said: no error, and the four registers that a reply may carry as they
 * came, for guests that look at their valid bits whatever the event was.
 */
#define ECHO (SEVM_GHCB_BIT(RAX) | SEVM_GHCB_BIT(RBX) | SEVM_GHCB_BIT(RCX) | SEVM_GHCB_BIT(RDX))

bool sevm_ghcb_snapshot(struct sevm_vcpu *vcpu, u64 gpa)
{
	struct sevm_es_vcpu *es = sevm_es_vcpu(vcpu);

	check_layout();
	scratch_close(es);
	es->reply_staged = false;
	if (!map_page(vcpu, gpa))
		return false;

	sevm_ghcb_decode(es->ghcb.va, &es->request);

	es->reply.value[SEVM_GHCB_RAX] = es->request.value[SEVM_GHCB_RAX];
	es->reply.value[SEVM_GHCB_RBX] = es->request.value[SEVM_GHCB_RBX];
	es->reply.value[SEVM_GHCB_RCX] = es->request.value[SEVM_GHCB_RCX];
	es->reply.value[SEVM_GHCB_RDX] = es->request.value[SEVM_GHCB_RDX];
	es->reply.value[SEVM_GHCB_EXITINFO1] = SEVM_GHCB_OK;
	es->reply.value[SEVM_GHCB_EXITINFO2] = 0;
	es->reply.set = ECHO & es->request.valid;
	es->reply.set |= SEVM_GHCB_BIT(EXITINFO1) | SEVM_GHCB_BIT(EXITINFO2);
	es->reply_staged = true;

	if (es->request.valid & SEVM_GHCB_BIT(XCR0))
		es->xcr0 = es->request.value[SEVM_GHCB_XCR0];
	if (es->request.valid & SEVM_GHCB_BIT(XSS))
		es->xss = es->request.value[SEVM_GHCB_XSS];
	return true;
}

/*
 * len bytes of scratch, len > 0, copied in. Also when they are only written
 * later: memory that cannot be read cannot be written either, and the guest
 * should hear of it before the device does.
 */
u32 sevm_ghcb_scratch_open(struct sevm_vcpu *vcpu, u64 len)
{
	struct sevm_es_vcpu *es = sevm_es_vcpu(vcpu);
	u64 gpa = es->request.value[SEVM_GHCB_SCRATCH];
	u32 offset;

	switch (sevm_ghcb_scratch_at(sevm_es_vm(vcpu->vm)->ghcb_max,
				     es->ghcb.gpa, gpa, len, &offset)) {
	case SEVM_GHCB_INSIDE:
		es->scratch.data = es->scratch.buffer;
		es->scratch.offset = offset;
		memcpy(es->scratch.data, es->ghcb.va + offset, len);
		/* The copy is what counts from here on. */
		barrier();
		break;
	case SEVM_GHCB_OUTSIDE:
		es->scratch.data = kvmalloc(len, GFP_KERNEL_ACCOUNT);
		if (!es->scratch.data)
			return SEVM_GHCB_ERR_SCRATCH;
		es->scratch.outside = true;
		if (sevm_mem_read(vcpu->vm, gpa, es->scratch.data, len)) {
			scratch_close(es);
			return SEVM_GHCB_ERR_SCRATCH;
		}
		break;
	default:
		return SEVM_GHCB_ERR_SCRATCH;
	}

	es->scratch.gpa = gpa;
	es->scratch.len = len;
	return 0;
}

void sevm_ghcb_scratch_write_back(struct sevm_vcpu *vcpu)
{
	sevm_es_vcpu(vcpu)->scratch.write_back = true;
}

static void scratch_out(struct sevm_vcpu *vcpu)
{
	struct sevm_es_vcpu *es = sevm_es_vcpu(vcpu);

	if (!es->scratch.outside)
		memcpy(es->ghcb.va + es->scratch.offset, es->scratch.data,
		       es->scratch.len);
	else if (sevm_mem_write(vcpu->vm, es->scratch.gpa, es->scratch.data,
				es->scratch.len))
		sevm_ghcb_reply_error(vcpu, SEVM_GHCB_ERR_SCRATCH);
}

/* Guest memory may have to be pinned: interrupts on. */
void sevm_ghcb_reply_write(struct sevm_vcpu *vcpu)
{
	struct sevm_es_vcpu *es = sevm_es_vcpu(vcpu);

	/*
	 * The guest's MSR, and not what was mapped: of a hold that was restored
	 * there is no mapping yet. A page that has gone takes no answer.
	 */
	if (map_page(vcpu, sevm_vmcb_get_ghcb(vcpu))) {
		if (es->scratch.write_back)
			scratch_out(vcpu);
		sevm_ghcb_encode(es->ghcb.va, &es->reply);
	}
	scratch_close(es);
	es->reply_staged = false;
}
