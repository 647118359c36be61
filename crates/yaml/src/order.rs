//! Mapping keys to the order goyaml writes them in: by runs of digits, letters after what is not a letter.

use std::cmp::Ordering;

/// Which of goyaml's two orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Of goyaml v2, which sigs.k8s.io/yaml uses.
    V2,
    /// Of goyaml v3: after a digit, a letter comes before what is not one.
    V3,
}

/// Sorts by key. The order is not transitive for all keys, so the standard sort, which may panic then, is not used.
pub fn sort<T: Copy>(entries: &mut Vec<(&str, T)>, order: Order) {
    if entries.windows(2).all(|pair| !is_less(pair[1].0, pair[0].0, order)) {
        return;
    }
    let mut width = 1;
    let mut from = entries.clone();
    while width < entries.len() {
        entries.clear();
        for run in from.chunks(2 * width) {
            let (left, right) = run.split_at(width.min(run.len()));
            merge(left, right, order, entries);
        }
        from.clone_from(entries);
        width *= 2;
    }
}

fn merge<'k, T: Copy>(left: &[(&'k str, T)], right: &[(&'k str, T)], order: Order, into: &mut Vec<(&'k str, T)>) {
    let (mut left, mut right) = (left.iter().peekable(), right.iter().peekable());
    while let (Some(a), Some(b)) = (left.peek(), right.peek()) {
        let next = if is_less(b.0, a.0, order) { right.next() } else { left.next() };
        into.extend(next.copied());
    }
    into.extend(left.copied());
    into.extend(right.copied());
}

/// Whether goyaml puts `a` before `b`.
pub fn is_less(a: &str, b: &str, order: Order) -> bool {
    let same = a.bytes().zip(b.bytes()).take_while(|(x, y)| x == y).count();
    if same == a.len() || same == b.len() {
        return a.len() < b.len();
    }
    let same = (0..=same).rev().find(|at| a.is_char_boundary(*at) && b.is_char_boundary(*at)).unwrap_or(0);
    let (Some(x), Some(y)) = (a[same..].chars().next(), b[same..].chars().next()) else { return a.len() < b.len() };
    match (x.is_alphabetic(), y.is_alphabetic()) {
        (true, true) => return x < y,
        (false, false) => {}
        (x_letter, y_letter) => {
            let after_digit = order == Order::V3 && a[..same].ends_with(|c: char| c.is_ascii_digit());
            return if after_digit { x_letter } else { y_letter };
        }
    }
    // A zero that follows digits that are not all zeros counts as a digit of the same number.
    let continues = (x == '0' || y == '0') && has_nonzero_digit_before(&a[..same]);
    let (x_value, x_len) = digits(&a[same..], continues);
    let (y_value, y_len) = digits(&b[same..], continues);
    match (x_value.cmp(&y_value), x_len.cmp(&y_len)) {
        (Ordering::Equal, Ordering::Equal) => x < y,
        (Ordering::Equal, len) => len == Ordering::Less,
        (value, _) => value == Ordering::Less,
    }
}

fn has_nonzero_digit_before(prefix: &str) -> bool {
    prefix.bytes().rev().take_while(u8::is_ascii_digit).any(|b| b != b'0')
}

fn digits(text: &str, continues: bool) -> (i64, usize) {
    let len = text.bytes().take_while(u8::is_ascii_digit).count();
    let start = i64::from(continues);
    let value = text.as_bytes()[..len].iter().fold(start, |value, b| {
        // Go's integers wrap around.
        value.wrapping_mul(10).wrapping_add(i64::from(b - b'0'))
    });
    (value, len)
}
