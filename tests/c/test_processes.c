/* Forked children, and many threads. */
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

enum { NZ = 32, NY = 64, NX = 64, N_THREADS = 16 };

static float host_volume[NZ][NY][NX];

/* What a forked child may do, checked by its exit code. */
static int child(tomocut_engine *engine, tomocut_cancel *cancel) {
    tomocut_engine *another = NULL;
    tomocut_tomogram *tomogram = NULL;
    tomocut_volume volume = volume_of(host_volume, TOMOCUT_DTYPE_F32, NZ, NY, NX);
    CHECK_ERROR(TOMOCUT_E_STATE, "fork", tomocut_engine_create(NULL, &another));
    CHECK(another == NULL);
    CHECK_ERROR(TOMOCUT_E_STATE, "spawn", tomocut_tomogram_from_volume(engine, &volume, NULL, &tomogram));
    CHECK_ERROR(TOMOCUT_E_STATE, "fork", tomocut_debug_panic(engine));
    CHECK_ERROR(TOMOCUT_E_STATE, "fork", tomocut_cancel_reset(cancel));
    CHECK(tomocut_version() == TOMOCUT_VERSION);
    tomocut_cancel_free(cancel);
    tomocut_engine_free(engine);
    return 0;
}

static void a_forked_child_is_refused(void) {
    tomocut_engine *engine = new_engine(NULL, NULL);
    tomocut_cancel *cancel = NULL;
    int status = 0;
    CHECK_OK(tomocut_cancel_create(&cancel));
    fflush(NULL);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        _exit(child(engine, cancel));
    }
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK_OK(tomocut_cancel_reset(cancel)); /* the parent goes on */
    tomocut_cancel_free(cancel);
    tomocut_engine_free(engine);
}

/* Before any engine a fork is harmless: each process makes its own. */
static void a_fork_before_the_first_engine_is_fine(void) {
    int status = 0;
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        tomocut_engine_free(new_engine(NULL, NULL));
        _exit(0);
    }
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void *read_own_tomogram(void *argument) {
    const tomocut_engine *engine = argument;
    tomocut_volume volume = volume_of(host_volume, TOMOCUT_DTYPE_F32, NZ, NY, NX);
    tomocut_tomogram *tomogram = NULL;
    float *slices = malloc(sizeof(float) * 4 * NY * NX);
    CHECK(slices != NULL);
    CHECK_OK(tomocut_tomogram_from_volume(engine, &volume, NULL, &tomogram));
    for (int round = 0; round < 50; round++) {
        uint64_t first = (uint64_t)(round % (NZ - 4));
        tomocut_volume out = volume_of(slices, TOMOCUT_DTYPE_F32, 4, NY, NX);
        CHECK_OK(tomocut_tomogram_read(tomogram, first, &out, NULL));
        CHECK(memcmp(slices, host_volume[first], sizeof(float) * 4 * NY * NX) == 0);
        CHECK_STATUS(TOMOCUT_E_INVALID_ARGUMENT, tomocut_tomogram_read(tomogram, NZ, &out, NULL));
        CHECK(strstr(tomocut_last_error(), "z_first") != NULL);
    }
    tomocut_tomogram_free(tomogram);
    free(slices);
    return NULL;
}

static void many_threads_read(void) {
    tomocut_engine *engine = new_engine(NULL, NULL);
    pthread_t threads[N_THREADS];
    for (int i = 0; i < N_THREADS; i++) {
        CHECK(pthread_create(&threads[i], NULL, read_own_tomogram, engine) == 0);
    }
    for (int i = 0; i < N_THREADS; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
    }
    tomocut_engine_free(engine);
}

int main(void) {
    for (int i = 0; i < NZ * NY * NX; i++) {
        (&host_volume[0][0][0])[i] = (float)(i % 977);
    }
    a_fork_before_the_first_engine_is_fine();
    a_forked_child_is_refused();
    many_threads_read();
    return 0;
}
