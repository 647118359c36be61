//! Loose object files into the word whether they are whole, before libgit2 meets one that is not.
//!
//! libgit2 1.9 never ends on a loose object whose compressed data stops early (`git_zstream_get_output` waits for input
//! that can't come). A power cut, a full disk or a copy under way leaves such files, and a spinning thread can't be
//! stopped: so they are found first.

use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::Path;

use flate2::bufread::ZlibDecoder;

use crate::git::error::{Context, Error};

/// Files looked at by one [`sweep`]; git packs long before.
pub const FILES_MAX: usize = 100_000;

/// Whether the loose file of an object is whole, or the object is not loose. `hex` is the object's id.
pub fn is_whole(objects: &Path, hex: &str) -> bool {
    match (hex.get(..2), hex.get(2..)) {
        (Some(folder), Some(name)) => is_whole_file(&objects.join(folder).join(name)),
        _ => true,
    }
}

fn is_whole_file(path: &Path) -> bool {
    let Ok(file) = File::open(path) else { return true };
    let mut stream = ZlibDecoder::new(BufReader::with_capacity(16 * 1024, file));
    let (mut buffer, mut bytes) = ([0; 16 * 1024], 0u64);
    let mut head = Vec::new();
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => {
                if head.len() < 64 {
                    head.extend_from_slice(&buffer[..n.min(64)]);
                }
                bytes += n as u64;
            }
            Err(_) => return false,
        }
    }
    // `blob 123\0…`: the length must be that of what follows.
    let Some(end) = head.iter().position(|b| *b == 0) else { return false };
    let length = std::str::from_utf8(&head[..end]).ok().and_then(|h| h.split_once(' ')?.1.parse::<u64>().ok());
    length == bytes.checked_sub(end as u64 + 1)
}

/// Moves loose files that are not whole aside, to `<name>.broken`, so that their objects read as missing. The number of
/// files moved.
pub fn sweep(objects: &Path) -> Result<usize, Error> {
    let (mut seen, mut moved) = (0, 0);
    for folder in fs::read_dir(objects).what(|| format!("listing {}", objects.display()))?.flatten() {
        let name = folder.file_name();
        if name.len() != 2 || !name.as_encoded_bytes().iter().all(u8::is_ascii_hexdigit) {
            continue;
        }
        for file in fs::read_dir(folder.path()).into_iter().flatten().flatten() {
            if file.file_name().len() != 38 {
                continue;
            }
            seen += 1;
            if seen > FILES_MAX {
                let what = format!("the number of loose objects in {}", objects.display());
                return Err(Error::Limit { what, limit: FILES_MAX as u64, name: "FILES_MAX" });
            }
            let path = file.path();
            if !is_whole_file(&path) {
                tracing::warn!(file = %path.display(), "a loose object is cut short or damaged, moving it aside");
                fs::rename(&path, path.with_extension("broken")).what(|| format!("moving {} aside", path.display()))?;
                moved += 1;
            }
        }
    }
    Ok(moved)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::ZlibEncoder;
    use std::io::Write as _;

    #[test]
    fn damage_is_seen() {
        let dir = tempfile::tempdir().expect("dir");
        let pack = |bytes: &[u8]| {
            let mut to = ZlibEncoder::new(Vec::new(), Compression::fast());
            to.write_all(bytes).and_then(|()| to.finish()).expect("memory")
        };
        let whole = pack(&[b"blob 5000\0".to_vec(), vec![b'x'; 5000]].concat());
        let check = |bytes: &[u8], expect: bool| {
            let folder = dir.path().join("ab");
            fs::create_dir_all(&folder).expect("dir");
            fs::write(folder.join("c".repeat(38)), bytes).expect("write");
            assert_eq!(is_whole(dir.path(), &format!("ab{}", "c".repeat(38))), expect, "{} bytes", bytes.len());
            assert_eq!(sweep(dir.path()).expect("sweep"), usize::from(!expect));
        };
        check(&whole, true);
        for cut in [0, 1, 2, 10, whole.len() / 2, whole.len() - 1] {
            check(&whole[..cut], false);
        }
        check(&pack(b"blob 6\0short"), false);
        check(&pack(b"no header"), false);
        assert!(is_whole(dir.path(), &"d".repeat(40)), "an object that is not loose is not judged");
    }
}
