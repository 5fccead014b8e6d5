/* The flags register through PUSHF, POPF, SAHF and IRET, in each mode's rules. Intel SDM 2B. */
#include "test.h"

static word push_pop(word value)
{
    word result;
    asm volatile("push %1\n popf\n pushf\n pop %0\n push $2\n popf" : "=r"(result) : "r"(value) : "cc", "memory");
    return result;
}

static word push_pop_16(uint16_t value, word before)
{
    word result;
    asm volatile("push %2\n popf\n pushw %w1\n popfw\n pushf\n pop %0\n push $2\n popf"
                 : "=&r"(result) : "r"((word)value), "r"(before) : "cc", "memory");
    return result;
}

static word iret_flags(word value)
{
    word result;
    asm volatile("push %1\n push %%cs\n push $97f\n iret\n 97: pushf\n pop %0\n push $2\n popf" : "=r"(result) : "r"(value) : "cc", "memory");
    return result;
}

enum { ARITHMETIC = 0x8D5, ID = 1 << 21 };

asm("user_popf: push %eax\n popf\n pushf\n pop %ebx\n push $2\n popf\n int $0x80\n"
    "user_iret: push %eax\n push %cs\n push $97f\n iret\n 97: pushf\n pop %ebx\n push $2\n popf\n int $0x80\n");
extern char user_popf[], user_iret[];

static word user(const char *code, word flags, word iopl)
{
    asm volatile("push %0\n popf" : : "r"(iopl << 12 | 2) : "cc", "memory");
    run_user((word)code, (word)user_stack_top, flags);
    asm volatile("push $2\n popf" : : : "cc", "memory");
    return last.vector == 0x80 ? last.bx : 0xBAD00000 | last.vector;
}

void test_main(void)
{
    check_eq("POPF: arithmetic", push_pop(ARITHMETIC) & ~2ul, ARITHMETIC);
    check_eq("POPF: bit 1 is set, 3, 5 and 15 are not", push_pop(0x8028), 2);
    check_eq("POPF: DF and IOPL", push_pop(0x3400), 0x3402);
    check_eq("POPF: NT", push_pop(FLAG_NT), FLAG_NT | 2);
    check_eq("POPF: AC and ID", push_pop(FLAG_AC | ID), FLAG_AC | ID | 2);
    check_eq("POPF: RF is cleared", push_pop(FLAG_RF) & FLAG_RF, 0);
    check_eq("POPF: VM is ignored", push_pop(FLAG_VM) & FLAG_VM, 0);
    check_eq("POPF: VIF and VIP are ignored", push_pop(FLAG_VIF | FLAG_VIP) & (FLAG_VIF | FLAG_VIP), 0);
    check_eq("POPF: the high bits", push_pop(0xFFC00000), 2);
    check_eq("POPF of a word keeps the high half", push_pop_16(0, ID | FLAG_AC | FLAG_CF), ID | FLAG_AC | 2);
    check_eq("POPF of a word", push_pop_16(0x0CD5, 0), 0x0CD7);
    check_eq("IRET: all of ring 0", iret_flags(ARITHMETIC | 0x3400 | FLAG_AC | ID), ARITHMETIC | 0x3402 | FLAG_AC | ID);
    check_eq("IRET: NT", iret_flags(FLAG_NT), FLAG_NT | 2);

    word kept = ARITHMETIC | FLAG_DF | FLAG_NT | FLAG_AC | ID;
    check_eq("ring 3 POPF: what it may change", user(user_popf, kept | 0x3000 | FLAG_IF, 0), kept | 2);
    check_eq("ring 3 IRET: likewise", user(user_iret, (kept & ~(word)FLAG_NT) | 0x3000 | FLAG_IF, 0), (kept & ~(word)FLAG_NT) | 2);
    check_eq("ring 3 with IOPL 3: IF, too", user(user_popf, 0x3000 | FLAG_IF, 3), 0x3202);
    check_eq("ring 3 with IOPL 3 cannot lower IOPL", user(user_popf, 0, 3), 0x3002);

    uint8_t ah;
    asm volatile("mov $0xFF00, %%eax\n sahf\n lahf\n mov %%ah, %0\n push $2\n popf" : "=q"(ah) : : "eax", "cc");
    check_eq("SAHF and LAHF", ah, 0xD7);
    word al;
    asm volatile("stc\n .byte 0xD6\n movzbl %%al, %0" : "=r"(al) : : "eax", "cc");
    check_eq("SALC", al, 0xFF);
    asm volatile("clc\n cmc\n setc %b0\n movzbl %b0, %0" : "=q"(al) : : "cc");
    check_eq("CMC", al, 1);

    /* CLI and STI touch nothing else; CLD and STD neither. */
    word flags;
    asm volatile("push $0x8D7\n popf\n std\n cli\n cld\n pushf\n pop %0\n push $2\n popf" : "=r"(flags) : : "cc", "memory");
    check_eq("STD, CLI and CLD keep the rest", flags, 0x8D7);

    /* Decimal arithmetic. */
    asm volatile("mov $0x79, %%al\n add $0x35, %%al\n daa\n movzbl %%al, %0" : "=r"(al) : : "eax", "cc");
    check_eq("DAA", al, 0x14);
    asm volatile("mov $0x35, %%al\n sub $0x47, %%al\n das\n movzbl %%al, %0" : "=r"(al) : : "eax", "cc");
    check_eq("DAS", al, 0x88);
    asm volatile("mov $0x0105, %%eax\n add $6, %%al\n aaa\n movzwl %%ax, %0" : "=r"(al) : : "eax", "cc");
    check_eq("AAA", al, 0x0201);
    asm volatile("mov $0x0205, %%eax\n sub $6, %%al\n aas\n movzwl %%ax, %0" : "=r"(al) : : "eax", "cc");
    check_eq("AAS", al, 0x0109);
    asm volatile("mov $57, %%al\n aam\n movzwl %%ax, %0" : "=r"(al) : : "eax", "cc");
    check_eq("AAM", al, 0x0507);
    asm volatile("mov $0x0507, %%ax\n aad\n movzwl %%ax, %0" : "=r"(al) : : "eax", "cc");
    check_eq("AAD", al, 57);
    static const uint8_t map[256] = { [0x42] = 0x99 };
    asm volatile("mov $0x42, %%al\n xlat\n movzbl %%al, %0" : "=r"(al) : "b"(map) : "eax");
    check_eq("XLAT", al, 0x99);
    word cx = 5;
    asm volatile("xor %%eax, %%eax\n 97: inc %%eax\n cmp $3, %%eax\n loopne 97b" : "+c"(cx) : : "eax", "cc");
    check_eq("LOOPNE", cx, 2);
    static struct {
        uint32_t offset;
        uint16_t selector;
    } __attribute__((packed)) far_target;
    far_target.selector = 8;
    asm volatile("movl $98f, %0\n ljmp *%0\n 97: jmp 96f\n 98: mov $7, %%eax\n jmp 97b\n 96: mov %%eax, %1" : "+m"(far_target), "=r"(al) : : "eax");
    check_eq("far jump through memory", al, 7);
}
