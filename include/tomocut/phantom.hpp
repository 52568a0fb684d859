/* SPDX-License-Identifier: MIT */
/** @file phantom.hpp Simulated tomograms with their truth. */
#ifndef TOMOCUT_PHANTOM_HPP
#define TOMOCUT_PHANTOM_HPP

#include <cstdint>
#include <string>
#include <vector>

#include "engine.hpp"
#include "volume.hpp"

namespace tomocut {

/** Options of a phantom: settings of the family "phantom". */
struct PhantomOptions : CallOptions {
    PhantomOptions() = default;

    /** Of these extents. */
    explicit PhantomOptions(Shape extents) { set("shape", std::vector<std::uint64_t>(extents.begin(), extents.end())); }
};

/** Simulates a tomogram and writes it, its noise-free part and its truth to FOLDER/STEM.mrc, STEM_labels.mrc ... */
inline void simulate_phantom(Engine &engine, const std::string &folder, const std::string &stem,
                             const PhantomOptions &options = {}) {
    detail::call(options, [&](const tomocut_call_options *lowered) {
        return tomocut_phantom_simulate(engine.get(), lowered, folder.c_str(), stem.c_str());
    });
}

}  // namespace tomocut

#endif
