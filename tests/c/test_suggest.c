/* valgrind */
/* Slabs suggested: where structure is, what fits, what is refused. */
#include "sample.h"

enum { NZ = 48, SIDE = 64, RICH = 20, RICH_END = 36 };

static float voxels[NZ][SIDE][SIDE];

/* Noise, with membranes across the slices RICH to RICH_END - 1; voxels of 2 nm. */
static tomocut_tomogram *open_volume(const tomocut_engine *engine) {
    tomocut_volume volume = volume_of(voxels, TOMOCUT_DTYPE_F32, NZ, SIDE, SIDE);
    tomocut_geometry geometry;
    tomocut_tomogram *tomogram = NULL;
    uint32_t state = 5;
    for (int z = 0; z < NZ; z++) {
        for (int y = 0; y < SIDE; y++) {
            for (int x = 0; x < SIDE; x++) {
                int membrane = z >= RICH && z < RICH_END && (x + y / 4) % 16 < 3;
                voxels[z][y][x] = sample_noise(&state) - (membrane ? 1.5f : 0.0f);
            }
        }
    }
    CHECK_OK(tomocut_geometry_init(&geometry, sizeof geometry));
    for (int axis = 0; axis < 3; axis++) {
        geometry.voxel_angstrom[axis] = 20.0;
    }
    CHECK_OK(tomocut_tomogram_from_volume(engine, &volume, &geometry, &tomogram));
    return tomogram;
}

static void the_rich_slices_are_found(const tomocut_tomogram *tomogram) {
    tomocut_call_options options;
    tomocut_suggested_slab slabs[9], again[9];
    double profile[NZ + 1];
    size_t found = 99;
    CHECK_OK(tomocut_call_options_init(&options, sizeof options));
    options.settings = "{\"thickness\": 12}";
    profile[NZ] = -7.0;
    CHECK_OK(tomocut_tomogram_suggest_slabs(tomogram, &options, slabs, 9, &found, profile, NZ + 1));
    CHECK(found >= 2 && found <= NZ / 12);
    CHECK(slabs[0].z_first >= RICH - 2 && slabs[0].z_end <= RICH_END + 2);
    CHECK(slabs[0].z_end - slabs[0].z_first == 12);
    CHECK(profile[RICH + 6] > 0.2 && profile[RICH + 6] <= 1.0 && fabs(profile[4]) < 0.1 && profile[NZ] == -7.0);
    for (size_t i = 1; i < found; i++) {
        CHECK(slabs[i].score <= slabs[i - 1].score && slabs[i].z_end <= NZ);
        for (size_t k = 0; k < i; k++) {
            CHECK(slabs[i].z_end <= slabs[k].z_first || slabs[k].z_end <= slabs[i].z_first);
        }
    }
    /* The same again, with as many as there is room for and without the number; the profile alone. */
    CHECK_OK(tomocut_tomogram_suggest_slabs(tomogram, &options, again, 1, NULL, NULL, 0));
    CHECK(memcmp(again, slabs, sizeof slabs[0]) == 0);
    CHECK_OK(tomocut_tomogram_suggest_slabs(tomogram, &options, NULL, 0, &found, profile, NZ));
    CHECK(found == 0);
    /* No options: slabs of 20. */
    CHECK_OK(tomocut_tomogram_suggest_slabs(tomogram, NULL, slabs, 1, &found, NULL, 0));
    CHECK(found == 1 && slabs[0].z_end - slabs[0].z_first == 20);
}

static int32_t count_reports(const tomocut_progress *progress, void *user_data) {
    CHECK(strcmp(progress->stage_name, "read") == 0 || strcmp(progress->stage_name, "enhance") == 0);
    ++*(int *)user_data;
    return *(int *)user_data > 1;
}

static void bad_requests_are_refused(tomocut_tomogram *tomogram) {
    tomocut_call_options options;
    tomocut_suggested_slab slab = {1, 2, 3.0};
    double profile[NZ];
    tomocut_cancel *cancel = NULL;
    int reports = 0;
    CHECK_OK(tomocut_call_options_init(&options, sizeof options));
    CHECK_REFUSED("tomocut_call_options is NULL", tomocut_call_options_init(NULL, sizeof options));
    CHECK_REFUSED("tomogram is NULL", tomocut_tomogram_suggest_slabs(NULL, &options, &slab, 1, NULL, NULL, 0));
    CHECK_REFUSED("slabs is NULL", tomocut_tomogram_suggest_slabs(tomogram, &options, NULL, 1, NULL, NULL, 0));
    CHECK_REFUSED("capacity of slabs is 0",
                  tomocut_tomogram_suggest_slabs(tomogram, &options, &slab, 0, NULL, NULL, 0));
    CHECK_REFUSED("capacity is 0", tomocut_tomogram_suggest_slabs(tomogram, &options, NULL, 0, NULL, NULL, 0));
    CHECK_REFUSED("profile is NULL", tomocut_tomogram_suggest_slabs(tomogram, &options, &slab, 1, NULL, NULL, NZ));
    CHECK_REFUSED("profile_capacity is 47, must be at least 48",
                  tomocut_tomogram_suggest_slabs(tomogram, &options, &slab, 1, NULL, profile, NZ - 1));
    options.settings = "{\"thickness\": 49}";
    CHECK_REFUSED("thickness is 49, must be 1..=48",
                  tomocut_tomogram_suggest_slabs(tomogram, &options, &slab, 1, NULL, NULL, 0));
    options.settings = "{\"voxel_nm\": -1}";
    CHECK_REFUSED("voxel_nm is -1", tomocut_tomogram_suggest_slabs(tomogram, &options, &slab, 1, NULL, NULL, 0));
    options.settings = NULL;
    CHECK_OK(tomocut_cancel_create(&cancel));
    tomocut_cancel_request(cancel);
    options.cancel = cancel;
    CHECK_STATUS(TOMOCUT_E_CANCELLED, tomocut_tomogram_suggest_slabs(tomogram, &options, &slab, 1, NULL, NULL, 0));
    CHECK_OK(tomocut_cancel_reset(cancel));
    /* The callback may cancel too; it comes at most every 50 ms, and the work may be done before its second time. */
    options.progress = count_reports;
    options.progress_user_data = &reports;
    tomocut_status status = tomocut_tomogram_suggest_slabs(tomogram, &options, &slab, 1, NULL, NULL, 0);
    CHECK(reports >= 1 && status == (reports > 1 ? TOMOCUT_E_CANCELLED : TOMOCUT_OK));
    tomocut_cancel_free(cancel);
}

int main(void) {
    tomocut_engine *engine = new_engine(NULL, NULL);
    tomocut_tomogram *tomogram = open_volume(engine);
    the_rich_slices_are_found(tomogram);
    bad_requests_are_refused(tomogram);
    /* Voxels that are not finite keep their slab from the first place; a constant volume has no slabs. */
    tomocut_suggested_slab slab;
    for (int z = RICH; z < RICH_END; z++) {
        voxels[z][3][4] = NAN;
    }
    CHECK_OK(tomocut_tomogram_suggest_slabs(tomogram, NULL, &slab, 1, NULL, NULL, 0));
    CHECK(slab.z_end <= RICH || slab.z_first >= RICH_END);
    memset(voxels, 0, sizeof voxels);
    CHECK_ERROR(TOMOCUT_E_FORMAT, "differ", tomocut_tomogram_suggest_slabs(tomogram, NULL, &slab, 1, NULL, NULL, 0));
    tomocut_tomogram_free(tomogram);
    tomocut_engine_free(engine);
    return 0;
}
