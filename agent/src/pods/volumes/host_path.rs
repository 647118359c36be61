//! A path of the node and the type it must have → the path made or checked, in the kubelet's words.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use crate::pods::volumes::plan::Error;

/// Checks that the path is what the manifest says, and makes it where the type says so.
///
/// # Errors
/// It is something else, or can't be made.
pub fn check(path: &Path, kind: &str) -> Result<(), Error> {
    let shown = path.display();
    let made = |result: io::Result<()>| result.map_err(|error| Error(format!("can't make {shown}: {error}")));
    let meta = fs::metadata(path);
    let is = |test: fn(&fs::FileType) -> bool| meta.as_ref().is_ok_and(|meta| test(&meta.file_type()));
    let fail = |what: &str| Err(Error(format!("hostPath type check failed: {shown} is not {what}")));
    match kind {
        "" => Ok(()),
        "DirectoryOrCreate" if meta.is_err() => made(fs::create_dir_all(path)),
        "Directory" | "DirectoryOrCreate" => {
            if is(fs::FileType::is_dir) {
                Ok(())
            } else {
                fail("a directory")
            }
        }
        "FileOrCreate" if meta.is_err() => {
            made(fs::OpenOptions::new().write(true).create(true).truncate(false).mode(0o644).open(path).map(drop))
        }
        "File" | "FileOrCreate" => {
            if is(fs::FileType::is_file) {
                Ok(())
            } else {
                fail("a file")
            }
        }
        "Socket" => {
            if is(fs::FileType::is_socket) {
                Ok(())
            } else {
                fail("a socket file")
            }
        }
        "CharDevice" => {
            if is(fs::FileType::is_char_device) {
                Ok(())
            } else {
                fail("a character device")
            }
        }
        "BlockDevice" => {
            if is(fs::FileType::is_block_device) {
                Ok(())
            } else {
                fail("a block device")
            }
        }
        other => Err(Error(format!("hostPath type {other:?} is not known"))),
    }
}
