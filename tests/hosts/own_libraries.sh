#!/bin/bash
# A program with OpenBLAS, OpenMP, protobuf and a Rust library of its own, before, between and after the engine's calls.
source "$(dirname "$0")/hosts.sh"
need cmake cmake
need /usr/include/x86_64-linux-gnu/openblas-pthread/cblas.h libopenblas-dev
need protoc protobuf-compiler
need /usr/include/google/protobuf/message.h libprotobuf-dev

rustc --edition 2021 -O --crate-type cdylib -o libother.so "$here/own_libraries/other.rs" || fail "the other Rust library"
cmake -S "$here/own_libraries" -B build -DCMAKE_BUILD_TYPE=Release -DCMAKE_PREFIX_PATH="$TOMOCUT_PREFIX" \
    -DOTHER="$PWD/libother.so" >cmake.log 2>&1 || { cat cmake.log; fail "cmake"; }
cmake --build build >>cmake.log 2>&1 || { cat cmake.log; fail "the build"; }
ok "built against OpenBLAS, OpenMP, protobuf, another Rust library and the installation"
"$TOMOCUT_PREFIX/bin/tomocut" phantom --size 128x128x32 --seed 6 --quiet
# For the loader; the linked one has its run path.
export TOMOCUT_LIBRARY="$TOMOCUT_PREFIX/lib/libtomocut.so"
for how in linked loaded; do
    "build/$how" phantom.mrc "$how.raw" >"$how.log" 2>&1 || { cat "$how.log"; fail "the program, engine $how"; }
    sed 's/^/  /' "$how.log"
done
"$TOMOCUT_PREFIX/bin/tomocut" slab phantom.mrc --z 12:13 --out c --quiet
for how in linked loaded; do
    cmp <(tail -c +1025 c/phantom_labels.mrc) "$how.raw" || fail "labels differ from tomocut slab's, engine $how"
done
ok "the program's own results are the same before, between and after; the labels are tomocut slab's"
