// The loader's information block: command line and memory map. Both are copied at once, for the
// block may lie anywhere in low memory, also where the second processor's start-up code goes.
#include "guest.h"

enum { HAS_SIZES = 1 << 0, HAS_COMMAND_LINE = 1 << 2, HAS_MAP = 1 << 6 };
enum { MAX_RANGES = 32, USABLE = 1 };

struct boot_information { // Multiboot Specification 0.6.96, "Boot information format"
    uint32_t flags, memory_lower_kib, memory_upper_kib, boot_device, command_line;
    uint32_t module_count, modules, symbols[4], map_length, map_address;
};

struct __attribute__((packed)) map_entry {
    uint32_t size; // of the rest
    uint64_t base, length;
    uint32_t kind;
};

static struct map_entry ranges[MAX_RANGES];
static size_t range_count;
static char line[256];

static void add_range(uint64_t base, uint64_t size, uint32_t kind)
{
    if (range_count < MAX_RANGES)
        ranges[range_count++] = (struct map_entry){.base = base, .length = size, .kind = kind};
}

static void copy_map(uint64_t address, uint32_t size)
{
    uint64_t end = address + size;
    while (address + sizeof(struct map_entry) <= end) {
        struct map_entry entry;
        memcpy(&entry, (const void *)address, sizeof entry);
        add_range(entry.base, entry.length, entry.kind);
        address += entry.size + sizeof entry.size;
    }
}

void read_boot_information(uint32_t magic, uint32_t address)
{
    if (magic != MULTIBOOT_BOOT_MAGIC)
        return;
    struct boot_information information;
    memcpy(&information, (const void *)(uint64_t)address, sizeof information);
    if (information.flags & HAS_COMMAND_LINE) {
        const char *text = (const char *)(uint64_t)information.command_line;
        for (size_t i = 0; i < sizeof line - 1 && text[i]; i++)
            line[i] = text[i];
    }
    if (information.flags & HAS_MAP)
        copy_map(information.map_address, information.map_length);
    if (range_count == 0 && information.flags & HAS_SIZES) {
        add_range(0, (uint64_t)information.memory_lower_kib << 10, USABLE);
        add_range(1 << 20, (uint64_t)information.memory_upper_kib << 10, USABLE);
    }
}

const char *command_line(void) { return line; }

static const char *kind_name(uint32_t kind)
{
    static const char *const NAMES[] = {"usable", "reserved", "ACPI tables", "ACPI storage", "defective"};
    return kind >= 1 && kind <= 5 ? NAMES[kind - 1] : "reserved";
}

void show_memory(void)
{
    print_heading("Memory");
    if (range_count == 0) {
        print("   the loader gave no memory map\n");
        return;
    }
    static const char RULE[] = "   +--------------------+--------------------+---------------+--------------+\n";
    print("%s   | %-18s | %-18s | %13s | %-12s |\n%s", RULE, "from", "to", "size", "kind", RULE);
    uint64_t usable = 0;
    for (size_t i = 0; i < range_count; i++) {
        const struct map_entry *r = &ranges[i];
        if (r->length == 0)
            continue;
        bool large = r->length >= 64 << 20;
        print("   | 0x%016lx | 0x%016lx | %9lu %s | %-12s |\n", r->base, r->base + r->length - 1,
              large ? r->length >> 20 : r->length >> 10, large ? "MiB" : "KiB", kind_name(r->kind));
        if (r->kind == USABLE)
            usable += r->length;
    }
    print("%s   %lu MiB usable in all\n", RULE, usable >> 20);
}
