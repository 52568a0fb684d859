/* SPDX-License-Identifier: MIT */
/** @file dataset.hpp A data set from its tomograms to its results, in one call. */
#ifndef TOMOCUT_DATASET_HPP
#define TOMOCUT_DATASET_HPP

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "predictor.hpp"
#include "trainer.hpp"

namespace tomocut {
namespace detail {

template <>
inline void fill(tomocut_dataset_options *options) {
    check(tomocut_dataset_options_init(options, sizeof *options));
}

}  // namespace detail

/** One tomogram of a data set. */
struct DatasetTomogram {
    /** Without a slab and truth. */
    DatasetTomogram(std::string file) : path(std::move(file)) {}
    /** The same. */
    DatasetTomogram(const char *file) : path(file) {}

    /** The file. */
    std::string path;
    /** First slice that is labelled. */
    std::uint64_t z_first = 0;
    /** The slice after the last one; 0: no slab is given. */
    std::uint64_t z_end = 0;
    /** A file of its true labels, which the result is scored with; empty: none. */
    std::string truth;
};

/** Options of run_dataset: tomocut_dataset_options. */
struct DatasetOptions : detail::CallOptions<tomocut_dataset_options> {
    /** How slabs are labelled; none: as SlabOptions has it. */
    std::optional<SlabOptions> slab;
    /** How the network is trained; none: in 600 steps, the rest as TrainerOptions has it. */
    std::optional<TrainerOptions> training;
    /** How tomograms are predicted; none: as PredictOptions has it. */
    std::optional<PredictOptions> prediction;
};

/** What run_dataset did. */
struct DatasetResult {
    /** Counts, steps, loss, agreement. */
    tomocut_dataset_report report;
    /** What became of each tomogram, in the order of the list. */
    std::vector<tomocut_dataset_outcome> outcomes;
};

/**
 * Labels slabs of some tomograms by the model, trains a network on them and predicts every tomogram with it; goes on from
 * where such a run was stopped. A tomogram that fails does not stop the others: see its outcome.
 */
inline DatasetResult run_dataset(Engine &engine, const Model &model, const std::vector<DatasetTomogram> &tomograms,
                                 const std::string &folder, const DatasetOptions &options = {}) {
    std::vector<tomocut_dataset_tomogram> entries;
    entries.reserve(tomograms.size());
    for (const DatasetTomogram &tomogram : tomograms) {
        tomocut_dataset_tomogram entry{};
        entry.path = tomogram.path.c_str();
        entry.z_first = tomogram.z_first;
        entry.z_end = tomogram.z_end;
        entry.truth = tomogram.truth.empty() ? nullptr : tomogram.truth.c_str();
        entries.push_back(entry);
    }
    // What the C struct points to must outlive the call.
    const tomocut_slab_options slab = options.slab ? options.slab->lowered() : tomocut_slab_options{};
    const tomocut_predict_options prediction =
        options.prediction ? options.prediction->lowered() : tomocut_predict_options{};

    DatasetResult result{{}, std::vector<tomocut_dataset_outcome>(tomograms.size())};
    detail::check(tomocut_dataset_report_init(&result.report, sizeof result.report));
    detail::Call call;
    tomocut_dataset_options lowered = options.lowered();
    lowered.slab = options.slab ? &slab : nullptr;
    const tomocut_trainer_options training = options.training ? options.training->lowered() : tomocut_trainer_options{};
    lowered.training = options.training ? &training : nullptr;
    lowered.prediction = options.prediction ? &prediction : nullptr;
    call.report(lowered, options.progress);
    call.finish(tomocut_dataset_run(engine.get(), model.get(), entries.data(), entries.size(), &lowered, folder.c_str(),
                                    &result.report, result.outcomes.data()));
    return result;
}

}  // namespace tomocut

#endif
