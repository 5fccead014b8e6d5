/* Debug registers, single step, RF, interrupt shadow. Intel SDM 3B "Debug, Branch Profile, TSC, and ...". */
#include "test.h"

enum { B0 = 1, B1 = 2, B2 = 4, B3 = 8, BD = 1 << 13, BS = 1 << 14 };

/* Every #DB: where, and why. */
static volatile int count;
static volatile word ips[16], reasons[16], flags_seen[16];

static void note(struct frame *frame)
{
    if (count < 16) {
        ips[count] = frame->ip;
        reasons[count] = get_dr6() & 0xE00F;
        flags_seen[count] = frame->flags;
    }
    count++;
    set_dr6(0xFFFF0FF0);
}

/* As note, and no more steps. */
static void note_last(struct frame *frame)
{
    note(frame);
    frame->flags &= ~(word)FLAG_TF;
}

/* For execution breakpoints: go on past the instruction. */
static void note_and_resume(struct frame *frame)
{
    note(frame);
    frame->flags |= FLAG_RF;
}

static void begin(hook *how)
{
    count = 0;
    memset((void *)ips, 0, sizeof ips);
    memset((void *)reasons, 0, sizeof reasons);
    set_dr6(0xFFFF0FF0);
    hooks[DB] = how;
}

static volatile uint32_t watched[4] __attribute__((aligned(16)));

static word enable(int n, int kind, int length) { return 1ul << (2 * n + 1) | (word)(kind | length << 2) << (16 + 4 * n); }
enum { EXECUTE = 0, WRITE = 1, PORT = 2, ACCESS = 3, LEN1 = 0, LEN2 = 1, LEN4 = 3 };

static void data_breakpoints(void)
{
    begin(note);
    set_dr0((word)&watched[1]);
    set_dr7(enable(0, WRITE, LEN4));
    asm volatile("mov %0, %%eax" : : "m"(watched[1]) : "eax");
    check_eq("a read does not hit a write breakpoint", count, 0);
    asm volatile("movl $5, %0\n 98: mov $98b, %%eax\n mov %%eax, %1" : "=m"(watched[1]), "=m"(watched[3]) : : "eax");
    check_eq("a write does", count, 1);
    check_eq("DR6 says which", reasons[0], B0);
    check_eq("it is a trap behind the write", ips[0], watched[3]);
    check_eq("the write took place", watched[1], 5);
    asm volatile("movb $1, %0" : "=m"(((volatile char *)watched)[7]));
    check_eq("a byte within the length", count, 2);
    asm volatile("movb $1, %0" : "=m"(((volatile char *)watched)[8]));
    check_eq("a byte behind the length", count, 2);
    asm volatile("movl $1, %0" : "=m"(*(volatile uint32_t *)((volatile char *)watched + 1)));
    check_eq("a write that overlaps", count, 3);
    asm volatile("lock incl %0" : "+m"(watched[1]));
    check_eq("a read-modify-write", count, 4);
    asm volatile("push %0\n pop %0" : : "r"(0));
    check_eq("elsewhere", count, 4);
    set_dr1((word)&watched[2]);
    set_dr7(enable(0, WRITE, LEN4) | enable(1, ACCESS, LEN2));
    asm volatile("movw %0, %%ax" : : "m"(watched[2]) : "eax");
    check_eq("a read hits an access breakpoint", (uint64_t)count << 16 | reasons[4], 5 << 16 | B1);
    asm volatile("movl %0, %%eax" : : "m"(*(volatile uint32_t *)((volatile char *)watched + 10)) : "eax");
    check_eq("a read behind it", count, 5);
    set_dr7(0);
    asm volatile("movl $5, %0" : "=m"(watched[1]));
    check_eq("disabled", count, 5);
    /* DR6 collects matches of disabled breakpoints at will; enabled ones must be there together. */
    begin(note);
    set_dr0((word)&watched[1]);
    set_dr1((word)&watched[2]);
    set_dr7(enable(0, WRITE, LEN4) | enable(1, WRITE, LEN4));
    asm volatile("movl $1, %0" : "=m"(*(volatile uint32_t *)((volatile char *)watched + 6)));
    check_eq("two hits of one write", (uint64_t)count << 16 | reasons[0], 1 << 16 | B0 | B1);
    set_dr7(0);
}

static void string_breakpoints(void)
{
    static volatile uint8_t target[16];
    begin(note);
    set_dr0((word)&target[3]);
    set_dr7(enable(0, WRITE, LEN1));
    word left = 8, to = (word)target;
    asm volatile("cld\n rep stosb" : "+c"(left), "+D"(to) : "a"(0x5A) : "memory");
    set_dr7(0);
    check_eq("REP STOS completes", left << 8 | target[7], 0x5A);
    check_eq("and traps once within", (uint64_t)count << 16 | reasons[0], 1 << 16 | B0);
}

static void execution_breakpoints(void)
{
    extern char spot[];
    word value = 0;
    begin(note_and_resume);
    set_dr2((word)spot);
    set_dr7(enable(2, EXECUTE, LEN1));
    asm volatile("spot: inc %0" : "+r"(value));
    set_dr7(0);
    check_eq("execution breakpoint is a fault at the instruction", ips[0], (word)spot);
    check_eq("its reason", reasons[0], B2);
    check_eq("RF lets it run once", value << 8 | count, 0x101);
    check_eq("the fault pushes RF clear", flags_seen[0] & FLAG_RF, 0);
    set_dr7(enable(2, EXECUTE, LEN4));
    set_dr7(0);
}

static void io_breakpoints(void)
{
    begin(note);
    set_cr4(get_cr4() | CR4_DE);
    set_dr3(0x80);
    set_dr7(enable(3, PORT, LEN1));
    asm volatile("out %%al, $0xE9" : : "a"('\n'));
    check_eq("another port", count, 0);
    asm volatile("out %%al, $0x80" : : "a"(0));
    check_eq("port breakpoint", (uint64_t)count << 16 | reasons[0], 1 << 16 | B3);
    set_dr7(0);
    CHECK_TRAP("DR4 with DE", UD, "mov %%dr4, %%eax", : : : "eax");
    set_cr4(get_cr4() & ~(word)CR4_DE);
    CHECK_TRAP("DR4 without DE", NONE, "mov %%dr4, %%eax", : : : "eax");
    word a, b;
    set_dr6(0xFFFF0FF0 | B1);
    asm volatile("mov %%dr4, %0\n mov %%dr6, %1" : "=r"(a), "=r"(b));
    check_eq("DR4 is DR6 then", a, b);
}

static void single_step(void)
{
    begin(note);
    asm volatile("pushf\n orl $0x100, (%%esp)\n popf\n"
                 "94: nop\n 95: mov $1, %%eax\n 96: pushf\n andl $~0x100, (%%esp)\n popf\n 97: nop\n"
                 "mov $95b, %%eax\n mov %%eax, %0\n mov $97b, %%eax\n mov %%eax, %1"
                 : "=m"(watched[0]), "=m"(watched[1]) : : "eax", "cc", "memory");
    check_eq("POPF that sets TF does not step", ips[0], watched[0]);
    check_eq("five steps", count, 5);
    check_eq("POPF that clears TF still steps", ips[4], watched[1]);
    check_eq("DR6.BS", reasons[0], BS);
    check_eq("TF in the pushed flags", flags_seen[0] & FLAG_TF, FLAG_TF);

    begin(note_last);
    asm volatile("pushf\n orl $0x100, (%%esp)\n popf\n out %%al, $0x80\n 95: nop\n mov $95b, %%eax\n mov %%eax, %0"
                 : "=m"(watched[0]) : : "eax", "cc", "memory");
    check_eq("a port access is a step, too", (uint64_t)(ips[0] == watched[0]) << 8 | count, 0x101);
}

static void ignore(struct frame *frame) { (void)frame; }

static void steps_over_interrupts(void)
{
    hooks[0x80] = ignore;
    begin(note_last);
    asm volatile("pushf\n orl $0x100, (%%esp)\n popf\n int $0x80\n 95: nop\n 96: nop\n"
                 "mov $96b, %%eax\n mov %%eax, %0" : "=m"(watched[0]) : : "eax", "cc", "memory");
    check_eq("INT n clears TF for its handler; the step comes behind IRET's next", (uint64_t)(ips[0] == watched[0]) << 8 | count, 0x101);
    hooks[0x80] = 0;

    /* Each iteration of a string instruction is a step. */
    static uint8_t from[8], to[8];
    begin(note);
    word si = (word)from, di = (word)to, cx = 3;
    asm volatile("pushf\n orl $0x100, (%%esp)\n popf\n 95: rep movsb\n pushf\n andl $~0x100, (%%esp)\n popf\n"
                 "mov $95b, %%eax\n mov %%eax, %3" : "+S"(si), "+D"(di), "+c"(cx), "=m"(watched[0]) : : "eax", "cc", "memory");
    check_eq("REP steps per iteration", count, 6);
    check_eq("at the instruction while it goes on", ips[1], watched[0]);
    check_eq("and behind it at the end", ips[2], watched[0] + 2);
}

static void interrupt_shadow(void)
{
    /* MOV SS holds a single-step trap back until after the next instruction. */
    begin(note_last);
    asm volatile("mov %%ss, %%ecx\n pushf\n orl $0x100, (%%esp)\n popf\n mov %%ecx, %%ss\n 95: nop\n 96: nop\n"
                 "mov $96b, %%eax\n mov %%eax, %0" : "=m"(watched[0]) : : "eax", "ecx", "cc", "memory");
    check_eq("no step between MOV SS and the next instruction", ips[0], watched[0]);

    begin(note);
    set_dr0((word)&watched[2]);
    set_dr7(enable(0, ACCESS, LEN4));
    watched[2] = 0x10;
    begin(note);
    asm volatile("movw %1, %%ss\n 95: nop\n 96: nop\n mov $96b, %%eax\n mov %%eax, %0"
                 : "=m"(watched[0]) : "m"(watched[2]) : "eax", "memory");
    check_eq("nor a data breakpoint's trap", ips[0], watched[0]);
    set_dr7(0);
}

static void general_detect(void)
{
    begin(note_last);
    hooks[DB] = 0;
    set_dr7(0x2000);
    word value;
    int vector = TRY("mov %%dr0, %0", : "=r"(value));
    check_eq("general detect", (uint64_t)vector << 16 | (get_dr6() & 0xE00F), DB << 16 | BD);
    check_eq("the handler finds it off", get_dr7() & 0x2000, 0);
    set_dr6(0xFFFF0FF0);
    set_dr7(0);
    check_eq("fixed bits of DR7", get_dr7(), 0x400);
    set_dr6(0);
    check_eq("fixed bits of DR6", get_dr6() & 0xFFFE1FF0, 0xFFFE0FF0);
    set_dr0(0x12345678);
    check_eq("DR0 holds any value", get_dr0(), 0x12345678);
}

static void instruction_breaks(void)
{
    begin(note);
    asm volatile(".byte 0xF1\n 95: mov $95b, %%eax\n mov %%eax, %0" : "=m"(watched[0]) : : "eax");
    check_eq("INT1 is a trap without a reason in DR6", (uint64_t)(ips[0] == watched[0]) << 16 | reasons[0], 1 << 16);
    hooks[DB] = 0;
}

void test_main(void)
{
    data_breakpoints();
    string_breakpoints();
    execution_breakpoints();
    io_breakpoints();
    single_step();
    steps_over_interrupts();
    interrupt_shadow();
    general_detect();
    instruction_breaks();
}
