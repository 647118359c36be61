//! The drafts of JSON Schema: how each names things, where schemas lie in schemas, and its own schema.

use std::sync::LazyLock;

use serde_json::Value as Json;

/// A draft.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Draft {
    /// 4, 6, 7, 2019 or 2020.
    pub version: u16,
}

/// The one for schemas that name none.
pub(crate) const LATEST: Draft = Draft { version: 2020 };

/// Where in a schema other schemas stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Position {
    /// The value itself.
    Here,
    /// Each property of the value.
    Properties,
    /// Each item of the value.
    Items,
}

const POSITIONS: [(u16, &str, Position); 23] = [
    (4, "definitions", Position::Properties),
    (4, "not", Position::Here),
    (4, "allOf", Position::Items),
    (4, "anyOf", Position::Items),
    (4, "oneOf", Position::Items),
    (4, "properties", Position::Properties),
    (4, "additionalProperties", Position::Here),
    (4, "patternProperties", Position::Properties),
    (4, "items", Position::Here),
    (4, "items", Position::Items),
    (4, "additionalItems", Position::Here),
    (4, "dependencies", Position::Properties),
    (6, "propertyNames", Position::Here),
    (6, "contains", Position::Here),
    (7, "if", Position::Here),
    (7, "then", Position::Here),
    (7, "else", Position::Here),
    (2019, "$defs", Position::Properties),
    (2019, "dependentSchemas", Position::Properties),
    (2019, "unevaluatedProperties", Position::Here),
    (2019, "unevaluatedItems", Position::Here),
    (2019, "contentSchema", Position::Here),
    (2020, "prefixItems", Position::Items),
];

impl Draft {
    /// The draft that a `$schema` names; none for another schema.
    pub fn of_url(url: &str) -> Option<Draft> {
        let (url, fragment) = super::pointer::split(url);
        if !fragment.is_empty() {
            return None;
        }
        let url = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://")).unwrap_or(url);
        let version = match url {
            "json-schema.org/schema" | "json-schema.org/draft/2020-12/schema" => 2020,
            "json-schema.org/draft/2019-09/schema" => 2019,
            "json-schema.org/draft-07/schema" => 7,
            "json-schema.org/draft-06/schema" => 6,
            "json-schema.org/draft-04/schema" => 4,
            _ => return None,
        };
        Some(Draft { version })
    }

    /// The URL of its own schema.
    pub fn url(self) -> &'static str {
        match self.version {
            4 => "http://json-schema.org/draft-04/schema",
            6 => "http://json-schema.org/draft-06/schema",
            7 => "http://json-schema.org/draft-07/schema",
            2019 => "https://json-schema.org/draft/2019-09/schema",
            _ => "https://json-schema.org/draft/2020-12/schema",
        }
    }

    /// The keyword of an identifier.
    pub fn id_keyword(self) -> &'static str {
        if self.version == 4 { "id" } else { "$id" }
    }

    /// The places of schemas in a schema.
    pub(crate) fn positions(self) -> impl Iterator<Item = (&'static str, Position)> {
        POSITIONS.iter().filter(move |row| row.0 <= self.version).map(|row| (row.1, row.2))
    }
}

/// The drafts' own schemas, as json-schema.org publishes them, by URL without its scheme.
const TEXTS: [(&str, &str); 18] = [
    ("json-schema.org/draft-04/schema", include_str!("meta/draft-04.json")),
    ("json-schema.org/draft-06/schema", include_str!("meta/draft-06.json")),
    ("json-schema.org/draft-07/schema", include_str!("meta/draft-07.json")),
    ("json-schema.org/draft/2019-09/schema", include_str!("meta/2019-09.json")),
    ("json-schema.org/draft/2019-09/meta/core", include_str!("meta/2019-09-core.json")),
    ("json-schema.org/draft/2019-09/meta/applicator", include_str!("meta/2019-09-applicator.json")),
    ("json-schema.org/draft/2019-09/meta/validation", include_str!("meta/2019-09-validation.json")),
    ("json-schema.org/draft/2019-09/meta/meta-data", include_str!("meta/2019-09-meta-data.json")),
    ("json-schema.org/draft/2019-09/meta/format", include_str!("meta/2019-09-format.json")),
    ("json-schema.org/draft/2019-09/meta/content", include_str!("meta/2019-09-content.json")),
    ("json-schema.org/draft/2020-12/schema", include_str!("meta/2020-12.json")),
    ("json-schema.org/draft/2020-12/meta/core", include_str!("meta/2020-12-core.json")),
    ("json-schema.org/draft/2020-12/meta/applicator", include_str!("meta/2020-12-applicator.json")),
    ("json-schema.org/draft/2020-12/meta/unevaluated", include_str!("meta/2020-12-unevaluated.json")),
    ("json-schema.org/draft/2020-12/meta/validation", include_str!("meta/2020-12-validation.json")),
    ("json-schema.org/draft/2020-12/meta/meta-data", include_str!("meta/2020-12-meta-data.json")),
    ("json-schema.org/draft/2020-12/meta/format-annotation", include_str!("meta/2020-12-format-annotation.json")),
    ("json-schema.org/draft/2020-12/meta/content", include_str!("meta/2020-12-content.json")),
];

static DOCUMENTS: LazyLock<Vec<(&'static str, Json)>> = LazyLock::new(|| {
    // The texts are ours and a test reads each.
    TEXTS.iter().filter_map(|(url, text)| serde_json::from_str(text).ok().map(|document| (*url, document))).collect()
});

/// One of the drafts' own schemas.
pub(crate) fn document(url: &str) -> Option<&'static Json> {
    let url = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"))?;
    let url = if url == "json-schema.org/schema" { "json-schema.org/draft/2020-12/schema" } else { url };
    DOCUMENTS.iter().find(|known| known.0 == url).map(|known| &known.1)
}

#[cfg(test)]
mod tests {
    use super::{DOCUMENTS, Draft, TEXTS};

    #[test]
    fn all_texts_are_json() {
        assert_eq!(DOCUMENTS.len(), TEXTS.len());
    }

    #[test]
    fn drafts_by_url() {
        assert_eq!(Draft::of_url("http://json-schema.org/draft-07/schema#").map(|draft| draft.version), Some(7));
        assert_eq!(
            Draft::of_url("https://json-schema.org/draft/2020-12/schema").map(|draft| draft.version),
            Some(2020)
        );
        assert_eq!(Draft::of_url("https://example.com/schema"), None);
    }
}
