% How long the first call of a process takes, files written, as the C program writes them.
start = tic;
given = struct('slices', [16 21], 'n_points', 5, 'folder', 'octave', 'name', 'phantom', 'progress', 'none');
tomocut_slab('phantom.mrc', given);
printf('seconds %.2f\n', toc(start));
