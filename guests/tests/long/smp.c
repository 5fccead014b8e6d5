/* Several processors: start-up, atomics, order of stores, messages, shared translations and code. */
enum { PROCESSORS = 4, OTHERS = PROCESSORS - 1, ROUNDS = 20000, SPLIT_ROUNDS = 200 };
#include "smp.h"

static bool finished(void) { return WAIT_FOR(done == OTHERS); }

static void start_processors(void)
{
    apic_write(APIC_SVR, 0x1FF);
    memcpy((void *)TRAMPOLINE, ap_trampoline, ap_trampoline_end - ap_trampoline);
    apic_send(0, 0xC4500);
    wait(10000);
    check_eq("INIT alone starts nobody", alive, 0);
    apic_send(0, 0xC4600 | TRAMPOLINE >> 12);
    check("start-up starts everyone", WAIT_FOR(alive == OTHERS));
    apic_send(0, 0xC4600 | TRAMPOLINE >> 12);
    wait(10000);
    check_eq("a second start-up changes nothing", alive << 8 | ap_tickets, OTHERS << 8 | OTHERS);
    uint32_t set = 1u << (apic_read(APIC_ID) >> 24);
    for (int i = 0; i < OTHERS; i++)
        set |= 1u << ids[i];
    check_eq("every ID once", set, (1u << PROCESSORS) - 1);
}

static int ones(uint32_t value)
{
    int count = 0;
    for (; value; value &= value - 1)
        count++;
    return count;
}

/* ---- atomics ---- */

static volatile uint64_t counter;
static uint64_t pair[2] __attribute__((aligned(16)));
static uint8_t line[256] __attribute__((aligned(64)));
static uint8_t two_pages[8192] __attribute__((aligned(4096)));
static volatile uint32_t lock_word;
static volatile uint64_t guarded;

static void count_locked(int self)
{
    (void)self;
    for (int i = 0; i < ROUNDS; i++)
        asm volatile("lock incq %0" : "+m"(counter) : : "memory");
}
static void count_exchange(int self)
{
    (void)self;
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t old = counter;
        while (!__atomic_compare_exchange_n(&counter, &old, old + 1, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
            ;
    }
}
static void count_pair(int self)
{
    (void)self;
    for (int i = 0; i < ROUNDS / 4; i++) {
        uint64_t low = pair[0], high = pair[1];
        bool good;
        do {
            uint64_t next_low = low + 1, next_high = high - 1;
            asm volatile("lock cmpxchg16b %1" : "=@ccz"(good), "+m"(pair), "+a"(low), "+d"(high)
                         : "b"(next_low), "c"(next_high) : "memory");
        } while (!good);
    }
}
static void count_over_lines(int self)
{
    (void)self;
    for (int i = 0; i < SPLIT_ROUNDS; i++)
        asm volatile("lock incl %0" : "+m"(*(uint32_t *)(line + 62)) : : "memory");
}
static void count_over_pages(int self)
{
    (void)self;
    for (int i = 0; i < SPLIT_ROUNDS; i++)
        asm volatile("lock incq %0" : "+m"(*(uint64_t *)(two_pages + 4093)) : : "memory");
}
static void count_guarded(int self)
{
    (void)self;
    for (int i = 0; i < ROUNDS / 4; i++) {
        uint32_t one = 1;
        for (;;) {
            asm volatile("xchg %0, %1" : "+r"(one), "+m"(lock_word) : : "memory");
            if (!one)
                break;
            while (lock_word)
                asm volatile("pause");
        }
        guarded = guarded + 1;
        lock_word = 0;
    }
}
static void set_bits(int self)
{
    for (int i = self; i < 512; i += PROCESSORS)
        asm volatile("lock bts %1, %0" : "+m"(*(uint32_t *)two_pages) : "r"(i) : "memory");
}

static bool everyone(void (*function)(int))
{
    start(function);
    function(OTHERS);
    return finished();
}

static void atomics(void)
{
    counter = 0;
    everyone(count_locked);
    check_eq("LOCK INC", counter, PROCESSORS * ROUNDS);
    counter = 0;
    everyone(count_exchange);
    check_eq("LOCK CMPXCHG", counter, PROCESSORS * ROUNDS);
    everyone(count_pair);
    check_eq("LOCK CMPXCHG16B, low", pair[0], PROCESSORS * ROUNDS / 4);
    check_eq("LOCK CMPXCHG16B, high", -pair[1], PROCESSORS * ROUNDS / 4);
    everyone(count_over_lines);
    check_eq("LOCK over two cache lines", *(uint32_t *)(line + 62), PROCESSORS * SPLIT_ROUNDS);
    everyone(count_over_pages);
    check_eq("LOCK over two pages", *(uint64_t *)(two_pages + 4093), PROCESSORS * SPLIT_ROUNDS);
    everyone(count_guarded);
    check_eq("a spin lock of XCHG and MOV", guarded, PROCESSORS * ROUNDS / 4);
    memset(two_pages, 0, 64);
    everyone(set_bits);
    int set = 0;
    for (int i = 0; i < 64; i++)
        set += ones(two_pages[i]);
    check_eq("LOCK BTS with a register index", set, 512);
}

/* ---- order ---- */

static volatile uint64_t first, second;
static volatile int violations;

static void watch_order(int self)
{
    (void)self;
    for (;;) {
        uint64_t b = second, a = first; /* read against the writer's order */
        if (b > a)
            violations++;
        if (b >= ROUNDS)
            return;
    }
}

static void order(void)
{
    start(watch_order);
    for (uint64_t i = 1; i <= ROUNDS; i++) {
        first = i;
        second = i;
    }
    check("observers end", finished());
    check_eq("stores are seen in order", violations, 0);
}

/* ---- messages ---- */

static volatile int received[16], nmis;

static void count_message(struct frame *frame)
{
    (void)frame;
    int id = apic_read(APIC_ID) >> 24;
    __atomic_add_fetch(&received[id], 1, __ATOMIC_SEQ_CST);
    apic_write(APIC_EOI, 0);
}
static void count_nmi(struct frame *frame)
{
    (void)frame;
    __atomic_add_fetch(&nmis, 1, __ATOMIC_SEQ_CST);
}

static volatile int release, ready;

static void sleep_until_released(int self)
{
    (void)self;
    apic_write(APIC_DFR, 0xFFFFFFFF);
    apic_write(APIC_LDR, 0x1000000u << (apic_read(APIC_ID) >> 24));
    __atomic_add_fetch(&ready, 1, __ATOMIC_SEQ_CST);
    while (!release)
        asm volatile("sti\n hlt\n cli" : : : "memory");
}

static uint32_t received_set(void)
{
    uint32_t set = 0;
    for (int i = 0; i < 16; i++)
        set |= received[i] ? 1u << i : 0;
    memset((void *)received, 0, sizeof received);
    return set;
}

static int total(void)
{
    int sum = 0;
    for (int i = 0; i < 16; i++)
        sum += received[i];
    return sum;
}

static void messages(void)
{
    hooks[0x45] = count_message;
    hooks[NMI] = count_nmi;
    start(sleep_until_released);
    WAIT_FOR(ready == OTHERS);
    int own = apic_read(APIC_ID) >> 24, other = ids[1];
    uint32_t all = (1u << PROCESSORS) - 1, others = all & ~(1u << own);
    apic_send(other, 0x4045);
    check("physical destination", WAIT_FOR(total() == 1));
    wait(1000);
    check_eq("only that one", received_set(), 1u << other);
    apic_send(others & 5, 0x4845);
    check("logical destination", WAIT_FOR(total() == ones(others & 5)));
    check_eq("the ones of the mask", received_set(), others & 5);
    apic_send(0, 0xC4045);
    check("all but self", WAIT_FOR(total() == OTHERS));
    check_eq("those", received_set(), others);
    apic_send(0xFF, 0x4045);
    sti();
    check("broadcast reaches the sender, too", WAIT_FOR(total() == PROCESSORS));
    cli();
    check_eq("everyone", received_set(), all);
    apic_send(others, 0x4945);
    check("lowest priority takes one", WAIT_FOR(total() >= 1));
    wait(10000);
    check_eq("exactly one", total(), 1);
    received_set();
    apic_send(other, 0x4400);
    check("NMI ends HLT", WAIT_FOR(nmis == 1));
    release = 1;
    apic_send(0, 0xC4045);
    check("released", finished());
    received_set();
}

/* ---- translations ---- */

#define WINDOW 0x10000000000ul
extern uint64_t pml4[512];
static uint64_t window_pdpt[512] __attribute__((aligned(4096)));
static uint64_t window_pd[512] __attribute__((aligned(4096)));
static uint64_t table[512] __attribute__((aligned(4096)));
static volatile uint64_t pages[2][512] __attribute__((aligned(4096)));
static volatile int acknowledged, stale, stop;

static void forget_page(struct frame *frame)
{
    (void)frame;
    invlpg((void *)WINDOW);
    __atomic_add_fetch(&acknowledged, 1, __ATOMIC_SEQ_CST);
    apic_write(APIC_EOI, 0);
}

static void read_page(int self)
{
    (void)self;
    sti();
    while (!stop) {
        if (*(volatile uint64_t *)WINDOW == 99)
            stale++;
    }
    cli();
}

static void shootdown(void)
{
    hooks[0x46] = forget_page;
    pml4[WINDOW >> 39 & 511] = (word)window_pdpt | 3;
    window_pdpt[0] = (word)window_pd | 3;
    window_pd[0] = (word)table | 3;
    table[0] = (word)pages[0] | 3;
    pages[0][0] = 1;
    pages[1][0] = 2;
    set_cr3(get_cr3());
    start(read_page);
    wait(10000);
    table[0] = (word)pages[1] | 3;
    invlpg((void *)WINDOW);
    apic_send(0, 0xC4046);
    check("everyone forgets the page", WAIT_FOR(acknowledged == OTHERS));
    pages[0][0] = 99; /* nobody may read the old page any more */
    pages[1][0] = 3;
    wait(10000);
    stop = 1;
    check("readers end", finished());
    check_eq("nobody read the old page after that", stale, 0);
    check_eq("all accessed bits", table[0] & 0x20, 0x20);
}

/* ---- code ---- */

static volatile int code_version, wrong_code;
static uint8_t code[64] __attribute__((aligned(64))) = { 0xB8, 0, 0, 0, 0, 0xC3 }; /* mov eax, imm32; ret */

static void run_code(int self)
{
    (void)self;
    for (int seen = 0; seen < 200;) {
        int version = code_version;
        if (version == seen)
            continue;
        seen = version;
        (void)cpuid(0, 0); /* serialise */
        int value = ((int (*)(void))code)();
        if (value < version)
            wrong_code++;
    }
}

static void cross_modification(void)
{
    start(run_code);
    for (int i = 1; i <= 200; i++) {
        *(volatile uint32_t *)(code + 1) = i;
        code_version = i;
        wait(200);
    }
    check("runners end", finished());
    check_eq("serialised processors run the new code", wrong_code, 0);
}

/* ---- INIT of a running processor ---- */

static void sleep_for_ever(int self)
{
    (void)self;
    __atomic_add_fetch(&ready, 1, __ATOMIC_SEQ_CST);
    for (;;)
        asm volatile("cli\n hlt");
}

static void restart(void)
{
    ready = 0;
    start(sleep_for_ever);
    WAIT_FOR(ready == OTHERS);
    alive = 0;
    ap_tickets = 0;
    for (int i = 0; i < OTHERS; i++)
        apic_send(ids[i], 0x4500);
    wait(10000);
    check_eq("INIT stops them", alive, 0);
    for (int i = 0; i < OTHERS; i++)
        apic_send(ids[i], 0x4600 | TRAMPOLINE >> 12);
    check("and start-up brings them back", WAIT_FOR(alive == OTHERS));
    counter = 0;
    everyone(count_locked);
    check_eq("at work", counter, PROCESSORS * ROUNDS);
}

void test_main(void)
{
    start_processors();
    atomics();
    order();
    messages();
    shootdown();
    cross_modification();
    restart();
}
