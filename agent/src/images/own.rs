//! A name below `masthead.local`, where no registry is → the image of that name, made of this program where a pod wants it.

use std::path::Path;

use crate::images::assemble;
use crate::images::error::Error;
use crate::images::image::Image;
use crate::images::manifest::Defaults;
use crate::images::reference::Reference;
use crate::images::store::ImageStore;

/// The host of names that have no registry.
pub const HOST: &str = "masthead.local";

/// The demonstration, which answers HTTP with its version.
const DEMO: &str = "demo";
/// Its versions: two, so that there is one to roll to.
const VERSIONS: [&str; 2] = ["v1", "v2"];
/// Where the program is in the image.
const PROGRAM: &str = "/masthead";

/// Makes it.
///
/// # Errors
/// [`Error::NoRegistry`] for any other name; the program's files cannot be read, or the disk.
pub fn make(store: &ImageStore, reference: &Reference) -> Result<Image, Error> {
    let is_demo = reference.repository() == DEMO && reference.digest().is_none();
    let version = VERSIONS.into_iter().find(|version| is_demo && reference.tag() == Some(version));
    let (Some(version), Some(program)) = (version, store.program()) else {
        return Err(Error::NoRegistry { reference: reference.to_string(), host: HOST });
    };
    let config = Defaults {
        entrypoint: vec![PROGRAM.to_owned(), "demo-app".to_owned()],
        env: vec![format!("VERSION={version}")],
        ..Defaults::default()
    };
    store.assemble(reference, &assemble::program(Path::new(PROGRAM), program)?, config)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::store::Options;

    #[tokio::test]
    async fn what_is_this_program_is_made_and_nothing_else_is_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        let open = |name: &str, program: Option<&str>| {
            let options = Options { program: program.map(Into::into), ..Options::default() };
            ImageStore::open(&dir.path().join(name), options).unwrap()
        };
        let pull =
            async |store: &ImageStore, name: &str| store.pull(&Reference::parse(name).unwrap(), None, None).await;
        let store = open("one", Some("/bin/true"));
        let mut ids = Vec::new();
        for version in VERSIONS {
            let name = format!("{HOST}/{DEMO}:{version}");
            let image = pull(&store, &name).await.unwrap();
            assert_eq!(image.config.config.env, [format!("VERSION={version}")]);
            assert!(image.local, "nobody else has it");
            assert!(image.layers[0].join("masthead").is_file());
            assert_eq!(store.get(&name).unwrap().id, image.id);
            ids.push(image.id);
        }
        assert_ne!(ids[0], ids[1]);
        for (store, name) in [
            (&store, "masthead.local/demo:v3"),
            (&store, "masthead.local/demo"),
            (&store, "masthead.local/web:v1"),
            (&open("other", None), "masthead.local/demo:v1"),
        ] {
            let error = pull(store, name).await.unwrap_err();
            assert_eq!(error.reason(), "ErrImagePull");
            let text = error.to_string();
            assert!(text.starts_with(name) && text.contains("masthead.local is no registry"), "{text}");
        }
    }
}
