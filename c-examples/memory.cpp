// Volumes in the host's own memory: nothing is copied, nothing is written to a file.
//
//     c++ -std=c++17 -I include c-examples/memory.cpp -o memory -L target/release -ltomocut
//     ./memory
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <random>
#include <vector>

#include "tomocut.hpp"

namespace {

constexpr tomocut::Shape shape = {8, 96, 96};  // z, y, x

// A dark tube in noise, as a program has it that reads its own formats.
std::vector<float> voxels() {
    std::mt19937 generator(1);
    std::normal_distribution<float> noise(0.0f, 0.5f);
    std::vector<float> volume;
    for (std::uint64_t z = 0; z < shape[0]; z++) {
        for (std::uint64_t y = 0; y < shape[1]; y++) {
            for (std::uint64_t x = 0; x < shape[2]; x++) {
                const double radius = std::hypot(double(x) - 48.0, double(y) - 48.0);
                volume.push_back(noise(generator) - (std::abs(radius - 26.0) < 3.0 ? 1.5f : 0.0f));
            }
        }
    }
    return volume;
}

}  // namespace

int main() {
    try {
        tomocut::Engine engine;
        tomocut::Model model(engine);

        // The memory is borrowed: it must outlive the tomogram. Strides may be given, for parts of larger arrays and
        // other orders.
        const std::vector<float> memory = voxels();
        const tomocut::VolumeView<const float> view(memory.data(), shape);
        tomocut::Tomogram tomogram(engine, view, tomocut::Geometry(10.0));  // voxels of 10 Angstrom

        tomocut::SlabOptions options(2, 4);
        options.voxel_nm = 1.0;
        options.set("molecule_min_nm", 5.0);  // any setting by its name, docs/settings.md lists them
        options.progress = [](const tomocut_progress &progress) {
            std::fprintf(stderr, "\r%3.0f %%  %-14s", progress.fraction * 100.0, progress.stage_name);
        };
        tomocut::Slab slab(engine, model, tomogram, options);
        std::fputc('\n', stderr);

        // Into memory of the host's own, of the slab's extents.
        std::vector<std::uint8_t> labels(2 * shape[1] * shape[2]);
        slab.labels(tomocut::VolumeView<std::uint8_t>(labels.data(), {2, shape[1], shape[2]}));
        std::size_t membrane = 0;
        for (const std::uint8_t label : labels) {
            membrane += label == TOMOCUT_LABEL_MEMBRANE;
        }
        std::printf("%zu of %zu voxels are membrane, %zu molecules\n", membrane, labels.size(), slab.points().size());
        return 0;
    } catch (const tomocut::Error &error) {
        std::fprintf(stderr, "memory: %s\n", error.what());
        return 1;
    }
}
