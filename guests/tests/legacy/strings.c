/* String instructions: directions, widths, restart after a fault. Intel SDM 2B "REP". */
#include "test.h"

#define WINDOW 0x1000000u
static uint32_t directory[1024] __attribute__((aligned(4096)));
static uint32_t table[1024] __attribute__((aligned(4096)));
static uint8_t pages[4][4096] __attribute__((aligned(4096)));

static void paging(void)
{
    for (uint32_t i = 0; i < 1024; i++)
        directory[i] = i << 22 | 0x83;
    directory[WINDOW >> 22] = (word)table | 3;
    table[0] = (word)pages[0] | 3;
    table[1] = (word)pages[1] | 3;
    set_cr4(get_cr4() | CR4_PSE);
    set_cr3((word)directory);
    set_cr0(get_cr0() | CR0_PG | CR0_WP);
}

static void plain(void)
{
    static uint8_t from[64], to[64];
    for (int i = 0; i < 64; i++)
        from[i] = i;
    word si = (word)from, di = (word)to, cx = 16;
    asm volatile("cld\n rep movsl" : "+S"(si), "+D"(di), "+c"(cx) : : "memory");
    check_eq("REP MOVSD copies", memcmp(from, to, 64), 0);
    check_eq("and advances", (uint64_t)(si - (word)from) << 16 | (di - (word)to) << 8 | cx, 64ull << 16 | 64 << 8);
    si = (word)from + 63, di = (word)to + 32, cx = 16;
    asm volatile("std\n rep movsb\n cld" : "+S"(si), "+D"(di), "+c"(cx) : : "memory");
    check_eq("downwards", to[32] << 8 | to[17], 63 << 8 | 48);
    check_eq("and goes back", (uint64_t)(si - (word)from) << 8 | (di - (word)to), 47 << 8 | 16);
    /* Overlapping copies repeat the pattern. */
    to[0] = 0xA1, to[1] = 0xA2;
    si = (word)to, di = (word)to + 2, cx = 8;
    asm volatile("rep movsb" : "+S"(si), "+D"(di), "+c"(cx) : : "memory");
    check_eq("an overlapping copy repeats", *(uint32_t *)(to + 6), 0xA2A1A2A1);
    cx = 0, di = (word)to;
    asm volatile("rep stosl" : "+D"(di), "+c"(cx) : "a"(0) : "memory");
    check_eq("a count of zero does nothing", (di == (word)to) << 8 | to[0], 0x1A1);

    di = (word)from, cx = 64;
    bool zero;
    asm volatile("repne scasb" : "+D"(di), "+c"(cx), "=@ccz"(zero) : "a"(20) : "memory");
    check_eq("REPNE SCAS stops behind the match", (uint64_t)zero << 16 | (di - (word)from) << 8 | cx, 1 << 16 | 21 << 8 | 43);
    memcpy(to, from, 64);
    to[40] = 0;
    si = (word)from, di = (word)to, cx = 64;
    asm volatile("repe cmpsb" : "+S"(si), "+D"(di), "+c"(cx), "=@ccz"(zero) : : "memory");
    check_eq("REPE CMPS stops behind the difference", (uint64_t)zero << 16 | (si - (word)from) << 8 | cx, 41 << 8 | 23);
    si = (word)from + 8;
    uint32_t value;
    asm volatile("lodsl" : "+S"(si), "=a"(value) : : "memory");
    check_eq("LODSD", value, 0x0B0A0908);

    /* With a 16-bit address size only the low halves count and wrap. */
    *(uint8_t *)0xFFFF = 0x11, *(uint8_t *)0 = 0x22;
    si = 0xABCDFFFF, di = 0x12340500, cx = 0x56780002;
    asm volatile("addr16 rep movsb" : "+S"(si), "+D"(di), "+c"(cx) : : "memory");
    check_eq("16-bit addresses wrap", *(uint16_t *)0x500, 0x2211);
    check_eq("the high half of ESI stays", si, 0xABCD0001);
    check_eq("the high half of ECX stays", cx, 0x56780000);
    check_eq("EDI", di, 0x12340502);
}

static struct frame first;
static int calls;

/* Maps the page and lets the instruction go on. */
static void map_and_go_on(struct frame *frame)
{
    first = *frame;
    calls++;
    word page = (get_cr2() - WINDOW) >> 12;
    table[page] = (word)pages[page] | 3;
}

static void restart(void)
{
    memset(pages, 0, sizeof pages);
    for (int i = 0; i < 4096; i++)
        pages[0][i] = i * 7;
    table[1] = table[2] = 0;
    set_cr3(get_cr3());
    hooks[PF] = map_and_go_on;
    word si = WINDOW, di = WINDOW + 0x1F00, cx = 0x200, ip;
    asm volatile("97: rep movsb\n mov $97b, %%eax" : "+S"(si), "+D"(di), "+c"(cx), "=&a"(ip) : : "memory");
    check_eq("the fault is at the instruction", first.ip, ip);
    check_eq("both missing pages were served", calls, 2);
    check_eq("count at the second fault", first.cx, 0x100);
    check_eq("EDI at the second fault", first.di, WINDOW + 0x2000);
    check_eq("ESI at the second fault", first.si, WINDOW + 0x100);
    check_eq("RF is pushed within a repetition", first.flags & FLAG_RF, FLAG_RF);
    check_eq("the copy is whole", memcmp(pages[0], pages[1] + 0xF00, 0x100) | memcmp(pages[0] + 0x100, pages[2], 0x100), 0);
    check_eq("the count is used up", cx, 0);

    /* An element over the edge of a page is not written in part. */
    table[2] = 0;
    invlpg((void *)(WINDOW + 0x2000));
    memset(pages[1] + 0xFF0, 0xEE, 16);
    hooks[PF] = 0;
    di = WINDOW + 0x1FF6, cx = 8;
    int vector = TRY("rep stosl", : "+D"(di), "+c"(cx) : "a"(0) : "memory");
    check_eq("STOSD into a missing page", vector, PF);
    check_eq("iterations done", (uint64_t)(di - WINDOW) << 8 | cx, 0x1FFE << 8 | 6);
    check_eq("no byte of the failed one", *(uint16_t *)(pages[1] + 0xFFE), 0xEEEE);
    check_eq("CR2 is in the missing page", last_cr2, WINDOW + 0x2000);

    /* CMPS reads both operands before anything moves. */
    si = WINDOW, di = WINDOW + 0x2000, cx = 3;
    TRY("repe cmpsb", : "+S"(si), "+D"(di), "+c"(cx) : : "memory");
    check_eq("CMPS that faults moves nothing", (uint64_t)(si - WINDOW) << 32 | (di - WINDOW) << 8 | cx, 0x2000 << 8 | 3);

    /* PUSH and POP to memory that faults leave ESP alone. */
    word before, after;
    TRY_THEN("mov %%esp, %0\n push 0x1002000", "mov %%esp, %1\n mov %0, %%esp", : "=&b"(before), "=&c"(after) : : "memory");
    check_eq("PUSH that faults keeps ESP", before, after);
    TRY_THEN("push $1\n mov %%esp, %0\n pop 0x1002000", "mov %%esp, %1\n add $4, %%esp", : "=&b"(before), "=&c"(after) : : "memory");
    check_eq("POP that faults keeps ESP", before, after);
    word ax = 5;
    TRY("xchg %0, 0x1002000", : "+a"(ax) : : "memory");
    check_eq("XCHG that faults keeps the register", ax, 5);
    word dx = 2;
    ax = 1;
    TRY("cmpxchg8b 0x1002000", : "+a"(ax), "+d"(dx) : "b"(0), "c"(0) : "memory");
    check_eq("CMPXCHG8B that faults keeps EDX:EAX", (uint64_t)dx << 32 | ax, 0x200000001);
}

void test_main(void)
{
    plain();
    paging();
    restart();
}
