/* SPDX-License-Identifier: MIT */
/** @file ncut.hpp Images, slices and matrices in segments, by cuts of a model's self-attention. */
#ifndef TOMOCUT_NCUT_HPP
#define TOMOCUT_NCUT_HPP

#include <cstdint>
#include <string>
#include <vector>

#include "model.hpp"
#include "report.hpp"

namespace tomocut {
namespace detail {

template <>
inline void release(tomocut_ncut *ncut) noexcept {
    tomocut_ncut_free(ncut);
}
template <>
inline void fill(tomocut_ncut_options *options) {
    check(tomocut_ncut_options_init(options, sizeof *options));
}

}  // namespace detail

/** Options of a segmentation by cuts: tomocut_ncut_options; set() takes any other setting of the family "ncut". */
using NcutOptions = detail::CallOptions<tomocut_ncut_options>;

/** Sizes of a segmentation, and how its passes were made. */
struct NcutInfo {
    /** Shape of the labels: slices (1 for images and matrices), rows, columns. */
    Shape shape{};
    /** Number of segments; labels are below it. */
    std::uint64_t segments = 0;
    /** Length of a segment's mean feature. */
    std::uint64_t dim = 0;
    /** Passes through the model, each with a tree of its own: one for an image or a matrix. */
    std::uint64_t cells = 0;
    /** Rows and columns of tokens of a pass. */
    std::uint64_t grid[2] = {0, 0};
    /** Eigenvectors kept for each pass. */
    std::uint64_t eigenvectors = 0;
    /** Further segmentations: entries of the settings thresholds or counts. */
    std::uint64_t levels = 0;
};

/** Rows and columns. */
struct Grid {
    std::uint64_t rows = 0;     /**< Rows. */
    std::uint64_t columns = 0;  /**< Columns. */
};

/** An image, a slab or a matrix in segments. Immutable; independent of what it was made from. */
class Ncut : public detail::Handle<tomocut_ncut> {
public:
    /** An image: shape (channels, rows, columns) with 1 or 3 channels, any strides. */
    Ncut(Engine &engine, const Model &model, const SourceVolume &image, const NcutOptions &options = {})
        : Handle(engine.log()) {
        detail::call(options, [&](const tomocut_ncut_options *lowered) {
            return tomocut_ncut_segment_image(engine.get(), model.get(), image.get(), lowered, out());
        });
    }

    /** The slices z_first to z_end - 1 of a tomogram; a segment keeps its number from slice to slice. */
    Ncut(Engine &engine, const Model &model, const Tomogram &tomogram, std::uint64_t z_first, std::uint64_t z_end,
         const NcutOptions &options = {})
        : Handle(engine.log()) {
        detail::call(options, [&](const tomocut_ncut_options *lowered) {
            return tomocut_ncut_segment_slices(engine.get(), model.get(), tomogram.get(), z_first, z_end, lowered,
                                               out());
        });
    }

    /**
     * A matrix of the host's own: `kind` is TOMOCUT_MATRIX_*, the shape (1, N, N) or, for features, (1, N, D), with N
     * tokens of `grid` row by row. Labels have the extents of `image`; none: those of the grid.
     */
    static Ncut of_matrix(Engine &engine, tomocut_matrix_kind kind, const SourceVolume &matrix, Grid grid,
                          const NcutOptions &options = {}, Grid image = {}) {
        Ncut ncut(engine);
        detail::call(options, [&](const tomocut_ncut_options *lowered) {
            return tomocut_ncut_segment_matrix(engine.get(), kind, matrix.get(), grid.rows, grid.columns, image.rows,
                                               image.columns, lowered, ncut.out());
        });
        return ncut;
    }

    /** Shape of the labels, number of segments and other sizes. */
    NcutInfo info() const {
        const Report all = report();
        const auto size = [&](const char *name) {
            return static_cast<std::uint64_t>(all.number(std::string("/report/") + name));
        };
        NcutInfo info;
        info.shape = {size("shape/0"), size("shape/1"), size("shape/2")};
        info.segments = size("segments");
        info.dim = size("dim");
        info.cells = size("cells");
        info.grid[0] = size("grid/0");
        info.grid[1] = size("grid/1");
        info.eigenvectors = size("eigenvectors");
        info.levels = size("levels");
        return info;
    }

    /** Settings, sizes, passes, segments, the trees of all passes and further segmentations, as JSON and by path. */
    Report report() const {
        Report report(log());
        detail::call([&] { return tomocut_ncut_report(get(), report.out()); });
        return report;
    }

    /** The segment of every pixel, numbered from 0. */
    Volume<std::uint32_t> labels() const {
        Volume<std::uint32_t> volume(shape());
        labels(volume);
        return volume;
    }

    /** The same into memory of the host's: uint8, int16, uint16, uint32 or float that holds every number. */
    void labels(TargetVolume target) const {
        detail::call([&] { return tomocut_ncut_labels(get(), target.get()); });
    }

    /** Labels of a further segmentation: `level` is its place in thresholds or counts. Its numbers are its own. */
    Volume<std::uint32_t> level_labels(std::size_t level) const {
        Volume<std::uint32_t> volume(shape());
        TargetVolume target(volume);
        detail::call([&] { return tomocut_ncut_level_labels(get(), level, target.get(), nullptr); });
        return volume;
    }

    /** Number of segments of a further segmentation. */
    std::uint64_t level_segments(std::size_t level) const {
        std::uint64_t segments = 0;
        detail::call([&] { return tomocut_ncut_level_labels(get(), level, nullptr, &segments); });
        return segments;
    }

    /** Size and slices of every segment. */
    std::vector<tomocut_ncut_segment> segments() const {
        return detail::list<tomocut_ncut_segment>([&](tomocut_ncut_segment *entries, std::size_t capacity,
                                                      std::size_t *needed) {
            return tomocut_ncut_segments(get(), entries, capacity, needed);
        });
    }

    /** Mean feature of every segment: (1, segments, dim). */
    Volume<float> features() const {
        const NcutInfo sizes = info();
        Volume<float> volume({1, sizes.segments, sizes.dim});
        TargetVolume target(volume);
        detail::call([&] { return tomocut_ncut_features(get(), target.get()); });
        return volume;
    }

    /** Leading eigenvectors of one pass: (eigenvectors, rows of tokens, columns of tokens). */
    Volume<float> eigenvectors(std::size_t cell = 0) const {
        const NcutInfo sizes = info();
        Volume<float> volume({sizes.eigenvectors, sizes.grid[0], sizes.grid[1]});
        TargetVolume target(volume);
        detail::call([&] { return tomocut_ncut_eigenvectors(get(), cell, target.get()); });
        return volume;
    }

    /** The tree of cuts of one pass, the whole first. */
    std::vector<tomocut_ncut_node> tree(std::size_t cell = 0) const {
        return detail::list<tomocut_ncut_node>([&](tomocut_ncut_node *nodes, std::size_t capacity,
                                                   std::size_t *needed) {
            return tomocut_ncut_tree(get(), cell, nodes, capacity, needed);
        });
    }

    /** Writes labels and tree of a matrix to FOLDER/STEM_...; `format` of label images is "png" or "tiff". */
    void write(const std::string &folder, const std::string &stem, const CallOptions &options = {},
               const std::string &format = "png") const {
        write(nullptr, nullptr, folder, stem, options, format);
    }

    /** The same of an image, with a picture of it. */
    void write(const SourceVolume &image, const std::string &folder, const std::string &stem,
               const CallOptions &options = {}, const std::string &format = "png") const {
        write(image.get(), nullptr, folder, stem, options, format);
    }

    /** The same of slices of a tomogram: labels as MRC. */
    void write(const Tomogram &tomogram, const std::string &folder, const std::string &stem,
               const CallOptions &options = {}) const {
        write(nullptr, tomogram.get(), folder, stem, options, "png");
    }

private:
    explicit Ncut(const Engine &engine) : Handle(engine.log()) {}

    Shape shape() const { return info().shape; }

    void write(const tomocut_volume *image, const tomocut_tomogram *tomogram, const std::string &folder,
               const std::string &stem, const CallOptions &options, const std::string &format) const {
        detail::call(options, [&](const tomocut_call_options *lowered) {
            return tomocut_ncut_write(get(), image, tomogram, folder.c_str(), stem.c_str(), format.c_str(), lowered);
        });
    }
};

/** A picture of a PNG, JPEG or TIFF file. */
struct Picture {
    /** (channels, rows, columns): 1 channel (grey) or 3 (red, green, blue). */
    Volume<float> pixels;
    /** Value of black; 0, as white, where the file's type does not say. */
    double black = 0.0;
    /** Value of white. */
    double white = 0.0;
};

/** Reads a picture. */
inline Picture read_picture(const std::string &path) {
    Shape shape{};
    double range[2] = {0.0, 0.0};
    detail::call([&] { return tomocut_picture_read(path.c_str(), shape.data(), range, nullptr); });
    Picture picture{Volume<float>(shape), range[0], range[1]};
    TargetVolume target(picture.pixels);
    detail::call([&] { return tomocut_picture_read(path.c_str(), nullptr, nullptr, target.get()); });
    return picture;
}

}  // namespace tomocut

#endif
