/* An instruction that faults has done nothing: every register, every flag and all memory are as before. */
#include "test.h"

#define WINDOW 0x10000000000ul
extern uint64_t pml4[512];
static uint64_t window_pdpt[512] __attribute__((aligned(4096)));
static uint64_t window_pd[512] __attribute__((aligned(4096)));
static uint64_t table[512] __attribute__((aligned(4096)));
static uint8_t pages[2][4096] __attribute__((aligned(4096)));

struct registers {
    word ax, cx, dx, bx, bp, si, di, r8, r9, r10, r11, r12, r13, r14, r15, flags;
};
static struct registers before;
static struct frame at_fault;
static int faults;
word saved_sp;

static void note(struct frame *frame)
{
    faults++;
    at_fault = *frame;
    frame->ip = recover;
    frame->flags = 2;
}

/* Runs the code with the registers of `before`; RBX, RSI and RDI point to the operand. */
void run_with(const uint8_t *code, const struct registers *registers);
asm("run_with: push %rbx\n push %rbp\n push %r12\n push %r13\n push %r14\n push %r15\n mov %rsp, saved_sp\n"
    " movq $run_recover, recover\n mov %rdi, run_target\n mov %rsi, %rsp\n"
    " pop %rax\n pop %rcx\n pop %rdx\n pop %rbx\n pop %rbp\n pop %rsi\n pop %rdi\n pop %r8\n pop %r9\n pop %r10\n pop %r11\n"
    " pop %r12\n pop %r13\n pop %r14\n pop %r15\n popf\n mov saved_sp, %rsp\n jmp *run_target\n"
    "run_recover: mov saved_sp, %rsp\n pop %r15\n pop %r14\n pop %r13\n pop %r12\n pop %rbp\n pop %rbx\n ret\n"
    ".data\n run_target: .quad 0\n .text\n");

static const struct {
    const char *name;
    uint8_t code[8];
    bool writes; /* also faults on a read-only page */
} cases[] = {
    { "mov", { 0x48, 0x8B, 0x03 }, false },
    { "mov store", { 0x48, 0x89, 0x03 }, true },
    { "mov immediate", { 0xC7, 0x03, 1, 2, 3, 4 }, true },
    { "add load", { 0x48, 0x03, 0x03 }, false },
    { "add store", { 0x48, 0x01, 0x03 }, true },
    { "adc store", { 0x48, 0x11, 0x03 }, true },
    { "sub immediate", { 0x48, 0x83, 0x2B, 0x05 }, true },
    { "cmp", { 0x48, 0x3B, 0x03 }, false },
    { "test", { 0x48, 0x85, 0x03 }, false },
    { "inc", { 0x48, 0xFF, 0x03 }, true },
    { "neg", { 0x48, 0xF7, 0x1B }, true },
    { "not", { 0x48, 0xF7, 0x13 }, true },
    { "xchg", { 0x48, 0x87, 0x03 }, true },
    { "xadd", { 0x48, 0x0F, 0xC1, 0x03 }, true },
    { "lock xadd", { 0xF0, 0x48, 0x0F, 0xC1, 0x03 }, true },
    { "cmpxchg", { 0x48, 0x0F, 0xB1, 0x13 }, true },
    { "lock cmpxchg", { 0xF0, 0x48, 0x0F, 0xB1, 0x13 }, true },
    { "cmpxchg8b", { 0x0F, 0xC7, 0x0B }, true },
    { "cmpxchg16b", { 0x48, 0x0F, 0xC7, 0x0B }, true },
    { "shl", { 0x48, 0xD3, 0x23 }, true },
    { "rcr", { 0x48, 0xD1, 0x1B }, true },
    { "shld", { 0x48, 0x0F, 0xA5, 0x03 }, true },
    { "bts", { 0x48, 0x0F, 0xBA, 0x2B, 0x05 }, true },
    { "bt", { 0x48, 0x0F, 0xBA, 0x23, 0x05 }, false },
    { "mul", { 0x48, 0xF7, 0x23 }, false },
    { "imul", { 0x48, 0x0F, 0xAF, 0x03 }, false },
    { "div", { 0x48, 0xF7, 0x33 }, false },
    { "push", { 0xFF, 0x33 }, false },
    { "pop", { 0x8F, 0x03 }, true },
    { "call", { 0xFF, 0x13 }, false },
    { "jmp", { 0xFF, 0x23 }, false },
    { "movzx", { 0x0F, 0xB6, 0x03 }, false },
    { "cmov", { 0x48, 0x0F, 0x45, 0x03 }, false },
    { "setcc", { 0x0F, 0x94, 0x03 }, true },
    { "bsf", { 0x48, 0x0F, 0xBC, 0x03 }, false },
    { "lods", { 0x48, 0xAD }, false },
    { "stos", { 0x48, 0xAB }, true },
    { "movs", { 0x48, 0xA5 }, true },
    { "scas", { 0x48, 0xAF }, false },
    { "cmps", { 0x48, 0xA7 }, false },
    { "rep movs", { 0xF3, 0x48, 0xA5 }, true },
    { "rep stos", { 0xF3, 0xAA }, true },
    { "repe cmps", { 0xF3, 0xA6 }, false },
    { "sgdt", { 0x0F, 0x01, 0x03 }, true },
    { "lfs", { 0x48, 0x0F, 0xB4, 0x03 }, false },
    { "fnstcw", { 0xD9, 0x3B }, true },
    { "movaps", { 0x0F, 0x29, 0x03 }, true },
    { "sub byte", { 0x28, 0x23 }, true },
    { "add word", { 0x66, 0x01, 0x03 }, true },
    { "jcc, nop, store", { 0x90, 0x90, 0x89, 0x03 }, true },
};

static int unchanged(const uint8_t *code, int skip)
{
    const struct frame *f = &at_fault;
    const struct registers *b = &before;
    int bad = 0;
    bad |= (f->ax != b->ax) << 0 | (f->cx != b->cx) << 1 | (f->dx != b->dx) << 2 | (f->bx != b->bx) << 3;
    bad |= (f->sp != saved_sp) << 4 | (f->bp != b->bp) << 5 | (f->si != b->si) << 6 | (f->di != b->di) << 7;
    bad |= (f->r8 != b->r8) << 8 | (f->r9 != b->r9) << 9 | (f->r10 != b->r10) << 10 | (f->r11 != b->r11) << 11;
    bad |= (f->r12 != b->r12) << 12 | (f->r13 != b->r13) << 13 | (f->r14 != b->r14) << 14 | (f->r15 != b->r15) << 15;
    bad |= ((f->flags & ~(word)FLAG_RF) != b->flags) << 16;
    bad |= (f->ip != (word)code + skip) << 17;
    return bad;
}

static uint8_t code[32];

/* One run; the value has a bit for each thing that changed. */
static int run(int number, word operand, uint64_t error)
{
    memset(code, 0xCC, sizeof code);
    memcpy(code, cases[number].code, 8);
    before.bx = before.si = before.di = operand;
    faults = 0;
    hooks[PF] = note;
    hooks[BP] = note;
    run_with(code, &before);
    hooks[PF] = hooks[BP] = 0;
    int skip = code[0] == 0x90 ? 2 : 0;
    return unchanged(code, skip) | (at_fault.vector != PF) << 18 | (at_fault.error != error && at_fault.error != (error ^ 2)) << 19;
}

void test_main(void)
{
    pml4[WINDOW >> 39 & 511] = (word)window_pdpt | 3;
    window_pdpt[0] = (word)window_pd | 3;
    window_pd[0] = (word)table | 3;
    table[0] = (word)pages[0] | 3;
    table[1] = 0;
    set_cr3(get_cr3());
    asm volatile("fninit");
    before = (struct registers){ 0x1111, 3, 0x2222, 0, 0x3333, 0, 0, 8, 9, 10, 11, 12, 13, 14, 15, 0x8D7 & ~0x40 };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++)
        check_eq(cases[i].name, run(i, WINDOW + 4096, 0), 0);

    /* On a read-only page what reads succeeds and what writes faults, with the present bit. */
    table[1] = (word)pages[1] | 1;
    invlpg((void *)(WINDOW + 4096));
    uint8_t copy[64];
    for (unsigned i = 0; i < sizeof pages[1]; i++)
        pages[1][i] = i + 1;
    memcpy(copy, pages[1], sizeof copy);
    int wrong = 0;
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (!cases[i].writes)
            continue;
        int bad = run(i, WINDOW + 4096, 3);
        if (bad)
            check_eq(cases[i].name, bad, 0);
        wrong += bad != 0 || memcmp(copy, pages[1], sizeof copy) != 0;
    }
    check_eq("writes to a read-only page change nothing", wrong, 0);

    /* Operands over the edge into a missing page. */
    table[1] = 0;
    invlpg((void *)(WINDOW + 4096));
    memcpy(copy, pages[0] + 4096 - 64, sizeof copy);
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *name = cases[i].name;
        if (cases[i].code[0] == 0x0F && cases[i].code[1] == 0x29)
            continue; /* MOVAPS must be aligned */
        if (name[0] == 'c' && name[7] == '1')
            continue; /* so must CMPXCHG16B */
        bool is_byte = i == 31 || i == 33 || !memcmp(name, "rep stos", 8) || !memcmp(name, "repe", 4) || !memcmp(name, "sub byte", 8);
        if (is_byte)
            continue;
        int bad = run(i, WINDOW + 4095, 0);
        if (bad)
            check_eq(name, bad, 0);
        wrong += bad != 0 || memcmp(copy, pages[0] + 4096 - 64, sizeof copy) != 0;
    }
    check_eq("operands over a page end change nothing", wrong, 0);
}
