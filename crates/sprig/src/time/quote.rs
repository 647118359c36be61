//! Quoted text as Go's package `time` writes it in errors: what is not plain ASCII byte by byte.

/// `"…"`, with `\x` and two digits for each byte of a control or non-ASCII character.
pub fn quote(text: &[u8]) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for &byte in text {
        match byte {
            b'"' | b'\\' => out.extend(['\\', byte as char]),
            b' '..0x80 => out.push(byte as char),
            _ => out.push_str(&format!("\\x{byte:02x}")),
        }
    }
    out.push('"');
    out
}
