/* Registers of the hypervisor's interface, for the tests that use it. */
#ifndef HV_H
#define HV_H
#include "test.h"

enum {
    GUEST_OS_ID = 0x40000000, HYPERCALL = 0x40000001, VP_INDEX = 0x40000002, REFERENCE_COUNT = 0x40000020,
    REFERENCE_TSC = 0x40000021, TSC_HZ = 0x40000022, APIC_HZ = 0x40000023, EOI = 0x40000070, ASSIST = 0x40000073,
    SCONTROL = 0x40000080, SVERSION = 0x40000081, SIMP = 0x40000083, EOM = 0x40000084, SINT2 = 0x40000092,
    TIMER0 = 0x400000B0, TIMER1 = 0x400000B2, TIMER2 = 0x400000B4, GUEST_IDLE = 0x400000F0,
};
#define AUTO_ENABLE 8ull
#define DIRECT (1ull << 12)

static inline uint64_t address(const volatile void *page) { return (uint64_t)page; }

#endif
