//! A manifest's text to its kind, name and annotations, after the whole of it was read as YAML.

use crate::decode::{Decoder, yaml};

/// Helm's `releaseutil.SimpleHead`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Head {
    /// `apiVersion`
    pub version: String,
    /// `kind`
    pub kind: String,
    /// `metadata.name`
    pub name: String,
    /// `metadata.annotations`
    pub annotations: Vec<(String, String)>,
}

impl Head {
    /// The value of an annotation.
    pub fn annotation(&self, name: &str) -> Option<&str> {
        self.annotations.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

const METADATA: &str =
    "struct { Name string \"json:\\\"name\\\"\"; Annotations map[string]string \"json:\\\"annotations\\\"\" }";

/// Reads a manifest by all of YAML's rules.
pub(crate) fn full(text: &str) -> Result<Head, String> {
    let json = yaml(text.as_bytes())?;
    let mut head = Head::default();
    let mut decoder = Decoder::new("releaseutil.SimpleHead");
    decoder.root(json, "SimpleHead", &["apiVersion", "kind", "metadata"], |decoder, field, json| match field {
        "apiVersion" => decoder.string(json, &mut head.version),
        "kind" => decoder.string(json, &mut head.kind),
        _ => {
            decoder.fields(json, "", METADATA, &["name", "annotations"], |decoder, field, json| match field {
                "name" => decoder.string(json, &mut head.name),
                _ => {
                    let mut annotations = None;
                    decoder.string_map(json, &mut annotations);
                    head.annotations = annotations.unwrap_or_default();
                }
            });
        }
    });
    decoder.finish()?;
    Ok(head)
}

#[cfg(test)]
mod tests {
    use super::{METADATA, full};

    fn refuses(text: &str, expect: &str) {
        let expect = format!("error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {expect}");
        assert_eq!(full(text).err(), Some(expect), "{text}");
    }

    /// Every expectation was printed by Go.
    #[test]
    fn decodes_as_go_does() {
        let head = full("KIND: Foo\nMetadata: {Name: 5, annotations: {a: null, b: 1.50, c: 1e10, d: true}}")
            .expect("it is well-formed");
        assert_eq!((head.kind.as_str(), head.name.as_str()), ("Foo", "5"));
        assert_eq!(
            ["a", "b", "c", "d"].map(|key| head.annotation(key)),
            [Some(""), Some("1.5"), Some("1e+10"), Some("true")]
        );
        assert!(full("").is_ok() && full("null").is_ok() && full("metadata: null").is_ok());
        refuses("foo", "string into Go value of type releaseutil.SimpleHead");
        refuses("- a", "array into Go value of type releaseutil.SimpleHead");
        refuses("true", "bool into Go value of type releaseutil.SimpleHead");
        refuses("kind: [a]", "array into Go struct field SimpleHead.kind of type string");
        refuses("metadata: foo", &format!("string into Go struct field SimpleHead.metadata of type {METADATA}"));
        refuses("metadata: {name: [1]}", "array into Go struct field .metadata.name of type string");
        refuses(
            "metadata: {annotations: foo}",
            "string into Go struct field .metadata.annotations of type map[string]string",
        );
        refuses(
            "metadata: {annotations: {a: {b: c}}}",
            "object into Go struct field .metadata.annotations of type string",
        );
    }
}
