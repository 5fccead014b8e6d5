/* Hardware task switches. Intel SDM 3A "Task Management". */
#include "test.h"

enum { MAIN = 0x28, OTHER = 0x40, GATE = 0x48, SMALL = 0x50 };

static struct tss other;
static struct {
    uint16_t link, sp0, ss0, sp1, ss1, sp2, ss2, ip, flags, ax, cx, dx, bx, sp, bp, si, di, es, cs, ss, ds, ldt;
} small;
static uint8_t other_stack[4096] __attribute__((aligned(16)));
volatile word seen[8];

static int busy(int selector) { return gdt[selector / 8] >> 41 & 1; }
static void set_busy(int selector, int value)
{
    gdt[selector / 8] = (gdt[selector / 8] & ~(2ull << 40)) | (uint64_t)value << 41;
}

static void prepare(const char *entry)
{
    memset(&other, 0, sizeof other);
    other.eip = (word)entry;
    other.eflags = 2;
    other.esp = (word)other_stack + sizeof other_stack;
    other.cs = 8;
    other.ss = other.ds = other.es = other.fs = other.gs = 0x10;
    other.eax = 0x11112222;
    other.edi = 0x33334444;
    other.io_map = sizeof other;
    gdt[OTHER / 8] = descriptor((word)&other, sizeof other - 1, 0x89, 0);
    gdt[GATE / 8] = (uint64_t)OTHER << 16 | 0x85ull << 40;
}

/* Tasks to switch to. */
asm("task_iret: mov %eax, seen\n mov %edi, seen+4\n pushf\n pop %eax\n mov %eax, seen+8\n str %eax\n mov %eax, seen+12\n"
    " mov %cr0, %eax\n mov %eax, seen+16\n iret\n"
    " incl seen+20\n iret\n"
    "task_jump_back: pushf\n pop %eax\n mov %eax, seen+8\n ljmp $0x28, $0\n"
    "task_error: pop %eax\n mov %eax, seen\n mov tss+0x20, %eax\n mov %eax, seen+4\n addl $2, tss+0x20\n iret\n");
extern char task_iret[], task_jump_back[], task_error[];

static void call_and_return(void)
{
    prepare(task_iret);
    word before = 0x55667788, after;
    asm volatile("lcall $0x40, $0" : "=b"(after) : "b"(before) : "eax", "memory");
    asm volatile("clts");
    check_eq("registers come from the new TSS", seen[0], 0x11112222);
    check_eq("all of them", seen[1], 0x33334444);
    check_eq("a called task is nested", seen[2] & FLAG_NT, FLAG_NT);
    check_eq("the task register names it", (uint16_t)seen[3], OTHER);
    check_eq("the switch sets CR0.TS", seen[4] & CR0_TS, CR0_TS);
    check_eq("back link", other.link, MAIN);
    check_eq("registers of the caller come back", after, before);
    check_eq("the returning task is not busy", busy(OTHER), 0);
    check_eq("the caller is busy", busy(MAIN), 1);
    check_eq("IRET saved the task with NT clear", other.eflags & FLAG_NT, 0);
    check_eq("NT is off in the caller", get_flags() & FLAG_NT, 0);
    uint32_t tr;
    asm volatile("str %0" : "=r"(tr));
    check_eq("task register restored", tr, MAIN);

    /* A second call continues behind the IRET. */
    seen[5] = 0;
    asm volatile("lcall $0x40, $0\n\t clts" : : : "eax", "memory");
    check_eq("a task continues where it stopped", seen[5], 1);
}

static void jump(void)
{
    prepare(task_jump_back);
    asm volatile("ljmp $0x40, $0\n\t clts" : : : "eax", "memory");
    check_eq("a jump does not nest", seen[2] & FLAG_NT, 0);
    check_eq("a jump away frees the task", busy(OTHER), 0);
    check_eq("and occupies the target", busy(MAIN), 1);
    check_eq("no back link is written", other.link, 0);
}

static void gates(void)
{
    prepare(task_iret);
    seen[0] = 0;
    asm volatile("lcall $0x48, $0\n\t clts" : : : "eax", "memory");
    check_eq("call through a task gate", seen[0], 0x11112222);
    prepare(task_jump_back);
    seen[2] = 1;
    asm volatile("ljmp $0x48, $0\n\t clts" : : : "eax", "memory");
    check_eq("jump through a task gate", seen[2] & 0xFF, 2);

    prepare(task_iret);
    idt[0x31] = (uint64_t)OTHER << 16 | 0x85ull << 40;
    seen[0] = 0;
    asm volatile("int $0x31\n\t clts" : : : "memory");
    check_eq("interrupt through a task gate", seen[0], 0x11112222);
    check_eq("it nests too", seen[2] & FLAG_NT, FLAG_NT);
    reset_gate(0x31);

    prepare(task_error);
    idt[GP] = (uint64_t)OTHER << 16 | 0x85ull << 40;
    seen[0] = 0xFFFFFFFF;
    word fault_ip;
    asm volatile("movl $98f, %0\n\t movl $0x68, %%eax\n98: mov %%eax, %%ds\n\t clts" : "=m"(fault_ip) : : "eax", "memory");
    reset_gate(GP);
    check_eq("an error code is pushed on the task's stack", seen[0], 0x68);
    check_eq("a fault saves the address of its instruction", seen[1], fault_ip);
}

static void faults(void)
{
    prepare(task_iret);
    set_busy(OTHER, 1);
    CHECK_ERROR("call of a busy task", GP, OTHER, "lcall $0x40, $0", ::);
    CHECK_ERROR("jump to a busy task", GP, OTHER, "ljmp $0x40, $0", ::);
    set_busy(OTHER, 0);
    gdt[OTHER / 8] &= ~(0x80ull << 40);
    CHECK_ERROR("task not present", NP, OTHER, "lcall $0x40, $0", ::);
    prepare(task_iret);
    gdt[OTHER / 8] = descriptor((word)&other, 0x66, 0x89, 0);
    CHECK_ERROR("TSS limit too small", TS, OTHER, "lcall $0x40, $0", ::);
    gdt[GATE / 8] = (uint64_t)OTHER << 16 | 0x05ull << 40;
    CHECK_ERROR("task gate not present", NP, GATE, "lcall $0x48, $0", ::);
    gdt[GATE / 8] = 0x10ull << 16 | 0x85ull << 40;
    CHECK_ERROR("task gate to data", GP, 0x10, "lcall $0x48, $0", ::);

    /* IRET with NT set through a bad back link. */
    word link = tss.link;
    tss.link = 0x10;
    CHECK_ERROR("nested return to no task", TS, 0x10, "pushf\n\t orl $0x4000, (%%esp)\n\t popf\n\t iret", : : : "cc");
    prepare(task_iret);
    tss.link = OTHER;
    CHECK_ERROR("nested return to a task that is not busy", TS, OTHER,
                "pushf\n\t orl $0x4000, (%%esp)\n\t popf\n\t iret", : : : "cc");
    tss.link = link;
    asm volatile("pushf\n\t andl $~0x4000, (%%esp)\n\t popf" : : : "cc", "memory");
}

/* Faults after the switch is committed belong to the new task. */
static volatile struct frame in_task;
static void note_and_return_to_main(struct frame *frame)
{
    uint32_t tr;
    asm volatile("str %0" : "=r"(tr));
    in_task.vector = frame->vector;
    in_task.error = frame->error;
    in_task.ip = frame->ip;
    in_task.cs = tr;
    asm volatile("ljmp $0x28, $0");
}

static void committed(const char *name, int vector, uint32_t error)
{
    hooks[vector] = note_and_return_to_main;
    in_task.vector = NONE;
    asm volatile("ljmp $0x40, $0\n\t clts" : : : "eax", "memory");
    hooks[vector] = 0;
    check_eq(name, (uint64_t)in_task.vector << 48 | (uint64_t)(uint16_t)in_task.cs << 32 | (uint32_t)in_task.error,
             (uint64_t)vector << 48 | (uint64_t)OTHER << 32 | error);
}

static void faults_in_the_new_task(void)
{
    prepare(task_iret);
    other.ds = 0x68;
    gdt[0x68 / 8] = 0;
    committed("bad DS in the new TSS", TS, 0x68);
    check_eq("EIP is the new task's first instruction", in_task.ip, (word)task_iret);
    prepare(task_iret);
    other.ds = 0x68;
    gdt[0x68 / 8] = descriptor(0, 0xFFFFF, 0x13, 0xC);
    committed("DS not present in the new TSS", NP, 0x68);
    prepare(task_iret);
    other.gs = 0x4A0;
    committed("GS beyond the table", TS, 0x4A0);
    gdt[0x68 / 8] = 0;
}

static void debug_trap(void)
{
    prepare(task_jump_back);
    other.trap = 1;
    set_dr6(0xFFFF0FF0);
    committed("T bit raises a debug trap", DB, 0);
    check_eq("DR6.BT", get_dr6() & 0xE00F, 0x8000);
    set_dr6(0xFFFF0FF0);
}

/* A 16-bit task runs below 64 KiB. */
asm("small_task: mov %ax, seen\n mov %sp, seen+4\n mov %edi, seen+8\n iret\n small_task_end:\n");

static void small_task_switch(void)
{
    extern char small_task[], small_task_end[];
    memcpy((void *)0x3000, small_task, small_task_end - small_task);
    memset(&small, 0, sizeof small);
    small.ip = 0x3000;
    small.flags = 2;
    small.ax = 0xBEEF;
    small.sp = 0x7000;
    small.di = 0x1234;
    small.cs = 8;
    small.ss = small.ds = small.es = 0x10;
    gdt[SMALL / 8] = descriptor((word)&small, sizeof small - 1, 0x81, 0);
    seen[0] = seen[1] = seen[2] = 0;
    word before = 0xCAFE1234, after;
    asm volatile("lcall $0x50, $0\n\t clts" : "=b"(after) : "b"(before) : "eax", "memory");
    check_eq("16-bit task: AX", (uint16_t)seen[0], 0xBEEF);
    check_eq("16-bit task: SP", (uint16_t)seen[1], 0x7000);
    check_eq("16-bit task: DI", (uint16_t)seen[2], 0x1234);
    check_eq("the 32-bit caller keeps whole registers", after, before);
    check_eq("16-bit task saved its IP behind IRET", small.ip, 0x3000 + (small_task_end - small_task));
}

/* A task for #DF takes the error code and sends the main task on. */
asm("task_double: pop %eax\n mov %eax, seen\n movl $double_back, tss+0x20\n iret\n");

static void double_fault(void)
{
    extern char task_double[];
    prepare(task_double);
    idt[DF] = (uint64_t)OTHER << 16 | 0x85ull << 40;
    idt[NP] = 0;
    seen[0] = 0xFFFFFFFF;
    asm volatile("ljmp $0x70, $0\n double_back: clts" : : : "eax", "memory");
    reset_gate(DF);
    reset_gate(NP);
    check_eq("double fault through a task gate", seen[0], 0);
    check_eq("back in the main task", busy(MAIN) << 1 | busy(OTHER), 2);
}

void test_main(void)
{
    call_and_return();
    jump();
    gates();
    faults();
    faults_in_the_new_task();
    debug_trap();
    small_task_switch();
    gdt[0x70 / 8] = descriptor(0, 0xFFFFF, 0x1B, 0xC);
    double_fault();
}
