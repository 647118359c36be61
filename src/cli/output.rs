//! `-o`: the words after it → how objects are printed.

use std::ffi::OsStr;

use clap::builder::{PossibleValue, TypedValueParser};
use clap::error::ErrorKind;
use clap::{Arg, Command};

use crate::cli::columns::Columns;

/// How objects are printed.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// A table with more columns.
    Wide,
    /// JSON.
    Json,
    /// YAML.
    Yaml,
    /// Kind and name.
    Name,
    /// A template of paths.
    Jsonpath(String),
    /// What each path of a template finds, as a list in JSON.
    JsonpathAsJson(String),
    /// A table of paths.
    Columns(Columns),
}

/// Each form with what it is.
const FORMS: [(&str, &str); 7] = [
    ("wide", "A table with more columns"),
    ("json", "JSON"),
    ("yaml", "YAML"),
    ("name", "Kind and name"),
    ("jsonpath=", "A template of paths: jsonpath='{.items[*].metadata.name}'"),
    ("jsonpath-as-json=", "What paths find, as JSON"),
    ("custom-columns=", "A table of paths: custom-columns=NAME:.metadata.name,NODE:.spec.nodeName"),
];

/// Reads an [`Output`].
#[derive(Clone, Copy, Debug)]
pub struct Outputs;

impl TypedValueParser for Outputs {
    type Value = Output;

    fn parse_ref(&self, command: &Command, _: Option<&Arg>, value: &OsStr) -> Result<Output, clap::Error> {
        let text = value.to_string_lossy();
        parse(&text).map_err(|why| clap::Error::raw(ErrorKind::InvalidValue, why + "\n").with_cmd(command))
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(FORMS.iter().map(|(name, help)| PossibleValue::new(*name).help(*help))))
    }
}

fn parse(text: &str) -> Result<Output, String> {
    let unknown = || {
        let allowed = "custom-columns=COLUMNS, json, jsonpath=TEMPLATE, jsonpath-as-json=TEMPLATE, name, wide, yaml";
        format!("unable to match a printer suitable for the output format {text:?}, allowed formats are: {allowed}")
    };
    let template = |rest: &str| match rest {
        "" => Err("template format specified but no template given".to_owned()),
        rest => Ok(rest.to_owned()),
    };
    match text.split_once('=') {
        Some(("jsonpath", rest)) => template(rest).map(Output::Jsonpath),
        Some(("jsonpath-as-json", rest)) => template(rest).map(Output::JsonpathAsJson),
        Some(("custom-columns", rest)) => Columns::read(rest).map(Output::Columns),
        Some(_) => Err(unknown()),
        None => match text {
            "wide" => Ok(Output::Wide),
            "json" => Ok(Output::Json),
            "yaml" => Ok(Output::Yaml),
            "name" => Ok(Output::Name),
            "jsonpath" | "jsonpath-as-json" => template("").map(Output::Jsonpath),
            "custom-columns" => Columns::read("").map(Output::Columns),
            _ => Err(unknown()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_is_read() {
        for (form, _) in FORMS {
            assert!(parse(form).is_ok() != form.ends_with('='), "{form}");
        }
        assert_eq!(parse("jsonpath={.a}"), Ok(Output::Jsonpath("{.a}".to_owned())));
        assert_eq!(parse("jsonpath-as-json={.a}"), Ok(Output::JsonpathAsJson("{.a}".to_owned())));
        assert!(matches!(parse("custom-columns=A:.a=b"), Ok(Output::Columns(_))));
        assert!(parse("JSON").unwrap_err().starts_with("unable to match a printer"));
    }
}
