/* SynIC messages from the host: one slot per source, and the notification that it is free. TLFS "Virtual Interrupt
 * Controller". */
#include "apic.h"
#include "hv.h"
#include "host.h"

enum { VECTOR = 0x60, SOURCE = 2, QUIET = 5, COUNT = 200 };
#define SINT0 0x40000090
#define MASKED (1ull << 16)

static volatile uint32_t slots[1024] __attribute__((aligned(4096)));
static volatile int received, wrong, pending;

static struct host_call ask(struct host_call call)
{
    call_host(&call);
    return call;
}
static void post(uint64_t source, uint64_t first, uint64_t count)
{
    ask((struct host_call){ .code = HOST_POST, .in = { source, first, count } });
}
static struct host_call posted(void) { return ask((struct host_call){ .code = HOST_POSTED }); }

/* Takes the message of a source's slot as the specification says. Returns its number, or 0. */
static uint64_t take(int source, bool tell)
{
    volatile uint32_t *slot = slots + source * 64;
    if (!slot[0])
        return 0;
    uint64_t number = (uint64_t)slot[5] << 32 | slot[4];
    slot[0] = 0;
    asm volatile("mfence" : : : "memory");
    if (slot[1] >> 8 & 1) {
        pending++;
        if (tell)
            wrmsr(EOM, 0);
    }
    return number;
}

static volatile bool tells;

static void on_message(struct frame *frame)
{
    (void)frame;
    uint64_t number = take(SOURCE, tells);
    if (number) {
        received++;
        wrong += number != (uint64_t)received;
    }
    wrmsr(EOI, 0);
}

static void by_interrupt(bool with_end_of_message)
{
    received = wrong = pending = 0;
    tells = with_end_of_message;
    struct host_call before = posted();
    post(SOURCE, 1, COUNT);
    while (received < COUNT)
        asm volatile("sti\n hlt\n cli" : : : "memory");
    struct host_call after = posted();
    check_eq("all messages in order", received << 8 | wrong, COUNT << 8);
    check_eq("the host has posted them", after.out[0] - before.out[0], COUNT);
    check_eq("all but the first found the slot occupied at first", after.out[1] - before.out[1] >= COUNT - 1, 1);
    check("the slot said so", pending >= COUNT - 1);
    check_eq("each exit told of a free slot", after.out[2] - before.out[2], COUNT - 1);
    check_eq("of the right source", after.out[3] - before.out[3], 0);
}

static void by_polling(void)
{
    wrmsr(SINT0 + QUIET, MASKED | VECTOR);
    received = 0;
    post(QUIET, 1, COUNT);
    bool good = true;
    for (uint64_t next = 1; next <= COUNT;) {
        uint64_t number = take(QUIET, true);
        if (number)
            good &= number == next++;
    }
    check("a masked source gets messages, in order", good);
    check_eq("without interrupts", (take_interrupts(), received), 0);
}

static void two_sources(void)
{
    received = wrong = 0;
    tells = true;
    post(SOURCE, 1, COUNT);
    post(QUIET, 1, COUNT);
    uint64_t next = 1;
    bool good = true;
    while (received < COUNT || next <= COUNT) {
        take_interrupts();
        uint64_t number = take(QUIET, true);
        if (number)
            good &= number == next++;
    }
    check("two sources at once, both in order", good && !wrong);
    check_eq("nothing waits", posted().out[4], 0);
    check_eq("no source was told of in vain", posted().out[3], 0);
}

void test_main(void)
{
    apic_write(APIC_SVR, 0x1FF);
    hooks[VECTOR] = on_message;
    wrmsr(SIMP, address(slots) | 1);
    wrmsr(SINT0 + SOURCE, VECTOR);
    by_interrupt(true);
    by_interrupt(false); /* the end of the source's interrupt serves as well */
    by_polling();
    two_sources();
}
