/* What the programs share: arguments, exit codes, progress, Ctrl-C. C99 and POSIX. */
#ifndef TOMOCUT_COMMAND_LINE_H
#define TOMOCUT_COMMAND_LINE_H

#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tomocut.h"

/* Exit codes, as --help prints them. */
enum exit_code {
    EXIT_DONE = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    EXIT_BAD_INPUT = 3,
    EXIT_NO_MEMORY = 4,
    EXIT_NOT_WRITTEN = 5,
    EXIT_CANCELLED = 130
};

static const char exit_code_help[] =
    "Exit codes:\n"
    "  0    done\n"
    "  1    failed for another reason: the device, a defect of the library\n"
    "  2    wrong arguments; nothing was read\n"
    "  3    the tomogram or the model cannot be read, or the request does not fit it\n"
    "  4    out of memory\n"
    "  5    a result cannot be written; no file is half-written\n"
    "  130  cancelled by Ctrl-C; no file is half-written\n";

static const char *program_name = "tomocut";

/* Human text goes to stderr, so that stdout stays clean for --json. */
static void complain(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "%s: ", program_name);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
}

/* ---- arguments: --name value, --name=value, --switch ---- */

/* OPTIONAL_COUNT takes the next word where that is a number, and is 1 otherwise. TEXT_LIST may be given again and again. */
enum argument_kind { SWITCH, TEXT, TEXT_LIST, NUMBER, COUNT, OPTIONAL_COUNT };

struct text_list {
    const char *items[32];
    size_t after[32]; /* how many arguments without dashes stood before it */
    size_t n;
};

struct argument {
    const char *name; /* with its dashes */
    enum argument_kind kind;
    void *target; /* int, const char *, struct text_list, double or uint64_t */
};

static int parse_count(const char *text, uint64_t *value) {
    char *end = NULL;
    errno = 0;
    unsigned long long parsed = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || text[0] < '0' || text[0] > '9') {
        return 0;
    }
    *value = parsed;
    return 1;
}

static int parse_number(const char *text, double *value) {
    char *end = NULL;
    errno = 0;
    double parsed = strtod(text, &end);
    if (errno != 0 || end == text || *end != '\0' || !isfinite(parsed)) {
        return 0;
    }
    *value = parsed;
    return 1;
}

/* "1.5G" to bytes. */
static inline int parse_bytes(const char *text, uint64_t *bytes) {
    static const char units[] = "KMGT";
    char *end = NULL;
    double value = strtod(text, &end);
    const char *unit = *end == '\0' ? NULL : strchr(units, *end);
    if (end == text || !(value > 0.0) || (*end != '\0' && (unit == NULL || end[1] != '\0'))) {
        return 0;
    }
    for (; unit != NULL && unit >= units; unit--) {
        value *= 1024.0;
    }
    *bytes = (uint64_t)fmin(value, 9e18);
    return *bytes > 0;
}

/* "A:B" to two numbers, A below B. */
static inline int parse_slices(const char *text, uint64_t *first, uint64_t *end) {
    char copy[48];
    const char *colon = strchr(text, ':');
    if (colon == NULL || strlen(text) >= sizeof copy) {
        return 0;
    }
    strcpy(copy, text);
    copy[colon - text] = '\0';
    return parse_count(copy, first) && parse_count(colon + 1, end) && *first < *end;
}

static int store_argument(const struct argument *argument, const char *value) {
    switch (argument->kind) {
    case SWITCH:
        *(int *)argument->target = 1;
        return 1;
    case TEXT:
        *(const char **)argument->target = value;
        return 1;
    case TEXT_LIST: {
        struct text_list *list = argument->target;
        if (list->n == sizeof list->items / sizeof list->items[0]) {
            complain("%s is given more than %zu times", argument->name, list->n);
            return 0;
        }
        list->items[list->n++] = value;
        return 1;
    }
    case NUMBER:
        if (parse_number(value, argument->target)) {
            return 1;
        }
        complain("%s is \"%s\", must be a number", argument->name, value);
        return 0;
    default:
        if (parse_count(value, argument->target)) {
            return 1;
        }
        complain("%s is \"%s\", must be a whole number, 0 or more", argument->name, value);
        return 0;
    }
}

/* Fills the targets; arguments without dashes, `most` at most, go to `positional` and are counted in *n_positional. Answers 0 after
 * complaining. */
static int parse_arguments(int argc, char **argv, const struct argument *arguments, size_t n, const char **positional,
                           size_t most, size_t *n_positional) {
    *n_positional = 0;
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        if (strncmp(word, "--", 2) != 0) {
            if (*n_positional == most) {
                complain("\"%s\" is one argument too many", word);
                return 0;
            }
            positional[(*n_positional)++] = word;
            continue;
        }
        size_t length = strcspn(word, "=");
        const struct argument *found = NULL;
        for (size_t k = 0; k < n; k++) {
            if (strlen(arguments[k].name) == length && strncmp(arguments[k].name, word, length) == 0) {
                found = &arguments[k];
            }
        }
        if (found == NULL) {
            complain("%s is no option of this program; see --help", word);
            return 0;
        }
        const char *value = NULL;
        if (word[length] == '=') {
            value = word + length + 1;
        } else if (found->kind == OPTIONAL_COUNT) {
            uint64_t ignored;
            value = i + 1 < argc && parse_count(argv[i + 1], &ignored) ? argv[++i] : "1";
        } else if (found->kind != SWITCH && i + 1 < argc) {
            value = argv[++i];
        }
        if ((value == NULL) != (found->kind == SWITCH)) {
            complain("%s %s", found->name, value == NULL ? "needs a value" : "takes no value");
            return 0;
        }
        if (!store_argument(found, value)) {
            return 0;
        }
        if (found->kind == TEXT_LIST) {
            struct text_list *list = found->target;
            list->after[list->n - 1] = *n_positional;
        }
    }
    return 1;
}

/* ---- Ctrl-C ---- */

static tomocut_cancel *volatile cancel_on_signal;

static void on_signal(int number) {
    (void)number;
    tomocut_cancel_request(cancel_on_signal);
}

/* The first Ctrl-C (or a terminate request) cancels cleanly; a second one ends the program at once. */
static void cancel_at_ctrl_c(tomocut_cancel *cancel) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    action.sa_flags = (int)(SA_RESETHAND | SA_RESTART);
    sigemptyset(&action.sa_mask);
    cancel_on_signal = cancel;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

/* ---- progress: a bar on a terminal, one line per new stage or 10 % elsewhere ---- */

struct progress_display {
    int quiet;
    int terminal;
    int bar_drawn;
    int last_tenth;
    uint64_t stages_seen;
};

static void progress_begin(struct progress_display *display, int quiet) {
    memset(display, 0, sizeof *display);
    display->quiet = quiet;
    display->terminal = isatty(STDERR_FILENO);
    display->last_tenth = -1;
}

static int32_t progress_show(const tomocut_progress *progress, void *user_data) {
    struct progress_display *display = user_data;
    if (display->quiet) {
        return 0;
    }
    int percent = (int)(progress->fraction * 100.0);
    if (display->terminal) {
        char bar[33];
        int full = (int)(progress->fraction * 32.0);
        for (int i = 0; i < 32; i++) {
            bar[i] = i < full ? '#' : '.';
        }
        bar[32] = '\0';
        fprintf(stderr, "\r[%s] %3d %%  %-14s", bar, percent, progress->stage_name);
        fflush(stderr);
        display->bar_drawn = 1;
        return 0;
    }
    uint64_t bit = UINT64_C(1) << ((unsigned)progress->stage & 63U);
    if ((display->stages_seen & bit) == 0 || percent / 10 != display->last_tenth) {
        fprintf(stderr, "%3d %%  %s\n", percent, progress->stage_name);
        display->stages_seen |= bit;
        display->last_tenth = percent / 10;
    }
    return 0;
}

static void progress_end(struct progress_display *display) {
    if (display->bar_drawn) {
        fprintf(stderr, "\r%60s\r", "");
        display->bar_drawn = 0;
    }
}

/* ---- log, errors ---- */

static void show_log(tomocut_log_level level, const char *target, const char *message, void *user_data) {
    (void)user_data;
    fprintf(stderr, "%s: %s: %s\n", level == TOMOCUT_LOG_ERROR ? "error" : "warning", target, message);
}

/* Says what failed and answers the exit code; `otherwise` is the one for files and formats. */
static enum exit_code exit_code_after(tomocut_status status, enum exit_code otherwise) {
    switch (status) {
    case TOMOCUT_OK:
        return EXIT_DONE;
    case TOMOCUT_E_CANCELLED:
        complain("%s", tomocut_last_error());
        return EXIT_CANCELLED;
    case TOMOCUT_E_OUT_OF_MEMORY:
        complain("%s", tomocut_last_error());
        return EXIT_NO_MEMORY;
    case TOMOCUT_E_INVALID_ARGUMENT:
    case TOMOCUT_E_IO:
    case TOMOCUT_E_FORMAT:
    case TOMOCUT_E_UNSUPPORTED:
    case TOMOCUT_E_VERSION:
        complain("%s", tomocut_last_error());
        return otherwise;
    default:
        complain("%s (%s)", tomocut_last_error(), tomocut_status_name(status));
        return EXIT_FAILED;
    }
}

/* An engine whose log goes to `log`, with `user_data`. */
static tomocut_status start_logging_engine(const char *device, uint64_t threads, tomocut_log_level level,
                                           tomocut_log_fn log, void *user_data, tomocut_engine **engine) {
    tomocut_engine_options options;
    tomocut_engine_options_init(&options, sizeof options);
    options.device = device;
    options.n_threads = (uint32_t)threads;
    options.log = log;
    options.log_user_data = user_data;
    options.log_level = level;
    return tomocut_engine_create(&options, engine);
}

/* An engine whose warnings (errors only where `quiet`) go to standard error. */
static inline tomocut_status start_engine(const char *device, uint64_t threads, int quiet, tomocut_engine **engine) {
    tomocut_log_level level = quiet ? TOMOCUT_LOG_ERROR : TOMOCUT_LOG_WARNING;
    return start_logging_engine(device, threads, level, show_log, NULL, engine);
}

/* ---- files ---- */

/* Where the name of a zarr folder begins in the path of it or of an array in it; NULL for other paths. */
static inline const char *zarr_name(const char *path) {
    const char *found = NULL;
    for (const char *part = path; part != NULL && *part != '\0';) {
        size_t length = strcspn(part, "/");
        if (length > 5 && strncmp(part + length - 5, ".zarr", 5) == 0) {
            found = part;
        }
        part = part[length] == '/' ? part + length + 1 : NULL;
    }
    return found;
}

/* Name of a tomogram without folder and without .mrc, .rec, .map, .st, .gz, .bz2, .zarr, .ome.zarr; "x_1" of "x.zarr/1". The
 * caller frees it. */
static inline char *stem_of(const char *path) {
    static const char *const endings[] = {".gz", ".bz2", ".mrc", ".rec", ".map", ".st"};
    const char *slash = strrchr(path, '/'), *zarr = zarr_name(path);
    const char *name = zarr != NULL ? zarr : slash == NULL ? path : slash + 1;
    char *stem = malloc(strlen(name) + 1);
    if (stem == NULL) {
        return NULL;
    }
    strcpy(stem, name);
    if (zarr != NULL) {
        size_t length = strcspn(stem, "/"), root = length - 5;
        if (root > 4 && strncmp(stem + root - 4, ".ome", 4) == 0) {
            root -= 4;
        }
        memmove(stem + root, stem + length, strlen(stem + length) + 1);
        for (size_t end = strlen(stem); end > 0 && stem[end - 1] == '/'; end--) {
            stem[end - 1] = '\0';
        }
        for (char *c = stem; *c != '\0'; c++) {
            *c = *c == '/' ? '_' : *c;
        }
        return stem;
    }
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        size_t length = strlen(stem), tail = strlen(endings[i]);
        if (length > tail && strcmp(stem + length - tail, endings[i]) == 0) {
            stem[length - tail] = '\0';
        }
    }
    return stem;
}

/* Makes the output folder where it is missing; its parent must exist. */
static inline int make_folder(const char *folder) {
    struct stat status;
    if (mkdir(folder, 0777) == 0 || (errno == EEXIST && stat(folder, &status) == 0 && S_ISDIR(status.st_mode))) {
        return 1;
    }
    complain("making the folder %s: %s", folder, strerror(errno == EEXIST ? ENOTDIR : errno));
    return 0;
}

/* ---- JSON ---- */

static inline void print_json_text(FILE *file, const char *text) {
    fputc('"', file);
    for (const unsigned char *c = (const unsigned char *)text; *c != '\0'; c++) {
        if (*c == '"' || *c == '\\') {
            fprintf(file, "\\%c", *c);
        } else if (*c < 0x20) {
            fprintf(file, "\\u%04x", *c);
        } else {
            fputc(*c, file);
        }
    }
    fputc('"', file);
}

/* ---- version ---- */

/* Header and library must be of one ABI. */
static int library_fits(void) {
    uint32_t loaded = tomocut_version();
    if (loaded / 1000 == TOMOCUT_VERSION / 1000) {
        return 1;
    }
    complain("compiled for tomocut %u.%u, but the library is %u.%u", (unsigned)(TOMOCUT_VERSION / 1000000),
             (unsigned)(TOMOCUT_VERSION / 1000 % 1000), (unsigned)(loaded / 1000000), (unsigned)(loaded / 1000 % 1000));
    return 0;
}

static void print_version(void) {
    uint32_t version = tomocut_version();
    printf("%s %u.%u.%u\n", program_name, (unsigned)(version / 1000000), (unsigned)(version / 1000 % 1000),
           (unsigned)(version % 1000));
}

#endif
