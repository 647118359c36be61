//! Where a chart is that is named on a command line, and how to be let in there: what pull, push, update, lock and install share.

use std::path::PathBuf;

use masthead_chart::flags::{Flag, Given, Takes, flag};

use crate::charts::credentials::Login;
use crate::charts::fetch::Fetcher;
use crate::charts::lock::Asked;
use crate::charts::store::Store;

/// Flags of all commands that go to repositories and registries.
pub const FLAGS: &[Flag] = &[
    flag("repo", Takes::Text),
    flag("version", Takes::Text),
    flag("username", Takes::Text),
    flag("password", Takes::Text),
    flag("devel", Takes::Bool),
    flag("verify", Takes::Bool),
    flag("keyring", Takes::Text),
    flag("insecure-skip-tls-verify", Takes::Bool),
    flag("plain-http", Takes::Bool),
    flag("ca-file", Takes::Text),
    flag("cert-file", Takes::Text),
    flag("key-file", Takes::Text),
];

/// Flags that would weaken or change how a server is checked, and are not supported.
const REFUSED: [&str; 6] = ["verify", "insecure-skip-tls-verify", "plain-http", "ca-file", "cert-file", "key-file"];

/// What was given about logins.
///
/// # Errors
/// A flag that is not supported.
pub fn login(given: &Given) -> Result<Login, String> {
    if let Some(refused) = REFUSED.into_iter().find(|name| given.get(name).is_some_and(|value| value != "false")) {
        return Err(format!("flag --{refused} is not supported yet"));
    }
    Ok(match given.text("username") {
        "" => Login::new(None),
        user => Login::new(Some((user.to_owned(), given.text("password").to_owned()))),
    })
}

/// A fetcher that keeps charts where this user's programs keep such things.
///
/// # Errors
/// A flag that is not supported, or no certificates.
pub fn fetcher(given: &Given) -> Result<Fetcher, String> {
    Fetcher::new(login(given)?, Store::new(cache())).map_err(|error| error.to_string())
}

fn cache() -> PathBuf {
    let var = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = || var("HOME").map(|home| home.join(".cache"));
    var("XDG_CACHE_HOME").or_else(home).unwrap_or_else(std::env::temp_dir).join("masthead/charts")
}

/// What `NAME --repo URL --version RANGE` or `oci://HOST/PATH/NAME --version RANGE` asks for.
///
/// # Errors
/// It names no place.
pub fn asked(name: &str, given: &Given) -> Result<Asked, String> {
    let version = match (given.text("version"), given.is_on("devel")) {
        ("", true) => ">0.0.0-0",
        (version, _) => version,
    };
    let asked = |repository: &str, name: &str| Asked {
        repository: repository.to_owned(),
        name: name.to_owned(),
        version: version.to_owned(),
    };
    match given.text("repo") {
        "" => match name.strip_prefix("oci://").and_then(|rest| rest.rsplit_once('/')) {
            Some((place, name)) => Ok(asked(&format!("oci://{place}"), name)),
            None => Err(format!("repo for {name:?} is not known: give --repo URL, or an oci:// reference")),
        },
        repo => Ok(asked(repo, name)),
    }
}

/// Runs what has to wait for servers.
///
/// # Errors
/// Its own; or the system gives no threads.
pub fn wait<T>(work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|error| error.to_string())?.block_on(work)
}
