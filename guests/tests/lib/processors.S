# Start of the other processors: real mode at TRAMPOLINE, then long mode with a stack of their own, then ap_main (of
# smp.h; programs for one processor have none).
    .set TRAMPOLINE, 0x8000

    .text
    .globl ap_trampoline, ap_trampoline_end
    .weak ap_main
    .code16
ap_trampoline:
    cli
    xor %ax, %ax
    mov %ax, %ds
    lgdtl TRAMPOLINE + (ap_gdt - ap_trampoline)
    mov %cr0, %eax
    or $1, %al
    mov %eax, %cr0
    ljmpl $0x40, $ap_32
    .balign 4
ap_gdt:
    .word 64 * 8 - 1
    .long gdt
ap_trampoline_end:

    .code32
ap_32:
    mov $0x10, %eax
    mov %eax, %ds
    mov %eax, %ss
    mov %cr4, %eax
    or $0x620, %eax
    mov %eax, %cr4
    mov $pml4, %eax
    mov %eax, %cr3
    mov $0xC0000080, %ecx
    rdmsr
    or $0x901, %eax
    wrmsr
    mov %cr0, %eax
    and $~0x6000000C, %eax
    or $0x80010023, %eax
    mov %eax, %cr0
    ljmp $0x08, $ap_64
    .code64
ap_64:
    mov $0x10, %eax
    mov %eax, %es
    mov $1, %eax
    lock xadd %eax, ap_tickets
    mov %eax, %edi
    inc %eax
    shl $13, %eax
    lea ap_stacks(%rax), %rsp
    lidt ap_idt
    call ap_main
1:  cli
    hlt
    jmp 1b

    .data
    .globl ap_tickets
ap_tickets: .long 0
ap_idt:
    .word 4095
    .quad idt
    .bss
    .balign 4096
ap_stacks:
    .skip 16 * 8192
