#!/bin/bash
# The MEX functions in Octave: results of the program, errors, memory, clear, Ctrl-C, speed.
source "$(dirname "$0")/hosts.sh"
need octave octave
need mkoctfile octave-dev
need cmake cmake

cmake -S "$TOMOCUT_PREFIX/share/tomocut/mex" -B build -DOCTAVE=ON -DCMAKE_PREFIX_PATH="$TOMOCUT_PREFIX" >cmake.log
cmake --build build >>cmake.log
cmake --install build --prefix "$PWD/mex" >>cmake.log
ok "built by CMake and mkoctfile --mex"
export TOMOCUT_LIBRARY="$TOMOCUT_PREFIX/lib/libtomocut.so"
octave=(octave-cli --quiet --no-history --path "$PWD/mex" --path "$here/octave")
"$TOMOCUT_PREFIX/bin/tomocut" phantom --size 160x160x40 --snr 1 --seed 3 --quiet

# One slab, by the program and by Octave in turns: nothing else should run on the machine beside this.
fastest_c=1e9
fastest_octave=1e9
for turn in 1 2 3; do
    took=$(seconds "$TOMOCUT_PREFIX/bin/tomocut" slab phantom.mrc --z 15:21 --picks 5 --out c --quiet)
    less "$took" "$fastest_c" && fastest_c=$took
    "${octave[@]}" --eval "slab_seconds" >octave.log 2>&1 || { cat octave.log; fail "the slab in Octave"; }
    took=$(sed -n 's/^seconds //p' octave.log)
    less "$took" "$fastest_octave" && fastest_octave=$took
done
ratio=$(awk -v a="$fastest_octave" -v b="$fastest_c" 'BEGIN { printf "%.3f", a / b }')
echo "  slab of 160x160x6: tomocut slab $fastest_c s, Octave's call $fastest_octave s, ratio $ratio (fastest of 3)"
less "$ratio" 1.1 || fail "Octave's call takes more than 1.1 times as long"
ok "speed"

for part in results failures memory; do
    "${octave[@]}" --eval "$part" || fail "$part.m"
done

# Ctrl-C at the prompt: the call ends, Octave does not.
mkfifo input
"${octave[@]}" --interactive --no-line-editing <input >interactive.log 2>&1 &
pid=$!
exec 3>input
echo "interrupted" >&3
for _ in $(seq 600); do [ -e begun ] && break; sleep 0.1; done
sleep 3
pressed=$(date +%s.%N)
kill -INT "$pid"
echo "fclose(fopen('prompt', 'w'));" >&3
for _ in $(seq 300); do [ -e prompt ] && break; sleep 0.02; done
[ -e prompt ] || { cat interactive.log; kill -9 "$pid"; fail "no prompt within 6 s of Ctrl-C"; }
took=$(awk -v a="$pressed" -v b="$(date +%s.%N)" 'BEGIN { printf "%.2f", b - a }')
[ ! -e finished ] || fail "the call went on to its end"
echo "labels = tomocut_slab('phantom.mrc', struct('slices', [16 16])); fclose(fopen('again', 'w')); exit" >&3
exec 3>&-
wait "$pid" || { cat interactive.log; fail "Octave after Ctrl-C"; }
[ -e again ] || { cat interactive.log; fail "the call after Ctrl-C"; }
ok "Ctrl-C: prompt after $took s, and the next call works"
