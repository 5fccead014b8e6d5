// The way in: a multiboot loader enters `start` in 32-bit protected mode, paging off, with EAX = magic
// and EBX = information block. We build an identity map of the first 4 GiB, switch to long mode and
// call `guest_main`. The trampoline at the end does the same for every further processor, from real mode.

        .set MULTIBOOT_MAGIC, 0x1BADB002
        .set MULTIBOOT_FLAGS, 0x00000002        // bit 1: give us memory information

        .set CR0_PE, 1 << 0
        .set CR0_PG, 1 << 31
        .set CR4_PAE, 1 << 5
        .set MSR_EFER, 0xC0000080
        .set EFER_LME, 1 << 8

        .set CODE32, 0x08                       // selectors of `gdt`
        .set DATA, 0x10
        .set CODE64, 0x18

        .section .multiboot, "a"
        .balign 4
        .long MULTIBOOT_MAGIC, MULTIBOOT_FLAGS, -(MULTIBOOT_MAGIC + MULTIBOOT_FLAGS)

        .text
        .code32
        .globl start
start:
        cli
        cld
        movl $stack_top, %esp
        movl %eax, %edi                         // kept for guest_main: first and second argument
        movl %ebx, %esi
        call build_identity_map
        lgdt gdt_pointer
        call enter_long_mode
        ljmp $CODE64, $start64

// Four page directories of 2 MiB pages behind one PDPT behind one PML4.
build_identity_map:
        movl $pdpt + 3, pml4                    // 3: present, writable
        movl $page_directories + 3, %eax
        movl $pdpt, %edx
        movl $4, %ecx
1:      movl %eax, (%edx)
        addl $4096, %eax
        addl $8, %edx
        loop 1b
        movl $0x83, %eax                        // present, writable, 2 MiB
        movl $page_directories, %edx
        movl $2048, %ecx
2:      movl %eax, (%edx)
        addl $0x200000, %eax
        addl $8, %edx
        loop 2b
        ret

// Turns on PAE, long mode and paging; the caller still has to load a 64-bit code segment. Clobbers eax, ecx, edx.
enter_long_mode:
        movl %cr4, %eax
        orl $CR4_PAE, %eax
        movl %eax, %cr4
        movl $pml4, %eax
        movl %eax, %cr3
        movl $MSR_EFER, %ecx
        rdmsr
        orl $EFER_LME, %eax
        wrmsr
        movl %cr0, %eax
        orl $(CR0_PG | CR0_PE), %eax
        movl %eax, %cr0
        ret

        .code64
start64:
        movl $DATA, %eax
        movl %eax, %ds
        movl %eax, %es
        movl %eax, %ss
        movl $stack_top, %esp
        movl %edi, %edi                         // arguments were 32-bit: clear the upper halves
        movl %esi, %esi
        call guest_main
        .globl halt_forever
halt_forever:
        cli
        hlt
        jmp halt_forever

// Exception entries: every vector ends in unexpected_exception(vector, error code, rip).
        .altmacro
        .macro entry vector
        .balign 16
        .if (\vector == 8) || ((\vector >= 10) && (\vector <= 14)) || (\vector == 17) || (\vector == 21)
        .else
        pushq $0                                // a place-holder where the processor pushes no error code
        .endif
        movl $\vector, %edi
        jmp exception
        .endm

        .balign 16
        .globl exception_entries
exception_entries:
        .set i, 0
        .rept 32
        entry %i
        .set i, i + 1
        .endr
exception:
        popq %rsi
        movq (%rsp), %rdx
        andq $-16, %rsp
        call unexpected_exception
        jmp halt_forever

        .globl timer_entry
timer_entry:
        pushq %rax
        lock incq timer_ticks
        movq apic_eoi_address, %rax
        testq %rax, %rax
        jz 1f
        movl $0, (%rax)
        popq %rax
        iretq
1:      pushq %rcx                              // no address: x2APIC, the EOI register is an MSR
        pushq %rdx
        movl $0x80B, %ecx
        xorl %eax, %eax
        xorl %edx, %edx
        wrmsr
        popq %rdx
        popq %rcx
        popq %rax
        iretq

        .globl spurious_entry
spurious_entry:
        iretq

// Copied to TRAMPOLINE (below 1 MiB, page aligned); a start-up IPI begins here in real mode with
// CS:IP = TRAMPOLINE>>4 : 0. Addresses inside are taken relative to the copy.
        .section .rodata
        .code16
        .balign 16
        .globl trampoline
        .globl trampoline_end
        .globl trampoline_stack
        .set TRAMPOLINE, 0x8000
trampoline:
        cli
        cld
        xorw %ax, %ax
        movw %ax, %ds
        lgdtl TRAMPOLINE + (trampoline_gdt_pointer - trampoline)
        movl %cr0, %eax
        orl $CR0_PE, %eax
        movl %eax, %cr0
        ljmpl $CODE32, $(TRAMPOLINE + (trampoline32 - trampoline))

        .code32
trampoline32:
        movl $DATA, %eax
        movl %eax, %ds
        movl %eax, %es
        movl %eax, %ss
        movl TRAMPOLINE + (trampoline_stack - trampoline), %esp
        movl $enter_long_mode, %eax
        call *%eax
        ljmp $CODE64, $processor_start64
        .balign 4
trampoline_gdt_pointer:
        .word gdt_end - gdt - 1
        .long gdt
trampoline_stack:
        .long 0
trampoline_end:

        .text
        .code64
processor_start64:
        movl $DATA, %eax
        movl %eax, %ds
        movl %eax, %es
        movl %eax, %ss
        movl %esp, %esp
        lidt idt_pointer
        call processor_main
        jmp halt_forever

        .data
        .balign 8
gdt:
        .quad 0
        .quad 0x00CF9B000000FFFF                // 0x08 32-bit code
        .quad 0x00CF93000000FFFF                // 0x10 data
        .quad 0x00AF9B000000FFFF                // 0x18 64-bit code
gdt_end:
gdt_pointer:
        .word gdt_end - gdt - 1
        .long gdt
        .long 0

        .bss
        .balign 4096
pml4:   .skip 4096
pdpt:   .skip 4096
page_directories:
        .skip 4 * 4096
        .skip 16384
stack_top:

        .section .note.GNU-stack, "", @progbits
