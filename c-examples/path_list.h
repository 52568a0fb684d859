/* Paths of files, gathered one by one. C99 and POSIX. */
#ifndef TOMOCUT_PATH_LIST_H
#define TOMOCUT_PATH_LIST_H

#include "command_line.h"

struct path_list {
    char **paths;
    size_t n;
};

static void path_list_free(struct path_list *list) {
    for (size_t i = 0; i < list->n; i++) {
        free(list->paths[i]);
    }
    free(list->paths);
    memset(list, 0, sizeof *list);
}

/* "FOLDER/NAME", or "NAME" where folder is NULL, at the list's end; 0 after complaining. */
static int path_list_add(struct path_list *list, const char *folder, const char *name) {
    char **longer = realloc(list->paths, (list->n + 1) * sizeof *longer);
    size_t size = (folder == NULL ? 0 : strlen(folder) + 1) + strlen(name) + 1;
    char *path = longer == NULL ? NULL : malloc(size);
    if (longer != NULL) {
        list->paths = longer;
    }
    if (path == NULL) {
        complain("out of memory");
        return 0;
    }
    snprintf(path, size, "%s%s%s", folder == NULL ? "" : folder, folder == NULL ? "" : "/", name);
    list->paths[list->n++] = path;
    return 1;
}

static int compare_paths(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* Sorts by name from the entry `first` on. */
static void path_list_sort(struct path_list *list, size_t first) {
    if (list->n > first) {
        qsort(list->paths + first, list->n - first, sizeof *list->paths, compare_paths);
    }
}

#endif
