//! What only an etcd can be asked: users, certificates, absence.

use std::fs;

use etcd_client::{Client, PermissionType};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;

use crate::etcd::address::Address;
use crate::etcd::server::{Server, missing, path};
use crate::etcd::store::{ConnectError, Etcd};
use crate::kv::Error;

async fn refusal(address: &str) -> Error {
    match Etcd::connect(&Address::parse(address).unwrap()).await {
        Err(ConnectError::Connect { source, .. }) => source,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("{address} lets us in"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_there_is_an_error_that_names_the_address() {
    let address = Address::parse("etcd://127.0.0.1:1").unwrap();
    let error = Etcd::connect(&address).await.err().unwrap();
    assert!(error.to_string().contains("127.0.0.1:1"), "{error}");
    assert!(matches!(error, ConnectError::Connect { source: Error::Unavailable(_), .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_needs_the_right_password() {
    if missing() {
        return;
    }
    let server = Server::start().await;
    let mut admin = Client::connect([server.endpoint()], None).await.unwrap();
    admin.user_add("root", "p@ss:word", None).await.unwrap();
    admin.user_grant_role("root", "root").await.unwrap();
    admin.user_add("reader", "r", None).await.unwrap();
    admin.role_add("reads").await.unwrap();
    let read = etcd_client::Permission::new(PermissionType::Read, "/masthead/");
    admin.role_grant_permission("reads", read).await.unwrap();
    admin.user_grant_role("reader", "reads").await.unwrap();
    admin.auth_enable().await.unwrap();
    let endpoint = server.endpoint();
    let given = server.connect(&format!("etcd://root:p%40ss%3Aword@{endpoint}")).await;
    given.put("/masthead/a".into(), "1".into()).await.unwrap();
    fs::write(server.file("password"), "p@ss:word\n").unwrap();
    let file = format!("etcd://{endpoint}?user=root&password-file={}", server.file("password"));
    assert!(server.connect(&file).await.get("/masthead/a".into()).await.unwrap().is_some());
    let wrong = refusal(&format!("etcd://root:wrong@{endpoint}")).await;
    assert!(matches!(wrong, Error::Denied(_)), "{wrong:?}");
    assert!(!wrong.to_string().contains("wrong"), "{wrong}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_needs_the_right_authority_and_our_certificate() {
    if missing() {
        return;
    }
    let dir = TempDir::new().unwrap();
    let issuer = |name: &str| {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        fs::write(dir.path().join(name), issuer.pem()).unwrap();
        issuer
    };
    let (ca, _other) = (issuer("ca.pem"), issuer("other.pem"));
    for name in ["server", "client"] {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["127.0.0.1".into(), "etcd.test".into()]).unwrap();
        params.extended_key_usages =
            vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth, rcgen::ExtendedKeyUsagePurpose::ClientAuth];
        let cert = params.signed_by(&key, &ca).unwrap();
        fs::write(dir.path().join(format!("{name}.pem")), cert.pem()).unwrap();
        fs::write(dir.path().join(format!("{name}.key")), key.serialize_pem()).unwrap();
    }
    let file = |name: &str| path(dir.path(), name);
    let files: Vec<String> =
        ["ca.pem", "other.pem", "client.pem", "client.key", "server.pem", "server.key"].map(file).into();
    let [ca, other, cert, key, server_cert, server_key] = &files[..] else { panic!("six files") };
    let args = ["--client-cert-auth", "--trusted-ca-file", ca, "--cert-file", server_cert, "--key-file", server_key];
    let data = TempDir::new().unwrap();
    let server = Server::spawn(data, "https", &args);
    let base = format!("etcds://{}", server.endpoint());
    let right = server.connect(&format!("{base}?ca={ca}&cert={cert}&key={key}")).await;
    right.put("a".into(), "1".into()).await.unwrap();
    server.connect(&format!("{base}?ca={ca}&cert={cert}&key={key}&server-name=etcd.test")).await;
    for wrong in [
        format!("{base}?ca={other}&cert={cert}&key={key}"),
        format!("{base}?ca={ca}"),
        format!("{base}?ca={ca}&cert={cert}&key={key}&server-name=other.test"),
        server.address(),
    ] {
        let error = refusal(&wrong).await;
        assert!(matches!(error, Error::Unavailable(_)), "{wrong}: {error:?}");
    }
}
