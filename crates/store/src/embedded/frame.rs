//! Payloads as checksummed frames in a file, and what the bytes of a file say of its end.

/// The version of the format. A reader refuses any newer one.
pub const FORMAT: u32 = 1;
/// Bytes of a file before its first frame: magic, kind, format, first sequence number, checksum.
pub const FILE_HEADER: usize = 28;
/// Bytes of a frame before its payload: magic, length, sequence number, checksums of both.
pub const HEADER: usize = 24;
const FILE_MAGIC: &[u8; 8] = b"masthead";
const MAGIC: [u8; 4] = *b"\xf5MH\x01";
/// What a disk writes as a whole.
const SECTOR: usize = 512;
/// Shorter runs of zeros than this at a sector's edge may be data.
const ZEROS_MIN: usize = 16;

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Kind {
    /// A part of the log.
    Log = 1,
    /// A snapshot.
    Snapshot = 2,
}

/// The head of a file.
#[must_use]
pub fn file_header(kind: Kind, seq: u64) -> [u8; FILE_HEADER] {
    let mut head = [0; FILE_HEADER];
    head[..8].copy_from_slice(FILE_MAGIC);
    head[8..12].copy_from_slice(&(kind as u32).to_le_bytes());
    head[12..16].copy_from_slice(&FORMAT.to_le_bytes());
    head[16..24].copy_from_slice(&seq.to_le_bytes());
    let sum = crc32fast::hash(&head[..24]);
    head[24..].copy_from_slice(&sum.to_le_bytes());
    head
}

/// What is wrong with the head of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BadHeader {
    /// It is not all there. No interruption explains it: a file gets its name when its head is
    /// durable.
    Short,
    /// A newer program wrote it.
    Newer(u32),
    /// It is no such file, or damaged.
    Wrong(&'static str),
}

/// Checks the head of a file that should begin at `seq`.
///
/// # Errors
/// What is wrong.
pub fn check_file_header(bytes: &[u8], kind: Kind, seq: u64) -> Result<(), BadHeader> {
    let Some(head) = bytes.get(..FILE_HEADER) else { return Err(BadHeader::Short) };
    if &head[..8] != FILE_MAGIC {
        return Err(BadHeader::Wrong("not a file of a store"));
    }
    if u32_at(head, 24) != crc32fast::hash(&head[..24]) {
        return Err(BadHeader::Wrong("the checksum of the file's head does not match"));
    }
    // The checksum comes first: a damaged number must not read as "newer".
    match u32_at(head, 12) {
        format if format > FORMAT => return Err(BadHeader::Newer(format)),
        FORMAT => {}
        _ => return Err(BadHeader::Wrong("unknown format")),
    }
    if u32_at(head, 8) != kind as u32 || u64_at(head, 16) != seq {
        return Err(BadHeader::Wrong("the file's head does not fit its name"));
    }
    Ok(())
}

/// Starts a frame in an empty buffer; the payload is to be added.
pub fn begin(buffer: &mut Vec<u8>) {
    buffer.clear();
    buffer.resize(HEADER, 0);
}

/// Completes the frame in `buffer`; `None` if its payload is longer than 4 GiB.
pub fn seal(buffer: &mut [u8], seq: u64) -> Option<()> {
    let (head, payload) = buffer.split_at_mut_checked(HEADER)?;
    head[..4].copy_from_slice(&MAGIC);
    head[4..8].copy_from_slice(&u32::try_from(payload.len()).ok()?.to_le_bytes());
    head[8..16].copy_from_slice(&seq.to_le_bytes());
    head[16..20].copy_from_slice(&crc32fast::hash(payload).to_le_bytes());
    let sum = crc32fast::hash(&head[..20]);
    head[20..].copy_from_slice(&sum.to_le_bytes());
    Some(())
}

/// What stands at an offset of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step<'a> {
    /// A whole frame.
    Frame {
        /// Its payload.
        payload: &'a [u8],
        /// Where the next one begins.
        next: usize,
    },
    /// The end of the file.
    End,
    /// A write that was interrupted: nothing after it was ever promised.
    Torn,
    /// Damage that no interrupted write explains.
    Corrupt(&'static str),
}

/// Reads the frame at `at`, which should have the number `seq`.
///
/// A frame is written at once and is synced before the next one is written. So a bad frame may be
/// cut off if nothing follows it, and if it is short or has a sector that was never written.
#[must_use]
pub fn read(bytes: &[u8], at: usize, seq: u64) -> Step<'_> {
    let rest = bytes.get(at..).unwrap_or_default();
    if rest.is_empty() {
        return Step::End;
    }
    let (end, what) = match header(rest) {
        Some((len, found, _)) if found == seq => match rest.get(HEADER..HEADER + len) {
            None => (bytes.len(), "the frame is longer than the file"),
            Some(payload) if crc32fast::hash(payload) == u32_at(rest, 16) => {
                return Step::Frame { payload, next: at + HEADER + len };
            }
            Some(_) => (at + HEADER + len, "the checksum of the frame does not match"),
        },
        Some(_) => return Step::Corrupt("the frame is not the next one"),
        None => (bytes.len(), "the head of the frame is damaged"),
    };
    if follows(rest, seq) {
        return Step::Corrupt(what);
    }
    let short = rest.len() < HEADER || header(rest).is_some_and(|(len, ..)| rest.len() < HEADER + len);
    if short || unwritten_sector(bytes, at, end) { Step::Torn } else { Step::Corrupt(what) }
}

/// Length, number and checksum of the payload, if the head is whole.
fn header(bytes: &[u8]) -> Option<(usize, u64, u32)> {
    let head = bytes.get(..HEADER)?;
    let whole = head[..4] == MAGIC && u32_at(head, 20) == crc32fast::hash(&head[..20]);
    whole.then(|| (u32_at(head, 4) as usize, u64_at(head, 8), u32_at(head, 16)))
}

/// Whether a whole frame with a later number stands anywhere after the first byte.
fn follows(rest: &[u8], seq: u64) -> bool {
    (1..rest.len().saturating_sub(HEADER - 1)).any(|at| {
        let tail = &rest[at..];
        tail[..4] == MAGIC
            && header(tail).is_some_and(|(len, found, sum)| {
                found > seq && tail.get(HEADER..HEADER + len).is_some_and(|p| crc32fast::hash(p) == sum)
            })
    })
}

fn unwritten_sector(bytes: &[u8], at: usize, end: usize) -> bool {
    let mut from = at;
    while from < end {
        let to = ((from / SECTOR + 1) * SECTOR).min(end);
        if to - from >= ZEROS_MIN && bytes[from..to].iter().all(|byte| *byte == 0) {
            return true;
        }
        from = to;
    }
    false
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut value = [0; 4];
    value.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(value)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut value = [0; 8];
    value.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(payloads: &[&[u8]]) -> (Vec<u8>, Vec<usize>) {
        let (mut bytes, mut starts) = (Vec::new(), Vec::new());
        for (seq, payload) in payloads.iter().enumerate() {
            let mut frame = Vec::new();
            begin(&mut frame);
            frame.extend_from_slice(payload);
            seal(&mut frame, seq as u64).unwrap();
            starts.push(bytes.len());
            bytes.extend(frame);
        }
        (bytes, starts)
    }

    #[test]
    fn a_cut_anywhere_in_the_last_frame_is_torn() {
        let (bytes, starts) = file(&[b"one", &[7; 2000]]);
        let last = starts[1];
        assert!(matches!(read(&bytes, last, 1), Step::Frame { payload, .. } if payload.len() == 2000));
        assert_eq!(read(&bytes[..last], last, 1), Step::End);
        for cut in last + 1..bytes.len() {
            assert_eq!(read(&bytes[..cut], last, 1), Step::Torn, "cut at {cut}");
        }
    }

    #[test]
    fn a_flipped_byte_is_corrupt_wherever_it_is() {
        let (bytes, starts) = file(&[b"first frame", &[7; 1500], b"third"]);
        for (seq, start) in starts.iter().enumerate() {
            let end = starts.get(seq + 1).copied().unwrap_or(bytes.len());
            for at in *start..end {
                let mut bad = bytes.clone();
                bad[at] ^= 0x20;
                let step = read(&bad, *start, seq as u64);
                assert!(matches!(step, Step::Corrupt(_)), "frame {seq} byte {at}: {step:?}");
            }
        }
    }

    #[test]
    fn a_sector_that_was_never_written_is_torn_at_the_end_and_corrupt_before() {
        let (bytes, starts) = file(&[b"first", &[7; 4000]]);
        let mut zeroed = bytes.clone();
        zeroed[1024..1536].fill(0);
        assert_eq!(read(&zeroed, starts[1], 1), Step::Torn);
        let mut headless = bytes.clone();
        headless[starts[1]..].fill(0);
        assert_eq!(read(&headless, starts[1], 1), Step::Torn);
        let (mut bytes, starts) = file(&[b"first", &[7; 4000], b"third"]);
        bytes[1024..1536].fill(0);
        assert!(matches!(read(&bytes, starts[1], 1), Step::Corrupt(_)));
    }

    #[test]
    fn a_newer_format_is_told_from_damage() {
        let mut head = file_header(Kind::Log, 9);
        assert_eq!(check_file_header(&head, Kind::Log, 9), Ok(()));
        assert!(matches!(check_file_header(&head, Kind::Log, 8), Err(BadHeader::Wrong(_))));
        assert!(matches!(check_file_header(&head, Kind::Snapshot, 9), Err(BadHeader::Wrong(_))));
        assert_eq!(check_file_header(&head[..20], Kind::Log, 9), Err(BadHeader::Short));
        head[12] = 2;
        assert!(matches!(check_file_header(&head, Kind::Log, 9), Err(BadHeader::Wrong(_))));
        let sum = crc32fast::hash(&head[..24]);
        head[24..].copy_from_slice(&sum.to_le_bytes());
        assert_eq!(check_file_header(&head, Kind::Log, 9), Err(BadHeader::Newer(2)));
    }
}
