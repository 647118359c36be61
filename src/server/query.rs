//! The query of a request → its parameters, read as Kubernetes reads them.

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

    /// Whether the change is to be judged and not made.
    ///
    /// # Errors
    /// 400: a value of `dryRun` other than `All`.
    pub fn dry_run(&self) -> Result<bool, Failure> {
        match self.get("dryRun") {
            None => Ok(false),
            Some("All") => Ok(true),
            Some(other) => {
                Err(Failure::bad_request(format!("dryRun: Unsupported value: {other:?}: supported values: \"All\"")))
            }
        }
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
        assert!(Query::parse("dryRun=All").unwrap().dry_run().unwrap());
        assert!(Query::parse("dryRun=some").unwrap().dry_run().is_err());
    }
}
