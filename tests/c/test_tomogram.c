/* valgrind */
/* Tomograms from the host's memory and from files. */
#include "check.h"

enum { NZ = 6, NY = 5, NX = 7 };

static float value_at(int z, int y, int x) { return (float)(z * 100 + y * 10 + x); }

/* Reads slices first .. first + count - 1 and compares them with value_at. */
static void check_values(const tomocut_tomogram *tomogram, int first, int count) {
    size_t size = (size_t)count * NY * NX;
    float *slices = malloc(size * sizeof *slices);
    CHECK(slices != NULL);
    tomocut_volume volume = volume_of(slices, TOMOCUT_DTYPE_F32, (uint64_t)count, NY, NX);
    CHECK_OK(tomocut_tomogram_read(tomogram, (uint64_t)first, &volume, NULL));
    for (int z = 0; z < count; z++) {
        for (int y = 0; y < NY; y++) {
            for (int x = 0; x < NX; x++) {
                CHECK(slices[(z * NY + y) * NX + x] == value_at(first + z, y, x));
            }
        }
    }
    free(slices);
}

static void every_type_is_read(const tomocut_engine *engine) {
    static uint8_t u8[NZ][NY][NX];
    static int8_t i8[NZ][NY][NX];
    static uint16_t u16[NZ][NY][NX];
    static int16_t i16[NZ][NY][NX];
    static uint16_t f16[NZ][NY][NX];
    static float f32[NZ][NY][NX];
    for (int z = 0; z < NZ; z++) {
        for (int y = 0; y < NY; y++) {
            for (int x = 0; x < NX; x++) {
                u8[z][y][x] = (uint8_t)(200 + y);
                i8[z][y][x] = (int8_t)(-100 + y);
                u16[z][y][x] = (uint16_t)(60000 + y);
                i16[z][y][x] = (int16_t)(-30000 + y);
                f16[z][y][x] = (uint16_t)(0x3c00 + (y << 10)); /* 1, 2, 4, 8, 16 */
                f32[z][y][x] = -0.5f + (float)y;
            }
        }
    }
    const struct {
        void *data;
        tomocut_dtype dtype;
        float first, last;
    } kinds[] = {
        {u8, TOMOCUT_DTYPE_U8, 200, 204},         {i8, TOMOCUT_DTYPE_I8, -100, -96},
        {u16, TOMOCUT_DTYPE_U16, 60000, 60004},   {i16, TOMOCUT_DTYPE_I16, -30000, -29996},
        {f16, TOMOCUT_DTYPE_F16, 1, 16},          {f32, TOMOCUT_DTYPE_F32, -0.5f, 3.5f},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        tomocut_volume volume = volume_of(kinds[i].data, kinds[i].dtype, NZ, NY, NX);
        tomocut_tomogram *tomogram = NULL;
        float slice[NY][NX];
        CHECK_OK(tomocut_tomogram_from_volume(engine, &volume, NULL, &tomogram));
        tomocut_volume out = volume_of(slice, TOMOCUT_DTYPE_F32, 1, NY, NX);
        CHECK_OK(tomocut_tomogram_read(tomogram, NZ - 1, &out, NULL));
        CHECK(slice[0][0] == kinds[i].first && slice[NY - 1][NX - 1] == kinds[i].last);
        tomocut_tomogram_free(tomogram);
    }
}

/* A window inside a larger array, x and z swapped, y backwards: nothing is copied, and only what is asked is read. */
static void strides_are_followed(const tomocut_engine *engine) {
    enum { PAD = 3 };
    size_t size = (size_t)NX * NY * (NZ + PAD);
    float *data = malloc(size * sizeof *data);
    tomocut_tomogram *tomogram = NULL;
    CHECK(data != NULL);
    for (size_t i = 0; i < size; i++) {
        data[i] = -1.0f;
    }
    for (int x = 0; x < NX; x++) {
        for (int y = 0; y < NY; y++) {
            for (int z = 0; z < NZ; z++) {
                data[(x * NY + (NY - 1 - y)) * (NZ + PAD) + z] = value_at(z, y, x);
            }
        }
    }
    tomocut_volume volume = volume_of(data + (NY - 1) * (NZ + PAD), TOMOCUT_DTYPE_F32, NZ, NY, NX);
    volume.strides[0] = 1;
    volume.strides[1] = -(NZ + PAD);
    volume.strides[2] = NY * (NZ + PAD);
    CHECK_OK(tomocut_tomogram_from_volume(engine, &volume, NULL, &tomogram));
    check_values(tomogram, 0, NZ);
    check_values(tomogram, 2, 3);
    tomocut_tomogram_free(tomogram);
    free(data);
}

static void bad_volumes_are_refused(const tomocut_engine *engine) {
    static float data[NZ * NY * NX];
    tomocut_tomogram *tomogram = (tomocut_tomogram *)data;
    tomocut_volume volume = volume_of(data, TOMOCUT_DTYPE_F32, NZ, NY, NX);
    CHECK_REFUSED("volume is NULL", tomocut_tomogram_from_volume(engine, NULL, NULL, &tomogram));
    CHECK(tomogram == NULL);
    CHECK_REFUSED("engine is NULL", tomocut_tomogram_from_volume(NULL, &volume, NULL, &tomogram));
    CHECK_REFUSED("out tomogram is NULL", tomocut_tomogram_from_volume(engine, &volume, NULL, NULL));

    for (int axis = 0; axis < 3; axis++) {
        tomocut_volume bad = volume;
        bad.shape[axis] = 0;
        CHECK_REFUSED("volume.shape", tomocut_tomogram_from_volume(engine, &bad, NULL, &tomogram));
        bad.shape[axis] = UINT64_MAX;
        CHECK_REFUSED("can address", tomocut_tomogram_from_volume(engine, &bad, NULL, &tomogram));
        bad.shape[axis] = UINT64_C(1) << 62;
        CHECK_REFUSED("can address", tomocut_tomogram_from_volume(engine, &bad, NULL, &tomogram));
    }
    tomocut_volume bad = volume;
    bad.data = NULL;
    CHECK_REFUSED("volume.data is NULL", tomocut_tomogram_from_volume(engine, &bad, NULL, &tomogram));
    bad.data = (char *)data + 1;
    CHECK_REFUSED("must be aligned", tomocut_tomogram_from_volume(engine, &bad, NULL, &tomogram));
    bad = volume;
    bad.dtype = 99;
    CHECK_REFUSED("volume.dtype is 99", tomocut_tomogram_from_volume(engine, &bad, NULL, &tomogram));
    bad = volume;
    bad.reserved = 1;
    CHECK_REFUSED("volume.reserved", tomocut_tomogram_from_volume(engine, &bad, NULL, &tomogram));
    bad = volume;
    bad.strides[0] = INT64_MAX;
    CHECK_REFUSED("can address", tomocut_tomogram_from_volume(engine, &bad, NULL, &tomogram));
    bad.strides[0] = INT64_MIN;
    CHECK_REFUSED("can address", tomocut_tomogram_from_volume(engine, &bad, NULL, &tomogram));
}

static void geometry_is_kept(const tomocut_engine *engine) {
    static int16_t data[NZ * NY * NX];
    tomocut_volume volume = volume_of(data, TOMOCUT_DTYPE_I16, NZ, NY, NX);
    tomocut_geometry geometry, answer;
    tomocut_tomogram *tomogram = NULL;
    CHECK_OK(tomocut_geometry_init(&geometry, sizeof geometry));
    CHECK_OK(tomocut_geometry_init(&answer, sizeof answer));
    CHECK_REFUSED("tomocut_geometry is NULL", tomocut_geometry_init(NULL, sizeof geometry));
    geometry.voxel_angstrom[0] = geometry.voxel_angstrom[1] = geometry.voxel_angstrom[2] = 13.48;
    geometry.origin_angstrom[2] = -7.5;
    geometry.start[1] = 4;
    CHECK_OK(tomocut_tomogram_from_volume(engine, &volume, &geometry, &tomogram));
    CHECK_OK(tomocut_tomogram_info(tomogram, &answer));
    CHECK(answer.shape[0] == NZ && answer.shape[1] == NY && answer.shape[2] == NX);
    CHECK(answer.voxel_angstrom[1] == 13.48 && answer.origin_angstrom[2] == -7.5 && answer.start[1] == 4);
    CHECK_REFUSED("tomocut_geometry is NULL", tomocut_tomogram_info(tomogram, NULL));
    CHECK_REFUSED("tomogram is NULL", tomocut_tomogram_info(NULL, &answer));
    answer.struct_size = 3;
    CHECK_REFUSED("call tomocut_geometry_init first", tomocut_tomogram_info(tomogram, &answer));
    tomocut_tomogram_free(tomogram);
    geometry.shape[0] = NZ + 1;
    CHECK_REFUSED("geometry.shape", tomocut_tomogram_from_volume(engine, &volume, &geometry, &tomogram));
    geometry.shape[0] = 0;
    geometry.voxel_angstrom[0] = -1;
    CHECK_REFUSED("geometry.voxel_angstrom", tomocut_tomogram_from_volume(engine, &volume, &geometry, &tomogram));
}

static void reading_is_checked(const tomocut_engine *engine) {
    static float data[NZ * NY * NX], slices[NZ * NY * NX];
    tomocut_volume volume = volume_of(data, TOMOCUT_DTYPE_F32, NZ, NY, NX);
    tomocut_tomogram *tomogram = NULL;
    tomocut_cancel *cancel = NULL;
    CHECK_OK(tomocut_tomogram_from_volume(engine, &volume, NULL, &tomogram));
    tomocut_volume out = volume_of(slices, TOMOCUT_DTYPE_F32, 2, NY, NX);
    CHECK_REFUSED("tomogram is NULL", tomocut_tomogram_read(NULL, 0, &out, NULL));
    CHECK_REFUSED("slices is NULL", tomocut_tomogram_read(tomogram, 0, NULL, NULL));
    CHECK_REFUSED("z_first is 5", tomocut_tomogram_read(tomogram, 5, &out, NULL));
    CHECK_REFUSED("z_first is 18446744073709551615", tomocut_tomogram_read(tomogram, UINT64_MAX, &out, NULL));
    out.dtype = TOMOCUT_DTYPE_I16;
    CHECK_REFUSED("slices.dtype is I16, must be F32", tomocut_tomogram_read(tomogram, 0, &out, NULL));
    out.dtype = TOMOCUT_DTYPE_F32;
    out.shape[2]--;
    CHECK_REFUSED("slices.shape", tomocut_tomogram_read(tomogram, 0, &out, NULL));
    out.shape[2]++;
    out.strides[0] = NY; /* slices that run into each other */
    out.strides[1] = NX;
    out.strides[2] = 1;
    CHECK_REFUSED("overlap", tomocut_tomogram_read(tomogram, 0, &out, NULL));
    memset(out.strides, 0, sizeof out.strides);
    CHECK_OK(tomocut_cancel_create(&cancel));
    tomocut_cancel_request(cancel);
    CHECK_ERROR(TOMOCUT_E_CANCELLED, "read", tomocut_tomogram_read(tomogram, 0, &out, cancel));
    CHECK_OK(tomocut_cancel_reset(cancel));
    CHECK_OK(tomocut_tomogram_read(tomogram, 4, &out, cancel));
    ((uint32_t *)data)[(1 * NY + 2) * NX + 3] = 0x7fc00000U; /* NaN */
    CHECK_ERROR(TOMOCUT_E_FORMAT, "z 1, y 2, x 3", tomocut_tomogram_read(tomogram, 0, &out, NULL));
    tomocut_cancel_free(cancel);
    tomocut_tomogram_free(tomogram);
}

/* A minimal MRC file: mode 1, voxels of 10 Angstrom. `missing` bytes are cut off its end. */
static void write_mrc(const char *path, long missing) {
    int32_t header[256];
    FILE *file = fopen(path, "wb");
    CHECK(file != NULL);
    memset(header, 0, sizeof header);
    const int32_t start[] = {NX, NY, NZ, 1, 0, 0, 0, NX, NY, NZ};
    const float cell[] = {NX * 10.0f, NY * 10.0f, NZ * 10.0f, 90.0f, 90.0f, 90.0f};
    const int32_t axes[] = {1, 2, 3};
    memcpy(header, start, sizeof start);
    memcpy(header + 10, cell, sizeof cell);
    memcpy(header + 16, axes, sizeof axes);
    memcpy(header + 52, "MAP \x44\x44\0\0", 8);
    CHECK(fwrite(header, sizeof header, 1, file) == 1);
    for (int z = 0; z < NZ; z++) {
        for (int y = 0; y < NY; y++) {
            for (int x = 0; x < NX; x++) {
                int16_t value = (int16_t)value_at(z, y, x);
                if (missing == 0 || z < NZ - 1) {
                    CHECK(fwrite(&value, sizeof value, 1, file) == 1);
                }
            }
        }
    }
    CHECK(fclose(file) == 0);
}

static void files_are_read(const tomocut_engine *engine) {
    tomocut_tomogram *tomogram = NULL;
    tomocut_geometry geometry;
    const char *path = scratch("small.mrc");
    write_mrc(path, 0);
    CHECK_OK(tomocut_tomogram_open(engine, path, NULL, &tomogram));
    CHECK_OK(tomocut_geometry_init(&geometry, sizeof geometry));
    CHECK_OK(tomocut_tomogram_info(tomogram, &geometry));
    CHECK(geometry.shape[0] == NZ && geometry.shape[2] == NX && geometry.voxel_angstrom[0] == 10.0);
    check_values(tomogram, 0, NZ);
    check_values(tomogram, 3, 1);
    tomocut_tomogram_free(tomogram);
    write_mrc(path, 1);
    CHECK_ERROR(TOMOCUT_E_FORMAT, "small.mrc", tomocut_tomogram_open(engine, path, NULL, &tomogram));
    CHECK(tomogram == NULL);
    CHECK_ERROR(TOMOCUT_E_IO, "absent.mrc", tomocut_tomogram_open(engine, scratch("absent.mrc"), NULL, &tomogram));
    CHECK_STATUS(TOMOCUT_E_FORMAT, tomocut_tomogram_open(engine, scratch(""), NULL, &tomogram)); /* a folder */
}

int main(void) {
    tomocut_engine *engine = new_engine(NULL, NULL);
    every_type_is_read(engine);
    strides_are_followed(engine);
    bad_volumes_are_refused(engine);
    geometry_is_kept(engine);
    reading_is_checked(engine);
    files_are_read(engine);
    /* The order of freeing is free: a tomogram outlives its engine. */
    static float data[NZ * NY * NX];
    tomocut_volume volume = volume_of(data, TOMOCUT_DTYPE_F32, NZ, NY, NX);
    tomocut_tomogram *tomogram = NULL;
    for (int i = 0; i < NZ * NY * NX; i++) {
        data[i] = value_at(i / (NY * NX), i / NX % NY, i % NX);
    }
    CHECK_OK(tomocut_tomogram_from_volume(engine, &volume, NULL, &tomogram));
    tomocut_engine_free(engine);
    check_values(tomogram, 0, NZ);
    tomocut_tomogram_free(tomogram);
    return 0;
}
