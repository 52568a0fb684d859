/* SPDX-License-Identifier: MIT */
/** @file settings.hpp Settings by name: what docs/settings.md lists, as the JSON text that the C structs take. */
#ifndef TOMOCUT_SETTINGS_HPP
#define TOMOCUT_SETTINGS_HPP

#include <cmath>
#include <cstddef>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

namespace tomocut {

/**
 * Settings by name. Values are flags, numbers, words, or lists of these; a name with dots is a member of a group
 * ("schedule.steps"). The library checks names, types and ranges when the call is made, and its error names the
 * setting.
 */
class Settings {
public:
    /** Sets `name` to a flag, a number, a word or a list of these. A later value replaces an earlier one. */
    template <class V>
    Settings &set(const std::string &name, const V &value) {
        return set_json(name, json_of(value));
    }

    /** Sets `name` to a value that is JSON already: an object, null. */
    Settings &set_json(const std::string &name, const std::string &json) {
        const std::string quoted = json_of(name);
        for (Member &member : members_) {
            if (member.name == quoted) {
                member.value = json;
                return write();
            }
        }
        members_.push_back({quoted, json});
        return write();
    }

    /** Whether nothing is set. */
    bool empty() const noexcept { return members_.empty(); }

    /** The JSON object. */
    const std::string &json() const noexcept { return text_; }

private:
    struct Member {
        std::string name;
        std::string value;
    };

    Settings &write() {
        text_ = "{";
        for (std::size_t i = 0; i < members_.size(); i++) {
            text_ += (i == 0 ? "" : ",") + members_[i].name + ":" + members_[i].value;
        }
        text_ += "}";
        return *this;
    }

    static std::string json_of(bool value) { return value ? "true" : "false"; }

    template <class N, std::enable_if_t<std::is_arithmetic_v<N> && !std::is_same_v<N, bool>, int> = 0>
    static std::string json_of(N value) {
        if constexpr (std::is_integral_v<N>) {
            return std::to_string(value);
        } else {
            if (!std::isfinite(value)) {
                throw std::invalid_argument("tomocut: a setting must be a finite number");
            }
            char digits[40];
            std::snprintf(digits, sizeof digits, "%.17g", static_cast<double>(value));
            // A host's locale may write a comma.
            for (char *c = digits; *c != '\0'; c++) {
                *c = *c == ',' ? '.' : *c;
            }
            return digits;
        }
    }

    static std::string json_of(const char *word) { return json_of(std::string(word)); }

    static std::string json_of(const std::string &word) {
        std::string quoted = "\"";
        for (const char c : word) {
            if (c == '"' || c == '\\') {
                quoted += '\\';
                quoted += c;
            } else if (static_cast<unsigned char>(c) < 0x20) {
                char escaped[8];
                std::snprintf(escaped, sizeof escaped, "\\u%04x", static_cast<unsigned>(static_cast<unsigned char>(c)));
                quoted += escaped;
            } else {
                quoted += c;
            }
        }
        return quoted + '"';
    }

    template <class V>
    static std::string json_of(const std::vector<V> &values) {
        std::string list = "[";
        for (std::size_t i = 0; i < values.size(); i++) {
            list += (i == 0 ? "" : ",") + json_of(static_cast<V>(values[i]));
        }
        return list + "]";
    }

    std::vector<Member> members_;
    std::string text_ = "{}";
};

}  // namespace tomocut

#endif
