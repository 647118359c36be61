//! Kinds of the group gateway.networking.k8s.io: the v1 kinds of its standard channel, of which some are served as v1beta1 too.

pub mod backend;
pub mod class;
pub mod filter;
#[expect(clippy::module_inception, reason = "the group and its first kind have one name")]
pub mod gateway;
pub mod grant;
pub mod grpc_route;
pub mod http_route;
pub mod resolved;
pub mod route;

/// The group of all of them.
pub const GROUP: &str = "gateway.networking.k8s.io";

/// The controller of the classes that Masthead itself serves.
pub const CONTROLLER: &str = "masthead.dev/gateway";

/// The class that every cluster has.
pub const CLASS: &str = "masthead";
