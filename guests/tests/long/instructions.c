/* What CPUID announces works, what it does not announce is undefined; instructions with rules of their own. */
#include "test.h"

static uint8_t bytes[64] __attribute__((aligned(64)));

/* An instruction that must run exactly if a CPUID bit is set. */
#define ANNOUNCED(name, bit, instruction, ...) CHECK_TRAP(name, (bit) ? NONE : UD, instruction, __VA_ARGS__)

static void announced(void)
{
    uint32_t c1 = cpuid(1, 0).c, b7 = cpuid(7, 0).b, c7 = cpuid(7, 0).c, ce = cpuid(0x80000001, 0).c, de = cpuid(0x80000001, 0).d;
    word a = 0;
    ANNOUNCED("POPCNT", c1 >> 23 & 1, "popcnt %0, %0", : "+r"(a));
    ANNOUNCED("MOVBE", c1 >> 22 & 1, "movbe (%1), %0", : "=r"(a) : "r"(bytes));
    ANNOUNCED("CRC32", c1 >> 20 & 1, "crc32b (%1), %k0", : "+r"(a) : "r"(bytes));
    ANNOUNCED("RDRAND", c1 >> 30 & 1, "rdrand %0", : "=r"(a) : : "cc");
    ANNOUNCED("RDSEED", b7 >> 18 & 1, "rdseed %0", : "=r"(a) : : "cc");
    ANNOUNCED("ANDN", b7 >> 3 & 1, "andn %0, %0, %0", : "+r"(a) : : "cc");
    ANNOUNCED("PEXT", b7 >> 8 & 1, "pext %0, %0, %0", : "+r"(a));
    ANNOUNCED("ADCX", b7 >> 19 & 1, "adcx %0, %0", : "+r"(a) : : "cc");
    ANNOUNCED("CLFLUSHOPT", b7 >> 23 & 1, "clflushopt (%0)", : : "r"(bytes));
    ANNOUNCED("CLWB", b7 >> 24 & 1, "clwb (%0)", : : "r"(bytes));
    ANNOUNCED("LZCNT or BSR", 1, "lzcnt %0, %0", : "+r"(a) : : "cc");
    ANNOUNCED("RDTSCP", de >> 27 & 1, "rdtscp", : : : "rax", "rcx", "rdx");
    ANNOUNCED("RDPID", c7 >> 22 & 1, "rdpid %0", : "=r"(a));
    ANNOUNCED("LAHF", ce & 1, "lahf", : : : "rax");
    ANNOUNCED("MONITOR", c1 >> 3 & 1, "monitor", : : "a"(bytes), "c"(0), "d"(0));
    ANNOUNCED("CMPXCHG16B", c1 >> 13 & 1, "cmpxchg16b (%0)", : : "r"(bytes), "a"(1), "b"(0), "c"(0), "d"(0) : "memory", "cc");
    ANNOUNCED("SHA1NEXTE", b7 >> 29 & 1, "sha1nexte %%xmm0, %%xmm0", ::);
    ANNOUNCED("AESENC", c1 >> 25 & 1, "aesenc %%xmm0, %%xmm0", ::);
    ANNOUNCED("PCLMULQDQ", c1 >> 1 & 1, "pclmulqdq $0, %%xmm0, %%xmm0", ::);
    ANNOUNCED("VMLAUNCH", 0, "vmlaunch", ::);
    check_eq("VMRUN", TRY("vmrun", : : "a"(0)), UD);
    check_eq("SMX", TRY("getsec", : : "a"(0)), UD);
    ANNOUNCED("PREFETCHW", 1, "prefetchw (%0)", : : "r"(bytes));
    ANNOUNCED("a hint NOP", 1, ".byte 0x0F, 0x1F, 0xC0", ::);
    ANNOUNCED("ENDBR64", 1, "endbr64", ::);
    CHECK_TRAP("PREFETCH of nowhere", NONE, "prefetcht0 (%0)", : : "r"(1ul << 63));
    CHECK_TRAP("NOP of nowhere", NONE, "nopw (%0)", : : "r"(1ul << 63));
    CHECK_TRAP("CLFLUSH of nowhere", GP, "clflush (%0)", : : "r"(1ul << 63));
}

static void locking(void)
{
    static const struct {
        const char *name;
        uint8_t code[8];
        int expected;
    } cases[] = {
        { "LOCK ADD to memory", { 0xF0, 0x01, 0x03 }, NONE },
        { "LOCK ADD to a register", { 0xF0, 0x03, 0x03 }, UD },
        { "LOCK CMP", { 0xF0, 0x39, 0x03 }, UD },
        { "LOCK TEST", { 0xF0, 0x85, 0x03 }, UD },
        { "LOCK MOV", { 0xF0, 0x89, 0x03 }, UD },
        { "LOCK INC", { 0xF0, 0xFF, 0x03 }, NONE },
        { "LOCK NOT", { 0xF0, 0xF7, 0x13 }, NONE },
        { "LOCK NEG", { 0xF0, 0xF7, 0x1B }, NONE },
        { "LOCK MUL", { 0xF0, 0xF7, 0x23 }, UD },
        { "LOCK BTS", { 0xF0, 0x0F, 0xAB, 0x03 }, NONE },
        { "LOCK BT", { 0xF0, 0x0F, 0xA3, 0x03 }, UD },
        { "LOCK XADD", { 0xF0, 0x0F, 0xC1, 0x03 }, NONE },
        { "LOCK CMPXCHG", { 0xF0, 0x0F, 0xB1, 0x03 }, NONE },
        { "LOCK XCHG", { 0xF0, 0x87, 0x03 }, NONE },
        { "LOCK SHL", { 0xF0, 0xD3, 0x23 }, UD },
        { "LOCK CMPXCHG8B", { 0xF0, 0x0F, 0xC7, 0x0B }, NONE },
        { "CMPXCHG8B of a register", { 0x0F, 0xC7, 0xC8 }, UD },
        { "LOCK ADC to memory", { 0xF0, 0x11, 0x03 }, NONE },
    };
    static uint8_t code[16];
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        memset(code, 0x90, sizeof code);
        memcpy(code, cases[i].code, sizeof cases[i].code);
        /* The rest of each entry is zeros: put the return right behind the bytes that count. */
        int length = sizeof cases[i].code;
        while (length && !cases[i].code[length - 1])
            length--;
        code[length] = 0xC3;
        TRY_THEN("mov %%rsp, %%rsi\n call *%0", "mov %%rsi, %%rsp",
                 : : "D"(code), "b"(bytes), "a"(0), "c"(0), "d"(0) : "rsi", "memory", "cc");
        check_eq(cases[i].name, last.vector, cases[i].expected);
    }
}

static void own_rules(void)
{
    word a, c, d;
    bool zero;
    CHECK_ERROR("CMPXCHG16B off alignment", GP, 0, "cmpxchg16b (%0)", : : "r"(bytes + 8), "a"(0), "b"(0), "c"(0), "d"(0) : "memory", "cc");
    memset(bytes, 0, 16);
    asm volatile("lock cmpxchg16b (%3)" : "=@ccz"(zero), "=a"(a), "=d"(d) : "r"(bytes), "a"(0ul), "d"(0ul), "b"(5ul), "c"(6ul) : "memory");
    check_eq("CMPXCHG16B exchanges", zero << 8 | bytes[0] << 4 | bytes[8], 0x156);
    asm volatile("cmpxchg16b (%3)" : "=@ccz"(zero), "=a"(a), "=d"(d) : "r"(bytes), "a"(0ul), "d"(0ul), "b"(7ul), "c"(8ul) : "memory");
    check_eq("CMPXCHG16B loads", (uint64_t)zero << 8 | a << 4 | d, 0x56);

    asm volatile("xor %%eax, %%eax\n mov $0xFFFFFFFF, %k0\n bsf %%eax, %k0" : "=&r"(a) : : "rax", "cc");
    check_eq("BSF of 0 keeps the destination", a, 0xFFFFFFFF);
    asm volatile("mov $33, %%cl\n mov $1, %k0\n shl %%cl, %k0" : "=r"(a) : : "rcx", "cc");
    check_eq("shift counts have 5 bits", a, 2);
    asm volatile("mov $65, %%cl\n mov $1, %k0\n shl %%cl, %0" : "=r"(a) : : "rcx", "cc");
    check_eq("and 6 in 64-bit operands", a, 2);
    asm volatile("mov $0x8000000000000000, %0\n cqto\n" : "=a"(a), "=d"(d));
    check_eq("CQO", d, ~0ul);
    asm volatile("cmovc %1, %k0" : "=r"(a) : "m"(bytes[0]), "0"(~0ul) : "cc");
    check_eq("CMOV that does not move clears the high half", a >> 32, 0);
    CHECK_TRAP("CMOV reads its operand in any case", GP, "clc\n cmovc (%1), %0", : "+r"(a) : "r"(1ul << 63) : "cc");
    asm volatile("bt %1, %2" : "=@ccc"(zero) : "r"(69ul), "m"(*(uint64_t *)bytes));
    check_eq("BT of memory goes beyond the operand", zero, (6 >> 5) & 1);
    asm volatile("bt %1, %2" : "=@ccc"(zero) : "r"(66ul), "m"(*(uint64_t *)bytes));
    check_eq("by the index", zero, 1);
    a = 0x1122334455667788;
    asm volatile("bswap %k0" : "+r"(a));
    check_eq("BSWAP", a, 0x88776655);
    asm volatile(".byte 0x90" : "=a"(a) : "0"(~0ul));
    check_eq("0x90 is no XCHG", a, ~0ul);
    asm volatile(".byte 0x87, 0xC0" : "=a"(a) : "0"(~0ul));
    check_eq("XCHG EAX, EAX otherwise clears the high half", a, 0xFFFFFFFF);
    asm volatile("enter $16, $0\n mov %%rbp, %0\n sub %%rsp, %0\n leave" : "=r"(a) : : "memory");
    check_eq("ENTER", a, 16);
    asm volatile("mov $0xFFFFFFFFFFFFFFFF, %0\n pushw $0x1234\n popw %w0" : "=&r"(a));
    check_eq("POP of a word merges", a, 0xFFFFFFFFFFFF1234);
    asm volatile("push %%rsp\n pop %0\n mov %%rsp, %1" : "=r"(a), "=r"(c));
    check_eq("PUSH RSP pushes the old value", a, c);
    asm volatile("mov %%rsp, %%rbx\n push $0x55\n mov %%rsp, %%rax\n pop (%%rsp)\n mov (%%rsp), %0\n mov %%rbx, %%rsp"
                 : "=&r"(a) : : "rax", "rbx", "memory");
    check_eq("POP to memory uses RSP behind the pop", a, 0x55);
    wrmsr(0xC0000103, 0x77);
    asm volatile("rdtscp" : "=c"(c) : : "rax", "rdx");
    check_eq("RDTSCP brings TSC_AUX", c, 0x77);
}

static void machine_registers(void)
{
    uint64_t before = rdtsc(), after = rdtsc();
    check("the TSC does not go back", after >= before);
    wrmsr(0x10, 0x123456789ABC);
    check("the TSC can be set", rdtsc() - 0x123456789ABC < 1ull << 36);
    if (cpuid(7, 0).b >> 1 & 1) {
        wrmsr(0x3B, 0);
        uint64_t now = rdtsc();
        wrmsr(0x3B, 1ull << 40);
        check("TSC_ADJUST moves it", rdtsc() - now >= 1ull << 40);
        wrmsr(0x3B, 0);
    } else {
        skip("TSC_ADJUST moves it");
    }
    check_eq("PAT at reset", rdmsr(0x277), 0x0007040600070406);
    check_eq("PAT of a reserved type", try_wrmsr(0x277, 2), GP);
    wrmsr(0x277, 0x0007010600070106);
    check_eq("PAT keeps", rdmsr(0x277), 0x0007010600070106);
    wrmsr(0x277, 0x0007040600070406);
    int count = rdmsr(0xFE) & 0xFF;
    check("some variable MTRRs", count > 0);
    wrmsr(0x200, 0x80000006);
    check_eq("MTRR base keeps", rdmsr(0x200), 0x80000006);
    check_eq("MTRR of a reserved type", try_wrmsr(0x200, 0x80000002), GP);
    wrmsr(0x200, 0);
    wrmsr(0x2FF, 0x806);
    check_eq("MTRR default type keeps", rdmsr(0x2FF), 0x806);
    check_eq("MTRR default type: reserved bits", try_wrmsr(0x2FF, 0x1006), GP);
    check_eq("fixed MTRR keeps", (wrmsr(0x250, 0x0606060606060606), rdmsr(0x250)), 0x0606060606060606);
    check_eq("the capabilities are read-only", try_wrmsr(0xFE, 0), GP);
    check_eq("RDMSR of nothing", try_rdmsr(0x2000), GP);
    check_eq("WRMSR of nothing", try_wrmsr(0x2000, 0), GP);
    check_eq("hypervisor leaves read 0 or have a name", cpuid(1, 0).c >> 31 ? 0 : cpuid(0x40000000, 0).a, 0);
}

void test_main(void)
{
    announced();
    locking();
    own_rules();
    machine_registers();
}
