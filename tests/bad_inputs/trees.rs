//! Trees that git itself would not write: links, names and modes meant to lead a reader astray.

use git2::Oid;

use crate::bad_inputs::lab::{Case, Expect, FILE, FOLDER, LINK, Lab, MODULE, Make, config, run};

const fn refused(name: &'static str, tree: fn(&Lab) -> Oid, says: &'static [&'static str]) -> Case {
    Case { name, make: Make::Tree(tree), expect: Expect::Refused, says }
}

const fn noted(name: &'static str, tree: fn(&Lab) -> Oid, says: &'static [&'static str]) -> Case {
    Case { name, make: Make::Tree(tree), expect: Expect::Noted, says }
}

fn link(lab: &Lab, to: &[u8]) -> Oid {
    lab.within(&[(LINK, b"x.yaml", lab.blob(to))])
}

fn named(lab: &Lab, name: &[u8]) -> Oid {
    lab.within(&[(FILE, name, lab.blob(config("x", "a: b").as_bytes()))])
}

fn hook(lab: &Lab, name: &[u8]) -> Oid {
    let hooks = lab.raw_tree(&[(0o100_755, b"post-checkout", lab.blob(b"#!/bin/sh\ntouch /tmp/x\n"))]);
    lab.beside(&[(FOLDER, name, hooks)])
}

fn deep(lab: &Lab, levels: usize) -> Oid {
    let mut tree = lab.raw_tree(&[(FILE, b"x.yaml", lab.blob(config("x", "a: b").as_bytes()))]);
    for _ in 0..levels {
        tree = lab.raw_tree(&[(FOLDER, b"d", tree)]);
    }
    lab.beside(&[(FOLDER, b"deep", tree)])
}

const MODULES: &[u8] = b"[submodule \"x\"]\n\tpath = x\n\turl = ext::sh -c touch% /tmp/x\n";

const CASES: &[Case] = &[
    refused(
        "a link to a file of the machine",
        |lab| link(lab, b"/etc/passwd"),
        &["apps/x.yaml: is a symbolic link out of the repository"],
    ),
    refused(
        "a link above the root",
        |lab| link(lab, b"../../../../etc/passwd"),
        &["apps/x.yaml: is a symbolic link out of the repository"],
    ),
    refused(
        "a link into the daemon's own files",
        |lab| link(lab, b"/proc/self/environ"),
        &["apps/x.yaml: is a symbolic link out of the repository"],
    ),
    refused(
        "a link out of the repository by another name",
        |lab| lab.within(&[(LINK, b"notes", lab.blob(b"/etc/passwd"))]),
        &["apps/notes: is a symbolic link out of the repository"],
    ),
    refused(
        "a link to itself",
        |lab| link(lab, b"x.yaml"),
        &["apps/x.yaml: is a symbolic link that leads in a circle"],
    ),
    refused(
        "two links to each other",
        |lab| lab.within(&[(LINK, b"x.yaml", lab.blob(b"y.yaml")), (LINK, b"y.yaml", lab.blob(b"x.yaml"))]),
        &["apps/x.yaml: is a symbolic link that leads in a circle", "apps/y.yaml: "],
    ),
    refused("a link to nothing", |lab| link(lab, b"nowhere.yaml"), &["apps/x.yaml: is a symbolic link to nothing"]),
    refused("a link of no text", |lab| link(lab, b""), &["apps/x.yaml: is a symbolic link"]),
    refused("a link of a megabyte", |lab| link(lab, &vec![b'a'; 1 << 20]), &["apps/x.yaml: is a symbolic link"]),
    refused(
        "a link through a link out of the tree",
        |lab| lab.within(&[(LINK, b"out", lab.blob(b"/etc")), (LINK, b"x.yaml", lab.blob(b"out/passwd"))]),
        &["apps/x.yaml: is a symbolic link out of the repository"],
    ),
    refused(
        "a link that reads an object twice",
        |lab| link(lab, b"settings.yaml"),
        &["apps/x.yaml:1: ConfigMap/settings: ", "also written at apps/settings.yaml:1"],
    ),
    noted(
        "a link to a folder",
        |lab| lab.beside(&[(LINK, b"more", lab.blob(b"apps"))]),
        &["note: more: is a symbolic link to the folder apps"],
    ),
    refused(
        "a name with a newline",
        |lab| named(lab, b"x\n  + ConfigMap forged.yaml"),
        &["apps/x\\n  + ConfigMap forged.yaml: ", "control"],
    ),
    refused(
        "a name with an escape sequence",
        |lab| named(lab, b"x\x1b[2J\x1b]0;title\x07.yaml"),
        &["apps/x\\x1b[2J\\x1b]0;title\\x07.yaml: "],
    ),
    refused(
        "a name that reads backwards",
        |lab| named(lab, "x\u{202e}lmay.yaml".as_bytes()),
        &["apps/x\\u{202e}lmay.yaml: "],
    ),
    refused("a name that is not UTF-8", |lab| named(lab, b"x\xff\xfe.yaml"), &["has a name that is not UTF-8"]),
    noted(
        "a name that is not UTF-8 of a file that is not read",
        |lab| named(lab, b"x\xff\xfe.txt"),
        &["note: ", "has a name that is not UTF-8"],
    ),
    refused(
        "a name longer than a path may be",
        |lab| named(lab, format!("{}.yaml", "n".repeat(5000)).as_bytes()),
        &["4096 bytes"],
    ),
    refused("a folder .git with hooks", |lab| hook(lab, b".git"), &[".git: is git's own folder"]),
    refused("a folder .GIT", |lab| hook(lab, b".GIT"), &[".GIT: is git's own folder"]),
    refused("a folder .git as Windows reads it", |lab| hook(lab, b"git~1"), &["git~1: is git's own folder"]),
    refused("a folder .git as a stream", |lab| hook(lab, b".git::$INDEX_ALLOCATION"), &["is git's own folder"]),
    refused(
        "a folder .git with an invisible letter",
        |lab| hook(lab, ".g\u{200c}it".as_bytes()),
        &["is git's own folder"],
    ),
    refused("a folder by the name of ..", |lab| hook(lab, b".."), &["..: is not a file name"]),
    refused("a folder by the name of .", |lab| hook(lab, b"."), &["is not a file name"]),
    refused("a name with a slash", |lab| named(lab, b"../../x.yaml"), &["holds a slash"]),
    refused(
        "one name twice in a folder",
        |lab| named(lab, b"settings.yaml"),
        &["apps/settings.yaml: is in its folder twice"],
    ),
    refused("folders a hundred deep", |lab| deep(lab, 100), &["is nested deeper than 64 folders"]),
    noted("folders sixty deep", |lab| deep(lab, 60), &["+ ConfigMap default/x"]),
    noted(
        "a submodule that runs a program",
        |lab| lab.beside(&[(MODULE, b"x", lab.tip()), (FILE, b".gitmodules", lab.blob(MODULES))]),
        &["note: x: is a submodule: manifests in it are not read"],
    ),
    noted(
        "a submodule by the name of a manifest",
        |lab| lab.within(&[(MODULE, b"x.yaml", lab.tip())]),
        &["note: apps/x.yaml: is a submodule"],
    ),
    refused(
        "a list of what to ignore that is a link",
        |lab| lab.beside(&[(LINK, b".mastheadignore", lab.blob(b"/etc/passwd"))]),
        &[".mastheadignore: is not a plain file"],
    ),
    refused(
        "a list of what to ignore of a megabyte",
        |lab| lab.beside(&[(FILE, b".mastheadignore", lab.blob(&vec![b'a'; 1 << 20]))]),
        &[".mastheadignore:1: the file is larger than 64 KiB"],
    ),
    refused(
        "a list of what to ignore that ignores everything",
        |lab| lab.beside(&[(FILE, b".mastheadignore", lab.blob(b"*\n"))]),
        &["Masthead-Confirm: delete"],
    ),
    refused("a tree without any file", |lab| lab.raw_tree(&[]), &["Masthead-Confirm: delete"]),
    refused(
        "a tree that only has other files",
        |lab| lab.raw_tree(&[(FILE, b"README.md", lab.blob(b"hello\n"))]),
        &["Masthead-Confirm: delete"],
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trees_that_lead_astray_are_refused() {
    run(CASES).await;
}
