%TOMOCUT_NCUT  An image, or slices of a tomogram, in segments, by cuts of a diffusion model's self-attention.
%
%   labels = tomocut_ncut(image)
%   [labels, info] = tomocut_ncut(image, options)
%   [labels, info] = tomocut_ncut(tomogram, struct('slices', [first last], ...))
%
%   image     a (row, column) or (row, column, colour) array: uint8, int8, uint16, int16, uint32 or single; it is not
%             copied.
%   tomogram  an (x, y, z) array or the name of a file; a segment keeps its number from slice to slice.
%   labels    uint32, the segment of every pixel, numbered from 0, of the extents of the image or of the slices.
%   info      struct: segments (a row for each: pixels, first and last slice), tree (settings, report and cuts as
%             JSON), timestep, snr.
%
%   options   struct; its members are the settings of the family "ncut" (docs/settings.md), of which the most used are
%     segments    so many (default: the preset's rule; 8 with the built-in model)
%     preset      'walk_and_cut' (default), 'walk_and_cut_clean', 'random_walk', 'power_walk_mincut', 'diffseg',
%                 'diffcut', 'tokencut', 'maskcut', 'emerdiff', 'emerdiff_kmeans'
%     threshold, criterion, walk_power, pamr, working_tokens
%   and slices ([first last], counted from 1), voxel_nm, model, device, threads, progress, as tomocut_slab has them.
%
%   See also TOMOCUT_SLAB, TOMOCUT_PREDICT.
