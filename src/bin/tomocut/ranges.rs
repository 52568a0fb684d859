//! Ranges, sizes and numbers as the command line writes them.
use std::ops::Range;

/// "A:B", A below B.
pub fn slices(text: &str) -> Result<Range<usize>, String> {
    let parse = || {
        let (first, end) = text.split_once(':')?;
        let range = whole(first)?..whole(end)?;
        (range.start < range.end).then_some(range)
    };
    parse().ok_or_else(|| "must be A:B with A below B, such as 40:60".to_owned())
}

/// The slices of a slab.
#[derive(Clone, Debug, PartialEq)]
pub enum Slab {
    /// Those that hold most structure.
    Auto,
    /// These.
    Slices(Range<usize>),
}

/// "A:B" or "auto".
pub fn slab(text: &str) -> Result<Slab, String> {
    match text {
        "auto" => Ok(Slab::Auto),
        text => slices(text)
            .map(Slab::Slices)
            .map_err(|_| "must be A:B with A below B, such as 40:60, or auto".to_owned()),
    }
}

/// A finite number.
pub fn number(text: &str) -> Result<f64, String> {
    let value = text.parse().ok().filter(|value: &f64| value.is_finite());
    value.ok_or_else(|| "must be a number".to_owned())
}

/// "1.5G" in bytes.
pub fn bytes(text: &str) -> Result<u64, String> {
    let parse = || {
        let power = "KMGT".find(text.chars().last()?).map_or(0, |place| place + 1);
        let digits = &text[..text.len() - usize::from(power > 0)];
        let value = digits.parse::<f64>().ok()? * 1024_f64.powi(power as i32);
        (value >= 1.0 && value.is_finite()).then_some(value.min(9e18) as u64)
    };
    parse().ok_or_else(|| "must be a size such as 1.5G or 800M".to_owned())
}

/// A box of a tomogram in z, y, x; an end that is not given is the axis's.
#[derive(Clone, Debug, PartialEq)]
pub struct Region(pub [(usize, Option<usize>); 3]);

/// "40:60,:,100:400".
pub fn region(text: &str) -> Result<Region, String> {
    let axis = |part: &str| {
        let (first, end) = part.split_once(':')?;
        let first = if first.is_empty() { 0 } else { whole(first)? };
        let end = if end.is_empty() { None } else { Some(whole(end)?) };
        end.is_none_or(|end| first < end).then_some((first, end))
    };
    let axes: Option<Vec<_>> = text.split(',').map(axis).collect();
    let axes: Option<[_; 3]> = axes.and_then(|axes| axes.try_into().ok());
    axes.map(Region)
        .ok_or_else(|| "must be three ranges Z,Y,X such as 40:60,0:512,100:400".to_owned())
}

/// "XxYxZ" as z, y, x.
pub fn size(text: &str) -> Result<[usize; 3], String> {
    let [x, y, z] = triple(text).ok_or_else(|| "must be XxYxZ, such as 256x256x64".to_owned())?;
    Ok([z, y, x])
}

fn triple(text: &str) -> Option<[usize; 3]> {
    let numbers: Option<Vec<usize>> = text.split('x').map(whole).collect();
    numbers?.try_into().ok()
}

/// Digits only: no sign.
fn whole(text: &str) -> Option<usize> {
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_they_are_printed() {
        assert_eq!(slices("3:9"), Ok(3..9));
        for wrong in ["9:9", "3:x", "", "3", "+3:9", "-1:3"] {
            assert!(slices(wrong).is_err(), "{wrong}");
        }
        assert_eq!(slab("auto"), Ok(Slab::Auto));
        assert_eq!(region(":,4:,2:9"), Ok(Region([(0, None), (4, None), (2, Some(9))])));
        assert!(region(":,:").is_err() && region(":,:,:,:").is_err() && region(":,:,4:4").is_err());
        assert_eq!(size("1x2x3"), Ok([3, 2, 1]));
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!(bytes("2K"), Ok(2048));
        assert_eq!(bytes("1.5G"), Ok(3 << 29));
        assert_eq!(bytes("17"), Ok(17));
        for wrong in ["much", "", "G", "0", "-1G", "1Q", "inf"] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
        assert!(number("nan").is_err() && number("wide").is_err());
    }
}
