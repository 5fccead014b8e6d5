# Real-mode part of realmode.c: runs at REAL (below 64 KiB), copied there; ends back in protected mode.
    .set REAL, 0x7000
    .set RESULTS, 0x6000

    .text
    .code32
    .globl real_mode, real_code, real_code_end
# void real_mode(void): leaves protected mode, runs the programs below, comes back.
real_mode:
    pusha
    mov %esp, saved_stack
    ljmp $0x48, $(leave - real_code)    # 16-bit code segment with base REAL

    .code16
real_code:
leave:
    mov $0x50, %ax                      # 16-bit data segment, 64 KiB
    mov %ax, %ds
    mov %ax, %es
    mov %ax, %ss
    mov %ax, %gs
    lidtl REAL + (real_idt - real_code)
    mov %cr0, %eax
    and $~1, %al
    mov %eax, %cr0
    ljmp $(REAL >> 4), $(in_real - real_code)
in_real:
    xor %ax, %ax
    mov %ax, %ds
    mov %ax, %es
    mov %ax, %ss
    mov $0x6FF0, %sp

    # 0: CS; 2: flags
    mov %cs, RESULTS + 0
    pushf
    popw RESULTS + 2
    # 4: a segment load gives base = selector * 16
    mov $0x1234, %ax
    mov %ax, %ds
    movb $0x5A, 0x10
    xor %ax, %ax
    mov %ax, %ds
    mov $0x1235, %ax
    mov %ax, %es
    mov %es:0, %al
    xor %ah, %ah
    mov %ax, RESULTS + 4
    # 8: INT and IRET
    movw $(handler_21 - real_code + REAL), 0x21 * 4
    movw $0, 0x21 * 4 + 2
    sti
    int $0x21
    cli
    mov %ax, RESULTS + 8
    # 12: division error goes through vector 0, IP at the instruction
    movw $(handler_0 - real_code + REAL), 0
    movw $0, 2
    xor %cx, %cx
division:
    div %cx
    mov %ax, RESULTS + 12
    # 16: far call and return
    lcall $0, $(far_target - real_code + REAL)
    mov %ax, RESULTS + 16
    # 18: arithmetic with 32-bit operands
    mov $0x12345678, %eax
    rol $8, %eax
    mov %eax, RESULTS + 20
    # 24: the stack wraps at 64 KiB
    mov $2, %sp
    push %ax
    push %ax
    mov %sp, RESULTS + 24
    mov $0x6FF0, %sp
    # 26: a word at 0xFFFF is beyond the limit: vector 13
    movw $(handler_13 - real_code + REAL), 13 * 4
    movw $0, 13 * 4 + 2
    movw $0, RESULTS + 26
    mov $0xFFFF, %bx
    mov (%bx), %ax
    # 28: invalid instruction: vector 6
    movw $(handler_6 - real_code + REAL), 6 * 4
    movw $0, 6 * 4 + 2
    ud2
    # 30: instructions that do not exist here
    sldt %ax
    lar %ax, %bx
    # 34: LOOP with CX and JCXZ
    mov $5, %cx
    xor %ax, %ax
1:  inc %ax
    loop 1b
    mov %ax, RESULTS + 34
    # 36: big limits survive the return to real mode
    mov $0x10, %ax
    lgdtl REAL + (real_gdt - real_code)
    mov %cr0, %eax
    or $1, %al
    mov %eax, %cr0
    mov $0x10, %bx
    mov %bx, %fs
    and $~1, %al
    mov %eax, %cr0
    mov $0x300000, %edi
    movl $0xFEEDBEEF, %fs:(%edi)
    mov %fs:(%edi), %eax
    mov %eax, RESULTS + 36
    # 40: a new selector keeps the limit
    xor %ax, %ax
    mov %ax, %fs
    mov %fs:(%edi), %eax
    mov %eax, RESULTS + 40
    # 44: PUSH SP, PUSHA, ENTER
    mov %sp, %ax
    push %sp
    pop %bx
    sub %ax, %bx
    mov %bx, RESULTS + 44
    mov %sp, %bp
    enter $0x10, $0
    mov %bp, %ax
    sub %sp, %ax
    leave
    mov %ax, RESULTS + 46

    # Back: CR0.PE, then the 32-bit code segment.
    lgdtl REAL + (real_gdt - real_code)
    lidtl REAL + (protected_idt - real_code)
    mov %cr0, %eax
    or $1, %al
    mov %eax, %cr0
    ljmpl $8, $back

handler_21:
    pushf
    pop %ax                             # IF and TF are clear within
    iret
handler_0:
    push %bp
    mov %sp, %bp
    mov 2(%bp), %ax
    sub $(division - real_code), %ax    # 0: at the instruction
    addw $2, 2(%bp)
    pop %bp
    iret
handler_13:
    incw RESULTS + 26
    push %bp
    mov %sp, %bp
    addw $2, 2(%bp)
    pop %bp
    iret
handler_6:
    incw RESULTS + 28
    push %bp
    mov %sp, %bp
    push %bx
    push %ds
    mov 4(%bp), %bx
    mov %bx, %ds
    mov 2(%bp), %bx
    addw $3, 2(%bp)                     # SLDT and LAR have three bytes, UD2 two
    cmpb $0x0B, 1(%bx)
    jne 1f
    decw 2(%bp)
1:  pop %ds
    pop %bx
    pop %bp
    iret
far_target:
    mov $0x4321, %ax
    lret

    .balign 4
real_idt:
    .word 0x3FF
    .long 0
protected_idt:
    .word 256 * 8 - 1
    .long idt
real_gdt:
    .word 64 * 8 - 1
    .long gdt
real_code_end:

    .code32
back:
    mov $0x10, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    mov %eax, %fs
    mov %eax, %gs
    mov saved_stack, %esp
    popa
    ret

    .bss
saved_stack: .skip 4
