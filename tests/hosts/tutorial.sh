#!/bin/bash
# docs/tutorial-cmake.md, followed literally from an empty folder: its files written, its commands run, and timed.
source "$(dirname "$0")/hosts.sh"
need cmake cmake
mkdir home
ln -s "$TOMOCUT_PREFIX" home/tomocut
export HOME="$PWD/home"

# The page as a script: a block "```LANGUAGE FILE" is written to FILE, a block "```sh" is run, each command timed.
awk '
    /^```/ && open { if (file != "") print "TUTORIAL_END"; open = 0; file = ""; next }
    /^```/ { open = 1; split($0, words, " "); file = words[2]; if (file != "") print "cat >" file " <<\x27TUTORIAL_END\x27"; next }
    open && file != "" { print }
    open && file == "" { print "began=$(date +%s.%N)"; print; print "took \x27" $0 "\x27" }
' "$here/../../docs/tutorial-cmake.md" >steps.sh
grep -q '^cmake --build' steps.sh || fail "the page has no steps"
cat >run.sh <<'END'
set -eu
took() { awk -v a="$began" -v b="$(date +%s.%N)" -v what="$1" 'BEGIN { printf "%7.2f s  %s\n", b - a, what }' >>"$TIMES"; }
END
cat steps.sh >>run.sh
export TIMES="$PWD/times"
bash run.sh >run.log 2>&1 || { cat run.log; fail "the tutorial"; }
sed 's/^/  /' times
awk '{ sum += $1 } END { printf "  ok: %.1f s from an empty folder to a segmented slab\n", sum }' times
tr '\r' '\n' <run.log | grep 'voxels of membrane' | sed 's/^/  /'
