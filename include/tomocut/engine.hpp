/* SPDX-License-Identifier: MIT */
/** @file engine.hpp The engine, the request to stop, and what the library says of itself. */
#ifndef TOMOCUT_ENGINE_HPP
#define TOMOCUT_ENGINE_HPP

#include <memory>
#include <string>

#include "call.hpp"

namespace tomocut {
namespace detail {

template <>
inline void release(tomocut_cancel *cancel) noexcept {
    tomocut_cancel_free(cancel);
}
template <>
inline void release(tomocut_engine *engine) noexcept {
    tomocut_engine_free(engine);
}
template <>
inline void fill(tomocut_engine_options *options) {
    check(tomocut_engine_options_init(options, sizeof *options));
}

}  // namespace detail

/** Version of the loaded library: MAJOR * 1000000 + MINOR * 1000 + PATCH. TOMOCUT_VERSION is the headers'. */
inline std::uint32_t version() noexcept { return tomocut_version(); }

/** Which files provide BLAS, OpenMP, libstdc++ and so on: the first thing to look at when the library is slow in a
 * host. */
inline std::string runtime_report() { return detail::text(tomocut_runtime_report); }

/**
 * A request to stop, for as many calls as its get() is given to (in their options). request() may be called from any
 * thread and from a signal handler. It must outlive the calls.
 */
class Cancel : public detail::Handle<tomocut_cancel> {
public:
    Cancel() : Handle(nullptr) {
        detail::call([&] { return tomocut_cancel_create(out()); });
    }

    /** Stops the calls under way and those that begin later, until reset(). */
    void request() const noexcept { tomocut_cancel_request(get()); }

    /** Takes the request back. */
    void reset() const {
        detail::call([&] { return tomocut_cancel_reset(get()); });
    }
};

/** Options of an engine: tomocut_engine_options, with a log that may be any function object. */
struct EngineOptions : detail::Options<tomocut_engine_options> {
    /**
     * Receives the log; empty: no log. It must be safe to call on several threads where the host uses several. It lives
     * until the engine and all that was made with it are gone. What it throws while a handle is freed is dropped.
     */
    LogCallback log;

private:
    using tomocut_engine_options::log_user_data;
};

/** A device, a number of threads and a log. It computes one thing at a time; for two at once, make two. */
class Engine : public detail::Handle<tomocut_engine> {
public:
    /** On the CPU, with as many threads as the host lets libtorch use, without a log. */
    Engine() : Engine(EngineOptions()) {}

    /** As the options say. */
    explicit Engine(const EngineOptions &options)
        : Handle(options.log ? std::make_shared<const LogCallback>(options.log) : nullptr) {
        tomocut_engine_options lowered = options.lowered();
        if (log() != nullptr) {
            lowered.log = detail::Call::on_log;
            lowered.log_user_data = const_cast<LogCallback *>(log().get());
        }
        detail::call([&] { return tomocut_engine_create(&lowered, out()); });
    }

    /** On a device: "cpu", "cuda" (the first GPU) or "cuda:N". */
    explicit Engine(const std::string &device) : Engine(on(device.c_str())) {}

private:
    static EngineOptions on(const char *device) {
        EngineOptions options;
        options.device = device;
        return options;
    }
};

}  // namespace tomocut

#endif
