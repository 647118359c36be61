//! `masthead chart push`: a packed chart to a registry.

use masthead_chart::command::Outcome;
use masthead_chart::disk::{Disk, Kind};
use masthead_chart::{archive, load};

use crate::charts::access::Times;
use crate::charts::oci::Place;

use super::disk::Real;
use super::spec::PUSH;
use super::{line, remote};

/// Runs it.
pub fn run(args: &[String]) -> Outcome {
    line::run(&PUSH, args, |given, outcome| {
        PUSH.at_least(given, 2)?;
        let (path, to) = (&given.words[0], &given.words[1]);
        match to.split_once("://") {
            Some(("oci", _)) => {}
            Some((scheme, _)) => return Err(format!("scheme {scheme:?} not supported")),
            None => return Err("scheme prefix missing from remote (e.g. \"oci://\")".to_owned()),
        }
        if !remote::access(given).tls.is_plain() {
            return Err(crate::charts::fetch::NO_TLS_FLAGS.to_owned());
        }
        match Real::default().stat(path) {
            Err(error) if error.ends_with("no such file or directory") => return Err(format!("{path}: no such file")),
            Err(error) => return Err(error),
            Ok(Kind::Folder) => return Err("cannot push directory, must provide chart archive (.tgz)".to_owned()),
            Ok(_) => {}
        }
        let bytes = Real::default().read(path)?;
        archive::ensure(path, &bytes)?;
        let chart = load::files(archive::files(&bytes)?, &mut Vec::new())?;
        let url = format!("{}/{}", to.trim_end_matches('/'), chart.name());
        let version = chart.metadata.version.clone();
        let signature = format!("{path}.prov");
        let provenance = match Real::default().stat(&signature) {
            Ok(_) => Some(Real::default().read(&signature)?.into()),
            Err(_) => None,
        };
        let login = remote::login(given)?;
        let metadata = chart.metadata.to_json();
        let digest = remote::wait(async {
            let place = Place::open(&url, &login, given.is_on("plain-http"), Times::default());
            let place = place.map_err(|error| error.to_string())?;
            place.push(&version, &metadata, bytes.into(), provenance).await.map_err(|error| error.to_string())
        })?;
        let shown = format!("{}:{}", url.trim_start_matches("oci://"), version.replace('+', "_"));
        outcome.stderr.push_str(&format!("Pushed: {shown}\nDigest: {digest}\n{}", remote::underscore(&shown)));
        Ok(())
    })
}
