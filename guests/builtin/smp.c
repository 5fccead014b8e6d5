// Starting the other processors: INIT, then a start-up IPI that points at the trampoline.
#include "guest.h"

enum { TRAMPOLINE = 0x8000, STACK_SIZE = 4096, PRIME_LIMIT = 10000 };
enum { ICR_INIT = 0x4500, ICR_STARTUP = 0x4600 };
enum state { ABSENT, RUNNING, DONE };

extern const uint8_t trampoline[], trampoline_end[], trampoline_stack[];

static uint8_t stacks[MAX_PROCESSORS][STACK_SIZE] __attribute__((aligned(16)));
static volatile int state;
static volatile uint64_t work_cycles;
static volatile uint32_t primes, id_seen;

static uint32_t count_primes(void)
{
    uint32_t found = 0;
    for (uint32_t n = 2; n < PRIME_LIMIT; n++) {
        uint32_t d = 2;
        while (d * d <= n && n % d)
            d++;
        found += d * d > n;
    }
    return found;
}

// Runs on a processor that just came up, called from boot.S. It works, tells, and sleeps.
void processor_main(void)
{
    id_seen = own_apic_id();
    __atomic_store_n(&state, RUNNING, __ATOMIC_SEQ_CST);
    uint64_t start = read_tsc();
    primes = count_primes();
    work_cycles = read_tsc() - start;
    __atomic_store_n(&state, DONE, __ATOMIC_SEQ_CST);
}

static bool wait_for_state(int wanted, uint64_t limit_microseconds)
{
    uint64_t start = read_tsc();
    while (__atomic_load_n(&state, __ATOMIC_SEQ_CST) < wanted) {
        if (read_tsc() - start > limit_microseconds * tsc_per_microsecond)
            return false;
        pause();
    }
    return true;
}

static void start_processor(uint32_t apic_id, uint8_t *stack_top)
{
    memcpy((void *)TRAMPOLINE, trampoline, (size_t)(trampoline_end - trampoline));
    *(volatile uint32_t *)(uint64_t)(TRAMPOLINE + (trampoline_stack - trampoline)) = (uint32_t)(uint64_t)stack_top;
    state = ABSENT;
    apic_send(apic_id, ICR_INIT);
    wait_microseconds(10000);
    apic_send(apic_id, ICR_STARTUP | TRAMPOLINE >> 12);
    if (!wait_for_state(RUNNING, 1000))
        apic_send(apic_id, ICR_STARTUP | TRAMPOLINE >> 12);
}

static void show_started(uint32_t apic_id, size_t index)
{
    start_processor(apic_id, stacks[index] + STACK_SIZE);
    if (!wait_for_state(DONE, 5000000)) {
        print("   | %9lu | did not %-8s |            |                  |\n", (uint64_t)apic_id,
              state == ABSENT ? "start" : "finish");
        return;
    }
    print("   | %9lu | says it is %-5lu | %10lu | %13lu us |\n", (uint64_t)apic_id, (uint64_t)id_seen,
          (uint64_t)primes, work_cycles / tsc_per_microsecond);
}

void show_processors(void)
{
    print_heading("Processors");
    if (platform.processor_count == 0) {
        print("   no table lists them (%s), so this one is alone\n",
              platform.has_acpi ? "ACPI without MADT" : "no ACPI");
        return;
    }
    uint32_t own = own_apic_id();
    static const char RULE[] = "   +-----------+------------------+------------+------------------+\n";
    print("%s   | %-9s | %-16s | %10s | %16s |\n%s", RULE, "APIC id", "state", "primes", "time", RULE);
    uint64_t start = read_tsc();
    uint32_t found = count_primes();
    print("   | %9lu | %-16s | %10lu | %13lu us |\n", (uint64_t)own, "boot processor", (uint64_t)found,
          (read_tsc() - start) / tsc_per_microsecond);
    for (uint32_t i = 0; i < platform.processor_count; i++)
        if (platform.apic_ids[i] != own)
            show_started(platform.apic_ids[i], i);
    print("%s   primes below %lu, counted by each processor on its own\n", RULE, (uint64_t)PRIME_LIMIT);
}
