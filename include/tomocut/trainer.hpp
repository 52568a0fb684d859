/* SPDX-License-Identifier: MIT */
/** @file trainer.hpp Training of segmentation networks on slabs, nobody's labels or the host's own. */
#ifndef TOMOCUT_TRAINER_HPP
#define TOMOCUT_TRAINER_HPP

#include <optional>
#include <string>
#include <vector>

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

/** Options of a trainer: tomocut_trainer_options. */
using TrainerOptions = detail::Options<tomocut_trainer_options>;

/** How far Trainer::run goes: tomocut_train_options. */
using TrainOptions = detail::CallOptions<tomocut_train_options>;

/** The host's own labels of some slices: tomocut_training_labels. Views and spans must live until the call returns. */
struct TrainingLabels : detail::Options<tomocut_training_labels> {
    /** Labels of the slices from `first` on, 0 for the ground: uint8 or int8, (number of slices, ny, nx). */
    TrainingLabels(std::uint64_t first, const SourceVolume &slices) : labels(slices) { z_first = first; }

    /** The labels. */
    SourceVolume labels;
    /** How sure each label is, 0 (left out) to 1: float or Half; none: all are sure. */
    std::optional<SourceVolume> confidence;
    /** Names of the labels from 1 on; empty: "membrane", "molecule", "filament". */
    std::vector<std::string> names;
    /** Molecules, for an output "centre". */
    Span<const tomocut_pick> points;

private:
    using tomocut_training_labels::n_names;
    using tomocut_training_labels::n_points;
};

/** A training: labels are added, then steps taken, in one call or many. Takes one call at a time. */
class Trainer : public detail::Handle<tomocut_trainer> {
public:
    /** A trainer without labels. */
    explicit Trainer(const Engine &engine, const TrainerOptions &options = {}) : Handle(engine.log()) {
        detail::call([&] { return tomocut_trainer_create(engine.get(), &options, out()); });
    }

    /** Adds a segmented slab; held out: it is scored with and not learnt from. */
    void add(const Tomogram &tomogram, const Slab &slab, bool held_out = false, const tomocut_cancel *cancel = nullptr) {
        detail::call([&] {
            return tomocut_trainer_add_slab(get(), tomogram.get(), slab.get(), held_out ? 1 : 0, cancel);
        });
    }

    /** Adds the host's own labels. */
    void add(const Tomogram &tomogram, const TrainingLabels &labels, const tomocut_cancel *cancel = nullptr) {
        std::vector<const char *> names;
        names.reserve(labels.names.size());
        for (const std::string &name : labels.names) {
            names.push_back(name.c_str());
        }
        tomocut_training_labels lowered = labels.lowered();
        lowered.labels = labels.labels.get();
        lowered.confidence = labels.confidence ? labels.confidence->get() : nullptr;
        lowered.names = names.empty() ? nullptr : names.data();
        lowered.n_names = names.size();
        lowered.points = labels.points.empty() ? nullptr : labels.points.data();
        lowered.n_points = labels.points.size();
        detail::call([&] { return tomocut_trainer_add_labels(get(), tomogram.get(), &lowered, cancel); });
    }

    /** Adds pictures and the mask of each, for a network of slices; held out: they are scored with and not learnt from. */
    void add_pairs(const std::vector<std::string> &images, const std::vector<std::string> &masks, bool held_out = false,
                   const tomocut_cancel *cancel = nullptr) {
        tomocut_training_pairs pairs{};
        detail::check(tomocut_training_pairs_init(&pairs, sizeof pairs));
        std::vector<const char *> files;
        files.reserve(images.size() + masks.size());
        for (const std::vector<std::string> *list : {&images, &masks}) {
            for (const std::string &file : *list) {
                files.push_back(file.c_str());
            }
        }
        pairs.images = files.data();
        pairs.n_images = images.size();
        pairs.masks = files.data() + images.size();
        pairs.n_masks = masks.size();
        pairs.held_out = held_out ? 1 : 0;
        detail::call([&] { return tomocut_trainer_add_pairs(get(), &pairs, cancel); });
    }

    /**
     * Adds the slices z_first to z_end - 1 without labels, for rounds of self-training; a z_end of 0: all from z_first on.
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

    /** How far it is. */
    tomocut_trainer_state state() {
        tomocut_trainer_state state{};
        detail::check(tomocut_trainer_state_init(&state, sizeof state));
        detail::call([&] { return tomocut_trainer_info(get(), &state); });
        return state;
    }

    /** Scores the network as it stands on `windows` windows; one score for each output. */
    std::vector<tomocut_output_score> score(Engine &engine, std::uint64_t windows) {
        return detail::list<tomocut_output_score>([&](tomocut_output_score *scores, std::size_t capacity,
                                                      std::size_t *needed) {
            return tomocut_trainer_score(engine.get(), get(), windows, scores, capacity, needed);
        });
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
