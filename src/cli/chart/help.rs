//! A command's description → its help.

use masthead_chart::command::COMMON;
use masthead_chart::flags::{Flag, Takes};

use super::spec::Spec;

/// What a flag is for, by its name; those of a cluster are taken and passed over, as nothing here asks one.
const WORDS: &[(&str, &str)] = &[
    ("api-versions", "API versions that .Capabilities.APIVersions has beside its own; may be repeated"),
    ("app-version", "another appVersion for the archive"),
    ("atomic", "taken for Helm's sake; nothing is installed here"),
    ("burst-limit", "taken for Helm's sake; no cluster is asked here"),
    ("ca-file", "PEM file of the authorities that an HTTPS repository is checked by"),
    ("cert-file", "PEM file of the certificate that an HTTPS repository is shown, with --key-file"),
    ("create-namespace", "taken for Helm's sake; nothing is installed here"),
    ("debug", "render invalid YAML too, and print it"),
    ("dependency-update", "bring what is missing into charts/ first"),
    ("description", "taken for Helm's sake; nothing is installed here"),
    ("destination", "folder to write to"),
    ("devel", "pre-releases too: version '>0.0.0-0', unless --version is given"),
    ("disable-openapi-validation", "taken for Helm's sake; no cluster is asked here"),
    ("dry-run", "taken for Helm's sake; nothing is installed here"),
    ("enable-dns", "refused: nothing here leaves the process"),
    ("force", "taken for Helm's sake; nothing is installed here"),
    ("generate-name", "make a name up; then none is given"),
    ("hide-notes", "taken for Helm's sake; notes are not printed here"),
    ("include-crds", "the files of crds/ too"),
    ("insecure-skip-tls-verify", "do not check the certificate of an HTTPS repository"),
    ("is-upgrade", "set .Release.IsUpgrade in place of .Release.IsInstall"),
    ("jsonpath", "print what paths like {.image.tag} lead to"),
    ("key", "name of the key to sign with"),
    ("key-file", "PEM file of the key of --cert-file"),
    ("keyring", "keyring of signatures (default $GNUPGHOME/pubring.gpg, or ~/.gnupg/pubring.gpg)"),
    ("kube-apiserver", "taken for Helm's sake; no cluster is asked here"),
    ("kube-as-group", "taken for Helm's sake; no cluster is asked here"),
    ("kube-as-user", "taken for Helm's sake; no cluster is asked here"),
    ("kube-ca-file", "taken for Helm's sake; no cluster is asked here"),
    ("kube-context", "taken for Helm's sake; no cluster is asked here"),
    ("kube-insecure-skip-tls-verify", "taken for Helm's sake; no cluster is asked here"),
    ("kube-tls-server-name", "taken for Helm's sake; no cluster is asked here"),
    ("kube-token", "taken for Helm's sake; no cluster is asked here"),
    ("kube-version", "Kubernetes version of .Capabilities.KubeVersion"),
    ("kubeconfig", "taken for Helm's sake; no cluster is asked here"),
    ("labels", "taken for Helm's sake; nothing is installed here"),
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
    ("qps", "taken for Helm's sake; no cluster is asked here"),
    ("quiet", "print warnings and errors only"),
    ("registry-config", "file with logins of registries (default ~/.config/helm/registry/config.json)"),
    ("release-name", "the release's name as a folder below --output-dir"),
    ("render-subchart-notes", "taken for Helm's sake; notes are not printed here"),
    ("replace", "taken for Helm's sake; nothing is installed here"),
    ("repo", "URL of the chart repository"),
    ("repository-cache", "taken for Helm's sake; indexes are asked for and not kept"),
    ("repository-config", "file with named repositories (default ~/.config/helm/repositories.yaml)"),
    ("set", "a value, a.b=1; may be repeated"),
    ("set-file", "a value that is a file's text, a.b=PATH"),
    ("set-json", "a value in JSON, a.b=[1]"),
    ("set-literal", "a value that is this text, a.b=TEXT"),
    ("set-string", "a value that is a string, a.b=1"),
    ("show-only", "only templates of this path, pattern allowed; may be repeated"),
    ("sign", "sign the archive, with --key and --keyring: writes a .prov file"),
    ("skip-crds", "taken for Helm's sake; --include-crds decides"),
    ("skip-refresh", "taken for Helm's sake; indexes are asked for and not kept"),
    ("skip-schema-validation", "do not hold values against values.schema.json"),
    ("skip-tests", "leave tests out"),
    ("starter", "start from this chart: a path, or a name in Helm's starters"),
    ("strict", "fail on warnings too"),
    ("take-ownership", "taken for Helm's sake; nothing is installed here"),
    ("timeout", "taken for Helm's sake; nothing is installed here"),
    ("untar", "unpack the archive in place of keeping it"),
    ("untardir", "folder to unpack below --destination"),
    ("update", "look for newer versions of what is pinned too"),
    ("username", "for the repository or registry"),
    ("validate", "refused: no cluster is asked here"),
    ("values", "file of values; may be repeated"),
    ("verify", "check the signature"),
    ("version", "version or range of the chart; of the archive where one is packed"),
    ("wait", "taken for Helm's sake; nothing is installed here"),
    ("wait-for-jobs", "taken for Helm's sake; nothing is installed here"),
    ("with-subcharts", "lint the charts in charts/ too"),
];

/// The help of a command.
pub fn of(spec: &Spec) -> String {
    let mut out = format!("{}\n\nUsage:\n  {} {} [flags]\n\nFlags:\n", spec.about, spec.path(), spec.words);
    let mut own: Vec<&Flag> = spec.flags.iter().copied().flatten().collect();
    own.sort_by_key(|flag| flag.name);
    let mut common: Vec<&Flag> = COMMON.iter().collect();
    common.sort_by_key(|flag| flag.name);
    own.iter().for_each(|flag| line(flag, &mut out));
    out.push_str("  -h, --help\n\nFlags of all commands:\n");
    common.iter().for_each(|flag| line(flag, &mut out));
    out
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
                let begins = |line: &&str| line[6.min(line.len())..].starts_with(&format!("--{} ", flag.name));
                let count = text.lines().filter(begins).count();
                assert!(count == 1, "{}: --{} is there {count} times\n{text}", spec.name, flag.name);
                assert!(WORDS.iter().any(|(name, _)| *name == flag.name), "--{} has no words", flag.name);
                used.push(flag.name);
            }
        }
        for (name, _) in WORDS {
            assert!(used.contains(name), "nobody has --{name}");
        }
    }
}
