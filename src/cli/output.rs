//! `-o`: the words after it → how objects are printed.

use std::ffi::OsStr;

use clap::builder::{PossibleValue, TypedValueParser};
use clap::error::ErrorKind;
use clap::{Arg, Command};

/// How objects are printed.
#[derive(Clone, Debug, PartialEq, Eq)]
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
}

/// Each form with what it is.
const FORMS: [(&str, &str); 5] = [
    ("wide", "A table with more columns"),
    ("json", "JSON"),
    ("yaml", "YAML"),
    ("name", "Kind and name"),
    ("jsonpath=", "A template of paths: jsonpath='{.items[*].metadata.name}'"),
];

/// Reads an [`Output`].
#[derive(Clone, Copy, Debug)]
pub struct Outputs;

impl TypedValueParser for Outputs {
    type Value = Output;

    fn parse_ref(&self, command: &Command, _: Option<&Arg>, value: &OsStr) -> Result<Output, clap::Error> {
        let text = value.to_string_lossy();
        parse(&text).ok_or_else(|| {
            let why = format!(
                "unable to match a printer suitable for the output format {text:?}, allowed formats are: \
                 json, jsonpath=TEMPLATE, name, wide, yaml\n"
            );
            clap::Error::raw(ErrorKind::InvalidValue, why).with_cmd(command)
        })
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(FORMS.iter().map(|(name, help)| PossibleValue::new(*name).help(*help))))
    }
}

fn parse(text: &str) -> Option<Output> {
    match text {
        "wide" => Some(Output::Wide),
        "json" => Some(Output::Json),
        "yaml" => Some(Output::Yaml),
        "name" => Some(Output::Name),
        _ => {
            text.strip_prefix("jsonpath=").filter(|rest| !rest.is_empty()).map(|rest| Output::Jsonpath(rest.to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_is_read() {
        for (form, _) in FORMS {
            assert!(parse(form).is_some() != form.ends_with('='), "{form}");
        }
        assert_eq!(parse("jsonpath={.a}"), Some(Output::Jsonpath("{.a}".to_owned())));
        assert!(parse("custom-columns=A:.a").is_none() && parse("JSON").is_none());
    }
}
