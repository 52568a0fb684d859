/* tomocut-predict-mpi: a trained network over tomograms, the ranks of an MPI job sharing each of them.
 *
 *     mpicc -std=c99 -I include c-examples/predict_mpi.c -o tomocut-predict-mpi -L target/release -ltomocut -lm
 *     mpirun -n 4 tomocut-predict-mpi my.mrc --out results --threads 4
 *
 * MPI only counts the ranks and waits: they share their work by the files of the output folder, which all nodes must see.
 * The files have the same bytes for any number of ranks, and are those of tomocut-predict with the same options.
 */
#define _POSIX_C_SOURCE 200809L
#include <mpi.h>

#include "command_line.h"
#include "tomogram_list.h"

#define MOST_INPUTS 4096

static const char help[] =
    "Usage: mpirun -n N tomocut-predict-mpi TOMOGRAM... | FOLDER --out DIR [options]\n"
    "\n"
    "Runs a segmentation network over tomograms, each of them shared by all ranks. Writes what tomocut-predict writes, with\n"
    "the same bytes for any number of ranks. A job that was stopped, even by a kill, goes on where it was when it is\n"
    "started again. The first error of any rank ends the job with that rank's exit code.\n"
    "\n"
    "  --model FILE         the network (safetensors; default: the built-in one)\n"
    "  --out DIR            folder for the results, seen by all ranks; made where missing\n"
    "  --format NAME        mrc (default) or zarr\n"
    "  --labels             only labels\n"
    "  --probabilities      only probabilities\n"
    "  --memory SIZE        what slices and tiles of each rank may take, such as 1.5G or 800M (default: 1G)\n"
    "  --device NAME        cpu (default), cuda or cuda:N, on every rank\n"
    "  --threads N          threads of each rank (default: 1)\n"
    "  --quiet              no progress, no text but errors\n"
    "  --help, --version\n"
    "\n";

struct request {
    const char *inputs[MOST_INPUTS];
    size_t n_inputs;
    const char *model, *out, *format, *memory_text, *device;
    uint64_t memory, threads;
    int labels, probabilities, quiet, help, version;
};

struct session {
    tomocut_cancel *cancel;
    tomocut_engine *engine;
    tomocut_predictor *predictor;
    struct path_list tomograms;
    struct progress_display display;
    int rank, size;
};

static int parse_request(int argc, char **argv, struct request *request) {
    const struct argument arguments[] = {
        {"--model", TEXT, &request->model},
        {"--out", TEXT, &request->out},
        {"--format", TEXT, &request->format},
        {"--labels", SWITCH, &request->labels},
        {"--probabilities", SWITCH, &request->probabilities},
        {"--memory", TEXT, &request->memory_text},
        {"--device", TEXT, &request->device},
        {"--threads", COUNT, &request->threads},
        {"--quiet", SWITCH, &request->quiet},
        {"--help", SWITCH, &request->help},
        {"--version", SWITCH, &request->version},
    };
    request->threads = 1;
    if (!parse_arguments(argc, argv, arguments, sizeof arguments / sizeof arguments[0], request->inputs, MOST_INPUTS,
                         &request->n_inputs)) {
        return 0;
    }
    if (request->help || request->version) {
        return 1;
    }
    if (request->n_inputs == 0 || request->out == NULL) {
        complain("no %s given; see --help", request->n_inputs == 0 ? "tomogram" : "--out");
        return 0;
    }
    if (request->memory_text != NULL && !parse_bytes(request->memory_text, &request->memory)) {
        complain("--memory is \"%s\", must be a size such as 1.5G or 800M", request->memory_text);
        return 0;
    }
    if (request->threads < 1 || request->threads > 1024) {
        complain("--threads is %llu, must be 1 to 1024", (unsigned long long)request->threads);
        return 0;
    }
    return 1;
}

/* Of a folder all tomograms are taken; results are kept apart from them by their own folder. */
static int is_no_result(const char *name, void *data) {
    (void)name;
    (void)data;
    return 0;
}

static enum exit_code start(const struct request *request, struct session *session) {
    tomocut_status status = tomocut_cancel_create(&session->cancel);
    if (status != TOMOCUT_OK) {
        return exit_code_after(status, EXIT_FAILED);
    }
    cancel_at_ctrl_c(session->cancel);
    status = start_engine(request->device, request->threads, request->quiet, &session->engine);
    if (status != TOMOCUT_OK) {
        return exit_code_after(status, EXIT_USAGE);
    }
    status = request->model == NULL ? tomocut_predictor_builtin(session->engine, &session->predictor)
                                    : tomocut_predictor_open(session->engine, request->model, &session->predictor);
    if (status != TOMOCUT_OK) {
        return exit_code_after(status, EXIT_BAD_INPUT);
    }
    for (size_t i = 0; i < request->n_inputs; i++) {
        if (!tomogram_list_take(&session->tomograms, request->inputs[i], is_no_result, NULL)) {
            return EXIT_BAD_INPUT;
        }
    }
    return make_folder(request->out) ? EXIT_DONE : EXIT_NOT_WRITTEN;
}

/* This rank's part of one tomogram; then all wait for each other, and rank 0 tells. */
static enum exit_code take(const struct request *request, struct session *session, const char *path) {
    tomocut_predict_options options;
    tomocut_predict_report report;
    tomocut_tomogram *tomogram = NULL;
    tomocut_predict_options_init(&options, sizeof options);
    tomocut_predict_report_init(&report, sizeof report);
    options.outputs = (request->labels ? TOMOCUT_PREDICT_LABELS : 0U) |
                      (request->probabilities ? TOMOCUT_PREDICT_PROBABILITIES : 0U);
    options.format = request->format;
    options.memory = request->memory;
    options.rank = (uint64_t)session->rank;
    options.size = (uint64_t)session->size;
    options.cancel = session->cancel;
    options.progress = progress_show;
    options.progress_user_data = &session->display;
    progress_begin(&session->display, request->quiet || session->rank != 0);
    tomocut_status status = tomocut_tomogram_open(session->engine, path, session->cancel, &tomogram);
    int is_open = status == TOMOCUT_OK;
    if (is_open) {
        status = tomocut_predictor_run(session->engine, session->predictor, tomogram, &options, request->out, &report);
    }
    progress_end(&session->display);
    tomocut_tomogram_free(tomogram);
    if (status != TOMOCUT_OK) {
        return exit_code_after(status, is_open && status == TOMOCUT_E_IO ? EXIT_NOT_WRITTEN : EXIT_BAD_INPUT);
    }
    /* Whoever came last put the files in place: some rank must say so. */
    uint64_t mine = report.computed, all = 0;
    int finished = 0;
    MPI_Allreduce(&report.finished, &finished, 1, MPI_INT, MPI_LOR, MPI_COMM_WORLD);
    MPI_Reduce(&mine, &all, 1, MPI_UINT64_T, MPI_SUM, 0, MPI_COMM_WORLD);
    if (session->rank == 0 && !request->quiet) {
        printf("%s: %s by %d ranks, %llu of %llu tiles computed now\n", path, finished ? "done" : "not finished",
               session->size, (unsigned long long)all, (unsigned long long)report.tiles);
        fflush(stdout);
    }
    if (!finished) {
        complain("%s: all ranks are done, but tiles are missing", path);
        return EXIT_FAILED;
    }
    return EXIT_DONE;
}

static enum exit_code run(int argc, char **argv, struct session *session) {
    static struct request request;
    if (!parse_request(argc, argv, &request)) {
        return EXIT_USAGE;
    }
    if (request.help || request.version) {
        if (session->rank == 0 && request.help) {
            printf("%s%s", help, exit_code_help);
        } else if (session->rank == 0) {
            print_version();
        }
        return EXIT_DONE;
    }
    if (!library_fits()) {
        return EXIT_FAILED;
    }
    enum exit_code code = start(&request, session);
    for (size_t i = 0; code == EXIT_DONE && i < session->tomograms.n; i++) {
        code = take(&request, session, session->tomograms.paths[i]);
    }
    return code;
}

int main(int argc, char **argv) {
    static struct session session;
    static char name[64];
    program_name = "tomocut-predict-mpi";
    if (MPI_Init(&argc, &argv) != MPI_SUCCESS) {
        complain("MPI cannot be started");
        return EXIT_FAILED;
    }
    MPI_Comm_rank(MPI_COMM_WORLD, &session.rank);
    MPI_Comm_size(MPI_COMM_WORLD, &session.size);
    snprintf(name, sizeof name, "tomocut-predict-mpi, rank %d of %d", session.rank, session.size);
    program_name = session.size > 1 ? name : program_name;
    enum exit_code code = run(argc, argv, &session);
    if (code != EXIT_DONE) {
        /* The others may wait for this rank for ever: all are ended. What they have written stays for the next start. */
        MPI_Abort(MPI_COMM_WORLD, (int)code);
    }
    cancel_on_signal = NULL;
    path_list_free(&session.tomograms);
    tomocut_predictor_free(session.predictor);
    tomocut_engine_free(session.engine);
    tomocut_cancel_free(session.cancel);
    MPI_Finalize();
    return (int)code;
}
