/* SPDX-License-Identifier: MIT */
/** @file denoise.hpp Tomograms without their noise. */
#ifndef TOMOCUT_DENOISE_HPP
#define TOMOCUT_DENOISE_HPP

#include <string>

#include "slab.hpp"

namespace tomocut {

/** Denoises the slices that the options name (none: all) into memory of the host's, float. */
inline void denoise(Engine &engine, const Model &model, const Tomogram &tomogram, const SlabOptions &options,
                    TargetVolume denoised) {
    detail::call(options, [&](const tomocut_slab_options *lowered) {
        return tomocut_tomogram_denoise(engine.get(), model.get(), tomogram.get(), lowered, denoised.get());
    });
}

/** The same, returned. */
inline Volume<float> denoise(Engine &engine, const Model &model, const Tomogram &tomogram,
                             const SlabOptions &options = {}) {
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
                            const SlabOptions &options = {}) {
    detail::call(options, [&](const tomocut_slab_options *lowered) {
        return tomocut_tomogram_denoise_to_file(engine.get(), model.get(), tomogram.get(), lowered, path.c_str());
    });
}

}  // namespace tomocut

#endif
