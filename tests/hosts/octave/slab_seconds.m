% How long the first call of a process takes, files written, as the C program writes them.
start = tic;
tomocut_slab('phantom.mrc', struct('slices', [16 21], 'folder', 'octave', 'name', 'phantom', 'progress', 'none'));
printf('seconds %.2f\n', toc(start));
