// ACPI: finding the tables, reading what we need of them, and switching the machine off.
#include "guest.h"

enum { MADT_LOCAL_APIC = 0, MADT_LOCAL_X2APIC = 9, MADT_ENABLED = 1 };
enum { FADT_FLAGS = 112, FADT_TIMER_32_BIT = 1 << 8, FADT_HARDWARE_REDUCED = 1 << 20 };
enum { FADT_DSDT = 40, FADT_PM1A_CONTROL = 64, FADT_PM1B_CONTROL = 68, FADT_PM_TIMER = 76, FADT_X_DSDT = 140 };
enum { FADT_X_PM1A_CONTROL = 172, FADT_SLEEP_CONTROL = 244 };
enum { SPACE_MEMORY = 0, SPACE_PORT = 1 };
enum { DEFAULT_SLEEP_TYPE = 5, SLEEP_ENABLE = 1 << 13 };

struct platform platform = {.sleep_type_a = DEFAULT_SLEEP_TYPE, .sleep_type_b = DEFAULT_SLEEP_TYPE};

struct __attribute__((packed)) header { // ACPI Specification, "System Description Table Header"
    char signature[4];
    uint32_t length;
    uint8_t revision, checksum;
    char oem_id[6], oem_table_id[8];
    uint32_t oem_revision, creator_id, creator_revision;
};

static uint32_t read32(const uint8_t *p) { return p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24; }
static uint64_t read64(const uint8_t *p) { return read32(p) | (uint64_t)read32(p + 4) << 32; }

static bool same(const void *a, const char *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (((const char *)a)[i] != b[i])
            return false;
    return true;
}

static bool sums_to_zero(const uint8_t *p, size_t n)
{
    uint8_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum = (uint8_t)(sum + p[i]);
    return sum == 0;
}

// Only the first 4 GiB are mapped; a table above them, or one with a wrong sum, does not exist for us.
static const struct header *table_at(uint64_t address)
{
    if (address == 0 || address >= 0xFFFFF000u)
        return NULL;
    const struct header *table = (const struct header *)address;
    if (table->length < sizeof *table || table->length > 1 << 20 || !sums_to_zero((const uint8_t *)table, table->length))
        return NULL;
    return table;
}

static const uint8_t *find_rsdp_between(uint32_t from, uint32_t to)
{
    for (uint32_t at = from; at < to; at += 16) {
        const uint8_t *p = (const uint8_t *)(uint64_t)at;
        if (same(p, "RSD PTR ", 8) && sums_to_zero(p, 20))
            return p;
    }
    return NULL;
}

static const uint8_t *find_rsdp(void)
{
    uint64_t pointer = 0x40E; // BIOS data area: segment of the extended one
    __asm__("" : "+r"(pointer)); // the compiler takes addresses in the first page for mistakes
    uint32_t extended_bios_data = (uint32_t)*(volatile uint16_t *)pointer << 4;
    const uint8_t *found = NULL;
    if (extended_bios_data >= 0x80000 && extended_bios_data < 0xA0000)
        found = find_rsdp_between(extended_bios_data, extended_bios_data + 1024);
    return found ? found : find_rsdp_between(0xE0000, 0x100000);
}

static void add_processor(uint32_t apic_id, uint32_t flags)
{
    if (flags & MADT_ENABLED && platform.processor_count < MAX_PROCESSORS)
        platform.apic_ids[platform.processor_count++] = apic_id;
}

static void read_madt(const struct header *madt)
{
    const uint8_t *p = (const uint8_t *)madt + 44;
    const uint8_t *end = (const uint8_t *)madt + madt->length;
    for (; p + 2 <= end && p[1] >= 2 && p + p[1] <= end; p += p[1]) {
        if (p[0] == MADT_LOCAL_APIC && p[1] >= 8)
            add_processor(p[3], read32(p + 4));
        else if (p[0] == MADT_LOCAL_X2APIC && p[1] >= 16)
            add_processor(read32(p + 4), read32(p + 8));
    }
}

// A small integer in AML: ZeroOp, OneOp or BytePrefix with a byte.
static const uint8_t *read_small_integer(const uint8_t *p, uint8_t *value)
{
    if (*p == 0x0A) {
        *value = p[1];
        return p + 2;
    }
    *value = *p;
    return p + 1;
}

// Looks for Name(_S5_, Package { type a, type b, ... }) by its bytes; an AML interpreter would be too much here.
static void read_sleep_types(const struct header *dsdt)
{
    const uint8_t *p = (const uint8_t *)dsdt;
    for (uint32_t at = sizeof *dsdt; at + 12 < dsdt->length; at++) {
        if (!same(p + at, "_S5_", 4) || p[at + 4] != 0x12)
            continue;
        const uint8_t *q = p + at + 5;
        q += 1 + (*q >> 6); // package length: its top two bits count the bytes that follow
        q += 1;             // number of elements
        q = read_small_integer(q, &platform.sleep_type_a);
        read_small_integer(q, &platform.sleep_type_b);
        return;
    }
}

static uint16_t port_of(const uint8_t *generic_address)
{
    return generic_address[0] == SPACE_PORT ? (uint16_t)read64(generic_address + 4) : 0;
}

static void read_fadt(const struct header *fadt)
{
    const uint8_t *p = (const uint8_t *)fadt;
    if (fadt->length < FADT_FLAGS + 4)
        return;
    uint32_t flags = read32(p + FADT_FLAGS);
    platform.pm1a_control = (uint16_t)read32(p + FADT_PM1A_CONTROL);
    platform.pm1b_control = (uint16_t)read32(p + FADT_PM1B_CONTROL);
    platform.pm_timer = (uint16_t)read32(p + FADT_PM_TIMER);
    platform.pm_timer_is_32_bit = flags & FADT_TIMER_32_BIT;
    uint64_t dsdt = read32(p + FADT_DSDT);
    if (fadt->length >= FADT_X_DSDT + 8 && read64(p + FADT_X_DSDT))
        dsdt = read64(p + FADT_X_DSDT);
    if (platform.pm1a_control == 0 && fadt->length >= FADT_X_PM1A_CONTROL + 12)
        platform.pm1a_control = port_of(p + FADT_X_PM1A_CONTROL);
    if (flags & FADT_HARDWARE_REDUCED && fadt->length >= FADT_SLEEP_CONTROL + 12) {
        platform.sleep_control_is_port = p[FADT_SLEEP_CONTROL] == SPACE_PORT;
        if (platform.sleep_control_is_port || p[FADT_SLEEP_CONTROL] == SPACE_MEMORY)
            platform.sleep_control = read64(p + FADT_SLEEP_CONTROL + 4);
    }
    const struct header *table = table_at(dsdt);
    if (table)
        read_sleep_types(table);
}

static void read_table(uint64_t address)
{
    const struct header *table = table_at(address);
    if (table && same(table->signature, "APIC", 4))
        read_madt(table);
    if (table && same(table->signature, "FACP", 4))
        read_fadt(table);
}

void read_acpi(void)
{
    const uint8_t *rsdp = find_rsdp();
    if (!rsdp)
        return;
    const struct header *xsdt = rsdp[15] >= 2 ? table_at(read64(rsdp + 24)) : NULL;
    const struct header *root = xsdt ? xsdt : table_at(read32(rsdp + 16));
    if (!root)
        return;
    platform.has_acpi = true;
    size_t step = xsdt ? 8 : 4;
    for (size_t at = sizeof *root; at + step <= root->length; at += step) {
        const uint8_t *entry = (const uint8_t *)root + at;
        read_table(xsdt ? read64(entry) : read32(entry));
    }
}

static void load_no_interrupt_table(void)
{
    static const struct __attribute__((packed)) { uint16_t limit; uint64_t base; } NONE = {0, 0};
    __asm__ volatile("lidt %0" ::"m"(NONE));
}

// Three ways down, each tried when the one before has no effect: ACPI, the keyboard controller's reset
// line, and a stop.
_Noreturn void power_off(void)
{
    serial_flush();
    if (platform.sleep_control) {
        uint8_t value = (uint8_t)(platform.sleep_type_a << 2 | 1 << 5);
        if (platform.sleep_control_is_port)
            out8((uint16_t)platform.sleep_control, value);
        else if (platform.sleep_control < 0xFFFFFFFFu)
            *(volatile uint8_t *)platform.sleep_control = value;
    }
    if (platform.pm1a_control) {
        out16(platform.pm1a_control, (uint16_t)(platform.sleep_type_a << 10 | SLEEP_ENABLE));
        if (platform.pm1b_control)
            out16(platform.pm1b_control, (uint16_t)(platform.sleep_type_b << 10 | SLEEP_ENABLE));
    }
    wait_microseconds(50000);
    out8(0x64, 0xFE);
    wait_microseconds(50000);
    for (;;)
        __asm__ volatile("cli; hlt");
}

// A death nobody can miss: with no interrupt table the next exception is a triple fault.
_Noreturn void die(void)
{
    serial_flush();
    load_no_interrupt_table();
    for (;;)
        __asm__ volatile("ud2");
}
