/* Reporting and trap handling, the same for 32-bit and 64-bit programs. */
#include "test.h"

static int checks, failures;

void put(const char *text)
{
    while (*text)
        out8(0xE9, *text++);
}

void put_hex(uint64_t value)
{
    put("0x");
    int shift = 60;
    while (shift && !(value >> shift))
        shift -= 4;
    for (; shift >= 0; shift -= 4)
        out8(0xE9, "0123456789abcdef"[value >> shift & 15]);
}

static void put_decimal(unsigned value)
{
    if (value >= 10)
        put_decimal(value / 10);
    out8(0xE9, '0' + value % 10);
}

void check_eq(const char *name, uint64_t got, uint64_t expected)
{
    checks++;
    if (got == expected) {
        put("ok ");
        put(name);
    } else {
        failures++;
        put("FAIL ");
        put(name);
        put(": expected ");
        put_hex(expected);
        put(" got ");
        put_hex(got);
    }
    put("\n");
}

void check(const char *name, bool good) { check_eq(name, good, true); }

void skip(const char *name)
{
    checks++;
    put("skip ");
    put(name);
    put("\n");
}

_Noreturn void finish(void)
{
    put("done ");
    put_decimal(checks);
    put("\n");
    out8(0xF4, failures != 0);
    for (;;)
        asm volatile("cli; hlt");
}

volatile struct frame last;
volatile word last_cr2;
volatile int traps;
volatile word recover;
hook *volatile hooks[256];
extern volatile word trap_cr2;
struct tss tss;

void trap(struct frame *frame)
{
    if (hooks[frame->vector]) {
        hooks[frame->vector](frame);
        return;
    }
    traps++;
    bool from_user = (frame->cs & 3) == 3;
#ifndef __x86_64__
    from_user |= (frame->flags & FLAG_VM) != 0;
#endif
    size_t size = offsetof(struct frame, sp);
#ifdef __x86_64__
    size = offsetof(struct frame, vm_es);
#else
    if (frame->flags & FLAG_VM)
        size = sizeof *frame;
    else if (from_user)
        size = offsetof(struct frame, vm_es);
#endif
    memcpy((void *)&last, frame, size);
#ifndef __x86_64__
    if (!from_user)
        last.sp = (word)&frame->sp;
#endif
    last_cr2 = trap_cr2;
    if (from_user)
        leave_user();
    if (recover) {
        frame->ip = recover;
        frame->cs = 8;
        frame->flags &= ~(word)(FLAG_TF | FLAG_RF | FLAG_NT);
        recover = 0;
        return;
    }
    put("FAIL unexpected trap ");
    put_hex(frame->vector);
    put(" error ");
    put_hex(frame->error);
    put(" ip ");
    put_hex(frame->ip);
    put(" cr2 ");
    put_hex(trap_cr2);
    put("\n");
    failures++;
    finish();
}

#ifdef __x86_64__
enum { GATE_WORDS = 2, TSS_SELECTOR = 0x30 };
#else
enum { GATE_WORDS = 1, TSS_SELECTOR = 0x28 };
#endif
uint64_t idt[256 * GATE_WORDS] __attribute__((aligned(16)));
static struct table_register idt_register;

void set_gate(int vector, word handler, int selector, int type_and_dpl, int ist)
{
    uint64_t low = (handler & 0xFFFF) | (uint64_t)selector << 16 | (uint64_t)ist << 32 |
                   (uint64_t)type_and_dpl << 40 | (uint64_t)(handler >> 16 & 0xFFFF) << 48;
    idt[vector * GATE_WORDS] = low;
#ifdef __x86_64__
    idt[vector * 2 + 1] = handler >> 32;
#endif
}

void reset_gate(int vector)
{
    bool open = vector == BP || vector == OF || vector == 0x80;
    set_gate(vector, (word)trap_stubs + 16 * vector, 8, open ? 0xEE : 0x8E, 0);
}

void library_start(void)
{
    for (int vector = 0; vector < 256; vector++)
        reset_gate(vector);
    idt_register.limit = sizeof idt - 1;
    idt_register.base = (word)idt;
    asm volatile("lidt %0" : : "m"(idt_register));
    gdt[TSS_SELECTOR / 8] = descriptor((word)&tss, sizeof tss - 1, 0x89, 0);
    tss.io_map = sizeof tss;
#ifdef __x86_64__
    gdt[TSS_SELECTOR / 8 + 1] = (word)&tss >> 32;
    tss.rsp[0] = (word)trap_stack_top;
    tss.ist[0] = (word)ist_stack_top;
#else
    tss.ss0 = 0x10;
    tss.esp0 = (word)trap_stack_top;
#endif
    ltr(TSS_SELECTOR);
    /* On a machine with 8259s these stay silent. */
    out8(0x21, 0xFF);
    out8(0xA1, 0xFF);
}

#ifdef __x86_64__
int run_user(const void *code, word argument)
{
    word frame[6] = {
        (word)code + USER_ALIAS, 0x2B, 2, (word)user_stack_top + USER_ALIAS, 0x23, argument,
    };
    last.vector = NONE;
    run_frame(frame);
    return last.vector;
}
#endif

void *memcpy(void *to, const void *from, size_t count)
{
    char *target = to;
    const char *source = from;
    for (size_t i = 0; i < count; i++)
        target[i] = source[i];
    return to;
}

void *memset(void *to, int value, size_t count)
{
    char *target = to;
    for (size_t i = 0; i < count; i++)
        target[i] = value;
    return to;
}

int memcmp(const void *a, const void *b, size_t count)
{
    const unsigned char *left = a, *right = b;
    for (size_t i = 0; i < count; i++)
        if (left[i] != right[i])
            return left[i] - right[i];
    return 0;
}
