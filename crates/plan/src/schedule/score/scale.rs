//! What nodes have of something → the points for it, from 0 to 100.

/// The best score a plugin gives (`MaxNodeScore`).
pub const BEST: i64 = 100;

/// Raw scores as shares of the highest.
pub fn scaled(raw: Vec<i64>) -> Vec<i64> {
    let most = raw.iter().copied().max().unwrap_or(0).max(1);
    raw.into_iter().map(|score| score * BEST / most).collect()
}

/// As [`scaled`], where less is better.
pub fn reversed(raw: Vec<i64>) -> Vec<i64> {
    scaled(raw).into_iter().map(|score| BEST - score).collect()
}

/// Raw scores spread from the lowest to the highest; the order of the operations is the scheduler's, for it shows in
/// the last digit.
pub fn spanned(raw: Vec<i64>) -> Vec<i64> {
    let (most, least) = (raw.iter().copied().max().unwrap_or(0), raw.iter().copied().min().unwrap_or(0));
    let span = most.saturating_sub(least);
    raw.into_iter()
        .map(|score| if span > 0 { (BEST as f64 * ((score - least) as f64 / span as f64)) as i64 } else { 0 })
        .collect()
}
