/* What every test program uses: reporting, traps, processor access. */
#ifndef TEST_H
#define TEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef unsigned long word; /* a register of the program's mode */

/* ---- reporting: one line per check on port 0xE9, the end by a status byte to port 0xF4 ---- */

void put(const char *text);
void put_hex(uint64_t value);
void check(const char *name, bool good);
void check_eq(const char *name, uint64_t got, uint64_t expected);
/* A check that this processor cannot run counts, too. */
void skip(const char *name);
_Noreturn void finish(void);

/* ---- traps ---- */

enum {
    DE = 0, DB = 1, NMI = 2, BP = 3, OF = 4, BR = 5, UD = 6, NM = 7, DF = 8, TS = 10, NP = 11,
    SS = 12, GP = 13, PF = 14, MF = 16, AC = 17, XM = 19, NONE = 999,
};

struct frame {
#ifdef __x86_64__
    word r15, r14, r13, r12, r11, r10, r9, r8, di, si, bp, bx, dx, cx, ax;
#else
    word gs, fs, es, ds, di, si, bp, sp_of_pusha, bx, dx, cx, ax;
#endif
    word vector, error, ip, cs, flags, sp, ss;
    word vm_es, vm_ds, vm_fs, vm_gs; /* 32-bit, from virtual-8086 mode */
};

/* The latest trap: its frame, and CR2 as it was. vector is NONE until one happens. */
extern volatile struct frame last;
extern volatile word last_cr2;
extern volatile int traps; /* traps counted since the start */

/* Where a trap from ring 0 resumes; 0 means that it is unexpected and ends the program. */
extern volatile word recover;
/* Called instead of all that, if set for the vector; the frame may be changed. */
typedef void hook(struct frame *);
extern hook *volatile hooks[256];

#ifdef __x86_64__
#define SET_RECOVER "movq $99f, recover\n\t"
#else
#define SET_RECOVER "movl $99f, recover\n\t"
#endif

/* Runs instructions that may trap; the value is the vector or NONE. Operands follow as for asm. */
#define TRY(instructions, ...) TRY_THEN(instructions, "", __VA_ARGS__)
/* As TRY; the second instructions run in any case, to restore what the first changed. */
#define TRY_THEN(instructions, finally, ...)                                          \
    ({                                                                                \
        last.vector = NONE;                                                           \
        asm volatile(SET_RECOVER instructions "\n99:" finally __VA_ARGS__);           \
        recover = 0;                                                                  \
        (int)last.vector;                                                             \
    })

/* The latest vector and error code in one number, and the same from parts. */
#define OUTCOME(vector, error) ((uint64_t)(vector) << 32 | (uint32_t)(error))
#define LAST OUTCOME(last.vector, last.error)

#define CHECK_TRAP(name, expected, instructions, ...) \
    check_eq(name, TRY(instructions, __VA_ARGS__), expected)
/* Also checks the error code. */
#define CHECK_ERROR(name, expected, code, instructions, ...)                          \
    do {                                                                              \
        last.error = 0;                                                               \
        TRY(instructions, __VA_ARGS__);                                               \
        check_eq(name, LAST, OUTCOME(expected, code));                                \
    } while (0)

extern char trap_stubs[];
void set_gate(int vector, word handler, int selector, int type_and_dpl, int ist);
void reset_gate(int vector);

/* ---- ring 3 ---- */

extern char stack_top[], trap_stack_top[], user_stack_top[], ist_stack_top[];
/* Continues with an IRET frame until a trap from ring 3, or int 0x80. */
void run_frame(const word *frame);
_Noreturn void leave_user(void);
#ifdef __x86_64__
#define USER_ALIAS 0x40000000ul
/* Runs 64-bit code in ring 3 through the user alias; ends at a trap. Returns the vector. */
int run_user(const void *code, word argument);
#else
/* Runs code in ring 3 with the argument in EAX; ends at a trap. */
void run_user(word ip, word sp, word argument);
#endif

/* ---- tables ---- */

extern uint64_t gdt[64];
struct __attribute__((packed)) table_register {
    uint16_t limit;
    word base;
};
extern struct table_register gdt_register;
#ifdef __x86_64__
struct __attribute__((packed)) tss {
    uint32_t reserved0;
    uint64_t rsp[3], reserved1, ist[7], reserved2;
    uint16_t reserved3, io_map;
    uint8_t bitmap[8193];
};
#else
struct tss {
    uint32_t link, esp0, ss0, esp1, ss1, esp2, ss2, cr3, eip, eflags;
    uint32_t eax, ecx, edx, ebx, esp, ebp, esi, edi, es, cs, ss, ds, fs, gs, ldt;
    uint16_t trap, io_map;
    uint8_t bitmap[8193];
};
#endif
extern struct tss tss;
extern uint64_t idt[];

/* A segment descriptor from its parts; flags are the bits G, D, L, AVL. */
static inline uint64_t descriptor(uint32_t base, uint32_t limit, int type, int flags)
{
    return (limit & 0xFFFF) | (uint64_t)(base & 0xFFFFFF) << 16 | (uint64_t)(type & 0xFF) << 40 |
           (uint64_t)(limit >> 16 & 0xF) << 48 | (uint64_t)(flags & 0xF) << 52 |
           (uint64_t)(base >> 24) << 56;
}

/* ---- processor ---- */

static inline void out8(uint16_t port, uint8_t value) { asm volatile("outb %0, %1" : : "a"(value), "Nd"(port)); }

struct cpuid {
    uint32_t a, b, c, d;
};
static inline struct cpuid cpuid(uint32_t leaf, uint32_t sub)
{
    struct cpuid r;
    asm volatile("cpuid" : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d) : "a"(leaf), "c"(sub));
    return r;
}
static inline bool is_amd(void) { return cpuid(0, 0).b == 0x68747541; }

static inline uint64_t rdmsr(uint32_t msr)
{
    uint32_t low, high;
    asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
    return (uint64_t)high << 32 | low;
}
static inline void wrmsr(uint32_t msr, uint64_t value)
{
    asm volatile("wrmsr" : : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)) : "memory");
}
static inline int try_wrmsr(uint32_t msr, uint64_t value)
{
    return TRY("wrmsr", : : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)) : "memory");
}
static inline int try_rdmsr(uint32_t msr)
{
    uint32_t low, high;
    return TRY("rdmsr", : "=a"(low), "=d"(high) : "c"(msr) : "memory");
}
static inline uint64_t rdtsc(void)
{
    uint32_t low, high;
    asm volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

#define CONTROL_REGISTER(n)                                                                     \
    static inline word get_cr##n(void)                                                          \
    {                                                                                           \
        word value;                                                                             \
        asm volatile("mov %%cr" #n ", %0" : "=r"(value) : : "memory");                          \
        return value;                                                                           \
    }                                                                                           \
    static inline void set_cr##n(word value) { asm volatile("mov %0, %%cr" #n : : "r"(value) : "memory"); } \
    static inline int try_cr##n(word value) { return TRY("mov %0, %%cr" #n, : : "r"(value) : "memory"); }
CONTROL_REGISTER(0)
CONTROL_REGISTER(2)
CONTROL_REGISTER(3)
CONTROL_REGISTER(4)
#define DEBUG_REGISTER(n)                                                                       \
    static inline word get_dr##n(void)                                                          \
    {                                                                                           \
        word value;                                                                             \
        asm volatile("mov %%dr" #n ", %0" : "=r"(value) : : "memory");                          \
        return value;                                                                           \
    }                                                                                           \
    static inline void set_dr##n(word value) { asm volatile("mov %0, %%dr" #n : : "r"(value) : "memory"); }
DEBUG_REGISTER(0)
DEBUG_REGISTER(1)
DEBUG_REGISTER(2)
DEBUG_REGISTER(3)
DEBUG_REGISTER(6)
DEBUG_REGISTER(7)

static inline void invlpg(const volatile void *address)
{
    asm volatile("invlpg (%0)" : : "r"(address) : "memory");
}
static inline word get_flags(void)
{
    word flags;
    asm volatile("pushf; pop %0" : "=r"(flags) : : "memory");
    return flags;
}
static inline void lgdt(void) { asm volatile("lgdt %0" : : "m"(gdt_register) : "memory"); }
static inline void ltr(uint16_t selector) { asm volatile("ltr %0" : : "r"(selector) : "memory"); }

enum { CR4_VME = 1, CR4_TSD = 4, CR4_DE = 8, CR4_PSE = 0x10, CR4_PAE = 0x20, CR4_PGE = 0x80,
       CR4_UMIP = 0x800, CR4_LA57 = 0x1000, CR4_PCIDE = 0x20000, CR4_OSXSAVE = 0x40000,
       CR4_SMEP = 0x100000, CR4_SMAP = 0x200000, CR4_PKE = 0x400000 };
enum { FLAG_CF = 1, FLAG_ZF = 0x40, FLAG_TF = 0x100, FLAG_IF = 0x200, FLAG_DF = 0x400, FLAG_OF = 0x800,
       FLAG_NT = 0x4000, FLAG_RF = 0x10000, FLAG_VM = 0x20000, FLAG_AC = 0x40000, FLAG_VIF = 0x80000,
       FLAG_VIP = 0x100000 };
#define CR0_PG 0x80000000ul
#define CR0_WP 0x10000ul
#define CR0_AM 0x40000ul
#define CR0_NE 0x20ul
#define CR0_TS 8ul
#define CR0_EM 4ul
#define CR0_MP 2ul
#define EFER 0xC0000080u
#define EFER_NXE 0x800ull

void *memcpy(void *to, const void *from, size_t count);
void *memset(void *to, int value, size_t count);
int memcmp(const void *a, const void *b, size_t count);

#endif
