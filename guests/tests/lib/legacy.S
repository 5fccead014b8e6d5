# Entry, descriptor tables and trap stubs of the 32-bit programs.
    .include "header.inc"

    .text
    .globl start
start:
    cli
    cld
    lgdt gdt_register
    ljmp $0x08, $flat
flat:
    mov $0x10, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    mov %eax, %fs
    mov %eax, %gs
    mov $stack_top, %esp
    call library_start
    call test_main
    call finish

# Stubs: 16 bytes each, so that the C code can compute their addresses.
    .balign 16
    .globl trap_stubs
trap_stubs:
    .set vector, 0
    .rept 256
    .balign 16
    .if !(vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21)
    push $0
    .endif
    push $vector
    jmp trap_common
    .set vector, vector + 1
    .endr

trap_common:
    pusha
    push %ds
    push %es
    push %fs
    push %gs
    mov $0x10, %eax
    mov %eax, %ds
    mov %eax, %es
    cld
    mov %esp, %ebp
    mov %cr2, %eax
    mov %eax, trap_cr2
    push %ebp
    call trap
    mov %ebp, %esp
    add $8, %esp                # FS and GS were never changed
    pop %es
    pop %ds
    popa
    add $8, %esp
    iret

# int run_user(ip, sp, eax): continues in ring 3 until it traps; the trap is in `last`.
    .globl run_user
run_user:
    mov 4(%esp), %ecx
    mov 8(%esp), %edx
    mov 12(%esp), %eax
    push %ebx
    push %esi
    push %edi
    push %ebp
    pushf
    mov %esp, user_return
    push $0x23
    push %edx
    pushf
    push $0x1B
    push %ecx
    mov $0x23, %ecx
    mov %ecx, %ds
    mov %ecx, %es
    iret

# void run_frame(frame): IRET with a frame of the caller's making; returns like run_user.
    .globl run_frame
run_frame:
    mov 4(%esp), %ecx
    push %ebx
    push %esi
    push %edi
    push %ebp
    pushf
    mov %esp, user_return
    mov %ecx, %esp
    iret

    .globl leave_user
leave_user:
    mov user_return, %esp
    popf
    pop %ebp
    pop %edi
    pop %esi
    pop %ebx
    mov $0x10, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %fs
    mov %eax, %gs
    ret

    .data
    .balign 8
    .globl gdt, gdt_register
gdt:
    .quad 0
    .quad 0x00CF9B000000FFFF    # 08 code 32, ring 0
    .quad 0x00CF93000000FFFF    # 10 data, ring 0
    .quad 0x00CFFB000000FFFF    # 18 code 32, ring 3
    .quad 0x00CFF3000000FFFF    # 20 data, ring 3
    .quad 0                     # 28 TSS
    .fill 58, 8, 0              # 30.. for the tests
gdt_register:
    .word 64 * 8 - 1
    .long gdt

    .bss
    .balign 16
    .globl user_return, trap_cr2, stack_top, trap_stack_top, user_stack_top
user_return: .skip 4
trap_cr2: .skip 4
    .balign 4096
    .skip 16384
stack_top:
    .skip 8192
trap_stack_top:
    .skip 8192
user_stack_top:
    .skip 16
