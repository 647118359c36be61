//! A container's output into CRI log lines, in a file that is rotated by size.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::shim::error::{Context, Result};
use crate::shim::task::LogOptions;

/// The longest piece of a line in bytes; longer lines are split and marked `P` but for the end.
pub const LINE_MAX: usize = 16 * 1024;
/// What is gathered before it is written.
const BATCH_MAX: usize = 32 * 1024;

/// The file.
#[derive(Debug)]
pub struct LogFile {
    options: LogOptions,
    file: Option<File>,
    size: u64,
    batch: Vec<u8>,
    /// Whether the last write failed; it is said once, not for each line.
    failing: bool,
}

impl LogFile {
    /// Opens the file to append to it, with the directories above it.
    pub fn open(options: LogOptions) -> Result<Self> {
        let mut log = Self { options, file: None, size: 0, batch: Vec::new(), failing: false };
        log.reopen()?;
        Ok(log)
    }

    /// Opens the file by its path anew, after somebody renamed it.
    pub fn reopen(&mut self) -> Result<()> {
        let path = &self.options.path;
        let what = || format!("open the log {}", path.display());
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).context(what())?;
        }
        let file = OpenOptions::new().append(true).create(true).open(path).context(what())?;
        self.size = file.metadata().context(what())?.len();
        self.file = Some(file);
        Ok(())
    }

    /// Adds one record. `stamp` is [`timestamp`]'s; `whole` says whether the line ends here.
    pub fn record(&mut self, stamp: &[u8], stream: &str, whole: bool, line: &[u8]) {
        self.batch.extend_from_slice(stamp);
        self.batch.push(b' ');
        self.batch.extend_from_slice(stream.as_bytes());
        self.batch.extend_from_slice(if whole { b" F " } else { b" P " });
        self.batch.extend_from_slice(line);
        self.batch.push(b'\n');
        if self.batch.len() >= BATCH_MAX {
            self.flush();
        }
    }

    /// Writes what was gathered. A full disk loses lines, never the container: the file keeps
    /// whole records only and the next ones are tried again.
    pub fn flush(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        let length = self.batch.len() as u64;
        if self.options.max_bytes > 0 && self.size > 0 && self.size + length > self.options.max_bytes {
            self.rotate();
        }
        if let Some(file) = &mut self.file {
            match file.write_all(&self.batch) {
                Ok(()) => {
                    self.size += length;
                    self.failing = false;
                }
                Err(error) => {
                    let _ = file.set_len(self.size);
                    if !std::mem::replace(&mut self.failing, true) {
                        eprintln!("shim: log {}: {error}", self.options.path.display());
                    }
                }
            }
        }
        self.batch.clear();
        if self.batch.capacity() > 2 * BATCH_MAX {
            self.batch = Vec::new();
        }
    }

    fn rotate(&mut self) {
        let kept = self.options.max_files.max(1);
        for index in (1..kept.saturating_sub(1)).rev() {
            let _ = fs::rename(self.rotated(index), self.rotated(index + 1));
        }
        let moved = if kept > 1 {
            fs::rename(&self.options.path, self.rotated(1))
        } else {
            fs::remove_file(&self.options.path)
        };
        if let Err(error) = moved {
            eprintln!("shim: rotate {}: {error}", self.options.path.display());
        }
        if let Err(error) = self.reopen() {
            eprintln!("shim: {error}");
        }
    }

    fn rotated(&self, index: u32) -> PathBuf {
        rotated_path(&self.options.path, index)
    }
}

/// Where the `index`th older part of a log is: `PATH.1` is the newest of them.
fn rotated_path(path: &Path, index: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{index}"));
    PathBuf::from(name)
}

/// The unfinished line of one stream.
#[derive(Debug, Default)]
pub struct Line {
    held: Vec<u8>,
}

impl Line {
    /// Splits a piece of output into records.
    pub fn feed(&mut self, log: &mut LogFile, stamp: &[u8], stream: &str, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = LINE_MAX - self.held.len();
            let newline = bytes.iter().take(room + 1).position(|byte| *byte == b'\n');
            match newline {
                Some(at) => {
                    let (line, rest) = bytes.split_at(at);
                    bytes = &rest[1..];
                    if self.held.is_empty() {
                        log.record(stamp, stream, true, line);
                    } else {
                        self.held.extend_from_slice(line);
                        log.record(stamp, stream, true, &self.held);
                        self.held.clear();
                    }
                }
                None if bytes.len() > room => {
                    let (piece, rest) = bytes.split_at(room);
                    self.held.extend_from_slice(piece);
                    bytes = rest;
                    log.record(stamp, stream, false, &self.held);
                    self.held.clear();
                }
                None => {
                    self.held.extend_from_slice(bytes);
                    return;
                }
            }
        }
    }

    /// Ends the stream: what has no newline is a partial line, as the container left it.
    pub fn end(&mut self, log: &mut LogFile, stamp: &[u8], stream: &str) {
        if !self.held.is_empty() {
            log.record(stamp, stream, false, &self.held);
            self.held = Vec::new();
        }
    }
}

/// RFC 3339 in UTC with nine digits of fraction, from nanoseconds since the epoch.
pub fn timestamp(nanos: i64) -> [u8; 30] {
    let (seconds, fraction) = (nanos.div_euclid(1_000_000_000), nanos.rem_euclid(1_000_000_000));
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    let mut stamp = *b"0000-00-00T00:00:00.000000000Z";
    digits(&mut stamp[0..4], year);
    digits(&mut stamp[5..7], month);
    digits(&mut stamp[8..10], day);
    digits(&mut stamp[11..13], second / 3600);
    digits(&mut stamp[14..16], second / 60 % 60);
    digits(&mut stamp[17..19], second % 60);
    digits(&mut stamp[20..29], fraction);
    stamp
}

fn digits(place: &mut [u8], mut value: i64) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + u8::try_from(value % 10).unwrap_or(0);
        value /= 10;
    }
}

/// Year, month and day of a day since 1970-01-01 (Hinnant, "chrono-compatible low-level date
/// algorithms", `civil_from_days`).
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(options: LogOptions, pieces: &[&[u8]]) -> (tempfile::TempDir, LogFile) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pod/0.log");
        let mut log = LogFile::open(LogOptions { path, ..options }).unwrap();
        let mut line = Line::default();
        for piece in pieces {
            line.feed(&mut log, b"T", "stdout", piece);
            log.flush();
        }
        line.end(&mut log, b"T", "stdout");
        log.flush();
        (dir, log)
    }

    fn check(pieces: &[&[u8]], expect: &str) {
        let (dir, _log) = written(LogOptions::default(), pieces);
        assert_eq!(fs::read_to_string(dir.path().join("pod/0.log")).unwrap(), expect);
    }

    #[test]
    fn lines_are_whole_whatever_the_reads_were() {
        check(&[b"a\nb\n"], "T stdout F a\nT stdout F b\n");
        check(&[b"a", b"b", b"c\nd"], "T stdout F abc\nT stdout P d\n");
        check(&[b"\n\n"], "T stdout F \nT stdout F \n");
        check(&[b""], "");
    }

    #[test]
    fn a_long_line_is_split_at_the_bound() {
        let exact = vec![b'x'; LINE_MAX];
        let text = String::from_utf8(exact.clone()).unwrap();
        check(&[&exact, b"\n"], &format!("T stdout F {text}\n"));
        check(&[&exact, b"y\n"], &format!("T stdout P {text}\nT stdout F y\n"));
        let mut both = exact.clone();
        both.push(b'\n');
        check(&[&both], &format!("T stdout F {text}\n"));
    }

    #[test]
    fn rotation_keeps_the_count_and_whole_records() {
        let pieces: Vec<Vec<u8>> = (0..40).map(|n| format!("line {n:02}\n").into_bytes()).collect();
        let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
        let options = LogOptions { max_bytes: 100, max_files: 3, ..LogOptions::default() };
        let (dir, _log) = written(options, &pieces);
        let mut names: Vec<String> = fs::read_dir(dir.path().join("pod"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["0.log", "0.log.1", "0.log.2"]);
        let all: String = ["0.log.2", "0.log.1", "0.log"]
            .iter()
            .map(|name| fs::read_to_string(dir.path().join("pod").join(name)).unwrap())
            .collect();
        assert!(all.ends_with("T stdout F line 39\n"), "{all}");
        assert!(all.lines().all(|line| line.len() == "T stdout F line 00".len()), "{all}");
    }

    #[test]
    fn times_are_written_as_rfc3339() {
        for (nanos, expect) in [
            (0, "1970-01-01T00:00:00.000000000Z"),
            (951_782_400_000_000_001, "2000-02-29T00:00:00.000000001Z"),
            (1_798_761_599_999_999_999, "2026-12-31T23:59:59.999999999Z"),
            (-1, "1969-12-31T23:59:59.999999999Z"),
        ] {
            assert_eq!(std::str::from_utf8(&timestamp(nanos)).unwrap(), expect);
        }
    }
}
