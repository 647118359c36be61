//! The machine's host name → a node's name.

/// The host name in lower case, with what no DNS label may have left out; `node` when nothing is left.
pub fn default_name() -> String {
    let host = nix::unistd::gethostname().unwrap_or_default();
    label(&host.to_string_lossy())
}

/// The longest DNS label.
const LABEL_MAX: usize = 63;

fn label(host: &str) -> String {
    let first = host.split('.').next().unwrap_or_default().to_ascii_lowercase();
    let fit: String = first.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(LABEL_MAX).collect();
    let name = fit.trim_matches('-');
    if name.is_empty() { "node".to_owned() } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::label;

    #[test]
    fn host_names_become_labels() {
        for (host, expect) in [
            ("Box", "box"),
            ("web-1.example.com", "web-1"),
            ("my_host", "my-host"),
            ("-x-", "x"),
            ("", "node"),
            ("...", "node"),
            ("größe", "gr--e"),
        ] {
            assert_eq!(label(host), expect, "{host}");
        }
        assert_eq!(label(&"a".repeat(100)).len(), 63);
    }
}
