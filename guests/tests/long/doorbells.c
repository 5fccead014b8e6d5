/* Doorbells and ports: stores and signals of the guest that set events of the host, which are triggers for interrupts
 * to the guest. No thread of the program that runs the machine is in the way. */
enum { OTHERS = 1 };
#include "smp.h"
#include "hv.h"
#include "host.h"

enum { VECTOR = 0x60, SECOND_VECTOR = 0x61, RINGS = 300 };
#define DEVICE 0x10000000ul /* no memory */
#define AT(offset, type) (*(volatile type *)(DEVICE + (offset)))

static struct host_call ask(struct host_call call)
{
    call_host(&call);
    return call;
}

struct bell {
    uint64_t address, length, has_value, value, vector, destination, kind;
};

/* The number of the new bell, or less than 0. */
static int ring_for(struct bell bell)
{
    struct host_call call = { .code = HOST_BELL };
    memcpy(call.in, &bell, sizeof bell);
    call_host(&call);
    return call.out[0] ? -(int)call.out[0] : (int)call.out[1];
}
static uint64_t forget(int bell) { return ask((struct host_call){ .code = HOST_UNREGISTER, .in = { bell } }).out[0]; }
static uint64_t rings(int bell) { return ask((struct host_call){ .code = HOST_RINGS, .in = { bell } }).out[0]; }
static uint64_t accesses(void) { return ask((struct host_call){ .code = HOST_ACCESSES }).out[0]; }

/* The latest access that came out, in one number: size, whether a write, offset, data. */
static uint64_t latest(void)
{
    struct host_call call = ask((struct host_call){ .code = HOST_ACCESSES });
    return call.out[2] << 60 | call.out[4] << 56 | (call.out[1] & 0xFFF) << 32 | (uint32_t)call.out[3];
}
#define LATEST(size, is_write, offset, data) \
    ((uint64_t)(size) << 60 | (uint64_t)(is_write) << 56 | (uint64_t)(offset) << 32 | (uint32_t)(data))

static uint64_t came_out;
/* How many accesses have come out since the last time. */
static uint64_t exits(void)
{
    uint64_t before = came_out;
    came_out = accesses();
    return came_out - before;
}

/* ---- matching ---- */

static void matching(void)
{
    int any = ring_for((struct bell){ .address = DEVICE });
    int long_one = ring_for((struct bell){ .address = DEVICE + 0x10, .length = 4 });
    int one = ring_for((struct bell){ .address = DEVICE + 0x20, .length = 2, .has_value = 1, .value = 1 });
    int two = ring_for((struct bell){ .address = DEVICE + 0x20, .length = 2, .has_value = 1, .value = 0x8002, .kind = BELL_PORT });
    int odd = ring_for((struct bell){ .address = DEVICE + 0x33, .length = 8, .has_value = 1, .value = 0x8877665544332211 });
    check("five bells", any >= 0 && long_one >= 0 && one >= 0 && two >= 0 && odd >= 0);
    exits();

    AT(0, uint8_t) = 1;
    AT(0, uint16_t) = 2;
    AT(0, uint32_t) = 3;
    AT(0, uint64_t) = 4;
    check_eq("any store rings the first", rings(any), 4);
    AT(0x10, uint32_t) = 5;
    check_eq("a store of the length", rings(long_one), 1);
    AT(0x20, uint16_t) = 1;
    check_eq("a store of the value", rings(one) << 8 | rings(two), 0x100);
    asm volatile("movw $0x8002, (%0)" : : "r"(DEVICE + 0x20) : "memory");
    check_eq("an immediate of the other value", rings(one) << 8 | rings(two), 1);
    AT(0x33, uint64_t) = 0x8877665544332211;
    check_eq("eight bytes at an odd address", rings(odd), 1);
    asm volatile("mov %%ah, (%0)" : : "r"(DEVICE), "a"(0x1234) : "memory");
    check_eq("a high byte", rings(any), 1);
    check_eq("none of them came out", exits(), 0);

    AT(0x10, uint16_t) = 0x55;
    check_eq("another length comes out", exits() << 8 | rings(long_one), 0x100);
    check_eq("as it is", latest(), LATEST(2, 1, 0x10, 0x55));
    AT(0x10, uint64_t) = 0x66;
    check_eq("so does a longer one", exits() << 8 | rings(long_one), 0x100);
    AT(0x20, uint16_t) = 3;
    check_eq("another value comes out", exits() << 16 | rings(one) << 8 | rings(two), 0x10000);
    check_eq("with its value", latest(), LATEST(2, 1, 0x20, 3));
    AT(0x20, uint32_t) = 1;
    check_eq("the value in another length comes out", exits() << 16 | rings(one) << 8 | rings(two), 0x10000);
    AT(0x0F, uint32_t) = 5;
    check_eq("a store that only touches it comes out", exits() << 8 | rings(long_one), 0x100);
    AT(0x33, uint64_t) = 0x8877665544332210;
    check_eq("all eight bytes count", exits() << 8 | rings(odd), 0x100);
    check_eq("a read comes out", AT(0x10, uint32_t), 0xA5A5A5A5);
    check_eq("and rings nothing", exits() << 8 | rings(long_one), 0x100);
    check_eq("a read of it is one", latest(), LATEST(4, 0, 0x10, 0xA5A5A5A5));
    asm volatile("addl $1, (%0)" : : "r"(DEVICE + 0x10) : "memory", "cc");
    check_eq("read and write of one instruction", latest(), LATEST(4, 1, 0x10, 0xA5A5A5A6));
    exits();

    check_eq("the same again conflicts", ring_for((struct bell){ .address = DEVICE }), -BELL_CONFLICT);
    check_eq("another length conflicts", ring_for((struct bell){ .address = DEVICE + 0x20, .length = 4, .has_value = 1, .value = 9 }), -BELL_CONFLICT);
    check_eq("any value conflicts", ring_for((struct bell){ .address = DEVICE + 0x20, .length = 2 }), -BELL_CONFLICT);
    check_eq("a value needs a length", ring_for((struct bell){ .address = DEVICE + 0x40, .has_value = 1 }), -BELL_BAD);
    check_eq("no bell over a page's end", ring_for((struct bell){ .address = DEVICE + 0xFFD, .length = 4 }), -BELL_BAD);

    check_eq("one goes", forget(one), 0);
    AT(0x20, uint16_t) = 1;
    check_eq("then its stores come out", exits(), 1);
    AT(0x20, uint16_t) = 0x8002;
    check_eq("the others stay", exits() << 8 | rings(two), 1);
    check_eq("a port goes", forget(two), 0);
    check_eq("nothing goes twice", forget(one) << 8 | forget(two), BELL_NONE << 8 | BELL_NONE);
    check_eq("the rest goes", forget(any) | forget(long_one) | forget(odd), 0);
}

static volatile uint64_t page[512] __attribute__((aligned(4096)));

static void in_memory(void)
{
    page[0] = 0x1111, page[1] = 0x2222;
    int bell = ring_for((struct bell){ .address = (uint64_t)page, .length = 8 });
    exits();
    page[0] = 0x3333;
    check_eq("a bell in memory", rings(bell) << 8 | exits(), 0x100);
    page[1] = 0x4444;
    check_eq("its page is like no memory", exits() << 16 | (page[1] & 0xFFFF), 0x1A5A5);
    check_eq("it goes", forget(bell), 0);
    exits();
    check_eq("the memory below comes back unchanged", page[0] << 16 | page[1], 0x11112222);
    page[0] = 0x5555;
    check_eq("and is memory again", page[0] << 8 | exits(), 0x555500);
}

/* ---- interrupts ---- */

static volatile int taken[256], rung[2];
static volatile int seen[2]; /* the latest ring that was made when a processor's interrupt came */

static int self_number(void) { return apic_read(APIC_ID) >> 24; }

static void answer(struct frame *frame)
{
    __atomic_add_fetch(&taken[frame->vector], 1, __ATOMIC_SEQ_CST);
    int self = self_number() != 0;
    seen[self] = rung[self];
    apic_write(APIC_EOI, 0);
}

static void sleep(void) { asm volatile("sti\n hlt\n cli" : : : "memory"); }

static void own_interrupts(void)
{
    hooks[VECTOR] = hooks[SECOND_VECTOR] = answer;
    int bell = ring_for((struct bell){ .address = DEVICE, .length = 4, .has_value = 1, .value = 7, .vector = VECTOR });
    exits();
    AT(0, uint32_t) = 7;
    while (!taken[VECTOR])
        sleep();
    check_eq("the own store, the own interrupt", taken[VECTOR] << 8 | exits(), 0x100);
    /* No HLT: the interrupt finds the processor at work. */
    AT(0, uint32_t) = 7;
    sti();
    while (taken[VECTOR] < 2)
        asm volatile("pause");
    cli();
    check_eq("without sleeping", exits(), 0);
    /* Several before the interrupt is taken are at least one. */
    taken[VECTOR] = 0;
    for (rung[0] = 1; rung[0] < RINGS; rung[0]++)
        AT(0, uint32_t) = 7;
    AT(0, uint32_t) = 7;
    while (seen[0] < RINGS)
        sleep();
    check("a series is at most as many interrupts", taken[VECTOR] >= 1 && taken[VECTOR] <= RINGS);
    check_eq("and no exit", exits(), 0);
    check_eq("another value comes out", (AT(0, uint32_t) = 8, exits()), 1);
    check_eq("it goes", forget(bell), 0);
}

static volatile uint32_t call_page[1024] __attribute__((aligned(4096)));

static uint64_t signal(uint64_t connection)
{
    uint64_t result, control = 0x1005D, input = connection;
    register uint64_t r8 asm("r8") = 0;
    asm volatile("call *%4" : "=a"(result), "+r"(r8), "+c"(control), "+d"(input) : "r"(address(call_page))
                 : "memory", "cc", "r9", "r10", "r11");
    return result & 0xFFFF;
}

static void connections(void)
{
    wrmsr(GUEST_OS_ID, 1ull << 63 | 1);
    wrmsr(HYPERCALL, address(call_page) | 1);
    int port = ring_for((struct bell){ .address = 0x123, .vector = VECTOR, .kind = BELL_CONNECTION });
    int plain = ring_for((struct bell){ .address = 0x124, .kind = BELL_CONNECTION });
    check_eq("a connection has one port", ring_for((struct bell){ .address = 0x123, .kind = BELL_CONNECTION }), -BELL_IN_USE);
    taken[VECTOR] = 0;
    check_eq("a signal", signal(0x123), 0);
    while (!taken[VECTOR])
        sleep();
    check_eq("its interrupt", taken[VECTOR], 1);
    check_eq("signals are counted", (signal(0x124), signal(0x124), rings(plain)), 2);
    check_eq("an unknown connection", signal(0x125), 0x12);
    check_eq("the ports go", forget(port) | forget(plain), 0);
    check_eq("the connection is unknown then", signal(0x123), 0x12);
}

/* ---- two processors ---- */

static volatile int go;

/* Each rings its own bell and waits for the interrupt after its last ring. */
static void ring_together(int number)
{
    int self = number < 0 ? 0 : 1;
    __atomic_add_fetch(&go, 1, __ATOMIC_SEQ_CST);
    while (go < 2)
        asm volatile("pause");
    for (rung[self] = 1; rung[self] < RINGS; rung[self]++) {
        AT(0x100 * self, uint32_t) = 1;
        if (rung[self] % 16 == 0)
            take_interrupts();
    }
    AT(0x100 * self, uint32_t) = 1;
    while (seen[self] < RINGS)
        sleep();
}

/* Each rings the other: no ring may be lost, for nobody goes on without the answer. */
static volatile int serves[2];

static void serve(struct frame *frame)
{
    serves[frame->vector - VECTOR]++;
    apic_write(APIC_EOI, 0);
}

static void play(int number)
{
    int self = number < 0 ? 0 : 1;
    for (int i = 1; i <= RINGS; i++) {
        if (self == 0)
            AT(0x100, uint32_t) = 1;
        while (serves[self] < i)
            sleep();
        if (self == 1)
            AT(0, uint32_t) = 1;
    }
}

static void both(void (*function)(int))
{
    start(function);
    function(-1);
    while (done < OTHERS)
        asm volatile("pause");
}

static void two_processors(void)
{
    start_others();
    int bells[2];
    for (int i = 0; i < 2; i++)
        bells[i] = ring_for((struct bell){
            .address = DEVICE + 0x100 * i, .length = 4, .vector = VECTOR + i, .destination = i ? ids[0] : self_number() });
    memset((void *)taken, 0, sizeof taken);
    seen[0] = seen[1] = 0;
    exits();
    both(ring_together);
    check_eq("two at the same time: the last ring of each is heard", seen[0] << 16 | seen[1], RINGS << 16 | RINGS);
    check("at most as many interrupts", taken[VECTOR] <= RINGS && taken[SECOND_VECTOR] <= RINGS);
    check_eq("and no exit", exits(), 0);
    take_interrupts();

    hooks[VECTOR] = hooks[SECOND_VECTOR] = serve;
    both(play);
    check_eq("one rings the other", serves[0] << 16 | serves[1], RINGS << 16 | RINGS);
    check_eq("again without exits", exits(), 0);
    check_eq("the bells go", forget(bells[0]) | forget(bells[1]), 0);
}

void test_main(void)
{
    apic_write(APIC_SVR, 0x1FF);
    matching();
    in_memory();
    own_interrupts();
    connections();
    two_processors();
}
