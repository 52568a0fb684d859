/* SPDX-License-Identifier: MIT */
/** @file volume.hpp Volumes: views of the host's memory, and arrays of one's own. All are (z, y, x) with x fastest. */
#ifndef TOMOCUT_VOLUME_HPP
#define TOMOCUT_VOLUME_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <vector>

#include "../tomocut.h"

namespace tomocut {

/** Extents in voxels: z, y, x. */
using Shape = std::array<std::uint64_t, 3>;
/** Steps in elements: z, y, x; all zero: contiguous. */
using Strides = std::array<std::int64_t, 3>;

/** A float16 of a volume, as its 16 bits. */
struct Half {
    std::uint16_t bits; /**< IEEE 754 binary16. */
};

namespace detail {

/** TOMOCUT_DTYPE_* of an element type; types that have none do not compile. */
template <class T>
struct Dtype;
template <>
struct Dtype<std::uint8_t> : std::integral_constant<tomocut_dtype, TOMOCUT_DTYPE_U8> {};
template <>
struct Dtype<std::int8_t> : std::integral_constant<tomocut_dtype, TOMOCUT_DTYPE_I8> {};
template <>
struct Dtype<std::uint16_t> : std::integral_constant<tomocut_dtype, TOMOCUT_DTYPE_U16> {};
template <>
struct Dtype<std::int16_t> : std::integral_constant<tomocut_dtype, TOMOCUT_DTYPE_I16> {};
template <>
struct Dtype<std::uint32_t> : std::integral_constant<tomocut_dtype, TOMOCUT_DTYPE_U32> {};
template <>
struct Dtype<Half> : std::integral_constant<tomocut_dtype, TOMOCUT_DTYPE_F16> {};
template <>
struct Dtype<float> : std::integral_constant<tomocut_dtype, TOMOCUT_DTYPE_F32> {};

}  // namespace detail

/** Some elements in a row that belong to someone else: std::span as far as C++17 hosts need it. */
template <class T>
class Span {
public:
    constexpr Span() noexcept = default;
    /** Of `size` elements from `data` on. */
    constexpr Span(T *data, std::size_t size) noexcept : data_(data), size_(size) {}

    /** Of an array. */
    template <std::size_t N>
    constexpr Span(T (&array)[N]) noexcept : data_(array), size_(N) {}

    /** Of std::vector, std::array, std::span and whatever else has data() and size(). */
    template <class Container,
              class = std::enable_if_t<
                  std::is_convertible_v<std::remove_pointer_t<decltype(std::declval<Container &>().data())> (*)[],
                                        T (*)[]> &&
                  std::is_convertible_v<decltype(std::declval<Container &>().size()), std::size_t>>>
    constexpr Span(Container &&container) noexcept : data_(container.data()), size_(container.size()) {}

    /** The first element; null where there is none. */
    constexpr T *data() const noexcept { return data_; }
    /** Number of elements. */
    constexpr std::size_t size() const noexcept { return size_; }
    /** Whether there is none. */
    constexpr bool empty() const noexcept { return size_ == 0; }
    /** The first one. */
    constexpr T *begin() const noexcept { return data_; }
    /** The place after the last one. */
    constexpr T *end() const noexcept { return data_ + size_; }
    /** Element i, unchecked. */
    constexpr T &operator[](std::size_t i) const noexcept { return data_[i]; }

private:
    T *data_ = nullptr;
    std::size_t size_ = 0;
};

/**
 * A volume that lies in the host's memory. VolumeView<const float> is only read; element (z, y, x) is at
 * data + z * strides[0] + y * strides[1] + x * strides[2].
 */
template <class T>
class VolumeView {
public:
    /** Of memory from `data` on; without strides contiguous, x fastest. */
    VolumeView(T *data, Shape shape, Strides strides = {}) noexcept : data_(data), shape_(shape), strides_(strides) {
        if (strides_ == Strides{}) {
            const auto [ny, nx] = std::pair(static_cast<std::int64_t>(shape[1]), static_cast<std::int64_t>(shape[2]));
            strides_ = {ny * nx, nx, 1};
        }
    }

    /** A view that is only read of one that may be written. */
    template <class U, class = std::enable_if_t<std::is_same_v<const U, T>>>
    VolumeView(const VolumeView<U> &other) noexcept : VolumeView(other.data(), other.shape(), other.strides()) {}

    /** Element (0, 0, 0). */
    T *data() const noexcept { return data_; }
    /** Extents. */
    const Shape &shape() const noexcept { return shape_; }
    /** Steps in elements. */
    const Strides &strides() const noexcept { return strides_; }

    /** Element (z, y, x), unchecked. */
    T &operator()(std::uint64_t z, std::uint64_t y, std::uint64_t x) const noexcept {
        return data_[static_cast<std::int64_t>(z) * strides_[0] + static_cast<std::int64_t>(y) * strides_[1] +
                     static_cast<std::int64_t>(x) * strides_[2]];
    }

private:
    T *data_;
    Shape shape_;
    Strides strides_;
};

/** A volume of one's own, contiguous. */
template <class T>
class Volume {
public:
    Volume() = default;

    /** Zeros. Throws std::length_error or std::bad_alloc where the shape is too large. */
    explicit Volume(Shape shape) : shape_(shape), elements_(count(shape)) {}

    /** Extents. */
    const Shape &shape() const noexcept { return shape_; }
    /** Number of elements. */
    std::size_t size() const noexcept { return elements_.size(); }
    /** The elements, x fastest. */
    T *data() noexcept { return elements_.data(); }
    /** The elements, x fastest. */
    const T *data() const noexcept { return elements_.data(); }
    /** The first element. */
    auto begin() noexcept { return elements_.begin(); }
    /** The place after the last element. */
    auto end() noexcept { return elements_.end(); }
    /** The first element. */
    auto begin() const noexcept { return elements_.begin(); }
    /** The place after the last element. */
    auto end() const noexcept { return elements_.end(); }

    /** Element (z, y, x), unchecked. */
    T &operator()(std::uint64_t z, std::uint64_t y, std::uint64_t x) noexcept {
        return elements_[(z * shape_[1] + y) * shape_[2] + x];
    }
    /** Element (z, y, x), unchecked. */
    const T &operator()(std::uint64_t z, std::uint64_t y, std::uint64_t x) const noexcept {
        return elements_[(z * shape_[1] + y) * shape_[2] + x];
    }

    /** A view of all of it. */
    VolumeView<T> view() noexcept { return {data(), shape_}; }
    /** A view of all of it. */
    VolumeView<const T> view() const noexcept { return {data(), shape_}; }

    /** The elements, moved out; the volume is then empty. */
    std::vector<T> take() noexcept {
        shape_ = {};
        return std::move(elements_);
    }

private:
    static std::size_t count(const Shape &shape) {
        std::uint64_t product = 1;
        for (const std::uint64_t extent : shape) {
            if (extent != 0 && product > static_cast<std::uint64_t>(PTRDIFF_MAX) / extent) {
                throw std::length_error("tomocut::Volume: more elements than memory can hold");
            }
            product *= extent;
        }
        return static_cast<std::size_t>(product);
    }

    Shape shape_{};
    std::vector<T> elements_;
};

/** A volume of any element type that a call reads. Made from a view or a Volume; both must outlive it. */
class SourceVolume {
public:
    /** Of a view. */
    template <class T>
    SourceVolume(const VolumeView<T> &view) noexcept {
        // The C struct serves both directions; a source is never written to.
        volume_.data = const_cast<std::remove_const_t<T> *>(view.data());
        volume_.dtype = detail::Dtype<std::remove_const_t<T>>::value;
        for (std::size_t axis = 0; axis < 3; axis++) {
            volume_.shape[axis] = view.shape()[axis];
            volume_.strides[axis] = view.strides()[axis];
        }
    }
    /** Of a volume. */
    template <class T>
    SourceVolume(const Volume<T> &volume) noexcept : SourceVolume(volume.view()) {}

    /** As a C call takes it. */
    const tomocut_volume *get() const noexcept { return &volume_; }

protected:
    tomocut_volume volume_{}; /**< As a C call takes it. */
};

/** A volume of any element type that a call writes to. Made from a view or a Volume; both must outlive it. */
class TargetVolume : private SourceVolume {
public:
    /** Of a view. */
    template <class T, class = std::enable_if_t<!std::is_const_v<T>>>
    TargetVolume(const VolumeView<T> &view) noexcept : SourceVolume(view) {}
    /** Of a volume. */
    template <class T>
    TargetVolume(Volume<T> &volume) noexcept : TargetVolume(volume.view()) {}

    /** As a C call takes it. */
    tomocut_volume *get() noexcept { return &volume_; }
};

}  // namespace tomocut

#endif
