//! Pushes whose refs, history or commits are odd: rewrites, deletes, names like options, text meant for a terminal.

use git2::Oid;

use crate::bad_inputs::lab::{Case, Expect, Lab, Make, run};

const fn push(
    name: &'static str,
    args: fn(&Lab) -> Vec<String>,
    expect: Expect,
    says: &'static [&'static str],
) -> Case {
    Case { name, make: Make::Push(args), expect, says }
}

const fn commit(name: &'static str, commit: fn(&Lab) -> Oid, expect: Expect, says: &'static [&'static str]) -> Case {
    Case { name, make: Make::Commit(commit), expect, says }
}

fn changed(lab: &Lab) -> Oid {
    lab.files(&[(
        "apps/settings.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: settings\ndata:\n  color: red\n",
    )])
}

fn invalid(lab: &Lab) -> Oid {
    lab.files(&[("apps/x.yaml", "apiVersion: v1\nkind: ConfigMop\nmetadata:\n  name: x\n")])
}

fn orphan(lab: &Lab, message: &str) -> Oid {
    let who = git2::Signature::new("Ada", "ada@example.test", &git2::Time::new(1_700_000_000, 0)).expect("a person");
    let tree = lab.repo.find_tree(changed(lab)).expect("a tree");
    lab.repo.commit(None, &who, &who, message, &tree, &[]).expect("a commit")
}

fn to(commit: Oid, name: &str) -> Vec<String> {
    vec![format!("{commit}:{name}")]
}

const CASES: &[Case] = &[
    push(
        "a forced push of another history",
        |lab| to(orphan(lab, "other"), "refs/heads/main").iter().map(|r| format!("+{r}")).collect(),
        Expect::Refused,
        &["a forced push would rewrite main", "git revert", "Masthead-Confirm: rewrite"],
    ),
    push(
        "a forced push back",
        |lab| {
            let parent = lab.repo.find_commit(lab.tip()).and_then(|c| c.parent_id(0)).expect("a parent");
            vec![format!("+{parent}:refs/heads/main")]
        },
        Expect::Refused,
        &["a forced push would rewrite main"],
    ),
    push(
        "a rewrite that is confirmed in the subject alone",
        |lab| vec![format!("+{}:refs/heads/main", orphan(lab, "Masthead-Confirm: rewrite"))],
        Expect::Refused,
        &["a forced push would rewrite main"],
    ),
    push(
        "a push that is not forced and not forward",
        |lab| to(orphan(lab, "other"), "refs/heads/main"),
        Expect::Git,
        &[],
    ),
    push(
        "the tracked branch is deleted",
        |_| vec![":refs/heads/main".into()],
        Expect::Refused,
        &["the tracked branch main may not be deleted"],
    ),
    push(
        "somebody else's notes",
        |lab| vec![format!("+{}:refs/notes/masthead", lab.tip())],
        Expect::Refused,
        &["refs/notes/masthead is written by Masthead alone"],
    ),
    push(
        "a branch that begins with a dash",
        |lab| to(lab.tip(), "refs/heads/-x"),
        Expect::Refused,
        &["begins with a dash"],
    ),
    push(
        "a branch like an option",
        |lab| to(lab.tip(), "refs/heads/--upload-pack=touch"),
        Expect::Refused,
        &["begins with a dash"],
    ),
    push(
        "a tag that begins with a dash",
        |lab| to(lab.tip(), "refs/tags/-x"),
        Expect::Refused,
        &["begins with a dash"],
    ),
    push(
        "a branch by the name of HEAD",
        |lab| to(lab.tip(), "refs/heads/HEAD"),
        Expect::Refused,
        &["not a valid branch name"],
    ),
    push(
        "a branch that reads backwards",
        |lab| to(lab.tip(), "refs/heads/x\u{202e}niam"),
        Expect::Refused,
        &["x\\u{202e}niam", "invisible or bidirectional"],
    ),
    push("a ref with two dots", |lab| to(lab.tip(), "refs/heads/a..b"), Expect::Git, &[]),
    push("a ref with a space", |lab| to(lab.tip(), "refs/heads/a b"), Expect::Git, &[]),
    push("a branch that is no commit", |lab| to(lab.blob(b"x"), "refs/heads/blob"), Expect::Git, &[]),
    push("the tracked branch as a blob", |lab| vec![format!("+{}:refs/heads/main", lab.blob(b"x"))], Expect::Git, &[]),
    push(
        "a good branch beside a bad tracked one",
        |lab| [to(lab.tip(), "refs/heads/topic1"), to(lab.commit(invalid(lab), b"bad"), "refs/heads/main")].concat(),
        Expect::Refused,
        &["apps/x.yaml:2: ConfigMop/x: kind: "],
    ),
    push(
        "an invalid tree to another branch",
        |lab| to(lab.commit(invalid(lab), b"bad"), "refs/heads/topic2"),
        Expect::Aside,
        &["not applicable", "apps/x.yaml:2: ConfigMop/x: kind: "],
    ),
    push(
        "an unknown push option",
        |lab| {
            ["-o", "no-wiat"]
                .map(str::to_owned)
                .into_iter()
                .chain(to(lab.commit(invalid(lab), b"bad"), "refs/heads/main"))
                .collect()
        },
        Expect::Refused,
        &["push option \"no-wiat\" is not known", "no-wait"],
    ),
    commit(
        "escape sequences in the message",
        |lab| lab.commit(changed(lab), b"\x1b[2J\x1b]0;owned\x07 red\n\n\x1b[31mbody\r\x08"),
        Expect::Noted,
        &["\\x1b[2J"],
    ),
    commit(
        "a subject that reads backwards",
        |lab| lab.commit(changed(lab), "safe \u{202e}dliw\u{2066}".as_bytes()),
        Expect::Noted,
        &["u{202e}"],
    ),
    commit(
        "a message that is not UTF-8",
        |lab| lab.commit(changed(lab), b"\xff\xfe red"),
        Expect::Noted,
        &["~ ConfigMap default/settings"],
    ),
    commit(
        "a commit without a message",
        |lab| lab.commit(changed(lab), b""),
        Expect::Noted,
        &["~ ConfigMap default/settings"],
    ),
    commit(
        "a message of a megabyte on one line",
        |lab| lab.commit(changed(lab), &vec![b'm'; 1 << 20]),
        Expect::Noted,
        &["~ ConfigMap default/settings"],
    ),
    commit(
        "a message with a NUL",
        |lab| lab.commit(changed(lab), b"a\0b"),
        Expect::Noted,
        &["~ ConfigMap default/settings"],
    ),
    commit(
        "an author with escape sequences",
        |lab| lab.commit_by(changed(lab), b"red", b"\x1b[31mAda\x07 <a\x1bb> 1700000000 +0000"),
        Expect::Noted,
        &["~ ConfigMap default/settings"],
    ),
    commit(
        "an author from before 1970",
        |lab| lab.commit_by(changed(lab), b"red", b"Ada <a@b> 0 -9999"),
        Expect::Noted,
        &["~ ConfigMap default/settings"],
    ),
    commit(
        "an author from the end of time",
        |lab| lab.commit_by(changed(lab), b"red", b"Ada <a@b> 9223372036854775807 +0000"),
        Expect::Noted,
        &["~ ConfigMap default/settings"],
    ),
    commit(
        "a confirmation that is misspelt",
        |lab| {
            lab.commit(
                lab.files(&[(
                    "apps/frozen.yaml",
                    "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: frozen\ndata: {}\n",
                )]),
                b"x\n\nMasthead-Confirm: repalce",
            )
        },
        Expect::Refused,
        &["Masthead-Confirm: replace"],
    ),
    commit(
        "values of a Secret in a plan",
        |lab| {
            lab.commit(lab.files(&[("apps/token.yaml", "apiVersion: v1\nkind: Secret\nmetadata:\n  name: token\n  annotations:\n    kubectl.kubernetes.io/last-applied-configuration: '{\"stringData\":{\"password\":\"hunter2\"}}'\nstringData:\n  password: hunter2\n  other: correct-horse\n")]), b"x")
        },
        Expect::Noted,
        &["~ Secret default/token", "*** (before)", "*** (after)"],
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn odd_refs_and_commits_do_no_harm() {
    run(CASES).await;
}
