/* tomocut-adapt: the built-in model, trained on for some minutes on a data set's own voxels.
 *
 *     cc -std=c99 -I include c-examples/adapt.c -o tomocut-adapt -L target/release -ltomocut -lm
 */
#define _POSIX_C_SOURCE 200809L
#include "command_line.h"

#define MOST_TOMOGRAMS 64

static const char help[] =
    "Usage: tomocut-adapt TOMOGRAM... --out MODEL.safetensors [options]\n"
    "\n"
    "Adapts a model to tomograms of one kind (microscope, voxel size, sample), up to 64 of them. Nothing has to be\n"
    "annotated. The result is for --model of tomocut-slab and tomocut-denoise.\n"
    "\n"
    "  --out FILE           the adapted model\n"
    "  --model FILE         the model to start from (default: the built-in one)\n"
    "  --steps N            training steps (default: 200)\n"
    "  --batch N            crops per step (default: 12)\n"
    "  --seed N             seed of every random draw (default: 1)\n"
    "  --voxel-nm X         edge of a voxel, where the files' is wrong or unknown\n"
    "  --snr X              variance of the signal over variance of the noise (default: estimated)\n"
    "  --bright             structures are brighter than their surroundings\n"
    "  --device NAME        cpu (default), cuda or cuda:N\n"
    "  --threads N          threads (default: as many as this process may use)\n"
    "  --quiet              no progress, no text but errors\n"
    "  --help, --version\n"
    "\n";

struct request {
    const char *inputs[MOST_TOMOGRAMS];
    size_t n_inputs;
    const char *out, *model, *device;
    uint64_t steps, batch, seed, threads;
    double voxel_nm, snr;
    int bright, quiet, help, version;
};

struct session {
    tomocut_cancel *cancel;
    tomocut_engine *engine;
    tomocut_tomogram *tomograms[MOST_TOMOGRAMS];
    struct progress_display display;
};

static int parse_request(int argc, char **argv, struct request *request) {
    const struct argument arguments[] = {
        {"--out", TEXT, &request->out},         {"--model", TEXT, &request->model},
        {"--steps", COUNT, &request->steps},    {"--batch", COUNT, &request->batch},
        {"--seed", COUNT, &request->seed},      {"--voxel-nm", NUMBER, &request->voxel_nm},
        {"--snr", NUMBER, &request->snr},       {"--bright", SWITCH, &request->bright},
        {"--device", TEXT, &request->device},   {"--threads", COUNT, &request->threads},
        {"--quiet", SWITCH, &request->quiet},   {"--help", SWITCH, &request->help},
        {"--version", SWITCH, &request->version},
    };
    memset(request, 0, sizeof *request);
    if (!parse_arguments(argc, argv, arguments, sizeof arguments / sizeof arguments[0], request->inputs, MOST_TOMOGRAMS,
                         &request->n_inputs)) {
        return 0;
    }
    if (request->help || request->version) {
        return 1;
    }
    if (request->n_inputs == 0 || request->out == NULL) {
        complain("%s; see --help", request->out == NULL ? "no --out given" : "no tomogram given");
        return 0;
    }
    if (request->threads > 1024 || request->batch > 256) {
        complain("--threads must be 0 to 1024 and --batch 0 to 256");
        return 0;
    }
    return 1;
}

static enum exit_code run(const struct request *request, struct session *session) {
    tomocut_adapt_options options;
    tomocut_status status = tomocut_cancel_create(&session->cancel);
    if (status != TOMOCUT_OK) {
        return exit_code_after(status, EXIT_FAILED);
    }
    cancel_at_ctrl_c(session->cancel);
    progress_begin(&session->display, request->quiet);
    status = start_engine(request->device, request->threads, request->quiet, &session->engine);
    if (status != TOMOCUT_OK) {
        return exit_code_after(status, EXIT_USAGE);
    }
    for (size_t i = 0; i < request->n_inputs; i++) {
        status = tomocut_tomogram_open(session->engine, request->inputs[i], session->cancel, &session->tomograms[i]);
        if (status != TOMOCUT_OK) {
            return exit_code_after(status, EXIT_BAD_INPUT);
        }
    }
    tomocut_adapt_options_init(&options, sizeof options);
    options.steps = request->steps;
    options.batch = (uint32_t)request->batch;
    options.seed = request->seed;
    options.voxel_nm = request->voxel_nm;
    options.snr = request->snr;
    options.bright = request->bright;
    options.cancel = session->cancel;
    options.progress = progress_show;
    options.progress_user_data = &session->display;
    status = tomocut_model_adapt(session->engine, request->model, (const tomocut_tomogram *const *)session->tomograms,
                                 request->n_inputs, &options, request->out);
    progress_end(&session->display);
    return exit_code_after(status, status == TOMOCUT_E_IO ? EXIT_NOT_WRITTEN : EXIT_BAD_INPUT);
}

int main(int argc, char **argv) {
    static struct request request;
    static struct session session;
    program_name = "tomocut-adapt";
    if (!parse_request(argc, argv, &request)) {
        return EXIT_USAGE;
    }
    if (request.help) {
        printf("%s%s", help, exit_code_help);
        return EXIT_DONE;
    }
    if (!library_fits()) {
        return EXIT_FAILED;
    }
    if (request.version) {
        print_version();
        return EXIT_DONE;
    }
    enum exit_code code = run(&request, &session);
    if (code == EXIT_DONE && !request.quiet) {
        printf("%s\n", request.out);
    }
    cancel_on_signal = NULL;
    for (size_t i = 0; i < request.n_inputs; i++) {
        tomocut_tomogram_free(session.tomograms[i]);
    }
    tomocut_engine_free(session.engine);
    tomocut_cancel_free(session.cancel);
    return (int)code;
}
