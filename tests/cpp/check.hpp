// Assertions of the C++ tests: a failed one prints what was expected and ends the program with status 1.
#ifndef TOMOCUT_TESTS_CHECK_HPP
#define TOMOCUT_TESTS_CHECK_HPP

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "tomocut.hpp"

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            std::fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition);                             \
            std::exit(1);                                                                                              \
        }                                                                                                              \
    } while (0)

// The exception that a call throws; none is a failure.
template <class Exception, class Call>
Exception thrown_by(Call call) {
    try {
        call();
    } catch (const Exception &exception) {
        return exception;
    } catch (const std::exception &other) {
        std::fprintf(stderr, "another exception was thrown: %s\n", other.what());
        std::exit(1);
    }
    std::fprintf(stderr, "nothing was thrown\n");
    std::exit(1);
}

// The call throws tomocut::Error of this status with a text that holds these words.
#define CHECK_ERROR(expected, words, call)                                                                             \
    do {                                                                                                               \
        const tomocut::Error error_ = thrown_by<tomocut::Error>([&] { call; });                                        \
        if (error_.status() != (expected) || std::string(error_.what()).find(words) == std::string::npos) {            \
            std::fprintf(stderr, "%s:%d: %s\n  threw %s: %s\n", __FILE__, __LINE__, #call, error_.status_name(),       \
                         error_.what());                                                                               \
            std::exit(1);                                                                                              \
        }                                                                                                              \
    } while (0)

// An engine on the CPU with one thread.
inline tomocut::EngineOptions one_thread() {
    tomocut::EngineOptions options;
    options.n_threads = 1;
    return options;
}

// A path in this test's own folder.
inline std::string scratch(const std::string &name) {
    const char *folder = std::getenv("TOMOCUT_TEST_DIR");
    return std::string(folder == nullptr ? "/tmp" : folder) + "/" + name;
}

// Rings and balls, dark in noise of a fixed sequence; voxels of 1 nm.
inline tomocut::Volume<float> sample() {
    tomocut::Volume<float> voxels({8, 128, 128});
    std::uint32_t state = 1;
    for (std::uint64_t z = 0; z < 8; z++) {
        for (std::uint64_t y = 0; y < 128; y++) {
            for (std::uint64_t x = 0; x < 128; x++) {
                float noise = 0.0F;
                for (int i = 0; i < 4; i++) {
                    state = state * 1664525U + 1013904223U;
                    noise += static_cast<float>(state >> 8) / 16777216.0F - 0.5F;
                }
                const float ring = std::hypot(static_cast<float>(x) - 40.0F, static_cast<float>(y) - 44.0F) - 26.0F;
                const float ball = std::hypot(static_cast<float>(x) - 96.0F, static_cast<float>(y) - 90.0F);
                voxels(z, y, x) = 1.2F * noise - (std::fabs(ring) < 3.0F ? 1.5F : 0.0F) - (ball < 7.0F ? 1.8F : 0.0F);
            }
        }
    }
    return voxels;
}

#endif
