//! Flags that `up` and `serve` share → the options of a control plane.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use masthead_agent::ingress::options::Options as IngressOptions;
use masthead_plan::network::cidr::Cidr;

use crate::daemon::options::{DATA_DIR, Options};

/// Flags of a control plane.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub struct Args {
    /// Where everything is kept: repository, store, images, logs, keys.
    #[arg(long, value_name = "DIR", env = "MASTHEAD_DATA", default_value = DATA_DIR)]
    pub data: PathBuf,
    /// Where the API and the repository are served; off loopback with TLS and a token.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7070")]
    pub listen: SocketAddr,
    /// Where agents dial, with mutual TLS [default: the address of --listen; `up`: any free port, `serve`: 7071].
    #[arg(long, value_name = "ADDR")]
    pub listen_nodes: Option<SocketAddr>,
    /// Watch this repository, a path or a URL, and host none.
    #[arg(long, value_name = "PATH|URL")]
    pub repo: Option<String>,
    /// The branch to track [default: main, or what the watched repository's HEAD names].
    #[arg(long)]
    pub branch: Option<String>,
    /// The folder of the repository below which manifests are read.
    #[arg(long, value_name = "FOLDER", default_value = "", hide_default_value = true)]
    pub path: String,
    /// The range of pods' addresses, or one of each family [default: a free one of IPv4, chosen once].
    ///
    /// Each node gets a /24 of it, or a /64 of IPv6. Where there are two, the first one's family is preferred.
    #[arg(long, value_name = "CIDR[,CIDR]", value_delimiter = ',')]
    pub pod_cidr: Vec<Cidr>,
    /// The range of services' addresses, or one of each family [default: free ones of pods' families, chosen once].
    #[arg(long, value_name = "CIDR[,CIDR]", value_delimiter = ',')]
    pub service_cidr: Vec<Cidr>,
    /// How every node serves Ingresses and gateways; may be repeated (--help tells what there is).
    ///
    /// proxy-protocol=true: each connection begins with a PROXY header.
    ///
    /// trusted=CIDR[,CIDR]: whose X-Forwarded headers and PROXY headers are believed.
    ///
    /// public-https-port=PORT: where redirects to HTTPS lead [default: 443].
    ///
    /// access-log=PATH: a line of JSON for each request goes to this file; true: to the agent's log; false: nowhere.
    ///
    /// A node that serves already takes a change when its agent starts again.
    #[arg(long, value_name = "NAME=VALUE", value_parser = ingress)]
    pub ingress: Vec<(String, String)>,
    /// The store: etcd://HOST:PORT[,…], etcds://… with TLS [default: an embedded one].
    #[arg(long, value_name = "URL")]
    pub store: Option<String>,
}

impl Args {
    /// The options, with `nodes_port` for agents unless an address is given.
    ///
    /// # Errors
    /// The system does not tell where this program is, or something is told twice.
    pub fn options(&self, nodes_port: u16) -> Result<Options> {
        Ok(Options {
            program: std::env::current_exe()?,
            data: std::path::absolute(&self.data)?,
            listen: self.listen,
            listen_nodes: self.listen_nodes.unwrap_or_else(|| SocketAddr::new(self.listen.ip(), nodes_port)),
            store: self.store.clone(),
            repo: self.repo.as_deref().map(whole).transpose()?,
            branch: self.branch.clone(),
            path: self.path.clone(),
            pod_cidr: self.pod_cidr.clone(),
            service_cidr: self.service_cidr.clone(),
            ingress: once(&self.ingress)?,
            families: None,
            runs_pods: false,
        })
    }
}

/// A path from the root on; URLs are as they are.
fn whole(repo: &str) -> std::io::Result<String> {
    let is_folder = !repo.contains("://") && Path::new(repo).is_dir();
    Ok(if is_folder { std::path::absolute(repo)?.display().to_string() } else { repo.to_owned() })
}

/// What may stand before the `=` of `--ingress`, and after it.
const INGRESS: [(&str, &str); 4] = [
    ("proxy-protocol", "true or false"),
    ("trusted", "ranges such as 10.0.0.0/8, with commas between"),
    ("public-https-port", "a port, 1 to 65535"),
    ("access-log", "a file's whole path, true or false"),
];

/// Reads `NAME=VALUE` as nodes will.
fn ingress(text: &str) -> std::result::Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("it takes the form NAME=VALUE")?;
    let Some((_, form)) = INGRESS.iter().find(|(known, _)| *known == name) else {
        let known = INGRESS.map(|(known, _)| known).join(", ");
        return Err(format!("there is no {name:?}: it is one of {known}"));
    };
    let (key, value) = (name.replace('-', "_"), value.trim().to_owned());
    let told = BTreeMap::from([(format!("ingress_{key}"), value.clone())]);
    match IngressOptions::default().take(&told).is_empty() {
        true => Ok((key, value)),
        false => Err(format!("{name} can't be {value:?}: it is {form}")),
    }
}

/// The settings by name; none is told twice, of which one would be passed over.
fn once(told: &[(String, String)]) -> Result<BTreeMap<String, String>> {
    let mut out = BTreeMap::new();
    for (key, value) in told {
        if out.insert(key.clone(), value.clone()).is_some() {
            bail!("--ingress {} is given twice", key.replace('_', "-"));
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_ingresses_are_served_is_read_as_nodes_read_it() {
        for (name, form) in INGRESS {
            let value = match name {
                "proxy-protocol" => "true",
                "trusted" => "10.0.0.0/8,fd00::/8",
                "access-log" => "/var/log/ingress.log",
                _ => "8080",
            };
            assert_eq!(ingress(&format!("{name}={value}")), Ok((name.replace('-', "_"), value.to_owned())));
            let wrong = ingress(&format!("{name}=x y"));
            assert_eq!(wrong, Err(format!("{name} can't be \"x y\": it is {form}")));
        }
        let told = |names: &[&str]| once(&names.iter().map(|name| ingress(name).unwrap()).collect::<Vec<_>>());
        assert_eq!(told(&["trusted=10.0.0.0/8", "access-log=true"]).unwrap().len(), 2);
        let twice = told(&["trusted=10.0.0.0/8", "trusted=10.0.0.0/9"]).unwrap_err().to_string();
        assert_eq!(twice, "--ingress trusted is given twice");
        assert!(ingress("trusted").is_err() && ingress("http-port=80").is_err() && ingress("=1").is_err());
    }
}
