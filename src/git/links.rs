//! A symbolic link of a tree into the file or folder of the same tree that it names, or the reason why not.

use std::collections::VecDeque;

use git2::{ObjectType, Oid, Repository};

use crate::git::error::{Context, Error};

/// Links followed on the way to one file.
pub const HOPS_MAX: usize = 16;
/// Bytes of a link's text.
pub const TARGET_BYTES_MAX: usize = 4096;

/// The file mode bits git writes for a link and for a submodule.
pub const MODE_LINK: i32 = 0o120_000;
/// A submodule's mode.
pub const MODE_SUBMODULE: i32 = 0o160_000;

/// Where a link leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A regular file of the tree.
    File {
        /// Its blob.
        blob: Oid,
        /// Its mode.
        mode: i32,
    },
    /// A folder of the tree, by its path.
    Folder(Vec<u8>),
    /// Out of the tree: absolute, or above the root.
    Outside,
    /// Nothing is there.
    Dangling,
    /// More than [`HOPS_MAX`] links, which includes every loop.
    Loop,
}

/// Follows the link with text `blob` standing in `folder` (a path from the root, `""` for the root itself).
pub fn follow(repo: &Repository, root: Oid, folder: &[u8], blob: Oid) -> Result<Target, Error> {
    let mut ahead: VecDeque<Vec<u8>> = parts(folder).collect();
    // Folders entered so far, below the root; the link's own folder is entered like any other.
    let mut stack: Vec<(Vec<u8>, Oid)> = Vec::new();
    let mut hops = 0;
    match push_link(repo, blob, &mut ahead, true)? {
        true => {}
        false => return Ok(Target::Outside),
    }
    while let Some(part) = ahead.pop_front() {
        if part == b".." {
            if stack.pop().is_none() {
                return Ok(Target::Outside);
            }
            continue;
        }
        let here = stack.last().map_or(root, |(_, id)| *id);
        let tree = repo.find_tree(here).what(|| format!("reading tree {here}"))?;
        let Some(entry) = tree.get_name_bytes(&part) else { return Ok(Target::Dangling) };
        match (entry.kind(), entry.filemode()) {
            (Some(ObjectType::Tree), _) => stack.push((part, entry.id())),
            (Some(ObjectType::Blob), MODE_LINK) => {
                hops += 1;
                if hops >= HOPS_MAX {
                    return Ok(Target::Loop);
                }
                if !push_link(repo, entry.id(), &mut ahead, false)? {
                    return Ok(Target::Outside);
                }
            }
            (Some(ObjectType::Blob), mode) if ahead.is_empty() => return Ok(Target::File { blob: entry.id(), mode }),
            _ => return Ok(Target::Dangling),
        }
    }
    Ok(Target::Folder(stack.into_iter().map(|(name, _)| name).collect::<Vec<_>>().join(&b'/')))
}

/// Puts the parts of a link's text before (or, at the start, after) what is still to be walked; false when absolute.
fn push_link(repo: &Repository, blob: Oid, ahead: &mut VecDeque<Vec<u8>>, at_end: bool) -> Result<bool, Error> {
    let odb = repo.odb().what(|| "opening the object database".into())?;
    let (size, _) = odb.read_header(blob).what(|| format!("reading link {blob}"))?;
    if size > TARGET_BYTES_MAX {
        return Ok(false);
    }
    let object = odb.read(blob).what(|| format!("reading link {blob}"))?;
    let text = object.data();
    if text.is_empty() || text[0] == b'/' || text.contains(&0) {
        return Ok(false);
    }
    if at_end {
        ahead.extend(parts(text));
    } else {
        for part in parts(text).collect::<Vec<_>>().into_iter().rev() {
            ahead.push_front(part);
        }
    }
    Ok(true)
}

fn parts(path: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
    path.split(|b| *b == b'/').filter(|p| !p.is_empty() && *p != b".").map(<[u8]>::to_vec)
}
