%TOMOCUT_SLAB  Membranes, molecules and filaments of a slab of a cryo-electron tomogram, without annotation.
%
%   labels = tomocut_slab(tomogram)
%   [labels, points, maps] = tomocut_slab(tomogram, options)
%
%   tomogram  an (x, y, z) array (single, uint8, int8, uint16, int16 or uint32; it is not copied), or the name of a file
%             (MRC, OME-Zarr).
%   labels    uint8 (x, y, z) of the slab: 0 background, 1 membrane, 2 molecule, 3 filament.
%   points    a row for each molecule: x, y, z in voxels of the whole tomogram, counted from 1; diameter in nm; score.
%   maps      struct of single arrays, 0 to 1: score (how much of a structure), and how likely a voxel is membrane,
    molecule,
%             filament, where the model says so.
%
%   options   struct; its members are the settings of the family "slab" (docs/settings.md), of which the most used are
%     slices      [first last], counted from 1 (default: all)
%     voxel_nm    edge of a voxel in nm; needed with an array
%     bright      true: structures are brighter than their surroundings
%     diameter_nm diameter of the molecules, where they are of one kind
%     n_points    so many molecules, the best ones
%     preset      'default', 'spectral', 'cvpr2026_paper', 'cvpr2026_code'; the papers' need cellpose_weights, or split
%                 'circularity'
%   Lists are rows or cells, {3} where there is one item; groups are structs, such as struct('clahe', true).
%   and beside these
%     model       file or folder of a model (default: the built-in one)
%     device      'cpu' (default), 'cuda', 'cuda:1'
%     threads     threads (default: as many as this process may use)
%     folder      writes volumes, points and picture there, as `tomocut slab` does; name: what their names begin with
%     progress    'print' (default; for calls of more than two seconds), 'waitbar', 'none'
%
%   Ctrl-C stops it. Errors have the identifiers tomocut:invalid_argument, tomocut:format, tomocut:io and so on.
%   The library is looked for beside the MEX file, in ../lib from there,
    and where the environment variable TOMOCUT_LIBRARY
%   says. Engine and model are kept for the next call until `clear tomocut_slab`.
%
%   See also TOMOCUT_NCUT, TOMOCUT_PREDICT.
