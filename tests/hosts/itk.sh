#!/bin/bash
# A program of ITK's: MRC in by ITK, a slab in process, MRC out by ITK.
source "$(dirname "$0")/hosts.sh"
need cmake cmake
need /usr/include/ITK-5.2/itkMRCImageIO.h libinsighttoolkit5-dev

cmake -S "$here/itk" -B build -DCMAKE_BUILD_TYPE=Release -DCMAKE_PREFIX_PATH="$TOMOCUT_PREFIX" >cmake.log 2>&1 ||
    { grep -A5 "CMake Error" cmake.log; fail "cmake"; }
cmake --build build >>cmake.log 2>&1 || { cat cmake.log; fail "the build"; }
ok "built against ITK and the installation"
"$TOMOCUT_PREFIX/bin/tomocut" phantom --size 128x128x32 --seed 6 --quiet
# ITK 5.2 refuses MRC files that begin (NZSTART) beyond as many slices as they have.
build/segment phantom.mrc 3 7 >segment.log || { cat segment.log; fail "the program"; }
sed -n '1s/^/  /p' segment.log
ok "voxels are ITK's, the engine's, and those of the files of both"

# The program on the same slab.
"$TOMOCUT_PREFIX/bin/tomocut" slab phantom.mrc --z 3:7 --out c --quiet
cmp <(tail -c +1025 c/phantom_labels.mrc) <(tail -c +1025 engine_labels.mrc) || fail "labels differ from tomocut slab's"
cmp <(tail -c +1025 c/phantom_labels.mrc) <(tail -c "$((128 * 128 * 4))" itk_labels.mrc) || fail "ITK's file differs"
ok "labels are those of tomocut slab"
grep -i 'BLAS' segment.log | sed 's/^/  /'
