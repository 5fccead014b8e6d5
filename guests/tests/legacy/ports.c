/* The I/O permission bitmap and IOPL. Intel SDM 1 "Input/Output". */
#include "test.h"

asm("user_out8: out %al, $0x80\n int $0x80\n"
    "user_out16: mov $0x8F, %dx\n out %ax, %dx\n int $0x80\n"
    "user_out32: mov $0x84, %dx\n out %eax, %dx\n int $0x80\n"
    "user_in8: in $0x90, %al\n int $0x80\n"
    "user_outs: mov $0x80, %dx\n mov %eax, %esi\n mov $2, %ecx\n rep outsb\n int $0x80\n"
    "user_ins: mov $0x80, %dx\n mov %eax, %edi\n mov $2, %ecx\n rep insb\n int $0x80\n"
    "user_last: mov $0xFFFF, %dx\n out %al, %dx\n int $0x80\n"
    "user_cli: cli\n sti\n cli\n int $0x80\n"
    "user_popf_iopl: push $0x3202\n popf\n pushf\n pop %eax\n int $0x80\n");
extern char user_out8[], user_out16[], user_out32[], user_in8[], user_outs[], user_ins[], user_last[], user_cli[],
    user_popf_iopl[];
static uint8_t scratch[16];

/* Runs ring 3 code with this IOPL. */
static void user(const char *code, word iopl)
{
    last.error = 0;
    word flags = iopl << 12;
    asm volatile("pushf\n andl $~0x3000, (%%esp)\n orl %0, (%%esp)\n popf" : : "r"(flags) : "cc", "memory");
    run_user((word)code, (word)user_stack_top, (word)scratch);
    asm volatile("pushf\n andl $~0x3000, (%%esp)\n popf" : : : "cc", "memory");
}

static void close(int port) { tss.bitmap[port / 8] |= 1 << port % 8; }
static void open(int port) { tss.bitmap[port / 8] &= ~(1 << port % 8); }

void test_main(void)
{
    user(user_out8, 0);
    check_eq("no bitmap", LAST, OUTCOME(GP, 0));
    check_eq("EIP at the instruction", last.ip, (word)user_out8);
    user(user_out8, 3);
    check_eq("IOPL 3 needs no bitmap", last.vector, 0x80);

    tss.io_map = offsetof(struct tss, bitmap);
    memset(tss.bitmap, 0xFF, sizeof tss.bitmap);
    user(user_out8, 0);
    check_eq("closed", last.vector, GP);
    open(0x80);
    user(user_out8, 0);
    check_eq("open", last.vector, 0x80);
    user(user_in8, 0);
    check_eq("another port is closed", last.vector, GP);
    open(0x8F);
    user(user_out16, 0);
    check_eq("word: second port closed", last.vector, GP);
    open(0x90);
    user(user_out16, 0);
    check_eq("word over two bytes of the map", last.vector, 0x80);
    for (int i = 0x84; i < 0x88; i++)
        open(i);
    user(user_out32, 0);
    check_eq("doubleword open", last.vector, 0x80);
    close(0x87);
    user(user_out32, 0);
    check_eq("doubleword: last port closed", last.vector, GP);
    user(user_outs, 0);
    check_eq("OUTS open", (uint64_t)last.vector << 32 | last.cx << 8 | (last.si - (word)scratch), 0x80ull << 32 | 2);
    user(user_ins, 0);
    check_eq("INS open", (uint64_t)last.vector << 32 | last.cx << 8 | (last.di - (word)scratch), 0x80ull << 32 | 2);
    close(0x80);
    user(user_outs, 0);
    check_eq("OUTS closed changes nothing", (uint64_t)last.vector << 32 | last.cx << 8 | (last.si - (word)scratch), (uint64_t)GP << 32 | 2 << 8);

    /* The map's last byte must be within the limit, also the one behind the port's. */
    memset(tss.bitmap, 0, sizeof tss.bitmap);
    user(user_last, 0);
    check_eq("port 0xFFFF with a whole map", last.vector, 0x80);
    gdt[0x28 / 8] = descriptor((word)&tss, offsetof(struct tss, bitmap) + 0x10, 0x89, 0);
    ltr(0x28);
    user(user_out8, 0);
    check_eq("map ends before the second byte", LAST, OUTCOME(GP, 0));
    gdt[0x28 / 8] = descriptor((word)&tss, offsetof(struct tss, bitmap) + 0x11, 0x89, 0);
    ltr(0x28);
    user(user_out8, 0);
    check_eq("map ends with the second byte", last.vector, 0x80);

    user(user_cli, 0);
    check_eq("CLI with IOPL 0", last.vector, GP);
    user(user_cli, 3);
    check_eq("CLI and STI with IOPL 3", last.vector, 0x80);
    user(user_popf_iopl, 0);
    check_eq("POPF in ring 3 cannot raise IOPL", last.ax & 0x3000, 0);
    user(user_popf_iopl, 3);
    check_eq("POPF with IOPL 3 changes IF", last.ax & 0x3200, 0x3200);
}
