//! Signed charts: made with `gpg`, checked with `gpgv`, and what another helm has signed.

use std::process::{Command, Stdio};

use super::lab::{Lab, has};
use super::server::{Server, index, missing, ok};

/// Keyrings in `public.gpg` and `secret.gpg`: Ann has no passphrase, Bob's is `pw`.
pub fn keys(lab: &Lab) -> bool {
    if !has(&["gpg", "gpgv", "gpg-agent"]) {
        return false;
    }
    std::fs::create_dir(lab.path("gnupg")).expect("a folder");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    std::fs::set_permissions(lab.path("gnupg"), mode).expect("a mode");
    // Else the agent measures how slowly it can protect a key.
    lab.write("gnupg/gpg-agent.conf", "s2k-count 65536\n");
    let gpg = |arguments: &[&str]| {
        let mut command = Command::new("gpg");
        command.arg("--homedir").arg(lab.path("gnupg")).args(["--batch", "--quiet", "--pinentry-mode", "loopback"]);
        let done = command.args(arguments).stdin(Stdio::null()).output().expect("gpg runs");
        assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
        done.stdout
    };
    for (passphrase, name) in [("", "Ann Test <ann@x.io>"), ("pw", "Bob Test <bob@x.io>")] {
        gpg(&["--passphrase", passphrase, "--quick-gen-key", name, "ed25519", "sign", "0"]);
    }
    lab.write("public.gpg", gpg(&["--export"]));
    lab.write("bob.gpg", gpg(&["--export", "bob"]));
    lab.write("secret.gpg", gpg(&["--passphrase", "pw", "--export-secret-keys"]));
    let mut end = Command::new("gpgconf");
    end.arg("--homedir").arg(lab.path("gnupg")).args(["--kill", "all"]);
    assert!(end.status().expect("gpgconf runs").success());
    true
}

#[test]
fn a_chart_is_signed_and_what_is_not_as_signed_is_refused() {
    let lab = Lab::new();
    if !keys(&lab) {
        return;
    }
    lab.chart("demo", "demo", "1.0.0");
    lab.write("pw", "pw\nmore\n");
    lab.good("package demo --sign --key ann@x.io --keyring secret.gpg");
    let told = lab.good("verify demo-1.0.0.tgz --keyring public.gpg");
    let lines: Vec<&str> = told.lines().collect();
    let digest = masthead_agent::images::digest::Digest::of(&lab.read("demo-1.0.0.tgz")).to_string();
    assert_eq!(lines.first(), Some(&"Signed by: Ann Test <ann@x.io>"));
    assert!(lines[1].starts_with("Using Key With Fingerprint: ") && lines[1].len() == 28 + 40, "{told}");
    assert_eq!(lines.get(2), Some(&format!("Chart Hash Verified: {digest}").as_str()));
    lab.good("template r demo-1.0.0.tgz --verify --keyring public.gpg");
    lab.good("show chart demo-1.0.0.tgz --verify --keyring public.gpg");
    lab.good("package demo -d bob --sign --key Bob --keyring secret.gpg --passphrase-file pw");
    assert!(lab.good("verify bob/demo-1.0.0.tgz --keyring bob.gpg").contains("Bob Test"));

    let archive = lab.read("demo-1.0.0.tgz");
    let signature = lab.text("demo-1.0.0.tgz.prov");
    let fails = |lab: &Lab, line: &str, expect: &str| {
        let told = lab.bad(line);
        assert!(told.contains(expect), "{line}\n{told}");
    };
    let verify = "verify demo-1.0.0.tgz --keyring public.gpg";
    fails(&lab, "verify demo-1.0.0.tgz --keyring bob.gpg", "openpgp: signature made by unknown entity");
    fails(&lab, "verify demo-1.0.0.tgz --keyring none.gpg", "failed to load keyring: open none.gpg");
    fails(&lab, "verify demo-1.0.0.tgz --keyring pw", "it is no binary keyring");
    fails(&lab, "verify demo-1.0.0.tgz --keyring secret.gpg", "openpgp: ");
    fails(&lab, "verify demo-1.0.0.tgz", "failed to load keyring: open HERE/home/.gnupg/pubring.gpg");
    lab.write("demo-1.0.0.tgz", [archive.as_slice(), b"x"].concat());
    fails(&lab, verify, "sha256 sum does not match for demo-1.0.0.tgz");
    fails(&lab, "template r demo-1.0.0.tgz --verify --keyring public.gpg", "sha256 sum does not match");
    lab.write("demo-1.0.0.tgz", &archive);
    let other = digest.replace(&digest[7..9], if &digest[7..9] == "00" { "11" } else { "00" });
    lab.write("demo-1.0.0.tgz.prov", signature.replace(&digest, &other));
    fails(&lab, verify, "openpgp: invalid signature");
    lab.write("demo-1.0.0.tgz.prov", "files:\n  demo-1.0.0.tgz: x\n");
    fails(&lab, verify, "failed to decode signature: signature block not found");
    // A good signature over another name is none over this one.
    lab.write("other-1.0.0.tgz", &archive);
    lab.write("other-1.0.0.tgz.prov", &signature);
    fails(&lab, "verify other-1.0.0.tgz --keyring public.gpg", "provenance does not contain a SHA for a file named");
    // Text after what was signed is not part of it.
    lab.write("demo-1.0.0.tgz.prov", format!("files:\n  demo-1.0.0.tgz: {other}\n{signature}"));
    lab.good(verify);

    for (line, expect) in [
        ("package demo -d x --sign --key nobody --keyring secret.gpg", "private key not found"),
        ("package demo -d x --sign --key Test --keyring secret.gpg", "more than one key contain the id \"Test\""),
        ("package demo -d x --sign --key ann --keyring public.gpg", "provided key is not a private key"),
        ("package demo -d x --sign --key bob --keyring secret.gpg", "the key is protected: give --passphrase-file"),
        (
            "package demo -d x --sign --key bob --keyring secret.gpg --passphrase-file demo/values.yaml",
            "checksum failure",
        ),
        ("package demo -d x --sign --key bob --keyring secret.gpg --passphrase-file none", "open none: no such file"),
    ] {
        fails(&lab, line, expect);
        assert!(!lab.path("x").exists(), "{line}");
    }
}

/// Signed by the real helm 3.21.4, whose writer leaves out the checksum of the armour.
#[test]
fn what_helm_has_signed_is_verified() {
    if !has(&["gpgv"]) {
        return;
    }
    use base64::Engine as _;
    let decoded = |text: &str| {
        let text: String = text.split_whitespace().collect();
        base64::engine::general_purpose::STANDARD.decode(text).expect("base64")
    };
    let lab = Lab::new();
    lab.write("a-0.1.0.tgz", decoded(include_str!("signed/archive.txt")));
    lab.write("a-0.1.0.tgz.prov", include_str!("signed/provenance.txt"));
    lab.write("public.gpg", decoded(include_str!("signed/keyring.txt")));
    let told = lab.good("verify a-0.1.0.tgz --keyring public.gpg");
    assert!(told.starts_with("Signed by: Ann Test <ann@x.io>\nUsing Key With Fingerprint: "), "{told}");
}

/// A repository with a signed chart, one without a signature, and one whose signature is another's.
#[test]
fn signatures_beside_archives_are_fetched_checked_and_locked() {
    let lab = Lab::new();
    if !keys(&lab) {
        return;
    }
    for name in ["good", "none", "bad"] {
        lab.chart(&format!("sources/{name}"), name, "1.0.0");
        let signed = if name == "none" { "" } else { "--sign --key Ann --keyring secret.gpg" };
        lab.good(&format!("package sources/{name} -d made {signed}"));
    }
    lab.write("made/bad-1.0.0.tgz.prov", lab.read("made/good-1.0.0.tgz.prov"));
    let rows: Vec<_> = ["good", "none", "bad"].map(|name| (name, format!("{name}-1.0.0.tgz"))).into();
    let rows: Vec<_> = rows.iter().map(|(name, url)| (*name, "1.0.0", url.as_str(), "")).collect();
    let (body, made) = (index(&rows), lab.path("made"));
    let server = Server::start(move |asked| match asked.path.as_str() {
        "/index.yaml" => ok(&body),
        path => std::fs::read(made.join(path.trim_start_matches('/'))).map_or_else(|_| missing(), ok),
    });
    let url = &server.url;
    let keyring = lab.text_of_path("public.gpg");
    let told = lab.good(&format!("pull good --repo {url} --verify --keyring {keyring}"));
    assert!(told.starts_with("Signed by: Ann Test <ann@x.io>\n"), "{told}");
    assert_eq!(lab.read("good-1.0.0.tgz.prov"), lab.read("made/good-1.0.0.tgz.prov"));
    lab.good(&format!("template r good --repo {url} --verify --keyring {keyring}"));
    lab.good(&format!("pull bad --repo {url} --prov"));
    assert_eq!(lab.read("bad-1.0.0.tgz.prov"), lab.read("made/bad-1.0.0.tgz.prov"), "it is fetched and not looked at");
    let done = lab.run(&format!("pull none --repo {url} --prov"));
    assert!(done.is_ok && done.stdout.starts_with("WARNING: Verification not found for "), "{done:?}");
    std::fs::remove_file(lab.path("none-1.0.0.tgz")).unwrap();
    for (name, expect) in
        [("none", "failed to fetch provenance \""), ("bad", "does not contain a SHA for a file named")]
    {
        for line in [format!("pull {name} --repo {url}"), format!("template r {name} --repo {url}")] {
            let told = lab.bad(&format!("{line} --verify --keyring {keyring}"));
            assert!(told.contains(expect), "{line}\n{told}");
        }
    }
    assert!(!lab.path("none-1.0.0.tgz").exists());

    let wants = |name: &str| {
        let text = format!(
            "apiVersion: v2\nname: p\nversion: 1.0.0\ndependencies:\n- {{name: {name}, version: 1.x, repository: {url}}}\n"
        );
        let _ = std::fs::remove_dir_all(lab.path("p"));
        lab.write("p/Chart.yaml", text);
    };
    wants("good");
    lab.good(&format!("dependency update p --verify --keyring {keyring}"));
    lab.good(&format!("dependency build p --verify --keyring {keyring}"));
    wants("none");
    assert!(
        lab.bad(&format!("dependency update p --verify --keyring {keyring}")).contains("failed to fetch provenance")
    );
    lab.good("dependency update p");
    let told = lab.good(&format!("dependency build p --verify --keyring {keyring}"));
    assert!(told.contains("WARNING: Verification not found for "), "helm's own rule for build: {told}");
    wants("bad");
    lab.good("dependency update p");
    assert!(lab.bad(&format!("dependency build p --verify --keyring {keyring}")).contains("does not contain a SHA"));

    // A lock says who signed what it pins.
    let release = |name: &str| {
        let text = format!(
            "apiVersion: masthead.dev/v1\nkind: Release\nmetadata:\n  name: x\nspec:\n  chart: {{repository: \"{url}\", name: {name}, version: ^1}}\n"
        );
        lab.write("repo/releases/x.yaml", text);
    };
    release("good");
    lab.good("lock repo");
    assert!(!lab.text("repo/masthead.lock").contains("verified"));
    let told = lab.good(&format!("lock repo --verify --keyring {keyring}"));
    assert!(told.contains("signed by ") && told.contains("Ann Test <ann@x.io>"), "{told}");
    assert!(lab.text("repo/masthead.lock").contains("Ann Test <ann@x.io>"), "{}", lab.text("repo/masthead.lock"));
    let kept = lab.text("repo/masthead.lock");
    release("bad");
    assert!(lab.bad(&format!("lock repo --verify --keyring {keyring}")).contains("releases/x.yaml"));
    assert_eq!(lab.text("repo/masthead.lock"), kept, "what fails is not written");
}

#[test]
fn a_missing_program_is_named() {
    let mut lab = Lab::new();
    lab.chart("demo", "demo", "1.0.0");
    lab.good("package demo");
    lab.write("demo-1.0.0.tgz.prov", include_str!("signed/provenance.txt"));
    lab.write("public.gpg", [0x99; 8]);
    lab.set("PATH", "/nonexistent");
    let told = lab.bad("verify demo-1.0.0.tgz --keyring public.gpg");
    assert!(told.contains("gpgv: is not installed"), "{told}");
    let told = lab.bad("package demo --sign --key x --keyring public.gpg");
    assert!(told.contains("gpg: is not installed"), "{told}");
}
