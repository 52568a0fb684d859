/* Arguments and results of the MEX functions: arrays without copies, options as a struct. MATLAB and Octave.
 *
 * An (x, y, z) array of MATLAB, which stores x fastest, is a (z, y, x) volume of tomocut as it lies in memory.
 */
#ifndef TOMOCUT_MEX_ARGUMENTS_HPP
#define TOMOCUT_MEX_ARGUMENTS_HPP

#include "tomocut_loader.h" /* before all else: the library must not meet the BLAS of MATLAB or Octave */

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <list>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include "mex.h"
#include "tomocut.hpp"

namespace mex {

/** A wrong argument: identifier tomocut:invalid_argument. */
struct BadArgument : std::invalid_argument {
    using std::invalid_argument::invalid_argument;
};

/** The text of a row of characters. */
inline std::string text_of(const mxArray *value, const std::string &what) {
    char *copy = mxIsChar(value) ? mxArrayToString(value) : nullptr;
    if (copy == nullptr) {
        throw BadArgument(what + " must be text in single quotes");
    }
    const std::string text(copy);
    mxFree(copy);
    return text;
}

/** The numbers of a row or column. */
inline std::vector<double> numbers_of(const mxArray *value, const std::string &what) {
    if (!(mxIsDouble(value) || mxIsLogical(value)) || mxIsComplex(value) || mxIsSparse(value)) {
        throw BadArgument(what + " must be a number, or a row of numbers");
    }
    const std::size_t n = mxGetNumberOfElements(value);
    if (mxIsLogical(value)) {
        const mxLogical *first = mxGetLogicals(value);
        return std::vector<double>(first, first + n);
    }
    const double *first = mxGetPr(value);
    return std::vector<double>(first, first + n);
}

/** A whole number that T can hold. */
template <class T>
T whole(double value, const std::string &what) {
    const double most = std::ldexp(1.0, std::min(53, std::numeric_limits<T>::digits));
    if (!(value == std::floor(value)) || value >= most || value < (std::is_signed_v<T> ? -most : 0.0)) {
        throw BadArgument(what + " is " + std::to_string(value) + ", must be a whole number" +
                          (std::is_signed_v<T> ? "" : " that is not negative"));
    }
    return static_cast<T>(value);
}

/**
 * The options of a call: a struct, or none. What the function itself needs is asked for by its name; settings_of_others
 * then hands every other member to the library as a setting of that name, and refuse_others refuses it. A member that
 * is missing or [] leaves what it would set as it was. What is set lives as long as this object.
 */
class Options {
public:
    explicit Options(const mxArray *values) : values_(values) {
        if (values != nullptr && !(mxIsStruct(values) && mxGetNumberOfElements(values) == 1)) {
            throw BadArgument("the options must be one struct, such as struct('voxel_nm', 1.2)");
        }
    }

    /** Text. */
    void text(const char *name, const char *&target) {
        if (const mxArray *value = find(name)) {
            texts_.push_back(text_of(value, quoted(name)));
            target = texts_.back().c_str();
        }
    }
    void text(const char *name, std::string &target) {
        const char *found = nullptr;
        text(name, found);
        target = found == nullptr ? target : found;
    }

    /** Any number. */
    void number(const char *name, double &target) {
        if (const mxArray *value = find(name)) {
            target = one(value, name);
        }
    }

    /** A whole number. */
    template <class T>
    void count(const char *name, T &target) {
        if (const mxArray *value = find(name)) {
            target = whole<T>(one(value, name), quoted(name));
        }
    }

    /** true or false, as 1 or 0. */
    template <class T>
    void flag(const char *name, T &target) {
        if (const mxArray *value = find(name)) {
            target = one(value, name) != 0.0 ? 1 : 0;
        }
    }

    /** A row of whole numbers. */
    void counts(const char *name, std::vector<std::uint32_t> &target) {
        if (const mxArray *value = find(name)) {
            target.clear();
            for (const double number : numbers_of(value, quoted(name))) {
                target.push_back(whole<std::uint32_t>(number, quoted(name)));
            }
        }
    }

    /** [first last], counted from 1 as MATLAB counts, as first and end counted from 0; true where it is given. */
    bool slices(const char *name, std::uint64_t &first, std::uint64_t &end) {
        const mxArray *value = find(name);
        if (value == nullptr) {
            return false;
        }
        const std::vector<double> pair = numbers_of(value, quoted(name));
        if (pair.size() != 2 || !(pair[0] >= 1.0) || !(pair[1] >= pair[0])) {
            throw BadArgument(quoted(name) + " must be [first last], counted from 1");
        }
        first = whole<std::uint64_t>(pair[0], quoted(name)) - 1;
        end = whole<std::uint64_t>(pair[1], quoted(name));
        return true;
    }

    /**
     * Every member that was not asked for as a setting of the call's family (docs/settings.md): text, numbers,
     * logicals, rows and cells of these, and structs for groups. The library refuses names that it does not know.
     */
    template <class O>
    void settings_of_others(O &options) const {
        for (int i = 0; values_ != nullptr && i < mxGetNumberOfFields(values_); i++) {
            const std::string name = mxGetFieldNameByNumber(values_, i);
            const mxArray *value = mxGetFieldByNumber(values_, 0, i);
            if (!is_known(name) && value != nullptr && !mxIsEmpty(value)) {
                options.set_json(name, json_of(value, quoted(name)));
            }
        }
    }

    /** Refuses members that were not asked for: a misspelt name would else be passed over. */
    void refuse_others() const {
        for (int i = 0; values_ != nullptr && i < mxGetNumberOfFields(values_); i++) {
            const std::string name = mxGetFieldNameByNumber(values_, i);
            if (!is_known(name)) {
                std::string known;
                for (const std::string &each : known_) {
                    known += (known.empty() ? "" : ", ") + each;
                }
                throw BadArgument("there is no option " + quoted(name) + "; the options are " + known);
            }
        }
    }

private:
    static std::string quoted(const std::string &name) { return "'" + name + "'"; }

    bool is_known(const std::string &name) const {
        return std::find(known_.begin(), known_.end(), name) != known_.end();
    }

    /** The JSON of a value of MATLAB's; one number or logical is no list, several are. */
    static std::string json_of(const mxArray *value, const std::string &what) {
        tomocut::Settings one;
        const std::size_t n = mxGetNumberOfElements(value);
        if (mxIsChar(value)) {
            one.set("v", text_of(value, what));
        } else if (mxIsStruct(value) && n == 1) {
            tomocut::Settings group;
            for (int i = 0; i < mxGetNumberOfFields(value); i++) {
                const char *name = mxGetFieldNameByNumber(value, i);
                group.set_json(name, json_of(mxGetFieldByNumber(value, 0, i), what));
            }
            return group.json();
        } else if (mxIsCell(value)) {
            std::string list = "[";
            for (std::size_t i = 0; i < n; i++) {
                list += (i == 0 ? "" : ",") + json_of(mxGetCell(value, i), what);
            }
            return list + "]";
        } else if (mxIsLogicalScalar(value)) {
            one.set("v", mxIsLogicalScalarTrue(value));
        } else {
            std::string list;
            for (const double number : numbers_of(value, what)) {
                list += (list.empty() ? "" : ",") + json_of(number);
            }
            return n == 1 ? list : "[" + list + "]";
        }
        // {"v":...} without its braces and name.
        return one.json().substr(5, one.json().size() - 6);
    }

    /** A number; a whole one without a point, as counts are written. */
    static std::string json_of(double number) {
        tomocut::Settings one;
        if (number == std::floor(number) && std::fabs(number) < 9e15) {
            one.set("v", static_cast<std::int64_t>(number));
        } else {
            one.set("v", number);
        }
        return one.json().substr(5, one.json().size() - 6);
    }

    static double one(const mxArray *value, const char *name) {
        const std::vector<double> numbers = numbers_of(value, quoted(name));
        if (numbers.size() != 1) {
            throw BadArgument(quoted(name) + " must be one number");
        }
        return numbers[0];
    }

    const mxArray *find(const char *name) {
        known_.emplace_back(name);
        const mxArray *value = values_ == nullptr ? nullptr : mxGetField(values_, 0, name);
        return value == nullptr || mxIsEmpty(value) ? nullptr : value;
    }

    const mxArray *values_;
    std::list<std::string> texts_;
    std::vector<std::string> known_;
};

/** Extents of an array, with ones where it has fewer than three. */
struct Extents {
    explicit Extents(const mxArray *array) {
        const mwSize n = mxGetNumberOfDimensions(array);
        if (n > 3) {
            throw BadArgument("the array has " + std::to_string(n) + " dimensions, must have 2 or 3");
        }
        for (mwSize i = 0; i < n; i++) {
            each[i] = mxGetDimensions(array)[i];
        }
    }
    std::uint64_t each[3] = {1, 1, 1};
};

/** An array of MATLAB's as tomocut sees it; nothing is copied. */
inline tomocut::SourceVolume view(const mxArray *array, tomocut::Shape shape, tomocut::Strides strides = {}) {
    if (mxIsComplex(array) || mxIsSparse(array) || mxIsEmpty(array)) {
        throw BadArgument("the array is empty, sparse or complex");
    }
    const void *data = mxGetData(array);
    const auto of = [&](auto element) {
        return tomocut::SourceVolume(
            tomocut::VolumeView<const decltype(element)>(static_cast<const decltype(element) *>(data), shape, strides));
    };
    switch (mxGetClassID(array)) {
        case mxSINGLE_CLASS:
            return of(float());
        case mxUINT8_CLASS:
            return of(std::uint8_t());
        case mxINT8_CLASS:
            return of(std::int8_t());
        case mxUINT16_CLASS:
            return of(std::uint16_t());
        case mxINT16_CLASS:
            return of(std::int16_t());
        case mxUINT32_CLASS:
            return of(std::uint32_t());
        default:
            throw BadArgument(std::string("the array is ") + mxGetClassName(array) +
                              ", must be single, uint8, int8, uint16, int16 or uint32; single(array) converts it");
    }
}

/** An (x, y, z) array as a volume. */
inline tomocut::SourceVolume volume(const mxArray *array) {
    const Extents extents(array);
    return view(array, {extents.each[2], extents.each[1], extents.each[0]});
}

/** A (row, column) or (row, column, colour) array as an image of tomocut's. */
inline tomocut::SourceVolume image(const mxArray *array) {
    const Extents extents(array);
    const auto rows = static_cast<std::int64_t>(extents.each[0]), columns = static_cast<std::int64_t>(extents.each[1]);
    return view(array, {extents.each[2], extents.each[0], extents.each[1]}, {rows * columns, 1, rows});
}

template <class T>
struct Class;
template <>
struct Class<float> : std::integral_constant<mxClassID, mxSINGLE_CLASS> {};
template <>
struct Class<std::uint8_t> : std::integral_constant<mxClassID, mxUINT8_CLASS> {};
template <>
struct Class<std::uint32_t> : std::integral_constant<mxClassID, mxUINT32_CLASS> {};

/** A new array of MATLAB's with the memory that tomocut writes to. */
template <class T>
struct Result {
    /** An (x, y, z) array for a volume of this shape (z, y, x). */
    explicit Result(const tomocut::Shape &shape) : shape(shape) {
        const mwSize extents[3] = {static_cast<mwSize>(shape[2]), static_cast<mwSize>(shape[1]),
                                   static_cast<mwSize>(shape[0])};
        array = mxCreateUninitNumericArray(3, const_cast<mwSize *>(extents), Class<T>::value, mxREAL);
    }

    T *data() const { return static_cast<T *>(mxGetData(array)); }
    tomocut::VolumeView<T> view() const { return {data(), shape}; }

    /** One slice. */
    tomocut::VolumeView<T> slice(std::uint64_t z) const {
        return {data() + z * shape[1] * shape[2], {1, shape[1], shape[2]}};
    }

    mxArray *array = nullptr;
    tomocut::Shape shape;
};

/** Points as rows of x, y, z (counted from 1), diameter in nm and score. */
inline mxArray *table(const std::vector<tomocut_pick> &points) {
    const std::size_t n = points.size();
    mxArray *array = mxCreateDoubleMatrix(n, 5, mxREAL);
    double *column = mxGetPr(array);
    for (std::size_t i = 0; i < n; i++) {
        const double row[5] = {points[i].x + 1.0, points[i].y + 1.0, points[i].z + 1.0, points[i].diameter_nm,
                               points[i].score};
        for (std::size_t j = 0; j < 5; j++) {
            column[j * n + i] = row[j];
        }
    }
    return array;
}

/** Sets a member of a struct, which is made longer by it where it has none of that name. */
inline void set(mxArray *structure, const char *name, mxArray *value) {
    int number = mxGetFieldNumber(structure, name);
    if (number < 0) {
        number = mxAddField(structure, name);
    }
    mxSetFieldByNumber(structure, 0, number, value);
}

}  // namespace mex

#endif
