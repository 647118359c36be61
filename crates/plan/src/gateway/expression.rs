//! An expression of a match → why nodes can't use it.

use regex_automata::meta::Regex;

/// Bytes of the automaton of one expression; nodes have the same bound.
const AUTOMATON_BYTES_MAX: usize = 256 << 10;

/// Why an expression can't be used.
pub fn fault(expression: &str) -> Option<String> {
    let config = || Regex::config().nfa_size_limit(Some(AUTOMATON_BYTES_MAX));
    let build = |text: &str| Regex::builder().configure(config()).build(text).err();
    // Alone, so that it can't end the group that nodes put around it; then as nodes build it: the whole value must fit.
    let error = build(expression).or_else(|| build(&format!(r"\A(?:{expression})\z")))?;
    // The library's text has lines with marks below; its first line says enough with the expression itself.
    let why = match error.syntax_error() {
        Some(error) => error.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned(),
        None => "it is too large".to_owned(),
    };
    Some(format!("the expression {expression:?} can't be used: {why}"))
}

#[cfg(test)]
mod tests {
    use super::fault;

    #[test]
    fn what_nodes_can_t_use_is_told() {
        for good in ["", "/a/[0-9]+", "(?i)x|y", r"\d{1,3}", "a*?"] {
            assert_eq!(fault(good), None, "{good}");
        }
        for (bad, expect) in [
            ("(", "the expression \"(\" can't be used: unclosed group"),
            ("[", "the expression \"[\" can't be used: unclosed character class"),
            ("a{100000}{100000}", "the expression \"a{100000}{100000}\" can't be used: it is too large"),
            (r"(a)\1", "the expression \"(a)\\\\1\" can't be used: backreferences are not supported"),
        ] {
            assert_eq!(fault(bad).as_deref(), Some(expect));
        }
        assert!(fault("(?x)a # the rest is a comment").is_some());
        assert!(fault(")|(").is_some(), "what would end the group of our own is refused");
    }
}
