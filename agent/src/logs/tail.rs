//! A log file → where its last lines begin, and the last words of a container that says nothing else.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use crate::logs::line::parse;

/// Bytes read at a time from the end.
const BLOCK: u64 = 64 << 10;
/// Lines of the log in a termination message (the kubelet's `MaxContainerTerminationMessageLogLines`).
const LAST_LINES: usize = 80;
/// Bytes of the log in a termination message (the kubelet's `MaxContainerTerminationMessageLogLength`).
const LAST_BYTES: usize = 2048;

/// The offset at which the last `count` lines of a file begin. A last line without an end counts as one.
///
/// # Errors
/// The disk.
pub fn start_of_last(file: &mut File, count: u64) -> io::Result<u64> {
    let len = file.seek(SeekFrom::End(0))?;
    if count == 0 {
        return Ok(len);
    }
    let (mut at, mut found) = (len, 0u64);
    let mut block = Vec::new();
    while at > 0 {
        let size = at.min(BLOCK);
        at -= size;
        file.seek(SeekFrom::Start(at))?;
        block.clear();
        file.by_ref().take(size).read_to_end(&mut block)?;
        for (index, byte) in block.iter().enumerate().rev() {
            // The end of the last line is not the beginning of one.
            if *byte != b'\n' || at + index as u64 + 1 == len {
                continue;
            }
            found += 1;
            if found == count {
                return Ok(at + index as u64 + 1);
            }
        }
    }
    Ok(0)
}

/// The end of a container's log, as its termination message; empty when there is none.
pub fn last_words(log: &Path) -> String {
    let read = || -> io::Result<Vec<u8>> {
        let mut file = File::open(log)?;
        let start = start_of_last(&mut file, LAST_LINES as u64)?;
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        file.take(1 << 20).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let Ok(bytes) = read() else { return String::new() };
    let mut text = Vec::new();
    for line in bytes.split(|byte| *byte == b'\n').filter_map(parse) {
        text.extend_from_slice(line.text);
        if !line.is_partial {
            text.push(b'\n');
        }
    }
    let from = text.len().saturating_sub(LAST_BYTES);
    String::from_utf8_lossy(&text[from..]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn last_lines_begin_there() {
        let check = |content: &str, count: u64, expect: &str| {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(content.as_bytes()).unwrap();
            let start = start_of_last(&mut file, count).unwrap() as usize;
            assert_eq!(&content[start..], expect, "{count} of {content:?}");
        };
        check("", 3, "");
        check("a\nb\nc\n", 0, "");
        check("a\nb\nc\n", 1, "c\n");
        check("a\nb\nc\n", 2, "b\nc\n");
        check("a\nb\nc\n", 9, "a\nb\nc\n");
        check("a\nb\nc", 1, "c");
        check("\n\n\n", 2, "\n\n");
        let long = "x".repeat(100_000);
        check(&format!("a\n{long}\n"), 1, &format!("{long}\n"));
        check(&format!("a\n{long}\n{long}\n"), 3, &format!("a\n{long}\n{long}\n"));
    }
}
