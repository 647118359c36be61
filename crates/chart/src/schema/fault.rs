//! What values lack, as a tree, and the text that Helm shows of it.

use masthead_gotmpl::quote::quote as go_quote;

use super::decimal::{english, english_int};

/// How many times a schema may be held against a value: references can make a few schemas take longer than anyone waits.
pub(crate) const CHECKS_MAX: usize = 1_000_000;

/// One fault, and those it is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// A JSON pointer into the values.
    pub at: String,
    /// What is wrong there.
    pub kind: Kind,
    /// The faults below it.
    pub causes: Vec<Fault>,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "each is a keyword of JSON Schema with what was got and what is wanted")]
pub enum Kind {
    Exhausted,
    Group,
    Reference,
    Not,
    AllOf,
    AnyOf,
    OneOf(Option<(usize, usize)>),
    FalseSchema,
    RefCycle { url: String, first: String, second: String },
    InvalidValue(String),
    Type { got: &'static str, want: String },
    Enum(Option<Vec<String>>),
    Const(Option<String>),
    Format { got: String, want: &'static str, why: String },
    MinProperties(i64, i64),
    MaxProperties(i64, i64),
    MinItems(i64, i64),
    MaxItems(i64, i64),
    AdditionalItems(i64),
    Required(Vec<String>),
    Dependency { property: String, missing: Vec<String> },
    AdditionalProperties(Vec<String>),
    PropertyNames(String),
    UniqueItems(i64, i64),
    Contains,
    MinContains { got: Vec<usize>, want: i64 },
    MaxContains { got: Vec<usize>, want: i64 },
    MinLength(i64, i64),
    MaxLength(i64, i64),
    Pattern { got: String, want: String },
    Minimum(f64, f64),
    Maximum(f64, f64),
    ExclusiveMinimum(f64, f64),
    ExclusiveMaximum(f64, f64),
    MultipleOf(f64, f64),
}

/// A text in single quotes.
pub(crate) fn quote(text: &str) -> String {
    let double = go_quote(text.as_bytes());
    let inner = double[1..double.len() - 1].replace("\\\"", "\"").replace('\'', "\\'");
    format!("'{inner}'")
}

fn joined(list: &[String]) -> String {
    list.iter().map(|text| quote(text)).collect::<Vec<_>>().join(", ")
}

fn two(name: &str, got: i64, want: i64) -> String {
    format!("{name}: got {}, want {}", english_int(got), english_int(want))
}

fn bound(name: &str, got: f64, want: f64) -> String {
    format!("{name}: got {}, want {}", english(got), english(want))
}

fn places(got: &[usize]) -> String {
    got.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

impl Kind {
    fn text(&self) -> String {
        match self {
            Kind::Exhausted => format!("the schema takes more than {CHECKS_MAX} checks"),
            Kind::Group | Kind::Reference => "validation failed".to_owned(),
            Kind::Not => "'not' failed".to_owned(),
            Kind::AllOf => "'allOf' failed".to_owned(),
            Kind::AnyOf => "'anyOf' failed".to_owned(),
            Kind::OneOf(None) => "'oneOf' failed, none matched".to_owned(),
            Kind::OneOf(Some((a, b))) => {
                format!("'oneOf' failed, subschemas {}, {} matched", english_int(*a as i64), english_int(*b as i64))
            }
            Kind::FalseSchema => "false schema".to_owned(),
            Kind::RefCycle { url, first, second } => {
                format!("both {first} and {second} resolve to {} causing reference cycle", go_quote(url.as_bytes()))
            }
            Kind::InvalidValue(typ) => format!("invalid jsonType {typ}"),
            Kind::Type { got, want } => format!("got {got}, want {want}"),
            Kind::Enum(None) => "'enum' failed".to_owned(),
            Kind::Enum(Some(want)) if want.len() == 1 => format!("value must be {}", want[0]),
            Kind::Enum(Some(want)) => format!("value must be one of {}", want.join(", ")),
            Kind::Const(None) => "'const' failed".to_owned(),
            Kind::Const(Some(want)) => format!("value must be {want}"),
            Kind::Format { got, want, why } => format!("{got} is not valid {want}: {why}"),
            Kind::MinProperties(got, want) => two("minProperties", *got, *want),
            Kind::MaxProperties(got, want) => two("maxProperties", *got, *want),
            Kind::MinItems(got, want) => two("minItems", *got, *want),
            Kind::MaxItems(got, want) => two("maxItems", *got, *want),
            Kind::AdditionalItems(count) => format!("last {} additionalItem(s) not allowed", english_int(*count)),
            Kind::Required(missing) if missing.len() == 1 => format!("missing property {}", quote(&missing[0])),
            Kind::Required(missing) => format!("missing properties {}", joined(missing)),
            Kind::Dependency { property, missing } => {
                format!("properties {} required, if {} exists", joined(missing), quote(property))
            }
            Kind::AdditionalProperties(list) => format!("additional properties {} not allowed", joined(list)),
            Kind::PropertyNames(name) => format!("invalid propertyName {}", quote(name)),
            Kind::UniqueItems(a, b) => format!("items at {} and {} are equal", english_int(*a), english_int(*b)),
            Kind::Contains => "no items match contains schema".to_owned(),
            Kind::MinContains { got, want } if got.is_empty() => {
                format!("min {} items required to match contains schema, but none matched", english_int(*want))
            }
            Kind::MinContains { got, want } => format!(
                "min {} items required to match contains schema, but matched {} items at {}",
                english_int(*want),
                english_int(got.len() as i64),
                places(got)
            ),
            Kind::MaxContains { got, want } => format!(
                "max {} items required to match contains schema, but matched {} items at {}",
                english_int(*want),
                english_int(got.len() as i64),
                places(got)
            ),
            Kind::MinLength(got, want) => two("minLength", *got, *want),
            Kind::MaxLength(got, want) => two("maxLength", *got, *want),
            Kind::Pattern { got, want } => format!("{} does not match pattern {}", quote(got), quote(want)),
            Kind::Minimum(got, want) => bound("minimum", *got, *want),
            Kind::Maximum(got, want) => bound("maximum", *got, *want),
            Kind::ExclusiveMinimum(got, want) => bound("exclusiveMinimum", *got, *want),
            Kind::ExclusiveMaximum(got, want) => bound("exclusiveMaximum", *got, *want),
            Kind::MultipleOf(got, want) => bound("multipleOf", *got, *want),
        }
    }
}

impl Fault {
    /// The lines of a fault and those below it, each with a line break in front.
    pub(crate) fn show(&self, indent: usize, out: &mut String) {
        let mut indent = indent;
        // A reference with one cause is passed over.
        if !(matches!(self.kind, Kind::Reference) && self.causes.len() == 1) {
            out.push('\n');
            for _ in 0..indent {
                out.push_str("  ");
            }
            out.push_str(&format!("- at {}: {}", quote(&self.at), self.kind.text()));
            indent += 1;
        }
        for cause in &self.causes {
            cause.show(indent, out);
        }
    }
}

/// The whole text, as the library's error of a failed validation has it.
pub(crate) fn report(location: &str, faults: &[Fault]) -> String {
    let mut out = format!("jsonschema validation failed with {}", quote(location));
    for fault in faults {
        fault.show(0, &mut out);
    }
    out
}
