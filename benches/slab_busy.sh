#!/bin/sh
# Seconds of `tomocut slab` on 20 slices of TOMOGRAM, alone and beside as many busy loops as LOOPS says.
#     benches/slab_busy.sh target/release/tomocut TOMOGRAM [LOOPS [FIRST:END]]
# LD_LIBRARY_PATH must hold libtorch. Several programs can be compared: run it for each in turn.
set -eu
program=$1 tomogram=$2 loops=${3:-2} z=${4:-54:74}
out=$(mktemp -d)
trap 'rm -rf "$out"; kill $busy 2>/dev/null || true' EXIT
busy=
slab() { /usr/bin/time -f "$1: %e s, %U s of processor time, peak %M KiB" "$program" slab "$tomogram" --z "$z" --quiet --out "$out"; }
slab alone
for _ in $(seq "$loops"); do
    sh -c 'while :; do :; done' &
    busy="$busy $!"
done
slab "beside $loops busy loops"
