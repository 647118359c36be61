//! Types of the group authorization.k8s.io that are asked and answered, and never stored.

pub mod review;
