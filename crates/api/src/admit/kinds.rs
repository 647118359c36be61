//! Each supported kind's way into the store, and the look-up of a kind's type.

use crate::admit::admitted::{Admitted, Visit};
use crate::admit::families::Families;
use crate::admit::prepare::{spec_alone, spec_and_status};
use crate::admit::{gates, pod, service};
use crate::apps::deployment::{Deployment, DeploymentStatus};
use crate::apps::replica_set::ReplicaSet;
use crate::batch::job::Job;
use crate::batch::selector;
use crate::coordination::lease::Lease;
use crate::core::config::{ConfigMap, Secret, ServiceAccount};
use crate::core::endpoints::Endpoints;
use crate::core::event::Event;
use crate::core::namespace::{Namespace, NamespaceStatus};
use crate::core::node::Node;
use crate::core::pod::Pod;
use crate::core::reference::ObjectReference;
use crate::core::service::Service;
use crate::default;
use crate::discovery::endpoint_slice::EndpointSlice;
use crate::gateway::class::GatewayClass;
use crate::gateway::gateway::Gateway;
use crate::gateway::grant::ReferenceGrant;
use crate::gateway::grpc_route::GRPCRoute;
use crate::gateway::http_route::HTTPRoute;
use crate::kind::{Kind, registry};
use crate::networking::ingress::{Ingress, IngressClass};
use crate::networking::network_policy::NetworkPolicy;
use crate::release::release::{HOOKS_RUN, Release};
use crate::validate;
use crate::validate::error::Errors;

/// Does something with the Rust type of a kind.
pub fn with<V: Visit>(kind: Kind, visit: V) -> V::Out {
    match kind {
        registry::NAMESPACE => visit.visit::<Namespace>(),
        registry::NODE => visit.visit::<Node>(),
        registry::SERVICE_ACCOUNT => visit.visit::<ServiceAccount>(),
        registry::SECRET => visit.visit::<Secret>(),
        registry::CONFIG_MAP => visit.visit::<ConfigMap>(),
        registry::SERVICE => visit.visit::<Service>(),
        registry::ENDPOINTS => visit.visit::<Endpoints>(),
        registry::ENDPOINT_SLICE => visit.visit::<EndpointSlice>(),
        registry::NETWORK_POLICY => visit.visit::<NetworkPolicy>(),
        registry::POD => visit.visit::<Pod>(),
        registry::REPLICA_SET => visit.visit::<ReplicaSet>(),
        registry::DEPLOYMENT => visit.visit::<Deployment>(),
        registry::JOB => visit.visit::<Job>(),
        registry::INGRESS_CLASS => visit.visit::<IngressClass>(),
        registry::INGRESS => visit.visit::<Ingress>(),
        registry::GATEWAY_CLASS => visit.visit::<GatewayClass>(),
        registry::GATEWAY => visit.visit::<Gateway>(),
        registry::REFERENCE_GRANT => visit.visit::<ReferenceGrant>(),
        registry::HTTP_ROUTE => visit.visit::<HTTPRoute>(),
        registry::GRPC_ROUTE => visit.visit::<GRPCRoute>(),
        registry::RELEASE => visit.visit::<Release>(),
        registry::LEASE => visit.visit::<Lease>(),
        registry::EVENT => visit.visit::<Event>(),
    }
}

impl Admitted for Pod {
    fn fill_defaults(&mut self) {
        default::pod::pod(self);
    }
    fn prepare_create(&mut self) {
        pod::prepare_create(self);
    }
    fn prepare_update(&mut self, old: &Self) {
        self.status.clone_from(&old.status);
        if self.spec != old.spec {
            self.metadata.generation += 1;
        }
    }
    fn drop_disabled(&mut self) {
        gates::pod(&mut self.spec);
    }
    fn validate_create(&self, errors: &mut Errors) {
        validate::pod::validate_create(self, errors);
    }
    fn validate_update(&self, old: &Self, errors: &mut Errors) {
        validate::pod::update::validate_update(self, old, errors);
    }
}

impl Admitted for Deployment {
    fn fill_defaults(&mut self) {
        default::workload::deployment(self);
    }
    fn prepare_create(&mut self) {
        self.status = DeploymentStatus::default();
        self.metadata.generation = 1;
    }
    fn prepare_update(&mut self, old: &Self) {
        self.status.clone_from(&old.status);
        if self.spec != old.spec || self.metadata.annotations != old.metadata.annotations {
            self.metadata.generation += 1;
        }
    }
    fn drop_disabled(&mut self) {
        gates::pod(&mut self.spec.template.spec);
    }
    fn validate_create(&self, errors: &mut Errors) {
        validate::workload::validate_deployment(self, errors);
    }
    fn validate_update(&self, old: &Self, errors: &mut Errors) {
        validate::workload::validate_deployment_update(self, old, errors);
    }
}

impl Admitted for ReplicaSet {
    fn fill_defaults(&mut self) {
        default::workload::replica_set(self);
    }
    spec_and_status!();
    fn drop_disabled(&mut self) {
        gates::pod(&mut self.spec.template.spec);
    }
    fn validate_create(&self, errors: &mut Errors) {
        validate::workload::validate_replica_set(self, errors);
    }
    fn validate_update(&self, old: &Self, errors: &mut Errors) {
        validate::workload::validate_replica_set_update(self, old, errors);
    }
}

impl Admitted for Job {
    fn fill_defaults(&mut self) {
        default::job::job(self);
    }
    spec_and_status!();
    fn settle(&mut self) {
        selector::generate(self);
        selector::label(self);
    }
    fn drop_disabled(&mut self) {
        gates::pod(&mut self.spec.template.spec);
    }
    fn validate_create(&self, errors: &mut Errors) {
        validate::job::validate_create(self, errors);
    }
    fn validate_update(&self, old: &Self, errors: &mut Errors) {
        validate::job::update::validate_update(self, old, errors);
    }
}

impl Admitted for Service {
    fn fill_defaults(&mut self) {
        default::service::service(self);
    }
    fn prepare_create(&mut self) {
        service::prepare_create(self);
    }
    fn prepare_update(&mut self, old: &Self) {
        service::prepare_update(self, old);
    }
    fn fit(&mut self, old: Option<&Self>, families: Families, errors: &mut Errors) {
        service::fit(self, old, families, errors);
    }
    fn validate_create(&self, errors: &mut Errors) {
        validate::service::validate_create(self, errors);
    }
    fn validate_update(&self, old: &Self, errors: &mut Errors) {
        validate::service::validate_update(self, old, errors);
    }
}

impl Admitted for Release {
    fn fill_defaults(&mut self) {
        if self.spec.hooks.is_empty() {
            HOOKS_RUN.clone_into(&mut self.spec.hooks);
        }
    }
    spec_alone!();
    fn validate_create(&self, errors: &mut Errors) {
        validate::release::validate_create(self, errors);
    }
    fn validate_update(&self, old: &Self, errors: &mut Errors) {
        validate::release::validate_update(self, old, errors);
    }
}

impl Admitted for ConfigMap {
    fn validate_create(&self, errors: &mut Errors) {
        validate::config::validate_config_map(self, errors);
    }
    fn validate_update(&self, old: &Self, errors: &mut Errors) {
        validate::config::validate_config_map_update(self, old, errors);
    }
}

impl Admitted for Secret {
    fn fill_defaults(&mut self) {
        default::config::secret(self);
    }
    fn validate_create(&self, errors: &mut Errors) {
        validate::config::validate_secret(self, errors);
    }
    fn validate_update(&self, old: &Self, errors: &mut Errors) {
        validate::config::validate_secret_update(self, old, errors);
    }
}

/// Of the secrets of an account only their names are kept.
fn names_only(account: &mut ServiceAccount) {
    for secret in &mut account.secrets {
        *secret = ObjectReference { name: std::mem::take(&mut secret.name), ..ObjectReference::default() };
    }
}

impl Admitted for ServiceAccount {
    fn prepare_create(&mut self) {
        names_only(self);
    }
    fn prepare_update(&mut self, _old: &Self) {
        names_only(self);
    }
    fn validate_create(&self, errors: &mut Errors) {
        validate::config::validate_service_account(self, errors);
    }
    fn validate_update(&self, old: &Self, errors: &mut Errors) {
        validate::config::validate_service_account_update(self, old, errors);
    }
}

impl Admitted for Namespace {
    fn fill_defaults(&mut self) {
        default::config::namespace(self);
    }
    fn prepare_create(&mut self) {
        self.status = NamespaceStatus { phase: "Active".to_owned(), ..NamespaceStatus::default() };
        if !self.spec.finalizers.iter().any(|f| f == "kubernetes") {
            self.spec.finalizers.push("kubernetes".to_owned());
        }
    }
    fn prepare_update(&mut self, old: &Self) {
        self.spec.clone_from(&old.spec);
        self.status.clone_from(&old.status);
    }
    fn validate_create(&self, errors: &mut Errors) {
        validate::config::validate_namespace(self, errors);
    }
    fn validate_update(&self, old: &Self, errors: &mut Errors) {
        validate::config::validate_namespace_update(self, old, errors);
    }
}

impl Admitted for Node {
    fn fill_defaults(&mut self) {
        default::config::node(self);
    }
    fn prepare_update(&mut self, old: &Self) {
        self.status.clone_from(&old.status);
    }
    fn drop_disabled(&mut self) {
        gates::node(self);
    }
    fn validate_create(&self, errors: &mut Errors) {
        validate::node::validate_create(self, errors);
    }
    fn validate_update(&self, old: &Self, errors: &mut Errors) {
        validate::node::validate_update(self, old, errors);
    }
}

impl Admitted for Event {
    fn validate_create(&self, errors: &mut Errors) {
        validate::record::validate_event(self, errors);
    }
}

impl Admitted for Lease {
    fn drop_disabled(&mut self) {
        gates::lease(self);
    }
    fn validate_create(&self, errors: &mut Errors) {
        validate::record::validate_lease(self, errors);
    }
    fn validate_update(&self, old: &Self, errors: &mut Errors) {
        validate::record::validate_lease_update(self, old, errors);
    }
}
