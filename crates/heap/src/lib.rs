//! The heap of a thread that lives for a moment → one that has grown already, and is of large pages.
//!
//! A program that runs for a few milliseconds spends a quarter of them on the first touch of each small page: of rendering
//! a chart of 140 files, a thousand times a microsecond and a half, and a fifth of that to give it back at the end. A page
//! of 2 MiB costs as much as sixty of them, and one is enough for most. Meant for glibc's allocator; others are asked for
//! two blocks, and that is all. Where the kernel has no large pages to give, small ones come as they would have.

use std::hint::black_box;

/// What the heap has room for. glibc gives memory back where twice the largest block that was ever mapped is free.
const ROOM_BYTES: usize = 8 << 20;
/// The large pages of most machines.
const PAGE_BYTES: usize = 2 << 20;

/// Lets the heap of the calling thread have room for 8 MiB, of which only what is touched takes memory.
///
/// A block that was taken from the kernel and is freed tells glibc to take blocks up to that size from the heap from then on,
/// and to keep twice as much; the next block is taken from the heap, which grows by it, and stays when it is freed.
pub fn grow() {
    drop(black_box(Vec::<u8>::with_capacity(2 * ROOM_BYTES)));
    let mut room = black_box(Vec::<u8>::with_capacity(ROOM_BYTES));
    let start = room.as_ptr().addr();
    let first = start.next_multiple_of(PAGE_BYTES);
    advise(&mut room, first - start);
    drop(room);
    // Fills what is left of the heap before the first large page, and stays for ever: nothing of it is touched.
    std::mem::forget(black_box(Vec::<u8>::with_capacity(first - start)));
}

/// Asks for large pages from so many bytes behind the start of a block to the last whole one in it.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "madvise takes an address")]
fn advise(block: &mut Vec<u8>, from: usize) {
    let range = block.spare_capacity_mut().get_mut(from..).unwrap_or_default();
    let bytes = range.len() / PAGE_BYTES * PAGE_BYTES;
    // SAFETY: the range lies in a block that is ours. MADV_HUGEPAGE maps and unmaps nothing and changes no byte: it says
    // which pages the kernel may use for what is touched for the first time. Nobody relies on its doing so.
    let _ = unsafe { nix::libc::madvise(range.as_mut_ptr().cast(), bytes, nix::libc::MADV_HUGEPAGE) };
}

#[cfg(not(target_os = "linux"))]
fn advise(_block: &mut Vec<u8>, _from: usize) {}

#[cfg(all(test, target_os = "linux", target_env = "gnu"))]
mod tests {
    use std::fs;

    use super::grow;

    /// Whether the kernel was asked for large pages where a block is; none where it does not say.
    fn is_advised(block: &[u8]) -> Option<bool> {
        fs::metadata("/sys/kernel/mm/transparent_hugepage").ok()?;
        let at = block.as_ptr().addr();
        let maps = fs::read_to_string("/proc/self/smaps").ok()?;
        let mut is_here = false;
        for line in maps.lines() {
            let first = line.split(' ').next().unwrap_or_default();
            if let Some((start, end)) = first.split_once('-') {
                let number = |text: &str| usize::from_str_radix(text, 16).ok();
                is_here = (number(start)?..number(end)?).contains(&at);
            } else if let Some(flags) = line.strip_prefix("VmFlags:").filter(|_| is_here) {
                return Some(flags.split(' ').any(|flag| flag == "hg"));
            }
        }
        None
    }

    #[test]
    fn what_is_allocated_next_is_of_large_pages() {
        // On a thread of its own, whose heap nobody has used.
        let after = std::thread::spawn(|| {
            grow();
            let blocks: Vec<Vec<u8>> = (0..4).map(|_| vec![7; 1 << 20]).collect();
            blocks.iter().map(|block| is_advised(block)).collect::<Vec<_>>()
        });
        let after = after.join().expect("it ends");
        if after.contains(&None) {
            println!("skipped: this kernel has no large pages, or does not tell of them");
            return;
        }
        assert_eq!(after, [Some(true); 4]);
    }
}
