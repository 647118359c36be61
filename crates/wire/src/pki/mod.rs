//! Who is trusted: the cluster's authority, join tokens, node identities and TLS made of them.

pub mod authority;
pub mod der;
pub mod identity;
pub mod tls;
pub mod token;
