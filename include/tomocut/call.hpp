/* SPDX-License-Identifier: MIT */
/** @file call.hpp How a call of the C library is made: options, callbacks that may throw, handles that free themselves.
 * */
#ifndef TOMOCUT_CALL_HPP
#define TOMOCUT_CALL_HPP

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "error.hpp"
#include "settings.hpp"

namespace tomocut {

/**
 * The host's progress callback: anything that is called with a const tomocut_progress & and returns nothing, or a bool:
 * true to go on, false to cancel. It runs on the thread of the call it reports on and may throw. It must not use the
 * engine of that call.
 */
class ProgressCallback {
public:
    ProgressCallback() = default;
    /** None. */
    ProgressCallback(std::nullptr_t) noexcept {}

    /** A function object. */
    template <class F, class Answer = std::invoke_result_t<F &, const tomocut_progress &>>
    ProgressCallback(F callback) {
        static_assert(std::is_void_v<Answer> || std::is_same_v<Answer, bool>,
                      "a progress callback returns nothing, or a bool: true to go on, false to cancel");
        if constexpr (std::is_void_v<Answer>) {
            call_ = [callback = std::move(callback)](const tomocut_progress &progress) mutable {
                callback(progress);
                return true;
            };
        } else {
            call_ = std::move(callback);
        }
    }

    /** Whether there is one. */
    explicit operator bool() const noexcept { return static_cast<bool>(call_); }
    /** Calls it. */
    bool operator()(const tomocut_progress &progress) const { return call_(progress); }

private:
    std::function<bool(const tomocut_progress &)> call_;
};

/** The host's log callback: level (TOMOCUT_LOG_*), the part of the library that speaks, the message. It may throw. */
using LogCallback = std::function<void(tomocut_log_level level, const char *target, const char *message)>;

namespace detail {

/** Sets the defaults of an option struct: its _init call. */
template <class C>
void fill(C *options) = delete;

/** Frees a handle: its _free call. */
template <class T>
void release(T *handle) noexcept = delete;

/** A C option struct with its defaults. */
template <class C>
struct Options : C {
    Options() : C{} { fill(static_cast<C *>(this)); }

    /** The C struct, as a call takes it. */
    C lowered() const { return *this; }
};

/** The same of a call that reports its progress. */
template <class C>
struct ReportingOptions : Options<C> {
    /** Reports on the call; in the place of the C struct's function pointer. */
    ProgressCallback progress;

private:
    using C::progress_user_data;
};

/** The same of a call that takes settings by name, too; of one that reports no progress, `Base` is Options<C>. */
template <class C, class Base = ReportingOptions<C>>
struct CallOptions : Base {
    /** Any setting of the call's family by its name in docs/settings.md: a flag, a number, a word, or a list of these.
     * */
    template <class V>
    CallOptions &set(const std::string &name, const V &value) {
        given_.set(name, value);
        return *this;
    }

    /** The same for a value that is JSON already: an object, null. */
    CallOptions &set_json(const std::string &name, const std::string &json) {
        given_.set_json(name, json);
        return *this;
    }

    /** The C struct, as a call takes it; it points into this object. */
    C lowered() const {
        C c = *this;
        c.settings = given_.empty() ? nullptr : given_.json().c_str();
        return c;
    }

private:
    using C::settings;
    Settings given_;
};

template <>
inline void fill(tomocut_call_options *options) {
    check(tomocut_call_options_init(options, sizeof *options));
}

/** One call of the C library on this thread: keeps what its callbacks throw until it returns. */
class Call {
public:
    Call() noexcept : outer_(innermost()) { innermost() = this; }
    ~Call() { innermost() = outer_; }
    Call(const Call &) = delete;
    Call &operator=(const Call &) = delete;

    /** Makes this call the receiver of the reports that `c` asks for. */
    template <class C>
    void report(C &c, const ProgressCallback &progress) noexcept {
        progress_ = &progress;
        c.progress = on_progress;
        c.progress_user_data = this;
    }

    /** Ends the call: throws on what a callback threw, else what the status stands for. */
    void finish(tomocut_status status) {
        if (thrown_ != nullptr) {
            std::rethrow_exception(std::exchange(thrown_, nullptr));
        }
        check(status);
    }

    /** The log callback of every engine; `user_data` is its LogCallback. */
    static void on_log(tomocut_log_level level, const char *target, const char *message, void *user_data) noexcept {
        try {
            (*static_cast<const LogCallback *>(user_data))(level, target, message);
        } catch (...) {
            // Without a call (a handle is being freed) nobody could catch it.
            if (innermost() != nullptr) {
                innermost()->keep();
            }
        }
    }

private:
    static std::int32_t on_progress(const tomocut_progress *progress, void *user_data) noexcept {
        Call *call = static_cast<Call *>(user_data);
        if (call->thrown_ != nullptr) {
            return 1;
        }
        if (!*call->progress_) {
            return 0;
        }
        try {
            return (*call->progress_)(*progress) ? 0 : 1;
        } catch (...) {
            call->keep();
            return 1;
        }
    }

    /** Keeps the exception that is being handled, unless an earlier one is kept. */
    void keep() noexcept {
        if (thrown_ == nullptr) {
            thrown_ = std::current_exception();
        }
    }

    static Call *&innermost() noexcept {
        static thread_local Call *call = nullptr;
        return call;
    }

    Call *outer_;
    const ProgressCallback *progress_ = nullptr;
    std::exception_ptr thrown_;
};

/** A call without options: `make` answers its status. */
template <class F>
void call(F make) {
    Call call;
    call.finish(make());
}

/** A call with options that reports its progress: `make` is given the C struct. */
template <class O, class F>
void call(const O &options, F make) {
    Call call;
    auto lowered = options.lowered();
    call.report(lowered, options.progress);
    call.finish(make(&lowered));
}

/** A text that the library copies out: `make(buffer, capacity, &needed)`. */
template <class F>
std::string text(F make) {
    std::size_t needed = 0;
    call([&] { return make(nullptr, std::size_t{0}, &needed); });
    std::string buffer(needed, '\0');
    call([&] { return make(buffer.data(), buffer.size(), &needed); });
    buffer.resize(needed == 0 ? 0 : needed - 1);
    return buffer;
}

/** A list that the library copies out: `make(entries, capacity, &needed)`. */
template <class T, class F>
std::vector<T> list(F make) {
    std::size_t needed = 0;
    call([&] { return make(nullptr, std::size_t{0}, &needed); });
    std::vector<T> entries(needed);
    if (needed > 0) {
        call([&] { return make(entries.data(), entries.size(), &needed); });
    }
    return entries;
}

/** A handle of the C library and the log that it may write to; moves, does not copy. */
template <class T>
class Handle {
public:
    Handle(Handle &&other) noexcept
        : log_(std::move(other.log_)), handle_(std::exchange(other.handle_, nullptr)) {}
    Handle &operator=(Handle &&other) noexcept {
        if (this != &other) {
            Handle old(std::move(*this));
            log_ = std::move(other.log_);
            handle_ = std::exchange(other.handle_, nullptr);
        }
        return *this;
    }
    ~Handle() { release(handle_); }

    /** The handle, for calls of tomocut.h; it stays this object's. Null once it was moved from. */
    T *get() const noexcept { return handle_; }

    /** The log of the engine that it was made with: shared by whatever is made from it. */
    const std::shared_ptr<const LogCallback> &log() const noexcept { return log_; }

protected:
    explicit Handle(std::shared_ptr<const LogCallback> log, T *handle = nullptr) noexcept
        : log_(std::move(log)), handle_(handle) {}

    /** Where a call of the C library puts the handle; to be used once. */
    T **out() noexcept { return &handle_; }

private:
    std::shared_ptr<const LogCallback> log_;
    T *handle_;
};

}  // namespace detail

/** Options of a call that needs settings only: tomocut_call_options. The function says of which family. */
using CallOptions = detail::CallOptions<tomocut_call_options>;

}  // namespace tomocut

#endif
