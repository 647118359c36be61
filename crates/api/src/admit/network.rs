//! Endpoints, ingresses, their classes and network policies on their way into the store.

use crate::admit::admitted::Admitted;
use crate::admit::prepare::{spec_alone, spec_and_status};
use crate::core::endpoints::Endpoints;
use crate::default::network as default;
use crate::discovery::endpoint_slice::EndpointSlice;
use crate::networking::ingress::{Ingress, IngressClass};
use crate::networking::network_policy::NetworkPolicy;
use crate::validate::error::Errors;
use crate::validate::{endpoints, ingress, network_policy};

impl Admitted for Endpoints {
    fn fill_defaults(&mut self) {
        default::endpoints(self);
    }
    fn validate_create(&self, errors: &mut Errors) {
        endpoints::validate_create(self, errors);
    }
    fn validate_update(&self, old: &Self, errors: &mut Errors) {
        endpoints::validate_update(self, old, errors);
    }
}

impl Admitted for EndpointSlice {
    fn fill_defaults(&mut self) {
        default::endpoint_slice(self);
    }
    fn drop_disabled(&mut self) {
        // Version v1 has no topology that one could set.
        self.endpoints.iter_mut().for_each(|endpoint| endpoint.deprecated_topology.clear());
    }
    fn prepare_create(&mut self) {
        self.metadata.generation = 1;
    }
    fn prepare_update(&mut self, old: &Self) {
        // Its labels say whose it is, so that they count too.
        if (&self.endpoints, &self.ports, &self.address_type) != (&old.endpoints, &old.ports, &old.address_type)
            || self.metadata.labels != old.metadata.labels
        {
            self.metadata.generation += 1;
        }
    }
    fn validate_create(&self, errors: &mut Errors) {
        endpoints::validate_slice_create(self, errors);
    }
    fn validate_update(&self, old: &Self, errors: &mut Errors) {
        endpoints::validate_slice_update(self, old, errors);
    }
}

impl Admitted for Ingress {
    spec_and_status!();
    fn validate_create(&self, errors: &mut Errors) {
        ingress::validate_create(self, errors);
    }
    fn validate_update(&self, old: &Self, errors: &mut Errors) {
        ingress::validate_update(self, old, errors);
    }
}

impl Admitted for IngressClass {
    fn fill_defaults(&mut self) {
        default::ingress_class(self);
    }
    spec_alone!();
    fn validate_create(&self, errors: &mut Errors) {
        ingress::validate_class_create(self, errors);
    }
    fn validate_update(&self, old: &Self, errors: &mut Errors) {
        ingress::validate_class_update(self, old, errors);
    }
}

impl Admitted for NetworkPolicy {
    fn fill_defaults(&mut self) {
        default::network_policy(self);
    }
    spec_alone!();
    fn validate_create(&self, errors: &mut Errors) {
        network_policy::validate_create(self, errors);
    }
    fn validate_update(&self, old: &Self, errors: &mut Errors) {
        network_policy::validate_update(self, old, errors);
    }
}
