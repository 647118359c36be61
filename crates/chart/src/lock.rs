//! Chart.lock: the versions that a chart's dependencies were resolved to, and the digest Helm keeps of them.

use masthead_gotmpl::quote::quote;
use serde_json::{Value as Json, json};

use crate::decode::{Decoder, yaml};
use crate::metadata::{Dependency, dependencies};

/// Helm's `chart.Lock`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Lock {
    /// When it was made: RFC 3339, as it stands in the file.
    pub generated: String,
    /// `sha256:` and the digest of what Chart.yaml asks for and what was found; see [`digest_input`].
    pub digest: String,
    /// What was found.
    pub dependencies: Option<Vec<Option<Dependency>>>,
}

impl Lock {
    /// Reads a `Chart.lock` or `requirements.lock`; null is none.
    ///
    /// # Errors
    /// What `yaml.Unmarshal` says.
    pub fn read(text: &[u8]) -> Result<Option<Lock>, String> {
        let json = yaml(text)?;
        if json.is_null() {
            return Ok(None);
        }
        let mut lock = Lock::default();
        let mut time_fault = None;
        let mut decoder = Decoder::new("chart.Lock");
        decoder.root(json, "Lock", &["generated", "digest", "dependencies"], |decoder, field, json| match field {
            "generated" => match json {
                Json::Null => {}
                Json::String(text) => lock.generated = text,
                other => time_fault = Some(other),
            },
            "digest" => decoder.string(json, &mut lock.digest),
            _ => dependencies(decoder, json, &mut lock.dependencies),
        });
        if let Some(json) = time_fault {
            let text = quote(json.to_string().as_bytes());
            return Err(format!(
                "error unmarshaling JSON: while decoding JSON: parsing time {text} as \"\\\"2006-01-02T15:04:05Z07:00\\\"\": cannot parse {text} as \"\\\"\""
            ));
        }
        decoder.finish()?;
        Ok(Some(lock))
    }

    /// The JSON that Go makes of it.
    pub fn to_json(&self) -> Json {
        let list = self.dependencies.as_ref().map_or(Json::Null, |list| {
            list.iter().map(|entry| entry.as_ref().map_or(Json::Null, Dependency::to_json)).collect()
        });
        json!({"generated": self.generated, "digest": self.digest, "dependencies": list})
    }
}

/// The text whose SHA-256 is a lock's digest: Go's JSON of what is asked for and what is locked.
pub fn digest_input(asked: &[Dependency], locked: &[Dependency]) -> String {
    format!("[{},{}]", list(asked), list(locked))
}

/// The same for the digests that Helm 2 made.
pub fn digest_input_v2(asked: &[Dependency]) -> String {
    format!("{{\"dependencies\":{}}}", list(asked))
}

fn list(dependencies: &[Dependency]) -> String {
    let items: Vec<String> = dependencies
        .iter()
        .map(|dependency| {
            let fields = dependency.fields_json();
            let fields: Vec<String> =
                fields.iter().map(|(key, value)| format!("\"{key}\":{}", go_json(value))).collect();
            format!("{{{}}}", fields.join(","))
        })
        .collect();
    format!("[{}]", items.join(","))
}

/// `json.Marshal` escapes what could be taken for HTML.
fn go_json(value: &Json) -> String {
    let text = value.to_string();
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("\\u003c"),
            '>' => out.push_str("\\u003e"),
            '&' => out.push_str("\\u0026"),
            '\u{2028}' => out.push_str("\\u2028"),
            '\u{2029}' => out.push_str("\\u2029"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{digest_input, digest_input_v2};
    use crate::metadata::Dependency;

    #[test]
    fn the_digest_is_over_gos_json() {
        let asked =
            Dependency { name: "a".into(), version: ">=1".into(), repository: "r".into(), ..Dependency::default() };
        let locked = Dependency { version: "1.2.3".into(), ..asked.clone() };
        assert_eq!(
            digest_input(std::slice::from_ref(&asked), &[locked]),
            "[[{\"name\":\"a\",\"version\":\"\\u003e=1\",\"repository\":\"r\"}],[{\"name\":\"a\",\"version\":\"1.2.3\",\"repository\":\"r\"}]]"
        );
        assert!(digest_input_v2(&[asked]).starts_with("{\"dependencies\":[{\"name\":\"a\""));
    }
}
