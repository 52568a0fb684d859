/* SPDX-License-Identifier: MIT */
/** @file picks.hpp Molecules and membranes in the maps of a prediction, and coordinate files. */
#ifndef TOMOCUT_PICKS_HPP
#define TOMOCUT_PICKS_HPP

#include <string>
#include <utility>
#include <vector>

#include "tomogram.hpp"

namespace tomocut {
namespace detail {

template <>
inline void release(tomocut_picks *picks) noexcept {
    tomocut_picks_free(picks);
}

}  // namespace detail

/** Options of Picks::find: settings of the family "picking". */
using PickingOptions = CallOptions;

/** Options of write_membranes: settings of the family "membranes". */
using MembraneOptions = CallOptions;

/** The molecules of one tomogram. Immutable; independent of the tomogram. */
class Picks : public detail::Handle<tomocut_picks> {
public:
    /** Finds molecules in a map of probabilities; where `excluded` is given and not 0, none is counted. */
    static Picks find(const Engine &engine, const Tomogram &map, const PickingOptions &options = {},
                      const Tomogram *excluded = nullptr) {
        Picks picks(engine.log());
        detail::call(options, [&](const tomocut_call_options *lowered) {
            return tomocut_picks_find(engine.get(), map.get(), excluded == nullptr ? nullptr : excluded->get(), lowered,
                                      picks.out());
        });
        return picks;
    }

    /** Reads a coordinate file about a tomogram, in the convention that its ending names. */
    static Picks read(const Engine &engine, const std::string &path, const Tomogram &tomogram) {
        Picks picks(engine.log());
        detail::call([&] { return tomocut_picks_read(engine.get(), path.c_str(), tomogram.get(), picks.out()); });
        return picks;
    }

    /** The same for a tomogram that the file calls by another name than its own file has. */
    static Picks read(const Engine &engine, const std::string &path, const Tomogram &tomogram,
                      const std::string &name) {
        Picks picks(engine.log());
        detail::call([&] {
            return tomocut_picks_read_named(engine.get(), path.c_str(), tomogram.get(), name.c_str(), picks.out());
        });
        return picks;
    }

    /** Positions, diameters and scores. */
    std::vector<tomocut_pick> points() const {
        return detail::list<tomocut_pick>([&](tomocut_pick *points, std::size_t capacity, std::size_t *needed) {
            return tomocut_picks_points(get(), points, capacity, needed);
        });
    }

    /** Writes a coordinate file in the convention that its ending names. */
    void write(const std::string &path) const {
        detail::call([&] { return tomocut_picks_write(get(), path.c_str()); });
    }

private:
    friend class Predictor;
    explicit Picks(std::shared_ptr<const LogCallback> log) noexcept : Handle(std::move(log)) {}
};

/** Makes a map of membranes a mask and numbered objects, FOLDER/NAME_OUTPUT_mask.mrc ...; returns their number. */
inline std::uint64_t write_membranes(const Engine &engine, const Tomogram &map, const std::string &folder,
                                     const MembraneOptions &options = {}) {
    std::uint64_t count = 0;
    detail::call(options, [&](const tomocut_call_options *lowered) {
        return tomocut_membranes_write(engine.get(), map.get(), lowered, folder.c_str(), &count);
    });
    return count;
}

}  // namespace tomocut

#endif
