% Memory: nothing is copied, a thousand calls keep nothing, clear and reload.
1;  % a script, though functions come first

function kilobytes = status(name)
    text = fileread('/proc/self/status');
    kilobytes = str2double(regexp(text, [name ':\s+(\d+)'], 'tokens'){1}{1});
end

% 256 MiB of voxels, of which one slice and its neighbours are cut.
few = struct('slices', [30 30], 'voxel_nm', 1, 'working_tokens', 8, 'segments', 2, 'progress', 'none');
tomocut_ncut(single(rand(64, 64, 40)), few);
voxels = repmat(single(rand(1024, 1024)), [1 1 64]);
before = status('VmRSS');
file = fopen('/proc/self/clear_refs', 'w');
fputs(file, '5');
fclose(file);
labels = tomocut_ncut(voxels, few);
grown = (status('VmHWM') - before) / 1024;
assert(isequal(size(labels), [1024 1024]));
assert(grown < 128, sprintf('%.0f MiB more for a slice of 256 MiB', grown));
printf('  ok: a slice of 256 MiB takes %.0f MiB more\n', grown);
clear voxels labels

picture = uint8(255 * rand(32, 32));
tiny = struct('working_tokens', 8, 'segments', 2, 'progress', 'none');
first = tomocut_ncut(picture, tiny);
for i = 1:100
    tomocut_ncut(picture, tiny);
end
before = status('VmRSS');
start = tic;
for i = 1:1000
    labels = tomocut_ncut(picture, tiny);
end
took = toc(start);
grown = status('VmRSS') - before;
assert(isequal(labels, first));
assert(grown < 4096, sprintf('1000 calls keep %d KiB', grown));
printf('  ok: 1000 calls of a tiny ncut keep %d KiB (%.1f ms each)\n', grown, took);

before = status('VmRSS');
for i = 1:20
    clear tomocut_ncut
    assert(isequal(tomocut_ncut(picture, tiny), first));
end
grown = status('VmRSS') - before;
assert(grown < 16384, sprintf('20 reloads keep %d KiB', grown));
printf('  ok: 20 times clear and reload keep %d KiB\n', grown);
