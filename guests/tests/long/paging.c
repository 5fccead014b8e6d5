/* Four-level and five-level paging and every protection above it. Intel SDM 3A "Paging". */
#include "test.h"

enum { P = 1, W = 2, U = 4, A = 0x20, D = 0x40, PS = 0x80, G = 0x100 };
#define NX (1ull << 63)
#define KEY(n) ((uint64_t)(n) << 59)
#define WINDOW 0x10000000000ul /* 1 TiB: its own tables below the third pointer of the top level */

extern uint64_t pml4[512], pdpt[512];
static uint64_t top[512] __attribute__((aligned(4096))); /* of five levels */
static uint64_t window_pdpt[512] __attribute__((aligned(4096)));
static uint64_t window_pd[512] __attribute__((aligned(4096)));
static uint64_t table[512] __attribute__((aligned(4096)));
static uint8_t pages[4][4096] __attribute__((aligned(4096)));

static uint8_t *at(int page) { return (uint8_t *)(WINDOW + page * 4096ul); }
static void flush(void) { set_cr3(get_cr3()); }

static uint64_t reading(const volatile void *address)
{
    uint8_t value;
    last.error = 0;
    TRY("movb (%1), %0", : "=q"(value) : "r"(address) : "memory");
    return LAST;
}
static uint64_t writing(const volatile void *address)
{
    last.error = 0;
    TRY("movb %b1, (%0)", : : "r"(address), "q"(1) : "memory");
    return LAST;
}
static uint64_t fetching(const volatile void *address)
{
    last.error = 0;
    TRY_THEN("mov %%rsp, %%rbx\n call *%0", "mov %%rbx, %%rsp", : : "r"(address) : "rbx", "memory");
    return LAST;
}

asm("user_read: mov (%rdi), %bl\n int $0x80\n"
    "user_write: mov %bl, (%rdi)\n int $0x80\n"
    "user_jump: jmp *%rdi\n");
extern char user_read[], user_write[], user_jump[];

static uint64_t user(const void *code, const volatile void *address)
{
    last.error = 0;
    run_user(code, (word)address);
    return LAST;
}

static void map_window(void)
{
    pml4[WINDOW >> 39 & 511] = (word)window_pdpt | U | W | P;
    window_pdpt[WINDOW >> 30 & 511] = (word)window_pd | U | W | P;
    window_pd[0] = (word)table | U | W | P;
    for (int i = 0; i < 4; i++)
        table[i] = (word)pages[i] | U | W | P;
    flush();
}

static void basics(void)
{
    pages[1][3] = 0x42;
    check_eq("translation", at(1)[3], 0x42);
    check_eq("accessed bits on the way", (pml4[2] & window_pdpt[0] & window_pd[0] & table[1]) & (A | D), A);
    at(1)[3] = 1;
    check_eq("dirty bit at the end only", (table[1] & D) | (window_pd[0] & D) << 8, D);
    check_eq("not present: read", reading(at(5)), OUTCOME(PF, 0));
    check_eq("CR2", last_cr2, (word)at(5));
    check_eq("not present: write", writing(at(5)), OUTCOME(PF, 2));
    check_eq("not present: user read", user(user_read, at(5)), OUTCOME(PF, 4));
    check_eq("not present: user write", user(user_write, at(5)), OUTCOME(PF, 6));
    check_eq("not present: user fetch", user(user_jump, at(5)), OUTCOME(PF, 0x14));
    check_eq("absent upper level", reading((char *)WINDOW + (1ul << 32)), OUTCOME(PF, 0));
    uint64_t *levels[] = { &pml4[2], &window_pdpt[0], &window_pd[0], &table[0] };
    for (int i = 0; i < 4; i++) {
        *levels[i] &= ~(uint64_t)U;
        flush();
        check_eq("supervisor at one level: user read", user(user_read, at(0)), OUTCOME(PF, 5));
        *levels[i] = (*levels[i] | U) & ~(uint64_t)W;
        flush();
        check_eq("read-only at one level: user write", user(user_write, at(0)), OUTCOME(PF, 7));
        check_eq("read-only at one level: supervisor write", writing(at(0)), OUTCOME(PF, 3));
        *levels[i] |= W | NX;
        flush();
        check_eq("NX at one level: user fetch", user(user_jump, at(0)), OUTCOME(PF, 0x15));
        check_eq("NX at one level: read", reading(at(0)), OUTCOME(NONE, 0));
        *levels[i] &= ~NX;
        *levels[i] |= 1ull << 51;
        flush();
        check_eq("reserved address bit at one level", reading(at(0)), OUTCOME(PF, 9));
        *levels[i] &= ~(1ull << 51);
        flush();
    }
    pml4[2] |= PS;
    flush();
    check_eq("size bit at the top is reserved", writing(at(0)), OUTCOME(PF, 0xB));
    pml4[2] &= ~(uint64_t)PS;
    set_cr0(get_cr0() & ~CR0_WP);
    table[0] = (word)pages[0] | U | P;
    flush();
    check_eq("WP off: supervisor writes read-only pages", writing(at(0)), OUTCOME(NONE, 0));
    set_cr0(get_cr0() | CR0_WP);
    check_eq("WP on again", writing(at(0)), OUTCOME(PF, 3));
    table[0] |= W;
}

static void large_pages(void)
{
    pages[0][0] = 0x99;
    window_pd[1] = ((word)pages & ~0x1FFFFFul) | PS | W | P;
    uint8_t *big = (uint8_t *)WINDOW + 0x200000 + ((word)pages & 0x1FFFFF);
    check_eq("2 MiB page", big[0], 0x99);
    big[0] = 0x98;
    check_eq("its bits", window_pd[1] & (A | D), A | D);
    window_pd[1] |= 1 << 13;
    flush();
    check_eq("reserved bit 13 of a 2 MiB page", reading(big), OUTCOME(PF, 9));
    window_pd[1] = ((word)pages & ~0x1FFFFFul) | 1 << 12 | PS | W | P;
    flush();
    check_eq("bit 12 of a 2 MiB page is PAT", reading(big), OUTCOME(NONE, 0));
    if (cpuid(0x80000001, 0).d & 1 << 26) {
        window_pdpt[1] = PS | W | P;
        check_eq("1 GiB page", *((uint8_t *)WINDOW + (1ul << 30) + (word)pages), 0x98);
        window_pdpt[1] |= 1 << 20;
        flush();
        check_eq("reserved bit of a 1 GiB page", reading((char *)WINDOW + (1ul << 30)), OUTCOME(PF, 9));
    } else {
        skip("1 GiB page");
        skip("reserved bit of a 1 GiB page");
    }
    window_pdpt[1] = 0;
    flush();
}

static bool has7(int reg_c, int bit)
{
    struct cpuid leaf = cpuid(7, 0);
    return cpuid(0, 0).a >= 7 && (reg_c ? leaf.c : leaf.b) >> bit & 1;
}

static void supervisor_mode_execution(void)
{
    if (!has7(0, 7)) {
        for (int i = 0; i < 3; i++)
            skip("SMEP");
        return;
    }
    pages[2][0] = 0xC3;
    check_eq("without SMEP", fetching(at(2)), OUTCOME(NONE, 0));
    set_cr4(get_cr4() | CR4_SMEP);
    check_eq("SMEP: user page fetched in ring 0", fetching(at(2)), OUTCOME(PF, 0x11));
    table[2] &= ~(uint64_t)U;
    flush();
    check_eq("SMEP: supervisor page", fetching(at(2)), OUTCOME(NONE, 0));
    table[2] |= U;
    set_cr4(get_cr4() & ~(word)CR4_SMEP);
    flush();
}

static void supervisor_mode_access(void)
{
    if (!has7(0, 20)) {
        for (int i = 0; i < 8; i++)
            skip("SMAP");
        return;
    }
    set_cr4(get_cr4() | CR4_SMAP);
    check_eq("SMAP: read of a user page", reading(at(1)), OUTCOME(PF, 1));
    check_eq("SMAP: write of a user page", writing(at(1)), OUTCOME(PF, 3));
    asm volatile("stac");
    check_eq("STAC opens", reading(at(1)), OUTCOME(NONE, 0));
    asm volatile("clac");
    check_eq("CLAC closes", reading(at(1)), OUTCOME(PF, 1));
    check_eq("ring 3 is not concerned", user(user_read, at(1)), OUTCOME(0x80, 0));
    /* Implicit accesses ignore AC: a descriptor in a user page cannot be loaded. */
    *(uint64_t *)pages[3] = descriptor(0, 0xFFFFF, 0x93, 0xC);
    gdt[0x48 / 8] = descriptor((uint32_t)(word)at(3), 7, 0x82, 0);
    gdt[0x50 / 8] = (word)at(3) >> 32;
    asm volatile("lldt %0\n stac" : : "r"((uint16_t)0x48));
    CHECK_ERROR("SMAP: descriptor in a user page", PF, 1, "mov %0, %%fs", : : "r"(4));
    asm volatile("lldt %0" : : "r"((uint16_t)0));
    asm volatile("clac");
    set_cr4(get_cr4() & ~(word)CR4_SMAP);
    flush();
    check_eq("SMAP off", reading(at(1)), OUTCOME(NONE, 0));
    CHECK_TRAP("STAC in ring 0 without SMAP", NONE, "stac\n clac", ::);
}

static void protection_keys(void)
{
    if (!has7(1, 3)) {
        for (int i = 0; i < 11; i++)
            skip("protection keys");
        return;
    }
    CHECK_TRAP("RDPKRU without PKE", UD, "rdpkru", : : "c"(0) : "rax", "rdx");
    set_cr4(get_cr4() | CR4_PKE);
    check_eq("CPUID shows OSPKE", cpuid(7, 0).c >> 4 & 1, 1);
    CHECK_ERROR("WRPKRU with RCX", GP, 0, "wrpkru", : : "a"(0), "c"(1), "d"(0));
    table[1] = (word)pages[1] | KEY(5) | U | W | P;
    table[2] = (word)pages[2] | KEY(5) | W | P;
    flush();
    asm volatile("wrpkru" : : "a"(1 << 10), "c"(0), "d"(0)); /* key 5: access disabled */
    check_eq("access disabled: read", reading(at(1)), OUTCOME(PF, 0x21));
    check_eq("access disabled: write", writing(at(1)), OUTCOME(PF, 0x23));
    check_eq("access disabled: user read", user(user_read, at(1)), OUTCOME(PF, 0x25));
    check_eq("supervisor pages have no keys", reading(at(2)), OUTCOME(NONE, 0));
    asm volatile("wrpkru" : : "a"(2 << 10), "c"(0), "d"(0)); /* key 5: write disabled */
    check_eq("write disabled: user write", user(user_write, at(1)), OUTCOME(PF, 0x27));
    check_eq("write disabled: read", reading(at(1)), OUTCOME(NONE, 0));
    set_cr0(get_cr0() & ~CR0_WP);
    check_eq("write disabled: supervisor without WP", writing(at(1)), OUTCOME(NONE, 0));
    set_cr0(get_cr0() | CR0_WP);
    uint32_t value;
    asm volatile("rdpkru" : "=a"(value) : "c"(0) : "rdx");
    check_eq("RDPKRU", value, 2 << 10);
    asm volatile("wrpkru" : : "a"(0), "c"(0), "d"(0));
    set_cr4(get_cr4() & ~(word)CR4_PKE);
    table[1] = (word)pages[1] | U | W | P;
    table[2] = (word)pages[2] | U | W | P;
    flush();
}

static void process_context_identifiers(void)
{
    if (!(cpuid(1, 0).c >> 17 & 1)) {
        for (int i = 0; i < 9; i++)
            skip("process-context identifiers");
        return;
    }
    word cr3 = get_cr3();
    set_cr4(get_cr4() | CR4_PCIDE);
    pages[0][0] = 10, pages[1][0] = 11;
    table[0] = (word)pages[0] | W | P;
    set_cr3(cr3 | 1);
    check_eq("identifier 1", at(0)[0], 10);
    set_cr3(cr3 | 2);
    table[0] = (word)pages[1] | W | P;
    check_eq("identifier 2 does not see the entry of 1", at(0)[0], 11);
    set_cr3(cr3 | 1); /* bit 63 clear: forget identifier 1 */
    check_eq("a plain CR3 write forgets its identifier", at(0)[0], 11);
    check_eq("CR3 reads back with the identifier", get_cr3(), cr3 | 1);
    set_cr3(cr3 | 1 | 1ul << 63);
    check_eq("CR3 bit 63 is not kept", get_cr3(), cr3 | 1);
    check_eq("PCIDE cannot be set off identifier 0",
             (set_cr4(get_cr4() & ~(word)CR4_PCIDE), try_cr4(get_cr4() | CR4_PCIDE)), GP);
    set_cr3(cr3);
    if (has7(0, 10)) {
        set_cr4(get_cr4() | CR4_PCIDE);
        struct {
            uint64_t identifier, address;
        } descriptor = { 0, (word)at(0) };
        (void)*(volatile uint8_t *)at(0);
        table[0] = (word)pages[0] | W | P;
        asm volatile("invpcid %0, %1" : : "m"(descriptor), "r"(0ul) : "memory");
        check_eq("INVPCID of an address", at(0)[0], 10);
        CHECK_ERROR("INVPCID of type 4", GP, 0, "invpcid %0, %1", : : "m"(descriptor), "r"(4ul));
        descriptor.identifier = 0x1000;
        CHECK_ERROR("INVPCID with reserved bits", GP, 0, "invpcid %0, %1", : : "m"(descriptor), "r"(1ul));
        set_cr4(get_cr4() & ~(word)CR4_PCIDE);
    } else {
        skip("INVPCID of an address");
        skip("INVPCID of type 4");
        skip("INVPCID with reserved bits");
    }
    table[0] = (word)pages[0] | U | W | P;
    flush();
}

static void translation_cache(void)
{
    set_cr4(get_cr4() | CR4_PGE);
    pages[0][0] = 10, pages[1][0] = 11;
    table[0] = (word)pages[0] | G | W | P;
    invlpg(at(0));
    (void)*(volatile uint8_t *)at(0);
    table[0] = (word)pages[1] | G | W | P;
    invlpg(at(0));
    check_eq("INVLPG", at(0)[0], 11);
    set_cr4(get_cr4() & ~(word)CR4_PGE);
    table[0] = (word)pages[0] | W | P;
    flush();
    check_eq("CR3 write", at(0)[0], 10);
    /* A change of an upper level, seen after INVLPG of one address below it. */
    window_pd[2] = (word)table | W | P;
    check_eq("through another directory entry", *((uint8_t *)WINDOW + 0x400000), 10);
    window_pd[2] = 0;
    invlpg((char *)WINDOW + 0x400000);
    check_eq("entry removed above", reading((char *)WINDOW + 0x400000), OUTCOME(PF, 0));
    /* Dirty is set again after software cleared it and flushed. */
    table[0] = (word)pages[0] | W | P;
    invlpg(at(0));
    at(0)[0] = 1;
    table[0] &= ~(uint64_t)(A | D);
    invlpg(at(0));
    (void)*(volatile uint8_t *)at(0);
    check_eq("cleared dirty bit stays clear on a read", table[0] & (A | D), A);
    at(0)[0] = 1;
    check_eq("and comes back on a write", table[0] & (A | D), A | D);
    /* A failing access leaves the dirty bit alone. */
    table[0] = (word)pages[0] | P;
    invlpg(at(0));
    check_eq("write to read-only", writing(at(0)), OUTCOME(PF, 3));
    check_eq("sets no dirty bit", table[0] & D, 0);
    table[0] = (word)pages[0] | U | W | P;
}

/* Five levels: paging is left and entered again in 32-bit code. */
asm(".code32\n"
    "switch_levels: mov %cr0, %eax\n and $0x7FFFFFFF, %eax\n mov %eax, %cr0\n"
    " mov %cr4, %eax\n xor $0x1000, %eax\n mov %eax, %cr4\n mov %edi, %eax\n mov %eax, %cr3\n"
    " mov %cr0, %eax\n or $0x80000000, %eax\n mov %eax, %cr0\n lret\n"
    ".code64\n");
extern char switch_levels[];

static void switch_to(uint64_t *root)
{
    struct __attribute__((packed)) {
        uint32_t offset;
        uint16_t selector;
    } target = { (uint32_t)(word)switch_levels, 0x40 };
    asm volatile("lcall *%0" : : "m"(target), "D"(root) : "rax", "memory");
}

static void five_levels(void)
{
    if (!has7(1, 16)) {
        for (int i = 0; i < 7; i++)
            skip("five levels");
        return;
    }
    check_eq("LA57 cannot change in 64-bit mode", try_cr4(get_cr4() ^ CR4_LA57), GP);
    top[0] = (word)pml4 | U | W | P;
    top[5] = (word)pml4 | U | W | P;
    switch_to(top);
    check_eq("LA57 is on", get_cr4() & CR4_LA57, CR4_LA57);
    pages[1][9] = 0x5A;
    uint8_t *far = (uint8_t *)(WINDOW + 0x1009 + (5ul << 48));
    check_eq("translation over five levels", *far, 0x5A);
    check_eq("accessed bit at the top", top[5] & A, A);
    check_eq("absent top entry", reading((char *)(6ul << 48)), OUTCOME(PF, 0));
    uint8_t value;
    CHECK_TRAP("57 bits are canonical, not more", GP, "movb (%1), %0", : "=q"(value) : "r"(1ul << 57) : "memory");
    switch_to(pml4);
    CHECK_TRAP("48 bits again", GP, "movb (%1), %0", : "=q"(value) : "r"(far) : "memory");
}

void test_main(void)
{
    map_window();
    basics();
    large_pages();
    supervisor_mode_execution();
    supervisor_mode_access();
    protection_keys();
    process_context_identifiers();
    translation_cache();
    five_levels();
}
