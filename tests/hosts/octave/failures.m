% Every failure has its identifier, and leaves the function as it was.
1;  % a script, though functions come first

function refused(identifier, words, varargin)
    try
        tomocut_slab(varargin{:});
    catch failure
        assert(failure.identifier, identifier);
        assert(! isempty(strfind(failure.message, words)), failure.message);
        return;
    end
    error('%s was not refused', identifier);
end

voxels = single(rand(64, 64, 12));
wrong = 'tomocut:invalid_argument';
refused(wrong, 'the call is', voxels, struct(), 3);
refused(wrong, 'is double', double(voxels));
refused(wrong, 'complex', complex(voxels, 1));
refused(wrong, 'settings.slicse is [1,2], but there is no such setting: there are', voxels, struct('slicse', [1 2]));
refused(wrong, 'one struct', voxels, 5);
refused(wrong, 'settings.preset is 3, must be', voxels, struct('preset', 3));
refused(wrong, 'preset', voxels, struct('preset', 'nosuch', 'slices', [1 2], 'voxel_nm', 1));
refused(wrong, 'settings.seed is 1.5, must be a whole number', voxels, struct('seed', 1.5));
refused(wrong, 'settings.seed is -1, must be a whole number, 0 or more', voxels, struct('seed', -1));
refused(wrong, 'counted from 1', voxels, struct('slices', [0 2]));
refused(wrong, 'progress', voxels, struct('progress', 'loud'));
refused(wrong, '4 dimensions', single(rand(4, 4, 4, 4)));
refused('tomocut:io', '/nowhere.mrc', '/nowhere.mrc', struct());
file = fopen('text.mrc', 'w');
fputs(file, 'no tomogram');
fclose(file);
refused('tomocut:format', 'text.mrc', 'text.mrc', struct());
refused('tomocut:io', 'nosuch', voxels, struct('model', '/nosuch', 'slices', [1 2], 'voxel_nm', 1));
labels = tomocut_slab(voxels, struct('slices', [5 5], 'voxel_nm', 1, 'preset', [], 'progress', 'waitbar'));
assert(size(labels), [64 64]);
printf('\n  ok: failures have their identifiers\n');
