//! Who comes in and who does not: tokens, certificates, names.

use super::*;

async fn joins(dir: &Path, name: &str, address: SocketAddr, token: Option<Token>) -> String {
    let agent = agent(dir, name, address, token);
    let ended = |s: &LinkState| !matches!(s, LinkState::Connecting | LinkState::Down { .. });
    let mut state = agent.state();
    let state = within("joining", state.wait_for(ended)).await.unwrap().clone();
    agent.stop();
    match state {
        LinkState::Connected(_) => "connected".into(),
        LinkState::Failed { why } => why,
        other => format!("{other:?}"),
    }
}

#[tokio::test]
async fn who_may_not_join_is_told_why() {
    let control = Control::new().await;
    let other = Authority::generate(SystemTime::now()).unwrap();
    let once = control.token(Some(1), None);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let rogue = Token::generate(control.authority.digest());
    let cases = [
        ("good", Some(once.clone()), "connected"),
        ("used", Some(once), "has been used already"),
        ("expired", Some(control.token(None, Some(now - 1))), "has expired"),
        ("rogue", Some(rogue), "is not known here"),
        ("pinned", Some(Token::generate(other.digest())), "not the one that the join token names"),
        ("Bad_Name", Some(control.token(None, None)), "RFC 1123"),
        ("none", None, "has not joined"),
    ];
    for (name, token, expect) in cases {
        let dir = tempfile::tempdir().unwrap();
        let why = joins(dir.path(), name, control.address, token).await;
        assert!(why.contains(expect), "{name}: {why}");
    }
    control.stop().await;
}

async fn knock(control: &Control, config: Arc<rustls::ClientConfig>) -> String {
    let address = control.address.to_string();
    let channel = match dial(&address, config).await {
        Ok(channel) => channel,
        Err(error) => return error.to_string(),
    };
    let request = pb::RenewRequest::default();
    match NodeLinkClient::new(channel).renew(request).await {
        Ok(_) => "let in".into(),
        Err(status) if status.code() == Code::InvalidArgument => "let in".into(),
        Err(status) => format!("{status:?}"),
    }
}

pub(super) fn identity(authority: &Authority, node: &str, at: SystemTime, life: Duration) -> Identity {
    let key = NewKey::generate().unwrap();
    let pem = authority.issue_node(node, &key.public_key(), at, life).unwrap();
    Identity::new(node, &key, &pem, authority.certificate_pem()).unwrap()
}

#[tokio::test]
async fn only_nodes_of_this_authority_with_a_valid_certificate_come_in() {
    let control = Control::new().await;
    let (ours, now) = (&control.authority, SystemTime::now());
    let other = Authority::generate(now).unwrap();
    let hour = Duration::from_secs(3600);
    let good = identity(ours, "one", now, hour);
    assert_eq!(knock(&control, tls::node(&good).unwrap()).await, "let in");
    // An agent whose clock runs ahead or behind by minutes still verifies, and is verified.
    for skewed in [now + Duration::from_secs(300), now - Duration::from_secs(300)] {
        let skewed = identity(ours, "one", skewed, hour);
        assert_eq!(knock(&control, tls::node(&skewed).unwrap()).await, "let in");
    }
    let expired = identity(ours, "one", now - 3 * hour, hour);
    let why = knock(&control, tls::node(&expired).unwrap()).await;
    assert!(why.contains("CertificateExpired"), "{why}");
    // A certificate of another authority, by one who trusts ours all the same.
    let key = NewKey::generate().unwrap();
    let pem = other.issue_node("one", &key.public_key(), now, hour).unwrap();
    let foreign = Identity::new("one", &key, &pem, ours.certificate_pem()).unwrap();
    let why = knock(&control, tls::node(&foreign).unwrap()).await;
    assert!(why.contains("alert") || why.contains("DecryptError"), "{why}");
    // One who trusts another authority does not talk to us.
    let stranger = identity(&other, "one", now, hour);
    let why = knock(&control, tls::node(&stranger).unwrap()).await;
    assert!(why.contains("invalid peer certificate"), "{why}");
    // No certificate: only joining is open.
    let nobody = tls::joining(&control.token(None, None)).unwrap();
    let why = knock(&control, nobody).await;
    assert!(why.contains("Unauthenticated"), "{why}");
    control.stop().await;
}

#[tokio::test]
async fn a_user_is_no_node_and_a_node_is_no_server() {
    let control = Control::new().await;
    let now = SystemTime::now();
    let hour = Duration::from_secs(3600);
    let user = control.authority.issue_user("ann", Some("system:masters"), now, hour).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(control.authority.certificate().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(user.chain, user.key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let why = knock(&control, Arc::new(config)).await;
    assert!(why.contains("not a node's"), "{why}");
    control.stop().await;
}

#[tokio::test]
async fn a_name_has_one_session() {
    let mut control = Control::new().await;
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let token = control.token(None, None);
    let first = agent(one.path(), "one", control.address, Some(token.clone()));
    control.report("the greeting", hello("one")).await;
    // Another machine with a token does not get the name while it is taken.
    let why = joins(two.path(), "one", control.address, Some(token)).await;
    assert!(why.contains("is connected already"), "{why}");
    // Nor does one with a certificate of its own.
    let hour = Duration::from_secs(3600);
    let intruder = identity(&control.authority, "one", SystemTime::now(), hour);
    intruder.save(&two.path().join("pki")).unwrap();
    let second = agent(two.path(), "one", control.address, None);
    let intruder = |r: &Report| match &r.what {
        What::Intruder { why } => Some(why.clone()),
        _ => None,
    };
    let why = control.report("the intruder", intruder).await;
    assert!(why.contains("with another certificate"), "{why}");
    second.stop();
    // The same key: an agent that was restarted, while its old connection still hangs.
    let again = agent(one.path(), "one", control.address, None);
    let instance = control.report("the greeting", hello("one")).await.instance;
    assert_eq!(control.handle.nodes()[0].instance.as_deref(), Some(instance.as_str()));
    first.stop();
    again.stop();
    control.stop().await;
}

#[tokio::test]
async fn a_certificate_is_renewed_and_the_session_goes_on() {
    let mut control = Control::new().await;
    let dir = tempfile::tempdir().unwrap();
    let pki = dir.path().join("pki");
    // Backdated by an hour, an hour left: two thirds of its time are over in some minutes, so a
    // lifetime of 1805 s (5405 in all, a third is 1801) asks for renewal in about 4 s.
    let old = identity(&control.authority, "one", SystemTime::now(), Duration::from_secs(1803));
    old.save(&pki).unwrap();
    let agent = agent(dir.path(), "one", control.address, None);
    let first = control.report("the greeting", hello("one")).await;
    let second = control.report("the second greeting", hello("one")).await;
    assert_eq!(first.instance, second.instance);
    let new = Identity::load(&pki).unwrap().unwrap();
    assert_ne!(new.certificate(), old.certificate());
    assert!(new.renew_in(SystemTime::now()) > Duration::from_secs(86_400));
    agent.stop();
    control.stop().await;
}

#[tokio::test]
async fn a_token_is_not_spent_by_a_bad_request() {
    let control = Control::new().await;
    let token = control.token(Some(1), None);
    let address = control.address.to_string();
    let channel = dial(&address, tls::joining(&token).unwrap()).await.unwrap();
    let client = JoinClient::new(channel);
    let ask = |name: &str, key: Vec<u8>| {
        let request = pb::JoinRequest { token: token.reveal(), node_name: name.into(), public_key: key.into() };
        let mut client = client.clone();
        async move { client.join(request).await.map_err(|s| s.code()) }
    };
    let key = NewKey::generate().unwrap().public_key();
    assert_eq!(ask("a b", key.clone()).await.unwrap_err(), Code::InvalidArgument);
    assert_eq!(ask("a", vec![1]).await.unwrap_err(), Code::InvalidArgument);
    assert!(ask("a", key.clone()).await.is_ok());
    assert_eq!(ask("a", key).await.unwrap_err(), Code::PermissionDenied);
    let none = pb::JoinRequest::default();
    assert_eq!(client.clone().join(none).await.unwrap_err().code(), Code::InvalidArgument);
    control.stop().await;
}
