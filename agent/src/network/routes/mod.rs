//! Ways to the pods of other nodes: direct where they are on a shared link, by VXLAN where not.

pub mod apply;
pub mod observe;
pub mod plan;
