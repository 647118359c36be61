//! Gateways, their classes, routes and grants on their way into the store.

use crate::admit::admitted::Admitted;
use crate::admit::prepare::{spec_alone, spec_and_status};
use crate::default::gateway as default;
use crate::gateway::class::GatewayClass;
use crate::gateway::gateway::Gateway;
use crate::gateway::grant::ReferenceGrant;
use crate::gateway::grpc_route::GRPCRoute;
use crate::gateway::http_route::HTTPRoute;
use crate::validate::error::Errors;
use crate::validate::gateway;

impl Admitted for GatewayClass {
    fn fill_defaults(&mut self) {
        default::class(self);
    }
    spec_and_status!(default::class);
    fn validate_create(&self, errors: &mut Errors) {
        gateway::class::validate_create(self, errors);
    }
    fn validate_update(&self, old: &Self, errors: &mut Errors) {
        gateway::class::validate_update(self, old, errors);
    }
}

impl Admitted for Gateway {
    fn fill_defaults(&mut self) {
        default::gateway(self);
    }
    spec_and_status!(default::gateway);
    fn validate_create(&self, errors: &mut Errors) {
        gateway::gateway::validate(self, errors);
    }
}

impl Admitted for HTTPRoute {
    fn fill_defaults(&mut self) {
        default::http_route(self);
    }
    spec_and_status!();
    fn validate_create(&self, errors: &mut Errors) {
        gateway::http_route::validate(self, errors);
    }
}

impl Admitted for GRPCRoute {
    fn fill_defaults(&mut self) {
        default::grpc_route(self);
    }
    spec_and_status!();
    fn validate_create(&self, errors: &mut Errors) {
        gateway::grpc_route::validate(self, errors);
    }
}

impl Admitted for ReferenceGrant {
    spec_alone!();
    fn validate_create(&self, errors: &mut Errors) {
        gateway::grant::validate(self, errors);
    }
}
