//! A folder → the bytes that it takes on its disk.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Entries that one look counts; what is beyond them is left out, so that the result is a lower bound.
const ENTRIES_MAX: usize = 2_000_000;
/// Bytes of a block in `stat`, whatever the file system's blocks are.
const BLOCK_BYTES: u64 = 512;

/// Bytes that a folder and all below it take; files with several names count once. Links are not followed, other file
/// systems not entered, and what vanishes or can't be read meanwhile counts nothing.
pub fn used_bytes(dir: &Path) -> u64 {
    let Ok(root) = fs::symlink_metadata(dir) else { return 0 };
    let (mut bytes, mut entries) = (root.blocks() * BLOCK_BYTES, 0);
    let mut linked = HashSet::new();
    let mut open = vec![dir.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).into_iter().flatten().flatten() {
            entries += 1;
            if entries > ENTRIES_MAX {
                return bytes;
            }
            let Ok(meta) = entry.metadata() else { continue };
            if meta.dev() != root.dev() || !meta.is_dir() && meta.nlink() > 1 && !linked.insert(meta.ino()) {
                continue;
            }
            bytes += meta.blocks() * BLOCK_BYTES;
            if meta.is_dir() {
                open.push(entry.path());
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_count_once_and_links_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let other = tempfile::tempdir().unwrap();
        fs::write(other.path().join("big"), vec![1; 4 << 20]).unwrap();
        let empty = used_bytes(dir.path());
        fs::create_dir(dir.path().join("sub")).unwrap();
        fs::write(dir.path().join("sub/a"), vec![1; 1 << 20]).unwrap();
        fs::hard_link(dir.path().join("sub/a"), dir.path().join("b")).unwrap();
        std::os::unix::fs::symlink(other.path(), dir.path().join("link")).unwrap();
        let grown = used_bytes(dir.path()) - empty;
        assert!((1 << 20..(1 << 20) + (64 << 10)).contains(&grown), "{grown}");
        assert_eq!(used_bytes(&dir.path().join("none")), 0);
    }
}
