/* What the C header forbids: a callback of the C API that throws. No memory is corrupted and nothing goes on: the
 * process ends there. The wrapper of tomocut.hpp allows it (test_callbacks.cpp). */
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tomocut.h"

#define CHECK(condition) \
    do { \
        if (!(condition)) { \
            std::fprintf(stderr, "%s:%d: %s failed: %s\n", __FILE__, __LINE__, #condition, tomocut_last_error()); \
            std::exit(1); \
        } \
    } while (0)

static int32_t throws(const tomocut_progress *, void *) { throw std::runtime_error("from a callback"); }

static void child() {
    static float voxels[8][64][64];
    tomocut_engine *engine = nullptr;
    tomocut_tomogram *tomogram = nullptr;
    tomocut_predictor *predictor = nullptr;
    tomocut_volume volume{};
    tomocut_predict_options options;
    const char *folder = std::getenv("TOMOCUT_TEST_DIR");
    for (int i = 0; i < 8 * 64 * 64; i++) {
        (&voxels[0][0][0])[i] = static_cast<float>(i % 7);
    }
    volume.data = voxels;
    volume.dtype = TOMOCUT_DTYPE_F32;
    volume.shape[0] = 8;
    volume.shape[1] = volume.shape[2] = 64;
    CHECK(tomocut_engine_create(nullptr, &engine) == TOMOCUT_OK);
    CHECK(tomocut_tomogram_from_volume(engine, &volume, nullptr, &tomogram) == TOMOCUT_OK);
    CHECK(tomocut_predictor_builtin(engine, &predictor) == TOMOCUT_OK);
    CHECK(tomocut_predict_options_init(&options, sizeof options) == TOMOCUT_OK);
    options.progress = throws;
    try {
        tomocut_predictor_run(engine, predictor, tomogram, nullptr, &options, folder == nullptr ? "/tmp" : folder,
                              nullptr, nullptr);
    } catch (...) {
        std::_Exit(3); // It must not get through the engine's frames.
    }
    std::_Exit(2);
}

int main() {
    // No core file, and no report of a sanitizer: the end is what is asked for.
    const rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    std::fflush(nullptr);
    const pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        std::signal(SIGABRT, SIG_DFL);
        child();
    }
    int status = 0;
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    return 0;
}
