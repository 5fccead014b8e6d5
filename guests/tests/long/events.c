/* Faults while events are delivered, and the stacks they use. Intel SDM 3A "Interrupt 8 - Double Fault Exception",
   "Stack Switching in 64-Bit Mode". */
#include "test.h"

#define WINDOW 0x10000000000ul
extern uint64_t pml4[512];
static uint64_t window_pdpt[512] __attribute__((aligned(4096)));
static uint64_t window_pd[512] __attribute__((aligned(4096)));
static uint64_t table[512] __attribute__((aligned(4096)));
static uint8_t pages[4][4096] __attribute__((aligned(4096)));
enum { P = 1, W = 2 };

static void map(int page, uint64_t entry)
{
    table[page] = entry;
    invlpg((void *)(WINDOW + page * 4096ul));
}
static word at(int page) { return WINDOW + page * 4096ul; }

static void use_stack(int vector, int ist) { set_gate(vector, (word)trap_stubs + 16 * vector, 8, 0x8E, ist); }

static void bad_stacks(void)
{
    tss.ist[1] = at(3); /* pushes go to page 2, which is absent */
    map(2, 0);
    use_stack(DF, 1);
    use_stack(PF, 1);

    use_stack(GP, 2);
    CHECK_ERROR("#GP whose stack is missing: #PF is served", PF, 2, "mov %0, %%fs", : : "r"(0x1F8));
    check_eq("CR2 is the stack's address", last_cr2, at(3) - 8);
    reset_gate(GP);
    use_stack(UD, 2);
    CHECK_ERROR("#UD likewise", PF, 2, "ud2", ::);
    reset_gate(UD);
    use_stack(0x40, 2);
    CHECK_ERROR("INT n likewise", PF, 2, "int $0x40", ::);
    reset_gate(0x40);
    use_stack(PF, 2);
    CHECK_ERROR("#PF whose stack is missing: #DF", DF, 0, "mov 0x1000(%0), %%rax", : : "r"(at(2)) : "rax");
    check_eq("CR2 is the second fault's address", last_cr2, at(3) - 8);
    use_stack(PF, 1);
    set_gate(PF, (word)trap_stubs + 16 * PF, 0x1F8, 0x8E, 1);
    CHECK_ERROR("#PF then #GP: #DF", DF, 0, "mov (%0), %%rax", : : "r"(at(2)) : "rax");
    use_stack(PF, 1);

    /* A frame over two pages, the lower one missing. */
    map(3, (word)pages[3] | W | P);
    tss.ist[1] = at(3) + 16;
    use_stack(0x40, 2);
    memset(pages[3], 0x77, 16);
    CHECK_ERROR("a frame over two pages", PF, 2, "int $0x40", ::);
    check_eq("the fault is in the lower page", last_cr2 & ~0xFFFul, at(2));
    map(2, (word)pages[2] | W | P);
    CHECK_TRAP("with both there", 0x40, "int $0x40", ::);
    reset_gate(0x40);
    reset_gate(DF);
    reset_gate(PF);
    tss.ist[1] = 0;
}

static void missing_tables(void)
{
    use_stack(PF, 1);
    use_stack(DF, 1);
    /* The IDT's last page is missing; vector 0x90 lies there, the faults' do not. */
    struct table_register whole = { 4095, (word)idt }, split = { 4095, at(1) - 2048 };
    memcpy(pages[0] + 2048, idt, 2048);
    map(0, (word)pages[0] | W | P);
    map(1, 0);
    asm volatile("lidt %0" : : "m"(split));
    CHECK_ERROR("entry in a missing page", PF, 0, "int $0x90", ::);
    check_eq("CR2 is the entry", last_cr2, at(1) - 2048 + 0x900);
    asm volatile("lidt %0" : : "m"(whole));

    /* The handler's code segment is marked accessed, which writes the table. */
    struct table_register moved = { sizeof gdt - 1, at(2) };
    memcpy(pages[2], gdt, sizeof gdt);
    uint64_t *copy = (uint64_t *)pages[2];
    copy[0x48 / 8] = descriptor(0, 0xFFFFF, 0x92, 0xC);
    map(2, (word)pages[2] | P);
    asm volatile("lgdt %0" : : "m"(moved));
    asm volatile("mov %0, %%fs" : : "r"(0x10));
    check_eq("a descriptor already accessed needs no write", table[2] & 0x40, 0);
    CHECK_ERROR("marking one in a read-only page", PF, 3, "mov %0, %%fs", : : "r"(0x48));
    check_eq("CR2 is within it", last_cr2 & ~7ul, at(2) + 0x48);
    map(2, (word)pages[2] | W | P);
    asm volatile("mov %0, %%fs" : : "r"(0x48));
    check_eq("marked", copy[0x48 / 8] >> 40 & 1, 1);
    lgdt();
    asm volatile("mov %0, %%fs" : : "r"(0));
    reset_gate(PF);
    reset_gate(DF);
}

asm("user_ud: ud2\n user_int_bad: int $0x41\n");
extern char user_ud[], user_int_bad[];

static void ring_changes(void)
{
    word good = tss.rsp[0];
    use_stack(SS, 1);
    use_stack(DF, 1);
    tss.rsp[0] = 1ul << 63;
    last.error = 1;
    run_user(user_ud, 0);
    check_eq("non-canonical RSP0", LAST, OUTCOME(SS, 1));
    tss.rsp[0] = good - 3;
    run_user(user_ud, 0);
    check_eq("an odd RSP0 is aligned", last.vector, UD);
    tss.rsp[0] = good;
    reset_gate(SS);
    reset_gate(DF);
    set_gate(0x41, (word)trap_stubs + 16 * 0x41, 0x2B, 0xEE, 0);
    CHECK_ERROR("handler in an outer ring", GP, 0x28, "int $0x41", ::);
    set_gate(0x41, 1ul << 63, 8, 0xEE, 0);
    run_user(user_int_bad, 0);
    check_eq("non-canonical handler", LAST, OUTCOME(GP, 0));
    reset_gate(0x41);
}

/* IRET and far returns. */
static void iret_to(const char *name, word ip, word cs, word flags, word sp, word ss, int vector, word error)
{
    last.vector = NONE;
    last.error = 0;
    TRY_THEN("mov %%rsp, %%rbx\n push %5\n push %4\n push %3\n push %2\n push %1\n iretq", "mov %%rbx, %%rsp",
             : : "r"(0), "r"(ip), "r"(cs), "r"(flags), "r"(sp), "r"(ss) : "rbx", "cc", "memory");
    check_eq(name, LAST, OUTCOME(vector, error));
}

asm("iret_target: mov $0x10, %eax\n mov %eax, %ss\n int $0x42\n");
extern char iret_target[];

static void returns(void)
{
    word here = (word)iret_target, sp = (word)stack_top - 8192;
    iret_to("IRET to the same ring", here, 8, 2, sp, 0x10, 0x42, 0);
    iret_to("with a null SS", here, 8, 2, sp, 0, 0x42, 0);
    iret_to("IRET to a null CS", here, 0, 2, sp, 0x10, GP, 0);
    iret_to("IRET to data", here, 0x10, 2, sp, 0x10, GP, 0x10);
    iret_to("IRET beyond the table", here, 0x208, 2, sp, 0x10, GP, 0x208);
    iret_to("IRET to ring 3 code with RPL 0", here, 0x28, 2, sp, 0x10, GP, 0x28);
    iret_to("IRET with an SS of another ring", here, 8, 2, sp, 0x23, GP, 0x20);
    iret_to("IRET with code as SS", here, 8, 2, sp, 8, GP, 8);
    iret_to("IRET to ring 3 with a null SS to 32-bit code", here, 0x1B, 2, sp, 3, GP, 0);
    gdt[0x48 / 8] = descriptor(0, 0xFFFFF, 0x1B, 0xA);
    iret_to("IRET to absent code", here, 0x48, 2, sp, 0x10, NP, 0x48);
    gdt[0x48 / 8] = descriptor(0, 0xFFFFF, 0x9B, 0xE);
    iret_to("IRET to code that is both 64-bit and 32-bit", here, 0x48, 2, sp, 0x10, GP, 0x48);
    gdt[0x48 / 8] = descriptor(0, 0xFFFFF, 0x13, 0xC);
    iret_to("IRET with an absent SS", here, 8, 2, sp, 0x48, SS, 0x48);
    gdt[0x48 / 8] = descriptor(0, 0xFFFFF, 0xF3, 0xC);
    gdt[0x50 / 8] = descriptor(0xFFFF, 0, 0x9B, 4);
    iret_to("IRET beyond the limit of 32-bit code", 0x200, 0x50, 2, sp, 0x10, GP, 0);

    word flags;
    TRY_THEN("mov %%rsp, %%rbx\n push $0x10\n push %%rbx\n push %1\n push $8\n lea 98f(%%rip), %%rax\n push %%rax\n iretq\n"
             "98: pushf\n pop %0", "mov %%rbx, %%rsp", : "=r"(flags) : "r"(0x200CD7ul) : "rax", "rbx", "cc", "memory");
    asm volatile("push $2\n popf" : : : "cc");
    check_eq("IRET loads the flags", flags, 0x200CD7);
}

void test_main(void)
{
    pml4[WINDOW >> 39 & 511] = (word)window_pdpt | 3;
    window_pdpt[0] = (word)window_pd | 3;
    window_pd[0] = (word)table | 3;
    set_cr3(get_cr3());
    bad_stacks();
    missing_tables();
    ring_changes();
    returns();
}
