//! `masthead chart push`: a packed chart to a registry.

use masthead_chart::command::{COMMON, Outcome};
use masthead_chart::flags;
use masthead_chart::{archive, load};

use crate::charts::oci::Place;

use super::remote;

/// Runs it.
pub fn run(args: &[String]) -> Outcome {
    done(args).unwrap_or_else(|error| Outcome::fail(&error))
}

fn done(args: &[String]) -> Result<Outcome, String> {
    let given = flags::parse(&[remote::FLAGS, COMMON], args)?;
    let [path, to] = given.words.as_slice() else {
        return Err("\"masthead chart push\" requires 2 arguments: an archive and oci://HOST/PATH".to_owned());
    };
    let bytes = std::fs::read(path).map_err(|error| super::disk::words("open", path, &error))?;
    archive::ensure(path, &bytes)?;
    let chart = load::files(archive::files(&bytes)?, &mut Vec::new())?;
    let url = format!("{}/{}", to.trim_end_matches('/'), chart.name());
    let version = chart.metadata.version.clone();
    let provenance = std::fs::read(format!("{path}.prov")).ok().map(Into::into);
    let login = remote::login(&given)?;
    let metadata = chart.metadata.to_json();
    let digest = remote::wait(async {
        let place = Place::open(&url, &login).map_err(|error| error.to_string())?;
        place.push(&version, &metadata, bytes.into(), provenance).await.map_err(|error| error.to_string())
    })?;
    let shown = url.trim_start_matches("oci://");
    let stderr = format!("Pushed: {shown}:{}\nDigest: {digest}\n", version.replace('+', "_"));
    Ok(Outcome { stderr, ..Outcome::default() })
}
