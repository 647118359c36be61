//! A `.tgz` to the files in it, with Helm's refusals and bounds on what it may unpack to.

use std::io::{self, Read};

use flate2::read::MultiGzDecoder;
use masthead_gotmpl::quote::quote;
use masthead_gotmpl::string::lossy;
use masthead_sprig::golang::path;

use crate::chart::File;

/// Bytes of all files. Helm's bound.
pub const BYTES_MAX: u64 = 100 << 20;

/// Bytes of one file. Helm's bound.
pub const FILE_BYTES_MAX: u64 = 5 << 20;

/// Files in an archive.
pub const FILES_MAX: usize = 20_000;

/// Bytes of the archive as tar, with its headers.
const TAR_BYTES_MAX: u64 = BYTES_MAX + (32 << 20);

/// From this size on an archive may not unpack to more than [`RATIO_MAX`] times its own bytes.
const RATIO_FROM: u64 = 16 << 20;

/// See [`RATIO_FROM`]. Manifests pack to a twentieth; only a bomb packs to less than a 250th.
const RATIO_MAX: u64 = 250;

/// Helm's check that a file is an archive at all, by its first bytes.
///
/// # Errors
/// Helm's own words.
pub fn ensure(name: &str, bytes: &[u8]) -> Result<(), String> {
    if bytes.starts_with(b"\x1F\x8B\x08") {
        return Ok(());
    }
    if name.ends_with(".yml") || name.ends_with(".yaml") {
        return Err(format!("file '{name}' seems to be a YAML file, but expected a gzipped archive"));
    }
    Err(format!("file '{name}' does not appear to be a gzipped archive; got '{}'", content_type(bytes)))
}

/// `http.DetectContentType`, for what people take for a chart. Go pads the bytes it looks at with zeros to 512.
fn content_type(bytes: &[u8]) -> &'static str {
    let head = &bytes[..bytes.len().min(512)];
    let trimmed = head.trim_ascii_start();
    let starts = |prefix: &[u8]| trimmed.len() >= prefix.len() && trimmed[..prefix.len()].eq_ignore_ascii_case(prefix);
    match head {
        _ if starts(b"<!DOCTYPE HTML") || starts(b"<HTML") || starts(b"<HEAD") => "text/html; charset=utf-8",
        _ if trimmed.starts_with(b"<?xml") => "text/xml; charset=utf-8",
        [0xEF, 0xBB, 0xBF, ..] => "text/plain; charset=utf-8",
        [0x50, 0x4B, 3, 4, ..] => "application/zip",
        [b'%', b'P', b'D', b'F', b'-', ..] => "application/pdf",
        [0x89, b'P', b'N', b'G', 0x0D, 0x0A, 0x1A, 0x0A, ..] => "image/png",
        // The padding is binary, so only 512 bytes of text are text.
        _ if head.len() == 512 && !head.iter().any(is_binary) => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

fn is_binary(byte: &u8) -> bool {
    matches!(byte, 0..=8 | 0x0B | 0x0E..=0x1A | 0x1C..=0x1F)
}

/// The files of an archive, each name without the first folder in it.
///
/// # Errors
/// Helm's own words; and, beyond Helm, links and bombs are refused.
pub fn files(bytes: &[u8]) -> Result<Vec<File>, String> {
    entries(bytes, &mut String::new())
}

/// The same.
///
/// # Errors
/// As [`files`], with the file in the archive that it is about, where there is one.
pub fn files_or_name(bytes: &[u8]) -> Result<Vec<File>, String> {
    let mut at = String::new();
    entries(bytes, &mut at).map_err(|error| {
        let shown = quote(at.as_bytes());
        if at.is_empty() || error.contains(&shown) { error } else { format!("{error}: at {shown}") }
    })
}

/// The files; `at` is the name of the one that is read.
fn entries(bytes: &[u8], at: &mut String) -> Result<Vec<File>, String> {
    if !bytes.starts_with(b"\x1F\x8B") {
        return Err(if bytes.is_empty() { "EOF" } else { "gzip: invalid header" }.to_owned());
    }
    let packed = bytes.len() as u64;
    let mut tar = tar::Archive::new(Bounded { inner: MultiGzDecoder::new(bytes), read: 0, packed });
    let mut files = Vec::new();
    let mut remaining = BYTES_MAX;
    for entry in tar.entries().map_err(|error| words(&error))? {
        let mut entry = entry.map_err(|error| words(&error))?;
        let kind = entry.header().entry_type();
        let full = lossy(&entry.path_bytes()).into_owned();
        at.clone_from(&full);
        if kind.is_dir() || full.ends_with('/') || kind.is_pax_global_extensions() || kind.is_pax_local_extensions() {
            continue;
        }
        let name = checked_name(&full)?;
        if kind.is_symlink() || kind.is_hard_link() {
            return Err(format!("chart contains a link, which is not supported: {}", quote(full.as_bytes())));
        }
        let size = entry.size();
        let too_large = || format!("decompressed chart is larger than the maximum file size {BYTES_MAX}");
        if size > remaining {
            return Err(too_large());
        }
        if size > FILE_BYTES_MAX {
            let name = quote(full.as_bytes());
            return Err(format!(
                "decompressed chart file {name} is larger than the maximum file size {FILE_BYTES_MAX}"
            ));
        }
        let mut data = Vec::with_capacity(size as usize);
        entry.read_to_end(&mut data).map_err(|error| words(&error))?;
        remaining = remaining.saturating_sub(data.len() as u64);
        if (data.len() as u64) < size || remaining == 0 {
            return Err(too_large());
        }
        if files.len() >= FILES_MAX {
            return Err(format!("chart archive holds more than {FILES_MAX} files"));
        }
        files.push(File::new(name, data.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&data)));
    }
    at.clear();
    if files.is_empty() { Err("no files in chart archive".to_owned()) } else { Ok(files) }
}

/// A name without its first folder, clean, and inside of the chart.
fn checked_name(full: &str) -> Result<String, String> {
    let delimiter = if full.contains('\\') { '\\' } else { '/' };
    let (first, rest) = full.split_once(delimiter).unwrap_or((full, ""));
    let name = rest.replace(delimiter, "/");
    if name.starts_with('/') {
        return Err("chart illegally contains absolute paths".to_owned());
    }
    let name = lossy(&path::clean(name.as_bytes())).into_owned();
    if name == "." {
        let full = quote(full.as_bytes());
        return Err(format!("chart illegally contains content outside the base directory: {full}"));
    }
    if name.starts_with("..") {
        return Err("chart illegally references parent directory".to_owned());
    }
    if let [drive, b':', b'/', ..] = name.as_bytes()
        && drive.is_ascii_alphabetic()
    {
        return Err("chart contains illegally named files".to_owned());
    }
    if first == "Chart.yaml" {
        return Err("chart yaml not in base directory".to_owned());
    }
    Ok(name)
}

/// Stops a stream that grows out of proportion.
struct Bounded<R> {
    inner: R,
    read: u64,
    packed: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.read += read as u64;
        if self.read > TAR_BYTES_MAX {
            let words = format!("decompressed chart is larger than the maximum file size {BYTES_MAX}");
            return Err(io::Error::other(words));
        }
        if self.read > RATIO_FROM && self.read / self.packed.max(1) > RATIO_MAX {
            return Err(io::Error::other(format!("chart archive unpacks to more than {RATIO_MAX} times its size")));
        }
        Ok(read)
    }
}

/// Go's words for a damaged stream.
fn words(error: &io::Error) -> String {
    let text = error.to_string();
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "unexpected EOF".to_owned(),
        io::ErrorKind::InvalidInput if text.contains("gzip header") => "gzip: invalid header".to_owned(),
        io::ErrorKind::InvalidInput => "gzip: invalid checksum".to_owned(),
        io::ErrorKind::Other if text.starts_with("decompressed") || text.starts_with("chart archive") => text,
        _ if text.contains("failed to iterate over archive") || text.contains("corrupt") => {
            "archive/tar: invalid tar header".to_owned()
        }
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::{files, files_or_name};

    /// An archive with the entries as they are, whatever their names.
    fn archive(entries: &[(&str, tar::EntryType, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, kind, data) in entries {
            let mut header = tar::Header::new_gnu();
            header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
            header.set_entry_type(*kind);
            header.set_size(data.len() as u64);
            header.set_mode(0o644);
            header.set_cksum();
            builder.append(&header, *data).expect("memory takes it");
        }
        gz(&builder.into_inner().expect("memory takes it"))
    }

    fn gz(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).expect("memory takes it");
        encoder.finish().expect("memory takes it")
    }

    fn refuses(name: &str, expect: &str) {
        let bytes = archive(&[(name, tar::EntryType::Regular, b"x")]);
        assert_eq!(files(&bytes).err().as_deref(), Some(expect), "{name}");
    }

    #[test]
    fn names_are_checked_as_helm_checks_them() {
        refuses("c//etc/passwd", "chart illegally contains absolute paths");
        refuses("c/../../x", "chart illegally references parent directory");
        refuses("c/a/../../../x", "chart illegally references parent directory");
        refuses("x", "chart illegally contains content outside the base directory: \"x\"");
        refuses("c/c:/foo", "chart contains illegally named files");
        refuses("c\\c:\\foo", "chart contains illegally named files");
        refuses("Chart.yaml", "chart illegally contains content outside the base directory: \"Chart.yaml\"");
        refuses("Chart.yaml/x", "chart yaml not in base directory");
    }

    #[test]
    fn links_and_damage_are_refused() {
        let link = archive(&[("c/l", tar::EntryType::Symlink, b"")]);
        assert_eq!(files(&link).err().as_deref(), Some("chart contains a link, which is not supported: \"c/l\""));
        assert_eq!(files(b"nothing").err().as_deref(), Some("gzip: invalid header"));
        assert_eq!(files(&archive(&[])).err().as_deref(), Some("no files in chart archive"));
        let whole = archive(&[("c/a", tar::EntryType::Regular, &[7; 3000])]);
        assert!(files(&whole[..whole.len() / 2]).is_err());
    }

    #[test]
    fn bombs_are_refused() {
        let large = archive(&[("c/a", tar::EntryType::Regular, &vec![0; (5 << 20) + 1])]);
        let expect = "decompressed chart file \"c/a\" is larger than the maximum file size 5242880";
        assert_eq!(files(&large).err().as_deref(), Some(expect));
        let zeros = vec![0; 4 << 20];
        let names: Vec<String> = (0..8).map(|at| format!("c/{at}")).collect();
        let many: Vec<_> =
            names.iter().map(|name| (name.as_str(), tar::EntryType::Regular, zeros.as_slice())).collect();
        let expect = "chart archive unpacks to more than 250 times its size";
        assert_eq!(files(&archive(&many)).err().as_deref(), Some(expect));
    }

    #[test]
    fn faults_name_the_file_where_they_are_asked_to() {
        let check = |entries: &[(&str, tar::EntryType, &[u8])], expect: &str| {
            assert_eq!(files_or_name(&archive(entries)).err().as_deref(), Some(expect));
        };
        let good = ("c/a", tar::EntryType::Regular, b"x".as_slice());
        check(
            &[good, ("c/../../x", tar::EntryType::Regular, b"x")],
            "chart illegally references parent directory: at \"c/../../x\"",
        );
        check(&[good, ("c/l", tar::EntryType::Symlink, b"")], "chart contains a link, which is not supported: \"c/l\"");
        check(&[], "no files in chart archive");
        let zeros = vec![0; 4 << 20];
        let names: Vec<String> = (0..8).map(|at| format!("c/{at}")).collect();
        let many: Vec<_> =
            names.iter().map(|name| (name.as_str(), tar::EntryType::Regular, zeros.as_slice())).collect();
        check(&many, "chart archive unpacks to more than 250 times its size: at \"c/3\"");
    }

    #[test]
    fn files_lose_their_first_folder_and_byte_order_mark() {
        let bytes =
            archive(&[("c/a/b", tar::EntryType::Regular, b"\xEF\xBB\xBFx"), ("c/d/", tar::EntryType::Directory, b"")]);
        let files = files(&bytes).expect("the archive is whole");
        assert_eq!(files.len(), 1);
        assert_eq!((files[0].name.as_str(), files[0].data.as_bytes()), ("a/b", b"x".as_slice()));
    }
}
