//! Two texts as lines to a unified diff, with the algorithm of Python's difflib, which the API server's messages use.

use std::collections::HashMap;

/// Lines of context around a change.
const CONTEXT: usize = 3;

/// `size` equal lines from `a` of the first text and `b` of the second on.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Match {
    a: usize,
    b: usize,
    size: usize,
}

/// One stretch: lines `a..a_end` become lines `b..b_end`.
#[derive(Clone, Copy, Debug)]
struct Change {
    equal: bool,
    a: usize,
    a_end: usize,
    b: usize,
    b_end: usize,
}

/// Hunks of a unified diff without file headers; empty when the texts are equal.
pub fn unified(old: &[String], new: &[String]) -> String {
    let mut out = String::new();
    for group in grouped(&changes(old, new)) {
        let (Some(first), Some(last)) = (group.first(), group.last()) else { continue };
        let range = |from: usize, to: usize| match to - from {
            1 => format!("{}", from + 1),
            0 => format!("{from},0"),
            count => format!("{},{count}", from + 1),
        };
        out.push_str(&format!("@@ -{} +{} @@\n", range(first.a, last.a_end), range(first.b, last.b_end)));
        for change in group {
            let mut write = |mark: char, lines: &[String]| {
                for line in lines {
                    out.push(mark);
                    out.push_str(line);
                    out.push('\n');
                }
            };
            if change.equal {
                write(' ', &old[change.a..change.a_end]);
            } else {
                write('-', &old[change.a..change.a_end]);
                write('+', &new[change.b..change.b_end]);
            }
        }
    }
    out
}

/// Where each line of the second text stands; lines that are too frequent in a long text are left out.
fn index(new: &[String]) -> HashMap<&str, Vec<usize>> {
    let mut at: HashMap<&str, Vec<usize>> = HashMap::new();
    for (i, line) in new.iter().enumerate() {
        at.entry(line).or_default().push(i);
    }
    if new.len() >= 200 {
        let most = new.len() / 100 + 1;
        at.retain(|_, places| places.len() <= most);
    }
    at
}

fn longest(old: &[String], new: &[String], at: &HashMap<&str, Vec<usize>>, range: Change) -> Match {
    let mut best = Match { a: range.a, b: range.b, size: 0 };
    let mut lengths: HashMap<usize, usize> = HashMap::new();
    for (i, line) in old.iter().enumerate().take(range.a_end).skip(range.a) {
        let mut next = HashMap::new();
        for &j in at.get(line.as_str()).into_iter().flatten() {
            if j < range.b {
                continue;
            }
            if j >= range.b_end {
                break;
            }
            let size = j.checked_sub(1).and_then(|before| lengths.get(&before)).copied().unwrap_or(0) + 1;
            next.insert(j, size);
            if size > best.size {
                best = Match { a: i + 1 - size, b: j + 1 - size, size };
            }
        }
        lengths = next;
    }
    while best.a > range.a && best.b > range.b && old[best.a - 1] == new[best.b - 1] {
        best = Match { a: best.a - 1, b: best.b - 1, size: best.size + 1 };
    }
    while best.a + best.size < range.a_end
        && best.b + best.size < range.b_end
        && old[best.a + best.size] == new[best.b + best.size]
    {
        best.size += 1;
    }
    best
}

fn changes(old: &[String], new: &[String]) -> Vec<Change> {
    let at = index(new);
    let mut matches = Vec::new();
    let mut queue = vec![Change { equal: false, a: 0, a_end: old.len(), b: 0, b_end: new.len() }];
    while let Some(range) = queue.pop() {
        let found = longest(old, new, &at, range);
        if found.size == 0 {
            continue;
        }
        matches.push(found);
        if range.a < found.a && range.b < found.b {
            queue.push(Change { a_end: found.a, b_end: found.b, ..range });
        }
        if found.a + found.size < range.a_end && found.b + found.size < range.b_end {
            queue.push(Change { a: found.a + found.size, b: found.b + found.size, ..range });
        }
    }
    matches.sort_by_key(|m| (m.a, m.b));
    matches.push(Match { a: old.len(), b: new.len(), size: 0 });
    let (mut a, mut b) = (0, 0);
    let mut out: Vec<Change> = Vec::new();
    for m in matches {
        if a < m.a || b < m.b {
            out.push(Change { equal: false, a, a_end: m.a, b, b_end: m.b });
        }
        (a, b) = (m.a + m.size, m.b + m.size);
        match out.last_mut() {
            _ if m.size == 0 => {}
            Some(last) if last.equal && last.a_end == m.a && last.b_end == m.b => (last.a_end, last.b_end) = (a, b),
            _ => out.push(Change { equal: true, a: m.a, a_end: a, b: m.b, b_end: b }),
        }
    }
    out
}

fn grouped(changes: &[Change]) -> Vec<Vec<Change>> {
    let mut groups: Vec<Vec<Change>> = Vec::new();
    let mut group: Vec<Change> = Vec::new();
    let last = changes.len().saturating_sub(1);
    for (i, change) in changes.iter().enumerate() {
        let mut change = *change;
        let length = change.a_end - change.a;
        if change.equal {
            if i == 0 && length > CONTEXT {
                (change.a, change.b) = (change.a_end - CONTEXT, change.b_end - CONTEXT);
            } else if i == last && length > CONTEXT {
                (change.a_end, change.b_end) = (change.a + CONTEXT, change.b + CONTEXT);
            } else if i != 0 && length > 2 * CONTEXT {
                group.push(Change { a_end: change.a + CONTEXT, b_end: change.b + CONTEXT, ..change });
                groups.push(std::mem::take(&mut group));
                (change.a, change.b) = (change.a_end - CONTEXT, change.b_end - CONTEXT);
            }
        }
        group.push(change);
    }
    groups.push(group);
    groups.retain(|group| group.iter().any(|change| !change.equal));
    groups
}

#[cfg(test)]
mod tests {
    use super::unified;

    #[test]
    fn hunks_have_context() {
        let text = |s: &str| s.chars().map(String::from).collect::<Vec<_>>();
        let check = |old: &str, new: &str, expect: &str| assert_eq!(unified(&text(old), &text(new)), expect);
        check("abc", "abc", "");
        check("abcdefgh", "abcdXfgh", "@@ -2,7 +2,7 @@\n b\n c\n d\n-e\n+X\n f\n g\n h\n");
        check("a", "", "@@ -1 +0,0 @@\n-a\n");
        check(
            "abcdefghijklm",
            "aXcdefghijkYm",
            "@@ -1,5 +1,5 @@\n a\n-b\n+X\n c\n d\n e\n@@ -9,5 +9,5 @@\n i\n j\n k\n-l\n+Y\n m\n",
        );
    }
}
