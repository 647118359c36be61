//! Picks the entry of a multi-platform image index that fits this machine.

use serde::{Deserialize, Serialize};

/// Operating system, architecture and its variant, in Go's names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    /// `linux`.
    #[serde(default)]
    pub os: String,
    /// `amd64`, `arm64`, `arm`, …
    #[serde(default)]
    pub architecture: String,
    /// `v8`, `v7`, …; empty when there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub variant: String,
}

impl Platform {
    /// A Linux platform.
    pub fn linux(architecture: &str, variant: &str) -> Self {
        Self { os: "linux".to_owned(), architecture: architecture.to_owned(), variant: variant.to_owned() }
    }

    /// `linux/arm/v7`.
    pub fn text(&self) -> String {
        match self.variant.as_str() {
            "" => format!("{}/{}", self.os, self.architecture),
            variant => format!("{}/{}/{variant}", self.os, self.architecture),
        }
    }

    /// Fills in what the names leave out: arm64 is v8, amd64 is v1, arm is v7 (containerd's rule).
    fn normalised(&self) -> Self {
        let architecture = match self.architecture.as_str() {
            "x86_64" | "x86-64" => "amd64",
            "aarch64" => "arm64",
            "i386" => "386",
            "armhf" => "arm",
            other => other,
        };
        let variant = match (architecture, self.variant.as_str()) {
            ("arm64", "" | "8") => "v8",
            ("amd64", "") => "v1",
            ("arm", "" | "7") => "v7",
            (_, other) => other,
        };
        Self { os: self.os.clone(), architecture: architecture.to_owned(), variant: variant.to_owned() }
    }
}

/// The platforms a machine of Rust's architecture `arch` (`std::env::consts::ARCH`) runs, best first.
pub fn preferences(arch: &str) -> Vec<Platform> {
    match arch {
        "x86_64" => vec![Platform::linux("amd64", "v1"), Platform::linux("386", "")],
        "aarch64" => vec![Platform::linux("arm64", "v8")],
        "arm" => ["v7", "v6", "v5"].map(|v| Platform::linux("arm", v)).to_vec(),
        "powerpc64" => vec![Platform::linux("ppc64le", "")],
        "loongarch64" => vec![Platform::linux("loong64", "")],
        other => vec![Platform::linux(other, "")],
    }
}

/// The position of the offer that fits best: the order of `wanted` decides, then that of the index.
///
/// An offer without a platform fits only when it is the single one.
pub fn choose(offers: &[Option<Platform>], wanted: &[Platform]) -> Option<usize> {
    if let [None] = offers {
        return Some(0);
    }
    wanted.iter().find_map(|want| {
        let want = want.normalised();
        offers.iter().position(|offer| offer.as_ref().is_some_and(|o| o.normalised() == want))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn picks_by_preference_then_order() {
        let p = |a: &str, v: &str| Some(Platform::linux(a, v));
        let unknown = Some(Platform { os: "unknown".into(), architecture: "unknown".into(), variant: String::new() });
        for (offers, arch, expect) in [
            (vec![p("arm64", "v8"), p("amd64", "")], "x86_64", Some(1)),
            (vec![p("arm64", ""), p("amd64", "")], "aarch64", Some(0)),
            (vec![p("arm", "v5"), p("arm", "v6"), p("arm", "v7")], "arm", Some(2)),
            (vec![p("arm", "v5"), p("arm", "v6")], "arm", Some(1)),
            (vec![p("386", "")], "x86_64", Some(0)),
            (vec![p("amd64", "v3"), p("amd64", "")], "x86_64", Some(1)),
            (vec![unknown.clone(), p("amd64", "")], "x86_64", Some(1)),
            (vec![unknown], "x86_64", None),
            (vec![None], "x86_64", Some(0)),
            (vec![None, None], "x86_64", None),
            (vec![p("s390x", "")], "x86_64", None),
        ] {
            assert_eq!(choose(&offers, &preferences(arch)), expect, "{offers:?} on {arch}");
        }
    }
}
