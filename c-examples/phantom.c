/* tomocut-phantom: a simulated tomogram with exact truth.
 *
 *     cc -std=c99 -I include c-examples/phantom.c -o tomocut-phantom -L target/release -ltomocut -lm
 */
#define _POSIX_C_SOURCE 200809L
#include "command_line.h"

static const char help[] =
    "Usage: tomocut-phantom [options]\n"
    "\n"
    "Simulates a tomogram of membranes, molecules and filaments: a drawn specimen, tilted, imaged and\n"
    "reconstructed. Writes <stem>.mrc, its two parts <stem>_signal.mrc and <stem>_noise.mrc, the truth\n"
    "<stem>_labels.mrc (0 background, 1 membrane, 2 molecule, 3 filament) and <stem>_instances.csv,\n"
    "<stem>_parameters.json, and the picture <stem>_preview.png: tomogram, signal and labels of the middle\n"
    "slice, and below of the middle section across y.\n"
    "\n"
    "  --out DIR            folder for the files; made where missing (default: .)\n"
    "  --stem NAME          how their names begin (default: phantom)\n"
    "  --size XxYxZ         extents in voxels, 8 to 1024 each (default: 256x256x128)\n"
    "  --voxel-nm X         edge of a voxel, 0.2 to 10 (default: 1)\n"
    "  --snr X              variance of the signal over variance of the noise (default: 0.2)\n"
    "  --seed N             seed of specimen, optics and noise (default: 1)\n"
    "  --density FILE.mrc   also place this molecule (bright in the file); may be given up to 32 times. Its species\n"
    "                       number follows those of the drawn molecules. Threshold, number of copies and so on\n"
    "                       go into --parameters, as {\"densities\": [{\"path\": \"a.mrc\", \"copies\": 5}]}\n"
    "  --parameters FILE    JSON object with any other setting, named as in <stem>_parameters.json\n"
    "  --device NAME        cpu (default), cuda or cuda:N\n"
    "  --threads N          threads (default: as many as this process may use)\n"
    "  --quiet              no progress, no text but errors\n"
    "  --help, --version\n"
    "\n";

struct request {
    const char *out, *stem, *size, *parameters, *device;
    struct text_list densities;
    double voxel_nm, snr;
    uint64_t seed, threads;
    int quiet, help, version;
};

/* "XxYxZ" to extents z, y, x. */
static int parse_size(const char *text, uint64_t shape[3]) {
    char copy[64], *rest = copy;
    if (strlen(text) >= sizeof copy) {
        return 0;
    }
    strcpy(copy, text);
    for (int axis = 2; axis >= 0; axis--) {
        char *cross = strchr(rest, 'x');
        if ((cross == NULL) != (axis == 0)) {
            return 0;
        }
        if (cross != NULL) {
            *cross = '\0';
        }
        if (!parse_count(rest, &shape[axis])) {
            return 0;
        }
        if (cross != NULL) {
            rest = cross + 1;
        }
    }
    return 1;
}

/* The whole file, with a NUL at its end; the caller frees it. */
static char *read_text(const char *path) {
    FILE *file = fopen(path, "rb");
    char *text = NULL;
    size_t length = 0, capacity = 0;
    if (file == NULL) {
        complain("reading %s: %s", path, strerror(errno));
        return NULL;
    }
    do {
        char *larger = realloc(text, capacity += 4096);
        if (larger == NULL) {
            break;
        }
        text = larger;
        length += fread(text + length, 1, capacity - length - 1, file);
    } while (length == capacity - 1);
    if (text == NULL || length == capacity - 1 || ferror(file)) {
        complain("reading %s failed", path);
        free(text);
        text = NULL;
    } else {
        text[length] = '\0';
    }
    fclose(file);
    return text;
}

/* `parameters` (a JSON object, or NULL for none) with the density files added; the caller frees it. */
static char *with_densities(const char *parameters, const struct text_list *files) {
    const char *object = parameters == NULL ? "{}" : parameters;
    const char *close = strrchr(object, '}');
    char *text = NULL;
    size_t length = 0, last;
    FILE *out = close == NULL ? NULL : open_memstream(&text, &length);
    if (out == NULL) {
        complain("%s", close == NULL ? "the parameters are no JSON object" : "out of memory");
        return NULL;
    }
    for (last = (size_t)(close - object); last > 0 && strchr(" \t\r\n", object[last - 1]) != NULL; last--) {
    }
    fwrite(object, 1, last, out);
    fputs(last > 0 && object[last - 1] == '{' ? "\"densities\": [" : ", \"densities\": [", out);
    for (size_t i = 0; i < files->n; i++) {
        fputs(i == 0 ? "{\"path\": " : ", {\"path\": ", out);
        print_json_text(out, files->items[i]);
        fputc('}', out);
    }
    fprintf(out, "]%s", close);
    if (fclose(out) != 0) {
        complain("out of memory");
        free(text);
        return NULL;
    }
    return text;
}

/* The JSON of --parameters and --density, NULL where there is none; the caller frees it. */
static enum exit_code read_parameters(const struct request *request, char **parameters) {
    *parameters = NULL;
    if (request->parameters != NULL && (*parameters = read_text(request->parameters)) == NULL) {
        return EXIT_BAD_INPUT;
    }
    if (request->densities.n == 0) {
        return EXIT_DONE;
    }
    for (size_t i = 0; i < request->densities.n; i++) {
        if (access(request->densities.items[i], R_OK) != 0) {
            complain("reading %s: %s", request->densities.items[i], strerror(errno));
            return EXIT_BAD_INPUT;
        }
    }
    char *joined = with_densities(*parameters, &request->densities);
    free(*parameters);
    *parameters = joined;
    return joined == NULL ? EXIT_BAD_INPUT : EXIT_DONE;
}

static int parse_request(int argc, char **argv, struct request *request, tomocut_phantom_options *options) {
    const struct argument arguments[] = {
        {"--out", TEXT, &request->out},
        {"--stem", TEXT, &request->stem},
        {"--size", TEXT, &request->size},
        {"--parameters", TEXT, &request->parameters},
        {"--density", TEXT_LIST, &request->densities},
        {"--device", TEXT, &request->device},
        {"--voxel-nm", NUMBER, &request->voxel_nm},
        {"--snr", NUMBER, &request->snr},
        {"--seed", COUNT, &request->seed},
        {"--threads", COUNT, &request->threads},
        {"--quiet", SWITCH, &request->quiet},
        {"--help", SWITCH, &request->help},
        {"--version", SWITCH, &request->version},
    };
    memset(request, 0, sizeof *request);
    request->out = ".";
    request->stem = "phantom";
    size_t none = 0;
    if (!parse_arguments(argc, argv, arguments, sizeof arguments / sizeof arguments[0], NULL, 0, &none)) {
        return 0;
    }
    if (request->threads > 1024) {
        complain("--threads is %llu, must be 0 to 1024", (unsigned long long)request->threads);
        return 0;
    }
    tomocut_phantom_options_init(options, sizeof *options);
    if (request->size != NULL && !parse_size(request->size, options->shape)) {
        complain("--size is \"%s\", must be XxYxZ, such as 256x256x64", request->size);
        return 0;
    }
    options->voxel_nm = request->voxel_nm;
    options->snr = request->snr;
    options->seed = request->seed;
    return 1;
}

static enum exit_code simulate(const struct request *request, tomocut_phantom_options *options) {
    tomocut_engine *engine = NULL;
    tomocut_cancel *cancel = NULL;
    struct progress_display display;
    tomocut_status status = tomocut_cancel_create(&cancel);
    if (status != TOMOCUT_OK) {
        return exit_code_after(status, EXIT_FAILED);
    }
    cancel_at_ctrl_c(cancel);
    progress_begin(&display, request->quiet);
    options->cancel = cancel;
    options->progress = progress_show;
    options->progress_user_data = &display;

    status = start_engine(request->device, request->threads, request->quiet, &engine);
    if (status == TOMOCUT_OK) {
        status = tomocut_phantom_simulate(engine, options, request->out, request->stem);
    }
    progress_end(&display);
    enum exit_code code =
        exit_code_after(status, status == TOMOCUT_E_INVALID_ARGUMENT ? EXIT_USAGE : EXIT_NOT_WRITTEN);
    cancel_on_signal = NULL;
    tomocut_engine_free(engine);
    tomocut_cancel_free(cancel);
    return code;
}

int main(int argc, char **argv) {
    struct request request;
    tomocut_phantom_options options;
    char *parameters = NULL;
    program_name = "tomocut-phantom";
    if (!parse_request(argc, argv, &request, &options)) {
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
    enum exit_code code = read_parameters(&request, &parameters);
    if (code == EXIT_DONE) {
        options.parameters_json = parameters;
        code = simulate(&request, &options);
    }
    free(parameters);
    if (code == EXIT_DONE && !request.quiet) {
        static const char *const files[] = {".mrc",           "_signal.mrc",      "_noise.mrc",  "_labels.mrc",
                                            "_instances.csv", "_parameters.json", "_preview.png"};
        for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
            printf("%s/%s%s\n", request.out, request.stem, files[i]);
        }
    }
    return (int)code;
}
