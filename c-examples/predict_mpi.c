/* A trained network over tomograms, the ranks of an MPI job sharing each of them.
 *
 *     mpicc -std=c99 -I include c-examples/predict_mpi.c -o tomocut-predict-mpi -L target/release -ltomocut
 *     mpirun -n 4 tomocut-predict-mpi results '{"outputs": ["labels"]}' my.mrc other.mrc
 *
 * MPI only counts the ranks and waits: they share their work by the files of the output folder, which all nodes must
 * see. The files have the same bytes for any number of ranks, and are those of "tomocut predict" with the same
 * settings. A job that was stopped, even by a kill, is continued when it is started again. C99.
 */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tomocut.h"

static const char usage[] =
    "Usage: mpirun -n N tomocut-predict-mpi FOLDER SETTINGS TOMOGRAM...\n"
    "\n"
    "Predicts each tomogram with all ranks. FOLDER is seen by all of them. SETTINGS is one JSON object, {} for the\n"
    "defaults: settings of the family \"predict\" (docs/settings.md), such as '{\"format\": \"zarr\"}'.\n"
    "The network is the built-in one, or the file that the environment variable TOMOCUT_MODEL names; TOMOCUT_DEVICE\n"
    "(cpu) and TOMOCUT_THREADS (1) are those of a rank.\n";

/* The exit codes of tomocut. */
enum { DONE = 0, FAILED = 1, USAGE = 2, BAD_INPUT = 3, NO_MEMORY = 4, NOT_WRITTEN = 5, CANCELLED = 130 };

static int world_rank, world_size;

static int code_of(tomocut_status status) {
    switch (status) {
        case TOMOCUT_OK:
            return DONE;
        case TOMOCUT_E_INVALID_ARGUMENT:
        case TOMOCUT_E_FORMAT:
        case TOMOCUT_E_UNSUPPORTED:
        case TOMOCUT_E_VERSION:
            return BAD_INPUT;
        case TOMOCUT_E_IO:
            return NOT_WRITTEN;
        case TOMOCUT_E_OUT_OF_MEMORY:
            return NO_MEMORY;
        case TOMOCUT_E_CANCELLED:
            return CANCELLED;
        default:
            return FAILED;
    }
}

/* The exit code of a call, after complaining where it failed. */
static int checked(tomocut_status status, const char *subject) {
    if (status != TOMOCUT_OK) {
        fprintf(stderr, "tomocut-predict-mpi, rank %d of %d: %s: %s\n", world_rank, world_size, subject,
                tomocut_last_error());
    }
    return code_of(status);
}

/* This rank's part of one tomogram; then all wait for each other, and rank 0 speaks. */
static int take(tomocut_engine *engine, const tomocut_predictor *predictor, const char *path, const char *folder,
                const char *settings) {
    tomocut_predict_options options;
    tomocut_tomogram *tomogram = NULL;
    tomocut_report *report = NULL;
    double finished = 0.0, computed = 0.0, tiles = 0.0, all_computed = 0.0, is_finished = 0.0;
    int code = checked(tomocut_tomogram_open(engine, path, NULL, &tomogram), path);
    if (code != DONE) {
        return BAD_INPUT;
    }
    tomocut_predict_options_init(&options, sizeof options);
    options.rank = (uint64_t)world_rank;
    options.size = (uint64_t)world_size;
    options.settings = settings;
    code = checked(tomocut_predictor_run(engine, predictor, tomogram, NULL, &options, folder, &report, NULL), path);
    tomocut_tomogram_free(tomogram);
    if (code != DONE) {
        return code;
    }
    tomocut_report_number(report, "/finished", &finished);
    tomocut_report_number(report, "/computed", &computed);
    tomocut_report_number(report, "/tiles", &tiles);
    tomocut_report_free(report);
    /* Whoever came last put the files in place: some rank must say so. */
    MPI_Allreduce(&finished, &is_finished, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
    MPI_Reduce(&computed, &all_computed, 1, MPI_DOUBLE, MPI_SUM, 0, MPI_COMM_WORLD);
    if (world_rank == 0) {
        printf("%s: %s by %d ranks, %.0f of %.0f tiles computed now\n", path,
               is_finished > 0.0 ? "done" : "not finished", world_size, all_computed, tiles);
        fflush(stdout);
    }
    return is_finished > 0.0 ? DONE : FAILED;
}

static int run(int argc, char **argv) {
    const char *model = getenv("TOMOCUT_MODEL"), *threads = getenv("TOMOCUT_THREADS");
    tomocut_engine_options options;
    tomocut_engine *engine = NULL;
    tomocut_predictor *predictor = NULL;
    if (argc < 4) {
        fputs(world_rank == 0 ? usage : "", stderr);
        return USAGE;
    }
    tomocut_engine_options_init(&options, sizeof options);
    options.device = getenv("TOMOCUT_DEVICE");
    options.n_threads = threads == NULL ? 1U : (uint32_t)strtoul(threads, NULL, 10);
    int code = checked(tomocut_engine_create(&options, &engine), "engine");
    if (code == DONE) {
        code = checked(model == NULL ? tomocut_predictor_builtin(engine, &predictor)
                                     : tomocut_predictor_open(engine, model, &predictor),
                       model == NULL ? "built-in network" : model);
        code = code == NOT_WRITTEN ? BAD_INPUT : code;
    }
    for (int i = 3; code == DONE && i < argc; i++) {
        code = take(engine, predictor, argv[i], argv[1], argv[2]);
    }
    tomocut_predictor_free(predictor);
    tomocut_engine_free(engine);
    return code;
}

int main(int argc, char **argv) {
    if (MPI_Init(&argc, &argv) != MPI_SUCCESS) {
        fputs("tomocut-predict-mpi: MPI cannot be started\n", stderr);
        return FAILED;
    }
    MPI_Comm_rank(MPI_COMM_WORLD, &world_rank);
    MPI_Comm_size(MPI_COMM_WORLD, &world_size);
    int code = run(argc, argv);
    if (code != DONE) {
        /* The others may wait for this rank for ever: all are ended. What they have written stays. */
        MPI_Abort(MPI_COMM_WORLD, code);
    }
    MPI_Finalize();
    return code;
}
