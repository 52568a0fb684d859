#!/bin/bash
# A program on RELION's own Image<T>, and relion_image_handler on what the engine writes. RELION's source is Debian's, fetched
# here and kept nowhere; it is GPL, as is the program that is built from it, and neither is part of tomocut.
source "$(dirname "$0")/hosts.sh"
need tiffinfo libtiff-tools libtiff-dev
need /usr/include/fftw3.h libfftw3-dev
need dpkg-source dpkg-dev

# `apt-get source` with a list of sources of its own: the machine's lists may name none.
release=$(. /etc/os-release && echo "$VERSION_CODENAME")
mkdir -p lists/partial archives/partial
echo "deb-src http://deb.debian.org/debian $release main" >sources.list
apt=(apt-get -q -o Dir::Etc::SourceList="$PWD/sources.list" -o Dir::Etc::SourceParts=/dev/null
     -o Dir::State::Lists="$PWD/lists" -o APT::Sandbox::User=root)
{ "${apt[@]}" update && "${apt[@]}" source --download-only --tar-only relion; } >apt-source.log 2>&1 ||
    { echo "skipped: apt-get source relion:"; tail -n 3 apt-source.log; exit 77; }
tar -xzf relion_*.orig.tar.gz
relion=$(echo "$PWD"/relion-*/)
ok "source of $(basename "$relion")"

# What Image<T> is made of; the rest is left out by the linker.
sources=(macros.cpp)
sed 's/@RELION_VERSION_SUFFIX@//' "$relion/src/macros.cpp.in" >macros.cpp
for part in image metadata_label metadata_table metadata_container filename funcs strings error multidim_array matrix1d matrix2d \
    memory complex euler fftw numerical_recipes args transformations CPlot2D; do
    sources+=("$relion/src/$part.cpp")
done
g++ -std=c++17 -O1 -w -ffunction-sections -I "$relion" -I "$TOMOCUT_PREFIX/include" "$here/relion/segment.cpp" "${sources[@]}" \
    -Wl,--gc-sections -o segment -L "$TOMOCUT_PREFIX/lib" -ltomocut -Wl,-rpath,"$TOMOCUT_PREFIX/lib" \
    -Wl,--allow-shlib-undefined -ltiff -lfftw3 -lfftw3f -lpthread >build.log 2>&1 || { tail build.log; fail "the build"; }
ok "built on Image<float>"

"$TOMOCUT_PREFIX/bin/tomocut" phantom --size 128x128x32 --voxel-nm 1.25 --seed 7 --quiet
./segment phantom.mrc 12 16 >segment.log || { cat segment.log; fail "the program"; }
sed 's/^/  /' segment.log
"$TOMOCUT_PREFIX/bin/tomocut" slab phantom.mrc --z 12:16 --out c --quiet
cmp <(tail -c +1025 c/phantom_labels.mrc) <(tail -c +1025 engine_labels.mrc) || fail "labels differ from tomocut slab's"
ok "voxels are RELION's, the engine's, and those of the files of both; labels are those of tomocut slab"

need relion_image_handler relion
for file in engine_labels engine_score engine_membrane; do
    relion_image_handler --i "$file.mrc" --stats >stats.log 2>&1 || { cat stats.log; fail "relion_image_handler on $file.mrc"; }
    sed 's/^/  /' stats.log
    grep -q '128 x 128 x 4 x 1' stats.log || fail "extents of $file.mrc"
    grep -q 'angpix = 12.5' stats.log || fail "pixel size of $file.mrc"
done
mean=$(sed -n 's/.*mean label \([0-9.]*\).*/\1/p' segment.log)
relion_image_handler --i engine_labels.mrc --stats | grep -q "avg= $mean" || fail "the mean of the labels is not $mean"
ok "relion_image_handler reads extents, pixel size and voxels (mean label $mean)"
