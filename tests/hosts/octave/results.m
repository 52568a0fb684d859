% The program's results, to the byte, out of files and out of arrays.
voxels = mrc_voxels('phantom.mrc');
truth = mrc_voxels('c/phantom_labels.mrc');
points = zeros(0, 3);
if nnz(fileread('c/phantom_points.csv') == "\n") > 1
    points = dlmread('c/phantom_points.csv', ',', 1, 0);
end
given = struct('slices', [16 21], 'n_points', 5, 'voxel_nm', 1, 'progress', 'none');
[labels, found, maps] = tomocut_slab(voxels, given);
assert(class(labels), 'uint8');
assert(isequal(labels, uint8(truth)));
assert(size(found), [size(points, 1) 5]);
assert(all(all(abs(found(:, 1:3) - 1 - points(:, 1:3)) < 0.01)));
assert(isequal(sort(fieldnames(maps)), sort({'score'; 'membrane'; 'molecule'; 'filament'})));
assert(isequal(size(maps.score), size(truth)) && isa(maps.score, 'single'));
assert(all(maps.membrane(:) >= 0 & maps.membrane(:) <= 1));
[again, same] = tomocut_slab('phantom.mrc', struct('slices', [16 21], 'n_points', 5, 'progress', 'none'));
assert(isequal(again, labels) && isequal(same, found));
for ending = {'_labels.mrc', '_points.star', '_overlay.png'}
    c = fileread(['c/phantom' ending{1}]);
    assert(isequal(c(225:end), fileread(['octave/phantom' ending{1}])(225:end)), ending{1});
end

% An image of colours, (row, column, colour).
picture = imread('phantom_preview.png');
program = [fileparts(getenv('TOMOCUT_LIBRARY')) '/../bin/'];
assert(system(['"' program 'tomocut" ncut phantom_preview.png --tokens 16 --segments 4 --out c --quiet']), 0);
[segments, info] = tomocut_ncut(picture, struct('working_tokens', 16, 'segments', 4, 'progress', 'none'));
assert(isequal(size(segments), size(picture)(1:2)) && isa(segments, 'uint32'));
assert(isequal(segments, uint32(imread('c/phantom_preview_labels.png'))));
assert(accumarray(double(segments(:)) + 1, 1), info.segments(:, 1));
assert(isfield(info, 'tree') && info.tree(1) == '{');

% A whole tomogram by the network.
part = voxels(1:96, 1:64, 1:24);
[labels, found, maps] = tomocut_predict(part, struct('voxel_nm', 1, 'folder', 'octave', 'progress', 'none'));
assert(isequal(size(labels), size(part)) && isequal(size(maps.membrane), size(part)));
assert(isequal(labels, uint8(mrc_voxels('octave/tomogram_labels.mrc'))));
assert(max(labels(:)) > 0 && columns(found) == 5);
temporary = tomocut_predict(part, struct('voxel_nm', 1, 'progress', 'none'));
assert(isequal(temporary, labels));
printf('  ok: results are those of the program (%d of %d voxels are structure, %d molecules)\n', ...
       nnz(truth), numel(truth), rows(points));
