/* The pictures that a program is given: a folder of files, or a text file that names them. C99 and POSIX. */
#ifndef TOMOCUT_PICTURE_LIST_H
#define TOMOCUT_PICTURE_LIST_H

#include <dirent.h>

#include "path_list.h"

/* The files of the folder `name`, by their names, or the lines of the file `name`; 0 after complaining. */
static int picture_list_read(struct path_list *list, const char *name) {
    DIR *folder = opendir(name);
    int sound = 1;
    if (folder != NULL) {
        for (struct dirent *entry = readdir(folder); sound && entry != NULL; entry = readdir(folder)) {
            if (entry->d_name[0] != '.') {
                sound = path_list_add(list, name, entry->d_name);
            }
        }
        closedir(folder);
        path_list_sort(list, 0);
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
            sound = path_list_add(list, NULL, line);
        }
    }
    fclose(file);
    return sound;
}

#endif
