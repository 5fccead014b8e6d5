#!/bin/sh
# build.sh OUT: builds the built-in guest as a 32-bit multiboot ELF file. Needs gcc and binutils only.
# CC, LD and OBJCOPY may name other tools.
set -eu
[ $# -eq 1 ] || { echo "usage: $0 OUT" >&2; exit 2; }
out=$1
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM

flags="-std=gnu11 -O2 -Wall -Wextra -Werror -m64 -march=x86-64 -mgeneral-regs-only -mno-red-zone -mcmodel=small
       -ffreestanding -fno-builtin -fno-pic -fno-pie -fno-stack-protector -fcf-protection=none
       -fno-asynchronous-unwind-tables -fno-tree-loop-distribute-patterns"
for part in boot.S print.c cpu.c memory.c acpi.c timer.c smp.c main.c; do
    # shellcheck disable=SC2086
    ${CC:-gcc} $flags -c "$here/$part" -o "$work/$part.o"
done
${LD:-ld} -m elf_x86_64 -nostdlib -static --no-warn-rwx-segments -z max-page-size=4096 \
    -T "$here/link.ld" -o "$work/guest64" "$work"/*.o
# Multiboot loaders take 32-bit ELF; the code stays what it is.
${OBJCOPY:-objcopy} -O elf32-i386 "$work/guest64" "$work/guest32"
${OBJCOPY:-objcopy} --strip-all "$work/guest32" "$out"
