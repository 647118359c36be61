//! A long text to its beginning, middle or end with `...`, as `goutils.AbbreviateFull` does, by bytes.

/// At most `width` bytes of the text from about `offset`. A width below 4 (7 with an offset) gives nothing.
pub fn abbreviate(text: &[u8], offset: i64, width: i64) -> Vec<u8> {
    let size = text.len() as i64;
    if text.is_empty() || width < 4 {
        return Vec::new();
    }
    if size <= width {
        return text.to_vec();
    }
    let mut offset = offset.min(size);
    if size.saturating_sub(offset) < width - 3 {
        offset = size - (width - 3);
    }
    let part = |from: i64, to: i64| &text[from.clamp(0, size) as usize..to.clamp(0, size) as usize];
    if offset <= 4 {
        return [part(0, width - 3), b"..."].concat();
    }
    if width < 7 {
        return Vec::new();
    }
    let tail = if offset + width - 3 < size {
        abbreviate(part(offset, size), 0, width - 3)
    } else {
        part(size - (width - 3), size).to_vec()
    };
    [b"...", tail.as_slice()].concat()
}
