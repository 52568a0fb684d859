use crate::failure::Result;
use crate::layout::Layout;
use std::ffi::OsString;
pub fn command(_: &Layout, _: Vec<OsString>) -> Result<()> {
    Ok(())
}
