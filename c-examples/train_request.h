/* What tomocut-train is asked for: its arguments, read and checked. C99 and POSIX. */
#ifndef TOMOCUT_TRAIN_REQUEST_H
#define TOMOCUT_TRAIN_REQUEST_H

#include "window_and_slabs.h"

#define MOST_SLABS 32
static const char help[] =
    "Usage: tomocut-train TOMOGRAM --z A:B [--labels FILE.mrc [--points FILE.csv]] [TOMOGRAM --z ...] --out MODEL [options]\n"
    "       tomocut-train --images LIST --masks LIST --network NAME --out MODEL [options]\n"
    "\n"
    "Trains a network on slabs: slices A to B-1 (counted from 0) of one or more tomograms. Without --labels a slab is\n"
    "segmented here, as tomocut-slab does it. The result is for --model of tomocut-predict. Checkpoints are written to\n"
    "MODEL.checkpoint, at Ctrl-C too; started again with the same arguments, the training goes on where it was, and ends\n"
    "with the same model as one that was never stopped.\n"
    "\n"
    "After each tomogram (one named twice has two slabs):\n"
    "  --z A:B              the slab, or auto: the one with most structure; not needed where the labels are of all slices\n"
    "  --labels FILE.mrc    labels of the slab or of the whole tomogram: 0 ground, else the number of a name\n"
    "  --points FILE        molecules, as .csv, .star, .tbl, .mod or .coords (what tomocut-slab writes)\n"
    "\n"
    "Pictures with masks, for a network of slices: each list is a folder, whose files are taken in the order of their names, or\n"
    "a text file with one path a line. A mask is black where nothing is and white where something is:\n"
    "  --images LIST        PNG, JPEG or TIFF files\n"
    "  --masks LIST         as many masks, in the same order\n"
    "\n"
    "  --out MODEL          the trained model (safetensors)\n"
    "  --start FILE         the model to start from (default: the built-in network)\n"
    "  --scratch            random weights of the built-in network\n"
    "  --network JSON       random weights of another network, as tomocut_trainer_options in tomocut.h says, or sdseg (latent\n"
    "                       diffusion of masks, 413 million weights) or sdseg-small (4 million)\n"
    "  --pretrained FILE    of SDSeg: begin with the weights of a latent diffusion model (safetensors), or builtin\n"
    "  --first-stage FILE   of SDSeg: that model's autoencoder, where it lies in a file of its own\n"
    "  --conditioning NAME  of SDSeg: concatenation (default) or cross-attention\n"
    "  --no-latent-loss     of SDSeg: only the noise's error counts\n"
    "  --no-mask-loss       of sdseg-small: the errors of noise and latent alone, as in the paper\n"
    "  --frozen-encoder     of SDSeg: the vision encoder stays as it begins\n"
    "  --preset NAME        the training of a paper, as far as it can be had here: slab-paper, membrain-seg, deepetpicker or\n"
    "                       deepict; every option below that is given counts in the preset's place\n"
    "  --names A,B,C        names of the labels from 1 on (default: membrane,molecule,filament)\n"
    "  --diffusion FILE     the model that segments slabs, such as one that tomocut-adapt wrote (default: the built-in)\n"
    "  --steps N            training steps (default: 300; from random weights 2000)\n"
    "  --minutes X          stop after so many; the checkpoint stays, to go on from\n"
    "  --every X            minutes between checkpoints (default: 3)\n"
    "  --batch N            windows per step (default: 2)\n"
    "  --window Z,Y,X       extents of a window in voxels (default: 32,80,80)\n"
    "  --rate X             learning rate (default: 0.0005; from random weights 0.001)\n"
    "  --optimiser NAME     adamw (default), sgd or nesterov\n"
    "  --schedule NAME      how the rate goes: cosine (default), step, poly, one-cycle or plateau\n"
    "  --loss NAME          dice-cross-entropy (default), dice, focal, slab-paper, membrain, picker or deepict\n"
    "  --validation SHARE   share of each slab, 0 to 0.5, that is not learnt from but scored with; the best weights are kept\n"
    "                       (default: none; a fifth in the presets of papers)\n"
    "  --patience N         stop after N scores, one every 200 steps, without a better one\n"
    "  --rounds N           rounds of self-training: the network labels what it is sure of and is trained again\n"
    "  --whole              rounds learn from all slices of the tomograms, not from what lies around the slabs alone\n"
    "  --foreground X       share of windows that lie around a labelled voxel (default: 0.67)\n"
    "  --seed N             seed of every random draw (default: 1)\n"
    "  --no-augment         windows as they are\n"
    "  --again              begin afresh, whatever checkpoint there is\n"
    "  --mixed-precision    convolutions in bfloat16, on a GPU\n"
    "  --voxel-nm X         edge of a voxel, where the files' is wrong or unknown\n"
    "  --bright             structures are brighter than their surroundings\n"
    "  --device NAME        cpu (default), cuda or cuda:N\n"
    "  --threads N          threads (default: as many as this process may use)\n"
    "  --json               print one JSON object on stdout: steps, loss, how well the labels are fitted\n"
    "  --quiet              no progress, no text but errors\n"
    "  --help, --version\n"
    "\n";

struct request {
    const char *inputs[MOST_SLABS];
    size_t n_inputs;
    struct text_list z, labels, points;
    const char *out, *start, *network, *preset, *names, *diffusion, *optimiser, *schedule, *loss, *window_text, *device;
    const char *images, *masks, *pretrained, *first_stage, *conditioning;
    uint64_t steps, batch, seed, threads, window[3], patience, rounds;
    double minutes, every, rate, foreground, voxel_nm, validation;
    int no_latent_loss, no_mask_loss, frozen_encoder, scratch, whole, mixed_precision, no_augment, again, bright, json, quiet, help, version;
};

static int check_request(struct request *request) {
    uint64_t first, end;
    int pictures = request->images != NULL || request->masks != NULL;
    if ((request->n_inputs == 0 && !pictures) || request->out == NULL) {
        complain("%s; see --help", request->out == NULL ? "no --out given" : "no tomogram given");
        return 0;
    }
    if (pictures && (request->images == NULL || request->masks == NULL)) {
        complain("--images and --masks belong together");
        return 0;
    }
    if (!check_places(&request->z, "--z") || !check_places(&request->labels, "--labels") ||
        !check_places(&request->points, "--points")) {
        return 0;
    }
    for (size_t i = 0; i < request->n_inputs; i++) {
        const char *z = said_of(&request->z, i);
        int is_auto = z != NULL && strcmp(z, "auto") == 0;
        if (is_auto && said_of(&request->labels, i) != NULL) {
            complain("--z auto of %s stands with --labels, which are of slices of their own", request->inputs[i]);
            return 0;
        }
        if (z == NULL ? said_of(&request->labels, i) == NULL : !is_auto && !parse_slices(z, &first, &end)) {
            complain("--z of %s is \"%s\", must be A:B with A below B, such as 40:60, or auto", request->inputs[i],
                     z == NULL ? "" : z);
            return 0;
        }
        if (said_of(&request->points, i) != NULL && said_of(&request->labels, i) == NULL) {
            complain("--points of %s stands without --labels", request->inputs[i]);
            return 0;
        }
    }
    if (request->window_text != NULL && !parse_window(request->window_text, request->window)) {
        complain("--window is \"%s\", must be Z,Y,X such as 32,80,80", request->window_text);
        return 0;
    }
    if (request->validation < 0.0 || request->validation > 0.5 || request->rounds > 20) {
        complain("--validation must be 0 to 0.5 and --rounds 0 to 20");
        return 0;
    }
    if (request->whole && request->rounds == 0) {
        complain("--whole stands without --rounds, which it is for");
        return 0;
    }
    if (request->threads > 1024 || request->batch > 256 || request->minutes < 0.0 || !(request->every > 0.0)) {
        complain("--threads must be 0 to 1024, --batch 0 to 256, --minutes 0 or more and --every above 0");
        return 0;
    }
    return 1;
}

static int parse_request(int argc, char **argv, struct request *request) {
    const struct argument arguments[] = {
        {"--z", TEXT_LIST, &request->z},
        {"--labels", TEXT_LIST, &request->labels},
        {"--points", TEXT_LIST, &request->points},
        {"--out", TEXT, &request->out},
        {"--start", TEXT, &request->start},
        {"--scratch", SWITCH, &request->scratch},
        {"--network", TEXT, &request->network},
        {"--images", TEXT, &request->images},
        {"--masks", TEXT, &request->masks},
        {"--pretrained", TEXT, &request->pretrained},
        {"--first-stage", TEXT, &request->first_stage},
        {"--conditioning", TEXT, &request->conditioning},
        {"--no-latent-loss", SWITCH, &request->no_latent_loss},
        {"--no-mask-loss", SWITCH, &request->no_mask_loss},
        {"--frozen-encoder", SWITCH, &request->frozen_encoder},
        {"--preset", TEXT, &request->preset},
        {"--names", TEXT, &request->names},
        {"--diffusion", TEXT, &request->diffusion},
        {"--steps", COUNT, &request->steps},
        {"--minutes", NUMBER, &request->minutes},
        {"--every", NUMBER, &request->every},
        {"--batch", COUNT, &request->batch},
        {"--window", TEXT, &request->window_text},
        {"--rate", NUMBER, &request->rate},
        {"--optimiser", TEXT, &request->optimiser},
        {"--schedule", TEXT, &request->schedule},
        {"--loss", TEXT, &request->loss},
        {"--validation", NUMBER, &request->validation},
        {"--patience", COUNT, &request->patience},
        {"--rounds", COUNT, &request->rounds},
        {"--whole", SWITCH, &request->whole},
        {"--mixed-precision", SWITCH, &request->mixed_precision},
        {"--foreground", NUMBER, &request->foreground},
        {"--seed", COUNT, &request->seed},
        {"--no-augment", SWITCH, &request->no_augment},
        {"--again", SWITCH, &request->again},
        {"--voxel-nm", NUMBER, &request->voxel_nm},
        {"--bright", SWITCH, &request->bright},
        {"--device", TEXT, &request->device},
        {"--threads", COUNT, &request->threads},
        {"--json", SWITCH, &request->json},
        {"--quiet", SWITCH, &request->quiet},
        {"--help", SWITCH, &request->help},
        {"--version", SWITCH, &request->version},
    };
    request->every = 3.0;
    if (!parse_arguments(argc, argv, arguments, sizeof arguments / sizeof arguments[0], request->inputs, MOST_SLABS,
                         &request->n_inputs)) {
        return 0;
    }
    return request->help || request->version || check_request(request);
}

#endif
