/* The local APIC's page, for the tests that use it. */
#ifndef APIC_H
#define APIC_H
#include "test.h"

enum {
    APIC_ID = 0x20, APIC_VERSION = 0x30, APIC_TPR = 0x80, APIC_PPR = 0xA0, APIC_EOI = 0xB0, APIC_LDR = 0xD0,
    APIC_DFR = 0xE0, APIC_SVR = 0xF0, APIC_ISR = 0x100, APIC_TMR = 0x180, APIC_IRR = 0x200, APIC_ESR = 0x280,
    APIC_ICR = 0x300, APIC_ICR_HIGH = 0x310, APIC_TIMER = 0x320, APIC_LINT0 = 0x350, APIC_LINT1 = 0x360,
    APIC_ERROR = 0x370, APIC_INITIAL = 0x380, APIC_CURRENT = 0x390, APIC_DIVIDE = 0x3E0,
};
enum { APIC_BASE_MSR = 0x1B, TSC_DEADLINE = 0x6E0 };

static inline uint32_t apic_read(int offset) { return *(volatile uint32_t *)(0xFEE00000ul + offset); }
static inline void apic_write(int offset, uint32_t value) { *(volatile uint32_t *)(0xFEE00000ul + offset) = value; }
static inline bool apic_bit(int first, int vector) { return apic_read(first + vector / 32 * 16) >> vector % 32 & 1; }
static inline void apic_send(uint32_t destination, uint32_t low)
{
    apic_write(APIC_ICR_HIGH, destination << 24);
    apic_write(APIC_ICR, low);
    while (apic_read(APIC_ICR) & 1 << 12)
        ;
}

/* Waits for a condition, not for ever. */
#define WAIT_FOR(condition)                                      \
    ({                                                           \
        uint64_t tries_ = 20000000;                              \
        while (!(condition) && --tries_)                         \
            asm volatile("pause");                               \
        tries_ != 0;                                             \
    })

static inline void sti(void) { asm volatile("sti" : : : "memory"); }
static inline void cli(void) { asm volatile("cli" : : : "memory"); }
static inline void set_cr8(word value) { asm volatile("mov %0, %%cr8" : : "r"(value) : "memory"); }
static inline word get_cr8(void)
{
    word value;
    asm volatile("mov %%cr8, %0" : "=r"(value) : : "memory");
    return value;
}
/* A window with interrupts on. */
static inline void take_interrupts(void) { asm volatile("sti\n nop\n nop\n cli" : : : "memory"); }

#endif
