/* Real mode, entered from and left to protected mode; 16-bit protected mode on the way. Intel SDM 3B "8086 Emulation". */
#include "test.h"

enum { REAL = 0x7000, RESULTS = 0x6000 };
extern char real_code[], real_code_end[];
void real_mode(void);

static uint16_t word_at(int offset) { return *(volatile uint16_t *)(RESULTS + offset); }
static uint32_t long_at(int offset) { return *(volatile uint32_t *)(RESULTS + offset); }

/* 16-bit protected-mode code, called far from 32-bit code. */
asm(".code16\n"
    "small_code: push $0x1111\n push $0x2222\n pop %ax\n pop %bx\n mov $0xFFFF, %cx\n inc %cx\n pushfl\n popl %edx\n"
    " mov $0x12345678, %esi\n lea 4(%si), %di\n lretl\n"
    "small_code_end:\n .code32\n");
extern char small_code[], small_code_end[];

static void small_protected_mode(void)
{
    memcpy((void *)0x5000, small_code, small_code_end - small_code);
    gdt[0x58 / 8] = descriptor(0x5000, 0xFFFF, 0x9B, 0);
    word ax = 0xAAAA0000, bx = 0xBBBB0000, cx = 0xCCCC0000, dx, si, di = 0xDDDD0000;
    asm volatile("lcall $0x58, $0" : "+a"(ax), "+b"(bx), "+c"(cx), "=d"(dx), "=S"(si), "+D"(di) : : "memory");
    check_eq("16-bit code: push and pop of words", ax << 16 | (uint16_t)bx, 0x22221111);
    check_eq("16-bit code: high halves stay", ax >> 16, 0xAAAA);
    check_eq("16-bit code: 16-bit arithmetic", cx, 0xCCCC0000);
    check_eq("16-bit code: zero flag", dx & FLAG_ZF, FLAG_ZF);
    check_eq("16-bit code: LEA of 16 bits", di, 0xDDDD567C);
    check_eq("16-bit code: 32-bit operand", si, 0x12345678);

}

/* A 16-bit stack segment: only SP counts. */
static void small_stack(void)
{
    gdt[0x60 / 8] = descriptor((word)trap_stack_top - 0x10000, 0xFFFF, 0x93, 0);
    word sp;
    asm volatile("mov %%esp, %%edi\n mov %1, %%ss\n mov $0xABCD0000, %%esp\n pushw %%ax\n mov %%esp, %0\n"
                 "mov $0x10, %%eax\n mov %%eax, %%ss\n mov %%edi, %%esp"
                 : "=b"(sp) : "c"(0x60) : "eax", "edi", "memory");
    check_eq("16-bit stack: SP wraps, the high half stays", sp, 0xABCDFFFE);
}

void test_main(void)
{
    small_protected_mode();
    memset((void *)RESULTS, 0, 64);
    memcpy((void *)REAL, real_code, real_code_end - real_code);
    gdt[0x48 / 8] = descriptor(REAL, 0xFFFF, 0x9B, 0);
    gdt[0x50 / 8] = descriptor(0, 0xFFFF, 0x93, 0);
    real_mode();
    check_eq("CS is the segment of the jump", word_at(0), REAL >> 4);
    check_eq("flags", word_at(2) & 0x302, 2);
    check_eq("segment times 16", word_at(4), 0x5A);
    check_eq("INT clears IF, IRET brings it back", word_at(8) & 0x300, 0);
    check_eq("division error at the instruction", word_at(12), 0);
    check_eq("far call and return", word_at(16), 0x4321);
    check_eq("32-bit operands", long_at(20), 0x34567812);
    check_eq("the stack wraps", word_at(24), 0xFFFE);
    check_eq("word at 0xFFFF is vector 13", word_at(26), 1);
    check_eq("UD2, SLDT and LAR are vector 6", word_at(28), 3);
    check_eq("LOOP", word_at(34), 5);
    check_eq("a limit from protected mode stays", long_at(36), 0xFEEDBEEF);
    check_eq("also with another selector", long_at(40), 0xFEEDBEEF);
    check_eq("PUSH SP pushes the old value", word_at(44), 0);
    check_eq("ENTER makes room", word_at(46), 0x10);
    check_eq("protected mode again", get_cr0() & 1, 1);
    small_stack();
}
