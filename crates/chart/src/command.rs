//! `helm template`: arguments and a file system to what stands on standard output and standard error.

use std::sync::Arc;

use masthead_gotmpl::exec::execution::{Execution, Options as ExecOptions};
use masthead_gotmpl::function::{Function, FunctionMap};
use masthead_gotmpl::quote::quote;
use masthead_gotmpl::set::Set;
use masthead_gotmpl::value::Value;
use masthead_sprig::golang::unicode::is_space;
use masthead_sprig::host::Host;
use masthead_sprig::table;
use masthead_sprig::time::moment::Moment;

use crate::ahead::Pool;
use crate::capabilities::KubeVersion;
use crate::chart::Chart;
use crate::disk::{self, Disk};
use crate::error::{Error, Stage};
use crate::flags::{self, Flag, Given, Takes, flag, short};
use crate::glob;
use crate::manifests::split;
use crate::render::{self, Asks, Options, Rendered};
use crate::tree::Table;
use crate::values;

/// What a command leaves behind.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: String,
    /// Whether it failed.
    pub failed: bool,
    /// Files to be written below `--output-dir`, in this order: path, text, and whether it is added to what is there.
    pub writes: Vec<Write>,
}

/// A file to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// Where.
    pub path: String,
    /// What.
    pub text: Vec<u8>,
    /// Whether it is added to what is there.
    pub append: bool,
}

impl Outcome {
    /// A failure with Helm's words.
    pub fn fail(text: &str) -> Outcome {
        Outcome { stderr: format!("Error: {text}\n"), failed: true, ..Outcome::default() }
    }
}

/// What a command takes from its surroundings.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// The command's own name, for messages: `masthead chart template`.
    pub name: String,
    /// The namespace where no flag names one.
    pub namespace: String,
    /// The secret that random values derive from.
    pub entropy: [u8; 32],
    /// What `now` says.
    pub now: Moment,
    /// The bounds of the render.
    pub limits: masthead_gotmpl::exec::limits::Limits,
    /// What the threads begin with that work beside the caller's.
    pub begin: fn(),
}

/// Helm's flags for all commands.
pub const COMMON: &[Flag] = &[
    short("namespace", 'n', Takes::Text),
    flag("debug", Takes::Bool),
    flag("kubeconfig", Takes::Text),
    flag("kube-context", Takes::Text),
    flag("kube-token", Takes::Text),
    flag("kube-as-user", Takes::Text),
    flag("kube-as-group", Takes::Each),
    flag("kube-apiserver", Takes::Text),
    flag("kube-ca-file", Takes::Text),
    flag("kube-tls-server-name", Takes::Text),
    flag("kube-insecure-skip-tls-verify", Takes::Bool),
    flag("registry-config", Takes::Text),
    flag("repository-config", Takes::Text),
    flag("repository-cache", Takes::Text),
    flag("burst-limit", Takes::Int),
    flag("qps", Takes::Float),
];

/// Helm's flags for where a chart comes from.
pub const SOURCE: &[Flag] = &[
    flag("version", Takes::Text),
    flag("verify", Takes::Bool),
    flag("keyring", Takes::Text),
    flag("repo", Takes::Text),
    flag("username", Takes::Text),
    flag("password", Takes::Text),
    flag("cert-file", Takes::Text),
    flag("key-file", Takes::Text),
    flag("insecure-skip-tls-verify", Takes::Bool),
    flag("plain-http", Takes::Bool),
    flag("ca-file", Takes::Text),
    flag("pass-credentials", Takes::Bool),
    flag("devel", Takes::Bool),
];

/// Helm's flags of `template` beside those.
pub const TEMPLATE: &[Flag] = &[
    flag("create-namespace", Takes::Bool),
    flag("dry-run", Takes::Optional("client")),
    flag("force", Takes::Bool),
    flag("no-hooks", Takes::Bool),
    flag("replace", Takes::Bool),
    flag("timeout", Takes::Duration),
    flag("wait", Takes::Bool),
    flag("wait-for-jobs", Takes::Bool),
    short("generate-name", 'g', Takes::Bool),
    flag("name-template", Takes::Text),
    flag("description", Takes::Text),
    flag("dependency-update", Takes::Bool),
    flag("disable-openapi-validation", Takes::Bool),
    flag("atomic", Takes::Bool),
    flag("skip-crds", Takes::Bool),
    flag("render-subchart-notes", Takes::Bool),
    flag("skip-schema-validation", Takes::Bool),
    short("labels", 'l', Takes::Pairs),
    flag("enable-dns", Takes::Bool),
    flag("hide-notes", Takes::Bool),
    flag("take-ownership", Takes::Bool),
    short("show-only", 's', Takes::Each),
    flag("output-dir", Takes::Text),
    flag("validate", Takes::Bool),
    flag("include-crds", Takes::Bool),
    flag("skip-tests", Takes::Bool),
    flag("is-upgrade", Takes::Bool),
    flag("kube-version", Takes::Text),
    short("api-versions", 'a', Takes::List),
    flag("release-name", Takes::Bool),
    flag("post-renderer", Takes::Text),
    flag("post-renderer-args", Takes::Each),
];

/// Flags of Helm's that would leave the process; they are refused, not passed over.
const REFUSED: [&str; 5] = ["validate", "enable-dns", "post-renderer", "dependency-update", "verify"];

/// What stands before each manifest, and its path behind it.
const HEAD: &[u8] = b"---\n# Source: ";

/// Threads that one command uses: its own, which reads, and one that works on what was read.
const THREADS: usize = 2;

/// Runs `helm template` on its arguments.
pub fn template(args: &[String], disk: &mut dyn Disk, surroundings: &Surroundings) -> Outcome {
    template_then(args, disk, surroundings, |outcome| outcome)
}

/// The same; `then` comes before anything is freed, so that a process which ends there spends no time on that.
pub fn template_then<T>(
    args: &[String],
    disk: &mut dyn Disk,
    surroundings: &Surroundings,
    then: impl FnOnce(Outcome) -> T,
) -> T {
    Pool::with(THREADS, surroundings.begin, |pool| {
        let mut run = Run { disk, surroundings, outcome: Outcome::default(), used: Used::default() };
        if let Err(text) = run.template(args, pool) {
            run.outcome.stderr.push_str(&format!("Error: {text}\n"));
            run.outcome.failed = true;
        }
        then(std::mem::take(&mut run.outcome))
    })
}

struct Run<'r> {
    disk: &'r mut dyn Disk,
    surroundings: &'r Surroundings,
    outcome: Outcome,
    used: Used,
}

/// What a run made its outcome of.
#[derive(Default)]
struct Used {
    values: Table,
    chart: Arc<Chart>,
    rendered: Option<Rendered>,
}

impl Run<'_> {
    fn warn(&mut self, warnings: &mut Vec<String>) {
        for line in warnings.drain(..) {
            self.outcome.stderr.push_str(&line);
            self.outcome.stderr.push('\n');
        }
    }

    fn template(&mut self, args: &[String], pool: &Pool) -> Result<(), String> {
        let given = flags::parse(&[TEMPLATE, COMMON, SOURCE, values::FLAGS], args)?;
        if given.words.is_empty() {
            let name = &self.surroundings.name;
            return Err(format!(
                "{} requires at least 1 argument\n\nUsage:  {name} [NAME] [CHART] [flags]",
                quote(name.as_bytes())
            ));
        }
        if let Some(refused) = REFUSED.iter().find(|name| given.get(name).is_some_and(|value| value != "false")) {
            return Err(format!("flag --{refused} is not supported: it reaches out of this process"));
        }
        let mut options = self.options(&given)?;
        let (release, chart_path) = self.name_and_chart(&given)?;
        options.release = release;
        let chart_path = locate(self.disk, &chart_path, &given)?;
        self.used.values = values::merge(&given, self.disk)?;
        let mut warnings = Vec::new();
        let loaded = disk::chart_with(self.disk, &chart_path, pool, &mut warnings);
        self.warn(&mut warnings);
        self.used.chart = Arc::new(loaded?);
        let Used { values, chart, .. } = &self.used;
        check_chart(chart, &mut self.outcome.stderr)?;
        check_dry_run(&given)?;
        check_release_name(&options.release)?;
        let asks = Asks::default();
        let rendered = render::watched(chart, values, &options, asks, pool, &mut warnings, &mut |_| {});
        self.warn(&mut warnings);
        match rendered {
            Ok(rendered) => {
                let done = self.print(&given, &options, &rendered);
                self.used.rendered = Some(rendered);
                done
            }
            Err(error) => self.failed(&given, error),
        }
    }

    fn options(&self, given: &Given) -> Result<Options, String> {
        let namespace = given.get("namespace").filter(|text| !text.is_empty());
        let namespace = namespace.unwrap_or(&self.surroundings.namespace);
        let mut options =
            Options::new("release-name", namespace, self.surroundings.entropy, self.surroundings.now.clone());
        options.limits = self.surroundings.limits;
        let version = given.text("kube-version");
        if !version.is_empty() {
            options.capabilities.kube_version =
                KubeVersion::parse(version).map_err(|error| format!("invalid kube version '{version}': {error}"))?;
        }
        options.capabilities.api_versions.extend(given.all("api-versions"));
        options.is_upgrade = given.is_on("is-upgrade");
        options.skip_schema_validation = given.is_on("skip-schema-validation");
        options.sub_notes = given.is_on("render-subchart-notes");
        Ok(options)
    }

    /// Helm's `NameAndChart`.
    fn name_and_chart(&self, given: &Given) -> Result<(String, String), String> {
        match given.words.as_slice() {
            [name, chart] => {
                if given.is_on("generate-name") {
                    return Err("cannot set --generate-name and also specify a name".to_owned());
                }
                if !given.text("name-template").is_empty() {
                    return Err("cannot set --name-template and also specify a name".to_owned());
                }
                Ok((name.clone(), chart.clone()))
            }
            [chart] if !given.text("name-template").is_empty() => {
                Ok((self.name_of(given.text("name-template"))?, chart.clone()))
            }
            [chart] => Ok(("release-name".to_owned(), chart.clone())),
            words => {
                let rest = words.get(2..).unwrap_or_default().join(", ");
                Err(format!("expected at most two arguments, unexpected arguments: {rest}"))
            }
        }
    }

    fn name_of(&self, template: &str) -> Result<String, String> {
        let mut set = Set::new(&Sprig);
        set.parse("name-template", template.as_bytes()).map_err(|error| error.text)?;
        let mut host = Host::new(self.surroundings.entropy, "", self.surroundings.now.clone());
        let limits = self.surroundings.limits;
        let options = ExecOptions { limits, set_name: "name-template", ..ExecOptions::default() };
        let mut execution = Execution::new(&set, options, &mut host);
        let text = execution.execute(b"name-template", Value::Nil).map_err(|failure| unmarked(&failure.text))?;
        Ok(masthead_gotmpl::string::lossy(&text).into_owned())
    }

    fn failed(&mut self, given: &Given, error: Error) -> Result<(), String> {
        if error.stage != Stage::Render {
            return Err(error.text);
        }
        if !given.is_on("debug") {
            return Err(format!("{}\n\nUse --debug flag to render out invalid YAML", error.text));
        }
        let mut blob = String::new();
        for (path, text) in &error.rendered {
            let text = text.to_str_lossy();
            if !text.trim().is_empty() {
                blob.push_str(&format!("---\n# Source: {path}\n{text}\n"));
            }
        }
        self.outcome.stdout.extend_from_slice(blob.trim().as_bytes());
        self.outcome.stdout.push(b'\n');
        Err(error.text)
    }

    fn print(&mut self, given: &Given, options: &Options, rendered: &Rendered) -> Result<(), String> {
        let folder = given.text("output-dir");
        let texts = rendered.manifests.iter().chain(rendered.hooks.iter().map(|hook| &hook.manifest));
        let mut out = Vec::with_capacity(texts.map(|one| one.path.len() + one.text.len() + HEAD.len() + 2).sum());
        if given.is_on("include-crds") {
            for crd in &rendered.crds {
                self.put(folder, &crd.path, crd.text.as_bytes(), &mut out);
            }
        }
        let below = match (folder, given.is_on("release-name")) {
            ("", _) | (_, false) => folder.to_owned(),
            (folder, true) => format!("{}/{}", folder.trim_end_matches('/'), options.release),
        };
        for one in &rendered.manifests {
            self.put(&below, &one.path, one.text.as_bytes(), &mut out);
        }
        trim_end(&mut out);
        out.push(b'\n');
        if !given.is_on("no-hooks") {
            for hook in &rendered.hooks {
                if !(given.is_on("skip-tests") && hook.is_test()) {
                    self.put(&below, &hook.manifest.path, hook.manifest.text.as_bytes(), &mut out);
                }
            }
        }
        let shown = given.all("show-only");
        if shown.is_empty() {
            let told = std::mem::replace(&mut self.outcome.stdout, out);
            self.outcome.stdout.splice(0..0, told);
            return Ok(());
        }
        self.show_only(&shown, &String::from_utf8_lossy(&out))
    }

    /// Adds a manifest to the output, or to the files to be written.
    fn put(&mut self, folder: &str, path: &str, text: &[u8], out: &mut Vec<u8>) {
        let block = [HEAD, path.as_bytes(), b"\n", text, b"\n"];
        if folder.is_empty() {
            block.iter().for_each(|part| out.extend_from_slice(part));
            return;
        }
        let path = format!("{folder}/{path}");
        let append = self.outcome.writes.iter().any(|write| write.path == path);
        self.outcome.stdout.extend_from_slice(format!("wrote {path}\n").as_bytes());
        self.outcome.writes.push(Write { path, text: block.concat(), append });
    }

    fn show_only(&mut self, wanted: &[String], out: &str) -> Result<(), String> {
        let (parts, before) = (split(out), self.outcome.stdout.len());
        for pattern in wanted {
            let mut found = false;
            for (_, part) in &parts {
                let Some(name) = source(part) else { continue };
                if glob::matches(pattern, name).unwrap_or(false) {
                    self.outcome.stdout.extend_from_slice(format!("---\n{part}\n").as_bytes());
                    found = true;
                }
            }
            if !found {
                self.outcome.stdout.truncate(before);
                return Err(format!("could not find template {pattern} in chart"));
            }
        }
        Ok(())
    }
}

/// Takes white space from the end.
fn trim_end(text: &mut Vec<u8>) {
    while let Some(start) = text.iter().rposition(|byte| byte & 0xC0 != 0x80)
        && let Ok(last) = std::str::from_utf8(&text[start..])
        && last.chars().all(is_space)
    {
        text.truncate(start);
    }
}

/// What `# Source: [^/]+/(.+)` finds: the template's path without the chart's name.
fn source(part: &str) -> Option<&str> {
    let mut rest = part;
    while let Some(at) = rest.find("# Source: ") {
        rest = &rest[at + "# Source: ".len()..];
        // The chart's name may hold anything but a slash, and the path ends with the line.
        if let Some(slash) = rest.find('/').filter(|slash| *slash > 0) {
            let path = rest[slash + 1..].split('\n').next().unwrap_or_default();
            if !path.is_empty() {
                return Some(path);
            }
        }
    }
    None
}

/// The functions that name templates have: sprig's, and none of Helm's own.
struct Sprig;

impl FunctionMap for Sprig {
    fn find(&self, name: &[u8]) -> Option<&'static Function> {
        const HELM: [&str; 13] = [
            "toToml",
            "mustToToml",
            "fromToml",
            "toYaml",
            "mustToYaml",
            "toYamlPretty",
            "fromYaml",
            "fromYamlArray",
            "fromJsonArray",
            "include",
            "tpl",
            "required",
            "lookup",
        ];
        let is_helms = HELM.iter().any(|known| known.as_bytes() == name);
        if is_helms { None } else { table::functions().find(name) }
    }
}

/// Sprig's own `fail`, which name templates have, marks nothing.
fn unmarked(text: &str) -> String {
    text.replace("HELM_ERR_START", "").replace("HELM_ERR_END", "")
}

/// Helm's `LocateChart`, for what is on disk.
///
/// # Errors
/// Helm's own words; a chart that is elsewhere is refused.
pub fn locate(disk: &mut dyn Disk, name: &str, given: &Given) -> Result<String, String> {
    let name = name.trim();
    if disk.stat(name).is_ok() {
        return Ok(disk.absolute(name));
    }
    if name.starts_with(['/', '.']) {
        return Err(format!("path {} not found", quote(name.as_bytes())));
    }
    let from = if given.text("repo").is_empty() { name } else { given.text("repo") };
    Err(format!("chart {name} is not a local path; fetching from {from} is not supported here"))
}

/// Whether a chart can be installed at all.
fn check_chart(chart: &Chart, stderr: &mut String) -> Result<(), String> {
    let metadata = &chart.metadata;
    if !matches!(metadata.typ.as_str(), "" | "application") {
        return Err(format!("{} charts are not installable", metadata.typ));
    }
    if metadata.deprecated {
        stderr.push_str("WARNING: This chart is deprecated\n");
    }
    missing_dependencies(chart).map_err(|error| {
        format!("An error occurred while checking for chart dependencies. You may need to run `helm dependency build` to fetch missing dependencies: {error}")
    })
}

/// Helm's `CheckDependencies`.
///
/// # Errors
/// Chart.yaml names charts that are not in `charts/`.
pub fn missing_dependencies(chart: &Chart) -> Result<(), String> {
    let there = |name: &str| chart.dependencies.iter().any(|child| child.name() == name);
    let wanted = chart.metadata.dependencies.iter().flatten().flatten();
    let missing: Vec<&str> = wanted.map(|entry| entry.name.as_str()).filter(|name| !there(name)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(format!("found in Chart.yaml, but missing in charts/ directory: {}", missing.join(", ")))
}

fn check_dry_run(given: &Given) -> Result<(), String> {
    match given.get("dry-run") {
        None | Some("" | "false" | "true" | "none" | "client" | "server") => Ok(()),
        Some(_) => {
            Err("Invalid dry-run flag. Flag must one of the following: false, true, none, client, server".to_owned())
        }
    }
}

/// Helm's `ValidateReleaseName`, as installing reports it.
fn check_release_name(name: &str) -> Result<(), String> {
    const WORDS: &str = "invalid release name, must match regex ^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$ and the length must not be longer than 53";
    let end = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let label = |label: &str| {
        end(label.bytes().next())
            && end(label.bytes().last())
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    let words = match name {
        "" => "no name provided",
        name if name.len() > 53 || !name.split('.').all(label) => WORDS,
        _ => return Ok(()),
    };
    Err(format!("release name {}: {words}", quote(name.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::trim_end;

    #[test]
    fn white_space_goes_from_the_end() {
        let check = |text: &[u8], expect: &[u8]| {
            let mut text = text.to_vec();
            trim_end(&mut text);
            assert_eq!(text, expect);
        };
        check(b"", b"");
        check(b" \n", b"");
        check(b" a b\r\n\t ", b" a b");
        check("\u{e4}\u{a0}\u{3000}\n".as_bytes(), "\u{e4}".as_bytes());
        check(b"a\xff \n", b"a\xff");
        check(b"a\x80\x80", b"a\x80\x80");
    }
}
