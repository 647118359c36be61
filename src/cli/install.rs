//! `masthead install` and `masthead upgrade`: what Helm users type → one commit with a Release, pushed like anybody's.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, anyhow, bail};
use masthead_chart::flags::{self, Flag, Given, Takes, flag, short};
use masthead_chart::tree::Tree;
use masthead_chart::{archive, command, disk, load, values};
use masthead_yaml::emit;
use serde_json::{Value, json};

use crate::charts::lock::{Asked, FILE as LOCK_FILE, Lock};
use crate::cli::chart::disk::Real;
use crate::cli::chart::remote;
use crate::cli::init;
use crate::client::locate;
use crate::client::rest::Rest;
use crate::daemon::options::DATA_DIR;
use crate::source::desire::DEFAULT_NAMESPACE;
use crate::source::releases::CHART_FILE;

/// How often it is written anew when others push meanwhile.
const PUSHES_MAX: u32 = 5;

/// Where Releases and charts are written, below the watched folder.
const RELEASES: &str = "releases";
const CHARTS: &str = "charts";

const FLAGS: &[Flag] = &[
    flag("data", Takes::Text),
    short("server", 's', Takes::Text),
    flag("create-namespace", Takes::Bool),
    flag("dry-run", Takes::Optional("client")),
    flag("no-hooks", Takes::Bool),
    flag("skip-crds", Takes::Bool),
    flag("skip-schema-validation", Takes::Bool),
    short("install", 'i', Takes::Bool),
    short("message", 'm', Takes::Text),
    flag("no-wait", Takes::Bool),
];

/// Arguments of `install` and `upgrade`; Helm's own rules read them.
#[derive(Clone, Debug, clap::Args)]
#[command(disable_help_flag = true, override_help = USAGE)]
pub struct Args {
    /// RELEASE, CHART (a folder, an archive, oci://…, or a name with --repo), and Helm's flags.
    #[arg(value_name = "RELEASE CHART", trailing_var_arg = true, allow_hyphen_values = true)]
    pub rest: Vec<String>,
}

/// What is done when there is such a release already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Refused.
    Install,
    /// Replaced.
    Upgrade,
}

const USAGE: &str = "Write a Release into the repository, as one commit.

Usage: masthead install RELEASE CHART [flags]
       masthead upgrade [--install] RELEASE CHART [flags]

CHART is a folder, an archive, oci://HOST/PATH/NAME, or a name with --repo URL.

Flags:
  -f, --values FILE            values from a file; may be repeated
      --set KEY=VALUE          a value; --set-string, --set-json, --set-file, --set-literal too
  -n, --namespace NAMESPACE    the namespace of the objects
      --create-namespace       write the Namespace too
      --version RANGE          a version or a range; masthead.lock pins what it is today
      --repo URL               the chart repository
      --username, --password   for the repository or registry
      --verify                 check the chart's signature, against --keyring FILE
      --no-hooks               leave the chart's hooks out
      --skip-crds              leave the chart's crds/ out
      --skip-schema-validation do not hold values against values.schema.json
      --dry-run                print what would be committed
      --no-wait                do not follow the rollout
  -m, --message TEXT           the commit's message
      --data DIR, -s, --server URL   which control plane
";

/// Writes, commits and pushes.
///
/// # Errors
/// The chart can't be had, the name is taken, git fails, or the control plane refuses the push.
pub fn run(args: &Args, verb: Verb) -> Result<ExitCode> {
    if args.rest.iter().any(|arg| arg == "--help" || arg == "-h") {
        print!("{USAGE}");
        return Ok(ExitCode::SUCCESS);
    }
    let sets = [FLAGS, values::FLAGS, remote::FLAGS, command::COMMON];
    let given = flags::parse(&sets, &args.rest).map_err(|why| anyhow!(why))?;
    let [name, chart] = given.words.as_slice() else { bail!("a release and a chart are needed\n\n{USAGE}") };
    let table = values::merge(&given, &mut Real::default()).map_err(|why| anyhow!(why))?;
    let target = Target::find(&given)?;
    let wish = Wish { given: &given, verb, name, chart, values: Tree::Map(table).to_json() };
    for attempt in 1..=PUSHES_MAX {
        match wish.attempt(&target)? {
            Pushed::Done(code) => return Ok(code),
            Pushed::Behind => {
                eprintln!("somebody else pushed meanwhile: once more on what is there now ({attempt} of {PUSHES_MAX})")
            }
        }
    }
    bail!("others kept pushing to {}: given up after {PUSHES_MAX} times, nothing changed", target.branch)
}

/// What a user wants written.
struct Wish<'a> {
    given: &'a Given,
    verb: Verb,
    name: &'a str,
    chart: &'a str,
    values: Value,
}

impl Wish<'_> {
    /// Writes it on the newest commit and pushes that.
    fn attempt(&self, target: &Target) -> Result<Pushed> {
        let Wish { given, verb, name, chart, values } = self;
        let folder = tempfile::tempdir()?;
        let work = Work { root: folder.path().join("clone"), below: target.path.clone() };
        target.clone_into(&work.root)?;
        let place = work.path(&format!("{RELEASES}/{name}.yaml"));
        let is_there = place.exists();
        match verb {
            Verb::Install if is_there => {
                bail!(
                    "cannot re-use a name that is still in use: {RELEASES}/{name}.yaml is there; `masthead upgrade` changes it"
                )
            }
            Verb::Upgrade if !is_there && !given.is_on("install") => {
                bail!("{name:?} has no deployed releases: there is no {RELEASES}/{name}.yaml; --install makes it")
            }
            _ => {}
        }
        let spec = work.chart(chart, given)?;
        let namespace = given.get("namespace").unwrap_or(DEFAULT_NAMESPACE);
        let release = release(name, namespace, spec, values.clone(), given);
        write(&place, emit::to_string(&release).as_bytes())?;
        if given.is_on("create-namespace") && namespace != DEFAULT_NAMESPACE {
            let object = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace } });
            let file = work.path(&format!("namespaces/{namespace}.yaml"));
            if !file.exists() {
                write(&file, emit::to_string(&object).as_bytes())?;
            }
        }
        init::git(&work.root, &["add", "--all"])?;
        if given.get("dry-run").is_some_and(|how| how != "false" && how != "none") {
            let diff =
                Command::new("git").current_dir(&work.root).args(["diff", "--cached", "--stat", "-p"]).output()?;
            print!("{}", String::from_utf8_lossy(&diff.stdout));
            return Ok(Pushed::Done(ExitCode::SUCCESS));
        }
        let word = if is_there { "Upgrade" } else { "Install" };
        let message = given.get("message").map_or_else(|| format!("{word} {name} ({chart})"), str::to_owned);
        target.push(&work.root, &message, given.is_on("no-wait"))
    }
}

/// What became of a push.
enum Pushed {
    /// It was taken, or refused for good.
    Done(ExitCode),
    /// The branch has moved on: the same has to be written on what is there now.
    Behind,
}

/// The Release as it is written.
fn release(name: &str, namespace: &str, chart: Value, values: Value, given: &Given) -> Value {
    let mut spec = json!({ "chart": chart });
    if values.as_object().is_some_and(|values| !values.is_empty()) {
        spec["values"] = values;
    }
    if given.is_on("no-hooks") {
        spec["hooks"] = json!("Skip");
    }
    if given.is_on("skip-crds") {
        spec["includeCRDs"] = json!(false);
    }
    if given.is_on("skip-schema-validation") {
        spec["skipSchemaValidation"] = json!(true);
    }
    json!({
        "apiVersion": "masthead.dev/v1",
        "kind": "Release",
        "metadata": { "name": name, "namespace": namespace },
        "spec": spec,
    })
}

/// The repository that a control plane watches.
struct Target {
    url: String,
    branch: String,
    path: String,
}

impl Target {
    fn find(given: &Given) -> Result<Target> {
        let env = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let data = given.get("data").map(str::to_owned).or_else(|| env("MASTHEAD_DATA"));
        let server = locate::Args {
            server: given.get("server").map(str::to_owned).or_else(|| env("MASTHEAD_SERVER")),
            data: data.unwrap_or_else(|| DATA_DIR.to_owned()).into(),
        };
        let rest = Rest::find(&server)?;
        let status = crate::cli::block_on(async { rest.get("/apis/masthead.dev/v1/status").await })?;
        let field = |name: &str| {
            let value = status.get("repository").and_then(|r| r.get(name)).and_then(Value::as_str);
            value.map(str::to_owned).with_context(|| format!("the control plane's status has no repository.{name}"))
        };
        Ok(Target { url: field("url")?, branch: field("branch")?, path: field("path")? })
    }

    /// Clones the newest commit; a repository without one is begun.
    fn clone_into(&self, to: &Path) -> Result<()> {
        let to_text = to.to_string_lossy();
        let parent = to.parent().unwrap_or(to);
        let cloned =
            init::git(parent, &["clone", "--quiet", "--depth=1", "--branch", &self.branch, "--", &self.url, &to_text]);
        let Err(error) = cloned else { return Ok(()) };
        let heads =
            Command::new("git").args(["ls-remote", "--heads", "--", &self.url]).output().context("running git")?;
        if !heads.status.success() || !heads.stdout.is_empty() {
            return Err(error);
        }
        std::fs::create_dir_all(to)?;
        init::git(to, &["init", "--quiet", &format!("--initial-branch={}", self.branch)])?;
        init::git(to, &["remote", "add", "origin", "--", &self.url])
    }

    /// Commits and pushes; what the control plane says goes to the user as it comes.
    fn push(&self, root: &Path, message: &str, is_short: bool) -> Result<Pushed> {
        let staged = Command::new("git").current_dir(root).args(["diff", "--cached", "--quiet"]).status()?;
        if staged.success() {
            println!("nothing to change: the repository says so already");
            return Ok(Pushed::Done(ExitCode::SUCCESS));
        }
        let knows_user =
            Command::new("git").current_dir(root).args(["config", "user.email"]).output()?.status.success();
        let who = ["-c", "user.name=masthead", "-c", "user.email=masthead@localhost"];
        let who = if knows_user { &[][..] } else { &who[..] };
        init::git(root, &[who, &["commit", "--quiet", "-m", message]].concat())?;
        let mut push = Command::new("git");
        push.current_dir(root).args(["push", "--quiet", "--porcelain"]);
        if is_short {
            push.args(["-o", "no-wait"]);
        }
        let target = format!("HEAD:refs/heads/{}", self.branch);
        // What is for people goes to the terminal as it comes; what became of the ref is read.
        let pushed = push.args(["origin", &target]).stdin(Stdio::null()).stderr(Stdio::inherit()).output();
        let pushed = pushed.context("running git")?;
        if pushed.status.success() {
            return Ok(Pushed::Done(ExitCode::SUCCESS));
        }
        let told = String::from_utf8_lossy(&pushed.stdout);
        if is_behind(&told) {
            return Ok(Pushed::Behind);
        }
        for line in told.lines().filter(|line| line.starts_with('!')) {
            eprintln!("{}", line.replace('\t', " "));
        }
        Ok(Pushed::Done(ExitCode::FAILURE))
    }
}

/// Whether a push was refused because the branch is no longer where the clone was made from: before it was sent, or,
/// in a race, by whoever took the branch's lock first.
fn is_behind(porcelain: &str) -> bool {
    const REASONS: [&str; 5] =
        ["(fetch first)", "(non-fast-forward)", "(stale info)", "failed to update ref", "cannot lock ref"];
    let refused = porcelain.lines().filter(|line| line.starts_with('!'));
    refused.into_iter().any(|line| REASONS.iter().any(|reason| line.contains(reason)))
}

/// A clone that is written into.
struct Work {
    root: PathBuf,
    /// The watched folder.
    below: String,
}

impl Work {
    fn path(&self, path: &str) -> PathBuf {
        if self.below.is_empty() { self.root.join(path) } else { self.root.join(&self.below).join(path) }
    }

    /// What the Release says of its chart; a chart that is here is copied into the repository, one that is elsewhere pinned.
    fn chart(&self, chart: &str, given: &Given) -> Result<Value> {
        let local = Path::new(chart);
        if local.is_dir() || chart.ends_with(".tgz") && local.is_file() {
            if !given.text("version").is_empty() || !given.text("repo").is_empty() {
                bail!("--version and --repo are for charts that are elsewhere; {chart} is here");
            }
            if given.is_on("verify") {
                remote::verify(chart, given).map_err(|why| anyhow!("{chart}: {why}"))?;
            }
            return self.copy(chart).map_err(|why| anyhow!("{chart}: {why}"));
        }
        let asked = remote::asked(chart, given).map_err(|why| anyhow!("{chart} is not here, and {why}"))?;
        self.pin(&asked, given)?;
        let mut spec = json!({ "repository": asked.repository, "name": asked.name });
        if !asked.version.is_empty() {
            spec["version"] = json!(asked.version);
        }
        Ok(spec)
    }

    fn copy(&self, chart: &str) -> Result<Value, String> {
        let mut warnings = Vec::new();
        let files = if Path::new(chart).is_dir() {
            disk::folder(&mut Real::default(), chart, &mut warnings)?
        } else {
            archive::files_or_name(&std::fs::read(chart).map_err(|error| error.to_string())?)?
        };
        let loaded = load::files(files.clone(), &mut warnings)?;
        command::missing_dependencies(&loaded)?;
        let folder = format!("{CHARTS}/{}", loaded.name());
        let target = self.path(&folder);
        // A chart of another name is not replaced, whatever its folder is called.
        if target.join(CHART_FILE).exists() || !target.exists() {
            if target.exists() {
                std::fs::remove_dir_all(&target).map_err(|error| error.to_string())?;
            }
        } else {
            return Err(format!("{folder} is in the repository already, and is no chart"));
        }
        for file in files {
            write(&target.join(&file.name), file.data.as_bytes()).map_err(|error| format!("{error:#}"))?;
        }
        Ok(json!({ "path": format!("/{folder}") }))
    }

    fn pin(&self, asked: &Asked, given: &Given) -> Result<()> {
        let path = self.path(LOCK_FILE);
        let mut lock = match std::fs::read(&path) {
            Ok(text) => Lock::read(&text).map_err(|why| anyhow!("{LOCK_FILE}: {why}"))?,
            Err(_) => Lock::default(),
        };
        let fetcher = remote::fetcher(given).map_err(|why| anyhow!(why))?;
        let found = remote::wait(async { fetcher.resolve(asked).await.map_err(|e| e.to_string()) });
        let (locked, _) = found.map_err(|why| anyhow!(why))?;
        eprintln!("{} {} ({})", asked.name, locked.resolved, locked.digest);
        lock.put(locked);
        write(&path, lock.write().as_bytes())
    }
}

fn write(path: &Path, text: &[u8]) -> Result<()> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).with_context(|| format!("making {}", parent.display()))?;
    }
    std::fs::write(path, text).with_context(|| format!("writing {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::is_behind;

    #[test]
    fn a_push_that_came_late_is_told_from_one_that_is_refused() {
        let check = |told: &str, expect: bool| assert_eq!(is_behind(told), expect, "{told}");
        check("To http://x\n!\tHEAD:refs/heads/main\t[rejected] (fetch first)\nDone\n", true);
        check("!\tHEAD:refs/heads/main\t[rejected] (non-fast-forward)\n", true);
        check("!\tHEAD:refs/heads/main\t[remote rejected] (failed to update ref)\n", true);
        check(
            "!\tHEAD:refs/heads/main\t[remote rejected] (cannot lock ref 'refs/heads/main': is at 1 but expected 2)\n",
            true,
        );
        check("!\tHEAD:refs/heads/main\t[remote rejected] (pre-receive hook declined)\n", false);
        check("", false);
    }
}
