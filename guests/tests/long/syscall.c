/* SYSCALL and SYSRET. Intel SDM 2B; AMD APM 3. */
#include "test.h"

enum { STAR = 0xC0000081, LSTAR = 0xC0000082, CSTAR = 0xC0000083, SFMASK = 0xC0000084 };

volatile word seen[8];

asm("syscall_target: mov %rcx, seen\n mov %r11, seen+8\n mov %cs, %eax\n mov %rax, seen+16\n mov %ss, %eax\n mov %rax, seen+24\n"
    " mov %rsp, seen+32\n mov %rsp, %rdx\n mov $trap_stack_top, %rsp\n pushf\n pop seen+40\n mov %rdx, %rsp\n"
    " mov seen+48, %rax\n test %rax, %rax\n jnz 1f\n sysretq\n 1: sysretl\n"
    "user_syscall: std\n stc\n mov %rsp, %r14\n syscall\n 97: lea 97b(%rip), %r13\n pushf\n pop %r12\n mov %cs, %eax\n mov %ss, %ebx\n int $0x80\n"
    "user_sysret: sysretq\n"
    "user_sysenter: sysenter\n int $0x80\n"
    ".code32\n after_sysretl: mov %cs, %eax\n mov %ss, %ebx\n int $0x80\n"
    ".code64\n");
extern char syscall_target[], user_syscall[], user_sysret[], user_sysenter[], after_sysretl[];

void test_main(void)
{
    uint64_t efer = rdmsr(EFER);
    check_eq("non-canonical LSTAR", try_wrmsr(LSTAR, 1ull << 63), GP);
    wrmsr(STAR, 0x18ull << 48 | 8ull << 32);
    wrmsr(LSTAR, (word)syscall_target);
    wrmsr(SFMASK, FLAG_DF | FLAG_IF | FLAG_TF);
    check_eq("STAR reads back", rdmsr(STAR), 0x18ull << 48 | 8ull << 32);

    check_eq("there and back", run_user(user_syscall, 0), 0x80);
    check_eq("RCX is the return address", seen[0], last.r13);
    check_eq("R11 has the flags", seen[1] & (FLAG_CF | FLAG_DF), FLAG_CF | FLAG_DF);
    check_eq("kernel CS", (uint16_t)seen[2], 8);
    check_eq("kernel SS", (uint16_t)seen[3], 0x10);
    check_eq("RSP is left alone", seen[4], last.r14);
    check_eq("SFMASK clears flags", seen[5] & FLAG_DF, 0);
    check_eq("and keeps the others", seen[5] & FLAG_CF, FLAG_CF);
    check_eq("SYSRET restores the flags", last.r12 & (FLAG_CF | FLAG_DF), FLAG_CF | FLAG_DF);
    check_eq("user CS", (uint16_t)last.ax, 0x2B);
    check_eq("user SS", (uint16_t)last.bx, 0x23);
    check_eq("user frame", last.cs << 16 | last.ss, 0x2B0023);

    /* SYSRET clears RF and VM, and RCX goes to RIP: leave to a place of the kernel's choice. */
    extern void sysret_to(word ip, word flags, bool is_long);
    last.vector = NONE;
    sysret_to((word)after_sysretl + USER_ALIAS, 2, false);
    check_eq("SYSRET to compatibility mode", last.vector, 0x80);
    check_eq("its CS", last.cs, 0x1B);
    check_eq("its SS", last.ss, 0x23);

    run_user(user_sysret, 0);
    check_eq("SYSRET in ring 3", LAST, OUTCOME(GP, 0));
    wrmsr(EFER, efer & ~1ull);
    run_user(user_syscall, 0);
    check_eq("SYSCALL without SCE", last.vector, UD);
    CHECK_TRAP("SYSRET without SCE", UD, "sysretq", ::);
    wrmsr(EFER, efer);
    wrmsr(0x174, 0);
    run_user(user_sysenter, 0);
    check_eq("SYSENTER in long mode", last.vector, is_amd() ? UD : GP);
}

asm("sysret_to: push %rbx\n push %rbp\n push %r12\n push %r13\n push %r14\n push %r15\n pushf\n mov %rsp, user_return\n"
    " mov %rdi, %rcx\n mov %rsi, %r11\n mov $user_stack_top, %rsp\n test %edx, %edx\n jz 1f\n sysretq\n 1: sysretl\n");
