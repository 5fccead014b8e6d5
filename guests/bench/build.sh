#!/bin/sh
# build.sh OUTDIR: builds the benchmark programs: static Linux programs (init, kernels, float, os and, where
# libsqlite3's static library is installed, sql) and the bare image micro.bin. Needs gcc and binutils.
# CC and OBJCOPY may name other tools.
set -eu
[ $# -eq 1 ] || { echo "usage: $0 OUTDIR" >&2; exit 2; }
out=$1
here=$(cd "$(dirname "$0")" && pwd)
cc=${CC:-gcc}
mkdir -p "$out"

program() { # NAME FLAGS...
    name=$1
    shift
    $cc -std=gnu11 -march=x86-64 -Wall -Wextra -Werror -static -o "$out/$name" "$here/user/$name.c" "$@"
    strip "$out/$name"
}
program init -O2
program kernels -O2
program float -O3 # lets the compiler use vectors
program os -O2
if echo '#include <sqlite3.h>' | $cc -E - >/dev/null 2>&1 && [ -f "$($cc -print-file-name=libsqlite3.a)" ]; then
    program sql -O2 -lsqlite3 -lm 2>/dev/null
else
    rm -f "$out/sql"
    echo "build.sh: no static libsqlite3 (package libsqlite3-dev), leaving out sql" >&2
fi

$cc -m64 -c "$here/micro/micro.S" -o "$out/micro.o"
${LD:-ld} -m elf_x86_64 -Ttext=0x100000 -e 0x100000 -o "$out/micro.elf" "$out/micro.o"
${OBJCOPY:-objcopy} -O binary -j .text "$out/micro.elf" "$out/micro.bin"
rm -f "$out/micro.o" "$out/micro.elf"
