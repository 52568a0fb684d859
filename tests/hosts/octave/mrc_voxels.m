function voxels = mrc_voxels(path)
%MRC_VOXELS  An MRC file of mode 0 (int8) or 2 (float32), this machine's byte order, without tomocut: (x, y, z).
    file = fopen(path, 'r', 'l');
    header = fread(file, 256, 'int32');
    extra = header(24);
    fseek(file, 1024 + extra, 'bof');
    kinds = {'int8=>int8', '', 'single=>single'};
    voxels = reshape(fread(file, prod(header(1:3)), kinds{header(4) + 1}), header(1:3)');
    fclose(file);
end
