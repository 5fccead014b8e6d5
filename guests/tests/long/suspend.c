/* Guest time over suspensions of partition time: reference counter, reference TSC page, TSC and timers stand still and
 * go on without a jump. TLFS "Timers", "Partition Reference Time Enlightenment".
 *
 * Nothing here is measured against a fixed time: the host says how long its own clock ran with time suspended, and the
 * guest's clocks must have advanced by exactly the rest. */
enum { OTHERS = 1 };
#include "smp.h"
#include "hv.h"
#include "host.h"

enum { VECTOR = 0x60, DIRECT_VECTOR = 0x61, PERIODIC_VECTOR = 0x62, DEADLINE_VECTOR = 0x63 };
enum { BY_CALL, BY_RUN, MILLISECONDS = 30 };
#define NS 100ull /* of a unit of reference time */

static volatile uint64_t clock_page[512] __attribute__((aligned(4096)));
static volatile uint32_t messages[1024] __attribute__((aligned(4096)));

/* ---- reading clocks ---- */

static uint64_t counter(void) { return rdmsr(REFERENCE_COUNT); }

static uint64_t scaled(uint64_t tsc, uint64_t scale) { return (unsigned __int128)tsc * scale >> 64; }

static volatile int unstable; /* readings where the page changed without its sequence */
static volatile bool invalid; /* the page told to use the counter */

/* The reference time by the page, as its specification says. */
static uint64_t by_page(void)
{
    for (;;) {
        uint32_t sequence = clock_page[0];
        if (sequence == 0) {
            invalid = true;
            return counter();
        }
        uint64_t scale = clock_page[1], offset = clock_page[2], tsc = rdtsc();
        if ((uint32_t)clock_page[0] != sequence)
            continue;
        if (sequence == 0xFFFFFFFF)
            unstable++;
        return scaled(tsc, scale) + offset;
    }
}

/* Page and counter agree: reading one between two of the other fits, to a unit. */
static bool agree(void)
{
    uint64_t before = counter(), page = by_page(), after = counter();
    return before <= page + 1 && page <= after + 1;
}

struct host_clock {
    uint64_t now, certain, possible, at, still, after, slack, refused;
};

static struct host_clock host_clock(void)
{
    struct host_call call = { .code = HOST_CLOCK };
    call_host(&call);
    return *(struct host_clock *)call.out;
}

/* ---- one stretch of time, on both sides ---- */

/* The host's clock outside and inside of the guest's readings, at both ends. */
static struct stretch {
    struct host_clock outer, inner, inner_end, outer_end;
    uint64_t time, tsc, time_end, tsc_end, sequence, scale, offset;
} stretch;

static void begin(void)
{
    stretch.sequence = (uint32_t)clock_page[0];
    stretch.scale = clock_page[1];
    stretch.offset = clock_page[2];
    stretch.outer = host_clock();
    stretch.time = counter();
    stretch.tsc = rdtsc();
    stretch.inner = host_clock();
}

static void end(void)
{
    stretch.inner_end = host_clock();
    stretch.tsc_end = rdtsc();
    stretch.time_end = counter();
    stretch.outer_end = host_clock();
}

/* The most and the least, in nanoseconds, by which guest time can have advanced. */
static uint64_t most(void)
{
    return stretch.outer_end.now - stretch.outer.now - (stretch.outer_end.certain - stretch.outer.certain);
}
static uint64_t least(void)
{
    uint64_t all = stretch.inner_end.now - stretch.inner.now;
    uint64_t suspended = stretch.inner_end.possible - stretch.inner.possible;
    return all > suspended ? all - suspended : 0;
}
static bool within(uint64_t ns, uint64_t unit) { return ns <= most() + 2 * unit && ns + 2 * unit >= least(); }

static void check_stretch(const char *time_name, const char *tsc_name)
{
    check(time_name, within((stretch.time_end - stretch.time) * NS, NS));
    check(tsc_name, within(scaled(stretch.tsc_end - stretch.tsc, clock_page[1]) * NS, NS));
}

static void suspend(uint64_t milliseconds, uint64_t how)
{
    struct host_call call = { .code = HOST_SUSPEND, .in = { milliseconds, how } };
    call_host(&call);
}

/* ---- the tests ---- */

static void clocks(void)
{
    wrmsr(REFERENCE_TSC, address(clock_page) | 1);
    check("the page is valid", (uint32_t)clock_page[0] != 0);
    check("page and counter agree before", agree());

    begin();
    uint64_t page = by_page();
    suspend(MILLISECONDS, BY_CALL);
    uint64_t page_end = by_page();
    end();
    struct host_clock host = stretch.outer_end;
    check("the host suspended it that long", host.certain - stretch.outer.certain >= MILLISECONDS * 1000000ull);
    check_eq("reference time stands", host.still, host.at);
    check("it stood where the guest was", stretch.time <= host.at);
    check("it goes on from there", host.still <= host.after && host.after <= stretch.time_end);
    check("without a jump", (host.after - host.still) * NS <= host.slack + 2 * NS);
    check_stretch("counter: the rest of the time", "TSC: the rest of the time");
    check("page: monotonic and within", stretch.time <= page + 1 && page <= page_end && page_end <= stretch.time_end + 1);
    check("page and counter agree after", agree());
    bool is_same = clock_page[1] == stretch.scale && clock_page[2] == stretch.offset;
    check("scale and offset change with the sequence only", is_same || (uint32_t)clock_page[0] != stretch.sequence);

    begin();
    suspend(MILLISECONDS, BY_RUN);
    end();
    check_eq("reference time stands until the next run", stretch.outer_end.still, stretch.outer_end.at);
    check_stretch("by the run, counter: the rest of the time", "by the run, TSC: the rest of the time");
    check("by the run, page and counter agree", agree());

    begin();
    bool good = true;
    for (int i = 0; i < 20; i++) {
        suspend(i % 3, i & 1);
        good &= agree();
    }
    end();
    check_stretch("many, counter: the rest of the time", "many, TSC: the rest of the time");
    check("many, page and counter agree after each", good);
}

static volatile int taken[256];
static volatile uint64_t taken_at[256], taken_tsc[256];

static void note(struct frame *frame)
{
    taken_at[frame->vector] = counter();
    taken_tsc[frame->vector] = rdtsc();
    taken[frame->vector]++;
    apic_write(APIC_EOI, 0);
}

static void wait_for(int vector)
{
    while (!taken[vector])
        asm volatile("sti\n hlt\n cli" : : : "memory");
}

static const int timer_vectors[] = { VECTOR, DIRECT_VECTOR, PERIODIC_VECTOR, DEADLINE_VECTOR };

static void stop_timers(void)
{
    wrmsr(TIMER0 + 1, 0);
    wrmsr(TIMER1 + 1, 0);
    wrmsr(TIMER2 + 1, 0);
    wrmsr(TSC_DEADLINE, 0);
    messages[2 * 64] = 0;
    wrmsr(EOM, 0);
    take_interrupts();
    for (unsigned i = 0; i < sizeof timer_vectors / sizeof *timer_vectors; i++)
        taken[timer_vectors[i]] = 0;
}

static void timers(void)
{
    volatile uint32_t *slot = messages + 2 * 64;
    for (unsigned i = 0; i < sizeof timer_vectors / sizeof *timer_vectors; i++)
        hooks[timer_vectors[i]] = note;
    wrmsr(SIMP, address(messages) | 1);
    wrmsr(SINT2, VECTOR);
    apic_write(APIC_TIMER, 0x40000 | DEADLINE_VECTOR);
    asm volatile("mfence");
    uint64_t due, deadline, margin = 200000; /* 20 ms */
    const uint64_t period = 5000;
    uint64_t tsc_hz = rdmsr(TSC_HZ);
    /* On a slow host the timers may be due before time is suspended at all: once more with more time. */
    for (;;) {
        stop_timers();
        begin();
        due = counter() + margin;
        deadline = rdtsc() + margin * (tsc_hz / 10000000);
        wrmsr(TIMER0, 2ull << 16 | AUTO_ENABLE);
        wrmsr(TIMER0 + 1, due);
        wrmsr(TIMER1, DIRECT | DIRECT_VECTOR << 4 | AUTO_ENABLE);
        wrmsr(TIMER1 + 1, due);
        wrmsr(TSC_DEADLINE, deadline);
        suspend(MILLISECONDS + margin / 10000, BY_CALL);
        if (host_clock().still < due)
            break;
        margin *= 2;
    }
    wait_for(VECTOR);
    wait_for(DIRECT_VECTOR);
    wait_for(DEADLINE_VECTOR);
    end();
    check("a message of a timer is not early", taken_at[VECTOR] >= due);
    check_eq("its time is the one asked for", (uint64_t)slot[7] << 32 | slot[6], due);
    check("it was sent after that", ((uint64_t)slot[9] << 32 | slot[8]) >= due);
    check("a direct timer is not early", taken_at[DIRECT_VECTOR] >= due);
    check("a TSC deadline is not early", taken_tsc[DEADLINE_VECTOR] >= deadline);
    check_eq("each once", taken[VECTOR] << 8 | taken[DIRECT_VECTOR] << 4 | taken[DEADLINE_VECTOR], 0x111);
    check("the waiting took the suspension longer", within((stretch.time_end - stretch.time) * NS, NS));

    stop_timers();
    begin();
    wrmsr(TIMER2, DIRECT | PERIODIC_VECTOR << 4 | 2 | AUTO_ENABLE);
    wrmsr(TIMER2 + 1, period);
    suspend(MILLISECONDS, BY_RUN);
    while (taken[PERIODIC_VECTOR] < 5)
        asm volatile("sti\n hlt\n cli" : : : "memory");
    wrmsr(TIMER2 + 1, 0);
    take_interrupts();
    end();
    uint64_t periods = (stretch.time_end - stretch.time) / period;
    check("a periodic timer has no periods of the suspension", (uint64_t)taken[PERIODIC_VECTOR] <= periods + 1);

    /* The APIC's timer counts down with guest time. */
    uint64_t hz = rdmsr(APIC_HZ) / 16;
    apic_write(APIC_TIMER, 0x10000);
    apic_write(APIC_DIVIDE, 3);
    apic_write(APIC_INITIAL, 0xFFFFFFFF);
    begin();
    uint32_t count = apic_read(APIC_CURRENT);
    stretch.inner = host_clock();
    suspend(MILLISECONDS, BY_CALL);
    stretch.inner_end = host_clock();
    uint32_t count_end = apic_read(APIC_CURRENT);
    stretch.outer_end = host_clock();
    uint64_t tick = 1000000000 / hz + 1;
    check("the APIC timer's count stands too", within((count - count_end) * 1000000000ull / hz, tick));
    apic_write(APIC_INITIAL, 0);
}

/* ---- suspended while running ---- */

static volatile int running, over;

static void suspend_while_running(uint64_t how)
{
    running = over = 0;
    struct host_call call = {
        .code = HOST_SUSPEND_LATER,
        .in = { MILLISECONDS, how, (uint64_t)&running, (uint64_t)&over },
    };
    call_host(&call);
}

static volatile int backwards, apart, rounds;

/* Reads both clocks until the host is done; the guest never exits meanwhile. */
static void poll(void)
{
    uint64_t last = 0;
    running = 1;
    while (!over) {
        uint64_t before = counter(), page = by_page(), after = counter();
        backwards += before < last || after < before;
        apart += before > page + 1 || page > after + 1;
        last = after;
        rounds++;
    }
}

static void while_running(void)
{
    for (int how = BY_CALL; how <= BY_RUN; how++) {
        backwards = apart = 0;
        begin();
        suspend_while_running(how);
        poll();
        end();
        check_eq("refused while the processor ran", stretch.outer_end.refused - stretch.outer.refused, 1);
        check_eq("reference time stood", stretch.outer_end.still, stretch.outer_end.at);
        check_eq("no clock went back under the polling", backwards, 0);
        check_eq("page and counter agreed all the time", apart, 0);
        check_stretch("polling, counter: the rest of the time", "polling, TSC: the rest of the time");
    }
}

/* ---- two processors ---- */

static volatile uint64_t latest;

/* Whatever another processor has seen is in the past. */
static void watch(bool with_page)
{
    while (!over) {
        uint64_t seen = latest;
        uint64_t now = with_page ? by_page() : counter();
        if (now + 1 < seen)
            __atomic_add_fetch(&backwards, 1, __ATOMIC_SEQ_CST);
        while (now > seen && !__atomic_compare_exchange_n(&latest, &seen, now, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
            ;
    }
}

static void watch_page(int self)
{
    (void)self;
    watch(true);
}

static void two_processors(void)
{
    start_others();
    backwards = 0;
    for (int how = BY_CALL; how <= BY_RUN; how++) {
        begin();
        suspend_while_running(how);
        start(watch_page);
        running = 1;
        watch(false);
        while (done < OTHERS)
            asm volatile("pause");
        end();
        check_eq("two processors: reference time stood", stretch.outer_end.still, stretch.outer_end.at);
        check_eq("two processors: no clock went back", backwards, 0);
        check_stretch("two processors, counter: the rest of the time", "two processors, TSC: the rest of the time");
    }
}

void test_main(void)
{
    apic_write(APIC_SVR, 0x1FF);
    clocks();
    timers();
    while_running();
    two_processors();
    check_eq("the sequence was never the reserved one", unstable, 0);
    check("the page was always valid", !invalid);
}
