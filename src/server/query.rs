//! The query of a request → its parameters, read as Kubernetes reads them.

use masthead_api::patch::apply::Validation;

use crate::server::path::decode;
use crate::server::status::Failure;

/// Parameters at most; a command to execute has one for each word.
const PARAMETERS_MAX: usize = 10_000;

/// The parameters in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Reads what comes after the `?`.
    ///
    /// # Errors
    /// 400: broken percent-encoding, or too many parameters.
    pub fn parse(text: &str) -> Result<Query, Failure> {
        let broken = || Failure::bad_request("the query is not percent-encoded UTF-8");
        let mut pairs = Vec::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            if pairs.len() == PARAMETERS_MAX {
                return Err(Failure::bad_request(format!("the query has more than {PARAMETERS_MAX} parameters")));
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            pairs.push((decode(name, true).ok_or_else(broken)?, decode(value, true).ok_or_else(broken)?));
        }
        Ok(Query(pairs))
    }

    /// The first value of a parameter; an empty one counts as absent.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// All values of a parameter.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A switch: on when it is there with any value but `false` and `0`, as Kubernetes converts it.
    pub fn flag(&self, name: &str) -> bool {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .is_some_and(|(_, value)| !matches!(value.to_ascii_lowercase().as_str(), "false" | "0"))
    }

    /// A whole number.
    ///
    /// # Errors
    /// 400: it is none.
    pub fn int(&self, name: &str) -> Result<Option<i64>, Failure> {
        let number = |text: &str| {
            text.parse().map_err(|_| Failure::bad_request(format!("the parameter {name} is no whole number: {text:?}")))
        };
        self.get(name).map(number).transpose()
    }

    /// Whether the change is to be judged and not made; `options` is the kind of the options, as in `CreateOptions`.
    ///
    /// # Errors
    /// 422: a value of `dryRun` other than `All`.
    pub fn dry_run(&self, options: &str) -> Result<bool, Failure> {
        let values: Vec<&str> = self.all("dryRun").filter(|value| !value.is_empty()).collect();
        if values.iter().all(|value| *value == "All") {
            return Ok(!values.is_empty());
        }
        let shown = serde_json::json!(values);
        let message = format!("Unsupported value: {shown}: supported values: \"All\"");
        Err(Failure::invalid_options(options, &[("FieldValueNotSupported", message, "dryRun")]))
    }

    /// What becomes of fields that are unknown or stand twice.
    ///
    /// # Errors
    /// 422: an unknown word.
    pub fn validation(&self, options: &str) -> Result<Validation, Failure> {
        let word = self.get("fieldValidation").unwrap_or_default();
        Validation::of(word).ok_or_else(|| {
            let message =
                format!("Unsupported value: {word:?}: supported values: \"\", \"Ignore\", \"Strict\", \"Warn\"");
            Failure::invalid_options(options, &[("FieldValueNotSupported", message, "fieldValidation")])
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Query;

    #[test]
    fn parameters_are_read_as_kubernetes_does() {
        let query = Query::parse(
            "command=sh&command=-c&command=a+b%26c&follow&watch=true&previous=False&stdin=0&limit=5&empty=&bad=x",
        )
        .unwrap();
        assert_eq!(query.all("command").collect::<Vec<_>>(), ["sh", "-c", "a b&c"]);
        assert!(query.flag("follow") && query.flag("watch"));
        assert!(!query.flag("previous") && !query.flag("stdin") && !query.flag("absent"));
        assert_eq!(query.int("limit").unwrap(), Some(5));
        assert_eq!(query.int("empty").unwrap(), None);
        assert!(query.int("bad").is_err());
        assert!(Query::parse("a=%").is_err());
        assert!(Query::parse(&"a&".repeat(10_001)).is_err());
        let dry_run = |text: &str| Query::parse(text).unwrap().dry_run("CreateOptions").map_err(|fault| fault.body());
        assert_eq!((dry_run("dryRun=All"), dry_run("dryRun="), dry_run("")), (Ok(true), Ok(false), Ok(false)));
        let message = "CreateOptions.meta.k8s.io \"\" is invalid: dryRun: Unsupported value: [\"All\",\"some\"]: supported \
                       values: \"All\"";
        assert_eq!(dry_run("dryRun=All&dryRun=some").unwrap_err()["message"], message);
        let fault = Query::parse("fieldValidation=Loud").unwrap().validation("PatchOptions").unwrap_err().body();
        assert_eq!((&fault["code"], &fault["details"]["kind"]), (&422.into(), &"PatchOptions".into()));
    }
}
