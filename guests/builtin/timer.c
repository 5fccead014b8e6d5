// Clocks: the time-stamp counter measured against the ACPI timer or the PIT, and the local APIC's
// timer interrupt.
#include "guest.h"

enum { PM_TIMER_HZ = 3579545, PIT_HZ = 1193182 };
enum { MEASURE_MS = 20, TICK_HZ = 100, TICKS_SHOWN = 10, TIMER_VECTOR = 0x40 };
enum { MSR_APIC_BASE = 0x1B, APIC_BASE_X2 = 1 << 10, APIC_BASE_ENABLE = 1 << 11, MSR_X2APIC = 0x800 };
enum { APIC_ID = 0x20, APIC_EOI = 0xB0, APIC_SPURIOUS = 0xF0, APIC_ICR_LOW = 0x300, APIC_ICR_HIGH = 0x310 };
enum { APIC_TIMER = 0x320, APIC_INITIAL = 0x380, APIC_CURRENT = 0x390, APIC_DIVIDE = 0x3E0 };
enum { TIMER_PERIODIC = 1 << 17, TIMER_MASKED = 1 << 16, DIVIDE_BY_16 = 3 };

uint64_t tsc_per_microsecond = 1000; // until measured
volatile uint64_t timer_ticks;
uint64_t apic_eoi_address; // read by timer_entry; 0 in x2APIC mode

static bool is_x2apic(void) { return read_msr(MSR_APIC_BASE) & APIC_BASE_X2; }

static volatile uint32_t *apic_register(uint32_t offset)
{
    return (volatile uint32_t *)((read_msr(MSR_APIC_BASE) & 0xFFFFF000u) + offset);
}

uint32_t apic_read(uint32_t offset)
{
    return is_x2apic() ? (uint32_t)read_msr(MSR_X2APIC + (offset >> 4)) : *apic_register(offset);
}

void apic_write(uint32_t offset, uint32_t value)
{
    if (is_x2apic())
        write_msr(MSR_X2APIC + (offset >> 4), value);
    else
        *apic_register(offset) = value;
}

void apic_send(uint32_t destination, uint32_t command)
{
    if (is_x2apic()) {
        write_msr(MSR_X2APIC + (APIC_ICR_LOW >> 4), (uint64_t)destination << 32 | command);
        return;
    }
    *apic_register(APIC_ICR_HIGH) = destination << 24;
    *apic_register(APIC_ICR_LOW) = command;
    for (int i = 0; i < 100000 && *apic_register(APIC_ICR_LOW) & 1 << 12; i++) // until delivered
        pause();
}

uint32_t own_apic_id(void)
{
    uint32_t id = apic_read(APIC_ID);
    return is_x2apic() ? id : id >> 24;
}

void wait_microseconds(uint64_t count)
{
    uint64_t start = read_tsc();
    while (read_tsc() - start < count * tsc_per_microsecond)
        pause();
}

// TSC cycles that pass in MEASURE_MS of the ACPI timer; 0 when the timer stands still.
static uint64_t measure_with_pm_timer(void)
{
    uint32_t mask = platform.pm_timer_is_32_bit ? 0xFFFFFFFF : 0xFFFFFF;
    uint32_t wanted = PM_TIMER_HZ / 1000 * MEASURE_MS;
    uint32_t first = in32(platform.pm_timer);
    uint64_t start = read_tsc();
    uint32_t passed = 0;
    for (uint32_t i = 0; passed < wanted; i++) {
        passed = (in32(platform.pm_timer) - first) & mask;
        if (i > 10000 && passed == 0)
            return 0;
    }
    return (read_tsc() - start) * wanted / passed;
}

// The same with channel 2 of the PIT as a one-shot, whose output shows in port 0x61.
static uint64_t measure_with_pit(void)
{
    uint16_t count = PIT_HZ / 1000 * MEASURE_MS;
    out8(0x61, (uint8_t)((in8(0x61) & ~2) | 1)); // gate on, speaker off
    out8(0x43, 0xB0);                            // channel 2, both bytes, mode 0
    out8(0x42, (uint8_t)count);
    out8(0x42, (uint8_t)(count >> 8));
    uint64_t start = read_tsc();
    for (uint32_t i = 0; !(in8(0x61) & 0x20); i++)
        if (i > 100000000)
            return 0;
    return read_tsc() - start;
}

static void measure_tsc(void)
{
    const char *source = "ACPI timer";
    uint64_t cycles = platform.pm_timer ? measure_with_pm_timer() : 0;
    if (cycles == 0) {
        source = "PIT";
        cycles = measure_with_pit();
    }
    if (cycles < MEASURE_MS * 1000) {
        print("   %-12sno clock to measure it against, taking %lu MHz\n", "TSC", tsc_per_microsecond);
        return;
    }
    uint64_t khz = cycles / MEASURE_MS;
    tsc_per_microsecond = khz / 1000;
    print("   %-12s%lu.%03lu MHz, measured against the %s\n", "TSC", khz / 1000, khz % 1000, source);
}

static bool wait_for_ticks(uint64_t wanted, uint64_t limit_microseconds)
{
    uint64_t start = read_tsc();
    while (timer_ticks < wanted) {
        if (read_tsc() - start > limit_microseconds * tsc_per_microsecond)
            return false;
        pause();
    }
    return true;
}

static void show_apic_timer(void)
{
    apic_write(APIC_SPURIOUS, 0x1FF);
    apic_write(APIC_DIVIDE, DIVIDE_BY_16);
    apic_write(APIC_TIMER, TIMER_MASKED | TIMER_VECTOR);
    apic_write(APIC_INITIAL, 0xFFFFFFFF);
    wait_microseconds(10000);
    uint64_t per_second = (0xFFFFFFFFull - apic_read(APIC_CURRENT)) * 100;
    if (per_second < TICK_HZ) {
        print("   %-12sthe timer does not count\n", "local APIC");
        return;
    }
    print("   %-12s%s mode, timer at %lu.%03lu MHz after division by 16\n", "local APIC",
          is_x2apic() ? "x2APIC" : "xAPIC", per_second / 1000000, per_second / 1000 % 1000);
    apic_eoi_address = is_x2apic() ? 0 : (uint64_t)apic_register(APIC_EOI);
    apic_write(APIC_TIMER, TIMER_PERIODIC | TIMER_VECTOR);
    apic_write(APIC_INITIAL, (uint32_t)(per_second / TICK_HZ));
    uint64_t start = read_tsc();
    __asm__ volatile("sti");
    bool works = wait_for_ticks(1, 1000000);
    while (works && timer_ticks < TICKS_SHOWN) // it ticks: now sleep in between
        __asm__ volatile("hlt");
    __asm__ volatile("cli");
    uint64_t microseconds = (read_tsc() - start) / tsc_per_microsecond;
    apic_write(APIC_TIMER, TIMER_MASKED | TIMER_VECTOR);
    apic_write(APIC_INITIAL, 0);
    if (works)
        print("   %-12s%lu interrupts at %lu Hz in %lu.%lu ms\n", "ticks", timer_ticks, (uint64_t)TICK_HZ,
              microseconds / 1000, microseconds / 100 % 10);
    else
        print("   %-12snone came within a second\n", "ticks");
}

void show_timer(void)
{
    print_heading("Time");
    measure_tsc();
    if (!(cpuid(1, 0).edx >> 9 & 1) || !(read_msr(MSR_APIC_BASE) & APIC_BASE_ENABLE)) {
        print("   %-12snot present\n", "local APIC");
        return;
    }
    show_apic_timer();
}
