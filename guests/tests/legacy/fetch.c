/* Where code may come from: limits, wrapping instruction pointers, segment bases. Intel SDM 3A "Limit Checking". */
#include "test.h"

enum { CODE16 = 0x40, CODE32 = 0x48, BASE = 0x20000 };
static uint8_t *const code = (uint8_t *)BASE;
volatile word seen[4];

static void describe(int selector, uint32_t base, uint32_t limit, int flags)
{
    gdt[selector / 8] = descriptor(base, limit, 0x9B, flags);
}

/* Jumps far to selector:offset and comes back by a trap. */
static uint64_t go(int selector, uint32_t offset)
{
    static struct {
        uint32_t offset;
        uint16_t selector;
    } __attribute__((packed)) target;
    target.offset = offset;
    target.selector = selector;
    last.error = 0;
    last.ip = 0;
    TRY_THEN("mov %%esp, %%edi\n ljmp *%0", "mov %%edi, %%esp", : : "m"(target) : "eax", "ebx", "ecx", "edx", "edi", "memory", "cc");
    return LAST;
}

static void bytes(uint32_t at, const char *text, int count) { memcpy(code + at, text, count); }
#define PUT(at, ...) ({ static const uint8_t b_[] = { __VA_ARGS__ }; bytes(at, (const char *)b_, sizeof b_); })

static void limits(void)
{
    describe(CODE32, BASE, 0xFFF, 4);
    memset(code, 0x90, 0x2000);
    check_eq("running off the limit", go(CODE32, 0xFF0), OUTCOME(GP, 0));
    check_eq("EIP is the first byte outside", last.ip, 0x1000);
    PUT(0xFFC, 0xB8, 1, 2, 3, 4); /* mov eax, imm32 over the limit */
    check_eq("an instruction over the limit", go(CODE32, 0xFF0), OUTCOME(GP, 0));
    check_eq("EIP is that instruction", last.ip, 0xFFC);
    PUT(0xFFB, 0xB8, 1, 2, 3, 4);
    check_eq("an instruction that ends at the limit", (go(CODE32, 0xFF0), last.ip), 0x1000);
    check_eq("has run", (uint32_t)last.ax, 0x04030201);
    PUT(0x100, 0xE9, 0xFB, 0x1E, 0, 0); /* jmp 0x2000 */
    check_eq("a jump over the limit", go(CODE32, 0x100), OUTCOME(GP, 0));
    check_eq("is charged to the jump", last.ip, 0x100);
    PUT(0x200, 0xE8, 0xFB, 0x1D, 0, 0); /* call 0x2000 */
    check_eq("a call over the limit", (go(CODE32, 0x200), last.ip), 0x200);
    PUT(0x300, 0x68, 0, 0x20, 0, 0, 0xC3); /* push 0x2000; ret */
    check_eq("a return over the limit", (go(CODE32, 0x300), last.ip), 0x305);
    PUT(0x400, 0x31, 0xC0, 0x0F, 0x85, 0, 0x30, 0, 0, 0xCC); /* xor eax, eax; jnz far away; int3 */
    check_eq("a jump not taken is not checked", go(CODE32, 0x400), OUTCOME(BP, 0));
    PUT(0x500, 0x31, 0xC0, 0x0F, 0x84, 0, 0x30, 0, 0);
    check_eq("a jump taken is", (go(CODE32, 0x500), last.ip), 0x502);
    check_eq("EAX is from the new base", ({ PUT(0x600, 0x2E, 0xA1, 0, 7, 0, 0, 0xCC); PUT(0x700, 1, 2, 3, 4); go(CODE32, 0x600); (uint32_t)last.ax; }), 0x04030201);

    /* The same linear bytes through segments of two sizes. */
    describe(CODE16, BASE, 0xFFFF, 0);
    PUT(0x800, 0xB8, 0x11, 0x22, 0x33, 0xC0, 0xCC); /* 32-bit: mov eax, 0xC0332211; 16-bit: mov ax, 0x2211; xor ax, ax */
    check_eq("as 32-bit code", (go(CODE32, 0x800), (uint32_t)last.ax), 0xC0332211);
    check_eq("as 16-bit code", (go(CODE16, 0x800), (uint16_t)last.ax), 0);
    check_eq("and 32-bit again", (go(CODE32, 0x800), (uint32_t)last.ax), 0xC0332211);
    describe(CODE32, BASE + 0x10, 0xFFF, 4);
    PUT(0x910, 0x2E, 0x8B, 0x05, 0, 0, 0, 0, 0xCC); /* mov eax, cs:[0] */
    PUT(0x10, 0x78, 0x56, 0x34, 0x12);
    check_eq("another base", (go(CODE32, 0x900), (uint32_t)last.ax), 0x12345678);
    check_eq("EIP counts from it", last.ip, 0x908);
}

static void wrapping(void)
{
    describe(CODE16, BASE, 0xFFFF, 0);
    memset(code, 0x90, 0x10000);
    PUT(0xFFFD, 0xEB, 0x10); /* jmp short +0x10: to 0x000F */
    PUT(0x0F, 0xCC);
    check_eq("a short jump wraps at 64 KiB", go(CODE16, 0xFFFD), OUTCOME(BP, 0));
    check_eq("to the start", last.ip, 0x10);
    PUT(0x20, 0xE9, 0xDD, 0xFF); /* jmp 0x0000 */
    PUT(0, 0xCC);
    check_eq("a near jump wraps downwards", (go(CODE16, 0x20), last.ip), 1);
    PUT(0x30, 0x66, 0x68, 0, 0, 1, 0, 0x66, 0xC3); /* push dword 0x10000; ret dword */
    check_eq("a 32-bit return from 16-bit code does not wrap", go(CODE16, 0x30), OUTCOME(GP, 0));
    PUT(0x40, 0x68, 0x50, 0, 0xC3);
    PUT(0x50, 0xCC);
    check_eq("a 16-bit return", (go(CODE16, 0x40), last.ip), 0x51);
    memset(code + 0xFFF0, 0x90, 16);
    check_eq("running off 64 KiB", go(CODE16, 0xFFF0), OUTCOME(GP, 0));
    check_eq("IP goes on counting", last.ip, 0x10000);
    /* LOOP and JCXZ take the address size for CX, the operand size for IP. */
    PUT(0x60, 0xB9, 3, 0, 0x31, 0xC0, 0x40, 0xE2, 0xFD, 0xCC);
    check_eq("LOOP in 16-bit code", (go(CODE16, 0x60), (uint16_t)last.ax << 16 | (uint16_t)last.cx), 3 << 16);
    PUT(0x70, 0x66, 0xB9, 0, 0, 1, 0, 0xE3, 1, 0x90, 0xCC);
    check_eq("JCXZ looks at CX", (go(CODE16, 0x70), last.ip), 0x7A);
    PUT(0x80, 0x66, 0xB9, 0, 0, 1, 0, 0x67, 0xE3, 2, 0xCC, 0x90, 0xB0, 5, 0xCC);
    check_eq("JECXZ by prefix looks at ECX", (go(CODE16, 0x80), last.ip), 0x8A);
}

static void addressing_16(void)
{
    describe(CODE16, BASE, 0xFFFF, 0);
    describe(0x50, BASE, 0xFFFF, 0);
    gdt[0x50 / 8] = descriptor(BASE, 0xFFFF, 0x93, 0);
    memset(code, 0x90, 0x10000);
    for (int i = 0; i < 256; i++)
        code[0x1000 + i] = i;
    /* mov dx, 0x50; mov fs, dx; mov bx, ..; mov si, ..; mov al, fs:[bx+si+disp8]; int3 */
    PUT(0x100, 0xBA, 0x50, 0, 0x8E, 0xE2, 0xBB, 0, 0x10, 0xBE, 0x20, 0, 0x64, 0x8A, 0x40, 0x03, 0xCC);
    check_eq("[BX+SI+disp8]", (go(CODE16, 0x100), (uint8_t)last.ax), 0x23);
    PUT(0x100, 0xBA, 0x50, 0, 0x8E, 0xE2, 0xBB, 0xF0, 0xFF, 0xBE, 0x40, 0x10, 0x64, 0x8A, 0x40, 0xF0, 0xCC);
    check_eq("sums wrap at 64 KiB", (go(CODE16, 0x100), (uint8_t)last.ax), 0x20);
    PUT(0x100, 0xBA, 0x50, 0, 0x8E, 0xE2, 0xBD, 0, 0x10, 0x64, 0x8A, 0x46, 0x05, 0xCC);
    check_eq("[BP+disp8]", (go(CODE16, 0x100), (uint8_t)last.ax), 5);
    PUT(0x100, 0xBA, 0x50, 0, 0x8E, 0xE2, 0x64, 0x8A, 0x0E, 0x44, 0x10, 0xCC);
    check_eq("[disp16]", (go(CODE16, 0x100), (uint8_t)last.cx), 0x44);
    PUT(0x100, 0xBA, 0x50, 0, 0x8E, 0xE2, 0x66, 0xB8, 0x50, 0x10, 0, 0, 0x67, 0x64, 0x8A, 0x48, 0x07, 0xCC);
    check_eq("[EAX+disp8] by prefix", (go(CODE16, 0x100), (uint8_t)last.cx), 0x57);
    PUT(0x100, 0x66, 0xB9, 0x78, 0x56, 0x34, 0x12, 0xBB, 0xFF, 0xFF, 0x8D, 0x4F, 0x02, 0xCC);
    check_eq("LEA of 16 bits keeps the high half", (go(CODE16, 0x100), (uint32_t)last.cx >> 16), 0x1234);
}

void test_main(void)
{
    limits();
    wrapping();
    addressing_16();
}
