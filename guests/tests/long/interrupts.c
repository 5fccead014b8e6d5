/* Interrupts that arrive in the middle of work: string instructions, loops, ring 3, shadows, NMIs. */
#include "apic.h"

enum { SELF = 1 << 18, TIMER = 0x61 };

static volatile int ticks;
static volatile word tick_ip[8], tick_cx[8], tick_flags[8];

static void tick(struct frame *frame)
{
    if (ticks < 8) {
        tick_ip[ticks] = frame->ip;
        tick_cx[ticks] = frame->cx;
        tick_flags[ticks] = frame->flags;
    }
    ticks++;
    apic_write(APIC_EOI, 0);
}

static void start_timer(uint32_t count, bool periodic)
{
    ticks = 0;
    hooks[TIMER] = tick;
    apic_write(APIC_DIVIDE, 0xB);
    apic_write(APIC_TIMER, TIMER | (periodic ? 0x20000 : 0));
    apic_write(APIC_INITIAL, count);
}
static void stop_timer(void) { apic_write(APIC_INITIAL, 0); }

static uint8_t from[1 << 20], to[1 << 20];

static void long_strings(void)
{
    for (unsigned i = 0; i < sizeof from; i++)
        from[i] = i * 31 + (i >> 8);
    word si, di, cx, ip;
    int rounds = 0, wrong = 0;
    bool within = false;
    start_timer(30000, true);
    /* One instruction copies a MiB; sooner or later the timer falls into it. */
    do {
        si = (word)from, di = (word)to, cx = sizeof from;
        ticks = 0;
        asm volatile("sti\n 97: rep movsb\n cli\n lea 97b(%%rip), %3" : "+S"(si), "+D"(di), "+c"(cx), "=r"(ip) : : "memory");
        wrong += cx != 0 || di != (word)to + sizeof to || memcmp(from, to, 4096) || memcmp(from + sizeof from - 4096, to + sizeof to - 4096, 4096);
        for (int i = 0; i < ticks && i < 8; i++)
            within |= tick_ip[i] == ip && tick_cx[i] > 0 && tick_cx[i] < sizeof from;
        memset(to, 0, 4096);
    } while (!within && ++rounds < 200);
    stop_timer();
    check_eq("a copy with interrupts in it is whole", wrong, 0);
    check("an interrupt fell between two iterations", within);
}

static void loops(void)
{
    start_timer(50000, true);
    word sum = 0;
    sti();
    for (word i = 0; i < 3000000; i++)
        asm volatile("add %1, %0" : "+r"(sum) : "r"(i));
    cli();
    stop_timer();
    check_eq("a sum under interrupts", sum, 3000000ul * 2999999 / 2);
    check("there were some", ticks > 1);
    start_timer(5000, false);
    asm volatile("sti\n 97: jmp 96f\n 96: cmpl $0, %0\n je 97b\n cli" : : "m"(ticks) : "cc", "memory");
    check_eq("an endless loop ends", ticks, 1);
    check_eq("flags of the interrupted program have IF", tick_flags[0] & FLAG_IF, FLAG_IF);
}

asm("user_spin: inc %rdi\n jmp user_spin\n");
extern char user_spin[];

static void leave_spin(struct frame *frame)
{
    tick(frame);
    if (ticks >= 3) {
        last = *frame;
        apic_write(APIC_INITIAL, 0);
        leave_user();
    }
}

static void ring_3(void)
{
    start_timer(20000, true);
    hooks[TIMER] = leave_spin;
    word frame[6] = { (word)user_spin + USER_ALIAS, 0x2B, 0x202, (word)user_stack_top + USER_ALIAS, 0x23, 0 };
    run_frame(frame);
    check_eq("interrupts of ring 3", ticks, 3);
    check_eq("their CS", last.cs, 0x2B);
    check("ring 3 went on in between", last.di > 0);
    hooks[TIMER] = tick; /* one more may wait */
    take_interrupts();
}

static volatile int nmis, order[8], events;

static void note_nmi(struct frame *frame)
{
    (void)frame;
    nmis++;
    order[events++ & 7] = NMI;
}
static void note_interrupt(struct frame *frame)
{
    order[events++ & 7] = frame->vector;
    apic_write(APIC_EOI, 0);
}
static void note_debug(struct frame *frame)
{
    order[events++ & 7] = DB;
    frame->flags &= ~(word)FLAG_TF;
}
/* An NMI handler during which a fault happens: its IRET unblocks NMIs. */
static void nmi_with_fault(struct frame *frame)
{
    (void)frame;
    nmis++;
    if (nmis == 1) {
        apic_send(apic_read(APIC_ID) >> 24, 0x400);
        int before = nmis;
        TRY("ud2", ::);
        WAIT_FOR(nmis > before);
        order[0] = nmis;
    }
}

static void priorities(void)
{
    uint32_t id = apic_read(APIC_ID) >> 24;
    hooks[NMI] = note_nmi;
    hooks[0x50] = note_interrupt;
    hooks[DB] = note_debug;
    nmis = 0;
    apic_send(id, 0x400);
    WAIT_FOR(nmis == 1);
    check_eq("an NMI arrives with IF clear", nmis, 1);

    events = 0;
    apic_write(APIC_ICR, SELF | 0x50);
    WAIT_FOR(apic_bit(APIC_IRR, 0x50));
    apic_write(APIC_ICR_HIGH, id << 24);
    asm volatile("sti\n movl %0, (%1)\n nop\n nop\n cli" : : "r"(0x400), "r"(0xFEE00300ul) : "memory");
    WAIT_FOR(events == 2);
    check_eq("an NMI and an interrupt", events, 2);

    events = 0;
    cli();
    apic_write(APIC_ICR, SELF | 0x50);
    WAIT_FOR(apic_bit(APIC_IRR, 0x50));
    asm volatile("pushf\n orl $0x300, (%%rsp)\n popf\n nop\n nop\n cli" : : : "cc", "memory");
    check_eq("a single step and an interrupt", events, 2);
    hooks[DB] = 0;

    /* Fault in an NMI handler. */
    nmis = 0;
    hooks[NMI] = nmi_with_fault;
    apic_send(id, 0x400);
    WAIT_FOR(nmis == 2);
    check_eq("a fault's IRET within an NMI handler unblocks NMIs", order[0], 2);
    hooks[NMI] = 0;
}

static void shadows(void)
{
    hooks[0x50] = note_interrupt;
    events = 0;
    apic_write(APIC_ICR, SELF | 0x50);
    WAIT_FOR(apic_bit(APIC_IRR, 0x50));
    asm volatile("sti\n sti\n sti\n cli" : : : "memory");
    check_eq("only the first STI of a row casts a shadow", events, 1);
    events = 0;
    apic_write(APIC_ICR, SELF | 0x50);
    WAIT_FOR(apic_bit(APIC_IRR, 0x50));
    asm volatile("pushf\n orl $0x200, (%%rsp)\n popf\n cli" : : : "cc", "memory");
    check_eq("POPF casts none", events, 1);
    events = 0;
    apic_write(APIC_ICR, SELF | 0x50);
    WAIT_FOR(apic_bit(APIC_IRR, 0x50));
    asm volatile("sti\n hlt\n cli" : : : "memory");
    check_eq("HLT in the shadow does not sleep for ever", events, 1);
    events = 0;
    apic_write(APIC_ICR, SELF | 0x50);
    WAIT_FOR(apic_bit(APIC_IRR, 0x50));
    TRY("sti\n ud2", ::);
    cli();
    check("a fault in the shadow ends it", WAIT_FOR(events == 1 || (take_interrupts(), events == 1)));
    check_eq("the fault's frame has IF", last.flags & FLAG_IF, FLAG_IF);
}

void test_main(void)
{
    apic_write(APIC_SVR, 0x1FF);
    long_strings();
    loops();
    ring_3();
    priorities();
    shadows();
}
