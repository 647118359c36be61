//! Gateways, their classes, routes and grants on their way into the store.

use crate::admit::Admitted;
use crate::default::gateway as default;
use crate::gateway::class::{GatewayClass, GatewayClassStatus};
use crate::gateway::gateway::{Gateway, GatewayStatus};
use crate::gateway::grant::ReferenceGrant;
use crate::gateway::grpc_route::GRPCRoute;
use crate::gateway::http_route::HTTPRoute;
use crate::validate::error::Errors;
use crate::validate::gateway;

impl Admitted for GatewayClass {
    fn fill_defaults(&mut self) {
        default::class(self);
    }
    fn prepare_create(&mut self) {
        self.status = GatewayClassStatus::default();
        default::class(self);
        self.metadata.generation = 1;
    }
    fn prepare_update(&mut self, old: &Self) {
        self.status.clone_from(&old.status);
        if self.spec != old.spec {
            self.metadata.generation += 1;
        }
    }
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
    fn prepare_create(&mut self) {
        self.status = GatewayStatus::default();
        default::gateway(self);
        self.metadata.generation = 1;
    }
    fn prepare_update(&mut self, old: &Self) {
        self.status.clone_from(&old.status);
        if self.spec != old.spec {
            self.metadata.generation += 1;
        }
    }
    fn validate_create(&self, errors: &mut Errors) {
        gateway::gateway::validate_create(self, errors);
    }
    fn validate_update(&self, _old: &Self, errors: &mut Errors) {
        gateway::gateway::validate_create(self, errors);
    }
}

impl Admitted for HTTPRoute {
    fn fill_defaults(&mut self) {
        default::http_route(self);
    }
    fn prepare_create(&mut self) {
        self.status = None;
        self.metadata.generation = 1;
    }
    fn prepare_update(&mut self, old: &Self) {
        self.status.clone_from(&old.status);
        if self.spec != old.spec {
            self.metadata.generation += 1;
        }
    }
    fn validate_create(&self, errors: &mut Errors) {
        gateway::http_route::validate_create(self, errors);
    }
    fn validate_update(&self, _old: &Self, errors: &mut Errors) {
        gateway::http_route::validate_create(self, errors);
    }
}

impl Admitted for GRPCRoute {
    fn fill_defaults(&mut self) {
        default::grpc_route(self);
    }
    fn prepare_create(&mut self) {
        self.status = None;
        self.metadata.generation = 1;
    }
    fn prepare_update(&mut self, old: &Self) {
        self.status.clone_from(&old.status);
        if self.spec != old.spec {
            self.metadata.generation += 1;
        }
    }
    fn validate_create(&self, errors: &mut Errors) {
        gateway::grpc_route::validate_create(self, errors);
    }
    fn validate_update(&self, _old: &Self, errors: &mut Errors) {
        gateway::grpc_route::validate_create(self, errors);
    }
}

impl Admitted for ReferenceGrant {
    fn prepare_create(&mut self) {
        self.metadata.generation = 1;
    }
    fn prepare_update(&mut self, old: &Self) {
        if self.spec != old.spec {
            self.metadata.generation += 1;
        }
    }
    fn validate_create(&self, errors: &mut Errors) {
        gateway::grant::validate_create(self, errors);
    }
    fn validate_update(&self, _old: &Self, errors: &mut Errors) {
        gateway::grant::validate_create(self, errors);
    }
}
