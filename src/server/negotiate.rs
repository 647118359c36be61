//! The `Accept` header → the form of the answer: the object itself, its metadata alone, or a table.

use axum::http::{HeaderMap, StatusCode, header};
use masthead_api::table::document::Include;

use crate::server::query::Query;
use crate::server::status::Failure;

/// How objects are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As they are.
    Object,
    /// `PartialObjectMetadata` of this version of `meta.k8s.io`.
    Metadata(&'static str),
    /// `Table` of this version of `meta.k8s.io`.
    Table(&'static str),
}

/// The first form of the `Accept` header that is served.
///
/// # Errors
/// 406: none is.
pub fn form(headers: &HeaderMap) -> Result<Form, Failure> {
    let accept: Vec<&str> = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    if accept.iter().all(|value| value.trim().is_empty()) {
        return Ok(Form::Object);
    }
    let ranges = accept.iter().flat_map(|value| value.split(','));
    ranges.filter_map(one).next().ok_or_else(|| {
        Failure::new(
            StatusCode::NOT_ACCEPTABLE,
            "NotAcceptable",
            "only the following media types are accepted: application/json, application/json;stream=watch",
        )
    })
}

fn one(range: &str) -> Option<Form> {
    let mut parts = range.split(';').map(str::trim);
    if !matches!(parts.next()?, "application/json" | "*/*" | "application/*") {
        return None;
    }
    let (mut kind, mut version, mut group) = (None, None, None);
    for part in parts {
        match part.split_once('=') {
            Some(("as", value)) => kind = Some(value),
            Some(("v", value)) => version = Some(value),
            Some(("g", value)) => group = Some(value),
            _ => {}
        }
    }
    let version = match (kind, group, version) {
        (None, _, _) => return Some(Form::Object),
        (_, Some("meta.k8s.io"), Some("v1")) => "meta.k8s.io/v1",
        (_, Some("meta.k8s.io"), Some("v1beta1")) => "meta.k8s.io/v1beta1",
        _ => return None,
    };
    match kind? {
        "Table" => Some(Form::Table(version)),
        "PartialObjectMetadata" | "PartialObjectMetadataList" => Some(Form::Metadata(version)),
        _ => None,
    }
}

/// What rows of a table carry.
///
/// # Errors
/// 400: an unknown word.
pub fn include(query: &Query) -> Result<Include, Failure> {
    let word = query.get("includeObject").unwrap_or_default();
    Include::parse(word).ok_or_else(|| Failure::bad_request(format!("unrecognized includeObject value: {word:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_form_that_is_served_wins() {
        let check = |accept: &str, expect: Option<Form>| {
            let mut headers = HeaderMap::new();
            if !accept.is_empty() {
                headers.insert(header::ACCEPT, accept.parse().unwrap());
            }
            assert_eq!(form(&headers).ok(), expect, "{accept}");
        };
        check("", Some(Form::Object));
        check("application/json", Some(Form::Object));
        check("*/*", Some(Form::Object));
        check("application/vnd.kubernetes.protobuf,application/json", Some(Form::Object));
        check("application/vnd.kubernetes.protobuf", None);
        check("text/html", None);
        check(
            "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json",
            Some(Form::Table("meta.k8s.io/v1")),
        );
        check("application/json;as=Table;v=v9;g=meta.k8s.io,application/json", Some(Form::Object));
        check(
            "application/json; as=PartialObjectMetadataList; g=meta.k8s.io; v=v1",
            Some(Form::Metadata("meta.k8s.io/v1")),
        );
        check("application/json;as=Nothing;g=meta.k8s.io;v=v1", None);
    }
}
