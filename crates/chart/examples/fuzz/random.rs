//! A seed to numbers, texts and values, the same on every machine.

use serde_json::{Map, Value as Json, json};

/// SplitMix64.
pub struct Random(u64);

impl Random {
    /// Of a seed; near seeds give unlike numbers.
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below a bound, which is not 0.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.number() % bound as u64) as usize
    }

    /// True once in so many times.
    pub fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// One of some.
    pub fn pick<'t, T: ?Sized>(&mut self, from: &[&'t T]) -> &'t T {
        from[self.below(from.len())]
    }

    /// Pieces put together.
    pub fn text(&mut self, pieces: &[&str], most: usize) -> String {
        (0..self.below(most + 1)).map(|_| self.pick(pieces)).collect()
    }

    /// A text with lines and bytes changed, left out, doubled and moved, and pieces put in.
    pub fn mutate(&mut self, text: &str, pieces: &[&str]) -> String {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        if self.once_in(3) && !lines.is_empty() {
            lines = lines.split_off(self.below(lines.len()));
        }
        for _ in 0..=self.below(4) {
            if lines.is_empty() {
                break;
            }
            let at = self.below(lines.len());
            match self.below(8) {
                0 => drop(lines.remove(at)),
                1 => lines.insert(at, lines[self.below(lines.len())].clone()),
                2 => lines[at].insert(0, ' '),
                3 => {
                    let line = &mut lines[at];
                    *line = line.strip_prefix(' ').unwrap_or(line).to_owned();
                }
                4 => lines.insert(at, String::new()),
                _ => {
                    let line = &lines[at];
                    let places: Vec<usize> = (0..=line.len()).filter(|place| line.is_char_boundary(*place)).collect();
                    let place = places[self.below(places.len())];
                    lines[at].insert_str(place, self.pick(pieces));
                }
            }
        }
        let mut text = lines.join("\n");
        if self.once_in(2) {
            text.push('\n');
        }
        text
    }

    /// A value of JSON.
    pub fn json(&mut self, keys: &[&str], nulls: bool, depth: usize) -> Json {
        match self.below(if depth > 3 { 6 } else { 9 }) {
            0 if nulls => Json::Null,
            0 | 1 => json!(self.below(3)),
            2 => json!(self.pick(&["s", "", "true", "1", "x.y"])),
            3 => json!(self.once_in(2)),
            4 => json!([1, {"x": self.below(2)}]),
            5 => json!(0.5),
            _ => self.object(keys, nulls, depth + 1),
        }
    }

    /// A mapping.
    pub fn object(&mut self, keys: &[&str], nulls: bool, depth: usize) -> Json {
        let count = self.below(5);
        let all: Map<String, Json> =
            (0..count).map(|_| (self.pick(keys).to_owned(), self.json(keys, nulls, depth))).collect();
        Json::Object(all)
    }
}
