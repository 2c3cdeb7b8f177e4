/*
 * vepyc: private and shared views of memory.
 *
 * On an EPYC a page has one content, ciphertext in DRAM, and the key that an
 * access carries decides what the access sees. Enciphering on every access is
 * out of the question for an emulator, so a page is kept in plain for whoever
 * used it last: see the comment in hw/i386/vepyc.h. What an access without the
 * key sees is exact all the same, since a page that changes its owner is
 * enciphered or deciphered as a whole: moved, replayed or corrupted ciphertext
 * turns into noise at 16-byte granularity, as it does on hardware.
 *
 * The cipher is AES-128-XTS with the page's physical address as the tweak. AMD
 * does not publish its own; every property that software can rely on (16-byte
 * blocks, tweaked by physical address, no integrity) is the same.
 *
 * No locks: CPUs take turns (thread=single, checked), and the secure processor
 * works inside a CPU's MMIO write or, at reset, while the CPUs are stopped.
 *
 * Devices do not look through a CPU's TLB, so their DMA reaches the stored
 * bytes whoever owns the page. A DMA write to an owned page wins over what its
 * owner wrote before, for the whole page (hardware: for its cache lines); it
 * is noticed by the dirty bit that QEMU keeps for displays, which main memory
 * has no other use for. A DMA read of an owned page sees ciphertext that may
 * be stale, never plaintext.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qemu/guest-random.h"
#include "qemu/queue.h"
#include "qapi/error.h"
#include "cpu.h"
#include "exec/address-spaces.h"
#include "exec/cputlb.h"
#include "exec/memory.h"
#include "exec/ram_addr.h"
#include "exec/target_page.h"
#include "hw/boards.h"
#include "hw/i386/x86.h"
#include "hw/i386/vepyc.h"
#include "system/tcg.h"

#include <openssl/evp.h>

#define VPAGE_BITS      12
#define VPAGE_SIZE      (1 << VPAGE_BITS)
#define VPAGE_MASK      (~(hwaddr)(VPAGE_SIZE - 1))

/* The legacy video and ROM area: behind it is not always RAM. */
#define HOLE_START      0xa0000
#define HOLE_END        0x100000

typedef struct VepycPage VepycPage;
typedef struct VepycSeal VepycSeal;

struct VepycPage {
    VepycKey *owner;                    /* or NULL */
    QLIST_ENTRY(VepycPage) next;        /* among the owner's pages */
};

/* What a VMSA page held when the CPU, or the firmware, last wrote it. */
struct VepycSeal {
    VepycKey *key;
    uint8_t page[VPAGE_SIZE];
};

struct VepycKey {
    QLIST_HEAD(, VepycPage) pages;
    EVP_CIPHER_CTX *enc, *dec;
};

static struct {
    VepycPage *page;                    /* one per page of RAM */
    uint64_t low_size;                  /* RAM below 4 GiB */
    uint64_t high_start, high_size;     /* RAM above */
    MemoryRegion *ram;
    MemoryRegion priv, priv_low, priv_high;
    const uint8_t *ram_ptr, *priv_ptr;
    ram_addr_t ram_addr;
    GHashTable *seals;                  /* physical address -> VepycSeal */
    VepycKey *asid_key[VEPYC_MAX_ASID + 1];
} vm;

void vepyc_mem_init(Object *owner, Error **errp)
{
    MachineState *ms = current_machine;
    X86MachineState *x86ms;

    if (vm.page) {
        error_setg(errp, "vepyc: only one secure processor is possible");
        return;
    }
    if (!tcg_enabled()) {
        error_setg(errp, "vepyc needs TCG: use -accel tcg,thread=single");
        return;
    }
    if (qemu_tcg_mttcg_enabled()) {
        error_setg(errp, "vepyc needs CPUs that take turns: "
                   "use -accel tcg,thread=single");
        return;
    }
    x86ms = (X86MachineState *)object_dynamic_cast(OBJECT(ms),
                                                   TYPE_X86_MACHINE);
    if (!x86ms || !ms->ram || !memory_region_is_ram(ms->ram)) {
        error_setg(errp, "vepyc needs a PC with one block of RAM");
        return;
    }

    vm.low_size = x86ms->below_4g_mem_size;
    vm.high_start = x86ms->above_4g_mem_start;
    vm.high_size = x86ms->above_4g_mem_size;
    if (!memory_region_init_ram_nomigrate(&vm.priv, owner, "vepyc.private",
                                          ms->ram_size, errp)) {
        return;
    }
    memory_region_init_alias(&vm.priv_low, owner, "vepyc.private-below-4g",
                             &vm.priv, 0, vm.low_size);
    memory_region_add_subregion(get_system_memory(), VEPYC_PRIVATE,
                                &vm.priv_low);
    if (vm.high_size) {
        memory_region_init_alias(&vm.priv_high, owner,
                                 "vepyc.private-above-4g",
                                 &vm.priv, vm.low_size, vm.high_size);
        memory_region_add_subregion(get_system_memory(),
                                    VEPYC_PRIVATE | vm.high_start,
                                    &vm.priv_high);
    }

    vm.ram = ms->ram;
    vm.ram_ptr = memory_region_get_ram_ptr(ms->ram);
    vm.ram_addr = memory_region_get_ram_addr(ms->ram);
    vm.priv_ptr = memory_region_get_ram_ptr(&vm.priv);
    vm.seals = g_hash_table_new_full(g_int64_hash, g_int64_equal,
                                     g_free, g_free);
    /* From here on a DMA write leaves a mark: see the top. */
    memory_region_set_log(vm.ram, true, DIRTY_MEMORY_VGA);
    vm.page = g_new0(VepycPage, ms->ram_size >> VPAGE_BITS);
}

/* The offset in RAM of a physical address, or -1. */
static inline int64_t ram_offset(hwaddr pa)
{
    if (pa < vm.low_size) {
        return pa >= HOLE_START && pa < HOLE_END ? -1 : pa;
    }
    if (pa >= vm.high_start && pa - vm.high_start < vm.high_size) {
        return pa - vm.high_start + vm.low_size;
    }
    return -1;
}

static hwaddr page_pa(int64_t off)
{
    return off < vm.low_size ? off : off - vm.low_size + vm.high_start;
}

static inline VepycPage *page_at(int64_t off)
{
    return &vm.page[off >> VPAGE_BITS];
}

bool vepyc_mem_is_ram(hwaddr pa, size_t len)
{
    hwaddr end = pa + len, p;

    if (!vm.page || end < pa) {
        return false;
    }
    for (p = pa & VPAGE_MASK; p < end; p += VPAGE_SIZE) {
        if (ram_offset(p) < 0) {
            return false;
        }
    }
    return true;
}

static bool dma_wrote(int64_t off)
{
    return cpu_physical_memory_get_dirty_flag(vm.ram_addr + off,
                                              DIRTY_MEMORY_VGA);
}

/*
 * cpu_physical_memory_test_and_clear_dirty() would comb all TLBs for entries
 * of this page; they are about to be emptied as a whole.
 */
static void dma_forget(int64_t off)
{
    unsigned long page = (vm.ram_addr + off) >> TARGET_PAGE_BITS;

    WITH_RCU_READ_LOCK_GUARD() {
        DirtyMemoryBlocks *blocks =
            qatomic_rcu_read(&ram_list.dirty_memory[DIRTY_MEMORY_VGA]);

        bitmap_test_and_clear_atomic(
            blocks->blocks[page / DIRTY_MEMORY_BLOCK_SIZE],
            page % DIRTY_MEMORY_BLOCK_SIZE, 1);
    }
}

/*
 * Every CPU at once, not asynchronously: none of them but the asking one is
 * inside an instruction, and the asking one copes (a fill re-reads its entry).
 */
static void forget_translations(void)
{
    CPUState *cs;

    CPU_FOREACH(cs) {
        tlb_flush(cs);
    }
}

static void crypt_page(EVP_CIPHER_CTX *ctx, hwaddr pa,
                       uint8_t *out, const uint8_t *in)
{
    uint8_t iv[16] = { 0 };
    int n = 0;

    stq_le_p(iv, pa);
    if (!EVP_CipherInit_ex(ctx, NULL, NULL, NULL, iv, -1) ||
        !EVP_CipherUpdate(ctx, out, &n, in, VPAGE_SIZE) || n != VPAGE_SIZE) {
        error_report("vepyc: libcrypto refuses AES-128-XTS");
        abort();
    }
}

/*
 * Through the address space, so that translated code of the page goes; but not
 * for nothing: a page that was only looked at comes back unchanged, and its
 * code should stay. (It must, when the fill that got us here is a fetch on
 * behalf of the translator: that holds the lock of the page before this one,
 * and an instruction across the two would be locked again.)
 */
static void store_page(hwaddr pa, const uint8_t *buf, const uint8_t *old)
{
    if (memcmp(buf, old, VPAGE_SIZE)) {
        address_space_write(&address_space_memory, pa, MEMTXATTRS_UNSPECIFIED,
                            buf, VPAGE_SIZE);
    }
}

/* The caller flushes. */
static void page_give_back(int64_t off)
{
    VepycPage *page = page_at(off);
    uint8_t buf[VPAGE_SIZE];

    if (!dma_wrote(off)) {
        crypt_page(page->owner->enc, page_pa(off), buf, vm.priv_ptr + off);
        store_page(page_pa(off), buf, vm.ram_ptr + off);
    }
    QLIST_REMOVE(page, next);
    page->owner = NULL;
}

static void page_take(int64_t off, VepycKey *key)
{
    VepycPage *page = page_at(off);
    uint8_t buf[VPAGE_SIZE];

    dma_forget(off);
    crypt_page(key->dec, page_pa(off), buf, vm.ram_ptr + off);
    store_page(page_pa(off) | VEPYC_PRIVATE, buf, vm.priv_ptr + off);
    QLIST_INSERT_HEAD(&key->pages, page, next);
    page->owner = key;
}

hwaddr vepyc_mem_map(CPUState *cs, hwaddr pa, VepycKey *key)
{
    VepycPage *page;
    int64_t off;

    pa &= ~VEPYC_PRIVATE;
    if (!vm.page) {
        return pa;
    }
    off = ram_offset(pa);
    if (off < 0) {
        return pa;
    }
    page = page_at(off);
    off &= VPAGE_MASK;
    if (page->owner != key || (key && dma_wrote(off))) {
        if (page->owner) {
            page_give_back(off);
        }
        if (key) {
            page_take(off, key);
        }
        forget_translations();
    }
    return key ? pa | VEPYC_PRIVATE : pa;
}

void vepyc_mem_read(hwaddr pa, void *buf, size_t len, VepycKey *key)
{
    while (len) {
        size_t n = MIN(len, VPAGE_SIZE - (pa & ~VPAGE_MASK));
        int64_t off = vm.page ? ram_offset(pa) : -1;

        if (off < 0) {
            memset(buf, 0xff, n);
        } else {
            vepyc_mem_map(NULL, pa, key);
            memcpy(buf, (key ? vm.priv_ptr : vm.ram_ptr) + off, n);
        }
        pa += n;
        buf += n;
        len -= n;
    }
}

void vepyc_mem_write(hwaddr pa, const void *buf, size_t len, VepycKey *key)
{
    while (len) {
        size_t n = MIN(len, VPAGE_SIZE - (pa & ~VPAGE_MASK));

        if (vm.page && ram_offset(pa) >= 0) {
            address_space_write(&address_space_memory,
                                vepyc_mem_map(NULL, pa, key),
                                MEMTXATTRS_UNSPECIFIED, buf, n);
        }
        pa += n;
        buf += n;
        len -= n;
    }
}

static EVP_CIPHER_CTX *key_ctx(const uint8_t *raw, int enc)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();

    if (!ctx || !EVP_CipherInit_ex(ctx, EVP_aes_128_xts(), NULL, raw, NULL,
                                   enc)) {
        error_report("vepyc: libcrypto has no AES-128-XTS");
        abort();
    }
    return ctx;
}

VepycKey *vepyc_key_new(void)
{
    VepycKey *key = g_new0(VepycKey, 1);
    uint8_t raw[32];

    /* QEMU's own source, so that a run with -seed repeats. */
    qemu_guest_getrandom_nofail(raw, sizeof(raw));
    key->enc = key_ctx(raw, 1);
    key->dec = key_ctx(raw, 0);
    QLIST_INIT(&key->pages);
    return key;
}

void vepyc_key_evict(VepycKey *key)
{
    VepycPage *page, *next;

    if (!key) {
        return;
    }
    QLIST_FOREACH_SAFE(page, &key->pages, next, next) {
        page_give_back((int64_t)(page - vm.page) << VPAGE_BITS);
    }
    forget_translations();
}

static gboolean seal_of_key(gpointer pa, gpointer seal, gpointer key)
{
    return ((VepycSeal *)seal)->key == key;
}

void vepyc_key_free(VepycKey *key)
{
    int asid;

    if (!key) {
        return;
    }
    vepyc_key_evict(key);
    for (asid = 0; asid <= VEPYC_MAX_ASID; asid++) {
        if (vm.asid_key[asid] == key) {
            vm.asid_key[asid] = NULL;
        }
    }
    g_hash_table_foreach_remove(vm.seals, seal_of_key, key);
    EVP_CIPHER_CTX_free(key->enc);
    EVP_CIPHER_CTX_free(key->dec);
    g_free(key);
}

VepycKey *vepyc_key_of_asid(uint32_t asid)
{
    return asid && asid <= VEPYC_MAX_ASID ? vm.asid_key[asid] : NULL;
}

void vepyc_key_bind(uint32_t asid, VepycKey *key)
{
    if (asid && asid <= VEPYC_MAX_ASID) {
        vm.asid_key[asid] = key;
        forget_translations();
    }
}

/*
 * The whole page is kept and compared. Hardware keeps a checksum in the
 * trusted memory region; a copy cannot collide and costs less to make.
 */
void vepyc_vmsa_seal(hwaddr pa, VepycKey *key)
{
    VepycSeal *seal;
    int64_t id = pa & VPAGE_MASK & ~VEPYC_PRIVATE;

    if (!key || !vepyc_mem_is_ram(id, VPAGE_SIZE)) {
        return;
    }
    seal = g_hash_table_lookup(vm.seals, &id);
    if (!seal) {
        seal = g_new(VepycSeal, 1);
        g_hash_table_insert(vm.seals, g_memdup2(&id, sizeof(id)), seal);
    }
    seal->key = key;
    vepyc_mem_read(id, seal->page, VPAGE_SIZE, key);
}

bool vepyc_vmsa_check(hwaddr pa, VepycKey *key)
{
    int64_t id = pa & VPAGE_MASK & ~VEPYC_PRIVATE;
    VepycSeal *seal = vm.seals ? g_hash_table_lookup(vm.seals, &id) : NULL;

    if (!seal || !key || seal->key != key) {
        return false;
    }
    vepyc_mem_map(NULL, id, key);
    return !memcmp(seal->page, vm.priv_ptr + ram_offset(id), VPAGE_SIZE);
}
