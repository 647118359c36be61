//! Finds the loader and the shared libraries an ELF program needs, by its own tables, without running it.

use std::collections::{BTreeSet, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};

use crate::images::error::{Context, Error};

/// Libraries of one program.
const LIBS_MAX: usize = 512;
/// Files of `ld.so.conf` that are read.
const CONF_FILES_MAX: usize = 64;
const PT_DYNAMIC: u32 = 2;
const PT_INTERP: u32 = 3;
const PT_LOAD: u32 = 1;
const DT_NEEDED: u64 = 1;
const DT_STRTAB: u64 = 5;
const DT_RPATH: u64 = 15;
const DT_RUNPATH: u64 = 29;

/// A file a program needs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Needed {
    /// Where the loader looks for it.
    pub path_in_image: PathBuf,
    /// Where it is here, links followed.
    pub source: PathBuf,
}

/// What the tables of an ELF file say.
#[derive(Debug, Default, PartialEq, Eq)]
struct Elf {
    machine: u16,
    interpreter: Option<PathBuf>,
    needed: Vec<String>,
    search: Vec<String>,
}

/// The loader and all libraries that `program` needs, directly or through another; none for a static one.
///
/// # Errors
/// [`Error::Malformed`] for what is no 64-bit little-endian ELF file, or when a library is missing.
pub fn needed(program: &Path) -> Result<Vec<Needed>, Error> {
    let elf = read(program)?;
    let Some(interpreter) = elf.interpreter.clone() else { return Ok(Vec::new()) };
    let mut found = BTreeSet::from([Needed { source: real(&interpreter)?, path_in_image: interpreter.clone() }]);
    let mut names: BTreeSet<String> =
        interpreter.file_name().map(|n| n.to_string_lossy().into_owned()).into_iter().collect();
    let system = system_dirs(&interpreter);
    // The loader's own default directory is that of the C library, which every distribution has in one.
    let mut home: Option<PathBuf> = None;
    let mut todo = VecDeque::from([(program.to_owned(), elf)]);
    while let Some((path, elf)) = todo.pop_front() {
        let origin = path.parent().unwrap_or(Path::new("/")).to_owned();
        let own: Vec<PathBuf> = elf.search.iter().map(|d| expand(d, &origin)).collect();
        for name in &elf.needed {
            if !names.insert(name.clone()) {
                continue;
            }
            if names.len() > LIBS_MAX {
                let what = path.display().to_string();
                return Err(Error::Limit { what, limit: "libs", bound: LIBS_MAX as u64 });
            }
            let (at, lib) = search(name, &own, &system, elf.machine).ok_or_else(|| {
                Error::malformed(path.display().to_string(), format!("needs {name}, which is missing"))
            })?;
            if name.starts_with("libc.so") || name.starts_with("ld-musl") {
                home = at.parent().map(Path::to_owned);
            }
            found.insert(Needed { source: real(&at)?, path_in_image: at.clone() });
            todo.push_back((real(&at)?, lib));
        }
    }
    Ok(found.into_iter().map(|lib| place(lib, home.as_deref(), &system)).collect())
}

/// A library from a directory that only `ld.so.conf` names moves beside the C library, as the image has no such file.
fn place(lib: Needed, home: Option<&Path>, system: &[(PathBuf, bool)]) -> Needed {
    let configured = |dir: &Path| system.iter().any(|(d, is_default)| d == dir && !is_default);
    match (home, lib.path_in_image.parent(), lib.path_in_image.file_name()) {
        (Some(home), Some(dir), Some(name)) if dir != home && configured(dir) => {
            Needed { path_in_image: home.join(name), source: lib.source }
        }
        _ => lib,
    }
}

fn search(name: &str, own: &[PathBuf], system: &[(PathBuf, bool)], machine: u16) -> Option<(PathBuf, Elf)> {
    let fits = |path: PathBuf| {
        let elf = read(&path).ok()?;
        (elf.machine == machine).then_some((path, elf))
    };
    if name.contains('/') {
        return fits(PathBuf::from(name));
    }
    own.iter().chain(system.iter().map(|(d, _)| d)).find_map(|dir| fits(dir.join(name)))
}

/// The directories the loader searches; true marks those it knows without configuration.
fn system_dirs(interpreter: &Path) -> Vec<(PathBuf, bool)> {
    let mut dirs: Vec<(PathBuf, bool)> = Vec::new();
    let mut files = VecDeque::from([PathBuf::from("/etc/ld.so.conf"), PathBuf::from("/etc/ld-musl-x86_64.path")]);
    let mut read = 0;
    while let Some(file) = files.pop_front() {
        read += 1;
        if read > CONF_FILES_MAX {
            break;
        }
        for line in fs::read_to_string(&file).unwrap_or_default().lines() {
            let line = line.split('#').next().unwrap_or_default().trim();
            match line.strip_prefix("include ") {
                Some(pattern) => files.extend(matches(pattern.trim())),
                None if line.starts_with('/') => dirs.push((PathBuf::from(line), false)),
                None => {}
            }
        }
    }
    let beside = interpreter.parent().map(Path::to_owned);
    let defaults = ["/lib64", "/usr/lib64", "/lib", "/usr/lib"].map(PathBuf::from);
    dirs.extend(beside.into_iter().chain(defaults).map(|d| (d, true)));
    dirs
}

/// The files of an include line, whose last part may have a `*`.
fn matches(pattern: &str) -> Vec<PathBuf> {
    let path = Path::new(pattern);
    let (Some(dir), Some(name)) = (path.parent(), path.file_name().and_then(|n| n.to_str())) else { return Vec::new() };
    let Some((before, after)) = name.split_once('*') else { return vec![path.to_owned()] };
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries
        .map(|e| e.path())
        .filter(|p| {
            let name = p.file_name().and_then(|n| n.to_str()).unwrap_or_default();
            name.starts_with(before) && name.ends_with(after)
        })
        .collect();
    found.sort();
    found
}

fn expand(dir: &str, origin: &Path) -> PathBuf {
    let origin = origin.to_string_lossy();
    PathBuf::from(dir.replace("${ORIGIN}", &origin).replace("$ORIGIN", &origin))
}

fn real(path: &Path) -> Result<PathBuf, Error> {
    fs::canonicalize(path).context(|| format!("find {}", path.display()))
}

fn read(path: &Path) -> Result<Elf, Error> {
    let bytes = fs::read(path).context(|| format!("read {}", path.display()))?;
    parse(&bytes).ok_or_else(|| Error::malformed(path.display().to_string(), "no 64-bit little-endian ELF file"))
}

/// Reads the program headers and the dynamic section; every offset is checked.
fn parse(bytes: &[u8]) -> Option<Elf> {
    let u16_at = |at: usize| Some(u16::from_le_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?));
    let u32_at = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?));
    let u64_at = |at: usize| Some(u64::from_le_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?));
    let size_at = |at: usize| usize::try_from(u64_at(at)?).ok();
    if bytes.get(..6)? != b"\x7fELF\x02\x01" {
        return None;
    }
    let mut elf = Elf { machine: u16_at(18)?, ..Elf::default() };
    let (table, entry, count) = (size_at(32)?, usize::from(u16_at(54)?), usize::from(u16_at(56)?));
    let mut loads: Vec<(u64, u64, u64)> = Vec::new();
    let mut dynamic = None;
    for n in 0..count {
        let at = table.checked_add(n.checked_mul(entry)?)?;
        let (offset, address, size) =
            (size_at(at.checked_add(8)?)?, u64_at(at.checked_add(16)?)?, size_at(at.checked_add(32)?)?);
        match u32_at(at)? {
            PT_LOAD => loads.push((address, offset as u64, size as u64)),
            PT_DYNAMIC => dynamic = Some(bytes.get(offset..offset.checked_add(size)?)?),
            PT_INTERP => {
                let text = bytes.get(offset..offset.checked_add(size)?)?;
                elf.interpreter = Some(PathBuf::from(std::str::from_utf8(text).ok()?.trim_end_matches('\0')));
            }
            _ => {}
        }
    }
    let Some(dynamic) = dynamic else { return Some(elf) };
    let entries: Vec<(u64, u64)> = dynamic
        .chunks_exact(16)
        .map(|c| {
            let (tag, value) = c.split_at(8);
            let word = |w: &[u8]| w.iter().rev().fold(0_u64, |n, b| (n << 8) | u64::from(*b));
            (word(tag), word(value))
        })
        .take_while(|(tag, _)| *tag != 0)
        .collect();
    let Some((_, address)) = entries.iter().find(|(tag, _)| *tag == DT_STRTAB) else { return Some(elf) };
    let (base, offset, _) = loads.iter().find(|(a, _, size)| a <= address && address - a < *size)?;
    let strings = bytes.get(usize::try_from(offset.checked_add(address - base)?).ok()?..)?;
    let text = |at: u64| {
        let from = strings.get(usize::try_from(at).ok()?..)?;
        let end = from.iter().position(|b| *b == 0)?;
        Some(std::str::from_utf8(&from[..end]).ok()?.to_owned())
    };
    for (tag, value) in entries {
        match tag {
            DT_NEEDED => elf.needed.push(text(value)?),
            DT_RPATH | DT_RUNPATH => elf.search.extend(text(value)?.split(':').map(str::to_owned)),
            _ => {}
        }
    }
    Some(elf)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_this_test_itself_maps() {
        let me = std::env::current_exe().unwrap();
        let found = needed(&me).unwrap();
        // What the loader has mapped is the truth; the tables must name all of it.
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        let mapped: BTreeSet<&str> = maps
            .lines()
            .filter_map(|line| line.split_whitespace().nth(5))
            .filter(|path| path.starts_with('/') && path.contains(".so"))
            .collect();
        for path in mapped {
            assert!(found.iter().any(|n| n.source == Path::new(path)), "{path} is not in {found:?}");
        }
        assert!(!found.is_empty());
    }

    #[test]
    fn garbage_is_no_elf_and_no_panic() {
        let me = fs::read(std::env::current_exe().unwrap()).unwrap();
        let head = &me[..4096.min(me.len())];
        let mut seed = 1_u64;
        for _ in 0..2000 {
            let mut bytes = head.to_vec();
            for _ in 0..8 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let at = (seed >> 33) as usize % 1024;
                bytes[at] = (seed >> 20) as u8;
            }
            let _ = parse(&bytes);
        }
        for cut in 0..256 {
            let _ = parse(&head[..cut]);
        }
        assert_eq!(parse(b"#!/bin/sh"), None);
    }
}
