/* SPDX-License-Identifier: MIT */
/** @file slab.hpp A slab of a tomogram in membranes, molecules and filaments. */
#ifndef TOMOCUT_SLAB_HPP
#define TOMOCUT_SLAB_HPP

#include <string>
#include <vector>

#include "model.hpp"
#include "report.hpp"

namespace tomocut {
namespace detail {

template <>
inline void release(tomocut_slab *slab) noexcept {
    tomocut_slab_free(slab);
}
template <>
inline void fill(tomocut_slab_options *options) {
    check(tomocut_slab_options_init(options, sizeof *options));
}

}  // namespace detail

/** Options of segmenting a slab: tomocut_slab_options, and any setting of the family "slab" by set(). */
struct SlabOptions : detail::CallOptions<tomocut_slab_options> {
    SlabOptions() = default;

    /** The slices first to end - 1, counted from 0. */
    SlabOptions(std::uint64_t first, std::uint64_t end) {
        z_first = first;
        z_end = end;
    }
};

/** Options of writing files: settings of the family "slab_files". */
using WriteOptions = CallOptions;

/** A segmented slab. Immutable; independent of model and tomogram. */
class Slab : public detail::Handle<tomocut_slab> {
public:
    /** Segments the slices that the options name. */
    Slab(Engine &engine, const Model &model, const Tomogram &tomogram, const SlabOptions &options)
        : Handle(engine.log()) {
        detail::call(options, [&](const tomocut_slab_options *lowered) {
            return tomocut_slab_segment(engine.get(), model.get(), tomogram.get(), lowered, out());
        });
    }

    /** Extents and place. */
    Geometry info() const {
        Geometry geometry;
        detail::call([&] { return tomocut_slab_info(get(), &geometry); });
        return geometry;
    }

    /** Extents z, y, x. */
    Shape shape() const { return info().extents(); }

    /** TOMOCUT_LABEL_* of every voxel. */
    Volume<std::uint8_t> labels() const {
        Volume<std::uint8_t> volume(shape());
        labels(volume);
        return volume;
    }

    /** The same into memory of the host's, uint8 or int8. */
    void labels(TargetVolume target) const {
        detail::call([&] { return tomocut_slab_labels(get(), target.get()); });
    }

    /** How much of a structure each voxel is, 0 to 1. */
    Volume<float> score() const {
        Volume<float> volume(shape());
        score(volume);
        return volume;
    }

    /** The same into memory of the host's, float or Half. */
    void score(TargetVolume target) const {
        detail::call([&] { return tomocut_slab_score(get(), target.get()); });
    }

    /** How likely each voxel is one structure: "membrane", "molecule", "filament" or "molecule_centre". */
    Volume<float> likelihood(const std::string &map) const {
        Volume<float> volume(shape());
        likelihood(map, volume);
        return volume;
    }

    /** The same into memory of the host's, float or Half. */
    void likelihood(const std::string &map, TargetVolume target) const {
        detail::call([&] { return tomocut_slab_likelihood(get(), map.c_str(), target.get()); });
    }

    /** The molecules, always in the same order. */
    std::vector<tomocut_pick> points() const {
        return detail::list<tomocut_pick>([&](tomocut_pick *points, std::size_t capacity, std::size_t *needed) {
            return tomocut_slab_points(get(), points, capacity, needed);
        });
    }

    /** How it was made: settings, sizes, shares, seconds. */
    Report report() const {
        Report report(log());
        detail::call([&] { return tomocut_slab_report(get(), report.out()); });
        return report;
    }

    /** Writes the volumes, points and picture to FOLDER/STEM_... */
    void write(const Tomogram &tomogram, const std::string &folder, const std::string &stem,
               const WriteOptions &options = {}) const {
        detail::call(options, [&](const tomocut_call_options *lowered) {
            return tomocut_slab_write(get(), tomogram.get(), folder.c_str(), stem.c_str(), lowered);
        });
    }
};

/** Writes every intermediate of slice z to a safetensors file. */
inline void dump_slice(Engine &engine, const Model &model, const Tomogram &tomogram, std::uint64_t z,
                       const std::string &path, const SlabOptions &options = {}) {
    detail::call(options, [&](const tomocut_slab_options *lowered) {
        return tomocut_slab_dump(engine.get(), model.get(), tomogram.get(), z, lowered, path.c_str());
    });
}

}  // namespace tomocut

#endif
