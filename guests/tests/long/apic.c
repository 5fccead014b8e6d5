/* The local APIC of one processor. Intel SDM 3A "Advanced Programmable Interrupt Controller (APIC)". */
#include "apic.h"

enum { SELF = 1 << 18 };

static volatile int order[16], taken;
static volatile bool in_service;
static volatile word frame_ip;

static void handler(struct frame *frame)
{
    order[taken++ & 15] = frame->vector;
    in_service = apic_bit(APIC_ISR, frame->vector);
    frame_ip = frame->ip;
    apic_write(APIC_EOI, 0);
}

static void listen(int vector)
{
    hooks[vector] = handler;
    taken = 0;
}

static void registers(void)
{
    check_eq("base MSR at reset", rdmsr(APIC_BASE_MSR), 0xFEE00900);
    check_eq("CPUID shows the APIC", cpuid(1, 0).d >> 9 & 1, 1);
    check_eq("ID agrees with CPUID", apic_read(APIC_ID) >> 24, cpuid(1, 0).b >> 24);
    check_eq("version", apic_read(APIC_VERSION) & 0xF0, 0x10);
    check_eq("at least six LVT entries", (apic_read(APIC_VERSION) >> 16 & 0xFF) >= 5, 1);
    apic_write(APIC_SVR, 0xFF);
    apic_write(APIC_LINT0, 0x700);
    check_eq("software-disabled: the mask cannot be cleared", apic_read(APIC_LINT0), 0x10700);
    apic_write(APIC_SVR, 0x1FF);
    apic_write(APIC_LINT0, 0x700);
    check_eq("enabled: it can", apic_read(APIC_LINT0), 0x700);
    apic_write(APIC_LINT0, 0x10700);
    apic_write(APIC_TPR, 0x52);
    check_eq("CR8 is the TPR's class", get_cr8(), 5);
    set_cr8(7);
    check_eq("and the TPR is CR8's", apic_read(APIC_TPR), 0x70);
    check_eq("PPR follows", apic_read(APIC_PPR), 0x70);
    set_cr8(0);
    CHECK_ERROR("CR8 has four bits", GP, 0, "mov %0, %%cr8", : : "r"(16ul));
}

static void self_interrupts(void)
{
    listen(0x41);
    apic_write(APIC_ICR, SELF | 0x41);
    check("requested", WAIT_FOR(apic_bit(APIC_IRR, 0x41)));
    check_eq("not taken while IF is clear", taken, 0);
    take_interrupts();
    check_eq("taken", taken << 8 | order[0], 0x141);
    check_eq("in service within the handler", in_service, 1);
    check_eq("not after EOI", apic_bit(APIC_ISR, 0x41) | apic_bit(APIC_IRR, 0x41), 0);

    /* Priorities. */
    listen(0x52);
    listen(0x93);
    listen(0x41);
    apic_write(APIC_ICR, SELF | 0x52);
    apic_write(APIC_ICR, SELF | 0x93);
    apic_write(APIC_ICR, SELF | 0x41);
    WAIT_FOR(apic_bit(APIC_IRR, 0x41) && apic_bit(APIC_IRR, 0x93));
    asm volatile("sti\n nop\n nop\n nop\n nop\n cli" : : : "memory");
    check_eq("highest first", order[0] << 16 | order[1] << 8 | order[2], 0x935241);

    taken = 0;
    set_cr8(5);
    apic_write(APIC_ICR, SELF | 0x52);
    WAIT_FOR(apic_bit(APIC_IRR, 0x52));
    take_interrupts();
    check_eq("task priority holds its class back", taken, 0);
    sti();
    set_cr8(4);
    asm volatile("nop" : : : "memory");
    cli();
    check_eq("until it falls", taken, 1);
    set_cr8(0);

    /* STI's shadow: the instruction behind it still runs first. */
    taken = 0;
    word expected;
    apic_write(APIC_ICR, SELF | 0x41);
    WAIT_FOR(apic_bit(APIC_IRR, 0x41));
    asm volatile("sti\n mov $97f, %0\n 97: nop\n cli" : "=r"(expected) : : "memory");
    check_eq("interrupt behind STI's next instruction", frame_ip, expected);
    taken = 0;
    apic_write(APIC_ICR, SELF | 0x41);
    WAIT_FOR(apic_bit(APIC_IRR, 0x41));
    asm volatile("sti\n cli\n nop" : : : "memory");
    check_eq("STI and CLI leave no gap", taken, 0);
    asm volatile("sti\n mov %%ss, %%eax\n mov %%eax, %%ss\n mov $97f, %0\n 97: nop\n cli" : "=r"(expected) : : "rax", "memory");
    check_eq("MOV SS right behind STI", taken, 1);

    /* HLT wakes. */
    taken = 0;
    apic_write(APIC_ICR, SELF | 0x41);
    asm volatile("sti\n hlt\n cli" : : : "memory");
    check_eq("HLT returns", taken, 1);
}

static void errors(void)
{
    apic_write(APIC_ESR, 0);
    apic_write(APIC_ESR, 0);
    check_eq("no errors", apic_read(APIC_ESR), 0);
    apic_write(APIC_ICR, SELF | 0x05);
    apic_write(APIC_ESR, 0);
    check_eq("illegal vector sent", apic_read(APIC_ESR) & 0x60 ? 1 : 0, 1);
    apic_write(APIC_ESR, 0);
    check_eq("the next write clears", apic_read(APIC_ESR), 0);
    listen(0xE0);
    apic_write(APIC_ERROR, 0xE0);
    apic_write(APIC_ICR, SELF | 0x05);
    take_interrupts();
    check_eq("error interrupt", taken << 8 | order[0], 0x1E0);
    apic_write(APIC_ERROR, 0x10000);
    apic_write(APIC_ESR, 0);
}

static void timer(void)
{
    listen(0x61);
    apic_write(APIC_DIVIDE, 0xB);
    apic_write(APIC_TIMER, 0x61);
    apic_write(APIC_INITIAL, 4000000000);
    check_eq("initial count reads back", apic_read(APIC_INITIAL), 4000000000);
    uint32_t first = apic_read(APIC_CURRENT);
    check("the count falls", first <= 4000000000 && WAIT_FOR(apic_read(APIC_CURRENT) < first));
    apic_write(APIC_INITIAL, 100000);
    sti();
    check("one-shot fires", WAIT_FOR(taken));
    cli();
    check_eq("count is 0 then", apic_read(APIC_CURRENT), 0);
    apic_write(APIC_TIMER, 0x20061);
    taken = 0;
    apic_write(APIC_INITIAL, 20000);
    sti();
    check("periodic fires again and again", WAIT_FOR(taken >= 5));
    cli();
    apic_write(APIC_TIMER, 0x30061);
    take_interrupts();
    taken = 0;
    sti();
    for (int i = 0; i < 100000; i++)
        asm volatile("pause");
    cli();
    check_eq("masked is silent", taken, 0);
    check("but counts", ({ uint32_t now = apic_read(APIC_CURRENT); WAIT_FOR(apic_read(APIC_CURRENT) != now); }));
    apic_write(APIC_INITIAL, 0);
    check_eq("0 stops", apic_read(APIC_CURRENT), 0);
    apic_write(APIC_TIMER, 0x61);
    apic_write(APIC_INITIAL, 50000);
    taken = 0;
    asm volatile("sti\n hlt\n cli" : : : "memory");
    check_eq("the timer ends HLT", taken, 1);

    if (cpuid(1, 0).c >> 24 & 1) {
        apic_write(APIC_TIMER, 0x40061);
        taken = 0;
        asm volatile("mfence");
        wrmsr(TSC_DEADLINE, rdtsc() + (1ull << 40));
        check("armed deadline reads back", rdmsr(TSC_DEADLINE) != 0);
        uint64_t until = rdtsc() + 3000000;
        wrmsr(TSC_DEADLINE, until);
        sti();
        check("TSC deadline fires", WAIT_FOR(taken));
        cli();
        check("not before its time", rdtsc() >= until);
        check_eq("and disarms", rdmsr(TSC_DEADLINE), 0);
        taken = 0;
        wrmsr(TSC_DEADLINE, 1);
        sti();
        check("a deadline in the past fires at once", WAIT_FOR(taken));
        cli();
        apic_write(APIC_INITIAL, 1000);
        check_eq("the count is dead in this mode", apic_read(APIC_CURRENT), 0);
        apic_write(APIC_TIMER, 0x10061);
        wrmsr(TSC_DEADLINE, rdtsc() + 100);
        check_eq("and the deadline in the other", rdmsr(TSC_DEADLINE), 0);
    } else {
        for (int i = 0; i < 7; i++)
            skip("TSC deadline");
    }
}

static volatile int nmis, nesting, deepest;

static void nmi(struct frame *frame)
{
    (void)frame;
    nmis++;
    if (++nesting > deepest)
        deepest = nesting;
    if (nmis == 1) {
        apic_write(APIC_ICR, SELF | 0x400);
        for (int i = 0; i < 1000; i++)
            asm volatile("pause");
    }
    nesting--;
}

static void non_maskable(void)
{
    hooks[NMI] = nmi;
    /* Not every APIC takes NMI with the self shorthand; use its own ID. */
    apic_send(apic_read(APIC_ID) >> 24, 0x400);
    check("NMI with IF clear", WAIT_FOR(nmis >= 1));
    check("one more waits until IRET", WAIT_FOR(nmis == 2));
    check_eq("and does not nest", deepest, 1);
    hooks[NMI] = 0;
}

static void end_by_msr(struct frame *frame)
{
    (void)frame;
    taken++;
    wrmsr(0x80B, 0);
}

static void x2apic(void)
{
    if (!(cpuid(1, 0).c >> 21 & 1)) {
        for (int i = 0; i < 16; i++)
            skip("x2APIC");
        return;
    }
    check_eq("x2APIC MSRs fault in xAPIC mode", try_rdmsr(0x802), GP);
    uint32_t id = apic_read(APIC_ID) >> 24;
    wrmsr(APIC_BASE_MSR, rdmsr(APIC_BASE_MSR) | 0x400);
    check_eq("ID has 32 bits", rdmsr(0x802), id);
    check_eq("logical ID is derived", rdmsr(0x80D), (uint64_t)(id >> 4) << 16 | 1u << (id & 15));
    check_eq("enable is kept", rdmsr(0x80F), 0x1FF);
    check_eq("ID is read-only", try_wrmsr(0x802, 1), GP);
    check_eq("no DFR", try_rdmsr(0x80E), GP);
    check_eq("EOI takes only 0", try_wrmsr(0x80B, 1), GP);
    check_eq("reserved bits of SVR", try_wrmsr(0x80F, 0x80001FF), GP);
    listen(0x71);
    hooks[0x71] = end_by_msr;
    wrmsr(0x83F, 0x71);
    check_eq("self IPI is requested", rdmsr(0x823) >> 17 & 1, 1);
    take_interrupts();
    check_eq("self IPI is taken", taken, 1);
    taken = 0;
    wrmsr(0x830, (uint64_t)id << 32 | 0x71);
    check("IPI to the own ID", ({ sti(); bool good = WAIT_FOR(taken); cli(); good; }));
    set_cr8(9);
    check_eq("CR8 and TPR", rdmsr(0x808), 0x90);
    set_cr8(0);
    check_eq("no way back to xAPIC", try_wrmsr(APIC_BASE_MSR, rdmsr(APIC_BASE_MSR) & ~0x400ull), GP);
    check_eq("x2APIC without enable", try_wrmsr(APIC_BASE_MSR, rdmsr(APIC_BASE_MSR) & ~0x800ull), GP);
    wrmsr(APIC_BASE_MSR, rdmsr(APIC_BASE_MSR) & ~0xC00ull);
    check_eq("off: CPUID hides the APIC", cpuid(1, 0).d >> 9 & 1, 0);
    wrmsr(APIC_BASE_MSR, rdmsr(APIC_BASE_MSR) | 0x800);
    check_eq("on again: reset state", apic_read(APIC_SVR), 0xFF);
}

void test_main(void)
{
    registers();
    self_interrupts();
    errors();
    timer();
    non_maskable();
    x2apic();
}
