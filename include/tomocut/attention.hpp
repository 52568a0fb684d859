/* SPDX-License-Identifier: MIT */
/** @file attention.hpp Queries and keys of the self-attention layers of one slice. */
#ifndef TOMOCUT_ATTENTION_HPP
#define TOMOCUT_ATTENTION_HPP

#include "slab.hpp"

namespace tomocut {
namespace detail {

template <>
inline void release(tomocut_attention *attention) noexcept {
    tomocut_attention_free(attention);
}

}  // namespace detail

/** Self-attention of one slice. Takes one call at a time. */
class Attention : public detail::Handle<tomocut_attention> {
public:
    /** Runs the model on slice z. */
    Attention(Engine &engine, const Model &model, const Tomogram &tomogram, std::uint64_t z,
              const SlabOptions &options = {})
        : Handle(engine.log()) {
        detail::call(options, [&](const tomocut_slab_options *lowered) {
            return tomocut_slab_attention_extract(engine.get(), model.get(), tomogram.get(), z, lowered, out());
        });
    }

    /**
     * Attention of one image that the host's own network computed: for each layer queries and keys (heads, tokens, dim)
     * and the rows of its token grid. Throws std::invalid_argument where their numbers differ.
     */
    Attention(Engine &engine, const std::vector<SourceVolume> &queries, const std::vector<SourceVolume> &keys,
              const std::vector<std::uint64_t> &rows)
        : Handle(engine.log()) {
        if (queries.size() != rows.size() || keys.size() != rows.size()) {
            throw std::invalid_argument("queries, keys and rows must be of one length");
        }
        std::vector<tomocut_volume> q, k;
        for (std::size_t i = 0; i < rows.size(); i++) {
            q.push_back(*queries[i].get());
            k.push_back(*keys[i].get());
        }
        detail::call([&] {
            return tomocut_attention_create(engine.get(), q.data(), k.data(), rows.data(), rows.size(), out());
        });
    }

    /**
     * Eigenvectors that the layers of a tile share, by the solver of the options: shape (n_eigenvectors, rows,
     * columns) of the finest layer used.
     */
    Volume<float> eigenvectors(std::uint32_t tile, Shape shape, const SlabOptions &options = {}) {
        Volume<float> volume(shape);
        TargetVolume target(volume);
        detail::call(options, [&](const tomocut_slab_options *lowered) {
            return tomocut_attention_eigenvectors(get(), tile, lowered, target.get());
        });
        return volume;
    }

    /** Number of layers: all of tile 0 first, then those of tile 1, and so on. */
    std::size_t size() {
        std::size_t count = 0;
        detail::call([&] { return tomocut_attention_count(get(), &count); });
        return count;
    }

    /** Name and sizes of a layer; the name belongs to this object. */
    tomocut_attention_layer layer(std::size_t number) {
        tomocut_attention_layer info{};
        info.struct_size = sizeof info;
        detail::call([&] { return tomocut_attention_layer_info(get(), number, &info); });
        return info;
    }

    /** Queries of a layer: (heads, tokens, dim). */
    Volume<float> queries(std::size_t number) {
        Volume<float> volume(vectors(number));
        TargetVolume target(volume);
        detail::call([&] { return tomocut_attention_query(get(), number, target.get()); });
        return volume;
    }

    /** Keys of a layer: (heads, tokens, dim). */
    Volume<float> keys(std::size_t number) {
        Volume<float> volume(vectors(number));
        TargetVolume target(volume);
        detail::call([&] { return tomocut_attention_key(get(), number, target.get()); });
        return volume;
    }

    /** Rows first_row to first_row + rows - 1 of softmax(Q K^T / sqrt(dim)): (heads, rows, tokens). */
    Volume<float> probabilities(std::size_t number, std::uint64_t first_row, std::uint64_t rows) {
        const tomocut_attention_layer info = layer(number);
        Volume<float> volume({info.heads, rows, info.tokens});
        TargetVolume target(volume);
        detail::call([&] { return tomocut_attention_probabilities(get(), number, first_row, target.get()); });
        return volume;
    }

private:
    Shape vectors(std::size_t number) {
        const tomocut_attention_layer info = layer(number);
        return {info.heads, info.tokens, info.dim};
    }
};

}  // namespace tomocut

#endif
