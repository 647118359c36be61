//! `.Files.Glob`: patterns with `*`, `**`, `?`, classes and `{a,b}`, as the glob library that Helm uses reads them.

/// A pattern that was read.
#[derive(Debug)]
pub struct Pattern {
    sequence: Vec<Node>,
}

#[derive(Debug)]
enum Node {
    Text(String),
    /// `*`: anything but a slash.
    Any,
    /// `**`: anything.
    Super,
    /// `?`
    Single,
    Class {
        not: bool,
        low: char,
        high: char,
        chars: Vec<char>,
    },
    Either(Vec<Vec<Node>>),
}

/// How many steps a match may take before it counts as none.
const STEPS_MAX: u32 = 1_000_000;

/// How deep braces may nest.
const DEPTH_MAX: u32 = 64;

impl Pattern {
    /// Reads a pattern; none where it is malformed.
    pub fn parse(text: &str) -> Option<Pattern> {
        let mut reader = Reader { rest: text };
        let sequence = reader.sequence(0)?;
        Some(Pattern { sequence })
    }

    /// A pattern that matches everything: what Helm takes instead of a malformed one.
    pub fn everything() -> Pattern {
        Pattern { sequence: vec![Node::Super] }
    }

    /// Whether the whole name matches.
    pub fn matches(&self, name: &str) -> bool {
        let mut steps = STEPS_MAX;
        run(&self.sequence, name, &mut steps, &mut |rest, _| rest.is_empty())
    }
}

type Then<'t> = dyn FnMut(&str, &mut u32) -> bool + 't;

fn run(nodes: &[Node], name: &str, steps: &mut u32, then: &mut Then<'_>) -> bool {
    let Some((node, rest)) = nodes.split_first() else { return then(name, steps) };
    *steps = steps.saturating_sub(1);
    if *steps == 0 {
        return false;
    }
    let first = name.chars().next();
    match node {
        Node::Text(text) => name.strip_prefix(text.as_str()).is_some_and(|name| run(rest, name, steps, then)),
        Node::Single => match first {
            Some(c) if c != '/' => run(rest, &name[c.len_utf8()..], steps, then),
            _ => false,
        },
        Node::Class { not, low, high, chars } => match first {
            Some(c) => {
                let within = if chars.is_empty() { (*low..=*high).contains(&c) } else { chars.contains(&c) };
                within != *not && run(rest, &name[c.len_utf8()..], steps, then)
            }
            None => false,
        },
        Node::Any | Node::Super => {
            let mut at = 0;
            loop {
                if run(rest, &name[at..], steps, then) {
                    return true;
                }
                match name[at..].chars().next() {
                    None => return false,
                    Some('/') if matches!(node, Node::Any) => return false,
                    Some(c) => at += c.len_utf8(),
                }
            }
        }
        Node::Either(branches) => {
            branches.iter().any(|branch| run(branch, name, steps, &mut |name, steps| run(rest, name, steps, then)))
        }
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn next(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.rest = &self.rest[c.len_utf8()..];
        Some(c)
    }

    /// Up to the end, or within braces up to a comma or the closing brace, which stay.
    fn sequence(&mut self, depth: u32) -> Option<Vec<Node>> {
        if depth > DEPTH_MAX {
            return None;
        }
        let mut nodes = Vec::new();
        while let Some(c) = self.rest.chars().next() {
            if depth > 0 && matches!(c, ',' | '}') {
                break;
            }
            match c {
                '{' => {
                    self.next();
                    nodes.push(self.either(depth + 1)?);
                }
                '[' => {
                    self.next();
                    nodes.push(self.class()?);
                }
                '?' => {
                    self.next();
                    nodes.push(Node::Single);
                }
                '*' => {
                    self.next();
                    let double = self.rest.starts_with('*');
                    if double {
                        self.next();
                    }
                    nodes.push(if double { Node::Super } else { Node::Any });
                }
                _ => nodes.push(Node::Text(self.text(if depth > 0 { "?*[{}," } else { "?*[{" }))),
            }
        }
        Some(nodes)
    }

    fn either(&mut self, depth: u32) -> Option<Node> {
        let mut branches = Vec::new();
        loop {
            branches.push(self.sequence(depth)?);
            match self.next() {
                Some(',') => {}
                // The library takes an end for a closing brace.
                _ => return Some(Node::Either(branches)),
            }
        }
    }

    fn text(&mut self, breakers: &str) -> String {
        let mut text = String::new();
        while let Some(c) = self.rest.chars().next() {
            if breakers.contains(c) {
                break;
            }
            self.next();
            match c {
                '\\' => text.extend(self.next()),
                c => text.push(c),
            }
        }
        text
    }

    fn class(&mut self) -> Option<Node> {
        let not = self.rest.starts_with('!');
        if not {
            self.next();
        }
        let mut ahead = self.rest.chars();
        let (first, second) = (ahead.next()?, ahead.next());
        if second == Some('-') {
            self.next();
            self.next();
            let high = self.next()?;
            let closed = self.next() == Some(']');
            return (closed && high >= first).then_some(Node::Class { not, low: first, high, chars: Vec::new() });
        }
        let chars: Vec<char> = self.text("]").chars().collect();
        let closed = self.next() == Some(']');
        (closed && !chars.is_empty()).then_some(Node::Class { not, low: '\0', high: '\0', chars })
    }
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    fn check(pattern: &str, name: &str, expect: bool) {
        assert_eq!(Pattern::parse(pattern).map(|pattern| pattern.matches(name)), Some(expect), "{pattern} {name}");
    }

    #[test]
    fn as_the_library_matches() {
        check("*.txt", "a.txt", true);
        check("*.txt", "a/b.txt", false);
        check("**.txt", "a/b.txt", true);
        check("conf/**", "conf/a/b", true);
        check("conf/*", "conf/a/b", false);
        check("{a,b*}/?.c", "bcd/x.c", true);
        check("{a,b*}/?.c", "c/x.c", false);
        check("[a-c]x", "bx", true);
        check("[!a-c]x", "bx", false);
        check("[abc]x", "cx", true);
        check("\\*", "*", true);
        check("", "", true);
        check("", "a", false);
        check("a}", "a}", true);
        check("{a,}b", "b", true);
        assert!(Pattern::parse("[").is_none());
        assert!(Pattern::parse("[z-a]").is_none());
    }

    #[test]
    fn hard_patterns_end() {
        let pattern = Pattern::parse(&"*a".repeat(40)).expect("it is well-formed");
        assert!(!pattern.matches(&"a".repeat(200).replace("aaaaaaaaaa", "aaaaaaaaab")));
    }
}
