//! Gateways and their routes: which are served and why others are not, their statuses, and what nodes are told of them.
//!
//! One judgement serves all: the status that users read and the tables that nodes build come from the same functions.

pub mod affected;
pub mod attach;
pub mod backend;
pub mod certificate;
pub mod class;
pub mod expression;
pub mod filter;
pub mod grant;
pub mod grpc;
#[cfg(test)]
mod health_tests;
pub mod host;
pub mod http;
pub mod listener;
#[cfg(test)]
mod random_tests;
pub mod reconcile;
pub mod resolve;
pub mod route;
pub mod status;
#[cfg(test)]
mod tests;
