% A call that is stopped by Ctrl-C some seconds after it began.
fclose(fopen('begun', 'w'));
tomocut_slab('phantom.mrc', struct('progress', 'none'));
fclose(fopen('finished', 'w'));
