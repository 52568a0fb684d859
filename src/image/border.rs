//! Border rules: the pixel that a filter reads beyond the edge of an image. Indices may lie any distance outside.

/// `d c b a | a b c d | d c b a` (scipy "reflect"): the edge pixel is repeated. `length` > 0.
pub fn reflect(index: isize, length: usize) -> usize {
    let length = length as isize;
    let i = index.rem_euclid(2 * length);
    (if i < length { i } else { 2 * length - 1 - i }) as usize
}

/// `d c b | a b c d | c b a` (OpenCV "reflect 101"): the edge pixel is not repeated. `length` > 0.
pub(super) fn reflect_101(index: isize, length: usize) -> usize {
    if length == 1 {
        return 0;
    }
    let length = length as isize;
    let i = index.rem_euclid(2 * length - 2);
    (if i < length { i } else { 2 * length - 2 - i }) as usize
}

/// `a a a | a b c d | d d d` (OpenCV "replicate"). `length` > 0.
pub(super) fn replicate(index: isize, length: usize) -> usize {
    index.clamp(0, length as isize - 1) as usize
}
