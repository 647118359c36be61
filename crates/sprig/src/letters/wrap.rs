//! A long line to several, as `goutils.WrapCustom` breaks it, by bytes.

/// Lines of at most `width` bytes with `separator` between; words above that stay whole unless `cut`.
pub fn wrap(text: &[u8], width: i64, separator: &[u8], cut: bool) -> Vec<u8> {
    let width = usize::try_from(width.max(1)).unwrap_or(usize::MAX);
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while text.len() - at > width {
        if text[at] == b' ' {
            at += 1;
            continue;
        }
        let window = &text[at..=at + width];
        if let Some(space) = window.iter().rposition(|&b| b == b' ') {
            out.extend_from_slice(&text[at..at + space]);
            out.extend_from_slice(separator);
            at += space + 1;
        } else if cut {
            out.extend_from_slice(&text[at..at + width]);
            out.extend_from_slice(separator);
            at += width;
        } else if let Some(space) = memchr::memchr(b' ', &text[at + width..]) {
            let space = at + width + space;
            out.extend_from_slice(&text[at..space]);
            out.extend_from_slice(separator);
            at = space + 1;
        } else {
            out.extend_from_slice(&text[at..]);
            at = text.len();
        }
    }
    out.extend_from_slice(&text[at..]);
    out
}
