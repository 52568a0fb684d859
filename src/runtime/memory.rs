//! Whether a large buffer fits, asked before it is allocated: Linux grants more than there is and kills the process
//! later.
use super::{Error, Result};

/// Bytes that this process can still take without swapping, or None where the system does not tell: what the kernel
/// calls available, or what the control group leaves, whichever is less.
pub fn available() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    let system = kib.saturating_mul(1024);
    Some(group_remainder().map_or(system, |group| system.min(group)))
}

/// Most bytes of memory that this process has had so far, shared libraries included, or None where the system does not
/// tell.
pub fn peak() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib.saturating_mul(1024))
}

/// What the process's control group (version 2, at the root of its own view) leaves, where it sets a limit.
fn group_remainder() -> Option<u64> {
    let number = |name: &str| -> Option<u64> {
        let text = std::fs::read_to_string(format!("/sys/fs/cgroup/memory.{name}")).ok()?;
        text.trim().parse().ok()
    };
    Some(number("max")?.saturating_sub(number("current")?))
}

/// Fails with [`Error::OutOfMemory`] unless `bytes` for `purpose` are available; `bytes` of None means that the number
/// itself overflows.
pub fn ensure(bytes: Option<u64>, purpose: &str) -> Result<()> {
    let Some(bytes) = bytes else {
        return Err(Error::OutOfMemory(format!(
            "{purpose}: more bytes than can be addressed"
        )));
    };
    match available() {
        Some(available) if bytes > available => Err(Error::OutOfMemory(format!(
            "{purpose} takes {:.1} GiB, {:.1} GiB are available",
            gib(bytes),
            gib(available)
        ))),
        _ => Ok(()),
    }
}

fn gib(bytes: u64) -> f64 {
    bytes as f64 / (1_u64 << 30) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_cannot_fit_and_says_why() {
        ensure(Some(1024), "a page").unwrap();
        let text = ensure(Some(1 << 60), "a vast matrix").unwrap_err().to_string();
        assert!(text.contains("a vast matrix takes 1073741824.0 GiB"), "{text}");
        assert!(peak().is_some_and(|bytes| bytes > 1 << 20));
        assert!(matches!(ensure(None, "more"), Err(Error::OutOfMemory(_))));
    }
}
