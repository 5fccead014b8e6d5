// What the parts of the built-in guest share. No library stands below this program.
#ifndef OPENWHP_BUILTIN_GUEST_H
#define OPENWHP_BUILTIN_GUEST_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// print.c: text on the first serial port. `print` knows %s %lu %ld %lx %c %%, with width, `-` and `0`.
void serial_init(void);
void serial_flush(void);
void print(const char *format, ...) __attribute__((format(printf, 1, 2)));
void print_rule(void);
void print_heading(const char *text);
void print_words(const char *label, const char *const *words, size_t count);
void *memcpy(void *to, const void *from, size_t n);

// cpu.c: what CPUID tells.
struct cpuid { uint32_t eax, ebx, ecx, edx; };
struct cpuid cpuid(uint32_t leaf, uint32_t subleaf);
void show_processor(void);

// memory.c: the loader's memory map, copied before anything overwrites it.
#define MULTIBOOT_BOOT_MAGIC 0x2BADB002u
void read_boot_information(uint32_t magic, uint32_t address);
const char *command_line(void);
void show_memory(void);

// acpi.c: tables and power.
#define MAX_PROCESSORS 16
struct platform {
    bool has_acpi;
    uint16_t pm1a_control, pm1b_control, pm_timer;
    bool pm_timer_is_32_bit;
    uint8_t sleep_type_a, sleep_type_b;
    uint64_t sleep_control;      // hardware-reduced machines: address of the sleep control register
    bool sleep_control_is_port;
    uint32_t processor_count;
    uint32_t apic_ids[MAX_PROCESSORS];
};
extern struct platform platform;
void read_acpi(void);
_Noreturn void power_off(void);
_Noreturn void die(void);

// timer.c: clocks and the local APIC.
extern uint64_t tsc_per_microsecond;
extern volatile uint64_t timer_ticks;
void show_timer(void);
void wait_microseconds(uint64_t count);
uint32_t apic_read(uint32_t offset);
void apic_write(uint32_t offset, uint32_t value);
void apic_send(uint32_t destination, uint32_t command);
uint32_t own_apic_id(void);

// smp.c: the other processors.
void show_processors(void);

// main.c
void unexpected_exception(uint64_t vector, uint64_t error_code, uint64_t rip);

static inline void out8(uint16_t port, uint8_t value) { __asm__ volatile("outb %0, %1" ::"a"(value), "Nd"(port)); }
static inline void out16(uint16_t port, uint16_t value) { __asm__ volatile("outw %0, %1" ::"a"(value), "Nd"(port)); }
static inline uint8_t in8(uint16_t port)
{
    uint8_t value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}
static inline uint16_t in16(uint16_t port)
{
    uint16_t value;
    __asm__ volatile("inw %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}
static inline uint32_t in32(uint16_t port)
{
    uint32_t value;
    __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}
static inline uint64_t read_msr(uint32_t msr)
{
    uint32_t low, high;
    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
    return (uint64_t)high << 32 | low;
}
static inline void write_msr(uint32_t msr, uint64_t value)
{
    __asm__ volatile("wrmsr" ::"c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)) : "memory");
}
static inline uint64_t read_tsc(void)
{
    uint32_t low, high;
    __asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high)::"memory");
    return (uint64_t)high << 32 | low;
}
static inline void pause(void) { __asm__ volatile("pause" ::: "memory"); }

#endif
