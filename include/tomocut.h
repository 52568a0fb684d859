/* SPDX-License-Identifier: MIT */
/**
 * @file tomocut.h
 * tomocut: label-free segmentation of cryo-electron tomograms, for C and C++ hosts.
 *
 * Conventions. Every call that can fail returns a tomocut_status: 0, or a negative TOMOCUT_E_ constant whose text is
 * tomocut_last_error(). Outputs are written only on success. What a _create call makes, the _free call of the same noun
 * frees; freeing NULL does nothing. A pointer to const is not changed and may be shared between threads; any other
 * handle takes one call at a time, from any thread. Option structs start with struct_size: fill them with their _init
 * function, passing sizeof. Volumes are (z, y, x) with x fastest and are borrowed for the call. Strings are
 * NUL-terminated UTF-8. Callbacks must neither throw, nor longjmp, nor call into the handle that they were called from.
 */

#ifndef TOMOCUT_H
#define TOMOCUT_H

/* Generated from src/capi by `cargo xtask header`: change the Rust source, not this file. */

#include <stddef.h>
#include <stdint.h>

/** Version of this header: MAJOR * 1000000 + MINOR * 1000 + PATCH; tomocut_version() is the library's own. */
#define TOMOCUT_VERSION 1000
/** MAJOR of TOMOCUT_VERSION. */
#define TOMOCUT_VERSION_MAJOR 0
/** MINOR of TOMOCUT_VERSION. */
#define TOMOCUT_VERSION_MINOR 1
/** PATCH of TOMOCUT_VERSION. */
#define TOMOCUT_VERSION_PATCH 0

/** Marks what the library exports; a host may define it for attributes of its own. */
#ifndef TOMOCUT_API
#if defined(__GNUC__) || defined(__clang__)
#define TOMOCUT_API __attribute__((visibility("default")))
#else
#define TOMOCUT_API
#endif
#endif

/**
 * A request to stop, shared by the host and the calls it was given to (in their options). One token may serve many
 * calls, one after another or at once; it must outlive them.
 */
typedef struct tomocut_cancel tomocut_cancel;

/**
 * A device, a number of threads and a log. Models and tomograms of one device may be used with any engine of that
 * device. An engine computes one thing at a time; for two at once, create two.
 */
typedef struct tomocut_engine tomocut_engine;

/**
 * A tomogram: where its voxels lie, and its slices. Immutable; may serve several engines and threads at once.
 */
typedef struct tomocut_tomogram tomocut_tomogram;

/**
 * What a call answers: TOMOCUT_OK (0), or one of the negative codes below. The numbers never change; later versions
 * may add codes, so treat every negative number as a failure.
 */
typedef int32_t tomocut_status;

/**
 * Severity of a log record, TOMOCUT_LOG_*.
 */
typedef int32_t tomocut_log_level;

/**
 * The host's log callback. Called on whichever thread is inside a call of the engine or of a handle made with it; with
 * several such threads it must be safe to run on all of them at once.
 *
 * It must not throw a C++ exception, longjmp, or call any tomocut function but tomocut_cancel_request.
 *
 * @param level     TOMOCUT_LOG_*.
 * @param target    Part of the library that speaks, such as "volume"; valid during the callback.
 * @param message   NUL-terminated UTF-8, one record; valid during the callback.
 * @param user_data What the engine's options gave.
 */
typedef void (*tomocut_log_fn)(tomocut_log_level level,
                               const char *target,
                               const char *message,
                               void *user_data);

/**
 * Options of an engine. Fill with tomocut_engine_options_init, then change what differs.
 */
typedef struct tomocut_engine_options {
    /**
     * sizeof(tomocut_engine_options) of the caller's header.
     */
    size_t struct_size;
    /**
     * "cpu", "cuda" (the first GPU) or "cuda:N"; NULL: "cpu". Copied.
     */
    const char *device;
    /**
     * Threads of one call, 1 to 1024; 0: as many as the host lets libtorch use. The host's own count is put back.
     */
    uint32_t n_threads;
    /**
     * Least severe level that reaches the log, TOMOCUT_LOG_*; 0: TOMOCUT_LOG_INFO.
     */
    tomocut_log_level log_level;
    /**
     * Receives the log; NULL: no log. The library never prints.
     */
    tomocut_log_fn log;
    /**
     * Handed to log. Must stay valid until the engine and everything made with it are freed.
     */
    void *log_user_data;
} tomocut_engine_options;

/**
 * Where the voxels of a volume lie. Every triple is z, y, x. Set struct_size, by tomocut_geometry_init, before use.
 */
typedef struct tomocut_geometry {
    /**
     * sizeof(tomocut_geometry) of the caller's header.
     */
    size_t struct_size;
    /**
     * Number of voxels.
     */
    uint64_t shape[3];
    /**
     * Edges of a voxel in Angstrom; 0: unknown.
     */
    double voxel_angstrom[3];
    /**
     * Centre of voxel (0, 0, 0) in Angstrom: MRC's ORIGIN.
     */
    double origin_angstrom[3];
    /**
     * Index of voxel (0, 0, 0) in the volume that this one was cut from: MRC's NZSTART, NYSTART, NXSTART.
     */
    int32_t start[3];
    /**
     * Zero.
     */
    uint32_t reserved;
} tomocut_geometry;

/**
 * Type of a volume's elements, TOMOCUT_DTYPE_*.
 */
typedef int32_t tomocut_dtype;

/**
 * A 3D array of the host, borrowed. Element (z, y, x) is at data + z * strides[0] + y * strides[1] + x * strides[2],
 * counted in elements. With x fastest this is what IMOD, RELION, ITK and a MATLAB array of [nx ny nz] are.
 */
typedef struct tomocut_volume {
    /**
     * Element (0, 0, 0), aligned for its type.
     */
    void *data;
    /**
     * TOMOCUT_DTYPE_*.
     */
    tomocut_dtype dtype;
    /**
     * Zero.
     */
    uint32_t reserved;
    /**
     * Extents, z y x, each at least 1.
     */
    uint64_t shape[3];
    /**
     * Steps, z y x, in elements; negative steps are allowed. All three zero: contiguous, x fastest. Volumes that are
     * written to must not overlap themselves.
     */
    int64_t strides[3];
} tomocut_volume;

/**
 * What a long call is doing: one of the TOMOCUT_STAGE_* numbers. Later versions may add stages.
 */
typedef int32_t tomocut_stage;

/**
 * The result may be wrong, or the call failed.
 */
#define TOMOCUT_LOG_ERROR 1

/**
 * Worth the user's attention: a doubtful input, a slow configuration.
 */
#define TOMOCUT_LOG_WARNING 2

/**
 * What is being done.
 */
#define TOMOCUT_LOG_INFO 3

/**
 * Figures for developers.
 */
#define TOMOCUT_LOG_DEBUG 4

/**
 * Not begun.
 */
#define TOMOCUT_STAGE_START 0

/**
 * Reading the tomogram.
 */
#define TOMOCUT_STAGE_READ 1

/**
 * Loading a model.
 */
#define TOMOCUT_STAGE_LOAD 2

/**
 * Contrast enhancement of slices.
 */
#define TOMOCUT_STAGE_ENHANCE 3

/**
 * Encoding tiles into latents.
 */
#define TOMOCUT_STAGE_ENCODE 4

/**
 * The U-Net and its attention.
 */
#define TOMOCUT_STAGE_ATTENTION 5

/**
 * Eigenvectors of the attention.
 */
#define TOMOCUT_STAGE_EIGENVECTORS 6

/**
 * Eigenvectors to one canvas per slice.
 */
#define TOMOCUT_STAGE_CANVAS 7

/**
 * Consistency across z.
 */
#define TOMOCUT_STAGE_Z_CORRECTION 8

/**
 * Canvases to foreground.
 */
#define TOMOCUT_STAGE_BINARISE 9

/**
 * Foreground to membranes and molecules.
 */
#define TOMOCUT_STAGE_SPLIT 10

/**
 * Molecule positions.
 */
#define TOMOCUT_STAGE_POINTS 11

/**
 * Writing files.
 */
#define TOMOCUT_STAGE_WRITE 12

/**
 * Simulating a tomogram.
 */
#define TOMOCUT_STAGE_SIMULATE 13

/**
 * Training a network.
 */
#define TOMOCUT_STAGE_TRAIN 14

/**
 * The call did what it says.
 */
#define TOMOCUT_OK 0

/**
 * An argument is NULL or outside its range; the text names it, its value and what is allowed.
 */
#define TOMOCUT_E_INVALID_ARGUMENT (-1)

/**
 * The host asked to stop, by tomocut_cancel_request or by the answer of its progress callback.
 */
#define TOMOCUT_E_CANCELLED (-2)

/**
 * Not enough memory on the host or on the device.
 */
#define TOMOCUT_E_OUT_OF_MEMORY (-3)

/**
 * The device is absent, busy or failing.
 */
#define TOMOCUT_E_DEVICE (-4)

/**
 * The operating system refused to read or write a file.
 */
#define TOMOCUT_E_IO (-5)

/**
 * A file or buffer does not contain what it should.
 */
#define TOMOCUT_E_FORMAT (-6)

/**
 * A valid request that this build or this model cannot serve.
 */
#define TOMOCUT_E_UNSUPPORTED (-7)

/**
 * Versions of a file, of this header or of the library do not fit.
 */
#define TOMOCUT_E_VERSION (-8)

/**
 * The handle is in use by another call, or poisoned, or this process is a fork of the one that made the engine.
 */
#define TOMOCUT_E_STATE (-9)

/**
 * A defect of the library, never of the host. Where it was caught in full flight, every handle given to that call is
 * poisoned: only its _free function works from then on, everything else answers TOMOCUT_E_STATE.
 */
#define TOMOCUT_E_INTERNAL (-128)

/**
 * Unsigned 8-bit integers.
 */
#define TOMOCUT_DTYPE_U8 1

/**
 * Signed 8-bit integers.
 */
#define TOMOCUT_DTYPE_I8 2

/**
 * Unsigned 16-bit integers.
 */
#define TOMOCUT_DTYPE_U16 3

/**
 * Signed 16-bit integers.
 */
#define TOMOCUT_DTYPE_I16 4

/**
 * IEEE 754 binary16.
 */
#define TOMOCUT_DTYPE_F16 5

/**
 * IEEE 754 binary32.
 */
#define TOMOCUT_DTYPE_F32 6

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Creates a cancel token.
 *
 * @param out Receives the token, to be freed by tomocut_cancel_free; NULL on failure.
 * @return TOMOCUT_OK; TOMOCUT_E_INVALID_ARGUMENT where out is NULL; TOMOCUT_E_STATE in a forked child.
 *
 * Threads: any.
 */
TOMOCUT_API
tomocut_status tomocut_cancel_create(struct tomocut_cancel **out);

/**
 * Asks every call that was given this token to stop. They answer TOMOCUT_E_CANCELLED, within 100 ms on the built-in
 * model's work, and leave nothing half-written. The request stays until tomocut_cancel_reset.
 *
 * @param cancel The token; NULL is ignored.
 *
 * Threads: any, and from a signal handler: it only raises an atomic flag.
 */
TOMOCUT_API
void tomocut_cancel_request(const struct tomocut_cancel *cancel);

/**
 * Takes a request back, so that the token can serve another call.
 *
 * @param cancel The token.
 * @return TOMOCUT_OK; TOMOCUT_E_INVALID_ARGUMENT where cancel is NULL or freed; TOMOCUT_E_STATE in a forked child.
 *
 * Threads: any.
 */
TOMOCUT_API
tomocut_status tomocut_cancel_reset(const struct tomocut_cancel *cancel);

/**
 * Frees a token. No call that was given it may still run, and no signal handler may still reach it.
 *
 * @param cancel The token; NULL is fine.
 *
 * Threads: any.
 */
TOMOCUT_API
void tomocut_cancel_free(struct tomocut_cancel *cancel);

/**
 * Sets all options to their defaults.
 *
 * @param options The struct to fill.
 * @param size    sizeof(tomocut_engine_options), as the caller's header has it.
 * @return TOMOCUT_OK; TOMOCUT_E_INVALID_ARGUMENT where options is NULL or size is no size of this struct.
 *
 * Threads: any.
 */
TOMOCUT_API
tomocut_status tomocut_engine_options_init(struct tomocut_engine_options *options,
                                           size_t size);

/**
 * Creates an engine. The first CUDA engine of a process loads libtorch's CUDA library. Warns in the log where the
 * host's BLAS stands before libtorch's (see tomocut_runtime_report).
 *
 * @param options What differs from the defaults; NULL: nothing. Read during the call only; log and log_user_data are
 *                kept until the engine and everything made with it are freed.
 * @param out     Receives the engine, to be freed by tomocut_engine_free; NULL on failure.
 * @return TOMOCUT_OK; TOMOCUT_E_INVALID_ARGUMENT (an option or out); TOMOCUT_E_DEVICE (no such device);
 *         TOMOCUT_E_STATE in a child that was forked after the first engine of its parent.
 *
 * Threads: any.
 */
TOMOCUT_API
tomocut_status tomocut_engine_create(const struct tomocut_engine_options *options,
                                     struct tomocut_engine **out);

/**
 * Frees an engine. Models, tomograms and slabs made with it stay usable.
 *
 * @param engine The engine; NULL is fine.
 *
 * Threads: any, but not while a call that was given the engine runs. In a forked child: does nothing.
 */
TOMOCUT_API
void tomocut_engine_free(struct tomocut_engine *engine);

/**
 * Fails on purpose inside the library, so that a host can test its own handling of TOMOCUT_E_INTERNAL. For tests of
 * the boundary only.
 *
 * @param engine The engine; poisoned afterwards.
 * @return TOMOCUT_E_INTERNAL; another failure where engine is no usable engine.
 *
 * Threads: as every call that computes.
 */
TOMOCUT_API
tomocut_status tomocut_debug_panic(struct tomocut_engine *engine);

/**
 * Text of this thread's last failure.
 *
 * @return NUL-terminated UTF-8, empty before the first failure, never NULL. It belongs to the library and is valid
 *         until this thread's next tomocut call. Calls that succeed leave it as it is.
 *
 * Threads: any; each thread has its own text.
 */
TOMOCUT_API
const char *tomocut_last_error(void);

/**
 * Lower-case name of a status, such as "cancelled"; "unknown" for a number that is none.
 *
 * @param status What a call answered.
 * @return A static string.
 *
 * Threads: any.
 */
TOMOCUT_API
const char *tomocut_status_name(tomocut_status status);

/**
 * Sets all members to zero, "unknown".
 *
 * @param geometry The struct to fill.
 * @param size     sizeof(tomocut_geometry), as the caller's header has it.
 * @return TOMOCUT_OK; TOMOCUT_E_INVALID_ARGUMENT where geometry is NULL or size is no size of this struct.
 *
 * Threads: any.
 */
TOMOCUT_API
tomocut_status tomocut_geometry_init(struct tomocut_geometry *geometry,
                                     size_t size);

/**
 * Opens an MRC file: modes 0, 1, 2, 6 and 12, both byte orders, any axis order, plain or packed by gzip or bzip2.
 * Plain files are mapped, and slices read when they are asked for; packed files are unpacked here. Doubtful header
 * values are replaced and told to the log.
 *
 * @param engine Gives the log.
 * @param path   The file.
 * @param cancel Stops the unpacking; may be NULL.
 * @param out    Receives the tomogram, to be freed by tomocut_tomogram_free; NULL on failure.
 * @return TOMOCUT_OK; TOMOCUT_E_IO (cannot be read); TOMOCUT_E_FORMAT (no MRC file, truncated, damaged);
 *         TOMOCUT_E_UNSUPPORTED (complex, RGB or 4-bit voxels, stacks of volumes); TOMOCUT_E_CANCELLED;
 *         TOMOCUT_E_INVALID_ARGUMENT; TOMOCUT_E_STATE.
 *
 * Threads: any. The file must not be truncated while the tomogram is open.
 */
TOMOCUT_API
tomocut_status tomocut_tomogram_open(const struct tomocut_engine *engine,
                                     const char *path,
                                     const struct tomocut_cancel *cancel,
                                     struct tomocut_tomogram **out);

/**
 * A tomogram in the host's memory. Nothing is copied: only the slices that a call needs are read, through the strides
 * and converted to float, while that call runs.
 *
 * @param engine   Gives the log.
 * @param volume   The voxels, of any TOMOCUT_DTYPE_*. The struct is read during this call; the memory it points to is
 *                 borrowed until tomocut_tomogram_free and must be neither freed nor changed before.
 * @param geometry Voxel size, origin and start; its shape must be zero or the volume's. NULL: all unknown.
 * @param out      Receives the tomogram, to be freed by tomocut_tomogram_free; NULL on failure.
 * @return TOMOCUT_OK; TOMOCUT_E_INVALID_ARGUMENT (NULL or misaligned data, an unknown dtype, a zero extent, more bytes
 *         than can be addressed, a negative or infinite voxel size); TOMOCUT_E_STATE.
 *
 * Threads: any.
 */
TOMOCUT_API
tomocut_status tomocut_tomogram_from_volume(const struct tomocut_engine *engine,
                                            const struct tomocut_volume *volume,
                                            const struct tomocut_geometry *geometry,
                                            struct tomocut_tomogram **out);

/**
 * Extent, voxel size, origin and start of a tomogram.
 *
 * @param tomogram The tomogram.
 * @param geometry Receives the answer; its struct_size must be set (tomocut_geometry_init).
 * @return TOMOCUT_OK; TOMOCUT_E_INVALID_ARGUMENT; TOMOCUT_E_STATE.
 *
 * Threads: any.
 */
TOMOCUT_API
tomocut_status tomocut_tomogram_info(const struct tomocut_tomogram *tomogram,
                                     struct tomocut_geometry *geometry);

/**
 * Copies slices of a tomogram, as float, into the caller's volume. Takes memory for one slice at a time.
 *
 * @param tomogram The tomogram.
 * @param z_first  First slice, counted from 0.
 * @param slices   Receives the slices: dtype TOMOCUT_DTYPE_F32, shape (number of slices, ny, nx). After a failure
 *                 its contents are undefined.
 * @param cancel   Stops between slices; may be NULL.
 * @return TOMOCUT_OK; TOMOCUT_E_INVALID_ARGUMENT (slices outside the tomogram, an unfit volume); TOMOCUT_E_FORMAT
 *         (a voxel that is not finite); TOMOCUT_E_IO; TOMOCUT_E_CANCELLED; TOMOCUT_E_OUT_OF_MEMORY; TOMOCUT_E_STATE.
 *
 * Threads: any, several at once.
 */
TOMOCUT_API
tomocut_status tomocut_tomogram_read(const struct tomocut_tomogram *tomogram,
                                     uint64_t z_first,
                                     struct tomocut_volume *slices,
                                     const struct tomocut_cancel *cancel);

/**
 * Frees a tomogram. A buffer given to tomocut_tomogram_from_volume is the host's again.
 *
 * @param tomogram The tomogram; NULL is fine.
 *
 * Threads: any, but not while a call that was given it runs. In a forked child: does nothing.
 */
TOMOCUT_API
void tomocut_tomogram_free(struct tomocut_tomogram *tomogram);

/**
 * Version of the library that is loaded, in the numbering of TOMOCUT_VERSION. A host that differs in MAJOR, or before
 * 1.0 in MINOR, was compiled against another ABI and should stop.
 *
 * Threads: any. Never fails.
 */
TOMOCUT_API
uint32_t tomocut_version(void);

/**
 * Which file provides what the library leans on: BLAS, LAPACK, OpenMP, libstdc++, the CUDA runtime, libtorch; one
 * line each. The first thing to look at when the library is slow inside a host: a host's own BLAS before libtorch's
 * costs a factor of 30 (cure: load the library with RTLD_LOCAL | RTLD_DEEPBIND).
 *
 * @param buffer   Receives NUL-terminated UTF-8, or NULL to ask for the size.
 * @param capacity Bytes in buffer.
 * @param needed   Receives the bytes needed, NUL included; may be NULL when buffer is given.
 * @return TOMOCUT_OK; TOMOCUT_E_INVALID_ARGUMENT where capacity is too small.
 *
 * Threads: any.
 */
TOMOCUT_API
tomocut_status tomocut_runtime_report(char *buffer,
                                      size_t capacity,
                                      size_t *needed);

/**
 * Creates a cancel token.
 *
 * @param out Receives the token, to be freed by tomocut_cancel_free; NULL on failure.
 * @return TOMOCUT_OK; TOMOCUT_E_INVALID_ARGUMENT where out is NULL; TOMOCUT_E_STATE in a forked child.
 *
 * Threads: any.
 */
TOMOCUT_API
tomocut_status tomocut_cancel_create(struct tomocut_cancel **out);

/**
 * Asks every call that was given this token to stop. They answer TOMOCUT_E_CANCELLED, within 100 ms on the built-in
 * model's work, and leave nothing half-written. The request stays until tomocut_cancel_reset.
 *
 * @param cancel The token; NULL is ignored.
 *
 * Threads: any, and from a signal handler: it only raises an atomic flag.
 */
TOMOCUT_API
void tomocut_cancel_request(const struct tomocut_cancel *cancel);

/**
 * Takes a request back, so that the token can serve another call.
 *
 * @param cancel The token.
 * @return TOMOCUT_OK; TOMOCUT_E_INVALID_ARGUMENT where cancel is NULL or freed; TOMOCUT_E_STATE in a forked child.
 *
 * Threads: any.
 */
TOMOCUT_API
tomocut_status tomocut_cancel_reset(const struct tomocut_cancel *cancel);

/**
 * Frees a token. No call that was given it may still run, and no signal handler may still reach it.
 *
 * @param cancel The token; NULL is fine.
 *
 * Threads: any.
 */
TOMOCUT_API
void tomocut_cancel_free(struct tomocut_cancel *cancel);

/**
 * Sets all options to their defaults.
 *
 * @param options The struct to fill.
 * @param size    sizeof(tomocut_engine_options), as the caller's header has it.
 * @return TOMOCUT_OK; TOMOCUT_E_INVALID_ARGUMENT where options is NULL or size is no size of this struct.
 *
 * Threads: any.
 */
TOMOCUT_API
tomocut_status tomocut_engine_options_init(struct tomocut_engine_options *options,
                                           size_t size);

/**
 * Creates an engine. The first CUDA engine of a process loads libtorch's CUDA library. Warns in the log where the
 * host's BLAS stands before libtorch's (see tomocut_runtime_report).
 *
 * @param options What differs from the defaults; NULL: nothing. Read during the call only; log and log_user_data are
 *                kept until the engine and everything made with it are freed.
 * @param out     Receives the engine, to be freed by tomocut_engine_free; NULL on failure.
 * @return TOMOCUT_OK; TOMOCUT_E_INVALID_ARGUMENT (an option or out); TOMOCUT_E_DEVICE (no such device);
 *         TOMOCUT_E_STATE in a child that was forked after the first engine of its parent.
 *
 * Threads: any.
 */
TOMOCUT_API
tomocut_status tomocut_engine_create(const struct tomocut_engine_options *options,
                                     struct tomocut_engine **out);

/**
 * Frees an engine. Models, tomograms and slabs made with it stay usable.
 *
 * @param engine The engine; NULL is fine.
 *
 * Threads: any, but not while a call that was given the engine runs. In a forked child: does nothing.
 */
TOMOCUT_API
void tomocut_engine_free(struct tomocut_engine *engine);

/**
 * Fails on purpose inside the library, so that a host can test its own handling of TOMOCUT_E_INTERNAL. For tests of
 * the boundary only.
 *
 * @param engine The engine; poisoned afterwards.
 * @return TOMOCUT_E_INTERNAL; another failure where engine is no usable engine.
 *
 * Threads: as every call that computes.
 */
TOMOCUT_API
tomocut_status tomocut_debug_panic(struct tomocut_engine *engine);

/**
 * Text of this thread's last failure.
 *
 * @return NUL-terminated UTF-8, empty before the first failure, never NULL. It belongs to the library and is valid
 *         until this thread's next tomocut call. Calls that succeed leave it as it is.
 *
 * Threads: any; each thread has its own text.
 */
TOMOCUT_API
const char *tomocut_last_error(void);

/**
 * Lower-case name of a status, such as "cancelled"; "unknown" for a number that is none.
 *
 * @param status What a call answered.
 * @return A static string.
 *
 * Threads: any.
 */
TOMOCUT_API
const char *tomocut_status_name(tomocut_status status);

/**
 * Sets all members to zero, "unknown".
 *
 * @param geometry The struct to fill.
 * @param size     sizeof(tomocut_geometry), as the caller's header has it.
 * @return TOMOCUT_OK; TOMOCUT_E_INVALID_ARGUMENT where geometry is NULL or size is no size of this struct.
 *
 * Threads: any.
 */
TOMOCUT_API
tomocut_status tomocut_geometry_init(struct tomocut_geometry *geometry,
                                     size_t size);

/**
 * Opens an MRC file: modes 0, 1, 2, 6 and 12, both byte orders, any axis order, plain or packed by gzip or bzip2.
 * Plain files are mapped, and slices read when they are asked for; packed files are unpacked here. Doubtful header
 * values are replaced and told to the log.
 *
 * @param engine Gives the log.
 * @param path   The file.
 * @param cancel Stops the unpacking; may be NULL.
 * @param out    Receives the tomogram, to be freed by tomocut_tomogram_free; NULL on failure.
 * @return TOMOCUT_OK; TOMOCUT_E_IO (cannot be read); TOMOCUT_E_FORMAT (no MRC file, truncated, damaged);
 *         TOMOCUT_E_UNSUPPORTED (complex, RGB or 4-bit voxels, stacks of volumes); TOMOCUT_E_CANCELLED;
 *         TOMOCUT_E_INVALID_ARGUMENT; TOMOCUT_E_STATE.
 *
 * Threads: any. The file must not be truncated while the tomogram is open.
 */
TOMOCUT_API
tomocut_status tomocut_tomogram_open(const struct tomocut_engine *engine,
                                     const char *path,
                                     const struct tomocut_cancel *cancel,
                                     struct tomocut_tomogram **out);

/**
 * A tomogram in the host's memory. Nothing is copied: only the slices that a call needs are read, through the strides
 * and converted to float, while that call runs.
 *
 * @param engine   Gives the log.
 * @param volume   The voxels, of any TOMOCUT_DTYPE_*. The struct is read during this call; the memory it points to is
 *                 borrowed until tomocut_tomogram_free and must be neither freed nor changed before.
 * @param geometry Voxel size, origin and start; its shape must be zero or the volume's. NULL: all unknown.
 * @param out      Receives the tomogram, to be freed by tomocut_tomogram_free; NULL on failure.
 * @return TOMOCUT_OK; TOMOCUT_E_INVALID_ARGUMENT (NULL or misaligned data, an unknown dtype, a zero extent, more bytes
 *         than can be addressed, a negative or infinite voxel size); TOMOCUT_E_STATE.
 *
 * Threads: any.
 */
TOMOCUT_API
tomocut_status tomocut_tomogram_from_volume(const struct tomocut_engine *engine,
                                            const struct tomocut_volume *volume,
                                            const struct tomocut_geometry *geometry,
                                            struct tomocut_tomogram **out);

/**
 * Extent, voxel size, origin and start of a tomogram.
 *
 * @param tomogram The tomogram.
 * @param geometry Receives the answer; its struct_size must be set (tomocut_geometry_init).
 * @return TOMOCUT_OK; TOMOCUT_E_INVALID_ARGUMENT; TOMOCUT_E_STATE.
 *
 * Threads: any.
 */
TOMOCUT_API
tomocut_status tomocut_tomogram_info(const struct tomocut_tomogram *tomogram,
                                     struct tomocut_geometry *geometry);

/**
 * Copies slices of a tomogram, as float, into the caller's volume. Takes memory for one slice at a time.
 *
 * @param tomogram The tomogram.
 * @param z_first  First slice, counted from 0.
 * @param slices   Receives the slices: dtype TOMOCUT_DTYPE_F32, shape (number of slices, ny, nx). After a failure
 *                 its contents are undefined.
 * @param cancel   Stops between slices; may be NULL.
 * @return TOMOCUT_OK; TOMOCUT_E_INVALID_ARGUMENT (slices outside the tomogram, an unfit volume); TOMOCUT_E_FORMAT
 *         (a voxel that is not finite); TOMOCUT_E_IO; TOMOCUT_E_CANCELLED; TOMOCUT_E_OUT_OF_MEMORY; TOMOCUT_E_STATE.
 *
 * Threads: any, several at once.
 */
TOMOCUT_API
tomocut_status tomocut_tomogram_read(const struct tomocut_tomogram *tomogram,
                                     uint64_t z_first,
                                     struct tomocut_volume *slices,
                                     const struct tomocut_cancel *cancel);

/**
 * Frees a tomogram. A buffer given to tomocut_tomogram_from_volume is the host's again.
 *
 * @param tomogram The tomogram; NULL is fine.
 *
 * Threads: any, but not while a call that was given it runs. In a forked child: does nothing.
 */
TOMOCUT_API
void tomocut_tomogram_free(struct tomocut_tomogram *tomogram);

/**
 * Version of the library that is loaded, in the numbering of TOMOCUT_VERSION. A host that differs in MAJOR, or before
 * 1.0 in MINOR, was compiled against another ABI and should stop.
 *
 * Threads: any. Never fails.
 */
TOMOCUT_API
uint32_t tomocut_version(void);

/**
 * Which file provides what the library leans on: BLAS, LAPACK, OpenMP, libstdc++, the CUDA runtime, libtorch; one
 * line each. The first thing to look at when the library is slow inside a host: a host's own BLAS before libtorch's
 * costs a factor of 30 (cure: load the library with RTLD_LOCAL | RTLD_DEEPBIND).
 *
 * @param buffer   Receives NUL-terminated UTF-8, or NULL to ask for the size.
 * @param capacity Bytes in buffer.
 * @param needed   Receives the bytes needed, NUL included; may be NULL when buffer is given.
 * @return TOMOCUT_OK; TOMOCUT_E_INVALID_ARGUMENT where capacity is too small.
 *
 * Threads: any.
 */
TOMOCUT_API
tomocut_status tomocut_runtime_report(char *buffer,
                                      size_t capacity,
                                      size_t *needed);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* TOMOCUT_H */
