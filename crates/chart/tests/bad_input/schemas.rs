//! Schemas that lead out of their file or have no end.

use masthead_chart::error::Stage;
use serde_json::json;

use crate::support::{CHART, memory_is_bounded, options, render_with};

/// What a render says of a schema, for the values `{"a": {"a": 1}}`.
fn said(schema: &str) -> String {
    let list = [CHART, ("values.schema.json", schema), ("templates/a.yaml", "a: 1\n")];
    match render_with(&list, json!({"a": {"a": 1}}), &options()) {
        Ok(_) => String::new(),
        Err(error) => {
            assert_eq!((error.stage, error.chart.as_str()), (Stage::Values, "t"), "{schema}");
            let intro = "values don't meet the specifications of the schema(s) in the following chart(s):\nt:\n";
            error.text.strip_prefix(intro).unwrap_or_else(|| panic!("{}", error.text)).to_owned()
        }
    }
}

#[test]
fn references_out_of_the_file_are_refused() {
    for (target, why) in [
        ("https://example.com/x.json", "references to other places are not followed"),
        ("http://127.0.0.1:1/x.json", "references to other places are not followed"),
        ("file:///etc/passwd", "references to other files are not followed"),
        ("other.json", "references to other files are not followed"),
        ("../../secret.json#/a", "references to other files are not followed"),
    ] {
        for schema in [
            format!("{{\"properties\": {{\"a\": {{\"$ref\": \"{target}\"}}}}}}"),
            format!("{{\"allOf\": [{{\"items\": {{\"$ref\": \"{target}\"}}}}]}}"),
        ] {
            let said = said(&schema);
            assert!(said.starts_with("failing loading \"") && said.contains(why), "{schema}: {said}");
        }
    }
    let said = said("{\"$schema\": \"https://example.com/schema\"}");
    assert!(said.contains("failing loading \"https://example.com/schema\""), "{said}");
}

#[test]
fn references_that_lead_in_circles_end() {
    assert_eq!(said("{\"properties\": {\"a\": {\"$ref\": \"#\"}}}"), "");
    let said = self::said("{\"$ref\": \"#/$defs/x\", \"$defs\": {\"x\": {\"$ref\": \"#/$defs/x\"}}}");
    let url = "file:///values.schema.json#/$defs/x";
    assert_eq!(said, format!("- at '': both /$ref/$ref and /$ref resolve to \"{url}\" causing reference cycle\n"));
    let said = self::said("{\"allOf\": [{\"anyOf\": [{\"$ref\": \"#\"}]}]}");
    assert!(said.contains("both /allOf/0/anyOf/0/$ref and  resolve to "), "{said}");
    let said = self::said("{\"properties\": {\"a\": {\"$ref\": \"#/nowhere\"}}}");
    assert!(
        said.contains("json-pointer in 'file:///values.schema.json#/nowhere' not found") || said.contains("#/nowhere"),
        "{said}"
    );
}

/// Found by the random tests: at the top, too, what no keyword has looked at is looked at.
#[test]
fn what_is_left_at_the_top_is_looked_at() {
    let said = said("{\"unevaluatedProperties\": {\"const\": false}}");
    assert_eq!(said, "- at '/a': value must be false\n");
}

#[test]
fn schemas_without_an_end_are_refused() {
    let deep = format!("{}{{}}{}", "{\"not\": ".repeat(400), "}".repeat(400));
    assert!(said(&deep).contains("recursion limit exceeded"), "{}", said(&deep));
    assert!(!said("{").is_empty() && !said("[]").is_empty());
    let pattern = said("{\"patternProperties\": {\"((a{1000}){1000}){1000}\": {}}}");
    assert!(!pattern.is_empty());
    // Ten levels of ten references each: ten to the tenth ways through it, all of the same few schemas.
    let mut levels = String::new();
    for level in 0..10 {
        let all = vec![format!("{{\"$ref\": \"#/$defs/l{}\"}}", level + 1); 10].join(",");
        levels.push_str(&format!("\"l{level}\": {{\"anyOf\": [{all}]}},"));
    }
    let wide = format!("{{\"$ref\": \"#/$defs/l0\", \"$defs\": {{{levels} \"l10\": {{}}}}}}");
    assert_eq!(said(&wide), "");
    let never = said(&wide.replace("\"l10\": {}", "\"l10\": false"));
    assert_eq!(never, "- at '': the schema takes more than 1000000 checks\n");
    memory_is_bounded();
}
