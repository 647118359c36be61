//! `labelSelector` of a request → requirements, after the grammar and in the words of Kubernetes' `labels.Parse`.

use std::collections::{BTreeMap, BTreeSet};

use masthead_api::validate::name::{label_value, qualified_name};
use masthead_api::validate::quote::go_string;

/// What labels must be like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    key: String,
    operator: Operator,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Operator {
    In(BTreeSet<String>),
    NotIn(BTreeSet<String>),
    Exists,
    Absent,
    Above(i64),
    Below(i64),
}

impl Requirement {
    /// Whether labels are like this.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        let value = labels.get(&self.key);
        let number = || value.and_then(|v| v.parse::<i64>().ok());
        match &self.operator {
            Operator::In(values) => value.is_some_and(|v| values.contains(v)),
            Operator::NotIn(values) => value.is_none_or(|v| !values.contains(v)),
            Operator::Exists => value.is_some(),
            Operator::Absent => value.is_none(),
            Operator::Above(bound) => number().is_some_and(|n| n > *bound),
            Operator::Below(bound) => number().is_some_and(|n| n < *bound),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    /// A symbol or the word of an operator.
    Symbol,
    /// Any other word.
    Word,
    End,
}

const OPERATORS: &str = "in, notin, =, ==, !=, gt, lt";

/// Reads a selector; an empty one has no requirements.
///
/// # Errors
/// Kubernetes' sentence about what is not of the grammar.
pub fn parse(text: &str) -> Result<Vec<Requirement>, String> {
    let mut parser = Parser { tokens: tokens(text), at: 0 };
    let mut out = Vec::new();
    loop {
        match parser.peek() {
            (Token::End, _) => return Ok(out),
            (Token::Word, _) | (Token::Symbol, "!" | "in" | "notin") => {}
            (_, found) => return Err(format!("found '{found}', expected: !, identifier, or 'end of string'")),
        }
        out.push(parser.requirement().map_err(|why| format!("unable to parse requirement: {why}"))?);
        let (token, found) = parser.next();
        match (token, found.as_str()) {
            (Token::End, _) => return Ok(out),
            (Token::Symbol, ",") => match parser.peek() {
                (Token::Word, _) | (Token::Symbol, "!" | "in" | "notin") => {}
                (_, found) => return Err(format!("found '{found}', expected: identifier after ','")),
            },
            (_, found) => return Err(format!("found '{found}', expected: ',' or 'end of string'")),
        }
    }
}

fn is_symbol(c: char) -> bool {
    "=!(),><".contains(c)
}

/// The text in tokens, the last of which is the end.
fn tokens(text: &str) -> Vec<(Token, String)> {
    const DOUBLE: [&str; 2] = ["==", "!="];
    let mut out = Vec::new();
    let mut rest = text.trim_start_matches([' ', '\t', '\r', '\n']);
    while let Some(first) = rest.chars().next() {
        let length = if is_symbol(first) {
            let end = if DOUBLE.iter().any(|double| rest.starts_with(double)) { 2 } else { 1 };
            out.push((Token::Symbol, rest[..end].to_owned()));
            end
        } else {
            let end = rest.find(|c| is_symbol(c) || " \t\r\n".contains(c)).unwrap_or(rest.len());
            let word = &rest[..end];
            let token = if ["in", "notin"].contains(&word) { Token::Symbol } else { Token::Word };
            out.push((token, word.to_owned()));
            end
        };
        rest = rest[length..].trim_start_matches([' ', '\t', '\r', '\n']);
    }
    out.push((Token::End, String::new()));
    out
}

struct Parser {
    tokens: Vec<(Token, String)>,
    at: usize,
}

impl Parser {
    fn peek(&self) -> (Token, &str) {
        self.tokens.get(self.at).map_or((Token::End, ""), |(token, text)| (*token, text))
    }

    fn next(&mut self) -> (Token, String) {
        let (token, text) = self.peek();
        let found = (token, text.to_owned());
        self.at += 1;
        found
    }

    /// The next token where a key or a value may stand: there, words of operators are words like others.
    fn word(&mut self) -> Result<String, String> {
        match self.next() {
            (Token::Word, word) => Ok(word),
            (Token::Symbol, word) if word == "in" || word == "notin" => Ok(word),
            (_, found) => Err(found),
        }
    }

    fn requirement(&mut self) -> Result<Requirement, String> {
        let is_absent = self.peek() == (Token::Symbol, "!");
        self.at += usize::from(is_absent);
        let key = self.word().map_err(|found| format!("found '{found}', expected: identifier"))?;
        fits("<nil>", &key, &qualified_name(&key))?;
        if matches!(self.peek(), (Token::End, _) | (Token::Symbol, ",")) {
            let operator = if is_absent { Operator::Absent } else { Operator::Exists };
            return Ok(Requirement { key, operator });
        }
        if is_absent {
            return Ok(Requirement { key, operator: Operator::Absent });
        }
        let (token, operator) = self.next();
        let operator = match (token, operator.as_str()) {
            (Token::Symbol, "in") => Operator::In(self.values(&key)?),
            (Token::Symbol, "notin") => Operator::NotIn(self.values(&key)?),
            (Token::Symbol, "=" | "==") => Operator::In([self.value(&key)?].into()),
            (Token::Symbol, "!=") => Operator::NotIn([self.value(&key)?].into()),
            (Token::Symbol, ">") => Operator::Above(self.number(&key)?),
            (Token::Symbol, "<") => Operator::Below(self.number(&key)?),
            (_, found) => return Err(format!("found '{found}', expected: {OPERATORS}")),
        };
        Ok(Requirement { key, operator })
    }

    fn exact(&mut self) -> Result<String, String> {
        if matches!(self.peek(), (Token::End, _) | (Token::Symbol, ",")) {
            return Ok(String::new());
        }
        self.word().map_err(|found| format!("found '{found}', expected: identifier"))
    }

    fn value(&mut self, key: &str) -> Result<String, String> {
        let value = self.exact()?;
        fits(&format!("values[0][{key}]"), &value, &label_value(&value))?;
        Ok(value)
    }

    fn number(&mut self, key: &str) -> Result<i64, String> {
        let value = self.exact()?;
        let number = value.parse().map_err(|_| {
            let detail = "for 'Gt', 'Lt' operators, the value must be an integer";
            format!("values[0]: Invalid value: {}: {detail}", go_string(&value))
        });
        let rest = fits(&format!("values[0][{key}]"), &value, &label_value(&value));
        match (number, rest) {
            (Ok(number), rest) => rest.map(|()| number),
            (Err(one), Err(other)) => Err(format!("[{one}, {other}]")),
            (Err(one), Ok(())) => Err(one),
        }
    }

    /// `(a,b)`, in which values may be empty.
    fn values(&mut self, key: &str) -> Result<BTreeSet<String>, String> {
        match self.next() {
            (Token::Symbol, open) if open == "(" => {}
            (_, found) => return Err(format!("found '{found}' expected: '('")),
        }
        if let (Token::End, found) | (Token::Symbol, found @ ("=" | "==" | "!=" | "!" | ">" | "<" | "(")) = self.peek()
        {
            return Err(format!("found '{found}', expected: ',', ')' or identifier"));
        }
        let values = self.listed()?;
        let faults: Vec<String> = values
            .iter()
            .enumerate()
            .filter_map(|(i, value)| fits(&format!("values[{i}][{key}]"), value, &label_value(value)).err())
            .collect();
        match faults.as_slice() {
            [] => Ok(values),
            [one] => Err(one.clone()),
            several => Err(format!("[{}]", several.join(", "))),
        }
    }

    fn listed(&mut self) -> Result<BTreeSet<String>, String> {
        let mut values = BTreeSet::new();
        // Whether the last value has been read: before the first and after a comma it has not.
        let mut is_read = false;
        loop {
            let place = if is_read { "',' or ')'" } else { "',', or identifier" };
            match self.next() {
                (Token::Symbol, close) if close == ")" => {
                    if !is_read {
                        values.insert(String::new());
                    }
                    return Ok(values);
                }
                (Token::Symbol, comma) if comma == "," => {
                    if !is_read {
                        values.insert(String::new());
                    }
                    is_read = false;
                }
                (Token::Symbol, word) if !is_read && ["in", "notin"].contains(&word.as_str()) => {
                    values.insert(word);
                    is_read = true;
                }
                (Token::Word, word) if !is_read => {
                    values.insert(word);
                    is_read = true;
                }
                (_, found) => return Err(format!("found '{found}', expected: {place}")),
            }
        }
    }
}

fn fits(path: &str, text: &str, faults: &[String]) -> Result<(), String> {
    match faults {
        [] => Ok(()),
        faults => Err(format!("{path}: Invalid value: {}: {}", go_string(text), faults.join("; "))),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::parse;

    #[test]
    fn labels_select() {
        let labels = BTreeMap::from([("app".to_owned(), "web".to_owned()), ("n".to_owned(), "5".to_owned())]);
        let check = |text: &str, expect: bool| {
            let found = parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(found.iter().all(|one| one.matches(&labels)), expect, "{text}");
        };
        check("", true);
        check(" ", true);
        check("app=web", true);
        check("app==web", true);
        check("app = web , n", true);
        check("app!=web", false);
        check("other!=web", true);
        check("app in (a, web)", true);
        check("app in(web)", true);
        check("app notin (a,b),n=5", true);
        check("x notin (a)", true);
        check("x notin ()", true);
        check("app notin (,web)", false);
        check("!app", false);
        check("!x", true);
        check("n>4", true);
        check("n<5", false);
        check("x>4", false);
        check("app=", false);
        check("app=,n", false);
        check("in,notin", false);
        check("!in", true);
        check("app in (in,notin)", false);
        check("example.com/x", false);
    }

    #[test]
    fn faults_are_told_in_kubernetes_words() {
        let name = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an \
                    alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is \
                    '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
        let value = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and \
                     must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', \
                     regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
        let in_one = |why: &str| format!("unable to parse requirement: {why}");
        for (text, expect) in [
            ("a b", in_one("found 'b', expected: in, notin, =, ==, !=, gt, lt")),
            ("=x", "found '=', expected: !, identifier, or 'end of string'".to_owned()),
            ("a in b", in_one("found 'b' expected: '('")),
            ("a in (b", in_one("found '', expected: ',' or ')'")),
            ("a in (b c)", in_one("found 'c', expected: ',' or ')'")),
            ("a in (=)", in_one("found '=', expected: ',', ')' or identifier")),
            ("a in (b,=)", in_one("found '=', expected: ',', or identifier")),
            ("!a b", "found 'b', expected: ',' or 'end of string'".to_owned()),
            ("a,,b", "found ',', expected: identifier after ','".to_owned()),
            ("a=b c", "found 'c', expected: ',' or 'end of string'".to_owned()),
            ("a=(b", in_one("found '(', expected: identifier")),
            ("!!a", in_one("found '!', expected: identifier")),
            ("a=*", in_one(&format!("values[0][a]: Invalid value: \"*\": {value}"))),
            ("a in (b,*)", in_one(&format!("values[0][a]: Invalid value: \"*\": {value}"))),
            ("-a", in_one(&format!("<nil>: Invalid value: \"-a\": {name}"))),
            ("n>x", in_one("values[0]: Invalid value: \"x\": for 'Gt', 'Lt' operators, the value must be an integer")),
            ("a within (b)", in_one("found 'within', expected: in, notin, =, ==, !=, gt, lt")),
        ] {
            assert_eq!(parse(text).unwrap_err(), expect, "{text}");
        }
    }
}
