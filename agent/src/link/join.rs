//! Turns a join token into the node's identity on disk, and an old identity into a new one.

use masthead_wire::channel::{self, dial};
use masthead_wire::pb;
use masthead_wire::pb::join_client::JoinClient;
use masthead_wire::pb::node_link_client::NodeLinkClient;
use masthead_wire::pki::identity::{self, Identity, NewKey};
use masthead_wire::pki::tls;
use masthead_wire::pki::token::Token;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use tonic::transport::Channel;
use tonic::{Code, Status};

/// Why the node has no identity.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody answers, or somebody else.
    #[error(transparent)]
    Dial(#[from] channel::Error),
    /// The file or the answer is not right.
    #[error(transparent)]
    Identity(#[from] identity::Error),
    /// No TLS configuration.
    #[error(transparent)]
    Tls(#[from] tls::Error),
    /// There is no certificate and no token.
    #[error("node {0} has not joined: give it a token (`masthead token create` prints one)")]
    NoToken(String),
    /// The certificate was not renewed in time.
    #[error("the certificate of node {0} has expired: join again with a new token")]
    Expired(String),
    /// The certificate is another node's.
    #[error("{dir} holds the identity of node {found}, not of {wanted}")]
    OtherNode {
        /// Where.
        dir: PathBuf,
        /// Whose it is.
        found: String,
        /// Whose it should be.
        wanted: String,
    },
    /// The control plane says no.
    #[error("the control plane refused: {0}")]
    Refused(String),
    /// The control plane can't answer now.
    #[error("the control plane can't answer: {0}")]
    Unavailable(String),
}

impl Error {
    /// Whether another attempt may do.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Unavailable(_) => true,
            // Who has only a token can't be wrong about time or name: a wrong authority stays wrong.
            Self::Dial(channel::Error::Dial { why, .. }) => !why.contains("join token names"),
            _ => false,
        }
    }
}

impl From<Status> for Error {
    fn from(status: Status) -> Self {
        match status.code() {
            Code::PermissionDenied
            | Code::Unauthenticated
            | Code::InvalidArgument
            | Code::AlreadyExists
            | Code::FailedPrecondition => Self::Refused(status.message().to_owned()),
            _ => Self::Unavailable(describe(&status)),
        }
    }
}

/// What a status says, with the causes that the transport knows.
pub(super) fn describe(status: &Status) -> String {
    match std::error::Error::source(status) {
        Some(cause) => format!("{}: {}", status.message(), channel::causes(cause)),
        None => status.message().to_owned(),
    }
}

/// The node's identity: the one in `dir`, or a new one for `token` when there is none, it has
/// expired, or it belongs to another cluster than the token.
pub async fn ensure(dir: &Path, node: &str, server: &str, token: Option<&Token>) -> Result<Identity, Error> {
    let found = Identity::load(dir)?;
    if let Some(found) = &found
        && found.node() != node
    {
        return Err(Error::OtherNode { dir: dir.to_owned(), found: found.node().to_owned(), wanted: node.to_owned() });
    }
    match (found, token) {
        (Some(found), None) if !found.expired(SystemTime::now()) => Ok(found),
        (Some(found), Some(token)) if !found.expired(SystemTime::now()) && found.pinned_to(token.ca_digest()) => {
            Ok(found)
        }
        (Some(_), None) => Err(Error::Expired(node.to_owned())),
        (None, None) => Err(Error::NoToken(node.to_owned())),
        (_, Some(token)) => join(dir, node, server, token).await,
    }
}

async fn join(dir: &Path, node: &str, server: &str, token: &Token) -> Result<Identity, Error> {
    let channel = dial(server, tls::joining(token)?).await?;
    let key = NewKey::generate()?;
    let request =
        pb::JoinRequest { token: token.reveal(), node_name: node.to_owned(), public_key: key.public_key().into() };
    let answer = JoinClient::new(channel).join(request).await?.into_inner();
    let identity = Identity::new(node, &key, &answer.certificate_pem, &answer.ca_pem)?;
    if !identity.pinned_to(token.ca_digest()) {
        return Err(identity::Error::WrongAuthority.into());
    }
    identity.save(dir)?;
    Ok(identity)
}

/// A new key and certificate for the node, over its session's connection.
pub async fn renew(dir: &Path, old: &Identity, channel: Channel) -> Result<Identity, Error> {
    let key = NewKey::generate()?;
    let request = pb::RenewRequest { public_key: key.public_key().into() };
    let answer = NodeLinkClient::new(channel).renew(request).await?;
    let answer = answer.into_inner();
    let new = Identity::new(old.node(), &key, &answer.certificate_pem, &answer.ca_pem)?;
    if new.authority() != old.authority() {
        return Err(identity::Error::WrongAuthority.into());
    }
    new.save(dir)?;
    Ok(new)
}
