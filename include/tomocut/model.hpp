/* SPDX-License-Identifier: MIT */
/** @file model.hpp Diffusion models, and their adaption to a data set. */
#ifndef TOMOCUT_MODEL_HPP
#define TOMOCUT_MODEL_HPP

#include <string>
#include <vector>

#include "tomogram.hpp"

namespace tomocut {
namespace detail {

template <>
inline void release(tomocut_model *model) noexcept {
    tomocut_model_free(model);
}

}  // namespace detail

/** Options of loading a model: settings of the family "model". */
using ModelOptions = CallOptions;

/** Options of adapt: settings of the family "adapt". */
using AdaptOptions = CallOptions;

/** A diffusion model on one device. Immutable; may serve several engines and threads at once. */
class Model : public detail::Handle<tomocut_model> {
public:
    /** The built-in model. */
    explicit Model(const Engine &engine, const ModelOptions &options = {}) : Handle(engine.log()) {
        detail::call(options, [&](const tomocut_call_options *lowered) {
            return tomocut_model_builtin(engine.get(), lowered, out());
        });
    }

    /** A model of a file or folder, as tomocut_model_open takes them. */
    Model(const Engine &engine, const std::string &path, const ModelOptions &options = {}) : Handle(engine.log()) {
        detail::call(options, [&](const tomocut_call_options *lowered) {
            return tomocut_model_open(engine.get(), path.c_str(), lowered, out());
        });
    }

    /** What it is, as one JSON object. */
    std::string info_json() const {
        return detail::text([&](char *buffer, std::size_t capacity, std::size_t *needed) {
            return tomocut_model_info(get(), buffer, capacity, needed);
        });
    }
};

/**
 * Trains a model on for some minutes on the voxels of tomograms of one kind, without annotation, and writes the adapted
 * model to `path`. `start` is the file of the model to begin from; empty: the built-in one.
 */
inline void adapt(Engine &engine, Span<const Tomogram> tomograms, const std::string &path,
                  const AdaptOptions &options = {}, const std::string &start = {}) {
    std::vector<const tomocut_tomogram *> handles;
    handles.reserve(tomograms.size());
    for (const Tomogram &tomogram : tomograms) {
        handles.push_back(tomogram.get());
    }
    detail::call(options, [&](const tomocut_call_options *lowered) {
        return tomocut_model_adapt(engine.get(), start.empty() ? nullptr : start.c_str(), handles.data(),
                                   handles.size(),
                                   lowered, path.c_str());
    });
}

/** The same of one tomogram. */
inline void adapt(Engine &engine, const Tomogram &tomogram, const std::string &path, const AdaptOptions &options = {},
                  const std::string &start = {}) {
    adapt(engine, Span<const Tomogram>(&tomogram, 1), path, options, start);
}

}  // namespace tomocut

#endif
