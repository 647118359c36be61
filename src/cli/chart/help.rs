//! A command's description → its help.

use masthead_chart::command::{COMMON, Outcome};
use masthead_chart::flags::{Flag, Takes};

use super::spec::Spec;

/// What a flag is for, by its name.
const WORDS: &[(&str, &str)] = &[
    ("api-versions", "API versions that .Capabilities.APIVersions has beside its own; may be repeated"),
    ("app-version", "another appVersion for the archive"),
    ("ca-file", "PEM file of the authorities that an HTTPS repository is checked by"),
    ("cert-file", "PEM file of the certificate that an HTTPS repository is shown, with --key-file"),
    ("debug", "render invalid YAML too, and print it"),
    ("dependency-update", "bring what is missing into charts/ first"),
    ("destination", "folder to write to"),
    ("devel", "pre-releases too: version '>0.0.0-0', unless --version is given"),
    ("enable-dns", "refused: nothing here leaves the process"),
    ("generate-name", "refused beside a name; without one it is release-name"),
    ("include-crds", "the files of crds/ too"),
    ("insecure-skip-tls-verify", "do not check the certificate of an HTTPS repository"),
    ("is-upgrade", "set .Release.IsUpgrade in place of .Release.IsInstall"),
    ("jsonpath", "print what paths like {.image.tag} lead to"),
    ("key", "name of the key to sign with"),
    ("key-file", "PEM file of the key of --cert-file"),
    ("keyring", "keyring of signatures (default $GNUPGHOME/pubring.gpg, or ~/.gnupg/pubring.gpg)"),
    ("kube-version", "Kubernetes version of .Capabilities.KubeVersion"),
    ("max-col-width", "widest column of the table (default 80)"),
    ("name-template", "template of the release's name"),
    ("namespace", "namespace of the release (default $HELM_NAMESPACE, or default)"),
    ("no-hooks", "leave hooks out"),
    ("output-dir", "write files below this folder in place of printing"),
    ("pass-credentials", "show --username and --password to other hosts too that an index leads to"),
    ("passphrase-file", "file with the key's passphrase, - for standard input"),
    ("password", "for the repository or registry"),
    ("plain-http", "speak to the registry without TLS"),
    ("post-renderer", "refused: nothing here runs other programs on manifests"),
    ("post-renderer-args", "refused with --post-renderer"),
    ("prov", "fetch the signature too, without checking it"),
    ("quiet", "print warnings and errors only"),
    ("registry-config", "file with logins of registries (default ~/.config/helm/registry/config.json)"),
    ("release-name", "the release's name as a folder below --output-dir"),
    ("repo", "URL of the chart repository"),
    ("repository-config", "file with named repositories (default ~/.config/helm/repositories.yaml)"),
    ("set", "a value, a.b=1; may be repeated"),
    ("set-file", "a value that is a file's text, a.b=PATH"),
    ("set-json", "a value in JSON, a.b=[1]"),
    ("set-literal", "a value that is this text, a.b=TEXT"),
    ("set-string", "a value that is a string, a.b=1"),
    ("show-only", "only templates of this path, pattern allowed; may be repeated"),
    ("sign", "sign the archive, with --key and --keyring: writes a .prov file"),
    ("skip-schema-validation", "do not hold values against values.schema.json"),
    ("skip-tests", "leave tests out"),
    ("starter", "start from this chart: a path, or a name in Helm's starters"),
    ("strict", "fail on warnings too"),
    ("untar", "unpack the archive in place of keeping it"),
    ("untardir", "folder to unpack below --destination"),
    ("update", "look for newer versions of what is pinned too"),
    ("username", "for the repository or registry"),
    ("validate", "refused: no cluster is asked here"),
    ("values", "file of values; may be repeated"),
    ("verify", "check the signature"),
    ("version", "version or range of the chart; of the archive where one is packed"),
    ("with-subcharts", "lint the charts in charts/ too"),
];

/// Flags of Helm's that have nothing to do here: nothing is installed, no cluster is asked, notes are not printed, and
/// what repositories offer is asked for each time.
const INERT: &[&str] = &[
    "atomic",
    "burst-limit",
    "create-namespace",
    "description",
    "disable-openapi-validation",
    "dry-run",
    "force",
    "hide-notes",
    "kube-apiserver",
    "kube-as-group",
    "kube-as-user",
    "kube-ca-file",
    "kube-context",
    "kube-insecure-skip-tls-verify",
    "kube-tls-server-name",
    "kube-token",
    "kubeconfig",
    "labels",
    "qps",
    "render-subchart-notes",
    "replace",
    "repository-cache",
    "skip-crds",
    "skip-refresh",
    "take-ownership",
    "timeout",
    "wait",
    "wait-for-jobs",
];

/// Columns of the list of those.
const WIDTH: usize = 100;

/// The help of a command.
pub fn of(spec: &Spec) -> String {
    let mut out = format!("{}\n\nUsage:\n  {} {} [flags]\n\nFlags:\n", spec.about, spec.path(), spec.words);
    let (own_inert, own) = sorted(spec.flags.iter().copied().flatten());
    let (common_inert, common) = sorted(COMMON.iter());
    own.iter().for_each(|flag| line(flag, &mut out));
    out.push_str(&format!("  -h, --{:<34} print this\n\nFlags of all commands:\n", "help"));
    common.iter().for_each(|flag| line(flag, &mut out));
    out.push_str("\nTaken as Helm takes them, with nothing to do here:");
    let mut column = WIDTH;
    for flag in own_inert.iter().chain(&common_inert) {
        let word = format!(" --{}", flag.name);
        if column + word.len() > WIDTH {
            out.push_str("\n ");
            column = 1;
        }
        out.push_str(&word);
        column += word.len();
    }
    out.push('\n');
    out
}

/// The inert flags, and the others.
fn sorted(flags: impl Iterator<Item = &'static Flag>) -> (Vec<&'static Flag>, Vec<&'static Flag>) {
    let mut flags: Vec<&Flag> = flags.collect();
    flags.sort_by_key(|flag| flag.name);
    flags.into_iter().partition(|flag| INERT.contains(&flag.name))
}

/// What is said where there is no such command below `masthead PATH`.
pub fn unknown(path: &str, word: &str) -> Outcome {
    Outcome::fail(&format!(
        "unknown command {word:?} for \"masthead {path}\"\n\nmasthead {path} --help tells which there are"
    ))
}

fn line(flag: &Flag, out: &mut String) {
    let short = if flag.short == ' ' { "    ".to_owned() } else { format!("-{}, ", flag.short) };
    let kind = match flag.takes {
        Takes::Bool => "",
        Takes::Int => " int",
        Takes::Uint => " uint",
        Takes::Float => " float",
        Takes::Duration => " duration",
        Takes::Each | Takes::List | Takes::Pairs => " strings",
        Takes::Text | Takes::Optional(_) => " string",
    };
    let words = WORDS.iter().find(|(name, _)| *name == flag.name).map_or("", |(_, words)| words);
    out.push_str(&format!("  {short}--{:<34} {words}\n", format!("{}{kind}", flag.name)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::chart::spec::ALL;

    #[test]
    fn every_flag_is_told_of_once_and_no_other() {
        let mut used: Vec<&str> = Vec::new();
        for spec in ALL {
            let text = of(spec);
            for flag in spec.flags.iter().copied().flatten().chain(COMMON) {
                let name = format!("--{}", flag.name);
                let begins = |line: &&str| line[6.min(line.len())..].split(' ').next() == Some(&name);
                let listed = text.rsplit(':').next().unwrap_or_default().split_whitespace();
                let count = text.lines().filter(begins).count() + listed.filter(|word| *word == name).count();
                assert!(count == 1, "{}: {name} is there {count} times\n{text}", spec.name);
                let has_words = WORDS.iter().any(|(name, _)| *name == flag.name);
                assert!(has_words != INERT.contains(&flag.name), "{name} has no words, or is not inert");
                used.push(flag.name);
            }
            assert!(text.lines().all(|line| line.len() <= 128), "{text}");
        }
        for name in WORDS.iter().map(|(name, _)| name).chain(INERT) {
            assert!(used.contains(name), "nobody has --{name}");
        }
    }
}
