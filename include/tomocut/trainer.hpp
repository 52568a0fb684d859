/* SPDX-License-Identifier: MIT */
/** @file trainer.hpp Training of segmentation networks on slabs, nobody's labels or the host's own. */
#ifndef TOMOCUT_TRAINER_HPP
#define TOMOCUT_TRAINER_HPP

#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "report.hpp"
#include "slab.hpp"

namespace tomocut {
namespace detail {

template <>
inline void release(tomocut_trainer *trainer) noexcept {
    tomocut_trainer_free(trainer);
}
template <>
inline void fill(tomocut_trainer_options *options) {
    check(tomocut_trainer_options_init(options, sizeof *options));
}
template <>
inline void fill(tomocut_train_options *options) {
    check(tomocut_train_options_init(options, sizeof *options));
}
template <>
inline void fill(tomocut_training_labels *labels) {
    check(tomocut_training_labels_init(labels, sizeof *labels));
}

}  // namespace detail

/** Options of a trainer: tomocut_trainer_options, and settings of the family "train". */
using TrainerOptions = detail::CallOptions<tomocut_trainer_options, detail::Options<tomocut_trainer_options>>;

/** How far Trainer::run goes: tomocut_train_options. */
using TrainOptions = detail::ReportingOptions<tomocut_train_options>;

/** The host's own labels of some slices: tomocut_training_labels. Views and spans must live until the call returns. */
struct TrainingLabels {
    /** Labels of the slices from `first` on, 0 for the ground: uint8 or int8, (number of slices, ny, nx). */
    TrainingLabels(std::uint64_t first, const SourceVolume &slices) : z_first(first), labels(slices) {}

    /** First labelled slice, counted from 0. */
    std::uint64_t z_first;
    /** The labels. */
    SourceVolume labels;
    /** Whether they are scored with and not learnt from. */
    bool held_out = false;
    /** How sure each label is, 0 (left out) to 1: float or Half; none: all are sure. */
    std::optional<SourceVolume> confidence;
    /** Names of the labels from 1 on; empty: "membrane", "molecule", "filament". */
    std::vector<std::string> names;
    /** Molecules, for an output "centre". */
    Span<const tomocut_pick> points;
};

/** A training: labels are added, then steps taken, in one call or many. Takes one call at a time. */
class Trainer : public detail::Handle<tomocut_trainer> {
public:
    /** A trainer without labels. */
    explicit Trainer(const Engine &engine, const TrainerOptions &options = {}) : Handle(engine.log()) {
        const tomocut_trainer_options lowered = options.lowered();
        detail::call([&] { return tomocut_trainer_create(engine.get(), &lowered, out()); });
    }

    /** Adds a segmented slab; held out: it is scored with and not learnt from. */
    void add(const Tomogram &tomogram, const Slab &slab, bool held_out = false,
             const tomocut_cancel *cancel = nullptr) {
        detail::call([&] {
            return tomocut_trainer_add_slab(get(), tomogram.get(), slab.get(), held_out ? 1 : 0, cancel);
        });
    }

    /** Adds the host's own labels. */
    void add(const Tomogram &tomogram, const TrainingLabels &labels, const tomocut_cancel *cancel = nullptr) {
        std::string names;
        for (const std::string &name : labels.names) {
            names += (names.empty() ? "" : ",") + name;
        }
        detail::Options<tomocut_training_labels> lowered;
        lowered.labels = labels.labels.get();
        lowered.confidence = labels.confidence ? labels.confidence->get() : nullptr;
        lowered.names = names.empty() ? nullptr : names.c_str();
        lowered.points = labels.points.empty() ? nullptr : labels.points.data();
        lowered.n_points = labels.points.size();
        detail::call([&] {
            return tomocut_trainer_add_labels(get(), tomogram.get(), labels.z_first, &lowered, labels.held_out ? 1 : 0,
                                              cancel);
        });
    }

    /** Adds pictures and the mask of each, for a network of slices; held out: they are scored with and not learnt from.
     * */
    void add_pairs(const std::vector<std::string> &images, const std::vector<std::string> &masks, bool held_out = false,
                   const tomocut_cancel *cancel = nullptr) {
        if (images.size() != masks.size()) {
            throw std::invalid_argument("tomocut: there must be as many masks as images");
        }
        std::vector<const char *> files;
        files.reserve(images.size() + masks.size());
        for (const std::vector<std::string> *list : {&images, &masks}) {
            for (const std::string &file : *list) {
                files.push_back(file.c_str());
            }
        }
        detail::call([&] {
            return tomocut_trainer_add_pairs(get(), files.data(), files.data() + images.size(), images.size(),
                                             held_out ? 1 : 0, cancel);
        });
    }

    /**
     * Adds the slices z_first to z_end - 1 without labels, for rounds of self-training; a z_end of 0: all from z_first
     * on.
     */
    void add_unlabelled(const Tomogram &tomogram, std::uint64_t z_first = 0, std::uint64_t z_end = 0,
                        const tomocut_cancel *cancel = nullptr) {
        detail::call([&] { return tomocut_trainer_add_unlabelled(get(), tomogram.get(), z_first, z_end, cancel); });
    }

    /** Takes steps: all, or as far as the options say. After Cancelled it may go on, or be saved. */
    void run(Engine &engine, const TrainOptions &options = {}) {
        detail::call(options, [&](const tomocut_train_options *lowered) {
            return tomocut_trainer_run(engine.get(), get(), lowered);
        });
    }

    /** How far it is: number("/step"), number("/finished") ...; tomocut_trainer_info has the names. */
    Report info() {
        Report report(log());
        detail::call([&] { return tomocut_trainer_info(get(), report.out()); });
        return report;
    }

    /** Scores the network as it stands on `windows` windows: number("/mean_dice"), number("/outputs/0/dice") ... */
    Report score(Engine &engine, std::uint64_t windows) {
        Report report(log());
        detail::call([&] { return tomocut_trainer_score(engine.get(), get(), windows, report.out()); });
        return report;
    }

    /** Writes a checkpoint. */
    void save(const std::string &path) {
        detail::call([&] { return tomocut_trainer_save(get(), path.c_str()); });
    }

    /** Goes on from a checkpoint. */
    void resume(const std::string &path) {
        detail::call([&] { return tomocut_trainer_resume(get(), path.c_str()); });
    }

    /** Writes the network, for Predictor. */
    void write_network(const std::string &path) {
        detail::call([&] { return tomocut_trainer_export(get(), path.c_str()); });
    }
};

}  // namespace tomocut

#endif
