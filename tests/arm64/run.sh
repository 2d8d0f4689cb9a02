#!/usr/bin/env bash
# Runs the tests of Linux arm64 under qemu's user emulation: the Go tests, the C host and the Python suite, with Debian's
# arm64 Python in a root of its own; with arguments only those of go, c and python. Wants build/cross/linux-arm64 and zig
# (make cross), qemu-user-static and apt-get.
# Nothing outside build/ is changed: the root is seen, and the emulator registered, in namespaces of this run.
set -euo pipefail
cd "$(dirname "$0")/../.."
repository=$PWD
here=build/arm64
root=$here/root
GO=${GO:-go}
ZIG=${ZIG:-build/zig/ziglang/zig}

prepare() {
    mkdir -p "$here"
    if [ ! -e "$here/root.made" ]; then
        rm -rf "$root" "$here/apt"
        mkdir -p "$root" "$here/apt/lists/partial" "$here/apt/archives/partial"
        : >"$here/apt/status"
        local options=(-q -y -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o Debug::NoLocking=1
            -o "Dir::State=$PWD/$here/apt" -o "Dir::State::status=$PWD/$here/apt/status" -o "Dir::Cache=$PWD/$here/apt"
            -o APT::Sandbox::User="$(id -un)" -o APT::Install-Recommends=0)
        apt-get "${options[@]}" update
        apt-get "${options[@]}" install --download-only python3 libpython3-stdlib dash bash coreutils grep sed mawk findutils \
            procps util-linux debianutils libc-bin tzdata ca-certificates
        mkdir -p "$root"/{usr/bin,usr/sbin,usr/lib,tmp,proc,sys,dev,root}
        for name in bin sbin lib; do ln -sfn "usr/$name" "$root/$name"; done
        for package in "$here"/apt/archives/*.deb; do dpkg-deb --fsys-tarfile "$package" | tar -x --no-same-owner --keep-directory-symlink -C "$root"; done
        ln -sfn dash "$root/usr/bin/sh"
        ln -sfn mawk "$root/usr/bin/awk"
        printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n' >"$root/etc/passwd"
        printf 'root:x:0:\nnogroup:x:65534:\n' >"$root/etc/group"
        printf '127.0.0.1 localhost\n' >"$root/etc/hosts"
        local version
        version=$(basename "$(echo "$root"/usr/lib/python3.*)")
        # Pure packages, but for psutil's wheel for arm64.
        python3 -m pip install --quiet --disable-pip-version-check --target "$root/usr/lib/python3/dist-packages" \
            --platform manylinux2014_aarch64 --platform manylinux_2_17_aarch64 --python-version "${version#python}" \
            --only-binary=:all: 'pytest>=8' pytest-timeout pytest-rerunfailures psutil hypothesis rich
        touch "$here/root.made"
    fi
}

build_programs() {
    local target=aarch64-linux-gnu.2.17
    mkdir -p "$here/go" "$here/c"
    rm -f "$here"/go/*.test
    CGO_ENABLED=0 GOOS=linux GOARCH=arm64 "$GO" test -c -o "$here/go/" ./core/... >/dev/null
    awk -f tests/abi/calls.awk include/libmimir.h >"$here/c/calls.h"
    "$ZIG" cc -target $target -std=gnu99 -o "$here/c/chores" tests/abi/chores.c
    "$ZIG" cc -target $target -std=c99 -Iinclude -Itests/abi "-I$here/c" -o "$here/c/host_c" tests/abi/host/*.c \
        -Lbuild/cross/linux-arm64 -lmimir -pthread -ldl
    "$ZIG" c++ -target $target -std=c++17 -Iinclude -Itests/abi -o "$here/c/host_cpp" tests/abi/host.cpp \
        -Lbuild/cross/linux-arm64 -lmimir -pthread
}

# inside DIRECTORY COMMAND...: in the root, seen from new namespaces, in which the emulator is registered and which end with it.
inside() {
    # shellcheck disable=SC2016
    unshare --user --map-root-user --mount --pid --fork --kill-child bash -euc '
        root=$1 repository=$2
        shift 2
        registry=/proc/sys/fs/binfmt_misc
        if [ ! -e $registry/qemu-aarch64 ]; then
            mount -t binfmt_misc binfmt_misc $registry
            magic="\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00"
            mask="\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff"
            printf %s ":qemu-aarch64:M::$magic:$mask:$(command -v qemu-aarch64-static):PF" >$registry/register
        fi
        mount -t proc proc "$root/proc"
        for place in /sys /dev; do mount --rbind $place "$root$place"; done
        mount -t tmpfs tmpfs "$root/tmp"
        mkdir -p "$root$repository"
        mount --bind "$repository" "$root$repository"
        directory=$repository/$1
        shift
        chroot "$root" /usr/bin/env -i PATH=/usr/bin:/bin:/usr/sbin HOME=/root LANG=C.UTF-8 \
            LIBMIMIR_LIBRARY="$repository/build/cross/linux-arm64/libmimir.so" \
            LD_LIBRARY_PATH="$repository/build/cross/linux-arm64" PYTHONDONTWRITEBYTECODE=1 \
            MIMIR_EMULATED=qemu-user \
            /bin/sh -c "cd $directory && exec \"\$@\"" sh "$@"
    ' bash "$PWD/$root" "$repository" "$@"
}

# part SENTENCE COMMAND...: runs tests, and fails for those that fail and are not in not-emulated.txt, which says why.
failed=0
part() {
    local sentence=$1 log=$here/output code=0 unexpected
    shift
    # The emulator's own fork can hang while other threads run: what takes far too long is tried again.
    for _ in 1 2 3; do
        code=0
        timeout "${PATIENCE:-240}" tests/arm64/run.sh inside "$@" >"$log" 2>&1 || code=$?
        [ $code -eq 124 ] || break
    done
    unexpected=$(sed -nE 's/^ *--- FAIL: ([^ ]+).*/\1/p; s/^FAIL ([a-z].*)/\1/p; s/^(FAILED|ERROR) ([^ ]+).*/\2/p; /^(panic|fatal error|SIG[A-Z]+): /p' "$log" |
        grep -avxF core/job | grep -avFf <(grep '^[^#]' tests/arm64/not-emulated.txt) || true)
    local expected
    expected=$(grep -acE '^ *--- FAIL: |^FAIL [a-z]|^(FAILED|ERROR) ' "$log" || true)
    if [ $code -eq 0 ]; then
        echo "ok   $sentence"
    elif [ -z "$unexpected" ] && [ "$expected" -gt 0 ]; then
        echo "ok   $sentence, but for $expected that cannot be emulated"
    else
        cat "$log"
        echo "FAIL $sentence"
        failed=1
    fi
}

# wanted PART ARGUMENT...: whether a part is among the arguments, or there are none.
wanted() {
    local this=$1
    shift
    [ $# -eq 0 ] || [[ " $* " == *" $this "* ]]
}

if [ "${1:-}" = inside ]; then # by part, to be ended in time
    shift
    inside "$@"
    exit
fi

for tool in qemu-aarch64-static apt-get dpkg-deb unshare; do
    command -v $tool >/dev/null || { echo "make test-arm64 needs $tool" >&2; exit 1; }
done
prepare
build_programs
inside . uname -m
# What cannot pass is not run: the Go tests are left out by name here, the Python ones by tests/python/conftest.py. The programs
# in C are run whole, and part excuses them.
not_emulated="^($(sed -n 's/^\(Test[A-Za-z0-9]*\)$/\1/p' tests/arm64/not-emulated.txt | paste -sd '|'))"
if wanted go "$@"; then
    for test in "$here"/go/*.test; do
        name=$(basename "$test" .test)
        directory=$(cd core && find . -type d -name "$name" | head -n 1)
        [ "$name" = core ] && directory=.
        part "the Go tests of core/${directory#./}" "core/$directory" "$repository/$test" -test.timeout 4m -test.skip "$not_emulated"
    done
fi
if wanted c "$@"; then
    PATIENCE=240 part "the C host" . "$repository/$here/c/host_c"
    PATIENCE=60 part "the C++ host" . "$repository/$here/c/host_cpp"
fi
if wanted python "$@"; then
    # A test whose forked child hangs in the emulator is tried again, for that reason alone. What it leaves warns when it is
    # collected, and is no fault of another test.
    # Not those of what most needs a real kernel: limits that end a command, forks under load, control groups.
    PATIENCE=480 part "the Python suite" tests/python python3 -m pytest -q -p no:cacheprovider \
        --timeout 30 --reruns 3 --only-rerun Timeout -rR -W ignore::pytest.PytestUnraisableExceptionWarning test_units.py test_errors.py \
        test_paths.py test_loading.py test_adapter.py test_aio.py test_run.py test_popen.py test_process.py \
        test_process_object.py test_run_options.py
fi
exit $failed
