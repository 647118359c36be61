//! Where names and passwords for repositories and registries come from: flags, and the files of docker and of helm.

use std::path::PathBuf;

use masthead_agent::images::auth::{Credentials, Keyring};
use masthead_agent::images::reference::Reference;

/// How to be let in.
#[derive(Clone, Default)]
pub struct Login {
    /// Given for this call, for every host.
    pub given: Option<(String, String)>,
    keyring: Keyring,
}

impl Login {
    /// With a name and password that were given, and what docker and helm keep for this user.
    pub fn new(given: Option<(String, String)>) -> Login {
        let mut keyring = Keyring::default();
        for path in files() {
            if let Ok(body) = std::fs::read(&path)
                && let Err(error) = keyring.add_config_json(&body)
            {
                tracing::warn!(path = %path.display(), %error, "logins are not read");
            }
        }
        Login { given, keyring }
    }

    /// What to show a registry.
    pub fn of(&self, reference: &Reference) -> Option<Credentials> {
        match &self.given {
            Some((user, password)) => Some(Credentials::Basic { user: user.clone(), password: password.clone() }),
            None => self.keyring.lookup(reference).into_iter().next(),
        }
    }
}

/// The files of `docker login` and of `helm registry login`.
fn files() -> Vec<PathBuf> {
    let var = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = var("HOME");
    let docker = var("DOCKER_CONFIG").or_else(|| home.as_ref().map(|home| home.join(".docker")));
    let config = var("XDG_CONFIG_HOME").or_else(|| home.as_ref().map(|home| home.join(".config")));
    let helm = var("HELM_REGISTRY_CONFIG").or_else(|| config.map(|config| config.join("helm/registry/config.json")));
    docker.map(|docker| docker.join("config.json")).into_iter().chain(helm).collect()
}
