/* Code that changes code: its own, in its own page, through an alias, over page ends. Intel SDM 3A "Handling
   Self- and Cross-Modifying Code". */
#include "test.h"

#define WINDOW 0x10000000000ul
extern uint64_t pml4[512];
static uint64_t window_pdpt[512] __attribute__((aligned(4096)));
static uint64_t window_pd[512] __attribute__((aligned(4096)));
static uint64_t table[512] __attribute__((aligned(4096)));
static uint8_t pages[3][4096] __attribute__((aligned(4096)));

typedef int function(void);

/* mov eax, imm32; ret */
static void put_function(uint8_t *at, uint32_t value)
{
    at[0] = 0xB8;
    memcpy(at + 1, &value, 4);
    at[5] = 0xC3;
}

static void rewritten_functions(void)
{
    int wrong = 0;
    for (int i = 0; i < 1000; i++) {
        put_function(pages[0], i);
        wrong += ((function *)pages[0])() != i;
    }
    check_eq("a function rewritten before each call", wrong, 0);
    for (int i = 0; i < 100; i++)
        wrong += ((function *)pages[0])() != 999;
    *(volatile uint8_t *)(pages[0] + 1) = 0x11;
    check_eq("one byte of a hot function", ((function *)pages[0])(), 0x311);
    check_eq("hot calls", wrong, 0);
    /* The same page holds data that changes all the time. */
    volatile uint32_t *data = (uint32_t *)(pages[0] + 2048);
    for (int i = 0; i < 1000; i++) {
        *data = i;
        wrong += ((function *)pages[0])() != 0x311 || *data != (uint32_t)i;
    }
    check_eq("data in the page of code", wrong, 0);
}

/* An instruction changes the one right behind it. */
asm("patch_next: movb $0x22, patched_next + 1(%rip)\n"
    "patched_next: mov $0x11, %al\n movzbl %al, %eax\n ret\n"
    "patch_loop: mov $0, %eax\n mov $10, %ecx\n"
    "patch_loop_body: add $1, %eax\n incb patch_loop_body + 2(%rip)\n dec %ecx\n jnz patch_loop_body\n ret\n"
    "patch_opcode: movb $0x48, patched_opcode + 0(%rip)\n movb $0x29, patched_opcode + 1(%rip)\n"
    " mov $50, %rax\n mov $8, %rcx\n"
    "patched_opcode: .byte 0x48, 0x01, 0xC8\n ret\n"
    "patch_string: lea string_source(%rip), %rsi\n lea string_target(%rip), %rdi\n mov $6, %ecx\n cld\n rep movsb\n"
    "string_target: mov $0x11111111, %eax\n ret\n nop\n nop\n"
    "string_source: mov $0x22222222, %eax\n ret\n");
extern function patch_next, patch_loop, patch_opcode, patch_string;

static void own_code(void)
{
    check_eq("the next instruction", patch_next(), 0x22);
    check_eq("a loop that changes its own operand", patch_loop(), 1 + 2 + 3 + 4 + 5 + 6 + 7 + 8 + 9 + 10);
    check_eq("an opcode in the running block", patch_opcode(), 42);
    check_eq("REP MOVS over the code behind it", patch_string(), 0x22222222);
}

static void flush(void) { set_cr3(get_cr3()); }

static void aliases(void)
{
    pml4[WINDOW >> 39 & 511] = (word)window_pdpt | 3;
    window_pdpt[0] = (word)window_pd | 3;
    window_pd[0] = (word)table | 3;
    for (int i = 0; i < 3; i++)
        table[i] = (word)pages[i] | 3;
    flush();
    uint8_t *alias = (uint8_t *)WINDOW;
    int wrong = 0;
    for (int i = 0; i < 200; i++) {
        put_function(alias + 64, i);
        wrong += ((function *)(pages[0] + 64))() != i;
        put_function(pages[0] + 64, i + 1000);
        wrong += ((function *)(alias + 64))() != i + 1000;
    }
    check_eq("written through one address, run through another", wrong, 0);

    /* Another page behind the same address. */
    put_function(pages[0], 100);
    put_function(pages[1], 101);
    check_eq("the page of before", ((function *)alias)(), 100);
    table[0] = (word)pages[1] | 3;
    invlpg(alias);
    check_eq("another page behind the same address", ((function *)alias)(), 101);
    for (int i = 0; i < 100; i++) {
        table[0] = (word)pages[i & 1] | 3;
        invlpg(alias);
        wrong += ((function *)alias)() != 100 + (i & 1);
    }
    check_eq("back and forth", wrong, 0);

    /* An instruction over a page end: either half changes, or the second page does. */
    table[0] = (word)pages[0] | 3;
    table[1] = (word)pages[1] | 3;
    flush();
    uint8_t *edge = alias + 4096 - 3;
    put_function(edge, 0x01020304);
    check_eq("an instruction over a page end", ((function *)edge)(), 0x01020304);
    pages[0][4095] = 0x55;
    check_eq("its first half changes", ((function *)edge)(), 0x01025504);
    pages[1][0] = 0x66;
    check_eq("its second half changes", ((function *)edge)(), 0x01665504);
    memcpy(pages[2], pages[1], 16);
    pages[2][0] = 0x77;
    table[1] = (word)pages[2] | 3;
    invlpg(alias + 4096);
    check_eq("its second page changes", ((function *)edge)(), 0x01775504);
    table[1] = 0;
    invlpg(alias + 4096);
    last.error = 0;
    TRY_THEN("mov %%rsp, %%rbx\n call *%0", "mov %%rbx, %%rsp", : : "r"(edge) : "rbx", "rax", "memory");
    check_eq("its second page goes", LAST, OUTCOME(PF, 0x10));
    check_eq("the fault's address is the second page", last_cr2, (word)alias + 4096);
    check_eq("its RIP the instruction", last.ip, (word)edge);

    /* Rights taken away from running code. */
    table[0] = (word)pages[0] | 1ull << 63 | 3;
    invlpg(alias);
    last.error = 0;
    TRY_THEN("mov %%rsp, %%rbx\n call *%0", "mov %%rbx, %%rsp", : : "r"(alias + 64) : "rbx", "rax", "memory");
    check_eq("a page made not executable", LAST, OUTCOME(PF, 0x11));
    check_eq("the other address still runs", ((function *)(pages[0] + 64))(), 1199);
}

static void read_only_code(void)
{
    put_function(pages[0], 7);
    table[0] = (word)pages[0] | 1;
    invlpg((void *)WINDOW);
    check_eq("runs from a read-only page", ((function *)WINDOW)(), 7);
    CHECK_TRAP("cannot be written there", PF, "movb $1, (%0)", : : "r"(WINDOW + 1) : "memory");
    check_eq("runs as before", ((function *)WINDOW)(), 7);
    asm volatile("lock incb %0" : "+m"(pages[0][1]));
    check_eq("LOCK INC of code", ((function *)WINDOW)(), 8);
    uint64_t bytes;
    memcpy(&bytes, pages[0], 8);
    bytes += 0x100;
    asm volatile("xchg %0, %1" : "+r"(bytes), "+m"(*(uint64_t *)pages[0]));
    check_eq("XCHG of code", ((function *)WINDOW)(), 9);
    asm volatile("push %%rax\n mov %%rsp, %%rbx\n lea 8+%1, %%rsp\n push %0\n mov %%rbx, %%rsp\n pop %%rax"
                 : : "r"(bytes), "m"(*(uint64_t *)pages[0]) : "rbx", "rax", "memory");
    check_eq("PUSH into code", ((function *)WINDOW)(), 8);
}

void test_main(void)
{
    rewritten_functions();
    own_code();
    aliases();
    read_only_code();
}
