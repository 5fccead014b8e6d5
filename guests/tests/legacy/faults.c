/* Each exception, its error code and class, and what wins when an instruction has several. */
#include "test.h"

enum { SLOT = 0x40 };

static void simple_faults(void)
{
    uint32_t a, d;
    CHECK_TRAP("DIV by zero", DE, "div %2", : "=a"(a), "=d"(d) : "r"(0), "0"(1), "1"(0));
    CHECK_TRAP("DIV overflow", DE, "div %2", : "=a"(a), "=d"(d) : "r"(1), "0"(0), "1"(1));
    CHECK_TRAP("IDIV overflow", DE, "idiv %2", : "=a"(a), "=d"(d) : "r"(-1), "0"(0x80000000), "1"(-1));
    CHECK_TRAP("IDIV of bytes overflow", DE, "idivb %b1", : "=a"(a) : "q"(1), "0"(0x80));
    CHECK_TRAP("AAM 0", DE, "aam $0", : "=a"(a) : "0"(5));
    CHECK_TRAP("INT3", BP, "97: int3", ::);
    check_eq("INT3 is a trap", *(uint8_t *)(last.ip - 1), 0xCC);
    CHECK_TRAP("INTO without overflow", NONE, "xor %%eax, %%eax\n into", : : : "eax");
    CHECK_TRAP("INTO with overflow", OF, "mov $0x7FFFFFFF, %%eax\n inc %%eax\n into", : : : "eax");
    static const int32_t bounds[2] = { -5, 10 };
    CHECK_TRAP("BOUND inside", NONE, "bound %0, %1", : : "r"(10), "m"(bounds));
    CHECK_TRAP("BOUND above", BR, "bound %0, %1", : : "r"(11), "m"(bounds));
    CHECK_TRAP("BOUND below", BR, "bound %0, %1", : : "r"(-6), "m"(bounds));
    CHECK_TRAP("UD2", UD, "ud2", ::);
    CHECK_TRAP("UD1", UD, ".byte 0x0F, 0xB9, 0xC0", ::);
    CHECK_TRAP("UD0", UD, ".byte 0x0F, 0xFF, 0xC0", ::);
    CHECK_TRAP("undefined group member", UD, ".byte 0xFE, 0xF8", ::);
    CHECK_TRAP("LOCK with a register", UD, ".byte 0xF0, 0x01, 0xC0", ::);
    CHECK_TRAP("LOCK with MOV", UD, ".byte 0xF0, 0x8B, 0x04, 0x24", : : : "eax");
    CHECK_TRAP("LOCK with NOP", UD, ".byte 0xF0, 0x90", ::);
    CHECK_TRAP("LEA of a register", UD, ".byte 0x8D, 0xC0", ::);
    CHECK_TRAP("MOV to CS", UD, ".byte 0x8E, 0xC8", ::);
    CHECK_TRAP("MOV from CR1", UD, ".byte 0x0F, 0x20, 0xC8", ::);
    CHECK_TRAP("15 bytes", NONE, ".fill 14, 1, 0x66\n nop", ::);
    CHECK_ERROR("16 bytes", GP, 0, ".fill 15, 1, 0x66\n nop", ::);
    CHECK_TRAP("SYSCALL outside long mode without SCE", UD, "syscall", : : : "ecx");
    CHECK_TRAP("RSM outside SMM", UD, "rsm", ::);
    check_eq("unknown MSR", (try_rdmsr(0x12345678), LAST), OUTCOME(GP, 0));
}

static void coprocessor(void)
{
    word cr0 = get_cr0();
    set_cr0((cr0 | CR0_TS) & ~(CR0_MP | CR0_EM));
    CHECK_TRAP("x87 with TS", NM, "fnop", ::);
    CHECK_TRAP("WAIT with TS alone", NONE, "fwait", ::);
    set_cr0(cr0 | CR0_TS | CR0_MP);
    CHECK_TRAP("WAIT with TS and MP", NM, "fwait", ::);
    set_cr0((cr0 | CR0_EM) & ~CR0_TS);
    CHECK_TRAP("x87 with EM", NM, "fninit", ::);
    CHECK_TRAP("MMX with EM", UD, "pxor %%mm0, %%mm0", ::);
    set_cr0((cr0 | CR0_NE | CR0_MP) & ~(CR0_TS | CR0_EM));
    uint16_t control = 0x37B; /* zero divide unmasked */
    static const float zero;
    asm volatile("fninit\n fldcw %0\n fld1\n fdivs %1" : : "m"(control), "m"(zero));
    CHECK_TRAP("a pending x87 exception waits for the next instruction", MF, "fld1", ::);
    CHECK_TRAP("WAIT sees it", MF, "fwait", ::);
    CHECK_TRAP("FNSTSW does not", NONE, "fnstsw %%ax", : : : "eax");
    CHECK_TRAP("FNINIT clears it", NONE, "fninit\n fwait", ::);
    set_cr4(get_cr4() & ~0x200ul);
    CHECK_TRAP("SSE without OSFXSR", UD, "xorps %%xmm0, %%xmm0", ::);
    set_cr4(get_cr4() | 0x600);
    CHECK_TRAP("SSE with OSFXSR", NONE, "xorps %%xmm0, %%xmm0", ::);
    uint32_t mxcsr = 0x1F80 & ~0x200u;
    static const float one[4] __attribute__((aligned(16))) = { 1, 1, 1, 1 };
    asm volatile("ldmxcsr %0" : : "m"(mxcsr));
    CHECK_TRAP("unmasked SSE exception", XM, "movaps %0, %%xmm1\n divps %%xmm0, %%xmm1", : : "m"(one));
    set_cr4(get_cr4() & ~0x400ul);
    CHECK_TRAP("the same without OSXMMEXCPT", UD, "movaps %0, %%xmm1\n divps %%xmm0, %%xmm1", : : "m"(one));
    set_cr4(get_cr4() | 0x400);
    mxcsr = 0x10000;
    CHECK_ERROR("reserved MXCSR bit", GP, 0, "ldmxcsr %0", : : "m"(mxcsr));
    mxcsr = 0x1F80;
    asm volatile("ldmxcsr %0" : : "m"(mxcsr));
    static const uint8_t odd[32] __attribute__((aligned(16)));
    CHECK_ERROR("MOVAPS of an odd address", GP, 0, "movaps %0, %%xmm0", : : "m"(odd[1]));
    CHECK_TRAP("MOVUPS of an odd address", NONE, "movups %0, %%xmm0", : : "m"(odd[1]));
    set_cr0(cr0);
}

asm("user_align: mov 1(%eax), %ebx\n int $0x80\n"
    "user_align_ac: pushf\n orl $0x40000, (%esp)\n popf\n mov 1(%eax), %ebx\n int $0x80\n"
    "user_align_byte: pushf\n orl $0x40000, (%esp)\n popf\n mov 1(%eax), %bl\n int $0x80\n");
extern char user_align[], user_align_ac[], user_align_byte[];
static uint32_t data[4];

static void user(const char *code)
{
    last.error = 0;
    run_user((word)code, (word)user_stack_top, (word)data);
}

static void alignment(void)
{
    set_cr0(get_cr0() | CR0_AM);
    user(user_align);
    check_eq("odd address without AC", last.vector, 0x80);
    user(user_align_ac);
    check_eq("odd address with AC", LAST, OUTCOME(AC, 0));
    user(user_align_byte);
    check_eq("a byte is always aligned", last.vector, 0x80);
    uint32_t value;
    CHECK_TRAP("ring 0 does not check", NONE, "pushf\n orl $0x40000, (%%esp)\n popf\n mov 1(%1), %0",
               : "=r"(value) : "r"(data));
    asm volatile("pushf\n andl $~0x40000, (%%esp)\n popf" : : : "cc", "memory");
    set_cr0(get_cr0() & ~CR0_AM);
    user(user_align_ac);
    check_eq("AC without CR0.AM", last.vector, 0x80);
}

static void selectors(void)
{
    gdt[SLOT / 8] = 0;
    CHECK_ERROR("error code is the selector without RPL", GP, SLOT, "mov %0, %%es", : : "r"(SLOT | 3));
    gdt[SLOT / 8] = descriptor(0, 0xFFFFF, 0x12, 0xC);
    CHECK_ERROR("segment not present", NP, SLOT, "mov %0, %%es", : : "r"(SLOT));
    CHECK_ERROR("type wins over presence", GP, SLOT,
                "movl $0x1800, gdt + 0x44\n mov %0, %%es", : : "r"(SLOT) : "memory"); /* execute-only, absent */
    TRY_THEN("pushf\n push $0\n push $0\n iret", "add $12, %%esp", ::);
    check_eq("IRET to null", LAST, OUTCOME(GP, 0));
    TRY_THEN("pushf\n push %0\n push $0\n iret", "add $12, %%esp", : : "r"(SLOT));
    check_eq("IRET to an absent segment", LAST, OUTCOME(NP, SLOT));
}

/* What is checked first on one instruction. */
static void priorities(void)
{
    word cr0 = get_cr0();
    set_cr0(cr0 | CR0_TS | CR0_EM);
    CHECK_TRAP("#UD of MMX with EM before #NM", UD, "pxor %%mm0, %%mm0", ::);
    set_cr0(cr0 | CR0_TS);
    gdt[SLOT / 8] = descriptor(0, 0, 0x91, 4);
    asm volatile("mov %0, %%fs" : : "r"(SLOT));
    CHECK_TRAP("#NM before the limit", NM, "flds %%fs:0x100", ::);
    set_cr0(cr0);
    CHECK_TRAP("the limit", GP, "flds %%fs:0x100", ::);
    uint32_t a, d;
    CHECK_TRAP("the divisor is fetched before it is judged", GP, "divl %%fs:0x100", : "=a"(a), "=d"(d) : "0"(1), "1"(1));
    check_eq("16 bytes win over #UD", TRY(".fill 15, 1, 0x66\n ud2", ::), GP);
    asm volatile("mov %0, %%fs" : : "r"(0x10));
}

static void remove_gate(int vector) { idt[vector] &= ~(1ull << 47); }

/* A fault while delivering a fault. Bit 0 of an error code says that the first was not the program's wish. */
static void double_faults(void)
{
    remove_gate(GP);
    CHECK_ERROR("fault in delivering #GP", DF, 0, "mov %0, %%es", : : "r"(0x1F8 | 3));
    reset_gate(GP);
    remove_gate(UD);
    CHECK_ERROR("a fault in delivering a benign one is served itself", NP, UD * 8 + 3, "ud2", ::);
    remove_gate(NP);
    CHECK_ERROR("two contributory faults behind a benign one", DF, 0, "ud2", ::);
    reset_gate(NP);
    idt[UD] = 0;
    CHECK_ERROR("an entry that is no gate", GP, UD * 8 + 3, "ud2", ::);
    reset_gate(UD);
    remove_gate(0x33);
    CHECK_ERROR("a software interrupt's missing gate", NP, 0x33 * 8 + 2, "int $0x33", ::);
    reset_gate(0x33);
    remove_gate(DE);
    uint32_t a, d;
    last.error = 0;
    TRY("div %2", : "=a"(a), "=d"(d) : "r"(0), "0"(1), "1"(0));
    check_eq("#DE is contributory", LAST, OUTCOME(DF, 0));
    reset_gate(DE);
    remove_gate(BP);
    CHECK_ERROR("INT3's missing gate", NP, BP * 8 + 2, "int3", ::);
    reset_gate(BP);
}

static void resume_flag(void)
{
    CHECK_TRAP("fault", UD, "ud2", ::);
    check_eq("a fault pushes RF", last.flags & FLAG_RF, FLAG_RF);
    CHECK_TRAP("trap", BP, "int3", ::);
    check_eq("a trap does not", last.flags & FLAG_RF, 0);
}

void test_main(void)
{
    simple_faults();
    coprocessor();
    alignment();
    selectors();
    priorities();
    double_faults();
    resume_flag();
}
