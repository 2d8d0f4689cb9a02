#!/bin/sh
# Compiles and runs what sees the library as C and C++ programs do. Wants build/libmimir.so; run by `make test-abi`.
set -eu
cd "$(dirname "$0")/../.."

CC=${CC:-cc}
CXX=${CXX:-c++}
GO=${GO:-go}
PYTHON=${PYTHON:-python3}
out=build/tests/abi
strict="-Wall -Wextra -Wpedantic -Werror -Wconversion -Wshadow"
link="-Lbuild -lmimir -pthread -Wl,-rpath,$PWD/build"
passed=0
failed=0
mkdir -p $out

# case SENTENCE COMMAND...: runs the command and counts it; what it prints is shown when it fails.
case_() {
    sentence=$1
    shift
    if "$@" >$out/output 2>&1; then
        passed=$((passed + 1))
        echo "ok   $sentence"
    else
        failed=$((failed + 1))
        cat $out/output
        echo "FAIL $sentence"
    fi
}

# program SENTENCE COMMAND...: the same for a program that prints cases of its own.
program() {
    sentence=$1
    shift
    code=0
    "$@" || code=$?
    if [ $code -eq 0 ]; then
        passed=$((passed + 1))
        echo "ok   $sentence"
    else
        failed=$((failed + 1))
        echo "FAIL $sentence (exit code $code)"
    fi
}

header_alone() {
    printf '#include "libmimir.h"\n#include "libmimir.h"\n%s\n' "$3" >$out/alone."$2"
    # shellcheck disable=SC2086
    "$1" -std="$4" $strict -Iinclude -fsyntax-only $out/alone."$2"
}

only_mimir() {
    nm -D --defined-only build/libmimir.so | awk '{ print $3 }' | sort >$out/shown
    sed -n 's/^MIMIR_API int32_t \(mimir_[a-z0-9_]*\)(.*/\1/p' include/libmimir.h | sort >$out/declared
    test -s $out/declared && diff $out/declared $out/shown
}

soname() {
    readelf -d build/libmimir.so | grep -q 'SONAME.*\[libmimir\.so\.0\]'
    readelf -d $out/host_c | grep -q 'NEEDED.*\[libmimir\.so\.0\]'
}

pkg_config() {
    command -v pkg-config >/dev/null || { cat build/pkgconfig/libmimir.pc; return 0; }
    flags=$(PKG_CONFIG_PATH=build/pkgconfig pkg-config --cflags --libs libmimir)
    printf '#include <libmimir.h>\nint main(void) { uint32_t n; return mimir_abi(&n) != MIMIR_OK; }\n' >$out/found.c
    # shellcheck disable=SC2086
    $CC -std=c99 $out/found.c -o $out/found $flags && LD_LIBRARY_PATH=build $out/found
}

go_layout() {
    MIMIR_LAYOUT=$PWD/$out/layout.c99 timeout 120 $GO test -count=1 -v -run '^TestGoSeesTheLayoutThatCSees$' ./export >$out/go
    cat $out/go
    grep -q '^--- PASS: TestGoSeesTheLayoutThatCSees' $out/go
}

python_layout() {
    LIBMIMIR_LIBRARY=$PWD/build/libmimir.so PYTHONPATH=python $PYTHON tests/abi/layout.py >$out/layout.python
    diff $out/layout.c99 $out/layout.python
}

for standard in c99 c11 c17; do
    case_ "the header alone is $standard" header_alone "$CC" c 'int main(void) { return MIMIR_OK; }' $standard
done
for standard in c++11 c++17 c++20; do
    case_ "the header alone is $standard" header_alone "$CXX" cpp 'int main() { return MIMIR_OK; }' $standard
done
for compiler in clang x86_64-w64-mingw32-gcc; do
    if command -v $compiler >/dev/null; then
        case_ "the header alone is C for $compiler" header_alone $compiler c 'int main(void) { return MIMIR_OK; }' c99
    fi
done

awk -f tests/abi/calls.awk include/libmimir.h >$out/calls.h
# shellcheck disable=SC2086
case_ "the program for jobs to run compiles without a warning" \
    $CC -std=gnu99 $strict -o $out/chores tests/abi/chores.c
# shellcheck disable=SC2086
case_ "the C99 program compiles without a warning" \
    $CC -std=c99 $strict -Iinclude -Itests/abi -I$out -o $out/host_c tests/abi/host/*.c $link
# shellcheck disable=SC2086
case_ "the C++17 program compiles without a warning" \
    $CXX -std=c++17 $strict -Iinclude -Itests/abi -o $out/host_cpp tests/abi/host.cpp $link
case_ "the library shows the functions of the header and nothing else" only_mimir
case_ "the library and its users carry the SONAME libmimir.so.0" soname
case_ "pkg-config finds the library" pkg_config
case_ "the layout program compiles" sh -c \
    "$GO run ./cbuild layout >$out/layout.c && $CC -std=c99 $strict -Iinclude -o $out/layout $out/layout.c"
$out/layout >$out/layout.c99
case_ "Python lays out every struct as C does" python_layout
case_ "Go lays out every struct as C does" go_layout
program "the C99 program finds the library as its header says" timeout 300 $out/host_c
program "the C++17 program finds the library as its header says" timeout 300 $out/host_cpp

echo "tests/abi: $passed passed, $failed failed"
test $failed -eq 0
