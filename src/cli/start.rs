//! Flags that `up` and `serve` share → the options of a control plane.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use masthead_agent::ingress::options::Options as IngressOptions;
use masthead_plan::network::cidr::Cidr;

use crate::daemon::options::{DATA_DIR, Options};

/// Flags of a control plane.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub struct Args {
    /// Where everything is kept: `repo.git/`, `store/`, `images/`, `logs/`, `pki/`.
    #[arg(long, value_name = "DIR", default_value = DATA_DIR)]
    pub data: PathBuf,
    /// Where the API and the repository are served; on another address than loopback with TLS and a token.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7070")]
    pub listen: SocketAddr,
    /// Where agents dial, always with mutual TLS; a free port of loopback unless given.
    #[arg(long, value_name = "ADDR")]
    pub listen_nodes: Option<SocketAddr>,
    /// Watch this repository, a path or a URL, and host none.
    #[arg(long, value_name = "PATH|URL")]
    pub repo: Option<String>,
    /// The branch to track [default: main, or what the watched repository's HEAD names].
    #[arg(long)]
    pub branch: Option<String>,
    /// The folder of the repository below which manifests are read.
    #[arg(long, value_name = "FOLDER", default_value = "")]
    pub path: String,
    /// The range of pods' addresses, of which each node gets a /24, or a /64 of IPv6; one of each family, with a comma
    /// between, for both [default: one of IPv4 that is free on this machine, for ever].
    #[arg(long, value_name = "CIDR[,CIDR]", value_delimiter = ',')]
    pub pod_cidr: Vec<Cidr>,
    /// The range of services' addresses, or one of each family [default: free ones, of the families of pods, for ever].
    #[arg(long, value_name = "CIDR[,CIDR]", value_delimiter = ',')]
    pub service_cidr: Vec<Cidr>,
    /// How every node serves Ingresses and gateways, again for each: proxy-protocol (true or false), trusted
    /// (ranges whose X-Forwarded headers and PROXY lines are believed), public-https-port (where redirects lead),
    /// access-log (a file's whole path; true: with the traces; false).
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
    /// The system does not tell where this program is.
    pub fn options(&self, nodes_port: u16) -> std::io::Result<Options> {
        Ok(Options {
            program: std::env::current_exe()?,
            data: self.data.clone(),
            listen: self.listen,
            listen_nodes: self.listen_nodes.unwrap_or_else(|| SocketAddr::new(self.listen.ip(), nodes_port)),
            store: self.store.clone(),
            repo: self.repo.clone(),
            branch: self.branch.clone(),
            path: self.path.clone(),
            pod_cidr: self.pod_cidr.clone(),
            service_cidr: self.service_cidr.clone(),
            ingress: self.ingress.iter().cloned().collect(),
            families: None,
            runs_pods: false,
        })
    }
}

/// What may stand before the `=` of `--ingress`.
const INGRESS: [&str; 4] = ["proxy-protocol", "trusted", "public-https-port", "access-log"];

/// Reads `NAME=VALUE` as nodes will.
fn ingress(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("it takes the form NAME=VALUE")?;
    if !INGRESS.contains(&name) {
        return Err(format!("there is no {name:?}: it is one of {}", INGRESS.join(", ")));
    }
    let (key, value) = (name.replace('-', "_"), value.trim().to_owned());
    let told = BTreeMap::from([(format!("ingress_{key}"), value.clone())]);
    match IngressOptions::default().take(&told).is_empty() {
        true => Ok((key, value)),
        false => Err(format!("{name} can't be {value:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_ingresses_are_served_is_read_as_nodes_read_it() {
        for name in INGRESS {
            let value = match name {
                "proxy-protocol" => "true",
                "trusted" => "10.0.0.0/8,fd00::/8",
                "access-log" => "/var/log/ingress.log",
                _ => "8080",
            };
            assert_eq!(ingress(&format!("{name}={value}")), Ok((name.replace('-', "_"), value.to_owned())));
            let wrong = ingress(&format!("{name}=x y"));
            assert_eq!(wrong, Err(format!("{name} can't be \"x y\"")));
        }
        assert!(ingress("trusted").is_err() && ingress("http-port=80").is_err() && ingress("=1").is_err());
    }
}
