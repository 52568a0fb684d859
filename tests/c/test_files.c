/* Writing: whole files or none, on a full disk and in a folder that cannot be written to. */
#include <dirent.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sample.h"

static const char *const endings[] = {"_labels.mrc",  "_score.mrc",  "_membrane.mrc", "_molecule.mrc",  "_points.csv",
                                      "_points.star", "_points.tbl", "_points.mod",   "_points.coords", "_overlay.png"};
enum { N_ENDINGS = sizeof endings / sizeof endings[0] };

static long size_of(const char *folder, const char *stem, const char *ending) {
    char path[4096];
    struct stat status;
    snprintf(path, sizeof path, "%s/%s%s", folder, stem, ending);
    return stat(path, &status) == 0 ? (long)status.st_size : -1;
}

/* The folder holds nothing but whole results of `stem`: no temporary file, none shorter than in `reference`. */
static int count_whole(const char *folder, const char *stem, const char *reference) {
    DIR *stream = opendir(folder);
    const struct dirent *entry;
    int count = 0;
    CHECK(stream != NULL);
    while ((entry = readdir(stream)) != NULL) {
        if (entry->d_name[0] == '.' && (entry->d_name[1] == '\0' || strcmp(entry->d_name, "..") == 0)) {
            continue;
        }
        if (strcmp(entry->d_name, "filler") == 0) {
            continue;
        }
        int known = 0;
        for (int i = 0; i < N_ENDINGS; i++) {
            char name[256];
            snprintf(name, sizeof name, "%s%s", stem, endings[i]);
            if (strcmp(name, entry->d_name) == 0) {
                known = 1;
                CHECK(size_of(folder, stem, endings[i]) == size_of(reference, stem, endings[i]));
            }
        }
        if (!known) {
            fprintf(stderr, "left over: %s/%s\n", folder, entry->d_name);
            exit(1);
        }
        count++;
    }
    closedir(stream);
    return count;
}

/* A disk of 512 KiB with a third of a labels volume's room left. */
static void a_full_disk(const tomocut_slab *slab, const tomocut_tomogram *tomogram, const char *reference) {
    char folder[4096], filler[4200];
    static char block[4096];
    snprintf(folder, sizeof folder, "%s", scratch("full"));
    CHECK(mkdir(folder, 0700) == 0);
    if (mount("tmpfs", folder, "tmpfs", 0, "size=512k") != 0) {
        printf("  skipped: a full disk (mounting a tmpfs needs root)\n");
        return;
    }
    snprintf(filler, sizeof filler, "%s/filler", folder);
    FILE *file = fopen(filler, "wb");
    CHECK(file != NULL);
    while (fwrite(block, sizeof block, 1, file) == 1 && fflush(file) == 0) {
    }
    fclose(file);
    CHECK(truncate(filler, 512 * 1024 - 20 * 1024) == 0);
    tomocut_status status = tomocut_slab_write(slab, tomogram, folder, "a", NULL);
    char text[1024];
    snprintf(text, sizeof text, "%s", tomocut_last_error());
    int whole = count_whole(folder, "a", reference);
    CHECK(umount2(folder, MNT_DETACH) == 0);
    CHECK_STATUS(TOMOCUT_E_IO, status);
    CHECK(strstr(text, "a_") != NULL); /* names the file */
    CHECK(whole < N_ENDINGS);
    printf("  full disk: %s\n", text);
}

static void a_read_only_folder(const tomocut_slab *slab, const tomocut_tomogram *tomogram) {
    char folder[4096];
    snprintf(folder, sizeof folder, "%s", scratch("locked"));
    CHECK(mkdir(folder, 0500) == 0);
    int mounted = 0;
    if (geteuid() == 0) { /* root writes where it likes, but not to a read-only disk */
        mounted = mount("tmpfs", folder, "tmpfs", MS_RDONLY, "size=64k") == 0;
        if (!mounted) {
            printf("  skipped: a read-only folder (mounting a tmpfs is not allowed here)\n");
            return;
        }
    }
    tomocut_status status = tomocut_slab_write(slab, tomogram, folder, "a", NULL);
    int whole = count_whole(folder, "a", folder);
    if (mounted) {
        CHECK(umount2(folder, MNT_DETACH) == 0);
    }
    CHECK_ERROR(TOMOCUT_E_IO, "locked", status);
    CHECK(whole == 0);
}

int main(void) {
    struct sample sample = open_sample();
    tomocut_slab_options options = slab_options(7, 8);
    tomocut_call_options write_options;
    tomocut_slab *slab = NULL;
    tomocut_cancel *cancel = NULL;
    char folder[4096];
    CHECK_OK(tomocut_slab_segment(sample.engine, sample.model, sample.tomogram, &options, &slab));
    snprintf(folder, sizeof folder, "%s", scratch("out/deep"));

    CHECK_REFUSED("slab is NULL", tomocut_slab_write(NULL, sample.tomogram, folder, "a", NULL));
    CHECK_REFUSED("tomogram is NULL", tomocut_slab_write(slab, NULL, folder, "a", NULL));
    CHECK_REFUSED("folder is NULL", tomocut_slab_write(slab, sample.tomogram, NULL, "a", NULL));
    CHECK_REFUSED("stem is NULL", tomocut_slab_write(slab, sample.tomogram, folder, NULL, NULL));
    CHECK_REFUSED("stem is \"\"", tomocut_slab_write(slab, sample.tomogram, folder, "", NULL));
    CHECK_REFUSED("stem is \"a/b\"", tomocut_slab_write(slab, sample.tomogram, folder, "a/b", NULL));

    CHECK_OK(tomocut_slab_write(slab, sample.tomogram, folder, "a", NULL));
    CHECK(count_whole(folder, "a", folder) == N_ENDINGS);
    CHECK(size_of(folder, "a", "_labels.mrc") == 1024 + SAMPLE_NY * SAMPLE_NX);
    CHECK(size_of(folder, "a", "_score.mrc") == 1024 + SAMPLE_NY * SAMPLE_NX * 2);

    CHECK_OK(tomocut_call_options_init(&write_options, sizeof write_options));
    write_options.settings = "{\"float32_scores\": true, \"formats\": [\"csv\"]}";
    CHECK_OK(tomocut_slab_write(slab, sample.tomogram, folder, "b", &write_options));
    CHECK(size_of(folder, "b", "_score.mrc") == 1024 + SAMPLE_NY * SAMPLE_NX * 4);
    CHECK(size_of(folder, "b", "_points.csv") >= 0 && size_of(folder, "b", "_points.star") == -1);
    write_options.settings = "{\"float32_scores\": 5}";
    CHECK_REFUSED("float32_scores is 5", tomocut_slab_write(slab, sample.tomogram, folder, "c", &write_options));
    write_options.settings = NULL;
    CHECK_OK(tomocut_cancel_create(&cancel));
    tomocut_cancel_request(cancel);
    write_options.cancel = cancel;
    CHECK_STATUS(TOMOCUT_E_CANCELLED, tomocut_slab_write(slab, sample.tomogram, folder, "c", &write_options));
    CHECK(size_of(folder, "c", "_labels.mrc") == -1);
    tomocut_cancel_free(cancel);

    a_full_disk(slab, sample.tomogram, folder);
    a_read_only_folder(slab, sample.tomogram);
    tomocut_slab_free(slab);
    close_sample(&sample);
    return 0;
}
