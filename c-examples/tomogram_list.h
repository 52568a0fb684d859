/* The tomograms that a program is given: files, and folders that hold files. C99 and POSIX. */
#ifndef TOMOCUT_TOMOGRAM_LIST_H
#define TOMOCUT_TOMOGRAM_LIST_H

#include <dirent.h>

#include "path_list.h"

static int ends_with(const char *text, const char *ending) {
    size_t length = strlen(text), tail = strlen(ending);
    return length >= tail && strcmp(text + length - tail, ending) == 0;
}

/* Whether a file of a folder is taken for a tomogram, by its name. */
static int is_tomogram_name(const char *name) {
    static const char *const endings[] = {".mrc", ".rec", ".map", ".mrc.gz", ".rec.gz", ".mrc.bz2", ".rec.bz2", ".zarr"};
    for (size_t i = 0; name[0] != '.' && i < sizeof endings / sizeof endings[0]; i++) {
        if (ends_with(name, endings[i])) {
            return 1;
        }
    }
    return 0;
}

/* Whether a folder is a tomogram itself: zarr, by its name or by the metadata in it. */
static int is_zarr_folder(const char *path) {
    static const char *const marks[] = {"zarr.json", ".zarray", ".zgroup", ".zattrs"};
    char mark[4200];
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/') {
        length--;
    }
    if (length > 5 && strncmp(path + length - 5, ".zarr", 5) == 0) {
        return 1;
    }
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
        struct stat status;
        int size = snprintf(mark, sizeof mark, "%s/%s", path, marks[i]);
        if (size > 0 && (size_t)size < sizeof mark && stat(mark, &status) == 0) {
            return 1;
        }
    }
    return 0;
}

/* Adds a file, or all tomograms of a folder by name; `skip` says which names of a folder are results, not tomograms. Answers 0
 * after complaining. */
static int tomogram_list_take(struct path_list *list, const char *path, int (*skip)(const char *, void *), void *data) {
    struct stat status;
    if (stat(path, &status) != 0 || !S_ISDIR(status.st_mode) || is_zarr_folder(path)) {
        return path_list_add(list, NULL, path); /* what is wrong with it is told when it is opened */
    }
    DIR *folder = opendir(path);
    size_t first = list->n;
    int fine = folder != NULL;
    for (struct dirent *entry; fine && (entry = readdir(folder)) != NULL;) {
        if (is_tomogram_name(entry->d_name) && !skip(entry->d_name, data)) {
            fine = path_list_add(list, path, entry->d_name);
        }
    }
    if (folder == NULL || (fine && list->n == first)) {
        complain("%s: %s", path, folder == NULL ? strerror(errno) : "holds no tomogram (.mrc, .rec, .map, .zarr, also .gz, .bz2)");
        fine = 0;
    }
    if (folder != NULL) {
        closedir(folder);
    }
    if (fine) {
        path_list_sort(list, first);
    }
    return fine;
}

#endif
