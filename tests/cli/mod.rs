//! The command line by itself: its help, its words and exit codes where no control plane runs, what it leaves alone.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

/// Columns of a line of help, at most.
const WIDTH: usize = 100;

/// How long a control plane may take to answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs a line of words in a folder, with its data in `data` there.
fn masthead(folder: &Path, line: &str) -> Output {
    command(folder, line).output().expect("it runs")
}

fn command(folder: &Path, line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_masthead"));
    for name in ["MASTHEAD_SERVER", "MASTHEAD_TOKEN", "MASTHEAD_NAMESPACE", "MASTHEAD_LOG", "COLUMNS"] {
        command.env_remove(name);
    }
    command.env("MASTHEAD_DATA", folder.join("data")).current_dir(folder).stdin(Stdio::null());
    command.args(line.split_whitespace());
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The names of the commands that a help lists.
fn commands(help: &str) -> Vec<String> {
    let list = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| line.starts_with("  "));
    let names = list.filter(|line| !line.starts_with("   ")).filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

#[test]
fn all_help_fits_the_screen() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut open = vec![String::new()];
    let mut seen = 0;
    while let Some(path) = open.pop() {
        for flag in ["-h", "--help"] {
            let done = masthead(folder.path(), &format!("{path} {flag}"));
            let help = text(&done.stdout);
            assert!(done.status.success() && done.stderr.is_empty(), "{path} {flag}: {done:?}");
            // Those of charts are laid out as Helm's are.
            let wide = help.lines().find(|line| line.chars().count() > WIDTH && !path.starts_with(" chart "));
            assert_eq!(wide, None, "{path} {flag}");
            assert!(!help.contains('\u{1b}'), "{path} {flag}: colours");
            if flag == "-h" {
                open.extend(commands(&help).iter().map(|name| format!("{path} {name}")));
            }
        }
        seen += 1;
    }
    assert!(seen > 45, "only {seen} commands");
    assert!(!folder.path().join("data").exists(), "help writes nothing");
}

#[test]
fn without_a_control_plane_each_command_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let nowhere = folder.path().join("data").display().to_string();
    for line in [
        "status",
        "log",
        "get pods",
        "describe pod x",
        "logs x",
        "exec x -- ls",
        "attach x",
        "delete pod x",
        "port-forward x 80",
        "events",
        "rollout status deploy/x",
        "wait --for=delete pod/x",
        "version",
        "token",
        "node ls",
        "blame deploy/x",
        "test x",
        "revert x",
        "install a b",
    ] {
        let done = masthead(folder.path(), line);
        let expect = format!(
            "error: no control plane runs here with its data in {nowhere}\n\
             `masthead up` starts one; --data DIR or --server URL names another\n"
        );
        assert_eq!((done.status.code(), text(&done.stderr)), (Some(78), expect), "{line}");
    }
    // As `kubectl diff`: whatever is more than 1 is no answer.
    assert_eq!(masthead(folder.path(), "plan").status.code(), Some(2));
    assert!(!folder.path().join("data").exists(), "nothing is made");
}

#[test]
fn exit_codes_say_whose_fault_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let foreign = folder.path().join("home");
    std::fs::create_dir(&foreign).expect("a folder");
    std::fs::write(foreign.join("thesis.tex"), "all of it").expect("a file");
    let check = |line: &str, code: i32, expect: &str| {
        let done = masthead(folder.path(), line);
        let said = text(&done.stderr);
        assert!(done.status.code() == Some(code) && said.contains(expect), "{line}: {:?} {said}", done.status);
    };
    check("get pots", 1, "the server doesn't have a resource type \"pots\"; did you mean pods?");
    check("stauts", 2, "a similar subcommand exists: 'status'");
    check(
        "get pods -o foo",
        2,
        "allowed formats are: custom-columns=COLUMNS, json, jsonpath=TEMPLATE, jsonpath-as-json=TEMPLATE, name, wide, yaml",
    );
    check("wait --for=delete pod", 1, "no name was specified");
    check("get pods -s http://127.0.0.1:1", 78, "cannot be reached: Connection refused");
    check("get pods -s ftp://x", 1, "ftp is neither http nor https");
    check("down --data home", 78, "is no data directory of Masthead: it holds thesis.tex");
    check("image ls", 78, "no node keeps images in");
    check("serve --data home", 78, "is no data directory of Masthead");
    check("serve --ingress foo=1", 2, "there is no \"foo\": it is one of proxy-protocol, trusted,");
    check("serve --ingress trusted=x", 2, "trusted can't be \"x\": it is ranges such as 10.0.0.0/8");
    check("serve --ingress trusted=10.0.0.0/8 --ingress trusted=10.0.0.0/9", 1, "--ingress trusted is given twice");
    check("serve --pod-cidr 10.0.0.1/16", 2, "10.0.0.1/16");
    assert_eq!(std::fs::read_to_string(foreign.join("thesis.tex")).expect("it is there"), "all of it");
    assert_eq!(std::fs::read_dir(&foreign).expect("a folder").count(), 1, "nothing is written there");
    let none = masthead(folder.path(), "down");
    assert!(none.status.success() && text(&none.stdout).starts_with("nothing to remove: there is no "), "{none:?}");
}

/// `kind load` brings an image to all nodes of a cluster; so does this.
#[test]
fn an_image_is_imported_for_all_nodes_of_a_fleet() {
    let folder = tempfile::tempdir().expect("a folder");
    let put = |path: &str, body: &[u8]| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, body).expect("a file");
    };
    let node = |name: &str, number: u8| json!({"name": name, "role": "worker", "number": number});
    let fleet = json!({"segment": {"base": "169.254.0.0"}, "forwardBefore": "1",
        "nodes": {"red": node("red", 1), "blue": node("blue", 2)}});
    put("data/fleet.json", fleet.to_string().as_bytes());
    // Two blocks of zeros are an archive without a file.
    put("image/layer.tar", &[0; 1024]);
    let layer = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef";
    let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let config =
        json!({"architecture": architecture, "os": "linux", "rootfs": {"type": "layers", "diff_ids": [layer]}});
    put("image/config.json", config.to_string().as_bytes());
    let manifest = json!([{"Config": "config.json", "RepoTags": ["shop/web:1"], "Layers": ["layer.tar"]}]);
    put("image/manifest.json", manifest.to_string().as_bytes());
    let archived =
        Command::new("tar").args(["-C", "image", "-cf", "image.tar", "."]).current_dir(folder.path()).status();
    assert!(archived.expect("tar runs").success());

    let run = |line: &str| {
        let done = masthead(folder.path(), &format!("image {line}"));
        assert!(done.status.success(), "{line}: {}", text(&done.stderr));
        text(&done.stdout).to_owned()
    };
    let name = "docker.io/shop/web:1";
    assert_eq!(run("import image.tar"), format!("imported {name} on blue\nimported {name} on red\n"));
    let listed = run("ls");
    let rows: Vec<Vec<&str>> = listed.lines().map(|line| line.split_whitespace().take(2).collect()).collect();
    assert_eq!(rows, [["NODE", "NAME"], ["blue", name], ["red", name]], "{listed}");
    assert_eq!(run("--data data/nodes/red rm shop/web:1"), "removed shop/web:1\n");
    assert_eq!(run("rm shop/web:1"), "removed shop/web:1 on blue\n");
    let none = masthead(folder.path(), "image rm shop/web:1");
    assert!(text(&none.stderr).contains("there is no image \"shop/web:1\""), "{none:?}");
}

/// Each line of a log that could not be written was once told to the same log, which panicked.
#[test]
fn a_full_disk_below_the_log_ends_no_control_plane() {
    let folder = tempfile::tempdir().expect("a folder");
    let full = || File::options().write(true).open("/dev/full").expect("a device that is always full");
    let mut serve = command(folder.path(), "serve --listen 127.0.0.1:0 --listen-nodes 127.0.0.1:0 --log debug");
    let mut serve = serve.stdout(full()).stderr(full()).spawn().expect("it starts");
    let began = Instant::now();
    while !masthead(folder.path(), "status").status.success() {
        assert_eq!(serve.try_wait().expect("its state"), None, "it ended");
        assert!(began.elapsed() < PATIENCE, "it does not answer");
        std::thread::sleep(Duration::from_millis(50));
    }
    kill(Pid::from_raw(i32::try_from(serve.id()).expect("a process")), Signal::SIGTERM).expect("it is there");
    assert!(serve.wait().expect("its end").success());
    // Of what cannot be written the user hears.
    let done =
        command(folder.path(), "completion bash").stdout(full()).stderr(Stdio::piped()).output().expect("it runs");
    let said = text(&done.stderr);
    assert!(done.status.code() == Some(78) && said.contains("No space left on device"), "{done:?}");
}

#[test]
fn a_skeleton_is_written_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let done = masthead(folder.path(), "init mine");
    let said = text(&done.stdout);
    assert!(done.status.success() && said.contains("no node has"), "{done:?}");
    assert!(said.ends_with("  git remote add origin URL && git push -u origin main\n"), "{said}");
    assert!(folder.path().join("mine/.git").is_dir() && folder.path().join("mine/apps/example.yaml").is_file());
    let again = masthead(folder.path(), "init mine");
    assert_eq!(again.status.code(), Some(1));
    assert_eq!(text(&again.stderr), "error: mine is not empty; give a folder that is, or does not exist\n");
}

#[test]
fn shells_take_their_completions() {
    let folder = tempfile::tempdir().expect("a folder");
    for shell in ["bash", "zsh", "fish"] {
        let done = masthead(folder.path(), &format!("completion {shell}"));
        let script = text(&done.stdout);
        assert!(done.status.success() && script.contains("port-forward"), "{shell}: {done:?}");
        let path = folder.path().join(shell);
        std::fs::write(&path, script).expect("a file");
        // Read and not run, by those that are here.
        if let Ok(read) = Command::new(shell).arg("-n").arg(&path).output() {
            assert!(read.status.success(), "{shell}: {read:?}");
        }
    }
}
