/* SPDX-License-Identifier: MIT */
/** @file denoise.hpp Tomograms without their noise. */
#ifndef TOMOCUT_DENOISE_HPP
#define TOMOCUT_DENOISE_HPP

#include <string>

#include "slab.hpp"

namespace tomocut {

/** Options of denoising: settings of the family "denoise", and the slices z_first to z_end - 1; none: all. */
struct DenoiseOptions : CallOptions {
    DenoiseOptions() = default;

    /** The slices first to end - 1, counted from 0. */
    DenoiseOptions(std::uint64_t first, std::uint64_t end) : z_first(first), z_end(end) {}

    /** First slice. */
    std::uint64_t z_first = 0;
    /** Slice after the last one. */
    std::uint64_t z_end = 0;
};

/** Denoises the slices that the options name into memory of the host's, float. */
inline void denoise(Engine &engine, const Model &model, const Tomogram &tomogram, const DenoiseOptions &options,
                    TargetVolume denoised) {
    detail::call(options, [&](const tomocut_call_options *lowered) {
        return tomocut_tomogram_denoise(engine.get(), model.get(), tomogram.get(), options.z_first, options.z_end,
                                        lowered, denoised.get());
    });
}

/** The same, returned. */
inline Volume<float> denoise(Engine &engine, const Model &model, const Tomogram &tomogram,
                             const DenoiseOptions &options = {}) {
    Shape shape = tomogram.shape();
    if (options.z_end > options.z_first && options.z_end <= shape[0]) {
        shape[0] = options.z_end - options.z_first;
    }
    Volume<float> denoised(shape);
    denoise(engine, model, tomogram, options, denoised);
    return denoised;
}

/** Denoises into an MRC file. */
inline void denoise_to_file(Engine &engine, const Model &model, const Tomogram &tomogram, const std::string &path,
                            const DenoiseOptions &options = {}) {
    detail::call(options, [&](const tomocut_call_options *lowered) {
        return tomocut_tomogram_denoise_to_file(engine.get(), model.get(), tomogram.get(), options.z_first,
                                                options.z_end, lowered, path.c_str());
    });
}

}  // namespace tomocut

#endif
