/* SPDX-License-Identifier: MIT */
/** @file functions.h The functions of tomocut.h as a list, for tomocut_loader.h. */
#ifndef TOMOCUT_FUNCTIONS_H
#define TOMOCUT_FUNCTIONS_H

/* Generated from tomocut.h by `cargo xtask header`: change the Rust source, not this file. */

/*
 * Calls one of three macros for each function: S where it answers a tomocut_status, V where it answers nothing, O
 * otherwise; each with (result, name without its prefix, parameters, arguments).
 */
#define TOMOCUT_FUNCTIONS(S, V, O) \
    O(const char *, last_error, (void), ()) \
    O(const char *, status_name, (tomocut_status status), (status)) \
    O(uint32_t, version, (void), ()) \
    S(tomocut_status, runtime_report, (char *buffer, size_t capacity, size_t *needed), (buffer, capacity, needed)) \
    S(tomocut_status, cancel_create, (struct tomocut_cancel **out), (out)) \
    V(void, cancel_request, (const struct tomocut_cancel *cancel), (cancel)) \
    S(tomocut_status, cancel_reset, (const struct tomocut_cancel *cancel), (cancel)) \
    V(void, cancel_free, (struct tomocut_cancel *cancel), (cancel)) \
    S(tomocut_status, engine_options_init, (struct tomocut_engine_options *options, size_t size), (options, size)) \
    S(tomocut_status, engine_create, (const struct tomocut_engine_options *options, struct tomocut_engine **out), (options, out)) \
    V(void, engine_free, (struct tomocut_engine *engine), (engine)) \
    S(tomocut_status, debug_panic, (struct tomocut_engine *engine), (engine)) \
    S(tomocut_status, call_options_init, (struct tomocut_call_options *options, size_t size), (options, size)) \
    S(tomocut_status, report_json, (const struct tomocut_report *report, char *buffer, size_t capacity, size_t *needed), (report, buffer, capacity, needed)) \
    S(tomocut_status, report_number, (const struct tomocut_report *report, const char *path, double *number), (report, path, number)) \
    V(void, report_free, (struct tomocut_report *report), (report)) \
    S(tomocut_status, geometry_init, (struct tomocut_geometry *geometry, size_t size), (geometry, size)) \
    S(tomocut_status, tomogram_open, (const struct tomocut_engine *engine, const char *path, const struct tomocut_cancel *cancel, struct tomocut_tomogram **out), (engine, path, cancel, out)) \
    S(tomocut_status, tomogram_from_volume, (const struct tomocut_engine *engine, const struct tomocut_volume *volume, const struct tomocut_geometry *geometry, struct tomocut_tomogram **out), (engine, volume, geometry, out)) \
    S(tomocut_status, tomogram_info, (const struct tomocut_tomogram *tomogram, struct tomocut_geometry *geometry), (tomogram, geometry)) \
    S(tomocut_status, tomogram_read, (const struct tomocut_tomogram *tomogram, uint64_t z_first, struct tomocut_volume *slices, const struct tomocut_cancel *cancel), (tomogram, z_first, slices, cancel)) \
    V(void, tomogram_free, (struct tomocut_tomogram *tomogram), (tomogram)) \
    S(tomocut_status, tomogram_suggest_slabs, (const struct tomocut_tomogram *tomogram, const struct tomocut_call_options *options, struct tomocut_suggested_slab *slabs, size_t capacity, size_t *count, double *profile, size_t profile_capacity), (tomogram, options, slabs, capacity, count, profile, profile_capacity)) \
    S(tomocut_status, model_open, (const struct tomocut_engine *engine, const char *path, const struct tomocut_call_options *options, struct tomocut_model **out), (engine, path, options, out)) \
    S(tomocut_status, model_builtin, (const struct tomocut_engine *engine, const struct tomocut_call_options *options, struct tomocut_model **out), (engine, options, out)) \
    S(tomocut_status, model_info, (const struct tomocut_model *model, char *buffer, size_t capacity, size_t *needed), (model, buffer, capacity, needed)) \
    V(void, model_free, (struct tomocut_model *model), (model)) \
    S(tomocut_status, slab_segment, (struct tomocut_engine *engine, const struct tomocut_model *model, const struct tomocut_tomogram *tomogram, const struct tomocut_slab_options *options, struct tomocut_slab **out), (engine, model, tomogram, options, out)) \
    S(tomocut_status, slab_info, (const struct tomocut_slab *slab, struct tomocut_geometry *geometry), (slab, geometry)) \
    S(tomocut_status, slab_labels, (const struct tomocut_slab *slab, struct tomocut_volume *labels), (slab, labels)) \
    S(tomocut_status, slab_score, (const struct tomocut_slab *slab, struct tomocut_volume *scores), (slab, scores)) \
    S(tomocut_status, slab_likelihood, (const struct tomocut_slab *slab, const char *map, struct tomocut_volume *scores), (slab, map, scores)) \
    S(tomocut_status, slab_points, (const struct tomocut_slab *slab, struct tomocut_pick *points, size_t capacity, size_t *needed), (slab, points, capacity, needed)) \
    S(tomocut_status, slab_report, (const struct tomocut_slab *slab, struct tomocut_report **report), (slab, report)) \
    V(void, slab_free, (struct tomocut_slab *slab), (slab)) \
    S(tomocut_status, slab_write, (const struct tomocut_slab *slab, const struct tomocut_tomogram *tomogram, const char *folder, const char *stem, const struct tomocut_call_options *options), (slab, tomogram, folder, stem, options)) \
    S(tomocut_status, slab_dump, (struct tomocut_engine *engine, const struct tomocut_model *model, const struct tomocut_tomogram *tomogram, uint64_t z, const struct tomocut_slab_options *options, const char *path), (engine, model, tomogram, z, options, path)) \
    S(tomocut_status, slab_options_init, (struct tomocut_slab_options *options, size_t size), (options, size)) \
    S(tomocut_status, ncut_options_init, (struct tomocut_ncut_options *options, size_t size), (options, size)) \
    S(tomocut_status, ncut_segment_image, (struct tomocut_engine *engine, const struct tomocut_model *model, const struct tomocut_volume *image, const struct tomocut_ncut_options *options, struct tomocut_ncut **out), (engine, model, image, options, out)) \
    S(tomocut_status, ncut_segment_slices, (struct tomocut_engine *engine, const struct tomocut_model *model, const struct tomocut_tomogram *tomogram, uint64_t z_first, uint64_t z_end, const struct tomocut_ncut_options *options, struct tomocut_ncut **out), (engine, model, tomogram, z_first, z_end, options, out)) \
    S(tomocut_status, ncut_segment_matrix, (struct tomocut_engine *engine, tomocut_matrix_kind kind, const struct tomocut_volume *matrix, uint64_t grid_rows, uint64_t grid_columns, uint64_t rows, uint64_t columns, const struct tomocut_ncut_options *options, struct tomocut_ncut **out), (engine, kind, matrix, grid_rows, grid_columns, rows, columns, options, out)) \
    V(void, ncut_free, (struct tomocut_ncut *ncut), (ncut)) \
    S(tomocut_status, ncut_report, (const struct tomocut_ncut *ncut, struct tomocut_report **report), (ncut, report)) \
    S(tomocut_status, ncut_labels, (const struct tomocut_ncut *ncut, struct tomocut_volume *labels), (ncut, labels)) \
    S(tomocut_status, ncut_level_labels, (const struct tomocut_ncut *ncut, size_t level, struct tomocut_volume *labels, uint64_t *segments), (ncut, level, labels, segments)) \
    S(tomocut_status, ncut_segments, (const struct tomocut_ncut *ncut, struct tomocut_ncut_segment *segments, size_t capacity, size_t *needed), (ncut, segments, capacity, needed)) \
    S(tomocut_status, ncut_features, (const struct tomocut_ncut *ncut, struct tomocut_volume *features), (ncut, features)) \
    S(tomocut_status, ncut_eigenvectors, (const struct tomocut_ncut *ncut, size_t cell, struct tomocut_volume *eigenvectors), (ncut, cell, eigenvectors)) \
    S(tomocut_status, ncut_tree, (const struct tomocut_ncut *ncut, size_t cell, struct tomocut_ncut_node *nodes, size_t capacity, size_t *needed), (ncut, cell, nodes, capacity, needed)) \
    S(tomocut_status, picture_read, (const char *path, uint64_t *shape, double *range, struct tomocut_volume *pixels), (path, shape, range, pixels)) \
    S(tomocut_status, ncut_write, (const struct tomocut_ncut *ncut, const struct tomocut_volume *image, const struct tomocut_tomogram *tomogram, const char *folder, const char *stem, const char *format, const struct tomocut_call_options *options), (ncut, image, tomogram, folder, stem, format, options)) \
    S(tomocut_status, model_adapt, (struct tomocut_engine *engine, const char *model_path, const struct tomocut_tomogram *const *tomograms, size_t n, const struct tomocut_call_options *options, const char *path), (engine, model_path, tomograms, n, options, path)) \
    S(tomocut_status, slab_attention_extract, (struct tomocut_engine *engine, const struct tomocut_model *model, const struct tomocut_tomogram *tomogram, uint64_t z, const struct tomocut_slab_options *options, struct tomocut_attention **out), (engine, model, tomogram, z, options, out)) \
    S(tomocut_status, attention_count, (struct tomocut_attention *attention, size_t *count), (attention, count)) \
    S(tomocut_status, attention_layer_info, (struct tomocut_attention *attention, size_t layer, struct tomocut_attention_layer *info), (attention, layer, info)) \
    S(tomocut_status, attention_query, (struct tomocut_attention *attention, size_t layer, struct tomocut_volume *queries), (attention, layer, queries)) \
    S(tomocut_status, attention_key, (struct tomocut_attention *attention, size_t layer, struct tomocut_volume *keys), (attention, layer, keys)) \
    S(tomocut_status, attention_probabilities, (struct tomocut_attention *attention, size_t layer, uint64_t first_row, struct tomocut_volume *probabilities), (attention, layer, first_row, probabilities)) \
    V(void, attention_free, (struct tomocut_attention *attention), (attention)) \
    S(tomocut_status, tomogram_denoise, (struct tomocut_engine *engine, const struct tomocut_model *model, const struct tomocut_tomogram *tomogram, uint64_t z_first, uint64_t z_end, const struct tomocut_call_options *options, struct tomocut_volume *denoised), (engine, model, tomogram, z_first, z_end, options, denoised)) \
    S(tomocut_status, tomogram_denoise_to_file, (struct tomocut_engine *engine, const struct tomocut_model *model, const struct tomocut_tomogram *tomogram, uint64_t z_first, uint64_t z_end, const struct tomocut_call_options *options, const char *path), (engine, model, tomogram, z_first, z_end, options, path)) \
    S(tomocut_status, attention_create, (struct tomocut_engine *engine, const struct tomocut_volume *queries, const struct tomocut_volume *keys, const uint64_t *rows, size_t n_layers, struct tomocut_attention **out), (engine, queries, keys, rows, n_layers, out)) \
    S(tomocut_status, attention_eigenvectors, (struct tomocut_attention *attention, uint32_t tile, const struct tomocut_slab_options *options, struct tomocut_volume *eigenvectors), (attention, tile, options, eigenvectors)) \
    S(tomocut_status, phantom_simulate, (struct tomocut_engine *engine, const struct tomocut_call_options *options, const char *folder, const char *stem), (engine, options, folder, stem)) \
    S(tomocut_status, picks_find, (const struct tomocut_engine *engine, const struct tomocut_tomogram *map, const struct tomocut_tomogram *excluded, const struct tomocut_call_options *options, struct tomocut_picks **out), (engine, map, excluded, options, out)) \
    S(tomocut_status, picks_read, (const struct tomocut_engine *engine, const char *path, const struct tomocut_tomogram *tomogram, struct tomocut_picks **out), (engine, path, tomogram, out)) \
    S(tomocut_status, picks_read_named, (const struct tomocut_engine *engine, const char *path, const struct tomocut_tomogram *tomogram, const char *name, struct tomocut_picks **out), (engine, path, tomogram, name, out)) \
    S(tomocut_status, picks_points, (const struct tomocut_picks *picks, struct tomocut_pick *points, size_t capacity, size_t *needed), (picks, points, capacity, needed)) \
    S(tomocut_status, picks_write, (const struct tomocut_picks *picks, const char *path), (picks, path)) \
    V(void, picks_free, (struct tomocut_picks *picks), (picks)) \
    S(tomocut_status, membranes_write, (const struct tomocut_engine *engine, const struct tomocut_tomogram *map, const struct tomocut_call_options *options, const char *folder, uint64_t *count), (engine, map, options, folder, count)) \
    S(tomocut_status, predictor_run_pictures, (struct tomocut_engine *engine, const struct tomocut_predictor *predictor, const char *const *images, size_t n_images, const struct tomocut_predict_options *options, const char *folder, struct tomocut_report **report), (engine, predictor, images, n_images, options, folder, report)) \
    S(tomocut_status, predict_options_init, (struct tomocut_predict_options *options, size_t size), (options, size)) \
    S(tomocut_status, predictor_open, (const struct tomocut_engine *engine, const char *path, struct tomocut_predictor **out), (engine, path, out)) \
    S(tomocut_status, predictor_builtin, (const struct tomocut_engine *engine, struct tomocut_predictor **out), (engine, out)) \
    S(tomocut_status, predictor_info, (const struct tomocut_predictor *predictor, char *buffer, size_t capacity, size_t *needed), (predictor, buffer, capacity, needed)) \
    S(tomocut_status, predictor_output, (const struct tomocut_predictor *predictor, uint64_t index, char *buffer, size_t capacity, size_t *needed), (predictor, index, buffer, capacity, needed)) \
    S(tomocut_status, predictor_run, (struct tomocut_engine *engine, const struct tomocut_predictor *predictor, const struct tomocut_tomogram *tomogram, const struct tomocut_tomogram *excluded, const struct tomocut_predict_options *options, const char *folder, struct tomocut_report **report, struct tomocut_picks **picks), (engine, predictor, tomogram, excluded, options, folder, report, picks)) \
    V(void, predictor_free, (struct tomocut_predictor *predictor), (predictor)) \
    S(tomocut_status, trainer_create, (const struct tomocut_engine *engine, const struct tomocut_trainer_options *options, struct tomocut_trainer **out), (engine, options, out)) \
    S(tomocut_status, trainer_run, (struct tomocut_engine *engine, struct tomocut_trainer *trainer, const struct tomocut_train_options *options), (engine, trainer, options)) \
    S(tomocut_status, trainer_info, (struct tomocut_trainer *trainer, struct tomocut_report **report), (trainer, report)) \
    S(tomocut_status, trainer_score, (struct tomocut_engine *engine, struct tomocut_trainer *trainer, uint64_t windows, struct tomocut_report **report), (engine, trainer, windows, report)) \
    S(tomocut_status, trainer_save, (struct tomocut_trainer *trainer, const char *path), (trainer, path)) \
    S(tomocut_status, trainer_resume, (struct tomocut_trainer *trainer, const char *path), (trainer, path)) \
    S(tomocut_status, trainer_export, (struct tomocut_trainer *trainer, const char *path), (trainer, path)) \
    V(void, trainer_free, (struct tomocut_trainer *trainer), (trainer)) \
    S(tomocut_status, trainer_options_init, (struct tomocut_trainer_options *options, size_t size), (options, size)) \
    S(tomocut_status, train_options_init, (struct tomocut_train_options *options, size_t size), (options, size)) \
    S(tomocut_status, training_labels_init, (struct tomocut_training_labels *labels, size_t size), (labels, size)) \
    S(tomocut_status, trainer_add_slab, (struct tomocut_trainer *trainer, const struct tomocut_tomogram *tomogram, const struct tomocut_slab *slab, int32_t held_out, const struct tomocut_cancel *cancel), (trainer, tomogram, slab, held_out, cancel)) \
    S(tomocut_status, trainer_add_labels, (struct tomocut_trainer *trainer, const struct tomocut_tomogram *tomogram, uint64_t z_first, const struct tomocut_training_labels *labels, int32_t held_out, const struct tomocut_cancel *cancel), (trainer, tomogram, z_first, labels, held_out, cancel)) \
    S(tomocut_status, trainer_add_unlabelled, (struct tomocut_trainer *trainer, const struct tomocut_tomogram *tomogram, uint64_t z_first, uint64_t z_end, const struct tomocut_cancel *cancel), (trainer, tomogram, z_first, z_end, cancel)) \
    S(tomocut_status, trainer_add_pairs, (struct tomocut_trainer *trainer, const char *const *images, const char *const *masks, size_t n, int32_t held_out, const struct tomocut_cancel *cancel), (trainer, images, masks, n, held_out, cancel)) \
    S(tomocut_status, dataset_run, (struct tomocut_engine *engine, const struct tomocut_model *model, const struct tomocut_dataset_tomogram *tomograms, size_t n, const struct tomocut_dataset_options *options, const char *folder, struct tomocut_report **report), (engine, model, tomograms, n, options, folder, report)) \
    S(tomocut_status, dataset_options_init, (struct tomocut_dataset_options *options, size_t size), (options, size))

#endif
