/* SPDX-License-Identifier: MIT */
/**
 * @file tomocut_loader.h
 * Loads libtomocut at run time, for hosts with a BLAS of their own (MATLAB, Octave, programs linked with -lblas), for
 * plugins, and for hosts that must start where tomocut is not installed. Header only, C99 and C++11, Linux.
 *
 * Include it in one source of the host or plugin, before anything else, and link with -ldl in place of -ltomocut. It
 * defines every function of tomocut.h, hidden within the host, as a jump through a table; so code written against
 * tomocut.h or tomocut.hpp, in this source and in all others, works as it is, function pointers included. The table is
 * filled by dlopen with RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND: the library then uses libtorch's BLAS whatever the host
 * exports.
 *
 * The library is loaded by tomocut_load, or by the first call of any function. Where that fails, calls answer a status
 * (see tomocut_load) with a text in tomocut_last_error; those that answer none do nothing. A library stays loaded until
 * the process ends. Under AddressSanitizer, which RTLD_DEEPBIND would break, that flag is left out.
 */
#ifndef TOMOCUT_LOADER_H
#define TOMOCUT_LOADER_H

#ifdef TOMOCUT_H
#error "include tomocut_loader.h before tomocut.h: it decides how its functions are declared"
#endif
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1 /**< For RTLD_DEEPBIND. */
#endif
#include <dlfcn.h>
#ifndef RTLD_DEEPBIND
#error "include tomocut_loader.h before the system's headers, or define _GNU_SOURCE: RTLD_DEEPBIND is missing"
#endif
#include <elf.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef TOMOCUT_API
#define TOMOCUT_API __attribute__((visibility("hidden")))
#endif
#include "tomocut.h"
#include "tomocut/functions.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One definition for the whole host, whatever number of sources include this header. */
#define TOMOCUT_LOADER_PART __attribute__((weak, visibility("hidden")))

/** The functions of tomocut.h, without their prefix, in its order. */
typedef struct tomocut_functions {
#define TOMOCUT_ENTRY(result, name, parameters, arguments) result(*name) parameters;
    TOMOCUT_FUNCTIONS(TOMOCUT_ENTRY, TOMOCUT_ENTRY, TOMOCUT_ENTRY)
#undef TOMOCUT_ENTRY
} tomocut_functions;

/* The loader's state: guarded by `lock`; `ready` is set last. */
typedef struct tomocut_loader_state {
    tomocut_functions functions;
    const tomocut_functions *ready;
    tomocut_status failed;
    char lock;
    char path[4096];
    char text[8192];
} tomocut_loader_state;

TOMOCUT_LOADER_PART tomocut_loader_state tomocut_loader_;

/* What is being tried: its places are collected for the message. */
typedef struct tomocut_loader_search {
    char text[6144];
    size_t length;
} tomocut_loader_search;

#if defined(__x86_64__)
#define TOMOCUT_LOADER_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define TOMOCUT_LOADER_MACHINE EM_AARCH64
#elif defined(__powerpc64__)
#define TOMOCUT_LOADER_MACHINE EM_PPC64
#else
#define TOMOCUT_LOADER_MACHINE EM_NONE
#endif

#if defined(__SANITIZE_ADDRESS__)
#define TOMOCUT_LOADER_DEEPBIND 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TOMOCUT_LOADER_DEEPBIND 0
#endif
#endif
#ifndef TOMOCUT_LOADER_DEEPBIND
#define TOMOCUT_LOADER_DEEPBIND RTLD_DEEPBIND
#endif

/* The library's file name, by the rule of its soname. */
static inline const char *tomocut_loader_soname(char *buffer, size_t size) {
    if (TOMOCUT_VERSION_MAJOR == 0) {
        snprintf(buffer, size, "libtomocut.so.0.%d", TOMOCUT_VERSION_MINOR);
    } else {
        snprintf(buffer, size, "libtomocut.so.%d", TOMOCUT_VERSION_MAJOR);
    }
    return buffer;
}

static inline const char *tomocut_loader_machine(unsigned machine) {
    return machine == EM_X86_64    ? "x86_64"
           : machine == EM_AARCH64 ? "aarch64"
           : machine == EM_386     ? "i386"
           : machine == EM_PPC64   ? "ppc64"
           : machine == EM_ARM     ? "arm"
                                   : "another architecture";
}

/* Reads the first bytes of a file that dlopen would only call "not found" or "invalid": TOMOCUT_OK where it may fit. */
static inline tomocut_status tomocut_loader_inspect(const char *path, char *text, size_t size) {
    unsigned char head[20];
    unsigned machine;
    size_t n;
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        snprintf(text, size, "%s cannot be opened: %s", path, strerror(errno));
        return TOMOCUT_E_IO;
    }
    n = fread(head, 1, sizeof head, file);
    fclose(file);
    if (n < sizeof head || memcmp(head, ELFMAG, SELFMAG) != 0) {
        snprintf(text, size, "%s is no shared library", path);
        return TOMOCUT_E_FORMAT;
    }
    machine = head[EI_DATA] == ELFDATA2MSB ? head[18] * 256U + head[19] : head[19] * 256U + head[18];
    if (TOMOCUT_LOADER_MACHINE != EM_NONE && machine != TOMOCUT_LOADER_MACHINE) {
        snprintf(text, size, "%s was built for %s (ELF machine %u), this program for %s", path,
                 tomocut_loader_machine(machine), machine, tomocut_loader_machine(TOMOCUT_LOADER_MACHINE));
        return TOMOCUT_E_UNSUPPORTED;
    }
    if (head[EI_CLASS] != (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32)) {
        snprintf(text, size, "%s has %d-bit addresses, this program %d-bit ones", path,
                 head[EI_CLASS] == ELFCLASS64 ? 64 : 32, (int)sizeof(void *) * 8);
        return TOMOCUT_E_UNSUPPORTED;
    }
    return TOMOCUT_OK;
}

/* Fills the table from an opened library. */
static inline tomocut_status tomocut_loader_fill(void *library, const char *path, tomocut_functions *functions,
                                                 char *text, size_t size) {
#define TOMOCUT_ENTRY(result, name, parameters, arguments) "tomocut_" #name,
    static const char *const names[] = {TOMOCUT_FUNCTIONS(TOMOCUT_ENTRY, TOMOCUT_ENTRY, TOMOCUT_ENTRY)};
#undef TOMOCUT_ENTRY
    uint32_t (*version)(void) = NULL;
    uint32_t found, series = TOMOCUT_VERSION_MAJOR == 0 ? 1000U : 1000000U;
    void *symbol = dlsym(library, "tomocut_version");
    size_t i;
    if (symbol == NULL) {
        snprintf(text, size, "%s is not tomocut: it has no tomocut_version", path);
        return TOMOCUT_E_FORMAT;
    }
    memcpy(&version, &symbol, sizeof version);
    found = version();
    if (found / series != TOMOCUT_VERSION / series) {
        snprintf(text, size, "%s is tomocut %u.%u.%u, %s than the %d.%d.%d that this program was built for; "
                 "%s must agree",
                 path, (unsigned)(found / 1000000U), (unsigned)(found / 1000U % 1000U), (unsigned)(found % 1000U),
                 found < TOMOCUT_VERSION ? "older" : "newer", TOMOCUT_VERSION_MAJOR, TOMOCUT_VERSION_MINOR,
                 TOMOCUT_VERSION_PATCH, TOMOCUT_VERSION_MAJOR == 0 ? "the first two numbers" : "the first number");
        return TOMOCUT_E_VERSION;
    }
    for (i = 0; i < sizeof names / sizeof *names; i++) {
        symbol = dlsym(library, names[i]);
        if (symbol == NULL) {
            snprintf(text, size, "%s (tomocut %u.%u.%u) has no %s, which this program was built with", path,
                     (unsigned)(found / 1000000U), (unsigned)(found / 1000U % 1000U), (unsigned)(found % 1000U),
                         names[i]);
            return TOMOCUT_E_VERSION;
        }
        /* ISO C has no cast from an object to a function; POSIX says that the bytes are the same. */
        memcpy((char *)functions + i * sizeof symbol, &symbol, sizeof symbol);
    }
    return TOMOCUT_OK;
}

/* Opens one file, or a name that the dynamic linker looks for. The lock is held. */
static inline tomocut_status tomocut_loader_open(const char *path) {
    tomocut_loader_state *state = &tomocut_loader_;
    tomocut_status status = TOMOCUT_OK;
    Dl_info origin;
    void *symbol;
    void *library;
    if (strchr(path, '/') != NULL) {
        status = tomocut_loader_inspect(path, state->text, sizeof state->text);
        if (status != TOMOCUT_OK) {
            return status;
        }
    }
    library = dlopen(path, RTLD_NOW | RTLD_LOCAL | TOMOCUT_LOADER_DEEPBIND);
    if (library == NULL) {
        const char *reason = dlerror();
        snprintf(state->text, sizeof state->text, "%s cannot be loaded: %s", path,
                 reason == NULL ? "the dynamic linker does not say why" : reason);
        return TOMOCUT_E_IO;
    }
    status = tomocut_loader_fill(library, path, &state->functions, state->text, sizeof state->text);
    if (status != TOMOCUT_OK) {
        dlclose(library);
        return status;
    }
    memcpy(&symbol, &state->functions.version, sizeof symbol);
    snprintf(state->path, sizeof state->path, "%s",
             dladdr(symbol, &origin) != 0 && origin.dli_fname != NULL ? origin.dli_fname : path);
    return TOMOCUT_OK;
}

/* Tries FOLDER/SUB/libtomocut.so.X; 1 when it is there, whatever came of it. */
static inline int tomocut_loader_beside(const char *file, const char *sub, tomocut_loader_search *tried,
                                        tomocut_status *status) {
    char path[4096], name[64];
    const char *slash = strrchr(file, '/');
    int length = slash == NULL ? 0 : (int)(slash - file) + 1;
    snprintf(path, sizeof path, "%.*s%s%s", length, file, sub, tomocut_loader_soname(name, sizeof name));
    if (slash != NULL && access(path, F_OK) == 0) {
        *status = tomocut_loader_open(path);
        return 1;
    }
    if (tried->length < sizeof tried->text && strstr(tried->text, path) == NULL) {
        tried->length += (size_t)snprintf(tried->text + tried->length, sizeof tried->text - tried->length, "\n  %s",
                                          path);
    }
    return 0;
}

/* The search without a path: TOMOCUT_LIBRARY, beside the host, the dynamic linker's own places. The lock is held. */
static inline tomocut_status tomocut_loader_find(void) {
    tomocut_loader_state *state = &tomocut_loader_;
    tomocut_loader_search tried;
    tomocut_status status = TOMOCUT_E_IO;
    char self[4096], name[64], missing[128], reason[1024];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    const char *named = secure_getenv("TOMOCUT_LIBRARY");
    Dl_info host;
    memset(&tried, 0, sizeof tried);
    if (named != NULL && named[0] != '\0') {
        status = tomocut_loader_open(named);
        if (status != TOMOCUT_OK) {
            n = (ssize_t)strlen(state->text);
            snprintf(state->text + n, sizeof state->text - (size_t)n,
                     " (named by the environment variable TOMOCUT_LIBRARY)");
        }
        return status;
    }
    /* The file that this code is in: of a plugin or a MEX file that is another one than the program's. */
    if (dladdr((const void *)&tomocut_loader_, &host) != 0 && host.dli_fname != NULL && host.dli_fname[0] == '/') {
        if (tomocut_loader_beside(host.dli_fname, "", &tried, &status) ||
            tomocut_loader_beside(host.dli_fname, "../lib/", &tried, &status)) {
            return status;
        }
    }
    if (n > 0) {
        self[n] = '\0';
        if (tomocut_loader_beside(self, "", &tried, &status) || tomocut_loader_beside(self, "../lib/", &tried,
                                                                                      &status)) {
            return status;
        }
    }
    status = tomocut_loader_open(tomocut_loader_soname(name, sizeof name));
    /* Where the linker found the file but not one that it needs, its own message says so. */
    snprintf(missing, sizeof missing, "cannot be loaded: %s:", name);
    if (status == TOMOCUT_E_IO && strstr(state->text, missing) != NULL) {
        snprintf(reason, sizeof reason, "%.1000s", state->text);
        snprintf(state->text, sizeof state->text,
                 "%s was not found. Tried:%s\n  the dynamic linker: %s\nInstall it in one of these places, or name the "
                 "file by the environment variable TOMOCUT_LIBRARY",
                 name, tried.text, reason);
    }
    return status;
}

/**
 * Loads the library. Without it, the first call of any other function does the same with NULL.
 *
 * @param path The library's file; NULL: the file that the environment variable TOMOCUT_LIBRARY names; otherwise
 *             libtomocut.so.X.Y beside the file that this code is in, in ../lib from there, the same from the program's
 *             file, and where the dynamic linker looks.
 * @return TOMOCUT_OK, also where that library is loaded already; TOMOCUT_E_IO (not found, or one of the libraries that
 * it
 *         needs is not); TOMOCUT_E_UNSUPPORTED (another architecture); TOMOCUT_E_FORMAT (no shared library, or not
 *         tomocut); TOMOCUT_E_VERSION (older or newer than these headers, a missing function); TOMOCUT_E_STATE (another
 *         file is loaded already). tomocut_load_error says what was tried; so does tomocut_last_error while no library
 *         is
 *         loaded.
 *
 * Threads: any.
 */
TOMOCUT_LOADER_PART tomocut_status tomocut_load(const char *path) {
    tomocut_loader_state *state = &tomocut_loader_;
    tomocut_status status;
    while (__atomic_test_and_set(&state->lock, __ATOMIC_ACQUIRE)) {
        sched_yield();
    }
    if (state->ready != NULL) {
        char *wanted = path == NULL ? NULL : realpath(path, NULL);
        char *loaded = realpath(state->path, NULL);
        status = path == NULL || (wanted != NULL && loaded != NULL && strcmp(wanted, loaded) == 0) ? TOMOCUT_OK
                                                                                                   : TOMOCUT_E_STATE;
        if (status != TOMOCUT_OK) {
            snprintf(state->text, sizeof state->text, "%.4000s cannot be loaded: %.4000s is loaded already", path,
                     state->path);
        }
        free(wanted);
        free(loaded);
    } else {
        status = path == NULL ? tomocut_loader_find() : tomocut_loader_open(path);
        if (status == TOMOCUT_OK) {
            state->text[0] = '\0';
            __atomic_store_n(&state->ready, &state->functions, __ATOMIC_RELEASE);
        }
        __atomic_store_n(&state->failed, status, __ATOMIC_RELEASE);
    }
    __atomic_clear(&state->lock, __ATOMIC_RELEASE);
    return status;
}

/**
 * The table of the loaded library; NULL where it cannot be loaded. A search that failed is not made again by this
 * function, but by tomocut_load.
 *
 * Threads: any.
 */
TOMOCUT_LOADER_PART const tomocut_functions *tomocut_table(void) {
    tomocut_loader_state *state = &tomocut_loader_;
    const tomocut_functions *ready = __atomic_load_n(&state->ready, __ATOMIC_ACQUIRE);
    if (ready == NULL && __atomic_load_n(&state->failed, __ATOMIC_ACQUIRE) == TOMOCUT_OK) {
        tomocut_load(NULL);
        ready = __atomic_load_n(&state->ready, __ATOMIC_ACQUIRE);
    }
    return ready;
}

/** The file of the loaded library; empty where none is. Static. */
TOMOCUT_LOADER_PART const char *tomocut_loaded_path(void) {
    return __atomic_load_n(&tomocut_loader_.ready, __ATOMIC_ACQUIRE) == NULL ? "" : tomocut_loader_.path;
}

/** Why the last tomocut_load failed; empty where none did. Static; changed by the next one. */
TOMOCUT_LOADER_PART const char *tomocut_load_error(void) { return tomocut_loader_.text; }

/* What the functions that answer no status say without a library. */
static inline const char *tomocut_loader_no_last_error(void) { return tomocut_loader_.text; }
static inline uint32_t tomocut_loader_no_version(void) {
    const tomocut_functions *loaded = tomocut_table();
    return loaded == NULL ? 0 : loaded->version();
}
static inline const char *tomocut_loader_no_status_name(tomocut_status status) {
    return status == TOMOCUT_OK              ? "ok"
           : status == TOMOCUT_E_IO          ? "io"
           : status == TOMOCUT_E_FORMAT      ? "format"
           : status == TOMOCUT_E_UNSUPPORTED ? "unsupported"
           : status == TOMOCUT_E_VERSION     ? "version"
           : status == TOMOCUT_E_STATE       ? "state"
                                             : "unknown";
}

/*
 * The functions of tomocut.h: jumps through the table. Those without a status do not load the library: there is nothing
 * yet that could be freed or stopped, and a signal handler may call them.
 */
#define TOMOCUT_STATUS_ENTRY(result, name, parameters, arguments)                                    \
    TOMOCUT_LOADER_PART result tomocut_##name parameters {                                           \
        const tomocut_functions *loaded_ = tomocut_table();                                          \
        return loaded_ == NULL ? __atomic_load_n(&tomocut_loader_.failed, __ATOMIC_ACQUIRE)          \
                               : loaded_->name arguments;                                            \
    }
#define TOMOCUT_VOID_ENTRY(result, name, parameters, arguments)                                      \
    TOMOCUT_LOADER_PART result tomocut_##name parameters {                                           \
        const tomocut_functions *loaded_ = __atomic_load_n(&tomocut_loader_.ready, __ATOMIC_ACQUIRE); \
        if (loaded_ != NULL) {                                                                       \
            loaded_->name arguments;                                                                 \
        }                                                                                            \
    }
#define TOMOCUT_OTHER_ENTRY(result, name, parameters, arguments)                                     \
    TOMOCUT_LOADER_PART result tomocut_##name parameters {                                           \
        const tomocut_functions *loaded_ = __atomic_load_n(&tomocut_loader_.ready, __ATOMIC_ACQUIRE); \
        return loaded_ == NULL ? tomocut_loader_no_##name arguments : loaded_->name arguments;       \
    }
TOMOCUT_FUNCTIONS(TOMOCUT_STATUS_ENTRY, TOMOCUT_VOID_ENTRY, TOMOCUT_OTHER_ENTRY)
#undef TOMOCUT_STATUS_ENTRY
#undef TOMOCUT_VOID_ENTRY
#undef TOMOCUT_OTHER_ENTRY

#ifdef __cplusplus
}  /* extern "C" */
#endif

#endif
