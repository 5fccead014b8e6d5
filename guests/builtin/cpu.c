// What the processor says about itself.
#include "guest.h"

enum leaf_register { EAX, EBX, ECX, EDX };

struct feature {
    uint32_t leaf, subleaf;
    enum leaf_register where;
    uint8_t bit;
    const char *name;
};

// Names as Linux spells them in /proc/cpuinfo.
static const struct feature BASIC[] = {
    {1, 0, EDX, 0, "fpu"}, {1, 0, EDX, 4, "tsc"}, {1, 0, EDX, 5, "msr"}, {1, 0, EDX, 8, "cx8"},
    {1, 0, EDX, 9, "apic"}, {1, 0, EDX, 15, "cmov"}, {1, 0, EDX, 19, "clflush"}, {1, 0, ECX, 13, "cx16"},
    {1, 0, ECX, 22, "movbe"}, {1, 0, ECX, 23, "popcnt"}, {1, 0, ECX, 30, "rdrand"}, {7, 0, EBX, 18, "rdseed"},
    {7, 0, EBX, 3, "bmi1"}, {7, 0, EBX, 8, "bmi2"}, {7, 0, EBX, 19, "adx"}, {7, 0, EBX, 9, "erms"},
    {0x80000001, 0, ECX, 0, "lahf_lm"}, {0x80000001, 0, ECX, 5, "abm"}, {0x80000001, 0, EDX, 11, "syscall"},
    {0x80000001, 0, EDX, 27, "rdtscp"},
};
static const struct feature VECTOR[] = {
    {1, 0, EDX, 23, "mmx"}, {1, 0, EDX, 25, "sse"}, {1, 0, EDX, 26, "sse2"}, {1, 0, ECX, 0, "sse3"},
    {1, 0, ECX, 9, "ssse3"}, {1, 0, ECX, 19, "sse4_1"}, {1, 0, ECX, 20, "sse4_2"}, {1, 0, ECX, 25, "aes"},
    {1, 0, ECX, 1, "pclmulqdq"}, {7, 0, EBX, 29, "sha_ni"}, {1, 0, ECX, 26, "xsave"}, {1, 0, ECX, 28, "avx"},
    {1, 0, ECX, 29, "f16c"}, {1, 0, ECX, 12, "fma"}, {7, 0, EBX, 5, "avx2"}, {7, 0, EBX, 16, "avx512f"},
    {7, 0, EBX, 17, "avx512dq"}, {7, 0, EBX, 30, "avx512bw"}, {7, 0, EBX, 31, "avx512vl"},
};
static const struct feature SYSTEM[] = {
    {0x80000001, 0, EDX, 29, "lm"}, {0x80000001, 0, EDX, 20, "nx"}, {0x80000001, 0, EDX, 26, "pdpe1gb"},
    {7, 0, ECX, 16, "la57"}, {1, 0, ECX, 17, "pcid"}, {7, 0, EBX, 10, "invpcid"}, {7, 0, EBX, 7, "smep"},
    {7, 0, EBX, 20, "smap"}, {7, 0, ECX, 2, "umip"}, {7, 0, ECX, 3, "pku"}, {7, 0, EBX, 0, "fsgsbase"},
    {1, 0, ECX, 21, "x2apic"}, {1, 0, ECX, 24, "tsc_deadline_timer"}, {6, 0, EAX, 2, "arat"},
    {0x80000007, 0, EDX, 8, "constant_tsc"}, {1, 0, ECX, 31, "hypervisor"},
};

struct cpuid cpuid(uint32_t leaf, uint32_t subleaf)
{
    struct cpuid r;
    __asm__ volatile("cpuid" : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx) : "a"(leaf), "c"(subleaf));
    return r;
}

static bool has(const struct feature *f)
{
    if (cpuid(f->leaf & 0xFFFF0000, 0).eax < f->leaf)
        return false;
    struct cpuid r = cpuid(f->leaf, f->subleaf);
    const uint32_t values[] = {r.eax, r.ebx, r.ecx, r.edx};
    return values[f->where] >> f->bit & 1;
}

static void show_features(const char *label, const struct feature *list, size_t count)
{
    const char *names[24];
    size_t found = 0;
    for (size_t i = 0; i < count; i++)
        if (has(&list[i]))
            names[found++] = list[i].name;
    if (found)
        print_words(label, names, found);
}

static void store_words(char *to, uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
    const uint32_t words[] = {a, b, c, d};
    for (int i = 0; i < 16; i++)
        to[i] = (char)(words[i / 4] >> i % 4 * 8);
}

static void show_brand(void)
{
    char brand[49] = {0};
    if (cpuid(0x80000000, 0).eax < 0x80000004)
        return;
    for (uint32_t i = 0; i < 3; i++) {
        struct cpuid r = cpuid(0x80000002 + i, 0);
        store_words(brand + 16 * i, r.eax, r.ebx, r.ecx, r.edx);
    }
    const char *text = brand;
    while (*text == ' ')
        text++;
    print("   %-12s%s\n", "brand", text);
}

static void show_signature(void)
{
    uint32_t eax = cpuid(1, 0).eax;
    uint32_t family = eax >> 8 & 15;
    uint32_t model = eax >> 4 & 15;
    if (family == 6 || family == 15)
        model |= eax >> 12 & 0xF0;
    if (family == 15)
        family += eax >> 20 & 0xFF;
    print("   %-12sfamily %lu, model %lu, stepping %lu\n", "signature", (uint64_t)family, (uint64_t)model,
          (uint64_t)(eax & 15));
}

void show_processor(void)
{
    print_heading("Processor");
    char text[17] = {0};
    struct cpuid r = cpuid(0, 0);
    store_words(text, r.ebx, r.edx, r.ecx, 0);
    print("   %-12s%s\n", "vendor", text);
    show_brand();
    show_signature();
    if (cpuid(0x80000000, 0).eax >= 0x80000008) {
        uint32_t eax = cpuid(0x80000008, 0).eax;
        print("   %-12s%lu bits physical, %lu bits linear\n", "addresses", (uint64_t)(eax & 0xFF),
              (uint64_t)(eax >> 8 & 0xFF));
    }
    if (cpuid(1, 0).ecx >> 31) {
        r = cpuid(0x40000000, 0);
        store_words(text, r.ebx, r.ecx, r.edx, 0);
        print("   %-12s%s\n", "hypervisor", text[0] ? text : "present, unnamed");
    }
    show_features("general", BASIC, sizeof BASIC / sizeof BASIC[0]);
    show_features("vector", VECTOR, sizeof VECTOR / sizeof VECTOR[0]);
    show_features("system", SYSTEM, sizeof SYSTEM / sizeof SYSTEM[0]);
}
