/* tomocut-train: a segmentation network that learns from a few labelled slices, nobody's or one's own.
 *
 *     cc -std=c99 -I include c-examples/train.c -o tomocut-train -L target/release -ltomocut -lm
 */
#define _POSIX_C_SOURCE 200809L
#include "picture_list.h"
#include "suggest.h"
#include "train_request.h"

#define MOST_OUTPUTS 64

struct session {
    tomocut_cancel *cancel;
    tomocut_engine *engine;
    tomocut_model *model;
    tomocut_trainer *trainer;
    char *checkpoint, *name_text;
    const char *names[127];
    size_t n_names;
    struct progress_display display;
};

/* "a,b,c" to names; 0 after complaining. */
static int split_names(const struct request *request, struct session *session) {
    if (request->names == NULL) {
        return 1;
    }
    session->name_text = malloc(strlen(request->names) + 1);
    if (session->name_text == NULL) {
        complain("out of memory");
        return 0;
    }
    strcpy(session->name_text, request->names);
    for (char *name = session->name_text; name != NULL;) {
        char *comma = strchr(name, ',');
        if (comma != NULL) {
            *comma = '\0';
        }
        if (*name == '\0' || session->n_names == sizeof session->names / sizeof session->names[0]) {
            complain("--names is \"%s\", must be up to 127 names with commas between them", request->names);
            return 0;
        }
        session->names[session->n_names++] = name;
        name = comma == NULL ? NULL : comma + 1;
    }
    return 1;
}

/* Reads slices `first` to `end` of the label file as bytes; the caller frees *bytes. */
static tomocut_status read_labels(struct session *session, const tomocut_tomogram *file, uint64_t first,
                                  tomocut_volume *volume, int8_t **bytes) {
    size_t n = (size_t)(volume->shape[0] * volume->shape[1] * volume->shape[2]);
    float *values = malloc(n * sizeof *values);
    *bytes = malloc(n);
    volume->data = values;
    volume->dtype = TOMOCUT_DTYPE_F32;
    tomocut_status status = values == NULL || *bytes == NULL
                                ? TOMOCUT_E_OUT_OF_MEMORY
                                : tomocut_tomogram_read(file, first, volume, session->cancel);
    for (size_t i = 0; status == TOMOCUT_OK && i < n; i++) {
        (*bytes)[i] = (int8_t)fminf(fmaxf(rintf(values[i]), -1.0f), 127.0f);
    }
    free(values);
    volume->data = *bytes;
    volume->dtype = TOMOCUT_DTYPE_I8;
    return status;
}

/* Adds labels from files. */
static enum exit_code add_files(const struct request *request, struct session *session, size_t index,
                                const tomocut_tomogram *tomogram) {
    const char *z = said_of(&request->z, index), *path = said_of(&request->labels, index);
    tomocut_geometry whole, given;
    tomocut_tomogram *file = NULL;
    tomocut_training_labels labels;
    tomocut_volume volume;
    int8_t *bytes = NULL;
    memset(&volume, 0, sizeof volume);
    tomocut_training_labels_init(&labels, sizeof labels);
    tomocut_geometry_init(&whole, sizeof whole);
    tomocut_geometry_init(&given, sizeof given);
    tomocut_status status = tomocut_tomogram_open(session->engine, path, session->cancel, &file);
    if (status != TOMOCUT_OK || (status = tomocut_tomogram_info(tomogram, &whole)) != TOMOCUT_OK ||
        (status = tomocut_tomogram_info(file, &given)) != TOMOCUT_OK) {
        tomocut_tomogram_free(file);
        return exit_code_after(status, EXIT_BAD_INPUT);
    }
    uint64_t first = 0, end = whole.shape[0];
    int is_whole = given.shape[0] == whole.shape[0];
    if (z != NULL) {
        parse_slices(z, &first, &end);
    }
    if ((!is_whole && given.shape[0] != end - first) || end > whole.shape[0]) {
        complain("%s has %llu slices, must have those of the slab %llu:%llu or all %llu of %s", path,
                 (unsigned long long)given.shape[0], (unsigned long long)first, (unsigned long long)end,
                 (unsigned long long)whole.shape[0], request->inputs[index]);
        tomocut_tomogram_free(file);
        return EXIT_BAD_INPUT;
    }
    volume.shape[0] = end - first;
    volume.shape[1] = given.shape[1];
    volume.shape[2] = given.shape[2];
    status = read_labels(session, file, is_whole ? first : 0, &volume, &bytes);
    tomocut_tomogram_free(file);
    labels.z_first = first;
    labels.labels = &volume;
    labels.names = session->n_names > 0 ? session->names : NULL;
    labels.n_names = session->n_names;
    labels.points_file = said_of(&request->points, index);
    if (status == TOMOCUT_OK) {
        status = tomocut_trainer_add_labels(session->trainer, tomogram, &labels, session->cancel);
    }
    free(bytes);
    return exit_code_after(status, EXIT_BAD_INPUT);
}

/* The slab of --z; for auto the one with most structure. */
static enum exit_code find_slab(const struct request *request, const struct session *session, size_t index,
                                const tomocut_tomogram *tomogram, tomocut_slab_options *slab) {
    const char *z = said_of(&request->z, index);
    tomocut_suggest_options options;
    struct suggestions found;
    if (strcmp(z, "auto") != 0) {
        parse_slices(z, &slab->z_first, &slab->z_end);
        return EXIT_DONE;
    }
    tomocut_suggest_options_init(&options, sizeof options);
    options.voxel_nm = request->voxel_nm;
    options.cancel = session->cancel;
    enum exit_code code = suggestions_find(&found, tomogram, &options, 1);
    if (code == EXIT_DONE && found.n_slabs == 0) {
        complain("--z auto finds no slab in %s", request->inputs[index]);
        code = EXIT_BAD_INPUT;
    }
    if (code == EXIT_DONE) {
        slab->z_first = found.slabs[0].z_first;
        slab->z_end = found.slabs[0].z_end;
        if (!request->quiet) {
            fprintf(stderr, "%s: --z %llu:%llu\n", request->inputs[index], (unsigned long long)slab->z_first,
                    (unsigned long long)slab->z_end);
        }
    }
    suggestions_free(&found);
    return code;
}

/* Segments the slab and adds what was found. */
static enum exit_code add_segmented(const struct request *request, struct session *session, size_t index,
                                    const tomocut_tomogram *tomogram) {
    tomocut_slab_options options;
    tomocut_slab *slab = NULL;
    tomocut_status status = TOMOCUT_OK;
    if (session->model == NULL) {
        status = request->diffusion == NULL
                     ? tomocut_model_builtin(session->engine, NULL, &session->model)
                     : tomocut_model_open(session->engine, request->diffusion, NULL, &session->model);
    }
    tomocut_slab_options_init(&options, sizeof options);
    enum exit_code code = exit_code_after(status, EXIT_BAD_INPUT);
    if (code == EXIT_DONE) {
        code = find_slab(request, session, index, tomogram, &options);
    }
    if (code != EXIT_DONE) {
        return code;
    }
    options.voxel_nm = request->voxel_nm;
    options.bright = request->bright;
    options.cancel = session->cancel;
    options.progress = progress_show;
    options.progress_user_data = &session->display;
    progress_begin(&session->display, request->quiet);
    if (status == TOMOCUT_OK) {
        status = tomocut_slab_segment(session->engine, session->model, tomogram, &options, &slab);
    }
    progress_end(&session->display);
    if (status == TOMOCUT_OK) {
        status = tomocut_trainer_add_slab(session->trainer, tomogram, slab, 0, session->cancel);
    }
    tomocut_slab_free(slab);
    return exit_code_after(status, EXIT_BAD_INPUT);
}

static enum exit_code add_slabs(const struct request *request, struct session *session) {
    enum exit_code code = EXIT_DONE;
    for (size_t i = 0; code == EXIT_DONE && i < request->n_inputs; i++) {
        tomocut_tomogram *tomogram = NULL;
        code = exit_code_after(tomocut_tomogram_open(session->engine, request->inputs[i], session->cancel, &tomogram),
                               EXIT_BAD_INPUT);
        if (code == EXIT_DONE) {
            code = said_of(&request->labels, i) != NULL ? add_files(request, session, i, tomogram)
                                                        : add_segmented(request, session, i, tomogram);
        }
        if (code == EXIT_DONE && request->whole) {
            code = exit_code_after(
                tomocut_trainer_add_unlabelled(session->trainer, tomogram, 0, 0, session->cancel), EXIT_BAD_INPUT);
        }
        tomocut_tomogram_free(tomogram);
    }
    return code;
}

/* Adds pictures with their masks. */
static enum exit_code add_pictures(const struct request *request, struct session *session) {
    struct path_list images, masks;
    tomocut_training_pairs pairs;
    memset(&images, 0, sizeof images);
    memset(&masks, 0, sizeof masks);
    enum exit_code code = EXIT_BAD_INPUT;
    if (picture_list_read(&images, request->images) && picture_list_read(&masks, request->masks)) {
        tomocut_training_pairs_init(&pairs, sizeof pairs);
        pairs.images = (const char *const *)images.paths;
        pairs.n_images = images.n;
        pairs.masks = (const char *const *)masks.paths;
        pairs.n_masks = masks.n;
        code = exit_code_after(tomocut_trainer_add_pairs(session->trainer, &pairs, session->cancel), EXIT_BAD_INPUT);
    }
    path_list_free(&images);
    path_list_free(&masks);
    return code;
}

static enum exit_code start(const struct request *request, struct session *session) {
    tomocut_trainer_options options;
    tomocut_status status = tomocut_cancel_create(&session->cancel);
    if (status != TOMOCUT_OK) {
        return exit_code_after(status, EXIT_FAILED);
    }
    cancel_at_ctrl_c(session->cancel);
    if (!split_names(request, session)) {
        return EXIT_USAGE;
    }
    session->checkpoint = malloc(strlen(request->out) + sizeof ".checkpoint");
    if (session->checkpoint == NULL) {
        complain("out of memory");
        return EXIT_NO_MEMORY;
    }
    sprintf(session->checkpoint, "%s.checkpoint", request->out);
    status = start_engine(request->device, request->threads, request->quiet, &session->engine);
    if (status != TOMOCUT_OK) {
        return exit_code_after(status, EXIT_USAGE);
    }
    tomocut_trainer_options_init(&options, sizeof options);
    options.start = request->start;
    options.network_json = request->network;
    options.pretrained = request->pretrained;
    options.first_stage = request->first_stage;
    options.conditioning = request->conditioning;
    options.latent_loss = request->no_latent_loss ? TOMOCUT_SWITCH_OFF : TOMOCUT_SWITCH_DEFAULT;
    options.mask_loss = request->no_mask_loss ? TOMOCUT_SWITCH_OFF : TOMOCUT_SWITCH_DEFAULT;
    options.frozen_encoder = request->frozen_encoder;
    options.scratch = request->scratch;
    options.preset = request->preset;
    options.optimiser = request->optimiser;
    options.schedule = request->schedule;
    options.validation_share = request->validation;
    options.patience = request->patience;
    options.rounds = (uint32_t)request->rounds;
    options.mixed_precision = request->mixed_precision ? TOMOCUT_SWITCH_ON : TOMOCUT_SWITCH_DEFAULT;
    options.loss = request->loss;
    options.steps = request->steps;
    options.seed = request->seed;
    memcpy(options.window, request->window, sizeof options.window);
    options.rate = request->rate;
    options.foreground = request->foreground;
    options.voxel_nm = request->voxel_nm;
    options.batch = (uint32_t)request->batch;
    options.bright = request->bright;
    options.augment = request->no_augment ? TOMOCUT_SWITCH_OFF : TOMOCUT_SWITCH_DEFAULT;
    return exit_code_after(tomocut_trainer_create(session->engine, &options, &session->trainer), EXIT_BAD_INPUT);
}

static void tell(const struct request *request, const tomocut_trainer_state *state) {
    if (!request->quiet) {
        fprintf(stderr, "step %llu of %llu", (unsigned long long)state->step, (unsigned long long)state->steps);
        if (isfinite(state->loss)) {
            fprintf(stderr, ", loss %.4f", state->loss);
        }
        if (isfinite(state->score)) {
            fprintf(stderr, ", score %.3f (best %.3f at step %llu)", state->score, state->best_score,
                    (unsigned long long)state->best_step);
        }
        if (state->round > 0) {
            fprintf(stderr, ", round %u of self-training", (unsigned)state->round);
        }
        fputc('\n', stderr);
    }
}

/* Trains between checkpoints until the steps or the minutes are over. */
static enum exit_code train(const struct request *request, struct session *session, tomocut_trainer_state *state) {
    tomocut_train_options options;
    double left = request->minutes > 0.0 ? request->minutes : HUGE_VAL;
    tomocut_status status = TOMOCUT_OK;
    tomocut_train_options_init(&options, sizeof options);
    options.cancel = session->cancel;
    options.progress = progress_show;
    options.progress_user_data = &session->display;
    if (!request->again && access(session->checkpoint, F_OK) == 0) {
        status = tomocut_trainer_resume(session->trainer, session->checkpoint);
        if (status != TOMOCUT_OK) {
            enum exit_code code = exit_code_after(status, EXIT_BAD_INPUT);
            complain("--again begins afresh and writes over the checkpoint");
            return code;
        }
    }
    status = tomocut_trainer_info(session->trainer, state);
    progress_begin(&session->display, request->quiet);
    while (status == TOMOCUT_OK && !state->finished && left > 0.0) {
        options.minutes = fmin(left, request->every);
        left -= options.minutes;
        status = tomocut_trainer_run(session->engine, session->trainer, &options);
        progress_end(&session->display);
        if (status == TOMOCUT_OK) {
            status = tomocut_trainer_save(session->trainer, session->checkpoint);
        }
        if (status == TOMOCUT_OK && (status = tomocut_trainer_info(session->trainer, state)) == TOMOCUT_OK) {
            tell(request, state);
        }
    }
    enum exit_code code = exit_code_after(status, status == TOMOCUT_E_IO ? EXIT_NOT_WRITTEN : EXIT_BAD_INPUT);
    if (code == EXIT_CANCELLED) {
        /* The steps since the last checkpoint are whole: they are kept. */
        status = tomocut_trainer_save(session->trainer, session->checkpoint);
        if (status == TOMOCUT_OK) {
            tomocut_trainer_info(session->trainer, state);
        } else {
            exit_code_after(status, EXIT_NOT_WRITTEN);
        }
    }
    if (code != EXIT_DONE && state->step > 0) {
        complain("%s holds step %llu; the same command goes on from there", session->checkpoint,
                 (unsigned long long)state->step);
    }
    return code;
}

/* Says how well the labels are fitted. */
static enum exit_code report(const struct request *request, struct session *session, const tomocut_trainer_state *state) {
    tomocut_output_score scores[MOST_OUTPUTS];
    size_t n = 0;
    tomocut_status status =
        tomocut_trainer_score(session->engine, session->trainer, 16, scores, MOST_OUTPUTS, &n);
    if (status != TOMOCUT_OK) {
        return exit_code_after(status, EXIT_FAILED);
    }
    if (request->json) {
        fputs("{\"model\": ", stdout);
        print_json_text(stdout, request->out);
        printf(", \"step\": %llu, \"steps\": %llu, \"slabs\": %llu", (unsigned long long)state->step,
               (unsigned long long)state->steps, (unsigned long long)state->learnt);
        if (isfinite(state->loss)) {
            printf(", \"loss\": %.6f", state->loss);
        }
        if (isfinite(state->score)) {
            printf(", \"best_score\": %.6f, \"best_step\": %llu", state->best_score, (unsigned long long)state->best_step);
        }
        fputs(", \"fit\": {", stdout);
        for (size_t i = 0; i < n; i++) {
            fputs(i == 0 ? "" : ", ", stdout);
            print_json_text(stdout, scores[i].name);
            printf(": {\"dice\": %.4f, \"mean_probability\": %.5f, \"mean_truth\": %.5f}", scores[i].dice,
                   scores[i].mean_probability, scores[i].mean_truth);
        }
        puts("}}");
    } else if (!request->quiet) {
        for (size_t i = 0; i < n; i++) {
            printf("%s: Dice %.3f with the labels %s\n", scores[i].name, scores[i].dice,
                   isfinite(state->score) ? "held out" : "learnt from");
        }
        printf("%s\n", request->out);
    }
    return EXIT_DONE;
}

static enum exit_code run(const struct request *request, struct session *session) {
    tomocut_trainer_state state;
    tomocut_trainer_state_init(&state, sizeof state);
    enum exit_code code = start(request, session);
    if (code == EXIT_DONE) {
        code = add_slabs(request, session);
    }
    if (code == EXIT_DONE && request->images != NULL) {
        code = add_pictures(request, session);
    }
    if (code == EXIT_DONE) {
        code = train(request, session, &state);
    }
    if (code == EXIT_DONE) {
        code = exit_code_after(tomocut_trainer_export(session->trainer, request->out), EXIT_NOT_WRITTEN);
    }
    if (code == EXIT_DONE && state.finished) {
        unlink(session->checkpoint);
    }
    return code == EXIT_DONE ? report(request, session, &state) : code;
}

int main(int argc, char **argv) {
    static struct request request;
    static struct session session;
    program_name = "tomocut-train";
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
    progress_end(&session.display);
    cancel_on_signal = NULL;
    tomocut_trainer_free(session.trainer);
    tomocut_model_free(session.model);
    tomocut_engine_free(session.engine);
    tomocut_cancel_free(session.cancel);
    free(session.checkpoint);
    free(session.name_text);
    return (int)code;
}
