//! Reading: tables of what goyaml v2 and sigs.k8s.io/yaml make of texts, learnt by comparing with Go.

use masthead_yaml::error::Fault;
use masthead_yaml::limits::{Duplicates, Limits};
use masthead_yaml::parse::{documents, positions, value};
use serde_json::{Value, json};

fn read(text: &str) -> Value {
    value(text.as_bytes(), &Limits::default()).unwrap_or_else(|faults| panic!("{text:?}: {faults:?}"))
}

fn faults(text: &str, limits: &Limits) -> Vec<String> {
    documents(text.as_bytes(), limits).1.iter().map(ToString::to_string).collect()
}

#[test]
fn scalars_have_yaml_1_1_types() {
    let table = [
        ("yes", json!(true)),
        ("No", json!(false)),
        ("on", json!(true)),
        ("OFF", json!(false)),
        ("y", json!(true)),
        ("N", json!(false)),
        ("nO", json!("nO")),
        ("TRUE", json!(true)),
        ("tRUE", json!("tRUE")),
        ("~", json!(null)),
        ("null", json!(null)),
        ("NULL", json!(null)),
        ("nil", json!("nil")),
        ("", json!(null)),
        ("0755", json!(493)),
        ("0o17", json!(15)),
        ("0x1F", json!(31)),
        ("-0x1f", json!(-31)),
        ("0b101", json!(5)),
        ("-0b11", json!(-3)),
        ("0b-1", json!(-1)),
        ("08", json!(8)),
        ("0_7", json!(7)),
        ("1_000", json!(1000)),
        ("+12", json!(12)),
        ("-0", json!(0)),
        ("1e3", json!(1000)),
        ("1.5", json!(1.5)),
        (".5", json!(0.5)),
        ("1.", json!(1)),
        ("-1.5E-3", json!(-0.0015)),
        ("1.2.3", json!("1.2.3")),
        ("1e", json!("1e")),
        ("._5", json!("._5")),
        (".0_7", json!(0.07)),
        (".5_", json!(".5_")),
        ("9223372036854775808", json!(9_223_372_036_854_775_808u64)),
        ("18446744073709551616", json!(18_446_744_073_709_551_616.0)),
        ("2379386979465698000.0", json!(2_379_386_979_465_698_000i64)),
        ("1e400", json!("1e400")),
        ("12e-400", json!(0)),
        ("2001-01-01", json!("2001-01-01")),
        ("2001-12-14t21:59:43.10-05:00", json!("2001-12-14t21:59:43.10-05:00")),
        ("12:30:45", json!("12:30:45")),
        ("<<", json!("<<")),
        ("=", json!("=")),
        ("'5'", json!("5")),
        ("\"yes\"", json!("yes")),
        ("!!str 5", json!("5")),
        ("!!int '5'", json!(5)),
        ("!!float 5", json!(5)),
        ("!!bool off", json!(false)),
        ("!custom 5", json!("5")),
        ("! 5", json!("5")),
        ("!!binary aGk=", json!("hi")),
        ("!!null ''", json!(null)),
        ("!<tag:yaml.org,2002:str> 1", json!("1")),
        ("!!set {a, b}", json!({"a": null, "b": null})),
    ];
    for (text, expect) in table {
        assert_eq!(read(text), expect, "{text:?}");
    }
}

#[test]
fn keys_become_strings() {
    let text = "1: a\ntrue: b\nno: c\n1.5: d\n0x10: e\n.inf: f\n1e3: g\n2001-01-01: h\n0.1: i\n";
    let expect = json!({"1": "a", "true": "b", "false": "c", "1.5": "d", "16": "e", ".inf": "f", "1000": "g",
        "2001-01-01": "h", "0.1": "i"});
    assert_eq!(read(text), expect);
}

#[test]
fn styles_and_layout() {
    let table = [
        ("a: |\n  x\n  y\n", json!({"a": "x\ny\n"})),
        ("a: |-\n  x\n\n", json!({"a": "x"})),
        ("a: |+\n  x\n\n\nb: 1\n", json!({"a": "x\n\n\n", "b": 1})),
        ("a: |2\n    x\n   y\n", json!({"a": "  x\n y\n"})),
        ("a: |1-\n   x\n", json!({"a": "  x"})),
        ("a: >\n  one\n  two\n\n  three\n    more\n  end\n", json!({"a": "one two\nthree\n  more\nend\n"})),
        ("a: >-\n\n  x\n  y\n", json!({"a": "\nx y"})),
        ("a: plain\n  over\n\n  lines # end\n", json!({"a": "plain over\nlines"})),
        ("a: 'it''s\n  so'\n", json!({"a": "it's so"})),
        ("a: \"x\\ty\\\n   z\\u00e9\\x41\"\n", json!({"a": "x\tyz\u{e9}A"})),
        ("a:\n- 1\n- b: 2\n  c: 3\n-\n", json!({"a": [1, {"b": 2, "c": 3}, null]})),
        ("- - 1\n  - 2\n-   x: z\n", json!([[1, 2], {"x": "z"}])),
        ("{a: [1, {b: c}], d: , e}", json!({"a": [1, {"b": "c"}], "d": null, "e": null})),
        ("[a: 1, ? b]", json!([{"a": 1}, {"b": null}])),
        ("? a\n: b\n? c\n", json!({"a": "b", "c": null})),
        ("a: http://x:80/#y # c\n", json!({"a": "http://x:80/#y"})),
        ("a: b\r\nc:\r\n  - d\r\n", json!({"a": "b", "c": ["d"]})),
        ("a: |\r\n  x\r\n  y\r\n", json!({"a": "x\ny\n"})),
        ("\u{feff}a: 1\n", json!({"a": 1})),
        ("%YAML 1.1\n%TAG !e! tag:yaml.org,2002:\n---\na: !e!str 5\n...\n", json!({"a": "5"})),
        ("a:\tb\n", json!({"a": "b"})),
        ("\"a\" : {\"b\":1,\"c\":[]}", json!({"a": {"b": 1, "c": []}})),
    ];
    for (text, expect) in table {
        assert_eq!(read(text), expect, "{text:?}");
    }
}

#[test]
fn anchors_and_merges() {
    let table = [
        ("a: &x {k: 1}\nb: *x\n", json!({"a": {"k": 1}, "b": {"k": 1}})),
        ("a: &x 1\nb: &x 2\nc: *x\n", json!({"a": 1, "b": 2, "c": 2})),
        ("&k a: 1\nb: *k\n", json!({"a": 1, "b": "a"})),
        ("b: &x {k: 1, l: 2}\na:\n  <<: *x\n  k: 3\n", json!({"b": {"k": 1, "l": 2}, "a": {"k": 3, "l": 2}})),
        // The order of writing decides, even against what is written out.
        ("a: {k: 3, <<: {k: 1, l: 2}}\n", json!({"a": {"k": 1, "l": 2}})),
        ("a: {<<: [{k: 1}, {k: 2, l: 2}]}\n", json!({"a": {"k": 1, "l": 2}})),
        ("a: {'<<': 1}\n", json!({"a": {"<<": 1}})),
        ("a: {!!merge <<: {k: 1}}\n", json!({"a": {"k": 1}})),
    ];
    for (text, expect) in table {
        assert_eq!(read(text), expect, "{text:?}");
    }
}

#[test]
fn faults_have_gos_words_and_the_true_line() {
    let table = [
        ("a: 1\nb: c: d\n", "yaml: line 2: mapping values are not allowed in this context"),
        ("a:\n  b: 1\n c: 2\n", "yaml: line 3: did not find expected key"),
        ("a: 1\n- b\n", "yaml: line 2: did not find expected key"),
        ("- a\nb: 1\n", "yaml: line 2: did not find expected '-' indicator"),
        ("a: @b\n", "yaml: line 1: found character that cannot start any token"),
        ("a:\n\tb: 1\n", "yaml: line 2: found character that cannot start any token"),
        ("a: 1\nb\nc: 2\n", "yaml: line 2: could not find expected ':'"),
        ("a: [1, 2\nb: 3\n", "yaml: line 2: did not find expected ',' or ']'"),
        ("a: {b: 1\n", "yaml: line 2: did not find expected ',' or '}'"),
        ("a: \"b\n", "yaml: line 1: found unexpected end of stream"),
        ("a: 'b\n---\nc: 1\n", "yaml: line 1: found unexpected document indicator"),
        ("a: \"\\q\"\n", "yaml: line 1: found unknown escape character"),
        ("a: - b\n", "yaml: line 1: block sequence entries are not allowed in this context"),
        ("a: *b\n", "yaml: line 1: unknown anchor 'b' referenced"),
        ("a: &b [*b]\n", "yaml: line 1: anchor 'b' value contains itself"),
        ("a: 1\nb: 2\na: 3\n", "yaml: line 3: key \"a\" already set in map"),
        ("a: {<<: 1}\n", "yaml: line 1: map merge requires map or sequence of maps as the value"),
        ("a: .nan\n", "yaml: line 1: json: unsupported value: NaN"),
        ("a: [-.inf]\n", "yaml: line 1: json: unsupported value: -Inf"),
        ("? [a]\n: b\n", "yaml: line 1: invalid map key: a sequence cannot be a key"),
        ("~: b\n", "yaml: line 1: unsupported map key of type: null"),
        ("a: !!int x\n", "yaml: line 1: cannot decode !!str `x` as a !!int"),
        ("a: !!binary '?'\n", "yaml: line 1: !!binary value contains invalid base64 data"),
        ("a: !e!x y\n", "yaml: line 1: found undefined tag handle"),
        ("%YAML 1.2\n---\na: 1\n", "yaml: line 1: found incompatible YAML document"),
        ("a: 1\n...\nb: 2\n", "yaml: line 3: did not find expected <document start>"),
        ("a: |\n  x\n\ty\n", "yaml: line 3: found a tab character where an indentation space is expected"),
        ("a: \u{7}\n", "yaml: line 1: control characters are not allowed"),
    ];
    for (text, expect) in table {
        assert_eq!(faults(text, &Limits::default()).first().map(String::as_str), Some(expect), "{text:?}");
    }
}

#[test]
fn columns_count_characters() {
    let (_, errors) = documents("a: 1\n\u{e9}\u{e9}: b: c\n".as_bytes(), &Limits::default());
    assert_eq!((errors[0].line, errors[0].column), (2, 6));
}

#[test]
fn a_stream_is_split_and_faults_stay_in_their_document() {
    let text = "# head\n---\na: 1\n---\n\n--- # empty\n---\nb: [\n---\nnull\n--- {c: 3}\n---\nd: 1\nd: 2\ne: 1\ne: 2\n---\n- f\n";
    let (documents, errors) = documents(text.as_bytes(), &Limits::default());
    let found: Vec<_> = documents.iter().map(|document| (document.line, document.value.clone())).collect();
    assert_eq!(found, [(3, json!({"a": 1})), (11, json!({"c": 3})), (18, json!(["f"]))]);
    let lines: Vec<_> = errors.iter().map(|error| error.line).collect();
    assert_eq!(lines, [9, 14, 16]);
}

#[test]
fn duplicates_may_be_let_pass() {
    let limits = Limits { duplicates: Duplicates::LastWins, ..Limits::default() };
    assert_eq!(value(b"a: 1\na: 2\n", &limits), Ok(json!({"a": 2})));
}

#[test]
fn utf_16_is_read_with_its_mark() {
    let text = "a: \u{e9}\u{1F600}\n";
    for big in [false, true] {
        let unit = |unit: u16| if big { unit.to_be_bytes() } else { unit.to_le_bytes() };
        let bytes: Vec<u8> = std::iter::once(0xFEFF).chain(text.encode_utf16()).flat_map(unit).collect();
        let (documents, errors) = documents(&bytes, &Limits::default());
        assert_eq!((documents[0].value.clone(), errors), (json!({"a": "\u{e9}\u{1F600}"}), vec![]));
        assert!(!super_cut(&bytes).is_empty());
    }
}

/// Faults of a text whose last byte is missing.
fn super_cut(bytes: &[u8]) -> Vec<masthead_yaml::error::Error> {
    documents(&bytes[..bytes.len() - 1], &Limits::default()).1
}

#[test]
fn bytes_that_are_no_text_are_refused() {
    let table: [(&[u8], &str); 5] = [
        (b"a: \xff", "invalid leading UTF-8 octet"),
        (b"a: \xc3\x28", "invalid trailing UTF-8 octet"),
        (b"a: \xe2\x82", "incomplete UTF-8 octet sequence"),
        (b"a: \xc0\x80", "invalid length of a UTF-8 sequence"),
        (b"a: \xed\xa0\x80", "invalid Unicode character"),
    ];
    for (bytes, words) in table {
        let (_, errors) = documents(bytes, &Limits::default());
        assert_eq!(errors[0].fault, Fault::Encoding(words), "{bytes:?}");
    }
}

#[test]
fn positions_of_keys_and_values() {
    let text = "---\nkind: Pod\n---\n# c\nspec:\n  containers:\n  - name: a\n    image: b\n  - {name: \u{e9}, image:   d}\n  x/y: &n\n    z: 1\n  w: *n\n";
    let limits = Limits::default();
    let (documents, errors) = documents(text.as_bytes(), &limits);
    assert_eq!((documents.len(), errors.len()), (2, 0));
    let found = positions(text.as_bytes(), &documents[1], &limits);
    let place = |pointer: &str| {
        let spot = found.nearest(pointer).unwrap_or_else(|| panic!("{pointer}"));
        (spot.key.map(|key| (key.line, key.column)), (spot.value.line, spot.value.column))
    };
    assert_eq!(place("/spec/containers/0/image"), (Some((8, 5)), (8, 12)));
    assert_eq!(place("/spec/containers/1"), (None, (9, 5)));
    assert_eq!(place("/spec/containers/1/image"), (Some((9, 15)), (9, 24)));
    assert_eq!(place("/spec/x~1y/z"), (Some((11, 5)), (11, 8)));
    assert_eq!(place("/spec/w/z"), (Some((12, 3)), (12, 6)));
    assert_eq!(place("/spec/absent"), place("/spec"));
}
