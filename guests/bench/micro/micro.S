// Bare loops, one for each class of instructions and each kind of exit, run without an operating system.
//
// The image is loaded at 1 MiB and starts with a table that says what is there. The one who runs it puts
// a processor into 64-bit mode at an entry, with paging on (identity, every page accessible to user mode),
//     RCX = iterations, RDI and RSI = two buffers of 64 KiB, RSP = a stack,
//     R8 = an address without memory behind it, R9 = an MSR number that exits,
// and gets a write to port 0xF4 when the iterations are over.

        .set END_PORT, 0xF4
        .set KIND_INSTRUCTIONS, 0               // UNITS counts instructions
        .set KIND_BYTES, 1                      // UNITS counts bytes moved
        .set KIND_EXITS, 2                      // SKIP: from the RIP of the exit to the next instruction
        .set KIND_CANCEL, 3                     // never ends and never exits by itself

        .text
        .ascii "OWHPBNCH"
table:
        .macro row entry, units, kind, skip, name
        .quad \entry, \units, \kind, \skip
1:      .ascii "\name"
        .skip 32 - (. - 1b), 0
        .endm
        row alu, 34, KIND_INSTRUCTIONS, 0, "alu"
        row load_store, 34, KIND_INSTRUCTIONS, 0, "load-store"
        row branches, 34, KIND_INSTRUCTIONS, 0, "branch"
        row call_return, 18, KIND_INSTRUCTIONS, 0, "call-ret"
        row string, 34, KIND_INSTRUCTIONS, 0, "string"
        row multiply_divide, 42, KIND_INSTRUCTIONS, 0, "mul-div"
        row sse, 34, KIND_INSTRUCTIONS, 0, "sse"
        row x87, 34, KIND_INSTRUCTIONS, 0, "x87"
        row system_call, 6, KIND_INSTRUCTIONS, 0, "syscall"
        row interrupt, 4, KIND_INSTRUCTIONS, 0, "int-iret"
        row repeat, 16384, KIND_BYTES, 0, "rep"
        row exit_port, 1, KIND_EXITS, 2, "port"
        row exit_mmio_write, 1, KIND_EXITS, 3, "mmio-write"
        row exit_mmio_read, 1, KIND_EXITS, 3, "mmio-read"
        row exit_msr, 1, KIND_EXITS, 2, "msr"
        row exit_cpuid, 1, KIND_EXITS, 2, "cpuid"
        row exit_halt, 1, KIND_EXITS, 0, "hlt"
        row spin, 0, KIND_CANCEL, 0, "cancel"
        .quad 0

finish:
        outb %al, $END_PORT
        hlt
        jmp finish

        .balign 64
alu:
        .rept 4
        addq %rax, %rbx
        xorl %edx, %eax
        leaq 8(%rax,%rbx,2), %rdx
        subq $5, %rbx
        andl $0x7FFFFFFF, %eax
        shlq $3, %r10
        orq %rdx, %r10
        cmpq %rax, %r10
        .endr
        decq %rcx
        jnz alu
        jmp finish

        .balign 64
load_store:
        .set offset, 0
        .rept 8
        movq offset(%rdi), %rax
        addq offset+512(%rdi), %rax
        movq %rax, offset(%rsi)
        movl %eax, offset+4096(%rsi)
        .set offset, offset + 64
        .endr
        decq %rcx
        jnz load_store
        jmp finish

        .balign 64
branches:                                       // half of them taken
        .rept 8
        testq %rcx, %rcx
        jz finish
        testq %rcx, %rcx
        jnz 1f
1:
        .endr
        decq %rcx
        jnz branches
        jmp finish

        .balign 64
call_return:
        .rept 8
        call leaf
        .endr
        decq %rcx
        jnz call_return
        jmp finish
        .balign 16
leaf:
        ret

        .balign 64
string:
        cld
        movq %rdi, %r10
        movq %rsi, %r11
1:      movq %r10, %rdi
        movq %r11, %rsi
        .rept 6
        movsb
        movsq
        lodsl
        stosl
        scasb
        .endr
        decq %rcx
        jnz 1b
        jmp finish

        .balign 64
multiply_divide:
        movl $12345, %ebx
1:      .rept 8
        imulq $7, %rcx, %r10
        movl %r10d, %eax
        mull %ebx
        movl $3, %edx
        divl %ebx
        .endr
        decq %rcx
        jnz 1b
        jmp finish

        .balign 64
sse:
        .rept 4
        movups (%rdi), %xmm0
        addps %xmm0, %xmm1
        mulps %xmm1, %xmm2
        paddd %xmm0, %xmm3
        pxor %xmm3, %xmm4
        pshufd $0x1B, %xmm4, %xmm5
        addsd %xmm6, %xmm7
        movups %xmm5, 64(%rsi)
        .endr
        decq %rcx
        jnz sse
        jmp finish

        .balign 64
x87:
        fninit
1:      .rept 4
        fld1
        fldl (%rdi)
        faddp
        fld %st(0)
        fmulp
        fxch %st(0)
        fchs
        fstpl 64(%rsi)
        .endr
        decq %rcx
        jnz 1b
        jmp finish

        .balign 64
system_call:                                    // loop in user mode; RAX = 1 ends it
        movq %rcx, %rbx
        movl $0xC0000080, %ecx
        rdmsr
        orl $1, %eax                            // EFER.SCE
        wrmsr
        movl $0xC0000081, %ecx                  // STAR: kernel selectors from 0x08, user selectors from 0x10
        xorl %eax, %eax
        movl $0x00100008, %edx
        wrmsr
        movl $0xC0000082, %ecx
        leaq system_entry(%rip), %rax
        xorl %edx, %edx
        wrmsr
        movl $0xC0000084, %ecx
        xorl %eax, %eax
        wrmsr
        leaq 1f(%rip), %rcx
        movl $2, %r11d
        xorl %eax, %eax
        sysretq
1:      syscall                                 // six instructions an iteration: three here, three below
        decq %rbx
        jnz 1b
        movl $1, %eax
        syscall
system_entry:
        testb $1, %al
        jnz finish
        sysretq

        .balign 64
interrupt:
        leaq interrupt_table(%rip), %rdi        // gate 0x20
        leaq interrupt_entry(%rip), %rax
        movw %ax, 0x200(%rdi)
        movw $0x08, 0x202(%rdi)
        movw $0x8E00, 0x204(%rdi)
        shrq $16, %rax
        movw %ax, 0x206(%rdi)
        movq $0, 0x208(%rdi)
        movw $0x20F, interrupt_pointer(%rip)
        movq %rdi, interrupt_pointer+2(%rip)
        lidt interrupt_pointer(%rip)
        lgdt descriptor_pointer(%rip)
1:      int $0x20
        decq %rcx
        jnz 1b
        jmp finish
interrupt_entry:
        iretq

        .balign 64
repeat:
        movq %rcx, %rbx
        movq %rdi, %r10
        movq %rsi, %r11
1:      movq %r10, %rdi
        movq %r11, %rsi
        movl $8192, %ecx
        rep movsb
        movq %r10, %rdi
        movl $1024, %ecx
        rep stosq
        decq %rbx
        jnz 1b
        jmp finish

        .balign 64
exit_port:
        outb %al, $0x80
        decq %rcx
        jnz exit_port
        jmp finish

        .balign 64
exit_mmio_write:
        movl %eax, (%r8)
        decq %rcx
        jnz exit_mmio_write
        jmp finish

        .balign 64
exit_mmio_read:
        movl (%r8), %eax
        decq %rcx
        jnz exit_mmio_read
        jmp finish

        .balign 64
exit_msr:
        movq %rcx, %rbx
        movq %r9, %rcx
1:      rdmsr
        decq %rbx
        jnz 1b
        jmp finish

        .balign 64
exit_cpuid:
        movq %rcx, %rsi
        xorl %eax, %eax
        xorl %ecx, %ecx
1:      cpuid
        decq %rsi
        jnz 1b
        jmp finish

        .balign 64
exit_halt:
        hlt
        decq %rcx
        jnz exit_halt
        jmp finish

        .balign 64
spin:
        jmp spin

        .balign 8
descriptors:
        .quad 0
        .quad 0x00AF9B000000FFFF                // 0x08 64-bit code
        .quad 0x00CF93000000FFFF                // 0x10 data
descriptor_pointer:
        .word . - descriptors - 1
        .quad descriptors
        .balign 16
interrupt_pointer:
        .skip 10, 0
        .balign 16
interrupt_table:
        .skip 0x210, 0
