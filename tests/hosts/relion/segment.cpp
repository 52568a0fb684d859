// A program on RELION's own Image<T>: it reads a tomogram, segments a slab of its memory as it lies there, and writes
// labels by RELION and by tomocut, which must be the same.
#include <cstdio>
#include <cstdlib>

#include "src/image.h"

#include "tomocut.hpp"

namespace {

tomocut::VolumeView<float> view(Image<float> &image) {
    return {MULTIDIM_ARRAY(image()), {ZSIZE(image()), YSIZE(image()), XSIZE(image())}};
}

long different(const std::string &path, const Image<float> &expected) {
    Image<float> image;
    image.read(path);
    if (!image().sameShape(expected())) {
        std::fprintf(stderr, "%s has other extents\n", path.c_str());
        std::exit(1);
    }
    long count = 0;
    FOR_ALL_DIRECT_ELEMENTS_IN_MULTIDIMARRAY(expected()) {
        count += DIRECT_MULTIDIM_ELEM(image(), n) != DIRECT_MULTIDIM_ELEM(expected(), n);
    }
    return count;
}

}  // namespace

int main(int argc, char **argv) {
    if (argc != 4) {
        std::fprintf(stderr, "usage: segment TOMOGRAM.mrc FIRST END\n");
        return 2;
    }
    Image<float> image;
    image.read(argv[1]);
    const double angstrom = image.samplingRateX();

    tomocut::Engine engine;
    tomocut::Model model(engine);
    tomocut::Tomogram tomogram(engine, view(image), tomocut::Geometry(angstrom));
    tomocut::Slab slab(engine, model, tomogram, {std::strtoull(argv[2], nullptr, 10), std::strtoull(argv[3], nullptr,
                                                                                                    10)});

    // Labels straight into an image of RELION's, which has no bytes in memory.
    const tomocut::Volume<std::uint8_t> mask = slab.labels();
    Image<float> labels(mask.shape()[2], mask.shape()[1], mask.shape()[0]);
    std::copy(mask.begin(), mask.end(), MULTIDIM_ARRAY(labels()));
    labels.setSamplingRateInHeader(angstrom);
    labels.write("relion_labels.mrc");
    Image<float> score(mask.shape()[2], mask.shape()[1], mask.shape()[0]);
    slab.score(view(score));

    tomocut::WriteOptions options;
    options.set("float32_scores", true);  // RELION 3.1 reads no float16
    slab.write(tomogram, ".", "engine", options);
    const long wrong = different("engine_labels.mrc", labels) + different("engine_score.mrc", score) +
                       different("relion_labels.mrc", labels);
    std::printf("%.2f Angstrom, %zu molecules, mean label %.6g, %ld voxels differ\n", angstrom, slab.points().size(),
                labels().computeAvg(), wrong);
    return wrong == 0 ? 0 : 1;
}
