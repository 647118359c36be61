//! A reference to a Secret → a certificate that a listener can use, or why it can't.

use masthead_api::bytes;
use masthead_api::core::config::Secret;
use masthead_api::gateway::gateway::{Gateway, Listener, SecretObjectReference};
use masthead_api::gateway::resolved::Name;
use masthead_api::key::ObjectKey;
use masthead_api::kind::Resource;

use crate::cluster::view::Cluster;
use crate::gateway::grant::{self, From};
use crate::gateway::status::Fault;

/// The type of Secrets that hold a certificate and its key.
const TLS: &str = "kubernetes.io/tls";
const INVALID: &str = "InvalidCertificateRef";

/// The Secret that a reference of a gateway names, whatever it is.
pub fn key_of(gateway: &Gateway, to: &SecretObjectReference) -> ObjectKey {
    let namespace = to.namespace.as_ref().unwrap_or(&gateway.metadata.namespace);
    ObjectKey::new(Secret::KIND, namespace.as_str(), to.name.as_str())
}

/// The certificates of a listener that can be used, and the first fault among the others.
pub fn of_listener(cluster: &Cluster, gateway: &Gateway, listener: &Listener) -> (Vec<Name>, Option<Fault>) {
    let refs = listener.tls.as_ref().map_or(&[][..], |tls| tls.certificate_refs.as_slice());
    if refs.is_empty() {
        return (Vec::new(), Some(Fault::new(INVALID, "it names no certificate")));
    }
    let (mut names, mut first) = (Vec::new(), None);
    for to in refs {
        match one(cluster, gateway, to) {
            Ok(name) => names.push(name),
            Err(fault) => first = first.or(Some(fault)),
        }
    }
    (names, first)
}

fn one(cluster: &Cluster, gateway: &Gateway, to: &SecretObjectReference) -> Result<Name, Fault> {
    let (group, kind) = (to.group.as_deref().unwrap_or_default(), to.kind.as_deref().unwrap_or("Secret"));
    if (group, kind) != ("", "Secret") {
        return Err(Fault::new(INVALID, format!("a certificate of kind {kind:?} is not supported, only Secrets are")));
    }
    let key = key_of(gateway, to);
    let shown = format!("Secret {}/{}", key.namespace, key.name);
    let from = From { kind: "Gateway", namespace: &gateway.metadata.namespace };
    if !grant::is_allowed(cluster, from, "Secret", &key.namespace, &key.name) {
        return Err(Fault::new("RefNotPermitted", format!("{shown}: no ReferenceGrant of its namespace allows it")));
    }
    let invalid = |why: &str| Fault::new(INVALID, format!("{shown} {why}"));
    let secret = cluster.typed::<Secret>(&key).ok_or_else(|| invalid("does not exist"))?;
    if secret.type_ != TLS {
        return Err(invalid(&format!("is of type {:?}, not {TLS:?}", secret.type_)));
    }
    for (field, label) in [("tls.crt", "CERTIFICATE"), ("tls.key", "PRIVATE KEY")] {
        let value = secret.data.get(field).ok_or_else(|| invalid(&format!("has no {field}")))?;
        if !has_block(&value.0, label) {
            return Err(invalid(&format!("has no {} in {field}", label.to_lowercase())));
        }
    }
    Ok(Name { namespace: key.namespace, name: key.name })
}

/// Whether a text holds a PEM block whose label ends so. What is in it only a library of TLS can tell; nodes do.
fn has_block(text: &[u8], label: &str) -> bool {
    let text = String::from_utf8_lossy(text);
    let mut lines = text.lines().map(str::trim);
    let ends = |line: &str, begin: &str| {
        let label_of = line.strip_prefix(begin).and_then(|rest| rest.strip_suffix("-----"));
        label_of.is_some_and(|found| found.ends_with(label))
    };
    if !lines.any(|line| ends(line, "-----BEGIN ")) {
        return false;
    }
    let mut body = String::new();
    for line in lines {
        if ends(line, "-----END ") {
            return !body.is_empty() && bytes::decode(&body).is_ok();
        }
        body.push_str(line);
    }
    false
}

#[cfg(test)]
mod tests {
    use super::has_block;

    #[test]
    fn blocks_are_found() {
        let pem = "x\n-----BEGIN RSA PRIVATE KEY-----\naGVs\nbG8=\n-----END RSA PRIVATE KEY-----\n";
        assert!(has_block(pem.as_bytes(), "PRIVATE KEY"));
        for bad in [
            "",
            "hello",
            "-----BEGIN PRIVATE KEY-----\naGVs",
            "-----BEGIN PRIVATE KEY-----\n!\n-----END PRIVATE KEY-----",
        ] {
            assert!(!has_block(bad.as_bytes(), "PRIVATE KEY"), "{bad}");
        }
        assert!(!has_block(pem.as_bytes(), "CERTIFICATE"));
        assert!(!has_block(b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----", "CERTIFICATE"));
    }
}
