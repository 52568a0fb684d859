/* SPDX-License-Identifier: MIT */
/** @file predictor.hpp Segmentation networks, and whole tomograms by them. */
#ifndef TOMOCUT_PREDICTOR_HPP
#define TOMOCUT_PREDICTOR_HPP

#include <optional>
#include <string>
#include <vector>

#include "picks.hpp"
#include "report.hpp"

namespace tomocut {
namespace detail {

template <>
inline void release(tomocut_predictor *predictor) noexcept {
    tomocut_predictor_free(predictor);
}
template <>
inline void fill(tomocut_predict_options *options) {
    check(tomocut_predict_options_init(options, sizeof *options));
}

}  // namespace detail

/** Options of a prediction: tomocut_predict_options, and settings of the family "predict". */
using PredictOptions = detail::CallOptions<tomocut_predict_options>;

/** What a prediction did. */
struct Prediction {
    /** Tiles, speed, counts, and whether all is finished. */
    Report report;
    /** The molecules, where they were asked for and this process finished the tomogram. */
    std::optional<Picks> picks;
};

/** A segmentation network on one device. Immutable; may serve several engines and threads at once. */
class Predictor : public detail::Handle<tomocut_predictor> {
public:
    /** The built-in network. */
    explicit Predictor(const Engine &engine) : Handle(engine.log()) {
        detail::call([&] { return tomocut_predictor_builtin(engine.get(), out()); });
    }

    /** A network of a file. */
    Predictor(const Engine &engine, const std::string &path) : Handle(engine.log()) {
        detail::call([&] { return tomocut_predictor_open(engine.get(), path.c_str(), out()); });
    }

    /** What it is, as one JSON object. */
    std::string info_json() const {
        return detail::text([&](char *buffer, std::size_t capacity, std::size_t *needed) {
            return tomocut_predictor_info(get(), buffer, capacity, needed);
        });
    }

    /** Name of one output, such as "membrane"; TOMOCUT_E_INVALID_ARGUMENT where the network has no such output. */
    std::string output(std::uint64_t index) const {
        return detail::text([&](char *buffer, std::size_t capacity, std::size_t *needed) {
            return tomocut_predictor_output(get(), index, buffer, capacity, needed);
        });
    }

    /**
     * Segments a tomogram and writes the volumes to FOLDER/NAME_...; continues such a run that was stopped. Where
     * `excluded` is given and not 0, no molecule is counted.
     */
    Prediction run(Engine &engine, const Tomogram &tomogram, const std::string &folder,
                   const PredictOptions &options = {}, const Tomogram *excluded = nullptr) const {
        Prediction prediction{Report(engine.log()), std::nullopt};
        Picks picks(engine.log());
        detail::call(options, [&](const tomocut_predict_options *lowered) {
            return tomocut_predictor_run(engine.get(), get(), tomogram.get(),
                                         excluded == nullptr ? nullptr : excluded->get(), lowered, folder.c_str(),
                                         prediction.report.out(), picks.out());
        });
        if (picks.get() != nullptr) {
            prediction.picks.emplace(std::move(picks));
        }
        return prediction;
    }

    /** Segments pictures, with a network of slices, and writes masks to FOLDER/NAME_OUTPUT.png. */
    Report run_pictures(Engine &engine, const std::vector<std::string> &images, const std::string &folder,
                        const PredictOptions &options = {}) const {
        Report report(engine.log());
        std::vector<const char *> paths;
        paths.reserve(images.size());
        for (const std::string &image : images) {
            paths.push_back(image.c_str());
        }
        detail::call(options, [&](const tomocut_predict_options *lowered) {
            return tomocut_predictor_run_pictures(engine.get(), get(), paths.data(), paths.size(), lowered,
                                                  folder.c_str(), report.out());
        });
        return report;
    }
};

}  // namespace tomocut

#endif
