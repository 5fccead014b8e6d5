/* Several processors: their start, and jobs for all but the first. OTHERS is their number without the first one. */
#ifndef SMP_H
#define SMP_H
#include "apic.h"

enum { TRAMPOLINE = 0x8000 };
extern char ap_trampoline[], ap_trampoline_end[];
extern volatile int ap_tickets;

/* The others run one job at a time: job is the number of the latest, done counts who finished it. */
static volatile int job, done, alive;
static void (*volatile work)(int self);
static volatile uint8_t ids[16];

void ap_main(int self)
{
    ids[self] = apic_read(APIC_ID) >> 24;
    apic_write(APIC_SVR, 0x1FF);
    __atomic_add_fetch(&alive, 1, __ATOMIC_SEQ_CST);
    for (int next = job + 1;; next++) {
        while (job < next)
            asm volatile("pause");
        work(self);
        __atomic_add_fetch(&done, 1, __ATOMIC_SEQ_CST);
    }
}

static inline void start(void (*function)(int))
{
    work = function;
    done = 0;
    asm volatile("" : : : "memory");
    job++;
}

static inline void wait(int loops)
{
    while (loops--)
        asm volatile("pause");
}

/* Starts the others without looking; how long that takes is the host's business. */
static inline void start_others(void)
{
    apic_write(APIC_SVR, 0x1FF);
    memcpy((void *)TRAMPOLINE, ap_trampoline, ap_trampoline_end - ap_trampoline);
    apic_send(0, 0xC4500);
    apic_send(0, 0xC4600 | TRAMPOLINE >> 12);
    while (alive < OTHERS)
        asm volatile("pause");
}

#endif
