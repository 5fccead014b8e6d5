/* Interrupts that a client injects when it was told that they can be delivered, as programs do that emulate the
 * interrupt controller themselves: each arrives at the first boundary that the architecture allows, the highest first.
 * Intel SDM 3A "Masking Maskable Hardware Interrupts", "Masking Exceptions and Interrupts When Switching Stacks".
 *
 * Without a local APIC the client compares with CR8 and injects NMIs, too; with one it stands for an 8259, whose
 * interrupts the APIC's priorities do not concern. */
#include "apic.h"
#include "host.h"

enum { LOW = 0x41, MIDDLE = 0x52, HIGH = 0x93, CALL = 0x80, RING3 = 3, STORM = 100 };

static struct arrival {
    int vector;
    word ip, cs, flags;
} arrivals[16];
static volatile int count, depth, deepest;
static bool has_apic;

static void arrive(struct frame *frame)
{
    if (++depth > deepest)
        deepest = depth;
    arrivals[count++ & 15] = (struct arrival){ frame->vector, frame->ip, frame->cs, frame->flags };
    depth--;
}

static struct host_call request;

/* Prepares the request that CALL_HOST in the sequences below makes; a retried one makes its events wait before the
 * instruction is done. */
static struct host_call *prepare(bool retry, int vectors, int first, int second, int third)
{
    request = (struct host_call){ .code = HOST_RAISE, .in = { retry, vectors, first, second, third } };
    count = deepest = 0;
    return &request;
}
static struct host_call *raise(int vector) { return prepare(false, 1, vector, 0, 0); }
static struct host_call *raise_and_retry(int vector) { return prepare(true, 1, vector, 0, 0); }

static struct host_call injected(void)
{
    struct host_call call = { .code = HOST_INJECTED };
    call_host(&call);
    return call;
}
static uint64_t waiting(void) { return injected().out[4]; }

static word get_ss(void)
{
    word value;
    asm volatile("mov %%ss, %0" : "=r"(value));
    return value;
}

/* Runs a sequence that starts and ends with IF = 0; the value is the address of its label 97. EAX is for CALL_HOST,
 * EDX has SS, RBX the address, RSI is free. */
#define SEQUENCE(call, text)                                                         \
    ({                                                                               \
        word here_;                                                                  \
        asm volatile("cli\n lea 97f(%%rip), %0\n" text "\n cli"                      \
                     : "=&b"(here_) : "a"(call), "d"(get_ss()) : "memory", "cc", "rsi"); \
        here_;                                                                       \
    })
#define SET_IF "pushf\n orl $0x200, (%%rsp)\n popf\n"

/* One event came, at this address; so many still wait. */
static void one(const char *name, word here, int vector, uint64_t rest)
{
    check_eq(name, count == 1 ? arrivals[0].ip : (word)count, here);
    check_eq("  with its vector, and nothing else", (uint64_t)arrivals[0].vector << 8 | waiting(), (uint64_t)vector << 8 | rest);
}
static void none(const char *name) { check_eq(name, (uint64_t)count << 8 | waiting(), 1); }

static void boundaries(void)
{
    one("IF set: right behind the request", SEQUENCE(raise(LOW), SET_IF CALL_HOST "\n 97: nop\n nop"), LOW, 0);
    one("STI: behind the next instruction", SEQUENCE(raise(LOW), CALL_HOST "\n nop\n sti\n nop\n 97: nop\n nop"), LOW, 0);
    check_eq("the frame has IF", arrivals[0].flags & FLAG_IF, FLAG_IF);
    one("STI twice: the second casts no shadow", SEQUENCE(raise(LOW), CALL_HOST "\n sti\n sti\n 97: nop\n nop"), LOW, 0);

    SEQUENCE(raise(LOW), CALL_HOST "\n sti\n cli\n 97: nop\n nop");
    none("STI and CLI leave no gap");
    one("and it comes later", SEQUENCE(0, "sti\n nop\n 97: nop"), LOW, 0);

    one("POPF: right behind it", SEQUENCE(raise(LOW), CALL_HOST "\n" SET_IF "97: nop\n nop"), LOW, 0);
    SEQUENCE(raise(LOW), CALL_HOST "\n pushf\n popf\n 97: nop\n nop");
    none("POPF without IF: none");
    one("IRET: right at its target",
        SEQUENCE(0, "mov %%rsp, %%rsi\n push %%rdx\n push %%rsi\n pushf\n orl $0x200, (%%rsp)\n push $8\n push %%rbx\n"
                    "iretq\n nop\n 97: nop\n nop"), LOW, 0);
    one("HLT behind STI: behind HLT", SEQUENCE(raise(LOW), CALL_HOST "\n sti\n hlt\n 97: nop"), LOW, 0);
    one("a port access in the shadow ends it", SEQUENCE(raise(LOW), "sti\n " CALL_HOST "\n 97: nop\n nop"), LOW, 0);
}

/* The event waits when the instruction in the shadow comes out to the host, and when that runs it again. */
static void shadows(void)
{
    one("STI's shadow holds over an exit", SEQUENCE(raise_and_retry(LOW), "sti\n " CALL_HOST "\n 97: nop\n nop"), LOW, 0);
    one("MOV SS: behind the next instruction",
        SEQUENCE(raise_and_retry(LOW), SET_IF "mov %%edx, %%ss\n " CALL_HOST "\n 97: nop\n nop"), LOW, 0);
    one("without a shadow: at the instruction", SEQUENCE(raise_and_retry(LOW), SET_IF "97: " CALL_HOST "\n nop\n nop"), LOW, 0);
    one("STI with IF set casts none", SEQUENCE(raise_and_retry(LOW), SET_IF "sti\n 97: " CALL_HOST "\n nop"), LOW, 0);
    one("a port access behind MOV SS ends the shadow",
        SEQUENCE(raise(LOW), SET_IF "mov %%edx, %%ss\n " CALL_HOST "\n 97: nop\n nop"), LOW, 0);

    /* A software interrupt in the shadow: through a trap gate the interrupt comes before its handler's first
       instruction, through an interrupt gate behind its IRET. */
    hooks[CALL] = arrive;
    set_gate(CALL, (word)trap_stubs + 16 * CALL, 8, 0x8F, 0);
    SEQUENCE(raise(LOW), CALL_HOST "\n sti\n int $0x80\n 97: nop");
    check_eq("INT through a trap gate: in its handler", arrivals[0].vector << 8 | arrivals[1].vector, LOW << 8 | CALL);
    check_eq("before the first instruction", arrivals[0].ip, (word)trap_stubs + 16 * CALL);
    reset_gate(CALL);
    word here = SEQUENCE(raise(LOW), CALL_HOST "\n sti\n int $0x80\n 97: nop\n nop");
    check_eq("INT through an interrupt gate: behind it", arrivals[0].vector << 8 | arrivals[1].vector, CALL << 8 | LOW);
    check_eq("right behind it", arrivals[1].ip, here);
    hooks[CALL] = 0;

    call_host(raise(LOW));
    TRY("sti\n ud2", : : : "memory");
    asm volatile("nop\n cli" : : : "memory");
    check_eq("a fault in the shadow: then the interrupt", (uint64_t)count << 8 | last.vector, 1 << 8 | UD);
}

extern char to_ring_3[];
asm("to_ring_3: nop\n int $0x80\n");

static void ring_3(void)
{
    word ip = (word)to_ring_3 + USER_ALIAS;
    word frame[6] = { ip, 0x28 | RING3, 0x202, (word)user_stack_top + USER_ALIAS, 0x20 | RING3, 0 };
    call_host(raise(LOW));
    last.vector = NONE;
    run_frame(frame);
    one("IRET to ring 3: at its first instruction", ip, LOW, 0);
    check_eq("in ring 3, which went on", arrivals[0].cs << 8 | last.vector, (0x28 | RING3) << 8 | CALL);
}

/* Vectors in the order of their arrival. */
static uint64_t order(void)
{
    uint64_t all = 0;
    for (int i = 0; i < count && i < 8; i++)
        all = all << 8 | (arrivals[i].vector & 0xFF);
    return all;
}

static void priorities(void)
{
    word here = SEQUENCE(prepare(false, 3, MIDDLE, HIGH, LOW), CALL_HOST "\n sti\n nop\n 97: nop\n nop\n nop\n nop");
    check_eq("the highest first", order(), HIGH << 16 | MIDDLE << 8 | LOW);
    check("all at one boundary", arrivals[0].ip == here && arrivals[1].ip == here && arrivals[2].ip == here);
    check_eq("none inside another", deepest, 1);
    if (has_apic) {
        set_cr8(15);
        one("an 8259's interrupts pass by CR8", SEQUENCE(raise(LOW), CALL_HOST "\n sti\n nop\n 97: nop\n nop"), LOW, 0);
        set_cr8(0);
        for (int i = 0; i < 4; i++)
            skip("priorities of the client's own");
        return;
    }
    set_cr8(5);
    here = SEQUENCE(prepare(false, 3, MIDDLE, HIGH, LOW), CALL_HOST "\n sti\n nop\n 97: nop\n nop\n nop");
    one("CR8 holds back its class and those below", here, HIGH, 2);
    count = 0;
    one("until it falls: right behind MOV to CR8", SEQUENCE(0, "sti\n mov $4, %%esi\n mov %%rsi, %%cr8\n 97: nop\n nop"), MIDDLE, 1);
    count = 0;
    one("and further", SEQUENCE(0, "sti\n mov $3, %%esi\n mov %%rsi, %%cr8\n 97: nop\n nop"), LOW, 0);
    set_cr8(0);
}

/* ---- NMIs ---- */

static void nmi_raises_another(struct frame *frame)
{
    arrive(frame);
    if (count == 1) {
        request.in[2] = NMI;
        call_host(&request);
        for (int i = 0; i < 100; i++)
            asm volatile("pause");
    }
}

static void skip_ud2(struct frame *frame) { frame->ip += 2; }

static volatile word behind_fault;

static void nmi_faults(struct frame *frame)
{
    arrive(frame);
    if (count == 1) {
        call_host(&request);
        word here;
        asm volatile("lea 97f(%%rip), %0\n ud2\n 97: nop\n nop" : "=r"(here) : : "memory");
        behind_fault = here;
        arrivals[count++] = (struct arrival){ .vector = CALL };
    }
}

static void non_maskable(void)
{
    hooks[NMI] = arrive;
    one("NMI with IF clear: right behind the request", SEQUENCE(raise(NMI), CALL_HOST "\n 97: nop\n nop"), NMI, 0);
    one("NMI: not behind MOV SS", SEQUENCE(raise_and_retry(NMI), "mov %%edx, %%ss\n " CALL_HOST "\n 97: nop\n nop"), NMI, 0);

    hooks[NMI] = nmi_raises_another;
    word here = SEQUENCE(raise(NMI), CALL_HOST "\n 97: nop\n nop");
    check_eq("an NMI in an NMI's handler waits", (uint64_t)deepest << 16 | order(), 1 << 16 | NMI << 8 | NMI);
    check("for its IRET, and not longer", arrivals[0].ip == here && arrivals[1].ip == here);

    hooks[NMI] = nmi_faults;
    hooks[UD] = skip_ud2;
    here = SEQUENCE(raise(NMI), CALL_HOST "\n 97: nop\n nop");
    check_eq("a fault's IRET in the handler opens the window", order(), NMI << 16 | NMI << 8 | CALL);
    check_eq("right behind it", arrivals[1].ip, behind_fault);
    hooks[UD] = 0;
    hooks[NMI] = arrive;

    if (has_apic) {
        for (int i = 0; i < 6; i++)
            skip("NMIs of the client's own");
        return;
    }
    one("NMI: not in STI's shadow", SEQUENCE(raise_and_retry(NMI), "sti\n " CALL_HOST "\n 97: nop\n nop"), NMI, 0);
    here = SEQUENCE(prepare(true, 2, LOW, NMI, 0), SET_IF "mov %%edx, %%ss\n " CALL_HOST "\n 97: nop\n nop");
    check_eq("an NMI before an interrupt", order(), NMI << 8 | LOW);
    check("both at the same boundary", arrivals[0].ip == here && arrivals[1].ip == here);
    check_eq("the interrupt after the NMI's IRET", deepest, 1);
    struct host_call all = injected();
    check("there were windows for both", all.out[1] && all.out[2]);
}

/* ---- from another thread ---- */

static volatile int storms, elsewhere, hits[256];
static word storm_base; /* of the addresses that are counted */
extern char storm_begin[], storm_halt[], storm_halted[];
extern char storm_1[], storm_2[], storm_3[], storm_4[], storm_5[], storm_6[];

static void arrive_in_storm(struct frame *frame)
{
    word offset = frame->ip - storm_base;
    if (offset < 256)
        hits[offset]++;
    else
        elsewhere++;
    storms++;
}

static void storm(void)
{
    hooks[LOW] = arrive_in_storm;
    storm_base = (word)storm_begin;
    struct host_call call = { .code = HOST_STORM, .in = { STORM, LOW } };
    call_host(&call);
    asm volatile("storm_begin: sti\n"
                 "storm_1: nop\n" /* STI's shadow */
                 "nop\n"
                 "mov %2, %%ss\n"
                 "storm_2: nop\n" /* that of MOV SS */
                 "nop\n"
                 "cli\n"
                 "storm_3: nop\n" /* IF is clear */
                 "pushf\n orl $0x200, (%%rsp)\n popf\n"
                 "nop\n"
                 "cli\n"
                 "storm_4: sti\n"
                 "storm_5: cli\n"
                 "storm_6: cmpl %1, %0\n"
                 "jb storm_begin\n"
                 : : "m"(storms), "i"(STORM), "r"((uint32_t)get_ss()) : "memory", "cc");
    check_eq("a storm from another thread: all arrive", storms, STORM);
    check_eq("where interrupts are on", elsewhere, 0);
    const char *const forbidden[] = { storm_1, storm_2, storm_3, storm_4, storm_5, storm_6 };
    int wrong = 0;
    for (unsigned i = 0; i < sizeof forbidden / sizeof *forbidden; i++)
        wrong += hits[forbidden[i] - storm_begin];
    check_eq("and never in a shadow", wrong, 0);

    storms = elsewhere = 0;
    storm_base = (word)storm_halt;
    memset((void *)hits, 0, sizeof hits);
    call_host(&call);
    asm volatile("storm_halt: sti\n hlt\n"
                 "storm_halted: cli\n"
                 "cmpl %1, %0\n"
                 "jb storm_halt\n"
                 : : "m"(storms), "i"(STORM) : "memory", "cc");
    check_eq("all end HLT", storms, STORM);
    check_eq("right behind it", hits[storm_halted - storm_halt], STORM);
    check_eq("nothing waits", waiting(), 0);
    check_eq("every window was one", injected().out[3], 0);
}

void test_main(void)
{
    has_apic = cpuid(1, 0).d >> 9 & 1;
    hooks[LOW] = hooks[MIDDLE] = hooks[HIGH] = arrive;
    boundaries();
    shadows();
    ring_3();
    priorities();
    non_maskable();
    storm();
}
