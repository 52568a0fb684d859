/* tomocut-denoise: a tomogram with its noise taken out by the built-in model, in one step.
 *
 *     cc -std=c99 -I include c-examples/denoise.c -o tomocut-denoise -L target/release -ltomocut -lm
 */
#define _POSIX_C_SOURCE 200809L
#include "command_line.h"

static const char help[] =
    "Usage: tomocut-denoise TOMOGRAM --out FILE.mrc [options]\n"
    "\n"
    "Takes the tomogram's own noise for the noise of a matched-noise model and removes it. Writes the denoised\n"
    "slices as float32, in the tomogram's grey scale, so that they overlay it.\n"
    "\n"
    "  --out FILE           the denoised tomogram\n"
    "  --z A:B              slices A to B-1, counted from 0 (default: all)\n"
    "  --model FILE         another matched-noise model, such as one that tomocut-adapt wrote\n"
    "  --snr X              variance of the signal over variance of the noise (default: estimated)\n"
    "  --voxel-nm X         edge of a voxel, where the file's is wrong or unknown\n"
    "  --bright             structures are brighter than their surroundings\n"
    "  --device NAME        cpu (default), cuda or cuda:N\n"
    "  --threads N          threads (default: as many as this process may use)\n"
    "  --quiet              no progress, no text but errors\n"
    "  --help, --version\n"
    "\n";

struct request {
    const char *input, *out, *z, *model, *device;
    double snr, voxel_nm;
    uint64_t z_first, z_end, threads;
    int bright, quiet, help, version;
};

static int parse_request(int argc, char **argv, struct request *request) {
    const struct argument arguments[] = {
        {"--out", TEXT, &request->out},           {"--z", TEXT, &request->z},
        {"--model", TEXT, &request->model},       {"--snr", NUMBER, &request->snr},
        {"--voxel-nm", NUMBER, &request->voxel_nm}, {"--bright", SWITCH, &request->bright},
        {"--device", TEXT, &request->device},     {"--threads", COUNT, &request->threads},
        {"--quiet", SWITCH, &request->quiet},     {"--help", SWITCH, &request->help},
        {"--version", SWITCH, &request->version},
    };
    size_t n_inputs = 0;
    memset(request, 0, sizeof *request);
    if (!parse_arguments(argc, argv, arguments, sizeof arguments / sizeof arguments[0], &request->input, 1, &n_inputs)) {
        return 0;
    }
    if (request->help || request->version) {
        return 1;
    }
    if (request->input == NULL || request->out == NULL) {
        complain("%s; see --help", request->input == NULL ? "no tomogram given" : "no --out given");
        return 0;
    }
    if (request->z != NULL && !parse_slices(request->z, &request->z_first, &request->z_end)) {
        complain("--z is \"%s\", must be A:B with A below B, such as 40:60", request->z);
        return 0;
    }
    if (request->threads > 1024) {
        complain("--threads is %llu, must be 0 to 1024", (unsigned long long)request->threads);
        return 0;
    }
    return 1;
}

struct session {
    tomocut_cancel *cancel;
    tomocut_engine *engine;
    tomocut_tomogram *tomogram;
    tomocut_model *model;
    struct progress_display display;
};

static enum exit_code run(const struct request *request, struct session *session) {
    tomocut_model_options model_options;
    tomocut_slab_options options;
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
    status = tomocut_tomogram_open(session->engine, request->input, session->cancel, &session->tomogram);
    if (status != TOMOCUT_OK) {
        return exit_code_after(status, EXIT_BAD_INPUT);
    }
    tomocut_model_options_init(&model_options, sizeof model_options);
    model_options.cancel = session->cancel;
    status = request->model == NULL
                 ? tomocut_model_builtin(session->engine, &model_options, &session->model)
                 : tomocut_model_open(session->engine, request->model, &model_options, &session->model);
    if (status != TOMOCUT_OK) {
        return exit_code_after(status, EXIT_BAD_INPUT);
    }
    tomocut_slab_options_init(&options, sizeof options);
    options.z_first = request->z_first;
    options.z_end = request->z_end;
    options.snr = request->snr;
    options.voxel_nm = request->voxel_nm;
    options.bright = request->bright;
    options.cancel = session->cancel;
    options.progress = progress_show;
    options.progress_user_data = &session->display;
    status = tomocut_tomogram_denoise_to_file(session->engine, session->model, session->tomogram, &options, request->out);
    progress_end(&session->display);
    return exit_code_after(status, status == TOMOCUT_E_IO ? EXIT_NOT_WRITTEN : EXIT_BAD_INPUT);
}

int main(int argc, char **argv) {
    struct request request;
    struct session session;
    program_name = "tomocut-denoise";
    memset(&session, 0, sizeof session);
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
    tomocut_model_free(session.model);
    tomocut_tomogram_free(session.tomogram);
    tomocut_engine_free(session.engine);
    tomocut_cancel_free(session.cancel);
    return (int)code;
}
