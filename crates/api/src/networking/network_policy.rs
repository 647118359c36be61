//! Policies: which pods may talk to whom.

use crate::intstr::IntOrString;
use crate::meta::object_meta::ObjectMeta;
use crate::meta::selector::LabelSelector;
use crate::schema::object::object;

object! {
    /// What traffic is allowed for the pods that it selects.
    pub struct NetworkPolicy {
        api_version: String = "apiVersion", 102, [omitempty];
        kind: String = "kind", 101, [omitempty];
        metadata: ObjectMeta = "metadata", 1, [omitempty];
        spec: NetworkPolicySpec = "spec", 2, [omitempty];
    }

    /// The pods and their rules.
    pub struct NetworkPolicySpec {
        pod_selector: LabelSelector = "podSelector", 1, [omitempty];
        ingress: Vec<NetworkPolicyIngressRule> = "ingress", 2, [omitempty, list_atomic];
        egress: Vec<NetworkPolicyEgressRule> = "egress", 3, [omitempty, list_atomic];
        policy_types: Vec<String> = "policyTypes", 4, [omitempty, go("[]v1.PolicyType"), list_atomic];
    }

    /// What may come in: from any of the peers, to any of the ports.
    pub struct NetworkPolicyIngressRule {
        ports: Vec<NetworkPolicyPort> = "ports", 1, [omitempty, list_atomic];
        from: Vec<NetworkPolicyPeer> = "from", 2, [omitempty, list_atomic];
    }

    /// What may go out: to any of the peers, on any of the ports.
    pub struct NetworkPolicyEgressRule {
        ports: Vec<NetworkPolicyPort> = "ports", 1, [omitempty, list_atomic];
        to: Vec<NetworkPolicyPeer> = "to", 2, [omitempty, list_atomic];
    }

    /// A port by number or by name, or a range of numbers.
    pub struct NetworkPolicyPort {
        protocol: Option<String> = "protocol", 1, [omitempty, go("v1.Protocol")];
        port: Option<IntOrString> = "port", 2, [omitempty];
        end_port: Option<i32> = "endPort", 3, [omitempty];
    }

    /// Pods, or a network.
    pub struct NetworkPolicyPeer {
        pod_selector: Option<LabelSelector> = "podSelector", 1, [omitempty];
        namespace_selector: Option<LabelSelector> = "namespaceSelector", 2, [omitempty];
        ip_block: Option<IPBlock> = "ipBlock", 3, [omitempty];
    }

    /// A network without some of its parts.
    pub struct IPBlock {
        cidr: String = "cidr", 1, [];
        except: Vec<String> = "except", 2, [omitempty, list_atomic];
    }
}
