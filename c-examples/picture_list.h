/* The pictures that a program is given: a folder of files, or a text file that names them. C99 and POSIX. */
#ifndef TOMOCUT_PICTURE_LIST_H
#define TOMOCUT_PICTURE_LIST_H

#include <dirent.h>

#include "command_line.h"

struct picture_list {
    char **paths;
    size_t n;
};

static void picture_list_free(struct picture_list *list) {
    for (size_t i = 0; i < list->n; i++) {
        free(list->paths[i]);
    }
    free(list->paths);
    memset(list, 0, sizeof *list);
}

/* "FOLDER/NAME", or "NAME" where folder is NULL, at the list's end; 0 after complaining. */
static int picture_list_add(struct picture_list *list, const char *folder, const char *name) {
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

static int compare_pictures(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* The files of the folder `name`, by their names, or the lines of the file `name`; 0 after complaining. */
static int picture_list_read(struct picture_list *list, const char *name) {
    DIR *folder = opendir(name);
    int sound = 1;
    if (folder != NULL) {
        for (struct dirent *entry = readdir(folder); sound && entry != NULL; entry = readdir(folder)) {
            if (entry->d_name[0] != '.') {
                sound = picture_list_add(list, name, entry->d_name);
            }
        }
        closedir(folder);
        if (list->n > 0) {
            qsort(list->paths, list->n, sizeof *list->paths, compare_pictures);
        }
        return sound;
    }
    char line[4200];
    FILE *file = fopen(name, "r");
    if (file == NULL) {
        complain("%s cannot be read: it must be a folder of pictures or a file that names one on each line", name);
        return 0;
    }
    while (sound && fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\r\n")] = '\0';
        if (line[0] != '\0') {
            sound = picture_list_add(list, NULL, line);
        }
    }
    fclose(file);
    return sound;
}

#endif
