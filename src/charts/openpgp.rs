//! OpenPGP signatures, made by `gpg` and checked by `gpgv`, each with an empty environment and a home that goes with it.

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use crate::charts::clearsign;
use crate::charts::error::Error;

/// Bytes of a keyring.
const KEYRING_BYTES_MAX: u64 = 64 << 20;
/// Bytes of what a program says that are passed on.
const WORDS_MAX: usize = 300;

/// Who signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signer {
    /// The key's user id, `Name <mail>`.
    pub identity: String,
    /// The fingerprint of the primary key, in capital hexadecimal digits.
    pub fingerprint: String,
}

/// Checks a clear-signed text against the public keys of a keyring; gives who signed and the very text that was signed.
///
/// # Errors
/// `gpgv` is not there, the keyring does not read, or the signature is not good, expired keys included.
pub fn verify(keyring: &Path, signed: &[u8]) -> Result<(Signer, Vec<u8>), Error> {
    let message =
        clearsign::normal(signed).map_err(|why| Error::Provenance(format!("failed to decode signature: {why}")))?;
    let home = Home::new()?;
    let ring = home.ring(keyring)?;
    let file = home.put("message.asc", message.as_bytes())?;
    let text = home.folder.path().join("text");
    let arguments = ["--status-fd", "1", "--output"];
    let mut command = home.command("gpgv");
    command.arg("--homedir").arg(home.folder.path()).args(arguments).arg(&text);
    let output = run("gpgv", command.arg("--keyring").arg(&ring).arg(&file), b"")?;
    let signer = signer(&String::from_utf8_lossy(&output.stdout), output.status.success())?;
    // What gpgv writes is what it checked.
    let text =
        std::fs::read(&text).map_err(|source| Error::Io { what: "reading what was signed".to_owned(), source })?;
    Ok((signer, text))
}

/// The one good signature that `gpgv` tells of on its status channel.
fn signer(status: &str, is_success: bool) -> Result<Signer, Error> {
    let lines = || status.lines().filter_map(|line| line.strip_prefix("[GNUPG:] "));
    let of = |word: &str| lines().filter_map(|line| line.strip_prefix(word)?.strip_prefix(' ')).collect::<Vec<_>>();
    let bad = |why: &str| Err(Error::Provenance(format!("openpgp: {why}")));
    let has = |word: &str| lines().any(|line| line.split(' ').next() == Some(word));
    if has("NO_PUBKEY") {
        return bad("signature made by unknown entity");
    }
    if has("BADSIG") {
        return bad("invalid signature: the text is not what was signed");
    }
    for (word, why) in [
        ("EXPKEYSIG", "the key that signed has expired"),
        ("REVKEYSIG", "the key that signed is revoked"),
        ("EXPSIG", "the signature has expired"),
        ("ERRSIG", "the signature can't be checked"),
    ] {
        if has(word) {
            return bad(why);
        }
    }
    match (of("GOODSIG").as_slice(), of("VALIDSIG").as_slice()) {
        ([good], [valid]) if is_success => {
            let identity = good.split_once(' ').map_or("", |(_, identity)| identity);
            // The last word is the fingerprint of the primary key, whichever of its keys signed.
            let fingerprint = valid.rsplit(' ').next().unwrap_or_default();
            Ok(Signer { identity: identity.to_owned(), fingerprint: fingerprint.to_owned() })
        }
        _ => bad("no good signature"),
    }
}

/// Signs a text with the secret key of a keyring whose user id is, or contains, `id`.
///
/// # Errors
/// `gpg` is not there, no key or more than one fits, or the passphrase is missing or wrong.
pub fn sign(keyring: &Path, id: &str, passphrase: Option<&str>, text: &str) -> Result<Vec<u8>, Error> {
    let home = Home::new()?;
    // Keys stay here for a moment only, so that the agent need not measure how slowly to protect them.
    home.put("gpg-agent.conf", b"s2k-count 65536\n")?;
    let ring = home.ring(keyring)?;
    let gpg = |arguments: &[&str], input: &[u8]| {
        let mut command = home.command("gpg");
        command.arg("--homedir").arg(home.folder.path()).args(["--batch", "--no-tty", "--quiet"]);
        run("gpg", command.args(arguments), input)
    };
    let ring = ring.to_string_lossy();
    let imported = gpg(&["--import-options", "import-restore", "--import", &ring], b"")?;
    // gpg fails where one of many keys is of a sort it does not know; whether ours came is seen below.
    let public = keys(&gpg(&["--with-colons", "--list-keys"], b"")?, "pub");
    let secret = keys(&gpg(&["--with-colons", "--list-secret-keys"], b"")?, "sec");
    let fingerprint = match (pick(&secret, id)?, pick(&public, id)?) {
        (Some(fingerprint), _) => fingerprint,
        (None, Some(_)) => {
            let why = "provided key is not a private key. Try providing a keyring with secret keys";
            return Err(Error::Provenance(why.to_owned()));
        }
        (None, None) if public.is_empty() => return Err(failed("gpg", &imported)),
        (None, None) => return Err(Error::Provenance("private key not found".to_owned())),
    };
    let file = home.put("text", text.as_bytes())?;
    let file = file.to_string_lossy();
    let user = format!("{fingerprint}!");
    let mut arguments = vec!["--pinentry-mode", "loopback", "--digest-algo", "SHA512", "--local-user", &user];
    if passphrase.is_some() {
        arguments.extend(["--passphrase-fd", "0"]);
    }
    arguments.extend(["--output", "-", "--clearsign", &file]);
    let input = passphrase.map(|passphrase| format!("{passphrase}\n")).unwrap_or_default();
    let output = gpg(&arguments, input.as_bytes())?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let words = String::from_utf8_lossy(&output.stderr);
    let why = match passphrase {
        None if ["passphrase", "batchmode", "pinentry"].iter().any(|word| words.contains(word)) => {
            "the key is protected: give --passphrase-file"
        }
        Some(_) if words.contains("Bad passphrase") => "openpgp: invalid data: private key checksum failure",
        _ => return Err(failed("gpg", &output)),
    };
    Err(Error::Provenance(why.to_owned()))
}

/// Fingerprint and user ids of each key in `--with-colons`.
fn keys(output: &Output, kind: &str) -> Vec<(String, Vec<String>)> {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut keys: Vec<(String, Vec<String>)> = Vec::new();
    for line in text.lines() {
        let fields: Vec<&str> = line.split(':').collect();
        let field = |at: usize| fields.get(at).copied().unwrap_or_default();
        match field(0) {
            // Those of subkeys follow that of their key.
            "fpr" => {
                if let Some(key) = keys.last_mut().filter(|key| key.0.is_empty()) {
                    key.0 = field(9).to_owned();
                }
            }
            "uid" => {
                if let Some(key) = keys.last_mut() {
                    key.1.push(field(9).replace("\\x3a", ":").replace("\\x5c", "\\"));
                }
            }
            first if first == kind => keys.push((String::new(), Vec::new())),
            _ => {}
        }
    }
    keys
}

/// Helm's choice: the key with just this user id, else the only one with a user id that contains it.
fn pick(keys: &[(String, Vec<String>)], id: &str) -> Result<Option<String>, Error> {
    if let Some((fingerprint, _)) = keys.iter().find(|(_, ids)| ids.iter().any(|known| known == id)) {
        return Ok(Some(fingerprint.clone()));
    }
    let mut fitting = keys.iter().filter(|(_, ids)| ids.iter().any(|known| known.contains(id)));
    match (fitting.next(), fitting.next()) {
        (Some(_), Some(_)) => Err(Error::Provenance(format!("more than one key contain the id {id:?}"))),
        (first, _) => Ok(first.map(|(fingerprint, _)| fingerprint.clone())),
    }
}

/// A home for one run of the programs: nothing of the user's is read, and nothing stays.
struct Home {
    folder: TempDir,
}

impl Home {
    fn new() -> Result<Home, Error> {
        let ours = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        let folder = tempfile::Builder::new().prefix("masthead-gpg").permissions(ours).tempdir();
        Ok(Home { folder: folder.map_err(|source| Error::Io { what: "making a folder".to_owned(), source })? })
    }

    fn put(&self, name: &str, text: &[u8]) -> Result<PathBuf, Error> {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).map_err(|source| Error::Io { what: format!("writing {name}"), source })?;
        Ok(path)
    }

    /// A copy of a keyring: the programs lock what they read.
    fn ring(&self, keyring: &Path) -> Result<PathBuf, Error> {
        let io = |source: std::io::Error| match source.kind() {
            ErrorKind::NotFound => {
                let why = format!("failed to load keyring: open {}: no such file or directory", keyring.display());
                Error::Provenance(why)
            }
            _ => Error::Io { what: format!("failed to load keyring: open {}", keyring.display()), source },
        };
        if std::fs::metadata(keyring).map_err(io)?.len() > KEYRING_BYTES_MAX {
            return Err(io(ErrorKind::FileTooLarge.into()));
        }
        let bytes = std::fs::read(keyring).map_err(io)?;
        let wrong = |why: &str| Err(Error::Provenance(format!("failed to load keyring {}: {why}", keyring.display())));
        let is_keybox = bytes.get(8..12) == Some(b"KBXf");
        match bytes.first() {
            None => wrong("it is empty"),
            Some(first) if first & 0x80 == 0 && !is_keybox => {
                wrong("it is no binary keyring; `gpg --export` writes one, `gpg --dearmor` makes one of text")
            }
            _ => self.put("ring.gpg", &bytes),
        }
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("HOME", self.folder.path()).env("LC_ALL", "C").current_dir(self.folder.path());
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        command
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // Where gpg has started its agent, it is to end with the folder; gpgv starts none.
        if self.folder.path().join("private-keys-v1.d").exists() {
            for how in [["--kill", "all"].as_slice(), ["--remove-socketdir"].as_slice()] {
                let mut command = self.command("gpgconf");
                command.arg("--homedir").arg(self.folder.path()).args(how);
                let _ = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
            }
        }
    }
}

fn run(program: &'static str, command: &mut Command, input: &[u8]) -> Result<Output, Error> {
    let fails = |source: std::io::Error| match source.kind() {
        ErrorKind::NotFound => Error::Program {
            program,
            why: format!("is not installed, and signatures of charts need it (Debian has it in the package {program})"),
        },
        _ => Error::Program { program, why: source.to_string() },
    };
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(fails)?;
    if let Some(mut stdin) = child.stdin.take() {
        // It may have ended already; why is told by its exit.
        let _ = stdin.write_all(input);
    }
    child.wait_with_output().map_err(fails)
}

fn failed(program: &'static str, output: &Output) -> Error {
    let words = String::from_utf8_lossy(&output.stderr);
    let lines = words.lines().map(|line| line.trim_start_matches("gpg: ")).filter(|line| !line.is_empty());
    let mut why = lines.collect::<Vec<_>>().join("; ");
    why.truncate(why.char_indices().nth(WORDS_MAX).map_or(why.len(), |(at, _)| at));
    Error::Program { program, why: if why.is_empty() { output.status.to_string() } else { why } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_good_signature_and_nothing_else_is_good() {
        let good =
            "[GNUPG:] NEWSIG\n[GNUPG:] GOODSIG 12 Ann <a@x>\n[GNUPG:] VALIDSIG AB 2026-01-01 1 0 4 0 22 10 01 CD\n";
        let signed = Signer { identity: "Ann <a@x>".to_owned(), fingerprint: "CD".to_owned() };
        assert_eq!(signer(good, true).unwrap(), signed);
        let refuses = |status: &str, is_success: bool, expect: &str| {
            let told = signer(status, is_success).expect_err("refused").to_string();
            assert!(told.contains(expect), "{told}");
        };
        refuses(good, false, "no good signature");
        refuses("", true, "no good signature");
        refuses(&format!("{good}{good}"), true, "no good signature");
        refuses(&format!("{good}[GNUPG:] BADSIG 12 Ann\n"), true, "not what was signed");
        refuses("[GNUPG:] ERRSIG 12 1 10 00 1 9\n[GNUPG:] NO_PUBKEY 12\n", false, "unknown entity");
        refuses(&good.replace("GOODSIG", "EXPKEYSIG"), true, "key that signed has expired");
        refuses(&good.replace("GOODSIG", "REVKEYSIG"), true, "revoked");
        refuses(&good.replace("[GNUPG:] ", "gpgv: "), true, "no good signature");
    }

    #[test]
    fn keys_are_picked_as_helm_picks_them() {
        let key = |fingerprint: &str, id: &str| (fingerprint.to_owned(), vec![id.to_owned()]);
        let keys = [key("1", "Ann"), key("2", "Ann Other"), key("3", "Bob")];
        assert_eq!(pick(&keys, "Ann").unwrap().as_deref(), Some("1"), "the same");
        assert_eq!(pick(&keys, "Bo").unwrap().as_deref(), Some("3"), "a part");
        assert_eq!(pick(&keys, "Cy").unwrap(), None);
        let two = pick(&keys, "n").expect_err("two").to_string();
        assert_eq!(two, "more than one key contain the id \"n\"");
    }
}
