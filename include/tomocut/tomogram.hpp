/* SPDX-License-Identifier: MIT */
/** @file tomogram.hpp Tomograms: files or the host's own memory. */
#ifndef TOMOCUT_TOMOGRAM_HPP
#define TOMOCUT_TOMOGRAM_HPP

#include <string>
#include <utility>
#include <vector>

#include "engine.hpp"
#include "volume.hpp"

namespace tomocut {
namespace detail {

template <>
inline void release(tomocut_tomogram *tomogram) noexcept {
    tomocut_tomogram_free(tomogram);
}
template <>
inline void fill(tomocut_geometry *geometry) {
    check(tomocut_geometry_init(geometry, sizeof *geometry));
}

}  // namespace detail

/** Where the voxels of a volume lie: tomocut_geometry. Every triple is z, y, x. */
struct Geometry : detail::Options<tomocut_geometry> {
    /** All unknown. */
    Geometry() = default;

    /** Cubic voxels of this edge in Angstrom, the first one's centre at the origin. */
    explicit Geometry(double angstrom) {
        for (double &edge : voxel_angstrom) {
            edge = angstrom;
        }
    }

    /** The extents. */
    Shape extents() const noexcept { return {shape[0], shape[1], shape[2]}; }
};

/** Options of Tomogram::suggest: settings of the family "suggest". */
using SuggestOptions = CallOptions;

/** A tomogram. Immutable; may serve several engines and threads at once. */
class Tomogram : public detail::Handle<tomocut_tomogram> {
public:
    /** Opens a file. Slices are read when a call needs them. */
    Tomogram(const Engine &engine, const std::string &path, const tomocut_cancel *cancel = nullptr)
        : Handle(engine.log()) {
        detail::call([&] { return tomocut_tomogram_open(engine.get(), path.c_str(), cancel, out()); });
    }

    /**
     * The host's own voxels, of any element type. Nothing is copied: the memory is read while calls run, and must be
     * neither freed nor changed while this object lives.
     */
    Tomogram(const Engine &engine, const SourceVolume &voxels, const Geometry &geometry = {}) : Handle(engine.log()) {
        detail::call([&] { return tomocut_tomogram_from_volume(engine.get(), voxels.get(), &geometry, out()); });
    }

    /** A temporary would be gone before it is read. */
    template <class T>
    Tomogram(const Engine &, Volume<T> &&, const Geometry & = {}) = delete;

    /** Extents, voxel size and place. */
    Geometry info() const {
        Geometry geometry;
        detail::call([&] { return tomocut_tomogram_info(get(), &geometry); });
        return geometry;
    }

    /** Extents z, y, x. */
    Shape shape() const { return info().extents(); }

    /** Copies slices from z_first on, as many as the target has, as float. */
    void read(std::uint64_t z_first, TargetVolume slices, const tomocut_cancel *cancel = nullptr) const {
        detail::call([&] { return tomocut_tomogram_read(get(), z_first, slices.get(), cancel); });
    }

    /** The slices z_first to z_end - 1, as float. */
    Volume<float> read(std::uint64_t z_first, std::uint64_t z_end, const tomocut_cancel *cancel = nullptr) const {
        const Shape all = shape();
        if (z_first >= z_end || z_end > all[0]) {
            throw Error(TOMOCUT_E_INVALID_ARGUMENT,
                        "slices " + std::to_string(z_first) + " to " + std::to_string(z_end) +
                            " are asked for, the tomogram has 0 to " + std::to_string(all[0]));
        }
        Volume<float> slices({z_end - z_first, all[1], all[2]});
        read(z_first, slices, cancel);
        return slices;
    }

    /** Up to `count` slabs that hold most structure, the best first; they do not overlap. */
    std::vector<tomocut_suggested_slab> suggest(std::size_t count, const SuggestOptions &options = {}) const {
        std::vector<tomocut_suggested_slab> slabs(count);
        std::size_t found = 0;
        detail::call(options, [&](const tomocut_call_options *lowered) {
            return tomocut_tomogram_suggest_slabs(get(), lowered, slabs.data(), slabs.size(), &found, nullptr, 0);
        });
        slabs.resize(found);
        return slabs;
    }

    /** How much structure each slice holds: about 0 where there is only noise, 1 where structure is everywhere. */
    std::vector<double> structure_profile(const SuggestOptions &options = {}) const {
        std::vector<double> profile(static_cast<std::size_t>(shape()[0]));
        detail::call(options, [&](const tomocut_call_options *lowered) {
            return tomocut_tomogram_suggest_slabs(get(), lowered, nullptr, 0, nullptr, profile.data(), profile.size());
        });
        return profile;
    }
};

}  // namespace tomocut

#endif
