/* Two-level and PAE paging. Intel SDM 3A "Paging". */
#include "test.h"

/* A window of test pages at 16 MiB virtual; everything else maps itself. */
#define WINDOW 0x1000000u
enum { P = 1, W = 2, U = 4, A = 0x20, D = 0x40, PS = 0x80, G = 0x100 };

static uint32_t directory[1024] __attribute__((aligned(4096)));
static uint32_t table[1024] __attribute__((aligned(4096)));
static uint64_t pointers[4] __attribute__((aligned(32)));
static uint64_t pae_directory[4][512] __attribute__((aligned(4096)));
static uint64_t pae_table[512] __attribute__((aligned(4096)));
static uint8_t pages[4][4096] __attribute__((aligned(4096)));

static uint8_t *at(int page) { return (uint8_t *)(WINDOW + page * 4096); }

static int read_at(word address)
{
    uint8_t value;
    last.error = 0;
    return TRY("movb (%1), %0", : "=q"(value) : "r"(address) : "memory");
}
static int write_at(word address)
{
    last.error = 0;
    return TRY("movb %b1, (%0)", : : "r"(address), "q"(1) : "memory");
}

asm("user_read: mov (%eax), %bl\n int $0x80\n"
    "user_write: mov %bl, (%eax)\n int $0x80\n"
    "user_code: int $0x80\n user_code_end:\n");
extern char user_read[], user_write[], user_code[], user_code_end[];

static void user(const char *code, word address)
{
    last.error = 0;
    run_user((word)code, (word)user_stack_top, address);
}

static void big_identity(uint32_t flags)
{
    for (uint32_t i = 0; i < 1024; i++)
        directory[i] = i << 22 | flags | PS | W | P;
}

static void two_levels(void)
{
    big_identity(U);
    directory[WINDOW >> 22] = (word)table | U | W | P;
    for (int i = 0; i < 4; i++)
        table[i] = (word)pages[i] | U | W | P;
    set_cr4(get_cr4() | CR4_PSE);
    set_cr3((word)directory);
    set_cr0(get_cr0() | CR0_PG);

    pages[1][5] = 0x42;
    check_eq("translation", at(1)[5], 0x42);
    check_eq("accessed bit of the table", directory[WINDOW >> 22] & (A | D), A);
    check_eq("accessed bit of the page", table[1] & (A | D), A);
    at(1)[6] = 1;
    check_eq("dirty bit of the page", table[1] & (A | D), A | D);
    check_eq("untouched page", table[2] & (A | D), 0);
    check_eq("bits of a 4 MiB page", directory[0] & (A | D), A | D);

    check_eq("not present: read", (read_at(WINDOW + 0x4123), LAST), OUTCOME(PF, 0));
    check_eq("CR2", last_cr2, WINDOW + 0x4123);
    check_eq("not present: write", (write_at(WINDOW + 0x4000), LAST), OUTCOME(PF, 2));
    user(user_read, WINDOW + 0x4000);
    check_eq("not present: user read", LAST, OUTCOME(PF, 4));
    user(user_write, WINDOW + 0x4000);
    check_eq("not present: user write", LAST, OUTCOME(PF, 6));

    table[2] = (word)pages[2] | W | P;
    user(user_read, WINDOW + 0x2000);
    check_eq("supervisor page: user read", LAST, OUTCOME(PF, 5));
    user(user_write, WINDOW + 0x2000);
    check_eq("supervisor page: user write", LAST, OUTCOME(PF, 7));
    table[3] = (word)pages[3] | U | P;
    user(user_read, WINDOW + 0x3000);
    check_eq("read-only page: user read", LAST, OUTCOME(0x80, 0));
    user(user_write, WINDOW + 0x3000);
    check_eq("read-only page: user write", LAST, OUTCOME(PF, 7));
    check_eq("read-only page: supervisor write without WP", (write_at(WINDOW + 0x3000), LAST), OUTCOME(NONE, 0));
    check_eq("that write sets the dirty bit", table[3] & D, D);
    set_cr0(get_cr0() | CR0_WP);
    check_eq("read-only page: supervisor write with WP", (write_at(WINDOW + 0x3000), LAST), OUTCOME(PF, 3));
    set_cr0(get_cr0() & ~CR0_WP);

    directory[WINDOW >> 22] &= ~(uint32_t)U;
    invlpg(at(0));
    set_cr3(get_cr3());
    user(user_read, WINDOW);
    check_eq("rights combine over the levels", LAST, OUTCOME(PF, 5));
    directory[WINDOW >> 22] |= U;

    memcpy(pages[1], user_code, user_code_end - user_code);
    set_cr3(get_cr3());
    user((char *)WINDOW + 0x1000, 0);
    check_eq("user fetch from a user page", last.vector, 0x80);
    user((char *)WINDOW + 0x2000, 0);
    check_eq("user fetch from a supervisor page", LAST, OUTCOME(PF, 5));
    check_eq("CR2 of a fetch", last_cr2, WINDOW + 0x2000);
    check_eq("EIP of a fetch", last.ip, WINDOW + 0x2000);

    /* An access over two pages reports the page that fails, and changes nothing. */
    table[0] = (word)pages[0] | U | W | P;
    table[1] = 0;
    set_cr3(get_cr3());
    memset(pages[0] + 4092, 0x55, 4);
    last.error = 0;
    TRY("movl $0, %0", : : "m"(*(uint32_t *)(WINDOW + 4094)) : "memory");
    check_eq("write over two pages", LAST, OUTCOME(PF, 2));
    check_eq("its CR2 is in the second page", last_cr2, WINDOW + 4096);
    check_eq("its first page is unchanged", pages[0][4095], 0x55);
}

static void translation_cache(void)
{
    set_cr4(get_cr4() | CR4_PGE);
    pages[0][0] = 10;
    pages[1][0] = 11;
    table[0] = (word)pages[0] | W | P;
    invlpg(at(0));
    check_eq("first translation", at(0)[0], 10);
    table[0] = (word)pages[1] | W | P;
    invlpg(at(0));
    check_eq("INVLPG takes the new one", at(0)[0], 11);
    table[0] = (word)pages[0] | W | P;
    set_cr3(get_cr3());
    check_eq("a CR3 write takes the new one", at(0)[0], 10);
    table[0] = (word)pages[0] | G | W | P;
    invlpg(at(0));
    (void)*(volatile uint8_t *)at(0);
    table[0] = (word)pages[1] | G | W | P;
    invlpg(at(0));
    check_eq("INVLPG takes global pages too", at(0)[0], 11);
    table[0] = (word)pages[0] | G | W | P;
    set_cr4(get_cr4() & ~(word)CR4_PGE);
    check_eq("a change of PGE takes global pages too", at(0)[0], 10);
    table[0] = 0;
    invlpg(at(0));
    check_eq("entry removed", (read_at(WINDOW), LAST), OUTCOME(PF, 0));
    table[0] = (word)pages[0] | W | P;
    check_eq("an absent entry is never cached", read_at(WINDOW), NONE);
    table[0] = (word)pages[0] | P;
    set_cr0(get_cr0() | CR0_WP);
    invlpg(at(0));
    check_eq("write to read-only", write_at(WINDOW), PF);
    table[0] = (word)pages[0] | W | P;
    check_eq("raised rights need no flush after a fault", write_at(WINDOW), NONE);
    set_cr0(get_cr0() & ~CR0_WP);
}

static void large_reserved_bits(void)
{
    /* Bit 21 of a 4 MiB page is reserved. */
    directory[WINDOW >> 22] = WINDOW | 1u << 21 | PS | W | P;
    set_cr3(get_cr3());
    check_eq("reserved bit in a 4 MiB page", (read_at(WINDOW), LAST), OUTCOME(PF, 9));
    check_eq("and for a write", (write_at(WINDOW), LAST), OUTCOME(PF, 0xB));
    directory[WINDOW >> 22] = (word)table | U | W | P;
}

static void pae(void)
{
    set_cr0(get_cr0() & ~CR0_PG);
    for (uint32_t i = 0; i < 2048; i++)
        pae_directory[i >> 9][i & 511] = i << 21 | PS | U | W | P;
    for (int i = 0; i < 4; i++)
        pointers[i] = (word)pae_directory[i] | P;
    pae_directory[0][WINDOW >> 21] = (word)pae_table | U | W | P;
    pae_directory[1][0] = PS | W | P; /* memory at 1 GiB, too */
    for (int i = 0; i < 4; i++)
        pae_table[i] = (word)pages[i] | U | W | P;
    set_cr4(get_cr4() | CR4_PAE);
    set_cr3((word)pointers);
    set_cr0(get_cr0() | CR0_PG);

    pages[2][7] = 0x77;
    check_eq("PAE translation", at(2)[7], 0x77);
    check_eq("PAE bits of the page", pae_table[2] & (A | D), A);
    check_eq("PAE bits of a 2 MiB page", pae_directory[0][0] & (A | D), A | D);
    check_eq("PAE: not present", (write_at(WINDOW + 0x5000), LAST), OUTCOME(PF, 2));

    uint64_t entry = pae_table[1];
    pae_table[1] = entry | 1ull << 62;
    set_cr3(get_cr3());
    check_eq("PAE: reserved high bit", (read_at(WINDOW + 0x1000), LAST), OUTCOME(PF, 9));
    pae_table[1] = entry | 1ull << 63;
    set_cr3(get_cr3());
    wrmsr(EFER, rdmsr(EFER) & ~EFER_NXE);
    check_eq("PAE: NX is reserved without NXE", (read_at(WINDOW + 0x1000), LAST), OUTCOME(PF, 9));
    wrmsr(EFER, rdmsr(EFER) | EFER_NXE);
    set_cr3(get_cr3());
    check_eq("PAE: NX page can be read", read_at(WINDOW + 0x1000), NONE);
    memcpy(pages[1], user_code, user_code_end - user_code);
    user((char *)WINDOW + 0x1000, 0);
    check_eq("PAE: user fetch from an NX page", LAST, OUTCOME(PF, 0x15));
    last.error = 0;
    TRY_THEN("mov %%esp, %%edi\n call *%0", "mov %%edi, %%esp", : : "r"(WINDOW + 0x1000) : "edi", "memory");
    check_eq("PAE: supervisor fetch from an NX page", LAST, OUTCOME(PF, 0x11));
    pae_table[1] = entry;
    pae_directory[0][WINDOW >> 21] |= 1ull << 63;
    set_cr3(get_cr3());
    user((char *)WINDOW + 0x1000, 0);
    check_eq("PAE: NX of the directory counts", LAST, OUTCOME(PF, 0x15));
    pae_directory[0][WINDOW >> 21] &= ~(1ull << 63);

    /* The four pointers are read when CR3 is written, and checked then. */
    pointers[0] |= 1ull << 63;
    check_eq("reserved bit in a pointer", (try_cr3((word)pointers), LAST), OUTCOME(GP, 0));
    pointers[0] = (word)pae_directory[0] | P;
    pointers[1] = (word)pae_directory[1] | 0x20 | P;
    check_eq("reserved bit 5 in a pointer", try_cr3((word)pointers), GP);
    pointers[1] = 0;
    check_eq("the pointer of before is still in use", read_at(0x40000000), NONE);
    set_cr3((word)pointers);
    check_eq("absent pointer", (read_at(0x40000000), LAST), OUTCOME(PF, 0));
    set_cr3((word)pointers | 0x1F);
    check_eq("the low five bits of CR3 do not matter", at(2)[7], 0x77);
    set_cr0(get_cr0() & ~CR0_PG);
}

static void control_register_checks(void)
{
    check_eq("PG without PE", (try_cr0((get_cr0() | CR0_PG) & ~1ul), LAST), OUTCOME(GP, 0));
    check_eq("NW without CD", try_cr0((get_cr0() | 0x20000000) & ~0x40000000ul), GP);
    check_eq("reserved bit of CR4", try_cr4(get_cr4() | 0x80000000), GP);
    set_cr4(get_cr4() & ~(word)CR4_PAE);
    check_eq("CR0.ET is fixed", (set_cr0(get_cr0() & ~0x10ul), get_cr0() & 0x10), 0x10);
}

void test_main(void)
{
    two_levels();
    translation_cache();
    large_reserved_bits();
    pae();
    control_register_checks();
}
