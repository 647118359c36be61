//! One case of a table → a commit built object by object, pushed to a running control plane, and all that must hold after.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use git2::{ObjectType, Oid, Repository};

use crate::push::Site;

/// The mode of a plain file.
pub const FILE: u32 = 0o100_644;
/// The mode of a symbolic link.
pub const LINK: u32 = 0o120_000;
/// The mode of a submodule.
pub const MODULE: u32 = 0o160_000;
/// The mode of a folder.
pub const FOLDER: u32 = 0o040_000;

/// What becomes of a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// The branch does not move.
    Refused,
    /// The branch moves and the words are told; objects stay as they are.
    Noted,
    /// Another ref moves, or none: the tracked branch and the objects stay as they are.
    Aside,
    /// The push is refused by git itself, before or behind us.
    Git,
}

/// How the push is made.
pub enum Make {
    /// Files beside those of the base, as plain text.
    Files(&'static [(&'static str, &'static str)]),
    /// A tree made by hand.
    Tree(fn(&Lab) -> Oid),
    /// A commit made by hand.
    Commit(fn(&Lab) -> Oid),
    /// Whole arguments of `git push` after the remote.
    Push(fn(&Lab) -> Vec<String>),
}

/// One row.
pub struct Case {
    /// What is bad about it.
    pub name: &'static str,
    /// How it is made.
    pub make: Make,
    /// What becomes of it.
    pub expect: Expect,
    /// Words that the pusher must see.
    pub says: &'static [&'static str],
}

/// Text that stands in Secrets of the cases and may never be shown, in any form.
pub const SECRETS: [&str; 6] =
    ["hunter2", "aHVudGVyMg", "correct-horse", "Y29ycmVjdC1ob3JzZQ", "314159265", "swordfish"];

/// The files that are applied before the first case.
const BASE: [(&str, &str); 5] = [
    ("apps/settings.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: settings\ndata:\n  color: blue\n"),
    (
        "apps/frozen.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: frozen\nimmutable: true\ndata:\n  color: blue\n",
    ),
    ("apps/token.yaml", "apiVersion: v1\nkind: Secret\nmetadata:\n  name: token\nstringData:\n  password: swordfish\n"),
    (
        "apps/web.yaml",
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\nspec:\n  replicas: 0\n  selector:\n    matchLabels:\n      app: web\n  template:\n    metadata:\n      labels:\n        app: web\n    spec:\n      containers:\n        - name: web\n          image: web:1\n",
    ),
    (
        "apps/service.yaml",
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: web\nspec:\n  selector:\n    app: web\n  ports:\n    - port: 80\n",
    ),
];

/// A running control plane with something applied, and the clone's object database.
pub struct Lab {
    site: Site,
    /// The clone's repository.
    pub repo: Repository,
    tip: Oid,
    pushes: u32,
}

/// Runs a table; every row is tried, and all that fail are told at once.
pub async fn run(cases: &[Case]) {
    let mut lab = Lab::start().await;
    let mut failed = String::new();
    for case in cases {
        if let Err(why) = lab.check(case) {
            let _ = writeln!(failed, "--- {}: {why}", case.name);
        }
    }
    lab.site.running.stop().await;
    assert!(failed.is_empty(), "{failed}");
}

impl Lab {
    async fn start() -> Lab {
        let site = Site::start().await;
        let repo = Repository::open(site.clone_dir()).expect("the clone");
        let mut lab = Lab { site, repo, tip: Oid::from_bytes(&[0; 20]).expect("zero"), pushes: 0 };
        lab.good_push().expect("the base is taken");
        lab
    }

    /// A blob.
    pub fn blob(&self, bytes: &[u8]) -> Oid {
        self.repo.blob(bytes).expect("a blob")
    }

    /// A tree of exactly these entries, whatever git thinks of them.
    pub fn raw_tree(&self, entries: &[(u32, &[u8], Oid)]) -> Oid {
        let mut raw = Vec::new();
        for (mode, name, id) in entries {
            raw.extend_from_slice(format!("{mode:o} ").as_bytes());
            raw.extend_from_slice(name);
            raw.push(0);
            raw.extend_from_slice(id.as_bytes());
        }
        self.repo.odb().and_then(|odb| odb.write(ObjectType::Tree, &raw)).expect("a tree")
    }

    /// The base's folder `apps`, and entries beside it.
    pub fn beside(&self, entries: &[(u32, &[u8], Oid)]) -> Oid {
        let apps = self.folder(&[]);
        self.raw_tree(&[&[(FOLDER, b"apps".as_slice(), apps)], entries].concat())
    }

    /// The base's folder `apps` with entries in it, later names first.
    pub fn within(&self, entries: &[(u32, &[u8], Oid)]) -> Oid {
        let apps = self.folder(entries);
        self.raw_tree(&[(FOLDER, b"apps", apps)])
    }

    fn folder(&self, entries: &[(u32, &[u8], Oid)]) -> Oid {
        let base = self.base();
        let mut all: Vec<(u32, Vec<u8>, Oid)> = base
            .iter()
            .map(|(path, text)| {
                (FILE, path.trim_start_matches("apps/").as_bytes().to_vec(), self.blob(text.as_bytes()))
            })
            .collect();
        all.extend(entries.iter().map(|(mode, name, id)| (*mode, name.to_vec(), *id)));
        all.sort_by(|a, b| a.1.cmp(&b.1));
        let borrowed: Vec<(u32, &[u8], Oid)> =
            all.iter().map(|(mode, name, id)| (*mode, name.as_slice(), *id)).collect();
        self.raw_tree(&borrowed)
    }

    /// The base's files as of the newest good push.
    pub fn base(&self) -> BTreeMap<String, String> {
        let mut files: BTreeMap<String, String> =
            BASE.iter().map(|(p, t)| ((*p).to_owned(), (*t).to_owned())).collect();
        files.insert("apps/count.yaml".to_owned(), config("count", &format!("n: \"{}\"", self.pushes)));
        files
    }

    /// A tree of the base with files laid over it; an empty text removes one.
    pub fn files(&self, over: &[(&str, &str)]) -> Oid {
        let mut files = self.base();
        for (path, text) in over {
            match text.is_empty() {
                true => files.remove(*path),
                false => files.insert((*path).to_owned(), (*text).to_owned()),
            };
        }
        let mut index = git2::Index::new().expect("an index");
        for (path, text) in &files {
            let entry = git2::IndexEntry {
                ctime: git2::IndexTime::new(0, 0),
                mtime: git2::IndexTime::new(0, 0),
                dev: 0,
                ino: 0,
                mode: FILE,
                uid: 0,
                gid: 0,
                file_size: 0,
                id: self.blob(text.as_bytes()),
                flags: 0,
                flags_extended: 0,
                path: path.clone().into_bytes(),
            };
            index.add(&entry).expect("an entry");
        }
        index.write_tree_to(&self.repo).expect("a tree")
    }

    /// A commit on the tip with this tree and message, byte by byte.
    pub fn commit(&self, tree: Oid, message: &[u8]) -> Oid {
        self.commit_by(tree, message, b"Ada <ada@example.test> 1700000000 +0000")
    }

    /// As [`Lab::commit`], by anybody.
    pub fn commit_by(&self, tree: Oid, message: &[u8], author: &[u8]) -> Oid {
        let parent = if self.tip.is_zero() { String::new() } else { format!("parent {}\n", self.tip) };
        let head = format!("tree {tree}\n{parent}author ");
        let raw = [head.as_bytes(), author, b"\ncommitter ", author, b"\n\n", message].concat();
        self.repo.odb().and_then(|odb| odb.write(ObjectType::Commit, &raw)).expect("a commit")
    }

    /// The tracked branch's tip as the hosted repository has it.
    pub fn tip(&self) -> Oid {
        self.tip
    }

    fn remote_tip(&self) -> Oid {
        let hosted = Repository::open_bare(self.site.running.data.repository()).expect("the hosted repository");
        hosted.refname_to_id("refs/heads/main").expect("a tip")
    }

    /// Every object with its revision and bytes, and what git last asked for.
    fn state(&self) -> BTreeMap<String, (u64, Vec<u8>, String)> {
        let cluster = self.site.running.api.view.read();
        let one = |object: &std::sync::Arc<masthead_api::object::Object>| {
            let applied =
                cluster.applied_of(object.key()).map(|a| format!("{} {}", a.commit, a.origin)).unwrap_or_default();
            (object.key().to_string(), (object.revision(), object.body().to_vec(), applied))
        };
        cluster.objects().map(one).collect()
    }

    fn push(&self, args: &[&str]) -> (bool, String) {
        let output = self.site.git(&[&["push"], args].concat(), "clone");
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// One more push of what is right.
    fn good_push(&mut self) -> Result<(), String> {
        self.pushes += 1;
        let commit = self.commit(self.files(&[]), format!("push {}", self.pushes).as_bytes());
        let (taken, said) = self.push(&["origin", &format!("{commit}:refs/heads/main")]);
        if !taken || !said.contains("healthy") {
            return Err(format!("a good push does not work: {said}"));
        }
        self.tip = commit;
        Ok(())
    }

    fn check(&mut self, case: &Case) -> Result<(), String> {
        let before = self.state();
        let refspec = |commit: Oid| vec![format!("{commit}:refs/heads/main")];
        let args = match &case.make {
            Make::Files(files) => refspec(self.commit(self.files(files), b"bad")),
            Make::Tree(tree) => refspec(self.commit(tree(self), b"bad")),
            Make::Commit(commit) => refspec(commit(self)),
            Make::Push(args) => args(self),
        };
        let args: Vec<&str> = ["origin"].into_iter().chain(args.iter().map(String::as_str)).collect();
        let (taken, said) = self.push(&args);
        let told = self.told(case, taken, &said).map_err(|why| format!("{why}\n{said}"));
        let moved = self.remote_tip();
        let kept = match (case.expect, moved == self.tip) {
            (Expect::Noted, true) => Err("the branch did not move".to_owned()),
            (Expect::Noted, false) => {
                self.tip = moved;
                Ok(())
            }
            (_, true) if self.state() == before => Ok(()),
            (_, true) => Err("objects changed".to_owned()),
            (_, false) => {
                self.tip = moved;
                Err("the branch moved".to_owned())
            }
        };
        let lives = self.answers();
        let goes_on = self.good_push();
        told.and(kept).and(lives).and(goes_on)
    }

    fn told(&self, case: &Case, taken: bool, said: &str) -> Result<(), String> {
        if taken != matches!(case.expect, Expect::Noted | Expect::Aside) {
            return Err(format!("taken: {taken}"));
        }
        let mut rest = case.says.iter();
        if let Some(missing) = rest.find(|words| !said.contains(**words)) {
            return Err(format!("does not say {missing:?}"));
        }
        if case.expect == Expect::Refused && !said.contains("nothing changed") {
            return Err("does not say that nothing changed".to_owned());
        }
        // Git clears the rest of the terminal's line behind each of ours; nothing else may be there.
        let plain = said.replace("\x1b[K", "");
        for line in plain.lines().filter_map(|line| line.strip_prefix("remote: ")).map(str::trim_end) {
            if let Some(odd) = line.chars().find(|c| masthead::git::text::hostile(*c)) {
                return Err(format!("prints {odd:?}"));
            }
            if line.len() > 2500 {
                return Err(format!("prints a line of {} bytes", line.len()));
            }
        }
        match SECRETS.iter().find(|secret| said.contains(**secret)) {
            Some(secret) => Err(format!("shows the value {secret}")),
            None => Ok(()),
        }
    }

    /// Asks the API whether it lives.
    fn answers(&self) -> Result<(), String> {
        let address = self.site.running.daemon.api_url.trim_start_matches("http://").to_owned();
        let ask = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect(&address)?;
            stream
                .write_all(format!("GET /livez HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").as_bytes())?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        };
        match ask() {
            Ok(answer) if answer.starts_with("HTTP/1.1 200") => Ok(()),
            other => Err(format!("the API answers {other:?}")),
        }
    }
}

/// A ConfigMap with one line of data.
pub fn config(name: &str, data: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:\n  {data}\n")
}
