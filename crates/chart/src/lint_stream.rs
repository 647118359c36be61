//! A rendered file → its documents one after the other, as Kubernetes' decoder of YAML or JSON cuts it.
//!
//! A text that begins with a brace is a stream of JSON values until one of them cannot be read; from there on it is YAML,
//! unless more than one value was. A separator of YAML may have a comment behind it, and nothing else.

use masthead_yaml::json;
use masthead_yaml::json_scan::{Found, value};
use masthead_yaml::limits::Limits;
use serde_json::Value as Json;

use crate::decode;

/// Bytes that are looked at for a brace.
const LOOK_BYTES: usize = 4096;
/// Bytes that have to be left for a change from JSON to YAML.
const CHANGE_BYTES_MIN: usize = 4;

/// The documents of one text.
pub(crate) struct Documents<'t> {
    text: &'t str,
    at: usize,
    is_json: bool,
    count: usize,
}

/// One document, and whether it was read as JSON, whose faults have other words.
pub(crate) struct Document {
    pub json: Json,
    pub is_json: bool,
}

impl<'t> Documents<'t> {
    pub fn new(text: &'t str) -> Documents<'t> {
        let start = &text.as_bytes()[..text.len().min(LOOK_BYTES)];
        let is_json = String::from_utf8_lossy(start).trim_start().starts_with('{');
        Documents { text, at: 0, is_json, count: 0 }
    }

    /// The next document; `fits` says what is wrong with it, which may make YAML of what looked like JSON. None at the end.
    pub fn next<T>(&mut self, fits: impl Fn(Document) -> Result<T, String>) -> Option<Result<T, String>> {
        let mut first = None;
        if self.is_json {
            let from = self.at;
            let fault = match value(self.text.as_bytes(), from) {
                Found::End => return None,
                Found::Value(end) => {
                    let part = self.text.as_bytes().get(from..end).unwrap_or_default();
                    match self.json(part).and_then(|json| fits(Document { json, is_json: true })) {
                        Ok(object) => {
                            (self.at, self.count) = (end, self.count + 1);
                            return Some(Ok(object));
                        }
                        Err(fault) => fault,
                    }
                }
                Found::Cut => "unexpected EOF".to_owned(),
                Found::Fault(_, words) if self.count > 1 => words,
                Found::Fault(offset, words) => format!("json: offset {offset}: {words}"),
            };
            if self.count > 1 || !self.change() {
                return Some(Err(fault));
            }
            first = Some(fault);
        }
        let part = match self.part()? {
            Ok(part) => part,
            Err(fault) => return Some(Err(first.unwrap_or(fault))),
        };
        let done = decode::yaml(part.as_bytes()).and_then(|json| fits(Document { json, is_json: false }));
        self.count += usize::from(done.is_ok());
        Some(done.map_err(|fault| first.unwrap_or(fault)))
    }

    fn json(&self, part: &[u8]) -> Result<Json, String> {
        json::parse(part, &Limits::default()).map_err(|error| error.to_string())
    }

    /// Goes on as YAML, behind blanks up to the next line; no where too little is left.
    fn change(&mut self) -> bool {
        loop {
            let rest = &self.text[self.at..];
            if rest.len() < CHANGE_BYTES_MIN {
                return false;
            }
            let Some(blank) = rest.chars().next().filter(|c| c.is_whitespace()) else { break };
            self.at += blank.len_utf8();
            if blank == '\n' {
                break;
            }
        }
        self.is_json = false;
        true
    }

    /// The text of the next YAML document.
    fn part(&mut self) -> Option<Result<String, String>> {
        let mut part = String::new();
        while self.at < self.text.len() {
            let rest = &self.text[self.at..];
            let line = rest.split_inclusive('\n').next().unwrap_or(rest);
            self.at += line.len();
            let line = line.strip_suffix('\n').map_or(line, |line| line.strip_suffix('\r').unwrap_or(line));
            if let Some(behind) = line.strip_prefix("---") {
                let behind = behind.trim();
                if !behind.is_empty() && !behind.starts_with('#') {
                    return Some(Err(format!("invalid Yaml document separator: {behind}")));
                }
                if !part.is_empty() {
                    return Some(Ok(part));
                }
            }
            part.push_str(line);
            part.push('\n');
        }
        (!part.is_empty()).then_some(Ok(part))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Vec<String> {
        let mut documents = Documents::new(text);
        let mut out = Vec::new();
        let fits = |document: Document| match document.json {
            Json::String(_) => Err("no object".to_owned()),
            json => Ok(format!("{} {json}", document.is_json)),
        };
        while let Some(next) = documents.next(fits) {
            let is_fault = next.is_err();
            out.push(next.unwrap_or_else(|fault| fault));
            if is_fault {
                break;
            }
        }
        out
    }

    /// Held against what the real `helm lint` tells of such templates.
    #[test]
    fn texts_are_cut_as_kubernetes_cuts_them() {
        let check = |text: &str, expect: &[&str]| assert_eq!(all(text), expect, "{text:?}");
        check("", &[]);
        check("a: 1\n---\nb: 2\n", &["false {\"a\":1}", "false {\"b\":2}"]);
        check("a: 1\n---# c\nb: 2\n", &["false {\"a\":1}", "false {\"b\":2}"]);
        check("a: 1\n--- \t# c\r\nb: 2\r\n", &["false {\"a\":1}", "false {\"b\":2}"]);
        check("a: 1\n---x\nb: 2\n", &["invalid Yaml document separator: x"]);
        check("---\n---\n\n---\na: 1\n---", &["false null", "false null", "false {\"a\":1}"]);
        check("{\"a\":1}\n", &["true {\"a\":1}"]);
        check("{\"a\":1}{\"b\":2} {}", &["true {\"a\":1}", "true {\"b\":2}", "true {}"]);
        check("{\"a\":1}\n---\nb: 2\n", &["true {\"a\":1}", "false {\"b\":2}"]);
        check("{a: 1}\n---\nb: 2\n", &["false {\"a\":1}", "false {\"b\":2}"]);
        check("{\"a\":1,\n", &["unexpected EOF"]);
        check("{\"a\":1}\n[", &["true {\"a\":1}", "unexpected EOF"]);
        check("{\"a\": \"\\x\"}", &["json: offset 9: invalid character 'x' in string escape code"]);
        check("{}{} 'x", &["true {}", "true {}", "invalid character '\\'' looking for beginning of value"]);
        check(
            "{\"a\":1} trailing\n",
            &["true {\"a\":1}", "json: offset 11: invalid character 'a' in literal true (expecting 'u')"],
        );
    }
}
