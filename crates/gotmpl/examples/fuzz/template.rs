//! Random numbers to sources of templates that are mostly well-formed.
use crate::harness::Random;

/// Blocks within blocks, and parentheses within parentheses.
const DEPTH_MAX: usize = 5;

const TEXTS: &[&str] =
    &["a", "\n", "  ", "\t\n", "é", "x: y\n", "{", "}", "{ {", "<no value>", "-", "\u{fffd}", "\r\n"];
const NUMBERS: &[&str] = &[
    "0",
    "1",
    "-1",
    "7",
    "0x1F",
    "0b101",
    "0o17",
    "017",
    "1_000",
    "1e3",
    "1.5",
    "-0.0",
    "1e400",
    "0x1p-2",
    "3i",
    "1+2i",
    "9223372036854775807",
    "18446744073709551616",
    "'a'",
    "'\\n'",
    "'\\''",
];
const STRINGS: &[&str] =
    &["\"\"", "\"s\"", "\"d\"", "\"%d %v\\n\"", "\"\\xff\\u00e9\"", "`raw`", "`a\nb`", "\"{{ . }}\"", "\"a\\\"b\""];
const FIELDS: &[&str] = &[".a", ".f.g", ".f.g.h", ".l", ".m", ".missing", ".missing.x", ".s", ".b"];
const FUNCTIONS: &[&str] = &[
    "and",
    "or",
    "not",
    "eq",
    "ne",
    "lt",
    "le",
    "gt",
    "ge",
    "len",
    "index",
    "slice",
    "print",
    "printf",
    "println",
    "html",
    "js",
    "urlquery",
    "call",
    "list",
    "dict",
    "set",
    "include",
    "tpl",
    "needint",
    "needstr",
    "needi8",
    "needu",
    "needfloat",
    "needmap",
    "needlist",
    "strs",
    "two",
    "none",
    "fail",
];

/// A source that is being put together.
pub struct Source<'r> {
    random: &'r mut Random,
    text: String,
    depth: usize,
    loops: usize,
}

/// A source with a template `d` of its own.
pub fn source(random: &mut Random) -> Vec<u8> {
    let mut source = Source { random, text: String::new(), depth: 0, loops: 0 };
    if !source.random.one_in(4) {
        source.text.push_str("{{- define \"d\" }}[{{ . }}]{{ end -}}");
    }
    source.nodes();
    source.text.into_bytes()
}

impl Source<'_> {
    fn pick(&mut self, from: &[&str]) {
        let piece = *self.random.pick(from);
        self.text.push_str(piece);
    }

    fn nodes(&mut self) {
        for _ in 0..self.random.below(5) {
            match self.random.below(if self.depth < DEPTH_MAX { 12 } else { 5 }) {
                0..=2 => self.pick(TEXTS),
                3 | 4 => self.action(|source| source.pipeline(true)),
                5 | 6 => self.block("if "),
                7 => self.block("with "),
                8 | 9 => self.block("range "),
                10 => self.rare(),
                _ => self.text.push_str(["{{/* c */}}", "{{- /* }} \n */ -}}", "{{/**/ -}}"][self.random.below(3)]),
            }
        }
    }

    /// Delimiters, with trim markers now and then, around what is written.
    fn action(&mut self, write: impl FnOnce(&mut Self)) {
        self.text.push_str(if self.random.one_in(3) { "{{- " } else { "{{" });
        write(self);
        self.text.push_str(if self.random.one_in(3) { " -}}" } else { "}}" });
    }

    fn block(&mut self, keyword: &str) {
        self.depth += 1;
        self.action(|source| {
            source.text.push_str(keyword);
            if keyword == "range " && source.random.one_in(3) {
                source.text.push_str(["$i, $x := ", "$x := ", "$i, $x = "][source.random.below(3)]);
                source.operand();
            } else {
                source.pipeline(true);
            }
        });
        self.loops += usize::from(keyword == "range ");
        self.nodes();
        if self.loops > 0 && self.random.one_in(3) {
            self.action(|source| source.pick(&["break", "continue"]));
        }
        self.loops -= usize::from(keyword == "range ");
        if self.random.one_in(3) {
            if self.random.one_in(2) && keyword != "range " {
                self.action(|source| {
                    source.text.push_str("else ");
                    source.text.push_str(keyword);
                    source.pipeline(false);
                });
                self.nodes();
            }
            self.action(|source| source.text.push_str("else"));
            self.nodes();
        }
        self.action(|source| source.text.push_str("end"));
        self.depth -= 1;
    }

    fn rare(&mut self) {
        match self.random.below(4) {
            0 => self.action(|source| source.text.push_str("template \"d\" .")),
            1 => {
                self.depth += 1;
                self.action(|source| source.text.push_str("block \"k\" ."));
                self.nodes();
                self.action(|source| source.text.push_str("end"));
                self.depth -= 1;
            }
            2 if self.depth == 0 => {
                self.depth += 1;
                self.action(|source| source.text.push_str("define \"e\""));
                self.nodes();
                self.action(|source| source.text.push_str("end"));
                self.depth -= 1;
            }
            _ => self.pick(&["{{", "}}", "{{ end }}", "{{ else }}", "{{ break }}", "{{ \"", "{{ ) }}"]),
        }
    }

    fn pipeline(&mut self, declares: bool) {
        if declares && self.random.one_in(5) {
            self.pick(&["$x := ", "$y := ", "$x = ", "$ := "]);
        }
        self.command();
        for _ in 0..self.random.below(3) {
            self.pick(&[" | ", "|", " |\n "]);
            self.pick(FUNCTIONS);
            self.arguments();
        }
    }

    fn command(&mut self) {
        if self.random.one_in(2) {
            self.operand();
        } else {
            self.pick(FUNCTIONS);
            self.arguments();
        }
    }

    fn arguments(&mut self) {
        for _ in 0..self.random.below(4) {
            self.text.push(' ');
            self.operand();
        }
    }

    fn operand(&mut self) {
        match self.random.below(14) {
            0 => self.text.push('.'),
            1..=3 => self.pick(FIELDS),
            4 => self.text.push('$'),
            5 => {
                self.text.push('$');
                self.pick(FIELDS);
            }
            6 => self.pick(&["$x", "$x.a", "$i", "$undefined"]),
            7 | 8 => self.pick(NUMBERS),
            9 | 10 => self.pick(STRINGS),
            11 => self.pick(&["true", "false", "nil"]),
            _ if self.depth < DEPTH_MAX => {
                self.depth += 1;
                self.text.push('(');
                self.pipeline(false);
                self.text.push(')');
                self.depth -= 1;
                if self.random.one_in(3) {
                    self.pick(FIELDS);
                }
            }
            _ => self.text.push('.'),
        }
    }
}
