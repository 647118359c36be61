//! NetworkPolicies as nodes need them: selectors turned into addresses, named ports into numbers.
//!
//! The control plane writes these (`masthead_plan::policy`) and sends them to nodes as attachments of the kinds
//! [`POLICY`] and [`ADDRESS_SET`]; agents turn them into rules. They are no kinds of the API.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// The kind of an attachment that holds a [`ResolvedPolicy`]; its key is the policy's namespace and name.
pub const POLICY: &str = "NetworkPolicy";

/// The kind of an attachment that holds an [`AddressSet`]; its key is the set's namespace and name.
pub const ADDRESS_SET: &str = "AddressSet";

/// The namespace and the name of what was resolved.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ResolvedMeta {
    /// Empty for a set that is not bound to one namespace.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// For a set sixteen hexadecimal digits, unique in the cluster without the namespace; the same content of a selector
    /// always gives the same name.
    pub name: String,
}

/// A NetworkPolicy on one node.
///
/// A node gets it when it has at least one pod that the policy selects. Pods that use the node's network are neither
/// selected nor peers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResolvedPolicy {
    /// The policy's own namespace and name.
    pub metadata: ResolvedMeta,
    /// The addresses of the selected pods on this node, both families, sorted.
    #[serde(default)]
    pub pods: Vec<IpAddr>,
    /// For which directions the pods are isolated: what no rule of any policy allows is dropped.
    #[serde(default)]
    pub policy_types: Vec<Direction>,
    /// What may come in; meaningful when `policy_types` has [`Direction::Ingress`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ingress: Vec<ResolvedRule>,
    /// What may go out; meaningful when `policy_types` has [`Direction::Egress`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub egress: Vec<ResolvedRule>,
}

/// Which way traffic goes, seen from the selected pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Direction {
    /// To the pod.
    Ingress,
    /// From the pod.
    Egress,
}

/// Traffic that is allowed: the peer is in one of `sets` or `blocks`, and the port is one of `ports`.
///
/// Without `sets` and `blocks` every peer is allowed; without `ports` every port of every protocol. A rule that can match
/// nothing (a named port that no pod has) is left out by the control plane, and a selector that matches nothing is an
/// empty set, so that "empty" here always means "every".
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResolvedRule {
    /// Names of [`AddressSet`]s; each is an attachment of the same manifest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sets: Vec<String>,
    /// Networks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blocks: Vec<Block>,
    /// Ports of the destination.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<ResolvedPort>,
}

/// A network without some of its parts; as validated, so that all parse.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Block {
    /// `address/bits`, of either family.
    pub cidr: String,
    /// Networks within `cidr` that are not part of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<String>,
}

/// A port or a range of ports of the destination.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResolvedPort {
    /// `TCP`, `UDP` or `SCTP`.
    pub protocol: String,
    /// Absent: every port of the protocol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// The last port of a range that begins with `port`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_port: Option<u16>,
    /// The destination must be in this [`AddressSet`] as well: those pods in which a named port has this number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_set: Option<String>,
}

/// Addresses that a selector stands for, in the whole cluster; both families, sorted, without doubles.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressSet {
    /// Its name in rules is `metadata.name`.
    pub metadata: ResolvedMeta,
    /// May be empty: then nothing matches it.
    #[serde(default)]
    pub addresses: Vec<IpAddr>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The form that travels, which agents of another version read too.
    #[test]
    fn the_json_form_is_fixed() {
        let set = AddressSet {
            metadata: ResolvedMeta { namespace: "n".into(), name: "00ff".into() },
            addresses: vec![[10, 0, 0, 1].into()],
        };
        assert_eq!(
            serde_json::to_string(&set).unwrap(),
            r#"{"metadata":{"namespace":"n","name":"00ff"},"addresses":["10.0.0.1"]}"#
        );
        let port =
            ResolvedPort { protocol: "TCP".into(), port: Some(80), end_port: Some(90), to_set: Some("00ff".into()) };
        let policy = ResolvedPolicy {
            metadata: ResolvedMeta { namespace: "n".into(), name: "p".into() },
            pods: vec![[10, 0, 0, 2].into()],
            policy_types: vec![Direction::Ingress],
            ingress: vec![ResolvedRule {
                sets: vec!["00ff".into()],
                blocks: vec![Block { cidr: "10.0.0.0/8".into(), except: vec!["10.1.0.0/16".into()] }],
                ports: vec![port],
            }],
            egress: Vec::new(),
        };
        let text = concat!(
            r#"{"metadata":{"namespace":"n","name":"p"},"pods":["10.0.0.2"],"policyTypes":["Ingress"],"#,
            r#""ingress":[{"sets":["00ff"],"blocks":[{"cidr":"10.0.0.0/8","except":["10.1.0.0/16"]}],"#,
            r#""ports":[{"protocol":"TCP","port":80,"endPort":90,"toSet":"00ff"}]}]}"#
        );
        assert_eq!(serde_json::to_string(&policy).unwrap(), text);
        assert_eq!(serde_json::from_str::<ResolvedPolicy>(text).unwrap(), policy);
    }
}
