//! Where names and passwords for registries come from: flags, and the files of docker and of helm.

use std::path::{Path, PathBuf};

use masthead_agent::images::auth::{Credentials, Keyring};
use masthead_agent::images::reference::Reference;

use crate::charts::helm::Places;

/// How to be let in.
#[derive(Clone, Default)]
pub struct Login {
    /// Given for this call, for the repository or registry that it names.
    pub given: Option<(String, String)>,
    keyring: Keyring,
}

impl Login {
    /// With a name and password that were given, and what docker and helm keep for this user.
    pub fn new(given: Option<(String, String)>) -> Login {
        Login::of_files(given, Places::of_environment().registry.as_deref())
    }

    /// The same, with helm's logins in another file.
    pub fn of_files(given: Option<(String, String)>, registry: Option<&Path>) -> Login {
        let mut keyring = Keyring::default();
        for path in docker().into_iter().chain(registry.map(Path::to_owned)) {
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

/// The file of `docker login`.
fn docker() -> Option<PathBuf> {
    let var = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = var("DOCKER_CONFIG").or_else(|| var("HOME").map(|home| home.join(".docker")))?;
    Some(folder.join("config.json"))
}
