/* What tomocut-run is asked for: its arguments, read and checked. C99 and POSIX. */
#ifndef TOMOCUT_RUN_REQUEST_H
#define TOMOCUT_RUN_REQUEST_H

#include "tomogram_list.h"
#include "window_and_slabs.h"

#define MOST_INPUTS 4096

static const char help[] =
    "Usage: tomocut-run TOMOGRAM... | FOLDER --out DIR [options]\n"
    "\n"
    "A data set in one command, without annotation. Slabs that hold most structure are looked for in a few of the\n"
    "tomograms and segmented as tomocut-slab does it; a network learns from their labels; every tomogram is segmented with\n"
    "it as tomocut-predict does it. DIR receives\n"
    "  <stem>_membrane.mrc ...  probabilities of each output, and <stem>_labels.mrc, for each tomogram\n"
    "  <stem>_points.csv, .star molecules with their scores\n"
    "  network.safetensors      the network, for --model of tomocut-predict\n"
    "  slabs/                   the labels that it learnt from\n"
    "  report.html, report/     slices with what was found, scores, loss, time and memory\n"
    "A run that was stopped, even by a kill, goes on when the same command is given again, and ends with the same bytes.\n"
    "A tomogram that fails is told and the others go on; the next call tries it again.\n"
    "\n"
    "  --out DIR            folder for the results; made where missing\n"
    "  --slabs N            slabs that are labelled (default: 3)\n"
    "  --thickness N        slices of a slab (default: 20)\n"
    "  --z A:B              after a tomogram: label slices A to B-1 of it (counted from 0), and look for no slab\n"
    "  --truth FILE.mrc     after a tomogram: its true labels (0 ground, 1 membrane, 2 molecule, 3 filament), to score with\n"
    "  --held-out X         share of a slab's slices, 0 to 0.5, that are compared with, not learnt from (default: 0.2)\n"
    "  --diffusion FILE     the model that segments slabs, such as one that tomocut-adapt wrote (default: the built-in)\n"
    "  --start FILE         the network to start from (default: the built-in one)\n"
    "  --scratch            start from random weights of the built-in network\n"
    "  --network JSON       another network for random weights, as tomocut_trainer_options in tomocut.h says\n"
    "  --steps N            training steps (default: 600)\n"
    "  --batch N            windows per step (default: 2)\n"
    "  --window Z,Y,X       extents of a window in voxels (default: what suits the network)\n"
    "  --rate X             learning rate (default: 0.0005)\n"
    "  --loss NAME          dice-cross-entropy (default), dice, focal, slab-paper, membrain or picker\n"
    "  --seed N             seed of every random draw (default: 1)\n"
    "  --membranes          also <stem>_membrane_mask.mrc, gaps closed and specks left out, and _membrane_objects.mrc\n"
    "  --mirrors            average the mirrors of every window (8 times the time)\n"
    "  --byte               probabilities as bytes, 0 to 255 (default: float16, 0 to 1)\n"
    "  --threshold P        least probability of a label (default: of the largest expected Dice)\n"
    "  --memory SIZE        what slabs, slices and tiles may take, such as 1.5G or 800M (default: 4G)\n"
    "  --restart            begin again where a run of other settings stands in DIR\n"
    "  --voxel-nm X         edge of a voxel, where the files' is wrong or unknown\n"
    "  --bright             structures are brighter than their surroundings\n"
    "  --device NAME        cpu (default), cuda or cuda:N\n"
    "  --threads N          threads (default: as many as this process may use)\n"
    "  --json               print one JSON object on stdout: what was done with each tomogram\n"
    "  --quiet              no progress, no text but errors\n"
    "  --help, --version\n"
    "\n";

struct request {
    const char *inputs[MOST_INPUTS];
    size_t n_inputs;
    struct text_list z, truth;
    const char *out, *diffusion, *start, *network, *loss, *window_text, *memory_text, *held_out_text, *device;
    uint64_t slabs, thickness, steps, batch, seed, threads, memory, window[3];
    double rate, threshold, voxel_nm, held_out;
    int scratch, membranes, mirrors, byte, restart, bright, json, quiet, help, version;
};

static int check_request(struct request *request) {
    uint64_t first, end;
    if (request->n_inputs == 0 || request->out == NULL) {
        complain("no %s given; see --help", request->n_inputs == 0 ? "tomogram" : "--out");
        return 0;
    }
    if (!check_places(&request->z, "--z") || !check_places(&request->truth, "--truth")) {
        return 0;
    }
    for (size_t i = 0; i < request->z.n; i++) {
        if (!parse_slices(request->z.items[i], &first, &end)) {
            complain("--z is \"%s\", must be A:B with A below B, such as 40:60", request->z.items[i]);
            return 0;
        }
    }
    if (request->window_text != NULL && !parse_window(request->window_text, request->window)) {
        complain("--window is \"%s\", must be Z,Y,X such as 32,80,80", request->window_text);
        return 0;
    }
    if (request->memory_text != NULL && !parse_bytes(request->memory_text, &request->memory)) {
        complain("--memory is \"%s\", must be a size such as 1.5G or 800M", request->memory_text);
        return 0;
    }
    if (request->held_out_text != NULL &&
        (!parse_number(request->held_out_text, &request->held_out) || request->held_out < 0.0 || request->held_out > 0.5)) {
        complain("--held-out is \"%s\", must be 0 to 0.5", request->held_out_text);
        return 0;
    }
    if (request->threshold < 0.0 || request->threshold > 1.0) {
        complain("--threshold is %g, must be above 0 and at most 1", request->threshold);
        return 0;
    }
    if (request->scratch && request->start != NULL) {
        complain("--scratch and --start exclude each other");
        return 0;
    }
    if (request->threads > 1024 || request->batch > 256) {
        complain("--threads must be 0 to 1024, --batch 0 to 256");
        return 0;
    }
    return 1;
}

static int parse_request(int argc, char **argv, struct request *request) {
    const struct argument arguments[] = {
        {"--out", TEXT, &request->out},
        {"--slabs", COUNT, &request->slabs},
        {"--thickness", COUNT, &request->thickness},
        {"--z", TEXT_LIST, &request->z},
        {"--truth", TEXT_LIST, &request->truth},
        {"--held-out", TEXT, &request->held_out_text},
        {"--diffusion", TEXT, &request->diffusion},
        {"--start", TEXT, &request->start},
        {"--scratch", SWITCH, &request->scratch},
        {"--network", TEXT, &request->network},
        {"--steps", COUNT, &request->steps},
        {"--batch", COUNT, &request->batch},
        {"--window", TEXT, &request->window_text},
        {"--rate", NUMBER, &request->rate},
        {"--loss", TEXT, &request->loss},
        {"--seed", COUNT, &request->seed},
        {"--membranes", SWITCH, &request->membranes},
        {"--mirrors", SWITCH, &request->mirrors},
        {"--byte", SWITCH, &request->byte},
        {"--threshold", NUMBER, &request->threshold},
        {"--memory", TEXT, &request->memory_text},
        {"--restart", SWITCH, &request->restart},
        {"--voxel-nm", NUMBER, &request->voxel_nm},
        {"--bright", SWITCH, &request->bright},
        {"--device", TEXT, &request->device},
        {"--threads", COUNT, &request->threads},
        {"--json", SWITCH, &request->json},
        {"--quiet", SWITCH, &request->quiet},
        {"--help", SWITCH, &request->help},
        {"--version", SWITCH, &request->version},
    };
    if (!parse_arguments(argc, argv, arguments, sizeof arguments / sizeof arguments[0], request->inputs, MOST_INPUTS,
                         &request->n_inputs)) {
        return 0;
    }
    return request->help || request->version || check_request(request);
}

#endif
