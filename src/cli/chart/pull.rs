//! `masthead chart pull`: a chart of a repository or a registry to an archive or a folder here.

use masthead_chart::archive;
use masthead_chart::command::{COMMON, Outcome, Write};
use masthead_chart::flags::{self, Flag, Takes, flag, short};

use super::remote;

const FLAGS: &[Flag] = &[
    short("destination", 'd', Takes::Text),
    flag("untar", Takes::Bool),
    flag("untardir", Takes::Text),
    flag("prov", Takes::Bool),
    flag("pass-credentials", Takes::Bool),
];

/// Runs it.
pub fn run(args: &[String]) -> Outcome {
    done(args).unwrap_or_else(|error| Outcome::fail(&error))
}

fn done(args: &[String]) -> Result<Outcome, String> {
    let given = flags::parse(&[FLAGS, remote::FLAGS, COMMON], args)?;
    if let Some(refused) = ["prov", "pass-credentials"].into_iter().find(|name| given.is_on(name)) {
        return Err(format!("flag --{refused} is not supported yet"));
    }
    if given.words.is_empty() {
        return Err("\"masthead chart pull\" requires at least 1 argument".to_owned());
    }
    let mut outcome = Outcome::default();
    let folder = given.get("destination").unwrap_or(".").trim_end_matches('/');
    for name in &given.words {
        let asked = remote::asked(name, &given)?;
        let fetcher = remote::fetcher(&given)?;
        let (locked, bytes) = remote::wait(async { fetcher.resolve(&asked).await.map_err(|e| e.to_string()) })?;
        if let Some((place, digest)) = locked.url.strip_prefix("oci://").and_then(|url| url.split_once('@')) {
            outcome.stderr.push_str(&format!("Pulled: {place}:{}\nDigest: {digest}\n", locked.resolved));
        }
        if !given.is_on("untar") {
            let path = format!("{folder}/{}-{}.tgz", locked.asked.name, locked.resolved);
            outcome.writes.push(Write { path, text: bytes.to_vec(), append: false });
            continue;
        }
        let below = match given.text("untardir") {
            "" => folder.to_owned(),
            inner => format!("{folder}/{}", inner.trim_matches('/')),
        };
        let target = format!("{below}/{}", locked.asked.name);
        if std::path::Path::new(&target).exists() {
            return Err(format!("failed to untar: a file or directory with the name {target} already exists"));
        }
        // Paths come checked: relative, and without a way out.
        for file in archive::files(&bytes)? {
            let path = format!("{target}/{}", file.name);
            outcome.writes.push(Write { path, text: file.data.as_bytes().to_vec(), append: false });
        }
    }
    Ok(outcome)
}
