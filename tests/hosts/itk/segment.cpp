// A program of ITK's: it reads a tomogram, segments a slab of it in process, and writes labels and score, all by ITK.
#include <cstdio>
#include <cstdlib>

#include <itkImage.h>
#include <itkImageFileReader.h>
#include <itkImageFileWriter.h>
#include <itkMRCImageIOFactory.h>

#include "tomocut.hpp"

namespace {

template <class Pixel>
using Image = itk::Image<Pixel, 3>;

// ITK's images are x fastest too: their memory is used as it lies there.
template <class Pixel>
tomocut::VolumeView<Pixel> view(Image<Pixel> *image) {
    const auto size = image->GetBufferedRegion().GetSize();
    return {image->GetBufferPointer(), {size[2], size[1], size[0]}};
}

// An empty image of the slab's extents, where the slab lies.
template <class Pixel>
typename Image<Pixel>::Pointer slab_image(const Image<float> *tomogram, std::uint64_t first, std::uint64_t end) {
    auto image = Image<Pixel>::New();
    auto size = tomogram->GetBufferedRegion().GetSize();
    size[2] = end - first;
    auto origin = tomogram->GetOrigin();
    origin[2] += static_cast<double>(first) * tomogram->GetSpacing()[2];
    image->SetRegions(size);
    image->SetSpacing(tomogram->GetSpacing());
    image->SetOrigin(origin);
    image->Allocate();
    return image;
}

template <class Pixel>
void write(Image<Pixel> *image, const char *path) {
    auto writer = itk::ImageFileWriter<Image<Pixel>>::New();
    writer->SetInput(image);
    writer->SetFileName(path);
    writer->Update();
}

template <class Pixel>
typename Image<Pixel>::Pointer read(const char *path) {
    auto reader = itk::ImageFileReader<Image<Pixel>>::New();
    reader->SetFileName(path);
    reader->Update();
    return reader->GetOutput();
}

}  // namespace

int main(int argc, char **argv) {
    if (argc != 4) {
        std::fprintf(stderr, "usage: segment TOMOGRAM.mrc FIRST END\n");
        return 2;
    }
    itk::MRCImageIOFactory::RegisterOneFactory();
    const std::uint64_t first = std::strtoull(argv[2], nullptr, 10), end = std::strtoull(argv[3], nullptr, 10);
    const Image<float>::Pointer voxels = read<float>(argv[1]);
    const double angstrom = voxels->GetSpacing()[0];

    tomocut::Engine engine;
    tomocut::Model model(engine);
    tomocut::Tomogram tomogram(engine, view(voxels.GetPointer()), tomocut::Geometry(angstrom));
    tomocut::Slab slab(engine, model, tomogram, {first, end});

    auto labels = slab_image<std::uint8_t>(voxels, first, end);
    auto score = slab_image<float>(voxels, first, end);
    slab.labels(view(labels.GetPointer()));
    slab.score(view(score.GetPointer()));
    write(labels.GetPointer(), "itk_labels.mrc");
    write(score.GetPointer(), "itk_score.mrc");

    // What the engine writes, read by ITK, is the same at the same place.
    tomocut::WriteOptions options;
    options.set("float32_scores", true);  // ITK reads no float16
    slab.write(tomogram, ".", "engine", options);
    const auto written = read<float>("engine_score.mrc");
    const auto again = read<float>("itk_score.mrc");
    long wrong = 0;
    const std::size_t n = score->GetBufferedRegion().GetNumberOfPixels();
    for (std::size_t i = 0; i < n; i++) {
        wrong += written->GetBufferPointer()[i] != score->GetBufferPointer()[i] ||
                 again->GetBufferPointer()[i] != score->GetBufferPointer()[i];
    }
    std::printf("spacing %.2f, origin of the slab: ITK's %.2f, of the engine's file %.2f, %zu molecules, "
                "%ld voxels differ\n",
                angstrom, score->GetOrigin()[2], written->GetOrigin()[2], slab.points().size(), wrong);
    std::printf("%s", tomocut::runtime_report().c_str());
    return wrong == 0 ? 0 : 1;
}
