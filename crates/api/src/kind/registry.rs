//! The supported kinds: one line each, with the Rust type.

use crate::apps::deployment::Deployment;
use crate::apps::replica_set::ReplicaSet;
use crate::batch::job::Job;
use crate::coordination::lease::Lease;
use crate::core::config::{ConfigMap, Secret, ServiceAccount};
use crate::core::endpoints::Endpoints;
use crate::core::event::Event;
use crate::core::namespace::Namespace;
use crate::core::node::Node;
use crate::core::pod::Pod;
use crate::core::service::Service;
use crate::discovery::endpoint_slice::EndpointSlice;
use crate::gateway::class::GatewayClass;
use crate::gateway::gateway::Gateway;
use crate::gateway::grant::ReferenceGrant;
use crate::gateway::grpc_route::GRPCRoute;
use crate::gateway::http_route::HTTPRoute;
use crate::kind::{Kind, KindInfo, Resource};
use crate::meta::object_meta::ObjectMeta;
use crate::networking::ingress::{Ingress, IngressClass};
use crate::networking::network_policy::NetworkPolicy;
use crate::release::release::Release;

macro_rules! registry {
    ($( $konst:ident $ty:ident $group:literal $version:literal $plural:literal $singular:literal $namespaced:literal
        $short:expr, $categories:expr, $subresources:expr $(, also $other:literal)?; )*) => {
        /// Which line of the registry; a handle's only content, so that kinds can be matched on.
        #[allow(clippy::upper_case_acronyms, non_camel_case_types, reason = "named as the constants of the kinds")]
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        pub(crate) enum Id { $( $konst, )* }

        /// By `Id`.
        pub(crate) static INFOS: &[KindInfo] = &[ $(
            KindInfo {
                group: $group,
                version: $version,
                other_versions: &[ $( $other )? ],
                kind: stringify!($ty),
                plural: $plural,
                singular: $singular,
                short_names: &$short,
                categories: &$categories,
                namespaced: $namespaced,
                subresources: &$subresources,
                schema: $ty::SCHEMA,
            },
        )* ];

        $(
            #[doc = concat!("The kind ", stringify!($ty), ".")]
            pub const $konst: Kind = Kind(Id::$konst);

            impl Resource for $ty {
                const KIND: Kind = $konst;
                fn meta(&self) -> &ObjectMeta {
                    &self.metadata
                }
                fn meta_mut(&mut self) -> &mut ObjectMeta {
                    &mut self.metadata
                }
                fn from_json(bytes: &[u8]) -> serde_json::Result<Self> {
                    serde_json::from_slice(bytes)
                }
                fn from_json_value(value: serde_json::Value) -> serde_json::Result<Self> {
                    serde_json::from_value(value)
                }
                fn to_json_value(&self) -> serde_json::Result<serde_json::Value> {
                    serde_json::to_value(self)
                }
            }
        )*

        /// All of them, in the order in which they are created when nothing else decides.
        pub const KINDS: &[Kind] = &[ $( $konst, )* ];
    };
}

registry! {
    NAMESPACE Namespace "" "v1" "namespaces" "namespace" false ["ns"], [], ["finalize", "status"];
    NODE Node "" "v1" "nodes" "node" false ["no"], [], ["proxy", "status"];
    SERVICE_ACCOUNT ServiceAccount "" "v1" "serviceaccounts" "serviceaccount" true ["sa"], [], ["token"];
    SECRET Secret "" "v1" "secrets" "secret" true [], [], [];
    CONFIG_MAP ConfigMap "" "v1" "configmaps" "configmap" true ["cm"], [], [];
    SERVICE Service "" "v1" "services" "service" true ["svc"], ["all"], ["proxy", "status"];
    ENDPOINTS Endpoints "" "v1" "endpoints" "endpoints" true ["ep"], [], [];
    ENDPOINT_SLICE EndpointSlice "discovery.k8s.io" "v1" "endpointslices" "endpointslice" true [], [], [];
    NETWORK_POLICY NetworkPolicy "networking.k8s.io" "v1" "networkpolicies" "networkpolicy" true ["netpol"], [], [];
    POD Pod "" "v1" "pods" "pod" true ["po"], ["all"],
        ["attach", "binding", "ephemeralcontainers", "eviction", "exec", "log", "portforward", "proxy", "resize", "status"];
    REPLICA_SET ReplicaSet "apps" "v1" "replicasets" "replicaset" true ["rs"], ["all"], ["scale", "status"];
    DEPLOYMENT Deployment "apps" "v1" "deployments" "deployment" true ["deploy"], ["all"], ["scale", "status"];
    JOB Job "batch" "v1" "jobs" "job" true [], ["all"], ["status"];
    INGRESS_CLASS IngressClass "networking.k8s.io" "v1" "ingressclasses" "ingressclass" false [], [], [];
    INGRESS Ingress "networking.k8s.io" "v1" "ingresses" "ingress" true ["ing"], [], ["status"];
    GATEWAY_CLASS GatewayClass "gateway.networking.k8s.io" "v1" "gatewayclasses" "gatewayclass" false
        ["gc"], ["gateway-api"], ["status"], also "v1beta1";
    GATEWAY Gateway "gateway.networking.k8s.io" "v1" "gateways" "gateway" true
        ["gtw"], ["gateway-api"], ["status"], also "v1beta1";
    REFERENCE_GRANT ReferenceGrant "gateway.networking.k8s.io" "v1" "referencegrants" "referencegrant" true
        ["refgrant"], ["gateway-api"], [], also "v1beta1";
    HTTP_ROUTE HTTPRoute "gateway.networking.k8s.io" "v1" "httproutes" "httproute" true
        [], ["gateway-api"], ["status"], also "v1beta1";
    GRPC_ROUTE GRPCRoute "gateway.networking.k8s.io" "v1" "grpcroutes" "grpcroute" true
        [], ["gateway-api"], ["status"];
    RELEASE Release "masthead.dev" "v1" "releases" "release" true [], [], [];
    LEASE Lease "coordination.k8s.io" "v1" "leases" "lease" true [], [], [];
    EVENT Event "" "v1" "events" "event" true ["ev"], [], [];
}
