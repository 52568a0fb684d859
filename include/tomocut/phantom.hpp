/* SPDX-License-Identifier: MIT */
/** @file phantom.hpp Simulated tomograms with their truth. */
#ifndef TOMOCUT_PHANTOM_HPP
#define TOMOCUT_PHANTOM_HPP

#include <string>

#include "engine.hpp"
#include "volume.hpp"

namespace tomocut {
namespace detail {

template <>
inline void fill(tomocut_phantom_options *options) {
    check(tomocut_phantom_options_init(options, sizeof *options));
}

}  // namespace detail

/** Options of a phantom: tomocut_phantom_options. */
struct PhantomOptions : detail::CallOptions<tomocut_phantom_options> {
    PhantomOptions() = default;

    /** Of these extents. */
    explicit PhantomOptions(Shape extents) {
        for (std::size_t axis = 0; axis < 3; axis++) {
            shape[axis] = extents[axis];
        }
    }
};

/** Simulates a tomogram and writes it, its noise-free part and its truth to FOLDER/STEM.mrc, FOLDER/STEM_labels.mrc ... */
inline void simulate_phantom(Engine &engine, const std::string &folder, const std::string &stem,
                             const PhantomOptions &options = {}) {
    detail::call(options, [&](const tomocut_phantom_options *lowered) {
        return tomocut_phantom_simulate(engine.get(), lowered, folder.c_str(), stem.c_str());
    });
}

}  // namespace tomocut

#endif
