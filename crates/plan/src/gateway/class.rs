//! A class of gateways → whether it is ours, and its status.

use std::sync::Arc;

use masthead_api::gateway::CONTROLLER;
use masthead_api::gateway::class::{GatewayClass, SupportedFeature};
use masthead_api::gateway::gateway::Gateway;
use masthead_api::key::ObjectKey;
use masthead_api::kind::Resource;

use crate::cluster::view::Cluster;
use crate::gateway::status::{Fault, Said, merge};
use masthead_api::meta::time::Time;

/// What of the specification's optional parts is here, by the names of its conformance tests, sorted.
const FEATURES: [&str; 35] = [
    "GRPCRoute",
    "GRPCRouteNamedRouteRule",
    "GRPCRouteRequestHeaderModifier",
    "Gateway",
    "GatewayAddressEmpty",
    "GatewayHTTPListenerIsolation",
    "GatewayHTTPSListenerDetectMisdirectedRequests",
    "GatewayPort8080",
    "HTTPRoute",
    "HTTPRoute303RedirectStatusCode",
    "HTTPRoute307RedirectStatusCode",
    "HTTPRoute308RedirectStatusCode",
    "HTTPRouteBackendProtocolH2C",
    "HTTPRouteBackendProtocolWebSocket",
    "HTTPRouteBackendRequestHeaderModification",
    "HTTPRouteBackendRequestRedirect",
    "HTTPRouteBackendTimeout",
    "HTTPRouteBackendURLRewrite",
    "HTTPRouteCORS",
    "HTTPRouteDestinationPortMatching",
    "HTTPRouteHostRewrite",
    "HTTPRouteMethodMatching",
    "HTTPRouteNamedRouteRule",
    "HTTPRouteParentRefPort",
    "HTTPRoutePathRedirect",
    "HTTPRoutePathRewrite",
    "HTTPRoutePortRedirect",
    "HTTPRouteQueryParamMatching",
    "HTTPRouteRequestMirror",
    "HTTPRouteRequestMultipleMirrors",
    "HTTPRouteRequestPercentageMirror",
    "HTTPRouteRequestTimeout",
    "HTTPRouteResponseHeaderModification",
    "HTTPRouteSchemeRedirect",
    "ReferenceGrant",
];

/// Whether Masthead serves the gateways of a class.
pub fn is_ours(class: &GatewayClass) -> bool {
    class.spec.controller_name == CONTROLLER
}

/// Our class of a gateway.
pub fn class_of(cluster: &Cluster, gateway: &Gateway) -> Option<Arc<GatewayClass>> {
    let key = ObjectKey::new(GatewayClass::KIND, "", gateway.spec.gateway_class_name.as_str());
    cluster.typed::<GatewayClass>(&key).filter(|class| is_ours(class))
}

/// Why a class of ours is not taken.
pub fn fault(class: &GatewayClass) -> Option<Fault> {
    let parameters = class.spec.parameters_ref.as_ref()?;
    let message = format!("{} {:?}: a class has no parameters here", parameters.kind, parameters.name);
    Some(Fault::new("InvalidParameters", message))
}

/// A class of ours with its status.
pub fn with_status(class: &GatewayClass, now: Time) -> GatewayClass {
    let mut new = class.clone();
    let said = [Said::of("Accepted", "Accepted", fault(class).as_ref())];
    new.status.conditions = merge(&class.status.conditions, &said, &["Accepted"], class.metadata.generation, now);
    new.status.supported_features = FEATURES.map(|name| SupportedFeature { name: name.to_owned() }).to_vec();
    new
}
