//! A packed chart and its `.prov` file → who signed it, and a packed chart → the text that such a file signs.

use std::collections::BTreeMap;
use std::path::Path;

use masthead_agent::images::digest::Digest;
use masthead_chart::{archive, load};
use masthead_yaml::limits::{Duplicates, Limits};
use masthead_yaml::{emit, parse};
use serde::Deserialize;
use serde_json::json;

use crate::charts::error::Error;
use crate::charts::openpgp::{self, Signer};

/// What stands between the chart's metadata and the digests.
const SEPARATOR: &str = "\n...\n";

/// A chart whose signature is good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Who signed it.
    pub signer: Signer,
    /// `sha256:` and the digest of the archive.
    pub digest: String,
}

impl Verified {
    /// Helm's lines about it.
    pub fn lines(&self) -> String {
        let Signer { identity, fingerprint } = &self.signer;
        let digest = &self.digest;
        format!("Signed by: {identity}\nUsing Key With Fingerprint: {fingerprint}\nChart Hash Verified: {digest}\n")
    }
}

/// Checks the signature of an archive that is called `name`.
///
/// # Errors
/// The signature is not good, or not over this archive.
pub fn verify(archive: &[u8], name: &str, provenance: &[u8], keyring: &Path) -> Result<Verified, Error> {
    let (signer, text) = openpgp::verify(keyring, provenance)?;
    let digest = Digest::of(archive).to_string();
    match promised(&text)?.get(name) {
        None => Err(Error::Provenance(format!("provenance does not contain a SHA for a file named {name:?}"))),
        Some(promised) if *promised != digest => {
            Err(Error::Provenance(format!("sha256 sum does not match for {name}: {promised:?} != {digest:?}")))
        }
        Some(_) => Ok(Verified { signer, digest }),
    }
}

/// The digests by file name in what was signed.
fn promised(text: &[u8]) -> Result<BTreeMap<String, String>, Error> {
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Sums {
        files: BTreeMap<String, String>,
    }
    let wrong = |why: &str| Error::Provenance(format!("what was signed does not read: {why}"));
    let text = std::str::from_utf8(text).map_err(|_| wrong("it is no UTF-8"))?;
    let Some(sums) = text.split(SEPARATOR).nth(1) else {
        return Err(Error::Provenance("message block must have at least two parts".to_owned()));
    };
    let limits = Limits { duplicates: Duplicates::Refuse, input_bytes: 1 << 20, ..Limits::default() };
    let value = parse::value(sums.as_bytes(), &limits)
        .map_err(|errors| wrong(&errors.first().map_or_else(String::new, ToString::to_string)))?;
    let sums: Sums = serde_json::from_value(value).map_err(|error| wrong(&error.to_string()))?;
    Ok(sums.files)
}

/// What is signed of an archive that is called `name`: the chart's metadata and the digest.
///
/// # Errors
/// It is no chart.
pub fn message(archive: &[u8], name: &str) -> Result<String, String> {
    let chart = load::files(archive::files(archive)?, &mut Vec::new())?;
    let sums = json!({ "files": { name: Digest::of(archive).to_string() } });
    let metadata = emit::to_string(&chart.metadata.to_json());
    Ok(format!("{metadata}{SEPARATOR}{}", emit::to_string(&sums)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_read_out_of_what_was_signed() {
        let text = "apiVersion: v2\nname: a\n\n...\nfiles:\n  a-1.tgz: sha256:00\n";
        assert_eq!(promised(text.as_bytes()).unwrap().get("a-1.tgz").map(String::as_str), Some("sha256:00"));
        let fails = |text: &str| promised(text.as_bytes()).expect_err("refused").to_string();
        assert_eq!(fails("name: a\n"), "message block must have at least two parts");
        assert!(fails("a: b\n...\nfiles: 5\n").contains("does not read"));
        assert!(fails("a: b\n...\nfiles: {a: x, a: y}\n").contains("does not read"), "one file has one digest");
        assert!(promised(b"\xff").is_err());
    }

    #[test]
    fn what_is_signed_is_helms() {
        let files = vec![masthead_chart::chart::File::new("Chart.yaml", "apiVersion: v2\nversion: 1.0.0\nname: a\n")];
        let chart = load::files(files, &mut Vec::new()).unwrap();
        let (name, bytes) = masthead_chart::package::package(&chart, &Default::default()).unwrap();
        let digest = Digest::of(&bytes);
        assert_eq!(
            message(&bytes, &name).unwrap(),
            format!("apiVersion: v2\nname: a\nversion: 1.0.0\n\n...\nfiles:\n  a-1.0.0.tgz: {digest}\n")
        );
    }
}
