//! What the fuzz targets share: a file of the fuzzer's bytes, the fields of the C options, and an allocator with a
//! limit.
use std::alloc::{GlobalAlloc, Layout, System};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Calls `read` with a file of `bytes` in memory whose name ends in `ending`.
pub fn in_file(bytes: &[u8], ending: &str, read: impl FnOnce(&Path)) {
    let path = folder().join(format!("input{ending}"));
    if std::fs::write(&path, bytes).is_ok() {
        read(&path);
    }
}

/// This process's own folder, in memory where there is such a one.
pub fn folder() -> &'static PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let memory = Path::new("/dev/shm");
        let parent = if memory.is_dir() {
            memory.to_path_buf()
        } else {
            std::env::temp_dir()
        };
        let folder = parent.join(format!("tomocut-fuzz-{}", std::process::id()));
        let _ = std::fs::create_dir_all(&folder);
        folder
    })
}

/// What lies at an offset of an options struct.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// A number, a flag, or an array of them.
    Scalar,
    /// A string.
    Text,
    /// The token by which a call is cancelled.
    Cancel,
    /// Another pointer: left as it is.
    Pointer,
}

/// Members of the C struct `name` but for its `struct_size`: offset, bytes, kind; from the recorded layout and the
/// header.
pub fn fields(name: &str) -> Vec<(usize, usize, Field)> {
    let header = include_str!("../../../include/tomocut.h");
    let layout = include_str!("../../../abi/layout.txt");
    let body = header
        .split_once(&format!("typedef struct {name} {{"))
        .map_or("", |(_, rest)| rest);
    let body = body.split_once(&format!("}} {name};")).map_or("", |(body, _)| body);
    let prefix = format!("offsetof {name}.");
    let members = layout.lines().filter_map(|line| {
        let words: Vec<&str> = line.strip_prefix(&prefix)?.split_whitespace().collect();
        let (member, offset, size) = (
            *words.first()?,
            words.get(1)?.parse().ok()?,
            words.get(3)?.parse().ok()?,
        );
        let ends = [format!(" {member};"), format!("*{member};"), format!(" {member}[")];
        let line = body
            .lines()
            .map(str::trim)
            .find(|line| ends.iter().any(|end| line.contains(end.as_str())))?;
        let kind = match member {
            "struct_size" => return None,
            "cancel" => Field::Cancel,
            _ if line.starts_with("const char *") && !line.contains("const *") => Field::Text,
            _ if line.contains('*') || line.contains("_fn ") || member == "user_data" => Field::Pointer,
            _ => Field::Scalar,
        };
        Some((offset, size, kind))
    });
    members.collect()
}

/// The system's allocator, but for requests above [`MOST_BYTES`]: an input of the fuzzer's size never justifies them.
pub struct Limited;

/// Largest single request, in bytes.
pub const MOST_BYTES: usize = 256 << 20;

// SAFETY: all calls are passed on.
unsafe impl GlobalAlloc for Limited {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.size() > MOST_BYTES {
            std::process::abort();
        }
        // SAFETY: the caller's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if layout.size() > MOST_BYTES {
            std::process::abort();
        }
        // SAFETY: the caller's.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if size > MOST_BYTES {
            std::process::abort();
        }
        // SAFETY: the caller's.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Limited = Limited;
