# Entry, page tables, descriptor tables and trap stubs of the 64-bit programs.
    .include "header.inc"

    .text
    .code32
    .globl start
start:
    cli
    cld
    mov $boot_stack_top, %esp
    lgdt gdt_register
    # The first GiB twice: supervisor at 0, user at 1 GiB; the local APIC's GiB at 3 GiB.
    mov $pml4, %edi
    movl $pdpt + 7, (%edi)
    movl $low_pd + 3, pdpt
    movl $user_pd + 7, pdpt + 8
    movl $high_pd + 3, pdpt + 24
    xor %ecx, %ecx
fill:
    mov %ecx, %eax
    shl $21, %eax
    lea 0x83(%eax), %edx
    mov %edx, low_pd(, %ecx, 8)
    lea 0x87(%eax), %edx
    mov %edx, user_pd(, %ecx, 8)
    lea 0xC0000083(%eax), %edx
    mov %edx, high_pd(, %ecx, 8)
    inc %ecx
    cmp $512, %ecx
    jne fill
    .globl enter_long
enter_long:
    mov %cr4, %eax
    or $0x620, %eax             # PAE, OSFXSR, OSXMMEXCPT
    mov %eax, %cr4
    mov $pml4, %eax
    mov %eax, %cr3
    mov $0xC0000080, %ecx
    rdmsr
    or $0x901, %eax             # SCE, LME, NXE
    wrmsr
    mov %cr0, %eax
    and $~0x6000000C, %eax
    or $0x80010023, %eax        # PG, WP, NE, MP, PE
    mov %eax, %cr0
    ljmp $0x08, $long_mode
    .code64
long_mode:
    mov $0x10, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    xor %eax, %eax
    mov %eax, %fs
    mov %eax, %gs
    mov $stack_top, %rsp
    call library_start
    call test_main
    call finish

    .balign 16
    .globl trap_stubs
trap_stubs:
    .set vector, 0
    .rept 256
    .balign 16
    .if !(vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21)
    push $0
    .endif
    pushq $vector
    jmp trap_common
    .set vector, vector + 1
    .endr

trap_common:
    push %rax
    push %rcx
    push %rdx
    push %rbx
    push %rbp
    push %rsi
    push %rdi
    push %r8
    push %r9
    push %r10
    push %r11
    push %r12
    push %r13
    push %r14
    push %r15
    cld
    mov %cr2, %rax
    mov %rax, trap_cr2
    mov %rsp, %rdi
    mov %rsp, %rbp
    and $-16, %rsp
    call trap
    mov %rbp, %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %r11
    pop %r10
    pop %r9
    pop %r8
    pop %rdi
    pop %rsi
    pop %rbp
    pop %rbx
    pop %rdx
    pop %rcx
    pop %rax
    add $16, %rsp
    iretq

# void run_frame(frame): IRETQ with a frame of the caller's making; returns when it traps.
    .globl run_frame
run_frame:
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    pushf
    mov %rsp, user_return
    mov %rdi, %rsp
    mov 40(%rdi), %rdi          # a sixth word is the argument
    iretq

    .globl leave_user
leave_user:
    mov $0x10, %eax             # a change of rings left SS null
    mov %eax, %ss
    mov user_return, %rsp
    popf
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    ret

    .data
    .balign 16
    .globl gdt, gdt_register
gdt:
    .quad 0
    .quad 0x00AF9B000000FFFF    # 08 code 64, ring 0
    .quad 0x00CF93000000FFFF    # 10 data, ring 0
    .quad 0x00CFFB000000FFFF    # 18 code 32, ring 3
    .quad 0x00CFF3000000FFFF    # 20 data, ring 3
    .quad 0x00AFFB000000FFFF    # 28 code 64, ring 3
    .quad 0, 0                  # 30 TSS
    .quad 0x00CF9B000000FFFF    # 40 code 32, ring 0
    .fill 55, 8, 0              # 48.. for the tests
gdt_register:
    .word 64 * 8 - 1
    .quad gdt

    .bss
    .balign 4096
    .globl pml4, pdpt, low_pd, user_pd
pml4: .skip 4096
pdpt: .skip 4096
low_pd: .skip 4096
user_pd: .skip 4096
high_pd: .skip 4096
    .globl user_return, trap_cr2, stack_top, trap_stack_top, user_stack_top, ist_stack_top
user_return: .skip 8
trap_cr2: .skip 8
    .balign 4096
    .skip 256
boot_stack_top:
    .balign 4096
    .skip 16384
stack_top:
    .skip 8192
trap_stack_top:
    .skip 8192
ist_stack_top:
    .skip 8192
user_stack_top:
    .skip 16
