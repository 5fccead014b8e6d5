// The built-in guest of the `openwhp` command: a kernel of a few hundred lines that shows the machine it
// was given, says how to boot Linux, and switches the machine off. Start reading at `guest_main`.
#include "guest.h"

enum { CODE64 = 0x18, INTERRUPT_GATE = 0x8E, TIMER_VECTOR = 0x40, SPURIOUS_VECTOR = 0xFF, ENTRY_SIZE = 16 };

struct __attribute__((packed)) gate {
    uint16_t offset_low, selector;
    uint8_t stack, kind;
    uint16_t offset_middle;
    uint32_t offset_high, reserved;
};

struct __attribute__((packed)) table_pointer {
    uint16_t limit;
    uint64_t base;
};

extern const uint8_t exception_entries[], timer_entry[], spurious_entry[];

static struct gate idt[256] __attribute__((aligned(16)));
const struct table_pointer idt_pointer = {sizeof idt - 1, (uint64_t)idt};

static void set_gate(unsigned vector, const uint8_t *entry)
{
    uint64_t address = (uint64_t)entry;
    idt[vector] = (struct gate){.offset_low = (uint16_t)address,
                                .selector = CODE64,
                                .kind = INTERRUPT_GATE,
                                .offset_middle = (uint16_t)(address >> 16),
                                .offset_high = (uint32_t)(address >> 32)};
}

static void set_up_interrupts(void)
{
    out8(0x21, 0xFF); // both interrupt controllers of the old machine: all lines masked
    out8(0xA1, 0xFF);
    for (unsigned i = 0; i < 32; i++)
        set_gate(i, exception_entries + i * ENTRY_SIZE);
    set_gate(TIMER_VECTOR, timer_entry);
    set_gate(SPURIOUS_VECTOR, spurious_entry);
    __asm__ volatile("lidt %0" ::"m"(idt_pointer));
}

// The value of `debug-exit=PORT` on the command line (decimal or 0x...), or 0.
static uint16_t debug_exit_port(void)
{
    static const char NAME[] = "debug-exit=";
    for (const char *p = command_line(); *p; p++) {
        size_t n = 0;
        while (n < sizeof NAME - 1 && p[n] == NAME[n])
            n++;
        if (n < sizeof NAME - 1)
            continue;
        p += n;
        uint32_t base = 10, value = 0;
        if (p[0] == '0' && (p[1] | 32) == 'x') {
            base = 16;
            p += 2;
        }
        for (;; p++) {
            uint32_t digit = *p >= '0' && *p <= '9' ? (uint32_t)(*p - '0') : (uint32_t)((*p | 32) - 'a' + 10);
            if (digit >= base)
                return (uint16_t)value;
            value = value * base + digit;
        }
    }
    return 0;
}

void unexpected_exception(uint64_t vector, uint64_t error_code, uint64_t rip)
{
    uint64_t address;
    __asm__ volatile("mov %%cr2, %0" : "=r"(address));
    print("\n   unexpected exception %lu, error code 0x%lx, at 0x%lx (CR2 0x%lx)\n", vector, error_code, rip, address);
    uint16_t port = debug_exit_port();
    if (port)
        out8(port, 1);
    die();
}

static void show_way_on(void)
{
    print_heading("To boot Linux");
    print("   openwhp run --kernel vmlinuz --initrd initramfs.cpio.gz \\\n"
          "               --cmdline 'console=ttyS0' --memory 512M --cpus 2\n\n"
          "   Any stock bzImage will do; `openwhp run --help` lists disks, network and\n"
          "   the rest. Ctrl-A x leaves a running guest.\n\n");
}

void guest_main(uint32_t magic, uint32_t information)
{
    serial_init();
    read_boot_information(magic, information);
    set_up_interrupts();
    read_acpi();
    print_rule();
    print("| %-74s |\n", "OpenWHP: the built-in guest");
    print("| %-74s |\n", "No kernel was named, so this small one shows the machine you have.");
    print_rule();
    show_processor();
    show_memory();
    show_timer();
    show_processors();
    show_way_on();
    print(" Good-bye: switching the machine off.\n");
    uint16_t port = debug_exit_port();
    if (port) {
        serial_flush();
        out8(port, 0);
    }
    power_off();
}
