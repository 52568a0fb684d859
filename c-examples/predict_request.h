/* What tomocut-predict is asked for: its arguments, read and checked. C99 and POSIX. */
#ifndef TOMOCUT_PREDICT_REQUEST_H
#define TOMOCUT_PREDICT_REQUEST_H

#include "after_network.h"
#include "region.h"

#define MOST_INPUTS 4096

static const char help[] =
    "Usage: tomocut-predict TOMOGRAM... | FOLDER --out DIR [options]\n"
    "       tomocut-predict --pictures LIST --model FILE --out DIR [options]\n"
    "\n"
    "Runs a segmentation network over tomograms. Writes <stem>_membrane.mrc and so on, the probabilities of each output,\n"
    "and <stem>_labels.mrc (0 background, else 1 + the number of the likeliest output). The tomogram is never wholly in\n"
    "memory. A run that was stopped, even by a kill, goes on where it was when it is started again. A tomogram that fails\n"
    "is told and the others go on. Tomograms whose files are in DIR already are left out.\n"
    "\n"
    "  --pictures LIST      pictures (PNG, JPEG, TIFF) for a network of slices, in place of tomograms: a folder, or a text file\n"
    "                       that names one on each line. Writes <stem>_<output>.png (0 and 255) and the probabilities\n"
    "  --model FILE         the network: one that tomocut-train wrote, MemBrain-seg's, a 2D U-Net or SDSeg (safetensors;\n"
    "                       default: the built-in one, of membrane, molecule and molecule's centre)\n"
    "  --out DIR            folder for the results; made where missing\n"
    "  --again              tomograms whose results are there already, too\n"
    "  --mirrors            average the mirrors of every window (8 times the time), and write <stem>_membrane_std.mrc and\n"
    "                       so on: how far they differ\n"
    "  --labels             only labels\n"
    "  --probabilities      only probabilities\n"
    "  --byte               probabilities as bytes, 0 to 255 (default: float16, 0 to 1)\n"
    "  --format NAME        mrc (default), or zarr: OME-Zarr folders <stem>_membrane.zarr and so on, with coarser copies\n"
    "  --threshold P        least probability of a label (default: of the largest expected Dice)\n"
    "  --sampler NAME       of SDSeg: ddim (default) or dpm-solver\n"
    "  --sampler-steps N    of SDSeg: passes from noise to an answer (default: 1, the direct step)\n"
    "  --samples N          of SDSeg: average so many answers, and write <stem>_membrane_std.mrc and so on: how far they differ\n"
    "  --seed N             of SDSeg: seed of the noises (default: 1)\n"
    "  --smooth-z S         of networks of slices: smooth along z by a Gaussian of S slices\n"
    "  --region Z,Y,X       part of the tomogram, such as 40:60,0:512,100:400 (counted from 0, ends left out); a : alone\n"
    "                       is the whole axis\n"
    "  --memory SIZE        what slices and tiles may take, such as 1.5G or 800M (default: 1G)\n"
    "  --rank R --size N    this is process R, 0 to N-1, of N that share each tomogram; all write into the same DIR\n"
    "  --voxel-nm X         edge of a voxel, where the file's is wrong or unknown\n"
    "  --no-rescale         take the data's voxel size for the network's\n"
    "  --bright             structures are brighter than their surroundings\n"
    "  --device NAME        cpu (default), cuda or cuda:N\n"
    "  --threads N          threads (default: as many as this process may use)\n"
    "  --json               print one JSON object on stdout: what was done with each tomogram, the files\n"
    "  --quiet              no progress, no text but errors\n"
    "  --help, --version\n"
    "\n";

struct request {
    const char *inputs[MOST_INPUTS];
    size_t n_inputs;
    const char *model, *out, *region_text, *memory_text, *device, *format, *pictures, *sampler;
    struct region region;
    uint64_t memory, rank, size, threads, sampler_steps, samples, seed;
    double threshold, voxel_nm, smooth_z;
    struct after_request after;
    int again, mirrors, labels, probabilities, byte, no_rescale, bright, json, quiet, help, version;
};

static int parse_request(int argc, char **argv, struct request *request) {
    const struct argument arguments[] = {
        {"--model", TEXT, &request->model},
        {"--out", TEXT, &request->out},
        {"--pictures", TEXT, &request->pictures},
        {"--sampler", TEXT, &request->sampler},
        {"--sampler-steps", COUNT, &request->sampler_steps},
        {"--samples", COUNT, &request->samples},
        {"--seed", COUNT, &request->seed},
        {"--smooth-z", NUMBER, &request->smooth_z},
        {"--again", SWITCH, &request->again},
        AFTER_NETWORK_ARGUMENTS(&request->after),
        {"--mirrors", SWITCH, &request->mirrors},
        {"--labels", SWITCH, &request->labels},
        {"--probabilities", SWITCH, &request->probabilities},
        {"--byte", SWITCH, &request->byte},
        {"--format", TEXT, &request->format},
        {"--threshold", NUMBER, &request->threshold},
        {"--region", TEXT, &request->region_text},
        {"--memory", TEXT, &request->memory_text},
        {"--rank", COUNT, &request->rank},
        {"--size", COUNT, &request->size},
        {"--voxel-nm", NUMBER, &request->voxel_nm},
        {"--no-rescale", SWITCH, &request->no_rescale},
        {"--bright", SWITCH, &request->bright},
        {"--device", TEXT, &request->device},
        {"--threads", COUNT, &request->threads},
        {"--json", SWITCH, &request->json},
        {"--quiet", SWITCH, &request->quiet},
        {"--help", SWITCH, &request->help},
        {"--version", SWITCH, &request->version},
    };
    request->size = 1;
    request->after.close_nm = -1.0;
    if (!parse_arguments(argc, argv, arguments, sizeof arguments / sizeof arguments[0], request->inputs, MOST_INPUTS,
                         &request->n_inputs)) {
        return 0;
    }
    if (request->help || request->version) {
        return 1;
    }
    if (request->out == NULL || (request->n_inputs == 0) == (request->pictures == NULL)) {
        complain("%s; see --help", request->out == NULL        ? "no --out given"
                                   : request->n_inputs == 0 ? "no tomogram given"
                                                            : "tomograms and --pictures exclude each other");
        return 0;
    }
    if (request->sampler_steps > 1000 || request->samples > 1000) {
        complain("--sampler-steps and --samples must be 0 to 1000");
        return 0;
    }
    if (request->region_text != NULL && !parse_region(request->region_text, &request->region)) {
        complain("--region is \"%s\", must be three ranges Z,Y,X such as 40:60,0:512,100:400", request->region_text);
        return 0;
    }
    if (request->memory_text != NULL && !parse_bytes(request->memory_text, &request->memory)) {
        complain("--memory is \"%s\", must be a size such as 1.5G or 800M", request->memory_text);
        return 0;
    }
    if (!parse_after_request(&request->after)) {
        return 0;
    }
    if (request->format != NULL && strcmp(request->format, "mrc") != 0 && strcmp(request->format, "zarr") != 0) {
        complain("--format is \"%s\", must be mrc or zarr", request->format);
        return 0;
    }
    if (request->threshold < 0.0 || request->threshold > 1.0) {
        complain("--threshold is %g, must be above 0 and at most 1", request->threshold);
        return 0;
    }
    if (request->rank >= request->size) {
        complain("--rank is %llu, must be below --size, %llu", (unsigned long long)request->rank,
                 (unsigned long long)request->size);
        return 0;
    }
    if (request->again && request->size > 1) {
        complain("--again and --size exclude each other: one process would undo the others; remove the results first");
        return 0;
    }
    if (request->threads > 1024) {
        complain("--threads is %llu, must be 0 to 1024", (unsigned long long)request->threads);
        return 0;
    }
    return 1;
}

#endif
