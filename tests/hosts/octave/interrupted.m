% A call that is stopped by Ctrl-C some seconds after it began; library and model are loaded before.
tomocut_slab('phantom.mrc', struct('slices', [12 12], 'progress', 'none'));
fclose(fopen('begun', 'w'));
tomocut_slab('phantom.mrc', struct('progress', 'none'));
fclose(fopen('finished', 'w'));
