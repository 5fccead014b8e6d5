#!/bin/sh
# Boots a stock Linux kernel to a shell, in a virtual machine made of software alone.
#
# Kernel and busybox come from the distribution's package archive, by package name, without root, into a
# cache directory; an initramfs is made from them. Without apt the built-in guest boots instead.
#
# usage: scripts/boot-linux.sh [options] [-- options of openwhp run]
#   --flavour cloud|generic|pae  which kernel: the distribution's cloud kernel (default), its generic one, or a
#                                32-bit one with PAE (Debian only)
#   --script FILE                run this shell script in the guest, then power off
#   --prepare                    only fetch and make the files; print the paths of kernel and initramfs
#   --cache DIR                  where files are kept [$XDG_CACHE_HOME/openwhp]
#
# OPENWHP names the command to run instead of building and running it with cargo.
set -eu

here=$(cd "$(dirname "$0")/.." && pwd)
flavour=cloud
script=
prepare=
cache=${XDG_CACHE_HOME:-$HOME/.cache}/openwhp

say() { echo "boot-linux: $*" >&2; }
fail() { say "$*"; exit 2; }

while [ $# -gt 0 ]; do
    case $1 in
        --flavour) flavour=${2:?--flavour needs a value}; shift 2 ;;
        --script) script=${2:?--script needs a file}; shift 2 ;;
        --cache) cache=${2:?--cache needs a directory}; shift 2 ;;
        --prepare) prepare=yes; shift ;;
        --) shift; break ;;
        -h | --help) sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; exit 0 ;;
        *) fail "unknown option $1 (see --help)" ;;
    esac
done
[ -z "$script" ] || [ -r "$script" ] || fail "cannot read $script"

openwhp() {
    if [ -n "${OPENWHP:-}" ]; then
        exec "$OPENWHP" "$@"
    fi
    cd "$here"
    exec cargo run --release --quiet -p openwhp-vmm -- "$@"
}

if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then
    [ -z "$prepare" ] || fail "no apt here, so no packages can be fetched"
    say "no apt here, so no stock kernel can be fetched: booting the built-in guest instead"
    openwhp run "$@"
fi

case $flavour in
    cloud) architecture=amd64; metas="linux-image-cloud-amd64 linux-image-virtual" ;;
    generic) architecture=amd64; metas="linux-image-amd64 linux-image-generic" ;;
    pae) architecture=i386; metas="linux-image-686-pae" ;;
    *) fail "unknown flavour $flavour; the flavours are cloud, generic and pae" ;;
esac

mkdir -p "$cache/packages" "$cache/lists/partial" "$cache/archives/partial"
cache=$(cd "$cache" && pwd)
work=$cache/$flavour

# The system's package lists serve when they know the packages. Otherwise lists of our own are fetched, which needs
# no root either.
own_lists="-o Dir::State::Lists=$cache/lists -o Dir::Cache=$cache/archives -o APT::Architecture=amd64
    -o APT::Architectures::=amd64 -o APT::Architectures::=i386 -o APT::Sandbox::User="
lists=
# shellcheck disable=SC2086
knows() { apt-cache $lists policy "$1" 2>/dev/null | grep -q 'Candidate: [^(]'; }
qualified() { if [ "$architecture" = i386 ]; then echo "$1:i386"; else echo "$1"; fi; }

find_meta() {
    for meta in $metas; do
        if knows "$(qualified "$meta")"; then qualified "$meta"; return; fi
    done
    return 1
}

# Prints the first dependency of package $1 that matches the pattern $2.
dependency() {
    # shellcheck disable=SC2086
    apt-cache $lists depends --important "$1" 2>/dev/null |
        sed -n "s/^ *|\{0,1\}Depends: \(<\{0,1\}\)\($2\)\$/\2/p" | head -n 1
}

# Downloads package $1 and unpacks it into directory $2.
fetch() {
    say "fetching $1"
    rm -rf "$cache/packages/now" && mkdir -p "$cache/packages/now"
    # shellcheck disable=SC2086
    (cd "$cache/packages/now" && apt-get $lists -qq download "$1" 2>"$cache/packages/log") ||
        { cat "$cache/packages/log" >&2; return 1; }
    mkdir -p "$2"
    for package in "$cache"/packages/now/*.deb; do dpkg-deb -x "$package" "$2"; done
    rm -rf "$cache/packages/now"
}

get_kernel() {
    if ! meta=$(find_meta); then
        lists=$own_lists
        say "fetching package lists"
        # shellcheck disable=SC2086
        apt-get $lists -qq update 2>"$cache/packages/log" || true
        # One list of several may fail; what counts is whether the package is found.
        meta=$(find_meta) || { cat "$cache/packages/log" >&2; say "no package of: $metas"; return 1; }
    fi
    suffix=$(if [ "$architecture" = i386 ]; then echo ':i386'; fi)
    image=$(dependency "$meta" "linux-image-[0-9][^:]*$suffix")
    # Ubuntu has one more step between the name and the image.
    [ -n "$image" ] || image=$(dependency "$(dependency "$meta" 'linux-image-[a-z]*')" 'linux-image-[0-9].*')
    [ -n "$image" ] || { say "package $meta names no kernel image"; return 1; }
    rm -rf "$work.new"
    fetch "$image" "$work.new/root"
    modules=$(dependency "$image" 'linux-modules-[0-9].*')
    [ -z "$modules" ] || fetch "$modules" "$work.new/root"
    if [ "$architecture" = i386 ]; then
        fetch busybox-static:i386 "$work.new/busybox-guest"
    fi
    fetch "busybox-static$(if [ "$(dpkg --print-architecture)" != amd64 ]; then echo :amd64; fi)" "$work.new/busybox"
}

# The modules that the guest wants, with everything they need, in the order in which they can be inserted.
wanted="virtio_pci virtio_blk virtio_net virtio_console virtio_rng af_packet ext4 crc32c_generic"

# Prints the value of field $2 of module file $1.
module_field() { tr '\000' '\n' <"$1" | sed -n "s/^$2=//p" | head -n 1; }

# Inserts module $1 after those it depends on into the list $order.
add_module() {
    case " $order " in *" $1 "*) return ;; esac
    name=$(echo "$1" | sed 's/[-_]/[-_]/g')
    file=$(find "$root" -name "$name.ko*" | head -n 1)
    [ -n "$file" ] || return 0
    plain=$image_dir/modules/$1.ko
    case $file in
        *.xz) xz -dc "$file" >"$plain" ;;
        *.zst) zstd -qdc "$file" >"$plain" ;;
        *.gz) gzip -dc "$file" >"$plain" ;;
        *) cp "$file" "$plain" ;;
    esac
    for needed in $(module_field "$plain" depends | tr ',-' ' _'); do
        add_module "$needed"
    done
    # The recursion has changed what the variables hold.
    order="$order $1"
}

make_initramfs() {
    root=$work.new/root
    image_dir=$work.new/initramfs
    mkdir -p "$image_dir/bin" "$image_dir/modules" "$image_dir/etc/udhcpc"
    guest_busybox=$work.new/busybox
    [ ! -d "$work.new/busybox-guest" ] || guest_busybox=$work.new/busybox-guest
    cp "$(find "$guest_busybox" -name busybox -type f -perm -u+x | head -n 1)" "$image_dir/bin/busybox"
    order=
    for module in $wanted; do add_module "$module"; done
    echo "$order" >"$image_dir/modules/order"
    cat >"$image_dir/init" <<'INIT'
#!/bin/busybox sh
bb=/bin/busybox
$bb mkdir -p /proc /sys /dev /tmp /run /mnt /root /sbin /usr/bin /usr/sbin
$bb mount -t devtmpfs none /dev
exec </dev/console >/dev/console 2>&1
$bb mount -t proc none /proc
$bb mount -t sysfs none /sys
$bb mkdir -p /dev/pts && $bb mount -t devpts none /dev/pts
$bb --install -s
export PATH=/bin:/sbin:/usr/bin:/usr/sbin HOME=/root TERM=${TERM:-vt100}
for module in $(cat /modules/order); do
    insmod /modules/"$module".ko 2>/dev/null
done
hostname openwhp
ip link set lo up
if [ -d /sys/class/net/eth0 ]; then
    ip link set eth0 up
    udhcpc -q -n -t 3 -i eth0 -s /etc/udhcpc/script >/dev/null 2>&1
fi
cd /root
if [ -f /script ]; then
    sh /script
    poweroff -f
fi
echo
echo "This is Linux $(uname -r) on OpenWHP with $(nproc) processor(s). Type poweroff -f to switch off."
while true; do
    setsid cttyhack sh -l
    # A shell that ends gets a successor; poweroff ends the machine.
    sleep 1
done
INIT
    cat >"$image_dir/etc/udhcpc/script" <<'DHCP'
#!/bin/busybox sh
[ "$1" = bound ] || [ "$1" = renew ] || exit 0
ip address replace "$ip/${mask:-24}" dev "$interface"
[ -z "$router" ] || ip route replace default via "${router%% *}"
: >/etc/resolv.conf
for server in $dns; do echo "nameserver $server" >>/etc/resolv.conf; done
DHCP
    chmod +x "$image_dir/init" "$image_dir/etc/udhcpc/script"
    host_busybox=$(find "$work.new/busybox" -name busybox -type f -perm -u+x | head -n 1)
    (cd "$image_dir" && find . | "$host_busybox" cpio -o -H newc 2>/dev/null) >"$work.new/initramfs.cpio"
    cp "$(find "$root/boot" -name 'vmlinuz-*' | head -n 1)" "$work.new/vmlinuz"
    # It finds its applets only under its own name.
    cp "$host_busybox" "$work.new/kept"
    rm -rf "$work.new/root" "$image_dir" "$work.new/busybox" "$work.new/busybox-guest"
    mv "$work.new/kept" "$work.new/busybox"
}

# What was made by another version of this script is made again.
version=$(cksum <"$0")
if [ "$(cat "$work/version" 2>/dev/null)" != "$version" ]; then
    if ! get_kernel; then
        [ -z "$prepare" ] || fail "the packages cannot be fetched"
        say "the packages cannot be fetched: booting the built-in guest instead"
        openwhp run "$@"
    fi
    make_initramfs
    echo "$version" >"$work.new/version"
    rm -rf "$work" && mv "$work.new" "$work"
fi

initramfs=$work/initramfs.cpio
if [ -n "$script" ]; then
    # A second archive behind the first adds the script.
    scratch=$(mktemp -d)
    cp "$script" "$scratch/script"
    (cd "$scratch" && echo script | "$work/busybox" cpio -o -H newc 2>/dev/null) >"$scratch/cpio"
    initramfs=$work/initramfs-script-$$.cpio
    cat "$work/initramfs.cpio" "$scratch/cpio" >"$initramfs"
    rm -rf "$scratch"
fi
if [ -n "$prepare" ]; then
    echo "$work/vmlinuz"
    echo "$initramfs"
    exit 0
fi
if [ -z "$script" ]; then
    openwhp run --kernel "$work/vmlinuz" --initrd "$initramfs" --cmdline "console=ttyS0" "$@"
fi
trap 'rm -f "$initramfs"' EXIT INT TERM
status=0
(openwhp run --kernel "$work/vmlinuz" --initrd "$initramfs" --cmdline "console=ttyS0" "$@") || status=$?
exit "$status"
