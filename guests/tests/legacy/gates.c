/* Call, interrupt and trap gates, rings and stacks. Intel SDM 3A "Protection", "Interrupt and Exception Handling". */
#include "test.h"

enum { GATE = 0x40, RING1_CODE = 0x48, CONFORMING = 0x50, RING1_DATA = 0x58 };

static void call_gate(int selector, word target, int type, int dpl, int parameters)
{
    gdt[GATE / 8] = (target & 0xFFFF) | (uint64_t)selector << 16 | (uint64_t)parameters << 32 |
                    (uint64_t)(0x80 | dpl << 5 | type) << 40 | (uint64_t)(target >> 16) << 48;
}

volatile word seen[8];

/* Targets: note what they see, then return far. */
asm("gate_target: mov %esp, seen\n mov %cs, seen+4\n mov (%esp), %eax\n mov %eax, seen+8\n"
    "mov 4(%esp), %eax\n mov %eax, seen+12\n lret\n"
    "gate_target_16: mov %esp, seen\n mov %cs, seen+4\n lretw\n"
    "gate_parameters: mov 8(%esp), %eax\n mov %eax, seen\n mov 12(%esp), %eax\n mov %eax, seen+4\n"
    "mov 16(%esp), %eax\n mov %eax, seen+8\n mov 20(%esp), %eax\n mov %eax, seen+12\n mov %ss, seen+16\n"
    "mov %cs, seen+20\n lret $8\n");
extern char gate_target[], gate_target_16[], gate_parameters[];

static void same_ring_call(void)
{
    word sp;
    call_gate(8, (word)gate_target, 0xC, 0, 0);
    asm volatile("mov %%esp, %0\n\t lcall $0x40, $0xDEAD" : "=&r"(sp) : : "eax", "memory");
    check_eq("a 32-bit gate pushes 8 bytes", sp - seen[0], 8);
    check_eq("pushed CS", (uint16_t)seen[3], 8);
}

/* A jump through a gate pushes nothing; its target comes back by a jump. */
asm("gate_jump_target: mov %esp, seen\n jmp gate_jump_back\n");
extern char gate_jump_target[];

static void same_ring_jump(void)
{
    word sp;
    call_gate(8, (word)gate_jump_target, 0xC, 0, 0);
    asm volatile("mov %%esp, %0\n\t ljmp $0x40, $0\n gate_jump_back:" : "=&r"(sp) : : "memory");
    check_eq("a jump through a gate pushes nothing", sp, seen[0]);
}

static void gate_faults(void)
{
    call_gate(8, (word)gate_target, 0xC, 0, 0);
    gdt[GATE / 8] &= ~(0x80ull << 40);
    CHECK_ERROR("gate not present", NP, GATE, "lcall $0x40, $0", : : : "eax");
    call_gate(0x10, (word)gate_target, 0xC, 0, 0);
    CHECK_ERROR("gate to data", GP, 0x10, "lcall $0x40, $0", : : : "eax");
    call_gate(0, (word)gate_target, 0xC, 0, 0);
    CHECK_ERROR("gate to null", GP, 0, "lcall $0x40, $0", : : : "eax");
    call_gate(0x18, (word)gate_target, 0xC, 0, 0);
    CHECK_ERROR("gate to an outer ring", GP, 0x18, "lcall $0x40, $0", : : : "eax");
    gdt[GATE / 8] = descriptor(0, 0, 0x8E, 0);
    CHECK_ERROR("interrupt gate by a far call", GP, GATE, "lcall $0x40, $0", : : : "eax");
}

/* Ring 3 calls through a gate to ring 0 with two parameters, and comes back. */
asm("user_gate: push $0x11111111\n push $0x22222222\n mov %esp, %ebx\n lcall $0x43, $0\n mov %esp, %ecx\n"
    "mov %cs, %edx\n mov %ds, %esi\n int $0x80\n"
    "user_far_call: lcall $0x40, $0\n int $0x80\n"
    "user_int_30: int $0x30\n int $0x80\n"
    "user_jump_gate: ljmp $0x43, $0\n int $0x80\n"
    "user_conforming: lcall $0x53, $conforming_target\n int $0x80\n"
    "conforming_target: mov %cs, %eax\n lret\n"
    "user_into: mov $0x7FFFFFFF, %eax\n inc %eax\n into\n int $0x80\n"
    "user_int1: .byte 0xF1\n int $0x80\n"
    "user_cli: cli\n int $0x80\n"
    "user_hlt: hlt\n int $0x80\n"
    "user_mov_cr: mov %cr0, %eax\n int $0x80\n"
    "user_rdmsr: rdmsr\n int $0x80\n"
    "user_lgdt: lgdt gdt_register\n int $0x80\n"
    "user_popf: push $0x3202\n popf\n pushf\n pop %eax\n int $0x80\n"
    "user_load_kernel: mov $0x10, %eax\n mov %eax, %ds\n int $0x80\n");
extern char user_gate[], user_far_call[], user_int_30[], user_jump_gate[], user_conforming[], user_into[],
    user_int1[], user_cli[], user_hlt[], user_mov_cr[], user_rdmsr[], user_lgdt[], user_popf[], user_load_kernel[];

static void user(const char *code) { run_user((word)code, (word)user_stack_top, 0); }

static void inner_ring(void)
{
    call_gate(8, (word)gate_parameters, 0xC, 3, 2);
    user(user_gate);
    check_eq("call to ring 0 came back", last.vector, 0x80);
    check_eq("second parameter copied", seen[0], 0x22222222);
    check_eq("first parameter copied", seen[1], 0x11111111);
    check_eq("outer ESP pushed", seen[2], last.bx);
    check_eq("outer SS pushed", (uint16_t)seen[3], 0x23);
    check_eq("inner SS from the TSS", (uint16_t)seen[4], 0x10);
    check_eq("inner CS has RPL 0", (uint16_t)seen[5], 8);
    check_eq("RET n pops both stacks", last.cx, last.bx + 8);
    check_eq("back in ring 3", (uint16_t)last.dx, 0x1B);
    check_eq("data segments of ring 3 survive", (uint16_t)last.si, 0x23);

    call_gate(8, (word)gate_parameters, 0xC, 0, 2);
    user(user_gate);
    check_eq("gate of DPL 0 from ring 3", LAST, OUTCOME(GP, GATE));
    call_gate(8, (word)gate_target, 0xC, 3, 0);
    user(user_jump_gate);
    check_eq("jump through a gate to an inner ring", LAST, OUTCOME(GP, 8));

    gdt[CONFORMING / 8] = descriptor(0, 0xFFFFF, 0x9F, 0xC);
    user(user_conforming);
    check_eq("conforming code keeps the ring", last.vector << 16 | (uint16_t)last.ax, 0x80 << 16 | 0x53);
}

asm("user_segments: lcall $0x43, $0\n mov %fs, %eax\n mov %gs, %ebx\n int $0x80\n"
    "gate_segments: mov $0x10, %eax\n mov %eax, %fs\n mov $0x50, %eax\n mov %eax, %gs\n lret\n");
extern char user_segments[], gate_segments[];

static void return_nulls_segments(void)
{
    call_gate(8, (word)gate_segments, 0xC, 3, 0);
    gdt[CONFORMING / 8] = descriptor(0, 0xFFFFF, 0x9F, 0xC);
    user(user_segments);
    check_eq("inner data segment becomes null", (uint16_t)last.ax, 0);
    check_eq("conforming segment stays", (uint16_t)last.bx, 0x50);
}

static void bad_inner_stack(void)
{
    /* #TS arrives through a task-independent gate only if the handler's own stack is good: let the gate lead
       to ring 1, whose stack is bad, while the fault handler runs in ring 0. */
    gdt[RING1_CODE / 8] = descriptor(0, 0xFFFFF, 0xBB, 0xC);
    gdt[RING1_DATA / 8] = descriptor(0, 0xFFFFF, 0xB3, 0xC);
    call_gate(RING1_CODE | 1, (word)gate_target, 0xC, 3, 0);
    tss.ss1 = 0;
    tss.esp1 = (word)trap_stack_top - 4096;
    user(user_gate);
    check_eq("null inner stack", LAST, OUTCOME(TS, 0));
    tss.ss1 = 0x10 | 1;
    user(user_gate);
    check_eq("inner stack of the wrong ring", LAST, OUTCOME(TS, 0x10));
    tss.ss1 = RING1_DATA;
    user(user_gate);
    check_eq("inner stack with the wrong RPL", LAST, OUTCOME(TS, RING1_DATA));
    gdt[RING1_DATA / 8] = descriptor(0, 0xFFFFF, 0x33, 0xC);
    tss.ss1 = RING1_DATA | 1;
    user(user_gate);
    check_eq("inner stack not present", LAST, OUTCOME(SS, RING1_DATA));
    gdt[RING1_DATA / 8] = descriptor(0, 7, 0xB3, 4);
    tss.esp1 = 0x100;
    user(user_gate);
    check_eq("no room on the inner stack", LAST, OUTCOME(SS, RING1_DATA));
    tss.ss1 = 0;
}

static volatile word flags_seen;
static void note_flags(struct frame *frame)
{
    (void)frame;
    flags_seen = get_flags();
}

static void interrupt_gates(void)
{
    hooks[0x30] = note_flags;
    word stub = (word)trap_stubs + 16 * 0x30;
    set_gate(0x30, stub, 8, 0x8E, 0);
    asm volatile("sti\n\t int $0x30\n\t cli" : : : "memory");
    check_eq("interrupt gate clears IF", flags_seen & FLAG_IF, 0);
    set_gate(0x30, stub, 8, 0x8F, 0);
    asm volatile("sti\n\t int $0x30\n\t cli" : : : "memory");
    check_eq("trap gate keeps IF", flags_seen & FLAG_IF, FLAG_IF);
    asm volatile("pushf\n\t orl $0x4100, (%%esp)\n\t andl $~0x100, (%%esp)\n\t popf\n\t int $0x30\n\t"
                 "pushf\n\t andl $~0x4000, (%%esp)\n\t popf" : : : "memory", "cc");
    check_eq("NT is cleared for the handler", flags_seen & FLAG_NT, 0);
    hooks[0x30] = 0;
    user(user_int_30);
    check_eq("INT n through a gate of DPL 0", LAST, OUTCOME(GP, (0x30 * 8 + 2)));
    set_gate(0x30, stub, 8, 0x0E, 0);
    CHECK_ERROR("gate not present", NP, 0x30 * 8 + 2, "int $0x30", ::);
    set_gate(0x30, stub, 0, 0x8E, 0);
    CHECK_ERROR("gate with a null selector", GP, 0, "int $0x30", ::);
    set_gate(0x30, stub, 0x10, 0x8E, 0);
    CHECK_ERROR("gate to data", GP, 0x10, "int $0x30", ::);
    set_gate(0x30, stub, 8, 0x82, 0);
    CHECK_ERROR("not a gate", GP, 0x30 * 8 + 2, "int $0x30", ::);
    reset_gate(0x30);
    struct table_register small = { 0x2F * 8 + 7, (word)idt }, whole = { 256 * 8 - 1, (word)idt };
    asm volatile("lidt %0" : : "m"(small));
    CHECK_ERROR("beyond the table", GP, 0x30 * 8 + 2, "int $0x30", ::);
    asm volatile("lidt %0" : : "m"(whole));
}

static void user_privileges(void)
{
    user(user_into);
    check_eq("INTO is a trap", last.vector << 16 | (last.ip == (word)user_into + 7), OF << 16 | 1);
    user(user_int1);
    check_eq("INT1 needs no privilege", last.vector, DB);
    const struct {
        const char *name, *code;
    } privileged[] = {
        { "CLI in ring 3", user_cli },       { "HLT in ring 3", user_hlt },   { "MOV CR in ring 3", user_mov_cr },
        { "RDMSR in ring 3", user_rdmsr },   { "LGDT in ring 3", user_lgdt },
    };
    for (int i = 0; i < 5; i++) {
        user(privileged[i].code);
        check_eq(privileged[i].name, LAST, OUTCOME(GP, 0));
        check_eq("with EIP at the instruction", last.ip, (word)privileged[i].code);
    }
    user(user_popf);
    check_eq("POPF in ring 3 leaves IF and IOPL", last.vector << 16 | (last.ax & 0x3200), 0x80 << 16);
    user(user_load_kernel);
    check_eq("ring 3 loads a ring 0 segment", LAST, OUTCOME(GP, 0x10));
}

/* 16-bit gate: 16-bit frame. */
static void small_gate(void)
{
    extern char low_gate[], low_gate_end[];
    memcpy((void *)0x2000, low_gate, low_gate_end - low_gate);
    call_gate(8, 0x2000, 4, 0, 0);
    /* The 16-bit frame holds IP only: call from below 64 KiB. */
    extern char low_caller[], low_caller_end[];
    memcpy((void *)0x2100, low_caller, low_caller_end - low_caller);
    seen[0] = seen[1] = 0;
    asm volatile("mov $0x2100, %%eax\n\t call *%%eax" : : : "eax", "memory");
    check_eq("16-bit gate pushes 4 bytes", seen[1] - seen[0], 4);
}
asm("low_gate: mov %esp, seen\n lretw\n low_gate_end:\n"
    "low_caller: mov %esp, seen+4\n lcall $0x40, $0\n ret\n low_caller_end:\n");

void test_main(void)
{
    same_ring_call();
    same_ring_jump();
    small_gate();
    gate_faults();
    inner_ring();
    return_nulls_segments();
    bad_inner_stack();
    interrupt_gates();
    user_privileges();
}
