// The shortest way from voxels in memory to labels; prints what the library is made of.
#include <cstdio>

#include "../cpp/check.hpp"

int main() {
    tomocut::Engine engine;
    tomocut::Model model(engine);
    tomocut::Volume<float> voxels = sample();
    tomocut::Tomogram tomogram(engine, voxels, tomocut::Geometry(10.0));
    tomocut::Slab slab(engine, model, tomogram, {3, 4});
    std::size_t structure = 0;
    for (const std::uint8_t label : slab.labels()) {
        structure += label != TOMOCUT_LABEL_BACKGROUND;
    }
    std::printf("%s%zu voxels of structure\n", tomocut::runtime_report().c_str(), structure);
    return structure > 0 ? 0 : 1;
}
