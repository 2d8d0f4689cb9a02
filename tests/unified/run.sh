#!/usr/bin/env bash
# Runs the tests of control groups of version 2 for real, in a machine of qemu's with Debian's kernel: the machines of
# continuous integration have version 1. Says what is missing and skips when it is not there.
set -euo pipefail
cd "$(dirname "$0")/../.."
work=build/unified
mkdir -p "$work/root"

missing=()
command -v qemu-system-x86_64 >/dev/null || missing+=(qemu-system-x86)
command -v cpio >/dev/null || missing+=(cpio)
kernel=$(ls "$work"/kernel/boot/vmlinuz-* 2>/dev/null | head -n 1 || true)
if [ -z "$kernel" ]; then
    # The package is unpacked, not installed: the kernel is for the test's machine.
    package=$(apt-cache depends linux-image-cloud-amd64 2>/dev/null | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)$/\1/p' | head -n 1)
    if [ -n "$package" ] && (cd "$work" && apt-get download "$package" >/dev/null 2>&1); then
        dpkg-deb -x "$work/$package"_*.deb "$work/kernel"
        rm -f "$work/$package"_*.deb
        kernel=$(ls "$work"/kernel/boot/vmlinuz-* | head -n 1)
    else
        missing+=(linux-image-cloud-amd64)
    fi
fi
if [ ${#missing[@]} -gt 0 ]; then
    echo "test-unified: skipped, for want of Debian's ${missing[*]}"
    [ "${CI:-}" != true ]
    exit
fi

CGO_ENABLED=0 go build -o "$work/root/init" ./tests/unified/init
CGO_ENABLED=0 go test -c -o "$work/root/test" ./core/job
(cd "$work/root" && printf '%s\n' init test | cpio --quiet -o -H newc | gzip -1 >../initramfs.gz)

# It is emulated: KVM inside of a virtual machine is there and does not work often enough.
timeout 400 qemu-system-x86_64 -accel tcg -m 1024 -smp 2 -nographic -no-reboot -nic none \
    -kernel "$kernel" -initrd "$work/initramfs.gz" -append "console=ttyS0 quiet panic=-1 cgroup_no_v1=all" </dev/null |
    tr -d '\r' | tee "$work/log" | grep -E '^( *--- |exit status|init:|PASS|FAIL|panic|ok )' || true
if ! grep -q '^exit status 0$' "$work/log"; then
    tail -n 60 "$work/log"
    echo "test-unified: failed"
    exit 1
fi
echo "test-unified: control groups of version 2: passed"
