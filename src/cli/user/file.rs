//! Password files on disk: read whole, replaced at once.
//!
//! RFC 7616 section 5.2: such a file is protected as if it held clear passwords.
//!
//! # Deviations
//!
//! none

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::UserError;

/// The text of a password file, whatever its mode: a command is how a wrong mode is mended.
///
/// # Errors
///
/// [`UserError::File`].
pub(super) fn read(path: &Path) -> Result<String, UserError> {
    fs::read_to_string(path).map_err(|cause| UserError::File { path: path.to_owned(), verb: "read", cause })
}

/// Replaces a password file, or creates it with private mode.
///
/// The new text is written beside it and renamed over it, so that a reader sees the old file or the
/// new one; mode and owner stay.
///
/// # Errors
///
/// [`UserError::File`].
pub(super) fn write(path: &Path, text: &str) -> Result<(), UserError> {
    replace(path, text).map_err(|cause| UserError::File { path: path.to_owned(), verb: "write", cause })
}

fn replace(path: &Path, text: &str) -> io::Result<()> {
    // The file itself is replaced, not a link to it.
    let path = match fs::canonicalize(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => path.to_owned(),
        found => found?,
    };
    let beside = name_beside(&path)?;
    let written = write_new(&beside, &path, text).and_then(|()| fs::rename(&beside, &path));
    if written.is_err() {
        // The first error is the one to report.
        let _ = fs::remove_file(&beside);
    }
    written
}

fn write_new(beside: &Path, path: &Path, text: &str) -> io::Result<()> {
    let mut file = create_private(beside)?;
    file.write_all(text.as_bytes())?;
    if let Ok(old) = fs::metadata(path) {
        keep_owner(&file, &old)?;
        file.set_permissions(old.permissions())?;
    }
    file.sync_all()
}

fn name_beside(path: &Path) -> io::Result<PathBuf> {
    let Some(name) = path.file_name() else { return Err(io::Error::from(io::ErrorKind::InvalidInput)) };
    let mut beside = OsString::from(".");
    beside.push(name);
    beside.push(format!(".{:016x}", getrandom::u64().map_err(io::Error::other)?));
    Ok(path.with_file_name(beside))
}

#[cfg(unix)]
fn create_private(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

#[cfg(not(unix))]
fn create_private(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}

/// A file that root rewrites must stay readable for the gateway's own user.
#[cfg(unix)]
fn keep_owner(new: &File, old: &fs::Metadata) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt as _, fchown};
    let made = new.metadata()?;
    if (made.uid(), made.gid()) == (old.uid(), old.gid()) {
        return Ok(());
    }
    fchown(new, Some(old.uid()), Some(old.gid()))
}

#[cfg(not(unix))]
fn keep_owner(_new: &File, _old: &fs::Metadata) -> io::Result<()> {
    Ok(())
}
