//! What the one-pass reader accepts is what the full reader accepts and makes of it.

use serde_json::Value as Json;

use crate::decode;
use crate::tree::{Table, table_from_json};
use crate::{head, head_fast, table_fast};

const MANIFEST: &str = "# a comment
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web # the name
  annotations:
    helm.sh/hook: \"pre-install\"
    checksum/config: 'abc'
    long: |-
      folded
      text
    note: 'it''s
      folded, too'
  labels: {}
spec:
  replicas: 2
  description: Plain text that goes on
    in the next line

    and after an empty one.
  empty: |

  # after an empty text
  quoted: \"with: a colon
    and a \\\"quote\\\"\"
  below:
    the key
    # a comment
  none:
  template:
    spec:
      containers:
      - name: a
        args: [\"--x\", y, 5, true] # some
        command:
          - sh
          - -c
          - |
            echo: hello
              deeper

            end
          -
        env:
        - name: B
          value: \"it's \\\"quoted\\\"\"
      - name: c
        image: a/b:1.2
    # outside
    text: |+
      kept

  port: 0x1F
  list: []
  flag: yes
  half: .5
  odd: ~
";

/// What the full reader makes of values, by way of JSON.
fn full(text: &str) -> Result<Table, String> {
    match decode::yaml(text.as_bytes())? {
        Json::Object(fields) => Ok(table_from_json(fields)),
        other => Err(format!("no mapping: {other}")),
    }
}

#[test]
fn plain_texts_are_read_at_once() {
    let fast = head_fast::plain(MANIFEST).expect("it is plain");
    assert_eq!(head::full(MANIFEST), Ok(fast));
    check(MANIFEST);
    for refused in [
        "",
        "a",
        "- a",
        "a: b: c",
        "a:\n  b\n c: d\n",
        "a: &x b",
        "a: >-\n  b\n\n  c\n",
        "a: >-\n  b\n   c\n",
        "a: >-\n  b \n",
        "a: >+\n  b\n",
        "a: !t b",
        "a: .inf",
        "a: -.inf",
        "a: +.INF # c",
        "a: [.nan]",
        "a: [- x]",
        "a: \"x\\\n  y\"",
        "a: |+\n\nb: 1",
        "a: {b: c}",
    ] {
        assert!(table_fast::read(refused).is_none(), "{refused:?}");
    }
}

fn check(text: &str) {
    assert_eq!(table_fast::read(text), full(text).ok(), "{text:?}");
    assert!(table_fast::read(text).is_some(), "{text:?}");
}

#[test]
fn odd_but_plain() {
    for text in [
        "---\na: 1\n",
        "a:\n- b\n-\n- c\nd: 1",
        "a: b # c\n",
        "a: b#c\n",
        "a: 'x'  # c\nb: \"\"\n",
        "a: \"x\n\n\n  y\"\n",
        "a: \"\n  y\n  \"\n",
        "a: 'x \n y '\n",
        "a: x\n   y\n\n\n   z\nb: 1\n",
        "a: x\n  - y\n",
        "a:\n  \"x\"\n",
        "a:\n  b:\n  c:\n",
        "a: |\n  x\n\n\nb: |-\n  x\n\nc: |+\n  x\n\n",
        "a: |\n  x\n    y\n   \n  z",
        "a: >-\n  x  \n  y #z\n\n\nb: >\n  - x\nc: >\n  x: y\n\nd: >\n  x",
        "a: >\n  x\n  y\n# c\nb:\n- >-\n  x\n- >\n  x\n  é\n",
        "a: |\n  x\n# c\nb: 1\n",
        "a:\n  - - b\n    - c\n  - d: 1\n    e: 2\n",
        "a: 1\na: {}\na: [x]\n",
        "a: é – “x”\n# “y” \u{2026}\nb: \u{1F600}\n",
        "a: 1e3\nb: 0o7\nc: 1_000\nd: 18446744073709551615\ne: -0\nf: +1\ng: -x\nh: ./x\n",
        "a: 2024-01-01\nb: 1.2.3\nc: Null\nd: \"null\"\n",
        "\"a b\": 1\n'c': 2\n",
        "a: [ ]\nb: [ \"x y\", z ]\n",
        "a: http://x.y/#z\n",
        "a: |\n\n# c\nb: 1\n",
        "a:\n  b: |\n\n  # c\n  c: >-\n\nd: |",
        "a: |\n\n  \n   x\n  ",
        "a: ::1\nb: ?x\nc: -n\nd: +x\ne: { }\nf: {} # c\n",
        "a: ['/bin/sh', '-c', -c, --x, a, 5, 'a b'] # c\n",
        "a: 1e999\nb: -1e999\nc: .5e3\n",
    ] {
        check(text);
    }
}

/// A small generator, so that a failing case can be made again from its number.
struct Random(u64);

impl Random {
    fn next(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }

    /// The sample with lines changed, left out, doubled or moved.
    fn text(&mut self) -> String {
        const PIECES: [&str; 39] = [
            "", " ", "  ", "- ", "x", ": ", "\"", "'", "{", "}", "[", "]", "#", " #", "|", ">-", "&a ", "*a", "!t ",
            "? ", "~", "null", ".inf", "\t", "---", "%", "@", "-", ":", "<<: ", "1", "é", "\u{85}", "\u{2028}", "\\",
            ",", "::", "\\ ", "\t",
        ];
        let mut text: Vec<String> = MANIFEST.lines().map(str::to_owned).collect();
        if self.next(2) == 0 {
            let from = self.next(text.len());
            text = text.split_off(from);
        }
        for _ in 0..=self.next(4) {
            if text.is_empty() {
                break;
            }
            let at = self.next(text.len());
            match self.next(7) {
                0 => drop(text.remove(at)),
                1 => text.insert(at, text[self.next(text.len())].clone()),
                2 => text[at].insert(0, ' '),
                3 => {
                    let trimmed = text[at].strip_prefix(' ').map(str::to_owned);
                    text[at] = trimmed.unwrap_or_default();
                }
                4 => text.insert(at, String::new()),
                _ => {
                    let line = &text[at];
                    let places = (0..=line.len()).filter(|place| line.is_char_boundary(*place));
                    let place = places.clone().nth(self.next(places.count())).unwrap_or(0);
                    text[at].insert_str(place, PIECES[self.next(PIECES.len())]);
                }
            }
        }
        text.join("\n")
    }
}

#[test]
fn what_is_accepted_is_what_the_full_reader_makes_of_it() {
    let (mut heads, mut tables) = (0, 0);
    for case in 0..20_000 {
        let text = Random(case).text();
        if let Some(fast) = head_fast::plain(&text) {
            heads += 1;
            assert_eq!(head::full(&text), Ok(fast), "case {case}:\n{text}");
        }
        if let Some(fast) = table_fast::read(&text) {
            tables += 1;
            assert_eq!(full(&text), Ok(fast), "case {case}:\n{text}");
        }
    }
    assert!(heads > 1000 && tables > 1000, "{heads} heads, {tables} tables");
}
