%TOMOCUT_PREDICT  A whole tomogram segmented by a network.
%
%   labels = tomocut_predict(tomogram)
%   [labels, points, maps] = tomocut_predict(tomogram, options)
%   tomocut_predict(tomogram, struct('folder', 'results'))
%
%   tomogram  an (x, y, z) array (single, uint8, int8, uint16, int16 or uint32; it is not copied), or a file's name.
%   labels    uint8 (x, y, z): 0 background, else 1 + the number of the likeliest output.
%   points    a row for each molecule: x, y, z in voxels, counted from 1; diameter in nm; score.
%   maps      struct with the probabilities of each output, single arrays.
%
%   options   struct:
%     model          the network's file (default: the built-in one, of membrane, molecule and molecule's centre)
%     folder         keeps the files there, and continues what an interrupted call had done; without it they are made
%                    in a folder of the system's for temporary files and removed
%     voxel_nm       edge of a voxel in nm; needed with an array
%     memory         bytes that slices and tiles may take (default: 2^30)
%     picking        struct of settings of points: struct('threshold', 0.4, 'method', 'peaks')
%     and any other setting of the family "predict" by its name in docs/settings.md: threshold, mirrors, bright, ...
%   and device, threads, progress, as tomocut_slab has them.
%
%   See also TOMOCUT_SLAB, TOMOCUT_NCUT.
