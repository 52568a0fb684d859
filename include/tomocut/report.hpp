/* SPDX-License-Identifier: MIT */
/** @file report.hpp What a call found out. */
#ifndef TOMOCUT_REPORT_HPP
#define TOMOCUT_REPORT_HPP

#include <string>

#include "call.hpp"

namespace tomocut {
namespace detail {

template <>
inline void release(tomocut_report *report) noexcept {
    tomocut_report_free(report);
}

}  // namespace detail

/** What a call found out: a JSON document. Returned by the calls that have one. */
class Report : public detail::Handle<tomocut_report> {
public:
    /** Empty until a call has written to out(). */
    explicit Report(std::shared_ptr<const LogCallback> log) noexcept : Handle(std::move(log)) {}

    using Handle::out;

    /** All of it. */
    std::string json() const {
        return detail::text([&](char *buffer, std::size_t capacity, std::size_t *needed) {
            return tomocut_report_json(get(), buffer, capacity, needed);
        });
    }

    /** A number, count or flag (0 or 1) by its path: "/tomograms/0/points". */
    double number(const std::string &path) const {
        double value = 0.0;
        detail::call([&] { return tomocut_report_number(get(), path.c_str(), &value); });
        return value;
    }
};

}  // namespace tomocut

#endif
