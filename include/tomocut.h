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
#define TOMOCUT_VERSION 2000
/** MAJOR of TOMOCUT_VERSION. */
#define TOMOCUT_VERSION_MAJOR 0
/** MINOR of TOMOCUT_VERSION. */
#define TOMOCUT_VERSION_MINOR 2
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
 * Label of voxels that are no structure.
 */
#define TOMOCUT_LABEL_BACKGROUND 0

/**
 * Label of membranes.
 */
#define TOMOCUT_LABEL_MEMBRANE 1

/**
 * Label of molecules.
 */
#define TOMOCUT_LABEL_MOLECULE 2

/**
 * Label of filaments; given where the model knows filaments.
 */
#define TOMOCUT_LABEL_FILAMENT 3

/**
 * Queries and keys of the self-attention layers of one slice. A handle of its own: it takes one call at a time.
 */
typedef struct tomocut_attention tomocut_attention;

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
 * A diffusion model on one device. Immutable; may serve several engines and threads at once.
 */
typedef struct tomocut_model tomocut_model;

/**
 * An image, a slab or a matrix in segments, with their tree. Immutable; independent of what it was made from.
 */
typedef struct tomocut_ncut tomocut_ncut;

/**
 * The molecules of one tomogram: positions, diameters, scores. Immutable; independent of the tomogram.
 */
typedef struct tomocut_picks tomocut_picks;

/**
 * A segmentation network with its weights on one device. Immutable; may serve several engines and threads at once.
 */
typedef struct tomocut_predictor tomocut_predictor;

/**
 * What a call found out: a JSON document. Freed by tomocut_report_free.
 */
typedef struct tomocut_report tomocut_report;

/**
 * A segmented slab: labels, scores, points and a report. Immutable; independent of model and tomogram.
 */
typedef struct tomocut_slab tomocut_slab;

/**
 * A tomogram: where its voxels lie, and its slices. Immutable; may serve several engines and threads at once.
 */
typedef struct tomocut_tomogram tomocut_tomogram;

/**
 * A training: a network, labels, and how far it is. Labels are added first (tomocut_trainer_add_slab,
 * tomocut_trainer_add_labels), then tomocut_trainer_run takes steps, in one call or many. Mutable: one call at a time.
 */
typedef struct tomocut_trainer tomocut_trainer;

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
 * One progress report.
 */
typedef struct tomocut_progress {
    /**
     * Bytes of this struct in the library's version; fields beyond it do not exist.
     */
    size_t struct_size;
    /**
     * What is being done, static: "start", "read", "load", "enhance", "encode", "attention", "eigenvectors", "canvas",
     * "z-correction", "binarise", "split", "points", "write", "simulate", "train", "predict" or "cut". Later versions
     * may add words.
     */
    const char *stage_name;
    /**
     * Share of the whole call that is done, 0 to 1; never falls within one call.
     */
    double fraction;
    /**
     * Loss of the last training step, or NaN.
     */
    double loss;
    /**
     * Latest validation score of a training, 0 to 1, or NaN.
     */
    double score;
} tomocut_progress;

/**
 * The host's progress callback, called on the thread of the call it reports on, at most every 50 ms.
 *
 * It must not throw a C++ exception (the process is aborted; the callbacks of tomocut.hpp may), longjmp
 * (mexErrMsgIdAndTxt does), or pass the engine of the running call to another function. It may call
 * tomocut_cancel_request.
 *
 * @param progress  The report; valid during the callback.
 * @param user_data What the options gave.
 * @return 0 to go on, anything else to cancel: the call answers TOMOCUT_E_CANCELLED.
 */
typedef int32_t (*tomocut_progress_fn)(const struct tomocut_progress *progress,
                                       void *user_data);

/**
 * Options of a call. Fill with tomocut_call_options_init, then change what differs.
 */
typedef struct tomocut_call_options {
    /**
     * sizeof(tomocut_call_options) of the caller's header.
     */
    size_t struct_size;
    /**
     * Settings by name, one JSON object; the function says of which family (docs/settings.md). NULL: the defaults.
     */
    const char *settings;
    /**
     * Stops the call; may be NULL. Must live until the call returns.
     */
    const struct tomocut_cancel *cancel;
    /**
     * Reports on the call; may be NULL.
     */
    tomocut_progress_fn progress;
    /**
     * Handed to progress.
     */
    void *progress_user_data;
} tomocut_call_options;

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
    int64_t start[3];
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
 * A slab worth segmenting. This struct never changes.
 */
typedef struct tomocut_suggested_slab {
    /**
     * Its first slice, counted from 0.
     */
    uint64_t z_first;
    /**
     * The slice after its last one.
     */
    uint64_t z_end;
    /**
     * How much structure it holds: the mean of the profile over its slices; comparable within one tomogram only.
     */
    double score;
} tomocut_suggested_slab;

/**
 * Options of segmenting a slab. Fill with tomocut_slab_options_init, set z_first and z_end, then change what differs.
 */
typedef struct tomocut_slab_options {
    /**
     * sizeof(tomocut_slab_options) of the caller's header.
     */
    size_t struct_size;
    /**
     * First slice of the slab, counted from 0.
     */
    uint64_t z_first;
    /**
     * Slice after the last one; must be above z_first.
     */
    uint64_t z_end;
    /**
     * "default" (what measures best with the built-in model), "cvpr2026_code" (what the released code of the slab
     * paper does), "cvpr2026_paper" (what the paper says) or "spectral" (eigenvectors of the built-in model's
     * attention); NULL: "default". The papers' split by CellPose: settings cellpose_weights, or split "circularity" as
     * a stand-in.
     */
    const char *preset;
    /**
     * Edge of a voxel in nm, 0.01 to 100, where the tomogram's own is wrong or unknown; 0: the tomogram's own.
     */
    double voxel_nm;
    /**
     * 1: structures are brighter than their surroundings; 0: darker, as IMOD and AreTomo leave them.
     */
    int64_t bright;
    /**
     * Stops the call; may be NULL. Must live until the call returns.
     */
    const struct tomocut_cancel *cancel;
    /**
     * Reports on the call; may be NULL.
     */
    tomocut_progress_fn progress;
    /**
     * Handed to progress.
     */
    void *progress_user_data;
    /**
     * Any other setting of the family "slab" by name, one JSON object (docs/settings.md); NULL: none.
     */
    const char *settings;
} tomocut_slab_options;

/**
 * A molecule. This struct never changes.
 */
typedef struct tomocut_pick {
    /**
     * Centre in voxels of the whole tomogram, along x; the centre of the first voxel is 0.
     */
    double x;
    /**
     * The same along y.
     */
    double y;
    /**
     * The same along z.
     */
    double z;
    /**
     * x times the voxel size, in Angstrom; 0 where the voxel size is unknown.
     */
    double x_angstrom;
    /**
     * The same along y.
     */
    double y_angstrom;
    /**
     * The same along z.
     */
    double z_angstrom;
    /**
     * Diameter in nm; 0: unknown.
     */
    double diameter_nm;
    /**
     * Confidence, higher is better; comparable within one slab or prediction only.
     */
    double score;
} tomocut_pick;

/**
 * Options of segmenting by cuts. Fill with tomocut_ncut_options_init, then change what differs.
 */
typedef struct tomocut_ncut_options {
    /**
     * sizeof(tomocut_ncut_options) of the caller's header.
     */
    size_t struct_size;
    /**
     * "walk_and_cut" (recursive NCut on P P^T, WACV 2026), "walk_and_cut_clean" (the same without inversion),
     * "random_walk" (on P itself), "power_walk_mincut" (on P^3 P^3T), "diffseg" (maps merged by divergence, CVPR
     * 2024), "diffcut" (recursive NCut on cosines of features, NeurIPS 2024), "tokencut" (one object, CVPR 2022),
     * "maskcut" (three objects, CVPR 2023), "emerdiff" (k-means on queries and modulated denoising, ICLR 2024;
     * Stable Diffusion only) or "emerdiff_kmeans" (its first step); NULL: "walk_and_cut".
     */
    const char *preset;
    /**
     * How many segments, up to 4096: the best cuts first; 0: by the preset's rule, 8 with the built-in model.
     */
    uint32_t segments;
    /**
     * 1: structures are brighter than their surroundings, grey levels are inverted; 0: darker. For tomograms.
     */
    int32_t bright;
    /**
     * Any other setting of the family "ncut" by name, one JSON object (docs/settings.md); NULL: none.
     */
    const char *settings;
    /**
     * Stops the call; may be NULL. Must live until the call returns.
     */
    const struct tomocut_cancel *cancel;
    /**
     * Reports on the call; may be NULL.
     */
    tomocut_progress_fn progress;
    /**
     * Handed to progress.
     */
    void *progress_user_data;
} tomocut_ncut_options;

/**
 * Kinds of matrices, TOMOCUT_MATRIX_*.
 */
typedef int32_t tomocut_matrix_kind;

/**
 * One segment of all slices. This struct never changes.
 */
typedef struct tomocut_ncut_segment {
    /**
     * Pixels labelled with it.
     */
    uint64_t pixels;
    /**
     * First slice that shows it, of the whole tomogram.
     */
    uint64_t z_first;
    /**
     * Slice after the last one.
     */
    uint64_t z_end;
} tomocut_ncut_segment;

/**
 * One node of the tree of a pass. This struct never changes.
 */
typedef struct tomocut_ncut_node {
    /**
     * Index of the node that it is part of; -1 for the first, the whole. Parents come before their parts.
     */
    int64_t parent;
    /**
     * Number of its label; -1 for a node that was cut further.
     */
    int64_t segment;
    /**
     * Tokens in it.
     */
    uint64_t tokens;
    /**
     * Cuts above it.
     */
    uint64_t depth;
    /**
     * NCut of the best cut through it, made or not, 0 to 2; NaN where none was looked for.
     */
    double ncut;
    /**
     * Weight of the edges that this cut severs; NaN as above.
     */
    double cut;
    /**
     * What the stopping rule compared: the cut was made where value is below limit; NaN as above.
     */
    double value;
    /**
     * See value.
     */
    double limit;
} tomocut_ncut_node;

/**
 * A self-attention layer of one tile. Set struct_size before use.
 */
typedef struct tomocut_attention_layer {
    /**
     * sizeof(tomocut_attention_layer) of the caller's header.
     */
    size_t struct_size;
    /**
     * Name of the layer in diffusers, such as "down_blocks.0.attentions.0.transformer_blocks.0.attn1"; "layer N" where
     * the host brought the attention. Valid until the attention is freed.
     */
    const char *name;
    /**
     * Number of the layer in order of execution, from 0.
     */
    uint32_t index;
    /**
     * Number of the tile that the slice was cut into, from 0.
     */
    uint32_t tile;
    /**
     * Attention heads.
     */
    uint64_t heads;
    /**
     * Tokens: rows * columns.
     */
    uint64_t tokens;
    /**
     * Length of a query.
     */
    uint64_t dim;
    /**
     * Rows of the token grid.
     */
    uint64_t rows;
    /**
     * Columns of the token grid.
     */
    uint64_t columns;
    /**
     * Timestep of the pass; 0 where the host brought the attention.
     */
    int64_t timestep;
} tomocut_attention_layer;

/**
 * Options of a prediction. Fill with tomocut_predict_options_init, then change what differs; zero and NULL mean the
 * default.
 */
typedef struct tomocut_predict_options {
    /**
     * sizeof(tomocut_predict_options) of the caller's header.
     */
    size_t struct_size;
    /**
     * Edge of a voxel in nm, 0.01 to 100, where the tomogram's own is wrong or unknown.
     */
    double voxel_nm;
    /**
     * Bytes that slices and tiles may take, beside the network and libtorch; 0: 1 GiB.
     */
    uint64_t memory;
    /**
     * Number of this process, 0 to size - 1, where several share one prediction.
     */
    uint64_t rank;
    /**
     * Number of processes; 0: 1. The one that finishes last puts the files in place.
     */
    uint64_t size;
    /**
     * Stops the call; may be NULL. Must live until the call returns.
     */
    const struct tomocut_cancel *cancel;
    /**
     * Reports on the call; may be NULL.
     */
    tomocut_progress_fn progress;
    /**
     * Handed to progress.
     */
    void *progress_user_data;
    /**
     * Settings of the family "predict", one JSON object (docs/settings.md): {"outputs": ["labels"], "bright": true,
     * "picking": {}, "membranes": {"gap_nm": 6}}. NULL: the defaults; neither picks nor membranes.
     */
    const char *settings;
} tomocut_predict_options;

/**
 * Options of a trainer. Fill with tomocut_trainer_options_init, then change what differs; zero and NULL mean the
 * default.
 */
typedef struct tomocut_trainer_options {
    /**
     * sizeof(tomocut_trainer_options) of the caller's header.
     */
    size_t struct_size;
    /**
     * What every other default is taken from: "default", "adapt", or a paper's training: "slab-paper", "membrain-seg",
     * "deepetpicker", "deepict", "sdseg", "sdseg-small". NULL: "adapt" for weights that are trained already, else
     * "default".
     */
    const char *preset;
    /**
     * The model file to start from, one that tomocut_predictor_open opens: its network and weights; NULL: those of the
     * network that is compiled into the library, unless network, scratch or a paper's preset say otherwise.
     */
    const char *start;
    /**
     * A network to start from random weights: "sdseg", "sdseg-small", or one JSON object, such as the member "model"
     * of tomocut_predictor_info. NULL: the start's or the preset's.
     */
    const char *network;
    /**
     * Any other setting by name, one JSON object of the family "train" (docs/settings.md). NULL: none.
     */
    const char *settings;
    /**
     * Steps of a training or, where there are rounds of self-training, of each round; 0: the preset's, 300 or 2000.
     */
    uint64_t steps;
    /**
     * Seed of weights and windows; 0: 1.
     */
    uint64_t seed;
    /**
     * Edge of the tomograms' voxels in nm, where their own is wrong or unknown; 0: their own.
     */
    double voxel_nm;
    /**
     * 1: structures are brighter than their surroundings in the tomograms; 0: darker.
     */
    int32_t bright;
    /**
     * 1: random weights, without a start; 0: not.
     */
    int32_t scratch;
} tomocut_trainer_options;

/**
 * Options of one call of tomocut_trainer_run. Fill with tomocut_train_options_init, then change what differs.
 */
typedef struct tomocut_train_options {
    /**
     * sizeof(tomocut_train_options) of the caller's header.
     */
    size_t struct_size;
    /**
     * The call ends once so many steps of the training are done, those of earlier calls counted; 0: all of them.
     */
    uint64_t until_step;
    /**
     * The call ends after so many minutes, with the step that is then under way; 0: it does not.
     */
    double minutes;
    /**
     * Stops the call; may be NULL. Must live until the call returns.
     */
    const struct tomocut_cancel *cancel;
    /**
     * Reports on the call, the loss included; may be NULL.
     */
    tomocut_progress_fn progress;
    /**
     * Handed to progress.
     */
    void *progress_user_data;
} tomocut_train_options;

/**
 * The host's own labels of some slices of a tomogram. Fill with tomocut_training_labels_init, set labels, then change
 * what differs. All arrays and strings are read during the call.
 */
typedef struct tomocut_training_labels {
    /**
     * sizeof(tomocut_training_labels) of the caller's header.
     */
    size_t struct_size;
    /**
     * The labels, 0 for the ground: dtype TOMOCUT_DTYPE_I8 or TOMOCUT_DTYPE_U8, shape (number of slices, ny, nx).
     * NULL: points alone teach, of all slices from z_first on (settings: point_labels).
     */
    const struct tomocut_volume *labels;
    /**
     * How sure each label is, 0 (ignored) to 1: dtype TOMOCUT_DTYPE_F32 or TOMOCUT_DTYPE_F16, shape as labels; NULL:
     * all are sure.
     */
    const struct tomocut_volume *confidence;
    /**
     * Names of the labels from 1 on, separated by commas, by which the network's outputs find theirs, up to 127; NULL:
     * "membrane,molecule,filament".
     */
    const char *names;
    /**
     * Molecules, for an output "centre" and for point_labels: x, y, z in voxels of the whole tomogram and diameter_nm
     * are read; NULL: none.
     */
    const struct tomocut_pick *points;
    /**
     * Entries in points.
     */
    size_t n_points;
} tomocut_training_labels;

/**
 * A tomogram of a data set. This struct never changes.
 */
typedef struct tomocut_dataset_tomogram {
    /**
     * The MRC file.
     */
    const char *path;
    /**
     * First slice of it that is labelled, counted from 0.
     */
    uint64_t z_first;
    /**
     * Slice after the last one; 0: no slab of it is given. Where any tomogram has one, these slabs are labelled and
     * none is looked for.
     */
    uint64_t z_end;
    /**
     * An MRC file of its true labels (0 ground, 1 membrane, 2 molecule, 3 filament), which the result is scored with;
     * nothing is learnt from it. NULL: none.
     */
    const char *truth;
} tomocut_dataset_tomogram;

/**
 * Options of a run over a data set. Fill with tomocut_dataset_options_init, then change what differs; zero and NULL
 * mean the default.
 */
typedef struct tomocut_dataset_options {
    /**
     * sizeof(tomocut_dataset_options) of the caller's header.
     */
    size_t struct_size;
    /**
     * Slabs that are labelled, 1 to 64, where none is given; 0: 3. They are looked for in tomograms spread over the
     * data set.
     */
    uint64_t slabs;
    /**
     * Edge of a voxel in nm, 0.01 to 100, where the files' own is wrong or unknown.
     */
    double voxel_nm;
    /**
     * Bytes that labelled slabs, and later slices and tiles, may take, beside networks and libtorch; 0: 4 GiB.
     */
    uint64_t memory;
    /**
     * Stops the call; may be NULL. Must live until the call returns.
     */
    const struct tomocut_cancel *cancel;
    /**
     * Reports on the call, over all its stages; may be NULL.
     */
    tomocut_progress_fn progress;
    /**
     * Handed to progress.
     */
    void *progress_user_data;
    /**
     * Settings of the family "run", one JSON object (docs/settings.md), with the groups slab, training, prediction and
     * molecules: {"training.steps": 900, "prediction.membranes": {}}; {"preset": "cvpr2026", "truth": "truths.csv",
     * "slab.split": "cellpose", "slab.cellpose_weights": "cyto3.safetensors"}. NULL: the defaults.
     */
    const char *settings;
} tomocut_dataset_options;

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

/**
 * Unsigned 32-bit integers. As input they are read as binary32, exact up to 2^24.
 */
#define TOMOCUT_DTYPE_U32 7

/**
 * Symmetric edge weights N x N, finite and not negative.
 */
#define TOMOCUT_MATRIX_AFFINITY 0

/**
 * Transition probabilities N x N: not negative, rows sum to 1.
 */
#define TOMOCUT_MATRIX_TRANSITION 1

/**
 * One feature vector per token, N x D, finite.
 */
#define TOMOCUT_MATRIX_FEATURES 2

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Text of this thread's last failure: NUL-terminated UTF-8, empty before the first failure, never NULL. It belongs to
 * the library and is valid until this thread's next tomocut call. Calls that succeed leave it as it is.
 */
TOMOCUT_API
const char *tomocut_last_error(void);

/**
 * Lower-case name of a status, such as "cancelled"; "unknown" for a number that is none.
 *
 * @param status What a call answered.
 */
TOMOCUT_API
const char *tomocut_status_name(tomocut_status status);

/**
 * Version of the library that is loaded, in the numbering of TOMOCUT_VERSION. A host that differs in MAJOR, or before
 * 1.0 in MINOR, was compiled against another ABI and should stop.
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
 */
TOMOCUT_API
tomocut_status tomocut_runtime_report(char *buffer,
                                      size_t capacity,
                                      size_t *needed);

/**
 * Creates a cancel token.
 */
TOMOCUT_API
tomocut_status tomocut_cancel_create(struct tomocut_cancel **out);

/**
 * Asks every call that was given this token to stop. They answer TOMOCUT_E_CANCELLED, within 100 ms on the built-in
 * model's work, and leave nothing half-written. The request stays until tomocut_cancel_reset.
 *
 * @param cancel The token; NULL is ignored.
 */
TOMOCUT_API
void tomocut_cancel_request(const struct tomocut_cancel *cancel);

/**
 * Takes a request back, so that the token can serve another call.
 *
 * @param cancel The token.
 */
TOMOCUT_API
tomocut_status tomocut_cancel_reset(const struct tomocut_cancel *cancel);

/**
 * Frees a token. No call that was given it may still run, and no signal handler may still reach it.
 *
 * @param cancel The token; NULL is fine.
 */
TOMOCUT_API
void tomocut_cancel_free(struct tomocut_cancel *cancel);

/**
 * Sets all options to their defaults.
 *
 * @param options The struct to fill.
 * @param size    sizeof(tomocut_engine_options), as the caller's header has it.
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
 */
TOMOCUT_API
tomocut_status tomocut_engine_create(const struct tomocut_engine_options *options,
                                     struct tomocut_engine **out);

/**
 * Frees an engine. Models, tomograms and slabs made with it stay usable.
 *
 * @param engine The engine; NULL is fine.
 */
TOMOCUT_API
void tomocut_engine_free(struct tomocut_engine *engine);

/**
 * Fails on purpose inside the library, so that a host can test its own handling of TOMOCUT_E_INTERNAL. For tests of
 * the boundary only.
 *
 * @param engine The engine; poisoned afterwards.
 */
TOMOCUT_API
tomocut_status tomocut_debug_panic(struct tomocut_engine *engine);

/**
 * Sets all options to their defaults; size is sizeof(tomocut_call_options), as the caller's header has it.
 */
TOMOCUT_API
tomocut_status tomocut_call_options_init(struct tomocut_call_options *options,
                                         size_t size);

/**
 * The report as JSON, with a final NUL. With buffer NULL and capacity 0 only *needed is written: the bytes that it
 * takes.
 */
TOMOCUT_API
tomocut_status tomocut_report_json(const struct tomocut_report *report,
                                   char *buffer,
                                   size_t capacity,
                                   size_t *needed);

/**
 * A number, count or flag (0 or 1) of the report by its path: "/tomograms/0/points". TOMOCUT_E_INVALID_ARGUMENT where
 * there is none.
 */
TOMOCUT_API
tomocut_status tomocut_report_number(const struct tomocut_report *report,
                                     const char *path,
                                     double *number);

/**
 * Frees a report; NULL is fine.
 */
TOMOCUT_API
void tomocut_report_free(struct tomocut_report *report);

/**
 * Sets all members to zero, "unknown".
 *
 * @param geometry The struct to fill.
 * @param size     sizeof(tomocut_geometry), as the caller's header has it.
 */
TOMOCUT_API
tomocut_status tomocut_geometry_init(struct tomocut_geometry *geometry,
                                     size_t size);

/**
 * Opens an MRC file: modes 0, 1, 2, 6 and 12, both byte orders, any axis order, plain or packed by gzip or bzip2.
 * Plain files are mapped, and slices read when they are asked for; packed files are unpacked here. Doubtful header
 * values are replaced and told to the log.
 *
 * Or opens a zarr folder: OME-Zarr 0.4 and 0.5, of which the finest resolution is taken, another one by its own path
 * (x.zarr/1), or an array without OME metadata, whose voxel size is unknown. Axes are z, y, x, others before them of
 * extent 1; voxels are integers, floats of 16 to 64 bits or bool; a chunk that is missing holds the fill value.
 *
 * @param engine Gives the log.
 * @param path   The file or folder.
 * @param cancel Stops the unpacking; may be NULL.
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
 */
TOMOCUT_API
void tomocut_tomogram_free(struct tomocut_tomogram *tomogram);

/**
 * Finds the slabs that hold most structure, without any model: those whose local contrast at the scales of membranes
 * and molecules most exceeds that of noise. Dark and bright structures count alike; gold beads, padding and single
 * damaged slices count little. Voxels that are not finite are passed over, but slabs with such voxels, which
 * tomocut_slab_segment refuses, come after all others. Takes memory for one slice, or 64 MiB of smaller ones.
 *
 * @param tomogram         The tomogram.
 * @param options          Settings of the family "suggest"; NULL: the defaults.
 * @param slabs            Receives up to capacity slabs that do not overlap, the best first; NULL where only the
 *                         profile is wanted.
 * @param capacity         Entries in slabs: how many are looked for.
 * @param count            Receives the number of slabs found; may be NULL. Fewer than capacity where no more fit.
 * @param profile          Receives the structure of every slice: about 0 where there is only noise, 1 where every
 *                         place certainly holds structure; or NULL.
 * @param profile_capacity Entries in profile, at least the tomogram's number of slices; 0 where profile is NULL.
 */
TOMOCUT_API
tomocut_status tomocut_tomogram_suggest_slabs(const struct tomocut_tomogram *tomogram,
                                              const struct tomocut_call_options *options,
                                              struct tomocut_suggested_slab *slabs,
                                              size_t capacity,
                                              size_t *count,
                                              double *profile,
                                              size_t profile_capacity);

/**
 * Opens Stable Diffusion weights, 1.x or 2.x: a folder in the layout of diffusers, an original checkpoint in one
 * .safetensors file, or tomocut's own single file. Files are mapped, nothing is downloaded.
 *
 * A tensor that is missing or has another shape or type is TOMOCUT_E_FORMAT: the text names it, the shape that is
 * expected and the one that is there; of a pickle checkpoint the text says how to convert it.
 *
 * @param engine  Gives the device and the log.
 * @param path    The folder or file.
 * @param options Settings of the family "model"; NULL: the defaults.
 */
TOMOCUT_API
tomocut_status tomocut_model_open(const struct tomocut_engine *engine,
                                  const char *path,
                                  const struct tomocut_call_options *options,
                                  struct tomocut_model **out);

/**
 * The small model that is compiled into the library, trained on simulated tomograms.
 *
 * @param engine  Gives the device and the log.
 * @param options Settings of the family "model"; NULL: the defaults.
 */
TOMOCUT_API
tomocut_status tomocut_model_builtin(const struct tomocut_engine *engine,
                                     const struct tomocut_call_options *options,
                                     struct tomocut_model **out);

/**
 * What a model is, as one JSON object: name, device, attention layers, pixels per token, tile size, how slices enter
 * it, the voxel sizes it was made for, and its U-Net's configuration in the words of diffusers.
 *
 * @param model    The model.
 * @param buffer   Receives NUL-terminated UTF-8, or NULL to ask for the size.
 * @param capacity Bytes in buffer.
 * @param needed   Receives the bytes needed, NUL included; may be NULL when buffer is given.
 */
TOMOCUT_API
tomocut_status tomocut_model_info(const struct tomocut_model *model,
                                  char *buffer,
                                  size_t capacity,
                                  size_t *needed);

/**
 * Frees a model.
 *
 * @param model The model; NULL is fine.
 */
TOMOCUT_API
void tomocut_model_free(struct tomocut_model *model);

/**
 * Segments a slab of a tomogram into membranes and molecules: the library's main call. TOMOCUT_E_FORMAT for voxels
 * that are not finite and for constant slices.
 *
 * @param engine   Computes.
 * @param model    Whose self-attention is cut; on the engine's device.
 * @param tomogram The tomogram; only the slab's slices are read.
 * @param options  z_first and z_end, and what differs from the preset.
 * @param out      Receives the slab.
 */
TOMOCUT_API
tomocut_status tomocut_slab_segment(struct tomocut_engine *engine,
                                    const struct tomocut_model *model,
                                    const struct tomocut_tomogram *tomogram,
                                    const struct tomocut_slab_options *options,
                                    struct tomocut_slab **out);

/**
 * Where the voxels of a slab lie: its extent, voxel size, and start and origin, which make it overlay the tomogram.
 *
 * @param slab     The slab.
 * @param geometry Receives the answer; its struct_size must be set (tomocut_geometry_init).
 */
TOMOCUT_API
tomocut_status tomocut_slab_info(const struct tomocut_slab *slab,
                                 struct tomocut_geometry *geometry);

/**
 * Copies the labels, TOMOCUT_LABEL_*, into the caller's volume.
 *
 * @param slab   The slab.
 * @param labels Receives the labels: dtype TOMOCUT_DTYPE_U8 or TOMOCUT_DTYPE_I8, shape as tomocut_slab_info says.
 */
TOMOCUT_API
tomocut_status tomocut_slab_labels(const struct tomocut_slab *slab,
                                   struct tomocut_volume *labels);

/**
 * Copies the scores, 0 to 1, how much of a structure each voxel is, into the caller's volume.
 *
 * @param slab   The slab.
 * @param scores Receives the scores: dtype TOMOCUT_DTYPE_F32 or TOMOCUT_DTYPE_F16, shape as tomocut_slab_info says.
 */
TOMOCUT_API
tomocut_status tomocut_slab_score(const struct tomocut_slab *slab,
                                  struct tomocut_volume *scores);

/**
 * Copies into the caller's volume how likely, 0 to 1, each voxel is one structure. Only slabs of models that predict
 * structures, segmented with the canvas "structures" (the default), have such maps.
 *
 * @param slab   The slab.
 * @param map    "membrane", "molecule", "filament" or "molecule_centre" (nearness to the centre of a molecule).
 * @param scores Receives the likelihoods: dtype TOMOCUT_DTYPE_F32 or TOMOCUT_DTYPE_F16, shape as tomocut_slab_info
 *               says.
 */
TOMOCUT_API
tomocut_status tomocut_slab_likelihood(const struct tomocut_slab *slab,
                                       const char *map,
                                       struct tomocut_volume *scores);

/**
 * Copies the molecules into the array of the caller, always in the same order.
 *
 * @param slab     The slab.
 * @param points   Receives the molecules, or NULL to ask for their number.
 * @param capacity Entries in points.
 * @param needed   Receives the number of molecules; may be NULL when points is given.
 */
TOMOCUT_API
tomocut_status tomocut_slab_points(const struct tomocut_slab *slab,
                                   struct tomocut_pick *points,
                                   size_t capacity,
                                   size_t *needed);

/**
 * What was done and found: settings, model, slices, voxel size, signal-to-noise ratio, timesteps, tiles, residual of
 * the eigenvectors, shares of membrane and molecule, number of points, seconds of each stage.
 */
TOMOCUT_API
tomocut_status tomocut_slab_report(const struct tomocut_slab *slab,
                                   struct tomocut_report **report);

/**
 * Frees a slab.
 *
 * @param slab The slab; NULL is fine.
 */
TOMOCUT_API
void tomocut_slab_free(struct tomocut_slab *slab);

/**
 * Writes a slab for other programs: STEM_labels.mrc (int8), STEM_score.mrc and, where the model predicts structures,
 * STEM_membrane.mrc and STEM_molecule.mrc (likelihoods), all with start and origin set so that they overlay the
 * tomogram; the points as STEM_points.csv, .star (RELION 5), .tbl (Dynamo), .mod (IMOD) and .coords (DeepETPicker);
 * STEM_overlay.png, a picture of the middle slice; with the setting "uncertainty" STEM_uncertainty.mrc. After a
 * failure the files written before it are there, whole.
 *
 * @param slab     The slab.
 * @param tomogram The tomogram it was cut from, for the picture and for the geometry of the points.
 * @param folder   Where the files go; made where it is missing.
 * @param stem     How their names begin; no slashes.
 * @param options  Settings of the family "slab_files"; NULL: the defaults.
 */
TOMOCUT_API
tomocut_status tomocut_slab_write(const struct tomocut_slab *slab,
                                  const struct tomocut_tomogram *tomogram,
                                  const char *folder,
                                  const char *stem,
                                  const struct tomocut_call_options *options);

/**
 * Writes every intermediate of one slice to a safetensors file (float32): image, latent, U-Net input, Q and K of every
 * attention layer under their diffusers names, U-Net output, one-step denoised latent, eigenvectors, canvas. Where the
 * slice takes several tiles, names start with "tile0.", "tile1." and so on.
 *
 * @param engine   Computes.
 * @param model    On the engine's device.
 * @param tomogram The tomogram.
 * @param z        The slice, counted from 0.
 * @param options  As for tomocut_slab_segment; z_first and z_end are not used.
 * @param path     The file.
 */
TOMOCUT_API
tomocut_status tomocut_slab_dump(struct tomocut_engine *engine,
                                 const struct tomocut_model *model,
                                 const struct tomocut_tomogram *tomogram,
                                 uint64_t z,
                                 const struct tomocut_slab_options *options,
                                 const char *path);

/**
 * Sets all options to their defaults; z_first and z_end remain to be set. size is sizeof(tomocut_slab_options), as the
 * caller's header has it.
 */
TOMOCUT_API
tomocut_status tomocut_slab_options_init(struct tomocut_slab_options *options,
                                         size_t size);

/**
 * Sets all options to their defaults; size is sizeof(tomocut_ncut_options), as the caller's header has it.
 */
TOMOCUT_API
tomocut_status tomocut_ncut_options_init(struct tomocut_ncut_options *options,
                                         size_t size);

/**
 * Segments an image by the self-attention of a model. The image has shape (channels, rows, columns): 1 channel (grey)
 * or 3 (red, green, blue); any strides, so that interleaved colours are strides (1, 3 * columns, 3). Same input,
 * options and device: same result, to the byte. out is to be freed by tomocut_ncut_free.
 *
 * TOMOCUT_E_FORMAT: pixels that are not finite, an image of one value for a model of matched noise.
 * TOMOCUT_E_UNSUPPORTED: settings that do not go together; the text says why.
 */
TOMOCUT_API
tomocut_status tomocut_ncut_segment_image(struct tomocut_engine *engine,
                                          const struct tomocut_model *model,
                                          const struct tomocut_volume *image,
                                          const struct tomocut_ncut_options *options,
                                          struct tomocut_ncut **out);

/**
 * Segments the slices z_first to z_end - 1 (from 0) of a tomogram by the self-attention of a model, each with the
 * neighbours that the model sees; only these are read. A segment keeps its number from slice to slice. Otherwise as
 * tomocut_ncut_segment_image.
 */
TOMOCUT_API
tomocut_status tomocut_ncut_segment_slices(struct tomocut_engine *engine,
                                           const struct tomocut_model *model,
                                           const struct tomocut_tomogram *tomogram,
                                           uint64_t z_first,
                                           uint64_t z_end,
                                           const struct tomocut_ncut_options *options,
                                           struct tomocut_ncut **out);

/**
 * Segments a matrix of the host's own: an affinity, a transition or a feature matrix (TOMOCUT_MATRIX_*) over a grid of
 * tokens, row by row. Its shape is (1, N, N) or, for features, (1, N, D), N = grid_rows * grid_columns. Labels have
 * rows x columns pixels; 0 and 0: those of the grid. Methods by cuts of walks take affinities or transitions, diffseg
 * transitions, all others features (diffcut affinities too). TOMOCUT_E_INVALID_ARGUMENT names a wrong entry or row of
 * the matrix.
 */
TOMOCUT_API
tomocut_status tomocut_ncut_segment_matrix(struct tomocut_engine *engine,
                                           tomocut_matrix_kind kind,
                                           const struct tomocut_volume *matrix,
                                           uint64_t grid_rows,
                                           uint64_t grid_columns,
                                           uint64_t rows,
                                           uint64_t columns,
                                           const struct tomocut_ncut_options *options,
                                           struct tomocut_ncut **out);

/**
 * Frees a segmentation; NULL is fine.
 */
TOMOCUT_API
void tomocut_ncut_free(struct tomocut_ncut *ncut);

/**
 * The segmentation as a report: "/settings", "/report" (shape of the labels: slices, rows, columns; segments; dim, the
 * length of a segment's mean feature; cells, the passes; grid, the rows and columns of tokens; eigenvectors; levels;
 * model, latent_mode, timestep and snr, null where there was none; seconds), "/segments", "/cells" (the trees) and
 * "/levels" (the further segmentations). To be freed by tomocut_report_free.
 */
TOMOCUT_API
tomocut_status tomocut_ncut_report(const struct tomocut_ncut *ncut,
                                   struct tomocut_report **report);

/**
 * Copies the labels, the segment of every pixel, into the caller's volume: dtype TOMOCUT_DTYPE_U8, _I16, _U16, _U32 or
 * _F32 that holds every number; shape (slices, rows, columns), one slice for images and matrices.
 */
TOMOCUT_API
tomocut_status tomocut_ncut_labels(const struct tomocut_ncut *ncut,
                                   struct tomocut_volume *labels);

/**
 * The same of one of the further segmentations, whose numbers are its own; level is its place in the settings
 * thresholds or counts. labels or segments, the number of segments, may be NULL.
 */
TOMOCUT_API
tomocut_status tomocut_ncut_level_labels(const struct tomocut_ncut *ncut,
                                         size_t level,
                                         struct tomocut_volume *labels,
                                         uint64_t *segments);

/**
 * Copies the segments, in the order of their numbers, into the caller's array; NULL and capacity 0 ask for their
 * number.
 */
TOMOCUT_API
tomocut_status tomocut_ncut_segments(const struct tomocut_ncut *ncut,
                                     struct tomocut_ncut_segment *segments,
                                     size_t capacity,
                                     size_t *needed);

/**
 * Copies the mean feature of every segment (of the rows of the walk or of the affinity, or of the features that were
 * cut) into the caller's volume: dtype TOMOCUT_DTYPE_F32, shape (1, segments, dim).
 */
TOMOCUT_API
tomocut_status tomocut_ncut_features(const struct tomocut_ncut *ncut,
                                     struct tomocut_volume *features);

/**
 * Copies the leading eigenvectors of the graph of the pass number cell into the caller's volume: those after the
 * constant one, largest eigenvalue first; the first cut went along the first of them. dtype TOMOCUT_DTYPE_F32, shape
 * (eigenvectors, rows of tokens, columns of tokens). TOMOCUT_E_UNSUPPORTED where the settings ask for none.
 */
TOMOCUT_API
tomocut_status tomocut_ncut_eigenvectors(const struct tomocut_ncut *ncut,
                                         size_t cell,
                                         struct tomocut_volume *eigenvectors);

/**
 * Copies the tree of the pass number cell, the whole first, into the caller's array; NULL and capacity 0 ask for its
 * number of nodes.
 */
TOMOCUT_API
tomocut_status tomocut_ncut_tree(const struct tomocut_ncut *ncut,
                                 size_t cell,
                                 struct tomocut_ncut_node *nodes,
                                 size_t capacity,
                                 size_t *needed);

/**
 * Reads a PNG, JPEG or TIFF picture: first its shape, then its pixels.
 *
 * @param shape  Receives channels (1: grey, 3: red, green, blue), rows and columns; may be NULL where pixels is given.
 * @param range  Receives the values of black and white, two zeros where the file's type does not say them, or NULL.
 * @param pixels Receives the pixels: dtype TOMOCUT_DTYPE_F32, that shape; may be NULL where shape is given.
 */
TOMOCUT_API
tomocut_status tomocut_picture_read(const char *path,
                                    uint64_t *shape,
                                    double *range,
                                    struct tomocut_volume *pixels);

/**
 * Writes a segmentation for other programs into folder, which is made where it is missing. Of an image or a matrix:
 * STEM_labels.png (grey levels are the numbers, 8 bits up to 256 segments, else 16) or .tif; of a slab:
 * STEM_labels.mrc (int16), with start and origin set so that it overlays the tomogram. STEM_overlay.png, the image or
 * the middle slice with its segments in colours; STEM_tree.json. Further segmentations are STEM_level0_labels... and
 * so on. After a failure the files written before it are there, whole.
 *
 * @param image    The image that was segmented; NULL for slabs and matrices.
 * @param tomogram The tomogram that was segmented; NULL for images and matrices.
 * @param format   Of an image's labels: "png" or "tiff"; NULL: "png".
 * @param options  For progress and cancel; its settings must be NULL.
 */
TOMOCUT_API
tomocut_status tomocut_ncut_write(const struct tomocut_ncut *ncut,
                                  const struct tomocut_volume *image,
                                  const struct tomocut_tomogram *tomogram,
                                  const char *folder,
                                  const char *stem,
                                  const char *format,
                                  const struct tomocut_call_options *options);

/**
 * Trains the built-in model, or another one that was made from it, on for some minutes on the voxels of tomograms of
 * one kind (microscope, voxel size, sample), and writes the adapted model, which tomocut_model_open opens. Nothing has
 * to be annotated: the data's own noise serves as noise, and estimates are held against the data itself.
 *
 * @param engine     Computes; serves this call alone until it returns.
 * @param model_path The model to start from, in tomocut's own form (another is TOMOCUT_E_UNSUPPORTED); NULL: the
 *                   built-in one.
 * @param tomograms  Tomograms to adapt to.
 * @param n          Their number, 1 to 1024.
 * @param options    Settings of the family "adapt"; NULL: the defaults.
 * @param path       The file of the adapted model; written under a temporary name and renamed when it is whole.
 */
TOMOCUT_API
tomocut_status tomocut_model_adapt(struct tomocut_engine *engine,
                                   const char *model_path,
                                   const struct tomocut_tomogram *const *tomograms,
                                   size_t n,
                                   const struct tomocut_call_options *options,
                                   const char *path);

/**
 * Sends one slice through the U-Net once and keeps queries and keys of the layers that the options name.
 *
 * @param engine   Computes.
 * @param model    On the engine's device.
 * @param tomogram The tomogram.
 * @param z        The slice, counted from 0.
 * @param options  As for tomocut_slab_segment; z_first and z_end are not used.
 * @param out      Receives the attention.
 */
TOMOCUT_API
tomocut_status tomocut_slab_attention_extract(struct tomocut_engine *engine,
                                              const struct tomocut_model *model,
                                              const struct tomocut_tomogram *tomogram,
                                              uint64_t z,
                                              const struct tomocut_slab_options *options,
                                              struct tomocut_attention **out);

/**
 * How many layers were kept, over all tiles: all layers of tile 0 first, then those of tile 1, and so on.
 *
 * @param attention The attention.
 * @param count     Receives the number.
 */
TOMOCUT_API
tomocut_status tomocut_attention_count(struct tomocut_attention *attention,
                                       size_t *count);

/**
 * Name and sizes of a layer.
 *
 * @param attention The attention.
 * @param layer     Which, below tomocut_attention_count.
 * @param info      Receives the answer; its struct_size must be set.
 */
TOMOCUT_API
tomocut_status tomocut_attention_layer_info(struct tomocut_attention *attention,
                                            size_t layer,
                                            struct tomocut_attention_layer *info);

/**
 * Copies the queries of a layer into the caller's volume.
 *
 * @param attention The attention.
 * @param layer     Which, below tomocut_attention_count.
 * @param queries   Receives them: dtype TOMOCUT_DTYPE_F32, shape (heads, tokens, dim).
 */
TOMOCUT_API
tomocut_status tomocut_attention_query(struct tomocut_attention *attention,
                                       size_t layer,
                                       struct tomocut_volume *queries);

/**
 * Copies the keys of a layer into the caller's volume.
 *
 * @param attention The attention.
 * @param layer     Which, below tomocut_attention_count.
 * @param keys      Receives them: dtype TOMOCUT_DTYPE_F32, shape (heads, tokens, dim).
 */
TOMOCUT_API
tomocut_status tomocut_attention_key(struct tomocut_attention *attention,
                                     size_t layer,
                                     struct tomocut_volume *keys);

/**
 * Computes rows of a layer's attention, softmax(Q K^T / sqrt(dim)) over the keys, of every head, into the caller's
 * volume. All rows of a fine layer are gigabytes: ask for some at a time, as many as the volume has.
 *
 * @param attention     The attention.
 * @param layer         Which, below tomocut_attention_count.
 * @param first_row     First query token, from 0.
 * @param probabilities Receives them: dtype TOMOCUT_DTYPE_F32, shape (heads, number of rows, tokens).
 */
TOMOCUT_API
tomocut_status tomocut_attention_probabilities(struct tomocut_attention *attention,
                                               size_t layer,
                                               uint64_t first_row,
                                               struct tomocut_volume *probabilities);

/**
 * Frees an attention.
 *
 * @param attention The attention; NULL is fine.
 */
TOMOCUT_API
void tomocut_attention_free(struct tomocut_attention *attention);

/**
 * Denoises slices of a tomogram into the caller's volume, in one step of a matched-noise model such as the built-in
 * one: the tomogram's own noise is taken as the model's. The grey scale stays the tomogram's. TOMOCUT_E_UNSUPPORTED
 * for models that are not made for matched noise. After a failure the volume's content is unspecified.
 *
 * @param engine   Computes.
 * @param model    On the engine's device; made for matched noise.
 * @param tomogram The tomogram.
 * @param z_first  First slice.
 * @param z_end    Slice after the last one; both zero: all.
 * @param options  Settings of the family "denoise"; NULL: the defaults.
 * @param denoised Receives the densities: dtype TOMOCUT_DTYPE_F32, shape of the slices asked for.
 */
TOMOCUT_API
tomocut_status tomocut_tomogram_denoise(struct tomocut_engine *engine,
                                        const struct tomocut_model *model,
                                        const struct tomocut_tomogram *tomogram,
                                        uint64_t z_first,
                                        uint64_t z_end,
                                        const struct tomocut_call_options *options,
                                        struct tomocut_volume *denoised);

/**
 * Denoises slices of a tomogram into an MRC file (float32), slice by slice: the memory needed does not grow with the
 * tomogram. Start and origin are set so that it overlays the tomogram. The file is whole or absent. Parameters and
 * answers as for tomocut_tomogram_denoise.
 */
TOMOCUT_API
tomocut_status tomocut_tomogram_denoise_to_file(struct tomocut_engine *engine,
                                                const struct tomocut_model *model,
                                                const struct tomocut_tomogram *tomogram,
                                                uint64_t z_first,
                                                uint64_t z_end,
                                                const struct tomocut_call_options *options,
                                                const char *path);

/**
 * Takes attention that the host's own network computed, of one image, so that tomocut_attention_eigenvectors solves
 * for it. Layers count from 0; all belong to tile 0.
 *
 * @param engine   Computes, on its device.
 * @param queries  One volume for each layer: shape (heads, tokens, dim), tokens row by row. Copied.
 * @param keys     The same of the keys, of the queries' shapes.
 * @param rows     Rows of the token grid of each layer; coarser grids are those of the finest pooled.
 * @param n_layers Entries in queries, keys and rows.
 * @param out      Receives the attention.
 */
TOMOCUT_API
tomocut_status tomocut_attention_create(struct tomocut_engine *engine,
                                        const struct tomocut_volume *queries,
                                        const struct tomocut_volume *keys,
                                        const uint64_t *rows,
                                        size_t n_layers,
                                        struct tomocut_attention **out);

/**
 * Solves for the eigenvectors that the attention layers of one tile share, as tomocut_slab_segment does, by the solver
 * of the options (settings solver, n_eigenvectors, layers, adam, seed).
 *
 * @param attention    The attention: of tomocut_slab_attention_extract, or the host's own.
 * @param tile         Which tile.
 * @param options      As for tomocut_slab_segment; z_first and z_end are not used.
 * @param eigenvectors Receives them, orthonormal, leading first: dtype TOMOCUT_DTYPE_F32, shape (n_eigenvectors, rows,
 *                     columns) of the finest layer used.
 */
TOMOCUT_API
tomocut_status tomocut_attention_eigenvectors(struct tomocut_attention *attention,
                                              uint32_t tile,
                                              const struct tomocut_slab_options *options,
                                              struct tomocut_volume *eigenvectors);

/**
 * Simulates a tomogram of membranes, molecules and filaments and writes it with its truth to folder: STEM.mrc
 * (float32), STEM_signal.mrc and STEM_noise.mrc (its two parts), STEM_labels.mrc (0 background, 1 membrane, 2
 * molecule, 3 filament), STEM_instances.csv (every object), STEM_parameters.json (the settings) and STEM_preview.png
 * (tomogram, signal and labels of the middle slice, and below of the middle section across y). Settings of family
 * "phantom". Same settings and device: same bytes.
 */
TOMOCUT_API
tomocut_status tomocut_phantom_simulate(struct tomocut_engine *engine,
                                        const struct tomocut_call_options *options,
                                        const char *folder,
                                        const char *stem);

/**
 * Finds molecules in a map of probabilities, such as NAME_centre.mrc of a prediction or a volume in the host's memory.
 * Slices are read one after the other: the map need not fit the memory. Positions are voxels of the map. The same map
 * and settings give the same picks, whatever the memory.
 *
 * @param map      The map: 0 to 1, or 0 to the setting certain.
 * @param excluded A volume of the map's extents that is not 0 where no molecule should be counted; NULL: none.
 * @param options  Settings of the family "picking"; NULL: the defaults. The map is taken for the output that they
 *                 name, "molecule" where they name none.
 */
TOMOCUT_API
tomocut_status tomocut_picks_find(const struct tomocut_engine *engine,
                                  const struct tomocut_tomogram *map,
                                  const struct tomocut_tomogram *excluded,
                                  const struct tomocut_call_options *options,
                                  struct tomocut_picks **out);

/**
 * Reads a coordinate file in the convention of the program that its ending names: .csv, .star (RELION 5), .tbl
 * (Dynamo), .mod (IMOD), .coords (DeepETPicker), .json (copick), info.json (EMAN2). A file that names its tomograms is
 * read for the one that was opened, by the name of its file without rec_, _10.00Apx or _Vol; TOMOCUT_E_FORMAT where it
 * has no picks of it, none within it, or may mean two things. Picks outside of the tomogram are told to the log.
 *
 * @param tomogram The tomogram that it is about: files count from its centre, in Angstrom, and so on. Where the file
 *                 counts in Angstrom its voxel size must be known.
 * @param out      Receives the picks; what a file does not hold (a diameter, a score) is 0.
 */
TOMOCUT_API
tomocut_status tomocut_picks_read(const struct tomocut_engine *engine,
                                  const char *path,
                                  const struct tomocut_tomogram *tomogram,
                                  struct tomocut_picks **out);

/**
 * As tomocut_picks_read, for a tomogram whose name in the file is not that of its own file.
 *
 * @param name The name of the tomogram, as rlnTomoName or run_name have it, or the number of Dynamo's column 20.
 */
TOMOCUT_API
tomocut_status tomocut_picks_read_named(const struct tomocut_engine *engine,
                                        const char *path,
                                        const struct tomocut_tomogram *tomogram,
                                        const char *name,
                                        struct tomocut_picks **out);

/**
 * Copies the molecules into the array of the caller, best first (a file's: in its order). With points NULL and
 * capacity 0 only *needed is written, their number.
 */
TOMOCUT_API
tomocut_status tomocut_picks_points(const struct tomocut_picks *picks,
                                    struct tomocut_pick *points,
                                    size_t capacity,
                                    size_t *needed);

/**
 * Writes a coordinate file in the convention of the program that its ending names, as tomocut_picks_read reads them.
 * The file is whole or absent.
 */
TOMOCUT_API
tomocut_status tomocut_picks_write(const struct tomocut_picks *picks,
                                   const char *path);

/**
 * Frees picks; NULL is fine.
 */
TOMOCUT_API
void tomocut_picks_free(struct tomocut_picks *picks);

/**
 * Makes a map of membranes, such as NAME_membrane.mrc of a prediction, a mask and numbered objects:
 * FOLDER/NAME_OUTPUT_mask.mrc and FOLDER/NAME_OUTPUT_objects.mrc, NAME being the map's. Slices are read and written
 * one after the other: the map need not fit the memory. Each file is whole or absent. The same map and settings give
 * the same files, to the byte, whatever the memory.
 *
 * @param map     The map: 0 to 1, or 0 to the setting certain.
 * @param options Settings of the family "membranes"; NULL: the defaults. Gaps and volumes need a known voxel size.
 * @param folder  Where the files go; must exist.
 * @param count   Receives the number of membranes; may be NULL.
 */
TOMOCUT_API
tomocut_status tomocut_membranes_write(const struct tomocut_engine *engine,
                                       const struct tomocut_tomogram *map,
                                       const struct tomocut_call_options *options,
                                       const char *folder,
                                       uint64_t *count);

/**
 * Predicts pictures, each resized to the network's window and the answer back: writes NAME_OUTPUT.png (0 and 255) and,
 * as the options' outputs say, NAME_OUTPUT_probability.png and, with several samples, NAME_OUTPUT_std.png (0 to 255
 * for 0 to 1).
 *
 * The network must be one of slices, else TOMOCUT_E_UNSUPPORTED. After TOMOCUT_E_CANCELLED what is written stays.
 *
 * @param images   PNG, JPEG or TIFF files, at least one, no two of one name.
 * @param options  NULL: the defaults. Of the settings threshold (null: one half), outputs, sampler, steps, eta,
 *                 samples and seed count.
 * @param folder   Where the files go; made where it is missing.
 * @param report   Receives what was done: files, seconds_per_picture, stability (dice, iou, psnr, ssim, ms_ssim,
 *                 lpips: how far the samples of a network that draws its answers are from the first one; null for one
 *                 sample), settings. May be NULL.
 */
TOMOCUT_API
tomocut_status tomocut_predictor_run_pictures(struct tomocut_engine *engine,
                                              const struct tomocut_predictor *predictor,
                                              const char *const *images,
                                              size_t n_images,
                                              const struct tomocut_predict_options *options,
                                              const char *folder,
                                              struct tomocut_report **report);

/**
 * Sets all options to their defaults; size is sizeof(tomocut_predict_options), as the caller's header has it.
 */
TOMOCUT_API
tomocut_status tomocut_predict_options_init(struct tomocut_predict_options *options,
                                            size_t size);

/**
 * Opens a segmentation network: a model file that tomocut_trainer_export wrote, or the safetensors of MemBrain-seg, of
 * the slab paper's 2D U-Net or of SDSeg, whose hyper-parameters are read off the shapes.
 */
TOMOCUT_API
tomocut_status tomocut_predictor_open(const struct tomocut_engine *engine,
                                      const char *path,
                                      struct tomocut_predictor **out);

/**
 * The network that is compiled into the library, trained on simulated tomograms alone: membrane, molecule and
 * molecule's centre, at any voxel size.
 */
TOMOCUT_API
tomocut_status tomocut_predictor_builtin(const struct tomocut_engine *engine,
                                         struct tomocut_predictor **out);

/**
 * What a predictor is, as one JSON object: the network with its hyper-parameters and outputs, the number of its
 * weights, the voxel size that it was trained on (null: unknown), how grey values enter it, where the weights come
 * from, the device.
 */
TOMOCUT_API
tomocut_status tomocut_predictor_info(const struct tomocut_predictor *predictor,
                                      char *buffer,
                                      size_t capacity,
                                      size_t *needed);

/**
 * The name of output number index of the network, counted from 0, such as "membrane": part of the names of the files
 * that it gives. TOMOCUT_E_INVALID_ARGUMENT where the network has no such output.
 */
TOMOCUT_API
tomocut_status tomocut_predictor_output(const struct tomocut_predictor *predictor,
                                        uint64_t index,
                                        char *buffer,
                                        size_t capacity,
                                        size_t *needed);

/**
 * Predicts a tomogram: writes NAME_OUTPUT.mrc, the probabilities of each output ("membrane", ...) but "background",
 * NAME_labels.mrc and NAME_OUTPUT_std.mrc, whichever are asked for, with start and origin set so that they overlay the
 * tomogram; NAME_OUTPUT.zarr and so on with the format "zarr". NAME is the tomogram's file name without its endings.
 *
 * The volume is never in memory. Nothing is seen in the folder until all is done; a call that was stopped, even by a
 * kill, is continued by the next one of the same settings and gives the same bytes, whatever the number of processes.
 * Molecules and membranes are found by the process that completes the volumes, and written as NAME_points.csv,
 * NAME_membrane_mask.mrc and so on.
 *
 * TOMOCUT_E_OUT_OF_MEMORY also where less is allowed than the smallest tile takes. After TOMOCUT_E_IO (a full disk)
 * and TOMOCUT_E_CANCELLED what is done is kept.
 *
 * @param excluded A volume of the tomogram's extents that is not 0 where no molecule should be counted (carbon,
 *                 contamination); NULL: none.
 * @param folder   Where the files go; made where it is missing.
 * @param report   Receives what was done: finished, files, tiles, computed, resumed, core, network_shape,
 *                 voxels_per_second, threshold, n_picks, n_membranes, seconds, settings. May be NULL.
 * @param picks    Receives the molecules; NULL where none are asked for, or another process finishes. May be NULL.
 */
TOMOCUT_API
tomocut_status tomocut_predictor_run(struct tomocut_engine *engine,
                                     const struct tomocut_predictor *predictor,
                                     const struct tomocut_tomogram *tomogram,
                                     const struct tomocut_tomogram *excluded,
                                     const struct tomocut_predict_options *options,
                                     const char *folder,
                                     struct tomocut_report **report,
                                     struct tomocut_picks **picks);

/**
 * Frees a predictor; NULL is fine.
 */
TOMOCUT_API
void tomocut_predictor_free(struct tomocut_predictor *predictor);

/**
 * Makes a trainer without labels.
 *
 * @param engine  Gives the device and the log.
 * @param options What differs from the defaults; NULL: nothing.
 * @param out     Receives the trainer, to be freed by tomocut_trainer_free.
 */
TOMOCUT_API
tomocut_status tomocut_trainer_create(const struct tomocut_engine *engine,
                                      const struct tomocut_trainer_options *options,
                                      struct tomocut_trainer **out);

/**
 * Takes steps. The first call ends the adding of labels. Same options, labels and thread count: same weights on a CPU,
 * however the steps are divided into calls and whatever is cancelled between.
 *
 * TOMOCUT_OK also where nothing was left to do (the member "finished" of tomocut_trainer_info says so). After
 * TOMOCUT_E_CANCELLED the trainer is as after its last whole step: save it, or call again. TOMOCUT_E_STATE: no labels,
 * or a loss that is no number; the weights are those of the step before, and the text names the latest checkpoint.
 *
 * @param engine  Computes; serves this call alone until it returns.
 * @param trainer The trainer; on the engine's device.
 * @param options How many steps or minutes; NULL: all steps.
 */
TOMOCUT_API
tomocut_status tomocut_trainer_run(struct tomocut_engine *engine,
                                   struct tomocut_trainer *trainer,
                                   const struct tomocut_train_options *options);

/**
 * How far a training is, as a report: "step" and "steps" of all rounds together, "round" of self-training, from 0 on,
 * "finished" (all steps are done, or the patience is at an end), "learnt" and "held_out" (slabs or pictures), "loss"
 * (mean of the latest 25 steps that are done together), "score", "best_score" and "best_step" (validations: mean Dice
 * of the outputs; the weights of the best are exported), "voxel_nm" and "window" (of the network) and "settings".
 * null: not known yet.
 */
TOMOCUT_API
tomocut_status tomocut_trainer_info(struct tomocut_trainer *trainer,
                                    struct tomocut_report **report);

/**
 * Scores what tomocut_trainer_export would write on windows of the slabs held out, the same windows every time; where
 * none are held out, of those it learns from, which says how well it fits them. The report has "mean_dice" and, for
 * each of "outputs", its name "output", "dice" (of probability above one half with truth above one half, 1 where both
 * are empty), "mean_probability" and "mean_truth".
 *
 * @param engine  Computes; serves this call alone until it returns.
 * @param trainer The trainer, with its labels; on the engine's device.
 * @param windows Number of windows, 1 to 10000.
 */
TOMOCUT_API
tomocut_status tomocut_trainer_score(struct tomocut_engine *engine,
                                     struct tomocut_trainer *trainer,
                                     uint64_t windows,
                                     struct tomocut_report **report);

/**
 * Writes a checkpoint: weights, optimiser, generator, scores, best weights, the round with its teacher, and settings,
 * whole or not at all. Labels are not in it.
 *
 * @param trainer The trainer, with its labels.
 * @param path    The file; written under a temporary name and renamed when it is whole.
 */
TOMOCUT_API
tomocut_status tomocut_trainer_save(struct tomocut_trainer *trainer,
                                    const char *path);

/**
 * Goes on from a checkpoint: on a CPU, at the same number of threads, the rest of the steps gives the same bytes as a
 * training that never stopped. TOMOCUT_E_VERSION: a checkpoint of another version of the library;
 * TOMOCUT_E_INVALID_ARGUMENT: of other settings or labels, the first of which is named. After a failure the training
 * may begin afresh.
 *
 * @param trainer The trainer: of the same options as the checkpoint's (but for the numbers of steps and rounds, which
 *                are
 *                the trainer's), given the same labels in the same order, before its first step.
 */
TOMOCUT_API
tomocut_status tomocut_trainer_resume(struct tomocut_trainer *trainer,
                                      const char *path);

/**
 * Writes the network as it stands as a model file for tomocut_predictor_open: the moving average of its weights, that
 * of the best validation score where something is held out.
 *
 * @param trainer The trainer, with its labels.
 * @param path    The file; written under a temporary name and renamed when it is whole.
 */
TOMOCUT_API
tomocut_status tomocut_trainer_export(struct tomocut_trainer *trainer,
                                      const char *path);

/**
 * Frees a trainer; NULL is fine. What is not saved or exported is lost.
 */
TOMOCUT_API
void tomocut_trainer_free(struct tomocut_trainer *trainer);

/**
 * Sets all options to their defaults; size is sizeof(tomocut_trainer_options), as the caller's header has it.
 */
TOMOCUT_API
tomocut_status tomocut_trainer_options_init(struct tomocut_trainer_options *options,
                                            size_t size);

/**
 * Sets all options to their defaults; size is sizeof(tomocut_train_options), as the caller's header has it.
 */
TOMOCUT_API
tomocut_status tomocut_train_options_init(struct tomocut_train_options *options,
                                          size_t size);

/**
 * Sets all members to zero; size is sizeof(tomocut_training_labels), as the caller's header has it.
 */
TOMOCUT_API
tomocut_status tomocut_training_labels_init(struct tomocut_training_labels *labels,
                                            size_t size);

/**
 * Adds a segmented slab: its labels and points are what is learnt, every voxel alike. Voxels of other slices are seen
 * but teach nothing. TOMOCUT_E_INVALID_ARGUMENT also where no label teaches one of the network's outputs.
 *
 * @param trainer  The trainer, before its first step.
 * @param tomogram The tomogram that the slab was cut from. Only what is needed is copied; it may be freed.
 * @param slab     The slab; may be freed.
 * @param held_out 1: the slab is not learnt from but scored with; 0: learnt from.
 * @param cancel   Stops the reading; may be NULL.
 */
TOMOCUT_API
tomocut_status tomocut_trainer_add_slab(struct tomocut_trainer *trainer,
                                        const struct tomocut_tomogram *tomogram,
                                        const struct tomocut_slab *slab,
                                        int32_t held_out,
                                        const struct tomocut_cancel *cancel);

/**
 * Adds the host's own labels of some slices of a tomogram. Voxels of other slices are seen but teach nothing.
 *
 * @param trainer  The trainer, before its first step.
 * @param tomogram The tomogram. Only what is needed is copied; it may be freed.
 * @param z_first  First labelled slice, counted from 0.
 * @param labels   The labels.
 * @param held_out 1: the labels are not learnt from but scored with; 0: learnt from.
 * @param cancel   Stops the reading; may be NULL.
 */
TOMOCUT_API
tomocut_status tomocut_trainer_add_labels(struct tomocut_trainer *trainer,
                                          const struct tomocut_tomogram *tomogram,
                                          uint64_t z_first,
                                          const struct tomocut_training_labels *labels,
                                          int32_t held_out,
                                          const struct tomocut_cancel *cancel);

/**
 * Adds slices of a tomogram without labels: rounds of self-training learn from what the network is sure of in them.
 * They are kept in memory, in some ten bytes for each voxel.
 *
 * @param trainer  The trainer, before its first step, with rounds in its settings (else TOMOCUT_E_STATE).
 * @param tomogram The tomogram. Only what is needed is copied; it may be freed.
 * @param z_first  First slice, counted from 0.
 * @param z_end    One past the last slice; 0: all from z_first on.
 * @param cancel   Stops the reading; may be NULL.
 */
TOMOCUT_API
tomocut_status tomocut_trainer_add_unlabelled(struct tomocut_trainer *trainer,
                                              const struct tomocut_tomogram *tomogram,
                                              uint64_t z_first,
                                              uint64_t z_end,
                                              const struct tomocut_cancel *cancel);

/**
 * Adds pictures with their masks. Each is resized to the window. Nothing is added where one of them cannot be read:
 * TOMOCUT_E_FORMAT names a file that is no picture, or a mask of another size or of more than two levels.
 *
 * @param trainer  The trainer, of a network of slices with one output beside "background", before its first step.
 * @param images   PNG, JPEG or TIFF files, grey or in colour.
 * @param masks    The mask of each, black where nothing is and white where something is, of the picture's rows and
 *                 columns.
 * @param n        Entries in images and in masks.
 * @param held_out 1: they are not learnt from but scored with; 0: learnt from, but for the validation_share of them.
 * @param cancel   Stops the reading; may be NULL.
 */
TOMOCUT_API
tomocut_status tomocut_trainer_add_pairs(struct tomocut_trainer *trainer,
                                         const char *const *images,
                                         const char *const *masks,
                                         size_t n,
                                         int32_t held_out,
                                         const struct tomocut_cancel *cancel);

/**
 * A data set from its tomograms to its results, in one call: slabs of some tomograms are labelled by the diffusion
 * model, a segmentation network learns from these labels, and every tomogram is predicted with it. Nothing has to be
 * annotated.
 *
 * The folder receives NAME_membrane.mrc and so on of each tomogram, as tomocut_predictor_run writes them;
 * network.safetensors, for tomocut_predictor_open (of a second network, as the recipe cvpr2026 has one, in
 * molecules/); the labels of the slabs in slabs/; and report.html with pictures in report/. A call that was stopped,
 * even by a kill, is gone on with by the next one of the same settings and ends with the same network and volumes.
 * What is there is not computed again, and tomograms that are new to the list are predicted. A tomogram that fails
 * does not stop the others, and is tried again by the next call.
 *
 * TOMOCUT_OK also where some or all tomograms failed: the report says which and why. TOMOCUT_E_INVALID_ARGUMENT also
 * for two tomograms of one name, and for a run of other settings in the folder (the text names the setting).
 * TOMOCUT_E_FORMAT where no slab can be learnt from; TOMOCUT_E_STATE where another process runs in the folder. After
 * TOMOCUT_E_IO (a full disk) and TOMOCUT_E_CANCELLED what is done is kept, to the last step of the training. Same
 * tomograms, options and thread count: same results on a CPU, to the byte.
 *
 * @param model     The diffusion model that labels the slabs; on the engine's device.
 * @param tomograms The tomograms; no two of one file name.
 * @param n         Their number, 1 to 1048576.
 * @param folder    Where the results go; made where it is missing.
 * @param report    Receives what was done: predicted, were_there, failed, slabs, steps, loss (null before the 25th
 *                  step), dice (mean over the classes on slices held out; learnt from, where none are), network, page,
 *                  settings, molecules (the second network: network, failure, slabs, steps, scores, loss; null where
 *                  there is none), and for each tomogram in tomograms: name, status, was_there, error. May be NULL.
 */
TOMOCUT_API
tomocut_status tomocut_dataset_run(struct tomocut_engine *engine,
                                   const struct tomocut_model *model,
                                   const struct tomocut_dataset_tomogram *tomograms,
                                   size_t n,
                                   const struct tomocut_dataset_options *options,
                                   const char *folder,
                                   struct tomocut_report **report);

/**
 * Sets all options to their defaults; size is sizeof(tomocut_dataset_options), as the caller's header has it.
 */
TOMOCUT_API
tomocut_status tomocut_dataset_options_init(struct tomocut_dataset_options *options,
                                            size_t size);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* TOMOCUT_H */
