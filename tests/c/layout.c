/* Prints what the ABI fixes: sizes, offsets and constants. `cargo xtask test` compares it with abi/layout.txt. */
#include <stddef.h>
#include <stdio.h>

#include "tomocut.h"

#define SIZE(type) printf("sizeof %s %zu\n", #type, sizeof(type))
#define FIELD(type, field) \
    printf("offsetof %s.%s %zu size %zu\n", #type, #field, offsetof(type, field), sizeof(((type *)0)->field))
#define CONSTANT(name) printf("%s %lld\n", #name, (long long)(name))

int main(void) {
    SIZE(tomocut_engine_options);
    FIELD(tomocut_engine_options, struct_size);
    FIELD(tomocut_engine_options, device);
    FIELD(tomocut_engine_options, n_threads);
    FIELD(tomocut_engine_options, log_level);
    FIELD(tomocut_engine_options, log);
    FIELD(tomocut_engine_options, log_user_data);

    SIZE(tomocut_geometry);
    FIELD(tomocut_geometry, struct_size);
    FIELD(tomocut_geometry, shape);
    FIELD(tomocut_geometry, voxel_angstrom);
    FIELD(tomocut_geometry, origin_angstrom);
    FIELD(tomocut_geometry, start);
    FIELD(tomocut_geometry, reserved);

    SIZE(tomocut_volume);
    FIELD(tomocut_volume, data);
    FIELD(tomocut_volume, dtype);
    FIELD(tomocut_volume, reserved);
    FIELD(tomocut_volume, shape);
    FIELD(tomocut_volume, strides);

    SIZE(tomocut_progress);
    FIELD(tomocut_progress, struct_size);
    FIELD(tomocut_progress, stage);
    FIELD(tomocut_progress, reserved);
    FIELD(tomocut_progress, stage_name);
    FIELD(tomocut_progress, fraction);
    FIELD(tomocut_progress, loss);

    SIZE(tomocut_suggest_options);
    FIELD(tomocut_suggest_options, struct_size);
    FIELD(tomocut_suggest_options, thickness);
    FIELD(tomocut_suggest_options, voxel_nm);
    FIELD(tomocut_suggest_options, max_voxels);
    FIELD(tomocut_suggest_options, cancel);
    FIELD(tomocut_suggest_options, progress);
    FIELD(tomocut_suggest_options, progress_user_data);

    SIZE(tomocut_suggested_slab);
    FIELD(tomocut_suggested_slab, z_first);
    FIELD(tomocut_suggested_slab, z_end);
    FIELD(tomocut_suggested_slab, score);

    SIZE(tomocut_model_options);
    FIELD(tomocut_model_options, struct_size);
    FIELD(tomocut_model_options, dtype);
    FIELD(tomocut_model_options, cancel);
    FIELD(tomocut_model_options, progress);
    FIELD(tomocut_model_options, progress_user_data);

    SIZE(tomocut_slab_options);
    FIELD(tomocut_slab_options, struct_size);
    FIELD(tomocut_slab_options, z_first);
    FIELD(tomocut_slab_options, z_end);
    FIELD(tomocut_slab_options, preset);
    FIELD(tomocut_slab_options, voxel_nm);
    FIELD(tomocut_slab_options, bright);
    FIELD(tomocut_slab_options, timestep_rule);
    FIELD(tomocut_slab_options, timestep);
    FIELD(tomocut_slab_options, seed);
    FIELD(tomocut_slab_options, latent_mode);
    FIELD(tomocut_slab_options, latent_draw);
    FIELD(tomocut_slab_options, noise_file);
    FIELD(tomocut_slab_options, no_noise);
    FIELD(tomocut_slab_options, noise_draws);
    FIELD(tomocut_slab_options, snr);
    FIELD(tomocut_slab_options, layers);
    FIELD(tomocut_slab_options, n_layers);
    FIELD(tomocut_slab_options, tiling);
    FIELD(tomocut_slab_options, tile_overlap);
    FIELD(tomocut_slab_options, tile_cells);
    FIELD(tomocut_slab_options, reserved);
    FIELD(tomocut_slab_options, solver);
    FIELD(tomocut_slab_options, n_eigenvectors);
    FIELD(tomocut_slab_options, adam_iterations);
    FIELD(tomocut_slab_options, canvas);
    FIELD(tomocut_slab_options, split);
    FIELD(tomocut_slab_options, z_correction);
    FIELD(tomocut_slab_options, link_z);
    FIELD(tomocut_slab_options, score_smoothing_nm);
    FIELD(tomocut_slab_options, binarisation);
    FIELD(tomocut_slab_options, threshold_low);
    FIELD(tomocut_slab_options, threshold_high);
    FIELD(tomocut_slab_options, molecule_min_nm);
    FIELD(tomocut_slab_options, molecule_max_nm);
    FIELD(tomocut_slab_options, cancel);
    FIELD(tomocut_slab_options, progress);
    FIELD(tomocut_slab_options, progress_user_data);
    FIELD(tomocut_slab_options, cellpose_weights);
    FIELD(tomocut_slab_options, diameter_nm);
    FIELD(tomocut_slab_options, n_points);
    FIELD(tomocut_slab_options, refine);
    FIELD(tomocut_slab_options, reserved2);

    SIZE(tomocut_pick);
    FIELD(tomocut_pick, x);
    FIELD(tomocut_pick, y);
    FIELD(tomocut_pick, z);
    FIELD(tomocut_pick, x_angstrom);
    FIELD(tomocut_pick, y_angstrom);
    FIELD(tomocut_pick, z_angstrom);
    FIELD(tomocut_pick, diameter_nm);
    FIELD(tomocut_pick, score);

    SIZE(tomocut_write_options);
    FIELD(tomocut_write_options, struct_size);
    FIELD(tomocut_write_options, float32_scores);
    FIELD(tomocut_write_options, reserved);
    FIELD(tomocut_write_options, cancel);
    FIELD(tomocut_write_options, progress);
    FIELD(tomocut_write_options, progress_user_data);

    SIZE(tomocut_attention_layer);
    FIELD(tomocut_attention_layer, struct_size);
    FIELD(tomocut_attention_layer, name);
    FIELD(tomocut_attention_layer, index);
    FIELD(tomocut_attention_layer, tile);
    FIELD(tomocut_attention_layer, heads);
    FIELD(tomocut_attention_layer, tokens);
    FIELD(tomocut_attention_layer, dim);
    FIELD(tomocut_attention_layer, rows);
    FIELD(tomocut_attention_layer, columns);
    FIELD(tomocut_attention_layer, timestep);

    SIZE(tomocut_phantom_options);
    FIELD(tomocut_phantom_options, struct_size);
    FIELD(tomocut_phantom_options, shape);
    FIELD(tomocut_phantom_options, voxel_nm);
    FIELD(tomocut_phantom_options, snr);
    FIELD(tomocut_phantom_options, seed);
    FIELD(tomocut_phantom_options, parameters_json);
    FIELD(tomocut_phantom_options, cancel);
    FIELD(tomocut_phantom_options, progress);
    FIELD(tomocut_phantom_options, progress_user_data);

    SIZE(tomocut_predict_options);
    FIELD(tomocut_predict_options, struct_size);
    FIELD(tomocut_predict_options, region_first);
    FIELD(tomocut_predict_options, region_end);
    FIELD(tomocut_predict_options, voxel_nm);
    FIELD(tomocut_predict_options, rescale);
    FIELD(tomocut_predict_options, bright);
    FIELD(tomocut_predict_options, mirrors);
    FIELD(tomocut_predict_options, outputs);
    FIELD(tomocut_predict_options, probability_dtype);
    FIELD(tomocut_predict_options, resume);
    FIELD(tomocut_predict_options, threshold);
    FIELD(tomocut_predict_options, memory);
    FIELD(tomocut_predict_options, core);
    FIELD(tomocut_predict_options, rank);
    FIELD(tomocut_predict_options, size);
    FIELD(tomocut_predict_options, cancel);
    FIELD(tomocut_predict_options, progress);
    FIELD(tomocut_predict_options, progress_user_data);

    SIZE(tomocut_predict_report);
    FIELD(tomocut_predict_report, struct_size);
    FIELD(tomocut_predict_report, finished);
    FIELD(tomocut_predict_report, reserved);
    FIELD(tomocut_predict_report, tiles);
    FIELD(tomocut_predict_report, computed);
    FIELD(tomocut_predict_report, resumed);
    FIELD(tomocut_predict_report, core);
    FIELD(tomocut_predict_report, network_shape);
    FIELD(tomocut_predict_report, voxels_per_second);

    SIZE(tomocut_trainer_options);
    FIELD(tomocut_trainer_options, struct_size);
    FIELD(tomocut_trainer_options, start);
    FIELD(tomocut_trainer_options, network_json);
    FIELD(tomocut_trainer_options, loss);
    FIELD(tomocut_trainer_options, steps);
    FIELD(tomocut_trainer_options, seed);
    FIELD(tomocut_trainer_options, window);
    FIELD(tomocut_trainer_options, rate);
    FIELD(tomocut_trainer_options, foreground);
    FIELD(tomocut_trainer_options, label_smoothing);
    FIELD(tomocut_trainer_options, voxel_nm);
    FIELD(tomocut_trainer_options, batch);
    FIELD(tomocut_trainer_options, bright);
    FIELD(tomocut_trainer_options, augment);
    FIELD(tomocut_trainer_options, reserved);

    SIZE(tomocut_train_options);
    FIELD(tomocut_train_options, struct_size);
    FIELD(tomocut_train_options, until_step);
    FIELD(tomocut_train_options, minutes);
    FIELD(tomocut_train_options, cancel);
    FIELD(tomocut_train_options, progress);
    FIELD(tomocut_train_options, progress_user_data);

    SIZE(tomocut_training_labels);
    FIELD(tomocut_training_labels, struct_size);
    FIELD(tomocut_training_labels, z_first);
    FIELD(tomocut_training_labels, labels);
    FIELD(tomocut_training_labels, confidence);
    FIELD(tomocut_training_labels, names);
    FIELD(tomocut_training_labels, n_names);
    FIELD(tomocut_training_labels, points);
    FIELD(tomocut_training_labels, n_points);
    FIELD(tomocut_training_labels, points_file);
    FIELD(tomocut_training_labels, held_out);
    FIELD(tomocut_training_labels, reserved);

    SIZE(tomocut_trainer_state);
    FIELD(tomocut_trainer_state, struct_size);
    FIELD(tomocut_trainer_state, step);
    FIELD(tomocut_trainer_state, steps);
    FIELD(tomocut_trainer_state, learnt);
    FIELD(tomocut_trainer_state, held_out);
    FIELD(tomocut_trainer_state, loss);
    FIELD(tomocut_trainer_state, voxel_nm);

    SIZE(tomocut_output_score);
    FIELD(tomocut_output_score, name);
    FIELD(tomocut_output_score, dice);
    FIELD(tomocut_output_score, mean_probability);
    FIELD(tomocut_output_score, mean_truth);

    SIZE(tomocut_ncut_options);
    FIELD(tomocut_ncut_options, struct_size);
    FIELD(tomocut_ncut_options, preset);
    FIELD(tomocut_ncut_options, latent_mode);
    FIELD(tomocut_ncut_options, timestep_rule);
    FIELD(tomocut_ncut_options, inversion_steps);
    FIELD(tomocut_ncut_options, timestep);
    FIELD(tomocut_ncut_options, snr);
    FIELD(tomocut_ncut_options, seed);
    FIELD(tomocut_ncut_options, black);
    FIELD(tomocut_ncut_options, white);
    FIELD(tomocut_ncut_options, bright);
    FIELD(tomocut_ncut_options, square);
    FIELD(tomocut_ncut_options, working_tokens);
    FIELD(tomocut_ncut_options, levels);
    FIELD(tomocut_ncut_options, all_layers);
    FIELD(tomocut_ncut_options, layer);
    FIELD(tomocut_ncut_options, adjacency);
    FIELD(tomocut_ncut_options, walk_power);
    FIELD(tomocut_ncut_options, segments);
    FIELD(tomocut_ncut_options, criterion);
    FIELD(tomocut_ncut_options, threshold);
    FIELD(tomocut_ncut_options, sweep);
    FIELD(tomocut_ncut_options, sweep_steps);
    FIELD(tomocut_ncut_options, min_nodes);
    FIELD(tomocut_ncut_options, max_segments);
    FIELD(tomocut_ncut_options, max_depth);
    FIELD(tomocut_ncut_options, tolerance);
    FIELD(tomocut_ncut_options, max_iterations);
    FIELD(tomocut_ncut_options, eigenvectors);
    FIELD(tomocut_ncut_options, exponent);
    FIELD(tomocut_ncut_options, tau);
    FIELD(tomocut_ncut_options, masks);
    FIELD(tomocut_ncut_options, anchors);
    FIELD(tomocut_ncut_options, rounds);
    FIELD(tomocut_ncut_options, refine);
    FIELD(tomocut_ncut_options, pamr);
    FIELD(tomocut_ncut_options, pamr_side);
    FIELD(tomocut_ncut_options, pamr_iterations);
    FIELD(tomocut_ncut_options, reserved);
    FIELD(tomocut_ncut_options, pamr_dilations);
    FIELD(tomocut_ncut_options, n_pamr_dilations);
    FIELD(tomocut_ncut_options, thresholds);
    FIELD(tomocut_ncut_options, n_thresholds);
    FIELD(tomocut_ncut_options, counts);
    FIELD(tomocut_ncut_options, n_counts);
    FIELD(tomocut_ncut_options, min_overlap);
    FIELD(tomocut_ncut_options, cancel);
    FIELD(tomocut_ncut_options, progress);
    FIELD(tomocut_ncut_options, progress_user_data);

    SIZE(tomocut_ncut_info);
    FIELD(tomocut_ncut_info, struct_size);
    FIELD(tomocut_ncut_info, shape);
    FIELD(tomocut_ncut_info, segments);
    FIELD(tomocut_ncut_info, dim);
    FIELD(tomocut_ncut_info, cells);
    FIELD(tomocut_ncut_info, grid);
    FIELD(tomocut_ncut_info, eigenvectors);
    FIELD(tomocut_ncut_info, levels);
    FIELD(tomocut_ncut_info, timestep);
    FIELD(tomocut_ncut_info, snr);

    SIZE(tomocut_ncut_segment);
    FIELD(tomocut_ncut_segment, pixels);
    FIELD(tomocut_ncut_segment, z_first);
    FIELD(tomocut_ncut_segment, z_end);

    SIZE(tomocut_ncut_node);
    FIELD(tomocut_ncut_node, parent);
    FIELD(tomocut_ncut_node, segment);
    FIELD(tomocut_ncut_node, tokens);
    FIELD(tomocut_ncut_node, depth);
    FIELD(tomocut_ncut_node, ncut);
    FIELD(tomocut_ncut_node, cut);
    FIELD(tomocut_ncut_node, value);
    FIELD(tomocut_ncut_node, limit);

    SIZE(tomocut_adapt_options);
    FIELD(tomocut_adapt_options, struct_size);
    FIELD(tomocut_adapt_options, steps);
    FIELD(tomocut_adapt_options, seed);
    FIELD(tomocut_adapt_options, voxel_nm);
    FIELD(tomocut_adapt_options, snr);
    FIELD(tomocut_adapt_options, batch);
    FIELD(tomocut_adapt_options, bright);
    FIELD(tomocut_adapt_options, cancel);
    FIELD(tomocut_adapt_options, progress);
    FIELD(tomocut_adapt_options, progress_user_data);

    SIZE(tomocut_status);
    SIZE(tomocut_log_level);
    SIZE(tomocut_dtype);
    SIZE(tomocut_stage);
    SIZE(tomocut_timestep_rule);
    SIZE(tomocut_switch);

    CONSTANT(TOMOCUT_LABEL_BACKGROUND);
    CONSTANT(TOMOCUT_LABEL_MEMBRANE);
    CONSTANT(TOMOCUT_LABEL_MOLECULE);
    CONSTANT(TOMOCUT_OK);
    CONSTANT(TOMOCUT_E_INVALID_ARGUMENT);
    CONSTANT(TOMOCUT_E_CANCELLED);
    CONSTANT(TOMOCUT_E_OUT_OF_MEMORY);
    CONSTANT(TOMOCUT_E_DEVICE);
    CONSTANT(TOMOCUT_E_IO);
    CONSTANT(TOMOCUT_E_FORMAT);
    CONSTANT(TOMOCUT_E_UNSUPPORTED);
    CONSTANT(TOMOCUT_E_VERSION);
    CONSTANT(TOMOCUT_E_STATE);
    CONSTANT(TOMOCUT_E_INTERNAL);
    CONSTANT(TOMOCUT_LOG_ERROR);
    CONSTANT(TOMOCUT_LOG_WARNING);
    CONSTANT(TOMOCUT_LOG_INFO);
    CONSTANT(TOMOCUT_LOG_DEBUG);
    CONSTANT(TOMOCUT_STAGE_START);
    CONSTANT(TOMOCUT_STAGE_READ);
    CONSTANT(TOMOCUT_STAGE_LOAD);
    CONSTANT(TOMOCUT_STAGE_ENHANCE);
    CONSTANT(TOMOCUT_STAGE_ENCODE);
    CONSTANT(TOMOCUT_STAGE_ATTENTION);
    CONSTANT(TOMOCUT_STAGE_EIGENVECTORS);
    CONSTANT(TOMOCUT_STAGE_CANVAS);
    CONSTANT(TOMOCUT_STAGE_Z_CORRECTION);
    CONSTANT(TOMOCUT_STAGE_BINARISE);
    CONSTANT(TOMOCUT_STAGE_SPLIT);
    CONSTANT(TOMOCUT_STAGE_POINTS);
    CONSTANT(TOMOCUT_STAGE_WRITE);
    CONSTANT(TOMOCUT_STAGE_SIMULATE);
    CONSTANT(TOMOCUT_STAGE_TRAIN);
    CONSTANT(TOMOCUT_STAGE_PREDICT);
    CONSTANT(TOMOCUT_STAGE_CUT);
    CONSTANT(TOMOCUT_DTYPE_U8);
    CONSTANT(TOMOCUT_DTYPE_I8);
    CONSTANT(TOMOCUT_DTYPE_U16);
    CONSTANT(TOMOCUT_DTYPE_I16);
    CONSTANT(TOMOCUT_DTYPE_F16);
    CONSTANT(TOMOCUT_DTYPE_F32);
    CONSTANT(TOMOCUT_SWITCH_DEFAULT);
    CONSTANT(TOMOCUT_SWITCH_ON);
    CONSTANT(TOMOCUT_SWITCH_OFF);
    CONSTANT(TOMOCUT_TIMESTEP_AUTO);
    CONSTANT(TOMOCUT_TIMESTEP_FIXED);
    CONSTANT(TOMOCUT_TIMESTEP_UP_TO);
    CONSTANT(TOMOCUT_PREDICT_PROBABILITIES);
    CONSTANT(TOMOCUT_PREDICT_LABELS);
    CONSTANT(TOMOCUT_PREDICT_DEVIATIONS);
    CONSTANT(TOMOCUT_LABEL_FILAMENT);
    CONSTANT(TOMOCUT_MAP_MOLECULE_CENTRE);
    CONSTANT(TOMOCUT_DTYPE_U32);
    CONSTANT(TOMOCUT_MATRIX_AFFINITY);
    CONSTANT(TOMOCUT_MATRIX_TRANSITION);
    CONSTANT(TOMOCUT_MATRIX_FEATURES);
    return 0;
}
