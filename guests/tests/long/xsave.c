/* FXSAVE and the XSAVE family. Intel SDM 1 "Managing State Using the XSAVE Feature Set". */
#include "test.h"

static uint8_t area[8192] __attribute__((aligned(64)));
static uint8_t other[8192] __attribute__((aligned(64)));

static uint64_t *header(uint8_t *from) { return (uint64_t *)(from + 512); }

static uint64_t xgetbv(uint32_t index)
{
    uint32_t low, high;
    asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(index));
    return (uint64_t)high << 32 | low;
}
static int try_xsetbv(uint32_t index, uint64_t value)
{
    last.error = 0;
    return TRY("xsetbv", : : "c"(index), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)));
}
#define SAVE(instruction, to, mask) \
    asm volatile(instruction " (%0)" : : "r"(to), "a"((uint32_t)(mask)), "d"(0) : "memory")
#define TRY_SAVE(instruction, to, mask) \
    (last.error = 0, TRY(instruction " (%0)", : : "r"(to), "a"((uint32_t)(mask)), "d"(0) : "memory"))

static void fill_x87(void)
{
    asm volatile("fninit\n fld1\n fldpi");
}
static void fill_sse(uint64_t value)
{
    asm volatile("movq %0, %%xmm3\n punpcklqdq %%xmm3, %%xmm3" : : "r"(value));
}
static uint64_t sse(void)
{
    uint64_t value;
    asm volatile("movq %%xmm3, %0" : "=r"(value));
    return value;
}

static void legacy_image(void)
{
    fill_x87();
    fill_sse(0x1122334455667788);
    memset(area, 0xCC, 512);
    asm volatile("fxsave (%0)" : : "r"(area) : "memory");
    check_eq("FXSAVE: control word", *(uint16_t *)area, 0x37F);
    check_eq("FXSAVE: status word has the top of stack", *(uint16_t *)(area + 2) >> 11 & 7, 6);
    check_eq("FXSAVE: abridged tags", area[4], 0xC0);
    check_eq("FXSAVE: MXCSR", *(uint32_t *)(area + 24), 0x1F80);
    check_eq("FXSAVE: ST0 is pi", *(uint64_t *)(area + 32), 0xC90FDAA22168C235);
    check_eq("FXSAVE: its exponent", *(uint16_t *)(area + 40), 0x4000);
    check_eq("FXSAVE: ST1 is one", *(uint16_t *)(area + 56), 0x3FFF);
    check_eq("FXSAVE: XMM3", *(uint64_t *)(area + 160 + 48 + 8), 0x1122334455667788);
    check_eq("FXSAVE: the tail is left alone", *(uint64_t *)(area + 464), 0xCCCCCCCCCCCCCCCC);
    asm volatile("fninit");
    fill_sse(0);
    asm volatile("fxrstor (%0)" : : "r"(area) : "memory");
    check_eq("FXRSTOR: XMM3", sse(), 0x1122334455667788);
    uint16_t status;
    asm volatile("fnstsw %0" : "=m"(status));
    check_eq("FXRSTOR: status word", status >> 11 & 7, 6);
    CHECK_ERROR("FXSAVE off alignment", GP, 0, "fxsave (%0)", : : "r"(area + 8) : "memory");
    *(uint32_t *)(area + 24) = 0x80000000;
    CHECK_ERROR("FXRSTOR of reserved MXCSR bits", GP, 0, "fxrstor (%0)", : : "r"(area) : "memory");
    set_cr0(get_cr0() | CR0_TS);
    CHECK_TRAP("FXSAVE with TS", NM, "fxsave (%0)", : : "r"(area) : "memory");
    CHECK_TRAP("SSE with TS", NM, "xorps %%xmm0, %%xmm0", ::);
    asm volatile("clts");
}

static void enabling(void)
{
    CHECK_TRAP("XGETBV without OSXSAVE", UD, "xgetbv", : : "c"(0) : "rax", "rdx");
    check_eq("XSAVE without OSXSAVE", TRY_SAVE("xsave", area, 3), UD);
    check_eq("CPUID: OSXSAVE is clear", cpuid(1, 0).c >> 27 & 1, 0);
    set_cr4(get_cr4() | CR4_OSXSAVE);
    check_eq("CPUID: OSXSAVE follows", cpuid(1, 0).c >> 27 & 1, 1);
    check_eq("XCR0 at reset", xgetbv(0), 1);
    check_eq("x87 cannot be off", try_xsetbv(0, 2), GP);
    check_eq("AVX needs SSE", try_xsetbv(0, 5), GP);
    check_eq("unknown component", try_xsetbv(0, 3 | 1ull << 62), GP);
    check_eq("another register", try_xsetbv(5, 1), GP);
    check_eq("x87 and SSE", try_xsetbv(0, 3), NONE);
    check_eq("XCR0 reads back", xgetbv(0), 3);
    check_eq("CPUID: size for x87 and SSE", cpuid(0xD, 0).b, 576);
}

static void standard_format(void)
{
    memset(area, 0, sizeof area);
    fill_x87();
    fill_sse(0xAAAA);
    SAVE("xsave", area, 3);
    check_eq("XSAVE: components", header(area)[0], 3);
    check_eq("XSAVE: format", header(area)[1], 0);
    check_eq("XSAVE: XMM3", *(uint64_t *)(area + 208), 0xAAAA);
    memset(other, 0xEE, 512);
    memset(other + 512, 0, 64);
    SAVE("xsave", other, 2);
    check_eq("XSAVE of SSE alone leaves x87 alone", *(uint16_t *)other, 0xEEEE);
    check_eq("and its bit", header(other)[0], 2);
    fill_sse(0);
    SAVE("xrstor", area, 2);
    check_eq("XRSTOR: XMM3", sse(), 0xAAAA);
    header(area)[0] = 1;
    SAVE("xrstor", area, 3);
    check_eq("XRSTOR of an absent component initialises it", sse(), 0);
    fill_sse(5);
    SAVE("xrstor", area, 1);
    check_eq("XRSTOR leaves what is not asked for", sse(), 5);
    header(area)[0] = 1 << 5;
    check_eq("XRSTOR of a component that is off", (TRY_SAVE("xrstor", area, 3), LAST), OUTCOME(GP, 0));
    header(area)[0] = 3;
    header(area)[2] = 1;
    check_eq("XRSTOR with a bad header", TRY_SAVE("xrstor", area, 3), GP);
    header(area)[2] = 0;
    check_eq("XSAVE off alignment", TRY_SAVE("xsave", area + 16, 3), GP);
    set_cr0(get_cr0() | CR0_TS);
    check_eq("XSAVE with TS", TRY_SAVE("xsave", area, 3), NM);
    asm volatile("clts");
    *(uint32_t *)(area + 24) = 0x40000;
    check_eq("XRSTOR of reserved MXCSR bits", TRY_SAVE("xrstor", area, 3), GP);
    *(uint32_t *)(area + 24) = 0x1F80;
}

static void vectors(void)
{
    uint64_t offered = (uint64_t)cpuid(0xD, 0).d << 32 | cpuid(0xD, 0).a;
    if (!(cpuid(1, 0).c >> 28 & 1) || !(offered & 4)) {
        for (int i = 0; i < 9; i++)
            skip("AVX");
        return;
    }
    CHECK_TRAP("AVX before XCR0 has it", UD, "vxorps %%ymm0, %%ymm0, %%ymm0", ::);
    check_eq("XCR0 with AVX", try_xsetbv(0, 7), NONE);
    uint32_t size = cpuid(0xD, 0).b, offset = cpuid(0xD, 2).b;
    check_eq("CPUID: size with AVX", size, offset + cpuid(0xD, 2).a);
    static const uint64_t value[4] __attribute__((aligned(32))) = { 1, 2, 3, 4 };
    asm volatile("vmovaps %0, %%ymm7" : : "m"(value));
    memset(area, 0, sizeof area);
    SAVE("xsave", area, 7);
    check_eq("XSAVE: upper half of YMM7", *(uint64_t *)(area + offset + 7 * 16), 3);
    asm volatile("vzeroall");
    SAVE("xrstor", area, 7);
    uint64_t back[4] __attribute__((aligned(32)));
    asm volatile("vmovaps %%ymm7, %0" : "=m"(back));
    check_eq("XRSTOR: YMM7", memcmp(back, value, 32), 0);
    asm volatile("vmovaps %%xmm7, %%xmm7\n vmovaps %%ymm7, %0" : "=m"(back));
    check_eq("VEX.128 clears the upper half", back[2] | back[3], 0);
    asm volatile("vmovaps %1, %%ymm7\n movaps %%xmm7, %%xmm7\n vmovaps %%ymm7, %0" : "=m"(back) : "m"(value));
    check_eq("legacy SSE keeps it", back[3], 4);
    asm volatile("vzeroupper");
    check_eq("XCR0 without AVX again", try_xsetbv(0, 3), NONE);
    CHECK_TRAP("then AVX is undefined", UD, "vxorps %%ymm0, %%ymm0, %%ymm0", ::);
    try_xsetbv(0, 7);
}

static void compacted_format(void)
{
    uint32_t features = cpuid(0xD, 1).a;
    if (!(features & 2)) {
        for (int i = 0; i < 8; i++)
            skip("XSAVEC");
    } else {
        bool avx = xgetbv(0) & 4;
        memset(area, 0, sizeof area);
        fill_sse(0x77);
        SAVE("xsavec", area, 2);
        check_eq("XSAVEC: format", header(area)[1], 1ull << 63 | 2);
        check_eq("XSAVEC: components in use", header(area)[0], 2);
        fill_sse(0);
        SAVE("xrstor", area, 3);
        check_eq("XRSTOR of the compacted format", sse(), 0x77);
        if (avx) {
            static const uint64_t value[4] __attribute__((aligned(32))) = { 1, 2, 3, 4 };
            asm volatile("vmovaps %0, %%ymm1" : : "m"(value));
            SAVE("xsavec", area, 7);
            check_eq("XSAVEC: AVX lies right behind the header", *(uint64_t *)(area + 576 + 16), 3);
            asm volatile("vzeroall");
            SAVE("xrstor", area, 7);
            uint64_t back[4] __attribute__((aligned(32)));
            asm volatile("vmovaps %%ymm1, %0\n vzeroupper" : "=m"(back));
            check_eq("XRSTOR: YMM1", memcmp(back, value, 32), 0);
        } else {
            skip("XSAVEC: AVX lies right behind the header");
            skip("XRSTOR: YMM1");
        }
        header(area)[1] &= ~2ull;
        header(area)[0] |= 2;
        check_eq("component that the format lacks", TRY_SAVE("xrstor", area, 3), GP);
        if (avx) {
            asm volatile("vzeroall");
            SAVE("xsavec", area, 4);
            check_eq("XSAVEC: a component in its initial state is not in use", header(area)[0] & 4, 0);
        } else {
            skip("XSAVEC: a component in its initial state is not in use");
        }
        if (features & 4)
            check_eq("XGETBV 1 is within XCR0", xgetbv(1) & ~xgetbv(0), 0);
        else
            skip("XGETBV 1 is within XCR0");
    }
    if (features & 8) {
        memset(area, 0, sizeof area);
        fill_sse(0x99);
        SAVE("xsaves", area, 3);
        check_eq("XSAVES: format", header(area)[1], 1ull << 63 | 3);
        fill_sse(0);
        SAVE("xrstors", area, 3);
        check_eq("XRSTORS", sse(), 0x99);
        header(area)[1] = 0;
        check_eq("XRSTORS wants the compacted format", TRY_SAVE("xrstors", area, 3), GP);
    } else {
        skip("XSAVES: format");
        skip("XRSTORS");
        skip("XRSTORS wants the compacted format");
    }
    if (features & 1) {
        memset(area, 0, sizeof area);
        fill_sse(0x99);
        SAVE("xsaveopt", area, 2);
        check_eq("XSAVEOPT", *(uint64_t *)(area + 208), 0x99);
    } else {
        skip("XSAVEOPT");
    }
}

void test_main(void)
{
    asm volatile("fninit");
    legacy_image();
    enabling();
    standard_format();
    vectors();
    compacted_format();
}
