//! Removes a directory that others may still be writing into.

use std::fs;
use std::io;
use std::path::Path;

/// How often a directory that somebody writes into is tried to be removed.
const REMOVE_TRIES: usize = 40;

/// Removes a directory that may be gone already.
pub fn remove_directory(directory: &Path) -> io::Result<()> {
    for _ in 0..REMOVE_TRIES {
        match fs::remove_dir_all(directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            // Somebody was just writing into it.
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            removed => return removed,
        }
    }
    fs::remove_dir_all(directory)
}
