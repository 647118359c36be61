//! Where a chart is that is named on a command line, and how to be let in there: what all commands that fetch share.

use std::path::{Path, PathBuf};

use masthead_chart::command::{self, SOURCE};
use masthead_chart::disk::{Disk, Kind};
use masthead_chart::flags::{Flag, Given};

use crate::charts::access::{Access, Times, Tls, masked};
use crate::charts::credentials::Login;
use crate::charts::error::Error;
use crate::charts::fetch::{Check, Fetched, Fetcher, Options};
use crate::charts::helm::{self, Places};
use crate::charts::lock::Asked;
use crate::charts::provenance::{self, Verified};
use crate::charts::reference::Reference;
use crate::charts::store::Store;

use super::disk::{Real, words};

/// Flags of all commands that go to repositories and registries for a chart that is named.
pub const FLAGS: &[Flag] = SOURCE;

/// Where helm keeps what it knows.
pub fn places(given: &Given) -> Places {
    Places::new(given.text("repository-config"), given.text("registry-config"), &|name| std::env::var_os(name))
}

/// What was given about logins.
///
/// # Errors
/// None today.
pub fn login(given: &Given) -> Result<Login, String> {
    let named = match given.text("username") {
        "" => None,
        user => Some((user.to_owned(), given.text("password").to_owned())),
    };
    Ok(Login::of_files(named, places(given).registry.as_deref()))
}

/// How servers are checked and what they are shown, by the flags.
pub fn access(given: &Given) -> Access {
    let login = given.text("username");
    Access {
        login: (!login.is_empty()).then(|| (login.to_owned(), given.text("password").to_owned())),
        pass_credentials: given.is_on("pass-credentials"),
        tls: Tls {
            ca_file: given.text("ca-file").to_owned(),
            cert_file: given.text("cert-file").to_owned(),
            key_file: given.text("key-file").to_owned(),
            skip_verify: given.is_on("insecure-skip-tls-verify"),
        },
    }
}

/// The keyring that signatures are checked and made by.
pub fn keyring(given: &Given) -> PathBuf {
    let var = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    match given.text("keyring") {
        "" => var("GNUPGHOME").unwrap_or_else(|| var("HOME").unwrap_or_default().join(".gnupg")).join("pubring.gpg"),
        path => PathBuf::from(path),
    }
}

/// What `--verify` asks for.
pub fn check(given: &Given) -> Check {
    if given.is_on("verify") { Check::Always(keyring(given)) } else { Check::Never }
}

/// A fetcher that keeps charts where this user's programs keep such things, and checks signatures as `--verify` says.
///
/// # Errors
/// None today.
pub fn fetcher(given: &Given) -> Result<Fetcher, String> {
    fetcher_with(given, access(given), check(given))
}

/// The same, told whom to show what and what is done about signatures.
///
/// # Errors
/// None today.
pub fn fetcher_with(given: &Given, access: Access, check: Check) -> Result<Fetcher, String> {
    let options = Options {
        access,
        plain_http: given.is_on("plain-http"),
        places: places(given),
        check,
        times: Times::default(),
    };
    Ok(Fetcher::with(login(given)?, Store::new(cache()), options))
}

fn cache() -> PathBuf {
    let var = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = || var("HOME").map(|home| home.join(".cache"));
    var("XDG_CACHE_HOME").or_else(home).unwrap_or_else(std::env::temp_dir).join("masthead/charts")
}

/// The version that is asked for; `--devel` takes pre-releases too.
fn version(given: &Given) -> &str {
    match (given.text("version").trim(), given.is_on("devel")) {
        ("", true) => ">0.0.0-0",
        (version, _) => version,
    }
}

/// What `NAME --repo URL`, `REPO/NAME` or `oci://HOST/PATH/NAME` asks for, so that a Release can say it.
///
/// # Errors
/// It names no place, or one that a Release can't name.
pub fn asked(name: &str, given: &Given) -> Result<Asked, String> {
    let asked = |repository: &str, name: &str, version: &str| Asked {
        repository: repository.to_owned(),
        name: name.to_owned(),
        version: version.to_owned(),
    };
    if !given.text("repo").is_empty() {
        return Ok(asked(given.text("repo"), name, version(given)));
    }
    if name.starts_with("oci://") {
        let reference = Reference::parse(name).map_err(|error| error.to_string())?;
        if reference.digest.is_some() {
            return Err(format!("{name} names a digest: give --version, the lock file keeps the digest"));
        }
        let (place, chart) = reference.base.rsplit_once('/').unwrap_or((&reference.base, ""));
        let version = if reference.tag.is_empty() { version(given) } else { &reference.tag };
        return Ok(asked(place, chart, version));
    }
    let known = places(given).known().map_err(|error| error.to_string())?;
    match name.split_once('/').and_then(|(repository, chart)| Some((helm::by_name(&known, repository)?, chart))) {
        Some((known, chart)) => Ok(asked(&known.url, chart, version(given))),
        None => Err(format!("repo for {name:?} is not known: give --repo URL, or an oci:// reference")),
    }
}

/// Fetches the chart of a name: with `--repo`, a URL of its own, `oci://…`, or `REPO/NAME` of helm's list.
///
/// # Errors
/// Helm's words where it has some.
pub fn find(name: &str, given: &Given, check: Check) -> Result<Fetched, String> {
    let fetcher = fetcher_with(given, access(given), check)?;
    let version = version(given);
    let text = |error: Error| error.to_string();
    let repo = given.text("repo");
    if !repo.is_empty() {
        if !["https://", "http://", "oci://"].iter().any(|scheme| repo.starts_with(scheme)) {
            let scheme = repo.split_once("://").map_or("", |(scheme, _)| scheme);
            return Err(format!("could not find protocol handler for: {scheme}"));
        }
        let asked = Asked { repository: repo.to_owned(), name: name.to_owned(), version: version.to_owned() };
        return wait(async { fetcher.fetch(&asked).await.map_err(|error| unreachable(repo, error)) });
    }
    match name.split_once("://") {
        Some(("oci", _)) => {
            let reference = Reference::parse(name).map_err(text)?;
            wait(async { fetcher.fetch_reference(&reference, version).await.map_err(text) })
        }
        Some(("http" | "https", _)) => wait(async { fetcher.fetch_url(name).await.map_err(text) }),
        Some((scheme, _)) => Err(format!("scheme {scheme:?} not supported")),
        None => match name.split_once('/') {
            Some((repo, chart)) => wait(async { fetcher.fetch_known(repo, chart, version).await.map_err(text) }),
            None => Err(format!("non-absolute URLs should be in form of repo_name/path_to_chart, got: {name}")),
        },
    }
}

/// Helm's words around what a repository's index answered.
fn unreachable(repo: &str, error: Error) -> String {
    let is_index = match &error {
        Error::Fetch { url, .. } | Error::Limit { url, .. } => url.ends_with("/index.yaml"),
        Error::Index { .. } => true,
        _ => false,
    };
    match is_index {
        true => format!("looks like {:?} is not a valid chart repository or cannot be reached: {error}", masked(repo)),
        false => error.to_string(),
    }
}

/// A chart that is here, or has been brought here.
pub struct Located {
    /// Its folder or archive.
    pub path: String,
    /// What the user should know.
    pub notes: String,
}

/// Helm's `LocateChart`: what is at a path comes before everything else, and `--verify` holds for both.
///
/// # Errors
/// Helm's words where it has some.
pub fn locate(name: &str, given: &Given) -> Result<Located, String> {
    let name = name.trim();
    if Real::default().stat(name).is_ok() {
        let mut notes = String::new();
        if !given.text("repo").is_empty() {
            let repo = given.text("repo");
            notes = format!(
                "install.go:759: WARN local chart found in current working directory. repository url ignored chart={name} repository={repo}\n"
            );
        }
        if given.is_on("verify") {
            verify(name, given)?;
        }
        return Ok(Located { path: Real::default().absolute(name), notes });
    }
    if name.starts_with(['/', '.']) {
        return Err(format!("path {name:?} not found"));
    }
    let found = find(name, given, check(given))?;
    let path = Store::new(cache()).file(&found.locked.digest);
    let warnings = found.warnings.iter().map(|line| format!("{line}\n")).collect::<String>();
    Ok(Located { path: path.to_string_lossy().into_owned(), notes: format!("{}{warnings}", told(&found)) })
}

/// What helm tells of a chart from a registry.
pub fn told(found: &Fetched) -> String {
    let Some((name, digest)) = &found.pulled else { return String::new() };
    format!("Pulled: {name}\nDigest: {digest}\n{}", underscore(name))
}

/// Helm's note on versions with a plus sign.
pub fn underscore(name: &str) -> String {
    if !name.contains('_') {
        return String::new();
    }
    format!(
        "{name} contains an underscore.\n\nOCI artifact references (e.g. tags) do not support the plus sign (+). To support\nstoring semantic versions, Helm adopts the convention of changing plus (+) to\nan underscore (_) in chart version tags when pushing to a registry and back to\na plus (+) when pulling from a registry.\n"
    )
}

/// Helm's `VerifyChart`: an archive that is here, against the signature beside it.
///
/// # Errors
/// Helm's words where it has some.
pub fn verify(path: &str, given: &Given) -> Result<Verified, String> {
    if Real::default().stat(path)? == Kind::Folder {
        return Err("unpacked charts cannot be verified".to_owned());
    }
    let file = Path::new(path);
    if !file.extension().is_some_and(|end| end.eq_ignore_ascii_case("tgz")) {
        return Err("chart must be a tgz file".to_owned());
    }
    let signature = format!("{path}.prov");
    let missing = |error| format!("could not load provenance file {signature}: {error}");
    Real::default().stat(&signature).map_err(missing)?;
    let (archive, signature) = (Real::default().read(path)?, Real::default().read(&signature)?);
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    provenance::verify(&archive, &name, &signature, &keyring(given)).map_err(|error| error.to_string())
}

/// Whether what Chart.yaml asks for is not all in `charts/`.
///
/// # Errors
/// The chart does not load.
pub fn is_incomplete(path: &str) -> Result<bool, String> {
    let chart = masthead_chart::disk::chart(&mut Real::default(), path, &mut Vec::new())?;
    Ok(command::missing_dependencies(&chart).is_err())
}

/// Go's `filepath.Clean`, for paths that people see.
pub fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match (part, parts.last().copied()) {
            ("" | ".", _) => {}
            ("..", None) if rooted => {}
            ("..", Some(last)) if last != ".." => drop(parts.pop()),
            (part, _) => parts.push(part),
        }
    }
    match (rooted, parts.is_empty()) {
        (true, _) => format!("/{}", parts.join("/")),
        (false, true) => ".".to_owned(),
        (false, false) => parts.join("/"),
    }
}

/// Go's `filepath.Join` of two.
pub fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { clean(name) } else { clean(&format!("{folder}/{name}")) }
}

/// Writes a file as a whole: under another name first, so that nobody finds half of it.
///
/// # Errors
/// Go's words.
pub fn put(path: &str, text: &[u8]) -> Result<(), String> {
    let folder = Path::new(path).parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let fails = |error: &std::io::Error| words("open", path, error);
    let fresh = tempfile::Builder::new().prefix(".masthead-").tempfile_in(folder).map_err(|error| fails(&error))?;
    std::fs::write(fresh.path(), text).map_err(|error| fails(&error))?;
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(fresh.path(), mode).map_err(|error| fails(&error))?;
    fresh.persist(path).map(drop).map_err(|error| fails(&error.error))
}

/// Runs what has to wait for servers.
///
/// # Errors
/// Its own; or the system gives no threads.
pub fn wait<T>(work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| error.to_string())?.block_on(work)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned_as_go_cleans_them() {
        for (path, expect) in [
            ("a/b/../c/./d//e", "a/c/d/e"),
            ("./a/", "a"),
            ("", "."),
            ("..", ".."),
            ("../../a", "../../a"),
            ("a/../..", ".."),
            ("/../a", "/a"),
            ("/", "/"),
        ] {
            assert_eq!(clean(path), expect, "{path}");
        }
        assert_eq!(join("b", "../a"), "a");
    }
}
