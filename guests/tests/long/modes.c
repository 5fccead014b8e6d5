/* 64-bit and compatibility mode. Intel SDM 3A "Protection", 3A "Interrupt and Exception Handling". */
#include "test.h"

enum { FS_BASE = 0xC0000100, GS_BASE = 0xC0000101, KERNEL_GS_BASE = 0xC0000102 };
#define NON_CANONICAL 0x8000000000000000ul

static void operands(void)
{
    word value = 0xFFFFFFFFFFFFFFFF;
    asm volatile("mov $1, %k0" : "+r"(value));
    check_eq("32-bit results clear the high half", value, 1);
    value = 0xFFFFFFFFFFFFFFFF;
    asm volatile("mov $1, %w0" : "+r"(value));
    check_eq("16-bit results do not", value, 0xFFFFFFFFFFFF0001);
    asm volatile("mov $0x1234, %%eax\n mov %%ah, %%bl" : "=b"(value) : "0"(0ul) : "rax");
    check_eq("AH without REX", value, 0x12);
    value = 0x80000000;
    asm volatile("movslq %k0, %0" : "+r"(value));
    check_eq("MOVSXD", value, 0xFFFFFFFF80000000);
    asm volatile("movabs $0x123456789ABCDEF0, %0" : "=r"(value));
    check_eq("64-bit immediate", value, 0x123456789ABCDEF0);
    static word cell = 0x77;
    asm volatile("movabs %p1, %%rax\n mov %%rax, %0" : "=r"(value) : "i"(&cell) : "rax");
    check_eq("64-bit absolute address", value, 0x77);
    asm volatile("lea 97f(%%rip), %0\n 97: lea (%%rip), %%rax\n 96: sub %0, %%rax\n mov %%rax, %0" : "=r"(value) : : "rax");
    check_eq("RIP-relative addresses count from the next instruction", value, 7);
    asm volatile("push $-1\n pop %0" : "=r"(value));
    check_eq("PUSH of an immediate", value, 0xFFFFFFFFFFFFFFFF);
    word moved;
    asm volatile("mov %%rsp, %0\n pushw $5\n sub %%rsp, %0\n add $2, %%rsp" : "=r"(moved));
    check_eq("PUSH of a word", moved, 2);
    word cx = 0x100000000;
    word loops = 0;
    asm volatile("97: inc %1\n dec %k0\n jrcxz 96f\n cmp $3, %1\n jb 97b\n 96:" : "+c"(cx), "+r"(loops));
    check_eq("JRCXZ looks at all of RCX", loops, 3);
}

static void invalid_opcodes(void)
{
    CHECK_TRAP("PUSH ES", UD, ".byte 0x06", ::);
    CHECK_TRAP("DAA", UD, ".byte 0x27", ::);
    CHECK_TRAP("PUSHA", UD, ".byte 0x60", ::);
    CHECK_TRAP("INTO", UD, ".byte 0xCE", ::);
    CHECK_TRAP("AAM", UD, ".byte 0xD4, 0x0A", ::);
    CHECK_TRAP("far CALL with an immediate", UD, ".byte 0x9A, 0, 0, 0, 0, 8, 0", ::);
    CHECK_TRAP("far JMP with an immediate", UD, ".byte 0xEA, 0, 0, 0, 0, 8, 0", ::);
    CHECK_TRAP("LES", UD, ".byte 0xC4, 0x00", ::);
    CHECK_TRAP("LAHF where offered", cpuid(0x80000001, 0).c & 1 ? NONE : UD, "lahf", : : : "rax");
}

static void canonical(void)
{
    word value;
    CHECK_ERROR("non-canonical data", GP, 0, "mov (%1), %0", : "=r"(value) : "r"(NON_CANONICAL));
    last.error = 1;
    set_gate(SS, (word)trap_stubs + 16 * SS, 8, 0x8E, 1); /* the handler needs a stack */
    set_gate(GP, (word)trap_stubs + 16 * GP, 8, 0x8E, 1);
    TRY_THEN("mov %%rsp, %%rbx\n mov %0, %%rsp\n push %%rax", "mov %%rbx, %%rsp", : : "r"(NON_CANONICAL) : "rbx");
    check_eq("non-canonical stack", LAST, OUTCOME(SS, 0));
    reset_gate(SS);
    reset_gate(GP);
    TRY_THEN("mov %%rbp, %%rbx\n mov %0, %%rbp\n mov (%%rbp), %%rax", "mov %%rbx, %%rbp", : : "r"(NON_CANONICAL) : "rbx", "rax");
    check_eq("non-canonical address with RBP", LAST, OUTCOME(SS, 0));
    CHECK_ERROR("near jump to a non-canonical address", GP, 0, "jmp *%0", : : "r"(NON_CANONICAL));
    last.error = 1;
    TRY_THEN("push %0\n ret", "add $8, %%rsp", : : "r"(NON_CANONICAL));
    check_eq("near return to a non-canonical address", LAST, OUTCOME(GP, 0));
    check_eq("non-canonical FS base", (try_wrmsr(FS_BASE, NON_CANONICAL), LAST), OUTCOME(GP, 0));
    struct table_register odd = { 0xFF, NON_CANONICAL };
    CHECK_ERROR("non-canonical LGDT", GP, 0, "lgdt %0", : : "m"(odd));
    lgdt();
}

static word cells[4] = { 0x1111, 0x2222, 0x3333, 0x4444 };

static void segments(void)
{
    word value;
    wrmsr(FS_BASE, (word)cells);
    asm volatile("mov %%fs:8, %0" : "=r"(value));
    check_eq("FS base", value, 0x2222);
    asm volatile("mov %%ds:(%1), %0" : "=r"(value) : "r"(&cells[2]));
    check_eq("DS has no base", value, 0x3333);
    gdt[0x48 / 8] = descriptor(0x12345678, 0, 0x93, 4);
    asm volatile("mov %0, %%es\n mov %0, %%ds" : : "r"(0x48));
    asm volatile("mov (%1), %0" : "=r"(value) : "r"(cells));
    check_eq("DS has neither base nor limit", value, 0x1111);
    asm volatile("mov %0, %%fs" : : "r"(0x48));
    check_eq("a load of FS takes the descriptor's base", rdmsr(FS_BASE), 0x12345678);
    wrmsr(FS_BASE, 0xFFFF800000000000);
    asm volatile("mov %0, %%es\n mov %0, %%ds" : : "r"(0x10));
    check_eq("a wide FS base reads back", rdmsr(FS_BASE), 0xFFFF800000000000);
    asm volatile("mov %0, %%fs" : : "r"(0));
    wrmsr(GS_BASE, (word)&cells[1]);
    wrmsr(KERNEL_GS_BASE, (word)&cells[3]);
    asm volatile("swapgs\n mov %%gs:0, %0" : "=r"(value));
    check_eq("SWAPGS", value, 0x4444);
    check_eq("SWAPGS exchanges", rdmsr(KERNEL_GS_BASE), (word)&cells[1]);
    if (cpuid(7, 0).b & 1) {
        CHECK_TRAP("RDFSBASE without the enable", UD, "rdfsbase %0", : "=r"(value));
        set_cr4(get_cr4() | 0x10000);
        asm volatile("wrgsbase %1\n mov %%gs:8, %0" : "=r"(value) : "r"(cells));
        check_eq("WRGSBASE", value, 0x2222);
        asm volatile("rdgsbase %0" : "=r"(value));
        check_eq("RDGSBASE", value, (word)cells);
        CHECK_ERROR("WRFSBASE of a non-canonical value", GP, 0, "wrfsbase %0", : : "r"(NON_CANONICAL));
    } else {
        skip("RDFSBASE without the enable");
        skip("WRGSBASE");
        skip("RDGSBASE");
        skip("WRFSBASE of a non-canonical value");
    }
    CHECK_TRAP("null SS in ring 0", NONE, "xor %%eax, %%eax\n mov %%eax, %%ss\n mov $0x10, %%eax\n mov %%eax, %%ss", : : : "rax");
}

/* Compatibility mode: called far from 64-bit code. */
asm(".code32\n"
    "compatible: mov $0xFFFFFFFF, %eax\n inc %eax\n pushl $0x12345678\n pop %ebx\n mov %cs, %ecx\n .byte 0x48\n" /* DEC EAX */
    " mov $0x20, %edx\n lret\n"
    "user_compatible: mov %cs, %eax\n pushf\n pop %ebx\n mov $5, %ecx\n loop .\n int $0x80\n"
    ".code64\n");
extern char compatible[], user_compatible[];

static void compatibility(void)
{
    struct __attribute__((packed)) {
        uint32_t offset;
        uint16_t selector;
    } target = { (uint32_t)(word)compatible, 0x40 };
    word ax, bx, cx;
    asm volatile("lcall *%3" : "=a"(ax), "=b"(bx), "=c"(cx) : "m"(target) : "rdx", "memory");
    check_eq("compatibility mode: 0x48 is DEC", ax, 0xFFFFFFFF);
    check_eq("compatibility mode: 4-byte stack slots", bx, 0x12345678);
    check_eq("compatibility mode: CS", (uint16_t)cx, 0x40);

    word frame[6] = { (word)user_compatible + USER_ALIAS, 0x1B, 0x202 & ~0x200, (word)user_stack_top + USER_ALIAS, 0x23, 0 };
    last.vector = NONE;
    run_frame(frame);
    check_eq("compatibility mode in ring 3", last.vector, 0x80);
    check_eq("its CS", last.ax, 0x1B);
    check_eq("the handler gets a 64-bit frame", last.ss, 0x23);
    check_eq("ESP is zero-extended", last.sp, (word)user_stack_top + USER_ALIAS);
}

asm("user_plain: mov %ds, %eax\n mov %rsp, %rbx\n int $0x80\n"
    "user_hlt: hlt\n user_swapgs: swapgs\n user_cr8: mov %cr8, %rax\n user_wbinvd: wbinvd\n user_invlpg: invlpg (%rax)\n"
    "user_iret: push $0x10\n push %rsp\n push $2\n push $8\n push $0\n iretq\n");
extern char user_plain[], user_hlt[], user_swapgs[], user_cr8[], user_wbinvd[], user_invlpg[], user_iret[];

static volatile word handler_sp;
static void note_sp(struct frame *frame)
{
    handler_sp = (word)frame;
    (void)frame;
}

static void rings_and_stacks(void)
{
    check_eq("ring 3", run_user(user_plain, 0), 0x80);
    check_eq("its RSP", last.bx, (word)user_stack_top + USER_ALIAS);
    check_eq("the frame's SS", last.ss, 0x23);
    const char *privileged[] = { user_hlt, user_swapgs, user_cr8, user_wbinvd, user_invlpg };
    for (int i = 0; i < 5; i++) {
        last.error = 1;
        run_user(privileged[i], 0);
        check_eq("privileged instruction in ring 3", LAST, OUTCOME(GP, 0));
    }
    run_user(user_iret, 0);
    check_eq("IRET to an inner ring", LAST, OUTCOME(GP, 8));

    /* Ring 0 interrupts push SS:RSP too and align the stack. */
    hooks[0x31] = note_sp;
    word pushed;
    asm volatile("mov %%rsp, %%rbx\n sub $0x103, %%rsp\n mov %%rsp, %0\n int $0x31\n mov %%rbx, %%rsp" : "=r"(pushed) : : "rbx", "memory");
    check_eq("the handler's frame is aligned to 16 bytes", (handler_sp + sizeof(struct frame) - 4 * sizeof(word)) & 15, 0);
    check_eq("and lies right below", handler_sp + sizeof(struct frame) - 4 * sizeof(word), pushed & ~15ul);
    set_gate(0x31, (word)trap_stubs + 16 * 0x31, 8, 0x8E, 1);
    asm volatile("int $0x31" : : : "memory");
    check_eq("IST 1 changes the stack", handler_sp + sizeof(struct frame) - 4 * sizeof(word), (word)ist_stack_top);
    reset_gate(0x31);
    hooks[0x31] = 0;
    tss.ist[1] = NON_CANONICAL;
    set_gate(0x31, (word)trap_stubs + 16 * 0x31, 8, 0x8E, 2);
    set_gate(SS, (word)trap_stubs + 16 * SS, 8, 0x8E, 1);
    set_gate(DF, (word)trap_stubs + 16 * DF, 8, 0x8E, 1);
    CHECK_TRAP("non-canonical IST", SS, "int $0x31", ::);
    reset_gate(SS);
    reset_gate(DF);
    reset_gate(0x31);
    set_gate(0x31, (word)trap_stubs + 16 * 0x31, 0x40, 0x8E, 0);
    CHECK_ERROR("gate to 32-bit code", GP, 0x40, "int $0x31", ::);
    reset_gate(0x31);
}

static void gates(void)
{
    /* A 64-bit call gate has 16 bytes. */
    extern char gate_target[];
    uint64_t target = (word)gate_target;
    gdt[0x50 / 8] = (target & 0xFFFF) | 8ull << 16 | 0x8Cull << 40 | (target >> 16 & 0xFFFF) << 48;
    gdt[0x58 / 8] = target >> 32;
    struct __attribute__((packed)) {
        uint32_t offset;
        uint16_t selector;
    } pointer = { 0xDEAD, 0x50 };
    word sp_here, sp_there;
    asm volatile("mov %%rsp, %0\n lcall *%2" : "=&b"(sp_here), "=a"(sp_there) : "m"(pointer) : "memory");
    check_eq("a 64-bit call gate pushes 16 bytes", sp_here - sp_there, 16);
    gdt[0x58 / 8] |= 0x100000000000;
    CHECK_TRAP("its upper half must have type 0", GP, "lcall *%0", : : "m"(pointer) : "memory");
    gdt[0x50 / 8] = (target & 0xFFFF) | 8ull << 16 | 0x84ull << 40;
    gdt[0x58 / 8] = 0;
    CHECK_ERROR("a 16-bit call gate", GP, 0x50, "lcall *%0", : : "m"(pointer) : "memory");
    gdt[0x50 / 8] = 0x30ull << 16 | 0x85ull << 40;
    CHECK_ERROR("a task gate", GP, 0x50, "lcall *%0", : : "m"(pointer) : "memory");
    gdt[0x50 / 8] = descriptor((word)&tss, 0x67, 0x89, 0);
    CHECK_ERROR("a jump to a TSS", GP, 0x50, "ljmp *%0", : : "m"(pointer) : "memory");
    CHECK_ERROR("nested IRET", GP, 0, "pushf\n orl $0x4000, (%%rsp)\n popf\n iretq", : : : "cc");
    asm volatile("pushf\n andl $~0x4000, (%%rsp)\n popf" : : : "cc", "memory");
}
asm("gate_target: mov %rsp, %rax\n lretq\n");

static void mode_switch_checks(void)
{
    check_eq("PAE cannot be cleared", (try_cr4(get_cr4() & ~(word)CR4_PAE), LAST), OUTCOME(GP, 0));
    check_eq("LME cannot change under paging", try_wrmsr(EFER, rdmsr(EFER) & ~0x100ull), GP);
    check_eq("paging cannot be left in 64-bit mode", try_cr0(get_cr0() & ~CR0_PG), GP);
    check_eq("EFER.LMA", rdmsr(EFER) >> 10 & 1, 1);
    check_eq("reserved EFER bits", try_wrmsr(EFER, rdmsr(EFER) | 1ull << 40), GP);
    check_eq("high half of CR0", try_cr0(get_cr0() | 1ul << 32), GP);
    check_eq("high half of CR4", try_cr4(get_cr4() | 1ul << 32), GP);
    word old;
    asm volatile("mov %%dr7, %0" : "=r"(old));
    CHECK_TRAP("high half of DR7", GP, "mov %0, %%dr7", : : "r"(old | 1ul << 32));
}

void test_main(void)
{
    operands();
    invalid_opcodes();
    canonical();
    segments();
    compatibility();
    rings_and_stacks();
    gates();
    mode_switch_checks();
}
