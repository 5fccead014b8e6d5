/* Virtual-8086 mode. Intel SDM 3B "8086 Emulation", "Virtual-8086 Mode Extensions". */
#include "test.h"

/* 16-bit programs run from this page, data lies in the next. */
enum { CODE = 0x4000, DATA = 0x5000, STACK_TOP = 0x6FFE };

/* The last general registers at INT 0x80; ring 3 traps land in `last`. */
static void run(const char *code, const char *end, word flags)
{
    memcpy((void *)CODE, code, end - code);
    word frame[9] = {
        0, CODE >> 4, FLAG_VM | 2 | flags, STACK_TOP - 0x3000, 0x300,
        DATA >> 4, DATA >> 4, DATA >> 4, DATA >> 4, /* ES DS FS GS */
    };
    last.vector = NONE;
    last.error = 0;
    run_frame(frame);
}
#define RUN(label, flags) ({ extern char label[], label##_end[]; run(label, label##_end, flags); })
#define PROGRAM(label, body) asm(".code16\n" #label ":\n" body "\n" #label "_end:\n .code32\n")

enum { IOPL3 = 0x3000 };

PROGRAM(segments, "mov %cs, %ax\n mov %ss, %bx\n mov %sp, %cx\n mov %ds, %dx\n mov 2, %si\n int $0x80");
PROGRAM(wrap, "mov $0xFFFF, %bx\n mov (%bx), %ax\n int $0x80");
PROGRAM(loads, "mov $0x1234, %ax\n mov %ax, %es\n mov %es, %bx\n mov $0x510, %ax\n mov %ax, %ds\n mov 4, %cx\n int $0x80");
PROGRAM(far_call, "lcall $0x401, $0x10\n int $0x80\n .org far_call + 0x20\n mov %cs, %dx\n lret");
PROGRAM(high, "mov $0xFFFF, %ax\n mov %ax, %ds\n mov 0x10, %bx\n int $0x80");
PROGRAM(push_pop, "push $0x1234\n push $0x5678\n pop %ax\n pop %bx\n mov %sp, %cx\n int $0x80");
PROGRAM(just_cli, "cli\n int $0x80");
PROGRAM(just_sti, "sti\n int $0x80");
PROGRAM(just_pushf, "pushf\n pop %ax\n int $0x80");
PROGRAM(just_popf, "push $0x0202\n popf\n pushf\n pop %ax\n int $0x80");
PROGRAM(just_int, "int $0x21\n nop\n int $0x80");
PROGRAM(just_iret, "push $2\n push $0x400\n push $0x10\n iret\n .org just_iret + 0x10\n mov $0x77, %al\n int $0x80");
PROGRAM(just_hlt, "hlt");
PROGRAM(just_int3, "int3");
PROGRAM(into, "mov $0x7FFF, %ax\n inc %ax\n into\n int $0x80");
PROGRAM(bad, "ud2");
PROGRAM(divide, "xor %cx, %cx\n div %cx");
PROGRAM(cr, "mov %cr0, %eax");
PROGRAM(lidt, "lidt 0");
PROGRAM(sldt, "sldt %ax");
PROGRAM(arpl, "arpl %ax, %bx");
PROGRAM(smsw, "smsw %ax\n int $0x80");
PROGRAM(in_open, "in $0x80, %al\n int $0x80");
PROGRAM(wide, "mov $0x12345678, %eax\n push %eax\n popl %ebx\n addr32 mov 2(%esi), %cx\n int $0x80");

static void addresses(void)
{
    *(uint16_t *)(DATA + 2) = 0xABCD;
    RUN(segments, 0);
    check_eq("INT in IOPL 0 faults", LAST, OUTCOME(GP, 0));
    RUN(segments, IOPL3);
    check_eq("INT in IOPL 3 reaches the gate", last.vector, 0x80);
    check_eq("CS", (uint16_t)last.ax, CODE >> 4);
    check_eq("SS", (uint16_t)last.bx, 0x300);
    check_eq("SP", (uint16_t)last.cx, STACK_TOP - 0x3000);
    check_eq("DS", (uint16_t)last.dx, DATA >> 4);
    check_eq("base is the selector times 16", (uint16_t)last.si, 0xABCD);
    check_eq("VM in the pushed flags", last.flags & FLAG_VM, FLAG_VM);
    check_eq("pushed DS", (uint16_t)last.vm_ds, DATA >> 4);
    check_eq("pushed CS", (uint16_t)last.cs, CODE >> 4);
    RUN(wrap, IOPL3);
    check_eq("word at 0xFFFF exceeds the limit", LAST, OUTCOME(GP, 0));
    check_eq("IP of the fault", last.ip, 3);
    *(uint16_t *)(0x5104) = 0x9999;
    RUN(loads, IOPL3);
    check_eq("any selector loads", (uint16_t)last.bx, 0x1234);
    check_eq("and moves the base", (uint16_t)last.cx, 0x9999);
    RUN(far_call, IOPL3);
    check_eq("far call and return", last.vector << 16 | (uint16_t)last.dx, 0x80 << 16 | 0x401);
    *(uint16_t *)0x100000 = *(uint16_t *)0x100000;
    RUN(high, IOPL3);
    check_eq("the first bytes above 1 MiB", (uint16_t)last.bx, *(uint16_t *)0x100000);
    RUN(push_pop, IOPL3);
    check_eq("pop", last.ax << 16 | (uint16_t)last.bx, 0x56781234);
    check_eq("SP comes back", (uint16_t)last.cx, STACK_TOP - 0x3000);
    *(uint16_t *)(DATA + 2) = 0xABCD;
    RUN(wide, IOPL3);
    check_eq("32-bit operands", last.bx, 0x12345678);
}

static void sensitive(void)
{
    const struct {
        const char *name;
        int vector;
        word iopl;
        int program;
    } cases[] = {
        { "CLI, IOPL 0", GP, 0, 0 },   { "CLI, IOPL 3", 0x80, IOPL3, 0 },  { "STI, IOPL 0", GP, 0, 1 },
        { "PUSHF, IOPL 0", GP, 0, 2 }, { "PUSHF, IOPL 3", 0x80, IOPL3, 2 }, { "POPF, IOPL 0", GP, 0, 3 },
        { "IRET, IOPL 0", GP, 0, 4 },  { "IRET, IOPL 3", 0x80, IOPL3, 4 },  { "INT n, IOPL 0", GP, 0, 5 },
        { "HLT", GP, IOPL3, 6 },       { "INT3, IOPL 0", BP, 0, 7 },        { "UD2", UD, 0, 8 },
        { "DIV by 0", DE, 0, 9 },      { "MOV CR", GP, IOPL3, 10 },         { "LIDT", GP, IOPL3, 11 },
        { "SLDT", UD, IOPL3, 12 },     { "ARPL", UD, IOPL3, 13 },           { "SMSW", 0x80, IOPL3, 14 },
        { "INTO", OF, 0, 15 },
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        word iopl = cases[i].iopl;
        switch (cases[i].program) {
        case 0: RUN(just_cli, iopl); break;
        case 1: RUN(just_sti, iopl); break;
        case 2: RUN(just_pushf, iopl); break;
        case 3: RUN(just_popf, iopl); break;
        case 4: RUN(just_iret, iopl); break;
        case 5: RUN(just_int, iopl); break;
        case 6: RUN(just_hlt, iopl); break;
        case 7: RUN(just_int3, iopl); break;
        case 8: RUN(bad, iopl); break;
        case 9: RUN(divide, iopl); break;
        case 10: RUN(cr, iopl); break;
        case 11: RUN(lidt, iopl); break;
        case 12: RUN(sldt, iopl); break;
        case 13: RUN(arpl, iopl); break;
        case 14: RUN(smsw, iopl); break;
        default: RUN(into, iopl); break;
        }
        check_eq(cases[i].name, last.vector, cases[i].vector);
    }
    RUN(just_popf, IOPL3);
    check_eq("POPF sets IF but never IOPL", last.ax & 0x3200, 0x3200);
    RUN(just_popf, IOPL3 | FLAG_IF);
    check_eq("PUSHF shows IF", last.ax & FLAG_IF, FLAG_IF);
    RUN(just_iret, IOPL3);
    check_eq("IRET within the mode", (uint8_t)last.ax, 0x77);
}

static void ports(void)
{
    tss.io_map = offsetof(struct tss, bitmap);
    memset(tss.bitmap, 0, sizeof tss.bitmap);
    tss.bitmap[0x80 / 8] = 1;
    RUN(in_open, IOPL3);
    check_eq("the bitmap counts even with IOPL 3", LAST, OUTCOME(GP, 0));
    tss.io_map = sizeof tss;
}

static void extensions(void)
{
    if (!(cpuid(1, 0).d & 2)) {
        for (int i = 0; i < 9; i++)
            skip("virtual-8086 mode extensions");
        return;
    }
    /* The redirection map lies below the port map; set bits send INT n to the monitor. */
    tss.io_map = offsetof(struct tss, bitmap) + 32;
    memset(tss.bitmap, 0xFF, 32);
    set_cr4(get_cr4() | CR4_VME);
    RUN(just_sti, 0);
    check_eq("VME: STI sets VIF", last.flags & (FLAG_VIF | FLAG_IF), FLAG_VIF);
    RUN(just_cli, FLAG_VIF);
    check_eq("VME: CLI clears VIF", last.flags & FLAG_VIF, 0);
    RUN(just_sti, FLAG_VIP);
    check_eq("VME: STI with VIP faults", LAST, OUTCOME(GP, 0));
    RUN(just_pushf, FLAG_VIF);
    check_eq("VME: PUSHF shows VIF as IF and IOPL 3", last.ax & 0x3200, 0x3200);
    RUN(just_popf, 0);
    check_eq("VME: POPF sets VIF", last.flags & (FLAG_VIF | FLAG_IF), FLAG_VIF);

    /* Redirection: a clear bit sends INT 0x21 to the 8086 vector table. */
    memset(tss.bitmap, 0, 32);
    tss.bitmap[0x80 / 8] = 1; /* INT 0x80 still goes to the gate */
    *(uint32_t *)(0x21 * 4) = 0x00001234;
    static const uint8_t handler[] = { 0xB0, 0x99, 0x89, 0xE3, 0xCD, 0x80 }; /* mov al,99; mov bx,sp; int 80 */
    memcpy((void *)0x1234, handler, sizeof handler);
    RUN(just_int, IOPL3);
    check_eq("VME: redirected INT", last.vector << 8 | (uint8_t)last.ax, 0x80 << 8 | 0x99);
    check_eq("VME: it pushes 6 bytes", (uint16_t)last.bx, STACK_TOP - 0x3000 - 6);
    check_eq("VME: it clears IF", last.flags & FLAG_IF, 0);
    memset(tss.bitmap, 0xFF, 32);
    RUN(just_int, IOPL3);
    check_eq("VME: a set bit goes to the gate", last.vector, GP);
    tss.io_map = sizeof tss;
    set_cr4(get_cr4() & ~(word)CR4_VME);
}

void test_main(void)
{
    addresses();
    sensitive();
    ports();
    extensions();
}
