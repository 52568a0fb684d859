/* SPDX-License-Identifier: MIT */
/** @file error.hpp What a failed call throws. */
#ifndef TOMOCUT_ERROR_HPP
#define TOMOCUT_ERROR_HPP

#include <stdexcept>
#include <string>

#include "../tomocut.h"

namespace tomocut {

/** A failure of the library: what() is its text, status() says of which kind it is. */
class Error : public std::runtime_error {
public:
    /** Of a status and its text. */
    Error(tomocut_status status, const std::string &text) : std::runtime_error(text), status_(status) {}

    /** TOMOCUT_E_*; negative. */
    tomocut_status status() const noexcept { return status_; }

    /** Name of the status, such as "invalid argument"; static. */
    const char *status_name() const noexcept { return tomocut_status_name(status_); }

private:
    tomocut_status status_;
};

/** The call was stopped, by a Cancel or by a progress callback that answered false. */
class Cancelled : public Error {
public:
    /** Of its text. */
    explicit Cancelled(const std::string &text) : Error(TOMOCUT_E_CANCELLED, text) {}
};

namespace detail {

/** Throws what a status stands for; returns on TOMOCUT_OK. */
inline void check(tomocut_status status) {
    if (status == TOMOCUT_OK) {
        return;
    }
    const std::string text = tomocut_last_error();
    if (status == TOMOCUT_E_CANCELLED) {
        throw Cancelled(text);
    }
    throw Error(status, text);
}

}  // namespace detail
}  // namespace tomocut

#endif
