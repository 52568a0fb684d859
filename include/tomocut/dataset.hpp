/* SPDX-License-Identifier: MIT */
/** @file dataset.hpp A data set from its tomograms to its results, in one call. */
#ifndef TOMOCUT_DATASET_HPP
#define TOMOCUT_DATASET_HPP

#include <string>
#include <utility>
#include <vector>

#include "model.hpp"
#include "report.hpp"

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

/** Options of run_dataset: tomocut_dataset_options, and settings of the family "run". */
using DatasetOptions = detail::CallOptions<tomocut_dataset_options>;

/**
 * Labels slabs of some tomograms by the model, trains a network on them and predicts every tomogram with it; continues
 * such a run that was stopped. A tomogram that fails does not stop the others: see its entry in the report,
 * "/tomograms/0".
 */
inline Report run_dataset(Engine &engine, const Model &model, const std::vector<DatasetTomogram> &tomograms,
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
    Report report(engine.log());
    detail::call(options, [&](const tomocut_dataset_options *lowered) {
        return tomocut_dataset_run(engine.get(), model.get(), entries.data(), entries.size(), lowered, folder.c_str(),
                                   report.out());
    });
    return report;
}

}  // namespace tomocut

#endif
