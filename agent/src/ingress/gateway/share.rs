//! Weights → who gets the next request: each its exact part, spread as evenly as can be.

use std::sync::{Mutex, PoisonError};

/// Takes turns by weight, as all workers together see it.
///
/// In every run of as many requests as the sum of the weights, divided by their greatest common divisor, each gets
/// exactly its part (nginx' smooth weighted round robin).
#[derive(Debug)]
pub struct Share {
    weights: Vec<u64>,
    current: Mutex<Vec<i64>>,
}

fn divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { divisor(b, a % b) }
}

impl Share {
    /// Weights; those that are 0 get nothing.
    pub fn new(weights: &[u32]) -> Self {
        let all = weights.iter().map(|weight| u64::from(*weight));
        let common = all.clone().fold(0, divisor).max(1);
        Self { weights: all.map(|weight| weight / common).collect(), current: Mutex::new(vec![0; weights.len()]) }
    }

    /// Whether it is of these weights.
    pub fn is_of(&self, weights: &[u32]) -> bool {
        self.weights == Self::new(weights).weights
    }

    /// Whose turn it is; nobody's when nobody has a weight.
    pub fn next(&self) -> Option<usize> {
        let total: u64 = self.weights.iter().sum();
        if total == 0 {
            return None;
        }
        if let [_] = self.weights.as_slice() {
            return Some(0);
        }
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let mut best: Option<(usize, i64)> = None;
        for (at, (now, weight)) in current.iter_mut().zip(&self.weights).enumerate() {
            *now = now.saturating_add(i64::try_from(*weight).unwrap_or(i64::MAX));
            if *weight > 0 && best.is_none_or(|(_, most)| *now > most) {
                best = Some((at, *now));
            }
        }
        let (at, _) = best?;
        if let Some(now) = current.get_mut(at) {
            *now = now.saturating_sub(i64::try_from(total).unwrap_or(i64::MAX));
        }
        Some(at)
    }
}
