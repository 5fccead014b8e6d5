/* The hypervisor's interface, from a guest's point of view. TLFS "Hypercall Interface", "Virtual Interrupt
 * Controller", "Timers". */
#include "apic.h"
#include "hv.h"

enum { VECTOR = 0x60, DIRECT_VECTOR = 0x61 };
#define FAST (1ull << 16)
#define TO_SINT2 (2ull << 16)

/* Pages that the hypervisor lays over: their own contents are never seen. */
static volatile uint32_t call_page[1024] __attribute__((aligned(4096)));
static volatile uint32_t messages[1024] __attribute__((aligned(4096)));
static volatile uint64_t clock_page[512] __attribute__((aligned(4096)));
static volatile uint32_t assist[1024] __attribute__((aligned(4096)));
static uint64_t input[512] __attribute__((aligned(4096))), output[512] __attribute__((aligned(4096)));

static volatile int taken;

static uint64_t call(uint64_t control, uint64_t in, uint64_t out)
{
    uint64_t result;
    register uint64_t r8 asm("r8") = out;
    asm volatile("call *%4" : "=a"(result), "+r"(r8), "+c"(control), "+d"(in) : "r"(address(call_page))
                 : "memory", "cc", "r9", "r10", "r11");
    return result;
}

static void handler(struct frame *frame)
{
    (void)frame;
    taken++;
    wrmsr(EOI, 0);
}

static void discovery(void)
{
    check_eq("a hypervisor is present", cpuid(1, 0).c >> 31, 1);
    check_eq("Hv#1", cpuid(0x40000001, 0).a, 0x31237648);
    check_eq("enough leaves", cpuid(0x40000000, 0).a >= 0x40000005, 1);
    check_eq("the reset register is nobody's", try_rdmsr(0x40000003), GP);
    check_eq("the index is read-only", try_wrmsr(VP_INDEX, 0), GP);
    check_eq("the index", rdmsr(VP_INDEX), 0);
    check_eq("the version is read-only", try_wrmsr(SVERSION, 1), GP);
    check_eq("EOI is write-only", try_rdmsr(EOI), GP);
    check_eq("low vectors fault", try_wrmsr(SINT2, 15), GP);
    check_eq("the controller is on", rdmsr(SCONTROL), 1);
}

static void hypercalls(void)
{
    call_page[0] = 0x12345678;
    wrmsr(HYPERCALL, address(call_page) | 1);
    check_eq("no page before the identity", call_page[0], 0x12345678);
    wrmsr(GUEST_OS_ID, 1ull << 63 | 1);
    wrmsr(HYPERCALL, address(call_page) | 1);
    check_eq("the page calls", call_page[0] & 0xFFFF, 0x010F);
    check_eq("the page is not writable", TRY("movl $0, %0", : : "m"(call_page[0]) : "memory"), GP);
    check_eq("a spin wait", call(FAST | 8, 1, 0), 0);
    check_eq("an unknown code", call(FAST | 0x99, 0, 0) & 0xFFFF, 2);
    input[0] = 0, input[1] = 1, input[2] = 0;
    check_eq("a flush from memory", call(2, address(input), 0), 0);
    input[3] = address(messages), input[4] = address(clock_page);
    check_eq("a flush of a list", call(2ull << 32 | 3, address(input), 0), 2ull << 32);
    check_eq("not aligned", call(2, address(input) + 4, 0) & 0xFFFF, 4);
    input[0] = ~0ull, input[1] = 0xFFFFFFFE, input[2] = 0x90003ull | 0x90002ull << 32;
    check_eq("registers by memory", call(2ull << 32 | 0x50, address(input), address(output)), 2ull << 32);
    check_eq("the identity", output[2], 1ull << 63 | 1);
    /* Input in registers, output behind it: RDX and R8, XMM0; XMM1. */
    uint64_t name = 0x90002, result, value;
    register uint64_t r8 asm("r8") = 0xFFFFFFFE;
    asm volatile("movq %5, %%xmm0\n\tcall *%4\n\tmovq %%xmm1, %1"
                 : "=a"(result), "=r"(value), "+r"(r8)
                 : "c"(1ull << 32 | FAST | 0x50), "r"(address(call_page)), "r"(name), "d"(~0ull)
                 : "memory", "cc", "r9", "r10", "r11");
    check_eq("registers by vector registers", result, 1ull << 32);
    check_eq("and their value", value, 1ull << 63 | 1);
    hooks[VECTOR] = hooks[DIRECT_VECTOR] = handler;
    taken = 0;
    check_eq("an IPI to itself", call(FAST | 0xB, VECTOR, 1), 0);
    take_interrupts();
    check_eq("arrives", taken, 1);
}

static void reference_time(void)
{
    wrmsr(REFERENCE_TSC, address(clock_page) | 1);
    check("the page is valid", (uint32_t)clock_page[0] != 0);
    bool good = true;
    for (int i = 0; i < 1000; i++) {
        uint64_t before = rdmsr(REFERENCE_COUNT);
        uint64_t now = (uint64_t)((unsigned __int128)rdtsc() * clock_page[1] >> 64) + clock_page[2];
        uint64_t after = rdmsr(REFERENCE_COUNT);
        good &= before <= now + 1 && now <= after + 1;
    }
    check("page and counter agree", good);
    check("the TSC has a rate", rdmsr(TSC_HZ) != 0);
    check_eq("the counter is read-only", try_wrmsr(REFERENCE_COUNT, 0), GP);
}

static void timers(void)
{
    volatile uint32_t *slot = messages + 2 * 64;
    wrmsr(SIMP, address(messages) | 1);
    wrmsr(SINT2, VECTOR);
    uint64_t due, margin = 2000;
    bool enabled;
    /* A slow host may let it expire before it is looked at: once more with more time. */
    do {
        take_interrupts();
        slot[0] = 0;
        wrmsr(EOM, 0);
        taken = 0;
        due = rdmsr(REFERENCE_COUNT) + margin;
        wrmsr(TIMER0, TO_SINT2 | AUTO_ENABLE);
        wrmsr(TIMER0 + 1, due);
        enabled = rdmsr(TIMER0) & 1;
        margin *= 2;
    } while (!enabled && rdmsr(REFERENCE_COUNT) >= due);
    check("enabled by its count", enabled);
    while (!taken)
        asm volatile("sti\n hlt\n cli" : : : "memory");
    check("not before its time", rdmsr(REFERENCE_COUNT) >= due);
    check_eq("its message", slot[0], 0x80000010);
    check_eq("when it expired", (uint64_t)slot[7] << 32 | slot[6], due);
    check_eq("it is disabled", rdmsr(TIMER0) & 1, 0);
    /* The slot is occupied: the next message waits. */
    wrmsr(TIMER0 + 1, 1);
    check_eq("the slot says so", slot[1] >> 8 & 1, 1);
    slot[0] = 0;
    wrmsr(EOM, 0);
    check_eq("after the end of message the next comes", slot[0], 0x80000010);
    slot[0] = 0;
    take_interrupts();
    /* Direct and periodic; lazy too. */
    taken = 0;
    wrmsr(TIMER1, 1 << 12 | DIRECT_VECTOR << 4 | 2 | 4 | AUTO_ENABLE);
    wrmsr(TIMER1 + 1, 1000);
    while (taken < 3)
        asm volatile("sti\n nop\n cli" : : : "memory");
    wrmsr(TIMER1 + 1, 0);
    check_eq("a count of zero stops it", rdmsr(TIMER1) & 1, 0);
    take_interrupts();
    check_eq("no message for it", slot[0], 0);
}

static void idle_and_assist(void)
{
    taken = 0;
    wrmsr(TIMER0, 1 << 12 | DIRECT_VECTOR << 4 | AUTO_ENABLE);
    wrmsr(TIMER0 + 1, rdmsr(REFERENCE_COUNT) + 2000);
    check_eq("idle ends with interrupts off", rdmsr(GUEST_IDLE), 0);
    check_eq("the interrupt waits", taken, 0);
    take_interrupts();
    check_eq("and is taken then", taken, 1);
    wrmsr(ASSIST, address(assist) | 1);
    check_eq("the assist page is empty", assist[0], 0);
    call(FAST | 0xB, VECTOR, 1);
    take_interrupts();
    check_eq("an end by register takes the permission back", assist[0], 0);
    check_eq("nothing is in service", apic_bit(APIC_ISR, VECTOR), 0);
}

void test_main(void)
{
    apic_write(APIC_SVR, 0x1FF);
    set_cr0((get_cr0() & ~CR0_EM & ~CR0_TS) | CR0_MP);
    set_cr4(get_cr4() | 0x600);
    discovery();
    hypercalls();
    reference_time();
    timers();
    idle_and_assist();
    finish();
}
