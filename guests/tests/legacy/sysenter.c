/* SYSENTER and SYSEXIT in protected mode; CLTS, SMSW, LMSW, UMIP. Intel SDM 2B. */
#include "test.h"

enum { SYSENTER_CS = 0x174, SYSENTER_ESP = 0x175, SYSENTER_EIP = 0x176 };

volatile word seen[8];

asm("enter_target: mov %esp, seen\n mov %cs, seen+4\n mov %ss, seen+8\n pushf\n pop seen+12\n"
    " mov $user_after, %edx\n mov %edi, %ecx\n sysexit\n"
    "user_enter: mov %esp, %edi\n sti_free: sysenter\n"
    "user_after: mov %cs, %eax\n mov %ss, %ebx\n int $0x80\n"
    "user_sysexit: sysexit\n"
    "user_sgdt: sgdt (%eax)\n int $0x80\n user_sidt: sidt (%eax)\n int $0x80\n user_sldt: sldt %eax\n int $0x80\n"
    "user_str: str %eax\n int $0x80\n user_smsw: smsw %eax\n int $0x80\n user_rdtsc: rdtsc\n int $0x80\n");
extern char enter_target[], user_enter[], user_sysexit[], user_sgdt[], user_sidt[], user_sldt[], user_str[],
    user_smsw[], user_rdtsc[];
static uint8_t scratch[16];

static void user(const char *code)
{
    last.error = 0;
    run_user((word)code, (word)user_stack_top, (word)scratch);
}

static void fast_calls(void)
{
    wrmsr(SYSENTER_CS, 0);
    user(user_enter);
    check_eq("SYSENTER without a segment", LAST, OUTCOME(GP, 0));
    wrmsr(SYSENTER_CS, 8);
    wrmsr(SYSENTER_ESP, (word)trap_stack_top - 256);
    wrmsr(SYSENTER_EIP, (word)enter_target);
    check_eq("SYSENTER_EIP reads back", rdmsr(SYSENTER_EIP), (word)enter_target);
    user(user_enter);
    check_eq("through SYSENTER and SYSEXIT", last.vector, 0x80);
    check_eq("kernel ESP", seen[0], (word)trap_stack_top - 256);
    check_eq("kernel CS and SS", (uint16_t)seen[1] << 16 | (uint16_t)seen[2], 0x80010);
    check_eq("IF is clear", seen[3] & FLAG_IF, 0);
    check_eq("user CS and SS", (uint64_t)(uint16_t)last.ax << 16 | (uint16_t)last.bx, 0x1B0023);
    check_eq("user ESP", last.sp, (word)user_stack_top);
    user(user_sysexit);
    check_eq("SYSEXIT in ring 3", LAST, OUTCOME(GP, 0));
    wrmsr(SYSENTER_CS, 0);
    CHECK_ERROR("SYSEXIT without a segment", GP, 0, "sysexit", ::);
    wrmsr(SYSENTER_CS, 8);
}

static void machine_status(void)
{
    word cr0 = get_cr0(), status;
    asm volatile("smsw %0" : "=r"(status));
    check_eq("SMSW of a register shows CR0", status, cr0);
    asm volatile("lmsw %w0" : : "r"((cr0 | CR0_TS) & ~1ul));
    check_eq("LMSW sets TS but cannot leave protected mode", get_cr0() & 0xF, (cr0 & 0xF) | CR0_TS);
    asm volatile("clts");
    check_eq("CLTS", get_cr0(), cr0);
}

static void user_instruction_prevention(void)
{
    const char *programs[] = { user_sgdt, user_sidt, user_sldt, user_str, user_smsw };
    const char *open[] = { "SGDT in ring 3", "SIDT in ring 3", "SLDT in ring 3", "STR in ring 3", "SMSW in ring 3" };
    const char *closed[] = { "UMIP: SGDT", "UMIP: SIDT", "UMIP: SLDT", "UMIP: STR", "UMIP: SMSW" };
    for (int i = 0; i < 5; i++) {
        user(programs[i]);
        check_eq(open[i], last.vector, 0x80);
    }
    bool has_umip = cpuid(0, 0).a >= 7 && cpuid(7, 0).c & 4;
    for (int i = 0; i < 5; i++) {
        if (!has_umip) {
            skip(closed[i]);
            continue;
        }
        set_cr4(get_cr4() | CR4_UMIP);
        user(programs[i]);
        check_eq(closed[i], LAST, OUTCOME(GP, 0));
        set_cr4(get_cr4() & ~(word)CR4_UMIP);
    }
    user(user_rdtsc);
    check_eq("RDTSC in ring 3", last.vector, 0x80);
    set_cr4(get_cr4() | CR4_TSD);
    user(user_rdtsc);
    check_eq("RDTSC in ring 3 with TSD", LAST, OUTCOME(GP, 0));
    CHECK_TRAP("RDTSC in ring 0 with TSD", NONE, "rdtsc", : : : "eax", "edx");
}

void test_main(void)
{
    fast_calls();
    machine_status();
    user_instruction_prevention();
}
