// Callbacks that throw, refuse and cancel: the call ends, the exception arrives, and the engine goes on working.
#include <atomic>
#include <chrono>
#include <cstring>
#include <thread>

#include "check.hpp"

namespace {

/* An exception that the library cannot know. */
struct Interrupted {
    int at;
};

tomocut::PhantomOptions small_phantom() { return tomocut::PhantomOptions({16, 32, 32}); }

template <class Call>
int interrupted_by(Call call) {
    try {
        call();
    } catch (const Interrupted &interrupted) {
        return interrupted.at;
    }
    return -1;
}

void what_a_callback_throws_arrives(tomocut::Engine &engine) {
    auto options = small_phantom();
    int calls = 0;
    options.progress = [&](const tomocut_progress &progress) {
        CHECK(progress.fraction >= 0.0 && progress.fraction <= 1.0);
        calls++;
        throw Interrupted{42};
    };
    CHECK(interrupted_by([&] { tomocut::simulate_phantom(engine, scratch("thrown"), "a", options); }) == 42);
    CHECK(calls == 1);
    CHECK_ERROR(TOMOCUT_E_IO, "a.mrc", tomocut::Tomogram(engine, scratch("thrown/a.mrc")));
    /* The same engine, with callbacks that do not throw: one without an answer, one with. */
    options.progress = [&](const tomocut_progress &) { calls++; };
    tomocut::simulate_phantom(engine, scratch("thrown"), "a", options);
    CHECK(calls > 1);
    options.progress = [&](const tomocut_progress &) { return true; };
    tomocut::simulate_phantom(engine, scratch("thrown"), "a", options);
    CHECK((tomocut::Tomogram(engine, scratch("thrown/a.mrc")).shape() == tomocut::Shape{16, 32, 32}));
}

void false_and_tokens_cancel(tomocut::Engine &engine) {
    auto options = small_phantom();
    options.progress = [](const tomocut_progress &) { return false; };
    const auto cancelled =
        thrown_by<tomocut::Cancelled>([&] { tomocut::simulate_phantom(engine, scratch("no"), "a", options); });
    CHECK(cancelled.status() == TOMOCUT_E_CANCELLED && std::strlen(cancelled.what()) > 0);

    const tomocut::Cancel stop;
    options.progress = nullptr;
    options.cancel = stop.get();
    stop.request();
    thrown_by<tomocut::Cancelled>([&] { tomocut::simulate_phantom(engine, scratch("no"), "a", options); });
    stop.reset();
    tomocut::simulate_phantom(engine, scratch("no"), "a", options);

    /* From another thread, once the call has begun. */
    std::atomic<bool> begun{false};
    std::thread other([&] {
        while (!begun) {
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        stop.request();
    });
    tomocut::PhantomOptions large({128, 256, 256});
    large.cancel = stop.get();
    large.progress = [&](const tomocut_progress &) { begun = true; };
    thrown_by<tomocut::Cancelled>([&] { tomocut::simulate_phantom(engine, scratch("no"), "b", large); });
    other.join();
}

/* A constructor whose callback threw frees what it had: the leak checker watches. */
void constructors_that_throw_leave_nothing(tomocut::Engine &engine) {
    const tomocut::Model model(engine);
    const tomocut::Volume<float> voxels = sample();
    const tomocut::Tomogram tomogram(engine, voxels, tomocut::Geometry(10.0));
    tomocut::SlabOptions slab(3, 4);
    int reports = 0;
    slab.progress = [&](const tomocut_progress &) {
        throw Interrupted{++reports};
    };
    CHECK(interrupted_by([&] { tomocut::Slab(engine, model, tomogram, slab); }) == 1);
}

/* A call from within a callback fails by itself: its exception is the callback's. */
void exceptions_of_inner_calls_pass_through(tomocut::Engine &engine) {
    auto options = small_phantom();
    options.progress = [&](const tomocut_progress &) { tomocut::simulate_phantom(engine, scratch("in"), "a"); };
    CHECK_ERROR(TOMOCUT_E_STATE, "in use", tomocut::simulate_phantom(engine, scratch("in"), "a", options));
    options.progress = [&](const tomocut_progress &) {
        tomocut::Engine another(one_thread());
        CHECK_ERROR(TOMOCUT_E_IO, "nowhere", tomocut::Tomogram(another, "/nowhere.mrc"));
    };
    tomocut::simulate_phantom(engine, scratch("in"), "a", options);
}

void a_log_may_throw() {
    tomocut::EngineOptions options = one_thread();
    std::string said;
    options.log_level = TOMOCUT_LOG_WARNING;
    options.log = [&](tomocut_log_level level, const char *target, const char *message) {
        CHECK(level == TOMOCUT_LOG_WARNING && target != nullptr);
        said += message;
        throw Interrupted{7};
    };
    /* A tomogram without a voxel size is warned of when it is segmented, not before. */
    tomocut::Engine engine(options);
    const tomocut::Model model(engine);
    const tomocut::Volume<float> voxels = sample();
    const tomocut::Tomogram tomogram(engine, voxels);
    CHECK(said.empty());
    CHECK(interrupted_by([&] { tomocut::Slab(engine, model, tomogram, {3, 4}); }) == 7);
    CHECK(said.find("voxel size") != std::string::npos);
}

}  // namespace

int main() {
    tomocut::Engine engine(one_thread());
    what_a_callback_throws_arrives(engine);
    false_and_tokens_cancel(engine);
    exceptions_of_inner_calls_pass_through(engine);
    constructors_that_throw_leave_nothing(engine);
    a_log_may_throw();
    return 0;
}
