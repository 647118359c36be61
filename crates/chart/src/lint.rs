//! `helm lint`: a chart's folder to what is wrong with it and what could be better, in Helm's words.
//!
//! Addresses of maintainers are held to their shape only: `name@host.domain`, and a URL with a host.

use std::sync::Arc;

use masthead_gotmpl::quote::quote;
use masthead_sprig::golang::{path, url};
use masthead_sprig::semver::version;
use serde_json::Value as Json;

use crate::capabilities::Capabilities;
use crate::chart::Chart;
use crate::checks;
use crate::decode::{self, Decoder};
use crate::deprecated::DEPRECATED;
use crate::disk::{self, Disk, Kind};
use crate::lint_stream::{Document, Documents};
use crate::metadata::{Metadata, V1, V2};
use crate::render::{self, Options};
use crate::schema::Schema;
use crate::tree::Table;

/// How grave a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Good to know.
    Info,
    /// Against a convention.
    Warning,
    /// It will not work.
    Error,
}

impl Severity {
    fn name(self) -> &'static str {
        match self {
            Severity::Info => "INFO",
            Severity::Warning => "WARNING",
            Severity::Error => "ERROR",
        }
    }
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// How grave it is.
    pub severity: Severity,
    /// The file it is about.
    pub path: String,
    /// What is wrong.
    pub text: String,
}

impl std::fmt::Display for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "[{}] {}: {}", self.severity.name(), self.path, self.text)
    }
}

/// Looks a chart's folder over; `reports` takes what its templates tell meanwhile, each one line.
///
/// # Errors
/// There is no chart.
pub fn lint(
    disk: &mut dyn Disk,
    folder: &str,
    values: &Table,
    options: &Options,
    reports: &mut Vec<String>,
) -> Result<Vec<Message>, String> {
    let chart_file = format!("{folder}/Chart.yaml");
    disk.stat(&chart_file).map_err(|error| format!("unable to check Chart.yaml file in chart: {error}"))?;
    let folder = disk.absolute(folder);
    let mut linter = Linter { disk, folder, messages: Vec::new(), reports };
    linter.chart_file();
    linter.values(values);
    linter.templates(values, options);
    linter.dependencies();
    Ok(linter.messages)
}

struct Linter<'d> {
    disk: &'d mut dyn Disk,
    folder: String,
    messages: Vec<Message>,
    reports: &'d mut Vec<String>,
}

type Checked = Result<(), String>;

impl Linter<'_> {
    fn rule(&mut self, severity: Severity, path: &str, done: Checked) -> bool {
        match done {
            Ok(()) => true,
            Err(text) => {
                self.messages.push(Message { severity, path: path.to_owned(), text });
                false
            }
        }
    }

    fn chart_file(&mut self) {
        const FILE: &str = "Chart.yaml";
        let path = format!("{}/{FILE}", self.folder);
        let is_folder = matches!(self.disk.stat(&path), Ok(Kind::Folder));
        let done = if is_folder { Err("should be a file, not a directory".to_owned()) } else { Ok(()) };
        self.rule(Severity::Error, FILE, done);
        let mut metadata = Metadata::default();
        let text = self.disk.read(&path);
        let read = text.clone().and_then(|text| metadata.read(&text));
        if !self.rule(Severity::Error, FILE, read.map_err(|error| format!("unable to parse YAML\n\t{error}"))) {
            return;
        }
        let loose = text.ok().and_then(|text| decode::yaml(&text).ok()).unwrap_or(Json::Null);
        let typed = |key: &str| match loose.get(key) {
            None | Some(Json::String(_)) => Ok(()),
            Some(other) => Err(format!("{key} should be of type string but it's of type {}", go_type(other))),
        };
        for (severity, done) in [
            (Severity::Error, name(&metadata)),
            (Severity::Error, api_version(&metadata)),
            (Severity::Error, typed("version")),
            (Severity::Error, chart_version(&metadata)),
            (Severity::Error, typed("appVersion")),
            (Severity::Error, maintainers(&metadata)),
            (Severity::Error, sources(&metadata)),
            (Severity::Info, require(!metadata.icon.is_empty(), "icon is recommended")),
            (Severity::Error, icon(&metadata)),
            (Severity::Error, only_v2(&metadata, !metadata.typ.is_empty(), "chart type is not", "It is")),
            (
                Severity::Error,
                only_v2(
                    &metadata,
                    metadata.dependencies.as_ref().is_some_and(|list| !list.is_empty()),
                    "dependencies are not valid in the Chart file with",
                    "They are",
                ),
            ),
        ] {
            self.rule(severity, FILE, done);
        }
    }

    fn values(&mut self, overrides: &Table) {
        const FILE: &str = "values.yaml";
        let path = format!("{}/{FILE}", self.folder);
        let there = self.disk.stat(&path).map(drop).map_err(|_| "file does not exist".to_owned());
        if self.rule(Severity::Info, FILE, there) {
            let done = self.values_file(&path, overrides);
            self.rule(Severity::Error, FILE, done);
        }
    }

    fn values_file(&mut self, path: &str, overrides: &Table) -> Checked {
        let text = self.disk.read(path).map_err(|error| format!("unable to parse YAML: {error}"))?;
        let typed = |error: String| error.replace("map[string]interface {}", "chartutil.Values");
        let own = decode::table(&text).map_err(|error| format!("unable to parse YAML: {}", typed(error)))?;
        let schema = self.disk.read(&format!("{}/values.schema.json", self.folder)).unwrap_or_default();
        if schema.is_empty() {
            return Ok(());
        }
        let values = render::over(overrides, &own.unwrap_or_default(), self.reports)?;
        Schema::parse(&schema)?.validate(&values).map_err(|error| checks::shown(&error))
    }

    fn templates(&mut self, values: &Table, options: &Options) {
        const FOLDER: &str = "templates/";
        let is_file = matches!(self.disk.stat(&format!("{}/templates", self.folder)), Ok(Kind::File(_)));
        if !self.rule(Severity::Warning, FOLDER, require(!is_file, "not a directory")) {
            return;
        }
        let loaded = disk::chart(self.disk, &self.folder.clone(), self.reports);
        let chart = match loaded {
            Ok(chart) => Arc::new(chart),
            Err(error) => {
                self.rule(Severity::Error, FOLDER, Err(error));
                return;
            }
        };
        let mut told = Vec::new();
        let files = render::files(&chart, values, options, &mut told);
        self.reports.extend(told.into_iter().map(|line| logged(&line)));
        let files = match files {
            Ok(files) => files,
            Err(error) => {
                self.rule(Severity::Error, FOLDER, Err(error.text));
                return;
            }
        };
        for template in &chart.templates {
            let name = template.name.as_str();
            let source = template.data.to_str_lossy();
            self.rule(Severity::Error, name, extension(name));
            self.rule(Severity::Warning, name, require(!has_crd_hook(&source), CRD_HOOK));
            self.rule(Severity::Error, name, require(!source.contains(".Release.Time"), RELEASE_TIME));
            if path::ext(name.as_bytes()) != b".yaml" {
                continue;
            }
            let full = format!("{}/{name}", chart.name());
            let Some((_, text)) = files.iter().find(|(path, _)| *path == full) else { continue };
            let text = String::from_utf8_lossy(text);
            if !text.trim().is_empty() && !self.rendered(name, &text, &options.capabilities) {
                return;
            }
        }
    }

    /// The documents of a rendered template; no where one can't be read.
    fn rendered(&mut self, name: &str, text: &str, capabilities: &Capabilities) -> bool {
        self.rule(Severity::Warning, name, top_indent(text));
        let mut documents = Documents::new(text);
        while let Some(next) = documents.next(object) {
            let object = match next {
                Ok(object) => object,
                Err(error) => return self.rule(Severity::Error, name, Err(format!("unable to parse YAML: {error}"))),
            };
            let Some(object) = object else { continue };
            self.rule(Severity::Warning, name, metadata_name(&object));
            self.rule(Severity::Warning, name, not_deprecated(&object, capabilities));
            self.rule(Severity::Error, name, selector(&object, text));
            self.rule(Severity::Error, name, list_annotations(&object, text));
        }
        true
    }

    fn dependencies(&mut self) {
        let folder = self.folder.clone();
        let chart = match disk::folder(self.disk, &folder, self.reports)
            .and_then(|files| crate::load::files(files, self.reports))
        {
            Ok(chart) => chart,
            Err(error) => {
                self.rule(Severity::Error, "", Err(format!("unable to load chart\n\t{error}")));
                return;
            }
        };
        let (in_metadata, unique, in_folder) = dependency_rules(&chart);
        self.rule(Severity::Error, &folder, in_metadata);
        self.rule(Severity::Error, &folder, unique);
        self.rule(Severity::Warning, &folder, in_folder);
    }
}

/// What `fail` and `required` tell in place of failing, as Helm logs it.
fn logged(line: &str) -> String {
    match line {
        line if line.starts_with("[INFO] Fail: ") => format!("engine.go:227: {line}"),
        line if line.starts_with("[INFO] ") => format!("engine.go:206: {line}"),
        line => line.to_owned(),
    }
}

fn require(holds: bool, words: &str) -> Checked {
    if holds { Ok(()) } else { Err(words.to_owned()) }
}

const CRD_HOOK: &str = "manifest is a crd-install hook. This hook is no longer supported in v3 and all CRDs should also exist the crds/ directory at the top level of the chart";
const RELEASE_TIME: &str =
    ".Release.Time has been removed in v3, please replace with the `now` function in your templates";

fn go_type(json: &Json) -> &'static str {
    match json {
        Json::Null => "<nil>",
        Json::Bool(_) => "bool",
        Json::Number(_) => "float64",
        Json::String(_) => "string",
        Json::Array(_) => "[]interface {}",
        Json::Object(_) => "map[string]interface {}",
    }
}

fn name(metadata: &Metadata) -> Checked {
    require(!metadata.name.is_empty(), "name is required")?;
    let is_base = path::base(metadata.name.as_bytes()) == metadata.name.as_bytes();
    require(is_base, &format!("chart name {} is invalid", quote(metadata.name.as_bytes())))
}

fn api_version(metadata: &Metadata) -> Checked {
    let words = "The value must be either \"v1\" or \"v2\"";
    match metadata.api_version.as_str() {
        "" => Err(format!("apiVersion is required. {words}")),
        V1 | V2 => Ok(()),
        other => Err(format!("apiVersion '{other}' is not valid. {words}")),
    }
}

fn chart_version(metadata: &Metadata) -> Checked {
    require(!metadata.version.is_empty(), "version is required")?;
    let version = version::parse(metadata.version.as_bytes())
        .map_err(|_| format!("version '{}' is not a valid SemVer", metadata.version))?;
    let zero = version::parse(b"0.0.0-0").map_err(|error| error.to_string())?;
    let words = format!("version {} is less than or equal to 0.0.0-0", metadata.version);
    require(version.compare(&zero) == std::cmp::Ordering::Greater, &words)
}

fn maintainers(metadata: &Metadata) -> Checked {
    for maintainer in metadata.maintainers.iter().flatten() {
        let Some(maintainer) = maintainer else { return Err("a maintainer entry is empty".to_owned()) };
        let (name, email, url) = (&maintainer.name, &maintainer.email, &maintainer.url);
        require(!name.is_empty(), "each maintainer requires a name")?;
        if !email.is_empty() && !is_email(email) {
            return Err(format!("invalid email '{email}' for maintainer '{name}'"));
        }
        if !url.is_empty() && !is_request_url(url) && !is_request_url(&format!("http://{url}")) {
            return Err(format!("invalid url '{url}' for maintainer '{name}'"));
        }
    }
    Ok(())
}

fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let clean =
        |part: &str| !part.is_empty() && !part.contains(|c: char| c.is_whitespace() || "<>()[],;:\\\"".contains(c));
    clean(local)
        && !local.contains('@')
        && clean(domain)
        && domain.contains('.')
        && !domain.split('.').any(str::is_empty)
}

/// Whether it can be asked for: an absolute URL or path with a scheme.
fn is_request_url(text: &str) -> bool {
    url::parse(text.as_bytes()).is_ok_and(|url| !url.scheme.is_empty())
}

fn sources(metadata: &Metadata) -> Checked {
    for source in metadata.sources.iter().flatten() {
        require(!source.is_empty() && is_request_url(source), &format!("invalid source URL '{source}'"))?;
    }
    Ok(())
}

fn icon(metadata: &Metadata) -> Checked {
    let icon = &metadata.icon;
    require(icon.is_empty() || is_request_url(icon), &format!("invalid icon URL '{icon}'"))
}

fn only_v2(metadata: &Metadata, is_used: bool, what: &str, they: &str) -> Checked {
    if !is_used || metadata.api_version == V2 {
        return Ok(());
    }
    let what = if what.ends_with("with") { what.to_owned() } else { format!("{what} valid in") };
    let they = if they == "It is" { "It is valid in" } else { "They are valid in" };
    Err(format!("{what} apiVersion '{}'. {they} apiVersion '{V2}'", metadata.api_version))
}

fn extension(name: &str) -> Checked {
    let extension = path::ext(name.as_bytes());
    let known = [".yaml", ".yml", ".tpl", ".txt"].iter().any(|known| known.as_bytes() == extension);
    let extension = String::from_utf8_lossy(extension);
    require(known, &format!("file extension '{extension}' not valid. Valid extensions are .yaml, .yml, .tpl, or .txt"))
}

/// `"?helm\.sh/hook"?:\s+crd-install`
fn has_crd_hook(source: &str) -> bool {
    source.match_indices("helm.sh/hook").any(|(at, found)| {
        let rest = &source[at + found.len()..];
        let rest = rest.strip_prefix('"').unwrap_or(rest);
        let Some(value) = rest.strip_prefix(':') else { return false };
        let trimmed = value.trim_start();
        trimmed.len() < value.len() && trimmed.starts_with("crd-install")
    })
}

fn top_indent(text: &str) -> Checked {
    let Some(line) = text.lines().find(|line| !line.trim().is_empty()) else { return Ok(()) };
    if !line.starts_with([' ', '\t']) {
        return Ok(());
    }
    let line = quote(line.as_bytes());
    Err(format!("document starts with an illegal indent: {line}, which may cause parsing problems"))
}

/// What rules look at.
#[derive(Default)]
struct Object {
    api_version: String,
    kind: String,
    name: String,
}

fn object(document: Document) -> Result<Option<Object>, String> {
    let Document { json, is_json } = document;
    if json.is_null() {
        return Ok(None);
    }
    let mut object = Object::default();
    let mut unused = String::new();
    let mut decoder = Decoder::new("rules.K8sYamlStruct");
    let names = ["apiVersion", "Kind", "Metadata"];
    decoder.root(json, "K8sYamlStruct", &names, |decoder, field, json| match field {
        "apiVersion" => decoder.string(json, &mut object.api_version),
        "Kind" => decoder.string(json, &mut object.kind),
        _ => {
            let names = ["Namespace", "Name"];
            decoder.fields(json, "k8sYamlMetadata", "rules.k8sYamlMetadata", &names, |decoder, field, json| {
                decoder.string(json, if field == "Name" { &mut object.name } else { &mut unused });
            });
        }
    });
    let plain = |words: String| words.trim_start_matches("error unmarshaling JSON: while decoding JSON: ").to_owned();
    decoder.finish().map_err(|words| if is_json { plain(words) } else { words })?;
    Ok(Some(object))
}

const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const OLD_LABEL: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";

fn metadata_name(object: &Object) -> Checked {
    let name = object.name.as_str();
    let is_label = |label: &str| {
        let edge = |byte: Option<u8>| byte.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        edge(label.bytes().next())
            && edge(label.bytes().last())
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    let mut faults: Vec<String> = Vec::new();
    let mut check = |holds: bool, words: &str| {
        if !holds {
            faults.push(words.to_owned());
        }
    };
    match object.kind.to_lowercase().as_str() {
        "certificatesigningrequest" => {}
        "role" | "clusterrole" | "rolebinding" | "clusterrolebinding" => {
            check(name != ".", "may not be '.'");
            check(name != "..", "may not be '..'");
            check(!name.contains('/'), "may not contain '/'");
            check(!name.contains('%'), "may not contain '%'");
        }
        "service" => {
            check(is_label(name) && !name.starts_with(|c: char| c.is_ascii_digit()), OLD_LABEL);
            check(name.len() <= 63, "must be no more than 63 characters");
        }
        "namespace" => {
            check(name.len() <= 63, "must be no more than 63 characters");
            let words = if name.split('.').all(is_label) { "must not contain dots" } else { LABEL };
            check(is_label(name), words);
        }
        _ => {
            check(name.len() <= 253, "must be no more than 253 characters");
            check(name.split('.').all(is_label), SUBDOMAIN);
        }
    }
    let shown = quote(name.as_bytes());
    let faults: Vec<String> =
        faults.into_iter().map(|fault| format!("metadata.name: Invalid value: {shown}: {fault}")).collect();
    let text = match faults.as_slice() {
        [] => return Ok(()),
        [one] => one.clone(),
        many => format!("[{}]", many.join(", ")),
    };
    Err(format!("object name does not conform to Kubernetes naming requirements: {shown}: {text}"))
}

fn not_deprecated(object: &Object, capabilities: &Capabilities) -> Checked {
    let number = |text: &str| text.parse::<u32>().unwrap_or(0);
    let now = (number(&capabilities.kube_version.major), number(&capabilities.kube_version.minor));
    let kind = |known: &str| object.kind == known || object.kind.strip_suffix("List") == Some(known);
    let found = DEPRECATED.iter().find(|row| row.version == object.api_version && kind(row.kind) && now >= row.since);
    let Some(row) = found else { return Ok(()) };
    let mut text = format!("{} {} is deprecated in v{}.{}+", row.version, object.kind, row.since.0, row.since.1);
    if row.until != (0, 0) {
        text.push_str(&format!(", unavailable in v{}.{}+", row.until.0, row.until.1));
    }
    if !row.replacement.is_empty() {
        let list = if object.kind == row.kind { "" } else { "List" };
        text.push_str(&format!("; use {}{list}", row.replacement));
    }
    Err(text)
}

fn selector(object: &Object, text: &str) -> Checked {
    let needs = matches!(object.kind.as_str(), "Deployment" | "ReplicaSet" | "DaemonSet" | "StatefulSet");
    let has = text.contains("matchLabels") || text.contains("matchExpressions");
    let (kind, name) = (&object.kind, quote(object.name.as_bytes()));
    require(!needs || has, &format!("a {kind} must contain matchLabels or matchExpressions, and {name} does not"))
}

fn list_annotations(object: &Object, text: &str) -> Checked {
    if object.kind != "List" {
        return Ok(());
    }
    let json = decode::yaml(text.as_bytes()).map_err(|error| format!("unable to parse YAML: {error}"))?;
    let items = json.get("items").and_then(Json::as_array);
    let kept = |item: &Json| item.pointer("/metadata/annotations/helm.sh~1resource-policy").is_some();
    let words = "Annotation 'helm.sh/resource-policy' within List objects are ignored";
    require(!items.into_iter().flatten().any(kept), words)
}

fn dependency_rules(chart: &Chart) -> (Checked, Checked, Checked) {
    let wanted: Vec<_> = chart.metadata.dependencies.iter().flatten().flatten().collect();
    let told = |list: Vec<&str>, words: &str| require(list.is_empty(), &format!("{words}: {}", list.join(",")));
    let unknown = chart.dependencies.iter().map(|child| child.name());
    let unknown = unknown.filter(|name| !wanted.iter().any(|entry| entry.name == *name)).collect();
    let absent = wanted.iter().map(|entry| entry.name.as_str());
    let absent = absent.filter(|name| !chart.dependencies.iter().any(|child| child.name() == *name)).collect();
    let mut seen: Vec<&str> = Vec::new();
    let mut twice = Vec::new();
    for entry in &wanted {
        let key = if entry.alias.is_empty() { entry.name.as_str() } else { entry.alias.as_str() };
        if seen.contains(&key) {
            twice.push(key);
        }
        seen.push(key);
    }
    (
        told(unknown, "chart metadata is missing these dependencies"),
        told(twice, "multiple dependencies with name or alias"),
        told(absent, "chart directory is missing these dependencies"),
    )
}
