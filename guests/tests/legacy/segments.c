/* Segment loads, limits and types in protected mode. Intel SDM 3A "Protection". */
#include "test.h"

enum { SLOT = 0x40 }; /* a free descriptor */
static uint8_t buffer[8192] __attribute__((aligned(4096)));

static void describe(uint32_t base, uint32_t limit, int type, int flags)
{
    gdt[SLOT / 8] = descriptor(base, limit, type, flags);
}

/* Loads FS with the slot described so. */
static void fs(uint32_t base, uint32_t limit, int type, int flags)
{
    describe(base, limit, type, flags);
    asm volatile("mov %0, %%fs" : : "r"(SLOT));
}

static int read_fs(uint32_t offset, int size)
{
    uint32_t value;
    switch (size) {
    case 1: return TRY("movb %%fs:(%1), %b0", : "=q"(value) : "r"(offset) : "memory");
    case 2: return TRY("movw %%fs:(%1), %w0", : "=r"(value) : "r"(offset) : "memory");
    default: return TRY("movl %%fs:(%1), %0", : "=r"(value) : "r"(offset) : "memory");
    }
}

static int write_fs(uint32_t offset)
{
    return TRY("movb %b1, %%fs:(%0)", : : "r"(offset), "q"(0) : "memory");
}

static void limits(void)
{
    buffer[0x10] = 0x5A;
    fs((word)buffer, 0x1F, 0x93, 4);
    uint8_t byte;
    asm volatile("movb %%fs:0x10, %0" : "=q"(byte));
    check_eq("base is added", byte, 0x5A);
    check_eq("byte at the limit", read_fs(0x1F, 1), NONE);
    check_eq("byte beyond the limit", read_fs(0x20, 1), GP);
    check_eq("word ending at the limit", read_fs(0x1E, 2), NONE);
    check_eq("word crossing the limit", read_fs(0x1F, 2), GP);
    check_eq("doubleword ending at the limit", read_fs(0x1C, 4), NONE);
    check_eq("doubleword crossing the limit", read_fs(0x1D, 4), GP);
    check_eq("limit fault has error code 0", last.error, 0);
    check_eq("far beyond", read_fs(0xFFFFFFFF, 1), GP);
    check_eq("wrap around the end of the offset", read_fs(0xFFFFFFFE, 4), GP);

    fs((word)buffer, 0, 0x93, 0xC);
    check_eq("page granularity: end of page", read_fs(0xFFF, 1), NONE);
    check_eq("page granularity: next page", read_fs(0x1000, 1), GP);

    fs((word)buffer, 0xFFF, 0x97, 4); /* expand-down: valid above the limit */
    check_eq("expand-down at the limit", read_fs(0xFFF, 1), GP);
    check_eq("expand-down above the limit", read_fs(0x1000, 1), NONE);
    fs((word)buffer, 0xFFF, 0x97, 0);
    check_eq("small expand-down ends at 64 KiB", read_fs(0x10000, 1), GP);
    check_eq("small expand-down below the end", read_fs(0x1FFF, 1), NONE);
    fs((word)buffer, 0xFFFFF, 0x97, 4);
    check_eq("expand-down big: above", read_fs(0x100000, 1), NONE);
}

static void types(void)
{
    fs((word)buffer, 0xFFF, 0x91, 4);
    check_eq("read-only: read", read_fs(0, 4), NONE);
    check_eq("read-only: write", write_fs(0), GP);
    fs((word)buffer, 0xFFF, 0x9B, 4);
    check_eq("readable code: read", read_fs(0, 4), NONE);
    check_eq("readable code: write", write_fs(0), GP);
    describe(0, 0xFFFFF, 0x99, 0xC);
    CHECK_ERROR("execute-only code as data", GP, SLOT, "mov %0, %%fs", : : "r"(SLOT));
    CHECK_ERROR("execute-only code by prefix", GP, 0, "ljmp %0, $98f\n98: mov %%cs:0x100000, %%eax",
                : : "i"(SLOT) : "eax");
    describe(0, 0xFFFFF, 0x13, 0xC);
    CHECK_ERROR("not present data", NP, SLOT, "mov %0, %%fs", : : "r"(SLOT));
    describe(0, 0xFFFFF, 0x89, 0xC);
    CHECK_ERROR("system segment as data", GP, SLOT, "mov %0, %%fs", : : "r"(SLOT));
    CHECK_ERROR("beyond the table", GP, 0x200, "mov %0, %%fs", : : "r"(0x202));
    CHECK_ERROR("absent local table", GP, 0x44, "mov %0, %%fs", : : "r"(0x44));
    describe(0, 0xFFFFF, 0x92, 0xC);
    asm volatile("mov %0, %%fs" : : "r"(SLOT));
    check_eq("load sets the accessed bit", gdt[SLOT / 8] >> 40 & 1, 1);
}

static void null_selectors(void)
{
    for (int selector = 0; selector < 4; selector++) {
        asm volatile("mov %0, %%gs" : : "r"(selector));
        CHECK_ERROR("null selector: use", GP, 0, "mov %%gs:0, %%eax", : : : "eax");
    }
    CHECK_ERROR("null selector: stack", GP, 0, "mov %0, %%ss", : : "r"(0));
}

static void stack_segment(void)
{
    describe(0, 0xFFFFF, 0x91, 0xC);
    CHECK_ERROR("stack: read-only", GP, SLOT, "mov %0, %%ss", : : "r"(SLOT));
    describe(0, 0xFFFFF, 0x9B, 0xC);
    CHECK_ERROR("stack: code", GP, SLOT, "mov %0, %%ss", : : "r"(SLOT));
    describe(0, 0xFFFFF, 0x13, 0xC);
    CHECK_ERROR("stack: not present", SS, SLOT, "mov %0, %%ss", : : "r"(SLOT));
    describe(0, 0xFFFFF, 0x93, 0xC);
    CHECK_ERROR("stack: wrong RPL", GP, SLOT, "mov %0, %%ss", : : "r"(SLOT + 1));
    describe(0, 0xFFFFF, 0xF3, 0xC);
    CHECK_ERROR("stack: wrong DPL", GP, SLOT, "mov %0, %%ss", : : "r"(SLOT));

    /* A flat stack of 4 MiB: the handler works on it, a reference through EBP lies beyond. */
    describe(0, 0x3FF, 0x93, 0xC);
    asm volatile("mov %0, %%ss" : : "r"(SLOT));
    TRY_THEN("mov %%ebp, %%edi\n\t mov $0x400000, %%ebp\n\t mov (%%ebp), %%eax",
             "mov %%edi, %%ebp\n\t mov $0x10, %%edi\n\t mov %%edi, %%ss", : : : "eax", "edi");
    check_eq("beyond the stack's limit by EBP", LAST, OUTCOME(SS, 0));
}

static void code_segment(void)
{
    describe(0, 0xFFFFF, 0x93, 0xC);
    CHECK_ERROR("far jump to data", GP, SLOT, "ljmp %0, $0", : : "i"(SLOT));
    describe(0, 0xFFFFF, 0x1B, 0xC);
    CHECK_ERROR("far jump to not present", NP, SLOT, "ljmp %0, $0", : : "i"(SLOT));
    describe(0, 0xFFFFF, 0xFB, 0xC);
    CHECK_ERROR("far jump to ring 3", GP, SLOT, "ljmp %0, $0", : : "i"(SLOT));
    CHECK_ERROR("far jump to null", GP, 0, "ljmp $0, $0", ::);
    describe(0, 0xFF, 0x9B, 4);
    CHECK_ERROR("far jump beyond the limit", GP, 0, "ljmp %0, $0x100", : : "i"(SLOT));
    describe(0, 0xFFFFF, 0x9F, 0xC);
    uint32_t cs;
    asm volatile("ljmp %1, $1f\n1: mov %%cs, %0\n\t ljmp $8, $2f\n2:" : "=r"(cs) : "i"(SLOT));
    check_eq("conforming code of the same ring", cs, SLOT);
}

static void queries(void)
{
    uint32_t value;
    bool zero;
    describe(0, 0xABCDE, 0x93, 0xC);
    asm volatile("lsl %2, %0" : "=r"(value), "=@ccz"(zero) : "r"(SLOT));
    check_eq("LSL in pages", zero ? value : 0, 0xABCDEFFF);
    describe(0, 0xABCDE, 0x93, 4);
    asm volatile("lsl %2, %0" : "=r"(value), "=@ccz"(zero) : "r"(SLOT));
    check_eq("LSL in bytes", zero ? value : 0, 0xABCDE);
    asm volatile("lar %2, %0" : "=r"(value), "=@ccz"(zero) : "r"(SLOT));
    check_eq("LAR", zero ? value & 0xF0FF00 : 0, 0x409300);
    describe(0, 0, 0x86, 0); /* interrupt gate */
    asm volatile("lar %2, %0" : "=r"(value), "=@ccz"(zero) : "r"(SLOT));
    check_eq("LAR of an interrupt gate", zero, 0);
    asm volatile("lsl %2, %0" : "=r"(value), "=@ccz"(zero) : "r"(0));
    check_eq("LSL of null", zero, 0);
    describe(0, 0xFFFFF, 0x91, 0xC);
    asm volatile("verr %1" : "=@ccz"(zero) : "r"((uint16_t)SLOT));
    check_eq("VERR of read-only", zero, 1);
    asm volatile("verw %1" : "=@ccz"(zero) : "r"((uint16_t)SLOT));
    check_eq("VERW of read-only", zero, 0);
    describe(0, 0xFFFFF, 0x99, 0xC);
    asm volatile("verr %1" : "=@ccz"(zero) : "r"((uint16_t)SLOT));
    check_eq("VERR of execute-only", zero, 0);
    uint32_t selector = 0x10;
    asm volatile("arpl %w2, %w0" : "+r"(selector), "=@ccz"(zero) : "r"(3));
    check_eq("ARPL raises", selector << 1 | zero, 0x13 << 1 | 1);
    asm volatile("arpl %w2, %w0" : "+r"(selector), "=@ccz"(zero) : "r"(1));
    check_eq("ARPL keeps", selector << 1 | zero, 0x13 << 1);
}

static uint64_t local_table[4];

static void local_descriptors(void)
{
    local_table[1] = descriptor((word)buffer, 0xFF, 0x93, 4);
    describe((word)local_table, sizeof local_table - 1, 0x82, 0);
    asm volatile("lldt %0" : : "r"((uint16_t)SLOT));
    uint32_t value;
    buffer[4] = 0x77;
    asm volatile("mov %1, %%fs\n\t movzbl %%fs:4, %0" : "=r"(value) : "r"(0xC));
    check_eq("segment of the local table", value, 0x77);
    CHECK_ERROR("beyond the local table", GP, 0x24, "mov %0, %%fs", : : "r"(0x24));
    uint32_t ldtr;
    asm volatile("sldt %0" : "=r"(ldtr));
    check_eq("SLDT", ldtr, SLOT);
    describe((word)local_table, 31, 0x02, 0);
    CHECK_ERROR("LLDT of not present", NP, SLOT, "lldt %0", : : "r"((uint16_t)SLOT));
    describe((word)local_table, 31, 0x92, 0);
    CHECK_ERROR("LLDT of data", GP, SLOT, "lldt %0", : : "r"((uint16_t)SLOT));
    CHECK_ERROR("LLDT from the local table", GP, 0xC, "lldt %0", : : "r"((uint16_t)0xC));
    asm volatile("mov %0, %%fs\n\t lldt %w0" : : "r"(0));
    CHECK_ERROR("no local table any more", GP, 0xC, "mov %0, %%fs", : : "r"(0xC));
    CHECK_ERROR("LTR of a busy segment", GP, 0x28, "ltr %0", : : "r"((uint16_t)0x28));
}

static void far_pointers(void)
{
    struct __attribute__((packed)) {
        uint32_t offset;
        uint16_t selector;
    } pointer = { 0x1234, 0x10 }, bad = { 0x1234, 0x48 };
    uint32_t offset, selector;
    asm volatile("lfs %2, %0\n\t mov %%fs, %1" : "=&r"(offset), "=r"(selector) : "m"(pointer));
    check_eq("LFS", (uint64_t)selector << 32 | offset, 0x1000001234);
    gdt[9] = 0;
    offset = 7;
    CHECK_ERROR("LFS of a bad selector", GP, 0x48, "lfs %1, %0", : "+r"(offset) : "m"(bad));
    check_eq("a faulting LFS keeps the register", offset, 7);
}

void test_main(void)
{
    limits();
    types();
    null_selectors();
    stack_segment();
    code_segment();
    queries();
    local_descriptors();
    far_pointers();
}
