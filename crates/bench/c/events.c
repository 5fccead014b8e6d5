/*
 * How long events take between guest and host, through the C interface. Prints lines "KIND NANOSECONDS", of the wall
 * clock.
 *
 *     cc -O2 -pthread events.c -I../../../include -L DIR -Wl,-rpath,DIR -lWinHvPlatform
 *
 * The guests are those of ../src/latency.rs, in real mode in 64 KiB of memory.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#include "bench.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    MEMORY = 0x10000,
    CODE = 0x1000,
    TURN = 0x500, /* a word that guest and host change in turn */
    BELL = 0x5000,
    VECTOR = 0x40,
    HANDLER = 0x3000,
    PATIENCE = 10, /* seconds that one event may take */
};
static const UINT64 APIC = 0xFEE00000;

/* l: mov word es:[0x500], 1; mov es:[0x5000], ax; w: cmp word es:[0x500], 0; jne w; jmp l, with ES at 0 */
static const unsigned char RING[] = {0x26, 0xC7, 0x06, 0x00, 0x05, 0x01, 0x00, 0x26, 0xA3, 0x00, 0x50,
                                     0x26, 0x83, 0x3E, 0x00, 0x05, 0x00, 0x75, 0xF8, 0xEB, 0xEB};
/* sti; l: hlt; jmp l */
static const unsigned char WAIT[] = {0xFB, 0xF4, 0xEB, 0xFD};
/* inc word es:[0x500]; mov dword [0xB0], 0; iret, with DS at the local APIC */
static const unsigned char HANDLE_IT[] = {0x26, 0xFF, 0x06, 0x00, 0x05, 0x66, 0xC7, 0x06, 0xB0, 0, 0, 0, 0, 0, 0xCF};

struct machine {
    unsigned char *memory;
    WHV_PARTITION_HANDLE partition;
    pthread_t guest;
};

static void *run(void *argument)
{
    struct machine *m = argument;
    WHV_RUN_VP_EXIT_CONTEXT e;
    check(WHvRunVirtualProcessor(m->partition, 0, &e, sizeof e), "run");
    if (e.ExitReason != WHvRunVpExitReasonCanceled) {
        fprintf(stderr, "events: exit reason 0x%x\n", (unsigned)e.ExitReason);
        exit(1);
    }
    return NULL;
}

static struct machine start(const unsigned char *code, size_t size)
{
    struct machine m;
    static unsigned char apic[0x1000];
    UINT32 vector = HANDLER, on = 0x1FF;
    m.memory = allocate(MEMORY);
    memcpy(m.memory + CODE, code, size);
    memcpy(m.memory + HANDLER, HANDLE_IT, sizeof HANDLE_IT);
    memcpy(m.memory + VECTOR * 4, &vector, sizeof vector);
    m.partition = create(WHvX64LocalApicEmulationModeXApic, m.memory, 0, MEMORY);
    check(WHvGetVirtualProcessorInterruptControllerState2(m.partition, 0, apic, sizeof apic, NULL), "APIC");
    memcpy(apic + 0xF0, &on, sizeof on);
    check(WHvSetVirtualProcessorInterruptControllerState2(m.partition, 0, apic, sizeof apic), "APIC");
    real_mode(m.partition, CODE, APIC);
    return m;
}

static void let_go(struct machine *m)
{
    if (pthread_create(&m->guest, NULL, run, m) != 0)
        exit(1);
}

static void stop(struct machine *m)
{
    check(WHvCancelRunVirtualProcessor(m->partition, 0, 0), "cancel");
    pthread_join(m->guest, NULL);
    check(WHvDeletePartition(m->partition), "delete");
    munmap(m->memory, MEMORY);
}

static UINT16 *turn(const struct machine *m) { return (UINT16 *)(m->memory + TURN); }

static void give_up(const char *what)
{
    fprintf(stderr, "events: %s\n", what);
    exit(1);
}

/* From one ring to the next: the guest waits until the host has cleared the word. */
static double doorbell(unsigned count)
{
    struct machine m = start(RING, sizeof RING);
    WHV_DOORBELL_MATCH_DATA match;
    uint64_t rings;
    int event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    struct pollfd ready = {event, POLLIN, 0};
    memset(&match, 0, sizeof match);
    match.GuestAddress = BELL;
    check(WHvRegisterPartitionDoorbellEvent(m.partition, &match, (HANDLE)(intptr_t)event), "doorbell");
    let_go(&m);
    double begin = clock_ns(CLOCK_MONOTONIC);
    for (unsigned i = 0; i < count; i++) {
        if (poll(&ready, 1, PATIENCE * 1000) != 1 || read(event, &rings, sizeof rings) != sizeof rings)
            give_up("the guest did not ring");
        __atomic_store_n(turn(&m), 0, __ATOMIC_SEQ_CST);
    }
    double elapsed = clock_ns(CLOCK_MONOTONIC) - begin;
    stop(&m);
    close(event);
    return elapsed / count;
}

/* From sending to the moment the guest's handler, in a parked processor, has counted. */
static double handled(struct machine *m, unsigned count, void (*send)(struct machine *, HANDLE), HANDLE event)
{
    let_go(m);
    double begin = clock_ns(CLOCK_MONOTONIC);
    for (unsigned i = 0; i < count; i++) {
        UINT16 before = __atomic_load_n(turn(m), __ATOMIC_SEQ_CST);
        double sent = clock_ns(CLOCK_MONOTONIC);
        send(m, event);
        while (__atomic_load_n(turn(m), __ATOMIC_SEQ_CST) == before) {
            sched_yield();
            if (clock_ns(CLOCK_MONOTONIC) - sent > PATIENCE * 1e9)
                give_up("the guest's handler did not run");
        }
    }
    return (clock_ns(CLOCK_MONOTONIC) - begin) / count;
}

static void signal_event(struct machine *m, HANDLE event)
{
    uint64_t one = 1;
    (void)m;
    if (write((int)(intptr_t)event, &one, sizeof one) != sizeof one)
        give_up("the trigger's event cannot be set");
}

static double trigger(unsigned count)
{
    struct machine m = start(WAIT, sizeof WAIT);
    WHV_TRIGGER_PARAMETERS parameters;
    WHV_TRIGGER_HANDLE handle;
    HANDLE event;
    memset(&parameters, 0, sizeof parameters);
    parameters.TriggerType = WHvTriggerTypeInterrupt;
    parameters.Interrupt.Type = WHvX64InterruptTypeFixed;
    parameters.Interrupt.Vector = VECTOR;
    check(WHvCreateTrigger(m.partition, &parameters, &handle, &event), "trigger");
    double each = handled(&m, count, signal_event, event);
    stop(&m);
    close((int)(intptr_t)event);
    return each;
}

static void request(struct machine *m, HANDLE event)
{
    WHV_INTERRUPT_CONTROL control;
    (void)event;
    memset(&control, 0, sizeof control);
    control.Type = WHvX64InterruptTypeFixed;
    control.Vector = VECTOR;
    check(WHvRequestInterrupt(m->partition, &control, sizeof control), "interrupt");
}

static double interrupt(unsigned count)
{
    struct machine m = start(WAIT, sizeof WAIT);
    double each = handled(&m, count, request, NULL);
    stop(&m);
    return each;
}

int main(int argc, char **argv)
{
    unsigned count = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 5000;
    if (count == 0)
        return 2;
    printf("doorbell %.1f\n", doorbell(count));
    printf("trigger %.1f\n", trigger(count));
    printf("interrupt %.1f\n", interrupt(count));
    return 0;
}
