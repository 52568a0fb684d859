//! Benchmarks of segmentation and the classes of their label files.
use crate::{Error, Result};

/// A benchmark, with the classes that papers on segmentation without labels report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LabelSet {
    /// COCO-Stuff in 27 classes (Ji et al., ICCV 2019; 12 of things, 15 of stuff). Files: `stuffthingmaps` of
    /// COCO-Stuff 164k, grey levels 0..=181 for the categories 1 to 182, 255 unlabelled.
    CocoStuff27,
    /// Cityscapes in 27 classes (Cho et al., CVPR 2021): its label ids 7 to 33. Files: `*_gtFine_labelIds.png`.
    Cityscapes27,
    /// ADE20K in 150 classes. Files: annotations of SceneParse150, grey levels 1..=150, 0 for all else.
    Ade20k150,
}

/// The coarse class of every fine label of COCO-Stuff, after the super-categories of its label hierarchy
/// (github.com/nightrome/cocostuff), things before stuff, each in alphabetical order.
#[rustfmt::skip]
const COCO_STUFF: [u8; 182] = [
    9, 11, 11, 11, 11, 11, 11, 11, 11, 8, 8, 8, 8, 8, 8, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 6,
    6, 6, 6, 6, 6, 6, 6, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 5, 5, 5, 5, 5, 5, 5, 5, 2,
    2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 0, 0, 0, 0, 0, 0, 1,
    1, 1, 1, 1, 1, 4, 4, 4, 4, 4, 4, 4, 4, 17, 17, 22, 20, 20, 22, 15, 25, 16, 13, 12, 12, 17,
    17, 23, 15, 15, 17, 15, 21, 15, 25, 13, 13, 13, 13, 13, 22, 26, 14, 14, 15, 22, 21, 21, 24, 20, 22, 15,
    17, 16, 15, 22, 24, 21, 17, 25, 16, 21, 17, 22, 16, 21, 21, 25, 21, 26, 21, 24, 20, 17, 14, 21, 26, 15,
    23, 20, 21, 24, 15, 24, 22, 25, 15, 20, 17, 17, 22, 14, 18, 18, 18, 18, 18, 18, 18, 26, 26, 19, 19, 24,
];

const COCO_STUFF_NAMES: [&str; 27] = [
    "electronic",
    "appliance",
    "food",
    "furniture",
    "indoor",
    "kitchen",
    "accessory",
    "animal",
    "outdoor",
    "person",
    "sports",
    "vehicle",
    "ceiling",
    "floor",
    "food (stuff)",
    "furniture (stuff)",
    "raw material",
    "textile",
    "wall",
    "window",
    "building",
    "ground",
    "plant",
    "sky",
    "solid",
    "structural",
    "water",
];

const CITYSCAPES_NAMES: [&str; 27] = [
    "road",
    "sidewalk",
    "parking",
    "rail track",
    "building",
    "wall",
    "fence",
    "guard rail",
    "bridge",
    "tunnel",
    "pole",
    "polegroup",
    "traffic light",
    "traffic sign",
    "vegetation",
    "terrain",
    "sky",
    "person",
    "rider",
    "car",
    "truck",
    "bus",
    "caravan",
    "trailer",
    "train",
    "motorcycle",
    "bicycle",
];

/// The first label of Cityscapes that is a class: those below are void.
const CITYSCAPES_FIRST: u32 = 7;

impl LabelSet {
    /// Every benchmark by its name.
    pub const ALL: [(&'static str, Self); 3] = [
        ("coco-stuff-27", Self::CocoStuff27),
        ("cityscapes-27", Self::Cityscapes27),
        ("ade20k-150", Self::Ade20k150),
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        let own = Self::ALL.iter().find(|(_, set)| *set == self);
        own.map_or("", |(name, _)| name)
    }

    /// The class of a label in the benchmark's own files, counted from 0; None where the label does not count.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a label that these files never have: they are of another kind.
    pub fn class_of(self, label: u32) -> Result<Option<u32>> {
        match (self, label) {
            (Self::CocoStuff27, 255) => Ok(None),
            (Self::CocoStuff27, 0..=181) => Ok(Some(COCO_STUFF[label as usize].into())),
            (Self::CocoStuff27, _) => Err(self.refuse(label, "0..=181, or 255 for unlabelled")),
            // 255 is the byte of -1, the licence plate.
            (Self::Cityscapes27, 0..=6 | 255) => Ok(None),
            (Self::Cityscapes27, 7..=33) => Ok(Some(label - CITYSCAPES_FIRST)),
            (Self::Cityscapes27, _) => Err(self.refuse(label, "0..=33 or 255, as *_labelIds files have")),
            (Self::Ade20k150, 0) => Ok(None),
            (Self::Ade20k150, 1..=150) => Ok(Some(label - 1)),
            (Self::Ade20k150, _) => Err(self.refuse(label, "0..=150, as the annotations of SceneParse150 have")),
        }
    }

    /// What a class is; None in ADE20K, whose classes have long lists of names.
    pub fn class_name(self, class: u32) -> Option<&'static str> {
        let names: &[&str] = match self {
            Self::CocoStuff27 => &COCO_STUFF_NAMES,
            Self::Cityscapes27 => &CITYSCAPES_NAMES,
            Self::Ade20k150 => &[],
        };
        names.get(class as usize).copied()
    }

    fn refuse(self, label: u32, allowed: &str) -> Error {
        Error::argument(
            &format!("label of {}", self.name()),
            label,
            &format!("must be {allowed}"),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coco_stuff_has_its_super_categories() {
        // Numbers of fine categories of each super-category in COCO and in COCO-Stuff's hierarchy.
        let things = [6, 6, 10, 10, 8, 8, 8, 10, 6, 1, 10, 8];
        let mut counts = [0; 27];
        COCO_STUFF.iter().for_each(|class| counts[usize::from(*class)] += 1);
        assert_eq!(counts[..12], things);
        assert_eq!(counts.iter().sum::<usize>(), 182);
        assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
        // Fine labels whose place in the list everyone knows.
        let named = [
            (0, "person"),
            (2, "vehicle"),
            (16, "animal"),
            (61, "furniture"),
            (105, "sky"),
            (156, "sky"),
            (123, "plant"),
            (154, "water"),
            (148, "ground"),
            (170, "wall"),
            (179, "window"),
        ];
        for (label, name) in named {
            let class = LabelSet::CocoStuff27.class_of(label).unwrap().unwrap();
            assert_eq!(LabelSet::CocoStuff27.class_name(class), Some(name), "{label}");
        }
        assert_eq!(LabelSet::CocoStuff27.class_of(255).unwrap(), None);
        assert!(LabelSet::CocoStuff27.class_of(182).is_err());
    }

    #[test]
    fn cityscapes_and_ade20k_count_from_their_first_class() {
        let cityscapes = LabelSet::Cityscapes27;
        for (label, name) in [(7, "road"), (11, "building"), (23, "sky"), (26, "car"), (33, "bicycle")] {
            let class = cityscapes.class_of(label).unwrap().unwrap();
            assert_eq!(cityscapes.class_name(class), Some(name));
        }
        for void in [0, 4, 6, 255] {
            assert_eq!(cityscapes.class_of(void).unwrap(), None);
        }
        assert!(cityscapes.class_of(34).is_err());
        let ade20k = LabelSet::Ade20k150;
        assert_eq!(
            (ade20k.class_of(0).unwrap(), ade20k.class_of(150).unwrap()),
            (None, Some(149))
        );
        let text = ade20k.class_of(151).unwrap_err().to_string();
        assert!(text.contains("151") && text.contains("SceneParse150"), "{text}");
    }
}
